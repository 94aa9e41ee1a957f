//! Deliveries: outputs that are pushed to, and files that are written, each when it is due.
//!
//! They go their own way beside the passes, so that an index that is down or slow holds up no harvest.
//! Each has one task at most. What is behind is seen from the store, so that nothing that a crash or
//! an outage has kept from an output is forgotten: it is due at the next start, or the next try.
//!
//! - `job`: one run of one delivery

mod job;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{self, JoinError, JoinSet};

use self::job::{Job, Outcome};
use super::board::{
    Attempt, Bearing, Board, DeliveryKey, DeliveryKind, DeliveryState, DeliverySums, Wait,
};
use super::wish::Answer;
use crate::clock::Clock;
use crate::schedule::{DeliverySchedule, DeliveryStanding, Reason, Verdict, delivery_verdict};
use crate::stop::{Stop, StopSwitch, stop_switch};
use crate::store::{ChangeFilter, Reader, Store, StoreError, pause_left};

/// A wall clock can be set, so no sleep trusts it for longer.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// After the store could not be read.
const STORE_TROUBLE_SLEEP: Duration = Duration::from_secs(10);

/// The longest pause before another try.
const LONGEST_PAUSE: Duration = Duration::from_secs(30 * 60);

/// The pause before an output is tried again that another process is at.
const BUSY_PAUSE: Duration = Duration::from_secs(60);

/// What someone wants of one delivery: that it is done now.
#[derive(Debug)]
pub(super) struct Delivery {
    /// Which one.
    pub(super) key: DeliveryKey,
    /// What came of it.
    pub(super) answer: oneshot::Sender<Answer>,
}

/// One configured output or export.
struct Item {
    job: Job,
    schedule: DeliverySchedule,
    asked: bool,
    /// There is something that it should have.
    behind: bool,
    failures: u32,
    retry_at: Option<i64>,
    /// When it last ended well.
    last_ms: i64,
    running: Option<Running>,
}

struct Running {
    switch: StopSwitch,
    since_ms: i64,
    stopping: bool,
}

/// See the module.
pub(super) struct Deliveries {
    store: Arc<Store>,
    reader: Reader,
    board: Arc<Board>,
    clock: Clock,
    items: BTreeMap<DeliveryKey, Item>,
    tasks: JoinSet<Outcome>,
    keys: HashMap<task::Id, DeliveryKey>,
    troubled: bool,
}

