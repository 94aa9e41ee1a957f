//! Stores the steps of a pass in order while the next page is fetched: one thread compresses, one
//! writes. Or without threads, in place.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::blocking::blocking;
use super::progress::{self, Event, Progress};
use crate::clock::Clock;
use crate::store::{
    Applied, Counts, PackedStep, PassPacker, PassWriter, Step, StoreError, Watermark,
};

/// Pages that may wait to be stored; more only take memory.
const WAITING: usize = 4;

/// Steps that share one transaction when pages come faster than the disk takes them.
const MOST_TOGETHER: usize = 16;

/// What has been stored so far in this run.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Totals {
    /// What became of the records.
    pub(super) counts: Counts,
    /// The watermarks that moved.
    pub(super) watermarks: Vec<Watermark>,
    /// Whether the pass is complete.
    pub(super) complete: bool,
}

/// Where the steps of a pass are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CommitMode {
    /// On threads of their own, while the next page is on its way.
    #[default]
    Background,
    /// Before the next page is asked for. Each step is stored when the request after it is sent, and
    /// where pages are small, threads would cost more than they bring.
    Inline,
}

/// Takes the steps of a pass in order, and stores them.
pub(super) struct Committer(Kind);

enum Kind {
    Background {
        sender: mpsc::Sender<Message<Step>>,
        packing: JoinHandle<Result<(), StoreError>>,
        writing: JoinHandle<Result<Totals, StoreError>>,
    },
    Inline(Box<Mutex<Inline>>),
}

enum Message<S> {
    Step {
        step: Box<S>,
        server_time: Duration,
        own_time: Duration,
    },
    /// Answered when all before it is stored.
    Flush(oneshot::Sender<Totals>),
}

/// Both halves of the work without threads.
struct Inline {
    packer: PassPacker,
    writing: Writing,
    failure: Option<StoreError>,
}

impl Inline {
    /// `None` if this step, or one before it, could not be stored.
    fn store(&mut self, step: Step, server_time: Duration, own_time: Duration) -> Option<()> {
        if self.failure.is_some() {
            return None;
        }
        let stored = self
            .packer
            .pack(step)
            .and_then(|packed| self.writing.store(&[packed], &[(server_time, own_time)]));
        self.failure = stored.err();
        self.failure.is_none().then_some(())
    }
}

impl Committer {
    /// Readies everything, and starts the threads if there are any.
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
        let (sender, steps) = mpsc::channel(WAITING);
        let (packed_sender, packed) = mpsc::channel(WAITING);
        let packing = tokio::task::spawn_blocking(move || pack(packer, steps, &packed_sender));
        let writing = tokio::task::spawn_blocking(move || write(writing, packed));
        Self(Kind::Background {
            sender,
            packing,
            writing,
        })
    }

    /// Hands over one step; waits only if the storing is several pages behind.
    ///
    /// # Errors
    /// `None` if the storing has stopped: [`Committer::finish`] says why.
    pub(super) async fn send(
        &self,
        step: Step,
        server_time: Duration,
        own_time: Duration,
    ) -> Option<()> {
        match &self.0 {
            Kind::Background { sender, .. } => sender
                .send(Message::Step {
                    step: Box::new(step),
                    server_time,
                    own_time,
                })
                .await
                .ok(),
            Kind::Inline(all) => blocking(|| lock(all).store(step, server_time, own_time)),
        }
    }

    /// Waits until everything handed over is stored.
    ///
    /// # Errors
    /// `None` if the storing has stopped: [`Committer::finish`] says why.
    pub(super) async fn flush(&self) -> Option<Totals> {
        match &self.0 {
            Kind::Background { sender, .. } => {
                let (answer, answered) = oneshot::channel();
                sender.send(Message::Flush(answer)).await.ok()?;
                answered.await.ok()
            }
            Kind::Inline(all) => {
                let all = lock(all);
                all.failure.is_none().then(|| all.writing.totals.clone())
            }
        }
    }

    /// Stores what is still waiting, and ends the threads.
    ///
    /// # Errors
    /// The first failure of the store; nothing after it was stored.
    pub(super) async fn finish(self) -> Result<Totals, StoreError> {
        match self.0 {
            Kind::Background {
                sender,
                packing,
                writing,
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
                server_time,
                own_time,
            } => {
                let begun = Instant::now();
                let step = Box::new(packer.pack(*step)?);
                Message::Step {
                    step,
                    server_time,
                    own_time: own_time + begun.elapsed(),
                }
            }
            Message::Flush(answer) => Message::Flush(answer),
        };
        if packed.blocking_send(message).is_err() {
            // The writer has stopped, and says why.
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
        let mut flush = None;
        let mut message = Some(first);
        while let Some(next) = message.take() {
            match next {
                Message::Step {
                    step,
                    server_time,
                    own_time,
                } => {
                    times.push((server_time, own_time));
                    steps.push(*step);
                    if steps.len() < MOST_TOGETHER {
                        message = receiver.try_recv().ok();
                    }
                }
                Message::Flush(answer) => flush = Some(answer),
            }
        }
        if !steps.is_empty() {
            writing.store(&steps, &times)?;
        }
        if let Some(answer) = flush {
            // Whoever asked may have been stopped meanwhile.
            let _ = answer.send(writing.totals.clone());
        }
    }
    Ok(writing.totals)
}

/// The writing half of the work.
struct Writing {
    writer: PassWriter,
    clock: Clock,
    source: String,
    progress: Arc<dyn Progress>,
    totals: Totals,
}

impl Writing {
    /// Stores steps together, and tells of each. Their times are those of the server and ours until
    /// now.
    fn store(
        &mut self,
        steps: &[PackedStep],
        times: &[(Duration, Duration)],
    ) -> Result<(), StoreError> {
        let begun = Instant::now();
        let count = u32::try_from(steps.len()).unwrap_or(u32::MAX);
        let applied = self.writer.apply(steps, self.clock.now_ms())?;
        let each = begun.elapsed() / count;
        for (applied, (server_time, own_time)) in applied.into_iter().zip(times) {
            let own_time = *own_time + each;
            tell(
                &*self.progress,
                &self.source,
                &applied,
                *server_time,
                own_time,
            );
            self.totals.counts.add(&applied.counts);
            self.totals.watermarks.extend(applied.watermark);
            self.totals.complete |= applied.pass_complete;
        }
        Ok(())
    }
}

fn tell(
    progress: &dyn Progress,
    source: &str,
    applied: &Applied,
    server_wait: Duration,
    own_time: Duration,
) {
    let counts = &applied.counts;
    progress.event(
        source,
        Event::Page(progress::Page {
            records: counts.records() + counts.quarantined,
            new: counts.new,
            changed: counts.changed,
            unchanged: counts.unchanged,
            deleted: counts.deleted,
            server_wait,
            own_time,
        }),
    );
}
