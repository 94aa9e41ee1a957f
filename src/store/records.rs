//! Reading records: one by its identifier, or all that changed, in the order of versions.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

use super::cluster::{Peer, peers_of, require_current};
use super::identifiers::Identifiers;
use super::open::Cached;
use super::payload::Unpress;
use super::selection::{Place, Selection, relevant};
use super::{Reader, SourceId, Store, StoreError, Version};
use crate::oai::Datestamp;
use crate::oai::response::Repair;

/// How a record came to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Deletion {
    /// The repository said so.
    Declared,
    /// The repository no longer has it, and never said so.
    Vanished,
    /// It is there, but not for this reader: it is in none of the reader's sets, or, with
    /// [`Per::Cluster`], another record stands for its work.
    Withheld,
}

/// A record as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// The source's name.
    pub source: String,
    /// The metadata format.
    pub metadata_prefix: String,
    /// The item's identifier.
    pub identifier: String,
    /// The header's datestamp as written.
    pub datestamp: String,
    /// The sets.
    pub set_specs: Vec<String>,
    /// Whether and how it is deleted.
    pub deletion: Option<Deletion>,
    /// Its newest change.
    pub version: Version,
    /// Its first state in the store.
    pub created_version: Version,
    /// The metadata, a document of its own.
    pub metadata: Option<String>,
    /// Further parts of the record, as documents one after the other.
    pub extra: Option<String>,
    /// The other records of the work that this one stands for, those that would take its place first:
    /// only where a filter asks for them.
    pub others: Vec<OtherRecord>,
}

/// The metadata of a record that another one stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherRecord {
    /// The metadata format.
    pub metadata_prefix: String,
    /// The metadata, a document of its own.
    pub metadata: String,
}

/// What the store knows of a record beside its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordState {
    /// The record's number in this store, from 1: dense, and never that of another record.
    pub number: u64,
    /// The source's name.
    pub source: String,
    /// The item's identifier.
    pub identifier: String,
    /// Whether it is a tombstone, or is withheld ([`Deletion::Withheld`]).
    pub deleted: bool,
    /// Its newest change, or that of another record that decides about it.
    pub version: Version,
}

/// An item that could not become a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QuarantinedItem {
    /// Its number in this store, from 1: another one whenever it comes in another state. That of an item
    /// that is no longer there can be given again.
    pub number: u64,
    /// The source's name.
    pub source: String,
    /// The identifier, if there was one to be read.
    pub identifier: Option<String>,
    /// The datestamp as it came, if there was one to be read.
    pub datestamp: Option<String>,
    /// Why it was set aside.
    pub reason: String,
    /// When it came first, in milliseconds since 1970 on our clock.
    pub first_at: i64,
    /// When it came last.
    pub last_at: i64,
}

/// What was done to read a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mended {
    /// The repairs.
    pub repairs: Vec<Repair>,
    /// The record's bytes as they came.
    pub raw: Vec<u8>,
}

/// Which changes to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangeFilter {
    /// Changes after this version; `None` for the whole store.
    pub since: Option<Version>,
    /// The sources of which all records are meant, by name. All of them, if `sets` is empty too.
    pub sources: Vec<String>,
    /// Sources of which only the records in some sets are meant, with the setSpecs; what is below a
    /// set is in it. A record that is in none of them is given as deleted ([`Deletion::Withheld`]),
    /// since a reader may have got it when it was.
    pub sets: BTreeMap<String, Vec<String>>,
    /// What one item is.
    pub per: Per,
    /// With [`Per::Cluster`]: whether [`StoredRecord::others`] is filled, from what the filter lets
    /// through. A change of one of these then is a change of the record that stands for the work.
    pub with_others: bool,
    /// Whoever reads knows a record by its identifier alone. Where it is deleted, or withheld, in one
    /// source and lives in another one, the living one is a change in its place. Only with `since`.
    pub by_identifier: bool,
    /// The sources whose records are known by other names than their identifiers. An identifier
    /// means the same in two sources if both have the same text here, or none.
    pub id_spaces: BTreeMap<String, String>,
}

impl ChangeFilter {
    /// Whether not all sources are meant, or not all of their records.
    pub(super) fn is_limited(&self) -> bool {
        !(self.sources.is_empty() && self.sets.is_empty())
    }

