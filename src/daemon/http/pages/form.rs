//! Forms that send a command together with the token, and the result of a command.

use std::collections::BTreeMap;
use std::future::Future;

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{self, Content, Ref, RefOr, ResponseBuilder, ResponsesBuilder};
use utoipa::{IntoResponses, ToSchema};

use super::components::address;
use super::failure::{PageFailure, PageResult};
use super::frame::{redirect, respond};
use crate::daemon::http::api::commands::send;
use crate::daemon::http::lookup::At;
use crate::daemon::http::{Context, Failure, arguments, guard};
use crate::daemon::scheduler::Command;

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

/// A page with a form: that of a source, an output or an export. Implemented for the commands that its
/// buttons send.
pub(super) trait FormPage: Copy + Send + Sync + Serialize + DeserializeOwned {
    /// What the page shows.
    type View;

    /// The first part of the page's address; the name follows.
    const FOLDER: &'static str;

    /// The command that the button sends to what has this name.
    fn command(self, name: &str) -> Command;

    /// What happens once the command is accepted.
    fn accepted(self) -> &'static str;

    /// What has this name.
    fn find(
        context: &Context,
        name: &str,
    ) -> impl Future<Output = Result<At<Self::View>, Failure>> + Send;

    /// Draws the page.
    fn page(
        view: &Self::View,
        now_ms: i64,
        has_token: bool,
        result: Option<&CommandResult>,
    ) -> Markup;
}

/// The query of a page with a form.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, bound = "Action: DeserializeOwned")]
struct Done<Action> {
    /// The command that the form has just sent.
    done: Option<Action>,
}

/// What a form sends.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, bound = "Action: DeserializeOwned")]
pub(in crate::daemon::http) struct Sent<Action> {
    /// The button that was pressed.
    action: Action,
    /// The token from the configuration.
    #[schema(required)]
    token: Option<String>,
}

/// Shows the page of what has this name.
pub(super) async fn show_page<Action: FormPage>(
    context: &Context,
    name: &str,
    query: Option<&str>,
) -> PageResult {
    let Done { done } = arguments::read::<Done<Action>>(query.unwrap_or_default())?;
    let result = done.map(|action| CommandResult::Accepted(action.accepted()));
    Ok(draw::<Action>(context, name, StatusCode::OK, result).await?)
}

/// Sends the command of a form with the right token, and then the browser to the page, which says that
/// it was accepted. If the command is refused, the response is the page with the reason.
pub(super) async fn send_form<Action: FormPage>(
    context: &Context,
    name: &str,
    body: &Bytes,
) -> PageResult {
    let text = std::str::from_utf8(body)
        .map_err(|_| Failure::bad_request("the form is not encoded as UTF-8"))?;
    let Sent { action, token } = arguments::read::<Sent<Action>>(text)?;
    let expected = context.shared.registry.token();
    let result = match guard::check_token(token.as_deref(), expected.as_ref()).await {
        Ok(()) => send(context, action.command(name)).await,
        Err(failure) => Err(failure),
    };
    let Err(failure) = result else {
        let done = serde_html_form::to_string([("done", &action)])
            .map_err(|error| Failure::internal(error.to_string()))?;
        let page = format!("{}?{done}", address(Action::FOLDER, name));
        return Ok(redirect(&page).ok_or_else(|| Failure::not_found("this page does not exist"))?);
    };
    let refused = CommandResult::Refused(failure.message.clone());
    let mut response = draw::<Action>(context, name, failure.status, Some(refused)).await?;
    failure.add_challenge(&mut response);
    Ok(response)
}

async fn draw<Action: FormPage>(
    context: &Context,
    name: &str,
    status: StatusCode,
    result: Option<CommandResult>,
) -> Result<Response, Failure> {
    let found = Action::find(context, name).await?;
    let has_token = context.shared.registry.token().is_some();
    let page = Action::page(&found.value, found.now_ms, has_token, result.as_ref());
    Ok(respond(status, page))
}

/// The responses to a form.
pub(in crate::daemon::http) struct FormResponses;

impl IntoResponses for FormResponses {
    fn responses() -> BTreeMap<String, RefOr<openapi::Response>> {
        let text = || {
            let schema = ObjectBuilder::new().schema_type(Type::String).build();
            Content::new(Some(schema))
        };
        let response = |description: &str| ResponseBuilder::new().description(description);
        let own = ResponsesBuilder::new()
            .response(
                "303",
                response("The command is accepted; the page says so."),
            )
            .response(
                "401",
                response("The token is missing or wrong.").content("text/html", text()),
            )
            .response(
                "403",
                response("No token is configured, or the page of another site sent this.")
                    .content("text/html", text())
                    .content(
                        "application/json",
                        Content::new(Some(Ref::from_schema_name("ErrorBody"))),
                    ),
            )
            .response(
                "413",
                response("The form is too large.").content("text/plain", text()),
            )
            .response(
                "429",
                response("Too many requests with wrong tokens wait for their answers.")
                    .content("text/html", text()),
            )
            .build();
        let mut responses = PageFailure::responses();
        responses.extend::<BTreeMap<_, _>>(own.into());
        responses
    }
}
