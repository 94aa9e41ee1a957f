//! The index of match keys: which records hold a key.
//!
//! The newest records' keys are held in memory, and made again from their descriptions where they are
//! not. When there are enough of them, they go to the [runs](crate::store::runs) together. Most keys of
//! a new record are held by no other, for which nothing is read.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::seen::keys_of;
use crate::dedup::keys::Key;
use crate::dedup::packed;
use crate::store::runs::{Gathered, HASH_BITS, MATCH_KEYS, Runs, Sieves};

const _: () = assert!(Key::BITS == HASH_BITS);

/// When so many records came since keys went to the runs, those of all of them go there.
const RECENT_RECORDS: i64 = 32_768;

/// The recent keys in memory, as they were after some transaction.
#[derive(Debug, Default)]
pub(in crate::store) struct Recent {
    holders: BTreeSet<(u64, i64)>,
    /// Records above this one are recent.
    after: i64,
    /// `dedup.recent_token` of that transaction. It is drawn by chance, so that neither a
    /// transaction that failed nor one of another process is mistaken for it.
    token: i64,
    /// Of runs that are as they were, by the token too.
    sieves: Sieves,
}

impl Recent {
    fn load(connection: &Connection, token: i64) -> rusqlite::Result<Self> {
        let after = connection
            .prepare_cached("SELECT indexed_to FROM dedup")?
            .query_row([], |row| row.get(0))?;
        let mut recent = Self {
            token,
            after,
            ..Self::default()
        };
        let mut statement = connection
            .prepare_cached("SELECT record_id, packed FROM description WHERE record_id > ?1")?;
        let mut rows = statement.query([after])?;
        while let Some(row) = rows.next()? {
            let record: i64 = row.get(0)?;
            // What cannot be unpacked is of an older layout, and rebuilt before it is used.
            if let Some(description) = packed::unpack(row.get_ref(1)?.as_blob()?) {
                let keys = keys_of(&description);
                recent.holders.extend(keys.iter().map(|key| (*key, record)));
            }
        }
        Ok(recent)
    }
}

/// The index within one write transaction.
pub(super) struct Index<'a> {
    connection: &'a Connection,
    recent: Recent,
    changed: bool,
    runs: Runs<'a>,
}

impl<'a> Index<'a> {
    /// `token` is that of the store as it is; `kept` is used if it is of the same state.
    pub(super) fn begin(
        connection: &'a Connection,
        kept: Option<Recent>,
        token: i64,
    ) -> rusqlite::Result<Self> {
        let mut recent = match kept.filter(|kept| kept.token == token) {
            Some(kept) => kept,
            None => Recent::load(connection, token)?,
        };
        let sieves = std::mem::take(&mut recent.sieves);
        Ok(Self {
            connection,
            recent,
            changed: false,
            runs: Runs::begin(connection, &MATCH_KEYS, sieves)?,
        })
    }

    /// The records that hold a key, at most `limit` of them, sorted.
    ///
    /// Fastest if keys are asked for in order.
    pub(super) fn holders(&self, key: u64, limit: usize) -> rusqlite::Result<Vec<i64>> {
        let mut found = self.runs.holders(key, limit)?;
        // Recent records come after all others.
        let recent = self.recent.holders.range((key, i64::MIN)..=(key, i64::MAX));
        found.extend(recent.map(|(_, record)| *record).take(limit - found.len()));
        Ok(found)
    }

    /// Changes the keys of a record; both lists are sorted. One without keys is in no index.
    pub(super) fn replace(
        &mut self,
        record: i64,
        old: &[u64],
        new: &[u64],
    ) -> rusqlite::Result<()> {
        // Also a record without keys is one more behind the runs.
        self.changed = true;
        if old == new {
            return Ok(());
        }
        if record <= self.recent.after {
            let gone = old.iter().filter(|key| !new.contains(key));
            let come = new.iter().filter(|key| !old.contains(key));
            let changes = gone.map(|key| (*key, false));
            return changes
                .chain(come.map(|key| (*key, true)))
                .try_for_each(|(key, comes)| self.runs.replace(key, record, comes));
        }
        for key in old {
            self.recent.holders.remove(&(*key, record));
        }
        let added = new.iter().map(|key| (*key, record));
        self.recent.holders.extend(added);
        Ok(())
    }

