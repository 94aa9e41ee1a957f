//! Reading clusters.

use std::fmt;

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

use super::describe;
use super::imports::Origin;
use super::state::{ClusterState, Stored};
use crate::dedup::description::Description;
use crate::dedup::rules::Versions;
use crate::store::payload::Decompressor;
use crate::store::records::numbers_of;
use crate::store::{OtherRecord, Reader, SourceId, StoreError, Version};

/// A record's row in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RecordId(pub i64);

/// A record of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    /// Its row.
    #[serde(skip)]
    pub record: RecordId,
    /// The source's name.
    pub source: String,
    /// The item's identifier.
    pub identifier: String,
    /// Whether it is deleted; then it is in no cluster.
    pub deleted: bool,
}

/// The name of a cluster: the record that it was first named after, which may have left it since, and
/// how often that record had given its name before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClusterName {
    /// The record's source.
    pub source: String,
    /// The record's identifier.
    pub identifier: String,
    /// Counted from 0; nearly always 0.
    pub generation: u32,
}

impl fmt::Display for ClusterName {
    /// `source/identifier`, followed by `~1` and so on for later generations.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.source, self.identifier)?;
        match self.generation {
            0 => Ok(()),
            generation => write!(f, "~{generation}"),
        }
    }
}

/// The records of one work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cluster {
    /// Its name.
    pub name: ClusterName,
    /// The records by rank, the preferred record first.
    pub members: Vec<Member>,
}

/// Where a record stands among the records of its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The name of its cluster.
    pub cluster: ClusterName,
    /// Whether it is the preferred record.
    pub is_preferred: bool,
}

/// The changes among which recent clusters are looked for.
const LOOKED_AT: u32 = 5_000;

/// A cluster with a record that has changed lately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentCluster {
    /// The cluster, with its first records.
    pub cluster: Cluster,
    /// All its records.
    pub size: u64,
    /// The newest change of one of them.
    pub changed: Version,
}

/// Which clusters to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterFilter {
    /// Only clusters with a record of this source.
    pub source: Option<String>,
    /// Only clusters with a record that this origin of imported clusters names.
    pub origin: Option<String>,
    /// The smallest size; less than 2 means 2.
    pub min_size: u32,
    /// The largest number of clusters.
    pub limit: Option<u32>,
}

/// Numbers of clusters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClusterStats {
    /// Whether they are up to date.
    pub state: ClusterState,
    /// Live records that can be compared with others.
    pub described: u64,
    /// Works: clusters, and live records that are alone.
    pub works: u64,
    /// Clusters of two records or more.
    pub clusters: u64,
    /// Records in them.
    pub clustered: u64,
    /// The records of the largest one.
    pub largest: u64,
    /// Clusters of records of two sources or more.
    pub across_sources: u64,
    /// Names that redirect to another cluster.
    pub redirects: u64,
    /// Decisions.
    pub decisions: u64,
    /// The origins of imported clusters.
    pub origins: Vec<Origin>,
}

impl Reader {
    /// The records with this identifier, one for each source that has it, by source.
    pub fn members(&self, identifier: &str) -> Result<Vec<Member>, StoreError> {
        self.read("reading a record", |connection| {
            let members = numbers_of(connection, identifier)?.into_iter();
            members.map(|record| member(connection, record)).collect()
        })
    }

    /// The cluster of a record; `None` if it is deleted. A record that is alone is a cluster too.
    ///
    /// # Errors
    /// [`StoreError::NotClustered`] if the clusters are not up to date.
    pub fn cluster_of(&self, record: RecordId) -> Result<Option<Cluster>, StoreError> {
        require_current(self)?;
        self.read("reading a cluster", |connection| {
            if let Some(row) = super::naming::cluster_of(connection, record.0)? {
                return cluster(connection, row).map(Some);
            }
            let alone = member(connection, record.0)?;
            Ok((!alone.deleted).then(|| Cluster {
                name: ClusterName {
                    source: alone.source.clone(),
                    identifier: alone.identifier.clone(),
                    generation: 0,
                },
                members: vec![alone],
            }))
        })
    }

