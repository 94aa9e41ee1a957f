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
use super::{Reader, SourceId, StoreError, StoredRecord, Version};

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

    /// Whether a reader gets records of this source.
    pub fn shows(&self, source: &str) -> bool {
        !self.is_limited()
            || self.sources.iter().any(|named| named == source)
            || self.sets.contains_key(source)
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
                 FROM record {JOINS}
                 WHERE record.id = ?1
                   AND NOT (?2 AND record.deleted <> 0 AND record.created_version > ?3)"
            ))?;
            let mut changed = Changed::new(&selection, after, upto);
            while let Some(id) = changed.next(connection)? {
                let mut rows = statement.query(params![id, !all_tombstones, since.0])?;
                let Some(row) = rows.next()? else {
                    continue;
                };
                let own = peer(row)?;
                let is_named = selection.has(own.source);
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
        Ok(self.pending_changes(filter, u64::MAX)?.0)
    }

    /// The number of records that changed after `filter.since`, counted up to `limit`, and the version
    /// of the first of them. The limit keeps this cheap for a reader that is far behind; changes that do
    /// not concern the reader cost nothing.
    pub fn pending_changes(
        &self,
        filter: &ChangeFilter,
        limit: u64,
    ) -> Result<(u64, Option<Version>), StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read("counting changes", |connection| {
            let since = filter.since.unwrap_or_default();
            let Some(sources) = relevant(connection, filter)? else {
                return connection.one(
                    "SELECT count(*), min(version) FROM (
                         SELECT version FROM record INDEXED BY record_version
                         WHERE version > ?1 ORDER BY version LIMIT ?2)",
                    params![since.0, limit],
                    |row| Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?.map(Version))),
                );
            };
            let (mut count, mut first) = (0, None);
            for source in sources {
                let (of_source, least): (i64, Option<i64>) = connection.one(
                    "SELECT count(*), min(version) FROM (
                         SELECT version FROM record INDEXED BY record_source_version
                         WHERE source_id = ?1 AND version > ?2 ORDER BY version LIMIT ?3)",
                    params![source.0, since.0, limit - count],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )?;
                count += of_source;
                first = [first, least].into_iter().flatten().min();
            }
            Ok((count.unsigned_abs(), first.map(Version)))
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

/// The records that changed in a span of versions, by version, as rows of `record`: those of the named
/// sources or, if an item depends on other records, of all sources.
struct Changed<'a> {
    selection: &'a Selection,
    after: i64,
    upto: i64,
    /// The next records, the last one first.
    batch: Vec<i64>,
}

/// How many changed records are looked up together.
const LOOKED_UP: usize = 512;

/// From this number of named sources on, reading the versions of all sources costs less than looking
/// at each of them.
const MANY_SOURCES: usize = 64;

impl<'a> Changed<'a> {
    fn new(selection: &'a Selection, after: Version, upto: Version) -> Self {
        Self {
            selection,
            after: after.0,
            upto: upto.0,
            batch: Vec::new(),
        }
    }

    /// The next record.
    fn next(&mut self, connection: &Connection) -> rusqlite::Result<Option<i64>> {
        while self.batch.is_empty() && self.after < self.upto {
            self.read(connection)?;
        }
        Ok(self.batch.pop())
    }

    /// Reads the next records. Without one, nothing is left, or only records of sources that are not
    /// named were found so far.
    fn read(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        match self.selection.sources_named() {
            Some(sources) if sources.len() < MANY_SOURCES => {
                let mut found = Vec::new();
                for source in sources {
                    let span = (source, self.after, self.upto);
                    found.extend(changed_of(connection, span)?);
                }
                // Beyond the last record of a full batch, one of the sources may have had more.
                found.sort_unstable();
                found.truncate(LOOKED_UP);
                self.take(
                    found.len() < LOOKED_UP,
                    found.last().map(|(version, _)| *version),
                );
                self.batch.extend(found.into_iter().rev().map(|(_, id)| id));
            }
            named => {
                let (found, last) = self.changed_of_all(connection, named.is_some())?;
                self.take(last.is_none(), last);
                self.batch.extend(found.into_iter().rev());
            }
        }
        Ok(())
    }

