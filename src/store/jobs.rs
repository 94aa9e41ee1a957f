//! Jobs: one row for each harvest, reconcile, push and export, with its plan and how its last run ended.
//!
//! The daemon writes the plan. Whoever runs a job, the daemon or a command, writes its start and its end.
//! A process that is killed leaves a row that says `running`; readers see it as interrupted, because the
//! lock of its process is free.

use std::cell::LazyCell;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::Serialize;

use super::days;
use super::lock::{DAEMON, is_held, output_lock, source_lock};
use super::{Reader, Store, StoreError};

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Harvests a source.
    Harvest,
    /// Finds the records of a source that disappeared from its repository.
    Reconcile,
    /// Sends changes to an `[[output]]`.
    Push,
    /// Writes the file of an `[[export]]`.
    Export,
}

impl JobKind {
    /// The word for it in the store, in metrics and for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Harvest => "harvest",
            Self::Reconcile => "reconcile",
            Self::Push => "push",
            Self::Export => "export",
        }
    }

    /// The word for what it works on.
    pub fn subject(self) -> &'static str {
        match self {
            Self::Harvest | Self::Reconcile => "source",
            Self::Push => "output",
            Self::Export => "export",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Harvest, Self::Reconcile, Self::Push, Self::Export]
            .into_iter()
            .find(|kind| kind.word() == word)
    }
}

/// Which job: its kind, and the name of its source, output or export.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct JobKey {
    /// What it does.
    pub kind: JobKind,
    /// The name of the source, output or export.
    pub name: String,
}

impl JobKey {
    /// The job of this kind for this source, output or export.
    pub fn new(kind: JobKind, name: &str) -> Self {
        Self {
            kind,
            name: name.to_owned(),
        }
    }
}

impl std::fmt::Display for JobKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind.word(), self.name)
    }
}

/// What a job is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It runs.
    Running,
    /// It should run now, and something is in its way.
    Due,
    /// It runs next at a planned time.
    Waiting,
    /// Its last run failed; it runs again at a planned time.
    Retrying,
    /// A person has paused it.
    Paused,
    /// It runs only on request.
    #[default]
    OnDemand,
}

impl JobState {
    /// All states.
    pub const ALL: [Self; 6] = [
        Self::Running,
        Self::Due,
        Self::Waiting,
        Self::Retrying,
        Self::Paused,
        Self::OnDemand,
    ];

    /// The word for it in the store and in metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Due => "due",
            Self::Waiting => "waiting",
            Self::Retrying => "retrying",
            Self::Paused => "paused",
            Self::OnDemand => "on_demand",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobOutcome {
    /// It did all there was to do.
    Succeeded,
    /// Something kept it from its end.
    Failed,
    /// It was told to stop, or its process was killed.
    Interrupted,
}

impl JobOutcome {
    const ALL: [Self; 3] = [Self::Succeeded, Self::Failed, Self::Interrupted];

    /// The word for it in the store and in metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.word() == word)
    }
}

/// Which process runs a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Runner {
    /// The daemon.
    Daemon,
    /// A command such as `harvestd harvest`.
    Command,
}

impl Runner {
    fn word(self) -> &'static str {
        match self {
            Self::Daemon => "daemon",
            Self::Command => "command",
        }
    }
}

/// What is planned for a job that does not run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobPlan {
    /// What it is doing; not `Running`.
    pub state: JobState,
    /// Why it waits, for people.
    pub reason: Option<String>,
    /// When it runs next, in milliseconds since 1970 on our clock.
    pub next_at: Option<i64>,
}

/// A job as the store knows it. Times are milliseconds since 1970 on our clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Job {
    /// Which job.
    #[serde(flatten)]
    pub key: JobKey,
    /// What it is doing.
    pub state: JobState,
    /// Why it waits, for people.
    pub reason: Option<String>,
    /// When it runs next.
    #[serde(serialize_with = "crate::clock::as_rfc3339")]
    pub next_at: Option<i64>,
    /// When a person paused it.
    #[serde(serialize_with = "crate::clock::as_rfc3339")]
    pub paused_at: Option<i64>,
    /// Which process runs it, or ran it last.
    pub runner: Option<Runner>,
    /// When the newest run began.
    #[serde(serialize_with = "crate::clock::as_rfc3339")]
    pub started_at: Option<i64>,
    /// When the last run ended.
    #[serde(serialize_with = "crate::clock::as_rfc3339")]
    pub ended_at: Option<i64>,
    /// How it ended.
    pub outcome: Option<JobOutcome>,
    /// Why it did not succeed, or what a person has to know of it.
    pub message: Option<String>,
    /// Runs that failed since one succeeded.
    pub failures: u32,
    /// When the first of these ended.
    #[serde(serialize_with = "crate::clock::as_rfc3339")]
    pub failing_since: Option<i64>,
    /// Whether the last run failed because the repository refuses every request.
    pub refused: bool,
    /// How many of the last 16 runs failed.
    pub recent_failures: u32,
}

