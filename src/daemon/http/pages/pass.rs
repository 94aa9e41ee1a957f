//! The page of one pass: its records, its requests and its windows.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use maud::{Markup, html};

use super::components::{address, rest, windows};
use super::failure::{PageResponses, PageResult};
use super::frame::{Nav, Page, respond};
use super::source::state_of;
use super::visitor::Visitor;
use super::words;
use crate::daemon::http::Ctx;
use crate::daemon::http::lookup::{self, PassDetails};
use crate::daemon::overview::SourceView;
use crate::store::PassKind;

/// Show one pass
#[utoipa::path(
    get,
    path = "/source/{name}/pass/{id}",
    tag = "Pages",
    params(
        ("name" = String, Path, description = "The name of the source."),
        ("id" = i64, Path, description = "The number of the pass."),
    ),
    responses(PageResponses)
)]
pub(in crate::daemon::http) async fn pass_page(
    State(context): State<Ctx>,
    headers: HeaderMap,
    Path((name, id)): Path<(String, String)>,
) -> PageResult {
    let details = lookup::pass(&context, &name, &id).await?;
    let source = lookup::source(&context, &name).await?;
    let visitor = Visitor::of(&context, &headers);
    Ok(respond(StatusCode::OK, page(&source, &details, &visitor)))
}

fn page(source: &SourceView, details: &PassDetails, visitor: &Visitor) -> Markup {
    let times = visitor.times;
    let (name, pass) = (&source.name, &details.pass);
    let title = format!("Pass {} over {name}", pass.id.0);
    let took = pass.ended_at.map(|ended| (ended - pass.started_at) / 1000);
    let waited = i64::try_from(pass.wait_ms / 1000).unwrap_or(i64::MAX);
    let window_count: u64 = details.window_states.iter().map(|(_, count)| count).sum();
    let content = html! {
        h1 { "Pass " (pass.id.0) " over " a href=(address("source", name)) { (name) } }
        @if let Some(note) = &pass.note { p class="notice" { (note) } }
        dl class="pairs" {
            dt { "State" } dd { (state_of(pass, source)) }
            dt { "Kind" }
            dd {
                @match pass.kind {
                    PassKind::Full => "everything",
                    PassKind::Since => "changes since the watermark",
                    PassKind::Gaps => "gaps of earlier passes",
                    PassKind::Part => "a span of time that was asked for",
                    PassKind::Identifiers => "the identifiers of everything, to find records that disappeared",
                }
                @if !pass.moves_watermark { "; it does not move the watermark" }
            }
            dt { "Started" } dd { (times.full(pass.started_at)) }
            @if let (Some(ended), Some(took)) = (pass.ended_at, took) {
                dt { "Ended" } dd { (times.full(ended)) ", after " (words::span(took)) }
            }
            dt { "Records" }
            dd {
                (words::number(pass.counts.new)) " new, " (words::number(pass.counts.changed))
                " changed, " (words::number(pass.counts.deleted)) " deleted, "
                (words::number(pass.counts.unchanged)) " unchanged"
            }
            dt { "Faulty records" }
            dd {
                (words::number(pass.counts.quarantined)) " quarantined, "
                (words::number(pass.counts.repaired)) " repaired"
            }
            dt { "Fetched" }
            dd {
                (words::counted(pass.pages, "page", "pages")) " with "
                (words::counted(pass.requests, "request", "requests")) ", "
                (words::bytes(pass.bytes)) ", waited " (words::span(waited))
            }
        }
        h2 { "Windows" }
        p {
            @for (place, (state, count)) in details.window_states.iter().enumerate() {
                @if place > 0 { ", " }
                (words::number(*count)) " " (state.word())
            }
            @if details.window_states.is_empty() { "None." }
        }
        @if !details.windows.is_empty() { (windows("Windows", &details.windows)) }
        (rest(details.windows.len(), window_count, "first"))
    };
    Page::of(&title, Nav::Sources, visitor).with(&content)
}
