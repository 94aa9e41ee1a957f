//! How a run ended: a harvest, a reconcile or a push.

use crate::store::{JobChange, JobOutcome};

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Nothing is left to do: the target has everything that its origin has.
    Complete,
    /// The target has everything that can be read now. Its origin has spans that cannot; these are they.
    /// They are tried again by themselves.
    GapsLeft(String),
    /// Something is left, for a reason that may pass. Progress is kept and the next run resumes.
    Incomplete(String),
    /// Something is left, and the reason does not pass by itself.
    Failed(String),
}

impl End {
    /// The word for it in summaries, for people and programs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::GapsLeft(_) | Self::Incomplete(_) => "incomplete",
            Self::Failed(_) => "failed",
        }
    }

    /// The change of a job's row after this end. `stopped` says that the run was told to stop.
    pub fn job_change(&self, stopped: bool) -> JobChange {
        let (outcome, message) = self.outcome(stopped);
        JobChange::Ended { outcome, message }
    }

    /// The outcome for a job's row, and why it did not succeed.
    pub fn outcome(&self, stopped: bool) -> (JobOutcome, Option<String>) {
        match self {
            Self::Complete => (JobOutcome::Succeeded, None),
            // The next run is due by the schedule. Each gap has its own pauses.
            Self::GapsLeft(gaps) => (JobOutcome::Succeeded, Some(gaps.clone())),
            Self::Incomplete(_) | Self::Failed(_) if stopped => (JobOutcome::Interrupted, None),
            Self::Incomplete(why) | Self::Failed(why) => (JobOutcome::Failed, Some(why.clone())),
        }
    }

    /// Why the run is not complete.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Complete => None,
            Self::GapsLeft(why) | Self::Incomplete(why) | Self::Failed(why) => Some(why),
        }
    }
}
