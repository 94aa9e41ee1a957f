//! What everybody in the daemon may see of what goes on: the state of each source, what its passes
//! have done since the start, and whether the daemon itself is well.
//!
//! The conductor and the passes write here; HTTP, metrics and systemd read. No lock is held for
//! longer than it takes to copy a few values.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::Config;
use crate::end::End;
use crate::harvest::progress::{Event, Progress};
use crate::http::Secret;
use crate::schedule::Reason;

/// What a source is doing. Times are milliseconds since 1970 on our clock.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(super) enum State {
    /// A pass runs.
    Running {
        /// Since when.
        since_ms: i64,
        /// Pages stored in this run.
        pages: u64,
        /// Records on them.
        records: u64,
        /// The repository made us wait: until when, and why.
        waiting: Option<Wait>,
        /// It was told to stop after the page at hand.
        stopping: bool,
    },
    /// A pass is due, and waits for its turn.
    Due {
        /// What for.
        why: String,
    },
    /// No pass is due.
    Waiting(Wait),
    /// Someone paused it.
    Paused {
        /// Since when.
        since_ms: i64,
    },
    /// It has no schedule.
    OnDemand,
}

impl State {
    /// The word for metrics.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Running { .. } => "running",
            Self::Due { .. } => "due",
            Self::Waiting(_) => "waiting",
            Self::Paused { .. } => "paused",
            Self::OnDemand => "on_demand",
        }
    }

    /// Every word that there is.
    pub(super) const WORDS: [&'static str; 5] =
        ["running", "due", "waiting", "paused", "on_demand"];
}

/// Until when something waits, and for what.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Wait {
    /// In milliseconds since 1970.
    pub(super) until_ms: i64,
    /// For people.
    pub(super) why: String,
}

/// What a source waits for, in words.
pub(super) fn reason_in_words(reason: Reason, host: &str) -> String {
    match reason {
        Reason::Tick => "its schedule".to_owned(),
        Reason::Again => "another try after a pass that could not go on".to_owned(),
        Reason::Host => format!("{host}, which asked to be left alone"),
        Reason::Hours => "the hours in which it may run".to_owned(),
    }
}

/// How the last run of this process over a source ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Attempt {
    /// When, in milliseconds since 1970.
    pub(super) ended_ms: i64,
    /// Whether all that the repository shows is in the store.
    pub(super) complete: bool,
    /// What happened, unless it is complete.
    pub(super) message: Option<String>,
    /// What it says of whether things work.
    #[serde(skip)]
    pub(super) bearing: Bearing,
}

/// What the end of something says of whether things work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bearing {
    /// They do.
    Works,
    /// They do not.
    Fails,
    /// Nothing: it was told to stop.
    Unclear,
}

/// What passes over one source have done since the process began.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Counters {
    /// Pages stored.
    pub(super) pages: u64,
    /// Records that were new.
    pub(super) new: u64,
    /// Records with other content than before.
    pub(super) changed: u64,
    /// Records seen again.
    pub(super) unchanged: u64,
    /// Records that are deleted now and were not before.
    pub(super) deleted: u64,
    /// Runs that ended with everything in the store.
    pub(super) complete: u64,
    /// Runs that ended before.
    pub(super) incomplete: u64,
    /// Time from requests to the ends of their answers.
    pub(super) server_wait: Duration,
    /// Time for parsing and storing.
    pub(super) own_time: Duration,
}

/// The visible state of one source.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    /// What it is doing.
    pub(super) state: State,
    /// Its last run in this process.
    pub(super) attempt: Option<Attempt>,
    /// What its runs have done.
    pub(super) counters: Counters,
    /// What runs is reconciling.
    pub(super) reconciling: bool,
    /// When reconciling is due, if it has a schedule.
    pub(super) next_reconcile: Option<Wait>,
}

/// What is delivered: an output is pushed to, or a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum DeliveryKind {
    /// An `[[output]]`.
    Output,
    /// An `[[export]]`.
    Export,
}

impl DeliveryKind {
    /// The word for it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Output => "output",
            Self::Export => "export",
        }
    }
}

/// Which output or export.
pub(super) type DeliveryKey = (DeliveryKind, String);

/// What an output or export is doing. Times are milliseconds since 1970 on our clock.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(super) enum DeliveryState {
    /// It is being pushed to, or written.
    Running {
        /// Since when.
        since_ms: i64,
        /// Changes dealt with.
        done: u64,
        /// Changes that there are, as far as known.
        total: u64,
        /// It was told to stop.
        stopping: bool,
    },
    /// It is due, and waits for its turn.
    Due {
        /// What for.
        why: String,
    },
    /// It has what it should have, and waits for its next time.
    Waiting(Wait),
    /// It failed, and waits to be tried again.
    Retrying(Wait),
    /// It has what it should have, and nothing else is planned.
    OnDemand,
}

