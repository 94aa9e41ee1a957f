//! A client for one server.

use std::fmt;
use std::time::{Duration, Instant};

use reqwest::header::{CACHE_CONTROL, HeaderMap, LOCATION};
use reqwest::{RequestBuilder, Response};
use tokio::time::timeout;
use url::Url;

use super::body::{self, Body};
use super::cookies::Cookies;
use super::error::{ClientError, Failure, Fault, RedirectFault};
use super::exchange::Exchange;
use super::head::Head;
use super::network::NetworkPolicy;
use super::redact::Redactor;
use super::redirect::{self, Hop, MAX_REDIRECTS, Rules};
use super::secret::Secret;
use super::settings::{ClientSettings, Limits, Timeouts};
use super::{address, failure, setup};

/// What all requests of a protocol have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Protocol {
    /// The `Accept` header.
    pub(crate) accept: &'static str,
    /// The query arguments that requests carry. They do not belong in a base URL.
    pub(crate) arguments: &'static [&'static str],
    /// Whether a body is a whole document by itself, however its transport ended.
    pub(crate) is_whole: fn(&[u8]) -> bool,
}

/// A client for one server. It keeps connections open between requests, and cookies in memory.
///
/// It neither repeats nor paces requests. Only the HTTP library sends a request again, and only
/// one that the server provably has not read because it was just closing the connection.
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    arguments: &'static [&'static str],
    api_key: Option<Secret>,
    private_headers: HeaderMap,
    user_agent: String,
    timeouts: Timeouts,
    limits: Limits,
    network: NetworkPolicy,
    redactor: Redactor,
    cookies: Cookies,
    is_whole: fn(&[u8]) -> bool,
}

/// A reply whose headers are complete, with the body as far as it was read.
pub(crate) struct Reply {
    /// Status and headers.
    pub(crate) head: Head,
    /// The body.
    pub(crate) body: Body,
    /// The new base URL if the server has moved permanently (301, 308), without arguments of
    /// requests and without secrets. It leads up to the first temporary redirect.
    pub(crate) moved_to: Option<Url>,
    /// How long the reply took.
    pub(crate) times: Times,
    /// The request, without its reply.
    pub(crate) exchange: Box<Exchange>,
}

/// Why there is no reply.
pub(crate) struct NoReply {
    /// Why.
    pub(crate) failure: Failure,
    /// The request, and the redirect that is not followed.
    pub(crate) exchange: Box<Exchange>,
    /// The time since the request began.
    pub(crate) elapsed: Duration,
}