/// How well a job goes, by its last runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It has never run to an end.
    Unknown,
    /// The last run succeeded, as nearly all before it.
    Healthy,
    /// Some of the last runs failed.
    Flaky,
    /// Several runs in a row failed.
    Failing,
    /// All runs have failed for days.
    Dead,
    /// The repository answers, and refuses every request.
    Blocked,
}

impl Health {
    /// All states, the best first.
    pub const ALL: [Self; 6] = [
        Self::Unknown,
        Self::Healthy,
        Self::Flaky,
        Self::Failing,
        Self::Dead,
        Self::Blocked,
    ];

    /// The word for it in metrics, in the API and for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Flaky => "flaky",
            Self::Failing => "failing",
            Self::Dead => "dead",
            Self::Blocked => "blocked",
        }
    }

    /// The state that has this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|health| health.word() == word)
    }
}

/// From this number of failures in a row on a job is failing.
const FAILING: u32 = 3;

/// After this time without success, and [`DEAD`] failures at least, a job is dead.
const DEAD_AFTER_MS: i64 = 3 * 24 * 3600 * 1000;
const DEAD: u32 = 5;

/// With this many failures among the last 16 runs a job is flaky, although the last run succeeded.
const FLAKY: u32 = 3;

impl Job {
    /// A job that never ran and that nothing is planned for.
    pub fn unknown(key: JobKey) -> Self {
        Self {
            key,
            state: JobState::OnDemand,
            reason: None,
            next_at: None,
            paused_at: None,
            runner: None,
            started_at: None,
            ended_at: None,
            outcome: None,
            message: None,
            failures: 0,
            failing_since: None,
            refused: false,
            recent_failures: 0,
        }
    }

    /// How well it goes.
    pub fn health(&self) -> Health {
        match (self.outcome, self.failures) {
            (None, _) => Health::Unknown,
            (Some(_), 0) if self.recent_failures >= FLAKY => Health::Flaky,
            (Some(_), 0) => Health::Healthy,
            (Some(_), _) if self.refused => Health::Blocked,
            (Some(_), DEAD..) if self.failing_for_ms() >= DEAD_AFTER_MS => Health::Dead,
            (Some(_), FAILING..) => Health::Failing,
            (Some(_), _) => Health::Flaky,
        }
    }

    /// From the end of the first of the failures in a row to the end of the last one, in milliseconds.
    pub fn failing_for_ms(&self) -> i64 {
        let since = self.failing_since.zip(self.ended_at);
        since.map_or(0, |(since, ended)| ended.saturating_sub(since).max(0))
    }

    /// Whether the newest run is under way.
    pub fn is_running(&self) -> bool {
        self.state == JobState::Running
    }

    /// Whether a run other than the daemon's is under way.
    pub fn runs_elsewhere(&self) -> bool {
        self.is_running() && self.runner == Some(Runner::Command)
    }
}

/// A change of a job's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobChange {
    /// The daemon has planned it. A run that is under way stays as it is.
    Planned(JobPlan),
    /// A run begins.
    Started(Runner),
    /// The run ends.
    Ended {
        /// How.
        outcome: JobOutcome,
        /// Why it did not succeed, or what a person has to know of it.
        message: Option<String>,
    },
    /// The run that has just ended failed because the repository refuses every request.
    Refused,
    /// A person has paused it, or resumed it.
    Paused(bool),
}

pub(super) const COLUMNS: &str =
    "kind, name, state, reason, next_at, paused_at, runner, started_at, ended_at,
    outcome, message, failures, failing_since, is_refused, recent_failures";

