//! Reading records: one by its identifier, or all that changed, in the order of versions.

use std::collections::HashSet;
use std::ops::ControlFlow;

use rusqlite::{Connection, Row, params};
use serde::Serialize;

use super::cluster::{others_of, preferred_of, require_current, stands_for};
use super::open::Cached;
use super::payload::Unpress;
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
    /// It is there, but another record stands for its work: only with [`Per::Cluster`].
    Represented,
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
    /// Whether it is a tombstone, or with [`Per::Cluster`] another record stands for its work.
    pub deleted: bool,
    /// Its newest change.
    pub version: Version,
}

/// An item that could not become a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QuarantinedItem {
    /// The source's name.
    pub source: String,
    /// The identifier, if there was one to be read.
    pub identifier: Option<String>,
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
    /// The sources, by name; empty for all.
    pub sources: Vec<String>,
    /// What one item is.
    pub per: Per,
    /// With [`Per::Cluster`]: whether [`StoredRecord::others`] is filled, from the filter's sources.
    /// A change of one of these then is a change of the record that stands for the work.
    pub with_others: bool,
}

/// What one item of a reading is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// A record.
    #[default]
    Record,
    /// A work: the preferred one of the records that describe it, among those of the filter's
    /// sources. The others are given as deleted ([`Deletion::Represented`]), since a reader may have
    /// got them when they still stood for a work.
    Cluster,
}

pub(super) const COLUMNS: &str =
    "record.id, source.name, source.metadata_prefix, record.identifier,
    record.datestamp, record.datestamp_text, set_list.set_specs, record.deleted, record.version,
    record.created_version, payload.dictionary_id, payload.metadata, payload.extra";

const STATE_COLUMNS: &str = "record.id, source.name, record.identifier, record.deleted <> 0,
    record.version, record.source_id";

