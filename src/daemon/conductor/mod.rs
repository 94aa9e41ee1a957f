//! Which passes run now: starts those that are due, joins those that end, obeys options, takes over a
//! new configuration, and stops everything in the end.
//!
//! One task for each running pass, never two for a source or a host. Everything is decided here, in
//! one place and one order, so there is nothing to lock and nothing to race.

mod reload;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::{self, JoinError, JoinSet};

use super::board::{Attempt, Bearing, Board, State, Wait, reason_in_words};
use super::standing::{ended_at, last_pass, last_reconcile, part_of_spread};
use super::wish::{Answer, Command, Wish};
use super::{Service, systemd};
use crate::config::Config;
use crate::end::End;
use crate::harvest::settings::SourceSettings;
use crate::harvest::{
    CommitMode, Context, DeletionPolicy, Pace, RunOptions, harvest_all, host, reconcile,
};
use crate::oai::client::Client;
use crate::schedule::{Last, Schedule, Standing, Verdict, verdict};
use crate::stop::{Stop, StopSwitch, stop_switch};
use crate::store::{Counts, Reader, Source, Store, StoreError};

/// A wall clock can be set, so no sleep trusts it for longer.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// After the store could not be read.
const STORE_TROUBLE_SLEEP: Duration = Duration::from_secs(10);

/// One configured source.
struct Entry {
    settings: SourceSettings,
    schedule: Schedule,
    paused_since: Option<i64>,
    asked: bool,
    /// Someone asked for reconciling.
    reconcile_asked: Option<Reconciling>,
    /// The end of its last run in this process.
    last_run: Option<Last>,
    /// The end of its last reconciling in this process.
    last_reconcile: Option<Last>,
    running: Option<Running>,
}

/// What is done with a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Work {
    Pass,
    Reconcile(Reconciling),
}

/// What of reconciling is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reconciling {
    /// List, and bury what vanished.
    All,
    /// Bury what waits for a person.
    Confirmed,
}

/// What came of it.
struct Ran {
    work: Work,
    end: End,
    counts: Counts,
    /// Deletions wait for a person.
    held: bool,
}

/// A pass that runs.
struct Running {
    switch: StopSwitch,
    since_ms: i64,
    work: Work,
    /// It was asked for, so hours do not end it.
    asked: bool,
    stopping: bool,
}

impl Running {
    fn stop(&mut self) {
        self.switch.stop();
        self.stopping = true;
    }
}

/// See the module.
pub(super) struct Conductor {
    config: Config,
    store: Arc<Store>,
    reader: Reader,
    board: Arc<Board>,
    service: Service,
    entries: BTreeMap<String, Entry>,
    tasks: JoinSet<Ran>,
    /// The source of each task and the host that it asks, whatever the configuration now says.
    names: HashMap<task::Id, (String, String)>,
    /// Which part of its spread each source is late by depends on this.
    seed: i64,
    pace: Pace,
    status: String,
    /// Told after the next round, so that whoever asked sees what came of it.
    answers: Vec<(oneshot::Sender<Answer>, Answer)>,
}

impl Conductor {
    /// A conductor for the sources of `config`, which starts nothing yet.
    ///
    /// # Errors
    /// As reads and writes of the store.
    pub(super) fn new(
        config: Config,
        store: Arc<Store>,
        board: Arc<Board>,
        service: Service,
    ) -> Result<Self, StoreError> {
        let reader = store.reader()?;
        let seed = match reader.meta_value("spread_seed")? {
            Some(seed) => seed,
            None => {
                let seed = fastrand::i64(..);
                store.set_meta_value("spread_seed", Some(seed))?;
                seed
            }
        };
        let mut conductor = Self {
            entries: BTreeMap::new(),
            config: Config {
                sources: Vec::new(),
                ..config.clone()
            },
            store,
            reader,
            board,
            service,
            tasks: JoinSet::new(),
            names: HashMap::new(),
            seed,
            pace: Pace::default(),
            status: String::new(),
            answers: Vec::new(),
        };
        conductor.take_over(config)?;
        Ok(conductor)
    }

