//! The four kinds of jobs: what each has to do, what it needs for itself alone, and one run of it.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::daemon::status::{Delivered, StatusRegistry};
use crate::end::End;
use crate::harvest::progress::Progress;
use crate::harvest::settings::SourceSettings;
use crate::harvest::{
    CommitMode, Context, DeletionPolicy, Pace, Place, RunOptions, harvest, host, reconcile,
};
use crate::oai::client::Client;
use crate::output::OutputSettings;
use crate::output::export::settings::ExportSettings;
use crate::output::export::write_file;
use crate::output::push::{PushContext, PushOptions, PushProgress, has_changes, push};
use crate::schedule::Retry;
use crate::stop::Stop;
use crate::store::{Counts, Health, Job, JobKey, JobKind, JobOutcome, Reader, Store, StoreError};

/// What one job does, with its settings.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum JobSettings {
    /// Harvests a source.
    Harvest(Box<SourceSettings>),
    /// Finds the records of a source that disappeared, and holds more than this percentage of the live
    /// ones until a person confirms.
    Reconcile(Box<SourceSettings>, u8),
    /// Sends changes to an output.
    Push(Box<OutputSettings>),
    /// Writes a file.
    Export(Box<ExportSettings>),
}

/// What a job uses while no other job may.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Resource {
    /// A host: it is asked by one source at a time, and `max_hosts` bounds how many are in use.
    Host(String),
    /// An output, by name.
    Output(String),
    /// All processor cores: an export uses them, so exports run one after the other.
    Cores,
}

/// What a person requested of a job. The greater request replaces the lesser one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Request {
    /// A run.
    Run,
    /// A reconcile that deletes the records that an earlier one has held.
    ConfirmDeletions,
}

/// What each run is given.
#[derive(Clone)]
pub(super) struct JobContext {
    pub(super) store: Arc<Store>,
    pub(super) clock: Clock,
    pub(super) registry: Arc<StatusRegistry>,
    pub(super) progress: Arc<dyn Progress>,
    pub(super) pace: Pace,
    /// The place of this run among those of `max_hosts`.
    pub(super) place: Place,
    /// The threads that store the pages of all passes.
    pub(super) commit_mode: CommitMode,
}

/// How a run ended, and what it did.
#[derive(Debug)]
pub(super) struct RunResult {
    pub(super) outcome: JobOutcome,
    /// Why it did not succeed, or what a person has to know of it.
    pub(super) message: Option<String>,
    /// Whether the repository refuses every request.
    pub(super) refused: bool,
    pub(super) work: Work,
}

/// What a run did.
#[derive(Debug)]
pub(super) enum Work {
    /// Records that a pass or reconcile stored.
    Stored(Counts),
    /// Documents that a push or export delivered.
    Delivered(Delivered),
    /// It is not known.
    Unknown,
}

impl RunResult {
    /// The result of a run that failed before it did anything.
    pub(super) fn failed(message: String) -> Self {
        Self {
            outcome: JobOutcome::Failed,
            message: Some(message),
            refused: false,
            work: Work::Unknown,
        }
    }

    fn of(end: End, stop: &Stop, work: Work) -> Self {
        let (outcome, message) = end.outcome(stop.is_requested());
        Self {
            outcome,
            message,
            refused: false,
            work,
        }
    }
}

impl JobSettings {
    /// Which job it is.
    pub(super) fn key(&self) -> JobKey {
        match self {
            Self::Harvest(source) => JobKey::new(JobKind::Harvest, &source.name),
            Self::Reconcile(source, _) => JobKey::new(JobKind::Reconcile, &source.name),
            Self::Push(output) => JobKey::new(JobKind::Push, &output.name),
            Self::Export(export) => JobKey::new(JobKind::Export, &export.name),
        }
    }

    /// What it uses while no other job may.
    pub(super) fn resource(&self) -> Resource {
        match self {
            Self::Harvest(source) | Self::Reconcile(source, _) => Resource::Host(host(source)),
            Self::Push(output) => Resource::Output(output.name.clone()),
            Self::Export(_) => Resource::Cores,
        }
    }