    /// The cluster with this name, given as record and generation. A redirect is followed, so the result
    /// can have another name. `None` if the cluster is gone.
    ///
    /// # Errors
    /// [`StoreError::NotClustered`] if the clusters are not up to date.
    pub fn cluster_named(
        &self,
        record: RecordId,
        generation: u32,
    ) -> Result<Option<Cluster>, StoreError> {
        require_current(self)?;
        let target = self.read("following a name", |connection| {
            resolve(connection, (record.0, generation))
        })?;
        match target {
            Some(Target::Row(row)) => self
                .read("reading a cluster", |connection| cluster(connection, row))
                .map(Some),
            Some(Target::Alone(record)) => self.cluster_of(RecordId(record)),
            None => Ok(None),
        }
    }

    /// Clusters of two records or more, the oldest first.
    ///
    /// # Errors
    /// [`StoreError::NotClustered`] if the clusters are not up to date.
    pub fn clusters(&self, filter: &ClusterFilter) -> Result<Vec<Cluster>, StoreError> {
        require_current(self)?;
        self.read("reading clusters", |connection| {
            let mut statement = connection.prepare(
                "SELECT cluster.id FROM cluster
                 WHERE (SELECT count(*) FROM cluster_member WHERE cluster_id = cluster.id) >= ?1
                   AND (?2 IS NULL OR EXISTS (
                        SELECT 1 FROM cluster_member
                        JOIN record ON record.id = cluster_member.record_id
                        JOIN source ON source.id = record.source_id
                        WHERE cluster_id = cluster.id AND source.name = ?2))
                   AND (?4 IS NULL OR EXISTS (
                        SELECT 1 FROM cluster_member
                        JOIN imported ON imported.record_id = cluster_member.record_id
                        JOIN origin ON origin.id = imported.origin_id
                        WHERE cluster_id = cluster.id AND origin.name = ?4))
                 ORDER BY cluster.id LIMIT ?3",
            )?;
            let limit = filter.limit.map_or(-1, i64::from);
            let rows = statement.query_map(
                params![filter.min_size.max(2), filter.source, limit, filter.origin],
                |row| row.get(0),
            )?;
            rows.map(|row| cluster(connection, row?)).collect()
        })
    }

    /// The clusters of two records or more that the newest changes of the store belong to, the newest first, at
    /// most `limit`, each with its first `members` records. Older changes are not looked at, so that the
    /// cost does not depend on the size of the store.
    ///
    /// # Errors
    /// [`StoreError::NotClustered`] if the clusters are not up to date.
    pub fn recent_clusters(
        &self,
        limit: usize,
        members: usize,
    ) -> Result<Vec<RecentCluster>, StoreError> {
        require_current(self)?;
        self.read("reading clusters", |connection| {
            let found = connection
                .prepare_cached(
                    "SELECT cluster_id, max(version) AS changed,
                        (SELECT count(*) FROM cluster_member AS all_of
                         WHERE all_of.cluster_id = own.cluster_id) AS size
                     FROM (SELECT id, version FROM record ORDER BY version DESC LIMIT ?1) AS newest
                     JOIN cluster_member AS own ON own.record_id = newest.id
                     GROUP BY cluster_id HAVING size > 1 ORDER BY changed DESC LIMIT ?2",
                )?
                .query_map(params![LOOKED_AT, limit], |row| {
                    Ok((row.get(0)?, Version(row.get(1)?), row.get(2)?))
                })?
                .collect::<rusqlite::Result<Vec<(i64, Version, u64)>>>()?;
            let read = |(row, changed, size)| {
                let mut cluster = cluster(connection, row)?;
                cluster.members.truncate(members);
                Ok(RecentCluster {
                    cluster,
                    size,
                    changed,
                })
            };
            found.into_iter().map(read).collect()
        })
    }

