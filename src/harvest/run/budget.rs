//! The limits of one run, and how much of them is left.

use std::collections::HashMap;

use super::halt::Halt;
use crate::store::WindowId;

/// Records that a list shows without metadata: one run asks for at most this many by name.
const MAX_MISSING_METADATA: u32 = 50;

/// A window begins again at most this often in one run.
const MAX_RESTARTS: u32 = 3;

/// A run splits at most this many windows because they fail.
const MAX_FAILURE_SPLITS: u32 = 400;

/// A run ends after this many failed windows in a row. Halving finds a single record that breaks its
/// list within fewer.
pub(in crate::harvest) const MAX_FAILURES_IN_A_ROW: u32 = 40;

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
        self.failures_in_a_row <= MAX_FAILURES_IN_A_ROW
    }

    /// Whether another failed window may be split.
    pub(in crate::harvest) fn may_split(&self) -> bool {
        self.failures <= MAX_FAILURE_SPLITS
    }

    /// A page with records was read.
    pub(in crate::harvest) fn records_were_read(&mut self) {
        self.failures = 0;
        self.failures_in_a_row = 0;
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
        for _ in 0..MAX_FAILURES_IN_A_ROW {
            assert!(budget.take_failure());
        }
        assert_eq!(budget.retries(6), 1);
        assert!(!budget.take_failure());
        budget.window_was_recovered();
        assert!(budget.take_failure());
        assert_eq!(budget.retries(6), 1, "no page yet");
        budget.records_were_read();
        assert_eq!(budget.retries(6), 6);
        for _ in 0..MAX_FAILURE_SPLITS {
            budget.take_failure();
        }
        assert!(budget.may_split());
        budget.take_failure();
        assert!(!budget.may_split());
    }

    #[test]
    fn each_window_has_its_own_restarts() {
        let mut budget = Budget::new(None);
        let restarts: Vec<bool> = (0..4).map(|_| budget.take_restart(WindowId(1))).collect();
        assert_eq!(restarts, [true, true, true, false]);
        assert!(budget.take_restart(WindowId(2)));
    }
}