    /// Whether it harvests. The others deliver what the store has.
    pub(super) fn harvests(&self) -> bool {
        matches!(self, Self::Harvest(_) | Self::Reconcile(..))
    }

    /// When it runs again after a failure. `row` says how it went so far.
    ///
    /// A host is asked again after an hour, then less and less often: once a day, and if it is dead or refuses
    /// us for days, after a third of the time since, up to a week. It comes back by itself.
    pub(super) fn retry(&self, row: Option<&Job>) -> Retry {
        let hour = Duration::from_secs(3600);
        let half_hour = Duration::from_secs(1800);
        let (first_pause, longest_pause) = match self {
            Self::Harvest(_) | Self::Reconcile(..) => match row.and_then(long_pause) {
                Some(pause) => {
                    return Retry {
                        first_pause: pause,
                        longest_pause: pause,
                        tick_ends_pause: false,
                    };
                }
                None => (hour, 24 * hour),
            },
            // A push has already retried with shorter pauses itself, so its pauses go on doubling.
            Self::Push(settings) => {
                let times = 1_u32.checked_shl(settings.retries).unwrap_or(u32::MAX);
                (settings.retry_pause.saturating_mul(times), half_hour)
            }
            Self::Export(_) => (Duration::from_secs(60), half_hour),
        };
        Retry {
            first_pause,
            longest_pause,
            // An index that is down is not asked at each tick.
            tick_ends_pause: self.harvests(),
        }
    }

    /// Whether the store has a change that an output or export lacks. `false` for the others.
    pub(super) fn lacks_changes(&self, store: &Store, reader: &Reader) -> Result<bool, StoreError> {
        let filter = match self {
            Self::Harvest(_) | Self::Reconcile(..) => return Ok(false),
            Self::Push(settings) => return has_changes(store, reader, settings),
            Self::Export(settings) => {
                let known = reader.export(&settings.name)?;
                let known = known.filter(|known| settings.is_position_of(known));
                settings.filter(known.map(|known| known.position))
            }
        };
        Ok(reader.first_change(&filter)?.is_some())
    }

    /// Runs it once.
    pub(super) async fn run(
        self,
        request: Option<Request>,
        context: JobContext,
        stop: Stop,
    ) -> RunResult {
        match self {
            Self::Harvest(source) => run_harvest(context, &source, stop).await,
            Self::Reconcile(source, max_percent) => {
                let confirmed = request == Some(Request::ConfirmDeletions);
                run_reconcile(context, &source, confirmed, max_percent, stop).await
            }
            Self::Push(settings) => run_push(context, &settings, stop).await,
            Self::Export(settings) => {
                let run = move || run_export(&context, &settings, &stop);
                let written = tokio::task::spawn_blocking(run).await;
                written.unwrap_or_else(|error| RunResult::failed(format!("it crashed: {error}")))
            }
        }
    }
}

/// The pause of a host that has failed for days; `None` for the others.
fn long_pause(row: &Job) -> Option<Duration> {
    let day = Duration::from_secs(24 * 3600);
    let failing_for = Duration::from_millis(u64::try_from(row.failing_for_ms()).ok()?);
    let asks_less = match row.health() {
        Health::Dead => true,
        Health::Blocked => failing_for >= 3 * day,
        _ => false,
    };
    asks_less.then(|| (failing_for / 3).clamp(day, 7 * day))
}

fn harvest_context(context: JobContext, stop: &Stop) -> Context {
    Context {
        store: context.store,
        clock: context.clock,
        stop: stop.clone(),
        progress: context.progress,
        pace: context.pace,
        place: context.place,
        commit_mode: context.commit_mode,
    }
}

async fn run_harvest(context: JobContext, source: &SourceSettings, stop: Stop) -> RunResult {
    let client = match Client::new(&source.client) {
        Ok(client) => client,
        Err(error) => return RunResult::failed(error.to_string()),
    };
    let context = harvest_context(context, &stop);
    let report = harvest(&context, &client, source, &RunOptions::default()).await;
    RunResult {
        refused: report.refused,
        ..RunResult::of(report.end, &stop, Work::Stored(report.counts))
    }
}

