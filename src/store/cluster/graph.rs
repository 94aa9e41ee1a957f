//! Links between records: those that a rule calls the same, and those that a person decided about.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};

use super::describe::keys_of;
use super::keys::KeyIndex;
use super::state::Stored;
use crate::dedup::description::Description;
use crate::dedup::memory::KEY_CAP;
use crate::dedup::packed;
use crate::dedup::rules::{Verdict, Versions, decide};

/// A record that a rule calls the same as another record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Same {
    pub(super) record: i64,
    /// [`crate::dedup::rules::Decision::rank`].
    pub(super) rank: u8,
}

/// The links in one state of the store, found when they are needed.
pub(super) struct Graph<'a, 'i> {
    connection: &'a Connection,
    index: &'i KeyIndex<'a>,
    has_decisions: bool,
    has_imports: bool,
    versions: Versions,
    descriptions: HashMap<i64, Option<Arc<Description>>>,
    /// Holders by key; `None` for a key with too many holders to mean anything.
    holders: HashMap<u64, Option<Rc<[i64]>>>,
    same: HashMap<i64, Rc<[Same]>>,
}

impl<'a, 'i> Graph<'a, 'i> {
    pub(super) fn new(
        connection: &'a Connection,
        index: &'i KeyIndex<'a>,
    ) -> rusqlite::Result<Self> {
        let has_decisions = connection
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM decision)")?
            .query_row([], |row| row.get(0))?;
        let has_imports = connection
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM imported)")?
            .query_row([], |row| row.get(0))?;
        Ok(Self {
            connection,
            index,
            has_decisions,
            has_imports,
            versions: Stored::read(connection)?.versions,
            descriptions: HashMap::new(),
            holders: HashMap::new(),
            same: HashMap::new(),
        })
    }

    /// The connection that it reads from.
    pub(super) fn connection(&self) -> &'a Connection {
        self.connection
    }

    /// Whether versions of a work are together.
    pub(super) fn versions(&self) -> Versions {
        self.versions
    }

    /// Whether the store has any decision of a person, or any imported cluster.
    pub(super) fn has_decisions(&self) -> bool {
        self.has_decisions || self.has_imports
    }

    /// Sets the holders of a key, sorted: all of them, or more than [`KEY_CAP`].
    pub(super) fn set_holders(&mut self, key: u64, holders: Vec<i64>) {
        let few = (holders.len() <= KEY_CAP).then(|| holders.into());
        self.holders.insert(key, few);
    }

    /// The description of a record, which may be empty; `None` if the record is not live.
    pub(super) fn description(
        &mut self,
        record: i64,
    ) -> rusqlite::Result<Option<Arc<Description>>> {
        if let Some(known) = self.descriptions.get(&record) {
            return Ok(known.clone());
        }
        let found = description(self.connection, record)?.map(Arc::new);
        self.descriptions.insert(record, found.clone());
        Ok(found)
    }

    /// The live records that a rule calls the same as this one.
    pub(super) fn same(&mut self, record: i64) -> rusqlite::Result<Rc<[Same]>> {
        if let Some(known) = self.same.get(&record) {
            return Ok(Rc::clone(known));
        }
        let mut found = Vec::new();
        if let Some(description) = self.description(record)? {
            for other in self.candidates(record, &description)? {
                let Some(candidate) = self.description(other)? else {
                    continue;
                };
                let decision = decide(&description, &candidate, self.versions);
                if decision.verdict() == Verdict::Same {
                    found.push(Same {
                        record: other,
                        rank: decision.rank,
                    });
                }
            }
        }
        let found: Rc<[Same]> = found.into();
        self.same.insert(record, Rc::clone(&found));
        Ok(found)
    }

    /// The records of [`Graph::same`], and those that a decision or an imported cluster joins with this one.
    pub(super) fn neighbours(&mut self, record: i64) -> rusqlite::Result<Vec<i64>> {
        let mut found: Vec<i64> = self.same(record)?.iter().map(|same| same.record).collect();
        if self.has_decisions && self.description(record)?.is_some() {
            for link in self.decisions(record)? {
                if link.must && self.description(link.other)?.is_some() {
                    found.push(link.other);
                }
            }
        }
        if self.has_imports && self.description(record)?.is_some() {
            for other in self.imported_with(record)? {
                if self.description(other)?.is_some() {
                    found.push(other);
                }
            }
        }
        Ok(found)
    }

    /// The imported clusters of a record, as numbers of origin and cluster.
    pub(super) fn imported(&self, record: i64) -> rusqlite::Result<Vec<(i64, i64)>> {
        if !self.has_imports {
            return Ok(Vec::new());
        }
        self.connection
            .prepare_cached("SELECT origin_id, cluster FROM imported WHERE record_id = ?1")?
            .query_map([record], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect()
    }

    /// The other records of its imported clusters.
    fn imported_with(&self, record: i64) -> rusqlite::Result<Vec<i64>> {
        self.connection
            .prepare_cached(
                "SELECT other.record_id FROM imported AS own
                 JOIN imported AS other
                     ON other.origin_id = own.origin_id AND other.cluster = own.cluster
                 WHERE own.record_id = ?1 AND other.record_id <> ?1",
            )?
            .query_map([record], |row| row.get(0))?
            .collect()
    }

    /// The decisions about a record.
    pub(super) fn decisions(&self, record: i64) -> rusqlite::Result<Vec<Tie>> {
        if !self.has_decisions {
            return Ok(Vec::new());
        }
        self.connection
            .prepare_cached(
                "SELECT b, must FROM decision WHERE a = ?1
                 UNION ALL SELECT a, must FROM decision WHERE b = ?1",
            )?
            .query_map([record], |row| {
                Ok(Tie {
                    other: row.get(0)?,
                    must: row.get(1)?,
                })
            })?
            .collect()
    }

    /// The records that share a key with this one, sorted; keys with too many holders do not count.
    fn candidates(&mut self, record: i64, description: &Description) -> rusqlite::Result<Vec<i64>> {
        let mut found = Vec::new();
        for &key in keys_of(description).iter() {
            if !self.holders.contains_key(&key) {
                let holders = self.index.holders(key, KEY_CAP + 1)?;
                self.set_holders(key, holders);
            }
            if let Some(Some(holders)) = self.holders.get(&key) {
                found.extend(holders.iter().filter(|other| **other != record));
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }
}

/// A decision, seen from one of its two records.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tie {
    pub(super) other: i64,
    pub(super) must: bool,
}

/// The stored description of a record.
fn description(connection: &Connection, record: i64) -> rusqlite::Result<Option<Description>> {
    // A description that cannot be unpacked has an older layout; a rebuild replaces it.
    Ok(stored(connection, record)?.and_then(|packed| packed::unpack(&packed)))
}

/// The packed description of a record.
pub(super) fn stored(connection: &Connection, record: i64) -> rusqlite::Result<Option<Vec<u8>>> {
    connection
        .prepare_cached("SELECT packed FROM description WHERE record_id = ?1")?
        .query_row([record], |row| row.get(0))
        .optional()
}
