//! The page of one export: its newest file, and a button to write it.

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::components::address;
use super::failure::{PageFailure, PageResult};
use super::form::{CommandResult, Sent, form, just_done};
use super::frame::{Page, respond};
use super::status::export_summary;
use crate::daemon::http::api::commands::send;
use crate::daemon::http::failure::ErrorBody;
use crate::daemon::http::{Context, Ctx, Failure, lookup};
use crate::daemon::overview::ExportView;
use crate::daemon::scheduler::Command;
use crate::store::{JobKey, JobKind};

/// A command to an export, as its button sends it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::daemon::http) enum ExportAction {
    Run,
}

/// Show one export
#[utoipa::path(
    get,
    path = "/export/{name}",
    tag = "Pages",
    params(
        ("name" = String, Path, description = "The name of the export."),
        (
            "done" = inline(Option<ExportAction>),
            Query,
            description = "The command that the form of this page has just sent."
        ),
    ),
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html"),
        PageFailure,
    )
)]
pub(in crate::daemon::http) async fn export_page(
    State(context): State<Ctx>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> PageResult {
    let done = just_done::<ExportAction>(query.as_deref())?;
    let result = done.map(|ExportAction::Run| {
        CommandResult::Accepted(
            "The export starts soon. It writes nothing if its files are up to date.",
        )
    });
    Ok(show(&context, &name, StatusCode::OK, result).await?)
}

/// Send a command to an export with the form of its page
#[utoipa::path(
    post,
    path = "/export/{name}",
    tag = "Pages",
    params(("name" = String, Path, description = "The name of the export.")),
    request_body(content = Sent<ExportAction>, content_type = "application/x-www-form-urlencoded"),
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
pub(in crate::daemon::http) async fn send_export_form(
    State(context): State<Ctx>,
    Path(name): Path<String>,
    body: Bytes,
) -> PageResult {
    let sent = Sent::<ExportAction>::read(&body)?;
    let to = address("export", &name);
    let command = send(&context, Command::Run(JobKey::new(JobKind::Export, &name)));
    let show = |status, result| show(&context, &name, status, result);
    Ok(sent.answer(&context, &to, command, show).await?)
}

async fn show(
    context: &Context,
    name: &str,
    status: StatusCode,
    result: Option<CommandResult>,
) -> Result<Response, Failure> {
    let found = lookup::export(context, name).await?;
    let has_token = context.shared.registry.token().is_some();
    let page = page(&found.value, found.now_ms, has_token, result.as_ref());
    Ok(respond(status, page))
}

fn page(view: &ExportView, now_ms: i64, has_token: bool, result: Option<&CommandResult>) -> Markup {
    let name = &view.known.name;
    let content = html! {
        h1 { (name) }
        @if let Some(result) = result { (result.markup()) }
        (export_summary(view, now_ms))
        (form(&address("export", name), has_token, &html! {
            button name="action" value="run" { "Write now" }
        }))
    };
    Page::new(name).with(&content)
}
