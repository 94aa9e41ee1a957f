//! The HTTP client: sends one request, once, and says what came of it.
//!
//! - `address`: requests as URLs
//! - `setup`: settings as an HTTP client
//! - `network`, `redirect`: where redirects may lead
//! - `body`, `inflate`: bodies within limits, and without compression
//! - `failure`, `judge`: what failures and answers mean
//! - `redact`: what may be shown

mod address;
mod body;
mod failure;
mod inflate;
mod judge;
mod network;
mod redact;
mod redirect;
mod setup;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::time::{Duration, Instant};

use reqwest::Response;
use reqwest::header::{HeaderMap, LOCATION};
use tokio::time::timeout;
use url::Url;

pub use address::request_url;
pub(crate) use failure::error_text;
pub(crate) use redact::{Redactor, show_url};
pub(crate) use setup::{Plain, plain};

use self::body::{Body, BodyFailure};
use self::failure::ConnectionFailure;
use self::judge::Head;
use self::network::Neighbourhood;
use self::redirect::{Hop, MAX_REDIRECTS, Rules};
use crate::oai::error::{ClientError, Exchange, Fault, FetchError, RedirectFault};
use crate::oai::settings::{ClientSettings, Limits, Secret, Timeouts};
use crate::oai::{Datestamp, Request};

/// What answers requests: a repository behind HTTP, or one that is simulated.
pub trait Transport: Send + Sync {
    /// Sends one request, once.
    ///
    /// # Errors
    /// If no answer came that is worth parsing; the variant says what to do next.
    fn send(&self, request: &Request) -> impl Future<Output = Result<Answer, FetchError>> + Send;
}

/// An answer to be parsed: an OAI-PMH document under whatever status, or any other document that
/// came with success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The body, without compression, in whatever charset it came.
    pub body: Vec<u8>,
    /// The HTTP status.
    pub status: u16,
    /// `Content-Type`, without secrets.
    pub content_type: Option<String>,
    /// The `charset` of `Content-Type`, as written, without quotes.
    pub charset: Option<String>,
    /// The `Date` header: the server's clock when it answered.
    pub date: Option<Datestamp>,
    /// Where the repository has moved for good (301, 308), as a base URL without arguments of
    /// ours and without secrets; up to the first redirect that is only temporary.
    pub moved_to: Option<Url>,
    /// How long it took.
    pub times: Times,
    /// Size of the body as it was sent.
    pub wire_bytes: u64,
}

/// How long an answer took, from the moment when it was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// Until its headers were there, redirects included.
    pub first_byte: Duration,
    /// Until its last byte was there.
    pub total: Duration,
}

/// A client for one repository. It keeps connections open between requests.
///
/// It neither repeats requests nor paces them. Only what the HTTP library sends again by itself
/// is sent twice: a request that the server provably has not looked at, on a connection that it
/// was just closing.
pub struct Client {
    http: reqwest::Client,
    base: Url,
    api_key: Option<Secret>,
    private_headers: HeaderMap,
    user_agent: String,
    timeouts: Timeouts,
    limits: Limits,
    neighbourhood: Neighbourhood,
    redactor: Redactor,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base", &self.redactor.url(&self.base))
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Makes a client. A login in the base URL or an `api_key` among its arguments count as
    /// credentials, unless there are others.
    ///
    /// # Errors
    /// If the settings cannot be used; nothing is sent yet.
    pub fn new(settings: &ClientSettings) -> Result<Self, ClientError> {
        let redactor = Redactor::new(settings);
        let (base, credentials) = setup::split_url(settings)?;
        let private_headers = setup::private_headers(&credentials)?;
        let user_agent = setup::user_agent(settings.contact.as_deref())?;
        let neighbourhood = Neighbourhood::new(&base, settings.proxy.as_ref());
        Ok(Self {
            http: setup::http_client(settings, &user_agent, &neighbourhood)?,
            base,
            api_key: credentials.api_key,
            private_headers,
            user_agent,
            timeouts: settings.timeouts,
            limits: settings.limits,
            neighbourhood,
            redactor,
        })
    }

