//! How far the repository has proven its lists, and where the watermark stands in consequence. Our
//! own clock never proves anything.

use crate::oai::{Datestamp, Granularity};
use crate::store::{Gap, ListState, Proven, Span, Window, WindowState};

/// The dates of a first page that prove which span its list covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Evidence<'a> {
    /// The requested `from`.
    pub(super) asked_from: Option<Datestamp>,
    /// The `from` that the repository echoes in `<request>`.
    pub(super) echoed_from: Option<&'a str>,
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
/// repository's clock at the first page. A list that begins later than was asked proves no more than
/// where it should begin.
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
    if raised_from(evidence).is_some() {
        // What lies between was not listed.
        bound = bound.min(evidence.asked_from?);
    }
    Some(bound)
}

/// A repository that echoes `from` in its own time zone, or as the day, has not raised it.
const RAISED_SECONDS: i64 = 86_400;

/// The echoed `from`, if the repository has raised it: its list begins later than was asked.
pub(super) fn raised_from(evidence: Evidence<'_>) -> Option<Datestamp> {
    let echoed = instant(evidence.echoed_from?)?;
    let asked = evidence.asked_from?;
    (echoed > asked.plus_seconds(RAISED_SECONDS)).then_some(echoed)
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

/// What a list proves after one of its windows has ended: which gaps are closed, how far the list is
/// proven outside of its gaps, and where its watermark stands.
///
/// The watermark stands before the oldest gap. Datestamps that were proven before stay proven.
pub fn proven(list: &ListState) -> Proven {
    if list.windows.iter().any(|window| window.state.is_pending()) {
        return Proven::NotYet;
    }
    let mut closed = Vec::new();
    let mut empty = Vec::new();
    let mut oldest = None;
    for gap in &list.gaps {
        match fate(gap, list) {
            Fate::Closed => {
                closed.push(gap.id);
                continue;
            }
            Fate::Empty => empty.push(gap.id),
            Fate::Open => {}
        }
        let from = gap.span.from;
        oldest = Some(oldest.map_or(from, |oldest: Option<Datestamp>| oldest.min(from)));
    }
    let reached = if list.moves_watermark && !list.only_gaps {
        reached(&list.windows)
    } else {
        None
    };
    let head = list.head.max(list.watermark).max(reached);
    let is_news = reached.is_some() || !closed.is_empty();
    let before_gaps = match oldest {
        None => head,
        Some(None) => None,
        Some(Some(from)) => head.map(|head| head.min(from.plus_seconds(-1))),
    };
    let watermark = before_gaps.max(list.watermark).filter(|_| is_news);
    Proven::List {
        closed,
        empty,
        head,
        watermark,
    }
}

/// How far the windows of a list prove it, outside of its gaps.
///
/// A list proves the least of the bounds of its windows, and no more than the last window with items
/// does. Behind that window there may be nothing, or nothing that is shown yet. An empty list proves
/// nothing. If the end of the list was not read, the beginning of that end is the limit.
fn reached(windows: &[Window]) -> Option<Datestamp> {
    let is_read = |window: &&Window| window.state != WindowState::Unread;
    let with_items = windows
        .iter()
        .filter(is_read)
        .filter(|window| window.items > 0);
    let last = with_items.filter_map(Window::proven_until).max()?;
    let least = windows
        .iter()
        .filter(is_read)
        .filter_map(|window| window.bound)
        .min();
    let reached = least.map_or(last, |least| least.min(last));
    let ends = windows
        .iter()
        .filter(|window| !is_read(window) && window.span.until.is_none());
    match ends.map(|window| window.span.from).min() {
        None => Some(reached),
        Some(from) => from.map(|from| from.min(reached)),
    }
}

/// What a pass has made of a gap.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// The pass has read it, or smaller gaps replace it.
    Closed,
    /// The pass found no records in it, for the first time.
    Empty,
    /// It stays as it is.
    Open,
}

