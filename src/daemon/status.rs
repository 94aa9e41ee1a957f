//! What the daemon knows beside the store: how far each running job is, what jobs have done since the
//! start, the configuration in force, and whether the daemon itself works.
//!
//! The scheduler and its jobs write here; HTTP, metrics and systemd read. The plan and the last run of a
//! job are in the store.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;

use super::usage::UsageCounter;
use crate::clock::Clock;
use crate::config::Config;
use crate::end::End;
use crate::harvest::progress::{Event, Progress};
use crate::http::Secret;
use crate::store::{JobKey, JobKind};

/// How far a running job is.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct JobProgress {
    /// Pages stored; of passes and reconciles.
    pub(super) pages: u64,
    /// Records read, or changes sent or written.
    pub(super) done: u64,
    /// Changes to send or write in all, as far as known; of pushes and exports.
    pub(super) total: u64,
    /// The repository made the job wait.
    pub(super) waiting: Option<Wait>,
    /// The job was told to stop.
    pub(super) stopping: bool,
}

/// A pause that a repository asked for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Wait {
    /// When it ends, in milliseconds since 1970.
    pub(super) until_ms: i64,
    /// Why, for people.
    pub(super) why: String,
}

/// What the passes over one source have done since the daemon started.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct PassCounters {
    /// Pages stored.
    pub(super) pages: u64,
    /// New records.
    pub(super) new: u64,
    /// Records with other content than before.
    pub(super) changed: u64,
    /// Records without any change.
    pub(super) unchanged: u64,
    /// Records that became deleted.
    pub(super) deleted: u64,
    /// Time from requests to the ends of their answers.
    pub(super) server_wait: Duration,
    /// Time for parsing and storing.
    pub(super) own_time: Duration,
}

impl std::ops::AddAssign for PassCounters {
    fn add_assign(&mut self, other: Self) {
        self.pages += other.pages;
        self.new += other.new;
        self.changed += other.changed;
        self.unchanged += other.unchanged;
        self.deleted += other.deleted;
        self.server_wait += other.server_wait;
        self.own_time += other.own_time;
    }
}

/// What one or more runs of a push or an export have delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Delivered {
    /// Documents or records added.
    pub(super) added: u64,
    /// Deletions.
    pub(super) deleted: u64,
    /// Documents rejected, or records that could not be written.
    pub(super) rejected: u64,
}

impl Delivered {
    /// Whether anything was delivered or rejected.
    pub(super) fn any(self) -> bool {
        self != Self::default()
    }
}

impl std::fmt::Display for Delivered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} added, {} deleted", self.added, self.deleted)?;
        match self.rejected {
            0 => Ok(()),
            rejected => write!(f, ", {rejected} rejected"),
        }
    }
}

impl std::ops::AddAssign for Delivered {
    fn add_assign(&mut self, other: Self) {
        self.added += other.added;
        self.deleted += other.deleted;
        self.rejected += other.rejected;
    }
}

/// What this process knows of one job.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct JobStatus {
    /// How far its run is; `None` if the daemon does not run it now.
    pub(super) progress: Option<JobProgress>,
    /// Runs that succeeded.
    pub(super) succeeded: u64,
    /// Runs that failed or were interrupted.
    pub(super) not_succeeded: u64,
    /// What its passes have done.
    pub(super) counters: PassCounters,
    /// What its pushes or exports have delivered.
    pub(super) delivered: Delivered,
}

/// The result of the last reload of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Reload {
    /// When, in milliseconds since 1970.
    pub(super) at_ms: i64,
    /// Why it was refused; `None` if it is in force.
    pub(super) refused: Option<String>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct StatusRegistry {
    clock: Clock,
    jobs: Mutex<BTreeMap<JobKey, JobStatus>>,
    /// The configuration in force.
    config: watch::Sender<Arc<Config>>,
    reload: Mutex<Option<Reload>>,
    trouble: Mutex<Option<String>>,
    last_tick_ms: AtomicI64,
    started_ms: i64,
    requests: AtomicU64,
    /// Changes with each page that is stored.
    stored: watch::Sender<u64>,
    /// Changes with each job that ends.
    ended: watch::Sender<u64>,
    /// Who harvests the OAI-PMH provider.
    usage: UsageCounter,
}

