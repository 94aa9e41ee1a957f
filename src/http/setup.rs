//! Turns settings into a client of the HTTP library.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, USER_AGENT,
};
use reqwest::{Certificate, Proxy, redirect};
use rustls::ClientConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls_platform_verifier::Verifier;
use url::Url;

use super::address::{API_KEY, base_of, stray_argument};
use super::error::ClientError;
use super::network::NetworkPolicy;
use super::redact::{Redactor, show_url};
use super::secret::Secret;
use super::settings::{ClientSettings, Credentials};
use super::{decompress, failure};

/// How many header lines a reply may have. The HTTP library's own limit is 100, and servers behind
/// several proxies exceed it.
const MAX_HEADERS: usize = 1_000;

/// The base URL without userinfo and `api_key`, and the credentials with both.
///
/// Refuses a URL that is not http(s), or that contains one of `arguments`.
pub(crate) fn split_url(
    settings: &ClientSettings,
    arguments: &'static [&'static str],
) -> Result<(Url, Credentials), ClientError> {
    let url = &settings.url;
    let refuse = |reason: String| {
        let url = Redactor::new(settings).url(url);
        Err(ClientError::BaseUrl { url, reason })
    };
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return refuse("it must begin with http:// or https:// and a host name".to_owned());
    }
    if let Some(name) = stray_argument(url, arguments) {
        return refuse(format!(
            "it contains the argument {name:?}, which every request adds itself: remove it"
        ));
    }
    let mut credentials = settings.credentials.clone();
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let free = credentials.basic.is_none() && credentials.bearer.is_none();
    if free && (!url.username().is_empty() || url.password().is_some()) {
        let password = decode(url.password().unwrap_or_default());
        credentials.basic = Some((decode(url.username()), Secret::new(password)));
    }
    if credentials.api_key.is_none() {
        let key = url.query_pairs().find(|(name, _)| name == API_KEY);
        credentials.api_key = key
            .filter(|(_, value)| !value.is_empty())
            .map(|(_, value)| Secret::new(value));
    }
    Ok((base_of(url, arguments, |_, _| false), credentials))
}

/// The `User-Agent` header: our name, our version and the operator's contact.
///
/// Refuses a contact that no header can carry. Refuses `bot` and `spider` too: DOAJ answers no
/// client with such a name.
pub(crate) fn user_agent(contact: Option<&str>) -> Result<String, ClientError> {
    let name = concat!("harvestd/", env!("CARGO_PKG_VERSION"));
    let Some(contact) = contact.map(str::trim).filter(|contact| !contact.is_empty()) else {
        return Ok(name.to_owned());
    };
    let refuse = |reason: &str| {
        Err(ClientError::Contact {
            contact: contact.to_owned(),
            reason: reason.to_owned(),
        })
    };
    if !contact.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return refuse(
            "it is sent in the User-Agent header, so it must be plain ASCII on one line",
        );
    }
    let lower = contact.to_ascii_lowercase();
    if lower.contains("bot") || lower.contains("spider") {
        return refuse(
            "it contains \"bot\" or \"spider\", and DOAJ and other servers refuse such a User-Agent: \
             use another address",
        );
    }
    Ok(format!("{name} (+{contact})"))
}

/// The headers with credentials. Only the configured site gets them.
pub(crate) fn private_headers(credentials: &Credentials) -> Result<HeaderMap, ClientError> {
    let refuse = |which: &str, reason: &str| ClientError::Credential {
        which: which.to_owned(),
        reason: reason.to_owned(),
    };
    let value = |which: &str, text: &str| {
        let mut value = HeaderValue::from_str(text).map_err(|_| {
            refuse(
                which,
                "its value contains characters that a header cannot carry",
            )
        })?;
        value.set_sensitive(true);
        Ok(value)
    };
    let mut headers = HeaderMap::new();
    if let Some((user, password)) = &credentials.basic {
        if user.contains(':') {
            return Err(refuse("user", "a user name cannot contain a colon"));
        }
        let login = STANDARD.encode(format!("{user}:{}", password.expose()));
        headers.insert(AUTHORIZATION, value("password", &format!("Basic {login}"))?);
    }
    if let Some(bearer) = &credentials.bearer {
        if credentials.basic.is_some() {
            let reason =
                "user and password are set too, but a request can carry only one of the two";
            return Err(refuse("bearer token", reason));
        }
        let text = format!("Bearer {}", bearer.expose());
        headers.insert(AUTHORIZATION, value("bearer token", &text)?);
    }
    for (name, secret) in &credentials.headers {
        let which = format!("header {name:?}");
        let value = value(&which, secret.expose())?;
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| refuse(&which, "this is not a valid header name"))?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// A client of the HTTP library: our headers, verified TLS, the proxy, names resolved through
/// `network`, no redirects.
///
/// Proxies in the environment are ignored: only the settings decide what a client does.
pub(crate) fn http_client(
    settings: &ClientSettings,
    accept: &'static str,
    user_agent: &str,
    network: &NetworkPolicy,
) -> Result<reqwest::Client, ClientError> {
    let setup = |reason: String| ClientError::Setup { reason };
    install_crypto();
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static(accept));
    headers.insert(
        ACCEPT_ENCODING,
        HeaderValue::from_static(decompress::ACCEPT_ENCODING),
    );
    let agent = HeaderValue::from_str(user_agent).map_err(|error| setup(error.to_string()))?;
    headers.insert(USER_AGENT, agent);
    let builder = reqwest::Client::builder()
        .default_headers(headers)
        .connect_timeout(settings.timeouts.connect)
        .redirect(redirect::Policy::none())
        .referer(false)
        // Browsers read such headers too.
        .http1_ignore_invalid_headers_in_responses(true)
        .http1_allow_spaces_after_header_name_in_responses(true)
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .http1_max_headers(MAX_HEADERS)
        .dns_resolver(network.clone());
    build(builder, settings)
}

