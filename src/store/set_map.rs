//! Which sets occur in which stretches of a source's changes, so that a list of a small set skips the rest.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, params};

use super::SourceId;

/// Records of a stretch.
const STRETCH: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// The map, kept in memory. Each part of a source's changes is read once.
///
/// A stretch needs no second look: each change of a record gets a new version at the end, so that a stretch only
/// loses records.
#[derive(Debug)]
pub struct SetMap {
    /// Records of a stretch.
    stretch: usize,
    sources: Mutex<HashMap<SourceId, SourceMap>>,
}

#[derive(Debug, Default)]
struct SourceMap {
    stretches: Vec<Stretch>,
    /// The numbers of the sets, and of those above them.
    numbers: HashMap<String, usize>,
    /// The numbers of the sets in each combination of sets.
    lists: HashMap<i64, Vec<usize>>,
}

#[derive(Debug)]
struct Stretch {
    /// Its last version. It begins behind the stretch before.
    upto: i64,
    /// A bit for each set that a record is in, or was in.
    sets: Vec<u64>,
}

impl Stretch {
    fn has(&self, set: usize) -> bool {
        let word = self.sets.get(set / 64);
        word.is_some_and(|word| word & (1 << (set % 64)) != 0)
    }
}

impl Default for SetMap {
    fn default() -> Self {
        Self::with_stretches(STRETCH)
    }
}

impl SetMap {
    /// A map with so many records in a stretch. Shorter stretches take more memory and less time.
    pub fn with_stretches(records: NonZeroUsize) -> Self {
        Self {
            stretch: records.get(),
            sources: Mutex::default(),
        }
    }

    /// The parts of a span of versions in which records of a source can be that are, or were, in one of `sets`
    /// or below it.
    pub(super) fn spans(
        &self,
        connection: &Connection,
        source: SourceId,
        sets: &[String],
        (after, upto): (i64, i64),
    ) -> rusqlite::Result<Vec<(i64, i64)>> {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let map = sources.entry(source).or_default();
        map.extend(connection, source, self.stretch)?;
        let wanted: Vec<usize> = { sets.iter() }
            .filter_map(|set| map.numbers.get(set).copied())
            .collect();
        let first = map
            .stretches
            .partition_point(|stretch| stretch.upto <= after);
        let mut spans: Vec<(i64, i64)> = Vec::new();
        let mut push = |from: i64, to: i64| match spans.last_mut() {
            Some(last) if last.1 == from => last.1 = to,
            _ => spans.push((from, to)),
        };
        let mut from = after;
        for stretch in &map.stretches[first..] {
            if from >= upto {
                return Ok(spans);
            }
            if wanted.iter().any(|set| stretch.has(*set)) {
                push(from, stretch.upto.min(upto));
            }
            from = stretch.upto;
        }
        if from < upto {
            push(from, upto);
        }
        Ok(spans)
    }
}

impl SourceMap {
    /// Adds the stretches that are complete by now.
    fn extend(
        &mut self,
        connection: &Connection,
        source: SourceId,
        stretch: usize,
    ) -> rusqlite::Result<()> {
        let begin = self.stretches.last().map_or(0, |last| last.upto);
        let mut statement = connection.prepare_cached(
            "SELECT version, set_list_id, former_list_id
             FROM record INDEXED BY record_source_version
             WHERE source_id = ?1 AND version > ?2 ORDER BY version",
        )?;
        let mut rows = statement.query(params![source.0, begin])?;
        let (mut sets, mut records) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            let lists: [Option<i64>; 2] = [row.get(1)?, row.get(2)?];
            for list in lists.into_iter().flatten() {
                for number in self.numbers_of(connection, list)? {
                    let word = number / 64;
                    if sets.len() <= word {
                        sets.resize(word + 1, 0);
                    }
                    sets[word] |= 1_u64 << (number % 64);
                }
            }
            records += 1;
            if records == stretch {
                self.stretches.push(Stretch {
                    upto: row.get(0)?,
                    sets: std::mem::take(&mut sets),
                });
                records = 0;
            }
        }
        Ok(())
    }

    fn numbers_of(&mut self, connection: &Connection, list: i64) -> rusqlite::Result<&[usize]> {
        match self.lists.entry(list) {
            std::collections::hash_map::Entry::Occupied(known) => Ok(known.into_mut()),
            std::collections::hash_map::Entry::Vacant(free) => {
                let text: String = connection
                    .prepare_cached("SELECT set_specs FROM set_list WHERE id = ?1")?
                    .query_row([list], |row| row.get(0))?;
                let mut numbers = Vec::new();
                for set in text.lines().flat_map(with_ancestors) {
                    let next = self.numbers.len();
                    let number = *self.numbers.entry(set.to_owned()).or_insert(next);
                    if !numbers.contains(&number) {
                        numbers.push(number);
                    }
                }
                Ok(free.insert(numbers))
            }
        }
    }
}

/// A setSpec and the setSpecs above it, the highest first.
pub fn with_ancestors(spec: &str) -> impl Iterator<Item = &str> {
    let ends = spec.match_indices(':').map(|(at, _)| at);
    ends.chain([spec.len()]).map(|end| &spec[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ancestors_come_first() {
        let all: Vec<&str> = with_ancestors("a:b:c").collect();
        assert_eq!(all, ["a", "a:b", "a:b:c"]);
    }

    #[test]
    fn stretches_without_the_set_are_skipped() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE set_list (id INTEGER PRIMARY KEY, set_specs TEXT);
                 INSERT INTO set_list VALUES (1, ''), (2, 'a:b\nc'), (3, 'd');
                 CREATE TABLE record (id INTEGER PRIMARY KEY, source_id INTEGER, version INTEGER,
                    set_list_id INTEGER, former_list_id INTEGER);
                 CREATE INDEX record_source_version
                    ON record (source_id, version, set_list_id, former_list_id);",
            )
            .unwrap();
        let add = |version: i64, list: i64, former: Option<i64>| {
            let sql = "INSERT INTO record VALUES (NULL, 7, ?1, ?2, ?3)";
            connection
                .execute(sql, params![version, list, former])
                .unwrap();
        };
        let size = i64::try_from(STRETCH.get()).unwrap();
        for version in 1..=3 * size {
            match version {
                5 => add(version, 2, None),
                version if version == 2 * size + 9 => add(version, 1, Some(3)),
                _ => add(version, 1, None),
            }
        }
        let map = SetMap::default();
        let spans = |set: &str, span| {
            map.spans(&connection, SourceId(7), &[set.to_owned()], span)
                .unwrap()
        };
        let end = 3 * size + 50;
        for set in ["a", "a:b", "c"] {
            assert_eq!(spans(set, (0, end)), [(0, size), (3 * size, end)], "{set}");
        }
        assert_eq!(spans("d", (0, end)), [(2 * size, end)], "one has left it");
        assert_eq!(spans("b", (0, end)), [(3 * size, end)], "no set");
        assert_eq!(spans("a", (3, 10)), [(3, 10)]);
        assert_eq!(spans("a", (size, size + 10)), []);
        assert_eq!(spans("a", (end, end)), []);
        // Later changes are at the end.
        for version in 3 * size + 1..=4 * size {
            add(version, 3, None);
        }
        assert_eq!(spans("d", (0, 5 * size)), [(2 * size, 5 * size)]);
        assert_eq!(spans("a", (0, 5 * size)), [(0, size), (4 * size, 5 * size)]);
    }
}
