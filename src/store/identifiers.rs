//! Which records have an identifier.
//!
//! As text in an index, identifiers would belong anywhere in it: beyond a few hundred thousand records
//! each new one reads a page and writes another. So the [runs](super::runs) keep hashes of them. Those
//! of the newest records are in a table that is small enough for memory, and go to the runs together.
//!
//! A hash may be that of another identifier too, and of a record that was forgotten. Whoever asks for
//! an identifier reads the record anyway, and so sees whether it is the one. That a source has an
//! identifier once is seen to by the one place that adds records: it asks before, in the same
//! transaction.

use rusqlite::{Connection, params};

use super::runs::{Gathered, HASH_BITS, IDENTIFIERS, Runs, Sieves};

/// Records in the small table at the most.
const RECENT_RECORDS: i64 = 32_768;

/// Hashes that are gathered before they are put away, when all are indexed anew: 16 MB of them.
const GATHERED: usize = 2 << 20;

/// The index of identifiers within one transaction.
#[derive(Debug)]
pub(super) struct Identifiers<'a> {
    connection: &'a Connection,
    runs: Runs<'a>,
    changed: bool,
}

impl<'a> Identifiers<'a> {
    /// One to look identifiers up.
    pub(super) fn read(connection: &'a Connection) -> rusqlite::Result<Self> {
        Self::begin(connection, Sieves::default())
    }

    /// `sieves` are what the write transaction before this one left, if it did not fail.
    pub(super) fn begin(connection: &'a Connection, sieves: Sieves) -> rusqlite::Result<Self> {
        Ok(Self {
            connection,
            runs: Runs::begin(connection, &IDENTIFIERS, sieves)?,
            changed: false,
        })
    }

    /// Records that may have this identifier, in whatever source: all that do, seldom others, and
    /// numbers of records that are no longer there.
    pub(super) fn candidates(&self, identifier: &str) -> rusqlite::Result<Vec<i64>> {
        let hash = hash(identifier);
        // What is in the table now may be in the runs by the next statement only outside of a
        // transaction.
        let mut found: Vec<i64> = self
            .connection
            .prepare_cached("SELECT record_id FROM recent_identifier WHERE hash = ?1")?
            .query_map([hash], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        found.extend(self.runs.holders(hash, usize::MAX)?);
        Ok(found)
    }

    /// The records with this identifier, by the names of their sources.
    pub(super) fn records(&self, identifier: &str) -> rusqlite::Result<Vec<i64>> {
        let mut found: Vec<(String, i64)> = Vec::new();
        let mut statement = self.connection.prepare_cached(
            "SELECT source.name, record.id FROM record JOIN source ON source.id = record.source_id
             WHERE record.id = ?1 AND record.identifier = ?2",
        )?;
        for candidate in self.candidates(identifier)? {
            let mut rows = statement.query(params![candidate, identifier])?;
            while let Some(row) = rows.next()? {
                found.push((row.get(0)?, row.get(1)?));
            }
        }
        found.sort_unstable();
        Ok(found.into_iter().map(|(_, record)| record).collect())
    }

    /// Adds a record that is new.
    pub(super) fn add(&mut self, identifier: &str, record: i64) -> rusqlite::Result<()> {
        self.changed = true;
        self.connection
            .prepare_cached("INSERT INTO recent_identifier (hash, record_id) VALUES (?1, ?2)")?
            .execute(params![hash(identifier), record])?;
        Ok(())
    }

    /// To be called once, after the transaction's last record. Gives what may be kept for the next one.
    pub(super) fn finish(mut self) -> rusqlite::Result<Sieves> {
        if self.changed {
            self.put_away()?;
        }
        Ok(self.runs.finish())
    }

    fn put_away(&mut self) -> rusqlite::Result<()> {
        let (newest, indexed): (i64, i64) = self
            .connection
            .prepare_cached(
                "SELECT coalesce(max(id), 0),
                    (SELECT value FROM meta WHERE key = 'identified_to') FROM record",
            )?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if newest - indexed < RECENT_RECORDS {
            return Ok(());
        }
        let mut gathered = Gathered::new();
        let mut statement = self
            .connection
            .prepare_cached("SELECT hash, record_id FROM recent_identifier")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            gathered.add(row.get(0)?, row.get(1)?);
        }
        self.runs.put_away(&mut gathered)?;
        self.connection
            .execute("DELETE FROM recent_identifier", [])?;
        set_identified_to(self.connection, newest)
    }
}

