//! `harvestd status`: shows the state of the store, of each source and of each output.

use std::collections::BTreeMap;
use std::io::Write;

use chrono::{DateTime, SecondsFormat};
use serde_json::{Value, json};

use super::exit::UsageError;
use super::state::{self, SourceView};
use super::table::{Cell, Column, Screen, Tone, fit, printable};
use crate::clock::rfc3339;
use crate::config::Config;
use crate::harvest::gaps_in_words;
use crate::oai::Granularity;
use crate::output::OutputSettings;
use crate::store::{
    Export, Gap, Harvester, HostPause, Job, JobKind, JobOutcome, Output, Pass, PassState,
    QuarantinedItem, Reader, Source, SourceState, StoreError, Traits, Warning, WarningKind, Window,
};

/// Arguments of `status`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without a name: what needs attention, and a table of all sources, problems first. With names: all that is known of
these sources.

Examples:
  harvestd status                  sources, outputs and exports; of many sources only problems and sums
  harvestd status --all            every source
  harvestd status doaj-articles    one source in detail
  harvestd status --json           everything, for programs")]
pub struct Args {
    /// Names of sources
    #[arg(value_name = "SOURCE")]
    pub sources: Vec<String>,
    /// Show every source, however many there are
    #[arg(long, conflicts_with = "sources")]
    pub all: bool,
}

/// With more sources than this, only those with problems are shown.
const MOST_SOURCES: usize = 50;

/// The number of passes of a source that the JSON form shows.
const PASSES: u32 = 10;

/// The number of quarantined items that are shown.
const QUARANTINED: u32 = 5;

/// The state of one source.
struct State {
    source: Source,
    gaps: Vec<Gap>,
    passes: Vec<Pass>,
    pending: Vec<Window>,
    warnings: Vec<Warning>,
    quarantined: u64,
    quarantine: Vec<QuarantinedItem>,
}

/// Writes the state of the store to `out`.
///
/// # Errors
/// If there is no store, it cannot be read, or it has no source of a given name.
pub fn run(
    args: &Args,
    config: &Config,
    as_json: bool,
    now_ms: i64,
    screen: Screen,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let reader = Reader::open(&config.store)?;
    reader.snapshot(|reader| show(args, config, as_json, now_ms, screen, reader, out))
}

fn show(
    args: &Args,
    config: &Config,
    as_json: bool,
    now_ms: i64,
    screen: Screen,
    reader: &Reader,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let mut views = state::sources(config, Some(reader), now_ms)?;
    for name in &args.sources {
        if views.iter().all(|view| view.source.name != *name) {
            let message = format!("there is no source {name:?}; harvestd sources shows all names");
            return Err(UsageError(message).into());
        }
    }
    if !args.sources.is_empty() {
        views.retain(|view| args.sources.contains(&view.source.name));
    }
    let hosts = reader.host_pauses()?;
    let jobs = reader.jobs()?;
    if as_json {
        let mut sources = Vec::new();
        // A source that was never harvested has nothing to tell.
        for view in views.iter().filter(|view| view.source.id.0 != 0) {
            let mut value = as_value(&state(reader, &view.source)?);
            value["state"] = json!(view.state);
            value["running"] = json!(view.is_running);
            value["why"] = json!(view.why);
            sources.push(value);
        }
        sources.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
        let outputs = outputs(reader, config)?;
        let value = json!({
            "store": config.store,
            "last_version": reader.last_version()?,
            "sources": sources,
            "outputs": outputs.iter().map(output_as_value).collect::<Vec<_>>(),
            "exports": reader.exports()?,
            "jobs": jobs,
            "conditions": reader.conditions()?,
            "hosts": hosts,
            "provider": provider_as_value(&reader.harvesters()?, config),
        });
        writeln!(out, "{value}")?;
        return Ok(());
    }
    if !args.sources.is_empty() {
        for view in &views {
            let text = details(&state(reader, &view.source)?, view, now_ms, screen);
            out.write_all(text.as_bytes())?;
        }
        out.write_all(overview(&views, reader, screen)?.as_bytes())?;
        return Ok(());
    }
    if views.is_empty() {
        writeln!(
            out,
            "store {} is empty: no source has been harvested",
            config.store.display()
        )?;
        return Ok(());
    }
    let mut parts = vec![
        outputs_as_text(&outputs(reader, config)?, config, &jobs, screen),
        exports_as_text(&reader.exports()?, &jobs, screen),
        harvesters_as_text(&reader.harvesters()?, screen),
        waiting(&hosts, now_ms, screen),
    ];
    let mut notices = String::new();
    let mut shown = Vec::new();
    let shows_all = args.all || views.len() <= MOST_SOURCES;
    let summed_up = sums(&views);
    for view in views {
        let notice = notices_of(&view, reader, &jobs, screen)?;
        let is_well = notice.is_empty() && !view.state.is_problem();
        notices.push_str(&notice);
        if shows_all || !is_well {
            shown.push(view);
        }
    }
    parts.push(notices);
    if !shows_all {
        parts.push(screen.wrap(&summed_up, 2));
    }
    if !shown.is_empty() {
        parts.push(overview(&shown, reader, screen)?);
    }
    parts.retain(|part| !part.is_empty());
    out.write_all(parts.join("\n").as_bytes())?;
    Ok(())
}

