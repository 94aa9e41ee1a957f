//! The rebuild of clusters that are up to date.
//!
//! Readers and harvests use the clusters meanwhile. So each step is a transaction of its own, which makes
//! some descriptions, keys or clusters again from what is stored, and leaves the clusters up to date. An
//! interrupted rebuild has renewed a part.

use std::collections::{BTreeSet, HashSet};

use rusqlite::{Connection, OptionalExtension};

use super::describe::keys_of;
use super::graph::{self, Graph};
use super::keys::{self, KeyDifference, KeyRange};
use super::rebuild::{
    CHUNK, DECIDED, IMPORTED, RETURNED, Rebuilt, Text, describe_batch, numbers, read_batch, sharing,
};
use super::update::{ChangedRecord, Clusters, recluster, stamp_at};
use crate::dedup::packed;
use crate::store::payload::Dictionaries;
use crate::store::{Reader, Store, StoreError};

const DOING: &str = "rebuilding clusters";

/// Keys that are corrected in one transaction.
const CORRECTED_TOGETHER: usize = 10_000;

impl Store {
    /// Makes all descriptions, keys and clusters again, in steps. `None` if the clusters are not up to
    /// date any more: the settings have changed meanwhile.
    pub(super) fn renew_clusters(
        &self,
        now_ms: i64,
        progress: &mut impl FnMut(u64),
    ) -> Result<Option<Rebuilt>, StoreError> {
        let mut renewal = Renewal {
            store: self,
            reader: self.reader()?,
            now_ms,
            rebuilt: Rebuilt::default(),
        };
        let done = renewal.descriptions(progress)? && renewal.keys()? && renewal.clusters()?;
        Ok(done.then_some(renewal.rebuilt))
    }

    /// Runs one step on clusters that are up to date. `None` if they are not.
    pub(super) fn on_current<T>(
        &self,
        work: impl FnOnce(&Connection, &mut Clusters<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        self.write_patiently(DOING, |transaction| {
            let Some(mut clusters) = Clusters::begin(transaction, self.take_recent_keys())? else {
                return Ok(None);
            };
            let value = work(transaction, &mut clusters)?;
            self.keep_recent_keys(Some(clusters.finish()?));
            Ok(Some(value))
        })
    }
}

/// A rebuild that goes on. Each part returns whether the clusters are still up to date.
struct Renewal<'a> {
    store: &'a Store,
    reader: Reader,
    now_ms: i64,
    rebuilt: Rebuilt,
}

