//! One seed: which runs there are, how each is cut off, and how it all ends.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use harvestd::clock::Clock;
use harvestd::end::End;
use harvestd::harvest::settings::SourceSettings;
use harvestd::harvest::{CommitMode, Context, Pace, Place, Report, RunOptions, harvest};
use harvestd::http::ClientSettings;
use harvestd::oai::Datestamp;
use harvestd::stop::stop_switch;
use harvestd::store::{Reader, Store};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use crate::oracle::{self, Memory, Ran};
use crate::repository::{Listing, START, WorldSize};
use crate::wire::{Cut, Site, Watch, Wire};

/// Once nothing disturbs them, this many runs bring a source to its end.
const MOST_QUIET_RUNS: u32 = 6;

/// A list that was left for so long is not gone on with at a token that counts.
const LONG_PAUSE_SECONDS: i64 = 301;

/// So often it is read again instead.
const MOST_RESTS: u32 = 3;

/// What became of the seeds that were played.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Outcome {
    seeds: u64,
    runs: u64,
    complete: u64,
    crashes: u64,
    requests: u64,
    disappeared: u64,
    quarantined: u64,
}

impl Outcome {
    pub(crate) fn seeds(&self) -> u64 {
        self.seeds
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.runs += other.runs;
        self.complete += other.complete;
        self.crashes += other.crashes;
        self.requests += other.requests;
        self.disappeared += other.disappeared;
        self.quarantined += other.quarantined;
    }
}

/// One source of the store, and its repository.
pub(crate) struct Member {
    pub(crate) site: Arc<Mutex<Site>>,
    pub(crate) settings: SourceSettings,
    pub(crate) memory: Memory,
}

/// Plays one seed.
///
/// # Errors
/// What did not hold. `log` tells what happened until then.
pub(crate) fn play(seed: u64, mut log: Option<&mut Vec<String>>) -> Result<Outcome, String> {
    let mut rng = Rng::with_seed(seed);
    // The engine's pauses have chance in them.
    fastrand::seed(seed);
    let mut stage = Stage::of(seed);
    let clock = Arc::new(AtomicI64::new(START * 1000 + rng.i64(-20..20) * 86_400_000));
    let size = WorldSize::any(&mut rng);
    let mut members: Vec<Member> = (0..1 + usize::from(rng.u8(0..4) == 0))
        .map(|number| member(number, size, &clock, log.is_some(), &mut rng))
        .collect();
    let mut outcome = Outcome {
        seeds: 1,
        ..Outcome::default()
    };
    let result = match log {
        // A panic must not take the log with it.
        Some(_) => catch_unwind(AssertUnwindSafe(|| {
            play_all(&mut members, size, &mut stage, &mut outcome, &mut rng)
        }))
        .unwrap_or_else(|_| Err("it panicked".to_owned())),
        None => play_all(&mut members, size, &mut stage, &mut outcome, &mut rng),
    };
    if let Some(log) = &mut log {
        for member in &members {
            let mut site = member.site.lock().unwrap_or_else(PoisonError::into_inner);
            log.push(format!(
                "source {}: {:#?}",
                member.settings.name, member.settings
            ));
            log.push(format!("{:#?}", site.repository.model.behaviour));
            log.push(format!(
                "format {}, sets {:?}, late {}",
                site.repository.prefix, site.repository.sets, site.repository.late
            ));
            log.append(&mut site.log.take().unwrap_or_default());
        }
    }
    if result.is_ok() {
        stage.keep();
    }
    result.map(|()| outcome)
}

fn play_all(
    members: &mut [Member],
    size: WorldSize,
    stage: &mut Stage,
    outcome: &mut Outcome,
    rng: &mut Rng,
) -> Result<(), String> {
    let most_runs = match size {
        WorldSize::Small => 4,
        WorldSize::Large => 8,
    };
    for _ in 0..rng.usize(1..most_runs) {
        let number = rng.usize(0..members.len());
        let member = &mut members[number];
        let options = prepare(member, rng);
        run(member, stage, &options, outcome)?;
    }
    for member in members {
        settle(member, stage, outcome)?;
    }
    Ok(())
}

