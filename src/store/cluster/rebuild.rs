//! All descriptions, keys and clusters anew, from the records as they are stored.
//!
//! A rebuild is a row of steps, each a transaction of its own, so that harvests go on meanwhile; what
//! they change is clustered at the end, as any change is. Clusters that are up to date are there for
//! readers all the time, and then all steps are one transaction.

use std::collections::{BTreeSet, HashSet};
use std::thread;

use rusqlite::{Connection, OptionalExtension, params};

use super::graph::Graph;
use super::keys::{Index, Recent};
use super::seen::{Seen, describe};
use super::settle::{Clusters, Touched, recluster, stamp_at};
use super::state::{ClusterState, Stored};
use crate::dedup::memory::{KEY_CAP, in_parallel};
use crate::store::payload::{Dictionaries, Unpress};
use crate::store::runs::{Gathered, MATCH_KEYS, Runs, Sieves};
use crate::store::{Store, StoreError, Version};

/// Records that are described together, by all cores, while the ones before them are stored and the
/// next ones read.
const BATCH: usize = 4096;

/// Keys that are sorted together: 128 MiB of them, of about three million records.
const RUN: usize = 16 << 20;

/// Records that are clustered with what is known of one another kept in memory.
const CHUNK: usize = 2048;

/// The records about which people decided.
const DECIDED: &str = "SELECT a FROM decision UNION SELECT b FROM decision";

/// What a rebuild found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Live records.
    pub records: u64,
    /// Those of them that can be compared with others.
    pub described: u64,
    /// Records that are in another cluster than before, or at another place in it.
    pub moved: u64,
}

impl Store {
    /// Makes all descriptions, keys and clusters anew. Names of clusters, and decisions, stay.
    ///
    /// Where clusters are not up to date, each step is a transaction of its own, other writers get
    /// their turn in between, and a run that is cut off leaves them so. Where they are, it is one
    /// transaction: readers see the old clusters until it ends, other writers wait, and a run that is
    /// cut off changes nothing.
    ///
    /// Memory is a matter of the batches, not of the store, but for a few bytes for each record that
    /// shares a key with another one. `progress` is told the number of records read so far.
    ///
    /// # Errors
    /// As any write; [`StoreError::RebuiltElsewhere`] if another process began to do the same, and
    /// then it is left to that one.
    pub fn rebuild_clusters(
        &self,
        now_ms: i64,
        progress: impl FnMut(u64),
    ) -> Result<Rebuilt, StoreError> {
        const DOING: &str = "rebuilding clusters";
        if self.cluster_state()? == ClusterState::Current {
            return self.write(DOING, |transaction| {
                rebuild(|step| step(transaction), now_ms, progress)
            });
        }
        // Nobody else writes the token while clusters are not up to date, but for another rebuild.
        let mut expected = None;
        let steps = |step: Step<'_>| {
            let done = self.write(DOING, |transaction| {
                let token = Stored::read(transaction)?.recent_token;
                if expected.is_some_and(|expected| expected != token) {
                    return Ok(false);
                }
                step(transaction)?;
                expected = Some(Stored::read(transaction)?.recent_token);
                Ok(true)
            })?;
            match done {
                true => Ok(()),
                false => Err(StoreError::RebuiltElsewhere {
                    path: self.path().to_owned(),
                }),
            }
        };
        rebuild(steps, now_ms, progress)
    }
}

/// What is to be done in one transaction.
type Step<'a> = &'a mut dyn FnMut(&Connection) -> rusqlite::Result<()>;