fn state(reader: &Reader, source: &Source) -> Result<State, StoreError> {
    let passes = reader.passes(source.id, PASSES)?;
    let pending = match passes.first() {
        Some(pass) if pass.state == PassState::Open => reader.pending_windows(pass.id)?,
        _ => Vec::new(),
    };
    Ok(State {
        gaps: reader.gaps(source)?,
        warnings: reader.warnings(source.id)?,
        quarantined: reader.count_quarantine(source.id)?,
        quarantine: reader.quarantine(source.id, QUARANTINED)?,
        passes,
        pending,
        source: source.clone(),
    })
}

/// The state of one output, also before its first push.
struct OutputState {
    output: Output,
    /// The number of unconfirmed changes; `None` if the output is no longer configured, so that its
    /// selection is unknown.
    behind: Option<u64>,
    rejected: u64,
}

fn outputs(reader: &Reader, config: &Config) -> Result<Vec<OutputState>, StoreError> {
    let mut states = Vec::new();
    let mut known = reader.outputs()?;
    for settings in &config.outputs {
        if known.iter().all(|output| output.name != settings.name) {
            known.push(Output::unknown(settings.name.clone()));
        }
    }
    for output in known {
        // A rebuild wants what its output wants.
        let name = OutputSettings::rebuilt_output(&output.name).unwrap_or(&output.name);
        let behind = match config.output(name) {
            Ok(settings) => Some(reader.count_changes(&settings.filter(output.position))?),
            Err(_) => None,
        };
        states.push(OutputState {
            behind,
            rejected: reader.count_rejected(output.id)?,
            output,
        });
    }
    Ok(states)
}

fn outputs_as_text(
    states: &[OutputState],
    config: &Config,
    jobs: &[Job],
    screen: Screen,
) -> String {
    if states.is_empty() {
        return String::new();
    }
    let columns = [
        Column::left("output").cut(),
        Column::left("state"),
        Column::right("behind"),
        Column::right("rejected"),
        Column::right("added").drop(2),
        Column::right("deleted").drop(3),
        Column::left("confirmed").drop(1),
    ];
    let job_of = |output: &Output| of_kind(jobs, JobKind::Push, &output.name);
    let rows: Vec<Vec<Cell>> = states
        .iter()
        .map(|state| {
            let output = &state.output;
            let behind = state.behind.map(|behind| behind.to_string());
            let confirmed = output.confirmed_at.map(instant);
            vec![
                output.name.as_str().into(),
                job_state(job_of(output)),
                behind.unwrap_or_else(|| "?".to_owned()).into(),
                state.rejected.to_string().into(),
                output.added.to_string().into(),
                output.deleted.to_string().into(),
                confirmed.unwrap_or_else(|| "never".to_owned()).into(),
            ]
        })
        .collect();
    let mut text = String::new();
    for OutputState { output, behind, .. } in states {
        if behind.is_none() && config.file.is_some() {
            let words = format!("output {}: is not configured any more", output.name);
            text.push_str(&screen.wrap(&words, 2));
        }
        text.push_str(&failure(job_of(output), screen));
    }
    text.push_str(&fit(&columns, &rows, screen));
    text
}

