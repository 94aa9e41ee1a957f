//! Keeping the file in order: copies, checks, forgetting old history, and the few values that the
//! daemon remembers.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, params};

use super::identifiers::Identifiers;
use super::pack::content_hash_of;
use super::payload::Unpress;
use super::records;
use super::{Reader, Store, StoreError, Version};

/// Passes of each source that are never forgotten.
const KEPT_PASSES: u32 = 10;

/// The value that is the newest version among the tombstones that were forgotten.
const FORGOTTEN: &str = "forgotten_version";

/// Tombstones that one transaction forgets, so that no pass waits for long.
const FORGOTTEN_TOGETHER: u32 = 5_000;

/// Pages that one transaction gives back to the file system.
const FREED_TOGETHER: u32 = 1_000;

/// What [`Reader::verify`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Records whose content was read and compared with its hash.
    pub records: u64,
    /// What is wrong, at most a hundred faults.
    pub faults: Vec<String>,
}

/// More faults than this say nothing new.
const MOST_FAULTS: usize = 100;

impl Reader {
    /// Writes a copy of the whole store as of now to `to`, compact, while others read and write.
    ///
    /// The copy is complete on the disk before it gets its name, and it replaces what had that
    /// name.
    ///
    /// # Errors
    /// As any read; `Io` if the copy cannot be written or named. Nothing is left of it then.
    pub fn backup(&self, to: &Path) -> Result<(), StoreError> {
        let mut part = to.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let io = |doing: &str, error| StoreError::Io {
            path: to.to_owned(),
            doing: doing.to_owned(),
            error,
        };
        match std::fs::remove_file(&part) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(io("removing the rest of an earlier copy", error));
            }
            _ => {}
        }
        let Some(name) = part.to_str() else {
            let error = std::io::Error::new(
                std::io::ErrorKind::InvalidInput,
                "SQLite takes only names in UTF-8",
            );
            return Err(io("naming the copy", error));
        };
        let written = self
            .connection
            .execute("VACUUM INTO ?1", [name])
            .map_err(|error| StoreError::from_sqlite(to, "writing a copy", error))
            .and_then(|_| {
                std::fs::File::open(&part)
                    .and_then(|file| file.sync_all())
                    .and_then(|()| std::fs::rename(&part, to))
                    .map_err(|error| io("naming the copy", error))
            });
        if written.is_err() {
            // What failed is told; that its rest stays too would not help.
            let _ = std::fs::remove_file(&part);
        }
        written
    }

    /// Checks the file's structure, the references between its tables, the counts of each source,
    /// each record's content against its hash, and that it is found by its identifier; `seen` is told
    /// how many records so far.
    ///
    /// # Errors
    /// As any read. Faults of the content are no error: they are what is asked for.
    pub fn verify(&self, mut seen: impl FnMut(u64)) -> Result<Verified, StoreError> {
        self.read("checking the store", |connection| {
            let mut verified = Verified::default();
            check_structure(connection, &mut verified.faults)?;
            check_counts(connection, &mut verified.faults)?;
            check_contents(connection, &mut verified, &mut seen)?;
            check_identifiers(connection, &mut verified.faults)?;
            verified.faults.truncate(MOST_FAULTS);
            Ok(verified)
        })
    }

    /// The lowest version after which a reader of changes may ask to go on; zero if any will do.
    ///
    /// Deletions before it may be forgotten, so that whoever is further back (but not at the very
    /// beginning, where nothing is known yet) would keep records that are gone.
    ///
    /// # Errors
    /// As any read.
    pub fn least_since(&self) -> Result<Version, StoreError> {
        self.remembered(FORGOTTEN)
            .map(|version| Version(version.unwrap_or_default()))
    }

    /// A value that the daemon remembers.
    ///
    /// # Errors
    /// As any read.
    pub fn remembered(&self, key: &str) -> Result<Option<i64>, StoreError> {
        self.read("reading a remembered value", |connection| {
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
                count(*) FILTER (WHERE record.deleted = 0),
                count(*) FILTER (WHERE record.deleted <> 0)
         FROM source LEFT JOIN record ON record.source_id = source.id GROUP BY source.id",
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
    seen: &mut impl FnMut(u64),
) -> rusqlite::Result<()> {
    let mut unpress = Unpress::default();
    let mut statement = connection.prepare(&format!(
        "SELECT {}, record.content_hash FROM record
         JOIN source ON source.id = record.source_id
         JOIN set_list ON set_list.id = record.set_list_id
         LEFT JOIN payload ON payload.record_id = record.id",
        records::COLUMNS
    ))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        verified.records += 1;
        seen(verified.records);
        if verified.faults.len() >= MOST_FAULTS {
            continue;
        }
        let number: i64 = row.get(0)?;
        let record = match records::from_row(connection, row, &mut unpress) {
            Ok(record) => record,
            Err(error) => {
                verified
                    .faults
                    .push(format!("record {number} cannot be read: {error}"));
                continue;
            }
        };
        // A record that vanished keeps the hash of its last state.
        if record.deletion == Some(records::Deletion::Vanished) {
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
                "{} of source {} is not what was stored: its content does not fit its hash",
                record.identifier, record.source
            ));
        }
    }
    Ok(())
}

