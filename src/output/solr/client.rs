//! Sends requests to an index: which of its addresses to ask, and how often.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use serde_json::Value;
use tokio::time::timeout;
use url::Url;

use super::answer::{self, Answer, Meaning};
use super::settings::SolrSettings;
use crate::http::{self, Redactor, one_line, show_url};
use crate::output::OutputSettings;
use crate::output::target::OutputError;
use crate::stop::Stop;

const PROTOCOL: http::Protocol = http::Protocol {
    accept: "application/json",
    arguments: &[],
    is_whole: |_| false,
};

/// The size limit of an answer. A page of an audit has a few hundred kilobytes.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// The longest pause between two tries.
const MAX_PAUSE: Duration = Duration::from_secs(120);

/// The index's decision about an update.
#[derive(Debug)]
pub(crate) enum Updated {
    /// Taken; the answer may list documents that were left out.
    Done(Value),
    /// Refused, with the message.
    Refused(String),
    /// Too large for the server.
    TooLarge,
}

/// A client for one core or collection.
pub(crate) struct Client {
    endpoints: Vec<Endpoint>,
    /// The address that answered last.
    current: AtomicUsize,
    total_timeout: Duration,
    retries: u32,
    retry_pause: Duration,
    commit_within: Option<Duration>,
    stop: Stop,
}

struct Endpoint {
    url: Url,
    http: http::Client,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let urls = self
            .endpoints
            .iter()
            .map(|endpoint| show_url(&endpoint.url));
        f.debug_list().entries(urls).finish()
    }
}

impl Client {
    /// A client that gives up when `stop` is requested.
    ///
    /// # Errors
    /// If the settings cannot be used; nothing is sent yet.
    pub(crate) fn new(
        settings: &SolrSettings,
        output: &OutputSettings,
        stop: Stop,
    ) -> Result<Self, OutputError> {
        let endpoint = |url: &Url| -> Result<Endpoint, OutputError> {
            let mut client = settings.client.clone();
            client.url = url.clone();
            Ok(Endpoint {
                url: url.clone(),
                http: http::Client::new(&client, PROTOCOL)?,
            })
        };
        Ok(Self {
            endpoints: settings
                .urls
                .iter()
                .map(endpoint)
                .collect::<Result<_, _>>()?,
            current: AtomicUsize::new(0),
            total_timeout: settings.client.timeouts.total,
            retries: output.retries,
            retry_pause: output.retry_pause,
            commit_within: settings.commit_within,
            stop,
        })
    }

    /// Recognises the secrets of the address that answered last.
    pub(crate) fn redactor(&self) -> Redactor {
        let endpoint = self.endpoints.get(self.current.load(Ordering::Relaxed));
        endpoint.map_or_else(Redactor::default, |endpoint| {
            endpoint.http.redactor().clone()
        })
    }

    /// Sends an update message in JSON.
    pub(crate) async fn update(&self, message: Bytes) -> Result<Updated, OutputError> {
        let mut query = vec![("wt", "json".to_owned())];
        if let Some(within) = self.commit_within {
            query.push(("commitWithin", within.as_millis().to_string()));
        }
        let request = Request {
            handler: "update",
            query: &query,
            body: Body::Json(message),
        };
        match self.send(&request).await? {
            (_, Meaning::Done(answer)) => Ok(Updated::Done(answer)),
            (_, Meaning::Refused(message)) => Ok(Updated::Refused(message)),
            (_, Meaning::TooLarge) => Ok(Updated::TooLarge),
            (url, other) => Err(unexpected(url, &other)),
        }
    }

    /// Asks a handler of the core, such as `select`. The arguments are sent as a form: servers limit the
    /// length of addresses.
    pub(crate) async fn ask(
        &self,
        handler: &str,
        arguments: &[(&str, String)],
    ) -> Result<Value, OutputError> {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("wt", "json")
            .extend_pairs(arguments)
            .finish();
        let request = Request {
            handler,
            query: &[],
            body: Body::Form(form),
        };
        self.answered(&request).await
    }

    /// Reads a resource of the core that takes no arguments, such as `schema`.
    pub(crate) async fn read(&self, handler: &str) -> Result<Value, OutputError> {
        let request = Request {
            handler,
            query: &[("wt", "json".to_owned())],
            body: Body::None,
        };
        self.answered(&request).await
    }

    async fn answered(&self, request: &Request<'_>) -> Result<Value, OutputError> {
        match self.send(request).await? {
            (_, Meaning::Done(answer)) => Ok(answer),
            (address, Meaning::Refused(message)) => Err(OutputError::Refused { address, message }),
            (url, other) => Err(unexpected(url, &other)),
        }
    }

