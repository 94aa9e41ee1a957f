//! Stores the steps of a pass in order, while the next page is fetched: one thread compresses, another
//! writes. In inline mode no thread is used.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::blocking::blocking;
use super::progress::{self, Event, Progress};
use crate::clock::Clock;
use crate::store::{Counts, PackedStep, PassPacker, PassWriter, Step, StoreError, Watermark};

/// Pages that may wait to be stored; more only take memory.
const QUEUE_LENGTH: usize = 4;

/// Steps that share one transaction when pages arrive faster than the disk takes them.
const MAX_BATCH: usize = 16;

/// How many KiB of records may wait to be stored or be stored at once; a step with more waits until all
/// others are stored.
const MOST_KIB: u32 = 16 << 10;

/// A step with more KiB than this is stored before the next request.
const LARGE_KIB: u32 = 4 << 10;

/// The totals of one pass in this run, as far as they are stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Totals {
    /// What became of the records.
    pub(super) counts: Counts,
    /// The watermarks that moved.
    pub(super) watermarks: Vec<Watermark>,
    /// Whether the pass is complete.
    pub(super) complete: bool,
}

/// On which thread the steps of a pass are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CommitMode {
    /// On threads of their own, while the next page is fetched.
    #[default]
    Background,
    /// On the thread of the run, before the next page is requested. For small pages, threads would
    /// cost more than they bring.
    Inline,
}

/// How long a step took before it was stored.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Times {
    /// From the request to the last byte of the answer.
    pub(super) server: Duration,
    /// Parsing.
    pub(super) own: Duration,
}

/// Storing has stopped; [`Committer::finish`] gives the error.
#[derive(Debug, Clone, Copy)]
pub(super) struct StoringStopped;

/// Stores the steps of a pass in order.
pub(super) struct Committer(Kind);

enum Kind {
    Background {
        sender: mpsc::Sender<Message<Step>>,
        /// One permit for each KiB that may be in memory.
        room: Arc<Semaphore>,
        packing: JoinHandle<Result<(), StoreError>>,
        writing: JoinHandle<Result<Totals, StoreError>>,
    },
    Inline(Box<Mutex<Inline>>),
}

enum Message<S> {
    Step {
        step: Box<S>,
        times: Times,
        /// The step's part of the room, until it is stored.
        room: OwnedSemaphorePermit,
    },
    /// Answered when all steps before it are stored.
    Flush(oneshot::Sender<Totals>),
}

/// Packs and writes without threads.
struct Inline {
    packer: PassPacker,
    writing: Writing,
    failure: Option<StoreError>,
}

impl Inline {
    fn store(&mut self, step: Step, times: Times) -> Result<(), StoringStopped> {
        if self.failure.is_some() {
            return Err(StoringStopped);
        }
        let stored = self
            .packer
            .pack(step)
            .and_then(|packed| self.writing.store(&[packed], &[times]));
        self.failure = stored.err();
        if self.failure.is_some() {
            return Err(StoringStopped);
        }
        Ok(())
    }
}

impl Committer {
    /// Starts storing, on threads if `mode` says so.
    pub(super) fn start(
        mode: CommitMode,
        packer: PassPacker,
        writer: PassWriter,
        clock: Clock,
        source: String,
        progress: Arc<dyn Progress>,
    ) -> Self {
        let writing = Writing {
            writer,
            clock,
            source,
            progress,
            totals: Totals::default(),
        };
        if mode == CommitMode::Inline {
            return Self(Kind::Inline(Box::new(Mutex::new(Inline {
                packer,
                writing,
                failure: None,
            }))));
        }
        let (sender, steps) = mpsc::channel(QUEUE_LENGTH);
        let (packed_sender, packed) = mpsc::channel(QUEUE_LENGTH);
        let packing = tokio::task::spawn_blocking(move || pack(packer, steps, &packed_sender));
        let writing = tokio::task::spawn_blocking(move || write(writing, packed));
        Self(Kind::Background {
            sender,
            room: Arc::new(Semaphore::new(MOST_KIB as usize)),
            packing,
            writing,
        })
    }

    /// Hands over one step; waits only if storing is several pages behind, or if the step is large.
    ///
    /// # Errors
    /// This step or an earlier one could not be stored.
    pub(super) async fn send(&self, step: Step, times: Times) -> Result<(), StoringStopped> {
        match &self.0 {
            Kind::Background { sender, room, .. } => {
                let kib = u32::try_from(step.bytes() >> 10).unwrap_or(u32::MAX);
                let room = Arc::clone(room).acquire_many_owned(kib.min(MOST_KIB));
                let message = Message::Step {
                    step: Box::new(step),
                    times,
                    // The semaphore is never closed.
                    room: room.await.map_err(|_| StoringStopped)?,
                };
                sender.send(message).await.map_err(|_| StoringStopped)?;
                if kib > LARGE_KIB {
                    self.flush().await?;
                }
                Ok(())
            }
            Kind::Inline(all) => blocking(|| lock(all).store(step, times)),
        }
    }