/// Every record is found by its identifier, and no source has one twice.
fn check_identifiers(connection: &Connection, faults: &mut Vec<String>) -> rusqlite::Result<()> {
    let index = Identifiers::read(connection)?;
    let mut statement = connection.prepare(
        "SELECT record.id, record.identifier, source.name, source.id FROM record
         JOIN source ON source.id = record.source_id ORDER BY record.id",
    )?;
    let mut other = connection.prepare(
        "SELECT EXISTS (SELECT 1 FROM record WHERE id = ?1 AND identifier = ?2 AND source_id = ?3)",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if faults.len() >= MOST_FAULTS {
            break;
        }
        let (number, identifier): (i64, String) = (row.get(0)?, row.get(1)?);
        let (source, source_id): (String, i64) = (row.get(2)?, row.get(3)?);
        let candidates = index.candidates(&identifier)?;
        if !candidates.contains(&number) {
            faults.push(format!(
                "{identifier} of source {source} is not found by its identifier"
            ));
        }
        for before in candidates.into_iter().filter(|other| *other < number) {
            if other.query_row(params![before, identifier, source_id], |row| row.get(0))? {
                faults.push(format!(
                    "source {source} has {identifier} twice, as records {before} and {number}"
                ));
            }
        }
    }
    Ok(())
}

impl Store {
    /// Remembers a value under a key of the daemon's; `None` forgets it.
    ///
    /// # Errors
    /// As any write.
    pub fn remember(&self, key: &str, value: Option<i64>) -> Result<(), StoreError> {
        self.write("remembering a value", |transaction| match value {
            Some(value) => transaction.execute(
                "INSERT INTO meta (key, value) VALUES (?1, ?2)
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                params![key, value],
            ),
            None => transaction.execute("DELETE FROM meta WHERE key = ?1", [key]),
        })?;
        Ok(())
    }