impl Store {
    /// Stores changes of jobs in one transaction.
    pub fn change_jobs(
        &self,
        changes: &[(JobKey, JobChange)],
        now_ms: i64,
    ) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        self.write("storing the state of jobs", |transaction| {
            changes
                .iter()
                .try_for_each(|(key, change)| store_change(transaction, key, change, now_ms))
        })
    }

    /// Notes that a command begins a run, and gives whether it may: a job that another process runs already
    /// keeps its row.
    pub fn start_command(&self, key: &JobKey, now_ms: i64) -> Result<bool, StoreError> {
        if is_held(self.path(), &lock_of(key)) {
            return Ok(false);
        }
        let change = JobChange::Started(Runner::Command);
        self.change_jobs(&[(key.clone(), change)], now_ms)?;
        Ok(true)
    }

    /// Ends the runs that a daemon left when it was killed. Only for the holder of the daemon's lock.
    pub fn end_runs_of_killed_daemon(&self, now_ms: i64) -> Result<(), StoreError> {
        self.write("ending the runs of a killed daemon", |transaction| {
            transaction.execute(
                "UPDATE job SET state = 'on_demand', outcome = 'interrupted', message = ?2,
                    ended_at = max(?1, started_at)
                 WHERE state = 'running' AND runner = 'daemon'",
                params![now_ms, KILLED],
            )?;
            Ok(())
        })
    }
}

/// What is known of a run whose process was killed.
const KILLED: &str = "its process was killed";

impl Reader {
    /// All jobs that were ever planned or run, by kind and name. Runs of killed processes are shown as
    /// interrupted.
    pub fn jobs(&self) -> Result<Vec<Job>, StoreError> {
        let mut jobs: Vec<Job> = self.read("reading the jobs", |connection| {
            connection
                .prepare_cached(&format!("SELECT {COLUMNS} FROM job ORDER BY kind, name"))?
                .query_map([], from_row)?
                .collect()
        })?;
        self.correct_all(&mut jobs);
        Ok(jobs)
    }

    /// Shows runs as interrupted if their processes are gone.
    fn correct_all(&self, jobs: &mut [Job]) {
        let daemon_runs = LazyCell::new(|| is_held(&self.path, DAEMON));
        for job in jobs.iter_mut().filter(|job| job.is_running()) {
            correct(
                job,
                match job.runner {
                    Some(Runner::Command) => is_held(&self.path, &lock_of(&job.key)),
                    Some(Runner::Daemon) | None => *daemon_runs,
                },
            );
        }
    }

    /// The names of the sources that are being harvested now.
    pub(super) fn running_harvests(&self) -> Result<Vec<String>, StoreError> {
        let mut jobs: Vec<Job> = self.read("reading the running harvests", |connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM job WHERE kind = 'harvest' AND state = 'running'"
                ))?
                .query_map([], from_row)?
                .collect()
        })?;
        self.correct_all(&mut jobs);
        jobs.retain(Job::is_running);
        Ok(jobs.into_iter().map(|job| job.key.name).collect())
    }

    /// One job; `None` if it was never planned or run.
    pub fn job(&self, key: &JobKey) -> Result<Option<Job>, StoreError> {
        let mut job = self.read("reading a job", |connection| by_key(connection, key))?;
        if let Some(job) = job.as_mut().filter(|job| job.is_running()) {
            self.correct(job);
        }
        Ok(job)
    }

    /// Shows a run as interrupted if its process is gone.
    pub(super) fn correct(&self, job: &mut Job) {
        let lock = match job.runner {
            Some(Runner::Command) => lock_of(&job.key),
            Some(Runner::Daemon) | None => DAEMON.to_owned(),
        };
        correct(job, is_held(&self.path, &lock));
    }
}

/// Shows a run as interrupted if its process is gone.
fn correct(job: &mut Job, is_held: bool) {
    if !is_held {
        job.state = JobState::OnDemand;
        job.outcome = Some(JobOutcome::Interrupted);
        job.message = Some(KILLED.to_owned());
        job.ended_at = job.started_at.max(job.ended_at);
    }
}

/// The lock that a run holds.
fn lock_of(key: &JobKey) -> String {
    match key.kind {
        JobKind::Harvest | JobKind::Reconcile => source_lock(&key.name),
        JobKind::Push => output_lock(&key.name),
        JobKind::Export => DAEMON.to_owned(),
    }
}

pub(super) fn by_key(connection: &Connection, key: &JobKey) -> rusqlite::Result<Option<Job>> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM job WHERE kind = ?1 AND name = ?2"
        ))?
        .query_row([key.kind.word(), &key.name], from_row)
        .optional()
}

