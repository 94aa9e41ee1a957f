//! The limits of one run, and how much of them is left.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::halt::Halt;
use crate::store::WindowId;

/// Records that a list shows without metadata: one run asks for at most this many by name.
const MAX_MISSING_METADATA: u32 = 50;

/// A window begins again at most this often in one run.
const MAX_RESTARTS: u32 = 3;

/// A run splits at most this many windows because they fail.
const MAX_FAILURE_SPLITS: u32 = 400;

/// One run remembers at most this many identifiers to see whether smaller windows bring new records.
const MAX_SEEN: usize = 1 << 20;

/// While gaps are read, at most this many windows are split before one can be read.
const MAX_GAP_SPLITS: u32 = 40;

/// After this many failed windows in a row, no window is split any more. Halving finds a single record
/// that breaks its list within fewer.
const MAX_FAILURES_IN_A_ROW: u32 = 40;

/// The same while no list was answered in this run: then the repository fails, not some records.
const MAX_FAILURES_AT_FIRST: u32 = 12;

/// The limits of one run, and how much of them is left.
#[derive(Debug)]
pub(in crate::harvest) struct Budget {
    /// Items that the run may still read; `None` without a limit.
    items: Option<u64>,
    /// Records without metadata that the run may still ask for by name.
    missing_metadata: u32,
    /// Windows that failed since the last page with records.
    failures: u32,
    /// The same, but a window that was read record by record also ends the row.
    failures_in_a_row: u32,
    /// How often each window began again.
    restarts: HashMap<WindowId, u32>,
    /// Hashes of the identifiers that pages have shown after a window failed.
    seen: HashSet<u64>,
    /// Records that this run has read, in lists or by name.
    read: usize,
    /// Records that this run has asked for by name, and that cannot be read.
    bad: usize,
    /// A list of records was answered in this run, if only by `noRecordsMatch`.
    some_list_was_answered: bool,
}

impl Budget {
    /// A full budget. `items` is the limit that the caller asked for.
    pub(in crate::harvest) fn new(items: Option<u64>) -> Self {
        Self {
            items,
            missing_metadata: MAX_MISSING_METADATA,
            failures: 0,
            failures_in_a_row: 0,
            restarts: HashMap::new(),
            seen: HashSet::new(),
            read: 0,
            bad: 0,
            some_list_was_answered: false,
        }
    }

    /// Counts items of a stored page.
    ///
    /// # Errors
    /// `LimitReached` when no item is left.
    pub(in crate::harvest) fn spend(&mut self, items: u64) -> Result<(), Halt> {
        let Some(left) = &mut self.items else {
            return Ok(());
        };
        *left = left.saturating_sub(items);
        if *left == 0 {
            Err(Halt::LimitReached)
        } else {
            Ok(())
        }
    }

    /// Gives back items that an earlier run has read and that are read again.
    pub(in crate::harvest) fn give_back(&mut self, items: u64) {
        if let Some(left) = &mut self.items {
            *left += items;
        }
    }

    /// Takes one request for a record without metadata; `false` if none is left.
    pub(in crate::harvest) fn take_missing_metadata(&mut self) -> bool {
        let is_left = self.missing_metadata > 0;
        self.missing_metadata = self.missing_metadata.saturating_sub(1);
        is_left
    }

    /// Counts a restart of a window; `false` if it began again too often.
    pub(in crate::harvest) fn take_restart(&mut self, window: WindowId) -> bool {
        let restarts = self.restarts.entry(window).or_default();
        *restarts += 1;
        *restarts <= MAX_RESTARTS
    }

    /// Counts a failed window; `false` if too many failed in a row.
    pub(in crate::harvest) fn take_failure(&mut self) -> bool {
        self.failures += 1;
        self.failures_in_a_row += 1;
        let most = if self.some_list_was_answered {
            MAX_FAILURES_IN_A_ROW
        } else {
            MAX_FAILURES_AT_FIRST
        };
        self.failures_in_a_row <= most
    }

    /// The number of windows that failed since one could be read.
    pub(in crate::harvest) fn failures_in_a_row(&self) -> u32 {
        self.failures_in_a_row
    }

    /// The repository answered a list request.
    pub(in crate::harvest) fn list_was_answered(&mut self) {
        self.some_list_was_answered = true;
    }

    /// Whether a list of records was answered in this run.
    pub(in crate::harvest) fn some_list_was_answered(&self) -> bool {
        self.some_list_was_answered
    }

    /// Whether another failed window may be split.
    pub(in crate::harvest) fn may_split(&self) -> bool {
        self.failures <= MAX_FAILURE_SPLITS
    }

