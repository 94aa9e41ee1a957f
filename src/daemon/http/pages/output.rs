//! The page of one output: how far it is, what it did not take, and a button to push now.

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

use super::form::{Said, Sent, buttons};
use super::status::output_summary;
use super::{Frame, address, frame, or_failed, record_address, respond, wide};
use crate::daemon::http::api::{OutputDetails, output_details, send};
use crate::daemon::http::arguments::Arguments;
use crate::daemon::http::{Context, Ctx, Failure, words};
use crate::daemon::scheduler::Command;
use crate::store::{JobKey, JobKind};

/// `GET /output/{name}`
pub(in crate::daemon::http) async fn output(
    State(context): State<Ctx>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let answer = async {
        let arguments = Arguments::read(query.as_deref(), &["done"], &[])?;
        let done = arguments.text("done").filter(|done| *done == "push");
        let said =
            done.map(|_| Said::done("It is pushed to as soon as no other push is under way."));
        show(&context, &name, StatusCode::OK, said).await
    };
    or_failed(answer.await)
}

async fn show(
    context: &Context,
    name: &str,
    status: StatusCode,
    said: Option<Said>,
) -> Result<Response, Failure> {
    let (details, now_ms) = output_details(context, name).await?;
    let has_token = context.shared.registry.token().is_some();
    Ok(respond(
        status,
        page(&details, now_ms, has_token, said.as_ref()),
    ))
}

/// `POST /output/{name}`: `action` and `token` as the form on the page sends them.
pub(in crate::daemon::http) async fn push(
    State(context): State<Ctx>,
    Path(name): Path<String>,
    body: Bytes,
) -> Response {
    let answer = async {
        let sent = Sent::read(&body)?;
        sent.expect("push")?;
        let to = address("output", &name);
        let sending = send(&context, Command::Run(JobKey::new(JobKind::Push, &name)));
        let show = |status, said| show(&context, &name, status, said);
        sent.answer(&context, &to, sending, show).await
    };
    or_failed(answer.await)
}

fn page(details: &OutputDetails, now_ms: i64, has_token: bool, said: Option<&Said>) -> Markup {
    let view = &details.output;
    let content = html! {
        h1 { (view.known.name) }
        @if let Some(said) = said { (said.markup()) }
        (output_summary(view, now_ms))
        (buttons(&address("output", &view.known.name), has_token, &html! {
            button name="action" value="push" { "Push now" }
        }))
        @if !details.rejected_documents.is_empty() {
            h2 { "Rejected" }
            (wide("Rejected documents", &html! {
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
            @if view.rejected > details.rejected_documents.len() as u64 {
                p class="hint" { "The first of " (words::number(view.rejected)) "." }
            }
        }
    };
    frame(&view.known.name, &Frame::default(), &content)
}
