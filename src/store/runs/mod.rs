//! An index of hashes: which records hold a hash, however large the store.
//!
//! A hash belongs anywhere in an index that is sorted by hashes. Written there at once, each would read
//! and write a page of the file of its own, and the more so the larger the index is. Whoever uses this
//! one therefore gathers new entries elsewhere, and puts them into the index when there are many.
//!
//! The index is a few runs, of which each was written in one go and is sorted. Gathered entries become
//! a new run, together with the runs before it that are no larger. So an entry is written anew once
//! for each doubling of the store, and there are no more runs than doublings. `gathered` makes them.
//!
//! A run is a row for each of 2^n equal parts of the hashes. A row has its hashes and their holders in
//! eight bytes each, sorted, and is found with one step. The rows of a run come after all rows of the
//! runs before, in order, which leaves no gaps in the file.
//!
//! `sieve` tells which hashes a run does not have, so that most of it need not be read. A run that this
//! process did not write gets its sieve when it was asked for often enough to be worth a reading.

use std::cell::RefCell;
use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

mod gathered;
mod sieve;

pub(super) use gathered::Gathered;
use sieve::Sieve;

/// Bits of a hash; those above are zero.
pub(super) const HASH_BITS: u32 = 40;

/// Blocks of hashes, as a power of two. A run has at least so many parts, since entries lack the upper
/// bits of their hashes.
const BLOCKS: u32 = HASH_BITS - 32;

/// A run that was asked as often as a quarter of its parts is read as a whole.
const PARTS_FOR_AN_ASK: u64 = 4;

/// The table that an index is in, by what is done with it.
#[derive(Debug)]
pub(super) struct Table {
    last: &'static str,
    read: &'static str,
    write: &'static str,
    delete: &'static str,
}

macro_rules! table {
    ($name:literal) => {
        Table {
            last: concat!("SELECT max(part) FROM ", $name, " WHERE part < ?1"),
            read: concat!("SELECT entries FROM ", $name, " WHERE part = ?1"),
            write: concat!(
                "INSERT OR REPLACE INTO ",
                $name,
                " (part, entries) VALUES (?1, ?2)"
            ),
            delete: concat!("DELETE FROM ", $name, " WHERE part >= ?1 AND part < ?2"),
        }
    };
}

/// Which records hold a match key.
pub(super) const MATCH_KEYS: Table = table!("match_keys");

/// Which records have an identifier.
pub(super) const IDENTIFIERS: Table = table!("identifiers");

/// A run as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    /// Its place in the row of all runs that there ever were, below 2^30.
    turn: u64,
    /// How many parts it has, as a power of two.
    power: u32,
}

impl Run {
    /// The row of a part.
    fn row(self, part: u64) -> u64 {
        self.turn << 32 | 1 << self.power | part
    }

    fn part_of(self, hash: u64) -> u64 {
        hash >> (HASH_BITS - self.power)
    }

    /// Its parts that are of a block.
    fn parts_of(self, block: u64) -> std::ops::Range<u64> {
        let wider = self.power - BLOCKS;
        block << wider..(block + 1) << wider
    }
}

/// A holder of a hash within a block: the lower bits of the hash, then the record.
fn entry(hash: u64, record: i64) -> u64 {
    // A file of SQLite is full long before it has four thousand million records of a kilobyte.
    let record = u32::try_from(record).unwrap_or(u32::MAX);
    hash << 32 | u64::from(record)
}

fn holder(entry: u64) -> i64 {
    i64::from(entry as u32)
}

fn block_of(hash: u64) -> u64 {
    hash >> (HASH_BITS - BLOCKS)
}

/// The hash of an entry of a block.
fn hash_of(entry: u64, block: u64) -> u64 {
    block << 32 | entry >> 32
}

