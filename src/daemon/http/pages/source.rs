//! The page of one source and its commands.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::components::{
    address, badge, cards, last_message, record_address, rest, state_badge, table, windows,
    with_arguments,
};
use super::failure::{PageResponses, PageResult};
use super::form::{CommandResult, FormPage, FormResponses, Sent, form, send_form, show_page};
use super::frame::{Nav, Page};
use super::verdict::Tone;
use super::visitor::{Times, Visitor};
use super::{chart, learnt, strip, words};
use crate::daemon::http::{Context, Ctx, Failure, lookup};
use crate::daemon::overview::{DAYS, SourceView};
use crate::daemon::scheduler::Command;
use crate::store::{JobKey, JobKind, JobState, NewRecord, Pass, PassState, RunDay, WarningKind};

/// Rows of a table; the API gives more.
const ROWS: usize = 15;

/// Records that the page names as samples.
const SAMPLES: u32 = 5;

/// A command to a source, as its button sends it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::daemon::http) enum SourceAction {
    Run,
    Pause,
    Resume,
    Reconcile,
    Confirm,
}

/// What the page shows.
pub(in crate::daemon::http) struct SourceDetails {
    source: SourceView,
    runs: Vec<RunDay>,
    newest: Vec<NewRecord>,
}

impl FormPage for SourceAction {
    type View = SourceDetails;

    const FOLDER: &'static str = "source";

    fn command(self, source: &str) -> Command {
        match self {
            Self::Run => Command::Run(JobKey::new(JobKind::Harvest, source)),
            Self::Pause => Command::Pause(source.to_owned()),
            Self::Resume => Command::Resume(source.to_owned()),
            Self::Reconcile => Command::Run(JobKey::new(JobKind::Reconcile, source)),
            Self::Confirm => Command::ConfirmDeletions(source.to_owned()),
        }
    }

    fn accepted(self) -> &'static str {
        match self {
            Self::Run => "A pass starts as soon as the host is free.",
            Self::Pause => "Paused: no pass starts until the source is resumed.",
            Self::Resume => "Passes start by the schedule again.",
            Self::Reconcile => {
                "A reconcile starts as soon as the host is free. It lists everything, to find records \
                 that disappeared."
            }
            Self::Confirm => {
                "Confirmed: what was held goes on. Many new records are read; missing records are asked \
                 for one by one, and those that are gone are deleted."
            }
        }
    }

    async fn find(context: &Context, name: &str) -> Result<SourceDetails, Failure> {
        let source = lookup::source(context, name).await?;
        let registry = Arc::clone(&context.shared.registry);
        let name = name.to_owned();
        let read = context.read(move |reader| {
            let since_ms = strip::since_ms(registry.now_ms());
            let mut runs = reader.run_days(JobKind::Harvest, &[&name], since_ms)?;
            let newest = reader.newest_records(&name, SAMPLES)?;
            Ok((runs.remove(&name).unwrap_or_default(), newest))
        });
        let (runs, newest) = read.await?;
        Ok(SourceDetails {
            source,
            runs,
            newest,
        })
    }

    fn page(details: &SourceDetails, visitor: &Visitor, result: Option<&CommandResult>) -> Markup {
        page(details, visitor, result)
    }
}

/// Show one source
#[utoipa::path(
    get,
    path = "/source/{name}",
    tag = "Pages",
    params(
        ("name" = String, Path, description = "The name of the source."),
        (
            "done" = inline(Option<SourceAction>),
            Query,
            description = "The command that the form of this page has just sent."
        ),
    ),
    responses(PageResponses)
)]
pub(in crate::daemon::http) async fn source_page(
    State(context): State<Ctx>,
    headers: HeaderMap,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> PageResult {
    show_page::<SourceAction>(&context, &headers, &name, query.as_deref()).await
}

/// Send a command to a source with the form of its page
#[utoipa::path(
    post,
    path = "/source/{name}",
    tag = "Pages",
    params(("name" = String, Path, description = "The name of the source.")),
    request_body(content = Sent<SourceAction>, content_type = "application/x-www-form-urlencoded"),
    responses(FormResponses)
)]
pub(in crate::daemon::http) async fn send_source_form(
    State(context): State<Ctx>,
    headers: HeaderMap,
    Path(name): Path<String>,
    body: Bytes,
) -> PageResult {
    send_form::<SourceAction>(&context, &headers, &name, &body).await
}

