//! Writing the records of a pass: a record is compared with its stored state, then inserted, updated
//! or left as it is.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::cluster::{self, ChangedRecord, Clusters, RecentKeys};
use super::listed::Listed;
use super::pack::Payload;
use super::payload::compress_alone;
use super::quarantine::Quarantine;
use super::{Counts, PassId, SourceId, Version};
use crate::oai::response::BadItem;
use crate::oai::{Datestamp, Header, Record};

/// The records of one pass within one write transaction.
pub(super) struct RecordWriter<'a> {
    connection: &'a Connection,
    source: SourceId,
    pass: PassId,
    now_ms: i64,
    metadata_prefix: &'a str,
    /// The last version that was given out.
    version: Version,
    quarantine: Quarantine<'a>,
    /// The numbers of the combinations of sets that this transaction has met.
    set_lists: HashMap<String, i64>,
    /// By how much the source's numbers of live and deleted records change.
    live: i64,
    deleted: i64,
    /// `None` while the store's clusters are not up to date.
    clusters: Option<Clusters<'a>>,
    /// Records with new content that are not clustered yet.
    changed: Vec<ChangedRecord>,
}

/// The stored state of a record that arrives again.
struct Known {
    id: i64,
    datestamp: Option<i64>,
    deleted: bool,
    hash: [u8; 16],
    seen_pass: i64,
}

impl<'a> RecordWriter<'a> {
    pub(super) fn begin(
        transaction: &'a Transaction<'_>,
        source: SourceId,
        pass: PassId,
        now_ms: i64,
        metadata_prefix: &'a str,
        recent_keys: Option<RecentKeys>,
    ) -> rusqlite::Result<Self> {
        Ok(Self {
            connection: transaction,
            source,
            pass,
            now_ms,
            metadata_prefix,
            version: Version::last(transaction)?,
            quarantine: Quarantine::new(transaction, source)?,
            set_lists: HashMap::new(),
            live: 0,
            deleted: 0,
            clusters: Clusters::begin(transaction, recent_keys)?,
            changed: Vec::new(),
        })
    }

    /// Clusters the last records and stores what the transaction counted. Returns the recent match
    /// keys for the next transaction.
    pub(super) fn finish(mut self) -> rusqlite::Result<Option<RecentKeys>> {
        self.update_clusters()?;
        self.version.keep_as_last(self.connection)?;
        self.connection
            .prepare_cached(
                "UPDATE source SET live_records = live_records + ?2,
                                   deleted_records = deleted_records + ?3 WHERE id = ?1",
            )?
            .execute(params![self.source.0, self.live, self.deleted])?;
        self.clusters.map(Clusters::finish).transpose()
    }

    /// The last version that was given out.
    pub(super) fn version(&self) -> Version {
        self.version
    }

    fn next_version(&mut self) -> i64 {
        self.version = self.version.next(self.now_ms);
        self.version.0
    }

    /// Updates the clusters for the records changed since the last call. Many records at once cost
    /// less than one page after the other.
    pub(super) fn update_clusters(&mut self) -> rusqlite::Result<()> {
        let changed = std::mem::take(&mut self.changed);
        let Some(clusters) = &mut self.clusters else {
            return Ok(());
        };
        let moved = clusters.update(changed)?;
        cluster::stamp(self.connection, moved, || self.next_version())?;
        Ok(())
    }

    /// Stores a record as listed. `listed` has the items that the same reading has shown before.
    pub(super) fn store(
        &mut self,
        record: &Record,
        payload: &Payload,
        listed: &Listed,
        counts: &mut Counts,
    ) -> rusqlite::Result<()> {
        if !record.repairs.is_empty() {
            counts.repaired += 1;
        }
        let identifier = &record.header.identifier;
        let datestamp = Datestamp::parse(&record.header.datestamp);
        let datestamp = datestamp.map(|(datestamp, _)| datestamp.unix());
        let Some(known) = self.known(identifier)? else {
            let version = self.next_version();
            let id = self.insert(record, datestamp, payload, version)?;
            self.note_changed(id, false, record, payload);
            counts.new += 1;
            *if record.header.deleted {
                &mut self.deleted
            } else {
                &mut self.live
            } += 1;
            return self.quarantine.clear(identifier);
        };
        let older = matches!((datestamp, known.datestamp), (Some(new), Some(old)) if new < old);
        if older && known.seen_pass == self.pass.0 && listed.may_have(identifier) {
            // The list has two states of one item, and the newer state came first.
            counts.unchanged += 1;
            return Ok(());
        }
        if payload.metadata.is_none() && !record.header.deleted && self.has_metadata(known.id)? {
            return self.keep_stored(&known, record, counts);
        }
        if known.hash == payload.hash {
            self.connection
                .prepare_cached(
                    // Without a datestamp, as some repositories answer GetRecord, the known one stays.
                    "UPDATE record SET seen_pass = ?4,
                         datestamp = CASE WHEN ?5 THEN ?2 ELSE datestamp END,
                         datestamp_text = CASE WHEN ?5 THEN ?3 ELSE datestamp_text END
                     WHERE id = ?1",
                )?
                .execute(params![
                    known.id,
                    datestamp,
                    datestamp_text(&record.header.datestamp),
                    self.pass.0,
                    !record.header.datestamp.is_empty(),
                ])?;
            counts.unchanged += 1;
            return self.quarantine.clear(identifier);
        }
        let version = self.next_version();
        self.update(&known, record, datestamp, payload, version)?;
        self.note_changed(known.id, true, record, payload);
        match (known.deleted, record.header.deleted) {
            (false, true) => {
                counts.deleted += 1;
                self.live -= 1;
                self.deleted += 1;
            }
            (true, false) => {
                counts.changed += 1;
                self.live += 1;
                self.deleted -= 1;
            }
            _ => counts.changed += 1,
        }
        self.quarantine.clear(identifier)
    }

