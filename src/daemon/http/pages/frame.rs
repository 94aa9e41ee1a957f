//! What surrounds the content of a page: head, search field, response headers.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

/// A whole page in the making.
#[derive(Debug)]
pub(super) struct Page<'a> {
    /// The title in the browser.
    pub(super) title: &'a str,
    /// The text in the search field.
    pub(super) searched: &'a str,
    /// The browser reloads the page after so many seconds.
    pub(super) refresh: Option<u64>,
}

impl<'a> Page<'a> {
    /// A page with this title.
    pub(super) fn new(title: &'a str) -> Self {
        Self {
            title,
            searched: "",
            refresh: None,
        }
    }

    /// The page around `content`.
    pub(super) fn with(&self, content: &Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    @if let Some(seconds) = self.refresh {
                        meta http-equiv="refresh" content=(seconds);
                    }
                    title { (self.title) " - harvestd" }
                    link rel="icon" href="/icon.svg";
                    link rel="stylesheet" href="/style.css";
                }
                body {
                    header {
                        a href="/" { strong { "harvestd" } }
                        form action="/search" method="get" role="search" {
                            input type="search" name="q" aria-label="Identifier, DOI or title words"
                                placeholder="Identifier, DOI or title words" value=(self.searched) required;
                            button { "Search" }
                        }
                    }
                    main { (content) }
                }
            }
        }
    }
}

/// A response with this page.
pub(super) fn respond(status: StatusCode, page: Markup) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    (status, kind, page.into_string()).into_response()
}

/// A response that sends the browser to another page; `None` if the address cannot be a header.
pub(super) fn redirect(to: &str) -> Option<Response> {
    let to = header::HeaderValue::from_str(to).ok()?;
    let mut response = respond(StatusCode::SEE_OTHER, html! {});
    response.headers_mut().insert(header::LOCATION, to);
    Some(response)
}
