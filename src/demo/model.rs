//! What the repository holds, and which of it a list selects.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use super::page;
use super::settings::Settings;
use crate::oai::Datestamp;

/// An item of the repository, live or a tombstone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The OAI identifier.
    pub identifier: String,
    /// When it last changed.
    pub datestamp: Datestamp,
    /// Its setSpecs, in the order in which the header gives them.
    pub set_specs: Vec<String>,
    /// Whether it is a tombstone.
    pub deleted: bool,
    /// The metadata by prefix: one XML element each, as it stands between `<metadata>` and
    /// `</metadata>`; it may use the prefix `xsi`, which the envelope declares. Tombstones keep
    /// theirs here, but never show it.
    pub metadata: Vec<(String, Arc<str>)>,
}

impl Item {
    /// The metadata in one format; `None` for tombstones and for formats that it lacks.
    pub fn metadata(&self, prefix: &str) -> Option<&str> {
        let wanted = |(name, _): &&(String, Arc<str>)| name == prefix;
        let (_, xml) = self
            .metadata
            .iter()
            .find(wanted)
            .filter(|_| !self.deleted)?;
        Some(xml)
    }
}

/// A repository without network or clock: every call that depends on time is given it.
#[derive(Debug, Clone)]
pub struct Model {
    /// Its settings. May be changed between requests.
    pub settings: Settings,
    /// Its base URL, as Identify and `<request>` give it.
    pub base_url: String,
    stored: HashMap<Arc<str>, Stored>,
    /// Made for the first list after a change.
    index: OnceLock<Index>,
}

#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) item: Item,
    /// The children of the header, rendered.
    pub(super) header: Box<str>,
}

/// The items in ascending order of datestamp and identifier.
#[derive(Debug, Clone)]
struct Index {
    order: Vec<(Datestamp, Arc<str>)>,
    /// The formats that each live item has, so that lists in them need not look at each.
    complete: Vec<String>,
}

/// Which items a list wants, bounds inclusive.
pub(super) struct Selection<'a> {
    pub(super) prefix: &'a str,
    pub(super) from: Option<Datestamp>,
    pub(super) until: Option<Datestamp>,
    pub(super) set: Option<&'a str>,
}

impl Model {
    /// An empty repository.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            base_url: "http://repository.example/oai".to_owned(),
            stored: HashMap::new(),
            index: OnceLock::new(),
        }
    }

    /// Adds an item, or puts it in place of the one with its identifier.
    pub fn insert(&mut self, item: Item) {
        let header = page::header_children(&item, self.settings.granularity).into();
        let stored = Stored { item, header };
        self.stored
            .insert(stored.item.identifier.as_str().into(), stored);
        self.index = OnceLock::new();
    }

    /// Removes an item without a tombstone.
    pub fn remove(&mut self, identifier: &str) {
        self.stored.remove(identifier);
        self.index = OnceLock::new();
    }

    /// The items, tombstones included, in no order.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.stored.values().map(|stored| &stored.item)
    }

    /// The item with this identifier.
    pub fn item(&self, identifier: &str) -> Option<&Item> {
        self.get(identifier).map(|stored| &stored.item)
    }

    pub(super) fn get(&self, identifier: &str) -> Option<&Stored> {
        self.stored.get(identifier)
    }

    /// Counts the items of a list and takes `take` identifiers of it from place `skip` on.
    pub(super) fn select(
        &self,
        selection: &Selection<'_>,
        skip: usize,
        take: usize,
    ) -> (usize, Vec<Arc<str>>) {
        let Index { order, complete } = self.index.get_or_init(|| self.sorted());
        let low = selection
            .from
            .map_or(0, |from| order.partition_point(|(at, _)| *at < from));
        let high = selection.until.map_or(order.len(), |until| {
            order.partition_point(|(at, _)| *at <= until)
        });
        let range = order.get(low..high).unwrap_or_default();
        let newest_first = self.settings.newest_first;
        let is_complete = complete.iter().any(|prefix| prefix == selection.prefix);
        if is_complete && selection.set.is_none() {
            return (range.len(), cut(range.iter(), newest_first, skip, take));
        }
        let wanted: Vec<&(Datestamp, Arc<str>)> = range
            .iter()
            .filter(|(_, identifier)| self.matches(identifier, selection))
            .collect();
        let page = cut(wanted.iter().copied(), newest_first, skip, take);
        (wanted.len(), page)
    }

    fn matches(&self, identifier: &str, selection: &Selection<'_>) -> bool {
        let Some(Stored { item, .. }) = self.stored.get(identifier) else {
            return false;
        };
        let in_set = |set: &str| item.set_specs.iter().any(|spec| spec == set);
        (item.deleted || item.metadata(selection.prefix).is_some())
            && selection.set.is_none_or(in_set)
    }

    fn sorted(&self) -> Index {
        let each_has = |prefix: &str| {
            let mut items = self.items();
            items.all(|item| item.deleted || item.metadata(prefix).is_some())
        };
        let prefixes = self.settings.formats.iter().map(|format| &format.prefix);
        let complete = prefixes
            .filter(|prefix| each_has(prefix))
            .cloned()
            .collect();
        let items = self.stored.iter();
        let mut order: Vec<_> = items
            .map(|(identifier, stored)| (stored.item.datestamp, identifier.clone()))
            .collect();
        order.sort_unstable();
        Index { order, complete }
    }
}

fn cut<'a>(
    range: impl DoubleEndedIterator<Item = &'a (Datestamp, Arc<str>)> + ExactSizeIterator,
    newest_first: bool,
    skip: usize,
    take: usize,
) -> Vec<Arc<str>> {
    let identifier = |(_, identifier): &(Datestamp, Arc<str>)| identifier.clone();
    if newest_first {
        range.rev().skip(skip).take(take).map(identifier).collect()
    } else {
        range.skip(skip).take(take).map(identifier).collect()
    }
}
