//! All changes since an output's position, batch by batch; the position follows what is confirmed.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::batch::{self, Batch, Change};
use super::client::{Client, SolrError};
use super::confirm::{Confirmer, Sent};
use super::deliver::{DeliverError, Delivered, Doubt, Streak, deliver, is_taken};
use super::flights::{Flight, Flights, Landing};
use super::settings::SolrSettings;
use crate::clock::Clock;
use crate::end::End;
use crate::output::vufind::Command;
use crate::stop::Stop;
use crate::store::{Output, OutputId, OutputLock, Reader, Store, StoreError, Version};

/// Batches that are ready when the index can take another one.
const AHEAD: usize = 1;

/// Batches that may have come back before one that was sent earlier: an index that writes its memory to
/// disk within a request takes several others meanwhile.
const LANDED: usize = 8;

/// What to push.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PushWishes {
    /// Set the position to this version first; zero is the beginning.
    pub from: Option<Version>,
    /// Try what was set aside once more, before all else.
    pub retry_rejected: bool,
}

/// How far a push is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PushProgress {
    /// Changes dealt with.
    pub done: u64,
    /// Changes there were when it began.
    pub total: u64,
    /// Documents that the index took.
    pub added: u64,
    /// Deletions that it took.
    pub deleted: u64,
    /// Documents that were set aside.
    pub rejected: u64,
}

/// What a push did.
#[derive(Debug, Clone, PartialEq)]
pub struct PushReport {
    /// The output.
    pub output: String,
    /// What it did.
    pub progress: PushProgress,
    /// The output's position now.
    pub position: Version,
    /// How many changes are still to be sent.
    pub behind: u64,
    /// Whether everything was sent again because the settings have changed.
    pub starts_over: bool,
    /// How long it took.
    pub elapsed: Duration,
    /// How it ended.
    pub end: End,
}

/// What a push needs beside its settings.
#[derive(Clone)]
pub struct PushSurroundings {
    /// The store.
    pub store: Arc<Store>,
    /// Dates what is stored.
    pub clock: Clock,
    /// Stops a push after the batch at hand.
    pub stop: Stop,
    /// Is told after each batch.
    pub progress: Arc<dyn Fn(PushProgress) + Send + Sync>,
}

/// What makes a push end before it is complete.
#[derive(Debug, thiserror::Error)]
enum PushError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Deliver(#[from] DeliverError),
    #[error("told to stop")]
    Stopped,
}

impl PushError {
    fn end(&self) -> End {
        let text = self.to_string();
        match self {
            Self::Stopped
            | Self::Deliver(DeliverError::Solr(
                SolrError::Unavailable { .. } | SolrError::Stopped,
            )) => End::Incomplete(text),
            // The next harvest may make them anew.
            Self::Store(StoreError::NotClustered { .. }) => End::Incomplete(text),
            Self::Store(error) if error.is_transient() => End::Incomplete(text),
            _ => End::Failed(text),
        }
    }
}

/// Brings an index up to the store, and says how far it came.
///
/// Ends when there was nothing left to be sent, when `around.stop` says so (what is under way is then
/// broken off and sent again next time), or with what the report says. Does not block its thread.
///
/// # Errors
/// If the store cannot be read or written, or another process pushes to this output. What goes wrong
/// with the index or with the settings is in the report.
pub async fn push(
    around: &PushSurroundings,
    settings: &SolrSettings,
    wishes: &PushWishes,
) -> Result<PushReport, StoreError> {
    let started = Instant::now();
    let wishes = *wishes;
    let begun = settings.clone();
    let begun = with_store(around, move |store| begin(store, &begun, &wishes)).await?;
    let id = begun.output.id;
    let (end, progress) = match Client::new(settings, around.stop.clone()) {
        Ok(client) => {
            let run = Run {
                around,
                client: &client,
                settings,
                output: &begun.output,
            };
            let mut confirmer = Confirmer {
                around,
                output: &begun.output,
                progress: PushProgress {
                    total: begun.total,
                    ..PushProgress::default()
                },
            };
            let end = match run.all(&wishes, &mut confirmer).await {
                Ok(()) => End::Complete,
                Err(error) => error.end(),
            };
            (end, confirmer.progress)
        }
        Err(error) => (End::Failed(error.to_string()), PushProgress::default()),
    };
    let why = end.why().map(str::to_owned);
    let (known, now) = (settings.clone(), around.clock.now_ms());
    let (position, behind) =
        with_store(around, move |store| finish(store, &known, id, why, now)).await?;
    Ok(PushReport {
        output: settings.name.clone(),
        progress,
        position,
        behind,
        starts_over: begun.starts_over,
        elapsed: started.elapsed(),
        end,
    })
}

