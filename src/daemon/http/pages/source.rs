//! The page of one source and its commands.

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::components::{address, rest, table, windows};
use super::failure::{PageResponses, PageResult};
use super::form::{CommandResult, FormPage, FormResponses, Sent, form, send_form, show_page};
use super::frame::Page;
use super::{chart, words};
use crate::daemon::http::lookup::At;
use crate::daemon::http::{Context, Ctx, Failure, lookup};
use crate::daemon::overview::{DAYS, JobView, SourceView};
use crate::daemon::scheduler::Command;
use crate::store::{JobKey, JobKind, JobState, Pass, PassState, WarningKind};

/// Rows of a table; the API gives more.
const ROWS: usize = 15;

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

impl FormPage for SourceAction {
    type View = SourceView;

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

    async fn find(context: &Context, name: &str) -> Result<At<SourceView>, Failure> {
        lookup::source(context, name).await
    }

    fn page(
        source: &SourceView,
        now_ms: i64,
        has_token: bool,
        result: Option<&CommandResult>,
    ) -> Markup {
        page(source, now_ms, has_token, result)
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
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> PageResult {
    show_page::<SourceAction>(&context, &name, query.as_deref()).await
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
    Path(name): Path<String>,
    body: Bytes,
) -> PageResult {
    send_form::<SourceAction>(&context, &name, &body).await
}

/// The state of a source in short.
pub(super) fn summary(source: &SourceView, now_ms: i64) -> Markup {
    html! {
        p { (words::source(source, now_ms)) "." }
        dl {
            dt { "Complete up to" }
            dd {
                @match (source.watermark, source.behind_seconds) {
                    (Some(at), Some(behind)) => { (at) " (" (words::span(behind)) " behind)" }
                    _ => "unknown until the first list is complete",
                }
                @if let Some(seconds) = source.traits.delayed_seconds {
                    "; the repository hides changes of the last " (words::span(seconds))
                }
            }
            dt { "Records" }
            dd {
                (words::number(source.live_records)) " live, "
                (words::number(source.deleted_records)) " deleted"
                @if source.quarantined > 0 {
                    ", " span class="bad" { (words::number(source.quarantined)) " quarantined" }
                }
                @if source.warnings.iter().any(|warning| warning.kind == WarningKind::NoCrosswalk) {
                    ", " span class="bad" {
                        (words::number(source.live_records)) " cannot be converted"
                    }
                }
            }
            @if let Some(pass) = source.passes.first() {
                dt { "Last pass" }
                dd { (pass_in_words(pass, source, now_ms)) }
            }
            @if source.configured && source.reconcile.job.state != JobState::OnDemand {
                dt { "Reconcile" } dd { (words::job(&source.reconcile, now_ms)) }
            }
            @if !source.pending_windows.is_empty() {
                dt { "Open windows" }
                dd { (words::number(source.pending_windows.len() as u64)) }
            }
        }
    }
}

/// Why the last run of a job did not succeed, or what a person has to know of it.
pub(super) fn last_message(view: &JobView) -> Markup {
    let job = &view.job;
    html! {
        @if let (Some(message), Some(outcome)) = (&job.message, job.outcome) {
            p class="bad" {
                @if let Some(at) = job.ended_at { (words::instant(at)) ": " }
                "The last " (job.key.kind.word()) " " (outcome.word()) ": " (message)
            }
        }
    }
}

/// Failures and warnings of a source.
pub(super) fn problems(source: &SourceView) -> Markup {
    html! {
        (last_message(&source.pass))
        (last_message(&source.reconcile))
        @if let Some(words) = &source.gaps_in_words { p class="bad" { (words) } }
        @for warning in &source.warnings {
            p class="bad" { "Since " (words::instant(warning.since_at)) ": " (warning.message) }
        }
    }
}

fn pass_in_words(pass: &Pass, source: &SourceView, now_ms: i64) -> Markup {
    let at = pass.ended_at.unwrap_or(pass.started_at);
    let word = state_of(pass, source);
    html! {
        a href=(pass_address(source, pass)) {
            span class=(if pass.state == PassState::Complete { "good" } else { "" }) { (word) }
            " " (words::span((now_ms - at) / 1000)) " ago"
        }
        ": " (words::number(pass.counts.new)) " new, "
        (words::number(pass.counts.changed)) " changed, "
        (words::number(pass.counts.deleted)) " deleted, "
        (words::number(pass.counts.unchanged)) " unchanged"
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

fn page(
    source: &SourceView,
    now_ms: i64,
    has_token: bool,
    result: Option<&CommandResult>,
) -> Markup {
    let content = html! {
        h1 { (source.name) }
        @if let Some(result) = result { (result.markup()) }
        (summary(source, now_ms))
        (problems(source))
        (chart::charts(&source.days, now_ms, DAYS))
        @if source.configured { (commands(source, has_token)) }
        h2 { "Repository" }
        dl {
            @if let Some(name) = &source.traits.repository_name {
                dt { "Name" } dd { (name) }
            }
            dt { "Base URL" } dd { (source.base_url) }
            dt { "Format" } dd { (source.metadata_prefix) }
            @if !source.sets.is_empty() {
                dt { "Sets" } dd { (source.sets.join(", ")) }
            }
            @if let Some(deleted) = &source.traits.deleted_record {
                dt { "Deleted records" } dd { (deleted) }
            }
        }
        @if source.watermarks.len() > 1 {
            h2 { "Watermarks" }
            (table("Watermarks", &html! {
                tr { th { "Set" } th { "Complete up to" } }
                @for watermark in &source.watermarks {
                    tr {
                        td class="text" { (watermark.set_spec.as_deref().unwrap_or("all")) }
                        td { (watermark.datestamp) }
                    }
                }
            }))
        }
        @if !source.gaps.is_empty() {
            h2 { "Gaps" }
            (gaps(source))
        }
        @if !source.passes.is_empty() {
            h2 { "Last passes" }
            (passes(source))
        }
        @if !source.pending_windows.is_empty() {
            h2 { "Open windows" }
            (windows("Open windows", &source.pending_windows[..source.pending_windows.len().min(ROWS)]))
            (rest(ROWS, source.pending_windows.len() as u64, "first"))
        }
        @if !source.quarantine.is_empty() {
            h2 { "Quarantine" }
            (table("Quarantine", &html! {
                tr { th { "Last seen" } th { "Identifier" } th { "Reason" } }
                @for item in &source.quarantine {
                    tr {
                        td { (words::instant(item.last_at)) }
                        td class="text" {
                            a href={ "/quarantine/" (item.number) } {
                                (item.identifier.as_deref().unwrap_or("none"))
                            }
                        }
                        td class="text" { (item.reason) }
                    }
                }
            }))
            (rest(source.quarantine.len(), source.quarantined, "newest"))
        }
    };
    Page::new(&source.name).with(&content)
}

/// The spans that could not be read.
fn gaps(source: &SourceView) -> Markup {
    let shown = &source.gaps[..source.gaps.len().min(ROWS)];
    html! {
        (table("Gaps", &html! {
            tr { th { "From" } th { "Until" } th { "Attempts" } th { "Next attempt" } th { "Reason" } }
            @for gap in shown {
                tr {
                    td {
                        @match gap.span.from {
                            Some(from) => (from),
                            None => "the beginning",
                        }
                        @if let Some(set) = &gap.set_spec { " of set " (set) }
                    }
                    td { @if let Some(until) = gap.span.until { (until) } }
                    td { (gap.attempts) }
                    td { (words::instant(gap.next_at)) }
                    td class="text" { (gap.reason) }
                }
            }
        }))
        (rest(ROWS, source.gaps.len() as u64, "first"))
    }
}

fn commands(source: &SourceView, has_token: bool) -> Markup {
    let warns_of = |kind| source.warnings.iter().any(|warning| warning.kind == kind);
    let buttons = html! {
        button name="action" value="run" { "Run now" }
        @if source.pass.job.paused_at.is_some() { button name="action" value="resume" { "Resume" } }
        @else { button name="action" value="pause" { "Pause" } }
        button name="action" value="reconcile" { "Find disappeared records" }
        @if warns_of(WarningKind::HeldGrowth) { button name="action" value="confirm" { "Confirm the many records" } }
        @else if warns_of(WarningKind::HeldDeletions) {
            button name="action" value="confirm" { "Confirm deletions" }
        }
    };
    form(&address("source", &source.name), has_token, &buttons)
}

fn passes(source: &SourceView) -> Markup {
    table(
        "Last passes",
        &html! {
            tr {
                th { "Started" } th { "Kind" } th { "State" }
                th class="number" { "New" } th class="number" { "Changed" }
                th class="number" { "Deleted" } th class="number" { "Unchanged" }
                th class="number" { "Pages" } th { "Note" }
            }
            @for pass in source.passes.iter().take(ROWS) {
                tr {
                    td { a href=(pass_address(source, pass)) { (words::instant(pass.started_at)) } }
                    td { (pass.kind.word()) }
                    td { (state_of(pass, source)) }
                    td class="number" { (words::number(pass.counts.new)) }
                    td class="number" { (words::number(pass.counts.changed)) }
                    td class="number" { (words::number(pass.counts.deleted)) }
                    td class="number" { (words::number(pass.counts.unchanged)) }
                    td class="number" { (words::number(pass.pages)) }
                    td class="text" { (pass.note.as_deref().unwrap_or_default()) }
                }
            }
        },
    )
}