/// The job of this kind and name among those of a store, which are sorted by both.
fn of_kind<'a>(jobs: &'a [Job], kind: JobKind, name: &str) -> Option<&'a Job> {
    let wanted = (kind.word(), name);
    let at = jobs.binary_search_by(|job| (job.key.kind.word(), job.key.name.as_str()).cmp(&wanted));
    at.ok().map(|at| &jobs[at])
}

/// The state of a push or an export in a word.
fn job_state(job: Option<&Job>) -> Cell {
    match job {
        Some(job) if job.is_running() => Cell::new("running", Tone::Active),
        Some(Job {
            outcome: Some(outcome),
            ..
        }) => {
            let tone = match outcome {
                JobOutcome::Succeeded => Tone::Good,
                JobOutcome::Failed => Tone::Bad,
                JobOutcome::Interrupted => Tone::Doubtful,
            };
            Cell::new(outcome.word(), tone)
        }
        _ => "new".into(),
    }
}

/// Why the last run of a job did not succeed; empty if it did.
fn failure(job: Option<&Job>, screen: Screen) -> String {
    let Some(job) = job.filter(|job| job.outcome != Some(JobOutcome::Succeeded)) else {
        return String::new();
    };
    match &job.message {
        Some(message) => screen.wrap(&format!("{}: {}", job.key, printable(message)), 2),
        None => String::new(),
    }
}

fn exports_as_text(exports: &[Export], jobs: &[Job], screen: Screen) -> String {
    if exports.is_empty() {
        return String::new();
    }
    let columns = [
        Column::left("export").cut(),
        Column::left("state"),
        Column::right("records"),
        Column::right("deleted").drop(2),
        Column::left("done").drop(1),
        Column::left("newest file").cut(),
    ];
    let rows: Vec<Vec<Cell>> = exports
        .iter()
        .map(|export| {
            vec![
                export.name.as_str().into(),
                job_state(of_kind(jobs, JobKind::Export, &export.name)),
                export.records.to_string().into(),
                export.deletions.to_string().into(),
                export
                    .done_at
                    .map_or_else(|| "never".to_owned(), instant)
                    .into(),
                export
                    .file
                    .clone()
                    .unwrap_or_else(|| "none".to_owned())
                    .into(),
            ]
        })
        .collect();
    let failures: String = { exports.iter() }
        .map(|export| failure(of_kind(jobs, JobKind::Export, &export.name), screen))
        .collect();
    failures + &fit(&columns, &rows, screen)
}

/// The clients of the OAI-PMH provider in the table; the JSON form has all.
const MOST_HARVESTERS: usize = 10;

/// Who harvests the OAI-PMH provider.
fn harvesters_as_text(harvesters: &[Harvester], screen: Screen) -> String {
    if harvesters.is_empty() {
        return String::new();
    }
    let columns = [
        Column::left("harvester").cut(),
        Column::right("requests"),
        Column::right("errors").drop(2),
        Column::right("records"),
        Column::left("last list").drop(3).cut(),
        Column::left("last request").drop(1),
    ];
    let rows: Vec<Vec<Cell>> = { harvesters.iter().take(MOST_HARVESTERS) }
        .map(|harvester| {
            let name = match harvester.client.as_str() {
                "" => "others",
                client => client,
            };
            vec![
                name.into(),
                harvester.requests.to_string().into(),
                harvester.errors.to_string().into(),
                harvester.items.to_string().into(),
                last_list(harvester).into(),
                instant(harvester.last_ms).into(),
            ]
        })
        .collect();
    let mut text = fit(&columns, &rows, screen);
    if harvesters.len() > rows.len() {
        let words = format!(
            "{} of {} harvesters; --json has all",
            rows.len(),
            harvesters.len()
        );
        text.push_str(&screen.wrap(&words, 2));
    }
    text
}

