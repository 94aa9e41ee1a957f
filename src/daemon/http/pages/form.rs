//! Forms that send commands, and the result of a command.
//!
//! A person signs in once; the forms have only buttons. A script can send the token in the form.

use std::collections::BTreeMap;
use std::future::Future;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use maud::{Markup, html};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{self, Content, Ref, RefOr, ResponseBuilder, ResponsesBuilder};
use utoipa::{IntoResponses, ToSchema};

use super::components::{address, with_arguments};
use super::failure::{PageFailure, PageResult};
use super::frame::{redirect, respond};
use super::visitor::{Access, Visitor};
use crate::daemon::http::api::commands::send;
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
            Self::Accepted(text) => ("t-good", *text),
            Self::Refused(text) => ("t-bad", text.as_str()),
        };
        html! { p class={ "notice " (class) } role="status" { (text) } }
    }
}

/// The buttons of the page at `to`, for those who have signed in. Others see how to.
pub(super) fn form(to: &str, visitor: &Visitor, buttons: &Markup) -> Markup {
    html! {
        @match visitor.access {
            Access::SignedIn => { form class="actions" method="post" action=(to) { (buttons) } }
            Access::SignedOut => {
                p class="hint" {
                    a href=(with_arguments("/sign-in", &[("next", to)])) { "Sign in" } " to run or pause it."
                }
            }
            Access::Off => {
                p class="hint" {
                    "Commands are off, because the configuration has no token. Set " code { "token" }
                    " under " code { "[daemon]" } " to turn them on."
                }
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
    ) -> impl Future<Output = Result<Self::View, Failure>> + Send;

    /// Draws the page.
    fn page(view: &Self::View, visitor: &Visitor, result: Option<&CommandResult>) -> Markup;
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
    /// The token from the configuration; not needed with the cookie of a session.
    token: Option<String>,
}

/// Shows the page of what has this name.
pub(super) async fn show_page<Action: FormPage>(
    context: &Context,
    headers: &HeaderMap,
    name: &str,
    query: Option<&str>,
) -> PageResult {
    let Done { done } = arguments::read::<Done<Action>>(query.unwrap_or_default())?;
    let result = done.map(|action| CommandResult::Accepted(action.accepted()));
    let visitor = Visitor::of(context, headers);
    Ok(draw::<Action>(context, name, &visitor, StatusCode::OK, result).await?)
}

/// Sends the command of a form with the right token or session, and then the browser to the page, which says
/// that it was accepted. If the command is refused, the response is the page with the reason.
pub(super) async fn send_form<Action: FormPage>(
    context: &Context,
    headers: &HeaderMap,
    name: &str,
    body: &Bytes,
) -> PageResult {
    let Sent { action, token } = arguments::read_form::<Sent<Action>>(body)?;
    let visitor = Visitor::of(context, headers);
    let result = match permit(context, &visitor, token.as_deref()).await {
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
    let mut response =
        draw::<Action>(context, name, &visitor, failure.status, Some(refused)).await?;
    failure.add_challenge(&mut response);
    Ok(response)
}

/// Refuses a form without the right token or session.
pub(super) async fn permit(
    context: &Context,
    visitor: &Visitor,
    token: Option<&str>,
) -> Result<(), Failure> {
    match (token, visitor.access) {
        (None, Access::SignedIn) => Ok(()),
        (None, Access::SignedOut) => Err(Failure::new(
            StatusCode::UNAUTHORIZED,
            "you are not signed in, or the session is over",
        )),
        _ => {
            let expected = context.shared.registry.token();
            guard::check_token(token, expected.as_ref()).await
        }
    }
}

async fn draw<Action: FormPage>(
    context: &Context,
    name: &str,
    visitor: &Visitor,
    status: StatusCode,
    result: Option<CommandResult>,
) -> Result<Response, Failure> {
    let found = Action::find(context, name).await?;
    let page = Action::page(&found, visitor, result.as_ref());
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
                response("What the form asks for is accepted; the page says so."),
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
