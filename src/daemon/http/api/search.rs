//! Finding records by identifier, DOI or words of the title.

use axum::Json;
use axum::extract::{RawQuery, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::types::{Search, Version};
use crate::daemon::http::arguments::{self, Number};
use crate::daemon::http::failure::ErrorBody;
use crate::daemon::http::render::{MAX_FIELD_BYTES, shorten};
use crate::daemon::http::{Context, Ctx, Failure};
use crate::daemon::overview::SearchView;
use crate::output::vufind::DocumentOptions;
use crate::record::crosswalk;
use crate::store::{self, Deletion, MatchCounts, Query, StoredRecord};

/// Records in a response without and with `limit`.
const DEFAULT_LIMIT: u64 = 50;
const MAX_LIMIT: u64 = 200;

/// A longer text is no title.
const MAX_TEXT_BYTES: usize = 2_000;

/// What to find.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::daemon::http) struct SearchQuery {
    /// An identifier or its last part, the id in the catalogue, a DOI, or words of the title.
    ///
    /// A title must contain every word; four or more letters from the start of the last word
    /// suffice. At most 2,000 bytes.
    q: String,
    /// The most records to return: 50 by default, 200 at most.
    #[param(value_type = usize, required = false, minimum = 1, default = json!(50))]
    limit: Option<Number>,
}

/// What a search found.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::daemon::http) struct SearchResults {
    /// The text that was searched for.
    query: String,
    /// The records, best match first.
    records: Vec<Hit>,
    /// Whether there are more records than these.
    more: bool,
    /// What the search can find.
    search: Search,
}

/// What matched the search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::daemon::http) enum FoundBy {
    /// The whole identifier.
    Identifier,
    /// The DOI.
    Doi,
    /// The last part of the identifier.
    LastPart,
    /// The words of the title.
    Title,
}

/// A record that a search found.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::daemon::http) struct Hit {
    pub(in crate::daemon::http) source: String,
    pub(in crate::daemon::http) identifier: String,
    /// The title, or its first 1000 bytes and an ellipsis.
    pub(in crate::daemon::http) title: Option<String>,
    pub(in crate::daemon::http) doi: Option<String>,
    pub(in crate::daemon::http) deleted: bool,
    /// The datestamp of the repository, as received.
    pub(in crate::daemon::http) datestamp: String,
    version: Version,
    pub(in crate::daemon::http) found_by: FoundBy,
}

/// Find records by identifier, DOI or words of the title
#[utoipa::path(
    get,
    path = "/api/v1/search",
    tag = "Records",
    params(SearchQuery),
    responses(
        (status = 200, description = "The records.", body = SearchResults),
        (status = 400, description = "The arguments are wrong.", body = ErrorBody),
        (status = 503, description = "The store cannot be read now.", body = ErrorBody),
    )
)]
pub(in crate::daemon::http) async fn search(
    State(context): State<Ctx>,
    RawQuery(query): RawQuery,
) -> Result<Json<SearchResults>, Failure> {
    let query: SearchQuery = arguments::read(&query.unwrap_or_default())?;
    let limit = match query.limit {
        None => DEFAULT_LIMIT,
        Some(Number(0)) => return Err(Failure::bad_request("limit must be at least 1")),
        Some(Number(limit)) => limit.min(MAX_LIMIT),
    };
    let found = find(&context, query.q, limit, Query::default()).await?;
    Ok(Json(SearchResults {
        query: found.query,
        records: found.records,
        more: found.more,
        search: found.search.into(),
    }))
}

/// What a search found, for the API and the page.
pub(in crate::daemon::http) struct Found {
    pub(in crate::daemon::http) query: String,
    pub(in crate::daemon::http) records: Vec<Hit>,
    pub(in crate::daemon::http) more: bool,
    /// For the page alone.
    pub(in crate::daemon::http) counts: MatchCounts,
    pub(in crate::daemon::http) search: SearchView,
}

/// The records that match `text` and are of this source and in this state, as many as an answer can have, and how many
/// match by source and state.
pub(in crate::daemon::http) async fn find_and_count(
    context: &Context,
    text: &str,
    source: Option<String>,
    deleted: Option<bool>,
) -> Result<Found, Failure> {
    let query = Query {
        source,
        deleted,
        counts: true,
        ..Query::default()
    };
    find(context, text.to_owned(), MAX_LIMIT, query).await
}

async fn find(context: &Context, text: String, limit: u64, query: Query) -> Result<Found, Failure> {
    if text.len() > MAX_TEXT_BYTES {
        let message = format!("q is longer than {MAX_TEXT_BYTES} bytes");
        return Err(Failure::bad_request(message));
    }
    let text = text.trim().to_owned();
    let config = context.shared.registry.config();
    let enabled = config.daemon.search;
    let query = Query {
        identifiers: identifiers(&config.documents, &text),
        text: text.clone(),
        most: usize::try_from(limit).unwrap_or(usize::MAX),
        ..query
    };
    let found = context
        .read(move |reader| reader.search(&query, enabled, hit))
        .await?;
    Ok(Found {
        query: text,
        records: found.records,
        more: found.more,
        counts: found.counts.unwrap_or_default(),
        search: SearchView {
            enabled,
            index: found.index,
        },
    })
}

/// The OAI identifiers that the text is, or whose document id it is.
fn identifiers(documents: &DocumentOptions, text: &str) -> Vec<String> {
    let mut identifiers = documents.identifiers(text);
    identifiers.extend(DocumentOptions::default().identifiers(text));
    identifiers
}

fn hit(found_by: store::FoundBy, record: StoredRecord) -> Hit {
    let metadata = record.metadata.as_deref();
    let resource = metadata.and_then(|text| {
        crosswalk::resource_of(&record.metadata_prefix, text, record.header()).ok()
    });
    let resource = resource.unwrap_or_default();
    let title = resource
        .titles
        .first()
        .map(|title| title.full().into_owned());
    let doi = resource.doi().map(str::to_owned);
    let short = |text: String| shorten(&text, MAX_FIELD_BYTES).into_owned();
    let (title, doi) = (title.map(short), doi.map(short));
    Hit {
        source: record.source,
        identifier: record.identifier,
        title,
        doi,
        deleted: matches!(
            record.deletion,
            Some(Deletion::Declared | Deletion::Disappeared)
        ),
        datestamp: record.datestamp,
        version: record.version.into(),
        found_by: match found_by {
            store::FoundBy::Identifier => FoundBy::Identifier,
            store::FoundBy::Doi => FoundBy::Doi,
            store::FoundBy::LastPart => FoundBy::LastPart,
            store::FoundBy::Title => FoundBy::Title,
        },
    }
}
