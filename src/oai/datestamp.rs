//! Datestamps: instants in UTC, read leniently and written in the granularity of a repository.

use std::fmt;

use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// The precision of a repository's datestamps.
///
/// Source: OAI-PMH 2.0, 3.3.1 and the `granularity` of Identify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Granularity {
    /// `YYYY-MM-DD`.
    Day,
    /// `YYYY-MM-DDThh:mm:ssZ`.
    Second,
}

/// An instant in UTC, to the second, on the clock that wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Datestamp(i64);

impl Datestamp {
    /// The instant `seconds` after 1970-01-01T00:00:00Z.
    ///
    /// Values outside the years 0000 to 9999 are clamped, since no repository can write them.
    pub fn from_unix(seconds: i64) -> Self {
        const YEAR_0: i64 = -62_167_219_200;
        const YEAR_9999_END: i64 = 253_402_300_799;
        Self(seconds.clamp(YEAR_0, YEAR_9999_END))
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    pub fn unix(self) -> i64 {
        self.0
    }

    /// Reads a datestamp leniently; `None` if it is no instant, such as February 30.
    ///
    /// Accepts white space around it, fractions of a second (dropped), offsets (`+01:00`, `+0100`),
    /// a lower-case `t` or `z`, a space for the `T`, a missing zone (UTC), and a zone name in
    /// brackets at the end.
    pub fn parse(text: &str) -> Option<(Self, Granularity)> {
        if let Some(datestamp) = Self::canonical(text) {
            return Some((datestamp, Granularity::Second));
        }
        let text = text.trim();
        let text = text.split_once('[').map_or(text, |(instant, _)| instant);
        if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            return Self::in_span(day.and_hms_opt(0, 0, 0)?.and_utc(), Granularity::Day);
        }
        let text = text.replacen(['t', ' '], "T", 1);
        if let Some(utc) = text.strip_suffix(['Z', 'z']) {
            return Self::in_span(naive(utc)?.and_utc(), Granularity::Second);
        }
        for format in ["%Y-%m-%dT%H:%M:%S%.f%:z", "%Y-%m-%dT%H:%M:%S%.f%z"] {
            if let Ok(instant) = DateTime::parse_from_str(&text, format) {
                return Self::in_span(instant.to_utc(), Granularity::Second);
            }
        }
        Self::in_span(naive(&text)?.and_utc(), Granularity::Second)
    }

    /// Reads only `YYYY-MM-DDThh:mm:ssZ`, the form that [`Self::render`] writes for
    /// [`Granularity::Second`]. This is the fast path: nearly all datestamps have this form.
    pub fn canonical(text: &str) -> Option<Self> {
        let bytes: &[u8; 20] = text.as_bytes().try_into().ok()?;
        let number = |range: std::ops::Range<usize>| {
            bytes[range].iter().try_fold(0_u32, |sum, byte| {
                byte.is_ascii_digit()
                    .then(|| sum * 10 + u32::from(byte - b'0'))
            })
        };
        let marks = [
            (4, b'-'),
            (7, b'-'),
            (10, b'T'),
            (13, b':'),
            (16, b':'),
            (19, b'Z'),
        ];
        if marks.iter().any(|(at, mark)| bytes[*at] != *mark) {
            return None;
        }
        let year = i32::try_from(number(0..4)?).ok()?;
        let day = NaiveDate::from_ymd_opt(year, number(5..7)?, number(8..10)?)?;
        let time = day.and_hms_opt(number(11..13)?, number(14..16)?, number(17..19)?)?;
        Some(Self(time.and_utc().timestamp()))
    }

    fn in_span(instant: DateTime<Utc>, granularity: Granularity) -> Option<(Self, Granularity)> {
        let seconds = instant.timestamp();
        (Self::from_unix(seconds).0 == seconds).then_some((Self(seconds), granularity))
    }

    /// The text of this datestamp in a granularity.
    pub fn render(self, granularity: Granularity) -> String {
        match granularity {
            Granularity::Day => self.instant().format("%Y-%m-%d").to_string(),
            Granularity::Second => self.instant().to_rfc3339_opts(SecondsFormat::Secs, true),
        }
    }