/// What a push begins with.
struct Begun {
    /// Nobody else pushes to the output while this lives.
    _lock: OutputLock,
    output: Output,
    starts_over: bool,
    /// Changes that are to be sent.
    total: u64,
}

fn begin(store: &Store, settings: &SolrSettings, wishes: &PushWishes) -> Result<Begun, StoreError> {
    let lock = store.lock_output(&settings.name)?;
    let (mut output, starts_over) =
        store.register_output(&settings.name, &settings.definition())?;
    if let Some(from) = wishes.from {
        store.set_position(output.id, from)?;
        output.position = from;
    }
    let forgotten = store.reader()?.min_since()?;
    if output.position > Version::default() && output.position < forgotten {
        tracing::warn!(
            output = settings.name,
            "deletions up to version {forgotten} are forgotten, of which this output has heard only up \
             to {}: its index may have documents that it should not; `harvestd audit --repair` finds \
             them",
            output.position
        );
    }
    Ok(Begun {
        _lock: lock,
        total: behind(store, settings, output.position)?,
        output,
        starts_over,
    })
}

/// Notes why a push ended, if not because it was complete; gives the output's position and how many
/// changes come after it.
fn finish(
    store: &Store,
    settings: &SolrSettings,
    output: OutputId,
    why: Option<String>,
    now_ms: i64,
) -> Result<(Version, u64), StoreError> {
    if let Some(why) = why {
        store.note_output_error(output, &why, now_ms)?;
    }
    let output = store.reader()?.output(&settings.name)?;
    let position = output.map_or_else(Version::default, |output| output.position);
    Ok((position, behind(store, settings, position)?))
}

fn behind(store: &Store, settings: &SolrSettings, position: Version) -> Result<u64, StoreError> {
    store.reader()?.count_changes(&settings.filter(position))
}

/// Works on the store beside the threads that wait for the network.
pub(super) async fn with_store<T: Send + 'static>(
    around: &PushSurroundings,
    work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let store = Arc::clone(&around.store);
    let done = spawn_blocking(move || work(&store)).await;
    done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

struct Run<'a> {
    around: &'a PushSurroundings,
    client: &'a Client,
    settings: &'a SolrSettings,
    output: &'a Output,
}

