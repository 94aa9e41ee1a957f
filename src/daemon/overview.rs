//! Everything that is known of the sources at one moment: what the store has, and what the daemon is
//! doing. Status page, metrics and API show it.

use std::path::Path;

use serde::Serialize;

use super::board::{
    Attempt, Board, Counters, DeliveryKind, DeliverySeen, DeliveryState, DeliverySums, Reload,
    State, Wait,
};
use super::conductor::pause_key;
use crate::oai::Datestamp;
use crate::store::{
    ChangeFilter, Condition, Day, Export, HostPause, IndexState, Output, Pass, PassState,
    QuarantinedItem, Reader, Source, StoreError, Traits, Version, Warning, Watermark, Window,
};

/// Passes of a source that are told.
const PASSES: u32 = 30;

/// Items in quarantine that are told.
const QUARANTINED: u32 = 20;

/// Days whose records are told.
pub(super) const DAYS: i64 = 90;

const DAY_MS: i64 = 24 * 3600 * 1000;

/// Changes that an output has not confirmed are counted up to here: a larger number says nothing new.
const MOST_BEHIND: u64 = 1_000_000;

/// See the module. Times are milliseconds since 1970 on our clock.
#[derive(Debug, Serialize)]
pub(super) struct Overview {
    /// The program's version.
    pub(super) version: &'static str,
    /// When this was so.
    pub(super) now_ms: i64,
    /// When the daemon began.
    pub(super) started_ms: i64,
    /// The newest version in the store.
    pub(super) last_version: Version,
    /// Size of the database file.
    pub(super) store_bytes: u64,
    /// Size of its write-ahead log.
    pub(super) log_bytes: u64,
    /// The last reading of the configuration after the first.
    pub(super) reload: Option<Reload>,
    /// Why the daemon cannot do its work now.
    pub(super) trouble: Option<String>,
    /// Hosts to be left alone.
    pub(super) hosts: Vec<HostPause>,
    /// What is wrong, as people were told.
    pub(super) conditions: Vec<Condition>,
    /// Alerts that have not arrived.
    pub(super) pending_alerts: u64,
    /// The outputs, by name.
    pub(super) outputs: Vec<OutputView>,
    /// The scheduled exports, by name.
    pub(super) exports: Vec<ExportView>,
    /// The sources, by name.
    pub(super) sources: Vec<SourceView>,
    /// What can be searched.
    pub(super) search: SearchView,
}

/// The search index.
#[derive(Debug, Serialize)]
pub(super) struct SearchView {
    /// Whether the configuration wants it.
    pub(super) enabled: bool,
    /// How far it is; `None` before it was begun.
    pub(super) index: Option<IndexState>,
}

/// What the daemon is doing with an output or export.
#[derive(Debug, Serialize)]
pub(super) struct DeliveryView {
    /// What it is doing.
    #[serde(flatten)]
    pub(super) state: DeliveryState,
    /// Tries in vain since it last had everything.
    pub(super) failures: u32,
    /// Its last run in this process.
    pub(super) last_run: Option<Attempt>,
    /// What its runs of this process have delivered.
    #[serde(skip)]
    pub(super) sums: DeliverySums,
    /// Those that ended with everything delivered, and those that ended before.
    #[serde(skip)]
    pub(super) runs: [u64; 2],
}

impl From<DeliverySeen> for DeliveryView {
    fn from(seen: DeliverySeen) -> Self {
        Self {
            state: seen.state,
            failures: seen.failures,
            last_run: seen.attempt,
            sums: seen.sums,
            runs: seen.runs,
        }
    }
}

/// One configured output.
#[derive(Debug, Serialize)]
pub(super) struct OutputView {
    /// What the store knows of it.
    #[serde(flatten)]
    pub(super) known: Output,
    /// What the daemon is doing with it.
    #[serde(flatten)]
    pub(super) delivery: DeliveryView,
    /// Changes that it has not confirmed; a million at most are counted.
    pub(super) behind: u64,
    /// How long ago the oldest of them was stored, in seconds; 0 if there is none.
    pub(super) behind_seconds: i64,
    /// Documents that it did not take.
    pub(super) rejected: u64,
}

/// One configured export.
#[derive(Debug, Serialize)]
pub(super) struct ExportView {
    /// What the store knows of it.
    #[serde(flatten)]
    pub(super) known: Export,
    /// What the daemon is doing with it.
    #[serde(flatten)]
    pub(super) delivery: DeliveryView,
}

/// One source.
#[derive(Debug, Serialize)]
pub(super) struct SourceView {
    /// Its name.
    pub(super) name: String,
    /// Whether the configuration has it.
    pub(super) configured: bool,
    /// What it is doing, if it is configured.
    #[serde(flatten)]
    pub(super) state: Option<State>,
    /// Someone paused it; a run that is under way still comes to its end.
    #[serde(skip)]
    pub(super) paused: bool,
    /// What runs is reconciling.
    pub(super) reconciling: bool,
    /// When reconciling is due, if it has a schedule.
    pub(super) next_reconcile: Option<Wait>,
    /// Its last run in this process.
    pub(super) last_run: Option<Attempt>,
    /// The repository, without credentials.
    pub(super) base_url: String,
    /// The metadata format.
    pub(super) metadata_prefix: String,
    /// The sets; empty for all.
    pub(super) sets: Vec<String>,
    /// Live records.
    pub(super) live_records: u64,
    /// Tombstones.
    pub(super) deleted_records: u64,
    /// Up to where all its lists are proven.
    pub(super) watermark: Option<Datestamp>,
    /// How long ago that is on our clock, in seconds.
    pub(super) behind_seconds: Option<i64>,
    /// One for each list.
    pub(super) watermarks: Vec<Watermark>,
    /// What was learnt of the repository.
    pub(super) traits: Traits,
    /// Windows of the open pass that are not at their end.
    pub(super) pending_windows: Vec<Window>,
    /// The last passes, newest first.
    pub(super) passes: Vec<Pass>,
    /// What the days brought on which passes began, the oldest first.
    pub(super) days: Vec<Day>,
    /// What is odd about it.
    pub(super) warnings: Vec<Warning>,
    /// Items in quarantine.
    pub(super) quarantined: u64,
    /// The newest of them.
    pub(super) quarantine: Vec<QuarantinedItem>,
    /// What this process has done for it.
    #[serde(skip)]
    pub(super) counters: Counters,
}