    /// Sends a request to each address in turn until one answers. Once all have failed, it repeats this
    /// after growing pauses, unless waiting does not help.
    async fn send(&self, request: &Request<'_>) -> Result<(String, Meaning), OutputError> {
        let first = self.current.load(Ordering::Relaxed);
        let mut pause = self.retry_pause;
        let mut asked = 0;
        let mut rounds = 0;
        loop {
            let mut wanted = None;
            let mut last = None;
            let mut unusable = None;
            for step in 0..self.endpoints.len() {
                let number = (first + step) % self.endpoints.len();
                let endpoint = &self.endpoints[number];
                let url = show_url(&endpoint.url);
                asked += 1;
                let meaning = tokio::select! {
                    meaning = self.once(endpoint, request) => meaning,
                    () = self.stop.requested() => return Err(OutputError::Stopped),
                };
                match meaning {
                    Meaning::Wait { why, pause } => {
                        tracing::debug!(url, "{why}");
                        wanted = pause.max(wanted);
                        last = Some((url, why));
                    }
                    Meaning::Stop { why, advice } => {
                        unusable.get_or_insert(OutputError::Unusable {
                            address: url,
                            why,
                            advice: advice.to_owned(),
                        });
                    }
                    answered => {
                        self.current.store(number, Ordering::Relaxed);
                        return Ok((url, answered));
                    }
                }
            }
            let (url, why) = match (last, unusable) {
                (Some(last), _) => last,
                (None, Some(unusable)) => return Err(unusable),
                (None, None) => {
                    return Err(OutputError::Unavailable {
                        address: String::new(),
                        why: "the output has no address".to_owned(),
                        tries: 0,
                    });
                }
            };
            if rounds >= self.retries || wanted.is_some_and(|wanted| wanted > MAX_PAUSE) {
                return Err(OutputError::Unavailable {
                    address: url,
                    why,
                    tries: asked,
                });
            }
            rounds += 1;
            let wait = pause.max(wanted.unwrap_or_default()).min(MAX_PAUSE);
            tracing::warn!(
                url,
                "{why}; trying again in {}",
                humantime::format_duration(wait)
            );
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.stop.requested() => return Err(OutputError::Stopped),
            }
            pause = pause.saturating_mul(2);
        }
    }

    async fn once(&self, endpoint: &Endpoint, request: &Request<'_>) -> Meaning {
        let redactor = endpoint.http.redactor();
        let wait = |why: String| Meaning::Wait {
            why: redactor.text(&why).into_owned(),
            pause: None,
        };
        match timeout(self.total_timeout, endpoint.exchange(request)).await {
            Ok(Ok(answer)) => answer::judge(&answer, SystemTime::now(), redactor),
            Ok(Err(why)) => wait(why),
            Err(_) => wait(format!(
                "no whole answer within {} (total_timeout)",
                humantime::format_duration(self.total_timeout)
            )),
        }
    }
}

struct Request<'a> {
    handler: &'a str,
    query: &'a [(&'a str, String)],
    body: Body,
}

enum Body {
    None,
    Json(Bytes),
    Form(String),
}

impl Endpoint {
    /// Sends a request once and reads the whole answer; the error says what went wrong.
    async fn exchange(&self, request: &Request<'_>) -> Result<Answer, String> {
        let mut url = self.url.clone();
        url.set_path(&format!("{}/{}", self.url.path(), request.handler));
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(request.query);
        }
        let builder = match &request.body {
            Body::None => self.http.request(Method::GET, url),
            // Any other type, and Solr takes the message for a form, says yes and does nothing.
            Body::Json(message) => self
                .http
                .request(Method::POST, url)
                .header(CONTENT_TYPE, "application/json")
                .body(message.clone()),
            Body::Form(form) => self
                .http
                .request(Method::POST, url)
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.clone()),
        };
        let failed = |error: reqwest::Error| http::error_text(&error);
        let request = builder.header(ACCEPT_ENCODING, "identity");
        let mut response = self.http.send(request).await.map_err(failed)?;
        let header = |name| {
            let value = response.headers().get(name)?;
            Some(value.to_str().ok()?.to_owned())
        };
        let mut answer = Answer {
            status: response.status().as_u16(),
            retry_after: header(RETRY_AFTER),
            location: header(LOCATION),
            body: Vec::new(),
        };
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if answer.body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(format!("an answer of more than {MAX_ANSWER_BYTES} bytes"));
            }
            answer.body.extend_from_slice(&chunk);
        }
        Ok(answer)
    }
}

/// The error for an answer that this kind of request cannot have.
fn unexpected(url: String, meaning: &Meaning) -> OutputError {
    OutputError::Unusable {
        address: url,
        why: one_line(&format!("an unexpected answer: {meaning:?}")),
        advice: "check that urls name a core of Solr".to_owned(),
    }
}
