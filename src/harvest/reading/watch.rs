//! What shows while a list is read: that it goes in circles, that it moves, that it is not the list
//! that was asked for.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::{Reading, span};
use crate::oai::response::List;
use crate::oai::{Granularity, Record};

/// So many pages without items may follow one another; a list that has more never ends.
const MOST_EMPTY_PAGES: u32 = 50;

/// Identifiers that are remembered in one reading to see whether the list moves under it.
const MOST_SEEN: usize = 1 << 20;

impl Reading {
    pub(super) fn goes_in_circles(&mut self, list: &List<Record>) -> Option<String> {
        if list.is_empty() {
            self.empty_pages += 1;
            return (self.empty_pages > MOST_EMPTY_PAGES)
                .then(|| format!("{MOST_EMPTY_PAGES} pages without records in a row"));
        }
        self.empty_pages = 0;
        // A list that ends here goes in no circle, whatever it repeats.
        (!self.fingerprints.insert(fingerprint(list)) && list.token.is_some()).then(|| {
            format!(
                "the list goes in circles: a page came again after {} items",
                self.items
            )
        })
    }

    /// Notes whether an item came before: then others may have slipped between two pages.
    pub(super) fn watch_for_moves(&mut self, list: &List<Record>) {
        for record in &list.items {
            if self.seen.len() < MOST_SEEN {
                self.moved |= !self.seen.insert(hash(&record.header.identifier));
            }
        }
    }

    /// The window spans less than an hour, which only lists that cannot be read get cut into.
    pub(super) fn is_narrow(&self) -> bool {
        const HOUR: i64 = 3_600;
        let span = self.window.span;
        let ends = span.from.zip(span.until);
        ends.is_some_and(|(from, until)| until < from.plus_seconds(HOUR))
    }

    /// Most of the items lie outside of what was asked for: by more than a day, or `closely`, at
    /// all.
    pub(super) fn is_outside(
        &self,
        list: &List<Record>,
        granularity: Granularity,
        closely: bool,
    ) -> bool {
        let texts = list
            .items
            .iter()
            .map(|record| record.header.datestamp.as_str());
        span::are_outside(texts, self.window.span, granularity, closely)
    }
}

/// Tells pages apart by the items that they list, in whatever order. Datestamps do not count: some
/// repositories write the present time.
fn fingerprint(list: &List<Record>) -> u64 {
    let items = list
        .items
        .iter()
        .map(|record| hash(&record.header.identifier));
    let bad = list.bad.iter().map(|bad| match &bad.identifier {
        Some(identifier) => hash(identifier),
        None => hash(&bad.raw),
    });
    items.chain(bad).fold(0, u64::wrapping_add)
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