    /// Sends `request`, once, and follows up to five redirects.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn send(&self, request: &Request) -> Result<Answer, FetchError> {
        let started = Instant::now();
        let mut moved_to = None;
        let mut hop = Hop {
            base: self.base.clone(),
            own_site: true,
            permanent: true,
        };
        let mut followed = 0;
        loop {
            let api_key = self.api_key.as_ref().filter(|_| hop.own_site);
            let url = address::request_url(&hop.base, request, api_key);
            let mut exchange = Box::new(Exchange {
                url: self.redactor.url(&url),
                ..Exchange::default()
            });
            let response = match self.ask(&url, hop.own_site, started).await {
                Ok(response) => response,
                Err(failure) => return Err(self.no_answer(failure, exchange, started)),
            };
            let head = Head {
                status: response.status(),
                headers: response.headers().clone(),
            };
            if !redirect::is_redirect(head.status) {
                let first_byte = started.elapsed();
                let body = body::read(response, started, &self.timeouts, &self.limits).await;
                let times = Times {
                    first_byte,
                    total: started.elapsed(),
                };
                return self.judge(head, body, times, moved_to, exchange);
            }
            judge::describe(&mut exchange, &head, b"", &self.redactor);
            hop = self
                .next_hop(&hop, &url, &head, followed)
                .map_err(|fault| FetchError::Redirect { fault, exchange })?;
            followed += 1;
            if hop.permanent {
                moved_to = Some(address::without_secrets(&hop.base));
            }
        }
    }

    /// Asks for one URL, until the headers of the answer are there.
    ///
    /// The time for the connection and the time for the first byte are one allowance, since
    /// nothing tells when a connection, kept or new, has taken the request.
    async fn ask(&self, url: &Url, own_site: bool, started: Instant) -> Result<Response, NoAnswer> {
        let mut builder = self.http.get(url.clone());
        if own_site {
            builder = builder.headers(self.private_headers.clone());
        }
        let patience = self
            .timeouts
            .connect
            .saturating_add(self.timeouts.first_byte);
        let left = self.timeouts.total.saturating_sub(started.elapsed());
        match timeout(patience.min(left), builder.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(NoAnswer::Connection(failure::sort(&error, &self.timeouts))),
            Err(_) if left <= patience => Err(NoAnswer::OutOfTime),
            Err(_) => Err(NoAnswer::Connection(ConnectionFailure::Fault(
                Fault::Timeout {
                    limit: "first_byte_timeout",
                    after: patience,
                },
            ))),
        }
    }

    fn no_answer(
        &self,
        failure: NoAnswer,
        exchange: Box<Exchange>,
        started: Instant,
    ) -> FetchError {
        match failure {
            NoAnswer::OutOfTime => self.body_failure(
                body::total_failure(&self.timeouts),
                exchange,
                0,
                started.elapsed(),
                None,
            ),
            NoAnswer::Connection(ConnectionFailure::Fault(fault)) => FetchError::Retry {
                fault,
                retry_after: None,
                exchange,
            },
            NoAnswer::Connection(ConnectionFailure::Tls(reason)) => {
                FetchError::Tls { reason, exchange }
            }
            NoAnswer::Connection(ConnectionFailure::Private) => FetchError::Redirect {
                fault: RedirectFault::Private {
                    to: exchange.url.clone(),
                },
                exchange,
            },
        }
    }

    fn next_hop(
        &self,
        hop: &Hop,
        asked: &Url,
        head: &Head,
        followed: usize,
    ) -> Result<Hop, RedirectFault> {
        let location = head.headers.get(LOCATION).map(|value| value.as_bytes());
        let location = String::from_utf8_lossy(location.unwrap_or_default());
        let rules = Rules {
            origin: &self.base,
            neighbourhood: &self.neighbourhood,
            redactor: &self.redactor,
        };
        let next = redirect::next_hop(&rules, hop, asked, head.status, &location)?;
        match followed < MAX_REDIRECTS {
            true => Ok(next),
            false => Err(RedirectFault::TooMany {
                limit: MAX_REDIRECTS,
                to: self.redactor.url(&next.base),
            }),
        }
    }

    fn judge(
        &self,
        head: Head,
        body: Body,
        times: Times,
        moved_to: Option<Url>,
        mut exchange: Box<Exchange>,
    ) -> Result<Answer, FetchError> {
        // Most answers are good, and then nobody reads what is written about their bodies.
        let good = body.failure.is_none() && judge::is_oai_document(&body.bytes);
        let shown = if good { &[][..] } else { &body.bytes };
        judge::describe(&mut exchange, &head, shown, &self.redactor);
        let verdict = judge::verdict(&head, &body.bytes, &exchange, &self.user_agent);
        match (body.failure, verdict) {
            // A status that says no says so whether its explanation came whole or not; of an
            // answer with success, and of a document to be believed, the whole is needed.
            (None, Some(error)) => Err(error),
            (Some(_), Some(error)) if !head.status.is_success() => Err(error),
            (Some(_), Some(error @ FetchError::Challenge { .. })) => Err(error),
            (Some(failure), _) => {
                let retry_after = head.retry_after(std::time::SystemTime::now());
                let (received, elapsed) = (body.wire_bytes, times.total);
                Err(self.body_failure(failure, exchange, received, elapsed, retry_after))
            }
            (None, None) => Ok(Answer {
                status: head.status.as_u16(),
                content_type: exchange.content_type,
                charset: head.charset(),
                date: head.date(),
                body: body.bytes,
                moved_to,
                times,
                wire_bytes: body.wire_bytes,
            }),
        }
    }

    fn body_failure(
        &self,
        failure: BodyFailure,
        exchange: Box<Exchange>,
        received: u64,
        elapsed: Duration,
        retry_after: Option<Duration>,
    ) -> FetchError {
        match failure {
            BodyFailure::TooLarge { limit, value } => FetchError::TooLarge {
                limit,
                value,
                exchange,
            },
            BodyFailure::Slow { limit, value } => FetchError::Slow {
                limit,
                value,
                received,
                elapsed,
                exchange,
            },
            BodyFailure::Fault(fault) => FetchError::Retry {
                fault,
                retry_after,
                exchange,
            },
        }
    }
}

impl Transport for Client {
    async fn send(&self, request: &Request) -> Result<Answer, FetchError> {
        Client::send(self, request).await
    }
}

/// Why no headers came.
enum NoAnswer {
    Connection(ConnectionFailure),
    /// `total_timeout` was over.
    OutOfTime,
}
