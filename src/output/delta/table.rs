//! Creates the table, reads its note and commits files.
//!
//! The note is a transaction identifier of the Delta protocol: the application is the store and the
//! output, the version is the position. A commit has rows and note, or neither, so after a kill the note
//! says what was delivered, whatever our own store remembers.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use delta_kernel::arrow::array::RecordBatch;
use delta_kernel::committer::FileSystemCommitter;
use delta_kernel::engine::arrow_data::ArrowEngineData;
use delta_kernel::schema::StructField;
use delta_kernel::transaction::create_table::create_table;
use delta_kernel::transaction::{CommitResult, UpdateTableOperation};
use delta_kernel::{Engine, KernelError, KernelResult, Snapshot, SnapshotRef};
use futures_util::StreamExt as _;

use super::columns;
use super::file::{FILE_BYTES, Files};
use super::row::row;
use super::settings::DeltaSettings;
use super::storage::Storage;
use crate::output::target::{OutputError, TableRow, TableTarget};
use crate::output::{OutputKind, OutputSettings};
use crate::stop::{Stop, stop_switch};
use crate::store::Version;

/// Who writes, as the table's history says.
const ENGINE: &str = concat!("harvestd/", env!("CARGO_PKG_VERSION"));

/// A commit has at most this many files, except for the last rows.
const FILES_PER_COMMIT: usize = 4;

/// Attempts of one commit. Each failed one means that another writer was faster.
const COMMIT_ATTEMPTS: u32 = 200;

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The commits after which the state of the table is written in one file, so that readers need not read
/// all commits.
const COMMITS_PER_CHECKPOINT: u64 = 10;

/// A connected table.
pub(super) struct Table {
    storage: Storage,
    /// The output's name.
    output: String,
    retries: u32,
    stop: Stop,
    file_bytes: usize,
    /// The store that writes: its id as text, and the application of its notes.
    writer: Option<Writer>,
    /// The rows since the last commit.
    pending: Option<Files>,
}

struct Writer {
    store_id: String,
    application: String,
    /// The note that was last seen.
    note: Option<i64>,
    /// The table when the push began; `None` if there was none. Each commit reads its newest state.
    table: Option<SnapshotRef>,
    /// When it began to write, in milliseconds since 1970.
    at_ms: i64,
}

impl Table {
    /// Connects to the storage. No request is sent yet.
    ///
    /// # Errors
    /// [`OutputError::Unusable`] if the settings do not fit the storage.
    pub(super) fn connect(
        settings: &DeltaSettings,
        output: &OutputSettings,
        stop: Stop,
    ) -> Result<Self, OutputError> {
        Ok(Self {
            storage: Storage::connect(settings, (output.retries, output.retry_pause))?,
            output: output.name.clone(),
            retries: output.retries,
            stop,
            file_bytes: FILE_BYTES,
            writer: None,
            pending: None,
        })
    }

    /// Connects to the storage to read the table.
    ///
    /// # Errors
    /// As [`Table::connect`].
    pub(super) fn open(settings: &DeltaSettings) -> Result<Self, OutputError> {
        let (_, stop) = stop_switch();
        let kind = OutputKind::Delta(Box::new(settings.clone()));
        Self::connect(settings, &OutputSettings::new("restore", kind), stop)
    }

    /// Makes files of about this size, for tests.
    #[cfg(test)]
    pub(super) fn set_file_bytes(&mut self, file_bytes: usize) {
        self.file_bytes = file_bytes;
    }

    /// The note of an application.
    pub(super) fn note(
        &self,
        snapshot: &SnapshotRef,
        application: &str,
    ) -> Result<Option<i64>, OutputError> {
        let note = snapshot.get_app_id_version(application, self.storage.engine());
        note.map_err(|error| self.storage.fault(&error))
    }

    pub(super) fn fault(&self, error: &KernelError) -> OutputError {
        self.storage.fault(error)
    }

    pub(super) fn shared_engine(&self) -> Arc<dyn Engine> {
        self.storage.shared_engine()
    }

