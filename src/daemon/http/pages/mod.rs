//! Pages for people: plain HTML without scripts. Every text is escaped by the templates, so that a
//! title from a repository stays a text.
//!
//! - `status`: everything at a glance
//! - `source`: one source, and what may be wished of it
//! - `pass`: one pass with its windows
//! - `output`: one output with what it did not take
//! - `export`: one scheduled file
//! - `form`: what their buttons send
//! - `quarantine`: one item that could not become a record
//! - `record`: one record in every format
//! - `search`: what was found

mod export;
mod form;
mod output;
mod pass;
mod quarantine;
mod record;
mod search;
mod source;
mod status;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

pub(super) use export::{export, write};
pub(super) use output::{output, push};
pub(super) use pass::pass;
pub(super) use quarantine::quarantined;
pub(super) use record::record;
pub(super) use search::search;
pub(super) use source::{act, source};
pub(super) use status::status;

use super::{Failure, words};

/// `GET /style.css`
pub(super) async fn style() -> Response {
    let kind = [(header::CONTENT_TYPE, "text/css; charset=utf-8")];
    (kind, include_str!("../style.css")).into_response()
}

/// `GET /icon.svg`
pub(super) async fn icon() -> Response {
    let kind = [(header::CONTENT_TYPE, "image/svg+xml")];
    (kind, include_str!("../icon.svg")).into_response()
}

fn respond(status: StatusCode, page: Markup) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    (status, kind, page.into_string()).into_response()
}

/// A page that says why there is none.
fn failed(failure: &Failure) -> Response {
    let content = html! {
        h1 { (failure.status.canonical_reason().unwrap_or("Not possible")) }
        p class="bad" { (failure.message) }
        p { a href="/" { "To the status page" } }
    };
    respond(
        failure.status,
        frame("Not possible", &Frame::default(), &content),
    )
}

/// Answers with a page also when there is none to show.
fn or_failed(page: Result<Response, Failure>) -> Response {
    page.unwrap_or_else(|failure| failed(&failure))
}

/// What stands around a page.
#[derive(Debug, Default)]
struct Frame<'a> {
    /// What stands in the search field.
    searched: &'a str,
    /// After how many seconds it asks for itself again.
    refresh: Option<u64>,
}

/// A whole page.
fn frame(title: &str, around: &Frame<'_>, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                @if let Some(seconds) = around.refresh {
                    meta http-equiv="refresh" content=(seconds);
                }
                title { (title) " - harvestd" }
                link rel="icon" href="/icon.svg";
                link rel="stylesheet" href="/style.css";
            }
            body {
                header {
                    a href="/" { strong { "harvestd" } }
                    form action="/search" method="get" role="search" {
                        input type="search" name="q" aria-label="Identifier, DOI or words of a title"
                            placeholder="Identifier, DOI or title" value=(around.searched) required;
                        button { "Search" }
                    }
                }
                main { (content) }
            }
        }
    }
}

/// The address of a record's page.
fn record_address(source: &str, identifier: &str) -> String {
    let arguments = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("identifier", identifier)
        .append_pair("source", source)
        .finish();
    format!("/record?{arguments}")
}

/// The address of a page below `/source/` or `/output/`; names have no letters that need care.
fn address(kind: &str, name: &str) -> String {
    format!("/{kind}/{name}")
}

/// A table that can be moved sideways on a small screen.
fn wide(label: &str, table: &Markup) -> Markup {
    html! {
        // Reached by keys too, since it may have to be moved.
        div class="wide" role="region" aria-label=(label) tabindex="0" { table { (table) } }
    }
}

/// When, and how long ago that is.
fn ago(unix_ms: i64, now_ms: i64) -> Markup {
    html! { (words::span((now_ms - unix_ms) / 1000)) " ago (" (words::instant(unix_ms)) ")" }
}
