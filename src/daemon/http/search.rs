//! Searching: by identifier, DOI, or words of a title.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::arguments::Arguments;
use super::{Context, Ctx, Failure};
use crate::daemon::overview::SearchView;
use crate::output::vufind::DocumentOptions;
use crate::record::crosswalk;
use crate::store::{Deletion, FoundBy, Query, StoredRecord, Version};

/// Records in an answer, without and with a wish for more.
const USUAL: u64 = 50;
const MOST: u64 = 200;

/// Longer texts are no title.
const LONGEST: usize = 2_000;

/// What was found, as the API says it and the page shows it.
#[derive(Debug, Serialize)]
pub(super) struct Results {
    /// What was looked for.
    pub(super) query: String,
    /// What was found, what fits best first.
    pub(super) records: Vec<Hit>,
    /// Whether there is more.
    pub(super) more: bool,
    /// What can be found.
    pub(super) search: SearchView,
}

/// One record.
#[derive(Debug, Serialize)]
pub(super) struct Hit {
    pub(super) source: String,
    pub(super) identifier: String,
    pub(super) title: Option<String>,
    pub(super) doi: Option<String>,
    pub(super) deleted: bool,
    pub(super) datestamp: String,
    pub(super) version: Version,
    pub(super) found_by: FoundBy,
}

/// `GET /api/v1/search?q=&limit=`
pub(super) async fn search(
    State(context): State<Ctx>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let arguments = Arguments::read(query.as_deref(), &["q", "limit"], &[])?;
    let bad = |message: &str| Failure::new(StatusCode::BAD_REQUEST, message);
    let Some(text) = arguments.text("q") else {
        return Err(bad("the argument q is needed"));
    };
    let most = match arguments.number("limit")?.unwrap_or(USUAL) {
        0 => return Err(bad("limit must be at least 1")),
        most => most.min(MOST),
    };
    Ok(Json(results(&context, text, most).await?).into_response())
}

/// What the page shows.
pub(super) async fn first_results(context: &Context, text: &str) -> Result<Results, Failure> {
    results(context, text, USUAL).await
}

async fn results(context: &Context, text: &str, most: u64) -> Result<Results, Failure> {
    if text.len() > LONGEST {
        let message = format!("q is longer than {LONGEST} bytes");
        return Err(Failure::new(StatusCode::BAD_REQUEST, message));
    }
    let text = text.trim().to_owned();
    let config = context.shared.registry.config();
    let enabled = config.daemon.search;
    let query = Query {
        identifiers: identifiers(&config.documents, &text),
        text: text.clone(),
        most: usize::try_from(most).unwrap_or(usize::MAX),
    };
    let found = context
        .read(move |reader| reader.search(&query, enabled))
        .await?;
    Ok(Results {
        query: text,
        records: found.records.into_iter().map(hit).collect(),
        more: found.more,
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

fn hit((found_by, record): (FoundBy, StoredRecord)) -> Hit {
    let metadata = record.metadata.as_deref();
    let article = metadata.and_then(|text| crosswalk::article(&record.metadata_prefix, text).ok());
    let (title, doi) = article.map_or((None, None), |article| (article.title, article.doi));
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
        version: record.version,
        found_by,
    }
}