fn store_change(
    transaction: &Transaction<'_>,
    key: &JobKey,
    change: &JobChange,
    now_ms: i64,
) -> rusqlite::Result<()> {
    let (kind, name) = (key.kind.word(), &key.name);
    transaction
        .prepare_cached("INSERT OR IGNORE INTO job (kind, name) VALUES (?1, ?2)")?
        .execute([kind, name])?;
    match change {
        JobChange::Planned(plan) => transaction
            .prepare_cached(
                "UPDATE job SET state = ?3, reason = ?4, next_at = ?5
                 WHERE kind = ?1 AND name = ?2 AND state <> 'running'",
            )?
            .execute(params![
                kind,
                name,
                plan.state.word(),
                plan.reason,
                plan.next_at
            ])?,
        JobChange::Started(runner) => transaction
            .prepare_cached(
                "UPDATE job SET state = 'running', reason = NULL, next_at = NULL, runner = ?3,
                    started_at = ?4
                 WHERE kind = ?1 AND name = ?2",
            )?
            .execute(params![kind, name, runner.word(), now_ms])?,
        JobChange::Ended { outcome, message } => {
            days::add_run(transaction, key, *outcome, message.is_some(), now_ms)?;
            transaction
                .prepare_cached(
                    "UPDATE job SET state = 'on_demand', reason = NULL, next_at = NULL,
                        ended_at = ?3, outcome = ?4, message = ?5,
                        failures = CASE ?4 WHEN 'succeeded' THEN 0 WHEN 'failed' THEN failures + 1
                            ELSE failures END,
                        failing_since = CASE ?4 WHEN 'succeeded' THEN NULL
                            WHEN 'failed' THEN coalesce(failing_since, ?3)
                            ELSE failing_since END,
                        is_refused = CASE ?4 WHEN 'interrupted' THEN is_refused ELSE 0 END,
                        recent_failures = CASE ?4 WHEN 'interrupted' THEN recent_failures
                            ELSE ((recent_failures << 1) | (?4 = 'failed')) & 65535 END
                     WHERE kind = ?1 AND name = ?2",
                )?
                .execute(params![kind, name, now_ms, outcome.word(), message])?
        }
        JobChange::Refused => transaction
            .prepare_cached("UPDATE job SET is_refused = 1 WHERE kind = ?1 AND name = ?2")?
            .execute([kind, name])?,
        JobChange::Paused(paused) => transaction
            .prepare_cached(
                "UPDATE job SET paused_at = CASE WHEN ?3 THEN coalesce(paused_at, ?4) END
                 WHERE kind = ?1 AND name = ?2",
            )?
            .execute(params![kind, name, paused, now_ms])?,
    };
    Ok(())
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Job> {
    let unknown = |column: usize, word: String| {
        let error = format!("{word:?} is no such word of this version");
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error.into())
    };
    let kind: String = row.get(0)?;
    let state: String = row.get(2)?;
    let runner: Option<String> = row.get(6)?;
    let outcome: Option<String> = row.get(9)?;
    Ok(Job {
        key: JobKey {
            kind: JobKind::parse(&kind).ok_or_else(|| unknown(0, kind))?,
            name: row.get(1)?,
        },
        state: JobState::parse(&state).ok_or_else(|| unknown(2, state))?,
        reason: row.get(3)?,
        next_at: row.get(4)?,
        paused_at: row.get(5)?,
        runner: runner.map(|word| match word == Runner::Daemon.word() {
            true => Runner::Daemon,
            false => Runner::Command,
        }),
        started_at: row.get(7)?,
        ended_at: row.get(8)?,
        outcome: match outcome {
            None => None,
            Some(word) => Some(JobOutcome::parse(&word).ok_or_else(|| unknown(9, word))?),
        },
        message: row.get(10)?,
        failures: row.get(11)?,
        failing_since: row.get(12)?,
        refused: row.get(13)?,
        recent_failures: row.get::<_, u32>(14)?.count_ones(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(store: &Store, key: &JobKey, change: JobChange, now_ms: i64) {
        store.change_jobs(&[(key.clone(), change)], now_ms).unwrap();
    }

    fn ended(outcome: JobOutcome, message: Option<&str>) -> JobChange {
        JobChange::Ended {
            outcome,
            message: message.map(str::to_owned),
        }
    }

    #[test]
    fn a_job_keeps_its_plan_its_last_end_and_its_pause() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).unwrap();
        let _daemon = store.lock_daemon().unwrap();
        let reader = store.reader().unwrap();
        let key = JobKey::new(JobKind::Push, "vufind");
        let job = || reader.job(&key).unwrap().unwrap();
        assert_eq!(reader.job(&key).unwrap(), None);

        let plan = JobPlan {
            state: JobState::Waiting,
            reason: Some("by its schedule".to_owned()),
            next_at: Some(9),
        };
        change(&store, &key, JobChange::Planned(plan.clone()), 1);
        assert_eq!((job().state, job().next_at), (JobState::Waiting, Some(9)));
        change(&store, &key, JobChange::Started(Runner::Daemon), 2);
        change(&store, &key, JobChange::Planned(plan), 3);
        assert!(job().is_running(), "a plan does not end a run");
        assert_eq!((job().started_at, job().ended_at), (Some(2), None));
        change(&store, &key, ended(JobOutcome::Failed, Some("down")), 4);
        change(&store, &key, JobChange::Started(Runner::Daemon), 5);
        change(&store, &key, ended(JobOutcome::Failed, Some("down")), 6);
        assert_eq!((job().failures, job().ended_at), (2, Some(6)));
        assert_eq!(job().failing_since, Some(4));
        change(&store, &key, ended(JobOutcome::Interrupted, None), 7);
        assert_eq!((job().failures, job().message), (2, None));
        change(&store, &key, ended(JobOutcome::Succeeded, None), 8);
        assert_eq!((job().failures, job().failing_since), (0, None));
        for (paused, at, expected) in [(true, 9, Some(9)), (true, 10, Some(9)), (false, 11, None)] {
            change(&store, &key, JobChange::Paused(paused), at);
            assert_eq!(job().paused_at, expected);
        }
        assert_eq!(reader.jobs().unwrap(), [job()]);
    }

    #[test]
    fn health_follows_the_last_runs() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).unwrap();
        let _daemon = store.lock_daemon().unwrap();
        let reader = store.reader().unwrap();
        let key = JobKey::new(JobKind::Harvest, "a");
        let hour = 3600 * 1000;
        let mut at = 0;
        let mut health = |change_by: JobChange, hours: i64| {
            at += hours * hour;
            change(&store, &key, change_by, at);
            reader.job(&key).unwrap().unwrap().health()
        };
        let failed = || ended(JobOutcome::Failed, Some("down"));
        let succeeded = || ended(JobOutcome::Succeeded, None);
        assert_eq!(
            health(JobChange::Started(Runner::Daemon), 1),
            Health::Unknown
        );
        assert_eq!(health(succeeded(), 1), Health::Healthy);
        assert_eq!(health(failed(), 1), Health::Flaky);
        assert_eq!(
            health(ended(JobOutcome::Interrupted, None), 1),
            Health::Flaky
        );
        assert_eq!(health(failed(), 1), Health::Flaky);
        assert_eq!(health(failed(), 1), Health::Failing);
        assert_eq!(health(failed(), 60), Health::Failing);
        assert_eq!(health(failed(), 60), Health::Dead);
        assert_eq!(health(JobChange::Refused, 0), Health::Blocked);
        assert_eq!(health(failed(), 60), Health::Dead);
        assert_eq!(health(succeeded(), 1), Health::Flaky, "it comes back");
        for _ in 0..12 {
            health(succeeded(), 1);
        }
        assert_eq!(health(succeeded(), 1), Health::Healthy);
    }

    #[test]
    fn runs_of_killed_processes_are_seen_as_interrupted() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).unwrap();
        let reader = store.reader().unwrap();
        let pass = JobKey::new(JobKind::Harvest, "a");
        let export = JobKey::new(JobKind::Export, "a");
        let is_running = |key| reader.job(key).unwrap().unwrap().is_running();

        let source = store.lock_source("a").unwrap();
        let daemon = store.lock_daemon().unwrap();
        change(&store, &pass, JobChange::Started(Runner::Command), 1);
        change(&store, &export, JobChange::Started(Runner::Daemon), 1);
        assert!(is_running(&pass) && is_running(&export));
        drop(source);
        assert!(!is_running(&pass) && is_running(&export));
        drop(daemon);
        assert!(!is_running(&export));
        let job = reader.job(&pass).unwrap().unwrap();
        assert_eq!(job.outcome, Some(JobOutcome::Interrupted));

        let _daemon = store.lock_daemon().unwrap();
        store.end_runs_of_killed_daemon(5).unwrap();
        let job = reader.job(&export).unwrap().unwrap();
        assert_eq!(
            (job.outcome, job.ended_at, job.state),
            (Some(JobOutcome::Interrupted), Some(5), JobState::OnDemand)
        );
    }
}