impl DeliveryState {
    /// The word for metrics.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Running { .. } => "running",
            Self::Due { .. } => "due",
            Self::Waiting(_) => "waiting",
            Self::Retrying(_) => "retrying",
            Self::OnDemand => "on_demand",
        }
    }

    /// Every word that there is.
    pub(super) const WORDS: [&'static str; 5] =
        ["running", "due", "waiting", "retrying", "on_demand"];
}

/// What runs of a delivery have done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct DeliverySums {
    /// Documents or records delivered.
    pub(super) records: u64,
    /// Deletions delivered.
    pub(super) deletions: u64,
    /// What was set aside, or could not be written.
    pub(super) set_aside: u64,
}

impl DeliverySums {
    /// Whether there is something to be told.
    pub(super) fn any(self) -> bool {
        self != Self::default()
    }

    /// The same for people.
    pub(super) fn in_words(self) -> String {
        let mut text = format!("{} added, {} deleted", self.records, self.deletions);
        if self.set_aside > 0 {
            text.push_str(&format!(", {} set aside", self.set_aside));
        }
        text
    }
}

/// The visible state of one output or export.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DeliverySeen {
    /// What it is doing.
    pub(super) state: DeliveryState,
    /// Tries in vain since it last had everything.
    pub(super) failures: u32,
    /// Its last run in this process.
    pub(super) attempt: Option<Attempt>,
    /// What its runs have done since the process began.
    pub(super) sums: DeliverySums,
    /// Runs that ended with everything delivered, and those that ended before.
    pub(super) runs: [u64; 2],
}

/// How the last reading of the configuration went.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Reload {
    /// When, in milliseconds since 1970.
    pub(super) at_ms: i64,
    /// Why it was refused.
    pub(super) refused: Option<String>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Board {
    clock: Clock,
    sources: Mutex<BTreeMap<String, Seen>>,
    deliveries: Mutex<BTreeMap<DeliveryKey, DeliverySeen>>,
    /// The configuration in force.
    config: watch::Sender<Arc<Config>>,
    reload: Mutex<Option<Reload>>,
    /// Why the daemon cannot do its work now.
    trouble: Mutex<Option<String>>,
    /// When the conductor last went round.
    beat_ms: AtomicI64,
    started_ms: i64,
    requests: AtomicU64,
    /// Steps whenever something was stored.
    stored: watch::Sender<u64>,
    /// Steps whenever a pass has come to its end.
    ends: watch::Sender<u64>,
    /// Steps whenever a delivery has.
    delivered: watch::Sender<u64>,
}

