//! Sends one request until it is answered or retries are used up, with polite pauses.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::LazyLock;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::blocking::blocking;
use super::commit::Times;
use super::context::Context;
use super::first_contact::{Instead, Unreached};
use super::place;
use super::progress::Event;
use super::run::Growth;
use super::settings::SourceSettings;
use crate::http::{Fault, Redactor, Turn};
use crate::oai::client::{Answer, Transport};
use crate::oai::error::FetchError;
use crate::oai::parse::{self, Hints, PageLimits, ParseError};
use crate::oai::request::Verb;
use crate::oai::response::{MAX_RAW_BYTES, OaiError, Repair, RepairKind};
use crate::oai::{Content, Datestamp, Request, Response};
use crate::store::{Cost, HostPause, StoreError};

/// A challenge page says no time; browsers' challenges are lifted by people, not by waiting.
const CHALLENGE_PAUSE: Duration = Duration::from_secs(6 * 3600);

/// The longest pause between two attempts.
const MAX_PAUSE: Duration = Duration::from_secs(300);

/// When the run is told to stop, a pending answer has this long to arrive.
const STOP_GRACE: Duration = Duration::from_secs(4);

/// A pause that a server asks for is stored from this length on, so that other processes keep it too.
const MIN_STORED_PAUSE: Duration = Duration::from_secs(5);

/// Bodies of at most this size are parsed on the same thread: another thread would start later.
const MAX_INLINE_BYTES: usize = 32 << 10;

/// Bodies that are parsed on other threads at the same time, of all sources. More would only share the
/// processor cores.
static PARSING: LazyLock<Semaphore> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Semaphore::new(cores.min(4))
});

/// The run gives up on a server that asks for a pause this often in a row.
const MAX_WAITS: u32 = 20;

/// A readable answer.
#[derive(Debug)]
pub(super) struct Fetched {
    /// The parsed answer.
    pub(super) response: Response,
    /// The `Date` header of HTTP.
    pub(super) http_date: Option<Datestamp>,
    /// The new base URL after a permanent redirect.
    pub(super) moved_to: Option<String>,
    /// The cost, failed attempts and pauses included.
    pub(super) cost: Cost,
    /// How long the answer and its parsing took.
    pub(super) times: Times,
}

/// Why a request has no answer.
#[derive(Debug)]
pub(super) enum RequestError {
    /// The program was told to stop.
    Stopped,
    /// The host wants a longer pause than `max_wait`.
    HostPaused {
        /// The end of the pause, in milliseconds since 1970 on our clock.
        until_ms: i64,
        /// The answer of the host.
        why: String,
        /// Whether it keeps programs out, by a challenge for people.
        challenges: bool,
    },
    /// The repository refuses: wrong URL, credentials or certificate.
    Refused {
        /// The answer.
        why: String,
        /// The HTTP status, if the refusal is one.
        status: Option<u16>,
    },
    /// All attempts failed. Other requests may be answered.
    Failed {
        /// The last failure.
        why: String,
        /// The body up to [`MAX_RAW_BYTES`], if it could not be read.
        body: Option<Vec<u8>>,
        /// Whether the repository itself answered, if only by a fault. Then the requested records may
        /// be broken. Otherwise the network or a host on the way failed.
        answered: bool,
        /// The cost of all attempts.
        cost: Cost,
    },
    /// The run has brought more than a person has to confirm.
    Held(String),
    /// The source has never given an OAI-PMH answer, and there is nothing that could give one.
    Unreached(Unreached),
    /// The store failed.
    Store(StoreError),
}

impl RequestError {
    /// Why only this request is refused: by a status about its content, as an expired token, not about
    /// the client. `None` if every request would be refused.
    pub(super) fn refuses_this_request(&self) -> Option<&str> {
        match self {
            Self::Refused {
                status: Some(401 | 403 | 407 | 451),
                ..
            } => None,
            Self::Refused {
                why,
                status: Some(400..=499),
            } => Some(why),
            _ => None,
        }
    }
}

