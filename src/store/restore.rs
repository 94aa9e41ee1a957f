//! Filling an empty store with the records of a copy, with their versions.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::open::Cached;
use super::pack::Payload;
use super::payload::SharedCompressor;
use super::record_writer::datestamp_text;
use super::sources::put_traits;
use super::{
    Cost, Deletion, PackedStep, PassPacker, SourceDefinition, SourceId, Step, Store, StoreError,
    Traits, Version, Watermark,
};
use crate::oai::{Datestamp, Record};

/// One state of a record, as a copy has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoredRecord {
    /// The record.
    pub record: Record,
    /// Why it is deleted; `None` if it is live.
    pub deletion: Option<Deletion>,
    /// The version of this state.
    pub version: Version,
    /// The version of its first state.
    pub created_version: Version,
}

/// What a restored source is proven to have.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RestoredSource {
    /// The watermarks.
    pub watermarks: Vec<Watermark>,
    /// What was learned about the repository.
    pub traits: Traits,
}

/// The sources of a store that is restored.
#[derive(Debug)]
pub struct Restoring {
    store: Arc<Store>,
    sources: HashMap<String, (SourceId, PassPacker)>,
    newest: Version,
}

impl Restoring {
    /// Begins to restore a store.
    ///
    /// # Errors
    /// [`StoreError::NotEmpty`] if it has records.
    pub fn begin(store: Arc<Store>) -> Result<Self, StoreError> {
        let newest = store.reader()?.last_version()?;
        let has_records: bool = store.write("looking for records", |transaction| {
            transaction.one("SELECT EXISTS (SELECT 1 FROM record)", [], |row| row.get(0))
        })?;
        if has_records {
            return Err(StoreError::NotEmpty {
                path: store.path().to_owned(),
            });
        }
        Ok(Self {
            store,
            sources: HashMap::new(),
            newest,
        })
    }

    /// Adds a source.
    pub fn add_source(&mut self, definition: &SourceDefinition) -> Result<(), StoreError> {
        let (source, _) = self.store.register_source(definition)?;
        let prefix = &definition.metadata_prefix;
        let packer = PassPacker::new(Arc::clone(&self.store), source.id, prefix)?;
        self.sources
            .insert(definition.name.clone(), (source.id, packer));
        Ok(())
    }

    /// Stores states of records of a source that was added, in one transaction. A state replaces older ones
    /// of the record, and is left out if the store has a newer one, so their order does not matter.
    pub fn put(&mut self, source: &str, states: Vec<RestoredRecord>) -> Result<(), StoreError> {
        let (id, packer) = self
            .sources
            .get_mut(source)
            .expect("records are put after their source");
        let mut records = Vec::with_capacity(states.len());
        let mut kinds = Vec::with_capacity(states.len());
        for state in states {
            self.newest = self.newest.max(state.version);
            kinds.push((state.deletion, state.version, state.created_version));
            records.push(state.record);
        }
        let step = Step::Reconcile {
            found: records,
            gone: Vec::new(),
            cost: Cost::default(),
        };
        let packed = packer.pack(step)?;
        let id = *id;
        self.store
            .write_patiently("restoring records", |transaction| {
                put(transaction, id, &packed, &kinds)
            })
    }

