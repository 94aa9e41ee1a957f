//! Writes rows into files of the table, which no commit names yet.

use std::sync::Arc;

use delta_kernel::arrow::array::RecordBatch;
use delta_kernel::arrow::datatypes::SchemaRef as ArrowSchemaRef;
use delta_kernel::arrow::error::ArrowError;
use delta_kernel::arrow::json::ReaderBuilder;
use delta_kernel::arrow::json::reader::Decoder;
use delta_kernel::engine::arrow_conversion::TryIntoArrow as _;
use delta_kernel::engine::arrow_data::ArrowEngineData;
use delta_kernel::object_store::ObjectStoreExt as _;
use delta_kernel::object_store::buffered::BufWriter;
use delta_kernel::parquet::arrow::async_writer::AsyncArrowWriter;
use delta_kernel::parquet::basic::{Compression, ZstdLevel};
use delta_kernel::parquet::errors::ParquetError;
use delta_kernel::parquet::file::properties::WriterProperties;
use delta_kernel::parquet::schema::types::ColumnPath;
use delta_kernel::transaction::BoundWriteContext;
use delta_kernel::{FileMeta, KernelError};
use delta_kernel_default_engine::build_add_file_metadata;
use delta_kernel_default_engine::parquet::DataFileMetadata;
use delta_kernel_default_engine::stats::FileStatsAccumulator;
use serde::Serialize;
use url::Url;

use super::storage::Storage;
use crate::output::target::OutputError;

/// A file is complete at this size.
pub(super) const FILE_BYTES: usize = 128 << 20;

/// A row group is complete at this size, which is held in memory until then.
const ROW_GROUP_BYTES: usize = 32 << 20;

/// What is sent to the storage in one request.
const PART_BYTES: usize = 8 << 20;

/// Requests at the same time.
const PARALLEL_PARTS: usize = 2;

/// Columns whose values hardly repeat.
const WITHOUT_DICTIONARY: [&str; 4] = ["identifier", "version", "metadata", "extra"];

/// Writes the rows of one commit.
pub(super) struct Files {
    context: BoundWriteContext,
    schema: ArrowSchemaRef,
    decoder: Decoder,
    open: Option<OpenFile>,
    /// What the commit has to know of each complete file.
    complete: Vec<RecordBatch>,
    file_bytes: usize,
}

struct OpenFile {
    url: Url,
    writer: AsyncArrowWriter<BufWriter>,
    statistics: FileStatsAccumulator,
}

impl Files {
    /// No files yet. Each becomes about `file_bytes` large.
    pub(super) fn new(context: BoundWriteContext, file_bytes: usize) -> Result<Self, KernelError> {
        let schema: ArrowSchemaRef =
            Arc::new(context.physical_data_schema().as_ref().try_into_arrow()?);
        let decoder = ReaderBuilder::new(Arc::clone(&schema))
            .with_strict_mode(true)
            .build_decoder()
            .map_err(KernelError::from)?;
        Ok(Self {
            context,
            schema,
            decoder,
            open: None,
            complete: Vec::new(),
            file_bytes,
        })
    }

    /// The number of complete files.
    pub(super) fn count(&self) -> usize {
        self.complete.len()
    }

    /// Writes rows, at least one.
    pub(super) fn write<R: Serialize>(
        &mut self,
        storage: &Storage,
        rows: &[R],
    ) -> Result<(), OutputError> {
        let batch = self
            .decode(rows)
            .map_err(|error| storage.unusable(&error))?;
        let Some(batch) = batch else {
            return Ok(());
        };
        let mut file = match self.open.take() {
            Some(file) => file,
            None => self.create(storage)?,
        };
        file.statistics
            .merge(&batch)
            .map_err(|error| storage.fault(&error))?;
        let (written, file) = storage.wait(async move {
            let written = file.writer.write(&batch).await;
            (written, file)
        });
        written.map_err(|error| parquet_fault(storage, &error))?;
        let size = file.writer.bytes_written() + file.writer.in_progress_size();
        self.open = Some(file);
        if size >= self.file_bytes {
            self.close(storage)?;
        }
        Ok(())
    }

    /// Completes the last file. Returns what the commit has to know of each.
    pub(super) fn finish(&mut self, storage: &Storage) -> Result<Vec<RecordBatch>, OutputError> {
        self.close(storage)?;
        Ok(std::mem::take(&mut self.complete))
    }

    fn decode<R: Serialize>(&mut self, rows: &[R]) -> Result<Option<RecordBatch>, ArrowError> {
        self.decoder.serialize(rows)?;
        self.decoder.flush()
    }

    fn create(&self, storage: &Storage) -> Result<OpenFile, OutputError> {
        let url = self
            .context
            .write_dir()
            .join(&file_name())
            .map_err(|error| storage.unusable(&error))?;
        let output = BufWriter::with_capacity(storage.objects(), storage.path(&url)?, PART_BYTES)
            .with_max_concurrency(PARALLEL_PARTS);
        let writer =
            AsyncArrowWriter::try_new(output, Arc::clone(&self.schema), Some(properties()))
                .map_err(|error| storage.unusable(&error))?;
        let statistics = FileStatsAccumulator::new(
            self.context.stats_columns(),
            self.context.physical_data_schema(),
        );
        Ok(OpenFile {
            url,
            writer,
            statistics,
        })
    }

    fn close(&mut self, storage: &Storage) -> Result<(), OutputError> {
        let Some(mut file) = self.open.take() else {
            return Ok(());
        };
        let path = storage.path(&file.url)?;
        let objects = storage.objects();
        let found = storage.wait(async move {
            file.writer.finish().await?;
            let found = objects.head(&path).await;
            let found = found.map_err(|error| ParquetError::External(Box::new(error)))?;
            Ok((found, file.url, file.statistics))
        });
        let (found, url, statistics) = found.map_err(|error| parquet_fault(storage, &error))?;
        let file = FileMeta::new(url, found.last_modified.timestamp_millis(), found.size);
        let described = statistics.finish().and_then(|statistics| {
            let statistics =
                statistics.ok_or_else(|| KernelError::generic("a file has no rows"))?;
            let file = DataFileMetadata::new(file, statistics);
            let described = build_add_file_metadata(file, &self.context)?;
            ArrowEngineData::try_from_engine_data(described)
        });
        let described = described.map_err(|error| storage.fault(&error))?;
        self.complete.push(described.record_batch().clone());
        Ok(())
    }
}

/// A name that no other file has.
fn file_name() -> String {
    let name = u128::from(fastrand::u64(..)) << 64 | u128::from(fastrand::u64(..));
    format!("part-{name:032x}.zstd.parquet")
}

fn properties() -> WriterProperties {
    let zstd = ZstdLevel::try_new(3).expect("zstd has a level 3");
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(zstd))
        .set_created_by(concat!("harvestd ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES));
    for column in WITHOUT_DICTIONARY {
        properties = properties.set_column_dictionary_enabled(ColumnPath::from(column), false);
    }
    properties.build()
}

/// Whether the storage is at fault or the rows.
fn parquet_fault(storage: &Storage, error: &ParquetError) -> OutputError {
    match error {
        ParquetError::External(_) => storage.unavailable(error),
        error => storage.unusable(error),
    }
}
