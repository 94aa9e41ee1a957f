//! Gaps: which of them a run tries again, and how they are shown to people.

use crate::oai::Datestamp;
use crate::store::{Gap, NewWindow, Source};

/// One run tries at most this many gaps again. It stops earlier if they fail.
const MAX_TRIED: usize = 200;

/// At most this many gaps are described; the others are counted.
const MAX_DESCRIBED: usize = 3;

/// The windows of the gaps that a run tries again: those whose pause is over, the longest due first, at
/// most 200.
pub(super) fn due_gaps(gaps: &[Gap], now_ms: i64) -> Vec<NewWindow> {
    let mut due: Vec<&Gap> = gaps.iter().filter(|gap| gap.next_at <= now_ms).collect();
    due.sort_by_key(|gap| gap.next_at);
    due.truncate(MAX_TRIED);
    due.into_iter()
        .map(|gap| NewWindow {
            set_spec: gap.set_spec.clone(),
            span: gap.span,
        })
        .collect()
}

/// How far a source is complete, and which gaps it has; `None` if it has none.
///
/// For example: complete up to 2026-11-28T04:00:00Z, except 2 seconds from 2026-11-03T12:00:07Z
/// (HTTP 500; 4 attempts, next in 6 hours).
pub fn gaps_in_words(source: &Source, gaps: &[Gap], now_ms: i64) -> Option<String> {
    let first = gaps.first()?;
    let heads = gaps.iter().map(|gap| source.head(gap.set_spec.as_deref()));
    let mut text = match heads.min().flatten() {
        Some(head) => format!("complete up to {head}, except "),
        None => "not complete: missing ".to_owned(),
    };
    if gaps.len() == 1 {
        text.push_str(&gap_in_words(first, now_ms));
        return Some(text);
    }
    let described = gaps.iter().take(MAX_DESCRIBED);
    let described: Vec<String> = described.map(|gap| gap_in_words(gap, now_ms)).collect();
    text.push_str(&format!("{} spans: {}", gaps.len(), described.join(", ")));
    if gaps.len() > MAX_DESCRIBED {
        text.push_str(&format!(", and {} more", gaps.len() - MAX_DESCRIBED));
    }
    Some(text)
}

/// One gap in words, such as `2 seconds from 2026-11-03T12:00:07Z (HTTP 500; 4 attempts, next in 6 hours)`.
fn gap_in_words(gap: &Gap, now_ms: i64) -> String {
    let span = match (gap.span.from, gap.span.until) {
        (Some(from), Some(until)) => format!("{} from {from}", length_in_words(from, until)),
        (None, Some(until)) => format!("all up to {until}"),
        (from, None) => from.map_or_else(|| "all".to_owned(), |from| format!("all from {from}")),
    };
    let set = match &gap.set_spec {
        Some(set) => format!(" of set {set}"),
        None => String::new(),
    };
    let attempts = match gap.attempts {
        1 => "1 attempt".to_owned(),
        attempts => format!("{attempts} attempts"),
    };
    let next = match gap.next_at.saturating_sub(now_ms) {
        ..=0 => "due now".to_owned(),
        left => format!("next in {}", pause_in_words(left)),
    };
    let reason = answer_in(&gap.reason);
    format!("{span}{set} ({reason}; {attempts}, {next})")
}

/// The answer in the reason of a gap, without the request, and cut off after some words.
fn answer_in(reason: &str) -> String {
    const LONGEST: usize = 300;
    let answer = reason
        .strip_prefix("GET ")
        .and_then(|request| request.split_once(' '))
        .map_or(reason, |(_, answer)| answer);
    let mut text: String = answer.chars().take(LONGEST).collect();
    if text.len() < answer.len() {
        text.push('…');
    }
    text
}

