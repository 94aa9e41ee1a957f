//! What time it is for a served repository.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::seconds;
use crate::oai::Datestamp;

/// A repository's clock. Clones of a set clock share its time.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The system's clock.
    System,
    /// A time that stands still until it is set: seconds since 1970.
    Set(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `now`.
    pub fn at(now: Datestamp) -> Self {
        Self::Set(Arc::new(AtomicI64::new(now.unix())))
    }

    /// The time.
    pub fn now(&self) -> Datestamp {
        let unix = match self {
            Self::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, seconds),
            Self::Set(unix) => unix.load(Ordering::SeqCst),
        };
        Datestamp::from_unix(unix)
    }

    /// Puts a set clock to `now`; the system's clock is left alone.
    pub fn set(&self, now: Datestamp) {
        if let Self::Set(unix) = self {
            unix.store(now.unix(), Ordering::SeqCst);
        }
    }

    /// Moves a set clock forward; the system's clock is left alone.
    pub fn advance(&self, by: Duration) {
        self.set(self.now().plus_seconds(seconds(by)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_of_a_set_clock_share_its_time() {
        let clock = Clock::at(Datestamp::from_unix(1_000));
        let shared = clock.clone();
        clock.advance(Duration::from_secs(60));
        assert_eq!(shared.now(), Datestamp::from_unix(1_060));
        shared.set(Datestamp::from_unix(5));
        assert_eq!(clock.now().unix(), 5);
    }

    #[test]
    fn the_system_clock_is_not_set() {
        Clock::System.set(Datestamp::from_unix(0));
        assert!(Clock::System.now() > Datestamp::from_unix(1_700_000_000));
    }
}
