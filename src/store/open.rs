//! Opening, creating and checking the store file; write transactions and readers.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Params, Row, Transaction, TransactionBehavior};

use super::cluster::RecentKeys;
use super::{StoreError, schema};
use crate::files;

/// How long a write waits for another process before it is [`StoreError::Locked`].
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// Rows of 1 to 1.5 kB waste a fifth of a 4 KiB page and a twentieth of this one.
const PAGE_BYTES: i64 = 8192;

/// More statements than one pass uses.
const CACHED_STATEMENTS: usize = 128;

/// The characters of a path that are escaped in the URI of a file.
const ESCAPED_IN_URI: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'.')
    .remove(b'_')
    .remove(b'-');

/// The store, open for writing. There is one writer at a time; readers have their own connections and
/// never wait for a writer.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    writer: Mutex<Connection>,
    /// The recent match keys after the last transaction, for the next one.
    recent_keys: Mutex<Option<RecentKeys>>,
}

/// Cached statements. To prepare a statement takes longer than to run it.
pub(super) trait Cached {
    /// As [`Connection::execute`].
    fn run(&self, sql: &str, values: impl Params) -> rusqlite::Result<usize>;

    /// As [`Connection::query_row`].
    fn one<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T>;
}

impl Cached for Connection {
    fn run(&self, sql: &str, values: impl Params) -> rusqlite::Result<usize> {
        self.prepare_cached(sql)?.execute(values)
    }

    fn one<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.prepare_cached(sql)?.query_row(values, read)
    }
}

/// A connection that only reads. Each call has its own snapshot.
#[derive(Debug)]
pub struct Reader {
    pub(super) path: PathBuf,
    pub(super) connection: Connection,
}

