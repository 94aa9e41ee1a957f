//! The status page: everything at a glance.

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;
use utoipa::IntoParams;

use super::components::{address, ago};
use super::failure::{PageResponses, PageResult};
use super::frame::{Page, respond};
use super::source::{last_message, problems, summary};
use super::{chart, words};
use crate::daemon::http::arguments::{self, Number};
use crate::daemon::http::{Ctx, Failure};
use crate::daemon::overview::{ExportView, OutputView, Overview, SearchView};
use crate::store::IndexState;

/// Days in the charts of this page.
const DAYS: i64 = 30;

/// Seconds after which the browser may reload the page.
const REFRESH: std::ops::RangeInclusive<u64> = 10..=86_400;

/// The query of the page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::daemon::http) struct StatusQuery {
    /// The browser reloads the page after so many seconds.
    #[param(value_type = usize, required = false, minimum = 10, maximum = 86_400)]
    refresh: Option<Number>,
}

/// Show the status page
#[utoipa::path(
    get,
    path = "/",
    tag = "Pages",
    params(StatusQuery),
    responses(PageResponses)
)]
pub(in crate::daemon::http) async fn status_page(
    State(context): State<Ctx>,
    RawQuery(query): RawQuery,
) -> PageResult {
    let query: StatusQuery = arguments::read(&query.unwrap_or_default())?;
    let refresh = query.refresh.map(|Number(seconds)| seconds);
    if let Some(seconds) = refresh.filter(|seconds| !REFRESH.contains(seconds)) {
        let message = format!("refresh={seconds} is outside of 10 to 86400 seconds");
        return Err(Failure::bad_request(message).into());
    }
    let page = page(&context.overview().await?, refresh);
    Ok(respond(StatusCode::OK, page))
}

fn page(overview: &Overview, refresh: Option<u64>) -> Markup {
    let now_ms = overview.now_ms;
    let content = html! {
        h1 { (words::counted(overview.sources.len() as u64, "source", "sources")) }
        p class="hint" {
            "harvestd " (overview.version) ", running for "
            (words::span((now_ms - overview.started_ms) / 1000)) "; store "
            (words::number(overview.store_bytes >> 20)) " MiB; " (words::instant(now_ms)) ". "
            @match refresh {
                None => { a href="/?refresh=60" { "Reload every minute" } }
                Some(seconds) => { "Reloaded every " (words::span(seconds.cast_signed())) "; "
                    a href="/" { "stop" } }
            }
        }
        (problems_of_daemon(overview))
        @for source in &overview.sources {
            section class="card" {
                h2 { a href=(address("source", &source.name)) { (source.name) } }
                (summary(source, now_ms))
                (problems(source))
                (chart::charts(&source.days, now_ms, DAYS))
            }
        }
        @if !overview.outputs.is_empty() {
            h2 { "Outputs" }
            @for output in &overview.outputs {
                section class="card" {
                    h3 { a href=(address("output", &output.known.name)) { (output.known.name) } }
                    (output_summary(output, now_ms))
                }
            }
        }
        @if !overview.exports.is_empty() {
            h2 { "Exports" }
            @for export in &overview.exports {
                section class="card" {
                    h3 { a href=(address("export", &export.known.name)) { (export.known.name) } }
                    (export_summary(export, now_ms))
                }
            }
        }
        h2 { "Search" }
        p { (searchable(&overview.search)) }
        p class="hint" {
            a href="/metrics" { "Metrics" } " · " a href="/api/v1/status" { "JSON" } " · "
            a href="/api/v1/openapi.json" { "API" }
        }
    };
    let page = Page {
        refresh,
        ..Page::new("Status")
    };
    page.with(&content)
}

fn problems_of_daemon(overview: &Overview) -> Markup {
    let now_ms = overview.now_ms;
    let refused = overview
        .reload
        .as_ref()
        .and_then(|reload| Some((reload.at_ms, reload.refused.as_ref()?)));
    let waiting = overview
        .hosts
        .iter()
        .filter(|host| host.left(now_ms).is_some());
    html! {
        @if let Some(trouble) = &overview.trouble {
            p class="bad" { "No job can start: " (trouble) }
        }
        @if let Some((at_ms, why)) = refused {
            p class="bad" {
                "The reload of the configuration at " (words::instant(at_ms))
                " failed, so the old one stays in use: " (why)
            }
        }
        @for host in waiting {
            p class="bad" {
                "No requests to " (host.host) " until " (words::instant(host.not_before_at)) ": "
                (host.reason)
            }
        }
    }
}

/// The state of an output in short.
pub(super) fn output_summary(view: &OutputView, now_ms: i64) -> Markup {
    let output = &view.known;
    html! {
        p {
            (words::job(&view.job, now_ms)) ". "
            @if view.behind == 0 { "It is up to date." }
            @else {
                "It lacks " (words::counted(view.behind, "change", "changes")) "; the oldest is "
                (words::span(view.behind_seconds)) " old."
            }
        }
        dl {
            dt { "Last confirmed" }
            dd { @match output.confirmed_at { Some(at) => (ago(at, now_ms)), None => "never" } }
            dt { "Sent" }
            dd { (words::number(output.added)) " documents, " (words::number(output.deleted)) " deletions" }
            @if view.rejected > 0 {
                dt { "Rejected" }
                dd { span class="bad" { (words::number(view.rejected)) " documents" } }
            }
        }
        (last_message(&view.job))
    }
}

/// The state of an export in short.
pub(super) fn export_summary(view: &ExportView, now_ms: i64) -> Markup {
    let export = &view.known;
    html! {
        p { (words::job(&view.job, now_ms)) "." }
        dl {
            @if let Some(at) = export.done_at { dt { "Last complete" } dd { (ago(at, now_ms)) } }
            @if let Some(file) = &export.file { dt { "Newest file" } dd { (file) } }
        }
        (last_message(&view.job))
    }
}

/// What the search can find now, in words.
pub(super) fn searchable(search: &SearchView) -> Markup {
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
                @if behind >= IndexState::MOST_BEHIND { "million or more" } @else { (words::number(behind)) }
                " changes."
            }
        }
    }
}
