//! What surrounds the content of a page: head, navigation, search field, response headers.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use super::visitor::{Access, Visitor};

/// Where a page belongs in the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nav {
    Sources,
    Outputs,
    Quarantine,
    Duplicates,
    Search,
    Api,
    /// To none of them.
    None,
}

const NAVIGATION: [(Nav, &str, &str); 6] = [
    (Nav::Sources, "/", "Sources"),
    (Nav::Outputs, "/outputs", "Outputs"),
    (Nav::Quarantine, "/quarantine", "Quarantine"),
    (Nav::Duplicates, "/duplicates", "Duplicates"),
    (Nav::Search, "/search", "Search"),
    (Nav::Api, "/api", "API"),
];

/// A whole page in the making.
#[derive(Debug)]
pub(super) struct Page<'a> {
    /// The title in the browser.
    pub(super) title: &'a str,
    /// Where it belongs.
    pub(super) nav: Nav,
    /// Whether the content has a search field, so that the head needs none.
    pub(super) has_search: bool,
    /// The page renews itself after so many seconds.
    pub(super) refresh: Option<u64>,
    /// Whether the icon shows that something is wrong.
    pub(super) is_alarming: bool,
    /// Whether the visitor has signed in; `None` if it is not known.
    pub(super) access: Option<Access>,
}

impl<'a> Page<'a> {
    /// A page with this title.
    pub(super) fn new(title: &'a str) -> Self {
        Self {
            title,
            nav: Nav::None,
            has_search: false,
            refresh: None,
            is_alarming: false,
            access: None,
        }
    }

    /// A page for this visitor.
    pub(super) fn of(title: &'a str, nav: Nav, visitor: &Visitor) -> Self {
        Self {
            nav,
            access: Some(visitor.access),
            ..Self::new(title)
        }
    }

    /// The page around `content`.
    pub(super) fn with(&self, content: &Markup) -> Markup {
        let icon = match self.is_alarming {
            true => "/icon-alarm.svg",
            false => "/icon.svg",
        };
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " - harvestd" }
                    link rel="icon" href=(icon);
                    link rel="stylesheet" href="/style.css";
                    @if let Some(seconds) = self.refresh {
                        script src="/page.js" defer data-refresh=(seconds) {}
                        noscript { meta http-equiv="refresh" content=(seconds); }
                    }
                }
                body {
                    a class="skip" href="#content" { "Skip to the content" }
                    header {
                        div class="bar" {
                            a class="brand" href="/" { "harvestd" }
                            nav aria-label="Main" {
                                @for (place, to, word) in NAVIGATION {
                                    a href=(to) aria-current=[(place == self.nav).then_some("page")] { (word) }
                                }
                            }
                            (self.account())
                        }
                        @if !self.has_search { (search_form("")) }
                    }
                    main id="content" { (content) }
                }
            }
        }
    }

    fn account(&self) -> Markup {
        html! {
            @match self.access {
                Some(Access::SignedOut) => { a class="account" href="/sign-in" { "Sign in" } }
                Some(Access::SignedIn) => {
                    form class="account" method="post" action="/sign-out" {
                        button class="plain" { "Sign out" }
                    }
                }
                Some(Access::Off) | None => {}
            }
        }
    }
}

/// The field for a search over all records.
pub(super) fn search_form(searched: &str) -> Markup {
    html! {
        form class="search" action="/search" method="get" role="search" {
            input type="search" name="q" aria-label="Identifier, DOI or title words"
                placeholder="Identifier, DOI or title words" value=(searched) required;
            button { "Search" }
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
    let to = HeaderValue::from_str(to).ok()?;
    let mut response = respond(StatusCode::SEE_OTHER, html! {});
    response.headers_mut().insert(header::LOCATION, to);
    Some(response)
}
