//! The page of one source, and what may be wished of it there.

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

use super::form::{Said, Sent, buttons};
use super::{Frame, address, frame, or_failed, respond, wide};
use crate::daemon::http::arguments::Arguments;
use crate::daemon::http::{Context, Ctx, Failure, api, chart, words};
use crate::daemon::overview::{DAYS, JobView, SourceView};
use crate::daemon::scheduler::Command;
use crate::store::{JobKey, JobKind, JobState, Pass, PassState, WarningKind, Window};

/// Passes and windows in a table; more are in the API.
const ROWS: usize = 15;

/// `GET /source/{name}`
pub(in crate::daemon::http) async fn source(
    State(context): State<Ctx>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let answer = async {
        let arguments = Arguments::read(query.as_deref(), &["done"], &[])?;
        let said = arguments
            .text("done")
            .and_then(|action| command(action, &name))
            .map(|(_, done)| Said::done(done));
        show(&context, &name, StatusCode::OK, said).await
    };
    or_failed(answer.await)
}

async fn show(
    context: &Context,
    name: &str,
    status: StatusCode,
    said: Option<Said>,
) -> Result<Response, Failure> {
    let overview = context.overview().await?;
    let found = overview.sources.iter().find(|source| source.name == name);
    let Some(source) = found else {
        let message = format!("There is no source {name}.");
        return Err(Failure::new(StatusCode::NOT_FOUND, message));
    };
    let has_token = context.shared.registry.token().is_some();
    let page = page(source, overview.now_ms, has_token, said.as_ref());
    Ok(respond(status, page))
}

/// `POST /source/{name}`: `action` and `token` as the form on the page sends them.
pub(in crate::daemon::http) async fn act(
    State(context): State<Ctx>,
    Path(name): Path<String>,
    body: Bytes,
) -> Response {
    let answer = async {
        let sent = Sent::read(&body)?;
        let Some((command, _)) = command(&sent.action, &name) else {
            let message = "the form needs an action: run, pause, resume, reconcile or confirm";
            return Err(Failure::new(StatusCode::BAD_REQUEST, message));
        };
        let to = address("source", &name);
        let show = |status, said| show(&context, &name, status, said);
        let sending = api::send(&context, command);
        sent.answer(&context, &to, sending, show).await
    };
    or_failed(answer.await)
}

/// The command of a button, and the text that confirms it.
fn command(action: &str, name: &str) -> Option<(Command, &'static str)> {
    let run = |kind| Command::Run(JobKey::new(kind, name));
    match action {
        "run" => Some((
            run(JobKind::Pass),
            "A pass begins as soon as its host is free.",
        )),
        "pause" => Some((
            Command::Pause(name.to_owned()),
            "Paused: no pass begins until it is resumed.",
        )),
        "confirm" => Some((
            Command::ConfirmDeletions(name.to_owned()),
            "Confirmed: records that the list did not show are requested one by one, and deleted if \
             they do not exist.",
        )),
        "reconcile" => Some((
            run(JobKind::Reconcile),
            "A reconcile begins as soon as the host is free. It lists everything, to find records that \
             disappeared.",
        )),
        "resume" => Some((
            Command::Resume(name.to_owned()),
            "Passes begin by the schedule again.",
        )),
        _ => None,
    }
}

/// What is most worth knowing of a source.
pub(super) fn summary(source: &SourceView, now_ms: i64) -> Markup {
    html! {
        p { (words::source(source, now_ms)) "." }
        dl {
            dt { "Complete up to" }
            dd {
                @match (source.watermark, source.behind_seconds) {
                    (Some(at), Some(behind)) => { (at) " (" (words::span(behind)) " behind)" }
                    _ => "nothing is proven yet",
                }
                @if let Some(seconds) = source.traits.delayed_seconds {
                    "; the repository itself holds back " (words::span(seconds))
                }
            }
            dt { "Records" }
            dd {
                (words::number(source.live_records)) " live, "
                (words::number(source.deleted_records)) " deleted"
                @if source.quarantined > 0 {
                    ", " span class="bad" { (words::number(source.quarantined)) " set aside" }
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
                "the last " (job.key.kind.word()) " " (outcome.word()) ": " (message)
            }
        }
    }
}

/// What is not as it should be.
pub(super) fn problems(source: &SourceView) -> Markup {
    html! {
        (last_message(&source.pass))
        (last_message(&source.reconcile))
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

/// Where a pass stands, in a word.
pub(super) fn state_of(pass: &Pass, source: &SourceView) -> &'static str {
    let runs = source.pass.job.is_running() || source.reconcile.job.is_running();
    match pass.state {
        PassState::Complete => "complete",
        PassState::Open if runs => "running",
        PassState::Open => "cut off",
        PassState::Abandoned => "given up",
    }
}

fn page(source: &SourceView, now_ms: i64, has_token: bool, said: Option<&Said>) -> Markup {
    let content = html! {
        h1 { (source.name) }
        @if let Some(said) = said { (said.markup()) }
        (summary(source, now_ms))
        (problems(source))
        (chart::charts(&source.days, now_ms, DAYS))
        @if source.configured { (wishes(source, has_token)) }
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
                dt { "Tells deletions" } dd { (deleted) }
            }
        }
        @if source.watermarks.len() > 1 {
            h2 { "Proven lists" }
            (wide("Proven lists", &html! {
                tr { th { "Set" } th { "Complete up to" } }
                @for watermark in &source.watermarks {
                    tr {
                        td class="text" { (watermark.set_spec.as_deref().unwrap_or("all")) }
                        td { (watermark.datestamp) }
                    }
                }
            }))
        }
        @if !source.passes.is_empty() {
            h2 { "Last passes" }
            (passes(source))
        }
        @if !source.pending_windows.is_empty() {
            h2 { "Open windows" }
            (windows("Open windows", &source.pending_windows[..source.pending_windows.len().min(ROWS)]))
            @if source.pending_windows.len() > ROWS {
                p class="hint" { "The first of " (words::number(source.pending_windows.len() as u64)) "." }
            }
        }
        @if !source.quarantine.is_empty() {
            h2 { "Set aside" }
            (wide("Set aside", &html! {
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
            @if source.quarantined > source.quarantine.len() as u64 {
                p class="hint" { "The newest of " (words::number(source.quarantined)) "." }
            }
        }
    };
    frame(&source.name, &Frame::default(), &content)
}

fn wishes(source: &SourceView, has_token: bool) -> Markup {
    let held = source
        .warnings
        .iter()
        .any(|warning| warning.kind == WarningKind::HeldDeletions);
    let wishes = html! {
        button name="action" value="run" { "Run now" }
        @if source.pass.job.paused_at.is_some() { button name="action" value="resume" { "Resume" } }
        @else { button name="action" value="pause" { "Pause" } }
        button name="action" value="reconcile" { "Look for vanished records" }
        @if held { button name="action" value="confirm" { "Confirm the held deletions" } }
    };
    buttons(&address("source", &source.name), has_token, &wishes)
}

fn passes(source: &SourceView) -> Markup {
    wide(
        "Last passes",
        &html! {
            tr {
                th { "Began" } th { "Kind" } th { "State" }
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

/// Windows as a table.
pub(super) fn windows(label: &str, windows: &[Window]) -> Markup {
    let with_sets = windows.iter().any(|window| window.set_spec.is_some());
    wide(
        label,
        &html! {
            tr {
                @if with_sets { th { "Set" } }
                th { "From" } th { "Until" } th { "State" } th class="number" { "Items" }
                th class="number" { "Stated" } th class="number" { "Begun" } th { "Note" }
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
