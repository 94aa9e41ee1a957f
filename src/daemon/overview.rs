//! The state of all sources, outputs and exports at one moment: what the store has, and what the daemon is
//! doing. Status page, metrics and API show it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;
use std::path::Path;

use serde::Serialize;

use super::status::{JobProgress, JobStatus, PassCounters, Reload, StatusRegistry};
use super::usage::Usage;
use crate::harvest::gaps_in_words;
use crate::oai::Datestamp;
use crate::output::OutputSettings;
use crate::store::{
    Condition, Day, Export, Gap, HostPause, IndexState, Job, JobKey, JobKind, Output, Pass,
    PassState, QuarantinedItem, Reader, Source, SourceState, SourceTotals, StoreError, Traits,
    Version, Warning, Watermark, Window,
};

/// Passes of a source that are shown.
const PASSES: u32 = 30;

/// Quarantined items of a source that are shown.
const QUARANTINED: u32 = 20;

/// How much is read of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// Its history too.
    Whole,
    /// Its present state and its last pass, as for a list of sources.
    Row,
}

/// Days of a source that are shown.
pub(super) const DAYS: i64 = 90;

const DAY_MS: i64 = 24 * 3600 * 1000;

/// Changes that an output has not confirmed are counted up to this number, since counting takes time.
const MOST_BEHIND: u64 = 100_000;

/// What there is once, and the outputs and exports. Times are milliseconds since 1970 on our clock.
#[derive(Debug, Serialize)]
pub(super) struct Overview {
    /// The program's version.
    pub(super) version: &'static str,
    /// When this was the state.
    pub(super) now_ms: i64,
    /// When the daemon started.
    pub(super) started_ms: i64,
    /// The newest version in the store.
    pub(super) last_version: Version,
    /// Size of the database file.
    pub(super) store_bytes: u64,
    /// Size of its write-ahead log.
    pub(super) log_bytes: u64,
    /// The last reload of the configuration.
    pub(super) reload: Option<Reload>,
    /// Why the scheduler cannot do its work; `None` if it can.
    pub(super) trouble: Option<String>,
    /// Hosts that asked for a pause.
    pub(super) hosts: Vec<HostPause>,
    /// What is wrong, as alerts have reported it.
    pub(super) conditions: Vec<Condition>,
    /// Alerts that are not delivered yet.
    pub(super) pending_alerts: u64,
    /// The outputs, by name.
    pub(super) outputs: Vec<OutputView>,
    /// The scheduled exports, by name.
    pub(super) exports: Vec<ExportView>,
    /// The search index.
    pub(super) search: SearchView,
    /// Who harvests the OAI-PMH provider; `None` if it is off.
    #[serde(skip)]
    pub(super) provider: Option<Usage>,
}

/// Some sources, by name.
#[derive(Debug)]
pub(super) struct SourcePage {
    /// The sources, with their last passes and without older history.
    pub(super) sources: Vec<SourceView>,
    /// Whether there are sources after the last one.
    pub(super) has_more: bool,
}

/// What all sources have together.
#[derive(Debug, Default)]
pub(super) struct Totals {
    /// The sources of configuration and store.
    pub(super) sources: usize,
    /// What the store has of them.
    pub(super) stored: SourceTotals,
    /// The harvests of the configured sources.
    pub(super) harvests: Vec<Job>,
    /// The state of each source.
    pub(super) states: BTreeMap<String, SourceState>,
    /// What passes and reconciles have done since the daemon started.
    pub(super) counters: PassCounters,
}

/// The search index.
#[derive(Debug, Serialize)]
pub(super) struct SearchView {
    /// Whether the configuration has it on.
    pub(super) enabled: bool,
    /// How far it is; `None` before it exists.
    pub(super) index: Option<IndexState>,
}

/// A job: its row in the store, and how far it is if the daemon runs it.
#[derive(Debug, Serialize)]
pub(super) struct JobView {
    /// Its plan and its last run.
    #[serde(flatten)]
    pub(super) job: Job,
    /// How far its run is; `None` if the daemon does not run it now.
    pub(super) progress: Option<JobProgress>,
    /// What the daemon has done for it since it started.
    #[serde(skip)]
    pub(super) status: JobStatus,
}