    /// Whether a change of one record may make a change of another one of its work.
    pub(super) fn is_linked(&self) -> bool {
        self.per == Per::Cluster && (self.with_others || !self.sets.is_empty())
    }
}

/// What one item of a reading is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// A record.
    #[default]
    Record,
    /// A work: the preferred one of the records that describe it, among those of the filter's
    /// sources. The others are given as deleted ([`Deletion::Withheld`]), since a reader may have
    /// got them when they still stood for a work.
    Cluster,
}

pub(super) const COLUMNS: &str =
    "record.id, source.name, source.metadata_prefix, record.identifier,
    record.datestamp, record.datestamp_text, set_list.set_specs, record.deleted, record.version,
    record.created_version, payload.dictionary_id, payload.metadata, payload.extra";

/// The columns of [`quarantined`].
const QUARANTINED: &str =
    "quarantine.id, source.name, identifier, reason, first_at, last_at, datestamp_text";

fn quarantined(row: &Row<'_>) -> rusqlite::Result<QuarantinedItem> {
    Ok(QuarantinedItem {
        number: row.get(0)?,
        source: row.get(1)?,
        identifier: row.get(2)?,
        reason: row.get(3)?,
        first_at: row.get(4)?,
        last_at: row.get(5)?,
        datestamp: row.get(6)?,
    })
}

const STATE_COLUMNS: &str = "record.id, source.name, record.identifier, record.deleted <> 0,
    record.version, record.source_id, record.set_list_id";

impl Reader {
    /// The newest version in the store; zero for an empty one.
    ///
    /// # Errors
    /// As any read.
    pub fn last_version(&self) -> Result<Version, StoreError> {
        self.read("reading the last version", Version::last)
    }

    /// The records with this identifier, one for each source that has it.
    ///
    /// # Errors
    /// As any read.
    pub fn find(&self, identifier: &str) -> Result<Vec<StoredRecord>, StoreError> {
        self.read("reading a record", |connection| {
            let mut unpress = Unpress::default();
            let mut statement = connection.prepare(&format!(
                "SELECT {COLUMNS} FROM record JOIN source ON source.id = record.source_id
                 JOIN set_list ON set_list.id = record.set_list_id
                 LEFT JOIN payload ON payload.record_id = record.id
                 WHERE record.id = ?1"
            ))?;
            let records = Identifiers::read(connection)?
                .records(identifier)?
                .into_iter();
            let read = |record: i64| {
                statement.query_row([record], |row| from_row(connection, row, &mut unpress))
            };
            records.map(read).collect()
        })
    }

    /// The records with this identifier as [`Reader::changes`] would give them, whatever their
    /// versions: those of the filter's sources, as deleted if they are withheld.
    ///
    /// # Errors
    /// As [`Reader::changes`].
    pub fn find_items(
        &self,
        identifier: &str,
        filter: &ChangeFilter,
    ) -> Result<Vec<StoredRecord>, StoreError> {
        let mut records = self.find(identifier)?;
        let states = self.states_of(&[identifier.to_owned()], filter)?;
        self.read("reading the records of a work", |connection| {
            let selection = Selection::of(connection, filter)?;
            let mut unpress = Unpress::default();
            let mut items = Vec::new();
            for mut record in records.drain(..) {
                let Some(state) = states.iter().find(|state| state.source == record.source) else {
                    continue;
                };
                if record.deletion.is_none() {
                    record.version = state.version;
                    if state.deleted {
                        withhold(&mut record);
                    } else if selection.is_linked {
                        let number = i64::try_from(state.number).unwrap_or(i64::MAX);
                        let peers = peers_of(connection, number)?;
                        record.others =
                            selection.others(connection, number, &peers, &mut unpress)?;
                    }
                }
                items.push(record);
            }
            Ok(items)
        })
    }

    /// The record that lives under this identifier in another source than `source`, as
    /// [`Reader::changes`] would give it, whatever its version; of several, that of the first source by
    /// name.
    ///
    /// # Errors
    /// As [`Reader::changes`].
    pub fn namesake(
        &self,
        identifier: &str,
        source: &str,
        filter: &ChangeFilter,
    ) -> Result<Option<StoredRecord>, StoreError> {
        self.require_clusters(filter)?;
        self.read("looking for a record of the same name", |connection| {
            let selection = Selection::of(connection, filter)?;
            let mut unpress = Unpress::default();
            namesake(
                connection,
                &selection,
                filter,
                (identifier, source),
                &mut unpress,
            )
        })
    }

