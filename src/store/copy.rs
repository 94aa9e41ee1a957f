//! Copies of the store file, complete or not there.

use std::io;
use std::path::Path;

use rusqlite::Connection;

use super::{Reader, StoreError};
use crate::files::{self, NewFile, Protected};

impl Reader {
    /// Writes a compact copy of the whole store, as of now, to `to`, while others read and write.
    ///
    /// The copy has the permissions of the store. It takes its name, and replaces a file of that name,
    /// only when it is complete on the disk. If it fails, nothing of it is left.
    ///
    /// # Errors
    /// `Io` if the copy cannot be written or named, or if `to` is the store or a file beside it.
    pub fn backup(&self, to: &Path) -> Result<(), StoreError> {
        copy(&self.connection, &self.path, to)
    }
}

/// Copies the store at `from`, which `connection` has open, to `to`; see [`Reader::backup`].
pub(super) fn copy(connection: &Connection, from: &Path, to: &Path) -> Result<(), StoreError> {
    let fail = |doing: &str, error| StoreError::Io {
        path: to.to_owned(),
        doing: doing.to_owned(),
        error,
    };
    Protected::of_store(from)
        .check(to)
        .map_err(|error| fail("writing the copy", error))?;
    let target = files::resolve(to).map_err(|error| fail("writing the copy", error))?;
    let file = NewFile::like(&target, from).map_err(|error| fail("creating the copy", error))?;
    let name = file.path().to_str().ok_or_else(|| {
        let error = io::Error::new(
            io::ErrorKind::InvalidInput,
            "SQLite takes only names in UTF-8",
        );
        fail("naming the copy", error)
    })?;
    connection
        .execute("VACUUM INTO ?1", [name])
        .map_err(|error| StoreError::from_sqlite(to, "writing a copy", error))?;
    file.finish(&target)
        .map_err(|error| fail("naming the copy", error))
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
        let leftover = folder.path().join(".copy.db.a1B2c3.part");
        std::fs::write(&leftover, "a broken one").unwrap();
        store.reader().unwrap().backup(&copy).unwrap();
        let copied = Reader::open(&copy).unwrap();
        assert_eq!(copied.meta_value("paused:a").unwrap(), Some(5));
        assert_eq!(copied.verify(|_| ()).unwrap(), Verified::default());
        assert!(!leftover.exists());
        let copied = std::fs::metadata(&copy).unwrap().permissions();
        assert_eq!(copied.mode() & 0o777, mode.mode());

        let nowhere = folder.path().join("none/copy.db");
        assert!(store.reader().unwrap().backup(&nowhere).is_err());
    }
}
