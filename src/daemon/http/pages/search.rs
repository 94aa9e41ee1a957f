//! The page of a search: the records that it found.

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;
use utoipa::IntoParams;

use super::components::record_address;
use super::failure::{PageFailure, PageResult};
use super::frame::{Page, redirect, respond};
use super::status::searchable;
use super::words;
use crate::daemon::http::api::search::{Found, FoundBy, find_first};
use crate::daemon::http::{Ctx, arguments};

/// The query of the page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::daemon::http) struct SearchPageQuery {
    /// The text to find, as for `/api/v1/search`.
    #[serde(default)]
    q: String,
}

/// Show the records that a search finds
#[utoipa::path(
    get,
    path = "/search",
    tag = "Pages",
    params(SearchPageQuery),
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html"),
        (status = 303, description = "One record has this identifier or DOI; the browser goes to its page."),
        PageFailure,
    )
)]
pub(in crate::daemon::http) async fn search_page(
    State(context): State<Ctx>,
    RawQuery(query): RawQuery,
) -> PageResult {
    let query: SearchPageQuery = arguments::read(&query.unwrap_or_default())?;
    let found = find_first(&context, &query.q).await?;
    if let [only] = found.records.as_slice()
        && only.found_by != FoundBy::Title
        && let Some(response) = redirect(&record_address(&only.source, &only.identifier))
    {
        return Ok(response);
    }
    Ok(respond(StatusCode::OK, page(&found)))
}

fn page(found: &Found) -> Markup {
    let count = words::counted(found.records.len() as u64, "record", "records");
    let content = html! {
        h1 {
            @if found.records.is_empty() { "Nothing found" }
            @else if found.more { "More than " (count) }
            @else { (count) }
        }
        @for record in &found.records {
            section class="card" {
                h2 {
                    a href=(record_address(&record.source, &record.identifier)) {
                        (record.title.as_deref().unwrap_or(&record.identifier))
                    }
                }
                p {
                    (record.identifier) " · " (record.source) " · " (record.datestamp)
                    @if let Some(doi) = &record.doi { " · " (doi) }
                    @if record.deleted { " · " span class="bad" { "deleted" } }
                }
            }
        }
        @if found.more { p { "These are the newest ones. Add words to find fewer." } }
        p class="hint" { (searchable(&found.search)) }
    };
    let page = Page {
        searched: &found.query,
        ..Page::new("Search")
    };
    page.with(&content)
}
