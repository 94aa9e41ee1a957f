//! `harvestd status`: shows the state of the store, of each source and of each output.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::io::Write;

use chrono::{DateTime, SecondsFormat};
use serde_json::{Value, json};

use super::table::{self, Align, printable};
use crate::clock::rfc3339;
use crate::config::Config;
use crate::harvest::gaps_in_words;
use crate::oai::Granularity;
use crate::output::OutputSettings;
use crate::store::{
    Export, Gap, Health, HostPause, Job, JobKind, JobState, Output, Pass, PassState,
    QuarantinedItem, Reader, Source, StoreError, Traits, Warning, WarningKind, Window,
};

/// Arguments of `status`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  harvestd status           a table; with many sources only problems and sums
  harvestd status --all     every source
  harvestd status --json    the same for programs")]
pub struct Args {
    /// Show every source, however many there are
    #[arg(long)]
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
/// If there is no store, or it cannot be read.
pub fn run(
    args: &Args,
    config: &Config,
    as_json: bool,
    now_ms: i64,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let reader = Reader::open(&config.store)?;
    let mut states = states(&reader)?;
    let hosts = reader.host_pauses()?;
    let outputs = outputs(&reader, config)?;
    let mut jobs = reader.jobs()?;
    if as_json {
        let value = json!({
            "store": config.store,
            "last_version": reader.last_version()?,
            "sources": states.iter().map(as_value).collect::<Vec<_>>(),
            "outputs": outputs.iter().map(output_as_value).collect::<Vec<_>>(),
            "exports": reader.exports()?,
            "jobs": jobs,
            "conditions": reader.conditions()?,
            "hosts": hosts,
        });
        writeln!(out, "{value}")?;
        return Ok(());
    }
    if states.is_empty() {
        writeln!(
            out,
            "store {} is empty: no source has been harvested",
            config.store.display()
        )?;
        return Ok(());
    }
    if states.len() > MOST_SOURCES && !args.all {
        out.write_all(sums(&states, &jobs).as_bytes())?;
        jobs.retain(is_problem);
        let failing: HashSet<&str> = jobs.iter().map(|job| job.key.name.as_str()).collect();
        states.retain(|state| {
            let is_well =
                state.gaps.is_empty() && state.warnings.is_empty() && state.quarantined == 0;
            !is_well || failing.contains(state.source.name.as_str())
        });
    }
    if !states.is_empty() {
        out.write_all(overview(&states).as_bytes())?;
    }
    for state in &states {
        out.write_all(details(state, now_ms).as_bytes())?;
    }
    out.write_all(outputs_as_text(&outputs).as_bytes())?;
    out.write_all(exports_as_text(&reader.exports()?).as_bytes())?;
    out.write_all(jobs_as_text(&jobs).as_bytes())?;
    out.write_all(waiting(&hosts, now_ms).as_bytes())?;
    Ok(())
}

/// Whether the last run of a job failed, or it is under way.
fn is_problem(job: &Job) -> bool {
    job.failures > 0 || job.is_running()
}

/// The sums of all sources, in one line.
fn sums(states: &[State], jobs: &[Job]) -> String {
    let mut healths: BTreeMap<Health, usize> = BTreeMap::new();
    let harvests: BTreeMap<&str, &Job> = jobs
        .iter()
        .filter(|job| job.key.kind == JobKind::Harvest)
        .map(|job| (job.key.name.as_str(), job))
        .collect();
    let (mut live, mut deleted) = (0, 0);
    for State { source, .. } in states {
        let job = harvests.get(source.name.as_str());
        *healths
            .entry(job.map_or(Health::Unknown, |job| job.health()))
            .or_default() += 1;
        live += source.live_records;
        deleted += source.deleted_records;
    }
    let healths: Vec<String> = healths
        .into_iter()
        .map(|(health, count)| format!("{count} {}", health.word()))
        .collect();
    format!(
        "{} sources ({}): {live} live and {deleted} deleted records. Those with problems follow; --all shows \
         every source.\n",
        states.len(),
        healths.join(", ")
    )
}

fn states(reader: &Reader) -> Result<Vec<State>, StoreError> {
    let mut states = Vec::new();
    for source in reader.sources()? {
        let passes = reader.passes(source.id, PASSES)?;
        let pending = match passes.first() {
            Some(pass) if pass.state == PassState::Open => reader.pending_windows(pass.id)?,
            _ => Vec::new(),
        };
        states.push(State {
            gaps: reader.gaps(&source)?,
            warnings: reader.warnings(source.id)?,
            quarantined: reader.count_quarantine(source.id)?,
            quarantine: reader.quarantine(source.id, QUARANTINED)?,
            passes,
            pending,
            source,
        });
    }
    Ok(states)
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

fn outputs_as_text(states: &[OutputState]) -> String {
    if states.is_empty() {
        return String::new();
    }
    let columns = [
        ("output", Align::Left),
        ("behind", Align::Right),
        ("rejected", Align::Right),
        ("added", Align::Right),
        ("deleted", Align::Right),
        ("confirmed", Align::Left),
    ];
    let rows: Vec<Vec<String>> = states
        .iter()
        .map(|state| {
            let output = &state.output;
            vec![
                output.name.clone(),
                state
                    .behind
                    .map_or_else(|| "?".to_owned(), |behind| behind.to_string()),
                state.rejected.to_string(),
                output.added.to_string(),
                output.deleted.to_string(),
                output
                    .confirmed_at
                    .map_or_else(|| "never".to_owned(), instant),
            ]
        })
        .collect();
    let mut text = format!("\n{}", table::render(&columns, &rows));
    for OutputState { output, behind, .. } in states {
        let mut line = |words: &str| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}: {}", output.name, printable(words));
        };
        if behind.is_none() {
            line("is not configured any more");
        }
    }
    text
}

