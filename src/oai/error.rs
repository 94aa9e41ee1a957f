//! Why a request brought no answer, split by what the caller does next.
//!
//! Nothing in here carries a secret: addresses and texts from outside pass the client's redaction
//! before they are put into an error, and messages name credentials only by their kind.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// Why one request brought no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FetchError {
    /// Ask again after a pause that belongs to the whole host: HTTP 429 or 503.
    #[error("{exchange}: {}", pause(.retry_after))]
    Wait {
        /// 429 or 503.
        status: u16,
        /// What `Retry-After` asks for, in either form; a date in the past is zero. `None` if the
        /// header is absent or unreadable.
        retry_after: Option<Duration>,
        /// What was asked and what came back.
        exchange: Box<Exchange>,
    },
    /// Ask the same again, later: a fault of the network or of the server.
    #[error("{exchange}: {fault}")]
    Retry {
        /// What went wrong.
        fault: Fault,
        /// `Retry-After`, should such an answer carry it.
        retry_after: Option<Duration>,
        /// What was asked and what came back.
        exchange: Box<Exchange>,
    },
    /// Stop asking for hours and tell a person: the site wants a browser.
    #[error("{exchange}: {which} wants a browser to pass a challenge; {advice}")]
    Challenge {
        /// Whose challenge.
        which: Challenge,
        /// What to ask the repository for.
        advice: String,
        /// What was asked and what came back.
        exchange: Box<Exchange>,
    },
    /// Stop the source: the server will not answer this request, however often it is sent.
    #[error("{exchange}: refused; {advice}")]
    Refused {
        /// The status: 4xx, but for 408, 425 and 429.
        status: u16,
        /// What a person may do about it.
        advice: String,
        /// What was asked and what came back.
        exchange: Box<Exchange>,
    },
    /// Ask for less, or raise the limit.
    #[error("{exchange}: larger than {limit} = {value} bytes")]
    TooLarge {
        /// The configuration key of the limit.
        limit: &'static str,
        /// The limit, in bytes.
        value: u64,
        /// What was asked and what came back.
        exchange: Box<Exchange>,
    },
    /// Ask for less, or later: the answer came too slowly.
    #[error(
        "{exchange}: given up after {} with {received} bytes ({limit} = {value})", seconds(.elapsed)
    )]
    Slow {
        /// The configuration key of the limit.
        limit: &'static str,
        /// The limit as it would be configured.
        value: String,
        /// Bytes of the body that had come, on the wire.
        received: u64,
        /// Since the request began.
        elapsed: Duration,
        /// What was asked and what came back.
        exchange: Box<Exchange>,
    },
    /// Stop the source: it redirects to where we do not follow.
    #[error("{exchange}: {fault}")]
    Redirect {
        /// Why it is not followed.
        fault: RedirectFault,
        /// What was asked and what came back.
        exchange: Box<Exchange>,
    },
    /// Stop the source: no trusted connection can be made.
    #[error("{exchange}: no secure connection: {reason}")]
    Tls {
        /// What is wrong, and what a person may do about it.
        reason: String,
        /// What was asked.
        exchange: Box<Exchange>,
    },
}

impl FetchError {
    /// What was asked and what came back.
    pub fn exchange(&self) -> &Exchange {
        match self {
            Self::Wait { exchange, .. }
            | Self::Retry { exchange, .. }
            | Self::Challenge { exchange, .. }
            | Self::Refused { exchange, .. }
            | Self::TooLarge { exchange, .. }
            | Self::Slow { exchange, .. }
            | Self::Redirect { exchange, .. }
            | Self::Tls { exchange, .. } => exchange,
        }
    }

    /// How long the server asks us to wait, if it says so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Wait { retry_after, .. } | Self::Retry { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// What was asked and what came back, fit to be shown: without secrets, each text one line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exchange {
    /// The address, with the request's arguments.
    pub url: String,
    /// The HTTP status; `None` if no answer came.
    pub status: Option<u16>,
    /// `Content-Type` as sent.
    pub content_type: Option<String>,
    /// The title, if the body is an HTML page.
    pub title: Option<String>,
    /// The first 200 characters of the body.
    pub excerpt: Option<String>,
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GET {}", self.url)?;
        let Some(status) = self.status else {
            return Ok(());
        };
        write!(f, " answered HTTP {status}")?;
        if let Some(content_type) = &self.content_type {
            write!(f, ", {content_type}")?;
        }
        match (&self.title, &self.excerpt) {
            (Some(title), _) => write!(f, ", page titled {title:?}"),
            (None, Some(excerpt)) => write!(f, ", {excerpt:?}"),
            (None, None) => Ok(()),
        }
    }
}