/// How far a client has read its last list, in words.
fn last_list(harvester: &Harvester) -> String {
    let Some(page) = &harvester.last_page else {
        return "none".to_owned();
    };
    let (verb, items) = (&page.verb, page.items);
    match (&page.token, page.total) {
        (None, _) => format!("{verb}: complete, {items}"),
        (Some(_), Some(total)) => format!("{verb}: {items} of {total}"),
        (Some(_), None) => format!("{verb}: {items} so far"),
    }
}

fn provider_as_value(harvesters: &[Harvester], config: &Config) -> Value {
    let clients: Vec<Value> = harvesters
        .iter()
        .map(|harvester| {
            json!({
                "client": harvester.client,
                "requests": harvester.requests,
                "errors": harvester.errors,
                "items": harvester.items,
                "verbs": harvester.verbs,
                "first_at": instant(harvester.first_ms),
                "last_at": instant(harvester.last_ms),
                "last_page": harvester.last_page,
            })
        })
        .collect();
    json!({ "enabled": config.daemon.oai.is_some(), "clients": clients })
}

fn output_as_value(state: &OutputState) -> Value {
    let mut value = json!(state.output);
    value["behind"] = json!(state.behind);
    value["rejected"] = json!(state.rejected);
    value
}

/// The sums of all sources, in one sentence.
fn sums(views: &[SourceView]) -> String {
    let mut states: BTreeMap<SourceState, usize> = BTreeMap::new();
    let (mut live, mut deleted) = (0, 0);
    for view in views {
        *states.entry(view.state).or_default() += 1;
        live += view.source.live_records;
        deleted += view.source.deleted_records;
    }
    let states: Vec<String> = states
        .into_iter()
        .map(|(state, count)| format!("{count} {}", state.text()))
        .collect();
    format!(
        "{} sources ({}): {live} live and {deleted} deleted records. Those with problems follow; --all shows \
         every source.",
        views.len(),
        states.join(", ")
    )
}

/// What a person should know of a source at a glance; empty if there is nothing.
fn notices_of(
    view: &SourceView,
    reader: &Reader,
    jobs: &[Job],
    screen: Screen,
) -> Result<String, StoreError> {
    let source = &view.source;
    let mut text = String::new();
    let mut line = |words: &str, tone: Tone| {
        let words = screen.wrap(&format!("{}: {}", source.name, printable(words)), 2);
        for words in words.lines() {
            text.push_str(&screen.paint(words, tone));
            text.push('\n');
        }
    };
    if let Some(why) = &view.why {
        line(&format!("{}: {why}", view.state.text()), view.tone());
    }
    if let Some(seconds) = source.traits.delayed_seconds {
        line(&delay(seconds), Tone::Plain);
    }
    if source.id.0 != 0 {
        for warning in reader.warnings(source.id)? {
            // It is the reason of the state already.
            if view.why.as_deref() != Some(&*warning.message) {
                line(&warning_in_words(&warning), Tone::Doubtful);
            }
        }
    }
    let reconcile = of_kind(jobs, JobKind::Reconcile, &source.name);
    let reconcile = reconcile.filter(|job| job.message != view.why);
    text.push_str(&failure(reconcile, screen));
    Ok(text)
}

fn delay(seconds: i64) -> String {
    format!("delayed by {} by the repository", delay_in_words(seconds))
}

fn warning_in_words(warning: &Warning) -> String {
    format!(
        "warning since {}: {}",
        instant(warning.since_at),
        warning.message
    )
}

