//! One request, asked until it is answered or there is no point in asking on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use tokio::time::Instant;

use super::blocking::blocking;
use super::pace::Pace;
use super::progress::{Event, Progress};
use super::settings::SourceSettings;
use crate::clock::Clock;
use crate::http::{Fault, Redactor};
use crate::oai::client::{Answer, Transport};
use crate::oai::error::FetchError;
use crate::oai::parse::{self, Hints, PageLimits, ParseError};
use crate::oai::request::Verb;
use crate::oai::response::OaiError;
use crate::oai::{Content, Datestamp, Request, Response};
use crate::stop::Stop;
use crate::store::{Cost, HostPause, Store, StoreError};

/// A challenge page says no time; browsers' challenges are lifted by people, not by waiting.
const CHALLENGE_PAUSE: Duration = Duration::from_secs(6 * 3600);

/// No pause between two tries grows beyond this.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// An answer that is under way when we are told to stop has this long to arrive.
const STOP_PATIENCE: Duration = Duration::from_secs(4);

/// A pause that a server asks for is remembered from this length on: whoever is started meanwhile
/// keeps it too.
const WORTH_REMEMBERING: Duration = Duration::from_secs(5);

/// Bodies of so many bytes are read in less time than it takes to hand them over.
const READ_IN_PLACE: usize = 32 << 10;

/// A server that answers "later" this often without a break is not going to answer.
const MOST_WAITS: u32 = 20;

/// An answer that could be read.
#[derive(Debug)]
pub(super) struct Fetched {
    /// What the repository says.
    pub(super) response: Response,
    /// The repository's clock as HTTP has it.
    pub(super) http_date: Option<Datestamp>,
    /// Where the base URL has moved to for good.
    pub(super) moved_to: Option<String>,
    /// What it took, failed tries and pauses included.
    pub(super) cost: Cost,
    /// From the request to the answer's last byte.
    pub(super) server_time: Duration,
    /// Parsing.
    pub(super) own_time: Duration,
}

/// Why a request was not answered.
#[derive(Debug)]
pub(super) enum Trouble {
    /// We were told to stop.
    Stopped,
    /// The host wants to be left alone for longer than we wait.
    Parked {
        /// Not before this time, in milliseconds since 1970 on our clock.
        until_ms: i64,
        /// What it said.
        why: String,
    },
    /// There is no point in asking this repository anything: wrong URL, credentials, certificate.
    Refused {
        /// What came back.
        why: String,
        /// The HTTP status, if that is what refuses.
        status: Option<u16>,
    },
    /// This request is not answered, however often it is sent; others may be.
    Exhausted {
        /// The last failure.
        why: String,
        /// What came, if it was a body that could not be read.
        body: Option<Vec<u8>>,
        /// Whether the repository itself answered, if only by a fault: then it may be what was
        /// asked for that is broken. Otherwise the network or a host on the way failed.
        answered: bool,
        /// What all the tries took.
        cost: Cost,
    },
    /// The store failed.
    Store(StoreError),
}

impl Trouble {
    /// Why this request alone is refused, where others may not be: by a status that is about what
    /// was asked for (an expired token, an unknown identifier), not about who asks.
    pub(super) fn refuses_the_request(&self) -> Option<&str> {
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

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Asks one repository, politely: one request at a time, with pauses.
pub(super) struct Requester<'a, T> {
    transport: &'a T,
    settings: &'a SourceSettings,
    store: &'a Store,
    clock: &'a Clock,
    stop: &'a Stop,
    progress: &'a dyn Progress,
    host: String,
    /// Repositories repeat in their answers what they were asked with.
    redactor: Redactor,
    pace: &'a Pace,
    paused_host: bool,
}

enum Next {
    Answered(Box<Fetched>),
    /// Try again after the usual pause.
    Again {
        why: String,
        body: Option<Vec<u8>>,
        at_least: Duration,
        answered: bool,
    },
    /// Try again when the server is ready, without counting it as a failure.
    Later {
        why: String,
        pause: Option<Duration>,
    },
}

impl<'a, T: Transport> Requester<'a, T> {
    /// An requester for one run over a source.
    pub(super) fn new(
        transport: &'a T,
        settings: &'a SourceSettings,
        store: &'a Store,
        clock: &'a Clock,
        stop: &'a Stop,
        progress: &'a dyn Progress,
        pace: &'a Pace,
    ) -> Self {
        Self {
            transport,
            settings,
            store,
            clock,
            stop,
            progress,
            host: host(settings),
            redactor: Redactor::new(&settings.client),
            pace,
            paused_host: false,
        }
    }

