//! The steps of one pass on their way through the pool. One step of a pass is packed at a time, and they are
//! written in their order.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::{Times, Totals, Writing, lock};
use crate::store::{PackedStep, PassPacker, Step, StoreError};

/// Steps of one pass that may wait to be stored; more only take memory.
const MOST_STEPS: usize = 8;

/// What is put into the queue of a pass.
pub(super) enum Message<S> {
    Step {
        step: Box<S>,
        times: Times,
        /// The step's part of the room, until it is stored.
        room: Room,
    },
    /// Answered when all steps before it are stored.
    Flush(oneshot::Sender<Totals>),
    /// A step before it could not be packed.
    Failed(Failure),
}

/// A step's place in the queue of its pass, and its part of the memory that waiting steps may take.
pub(super) struct Room {
    pub(super) _place: OwnedSemaphorePermit,
    pub(super) _memory: OwnedSemaphorePermit,
    pub(super) kib: u32,
}

/// Why no more steps are stored.
pub(super) enum Failure {
    Store(StoreError),
    Panic(Box<dyn Any + Send>),
}

/// See the module.
pub(super) struct PassQueue {
    pub(super) places: Arc<Semaphore>,
    steps: Mutex<Waiting>,
    packer: Mutex<PassPacker>,
    pub(super) writing: Mutex<Writing>,
    /// No step is taken any more.
    stopped: AtomicBool,
    failure: Mutex<Option<Failure>>,
}

#[derive(Default)]
struct Waiting {
    messages: VecDeque<Message<Step>>,
    /// The pool has this queue in its own, or packs one of its steps.
    queued: bool,
}

impl PassQueue {
    pub(super) fn new(packer: PassPacker, writing: Writing) -> Self {
        Self {
            places: Arc::new(Semaphore::new(MOST_STEPS)),
            steps: Mutex::default(),
            packer: Mutex::new(packer),
            writing: Mutex::new(writing),
            stopped: AtomicBool::new(false),
            failure: Mutex::default(),
        }
    }

    /// Takes a message; whether this queue has to be put into that of the pool.
    pub(super) fn push(&self, message: Message<Step>) -> bool {
        let mut steps = lock(&self.steps);
        steps.messages.push_back(message);
        !std::mem::replace(&mut steps.queued, true)
    }

    /// Packs the oldest step. The message is for the writer.
    pub(super) fn pack_next(&self) -> Option<Message<PackedStep>> {
        let message = lock(&self.steps).messages.pop_front()?;
        let (step, mut times, room) = match message {
            Message::Step { step, times, room } => (step, times, room),
            Message::Flush(answer) => return Some(Message::Flush(answer)),
            Message::Failed(failure) => return Some(Message::Failed(failure)),
        };
        if self.has_stopped() {
            return None;
        }
        let begun = Instant::now();
        let packed = caught(|| lock(&self.packer).pack(*step));
        times.own += begun.elapsed();
        Some(match packed {
            Ok(step) => Message::Step {
                step: Box::new(step),
                times,
                room,
            },
            Err(failure) => {
                self.stopped.store(true, Ordering::Relaxed);
                Message::Failed(failure)
            }
        })
    }

    /// Whether steps are left to pack. If not, the next one puts this queue into that of the pool again.
    pub(super) fn is_waiting(&self) -> bool {
        let mut steps = lock(&self.steps);
        steps.queued = !steps.messages.is_empty();
        steps.queued
    }

    pub(super) fn has_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Stops with the first failure.
    pub(super) fn fail(&self, failure: Failure) {
        self.stopped.store(true, Ordering::Relaxed);
        lock(&self.failure).get_or_insert(failure);
    }

    /// Whether a step could not be stored. For the thread that writes.
    pub(super) fn has_failed(&self) -> bool {
        lock(&self.failure).is_some()
    }

    /// The totals, once all steps are stored.
    ///
    /// # Errors
    /// The first failure of the store. A panic goes on here.
    pub(super) fn end(&self) -> Result<Totals, StoreError> {
        match lock(&self.failure).take() {
            None => Ok(lock(&self.writing).totals.clone()),
            Some(Failure::Store(error)) => Err(error),
            Some(Failure::Panic(panic)) => std::panic::resume_unwind(panic),
        }
    }
}

/// Runs `work`, and gives a panic as a failure.
pub(super) fn caught<T>(work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, Failure> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(Failure::Store),
        Err(panic) => Err(Failure::Panic(panic)),
    }
}
