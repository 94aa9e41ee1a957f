//! The clock of a scripted repository.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use harvestd::oai::Datestamp;

/// A clock that stands still until it is set. Clones share its time.
#[derive(Debug, Clone)]
pub struct Clock(Arc<AtomicI64>);

impl Clock {
    /// A clock that stands at `now`.
    pub fn at(now: Datestamp) -> Self {
        Self(Arc::new(AtomicI64::new(now.unix())))
    }

    /// The time.
    pub fn now(&self) -> Datestamp {
        Datestamp::from_unix(self.0.load(Ordering::SeqCst))
    }

    /// Sets the clock to `now`.
    pub fn set(&self, now: Datestamp) {
        self.0.store(now.unix(), Ordering::SeqCst);
    }

    /// Moves the clock forward by whole seconds.
    pub fn advance(&self, by: Duration) {
        self.0
            .fetch_add(by.as_secs().cast_signed(), Ordering::SeqCst);
    }
}