/// A value behind a lock is whole after every change, so a panic elsewhere leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Board {
    /// An empty board.
    pub(super) fn new(clock: Clock, config: Arc<Config>) -> Self {
        let now_ms = clock.now_ms();
        Self {
            sources: Mutex::default(),
            deliveries: Mutex::default(),
            config: watch::Sender::new(config),
            reload: Mutex::default(),
            trouble: Mutex::default(),
            beat_ms: AtomicI64::new(now_ms),
            started_ms: now_ms,
            requests: AtomicU64::new(0),
            stored: watch::Sender::new(0),
            ends: watch::Sender::new(0),
            delivered: watch::Sender::new(0),
            clock,
        }
    }

    /// Now, in milliseconds since 1970.
    pub(super) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// When the daemon began.
    pub(super) fn started_ms(&self) -> i64 {
        self.started_ms
    }

    /// The state of each source.
    pub(super) fn sources(&self) -> BTreeMap<String, Seen> {
        lock(&self.sources).clone()
    }

    /// Shows `state` for a source; what a running pass has told stays with it.
    pub(super) fn show(&self, source: &str, state: State) {
        let mut sources = lock(&self.sources);
        match sources.get_mut(source) {
            None => {
                let seen = Seen {
                    state,
                    attempt: None,
                    counters: Counters::default(),
                    reconciling: false,
                    next_reconcile: None,
                };
                sources.insert(source.to_owned(), seen);
            }
            Some(seen) => match (&mut seen.state, state) {
                (State::Running { stopping, .. }, State::Running { stopping: now, .. }) => {
                    *stopping = now;
                }
                (shown, state) => *shown = state,
            },
        }
    }

    /// Shows whether what runs is reconciling, and when that is due next.
    pub(super) fn show_reconcile(&self, source: &str, reconciling: bool, next: Option<Wait>) {
        if let Some(seen) = lock(&self.sources).get_mut(source) {
            seen.reconciling = reconciling;
            seen.next_reconcile = next;
        }
    }

    /// Forgets the sources that `keep` is false of.
    pub(super) fn retain(&self, keep: impl Fn(&str) -> bool) {
        lock(&self.sources).retain(|name, _| keep(name));
    }

    /// The state of each output and export.
    pub(super) fn deliveries(&self) -> BTreeMap<DeliveryKey, DeliverySeen> {
        lock(&self.deliveries).clone()
    }

    /// Shows what an output or export is doing; how far a run is stays with it.
    pub(super) fn show_delivery(&self, key: &DeliveryKey, state: DeliveryState, failures: u32) {
        let mut deliveries = lock(&self.deliveries);
        let seen = deliveries.entry(key.clone()).or_insert(DeliverySeen {
            state: DeliveryState::OnDemand,
            failures,
            attempt: None,
            sums: DeliverySums::default(),
            runs: [0; 2],
        });
        seen.failures = failures;
        match (&mut seen.state, state) {
            (
                DeliveryState::Running { stopping, .. },
                DeliveryState::Running { stopping: now, .. },
            ) => *stopping = now,
            (shown, state) => *shown = state,
        }
    }

    /// Shows how far a run is.
    pub(super) fn delivery_progress(&self, key: &DeliveryKey, now_done: u64, of: u64) {
        if let Some(seen) = lock(&self.deliveries).get_mut(key)
            && let DeliveryState::Running { done, total, .. } = &mut seen.state
        {
            (*done, *total) = (now_done, of);
        }
    }

    /// Notes how a run ended, and what it did.
    pub(super) fn delivery_ended(
        &self,
        key: &DeliveryKey,
        attempt: Attempt,
        failures: u32,
        sums: DeliverySums,
    ) {
        if let Some(seen) = lock(&self.deliveries).get_mut(key) {
            seen.runs[usize::from(!attempt.complete)] += 1;
            seen.attempt = Some(attempt);
            seen.failures = failures;
            seen.sums.records += sums.records;
            seen.sums.deletions += sums.deletions;
            seen.sums.set_aside += sums.set_aside;
        }
        self.delivered.send_modify(|steps| *steps += 1);
    }

    /// Changes whenever a push or an export has come to its end.
    pub(super) fn delivered(&self) -> watch::Receiver<u64> {
        self.delivered.subscribe()
    }

    /// Forgets the outputs and exports that `keep` is false of.
    pub(super) fn retain_deliveries(&self, keep: impl Fn(&DeliveryKey) -> bool) {
        lock(&self.deliveries).retain(|key, _| keep(key));
    }

    /// Notes how a run ended.
    pub(super) fn ended(&self, source: &str, attempt: Attempt) {
        if let Some(seen) = lock(&self.sources).get_mut(source) {
            if attempt.complete {
                seen.counters.complete += 1;
            } else {
                seen.counters.incomplete += 1;
            }
            seen.attempt = Some(attempt);
        }
        self.ends.send_modify(|steps| *steps += 1);
    }

    /// Changes whenever a pass has come to its end.
    pub(super) fn ends(&self) -> watch::Receiver<u64> {
        self.ends.subscribe()
    }

    /// The configuration in force.
    pub(super) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.borrow())
    }

    /// Puts another one into force.
    pub(super) fn set_config(&self, config: Arc<Config>) {
        self.config.send_replace(config);
    }

    /// Changes whenever another configuration is in force.
    pub(super) fn configured(&self) -> watch::Receiver<Arc<Config>> {
        self.config.subscribe()
    }

    /// The token that requests have to bring.
    pub(super) fn token(&self) -> Option<Secret> {
        self.config().daemon.token.clone()
    }

    /// The last reading of the configuration after the first.
    pub(super) fn reload(&self) -> Option<Reload> {
        lock(&self.reload).clone()
    }

    /// Notes how a reading of the configuration went.
    pub(super) fn set_reload(&self, refused: Option<String>) {
        let at_ms = self.now_ms();
        *lock(&self.reload) = Some(Reload { at_ms, refused });
    }

    /// Why the daemon cannot do its work now; `None` if it can.
    pub(super) fn trouble(&self) -> Option<String> {
        lock(&self.trouble).clone()
    }

    /// Sets or clears that.
    pub(super) fn set_trouble(&self, trouble: Option<String>) {
        *lock(&self.trouble) = trouble;
    }

    /// The conductor goes round.
    pub(super) fn beat(&self) {
        self.beat_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    /// How long ago the conductor went round.
    pub(super) fn since_beat(&self) -> Duration {
        let passed = self.now_ms() - self.beat_ms.load(Ordering::Relaxed);
        Duration::from_millis(u64::try_from(passed).unwrap_or_default())
    }

    /// Counts an HTTP request.
    pub(super) fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// HTTP requests so far.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Changes whenever something was stored.
    pub(super) fn stored(&self) -> watch::Receiver<u64> {
        self.stored.subscribe()
    }

    fn take(&self, source: &str, event: &Event) {
        let mut sources = lock(&self.sources);
        let Some(seen) = sources.get_mut(source) else {
            return;
        };
        let now_ms = self.now_ms();
        match event {
            Event::Page(page) => {
                let counters = &mut seen.counters;
                counters.pages += 1;
                counters.new += page.new;
                counters.changed += page.changed;
                counters.unchanged += page.unchanged;
                counters.deleted += page.deleted;
                counters.server_wait += page.server_wait;
                counters.own_time += page.own_time;
                if let State::Running {
                    pages,
                    records,
                    waiting,
                    ..
                } = &mut seen.state
                {
                    *pages += 1;
                    *records += page.records;
                    *waiting = None;
                }
            }
            Event::Waiting { pause, why } => {
                if let State::Running { waiting, .. } = &mut seen.state {
                    let pause_ms = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
                    *waiting = Some(Wait {
                        until_ms: now_ms.saturating_add(pause_ms),
                        why: why.clone(),
                    });
                }
            }
            Event::Started { .. } | Event::Total(_) | Event::Note(_) | Event::Ended(_) => {}
        }
        drop(sources);
        if matches!(event, Event::Page(_) | Event::Ended(End::Complete)) {
            self.stored.send_modify(|steps| *steps += 1);
        }
    }
}

