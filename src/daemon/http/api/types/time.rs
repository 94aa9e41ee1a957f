//! Times as the API writes them.

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::clock::as_rfc3339;

/// A time on the daemon's clock: RFC 3339, in UTC, with milliseconds.
#[derive(Debug, Clone, Copy, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-06-01T12:00:00.000Z")]
pub(in crate::daemon::http) struct Timestamp(i64);

impl Timestamp {
    /// The time of so many milliseconds since 1970.
    pub(super) fn from_ms(unix_ms: i64) -> Self {
        Self(unix_ms)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        as_rfc3339(&self.0, serializer)
    }
}

/// A day in UTC on the daemon's clock: `YYYY-MM-DD`.
#[derive(Debug, Clone, Copy, ToSchema)]
#[schema(value_type = String, format = Date, example = "2026-06-01")]
pub(in crate::daemon::http) struct Date(DateTime<Utc>);

impl Date {
    /// The day of so many milliseconds since 1970. Days beyond the year 262000 are cut to it.
    pub(super) fn from_ms(unix_ms: i64) -> Self {
        Self(DateTime::from_timestamp_millis(unix_ms).unwrap_or(DateTime::<Utc>::MAX_UTC))
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.format("%Y-%m-%d"))
    }
}

/// A datestamp of the repository, on the repository's clock, in UTC.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, example = "2026-06-01T12:00:00Z")]
pub(in crate::daemon::http) struct Datestamp(pub(super) crate::oai::Datestamp);

/// A version of the store: a number of 64 bits that grows with every change.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = u64, example = 1_849_320_778_264_215_552_u64)]
pub(in crate::daemon::http) struct Version(pub(super) crate::store::Version);

impl From<crate::store::Version> for Version {
    fn from(version: crate::store::Version) -> Self {
        Self(version)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_written_as_rfc_3339() {
        let noon = 1_780_315_200_007;
        let cases = [
            (
                json!(Timestamp::from_ms(noon)),
                json!("2026-06-01T12:00:00.007Z"),
            ),
            (json!(Date::from_ms(noon)), json!("2026-06-01")),
            (json!(Version(crate::store::Version(7))), json!(7)),
        ];
        for (written, expected) in cases {
            assert_eq!(written, expected);
        }
    }
}