async fn run_reconcile(
    context: JobContext,
    source: &SourceSettings,
    confirmed: bool,
    max_percent: u8,
    stop: Stop,
) -> RunResult {
    let client = match Client::new(&source.client) {
        Ok(client) => client,
        Err(error) => return RunResult::failed(error.to_string()),
    };
    let policy = DeletionPolicy {
        max_share: f64::from(max_percent) / 100.0,
        confirmed,
        start_over: !confirmed,
    };
    let outcome = reconcile(&harvest_context(context, &stop), &client, source, policy).await;
    if outcome.end == End::Complete {
        tracing::info!(
            source.id = %source.name,
            "reconciled: {} records were not listed, {} of them exist, {} are deleted now",
            outcome.not_listed, outcome.found, outcome.deleted
        );
    }
    let work = Work::Stored(outcome.counts);
    if outcome.held {
        // The list is complete; a person decides what it means.
        return RunResult {
            outcome: JobOutcome::Succeeded,
            message: outcome.end.why().map(str::to_owned),
            refused: false,
            work,
        };
    }
    RunResult::of(outcome.end, &stop, work)
}

async fn run_push(context: JobContext, settings: &OutputSettings, stop: Stop) -> RunResult {
    let (registry, key) = (context.registry, JobKey::new(JobKind::Push, &settings.name));
    let push_context = PushContext {
        store: context.store,
        clock: context.clock,
        stop: stop.clone(),
        progress: Arc::new(move |progress: PushProgress| {
            registry.delivering(&key, progress.done, progress.total.max(progress.done));
        }),
    };
    let report = match push(&push_context, settings, &PushOptions::default()).await {
        Ok(report) => report,
        Err(error) => return RunResult::failed(error.to_string()),
    };
    if report.starts_over {
        tracing::info!(
            "output {}: its settings have changed, so everything is sent again",
            report.output
        );
    }
    let delivered = Delivered {
        added: report.progress.added,
        deleted: report.progress.deleted,
        rejected: report.progress.rejected,
    };
    RunResult::of(report.end, &stop, Work::Delivered(delivered))
}

fn run_export(context: &JobContext, settings: &ExportSettings, stop: &Stop) -> RunResult {
    let key = JobKey::new(JobKind::Export, &settings.name);
    let now_ms = context.clock.now_ms();
    let protected = context.registry.config().protected(Some(&settings.name));
    let written = write_file(&context.store, settings, &protected, stop, now_ms, |read| {
        context.registry.delivering(&key, read, read);
    });
    match written {
        Ok(report) if report.stopped => RunResult {
            outcome: JobOutcome::Interrupted,
            message: None,
            refused: false,
            work: Work::Unknown,
        },
        Ok(report) => RunResult {
            outcome: JobOutcome::Succeeded,
            message: None,
            refused: false,
            work: Work::Delivered(Delivered {
                added: report.records,
                deleted: report.deletions,
                rejected: report.failed,
            }),
        },
        Err(error) => RunResult::failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_fails_for_days_is_asked_less_and_less() {
        let hour = 3600;
        let day = 24 * hour;
        let job = |failures, failing_for: i64, refused| Job {
            outcome: Some(JobOutcome::Failed),
            failures,
            failing_since: Some(0),
            ended_at: Some(failing_for * 1000),
            refused,
            ..Job::unknown(JobKey::new(JobKind::Harvest, "a"))
        };
        let cases = [
            ("down for a day", job(5, day, false), None),
            ("seldom asked", job(3, 9 * day, false), None),
            ("dead", job(8, 3 * day, false), Some(day)),
            ("dead for longer", job(9, 6 * day, false), Some(2 * day)),
            ("dead for a year", job(99, 365 * day, false), Some(7 * day)),
            ("refused once", job(1, 0, true), None),
            ("refused for days", job(4, 6 * day, true), Some(2 * day)),
        ];
        for (case, row, expected) in cases {
            let seconds = long_pause(&row).map(|pause| pause.as_secs());
            assert_eq!(seconds, expected.map(|pause| pause as u64), "{case}");
        }
    }
}