    /// Ends the transaction's use of the index, and gives what may be kept for the next one.
    pub(super) fn finish(mut self) -> rusqlite::Result<Recent> {
        if !self.changed {
            self.recent.sieves = self.runs.finish();
            return Ok(self.recent);
        }
        let newest = newest_record(self.connection)?;
        if newest - self.recent.after >= RECENT_RECORDS {
            let mut gathered = Gathered::new();
            for (key, record) in &self.recent.holders {
                gathered.add(*key, *record);
            }
            self.runs.put_away(&mut gathered)?;
            self.recent = Recent {
                after: newest,
                ..Recent::default()
            };
            self.connection
                .execute("UPDATE dedup SET indexed_to = ?1", [self.recent.after])?;
        }
        self.recent.token = fastrand::i64(..);
        self.connection
            .prepare_cached("UPDATE dedup SET recent_token = ?1")?
            .execute([self.recent.token])?;
        self.recent.sieves = self.runs.finish();
        Ok(self.recent)
    }
}

fn newest_record(connection: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT coalesce(max(id), 0) FROM record";
    connection
        .prepare_cached(sql)?
        .query_row([], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use rusqlite::params;

    use super::*;
    use crate::dedup::testing::record;
    use crate::store::runs::testing::hash;
    use crate::store::schema;

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

    fn insert(connection: &Connection, record: i64) {
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
    fn keys_are_found_wherever_they_are() {
        let connection = new();
        let mut kept = None;
        let least = RECENT_RECORDS;
        // Enough to fill the runs twice, with some left over.
        let last = 2 * least + 9;
        for part in [1..least + 1, least + 1..2 * least + 5, 2 * least + 5..last] {
            let mut index = Index::begin(&connection, kept, token(&connection)).unwrap();
            for record in part {
                insert(&connection, record);
                let mut keys = [7, hash(record)];
                keys.sort_unstable();
                index.replace(record, &[], &keys).unwrap();
            }
            kept = Some(index.finish().unwrap());
        }
        let kept = kept.unwrap();
        assert_eq!((kept.holders.len(), kept.after), (8, 2 * least + 4));
        let count = |sql: &str| -> i64 { connection.query_row(sql, [], |row| row.get(0)).unwrap() };
        let entries = count("SELECT sum(length(entries)) / 8 FROM match_keys");
        assert_eq!(entries, 2 * (2 * least + 4));

        let index = Index::begin(&connection, Some(kept), token(&connection)).unwrap();
        for record in [1, 2, least, 2 * least, last - 1] {
            assert_eq!(index.holders(hash(record), 9).unwrap(), [record]);
        }
        assert_eq!(index.holders(hash(last), 9).unwrap(), [0_i64; 0]);
        assert_eq!(index.holders(7, 3).unwrap(), [1, 2, 3]);
        assert_eq!(index.holders(7, usize::MAX).unwrap().len() as i64, last - 1);
    }

    #[test]
    fn keys_change_in_either_place() {
        let connection = new();
        (1..=3).for_each(|record| insert(&connection, record));
        let mut gathered = Gathered::new();
        gathered.add(5, 1);
        gathered.add(6, 1);
        Runs::begin(&connection, &MATCH_KEYS, Sieves::default())
            .and_then(|mut runs| runs.put_away(&mut gathered))
            .unwrap();
        connection
            .execute("UPDATE dedup SET indexed_to = 2", [])
            .unwrap();
        let mut index = Index::begin(&connection, None, token(&connection)).unwrap();
        // The second one had no keys when it was new.
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
    fn recent_keys_are_made_again_from_descriptions() {
        let connection = new();
        let description = record("title=The heart of the matter in small mammals; doi=10.1/a");
        for record in 1..=2 {
            insert(&connection, record);
            connection
                .execute(
                    "INSERT INTO description VALUES (?1, ?2)",
                    params![record, packed::pack(&description)],
                )
                .unwrap();
        }
        let index = Index::begin(&connection, None, token(&connection)).unwrap();
        let keys = keys_of(&description);
        assert_eq!(index.recent.holders.len(), 2 * keys.len());
        assert_eq!(index.holders(keys[0], 9).unwrap(), [1, 2]);
        // What another transaction kept is not used.
        connection.execute("DELETE FROM description", []).unwrap();
        connection
            .execute("UPDATE dedup SET recent_token = 9", [])
            .unwrap();
        let index = Index::begin(&connection, Some(index.recent), 9).unwrap();
        assert!(index.recent.holders.is_empty());
    }
}
