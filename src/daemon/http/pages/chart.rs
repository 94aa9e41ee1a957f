//! The chart of a source: new, changed and deleted records of each of the last days, with a scale.

use chrono::DateTime;
use maud::{Markup, html};

use super::words;
use crate::store::Day;

const DAY_MS: i64 = 24 * 3600 * 1000;

/// The size of the bars' field, and the room for the scale beside it.
const HEIGHT: u64 = 140;
const WIDTH: i64 = 720;
const SCALE: i64 = 64;

/// A day that is this many times as high as the next one is cut, or the others would not be visible.
const CUT: u64 = 10;

/// One day's stack of bars, in heights of the field.
#[derive(Debug, PartialEq, Eq)]
struct Bar {
    /// Days since the first one of the chart.
    place: i64,
    /// New, changed and deleted records, from the ground up.
    heights: [u64; 3],
    /// The records, if they are more than the scale shows.
    cut: Option<u64>,
    /// The day in words.
    text: String,
}

/// The chart of the last `days` days; nothing if these had no changes.
pub(super) fn chart(received: &[Day], now_ms: i64, days: i64) -> Markup {
    let today = now_ms.div_euclid(DAY_MS) * DAY_MS;
    let first = today - (days - 1) * DAY_MS;
    let shown: Vec<&Day> = received.iter().filter(|day| day.day_ms >= first).collect();
    let most = scale_of(&shown);
    let bars = bars(&shown, first, most);
    let step = (WIDTH - SCALE) / days;
    let right = SCALE + step * days;
    html! {
        @if shown.iter().any(|day| sum(day) > 0) {
            figure {
                ul class="legend" {
                    li class="new" { "new" } li class="changed" { "changed" } li class="deleted" { "deleted" }
                }
                svg class="chart" role="img" viewBox={ "0 0 " (WIDTH) " " (HEIGHT + 30) }
                    aria-label={ "Records of each day since " (date(first)) ", up to " (words::number(most)) " a day" } {
                    @for part in [0, 1, 2] {
                        @let height = 10 + HEIGHT - HEIGHT * part / 2;
                        line class="rule" x1=(SCALE) x2=(right) y1=(height) y2=(height) {}
                        text x=(SCALE - 6) y=(height + 4) text-anchor="end" { (words::number(most * part / 2)) }
                    }
                    @for bar in &bars { (stack(bar, step)) }
                    text x=(SCALE) y=(HEIGHT + 26) { (date(first)) }
                    text x=(right) y=(HEIGHT + 26) text-anchor="end" { "today" }
                }
                figcaption class="hint" { "Records by day, in UTC" }
            }
        }
    }
}

fn stack(bar: &Bar, step: i64) -> Markup {
    let x = SCALE + bar.place * step;
    let mut ground = 10 + HEIGHT;
    let parts = ["new", "changed", "deleted"].into_iter().zip(bar.heights);
    let parts: Vec<(&str, u64, u64)> = parts
        .filter(|(_, height)| *height > 0)
        .map(|(class, height)| {
            ground -= height;
            (class, ground, height)
        })
        .collect();
    html! {
        g {
            title { (bar.text) }
            @for (class, top, height) in &parts {
                rect class=(class) x=(x) width=((step - 1).max(2)) y=(top) height=(height) {}
            }
            @if let Some(all) = bar.cut {
                text x=(x + step) y="9" { "↑ " (words::number(all)) }
            }
        }
    }
}

fn sum(day: &Day) -> u64 {
    day.new + day.changed + day.deleted
}

fn bars(shown: &[&Day], first: i64, most: u64) -> Vec<Bar> {
    let bar = |day: &&Day| {
        let mut left = HEIGHT;
        let heights = [day.new, day.changed, day.deleted].map(|count| {
            // A small number stays visible, and what is above the scale is cut.
            let least = if count > 0 { 2 } else { 0 };
            let height = (count.saturating_mul(HEIGHT) / most).max(least).min(left);
            left -= height;
            height
        });
        Bar {
            place: (day.day_ms - first) / DAY_MS,
            heights,
            cut: (sum(day) > most).then(|| sum(day)),
            text: format!(
                "{}: {} new, {} changed, {} deleted",
                date(day.day_ms),
                words::number(day.new),
                words::number(day.changed),
                words::number(day.deleted)
            ),
        }
    };
    shown.iter().filter(|day| sum(day) > 0).map(bar).collect()
}

