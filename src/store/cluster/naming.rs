//! Clusters as rows: their members by rank, and their names.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use rusqlite::{Connection, OptionalExtension, params};

use super::graph::Graph;
use crate::dedup::identity::{ClusterId, Named, assign_ids};
use crate::dedup::preferred::{Member, by_preference};

/// A record in canonical order: by source, then identifier.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct CanonicalRecord {
    pub(super) source: Rc<str>,
    pub(super) identifier: Rc<str>,
    pub(super) record: i64,
    /// The version of its first state.
    pub(super) since: i64,
}

/// The records of these rows, in canonical order.
pub(super) fn in_canonical_order(
    connection: &Connection,
    records: &[i64],
) -> rusqlite::Result<Vec<CanonicalRecord>> {
    let mut found = records
        .iter()
        .map(|record| canonical_record(connection, *record))
        .collect::<rusqlite::Result<Vec<_>>>()?;
    found.sort_unstable();
    Ok(found)
}

fn canonical_record(connection: &Connection, record: i64) -> rusqlite::Result<CanonicalRecord> {
    connection
        .prepare_cached(
            "SELECT source.name, record.identifier, record.created_version
             FROM record JOIN source ON source.id = record.source_id WHERE record.id = ?1",
        )?
        .query_row([record], |row| {
            Ok(CanonicalRecord {
                source: row.get_ref(0)?.as_str()?.into(),
                identifier: row.get_ref(1)?.as_str()?.into(),
                record,
                since: row.get(2)?,
            })
        })
}

/// The row of a record's cluster; `None` for a record that is alone under its own name.
pub(super) fn cluster_of(connection: &Connection, record: i64) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT cluster_id FROM cluster_member WHERE record_id = ?1")?
        .query_row([record], |row| row.get(0))
        .optional()
}

/// Whether a cluster that the record is not in has its name. A record gives its name away if it is
/// deleted while others are in its cluster.
pub(super) fn is_taken(connection: &Connection, record: i64) -> rusqlite::Result<bool> {
    Ok(exists(connection, (record, 0))? && cluster_of(connection, record)?.is_none())
}

/// The name of a cluster in a row: a record and a generation.
type Name = (i64, u32);

/// A stored cluster.
#[derive(Debug)]
struct Stored {
    row: i64,
    name: Name,
    /// By rank.
    members: Vec<i64>,
}

/// The clusters before a change, by their rows.
#[derive(Debug, Default)]
pub(super) struct Before(BTreeMap<i64, Stored>);

impl Before {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a cluster and returns its members.
    pub(super) fn add(&mut self, connection: &Connection, row: i64) -> rusqlite::Result<Vec<i64>> {
        if let Some(known) = self.0.get(&row) {
            return Ok(known.members.clone());
        }
        let name = connection
            .prepare_cached("SELECT record_id, generation FROM cluster WHERE id = ?1")?
            .query_row([row], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let members: Vec<i64> = connection
            .prepare_cached(
                "SELECT record_id FROM cluster_member WHERE cluster_id = ?1 ORDER BY rank",
            )?
            .query_map([row], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        self.0.insert(
            row,
            Stored {
                row,
                name,
                members: members.clone(),
            },
        );
        Ok(members)
    }
}

/// Names the clusters `groups` of `records`, which are in canonical order, and stores them in place of
/// those `before`.
///
/// Returns the moved records: those in another cluster than before or at another rank in it, and the
/// preferred record of each cluster whose members have changed.
pub(super) fn write(
    graph: &mut Graph<'_, '_>,
    sources: &[String],
    before: Before,
    records: &[CanonicalRecord],
    groups: &[Vec<u32>],
    nameless: impl Fn(i64) -> bool,
) -> rusqlite::Result<BTreeSet<i64>> {
    let connection = graph.connection();
    let old = old_clusters(connection, &before, records, nameless)?;
    let new: Vec<Vec<CanonicalRecord>> = groups
        .iter()
        .map(|group| {
            group
                .iter()
                .map(|at| records[*at as usize].clone())
                .collect()
        })
        .collect();
    let failure = Cell::new(None);
    let changes = assign_ids(&old, &new, |id| {
        exists(connection, (id.record.record, id.generation)).unwrap_or_else(|error| {
            failure.set(Some(error));
            false
        })
    });
    if let Some(error) = failure.into_inner() {
        return Err(error);
    }
    let mut after: Vec<(Name, Vec<i64>)> = Vec::with_capacity(changes.clusters.len());
    for cluster in &changes.clusters {
        after.push((
            plain(&cluster.id),
            ranked(graph, sources, &cluster.members)?,
        ));
    }
    let was: HashMap<Name, &Stored> = before.0.values().map(|old| (old.name, old)).collect();
    let moved = moved(&old, &was, &after);
    store(connection, &before, &was, &after)?;

    let mut redirect = connection
        .prepare_cached("INSERT OR REPLACE INTO cluster_redirect VALUES (?1, ?2, ?3, ?4)")?;
    for (from, to) in &changes.redirects {
        let ((record, generation), (to_record, to_generation)) = (plain(from), plain(to));
        redirect.execute(params![record, generation, to_record, to_generation])?;
    }
    let mut present = connection
        .prepare_cached("DELETE FROM cluster_redirect WHERE record_id = ?1 AND generation = ?2")?;
    for ((record, generation), _) in &after {
        present.execute(params![record, generation])?;
    }
    Ok(moved)
}

fn plain(id: &ClusterId<CanonicalRecord>) -> Name {
    (id.record.record, id.generation)
}

/// The clusters that the records were in, including those without rows. A record that came back and
/// whose name another cluster keeps was in none.
fn old_clusters(
    connection: &Connection,
    before: &Before,
    records: &[CanonicalRecord],
    nameless: impl Fn(i64) -> bool,
) -> rusqlite::Result<Vec<Named<CanonicalRecord>>> {
    let mut old = Vec::new();
    let mut members: BTreeSet<i64> = BTreeSet::new();
    for cluster in before.0.values() {
        members.extend(&cluster.members);
        old.push(Named {
            id: ClusterId {
                record: canonical_record(connection, cluster.name.0)?,
                generation: cluster.name.1,
            },
            members: in_canonical_order(connection, &cluster.members)?,
        });
    }
    for record in records {
        let alone = !members.contains(&record.record) && !nameless(record.record);
        if alone && !is_taken(connection, record.record)? {
            old.push(Named {
                id: ClusterId {
                    record: record.clone(),
                    generation: 0,
                },
                members: vec![record.clone()],
            });
        }
    }
    Ok(old)
}

fn exists(connection: &Connection, (record, generation): Name) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM cluster WHERE record_id = ?1 AND generation = ?2)",
        )?
        .query_row(params![record, generation], |row| row.get(0))
}