/// The number of days, or of seconds, from one datestamp to another, both counted.
fn length_in_words(from: Datestamp, until: Datestamp) -> String {
    const DAY: i64 = 86_400;
    let (from, until) = (from.unix(), until.unix());
    let by_days = from.rem_euclid(DAY) == 0 && until.rem_euclid(DAY) == 0 && until > from;
    let (length, unit) = if by_days {
        ((until - from) / DAY + 1, "day")
    } else {
        (until - from + 1, "second")
    };
    let plural = if length == 1 { "" } else { "s" };
    format!("{length} {unit}{plural}")
}

/// A pause in minutes, hours or days, rounded up.
fn pause_in_words(pause_ms: i64) -> String {
    const MINUTE: i64 = 60_000;
    let minutes = pause_ms.saturating_add(MINUTE - 1) / MINUTE;
    let (count, unit) = match minutes {
        ..=90 => (minutes, "minute"),
        91..=2_880 => ((minutes + 59) / 60, "hour"),
        _ => ((minutes + 1_439) / 1_440, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Head, Span};

    fn gap(from: Option<i64>, until: i64) -> Gap {
        Gap {
            id: 1,
            set_spec: None,
            span: Span {
                from: from.map(Datestamp::from_unix),
                until: Some(Datestamp::from_unix(until)),
            },
            reason: "HTTP 500".to_owned(),
            attempts: 4,
            empty_reads: 0,
            first_at: 0,
            next_at: 6 * 3_600_000,
        }
    }

    fn source() -> Source {
        Source {
            heads: vec![Head {
                set_spec: None,
                datestamp: Datestamp::from_unix(1_000_000),
            }],
            ..Source::unknown("s".to_owned())
        }
    }

    #[test]
    fn gaps_are_told_in_words() {
        let words = |gaps: &[Gap]| gaps_in_words(&source(), gaps, 0).unwrap_or_default();
        assert_eq!(words(&[]), "");
        assert_eq!(
            words(&[gap(Some(7), 8)]),
            "complete up to 1970-01-12T13:46:40Z, except 2 seconds from 1970-01-01T00:00:07Z \
             (HTTP 500; 4 attempts, next in 6 hours)"
        );
        let many: Vec<Gap> = (0..5)
            .map(|day| gap(Some(day * 86_400), (day + 1) * 86_400))
            .collect();
        let text = words(&many);
        assert!(
            text.contains("except 5 spans: 2 days from 1970-01-01T00:00:00Z"),
            "{text}"
        );
        assert!(text.ends_with("and 2 more"), "{text}");
        let unproven = gaps_in_words(&Source::unknown("s".to_owned()), &[gap(None, 7)], i64::MAX);
        assert_eq!(
            unproven.unwrap(),
            "not complete: missing all up to 1970-01-01T00:00:07Z (HTTP 500; 4 attempts, due now)"
        );
    }

    #[test]
    fn the_answer_in_a_reason_is_short() {
        let reason = "GET http://a.org/oai?verb=ListRecords answered HTTP 500";
        assert_eq!(answer_in(reason), "answered HTTP 500");
        assert_eq!(
            answer_in("no answer about 1 records"),
            "no answer about 1 records"
        );
        assert_eq!(answer_in(&"é".repeat(400)).chars().count(), 301);
    }

    #[test]
    fn pauses_are_rounded_up() {
        let cases = [
            (1, "1 minute"),
            (90 * 60_000, "90 minutes"),
            (91 * 60_000, "2 hours"),
            (49 * 3_600_000, "3 days"),
        ];
        for (pause, words) in cases {
            assert_eq!(pause_in_words(pause), words);
        }
    }

    #[test]
    fn due_gaps_are_tried_the_longest_due_first() {
        let at = |from: i64, next_at| Gap {
            next_at,
            ..gap(Some(from), from + 1)
        };
        let due = due_gaps(&[at(10, 7), at(20, 5), at(40, 9)], 8);
        let begins: Vec<Option<i64>> = due
            .iter()
            .map(|window| window.span.from.map(Datestamp::unix))
            .collect();
        assert_eq!(begins, [Some(20), Some(10)]);
    }
}
