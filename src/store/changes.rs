//! The change feed: records by the version of their newest change, as one reader sees them.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use rusqlite::{Connection, params};
use serde::Serialize;

use super::cluster::{Peer, require_current};
use super::open::Cached;
use super::payload::Decompressor;
use super::records::{COLUMNS, JOINS, find_in_other_source, from_row, peer, withhold};
use super::selection::{Place, Selection, relevant};
use super::{Reader, StoreError, StoredRecord, Version};

/// Which changes to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangeFilter {
    /// Only changes after this version; `None` for the whole store.
    pub since: Option<Version>,
    /// The sources, by name, whose records are all wanted. All sources if `sets` is empty too.
    pub sources: Vec<String>,
    /// The sources of which only some sets are wanted, with the setSpecs. A set includes the sets
    /// below it. A record in none of them is given as deleted ([`Deletion::Withheld`]), since the
    /// reader may have received it when it was in one.
    ///
    /// [`Deletion::Withheld`]: super::Deletion::Withheld
    pub sets: BTreeMap<String, Vec<String>>,
    /// Whether one item is a record or a work.
    pub per: Per,
    /// With [`Per::Cluster`]: whether [`StoredRecord::others`] is filled, from the records that the
    /// filter lets through. A change of one of them is then a change of the record that represents
    /// the work.
    pub with_others: bool,
    /// The reader knows a record by its identifier alone. If a record is deleted or withheld in one
    /// source and live in another, the live record is given instead. Only with `since`.
    pub by_identifier: bool,
    /// The sources whose records the reader knows by other names than their identifiers. An identifier
    /// means the same record in two sources if both have the same text here, or none.
    pub id_spaces: BTreeMap<String, String>,
}

impl ChangeFilter {
    /// Whether some sources, or some of their records, are left out.
    pub(super) fn is_limited(&self) -> bool {
        !(self.sources.is_empty() && self.sets.is_empty())
    }

    /// Whether an identifier means the same record in these two sources.
    pub(super) fn is_one_id_space(&self, a: &str, b: &str) -> bool {
        self.id_spaces.get(a) == self.id_spaces.get(b)
    }

    /// Whether a change of one record can be a change of another record of its work.
    pub(super) fn is_linked(&self) -> bool {
        self.per == Per::Cluster && (self.with_others || !self.sets.is_empty())
    }
}

/// What one item of the change feed is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// A record.
    #[default]
    Record,
    /// A work: the preferred record among those that describe it and that the filter lets through.
    /// The other records are given as deleted ([`Deletion::Withheld`]), since the reader may have
    /// received them when they represented a work.
    ///
    /// [`Deletion::Withheld`]: super::Deletion::Withheld
    Cluster,
}

/// All versions, as a span.
const EVERYTHING: (Version, Version) = (Version(0), Version(i64::MAX));

impl Reader {
    /// The newest version in the store; zero for an empty one.
    pub fn last_version(&self) -> Result<Version, StoreError> {
        self.read("reading the last version", Version::last)
    }

    /// Calls `each` with the last state of every record that changed after `filter.since`, tombstones
    /// included, by version, all from one snapshot. Returns the version up to which it has read: the
    /// `since` of the next call.
    ///
    /// - With `since`, tombstones of records that were created after it are left out: the reader has
    ///   never received these records.
    /// - With [`Per::Cluster`], a record that no longer represents its work is given as deleted, and
    ///   the record that does now is given as live, each with its own version.
    /// - With `filter.with_others` or `filter.sets`, an item depends on all records of its work. The
    ///   record that represents the work is given just before the newest of them, with its version.
    /// - With `filter.by_identifier`, a live record of another source can replace a deletion.
    ///
    /// `each` stops the reading with `Break`; the version is then that of the last record given. If
    /// another record of the same version is due, it is still given.
    ///
    /// # Errors
    /// [`StoreError::NotClustered`] with [`Per::Cluster`] if the clusters are not up to date.
    pub fn changes(
        &self,
        filter: &ChangeFilter,
        each: impl FnMut(StoredRecord) -> ControlFlow<()>,
    ) -> Result<Version, StoreError> {
        self.changes_where(filter, filter.since.is_none(), EVERYTHING, each)
    }