fn member(
    number: usize,
    size: WorldSize,
    clock: &Arc<AtomicI64>,
    logs: bool,
    rng: &mut Rng,
) -> Member {
    let mut site = Site::new(size, rng, Arc::clone(clock));
    site.log = logs.then(Vec::new);
    let repository = &site.repository;
    let host = if rng.bool() { 0 } else { number };
    let url = format!("http://host{host}.example/oai{number}")
        .parse()
        .unwrap();
    let overlap = repository.late
        + if rng.bool() {
            0
        } else {
            rng.i64(0..3 * 86_400)
        };
    let settings = SourceSettings {
        delay: Duration::ZERO,
        retry_pause: Duration::from_secs(rng.u64(0..3)),
        retries: rng.u32(0..4),
        sets: repository.sets.clone(),
        overlap: Duration::from_secs(overlap.cast_unsigned()),
        window_records: [3, 20, 100, 50_000][rng.usize(0..4)],
        ..SourceSettings::new(
            format!("source{number}"),
            ClientSettings::new(url),
            repository.prefix,
        )
    };
    Member {
        site: Arc::new(Mutex::new(site)),
        settings,
        memory: Memory::default(),
    }
}

/// Lets time pass before a run, and decides how that run is cut off.
fn prepare(member: &mut Member, rng: &mut Rng) -> RunOptions {
    let mut site = member.site.lock().unwrap();
    let listed = member.memory.open_since.is_some();
    if !listed {
        site.repository.forget_pages();
        site.clock_was_set = false;
        site.rests = 0;
    }
    let times = rng.usize(0..5);
    let is_set = rng.u8(0..8) == 0;
    site.clock_was_set |= is_set;
    let listing = if !listed {
        Listing::None
    } else if times > 0 {
        site.advance(LONG_PAUSE_SECONDS);
        site.rests += 1;
        // A clock that was set may tell of no pause, and what is left often is read on in the end.
        if site.clock_was_set || site.rests > MOST_RESTS {
            Listing::UnderWay
        } else {
            Listing::Left
        }
    } else {
        Listing::UnderWay
    };
    for _ in 0..times {
        let seconds = rng.i64(0..4 * 86_400);
        site.advance(seconds);
        if rng.u8(0..3) > 0 {
            site.repository.change(listing, rng);
        }
    }
    if is_set {
        let days = rng.i64(-20..20);
        site.clock.fetch_add(days * 86_400_000, Ordering::Relaxed);
    }
    let call = if rng.bool() {
        rng.u32(1..6)
    } else {
        rng.u32(1..60)
    };
    site.cut = match rng.u8(0..8) {
        0 | 1 => Some(Cut::Before(call)),
        2 | 3 => Some(Cut::After(call)),
        4 => Some(Cut::Stop(call)),
        _ => None,
    };
    let some_time = Datestamp::from_unix(START + rng.i64(0..site.repository.now - START + 86_400));
    let mut options = RunOptions {
        limit: (rng.u8(0..8) == 0).then(|| rng.u64(1..50)),
        ..RunOptions::default()
    };
    match rng.u8(0..16) {
        0 => options.full = true,
        1 => options.from = Some(some_time),
        2 => options.until = Some(some_time),
        _ => {}
    }
    options
}

/// Ends what comes and goes, keeps the faults that last, and demands of the next run all that can be read.
fn check_lasting_faults(
    member: &mut Member,
    stage: &mut Stage,
    outcome: &mut Outcome,
) -> Result<(), String> {
    {
        let mut site = member.site.lock().unwrap();
        if !site.has_lasting_faults() {
            return Ok(());
        }
        site.calm();
        let seconds = site.repository.settled_after();
        site.advance(seconds);
        // Pauses of the host and of gaps are over.
        site.clock.fetch_add(60 * 86_400_000, Ordering::Relaxed);
        site.say(|| "from here on only lasting faults disturb".to_owned());
    }
    run(member, stage, &RunOptions::default(), outcome)?.ok_or("an undisturbed run was cut off")?;
    let mut site = member.site.lock().unwrap();
    oracle::check_readable(&mut site, &member.settings.name, stage.reader()?)
}

