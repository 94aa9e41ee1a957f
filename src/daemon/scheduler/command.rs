//! What a person may request of the scheduler, and its answer.

use tokio::sync::oneshot;

use crate::store::{JobKey, JobKind};

/// What a person requests.
#[derive(Debug)]
pub(in crate::daemon) enum Command {
    /// Run a job now.
    Run(JobKey),
    /// Delete the records of this source that a reconcile has held.
    ConfirmDeletions(String),
    /// Begin no run over this source until `Resume`. A run stops after its page.
    Pause(String),
    /// Begin runs over this source again.
    Resume(String),
}

impl Command {
    /// The job that it is about; for a pause, the pass.
    pub(in crate::daemon) fn key(&self) -> JobKey {
        match self {
            Self::Run(key) => key.clone(),
            Self::ConfirmDeletions(source) => JobKey::new(JobKind::Reconcile, source),
            Self::Pause(source) | Self::Resume(source) => JobKey::new(JobKind::Harvest, source),
        }
    }
}

/// A command on its way to the scheduler.
#[derive(Debug)]
pub(in crate::daemon) struct Requested {
    /// What is requested.
    pub(in crate::daemon) command: Command,
    /// Gets the answer after the next tick, when its effect can be seen.
    pub(in crate::daemon) answer: oneshot::Sender<Answer>,
}

/// The scheduler's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::daemon) enum Answer {
    /// It is done, or will be.
    Accepted,
    /// The configuration has no such source, output or export.
    Unknown,
    /// The store cannot be read or written.
    Failed(String),
}