    /// Marks a record as listed live by its identifier alone. If the store should have it live and does
    /// not, it goes to quarantine, so that the next pass requests it by name.
    pub(super) fn mark_seen(
        &mut self,
        header: &Header,
        counts: &mut Counts,
    ) -> rusqlite::Result<()> {
        counts.unchanged += 1;
        if let Some(known) = self.known(&header.identifier)? {
            // A long-interrupted pass over identifiers is older than the harvests that ran since.
            self.connection
                .prepare_cached("UPDATE record SET seen_pass = max(seen_pass, ?2) WHERE id = ?1")?
                .execute(params![known.id, self.pass.0])?;
            if !known.deleted {
                return Ok(());
            }
        }
        let datestamp = Datestamp::parse(&header.datestamp).map(|(at, _)| at.unix());
        let should_be_stored: bool = self
            .connection
            .prepare_cached(
                "SELECT coalesce(?2 <= min(datestamp), 0) FROM watermark WHERE source_id = ?1",
            )?
            .query_row(params![self.source.0, datestamp], |row| row.get(0))?;
        if !should_be_stored {
            return Ok(());
        }
        let reason = "its identifier is listed as live, and the store has no live record of it; the \
                      next pass requests it by name";
        self.add_to_quarantine(
            &BadItem {
                identifier: Some(header.identifier.clone()),
                datestamp: Some(header.datestamp.clone()),
                reason: reason.to_owned(),
                raw: header.identifier.clone().into_bytes(),
            },
            counts,
        )
    }