    /// Ends the restoring: the sources get their watermarks, and the store the id of the lost one. Versions go
    /// on after `newest` and after those of all records.
    pub fn finish(
        self,
        sources: &[(String, RestoredSource)],
        store_id: [u8; 16],
        newest: Version,
    ) -> Result<(), StoreError> {
        self.store
            .write_patiently("ending the restoring", |transaction| {
                for (id, _) in self.sources.values() {
                    transaction.run(
                        "UPDATE source SET
                        live_records = (SELECT count(*) FROM record
                            WHERE source_id = source.id AND deleted = 0),
                        deleted_records = (SELECT count(*) FROM record
                            WHERE source_id = source.id AND deleted <> 0)
                     WHERE id = ?1",
                        [id.0],
                    )?;
                }
                for (name, restored) in sources {
                    let Some((id, _)) = self.sources.get(name) else {
                        continue;
                    };
                    put_traits(transaction, *id, &restored.traits)?;
                    for watermark in &restored.watermarks {
                        transaction.run(
                            "INSERT INTO watermark (source_id, set_spec, datestamp, version)
                         VALUES (?1, coalesce(?2, ''), ?3, ?4)",
                            params![
                                id.0,
                                watermark.set_spec,
                                watermark.datestamp.unix(),
                                watermark.version.0
                            ],
                        )?;
                    }
                }
                transaction.run("UPDATE provider SET store_id = ?1", [store_id])?;
                transaction.run("UPDATE dedup SET state = 'due' WHERE state <> 'off'", [])?;
                let newest = newest.max(self.newest).max(Version::last(transaction)?);
                newest.keep_as_last(transaction)
            })
    }
}

fn put(
    connection: &Transaction<'_>,
    source: SourceId,
    packed: &PackedStep,
    kinds: &[(Option<Deletion>, Version, Version)],
) -> rusqlite::Result<()> {
    let records = packed.step.records().iter();
    for ((record, payload), kind) in records.zip(&packed.payloads).zip(kinds) {
        let &(deletion, version, created_version) = kind;
        let deleted = match deletion {
            None => 0,
            Some(Deletion::Disappeared) => 2,
            Some(_) => 1,
        };
        let header = &record.header;
        let set_list = set_list(connection, source, &header.set_specs)?;
        let datestamp = Datestamp::parse(&header.datestamp).map(|(at, _)| at.unix());
        let id: Option<i64> = connection
            .prepare_cached(
                "INSERT INTO record (source_id, identifier, datestamp, datestamp_text, set_list_id,
                    deleted, content_hash, version, created_version, seen_pass)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0)
                 ON CONFLICT (identifier, source_id) DO UPDATE SET
                    datestamp = excluded.datestamp, datestamp_text = excluded.datestamp_text,
                    set_list_id = excluded.set_list_id, deleted = excluded.deleted,
                    content_hash = excluded.content_hash, version = excluded.version
                 WHERE excluded.version > record.version
                 RETURNING id",
            )?
            .query_row(
                params![
                    source.0,
                    header.identifier,
                    datestamp,
                    datestamp_text(&header.datestamp),
                    set_list,
                    deleted,
                    payload.hash,
                    version.0,
                    created_version.0,
                ],
                |row| row.get(0),
            )
            .optional()?;
        if let Some(id) = id {
            put_payload(connection, id, record, payload, &packed.compressor)?;
        }
    }
    Ok(())
}

fn put_payload(
    connection: &Connection,
    id: i64,
    record: &Record,
    payload: &Payload,
    compressor: &SharedCompressor,
) -> rusqlite::Result<()> {
    let packed = payload.packed(record, compressor);
    let Some(dictionary_id) = packed.dictionary_id() else {
        connection.run("DELETE FROM payload WHERE record_id = ?1", [id])?;
        return Ok(());
    };
    connection.run(
        "INSERT OR REPLACE INTO payload (record_id, dictionary_id, metadata, extra)
         VALUES (?1, ?2, ?3, ?4)",
        params![
            id,
            dictionary_id,
            packed.metadata.as_ref().map(|metadata| &*metadata.bytes),
            packed.extra.as_ref().map(|extra| &*extra.bytes),
        ],
    )?;
    Ok(())
}

/// The number of a combination of sets of a source.
fn set_list(
    connection: &Connection,
    source: SourceId,
    set_specs: &[String],
) -> rusqlite::Result<i64> {
    let text = set_specs.join("\n");
    connection.run(
        "INSERT OR IGNORE INTO set_list (set_specs) VALUES (?1)",
        [&text],
    )?;
    let sql = "SELECT id FROM set_list WHERE set_specs = ?1";
    let id = connection.one(sql, [&text], |row| row.get(0))?;
    connection.run(
        "INSERT OR IGNORE INTO source_set_list VALUES (?1, ?2)",
        params![source.0, id],
    )?;
    Ok(id)
}
