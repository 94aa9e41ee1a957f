//! The index of match keys: which records hold a key.
//!
//! Keys are hashes, so each of a record's keys belongs on another page of the index; written at
//! once, a page of 100 records would rewrite 500 pages of the file. New keys therefore go to
//! `recent_keys`, one row a record, and are held in memory as well; when there are enough of them,
//! they are put into the index in its order.

use std::collections::{BTreeSet, HashSet};

use rusqlite::{Connection, params};

/// Records whose keys are recent, at the least and at the most: beyond it they go to the index.
/// Between the two, it is one of this many stored records.
const RECENT_RECORDS: (i64, i64) = (32_768, 262_144);
const RECENT_SHARE: i64 = 32;

/// The recent keys in memory, as they were after some transaction.
#[derive(Debug, Default)]
pub(in crate::store) struct Recent {
    holders: BTreeSet<(u64, i64)>,
    records: HashSet<i64>,
    /// `dedup.recent_token` of that transaction. It is drawn by chance, so that neither a
    /// transaction that failed nor one of another process is mistaken for it.
    token: i64,
}

impl Recent {
    fn load(connection: &Connection, token: i64) -> rusqlite::Result<Self> {
        let mut recent = Self {
            token,
            ..Self::default()
        };
        let mut statement = connection.prepare_cached("SELECT record_id, keys FROM recent_keys")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let record: i64 = row.get(0)?;
            let keys = row.get_ref(1)?.as_blob()?.chunks_exact(8);
            let keys = keys.filter_map(|bytes| bytes.try_into().ok().map(u64::from_le_bytes));
            recent.holders.extend(keys.map(|key| (key, record)));
            recent.records.insert(record);
        }
        Ok(recent)
    }
}

/// The index within one write transaction.
pub(super) struct Index<'a> {
    connection: &'a Connection,
    recent: Recent,
    changed: bool,
    /// Whether there is anything but recent keys.
    has_older: bool,
}

impl<'a> Index<'a> {
    /// `token` is that of the store as it is; `kept` is used if it is of the same state.
    pub(super) fn begin(
        connection: &'a Connection,
        kept: Option<Recent>,
        token: i64,
    ) -> rusqlite::Result<Self> {
        let recent = match kept.filter(|kept| kept.token == token) {
            Some(kept) => kept,
            None => Recent::load(connection, token)?,
        };
        let has_older =
            connection.query_row("SELECT EXISTS (SELECT 1 FROM match_key)", [], |row| {
                row.get(0)
            })?;
        Ok(Self {
            connection,
            recent,
            changed: false,
            has_older,
        })
    }

    /// The records that hold a key, at most `limit` of them, sorted.
    pub(super) fn holders(&self, key: u64, limit: usize) -> rusqlite::Result<Vec<i64>> {
        let recent = self.recent.holders.range((key, i64::MIN)..=(key, i64::MAX));
        let mut found: Vec<i64> = recent.map(|(_, record)| *record).take(limit).collect();
        if self.has_older && found.len() < limit {
            let mut statement = self
                .connection
                .prepare_cached("SELECT record_id FROM match_key WHERE key = ?1 LIMIT ?2")?;
            let mut rows = statement.query(params![key.cast_signed(), limit - found.len()])?;
            while let Some(row) = rows.next()? {
                found.push(row.get(0)?);
            }
            found.sort_unstable();
        }
        Ok(found)
    }

    /// Changes the keys of a record; both lists are sorted. One without keys is in no index.
    pub(super) fn replace(
        &mut self,
        record: i64,
        old: &[u64],
        new: &[u64],
    ) -> rusqlite::Result<()> {
        if old == new {
            return Ok(());
        }
        if !old.is_empty() && !self.recent.records.contains(&record) {
            return self.replace_older(record, old, new);
        }
        self.changed = true;
        for key in old {
            self.recent.holders.remove(&(*key, record));
        }
        if new.is_empty() {
            self.recent.records.remove(&record);
            self.connection
                .prepare_cached("DELETE FROM recent_keys WHERE record_id = ?1")?
                .execute([record])?;
            return Ok(());
        }
        self.recent.records.insert(record);
        self.recent
            .holders
            .extend(new.iter().map(|key| (*key, record)));
        let bytes: Vec<u8> = new.iter().flat_map(|key| key.to_le_bytes()).collect();
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO recent_keys (record_id, keys) VALUES (?1, ?2)")?
            .execute(params![record, bytes])?;
        Ok(())
    }