impl Deliveries {
    /// Those of the configuration in force; nothing is started yet.
    ///
    /// # Errors
    /// As opening the store.
    pub(super) fn new(
        store: Arc<Store>,
        board: Arc<Board>,
        clock: Clock,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            reader: store.reader()?,
            store,
            board,
            clock,
            items: BTreeMap::new(),
            tasks: JoinSet::new(),
            keys: HashMap::new(),
            troubled: false,
        })
    }

    /// Goes round until `stop`, then ends all runs: after the batch at hand, or after the grace.
    pub(super) async fn run(mut self, stop: Stop, mut wishes: mpsc::Receiver<Delivery>) {
        let mut ends = self.board.ends();
        let mut configured = self.board.configured();
        self.take_over();
        loop {
            let sleep = match self.go_round() {
                Ok(sleep) => {
                    self.troubled = false;
                    sleep
                }
                Err(error) => {
                    if !self.troubled {
                        tracing::error!("nothing can be delivered: {error}");
                    }
                    self.troubled = true;
                    STORE_TROUBLE_SLEEP
                }
            };
            tokio::select! {
                biased;
                () = stop.requested() => break,
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
                Some(wish) = wishes.recv() => self.obey(wish),
                Ok(()) = configured.changed() => self.take_over(),
                Ok(()) = ends.changed() => self.look_behind(),
                () = tokio::time::sleep(sleep) => {}
            }
        }
        self.shut_down().await;
    }

    /// Makes the items those of the configuration in force.
    fn take_over(&mut self) {
        let config = self.board.config();
        let outputs = config.outputs.iter().map(|settings| {
            let schedule = config.push_schedules.get(&settings.name).cloned();
            let key = (DeliveryKind::Output, settings.name.clone());
            (
                key,
                Job::Push(Box::new(settings.clone())),
                schedule.unwrap_or_default(),
            )
        });
        let exports = config.exports.iter().map(|(settings, schedule)| {
            let key = (DeliveryKind::Export, settings.name.clone());
            (
                key,
                Job::Export(Box::new(settings.clone())),
                schedule.clone(),
            )
        });
        let now_ms = self.board.now_ms();
        let mut gone = std::mem::take(&mut self.items);
        for (key, job, schedule) in outputs.chain(exports) {
            let mut item = match gone.remove(&key) {
                Some(item) => item,
                None => Item {
                    last_ms: self.last_ms(&key).unwrap_or(now_ms),
                    // What it missed while nobody looked.
                    behind: schedule.after_pass,
                    job: job.clone(),
                    schedule: schedule.clone(),
                    asked: false,
                    failures: 0,
                    retry_at: None,
                    running: None,
                },
            };
            if item.job != job {
                if let Some(running) = &mut item.running {
                    running.stop();
                }
                // The new settings may mend what failed, and may want other documents.
                item.failures = 0;
                item.retry_at = None;
                item.behind = schedule.after_pass;
            }
            item.job = job;
            item.schedule = schedule;
            self.items.insert(key, item);
        }
        for (_, mut item) in gone {
            if let Some(running) = &mut item.running {
                running.stop();
            }
        }
        let items = &self.items;
        self.board.retain_deliveries(|key| items.contains_key(key));
    }

    /// When it last ended well, as far as the store knows.
    fn last_ms(&self, (kind, name): &DeliveryKey) -> Option<i64> {
        match kind {
            // Whatever it lacks is seen from its position.
            DeliveryKind::Output => None,
            DeliveryKind::Export => self.reader.export(name).ok()??.done_at,
        }
    }

    /// Something has come to its end, and may have left something to be delivered.
    fn look_behind(&mut self) {
        for item in self.items.values_mut() {
            item.behind |= item.schedule.after_pass;
        }
    }

    /// Starts what is due, shows where every delivery stands, and says when to look again.
    fn go_round(&mut self) -> Result<Duration, StoreError> {
        let now_ms = self.board.now_ms();
        let mut sleep = LONGEST_SLEEP;
        let mut due = Vec::new();
        for (key, item) in &mut self.items {
            if let Some(running) = &item.running {
                self.board
                    .show_delivery(key, running.state(), item.failures);
                continue;
            }
            // Asked of the store only when something may have changed.
            if item.behind && item.retry_at.is_none() {
                item.behind = item.job.lacks_something(&self.reader)?;
            }
            let standing = DeliveryStanding {
                last_ms: item.last_ms,
                behind: item.behind,
                asked: item.asked,
                retry_at: item.retry_at.map(|at_ms| {
                    let left = pause_left(at_ms, LONGEST_PAUSE, now_ms);
                    left.map_or(now_ms, |_| at_ms)
                }),
            };
            let state = match delivery_verdict(&item.schedule, &standing, now_ms) {
                Verdict::Due => {
                    due.push(key.clone());
                    continue;
                }
                Verdict::At(until_ms, reason) => {
                    let left = u64::try_from(until_ms - now_ms).unwrap_or_default();
                    sleep = sleep.min(Duration::from_millis(left));
                    let wait = Wait {
                        until_ms,
                        why: reason_in_words(reason, item.failures),
                    };
                    match reason {
                        Reason::Again => DeliveryState::Retrying(wait),
                        _ => DeliveryState::Waiting(wait),
                    }
                }
                Verdict::Paused | Verdict::OnDemand => DeliveryState::OnDemand,
            };
            self.board.show_delivery(key, state, item.failures);
        }
        for key in due {
            self.start(&key, now_ms)?;
        }
        Ok(sleep)
    }

    fn start(&mut self, key: &DeliveryKey, now_ms: i64) -> Result<(), StoreError> {
        // Each of them uses every core while it runs.
        let exporting = |(kind, _): &DeliveryKey| *kind == DeliveryKind::Export;
        let other = self.keys.values().find(|other| exporting(other));
        let Some(item) = self.items.get_mut(key) else {
            return Ok(());
        };
        if let Some((_, other)) = other.filter(|_| exporting(key)) {
            let why = format!("{other}, which is being written");
            let state = DeliveryState::Due { why };
            self.board.show_delivery(key, state, item.failures);
            return Ok(());
        }
        // A tick without anything to send asks no index.
        let idle = !item.asked && key.0 == DeliveryKind::Output;
        if idle && !item.job.lacks_something(&self.reader)? {
            item.settle(now_ms);
            let state = DeliveryState::OnDemand;
            self.board.show_delivery(key, state, item.failures);
            return Ok(());
        }
        let (switch, stop) = stop_switch();
        let running = Running {
            switch,
            since_ms: now_ms,
            stopping: false,
        };
        self.board
            .show_delivery(key, DeliveryState::OnDemand, item.failures);
        self.board
            .show_delivery(key, running.state(), item.failures);
        item.running = Some(running);
        item.asked = false;
        item.behind = false;
        let run = item.job.clone().run(job::Around {
            store: Arc::clone(&self.store),
            clock: self.clock.clone(),
            board: Arc::clone(&self.board),
            stop,
        });
        let task = self.tasks.spawn(run);
        self.keys.insert(task.id(), key.clone());
        Ok(())
    }

    fn ended(&mut self, ended: Result<(task::Id, Outcome), JoinError>) {
        let now_ms = self.board.now_ms();
        let (id, outcome) = match ended {
            Ok((id, outcome)) => (id, outcome),
            Err(error) => {
                let why = format!("it broke off: {error}");
                (error.id(), Outcome::Failed(DeliverySums::default(), why))
            }
        };
        let Some(key) = self.keys.remove(&id) else {
            return;
        };
        let Some(item) = self.items.get_mut(&key) else {
            return;
        };
        item.running = None;
        let what = format!("{} {}", key.0.word(), key.1);
        let (sums, bearing, message) = match outcome {
            Outcome::Complete(sums) => {
                item.settle(now_ms);
                if sums.any() {
                    tracing::info!("{what}: {}", sums.in_words());
                }
                (sums, Bearing::Works, None)
            }
            Outcome::Stopped(sums) => {
                item.behind = true;
                (sums, Bearing::Unclear, Some("told to stop".to_owned()))
            }
            Outcome::Busy(why) => {
                item.retry_at = Some(now_ms.saturating_add(millis(BUSY_PAUSE)));
                tracing::info!("{what}: {why}");
                (DeliverySums::default(), Bearing::Unclear, Some(why))
            }
            Outcome::Failed(sums, why) => {
                item.failures = item.failures.saturating_add(1);
                let pause = pause(item.job.first_pause(), item.failures);
                item.retry_at = Some(now_ms.saturating_add(millis(pause)));
                tracing::warn!(
                    "{what}: not everything: {why}; {}; tried again in {}",
                    sums.in_words(),
                    humantime::format_duration(Duration::from_secs(pause.as_secs().max(1)))
                );
                (sums, Bearing::Fails, Some(why))
            }
        };
        let attempt = Attempt {
            ended_ms: now_ms,
            complete: message.is_none(),
            message,
            bearing,
        };
        self.board
            .delivery_ended(&key, attempt, item.failures, sums);
    }

    fn obey(&mut self, wish: Delivery) {
        let answer = match self.items.get_mut(&wish.key) {
            None => Answer::UnknownSource,
            Some(item) => {
                // A run may be past what it was asked for.
                item.asked = true;
                Answer::Accepted
            }
        };
        let (kind, name) = &wish.key;
        tracing::info!("asked for {} {name}: {answer:?}", kind.word());
        // Whoever asked may have gone.
        let _ = wish.answer.send(answer);
    }

    async fn shut_down(mut self) {
        for (key, item) in &mut self.items {
            if let Some(running) = &mut item.running {
                running.stop();
                self.board
                    .show_delivery(key, running.state(), item.failures);
            }
        }
        let grace = self.board.config().daemon.grace;
        let joined = tokio::time::timeout(grace, async {
            while let Some(ended) = self.tasks.join_next_with_id().await {
                self.ended(ended);
            }
        })
        .await;
        if joined.is_err() {
            tracing::warn!(
                "{} deliveries wait for an answer; given up, the next start goes on",
                self.tasks.len()
            );
            self.tasks.shutdown().await;
        }
    }
}

