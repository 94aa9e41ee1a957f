//! The index of match keys: which records hold a key.
//!
//! The table `match_key` holds the keys of all records up to `dedup.indexed_to`. The keys of newer
//! records are in memory. A key belongs anywhere in the table, so a key that is inserted alone writes
//! a page alone; many keys that are inserted in order share their pages.

use std::collections::BTreeSet;

use rusqlite::{Connection, params};

use super::describe::keys_of;
use crate::dedup::keys::Key;
use crate::dedup::packed;

/// The number of recent records whose keys are moved to the table together.
const RECENT_RECORDS: i64 = 32_768;

/// The keys that are sorted together when all descriptions are indexed: 64 MiB, the keys of about
/// a million records.
const BATCH: usize = 4 << 20;

/// The keys of recent records, as the last transaction left them.
#[derive(Debug, Default)]
pub(in crate::store) struct RecentKeys {
    holders: BTreeSet<(u64, i64)>,
    /// Records with higher numbers are recent.
    after: i64,
    /// `dedup.recent_token` of that transaction. It is random, so keys of a failed transaction, or
    /// from before another process wrote, are never mistaken for the present ones.
    token: i64,
}

impl RecentKeys {
    /// Computes the keys again from the stored descriptions.
    fn load(connection: &Connection, token: i64) -> rusqlite::Result<Self> {
        let after = connection
            .prepare_cached("SELECT indexed_to FROM dedup")?
            .query_row([], |row| row.get(0))?;
        let mut holders = BTreeSet::new();
        for_each_key(connection, after, |key, record| {
            holders.insert((key, record));
            Ok(())
        })?;
        Ok(Self {
            holders,
            after,
            token,
        })
    }
}

/// The index within one write transaction.
pub(super) struct KeyIndex<'a> {
    connection: &'a Connection,
    recent: RecentKeys,
    changed: bool,
}

impl<'a> KeyIndex<'a> {
    /// `token` is the store's present one; `recent` is used only if it has the same token.
    pub(super) fn begin(
        connection: &'a Connection,
        recent: Option<RecentKeys>,
        token: i64,
    ) -> rusqlite::Result<Self> {
        let recent = match recent.filter(|recent| recent.token == token) {
            Some(recent) => recent,
            None => RecentKeys::load(connection, token)?,
        };
        Ok(Self {
            connection,
            recent,
            changed: false,
        })
    }

