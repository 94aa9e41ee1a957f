//! The threads that store the steps of all passes side by side: a few pack, and one writes what has come from
//! all passes meanwhile in one transaction. However many passes there are, the threads are as many.
//!
//! The threads are those of the runtime that may block. Each ends when nothing is left to do.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::{Semaphore, oneshot};
use tokio::task::spawn_blocking;

use super::pass_queue::{Failure, Message, PassQueue, Room, caught};
use super::{Times, Totals, lock};
use crate::store::{Batch, PackedStep, PassWriter, Step};

/// How many KiB of records may wait to be stored or be stored at once, of all passes; a step with more
/// waits until all others are stored.
const MOST_KIB: u32 = 32 << 10;

/// Messages that share one transaction.
const MOST_MESSAGES: usize = 128;

/// The KiB of records from which on a transaction takes no more steps.
const ENOUGH_KIB: u32 = 8 << 10;

/// The threads that pack: one for each processor core, up to this number.
const MOST_PACKING: usize = 4;

/// See the module. Clones share their threads.
#[derive(Clone)]
pub struct Pool(Arc<Shared>);

struct Shared {
    /// One permit for each KiB that may be in memory.
    memory: Arc<Semaphore>,
    /// Passes with steps to pack.
    pass_queues: Mutex<Queue<Arc<PassQueue>>>,
    /// Steps to write.
    packed: Mutex<Queue<Packed>>,
}

type Packed = (Arc<PassQueue>, Message<PackedStep>);

/// Work that waits, and the threads that do it.
struct Queue<T> {
    waiting: VecDeque<T>,
    threads: usize,
    most_threads: usize,
}

impl<T> Queue<T> {
    fn new(most_threads: usize) -> Mutex<Self> {
        Mutex::new(Self {
            waiting: VecDeque::new(),
            threads: 0,
            most_threads,
        })
    }

    /// Adds work; whether one more thread has to be started for it.
    fn push(&mut self, work: T) -> bool {
        self.waiting.push_back(work);
        let starts = self.threads < self.most_threads;
        self.threads += usize::from(starts);
        starts
    }

    /// The oldest work. Without any, the thread that asks ends.
    fn pop(&mut self) -> Option<T> {
        let work = self.waiting.pop_front();
        self.threads -= usize::from(work.is_none());
        work
    }
}

impl Default for Pool {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Shared {
            memory: Arc::new(Semaphore::new(MOST_KIB as usize)),
            pass_queues: Queue::new(cores.min(MOST_PACKING)),
            packed: Queue::new(1),
        }))
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

impl Pool {
    /// Waits for the room of a step with this many KiB of records.
    pub(super) async fn room(&self, pass_queue: &PassQueue, kib: u32) -> Option<Room> {
        // The semaphores are never closed. The place comes first: whoever has memory waits for nothing else.
        let place = Arc::clone(&pass_queue.places).acquire_owned().await.ok()?;
        let memory = Arc::clone(&self.0.memory).acquire_many_owned(kib.min(MOST_KIB));
        Some(Room {
            _place: place,
            _memory: memory.await.ok()?,
            kib,
        })
    }

    /// Packs a step of a pass, and writes it.
    pub(super) fn pack(&self, pass_queue: &Arc<PassQueue>, message: Message<Step>) {
        if pass_queue.push(message) {
            self.0.queue(Arc::clone(pass_queue));
        }
    }
}

impl Shared {
    fn queue(self: &Arc<Self>, pass_queue: Arc<PassQueue>) {
        if lock(&self.pass_queues).push(pass_queue) {
            let shared = Arc::clone(self);
            spawn_blocking(move || shared.pack_all());
        }
    }

    fn pack_all(self: &Arc<Self>) {
        while let Some(pass_queue) = { lock(&self.pass_queues).pop() } {
            if let Some(message) = pass_queue.pack_next()
                && lock(&self.packed).push((Arc::clone(&pass_queue), message))
            {
                let shared = Arc::clone(self);
                spawn_blocking(move || shared.write_all());
            }
            if pass_queue.is_waiting() {
                // At the end of the queue, since other passes wait as well.
                self.queue(pass_queue);
            }
        }
    }

    fn write_all(&self) {
        loop {
            let taken = self.take_packed();
            if taken.is_empty() {
                return;
            }
            let groups = Group::all_of(taken);
            store_together(&groups);
            groups.into_iter().for_each(Group::end);
        }
    }