/// The number at the top of the scale: even and round, and at least the largest day, unless this one is far
/// above all others.
fn scale_of(days: &[&Day]) -> u64 {
    let mut sums: Vec<u64> = days.iter().map(|day| sum(day)).collect();
    sums.sort_unstable_by(|a, b| b.cmp(a));
    let most = match sums.as_slice() {
        [first, second, ..] if *second > 0 && *first > CUT * second => 2 * second,
        [first, ..] => *first,
        [] => 0,
    };
    let mut power = 1_u64;
    loop {
        for step in [2, 4, 10] {
            if let Some(round) = power.checked_mul(step).filter(|round| *round >= most) {
                return round;
            }
        }
        match power.checked_mul(10) {
            Some(next) => power = next,
            None => return most,
        }
    }
}

fn date(unix_ms: i64) -> String {
    DateTime::from_timestamp_millis(unix_ms)
        .map_or_else(String::new, |at| at.format("%Y-%m-%d").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(number: i64, new: u64, changed: u64, deleted: u64) -> Day {
        Day {
            day_ms: number * DAY_MS,
            new,
            changed,
            deleted,
            passes: 1,
        }
    }

    #[test]
    fn the_scale_is_round_and_fits_the_largest_day() {
        let cases: [(&[u64], u64); 7] = [
            (&[], 2),
            (&[0], 2),
            (&[3], 4),
            (&[5, 1], 10),
            (&[1_001, 900], 2_000),
            (&[1_000_000, 100], 200),
            (&[1_000_000], 1_000_000),
        ];
        for (counts, expected) in cases {
            let days: Vec<Day> = (0..)
                .zip(counts)
                .map(|(at, new)| day(at, *new, 0, 0))
                .collect();
            let days: Vec<&Day> = days.iter().collect();
            assert_eq!(scale_of(&days), expected, "{counts:?}");
        }
    }

    #[test]
    fn each_day_is_a_stack() {
        let days = [
            day(60, 7, 7, 7),
            day(70, 0, 0, 0),
            day(71, 500, 250, 1),
            day(99, 0, 1_000, 0),
        ];
        let shown: Vec<&Day> = days[1..].iter().collect();
        let stacks = bars(&shown, 70 * DAY_MS, 1_000);
        let heights: Vec<(i64, [u64; 3])> =
            stacks.iter().map(|bar| (bar.place, bar.heights)).collect();
        assert_eq!(heights, [(1, [70, 35, 2]), (29, [0, 140, 0])]);
        assert_eq!(
            stacks[0].text,
            "1970-03-13: 500 new, 250 changed, 1 deleted"
        );
        let drawn = chart(&days, 99 * DAY_MS + 5, 30).into_string();
        assert!(drawn.contains("up to 1\u{202f}000 a day"), "{drawn}");
        assert_eq!(drawn.matches("<rect ").count(), 4, "{drawn}");
        assert!(chart(&days[..2], 99 * DAY_MS, 30).into_string().is_empty());
    }

    #[test]
    fn a_day_far_above_the_others_is_cut() {
        let days = [day(98, 1_000_000, 0, 0), day(99, 100, 0, 0)];
        let shown: Vec<&Day> = days.iter().collect();
        let stacks = bars(&shown, 98 * DAY_MS, scale_of(&shown));
        assert_eq!(stacks[0].heights, [HEIGHT, 0, 0]);
        assert_eq!((stacks[0].cut, stacks[1].cut), (Some(1_000_000), None));
        assert_eq!(stacks[1].heights, [HEIGHT / 2, 0, 0]);
        let drawn = chart(&days, 99 * DAY_MS, 30).into_string();
        assert!(drawn.contains("↑ 1\u{202f}000\u{202f}000"), "{drawn}");
    }
}
