//! All changes since an output's position, batch by batch; the position follows what is confirmed.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::{JoinError, spawn_blocking};

use super::batch::{self, Batch, Change};
use super::client::{Client, SolrError};
use super::deliver::{DeliverError, Delivered, Streak, deliver};
use super::settings::SolrSettings;
use crate::harvest::{Clock, Stop};
use crate::output::vufind::Command;
use crate::store::{
    ChangeFilter, Delivery, Output, Reader, RejectedDocument, Store, StoreError, Version,
};

/// Batches that are made while the index takes another one.
const AHEAD: usize = 2;

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

/// How a push ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushEnd {
    /// The index has all that the store had.
    Complete,
    /// Not all, for a reason that may pass: the next push goes on.
    Incomplete(String),
    /// Not all, and somebody has to do something about it.
    Broken(String),
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
    pub end: PushEnd,
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
    #[error("a part of the program failed: {0}")]
    Task(#[from] JoinError),
}

impl PushError {
    fn end(&self) -> PushEnd {
        let text = self.to_string();
        match self {
            Self::Stopped
            | Self::Deliver(DeliverError::Solr(
                SolrError::Unavailable { .. } | SolrError::Stopped,
            )) => PushEnd::Incomplete(text),
            Self::Store(error) if error.is_passing() => PushEnd::Incomplete(text),
            _ => PushEnd::Broken(text),
        }
    }
}

/// Brings an index up to the store, and says how far it came.
///
/// # Errors
/// If the store cannot be read or written, or another process pushes to this output. What goes wrong
/// with the index is in the report.
pub async fn push(
    around: &PushSurroundings,
    client: &Client,
    settings: &SolrSettings,
    wishes: &PushWishes,
) -> Result<PushReport, StoreError> {
    let started = Instant::now();
    let store = &around.store;
    let _lock = store.lock_output(&settings.name)?;
    let (mut output, starts_over) =
        store.register_output(&settings.name, &settings.definition())?;
    if let Some(from) = wishes.from {
        store.set_position(output.id, from)?;
        output.position = from;
    }
    let mut run = Run {
        around,
        client,
        settings,
        output: &output,
        streak: Streak::default(),
        progress: PushProgress {
            total: behind(store, settings, output.position)?,
            ..PushProgress::default()
        },
    };
    let result = run.all(wishes).await;
    let end = match result {
        Ok(()) => PushEnd::Complete,
        Err(error) => error.end(),
    };
    let progress = run.progress;
    if let PushEnd::Incomplete(why) | PushEnd::Broken(why) = &end {
        store.note_output_error(output.id, why, around.clock.now_ms())?;
    }
    let position = store
        .reader()?
        .output(&settings.name)?
        .map_or(output.position, |output| output.position);
    Ok(PushReport {
        output: settings.name.clone(),
        progress,
        position,
        behind: behind(store, settings, position)?,
        starts_over,
        elapsed: started.elapsed(),
        end,
    })
}

fn behind(store: &Store, settings: &SolrSettings, position: Version) -> Result<u64, StoreError> {
    store.reader()?.count_changes(&ChangeFilter {
        since: Some(position),
        sources: settings.sources.clone(),
        ..ChangeFilter::default()
    })
}

struct Run<'a> {
    around: &'a PushSurroundings,
    client: &'a Client,
    settings: &'a SolrSettings,
    output: &'a Output,
    streak: Streak,
    progress: PushProgress,
}

