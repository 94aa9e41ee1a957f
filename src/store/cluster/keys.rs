//! The index of match keys: which records hold a key.
//!
//! Keys are hashes, so each of a record's keys belongs elsewhere in an index by key; written at once,
//! a page of 100 records would rewrite 500 pages of the file. The newest records' keys are therefore
//! held in memory, and made again from their descriptions where they are not. When there are enough
//! of them, they go to the index together.
//!
//! The index is a row for each of 2^n equal parts of the keys, and n grows with the store. A row is
//! its keys and their holders in eight bytes each, sorted, which is found with one step. Whenever keys
//! go there, all parts are written anew after the old ones, in order, which leaves no gaps in the file.
//! What that shows of the keys is kept in memory, a bit for many of them: most keys of a new record
//! are held by no other, which the index need not be read for then.

use std::cell::RefCell;
use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, params};

use super::seen::keys_of;
use super::sieve::Sieve;
use crate::dedup::keys::Key;
use crate::dedup::packed;

/// Records whose keys are recent, at the least and at the most: beyond it they go to the index.
/// Between the two, it is one of this many stored records.
const RECENT_RECORDS: (i64, i64) = (32_768, 262_144);
const RECENT_SHARE: i64 = 16;

/// Parts that the index has, as powers of two: so many that the part and the lower half of an entry
/// give a whole key, and so few that they are counted in an instant.
const PARTS: (u32, u32) = (Key::BITS - 32, 24);

/// Entries that a part has on average before it is cut into two: 2 kB.
const PART_ENTRIES: i64 = 256;

/// Keys of a record, on average and generously.
const KEYS: i64 = 6;