/// Heals everything, and runs the source until it is at its end and equal to its repository.
pub(crate) fn settle(
    member: &mut Member,
    stage: &mut Stage,
    outcome: &mut Outcome,
) -> Result<(), String> {
    check_lasting_faults(member, stage, outcome)?;
    {
        let mut site = member.site.lock().unwrap();
        site.heal();
        let seconds = site.repository.settled_after();
        site.advance(seconds);
        // A pause of a host is kept by our clock, which may have been set back since.
        site.clock.fetch_add(60 * 86_400_000, Ordering::Relaxed);
        site.say(|| "from here on nothing disturbs".to_owned());
    }
    let mut complete = 0;
    for _ in 0..MOST_QUIET_RUNS {
        let report = run(member, stage, &RunOptions::default(), outcome)?
            .ok_or("an undisturbed run was cut off")?;
        complete = if report.end == End::Complete {
            complete + 1
        } else {
            0
        };
        member.site.lock().unwrap().advance(86_400);
        if complete == 2 {
            break;
        }
    }
    if complete == 0 {
        return Err(format!(
            "{MOST_QUIET_RUNS} undisturbed runs, and the last is not complete"
        ));
    }
    let excused = oracle::check_equal(
        &mut member.site.lock().unwrap().repository,
        &member.settings.name,
        stage.reader()?,
    )?;
    outcome.disappeared += excused.disappeared;
    outcome.quarantined += excused.quarantined;
    if !member
        .site
        .lock()
        .unwrap()
        .repository
        .second_states
        .is_empty()
    {
        check_quiet(member, stage, outcome)?;
    }
    if excused.quarantined > 0 {
        let full = RunOptions {
            full: true,
            ..RunOptions::default()
        };
        run(member, stage, &full, outcome)?;
        let excused = oracle::check_equal(
            &mut member.site.lock().unwrap().repository,
            &member.settings.name,
            stage.reader()?,
        )?;
        if excused.quarantined > 0 {
            return Err("readable records stay in quarantine after a full pass".to_owned());
        }
    }
    Ok(())
}

/// As long as nothing changes, lists that contradict themselves change nothing.
fn check_quiet(
    member: &mut Member,
    stage: &mut Stage,
    outcome: &mut Outcome,
) -> Result<(), String> {
    let name = member.settings.name.clone();
    let everything = RunOptions {
        full: true,
        ..RunOptions::default()
    };
    let ignores_set = member
        .site
        .lock()
        .unwrap()
        .repository
        .model
        .behaviour
        .ignores_set;
    if ignores_set && !member.settings.sets.is_empty() {
        // The next full list gives records back the sets that they seemed to leave.
        run(member, stage, &everything, outcome)?;
    }
    let before = oracle::versions(stage.reader()?, &name)?;
    for full in [true, false, true] {
        let options = RunOptions { full, ..everything };
        run(member, stage, &options, outcome)?;
        let after = oracle::versions(stage.reader()?, &name)?;
        // A full list may show tombstones of before the first harvest.
        let changed = before
            .iter()
            .find(|(identifier, version)| after.get(*identifier) != Some(version));
        if let Some((identifier, (_, state))) = changed {
            let now = after.get(identifier).map(|(_, state)| state);
            return Err(format!(
                "{identifier} changed in a quiet run, full: {full}: {state} became {now:?}"
            ));
        }
        member.site.lock().unwrap().advance(86_400);
    }
    Ok(())
}

