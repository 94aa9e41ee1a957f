//! How did a run end, be it a harvest, a reconcile or a push?

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// There is nothing left to do: the store has everything that the repository shows, or the index
    /// everything that the store has.
    Complete,
    /// Not everything, for a reason that may pass; what was done stays, and the next run goes on.
    Incomplete(String),
    /// Not everything, and it will not pass by itself.
    Broken(String),
}

impl End {
    /// The word for it in summaries, for people and programs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Incomplete(_) => "incomplete",
            Self::Broken(_) => "failed",
        }
    }

    /// What kept it from being complete.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Complete => None,
            Self::Incomplete(why) | Self::Broken(why) => Some(why),
        }
    }
}
