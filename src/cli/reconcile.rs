//! `harvestd reconcile`: finds records that have disappeared from a repository.

use std::io::Write;

use indicatif::MultiProgress;
use serde_json::json;

use super::args::Global;
use super::exit::{Exit, UsageError};
use super::harvest::{open_context, warn};
use super::table::{Cell, Column, Screen, Tone, fit};
use crate::config::Config;
use crate::harvest::settings::SourceSettings;
use crate::harvest::{DeletionPolicy, ReconcileReport, reconcile};
use crate::oai::client::Client;
use crate::store::{JobChange, JobKey, JobKind, JobOutcome, Reader, Store};

/// Arguments of `reconcile`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Lists the whole source, asks for each record that the list did not show, and deletes the records that
the repository does not know any more. Needed for repositories that do not announce deletions. DOAJ
deletes so on the 2nd of each month; one run each month is enough.

Examples:
  harvestd reconcile doaj-articles
  harvestd reconcile doaj-articles --dry-run     what the last full list did not show
  harvestd reconcile doaj-articles --confirm     delete them, however many they are")]
pub struct Args {
    /// Names of configured sources; without any, every configured source
    #[arg(value_name = "SOURCE")]
    pub sources: Vec<String>,
    /// Delete nothing if more than this share of the live records is missing, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0, value_parser = percent)]
    pub max_share: f64,
    /// Delete the missing records, however many they are
    #[arg(long)]
    pub confirm: bool,
    /// Request and delete nothing: count the records that the last complete full list did not show
    #[arg(long)]
    pub dry_run: bool,
}

fn percent(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|percent| (0.0..=100.0).contains(percent))
        .ok_or_else(|| "not a number from 0 to 100".to_owned())
}

/// Reconciles the chosen sources one after the other, and writes a summary to `out`.
///
/// # Errors
/// Wrong usage, and a store that cannot be opened.
pub async fn run(
    args: &Args,
    global: &Global,
    config: &Config,
    bars: &MultiProgress,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let sources = chosen(args, config)?;
    if args.dry_run {
        return dry_run(&sources, config, global.json, out);
    }
    let context = open_context(config, bars)?;
    let policy = DeletionPolicy {
        max_share: args.max_share / 100.0,
        confirmed: args.confirm,
        start_over: false,
    };
    let mut outcomes = Vec::new();
    for source in &sources {
        let client = Client::new(&source.client)?;
        let key = JobKey::new(JobKind::Reconcile, &source.name);
        let recorded = context.store.start_command(&key, context.clock.now_ms())?;
        let outcome = reconcile(&context, &client, source, policy).await;
        if recorded {
            let change = match (outcome.held, outcome.end.why()) {
                // The list is complete; a person decides what it means.
                (true, why) => JobChange::Ended {
                    outcome: JobOutcome::Succeeded,
                    message: why.map(str::to_owned),
                },
                (false, _) => outcome.end.job_change(context.stop.is_requested()),
            };
            let now_ms = context.clock.now_ms();
            context.store.change_jobs(&[(key, change)], now_ms)?;
        }
        warn(&source.name, &outcome.end);
        outcomes.push(outcome);
    }
    if global.json {
        let values: Vec<_> = outcomes.iter().map(as_value).collect();
        writeln!(out, "{}", json!({ "sources": values }))?;
    } else if !global.quiet {
        out.write_all(summary(&outcomes, Screen::of_stdout(global)).as_bytes())?;
    }
    Ok(Exit::after_runs(
        outcomes.iter().map(|outcome| &outcome.end),
    ))
}

fn chosen(args: &Args, config: &Config) -> anyhow::Result<Vec<SourceSettings>> {
    if args.sources.is_empty() {
        if config.sources.is_empty() {
            return Err(UsageError("no source is configured to be reconciled".to_owned()).into());
        }
        return Ok(config.sources.clone());
    }
    args.sources
        .iter()
        .map(|name| Ok(config.source(name)?.clone()))
        .collect()
}

fn summary(outcomes: &[ReconcileReport], screen: Screen) -> String {
    let columns = [
        Column::left("source").cut(),
        Column::right("listed"),
        Column::right("not listed"),
        Column::right("found").drop(2),
        Column::right("deleted"),
        Column::right("unclear").drop(1),
        Column::left("state"),
    ];
    let rows: Vec<Vec<Cell>> = outcomes
        .iter()
        .map(|outcome| {
            vec![
                Cell::from(outcome.source.clone()),
                outcome
                    .counts
                    .records()
                    .saturating_sub(outcome.found + outcome.deleted)
                    .to_string()
                    .into(),
                outcome.not_listed.to_string().into(),
                outcome.found.to_string().into(),
                outcome.deleted.to_string().into(),
                outcome.unclear.to_string().into(),
                Cell::new(outcome.end.word(), Tone::of(&outcome.end)),
            ]
        })
        .collect();
    fit(&columns, &rows, screen)
}

fn as_value(outcome: &ReconcileReport) -> serde_json::Value {
    json!({
        "source": outcome.source,
        "state": outcome.end.word(),
        "why": outcome.end.why(),
        "counts": outcome.counts,
        "not_listed": outcome.not_listed,
        "found": outcome.found,
        "deleted": outcome.deleted,
        "unclear": outcome.unclear,
        "unclear_example": outcome.unclear_example,
    })
}

/// A dry run shows at most this many identifiers.
const SHOWN: u32 = 20;

fn dry_run(
    sources: &[SourceSettings],
    config: &Config,
    as_json: bool,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let reader = Reader::open(&config.store)?;
    let store = Store::open(&config.store)?;
    let mut values = Vec::new();
    for settings in sources {
        let known = reader
            .sources()?
            .into_iter()
            .find(|source| source.name == settings.name);
        let listed = match &known {
            Some(source) => store.last_full_list(source.id)?,
            None => None,
        };
        let (Some(source), Some(pass)) = (known, listed) else {
            writeln!(out, "{}: no full list yet", settings.name)?;
            continue;
        };
        let unseen = store.count_unseen(source.id, pass.id)?;
        let sample = store.unseen(source.id, pass.id, 0, SHOWN)?;
        if as_json {
            let sample: Vec<&String> = sample.iter().map(|(_, identifier)| identifier).collect();
            values.push(json!({ "source": source.name, "not_listed": unseen, "some": sample }));
            continue;
        }
        writeln!(
            out,
            "{}: {unseen} of {} live records were not in the last full list; a run asks for each of them",
            source.name, source.live_records
        )?;
        for (_, identifier) in &sample {
            writeln!(out, "  {identifier}")?;
        }
    }
    if as_json {
        writeln!(out, "{}", json!({ "sources": values }))?;
    }
    Ok(Exit::Done)
}
