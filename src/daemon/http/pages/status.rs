//! The status page: everything at a glance.

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

use super::source::{last_message, problems, summary};
use super::{Frame, address, ago, frame, or_failed, respond};
use crate::daemon::http::arguments::Arguments;
use crate::daemon::http::{Ctx, Failure, chart, words};
use crate::daemon::overview::{ExportView, OutputView, Overview, SearchView};
use crate::store::IndexState;

/// Days in the charts of this page.
const DAYS: i64 = 30;

/// How often the page may ask for itself again, in seconds.
const REFRESH: std::ops::RangeInclusive<u64> = 10..=86_400;

/// `GET /`
pub(in crate::daemon::http) async fn status(
    State(context): State<Ctx>,
    RawQuery(query): RawQuery,
) -> Response {
    let answer = async {
        let arguments = Arguments::read(query.as_deref(), &["refresh"], &[])?;
        let refresh = arguments.number("refresh")?;
        if let Some(seconds) = refresh.filter(|seconds| !REFRESH.contains(seconds)) {
            let message = format!("refresh={seconds} is not from 10 to 86400 seconds");
            return Err(Failure::new(StatusCode::BAD_REQUEST, message));
        }
        let page = page(&context.overview().await?, refresh);
        Ok(respond(StatusCode::OK, page))
    };
    or_failed(answer.await)
}

fn page(overview: &Overview, refresh: Option<u64>) -> Markup {
    let now_ms = overview.now_ms;
    let around = Frame {
        refresh,
        ..Frame::default()
    };
    let content = html! {
        h1 { (words::counted(overview.sources.len() as u64, "source", "sources")) }
        p class="hint" {
            "harvestd " (overview.version) ", running for "
            (words::span((now_ms - overview.started_ms) / 1000)) "; store "
            (words::number(overview.store_bytes >> 20)) " MiB; " (words::instant(now_ms)) ". "
            @match refresh {
                None => { a href="/?refresh=60" { "Keep this page up to date" } }
                Some(seconds) => { "Renewed every " (words::span(seconds.cast_signed())) "; "
                    a href="/" { "stop" } }
            }
        }
        (troubles(overview))
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
    frame("Status", &around, &content)
}

fn troubles(overview: &Overview) -> Markup {
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
            p class="bad" { "No job can be started: " (trouble) }
        }
        @if let Some((at_ms, why)) = refused {
            p class="bad" {
                "The configuration of " (words::instant(at_ms)) " was refused, the old one is in force: "
                (why)
            }
        }
        @for host in waiting {
            p class="bad" { "Host " (host.host) " is left alone until "
                (words::instant(host.not_before_at)) ": " (host.reason) }
        }
    }
}

/// What is most worth knowing of an output.
pub(super) fn output_summary(view: &OutputView, now_ms: i64) -> Markup {
    let output = &view.known;
    html! {
        p {
            (words::job(&view.job, now_ms)) ". "
            @if view.behind == 0 { "It has everything." }
            @else {
                (words::number(view.behind)) " changes behind, the oldest for "
                (words::span(view.behind_seconds)) "."
            }
        }
        dl {
            dt { "Last confirmed" }
            dd { @match output.confirmed_at { Some(at) => (ago(at, now_ms)), None => "nothing yet" } }
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

/// What is most worth knowing of a scheduled file.
pub(super) fn export_summary(view: &ExportView, now_ms: i64) -> Markup {
    let export = &view.known;
    html! {
        p { (words::job(&view.job, now_ms)) "." }
        dl {
            @if let Some(at) = export.done_at { dt { "Complete" } dd { (ago(at, now_ms)) } }
            @if let Some(file) = &export.file { dt { "Newest file" } dd { (file) } }
        }
        (last_message(&view.job))
    }
}

/// What can be searched now, in words.
pub(super) fn searchable(search: &SearchView) -> Markup {
    html! {
        @match (search.enabled, search.index) {
            (false, _) => {
                "Only whole identifiers and ids of the catalogue can be searched, since "
                code { "search" } " is off in the configuration."
            }
            (true, None) => {
                "The search index has not been begun yet; until then, only whole identifiers and ids "
                "of the catalogue are found."
            }
            (true, Some(IndexState { behind: 0, .. })) => {
                "Identifiers, their ends, DOIs and words of titles are found."
            }
            (true, Some(IndexState { behind, .. })) => {
                "Identifiers, their ends, DOIs and words of titles are found; but the search index does "
                "not have the newest "
                @if behind >= IndexState::MOST_BEHIND { "million or more" } @else { (words::number(behind)) }
                " changes yet."
            }
        }
    }
}