impl From<StoreError> for RequestError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Sends requests to one repository, one at a time and with pauses.
pub(super) struct Requester<'a, T> {
    context: &'a Context,
    transport: &'a T,
    settings: &'a SourceSettings,
    host: String,
    /// Repositories repeat credentials in their answers.
    redactor: Redactor,
    paused_host: bool,
    /// The turn of the last answer, until the next request: its records are stored by then.
    turn: Turn,
    /// How much the answers of this run may still bring.
    pub(super) growth: Growth,
    /// Whether the source has never given an OAI-PMH answer. Then there is no patience with an address at which
    /// no repository is.
    pub(super) first_contact: bool,
    /// The repository answers other requests beside those that it refuses. A refusal counts as a failed request then.
    pub(super) isolates_refusals: bool,
}

enum Next {
    Answered(Box<Fetched>),
    /// Send it again after the usual pause.
    Retry {
        why: String,
        body: Option<Vec<u8>>,
        at_least: Duration,
        answered: bool,
        /// What answered in place of a repository, if that is plain.
        instead: Option<Instead>,
    },
    /// Send it again when the server is ready; this is no failure.
    Later {
        why: String,
        pause: Option<Duration>,
    },
}

impl<'a, T: Transport> Requester<'a, T> {
    /// A requester for one run over a source.
    pub(super) fn new(
        context: &'a Context,
        transport: &'a T,
        settings: &'a SourceSettings,
    ) -> Self {
        Self {
            context,
            transport,
            settings,
            host: host(settings),
            redactor: Redactor::new(&settings.client),
            paused_host: false,
            turn: Turn::default(),
            growth: Growth::unlimited(),
            first_contact: false,
            isolates_refusals: false,
        }
    }

    /// Waits until a pause ends that the host asked for in an earlier run.
    ///
    /// # Errors
    /// `HostPaused` if that is longer than `max_wait`.
    pub(super) async fn wait_for_host(&mut self) -> Result<(), RequestError> {
        let Some(pause) = self.context.store.host_pause(&self.host)? else {
            return Ok(());
        };
        self.paused_host = true;
        let Some(left) = pause.left(self.context.clock.now_ms()) else {
            return Ok(());
        };
        if left > self.settings.max_wait {
            return Err(RequestError::HostPaused {
                until_ms: pause.not_before_at,
                why: pause.reason,
                challenges: false,
            });
        }
        self.sleep(left, &pause.reason).await
    }

