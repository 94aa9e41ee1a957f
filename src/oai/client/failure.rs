//! What the failure of a connection means.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError};

use super::network::ResolveError;
use crate::oai::error::Fault;
use crate::oai::settings::Timeouts;

/// Why no headers came, as far as the connection tells.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ConnectionFailure {
    /// Try again.
    Fault(Fault),
    /// A redirect led to a name in a private network.
    Private,
    /// No trusted connection; the reason for a person.
    Tls(String),
}

/// Sorts the failure of a request whose headers never came.
pub(crate) fn sort(error: &reqwest::Error, timeouts: &Timeouts) -> ConnectionFailure {
    for cause in causes(error) {
        match cause.downcast_ref::<ResolveError>() {
            Some(ResolveError::Private) => return ConnectionFailure::Private,
            Some(ResolveError::Failed(reason)) => {
                return ConnectionFailure::Fault(Fault::Name(reason.clone()));
            }
            None => {}
        }
        if let Some(reason) = cause.downcast_ref().and_then(tls_reason) {
            return ConnectionFailure::Tls(reason);
        }
    }
    ConnectionFailure::Fault(match (error.is_connect(), error.is_timeout()) {
        (true, true) => Fault::Timeout {
            limit: "connect_timeout",
            after: timeouts.connect,
        },
        (true, false) => Fault::Connect(error_text(error)),
        _ => Fault::Dropped(error_text(error)),
    })
}

/// The causes of an error as one line: the outermost says only that something failed, and may
/// carry the address.
pub(crate) fn error_text(error: &reqwest::Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    for cause in causes(error) {
        let text = cause.to_string();
        // Wrappers often repeat what they wrap.
        if texts.last().is_none_or(|last| !last.contains(&text)) {
            texts.push(text);
        }
    }
    match texts.is_empty() {
        true => "the request cannot be sent".to_owned(),
        false => texts.join(": "),
    }
}

/// What an error was caused by, the outermost first. I/O errors count what they wrap as
/// themselves and pass on only its source, so what they wrap is asked for by name.
fn causes(error: &Cause) -> impl Iterator<Item = &Cause> {
    let mut next = below(error);
    std::iter::from_fn(move || {
        let cause = next?;
        next = below(cause);
        Some(cause)
    })
}

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

/// What a person may do about an error of TLS; `None` if it may pass by itself.
fn tls_reason(error: &rustls::Error) -> Option<String> {
    let advice = match error {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::UnknownIssuer => {
                "no authority that this system trusts vouches for the certificate; if the server \
                 leaves out its intermediate certificate, or the authority is the institution's \
                 own, name a PEM file with that certificate as ca_file"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the certificate has expired: ask the repository to renew it, and check this \
                 machine's clock"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the certificate is not valid yet: check this machine's clock"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the certificate is for another host: check the URL's host name"
            }
            _ => "the certificate is refused: ask the repository to mend it",
        },
        rustls::Error::InvalidMessage(_) => {
            "what came is no TLS: check the URL's scheme and port, and a proxy on the way"
        }
        rustls::Error::PeerIncompatible(_)
        | rustls::Error::AlertReceived(
            AlertDescription::ProtocolVersion
            | AlertDescription::HandshakeFailure
            | AlertDescription::InsufficientSecurity,
        ) => "the server has no version of TLS or no cipher that is still safe (TLS 1.2 or 1.3)",
        rustls::Error::AlertReceived(AlertDescription::UnrecognisedName) => {
            "the server does not know the URL's host name"
        }
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired | AlertDescription::BadCertificate,
        ) => "the server wants a client certificate, which is not supported",
        _ => return None,
    };
    Some(format!("{advice} ({error})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lasting_errors_of_tls_stop_a_source() {
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
                Some("refused"),
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
            // As the connector hands it on.
            let wrapped = io::Error::other(io::Error::other(error));
            let reason = causes(&wrapped).find_map(|cause| tls_reason(cause.downcast_ref()?));
            match expected {
                Some(part) => assert!(reason.unwrap().contains(part), "{case}"),
                None => assert_eq!(reason, None, "{case}"),
            }
        }
    }
}