impl Renewal<'_> {
    /// Describes all live records. Where a description differs from the stored one, the record is
    /// clustered again, as after a change of its content.
    fn descriptions(&mut self, progress: &mut impl FnMut(u64)) -> Result<bool, StoreError> {
        let mut dictionaries = Dictionaries::default();
        let mut after = 0;
        loop {
            // Records between two batches are not live.
            let (batch, strays) = self.reader.read(DOING, |connection| {
                let batch = read_batch(connection, &mut dictionaries, after)?;
                let upto = batch.last().map_or(i64::MAX, |text: &Text| text.record);
                Ok((batch, strays(connection, after, upto)?))
            })?;
            let described = describe_batch(&batch, &dictionaries)
                .map_err(|error| StoreError::from_sqlite(self.store.path(), DOING, error))?;
            let comparable = described
                .iter()
                .filter(|(_, description)| description.is_comparable());
            self.rebuilt.described += comparable.count() as u64;
            let now_ms = self.now_ms;
            let moved = self.store.on_current(|connection, clusters| {
                let mut changed = Vec::with_capacity(described.len());
                for (text, (record, description)) in batch.iter().zip(described) {
                    // Whoever has changed it meanwhile has described it.
                    if version_of(connection, record)? == Some(text.version) {
                        changed.push(ChangedRecord {
                            record,
                            known: true,
                            description: Some(description),
                        });
                    }
                }
                for record in strays {
                    if !is_live(connection, record)? {
                        changed.push(ChangedRecord {
                            record,
                            known: true,
                            description: None,
                        });
                    }
                }
                let (moved, _) = clusters.update_all(changed)?;
                stamp_at(connection, moved, now_ms)
            })?;
            let Some(moved) = moved else {
                return Ok(false);
            };
            self.rebuilt.moved += moved;
            self.rebuilt.records += batch.len() as u64;
            let Some(last) = batch.last() else {
                return Ok(true);
            };
            after = last.record;
            progress(self.rebuilt.records);
        }
    }

    /// Corrects the table of keys where it differs from the descriptions.
    fn keys(&mut self) -> Result<bool, StoreError> {
        for range in KeyRange::all(self.rebuilt.records) {
            let differences = self
                .reader
                .read(DOING, |connection| keys::differences(connection, range))?;
            for some in differences.chunks(CORRECTED_TOGETHER) {
                let done = self.store.on_current(|connection, clusters| {
                    for KeyDifference { key, record } in some {
                        // The difference may be gone, or another one now.
                        let description = graph::stored(connection, *record)?;
                        let description = description.and_then(|text| packed::unpack(&text));
                        let has_key = description.is_some_and(|description| {
                            keys_of(&description).binary_search(key).is_ok()
                        });
                        clusters.index.correct(*key, *record, has_key)?;
                    }
                    Ok(())
                })?;
                if done.is_none() {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Clusters again all records that can be in a cluster with others, or were in one.
    fn clusters(&mut self) -> Result<bool, StoreError> {
        let seeds = self.reader.read(DOING, |connection| {
            let mut seeds = numbers(connection, "SELECT record_id FROM cluster_member")?;
            seeds.extend(numbers(connection, DECIDED)?);
            seeds.extend(numbers(connection, IMPORTED)?);
            seeds.extend(numbers(connection, RETURNED)?);
            seeds.extend(sharing(connection)?);
            // Their keys are not in the table.
            seeds.extend(numbers(
                connection,
                "SELECT record_id FROM description
                 WHERE record_id > (SELECT indexed_to FROM dedup)",
            )?);
            Ok(Vec::from_iter(seeds))
        })?;
        let mut done: HashSet<i64> = HashSet::new();
        // The first step also clusters again what deleted members have left.
        let chunks = std::iter::once(&[][..]).chain(seeds.chunks(CHUNK));
        for (number, chunk) in chunks.enumerate() {
            let now_ms = self.now_ms;
            let step = self.store.on_current(|connection, clusters| {
                let emptied = match number {
                    0 => numbers(connection, EMPTIED)?,
                    _ => BTreeSet::new(),
                };
                let seeds = chunk.iter().filter(|seed| !done.contains(seed)).copied();
                let mut graph = Graph::new(connection, &clusters.index)?;
                let sources = &clusters.sources;
                let clustered =
                    recluster(&mut graph, sources, seeds.collect(), emptied, |_| false)?;
                let moved = stamp_at(connection, clustered.moved, now_ms)?;
                Ok((clustered.members, moved))
            })?;
            let Some((members, moved)) = step else {
                return Ok(false);
            };
            done.extend(members);
            self.rebuilt.moved += moved;
        }
        Ok(true)
    }
}

/// The clusters that have members without a description.
pub(super) const EMPTIED: &str = "SELECT DISTINCT cluster_id FROM cluster_member WHERE NOT EXISTS
    (SELECT 1 FROM description WHERE description.record_id = cluster_member.record_id)";

/// The records of a span that have a description and are not live.
fn strays(connection: &Connection, after: i64, upto: i64) -> rusqlite::Result<Vec<i64>> {
    connection
        .prepare_cached(
            "SELECT description.record_id FROM description
             WHERE description.record_id > ?1 AND description.record_id <= ?2
               AND NOT EXISTS (SELECT 1 FROM record
                   WHERE record.id = description.record_id AND record.deleted = 0)",
        )?
        .query_map([after, upto], |row| row.get(0))?
        .collect()
}

fn is_live(connection: &Connection, record: i64) -> rusqlite::Result<bool> {
    Ok(version_of(connection, record)?.is_some())
}

/// The version of a live record.
fn version_of(connection: &Connection, record: i64) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT version FROM record WHERE id = ?1 AND deleted = 0")?
        .query_row([record], |row| row.get(0))
        .optional()
}
