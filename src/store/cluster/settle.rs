//! What a change of records makes of the clusters.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rusqlite::{Connection, params};

use super::graph::{self, Graph};
use super::keys::{Index, Recent};
use super::naming::{self, Before};
use super::seen::{Seen, keys_of};
use super::state::{ClusterState, Stored};
use crate::dedup::cluster::{Edge, Link, component, partition};
use crate::dedup::description::Description;
use crate::dedup::memory::KEY_CAP;
use crate::dedup::packed;
use crate::store::Version;

/// A record that was stored with other content than before.
#[derive(Debug)]
pub(in crate::store) struct Touched {
    /// Its row.
    pub(in crate::store) record: i64,
    /// Whether it had a row before.
    pub(in crate::store) known: bool,
    /// What the rules see of it now; `None` if it is deleted.
    pub(in crate::store) seen: Option<Seen>,
}

/// The clusters within one write transaction.
pub(in crate::store) struct Clusters<'a> {
    pub(super) connection: &'a Connection,
    pub(super) index: Index<'a>,
    /// The preferred sources, the best first.
    pub(super) sources: Vec<String>,
}

impl<'a> Clusters<'a> {
    /// `None` where the store's clusters are not up to date, so that there is nothing to keep so.
    pub(in crate::store) fn begin(
        connection: &'a Connection,
        kept: Option<Recent>,
    ) -> rusqlite::Result<Option<Self>> {
        let stored = Stored::read(connection)?;
        if stored.state != ClusterState::Current {
            return Ok(None);
        }
        Ok(Some(Self {
            connection,
            index: Index::begin(connection, kept, stored.recent_token)?,
            sources: stored.sources,
        }))
    }

    /// To be called once, at the end of the transaction's last change.
    pub(in crate::store) fn finish(self) -> rusqlite::Result<Recent> {
        self.index.finish()
    }

    /// Takes note of changed records, and gives the records that are in another cluster or at
    /// another place in it than before. Each of these, the changed ones left out, needs a new
    /// version.
    ///
    /// The result is that of a rebuild: what a changed record was and is tied to is clustered again,
    /// and so are the holders of a key that too many records hold now, or did before.
    pub(in crate::store) fn settle(
        &mut self,
        touched: Vec<Touched>,
    ) -> rusqlite::Result<BTreeSet<i64>> {
        let mut changes = Changes::default();
        for touched in touched {
            changes.add(touched);
        }
        let mut seeds = self.read_old(&mut changes)?;
        let shared = self.crossings(&changes, &mut seeds)?;
        self.store(&changes)?;

        let mut graph = Graph::new(self.connection, &self.index)?;
        let mut meeting: BTreeSet<i64> = BTreeSet::new();
        for (key, holders) in shared {
            if holders.len() <= KEY_CAP {
                meeting.extend(&holders);
            }
            graph.knows_holders(key, holders);
        }
        let mut emptied = BTreeSet::new();
        for (record, change) in &changes.0 {
            let cluster = match change.known {
                true => naming::cluster_of(self.connection, *record)?,
                false => None,
            };
            // Nobody has decided about a record that is new.
            let tied = change.known && graph.has_decisions();
            if change.new.is_none() {
                emptied.extend(cluster);
            } else if cluster.is_some()
                || (tied || meeting.contains(record)) && !graph.neighbours(*record)?.is_empty()
            {
                seeds.insert(*record);
            }
        }
        let nameless = |record: i64| {
            let change = changes.0.get(&record);
            change.is_some_and(|change| change.old.is_none())
        };
        let moved = recluster(&mut graph, &self.sources, seeds, emptied, nameless)?.moved;
        Ok(moved
            .into_iter()
            .filter(|record| !changes.0.contains_key(record))
            .collect())
    }

