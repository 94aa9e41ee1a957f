//! Writes records of the store to files.
//!
//! - `pipeline`: reads and renders records, in order
//! - `scheduled`: writes one file of a scheduled export
//! - `settings`: the settings of a scheduled export

pub(crate) mod pipeline;
mod scheduled;
pub mod settings;

use std::ffi::OsString;
use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::NamedTempFile;

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

/// A temporary file in the folder of `path`, with these permissions or those of any new file.
///
/// # Errors
/// If it cannot be created.
pub(crate) fn beside(path: &Path, rights: Option<Permissions>) -> io::Result<NamedTempFile> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let name = path.file_name().unwrap_or_default();
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(".");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(".part");
    // The system takes away what the umask forbids.
    builder.permissions(rights.unwrap_or_else(|| Permissions::from_mode(0o666)));
    builder.tempfile_in(folder)
}
