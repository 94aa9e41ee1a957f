//! Selecting the records that a filter lets through.

use std::cell::RefCell;
use std::collections::HashMap;

use rusqlite::Connection;

use super::cluster::{Peer, metadata_of, peers_of};
use super::payload::Decompressor;
use super::{ChangeFilter, OtherRecord, Per, SourceId};

/// The records that a filter lets through, whatever their versions.
pub(super) struct Selection {
    /// The named sources, each with the sets that it is limited to; `None` for all sources.
    sources: Option<HashMap<SourceId, Option<Vec<String>>>>,
    per: Per,
    with_others: bool,
    /// Whether an item depends on other records of its work.
    pub(super) is_linked: bool,
    /// Whether records of a source with a combination of sets are let through, as far as known.
    known: RefCell<HashMap<(SourceId, i64), bool>>,
}

/// A live record from the view of a reader.
#[derive(Debug)]
pub(super) struct Place {
    /// Whether this reader may not see it.
    pub(super) is_withheld: bool,
    /// The newest version that decides about it.
    pub(super) version: i64,
    /// All records of its work by rank; empty if they do not matter.
    pub(super) peers: Vec<Peer>,
}

impl Selection {
    pub(super) fn of(connection: &Connection, filter: &ChangeFilter) -> rusqlite::Result<Self> {
        let mut sources = HashMap::new();
        for name in &filter.sources {
            sources.extend(source_id(connection, name)?.map(|id| (id, None)));
        }
        for (name, sets) in &filter.sets {
            let id = source_id(connection, name)?;
            sources.extend(id.map(|id| (id, Some(sets.clone()))));
        }
        Ok(Self {
            sources: filter.is_limited().then_some(sources),
            per: filter.per,
            with_others: filter.with_others && filter.per == Per::Cluster,
            is_linked: filter.is_linked(),
            known: RefCell::default(),
        })
    }

    /// Whether the filter names this source.
    pub(super) fn has(&self, source: SourceId) -> bool {
        let sources = self.sources.as_ref();
        sources.is_none_or(|sources| sources.contains_key(&source))
    }

    /// The named sources, if only their records matter; `None` if those of all sources do.
    pub(super) fn sources_named(&self) -> Option<impl ExactSizeIterator<Item = SourceId>> {
        let sources = self.sources.as_ref().filter(|_| !self.is_linked);
        sources.map(|sources| sources.keys().copied())
    }

    /// Whether the filter lets a record through, by its source and its sets.
    fn lets_through(&self, connection: &Connection, record: &Peer) -> rusqlite::Result<bool> {
        let Some(sources) = &self.sources else {
            return Ok(true);
        };
        let wanted = match sources.get(&record.source) {
            None => return Ok(false),
            Some(None) => return Ok(true),
            Some(Some(wanted)) => wanted,
        };
        let key = (record.source, record.set_list);
        if let Some(known) = self.known.borrow().get(&key) {
            return Ok(*known);
        }
        let specs: String = connection
            .prepare_cached("SELECT set_specs FROM set_list WHERE id = ?1")?
            .query_row([record.set_list], |row| row.get(0))?;
        let is_in = specs
            .lines()
            .any(|spec| wanted.iter().any(|set| is_within(spec, set)));
        self.known.borrow_mut().insert(key, is_in);
        Ok(is_in)
    }

    /// A live record of a named source from the view of the reader.
    pub(super) fn place(&self, connection: &Connection, own: &Peer) -> rusqlite::Result<Place> {
        let mut peers = match self.per {
            Per::Record => Vec::new(),
            Per::Cluster => peers_of(connection, own.record)?,
        };
        let is_withheld = self.is_withheld(connection, own, &peers)?;
        if !self.is_linked {
            peers.clear();
        }
        let newest = peers.iter().map(|peer| peer.version).max();
        Ok(Place {
            is_withheld,
            version: newest.unwrap_or(own.version),
            peers,
        })
    }

    /// Whether a live record is in none of the filter's sets, or another record represents its work.
    pub(super) fn is_withheld(
        &self,
        connection: &Connection,
        own: &Peer,
        peers: &[Peer],
    ) -> rusqlite::Result<bool> {
        if !self.lets_through(connection, own)? {
            return Ok(true);
        }
        for better in peers.iter().take_while(|peer| peer.record != own.record) {
            if self.lets_through(connection, better)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The other records of a work that the filter lets through, if the reader wants them.
    pub(super) fn others(
        &self,
        connection: &Connection,
        record: i64,
        peers: &[Peer],
        decompressor: &mut Decompressor,
    ) -> rusqlite::Result<Vec<OtherRecord>> {
        let mut others = Vec::new();
        if self.with_others {
            for peer in peers.iter().filter(|peer| peer.record != record) {
                if self.lets_through(connection, peer)? {
                    others.push(peer.record);
                }
            }
        }
        metadata_of(connection, others, decompressor)
    }
}

/// Whether a set is `set` or below it.
///
/// Source: OAI-PMH 2.0, 2.6: a setSpec is the path to a node, with colons.
pub(super) fn is_within(spec: &str, set: &str) -> bool {
    let rest = spec.strip_prefix(set);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

/// A source and one of its sets, written as `SOURCE/SETSPEC`.
///
/// # Errors
/// An error message.
pub fn set_of_source(text: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((source, set)) if !source.is_empty() && !set.is_empty() => {
            Ok((source.to_owned(), set.to_owned()))
        }
        _ => Err(format!(
            "{text:?} is not a source and a set, such as doaj-articles/LCC"
        )),
    }
}

/// The sources whose changes matter to the reader; `None` for all sources.
pub(super) fn relevant(
    connection: &Connection,
    filter: &ChangeFilter,
) -> rusqlite::Result<Option<Vec<SourceId>>> {
    if !filter.is_limited() || filter.is_linked() {
        return Ok(None);
    }
    let mut ids = Vec::new();
    for name in filter.sources.iter().chain(filter.sets.keys()) {
        ids.extend(source_id(connection, name)?);
    }
    Ok(Some(ids))
}

fn source_id(connection: &Connection, name: &str) -> rusqlite::Result<Option<SourceId>> {
    use rusqlite::OptionalExtension;
    connection
        .prepare_cached("SELECT id FROM source WHERE name = ?1")?
        .query_row([name], |row| row.get(0).map(SourceId))
        .optional()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_includes_the_sets_below_it() {
        for (spec, set, expected) in [
            ("a", "a", true),
            ("a:b", "a", true),
            ("a:b:c", "a:b", true),
            ("a", "a:b", false),
            ("ab", "a", false),
            ("b:a", "a", false),
        ] {
            assert_eq!(is_within(spec, set), expected, "{spec} in {set}");
        }
    }
}
