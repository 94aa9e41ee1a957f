//! The catalogue document of a record of the store.

use super::enrich::{self, Part};
use super::render::second;
use super::vufind::{self, Document, DocumentOptions, Input, Tracking};
use crate::store::StoredRecord;

/// The document of a live record, or of the work that it represents. Parts in `enrich` that it does not
/// have come from the other records of the work.
///
/// # Errors
/// Why the record has no document.
pub(crate) fn document(
    record: &StoredRecord,
    options: &DocumentOptions,
    enrich: &[Part],
) -> Result<Document, String> {
    let metadata = record
        .metadata
        .as_deref()
        .ok_or_else(|| "the record has no metadata".to_owned())?;
    let options = options.for_source(&record.source);
    let (first, last) = (second(record.created_version), second(record.version));
    let input = Input {
        identifier: &record.identifier,
        datestamp: &record.datestamp,
        metadata_prefix: &record.metadata_prefix,
        metadata,
        tracking: options.track_changes.then_some(Tracking {
            first_indexed: &first,
            last_indexed: &last,
        }),
    };
    let gains = enrich::gains(record, enrich);
    vufind::enriched_document(input, gains.as_ref(), options).map_err(|error| error.to_string())
}
