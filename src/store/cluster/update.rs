//! Updating the clusters after records have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rusqlite::{Connection, params};

use super::describe::{PackedDescription, keys_of};
use super::graph::{self, Graph};
use super::keys::{KeyIndex, RecentKeys};
use super::naming::{self, Before};
use super::state::{ClusterState, Stored};
use crate::dedup::cluster::{Assigned, Edge, Link, component, partition};
use crate::dedup::description::Description;
use crate::dedup::memory::KEY_CAP;
use crate::dedup::packed;
use crate::store::Version;
use crate::store::serving::not_before_shown;

/// A record whose content has changed.
#[derive(Debug)]
pub(in crate::store) struct ChangedRecord {
    /// Its row.
    pub(in crate::store) record: i64,
    /// Whether the record had a row before.
    pub(in crate::store) known: bool,
    /// The new description; `None` if the record is deleted.
    pub(in crate::store) description: Option<PackedDescription>,
}

/// The clusters within one write transaction.
pub(in crate::store) struct Clusters<'a> {
    pub(super) connection: &'a Connection,
    pub(super) index: KeyIndex<'a>,
    /// The preferred sources, the best first.
    pub(super) sources: Vec<String>,
}

impl<'a> Clusters<'a> {
    /// `None` if the store's clusters are not up to date; only a rebuild updates them then.
    pub(in crate::store) fn begin(
        connection: &'a Connection,
        recent: Option<RecentKeys>,
    ) -> rusqlite::Result<Option<Self>> {
        let stored = Stored::read(connection)?;
        if stored.state != ClusterState::Current {
            return Ok(None);
        }
        Ok(Some(Self {
            connection,
            index: KeyIndex::begin(connection, recent, stored.recent_token)?,
            sources: stored.sources,
        }))
    }

    /// Ends the transaction's use of the clusters, and returns the recent keys for the next one.
    pub(in crate::store) fn finish(self) -> rusqlite::Result<RecentKeys> {
        self.index.finish()
    }

    /// Updates the clusters for changed records. Returns the records that are in another cluster or at
    /// another rank in it than before, without the changed ones: each needs a new version.
    pub(in crate::store) fn update(
        &mut self,
        changed: Vec<ChangedRecord>,
    ) -> rusqlite::Result<BTreeSet<i64>> {
        let (mut moved, changes) = self.update_all(changed)?;
        moved.retain(|record| !changes.0.contains_key(record));
        Ok(moved)
    }

    /// As [`Self::update`], with those changed records that are in another cluster or at another rank, and
    /// with the changes of descriptions.
    ///
    /// The result is that of a rebuild. The records that a changed record was or is linked to are
    /// clustered again. So are the holders of a key that is now held by too many records, or was.
    pub(super) fn update_all(
        &mut self,
        changed: Vec<ChangedRecord>,
    ) -> rusqlite::Result<(BTreeSet<i64>, Changes)> {
        let mut changes = Changes::default();
        for changed in changed {
            changes.add(changed);
        }
        let mut seeds = self.read_old(&mut changes)?;
        let shared = self.shared_keys(&changes, &mut seeds)?;
        self.store(&changes)?;

        let mut graph = Graph::new(self.connection, &self.index)?;
        let mut sharing: BTreeSet<i64> = BTreeSet::new();
        for (key, holders) in shared {
            if holders.len() <= KEY_CAP {
                sharing.extend(&holders);
            }
            graph.set_holders(key, holders);
        }
        let mut emptied = BTreeSet::new();
        for (record, change) in &changes.0 {
            let cluster = match change.known {
                true => naming::cluster_of(self.connection, *record)?,
                false => None,
            };
            // A new record has no decisions yet.
            let decided = change.known && graph.has_decisions();
            if change.new.is_none() {
                emptied.extend(cluster);
            } else if cluster.is_some()
                || (change.known && naming::is_taken(self.connection, *record)?)
                || (decided || sharing.contains(record)) && !graph.neighbours(*record)?.is_empty()
            {
                seeds.insert(*record);
            }
        }
        let nameless = |record: i64| {
            let change = changes.0.get(&record);
            change.is_some_and(|change| change.old.is_none())
        };
        let moved = recluster(&mut graph, &self.sources, seeds, emptied, nameless)?.moved;
        drop(graph);
        Ok((moved, changes))
    }

    /// Reads the old descriptions of changed records and drops the changes that leave the description as
    /// it was. Returns the records that the others were linked to.
    fn read_old(&self, changes: &mut Changes) -> rusqlite::Result<BTreeSet<i64>> {
        let mut linked = BTreeSet::new();
        for (record, change) in changes.0.iter_mut().filter(|(_, change)| change.known) {
            if let Some(packed) = graph::stored(self.connection, *record)? {
                // A description that cannot be unpacked has an older layout; a rebuild replaces it.
                change.old = packed::unpack(&packed).map(|description| PackedDescription {
                    keys: keys_of(&description),
                    packed: packed.into(),
                });
            }
        }
        changes.0.retain(|_, change| {
            let old = change.old.as_ref().map(|old| &old.packed);
            !change.known || old != change.new.as_ref().map(|new| &new.packed)
        });
        let mut graph = Graph::new(self.connection, &self.index)?;
        for (record, change) in &changes.0 {
            if change.old.is_some() {
                linked.extend(graph.neighbours(*record)?);
            }
        }
        Ok(linked)
    }

