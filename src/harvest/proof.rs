//! How far one list reaches: what the repository has proven, never what our own clock says.

use crate::oai::{Datestamp, Granularity};

/// What bears on how far a list reaches, from its first page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Evidence<'a> {
    /// The `until` that was asked for.
    pub(super) asked_until: Option<Datestamp>,
    /// The same as it was sent.
    pub(super) asked_text: Option<&'a str>,
    /// The `until` that the repository echoes in `<request>`.
    pub(super) echoed_until: Option<&'a str>,
    /// The repository's clock: `responseDate`, or else the `Date` of the HTTP answer.
    pub(super) response_date: Option<Datestamp>,
}

/// How far a complete list proves: the least of the `until` asked for, the `until` echoed, and
/// the repository's clock at the list's first page.
///
/// `None` if the repository's clock is unknown: then nothing says whether the `until` asked for
/// lies in its future.
pub(super) fn bound(evidence: Evidence<'_>) -> Option<Datestamp> {
    let mut bound = evidence.response_date?;
    if let Some(asked) = evidence.asked_until {
        bound = bound.min(asked);
    }
    if let Some(echoed) = lowered_until(evidence) {
        bound = bound.min(echoed);
    }
    Some(bound)
}

/// The echoed `until`, if it is not just what was asked for.
///
/// A bare day is taken for its first second: some repositories mean that, and the overlap covers
/// the rest where they mean all of it.
fn lowered_until(evidence: Evidence<'_>) -> Option<Datestamp> {
    let echoed = evidence.echoed_until?;
    if evidence.asked_text == Some(echoed) {
        return None;
    }
    Datestamp::parse(echoed).map(|(datestamp, granularity)| match granularity {
        Granularity::Day => datestamp.day_start(),
        Granularity::Second => datestamp,
    })
}

/// By how many seconds the repository holds its records back: the echoed `until` of a list that
/// was asked for without one. `None` if it does not, or by less than an hour.
pub(super) fn delay_seconds(evidence: Evidence<'_>) -> Option<i64> {
    if evidence.asked_until.is_some() {
        return None;
    }
    let delay = evidence.response_date?.unix() - lowered_until(evidence)?.unix();
    (delay >= 3600).then_some(delay)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_of_three() {
        let at = |text: &str| Datestamp::parse(text).unwrap().0;
        let now = Some("2026-05-01T12:00:00Z");
        let cases = [
            (
                "the clock alone",
                (None, None, now),
                Some("2026-05-01T12:00:00Z"),
            ),
            (
                "asked in the past",
                (
                    Some("2026-01-01T00:00:00Z"),
                    Some("2026-01-01T00:00:00Z"),
                    now,
                ),
                Some("2026-01-01T00:00:00Z"),
            ),
            (
                "asked in the future",
                (
                    Some("2027-01-01T00:00:00Z"),
                    Some("2027-01-01T00:00:00Z"),
                    now,
                ),
                Some("2026-05-01T12:00:00Z"),
            ),
            (
                "lowered without being asked",
                (None, Some("2026-04-01T12:00:00Z"), now),
                Some("2026-04-01T12:00:00Z"),
            ),
            (
                "lowered below what was asked",
                (
                    Some("2026-04-20T00:00:00Z"),
                    Some("2026-04-01T12:00:00Z"),
                    now,
                ),
                Some("2026-04-01T12:00:00Z"),
            ),
            (
                "echo of nonsense",
                (None, Some("soon"), now),
                Some("2026-05-01T12:00:00Z"),
            ),
            (
                "a day",
                (None, Some("2026-04-01"), now),
                Some("2026-04-01T00:00:00Z"),
            ),
            ("no clock", (Some("2026-01-01T00:00:00Z"), None, None), None),
        ];
        for (case, (asked, echoed, response_date), expected) in cases {
            let evidence = Evidence {
                asked_until: asked.map(at),
                asked_text: asked,
                echoed_until: echoed,
                response_date: response_date.map(at),
            };
            assert_eq!(bound(evidence), expected.map(at), "{case}");
        }
    }

    #[test]
    fn a_delay_shows_only_without_until() {
        let evidence = Evidence {
            asked_until: None,
            asked_text: None,
            echoed_until: Some("2026-04-01T12:00:00Z"),
            response_date: Datestamp::parse("2026-05-01T12:00:00Z").map(|(at, _)| at),
        };
        assert_eq!(delay_seconds(evidence), Some(30 * 86_400));
        let asked = Evidence {
            asked_until: Datestamp::parse("2026-04-01T12:00:00Z").map(|(at, _)| at),
            asked_text: Some("2026-04-01T12:00:00Z"),
            ..evidence
        };
        assert_eq!(delay_seconds(asked), None);
        let fresh = Evidence {
            echoed_until: Some("2026-05-01T11:59:00Z"),
            ..evidence
        };
        assert_eq!(delay_seconds(fresh), None);
    }
}