/// Puts the identifiers of all records into an index that is empty.
pub(super) fn index_all(connection: &Connection) -> rusqlite::Result<()> {
    let mut runs = Runs::begin(connection, &IDENTIFIERS, Sieves::default())?;
    let mut gathered = Gathered::new();
    let mut statement = connection.prepare("SELECT id, identifier FROM record ORDER BY id")?;
    let mut rows = statement.query([])?;
    let mut last = 0;
    while let Some(row) = rows.next()? {
        last = row.get(0)?;
        gathered.add(hash(row.get_ref(1)?.as_str()?), last);
        if gathered.len() == GATHERED {
            runs.put_away(&mut gathered)?;
        }
    }
    runs.put_away(&mut gathered)?;
    set_identified_to(connection, last)
}

fn set_identified_to(connection: &Connection, record: i64) -> rusqlite::Result<()> {
    let sql = "UPDATE meta SET value = ?1 WHERE key = 'identified_to'";
    connection.execute(sql, [record])?;
    Ok(())
}

fn hash(identifier: &str) -> u64 {
    let hash = blake3::hash(identifier.as_bytes());
    let (first, _) = hash
        .as_bytes()
        .split_first_chunk()
        .expect("a hash has 32 bytes");
    u64::from_be_bytes(*first) >> (u64::BITS - HASH_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::schema;

    fn new() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        schema::migrate(&connection, 0).unwrap();
        connection
            .execute_batch(
                "INSERT INTO source (id, name, base_url, metadata_prefix, sets) VALUES
                    (1, 'b', 'http://b.example', 'oai_dc', '[]'),
                    (2, 'a', 'http://a.example', 'oai_dc', '[]');
                 INSERT INTO set_list VALUES (1, '');",
            )
            .unwrap();
        connection
    }

    fn insert(connection: &Connection, number: i64, source: i64, identifier: &str) {
        connection
            .prepare_cached(
                "INSERT INTO record (id, source_id, identifier, set_list_id, deleted, content_hash,
                    version, created_version, seen_pass) VALUES (?1, ?2, ?3, 1, 0, x'00', ?1, ?1, 0)",
            )
            .unwrap()
            .execute(params![number, source, identifier])
            .unwrap();
    }

    fn recent(connection: &Connection) -> i64 {
        let sql = "SELECT count(*) FROM recent_identifier";
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn records_are_found_wherever_their_identifiers_are() {
        let connection = new();
        let mut sieves = Sieves::default();
        let last = 2 * RECENT_RECORDS + 5;
        for range in [1..100, 100..RECENT_RECORDS + 9, RECENT_RECORDS + 9..last] {
            let mut index = Identifiers::begin(&connection, sieves).unwrap();
            for number in range {
                let identifier = format!("oai:{number}");
                assert_eq!(index.candidates(&identifier).unwrap(), [0_i64; 0]);
                insert(&connection, number, 1, &identifier);
                index.add(&identifier, number).unwrap();
            }
            sieves = index.finish().unwrap();
        }
        assert_eq!(recent(&connection), last - RECENT_RECORDS - 9);
        let mut index = Identifiers::begin(&connection, sieves).unwrap();
        insert(&connection, last, 2, "oai:7");
        index.add("oai:7", last).unwrap();
        sieves = index.finish().unwrap();
        for sieves in [Sieves::default(), sieves] {
            let index = Identifiers::begin(&connection, sieves).unwrap();
            assert_eq!(index.records("oai:7").unwrap(), [last, 7], "by sources");
            for number in [1, RECENT_RECORDS, last - 1] {
                let found = index.records(&format!("oai:{number}")).unwrap();
                assert_eq!(found, [number]);
            }
            assert_eq!(index.records("oai:0").unwrap(), [0_i64; 0]);
        }
        connection
            .execute("DELETE FROM record WHERE id = 7", [])
            .unwrap();
        let index = Identifiers::read(&connection).unwrap();
        assert_eq!(index.records("oai:7").unwrap(), [last]);
    }

    #[test]
    fn another_identifier_of_one_hash_is_not_taken_for_it() {
        let connection = new();
        insert(&connection, 1, 1, "oai:1");
        let mut index = Identifiers::begin(&connection, Sieves::default()).unwrap();
        index.add("oai:2", 1).unwrap();
        assert_eq!(index.candidates("oai:2").unwrap(), [1]);
        assert_eq!(index.records("oai:2").unwrap(), [0_i64; 0]);
    }

    #[test]
    fn an_older_store_is_indexed_whole() {
        let connection = new();
        for number in 1..=3 {
            insert(&connection, number, 1, &format!("oai:{number}"));
        }
        index_all(&connection).unwrap();
        assert_eq!(recent(&connection), 0);
        let mut index = Identifiers::read(&connection).unwrap();
        assert_eq!(index.records("oai:3").unwrap(), [3]);
        index.add("oai:4", 4).unwrap();
        insert(&connection, 4, 1, "oai:4");
        index.finish().unwrap();
        let index = Identifiers::read(&connection).unwrap();
        assert_eq!(index.records("oai:4").unwrap(), [4]);
    }
}
