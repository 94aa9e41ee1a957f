//! Migrating an older store to the newest schema, after a copy of the file has been made.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::copy::copy;
use super::open::{Found, configure, inspect, open_for_writing, require};
use super::{Store, StoreError, lock, schema};

/// A finished migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// The schema before.
    pub from: i64,
    /// The schema now.
    pub to: i64,
    /// The copy of the file as it was before.
    pub copy: PathBuf,
}

impl Store {
    /// Opens the store as [`Store::open`] does, and migrates an older one first.
    ///
    /// # Errors
    /// As [`Store::migrate`] and [`Store::open`].
    pub fn open_and_migrate(path: &Path) -> Result<Self, StoreError> {
        if path.exists() {
            Self::migrate(path)?;
        }
        Self::open(path)
    }

    /// Migrates the store at `path` to the newest schema. `None` if it has that schema already.
    ///
    /// First the file is copied, to `STORE.schema-N.bak` beside it, where N is its schema. Then all
    /// steps are one transaction. Other processes can read meanwhile, and cannot write.
    ///
    /// # Errors
    /// `Missing` if there is no file, `NoRoomToMigrate` if the disk has too little space, `NotAStore`,
    /// `NewerSchema`. The store is unchanged after an error.
    pub fn migrate(path: &Path) -> Result<Option<Migration>, StoreError> {
        require(path)?;
        let fail = |error| StoreError::from_sqlite(path, "migrating", error);
        let mut connection = open_for_writing(path, OpenFlags::empty())?;
        if older_schema(path, &connection)?.is_none() {
            return Ok(None);
        }
        configure(&connection).map_err(fail)?;
        // Sorting the rows of a new index in memory would need as much memory as the index.
        connection
            .pragma_update(None, "temp_store", "FILE")
            .map_err(fail)?;
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(fail)?;
        // Another process may have migrated the store since the first look.
        let Some(from) = older_schema(path, &transaction)? else {
            return Ok(None);
        };
        check_room(
            path,
            needed_bytes(&transaction).map_err(fail)?,
            free_bytes(path),
        )?;
        let to = schema::NEWEST;
        let copy_path = copy_path(path, from);
        tracing::info!(
            "store {}: migrating from schema {from} to {to}; first it is copied to {}",
            path.display(),
            copy_path.display()
        );
        // A second connection copies, because a transaction cannot contain VACUUM INTO.
        let reading = open_for_writing(path, OpenFlags::empty())?;
        copy(&reading, path, &copy_path)?;
        drop(reading);
        schema::migrate(&transaction, from).map_err(fail)?;
        transaction.commit().map_err(fail)?;
        lock::remove_old_files(path);
        tracing::info!("store {}: migrated to schema {to}", path.display());
        Ok(Some(Migration {
            from,
            to,
            copy: copy_path,
        }))
    }
}

/// The schema of an older store; `None` for a present one and for an empty file.
fn older_schema(path: &Path, connection: &Connection) -> Result<Option<i64>, StoreError> {
    Ok(match inspect(path, connection)? {
        Found::Schema(found) if found < schema::NEWEST => Some(found),
        Found::Schema(_) | Found::Empty => None,
    })
}

fn copy_path(path: &Path, schema: i64) -> PathBuf {
    let mut copy = path.as_os_str().to_owned();
    copy.push(format!(".schema-{schema}.bak"));
    copy.into()
}

/// The space for the copy, and half as much for new indices and the write-ahead log.
fn needed_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let used: u64 = connection.query_row(
        "SELECT (page_count - freelist_count) * page_size
         FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size()",
        [],
        |row| row.get(0),
    )?;
    Ok(used + used / 2)
}

/// The free space beside the store in bytes; `None` if the system does not tell.
fn free_bytes(path: &Path) -> Option<u64> {
    let system = rustix::fs::statvfs(path).ok()?;
    Some(system.f_bavail.saturating_mul(system.f_frsize))
}

fn check_room(path: &Path, needed_bytes: u64, free_bytes: Option<u64>) -> Result<(), StoreError> {
    match free_bytes {
        Some(free_bytes) if free_bytes < needed_bytes => Err(StoreError::NoRoomToMigrate {
            path: path.to_owned(),
            needed_bytes,
            free_bytes,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Reader;

    fn older(path: &Path) {
        schema::create_schema_9(&Connection::open(path).unwrap());
    }

    #[test]
    fn an_older_store_is_copied_and_migrated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        older(&path);
        for error in [
            Store::open(&path).unwrap_err(),
            Reader::open(&path).unwrap_err(),
        ] {
            assert!(
                matches!(error, StoreError::OlderSchema { found: 9, .. }),
                "{error}"
            );
        }
        let copy = folder.path().join("store.db.schema-9.bak");
        assert!(!copy.exists());

        let migrated = Store::migrate(&path).unwrap();
        let expected = Migration {
            from: 9,
            to: schema::NEWEST,
            copy: copy.clone(),
        };
        assert_eq!(migrated, Some(expected));
        let before = Connection::open(&copy).unwrap();
        assert_eq!(inspect(&copy, &before).unwrap(), Found::Schema(9));
        let reader = Reader::open(&path).unwrap();
        assert_eq!(reader.verify(|_| ()).unwrap().faults, [""; 0]);
        assert_eq!(Store::migrate(&path).unwrap(), None, "done");

        let missing = folder.path().join("none.db");
        let error = Store::migrate(&missing).unwrap_err();
        assert!(matches!(error, StoreError::Missing { .. }), "{error}");
        Store::open_and_migrate(&missing).unwrap();
    }

    #[test]
    fn without_room_for_a_copy_nothing_is_changed() {
        let path = Path::new("store.db");
        check_room(path, 10, Some(10)).unwrap();
        check_room(path, 10, None).unwrap();
        let error = check_room(path, 3 << 30, Some(1 << 30)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "store store.db: not migrated to a new schema, because that needs 3.0 GiB of free space \
             beside it, for a copy of the file and for new indices, and 1.0 GiB are free; nothing was \
             changed, free some space and run `harvestd migrate`"
        );
    }

    #[test]
    fn a_failed_step_leaves_the_store_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        older(&path);
        Connection::open(&path)
            .unwrap()
            .execute_batch("DROP TABLE recent_identifier")
            .unwrap();
        Store::migrate(&path).unwrap_err();
        let connection = Connection::open(&path).unwrap();
        assert_eq!(inspect(&path, &connection).unwrap(), Found::Schema(9));
        let found: i64 = connection
            .query_row("SELECT count(*) FROM identifiers", [], |row| row.get(0))
            .unwrap();
        assert_eq!(found, 0, "the table is still there");
    }
}
