//! What someone may want of a source, how it reaches the conductor, and what comes back.

use tokio::sync::oneshot;

/// What someone wants of one source.
#[derive(Debug)]
pub(super) enum Wish {
    /// A pass now.
    Run,
    /// No passes until `Resume`; one that runs stops after the page at hand.
    Pause,
    /// Passes again.
    Resume,
    /// Look for records that vanished, now.
    Reconcile,
    /// Bury the records that wait for a person to confirm it, now.
    ConfirmDeletions,
}

/// A wish, its source, and where the answer goes.
#[derive(Debug)]
pub(super) struct Command {
    /// The source's name.
    pub(super) source: String,
    /// What is wanted.
    pub(super) wish: Wish,
    /// What came of it.
    pub(super) answer: oneshot::Sender<Answer>,
}

/// What came of a wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// It will be done, or is done already.
    Accepted,
    /// No such source is configured.
    UnknownSource,
    /// The store could not remember it.
    Failed(String),
}
