//! Harvests sources: chooses the next pass over each, and reads passes until nothing is left.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::blocking::blocking;
use super::context::Context;
use super::gaps::{due_gaps, gaps_in_words};
use super::pass::{PassStart, read_pass};
use super::plan::{Plan, RunOptions, plan};
use super::progress::Event;
use super::requester::host;
use super::run::{Halt, LIMIT_REACHED, Run};
use super::settings::SourceSettings;
use crate::end::End;
use crate::oai::client::{Client, Transport};
use crate::store::{Counts, JobKey, JobKind, PassKind, StoreError, Watermark};

/// The result of one run over one source.
#[derive(Debug, Clone)]
pub struct Report {
    /// The source.
    pub source: String,
    /// How the run ended.
    pub end: End,
    /// What became of the records of this run.
    pub counts: Counts,
    /// The watermarks after the run.
    pub watermarks: Vec<Watermark>,
    /// How long the run took.
    pub elapsed: Duration,
}

/// Harvests `sources`, and gives a report for each, in their order.
///
/// Sources of one host run one after the other, since limits of rate are per client address. Hosts
/// run side by side.
pub async fn harvest_all(
    context: &Context,
    sources: &[SourceSettings],
    options: &RunOptions,
) -> Vec<Report> {
    let mut hosts: BTreeMap<String, Vec<(usize, SourceSettings)>> = BTreeMap::new();
    for (number, source) in sources.iter().enumerate() {
        hosts
            .entry(host(source))
            .or_default()
            .push((number, source.clone()));
    }
    let mut tasks = JoinSet::new();
    for sources in hosts.into_values() {
        let (context, options) = (context.clone(), options.clone());
        tasks.spawn(async move {
            let mut reports = Vec::new();
            for (number, source) in sources {
                reports.push((number, harvest_one(&context, &source, &options).await));
            }
            reports
        });
    }
    let mut reports: Vec<(usize, Report)> = tasks.join_all().await.into_iter().flatten().collect();
    reports.sort_by_key(|(number, _)| *number);
    reports.into_iter().map(|(_, report)| report).collect()
}

/// Harvests one source. Its job in the store gets the start and the end of the run.
async fn harvest_one(context: &Context, source: &SourceSettings, options: &RunOptions) -> Report {
    let key = JobKey::new(JobKind::Harvest, &source.name);
    // A part of a source does not count as a pass by the schedule.
    let whole = RunOptions {
        full: options.full,
        ..RunOptions::default()
    };
    let warn = |error: StoreError| tracing::warn!(source.id = %source.name, "{error}");
    let recorded = *options == whole
        && context
            .store
            .start_command(&key, context.clock.now_ms())
            .unwrap_or_else(|error| {
                warn(error);
                false
            });
    let report = match Client::new(&source.client) {
        Ok(client) => harvest(context, &client, source, options).await,
        Err(error) => Report {
            source: source.name.clone(),
            end: End::Incomplete(error.to_string()),
            counts: Counts::default(),
            watermarks: Vec::new(),
            elapsed: Duration::ZERO,
        },
    };
    if recorded {
        let changes = [(key, report.end.job_change(context.stop.is_requested()))];
        let stored = context.store.change_jobs(&changes, context.clock.now_ms());
        stored.unwrap_or_else(warn);
    }
    report
}

/// Harvests one source: goes on with an interrupted pass, and then reads what has changed since.
pub async fn harvest<T: Transport>(
    context: &Context,
    transport: &T,
    settings: &SourceSettings,
    options: &RunOptions,
) -> Report {
    let begun = Instant::now();
    context
        .progress
        .event(&settings.name, Event::Started { total: None });
    let mut run = Run::new(context, transport, settings, options.limit);
    let read = lock_and_read(&mut run, options).await;
    let end = match read.map_err(|halt| run.hold(halt)) {
        Ok(()) => End::Complete,
        Err(halt) => halt.into_end(run.saved, context.clock.now_ms()),
    };
    context
        .progress
        .event(&settings.name, Event::Ended(end.clone()));
    let watermarks = match context.store.source(&settings.name) {
        Ok(Some(source)) => source.watermarks,
        _ => Vec::new(),
    };
    Report {
        source: settings.name.clone(),
        end,
        counts: run.counts,
        watermarks,
        elapsed: begun.elapsed(),
    }
}