/// The recent keys in memory, as they were after some transaction.
#[derive(Debug, Default)]
pub(in crate::store) struct Recent {
    holders: BTreeSet<(u64, i64)>,
    /// Records above this one are recent.
    after: i64,
    /// Records that are recent.
    records: i64,
    /// `dedup.recent_token` of that transaction. It is drawn by chance, so that neither a
    /// transaction that failed nor one of another process is mistaken for it.
    token: i64,
    /// The keys of the index, once this process has written it.
    indexed: Option<Sieve>,
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
                recent.records += 1;
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
    /// `None` if there are but recent keys.
    parts: Option<Parts>,
    /// The part that was read last, and its entries.
    part: RefCell<Option<(u64, Vec<u64>)>>,
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
        Ok(Self {
            connection,
            recent,
            changed: false,
            parts: Parts::read(connection)?,
            part: RefCell::default(),
        })
    }

    /// The records that hold a key, at most `limit` of them, sorted.
    ///
    /// Fastest if keys are asked for in order.
    pub(super) fn holders(&self, key: u64, limit: usize) -> rusqlite::Result<Vec<i64>> {
        let mut found = Vec::new();
        let indexed = self.recent.indexed.as_ref();
        let may_be_indexed = indexed.is_none_or(|sieve| sieve.may_have(key));
        if let Some(parts) = self.parts.filter(|_| may_be_indexed) {
            self.read_part(parts, part_of(key, parts.power))?;
            if let Some((_, entries)) = &*self.part.borrow() {
                let first = entries.partition_point(|held| *held < entry(key, 0));
                let held = entries[first..].iter().take(limit);
                let held = held.take_while(|held| *held >> 32 == entry(key, 0) >> 32);
                found.extend(held.map(|held| holder(*held)));
            }
        }
        // Recent records come after all others.
        let recent = self.recent.holders.range((key, i64::MIN)..=(key, i64::MAX));
        found.extend(recent.map(|(_, record)| *record).take(limit - found.len()));
        Ok(found)
    }

    fn read_part(&self, parts: Parts, part: u64) -> rusqlite::Result<()> {
        let mut known = self.part.borrow_mut();
        if known.as_ref().is_none_or(|(number, _)| *number != part) {
            let mut entries = known.take().map(|(_, entries)| entries).unwrap_or_default();
            read_part(self.connection, parts.row(part), &mut entries)?;
            *known = Some((part, entries));
        }
        Ok(())
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
        if record <= self.recent.after {
            return self.replace_older(record, old, new);
        }
        self.changed = true;
        for key in old {
            self.recent.holders.remove(&(*key, record));
        }
        let added = new.iter().map(|key| (*key, record));
        self.recent.holders.extend(added);
        self.recent.records += i64::from(!new.is_empty()) - i64::from(!old.is_empty());
        Ok(())
    }

    fn replace_older(&mut self, record: i64, old: &[u64], new: &[u64]) -> rusqlite::Result<()> {
        let Some(parts) = self.parts else {
            return Ok(());
        };
        let gone = old.iter().filter(|key| !new.contains(key));
        let come = new.iter().filter(|key| !old.contains(key));
        let changes = gone.map(|key| (*key, false));
        for (key, comes) in changes.chain(come.map(|key| (*key, true))) {
            let part = part_of(key, parts.power);
            self.read_part(parts, part)?;
            let mut known = self.part.borrow_mut();
            let Some((_, entries)) = &mut *known else {
                continue;
            };
            let entry = entry(key, record);
            match (entries.binary_search(&entry), comes) {
                (Ok(at), false) => drop(entries.remove(at)),
                (Err(at), true) => entries.insert(at, entry),
                _ => continue,
            }
            if let Some(sieve) = &mut self.recent.indexed {
                sieve.add(key);
            }
            write_part(self.connection, parts.row(part), entries)?;
        }
        Ok(())
    }

    /// Ends the transaction's use of the index, and gives what may be kept for the next one.
    pub(super) fn finish(mut self) -> rusqlite::Result<Recent> {
        if !self.changed {
            return Ok(self.recent);
        }
        let last = last_record(self.connection)?;
        let (least, most) = RECENT_RECORDS;
        if self.recent.records >= (last / RECENT_SHARE).clamp(least, most) {
            let mut gathered = Gathered::new();
            for (key, record) in &self.recent.holders {
                gathered.add(*key, *record);
            }
            self.recent = Recent {
                after: last,
                ..Recent::default()
            };
            self.recent.indexed = Some(gathered.put_away(self.connection, last)?);
            self.connection
                .execute("UPDATE dedup SET indexed_to = ?1", [last])?;
        }
        self.recent.token = fastrand::i64(..);
        self.connection
            .prepare_cached("UPDATE dedup SET recent_token = ?1")?
            .execute([self.recent.token])?;
        Ok(self.recent)
    }
}

/// The newest record.
pub(super) fn last_record(connection: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT coalesce(max(id), 0) FROM record";
    connection
        .prepare_cached(sql)?
        .query_row([], |row| row.get(0))
}

/// The parts of the index as they are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parts {
    /// How often they were written anew, as far as that is known.
    turn: u64,
    /// How many there are, as a power of two.
    power: u32,
}

impl Parts {
    /// Those in the store; `None` if there are none.
    fn read(connection: &Connection) -> rusqlite::Result<Option<Self>> {
        let last: Option<u64> = connection
            .prepare_cached("SELECT max(part) FROM match_keys")?
            .query_row([], |row| row.get(0))?;
        Ok(last.map(|last| Self {
            turn: last >> 32,
            power: (last as u32).max(1).ilog2(),
        }))
    }

    /// The row of a part. Rows of a turn come after all rows of the turns before.
    fn row(self, part: u64) -> u64 {
        self.turn << 32 | 1 << self.power | part
    }
}

/// The number of parts that suits this many records, as a power of two.
fn parts_for(records: i64) -> u32 {
    let wanted = records.saturating_mul(KEYS) / PART_ENTRIES;
    let (least, most) = PARTS;
    wanted
        .unsigned_abs()
        .max(1)
        .next_power_of_two()
        .ilog2()
        .clamp(least, most)
}

fn part_of(key: u64, parts: u32) -> u64 {
    key >> (Key::BITS - parts)
}