/// One run, and the oracle's word on it. `None` if it was cut off.
pub(crate) fn run(
    member: &mut Member,
    stage: &mut Stage,
    options: &RunOptions,
    outcome: &mut Outcome,
) -> Result<Option<Report>, String> {
    let (began, changes) = {
        let mut site = member.site.lock().unwrap();
        site.calls = 0;
        site.oldest_date = None;
        let cut = site.cut;
        site.say(|| format!("run with {options:?}, cut off {cut:?}"));
        let changes = member.memory.changes_before;
        (
            site.repository.now,
            changes.unwrap_or(site.repository.changes),
        )
    };
    let report = harvest_once(member, stage, options)?;
    let mut site = member.site.lock().unwrap();
    outcome.runs += 1;
    outcome.requests += u64::from(site.calls);
    match &report {
        Some(report) => outcome.complete += u64::from(report.end == End::Complete),
        None => outcome.crashes += 1,
    }
    site.say(|| {
        format!(
            "{:?}",
            report
                .as_ref()
                .map(|report| (&report.end, report.counts, &report.watermarks))
        )
    });
    if site.endless {
        return Err("a run goes round and round".to_owned());
    }
    let ran = Ran {
        report: report.as_ref(),
        // A list from a cache is as old as the cache.
        began: began.min(site.oldest_date.unwrap_or(began)),
        began_at: began,
        // What changed long before may show only now, and of two states of one record each counts.
        changed: site.repository.changes > changes
            || !site.repository.model.behaviour.index_lag.is_zero()
            || site.repository.has_contradicted(),
        part: options.from.is_some() || options.until.is_some(),
    };
    oracle::check(
        &mut member.memory,
        &site.repository,
        &member.settings.name,
        stage.reader()?,
        &ran,
    )?;
    member.memory.changes_before = member.memory.open_since.map(|_| changes);
    Ok(report)
}

fn harvest_once(
    member: &Member,
    stage: &mut Stage,
    options: &RunOptions,
) -> Result<Option<Report>, String> {
    let (switch, stop) = stop_switch();
    let (death, waits) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let wire = Wire {
        site: Arc::clone(&member.site),
        switch,
        death: Arc::clone(&death),
    };
    let context = Context {
        pace: Pace::default(),
        place: Place::default(),
        commit_mode: stage.commit_mode(),
        store: stage.store()?,
        clock: Clock::Manual(Arc::clone(&member.site.lock().unwrap().clock)),
        stop,
        progress: Arc::new(Watch {
            site: Arc::clone(&member.site),
            waits: Arc::clone(&waits),
        }),
    };
    let report = RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let mut harvest = pin!(harvest(&context, &wire, &member.settings, options));
            tokio::select! {
                biased;
                report = &mut harvest => Some(report),
                () = death.notified() => None,
                () = pass_time(&waits) => None,
            }
        })
    });
    drop(context);
    stage.end_run(report.is_none());
    Ok(report)
}

thread_local! {
    /// Its threads outlive the runs.
    static RUNTIME: Runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("the system has room for a runtime");
}

/// Lets the runtime's time run as soon as somebody waits for it.
///
/// By itself a paused clock stands as long as a thread is at work, which the storing one always is.
async fn pass_time(waits: &Notify) {
    waits.notified().await;
    loop {
        tokio::time::advance(Duration::from_secs(3_600)).await;
        std::thread::yield_now();
    }
}

/// So many runs share a process, unless one of them ends it.
const MOST_RUNS: u32 = 3;

/// One seed of so many has processes that open the store and close it again, and threads that store
/// beside the run. That takes most of the time, and little of what goes wrong has to do with it.
const WITH_PROCESSES: u64 = 32;

/// The pages of the other seeds' store. What they write are whole pages, and little is in them.
const PAGE_BYTES: u32 = 1024;

thread_local! {
    /// The stage of the seeds before.
    static KEPT: RefCell<Option<Stage>> = const { RefCell::new(None) };
}

/// The store of one seed.
pub(crate) struct Stage {
    path: PathBuf,
    store: Option<Arc<Store>>,
    reader: Option<Reader>,
    keeping: Keeping,
    _folder: TempDir,
}

/// For how long a store stays open.
enum Keeping {
    /// As processes open it and close it, the present one after so many runs.
    Processes { runs: u32 },
    /// From seed to seed.
    Open(Wiper),
}

impl Stage {
    /// An empty store.
    pub(crate) fn new() -> Self {
        // Every store begins in the same way, which need not be done each time.
        static EMPTY: LazyLock<Vec<u8>> = LazyLock::new(|| {
            let folder = memory_folder();
            let path = folder.path().join("store.db");
            drop(Store::open(&path).expect("a store can be made"));
            std::fs::read(&path).expect("it was just made")
        });
        let folder = memory_folder();
        let path = folder.path().join("store.db");
        std::fs::write(&path, &*EMPTY).expect("the folder can be written");
        Self {
            path,
            store: None,
            reader: None,
            keeping: Keeping::Processes { runs: 0 },
            _folder: folder,
        }
    }

