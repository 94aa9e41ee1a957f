//! Maintenance of the file: checks, deletion of old history, checkpoints; and single values.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::open::{BUSY_TIMEOUT, checkpoint_within};
use super::pack::content_hash_of;
use super::payload::Decompressor;
use super::records;
use super::{Reader, SourceId, Store, StoreError, Version};

/// The newest passes of each source, which are never deleted.
const KEPT_PASSES: u32 = 10;

/// The key of the newest version among deleted tombstones.
pub(super) const PRUNED_TO: &str = "forgotten_version";

/// Tombstones that one transaction deletes, so that no pass waits for long.
const PRUNED_TOGETHER: u32 = 5_000;

/// Pages that one transaction returns to the file system.
const FREED_TOGETHER: u32 = 1_000;

/// The result of [`Reader::verify`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Records whose content was read and compared with its hash.
    pub records: u64,
    /// Descriptions of the faults, at most a hundred.
    pub faults: Vec<String>,
}

/// More faults would add nothing.
const MOST_FAULTS: usize = 100;

impl Reader {
    /// Checks the structure of the file and its indices, the references between tables, the counts of each
    /// source, and each record's content against its hash. `progress` receives the number of records
    /// checked so far.
    pub fn verify(&self, mut progress: impl FnMut(u64)) -> Result<Verified, StoreError> {
        self.read("checking the store", |connection| {
            let mut verified = Verified::default();
            check_structure(connection, &mut verified.faults)?;
            check_counts(connection, &mut verified.faults)?;
            check_contents(connection, &mut verified, &mut progress)?;
            verified.faults.truncate(MOST_FAULTS);
            Ok(verified)
        })
    }

    /// The lowest version from which a reader of changes can continue; zero if any version is possible.
    ///
    /// Tombstones before it may have been deleted. A reader with a lower position other than zero would
    /// keep records that are gone.
    pub fn min_since(&self) -> Result<Version, StoreError> {
        self.meta_value(PRUNED_TO)
            .map(|version| Version(version.unwrap_or_default()))
    }

    /// A single value by its key.
    pub fn meta_value(&self, key: &str) -> Result<Option<i64>, StoreError> {
        self.read("reading a value", |connection| {
            connection
                .query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| {
                    row.get(0)
                })
                .optional()
        })
    }
}

fn check_structure(connection: &Connection, faults: &mut Vec<String>) -> rusqlite::Result<()> {
    let mut statement = connection.prepare("PRAGMA integrity_check")?;
    let lines: Vec<String> = statement
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    faults.extend(lines.into_iter().filter(|line| line != "ok"));
    let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
    let orphans: Vec<String> = statement
        .query_map([], |row| {
            let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
            let row_id: Option<i64> = row.get(1)?;
            Ok(format!(
                "{table} {} refers to a {parent} that is not there",
                row_id.unwrap_or_default()
            ))
        })?
        .take(MOST_FAULTS)
        .collect::<rusqlite::Result<_>>()?;
    faults.extend(orphans);
    Ok(())
}

fn check_counts(connection: &Connection, faults: &mut Vec<String>) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(
        "SELECT source.name, live_records, deleted_records,
                coalesce(found.live, 0), coalesce(found.deleted, 0)
         FROM source LEFT JOIN (
            SELECT source_id, sum(deleted = 0) AS live, sum(deleted <> 0) AS deleted
            FROM record NOT INDEXED GROUP BY source_id
         ) AS found ON found.source_id = source.id ORDER BY source.id",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let (live, deleted): (i64, i64) = (row.get(1)?, row.get(2)?);
        let (found_live, found_deleted): (i64, i64) = (row.get(3)?, row.get(4)?);
        if (live, deleted) != (found_live, found_deleted) {
            faults.push(format!(
                "source {name} counts {live} live and {deleted} deleted records and has \
                 {found_live} and {found_deleted}"
            ));
        }
    }
    Ok(())
}

