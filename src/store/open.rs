//! Opening, creating and checking the store file; write transactions and readers.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Params, Row, Transaction, TransactionBehavior};

use super::cluster::RecentKeys;
use super::payload::Decompressor;
use super::{StoreError, schema};
use crate::files;

/// How long a write waits for another process before it is [`StoreError::Locked`].
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// The same for the pages of harvests, for confirmations of outputs and for rebuilds. Nothing is lost by
/// waiting, and the longest write of this program takes a few seconds.
const PATIENCE: Duration = Duration::from_secs(300);

/// How long a patient writer leaves the connection to others of its process.
const TURN: Duration = Duration::from_millis(100);

/// The size of the write-ahead log from which on a writer waits for readers to end, so that the log begins
/// again. Otherwise readers that follow each other closely let it grow without end.
const LOG_LIMIT: u64 = 128 << 20;

/// How long it waits for them.
const LOG_PATIENCE: Duration = Duration::from_secs(1);

/// A log that is larger is emptied when the store is closed, even if somebody has it open for reading.
const SMALL_LOG: u64 = 1 << 20;

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
    /// [`LOG_LIMIT`], less in tests.
    log_limit: u64,
    /// The size of the write-ahead log up to which nothing is done about it now.
    log_tolerated: AtomicU64,
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
    /// Kept between lists: a dictionary takes time to prepare.
    pub(super) decompressor: RefCell<Decompressor>,
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
            files::create_folders(folder).map_err(|error| {
                let doing = format!("creating the folder {}", folder.display());
                StoreError::from_io(path, doing, error)
            })?;
        }
        files::resolve(path)
            .and_then(|real| files::prepare_own(&real, &real))
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
            log_limit: LOG_LIMIT,
            log_tolerated: AtomicU64::new(0),
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
    /// newer program has migrated the store meanwhile, or if another process writes for too long.
    pub(super) fn write<T>(
        &self,
        doing: &str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let connection = self.lock();
        self.run(&connection, begin(&connection), doing, work)
    }

    /// As [`Self::write`], and waits for minutes for another process. For work that nobody waits for, and
    /// that would have to be done again.
    pub(super) fn write_patiently<T>(
        &self,
        doing: &str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let until = Instant::now() + PATIENCE;
        let mut is_told = false;
        loop {
            let connection = self.lock();
            let begun = begin(&connection);
            let waits = begun.as_ref().is_err_and(is_busy) && Instant::now() < until;
            if !waits {
                return self.run(&connection, begun, doing, work);
            }
            if !is_told {
                let path = self.path.display();
                tracing::warn!("store {path}: {doing}: waiting for another process that writes");
            }
            is_told = true;
            // Writers of this process that are less patient get a turn.
            drop(begun);
            drop(connection);
            std::thread::sleep(TURN);
        }
    }

    /// As [`Self::write`], but gives `None` instead of waiting for any other writer.
    pub(super) fn write_if_free<T>(
        &self,
        doing: &str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        let connection = match self.writer.try_lock() {
            Ok(connection) => connection,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(None),
        };
        let fail = |error| StoreError::from_sqlite(&self.path, doing, error);
        connection.busy_timeout(Duration::ZERO).map_err(fail)?;
        let begun = begin(&connection);
        connection.busy_timeout(BUSY_TIMEOUT).map_err(fail)?;
        if begun.as_ref().is_err_and(is_busy) {
            return Ok(None);
        }
        self.run(&connection, begun, doing, work).map(Some)
    }

    /// Runs `work` in a transaction, if it has begun.
    fn run<T>(
        &self,
        connection: &Connection,
        begun: rusqlite::Result<Transaction<'_>>,
        doing: &str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let done = begun.and_then(|transaction| {
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
        self.limit_log(connection);
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

    /// Begins the write-ahead log again if it is past its limit. Waits a little for readers, since it can
    /// begin again only when nobody reads from it.
    fn limit_log(&self, connection: &Connection) {
        let bytes = self.log_bytes();
        let tolerated = self.log_tolerated.load(Ordering::Relaxed);
        if bytes <= tolerated.max(self.log_limit) {
            return;
        }
        // Whoever reads for long is not waited for at every write.
        let later = bytes + self.log_limit / 2;
        let tolerated = match checkpoint_within(connection, "RESTART", LOG_PATIENCE) {
            Ok(true) => 0,
            Ok(false) => later,
            Err(error) => {
                tracing::warn!(
                    "store {}: copying the write-ahead log of {bytes} bytes into the store: {error}",
                    self.path.display()
                );
                later
            }
        };
        self.log_tolerated.store(tolerated, Ordering::Relaxed);
    }

    fn log_bytes(&self) -> u64 {
        let mut log = self.path.as_os_str().to_owned();
        log.push("-wal");
        std::fs::metadata(log).map_or(0, |log| log.len())
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

impl Drop for Store {
    /// SQLite empties the log when the last connection closes, but only if that one can write: with a
    /// reader that is closed later, the log would stay.
    fn drop(&mut self) {
        if self.log_bytes() > SMALL_LOG
            && let Err(error) = self.checkpoint()
        {
            tracing::warn!("{error}");
        }
    }
}

/// Begins a write transaction.
fn begin(connection: &Connection) -> rusqlite::Result<Transaction<'_>> {
    Transaction::new_unchecked(connection, TransactionBehavior::Immediate)
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

/// Runs a checkpoint that waits so long for readers and writers. Returns whether the log has been copied
/// whole and nothing was in the way.
pub(super) fn checkpoint_within(
    connection: &Connection,
    mode: &str,
    patience: Duration,
) -> rusqlite::Result<bool> {
    connection.busy_timeout(patience)?;
    let done = connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
        let (busy, frames, copied): (bool, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(!busy && frames == copied)
    });
    connection.busy_timeout(BUSY_TIMEOUT)?;
    match done {
        Err(error) if is_busy(&error) => Ok(false),
        done => done,
    }
}

impl Reader {
    /// Opens an existing store for reading.
    ///
    /// # Errors
    /// `Missing` if there is no file; `UnwritableFolder` if SQLite cannot create the files that it needs
    /// beside it; `NotAStore`, `OlderSchema` or `NewerSchema` if this program cannot
    /// read it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        require(path)?;
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
            Err(StoreError::ReadOnly {
                path,
                reason,
                advice,
            }) => {
                return Err(StoreError::UnwritableFolder {
                    path,
                    reason,
                    advice,
                });
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
            decompressor: RefCell::default(),
        })
    }

    /// Runs `work`, all of whose readings see the store at one moment. They cost less than one by one.
    ///
    /// # Errors
    /// As `work`, or the store cannot be read.
    pub fn snapshot<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, E>,
    ) -> Result<T, E> {
        if !self.connection.is_autocommit() {
            return work(self);
        }
        let begun = self.connection.unchecked_transaction();
        let _snapshot = begun
            .map_err(|error| StoreError::from_sqlite(&self.path, "beginning to read", error))?;
        work(self)
    }

    /// Runs `work` in one snapshot, that of [`Self::snapshot`] if there is one.
    pub(super) fn read<T>(
        &self,
        doing: &str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let read = match self.connection.is_autocommit() {
            true => self
                .connection
                .unchecked_transaction()
                .and_then(|snapshot| work(&snapshot)),
            false => work(&self.connection),
        };
        read.map_err(|error| StoreError::from_sqlite(&self.path, doing, error))
    }
}