    /// A page with these records was read. Only records that no page has shown since windows fail are
    /// progress: where dates have no effect, smaller windows show the same records again and again.
    pub(in crate::harvest) fn records_were_read<'i>(
        &mut self,
        identifiers: impl Iterator<Item = &'i String>,
    ) {
        let is_failing = self.failures > 0;
        let mut is_progress = false;
        for identifier in identifiers {
            self.some_list_was_answered = true;
            self.read += 1;
            if !is_failing {
                continue;
            }
            is_progress |= self.seen.len() < MAX_SEEN && self.seen.insert(hash(identifier));
        }
        if is_progress {
            self.failures = 0;
            self.failures_in_a_row = 0;
        }
    }

    /// Gaps are read from now on: they get a small share of what a run may do.
    pub(in crate::harvest) fn begin_gaps(&mut self) {
        self.failures = MAX_FAILURE_SPLITS - MAX_GAP_SPLITS;
        self.failures_in_a_row = 0;
    }

    /// The list of another set is read. If the repository answers lists at all, this one is tried as hard as
    /// the one before.
    pub(in crate::harvest) fn begin_list(&mut self) {
        if self.some_list_was_answered {
            self.failures_in_a_row = 0;
        }
    }

    /// How many of `records`, which are asked for by name, may be unreadable: of all records of the run a quarter,
    /// and three.
    pub(in crate::harvest) fn may_be_bad(&self, records: usize) -> usize {
        ((self.read + records) / 4 + 3).saturating_sub(self.bad)
    }

    /// So many records were read by name, and so many could not be read.
    pub(in crate::harvest) fn read_by_name(&mut self, read: usize, bad: usize) {
        self.read += read;
        self.bad += bad;
    }

    /// A window was read record by record.
    pub(in crate::harvest) fn window_was_recovered(&mut self) {
        self.failures_in_a_row = 0;
    }

    /// How often one request is sent again. While windows fail, long waits for each of them help
    /// nobody.
    pub(in crate::harvest) fn retries(&self, configured: u32) -> u32 {
        if self.failures > 0 {
            configured.min(1)
        } else {
            configured
        }
    }
}

fn hash(identifier: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    identifier.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_counted_against_the_limit() {
        let mut budget = Budget::new(Some(10));
        assert!(budget.spend(6).is_ok());
        budget.give_back(2);
        assert!(budget.spend(5).is_ok());
        assert!(matches!(budget.spend(1), Err(Halt::LimitReached)));
        let mut unlimited = Budget::new(None);
        unlimited.give_back(2);
        assert!(unlimited.spend(u64::MAX).is_ok());
    }

    #[test]
    fn failures_use_up_the_budget_until_a_page_is_read() {
        let mut budget = Budget::new(None);
        assert_eq!(budget.retries(6), 6);
        budget.list_was_answered();
        for _ in 0..MAX_FAILURES_IN_A_ROW {
            assert!(budget.take_failure());
        }
        assert_eq!(budget.retries(6), 1);
        assert!(!budget.take_failure());
        budget.window_was_recovered();
        assert!(budget.take_failure());
        assert_eq!(budget.retries(6), 1, "no page yet");
        let record = "oai:x:1".to_owned();
        budget.records_were_read([&record].into_iter());
        assert_eq!(budget.retries(6), 6);
        budget.take_failure();
        budget.records_were_read([&record].into_iter());
        assert_eq!(budget.retries(6), 1, "the same record is no progress");
        budget.records_were_read([&"oai:x:2".to_owned()].into_iter());
        assert_eq!(budget.retries(6), 6);
        for _ in 0..MAX_FAILURE_SPLITS {
            budget.take_failure();
        }
        assert!(budget.may_split());
        budget.take_failure();
        assert!(!budget.may_split());
    }

    #[test]
    fn fewer_failures_show_that_no_list_works() {
        let mut budget = Budget::new(None);
        for _ in 0..MAX_FAILURES_AT_FIRST {
            assert!(budget.take_failure());
        }
        assert!(!budget.take_failure());
    }

    #[test]
    fn another_list_gets_its_own_failures_if_some_list_works() {
        let mut budget = Budget::new(None);
        for _ in 0..MAX_FAILURES_AT_FIRST {
            budget.take_failure();
        }
        budget.begin_list();
        assert!(!budget.take_failure(), "no list works");
        budget.list_was_answered();
        budget.begin_list();
        assert_eq!(budget.failures_in_a_row(), 0);
    }

    #[test]
    fn each_window_has_its_own_restarts() {
        let mut budget = Budget::new(None);
        let restarts: Vec<bool> = (0..4).map(|_| budget.take_restart(WindowId(1))).collect();
        assert_eq!(restarts, [true, true, true, false]);
        assert!(budget.take_restart(WindowId(2)));
    }
}
