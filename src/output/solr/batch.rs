//! Changes as commands to the index, in portions of one request each.

use std::collections::HashMap;
use std::ops::ControlFlow;

use chrono::{DateTime, SecondsFormat};

use super::settings::SolrSettings;
use crate::output::vufind::{self, Command, Document, Encoding, Frame, Input, Tracking};
use crate::store::{ChangeFilter, Reader, StoreError, StoredRecord, Version};

/// What one record means for the index.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    /// The document's id.
    pub(crate) id: String,
    /// The record's source.
    pub(crate) source: String,
    /// The record's identifier.
    pub(crate) identifier: String,
    /// The record's version.
    pub(crate) version: Version,
    /// Whether the document is to be there or not.
    pub(crate) command: Command,
    /// The command in JSON, without its frame.
    pub(crate) json: Vec<u8>,
    /// Why a live record has no document. Then what the index may have of it is deleted.
    pub(crate) fault: Option<String>,
}

/// The changes of one request.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// At most one change for each document, in the order of versions.
    pub(crate) changes: Vec<Change>,
    /// How many records were read for it.
    pub(crate) records: u64,
    /// Once it is confirmed, all changes up to here are.
    pub(crate) upto: Version,
    /// Whether there was nothing left after it.
    pub(crate) last: bool,
}

/// Reads the next changes after `since`, as many as go in one request.
///
/// Tombstones are all among them: the index may have taken a document without our hearing of it.
///
/// # Errors
/// As any read.
pub(crate) fn read(
    reader: &Reader,
    settings: &SolrSettings,
    since: Version,
) -> Result<Batch, StoreError> {
    let filter = ChangeFilter {
        since: Some(since),
        sources: settings.sources.clone(),
        ..ChangeFilter::default()
    };
    let mut changes = Vec::new();
    let mut bytes = 0;
    let mut last = true;
    let upto = reader.changes_with_tombstones(&filter, |record| {
        let change = change(&record, settings);
        bytes += change.json.len() as u64;
        changes.push(change);
        if changes.len() >= settings.batch_documents || bytes >= settings.batch_bytes {
            last = false;
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    let records = changes.len() as u64;
    Ok(Batch {
        changes: settle(reader, settings, changes)?,
        records,
        upto,
        last,
    })
}

/// Leaves one change for each document: the last one, and of two sources that have the same record
/// the one where it lives.
pub(crate) fn settle(
    reader: &Reader,
    settings: &SolrSettings,
    changes: Vec<Change>,
) -> Result<Vec<Change>, StoreError> {
    let mut place: HashMap<String, usize> = HashMap::with_capacity(changes.len());
    let mut kept: Vec<Option<Change>> = Vec::with_capacity(changes.len());
    for mut change in changes {
        if change.command == Command::Delete {
            let records = reader.find(&change.identifier)?;
            let other = |record: &&StoredRecord| {
                record.source != change.source && is_sent(record, settings)
            };
            if let Some(living) = records.iter().find(other) {
                change = self::change(living, settings);
            }
        }
        if let Some(earlier) = place.insert(change.id.clone(), kept.len()) {
            kept[earlier] = None;
        }
        kept.push(Some(change));
    }
    Ok(kept.into_iter().flatten().collect())
}

fn is_sent(record: &StoredRecord, settings: &SolrSettings) -> bool {
    let wanted = settings.sources.is_empty() || settings.sources.contains(&record.source);
    wanted && record.deletion.is_none()
}

/// What a record in this state means for the index.
pub(crate) fn change(record: &StoredRecord, settings: &SolrSettings) -> Change {
    let id = settings.documents.document_id(&record.identifier);
    let made = match record.deletion {
        Some(_) => None,
        None => Some(document(record, settings)),
    };
    let mut json = Vec::new();
    let (command, fault) = match made {
        Some(Ok(document)) => {
            Encoding::Json.push_add(&document, &mut json);
            (Command::Add, None)
        }
        Some(Err(fault)) => (Command::Delete, Some(fault)),
        None => (Command::Delete, None),
    };
    if command == Command::Delete {
        Encoding::Json.push_delete(&id, &mut json);
    }
    Change {
        id,
        source: record.source.clone(),
        identifier: record.identifier.clone(),
        version: record.version,
        command,
        json,
        fault,
    }
}

/// The document of a live record.
///
/// # Errors
/// Why there is none.
pub(crate) fn document(record: &StoredRecord, settings: &SolrSettings) -> Result<Document, String> {
    let metadata = record
        .metadata
        .as_deref()
        .ok_or_else(|| "the record has no metadata".to_owned())?;
    let (first, last) = (instant(record.created_version), instant(record.version));
    let input = Input {
        identifier: &record.identifier,
        datestamp: &record.datestamp,
        metadata_prefix: &record.metadata_prefix,
        metadata,
        tracking: settings.track_changes.then_some(Tracking {
            first_indexed: &first,
            last_indexed: &last,
        }),
    };
    let mut document =
        vufind::document(input, &settings.documents).map_err(|error| error.to_string())?;
    if let Some(field) = &settings.version_field {
        document.push(field.clone(), record.version.to_string());
    }
    Ok(document)
}

fn instant(version: Version) -> String {
    DateTime::from_timestamp_millis(version.unix_ms())
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The update message of some changes.
pub(crate) fn message<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Vec<u8> {
    let mut frame = Frame::new(Encoding::Json);
    let mut message = Vec::new();
    for change in changes {
        message.extend_from_slice(frame.before(change.command).as_bytes());
        message.extend_from_slice(&change.json);
    }
    message.extend_from_slice(frame.end().as_bytes());
    message
}
