//! Versions: the store's own clock, which only goes forward.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A point in the history of a store: milliseconds since 1970 in the upper bits, a counter in the
/// lowest 20, as Solr builds `_version_`. Zero is before everything.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Version(pub i64);

const COUNTER_BITS: u32 = 20;

impl Version {
    /// The version after this one, at wall-clock time `now_ms` (milliseconds since 1970).
    ///
    /// Always greater than `self`, also when the wall clock stands still or steps back; more than
    /// 2^20 versions in a millisecond run into the next one.
    pub fn next(self, now_ms: i64) -> Self {
        Self((self.0 + 1).max(now_ms.max(0) << COUNTER_BITS))
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
}