fn rebuild<E>(
    mut run: impl FnMut(Step<'_>) -> Result<(), E>,
    now_ms: i64,
    mut progress: impl FnMut(u64),
) -> Result<Rebuilt, E> {
    let mut begun = (Vec::new(), 0);
    run(&mut |connection| {
        begun = clear(connection)?;
        Ok(())
    })?;
    let (sources, since) = begun;
    let mut rebuilt = describe_all(&mut run, &mut progress)?;
    let stamped = cluster_all(&mut run, &sources, since, now_ms)?;
    rebuilt.moved = stamped.iter().map(|stamped| stamped.count).sum();
    rebuilt.moved += catch_up(&mut run, &sources, since, &stamped, now_ms)?;
    Ok(rebuilt)
}

/// Makes room, and gives the preferred sources and the newest version.
fn clear(connection: &Connection) -> rusqlite::Result<(Vec<String>, i64)> {
    for table in ["description", "match_keys"] {
        connection.execute(&format!("DELETE FROM {table}"), [])?;
    }
    connection.execute(
        "UPDATE dedup SET indexed_to = 0, recent_token = ?1",
        [fastrand::i64(..)],
    )?;
    Ok((
        Stored::read(connection)?.sources,
        Version::last(connection)?.0,
    ))
}

/// A record's metadata as it is read.
struct Text {
    record: i64,
    metadata_prefix: String,
    dictionary_id: i64,
    /// `None` if it came without.
    packed: Option<Vec<u8>>,
}

fn describe_all<E>(
    run: &mut impl FnMut(Step<'_>) -> Result<(), E>,
    progress: &mut impl FnMut(u64),
) -> Result<Rebuilt, E> {
    let mut rebuilt = Rebuilt::default();
    let mut dictionaries = Dictionaries::default();
    let mut keys = Gathered::new();
    let mut batch = Vec::new();
    let mut last = 0;
    run(&mut |connection| {
        batch = read_batch(connection, &mut dictionaries, 0)?;
        Ok(())
    })?;
    // Described, and not stored yet.
    let mut ready = Ok(Vec::new());
    while let Some(text) = batch.last() {
        last = text.record;
        let mut next = Vec::new();
        let mut learnt = dictionaries.clone();
        let (described, stored) = thread::scope(|scope| {
            let describing = scope.spawn(|| describe_batch(&batch, &dictionaries));
            let stored = run(&mut |connection| {
                rebuilt.described += put(connection, &mut ready, &mut keys)?;
                if keys.len() >= RUN {
                    put_away(connection, &mut keys)?;
                }
                next = read_batch(connection, &mut learnt, last)?;
                Ok(())
            });
            let described = describing
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (described, stored)
        });
        stored?;
        rebuilt.records += batch.len() as u64;
        progress(rebuilt.records);
        (ready, batch, dictionaries) = (described, next, learnt);
    }
    run(&mut |connection| {
        rebuilt.described += put(connection, &mut ready, &mut keys)?;
        put_away(connection, &mut keys)?;
        connection.execute("UPDATE dedup SET indexed_to = ?1", [last])?;
        Ok(())
    })?;
    Ok(rebuilt)
}

fn put_away(connection: &Connection, keys: &mut Gathered) -> rusqlite::Result<()> {
    Runs::begin(connection, &MATCH_KEYS, Sieves::default())?.put_away(keys)
}

/// Stores descriptions, gathers their keys, and gives of how many records the rules see anything.
fn put(
    connection: &Connection,
    described: &mut rusqlite::Result<Vec<(i64, Seen)>>,
    keys: &mut Gathered,
) -> rusqlite::Result<u64> {
    let described = std::mem::replace(described, Ok(Vec::new()))?;
    let mut insert =
        connection.prepare_cached("INSERT INTO description (record_id, packed) VALUES (?1, ?2)")?;
    for (record, seen) in &described {
        insert.execute(params![record, &*seen.packed])?;
        for key in seen.keys.iter() {
            keys.add(*key, *record);
        }
    }
    let comparable = described.iter().filter(|(_, seen)| seen.is_comparable());
    Ok(comparable.count() as u64)
}

fn read_batch(
    connection: &Connection,
    dictionaries: &mut Dictionaries,
    after: i64,
) -> rusqlite::Result<Vec<Text>> {
    let mut statement = connection.prepare_cached(
        "SELECT record.id, source.metadata_prefix, payload.dictionary_id, payload.metadata
         FROM record JOIN source ON source.id = record.source_id
         LEFT JOIN payload ON payload.record_id = record.id
         WHERE record.id > ?1 AND record.deleted = 0 ORDER BY record.id",
    )?;
    let mut rows = statement.query([after])?;
    let mut batch = Vec::with_capacity(BATCH);
    while let Some(row) = rows.next()? {
        let dictionary_id = row.get::<_, Option<i64>>(2)?.unwrap_or_default();
        dictionaries.learn(connection, dictionary_id)?;
        batch.push(Text {
            record: row.get(0)?,
            metadata_prefix: row.get(1)?,
            dictionary_id,
            packed: row.get(3)?,
        });
        if batch.len() == BATCH {
            break;
        }
    }
    Ok(batch)
}

fn describe_batch(
    batch: &[Text],
    dictionaries: &Dictionaries,
) -> rusqlite::Result<Vec<(i64, Seen)>> {
    let parts = in_parallel(batch.len(), |range| {
        let mut unpress = Unpress::default();
        let mut described = Vec::with_capacity(range.len());
        for text in &batch[range] {
            let unpack =
                |packed: &Vec<u8>| unpress.unpack_with(dictionaries, text.dictionary_id, packed);
            let metadata = text.packed.as_ref().map(unpack).transpose()?;
            let metadata = metadata.as_deref();
            let metadata = metadata.and_then(|metadata| std::str::from_utf8(metadata).ok());
            described.push((text.record, describe(&text.metadata_prefix, metadata)));
        }
        Ok(described)
    });
    let parts: Vec<Vec<(i64, Seen)>> = parts.into_iter().collect::<rusqlite::Result<_>>()?;
    Ok(parts.into_iter().flatten().collect())
}

/// The versions that a step gave to moved records: those after one up to another.
struct Stamped {
    after: i64,
    upto: i64,
    count: u64,
}

/// Clusters all records that can be in a cluster with others, or were in one.
///
/// Those that others changed after version `since` keep their version, by which they are found again
/// later: it is new to all readers anyway.
fn cluster_all<E>(
    run: &mut impl FnMut(Step<'_>) -> Result<(), E>,
    sources: &[String],
    since: i64,
    now_ms: i64,
) -> Result<Vec<Stamped>, E> {
    let mut stamped = Vec::new();
    let mut done: HashSet<i64> = HashSet::new();
    let mut recent = None;
    let mut cluster = |connection: &Connection, seeds: &[i64], emptied: BTreeSet<i64>| {
        let token = Stored::read(connection)?.recent_token;
        let index = Index::begin(connection, recent.take(), token)?;
        let seeds = seeds.iter().filter(|seed| !done.contains(seed));
        let mut graph = Graph::new(connection, &index)?;
        let seeds = seeds.copied().collect();
        let mut clustered = recluster(&mut graph, sources, seeds, emptied, |_| false)?;
        drop(graph);
        recent = Some(index.finish()?);
        done.extend(clustered.members);
        retain_older(connection, &mut clustered.moved, since)?;
        let after = Version::last(connection)?.0;
        let count = stamp_at(connection, clustered.moved, now_ms)?;
        let upto = Version::last(connection)?.0;
        stamped.push(Stamped { after, upto, count });
        Ok(())
    };
    let mut seeds = Vec::new();
    run(&mut |connection| {
        let emptied = numbers(
            connection,
            "SELECT DISTINCT cluster_id FROM cluster_member WHERE NOT EXISTS
                (SELECT 1 FROM description WHERE description.record_id = cluster_member.record_id)",
        )?;
        cluster(connection, &[], emptied)?;
        let mut found = numbers(connection, "SELECT record_id FROM cluster_member")?;
        found.extend(numbers(connection, DECIDED)?);
        found.extend(sharing(connection)?);
        seeds = Vec::from_iter(found);
        Ok(())
    })?;
    for chunk in seeds.chunks(CHUNK) {
        run(&mut |connection| cluster(connection, chunk, BTreeSet::new()))?;
    }
    Ok(stamped)
}

/// Leaves out the records whose version is after `since`.
fn retain_older(
    connection: &Connection,
    records: &mut BTreeSet<i64>,
    since: i64,
) -> rusqlite::Result<()> {
    let mut newer = connection.prepare_cached("SELECT version > ?2 FROM record WHERE id = ?1")?;
    let mut left = BTreeSet::new();
    for record in std::mem::take(records) {
        let newer: Option<bool> = newer
            .query_row([record, since], |row| row.get(0))
            .optional()?;
        if newer == Some(false) {
            left.insert(record);
        }
    }
    *records = left;
    Ok(())
}

fn numbers(connection: &Connection, sql: &str) -> rusqlite::Result<BTreeSet<i64>> {
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| row.get(0))?;
    rows.collect()
}

/// Clusters what others changed since the rebuild began, and then declares the clusters up to date.
/// Gives how many further records moved.
fn catch_up<E>(
    run: &mut impl FnMut(Step<'_>) -> Result<(), E>,
    sources: &[String],
    since: i64,
    stamped: &[Stamped],
    now_ms: i64,
) -> Result<u64, E> {
    // The versions between those that the rebuild gave out itself.
    let begins = std::iter::once(since).chain(stamped.iter().map(|stamped| stamped.upto));
    let ends = stamped.iter().map(|stamped| stamped.after);
    let spans = begins.zip(ends.chain([i64::MAX]));
    let mut recent: Option<Recent> = None;
    let mut moved = 0;
    for (mut after, upto) in spans.filter(|(after, upto)| after < upto) {
        let mut complete = false;
        while !complete {
            run(&mut |connection| {
                let (touched, last) = changed(connection, after, upto)?;
                complete = touched.len() < CHUNK;
                after = last;
                let stored = Stored::read(connection)?;
                let index = Index::begin(connection, recent.take(), stored.recent_token)?;
                let mut clusters = Clusters {
                    connection,
                    index,
                    sources: sources.to_vec(),
                };
                moved += stamp_at(connection, clusters.settle(touched)?, now_ms)?;
                if complete && upto == i64::MAX {
                    // What people decided meanwhile changed no record.
                    let decided = numbers(connection, DECIDED)?;
                    let mut graph = Graph::new(connection, &clusters.index)?;
                    let done = recluster(&mut graph, sources, decided, BTreeSet::new(), |_| false)?;
                    moved += stamp_at(connection, done.moved, now_ms)?;
                }
                recent = Some(clusters.finish()?);
                if complete && upto == i64::MAX {
                    end(connection, sources)?;
                }
                Ok(())
            })?;
        }
    }
    Ok(moved)
}

/// Declares the clusters up to date, unless somebody wants none or others meanwhile.
fn end(connection: &Connection, sources: &[String]) -> rusqlite::Result<()> {
    let stored = Stored::read(connection)?;
    if stored.state == ClusterState::Off || stored.sources != sources {
        return Ok(());
    }
    let stored = Stored {
        state: ClusterState::Current,
        recent_token: fastrand::i64(..),
        ..stored
    };
    stored.write(connection)
}

/// The next records of a span of versions, with the version of the last one.
fn changed(
    connection: &Connection,
    after: i64,
    upto: i64,
) -> rusqlite::Result<(Vec<Touched>, i64)> {
    let mut statement = connection.prepare_cached(
        "SELECT record.id, record.version, source.metadata_prefix, payload.dictionary_id,
                payload.metadata, record.deleted
         FROM record INDEXED BY record_version JOIN source ON source.id = record.source_id
         LEFT JOIN payload ON payload.record_id = record.id AND record.deleted = 0
         WHERE record.version > ?1 AND record.version <= ?2 ORDER BY record.version",
    )?;
    let mut rows = statement.query([after, upto])?;
    let mut unpress = Unpress::default();
    let (mut touched, mut last) = (Vec::new(), after);
    while let Some(row) = rows.next()? {
        last = row.get(1)?;
        let prefix: String = row.get(2)?;
        let metadata = match row.get_ref(4)?.as_blob_or_null()? {
            None => None,
            Some(packed) => Some(unpress.unpack(connection, row.get(3)?, packed)?),
        };
        let metadata = metadata.as_deref();
        let metadata = metadata.and_then(|metadata| std::str::from_utf8(metadata).ok());
        let is_live = row.get::<_, i64>(5)? == 0;
        let seen = is_live.then(|| describe(&prefix, metadata));
        touched.push(Touched {
            record: row.get(0)?,
            known: true,
            seen,
        });
        if touched.len() == CHUNK {
            break;
        }
    }
    Ok((touched, last))
}

/// The records that share a telling key with another one.
fn sharing(connection: &Connection) -> rusqlite::Result<BTreeSet<i64>> {
    let mut found = BTreeSet::new();
    let runs = Runs::begin(connection, &MATCH_KEYS, Sieves::default())?;
    runs.for_each(|_, holders| {
        if (2..=KEY_CAP).contains(&holders.len()) {
            found.extend(holders.iter().copied());
        }
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::store::payload::pack_alone;
    use crate::store::{ClusterFilter, Clustering, Judgement, RecordId};

    /// A store of records 1 and 2, which the rules call one work, and 3, which is another; their
    /// clusters are to be made.
    fn filled(path: &Path) -> Store {
        let store = Store::open(path).unwrap();
        let same = "The heart of the matter in small mammals";
        let titles = [same, same, "Another matter altogether, and at length"];
        let fill = |connection: &Connection| {
            connection.execute_batch(
                "INSERT INTO source (id, name, base_url, metadata_prefix, sets)
                    VALUES (1, 'a', 'https://a.org/oai', 'oai_dc', '[]');
                 INSERT INTO set_list VALUES (1, '');",
            )?;
            for (record, title) in (1_i64..).zip(titles) {
                connection.execute(
                    "INSERT INTO record (id, source_id, identifier, set_list_id, deleted,
                        content_hash, version, created_version, seen_pass)
                     VALUES (?1, 1, ?1, 1, 0, x'00', ?1, ?1, 1)",
                    [record],
                )?;
                let metadata = format!(
                    "<oai_dc:dc xmlns:oai_dc=\"http://www.openarchives.org/OAI/2.0/oai_dc/\" \
                     xmlns:dc=\"http://purl.org/dc/elements/1.1/\"><dc:title>{title}</dc:title>\
                     <dc:creator>Li, Wei</dc:creator><dc:date>2001</dc:date></oai_dc:dc>"
                );
                connection.execute(
                    "INSERT INTO payload (record_id, dictionary_id, metadata) VALUES (?1, 0, ?2)",
                    params![record, pack_alone(metadata.as_bytes())],
                )?;
            }
            Ok(())
        };
        store
            .write("filling the store", |transaction| fill(transaction))
            .unwrap();
        let wanted = Clustering {
            enabled: true,
            sources: Vec::new(),
        };
        assert_eq!(store.set_clustering(&wanted).unwrap(), ClusterState::Due);
        store
    }

    #[test]
    fn decisions_count_between_whatever_steps_they_are_made() {
        let mut steps = usize::MAX;
        let mut before = 0;
        while before <= steps {
            let folder = tempfile::tempdir().unwrap();
            let store = filled(&folder.path().join("store.db"));
            let judge = |a, b, judgement| {
                let pair = (RecordId(a), RecordId(b));
                store.judge(&[pair], judgement, "me", "a test", 9).unwrap();
            };
            steps = 0;
            let run = |step: Step<'_>| {
                if steps == before {
                    judge(1, 2, Judgement::Split);
                    judge(1, 3, Judgement::Join);
                }
                steps += 1;
                store.write("rebuilding clusters", |transaction| step(transaction))
            };
            assert_eq!(rebuild(run, 9, |_| ()).unwrap().described, 3);
            let reader = store.reader().unwrap();
            assert_eq!(reader.cluster_state().unwrap(), ClusterState::Current);
            let clusters = reader.clusters(&ClusterFilter::default()).unwrap();
            let members = clusters.into_iter().flat_map(|cluster| cluster.members);
            let members: Vec<i64> = members.map(|member| member.record.0).collect();
            // At last nobody decides anything.
            let expected = if before < steps { [1, 3] } else { [1, 2] };
            assert_eq!(members, expected, "before step {before} of {steps}");
            before += 1;
        }
        assert!(steps > 4, "{steps}");
    }
}