/// Puts the events of passes on a board, and passes on those that nobody else tells.
pub(super) struct Watch {
    /// Where they go.
    pub(super) board: Arc<Board>,
    /// Who else watches.
    pub(super) next: Arc<dyn Progress>,
}

impl Progress for Watch {
    fn event(&self, source: &str, event: Event) {
        self.board.take(source, &event);
        // Notes and waits are in the log already, and the conductor tells of ends that are none.
        let told = matches!(
            event,
            Event::Note(_)
                | Event::Waiting { .. }
                | Event::Ended(End::Incomplete(_) | End::Failed(_))
        );
        if !told {
            self.next.event(source, event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harvest::progress::Page;

    struct Nobody;

    impl Progress for Nobody {
        fn event(&self, _: &str, _: Event) {}
    }

    fn running(stopping: bool) -> State {
        State::Running {
            since_ms: 0,
            pages: 0,
            records: 0,
            waiting: None,
            stopping,
        }
    }

    #[test]
    fn passes_are_seen_and_counted() {
        let board = Arc::new(Board::new(
            Clock::Manual(Arc::new(1_000.into())),
            Arc::new(Config::bare("store.db")),
        ));
        let watch = Watch {
            board: Arc::clone(&board),
            next: Arc::new(Nobody),
        };
        let mut stored = board.stored();
        watch.event("gone", Event::Page(Page::default()));
        assert!(board.sources().is_empty(), "unknown sources are left out");

        board.show("a", running(false));
        let page = Page {
            records: 10,
            new: 7,
            deleted: 3,
            ..Page::default()
        };
        watch.event("a", Event::Page(page));
        assert!(stored.has_changed().unwrap());
        stored.mark_unchanged();
        let pause = Duration::from_secs(2);
        let why = "HTTP 503".to_owned();
        watch.event("a", Event::Waiting { pause, why });
        assert!(!stored.has_changed().unwrap());
        board.show("a", running(true));
        let State::Running {
            pages,
            records,
            waiting,
            stopping,
            ..
        } = board.sources()["a"].state.clone()
        else {
            panic!("it runs");
        };
        assert_eq!((pages, records, stopping), (1, 10, true));
        assert_eq!(waiting.unwrap().until_ms, 3_000);

        let attempt = Attempt {
            ended_ms: 1_000,
            complete: false,
            message: Some("no".into()),
            bearing: Bearing::Fails,
        };
        board.ended("a", attempt.clone());
        board.show("a", State::OnDemand);
        let seen = board.sources()["a"].clone();
        assert_eq!(seen.state, State::OnDemand);
        assert_eq!(seen.attempt, Some(attempt));
        assert_eq!(seen.counters.new, 7);
        assert_eq!(seen.counters.incomplete, 1);
    }
}
