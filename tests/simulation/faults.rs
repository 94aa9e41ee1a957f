//! What can go wrong with one answer.

use std::time::Duration;

use fastrand::Rng;
use harvestd::http::{Exchange, Fault as Transient, RedirectFault};
use harvestd::oai::error::{Challenge, FetchError, Protection};

/// One kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// 429 or 503, with or without `Retry-After`.
    Wait,
    /// Network and server, before the repository has seen the request.
    Broken,
    /// The same, when it has answered: a session token is spent.
    Lost,
    /// A page for browsers.
    Challenge,
    /// 403, 404.
    Refused,
    TooLarge,
    Slow,
    Redirect,
    Tls,
    /// An HTML page under status 200.
    Html,
    /// The body ends early.
    Cut,
    Empty,
    /// Bytes that are no document at all.
    Junk,
    /// A warning before the document, which can be repaired.
    Warning,
    /// An error among the records.
    ErrorInside,
    DeadToken,
    /// `noRecordsMatch`, whatever there is.
    NothingMore,
    /// The token is left out, as if the list ended here.
    NoToken,
    /// An earlier page again: tokens that lead in circles.
    Repeated,
    /// No records, and the same token once more.
    EmptyPage,
    /// The answer to another question.
    OtherVerb,
    /// The repository has forgotten its sessions.
    Restarted,
    /// The records come in another format than was asked for.
    OtherFormat,
}

const ALL: [Fault; 23] = [
    Fault::Wait,
    Fault::Broken,
    Fault::Lost,
    Fault::Challenge,
    Fault::Refused,
    Fault::TooLarge,
    Fault::Slow,
    Fault::Redirect,
    Fault::Tls,
    Fault::Html,
    Fault::Cut,
    Fault::Empty,
    Fault::Junk,
    Fault::Warning,
    Fault::ErrorInside,
    Fault::DeadToken,
    Fault::NothingMore,
    Fault::NoToken,
    Fault::Repeated,
    Fault::EmptyPage,
    Fault::OtherVerb,
    Fault::Restarted,
    Fault::OtherFormat,
];

impl Fault {
    pub(crate) fn any(rng: &mut Rng) -> Self {
        // Those that end a run are rarer than those that it has to get over.
        match ALL[rng.usize(0..ALL.len())] {
            Self::Challenge | Self::Refused | Self::Redirect | Self::Tls if rng.bool() => {
                Self::Lost
            }
            fault => fault,
        }
    }

    /// Whether the repository never gets to see the request.
    pub(crate) fn before_the_repository(self) -> bool {
        !matches!(
            self,
            Self::Lost
                | Self::TooLarge
                | Self::Slow
                | Self::Cut
                | Self::Warning
                | Self::ErrorInside
                | Self::NoToken
                | Self::Repeated
                | Self::Restarted
                | Self::OtherFormat
                | Self::Html
                | Self::Empty
                | Self::Junk
        )
    }
}

/// The body that a fault makes of a good one; `None` if it leaves none.
pub(crate) fn spoil(fault: Fault, body: &[u8], resumed: bool, rng: &mut Rng) -> Option<Vec<u8>> {
    let text = || String::from_utf8_lossy(body).into_owned();
    Some(match fault {
        Fault::Html => {
            b"<!DOCTYPE html><html><head><title>Maintenance</title></head></html>".to_vec()
        }
        Fault::Cut => body[..rng.usize(0..body.len())].to_vec(),
        Fault::Empty => Vec::new(),
        Fault::Junk => (0..rng.usize(1..200)).map(|_| rng.u8(..)).collect(),
        Fault::Warning => [b"<br /><b>Warning</b>: mysql_connect()\n".as_slice(), body].concat(),
        Fault::ErrorInside => text()
            .replace(
                "</ListRecords>",
                "<error code=\"badArgument\">database gone</error></ListRecords>",
            )
            .into_bytes(),
        Fault::OtherFormat => in_marc(&text()).into_bytes(),
        Fault::NoToken if resumed => without_token(&text()).into_bytes(),
        _ => return None,
    })
}