/// A holder of a key within the key's part: the lower bits of the key, then the record.
fn entry(key: u64, record: i64) -> u64 {
    // A file of SQLite is full long before it has four thousand million records of a kilobyte.
    let record = u32::try_from(record).unwrap_or(u32::MAX);
    key << 32 | u64::from(record)
}

fn holder(entry: u64) -> i64 {
    i64::from(entry as u32)
}

/// The key of an entry of a part.
fn key_of(entry: u64, part: u64, parts: u32) -> u64 {
    let upper = part << (Key::BITS - parts) >> 32 << 32;
    upper | entry >> 32
}

fn read_part(connection: &Connection, row: u64, entries: &mut Vec<u64>) -> rusqlite::Result<()> {
    entries.clear();
    connection
        .prepare_cached("SELECT entries FROM match_keys WHERE part = ?1")?
        .query_row([row], |row| {
            let bytes = row.get_ref(0)?.as_blob()?;
            let chunks = bytes.as_chunks().0.iter();
            entries.extend(chunks.map(|bytes| u64::from_le_bytes(*bytes)));
            Ok(())
        })
        .optional()?;
    Ok(())
}

fn write_part(connection: &Connection, row: u64, entries: &[u64]) -> rusqlite::Result<()> {
    let bytes: Vec<u8> = entries
        .iter()
        .flat_map(|entry| entry.to_le_bytes())
        .collect();
    connection
        .prepare_cached("INSERT OR REPLACE INTO match_keys (part, entries) VALUES (?1, ?2)")?
        .execute(params![row, bytes])?;
    Ok(())
}

/// Keys with their holders that go to the index together.
#[derive(Debug)]
pub(super) struct Gathered {
    /// Entries by the upper bits of their keys, which entries do not have.
    entries: Vec<Vec<u64>>,
    count: usize,
}

