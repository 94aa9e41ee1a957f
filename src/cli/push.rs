//! `harvestd push`: sends outputs what has changed in the store.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, MultiProgress, ProgressBar};
use serde_json::{Value, json};
use url::Url;

use super::args::Global;
use super::exit::{Exit, UsageError};
use super::progress::{named, set_total};
use super::signals;
use super::table::{Cell, Column, Screen, Tone, fit};
use super::tally::{short, time_left};
use crate::clock::Clock;
use crate::config::Config;
use crate::end::End;
use crate::output::push::{
    PushContext, PushOptions, PushPreview, PushProgress, PushReport, preview, push,
};
use crate::output::{OutputSettings, SwapError, Swapped, swap};
use crate::stop::{Stop, stop_switch};
use crate::store::{JobKey, JobKind, Reader, Store, Version};

/// Arguments of `push`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  harvestd push                      what has changed, to every configured output
  harvestd push vufind --dry-run     how much that would be
  harvestd push vufind --all         everything again
  harvestd push vufind --target http://localhost:8983/solr/next --swap
                                     a whole new index beside the live one, then in its place
  harvestd push --retry-rejected     rejected documents, too, once their cause is corrected

An output remembers how far it is. A push that was cut off goes on there when it is run again.")]
pub struct Args {
    /// Names of configured outputs; without any, every one
    #[arg(value_name = "OUTPUT")]
    pub outputs: Vec<String>,
    /// Say what would be sent, and send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Set the outputs' position to this version first, and send what changed after it
    #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(i64).range(0..))]
    pub since: Option<i64>,
    /// Send everything again
    #[arg(long, conflicts_with = "since")]
    pub all: bool,
    /// Rebuild the index at this address, of a core, collection or index; the live one does not change
    #[arg(long, value_name = "URL", value_parser = index_url, conflicts_with = "since")]
    pub target: Option<Url>,
    /// When the target is complete, put it in the place of the live index
    #[arg(long, requires = "target")]
    pub swap: bool,
    /// Send rejected documents again
    #[arg(long)]
    pub retry_rejected: bool,
}

impl Args {
    fn options(&self) -> PushOptions {
        PushOptions {
            from: self
                .since
                .map(Version)
                .or(self.all.then_some(Version::default())),
            retry_rejected: self.retry_rejected,
        }
    }
}

/// The address of a core or index, without a slash at its end.
fn index_url(text: &str) -> Result<Url, String> {
    let url: Url = text
        .trim_end_matches('/')
        .parse()
        .map_err(|error| format!("not a URL: {error}"))?;
    let fits = matches!(url.scheme(), "http" | "https") && url.query().is_none();
    match fits && url.password().is_none() {
        true => Ok(url),
        false => Err(
            "not the address of a core or index, such as http://localhost:8983/solr/next".into(),
        ),
    }
}

/// The outputs of these names, or all of them if there are none.
///
/// # Errors
/// Unknown names, names given twice, and no output at all.
pub(crate) fn select(names: &[String], config: &Config) -> anyhow::Result<Vec<OutputSettings>> {
    let mut selected: Vec<OutputSettings> = Vec::new();
    for name in names {
        let output = config.output(name)?;
        if selected.iter().any(|other| other.name == output.name) {
            return Err(UsageError(format!("output {name} is given twice")).into());
        }
        selected.push(output.clone());
    }
    if names.is_empty() {
        selected.clone_from(&config.outputs);
    }
    if selected.is_empty() {
        let message = "no output is configured; write one into the configuration";
        return Err(UsageError(message.to_owned()).into());
    }
    Ok(selected)
}

