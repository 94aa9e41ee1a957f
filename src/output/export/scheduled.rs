//! Writes one file of a scheduled export: to a temporary file that is renamed at the end.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::pipeline::{self, Batch, PipelineError};
use super::settings::ExportSettings;
use super::write_batch;
use crate::files::{self, NewFile, Protected};
use crate::output::vufind::Command;
use crate::output::{Container, Renderer};
use crate::stop::Stop;
use crate::store::{Export, ExportRun, Reader, Store, StoreError, Version};

const BUFFER_BYTES: usize = 256 << 10;

/// The most failed records that are named in the log.
const NAMED: u64 = 20;

/// The result of a run of an export.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileReport {
    /// The file; `None` if none was written.
    pub file: Option<PathBuf>,
    /// Records in it.
    pub records: u64,
    /// Deletions in it.
    pub deletions: u64,
    /// Records that failed, or whose metadata cannot be read.
    pub failed: u64,
    /// Whether a stop ended it. Nothing has changed then.
    pub stopped: bool,
}

/// Why a file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file, or one beside it, cannot be written.
    #[error("writing {path}: {error}; what was there stays", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
}

/// Writes the next file of an export, unless nothing has changed since the last one, and stores its
/// position. `progress` is called with the number of records read so far.
///
/// It must be none of the files that are `protected`, and has the permissions of the store if it is new.
///
/// The file gets its name before the position is stored. After a crash between the two, the next file
/// has the same changes again.
///
/// # Errors
/// [`ExportError`]; no file has changed then.
pub fn write_file(
    store: &Store,
    settings: &ExportSettings,
    protected: &Protected,
    stop: &Stop,
    now_ms: i64,
    mut progress: impl FnMut(u64),
) -> Result<FileReport, ExportError> {
    let mut reader = store.reader()?;
    let begun = target(&settings.path, protected)?;
    let definition = settings.definition();
    let known = reader.export(&settings.name)?;
    let known = known.filter(|known| settings.is_position_of(known) && known.done_at.is_some());
    if let Some(known) = &known
        && is_current(&reader, settings, known)?
    {
        let nothing = ExportRun {
            upto: known.position,
            at: now_ms,
            ..ExportRun::default()
        };
        store.note_export(&settings.name, &definition, &nothing)?;
        return Ok(FileReport::default());
    }
    let since = known
        .filter(|_| settings.since_previous)
        .map(|known| known.position);
    let mut report = FileReport::default();
    let written = write(
        &mut reader,
        (&begun, store.path()),
        settings,
        since,
        stop,
        &mut report,
        &mut progress,
    )?;
    let Some((part, upto)) = written else {
        report.stopped = true;
        return Ok(report);
    };
    if report.records + report.deletions > 0 || !settings.since_previous {
        let path = settings.file(upto, now_ms);
        let target = target(&path, protected)?;
        let named = part.finish(&target);
        named.map_err(|error| ExportError::File {
            path: path.clone(),
            error,
        })?;
        report.file = Some(path);
    }
    let exported = ExportRun {
        upto,
        file: report
            .file
            .as_deref()
            .map(|path| path.display().to_string()),
        records: report.records,
        deletions: report.deletions,
        at: now_ms,
    };
    store.note_export(&settings.name, &definition, &exported)?;
    Ok(report)
}

/// `path` in a folder without links, if it may be written. What is there is replaced, also if it is a link.
fn target(path: &Path, protected: &Protected) -> Result<PathBuf, ExportError> {
    let resolved = || {
        protected.check(path)?;
        let folder = files::resolve(path.parent().unwrap_or(Path::new("")))?;
        Ok(folder.join(path.file_name().unwrap_or_default()))
    };
    resolved().map_err(|error| ExportError::File {
        path: path.to_owned(),
        error,
    })
}

/// Whether a new file would equal the last one.
fn is_current(
    reader: &Reader,
    settings: &ExportSettings,
    known: &Export,
) -> Result<bool, StoreError> {
    let filter = settings.filter(Some(known.position));
    let there = || {
        known
            .file
            .as_deref()
            .is_some_and(|file| Path::new(file).exists())
    };
    Ok(reader.first_change(&filter)?.is_none() && (settings.since_previous || there()))
}

/// Writes the records to a temporary file in the same folder; `None` if a stop ended it.
fn write(
    reader: &mut Reader,
    (target, model): (&Path, &Path),
    settings: &ExportSettings,
    since: Option<Version>,
    stop: &Stop,
    report: &mut FileReport,
    progress: &mut impl FnMut(u64),
) -> Result<Option<(NewFile, Version)>, ExportError> {
    let fail = |error| ExportError::File {
        path: settings.path.clone(),
        error,
    };
    let part = NewFile::beside(target, model).map_err(fail)?;
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, part);
    let filter = settings.filter(since);
    let renderer = Renderer {
        format: settings.format,
        documents: &settings.documents,
        enrich: &settings.enrich,
        changes: since.is_some(),
    };
    let mut container = Container::new(settings.format).with_bom(settings.bom);
    let mut read = 0;
    let reading = pipeline::run(reader, &filter, renderer, stop, |batch| {
        write_batch(&batch, &mut container, &mut out)?;
        report.count(&settings.name, &batch);
        read += batch.records;
        progress(read);
        Ok(())
    })
    .map_err(|error| match error {
        PipelineError::Store(error) => error.into(),
        PipelineError::Write(error) => fail(error),
    })?;
    if reading.stopped {
        return Ok(None);
    }
    out.write_all(container.end().as_bytes()).map_err(fail)?;
    let part = out.into_inner().map_err(|error| fail(error.into_error()))?;
    Ok(Some((part, reading.version)))
}

impl FileReport {
    fn count(&mut self, export: &str, batch: &Batch) {
        for (command, _) in &batch.pieces {
            match command {
                Command::Add => self.records += 1,
                Command::Delete => self.deletions += 1,
            }
        }
        for fault in &batch.faults {
            self.failed += 1;
            if self.failed <= NAMED {
                tracing::warn!(
                    source.id = %fault.source,
                    "export {export}: record {}: {}", fault.identifier, fault.reason
                );
            }
        }
    }
}