    /// The first second of this day.
    pub fn day_start(self) -> Self {
        Self(self.0 - self.0.rem_euclid(86_400))
    }

    /// The last second of this day.
    pub fn day_end(self) -> Self {
        Self(self.day_start().0 + 86_399)
    }

    /// This instant moved by whole seconds, clamped as in [`Datestamp::from_unix`].
    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self::from_unix(self.0.saturating_add(seconds))
    }

    fn instant(self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(self.0)
    }
}

fn naive(text: &str) -> Option<NaiveDateTime> {
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
}

impl fmt::Display for Datestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Granularity::Second))
    }
}

impl Serialize for Datestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Datestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .map(|(datestamp, _)| datestamp)
            .ok_or_else(|| {
                serde::de::Error::custom(format!(
                    "{text:?} is not a date (YYYY-MM-DD) or an instant (YYYY-MM-DDThh:mm:ssZ)"
                ))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_repositories_write() {
        let cases = [
            ("day", "2017-04-06", Some("2017-04-06T00:00:00Z")),
            (
                "second",
                "2017-04-06T18:22:55Z",
                Some("2017-04-06T18:22:55Z"),
            ),
            (
                "fraction",
                "2017-04-06T18:22:55.123Z",
                Some("2017-04-06T18:22:55Z"),
            ),
            (
                "offset with colon",
                "2018-06-11T18:13:09+01:00",
                Some("2018-06-11T17:13:09Z"),
            ),
            (
                "offset without colon",
                "2018-06-11T18:13:09+0100",
                Some("2018-06-11T17:13:09Z"),
            ),
            (
                "zone in brackets",
                "2021-02-25T13:31:36.769223Z[UTC]",
                Some("2021-02-25T13:31:36Z"),
            ),
            (
                "no zone",
                "2021-02-25T13:31:36",
                Some("2021-02-25T13:31:36Z"),
            ),
            (
                "minutes only",
                "2021-02-25T13:31Z",
                Some("2021-02-25T13:31:00Z"),
            ),
            (
                "blank for T",
                "2021-02-25 13:31:36",
                Some("2021-02-25T13:31:36Z"),
            ),
            ("padded", "\n 2021-02-25\t", Some("2021-02-25T00:00:00Z")),
            ("leap day", "2024-02-29", Some("2024-02-29T00:00:00Z")),
            ("no such day", "2023-02-29", None),
            ("empty", "", None),
            ("words", "yesterday", None),
            ("blanks within", "2022-06-02T15: 17: 27Z", None),
            ("year only", "2022", None),
        ];
        for (case, text, expected) in cases {
            let read = Datestamp::parse(text).map(|(datestamp, _)| datestamp.to_string());
            assert_eq!(read.as_deref(), expected, "{case}");
        }
    }

    #[test]
    fn the_usual_form_is_its_own_rendering() {
        for text in [
            "2017-04-06T18:22:55Z",
            "0000-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
        ] {
            assert_eq!(Datestamp::canonical(text).unwrap().to_string(), text);
        }
        for text in [
            "2017-04-06t18:22:55Z",
            "2017-04-06",
            "2017-13-06T18:22:55Z",
            "+017-04-06T18:22:55Z",
        ] {
            assert_eq!(Datestamp::canonical(text), None, "{text}");
        }
    }

    #[test]
    fn renders_by_granularity() {
        let (datestamp, granularity) = Datestamp::parse("2017-04-06T18:22:55Z").unwrap();
        assert_eq!(granularity, Granularity::Second);
        assert_eq!(datestamp.render(Granularity::Day), "2017-04-06");
        assert_eq!(datestamp.day_end().to_string(), "2017-04-06T23:59:59Z");
        assert_eq!(datestamp.day_start().to_string(), "2017-04-06T00:00:00Z");
    }

    #[test]
    fn extreme_values_stay_writable() {
        assert_eq!(
            Datestamp::from_unix(i64::MAX).to_string(),
            "9999-12-31T23:59:59Z"
        );
        assert_eq!(
            Datestamp::from_unix(i64::MIN).to_string(),
            "0000-01-01T00:00:00Z"
        );
    }
}