    /// Goes round until `stop`, then ends all passes: after the page at hand, or after the grace.
    pub(super) async fn run(
        mut self,
        stop: Stop,
        nudge: Arc<Notify>,
        mut commands: mpsc::Receiver<Command>,
        mut reload: mpsc::Receiver<()>,
    ) {
        loop {
            self.board.beat();
            let sleep = match self.go_round() {
                Ok(sleep) => {
                    self.board.set_trouble(None);
                    sleep
                }
                Err(error) => {
                    if self.board.trouble().is_none() {
                        tracing::error!("no pass can be started: {error}");
                    }
                    self.board.set_trouble(Some(error.to_string()));
                    STORE_TROUBLE_SLEEP
                }
            };
            self.tell_status();
            for (requester, answer) in self.answers.drain(..) {
                // Whoever asked may have gone.
                let _ = requester.send(answer);
            }
            tokio::select! {
                // The end of the daemon comes first, then ends of passes: they free places.
                biased;
                () = stop.requested() => break,
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
                Some(command) = commands.recv() => self.obey(command),
                Some(()) = reload.recv() => self.reload(),
                () = nudge.notified() => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
        self.shut_down().await;
    }

    /// Starts what is due, shows where every source stands, and says when to look again.
    fn go_round(&mut self) -> Result<Duration, StoreError> {
        let now_ms = self.board.now_ms();
        let known: BTreeMap<String, Source> = self
            .reader
            .sources()?
            .into_iter()
            .map(|source| (source.name.clone(), source))
            .collect();
        let pauses: BTreeMap<String, i64> = self
            .reader
            .host_pauses()?
            .into_iter()
            .filter(|pause| pause.left(now_ms).is_some())
            .map(|pause| (pause.host, pause.not_before_at))
            .collect();
        let mut sleep = LONGEST_SLEEP;
        let mut due = Vec::new();
        for (name, entry) in &mut self.entries {
            if let Some(running) = &mut entry.running {
                let closed = !entry.schedule.hours.open(now_ms, entry.schedule.time_zone);
                if closed && !running.asked && !running.stopping {
                    tracing::info!(source.id = %name, "its hours are over; it rests after this page");
                    running.stop();
                }
                let state = running_state(running);
                self.board.show(name, state);
                continue;
            }
            let host = host(&entry.settings);
            let source = known.get(name);
            let standing = Standing {
                last: last_pass(&self.reader, source, entry.last_run, now_ms)?,
                asked: entry.asked,
                paused: entry.paused_since.is_some(),
                host_until: pauses.get(&host).copied(),
                part_of_spread: part_of_spread(self.seed, name),
            };
            let reconciled = last_reconcile(&self.reader, source, entry.last_reconcile, now_ms)?;
            let reconcile = entry.reconcile_verdict(reconciled, &standing, now_ms);
            let wait = |until_ms, reason| Wait {
                until_ms,
                why: reason_in_words(reason, &host),
            };
            let mut wake_at = |at_ms: i64| {
                let left = u64::try_from(at_ms - now_ms).unwrap_or_default();
                sleep = sleep.min(Duration::from_millis(left));
            };
            let next_reconcile = match reconcile {
                Some(Verdict::At(until_ms, reason)) => {
                    wake_at(until_ms);
                    Some(wait(until_ms, reason))
                }
                _ => None,
            };
            let pass = verdict(&entry.schedule, &standing, now_ms);
            if let Some(work) = entry.due_work(source, pass, reconcile) {
                let asked = entry.asked || entry.reconcile_asked.is_some();
                due.push((!asked, ended_at(standing.last), name.clone(), work));
                continue;
            }
            match pass {
                // Not reached: a pass that is due is work.
                Verdict::Due => {}
                Verdict::At(until_ms, reason) => {
                    wake_at(until_ms);
                    self.board
                        .show(name, State::Waiting(wait(until_ms, reason)));
                }
                Verdict::Paused => {
                    let since_ms = entry.paused_since.unwrap_or(now_ms);
                    self.board.show(name, State::Paused { since_ms });
                }
                Verdict::OnDemand => self.board.show(name, State::OnDemand),
            }
            self.board.show_reconcile(name, false, next_reconcile);
        }
        // What was asked for comes first, then what has waited longest.
        due.sort();
        for (_, _, name, work) in due {
            match self.place_for(&name) {
                Ok(()) => self.start(&name, work, now_ms),
                Err(why) => self.board.show(&name, State::Due { why }),
            }
        }
        Ok(sleep)
    }

    /// Whether a pass over `name` may begin beside those that run; else why not.
    fn place_for(&self, name: &str) -> Result<(), String> {
        let wanted = self.entries.get(name).map(|entry| host(&entry.settings));
        let mut running = self.names.values();
        if let Some((other, _)) = running.find(|(_, host)| Some(host) == wanted.as_ref()) {
            return Err(format!("{other}, which is at the same host"));
        }
        let hosts: BTreeSet<&str> = self.names.values().map(|(_, host)| host.as_str()).collect();
        if hosts.len() >= self.config.daemon.max_hosts {
            return Err(format!("a place, since {} hosts are busy", hosts.len()));
        }
        Ok(())
    }

    fn start(&mut self, name: &str, work: Work, now_ms: i64) {
        let Some(entry) = self.entries.get_mut(name) else {
            return;
        };
        let (switch, stop) = stop_switch();
        let running = Running {
            switch,
            since_ms: now_ms,
            work,
            asked: match work {
                Work::Pass => std::mem::take(&mut entry.asked),
                Work::Reconcile(_) => entry.reconcile_asked.take().is_some(),
            },
            stopping: false,
        };
        // What an earlier run has shown is not this one's.
        self.board.show(name, State::OnDemand);
        self.board.show(name, running_state(&running));
        self.board
            .show_reconcile(name, matches!(work, Work::Reconcile(_)), None);
        entry.running = Some(running);
        let context = Context {
            store: Arc::clone(&self.store),
            clock: self.service.clock.clone(),
            stop,
            progress: Arc::clone(&self.service.progress),
            pace: self.pace.clone(),
            commit_mode: CommitMode::default(),
        };
        let settings = entry.settings.clone();
        let host = host(&settings);
        let most_percent = entry.schedule.reconcile_max_percent;
        let task = self.tasks.spawn(async move {
            match work {
                Work::Pass => pass_over(&context, settings).await,
                Work::Reconcile(wanted) => {
                    reconcile_source(&context, &settings, wanted, most_percent).await
                }
            }
        });
        self.names.insert(task.id(), (name.to_owned(), host));
    }

    /// A pass is over.
    fn ended(&mut self, ended: Result<(task::Id, Ran), JoinError>) {
        let now_ms = self.board.now_ms();
        let (id, ran) = match ended {
            Ok((id, ran)) => (id, Ok(ran)),
            Err(error) => (error.id(), Err(error)),
        };
        let Some((name, _)) = self.names.remove(&id) else {
            return;
        };
        let entry = self.entries.get_mut(&name);
        let running = entry.and_then(|entry| entry.running.take());
        let Ran {
            work,
            end,
            counts,
            held,
        } = ran.unwrap_or_else(|error| Ran {
            work: running.as_ref().map_or(Work::Pass, |running| running.work),
            end: End::Failed(format!("the pass broke off: {error}")),
            counts: Counts::default(),
            held: false,
        });
        let stopped = running.is_some_and(|running| running.stopping);
        let message = end.why().map(str::to_owned);
        let stored = format!(
            "{} new, {} changed and {} deleted records are stored",
            counts.new, counts.changed, counts.deleted
        );
        match &message {
            None => {}
            Some(_) if stopped => tracing::info!(source.id = %name, "pass stopped; {stored}"),
            Some(why) => tracing::warn!(source.id = %name, "pass incomplete: {why}; {stored}"),
        }
        let last = match &message {
            None => Last::Complete(now_ms),
            // The list came to its end; what it means is for a person.
            Some(_) if held => Last::Complete(now_ms),
            Some(_) if stopped => Last::CutOff,
            Some(_) => Last::Failed(now_ms),
        };
        if let Some(entry) = self.entries.get_mut(&name) {
            match work {
                Work::Pass => entry.last_run = Some(last),
                Work::Reconcile(_) => entry.last_reconcile = Some(last),
            }
        }
        let attempt = Attempt {
            ended_ms: now_ms,
            complete: message.is_none(),
            bearing: match last {
                Last::Complete(_) => Bearing::Works,
                Last::CutOff => Bearing::Unclear,
                Last::Failed(_) => Bearing::Fails,
            },
            message,
        };
        self.board.ended(&name, attempt);
    }

    fn obey(&mut self, command: Command) {
        let Command {
            source,
            wish,
            answer,
        } = command;
        let answered = self.obey_wish(&source, &wish);
        tracing::info!(source.id = %source, "asked to {wish:?}: {answered:?}");
        self.answers.push((answer, answered));
    }

    fn obey_wish(&mut self, name: &str, wish: &Wish) -> Answer {
        let now_ms = self.board.now_ms();
        let Some(entry) = self.entries.get_mut(name) else {
            return Answer::UnknownSource;
        };
        let paused_since = match wish {
            Wish::Run => {
                // A pass that runs is what was asked for.
                entry.asked = entry.running.is_none();
                return Answer::Accepted;
            }
            Wish::Reconcile | Wish::ConfirmDeletions => {
                let wanted = match wish {
                    Wish::ConfirmDeletions => Reconciling::Confirmed,
                    _ => Reconciling::All,
                };
                entry.reconcile_asked = entry.reconcile_asked.max(Some(wanted));
                return Answer::Accepted;
            }
            Wish::Pause => entry.paused_since.or(Some(now_ms)),
            Wish::Resume => None,
        };
        if let Err(error) = self.store.set_meta_value(&pause_key(name), paused_since) {
            return Answer::Failed(error.to_string());
        }
        entry.paused_since = paused_since;
        if paused_since.is_some() {
            entry.asked = false;
            entry.reconcile_asked = None;
            if let Some(running) = &mut entry.running {
                running.stop();
            }
        }
        Answer::Accepted
    }

    /// One line for `systemctl status`, when it has changed.
    fn tell_status(&mut self) {
        let running: Vec<&str> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.running.is_some())
            .map(|(name, _)| name.as_str())
            .collect();
        let status = match (self.board.trouble(), running.as_slice()) {
            (Some(trouble), _) => trouble,
            (None, []) if self.entries.len() == 1 => "1 source, none is being harvested".to_owned(),
            (None, []) => format!("{} sources, none is being harvested", self.entries.len()),
            (None, running) => format!("harvesting {}", running.join(", ")),
        };
        if status != self.status {
            systemd::status(&status);
            self.status = status;
        }
    }

    async fn shut_down(mut self) {
        systemd::stopping();
        for (name, entry) in &mut self.entries {
            if let Some(running) = &mut entry.running {
                running.stop();
                self.board.show(name, running_state(running));
            }
        }
        let grace = self.config.daemon.grace;
        let joined = tokio::time::timeout(grace, async {
            while let Some(ended) = self.tasks.join_next_with_id().await {
                self.ended(ended);
            }
        })
        .await;
        if joined.is_err() {
            tracing::warn!(
                "{} passes wait for their repositories; given up, the next start goes on",
                self.tasks.len()
            );
            self.tasks.shutdown().await;
        }
    }
}

impl Entry {
    /// Whether reconciling is due; `None` if nobody wants it.
    fn reconcile_verdict(
        &self,
        last: Option<Last>,
        pass: &Standing,
        now_ms: i64,
    ) -> Option<Verdict> {
        let asked = self.reconcile_asked.is_some();
        let wanted = asked || (self.schedule.reconcile.is_some() && last.is_some());
        let standing = Standing {
            last,
            asked,
            ..pass.clone()
        };
        wanted.then(|| verdict(&self.schedule.of_reconciling(), &standing, now_ms))
    }