/// How long a reply took, from the start of the request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// Until its headers were complete, redirects included.
    pub first_byte: Duration,
    /// Until its last byte.
    pub total: Duration,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base", &self.redactor.url(&self.base))
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Makes a client; nothing is sent yet. A login in the URL and an `api_key` among its
    /// arguments are used as credentials, unless the settings have others.
    pub(crate) fn new(settings: &ClientSettings, protocol: Protocol) -> Result<Self, ClientError> {
        let (base, credentials) = setup::split_url(settings, protocol.arguments)?;
        let user_agent = setup::user_agent(settings.contact.as_deref())?;
        let network = NetworkPolicy::new(&base, settings.proxy.as_ref());
        Ok(Self {
            http: setup::http_client(settings, protocol.accept, &user_agent, &network)?,
            base,
            arguments: protocol.arguments,
            private_headers: setup::private_headers(&credentials)?,
            api_key: credentials.api_key,
            user_agent,
            timeouts: settings.timeouts,
            limits: settings.limits,
            network,
            redactor: Redactor::new(settings),
            cookies: Cookies::default(),
            is_whole: protocol.is_whole,
        })
    }

    /// The `User-Agent` that is sent.
    pub(crate) fn user_agent(&self) -> &str {
        &self.user_agent
    }

    /// Recognises the secrets of this client's settings.
    pub(crate) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// A request to any URL, to be sent with [`Client::send`].
    pub(crate) fn request(&self, method: reqwest::Method, url: Url) -> RequestBuilder {
        self.http.request(method, url)
    }

    /// Sends a request with the credentials, and follows no redirect.
    pub(crate) async fn send(&self, request: RequestBuilder) -> reqwest::Result<Response> {
        request.headers(self.private_headers.clone()).send().await
    }

    /// Gets the base URL with `arguments`, once, and follows up to five redirects. The arguments
    /// are attached to the target of each redirect again; credentials stay on the own site.
    pub(crate) async fn get(&self, arguments: &[(&str, &str)]) -> Result<Reply, NoReply> {
        let started = Instant::now();
        let mut moved_to = None;
        let mut hop = Hop {
            base: self.base.clone(),
            own_site: true,
            permanent: true,
        };
        let mut followed = 0;
        let mut redirected_from = None;
        loop {
            let api_key = self.api_key.as_ref().filter(|_| hop.own_site);
            let url = address::with_arguments(&hop.base, arguments, api_key);
            let mut exchange = Box::new(Exchange {
                url: self.redactor.url(&url),
                ..Exchange::default()
            });
            let failed = |failure, exchange| NoReply {
                failure,
                exchange,
                elapsed: started.elapsed(),
            };
            let response = match self.get_once(&url, hop.own_site, started).await {
                Ok(response) => response,
                Err(failure) => {
                    return Err(match (failure, redirected_from) {
                        // The library reads addresses more narrowly than the URL standard.
                        (Failure::Fault(Fault::Address(_)), Some(from)) => {
                            let location = std::mem::replace(&mut exchange.url, from);
                            let fault = RedirectFault::NoTarget { location };
                            failed(Failure::Redirect(fault), exchange)
                        }
                        (failure, _) => failed(failure, exchange),
                    });
                }
            };
            let head = Head {
                status: response.status(),
                headers: response.headers().clone(),
            };
            if !redirect::is_redirect(head.status) {
                let first_byte = started.elapsed();
                let body = body::read(
                    response,
                    started,
                    &self.timeouts,
                    &self.limits,
                    self.is_whole,
                )
                .await;
                let times = Times {
                    first_byte,
                    total: started.elapsed(),
                };
                return Ok(Reply {
                    head,
                    body,
                    moved_to,
                    times,
                    exchange,
                });
            }
            exchange.describe(&head, b"", &self.redactor);
            redirected_from = Some(exchange.url.clone());
            hop = self
                .next_hop(&hop, &url, &head, followed)
                .map_err(|fault| failed(Failure::Redirect(fault), exchange))?;
            followed += 1;
            if hop.permanent {
                moved_to = Some(address::without_secrets(&hop.base, self.arguments));
            }
        }
    }

    /// Gets one URL, until the headers of the reply are complete.
    ///
    /// The timeouts of connection and first byte are one allowance, since nothing tells when a
    /// connection, kept or new, has taken the request.
    async fn get_once(
        &self,
        url: &Url,
        own_site: bool,
        started: Instant,
    ) -> Result<Response, Failure> {
        let mut builder = self.http.get(url.clone());
        if own_site {
            builder = builder.headers(self.private_headers.clone());
        }
        builder = builder
            .headers(self.cookies.headers(url, &self.private_headers))
            // No answer of another day: caches on the way ask the server.
            .header(CACHE_CONTROL, "no-cache");
        let patience = self
            .timeouts
            .connect
            .saturating_add(self.timeouts.first_byte);
        let left = self.timeouts.total.saturating_sub(started.elapsed());
        match timeout(patience.min(left), builder.send()).await {
            Ok(Ok(response)) => {
                self.cookies.keep(url, response.headers());
                Ok(response)
            }
            Ok(Err(error)) => Err(failure::classify(
                &error,
                url,
                &self.timeouts,
                &self.redactor,
            )),
            Err(_) if left <= patience => Err(body::total_failure(&self.timeouts)),
            Err(_) => Err(Failure::Fault(Fault::Timeout {
                limit: "first_byte_timeout",
                after: patience,
            })),
        }
    }

    fn next_hop(
        &self,
        hop: &Hop,
        requested: &Url,
        head: &Head,
        followed: usize,
    ) -> Result<Hop, RedirectFault> {
        let location = head.headers.get(LOCATION).map(|value| value.as_bytes());
        let location = String::from_utf8_lossy(location.unwrap_or_default());
        let rules = Rules {
            origin: &self.base,
            arguments: self.arguments,
            network: &self.network,
            redactor: &self.redactor,
        };
        let next = redirect::next_hop(&rules, hop, requested, head.status, &location)?;
        match followed < MAX_REDIRECTS {
            true => Ok(next),
            false => Err(RedirectFault::TooMany {
                limit: MAX_REDIRECTS,
                to: self.redactor.url(&next.base),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// A client of a public server requests a name that resolves to loopback, as after a redirect.
    #[tokio::test]
    async fn names_in_private_networks_are_not_connected_to() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let settings = ClientSettings::new(Url::parse("https://repository.example/oai").unwrap());
        let protocol = Protocol {
            accept: "*/*",
            arguments: &[],
            is_whole: |_| false,
        };
        let client = Client::new(&settings, protocol).unwrap();
        let url = Url::parse(&format!("http://localhost:{port}/")).unwrap();
        let failure = client.get_once(&url, true, Instant::now()).await;
        let expected = RedirectFault::Private {
            to: url.to_string(),
        };
        assert_eq!(failure.unwrap_err(), Failure::Redirect(expected));
        let connection = timeout(Duration::ZERO, listener.accept()).await;
        assert!(connection.is_err(), "a connection was made");
    }
}
