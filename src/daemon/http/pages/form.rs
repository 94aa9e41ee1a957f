//! Forms that send a command together with the token, and the result of a command.

use std::future::Future;

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::frame::redirect;
use crate::daemon::http::{Context, Failure, arguments, guard};

/// The result of a command, as the page shows it.
pub(super) enum CommandResult {
    /// It was accepted; the text says what happens now.
    Accepted(&'static str),
    /// It was refused; the text says why.
    Refused(String),
}

impl CommandResult {
    pub(super) fn markup(&self) -> Markup {
        let (class, text) = match self {
            Self::Accepted(text) => ("good", *text),
            Self::Refused(text) => ("bad", text.as_str()),
        };
        html! { p class=(class) role="status" { (text) } }
    }
}

/// A form with these buttons and a field for the token.
///
/// The daemon keeps no session; a browser may keep the token like a password.
pub(super) fn form(to: &str, has_token: bool, buttons: &Markup) -> Markup {
    html! {
        h2 { "Commands" }
        @if has_token {
            form class="commands" method="post" action=(to) {
                label for="token" { "Token" }
                input id="token" type="password" name="token" autocomplete="current-password" required;
                div { (buttons) }
            }
        } @else {
            p class="hint" {
                "Commands are off, because the configuration has no token. Set " code { "token" }
                " under " code { "[daemon]" } " to turn them on."
            }
        }
    }
}

/// The query of a page with a form.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, bound = "Action: DeserializeOwned")]
struct Done<Action> {
    done: Option<Action>,
}

/// The command that the form of this page has just sent, if the query names one.
pub(super) fn just_done<Action: DeserializeOwned>(
    query: Option<&str>,
) -> Result<Option<Action>, Failure> {
    let Done { done } = arguments::read(query.unwrap_or_default())?;
    Ok(done)
}

/// What a form sends.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, bound = "Action: DeserializeOwned")]
pub(in crate::daemon::http) struct Sent<Action> {
    /// The button that was pressed.
    pub(super) action: Action,
    /// The token from the configuration.
    #[schema(required)]
    token: Option<String>,
}

impl<Action: DeserializeOwned> Sent<Action> {
    pub(super) fn read(body: &Bytes) -> Result<Self, Failure> {
        let text = std::str::from_utf8(body)
            .map_err(|_| Failure::bad_request("the form is not encoded as UTF-8"))?;
        arguments::read(text)
    }
}

impl<Action: Serialize> Sent<Action> {
    /// Runs `command` if the form has the right token, and then sends the browser to the page `to`,
    /// which says that it was accepted. If it is refused, `show` draws the page with the reason.
    pub(super) async fn answer<Shown>(
        &self,
        context: &Context,
        to: &str,
        command: impl Future<Output = Result<(), Failure>>,
        show: impl FnOnce(StatusCode, Option<CommandResult>) -> Shown,
    ) -> Result<Response, Failure>
    where
        Shown: Future<Output = Result<Response, Failure>>,
    {
        let token = context.shared.registry.token();
        let result = match guard::check_token(self.token.as_deref(), token.as_ref()) {
            Ok(()) => command.await,
            Err(failure) => Err(failure),
        };
        let Err(failure) = result else {
            let done = serde_html_form::to_string([("done", &self.action)])
                .map_err(|error| Failure::internal(error.to_string()))?;
            return redirect(&format!("{to}?{done}"))
                .ok_or_else(|| Failure::not_found("this page does not exist"));
        };
        let refused = CommandResult::Refused(failure.message.clone());
        let mut response = show(failure.status, Some(refused)).await?;
        failure.add_challenge(&mut response);
        Ok(response)
    }
}
