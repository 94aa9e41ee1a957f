//! The strip of the last 30 days of a job: one cell for each day, by how its runs ended.

use maud::{Markup, html};

use super::words;
use crate::store::{RunDay, day_of};

/// Days in a strip, today included.
pub(super) const DAYS: i64 = 30;

const DAY_MS: i64 = 24 * 3600 * 1000;

/// How the runs of one day ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cell {
    /// No run ended.
    None,
    /// All were complete.
    Good,
    /// Some failed or left something.
    Incomplete,
    /// None did anything but fail.
    Failed,
}

/// The cells, the oldest day first.
pub(super) fn cells(days: &[RunDay], now_ms: i64) -> [Cell; DAYS as usize] {
    let first = day_of(now_ms) - DAYS + 1;
    let mut cells = [Cell::None; DAYS as usize];
    for day in days {
        let place = usize::try_from(day.day - first).ok();
        if let Some(cell) = place.and_then(|place| cells.get_mut(place)) {
            *cell = match (day.complete, day.incomplete, day.failed) {
                (0, 0, 0) => Cell::None,
                (_, 0, 0) => Cell::Good,
                (0, 0, _) => Cell::Failed,
                _ => Cell::Incomplete,
            };
        }
    }
    cells
}

/// The first moment that strips at `now_ms` show.
pub(super) fn since_ms(now_ms: i64) -> i64 {
    now_ms - (DAYS - 1) * DAY_MS
}

/// The strip as a drawing with a description. Neighbours of one kind are one line whose dashes are the
/// cells, so that a hundred strips stay small.
pub(super) fn strip(days: &[RunDay], now_ms: i64) -> Markup {
    let cells = cells(days, now_ms);
    let mut lines = [const { String::new() }; 3];
    let mut place = 0;
    while let Some(&cell) = cells.get(place) {
        let length = cells[place..]
            .iter()
            .take_while(|other| **other == cell)
            .count();
        let line = match cell {
            Cell::None => None,
            Cell::Good => Some(0),
            Cell::Incomplete => Some(1),
            Cell::Failed => Some(2),
        };
        if let Some(line) = line {
            lines[line].push_str(&format!("M{} 10h{}", place * 8, length * 8 - 2));
        }
        place += length;
    }
    html! {
        svg class="strip" role="img" aria-label=(in_words(&cells)) viewBox="0 0 238 20" preserveAspectRatio="none" {
            path d="M0 10h238" {}
            @for (class, line) in ["g", "w", "b"].into_iter().zip(&lines) {
                @if !line.is_empty() { path class=(class) d=(line) {} }
            }
        }
    }
}

/// `Last 30 days: 28 good, 1 incomplete, 1 failed`.
fn in_words(cells: &[Cell]) -> String {
    let kinds = [
        (Cell::Good, "good"),
        (Cell::Incomplete, "incomplete"),
        (Cell::Failed, "failed"),
    ];
    let counts = kinds.map(|(kind, word)| {
        let count = cells.iter().filter(|cell| **cell == kind).count();
        (count as u64, word)
    });
    let said: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{} {word}", words::number(*count)))
        .collect();
    match said.is_empty() {
        true => format!("Last {DAYS} days: no runs"),
        false => format!("Last {DAYS} days: {}", said.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 100 * DAY_MS + 5;

    fn day(day: i64, complete: u64, incomplete: u64, failed: u64) -> RunDay {
        RunDay {
            day,
            complete,
            incomplete,
            failed,
        }
    }

    #[test]
    fn each_day_has_a_cell() {
        let days = [
            day(70, 1, 0, 0),
            day(71, 1, 0, 0),
            day(72, 3, 0, 1),
            day(73, 0, 1, 0),
            day(99, 0, 0, 2),
            day(100, 2, 0, 0),
        ];
        let drawn = cells(&days, NOW_MS);
        let expected = [Cell::Good, Cell::Incomplete, Cell::Incomplete, Cell::None];
        assert_eq!(drawn[..4], expected, "day 70 is outside");
        assert_eq!(drawn[28..], [Cell::Failed, Cell::Good]);
    }

    #[test]
    fn neighbours_are_one_line() {
        let days: Vec<RunDay> = (71..=100).map(|number| day(number, 1, 0, 0)).collect();
        let drawn = strip(&days, NOW_MS).into_string();
        assert!(
            drawn.contains("<path class=\"g\" d=\"M0 10h238\">"),
            "{drawn}"
        );
        assert!(
            drawn.contains("aria-label=\"Last 30 days: 30 good\""),
            "{drawn}"
        );
        let drawn = strip(&[day(72, 0, 0, 1), day(100, 1, 0, 0)], NOW_MS).into_string();
        assert!(drawn.contains("class=\"g\" d=\"M232 10h6\""), "{drawn}");
        assert!(drawn.contains("class=\"b\" d=\"M8 10h6\""), "{drawn}");
        assert!(drawn.contains("Last 30 days: 1 good, 1 failed"), "{drawn}");
        assert!(strip(&[], NOW_MS).into_string().contains("no runs"));
    }
}
