//! Reads records in one thread, renders them in others, and hands them on in the order of versions.
//!
//! Records travel in batches. Batches are dealt to the workers in turn and collected in the same
//! turn, so that order costs nothing and a bounded number of them is in memory at any time.

use std::io;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::output::vufind::Command;
use crate::output::{Rendered, Renderer};
use crate::stop::Stop;
use crate::store::{ChangeFilter, Deletion, Reader, StoreError, StoredRecord, Version};

/// A batch is full with so many records.
pub(crate) const BATCH_RECORDS: usize = 64;

/// A batch is full with so many bytes of metadata.
const BATCH_BYTES: usize = 256 << 10;

/// Batches that wait before each worker, and behind it.
const WAITING: usize = 2;

/// More threads than this would wait for the one that reads.
const MOST_WORKERS: usize = 4;

/// Records as they are to be written, without what stands around them.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// All records, one after the other.
    pub(crate) bytes: Vec<u8>,
    /// For each record what it does and where it ends in `bytes`.
    pub(crate) pieces: Vec<(Command, usize)>,
    /// Records that could not be written, or not as they should be.
    pub(crate) faults: Vec<Fault>,
    /// Tombstones that have no place in the format.
    pub(crate) left_out: u64,
    /// All records that went into the batch.
    pub(crate) records: u64,
}

/// A record that could not be written, or not as it should be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The source's name.
    pub(crate) source: String,
    /// The record's identifier.
    pub(crate) identifier: String,
    /// Why.
    pub(crate) reason: String,
}

/// How far a reading went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Everything up to this version was handed on.
    pub(crate) version: Version,
    /// Whether `stop` ended it before the newest one.
    pub(crate) stopped: bool,
}

/// Why a reading failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PipelineError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A batch could not be written.
    #[error(transparent)]
    Write(io::Error),
}

/// Calls `write` with everything that `filter` lets through, rendered, in the order of versions.
///
/// # Errors
/// [`PipelineError`]; what was written until then is whole batches.
pub(crate) fn run(
    reader: &mut Reader,
    filter: &ChangeFilter,
    renderer: Renderer<'_>,
    stop: &Stop,
    mut write: impl FnMut(Batch) -> io::Result<()>,
) -> Result<Reading, PipelineError> {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let mut inputs = Vec::new();
        let mut outputs = Vec::new();
        for _ in 0..workers.min(MOST_WORKERS) {
            let (input, records) = sync_channel(WAITING);
            let (batches, output) = sync_channel(WAITING);
            scope.spawn(move || render(renderer, &records, &batches));
            inputs.push(input);
            outputs.push(output);
        }
        let reading = scope.spawn(move || read(reader, filter, stop, &inputs));
        let written = collect(&outputs, &mut write);
        // If writing failed, this is what ends the workers, and they the reader.
        drop(outputs);
        let read = reading
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        written.map_err(PipelineError::Write)?;
        Ok(read?)
    })
}

/// Deals batches to the workers in turn.
fn read(
    reader: &Reader,
    filter: &ChangeFilter,
    stop: &Stop,
    inputs: &[SyncSender<Vec<StoredRecord>>],
) -> Result<Reading, StoreError> {
    let mut turns = inputs.iter().cycle();
    // Fails only when nobody writes any more.
    let mut deal = |batch| turns.next().is_some_and(|input| input.send(batch).is_ok());
    let mut batch = Vec::with_capacity(BATCH_RECORDS);
    let mut bytes = 0;
    let mut stopped = false;
    let whole = filter.since.is_none();
    let version = reader.changes(filter, |record| {
        // Who gets everything has never got the records that are withheld.
        if whole && record.deletion == Some(Deletion::Withheld) {
            return ControlFlow::Continue(());
        }
        bytes += record.metadata.as_ref().map_or(0, String::len);
        batch.push(record);
        if batch.len() < BATCH_RECORDS && bytes < BATCH_BYTES {
            return ControlFlow::Continue(());
        }
        bytes = 0;
        let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH_RECORDS));
        if !deal(full) {
            return ControlFlow::Break(());
        }
        stopped = stop.is_requested();
        if stopped {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    if !batch.is_empty() {
        deal(batch);
    }
    Ok(Reading { version, stopped })
}

fn render(
    renderer: Renderer<'_>,
    records: &Receiver<Vec<StoredRecord>>,
    batches: &SyncSender<Batch>,
) {
    while let Ok(records) = records.recv() {
        if batches.send(rendered(renderer, records)).is_err() {
            return;
        }
    }
}

fn rendered(renderer: Renderer<'_>, records: Vec<StoredRecord>) -> Batch {
    let metadata = records.iter().filter_map(|record| record.metadata.as_ref());
    let bytes: usize = metadata.map(String::len).sum();
    let mut batch = Batch {
        bytes: Vec::with_capacity(2 * bytes),
        pieces: Vec::with_capacity(records.len()),
        records: records.len() as u64,
        ..Batch::default()
    };
    for record in records {
        let rendered = renderer.push(&record, &mut batch.bytes);
        let command = match &rendered {
            Rendered::Written(command) => Some(*command),
            Rendered::Flawed(_) => Some(Command::Add),
            Rendered::Failed(_) | Rendered::LeftOut => None,
        };
        batch
            .pieces
            .extend(command.map(|command| (command, batch.bytes.len())));
        match rendered {
            Rendered::Flawed(reason) | Rendered::Failed(reason) => batch.faults.push(Fault {
                source: record.source,
                identifier: record.identifier,
                reason,
            }),
            Rendered::LeftOut => batch.left_out += 1,
            Rendered::Written(_) => {}
        }
    }
    batch
}

/// Collects batches in the turn in which they were dealt; the first worker that has none left shows
/// that there is none left at all.
fn collect(
    outputs: &[Receiver<Batch>],
    write: &mut impl FnMut(Batch) -> io::Result<()>,
) -> io::Result<()> {
    for output in outputs.iter().cycle() {
        match output.recv() {
            Ok(batch) => write(batch)?,
            Err(_) => break,
        }
    }
    Ok(())
}