    /// Calls `each` with every record that changed after `filter.since`, in its last state,
    /// tombstones included, in the order of versions, all from one snapshot. Gives the version up
    /// to which the reading went: the `since` of the next one.
    ///
    /// With `since` given, tombstones of records that came and went after it are left out unless
    /// they are asked for: who asks has never seen them. With [`Per::Cluster`], a record that no
    /// longer stands for its work comes as deleted and the one that does now as itself, each with a
    /// version of its own. With `filter.with_others` or `filter.sets`, what comes of a work depends on all
    /// of its records, so the one that stands for it comes when the newest of them does, before that one
    /// and with its version. With `filter.by_identifier`, a deletion may come as the record that lives
    /// under the same identifier.
    ///
    /// # Errors
    /// As any read; with [`Per::Cluster`], [`StoreError::NotClustered`] if the clusters are not up to
    /// date. `each` stops the reading with `Break`; then the version is that of the last
    /// record given. If another record of the same version is due then, that one still comes.
    pub fn changes(
        &self,
        filter: &ChangeFilter,
        each: impl FnMut(StoredRecord) -> ControlFlow<()>,
    ) -> Result<Version, StoreError> {
        self.changes_where(filter, filter.since.is_none(), each)
    }

    /// As [`Reader::changes`], but with all tombstones.
    ///
    /// For those who may have seen more than they remember: a target that took a record, and whose
    /// word of it never arrived, has to hear that the record was deleted.
    ///
    /// # Errors
    /// As [`Reader::changes`].
    pub fn changes_with_tombstones(
        &self,
        filter: &ChangeFilter,
        each: impl FnMut(StoredRecord) -> ControlFlow<()>,
    ) -> Result<Version, StoreError> {
        self.changes_where(filter, true, each)
    }

