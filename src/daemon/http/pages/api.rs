//! The page for those who write programs: where they find what.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use maud::{Markup, html};

use super::failure::{PageResponses, PageResult};
use super::frame::{Nav, Page, respond};
use super::visitor::Visitor;
use crate::daemon::http::Ctx;

/// Paths for programs, and what they give.
const PATHS: [(&str, &str); 6] = [
    (
        "/api/v1/status",
        "The state of all sources, outputs and exports, as JSON.",
    ),
    (
        "/api/v1/search?q=heat",
        "Records by identifier, DOI or words of the title, as JSON.",
    ),
    (
        "/api/v1/changes?since=0&limit=10",
        "The change feed: every change after a version, one JSON object a line; wait=60 waits for the next one.",
    ),
    ("/metrics", "Metrics for Prometheus."),
    ("/readyz", "Whether the service works, for monitors."),
    ("/api/v1/openapi.json", "All of it as an OpenAPI document."),
];

/// Show where programs find what
#[utoipa::path(get, path = "/api", tag = "Pages", responses(PageResponses))]
pub(in crate::daemon::http) async fn api_page(
    State(context): State<Ctx>,
    headers: HeaderMap,
) -> PageResult {
    let visitor = Visitor::of(&context, &headers);
    Ok(respond(StatusCode::OK, page(&visitor)))
}

fn page(visitor: &Visitor) -> Markup {
    let content = html! {
        h1 { "API" }
        dl class="pairs" {
            @for (path, text) in PATHS {
                dt { a href=(path) { code { (path) } } }
                dd { (text) }
            }
        }
        h2 { "Commands" }
        p {
            "Commands need the header " code { "Authorization: Bearer TOKEN" } " with the " code { "token" }
            " under " code { "[daemon]" } ". For example:"
        }
        pre { "curl -X POST -H 'Authorization: Bearer TOKEN' http://127.0.0.1:8017/api/v1/sources/NAME/run" }
    };
    Page::of("API", Nav::Api, visitor).with(&content)
}
