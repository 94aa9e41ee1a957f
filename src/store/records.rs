//! Reading single records: their content, their state, and what was repaired to read them.

use std::ops::ControlFlow;

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

use super::cluster::{Peer, peers_of};
use super::payload::Decompressor;
use super::selection::Selection;
use super::{ChangeFilter, Reader, SourceId, StoreError, Version};
use crate::oai::Datestamp;
use crate::oai::response::Repair;
use crate::record::crosswalk::Header;

/// Why a record is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Deletion {
    /// The repository listed it as deleted.
    Declared,
    /// The repository no longer has it and never listed it as deleted.
    Disappeared,
    /// The store has it, but not for this reader: it is in none of the reader's sets, or, with
    /// [`Per::Cluster`](super::Per::Cluster), another record represents its work.
    Withheld,
}

/// A record as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// The record's number in this store, as in [`RecordState::number`].
    pub number: u64,
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
    /// Why it is deleted; `None` if it is live.
    pub deletion: Option<Deletion>,
    /// The version of its newest change.
    pub version: Version,
    /// The version of its first state in the store.
    pub created_version: Version,
    /// The metadata, a document of its own.
    pub metadata: Option<String>,
    /// Further parts of the record: documents, one after the other.
    pub extra: Option<String>,
    /// The other records of the work that this record represents, by rank. Empty unless
    /// [`ChangeFilter::with_others`] is set.
    pub others: Vec<OtherRecord>,
}

impl StoredRecord {
    /// What its header says about what it is.
    pub fn header(&self) -> Header<'_> {
        Header {
            identifier: &self.identifier,
            set_specs: &self.set_specs,
        }
    }
}

/// The metadata of a record that another record represents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherRecord {
    /// The metadata format.
    pub metadata_prefix: String,
    /// The metadata, a document of its own.
    pub metadata: String,
}

/// A record without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordState {
    /// The record's number in this store, from 1; numbers are dense and never reused.
    pub number: u64,
    /// The source's name.
    pub source: String,
    /// The item's identifier.
    pub identifier: String,
    /// Whether it is a tombstone or is withheld ([`Deletion::Withheld`]).
    pub deleted: bool,
    /// The version of its newest change, or of another record's change that decides about it.
    pub version: Version,
}

/// A record that had to be repaired to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepairedRecord {
    /// The repairs.
    pub repairs: Vec<Repair>,
    /// The record's bytes as received.
    pub raw: Vec<u8>,
}

/// The columns that [`from_row`] reads.
pub(super) const COLUMNS: &str =
    "record.id, source.name, source.metadata_prefix, record.identifier,
    record.datestamp, record.datestamp_text, set_list.set_specs, record.deleted, record.version,
    record.created_version, payload.dictionary_id, payload.metadata, payload.extra";

/// The tables of [`COLUMNS`] beside `record`.
pub(super) const JOINS: &str = "JOIN source ON source.id = record.source_id
    JOIN set_list ON set_list.id = record.set_list_id
    LEFT JOIN payload ON payload.record_id = record.id";

/// The columns that [`state`] reads.
const STATE_COLUMNS: &str = "record.id, source.name, record.identifier, record.deleted <> 0,
    record.version, record.source_id, record.set_list_id";

impl Reader {
    /// The records with this identifier, one for each source that has it, by the source's name.
    pub fn find(&self, identifier: &str) -> Result<Vec<StoredRecord>, StoreError> {
        self.read("reading a record", |connection| {
            let mut decompressor = Decompressor::default();
            connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM record {JOINS}
                     WHERE record.identifier = ?1 ORDER BY source.name"
                ))?
                .query_map([identifier], |row| {
                    from_row(connection, row, &mut decompressor)
                })?
                .collect()
        })
    }

    /// The records with this identifier as [`Reader::changes`] gives them, whatever their versions:
    /// those of the filter's sources; withheld records are deleted.
    pub fn find_items(
        &self,
        identifier: &str,
        filter: &ChangeFilter,
    ) -> Result<Vec<StoredRecord>, StoreError> {
        let mut records = self.find(identifier)?;
        let states = self.states_of(&[identifier.to_owned()], filter)?;
        self.read("reading the records of a work", |connection| {
            let selection = Selection::of(connection, filter)?;
            let mut decompressor = Decompressor::default();
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
                            selection.others(connection, number, &peers, &mut decompressor)?;
                    }
                }
                items.push(record);
            }
            Ok(items)
        })
    }

    /// The live record with this identifier in another source than `source`, as [`Reader::changes`]
    /// gives it, whatever its version. If several sources have one, the first source by name counts.
    pub fn find_in_other_source(
        &self,
        identifier: &str,
        source: &str,
        filter: &ChangeFilter,
    ) -> Result<Option<StoredRecord>, StoreError> {
        self.require_clusters(filter)?;
        self.read(
            "looking for the identifier in other sources",
            |connection| {
                let selection = Selection::of(connection, filter)?;
                let mut decompressor = Decompressor::default();
                find_in_other_source(
                    connection,
                    &selection,
                    filter,
                    (identifier, source),
                    &mut decompressor,
                )
            },
        )
    }

    /// The states of the records with these identifiers, of the filter's sources, whatever their
    /// versions.
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
                 WHERE record.identifier = ?1 ORDER BY source.name"
            ))?;
            let mut states = Vec::with_capacity(identifiers.len());
            for identifier in identifiers {
                let mut rows = statement.query([identifier])?;
                while let Some(row) = rows.next()? {
                    states.extend(state(connection, &selection, row)?);
                }
            }
            Ok(states)
        })
    }

    /// Calls `each` with the state of every record whose number is above `after`, of the filter's
    /// sources, whatever its version, by number, until `each` breaks.
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

    /// What was repaired to read a record; `None` if it was read as received.
    pub fn repairs(
        &self,
        source: &str,
        identifier: &str,
    ) -> Result<Option<RepairedRecord>, StoreError> {
        self.read("reading the repairs of a record", |connection| {
            let found: Option<(String, Vec<u8>)> = connection
                .prepare_cached(
                    "SELECT repair.repairs, repair.raw FROM record
                     JOIN source ON source.id = record.source_id
                     JOIN repair ON repair.record_id = record.id
                     WHERE record.identifier = ?1 AND source.name = ?2",
                )?
                .query_row([identifier, source], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
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
            let raw = Decompressor::default().decompress(connection, 0, &raw)?;
            Ok(Some(RepairedRecord { repairs, raw }))
        })
    }
}

