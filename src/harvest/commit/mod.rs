//! Stores the steps of passes in order, while their next pages are fetched.
//!
//! - `pool`: the threads that all passes of a process share: some compress, one writes
//! - `pass_queue`: the steps of one pass on their way through the pool
//!
//! In inline mode no other thread is used.

mod pass_queue;
mod pool;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

pub use self::pool::Pool;

use self::pass_queue::{Message, PassQueue};
use super::blocking::blocking;
use super::progress::{self, Event, Progress};
use crate::clock::Clock;
use crate::store::{
    Applied, Counts, PackedStep, PassPacker, PassWriter, Step, StoreError, Watermark,
};

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
#[derive(Debug, Clone)]
pub enum CommitMode {
    /// On the threads of a pool, while the next page is fetched. Runs side by side share one pool.
    Background(Pool),
    /// On the thread of the run, before the next page is requested. For small pages, threads would
    /// cost more than they bring.
    Inline,
}

impl Default for CommitMode {
    fn default() -> Self {
        Self::Background(Pool::default())
    }
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
        pool: Pool,
        pass_queue: Arc<PassQueue>,
    },
    Inline(Box<Mutex<Inline>>),
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
    /// Starts storing, on the threads that `mode` says.
    pub(super) fn start(
        mode: &CommitMode,
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
        Self(match mode {
            CommitMode::Background(pool) => Kind::Background {
                pool: pool.clone(),
                pass_queue: Arc::new(PassQueue::new(packer, writing)),
            },
            CommitMode::Inline => Kind::Inline(Box::new(Mutex::new(Inline {
                packer,
                writing,
                failure: None,
            }))),
        })
    }

    /// Hands over one step; waits only if storing is several pages behind, or if the step is large.
    ///
    /// # Errors
    /// This step or an earlier one could not be stored.
    pub(super) async fn send(&self, step: Step, times: Times) -> Result<(), StoringStopped> {
        match &self.0 {
            Kind::Background { pool, pass_queue } => {
                let kib = u32::try_from(step.bytes() >> 10).unwrap_or(u32::MAX);
                let room = pool.room(pass_queue, kib).await.ok_or(StoringStopped)?;
                if pass_queue.has_stopped() {
                    return Err(StoringStopped);
                }
                let step = Box::new(step);
                pool.pack(pass_queue, Message::Step { step, times, room });
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
            Kind::Background { pool, pass_queue } => {
                let (answer, answered) = oneshot::channel();
                pool.pack(pass_queue, Message::Flush(answer));
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

    /// Stores the steps that still wait.
    ///
    /// # Errors
    /// The first failure of the store; no step after it was stored.
    pub(super) async fn finish(self) -> Result<Totals, StoreError> {
        match &self.0 {
            Kind::Background { pass_queue, .. } => {
                // The queue of the pass knows why it has stopped.
                let _ = self.flush().await;
                pass_queue.end()
            }
            Kind::Inline(_) => {
                let Kind::Inline(all) = self.0 else {
                    unreachable!("it was just seen");
                };
                let all = all.into_inner().unwrap_or_else(PoisonError::into_inner);
                all.failure.map_or(Ok(all.writing.totals), Err)
            }
        }
    }
}

/// Locks what a panic leaves complete: a panic while a step was stored has rolled its transaction back.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes packed steps of one pass.
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
        let applied = self.writer.apply(steps, self.clock.now_ms())?;
        let count = u32::try_from(steps.len()).unwrap_or(u32::MAX);
        self.stored(applied, times, begun.elapsed() / count);
        Ok(())
    }

    /// Counts steps that are stored, and sends an event for each. `each` is how long storing one took.
    fn stored(&mut self, applied: Vec<Applied>, times: &[Times], each: Duration) {
        for (applied, times) in applied.into_iter().zip(times) {
            let page = progress_of(&applied.counts, *times, each);
            self.progress.event(&self.source, Event::Page(page));
            self.totals.counts.add(&applied.counts);
            self.totals.watermarks.extend(applied.watermarks);
            self.totals.complete |= applied.pass_complete;
        }
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