    fn replace_older(&self, record: i64, old: &[u64], new: &[u64]) -> rusqlite::Result<()> {
        let mut delete = self
            .connection
            .prepare_cached("DELETE FROM match_key WHERE key = ?1 AND record_id = ?2")?;
        for key in old.iter().filter(|key| !new.contains(key)) {
            delete.execute(params![key.cast_signed(), record])?;
        }
        let mut insert = self
            .connection
            .prepare_cached("INSERT OR IGNORE INTO match_key (key, record_id) VALUES (?1, ?2)")?;
        for key in new.iter().filter(|key| !old.contains(key)) {
            insert.execute(params![key.cast_signed(), record])?;
        }
        Ok(())
    }

    /// Ends the transaction's use of the index, and gives what may be kept for the next one.
    pub(super) fn finish(mut self) -> rusqlite::Result<Recent> {
        if !self.changed {
            return Ok(self.recent);
        }
        let records: i64 =
            self.connection
                .query_row("SELECT coalesce(max(id), 0) FROM record", [], |row| {
                    row.get(0)
                })?;
        let (least, most) = RECENT_RECORDS;
        let most = (records / RECENT_SHARE).clamp(least, most);
        if self.recent.records.len() as u64 >= most.unsigned_abs() {
            insert_sorted(self.connection, &self.recent.holders)?;
            self.connection.execute("DELETE FROM recent_keys", [])?;
            self.recent = Recent::default();
        }
        self.recent.token = fastrand::i64(..);
        self.connection
            .prepare_cached("UPDATE dedup SET recent_token = ?1")?
            .execute([self.recent.token])?;
        Ok(self.recent)
    }
}

/// Puts keys into the index; fast if they come in its order.
pub(super) fn insert_sorted<'k>(
    connection: &Connection,
    holders: impl IntoIterator<Item = &'k (u64, i64)>,
) -> rusqlite::Result<()> {
    let mut insert = connection
        .prepare_cached("INSERT OR IGNORE INTO match_key (key, record_id) VALUES (?1, ?2)")?;
    for (key, record) in holders {
        insert.execute(params![key.cast_signed(), record])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::schema;

    fn token(connection: &Connection) -> i64 {
        let sql = "SELECT recent_token FROM dedup";
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    fn rows(connection: &Connection, table: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        connection.query_row(&sql, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn keys_are_found_wherever_they_are() {
        let connection = Connection::open_in_memory().unwrap();
        schema::migrate(&connection, 0).unwrap();
        let mut kept = None;
        // Enough to fill the recent keys once, with some left over.
        for part in [1..RECENT_RECORDS.0, RECENT_RECORDS.0..RECENT_RECORDS.0 + 9] {
            let mut index = Index::begin(&connection, kept, token(&connection)).unwrap();
            for record in part {
                let own = record.unsigned_abs() << 8;
                index.replace(record, &[], &[7, own]).unwrap();
            }
            kept = Some(index.finish().unwrap());
        }
        assert_eq!(rows(&connection, "recent_keys"), 0);
        assert_eq!(rows(&connection, "match_key"), 2 * (RECENT_RECORDS.0 + 8));

        let mut index = Index::begin(&connection, kept, token(&connection)).unwrap();
        assert_eq!(index.holders(7, 3).unwrap().len(), 3);
        assert_eq!(index.holders(5 << 8, 3).unwrap(), [5]);
        index.replace(5, &[7, 5 << 8], &[5 << 8, 9]).unwrap();
        index.replace(100_000, &[], &[9]).unwrap();
        index.replace(100_001, &[], &[9]).unwrap();
        assert_eq!(index.holders(9, 9).unwrap(), [5, 100_000, 100_001]);
        index.replace(100_000, &[9], &[]).unwrap();
        let kept = index.finish().unwrap();
        assert_eq!(rows(&connection, "recent_keys"), 1);

        // What was kept from another state is not used.
        for kept in [None, Some(kept), Some(Recent::default())] {
            let index = Index::begin(&connection, kept, token(&connection)).unwrap();
            assert_eq!(index.holders(9, 9).unwrap(), [5, 100_001]);
            assert_eq!(index.holders(9, 1).unwrap().len(), 1);
        }
    }
}