    /// The newest state of the table; `None` if there is none.
    pub(super) fn snapshot(&self) -> Result<Option<SnapshotRef>, OutputError> {
        if !self.exists()? {
            return Ok(None);
        }
        let snapshot = Snapshot::builder_for(self.storage.url.as_str())
            .build(self.storage.engine())
            .map_err(|error| self.storage.fault(&error))?;
        match misfit(&snapshot) {
            Ok(None) => Ok(Some(snapshot)),
            Ok(Some(misfit)) => Err(self.storage.unusable(&misfit)),
            Err(error) => Err(self.storage.fault(&error)),
        }
    }

    /// Whether the folder has a table.
    fn exists(&self) -> Result<bool, OutputError> {
        let log = self.storage.url.join("_delta_log");
        let log = log.map_err(|error| self.storage.unusable(&error))?;
        let path = self.storage.path(&log)?;
        let objects = self.storage.objects();
        let first = self
            .storage
            .wait(async move { objects.list(Some(&path)).next().await });
        match first {
            None => Ok(false),
            Some(Ok(_)) => Ok(true),
            Some(Err(error)) => Err(self.storage.unavailable(&error)),
        }
    }

    /// The newest state of the table, which is created if there is none.
    fn snapshot_or_create(&self) -> Result<SnapshotRef, OutputError> {
        if let Some(snapshot) = self.snapshot()? {
            return Ok(snapshot);
        }
        // If another writer was faster, its table is as good as ours.
        let created = self.create();
        match self.snapshot()? {
            Some(snapshot) => Ok(snapshot),
            None => Err(match created {
                Err(error) => self.storage.fault(&error),
                Ok(()) => self
                    .storage
                    .unavailable(&"the new table cannot be read yet"),
            }),
        }
    }

    fn create(&self) -> KernelResult<()> {
        // The kernel finds a folder only if it is there.
        if self.storage.url.scheme() == "file"
            && let Ok(folder) = self.storage.url.to_file_path()
        {
            std::fs::create_dir_all(folder).map_err(KernelError::IOError)?;
        }
        let engine = self.storage.engine();
        let indexed = columns::WITH_STATISTICS.to_string();
        // A conflict means that another writer has created the table.
        let _ = create_table(self.storage.url.as_str(), columns::schema()?, ENGINE, false)
            .with_table_properties([
                ("delta.appendOnly", "true"),
                ("delta.dataSkippingNumIndexedCols", indexed.as_str()),
            ])
            .build(engine, Box::new(FileSystemCommitter::new()))?
            .commit(engine)?;
        Ok(())
    }

    fn writer(&self) -> &Writer {
        self.writer.as_ref().expect("a push begins first")
    }

    /// Takes the files of the next commit out of their place.
    fn take_pending(&mut self) -> Result<Files, OutputError> {
        if let Some(files) = self.pending.take() {
            return Ok(files);
        }
        let snapshot = match &self.writer().table {
            Some(table) => Arc::clone(table),
            None => self.snapshot_or_create()?,
        };
        let engine = self.storage.engine();
        let files = snapshot
            .update_table(UpdateTableOperation::Write, ENGINE, true)
            .with_blind_append()
            .build(engine, Box::new(FileSystemCommitter::new()))
            .and_then(|transaction| {
                let context = transaction.write_state()?.write_context_builder().build()?;
                Files::new(context, self.file_bytes)
            });
        files.map_err(|error| self.storage.fault(&error))
    }