/// A client for object storage: verified TLS, the proxy of the settings alone, no redirects. Bodies stay as they
/// come.
#[cfg(feature = "delta")]
pub(crate) fn storage_client(settings: &ClientSettings) -> Result<reqwest::Client, ClientError> {
    install_crypto();
    let builder = reqwest::Client::builder()
        .user_agent(user_agent(None)?)
        .connect_timeout(settings.timeouts.connect)
        .timeout(settings.timeouts.total)
        .redirect(redirect::Policy::none())
        .referer(false);
    build(builder, settings)
}

/// Builds a client with the proxy of the settings, and with TLS that trusts the system and the settings.
fn build(
    mut builder: reqwest::ClientBuilder,
    settings: &ClientSettings,
) -> Result<reqwest::Client, ClientError> {
    let setup = |reason: String| ClientError::Setup { reason };
    builder = match &settings.proxy {
        Some(proxy) => builder.proxy(make_proxy(proxy)?),
        None => builder.no_proxy(),
    };
    let without_certificates = |error: String| {
        setup(format!(
            "{error}; are the system's certificates (ca-certificates) installed?"
        ))
    };
    builder = match settings.ca_file {
        Some(_) => builder.tls_certs_merge(read_certificates(settings)?),
        None => {
            let tls = system_tls().map_err(|error| without_certificates(error.to_string()))?;
            builder.tls_backend_preconfigured(tls)
        }
    };
    let built = builder.build();
    built.map_err(|error| without_certificates(failure::error_text(&error)))
}

/// How long the certificates of the system count before they are read again.
const CERTIFICATES_AGE: Duration = Duration::from_secs(3600);

/// TLS that trusts the certificates of the system. To read them takes longer than to ask a repository, so all
/// clients share one, with its sessions.
fn system_tls() -> Result<ClientConfig, rustls::Error> {
    static SHARED: Mutex<Option<(Instant, ClientConfig)>> = Mutex::new(None);
    // A value is replaced whole, so a panic leaves nothing half done.
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((read_at, tls)) = &*shared
        && read_at.elapsed() < CERTIFICATES_AGE
    {
        return Ok(tls.clone());
    }
    let builder = ClientConfig::builder();
    let verifier = Verifier::new(Arc::clone(builder.crypto_provider()))?;
    let mut tls = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    tls.alpn_protocols = vec!["h2".into(), "http/1.1".into()];
    *shared = Some((Instant::now(), tls.clone()));
    Ok(tls)
}

/// Makes ring the cryptography provider, unless the program already has one.
fn install_crypto() {
    if CryptoProvider::get_default().is_none() {
        // Fails only if another thread did the same first.
        let _ = ring::default_provider().install_default();
    }
}

fn make_proxy(proxy: &Url) -> Result<Proxy, ClientError> {
    let refuse = |reason: String| ClientError::Proxy {
        proxy: show_url(proxy),
        reason,
    };
    if !matches!(proxy.scheme(), "http" | "https" | "socks5" | "socks5h") {
        let reason = "it must begin with http://, https://, socks5:// or socks5h://";
        return Err(refuse(reason.to_owned()));
    }
    if proxy.host_str().is_none_or(str::is_empty) {
        return Err(refuse("it has no host name".to_owned()));
    }
    Proxy::all(proxy.as_str()).map_err(|error| refuse(failure::error_text(&error)))
}

fn read_certificates(settings: &ClientSettings) -> Result<Vec<Certificate>, ClientError> {
    let path = settings.ca_file.clone().unwrap_or_default();
    let refuse = |reason: String| ClientError::CaFile {
        path: path.clone(),
        reason,
    };
    let pem = std::fs::read(&path).map_err(|error| refuse(error.to_string()))?;
    let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| {
        refuse(format!(
            "it is not a PEM file: {}",
            failure::error_text(&error)
        ))
    })?;
    match certificates.is_empty() {
        true => Err(refuse(
            "it contains no PEM certificate (-----BEGIN CERTIFICATE-----)".to_owned(),
        )),
        false => Ok(certificates),
    }
}