fn check_contents(
    connection: &Connection,
    verified: &mut Verified,
    progress: &mut impl FnMut(u64),
) -> rusqlite::Result<()> {
    let mut decompressor = Decompressor::default();
    let mut statement = connection.prepare(&format!(
        "SELECT {}, record.content_hash FROM record {}",
        records::COLUMNS,
        records::JOINS
    ))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        verified.records += 1;
        progress(verified.records);
        if verified.faults.len() >= MOST_FAULTS {
            continue;
        }
        let number: i64 = row.get(0)?;
        let record = match records::from_row(connection, row, &mut decompressor) {
            Ok(record) => record,
            Err(error) => {
                verified
                    .faults
                    .push(format!("record {number} cannot be read: {error}"));
                continue;
            }
        };
        // A record that disappeared has no content hash.
        if record.deletion == Some(records::Deletion::Disappeared) {
            continue;
        }
        let hash = content_hash_of(
            record.deletion.is_some(),
            &record.set_specs,
            record.metadata.as_deref(),
            record.extra.as_deref(),
        );
        if row.get::<_, Vec<u8>>("content_hash")? != hash {
            verified.faults.push(format!(
                "{} of source {} is damaged: its content does not match its hash",
                record.identifier, record.source
            ));
        }
    }
    Ok(())
}

impl Store {
    /// Stores a single value under a key; `None` deletes it.
    pub fn set_meta_value(&self, key: &str, value: Option<i64>) -> Result<(), StoreError> {
        self.write("storing a value", |transaction| match value {
            Some(value) => transaction.execute(
                "INSERT INTO meta (key, value) VALUES (?1, ?2)
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                params![key, value],
            ),
            None => transaction.execute("DELETE FROM meta WHERE key = ?1", [key]),
        })?;
        Ok(())
    }

    /// Deletes the passes that ended before `before_ms`, with their windows. Open passes and the newest ten
    /// of each source stay. Returns the number of deleted passes.
    pub fn prune_history(&self, before_ms: i64) -> Result<u64, StoreError> {
        let deleted = self.write("deleting old passes", |transaction| {
            transaction.execute(
                "DELETE FROM pass WHERE state <> 'open' AND ended_at < ?1 AND id NOT IN (
                     SELECT id FROM (
                         SELECT id, row_number() OVER
                             (PARTITION BY source_id ORDER BY id DESC) AS place FROM pass)
                     WHERE place <= ?2)",
                params![before_ms, KEPT_PASSES],
            )
        })?;
        Ok(u64::try_from(deleted).unwrap_or_default())
    }

    /// Deletes tombstones whose last change is at `upto` or before. Returns the number of deleted
    /// tombstones.
    ///
    /// A tombstone that a cluster is named after stays. So does the newest record, whose number would be
    /// given out again.
    pub fn prune_tombstones(&self, upto: Version) -> Result<u64, StoreError> {
        let mut all = 0;
        loop {
            let deleted = self.write("deleting old tombstones", |transaction| {
                delete_tombstones(transaction, upto, None)
            })?;
            all += deleted;
            if deleted < u64::from(PRUNED_TOGETHER) {
                return Ok(all);
            }
        }
    }

    /// Returns unused pages to the file system, at most about `limit`. Returns their number.
    pub fn free_pages(&self, limit: u64) -> Result<u64, StoreError> {
        let mut all = 0;
        while all < limit {
            let freed = self.read("returning unused pages", |connection| {
                let unused = || {
                    connection.query_row("PRAGMA freelist_count", [], |row| row.get::<_, u64>(0))
                };
                let before = unused()?;
                let sql = format!("PRAGMA incremental_vacuum({FREED_TOGETHER})");
                let mut statement = connection.prepare(&sql)?;
                let mut rows = statement.query([])?;
                // Each step frees a page.
                while rows.next()?.is_some() {}
                Ok(before.saturating_sub(unused()?))
            })?;
            if freed == 0 {
                break;
            }
            all += freed;
        }
        Ok(all)
    }

    /// Frees the memory of the writer's page cache.
    pub fn shrink_memory(&self) -> Result<(), StoreError> {
        self.read("freeing memory", |connection| {
            connection.execute_batch("PRAGMA shrink_memory")
        })
    }

    /// Copies the write-ahead log into the file and, if nobody reads or writes, empties the log. Returns
    /// whether the log is empty now.
    ///
    /// It never waits for readers, and no writer waits for it: a PASSIVE checkpoint copies what it can,
    /// and only a log that is copied whole is then truncated.
    pub fn checkpoint(&self) -> Result<bool, StoreError> {
        self.read("copying the write-ahead log into the store", |connection| {
            if !checkpoint_within(connection, "PASSIVE", BUSY_TIMEOUT)? {
                return Ok(false);
            }
            checkpoint_within(connection, "TRUNCATE", Duration::ZERO)
        })
    }

    /// Updates the statistics that SQLite plans queries with, where tables have changed much.
    pub fn optimize(&self) -> Result<(), StoreError> {
        self.read("updating statistics", |connection| {
            connection.execute_batch("PRAGMA optimize")
        })
    }
}

