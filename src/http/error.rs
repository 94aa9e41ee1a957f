//! Why a request brought no reply, and why a client cannot be made.
//!
//! No secret gets in here: URLs and foreign texts are redacted first, and messages name
//! credentials only by their kind.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// Why a request brought no whole reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The network or the server failed. The next attempt may succeed.
    Fault(Fault),
    /// The body is larger than a limit.
    TooLarge {
        /// The configuration key of the limit.
        limit: &'static str,
        /// The limit, in bytes.
        value: u64,
    },
    /// The reply is slower than a limit.
    Slow {
        /// The configuration key of the limit.
        limit: &'static str,
        /// The limit as it is configured.
        value: String,
    },
    /// A redirect is not followed.
    Redirect(RedirectFault),
    /// No trusted connection can be made: the reason and what to do.
    Tls(String),
}

/// A fault of the network or of the server that may be gone at the next attempt.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// The host name did not resolve.
    #[error("the host name cannot be resolved: {0}")]
    Name(String),
    /// The connection could not be opened.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The connection broke before the headers of the reply were complete.
    #[error("the connection broke before the response arrived: {0}")]
    Dropped(String),
    /// The head of the response is not HTTP.
    #[error("the response is not HTTP: {0}")]
    Head(String),
    /// No request can be sent to this address.
    #[error("the address cannot be used: {0}")]
    Address(String),
    /// No byte arrived in time.
    #[error("nothing arrived within {} ({limit})", seconds(.after))]
    Timeout {
        /// The configuration key of the limit.
        limit: &'static str,
        /// How long the client waited.
        after: Duration,
    },
    /// The body is shorter than announced, or the connection broke inside it.
    #[error("the body is truncated: {0}")]
    Cut(String),
    /// The compressed body is damaged or truncated.
    #[error("the body cannot be decompressed: {0}")]
    Compression(String),
    /// HTTP 5xx, 408, 421 or 425.
    #[error("server error")]
    Server,
    /// HTTP 202: the response is not ready.
    #[error("the response is not ready yet")]
    NotReady,
    /// The body is empty or blank.
    #[error("the body is empty")]
    Empty,
    /// HTTP 206: a part, although the whole was requested.
    #[error("the server sent only a part of the response")]
    Partial,
}

/// Why a redirect is not followed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RedirectFault {
    /// Too many redirects in a row.
    #[error("more than {limit} redirects in a row, the last to {to}")]
    TooMany {
        /// How many are followed.
        limit: usize,
        /// The target of the first redirect that is not followed.
        to: String,
    },
    /// From https to http.
    #[error("redirects from https to {to}, which is not encrypted")]
    Downgrade {
        /// The target.
        to: String,
    },
    /// Neither http nor https.
    #[error("redirects to {to}, which is neither http nor https")]
    Scheme {
        /// The target.
        to: String,
    },
    /// From a public host into a private network, or to a link-local address.
    #[error("redirects to {to}, which is a private address")]
    Private {
        /// The target.
        to: String,
    },
    /// The target is missing or unreadable.
    #[error("redirected {}", malformed(.location))]
    NoTarget {
        /// The `Location` header; empty if it is absent.
        location: String,
    },
}

fn malformed(location: &str) -> String {
    match location.is_empty() {
        true => "without an address: the header Location is missing or empty".to_owned(),
        false => format!("to a malformed address {location:?}"),
    }
}

/// Why no client can be made from its settings.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClientError {
    /// The base URL cannot be used.
    #[error("url {url}: {reason}")]
    BaseUrl {
        /// The URL, without secrets.
        url: String,
        /// Why.
        reason: String,
    },
    /// The contact cannot be part of a User-Agent.
    #[error("contact {contact:?}: {reason}")]
    Contact {
        /// The contact.
        contact: String,
        /// Why.
        reason: String,
    },
    /// A credential cannot be sent.
    #[error("{which}: {reason}")]
    Credential {
        /// Its kind; never its value.
        which: String,
        /// Why.
        reason: String,
    },
    /// The file with further certificates cannot be used.
    #[error("ca_file {}: {reason}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The proxy cannot be used.
    #[error("proxy {proxy}: {reason}")]
    Proxy {
        /// The proxy's URL, without secrets.
        proxy: String,
        /// Why.
        reason: String,
    },
    /// The HTTP library does not start.
    #[error("cannot set up HTTPS: {reason}")]
    Setup {
        /// Why.
        reason: String,
    },
}

/// A duration in seconds, with milliseconds if it is short.
pub(crate) fn seconds(duration: &Duration) -> String {
    if duration.subsec_millis() == 0 || duration.as_secs() >= 10 {
        format!("{} s", duration.as_secs())
    } else {
        format!("{:.3} s", duration.as_secs_f64())
    }
}