async fn lock_and_read<T: Transport>(
    run: &mut Run<'_, T>,
    options: &RunOptions,
) -> Result<(), Halt> {
    let _lock = run.begin().await?;
    read_passes(run, options.clone()).await
}

/// Reads an interrupted pass to its end, and then the pass over what has changed since.
pub(super) async fn read_passes<T: Transport>(
    run: &mut Run<'_, T>,
    mut options: RunOptions,
) -> Result<(), Halt> {
    let store = &run.context.store;
    loop {
        let mut source = run.current_source()?;
        let open = store.open_pass(source.id)?;
        if options.full {
            // A requested full list shows the repository as it is now.
            let is_new_list = open.as_ref().is_none_or(|open| open.kind != PassKind::Full);
            run.repository.forget_list_traits(is_new_list);
            run.save_traits(&source)?;
        }
        source.traits.clone_from(&run.repository.traits);
        let gaps = store.gaps(&source)?;
        match plan(&source, open, &gaps, run.settings, &options) {
            Plan::Resume(pass) => {
                run.notes.note("resuming the interrupted pass");
                blocking(|| store.resume_pass(pass.id))?;
                let start = if pass.note.as_deref() == Some(LIMIT_REACHED) {
                    PassStart::LimitReached
                } else {
                    PassStart::Interrupted
                };
                read_pass(run, &source, &pass, start).await?;
                // The pass may be old, so the changes since are read as well, but not everything
                // once more.
                options.full = false;
            }
            Plan::Nothing => {
                run.notes.note("the requested dates leave nothing to list");
                if options.from.is_some() || options.until.is_some() {
                    return Ok(());
                }
                read_gaps(run).await?;
                return end_with_gaps(run);
            }
            Plan::Begin {
                kind,
                windows,
                moves_watermark,
                replaces_open,
            } => {
                if kind == PassKind::Full || run.repository.traits.granularity.is_none() {
                    run.identify(&source).await?;
                }
                let now_ms = run.context.clock.now_ms();
                let pass = blocking(|| {
                    store.begin_pass(
                        source.id,
                        kind,
                        moves_watermark,
                        replaces_open,
                        &windows,
                        now_ms,
                    )
                })?;
                let pass = store.pass(pass)?;
                read_pass(run, &source, &pass, PassStart::New).await?;
                if kind != PassKind::Part {
                    read_gaps(run).await?;
                }
                return end_with_gaps(run);
            }
        }
    }
}

/// Reads the gaps that are due, or goes on with an interrupted pass over them.
async fn read_gaps<T: Transport>(run: &mut Run<'_, T>) -> Result<(), Halt> {
    let store = &run.context.store;
    let source = run.current_source()?;
    let now_ms = run.context.clock.now_ms();
    let (pass, start) = if let Some(pass) = store.open_gaps_pass(source.id)? {
        blocking(|| store.resume_pass(pass.id))?;
        (pass, PassStart::Interrupted)
    } else {
        let gaps = store.gaps(&source)?;
        let due = due_gaps(&gaps, now_ms);
        if due.is_empty() {
            return Ok(());
        }
        let count = due.len();
        run.notes.note(&format!("trying {count} gaps again"));
        let kind = PassKind::Gaps;
        let pass = blocking(|| store.begin_pass(source.id, kind, true, false, &due, now_ms))?;
        (store.pass(pass)?, PassStart::New)
    };
    run.budget.begin_gaps();
    read_pass(run, &source, &pass, start).await
}

/// Says which gaps are left, if there are any.
fn end_with_gaps<T: Transport>(run: &Run<'_, T>) -> Result<(), Halt> {
    let source = run.current_source()?;
    let gaps = run.context.store.gaps(&source)?;
    match gaps_in_words(&source, &gaps, run.context.clock.now_ms()) {
        Some(words) => Err(Halt::GapsLeft(words)),
        None => Ok(()),
    }
}
