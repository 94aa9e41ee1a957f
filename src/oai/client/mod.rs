//! The OAI-PMH client: sends one request, once, and judges the reply.

mod challenge;
mod judge;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use url::Url;

use super::error::FetchError;
use super::{Datestamp, Request};
use crate::http::{
    self, ClientError, ClientSettings, Exchange, Failure, NoReply, Protocol, Reply, Secret, Times,
    Turn,
};

/// Accepts XML; the rest is for servers that would otherwise answer 406.
const PROTOCOL: Protocol = Protocol {
    accept: "text/xml, application/xml;q=0.9, */*;q=0.1",
    arguments: ARGUMENTS,
    is_whole: judge::is_whole_document,
};

/// The arguments of requests. No base URL may contain one of them.
pub(crate) const ARGUMENTS: &[&str] = &[
    "verb",
    "identifier",
    "metadataPrefix",
    "from",
    "until",
    "set",
    "resumptionToken",
];

/// The base URL of a whole request, such as one that was copied from a browser; `None` if `url` has no argument
/// `verb` and so is no request. Other arguments stay, since they may choose the repository.
pub(crate) fn base_of_request(url: &Url) -> Option<Url> {
    if url.query_pairs().all(|(name, _)| name != "verb") {
        return None;
    }
    let kept: Vec<&str> = url
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|part| {
            let name = part.split('=').next().unwrap_or_default();
            let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
            !name.is_empty() && !ARGUMENTS.contains(&&*name)
        })
        .collect();
    let kept = kept.join("&");
    let mut base = url.clone();
    base.set_query((!kept.is_empty()).then_some(kept.as_str()));
    Some(base)
}

/// Answers requests: a repository behind HTTP, or a simulated one.
pub trait Transport: Send + Sync {
    /// Sends one request, once.
    ///
    /// # Errors
    /// If there is no answer to parse; the variant says what to do next.
    fn send(&self, request: &Request) -> impl Future<Output = Result<Answer, FetchError>> + Send;
}

/// An answer to be parsed: an OAI-PMH document with any status, or any document with success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The body, decompressed, in the charset in which it was sent.
    pub body: Vec<u8>,
    /// The HTTP status.
    pub status: u16,
    /// `Content-Type`, without secrets.
    pub content_type: Option<String>,
    /// The `charset` of `Content-Type`, as written, without quotes.
    pub charset: Option<String>,
    /// The `Date` header: the server's clock when it answered.
    pub date: Option<Datestamp>,
    /// The new base URL if the repository has moved permanently (301, 308), without arguments of
    /// requests and without secrets. It leads up to the first temporary redirect.
    pub moved_to: Option<Url>,
    /// How long the answer took.
    pub times: Times,
    /// The size of the body as it was sent.
    pub wire_bytes: u64,
    /// What is wrong with the end of the transport, although the document is whole.
    pub unclean_end: Option<String>,
    /// The right to have the body in memory, if it is large. Drop it once nothing of the body is left.
    pub turn: Turn,
}

/// The URL of `request` at `base`; arguments as in [`Request::arguments`], then `api_key`.
///
/// Source: OAI-PMH 2.0, 3.1.1.
pub fn request_url(base: &Url, request: &Request, api_key: Option<&Secret>) -> Url {
    http::with_arguments(base, &request.arguments(), api_key)
}

/// A client for one repository.
///
/// It neither repeats nor paces requests.
#[derive(Debug)]
pub struct Client {
    http: http::Client,
}

impl Client {
    /// Makes a client; nothing is sent yet. A login in the base URL and an `api_key` among its
    /// arguments are used as credentials, unless the settings have others.
    ///
    /// # Errors
    /// If the settings cannot be used.
    pub fn new(settings: &ClientSettings) -> Result<Self, ClientError> {
        let http = http::Client::new(settings, PROTOCOL)?;
        Ok(Self { http })
    }

    /// Sends `request`, once, and follows up to five redirects.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn send(&self, request: &Request) -> Result<Answer, FetchError> {
        match self.http.get(&request.arguments()).await {
            Ok(reply) => self.judge(reply),
            Err(NoReply {
                failure,
                exchange,
                elapsed,
            }) => Err(fetch_error(failure, exchange, 0, elapsed, None)),
        }
    }

    fn judge(&self, reply: Reply) -> Result<Answer, FetchError> {
        let Reply {
            head,
            body,
            moved_to,
            times,
            mut exchange,
        } = reply;
        // Most answers are good, and nobody reads an excerpt of those.
        let good = body.failure.is_none() && judge::is_oai_document(&body.bytes);
        let shown = if good { &[][..] } else { &body.bytes };
        exchange.describe(&head, shown, self.http.redactor());
        let verdict = judge::verdict(&head, &body.bytes, &exchange, self.http.user_agent());
        match (body.failure, verdict) {
            // An error status counts even if its body is incomplete. Success, and a document that
            // is to be believed, need the whole body.
            (None, Some(error)) => Err(error),
            (Some(_), Some(error)) if !head.status.is_success() => Err(error),
            (Some(_), Some(error @ FetchError::Challenge { .. })) => Err(error),
            (Some(failure), _) => {
                let retry_after = head.retry_after(SystemTime::now());
                let (received, elapsed) = (body.wire_bytes, times.total);
                Err(fetch_error(
                    failure,
                    exchange,
                    received,
                    elapsed,
                    retry_after,
                ))
            }
            (None, None) => Ok(Answer {
                status: head.status.as_u16(),
                content_type: exchange.content_type,
                charset: head.charset(),
                date: head.date().and_then(datestamp),
                body: body.bytes,
                moved_to,
                times,
                wire_bytes: body.wire_bytes,
                unclean_end: body.unclean_end,
                turn: body.turn,
            }),
        }
    }
}

impl Transport for Client {
    async fn send(&self, request: &Request) -> Result<Answer, FetchError> {
        Client::send(self, request).await
    }
}

fn datestamp(time: SystemTime) -> Option<Datestamp> {
    let since_1970 = time.duration_since(UNIX_EPOCH).ok()?;
    Some(Datestamp::from_unix(since_1970.as_secs() as i64))
}

/// What the caller does about a failure of HTTP.
fn fetch_error(
    failure: Failure,
    exchange: Box<Exchange>,
    received: u64,
    elapsed: Duration,
    retry_after: Option<Duration>,
) -> FetchError {
    match failure {
        Failure::Fault(fault) => FetchError::Retry {
            fault,
            retry_after,
            exchange,
        },
        Failure::TooLarge { limit, value } => FetchError::TooLarge {
            limit,
            value,
            exchange,
        },
        Failure::Slow { limit, value } => FetchError::Slow {
            limit,
            value,
            received,
            elapsed,
            exchange,
        },
        Failure::Redirect(fault) => FetchError::Redirect { fault, exchange },
        Failure::Tls(reason) => FetchError::Tls { reason, exchange },
    }
}
