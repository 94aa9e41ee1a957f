//! Reads records in one thread, renders them in others, and passes them on in the order of versions.
//!
//! Records travel in batches. Batches are dealt to the workers in turn and collected in the same
//! turn: this keeps their order, and bounds the number of them in memory.
//!
//! The reading is made of many short transactions, and none is open while the writer blocks. So a slow
//! consumer does not keep the write-ahead log from being checkpointed. See [`read`] for what happens to
//! records that change meanwhile.

use std::io;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::output::bits::Bits;
use crate::output::vufind::Command;
use crate::output::{Rendered, Renderer};
use crate::stop::Stop;
use crate::store::{ChangeFilter, Deletion, Per, Reader, StoreError, StoredRecord, Version};

/// A batch is full with so many records.
pub(crate) const BATCH_RECORDS: usize = 64;

/// A batch is full with so many bytes of metadata.
const BATCH_BYTES: usize = 256 << 10;

/// One transaction reads at most this many records.
const READ_RECORDS: usize = 16 * BATCH_RECORDS;

/// One transaction reads at most this many bytes of metadata, but at least one record.
const READ_BYTES: usize = 4 << 20;

/// Batches that wait before each worker, and behind it.
const WAITING: usize = 2;

/// More threads than this would wait for the one that reads.
const MOST_WORKERS: usize = 4;

/// Rendered records, without the frame of the file.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// All records, one after the other.
    pub(crate) bytes: Vec<u8>,
    /// For each record its command and where it ends in `bytes`.
    pub(crate) pieces: Vec<(Command, usize)>,
    /// Records that could not be written, or only without what their metadata says.
    pub(crate) faults: Vec<Fault>,
    /// Tombstones that have no place in the format.
    pub(crate) left_out: u64,
    /// All records that went into the batch.
    pub(crate) records: u64,
}

/// A record that could not be written, or only without what its metadata says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The source's name.
    pub(crate) source: String,
    /// The record's identifier.
    pub(crate) identifier: String,
    /// Why.
    pub(crate) reason: String,
}

/// The result of a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Everything up to this version was passed on: the `since` of the next reading.
    pub(crate) version: Version,
    /// Whether `stop` ended it early.
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

/// Calls `write` with all records that `filter` selects, rendered, in the order of versions.
///
/// # Errors
/// [`PipelineError`]; only whole batches have been written then.
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

/// Reads records and deals them to the workers in batches, in turn.
///
/// The newest version at the start is the bound of the reading, and the version of its result. A record
/// that changes before it is read moves beyond the bound:
///
/// - With `filter.since`, it is left out. The next reading, which begins at the bound, has it.
/// - Without, the reading ends with the records that moved and were not dealt yet, in their newest
///   state. So a whole export has each record that existed at the start exactly once. The next reading
///   has those that moved again. Records created meanwhile are left out, except with
///   [`Per::Cluster`], where they may stand for a cluster that existed at the start.
fn read(
    reader: &Reader,
    filter: &ChangeFilter,
    stop: &Stop,
    inputs: &[SyncSender<Vec<StoredRecord>>],
) -> Result<Reading, StoreError> {
    let mut turns = inputs.iter().cycle();
    // Fails only if writing has failed.
    let mut deal = |batch| turns.next().is_some_and(|input| input.send(batch).is_ok());
    let start = reader.last_version()?;
    let mut dealt = filter.since.is_none().then(Bits::default);
    let mut position = filter.since.unwrap_or_default();
    let mut bound = start;
    loop {
        while position < bound {
            let (mut records, upto) = read_part(reader, filter, (position, bound))?;
            position = upto;
            if let Some(dealt) = &mut dealt {
                records.retain(|record| {
                    // Nobody who gets everything has got the withheld records before.
                    let is_meant = record.deletion != Some(Deletion::Withheld)
                        && (record.created_version <= start || filter.per == Per::Cluster);
                    is_meant && dealt.insert(record.number)
                });
            }
            for batch in batches(records) {
                let goes_on = deal(batch);
                if !goes_on || stop.is_requested() {
                    return Ok(Reading {
                        version: position.min(start),
                        stopped: goes_on,
                    });
                }
            }
        }
        bound = match filter.since {
            Some(_) => bound,
            None => reader.last_version()?,
        };
        if position >= bound {
            return Ok(Reading {
                version: start,
                stopped: false,
            });
        }
    }
}

/// The first records of a span of versions, from one transaction, and the version up to which these are
/// all.
fn read_part(
    reader: &Reader,
    filter: &ChangeFilter,
    span: (Version, Version),
) -> Result<(Vec<StoredRecord>, Version), StoreError> {
    let mut records = Vec::with_capacity(READ_RECORDS);
    let mut bytes = 0;
    let mut is_full = false;
    let upto = reader.changes_between(filter, span, |record| {
        bytes += metadata_bytes(&record);
        records.push(record);
        is_full = records.len() >= READ_RECORDS || bytes >= READ_BYTES;
        match is_full {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })?;
    Ok((records, if is_full { upto } else { span.1 }))
}

/// Cuts records into batches.
fn batches(records: Vec<StoredRecord>) -> impl Iterator<Item = Vec<StoredRecord>> {
    let mut records = records.into_iter();
    std::iter::from_fn(move || {
        let mut batch = Vec::with_capacity(BATCH_RECORDS);
        let mut bytes = 0;
        while batch.len() < BATCH_RECORDS
            && bytes < BATCH_BYTES
            && let Some(record) = records.next()
        {
            bytes += metadata_bytes(&record);
            batch.push(record);
        }
        (!batch.is_empty()).then_some(batch)
    })
}

fn metadata_bytes(record: &StoredRecord) -> usize {
    record.metadata.as_ref().map_or(0, String::len)
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

/// Collects batches in the turn in which they were dealt. When the first worker has none left, no
/// worker has.
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
