//! The page of all outputs and exports, and their states in short.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use maud::{Markup, html};

use super::components::{address, cards, job_badge};
use super::failure::{PageResponses, PageResult};
use super::frame::{Nav, Page, respond};
use super::status::Deliveries;
use super::visitor::{Times, Visitor};
use super::words;
use super::{provider, strip};
use crate::daemon::http::Ctx;
use crate::daemon::overview::{ExportView, OutputView};
use crate::daemon::usage::Usage;
use crate::store::RunDay;

/// Show all outputs and exports
#[utoipa::path(get, path = "/outputs", tag = "Pages", responses(PageResponses))]
pub(in crate::daemon::http) async fn outputs_page(
    State(context): State<Ctx>,
    headers: HeaderMap,
) -> PageResult {
    let visitor = Visitor::of(&context, &headers);
    let registry = std::sync::Arc::clone(&context.shared.registry);
    let is_served = registry.config().daemon.oai.is_some();
    let usage = is_served.then(|| registry.usage().usage());
    let read = context.read(move |reader| Deliveries::read(reader, &registry));
    let page = page(&read.await?, usage.as_ref(), &visitor);
    Ok(respond(StatusCode::OK, page))
}

fn page(deliveries: &Deliveries, usage: Option<&Usage>, visitor: &Visitor) -> Markup {
    let times = visitor.times;
    let content = html! {
        h1 { "Outputs" }
        div id="live" {
            @if deliveries.outputs.is_empty() && deliveries.exports.is_empty() {
                p {
                    "Nothing leaves the store yet. Add an " code { "[[output]]" } " for Solr, OpenSearch or a Delta Lake table, or an "
                    code { "[[export]]" } " for files."
                }
            }
            @if !deliveries.outputs.is_empty() { (outputs(deliveries, times)) }
            @if !deliveries.exports.is_empty() { (exports(deliveries, times)) }
            @if let Some(usage) = usage { (provider::usage(usage, times)) }
        }
        h2 { "Change feed" }
        p { "Programs follow the changes at " a href="/api" { code { "/api/v1/changes" } } "." }
    };
    let page = Page {
        refresh: Some(30),
        ..Page::of("Outputs", Nav::Outputs, visitor)
    };
    page.with(&content)
}

fn runs<'a>(days: &'a std::collections::BTreeMap<String, Vec<RunDay>>, name: &str) -> &'a [RunDay] {
    days.get(name).map_or(&[], Vec::as_slice)
}

fn outputs(deliveries: &Deliveries, times: Times) -> Markup {
    let head = html! {
        th scope="col" { "Output" } th scope="col" { "State" } th scope="col" class="number" { "Behind" }
        th scope="col" class="number" { "Sent" } th scope="col" class="number" { "Rejected" }
        th scope="col" { "Last 30 days" } th scope="col" { "Confirmed" }
    };
    let rows = html! {
        @for view in &deliveries.outputs {
            @let known = &view.known;
            tr {
                td class="name" { a href=(address("output", &known.name)) { (known.name) } }
                td data-label="State" {
                    (job_badge(&view.job, view.behind > 0))
                    small { (words::job(&view.job, times)) }
                }
                td class="number" data-label="Behind" { (words::counted(view.behind, "change", "changes")) }
                td class="number" data-label="Sent" { (words::number(known.added)) }
                td class="number" data-label="Rejected" { (words::number(view.rejected)) }
                td data-label="30 days" { (strip::strip(runs(&deliveries.pushes, &known.name), times.now_ms)) }
                td data-label="Confirmed" {
                    @match known.confirmed_at {
                        Some(at) => { (times.ago(at)) }
                        None => { span class="soft" { "never" } }
                    }
                }
            }
        }
    };
    cards("Outputs", &head, &rows)
}

fn exports(deliveries: &Deliveries, times: Times) -> Markup {
    let head = html! {
        th scope="col" { "Export" } th scope="col" { "State" } th scope="col" { "Newest file" }
        th scope="col" { "Last 30 days" } th scope="col" { "Complete" }
    };
    let rows = html! {
        @for view in &deliveries.exports {
            @let known = &view.known;
            tr {
                td class="name" { a href=(address("export", &known.name)) { (known.name) } }
                td data-label="State" {
                    (job_badge(&view.job, false))
                    small { (words::job(&view.job, times)) }
                }
                td class="text" data-label="File" {
                    @match &known.file {
                        Some(file) => { (file) }
                        None => { span class="soft" { "none" } }
                    }
                }
                td data-label="30 days" { (strip::strip(runs(&deliveries.writes, &known.name), times.now_ms)) }
                td data-label="Complete" {
                    @match known.done_at {
                        Some(at) => { (times.ago(at)) }
                        None => { span class="soft" { "never" } }
                    }
                }
            }
        }
    };
    cards("Exports", &head, &rows)
}

/// The state of an output in short.
pub(super) fn output_summary(view: &OutputView, times: Times) -> Markup {
    let output = &view.known;
    html! {
        p { (job_badge(&view.job, view.behind > 0)) " " (words::job(&view.job, times)) "." }
        dl class="facts" {
            div {
                dt { "Behind" }
                dd {
                    (words::counted(view.behind, "change", "changes"))
                    @if view.behind > 0 { small { "the oldest is " (words::span(view.behind_seconds)) " old" } }
                }
            }
            div {
                dt { "Last confirmed" }
                dd { @match output.confirmed_at { Some(at) => { (times.ago(at)) }, None => "never" } }
            }
            div { dt { "Documents sent" } dd { (words::number(output.added)) } }
            div { dt { "Deletions sent" } dd { (words::number(output.deleted)) } }
            div { dt { "Rejected" } dd class=[(view.rejected > 0).then_some("bad")] { (words::number(view.rejected)) } }
        }
    }
}

/// The state of an export in short.
pub(super) fn export_summary(view: &ExportView, times: Times) -> Markup {
    let export = &view.known;
    html! {
        p { (job_badge(&view.job, false)) " " (words::job(&view.job, times)) "." }
        dl class="pairs" {
            @if let Some(at) = export.done_at { dt { "Last complete" } dd { (times.full(at)) } }
            @if let Some(file) = &export.file { dt { "Newest file" } dd { (file) } }
        }
    }
}