    /// Sends `request` until it is answered.
    ///
    /// `retries` is how often it is sent again after a fault.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub(super) async fn ask(
        &mut self,
        request: &Request,
        retries: u32,
    ) -> Result<Fetched, RequestError> {
        let mut cost = Cost::default();
        let (mut failures, mut waits) = (0, 0);
        loop {
            self.turn = Turn::default();
            self.wait_for_turn(&mut cost).await?;
            if self.context.stop.is_requested() {
                return Err(RequestError::Stopped);
            }
            let begun = Instant::now();
            let answer = tokio::select! {
                answer = self.patiently(self.transport.send(request)) => answer,
                () = self.stop_with_grace() => return Err(RequestError::Stopped),
            };
            self.context.pace.asked(&self.host);
            cost.requests += 1;
            cost.wait_ms += millis(begun.elapsed());
            let next = match answer {
                Ok(mut answer) => {
                    self.turn = std::mem::take(&mut answer.turn);
                    self.read(request, answer, &mut cost).await
                }
                Err(error) => match self.after_failure(error) {
                    Err(RequestError::Refused { why, .. }) if self.isolates_refusals => {
                        return Err(RequestError::Failed {
                            why,
                            body: None,
                            answered: true,
                            cost,
                        });
                    }
                    next => next?,
                },
            };
            let (why, pause) = match next {
                Next::Answered(fetched) => {
                    self.first_contact = false;
                    let items = items(&fetched.response.content);
                    let counted = self.growth.add(items, cost.bytes);
                    counted.map_err(RequestError::Held)?;
                    self.context.pace.speed_up(&self.host, self.settings.delay);
                    if std::mem::take(&mut self.paused_host) {
                        blocking(|| self.context.store.clear_host_pause(&self.host))?;
                    }
                    return Ok(Fetched { cost, ..*fetched });
                }
                Next::Retry {
                    why,
                    body,
                    at_least,
                    answered,
                    instead,
                } => {
                    failures += 1;
                    let instead = instead.filter(|_| self.first_contact);
                    let is_identify = matches!(request, Request::Identify);
                    if let Some(instead) = &instead
                        && (!is_identify || instead.is_final())
                    {
                        return Err(RequestError::Unreached(Unreached::new(
                            self.settings,
                            instead,
                        )));
                    }
                    // Lists may work without Identify.
                    if failures > retries || instead.is_some() {
                        return Err(RequestError::Failed {
                            why,
                            body,
                            answered,
                            cost,
                        });
                    }
                    let pause = backoff(self.settings.retry_pause, failures).max(at_least);
                    (
                        format!("{why}; try {} of {}", failures + 1, retries + 1),
                        pause,
                    )
                }
                Next::Later { why, pause } => {
                    waits += 1;
                    if waits > MAX_WAITS {
                        return Err(RequestError::Failed {
                            why,
                            body: None,
                            answered: false,
                            cost,
                        });
                    }
                    self.context.pace.slow_down(&self.host, self.settings.delay);
                    if let Some(pause) = pause.filter(|pause| *pause >= MIN_STORED_PAUSE) {
                        self.store_pause(pause, &why)?;
                        self.paused_host = true;
                    }
                    let own = backoff(self.settings.retry_pause, waits);
                    (
                        why,
                        pause.map_or(own, |pause| pause.max(self.settings.retry_pause)),
                    )
                }
            };
            // Nothing of the answer is left.
            self.turn = Turn::default();
            if pause > self.settings.max_wait {
                return Err(self.end_for_pause(pause, why, false)?);
            }
            cost.wait_ms += millis(pause);
            self.sleep(pause, &why).await?;
        }
    }

    /// The content of the answer to `request`; `None` if all attempts failed, or if the repository refuses
    /// this request. `retries` is as in [`Self::ask`].
    ///
    /// # Errors
    /// Those that concern every request: see [`RequestError`].
    pub(super) async fn content(
        &mut self,
        request: &Request,
        retries: u32,
    ) -> Result<Option<Content>, RequestError> {
        match self.ask(request, retries).await {
            Ok(fetched) => Ok(Some(fetched.response.content)),
            Err(RequestError::Failed { .. }) => Ok(None),
            Err(error) if error.refuses_this_request().is_some() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn read(&self, request: &Request, answer: Answer, cost: &mut Cost) -> Next {
        let Answer {
            body,
            status,
            content_type,
            charset,
            date,
            moved_to,
            times,
            wire_bytes,
            unclean_end,
            ..
        } = answer;
        cost.bytes += wire_bytes;
        let limits = self.settings.page_limits;
        let verb = request.verb();
        let body_bytes = body.len();
        let begun = Instant::now();
        // A page of several megabytes would hold up the other sources on this thread.
        let redactor = self.redactor.clone();
        let work = move || {
            let read = read_body(verb, &body, charset.as_deref(), limits, &redactor);
            (read, body)
        };
        let parsed = if body_bytes <= MAX_INLINE_BYTES {
            catch_unwind(AssertUnwindSafe(work)).map_err(|_| "it made the parser fail".to_owned())
        } else {
            // The semaphore is never closed.
            let _turn = PARSING.acquire().await;
            let parsed = tokio::task::spawn_blocking(work).await;
            parsed.map_err(|error| error.to_string())
        };
        let (parsed, mut body) = match parsed {
            Ok(parsed) => parsed,
            Err(error) => {
                let why = format!("reading the answer to {verb}: {error}");
                return Next::Retry {
                    why,
                    body: None,
                    at_least: Duration::ZERO,
                    answered: true,
                    instead: None,
                };
            }
        };
        match parsed {
            Ok(mut response) => {
                drop(body);
                if let Some(why) = unclean_end {
                    tracing::debug!(
                        source.id = %self.settings.name,
                        "{verb}: the document is whole, but {why}"
                    );
                    response.repairs.push(Repair {
                        kind: RepairKind::UncleanEnd,
                        count: 1,
                    });
                }
                if let Some(fault) = fault_of_the_server(request, &response) {
                    return Next::Retry {
                        why: format!(
                            "{verb}: the repository answers {} ({})",
                            fault.code, fault.message
                        ),
                        body: None,
                        at_least: Duration::ZERO,
                        answered: true,
                        instead: None,
                    };
                }
                Next::Answered(Box::new(Fetched {
                    response,
                    http_date: date,
                    moved_to: moved_to.map(String::from),
                    cost: Cost::default(),
                    times: Times {
                        server: times.total,
                        own: begun.elapsed(),
                    },
                }))
            }
            Err(_) if self.redactor.hits_bytes(&body) => Next::Retry {
                // The body must not be printed or stored.
                why: format!("{verb}: the body is no answer, and repeats a credential"),
                at_least: Duration::ZERO,
                body: None,
                answered: true,
                instead: None,
            },
            Err(error) => {
                let instead = Instead::of_body(&error, status, content_type.as_deref());
                body.truncate(MAX_RAW_BYTES);
                body.shrink_to_fit();
                Next::Retry {
                    why: format!("{verb}: {error}"),
                    at_least: Duration::ZERO,
                    answered: !matches!(error, ParseError::Empty),
                    body: (!matches!(error, ParseError::Empty)).then_some(body),
                    instead,
                }
            }
        }
    }

    /// Decides what follows a failed attempt.
    fn after_failure(&mut self, error: FetchError) -> Result<Next, RequestError> {
        let why = error.to_string();
        let answered = is_answer(&error);
        let instead = Instead::of_failure(&error);
        match error {
            FetchError::Wait { retry_after, .. } => Ok(Next::Later {
                why,
                pause: retry_after,
            }),
            FetchError::Retry { retry_after, .. } => Ok(Next::Retry {
                why,
                body: None,
                at_least: retry_after.unwrap_or_default(),
                answered,
                instead,
            }),
            FetchError::TooLarge { .. } | FetchError::Slow { .. } => Ok(Next::Retry {
                why,
                body: None,
                at_least: Duration::ZERO,
                answered,
                instead: None,
            }),
            FetchError::Challenge { .. } => Err(self.end_for_pause(CHALLENGE_PAUSE, why, true)?),
            // Without the retries of a list that may be there after all.
            FetchError::Refused { .. } if self.first_contact && instead.is_some() => {
                Ok(Next::Retry {
                    why,
                    body: None,
                    at_least: Duration::ZERO,
                    answered: true,
                    instead,
                })
            }
            FetchError::Refused {
                status, exchange, ..
            } => Err(RequestError::Refused {
                // What to do about a repository that refuses everything is no advice about one record.
                why: match self.isolates_refusals {
                    true => format!("{exchange}: refused, while other requests are answered"),
                    false => why,
                },
                status: Some(status),
            }),
            FetchError::Redirect { .. } | FetchError::Tls { .. } => {
                Err(RequestError::Refused { why, status: None })
            }
        }
    }

    /// Ends the run for a long pause of the host, and stores the pause.
    fn end_for_pause(
        &mut self,
        pause: Duration,
        why: String,
        challenges: bool,
    ) -> Result<RequestError, StoreError> {
        let until_ms = self.store_pause(pause, &why)?;
        Ok(RequestError::HostPaused {
            until_ms,
            why,
            challenges,
        })
    }

    /// Stores the pause of the host, for the next run.
    fn store_pause(&self, pause: Duration, why: &str) -> Result<i64, StoreError> {
        let pause = pause.min(HostPause::LONGEST);
        let now_ms = self.context.clock.now_ms();
        let until_ms = now_ms.saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX));
        let failures = self
            .context
            .store
            .host_pause(&self.host)?
            .map_or(0, |pause| pause.failures)
            + 1;
        let pause = HostPause {
            host: self.host.clone(),
            not_before_at: until_ms,
            failures,
            reason: why.to_owned(),
        };
        blocking(|| self.context.store.set_host_pause(&pause))?;
        Ok(until_ms)
    }

    async fn wait_for_turn(&self, cost: &mut Cost) -> Result<(), RequestError> {
        let left = self.context.pace.left(&self.host, self.settings.delay);
        if left.is_zero() {
            return Ok(());
        }
        cost.wait_ms += millis(left);
        self.pause(left).await
    }

    async fn sleep(&self, pause: Duration, why: &str) -> Result<(), RequestError> {
        let event = Event::Waiting {
            pause,
            why: why.to_owned(),
        };
        self.context.progress.event(&self.settings.name, event);
        self.pause(pause).await
    }

    /// Waits until the run is told to stop, and then a little for the pending answer.
    async fn stop_with_grace(&self) {
        self.context.stop.requested().await;
        tokio::time::sleep(STOP_GRACE).await;
    }

    /// Waits for an answer. Leaves the place to others when that takes long.
    async fn patiently<R>(&self, sending: impl Future<Output = R>) -> R {
        let mut sending = pin!(sending);
        match tokio::time::timeout(place::PATIENCE, &mut sending).await {
            Ok(answer) => answer,
            Err(_) => {
                let _left = self.context.place.leave();
                sending.await
            }
        }
    }

    async fn pause(&self, pause: Duration) -> Result<(), RequestError> {
        let _left = (pause >= place::LONG_PAUSE).then(|| self.context.place.leave());
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            () = self.context.stop.requested() => Err(RequestError::Stopped),
        }
    }
}