    /// Reads what the store knows of the changed records, leaves those out whose change the rules do
    /// not see, and gives what the others were tied to.
    fn read_old(&self, changes: &mut Changes) -> rusqlite::Result<BTreeSet<i64>> {
        let mut tied = BTreeSet::new();
        for (record, change) in changes.0.iter_mut().filter(|(_, change)| change.known) {
            if let Some(packed) = graph::stored(self.connection, *record)? {
                // What cannot be unpacked is of an older layout, and rebuilt before it is used.
                change.old = packed::unpack(&packed).map(|description| Seen {
                    keys: keys_of(&description),
                    packed: packed.into(),
                });
            }
        }
        changes.0.retain(|_, change| {
            let packed = |seen: &Option<Seen>| seen.as_ref().map(|seen| Arc::clone(&seen.packed));
            !change.known || packed(&change.old) != packed(&change.new)
        });
        let mut graph = Graph::new(self.connection, &self.index)?;
        for (record, change) in &changes.0 {
            if change.old.is_some() {
                tied.extend(graph.neighbours(*record)?);
            }
        }
        Ok(tied)
    }

    /// The holders that each key of a changed record will have, where they are several. Adds to
    /// `seeds` those of the keys that begin or cease to be held by too many.
    fn crossings(
        &self,
        changes: &Changes,
        seeds: &mut BTreeSet<i64>,
    ) -> rusqlite::Result<Vec<(u64, Vec<i64>)>> {
        // Who leaves a key and who comes to it, in the order of keys.
        let mut turns: Vec<(u64, i64, bool)> = Vec::with_capacity(changes.0.len() * 6);
        for (record, change) in &changes.0 {
            turns.extend(change.old_keys().iter().map(|key| (*key, *record, false)));
            turns.extend(change.new_keys().iter().map(|key| (*key, *record, true)));
        }
        turns.sort_unstable();
        let mut after = Vec::new();
        for turns in turns.chunk_by(|(a, ..), (b, ..)| a == b) {
            let key = turns[0].0;
            let goes = |record: i64| {
                let turn = turns.binary_search(&(key, record, false));
                turn.is_ok()
            };
            let going = turns.iter().filter(|(.., comes)| !comes).count();
            let before = self.index.holders(key, KEY_CAP + 1 + going)?;
            if before.len() + turns.len() < 2 {
                continue;
            }
            let mut holders: Vec<i64> = before
                .iter()
                .copied()
                .filter(|record| !goes(*record))
                .collect();
            let coming = turns.iter().filter(|(.., comes)| *comes);
            holders.extend(coming.map(|(_, record, _)| *record));
            holders.sort_unstable();
            holders.dedup();
            if (before.len() > KEY_CAP) != (holders.len() > KEY_CAP) {
                seeds.extend(before);
                seeds.extend(&holders);
            }
            if holders.len() > 1 {
                after.push((key, holders));
            }
        }
        Ok(after)
    }

    /// Writes descriptions and keys.
    fn store(&mut self, changes: &Changes) -> rusqlite::Result<()> {
        for (record, change) in &changes.0 {
            self.index
                .replace(*record, change.old_keys(), change.new_keys())?;
            match &change.new {
                Some(new) => {
                    self.connection
                        .prepare_cached(
                            "INSERT OR REPLACE INTO description (record_id, packed) VALUES (?1, ?2)",
                        )?
                        .execute(params![record, &*new.packed])?;
                }
                None if change.old.is_some() => {
                    self.connection
                        .prepare_cached("DELETE FROM description WHERE record_id = ?1")?
                        .execute([record])?;
                }
                None => {}
            }
        }
        Ok(())
    }
}

/// Changed records, by their rows.
#[derive(Default)]
struct Changes(BTreeMap<i64, Change>);

struct Change {
    known: bool,
    old: Option<Seen>,
    new: Option<Seen>,
}

impl Change {
    fn old_keys(&self) -> &[u64] {
        self.old.as_ref().map_or(&[], |seen| &seen.keys)
    }

    fn new_keys(&self) -> &[u64] {
        self.new.as_ref().map_or(&[], |seen| &seen.keys)
    }
}

impl Changes {
    /// Of two changes of one record the later one counts.
    fn add(&mut self, touched: Touched) {
        let change = self.0.entry(touched.record).or_insert(Change {
            known: touched.known,
            old: None,
            new: None,
        });
        change.new = touched.seen;
    }
}