fn overview(views: &[SourceView], reader: &Reader, screen: Screen) -> Result<String, StoreError> {
    let columns = [
        Column::left("source").cut(),
        Column::left("state"),
        Column::right("live"),
        Column::right("deleted").drop(2),
        Column::right("quarantined").drop(4),
        Column::left("complete up to").drop(1),
        Column::left("last run").drop(3),
        Column::left("next run").drop(5),
    ];
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for view in views {
        let source = &view.source;
        let quarantined = match source.id.0 {
            0 => 0,
            _ => reader.count_quarantine(source.id)?,
        };
        let complete = source
            .least_watermark()
            .map(|watermark| watermark.datestamp.to_string());
        let job = view.job.as_ref();
        rows.push(vec![
            source.name.as_str().into(),
            view.cell(),
            source.live_records.to_string().into(),
            source.deleted_records.to_string().into(),
            quarantined.to_string().into(),
            complete.unwrap_or_else(|| "none".to_owned()).into(),
            job.and_then(|job| job.ended_at)
                .map_or_else(|| "never".to_owned(), instant)
                .into(),
            job.and_then(|job| job.next_at)
                .map_or_else(|| "on request".to_owned(), instant)
                .into(),
        ]);
    }
    Ok(fit(&columns, &rows, screen))
}

fn next_step(state: &State) -> String {
    match state.passes.first() {
        Some(pass) if pass.state == PassState::Open => {
            let begun = state.pending.iter().any(|window| window.token.is_some());
            format!(
                "go on with {} windows{}",
                state.pending.len(),
                if begun {
                    ", one of them from its token"
                } else {
                    ""
                }
            )
        }
        _ if state.source.watermarks.is_empty() => "list everything".to_owned(),
        _ => "list changes".to_owned(),
    }
}

/// All that is known of a source, one sentence a line.
fn details(state: &State, view: &SourceView, now_ms: i64, screen: Screen) -> String {
    let mut text = String::new();
    let mut line = |words: &str| {
        let words = format!("{}: {}", state.source.name, printable(words));
        text.push_str(&screen.wrap(&words, 2));
    };
    let source = &state.source;
    line(&format!(
        "{} in {}",
        source.base_url, source.metadata_prefix
    ));
    if !source.sets.is_empty() {
        line(&format!("sets: {}", source.sets.join(", ")));
    }
    if let Some(why) = &view.why {
        line(&format!("{}: {why}", view.state.word()));
    }
    if let Some(job) = &view.job {
        let reason = job
            .reason
            .as_deref()
            .map_or_else(String::new, |why| format!(" ({why})"));
        if let Some(at) = job.next_at {
            line(&format!("next run: {}{reason}", instant(at)));
        }
    }
    line(&format!("next step: {}", next_step(state)));
    if let Some(seconds) = state.source.traits.delayed_seconds {
        line(&delay(seconds));
    }
    if let Some(words) = gaps_in_words(&state.source, &state.gaps, now_ms) {
        line(&words);
    }
    let learnt = traits_in_words(&state.source.traits);
    if !learnt.is_empty() {
        line(&format!("learnt: {}", learnt.join(", ")));
    }
    if let Some(pass) = state.passes.first() {
        let counts = &pass.counts;
        line(&format!(
            "pass {}: {} new, {} changed, {} unchanged, {} deleted, {} quarantined, {} repaired; \
             {} requests, {} pages, {} bytes, {:.1} s of waiting",
            pass.id.0,
            counts.new,
            counts.changed,
            counts.unchanged,
            counts.deleted,
            counts.quarantined,
            counts.repaired,
            pass.requests,
            pass.pages,
            pass.bytes,
            std::time::Duration::from_millis(pass.wait_ms).as_secs_f64(),
        ));
        if let Some(note) = &pass.note {
            let what = match pass.state {
                PassState::Complete | PassState::Incomplete => "note",
                PassState::Open | PassState::Abandoned => "interrupted",
            };
            line(&format!("{what}: {note}"));
        }
    }
    for window in state
        .pending
        .iter()
        .filter(|window| window.note.is_some())
        .take(5)
    {
        let note = window.note.as_deref().unwrap_or_default();
        line(&format!(
            "window {} {}: {note}",
            span_in_words(window),
            window.state.word()
        ));
    }
    if let Some(records) = unconvertible(state) {
        line(&format!("{records} live records cannot be converted"));
    }
    for warning in &state.warnings {
        line(&warning_in_words(warning));
    }
    for item in &state.quarantine {
        let name = item
            .identifier
            .as_deref()
            .unwrap_or("an item without identifier");
        line(&format!("quarantined: {name}: {}", item.reason));
    }
    text
}