/// Pushes, or with `--dry-run` says what would be pushed, and writes the summary to `out`.
///
/// # Errors
/// Wrong usage, and a store that cannot be opened. Errors of outputs are in the summary and in the exit
/// status.
pub async fn run(
    args: &Args,
    global: &Global,
    config: &Config,
    bars: &MultiProgress,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let live = select(&args.outputs, config)?;
    let outputs = match &args.target {
        Some(target) => vec![rebuild(&live, target)?],
        None => live.clone(),
    };
    if args.dry_run {
        return dry_run(args, global, config, &outputs, out);
    }
    // There must be something to push, so a store is not created.
    let last = Reader::open(&config.store)?.last_version()?;
    if let Some(since) = args.since.filter(|since| *since > last.0) {
        let message = format!(
            "--since {since} is after every change of the store, the last of which is {last}; what \
             changes next would never be sent"
        );
        return Err(UsageError(message).into());
    }
    let (switch, stop) = stop_switch();
    signals::stop_on_signal(switch)?;
    let store = Arc::new(Store::open(&config.store)?);
    let mut reports = Vec::new();
    for output in &outputs {
        let mut report = one(args, output, &store, &stop, bars).await;
        if let (Some(target), true, End::Complete) = (&args.target, args.swap, &report.end) {
            match swap(&store, &live[0], target, &stop).await {
                Ok(Swapped::Exchanged) => tracing::info!(
                    "output {}: swapped; the index that was live is at {target} now",
                    live[0].name
                ),
                Ok(Swapped::AliasMoved(old)) => tracing::info!(
                    "output {}: its alias is that of {target} now; {old}, which was live, is as it was",
                    live[0].name
                ),
                Err(error @ SwapError::Unknown { .. }) => {
                    report.end = End::Failed(error.to_string());
                }
                Err(error) => report.end = End::Failed(format!("not swapped: {error}")),
            }
        }
        match &report.end {
            End::Complete => {}
            End::GapsLeft(why) | End::Incomplete(why) => {
                tracing::warn!(output = report.output, "incomplete: {why}");
            }
            End::Failed(why) => tracing::error!(output = report.output, "failed: {why}"),
        }
        reports.push(report);
    }
    if global.json {
        let reports: Vec<Value> = reports.iter().map(as_value).collect();
        writeln!(out, "{}", json!({ "outputs": reports }))?;
    } else if !global.quiet {
        out.write_all(as_text(&reports, Screen::of_stdout(global)).as_bytes())?;
    }
    Ok(Exit::after_runs(reports.iter().map(|report| &report.end)))
}

/// The one output that is to be built anew at another address.
fn rebuild(outputs: &[OutputSettings], target: &Url) -> anyhow::Result<OutputSettings> {
    let usage = |message: String| Err(UsageError(message).into());
    match outputs {
        [output] if output.has_address(target) => usage(format!(
            "{target} is the live index of output {}",
            output.name
        )),
        [output] => output
            .rebuild(target)
            .map_err(|error| UsageError(error.to_string()).into()),
        _ => usage("--target is for one output; name it".to_owned()),
    }
}

async fn one(
    args: &Args,
    settings: &OutputSettings,
    store: &Arc<Store>,
    stop: &Stop,
    bars: &MultiProgress,
) -> PushReport {
    let failed = |why: String| PushReport {
        output: settings.name.clone(),
        progress: PushProgress::default(),
        position: Version::default(),
        behind: 0,
        starts_over: false,
        elapsed: Duration::ZERO,
        end: End::Failed(why),
    };
    let shown = Arc::new(Shown::new(settings, bars));
    let context = PushContext {
        store: Arc::clone(store),
        clock: Clock::System,
        stop: stop.clone(),
        progress: {
            let shown = Arc::clone(&shown);
            Arc::new(move |progress| shown.show(progress))
        },
    };
    let key = JobKey::new(JobKind::Push, &settings.name);
    let recorded = store.start_command(&key, Clock::System.now_ms());
    let report = push(&context, settings, &args.options()).await;
    shown.end();
    let report = match report {
        Ok(report) => {
            if report.starts_over {
                let name = &report.output;
                tracing::info!(
                    "output {name}: its settings have changed, so everything is sent again"
                );
            }
            report
        }
        Err(error) => failed(error.to_string()),
    };
    let stored = match recorded {
        Ok(true) => {
            let change = report.end.job_change(stop.is_requested());
            store.change_jobs(&[(key, change)], Clock::System.now_ms())
        }
        Ok(false) => Ok(()),
        Err(error) => Err(error),
    };
    if let Err(error) = stored {
        tracing::warn!(output = settings.name, "{error}");
    }
    report
}

/// How often the progress is logged if no bar is shown.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// Shows a push while it runs: a bar on a terminal, log lines elsewhere.
struct Shown {
    output: String,
    bar: Option<ProgressBar>,
    started: Instant,
    logged: Mutex<Instant>,
}

impl Shown {
    fn new(settings: &OutputSettings, bars: &MultiProgress) -> Self {
        let bar = (!bars.is_hidden()).then(|| {
            let bar = named(bars, &settings.name);
            bar.set_message("waiting for the first answer");
            bar
        });
        Self {
            output: settings.name.clone(),
            bar,
            started: Instant::now(),
            logged: Mutex::new(Instant::now()),
        }
    }

