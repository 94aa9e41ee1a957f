//! Signing in with the token, once for all commands, and out again.

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::failure::{PageFailure, PageResponses, PageResult};
use super::form::FormResponses;
use super::frame::{Nav, Page, redirect, respond};
use super::visitor::{Access, Visitor};
use crate::daemon::http::{Ctx, Failure, arguments, guard, session};

/// The query of the page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::daemon::http) struct SignInQuery {
    /// The page to go to afterwards: its path.
    #[serde(default)]
    #[param(required = false)]
    next: String,
}

/// What the form sends.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::daemon::http) struct SignIn {
    /// The token from the configuration.
    token: String,
    /// The page to go to afterwards: its path.
    #[serde(default)]
    #[schema(required = false)]
    next: String,
}

/// Show the form for the token
#[utoipa::path(
    get,
    path = "/sign-in",
    tag = "Pages",
    params(SignInQuery),
    responses(PageResponses)
)]
pub(in crate::daemon::http) async fn sign_in_page(
    State(context): State<Ctx>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> PageResult {
    let SignInQuery { next } = arguments::read(&query.unwrap_or_default())?;
    let visitor = Visitor::of(&context, &headers);
    Ok(respond(StatusCode::OK, page(&visitor, &next, None)))
}

/// Sign in with the token
#[utoipa::path(
    post,
    path = "/sign-in",
    tag = "Pages",
    request_body(content = SignIn, content_type = "application/x-www-form-urlencoded"),
    responses(FormResponses)
)]
pub(in crate::daemon::http) async fn sign_in(
    State(context): State<Ctx>,
    headers: HeaderMap,
    body: Bytes,
) -> PageResult {
    let SignIn { token, next } = arguments::read_form(&body)?;
    let registry = &context.shared.registry;
    let expected = registry.token();
    if let Err(failure) = guard::check_token(Some(&token), expected.as_ref()).await {
        let visitor = Visitor::of(&context, &headers);
        let page = page(&visitor, &next, Some(&failure.message));
        let mut response = respond(failure.status, page);
        failure.add_challenge(&mut response);
        return Ok(response);
    }
    // A browser tells the scheme of a page that sends a form. A proxy may have ended HTTPS before us.
    let origin = headers
        .get(header::ORIGIN)
        .and_then(|value| value.to_str().ok());
    let is_secure = origin.is_some_and(|origin| origin.starts_with("https://"));
    let cookie = expected.and_then(|token| session::begin(&token, registry.now_ms(), is_secure));
    go_to(own_path(&next), cookie)
}

/// Sign out
#[utoipa::path(
    post,
    path = "/sign-out",
    tag = "Pages",
    responses(
        (status = 303, description = "The session is over; the browser goes to the first page."),
        PageFailure,
    )
)]
pub(in crate::daemon::http) async fn sign_out() -> PageResult {
    go_to("/", session::end())
}

fn go_to(path: &str, cookie: Option<header::HeaderValue>) -> PageResult {
    let failed = || Failure::internal("the answer could not be made");
    let mut response: Response = redirect(path).ok_or_else(failed)?;
    let cookie = cookie.ok_or_else(failed)?;
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(response)
}

/// `next` if it is a path of this daemon, else the first page. A link must not lead people elsewhere.
fn own_path(next: &str) -> &str {
    let is_plain = next
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"/-._~?=&%+".contains(&byte));
    if next.starts_with('/') && !next.starts_with("//") && is_plain {
        next
    } else {
        "/"
    }
}

fn page(visitor: &Visitor, next: &str, refused: Option<&str>) -> Markup {
    let content = html! {
        h1 { "Sign in" }
        @if let Some(why) = refused { p class="notice t-bad" role="status" { (why) } }
        @match visitor.access {
            Access::Off => {
                p {
                    "Commands are off, because the configuration has no token. Set " code { "token" }
                    " under " code { "[daemon]" } " to turn them on."
                }
            }
            Access::SignedIn => { p { "You are signed in." } }
            Access::SignedOut => {
                form class="sign-in" method="post" action="/sign-in" {
                    label for="token" { "Token" }
                    input id="token" type="password" name="token" autocomplete="current-password" required;
                    input type="hidden" name="next" value=(own_path(next));
                    button class="main" { "Sign in" }
                }
                p class="hint" {
                    "The token is " code { "token" } " under " code { "[daemon]" } " in the configuration. "
                    "Only commands need it. This browser stays signed in for 30 days, or until the token changes."
                }
            }
        }
    };
    Page::of("Sign in", Nav::None, visitor).with(&content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_leads_only_to_own_pages() {
        let cases = [
            ("/source/a", "/source/a"),
            ("/?state=failing&sort=name", "/?state=failing&sort=name"),
            ("", "/"),
            ("//evil.example/", "/"),
            ("/\\evil.example", "/"),
            ("https://evil.example/", "/"),
            ("/a\r\nx: y", "/"),
        ];
        for (next, expected) in cases {
            assert_eq!(own_path(next), expected, "{next:?}");
        }
    }
}