/// The most important numbers.
fn facts(source: &SourceView, times: Times) -> Markup {
    let cannot_convert = source
        .warnings
        .iter()
        .any(|warning| warning.kind == WarningKind::NoCrosswalk);
    html! {
        dl class="facts" {
            div {
                dt { "Complete up to" }
                dd {
                    @match source.watermark {
                        Some(at) => { (times.ago(at.unix() * 1000)) small { (at) } }
                        None => { "unknown" small { "until the first list is complete" } }
                    }
                }
            }
            div {
                dt { "Live records" }
                dd {
                    (words::number(source.live_records))
                    small {
                        (words::number(source.deleted_records)) " deleted"
                        @if cannot_convert { ", " span class="bad" { "none can be converted" } }
                    }
                }
            }
            div {
                dt { "Quarantined" }
                dd {
                    @if source.quarantined > 0 {
                        a href=(with_arguments("/quarantine", &[("source", &source.name)])) {
                            (words::number(source.quarantined))
                        }
                    } @else { "0" }
                }
            }
            div {
                dt { "Last run" }
                dd {
                    @match source.pass.job.ended_at {
                        Some(at) => { (times.ago(at)) }
                        None => "never",
                    }
                    @if let Some(pass) = source.passes.first() {
                        small { (words::number(pass.counts.new)) " new, " (words::number(pass.counts.changed)) " changed" }
                    }
                }
            }
            div {
                dt { "Next run" }
                dd { @match source.pass.job.next_at { Some(at) => { (times.until(at)) }, None => "none" } }
            }
        }
    }
}

/// Failures and warnings of a source.
fn problems(source: &SourceView, times: Times) -> Markup {
    html! {
        (last_message(&source.pass, times))
        (last_message(&source.reconcile, times))
        @if let Some(words) = &source.gaps_in_words { p class="notice" { (words) } }
        @for warning in &source.warnings {
            p class="notice" { (warning.message) " " span class="hint" { "(since " (times.text(warning.since_at)) ")" } }
        }
    }
}

fn pass_address(source: &SourceView, pass: &Pass) -> String {
    format!("{}/pass/{}", address("source", &source.name), pass.id.0)
}

/// The state of a pass in one word.
pub(super) fn state_of(pass: &Pass, source: &SourceView) -> &'static str {
    let runs = source.pass.job.is_running() || source.reconcile.job.is_running();
    match pass.state {
        PassState::Complete => "complete",
        PassState::Open if runs => "running",
        PassState::Open => "interrupted",
        PassState::Incomplete => "ended with gaps",
        PassState::Abandoned => "replaced",
    }
}

fn pass_badge(pass: &Pass, source: &SourceView) -> Markup {
    let word = state_of(pass, source);
    let tone = match word {
        "complete" => Tone::Good,
        "running" => Tone::Info,
        "replaced" => Tone::Idle,
        _ => Tone::Warn,
    };
    badge(tone, word)
}

fn page(details: &SourceDetails, visitor: &Visitor, result: Option<&CommandResult>) -> Markup {
    let (source, times) = (&details.source, visitor.times);
    let state = source.state;
    let content = html! {
        p class="hint" { a href="/" { "Sources" } }
        h1 { (source.name) " " (state_badge(state)) }
        @if let Some(result) = result { (result.markup()) }
        div id="live" {
            p {
                @if let Some(name) = &source.traits.repository_name { (name) ". " }
                (words::source(source, times)) "."
            }
            (problems(source, times))
            (facts(source, times))
            p class="hint" { "Last 30 days" (strip::strip(&details.runs, times.now_ms)) }
        }
        @if source.configured { (commands(source, visitor)) }
        @let chart = chart::chart(&source.days, times.now_ms, DAYS);
        @if !chart.0.is_empty() {
            h2 { "Records" }
            (chart)
        }
        @if !source.gaps.is_empty() {
            h2 { "Gaps" }
            (gaps(source, times))
        }
        @if !source.quarantine.is_empty() {
            h2 { "Quarantine" }
            (quarantine(source, times))
        }
        @if !details.newest.is_empty() {
            h2 { "Newest records" }
            (newest(source, &details.newest, times))
        }
        h2 { "Repository" }
        (repository(source, times))
        @if source.watermarks.len() > 1 {
            h2 { "Watermarks" }
            (table("Watermarks", &html! {
                tr { th { "Set" } th { "Complete up to" } }
                @for watermark in source.watermarks.iter().take(ROWS) {
                    tr {
                        td class="text" { (watermark.set_spec.as_deref().unwrap_or("all")) }
                        td { (watermark.datestamp) }
                    }
                }
            }))
            (rest(ROWS, source.watermarks.len() as u64, "first"))
        }
        @if !source.passes.is_empty() {
            h2 { "Last passes" }
            (passes(source, times))
        }
        @if !source.pending_windows.is_empty() {
            h2 { "Open windows" }
            (windows("Open windows", &source.pending_windows[..source.pending_windows.len().min(ROWS)]))
            (rest(ROWS, source.pending_windows.len() as u64, "first"))
        }
    };
    let page = Page {
        refresh: Some(30),
        is_alarming: state.is_problem(),
        ..Page::of(&source.name, Nav::Sources, visitor)
    };
    page.with(&content)
}

/// The sets, with what the repository calls them.
fn sets(source: &SourceView) -> String {
    let names = source.set_names.iter().chain(std::iter::repeat(&None));
    let sets = source.sets.iter().zip(names).map(|(set, name)| match name {
        Some(name) => format!("{set} ({name})"),
        None => set.clone(),
    });
    sets.collect::<Vec<_>>().join(", ")
}