/// Looks at the store and the board.
///
/// # Errors
/// As any read.
pub(super) fn overview(store: &Path, board: &Board) -> Result<Overview, StoreError> {
    let reader = Reader::open(store)?;
    let now_ms = board.now_ms();
    let mut seen = board.sources();
    let mut sources = Vec::new();
    for source in reader.sources()? {
        let view = seen.remove(&source.name);
        sources.push((source, view));
    }
    // Configured, and never harvested.
    for (name, view) in seen {
        sources.push((Source::unknown(name), Some(view)));
    }
    let mut views = Vec::new();
    for (source, mut seen) in sources {
        let passes = reader.passes(source.id, PASSES)?;
        let pending_windows = match passes.first() {
            Some(pass) if pass.state == PassState::Open => reader.pending_windows(pass.id)?,
            _ => Vec::new(),
        };
        let watermark = source.least_watermark().map(|least| least.datestamp);
        let reconciling = seen.as_ref().is_some_and(|seen| seen.reconciling);
        let next_reconcile = seen.as_mut().and_then(|seen| seen.next_reconcile.take());
        let (state, last_run, counters) = seen
            .map(|seen| (seen.state, seen.attempt, seen.counters))
            .map_or(
                (None, None, Counters::default()),
                |(state, run, counters)| (Some(state), run, counters),
            );
        views.push(SourceView {
            configured: state.is_some(),
            paused: reader.meta_value(&pause_key(&source.name))?.is_some(),
            state,
            reconciling,
            next_reconcile,
            last_run,
            watermark,
            behind_seconds: watermark.map(|at| now_ms.div_euclid(1000) - at.unix()),
            pending_windows,
            passes,
            days: reader.days(source.id, now_ms - (DAYS - 1) * DAY_MS)?,
            warnings: reader.warnings(source.id)?,
            quarantined: reader.count_quarantine(source.id)?,
            quarantine: reader.quarantine(source.id, QUARANTINED)?,
            counters,
            name: source.name,
            base_url: source.base_url,
            metadata_prefix: source.metadata_prefix,
            sets: source.sets,
            live_records: source.live_records,
            deleted_records: source.deleted_records,
            watermarks: source.watermarks,
            traits: source.traits,
        });
    }
    views.sort_by(|a, b| a.name.cmp(&b.name));
    let (mut outputs, mut exports) = (Vec::new(), Vec::new());
    for ((kind, name), seen) in board.deliveries() {
        match kind {
            DeliveryKind::Output => outputs.push(output(&reader, board, name, seen)?),
            DeliveryKind::Export => exports.push(export(&reader, name, seen)?),
        }
    }
    let mut log = store.as_os_str().to_owned();
    log.push("-wal");
    let bytes = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    Ok(Overview {
        version: env!("CARGO_PKG_VERSION"),
        now_ms,
        started_ms: board.started_ms(),
        last_version: reader.last_version()?,
        store_bytes: bytes(store),
        log_bytes: bytes(Path::new(&log)),
        reload: board.reload(),
        trouble: board.trouble(),
        hosts: reader.host_pauses()?,
        conditions: reader.conditions()?,
        pending_alerts: reader.count_alerts()?,
        outputs,
        exports,
        sources: views,
        search: SearchView {
            enabled: board.config().daemon.search,
            index: reader.search_index()?,
        },
    })
}

fn output(
    reader: &Reader,
    board: &Board,
    name: String,
    seen: DeliverySeen,
) -> Result<OutputView, StoreError> {
    let known = reader.output(&name)?;
    let rejected = match &known {
        Some(known) => reader.count_rejected(known.id)?,
        None => 0,
    };
    let known = known.unwrap_or_else(|| Output::unknown(name));
    let settings = board.config().output(&known.name).cloned();
    let everything = || ChangeFilter {
        since: Some(known.position),
        ..ChangeFilter::default()
    };
    let filter = settings.map_or_else(|_| everything(), |settings| settings.filter(known.position));
    let (behind, first) = reader.pending_changes(&filter, MOST_BEHIND)?;
    Ok(OutputView {
        behind,
        behind_seconds: first.map_or(0, |first| {
            (board.now_ms() - first.unix_ms()).div_euclid(1000).max(0)
        }),
        rejected,
        delivery: seen.into(),
        known,
    })
}

fn export(reader: &Reader, name: String, seen: DeliverySeen) -> Result<ExportView, StoreError> {
    let known = reader.export(&name)?;
    let unknown = || Export {
        name,
        ..Export::default()
    };
    Ok(ExportView {
        known: known.unwrap_or_else(unknown),
        delivery: seen.into(),
    })
}
