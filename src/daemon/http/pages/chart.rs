//! Bar charts of the records received on each of the last days.

use chrono::DateTime;
use maud::{Markup, html};

use super::words;
use crate::store::Day;

const HEIGHT: u64 = 40;
const WIDTH: i64 = 360;
const DAY_MS: i64 = 24 * 3600 * 1000;

/// A bar that is this many times as high as the next one is cut, or the others would not be visible.
const CUT: u64 = 10;

/// A chart of new and changed records and a chart of deletions for the last `days` days; nothing if no
/// pass started on these days.
pub(super) fn charts(received: &[Day], now_ms: i64, days: i64) -> Markup {
    let today = now_ms.div_euclid(DAY_MS) * DAY_MS;
    let first = today - (days - 1) * DAY_MS;
    let shown: Vec<&Day> = received.iter().filter(|day| day.day_ms >= first).collect();
    let charts = [
        (
            "New and changed records",
            "bar",
            values(&shown, |day| day.new + day.changed),
        ),
        ("Deletions", "bar gone", values(&shown, |day| day.deleted)),
    ];
    html! {
        @if !shown.is_empty() {
            div class="charts" {
                @for (name, class, values) in charts { (chart(name, class, &values, first, days)) }
            }
        }
    }
}

fn values(days: &[&Day], value: impl Fn(&Day) -> u64) -> Vec<(i64, u64)> {
    days.iter().map(|day| (day.day_ms, value(day))).collect()
}

fn chart(name: &str, class: &str, values: &[(i64, u64)], first: i64, days: i64) -> Markup {
    let most = highest(values);
    let largest = values.iter().map(|(_, value)| *value).max().unwrap_or(0);
    let step = WIDTH / days;
    let width = step * days;
    let label = format!("{name}, at most {} a day", words::number(largest));
    html! {
        figure {
            figcaption { (label) }
            svg class="chart" role="img" aria-label={ (label) " since " (date(first)) }
                viewBox={ "0 0 " (width) " " (HEIGHT) } width=(width) height=(HEIGHT) {
                line class="ground" x1="0" x2=(width) y1=(HEIGHT) y2=(HEIGHT) {}
                @for (day, value) in values {
                    // A small value stays visible, and a day with a pass but no records is a line.
                    @let height = ((*value).min(most) * (HEIGHT - 2) / most)
                        .max(if *value > 0 { 3 } else { 1 });
                    rect class=(if *value > most { format!("{class} cut") } else { class.to_owned() })
                        x=((day - first) / DAY_MS * step) y=(HEIGHT - height)
                        width=((step - 1).max(2)) height=(height) {
                        title { (date(*day)) ": " (words::number(*value)) }
                    }
                }
            }
            p class="axis" { span { (date(first)) } span { "today" } }
        }
    }
}

/// The value of a full bar: the largest one, or twice the second if the largest is far above it.
fn highest(values: &[(i64, u64)]) -> u64 {
    let mut sorted: Vec<u64> = values.iter().map(|(_, value)| *value).collect();
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    let most = match sorted.as_slice() {
        [first, second, ..] if *second > 0 && *first > CUT * second => 2 * second,
        [first, ..] => *first,
        [] => 0,
    };
    most.max(1)
}

fn date(unix_ms: i64) -> String {
    DateTime::from_timestamp_millis(unix_ms)
        .map_or_else(String::new, |at| at.format("%Y-%m-%d").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(number: i64, new: u64, deleted: u64) -> Day {
        Day {
            day_ms: number * DAY_MS,
            new,
            changed: 0,
            deleted,
            passes: 1,
        }
    }

    /// Position and height of each bar.
    fn bars(drawn: &str) -> Vec<(String, String)> {
        let attribute = |bar: &str, name: &str| -> String {
            let (_, rest) = bar.split_once(&format!(" {name}=\"")).unwrap();
            rest.split('"').next().unwrap().to_owned()
        };
        let bars = drawn.split("<rect ").skip(1);
        bars.map(|bar| (attribute(bar, "x"), attribute(bar, "height")))
            .collect()
    }

    #[test]
    fn each_day_has_a_bar() {
        let days = [
            day(60, 7, 7),
            day(70, 0, 0),
            day(71, 500, 1),
            day(99, 1_000, 2),
        ];
        let drawn = charts(&days, 99 * DAY_MS + 5, 30).into_string();
        let expected = [
            ("0", "1"),
            ("12", "19"),
            ("348", "38"),
            ("0", "1"),
            ("12", "19"),
            ("348", "38"),
        ];
        let expected = expected.map(|(x, height)| (x.to_owned(), height.to_owned()));
        assert_eq!(bars(&drawn), expected, "the first day is outside the chart");
        assert!(drawn.contains("at most 1\u{202f}000 a day"), "{drawn}");
        assert!(charts(&days[..1], 99 * DAY_MS, 30).into_string().is_empty());
    }

    #[test]
    fn a_bar_far_above_the_others_is_cut() {
        let days = [day(98, 1_000_000, 0), day(99, 100, 0)];
        let drawn = charts(&days, 99 * DAY_MS, 30).into_string();
        assert_eq!(bars(&drawn)[1].1, "19", "half of the height");
        assert_eq!(drawn.matches("bar cut").count(), 1);
        assert!(
            drawn.contains("at most 1\u{202f}000\u{202f}000 a day"),
            "{drawn}"
        );
    }
}
