//! The next pass over a source.

use crate::oai::Datestamp;
use crate::store::{Gap, NewWindow, Pass, PassKind, Source, Span, Traits};

use super::settings::SourceSettings;
use super::{request_form, span};

/// A request begins at most this many seconds or days earlier. Behind so many quiet days there is
/// nothing to list.
const MAX_EARLIER: u32 = 400;

/// The options of one run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// List everything again, whatever the watermark is.
    pub full: bool,
    /// List from this datestamp on, instead of from the watermark.
    pub from: Option<Datestamp>,
    /// List up to this datestamp.
    pub until: Option<Datestamp>,
    /// Stop after this many items. The pass stays open.
    pub limit: Option<u64>,
}

/// The next pass over one source.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Plan {
    /// Go on with an interrupted pass.
    Resume(Pass),
    /// Begin a new pass.
    ///
    /// A requested part leaves an interrupted pass as it is; that pass goes on afterwards.
    Begin {
        /// Everything, the changes, or a requested part.
        kind: PassKind,
        /// The windows of each set, or of the whole repository: one, or those around its gaps.
        windows: Vec<NewWindow>,
        /// Whether the complete pass moves the watermark.
        moves_watermark: bool,
        /// Whether an interrupted pass is abandoned for it.
        replaces_open: bool,
    },
    /// The requested span ends before it begins.
    Nothing,
}

/// Decides on the next pass.
///
/// An interrupted pass goes on unless the options request something else. A new pass starts at each
/// list's head less the overlap, and never below the source's lower bound. It leaves the gaps of the
/// list out, unless the options request everything or a span. It moves the watermark only if all before
/// its start is read. A requested later start moves none, since records that appear late lie within the
/// overlap.
pub(super) fn plan(
    source: &Source,
    open: Option<Pass>,
    gaps: &[Gap],
    settings: &SourceSettings,
    options: &RunOptions,
) -> Plan {
    let is_part = options.from.is_some() || options.until.is_some();
    // A request for a full list goes on with an interrupted full list.
    let fits = |open: &Pass| !is_part && (!options.full || open.kind == PassKind::Full);
    if let Some(open) = open.filter(fits) {
        return Plan::Resume(open);
    }
    let whole = settings.sets.is_empty() || source.traits.ignores_sets == Some(true);
    let lists: Vec<Option<&str>> = if whole {
        vec![None]
    } else {
        settings.sets.iter().map(|set| Some(set.as_str())).collect()
    };
    let overlap = i64::try_from(settings.overlap.as_secs()).unwrap_or(i64::MAX);
    let earlier = earlier_seconds(&source.traits);
    let mut from_the_start = true;
    let mut moves_watermark = true;
    let mut windows = Vec::new();
    for set in lists {
        let proven = source.head(set);
        // All records before this are read, also those that appeared late, or are not wanted.
        let gapless_from = proven
            .map(|proven| proven.plus_seconds(overlap.saturating_neg()))
            .max(settings.from);
        let start = if options.full {
            settings.from
        } else {
            // Earlier leaves no gap.
            gapless_from
                .map(|from| from.plus_seconds(-earlier))
                .max(settings.from)
        };
        from_the_start &= start == settings.from;
        let from = options.from.or(start);
        if from > gapless_from {
            moves_watermark = false;
        }
        let until = options.until.or(settings.until);
        // Repositories answer a span with crossed ends in any way, from an error to everything.
        if from.zip(until).is_some_and(|(from, until)| from > until) {
            continue;
        }
        let of_list = gaps.iter().filter(|gap| gap.set_spec.as_deref() == set);
        let whole = Span { from, until };
        let spans = if options.full || is_part {
            vec![whole]
        } else {
            around(whole, of_list.map(|gap| gap.span))
        };
        windows.extend(spans.into_iter().map(|span| NewWindow {
            set_spec: set.map(str::to_owned),
            span,
        }));
    }
    if windows.is_empty() {
        return Plan::Nothing;
    }
    // A new set does not make the pass a full one.
    let kind = match from_the_start {
        _ if is_part => PassKind::Part,
        true => PassKind::Full,
        false => PassKind::Since,
    };
    Plan::Begin {
        kind,
        windows,
        moves_watermark,
        replaces_open: !is_part,
    }
}

/// By how much the first request of a pass begins earlier after passes in which a list had nothing.
///
/// Some repositories answer the same request from a cache for ever, so the request has to differ.
fn earlier_seconds(traits: &Traits) -> i64 {
    let unit = span::unit_seconds(request_form::granularity(traits));
    i64::from(traits.empty_passes.min(MAX_EARLIER)) * unit
}

