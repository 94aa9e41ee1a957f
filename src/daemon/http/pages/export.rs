//! The page of one export: its newest file, and a button to write it.

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::components::{address, last_message};
use super::failure::{PageResponses, PageResult};
use super::form::{CommandResult, FormPage, FormResponses, Sent, form, send_form, show_page};
use super::frame::{Nav, Page};
use super::outputs::export_summary;
use super::visitor::Visitor;
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

    async fn find(context: &Context, name: &str) -> Result<ExportView, Failure> {
        lookup::export(context, name).await
    }

    fn page(view: &ExportView, visitor: &Visitor, result: Option<&CommandResult>) -> Markup {
        page(view, visitor, result)
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
    headers: HeaderMap,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> PageResult {
    show_page::<ExportAction>(&context, &headers, &name, query.as_deref()).await
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
    headers: HeaderMap,
    Path(name): Path<String>,
    body: Bytes,
) -> PageResult {
    send_form::<ExportAction>(&context, &headers, &name, &body).await
}

fn page(view: &ExportView, visitor: &Visitor, result: Option<&CommandResult>) -> Markup {
    let name = &view.known.name;
    let content = html! {
        p class="hint" { a href="/outputs" { "Outputs" } }
        h1 { (name) }
        @if let Some(result) = result { (result.markup()) }
        (export_summary(view, visitor.times))
        (last_message(&view.job, visitor.times))
        (form(&address("export", name), visitor, &html! {
            button class="main" name="action" value="run" { "Write now" }
        }))
    };
    Page::of(name, Nav::Outputs, visitor).with(&content)
}