/// The members by rank, the preferred record first.
fn ranked(
    graph: &mut Graph<'_, '_>,
    sources: &[String],
    members: &[CanonicalRecord],
) -> rusqlite::Result<Vec<i64>> {
    if let [alone] = members {
        return Ok(vec![alone.record]);
    }
    let mut order = Vec::with_capacity(members.len());
    for member in members {
        let description = graph.description(member.record)?;
        order.push(Member {
            record: member,
            source: &member.source,
            filled: description.map_or(0, |description| description.filled()),
            since: member.since.unsigned_abs(),
        });
    }
    order.sort_by(|a, b| by_preference(a, b, sources));
    Ok(order.iter().map(|member| member.record.record).collect())
}

/// The records with another cluster or other records of higher rank than before, and the preferred
/// record of each cluster whose members have changed.
fn moved(
    old: &[Named<CanonicalRecord>],
    was: &HashMap<Name, &Stored>,
    after: &[(Name, Vec<i64>)],
) -> BTreeSet<i64> {
    let mut places: HashMap<i64, (Name, &[i64])> = HashMap::new();
    for cluster in was.values() {
        for (at, record) in cluster.members.iter().enumerate() {
            places.insert(*record, (cluster.name, &cluster.members[..at]));
        }
    }
    for cluster in old {
        let name = plain(&cluster.id);
        // A cluster without a row is a record alone under its own name.
        if !was.contains_key(&name) {
            places.insert(name.0, (name, &[]));
        }
    }
    let mut moved = BTreeSet::new();
    for (name, members) in after {
        for (at, record) in members.iter().enumerate() {
            if places.get(record) != Some(&(*name, &members[..at])) {
                moved.insert(*record);
            }
        }
        let same_members = match was.get(name) {
            Some(old) => BTreeSet::from_iter(&old.members) == BTreeSet::from_iter(members),
            None => members.len() == 1,
        };
        if !same_members {
            moved.extend(members.first());
        }
    }
    moved
}

fn store(
    connection: &Connection,
    before: &Before,
    was: &HashMap<Name, &Stored>,
    after: &[(Name, Vec<i64>)],
) -> rusqlite::Result<()> {
    let kept: HashMap<Name, &[i64]> = after
        .iter()
        .map(|(name, members)| (*name, members.as_slice()))
        .collect();
    for old in before.0.values() {
        let now = kept.get(&old.name).copied();
        if now == Some(old.members.as_slice()) {
            continue;
        }
        connection
            .prepare_cached("DELETE FROM cluster_member WHERE cluster_id = ?1")?
            .execute([old.row])?;
        if now.is_none_or(|members| needs_no_rows(old.name, members)) {
            connection
                .prepare_cached("DELETE FROM cluster WHERE id = ?1")?
                .execute([old.row])?;
        }
    }
    for (name, members) in after {
        let old = was.get(name);
        if needs_no_rows(*name, members) || old.is_some_and(|old| old.members == *members) {
            continue;
        }
        let row = match old {
            Some(old) => old.row,
            None => {
                connection
                    .prepare_cached("INSERT INTO cluster (record_id, generation) VALUES (?1, ?2)")?
                    .execute(params![name.0, name.1])?;
                connection.last_insert_rowid()
            }
        };
        let mut insert = connection.prepare_cached(
            "INSERT INTO cluster_member (record_id, cluster_id, rank) VALUES (?1, ?2, ?3)",
        )?;
        for (rank, record) in members.iter().enumerate() {
            insert.execute(params![record, row, rank])?;
        }
    }
    Ok(())
}

/// Whether the cluster is a record alone under its own first name.
fn needs_no_rows(name: Name, members: &[i64]) -> bool {
    members == [name.0] && name.1 == 0
}