/// The number of live records that cannot be converted, if their format has no crosswalk.
fn unconvertible(state: &State) -> Option<u64> {
    let warns = |warning: &Warning| warning.kind == WarningKind::NoCrosswalk;
    let any = state.warnings.iter().any(warns);
    any.then_some(state.source.live_records)
}

/// The learnt traits of a repository that change how it is harvested.
pub(super) fn traits_in_words(traits: &Traits) -> Vec<String> {
    let flags = [
        (traits.ignores_dates, "ignores_dates"),
        (traits.rejects_until, "rejects_until"),
        (traits.ignores_sets == Some(true), "ignores_sets"),
        (traits.list_size_lies, "list_size_lies"),
        (traits.false_tombstones, "false_tombstones"),
        (traits.decodes_tokens, "decodes_tokens"),
        (traits.wants_prefix_with_token, "wants_prefix_with_token"),
        (traits.tokens_name_items == Some(true), "tokens_name_items"),
        (traits.tokens_name_datestamps, "tokens_name_datestamps"),
    ];
    let mut words: Vec<String> = flags
        .into_iter()
        .filter(|(holds, _)| *holds)
        .map(|(_, name)| name.to_owned())
        .collect();
    if let Some(items) = traits.cut_off_at {
        words.push(format!("cut_off_at={items}"));
    }
    if let Some(granularity) = traits.granularity {
        words.push(format!(
            "dates by the {}",
            match granularity {
                Granularity::Day => "day",
                Granularity::Second => "second",
            }
        ));
    }
    if let Some(newest_first) = traits.newest_first {
        words.push(format!(
            "{} first",
            if newest_first { "newest" } else { "oldest" }
        ));
    }
    if let Some(page_size) = traits.page_size {
        words.push(format!("pages of {page_size}"));
    }
    if let Some(policy) = &traits.deleted_record {
        words.push(format!("deletions {policy}"));
    }
    words.extend(
        traits
            .failing_verbs
            .iter()
            .map(|verb| format!("{verb} fails")),
    );
    words
}

fn span_in_words(window: &Window) -> String {
    let end = |at: Option<crate::oai::Datestamp>, word: &str| {
        at.map_or_else(|| word.to_owned(), |at| at.to_string())
    };
    let span = format!(
        "{} to {}",
        end(window.span.from, "the beginning"),
        end(window.span.until, "now")
    );
    match &window.set_spec {
        Some(set) => format!("{span} of set {set}"),
        None => span,
    }
}

fn waiting(hosts: &[HostPause], now_ms: i64, screen: Screen) -> String {
    { hosts.iter().filter(|host| host.left(now_ms).is_some()) }
        .map(|host| {
            let words = format!(
                "host {}: not asked before {}: {}",
                host.host,
                instant(host.not_before_at),
                printable(&host.reason)
            );
            screen.wrap(&words, 2)
        })
        .collect()
}

/// A duration in words, such as `36 hours`; in whole days from two days on.
fn delay_in_words(seconds: i64) -> String {
    let hours = seconds / 3600;
    if hours >= 48 {
        format!("{} days", hours / 24)
    } else {
        format!("{hours} hours")
    }
}

pub(super) fn instant(unix_ms: i64) -> String {
    DateTime::from_timestamp_millis(unix_ms).map_or_else(
        || "?".to_owned(),
        |at| at.to_rfc3339_opts(SecondsFormat::Secs, true),
    )
}

