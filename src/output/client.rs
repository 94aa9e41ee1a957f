//! Sends requests to a server with several addresses: which of them to ask, and how often.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use tokio::time::timeout;
use url::Url;

use super::OutputSettings;
use super::answer::{Answer, Meaning};
use super::target::OutputError;
use crate::http::{self, ClientSettings, Redactor, one_line, show_url};
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

/// Gives the meaning of an answer at a time. Its texts are lines without the secrets that the redactor
/// knows.
pub(crate) type Judge = fn(&Answer, SystemTime, &Redactor) -> Meaning;

/// A client for all addresses of one server or index.
pub(crate) struct Client {
    endpoints: Vec<Endpoint>,
    /// The address that answered last.
    current: AtomicUsize,
    judge: Judge,
    total_timeout: Duration,
    retries: u32,
    retry_pause: Duration,
    stop: Stop,
}

struct Endpoint {
    url: Url,
    http: http::Client,
}

/// A request, without the address it goes to.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    /// The method.
    pub(crate) method: Method,
    /// The path below the address, without a slash before it; it is escaped where that is necessary.
    pub(crate) path: &'a str,
    /// The arguments in the URL.
    pub(crate) query: &'a [(&'a str, String)],
    /// The body.
    pub(crate) body: Body,
}

/// The body of a request.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    /// None.
    None,
    /// Bytes of a media type.
    Typed(&'static str, Bytes),
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
    /// A client for these addresses that gives up when `stop` is requested.
    ///
    /// # Errors
    /// If the settings cannot be used; nothing is sent yet.
    pub(crate) fn new(
        urls: &[Url],
        settings: &ClientSettings,
        output: &OutputSettings,
        judge: Judge,
        stop: Stop,
    ) -> Result<Self, OutputError> {
        let endpoint = |url: &Url| -> Result<Endpoint, OutputError> {
            let mut client = settings.clone();
            client.url = url.clone();
            Ok(Endpoint {
                url: url.clone(),
                http: http::Client::new(&client, PROTOCOL)?,
            })
        };
        Ok(Self {
            endpoints: urls.iter().map(endpoint).collect::<Result<_, _>>()?,
            current: AtomicUsize::new(0),
            judge,
            total_timeout: settings.timeouts.total,
            retries: output.retries,
            retry_pause: output.retry_pause,
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

    /// Sends a request to each address in turn until one answers, and gives that address. Once all have
    /// failed, it repeats this after growing pauses, unless waiting does not help.
    pub(crate) async fn send(
        &self,
        request: &Request<'_>,
    ) -> Result<(String, Meaning), OutputError> {
        let first = self.current.load(Ordering::Relaxed);
        let mut retries = self.retries();
        loop {
            let mut wanted = None;
            let mut last = None;
            let mut unusable = None;
            for step in 0..self.endpoints.len() {
                let number = (first + step) % self.endpoints.len();
                let endpoint = &self.endpoints[number];
                let url = show_url(&endpoint.url);
                retries.asked += 1;
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
            retries.wait(url, why, wanted).await?;
        }
    }

    /// The pauses between the tries of one task.
    pub(crate) fn retries(&self) -> Retries<'_> {
        Retries {
            client: self,
            asked: 0,
            rounds: 0,
            pause: self.retry_pause,
        }
    }

    async fn once(&self, endpoint: &Endpoint, request: &Request<'_>) -> Meaning {
        let redactor = endpoint.http.redactor();
        let wait = |why: String| Meaning::Wait {
            why: redactor.text(&why).into_owned(),
            pause: None,
        };
        match timeout(self.total_timeout, endpoint.exchange(request)).await {
            Ok(Ok(answer)) => (self.judge)(&answer, SystemTime::now(), redactor),
            Ok(Err(why)) => wait(why),
            Err(_) => wait(format!(
                "no whole answer within {} (total_timeout)",
                humantime::format_duration(self.total_timeout)
            )),
        }
    }
}

/// Counts the tries of one task, with growing pauses between them.
pub(crate) struct Retries<'a> {
    client: &'a Client,
    asked: u32,
    rounds: u32,
    pause: Duration,
}

impl Retries<'_> {
    /// Waits before another try, at least as long as the server wants it.
    ///
    /// # Errors
    /// [`OutputError::Unavailable`] if there is no further try, [`OutputError::Stopped`].
    pub(crate) async fn wait(
        &mut self,
        url: String,
        why: String,
        wanted: Option<Duration>,
    ) -> Result<(), OutputError> {
        if self.rounds >= self.client.retries || wanted.is_some_and(|wanted| wanted > MAX_PAUSE) {
            return Err(OutputError::Unavailable {
                address: url,
                why,
                tries: self.asked.max(self.rounds + 1),
            });
        }
        self.rounds += 1;
        let wait = self.pause.max(wanted.unwrap_or_default()).min(MAX_PAUSE);
        tracing::warn!(
            url,
            "{why}; trying again in {}",
            humantime::format_duration(wait)
        );
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = self.client.stop.requested() => return Err(OutputError::Stopped),
        }
        self.pause = self.pause.saturating_mul(2);
        Ok(())
    }
}

impl Endpoint {
    /// Sends a request once and reads the whole answer; the error says what went wrong.
    async fn exchange(&self, request: &Request<'_>) -> Result<Answer, String> {
        let mut url = self.url.clone();
        let base = self.url.path().trim_end_matches('/');
        url.set_path(&format!("{base}/{}", request.path));
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(request.query);
        }
        let mut builder = self.http.request(request.method.clone(), url);
        if let Body::Typed(media_type, bytes) = &request.body {
            builder = builder
                .header(CONTENT_TYPE, *media_type)
                .body(bytes.clone());
        }
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
pub(crate) fn unexpected(url: String, meaning: &Meaning, advice: &str) -> OutputError {
    OutputError::Unusable {
        address: url,
        why: one_line(&format!("an unexpected answer: {meaning:?}")),
        advice: advice.to_owned(),
    }
}
