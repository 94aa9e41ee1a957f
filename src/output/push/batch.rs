//! Reads the changes of the store as batches of commands.

use std::collections::HashMap;
use std::ops::{ControlFlow, Range};

use bytes::Bytes;

use crate::output::OutputSettings;
use crate::output::target::Change;
use crate::output::vufind::Command;
use crate::store::{Reader, StoreError, StoredRecord, Version};

/// The changes of one request.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// At most one change for each document, in the order of versions.
    pub(crate) changes: Vec<Change>,
    /// The number of records that were read for it.
    pub(crate) records: u64,
    /// Once the batch is confirmed, all changes up to this version are.
    pub(crate) upto: Version,
    /// Whether no changes follow.
    pub(crate) last: bool,
}

/// Reads the next batch of changes after `since`.
///
/// It contains all tombstones: the target may have taken a document without confirming it.
pub(crate) fn read(
    reader: &Reader,
    settings: &OutputSettings,
    since: Version,
) -> Result<Batch, StoreError> {
    let mut changes = Vec::new();
    let mut places: Vec<Range<usize>> = Vec::new();
    let mut bodies = Vec::new();
    let mut last = true;
    let upto = reader.changes_with_tombstones(&settings.filter(since), |record| {
        let begin = bodies.len();
        changes.push(push_change(&record, settings, &mut bodies));
        places.push(begin..bodies.len());
        let is_full = bodies.len() as u64 >= settings.batch_bytes;
        if is_full || changes.len() >= settings.batch_documents {
            last = false;
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    // All changes share one buffer.
    let bodies = Bytes::from(bodies);
    for (change, place) in changes.iter_mut().zip(places) {
        change.body = bodies.slice(place);
    }
    Ok(Batch {
        records: changes.len() as u64,
        changes: last_of_each_document(reader, settings, changes)?,
        upto,
        last,
    })
}

/// Keeps one change for each document: the last one. Where a record is deleted in one source and
/// lives in another one, the document of the living record replaces the deletion.
pub(crate) fn last_of_each_document(
    reader: &Reader,
    settings: &OutputSettings,
    changes: Vec<Change>,
) -> Result<Vec<Change>, StoreError> {
    let mut place: HashMap<String, usize> = HashMap::with_capacity(changes.len());
    let mut kept: Vec<Option<Change>> = Vec::with_capacity(changes.len());
    for mut change in changes {
        if change.command == Command::Delete {
            let filter = settings.filter(None);
            let living =
                reader.find_in_other_source(&change.identifier, &change.source, &filter)?;
            if let Some(living) = living {
                let order = change.order.max(living.version);
                change = Change {
                    order,
                    ..self::change(&living, settings)
                };
            }
        }
        if let Some(earlier) = place.insert(change.id.clone(), kept.len()) {
            kept[earlier] = None;
        }
        kept.push(Some(change));
    }
    Ok(kept.into_iter().flatten().collect())
}

/// The change that brings the document of a record up to date.
pub(crate) fn change(record: &StoredRecord, settings: &OutputSettings) -> Change {
    let mut body = Vec::new();
    let mut change = push_change(record, settings, &mut body);
    change.body = Bytes::from(body);
    change
}

/// The deletion of a document that belongs to no record up to the version `order`.
pub(crate) fn deletion(id: &str, order: Version, settings: &OutputSettings) -> Change {
    let mut body = Vec::new();
    settings.documents().push_delete(id, &mut body);
    Change {
        id: id.to_owned(),
        source: String::new(),
        identifier: String::new(),
        version: Version::default(),
        order,
        is_repair: false,
        command: Command::Delete,
        body: Bytes::from(body),
        fault: None,
    }
}

/// Appends a record's command to `bodies`. The change comes without its body.
fn push_change(record: &StoredRecord, settings: &OutputSettings, bodies: &mut Vec<u8>) -> Change {
    let documents = settings.documents();
    let id = documents.document_id(&record.source, &record.identifier);
    let begin = bodies.len();
    let added = match record.deletion {
        Some(_) => None,
        None => Some(documents.push_add(record, &settings.enrich, bodies)),
    };
    let (command, fault) = match added {
        Some(Ok(())) => (Command::Add, None),
        Some(Err(fault)) => (Command::Delete, Some(fault)),
        None => (Command::Delete, None),
    };
    if command == Command::Delete {
        bodies.truncate(begin);
        documents.push_delete(&id, bodies);
    }
    Change {
        id,
        source: record.source.clone(),
        identifier: record.identifier.clone(),
        version: record.version,
        order: record.version,
        is_repair: false,
        command,
        body: Bytes::new(),
        fault,
    }
}