/// The number of items in an answer.
fn items(content: &Content) -> u64 {
    let items = match content {
        Content::Records(list) => list.len(),
        Content::Identifiers(list) => list.len(),
        Content::Sets(list) => list.len(),
        Content::MetadataFormats(formats) => formats.len(),
        Content::Record(_) => 1,
        Content::Identify(_) | Content::Errors(_) => 0,
    };
    items as u64
}

/// The error with a code that the protocol does not know: a fault of the server, perhaps of one record
/// in the list. In answer to a token it may mean that the token has expired, which the caller judges.
fn fault_of_the_server<'r>(request: &Request, response: &'r Response) -> Option<&'r OaiError> {
    match &response.content {
        Content::Errors(errors) if !matches!(request, Request::Resume { .. }) => {
            errors.iter().find(|error| error.known_code().is_none())
        }
        _ => None,
    }
}

/// Whether a failure is the repository's own answer: its own HTTP status, or a body that is too large.
/// With 502, 503 and 504 a host before the repository says that it got no answer.
fn is_answer(error: &FetchError) -> bool {
    match error {
        FetchError::TooLarge { .. } => true,
        FetchError::Retry {
            fault: Fault::Server,
            exchange,
            ..
        } => exchange
            .status
            .is_some_and(|status| status >= 500 && !matches!(status, 502..=504)),
        _ => false,
    }
}

