//! The page of a search: the records that it found, with facets.

use std::collections::BTreeMap;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::components::{address, badge, record_address, with_arguments};
use super::failure::{PageFailure, PageResult};
use super::frame::{Nav, Page, redirect, respond, search_form};
use super::prose::marked;
use super::verdict::Tone;
use super::visitor::Visitor;
use super::words;
use crate::daemon::http::api::search::{Found, FoundBy, Hit, find_and_count};
use crate::daemon::http::{Ctx, arguments};
use crate::daemon::overview::SearchView;
use crate::store::{IndexState, MatchCounts};

/// Records that the page shows of those that were found.
const ROWS: usize = 50;

/// Sources among the facets.
const SOURCES: usize = 30;

/// The state of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::daemon::http) enum RecordStateFilter {
    Live,
    Deleted,
}

impl RecordStateFilter {
    fn of(deleted: bool) -> Self {
        match deleted {
            true => Self::Deleted,
            false => Self::Live,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Deleted => "deleted",
        }
    }
}

/// The query of the page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::daemon::http) struct SearchPageQuery {
    /// The text to find, as for `/api/v1/search`.
    #[serde(default)]
    #[param(required = false)]
    q: String,
    /// Only records of this source.
    #[param(value_type = String, required = false)]
    source: Option<String>,
    /// Only records in this state.
    #[param(inline, required = false)]
    state: Option<RecordStateFilter>,
}

impl SearchPageQuery {
    /// How many records match and are of this source and in this state.
    fn count(&self, counts: &MatchCounts) -> u64 {
        let groups = counts.groups.iter();
        let fits = |source: &str, deleted: bool| {
            self.source.as_deref().is_none_or(|wanted| wanted == source) && { self.state }
                .is_none_or(|state| state == RecordStateFilter::of(deleted))
        };
        groups
            .filter(|((source, deleted), _)| fits(source, *deleted))
            .map(|(_, count)| *count)
            .sum()
    }

    fn address(&self, source: Option<&str>, state: Option<RecordStateFilter>) -> String {
        let state = state.map_or("", RecordStateFilter::word);
        let arguments = [
            ("q", self.q.as_str()),
            ("source", source.unwrap_or_default()),
            ("state", state),
        ];
        with_arguments("/search", &arguments)
    }
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
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> PageResult {
    let query: SearchPageQuery = arguments::read(&query.unwrap_or_default())?;
    let visitor = Visitor::of(&context, &headers);
    let deleted = query.state.map(|state| state == RecordStateFilter::Deleted);
    let found = find_and_count(&context, &query.q, query.source.clone(), deleted).await?;
    let is_filtered = query.source.is_some() || query.state.is_some();
    if let [only] = found.records.as_slice()
        && only.found_by != FoundBy::Title
        && !is_filtered
        && let Some(response) = redirect(&record_address(&only.source, &only.identifier))
    {
        return Ok(response);
    }
    Ok(respond(StatusCode::OK, page(&found, &query, &visitor)))
}

fn page(found: &Found, query: &SearchPageQuery, visitor: &Visitor) -> Markup {
    let shown = found.records.len();
    // The counts are of the index, which can lag.
    let counted = match found.more {
        true => query.count(&found.counts).max(shown as u64),
        false => shown as u64,
    };
    let count = words::counted(counted, "record", "records");
    let content = html! {
        h1 {
            @if found.query.is_empty() { "Search" }
            @else if shown == 0 { "Nothing found" }
            @else if found.counts.more { "More than " (count) }
            @else { (count) }
        }
        (search_form(&found.query))
        @if !found.counts.groups.is_empty() { (facets(&found.counts, query)) }
        @for hit in found.records.iter().take(ROWS) { (result(hit, &found.query)) }
        @if shown > ROWS { p { "These are the first " (ROWS) ". Choose a source or add words to find fewer." } }
        @if found.counts.more {
            p class="hint" {
                "The numbers are those of the newest " (words::number(MatchCounts::MOST as u64)) " that match."
            }
        }
        p class="hint" { (searchable(&found.search)) }
    };
    let title = match found.query.as_str() {
        "" => "Search".to_owned(),
        query => format!("Search: {query}"),
    };
    let page = Page {
        has_search: true,
        ..Page::of(&title, Nav::Search, visitor)
    };
    page.with(&content)
}

/// How many of the matching records each source and each state has.
fn facets(counts: &MatchCounts, query: &SearchPageQuery) -> Markup {
    let mut sources: BTreeMap<&str, u64> = BTreeMap::new();
    let mut states: BTreeMap<RecordStateFilter, u64> = BTreeMap::new();
    for ((source, deleted), count) in &counts.groups {
        *sources.entry(source).or_default() += count;
        *states.entry(RecordStateFilter::of(*deleted)).or_default() += count;
    }
    let mut sources: Vec<(&str, u64)> = sources.into_iter().collect();
    sources.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let current = |is: bool| is.then_some("true");
    html! {
        @if sources.len() > 1 || query.source.is_some() {
            ul class="chips" aria-label="Sources" {
                li {
                    a href=(query.address(None, query.state)) aria-current=[current(query.source.is_none())] {
                        "All sources"
                    }
                }
                @for (source, count) in sources.iter().take(SOURCES) {
                    li {
                        a href=(query.address(Some(source), query.state))
                            aria-current=[current(query.source.as_deref() == Some(source))] {
                            (source) " " (words::number(*count))
                        }
                    }
                }
            }
        }
        @if states.len() > 1 || query.state.is_some() {
            ul class="chips" aria-label="States" {
                li {
                    a href=(query.address(query.source.as_deref(), None))
                        aria-current=[current(query.state.is_none())] { "Live and deleted" }
                }
                @for (state, count) in &states {
                    li {
                        a href=(query.address(query.source.as_deref(), Some(*state)))
                            aria-current=[current(query.state == Some(*state))] {
                            (state.word()) " " (words::number(*count))
                        }
                    }
                }
            }
        }
    }
}

fn result(hit: &Hit, searched: &str) -> Markup {
    html! {
        section class="card" {
            h2 {
                a href=(record_address(&hit.source, &hit.identifier)) {
                    @match &hit.title {
                        Some(title) => {
                            @for (is_marked, piece) in marked(title, searched) {
                                @if is_marked { mark { (piece) } } @else { (piece) }
                            }
                        }
                        None => (hit.identifier),
                    }
                }
                @if hit.deleted { " " (badge(Tone::Idle, "deleted")) }
            }
            p class="hint" {
                (hit.identifier) " · " a href=(address("source", &hit.source)) { (hit.source) }
                " · " (hit.datestamp)
                @if let Some(doi) = &hit.doi { " · " (doi) }
            }
        }
    }
}

/// What the search can find now, in words.
fn searchable(search: &SearchView) -> Markup {
    html! {
        @match (search.enabled, search.index) {
            (false, _) => {
                "Search by whole identifier or id in the catalogue. For DOIs and titles, turn on "
                code { "search" } " in the configuration."
            }
            (true, None) => {
                "Search by whole identifier or id in the catalogue. The index for DOIs and titles does "
                "not exist yet."
            }
            (true, Some(IndexState { behind: 0, .. })) => {
                "Search by identifier, DOI or title words."
            }
            (true, Some(IndexState { behind, .. })) => {
                "Search by identifier, DOI or title words. The index lacks the newest "
                (words::number(behind))
                @if behind >= IndexState::MOST_BEHIND { " or more" }
                " changes."
            }
        }
    }
}