    /// Leaves a stored record as it is, because its new state is live and has no metadata: that can be
    /// an emptied record or a broken list. The new state goes to quarantine.
    fn keep_stored(
        &mut self,
        known: &Known,
        record: &Record,
        counts: &mut Counts,
    ) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached("UPDATE record SET seen_pass = ?2 WHERE id = ?1")?
            .execute(params![known.id, self.pass.0])?;
        counts.unchanged += 1;
        let identifier = &record.header.identifier;
        let item = BadItem {
            identifier: Some(identifier.clone()),
            datestamp: Some(record.header.datestamp.clone()),
            reason: "a live record without metadata; the metadata stored before is kept".to_owned(),
            raw: record
                .raw
                .clone()
                .unwrap_or_else(|| identifier.clone().into_bytes()),
        };
        self.add_to_quarantine(&item, counts)
    }

    /// Turns a live record that the repository no longer has into a tombstone, unless a list has shown
    /// it since.
    pub(super) fn tombstone(
        &mut self,
        identifier: &str,
        counts: &mut Counts,
    ) -> rusqlite::Result<()> {
        let Some(known) = self.known(identifier)? else {
            return Ok(());
        };
        if known.deleted || known.seen_pass >= self.pass.0 {
            return Ok(());
        }
        let version = self.next_version();
        self.connection
            .prepare_cached(
                "UPDATE record SET deleted = 2, content_hash = zeroblob(16), version = ?2,
                    seen_pass = ?3 WHERE id = ?1",
            )?
            .execute(params![known.id, version, self.pass.0])?;
        self.delete_payload(known.id)?;
        if self.clusters.is_some() {
            self.changed.push(ChangedRecord {
                record: known.id,
                known: true,
                description: None,
            });
        }
        counts.deleted += 1;
        self.live -= 1;
        self.deleted += 1;
        Ok(())
    }

    /// Adds an item to the quarantine.
    pub(super) fn add_to_quarantine(
        &mut self,
        item: &BadItem,
        counts: &mut Counts,
    ) -> rusqlite::Result<()> {
        counts.quarantined += 1;
        self.quarantine.add(item, self.now_ms)
    }

    /// The source's quarantine.
    pub(super) fn quarantine(&self) -> &Quarantine<'a> {
        &self.quarantine
    }

    fn note_changed(&mut self, id: i64, known: bool, record: &Record, payload: &Payload) {
        if self.clusters.is_some() {
            let describe = || cluster::describe_record(self.metadata_prefix, record);
            self.changed.push(ChangedRecord {
                record: id,
                known,
                description: payload.description.clone().unwrap_or_else(describe),
            });
        }
    }

    fn known(&self, identifier: &str) -> rusqlite::Result<Option<Known>> {
        self.connection
            .prepare_cached(
                "SELECT id, datestamp, deleted, content_hash, seen_pass FROM record
                 WHERE identifier = ?1 AND source_id = ?2",
            )?
            .query_row(params![identifier, self.source.0], |row| {
                Ok(Known {
                    id: row.get(0)?,
                    datestamp: row.get(1)?,
                    deleted: row.get::<_, i64>(2)? != 0,
                    hash: row.get(3)?,
                    seen_pass: row.get(4)?,
                })
            })
            .optional()
    }

    fn has_metadata(&self, id: i64) -> rusqlite::Result<bool> {
        self.connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM payload
                    WHERE record_id = ?1 AND metadata IS NOT NULL)",
            )?
            .query_row([id], |row| row.get(0))
    }

    fn insert(
        &mut self,
        record: &Record,
        datestamp: Option<i64>,
        payload: &Payload,
        version: i64,
    ) -> rusqlite::Result<i64> {
        let set_list = self.set_list(&record.header.set_specs)?;
        self.connection
            .prepare_cached(
                "INSERT INTO record (source_id, identifier, datestamp, datestamp_text, set_list_id,
                    deleted, content_hash, version, created_version, seen_pass)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9)",
            )?
            .execute(params![
                self.source.0,
                record.header.identifier,
                datestamp,
                datestamp_text(&record.header.datestamp),
                set_list,
                record.header.deleted,
                payload.hash,
                version,
                self.pass.0,
            ])?;
        let id = self.connection.last_insert_rowid();
        self.insert_payload(id, record, payload)?;
        Ok(id)
    }

    fn update(
        &mut self,
        known: &Known,
        record: &Record,
        datestamp: Option<i64>,
        payload: &Payload,
        version: i64,
    ) -> rusqlite::Result<()> {
        let set_list = self.set_list(&record.header.set_specs)?;
        self.connection
            .prepare_cached(
                "UPDATE record SET datestamp = ?2, datestamp_text = ?3, set_list_id = ?4,
                    deleted = ?5, content_hash = ?6, version = ?7, seen_pass = ?8 WHERE id = ?1",
            )?
            .execute(params![
                known.id,
                datestamp,
                datestamp_text(&record.header.datestamp),
                set_list,
                record.header.deleted,
                payload.hash,
                version,
                self.pass.0,
            ])?;
        self.delete_payload(known.id)?;
        self.insert_payload(known.id, record, payload)
    }

    /// The number of a combination of sets.
    fn set_list(&mut self, set_specs: &[String]) -> rusqlite::Result<i64> {
        let text = set_specs.join("\n");
        if let Some(id) = self.set_lists.get(&text) {
            return Ok(*id);
        }
        self.connection
            .prepare_cached("INSERT OR IGNORE INTO set_list (set_specs) VALUES (?1)")?
            .execute([&text])?;
        let id = self
            .connection
            .prepare_cached("SELECT id FROM set_list WHERE set_specs = ?1")?
            .query_row([&text], |row| row.get(0))?;
        self.set_lists.insert(text, id);
        Ok(id)
    }

    fn insert_payload(&self, id: i64, record: &Record, payload: &Payload) -> rusqlite::Result<()> {
        if payload.metadata.is_some() || payload.extra.is_some() {
            let compressed = payload.metadata.as_ref().or(payload.extra.as_ref());
            self.connection
                .prepare_cached(
                    "INSERT INTO payload (record_id, dictionary_id, metadata, extra)
                     VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![
                    id,
                    compressed.map_or(0, |compressed| compressed.dictionary_id),
                    payload.metadata.as_ref().map(|metadata| &*metadata.bytes),
                    payload.extra.as_ref().map(|extra| &*extra.bytes),
                ])?;
        }
        if let Some(raw) = &record.raw {
            let repairs = serde_json::to_string(&record.repairs).expect("repairs are plain values");
            self.connection
                .prepare_cached("INSERT INTO repair (record_id, repairs, raw) VALUES (?1, ?2, ?3)")?
                .execute(params![id, repairs, compress_alone(raw)])?;
        }
        Ok(())
    }

    fn delete_payload(&self, id: i64) -> rusqlite::Result<()> {
        for statement in [
            "DELETE FROM payload WHERE record_id = ?1",
            "DELETE FROM repair WHERE record_id = ?1",
        ] {
            self.connection.prepare_cached(statement)?.execute([id])?;
        }
        Ok(())
    }
}

/// The datestamp as written; `None` if it is written in the canonical form, which its instant gives.
fn datestamp_text(text: &str) -> Option<&str> {
    Datestamp::canonical(text).is_none().then_some(text)
}
