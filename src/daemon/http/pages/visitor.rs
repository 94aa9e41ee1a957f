//! Who looks at a page and when: the time and zone in which times are shown, and whether they may send
//! commands.

use axum::http::HeaderMap;
use chrono::{DateTime, SecondsFormat, TimeZone as _};
use chrono_tz::Tz;
use maud::{Markup, html};

use super::words;
use crate::daemon::http::{Context, session};

/// The present time, and the zone in which times are shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) now_ms: i64,
    pub(super) zone: Tz,
}

impl Times {
    /// `2026-06-10 14:00 CEST`.
    pub(super) fn text(self, unix_ms: i64) -> String {
        match self.zone.timestamp_millis_opt(unix_ms).single() {
            Some(at) => at.format("%Y-%m-%d %H:%M %Z").to_string(),
            None => "an impossible time".to_owned(),
        }
    }

    /// A time in the past, as its age: `3 h ago`. The time itself is in the title.
    pub(super) fn ago(self, unix_ms: i64) -> Markup {
        let age = words::span((self.now_ms - unix_ms) / 1000);
        self.element(unix_ms, &format!("{age} ago"))
    }

    /// A time in the past, as its age without a word: `3 h`.
    pub(super) fn age(self, unix_ms: i64) -> Markup {
        self.element(unix_ms, &words::span((self.now_ms - unix_ms) / 1000))
    }

    /// A time to come, as the time that is left: `in 3 h`.
    pub(super) fn until(self, unix_ms: i64) -> Markup {
        match unix_ms - self.now_ms {
            ..=0 => self.element(unix_ms, "now"),
            left => self.element(unix_ms, &format!("in {}", words::span((left + 999) / 1000))),
        }
    }

    /// Age first, then the time: `3 h ago, 2026-06-10 14:00 CEST`.
    pub(super) fn full(self, unix_ms: i64) -> Markup {
        html! { (self.ago(unix_ms)) span class="soft" { ", " (self.text(unix_ms)) } }
    }

    fn element(self, unix_ms: i64, shown: &str) -> Markup {
        let exact = DateTime::from_timestamp_millis(unix_ms).unwrap_or_default();
        html! {
            time datetime=(exact.to_rfc3339_opts(SecondsFormat::Secs, true)) title=(self.text(unix_ms)) {
                (shown)
            }
        }
    }
}

/// Whether a person may send commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// The configuration has no token, so nobody may.
    Off,
    /// They have to sign in first.
    SignedOut,
    /// They may.
    SignedIn,
}

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(super) struct Visitor {
    pub(super) times: Times,
    pub(super) access: Access,
}

impl Visitor {
    /// Who sent a request with these headers.
    pub(super) fn of(context: &Context, headers: &HeaderMap) -> Self {
        let registry = &context.shared.registry;
        let now_ms = registry.now_ms();
        let access = match registry.token() {
            None => Access::Off,
            Some(token) if session::is_valid(headers, &token, now_ms) => Access::SignedIn,
            Some(_) => Access::SignedOut,
        };
        let zone = registry.config().daemon.time_zone;
        Self {
            times: Times { now_ms, zone },
            access,
        }
    }

    /// A visitor at this time, in UTC, for tests.
    #[cfg(test)]
    pub(super) fn at(now_ms: i64, access: Access) -> Self {
        let times = Times {
            now_ms,
            zone: Tz::UTC,
        };
        Self { times, access }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_relative_first_and_exact_in_their_zone() {
        let times = Times {
            now_ms: 1_780_315_200_000,
            zone: Tz::Europe__Berlin,
        };
        let hour = 3_600_000;
        let cases = [
            (
                times.ago(times.now_ms - 3 * hour),
                "<time datetime=\"2026-06-01T09:00:00Z\" title=\"2026-06-01 11:00 CEST\">3 h ago</time>",
            ),
            (
                times.until(times.now_ms + 3 * hour),
                "<time datetime=\"2026-06-01T15:00:00Z\" title=\"2026-06-01 17:00 CEST\">in 3 h</time>",
            ),
            (
                times.until(times.now_ms - hour),
                "<time datetime=\"2026-06-01T11:00:00Z\" title=\"2026-06-01 13:00 CEST\">now</time>",
            ),
        ];
        for (markup, expected) in cases {
            assert_eq!(markup.into_string(), expected);
        }
        assert_eq!(times.text(1_767_268_800_000), "2026-01-01 13:00 CET");
    }
}