/// A fault of the network or of the server that may be gone at the next try.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// The host's name did not resolve.
    #[error("the host name cannot be resolved: {0}")]
    Name(String),
    /// No connection came about.
    #[error("no connection: {0}")]
    Connect(String),
    /// The connection broke before the answer's headers were whole.
    #[error("the connection broke before an answer came: {0}")]
    Dropped(String),
    /// Nothing came for too long.
    #[error("nothing came within {} ({limit})", seconds(.after))]
    Timeout {
        /// The configuration key of the limit.
        limit: &'static str,
        /// How long we waited.
        after: Duration,
    },
    /// The body is shorter than announced, or the connection broke in it.
    #[error("the body is cut short: {0}")]
    Cut(String),
    /// The body's compression is damaged or ends early.
    #[error("the body cannot be decompressed: {0}")]
    Compression(String),
    /// HTTP 5xx, 408, 421 or 425.
    #[error("a fault of the server")]
    Server,
    /// HTTP 202: the answer is not ready.
    #[error("the answer is not ready yet")]
    NotReady,
    /// A body without content.
    #[error("the body is empty")]
    Empty,
    /// HTTP 206: a part of an answer that was asked for as a whole.
    #[error("only a part of the answer was sent")]
    Partial,
}

/// Whose challenge stands between us and the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    /// Cloudflare: `cf-mitigated: challenge`.
    Cloudflare,
    /// AWS WAF: `x-amzn-waf-action`, with status 202 or 405.
    AwsWaf,
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cloudflare => "Cloudflare",
            Self::AwsWaf => "AWS WAF",
        })
    }
}

/// Why a redirect is not followed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RedirectFault {
    /// One redirect led to the next too often.
    #[error("more than {limit} redirects in a row, the last to {to}")]
    TooMany {
        /// How many are followed.
        limit: usize,
        /// Where the first one leads that is not followed.
        to: String,
    },
    /// From https to http.
    #[error("redirects from https to {to}, which is not secure")]
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
    /// From a public host into a private network.
    #[error("redirects to {to}, which is a private address")]
    Private {
        /// The target.
        to: String,
    },
    /// A redirect without a readable target.
    #[error("redirects, but to no readable address: {location:?}")]
    NoTarget {
        /// The `Location` header; empty if there is none.
        location: String,
    },
}

/// Why no client can be made of its settings.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClientError {
    /// The base URL cannot be used.
    #[error("url {url}: {reason}")]
    BaseUrl {
        /// The URL, without secrets.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The contact cannot be part of a User-Agent.
    #[error("contact {contact:?}: {reason}")]
    Contact {
        /// The contact.
        contact: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A credential cannot be sent.
    #[error("{which}: {reason}")]
    Credential {
        /// Which one; never its value.
        which: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The file with further certificates cannot be used.
    #[error("ca_file {}: {reason}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The proxy cannot be used.
    #[error("proxy {proxy}: {reason}")]
    Proxy {
        /// The proxy's address, without secrets.
        proxy: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The HTTP machinery does not start.
    #[error("cannot set up HTTPS: {reason}")]
    Setup {
        /// What went wrong.
        reason: String,
    },
}

/// A span in seconds, with as many decimals as it takes to show a short one.
fn seconds(span: &Duration) -> String {
    if span.subsec_millis() == 0 || span.as_secs() >= 10 {
        format!("{} s", span.as_secs())
    } else {
        format!("{:.3} s", span.as_secs_f64())
    }
}

fn pause(retry_after: &Option<Duration>) -> String {
    match retry_after {
        Some(span) => format!("the server asks for a pause of {}", seconds(span)),
        None => "the server asks for a pause and names no length".to_owned(),
    }
}
