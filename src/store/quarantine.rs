//! Quarantine: items of a source that could not become records, with their bytes.
//!
//! An item leaves the quarantine when a readable state of it arrives, or when the repository no
//! longer has it.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

use super::open::Cached;
use super::payload::{Decompressor, compress_alone};
use super::{PassId, Reader, SourceId, Store, StoreError};
use crate::oai::response::BadItem;

/// An item that could not become a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QuarantinedItem {
    /// Its number in this store, from 1. An item that arrives in another state gets another number;
    /// the number of an item that has left can be given out again.
    pub number: u64,
    /// The source's name.
    pub source: String,
    /// The identifier, if it could be read.
    pub identifier: Option<String>,
    /// The datestamp as received, if it could be read.
    pub datestamp: Option<String>,
    /// Why it could not become a record.
    pub reason: String,
    /// When it arrived first, in milliseconds since 1970 on our clock.
    #[serde(serialize_with = "crate::clock::as_rfc3339")]
    pub first_at: i64,
    /// When it arrived last.
    #[serde(serialize_with = "crate::clock::as_rfc3339")]
    pub last_at: i64,
}

/// The columns that [`from_row`] reads.
pub(super) const COLUMNS: &str =
    "quarantine.id, source.name, identifier, reason, first_at, last_at, datestamp_text";

impl Reader {
    /// The items of a source in quarantine, the newest first, at most `limit`.
    pub fn quarantine(
        &self,
        source: SourceId,
        limit: u32,
    ) -> Result<Vec<QuarantinedItem>, StoreError> {
        self.read("reading the quarantine", |connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM quarantine JOIN source ON source.id = source_id
                     WHERE source_id = ?1 ORDER BY last_at DESC, quarantine.id DESC LIMIT ?2"
                ))?
                .query_map(params![source.0, limit], from_row)?
                .collect()
        })
    }

    /// An item in quarantine with its bytes as received; `None` if there is no item of this number, or
    /// not any more.
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
                    "SELECT {COLUMNS}, raw FROM quarantine JOIN source ON source.id = source_id
                     WHERE quarantine.id = ?1"
                ))?
                .query_row([number], |row| {
                    let compressed: Vec<u8> = row.get("raw")?;
                    let raw = Decompressor::default().decompress(connection, 0, &compressed)?;
                    Ok((from_row(row)?, raw))
                })
                .optional()
        })
    }

    /// The number of items of a source in quarantine.
    pub fn count_quarantine(&self, source: SourceId) -> Result<u64, StoreError> {
        self.read("counting the quarantine", |connection| {
            connection.one(
                "SELECT count(*) FROM quarantine WHERE source_id = ?1",
                [source.0],
                |row| row.get(0),
            )
        })
    }
}

impl Store {
    /// The identifiers of the items of a source in quarantine, each once with its datestamp as written,
    /// the newest first, at most `limit`. Items without an identifier are left out.
    pub fn quarantined_identifiers(
        &self,
        source: SourceId,
        limit: u32,
    ) -> Result<Vec<(String, Option<String>)>, StoreError> {
        self.read("reading the quarantine", |connection| {
            connection
                .prepare_cached(
                    // SQLite takes the columns beside max() from the row that has the maximum.
                    "SELECT identifier, datestamp_text, max(last_at) FROM quarantine
                     WHERE source_id = ?1 AND identifier IS NOT NULL
                     GROUP BY identifier ORDER BY max(last_at) DESC LIMIT ?2",
                )?
                .query_map(params![source.0, limit], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?
                .collect()
        })
    }
}

/// The quarantine of one source within a write transaction.
pub(super) struct Quarantine<'a> {
    connection: &'a Connection,
    source: SourceId,
    /// False where the source has no items, so that most records cost no statement.
    has_items: bool,
}

impl<'a> Quarantine<'a> {
    pub(super) fn new(connection: &'a Connection, source: SourceId) -> rusqlite::Result<Self> {
        let has_items = connection
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM quarantine WHERE source_id = ?1)")?
            .query_row([source.0], |row| row.get(0))?;
        Ok(Self {
            connection,
            source,
            has_items,
        })
    }

    /// Adds an item, or replaces an earlier state of it.
    pub(super) fn add(&mut self, item: &BadItem, now_ms: i64) -> rusqlite::Result<()> {
        // The same error page can arrive for many records, so the hash includes the identifier.
        let name = item.identifier.as_deref().unwrap_or_default();
        let mut hash = [0; 16];
        blake3::Hasher::new()
            .update(name.as_bytes())
            .update(&item.raw)
            .finalize_xof()
            .fill(&mut hash);
        if let Some(identifier) = &item.identifier {
            // Only the latest state counts: a failing page can look different each time.
            self.connection
                .prepare_cached(
                    "DELETE FROM quarantine
                     WHERE source_id = ?1 AND identifier = ?2 AND raw_hash <> ?3",
                )?
                .execute(params![self.source.0, identifier, hash])?;
        }
        self.connection
            .prepare_cached(
                "INSERT INTO quarantine (source_id, identifier, datestamp_text, reason, raw,
                    raw_hash, first_at, last_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)
                 ON CONFLICT (source_id, raw_hash)
                 DO UPDATE SET reason = excluded.reason, last_at = excluded.last_at",
            )?
            .execute(params![
                self.source.0,
                item.identifier,
                item.datestamp,
                item.reason,
                compress_alone(&item.raw),
                hash,
                now_ms,
            ])?;
        self.has_items = true;
        Ok(())
    }

    /// Removes the items of this identifier.
    pub(super) fn clear(&self, identifier: &str) -> rusqlite::Result<()> {
        if self.has_items {
            self.connection
                .prepare_cached("DELETE FROM quarantine WHERE source_id = ?1 AND identifier = ?2")?
                .execute(params![self.source.0, identifier])?;
        }
        Ok(())
    }

    /// Removes the items of this identifier whose datestamp is not after `datestamp`, or is no date.
    pub(super) fn clear_up_to(&self, identifier: &str, datestamp: &str) -> rusqlite::Result<()> {
        if self.has_items {
            self.connection
                .prepare_cached(
                    "DELETE FROM quarantine WHERE source_id = ?1 AND identifier = ?2
                        AND (?3 = '' OR datestamp_text NOT GLOB '[0-9][0-9][0-9][0-9]-*'
                            OR coalesce(substr(datestamp_text, 1, length(?3)) <= ?3, true))",
                )?
                .execute(params![self.source.0, identifier, datestamp])?;
        }
        Ok(())
    }

    /// Removes items without an identifier that the complete full pass `pass` did not show again.
    ///
    /// They cannot be requested by name, so a full list without them is the only sign that they can
    /// be read now, or are gone.
    pub(super) fn clear_nameless(&self, pass: PassId, now_ms: i64) -> rusqlite::Result<()> {
        if self.has_items {
            self.connection
                .prepare_cached(
                    "DELETE FROM quarantine WHERE source_id = ?1 AND identifier IS NULL AND last_at <
                        (SELECT started_at FROM pass
                         WHERE id = ?2 AND kind = 'full' AND state = 'complete'
                            AND started_at <= ?3)",
                )?
                .execute(params![self.source.0, pass.0, now_ms])?;
        }
        Ok(())
    }
}

pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<QuarantinedItem> {
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
