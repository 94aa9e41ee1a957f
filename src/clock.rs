//! Our own clock: it dates versions and pauses, never what a repository says.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};

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

/// A time in milliseconds since 1970 as programs read it: RFC 3339, in UTC, with milliseconds, such as
/// `2026-06-01T12:00:00.000Z`. Times beyond the year 262000 are cut to it.
pub(crate) fn rfc3339(unix_ms: i64) -> String {
    let time = DateTime::from_timestamp_millis(unix_ms).unwrap_or(DateTime::<Utc>::MAX_UTC);
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Serializes an `i64` or `Option<i64>` of milliseconds since 1970 as [`rfc3339`] does.
pub(crate) fn as_rfc3339<S: Serializer>(
    unix_ms: &(impl Copy + Into<Option<i64>>),
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let unix_ms: Option<i64> = (*unix_ms).into();
    unix_ms.map(rfc3339).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_rfc_3339() {
        let cases = [
            (1_780_315_200_007, "2026-06-01T12:00:00.007Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ];
        for (unix_ms, expected) in cases {
            assert_eq!(rfc3339(unix_ms), expected);
        }
        assert!(rfc3339(i64::MAX).starts_with("+262142-12-31"));
    }
}
