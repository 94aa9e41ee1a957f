//! The progress of a pass in numbers, and as a line of text.

use std::fmt::Write;
use std::time::Duration;

use indicatif::HumanCount;

use crate::harvest::progress::Page;

/// Sums over the pages of one pass.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    sums: Page,
    total: Option<u64>,
}

impl Tally {
    /// Counts a page.
    pub(super) fn add(&mut self, page: &Page) {
        let Page {
            records,
            new,
            changed,
            unchanged,
            deleted,
            server_wait,
            own_time,
        } = &mut self.sums;
        *records = records.saturating_add(page.records);
        *new = new.saturating_add(page.new);
        *changed = changed.saturating_add(page.changed);
        *unchanged = unchanged.saturating_add(page.unchanged);
        *deleted = deleted.saturating_add(page.deleted);
        *server_wait = server_wait.saturating_add(page.server_wait);
        *own_time = own_time.saturating_add(page.own_time);
    }

    /// Sets the size of the list that the repository announces.
    pub(super) fn set_total(&mut self, total: Option<u64>) {
        self.total = total;
    }

    /// Records seen.
    pub(super) fn records(&self) -> u64 {
        self.sums.records
    }

    /// The announced size of the list, if it is plausible. Many repositories announce 0, the size of
    /// the page, or less than they send.
    pub(super) fn total(&self) -> Option<u64> {
        self.total
            .filter(|total| *total > 0 && *total >= self.sums.records)
    }

    /// The time left at the speed so far, if total and speed are known.
    pub(super) fn time_left(&self, elapsed: Duration) -> Option<Duration> {
        time_left(self.sums.records, self.total()?, elapsed)
    }

    /// The progress as one line of text, `elapsed` after the start.
    pub(super) fn line(&self, elapsed: Duration) -> String {
        let sums = &self.sums;
        let mut line = HumanCount(sums.records).to_string();
        if let Some(total) = self.total() {
            push(&mut line, format_args!(" of {}", HumanCount(total)));
        }
        line.push_str(" records");
        if sums.records > 0 && elapsed.as_secs() > 0 {
            let rate = sums.records as f64 / elapsed.as_secs_f64();
            push(&mut line, format_args!(", {rate:.0}/s"));
        }
        if let Some(left) = self.time_left(elapsed).filter(|left| !left.is_zero()) {
            push(&mut line, format_args!(", {} left", short(left)));
        }
        for (count, word) in [
            (sums.new, "new"),
            (sums.changed, "changed"),
            (sums.deleted, "deleted"),
        ] {
            if count > 0 {
                push(&mut line, format_args!(", {} {word}", HumanCount(count)));
            }
        }
        let (server, own) = (short(sums.server_wait), short(sums.own_time));
        push(
            &mut line,
            format_args!("; server {server}, processing {own}"),
        );
        line
    }
}

/// The time that the rest of `total` takes at the speed of the first `done`, which took `elapsed`; `None` if nothing
/// is done yet. `done` is at most `total`.
pub(super) fn time_left(done: u64, total: u64, elapsed: Duration) -> Option<Duration> {
    if done == 0 {
        return None;
    }
    let left = elapsed.as_secs_f64() * (total - done) as f64 / done as f64;
    Duration::try_from_secs_f64(left).ok()
}

fn push(line: &mut String, text: std::fmt::Arguments<'_>) {
    line.write_fmt(text)
        .expect("writing to a string cannot fail");
}

/// A duration in its two largest units: `9h 52m`, `41s`, `0s`.
pub(super) fn short(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(records: u64, total: Option<u64>) -> Tally {
        let mut tally = Tally::default();
        tally.add(&Page {
            records,
            new: records / 2,
            deleted: records / 10,
            server_wait: Duration::from_secs(90),
            own_time: Duration::from_secs(4),
            ..Page::default()
        });
        tally.set_total(total);
        tally
    }

    #[test]
    fn totals_are_believed_only_if_they_can_be_true() {
        let cases = [
            ("unknown", 100, None, None, None),
            ("ahead", 100, Some(400), Some(400), Some(300)),
            ("reached", 100, Some(100), Some(100), Some(0)),
            ("overtaken", 100, Some(99), None, None),
            ("nothing of something", 0, Some(10), Some(10), None),
            ("nothing of nothing", 0, Some(0), None, None),
        ];
        for (case, records, said, believed, left) in cases {
            let tally = tally(records, said);
            assert_eq!(tally.total(), believed, "{case}");
            let expected = left.map(Duration::from_secs);
            assert_eq!(
                tally.time_left(Duration::from_secs(100)),
                expected,
                "{case}"
            );
        }
        let huge = tally(1, Some(u64::MAX)).time_left(Duration::from_secs(u64::MAX));
        assert_eq!(huge, None, "beyond what a duration holds");
    }

    #[test]
    fn lines_show_rate_time_left_and_counts() {
        let cases = [
            (
                "total",
                tally(12_300, Some(11_000_000)),
                100,
                "12,300 of 11,000,000 records, 123/s, 1d 0h left, 6,150 new, 1,230 deleted; server \
                 1m 30s, processing 4s",
            ),
            (
                "no total",
                tally(10, None),
                0,
                "10 records, 5 new, 1 deleted; server 1m 30s, processing 4s",
            ),
            (
                "nothing yet",
                Tally::default(),
                5,
                "0 records; server 0s, processing 0s",
            ),
        ];
        for (case, tally, seconds, expected) in cases {
            assert_eq!(tally.line(Duration::from_secs(seconds)), expected, "{case}");
        }
    }

    #[test]
    fn durations_have_two_units() {
        for (seconds, expected) in [
            (0, "0s"),
            (59, "59s"),
            (61, "1m 1s"),
            (35_520, "9h 52m"),
            (90_000, "1d 1h"),
        ] {
            assert_eq!(short(Duration::from_secs(seconds)), expected);
        }
    }
}