/// Refuses a path without a file.
///
/// # Errors
/// `Missing` if there is no file, `UnwritableFolder` if its folder is closed to this user.
pub(super) fn require(path: &Path) -> Result<(), StoreError> {
    match path.try_exists() {
        Ok(true) => Ok(()),
        Ok(false) => Err(StoreError::Missing {
            path: path.to_owned(),
        }),
        Err(error) => Err(StoreError::UnwritableFolder {
            path: path.to_owned(),
            reason: error.to_string(),
            advice: files::advice(path),
        }),
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

    /// Writes a mebibyte.
    fn write_much(store: &Store) {
        let written = store.write("a test", |transaction| {
            transaction.execute_batch(
                "CREATE TABLE IF NOT EXISTS filler (a);
                 INSERT INTO filler VALUES (zeroblob(1000000));",
            )
        });
        written.unwrap();
    }

    #[test]
    fn another_process_that_writes_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).unwrap();
        // The patience of SQLite itself.
        store.lock().busy_timeout(Duration::from_millis(1)).unwrap();
        let other = Connection::open(store.path()).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let count = |transaction: &Transaction<'_>| {
            transaction.query_row("SELECT count(*) FROM source", [], |row| {
                row.get::<_, i64>(0)
            })
        };
        let refused = store.write("a test", count).unwrap_err();
        assert!(matches!(refused, StoreError::Locked { .. }), "{refused}");
        assert_eq!(store.write_if_free("a test", count).unwrap(), None);
        std::thread::scope(|scope| {
            let patient = scope.spawn(|| store.write_patiently("a test", count));
            std::thread::sleep(3 * TURN);
            assert!(!patient.is_finished());
            other.execute_batch("COMMIT").unwrap();
            assert_eq!(patient.join().unwrap().unwrap(), 0);
        });
        assert_eq!(store.write_if_free("a test", count).unwrap(), Some(0));
    }

    #[test]
    fn a_snapshot_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).unwrap();
        let reader = store.reader().unwrap();
        let value = || reader.meta_value("a").unwrap();
        let read = reader.snapshot(|_| {
            assert_eq!(value(), None);
            store.set_meta_value("a", Some(1)).unwrap();
            assert_eq!(value(), None);
            reader.snapshot(|reader| reader.source("none"))
        });
        assert_eq!(read.unwrap(), None);
        drop(reader.snapshot(|_| Err::<(), _>(StoreError::Missing { path: "a".into() })));
        assert_eq!(value(), Some(1));
    }

    #[test]
    fn a_log_past_its_limit_begins_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(&folder.path().join("store.db")).unwrap();
        store.log_limit = 2 << 20;
        let mebibytes = |store: &Store| store.log_bytes() >> 20;
        for _ in 0..12 {
            write_much(&store);
        }
        assert!(mebibytes(&store) < 4, "{}", mebibytes(&store));

        // The state that somebody reads stays, and nobody waits for its reader again and again.
        let reader = store.reader().unwrap();
        let snapshot = reader.connection.unchecked_transaction().unwrap();
        let count = || -> i64 {
            let sql = "SELECT count(*) FROM filler";
            snapshot.query_row(sql, [], |row| row.get(0)).unwrap()
        };
        assert_eq!(count(), 12);
        for _ in 0..6 {
            write_much(&store);
        }
        assert_eq!(count(), 12);
        let grown = mebibytes(&store);
        assert!(grown > 4, "{grown}");
        drop(snapshot);
        for _ in 0..12 {
            write_much(&store);
        }
        assert!(mebibytes(&store) <= grown + 2, "{}", mebibytes(&store));
    }

    #[test]
    fn a_closed_store_leaves_no_log_although_a_reader_is_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let store = Store::open(&path).unwrap();
        let reader = store.reader().unwrap();
        for _ in 0..3 {
            write_much(&store);
        }
        assert!(store.log_bytes() > 3_000_000);
        drop(store);
        let log = std::fs::metadata(folder.path().join("store.db-wal"));
        assert_eq!(log.map_or(0, |log| log.len()), 0);
        drop(reader);
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