    /// An empty store for a seed.
    fn of(seed: u64) -> Self {
        if seed.is_multiple_of(WITH_PROCESSES) {
            return Self::new();
        }
        if let Some(kept) = KEPT.take()
            && let Keeping::Open(wiper) = &kept.keeping
        {
            wiper.wipe().expect("rows can be deleted");
            return kept;
        }
        let new = Self::new();
        let wiper = Wiper::new(&new.path).expect("the store can be opened once more");
        Self {
            keeping: Keeping::Open(wiper),
            ..new
        }
    }

    /// Leaves the store to the next seed.
    fn keep(self) {
        if matches!(self.keeping, Keeping::Open(_)) {
            KEPT.set(Some(self));
        }
    }

    fn commit_mode(&self) -> CommitMode {
        match self.keeping {
            Keeping::Processes { .. } => CommitMode::default(),
            Keeping::Open(_) => CommitMode::Inline,
        }
    }

    fn store(&mut self) -> Result<Arc<Store>, String> {
        if self.store.is_none() {
            let store = Store::open(&self.path).map_err(|error| error.to_string())?;
            self.store = Some(Arc::new(store));
        }
        Ok(self.store.clone().expect("it was just opened"))
    }

    fn reader(&mut self) -> Result<&Reader, String> {
        if self.reader.is_none() {
            self.reader = Some(Reader::open(&self.path).map_err(|error| error.to_string())?);
        }
        Ok(self.reader.as_ref().expect("it was just opened"))
    }

    /// Waits for the storing threads, and ends the process if it was cut off or is old.
    ///
    /// They are left to end their work, as the disk would: what was handed to them before a crash
    /// is stored, and what was not is what the crash takes. So each crash can be replayed.
    fn end_run(&mut self, cut_off: bool) {
        let Keeping::Processes { runs } = &mut self.keeping else {
            return;
        };
        while self
            .store
            .as_ref()
            .is_some_and(|store| Arc::strong_count(store) > 1)
        {
            std::thread::yield_now();
        }
        *runs += 1;
        if cut_off || *runs == MOST_RUNS {
            *runs = 0;
            self.reader = None;
            self.store = None;
        }
    }
}

/// Deletes what a seed has stored, while the store stays open.
struct Wiper {
    connection: Connection,
    /// For each table whether it has rows, and what makes it what it was.
    tables: Vec<(String, String)>,
}

impl Wiper {
    fn new(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        // A log would not allow it.
        connection.pragma_update(None, "journal_mode", "DELETE")?;
        connection.pragma_update(None, "page_size", PAGE_BYTES)?;
        connection.execute_batch("VACUUM")?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "foreign_keys", false)?;
        connection.set_prepared_statement_cache_capacity(200);
        let tables: Vec<String> = connection
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let tables = tables
            .iter()
            // It has one row, which seeds do not change.
            .filter(|table| *table != "dedup")
            .map(|table| {
                let (has_rows, reset) = match table.as_str() {
                    "meta" => ("value <> 0", "UPDATE meta SET value = 0".to_owned()),
                    _ => ("true", format!("DELETE FROM {table}")),
                };
                let has_rows = format!("SELECT EXISTS (SELECT 1 FROM {table} WHERE {has_rows})");
                (has_rows, reset)
            })
            .collect();
        Ok(Self { connection, tables })
    }

    fn wipe(&self) -> rusqlite::Result<()> {
        let transaction = self.connection.unchecked_transaction()?;
        for (has_rows, reset) in &self.tables {
            let has_rows: bool = transaction
                .prepare_cached(has_rows)?
                .query_row([], |row| row.get(0))?;
            if has_rows {
                transaction.prepare_cached(reset)?.execute([])?;
            }
        }
        transaction.commit()
    }
}

/// Memory, where the system has a folder for it: nothing here is about power cuts.
fn memory_folder() -> TempDir {
    let shared = Path::new("/dev/shm");
    if shared.is_dir()
        && let Ok(folder) = tempfile::tempdir_in(shared)
    {
        return folder;
    }
    tempfile::tempdir().expect("a temporary folder can be made")
}
