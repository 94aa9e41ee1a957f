//! The page of one output: how far it is, what it rejected, and a button to push.

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::components::{address, record_address, rest, table};
use super::failure::{PageFailure, PageResult};
use super::form::{CommandResult, Sent, form, just_done};
use super::frame::{Page, respond};
use super::status::output_summary;
use super::words;
use crate::daemon::http::api::commands::send;
use crate::daemon::http::failure::ErrorBody;
use crate::daemon::http::lookup::OutputDetails;
use crate::daemon::http::{Context, Ctx, Failure, lookup};
use crate::daemon::scheduler::Command;
use crate::store::{JobKey, JobKind};

/// A command to an output, as its button sends it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::daemon::http) enum OutputAction {
    Push,
}

/// Show one output
#[utoipa::path(
    get,
    path = "/output/{name}",
    tag = "Pages",
    params(
        ("name" = String, Path, description = "The name of the output."),
        (
            "done" = inline(Option<OutputAction>),
            Query,
            description = "The command that the form of this page has just sent."
        ),
    ),
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html"),
        PageFailure,
    )
)]
pub(in crate::daemon::http) async fn output_page(
    State(context): State<Ctx>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> PageResult {
    let done = just_done::<OutputAction>(query.as_deref())?;
    let result = done.map(|OutputAction::Push| {
        CommandResult::Accepted("A push starts as soon as no other push runs.")
    });
    Ok(show(&context, &name, StatusCode::OK, result).await?)
}

/// Send a command to an output with the form of its page
#[utoipa::path(
    post,
    path = "/output/{name}",
    tag = "Pages",
    params(("name" = String, Path, description = "The name of the output.")),
    request_body(content = Sent<OutputAction>, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "The command is accepted; the page says so."),
        (status = 401, description = "The token is missing or wrong.", body = String, content_type = "text/html"),
        (
            status = 403,
            description = "No token is configured, or the page of another site sent this.",
            content((String = "text/html"), (ErrorBody = "application/json"))
        ),
        (status = 413, description = "The form is too large.", body = String, content_type = "text/plain"),
        PageFailure,
    )
)]
pub(in crate::daemon::http) async fn send_output_form(
    State(context): State<Ctx>,
    Path(name): Path<String>,
    body: Bytes,
) -> PageResult {
    let sent = Sent::<OutputAction>::read(&body)?;
    let to = address("output", &name);
    let command = send(&context, Command::Run(JobKey::new(JobKind::Push, &name)));
    let show = |status, result| show(&context, &name, status, result);
    Ok(sent.answer(&context, &to, command, show).await?)
}

async fn show(
    context: &Context,
    name: &str,
    status: StatusCode,
    result: Option<CommandResult>,
) -> Result<Response, Failure> {
    let found = lookup::output(context, name).await?;
    let has_token = context.shared.registry.token().is_some();
    let page = page(&found.value, found.now_ms, has_token, result.as_ref());
    Ok(respond(status, page))
}

fn page(
    details: &OutputDetails,
    now_ms: i64,
    has_token: bool,
    result: Option<&CommandResult>,
) -> Markup {
    let view = &details.output;
    let name = &view.known.name;
    let content = html! {
        h1 { (name) }
        @if let Some(result) = result { (result.markup()) }
        (output_summary(view, now_ms))
        (form(&address("output", name), has_token, &html! {
            button name="action" value="push" { "Push now" }
        }))
        @if !details.rejected_documents.is_empty() {
            h2 { "Rejected documents" }
            (table("Rejected documents", &html! {
                tr { th { "When" } th { "Record" } th { "Reason" } }
                @for document in &details.rejected_documents {
                    tr {
                        td { (words::instant(document.at)) }
                        td class="text" {
                            a href=(record_address(&document.source, &document.identifier)) {
                                (document.identifier)
                            }
                        }
                        td class="text" { (document.reason) }
                    }
                }
            }))
            (rest(details.rejected_documents.len(), view.rejected, "first"))
        }
    };
    Page::new(name).with(&content)
}