/// The parts of `whole` that lie outside of `gaps`. Parts and gaps share their ends.
fn around(whole: Span, gaps: impl Iterator<Item = Span>) -> Vec<Span> {
    let mut gaps: Vec<Span> = gaps.collect();
    gaps.sort_unstable_by_key(|gap| (gap.from, gap.until));
    let mut parts = Vec::new();
    let mut from = whole.from;
    let mut push = |from: Option<Datestamp>, until: Option<Datestamp>| {
        if from.zip(until).is_none_or(|(from, until)| from < until) {
            parts.push(Span { from, until });
        }
    };
    for gap in gaps {
        let ends_before = gap.until <= from && gap.until.is_some();
        let begins_after = whole.until.is_some() && gap.from >= whole.until;
        if ends_before || begins_after {
            continue;
        }
        if gap.from > from {
            push(from, gap.from);
        }
        from = from.max(gap.until);
    }
    push(from, whole.until);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::ClientSettings;
    use crate::oai::Granularity;
    use crate::store::{SourceId, Version, Watermark};

    fn at(text: &str) -> Datestamp {
        Datestamp::parse(text).unwrap().0
    }

    fn source(watermark: Option<&str>) -> Source {
        Source {
            id: SourceId(1),
            name: "doaj".into(),
            base_url: "https://doaj.org/oai.article".into(),
            metadata_prefix: "oai_doaj".into(),
            sets: vec![],
            floor: None,
            watermarks: watermark
                .map(|text| Watermark {
                    set_spec: None,
                    datestamp: at(text),
                    version: Version(7),
                })
                .into_iter()
                .collect(),
            heads: vec![],
            live_records: 0,
            deleted_records: 0,
            traits: Traits::default(),
        }
    }

    fn settings(from: Option<&str>) -> SourceSettings {
        let client = ClientSettings::new("https://doaj.org/oai.article".parse().unwrap());
        SourceSettings {
            from: from.map(at),
            ..SourceSettings::new("doaj", client, "oai_doaj")
        }
    }

    #[test]
    fn a_request_that_brought_nothing_is_not_sent_again() {
        let asked = |granularity, empty_passes, from| {
            let mut source = source(Some("2026-04-03T12:00:00Z"));
            source.traits.granularity = Some(granularity);
            source.traits.empty_passes = empty_passes;
            match plan(&source, None, &[], &settings(from), &RunOptions::default()) {
                Plan::Begin {
                    windows,
                    moves_watermark,
                    ..
                } => {
                    assert!(moves_watermark);
                    windows[0].span.from.unwrap().to_string()
                }
                other => panic!("{other:?}"),
            }
        };
        let (second, day) = (Granularity::Second, Granularity::Day);
        let cases = [
            (second, 0, None, "2026-04-01T12:00:00Z"),
            (second, 1, None, "2026-04-01T11:59:59Z"),
            (second, 9, None, "2026-04-01T11:59:51Z"),
            (day, 2, None, "2026-03-30T12:00:00Z"),
            (
                second,
                9,
                Some("2026-04-01T11:59:55Z"),
                "2026-04-01T11:59:55Z",
            ),
            (second, 5_000, None, "2026-04-01T11:53:20Z"),
        ];
        for (granularity, empty_passes, from, expected) in cases {
            assert_eq!(asked(granularity, empty_passes, from), expected);
        }
    }

    #[test]
    fn a_pass_leaves_gaps_out() {
        let at = |unix: Option<i64>| unix.map(Datestamp::from_unix);
        let span = |(from, until)| Span {
            from: at(from),
            until: at(until),
        };
        type Ends = (Option<i64>, Option<i64>);
        let cases: [(&str, Ends, &[Ends], &[Ends]); 9] = [
            ("none", (Some(5), None), &[], &[(Some(5), None)]),
            (
                "one in the middle",
                (Some(5), None),
                &[(Some(7), Some(9))],
                &[(Some(5), Some(7)), (Some(9), None)],
            ),
            (
                "neighbours",
                (Some(5), None),
                &[(Some(8), Some(9)), (Some(7), Some(8))],
                &[(Some(5), Some(7)), (Some(9), None)],
            ),
            (
                "one before",
                (Some(5), None),
                &[(None, Some(5))],
                &[(Some(5), None)],
            ),
            (
                "over the beginning",
                (Some(5), None),
                &[(Some(3), Some(7))],
                &[(Some(7), None)],
            ),
            (
                "from the beginning",
                (None, None),
                &[(None, Some(7))],
                &[(Some(7), None)],
            ),
            (
                "after the beginning",
                (None, Some(9)),
                &[(Some(3), Some(4))],
                &[(None, Some(3)), (Some(4), Some(9))],
            ),
            (
                "after the end",
                (Some(5), Some(9)),
                &[(Some(9), Some(12))],
                &[(Some(5), Some(9))],
            ),
            (
                "one within another",
                (Some(5), None),
                &[(Some(6), Some(10)), (Some(7), Some(8))],
                &[(Some(5), Some(6)), (Some(10), None)],
            ),
        ];
        for (case, whole, gaps, expected) in cases {
            let parts = around(span(whole), gaps.iter().copied().map(span));
            let expected: Vec<Span> = expected.iter().copied().map(span).collect();
            assert_eq!(parts, expected, "{case}");
        }
    }

    #[test]
    fn a_requested_end_before_the_watermark_plans_nothing() {
        let end = at("2026-03-01T00:00:00Z");
        let options = RunOptions {
            until: Some(end),
            ..RunOptions::default()
        };
        let source = source(Some("2026-04-03T12:00:00Z"));
        assert_eq!(
            plan(&source, None, &[], &settings(None), &options),
            Plan::Nothing
        );
    }

    #[test]
    fn a_new_set_does_not_make_the_pass_a_full_one() {
        let mut source = source(Some("2026-04-03T12:00:00Z"));
        source.watermarks[0].set_spec = Some("a".to_owned());
        let settings = |sets: &[&str]| SourceSettings {
            sets: sets.iter().map(ToString::to_string).collect(),
            ..settings(None)
        };
        for (sets, full, expected) in [
            (&["a"][..], false, PassKind::Since),
            (&["a", "b"], false, PassKind::Since),
            (&["b"], false, PassKind::Full),
            (&["a", "b"], true, PassKind::Full),
        ] {
            let options = RunOptions {
                full,
                ..RunOptions::default()
            };
            let Plan::Begin { kind, .. } = plan(&source, None, &[], &settings(sets), &options)
            else {
                panic!("{sets:?}: no pass");
            };
            assert_eq!(kind, expected, "{sets:?}");
        }
    }

    #[test]
    fn a_pass_starts_at_the_watermark_less_the_overlap() {
        let full = RunOptions {
            full: true,
            ..RunOptions::default()
        };
        let since = |from: &str| RunOptions {
            from: Some(at(from)),
            ..RunOptions::default()
        };
        let cases = [
            (
                "first pass",
                None,
                None,
                RunOptions::default(),
                (None, PassKind::Full, true),
            ),
            (
                "next pass, two days back",
                Some("2026-04-03T12:00:00Z"),
                None,
                RunOptions::default(),
                (Some("2026-04-01T12:00:00Z"), PassKind::Since, true),
            ),
            (
                "never below the lower bound",
                Some("2026-04-03T12:00:00Z"),
                Some("2026-04-03"),
                RunOptions::default(),
                (Some("2026-04-03"), PassKind::Full, true),
            ),
            (
                "everything again",
                Some("2026-04-03T12:00:00Z"),
                None,
                full,
                (None, PassKind::Full, true),
            ),
            (
                "a requested start without a gap",
                Some("2026-04-03T12:00:00Z"),
                None,
                since("2026-03-01"),
                (Some("2026-03-01"), PassKind::Part, true),
            ),
            (
                "a requested start with a gap",
                Some("2026-04-03T12:00:00Z"),
                None,
                since("2026-05-01"),
                (Some("2026-05-01"), PassKind::Part, false),
            ),
            (
                "a requested start with a gap within the overlap",
                Some("2026-04-03T12:00:00Z"),
                None,
                since("2026-04-02"),
                (Some("2026-04-02"), PassKind::Part, false),
            ),
            (
                "a requested start with the overlap",
                Some("2026-04-03T12:00:00Z"),
                None,
                since("2026-04-01T12:00:00Z"),
                (Some("2026-04-01T12:00:00Z"), PassKind::Part, true),
            ),
            (
                "a requested start without a watermark",
                None,
                None,
                since("2026-05-01"),
                (Some("2026-05-01"), PassKind::Part, false),
            ),
        ];
        for (case, watermark, floor, options, (from, kind, moves)) in cases {
            let plan = plan(&source(watermark), None, &[], &settings(floor), &options);
            let expected = Plan::Begin {
                kind,
                windows: vec![NewWindow {
                    set_spec: None,
                    span: Span {
                        from: from.map(at),
                        until: None,
                    },
                }],
                moves_watermark: moves,
                replaces_open: kind != PassKind::Part,
            };
            assert_eq!(plan, expected, "{case}");
        }
    }
}
