//! Copies of the store file, complete or not there.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::{Reader, StoreError};

impl Reader {
    /// Writes a compact copy of the whole store, as of now, to `to`, while others read and write.
    ///
    /// The copy has the permissions of the store. It takes its name, and replaces a file of that name,
    /// only when it is complete on the disk. If it fails, nothing of it is left.
    ///
    /// # Errors
    /// `Io` if the copy cannot be written or named.
    pub fn backup(&self, to: &Path) -> Result<(), StoreError> {
        copy(&self.connection, &self.path, to)
    }
}

/// Copies the store at `from`, which `connection` has open, to `to`; see [`Reader::backup`].
pub(super) fn copy(connection: &Connection, from: &Path, to: &Path) -> Result<(), StoreError> {
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let copied = write_part(connection, from, to, &part);
    if copied.is_err() {
        // The error is reported; a failed removal would add nothing.
        let _ = std::fs::remove_file(&part);
    }
    copied
}

fn write_part(
    connection: &Connection,
    from: &Path,
    to: &Path,
    part: &Path,
) -> Result<(), StoreError> {
    let fail = |doing: &str, error| StoreError::Io {
        path: to.to_owned(),
        doing: doing.to_owned(),
        error,
    };
    let name = part.to_str().ok_or_else(|| {
        let error = io::Error::new(
            io::ErrorKind::InvalidInput,
            "SQLite takes only names in UTF-8",
        );
        fail("naming the copy", error)
    })?;
    match std::fs::remove_file(part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(fail("removing the rest of an earlier copy", error));
        }
        _ => {}
    }
    create_like(from, part).map_err(|error| fail("creating the copy", error))?;
    connection
        .execute("VACUUM INTO ?1", [name])
        .map_err(|error| StoreError::from_sqlite(to, "writing a copy", error))?;
    File::open(part)
        .and_then(|file| file.sync_all())
        .and_then(|()| std::fs::rename(part, to))
        .and_then(|()| sync_folder(to))
        .map_err(|error| fail("naming the copy", error))
}

/// Creates an empty file with the permissions of another one. Nobody else can read it at any time.
fn create_like(model: &Path, path: &Path) -> io::Result<()> {
    let permissions = std::fs::metadata(model)?.permissions();
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.set_permissions(permissions)
}

/// Makes sure that a new name survives a power cut.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::store::{Store, Verified};

    #[test]
    fn a_copy_replaces_an_older_one() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).unwrap();
        store.set_meta_value("paused:a", Some(5)).unwrap();
        let mode = std::fs::Permissions::from_mode(0o640);
        std::fs::set_permissions(store.path(), mode.clone()).unwrap();
        let copy = folder.path().join("copy.db");
        std::fs::write(&copy, "an older copy").unwrap();
        std::fs::write(folder.path().join("copy.db.part"), "a broken one").unwrap();
        store.reader().unwrap().backup(&copy).unwrap();
        let copied = Reader::open(&copy).unwrap();
        assert_eq!(copied.meta_value("paused:a").unwrap(), Some(5));
        assert_eq!(copied.verify(|_| ()).unwrap(), Verified::default());
        assert!(!folder.path().join("copy.db.part").exists());
        let copied = std::fs::metadata(&copy).unwrap().permissions();
        assert_eq!(copied.mode() & 0o777, mode.mode());

        let nowhere = folder.path().join("none/copy.db");
        assert!(store.reader().unwrap().backup(&nowhere).is_err());
    }
}