/// The page with its records in MARC.
fn in_marc(text: &str) -> String {
    let mut parts = text.split("<metadata>");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.split_once("</metadata>").map_or("", |(_, rest)| rest);
        out.push_str("<metadata><record xmlns=\"http://www.loc.gov/MARC21/slim\"/></metadata>");
        out.push_str(rest);
    }
    out
}

/// The page with the attributes of its token, but without the token.
fn without_token(text: &str) -> String {
    let Some((before, rest)) = text.split_once("<resumptionToken") else {
        return text.to_owned();
    };
    let Some((attributes, rest)) = rest.split_once('>') else {
        return text.to_owned();
    };
    match rest.split_once("</resumptionToken>") {
        Some((_, after)) => {
            format!("{before}<resumptionToken{attributes}></resumptionToken>{after}")
        }
        None => text.to_owned(),
    }
}

/// A status of the server's that may pass.
pub(crate) fn server_error(status: u16) -> FetchError {
    FetchError::Retry {
        fault: Transient::Server,
        retry_after: None,
        exchange: exchange(Some(status)),
    }
}

/// The failure that a fault leads to where there is no body.
pub(crate) fn failure(fault: Fault, rng: &mut Rng) -> FetchError {
    let pause = |rng: &mut Rng| {
        let seconds = match rng.u8(0..4) {
            0 => return None,
            1 => rng.u64(0..5),
            2 => rng.u64(0..900),
            _ => rng.u64(0..4_000),
        };
        Some(Duration::from_secs(seconds))
    };
    match fault {
        Fault::Wait => {
            let status = if rng.bool() { 429 } else { 503 };
            FetchError::Wait {
                status,
                retry_after: pause(rng),
                exchange: exchange(Some(status)),
            }
        }
        Fault::Challenge => FetchError::Challenge {
            which: Challenge {
                by: if rng.bool() {
                    Protection::Cloudflare
                } else {
                    Protection::AwsWaf
                },
                blocks: false,
            },
            advice: "ask for access".to_owned(),
            exchange: exchange(Some(403)),
        },
        Fault::Refused => FetchError::Refused {
            status: 403,
            advice: "ask for access".to_owned(),
            exchange: exchange(Some(403)),
        },
        Fault::TooLarge => FetchError::TooLarge {
            limit: "page_bytes",
            value: 1,
            exchange: exchange(Some(200)),
        },
        Fault::Slow => FetchError::Slow {
            limit: "page_time",
            value: "1 s".to_owned(),
            received: 7,
            elapsed: Duration::from_secs(1),
            exchange: exchange(Some(200)),
        },
        Fault::Redirect => FetchError::Redirect {
            fault: RedirectFault::NoTarget {
                location: String::new(),
            },
            exchange: exchange(Some(302)),
        },
        Fault::Tls => FetchError::Tls {
            reason: "certificate has expired".to_owned(),
            exchange: exchange(None),
        },
        _ => FetchError::Retry {
            fault: transient(rng),
            retry_after: if rng.u8(0..8) == 0 { pause(rng) } else { None },
            exchange: exchange(None),
        },
    }
}

fn transient(rng: &mut Rng) -> Transient {
    let why = || "simulated".to_owned();
    match rng.u8(0..10) {
        0 => Transient::Name(why()),
        1 => Transient::Connect(why()),
        2 => Transient::Dropped(why()),
        3 => Transient::Timeout {
            limit: "read_time",
            after: Duration::from_secs(60),
        },
        4 => Transient::Cut(why()),
        5 => Transient::Compression(why()),
        6 => Transient::NotReady,
        7 => Transient::Empty,
        8 => Transient::Partial,
        _ => Transient::Server,
    }
}

fn exchange(status: Option<u16>) -> Box<Exchange> {
    Box::new(Exchange {
        url: "http://repository.example/oai".to_owned(),
        status,
        ..Exchange::default()
    })
}