    /// Commits files with a note, however many others write meanwhile.
    fn commit_files(&self, files: &[RecordBatch], upto: i64) -> Result<(), OutputError> {
        let (writer, engine) = (self.writer(), self.storage.engine());
        let fault = |error: &KernelError| self.storage.fault(error);
        let mut failures = 0;
        let mut pause = Duration::from_millis(10);
        for attempt in 0..COMMIT_ATTEMPTS {
            let snapshot = self.snapshot_or_create()?;
            let note = self.note(&snapshot, &writer.application)?;
            if attempt > 0 && note == Some(upto) {
                // An earlier attempt has succeeded, and only its answer was lost.
                return Ok(());
            }
            if note != writer.note {
                return Err(self.storage.unusable(&format!(
                    "another process has pushed there as output {} of a copy of this store",
                    self.output
                )));
            }
            let has_files = !files.is_empty();
            let mut builder = Arc::clone(&snapshot)
                .update_table(UpdateTableOperation::Write, ENGINE, has_files)
                .with_transaction_id(writer.application.clone(), upto);
            if has_files {
                builder = builder.with_blind_append();
            }
            let mut transaction = builder
                .build(engine, Box::new(FileSystemCommitter::new()))
                .map_err(|error| fault(&error))?;
            for file in files {
                transaction.add_files(Box::new(ArrowEngineData::new(file.clone())));
            }
            let failure = match transaction.commit(engine) {
                Ok(CommitResult::Committed(committed)) => {
                    let since = committed.post_commit_stats().commits_since_checkpoint;
                    if since >= COMMITS_PER_CHECKPOINT {
                        self.checkpoint();
                    }
                    return Ok(());
                }
                Ok(CommitResult::Conflicted(_)) => None,
                Ok(CommitResult::Retryable(retryable)) => Some(fault(&retryable.error)),
                Err(error) => Some(fault(&error)),
            };
            if let Some(failure) = failure {
                failures += 1;
                if failures > self.retries || !matches!(failure, OutputError::Unavailable { .. }) {
                    return Err(failure);
                }
            }
            if self.stop.is_requested() && attempt > 0 {
                return Err(OutputError::Stopped);
            }
            thread::sleep(pause.mul_f64(0.5 + fastrand::f64()));
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Err(self
            .storage
            .unavailable(&"other writers were faster each time"))
    }

    /// Writes the state of the table in one file. A failure does no harm.
    fn checkpoint(&self) {
        let engine = self.storage.engine();
        let written = Snapshot::builder_for(self.storage.url.as_str())
            .build(engine)
            .and_then(|snapshot| snapshot.checkpoint(engine, None));
        if let Err(error) = written {
            tracing::debug!(
                output = self.output,
                "no checkpoint of the table was written: {error}"
            );
        }
    }
}

impl TableTarget for Table {
    fn begin(&mut self, store_id: &[u8; 16], at_ms: i64) -> Result<Option<Version>, OutputError> {
        let store_id = hex(store_id);
        let application = application(&store_id, &self.output);
        let table = self.snapshot()?;
        let note = match &table {
            Some(table) => self.note(table, &application)?,
            None => None,
        };
        self.writer = Some(Writer {
            store_id,
            application,
            note,
            table,
            at_ms,
        });
        Ok(note.map(Version))
    }

    fn append(&mut self, rows: &[TableRow]) -> Result<(), OutputError> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut files = self.take_pending()?;
        let writer = self.writer();
        let rows: Vec<_> = rows
            .iter()
            .map(|change| row(change, &writer.store_id, writer.at_ms))
            .collect();
        files.write(&self.storage, &rows)?;
        self.pending = Some(files);
        Ok(())
    }

    fn is_full(&self) -> bool {
        let files = self.pending.as_ref().map_or(0, Files::count);
        files >= FILES_PER_COMMIT
    }

    fn commit(&mut self, upto: Version) -> Result<(), OutputError> {
        let files = match self.pending.take() {
            Some(mut files) => files.finish(&self.storage)?,
            None => Vec::new(),
        };
        self.commit_files(&files, upto.0)?;
        if let Some(writer) = &mut self.writer {
            writer.note = Some(upto.0);
        }
        Ok(())
    }

    fn check(&mut self) -> Result<Vec<String>, OutputError> {
        match self.snapshot() {
            Ok(_) => Ok(Vec::new()),
            Err(OutputError::Unusable { why, .. }) => Ok(vec![why]),
            Err(error) => Err(error),
        }
    }
}

/// The first column that rows need and the table does not have.
fn misfit(snapshot: &Snapshot) -> KernelResult<Option<String>> {
    let found = snapshot.schema();
    for needed in columns::schema()?.fields() {
        let is_there = |field: &&StructField| {
            field.name() == needed.name() && field.data_type() == needed.data_type()
        };
        if !found.fields().any(|field| is_there(&field)) {
            let name = needed.name();
            return Ok(Some(format!(
                "the table has no column {name} of the right type; it was made by another program, or \
                 by another version of this one"
            )));
        }
    }
    Ok(None)
}

/// The application of the notes of an output of a store.
pub(super) fn application(store_id: &str, output: &str) -> String {
    format!("harvestd/{store_id}/{output}")
}

/// A number of sixteen bytes as text.
fn hex(bytes: &[u8; 16]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
