//! A stored record as a line of the JSONL export.

use crate::output::Item;
use crate::output::jsonl::{Content, push_line};
use crate::record::crosswalk;
use crate::store::StoredRecord;

/// Appends the line of `record`, with its line feed.
pub(super) fn push(record: &StoredRecord, out: &mut Vec<u8>) {
    let item = Item {
        source: &record.source,
        identifier: &record.identifier,
        datestamp: &record.datestamp,
        deleted: record.deletion.is_some(),
        version: record.version.0.unsigned_abs(),
        metadata_prefix: &record.metadata_prefix,
        set_specs: &record.set_specs,
    };
    let metadata = record
        .metadata
        .as_deref()
        .filter(|_| record.deletion.is_none());
    match metadata.map(|metadata| crosswalk::article(&record.metadata_prefix, metadata)) {
        None => push_line(item, Content::None, out),
        Some(Ok(article)) => push_line(item, Content::Article(&article), out),
        Some(Err(error)) => push_line(item, Content::Unreadable(&error.to_string()), out),
    }
}
