//! The items that the present reading has shown. If a list has two states of one item, the newer state
//! is kept, in whichever order they come.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

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
}

impl Listed {
    /// Begins a page of `window`; the first page of a reading clears the items.
    pub(super) fn page(&mut self, window: WindowId, begins: bool) {
        if begins || window != self.window {
            self.window = window;
            self.items.clear();
        }
    }

    /// The window of the reading.
    pub(super) fn window(&self) -> WindowId {
        self.window
    }

    /// Adds an item.
    pub(super) fn note(&mut self, identifier: &str) {
        if self.items.len() < MOST {
            self.items.insert(hash(identifier));
        }
    }

    /// Whether the reading has shown this item. A very long reading may not have, although this says so.
    pub(super) fn may_have(&self, identifier: &str) -> bool {
        self.items.len() >= MOST || self.items.contains(&hash(identifier))
    }
}

fn hash(identifier: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    identifier.hash(&mut hasher);
    hasher.finish()
}