    /// Notes how far the versions are read.
    fn take(&mut self, is_complete: bool, last: Option<i64>) {
        self.after = match last {
            Some(last) if !is_complete => last,
            _ => self.upto,
        };
    }

    /// The next records among those of all sources, and the last version that was read; `None` at the
    /// end. Records of sources that are not named are left out if `is_limited`.
    fn changed_of_all(
        &self,
        connection: &Connection,
        is_limited: bool,
    ) -> rusqlite::Result<(Vec<i64>, Option<i64>)> {
        let mut statement = connection.prepare_cached(match is_limited {
            true => {
                "SELECT id, version, source_id FROM record INDEXED BY record_version
                 WHERE version > ?1 AND version <= ?2 ORDER BY version LIMIT ?3"
            }
            // The index alone tells.
            false => {
                "SELECT id, version, NULL FROM record INDEXED BY record_version
                 WHERE version > ?1 AND version <= ?2 ORDER BY version LIMIT ?3"
            }
        })?;
        let mut rows = statement.query(params![self.after, self.upto, LOOKED_UP as i64])?;
        let (mut read, mut found, mut last) = (0, Vec::new(), None);
        while let Some(row) = rows.next()? {
            read += 1;
            last = Some(row.get(1)?);
            let source: Option<i64> = row.get(2)?;
            if source.is_none_or(|source| self.selection.has(SourceId(source))) {
                found.push(row.get(0)?);
            }
        }
        Ok((found, last.filter(|_| read == LOOKED_UP)))
    }
}

