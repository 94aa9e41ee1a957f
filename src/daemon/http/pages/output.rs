//! The page of one output: how far it is, what it rejected, and a button to push.

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::components::{address, record_address, rest, table};
use super::failure::{PageResponses, PageResult};
use super::form::{CommandResult, FormPage, FormResponses, Sent, form, send_form, show_page};
use super::frame::Page;
use super::status::output_summary;
use super::words;
use crate::daemon::http::lookup::{At, OutputDetails};
use crate::daemon::http::{Context, Ctx, Failure, lookup};
use crate::daemon::scheduler::Command;
use crate::store::{JobKey, JobKind};

/// A command to an output, as its button sends it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::daemon::http) enum OutputAction {
    Push,
}

impl FormPage for OutputAction {
    type View = OutputDetails;

    const FOLDER: &'static str = "output";

    fn command(self, name: &str) -> Command {
        let Self::Push = self;
        Command::Run(JobKey::new(JobKind::Push, name))
    }

    fn accepted(self) -> &'static str {
        "A push starts as soon as no other push runs."
    }

    async fn find(context: &Context, name: &str) -> Result<At<OutputDetails>, Failure> {
        lookup::output(context, name).await
    }

    fn page(
        details: &OutputDetails,
        now_ms: i64,
        has_token: bool,
        result: Option<&CommandResult>,
    ) -> Markup {
        page(details, now_ms, has_token, result)
    }
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
    responses(PageResponses)
)]
pub(in crate::daemon::http) async fn output_page(
    State(context): State<Ctx>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> PageResult {
    show_page::<OutputAction>(&context, &name, query.as_deref()).await
}

/// Send a command to an output with the form of its page
#[utoipa::path(
    post,
    path = "/output/{name}",
    tag = "Pages",
    params(("name" = String, Path, description = "The name of the output.")),
    request_body(content = Sent<OutputAction>, content_type = "application/x-www-form-urlencoded"),
    responses(FormResponses)
)]
pub(in crate::daemon::http) async fn send_output_form(
    State(context): State<Ctx>,
    Path(name): Path<String>,
    body: Bytes,
) -> PageResult {
    send_form::<OutputAction>(&context, &name, &body).await
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