/// Parses a body as the answer to `verb`, within the limits of its source and without its secrets.
pub(super) fn read_body(
    verb: Verb,
    body: &[u8],
    charset: Option<&str>,
    limits: PageLimits,
    redactor: &Redactor,
) -> Result<Response, ParseError> {
    let hints = Hints {
        verb,
        charset,
        limits,
        redactor: Some(redactor),
    };
    parse::parse(body, hints)
}

/// The host and port that pauses belong to.
pub fn host(settings: &SourceSettings) -> String {
    let url = &settings.client.url;
    let name = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{name}:{port}"),
        None => name.to_owned(),
    }
}

/// The pause before retry number `failures`. It doubles, and a quarter of it is random, so that
/// harvesters that failed together do not come back together.
fn backoff(first: Duration, failures: u32) -> Duration {
    let doubled = first
        .saturating_mul(1 << failures.saturating_sub(1).min(16))
        .min(MAX_PAUSE);
    doubled.mul_f64(fastrand::f64().mul_add(0.25, 0.875))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_its_limit() {
        let first = Duration::from_secs(2);
        let cases = [(1, 2.0), (2, 4.0), (3, 8.0), (9, 300.0), (90, 300.0)];
        for (failures, expected) in cases {
            let pause = backoff(first, failures).as_secs_f64();
            assert!(
                (expected * 0.87..expected * 1.13).contains(&pause),
                "{failures}: {pause}"
            );
        }
    }
}
