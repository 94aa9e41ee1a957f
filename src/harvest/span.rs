//! Splits spans of datestamps so that the parts cover the whole, on any repository.

use std::collections::BTreeSet;

use crate::oai::{Datestamp, Granularity};
use crate::store::Span;

/// A span as the texts of `from` and `until`, in the repository's granularity.
pub(super) fn render(span: Span, granularity: Granularity) -> (Option<String>, Option<String>) {
    (
        span.from.map(|from| from.render(granularity)),
        span.until.map(|until| until.render(granularity)),
    )
}

/// How many seconds one datestamp stands for.
pub(super) fn unit_seconds(granularity: Granularity) -> i64 {
    match granularity {
        Granularity::Day => 86_400,
        Granularity::Second => 1,
    }
}

/// Whether most datestamps lie outside of a span that was requested in `granularity`: by more than a
/// day, or at all if `closely`.
pub(super) fn are_outside<'a>(
    texts: impl ExactSizeIterator<Item = &'a str>,
    span: Span,
    granularity: Granularity,
    closely: bool,
) -> bool {
    const DAY: i64 = 86_400;
    let outside = |(at, written): (Datestamp, Granularity)| {
        let slack = match (granularity, written) {
            (Granularity::Second, Granularity::Second) if closely => 0,
            _ => DAY,
        };
        span.from.is_some_and(|from| at < from.plus_seconds(-slack))
            || span
                .until
                .is_some_and(|until| at > until.plus_seconds(slack))
    };
    let count = texts.len();
    let strangers = texts
        .filter(|text| Datestamp::parse(text).is_some_and(outside))
        .count();
    strangers * 2 > count
}

/// Halves a span with both ends; `None` if it has only one or two seconds (or days).
///
/// The halves share one second (or day). A repository that keeps fractions of a second holds records
/// between `12:00:00` and `12:00:01`. A repository that takes `until=2024-05-01` for that day's midnight
/// leaves the rest of the day out. Reading a few records twice costs nothing; a gap loses them. Two
/// neighbouring seconds stay together, since their halves could not share one.
///
/// The first half ends with the beginning of the shared day. Its list proves no more, since a
/// repository that holds back the rest of that day echoes the same `until`.
pub(super) fn halve(
    from: Datestamp,
    until: Datestamp,
    granularity: Granularity,
) -> Option<(Span, Span)> {
    let unit = unit_seconds(granularity);
    let first = from.unix().div_euclid(unit);
    let last = until.unix().div_euclid(unit);
    if last - first < 2 {
        return None;
    }
    let middle = first + (last - first) / 2;
    let seam = Datestamp::from_unix(middle * unit);
    Some((
        Span {
            from: Some(from),
            until: Some(seam),
        },
        Span {
            from: Some(seam),
            until: Some(until),
        },
    ))
}

/// Splits a span below `bound`. A span without a lower end becomes three parts: all before `earliest`,
/// and two halves of the rest.
///
/// `earliest` is the repository's own hint; no record is lost if the hint is wrong.
pub(super) fn split(
    span: Span,
    bound: Datestamp,
    earliest: Option<Datestamp>,
    granularity: Granularity,
) -> Option<Vec<Span>> {
    let until = span.until.unwrap_or(bound).min(bound);
    if let Some(from) = span.from {
        let (first, second) = halve(from, until, granularity)?;
        return Some(vec![first, second]);
    }
    // No repository is older than this.
    const FIRST_REPOSITORIES: i64 = 946_684_800;
    let earliest = earliest.unwrap_or(Datestamp::from_unix(FIRST_REPOSITORIES));
    let earliest = match granularity {
        Granularity::Day => earliest.day_start(),
        Granularity::Second => earliest,
    };
    let Some((first, second)) = halve(earliest, until, granularity) else {
        // Nothing is older than the first second of Unix, so that the window cannot be split further.
        if until.unix() <= 0 {
            return None;
        }
        // All records are as old as the hint or older: split off the last half year instead.
        let year = 366 * 86_400;
        let (first, second) = halve(until.plus_seconds(-year), until, granularity)?;
        return Some(vec![
            Span {
                from: None,
                until: first.until,
            },
            second,
        ]);
    };
    Some(vec![
        Span {
            from: None,
            until: Some(earliest),
        },
        first,
        second,
    ])
}