    fn show(&self, progress: PushProgress) {
        if let Some(bar) = &self.bar {
            set_total(bar, Some(progress.total.max(progress.done)));
            bar.set_position(progress.done);
            bar.set_message(line(&progress, self.started.elapsed()));
            return;
        }
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.elapsed() >= LOG_EVERY {
            *logged = Instant::now();
            let line = line(&progress, self.started.elapsed());
            tracing::info!(output = self.output, "{line}");
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// How far a push is, `elapsed` after its start: `1,000 of 4,000 changes, 500/s, 6s left, 7 deleted`.
fn line(progress: &PushProgress, elapsed: Duration) -> String {
    let PushProgress {
        done,
        total,
        deleted,
        rejected,
        ..
    } = *progress;
    let total = total.max(done);
    let mut line = format!("{} of {} changes", HumanCount(done), HumanCount(total));
    if done > 0 && elapsed.as_secs() > 0 {
        line.push_str(&format!(", {:.0}/s", done as f64 / elapsed.as_secs_f64()));
    }
    if let Some(left) = time_left(done, total, elapsed).filter(|left| !left.is_zero()) {
        line.push_str(&format!(", {} left", short(left)));
    }
    for (count, word) in [(deleted, "deleted"), (rejected, "rejected")] {
        if count > 0 {
            line.push_str(&format!(", {} {word}", HumanCount(count)));
        }
    }
    line
}

fn dry_run(
    args: &Args,
    global: &Global,
    config: &Config,
    outputs: &[OutputSettings],
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let reader = Reader::open(&config.store)?;
    let mut rows = Vec::new();
    let mut values = Vec::new();
    for output in outputs {
        let preview = preview(&reader, output, &args.options())?;
        let PushPreview {
            position,
            adds,
            deletes,
            faults,
        } = preview;
        values.push(json!({ "output": output.name, "would_push": preview }));
        let numbers = [adds, deletes, faults].map(|number| number.to_string());
        let [adds, deletes, faults] = numbers;
        rows.push(vec![
            Cell::from(output.name.clone()),
            adds.into(),
            deletes.into(),
            faults.into(),
            position.to_string().into(),
        ]);
    }
    if global.json {
        writeln!(out, "{}", json!({ "outputs": values }))?;
    } else {
        let columns = [
            Column::left("output").cut(),
            Column::right("to add"),
            Column::right("to delete"),
            Column::right("without document"),
            Column::right("from version").drop(1),
        ];
        out.write_all(fit(&columns, &rows, Screen::of_stdout(global)).as_bytes())?;
    }
    Ok(Exit::Done)
}

fn as_text(reports: &[PushReport], screen: Screen) -> String {
    let columns = [
        Column::left("output").cut(),
        Column::right("added"),
        Column::right("deleted"),
        Column::right("rejected"),
        Column::right("behind"),
        Column::right("seconds").drop(1),
        Column::right("position").drop(2),
        Column::left("state"),
    ];
    let rows: Vec<Vec<Cell>> = reports
        .iter()
        .map(|report| {
            let progress = &report.progress;
            vec![
                Cell::from(report.output.clone()),
                progress.added.to_string().into(),
                progress.deleted.to_string().into(),
                progress.rejected.to_string().into(),
                report.behind.to_string().into(),
                format!("{:.1}", report.elapsed.as_secs_f64()).into(),
                report.position.to_string().into(),
                Cell::new(report.end.word(), Tone::of(&report.end)),
            ]
        })
        .collect();
    fit(&columns, &rows, screen)
}

fn as_value(report: &PushReport) -> Value {
    json!({
        "output": report.output,
        "state": report.end.word(),
        "why": report.end.why(),
        "added": report.progress.added,
        "deleted": report.progress.deleted,
        "rejected": report.progress.rejected,
        "behind": report.behind,
        "position": report.position,
        "starts_over": report.starts_over,
        "seconds": report.elapsed.as_secs_f64(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_a_push_is() {
        let progress = |done, deleted, rejected| PushProgress {
            done,
            total: 4_000,
            added: done,
            deleted,
            rejected,
        };
        for (progress, seconds, expected) in [
            (progress(0, 0, 0), 3, "0 of 4,000 changes"),
            (progress(1_000, 0, 0), 0, "1,000 of 4,000 changes"),
            (
                progress(1_000, 7, 1),
                2,
                "1,000 of 4,000 changes, 500/s, 6s left, 7 deleted, 1 rejected",
            ),
            (progress(4_000, 0, 0), 2, "4,000 of 4,000 changes, 2000/s"),
            // Changes that came meanwhile.
            (progress(4_001, 0, 0), 0, "4,001 of 4,001 changes"),
        ] {
            let elapsed = Duration::from_secs(seconds);
            assert_eq!(line(&progress, elapsed), expected);
        }
    }
}