    /// Counts clusters, even if they are not up to date.
    pub fn cluster_stats(&self) -> Result<ClusterStats, StoreError> {
        let origins = self.origins()?;
        self.read("counting clusters", |connection| {
            let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, u64>(0));
            let (live, described) = connection.query_row(
                "SELECT count(*), count(*) FILTER (WHERE packed <> ?1) FROM description",
                [&*describe::EMPTY],
                |row| Ok((row.get::<_, u64>(0)?, row.get(1)?)),
            )?;
            let (clusters, clustered, largest, across_sources) = connection.query_row(
                "SELECT count(*), coalesce(sum(size), 0), coalesce(max(size), 0),
                        count(*) FILTER (WHERE sources > 1)
                 FROM (SELECT count(*) AS size, count(DISTINCT record.source_id) AS sources
                       FROM cluster_member JOIN record ON record.id = cluster_member.record_id
                       GROUP BY cluster_id HAVING size > 1)",
                [],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
            )?;
            Ok(ClusterStats {
                state: Stored::read(connection)?.state,
                described,
                works: live.saturating_sub(clustered) + clusters,
                clusters,
                clustered,
                largest,
                across_sources,
                redirects: number("SELECT count(*) FROM cluster_redirect")?,
                decisions: number("SELECT count(*) FROM decision")?,
                origins,
            })
        })
    }

    /// The standings of live records, in the order of `records`. All are `None` if the
    /// clusters are not up to date.
    pub fn standings(&self, records: &[RecordId]) -> Result<Vec<Option<Standing>>, StoreError> {
        self.read("reading clusters", |connection| {
            if Stored::read(connection)?.state != ClusterState::Current {
                return Ok(vec![None; records.len()]);
            }
            let standings = records.iter().map(|record| standing(connection, record.0));
            standings.map(|standing| standing.map(Some)).collect()
        })
    }

    /// The description of a record; `None` if it is deleted or no crosswalk reads it. It is made from the
    /// metadata, so a store without clusters has it too.
    pub fn description(&self, record: RecordId) -> Result<Option<Description>, StoreError> {
        self.read("reading a description", |connection| {
            let row = connection
                .prepare_cached(
                    "SELECT source.metadata_prefix, payload.dictionary_id, payload.metadata
                     FROM record JOIN source ON source.id = record.source_id
                     JOIN payload ON payload.record_id = record.id
                     WHERE record.id = ?1 AND record.deleted = 0
                       AND payload.metadata IS NOT NULL",
                )?
                .query_row([record.0], |row| {
                    let compressed: Vec<u8> = row.get(2)?;
                    Ok((row.get::<_, String>(0)?, row.get(1)?, compressed))
                })
                .optional()?;
            let Some((prefix, dictionary, compressed)) = row else {
                return Ok(None);
            };
            let text = Decompressor::default().decompress(connection, dictionary, &compressed)?;
            Ok(describe::description(
                &prefix,
                std::str::from_utf8(&text).ok(),
            ))
        })
    }

    /// The sources whose records are preferred, the best first.
    pub fn preferred_sources(&self) -> Result<Vec<String>, StoreError> {
        self.read("reading the state of clusters", |connection| {
            Ok(Stored::read(connection)?.sources)
        })
    }

    /// Whether versions of a work are together in the clusters.
    pub fn versions(&self) -> Result<Versions, StoreError> {
        self.read("reading the state of clusters", |connection| {
            Ok(Stored::read(connection)?.versions)
        })
    }
}

/// Refuses to read clusters that are not up to date.
pub(in crate::store) fn require_current(reader: &Reader) -> Result<(), StoreError> {
    match reader.cluster_state()? {
        ClusterState::Current => Ok(()),
        state => Err(StoreError::NotClustered {
            path: reader.path.clone(),
            state,
        }),
    }
}

/// A record as a member of its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct Peer {
    /// Its row.
    pub(in crate::store) record: i64,
    pub(in crate::store) source: SourceId,
    /// The number of its combination of sets.
    pub(in crate::store) set_list: i64,
    pub(in crate::store) version: i64,
}

/// All records of a record's cluster by rank; none for a record that is alone.
pub(in crate::store) fn peers_of(
    connection: &Connection,
    record: i64,
) -> rusqlite::Result<Vec<Peer>> {
    let mut statement = connection.prepare_cached(
        "SELECT record.id, record.source_id, record.set_list_id, record.version
         FROM cluster_member AS own
         JOIN cluster_member AS other ON other.cluster_id = own.cluster_id
         JOIN record ON record.id = other.record_id
         WHERE own.record_id = ?1 ORDER BY other.rank",
    )?;
    let peers = statement.query_map([record], |row| {
        Ok(Peer {
            record: row.get(0)?,
            source: SourceId(row.get(1)?),
            set_list: row.get(2)?,
            version: row.get(3)?,
        })
    })?;
    peers.collect()
}