    /// The records that hold a key, sorted, at most `limit` of them.
    pub(super) fn holders(&self, key: u64, limit: usize) -> rusqlite::Result<Vec<i64>> {
        let mut found: Vec<i64> = self
            .connection
            .prepare_cached(
                "SELECT record_id FROM match_key WHERE key = ?1 ORDER BY record_id LIMIT ?2",
            )?
            .query_map(params![key, limit.min(i64::MAX as usize)], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        // Recent records have higher numbers than all others.
        let recent = self.recent.holders.range((key, i64::MIN)..=(key, i64::MAX));
        found.extend(recent.map(|(_, record)| *record).take(limit - found.len()));
        Ok(found)
    }

    /// Replaces the keys of a record; both lists are sorted.
    pub(super) fn replace(
        &mut self,
        record: i64,
        old: &[u64],
        new: &[u64],
    ) -> rusqlite::Result<()> {
        // A record without keys counts as recent too.
        self.changed = true;
        let removed = old.iter().filter(|key| !new.contains(key));
        let added = new.iter().filter(|key| !old.contains(key));
        if record > self.recent.after {
            for key in removed {
                self.recent.holders.remove(&(*key, record));
            }
            self.recent.holders.extend(added.map(|key| (*key, record)));
            return Ok(());
        }
        for key in removed {
            self.connection
                .prepare_cached("DELETE FROM match_key WHERE key = ?1 AND record_id = ?2")?
                .execute(params![key, record])?;
        }
        insert(self.connection, added.map(|key| (*key, record)))
    }

    /// Makes the table have a key of a record, or not, as its description says. Keys of recent records are
    /// not in the table.
    pub(super) fn correct(&mut self, key: u64, record: i64, has_key: bool) -> rusqlite::Result<()> {
        if has_key && record <= self.recent.after {
            return insert(self.connection, [(key, record)]);
        }
        self.connection
            .prepare_cached("DELETE FROM match_key WHERE key = ?1 AND record_id = ?2")?
            .execute(params![key, record])?;
        Ok(())
    }

    /// Ends the transaction's use of the index, and returns the recent keys for the next one.
    pub(super) fn finish(mut self) -> rusqlite::Result<RecentKeys> {
        if !self.changed {
            return Ok(self.recent);
        }
        let newest: i64 = self
            .connection
            .prepare_cached("SELECT coalesce(max(id), 0) FROM record")?
            .query_row([], |row| row.get(0))?;
        if newest - self.recent.after >= RECENT_RECORDS {
            insert(self.connection, std::mem::take(&mut self.recent.holders))?;
            self.recent.after = newest;
            set_indexed_to(self.connection, newest)?;
        }
        self.recent.token = fastrand::i64(..);
        self.connection
            .prepare_cached("UPDATE dedup SET recent_token = ?1")?
            .execute([self.recent.token])?;
        Ok(self.recent)
    }
}

/// Fills the empty table from the descriptions of all records.
pub(in crate::store) fn index_all(connection: &Connection) -> rusqlite::Result<()> {
    let mut batch = KeyBatch::default();
    for_each_key(connection, 0, |key, record| {
        batch.add(connection, key, record)
    })?;
    let newest = connection.query_row("SELECT coalesce(max(id), 0) FROM record", [], |row| {
        row.get(0)
    })?;
    batch.finish(connection, newest)
}

/// Keys that are sorted and inserted together.
#[derive(Debug, Default)]
pub(super) struct KeyBatch(Vec<(u64, i64)>);

impl KeyBatch {
    /// Adds a key, and inserts the batch when it is full.
    pub(super) fn add(
        &mut self,
        connection: &Connection,
        key: u64,
        record: i64,
    ) -> rusqlite::Result<()> {
        self.0.push((key, record));
        if self.0.len() >= BATCH {
            self.insert(connection)?;
        }
        Ok(())
    }

    /// Inserts the rest, and notes that all records up to `last` are indexed.
    pub(super) fn finish(mut self, connection: &Connection, last: i64) -> rusqlite::Result<()> {
        self.insert(connection)?;
        set_indexed_to(connection, last)
    }

    fn insert(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.0.sort_unstable();
        insert(connection, self.0.drain(..))
    }
}

/// Calls `each` with the keys that two records or more hold, and with their holders.
pub(super) fn for_each_shared(
    connection: &Connection,
    mut each: impl FnMut(&[i64]),
) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare("SELECT key, record_id FROM match_key ORDER BY key, record_id")?;
    let mut rows = statement.query([])?;
    let (mut key, mut holders) = (None, Vec::new());
    while let Some(row) = rows.next()? {
        let next: Option<u64> = row.get(0)?;
        if next != key {
            if holders.len() > 1 {
                each(&holders);
            }
            key = next;
            holders.clear();
        }
        holders.push(row.get(1)?);
    }
    if holders.len() > 1 {
        each(&holders);
    }
    Ok(())
}

/// A part of all keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyRange {
    first: u64,
    /// The last key, inclusive.
    last: u64,
}

impl KeyRange {
    /// Ranges that cover all keys, so that those of one range can be sorted in memory.
    pub(super) fn all(records: u64) -> Vec<Self> {
        /// More than the average.
        const KEYS_OF_RECORD: u64 = 8;
        let parts = 1 + records * KEYS_OF_RECORD / BATCH as u64;
        let width = (1 << Key::BITS) / parts;
        (0..parts)
            .map(|part| Self {
                first: part * width,
                last: match part + 1 == parts {
                    true => u64::MAX >> 1,
                    false => (part + 1) * width - 1,
                },
            })
            .collect()
    }
}