/// Deletes some tombstones, those of one source or of all, and updates the counts of their sources. See
/// [`Store::prune_tombstones`].
pub(super) fn delete_tombstones(
    transaction: &Connection,
    upto: Version,
    of: Option<SourceId>,
) -> rusqlite::Result<u64> {
    let ids: Vec<(i64, i64, i64)> = transaction
        .prepare(
            "SELECT id, source_id, version FROM record
             WHERE deleted <> 0 AND version <= ?1 AND id < (SELECT max(id) FROM record)
               AND id NOT IN (SELECT record_id FROM cluster)
               AND id NOT IN (SELECT record_id FROM cluster_redirect)
               AND id NOT IN (SELECT to_record_id FROM cluster_redirect)
               AND id NOT IN (SELECT record_id FROM cluster_member)
               AND id NOT IN (SELECT a FROM decision) AND id NOT IN (SELECT b FROM decision)
               AND (?3 IS NULL OR source_id = ?3)
             ORDER BY version LIMIT ?2",
        )?
        .query_map(params![upto.0, PRUNED_TOGETHER, of.map(|of| of.0)], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut delete = transaction.prepare("DELETE FROM record WHERE id = ?1")?;
    let mut count = transaction
        .prepare("UPDATE source SET deleted_records = deleted_records - 1 WHERE id = ?1")?;
    for (id, source, _) in &ids {
        delete.execute([id])?;
        count.execute([source])?;
    }
    if let Some((.., newest)) = ids.last() {
        transaction.execute(
            "INSERT INTO meta (key, value) VALUES (?1, ?2)
             ON CONFLICT (key) DO UPDATE SET value = max(value, excluded.value)",
            params![PRUNED_TO, newest],
        )?;
    }
    Ok(ids.len() as u64)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::store::{ChangeFilter, PassKind, SourceDefinition};

    fn store(folder: &Path) -> Store {
        Store::open(&folder.join("store.db")).unwrap()
    }

    #[test]
    fn old_passes_are_deleted_and_the_newest_stay() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let definition = SourceDefinition {
            name: "a".into(),
            base_url: "https://a.org/oai".into(),
            metadata_prefix: "oai_dc".into(),
            sets: Vec::new(),
            floor: None,
        };
        let (source, _) = store.register_source(&definition).unwrap();
        for number in 0..25 {
            // Each pass abandons the one before it.
            store
                .begin_pass(source.id, PassKind::Full, true, true, &[], number)
                .unwrap();
        }
        assert_eq!(store.prune_history(0).unwrap(), 0, "none is so old");
        assert_eq!(store.prune_history(10).unwrap(), 9);
        assert_eq!(store.prune_history(1_000).unwrap(), 6);
        let left = store.reader().unwrap().passes(source.id, 100).unwrap();
        assert_eq!(left.len(), 10);
        assert!(store.open_pass(source.id).unwrap().is_some());
    }

    #[test]
    fn old_tombstones_are_deleted_and_min_since_tells_up_to_where() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        store
            .write("filling the store", |transaction| {
                transaction.execute_batch(
                    "INSERT INTO source (id, name, base_url, metadata_prefix, sets, live_records,
                        deleted_records) VALUES (1, 'a', 'https://a.org/oai', 'oai_dc', '[]', 1, 5);
                     INSERT INTO set_list (id, set_specs) VALUES (1, '');
                     INSERT INTO cluster (record_id, generation) VALUES (3, 1);
                     WITH RECURSIVE number (id) AS
                        (SELECT 1 UNION ALL SELECT id + 1 FROM number WHERE id < 6)
                     INSERT INTO record (id, source_id, identifier, set_list_id, deleted,
                        content_hash, version, created_version, seen_pass)
                     SELECT id, 1, 'oai:' || id, 1, id <> 2, x'00', 10 * id, id, 1 FROM number;",
                )
            })
            .unwrap();
        let reader = store.reader().unwrap();
        assert_eq!(store.prune_tombstones(Version(5)).unwrap(), 0);
        assert_eq!(reader.min_since().unwrap(), Version(0), "any is possible");
        assert_eq!(store.prune_tombstones(Version(40)).unwrap(), 2);
        assert_eq!(reader.min_since().unwrap(), Version(40));
        assert_eq!(store.prune_tombstones(Version(99)).unwrap(), 1);
        assert_eq!(reader.min_since().unwrap(), Version(50));
        let mut left = Vec::new();
        let each = |state: crate::store::RecordState| {
            left.push(state.number);
            std::ops::ControlFlow::Continue(())
        };
        reader.states(&ChangeFilter::default(), 0, each).unwrap();
        let live_named_and_newest = [2, 3, 6];
        assert_eq!(left, live_named_and_newest);
        assert_eq!(reader.sources().unwrap()[0].deleted_records, 2);
    }

    #[test]
    fn the_log_is_emptied_only_when_nobody_reads() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        store.set_meta_value("a", Some(1)).unwrap();
        let log = folder.path().join("store.db-wal");
        let bytes = || std::fs::metadata(&log).unwrap().len();
        let reader = store.reader().unwrap();
        let snapshot = reader.connection.unchecked_transaction().unwrap();
        let last_version = Version::last(&snapshot).unwrap();
        store.set_meta_value("a", Some(2)).unwrap();
        assert!(!store.checkpoint().unwrap(), "the snapshot needs the log");
        assert!(bytes() > 0);
        assert_eq!(Version::last(&snapshot).unwrap(), last_version);
        drop(snapshot);
        assert!(store.checkpoint().unwrap());
        assert_eq!(bytes(), 0);
        store.optimize().unwrap();
    }

    #[test]
    fn unused_pages_are_returned() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let bytes = || {
            store.checkpoint().unwrap();
            std::fs::metadata(store.path()).unwrap().len()
        };
        let empty = bytes();
        let execute = |sql: &str| {
            let done = store.write("a test", |transaction| transaction.execute_batch(sql));
            done.unwrap();
        };
        execute("CREATE TABLE filler (a); INSERT INTO filler VALUES (zeroblob(20000000));");
        execute("DROP TABLE filler;");
        let full = bytes();
        assert!(full > 20_000_000);
        let some = store.free_pages(500).unwrap();
        assert!((500..2_000).contains(&some), "{some}");
        store.free_pages(u64::MAX).unwrap();
        assert!(bytes() <= empty + 100_000, "{} of {full}", bytes());
        assert_eq!(store.free_pages(u64::MAX).unwrap(), 0);
    }

    #[test]
    fn values_are_stored_by_key() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let reader = store.reader().unwrap();
        assert_eq!(reader.meta_value("paused:a").unwrap(), None);
        store.set_meta_value("paused:a", Some(5)).unwrap();
        store.set_meta_value("paused:a", Some(6)).unwrap();
        assert_eq!(reader.meta_value("paused:a").unwrap(), Some(6));
        store.set_meta_value("paused:a", None).unwrap();
        assert_eq!(reader.meta_value("paused:a").unwrap(), None);
    }
}
