//! Clusters that another program found, and that were imported under the name of their origin.
//!
//! They are decisions: they win over every rule, and people's decisions win over them. The rows are stored in one
//! transaction, together with the list of the records that it concerns (`unclustered`). Then these records are
//! clustered again in steps, between which harvests and pushes go on. What an interruption leaves in the list, the
//! next import, harvest or rebuild clusters.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

use super::RecordId;
use super::graph::Graph;
use super::rebuild::CHUNK;
use super::update::{recluster, stamp_at};
use crate::store::{Reader, Store, StoreError};

/// What an import has changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    /// Records whose imported cluster is new, another one, or gone.
    pub changed: u64,
    /// Records in another cluster than before, or at another rank in it. None if clusters are not up to date.
    pub moved: u64,
}

/// An origin of imported clusters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// Its name.
    pub name: String,
    /// When its clusters were imported, in milliseconds since 1970 on our clock.
    #[serde(serialize_with = "crate::clock::as_rfc3339")]
    pub at: i64,
    /// Its clusters with a record in the store.
    pub clusters: u64,
    /// These records.
    pub records: u64,
}

/// The imported cluster of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImportedCluster {
    /// The name of the origin.
    pub origin: String,
    /// When it was imported, in milliseconds since 1970 on our clock.
    #[serde(serialize_with = "crate::clock::as_rfc3339")]
    pub at: i64,
    /// The cluster's number: that of its first record in the store.
    #[serde(skip)]
    pub cluster: i64,
}

impl ImportedCluster {
    /// Whether two records are in one cluster of this origin; `None` if the origin says nothing about one of
    /// them.
    pub fn joins(&self, others: &[Self]) -> Option<bool> {
        let other = others.iter().find(|other| other.origin == self.origin)?;
        Some(other.cluster == self.cluster)
    }
}

impl Store {
    /// Replaces the clusters of an origin as a whole, and clusters again what that concerns. An empty list forgets
    /// the origin.
    ///
    /// If the clusters are not up to date, the imported ones are stored for the next rebuild.
    pub fn import_clusters(
        &self,
        origin: &str,
        clusters: &[Vec<RecordId>],
        now_ms: i64,
    ) -> Result<Imported, StoreError> {
        let changed = self.write_patiently("importing clusters", |transaction| {
            replace(transaction, origin, clusters, now_ms)
        })?;
        let moved = self.finish_imports(now_ms)?;
        Ok(Imported { changed, moved })
    }

    /// Clusters again the records that an import has left for later. Returns how many moved. Does nothing if the
    /// clusters are not up to date.
    pub fn finish_imports(&self, now_ms: i64) -> Result<u64, StoreError> {
        let mut moved = 0;
        if !self.read("looking for imported clusters", has_unclustered)? {
            return Ok(0);
        }
        loop {
            let step = self.on_current(|connection, clusters| {
                let seeds = first_unclustered(connection)?;
                let mut graph = Graph::new(connection, &clusters.index)?;
                let live = seeds.iter().copied().collect();
                let sources = &clusters.sources;
                let done = recluster(&mut graph, sources, live, BTreeSet::new(), |_| false)?;
                let mut delete =
                    connection.prepare_cached("DELETE FROM unclustered WHERE record_id = ?1")?;
                for record in seeds.iter().chain(&done.members) {
                    delete.execute([record])?;
                }
                Ok((seeds.len(), stamp_at(connection, done.moved, now_ms)?))
            })?;
            match step {
                Some((1.., more)) => moved += more,
                Some((0, _)) | None => return Ok(moved),
            }
        }
    }
}