/// A value behind a lock is whole after every change, so a panic elsewhere leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl StatusRegistry {
    /// A registry without jobs.
    pub(super) fn new(clock: Clock, config: Arc<Config>) -> Self {
        let now_ms = clock.now_ms();
        Self {
            jobs: Mutex::default(),
            config: watch::Sender::new(config),
            reload: Mutex::default(),
            trouble: Mutex::default(),
            last_tick_ms: AtomicI64::new(now_ms),
            started_ms: now_ms,
            requests: AtomicU64::new(0),
            stored: watch::Sender::new(0),
            ended: watch::Sender::new(0),
            usage: UsageCounter::default(),
            clock,
        }
    }

    /// Now, in milliseconds since 1970.
    pub(super) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Who harvests the OAI-PMH provider.
    pub(super) fn usage(&self) -> &UsageCounter {
        &self.usage
    }

    /// When the daemon started.
    pub(super) fn started_ms(&self) -> i64 {
        self.started_ms
    }

    /// What is known of each job.
    pub(super) fn jobs(&self) -> BTreeMap<JobKey, JobStatus> {
        lock(&self.jobs).clone()
    }

    /// What is known of one job.
    pub(super) fn job(&self, key: &JobKey) -> JobStatus {
        lock(&self.jobs).get(key).cloned().unwrap_or_default()
    }

    /// Whether the daemon runs any job now.
    pub(super) fn any_running(&self) -> bool {
        let jobs = lock(&self.jobs);
        jobs.values().any(|job| job.progress.is_some())
    }

    /// Notes that a run of a job begins.
    pub(super) fn job_started(&self, key: &JobKey) {
        lock(&self.jobs).entry(key.clone()).or_default().progress = Some(JobProgress::default());
    }

    /// Notes that a running job was told to stop.
    pub(super) fn job_stopping(&self, key: &JobKey) {
        self.update(key, |progress| progress.stopping = true);
    }

    /// Notes how far a push or an export is.
    pub(super) fn delivering(&self, key: &JobKey, done: u64, total: u64) {
        self.update(key, |progress| {
            (progress.done, progress.total) = (done, total);
        });
    }

    fn update(&self, key: &JobKey, update: impl FnOnce(&mut JobProgress)) {
        let mut jobs = lock(&self.jobs);
        let job = jobs.get_mut(key);
        if let Some(progress) = job.and_then(|job| job.progress.as_mut()) {
            update(progress);
        }
    }

    /// Notes that a run of a job has ended.
    pub(super) fn job_ended(&self, key: &JobKey, succeeded: bool, delivered: Delivered) {
        if let Some(job) = lock(&self.jobs).get_mut(key) {
            job.progress = None;
            match succeeded {
                true => job.succeeded += 1,
                false => job.not_succeeded += 1,
            }
            job.delivered += delivered;
        }
    }

    /// Tells those who wait for ends of jobs, once the end is in the store.
    pub(super) fn tell_ended(&self) {
        self.ended.send_modify(|count| *count += 1);
    }

    /// Changes whenever the end of a job is in the store.
    pub(super) fn ended(&self) -> watch::Receiver<u64> {
        self.ended.subscribe()
    }

    /// Forgets the jobs that `keep` is false of.
    pub(super) fn retain(&self, keep: impl Fn(&JobKey) -> bool) {
        lock(&self.jobs).retain(|key, job| job.progress.is_some() || keep(key));
    }

    /// The configuration in force.
    pub(super) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.borrow())
    }

    /// Puts another configuration into force.
    pub(super) fn set_config(&self, config: Arc<Config>) {
        self.config.send_replace(config);
    }

    /// Changes whenever another configuration is in force.
    pub(super) fn configured(&self) -> watch::Receiver<Arc<Config>> {
        self.config.subscribe()
    }

    /// The token that requests for changes have to carry.
    pub(super) fn token(&self) -> Option<Secret> {
        self.config().daemon.token.clone()
    }

    /// The last reload of the configuration; `None` before the first.
    pub(super) fn reload(&self) -> Option<Reload> {
        lock(&self.reload).clone()
    }

    /// Notes the result of a reload.
    pub(super) fn set_reload(&self, refused: Option<String>) {
        let at_ms = self.now_ms();
        *lock(&self.reload) = Some(Reload { at_ms, refused });
    }

    /// Why the scheduler cannot do its work; `None` if it can.
    pub(super) fn trouble(&self) -> Option<String> {
        lock(&self.trouble).clone()
    }

    /// Sets or clears the trouble.
    pub(super) fn set_trouble(&self, trouble: Option<String>) {
        *lock(&self.trouble) = trouble;
    }

    /// Notes a tick of the scheduler.
    pub(super) fn tick(&self) {
        self.last_tick_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    /// The time since the last tick of the scheduler.
    pub(super) fn since_tick(&self) -> Duration {
        let passed = self.now_ms() - self.last_tick_ms.load(Ordering::Relaxed);
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

    /// Changes whenever records were stored.
    pub(super) fn stored(&self) -> watch::Receiver<u64> {
        self.stored.subscribe()
    }

    /// Takes an event of the pass or reconcile that runs over `source`.
    fn harvest_event(&self, source: &str, event: &Event) {
        let mut jobs = lock(&self.jobs);
        let runs = [JobKind::Reconcile, JobKind::Harvest]
            .map(|kind| JobKey::new(kind, source))
            .into_iter()
            .find(|key| jobs.get(key).is_some_and(|job| job.progress.is_some()));
        let Some(JobStatus {
            progress: Some(progress),
            counters,
            ..
        }) = runs.and_then(|key| jobs.get_mut(&key))
        else {
            return;
        };
        match event {
            Event::Page(page) => {
                counters.pages += 1;
                counters.new += page.new;
                counters.changed += page.changed;
                counters.unchanged += page.unchanged;
                counters.deleted += page.deleted;
                counters.server_wait += page.server_wait;
                counters.own_time += page.own_time;
                progress.pages += 1;
                progress.done += page.records;
                progress.waiting = None;
            }
            Event::Waiting { pause, why } => {
                let pause_ms = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
                progress.waiting = Some(Wait {
                    until_ms: self.now_ms().saturating_add(pause_ms),
                    why: why.clone(),
                });
            }
            Event::Started { .. } | Event::Total(_) | Event::Note(_) | Event::Ended(_) => {}
        }
        drop(jobs);
        if matches!(event, Event::Page(_) | Event::Ended(End::Complete)) {
            self.stored.send_modify(|count| *count += 1);
        }
    }
}

/// Puts the events of passes into a registry, and passes on those that only the other observer reports.
pub(super) struct Observer {
    /// Gets every event.
    pub(super) registry: Arc<StatusRegistry>,
    /// Gets the events that nobody else logs.
    pub(super) next: Arc<dyn Progress>,
}

impl Progress for Observer {
    fn event(&self, source: &str, event: Event) {
        self.registry.harvest_event(source, &event);
        // Notes and waits are in the log already, and the scheduler logs incomplete runs.
        let logged = matches!(
            event,
            Event::Note(_)
                | Event::Waiting { .. }
                | Event::Ended(End::Incomplete(_) | End::Failed(_))
        );
        if !logged {
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

    #[test]
    fn passes_are_observed_and_counted() {
        let registry = Arc::new(StatusRegistry::new(
            Clock::Manual(Arc::new(1_000.into())),
            Arc::new(Config::bare("store.db")),
        ));
        let observer = Observer {
            registry: Arc::clone(&registry),
            next: Arc::new(Nobody),
        };
        let mut stored = registry.stored();
        observer.event("gone", Event::Page(Page::default()));
        assert!(registry.jobs().is_empty(), "unknown sources are left out");

        let key = JobKey::new(JobKind::Harvest, "a");
        registry.job_started(&key);
        let page = Page {
            records: 10,
            new: 7,
            deleted: 3,
            ..Page::default()
        };
        observer.event("a", Event::Page(page));
        assert!(stored.has_changed().unwrap());
        stored.mark_unchanged();
        let pause = Duration::from_secs(2);
        let why = "HTTP 503".to_owned();
        observer.event("a", Event::Waiting { pause, why });
        assert!(!stored.has_changed().unwrap());
        registry.job_stopping(&key);
        assert!(registry.any_running());
        let progress = registry.jobs()[&key].progress.clone().unwrap();
        assert_eq!(
            (progress.pages, progress.done, progress.stopping),
            (1, 10, true)
        );
        assert_eq!(progress.waiting.unwrap().until_ms, 3_000);

        registry.job_ended(&key, false, Delivered::default());
        assert!(!registry.any_running());
        let job = registry.jobs()[&key].clone();
        assert_eq!((job.counters.new, job.not_succeeded), (7, 1));
        registry.retain(|_| false);
        assert!(registry.jobs().is_empty());
    }
}
