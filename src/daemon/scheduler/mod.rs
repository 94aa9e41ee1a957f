//! The scheduler: starts jobs that are due, joins those that end, carries out commands, takes over a new
//! configuration, and stops everything at the end.
//!
//! Each job has at most one run, in a task of its own. All decisions are made here, in one task, so there is
//! nothing to lock. What a job waits for and how its last run ended is its row in the store, which commands
//! such as `harvestd push` write too.
//!
//! A tick looks only at the jobs that something has happened to, or whose time has come; once a minute it looks
//! at all, since other processes write their rows too.
//!
//! - `job`: the kinds of jobs, and one run of each
//! - `queue`: which jobs have to be looked at, and which are due
//! - `command`: what a person may request
//! - `reload`: what a new configuration changes
//! - `ticker`: calls for a tick each minute

mod command;
mod job;
mod queue;
mod reload;
pub(super) mod ticker;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::Instant;

pub(super) use self::command::{Answer, Command, Requested};
use self::job::{JobContext, JobSettings, Request, Resource, RunResult, Work};
use self::queue::{Class, DueJob, Queue};
use super::status::{Delivered, StatusRegistry};
use super::{Service, systemd};
use crate::config::Config;
use crate::harvest::{CommitMode, Pace, Place, has_room};
use crate::schedule::{NextRun, Reason, Schedule, Situation, next_run, part_of_spread};
use crate::stop::{Stop, StopSwitch, stop_switch};
use crate::store::{
    Job, JobChange, JobKey, JobKind, JobOutcome, JobPlan, JobState, Reader, Runner, Source, Store,
    StoreError,
};

/// The longest time between two ticks, and between two looks at all jobs. A wall clock can be set, so no sleep
/// trusts it for longer.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// Of the hosts that failed last time, as many are harvested at the same time as this part of `max_hosts`.
const PLACES_FOR_EACH_PROBE: usize = 8;

/// The time until the next tick if the store cannot be read or written.
const STORE_TROUBLE_SLEEP: Duration = Duration::from_secs(10);

/// A configured job.
struct ScheduledJob {
    settings: JobSettings,
    schedule: Schedule,
    requested: Option<Request>,
    /// A pass may have stored something for this push or export.
    maybe_behind: bool,
    /// Run again without the pause after a failure, since the settings are new.
    retry_now: bool,
    /// When this push or export last ended, or was last found to have nothing to do. Its ticks count from
    /// then.
    idle_at: Option<i64>,
}

/// A run that is under way. Its settings may be those of an older configuration.
struct ActiveRun {
    key: JobKey,
    resource: Resource,
    /// Whose places it shares, and its own.
    class: Class,
    place: Place,
    switch: StopSwitch,
    /// A person requested it, so closing hours do not stop it.
    requested: bool,
    stopping: bool,
}

/// What the store knows at the time of a tick.
struct StoreState {
    now_ms: i64,
    jobs: BTreeMap<JobKey, Job>,
    sources: BTreeMap<String, Source>,
    host_pauses: BTreeMap<String, i64>,
}

/// See the module.
pub(super) struct Scheduler {
    config: Arc<Config>,
    reader: Reader,
    registry: Arc<StatusRegistry>,
    /// Reads the configuration again.
    reload: Box<dyn Fn() -> Result<Config, String>>,
    /// Given to each run.
    context: JobContext,
    jobs: BTreeMap<JobKey, ScheduledJob>,
    /// The pushes and exports that follow passes.
    after_pass: Vec<JobKey>,
    queue: Queue,
    /// When all jobs were looked at; `None` if they have to be looked at now.
    all_looked_at: Option<Instant>,
    tasks: JoinSet<RunResult>,
    running: HashMap<task::Id, ActiveRun>,
    /// The runs by what they use, and by their jobs.
    in_use: HashMap<Resource, task::Id>,
    active: HashMap<JobKey, task::Id>,
    /// Told when a run leaves its place to others.
    place_left: Arc<Notify>,
    /// Decides with its name by which part of the spread a job runs late.
    spread_seed: i64,
    /// Changes of rows that are not in the store yet.
    unsaved: Vec<(JobKey, JobChange)>,
    /// Answers that are given after the next tick.
    answers: Vec<(oneshot::Sender<Answer>, Answer)>,
    /// The line that the service manager has.
    status_line: String,
}

