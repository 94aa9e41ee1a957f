//! How a change becomes a row of the table.

use serde::Serialize;

use crate::output::jsonl::SCHEMA_VERSION;
use crate::output::render;
use crate::output::target::TableRow;
use crate::record::Resource;
use crate::store::Deletion;

/// A row as it is serialised. Its fields are the columns of the table.
#[derive(Serialize)]
pub(super) struct Row<'a> {
    store_id: &'a str,
    source: &'a str,
    identifier: &'a str,
    version: i64,
    /// In microseconds since 1970.
    written_at: i64,
    datestamp: &'a str,
    deleted: bool,
    created_version: i64,
    deletion: Option<Deletion>,
    metadata_prefix: &'a str,
    set_specs: &'a [String],
    schema_version: u32,
    cluster_id: Option<&'a str>,
    is_canonical: Option<bool>,
    match_keys: &'a [String],
    metadata: Option<&'a str>,
    extra: Option<&'a str>,
    error: Option<String>,
    source_state: Option<SourceColumns<'a>>,
    resource: Option<ResourceColumns>,
}

#[derive(Serialize)]
struct SourceColumns<'a> {
    output: &'a str,
    watermark: Option<&'a str>,
    complete_at: i64,
    state: &'a str,
}

/// The resource as in a line of the JSONL export, except that `further`, which has no fixed fields, is
/// JSON in a text.
#[derive(Serialize)]
struct ResourceColumns {
    #[serde(flatten)]
    resource: Resource,
    #[serde(skip_serializing_if = "Option::is_none")]
    further: Option<String>,
}

/// The row of a change, written at a time in milliseconds since 1970 by the store `store_id`.
pub(super) fn row<'a>(change: &'a TableRow, store_id: &'a str, at_ms: i64) -> Row<'a> {
    let record = &change.record;
    let is_live = record.deletion.is_none();
    let (resource, error) = match record.metadata {
        Some(_) if is_live => match render::resource(record, &[]) {
            Ok(resource) => (Some(columns(resource)), None),
            Err(error) => (None, Some(error)),
        },
        _ => (None, None),
    };
    Row {
        store_id,
        source: &record.source,
        identifier: &record.identifier,
        version: record.version.0,
        written_at: at_ms * 1000,
        datestamp: &record.datestamp,
        deleted: !is_live,
        created_version: record.created_version.0,
        deletion: record.deletion,
        metadata_prefix: &record.metadata_prefix,
        set_specs: &record.set_specs,
        schema_version: SCHEMA_VERSION,
        cluster_id: change.cluster_id.as_deref(),
        is_canonical: change.cluster_id.as_ref().map(|_| change.is_canonical),
        match_keys: &change.match_keys,
        metadata: record.metadata.as_deref(),
        extra: record.extra.as_deref(),
        error,
        source_state: change.source_state.as_deref().map(|state| SourceColumns {
            output: &state.output,
            watermark: state.watermark.as_deref(),
            complete_at: state.complete_at.0,
            state: &state.state,
        }),
        resource,
    }
}

fn columns(mut resource: Resource) -> ResourceColumns {
    let further = std::mem::take(&mut resource.further);
    let is_empty = further.is_empty();
    ResourceColumns {
        resource,
        further: (!is_empty).then(|| serde_json::Value::Object(further).to_string()),
    }
}