    fn changes_where(
        &self,
        filter: &ChangeFilter,
        all_tombstones: bool,
        mut each: impl FnMut(StoredRecord) -> ControlFlow<()>,
    ) -> Result<Version, StoreError> {
        self.require_clusters(filter)?;
        self.read("reading changes", |connection| {
            let upto = Version::last(connection)?;
            let since = filter.since.unwrap_or_default();
            let selection = Selection::of(connection, filter)?;
            let by_identifier = filter.by_identifier && filter.since.is_some();
            let settle = |record: StoredRecord, unpress: &mut Unpress| -> rusqlite::Result<_> {
                let living = match record.deletion {
                    Some(_) if by_identifier => {
                        let gone = (&*record.identifier, &*record.source);
                        namesake(connection, &selection, filter, gone, unpress)?
                    }
                    _ => None,
                };
                Ok(living.unwrap_or(record))
            };
            let mut unpress = Unpress::default();
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS}, record.source_id, record.set_list_id
                 FROM record INDEXED BY record_version
                 JOIN source ON source.id = record.source_id
                 JOIN set_list ON set_list.id = record.set_list_id
                 LEFT JOIN payload ON payload.record_id = record.id
                 WHERE record.version > ?1
                   AND NOT (?2 AND record.deleted <> 0 AND record.created_version > ?1)
                 ORDER BY record.version"
            ))?;
            let mut rows = statement.query(params![since.0, !all_tombstones])?;
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
                        for mut record in
                            peers_due(connection, filter, &selection, (&own, place), &mut unpress)?
                        {
                            record.version = Version(own.version);
                            let record = settle(record, &mut unpress)?;
                            broken |= each(record).is_break();
                        }
                    }
                }
                let version = Version(own.version);
                let withheld = place.as_ref().is_some_and(|place| place.is_withheld);
                let created: i64 = row.get("created_version")?;
                let is_unheard_of =
                    withheld && filter.since.is_some() && !all_tombstones && created > since.0;
                if is_named && !is_unheard_of {
                    let mut record = from_row(connection, row, &mut unpress)?;
                    if withheld {
                        withhold(&mut record);
                    } else if let Some(place) = place {
                        record.others =
                            selection.others(connection, own.record, &place.peers, &mut unpress)?;
                    }
                    let record = settle(record, &mut unpress)?;
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
    ///
    /// # Errors
    /// As any read.
    pub fn first_change(&self, filter: &ChangeFilter) -> Result<Option<Version>, StoreError> {
        Ok(self.pending_changes(filter, 1)?.1)
    }

    /// Calls `each` with the live records that last changed at `upto` or before, the newest first,
    /// until it says `Break`. `filter.since` is not looked at.
    ///
    /// # Errors
    /// As [`Reader::changes`].
    pub fn confirmed(
        &self,
        filter: &ChangeFilter,
        upto: Version,
        mut each: impl FnMut(StoredRecord) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.require_clusters(filter)?;
        self.read("reading earlier changes", |connection| {
            let selection = Selection::of(connection, filter)?;
            let mut unpress = Unpress::default();
            let mut statement = connection.prepare(&format!(
                "SELECT {COLUMNS}, record.source_id, record.set_list_id
                 FROM record INDEXED BY record_version
                 JOIN source ON source.id = record.source_id
                 JOIN set_list ON set_list.id = record.set_list_id
                 LEFT JOIN payload ON payload.record_id = record.id
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
                let mut record = from_row(connection, row, &mut unpress)?;
                record.version = Version(place.version);
                record.others =
                    selection.others(connection, own.record, &place.peers, &mut unpress)?;
                if each(record).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }

    /// How many records changed after `filter.since`, tombstones included.
    ///
    /// # Errors
    /// As any read.
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

    /// How many records changed after `filter.since`, at most `most` of them, and the oldest of these
    /// changes: cheap however far behind someone is.
    ///
    /// # Errors
    /// As any read.
    pub fn pending_changes(
        &self,
        filter: &ChangeFilter,
        most: u64,
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
                params![since.0, most],
                |row| Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?.map(Version))),
            )
        })
    }

    /// The states of the records with these identifiers, of the filter's sources, whatever their
    /// versions.
    ///
    /// # Errors
    /// As [`Reader::changes`].
    pub fn states_of(
        &self,
        identifiers: &[String],
        filter: &ChangeFilter,
    ) -> Result<Vec<RecordState>, StoreError> {
        self.require_clusters(filter)?;
        self.read("looking up records", |connection| {
            let selection = Selection::of(connection, filter)?;
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {STATE_COLUMNS} FROM record JOIN source ON source.id = record.source_id
                 WHERE record.id = ?1"
            ))?;
            let index = Identifiers::read(connection)?;
            let mut states = Vec::with_capacity(identifiers.len());
            for identifier in identifiers {
                for record in index.records(identifier)? {
                    let read = |row: &Row<'_>| state(connection, &selection, row);
                    states.extend(statement.query_row([record], read)?);
                }
            }
            Ok(states)
        })
    }

    /// Calls `each` with the state of every record with a number above `after`, of the filter's
    /// sources, whatever their versions, in the order of numbers, until it says `Break`.
    ///
    /// # Errors
    /// As [`Reader::changes`].
    pub fn states(
        &self,
        filter: &ChangeFilter,
        after: u64,
        mut each: impl FnMut(RecordState) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.require_clusters(filter)?;
        self.read("reading the states of records", |connection| {
            let selection = Selection::of(connection, filter)?;
            let mut statement = connection.prepare(&format!(
                "SELECT {STATE_COLUMNS} FROM record JOIN source ON source.id = record.source_id
                 WHERE record.id > ?1 ORDER BY record.id"
            ))?;
            let mut rows = statement.query([after])?;
            while let Some(row) = rows.next()? {
                let state = state(connection, &selection, row)?;
                if state.is_some_and(|state| each(state).is_break()) {
                    break;
                }
            }
            Ok(())
        })
    }

    fn require_clusters(&self, filter: &ChangeFilter) -> Result<(), StoreError> {
        match filter.per {
            Per::Record => Ok(()),
            Per::Cluster => require_current(self),
        }
    }

    /// What was mended to read a record; `None` for one that was read as it came.
    ///
    /// # Errors
    /// As any read.
    pub fn repairs(&self, source: &str, identifier: &str) -> Result<Option<Mended>, StoreError> {
        self.read("reading the repairs of a record", |connection| {
            let mut statement = connection.prepare(
                "SELECT repair.repairs, repair.raw FROM repair
                 JOIN record ON record.id = repair.record_id
                 JOIN source ON source.id = record.source_id
                 WHERE source.name = ?1 AND record.id = ?2",
            )?;
            let mut found: Option<(String, Vec<u8>)> = None;
            for record in Identifiers::read(connection)?.records(identifier)? {
                let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
                found = found.or(statement
                    .query_row(params![source, record], read)
                    .optional()?);
            }
            let Some((repairs, raw)) = found else {
                return Ok(None);
            };
            let repairs = serde_json::from_str(&repairs).map_err(|error| {
                rusqlite::Error::FromSqlConversionFailure(
                    0,
                    rusqlite::types::Type::Text,
                    Box::new(error),
                )
            })?;
            let raw = Unpress::default().unpack(connection, 0, &raw)?;
            Ok(Some(Mended { repairs, raw }))
        })
    }

    /// The items of a source in quarantine, newest first, at most `most`.
    ///
    /// # Errors
    /// As any read.
    pub fn quarantine(
        &self,
        source: SourceId,
        most: u32,
    ) -> Result<Vec<QuarantinedItem>, StoreError> {
        self.read("reading the quarantine", |connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {QUARANTINED} FROM quarantine JOIN source ON source.id = source_id
                     WHERE source_id = ?1 ORDER BY last_at DESC, quarantine.id DESC LIMIT ?2"
                ))?
                .query_map(params![source.0, most], quarantined)?
                .collect()
        })
    }

    /// An item in quarantine with its bytes as they came; `None` if there is none of this number, or no
    /// more: it could be read since, or came in another state.
    ///
    /// # Errors
    /// As any read.
    pub fn quarantined_item(
        &self,
        number: u64,
    ) -> Result<Option<(QuarantinedItem, Vec<u8>)>, StoreError> {
        let Ok(number) = i64::try_from(number) else {
            return Ok(None);
        };
        self.read("reading an item in quarantine", |connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {QUARANTINED}, raw FROM quarantine JOIN source ON source.id = source_id
                     WHERE quarantine.id = ?1"
                ))?
                .query_row([number], |row| {
                    let packed: Vec<u8> = row.get("raw")?;
                    let raw = Unpress::default().unpack(connection, 0, &packed)?;
                    Ok((quarantined(row)?, raw))
                })
                .optional()
        })
    }

    /// How many items of a source are in quarantine.
    ///
    /// # Errors
    /// As any read.
    pub fn count_quarantine(&self, source: SourceId) -> Result<u64, StoreError> {
        self.read("counting the quarantine", |connection| {
            connection.query_row(
                "SELECT count(*) FROM quarantine WHERE source_id = ?1",
                [source.0],
                |row| row.get(0),
            )
        })
    }
}

