//! Pushes to a table, which keeps every change.
//!
//! The table's own note says how far it has all changes, since rows and note are committed together. The
//! position in the store is a copy of it: a push that was killed between a commit and the copy goes on
//! after the commit, and sends nothing twice.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use super::{
    DeliverError, PushContext, PushError, PushOptions, PushProgress, PushReport, behind,
    position_and_rest, register, with_store,
};
use crate::end::End;
use crate::output::OutputSettings;
use crate::output::target::{ConnectTable, OutputError, SourceState, TableRow, TableTarget};
use crate::store::{
    Deletion, Delivery, Output, Reader, RecordId, Source, Store, StoreError, StoredRecord, Version,
    Watermark, match_keys,
};

/// Appends everything that has changed since the table's note.
///
/// # Errors
/// As of [`super::push`].
pub(super) async fn push(
    context: &PushContext,
    settings: &OutputSettings,
    options: &PushOptions,
    connect: ConnectTable,
) -> Result<PushReport, StoreError> {
    let (owned, settings, options) = (context.clone(), settings.clone(), *options);
    with_store(context, move |store| {
        run(&owned, store, &settings, &options, connect)
    })
    .await
}

fn run(
    context: &PushContext,
    store: &Store,
    settings: &OutputSettings,
    options: &PushOptions,
    connect: ConnectTable,
) -> Result<PushReport, StoreError> {
    let started = Instant::now();
    let _lock = store.lock_output(&settings.name)?;
    let known = store.reader()?.output(&settings.name)?;
    let starts_over = known.is_some_and(|known| !settings.is_position_of(&known));
    let (end, progress) = match connect() {
        Ok(mut table) => {
            let mut run = Run {
                context,
                store,
                settings,
                table: &mut *table,
                progress: PushProgress::default(),
                unconfirmed: Delivery::default(),
            };
            let end = match run.all(options, starts_over) {
                Ok(()) => End::Complete,
                Err(error) => error.end(),
            };
            (end, run.progress)
        }
        Err(error) => (PushError::from(error).end(), PushProgress::default()),
    };
    let (position, behind) = position_and_rest(store, settings)?;
    Ok(PushReport {
        output: settings.name.clone(),
        progress,
        position,
        behind,
        starts_over,
        elapsed: started.elapsed(),
        end,
    })
}

struct Run<'a> {
    context: &'a PushContext,
    store: &'a Store,
    settings: &'a OutputSettings,
    table: &'a mut dyn TableTarget,
    progress: PushProgress,
    /// What was appended since the last commit.
    unconfirmed: Delivery,
}

impl Run<'_> {
    fn all(&mut self, options: &PushOptions, starts_over: bool) -> Result<(), PushError> {
        let reader = self.store.reader()?;
        let store_id = reader.serving_state()?.store_id;
        let note = self.table.begin(&store_id, self.context.clock.now_ms())?;
        let stored = note.filter(|_| !starts_over).unwrap_or_default();
        let mut position = options.from.unwrap_or(stored);
        if note.is_some_and(|note| note != position) {
            // The note goes first: if only our own position went back, the next push would take it for
            // one that was not kept, and send nothing again.
            self.table.commit(position)?;
        }
        let (output, _) = register(self.store, self.settings)?;
        if output.position != position {
            self.store.set_position(output.id, position)?;
        }
        let forgotten = reader.min_since()?;
        if position > Version::default() && position < forgotten {
            tracing::warn!(
                output = self.settings.name,
                "tombstones up to version {forgotten} were pruned, and this output has only been sent \
                 those up to {position}: its table may show deleted records as live"
            );
        }
        // Read before the changes: what the watermarks prove is then among them.
        let sources = reader.sources()?;
        let newest = reader.last_version()?;
        let states = states(sources, self.settings, newest);
        self.progress.total = behind(self.store, self.settings, position)?;
        loop {
            if self.context.stop.is_requested() {
                self.commit(&output, position)?;
                return Err(PushError::Stopped);
            }
            let mut batch = read(&reader, self.settings, position)?;
            position = batch.upto;
            let count = batch.records.len() as u64;
            if note.is_none() {
                // A table that never had anything needs no deletion of what it must not have.
                let withheld = Some(Deletion::Withheld);
                batch.records.retain(|record| record.deletion != withheld);
            }
            let rows = rows(&reader, batch.records, &states)?;
            self.append(&rows, count)?;
            if batch.is_last || self.table.is_full() {
                self.commit(&output, position)?;
            }
            if batch.is_last {
                return Ok(());
            }
        }
    }

    fn append(&mut self, rows: &[TableRow], records: u64) -> Result<(), PushError> {
        self.table.append(rows)?;
        let deleted = rows.iter().filter(|row| row.record.deletion.is_some());
        let deleted = deleted.count() as u64;
        self.unconfirmed.deleted += deleted;
        self.unconfirmed.added += rows.len() as u64 - deleted;
        self.progress.done += records;
        (self.context.progress)(self.progress);
        Ok(())
    }

    /// Commits what was appended, and keeps the position.
    fn commit(&mut self, output: &Output, upto: Version) -> Result<(), PushError> {
        let delivery = Delivery {
            upto: Some(upto),
            at: self.context.clock.now_ms(),
            ..std::mem::take(&mut self.unconfirmed)
        };
        if delivery.added + delivery.deleted > 0 {
            self.table.commit(upto)?;
        }
        self.store.confirm(output.id, &delivery)?;
        self.progress.added += delivery.added;
        self.progress.deleted += delivery.deleted;
        (self.context.progress)(self.progress);
        Ok(())
    }
}

