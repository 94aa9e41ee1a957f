//! The handles that every run needs.

use std::sync::Arc;

use super::commit::CommitMode;
use super::pace::Pace;
use super::place::Place;
use super::progress::Progress;
use crate::clock::Clock;
use crate::stop::Stop;
use crate::store::Store;

/// The handles that every run needs.
#[derive(Clone)]
pub struct Context {
    /// Where records are stored.
    pub store: Arc<Store>,
    /// Our clock.
    pub clock: Clock,
    /// Tells the run to stop.
    pub stop: Stop,
    /// Receives the events of the run.
    pub progress: Arc<dyn Progress>,
    /// How often each host is asked.
    pub pace: Pace,
    /// The place of the run among those of all hosts.
    pub place: Place,
    /// On which thread pages are stored.
    pub commit_mode: CommitMode,
}