impl Reader {
    /// The newest version in the store; zero for an empty one.
    ///
    /// # Errors
    /// As any read.
    pub fn last_version(&self) -> Result<Version, StoreError> {
        self.read("reading the last version", last_version)
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
                 WHERE record.identifier = ?1 ORDER BY source.name"
            ))?;
            let mut rows = statement.query([identifier])?;
            let mut records = Vec::new();
            while let Some(row) = rows.next()? {
                records.push(from_row(connection, row, &mut unpress)?);
            }
            Ok(records)
        })
    }

    /// The records with this identifier as [`Reader::changes`] would give them, whatever their
    /// versions: those of the filter's sources, as deleted if they do not stand for their work.
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
        records.retain_mut(|record| {
            let state = states.iter().find(|state| state.source == record.source);
            if state.is_some_and(|state| state.deleted) && record.deletion.is_none() {
                represent(record);
            }
            state.is_some()
        });
        Ok(records)
    }

    /// Calls `each` with every record that changed after `filter.since`, in its last state,
    /// tombstones included, in the order of versions, all from one snapshot. Gives the version up
    /// to which the reading went: the `since` of the next one.
    ///
    /// With `since` given, tombstones of records that came and went after it are left out unless
    /// they are asked for: who asks has never seen them. With [`Per::Cluster`], a record that no
    /// longer stands for its work comes as deleted and the one that does now as itself, each with a
    /// version of its own. With `filter.with_others`, a record that stands for a work comes again when
    /// another one of the work changed, before that other one and with its version.
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
            let upto = last_version(connection)?;
            let since = filter.since.unwrap_or_default();
            let selection = Selection::of(connection, filter)?;
            let with_others = filter.with_others && filter.per == Per::Cluster;
            let mut given_again = HashSet::new();
            let mut unpress = Unpress::default();
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS}, record.source_id FROM record INDEXED BY record_version
                 JOIN source ON source.id = record.source_id
                 JOIN set_list ON set_list.id = record.set_list_id
                 LEFT JOIN payload ON payload.record_id = record.id
                 WHERE record.version > ?1
                   AND NOT (?2 AND record.deleted <> 0 AND record.created_version > ?1)
                 ORDER BY record.version"
            ))?;
            let mut rows = statement.query(params![since.0, !all_tombstones])?;
            while let Some(row) = rows.next()? {
                let source = SourceId(row.get("source_id")?);
                if !selection.has(source) {
                    continue;
                }
                let represented = row.get::<_, i64>("deleted")? == 0
                    && selection.is_represented(connection, row.get(0)?)?;
                let mut broken = false;
                if represented
                    && with_others
                    && filter.since.is_some()
                    && let Some(standing) = stands_for(connection, row.get(0)?, selection.named())?
                    && given_again.insert(standing)
                    && let Some(mut record) = unchanged(connection, standing, since, &mut unpress)?
                {
                    record.others =
                        others_of(connection, standing, selection.named(), &mut unpress)?;
                    record.version = Version(row.get("version")?);
                    broken = each(record).is_break();
                }
                let created: i64 = row.get("created_version")?;
                if represented && filter.since.is_some() && !all_tombstones && created > since.0 {
                    if broken {
                        return row.get("version").map(Version);
                    }
                    continue;
                }
                let mut record = from_row(connection, row, &mut unpress)?;
                if represented {
                    represent(&mut record);
                } else if with_others && record.deletion.is_none() {
                    record.others =
                        others_of(connection, row.get(0)?, selection.named(), &mut unpress)?;
                }
                let version = record.version;
                if each(record).is_break() || broken {
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
                "SELECT {COLUMNS}, record.source_id FROM record INDEXED BY record_version
                 JOIN source ON source.id = record.source_id
                 JOIN set_list ON set_list.id = record.set_list_id
                 LEFT JOIN payload ON payload.record_id = record.id
                 WHERE record.version <= ?1 AND record.deleted = 0
                 ORDER BY record.version DESC"
            ))?;
            let mut rows = statement.query([upto.0])?;
            while let Some(row) = rows.next()? {
                if !selection.has(SourceId(row.get("source_id")?))
                    || selection.is_represented(connection, row.get(0)?)?
                {
                    continue;
                }
                if each(from_row(connection, row, &mut unpress)?).is_break() {
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
            if filter.sources.is_empty() {
                return connection.one(
                    "SELECT count(*) FROM record WHERE version > ?1",
                    [since.0],
                    |row| row.get(0),
                );
            }
            let mut count = 0;
            for source in source_ids(connection, &filter.sources)? {
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
            let wanted = source_ids(connection, &filter.sources)?;
            let list: Vec<String> = wanted.iter().map(|id| id.0.to_string()).collect();
            // The index of versions alone tells, unless it matters whose record it is.
            let which = match (filter.sources.is_empty(), list.as_slice()) {
                (true, _) => String::new(),
                (false, list) => format!("AND source_id IN ({})", list.join(", ")),
            };
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
                 WHERE record.identifier = ?1 ORDER BY source.name"
            ))?;
            let mut states = Vec::with_capacity(identifiers.len());
            for identifier in identifiers {
                let mut rows = statement.query([identifier])?;
                while let Some(row) = rows.next()? {
                    states.extend(selection.state(connection, row)?);
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
                let state = selection.state(connection, row)?;
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
                 WHERE source.name = ?1 AND record.identifier = ?2",
            )?;
            let mut rows = statement.query(params![source, identifier])?;
            let Some(row) = rows.next()? else {
                return Ok(None);
            };
            let repairs: String = row.get(0)?;
            let repairs = serde_json::from_str(&repairs).map_err(|error| {
                rusqlite::Error::FromSqlConversionFailure(
                    0,
                    rusqlite::types::Type::Text,
                    Box::new(error),
                )
            })?;
            let raw = Unpress::default().unpack(connection, 0, &row.get::<_, Vec<u8>>(1)?)?;
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
                .prepare_cached(
                    "SELECT source.name, identifier, reason, first_at, last_at FROM quarantine
                     JOIN source ON source.id = source_id
                     WHERE source_id = ?1 ORDER BY last_at DESC, quarantine.id DESC LIMIT ?2",
                )?
                .query_map(params![source.0, most], |row| {
                    Ok(QuarantinedItem {
                        source: row.get(0)?,
                        identifier: row.get(1)?,
                        reason: row.get(2)?,
                        first_at: row.get(3)?,
                        last_at: row.get(4)?,
                    })
                })?
                .collect()
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
    /// The identifiers of the items of a source in quarantine, as far as they have one, each once and
    /// at most `most`, the newest first.
    ///
    /// # Errors
    /// As any read.
    pub fn set_aside(&self, source: SourceId, most: u32) -> Result<Vec<String>, StoreError> {
        self.read("reading the quarantine", |connection| {
            connection
                .prepare_cached(
                    "SELECT identifier FROM quarantine
                     WHERE source_id = ?1 AND identifier IS NOT NULL
                     GROUP BY identifier ORDER BY max(last_at) DESC LIMIT ?2",
                )?
                .query_map(params![source.0, most], |row| row.get(0))?
                .collect()
        })
    }
}

/// The record of this row, unless it changed after `since` itself.
fn unchanged(
    connection: &Connection,
    record: i64,
    since: Version,
    unpress: &mut Unpress,
) -> rusqlite::Result<Option<StoredRecord>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM record JOIN source ON source.id = record.source_id
         JOIN set_list ON set_list.id = record.set_list_id
         LEFT JOIN payload ON payload.record_id = record.id
         WHERE record.id = ?1 AND record.version <= ?2"
    ))?;
    let mut rows = statement.query(params![record, since.0])?;
    let row = rows.next()?;
    row.map(|row| from_row(connection, row, unpress))
        .transpose()
}

