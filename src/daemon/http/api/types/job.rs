//! Jobs: what the daemon does for a source, output or export, and how the last run ended.

use serde::Serialize;
use utoipa::ToSchema;

use super::time::Timestamp;
use crate::daemon::overview::JobView;
use crate::daemon::status::{JobProgress, Wait};
use crate::store;

/// What a job is doing.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::daemon::http) enum JobState {
    /// It runs.
    Running,
    /// It should run now, but something is in its way.
    Due,
    /// It runs next at a planned time.
    Waiting,
    /// Its last run failed; it runs again at a planned time.
    Retrying,
    /// A person paused it.
    Paused,
    /// It runs only on request.
    OnDemand,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::daemon::http) enum JobOutcome {
    /// It did everything that there was to do.
    Succeeded,
    /// Something prevented it.
    Failed,
    /// It was told to stop, or its process was killed.
    Interrupted,
}

/// The process that runs a job.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::daemon::http) enum Runner {
    /// The daemon.
    Daemon,
    /// A command such as `harvestd harvest`.
    Command,
}

/// A pass, reconcile, push or export: its plan and its last run.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::daemon::http) struct Job {
    state: JobState,
    /// Why it waits, for people.
    reason: Option<String>,
    /// When it runs next.
    next_at: Option<Timestamp>,
    /// When a person paused it.
    paused_at: Option<Timestamp>,
    /// The process of the newest run.
    runner: Option<Runner>,
    /// When the newest run started.
    started_at: Option<Timestamp>,
    /// When the last run ended.
    ended_at: Option<Timestamp>,
    /// How the last run ended.
    outcome: Option<JobOutcome>,
    /// Why the last run did not succeed, or what a person has to know of it.
    message: Option<String>,
    /// Failed runs since the last one that succeeded.
    failures: u32,
    /// How far the run is; null if the daemon does not run it now.
    progress: Option<Progress>,
}

/// How far a run is.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::daemon::http) struct Progress {
    /// Pages stored; 0 for pushes and exports.
    pages: u64,
    /// Records read, or changes sent or written.
    done: u64,
    /// Changes to send or write, as far as known; 0 for passes and reconciles.
    total: u64,
    /// The pause that the run makes now.
    waiting: Option<Pause>,
    /// Whether the run stops soon, because it was told to.
    stopping: bool,
}

/// A pause between two requests.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::daemon::http) struct Pause {
    /// When it ends.
    until: Timestamp,
    /// The reason, for people.
    reason: String,
}

impl From<JobView> for Job {
    fn from(view: JobView) -> Self {
        let job = view.job;
        let time = |at: Option<i64>| at.map(Timestamp::from_ms);
        Self {
            state: match job.state {
                store::JobState::Running => JobState::Running,
                store::JobState::Due => JobState::Due,
                store::JobState::Waiting => JobState::Waiting,
                store::JobState::Retrying => JobState::Retrying,
                store::JobState::Paused => JobState::Paused,
                store::JobState::OnDemand => JobState::OnDemand,
            },
            reason: job.reason,
            next_at: time(job.next_at),
            paused_at: time(job.paused_at),
            runner: job.runner.map(|runner| match runner {
                store::Runner::Daemon => Runner::Daemon,
                store::Runner::Command => Runner::Command,
            }),
            started_at: time(job.started_at),
            ended_at: time(job.ended_at),
            outcome: job.outcome.map(|outcome| match outcome {
                store::JobOutcome::Succeeded => JobOutcome::Succeeded,
                store::JobOutcome::Failed => JobOutcome::Failed,
                store::JobOutcome::Interrupted => JobOutcome::Interrupted,
            }),
            message: job.message,
            failures: job.failures,
            progress: view.progress.map(Progress::from),
        }
    }
}

impl From<JobProgress> for Progress {
    fn from(progress: JobProgress) -> Self {
        Self {
            pages: progress.pages,
            done: progress.done,
            total: progress.total,
            waiting: progress.waiting.map(Pause::from),
            stopping: progress.stopping,
        }
    }
}

impl From<Wait> for Pause {
    fn from(wait: Wait) -> Self {
        Self {
            until: Timestamp::from_ms(wait.until_ms),
            reason: wait.why,
        }
    }
}
