//! Numbers, times and states as people read them.

use chrono::DateTime;

use crate::daemon::board::{DeliveryState, State};
use crate::oai::response::RepairKind;

/// `2026-06-10 12:00 UTC`.
pub(super) fn instant(unix_ms: i64) -> String {
    DateTime::from_timestamp_millis(unix_ms).map_or_else(
        || "at no time".to_owned(),
        |at| at.format("%Y-%m-%d %H:%M UTC").to_string(),
    )
}

/// `40 s`, `5 min`, `3 h`, `12 days`: one unit, cut.
pub(super) fn span(seconds: i64) -> String {
    let seconds = seconds.max(0);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// `1 234 567`, with spaces that do not break.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    grouped
}

/// `3 pages`, `1 page`.
pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

/// What was mended, in words.
pub(super) fn repair(kind: RepairKind) -> String {
    let word = serde_json::to_value(kind).unwrap_or_default();
    word.as_str().unwrap_or_default().replace('_', " ")
}

/// What a source is doing, as a sentence without full stop.
pub(super) fn state(state: Option<&State>, now_ms: i64) -> String {
    let left = |until_ms: i64| span((until_ms - now_ms + 999) / 1000);
    match state {
        None => "No longer configured; its records stay".to_owned(),
        Some(State::Running {
            since_ms,
            pages,
            records,
            waiting,
            stopping,
        }) => {
            let mut text = format!(
                "Harvesting for {}: {}, {}",
                span((now_ms - since_ms) / 1000),
                counted(*pages, "page", "pages"),
                counted(*records, "record", "records"),
            );
            if let Some(wait) = waiting.as_ref().filter(|wait| wait.until_ms > now_ms) {
                text.push_str(&format!("; waits {} ({})", left(wait.until_ms), wait.why));
            }
            if *stopping {
                text.push_str("; stops after this page");
            }
            text
        }
        Some(State::Due { why }) => format!("Due; waits for {why}"),
        Some(State::Waiting(wait)) => format!(
            "Next pass in {} ({}); waits for {}",
            left(wait.until_ms),
            instant(wait.until_ms),
            wait.why
        ),
        Some(State::Paused { since_ms }) => format!("Paused since {}", instant(*since_ms)),
        Some(State::OnDemand) => "Harvested on demand only".to_owned(),
    }
}

/// What an output or export is doing, as a sentence without full stop.
pub(super) fn delivery(state: &DeliveryState, now_ms: i64) -> String {
    let left = |until_ms: i64| span((until_ms - now_ms + 999) / 1000);
    match state {
        DeliveryState::Running {
            since_ms,
            done,
            total,
            stopping,
        } => {
            let mut text = format!(
                "At work for {}: {} of {} changes",
                span((now_ms - since_ms) / 1000),
                number(*done),
                number(*total),
            );
            if *stopping {
                text.push_str("; stops");
            }
            text
        }
        DeliveryState::Due { why } => format!("Due; waits for {why}"),
        DeliveryState::Waiting(wait) => {
            format!(
                "Next time in {}; waits for {}",
                left(wait.until_ms),
                wait.why
            )
        }
        DeliveryState::Retrying(wait) => {
            format!(
                "Failed; tried again in {}, after {}",
                left(wait.until_ms),
                wait.why
            )
        }
        DeliveryState::OnDemand => "Nothing is planned".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::board::Wait;

    #[test]
    fn numbers_and_spans() {
        let cases = [
            (0, "0", "0 s"),
            (119, "119", "119 s"),
            (3_600, "3\u{202f}600", "60 min"),
            (172_799, "172\u{202f}799", "47 h"),
            (1_234_567, "1\u{202f}234\u{202f}567", "14 days"),
        ];
        for (value, grouped, time) in cases {
            assert_eq!(number(value), grouped);
            assert_eq!(span(value.cast_signed()), time);
        }
        assert_eq!(instant(1_780_315_200_000), "2026-06-01 12:00 UTC");
    }

    #[test]
    fn states_are_sentences() {
        let wait = |until_ms| Wait {
            until_ms,
            why: "its schedule".to_owned(),
        };
        let running = State::Running {
            since_ms: 0,
            pages: 1,
            records: 1_200,
            waiting: Some(wait(70_000)),
            stopping: true,
        };
        let cases = [
            (
                Some(running),
                "Harvesting for 60 s: 1 page, 1\u{202f}200 records; waits 10 s (its schedule); \
                 stops after this page",
            ),
            (
                Some(State::Waiting(wait(7_260_000))),
                "Next pass in 2 h (1970-01-01 02:01 UTC); waits for its schedule",
            ),
            (
                Some(State::Due {
                    why: "a place".into(),
                }),
                "Due; waits for a place",
            ),
            (None, "No longer configured; its records stay"),
        ];
        for (shown, expected) in cases {
            assert_eq!(state(shown.as_ref(), 60_000), expected);
        }
    }
}