/// The numbers of the records with this identifier, by the names of their sources.
pub(super) fn numbers_of(connection: &Connection, identifier: &str) -> rusqlite::Result<Vec<i64>> {
    connection
        .prepare_cached(
            "SELECT record.id FROM record JOIN source ON source.id = record.source_id
             WHERE record.identifier = ?1 ORDER BY source.name",
        )?
        .query_map([identifier], |row| row.get(0))?
        .collect()
}

/// The live record with this identifier in another source than the given one.
pub(super) fn find_in_other_source(
    connection: &Connection,
    selection: &Selection,
    filter: &ChangeFilter,
    (identifier, source): (&str, &str),
    decompressor: &mut Decompressor,
) -> rusqlite::Result<Option<StoredRecord>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS}, record.source_id, record.set_list_id FROM record {JOINS}
         WHERE record.identifier = ?1 AND record.deleted = 0 AND source.name <> ?2
         ORDER BY source.name"
    ))?;
    let mut rows = statement.query(params![identifier, source])?;
    while let Some(row) = rows.next()? {
        let own = peer(row)?;
        let other = row.get_ref("name")?.as_str()?;
        if !selection.has(own.source) || !filter.is_one_id_space(other, source) {
            continue;
        }
        let place = selection.place(connection, &own)?;
        if !place.is_withheld {
            let mut record = from_row(connection, row, decompressor)?;
            record.version = Version(place.version);
            record.others = selection.others(connection, own.record, &place.peers, decompressor)?;
            return Ok(Some(record));
        }
    }
    Ok(None)
}

/// A record as a member of its cluster, from a row with the columns `id`, `source_id`, `set_list_id`
/// and `version`.
pub(super) fn peer(row: &Row<'_>) -> rusqlite::Result<Peer> {
    Ok(Peer {
        record: row.get(0)?,
        source: SourceId(row.get("source_id")?),
        set_list: row.get("set_list_id")?,
        version: row.get("version")?,
    })
}

/// The state in a row of [`STATE_COLUMNS`]; `None` if the filter does not name the record's source.
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

/// Turns a live record into one that this reader may not see.
pub(super) fn withhold(record: &mut StoredRecord) {
    record.deletion = Some(Deletion::Withheld);
    record.metadata = None;
    record.extra = None;
}

/// The record in a row of [`COLUMNS`].
pub(super) fn from_row(
    connection: &Connection,
    row: &Row<'_>,
    decompressor: &mut Decompressor,
) -> rusqlite::Result<StoredRecord> {
    let instant: Option<i64> = row.get(4)?;
    let text: Option<String> = row.get(5)?;
    let set_specs: String = row.get(6)?;
    let dictionary_id: Option<i64> = row.get(10)?;
    let mut decompress = |column: usize| -> rusqlite::Result<Option<String>> {
        let (Some(dictionary_id), Some(bytes)) =
            (dictionary_id, row.get_ref(column)?.as_blob_or_null()?)
        else {
            return Ok(None);
        };
        let bytes = decompressor.decompress(connection, dictionary_id, bytes)?;
        // With a copy, this takes less time than the standard library's check without one.
        let text = simdutf8::compat::from_utf8(&bytes).map(str::to_owned);
        text.map(Some).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(
                column,
                rusqlite::types::Type::Blob,
                Box::new(error),
            )
        })
    };
    Ok(StoredRecord {
        number: row.get(0)?,
        metadata: decompress(11)?,
        extra: decompress(12)?,
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
            _ => Some(Deletion::Disappeared),
        },
        version: Version(row.get(8)?),
        created_version: Version(row.get(9)?),
    })
}