impl From<OutputError> for PushError {
    fn from(error: OutputError) -> Self {
        Self::Deliver(DeliverError::Output(error))
    }
}

/// Changes that are appended together.
struct Batch {
    /// By version.
    records: Vec<StoredRecord>,
    /// All changes up to this version are in this batch or an earlier one.
    upto: Version,
    /// Whether no changes follow.
    is_last: bool,
}

/// Reads the next batch of changes after `since`, all tombstones included.
fn read(reader: &Reader, settings: &OutputSettings, since: Version) -> Result<Batch, StoreError> {
    let mut records = Vec::new();
    let (mut bytes, mut is_last) = (0_u64, true);
    let upto = reader.changes_with_tombstones(&settings.filter(since), |record| {
        let parts = [&record.metadata, &record.extra].into_iter().flatten();
        bytes += parts.map(|part| part.len() as u64).sum::<u64>();
        records.push(record);
        if bytes >= settings.batch_bytes || records.len() >= settings.batch_documents {
            is_last = false;
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    Ok(Batch {
        records,
        upto,
        is_last,
    })
}

/// The rows of changes. A standing that changes meanwhile is a change of its own later.
fn rows(
    reader: &Reader,
    records: Vec<StoredRecord>,
    states: &HashMap<String, Arc<SourceState>>,
) -> Result<Vec<TableRow>, StoreError> {
    let live = records.iter().filter(|record| record.deletion.is_none());
    let number = |record: &StoredRecord| i64::try_from(record.number).map(RecordId);
    let numbers: Result<Vec<RecordId>, _> = live.map(number).collect();
    let numbers = numbers.expect("the store counts records in this type");
    let mut standings = reader.standings(&numbers)?.into_iter();
    let row = |record: StoredRecord| {
        let is_live = record.deletion.is_none();
        let standing = if is_live {
            standings.next().flatten()
        } else {
            None
        };
        let keys = match is_live {
            true => match_keys(&record.metadata_prefix, record.metadata.as_deref()),
            false => Vec::new(),
        };
        TableRow {
            cluster_id: standing.as_ref().map(|it| it.cluster.to_string()),
            is_canonical: standing.is_some_and(|it| it.is_preferred),
            match_keys: keys.iter().map(|key| format!("{key:010x}")).collect(),
            source_state: states.get(&record.source).cloned(),
            record,
        }
    };
    Ok(records.into_iter().map(row).collect())
}

/// The states of the sources of which the output gets all records. A table with all changes up to `newest`
/// has what they prove.
fn states(
    sources: Vec<Source>,
    settings: &OutputSettings,
    newest: Version,
) -> HashMap<String, Arc<SourceState>> {
    let is_whole = |source: &Source| !settings.sets.contains_key(&source.name);
    let sources = sources.into_iter().filter(is_whole);
    sources
        .map(|source| {
            let least = source.least_watermark();
            let state = SourceState {
                output: settings.name.clone(),
                watermark: least.map(|watermark| watermark.datestamp.to_string()),
                complete_at: newest,
                state: state(&source),
            };
            (source.name, Arc::new(state))
        })
        .collect()
}

/// What a restored source has to know, as JSON.
fn state(source: &Source) -> String {
    #[derive(Serialize)]
    struct State<'a> {
        base_url: &'a str,
        metadata_prefix: &'a str,
        sets: &'a [String],
        floor: Option<String>,
        watermarks: &'a [Watermark],
        traits: &'a crate::store::Traits,
    }
    let state = State {
        base_url: &source.base_url,
        metadata_prefix: &source.metadata_prefix,
        sets: &source.sets,
        floor: source.floor.map(|floor| floor.to_string()),
        watermarks: &source.watermarks,
        traits: &source.traits,
    };
    serde_json::to_string(&state).expect("the state of a source can be written")
}