impl Run<'_> {
    async fn all(
        &self,
        wishes: &PushWishes,
        confirmer: &mut Confirmer<'_>,
    ) -> Result<(), PushError> {
        if wishes.retry_rejected {
            self.retry_rejected(confirmer).await?;
        }
        let (sender, batches) = mpsc::channel(AHEAD);
        let (settings, position) = (self.settings.clone(), self.output.position);
        let reading = with_store(self.around, move |store| {
            read_all(store, &settings, position, &sender)
        });
        let (sender, receiver) = mpsc::channel(self.settings.parallel_requests);
        let confirming = confirmer.all(receiver);
        // Each ends when nobody takes what it gives, so that the error of any of them ends all, and
        // what the index has taken is confirmed whatever happens to the rest.
        let (sent, confirmed, read) =
            tokio::join!(self.send_all(batches, sender), confirming, reading);
        confirmed?;
        sent?;
        Ok(read?)
    }

    /// Sends batches, several at a time, and hands on what became of them, in their order.
    async fn send_all(
        &self,
        mut batches: mpsc::Receiver<Batch>,
        sent: mpsc::Sender<Sent>,
    ) -> Result<(), PushError> {
        let (client, streak) = (self.client, Streak::default());
        let mut under_way = FuturesUnordered::new();
        let mut flights = Flights::default();
        let mut waiting: Option<Batch> = None;
        let mut is_open = true;
        while is_open || waiting.is_some() || flights.len() > 0 {
            if let Some(batch) = waiting.take_if(|batch| !flights.has_any_of(batch)) {
                if self.around.stop.is_requested() {
                    return Err(PushError::Stopped);
                }
                let number = flights.start(&batch);
                let delivery = deliver(client, batch.changes, batch.message, &streak);
                under_way.push(async move { (number, delivery.await) });
            }
            // One that waits for those before it leaves its place in the index to the next.
            let parallel = self.settings.parallel_requests;
            let is_free = under_way.len() < parallel && flights.len() < parallel + LANDED;
            tokio::select! {
                Some((number, result)) = under_way.next(), if !under_way.is_empty() => {
                    flights.land(number, result);
                    while let Some((flight, landing)) = flights.take_landed() {
                        let settled = self.settle(flight, landing, &flights, &streak).await?;
                        if sent.send(settled).await.is_err() {
                            return Ok(());
                        }
                    }
                }
                batch = batches.recv(), if is_open && is_free && waiting.is_none() => {
                    is_open = batch.is_some();
                    waiting = batch;
                }
            }
        }
        Ok(())
    }

    /// Settles the doubts about a batch, and sends what was held back for them.
    async fn settle(
        &self,
        flight: Flight,
        landing: Landing,
        flights: &Flights,
        streak: &Streak,
    ) -> Result<Sent, PushError> {
        let mut delivered = landing?;
        while let Some(doubt) = delivered.doubt.take() {
            let under_way = flights
                .ids_under_way()
                .chain(&flight.ids)
                .cloned()
                .collect();
            self.settle_doubt(doubt, &delivered, under_way).await?;
            streak.end();
            let rest = std::mem::take(&mut delivered.rest);
            if !rest.is_empty() {
                delivered.append(deliver(self.client, rest, None, streak).await?);
            }
        }
        let now = self.around.clock.now_ms();
        Ok(Sent::new(delivered, flight.records, Some(flight.upto), now))
    }

    /// Finds out whether the index is to blame for refusing documents, by sending it again one that it
    /// has taken before or, if there is none, some that it will get later.
    async fn settle_doubt(
        &self,
        doubt: Doubt,
        delivered: &Delivered,
        under_way: HashSet<String>,
    ) -> Result<(), PushError> {
        let (settings, id) = (self.settings.clone(), self.output.id);
        let probes = match delivered.any_added() {
            Some(taken) => Probes::Taken(taken.clone()),
            None => {
                with_store(self.around, move |store| {
                    find_probes(store, &settings, id, &under_way)
                })
                .await?
            }
        };
        let is_to_blame = match probes {
            Probes::Taken(known) => !is_taken(self.client, known).await?,
            Probes::Later(mut documents) => {
                let unsent = delivered.rest.iter().rev();
                let adds = unsent.filter(|change| change.command == Command::Add);
                documents.extend(adds.take(LATER_PROBES).cloned());
                let are_several = doubt.are_several || !documents.is_empty();
                let mut is_one_taken = false;
                for document in documents {
                    is_one_taken = is_taken(self.client, document).await?;
                    if is_one_taken {
                        break;
                    }
                }
                are_several && !is_one_taken
            }
        };
        match is_to_blame {
            true => Err(doubt.misfit.into()),
            false => Ok(()),
        }
    }

    /// Sends the records of what was set aside as they are now. The position stays.
    async fn retry_rejected(&self, confirmer: &mut Confirmer<'_>) -> Result<(), PushError> {
        let (settings, id) = (self.settings.clone(), self.output.id);
        let changes = with_store(self.around, move |store| {
            let reader = store.reader()?;
            let filter = settings.filter(None);
            let mut changes = Vec::new();
            let mut seen = HashSet::new();
            for rejected in reader.rejected(id)? {
                if !seen.insert(rejected.document_id.clone()) {
                    continue;
                }
                let records = reader.find_items(&rejected.identifier, &filter)?;
                let record = records
                    .iter()
                    .find(|record| record.source == rejected.source);
                changes.extend(record.map(|record| batch::change(record, &settings)));
            }
            Ok(batch::settle(&reader, &settings, changes)?.0)
        })
        .await?;
        for change in changes {
            if self.around.stop.is_requested() {
                return Err(PushError::Stopped);
            }
            // All of these have been refused before, so that a row of refusals proves nothing.
            let streak = Streak::default();
            let delivered = deliver(self.client, vec![change], None, &streak).await?;
            let now = self.around.clock.now_ms();
            confirmer.one(Sent::new(delivered, 0, None, now)).await?;
        }
        Ok(())
    }
}

