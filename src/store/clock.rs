//! Versions, the store's own clock that only goes forward; and the rest of a pause on the wall clock,
//! which can be set back.

use std::fmt;
use std::time::Duration;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::open::Cached;

/// A point in the history of a store: milliseconds since 1970 in the upper bits, a counter in the
/// lowest 20, as Solr builds `_version_`. Zero is before everything.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Version(pub i64);

const COUNTER_BITS: u32 = 20;

/// The rest of a pause until `until_ms` at `now_ms`, both in milliseconds since 1970; `None` if it is
/// over.
///
/// A pause with more left than `longest` began before the wall clock was set back, so it counts as over.
pub fn pause_left(until_ms: i64, longest: Duration, now_ms: i64) -> Option<Duration> {
    let left = u64::try_from(until_ms.saturating_sub(now_ms)).ok()?;
    let left = Duration::from_millis(left);
    (!left.is_zero() && left <= longest).then_some(left)
}

impl Version {
    /// The version after this one, at wall-clock time `now_ms` (milliseconds since 1970).
    ///
    /// Always greater than `self`, also when the wall clock stands still or steps back; more than
    /// 2^20 versions in a millisecond run into the next one.
    pub fn next(self, now_ms: i64) -> Self {
        Self((self.0 + 1).max(now_ms.max(0) << COUNTER_BITS))
    }

    /// The last version that the store has given out.
    pub(super) fn last(connection: &Connection) -> rusqlite::Result<Self> {
        let sql = "SELECT value FROM meta WHERE key = 'newest_version'";
        connection.one(sql, [], |row| row.get(0).map(Self))
    }

    /// Stores this version as the last one that was given out.
    pub(super) fn keep_as_last(self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "UPDATE meta SET value = ?1 WHERE key = 'newest_version'";
        connection.run(sql, [self.0])?;
        Ok(())
    }

    /// When this version was made by the store's clock, in milliseconds since 1970.
    pub fn unix_ms(self) -> i64 {
        self.0 >> COUNTER_BITS
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_only_grow() {
        let seed = Version(1_849_320_778_264_215_552);
        assert_eq!(seed.unix_ms(), 1_763_649_729_027);
        let cases = [
            (
                "clock goes on",
                1_763_649_729_028,
                Version(1_763_649_729_028 << 20),
            ),
            ("clock stands still", 1_763_649_729_027, Version(seed.0 + 1)),
            ("clock steps back", 5, Version(seed.0 + 1)),
            ("clock before 1970", -5, Version(seed.0 + 1)),
        ];
        for (case, now_ms, expected) in cases {
            assert_eq!(seed.next(now_ms), expected, "{case}");
        }
    }

    #[test]
    fn a_pause_is_over_after_the_clock_was_set_back() {
        let longest = Duration::from_secs(900);
        let now_ms = 1_000_000_000;
        let cases = [
            (now_ms - 1, None),
            (now_ms, None),
            (now_ms + 1, Some(Duration::from_millis(1))),
            (now_ms + 900_000, Some(longest)),
            (now_ms + 900_001, None),
            (i64::MAX, None),
        ];
        for (until_ms, expected) in cases {
            let left = pause_left(until_ms, longest, now_ms);
            assert_eq!(left, expected, "{until_ms}");
        }
    }
}