/// Replaces the rows of an origin, and lists the records whose rows differ. Returns their number.
fn replace(
    connection: &Connection,
    origin: &str,
    clusters: &[Vec<RecordId>],
    now_ms: i64,
) -> rusqlite::Result<u64> {
    let mut wanted = BTreeMap::new();
    for cluster in clusters {
        // A cluster that stays as it is keeps its number, so that nothing has to be clustered again.
        let number = cluster.iter().map(|record| record.0).min();
        wanted.extend(cluster.iter().map(|record| (record.0, number)));
    }
    connection.execute(
        "INSERT INTO origin (name, imported_at) VALUES (?1, ?2)
         ON CONFLICT (name) DO UPDATE SET imported_at = excluded.imported_at",
        params![origin, now_ms],
    )?;
    let id: i64 =
        connection.query_row("SELECT id FROM origin WHERE name = ?1", [origin], |row| {
            row.get(0)
        })?;
    let present: HashMap<i64, Option<i64>> = connection
        .prepare("SELECT record_id, cluster FROM imported WHERE origin_id = ?1")?
        .query_map([id], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut list = connection.prepare("INSERT OR IGNORE INTO unclustered VALUES (?1)")?;
    let mut delete =
        connection.prepare("DELETE FROM imported WHERE record_id = ?1 AND origin_id = ?2")?;
    let mut insert = connection.prepare(
        "INSERT OR REPLACE INTO imported (record_id, origin_id, cluster)
         SELECT id, ?2, ?3 FROM record WHERE id = ?1",
    )?;
    let mut changed = 0;
    for record in present.keys().filter(|record| !wanted.contains_key(record)) {
        delete.execute([record, &id])?;
        changed += list.execute([record])? as u64;
    }
    for (record, cluster) in &wanted {
        if present.get(record) == Some(cluster) {
            continue;
        }
        // A record that was deleted since it was looked up has no row any more.
        if insert.execute(params![record, id, cluster])? > 0 {
            changed += list.execute([record])? as u64;
        }
    }
    if wanted.is_empty() {
        connection.execute("DELETE FROM origin WHERE id = ?1", [id])?;
    }
    Ok(changed)
}

fn has_unclustered(connection: &Connection) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM unclustered)")?
        .query_row([], |row| row.get(0))
}

fn first_unclustered(connection: &Connection) -> rusqlite::Result<Vec<i64>> {
    connection
        .prepare_cached("SELECT record_id FROM unclustered ORDER BY record_id LIMIT ?1")?
        .query_map([CHUNK as i64], |row| row.get(0))?
        .collect()
}

impl Reader {
    /// The record of a source with this identifier; a deleted one too.
    pub fn record_id(
        &self,
        source: &str,
        identifier: &str,
    ) -> Result<Option<RecordId>, StoreError> {
        self.read("looking for a record", |connection| {
            connection
                .prepare_cached(
                    "SELECT record.id FROM record JOIN source ON source.id = record.source_id
                     WHERE record.identifier = ?2 AND source.name = ?1",
                )?
                .query_row([source, identifier], |row| row.get(0).map(RecordId))
                .optional()
        })
    }

    /// The origins of imported clusters, by name.
    pub fn origins(&self) -> Result<Vec<Origin>, StoreError> {
        self.read("counting imported clusters", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT name, imported_at, count(DISTINCT cluster), count(record_id)
                 FROM origin LEFT JOIN imported ON imported.origin_id = origin.id
                 GROUP BY origin.id ORDER BY name",
            )?;
            let rows = statement.query_map([], |row| {
                Ok(Origin {
                    name: row.get(0)?,
                    at: row.get(1)?,
                    clusters: row.get(2)?,
                    records: row.get(3)?,
                })
            })?;
            rows.collect()
        })
    }

    /// The imported clusters of a record, at most one of each origin, by the names of the origins.
    pub fn imported_clusters(&self, record: RecordId) -> Result<Vec<ImportedCluster>, StoreError> {
        self.read("reading imported clusters", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT name, imported_at, cluster FROM imported
                 JOIN origin ON origin.id = imported.origin_id
                 WHERE record_id = ?1 ORDER BY name",
            )?;
            let rows = statement.query_map([record.0], |row| {
                Ok(ImportedCluster {
                    origin: row.get(0)?,
                    at: row.get(1)?,
                    cluster: row.get(2)?,
                })
            })?;
            rows.collect()
        })
    }
}
