//! The page of one export: its newest file, and a button to write it.

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::components::address;
use super::failure::{PageResponses, PageResult};
use super::form::{CommandResult, FormPage, FormResponses, Sent, form, send_form, show_page};
use super::frame::Page;
use super::status::export_summary;
use crate::daemon::http::lookup::At;
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

impl FormPage for ExportAction {
    type View = ExportView;

    const FOLDER: &'static str = "export";

    fn command(self, name: &str) -> Command {
        let Self::Run = self;
        Command::Run(JobKey::new(JobKind::Export, name))
    }

    fn accepted(self) -> &'static str {
        "The export starts soon. It writes nothing if its files are up to date."
    }

    async fn find(context: &Context, name: &str) -> Result<At<ExportView>, Failure> {
        lookup::export(context, name).await
    }

    fn page(
        view: &ExportView,
        now_ms: i64,
        has_token: bool,
        result: Option<&CommandResult>,
    ) -> Markup {
        page(view, now_ms, has_token, result)
    }
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
    responses(PageResponses)
)]
pub(in crate::daemon::http) async fn export_page(
    State(context): State<Ctx>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> PageResult {
    show_page::<ExportAction>(&context, &name, query.as_deref()).await
}

/// Send a command to an export with the form of its page
#[utoipa::path(
    post,
    path = "/export/{name}",
    tag = "Pages",
    params(("name" = String, Path, description = "The name of the export.")),
    request_body(content = Sent<ExportAction>, content_type = "application/x-www-form-urlencoded"),
    responses(FormResponses)
)]
pub(in crate::daemon::http) async fn send_export_form(
    State(context): State<Ctx>,
    Path(name): Path<String>,
    body: Bytes,
) -> PageResult {
    send_form::<ExportAction>(&context, &name, &body).await
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
