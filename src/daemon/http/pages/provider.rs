//! The part of the page of outputs about the OAI-PMH provider: who harvests what.

use maud::{Markup, html};

use super::components::cards;
use super::visitor::Times;
use super::words;
use crate::daemon::usage::Usage;
use crate::store::Harvester;

/// Clients in the table; the API gives more.
const CLIENTS: usize = 10;

/// What the provider has answered since the daemon started.
pub(super) fn usage(usage: &Usage, times: Times) -> Markup {
    let head = html! {
        th scope="col" { "Harvester" } th scope="col" class="number" { "Requests" }
        th scope="col" class="number" { "Errors" } th scope="col" class="number" { "Records" }
        th scope="col" { "Last list" } th scope="col" { "First request" } th scope="col" { "Last request" }
    };
    let rows = html! {
        @for client in usage.clients.iter().take(CLIENTS) {
            tr {
                td class="name" { (client.client) }
                td class="number" data-label="Requests" { (words::number(client.requests)) }
                td class="number" data-label="Errors" { (words::number(client.errors)) }
                td class="number" data-label="Records" { (words::number(client.items)) }
                td class="text" data-label="Last list" { (last_list(client)) }
                td data-label="First request" { (times.ago(client.first_ms)) }
                td data-label="Last request" { (times.ago(client.last_ms)) }
            }
        }
    };
    html! {
        h2 { "OAI-PMH provider" }
        p {
            (words::counted(usage.request_count(), "request", "requests")) " and "
            (words::counted(usage.items.values().sum(), "record or header", "records and headers"))
            " since the daemon started"
            @if usage.error_count() > 0 {
                "; " (words::counted(usage.error_count(), "answer was an error", "answers were errors"))
            }
            "."
        }
        @if !usage.clients.is_empty() { (cards("Harvesters", &head, &rows)) }
    }
}

/// How far a client has read its last list, in words.
fn last_list(client: &Harvester) -> String {
    let Some(page) = &client.last_page else {
        return "none".to_owned();
    };
    let (verb, done) = (&page.verb, words::number(page.items));
    match (&page.token, page.total) {
        (None, _) => format!("{verb}: complete, {done}"),
        (Some(_), Some(total)) => format!("{verb}: {done} of {}", words::number(total)),
        (Some(_), None) => format!("{verb}: {done} so far"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::HarvestedPage;

    #[test]
    fn a_list_is_described() {
        let page = |total, is_last: bool| Harvester {
            last_page: Some(HarvestedPage {
                verb: "ListRecords".to_owned(),
                items: 1_200,
                total,
                token: (!is_last).then(|| "t".to_owned()),
            }),
            ..Harvester::default()
        };
        for (client, expected) in [
            (Harvester::default(), "none"),
            (page(None, false), "ListRecords: 1\u{202f}200 so far"),
            (
                page(Some(5_000), false),
                "ListRecords: 1\u{202f}200 of 5\u{202f}000",
            ),
            (
                page(Some(5_000), true),
                "ListRecords: complete, 1\u{202f}200",
            ),
        ] {
            assert_eq!(last_list(&client), expected);
        }
    }
}