/// The metadata of these records, in their order. Records without metadata are left out.
pub(in crate::store) fn metadata_of(
    connection: &Connection,
    records: impl IntoIterator<Item = i64>,
    decompressor: &mut Decompressor,
) -> rusqlite::Result<Vec<OtherRecord>> {
    let mut statement = connection.prepare_cached(
        "SELECT source.metadata_prefix, payload.dictionary_id, payload.metadata
         FROM record JOIN source ON source.id = record.source_id
         JOIN payload ON payload.record_id = record.id
         WHERE record.id = ?1 AND payload.metadata IS NOT NULL",
    )?;
    let mut found = Vec::new();
    for record in records {
        let mut rows = statement.query([record])?;
        let Some(row) = rows.next()? else { continue };
        let metadata =
            decompressor.decompress(connection, row.get(1)?, row.get_ref(2)?.as_blob()?)?;
        // Metadata that is not UTF-8 cannot be read anyway.
        if let Ok(metadata) = String::from_utf8(metadata) {
            found.push(OtherRecord {
                metadata_prefix: row.get(0)?,
                metadata,
            });
        }
    }
    Ok(found)
}

/// The cluster behind a name.
enum Target {
    /// A cluster with a row.
    Row(i64),
    /// A record that is alone under its own name.
    Alone(i64),
}

fn resolve(connection: &Connection, name: (i64, u32)) -> rusqlite::Result<Option<Target>> {
    let mut visited = vec![name];
    let mut current = name;
    loop {
        let row = connection
            .prepare_cached("SELECT id FROM cluster WHERE record_id = ?1 AND generation = ?2")?
            .query_row(params![current.0, current.1], |row| row.get(0))
            .optional()?;
        if let Some(row) = row {
            return Ok(Some(Target::Row(row)));
        }
        let next: Option<(i64, u32)> = connection
            .prepare_cached(
                "SELECT to_record_id, to_generation FROM cluster_redirect
                 WHERE record_id = ?1 AND generation = ?2",
            )?
            .query_row(params![current.0, current.1], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        match next {
            Some(next) if !visited.contains(&next) => {
                visited.push(next);
                current = next;
            }
            // The program writes no circle of redirects.
            Some(_) => return Ok(None),
            None => break,
        }
    }
    let alone = current.1 == 0 && super::naming::cluster_of(connection, current.0)?.is_none();
    Ok(alone.then_some(Target::Alone(current.0)))
}

pub(super) fn cluster(connection: &Connection, row: i64) -> rusqlite::Result<Cluster> {
    let (named_after, generation) = connection
        .prepare_cached("SELECT record_id, generation FROM cluster WHERE id = ?1")?
        .query_row([row], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let named_after = member(connection, named_after)?;
    let mut statement = connection.prepare_cached(
        "SELECT record_id FROM cluster_member WHERE cluster_id = ?1 ORDER BY rank",
    )?;
    let rows = statement.query_map([row], |row| row.get(0))?;
    Ok(Cluster {
        name: ClusterName {
            source: named_after.source,
            identifier: named_after.identifier,
            generation,
        },
        members: rows
            .map(|record| member(connection, record?))
            .collect::<rusqlite::Result<_>>()?,
    })
}

fn standing(connection: &Connection, record: i64) -> rusqlite::Result<Standing> {
    let named = connection
        .prepare_cached(
            "SELECT cluster.record_id, cluster.generation, cluster_member.rank
             FROM cluster_member JOIN cluster ON cluster.id = cluster_member.cluster_id
             WHERE cluster_member.record_id = ?1",
        )?
        .query_row([record], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)?))
        })
        .optional()?;
    let (named_after, generation, rank) = named.unwrap_or((record, 0, 0));
    let named_after = member(connection, named_after)?;
    Ok(Standing {
        cluster: ClusterName {
            source: named_after.source,
            identifier: named_after.identifier,
            generation,
        },
        is_preferred: rank == 0,
    })
}

pub(super) fn member(connection: &Connection, record: i64) -> rusqlite::Result<Member> {
    connection
        .prepare_cached(
            "SELECT source.name, record.identifier, record.deleted FROM record
             JOIN source ON source.id = record.source_id WHERE record.id = ?1",
        )?
        .query_row([record], |row| {
            Ok(Member {
                record: RecordId(record),
                source: row.get(0)?,
                identifier: row.get(1)?,
                deleted: row.get::<_, i64>(2)? != 0,
            })
        })
}
