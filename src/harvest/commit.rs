//! Stores the steps of a pass in order while the next page is fetched: one thread compresses, one
//! writes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::clock::Clock;
use super::progress::{self, Event, Progress};
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

/// Hands steps to the storing threads.
pub(super) struct Committer {
    sender: mpsc::Sender<Message<Step>>,
    packing: JoinHandle<Result<(), StoreError>>,
    writing: JoinHandle<Result<Totals, StoreError>>,
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

impl Committer {
    /// Starts the threads.
    pub(super) fn start(
        packer: PassPacker,
        writer: PassWriter,
        clock: Clock,
        source: String,
        progress: Arc<dyn Progress>,
    ) -> Self {
        let (sender, steps) = mpsc::channel(WAITING);
        let (packed_sender, packed) = mpsc::channel(WAITING);
        let packing = tokio::task::spawn_blocking(move || pack(packer, steps, &packed_sender));
        let writing =
            tokio::task::spawn_blocking(move || write(writer, packed, &clock, &source, &*progress));
        Self {
            sender,
            packing,
            writing,
        }
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
        self.sender
            .send(Message::Step {
                step: Box::new(step),
                server_time,
                own_time,
            })
            .await
            .ok()
    }

    /// Waits until everything handed over is stored.
    ///
    /// # Errors
    /// `None` if the storing has stopped: [`Committer::finish`] says why.
    pub(super) async fn flush(&self) -> Option<Totals> {
        let (answer, answered) = oneshot::channel();
        self.sender.send(Message::Flush(answer)).await.ok()?;
        answered.await.ok()
    }

    /// Stores what is still waiting, and ends the threads.
    ///
    /// # Errors
    /// The first failure of the store; nothing after it was stored.
    pub(super) async fn finish(self) -> Result<Totals, StoreError> {
        drop(self.sender);
        let packed = joined(self.packing).await;
        let totals = joined(self.writing).await?;
        packed.map(|()| totals)
    }
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
    mut writer: PassWriter,
    mut receiver: mpsc::Receiver<Message<PackedStep>>,
    clock: &Clock,
    source: &str,
    progress: &dyn Progress,
) -> Result<Totals, StoreError> {
    let mut totals = Totals::default();
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
            let begun = Instant::now();
            let count = u32::try_from(steps.len()).unwrap_or(u32::MAX);
            let applied = writer.apply(&steps, clock.now_ms())?;
            let each = begun.elapsed() / count;
            for (applied, (server_time, own_time)) in applied.into_iter().zip(times) {
                tell(progress, source, &applied, server_time, own_time + each);
                totals.counts.add(&applied.counts);
                totals.watermarks.extend(applied.watermark);
                totals.complete |= applied.pass_complete;
            }
        }
        if let Some(answer) = flush {
            // Whoever asked may have been stopped meanwhile.
            let _ = answer.send(totals.clone());
        }
    }
    Ok(totals)
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
