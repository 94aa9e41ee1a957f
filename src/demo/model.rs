//! What the repository holds, how that changes, and what of it can be seen.

use std::collections::HashMap;
use std::sync::Arc;

use super::behaviour::{Behaviour, DeletedRecord};
use super::{page, seconds, token};
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
///
/// Times are expected not to run backwards between calls.
#[derive(Debug, Clone)]
pub struct Model {
    /// How it behaves. May be changed between requests.
    pub behaviour: Behaviour,
    /// Its base URL, as Identify and `<request>` give it.
    pub base_url: String,
    stored: HashMap<Arc<str>, Stored>,
    /// Changes that are not indexed yet, with the time at which they will be.
    pending: Vec<(Datestamp, Change)>,
    index: Index,
    pub(super) sessions: Sessions,
}

#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) item: Item,
    /// The children of the header, rendered.
    pub(super) header: Box<str>,
}

#[derive(Debug, Clone)]
enum Change {
    Put(Box<Item>),
    Update(String, Vec<(String, Arc<str>)>, Datestamp),
    Restamp(Vec<String>, Datestamp),
    Delete(String, Datestamp),
    Remove(String),
}

/// The items in ascending order of datestamp and identifier.
#[derive(Debug, Clone, Default)]
struct Index {
    stale: bool,
    order: Vec<(Datestamp, Arc<str>)>,
    /// The formats that each live item has, so that lists in them need not look at each.
    complete: Vec<String>,
}

/// Lists taken down for session tokens.
#[derive(Debug, Clone, Default)]
pub(super) struct Sessions {
    pub(super) opened: u64,
    pub(super) open: HashMap<String, Session>,
}