fn fate(gap: &Gap, list: &ListState) -> Fate {
    // An unread window without an end becomes no gap, so it replaces none.
    let ended = || {
        list.windows.iter().filter(|window| match window.state {
            WindowState::Complete => true,
            WindowState::Unread => window.span.until.is_some(),
            _ => false,
        })
    };
    let is_unread = |window: &&Window| window.state == WindowState::Unread;
    let failed_again = ended().any(|window| is_unread(&window) && window.span == gap.span);
    if failed_again || !covers(ended().map(|window| window.span), gap.span) {
        return Fate::Open;
    }
    let inside = || ended().filter(|window| overlap(window.span, gap.span));
    // An empty list may only show that the repository has no records just now.
    let shows_records = if list.only_gaps {
        inside().any(|window| window.items > 0 || is_unread(&window))
    } else {
        list.windows.iter().any(|window| window.items > 0)
    };
    if shows_records || gap.empty_reads > 0 {
        Fate::Closed
    } else if list.only_gaps {
        Fate::Empty
    } else {
        Fate::Open
    }
}

/// A span as numbers; its ends are the least and the greatest number if it is unbounded.
fn numbers(span: Span) -> (i64, i64) {
    (
        span.from.map_or(i64::MIN, Datestamp::unix),
        span.until.map_or(i64::MAX, Datestamp::unix),
    )
}

fn overlap(one: Span, other: Span) -> bool {
    let ((from, until), (other_from, other_until)) = (numbers(one), numbers(other));
    from <= other_until && other_from <= until
}