    /// As [`Reader::changes`], but only changes after `after` and up to `upto`.
    ///
    /// A long reading is made of several of these, each with a snapshot of its own, so that the
    /// write-ahead log can be checkpointed meanwhile.
    pub fn changes_between(
        &self,
        filter: &ChangeFilter,
        (after, upto): (Version, Version),
        each: impl FnMut(StoredRecord) -> ControlFlow<()>,
    ) -> Result<Version, StoreError> {
        self.changes_where(filter, filter.since.is_none(), (after, upto), each)
    }

    /// As [`Reader::changes`], with all tombstones.
    ///
    /// For outputs whose target can have taken a record without its confirmation reaching us: they
    /// must delete a record that, by their position, they never sent.
    pub fn changes_with_tombstones(
        &self,
        filter: &ChangeFilter,
        each: impl FnMut(StoredRecord) -> ControlFlow<()>,
    ) -> Result<Version, StoreError> {
        self.changes_where(filter, true, EVERYTHING, each)
    }

    fn changes_where(
        &self,
        filter: &ChangeFilter,
        all_tombstones: bool,
        (after, upto): (Version, Version),
        mut each: impl FnMut(StoredRecord) -> ControlFlow<()>,
    ) -> Result<Version, StoreError> {
        self.require_clusters(filter)?;
        self.read("reading changes", |connection| {
            let upto = Version::last(connection)?.min(upto);
            let since = filter.since.unwrap_or_default();
            let after = after.max(since);
            let selection = Selection::of(connection, filter)?;
            let by_identifier = filter.by_identifier && filter.since.is_some();
            let or_live_elsewhere = |record: StoredRecord,
                                     decompressor: &mut Decompressor|
             -> rusqlite::Result<_> {
                let live = match record.deletion {
                    Some(_) if by_identifier => {
                        let deleted = (&*record.identifier, &*record.source);
                        find_in_other_source(connection, &selection, filter, deleted, decompressor)?
                    }
                    _ => None,
                };
                Ok(live.unwrap_or(record))
            };
            let mut decompressor = Decompressor::default();
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS}, record.source_id, record.set_list_id
                 FROM record INDEXED BY record_version {JOINS}
                 WHERE record.version > ?1 AND record.version <= ?2
                   AND NOT (?3 AND record.deleted <> 0 AND record.created_version > ?4)
                 ORDER BY record.version"
            ))?;
            let mut rows = statement.query(params![after.0, upto.0, !all_tombstones, since.0])?;
            while let Some(row) = rows.next()? {
                let own = peer(row)?;
                let is_named = selection.has(own.source);
                if !is_named && !selection.is_linked {
                    continue;
                }
                let place = match row.get::<_, i64>("deleted")? {
                    0 => Some(selection.place(connection, &own)?),
                    _ => None,
                };
                let mut broken = false;
                if let Some(place) = place.as_ref().filter(|_| selection.is_linked) {
                    if place.version > own.version {
                        if !place.is_withheld {
                            continue;
                        }
                    } else {
                        for mut record in peers_due(
                            connection,
                            filter,
                            &selection,
                            (&own, place),
                            &mut decompressor,
                        )? {
                            record.version = Version(own.version);
                            let record = or_live_elsewhere(record, &mut decompressor)?;
                            broken |= each(record).is_break();
                        }
                    }
                }
                let version = Version(own.version);
                let withheld = place.as_ref().is_some_and(|place| place.is_withheld);
                let created: i64 = row.get("created_version")?;
                let is_unknown =
                    withheld && filter.since.is_some() && !all_tombstones && created > since.0;
                if is_named && !is_unknown {
                    let mut record = from_row(connection, row, &mut decompressor)?;
                    if withheld {
                        withhold(&mut record);
                    } else if let Some(place) = place {
                        record.others = selection.others(
                            connection,
                            own.record,
                            &place.peers,
                            &mut decompressor,
                        )?;
                    }
                    let record = or_live_elsewhere(record, &mut decompressor)?;
                    broken |= each(record).is_break();
                }
                if broken {
                    return Ok(version);
                }
            }
            Ok(upto)
        })
    }

    /// The version of the first record that changed after `filter.since`; `None` if none did.
    pub fn first_change(&self, filter: &ChangeFilter) -> Result<Option<Version>, StoreError> {
        Ok(self.pending_changes(filter, 1)?.1)
    }

    /// Calls `each` with the live records that last changed at `upto` or before, the newest first, until
    /// `each` breaks. `filter.since` has no effect.
    pub fn changes_until(
        &self,
        filter: &ChangeFilter,
        upto: Version,
        mut each: impl FnMut(StoredRecord) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.require_clusters(filter)?;
        self.read("reading earlier records", |connection| {
            let selection = Selection::of(connection, filter)?;
            let mut decompressor = Decompressor::default();
            let mut statement = connection.prepare(&format!(
                "SELECT {COLUMNS}, record.source_id, record.set_list_id
                 FROM record INDEXED BY record_version {JOINS}
                 WHERE record.version <= ?1 AND record.deleted = 0
                 ORDER BY record.version DESC"
            ))?;
            let mut rows = statement.query([upto.0])?;
            while let Some(row) = rows.next()? {
                let own = peer(row)?;
                if !selection.has(own.source) {
                    continue;
                }
                let place = selection.place(connection, &own)?;
                if place.is_withheld || place.version > upto.0 {
                    continue;
                }
                let mut record = from_row(connection, row, &mut decompressor)?;
                record.version = Version(place.version);
                record.others =
                    selection.others(connection, own.record, &place.peers, &mut decompressor)?;
                if each(record).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }

    /// The number of records that changed after `filter.since`, tombstones included.
    pub fn count_changes(&self, filter: &ChangeFilter) -> Result<u64, StoreError> {
        self.read("counting changes", |connection| {
            let since = filter.since.unwrap_or_default();
            let Some(sources) = relevant(connection, filter)? else {
                return connection.one(
                    "SELECT count(*) FROM record WHERE version > ?1",
                    [since.0],
                    |row| row.get(0),
                );
            };
            let mut count = 0;
            for source in sources {
                count += connection.query_row(
                    "SELECT count(*) FROM record INDEXED BY record_version
                     WHERE version > ?1 AND source_id = ?2",
                    [since.0, source.0],
                    |row| row.get::<_, u64>(0),
                )?;
            }
            Ok(count)
        })
    }

    /// The number of records that changed after `filter.since`, counted up to `limit`, and the version
    /// of the first of them. The limit keeps this cheap for a reader that is far behind.
    pub fn pending_changes(
        &self,
        filter: &ChangeFilter,
        limit: u64,
    ) -> Result<(u64, Option<Version>), StoreError> {
        self.read("counting changes", |connection| {
            let since = filter.since.unwrap_or_default();
            // The index of versions alone tells, unless it matters whose record it is.
            let which = relevant(connection, filter)?.map_or_else(String::new, |sources| {
                let list: Vec<String> = sources.iter().map(|id| id.0.to_string()).collect();
                format!("AND source_id IN ({})", list.join(", "))
            });
            connection.query_row(
                &format!(
                    "SELECT count(*), min(version) FROM (
                         SELECT version FROM record INDEXED BY record_version
                         WHERE version > ?1 {which} ORDER BY version LIMIT ?2)"
                ),
                params![since.0, limit],
                |row| Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?.map(Version))),
            )
        })
    }

    /// Refuses to read works where the clusters are not up to date.
    pub(super) fn require_clusters(&self, filter: &ChangeFilter) -> Result<(), StoreError> {
        match filter.per {
            Per::Record => Ok(()),
            Per::Cluster => require_current(self),
        }
    }
}

/// The other records of a work that are due when its newest record `own` is: the one that represents
/// the work and, where sets decide, those that may have represented it before.
fn peers_due(
    connection: &Connection,
    filter: &ChangeFilter,
    selection: &Selection,
    (own, place): (&Peer, &Place),
    decompressor: &mut Decompressor,
) -> rusqlite::Result<Vec<StoredRecord>> {
    let mut due = Vec::new();
    for peer in &place.peers {
        if peer.record == own.record || !selection.has(peer.source) {
            continue;
        }
        let withheld = selection.is_withheld(connection, peer, &place.peers)?;
        // A record that changed after `since` has its own turn.
        let is_known = filter.since.is_some_and(|since| peer.version <= since.0);
        if withheld && (filter.sets.is_empty() || !is_known) {
            continue;
        }
        let mut statement = connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM record {JOINS} WHERE record.id = ?1"
        ))?;
        let mut rows = statement.query([peer.record])?;
        let Some(row) = rows.next()? else { continue };
        let mut record = from_row(connection, row, decompressor)?;
        if withheld {
            withhold(&mut record);
        } else {
            record.others =
                selection.others(connection, peer.record, &place.peers, decompressor)?;
        }
        due.push(record);
    }
    Ok(due)
}