/// One configured output.
#[derive(Debug, Serialize)]
pub(super) struct OutputView {
    /// What the store knows of it.
    #[serde(flatten)]
    pub(super) known: Output,
    /// Its push, or the writing of its file.
    pub(super) job: JobView,
    /// Changes that it has not confirmed; 100,000 at most are counted.
    pub(super) behind: u64,
    /// The age of the oldest of these changes, in seconds; 0 without any.
    pub(super) behind_seconds: i64,
    /// Documents that it rejected.
    pub(super) rejected: u64,
}

/// One configured export.
#[derive(Debug, Serialize)]
pub(super) struct ExportView {
    /// What the store knows of it.
    #[serde(flatten)]
    pub(super) known: Export,
    /// Its push, or the writing of its file.
    pub(super) job: JobView,
}

/// One source.
#[derive(Debug, Serialize)]
pub(super) struct SourceView {
    /// Its name.
    pub(super) name: String,
    /// Its state.
    pub(super) state: SourceState,
    /// Whether the configuration has it.
    pub(super) configured: bool,
    /// Its passes.
    pub(super) pass: JobView,
    /// Its reconciles.
    pub(super) reconcile: JobView,
    /// The repository, without credentials.
    pub(super) base_url: String,
    /// The metadata format.
    pub(super) metadata_prefix: String,
    /// The sets; empty for all.
    pub(super) sets: Vec<String>,
    /// What the repository calls these sets, as far as that is known.
    #[serde(skip)]
    pub(super) set_names: Vec<Option<String>>,
    /// Live records.
    pub(super) live_records: u64,
    /// Tombstones.
    pub(super) deleted_records: u64,
    /// The least watermark of its lists.
    pub(super) watermark: Option<Datestamp>,
    /// The age of the watermark by our clock, in seconds.
    pub(super) behind_seconds: Option<i64>,
    /// The watermark of each list.
    pub(super) watermarks: Vec<Watermark>,
    /// Spans that could not be read.
    pub(super) gaps: Vec<Gap>,
    /// How far it is complete, and its gaps; `None` if it has none.
    pub(super) gaps_in_words: Option<String>,
    /// What was learnt of the repository.
    pub(super) traits: Traits,
    /// Windows of the open pass that are not complete.
    pub(super) pending_windows: Vec<Window>,
    /// The last passes, newest first.
    pub(super) passes: Vec<Pass>,
    /// The records of each day on which passes began, the oldest first.
    pub(super) days: Vec<Day>,
    /// What a person should look at.
    pub(super) warnings: Vec<Warning>,
    /// Quarantined items.
    pub(super) quarantined: u64,
    /// The newest of them.
    pub(super) quarantine: Vec<QuarantinedItem>,
    /// When the last complete pass ended.
    #[serde(skip)]
    pub(super) last_complete_pass_at: Option<i64>,
}

impl SourceView {
    /// What its passes and reconciles have done since the daemon started.
    pub(super) fn counters(&self) -> PassCounters {
        let mut sum = self.pass.status.counters;
        sum += self.reconcile.status.counters;
        sum
    }
}

impl JobView {
    /// One job, read by itself.
    fn read(
        reader: &Reader,
        registry: &StatusRegistry,
        kind: JobKind,
        name: &str,
    ) -> Result<Self, StoreError> {
        let key = JobKey::new(kind, name);
        let job = reader.job(&key)?.unwrap_or_else(|| Job::unknown(key));
        Ok(Self::of(job, registry))
    }

    /// A job whose row is read already.
    pub(super) fn of(job: Job, registry: &StatusRegistry) -> Self {
        let mut status = registry.job(&job.key);
        Self {
            progress: status.progress.take(),
            status,
            job,
        }
    }
}

/// One source; `None` if neither the store nor the configuration has it.
pub(super) fn one_source(
    reader: &Reader,
    registry: &StatusRegistry,
    name: &str,
) -> Result<Option<SourceView>, StoreError> {
    let config = registry.config();
    let configured = config.sources.iter().any(|source| source.name == name);
    let names = configured.then_some(name);
    reader.snapshot(|reader| {
        let states = reader.source_states(names.as_slice(), Some(&[name]))?;
        named_source(reader, registry, name, configured, &states, Extent::Whole)
    })
}