impl Gathered {
    pub(super) fn new() -> Self {
        Self {
            entries: vec![Vec::new(); 1 << PARTS.0],
            count: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn add(&mut self, key: u64, record: i64) {
        self.entries[part_of(key, PARTS.0) as usize].push(entry(key, record));
        self.count += 1;
    }

    /// Puts them into the index, which then has parts for so many records, and is empty again. Gives
    /// all keys that the index has then.
    pub(super) fn put_away(
        &mut self,
        connection: &Connection,
        records: i64,
    ) -> rusqlite::Result<Sieve> {
        for entries in &mut self.entries {
            entries.sort_unstable();
        }
        let before = Parts::read(connection)?;
        let old = before.map_or(PARTS.0, |before| before.power);
        let now = Parts {
            turn: before.map_or(0, |before| before.turn + 1),
            power: parts_for(records).max(old),
        };
        let mut delete = connection.prepare_cached("DELETE FROM match_keys WHERE part = ?1")?;
        let mut entries = Vec::new();
        let mut sieve = Sieve::new(records.saturating_mul(KEYS).unsigned_abs());
        for part in 0..1_u64 << old {
            entries.clear();
            if let Some(before) = before {
                read_part(connection, before.row(part), &mut entries)?;
                delete.execute([before.row(part)])?;
            }
            entries.extend(self.of_part(part, old));
            // Two sorted runs, which this sort takes as such.
            entries.sort();
            entries.dedup();
            for entry in &entries {
                sieve.add(key_of(*entry, part, old));
            }
            let mut rest = entries.as_slice();
            let wider = now.power - old;
            for number in part << wider..(part + 1) << wider {
                let inside = |entry: &u64| part_of(key_of(*entry, part, old), now.power) == number;
                let (own, others) = rest.split_at(rest.partition_point(inside));
                write_part(connection, now.row(number), own)?;
                rest = others;
            }
        }
        self.entries.iter_mut().for_each(Vec::clear);
        self.count = 0;
        Ok(sieve)
    }

    fn of_part(&self, part: u64, parts: u32) -> &[u64] {
        let entries = &self.entries[(part >> (parts - PARTS.0)) as usize];
        let inside = |entry: &u64| part_of(key_of(*entry, part, parts), parts);
        let begin = entries.partition_point(|entry| inside(entry) < part);
        let length = entries[begin..].partition_point(|entry| inside(entry) == part);
        &entries[begin..begin + length]
    }
}

/// Calls `each` with every key of the index and its holders, in order.
pub(super) fn for_each_key(
    connection: &Connection,
    mut each: impl FnMut(u64, &[i64]),
) -> rusqlite::Result<()> {
    let Some(parts) = Parts::read(connection)? else {
        return Ok(());
    };
    let (mut entries, mut holders) = (Vec::new(), Vec::new());
    for part in 0..1 << parts.power {
        read_part(connection, parts.row(part), &mut entries)?;
        for held in entries.chunk_by(|a, b| a >> 32 == b >> 32) {
            holders.clear();
            holders.extend(held.iter().map(|held| holder(*held)));
            each(key_of(held[0], part, parts.power), &holders);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dedup::testing::record;
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

    /// Numbers that look drawn, in all bits of a key.
    fn own_key(record: i64) -> u64 {
        record.unsigned_abs().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - Key::BITS)
    }

    #[test]
    fn keys_are_found_wherever_they_are() {
        let connection = new();
        let mut kept = None;
        let least = RECENT_RECORDS.0;
        // Enough to fill the index twice, which then has other parts, with some left over.
        let last = 2 * least + 9;
        for part in [1..least + 1, least + 1..2 * least + 5, 2 * least + 5..last] {
            let mut index = Index::begin(&connection, kept, token(&connection)).unwrap();
            for record in part {
                insert(&connection, record);
                let mut keys = [7, own_key(record)];
                keys.sort_unstable();
                index.replace(record, &[], &keys).unwrap();
            }
            kept = Some(index.finish().unwrap());
        }
        let kept = kept.unwrap();
        assert_eq!((kept.records, kept.after), (4, 2 * least + 4));
        let parts = Parts {
            turn: 1,
            power: parts_for(2 * least + 4),
        };
        assert_eq!(Parts::read(&connection).unwrap(), Some(parts));
        let count = |sql: &str| -> i64 { connection.query_row(sql, [], |row| row.get(0)).unwrap() };
        let entries = count("SELECT sum(length(entries)) / 8 FROM match_keys");
        assert_eq!(entries, 2 * (2 * least + 4));

        let index = Index::begin(&connection, Some(kept), token(&connection)).unwrap();
        for record in [1, 2, least, 2 * least, last - 1] {
            assert_eq!(index.holders(own_key(record), 9).unwrap(), [record]);
        }
        assert_eq!(index.holders(own_key(last), 9).unwrap(), [0_i64; 0]);
        assert_eq!(index.holders(7, 3).unwrap(), [1, 2, 3]);
        assert_eq!(index.holders(7, usize::MAX).unwrap().len() as i64, last - 1);
        let mut seen = 0;
        for_each_key(&connection, |key, holders| {
            seen += holders.len() as i64;
            assert!(key == 7 || holders.iter().all(|record| own_key(*record) == key));
        })
        .unwrap();
        assert_eq!(seen, entries);
    }

    #[test]
    fn keys_change_in_either_place() {
        let connection = new();
        (1..=3).for_each(|record| insert(&connection, record));
        let mut gathered = Gathered::new();
        gathered.add(5, 1);
        gathered.add(6, 1);
        gathered.put_away(&connection, 1).unwrap();
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
        assert_eq!(index.finish().unwrap().records, 0);
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
        assert_eq!(index.recent.records, 2);
        assert_eq!(index.holders(keys[0], 9).unwrap(), [1, 2]);
        // What another transaction kept is not used.
        connection.execute("DELETE FROM description", []).unwrap();
        connection
            .execute("UPDATE dedup SET recent_token = 9", [])
            .unwrap();
        let index = Index::begin(&connection, Some(index.recent), 9).unwrap();
        assert_eq!(index.recent.records, 0);
    }
}