impl Item {
    /// It has everything.
    fn settle(&mut self, now_ms: i64) {
        self.failures = 0;
        self.retry_at = None;
        self.last_ms = now_ms;
    }
}

impl Running {
    fn stop(&mut self) {
        self.switch.stop();
        self.stopping = true;
    }

    fn state(&self) -> DeliveryState {
        DeliveryState::Running {
            since_ms: self.since_ms,
            done: 0,
            total: 0,
            stopping: self.stopping,
        }
    }
}

fn reason_in_words(reason: Reason, failures: u32) -> String {
    match reason {
        Reason::Again if failures == 0 => "another process, which is at it".to_owned(),
        Reason::Again => format!("another try, after {failures} in vain"),
        Reason::Hours => "the hours in which it may be done".to_owned(),
        Reason::Tick | Reason::Host => "its schedule".to_owned(),
    }
}

/// The pause after so many failures in a row, which is at least one.
fn pause(first: Duration, failures: u32) -> Duration {
    let times = 1_u32.checked_shl(failures.saturating_sub(1));
    let pause = times.and_then(|times| first.checked_mul(times));
    pause.map_or(LONGEST_PAUSE, |pause| pause.min(LONGEST_PAUSE))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Whether an output or export lacks something of `filter`.
fn any_change(reader: &Reader, filter: &ChangeFilter) -> Result<bool, StoreError> {
    Ok(reader.first_change(filter)?.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_half_an_hour() {
        let first = Duration::from_secs(128);
        let pauses: Vec<u64> = [1, 2, 3, 4, 5, 40, u32::MAX]
            .map(|failures| pause(first, failures).as_secs())
            .to_vec();
        assert_eq!(pauses, [128, 256, 512, 1024, 1800, 1800, 1800]);
    }
}