/// Whether `spans` together cover `whole`. Neighbours share their ends, as [`span::halve`] makes them.
///
/// [`span::halve`]: super::span::halve
fn covers(spans: impl Iterator<Item = Span>, whole: Span) -> bool {
    let mut spans: Vec<(i64, i64)> = spans.map(numbers).collect();
    spans.sort_unstable();
    let (from, end) = numbers(whole);
    let mut reach = None;
    for (begins, ends) in spans {
        if begins <= reach.unwrap_or(from) && ends >= from {
            reach = reach.max(Some(ends));
        }
    }
    reach.is_some_and(|reach| reach >= end)
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
    use crate::store::{PassId, WindowId};

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
            failures: 0,
            note: None,
        }
    }

    fn in_state(state: WindowState, window: Window) -> Window {
        Window { state, ..window }
    }

    /// The list of a pass that moves the watermark, without one before.
    fn list_of(windows: Vec<Window>) -> ListState {
        ListState {
            windows,
            only_gaps: false,
            moves_watermark: true,
            head: None,
            watermark: None,
            gaps: vec![],
        }
    }

    fn span(from: Option<i64>, until: Option<i64>) -> Span {
        Span {
            from: from.map(Datestamp::from_unix),
            until: until.map(Datestamp::from_unix),
        }
    }

    fn gap(id: i64, from: Option<i64>, until: i64) -> Gap {
        Gap {
            id,
            set_spec: None,
            span: span(from, Some(until)),
            reason: "HTTP 500".to_owned(),
            attempts: 1,
            empty_reads: 0,
            first_at: 0,
            next_at: 0,
        }
    }

    /// A part in `state` with `items`. The last part has no end, and a bound.
    fn part(state: WindowState, from: Option<i64>, until: Option<i64>, items: u64) -> Window {
        let bound = until.is_none().then_some(90);
        Window {
            span: span(from, until),
            part: true,
            ..in_state(state, complete(items, bound, None))
        }
    }

    #[test]
    fn a_watermark_stands_before_the_oldest_gap() {
        use WindowState::{Complete, Unread};
        let read = |from, until| part(Complete, from, until, 3);
        let unread = |from, until| part(Unread, from, until, 0);
        let at = |unix: Option<i64>| unix.map(Datestamp::from_unix);
        let list = |windows, gaps| ListState {
            gaps,
            ..list_of(windows)
        };
        let after = |list: ListState, head, watermark| ListState {
            head: at(head),
            watermark: at(watermark),
            ..list
        };
        let gaps_pass = |windows: Vec<Window>, gaps| ListState {
            only_gaps: true,
            ..after(list(windows, gaps), Some(90), Some(39))
        };
        let around = || {
            vec![
                read(None, Some(40)),
                unread(Some(40), Some(41)),
                read(Some(41), None),
            ]
        };
        // A case, its list, the closed and the empty gaps, head and watermark.
        type Case = (
            &'static str,
            ListState,
            (Vec<i64>, Vec<i64>),
            Option<i64>,
            Option<i64>,
        );
        let cases: Vec<Case> = vec![
            (
                "a second in the middle",
                list(around(), vec![gap(1, Some(40), 41)]),
                (vec![], vec![]),
                Some(90),
                Some(39),
            ),
            (
                "a watermark within the overlap stays",
                after(list(around(), vec![gap(1, Some(40), 41)]), None, Some(60)),
                (vec![], vec![]),
                Some(90),
                Some(60),
            ),
            (
                "the oldest of two",
                list(around(), vec![gap(1, Some(40), 41), gap(2, Some(20), 30)]),
                // The pass has covered the second one.
                (vec![2], vec![]),
                Some(90),
                Some(39),
            ),
            (
                "a gap from the beginning",
                list(
                    vec![unread(None, Some(40)), read(Some(40), None)],
                    vec![gap(1, None, 40)],
                ),
                (vec![], vec![]),
                Some(90),
                None,
            ),
            (
                "the end of the list was not read",
                list(vec![read(None, Some(40)), unread(Some(40), None)], vec![]),
                (vec![], vec![]),
                Some(40),
                Some(40),
            ),
            (
                "nothing but the end, which was not read",
                list(vec![unread(None, None)], vec![]),
                (vec![], vec![]),
                None,
                None,
            ),
            (
                "a gap outside of the pass",
                after(
                    list(vec![read(Some(60), None)], vec![gap(1, Some(40), 41)]),
                    Some(80),
                    Some(39),
                ),
                (vec![], vec![]),
                Some(90),
                Some(39),
            ),
            (
                "a gap that two windows of the pass cover",
                after(
                    list(
                        vec![read(None, Some(41)), read(Some(41), None)],
                        vec![gap(1, Some(40), 45)],
                    ),
                    Some(80),
                    Some(39),
                ),
                (vec![1], vec![]),
                Some(90),
                Some(90),
            ),
            (
                "a gap that was read",
                gaps_pass(vec![read(Some(40), Some(41))], vec![gap(1, Some(40), 41)]),
                (vec![1], vec![]),
                Some(90),
                Some(90),
            ),
            (
                "one of two gaps that was read",
                gaps_pass(
                    vec![read(Some(40), Some(41)), unread(Some(50), Some(51))],
                    vec![gap(1, Some(40), 41), gap(2, Some(50), 51)],
                ),
                (vec![1], vec![]),
                Some(90),
                Some(49),
            ),
            (
                "a gap that became smaller",
                gaps_pass(
                    vec![read(Some(40), Some(45)), unread(Some(45), Some(50))],
                    vec![gap(1, Some(40), 50), gap(2, Some(45), 50)],
                ),
                (vec![1], vec![]),
                Some(90),
                Some(44),
            ),
            (
                "a gap that was empty once",
                gaps_pass(
                    vec![part(Complete, Some(40), Some(41), 0)],
                    vec![gap(1, Some(40), 41)],
                ),
                (vec![], vec![1]),
                Some(90),
                None,
            ),
            (
                "a gap that was empty twice",
                gaps_pass(
                    vec![part(Complete, Some(40), Some(41), 0)],
                    vec![Gap {
                        empty_reads: 1,
                        ..gap(1, Some(40), 41)
                    }],
                ),
                (vec![1], vec![]),
                Some(90),
                Some(90),
            ),
            (
                "a list without dates that was not read to its end closes no gap",
                after(
                    list(
                        vec![read(Some(50), Some(60)), unread(None, None)],
                        vec![gap(1, Some(40), 41)],
                    ),
                    Some(80),
                    Some(39),
                ),
                (vec![], vec![]),
                Some(80),
                None,
            ),
            (
                "an empty list closes no gap",
                after(
                    list(
                        vec![part(Complete, None, None, 0)],
                        vec![gap(1, Some(40), 41)],
                    ),
                    Some(80),
                    Some(39),
                ),
                (vec![], vec![]),
                Some(80),
                None,
            ),
        ];
        for (case, list, (closed, empty), head, watermark) in cases {
            let expected = Proven::List {
                closed,
                empty,
                head: at(head),
                watermark: at(watermark),
            };
            assert_eq!(proven(&list), expected, "{case}");
        }
    }

    #[test]
    fn spans_that_share_their_ends_cover_a_whole() {
        let cases = [
            (vec![], (Some(4), Some(4)), false),
            (vec![(Some(4), Some(4))], (Some(4), Some(4)), true),
            (vec![(Some(5), Some(9))], (Some(4), Some(4)), false),
            (vec![(Some(1), Some(3))], (Some(4), Some(4)), false),
            (
                vec![(None, Some(5)), (Some(5), None)],
                (Some(4), Some(8)),
                true,
            ),
            (
                vec![(None, Some(5)), (Some(6), None)],
                (Some(4), Some(8)),
                false,
            ),
            (
                vec![(Some(5), None), (None, Some(5))],
                (None, Some(8)),
                true,
            ),
            (vec![(Some(1), Some(9))], (None, Some(8)), false),
        ];
        for (spans, (from, until), expected) in cases {
            let whole = span(from, until);
            let given = spans.iter().map(|(from, until)| span(*from, *until));
            assert_eq!(covers(given, whole), expected, "{spans:?} and {whole:?}");
        }
    }

    #[test]
    fn a_watermark_follows_from_the_windows_of_its_list() {
        use WindowState::{Failed, Open, Split, Suspicious};
        let stays = |head: Option<i64>| Proven::List {
            closed: vec![],
            empty: vec![],
            head: head.map(Datestamp::from_unix),
            watermark: None,
        };
        let at = |unix| Proven::List {
            closed: vec![],
            empty: vec![],
            head: Some(Datestamp::from_unix(unix)),
            watermark: Some(Datestamp::from_unix(unix)),
        };
        let moves = list_of;
        // A list that was split: its first page proves 90, its parts are read oldest first.
        let parts = |last: Window| {
            vec![
                in_state(Split, complete(300, Some(90), None)),
                complete(200, None, Some(40)),
                last,
            ]
        };
        let cases: Vec<(&str, ListState, Proven)> = vec![
            ("no windows", moves(vec![]), stays(None)),
            ("one list", moves(vec![complete(5, Some(90), None)]), at(90)),
            (
                "empty list with a bound",
                moves(vec![complete(0, Some(90), None)]),
                stays(None),
            ),
            (
                "no date that can be believed",
                moves(vec![complete(5, None, None)]),
                stays(None),
            ),
            (
                "own until of a list that is no part",
                moves(vec![Window {
                    part: false,
                    ..complete(5, None, Some(70))
                }]),
                stays(None),
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
                Proven::NotYet,
            ),
            (
                "a suspicious window",
                moves(parts(in_state(Suspicious, complete(9, None, Some(90))))),
                Proven::NotYet,
            ),
            (
                "a failed window",
                moves(parts(in_state(Failed, complete(0, None, Some(90))))),
                Proven::NotYet,
            ),
            (
                "a pass that leaves a gap",
                ListState {
                    moves_watermark: false,
                    ..moves(vec![complete(5, Some(90), None)])
                },
                stays(None),
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
            assert_eq!(proven(&list), expected, "{case}");
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
                ..Evidence::default()
            };
            assert_eq!(bound(evidence), expected.map(at), "{case}");
        }
        let begins = Some(at("2026-03-01T00:00:00Z"));
        for (case, begins, echoed_from, expected) in [
            (
                "raised",
                begins,
                Some("2026-04-20T00:00:00Z"),
                "2026-03-01T00:00:00Z",
            ),
            (
                "as asked",
                begins,
                Some("2026-03-01"),
                "2026-05-01T12:00:00Z",
            ),
            (
                "a time zone",
                begins,
                Some("2026-03-01T11:00:00Z"),
                "2026-05-01T12:00:00Z",
            ),
            (
                "lowered",
                begins,
                Some("2020-01-01"),
                "2026-05-01T12:00:00Z",
            ),
            ("nonsense", begins, Some("then"), "2026-05-01T12:00:00Z"),
            ("no echo", begins, None, "2026-05-01T12:00:00Z"),
            (
                "no beginning",
                None,
                Some("2026-04-20"),
                "2026-05-01T12:00:00Z",
            ),
        ] {
            let evidence = Evidence {
                asked_from: begins,
                echoed_from,
                clock: now.map(at),
                ..Evidence::default()
            };
            assert_eq!(bound(evidence), Some(at(expected)), "{case}");
        }
        let within_the_day = Evidence {
            asked_until: Some(at("2026-01-05T15:00:00Z")),
            asked_text: Some("2026-01-05"),
            echoed_until: Some("2026-01-05"),
            clock: now.map(at),
            ..Evidence::default()
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
            echoed_until: Some("2026-04-01T12:00:00Z"),
            clock: Datestamp::parse("2026-05-01T12:00:00Z").map(|(at, _)| at),
            ..Evidence::default()
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