impl Store {
    /// Opens the store at `path`. Creates the file and its folders if they are missing.
    ///
    /// # Errors
    /// `OlderSchema` for a store that must be migrated first; see [`Store::open_and_migrate`].
    /// `NotAStore`, `OlderSchema` and `NewerSchema` leave the file as it is.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        if let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            std::fs::create_dir_all(folder).map_err(|error| {
                let doing = format!("creating the folder {}", folder.display());
                StoreError::from_io(path, doing, error)
            })?;
        }
        files::resolve(path)
            .and_then(|real| files::prepare_own(&real))
            .map_err(|error| StoreError::from_io(path, "creating the file".to_owned(), error))?;
        let mut connection = open_for_writing(path, OpenFlags::SQLITE_OPEN_CREATE)?;
        let fail = |error| StoreError::from_sqlite(path, "preparing the file", error);
        match inspect(path, &connection)? {
            Found::Schema(found) => require_newest(path, found)?,
            Found::Empty => connection
                .pragma_update(None, "page_size", PAGE_BYTES)
                .and_then(|()| connection.pragma_update(None, "auto_vacuum", "INCREMENTAL"))
                .map_err(fail)?,
        }
        configure(&connection).map_err(fail)?;
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(fail)?;
        // Another process may have created the tables since the first look.
        match inspect(path, &transaction)? {
            Found::Schema(found) => require_newest(path, found)?,
            Found::Empty => schema::migrate(&transaction, 0)
                .map_err(|error| StoreError::from_sqlite(path, "creating tables", error))?,
        }
        transaction.commit().map_err(fail)?;
        Ok(Self {
            path: path.to_owned(),
            writer: Mutex::new(connection),
            recent_keys: Mutex::default(),
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a connection for reading beside the writer.
    pub fn reader(&self) -> Result<Reader, StoreError> {
        Reader::open(&self.path)
    }

    /// Runs `work` in one write transaction: all of it is stored, or nothing. Fails without a change if a
    /// newer program has migrated the store meanwhile.
    pub(super) fn write<T>(
        &self,
        doing: &str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let mut connection = self.lock();
        let done = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .and_then(|transaction| {
                if let Some(found) = newer_schema(&transaction)? {
                    return Ok(Err(found));
                }
                let value = work(&transaction)?;
                transaction.commit()?;
                Ok(Ok(value))
            });
        if done.is_err() {
            // They are from a transaction that was rolled back.
            drop(self.take_recent_keys());
        }
        match done {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(found)) => Err(StoreError::NewerSchema {
                path: self.path.clone(),
                found,
                known: schema::NEWEST,
            }),
            Err(error) => Err(StoreError::from_sqlite(&self.path, doing, error)),
        }
    }

    /// Runs `work` on the writer's connection without a transaction.
    pub(super) fn read<T>(
        &self,
        doing: &str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        work(&self.lock()).map_err(|error| StoreError::from_sqlite(&self.path, doing, error))
    }

    /// The recent match keys after the last transaction of this process. For use within a transaction.
    pub(super) fn take_recent_keys(&self) -> Option<RecentKeys> {
        let mut recent = self
            .recent_keys
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        recent.take()
    }

    /// Keeps the recent match keys for the next transaction. They are dropped if this one fails.
    pub(super) fn keep_recent_keys(&self, recent: Option<RecentKeys>) {
        *self
            .recent_keys
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = recent;
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // A panic during a write has rolled its transaction back.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader {
    /// Opens an existing store for reading.
    ///
    /// # Errors
    /// `Missing` if there is no file; `NotAStore`, `OlderSchema` or `NewerSchema` if this program cannot
    /// read it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        if !path.exists() {
            return Err(StoreError::Missing {
                path: path.to_owned(),
            });
        }
        let fail = |error| StoreError::from_sqlite(path, "opening", error);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags).map_err(fail)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(fail)?;
        let found = match inspect(path, &connection) {
            Err(StoreError::ReadOnly { .. }) if is_frozen(path) => {
                connection =
                    Connection::open_with_flags(frozen(path), flags | OpenFlags::SQLITE_OPEN_URI)
                        .map_err(fail)?;
                inspect(path, &connection)?
            }
            found => found?,
        };
        set_stable(&connection).map_err(fail)?;
        match found {
            Found::Schema(found) => require_newest(path, found)?,
            // A harvest has just begun to create it.
            Found::Empty => {
                return Err(StoreError::Missing {
                    path: path.to_owned(),
                });
            }
        }
        connection
            .pragma_update(None, "cache_size", -4_000)
            .map_err(fail)?;
        Ok(Self {
            path: path.to_owned(),
            connection,
        })
    }

    /// Runs `work` in one snapshot.
    pub(super) fn read<T>(
        &self,
        doing: &str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.connection
            .unchecked_transaction()
            .and_then(|snapshot| work(&snapshot))
            .map_err(|error| StoreError::from_sqlite(&self.path, doing, error))
    }
}

/// Opens the file for writing, without settings.
pub(super) fn open_for_writing(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let fail = |error| StoreError::from_sqlite(path, "opening", error);
    let flags = flags | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(fail)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(fail)?;
    Ok(connection)
}

/// Refuses a store with an older schema.
fn require_newest(path: &Path, found: i64) -> Result<(), StoreError> {
    if found < schema::NEWEST {
        return Err(StoreError::OlderSchema {
            path: path.to_owned(),
            found,
            needed: schema::NEWEST,
        });
    }
    Ok(())
}

/// The kind of file at a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// No tables at all.
    Empty,
    /// A store of this schema.
    Schema(i64),
}

/// Whether the file is complete and on a file system that is mounted read-only. Nobody can change it then,
/// and SQLite can read it without the files beside it, which it could not create.
fn is_frozen(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let whole = std::fs::metadata(log).map_or(true, |log| log.len() == 0);
    let opened = std::fs::OpenOptions::new().append(true).open(path);
    whole && opened.is_err_and(|error| error.kind() == std::io::ErrorKind::ReadOnlyFilesystem)
}

/// The URI of a file that does not change.
fn frozen(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes();
    let path = percent_encoding::percent_encode(bytes, ESCAPED_IN_URI);
    format!("file:{path}?immutable=1")
}