/// What clustering again led to.
#[derive(Debug, Default)]
pub(super) struct Reclustered {
    /// Every record that was looked at, sorted.
    pub(super) members: Vec<i64>,
    /// Those that are in another cluster than before, or at another place in it.
    pub(super) moved: BTreeSet<i64>,
}

/// Clusters again whatever is tied to `seeds`, and writes clusters and names.
///
/// `emptied` are clusters that lost members for good. `nameless` says which records had no cluster
/// at all before.
pub(super) fn recluster(
    graph: &mut Graph<'_, '_>,
    sources: &[String],
    mut seeds: BTreeSet<i64>,
    emptied: BTreeSet<i64>,
    nameless: impl Fn(i64) -> bool,
) -> rusqlite::Result<Reclustered> {
    let connection = graph.connection();
    let mut before = Before::default();
    for cluster in emptied {
        seeds.extend(before.add(connection, cluster)?);
    }
    // Whoever was in a cluster with one of these is looked at too, so that old clusters are whole.
    let mut members: Vec<i64>;
    loop {
        let mut live = BTreeSet::new();
        for seed in seeds {
            if graph.description(seed)?.is_some() {
                live.insert(seed);
            }
        }
        members = component(live, |record| graph.neighbours(*record))?;
        let mut together = BTreeSet::new();
        for record in &members {
            if let Some(cluster) = naming::cluster_of(connection, *record)? {
                together.extend(before.add(connection, cluster)?);
            }
        }
        together.extend(&members);
        let mut complete = true;
        for record in &together {
            complete &=
                members.binary_search(record).is_ok() || graph.description(*record)?.is_none();
        }
        if complete {
            break;
        }
        seeds = together;
    }
    if members.is_empty() && before.is_empty() {
        return Ok(Reclustered::default());
    }
    let people = naming::people(connection, &members)?;
    let groups = group(graph, &people)?;
    let moved = naming::write(graph, sources, before, &people, &groups, nameless)?;
    Ok(Reclustered { members, moved })
}

/// The clusters of records in canonical order, as places in it.
fn group(graph: &mut Graph<'_, '_>, people: &[naming::Person]) -> rusqlite::Result<Vec<Vec<u32>>> {
    let places: BTreeMap<i64, u32> = people.iter().map(|person| person.record).zip(0..).collect();
    let mut descriptions = Vec::with_capacity(people.len());
    let (mut edges, mut links) = (Vec::new(), Vec::new());
    for (person, a) in people.iter().zip(0..) {
        descriptions.push(graph.description(person.record)?.unwrap_or_default());
        for same in graph.same(person.record)?.iter() {
            if let Some(&b) = places.get(&same.record).filter(|b| a < **b) {
                edges.push(Edge {
                    rank: same.rank,
                    a,
                    b,
                });
            }
        }
        for tie in graph.decisions(person.record)? {
            if let Some(&b) = places.get(&tie.other).filter(|b| a < **b) {
                links.push(Link {
                    a,
                    b,
                    must: tie.must,
                });
            }
        }
    }
    let descriptions: Vec<&Description> = descriptions.iter().map(Arc::as_ref).collect();
    Ok(partition(&descriptions, &edges, &links).clusters)
}

/// Gives each of these records a new version, from `next`.
pub(in crate::store) fn stamp(
    connection: &Connection,
    records: impl IntoIterator<Item = i64>,
    mut next: impl FnMut() -> i64,
) -> rusqlite::Result<u64> {
    let mut update = connection.prepare_cached("UPDATE record SET version = ?2 WHERE id = ?1")?;
    let mut count = 0;
    for record in records {
        count += update.execute(params![record, next()])? as u64;
    }
    Ok(count)
}

/// [`stamp`], for a transaction that gives out no other versions.
pub(super) fn stamp_at(
    connection: &Connection,
    records: impl IntoIterator<Item = i64>,
    now_ms: i64,
) -> rusqlite::Result<u64> {
    let mut version = Version::last(connection)?;
    let count = stamp(connection, records, || {
        version = version.next(now_ms);
        version.0
    })?;
    version.keep_as_last(connection)?;
    Ok(count)
}