    /// Waits out a pause that the host asked for in an earlier run.
    ///
    /// # Errors
    /// `Parked` if that is longer than `max_wait`.
    pub(super) async fn wait_for_host(&mut self) -> Result<(), Trouble> {
        let Some(pause) = self.store.host_pause(&self.host)? else {
            return Ok(());
        };
        self.paused_host = true;
        let Some(left) = pause.left(self.clock.now_ms()) else {
            return Ok(());
        };
        if left > self.settings.max_wait {
            return Err(Trouble::Parked {
                until_ms: pause.not_before_at,
                why: pause.reason,
            });
        }
        self.sleep(left, &pause.reason).await
    }

    /// Sends `request` until it is answered.
    ///
    /// `tries` is how often it is sent again after a fault.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub(super) async fn ask(&mut self, request: &Request, tries: u32) -> Result<Fetched, Trouble> {
        let mut cost = Cost::default();
        let (mut failures, mut waits) = (0, 0);
        loop {
            self.keep_distance(&mut cost).await?;
            if self.stop.is_requested() {
                return Err(Trouble::Stopped);
            }
            let begun = Instant::now();
            let answer = tokio::select! {
                answer = self.transport.send(request) => answer,
                () = self.patience_ends() => return Err(Trouble::Stopped),
            };
            self.pace.asked(&self.host);
            cost.requests += 1;
            cost.wait_ms += millis(begun.elapsed());
            let next = match answer {
                Ok(answer) => self.read(request, answer, &mut cost).await,
                Err(error) => self.sort(error)?,
            };
            let (why, pause) = match next {
                Next::Answered(fetched) => {
                    self.pace.speed_up(&self.host, self.settings.delay);
                    if std::mem::take(&mut self.paused_host) {
                        blocking(|| self.store.clear_host_pause(&self.host))?;
                    }
                    return Ok(Fetched { cost, ..*fetched });
                }
                Next::Again {
                    why,
                    body,
                    at_least,
                    answered,
                } => {
                    failures += 1;
                    if failures > tries {
                        return Err(Trouble::Exhausted {
                            why,
                            body,
                            answered,
                            cost,
                        });
                    }
                    let pause = backoff(self.settings.retry_pause, failures).max(at_least);
                    (
                        format!("{why}; try {} of {}", failures + 1, tries + 1),
                        pause,
                    )
                }
                Next::Later { why, pause } => {
                    waits += 1;
                    if waits > MOST_WAITS {
                        return Err(Trouble::Exhausted {
                            why,
                            body: None,
                            answered: false,
                            cost,
                        });
                    }
                    self.pace.slow_down(&self.host, self.settings.delay);
                    if let Some(pause) = pause.filter(|pause| *pause >= WORTH_REMEMBERING) {
                        self.remember(pause, &why)?;
                        self.paused_host = true;
                    }
                    let own = backoff(self.settings.retry_pause, waits);
                    (
                        why,
                        pause.map_or(own, |pause| pause.max(self.settings.retry_pause)),
                    )
                }
            };
            if pause > self.settings.max_wait {
                return Err(self.park(pause, why)?);
            }
            cost.wait_ms += millis(pause);
            self.sleep(pause, &why).await?;
        }
    }

    async fn read(&self, request: &Request, answer: Answer, cost: &mut Cost) -> Next {
        let Answer {
            body,
            charset,
            date,
            moved_to,
            times,
            wire_bytes,
            ..
        } = answer;
        cost.bytes += wire_bytes;
        let limits = self.settings.page_limits;
        let verb = request.verb();
        let body_bytes = body.len();
        let begun = Instant::now();
        // A page of several megabytes would hold up the other sources on this thread; a small one
        // is read before another thread has woken up.
        let work = move || (read_body(verb, &body, charset.as_deref(), limits), body);
        let parsed = if body_bytes <= READ_IN_PLACE {
            catch_unwind(AssertUnwindSafe(work)).map_err(|_| "it made the parser fail".to_owned())
        } else {
            let parsed = tokio::task::spawn_blocking(work).await;
            parsed.map_err(|error| error.to_string())
        };
        let (parsed, body) = match parsed {
            Ok(parsed) => parsed,
            Err(error) => {
                let why = format!("reading the answer to {verb}: {error}");
                return Next::Again {
                    why,
                    body: None,
                    at_least: Duration::ZERO,
                    answered: true,
                };
            }
        };
        match parsed {
            Ok(response) => {
                let response = self.without_secrets(response);
                if let Some(fault) = fault_of_the_server(request, &response) {
                    return Next::Again {
                        why: format!(
                            "{verb}: the repository answers {} ({})",
                            fault.code, fault.message
                        ),
                        body: None,
                        at_least: Duration::ZERO,
                        answered: true,
                    };
                }
                Next::Answered(Box::new(Fetched {
                    response,
                    http_date: date,
                    moved_to: moved_to.map(String::from),
                    cost: Cost::default(),
                    server_time: times.total,
                    own_time: begun.elapsed(),
                }))
            }
            Err(_) if self.redactor.hits(&String::from_utf8_lossy(&body)) => Next::Again {
                // Neither to be shown nor to be kept.
                why: format!("{verb}: the body is no answer, and repeats a credential"),
                at_least: Duration::ZERO,
                body: None,
                answered: true,
            },
            Err(error) => Next::Again {
                why: format!("{verb}: {error}"),
                at_least: Duration::ZERO,
                answered: !matches!(error, ParseError::Empty),
                body: (!matches!(error, ParseError::Empty)).then_some(body),
            },
        }
    }