/// Which records a filter lets through, and as what; versions aside.
struct Selection {
    /// Its sources; `None` for all.
    sources: Option<Vec<SourceId>>,
    per: Per,
}

impl Selection {
    fn of(connection: &Connection, filter: &ChangeFilter) -> rusqlite::Result<Self> {
        let sources = match filter.sources.is_empty() {
            true => None,
            false => Some(source_ids(connection, &filter.sources)?),
        };
        Ok(Self {
            sources,
            per: filter.per,
        })
    }

    fn has(&self, source: SourceId) -> bool {
        let sources = self.sources.as_ref();
        sources.is_none_or(|sources| sources.contains(&source))
    }

    /// Whether another record stands for the work of this live one.
    fn is_represented(&self, connection: &Connection, record: i64) -> rusqlite::Result<bool> {
        Ok(self.per == Per::Cluster && !preferred_of(connection, record, self.named())?)
    }

    /// The sources that were named; none for all.
    fn named(&self) -> &[SourceId] {
        self.sources.as_deref().unwrap_or_default()
    }

    /// The state in a row of [`STATE_COLUMNS`]; `None` for a record of another source.
    fn state(
        &self,
        connection: &Connection,
        row: &Row<'_>,
    ) -> rusqlite::Result<Option<RecordState>> {
        if !self.has(SourceId(row.get(5)?)) {
            return Ok(None);
        }
        let deleted = row.get(3)? || self.is_represented(connection, row.get(0)?)?;
        Ok(Some(RecordState {
            number: row.get(0)?,
            source: row.get(1)?,
            identifier: row.get(2)?,
            deleted,
            version: Version(row.get(4)?),
        }))
    }
}

/// Makes of a live record one that another record stands for.
fn represent(record: &mut StoredRecord) {
    record.deletion = Some(Deletion::Represented);
    record.metadata = None;
    record.extra = None;
}

fn last_version(connection: &Connection) -> rusqlite::Result<Version> {
    connection
        .query_row(
            "SELECT value FROM meta WHERE key = 'last_version'",
            [],
            |row| row.get(0),
        )
        .map(Version)
}

fn source_ids(connection: &Connection, names: &[String]) -> rusqlite::Result<Vec<SourceId>> {
    let mut statement = connection.prepare_cached("SELECT id FROM source WHERE name = ?1")?;
    let mut ids = Vec::new();
    for name in names {
        ids.extend(
            statement
                .query_map([name], |row| row.get(0).map(SourceId))?
                .collect::<rusqlite::Result<Vec<_>>>()?,
        );
    }
    Ok(ids)
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
