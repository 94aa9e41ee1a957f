//! How a run ended: a harvest, a reconcile or a push.

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Nothing is left to do: the target has everything that its origin has.
    Complete,
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
            Self::Incomplete(_) => "incomplete",
            Self::Failed(_) => "failed",
        }
    }

    /// Why the run is not complete.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Complete => None,
            Self::Incomplete(why) | Self::Failed(why) => Some(why),
        }
    }
}
