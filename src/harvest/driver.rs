//! Harvests sources: chooses the next pass over each, and reads passes until nothing is left.

use std::collections::{HashMap, HashSet, VecDeque};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::{self, JoinSet};

use super::blocking::blocking;
use super::context::Context;
use super::first_contact::Unreached;
use super::gaps::{due_gaps, gaps_in_words};
use super::pass::{PassStart, read_pass};
use super::place::{Place, has_room};
use super::plan::{Plan, RunOptions, plan};
use super::progress::Event;
use super::requester::host;
use super::run::{Halt, LIMIT_REACHED, Run};
use super::set_names::read_set_names;
use super::settings::SourceSettings;
use crate::end::End;
use crate::http::ClientSettings;
use crate::oai::client::{Client, Transport};
use crate::store::{Counts, JobChange, JobKey, JobKind, PassKind, StoreError, Watermark};

/// The longest wait for the first connection to a source that the store does not know.
const FIRST_CONNECT: Duration = Duration::from_secs(8);

/// The result of one run over one source.
#[derive(Debug, Clone)]
pub struct Report {
    /// The source.
    pub source: String,
    /// How the run ended.
    pub end: End,
    /// Whether it ended since the repository refuses every request.
    pub refused: bool,
    /// What became of the records of this run.
    pub counts: Counts,
    /// The watermarks after the run.
    pub watermarks: Vec<Watermark>,
    /// How long the run took.
    pub elapsed: Duration,
    /// Why the source cannot be harvested, if it has never been reached. Nothing is stored of it then.
    pub unreached: Option<Unreached>,
}

impl Report {
    /// The report of a run that requested nothing.
    fn without_work(source: &SourceSettings, end: End) -> Self {
        Self {
            source: source.name.clone(),
            end,
            refused: false,
            counts: Counts::default(),
            watermarks: Vec::new(),
            elapsed: Duration::ZERO,
            unreached: None,
        }
    }
}

/// Harvests `sources`, and gives a report for each, in their order.
///
/// Sources of one host run one after the other, since limits of rate are per client address. At most `jobs`
/// hosts are harvested side by side; those that only wait for a slow host do not count. Hosts that failed last
/// time come last.
pub async fn harvest_all(
    context: &Context,
    sources: &[SourceSettings],
    options: &RunOptions,
    jobs: NonZeroUsize,
) -> Vec<Report> {
    let mut waiting = by_host(context, sources);
    let left = Arc::new(Notify::new());
    let mut places: HashMap<task::Id, Place> = HashMap::new();
    let mut tasks = JoinSet::new();
    let mut reports = Vec::new();
    loop {
        while has_room(places.values(), jobs.get())
            && let Some(sources) = waiting.pop_front()
        {
            let place = Place::new(Arc::clone(&left));
            let context = Context {
                place: place.clone(),
                ..context.clone()
            };
            let options = options.clone();
            let task = tasks.spawn(async move {
                let mut reports = Vec::new();
                for (number, source) in sources {
                    reports.push((number, harvest_one(&context, &source, &options).await));
                }
                reports
            });
            places.insert(task.id(), place);
        }
        tokio::select! {
            ended = tasks.join_next_with_id() => match ended {
                Some(Ok((id, ended))) => {
                    places.remove(&id);
                    reports.extend(ended);
                }
                Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
                None => break,
            },
            () = left.notified() => {}
        }
    }
    reports.sort_by_key(|(number, _)| *number);
    reports.into_iter().map(|(_, report)| report).collect()
}

/// The sources of each host with their numbers, in the order of their first sources. Hosts that failed last
/// time are at the end.
fn by_host(
    context: &Context,
    sources: &[SourceSettings],
) -> VecDeque<Vec<(usize, SourceSettings)>> {
    let jobs = context.store.reader().and_then(|reader| reader.jobs());
    // Without their rows the order is another one.
    let failed: HashSet<String> = jobs
        .unwrap_or_default()
        .into_iter()
        .filter(|job| job.key.kind == JobKind::Harvest && job.failures > 0)
        .map(|job| job.key.name)
        .collect();
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let mut hosts: Vec<Vec<(usize, SourceSettings)>> = Vec::new();
    for (number, source) in sources.iter().enumerate() {
        let at = *numbers.entry(host(source)).or_insert_with(|| {
            hosts.push(Vec::new());
            hosts.len() - 1
        });
        hosts[at].push((number, source.clone()));
    }
    hosts.sort_by_key(|sources| {
        sources
            .iter()
            .any(|(_, source)| failed.contains(&source.name))
    });
    hosts.into()
}

/// Harvests one source. Its job in the store gets the start and the end of the run.
async fn harvest_one(context: &Context, source: &SourceSettings, options: &RunOptions) -> Report {
    if context.stop.is_requested() {
        let end = End::Incomplete("not started: the run was stopped before".to_owned());
        return Report::without_work(source, end);
    }
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
    let report = match Client::new(&client_settings(context, source)) {
        Ok(client) => harvest(context, &client, source, options).await,
        Err(error) => Report::without_work(source, End::Incomplete(error.to_string())),
    };
    if recorded {
        let change = report.end.job_change(context.stop.is_requested());
        let mut changes = vec![(key.clone(), change)];
        changes.extend(report.refused.then_some((key, JobChange::Refused)));
        let stored = context.store.change_jobs(&changes, context.clock.now_ms());
        stored.unwrap_or_else(warn);
    }
    report
}

/// The settings of the client. The first connection to a source that the store does not know is given up early.
fn client_settings(context: &Context, source: &SourceSettings) -> ClientSettings {
    let mut settings = source.client.clone();
    if matches!(context.store.source(&source.name), Ok(None)) {
        settings.timeouts.connect = settings.timeouts.connect.min(FIRST_CONNECT);
    }
    settings
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
    let mut unreached = None;
    let read = lock_and_read(&mut run, options).await;
    let (end, refused) = match read.map_err(|halt| run.hold(halt)) {
        Ok(()) => (End::Complete, false),
        Err(halt) => {
            if let Halt::Unreached(why) = &halt {
                unreached = Some(why.clone());
            }
            let refused = halt.is_refusal();
            let end = halt.into_end(run.saved, context.clock.now_ms());
            (end, refused)
        }
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
        refused,
        counts: run.counts,
        watermarks,
        elapsed: begun.elapsed(),
        unreached,
    }
}

async fn lock_and_read<T: Transport>(
    run: &mut Run<'_, T>,
    options: &RunOptions,
) -> Result<(), Halt> {
    let _lock = run.begin().await?;
    let read = read_passes(run, options.clone()).await;
    match &read {
        Err(Halt::Unreached(_)) => {
            blocking(|| run.context.store.remove_source(&run.settings.name))?;
        }
        Ok(()) | Err(Halt::GapsLeft(_)) => read_set_names(run).await?,
        Err(_) => {}
    }
    read
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
                match read_pass(run, &source, &pass, start).await {
                    // The pass has ended without the end of a list. The next one reads that.
                    Err(Halt::Unfinished(why)) if store.open_pass(source.id)?.is_none() => {
                        run.notes.note(&why);
                        run.budget.window_was_recovered();
                    }
                    read => read?,
                }
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
pub(super) fn end_with_gaps<T: Transport>(run: &Run<'_, T>) -> Result<(), Halt> {
    let source = run.current_source()?;
    let gaps = run.context.store.gaps(&source)?;
    match gaps_in_words(&source, &gaps, run.context.clock.now_ms()) {
        Some(words) => Err(Halt::GapsLeft(words)),
        None => Ok(()),
    }
}
