//! The items in quarantine of all sources, and the page of one: why it is there, and what the repository sent.

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use maud::{Markup, html};
use serde::Deserialize;
use utoipa::IntoParams;

use super::components::{address, cards, with_arguments};
use super::failure::{PageResponses, PageResult};
use super::frame::{Nav, Page, respond};
use super::highlight;
use super::visitor::{Times, Visitor};
use super::words;
use crate::daemon::http::arguments::{self, Number};
use crate::daemon::http::{Ctx, lookup};
use crate::store::{QuarantineGroup, QuarantinedItem};

/// Bytes that the page shows. An item can be a whole page of a list, if its records cannot be separated.
const MAX_SHOWN: usize = 64 << 10;

/// Items on one page of the list.
const ROWS: u32 = 100;

/// Sources that the list names.
const SOURCES: usize = 100;

/// The query of the list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::daemon::http) struct QuarantineQuery {
    /// Only items of this source.
    #[param(value_type = String, required = false)]
    source: Option<String>,
    /// Only items with lower numbers.
    #[param(value_type = usize, required = false)]
    before: Option<Number>,
}

/// Show the items in quarantine
#[utoipa::path(
    get,
    path = "/quarantine",
    tag = "Pages",
    params(QuarantineQuery),
    responses(PageResponses)
)]
pub(in crate::daemon::http) async fn quarantine_list_page(
    State(context): State<Ctx>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> PageResult {
    let query: QuarantineQuery = arguments::read(&query.unwrap_or_default())?;
    let visitor = Visitor::of(&context, &headers);
    let (source, before) = (
        query.source.clone(),
        query.before.map(|Number(number)| number),
    );
    let read = context.read(move |reader| {
        // One more than the page shows tells whether there are more.
        let items = reader.quarantine_page(source.as_deref(), before, ROWS + 1)?;
        Ok((reader.quarantine_groups()?, items))
    });
    let (groups, items) = read.await?;
    let page = list_page(&groups, &items, query.source.as_deref(), &visitor);
    Ok(respond(StatusCode::OK, page))
}

fn list_page(
    groups: &[QuarantineGroup],
    items: &[QuarantinedItem],
    source: Option<&str>,
    visitor: &Visitor,
) -> Markup {
    let all: u64 = groups.iter().map(|(_, count)| count).sum();
    let shown = &items[..items.len().min(ROWS as usize)];
    let more = (items.len() > shown.len()).then(|| shown.last().map(|item| item.number));
    let mut groups: Vec<&QuarantineGroup> = groups.iter().collect();
    groups.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let content = html! {
        h1 { "Quarantine" }
        p class="hint" {
            "Items that could not become records. Each pass that receives one tries it again."
        }
        @if all == 0 { p { "Nothing is in quarantine." } }
        @else {
            ul class="chips" {
                li {
                    a href="/quarantine" aria-current=[source.is_none().then_some("true")] {
                        "All " (words::number(all))
                    }
                }
                @for (name, count) in groups.iter().take(SOURCES) {
                    li {
                        a href=(with_arguments("/quarantine", &[("source", name)]))
                            aria-current=[(source == Some(name.as_str())).then_some("true")] {
                            (name) " " (words::number(*count))
                        }
                    }
                }
            }
            @if groups.len() > SOURCES {
                p class="hint" { "The " (SOURCES) " sources with the most items of " (groups.len()) "." }
            }
            (rows(shown, visitor.times))
            @if let Some(Some(last)) = more {
                div class="pages" {
                    a rel="next" href=(with_arguments("/quarantine", &[
                        ("source", source.unwrap_or_default()), ("before", &last.to_string()),
                    ])) { "Older items" }
                }
            }
        }
    };
    Page::of("Quarantine", Nav::Quarantine, visitor).with(&content)
}

fn rows(items: &[QuarantinedItem], times: Times) -> Markup {
    let head = html! {
        th scope="col" { "Item" } th scope="col" { "Source" } th scope="col" { "Reason" }
        th scope="col" { "Last seen" }
    };
    cards(
        "Items",
        &head,
        &html! {
            @for item in items {
                tr {
                    td class="name" {
                        a href={ "/quarantine/" (item.number) } {
                            (item.identifier.as_deref().unwrap_or("without an identifier"))
                        }
                    }
                    td data-label="Source" { a href=(address("source", &item.source)) { (item.source) } }
                    td class="text" data-label="Reason" { (item.reason) }
                    td data-label="Last seen" { (times.ago(item.last_at)) }
                }
            }
        },
    )
}

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
    headers: HeaderMap,
    Path(number): Path<String>,
) -> PageResult {
    let (item, raw) = lookup::quarantined_item(&context, &number).await?;
    let visitor = Visitor::of(&context, &headers);
    Ok(respond(StatusCode::OK, page(&item, &raw, &visitor)))
}

fn page(item: &QuarantinedItem, raw: &[u8], visitor: &Visitor) -> Markup {
    let title = format!("Item {} in quarantine", item.number);
    let shown = &raw[..raw.len().min(MAX_SHOWN)];
    let times = visitor.times;
    let content = html! {
        p class="hint" { a href="/quarantine" { "Quarantine" } }
        h1 { (title) }
        p class="notice t-bad" { (item.reason) }
        dl class="pairs" {
            dt { "Source" } dd { a href=(address("source", &item.source)) { (item.source) } }
            dt { "Identifier" } dd { (item.identifier.as_deref().unwrap_or("none")) }
            dt { "Datestamp" } dd { (item.datestamp.as_deref().unwrap_or("none")) }
            dt { "First seen" } dd { (times.full(item.first_at)) }
            dt { "Last seen" } dd { (times.full(item.last_at)) }
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
        pre { (highlight::xml(&String::from_utf8_lossy(shown))) }
    };
    Page::of(&title, Nav::Quarantine, visitor).with(&content)
}

#[cfg(test)]
mod tests {
    use super::super::visitor::Access;
    use super::*;

    fn item(number: u64) -> QuarantinedItem {
        QuarantinedItem {
            number,
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
        let visitor = Visitor::at(0, Access::Off);
        let page = page(&item(17), b"<script>alert(1)</script>\xff", &visitor).into_string();
        assert!(page.contains("&lt;script&gt;"), "{page}");
        assert!(page.contains("\u{FFFD}"), "{page}");
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
        let visitor = Visitor::at(0, Access::Off);
        let page = page(&item(17), &[b'x'; MAX_SHOWN + 1], &visitor).into_string();
        assert!(page.contains("the first 65\u{202f}536 are below"));
        assert_eq!(page.matches("xxxx").count(), MAX_SHOWN / 4);
    }

    #[test]
    fn the_list_leads_to_older_items_and_to_single_sources() {
        let visitor = Visitor::at(0, Access::Off);
        let groups = [("a".to_owned(), 150), ("b".to_owned(), 3)];
        let items: Vec<QuarantinedItem> = (50..=150).rev().map(item).collect();
        let page = list_page(&groups, &items, Some("a"), &visitor).into_string();
        assert!(page.contains("All 153"), "{page}");
        let current = "href=\"/quarantine?source=a\" aria-current=\"true\">a 150";
        assert!(page.contains(current), "{page}");
        assert!(
            page.contains("href=\"/quarantine?source=a&amp;before=51\""),
            "{page}"
        );
        let page = list_page(&groups, &items[..100], None, &visitor).into_string();
        assert!(!page.contains("before="), "{page}");
        let page = list_page(&[], &[], None, &visitor).into_string();
        assert!(page.contains("Nothing is in quarantine."), "{page}");
    }
}