impl Scheduler {
    /// A scheduler for the jobs of `config`. It starts nothing yet.
    pub(super) fn new(
        config: Config,
        store: Arc<Store>,
        registry: Arc<StatusRegistry>,
        service: Service,
    ) -> Result<Self, StoreError> {
        let reader = store.reader()?;
        let spread_seed = match reader.meta_value("spread_seed")? {
            Some(seed) => seed,
            None => {
                let seed = fastrand::i64(..);
                store.set_meta_value("spread_seed", Some(seed))?;
                seed
            }
        };
        store.end_runs_of_killed_daemon(registry.now_ms())?;
        let mut scheduler = Self {
            config: Arc::new(config),
            reader,
            registry: Arc::clone(&registry),
            reload: service.reload,
            context: JobContext {
                store,
                clock: service.clock,
                registry,
                progress: service.progress,
                pace: Pace::default(),
                place: Place::default(),
                commit_mode: CommitMode::default(),
            },
            jobs: BTreeMap::new(),
            after_pass: Vec::new(),
            queue: Queue::default(),
            all_looked_at: None,
            tasks: JoinSet::new(),
            running: HashMap::new(),
            in_use: HashMap::new(),
            active: HashMap::new(),
            place_left: Arc::default(),
            spread_seed,
            unsaved: Vec::new(),
            answers: Vec::new(),
            status_line: String::new(),
        };
        scheduler.take_over(Arc::clone(&scheduler.config));
        Ok(scheduler)
    }