    /// Hands over one step, and waits until it is stored.
    ///
    /// # Errors
    /// This step or an earlier one could not be stored.
    pub(super) async fn store(&self, step: Step) -> Result<Totals, StoringStopped> {
        self.send(step, Times::default()).await?;
        self.flush().await
    }

    /// Waits until all steps are stored.
    ///
    /// # Errors
    /// A step could not be stored.
    pub(super) async fn flush(&self) -> Result<Totals, StoringStopped> {
        match &self.0 {
            Kind::Background { sender, .. } => {
                let (answer, answered) = oneshot::channel();
                let sent = sender.send(Message::Flush(answer)).await;
                sent.map_err(|_| StoringStopped)?;
                answered.await.map_err(|_| StoringStopped)
            }
            Kind::Inline(all) => {
                let all = lock(all);
                if all.failure.is_some() {
                    return Err(StoringStopped);
                }
                Ok(all.writing.totals.clone())
            }
        }
    }

    /// Stores the steps that still wait, and ends the threads.
    ///
    /// # Errors
    /// The first failure of the store; no step after it was stored.
    pub(super) async fn finish(self) -> Result<Totals, StoreError> {
        match self.0 {
            Kind::Background {
                sender,
                packing,
                writing,
                ..
            } => {
                drop(sender);
                let packed = joined(packing).await;
                let totals = joined(writing).await?;
                packed.map(|()| totals)
            }
            Kind::Inline(all) => {
                let all = all.into_inner().unwrap_or_else(PoisonError::into_inner);
                all.failure.map_or(Ok(all.writing.totals), Err)
            }
        }
    }
}

fn lock(all: &Mutex<Inline>) -> MutexGuard<'_, Inline> {
    // A panic while a step was stored has rolled its transaction back.
    all.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn joined<T>(thread: JoinHandle<T>) -> T {
    match thread.await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => unreachable!("a blocking task is never cancelled: {error}"),
        },
    }
}

fn pack(
    mut packer: PassPacker,
    mut steps: mpsc::Receiver<Message<Step>>,
    packed: &mpsc::Sender<Message<PackedStep>>,
) -> Result<(), StoreError> {
    while let Some(message) = steps.blocking_recv() {
        let message = match message {
            Message::Step {
                step,
                mut times,
                room,
            } => {
                let begun = Instant::now();
                let step = Box::new(packer.pack(*step)?);
                times.own += begun.elapsed();
                Message::Step { step, times, room }
            }
            Message::Flush(answer) => Message::Flush(answer),
        };
        if packed.blocking_send(message).is_err() {
            // The writing thread has stopped, and gives the error.
            break;
        }
    }
    Ok(())
}

fn write(
    mut writing: Writing,
    mut receiver: mpsc::Receiver<Message<PackedStep>>,
) -> Result<Totals, StoreError> {
    while let Some(first) = receiver.blocking_recv() {
        let mut steps = Vec::new();
        let mut times = Vec::new();
        let mut rooms = Vec::new();
        let mut flush = None;
        let mut message = Some(first);
        while let Some(next) = message.take() {
            match next {
                Message::Step {
                    step,
                    times: step_times,
                    room,
                } => {
                    rooms.push(room);
                    times.push(step_times);
                    steps.push(*step);
                    if steps.len() < MAX_BATCH {
                        message = receiver.try_recv().ok();
                    }
                }
                Message::Flush(answer) => flush = Some(answer),
            }
        }
        if !steps.is_empty() {
            writing.store(&steps, &times)?;
        }
        drop((steps, rooms));
        if let Some(answer) = flush {
            // The run may have been stopped meanwhile.
            let _ = answer.send(writing.totals.clone());
        }
    }
    Ok(writing.totals)
}

/// Writes packed steps.
struct Writing {
    writer: PassWriter,
    clock: Clock,
    source: String,
    progress: Arc<dyn Progress>,
    totals: Totals,
}

impl Writing {
    /// Stores steps in one transaction, and sends an event for each.
    fn store(&mut self, steps: &[PackedStep], times: &[Times]) -> Result<(), StoreError> {
        let begun = Instant::now();
        let count = u32::try_from(steps.len()).unwrap_or(u32::MAX);
        let applied = self.writer.apply(steps, self.clock.now_ms())?;
        let each = begun.elapsed() / count;
        for (applied, times) in applied.into_iter().zip(times) {
            let page = progress_of(&applied.counts, *times, each);
            self.progress.event(&self.source, Event::Page(page));
            self.totals.counts.add(&applied.counts);
            self.totals.watermarks.extend(applied.watermarks);
            self.totals.complete |= applied.pass_complete;
        }
        Ok(())
    }
}

fn progress_of(counts: &Counts, times: Times, storing: Duration) -> progress::Page {
    progress::Page {
        records: counts.records() + counts.quarantined,
        new: counts.new,
        changed: counts.changed,
        unchanged: counts.unchanged,
        deleted: counts.deleted,
        server_wait: times.server,
        own_time: times.own + storing,
    }
}
