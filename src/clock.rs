//! Our own clock: it dates versions and pauses, never what a repository says.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Wall-clock time: the system's, or one that a simulation sets.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The system's clock.
    #[default]
    System,
    /// Milliseconds since 1970, set by another holder of the number.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// Whole seconds since 1970.
    pub fn now_seconds(&self) -> i64 {
        self.now_ms().div_euclid(1_000)
    }

    /// Milliseconds since 1970.
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