#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) asked: token::Asked,
    pub(super) identifiers: Vec<Arc<str>>,
    pub(super) given: usize,
    pub(super) read_at: Datestamp,
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
    pub fn new(behaviour: Behaviour) -> Self {
        Self {
            behaviour,
            base_url: "http://repository.example/oai".to_owned(),
            stored: HashMap::new(),
            pending: Vec::new(),
            index: Index::default(),
            sessions: Sessions::default(),
        }
    }

    /// Adds an item, or puts it in place of the one with its identifier.
    pub fn insert(&mut self, item: Item) {
        self.change(item.datestamp, Change::Put(Box::new(item)));
    }

    /// Gives an item new metadata in the formats named, and revives it if it was deleted.
    ///
    /// Nothing happens if there is no such item when the change is indexed.
    pub fn update(
        &mut self,
        identifier: &str,
        metadata: impl IntoIterator<Item = (String, Arc<str>)>,
        at: Datestamp,
    ) {
        let metadata = metadata.into_iter().collect();
        self.change(at, Change::Update(identifier.to_owned(), metadata, at));
    }

    /// Gives items a new datestamp and changes nothing else, as DOAJ's bulk jobs do.
    pub fn restamp_bulk<I: Into<String>>(
        &mut self,
        identifiers: impl IntoIterator<Item = I>,
        at: Datestamp,
    ) {
        let identifiers = identifiers.into_iter().map(Into::into).collect();
        self.change(at, Change::Restamp(identifiers, at));
    }

    /// Deletes an item: it becomes a tombstone, or disappears where deletions are not kept.
    pub fn delete(&mut self, identifier: &str, at: Datestamp) {
        let identifier = identifier.to_owned();
        let change = match self.behaviour.deleted_record {
            DeletedRecord::No => Change::Remove(identifier),
            DeletedRecord::Persistent | DeletedRecord::Transient => Change::Delete(identifier, at),
        };
        self.change(at, change);
    }

    /// Removes an item without a trace, whatever Identify promises.
    pub fn remove(&mut self, identifier: &str, at: Datestamp) {
        self.change(at, Change::Remove(identifier.to_owned()));
    }

    /// Forgets all lists taken down for session tokens.
    pub fn expire_sessions(&mut self) {
        self.sessions.open.clear();
    }

    /// What ListRecords shows at `now` to a caller without a key, however often it asks: all that
    /// is indexed and not clamped, tombstones included, in order of identifier.
    pub fn visible(&mut self, now: Datestamp) -> Vec<Item> {
        let limit = self.clamped_until(now);
        let mut items = self.everything(now);
        items.retain(|item| limit.is_none_or(|limit| item.datestamp <= limit));
        items
    }

    /// What GetRecord, or a caller with a key, can see at `now`: all that is indexed, tombstones
    /// included, in order of identifier.
    pub fn everything(&mut self, now: Datestamp) -> Vec<Item> {
        self.settle(now);
        let mut items: Vec<Item> = self.stored.values().map(|s| s.item.clone()).collect();
        items.sort_unstable_by(|a, b| a.identifier.cmp(&b.identifier));
        items
    }

    /// The last instant that lists reach at `now` for callers without a key; `None` if no limit.
    pub(super) fn clamped_until(&self, now: Datestamp) -> Option<Datestamp> {
        let clamp = self.behaviour.clamp?;
        Some(now.plus_seconds(seconds(clamp).saturating_neg()))
    }

    /// Indexes the changes that are due at `now`.
    pub(super) fn settle(&mut self, now: Datestamp) {
        if !self.pending.is_empty() {
            let pending = std::mem::take(&mut self.pending);
            let (due, later) = pending.into_iter().partition(|(at, _)| *at <= now);
            self.pending = later;
            let due: Vec<(Datestamp, Change)> = due;
            for (_, change) in due {
                self.apply(change);
            }
        }
        if self.index.stale {
            self.sort();
        }
    }

    pub(super) fn get(&self, identifier: &str) -> Option<&Stored> {
        self.stored.get(identifier)
    }

    /// The indexed items, in no order.
    pub(super) fn items(&self) -> impl Iterator<Item = &Item> {
        self.stored.values().map(|stored| &stored.item)
    }

    /// Counts what a list holds and takes `take` identifiers of it from place `skip` on.
    pub(super) fn select(
        &self,
        selection: &Selection<'_>,
        newest_first: bool,
        skip: usize,
        take: usize,
    ) -> (usize, Vec<Arc<str>>) {
        let order = &self.index.order;
        let low = selection
            .from
            .map_or(0, |from| order.partition_point(|(at, _)| *at < from));
        let high = selection.until.map_or(order.len(), |until| {
            order.partition_point(|(at, _)| *at <= until)
        });
        let range = order.get(low..high).unwrap_or_default();
        let complete = self
            .index
            .complete
            .iter()
            .any(|prefix| prefix == selection.prefix);
        if complete && selection.set.is_none() {
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

    fn change(&mut self, at: Datestamp, change: Change) {
        if self.behaviour.index_lag.is_zero() && self.pending.is_empty() {
            self.apply(change);
        } else {
            let due = at.plus_seconds(seconds(self.behaviour.index_lag));
            self.pending.push((due, change));
        }
    }

    fn apply(&mut self, change: Change) {
        self.index.stale = true;
        match change {
            Change::Put(item) => self.put(*item),
            Change::Update(identifier, metadata, at) => self.edit(&identifier, at, |item| {
                item.deleted = false;
                for (prefix, xml) in metadata {
                    item.metadata.retain(|(name, _)| *name != prefix);
                    item.metadata.push((prefix, xml));
                }
            }),
            Change::Restamp(identifiers, at) => {
                for identifier in identifiers {
                    self.edit(&identifier, at, |_| {});
                }
            }
            Change::Delete(identifier, at) => self.edit(&identifier, at, |item| {
                item.deleted = true;
            }),
            Change::Remove(identifier) => {
                self.stored.remove(identifier.as_str());
            }
        }
    }

    fn put(&mut self, item: Item) {
        let header = page::header_children(&item, self.behaviour.granularity).into();
        let stored = Stored { item, header };
        self.stored
            .insert(stored.item.identifier.as_str().into(), stored);
    }

    fn edit(&mut self, identifier: &str, at: Datestamp, change: impl FnOnce(&mut Item)) {
        if let Some(stored) = self.stored.get_mut(identifier) {
            stored.item.datestamp = at;
            change(&mut stored.item);
            stored.header = page::header_children(&stored.item, self.behaviour.granularity).into();
        }
    }

    fn sort(&mut self) {
        let each_has = |prefix: &str| {
            let mut items = self.items();
            items.all(|item| item.deleted || item.metadata(prefix).is_some())
        };
        let prefixes = self.behaviour.formats.iter().map(|format| &format.prefix);
        let complete = prefixes
            .filter(|prefix| each_has(prefix))
            .cloned()
            .collect();
        self.index = Index {
            stale: false,
            complete,
            order: self
                .stored
                .iter()
                .map(|(identifier, stored)| (stored.item.datestamp, identifier.clone()))
                .collect(),
        };
        self.index.order.sort_unstable();
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