impl Run<'_> {
    async fn all(&mut self, wishes: &PushWishes) -> Result<(), PushError> {
        if wishes.retry_rejected {
            self.retry_rejected().await?;
        }
        let (sender, mut batches) = mpsc::channel(AHEAD);
        let store = Arc::clone(&self.around.store);
        let (settings, position) = (self.settings.clone(), self.output.position);
        let reading = spawn_blocking(move || read_all(&store, &settings, position, &sender));
        let mut result = Ok(());
        while let Some(batch) = batches.recv().await {
            result = match self.around.stop.is_requested() {
                true => Err(PushError::Stopped),
                false => self.batch(batch).await,
            };
            if result.is_err() {
                break;
            }
        }
        // A reader that nobody listens to ends with its next batch.
        drop(batches);
        let read = reading.await?;
        result?;
        Ok(read?)
    }

    async fn batch(&mut self, batch: Batch) -> Result<(), PushError> {
        let delivered = deliver(self.client, &batch.changes, &mut self.streak).await?;
        self.progress.done += batch.records;
        self.confirm(&delivered, Some(batch.upto)).await
    }

    /// Sends the records of what was set aside as they are now. The position stays.
    async fn retry_rejected(&mut self) -> Result<(), PushError> {
        let changes = {
            let (store, settings) = (Arc::clone(&self.around.store), self.settings.clone());
            let id = self.output.id;
            spawn_blocking(move || -> Result<Vec<Change>, StoreError> {
                let reader = store.reader()?;
                let mut changes = Vec::new();
                let mut seen = HashSet::new();
                for rejected in reader.rejected(id)? {
                    if !seen.insert(rejected.identifier.clone()) {
                        continue;
                    }
                    let records = reader.find(&rejected.identifier)?;
                    let record = records
                        .iter()
                        .find(|record| record.source == rejected.source);
                    changes.extend(record.map(|record| batch::change(record, &settings)));
                }
                batch::settle(&reader, &settings, changes)
            })
            .await??
        };
        for group in changes.chunks(self.settings.batch_documents) {
            if self.around.stop.is_requested() {
                return Err(PushError::Stopped);
            }
            // All of these have been refused before, so that a row of refusals proves nothing.
            for change in group {
                let delivered = deliver(self.client, [change], &mut Streak::default()).await?;
                self.confirm(&delivered, None).await?;
            }
        }
        Ok(())
    }

    async fn confirm(
        &mut self,
        delivered: &Delivered<'_>,
        upto: Option<Version>,
    ) -> Result<(), PushError> {
        let at = self.around.clock.now_ms();
        let mut delivery = Delivery {
            upto,
            at,
            ..Delivery::default()
        };
        for change in &delivered.taken {
            match &change.fault {
                Some(fault) => delivery.rejected.push(rejected(change, fault, at)),
                None => delivery.settled.push(change.id.clone()),
            }
            match change.command {
                Command::Add => delivery.added += 1,
                Command::Delete => delivery.deleted += 1,
            }
        }
        for (change, reason) in &delivered.refused {
            tracing::warn!(
                output = self.settings.name,
                "set aside {}: {reason}",
                change.id
            );
            delivery.rejected.push(rejected(change, reason, at));
        }
        self.progress.added += delivery.added;
        self.progress.deleted += delivery.deleted;
        self.progress.rejected += delivery.rejected.len() as u64;
        let (store, id) = (Arc::clone(&self.around.store), self.output.id);
        spawn_blocking(move || store.confirm(id, &delivery)).await??;
        (self.around.progress)(self.progress);
        Ok(())
    }
}

fn rejected(change: &Change, reason: &str, at: i64) -> RejectedDocument {
    RejectedDocument {
        document_id: change.id.clone(),
        source: change.source.clone(),
        identifier: change.identifier.clone(),
        version: change.version,
        reason: reason.to_owned(),
        at,
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
        let (_switch, stop) = crate::harvest::stop_switch();
        let settings = SolrSettings::new(
            "v",
            "http://localhost/solr/b".parse().expect("this is a URL"),
        );
        let client = Client::new(&settings, stop.clone()).expect("these settings are sound");
        let store = Store::open(&folder.path().join("store.db")).expect("a store can be made");
        let around = PushSurroundings {
            store: Arc::new(store),
            clock: Clock::System,
            stop,
            progress: Arc::new(|_| {}),
        };
        is_send(&push(&around, &client, &settings, &PushWishes::default()));
    }
}