/// What a process knows of the runs of an index, to be kept from one transaction to the next.
///
/// Runs are known by their turns. It must be dropped if its transaction fails, and where another
/// process may have changed a run or begun the turns anew: then a hash would seem not to be there.
/// Nobody does so with identifiers; of match keys, `dedup.recent_token` tells.
#[derive(Debug, Default)]
pub(super) struct Sieves(BTreeMap<u64, Known>);

#[derive(Debug)]
enum Known {
    /// How often it was asked for.
    Asked(u64),
    Sieved(Sieve),
}

/// An index within one transaction.
#[derive(Debug)]
pub(super) struct Runs<'a> {
    connection: &'a Connection,
    table: &'static Table,
    /// The oldest first.
    runs: Vec<Run>,
    sieves: RefCell<Sieves>,
    /// The part of each run that was read last, if any was, and its entries.
    parts: RefCell<Vec<(Option<u64>, Vec<u64>)>>,
}

impl<'a> Runs<'a> {
    pub(super) fn begin(
        connection: &'a Connection,
        table: &'static Table,
        mut sieves: Sieves,
    ) -> rusqlite::Result<Self> {
        let mut runs = Vec::new();
        let mut last = connection.prepare_cached(table.last)?;
        let mut end = 1 << 62;
        while let Some(row) = last.query_row([end], |row| row.get::<_, Option<u64>>(0))? {
            let turn = row >> 32;
            runs.push(Run {
                turn,
                power: (row as u32).max(1 << BLOCKS).ilog2(),
            });
            end = turn << 32;
        }
        runs.reverse();
        let is_there = |turn: &u64| runs.iter().any(|run| run.turn == *turn);
        sieves.0.retain(|turn, _| is_there(turn));
        Ok(Self {
            connection,
            table,
            parts: RefCell::new(vec![(None, Vec::new()); runs.len()]),
            runs,
            sieves: RefCell::new(sieves),
        })
    }

    /// What may be kept for the next transaction, if this one does not fail.
    pub(super) fn finish(self) -> Sieves {
        self.sieves.into_inner()
    }

