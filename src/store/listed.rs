//! The items that the present reading has shown. If a list has two states of one item, the newer state
//! is kept, in whichever order they come.

use std::collections::HashSet;
use std::hash::BuildHasher;

use foldhash::quality::FixedState;

use super::WindowId;

/// The largest number of items kept of one reading.
const MOST: usize = 1 << 20;

/// The items of one reading of a window, by a hash of their identifiers.
///
/// The rule does not apply between readings: the later reading is the present state of the repository,
/// even with an older datestamp, for example after the repository was restored from a backup.
#[derive(Debug, Default)]
pub(super) struct Listed {
    window: WindowId,
    items: HashSet<u64>,
    /// What the present transaction has added to `items`.
    added: Vec<u64>,
    /// The reading before the present transaction, if that began another one.
    before: Option<(WindowId, HashSet<u64>)>,
}

impl Listed {
    /// The present transaction is stored.
    pub(super) fn keep(&mut self) {
        self.added.clear();
        self.before = None;
    }

    /// Begins a transaction. Takes back what the last one has noted, unless that was stored.
    pub(super) fn begin(&mut self) {
        match self.before.take() {
            Some((window, items)) => (self.window, self.items) = (window, items),
            None => {
                for item in self.added.drain(..) {
                    self.items.remove(&item);
                }
            }
        }
        self.added.clear();
    }

    /// Begins a page of `window`; the first page of a reading clears the items.
    pub(super) fn page(&mut self, window: WindowId, begins: bool) {
        if begins || window != self.window {
            let mut items = std::mem::take(&mut self.items);
            if self.before.is_none() {
                for item in self.added.drain(..) {
                    items.remove(&item);
                }
                self.before = Some((self.window, items));
            }
            self.window = window;
        }
    }

    /// The window of the reading.
    pub(super) fn window(&self) -> WindowId {
        self.window
    }

    /// Adds an item.
    pub(super) fn note(&mut self, identifier: &str) {
        if self.items.len() < MOST {
            let item = hash(identifier);
            if self.items.insert(item) && self.before.is_none() {
                self.added.push(item);
            }
        }
    }

    /// Whether the reading has shown this item. A very long reading may not have, although this says so.
    pub(super) fn may_have(&self, identifier: &str) -> bool {
        self.items.len() >= MOST || self.items.contains(&hash(identifier))
    }
}

fn hash(identifier: &str) -> u64 {
    FixedState::default().hash_one(identifier)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_that_is_rolled_back_has_noted_nothing() {
        let (first, second) = (WindowId(1), WindowId(2));
        let mut listed = Listed::default();
        listed.begin();
        listed.page(first, true);
        listed.note("a");
        listed.keep();
        // The same reading goes on.
        listed.begin();
        listed.page(first, false);
        listed.note("a");
        listed.note("b");
        listed.begin();
        assert!(listed.may_have("a") && !listed.may_have("b"));
        // Another reading begins.
        listed.note("c");
        listed.page(second, true);
        listed.note("d");
        listed.page(second, true);
        listed.note("e");
        listed.begin();
        assert_eq!(listed.window(), first);
        assert!(listed.may_have("a"));
        assert!(
            ["b", "c", "d", "e"]
                .iter()
                .all(|item| !listed.may_have(item))
        );
        listed.page(second, false);
        listed.keep();
        assert!(!listed.may_have("a"));
    }
}