/// At most `limit` sources of configuration and store by name, those after the name `after`.
pub(super) fn sources(
    reader: &Reader,
    registry: &StatusRegistry,
    after: Option<&str>,
    limit: usize,
) -> Result<SourcePage, StoreError> {
    let config = registry.config();
    let configured = config.sources.iter().map(|source| source.name.as_str());
    let configured: HashSet<&str> = configured.collect();
    reader.snapshot(|reader| {
        let mut names = reader.source_names()?;
        names.extend(configured.iter().map(|name| (*name).to_owned()));
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut names = names.range::<str, _>((after, Bound::Unbounded));
        let mut sources = Vec::new();
        let these: Vec<&str> = names.by_ref().take(limit).map(String::as_str).collect();
        let known: Vec<&str> = { these.iter().copied() }
            .filter(|name| configured.contains(name))
            .collect();
        let states = reader.source_states(&known, Some(&these))?;
        for name in these {
            let configured = configured.contains(name);
            let source = named_source(reader, registry, name, configured, &states, Extent::Row)?;
            sources.extend(source);
        }
        Ok(SourcePage {
            sources,
            has_more: names.next().is_some(),
        })
    })
}

/// What all sources have together.
pub(super) fn totals(reader: &Reader, registry: &StatusRegistry) -> Result<Totals, StoreError> {
    let config = registry.config();
    let mut counters = PassCounters::default();
    for (key, status) in registry.jobs() {
        if matches!(key.kind, JobKind::Harvest | JobKind::Reconcile) {
            counters += status.counters;
        }
    }
    reader.snapshot(|reader| {
        let mut names = reader.source_names()?;
        let rows = reader.jobs()?.into_iter();
        let rows = rows.filter(|job| job.key.kind == JobKind::Harvest);
        let mut rows: HashMap<String, Job> = rows.map(|job| (job.key.name.clone(), job)).collect();
        let harvest = |name: &str| {
            let unknown = || Job::unknown(JobKey::new(JobKind::Harvest, name));
            rows.remove(name).unwrap_or_else(unknown)
        };
        let configured = || config.sources.iter().map(|source| source.name.as_str());
        let harvests = configured().map(harvest).collect();
        names.extend(configured().map(str::to_owned));
        let known: Vec<&str> = configured().collect();
        Ok(Totals {
            states: reader.source_states(&known, None)?,
            sources: names.len(),
            stored: reader.source_totals()?,
            harvests,
            counters,
        })
    })
}

fn named_source(
    reader: &Reader,
    registry: &StatusRegistry,
    name: &str,
    configured: bool,
    states: &BTreeMap<String, SourceState>,
    extent: Extent,
) -> Result<Option<SourceView>, StoreError> {
    let source = match reader.source(name)? {
        Some(source) => source,
        None if configured => Source::unknown(name.to_owned()),
        None => return Ok(None),
    };
    // A source of the store or of the configuration has a state.
    let state = states.get(name).copied().unwrap_or(SourceState::New);
    source_view(reader, registry, source, configured, state, extent).map(Some)
}

/// The configured outputs by name, or only the one of this name.
pub(super) fn outputs(
    reader: &Reader,
    registry: &StatusRegistry,
    only: Option<&str>,
) -> Result<Vec<OutputView>, StoreError> {
    let (config, now_ms) = (registry.config(), registry.now_ms());
    let wanted = |name: &str| only.is_none_or(|only| only == name);
    let mut views = Vec::new();
    for settings in config.outputs.iter().filter(|output| wanted(&output.name)) {
        let job = JobView::read(reader, registry, JobKind::Push, &settings.name)?;
        views.push(output_view(reader, settings, job, now_ms)?);
    }
    views.sort_by(|a, b| a.known.name.cmp(&b.known.name));
    Ok(views)
}

/// The configured exports by name, or only the one of this name.
pub(super) fn exports(
    reader: &Reader,
    registry: &StatusRegistry,
    only: Option<&str>,
) -> Result<Vec<ExportView>, StoreError> {
    let config = registry.config();
    let wanted = |name: &str| only.is_none_or(|only| only == name);
    let mut views = Vec::new();
    for settings in config.exports.iter().filter(|export| wanted(&export.name)) {
        let known = reader.export(&settings.name)?;
        views.push(ExportView {
            known: known.unwrap_or_else(|| Export {
                name: settings.name.clone(),
                ..Export::default()
            }),
            job: JobView::read(reader, registry, JobKind::Export, &settings.name)?,
        });
    }
    views.sort_by(|a, b| a.known.name.cmp(&b.known.name));
    Ok(views)
}