/// A record that has a key in the table and not in its description, or the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyDifference {
    pub(super) key: u64,
    pub(super) record: i64,
}

/// The differences between the table and the descriptions, for the keys of one range.
pub(super) fn differences(
    connection: &Connection,
    range: KeyRange,
) -> rusqlite::Result<Vec<KeyDifference>> {
    let indexed_to: i64 =
        connection.query_row("SELECT indexed_to FROM dedup", [], |row| row.get(0))?;
    let mut expected = Vec::new();
    for_each_key(connection, 0, |key, record| {
        if record <= indexed_to && (range.first..=range.last).contains(&key) {
            expected.push((key, record));
        }
        Ok(())
    })?;
    expected.sort_unstable();
    let mut expected = expected.into_iter().peekable();
    let mut found = Vec::new();
    let mut note = |(key, record)| found.push(KeyDifference { key, record });
    let mut statement = connection.prepare_cached(
        "SELECT key, record_id FROM match_key WHERE key >= ?1 AND key <= ?2
         ORDER BY key, record_id",
    )?;
    let mut rows = statement.query(params![range.first, range.last])?;
    while let Some(row) = rows.next()? {
        let entry = (row.get(0)?, row.get(1)?);
        while let Some(missing) = expected.next_if(|next| *next < entry) {
            note(missing);
        }
        if expected.next_if_eq(&entry).is_none() {
            note(entry);
        }
    }
    expected.for_each(note);
    Ok(found)
}

fn insert(
    connection: &Connection,
    entries: impl IntoIterator<Item = (u64, i64)>,
) -> rusqlite::Result<()> {
    let mut insert = connection
        .prepare_cached("INSERT OR IGNORE INTO match_key (key, record_id) VALUES (?1, ?2)")?;
    for (key, record) in entries {
        insert.execute(params![key, record])?;
    }
    Ok(())
}

fn set_indexed_to(connection: &Connection, record: i64) -> rusqlite::Result<()> {
    connection.execute("UPDATE dedup SET indexed_to = ?1", [record])?;
    Ok(())
}

