//! The page of what was found.

use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use maud::{Markup, html};

use super::status::searchable;
use super::{Frame, frame, or_failed, record_address, respond};
use crate::daemon::http::arguments::Arguments;
use crate::daemon::http::search::{Results, first_results};
use crate::daemon::http::{Ctx, words};
use crate::store::FoundBy;

/// `GET /search?q=`
pub(in crate::daemon::http) async fn search(
    State(context): State<Ctx>,
    RawQuery(query): RawQuery,
) -> Response {
    let answer = async {
        let arguments = Arguments::read(query.as_deref(), &["q"], &[])?;
        let text = arguments.text("q").unwrap_or_default();
        let results = first_results(&context, text).await?;
        // Whoever asks for one record wants to see it.
        if let [only] = results.records.as_slice()
            && only.found_by != FoundBy::Title
            && let Ok(to) = HeaderValue::from_str(&record_address(&only.source, &only.identifier))
        {
            let mut response = respond(StatusCode::SEE_OTHER, html! {});
            response.headers_mut().insert(header::LOCATION, to);
            return Ok(response);
        }
        Ok(respond(StatusCode::OK, page(&results)))
    };
    or_failed(answer.await)
}

fn page(results: &Results) -> Markup {
    let around = Frame {
        searched: &results.query,
        ..Frame::default()
    };
    let content = html! {
        h1 {
            @if results.records.is_empty() { "Nothing found" }
            @else if results.more {
                "More than " (words::counted(results.records.len() as u64, "record", "records"))
            }
            @else { (words::counted(results.records.len() as u64, "record", "records")) }
        }
        @for record in &results.records {
            section class="card" {
                h2 {
                    a href=(record_address(&record.source, &record.identifier)) {
                        (record.title.as_deref().unwrap_or(&record.identifier))
                    }
                }
                p {
                    (record.identifier) " · " (record.source) " · " (record.datestamp)
                    @if let Some(doi) = &record.doi { " · " (doi) }
                    @if record.deleted { " · " span class="bad" { "deleted" } }
                }
            }
        }
        @if results.more { p { "Only the newest are shown; more words find fewer." } }
        p class="hint" { (searchable(&results.search)) }
    };
    frame("Search", &around, &content)
}