/// Determines the kind of file without writing.
pub(super) fn inspect(path: &Path, connection: &Connection) -> Result<Found, StoreError> {
    let number = |sql: &str| -> Result<i64, StoreError> {
        connection
            .query_row(sql, [], |row| row.get(0))
            .map_err(|error| StoreError::from_sqlite(path, "reading the header", error))
    };
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    let application_id = number("PRAGMA application_id")?;
    let schema_version = number("PRAGMA user_version")?;
    if application_id != schema::APPLICATION_ID {
        if tables == 0 && application_id == 0 && schema_version == 0 {
            return Ok(Found::Empty);
        }
        return Err(StoreError::NotAStore {
            path: path.to_owned(),
            found: format!(
                "an SQLite database of another program, with {tables} tables and indices"
            ),
        });
    }
    if schema_version > schema::NEWEST {
        return Err(StoreError::NewerSchema {
            path: path.to_owned(),
            found: schema_version,
            known: schema::NEWEST,
        });
    }
    Ok(Found::Schema(schema_version))
}

/// The schema of a store that a newer program has migrated; `None` if none has.
fn newer_schema(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    let found = connection
        .prepare_cached("PRAGMA user_version")?
        .query_row([], |row| row.get(0))?;
    Ok(Some(found).filter(|found| *found > schema::NEWEST))
}

/// Keeps cached statements as they are. SQLite would otherwise prepare some of them again for each bound
/// value, which costs more than to run them.
fn set_stable(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    Ok(())
}

/// Sets up a connection for writing.
pub(super) fn configure(connection: &Connection) -> rusqlite::Result<()> {
    set_stable(connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // Committed pages survive a power cut; the pages of a fast list share a commit.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Negative: KiB.
    connection.pragma_update(None, "cache_size", -16_000)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // In pages of the file: a PASSIVE checkpoint for every 32 MiB of log.
    connection.pragma_update(None, "wal_autocheckpoint", (32 << 20) / PAGE_BYTES)?;
    // A long-running reader keeps the log from being reset; afterwards the log shrinks to this size.
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn creates_folders_and_reopens() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/store.db");
        Store::open(&path).unwrap();
        Store::open(&path).unwrap();
        Reader::open(&path).unwrap();
    }

    #[test]
    fn leaves_other_files_alone() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("text.db");
        std::fs::write(
            &text,
            "This is a text about SQLite, long enough for a header.".repeat(40),
        )
        .unwrap();
        let before = std::fs::read(&text).unwrap();
        let error = Store::open(&text).unwrap_err();
        assert!(matches!(error, StoreError::NotAStore { .. }), "{error}");
        assert_eq!(std::fs::read(&text).unwrap(), before);

        let other = folder.path().join("other.db");
        Connection::open(&other)
            .unwrap()
            .execute_batch("CREATE TABLE t (a)")
            .unwrap();
        let before = std::fs::read(&other).unwrap();
        let error = Store::open(&other).unwrap_err();
        assert!(
            error.to_string().contains("not a harvestd store"),
            "{error}"
        );
        assert_eq!(std::fs::read(&other).unwrap(), before);

        let missing = Reader::open(&folder.path().join("none.db")).unwrap_err();
        assert!(matches!(missing, StoreError::Missing { .. }), "{missing}");
    }

    #[test]
    fn refuses_a_newer_schema() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let open = Store::open(&path).unwrap();
        Connection::open(&path)
            .unwrap()
            .pragma_update(None, "user_version", 9999)
            .unwrap();
        for error in [
            Store::open(&path).unwrap_err(),
            // Nor does who had opened it before.
            open.set_meta_value("a", Some(1)).unwrap_err(),
        ] {
            assert!(
                matches!(error, StoreError::NewerSchema { found: 9999, .. }),
                "{error}"
            );
        }
        assert_eq!(
            open.reader().unwrap_err().to_string(),
            open.set_meta_value("a", None).unwrap_err().to_string()
        );
    }
}
