//! The page of one pass: what it brought, and the ledger of its windows.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

use super::source::{state_of, windows};
use super::{Frame, address, frame, or_failed, respond};
use crate::daemon::http::api::{PassView, pass_view};
use crate::daemon::http::{Ctx, words};
use crate::daemon::overview::SourceView;

/// `GET /source/{name}/pass/{id}`
pub(in crate::daemon::http) async fn pass(
    State(context): State<Ctx>,
    Path((name, id)): Path<(String, String)>,
) -> Response {
    let answer = async {
        let view = pass_view(&context, &name, &id).await?;
        let overview = context.overview().await?;
        let source = overview.sources.iter().find(|source| source.name == name);
        Ok(respond(StatusCode::OK, page(&name, source, &view)))
    };
    or_failed(answer.await)
}

fn page(name: &str, source: Option<&SourceView>, view: &PassView) -> Markup {
    let pass = &view.pass;
    let title = format!("Pass {} over {name}", pass.id.0);
    let took = pass.ended_at.map(|ended| (ended - pass.started_at) / 1000);
    let content = html! {
        h1 { "Pass " (pass.id.0) " over " a href=(address("source", name)) { (name) } }
        @if let Some(note) = &pass.note { p class="bad" { (note) } }
        dl {
            dt { "State" }
            dd { @match source { Some(source) => (state_of(pass, source)), None => (pass.state.word()) } }
            dt { "Kind" }
            dd {
                @match pass.kind {
                    crate::store::PassKind::Full => "everything",
                    crate::store::PassKind::Since => "what changed since the watermark",
                    crate::store::PassKind::Part => "a span that was asked for",
                    crate::store::PassKind::Identifiers => "the identifiers of everything, to find what has vanished",
                }
                @if !pass.moves_watermark { ", without moving the watermark" }
            }
            dt { "Began" } dd { (words::instant(pass.started_at)) }
            @if let (Some(ended), Some(took)) = (pass.ended_at, took) {
                dt { "Ended" } dd { (words::instant(ended)) ", after " (words::span(took)) }
            }
            dt { "Records" }
            dd {
                (words::number(pass.counts.new)) " new, " (words::number(pass.counts.changed))
                " changed, " (words::number(pass.counts.deleted)) " deleted, "
                (words::number(pass.counts.unchanged)) " unchanged"
            }
            dt { "Odd ones" }
            dd {
                (words::number(pass.counts.quarantined)) " set aside, "
                (words::number(pass.counts.repaired)) " mended"
            }
            dt { "Fetched" }
            dd {
                (words::counted(pass.pages, "page", "pages")) " with "
                (words::counted(pass.requests, "request", "requests")) ", "
                (words::number(pass.bytes >> 10)) " KiB, waiting "
                (words::span(i64::try_from(pass.wait_ms / 1000).unwrap_or(i64::MAX)))
            }
        }
        h2 { "Windows" }
        p {
            @for (place, state) in view.window_states.iter().enumerate() {
                @if place > 0 { ", " }
                (words::number(state.windows)) " " (state.state.word())
            }
            @if view.window_states.is_empty() { "None." }
        }
        @if !view.windows.is_empty() { (windows("Windows", &view.windows)) }
        @if view.more_windows { p class="hint" { "The first " (view.windows.len()) "." } }
    };
    frame(&title, &Frame::default(), &content)
}
