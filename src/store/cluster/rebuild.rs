//! The rebuild of all descriptions, keys and clusters from the stored records.
//!
//! This is for clusters that are not up to date, and that nobody reads until the end; `renew` is for
//! others. Each step is a transaction of its own, and harvests can write between the steps. The records
//! that they change are clustered at the end.

use std::collections::{BTreeSet, HashSet};
use std::thread;

use rusqlite::{Connection, OptionalExtension, params};

use super::describe::{PackedDescription, describe};
use super::graph::Graph;
use super::keys::{KeyBatch, KeyIndex, RecentKeys, for_each_shared};
use super::renew::EMPTIED;
use super::state::{ClusterState, Stored};
use super::update::{ChangedRecord, Clusters, recluster, stamp_at};
use crate::dedup::memory::{KEY_CAP, in_parallel};
use crate::dedup::rules::Versions;
use crate::store::payload::{Decompressor, Dictionaries};
use crate::store::{Store, StoreError, Version};

/// Records that all cores describe together, while the batch before is stored and the next one is
/// read.
const BATCH: usize = 4096;

/// Records that are clustered together, with their links kept in memory.
pub(super) const CHUNK: usize = 2048;

/// The records with a decision.
pub(super) const DECIDED: &str = "SELECT a FROM decision UNION SELECT b FROM decision";

/// The records with an imported cluster.
pub(super) const IMPORTED: &str = "SELECT record_id FROM imported";

/// The live records whose name another cluster keeps, and that are in no cluster.
pub(super) const RETURNED: &str = "SELECT record_id FROM cluster WHERE generation = 0
    AND EXISTS (SELECT 1 FROM description WHERE description.record_id = cluster.record_id)
    AND NOT EXISTS
        (SELECT 1 FROM cluster_member WHERE cluster_member.record_id = cluster.record_id)";

/// The result of a rebuild.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Live records.
    pub records: u64,
    /// Those of them that can be compared with others.
    pub described: u64,
    /// Records in another cluster than before, or at another rank in it.
    pub moved: u64,
}

