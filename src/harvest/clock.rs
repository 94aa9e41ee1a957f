//! Our own clock, which only dates versions and pauses, and how a run is told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use crate::oai::Datestamp;

/// Wall-clock time: the system's, or one that a simulation sets.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The system's.
    #[default]
    System,
    /// Milliseconds since 1970, set by whoever holds the other end.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// Now, as an instant.
    pub(super) fn now(&self) -> Datestamp {
        Datestamp::from_unix(self.now_ms().div_euclid(1_000))
    }

    /// Now, in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        match self {
            // A clock before 1970 is as good as one that stands at 1970.
            Self::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| {
                    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
                }),
            Self::Manual(now_ms) => now_ms.load(Ordering::Relaxed),
        }
    }
}

/// Tells runs to stop after the page at hand.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

/// The other end of a [`Stop`].
#[derive(Debug)]
pub struct StopSwitch(watch::Sender<bool>);

/// A switch and what it stops.
pub fn stop_switch() -> (StopSwitch, Stop) {
    let (sender, receiver) = watch::channel(false);
    (StopSwitch(sender), Stop(receiver))
}

impl StopSwitch {
    /// Asks every run to stop.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Whether to stop now.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is time to stop; for ever if nobody can ask for it any more.
    pub async fn requested(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