    /// The records that hold a hash, at most `limit` of them, sorted.
    ///
    /// Fastest if hashes are asked for in order. An entry is in one run, or counts twice in the limit.
    pub(super) fn holders(&self, hash: u64, limit: usize) -> rusqlite::Result<Vec<i64>> {
        let mut found: Vec<i64> = Vec::new();
        for at in 0..self.runs.len() {
            if !self.may_hold(self.runs[at], hash)? {
                continue;
            }
            self.in_part(at, hash, |entries| {
                let first = entries.partition_point(|held| *held < entry(hash, 0));
                let held = entries[first..].iter().take(limit - found.len());
                let held = held.take_while(|held| *held >> 32 == entry(hash, 0) >> 32);
                found.extend(held.map(|held| holder(*held)));
                false
            })?;
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// Adds a holder of a hash that is no holder yet, or takes one away. For single ones: it writes a
    /// page of its own.
    pub(super) fn replace(&mut self, hash: u64, record: i64, comes: bool) -> rusqlite::Result<()> {
        let entry = entry(hash, record);
        if comes {
            // The oldest run is written anew least often.
            let Some(run) = self.runs.first() else {
                let mut gathered = Gathered::new();
                gathered.add(hash, record);
                return self.put_away(&mut gathered);
            };
            if let Some(Known::Sieved(sieve)) = self.sieves.borrow_mut().0.get_mut(&run.turn) {
                sieve.add(hash);
            }
            return self.in_part(0, hash, |entries| match entries.binary_search(&entry) {
                Ok(_) => false,
                Err(at) => {
                    entries.insert(at, entry);
                    true
                }
            });
        }
        for at in 0..self.runs.len() {
            if !self.may_hold(self.runs[at], hash)? {
                continue;
            }
            self.in_part(at, hash, |entries| {
                let found = entries.binary_search(&entry);
                found.map(|at| entries.remove(at)).is_ok()
            })?;
        }
        Ok(())
    }

    /// Calls `each` with the entries of the part that a hash belongs to, and writes them if it says so.
    fn in_part(
        &self,
        at: usize,
        hash: u64,
        mut each: impl FnMut(&mut Vec<u64>) -> bool,
    ) -> rusqlite::Result<()> {
        let run = self.runs[at];
        let part = run.part_of(hash);
        let mut parts = self.parts.borrow_mut();
        let (number, entries) = &mut parts[at];
        if *number != Some(part) {
            *number = None;
            entries.clear();
            self.read_part(run, part, entries)?;
            *number = Some(part);
        }
        if each(entries) {
            self.write_part(run, part, entries)?;
        }
        Ok(())
    }

    /// Whether a run may have a hash. False is certain.
    fn may_hold(&self, run: Run, hash: u64) -> rusqlite::Result<bool> {
        let mut sieves = self.sieves.borrow_mut();
        let known = sieves.0.entry(run.turn).or_insert(Known::Asked(0));
        if let Known::Asked(asked) = known {
            *asked += 1;
            if *asked <= (1 << run.power) / PARTS_FOR_AN_ASK {
                return Ok(true);
            }
            let mut sieve = Sieve::of_parts(run.power);
            let mut entries = Vec::new();
            for block in 0..1 << BLOCKS {
                entries.clear();
                self.read_block(run, block, &mut entries)?;
                for entry in &entries {
                    sieve.add(hash_of(*entry, block));
                }
            }
            *known = Known::Sieved(sieve);
        }
        Ok(match known {
            Known::Asked(_) => true,
            Known::Sieved(sieve) => sieve.may_have(hash),
        })
    }

    /// Calls `each` with every hash of the index and its holders, in order.
    pub(super) fn for_each(&self, mut each: impl FnMut(u64, &[i64])) -> rusqlite::Result<()> {
        let (mut entries, mut holders) = (Vec::new(), Vec::new());
        for block in 0..1 << BLOCKS {
            entries.clear();
            for run in &self.runs {
                self.read_block(*run, block, &mut entries)?;
            }
            // Sorted runs one after the other, which this sort takes as such.
            entries.sort();
            entries.dedup();
            for held in entries.chunk_by(|a, b| a >> 32 == b >> 32) {
                holders.clear();
                holders.extend(held.iter().map(|held| holder(*held)));
                each(hash_of(held[0], block), &holders);
            }
        }
        Ok(())
    }

    /// Adds the entries of a block of a run to others.
    fn read_block(&self, run: Run, block: u64, entries: &mut Vec<u64>) -> rusqlite::Result<()> {
        run.parts_of(block)
            .try_for_each(|part| self.read_part(run, part, entries))
    }

    /// Adds the entries of a part of a run to others.
    fn read_part(&self, run: Run, part: u64, entries: &mut Vec<u64>) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached(self.table.read)?
            .query_row([run.row(part)], |row| {
                let bytes = row.get_ref(0)?.as_blob()?;
                let chunks = bytes.as_chunks().0.iter();
                entries.extend(chunks.map(|bytes| u64::from_le_bytes(*bytes)));
                Ok(())
            })
            .optional()?;
        Ok(())
    }

    fn write_part(&self, run: Run, part: u64, entries: &[u64]) -> rusqlite::Result<()> {
        let bytes: Vec<u8> = entries
            .iter()
            .flat_map(|entry| entry.to_le_bytes())
            .collect();
        self.connection
            .prepare_cached(self.table.write)?
            .execute(params![run.row(part), bytes])?;
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod testing {
    /// Numbers that look drawn, in all bits of a hash.
    pub(in crate::store) fn hash(record: i64) -> u64 {
        record.unsigned_abs().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - super::HASH_BITS)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::testing::hash;
    use super::*;
    use crate::store::schema;

    fn new() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        schema::migrate(&connection, 0).unwrap();
        connection
    }

    fn put_away(
        connection: &Connection,
        sieves: Sieves,
        records: std::ops::Range<i64>,
    ) -> (Sieves, Vec<u32>) {
        let mut gathered = Gathered::new();
        for record in records {
            gathered.add(hash(record), record);
            gathered.add(7, record);
        }
        let mut runs = Runs::begin(connection, &MATCH_KEYS, sieves).unwrap();
        runs.put_away(&mut gathered).unwrap();
        assert_eq!(gathered.len(), 0);
        let powers = runs.runs.iter().map(|run| run.power).collect();
        (runs.finish(), powers)
    }

    fn check(runs: &Runs<'_>, last: i64) {
        for record in [1, 2, last / 2, last - 1] {
            assert_eq!(runs.holders(hash(record), 9).unwrap(), [record]);
        }
        assert_eq!(runs.holders(hash(last), 9).unwrap(), [0_i64; 0]);
        assert_eq!(runs.holders(7, 3).unwrap(), [1, 2, 3]);
        assert_eq!(runs.holders(7, usize::MAX).unwrap().len() as i64, last - 1);
    }

    #[test]
    fn runs_are_merged_with_those_that_are_no_larger() {
        let connection = new();
        let (mut sieves, mut powers) = (Sieves::default(), Vec::new());
        let unit = 50_000;
        let mut seen = Vec::new();
        for number in 0..7 {
            let records = 1 + number * unit..1 + (number + 1) * unit;
            (sieves, powers) = put_away(&connection, sieves, records);
            seen.push(powers.len());
            let runs = Runs::begin(&connection, &MATCH_KEYS, std::mem::take(&mut sieves)).unwrap();
            check(&runs, 1 + (number + 1) * unit);
            sieves = runs.finish();
        }
        assert_eq!(seen, [1, 1, 2, 1, 2, 2, 3]);
        assert_eq!(powers, [11, 10, 9]);
        // Nothing is lost or left, and another process finds the same, before and after it has read
        // whole runs.
        let count = "SELECT sum(length(entries)) / 8, count(DISTINCT part >> 32) FROM match_keys";
        let count: (i64, i64) = connection
            .query_row(count, [], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        assert_eq!(count, (2 * 7 * unit, 3));
        let others = Runs::begin(&connection, &MATCH_KEYS, Sieves::default()).unwrap();
        check(&others, 1 + 7 * unit);
        for record in 1..2_000 {
            assert_eq!(others.holders(hash(record), 9).unwrap(), [record]);
        }
        let sieved = |known: &&Known| matches!(known, Known::Sieved(_));
        assert_eq!(others.sieves.borrow().0.values().filter(sieved).count(), 3);
        check(&others, 1 + 7 * unit);
        let mut entries = 0;
        others
            .for_each(|key, holders| {
                entries += holders.len() as i64;
                assert!(key == 7 || holders.iter().all(|record| hash(*record) == key));
            })
            .unwrap();
        assert_eq!(entries, count.0);
    }

    #[test]
    fn single_holders_come_and_go() {
        let connection = new();
        let (sieves, _) = put_away(&connection, Sieves::default(), 1..3);
        let (sieves, powers) = put_away(&connection, sieves, 3..4);
        assert_eq!(powers, [9], "both are of the least size");
        let mut runs = Runs::begin(&connection, &MATCH_KEYS, sieves).unwrap();
        runs.replace(5, 9, true).unwrap();
        runs.replace(5, 8, true).unwrap();
        runs.replace(5, 8, true).unwrap();
        runs.replace(7, 2, false).unwrap();
        runs.replace(7, 4, false).unwrap();
        assert_eq!(runs.holders(5, 9).unwrap(), [8, 9]);
        assert_eq!(runs.holders(7, 9).unwrap(), [1, 3]);
        let again = Runs::begin(&connection, &MATCH_KEYS, runs.finish()).unwrap();
        assert_eq!(again.holders(5, 9).unwrap(), [8, 9]);
        assert_eq!(again.holders(7, 9).unwrap(), [1, 3]);

        let mut empty = Runs::begin(&connection, &IDENTIFIERS, Sieves::default()).unwrap();
        assert_eq!(empty.holders(5, 9).unwrap(), [0_i64; 0]);
        empty.replace(5, 1, false).unwrap();
        empty.replace(5, 2, true).unwrap();
        assert_eq!(empty.holders(5, 9).unwrap(), [2]);
    }

    #[test]
    fn a_holder_is_added_by_whichever_ask_makes_the_sieve() {
        for asks in 0..100 {
            let connection = new();
            put_away(&connection, Sieves::default(), 1..3);
            let mut runs = Runs::begin(&connection, &MATCH_KEYS, Sieves::default()).unwrap();
            for _ in 0..asks {
                runs.holders(hash(1), 9).unwrap();
            }
            runs.replace(5, 9, true).unwrap();
            assert_eq!(runs.holders(5, 9).unwrap(), [9], "after {asks}");
            runs.replace(5, 9, false).unwrap();
            assert_eq!(runs.holders(5, 9).unwrap(), [0_i64; 0], "after {asks}");
        }
    }

    /// What is done to an index in a transaction of its own.
    #[derive(Debug, Clone)]
    enum Change {
        PutAway(Vec<(u8, u8)>),
        Replace(u8, u8, bool),
    }

    fn change() -> impl Strategy<Value = Change> {
        let entry = || (any::<u8>(), any::<u8>());
        prop_oneof![
            prop::collection::vec(entry(), 0..40).prop_map(Change::PutAway),
            (entry(), any::<bool>()).prop_map(|((a, b), comes)| Change::Replace(a, b, comes)),
        ]
    }

    /// How a transaction ends.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum End {
        Commit,
        Fail,
        /// Committed, and the next one is of another process.
        Leave,
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn holders_are_those_that_were_put_there(
            changes in prop::collection::vec((change(), prop::sample::select(
                vec![End::Commit, End::Commit, End::Fail, End::Leave]), 0_usize..120), 1..30),
        ) {
            // So few that they are shared, in all blocks.
            let hash = |drawn: u8| hash(i64::from(drawn % 40));
            let connection = new();
            let mut expected: BTreeMap<u64, BTreeSet<i64>> = BTreeMap::new();
            let mut sieves = Sieves::default();
            for (change, end, asks) in changes {
                let before = expected.clone();
                let transaction = connection.unchecked_transaction().unwrap();
                let mut runs = Runs::begin(&transaction, &IDENTIFIERS, sieves).unwrap();
                match change {
                    Change::PutAway(entries) => {
                        let mut gathered = Gathered::new();
                        for (drawn, record) in entries {
                            gathered.add(hash(drawn), record.into());
                            expected.entry(hash(drawn)).or_default().insert(record.into());
                        }
                        runs.put_away(&mut gathered).unwrap();
                    }
                    Change::Replace(drawn, record, comes) => {
                        runs.replace(hash(drawn), record.into(), comes).unwrap();
                        let holders = expected.entry(hash(drawn)).or_default();
                        match comes {
                            true => holders.insert(record.into()),
                            false => holders.remove(&record.into()),
                        };
                    }
                }
                sieves = runs.finish();
                if end == End::Fail {
                    transaction.rollback().unwrap();
                    expected = before;
                } else {
                    transaction.commit().unwrap();
                }
                if end != End::Commit {
                    sieves = Sieves::default();
                }
                let runs = Runs::begin(&connection, &IDENTIFIERS, sieves).unwrap();
                // Sometimes often enough for a sieve to be made.
                for drawn in (0..40).cycle().take(asks) {
                    let holders = expected.get(&hash(drawn)).cloned().unwrap_or_default();
                    prop_assert_eq!(runs.holders(hash(drawn), 300).unwrap(), Vec::from_iter(holders));
                }
                sieves = runs.finish();
            }
        }
    }
}
