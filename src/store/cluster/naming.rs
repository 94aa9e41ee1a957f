//! Clusters as rows: who is in them, what they are called, who stands for them.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use rusqlite::{Connection, OptionalExtension, params};

use super::graph::Graph;
use crate::dedup::identity::{ClusterId, Named, assign_ids};
use crate::dedup::preferred::{Member, by_preference};

/// A record in the canonical order: by source and identifier.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Person {
    pub(super) source: Rc<str>,
    pub(super) identifier: Rc<str>,
    pub(super) record: i64,
    /// Its first version.
    pub(super) since: i64,
}

/// The records of these rows, in canonical order.
pub(super) fn people(connection: &Connection, records: &[i64]) -> rusqlite::Result<Vec<Person>> {
    let mut people = records
        .iter()
        .map(|record| person(connection, *record))
        .collect::<rusqlite::Result<Vec<_>>>()?;
    people.sort_unstable();
    Ok(people)
}

fn person(connection: &Connection, record: i64) -> rusqlite::Result<Person> {
    connection
        .prepare_cached(
            "SELECT source.name, record.identifier, record.created_version
             FROM record JOIN source ON source.id = record.source_id WHERE record.id = ?1",
        )?
        .query_row([record], |row| {
            Ok(Person {
                source: row.get_ref(0)?.as_str()?.into(),
                identifier: row.get_ref(1)?.as_str()?.into(),
                record,
                since: row.get(2)?,
            })
        })
}

/// The row of the cluster that a record is in; `None` for one that is alone under its own name.
pub(super) fn cluster_of(connection: &Connection, record: i64) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT cluster_id FROM cluster_member WHERE record_id = ?1")?
        .query_row([record], |row| row.get(0))
        .optional()
}

/// The name of a cluster as rows have it: a record and a generation.
type Name = (i64, u32);

/// A cluster as it is stored.
#[derive(Debug)]
struct Stored {
    row: i64,
    name: Name,
    /// By rank.
    members: Vec<i64>,
}

/// Clusters as they were before a change, by their rows.
#[derive(Debug, Default)]
pub(super) struct Before(BTreeMap<i64, Stored>);

impl Before {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a cluster and gives its members.
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

/// Names and stores the clusters `groups` of `people`, who are in canonical order, in the place of
/// those `before`. Gives the records that are in another cluster than before or at another place in
/// it; of a cluster with other members, its preferred record among them.
pub(super) fn write(
    graph: &mut Graph<'_, '_>,
    sources: &[String],
    before: Before,
    people: &[Person],
    groups: &[Vec<u32>],
    nameless: impl Fn(i64) -> bool,
) -> rusqlite::Result<BTreeSet<i64>> {
    let connection = graph.connection();
    let old = old_clusters(connection, &before, people, nameless)?;
    let new: Vec<Vec<Person>> = groups
        .iter()
        .map(|group| {
            group
                .iter()
                .map(|at| people[*at as usize].clone())
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
    let mut living = connection
        .prepare_cached("DELETE FROM cluster_redirect WHERE record_id = ?1 AND generation = ?2")?;
    for ((record, generation), _) in &after {
        living.execute(params![record, generation])?;
    }
    Ok(moved)
}

fn plain(id: &ClusterId<Person>) -> Name {
    (id.record.record, id.generation)
}

/// The clusters that the people were in, those without rows among them.
fn old_clusters(
    connection: &Connection,
    before: &Before,
    people: &[Person],
    nameless: impl Fn(i64) -> bool,
) -> rusqlite::Result<Vec<Named<Person>>> {
    let mut old = Vec::new();
    let mut housed: BTreeSet<i64> = BTreeSet::new();
    for cluster in before.0.values() {
        housed.extend(&cluster.members);
        old.push(Named {
            id: ClusterId {
                record: person(connection, cluster.name.0)?,
                generation: cluster.name.1,
            },
            members: self::people(connection, &cluster.members)?,
        });
    }
    let alone = people
        .iter()
        .filter(|person| !housed.contains(&person.record) && !nameless(person.record));
    old.extend(alone.map(|person| Named {
        id: ClusterId {
            record: person.clone(),
            generation: 0,
        },
        members: vec![person.clone()],
    }));
    Ok(old)
}

fn exists(connection: &Connection, (record, generation): Name) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM cluster WHERE record_id = ?1 AND generation = ?2)",
        )?
        .query_row(params![record, generation], |row| row.get(0))
}

/// The members by rank.
fn ranked(
    graph: &mut Graph<'_, '_>,
    sources: &[String],
    members: &[Person],
) -> rusqlite::Result<Vec<i64>> {
    if let [alone] = members {
        return Ok(vec![alone.record]);
    }
    let mut order = Vec::with_capacity(members.len());
    for person in members {
        let description = graph.description(person.record)?;
        order.push(Member {
            record: person,
            source: &person.source,
            filled: description.map_or(0, |description| description.filled()),
            since: person.since.unsigned_abs(),
        });
    }
    order.sort_by(|a, b| by_preference(a, b, sources));
    Ok(order.iter().map(|member| member.record.record).collect())
}

/// Whoever has another cluster or others before it, and who stands for a cluster of other members.
fn moved(
    old: &[Named<Person>],
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
        // What has no row is alone under its own name.
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

/// Whether this is a record alone under its own first name.
fn needs_no_rows(name: Name, members: &[i64]) -> bool {
    members == [name.0] && name.1 == 0
}
