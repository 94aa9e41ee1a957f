//! Records by identifier, and the bytes of items in quarantine.

use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, Schema};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::types::Version;
use crate::daemon::http::failure::ErrorBody;
use crate::daemon::http::listener::Client;
use crate::daemon::http::places::{LargePlace, Pieces};
use crate::daemon::http::render::{self, Body, FormatName, renderer};
use crate::daemon::http::{Ctx, Failure, arguments, lookup};
use crate::output::Format;
use crate::output::vufind::DocumentOptions;
use crate::store::{Reader, StoredRecord};

/// Which records to get, and how.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::daemon::http) struct RecordsQuery {
    /// The OAI identifier, or the id in the catalogue.
    identifier: String,
    /// Only the record of this source.
    #[param(value_type = String, required = false)]
    source: Option<String>,
    /// The records in this format of the exports; JSON without it.
    #[param(inline, value_type = FormatName, required = false)]
    format: Option<FormatName>,
}

/// The records with one identifier.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes what `write_json` writes")]
pub(in crate::daemon::http) struct Records {
    records: Vec<Record>,
}

/// What a response in `application/json` is: records, or an update message for Solr.
pub(in crate::daemon::http) enum RecordsOrUpdate {}

impl PartialSchema for RecordsOrUpdate {
    fn schema() -> RefOr<Schema> {
        let update = ObjectBuilder::new().description(Some(
            "With `format=vufind-json`: an update message for Solr.",
        ));
        AnyOfBuilder::new()
            .item(Ref::from_schema_name(Records::name()))
            .item(update)
            .into()
    }
}

impl ToSchema for RecordsOrUpdate {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Records::name().into(), Records::schema()));
        Records::schemas(schemas);
    }
}

/// A record, as a line of `harvestd export --format jsonl`.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes a line of the export")]
pub(in crate::daemon::http) struct Record {
    source: String,
    identifier: String,
    /// The datestamp of the repository, as received.
    datestamp: String,
    deleted: bool,
    #[schema(value_type = Version)]
    version: u64,
    metadata_prefix: String,
    set_specs: Vec<String>,
    /// The version of the schema of `article` and `resource`.
    schema_version: u32,
    /// What the metadata says, as one flat object; null for a deleted record.
    article: Option<Map<String, Value>>,
    /// What the metadata says; null for a deleted record.
    resource: Option<Map<String, Value>>,
    /// Why the metadata cannot be read.
    #[schema(required = false, nullable = false)]
    error: Option<String>,
}

/// Get the records with an identifier
///
/// Each source that has the identifier gives one record. Without `format` an unknown identifier
/// gives an empty list.
#[utoipa::path(
    get,
    path = "/api/v1/records",
    tag = "Records",
    params(RecordsQuery),
    responses(
        (status = 200, description = "The records.", content(
            (RecordsOrUpdate = "application/json"),
            (String = "application/x-ndjson"),
            (String = "application/xml"),
            (String = "application/marcxml+xml"),
            (String = "text/csv"),
            (String = "application/x-research-info-systems"),
            (String = "application/x-bibtex"),
            (serde_json::Value = "application/vnd.citationstyles.csl+json"),
        )),
        (status = 400, description = "The arguments are wrong.", body = ErrorBody),
        (status = 404, description = "No record has this identifier.", body = ErrorBody),
        (status = 422, description = "A record cannot be written in this format.", body = ErrorBody),
        (
            status = 503,
            description = "The store cannot be read now, or too many large answers are under way.",
            body = ErrorBody
        ),
    )
)]
pub(in crate::daemon::http) async fn get_records(
    State(context): State<Ctx>,
    Extension(client): Extension<Client>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let query: RecordsQuery = arguments::read(&query.unwrap_or_default())?;
    let format = query.format.map(|FormatName(format)| format);
    let config = context.shared.registry.config();
    let path = context.shared.store.clone();
    let place = context.places.records(&client).await?;
    let body = place.stream(move |place, pieces| {
        let documents = &config.documents;
        let wanted = lookup::records(documents, &query.identifier, query.source.as_deref());
        let found = wanted(&Reader::open(&path)?)?;
        match format {
            None => write_json(found, documents, place, pieces),
            Some(format) => write_in(format, found, documents, place, pieces),
        }
    });
    let kind = match format {
        None => HeaderValue::from_static("application/json"),
        Some(format) => render::media_type(format),
    };
    Ok(([(header::CONTENT_TYPE, kind)], body.await?).into_response())
}

/// Writes [`Records`], of which every line of JSONL is one.
fn write_json(
    found: Vec<StoredRecord>,
    documents: &DocumentOptions,
    place: &LargePlace,
    pieces: &mut Pieces,
) -> Result<(), Failure> {
    let mut before = b"{\"records\":[".as_slice();
    for record in found {
        place.weigh(&record)?;
        let mut body = Body::new(renderer(documents, Format::Jsonl));
        // The record itself says what is wrong.
        let _ = body.push(&record);
        let mut line = body.end();
        line.pop_if(|last| *last == b'\n');
        line.splice(..0, before.iter().copied());
        before = b",";
        pieces.write(line)?;
    }
    let end: &[u8] = if before == b"," {
        b"]}"
    } else {
        b"{\"records\":[]}"
    };
    pieces.write(end.to_vec())
}

fn write_in(
    format: Format,
    found: Vec<StoredRecord>,
    documents: &DocumentOptions,
    place: &LargePlace,
    pieces: &mut Pieces,
) -> Result<(), Failure> {
    if found.is_empty() {
        let message = "the store has no record with this identifier";
        return Err(Failure::not_found(message));
    }
    let mut body = Body::new(renderer(documents, format));
    for record in found {
        place.weigh(&record)?;
        body.push(&record).map_err(|why| {
            let message = format!("record {} in this format: {why}", record.identifier);
            Failure::new(StatusCode::UNPROCESSABLE_ENTITY, message)
        })?;
        pieces.write(body.take())?;
    }
    pieces.write(body.end())
}

/// Get the bytes of an item in quarantine, as the repository sent them
#[utoipa::path(
    get,
    path = "/api/v1/quarantine/{number}/raw",
    tag = "Records",
    params((
        "number" = u64,
        Path,
        minimum = 1,
        description = "The number of the item, from the quarantine of its source."
    )),
    responses(
        (status = 200, description = "The bytes.", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 404, description = "No item of this number is in quarantine.", body = ErrorBody),
        (status = 503, description = "The store cannot be read now.", body = ErrorBody),
    )
)]
pub(in crate::daemon::http) async fn get_quarantined_bytes(
    State(context): State<Ctx>,
    Extension(client): Extension<Client>,
    Path(number): Path<String>,
) -> Result<Response, Failure> {
    let place = context.places.records(&client).await?;
    let (item, raw) = lookup::quarantined_item(&context, &number).await?;
    // A browser must not take what a repository sent for a page of the daemon.
    let file = format!("attachment; filename=\"item-{}\"", item.number);
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, file),
    ];
    Ok((headers, place.body(raw)).into_response())
}