/// The first records of a source that changed after and up to these versions, with their versions.
fn changed_of(
    connection: &Connection,
    (source, after, upto): (SourceId, i64, i64),
) -> rusqlite::Result<Vec<(i64, i64)>> {
    connection
        .prepare_cached(
            "SELECT version, id FROM record INDEXED BY record_source_version
             WHERE source_id = ?1 AND version > ?2 AND version <= ?3 ORDER BY version LIMIT ?4",
        )?
        .query_map(params![source.0, after, upto, LOOKED_UP as i64], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect()
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::store::Store;

    /// Records of the sources a and b that alternate, and a few of c at the end.
    const RECORDS: i64 = 20_000;

    fn store(folder: &std::path::Path) -> (Store, Reader) {
        let store = Store::open(&folder.join("store.db")).unwrap();
        store
            .write("filling the store", |transaction| {
                transaction.execute_batch(&format!(
                    "INSERT INTO source (id, name, base_url, metadata_prefix, sets)
                     VALUES (1, 'a', 'https://a.org/oai', 'oai_dc', '[]'),
                            (2, 'b', 'https://b.org/oai', 'oai_dc', '[]'),
                            (3, 'c', 'https://c.org/oai', 'oai_dc', '[]'),
                            (4, 'd', 'https://d.org/oai', 'oai_dc', '[]');
                     INSERT INTO set_list (id, set_specs) VALUES (1, '');
                     WITH RECURSIVE number (id) AS
                        (SELECT 1 UNION ALL SELECT id + 1 FROM number WHERE id < {RECORDS})
                     INSERT INTO record (id, source_id, identifier, set_list_id, deleted,
                        content_hash, version, created_version, seen_pass)
                     SELECT id, iif(id > {RECORDS} - 3, 3, 1 + id % 2), 'oai:' || id, 1, 0, x'00',
                        10 * id, 10 * id, 1 FROM number;
                     UPDATE meta SET value = 10 * {RECORDS} WHERE key = 'newest_version';"
                ))
            })
            .unwrap();
        let reader = store.reader().unwrap();
        (store, reader)
    }

    fn of(sources: &[&str]) -> ChangeFilter {
        ChangeFilter {
            since: Some(Version(0)),
            sources: sources.iter().map(|source| (*source).to_owned()).collect(),
            ..ChangeFilter::default()
        }
    }

    /// The steps of SQLite's machine that `work` takes: at least one for each row that it looks at.
    fn steps(reader: &mut Reader, work: impl FnOnce(&Reader)) -> u64 {
        let counted = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&counted);
        let count = move || {
            counter.fetch_add(1, Ordering::Relaxed);
            false
        };
        reader.connection.progress_handler(1, Some(count)).unwrap();
        work(reader);
        reader
            .connection
            .progress_handler(0, None::<fn() -> bool>)
            .unwrap();
        counted.load(Ordering::Relaxed)
    }

    fn identifiers(reader: &Reader, filter: &ChangeFilter, limit: usize) -> (Vec<String>, Version) {
        let mut found = Vec::new();
        let next = reader.changes_with_tombstones(filter, |record| {
            found.push(record.identifier);
            match found.len() < limit {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        });
        (found, next.unwrap())
    }

    #[test]
    fn changes_of_other_sources_cost_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (_store, mut reader) = store(folder.path());
        let newest = Version(10 * RECORDS);
        for (sources, count) in [(vec!["c"], 3), (vec!["d"], 0), (vec!["c", "d"], 3)] {
            let filter = of(&sources);
            let spent = steps(&mut reader, |reader| {
                let (found, next) = identifiers(reader, &filter, usize::MAX);
                assert_eq!((found.len() as u64, next), (count, newest), "{sources:?}");
                assert_eq!(reader.count_changes(&filter).unwrap(), count);
                let first = reader.first_change(&filter).unwrap();
                assert_eq!(first, (count > 0).then_some(Version(10 * (RECORDS - 2))));
            });
            assert!(spent < 2_000, "{sources:?}: {spent} steps");
        }
    }

    #[test]
    fn several_sources_come_in_the_order_of_their_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (store, reader) = store(folder.path());
        let (all, _) = identifiers(&reader, &of(&["a", "b", "c", "d"]), usize::MAX);
        let numbers: Vec<String> = (1..=RECORDS)
            .map(|number| format!("oai:{number}"))
            .collect();
        assert_eq!(all, numbers);
        // In parts, as a reader with a limit gets them.
        let mut filter = of(&["a", "c"]);
        let mut parts = Vec::new();
        loop {
            let (part, next) = identifiers(&reader, &filter, 700);
            parts.extend(part);
            if filter.since.replace(next) == Some(next) {
                break;
            }
        }
        let wanted = |number: &i64| number % 2 == 0 || *number > RECORDS - 3;
        let numbers: Vec<i64> = (1..=RECORDS).filter(wanted).collect();
        let numbers: Vec<String> = numbers
            .iter()
            .map(|number| format!("oai:{number}"))
            .collect();
        assert_eq!(parts, numbers);

        // Of many sources, all versions are looked through, with the same result.
        let names: Vec<String> = (0..MANY_SOURCES)
            .map(|number| format!("s{number}"))
            .collect();
        store
            .write("adding sources", |transaction| {
                for name in &names {
                    transaction.execute(
                        "INSERT INTO source (name, base_url, metadata_prefix, sets)
                         VALUES (?1, '', 'oai_dc', '[]')",
                        [name],
                    )?;
                }
                Ok(())
            })
            .unwrap();
        let mut many = of(&["a", "c"]);
        many.sources.extend(names);
        assert_eq!(identifiers(&reader, &many, usize::MAX).0, numbers);
        assert_eq!(reader.count_changes(&many).unwrap(), numbers.len() as u64);
        assert_eq!(
            reader.pending_changes(&many, 5).unwrap(),
            (5, Some(Version(20)))
        );
    }
}