/// Calls `each` with the keys of the records whose numbers are above `after`, record by record.
fn for_each_key(
    connection: &Connection,
    after: i64,
    mut each: impl FnMut(u64, i64) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut statement = connection
        .prepare_cached("SELECT record_id, packed FROM description WHERE record_id > ?1")?;
    let mut rows = statement.query([after])?;
    while let Some(row) = rows.next()? {
        let record: i64 = row.get(0)?;
        // A description that cannot be unpacked has an older layout; a rebuild replaces it before use.
        if let Some(description) = packed::unpack(row.get_ref(1)?.as_blob()?) {
            for key in keys_of(&description).iter() {
                each(*key, record)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dedup::testing::record;
    use crate::store::schema;

    /// A key that looks random, in all 40 bits.
    fn hash(record: i64) -> u64 {
        record.unsigned_abs().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 24
    }

    fn token(connection: &Connection) -> i64 {
        let sql = "SELECT recent_token FROM dedup";
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    fn new() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        schema::migrate(&connection, 0).unwrap();
        connection
            .execute_batch(
                "INSERT INTO source VALUES (1, 's', 'http://s.example', 'oai_dc', '[]', NULL, 0, 0, '{}');
                 INSERT INTO set_list VALUES (1, '');",
            )
            .unwrap();
        connection
    }

    fn insert_record(connection: &Connection, record: i64) {
        connection
            .prepare_cached(
                "INSERT INTO record (id, source_id, identifier, set_list_id, deleted, content_hash,
                    version, created_version, seen_pass)
                 VALUES (?1, 1, ?1, 1, 0, x'00', ?1, ?1, 0)",
            )
            .unwrap()
            .execute([record])
            .unwrap();
    }

    #[test]
    fn keys_are_found_in_the_table_and_in_memory() {
        let connection = new();
        let mut recent = None;
        let least = RECENT_RECORDS;
        // Enough to move keys to the table twice, with some left over.
        let last = 2 * least + 9;
        for part in [1..least + 1, least + 1..2 * least + 5, 2 * least + 5..last] {
            let mut index = KeyIndex::begin(&connection, recent, token(&connection)).unwrap();
            for record in part {
                insert_record(&connection, record);
                let mut keys = [7, hash(record)];
                keys.sort_unstable();
                index.replace(record, &[], &keys).unwrap();
            }
            recent = Some(index.finish().unwrap());
        }
        let recent = recent.unwrap();
        assert_eq!((recent.holders.len(), recent.after), (8, 2 * least + 4));
        let count = |sql: &str| -> i64 { connection.query_row(sql, [], |row| row.get(0)).unwrap() };
        assert_eq!(count("SELECT count(*) FROM match_key"), 2 * (2 * least + 4));

        let index = KeyIndex::begin(&connection, Some(recent), token(&connection)).unwrap();
        for record in [1, 2, least, 2 * least, last - 1] {
            assert_eq!(index.holders(hash(record), 9).unwrap(), [record]);
        }
        assert_eq!(index.holders(hash(last), 9).unwrap(), [0_i64; 0]);
        assert_eq!(index.holders(7, 3).unwrap(), [1, 2, 3]);
        assert_eq!(index.holders(7, usize::MAX).unwrap().len() as i64, last - 1);
        let mut shared = Vec::new();
        for_each_shared(&connection, |holders| shared.push(holders.len() as i64)).unwrap();
        assert_eq!(shared, [2 * least + 4], "only the key 7");
    }

    #[test]
    fn keys_change_in_the_table_and_in_memory() {
        let connection = new();
        (1..=3).for_each(|record| insert_record(&connection, record));
        insert(&connection, [(5, 1), (6, 1)]).unwrap();
        set_indexed_to(&connection, 2).unwrap();
        let mut index = KeyIndex::begin(&connection, None, token(&connection)).unwrap();
        // The second record had no keys when it was new.
        index.replace(2, &[], &[6]).unwrap();
        index.replace(3, &[], &[6]).unwrap();
        index.replace(1, &[5, 6], &[6, 1 << 39]).unwrap();
        assert_eq!(index.holders(6, 9).unwrap(), [1, 2, 3]);
        assert_eq!(index.holders(5, 9).unwrap(), [0_i64; 0]);
        assert_eq!(index.holders(1 << 39, 9).unwrap(), [1]);
        index.replace(2, &[6], &[]).unwrap();
        index.replace(3, &[6], &[]).unwrap();
        assert_eq!(index.holders(6, 9).unwrap(), [1]);
        assert!(index.finish().unwrap().holders.is_empty());
    }

    #[test]
    fn recent_keys_are_computed_again_from_descriptions() {
        let connection = new();
        let description = record("title=The heart of the matter in small mammals; doi=10.1/a");
        for record in 1..=2 {
            insert_record(&connection, record);
            connection
                .execute(
                    "INSERT INTO description VALUES (?1, ?2)",
                    params![record, packed::pack(&description)],
                )
                .unwrap();
        }
        let index = KeyIndex::begin(&connection, None, token(&connection)).unwrap();
        let keys = keys_of(&description);
        assert_eq!(index.recent.holders.len(), 2 * keys.len());
        assert_eq!(index.holders(keys[0], 9).unwrap(), [1, 2]);
        let before = index.recent;

        // Moved to the table, they are the same.
        index_all(&connection).unwrap();
        let index = KeyIndex::begin(&connection, None, token(&connection)).unwrap();
        assert!(index.recent.holders.is_empty());
        assert_eq!(index.holders(keys[0], 9).unwrap(), [1, 2]);

        // Keys from another state of the store are not used.
        connection
            .execute("UPDATE dedup SET recent_token = 9", [])
            .unwrap();
        let index = KeyIndex::begin(&connection, Some(before), 9).unwrap();
        assert!(index.recent.holders.is_empty());
    }
}