    /// What the next transaction stores. If there is nothing, the thread that asks ends.
    fn take_packed(&self) -> Vec<Packed> {
        let mut queue = lock(&self.packed);
        let (mut taken, mut kib) = (Vec::new(), 0);
        while taken.len() < MOST_MESSAGES && kib < ENOUGH_KIB {
            let next = match taken.is_empty() {
                true => queue.pop(),
                false => queue.waiting.pop_front(),
            };
            let Some(next) = next else {
                break;
            };
            if let (_, Message::Step { room, .. }) = &next {
                kib = kib.saturating_add(room.kib);
            }
            taken.push(next);
        }
        taken
    }
}

/// The steps of one pass within a transaction.
struct Group {
    pass_queue: Arc<PassQueue>,
    steps: Vec<PackedStep>,
    times: Vec<Times>,
    rooms: Vec<Room>,
    flushes: Vec<oneshot::Sender<Totals>>,
    /// What follows the steps.
    failure: Option<Failure>,
}

impl Group {
    /// The messages by their passes, each in its order.
    fn all_of(messages: Vec<Packed>) -> Vec<Self> {
        let mut groups: Vec<Self> = Vec::new();
        for (pass_queue, message) in messages {
            let known = groups
                .iter()
                .position(|group| Arc::ptr_eq(&group.pass_queue, &pass_queue));
            let at = known.unwrap_or_else(|| {
                groups.push(Self {
                    pass_queue,
                    steps: Vec::new(),
                    times: Vec::new(),
                    rooms: Vec::new(),
                    flushes: Vec::new(),
                    failure: None,
                });
                groups.len() - 1
            });
            let group = &mut groups[at];
            match message {
                // Nothing is stored after a step that failed.
                Message::Step { .. } if group.pass_queue.has_failed() => {}
                Message::Step { step, times, room } => {
                    group.steps.push(*step);
                    group.times.push(times);
                    group.rooms.push(room);
                }
                Message::Flush(answer) => group.flushes.push(answer),
                Message::Failed(failure) => group.failure = Some(failure),
            }
        }
        groups
    }

    /// Gives the room of the steps back, and answers who waits for them. Who waits for a step that failed
    /// gets no answer.
    fn end(self) {
        drop((self.steps, self.rooms));
        if let Some(failure) = self.failure {
            self.pass_queue.fail(failure);
        }
        if self.pass_queue.has_failed() {
            return;
        }
        for answer in self.flushes {
            // The run may have been stopped meanwhile.
            let _ = answer.send(lock(&self.pass_queue.writing).totals.clone());
        }
    }
}

/// Stores the steps of all groups in one transaction. If that fails, each group is stored alone, so that
/// only the group fails that is at fault.
fn store_together(groups: &[Group]) {
    let begun = Instant::now();
    let steps: usize = groups.iter().map(|group| group.steps.len()).sum();
    if steps == 0 {
        return;
    }
    let stored = caught(|| {
        let mut writing: Vec<_> = groups
            .iter()
            .map(|group| lock(&group.pass_queue.writing))
            .collect();
        let mut batches: Vec<Batch<'_>> = writing
            .iter_mut()
            .zip(groups.iter())
            .filter(|(_, group)| !group.steps.is_empty())
            .map(|(writing, group)| {
                let now_ms = writing.clock.now_ms();
                Batch {
                    writer: &mut writing.writer,
                    steps: &group.steps,
                    now_ms,
                }
            })
            .collect();
        PassWriter::apply_together(&mut batches)
    });
    let each = begun.elapsed() / u32::try_from(steps).unwrap_or(u32::MAX);
    let with_steps = groups.iter().filter(|group| !group.steps.is_empty());
    match stored {
        Ok(applied) => {
            for (group, applied) in with_steps.zip(applied) {
                lock(&group.pass_queue.writing).stored(applied, &group.times, each);
            }
        }
        Err(Failure::Store(error)) if error.for_all_writers().is_some() => {
            for group in with_steps {
                let again = error.for_all_writers().map(Failure::Store);
                again
                    .into_iter()
                    .for_each(|again| group.pass_queue.fail(again));
            }
        }
        Err(failure) if groups.len() == 1 => groups[0].pass_queue.fail(failure),
        Err(_) => {
            for group in groups.chunks(1) {
                store_together(group);
            }
        }
    }
}
