//! How far the repository has proven its lists, and where the watermark stands in consequence. Our
//! own clock never proves anything.

use crate::oai::{Datestamp, Granularity};
use crate::store::{ListState, NextWatermark, UnchangedBecause, Window};

/// The dates of a first page that prove how far its list reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Evidence<'a> {
    /// The requested `until`.
    pub(super) asked_until: Option<Datestamp>,
    /// The requested `until` as it was sent.
    pub(super) asked_text: Option<&'a str>,
    /// The `until` that the repository echoes in `<request>`.
    pub(super) echoed_until: Option<&'a str>,
    /// The repository's clock, see [`clock`].
    pub(super) clock: Option<Datestamp>,
}

/// A repository's clock that is ahead of ours by more is not believed alone. Mistaken time zones differ
/// by less.
const MAX_AHEAD_SECONDS: i64 = 86_400;

/// The repository's clock by one answer: the earlier of `responseDate` and the `Date` of HTTP. Both are
/// seldom wrong by the same amount.
///
/// One of them alone is not believed if it is more than a day ahead of `ours`: a watermark in the
/// future loses all changes until then. Our clock only rejects here, it never proves.
pub(super) fn clock(
    response_date: Option<Datestamp>,
    http_date: Option<Datestamp>,
    ours: Datestamp,
) -> Option<Datestamp> {
    match (response_date, http_date) {
        (Some(response_date), Some(http_date)) => Some(response_date.min(http_date)),
        (alone, None) | (None, alone) => {
            alone.filter(|alone| *alone <= ours.plus_seconds(MAX_AHEAD_SECONDS))
        }
    }
}

/// Whether a watermark is impossible: the repository's clock is more than a day before it, so that a
/// wrong clock must have proven it.
pub(super) fn disproves(
    response_date: Option<Datestamp>,
    http_date: Option<Datestamp>,
    watermark: Datestamp,
) -> bool {
    response_date
        .max(http_date)
        .is_some_and(|latest| latest.plus_seconds(MAX_AHEAD_SECONDS) < watermark)
}

/// How far a complete list proves: the least of the requested `until`, the echoed `until`, and the
/// repository's clock at the first page.
///
/// `None` if the repository's clock is unknown: then the requested `until` may lie in its future.
///
/// A requested bare day proves only its first second: a repository that holds back the rest of that
/// day echoes the same.
pub(super) fn bound(evidence: Evidence<'_>) -> Option<Datestamp> {
    let mut bound = evidence.clock?;
    if let Some(asked) = evidence.asked_until {
        let day = evidence.asked_text.and_then(instant);
        bound = bound.min(day.map_or(asked, |day| day.min(asked)));
    }
    if let Some(echoed) = echoed_bound(evidence) {
        bound = bound.min(echoed);
    }
    Some(bound)
}

/// The echoed `until`, if it is not just the requested one.
///
/// A bare day counts as its first second: some repositories mean that. If they mean the whole day, the
/// overlap covers the rest.
pub(super) fn echoed_bound(evidence: Evidence<'_>) -> Option<Datestamp> {
    let echoed = evidence.echoed_until?;
    if evidence.asked_text == Some(echoed) {
        return None;
    }
    instant(echoed)
}

/// Where the watermark of a list stands after one of its windows has ended.
///
/// A list whose windows are all complete proves the least of their bounds, and no more than the last
/// window with items does. Behind that window there may be nothing, or nothing that is shown yet.
/// Datestamps that were proven before stay proven.
pub fn next_watermark(list: &ListState) -> NextWatermark {
    if !list.moves_watermark {
        return NextWatermark::Unchanged(UnchangedBecause::PassLeavesGap);
    }
    if list.windows.iter().any(|window| window.state.is_unread()) {
        return NextWatermark::Unchanged(UnchangedBecause::UnreadWindows);
    }
    let with_items = || list.windows.iter().filter(|window| window.items > 0);
    if with_items().next().is_none() {
        return NextWatermark::Unchanged(UnchangedBecause::EmptyList);
    }
    let Some(last) = with_items().filter_map(Window::proven_until).max() else {
        return NextWatermark::Unchanged(UnchangedBecause::NoProof);
    };
    let least = list.windows.iter().filter_map(|window| window.bound).min();
    let proven = least.map_or(last, |least| least.min(last));
    NextWatermark::At(list.watermark.map_or(proven, |before| before.max(proven)))
}