    /// What is due, if anything is.
    fn due_work(
        &self,
        source: Option<&Source>,
        pass: Verdict,
        reconcile: Option<Verdict>,
    ) -> Option<Work> {
        let wanted = self.reconcile_asked.unwrap_or(Reconciling::All);
        // A pass would go on with its list, which would then be no list to reconcile with. But a
        // list that cannot be gone on with must not keep passes away.
        let failed = matches!(self.last_reconcile, Some(Last::Failed(_)));
        let its_list_is_open = source.is_some_and(|source| {
            source.traits.reconciling_since.is_some() && source.traits.settling.is_none()
        });
        let goes_first = self.reconcile_asked.is_some() || (its_list_is_open && !failed);
        match (pass, reconcile) {
            (Verdict::Due, Some(Verdict::Due)) if goes_first => Some(Work::Reconcile(wanted)),
            (Verdict::Due, Some(_)) if its_list_is_open && !failed => Some(Work::Reconcile(wanted)),
            (Verdict::Due, _) => Some(Work::Pass),
            (_, Some(Verdict::Due)) => Some(Work::Reconcile(wanted)),
            _ => None,
        }
    }
}

async fn pass_over(context: &Context, settings: SourceSettings) -> Ran {
    let reports = harvest_all(context, &[settings], &RunOptions::default()).await;
    let report = reports.into_iter().next();
    let report = report.expect("one source gives one report");
    Ran {
        work: Work::Pass,
        end: report.end,
        counts: report.counts,
        held: false,
    }
}

async fn reconcile_source(
    context: &Context,
    settings: &SourceSettings,
    wanted: Reconciling,
    most_percent: u8,
) -> Ran {
    let confirmed = wanted == Reconciling::Confirmed;
    let policy = DeletionPolicy {
        max_share: f64::from(most_percent) / 100.0,
        confirmed,
        start_over: !confirmed,
    };
    let mut ran = Ran {
        work: Work::Reconcile(wanted),
        end: End::Complete,
        counts: Counts::default(),
        held: false,
    };
    let client = match Client::new(&settings.client) {
        Ok(client) => client,
        Err(error) => {
            ran.end = End::Incomplete(error.to_string());
            return ran;
        }
    };
    let outcome = reconcile(context, &client, settings, policy).await;
    if outcome.end == End::Complete {
        tracing::info!(
            source.id = %settings.name,
            "reconciled: {} records were not listed; {} were found, {} were deleted",
            outcome.not_listed, outcome.found, outcome.deleted
        );
    }
    Ran {
        end: outcome.end,
        counts: outcome.counts,
        held: outcome.held,
        ..ran
    }
}

fn running_state(running: &Running) -> State {
    State::Running {
        since_ms: running.since_ms,
        pages: 0,
        records: 0,
        waiting: None,
        stopping: running.stopping,
    }
}

/// Where the store remembers that a source is paused.
pub(super) fn pause_key(name: &str) -> String {
    format!("paused:{name}")
}
