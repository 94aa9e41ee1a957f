//! Why a connection failed, and what to do about it.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError};
use url::Url;

use super::error::{Failure, Fault, RedirectFault};
use super::line::one_line;
use super::network::ResolveError;
use super::redact::Redactor;
use super::settings::Timeouts;

/// The failure of a request to `url` that got no headers back.
pub(crate) fn classify(
    error: &reqwest::Error,
    url: &Url,
    timeouts: &Timeouts,
    redactor: &Redactor,
) -> Failure {
    for cause in causes(error) {
        match cause.downcast_ref::<ResolveError>() {
            Some(ResolveError::Private) => {
                let to = redactor.url(url);
                return Failure::Redirect(RedirectFault::Private { to });
            }
            Some(ResolveError::Failed(reason)) => {
                return Failure::Fault(Fault::Name(reason.clone()));
            }
            None => {}
        }
        if let Some(reason) = cause.downcast_ref().and_then(tls_reason) {
            return Failure::Tls(reason);
        }
    }
    for cause in causes(error) {
        if let Some(fault) = cause.downcast_ref().and_then(head_fault) {
            return Failure::Fault(fault);
        }
    }
    if error.is_builder() {
        return Failure::Fault(Fault::Address(error_text(error)));
    }
    Failure::Fault(match (error.is_connect(), error.is_timeout()) {
        (true, true) => Fault::Timeout {
            limit: "connect_timeout",
            after: timeouts.connect,
        },
        (true, false) => Fault::Connect(error_text(error)),
        _ => Fault::Dropped(error_text(error)),
    })
}

/// The fault of a response whose head is not HTTP.
fn head_fault(error: &hyper::Error) -> Option<Fault> {
    if !error.is_parse() {
        return None;
    }
    let text = error.to_string();
    let reason = if error.is_parse_too_large() {
        "it has too many header lines, or too long ones".to_owned()
    } else if text.contains("version") || text.contains("status") {
        format!("the status line is malformed: {text}")
    } else {
        format!("a header line is malformed: {text}")
    };
    Some(Fault::Head(reason))
}

/// How texts begin that say only in which layer of the libraries something failed.
const WRAPPERS: [&str; 2] = ["client error (", "tcp connect error"];

/// The causes of an error on one line, without the outermost: it says only that something failed,
/// and may contain the URL.
pub(crate) fn error_text(error: &reqwest::Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    for cause in causes(error) {
        let text = cause.to_string();
        if WRAPPERS.iter().any(|wrapper| text.starts_with(wrapper)) && below(cause).is_some() {
            continue;
        }
        // Wrappers often repeat the text of their cause.
        if texts.last().is_none_or(|last| !last.contains(&text)) {
            texts.push(text);
        }
    }
    match texts.is_empty() {
        true => "the request cannot be sent".to_owned(),
        // A certificate's names are the server's text.
        false => one_line(&texts.join(": ")),
    }
}

/// The causes of an error, the outermost first.
fn causes(error: &Cause) -> impl Iterator<Item = &Cause> {
    let mut next = below(error);
    std::iter::from_fn(move || {
        let cause = next?;
        next = below(cause);
        Some(cause)
    })
}

/// The next cause. `io::Error::source` skips the error that it wraps, so that one comes from
/// `get_ref`.
fn below(error: &Cause) -> Option<&Cause> {
    let wrapped = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref);
    match wrapped {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

type Cause = dyn Error + 'static;

/// The cause of a TLS error and what to do about it; `None` if the error may pass by itself.
fn tls_reason(error: &rustls::Error) -> Option<String> {
    let advice = match error {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::UnknownIssuer => {
                "the certificate is signed by an authority that this system does not trust. If the \
                 server omits its intermediate certificate, or the authority is the institution's \
                 own, put that certificate into a PEM file and name it as ca_file"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the certificate has expired: check this machine's clock, then ask the server's \
                 operator to renew it"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the certificate is not valid yet: check this machine's clock"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the certificate is for another host: check the URL's host name"
            }
            _ => "the certificate is invalid: ask the server's operator to replace it",
        },
        rustls::Error::InvalidMessage(_) => {
            "the server does not speak TLS: check the URL's scheme and port, and any proxy between"
        }
        rustls::Error::PeerIncompatible(_)
        | rustls::Error::AlertReceived(
            AlertDescription::ProtocolVersion
            | AlertDescription::HandshakeFailure
            | AlertDescription::InsufficientSecurity,
        ) => "the server offers no TLS version or cipher that is still safe (TLS 1.2 or 1.3)",
        rustls::Error::AlertReceived(AlertDescription::UnrecognisedName) => {
            "the server does not know the URL's host name"
        }
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired | AlertDescription::BadCertificate,
        ) => "the server requires a client certificate, which harvestd does not support",
        _ => return None,
    };
    Some(format!("{advice} ({})", one_line(&error.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_permanent_tls_errors_have_advice() {
        let alert = rustls::Error::AlertReceived;
        let certificate = rustls::Error::InvalidCertificate;
        let cases = [
            (
                "unknown issuer",
                certificate(CertificateError::UnknownIssuer),
                Some("ca_file"),
            ),
            (
                "expired",
                certificate(CertificateError::Expired),
                Some("expired"),
            ),
            (
                "too early",
                certificate(CertificateError::NotValidYet),
                Some("clock"),
            ),
            (
                "other host",
                certificate(CertificateError::NotValidForName),
                Some("another host"),
            ),
            (
                "revoked",
                certificate(CertificateError::Revoked),
                Some("invalid"),
            ),
            (
                "old",
                alert(AlertDescription::ProtocolVersion),
                Some("TLS 1.2 or 1.3"),
            ),
            (
                "no cipher",
                alert(AlertDescription::HandshakeFailure),
                Some("cipher"),
            ),
            (
                "name",
                alert(AlertDescription::UnrecognisedName),
                Some("host name"),
            ),
            (
                "client",
                alert(AlertDescription::CertificateRequired),
                Some("client certificate"),
            ),
            ("overload", alert(AlertDescription::InternalError), None),
            ("noise", rustls::Error::DecryptError, None),
        ];
        for (case, error, expected) in cases {
            // Wrapped twice, as the connector returns it.
            let wrapped = io::Error::other(io::Error::other(error));
            let reason = causes(&wrapped).find_map(|cause| tls_reason(cause.downcast_ref()?));
            match expected {
                Some(part) => assert!(reason.unwrap().contains(part), "{case}"),
                None => assert_eq!(reason, None, "{case}"),
            }
        }
    }
}