impl Store {
    /// The identifiers of the items of a source in quarantine, as far as they have one, each once with
    /// its datestamp as written, and at most `most`, the newest first.
    ///
    /// # Errors
    /// As any read.
    pub fn set_aside(
        &self,
        source: SourceId,
        most: u32,
    ) -> Result<Vec<(String, Option<String>)>, StoreError> {
        self.read("reading the quarantine", |connection| {
            connection
                .prepare_cached(
                    // Of a group with its maximum, SQLite gives the other values of the same row.
                    "SELECT identifier, datestamp_text, max(last_at) FROM quarantine
                     WHERE source_id = ?1 AND identifier IS NOT NULL
                     GROUP BY identifier ORDER BY max(last_at) DESC LIMIT ?2",
                )?
                .query_map(params![source.0, most], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?
                .collect()
        })
    }
}

/// The record that lives under this identifier in another source than this one.
fn namesake(
    connection: &Connection,
    selection: &Selection,
    filter: &ChangeFilter,
    (identifier, source): (&str, &str),
    unpress: &mut Unpress,
) -> rusqlite::Result<Option<StoredRecord>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS}, record.source_id, record.set_list_id
         FROM record JOIN source ON source.id = record.source_id
         JOIN set_list ON set_list.id = record.set_list_id
         LEFT JOIN payload ON payload.record_id = record.id
         WHERE record.id = ?1 AND record.deleted = 0 AND source.name <> ?2"
    ))?;
    for number in Identifiers::read(connection)?.records(identifier)? {
        let mut rows = statement.query(params![number, source])?;
        let Some(row) = rows.next()? else {
            continue;
        };
        let own = peer(row)?;
        let of = row.get_ref("name")?.as_str()?;
        if !selection.has(own.source) || filter.id_spaces.get(of) != filter.id_spaces.get(source) {
            continue;
        }
        let place = selection.place(connection, &own)?;
        if !place.is_withheld {
            let mut record = from_row(connection, row, unpress)?;
            record.version = Version(place.version);
            record.others = selection.others(connection, own.record, &place.peers, unpress)?;
            return Ok(Some(record));
        }
    }
    Ok(None)
}

