//! What several pages show in the same way: links, badges, tables, windows.

use maud::{Markup, html};

use super::verdict::Tone;
use super::visitor::Times;
use super::words;
use crate::daemon::overview::JobView;
use crate::store::{JobOutcome, JobState, SourceState, Window};

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

/// The address of a page with arguments. Empty values are left out.
pub(super) fn with_arguments(page: &str, arguments: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(arguments.iter().filter(|(_, value)| !value.is_empty()));
    match query.finish() {
        empty if empty.is_empty() => page.to_owned(),
        query => format!("{page}?{query}"),
    }
}

/// A word on a coloured ground.
pub(super) fn badge(tone: Tone, word: &str) -> Markup {
    html! { span class={ "badge " (tone.class()) } { (word) } }
}

/// The state of a source as a badge.
pub(super) fn state_badge(state: SourceState) -> Markup {
    badge(Tone::of(state), &state_word(state))
}

/// The word for a state of sources, with a capital.
pub(super) fn state_word(state: SourceState) -> String {
    let (first, rest) = state.text().split_at(1);
    first.to_uppercase() + rest
}

/// The state of the job of an output or export as a badge.
pub(super) fn job_badge(view: &JobView, is_behind: bool) -> Markup {
    let job = &view.job;
    let (tone, word) = match (job.state, job.outcome) {
        (_, Some(JobOutcome::Failed)) => (Tone::Bad, "Failed"),
        (JobState::Running, _) => (Tone::Info, "Running"),
        (JobState::Paused, _) => (Tone::Idle, "Paused"),
        (_, None) => (Tone::Info, "New"),
        _ if is_behind => (Tone::Info, "Behind"),
        _ => (Tone::Good, "Up to date"),
    };
    badge(tone, word)
}

/// A table that scrolls sideways on a narrow screen.
pub(super) fn table(label: &str, rows: &Markup) -> Markup {
    html! {
        // People without a mouse reach the table with the keyboard to scroll it.
        div class="wide" role="region" aria-label=(label) tabindex="0" { table { (rows) } }
    }
}

/// A table whose rows become cards on a narrow screen. `head` is its headings.
pub(super) fn cards(label: &str, head: &Markup, rows: &Markup) -> Markup {
    html! {
        div class="wide" role="region" aria-label=(label) tabindex="0" {
            table class="cards" { thead { tr { (head) } } tbody { (rows) } }
        }
    }
}

/// Says that a table has only the first rows, if so.
pub(super) fn rest(shown: usize, all: u64, which: &str) -> Markup {
    html! {
        @if all > shown as u64 { p class="hint" { "The " (which) " " (shown) " of " (words::number(all)) "." } }
    }
}

/// Why the last run of a job did not succeed, or what a person has to know of it.
pub(super) fn last_message(view: &JobView, times: Times) -> Markup {
    let job = &view.job;
    html! {
        @if let (Some(message), Some(outcome)) = (&job.message, job.outcome) {
            p class={ "notice" @if outcome == JobOutcome::Failed { " t-bad" } } {
                "The last " (job.key.kind.word()) " " (outcome.word())
                @if let Some(at) = job.ended_at { " " (times.ago(at)) }
                ": " (message.trim_end_matches('.')) "."
                @if let Some(since) = job.failing_since.filter(|_| job.failures > 1) {
                    " It has failed " (words::counted(u64::from(job.failures), "time", "times"))
                    " since " (times.text(since)) "."
                }
            }
        }
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