/// Splits a span below `bound` so that each second (or day) of `units` stands in two short parts: with the unit
/// before it, and with the one after it. `None` if that makes no part smaller than the whole.
///
/// Neighbouring parts share one unit, as those of [`halve`] do.
pub(super) fn around(
    span: Span,
    bound: Datestamp,
    units: &[Datestamp],
    granularity: Granularity,
) -> Option<Vec<Span>> {
    let unit = unit_seconds(granularity);
    let number = |at: Datestamp| at.unix().div_euclid(unit);
    let until = span.until.unwrap_or(bound).min(bound);
    let first = span.from.map_or(i64::MIN, number);
    let seams: BTreeSet<i64> = units
        .iter()
        .flat_map(|at| [number(*at) - 1, number(*at), number(*at) + 1])
        .filter(|seam| first < *seam && *seam < number(until))
        .collect();
    if seams.is_empty() {
        return None;
    }
    let mut from = span.from;
    let mut spans = Vec::new();
    for seam in seams {
        let seam = Datestamp::from_unix(seam * unit);
        spans.push(Span {
            from,
            until: Some(seam),
        });
        from = Some(seam);
    }
    spans.push(Span {
        from,
        until: Some(until),
    });
    Some(spans)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Datestamp {
        Datestamp::parse(text).unwrap().0
    }

    #[test]
    fn halves_by_granularity() {
        let cases = [
            (
                "seconds share one",
                (
                    "2024-01-01T00:00:00Z",
                    "2024-01-01T00:00:10Z",
                    Granularity::Second,
                ),
                Some(("2024-01-01T00:00:05Z", "2024-01-01T00:00:05Z")),
            ),
            (
                "two seconds stay together",
                (
                    "2024-01-01T00:00:00Z",
                    "2024-01-01T00:00:01Z",
                    Granularity::Second,
                ),
                None,
            ),
            (
                "one second",
                (
                    "2024-01-01T00:00:00Z",
                    "2024-01-01T00:00:00Z",
                    Granularity::Second,
                ),
                None,
            ),
            (
                "days share one",
                (
                    "2024-01-01T00:00:00Z",
                    "2024-01-03T23:59:59Z",
                    Granularity::Day,
                ),
                Some(("2024-01-02T00:00:00Z", "2024-01-02T00:00:00Z")),
            ),
            (
                "one day",
                (
                    "2024-01-01T00:00:00Z",
                    "2024-01-01T23:59:59Z",
                    Granularity::Day,
                ),
                None,
            ),
            (
                "upside down",
                (
                    "2024-01-02T00:00:00Z",
                    "2024-01-01T00:00:00Z",
                    Granularity::Second,
                ),
                None,
            ),
        ];
        for (case, (from, until, granularity), expected) in cases {
            let halves = halve(at(from), at(until), granularity);
            let seams = halves.map(|(first, second)| (first.until.unwrap(), second.from.unwrap()));
            assert_eq!(
                seams,
                expected.map(|(end, start)| (at(end), at(start))),
                "{case}"
            );
        }
    }

    #[test]
    fn an_open_span_keeps_what_is_older_than_the_hint() {
        let bound = at("2024-06-01T12:00:00Z");
        let spans = split(
            Span::default(),
            bound,
            Some(at("2010-01-01")),
            Granularity::Second,
        )
        .unwrap();
        assert_eq!(spans.len(), 3);
        assert_eq!(
            spans[0],
            Span {
                from: None,
                until: Some(at("2010-01-01"))
            }
        );
        assert_eq!(spans[2].until, Some(bound));
        let late = split(
            Span::default(),
            bound,
            Some(at("2030-01-01")),
            Granularity::Second,
        );
        assert_eq!(late.unwrap()[0].from, None);
        // By the day, no part ends within a day but the last: its list would prove less than its end.
        let hint = Some(at("2010-01-01T10:00:00Z"));
        let spans = split(Span::default(), bound, hint, Granularity::Day).unwrap();
        let ends = spans.iter().map(|span| span.until.unwrap());
        let within: Vec<Datestamp> = ends.filter(|end| *end != end.day_start()).collect();
        assert_eq!(within, [bound]);
    }

    #[test]
    fn records_are_set_apart_from_the_rest() {
        let span = |from: &str, until: &str| Span {
            from: (!from.is_empty()).then(|| at(from)),
            until: Some(at(until)),
        };
        type Case<'a> = (&'a str, Granularity, Span, &'a [&'a str], &'a [Span]);
        let cases: [Case<'_>; 5] = [
            (
                "in the middle",
                Granularity::Second,
                span("2024-01-01T00:00:00Z", "2024-01-01T01:00:00Z"),
                &["2024-01-01T00:30:00Z"],
                &[
                    span("2024-01-01T00:00:00Z", "2024-01-01T00:29:59Z"),
                    span("2024-01-01T00:29:59Z", "2024-01-01T00:30:00Z"),
                    span("2024-01-01T00:30:00Z", "2024-01-01T00:30:01Z"),
                    span("2024-01-01T00:30:01Z", "2024-01-01T01:00:00Z"),
                ],
            ),
            (
                "at an end, by the day, without a lower end",
                Granularity::Day,
                span("", "2024-01-05T12:00:00Z"),
                &["2024-01-05T10:00:00Z"],
                &[
                    span("", "2024-01-04T00:00:00Z"),
                    span("2024-01-04T00:00:00Z", "2024-01-05T12:00:00Z"),
                ],
            ),
            (
                "neighbours",
                Granularity::Second,
                span("2024-01-01T00:00:00Z", "2024-01-01T00:00:03Z"),
                &["2024-01-01T00:00:01Z", "2024-01-01T00:00:02Z"],
                &[
                    span("2024-01-01T00:00:00Z", "2024-01-01T00:00:01Z"),
                    span("2024-01-01T00:00:01Z", "2024-01-01T00:00:02Z"),
                    span("2024-01-01T00:00:02Z", "2024-01-01T00:00:03Z"),
                ],
            ),
            (
                "two seconds cannot be split",
                Granularity::Second,
                span("2024-01-01T00:00:00Z", "2024-01-01T00:00:01Z"),
                &["2024-01-01T00:00:01Z"],
                &[],
            ),
            (
                "outside of the span",
                Granularity::Second,
                span("2024-01-01T00:00:00Z", "2024-01-01T01:00:00Z"),
                &["2023-01-01T00:00:00Z"],
                &[],
            ),
        ];
        let bound = at("2025-01-01");
        for (case, granularity, whole, units, expected) in cases {
            let units: Vec<Datestamp> = units.iter().map(|text| at(text)).collect();
            let spans = around(whole, bound, &units, granularity).unwrap_or_default();
            assert_eq!(spans, expected, "{case}");
        }
    }

    proptest! {
        #[test]
        fn halves_cover_the_whole_and_shrink(
            from in -1_000_000_i64..2_000_000_000,
            length in 0_i64..40_000_000,
            day in any::<bool>(),
        ) {
            let granularity = if day { Granularity::Day } else { Granularity::Second };
            let unit = if day { 86_400 } else { 1 };
            let (from, until) = (Datestamp::from_unix(from), Datestamp::from_unix(from + length));
            if let Some((first, second)) = halve(from, until, granularity) {
                prop_assert_eq!(first.from, Some(from));
                prop_assert_eq!(second.until, Some(until));
                let (end, start) = (first.until.unwrap(), second.from.unwrap());
                prop_assert!(start <= end, "one unit is in both");
                prop_assert!(end < until && start > from, "both are smaller");
            } else {
                let (first, last) = (from.unix().div_euclid(unit), until.unix().div_euclid(unit));
                prop_assert!(last - first < 2);
            }
        }
    }
}