    /// Runs jobs until `stop`. Then it stops all runs after their page or batch, or after the grace period.
    pub(super) async fn run(
        mut self,
        stop: Stop,
        ticks: Arc<Notify>,
        mut commands: mpsc::Receiver<Requested>,
        mut reloads: mpsc::Receiver<()>,
    ) {
        loop {
            let sleep = tokio::select! {
                biased;
                () = stop.requested() => break,
                sleep = self.tick() => sleep,
            };
            tokio::select! {
                // Ends of runs come before commands: they free resources.
                biased;
                () = stop.requested() => break,
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
                Some(requested) = commands.recv() => self.carry_out(requested),
                Some(()) = reloads.recv() => self.reload(),
                () = ticks.notified() => {}
                () = self.place_left.notified() => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
        self.shut_down().await;
    }

    /// Starts what is due, stores the plan of every other job, and gives the time until the next tick.
    async fn tick(&mut self) -> Duration {
        self.registry.tick();
        let (sleep, trouble) = match self.start_and_plan().await {
            Ok(sleep) => (sleep, None),
            Err(error) => (STORE_TROUBLE_SLEEP, Some(error.to_string())),
        };
        if let Some(trouble) = &trouble
            && self.registry.trouble().is_none()
        {
            tracing::error!("no job can be started: {trouble}; next attempt in 10 s");
        }
        self.registry.set_trouble(trouble.clone());
        self.tell_status();
        for (sender, answer) in self.answers.drain(..) {
            let answer = match &trouble {
                Some(trouble) if answer == Answer::Accepted => Answer::Failed(trouble.clone()),
                _ => answer,
            };
            // The asker may have gone.
            let _ = sender.send(answer);
        }
        sleep
    }

    async fn start_and_plan(&mut self) -> Result<Duration, StoreError> {
        // Rows come first: a job whose last end is not stored would run again.
        self.save().await?;
        let sleep = self.plan()?;
        self.save().await?;
        Ok(sleep)
    }

    /// Stores the changes of rows. They are kept if that fails.
    async fn save(&mut self) -> Result<(), StoreError> {
        if self.unsaved.is_empty() {
            return Ok(());
        }
        let (store, now_ms) = (Arc::clone(&self.context.store), self.registry.now_ms());
        let changes = self.unsaved.clone();
        let count = changes.len();
        let any_ended = changes
            .iter()
            .any(|(_, change)| matches!(change, JobChange::Ended { .. }));
        let saved = task::spawn_blocking(move || store.change_jobs(&changes, now_ms)).await;
        saved.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
        self.unsaved.drain(..count);
        if any_ended {
            self.registry.tell_ended();
        }
        Ok(())
    }

    /// Starts what is due and can run now. Says when to look again.
    fn plan(&mut self) -> Result<Duration, StoreError> {
        let now_ms = self.registry.now_ms();
        let mut looked_at = self.queue.take_marked(now_ms);
        let all = self
            .all_looked_at
            .is_none_or(|at| at.elapsed() >= LONGEST_SLEEP);
        // If the store fails now, everything has to be looked at again.
        let all_looked_at = self.all_looked_at.take();
        let stored = if all {
            looked_at = self.jobs.keys().cloned().collect();
            self.read_store(now_ms)?
        } else {
            looked_at = with_pairs(looked_at);
            self.read_rows(&looked_at, now_ms)?
        };
        let goes_idle = self.look_at(&looked_at, &stored)?;
        self.start_due(&looked_at)?;
        for key in &looked_at {
            if self.queue.due(key).is_some()
                && let Some(why) = self.obstacle(key)
            {
                self.note_due(key, &stored, why);
            }
        }
        if all {
            // Nobody plans jobs that are not configured any more.
            for (key, row) in &stored.jobs {
                if !self.jobs.contains_key(key) && !row.is_running() {
                    self.set_plan(key, Some(row), JobPlan::default());
                }
            }
        }
        self.all_looked_at = all_looked_at.filter(|_| !all).or(Some(Instant::now()));
        let next_at = self.queue.next_at().unwrap_or(i64::MAX);
        let left = next_at.saturating_sub(self.registry.now_ms());
        let left = Duration::from_millis(u64::try_from(left).unwrap_or_default());
        Ok(match goes_idle {
            true => Duration::ZERO,
            false => left.min(LONGEST_SLEEP),
        })
    }

    /// Puts jobs into the queue, or takes them out, by what the store knows of them. Says whether one has to
    /// be looked at again at once. Both jobs of a source are looked at together.
    fn look_at(
        &mut self,
        keys: &BTreeSet<JobKey>,
        stored: &StoreState,
    ) -> Result<bool, StoreError> {
        let mut due = Vec::new();
        let mut goes_idle = false;
        for key in keys {
            self.queue.remove(key);
            let row = stored.jobs.get(key);
            if self.active.contains_key(key) {
                self.stop_outside_hours(key, stored.now_ms);
                continue;
            }
            if row.is_some_and(Job::runs_elsewhere) || !self.jobs.contains_key(key) {
                continue;
            }
            let Some(situation) = self.situation(key, stored)? else {
                self.set_plan(key, row, JobPlan::default());
                continue;
            };
            let Some(scheduled) = self.jobs.get(key) else {
                continue;
            };
            let next = next_run(&scheduled.schedule, &situation, stored.now_ms);
            let plan = plan_of(next, &scheduled.settings);
            if next != NextRun::Now {
                if let NextRun::At(at, _) = next {
                    self.queue.wait(key, at);
                }
                self.set_plan(key, row, plan);
            } else if self.is_idle(key, &situation)? {
                // Its ticks count from now on, so the next look plans it.
                self.queue.mark(key);
                goes_idle = true;
            } else {
                let probes = row.is_some_and(|row| row.failures > 0) && !situation.requested;
                due.push(DueJob {
                    class: match key.kind {
                        JobKind::Push | JobKind::Export => Class::Delivery,
                        JobKind::Harvest | JobKind::Reconcile if probes => Class::Probe,
                        JobKind::Harvest | JobKind::Reconcile => Class::Harvest,
                    },
                    unasked: !situation.requested,
                    last_at: situation.last_at,
                    key: key.clone(),
                });
            }
        }
        self.one_per_source(&mut due, stored);
        for job in due {
            self.queue.set_due(job);
        }
        Ok(goes_idle)
    }

    /// Starts the due jobs that can run now, those that have waited longest first. `looked_at` are those whose
    /// rows were just read.
    fn start_due(&mut self, looked_at: &BTreeSet<JobKey>) -> Result<(), StoreError> {
        for class in Class::ALL {
            let mut after: Option<DueJob> = None;
            while self.has_room(class)
                && let Some(job) = self.queue.next_due(class, after.as_ref()).cloned()
            {
                let free = self.obstacle(&job.key).is_none();
                if free && !looked_at.contains(&job.key) {
                    // Much may have happened since it became due.
                    let pair = with_pairs(BTreeSet::from([job.key.clone()]));
                    let stored = self.read_rows(&pair, self.registry.now_ms())?;
                    self.look_at(&pair, &stored)?;
                }
                if free && let Some(due) = self.queue.due(&job.key).cloned() {
                    self.start(due);
                }
                after = Some(job);
            }
        }
        Ok(())
    }

    /// Whether one more run of this class may begin.
    fn has_room(&self, class: Class) -> bool {
        let most = self.config.daemon.max_hosts;
        let most = match class {
            Class::Delivery => return true,
            Class::Harvest => most,
            Class::Probe => (most / PLACES_FOR_EACH_PROBE).max(1),
        };
        let runs = self.running.values().filter(|run| run.class == class);
        has_room(runs.map(|run| &run.place), most)
    }

    fn read_store(&self, now_ms: i64) -> Result<StoreState, StoreError> {
        let jobs = self.reader.jobs()?.into_iter();
        let sources = self.reader.sources()?.into_iter();
        let pauses = self.reader.host_pauses()?.into_iter();
        Ok(StoreState {
            now_ms,
            jobs: jobs.map(|job| (job.key.clone(), job)).collect(),
            sources: sources
                .map(|source| (source.name.clone(), source))
                .collect(),
            host_pauses: pauses
                .filter(|pause| pause.left(now_ms).is_some())
                .map(|pause| (pause.host, pause.not_before_at))
                .collect(),
        })
    }

    /// What the store knows of these jobs.
    fn read_rows(&self, keys: &BTreeSet<JobKey>, now_ms: i64) -> Result<StoreState, StoreError> {
        let mut stored = StoreState {
            now_ms,
            jobs: BTreeMap::new(),
            sources: BTreeMap::new(),
            host_pauses: BTreeMap::new(),
        };
        for key in keys {
            let Some(scheduled) = self.jobs.get(key) else {
                continue;
            };
            if let Some(job) = self.reader.job(key)? {
                stored.jobs.insert(key.clone(), job);
            }
            if let Resource::Host(host) = scheduled.settings.resource()
                && !stored.sources.contains_key(&key.name)
            {
                let pause = self.reader.host_pause(&host)?;
                let pause = pause.filter(|pause| pause.left(now_ms).is_some());
                stored
                    .host_pauses
                    .extend(pause.map(|pause| (pause.host, pause.not_before_at)));
                let source = self.reader.source(&key.name)?;
                stored
                    .sources
                    .extend(source.map(|source| (source.name.clone(), source)));
            }
        }
        Ok(stored)
    }

    /// What decides when a job runs; `None` if only a request starts it.
    fn situation(
        &mut self,
        key: &JobKey,
        stored: &StoreState,
    ) -> Result<Option<Situation>, StoreError> {
        let Some(scheduled) = self.jobs.get_mut(key) else {
            return Ok(None);
        };
        let row = stored.jobs.get(key);
        let outcome = row.and_then(|row| row.outcome);
        let failed = outcome == Some(JobOutcome::Failed) && !scheduled.retry_now;
        let has_ticks = scheduled.schedule.ticks.is_some();
        let cut_off = matches!(outcome, Some(JobOutcome::Interrupted))
            || (outcome == Some(JobOutcome::Failed) && scheduled.retry_now);
        let ended_at = row.and_then(|row| row.ended_at);
        let paused = row.is_some_and(|row| row.paused_at.is_some());
        let mut situation = Situation {
            last_at: ended_at.unwrap_or_default(),
            failures: failed.then(|| row.map_or(1, |row| row.failures.max(1))),
            retry: Some(scheduled.settings.retry(row)),
            unfinished: has_ticks && cut_off,
            requested: scheduled.requested.is_some(),
            ..Situation::default()
        };
        match &scheduled.settings {
            JobSettings::Harvest(_) => situation.unfinished |= has_ticks && outcome.is_none(),
            JobSettings::Reconcile(..) => {
                // The first reconcile comes with the first tick after the first pass.
                let first_pass_at = match (ended_at, stored.sources.get(&key.name)) {
                    (None, Some(source)) if has_ticks || paused => {
                        self.reader.first_pass_at(source.id)?
                    }
                    _ => None,
                };
                match ended_at.or(first_pass_at) {
                    Some(last_at) => situation.last_at = last_at,
                    None if situation.requested => {}
                    None => return Ok(None),
                }
            }
            JobSettings::Push(_) | JobSettings::Export(_) => {
                // The store is asked only when something may have changed.
                if scheduled.maybe_behind && !failed {
                    scheduled.maybe_behind = scheduled
                        .settings
                        .lacks_changes(&self.context.store, &self.reader)?;
                }
                situation.unfinished = scheduled.maybe_behind;
                // An end in the future is of a clock that was set back since.
                let ended_at = ended_at.filter(|at| *at <= stored.now_ms);
                let last_at = ended_at.max(scheduled.idle_at).unwrap_or(stored.now_ms);
                scheduled.idle_at = Some(last_at);
                situation.last_at = last_at;
            }
        }
        if let Resource::Host(host) = scheduled.settings.resource() {
            situation.paused = paused;
            situation.host_until = stored.host_pauses.get(&host).copied();
            situation.part_of_spread = part_of_spread(self.spread_seed, &key.name);
            if !has_ticks {
                situation.retry = None;
            }
        }
        Ok(Some(situation))
    }

    /// Whether a push is due by a tick alone and has nothing to send. Its index is not asked then.
    fn is_idle(&mut self, key: &JobKey, situation: &Situation) -> Result<bool, StoreError> {
        let Some(scheduled) = self.jobs.get_mut(key) else {
            return Ok(false);
        };
        let by_tick = !situation.requested && situation.failures.is_none();
        let idle = by_tick
            && matches!(scheduled.settings, JobSettings::Push(_))
            && !scheduled
                .settings
                .lacks_changes(&self.context.store, &self.reader)?;
        if idle {
            scheduled.idle_at = Some(self.registry.now_ms());
        }
        Ok(idle)
    }

    /// Leaves the pass or the reconcile of each source, if both are due.
    ///
    /// A pass comes first, unless a person requested the reconcile or its list is open: the pass would go on
    /// with that list, which would then be no list to reconcile with. A failed reconcile holds up no pass.
    fn one_per_source(&mut self, due: &mut Vec<DueJob>, stored: &StoreState) {
        let all_due: HashSet<JobKey> = due.iter().map(|job| job.key.clone()).collect();
        let passes: Vec<usize> = (0..due.len())
            .filter(|number| due[*number].key.kind == JobKind::Harvest)
            .collect();
        let mut later = BTreeSet::new();
        for number in passes {
            let job = due[number].clone();
            let pass = job.key.clone();
            let key = JobKey::new(JobKind::Reconcile, &pass.name);
            let Some(scheduled) = self.jobs.get(&key) else {
                continue;
            };
            let wanted = scheduled.requested.is_some() || scheduled.schedule.ticks.is_some();
            let failed = stored
                .jobs
                .get(&key)
                .is_some_and(|row| row.outcome == Some(JobOutcome::Failed));
            let list_is_open = stored.sources.get(&key.name).is_some_and(|source| {
                source.traits.reconciling_since.is_some()
                    && source.traits.reconciling_pass.is_none()
            });
            let first = scheduled.requested.is_some() || (wanted && list_is_open && !failed);
            let is_due = all_due.contains(&key);
            match (is_due, first) {
                (true, true) => {
                    later.insert((pass, "its reconcile comes first"));
                }
                (true, false) => {
                    later.insert((key, "its harvest comes first"));
                }
                (false, true) if list_is_open && !failed => {
                    later.insert((pass, "its reconcile comes first"));
                    due.push(DueJob { key, ..job });
                }
                (false, _) => {}
            }
        }
        let out: HashSet<&JobKey> = later.iter().map(|(key, _)| key).collect();
        due.retain(|job| !out.contains(&job.key));
        for (key, why) in &later {
            self.note_due(key, stored, (*why).to_owned());
        }
    }

    /// Why a job cannot begin beside those that run; `None` if it can.
    fn obstacle(&self, key: &JobKey) -> Option<String> {
        let settings = &self.jobs.get(key)?.settings;
        let wanted = settings.resource();
        let user = self.in_use.get(&wanted).and_then(|id| self.running.get(id));
        if let Some(other) = user {
            return Some(match &wanted {
                Resource::Host(host) => format!("{} is using host {host}", other.key),
                Resource::Output(_) | Resource::Cores => format!("{} is running", other.key),
            });
        }
        let class = self.queue.due(key).map_or(Class::Harvest, |job| job.class);
        if settings.harvests() && !self.has_room(class) {
            let most = self.config.daemon.max_hosts;
            return Some(match class {
                Class::Probe => format!(
                    "it failed last time, and an {PLACES_FOR_EACH_PROBE}th of the {most} hosts of max_hosts \
                     that failed are in use"
                ),
                Class::Harvest | Class::Delivery => {
                    format!("{most} hosts are in use, which is max_hosts")
                }
            });
        }
        let store = &self.context.store;
        let locked = match &wanted {
            Resource::Host(_) => store.source_is_locked(&key.name),
            Resource::Output(output) => store.output_is_locked(output),
            Resource::Cores => false,
        };
        locked.then(|| {
            format!(
                "another process is using {} {}",
                key.kind.subject(),
                key.name
            )
        })
    }

    fn start(&mut self, due: DueJob) {
        let DueJob {
            key,
            unasked,
            class,
            ..
        } = due;
        self.queue.remove(&key);
        let Some(scheduled) = self.jobs.get_mut(&key) else {
            return;
        };
        let (switch, stop) = stop_switch();
        let request = scheduled.requested.take();
        scheduled.maybe_behind = false;
        scheduled.retry_now = false;
        scheduled.idle_at = None;
        let resource = scheduled.settings.resource();
        self.registry.job_started(&key);
        let place = Place::new(Arc::clone(&self.place_left));
        let context = JobContext {
            place: place.clone(),
            ..self.context.clone()
        };
        let run = scheduled.settings.clone().run(request, context, stop);
        let task = self.tasks.spawn(run);
        let change = JobChange::Started(Runner::Daemon);
        self.unsaved.push((key.clone(), change));
        self.in_use.insert(resource.clone(), task.id());
        self.active.insert(key.clone(), task.id());
        let run = ActiveRun {
            key,
            resource,
            class,
            place,
            switch,
            requested: !unasked,
            stopping: false,
        };
        self.running.insert(task.id(), run);
    }

    /// Takes the result of a run.
    fn ended(&mut self, ended: Result<(task::Id, RunResult), JoinError>) {
        let (id, result) = match ended {
            Ok(ended) => ended,
            Err(error) => (
                error.id(),
                RunResult::failed(format!("it crashed: {error}")),
            ),
        };
        let Some(ActiveRun { key, resource, .. }) = self.running.remove(&id) else {
            return;
        };
        self.in_use.remove(&resource);
        self.active.remove(&key);
        log_end(&key, &result);
        let RunResult {
            outcome,
            message,
            refused,
            work,
        } = result;
        let delivered = match work {
            Work::Delivered(delivered) => delivered,
            Work::Stored(_) | Work::Unknown => Delivered::default(),
        };
        let succeeded = outcome == JobOutcome::Succeeded;
        self.registry.job_ended(&key, succeeded, delivered);
        let harvested = matches!(key.kind, JobKind::Harvest | JobKind::Reconcile);
        self.queue.mark(&key);
        if outcome == JobOutcome::Interrupted
            && let Some(scheduled) = self.jobs.get_mut(&key)
        {
            scheduled.maybe_behind = true;
        }
        for other in self.after_pass.iter().filter(|_| harvested) {
            if let Some(scheduled) = self.jobs.get_mut(other) {
                scheduled.maybe_behind = true;
                self.queue.mark(other);
            }
        }
        let change = JobChange::Ended { outcome, message };
        self.unsaved.push((key.clone(), change));
        if refused {
            self.unsaved.push((key, JobChange::Refused));
        }
    }

    fn carry_out(&mut self, requested: Requested) {
        let Requested { command, answer } = requested;
        let mut key = command.key();
        // A person confirms whatever is held. The next pass goes on with a list that was too long.
        let released = match &command {
            Command::ConfirmDeletions(source) => self.release_growth(source),
            _ => Ok(false),
        };
        let releases = match released {
            Ok(releases) => releases,
            Err(error) => {
                tracing::warn!("command {command:?}: {error}");
                self.answers
                    .push((answer, Answer::Failed(error.to_string())));
                return;
            }
        };
        if releases {
            key.kind = JobKind::Harvest;
        }
        self.queue.mark(&key);
        let answered = match self.jobs.get_mut(&key) {
            None => Answer::Unknown,
            Some(scheduled) => {
                match &command {
                    // A pass that runs is the one that is requested. A push that runs may be past the
                    // changes that are meant.
                    Command::Run(_) if key.kind == JobKind::Harvest => {
                        if !self.active.contains_key(&key) {
                            scheduled.requested = Some(Request::Run);
                        }
                    }
                    Command::Run(_) => {
                        scheduled.requested = scheduled.requested.max(Some(Request::Run));
                    }
                    Command::ConfirmDeletions(_) if releases => {
                        scheduled.requested = Some(Request::Run);
                    }
                    Command::ConfirmDeletions(_) => {
                        scheduled.requested = Some(Request::ConfirmDeletions);
                    }
                    Command::Pause(source) => self.pause(source, true),
                    Command::Resume(source) => self.pause(source, false),
                }
                Answer::Accepted
            }
        };
        tracing::info!("command {command:?}: {answered:?}");
        self.answers.push((answer, answered));
    }

    /// Lets a source go on that waits since a run brought too many records; whether it waited.
    fn release_growth(&self, source: &str) -> Result<bool, StoreError> {
        let store = &self.context.store;
        store.release_growth(source, self.registry.now_ms())
    }

    fn pause(&mut self, source: &str, paused: bool) {
        for key in [JobKind::Harvest, JobKind::Reconcile].map(|kind| JobKey::new(kind, source)) {
            if paused {
                if let Some(scheduled) = self.jobs.get_mut(&key) {
                    scheduled.requested = None;
                }
                self.stop(&key);
            }
            self.queue.mark(&key);
            self.unsaved.push((key, JobChange::Paused(paused)));
        }
    }

    fn is_running(&self, key: &JobKey) -> bool {
        self.active.contains_key(key)
    }

    /// Stops the run of a job after its page or batch.
    fn stop(&mut self, key: &JobKey) {
        let id = self.active.get(key);
        if let Some(run) = id.and_then(|id| self.running.get_mut(id)) {
            run.switch.stop();
            run.stopping = true;
            self.registry.job_stopping(key);
        }
    }

    /// Stops a run over a source outside its hours, unless a person requested it.
    fn stop_outside_hours(&mut self, key: &JobKey, now_ms: i64) {
        let Some(scheduled) = self.jobs.get(key) else {
            return;
        };
        let Schedule {
            hours, time_zone, ..
        } = &scheduled.schedule;
        let run = self.active.get(key).and_then(|id| self.running.get(id));
        let stops = run.is_some_and(|run| !run.requested && !run.stopping)
            && scheduled.settings.harvests()
            && !hours.open(now_ms, *time_zone);
        if stops {
            tracing::info!("{key}: its hours are over; it stops after this page");
            self.stop(key);
        }
    }

    /// Notes the plan of a job, if it is another one than `row` has.
    fn set_plan(&mut self, key: &JobKey, row: Option<&Job>, plan: JobPlan) {
        let old = row.map(|row| (row.state, row.reason.as_deref(), row.next_at));
        if old == Some((plan.state, plan.reason.as_deref(), plan.next_at)) {
            return;
        }
        if plan.state == JobState::Retrying {
            let (failures, at) = (row.map_or(1, |row| row.failures), plan.next_at);
            let left = at.unwrap_or_default() - self.registry.now_ms();
            let seconds = u64::try_from(left / 1000).unwrap_or_default().max(1);
            let left = humantime::format_duration(Duration::from_secs(seconds));
            tracing::info!("{key}: failing: {failures} attempts, next in {left}");
        }
        self.unsaved.push((key.clone(), JobChange::Planned(plan)));
    }

    /// Notes why a due job does not begin.
    fn note_due(&mut self, key: &JobKey, stored: &StoreState, why: String) {
        let plan = JobPlan {
            state: JobState::Due,
            reason: Some(why),
            next_at: None,
        };
        self.set_plan(key, stored.jobs.get(key), plan);
    }

    /// Tells the service manager which jobs run, when that has changed.
    fn tell_status(&mut self) {
        let mut running: Vec<String> = self
            .running
            .values()
            .map(|run| run.key.to_string())
            .collect();
        running.sort();
        let line = match (self.registry.trouble(), running.as_slice()) {
            (Some(trouble), _) => trouble,
            (None, []) => "idle".to_owned(),
            (None, running) if running.len() > 8 => format!("running: {} jobs", running.len()),
            (None, running) => format!("running: {}", running.join(", ")),
        };
        if line != self.status_line {
            systemd::status(&line);
            self.status_line = line;
        }
    }

    async fn shut_down(mut self) {
        systemd::stopping();
        let keys: Vec<JobKey> = self.running.values().map(|run| run.key.clone()).collect();
        for key in &keys {
            self.stop(key);
        }
        let grace = self.config.daemon.grace;
        let joined = tokio::time::timeout(grace, async {
            while let Some(ended) = self.tasks.join_next_with_id().await {
                self.ended(ended);
            }
        })
        .await;
        if joined.is_err() {
            for ActiveRun { key, .. } in self.running.values() {
                tracing::warn!(
                    "{key}: no answer within the grace period; the next start resumes it"
                );
                let change = JobChange::Ended {
                    outcome: JobOutcome::Interrupted,
                    message: None,
                };
                self.unsaved.push((key.clone(), change));
            }
            self.tasks.shutdown().await;
        }
        if let Err(error) = self.save().await {
            tracing::warn!("{error}");
        }
    }
}

/// These jobs, and of each source both: a pass and a reconcile wait for each other.
fn with_pairs(keys: BTreeSet<JobKey>) -> BTreeSet<JobKey> {
    let harvests = |key: &&JobKey| matches!(key.kind, JobKind::Harvest | JobKind::Reconcile);
    let pairs: Vec<JobKey> = keys
        .iter()
        .filter(harvests)
        .flat_map(|key| {
            [JobKind::Harvest, JobKind::Reconcile].map(|kind| JobKey::new(kind, &key.name))
        })
        .collect();
    keys.into_iter().chain(pairs).collect()
}

/// The plan of a job that does not run now.
fn plan_of(next: NextRun, settings: &JobSettings) -> JobPlan {
    let (at, reason) = match next {
        NextRun::Now => return JobPlan::default(),
        NextRun::OnRequest => return JobPlan::default(),
        NextRun::Paused => {
            return JobPlan {
                state: JobState::Paused,
                ..JobPlan::default()
            };
        }
        NextRun::At(at, reason) => (at, reason),
    };
    let reason_text = match (reason, settings.resource()) {
        (Reason::Tick, _) => "by its schedule".to_owned(),
        (Reason::Retry, _) => format!("retrying after a failed {}", settings.key().kind.word()),
        (Reason::Host, Resource::Host(host)) => format!("host {host} asked for a pause"),
        (Reason::Host, _) => "its host asked for a pause".to_owned(),
        (Reason::Hours, _) => "outside its hours".to_owned(),
    };
    JobPlan {
        state: match reason {
            Reason::Retry => JobState::Retrying,
            Reason::Tick | Reason::Host | Reason::Hours => JobState::Waiting,
        },
        reason: Some(reason_text),
        next_at: Some(at),
    }
}

fn log_end(key: &JobKey, result: &RunResult) {
    let work = match &result.work {
        Work::Stored(counts) => format!(
            "{} new, {} changed and {} deleted records stored",
            counts.new, counts.changed, counts.deleted
        ),
        Work::Delivered(delivered) => delivered.to_string(),
        Work::Unknown => "nothing is known of its work".to_owned(),
    };
    match (result.outcome, &result.message) {
        (JobOutcome::Succeeded, Some(message)) => tracing::warn!("{key}: {message}; {work}"),
        (JobOutcome::Succeeded, None) => {
            // Passes log their own end.
            if let Work::Delivered(delivered) = result.work
                && delivered.any()
            {
                tracing::info!("{key}: {work}");
            }
        }
        (JobOutcome::Interrupted, _) => tracing::info!("{key}: stopped; {work}"),
        (JobOutcome::Failed, message) => {
            let why = message.as_deref().unwrap_or("no reason is known");
            tracing::warn!("{key} failed: {why}; {work}");
        }
    }
}
