//! The page of one item in quarantine: why it is there, and what the repository sent.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

use super::{Frame, address, frame, or_failed, respond};
use crate::daemon::http::api::quarantined_item;
use crate::daemon::http::{Ctx, words};
use crate::store::QuarantinedItem;

/// Bytes that are shown; a page of a list can be an item, if nothing smaller could be told apart.
const MOST_SHOWN: usize = 64 << 10;

/// `GET /quarantine/{number}`
pub(in crate::daemon::http) async fn quarantined(
    State(context): State<Ctx>,
    Path(number): Path<String>,
) -> Response {
    let answer = async {
        let (item, raw) = quarantined_item(&context, &number).await?;
        Ok(respond(StatusCode::OK, page(&item, &raw)))
    };
    or_failed(answer.await)
}

fn page(item: &QuarantinedItem, raw: &[u8]) -> Markup {
    let title = format!("Item {} in quarantine", item.number);
    let shown = &raw[..raw.len().min(MOST_SHOWN)];
    let content = html! {
        h1 { (title) }
        p class="bad" { (item.reason) }
        dl {
            dt { "Source" } dd { a href=(address("source", &item.source)) { (item.source) } }
            dt { "Identifier" } dd { (item.identifier.as_deref().unwrap_or("none")) }
            dt { "Datestamp" } dd { (item.datestamp.as_deref().unwrap_or("none")) }
            dt { "First seen" } dd { (words::instant(item.first_at)) }
            dt { "Last seen" } dd { (words::instant(item.last_at)) }
        }
        p class="hint" {
            "Every pass tries it again. Once it can be read it is a record, and no longer here."
        }
        h2 { "As it came" }
        p {
            a href={ "/api/v1/quarantine/" (item.number) "/raw" } { "Its bytes as a file" }
            " (" (words::number(raw.len() as u64)) " bytes)"
            @if shown.len() < raw.len() {
                ", of which the first " (words::number(shown.len() as u64)) " are below"
            }
        }
        pre { (String::from_utf8_lossy(shown)) }
    };
    frame(&title, &Frame::default(), &content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item() -> QuarantinedItem {
        QuarantinedItem {
            number: 17,
            source: "a".to_owned(),
            identifier: Some("oai:x:<b>".to_owned()),
            datestamp: None,
            reason: "not well-formed".to_owned(),
            first_at: 0,
            last_at: 0,
        }
    }

    #[test]
    fn what_came_stays_a_text() {
        let page = page(&item(), b"<script>alert(1)</script>\xff").into_string();
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;\u{FFFD}"));
        assert!(!page.contains("<script"), "{page}");
        assert!(page.contains("oai:x:&lt;b&gt;"), "{page}");
        assert!(
            page.contains("href=\"/api/v1/quarantine/17/raw\""),
            "{page}"
        );
        assert!(!page.contains("of which the first"));
    }

    #[test]
    fn large_items_are_shown_in_part() {
        let page = page(&item(), &[b'x'; MOST_SHOWN + 1]).into_string();
        assert!(page.contains("of which the first 65\u{202f}536 are below"));
        assert_eq!(page.matches("xxxx").count(), MOST_SHOWN / 4);
    }
}
