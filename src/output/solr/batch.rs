//! Changes as commands to the index, in portions of one request each.

use std::collections::HashMap;
use std::ops::{ControlFlow, Range};

use bytes::Bytes;

use super::settings::SolrSettings;
use crate::output::catalogue;
use crate::output::vufind::{Command, Document, Encoding, Frame};
use crate::store::{Reader, StoreError, StoredRecord, Version};

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
    pub(crate) json: Bytes,
    /// Why a live record has no document. Then what the index may have of it is deleted.
    pub(crate) fault: Option<String>,
}

/// The changes of one request.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// At most one change for each document, in the order of versions.
    pub(crate) changes: Vec<Change>,
    /// Their update message, if it has been made already.
    pub(crate) message: Option<Bytes>,
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
    let mut changes = Vec::new();
    let mut places: Vec<Range<usize>> = Vec::new();
    let mut message = Vec::new();
    let mut frame = Frame::new(Encoding::Json);
    let mut last = true;
    let upto = reader.changes_with_tombstones(&settings.filter(since), |record| {
        let (change, place) = push_change(&record, settings, &mut frame, &mut message);
        changes.push(change);
        places.push(place);
        let is_full = message.len() as u64 >= settings.batch_bytes;
        if is_full || changes.len() >= settings.batch_documents {
            last = false;
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    message.extend_from_slice(frame.end().as_bytes());
    // One buffer for all: a batch is in memory once, however often parts of it are sent.
    let message = Bytes::from(message);
    for (change, place) in changes.iter_mut().zip(places) {
        change.json = message.slice(place);
    }
    let records = changes.len() as u64;
    let (changes, is_as_read) = settle(reader, settings, changes)?;
    Ok(Batch {
        changes,
        message: is_as_read.then_some(message),
        records,
        upto,
        last,
    })
}

/// Leaves one change for each document: the last one, and of two sources that have the same record
/// the one where it lives. The second value says whether nothing had to be done for that.
///
/// # Errors
/// As any read.
pub(crate) fn settle(
    reader: &Reader,
    settings: &SolrSettings,
    changes: Vec<Change>,
) -> Result<(Vec<Change>, bool), StoreError> {
    let mut is_as_read = true;
    let mut place: HashMap<String, usize> = HashMap::with_capacity(changes.len());
    let mut kept: Vec<Option<Change>> = Vec::with_capacity(changes.len());
    for mut change in changes {
        if change.command == Command::Delete {
            let filter = settings.filter(None);
            let living =
                reader.find_in_other_source(&change.identifier, &change.source, &filter)?;
            if let Some(living) = living {
                change = self::change(&living, settings);
                is_as_read = false;
            }
        }
        if let Some(earlier) = place.insert(change.id.clone(), kept.len()) {
            kept[earlier] = None;
            is_as_read = false;
        }
        kept.push(Some(change));
    }
    Ok((kept.into_iter().flatten().collect(), is_as_read))
}

/// What a record in this state means for the index.
pub(crate) fn change(record: &StoredRecord, settings: &SolrSettings) -> Change {
    let mut message = Vec::new();
    let mut frame = Frame::new(Encoding::Json);
    let (mut change, place) = push_change(record, settings, &mut frame, &mut message);
    change.json = Bytes::from(message).slice(place);
    change
}

/// The deletion of a document that no record stands for.
pub(crate) fn deletion(id: &str) -> Change {
    let mut json = Vec::new();
    Encoding::Json.push_delete(id, &mut json);
    Change {
        id: id.to_owned(),
        source: String::new(),
        identifier: String::new(),
        version: Version::default(),
        command: Command::Delete,
        json: Bytes::from(json),
        fault: None,
    }
}

/// Appends a record's command to a message. The change is without its JSON, whose place is given.
fn push_change(
    record: &StoredRecord,
    settings: &SolrSettings,
    frame: &mut Frame,
    message: &mut Vec<u8>,
) -> (Change, Range<usize>) {
    let id = settings
        .documents
        .document_id(&record.source, &record.identifier);
    let made = match record.deletion {
        Some(_) => None,
        None => Some(document(record, settings)),
    };
    let (document, fault) = match made {
        Some(Ok(document)) => (Some(document), None),
        Some(Err(fault)) => (None, Some(fault)),
        None => (None, None),
    };
    let command = match document {
        Some(_) => Command::Add,
        None => Command::Delete,
    };
    message.extend_from_slice(frame.before(command).as_bytes());
    let begin = message.len();
    match document {
        Some(document) => Encoding::Json.push_add(&document, message),
        None => Encoding::Json.push_delete(&id, message),
    }
    let change = Change {
        id,
        source: record.source.clone(),
        identifier: record.identifier.clone(),
        version: record.version,
        command,
        json: Bytes::new(),
        fault,
    };
    (change, begin..message.len())
}

/// The document of a live record.
///
/// # Errors
/// Why there is none.
pub(crate) fn document(record: &StoredRecord, settings: &SolrSettings) -> Result<Document, String> {
    let mut document = catalogue::document(record, &settings.documents, &settings.enrich)?;
    if let Some(field) = &settings.version_field {
        document.push(field.clone(), record.version.to_string());
    }
    Ok(document)
}

/// The update message of some changes.
pub(crate) fn message(changes: &[Change]) -> Bytes {
    let mut frame = Frame::new(Encoding::Json);
    let mut message = Vec::new();
    for change in changes {
        message.extend_from_slice(frame.before(change.command).as_bytes());
        message.extend_from_slice(&change.json);
    }
    message.extend_from_slice(frame.end().as_bytes());
    Bytes::from(message)
}