/// Documents that tell whether an index takes any.
pub(super) enum Probes {
    /// One that it has taken before.
    Taken(Change),
    /// It has taken none: some that it will get anyway.
    Later(Vec<Change>),
}

/// So many documents that were never taken stand for all others.
const LATER_PROBES: usize = 5;

/// The newest document that an output has confirmed, of those that are not under way; if there is none,
/// the newest that are to come.
pub(super) fn find_probes(
    store: &Store,
    settings: &SolrSettings,
    output: OutputId,
    under_way: &HashSet<String>,
) -> Result<Probes, StoreError> {
    let reader = store.reader()?;
    let position = reader.output(&settings.name)?.map(|output| output.position);
    let rejected = reader.rejected(output)?;
    let rejected: HashSet<&str> = rejected
        .iter()
        .map(|document| document.document_id.as_str())
        .collect();
    let filter = settings.filter(None);
    let find = |upto: Version, most: usize| {
        let mut found = Vec::new();
        let done = reader.changes_until(&filter, upto, |record| {
            let change = batch::change(&record, settings);
            let is_known = rejected.contains(change.id.as_str()) || under_way.contains(&change.id);
            if !is_known && change.command == Command::Add {
                found.push(change);
            }
            match found.len() < most {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        });
        done.map(|()| found)
    };
    match find(position.unwrap_or_default(), 1)?.pop() {
        Some(taken) => Ok(Probes::Taken(taken)),
        None => find(Version(i64::MAX), LATER_PROBES).map(Probes::Later),
    }
}

fn read_all(
    store: &Store,
    settings: &SolrSettings,
    mut position: Version,
    sender: &mpsc::Sender<Batch>,
) -> Result<(), StoreError> {
    let reader = store.reader()?;
    loop {
        // Each in a snapshot of its own, so that a long push does not hold up the log's cleaning.
        let batch = batch::read(&reader, settings, position)?;
        position = batch.upto;
        let last = batch.last;
        if sender.blocking_send(batch).is_err() || last {
            return Ok(());
        }
    }
}

/// What a push would send.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct PushPreview {
    /// The position that it would start from.
    pub position: Version,
    /// Documents to be added or replaced.
    pub adds: u64,
    /// Deletions.
    pub deletes: u64,
    /// Records that cannot be made documents; deletions too.
    pub faults: u64,
}

/// Says what a push would send, without asking the index or writing anything.
///
/// # Errors
/// As any read.
pub fn preview(
    reader: &Reader,
    settings: &SolrSettings,
    wishes: &PushWishes,
) -> Result<PushPreview, StoreError> {
    let known = reader.output(&settings.name)?;
    let known = known.filter(|output| output.definition == settings.definition());
    let stored = known.map_or_else(Version::default, |output| output.position);
    let mut position = wishes.from.unwrap_or(stored);
    let mut preview = PushPreview {
        position,
        ..PushPreview::default()
    };
    loop {
        let batch = batch::read(reader, settings, position)?;
        for change in &batch.changes {
            match change.command {
                Command::Add => preview.adds += 1,
                Command::Delete => preview.deletes += 1,
            }
            preview.faults += u64::from(change.fault.is_some());
        }
        if batch.last {
            return Ok(preview);
        }
        position = batch.upto;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_send<T: Send>(_: &T) {}

    /// A push can be one of many tasks of a longer-lived program.
    #[test]
    fn pushes_can_move_between_threads() {
        let folder = tempfile::tempdir().expect("the system has a place for temporary files");
        let (_switch, stop) = crate::stop::stop_switch();
        let settings = SolrSettings::new(
            "v",
            "http://localhost/solr/b".parse().expect("this is a URL"),
        );
        let store = Store::open(&folder.path().join("store.db")).expect("a store can be made");
        let around = PushSurroundings {
            store: Arc::new(store),
            clock: Clock::System,
            stop,
            progress: Arc::new(|_| {}),
        };
        is_send(&push(&around, &settings, &PushWishes::default()));
    }
}
