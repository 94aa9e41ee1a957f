//! Writes records of the store to files.
//!
//! - `pipeline`: reads and renders records, in order
//! - `scheduled`: writes one file of a scheduled export
//! - `settings`: the settings of a scheduled export

pub(crate) mod pipeline;
mod scheduled;
pub mod settings;

use std::io::{self, Write};

use super::Container;
pub use scheduled::{ExportError, FileReport, write_file};

/// Writes a batch within the frame of its file.
///
/// # Errors
/// As writing to `target`.
pub(crate) fn write_batch(
    batch: &pipeline::Batch,
    container: &mut Container,
    target: &mut impl Write,
) -> io::Result<()> {
    let mut begin = 0;
    for (command, end) in &batch.pieces {
        target.write_all(container.before(*command).as_bytes())?;
        target.write_all(&batch.bytes[begin..*end])?;
        begin = *end;
    }
    Ok(())
}
