//! Which items the reading at hand has shown, so that of two states of one item in one list the
//! newer stays, whichever comes first.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::WindowId;

/// Items that are remembered of one reading.
const MOST: usize = 1 << 20;

/// The items of one reading of a window, by a hash of their identifiers.
///
/// Two readings are two answers of the repository: what the later one says is its present state,
/// also if its datestamp is older, after a repository went back to an older copy of itself.
#[derive(Debug, Default)]
pub(super) struct Listed {
    window: WindowId,
    items: HashSet<u64>,
}

impl Listed {
    /// A page of `window`: the first of a reading, or one that follows another.
    pub(super) fn page(&mut self, window: WindowId, begins: bool) {
        if begins || window != self.window {
            self.window = window;
            self.items.clear();
        }
    }

    /// Notes an item.
    pub(super) fn note(&mut self, identifier: &str) {
        if self.items.len() < MOST {
            self.items.insert(hash(identifier));
        }
    }

    /// Whether the reading has shown this item; of a very long one, whether it may have.
    pub(super) fn may_have(&self, identifier: &str) -> bool {
        self.items.len() >= MOST || self.items.contains(&hash(identifier))
    }
}

fn hash(identifier: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    identifier.hash(&mut hasher);
    hasher.finish()
}