/// Bytes on disk: the database, its write-ahead log, and the search index with its own log.
pub(super) fn bytes_on_disk(store: &Path) -> u64 {
    let bytes = |end: &str| {
        let mut name = store.as_os_str().to_owned();
        name.push(end);
        std::fs::metadata(&name).map_or(0, |metadata| metadata.len())
    };
    ["", "-wal", ".search", ".search-wal"]
        .map(bytes)
        .iter()
        .sum()
}

/// Reads the store and the registry.
pub(super) fn overview(
    reader: &Reader,
    registry: &StatusRegistry,
    store: &Path,
) -> Result<Overview, StoreError> {
    let (config, now_ms) = (registry.config(), registry.now_ms());
    let mut log = store.as_os_str().to_owned();
    log.push("-wal");
    let bytes = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    reader.snapshot(|reader| {
        Ok(Overview {
            version: env!("CARGO_PKG_VERSION"),
            now_ms,
            started_ms: registry.started_ms(),
            last_version: reader.last_version()?,
            store_bytes: bytes(store),
            log_bytes: bytes(Path::new(&log)),
            reload: registry.reload(),
            trouble: registry.trouble(),
            hosts: reader.host_pauses()?,
            conditions: reader.conditions()?,
            pending_alerts: reader.count_alerts()?,
            outputs: outputs(reader, registry, None)?,
            exports: exports(reader, registry, None)?,
            search: SearchView {
                enabled: config.daemon.search,
                index: reader.search_index()?,
            },
            provider: config.daemon.oai.as_ref().map(|_| registry.usage().usage()),
        })
    })
}

fn source_view(
    reader: &Reader,
    registry: &StatusRegistry,
    source: Source,
    configured: bool,
    state: SourceState,
    extent: Extent,
) -> Result<SourceView, StoreError> {
    let pass = JobView::read(reader, registry, JobKind::Harvest, &source.name)?;
    let reconcile = JobView::read(reader, registry, JobKind::Reconcile, &source.name)?;
    let now_ms = registry.now_ms();
    let is_whole = extent == Extent::Whole;
    let passes = reader.passes(source.id, if is_whole { PASSES } else { 1 })?;
    let pending_windows = match passes.first() {
        Some(pass) if pass.state == PassState::Open => reader.pending_windows(pass.id)?,
        _ => Vec::new(),
    };
    let watermark = source.least_watermark().map(|least| least.datestamp);
    let gaps = reader.gaps(&source)?;
    let set_names = { source.sets.iter() }
        .map(|set| reader.set_name(source.id, set))
        .collect::<Result<_, _>>()?;
    Ok(SourceView {
        set_names,
        state,
        configured,
        pass,
        reconcile,
        watermark,
        behind_seconds: watermark.map(|at| now_ms.div_euclid(1000) - at.unix()),
        pending_windows,
        gaps_in_words: gaps_in_words(&source, &gaps, now_ms),
        gaps,
        passes,
        days: match extent {
            Extent::Whole => reader.days(source.id, now_ms - (DAYS - 1) * DAY_MS)?,
            Extent::Row => Vec::new(),
        },
        warnings: reader.warnings(source.id)?,
        quarantined: reader.count_quarantine(source.id)?,
        quarantine: match extent {
            Extent::Whole => reader.quarantine(source.id, QUARANTINED)?,
            Extent::Row => Vec::new(),
        },
        last_complete_pass_at: reader.last_complete_pass_at(source.id)?,
        name: source.name,
        base_url: source.base_url,
        metadata_prefix: source.metadata_prefix,
        sets: source.sets,
        live_records: source.live_records,
        deleted_records: source.deleted_records,
        watermarks: source.watermarks,
        traits: source.traits,
    })
}

fn output_view(
    reader: &Reader,
    settings: &OutputSettings,
    job: JobView,
    now_ms: i64,
) -> Result<OutputView, StoreError> {
    let known = reader.output(&settings.name)?;
    let rejected = match &known {
        Some(known) => reader.count_rejected(known.id)?,
        None => 0,
    };
    let known = known.unwrap_or_else(|| Output::unknown(settings.name.clone()));
    let filter = settings.filter(known.position);
    let (behind, first) = reader.pending_changes(&filter, MOST_BEHIND)?;
    Ok(OutputView {
        behind,
        behind_seconds: first.map_or(0, |first| {
            (now_ms - first.unix_ms()).div_euclid(1000).max(0)
        }),
        rejected,
        job,
        known,
    })
}