    fn without_secrets(&self, mut response: Response) -> Response {
        if let Content::Errors(errors) = &mut response.content {
            for error in errors {
                error.message = self.redactor.text(&error.message).into_owned();
            }
        }
        response
    }

    /// Sorts a failure by what to do about it.
    fn sort(&mut self, error: FetchError) -> Result<Next, Trouble> {
        let why = error.to_string();
        let answered = is_answer(&error);
        match error {
            FetchError::Wait { retry_after, .. } => Ok(Next::Later {
                why,
                pause: retry_after,
            }),
            FetchError::Retry { retry_after, .. } => Ok(Next::Again {
                why,
                body: None,
                at_least: retry_after.unwrap_or_default(),
                answered,
            }),
            FetchError::TooLarge { .. } | FetchError::Slow { .. } => Ok(Next::Again {
                why,
                body: None,
                at_least: Duration::ZERO,
                answered,
            }),
            FetchError::Challenge { .. } => Err(self.park(CHALLENGE_PAUSE, why)?),
            FetchError::Refused { status, .. } => Err(Trouble::Refused {
                why,
                status: Some(status),
            }),
            FetchError::Redirect { .. } | FetchError::Tls { .. } => {
                Err(Trouble::Refused { why, status: None })
            }
        }
    }

    /// Leaves the host alone for longer than this run lasts, and remembers it.
    fn park(&mut self, pause: Duration, why: String) -> Result<Trouble, StoreError> {
        let until_ms = self.remember(pause, &why)?;
        Ok(Trouble::Parked { until_ms, why })
    }

    /// Stores until when the host wants to be left alone, for whoever asks it next.
    fn remember(&self, pause: Duration, why: &str) -> Result<i64, StoreError> {
        let pause = pause.min(HostPause::LONGEST);
        let now_ms = self.clock.now_ms();
        let until_ms = now_ms.saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX));
        let failures = self
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
        blocking(|| self.store.set_host_pause(&pause))?;
        Ok(until_ms)
    }

    async fn keep_distance(&self, cost: &mut Cost) -> Result<(), Trouble> {
        let left = self.pace.left(&self.host, self.settings.delay);
        if left.is_zero() {
            return Ok(());
        }
        cost.wait_ms += millis(left);
        self.sleep_silently(left).await
    }

    async fn sleep(&self, pause: Duration, why: &str) -> Result<(), Trouble> {
        let event = Event::Waiting {
            pause,
            why: why.to_owned(),
        };
        self.progress.event(&self.settings.name, event);
        self.sleep_silently(pause).await
    }

    /// Waits until we were told to stop, and then a little for the page at hand.
    async fn patience_ends(&self) {
        self.stop.requested().await;
        tokio::time::sleep(STOP_PATIENCE).await;
    }

    async fn sleep_silently(&self, pause: Duration) -> Result<(), Trouble> {
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            () = self.stop.requested() => Err(Trouble::Stopped),
        }
    }
}

/// The error with a code of the repository's own: a fault of the server, perhaps of one record in
/// the list. In answer to a token it may as well mean that the token is dead, which is for the
/// caller to judge.
fn fault_of_the_server<'r>(request: &Request, response: &'r Response) -> Option<&'r OaiError> {
    match &response.content {
        Content::Errors(errors) if !matches!(request, Request::Resume { .. }) => {
            errors.iter().find(|error| error.known_code().is_none())
        }
        _ => None,
    }
}

/// Whether a failure is the repository's own word on what was asked for: a status of its own, or an
/// answer that is too large. What 502, 503 and 504 tell is that a host before it got no answer.
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

/// Parses a body as the answer to `verb`, within the limits of its source.
pub(super) fn read_body(
    verb: Verb,
    body: &[u8],
    charset: Option<&str>,
    limits: PageLimits,
) -> Result<Response, ParseError> {
    let hints = Hints {
        verb,
        charset,
        limits,
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

/// The pause before the `failures`-th new try: doubling, with a quarter of chance in it so that
/// harvesters that failed together do not come back together.
fn backoff(first: Duration, failures: u32) -> Duration {
    let doubled = first
        .saturating_mul(1 << failures.saturating_sub(1).min(16))
        .min(LONGEST_PAUSE);
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