    /// Forgets passes that ended before `before_ms`, with their windows. Open ones and the newest
    /// ten of each source stay. Gives how many went.
    ///
    /// # Errors
    /// As any write.
    pub fn prune_history(&self, before_ms: i64) -> Result<u64, StoreError> {
        let gone = self.write("forgetting old passes", |transaction| {
            transaction.execute(
                "DELETE FROM pass WHERE state <> 'open' AND ended_at < ?1 AND id NOT IN (
                     SELECT id FROM (
                         SELECT id, row_number() OVER
                             (PARTITION BY source_id ORDER BY id DESC) AS place FROM pass)
                     WHERE place <= ?2)",
                params![before_ms, KEPT_PASSES],
            )
        })?;
        Ok(u64::try_from(gone).unwrap_or_default())
    }

    /// Forgets tombstones whose last change is `upto` or older. Gives how many went.
    ///
    /// Those that a cluster is named after stay, as does the newest record, whose number would be
    /// given out again.
    ///
    /// # Errors
    /// As any write.
    pub fn prune_tombstones(&self, upto: Version) -> Result<u64, StoreError> {
        let mut all = 0;
        loop {
            let gone = self.write("forgetting tombstones", |transaction| {
                forget_tombstones(transaction, upto)
            })?;
            all += gone;
            if gone < u64::from(FORGOTTEN_TOGETHER) {
                return Ok(all);
            }
        }
    }

    /// Gives unused pages back to the file system, at most about so many. Gives how many went.
    ///
    /// # Errors
    /// As any write.
    pub fn free_pages(&self, most: u64) -> Result<u64, StoreError> {
        let mut all = 0;
        while all < most {
            let freed = self.read("giving back unused pages", |connection| {
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

    /// Forgets the pages of the file that the writer keeps in memory.
    ///
    /// # Errors
    /// As any write.
    pub fn shrink_memory(&self) -> Result<(), StoreError> {
        self.read("giving memory back", |connection| {
            connection.execute_batch("PRAGMA shrink_memory")
        })
    }

    /// Brings what is in the write-ahead log into the file and empties the log, as far as readers
    /// let it.
    ///
    /// # Errors
    /// As any write.
    pub fn checkpoint(&self) -> Result<(), StoreError> {
        self.read("emptying the write-ahead log", |connection| {
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        })
    }
}

/// Forgets some tombstones, and what is counted of them.
fn forget_tombstones(transaction: &Connection, upto: Version) -> rusqlite::Result<u64> {
    let ids: Vec<(i64, i64, i64)> = transaction
        .prepare(
            "SELECT id, source_id, version FROM record
             WHERE deleted <> 0 AND version <= ?1 AND id < (SELECT max(id) FROM record)
               AND id NOT IN (SELECT record_id FROM cluster)
               AND id NOT IN (SELECT record_id FROM cluster_redirect)
               AND id NOT IN (SELECT to_record_id FROM cluster_redirect)
               AND id NOT IN (SELECT record_id FROM cluster_member)
               AND id NOT IN (SELECT a FROM decision) AND id NOT IN (SELECT b FROM decision)
             ORDER BY version LIMIT ?2",
        )?
        .query_map(params![upto.0, FORGOTTEN_TOGETHER], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut forget = transaction.prepare("DELETE FROM record WHERE id = ?1")?;
    let mut count = transaction
        .prepare("UPDATE source SET deleted_records = deleted_records - 1 WHERE id = ?1")?;
    for (id, source, _) in &ids {
        forget.execute([id])?;
        count.execute([source])?;
    }
    if let Some((.., newest)) = ids.last() {
        transaction.execute(
            "INSERT INTO meta (key, value) VALUES (?1, ?2)
             ON CONFLICT (key) DO UPDATE SET value = max(value, excluded.value)",
            params![FORGOTTEN, newest],
        )?;
    }
    Ok(ids.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{ChangeFilter, PassKind, SourceDefinition};

    fn store(folder: &Path) -> Store {
        Store::open(&folder.join("store.db")).unwrap()
    }

    #[test]
    fn old_passes_are_forgotten_and_the_newest_stay() {
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
    fn old_tombstones_are_forgotten_and_it_is_known_which() {
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
        assert_eq!(reader.least_since().unwrap(), Version(0), "any will do");
        assert_eq!(store.prune_tombstones(Version(40)).unwrap(), 2);
        assert_eq!(reader.least_since().unwrap(), Version(40));
        assert_eq!(store.prune_tombstones(Version(99)).unwrap(), 1);
        assert_eq!(reader.least_since().unwrap(), Version(50));
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
    fn records_that_their_identifiers_do_not_lead_to_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        store
            .write("filling the store", |transaction| {
                transaction.execute_batch(
                    "INSERT INTO source (id, name, base_url, metadata_prefix, sets, live_records,
                        deleted_records) VALUES (1, 'a', 'https://a.org/oai', 'oai_dc', '[]', 0, 3);
                     INSERT INTO set_list (id, set_specs) VALUES (1, '');
                     WITH number (id) AS (VALUES (1), (2), (3))
                     INSERT INTO record (id, source_id, identifier, set_list_id, deleted,
                        content_hash, version, created_version, seen_pass)
                     SELECT id, 1, 'oai:' || (id % 2), 1, 2, x'00', id, id, 1 FROM number;",
                )?;
                let mut index = Identifiers::read(transaction)?;
                index.add("oai:1", 1)?;
                index.add("oai:1", 3)?;
                index.finish()
            })
            .unwrap();
        let verified = store.reader().unwrap().verify(|_| ()).unwrap();
        let expected = [
            "oai:0 of source a is not found by its identifier",
            "source a has oai:1 twice, as records 1 and 3",
        ];
        assert_eq!(verified.faults, expected);
    }

    #[test]
    fn unused_pages_are_given_back() {
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
    fn values_are_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let reader = store.reader().unwrap();
        assert_eq!(reader.remembered("paused:a").unwrap(), None);
        store.remember("paused:a", Some(5)).unwrap();
        store.remember("paused:a", Some(6)).unwrap();
        assert_eq!(reader.remembered("paused:a").unwrap(), Some(6));
        store.remember("paused:a", None).unwrap();
        assert_eq!(reader.remembered("paused:a").unwrap(), None);
    }

    #[test]
    fn a_copy_takes_the_place_of_an_older_one() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        store.remember("paused:a", Some(5)).unwrap();
        let copy = folder.path().join("copy.db");
        std::fs::write(&copy, "an older copy").unwrap();
        std::fs::write(folder.path().join("copy.db.part"), "a broken one").unwrap();
        store.reader().unwrap().backup(&copy).unwrap();
        let copied = Reader::open(&copy).unwrap();
        assert_eq!(copied.remembered("paused:a").unwrap(), Some(5));
        assert_eq!(copied.verify(|_| ()).unwrap(), Verified::default());
        assert!(!folder.path().join("copy.db.part").exists());

        let nowhere = folder.path().join("none/copy.db");
        assert!(store.reader().unwrap().backup(&nowhere).is_err());
    }
}
