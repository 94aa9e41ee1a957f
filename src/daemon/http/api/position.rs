//! How far a reader of the change feed is.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use crate::daemon::http::arguments::Number;
use crate::store::Version;

/// How far a reader of the change feed is.
///
/// It is written as `since`, or as `since-began`. The second form is used in a store that forgets
/// old tombstones, while a reader reads the store for the first time: `began` is the newest version
/// when it started. The reader never had the records that were deleted before, so it needs no
/// tombstones for them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// The reader has every change up to this version.
    pub(super) since: Version,
    /// The newest version when the reader started, during its first reading.
    pub(super) began: Option<Version>,
}

impl Position {
    fn parse(text: &str) -> Result<Self, String> {
        let version = |text: &str| {
            let Number(number) = Number::parse(text)?;
            i64::try_from(number)
                .map(Version)
                .map_err(|_| format!("{text} is too large for a version"))
        };
        let (since, began) = match text.split_once('-') {
            None => (text, None),
            Some((since, began)) => (since, Some(version(began)?)),
        };
        Ok(Self {
            since: version(since)?,
            began,
        })
    }

    /// The reader needs no tombstone of this version or an older one.
    pub(super) fn needs_tombstones_after(self) -> Version {
        self.began.unwrap_or_default().max(self.since)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.began {
            None => write!(f, "{}", self.since),
            Some(began) => write!(f, "{}-{began}", self.since),
        }
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_as_they_are_written() {
        for text in ["0", "17", "17-99", "9223372036854775807"] {
            assert_eq!(Position::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "-", "1-", "-1", "1-2-3", "9223372036854775808", "x"] {
            assert!(Position::parse(text).is_err(), "{text}");
        }
        let first = Position::parse("17-99").unwrap();
        assert_eq!(first.needs_tombstones_after(), Version(99));
    }
}