/// The traits of a source for programs.
pub(super) fn traits_as_value(traits: &Traits) -> Value {
    let mut value = json!(traits);
    // The store keeps these two as numbers.
    for (name, at) in [
        ("reconciling_since", traits.reconciling_since),
        ("reconciled_at", traits.reconciled_at),
    ] {
        if let Some(at) = at {
            value[name] = json!(rfc3339(at));
        }
    }
    value
}

/// A gap for programs.
fn gap_as_value(gap: &Gap) -> Value {
    json!({
        "set_spec": gap.set_spec,
        "from": gap.span.from,
        "until": gap.span.until,
        "reason": gap.reason,
        "attempts": gap.attempts,
        "first_failed_at": rfc3339(gap.first_at),
        "next_attempt_at": rfc3339(gap.next_at),
    })
}

fn as_value(state: &State) -> Value {
    json!({
        "name": state.source.name,
        "base_url": state.source.base_url,
        "metadata_prefix": state.source.metadata_prefix,
        "sets": state.source.sets,
        "live_records": state.source.live_records,
        "deleted_records": state.source.deleted_records,
        "watermarks": state.source.watermarks,
        "heads": state.source.heads,
        "gaps": state.gaps.iter().map(gap_as_value).collect::<Vec<_>>(),
        "traits": traits_as_value(&state.source.traits),
        "next_step": next_step(state),
        "pending_windows": state.pending,
        "passes": state.passes,
        "unconvertible": unconvertible(state).unwrap_or_default(),
        "warnings": state.warnings,
        "quarantined": state.quarantined,
        "quarantine": state.quarantine,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_learnt_is_told_by_the_names_that_override_it() {
        let traits = Traits {
            ignores_dates: true,
            ignores_sets: Some(false),
            cut_off_at: Some(100),
            newest_first: Some(true),
            failing_verbs: vec!["ListIdentifiers".to_owned()],
            ..Traits::default()
        };
        let words = traits_in_words(&traits).join(", ");
        assert_eq!(
            words,
            "ignores_dates, cut_off_at=100, newest first, ListIdentifiers fails"
        );
        assert!(traits_in_words(&Traits::default()).is_empty());
    }

    #[test]
    fn records_that_cannot_be_converted_are_counted() {
        let mut state = State {
            source: Source {
                live_records: 7,
                ..Source::unknown("s".to_owned())
            },
            gaps: Vec::new(),
            passes: Vec::new(),
            pending: Vec::new(),
            warnings: Vec::new(),
            quarantined: 0,
            quarantine: Vec::new(),
        };
        let view = SourceView {
            source: state.source.clone(),
            state: SourceState::Complete,
            is_running: false,
            why: None,
            job: None,
        };
        let text = details(&state, &view, 0, Screen::PLAIN);
        assert!(!text.contains("cannot be converted"));
        assert_eq!(as_value(&state)["unconvertible"], 0);
        state.warnings.push(Warning {
            kind: WarningKind::NoCrosswalk,
            message: "no crosswalk for it".to_owned(),
            since_at: 0,
        });
        let text = details(&state, &view, 0, Screen::PLAIN);
        assert!(
            text.contains("s: 7 live records cannot be converted\n"),
            "{text}"
        );
        assert_eq!(as_value(&state)["unconvertible"], 7);
    }

    #[test]
    fn programs_read_times_as_text() {
        let traits = Traits {
            whole_at: Some(100),
            reconciled_at: Some(1_780_315_200_000),
            ..Traits::default()
        };
        assert_eq!(
            traits_as_value(&traits),
            json!({"whole_at": 100, "reconciled_at": "2026-06-01T12:00:00.000Z"})
        );
    }

    #[test]
    fn delays_are_told_in_days() {
        let cases = [
            (30 * 86_400, "30 days"),
            (36 * 3_600, "36 hours"),
            (7_200, "2 hours"),
        ];
        for (seconds, words) in cases {
            assert_eq!(delay_in_words(seconds), words);
        }
    }
}
