//! Which passes run now: starts those that are due, joins those that end, obeys wishes, takes over a
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

use super::alert::{Alert, alert};
use super::board::{Attempt, Board, State, Wait, reason_in_words};
use super::schedule::{Last, Schedule, Standing, Verdict, verdict};
use super::standing::{ended_at, last_pass, part_of_spread};
use super::wish::{Answer, Command, Wish};
use super::{Service, systemd};
use crate::config::Config;
use crate::harvest::settings::SourceSettings;
use crate::harvest::{
    End, Report, Stop, StopSwitch, Surroundings, Wishes, harvest_all, host, stop_switch,
};
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
    /// The end of its last run in this process.
    last_run: Option<Last>,
    /// Its last run could not go on.
    failing: bool,
    running: Option<Running>,
}

/// A pass that runs.
struct Running {
    switch: StopSwitch,
    since_ms: i64,
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
    tasks: JoinSet<Report>,
    /// The source of each task and the host that it asks, whatever the configuration now says.
    names: HashMap<task::Id, (String, String)>,
    /// Which part of its spread each source is late by depends on this.
    seed: i64,
    status: String,
    alerts: mpsc::Sender<Alert>,
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
        alerts: mpsc::Sender<Alert>,
    ) -> Result<Self, StoreError> {
        let reader = store.reader()?;
        let seed = match reader.remembered("spread_seed")? {
            Some(seed) => seed,
            None => {
                let seed = fastrand::i64(..);
                store.remember("spread_seed", Some(seed))?;
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
            status: String::new(),
            alerts,
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
            for (asker, answer) in self.answers.drain(..) {
                // Whoever asked may have gone.
                let _ = asker.send(answer);
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
            let standing = Standing {
                last: last_pass(&self.reader, known.get(name), entry.last_run)?,
                asked: entry.asked,
                paused: entry.paused_since.is_some(),
                host_until: pauses.get(&host).copied(),
                part_of_spread: part_of_spread(self.seed, name),
            };
            match verdict(&entry.schedule, &standing, now_ms) {
                Verdict::Due => due.push((!entry.asked, ended_at(standing.last), name.clone())),
                Verdict::At(until_ms, reason) => {
                    let left = u64::try_from(until_ms - now_ms).unwrap_or_default();
                    sleep = sleep.min(Duration::from_millis(left));
                    let why = reason_in_words(reason, &host);
                    self.board
                        .show(name, State::Waiting(Wait { until_ms, why }));
                }
                Verdict::Paused => {
                    let since_ms = entry.paused_since.unwrap_or(now_ms);
                    self.board.show(name, State::Paused { since_ms });
                }
                Verdict::OnDemand => self.board.show(name, State::OnDemand),
            }
        }
        // What was asked for comes first, then what has waited longest.
        due.sort();
        for (_, _, name) in due {
            match self.place_for(&name) {
                Ok(()) => self.start(&name, now_ms),
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

    fn start(&mut self, name: &str, now_ms: i64) {
        let Some(entry) = self.entries.get_mut(name) else {
            return;
        };
        let (switch, stop) = stop_switch();
        let running = Running {
            switch,
            since_ms: now_ms,
            asked: std::mem::take(&mut entry.asked),
            stopping: false,
        };
        // What an earlier run has shown is not this one's.
        self.board.show(name, State::OnDemand);
        self.board.show(name, running_state(&running));
        entry.running = Some(running);
        let around = Surroundings {
            store: Arc::clone(&self.store),
            clock: self.service.clock.clone(),
            stop,
            progress: Arc::clone(&self.service.progress),
        };
        let settings = entry.settings.clone();
        let host = host(&settings);
        let task = self.tasks.spawn(async move {
            let reports = harvest_all(&around, &[settings], &Wishes::default()).await;
            reports
                .into_iter()
                .next()
                .expect("one source gives one report")
        });
        self.names.insert(task.id(), (name.to_owned(), host));
    }

    /// A pass is over.
    fn ended(&mut self, ended: Result<(task::Id, Report), JoinError>) {
        let now_ms = self.board.now_ms();
        let (id, end, counts) = match ended {
            Ok((id, report)) => (id, report.end, report.counts),
            Err(error) => {
                let end = End::Broken(format!("the pass broke off: {error}"));
                (error.id(), end, Counts::default())
            }
        };
        let Some((name, _)) = self.names.remove(&id) else {
            return;
        };
        let stopped = self
            .entries
            .get_mut(&name)
            .and_then(|entry| entry.running.take())
            .is_some_and(|running| running.stopping);
        let message = match &end {
            End::Complete => None,
            End::Incomplete(why) | End::Broken(why) => Some(why.clone()),
        };
        let stored = format!(
            "{} new, {} changed and {} deleted records are stored",
            counts.new, counts.changed, counts.deleted
        );
        match &message {
            None => {}
            Some(_) if stopped => tracing::info!(source.id = %name, "pass stopped; {stored}"),
            Some(why) => tracing::warn!(source.id = %name, "pass incomplete: {why}; {stored}"),
        }
        if let Some(entry) = self.entries.get_mut(&name) {
            entry.last_run = Some(match &message {
                None => Last::Complete(now_ms),
                Some(_) if stopped => Last::CutOff,
                Some(_) => Last::Failed(now_ms),
            });
            if !stopped
                && let Some(alert) = alert(&name, &mut entry.failing, message.as_deref())
                && let Err(error) = self.alerts.try_send(alert)
            {
                tracing::warn!(source.id = %name, "nobody is told: {error}");
            }
        }
        let attempt = Attempt {
            ended_ms: now_ms,
            complete: message.is_none(),
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
            Wish::Pause => entry.paused_since.or(Some(now_ms)),
            Wish::Resume => None,
        };
        if let Err(error) = self.store.remember(&pause_key(name), paused_since) {
            return Answer::Failed(error.to_string());
        }
        entry.paused_since = paused_since;
        if paused_since.is_some() {
            entry.asked = false;
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
fn pause_key(name: &str) -> String {
    format!("paused:{name}")
}
