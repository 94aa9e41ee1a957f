//! Why a request brought no answer, split by what the caller does next.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use crate::http::{Exchange, Fault, RedirectFault, seconds};

/// Why one request brought no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FetchError {
    /// Retry after a pause of the whole host: HTTP 429 or 503.
    #[error("{exchange}: {}", pause(.retry_after))]
    Wait {
        /// 429 or 503.
        status: u16,
        /// The pause that `Retry-After` asks for; zero if its date has passed, `None` if the header
        /// is absent or unreadable.
        retry_after: Option<Duration>,
        /// The request and its reply.
        exchange: Box<Exchange>,
    },
    /// Retry the same request: the network or the server failed.
    #[error("{exchange}: {fault}")]
    Retry {
        /// What failed.
        fault: Fault,
        /// The pause that `Retry-After` asks for, if the reply has that header.
        retry_after: Option<Duration>,
        /// The request and its reply.
        exchange: Box<Exchange>,
    },
    /// Pause for hours and alert a person: a bot protection does not let us through.
    #[error("{exchange}: {which}; {advice}")]
    Challenge {
        /// What it does.
        which: Challenge,
        /// What to ask the repository for.
        advice: String,
        /// The request and its reply.
        exchange: Box<Exchange>,
    },
    /// Stop the source: the server would refuse this request every time.
    #[error("{exchange}: refused; {advice}")]
    Refused {
        /// The status: 4xx, except 408, 421, 425 and 429.
        status: u16,
        /// What to do.
        advice: String,
        /// The request and its reply.
        exchange: Box<Exchange>,
    },
    /// Request less, or raise the limit.
    #[error("{exchange}: larger than {limit} = {value} bytes")]
    TooLarge {
        /// The configuration key of the limit.
        limit: &'static str,
        /// The limit, in bytes.
        value: u64,
        /// The request and its reply.
        exchange: Box<Exchange>,
    },
    /// Request less, or later: the answer was too slow.
    #[error(
        "{exchange}: too slow, aborted after {} and {received} bytes ({limit} = {value})",
        seconds(.elapsed)
    )]
    Slow {
        /// The configuration key of the limit.
        limit: &'static str,
        /// The limit as it is configured.
        value: String,
        /// Bytes of the body on the wire until then.
        received: u64,
        /// The time since the request began.
        elapsed: Duration,
        /// The request and its reply.
        exchange: Box<Exchange>,
    },
    /// Stop the source: its redirect is not followed.
    #[error("{exchange}: {fault}")]
    Redirect {
        /// Why not.
        fault: RedirectFault,
        /// The request and its reply.
        exchange: Box<Exchange>,
    },
    /// Stop the source: no trusted connection can be made.
    #[error("{exchange}: no secure connection: {reason}")]
    Tls {
        /// The cause and what to do.
        reason: String,
        /// The request.
        exchange: Box<Exchange>,
    },
}

impl FetchError {
    /// The request and its reply.
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

    /// The pause that the server asks for, if it names one.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Wait { retry_after, .. } | Self::Retry { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// What a bot protection does to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Challenge {
    /// The protection.
    pub by: Protection,
    /// Whether it blocks the request outright. Otherwise a browser may pass.
    pub blocks: bool,
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = self.by;
        match self.blocks {
            true => write!(f, "{by} blocks the request as one of a robot"),
            false => write!(f, "{by} demands a browser to solve a challenge"),
        }
    }
}

/// A product that protects servers against robots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are their own")]
pub enum Protection {
    Akamai,
    Anubis,
    AwsWaf,
    Cloudflare,
    DataDome,
    DdosGuard,
    F5,
    Fortinet,
    GoAway,
    Human,
    Imperva,
    Imunify360,
    Radware,
    Sucuri,
    Vercel,
    Wordfence,
    /// One without a name in its pages.
    Unnamed,
}

impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Akamai => "Akamai",
            Self::Anubis => "Anubis",
            Self::AwsWaf => "AWS WAF",
            Self::Cloudflare => "Cloudflare",
            Self::DataDome => "DataDome",
            Self::DdosGuard => "DDoS-Guard",
            Self::F5 => "F5 BIG-IP",
            Self::Fortinet => "Fortinet",
            Self::GoAway => "go-away",
            Self::Human => "HUMAN",
            Self::Imperva => "Imperva",
            Self::Imunify360 => "Imunify360",
            Self::Radware => "Radware",
            Self::Sucuri => "Sucuri",
            Self::Vercel => "Vercel",
            Self::Wordfence => "Wordfence",
            Self::Unnamed => "a bot protection",
        })
    }
}

fn pause(retry_after: &Option<Duration>) -> String {
    match retry_after {
        Some(pause) => format!("the server asks for a pause of {}", seconds(pause)),
        None => "the server asks for a pause without a length".to_owned(),
    }
}