/// What comes with the newest record of a work, beside that record itself: the one that stands for the
/// work and, where sets decide, those that may have stood for it.
fn peers_due(
    connection: &Connection,
    filter: &ChangeFilter,
    selection: &Selection,
    (own, place): (&Peer, &Place),
    unpress: &mut Unpress,
) -> rusqlite::Result<Vec<StoredRecord>> {
    let mut due = Vec::new();
    for peer in &place.peers {
        if peer.record == own.record || !selection.has(peer.source) {
            continue;
        }
        let withheld = selection.is_withheld(connection, peer, &place.peers)?;
        // One that changed later than `since` comes by itself.
        let is_heard_of = filter.since.is_some_and(|since| peer.version <= since.0);
        if withheld && (filter.sets.is_empty() || !is_heard_of) {
            continue;
        }
        let mut statement = connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM record JOIN source ON source.id = record.source_id
             JOIN set_list ON set_list.id = record.set_list_id
             LEFT JOIN payload ON payload.record_id = record.id
             WHERE record.id = ?1"
        ))?;
        let mut rows = statement.query([peer.record])?;
        let Some(row) = rows.next()? else { continue };
        let mut record = from_row(connection, row, unpress)?;
        if withheld {
            withhold(&mut record);
        } else {
            record.others = selection.others(connection, peer.record, &place.peers, unpress)?;
        }
        due.push(record);
    }
    Ok(due)
}

/// A record's place among others, from a row with the columns that it takes.
fn peer(row: &Row<'_>) -> rusqlite::Result<Peer> {
    Ok(Peer {
        record: row.get(0)?,
        source: SourceId(row.get("source_id")?),
        set_list: row.get("set_list_id")?,
        version: row.get("version")?,
    })
}

/// The state in a row of [`STATE_COLUMNS`]; `None` for a record of another source.
fn state(
    connection: &Connection,
    selection: &Selection,
    row: &Row<'_>,
) -> rusqlite::Result<Option<RecordState>> {
    let own = peer(row)?;
    if !selection.has(own.source) {
        return Ok(None);
    }
    let (mut deleted, mut version): (bool, i64) = (row.get(3)?, own.version);
    if !deleted {
        let place = selection.place(connection, &own)?;
        (deleted, version) = (place.is_withheld, place.version);
    }
    Ok(Some(RecordState {
        number: row.get(0)?,
        source: row.get(1)?,
        identifier: row.get(2)?,
        deleted,
        version: Version(version),
    }))
}

/// Makes of a live record one that is there for others only.
fn withhold(record: &mut StoredRecord) {
    record.deletion = Some(Deletion::Withheld);
    record.metadata = None;
    record.extra = None;
}

pub(super) fn from_row(
    connection: &Connection,
    row: &Row<'_>,
    unpress: &mut Unpress,
) -> rusqlite::Result<StoredRecord> {
    let instant: Option<i64> = row.get(4)?;
    let text: Option<String> = row.get(5)?;
    let set_specs: String = row.get(6)?;
    let dictionary_id: Option<i64> = row.get(10)?;
    let mut unpack = |column: usize| -> rusqlite::Result<Option<String>> {
        let (Some(dictionary_id), Some(bytes)) =
            (dictionary_id, row.get_ref(column)?.as_blob_or_null()?)
        else {
            return Ok(None);
        };
        let bytes = unpress.unpack(connection, dictionary_id, bytes)?;
        String::from_utf8(bytes).map(Some).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(
                column,
                rusqlite::types::Type::Blob,
                Box::new(error),
            )
        })
    };
    Ok(StoredRecord {
        metadata: unpack(11)?,
        extra: unpack(12)?,
        others: Vec::new(),
        source: row.get(1)?,
        metadata_prefix: row.get(2)?,
        identifier: row.get(3)?,
        datestamp: text
            .or_else(|| instant.map(|instant| Datestamp::from_unix(instant).to_string()))
            .unwrap_or_default(),
        set_specs: set_specs.lines().map(str::to_owned).collect(),
        deletion: match row.get(7)? {
            0 => None,
            1 => Some(Deletion::Declared),
            _ => Some(Deletion::Vanished),
        },
        version: Version(row.get(8)?),
        created_version: Version(row.get(9)?),
    })
}
