//! What several pages show in the same way: links, tables, times.

use maud::{Markup, html};

use super::words;
use crate::store::Window;

/// The address of a record's page.
pub(super) fn record_address(source: &str, identifier: &str) -> String {
    let arguments = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("identifier", identifier)
        .append_pair("source", source)
        .finish();
    format!("/record?{arguments}")
}

/// The address of the page of a source, output or export. Names need no escaping.
pub(super) fn address(kind: &str, name: &str) -> String {
    format!("/{kind}/{name}")
}

/// A table that scrolls sideways on a narrow screen.
pub(super) fn table(label: &str, rows: &Markup) -> Markup {
    html! {
        // People without a mouse reach the table with the keyboard to scroll it.
        div class="wide" role="region" aria-label=(label) tabindex="0" { table { (rows) } }
    }
}

/// A time and its age.
pub(super) fn ago(unix_ms: i64, now_ms: i64) -> Markup {
    html! { (words::span((now_ms - unix_ms) / 1000)) " ago (" (words::instant(unix_ms)) ")" }
}

/// Says that a table has only the first rows, if so.
pub(super) fn rest(shown: usize, all: u64, which: &str) -> Markup {
    html! {
        @if all > shown as u64 { p class="hint" { "The " (which) " " (shown) " of " (words::number(all)) "." } }
    }
}

/// A table of windows.
pub(super) fn windows(label: &str, windows: &[Window]) -> Markup {
    let with_sets = windows.iter().any(|window| window.set_spec.is_some());
    table(
        label,
        &html! {
            tr {
                @if with_sets { th { "Set" } }
                th { "From" } th { "Until" } th { "State" } th class="number" { "Items" }
                th class="number" { "Announced" } th class="number" { "Attempts" } th { "Note" }
            }
            @for window in windows {
                tr {
                    @if with_sets { td class="text" { (window.set_spec.as_deref().unwrap_or("all")) } }
                    td { @match window.span.from { Some(at) => (at), None => "the beginning" } }
                    td { @match window.span.until { Some(at) => (at), None => "now" } }
                    td { (window.state.word()) }
                    td class="number" { (words::number(window.items)) }
                    td class="number" {
                        @match window.list_size { Some(size) => (words::number(size)), None => "-" }
                    }
                    td class="number" { (window.reads) }
                    td class="text" { (window.note.as_deref().unwrap_or_default()) }
                }
            }
        },
    )
}
