//! Checks on each page: the list goes in circles, it moves, or it is another list than was requested.

use std::hash::{BuildHasher, Hash};

use foldhash::quality::FixedState;

use super::{Reading, span};
use crate::oai::response::List;
use crate::oai::{Granularity, Record};

/// A list with more empty pages in a row never ends.
const MAX_EMPTY_PAGES: u32 = 50;

/// A list that shows more pages in a row with items that it has shown before goes in circles, although
/// their content is new.
const MAX_PAGES_OF_VERSIONS: u32 = 10;

/// One reading remembers at most this many identifiers to see whether the list moves.
const MAX_SEEN: usize = 1 << 20;

impl Reading {
    pub(super) fn goes_in_circles(&mut self, list: &List<Record>) -> Option<String> {
        if list.is_empty() {
            self.empty_pages += 1;
            return (self.empty_pages > MAX_EMPTY_PAGES)
                .then(|| format!("{MAX_EMPTY_PAGES} pages without records in a row"));
        }
        self.empty_pages = 0;
        let has_new_content = self.fingerprints.insert(content_fingerprint(list));
        self.fingerprint = fingerprint(list);
        if self.fingerprints.insert(self.fingerprint) {
            self.pages_of_versions = 0;
            return None;
        }
        self.pages_of_versions += 1;
        let are_versions = has_new_content && self.pages_of_versions <= MAX_PAGES_OF_VERSIONS;
        // A list that ends here does not go in circles, whatever it repeats.
        (!are_versions && list.token.is_some()).then(|| {
            format!(
                "the list goes in circles: it repeats a page after {} items",
                self.items
            )
        })
    }

    /// Whether a page has the same items as one before.
    pub(super) fn repeats(&self, list: &List<Record>) -> bool {
        !list.is_empty() && self.fingerprints.contains(&fingerprint(list))
    }

    /// Forgets the pages so far: the list goes on as another list, which may show them again.
    pub(super) fn forget_pages(&mut self) {
        self.fingerprints.clear();
        self.seen.clear();
    }

    /// Tells the reading which items lists show several times, and how often beside the first time.
    pub(in crate::harvest) fn expect_again(&mut self, items: &[(String, u32)]) {
        let hashed = items
            .iter()
            .map(|(identifier, times)| (hash(identifier), *times));
        self.again = hashed.collect();
    }

    /// Notes items that came on an earlier page, unless they are expected to come again: then other items
    /// may be missing between two pages.
    pub(super) fn watch_for_moves(&mut self, list: &List<Record>) {
        let items = list.items.iter();
        let page: Vec<u64> = items
            .map(|record| hash(&record.header.identifier))
            .collect();
        for item in page.iter().filter(|item| self.seen.contains(item)) {
            match self.again.get_mut(item) {
                Some(times) if *times > 0 => *times -= 1,
                _ => self.moved = true,
            }
        }
        if self.seen.len() < MAX_SEEN {
            self.seen.extend(page);
        }
    }

    /// Whether the window spans less than an hour. Only windows that fail are split so far.
    pub(super) fn is_narrow(&self) -> bool {
        const HOUR: i64 = 3_600;
        let span = self.window.span;
        let ends = span.from.zip(span.until);
        ends.is_some_and(|(from, until)| until < from.plus_seconds(HOUR))
    }

    /// Whether most items have other dates than were requested: by more than a day, or at all if
    /// `closely`.
    pub(super) fn is_outside(
        &self,
        list: &List<Record>,
        granularity: Granularity,
        closely: bool,
    ) -> bool {
        let items = list
            .items
            .iter()
            .map(|record| record.header.datestamp.as_str());
        let bad = list.bad.iter().filter_map(|bad| bad.datestamp.as_deref());
        let texts: Vec<&str> = items.chain(bad).collect();
        span::are_outside(texts.into_iter(), self.window.span, granularity, closely)
    }
}

/// A hash of the items of a page, in any order. Datestamps do not count: some repositories write the
/// present time.
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

/// A hash of the content of a page, in any order: of versions of the same items, each has another one.
fn content_fingerprint(list: &List<Record>) -> u64 {
    let items = list.items.iter().map(|record| {
        let Record {
            header,
            metadata,
            extra,
            ..
        } = record;
        hash(&(&header.identifier, header.deleted, metadata, extra))
    });
    let bad = list.bad.iter().map(|bad| hash(&bad.raw));
    items.chain(bad).fold(1, u64::wrapping_add)
}

/// The hash of a value, the same in each run of the program. The standard library's hash of whole records
/// would cost as much as to parse them.
fn hash(value: &impl Hash) -> u64 {
    FixedState::default().hash_one(value)
}
