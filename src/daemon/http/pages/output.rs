//! The page of one output: how far it is, what it rejected, and a button to push.

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::components::{address, cards, last_message, record_address, rest};
use super::failure::{PageResponses, PageResult};
use super::form::{CommandResult, FormPage, FormResponses, Sent, form, send_form, show_page};
use super::frame::{Nav, Page};
use super::outputs::output_summary;
use super::visitor::Visitor;
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

    async fn find(context: &Context, name: &str) -> Result<OutputDetails, Failure> {
        lookup::output(context, name).await
    }

    fn page(details: &OutputDetails, visitor: &Visitor, result: Option<&CommandResult>) -> Markup {
        page(details, visitor, result)
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
    headers: HeaderMap,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> PageResult {
    show_page::<OutputAction>(&context, &headers, &name, query.as_deref()).await
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
    headers: HeaderMap,
    Path(name): Path<String>,
    body: Bytes,
) -> PageResult {
    send_form::<OutputAction>(&context, &headers, &name, &body).await
}

fn page(details: &OutputDetails, visitor: &Visitor, result: Option<&CommandResult>) -> Markup {
    let (view, times) = (&details.output, visitor.times);
    let name = &view.known.name;
    let content = html! {
        p class="hint" { a href="/outputs" { "Outputs" } }
        h1 { (name) }
        @if let Some(result) = result { (result.markup()) }
        (output_summary(view, times))
        (last_message(&view.job, times))
        (form(&address("output", name), visitor, &html! {
            button class="main" name="action" value="push" { "Push now" }
        }))
        @if !details.rejected_documents.is_empty() {
            h2 { "Rejected documents" }
            (cards("Rejected documents", &html! { th { "When" } th { "Record" } th { "Reason" } }, &html! {
                @for document in &details.rejected_documents {
                    tr {
                        td data-label="When" { (times.ago(document.at)) }
                        td class="text" data-label="Record" {
                            a href=(record_address(&document.source, &document.identifier)) {
                                (document.identifier)
                            }
                        }
                        td class="text" data-label="Reason" { (document.reason) }
                    }
                }
            }))
            (rest(details.rejected_documents.len(), view.rejected, "first"))
        }
    };
    Page::of(name, Nav::Outputs, visitor).with(&content)
}