fn instant(text: &str) -> Option<Datestamp> {
    Datestamp::parse(text).map(|(datestamp, granularity)| match granularity {
        Granularity::Day => datestamp.day_start(),
        Granularity::Second => datestamp,
    })
}

/// The number of seconds for which the repository holds records back, by the echoed `until` of an
/// open-ended list. `None` if that is less than an hour.
pub(super) fn delay_seconds(evidence: Evidence<'_>) -> Option<i64> {
    if evidence.asked_until.is_some() {
        return None;
    }
    let delay = evidence.clock?.unix() - echoed_bound(evidence)?.unix();
    (delay >= 3600).then_some(delay)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{PassId, Span, WindowId, WindowState};

    /// A complete window, as `items`, `bound`, and its own `until` if it is a part.
    fn complete(items: u64, bound: Option<i64>, part_until: Option<i64>) -> Window {
        Window {
            id: WindowId(1),
            pass_id: PassId(1),
            set_spec: None,
            span: Span {
                from: None,
                until: part_until.map(Datestamp::from_unix),
            },
            part: part_until.is_some(),
            state: WindowState::Complete,
            token: None,
            token_at: None,
            place: None,
            pages: 1,
            items,
            list_size: None,
            bound: bound.map(Datestamp::from_unix),
            reads: 1,
            last_items: None,
            note: None,
        }
    }

    fn in_state(state: WindowState, window: Window) -> Window {
        Window { state, ..window }
    }

    #[test]
    fn a_watermark_follows_from_the_windows_of_its_list() {
        use NextWatermark::{At, Unchanged};
        use UnchangedBecause::{EmptyList, NoProof, PassLeavesGap, UnreadWindows};
        use WindowState::{Failed, Open, Split, Suspicious};
        let at = |unix| At(Datestamp::from_unix(unix));
        let moves = |windows| ListState {
            windows,
            moves_watermark: true,
            watermark: None,
        };
        // A list that was split: its first page proves 90, its parts are read oldest first.
        let parts = |last: Window| {
            vec![
                in_state(Split, complete(300, Some(90), None)),
                complete(200, None, Some(40)),
                last,
            ]
        };
        let cases: Vec<(&str, ListState, NextWatermark)> = vec![
            ("no windows", moves(vec![]), Unchanged(EmptyList)),
            ("one list", moves(vec![complete(5, Some(90), None)]), at(90)),
            (
                "empty list with a bound",
                moves(vec![complete(0, Some(90), None)]),
                Unchanged(EmptyList),
            ),
            (
                "no date that can be believed",
                moves(vec![complete(5, None, None)]),
                Unchanged(NoProof),
            ),
            (
                "own until of a list that is no part",
                moves(vec![Window {
                    part: false,
                    ..complete(5, None, Some(70))
                }]),
                Unchanged(NoProof),
            ),
            (
                "parts, the last one proves its own until",
                moves(parts(complete(100, None, Some(90)))),
                at(90),
            ),
            (
                "parts, the last one is held back",
                moves(parts(complete(100, Some(60), Some(90)))),
                at(60),
            ),
            (
                "parts, the last one is empty",
                moves(vec![
                    in_state(Split, complete(0, Some(90), None)),
                    complete(200, None, Some(40)),
                    complete(0, None, Some(90)),
                ]),
                at(40),
            ),
            (
                "a bound of an empty part counts",
                moves(vec![
                    complete(200, None, Some(40)),
                    complete(0, Some(30), Some(90)),
                ]),
                at(30),
            ),
            (
                "the oldest bound of all",
                moves(vec![
                    complete(5, Some(90), None),
                    complete(5, Some(80), None),
                ]),
                at(80),
            ),
            (
                "items without a bound beside items with one",
                moves(vec![complete(5, None, None), complete(5, Some(80), None)]),
                at(80),
            ),
            (
                "an open window",
                moves(parts(in_state(Open, complete(0, None, Some(90))))),
                Unchanged(UnreadWindows),
            ),
            (
                "a suspicious window",
                moves(parts(in_state(Suspicious, complete(9, None, Some(90))))),
                Unchanged(UnreadWindows),
            ),
            (
                "a failed window",
                moves(parts(in_state(Failed, complete(0, None, Some(90))))),
                Unchanged(UnreadWindows),
            ),
            (
                "a pass that leaves a gap",
                ListState {
                    moves_watermark: false,
                    ..moves(vec![complete(5, Some(90), None)])
                },
                Unchanged(PassLeavesGap),
            ),
            (
                "forward",
                ListState {
                    watermark: Some(Datestamp::from_unix(50)),
                    ..moves(vec![complete(5, Some(90), None)])
                },
                at(90),
            ),
            (
                "never backward",
                ListState {
                    watermark: Some(Datestamp::from_unix(95)),
                    ..moves(vec![complete(5, Some(90), None)])
                },
                at(95),
            ),
        ];
        for (case, list, expected) in cases {
            assert_eq!(next_watermark(&list), expected, "{case}");
        }
    }

    #[test]
    fn a_list_proves_the_least_of_three_dates() {
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
            (
                "the same day",
                (Some("2026-01-05"), Some("2026-01-05"), now),
                Some("2026-01-05T00:00:00Z"),
            ),
            ("no clock", (Some("2026-01-01T00:00:00Z"), None, None), None),
        ];
        for (case, (asked, echoed, response_date), expected) in cases {
            let evidence = Evidence {
                asked_until: asked.map(at),
                asked_text: asked,
                echoed_until: echoed,
                clock: response_date.map(at),
            };
            assert_eq!(bound(evidence), expected.map(at), "{case}");
        }
        let within_the_day = Evidence {
            asked_until: Some(at("2026-01-05T15:00:00Z")),
            asked_text: Some("2026-01-05"),
            echoed_until: Some("2026-01-05"),
            clock: now.map(at),
        };
        assert_eq!(bound(within_the_day), Some(at("2026-01-05")));
    }

    #[test]
    fn a_clock_alone_is_not_believed_when_it_is_far_ahead() {
        let at = |text: &str| Datestamp::parse(text).unwrap().0;
        let ours = at("2026-05-01T12:00:00Z");
        let (past, now, soon, future) = (
            Some("2026-01-01T00:00:00Z"),
            Some("2026-05-01T12:00:05Z"),
            Some("2026-05-02T11:00:00Z"),
            Some("2036-05-01T12:00:00Z"),
        );
        let cases = [
            ("both agree", now, now, now),
            ("responseDate runs ahead", future, now, now),
            ("Date runs ahead", now, future, now),
            ("a cache's Date", now, past, past),
            (
                "both are ahead, so that ours is behind",
                future,
                future,
                future,
            ),
            ("responseDate alone", now, None, now),
            ("Date alone", None, now, now),
            ("alone, in another time zone", soon, None, soon),
            ("alone and far ahead", future, None, None),
            ("Date alone and far ahead", None, future, None),
            ("alone and behind", past, None, past),
            ("none", None, None, None),
        ];
        for (case, response_date, http_date, expected) in cases {
            let clock = clock(response_date.map(at), http_date.map(at), ours);
            assert_eq!(clock, expected.map(at), "{case}");
        }
    }

    #[test]
    fn a_watermark_is_disproven_only_by_all_clocks() {
        let at = |text: &str| Datestamp::parse(text).unwrap().0;
        let (before, after) = (at("2026-05-01T12:00:00Z"), at("2026-05-03T12:00:01Z"));
        let cases = [
            ("both before", Some(before), Some(before), true),
            ("one before", Some(before), None, true),
            ("one node is late", Some(before), Some(after), false),
            ("after", Some(after), None, false),
            ("none", None, None, false),
        ];
        let watermark = at("2026-05-03T12:00:00Z");
        for (case, response_date, http_date, expected) in cases {
            let disproven = disproves(response_date, http_date, watermark);
            assert_eq!(disproven, expected, "{case}");
        }
        assert!(!disproves(
            Some(at("2026-05-02T12:00:00Z")),
            None,
            watermark
        ));
    }

    #[test]
    fn a_delay_shows_only_without_until() {
        let evidence = Evidence {
            asked_until: None,
            asked_text: None,
            echoed_until: Some("2026-04-01T12:00:00Z"),
            clock: Datestamp::parse("2026-05-01T12:00:00Z").map(|(at, _)| at),
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