fn exports_as_text(exports: &[Export]) -> String {
    if exports.is_empty() {
        return String::new();
    }
    let columns = [
        ("export", Align::Left),
        ("records", Align::Right),
        ("deleted", Align::Right),
        ("done", Align::Left),
        ("newest file", Align::Left),
    ];
    let rows: Vec<Vec<String>> = exports
        .iter()
        .map(|export| {
            vec![
                export.name.clone(),
                export.records.to_string(),
                export.deletions.to_string(),
                export.done_at.map_or_else(|| "never".to_owned(), instant),
                export.file.clone().unwrap_or_else(|| "none".to_owned()),
            ]
        })
        .collect();
    format!("\n{}", table::render(&columns, &rows))
}

/// The jobs, each with its plan and the result of its last run.
fn jobs_as_text(jobs: &[Job]) -> String {
    let shown = |job: &&Job| job.state != JobState::OnDemand || job.outcome.is_some();
    let jobs: Vec<&Job> = jobs.iter().filter(shown).collect();
    if jobs.is_empty() {
        return String::new();
    }
    let columns = [
        ("job", Align::Left),
        ("state", Align::Left),
        ("next run", Align::Left),
        ("last run", Align::Left),
    ];
    let at = |at: Option<i64>| at.map_or_else(|| "none".to_owned(), instant);
    let rows: Vec<Vec<String>> = jobs
        .iter()
        .map(|job| {
            let last = match job.outcome {
                Some(outcome) => format!("{} {}", at(job.ended_at), outcome.word()),
                None => "none".to_owned(),
            };
            vec![
                job.key.to_string(),
                job.state.word().replace('_', " "),
                at(job.next_at),
                last,
            ]
        })
        .collect();
    let mut text = format!("\n{}", table::render(&columns, &rows));
    for job in jobs {
        if let Some(message) = &job.message {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}: {}", job.key, printable(message));
        }
    }
    text
}

fn output_as_value(state: &OutputState) -> Value {
    let mut value = json!(state.output);
    value["behind"] = json!(state.behind);
    value["rejected"] = json!(state.rejected);
    value
}

fn overview(states: &[State]) -> String {
    let columns = [
        ("source", Align::Left),
        ("live", Align::Right),
        ("deleted", Align::Right),
        ("quarantined", Align::Right),
        ("watermark", Align::Left),
        ("last pass", Align::Left),
        ("next step", Align::Left),
    ];
    let rows: Vec<Vec<String>> = states
        .iter()
        .map(|state| {
            let source = &state.source;
            vec![
                source.name.clone(),
                source.live_records.to_string(),
                source.deleted_records.to_string(),
                state.quarantined.to_string(),
                source.least_watermark().map_or_else(
                    || "none".to_owned(),
                    |watermark| watermark.datestamp.to_string(),
                ),
                state
                    .passes
                    .first()
                    .map_or_else(|| "none".to_owned(), pass_in_words),
                next_step(state),
            ]
        })
        .collect();
    table::render(&columns, &rows)
}

fn pass_in_words(pass: &Pass) -> String {
    format!(
        "{} {}",
        instant(pass.ended_at.unwrap_or(pass.started_at)),
        pass.state.word()
    )
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

fn details(state: &State, now_ms: i64) -> String {
    let mut text = String::new();
    let mut line = |words: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}: {}", state.source.name, printable(words));
    };
    if let Some(seconds) = state.source.traits.delayed_seconds {
        line(&format!(
            "delayed by {} by the repository",
            delay_in_words(seconds)
        ));
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
        line(&format!(
            "warning since {}: {}",
            instant(warning.since_at),
            warning.message
        ));
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

fn waiting(hosts: &[HostPause], now_ms: i64) -> String {
    let mut text = String::new();
    for host in hosts.iter().filter(|host| host.left(now_ms).is_some()) {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "host {}: not asked before {}: {}",
            host.host,
            instant(host.not_before_at),
            printable(&host.reason)
        );
    }
    text
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
        assert!(!details(&state, 0).contains("cannot be converted"));
        assert_eq!(as_value(&state)["unconvertible"], 0);
        state.warnings.push(Warning {
            kind: WarningKind::NoCrosswalk,
            message: "no crosswalk for it".to_owned(),
            since_at: 0,
        });
        let text = details(&state, 0);
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