    /// The future holders of each key of a changed record, if there are several. Adds to `seeds` the
    /// holders of keys that become too common to count, or no longer are.
    fn shared_keys(
        &self,
        changes: &Changes,
        seeds: &mut BTreeSet<i64>,
    ) -> rusqlite::Result<Vec<(u64, Vec<i64>)>> {
        let mut key_changes: Vec<KeyChange> = Vec::with_capacity(changes.0.len() * 6);
        for (record, change) in &changes.0 {
            let record = *record;
            let of = |keys: &[u64], added| {
                let keys = keys.iter().copied();
                keys.map(move |key| KeyChange { key, record, added })
                    .collect::<Vec<_>>()
            };
            key_changes.extend(of(change.old_keys(), false));
            key_changes.extend(of(change.new_keys(), true));
        }
        key_changes.sort_unstable();
        let mut shared = Vec::new();
        for key_changes in key_changes.chunk_by(|a, b| a.key == b.key) {
            let key = key_changes[0].key;
            let is_removed = |record: i64| {
                let removed = KeyChange {
                    key,
                    record,
                    added: false,
                };
                key_changes.binary_search(&removed).is_ok()
            };
            let removed = key_changes.iter().filter(|change| !change.added).count();
            let before = self.index.holders(key, KEY_CAP + 1 + removed)?;
            if before.len() + key_changes.len() < 2 {
                continue;
            }
            let mut holders = before.clone();
            holders.retain(|record| !is_removed(*record));
            let added = key_changes.iter().filter(|change| change.added);
            holders.extend(added.map(|change| change.record));
            holders.sort_unstable();
            holders.dedup();
            if (before.len() > KEY_CAP) != (holders.len() > KEY_CAP) {
                seeds.extend(before);
                seeds.extend(&holders);
            }
            if holders.len() > 1 {
                shared.push((key, holders));
            }
        }
        Ok(shared)
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

/// A record that is no longer, or from now on, a holder of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct KeyChange {
    key: u64,
    record: i64,
    added: bool,
}

/// Changed descriptions, by row of the record.
#[derive(Default)]
pub(super) struct Changes(BTreeMap<i64, Change>);

struct Change {
    known: bool,
    old: Option<PackedDescription>,
    new: Option<PackedDescription>,
}

impl Change {
    fn old_keys(&self) -> &[u64] {
        self.old.as_ref().map_or(&[], |old| &old.keys)
    }

    fn new_keys(&self) -> &[u64] {
        self.new.as_ref().map_or(&[], |new| &new.keys)
    }
}

impl Changes {
    /// Adds a change. A later change of the same record replaces it.
    fn add(&mut self, changed: ChangedRecord) {
        let change = self.0.entry(changed.record).or_insert(Change {
            known: changed.known,
            old: None,
            new: None,
        });
        change.new = changed.description;
    }
}

/// The result of clustering records again.
#[derive(Debug, Default)]
pub(super) struct Reclustered {
    /// All records that were clustered, sorted.
    pub(super) members: Vec<i64>,
    /// The records in another cluster than before, or at another rank in it.
    pub(super) moved: BTreeSet<i64>,
}

/// Clusters again all records that are linked to `seeds`, and stores clusters and names.
///
/// `emptied` are clusters whose members were deleted. `nameless` tells which records had no cluster
/// before.
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
    // Old clusters are clustered again as a whole: their members become seeds too.
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
    let records = naming::in_canonical_order(connection, &members)?;
    let groups = group(graph, &records)?;
    let moved = naming::write(graph, sources, before, &records, &groups, nameless)?;
    Ok(Reclustered { members, moved })
}

/// The clusters of these records, as positions in `records`.
fn group(
    graph: &mut Graph<'_, '_>,
    records: &[naming::CanonicalRecord],
) -> rusqlite::Result<Vec<Vec<u32>>> {
    let places: BTreeMap<i64, u32> = records
        .iter()
        .map(|member| member.record)
        .zip(0..)
        .collect();
    let mut descriptions = Vec::with_capacity(records.len());
    let (mut edges, mut links, mut assigned) = (Vec::new(), Vec::new(), Vec::new());
    for (member, a) in records.iter().zip(0..) {
        descriptions.push(graph.description(member.record)?.unwrap_or_default());
        for same in graph.same(member.record)?.iter() {
            if let Some(&b) = places.get(&same.record).filter(|b| a < **b) {
                edges.push(Edge {
                    rank: same.rank,
                    a,
                    b,
                });
            }
        }
        for (origin, cluster) in graph.imported(member.record)? {
            assigned.push(Assigned {
                origin,
                cluster,
                record: a,
            });
        }
        for tie in graph.decisions(member.record)? {
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
    Ok(partition(&descriptions, &edges, &links, &assigned, graph.versions()).clusters)
}

/// Gives each record a new version from `next`. Returns the number of records.
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

/// As [`stamp`], in a transaction that gives out no other versions.
pub(super) fn stamp_at(
    connection: &Connection,
    records: impl IntoIterator<Item = i64>,
    now_ms: i64,
) -> rusqlite::Result<u64> {
    let mut version = Version::last(connection)?;
    let now_ms = not_before_shown(connection, now_ms)?;
    let count = stamp(connection, records, || {
        version = version.next(now_ms);
        version.0
    })?;
    version.keep_as_last(connection)?;
    Ok(count)
}
