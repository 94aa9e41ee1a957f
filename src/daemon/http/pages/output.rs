//! The page of one output: how far it is, and what it did not take.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

use super::status::output_summary;
use super::{Frame, frame, or_failed, record_address, respond, wide};
use crate::daemon::http::api::{OutputDetails, output_details};
use crate::daemon::http::{Ctx, words};

/// `GET /output/{name}`
pub(in crate::daemon::http) async fn output(
    State(context): State<Ctx>,
    Path(name): Path<String>,
) -> Response {
    let answer = async {
        let (details, now_ms) = output_details(&context, &name).await?;
        Ok(respond(StatusCode::OK, page(&details, now_ms)))
    };
    or_failed(answer.await)
}

fn page(details: &OutputDetails, now_ms: i64) -> Markup {
    let view = &details.output;
    let content = html! {
        h1 { (view.known.name) }
        (output_summary(view, now_ms))
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
