//! The page of one item in quarantine: why it is there, and what the repository sent.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use maud::{Markup, html};

use super::components::address;
use super::failure::{PageResponses, PageResult};
use super::frame::{Page, respond};
use super::words;
use crate::daemon::http::{Ctx, lookup};
use crate::store::QuarantinedItem;

/// Bytes that the page shows. An item can be a whole page of a list, if its records cannot be separated.
const MAX_SHOWN: usize = 64 << 10;

/// Show one item in quarantine
#[utoipa::path(
    get,
    path = "/quarantine/{number}",
    tag = "Pages",
    params((
        "number" = u64,
        Path,
        minimum = 1,
        description = "The number of the item, from the quarantine of its source."
    )),
    responses(PageResponses)
)]
pub(in crate::daemon::http) async fn quarantine_page(
    State(context): State<Ctx>,
    Path(number): Path<String>,
) -> PageResult {
    let (item, raw) = lookup::quarantined_item(&context, &number).await?;
    Ok(respond(StatusCode::OK, page(&item, &raw)))
}

fn page(item: &QuarantinedItem, raw: &[u8]) -> Markup {
    let title = format!("Item {} in quarantine", item.number);
    let shown = &raw[..raw.len().min(MAX_SHOWN)];
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
            "Each pass that receives the item tries it again. Once it can be read, it is stored as a "
            "record and leaves the quarantine."
        }
        h2 { "As received" }
        p {
            a href={ "/api/v1/quarantine/" (item.number) "/raw" } { "Download its bytes" }
            " (" (words::number(raw.len() as u64)) " bytes)"
            @if shown.len() < raw.len() {
                "; the first " (words::number(shown.len() as u64)) " are below"
            }
        }
        pre { (String::from_utf8_lossy(shown)) }
    };
    Page::new(&title).with(&content)
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
    fn hostile_bytes_stay_text() {
        let page = page(&item(), b"<script>alert(1)</script>\xff").into_string();
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;\u{FFFD}"));
        assert!(!page.contains("<script"), "{page}");
        assert!(page.contains("oai:x:&lt;b&gt;"), "{page}");
        assert!(
            page.contains("href=\"/api/v1/quarantine/17/raw\""),
            "{page}"
        );
        assert!(!page.contains("are below"));
    }

    #[test]
    fn the_page_shows_the_start_of_a_large_item() {
        let page = page(&item(), &[b'x'; MAX_SHOWN + 1]).into_string();
        assert!(page.contains("the first 65\u{202f}536 are below"));
        assert_eq!(page.matches("xxxx").count(), MAX_SHOWN / 4);
    }
}