/// What the repository is, and what was learnt of it.
fn repository(source: &SourceView, times: Times) -> Markup {
    let sentences = learnt::sentences(&source.traits);
    html! {
        dl class="pairs" {
            @if !source.base_url.is_empty() {
                dt { "Base URL" }
                dd {
                    @if source.base_url.starts_with("https://") || source.base_url.starts_with("http://") {
                        a href={ (source.base_url) "?verb=Identify" } rel="noreferrer" { (source.base_url) }
                    } @else { (source.base_url) }
                }
                dt { "Format" } dd { code { (source.metadata_prefix) } }
            }
            @if !source.sets.is_empty() { dt { "Sets" } dd { (sets(source)) } }
            @if source.configured && source.reconcile.job.state != JobState::OnDemand {
                dt { "Reconcile" } dd { (words::job(&source.reconcile, times)) }
            }
        }
        @if !sentences.is_empty() {
            ul { @for sentence in &sentences { li { (sentence) } } }
        }
    }
}

fn quarantine(source: &SourceView, times: Times) -> Markup {
    let head = html! { th { "Last seen" } th { "Identifier" } th { "Reason" } };
    html! {
        (cards("Quarantine", &head, &html! {
            @for item in &source.quarantine {
                tr {
                    td data-label="Last seen" { (times.ago(item.last_at)) }
                    td class="text" data-label="Identifier" {
                        a href={ "/quarantine/" (item.number) } {
                            (item.identifier.as_deref().unwrap_or("none"))
                        }
                    }
                    td class="text" data-label="Reason" { (item.reason) }
                }
            }
        }))
        @if source.quarantined > source.quarantine.len() as u64 {
            p { a href=(with_arguments("/quarantine", &[("source", &source.name)])) {
                "All " (words::number(source.quarantined)) " items"
            } }
        }
    }
}

fn newest(source: &SourceView, records: &[NewRecord], times: Times) -> Markup {
    html! {
        ul {
            @for record in records {
                li {
                    a href=(record_address(&source.name, &record.identifier)) { (record.identifier) }
                    ", " (times.ago(record.version.unix_ms()))
                    @if record.deleted { " " (badge(Tone::Idle, "deleted")) }
                }
            }
        }
    }
}

/// The spans that could not be read.
fn gaps(source: &SourceView, times: Times) -> Markup {
    let shown = &source.gaps[..source.gaps.len().min(ROWS)];
    let head = html! {
        th { "From" } th { "Until" } th class="number" { "Attempts" } th { "Next attempt" } th { "Reason" }
    };
    html! {
        (cards("Gaps", &head, &html! {
            @for gap in shown {
                tr {
                    td data-label="From" {
                        @match gap.span.from {
                            Some(from) => (from),
                            None => "the beginning",
                        }
                        @if let Some(set) = &gap.set_spec { " of set " (set) }
                    }
                    td data-label="Until" { @if let Some(until) = gap.span.until { (until) } }
                    td class="number" data-label="Attempts" { (gap.attempts) }
                    td data-label="Next attempt" { (times.until(gap.next_at)) }
                    td class="text" data-label="Reason" { (gap.reason) }
                }
            }
        }))
        (rest(ROWS, source.gaps.len() as u64, "first"))
    }
}

fn commands(source: &SourceView, visitor: &Visitor) -> Markup {
    let warns_of = |kind| source.warnings.iter().any(|warning| warning.kind == kind);
    let buttons = html! {
        button class="main" name="action" value="run" { "Run now" }
        @if source.pass.job.paused_at.is_some() { button name="action" value="resume" { "Resume" } }
        @else { button name="action" value="pause" { "Pause" } }
        button name="action" value="reconcile" { "Find disappeared records" }
        @if warns_of(WarningKind::HeldGrowth) { button name="action" value="confirm" { "Confirm the many records" } }
        @else if warns_of(WarningKind::HeldDeletions) {
            button name="action" value="confirm" { "Confirm deletions" }
        }
    };
    form(&address("source", &source.name), visitor, &buttons)
}

fn passes(source: &SourceView, times: Times) -> Markup {
    let head = html! {
        th { "Started" } th { "Kind" } th { "State" }
        th class="number" { "New" } th class="number" { "Changed" }
        th class="number" { "Deleted" } th class="number" { "Unchanged" }
        th class="number" { "Pages" } th { "Note" }
    };
    cards(
        "Last passes",
        &head,
        &html! {
            @for pass in source.passes.iter().take(ROWS) {
                tr {
                    td data-label="Started" { a href=(pass_address(source, pass)) { (times.ago(pass.started_at)) } }
                    td data-label="Kind" { (pass.kind.word()) }
                    td data-label="State" { (pass_badge(pass, source)) }
                    td class="number" data-label="New" { (words::number(pass.counts.new)) }
                    td class="number" data-label="Changed" { (words::number(pass.counts.changed)) }
                    td class="number" data-label="Deleted" { (words::number(pass.counts.deleted)) }
                    td class="number" data-label="Unchanged" { (words::number(pass.counts.unchanged)) }
                    td class="number" data-label="Pages" { (words::number(pass.pages)) }
                    td class="text" data-label="Note" { (pass.note.as_deref().unwrap_or_default()) }
                }
            }
        },
    )
}
