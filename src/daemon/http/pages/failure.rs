//! The page that says why a request failed.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::html;
use utoipa::IntoResponses;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Content, RefOr, Response as Documented, ResponseBuilder, ResponsesBuilder};

use super::frame::{Page, respond};
use crate::daemon::http::Failure;

/// Why there is no page to show.
pub(in crate::daemon::http) struct PageFailure(Failure);

/// What a handler of a page returns.
pub(super) type PageResult = Result<Response, PageFailure>;

impl From<Failure> for PageFailure {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl IntoResponse for PageFailure {
    fn into_response(self) -> Response {
        let Self(failure) = self;
        page_of(&failure)
    }
}

/// A failure as a page.
pub(in crate::daemon::http) fn page_of(failure: &Failure) -> Response {
    let reason = failure.status.canonical_reason().unwrap_or("Failed");
    let content = html! {
        h1 { (failure.status.as_u16()) " " (reason) }
        p class="notice t-bad" { (failure.message) }
        p {
            @match failure.status {
                StatusCode::NOT_FOUND => {
                    "It may have been removed, or the address is mistyped. The search above finds records by "
                    "identifier, DOI or title."
                }
                StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                    "Try again in a few seconds."
                }
                _ => "",
            }
        }
        p { a href="/" { "All sources" } }
    };
    let mut response = respond(failure.status, Page::new(reason).with(&content));
    failure.add_challenge(&mut response);
    response
}

/// A response that is a page, as the OpenAPI document describes it.
fn page(description: &str) -> Documented {
    let text = ObjectBuilder::new().schema_type(Type::String).build();
    ResponseBuilder::new()
        .description(description)
        .content("text/html", Content::new(Some(text)))
        .build()
}

impl IntoResponses for PageFailure {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        ResponsesBuilder::new()
            .response("400", page("The arguments are wrong."))
            .response("404", page("What the address names does not exist."))
            .response("503", page("The store cannot be read now."))
            .build()
            .into()
    }
}

/// The responses to a request for a page.
pub(in crate::daemon::http) struct PageResponses;

impl IntoResponses for PageResponses {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        let mut responses = PageFailure::responses();
        responses.insert("200".to_owned(), page("The page.").into());
        responses
    }
}