impl Store {
    /// Rebuilds all descriptions, keys and clusters. Names of clusters and decisions stay.
    ///
    /// Other processes can write between the steps. If the clusters are up to date, readers can go on to
    /// use them, and an interrupted rebuild has renewed a part of them. If they are not, an interrupted
    /// rebuild leaves them as outdated as before.
    ///
    /// Memory depends on the batches, not on the store, except for a few bytes for each record that
    /// shares a key. `progress` receives the number of records read so far.
    ///
    /// # Errors
    /// [`StoreError::RebuiltElsewhere`] if another process has begun a rebuild meanwhile; this one then
    /// stops and leaves the work to it.
    pub fn rebuild_clusters(
        &self,
        now_ms: i64,
        mut progress: impl FnMut(u64),
    ) -> Result<Rebuilt, StoreError> {
        const DOING: &str = "rebuilding clusters";
        if self.cluster_state()? == ClusterState::Current
            && let Some(renewed) = self.renew_clusters(now_ms, &mut progress)?
        {
            return self.with_imports(renewed, now_ms);
        }
        // While clusters are not up to date, only another rebuild writes the token.
        let mut expected = None;
        let steps = |step: Step<'_>| {
            let done = self.write_patiently(DOING, |transaction| {
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
        let rebuilt = rebuild(steps, now_ms, progress)?;
        self.with_imports(rebuilt, now_ms)
    }

    /// Clusters again what imports have changed meanwhile.
    fn with_imports(&self, rebuilt: Rebuilt, now_ms: i64) -> Result<Rebuilt, StoreError> {
        let moved = rebuilt.moved + self.finish_imports(now_ms)?;
        Ok(Rebuilt { moved, ..rebuilt })
    }
}

/// The work of one transaction.
type Step<'a> = &'a mut dyn FnMut(&Connection) -> rusqlite::Result<()>;

fn rebuild<E>(
    mut run: impl FnMut(Step<'_>) -> Result<(), E>,
    now_ms: i64,
    mut progress: impl FnMut(u64),
) -> Result<Rebuilt, E> {
    let mut begun = (Vec::new(), Versions::default(), 0);
    run(&mut |connection| {
        begun = clear(connection)?;
        Ok(())
    })?;
    let (sources, versions, since) = begun;
    let mut rebuilt = describe_all(&mut run, &mut progress)?;
    let stamped = cluster_all(&mut run, &sources, since, now_ms)?;
    rebuilt.moved = stamped.iter().map(|stamped| stamped.count).sum();
    let settings = (sources.as_slice(), versions);
    rebuilt.moved += catch_up(&mut run, settings, since, &stamped, now_ms)?;
    Ok(rebuilt)
}

/// Deletes descriptions, keys and the list of what to cluster again. Returns the preferred sources, what versions of a work are, and the
/// newest version of a record.
fn clear(connection: &Connection) -> rusqlite::Result<(Vec<String>, Versions, i64)> {
    // All imported clusters are taken into account below; those of an import meanwhile come to the list again.
    for table in ["description", "match_key", "unclustered"] {
        connection.execute(&format!("DELETE FROM {table}"), [])?;
    }
    connection.execute(
        "UPDATE dedup SET indexed_to = 0, recent_token = ?1",
        [fastrand::i64(..)],
    )?;
    let stored = Stored::read(connection)?;
    Ok((
        stored.sources,
        stored.versions,
        Version::last(connection)?.0,
    ))
}

/// The metadata of a record as stored.
pub(super) struct Text {
    pub(super) record: i64,
    pub(super) version: i64,
    metadata_prefix: String,
    dictionary_id: i64,
    /// `None` if the record has no metadata.
    compressed: Option<Vec<u8>>,
}

fn describe_all<E>(
    run: &mut impl FnMut(Step<'_>) -> Result<(), E>,
    progress: &mut impl FnMut(u64),
) -> Result<Rebuilt, E> {
    let mut rebuilt = Rebuilt::default();
    let mut dictionaries = Dictionaries::default();
    let mut keys = KeyBatch::default();
    let mut batch = Vec::new();
    let mut last = 0;
    run(&mut |connection| {
        batch = read_batch(connection, &mut dictionaries, 0)?;
        Ok(())
    })?;
    // Described, but not stored yet.
    let mut ready = Ok(Vec::new());
    while let Some(text) = batch.last() {
        last = text.record;
        let mut next = Vec::new();
        let mut learnt = dictionaries.clone();
        let (described, stored) = thread::scope(|scope| {
            let describing = scope.spawn(|| describe_batch(&batch, &dictionaries));
            let stored = run(&mut |connection| {
                rebuilt.described += store_descriptions(connection, &mut ready, &mut keys)?;
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
        rebuilt.described += store_descriptions(connection, &mut ready, &mut keys)?;
        std::mem::take(&mut keys).finish(connection, last)
    })?;
    Ok(rebuilt)
}

/// Stores descriptions and their keys. Returns how many of the records can be compared.
fn store_descriptions(
    connection: &Connection,
    described: &mut rusqlite::Result<Vec<(i64, PackedDescription)>>,
    keys: &mut KeyBatch,
) -> rusqlite::Result<u64> {
    let described = std::mem::replace(described, Ok(Vec::new()))?;
    let mut insert =
        connection.prepare_cached("INSERT INTO description (record_id, packed) VALUES (?1, ?2)")?;
    for (record, description) in &described {
        insert.execute(params![record, &*description.packed])?;
        for key in description.keys.iter() {
            keys.add(connection, *key, *record)?;
        }
    }
    let comparable = described
        .iter()
        .filter(|(_, description)| description.is_comparable());
    Ok(comparable.count() as u64)
}

pub(super) fn read_batch(
    connection: &Connection,
    dictionaries: &mut Dictionaries,
    after: i64,
) -> rusqlite::Result<Vec<Text>> {
    let mut statement = connection.prepare_cached(
        "SELECT record.id, source.metadata_prefix, payload.dictionary_id, payload.metadata,
                record.version
         FROM record JOIN source ON source.id = record.source_id
         LEFT JOIN payload ON payload.record_id = record.id
         WHERE record.id > ?1 AND record.deleted = 0 ORDER BY record.id",
    )?;
    let mut rows = statement.query([after])?;
    let mut batch = Vec::with_capacity(BATCH);
    while let Some(row) = rows.next()? {
        let dictionary_id = row.get::<_, Option<i64>>(2)?.unwrap_or_default();
        dictionaries.load(connection, dictionary_id)?;
        batch.push(Text {
            record: row.get(0)?,
            version: row.get(4)?,
            metadata_prefix: row.get(1)?,
            dictionary_id,
            compressed: row.get(3)?,
        });
        if batch.len() == BATCH {
            break;
        }
    }
    Ok(batch)
}

pub(super) fn describe_batch(
    batch: &[Text],
    dictionaries: &Dictionaries,
) -> rusqlite::Result<Vec<(i64, PackedDescription)>> {
    let parts = in_parallel(batch.len(), |range| {
        let mut decompressor = Decompressor::default();
        let mut described = Vec::with_capacity(range.len());
        for text in &batch[range] {
            let decompress = |compressed: &Vec<u8>| {
                decompressor.decompress_with(dictionaries, text.dictionary_id, compressed)
            };
            let metadata = text.compressed.as_ref().map(decompress).transpose()?;
            let metadata = metadata.as_deref();
            let metadata = metadata.and_then(|metadata| std::str::from_utf8(metadata).ok());
            described.push((text.record, describe(&text.metadata_prefix, metadata)));
        }
        Ok(described)
    });
    let parts: Vec<Vec<(i64, PackedDescription)>> =
        parts.into_iter().collect::<rusqlite::Result<_>>()?;
    Ok(parts.into_iter().flatten().collect())
}

/// The versions that a step gave to moved records: those after `after`, up to `upto`.
struct Stamped {
    after: i64,
    upto: i64,
    count: u64,
}

/// Clusters all records that can be in a cluster with others, or were in one.
///
/// Records that another writer changed after version `since` keep their version: it is new to all
/// readers, and [`catch_up`] finds the records by it.
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
        let index = KeyIndex::begin(connection, recent.take(), token)?;
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
        let emptied = numbers(connection, EMPTIED)?;
        cluster(connection, &[], emptied)?;
        let mut found = numbers(connection, "SELECT record_id FROM cluster_member")?;
        found.extend(numbers(connection, DECIDED)?);
        found.extend(numbers(connection, IMPORTED)?);
        found.extend(numbers(connection, RETURNED)?);
        found.extend(sharing(connection)?);
        seeds = Vec::from_iter(found);
        Ok(())
    })?;
    for chunk in seeds.chunks(CHUNK) {
        run(&mut |connection| cluster(connection, chunk, BTreeSet::new()))?;
    }
    Ok(stamped)
}

/// Removes the records whose version is after `since`.
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

pub(super) fn numbers(connection: &Connection, sql: &str) -> rusqlite::Result<BTreeSet<i64>> {
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| row.get(0))?;
    rows.collect()
}

/// Clusters the records that other writers have changed since the rebuild began, then marks the
/// clusters as up to date. Returns how many further records moved.
fn catch_up<E>(
    run: &mut impl FnMut(Step<'_>) -> Result<(), E>,
    (sources, versions): (&[String], Versions),
    since: i64,
    stamped: &[Stamped],
    now_ms: i64,
) -> Result<u64, E> {
    // The spans between the versions that the rebuild gave out itself.
    let begins = std::iter::once(since).chain(stamped.iter().map(|stamped| stamped.upto));
    let ends = stamped.iter().map(|stamped| stamped.after);
    let spans = begins.zip(ends.chain([i64::MAX]));
    let mut recent: Option<RecentKeys> = None;
    let mut moved = 0;
    for (mut after, upto) in spans.filter(|(after, upto)| after < upto) {
        let mut complete = false;
        while !complete {
            run(&mut |connection| {
                let (changed, last) = changed(connection, after, upto)?;
                complete = changed.len() < CHUNK;
                after = last;
                let stored = Stored::read(connection)?;
                let index = KeyIndex::begin(connection, recent.take(), stored.recent_token)?;
                let mut clusters = Clusters {
                    connection,
                    index,
                    sources: sources.to_vec(),
                };
                moved += stamp_at(connection, clusters.update(changed)?, now_ms)?;
                if complete && upto == i64::MAX {
                    // A decision made meanwhile has changed no record's version.
                    let decided = numbers(connection, DECIDED)?;
                    let mut graph = Graph::new(connection, &clusters.index)?;
                    let done = recluster(&mut graph, sources, decided, BTreeSet::new(), |_| false)?;
                    moved += stamp_at(connection, done.moved, now_ms)?;
                }
                recent = Some(clusters.finish()?);
                if complete && upto == i64::MAX {
                    end(connection, sources, versions)?;
                }
                Ok(())
            })?;
        }
    }
    Ok(moved)
}

/// Marks the clusters as up to date, unless the settings have changed meanwhile.
fn end(connection: &Connection, sources: &[String], versions: Versions) -> rusqlite::Result<()> {
    let stored = Stored::read(connection)?;
    let changed = stored.sources != sources || stored.versions != versions;
    if stored.state == ClusterState::Off || changed {
        return Ok(());
    }
    let stored = Stored {
        state: ClusterState::Current,
        recent_token: fastrand::i64(..),
        ..stored
    };
    stored.write(connection)
}

/// The next records of a span of versions, and the version of the last one.
fn changed(
    connection: &Connection,
    after: i64,
    upto: i64,
) -> rusqlite::Result<(Vec<ChangedRecord>, i64)> {
    let mut statement = connection.prepare_cached(
        "SELECT record.id, record.version, source.metadata_prefix, payload.dictionary_id,
                payload.metadata, record.deleted
         FROM record INDEXED BY record_version JOIN source ON source.id = record.source_id
         LEFT JOIN payload ON payload.record_id = record.id AND record.deleted = 0
         WHERE record.version > ?1 AND record.version <= ?2 ORDER BY record.version",
    )?;
    let mut rows = statement.query([after, upto])?;
    let mut decompressor = Decompressor::default();
    let (mut changed, mut last) = (Vec::new(), after);
    while let Some(row) = rows.next()? {
        last = row.get(1)?;
        let prefix: String = row.get(2)?;
        let metadata = match row.get_ref(4)?.as_blob_or_null()? {
            None => None,
            Some(bytes) => Some(decompressor.decompress(connection, row.get(3)?, bytes)?),
        };
        let metadata = metadata.as_deref();
        let metadata = metadata.and_then(|metadata| std::str::from_utf8(metadata).ok());
        let is_live = row.get::<_, i64>(5)? == 0;
        let description = is_live.then(|| describe(&prefix, metadata));
        changed.push(ChangedRecord {
            record: row.get(0)?,
            known: true,
            description,
        });
        if changed.len() == CHUNK {
            break;
        }
    }
    Ok((changed, last))
}

/// The records that share a key with another one; keys with too many holders do not count.
pub(super) fn sharing(connection: &Connection) -> rusqlite::Result<BTreeSet<i64>> {
    let mut found = BTreeSet::new();
    for_each_shared(connection, |holders| {
        if holders.len() <= KEY_CAP {
            found.extend(holders.iter().copied());
        }
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::store::payload::compress_alone;
    use crate::store::{ClusterFilter, Clustering, Judgement, RecordId};

    /// A store without clusters. The rules call records 1 and 2 one work; record 3 is another work.
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
                    params![record, compress_alone(metadata.as_bytes())],
                )?;
            }
            Ok(())
        };
        store
            .write("filling the store", |transaction| fill(transaction))
            .unwrap();
        let wanted = Clustering {
            enabled: true,
            ..Clustering::default()
        };
        assert_eq!(store.set_clustering(&wanted).unwrap(), ClusterState::Due);
        store
    }

    #[test]
    fn decisions_made_between_any_two_steps_count() {
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
            // In the last round no decision is made.
            let expected = if before < steps { [1, 3] } else { [1, 2] };
            assert_eq!(members, expected, "before step {before} of {steps}");
            before += 1;
        }
        assert!(steps > 4, "{steps}");
    }
}
