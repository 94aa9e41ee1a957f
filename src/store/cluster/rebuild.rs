//! All descriptions, keys and clusters anew, from the records as they are stored.

use std::collections::{BTreeSet, HashSet};
use std::thread;

use rusqlite::{Connection, Transaction, params};

use super::graph::Graph;
use super::keys::{Index, insert_sorted};
use super::seen::{Seen, describe};
use super::settle::{recluster, stamp_at};
use super::state::{ClusterState, Stored};
use crate::dedup::memory::{KEY_CAP, in_parallel};
use crate::store::payload::Unpress;
use crate::store::{Store, StoreError};

/// Records that are described together, by all cores, while the next ones are read.
const BATCH: usize = 4096;

/// Keys that are sorted together: 64 MiB of them.
const RUN: usize = 4 << 20;

/// Records that are clustered with what is known of one another kept in memory.
const CHUNK: usize = 2048;

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
    /// One transaction: readers see the old clusters until it ends, other writers wait, and a run
    /// that is cut off changes nothing. Memory is a matter of the batches, not of the store, but
    /// for a few bytes for each record that shares a key with another one. `progress` is told the
    /// number of records read so far.
    ///
    /// # Errors
    /// As any write.
    pub fn rebuild_clusters(
        &self,
        now_ms: i64,
        mut progress: impl FnMut(u64),
    ) -> Result<Rebuilt, StoreError> {
        self.write("rebuilding clusters", |transaction| {
            for table in ["description", "match_key", "recent_keys"] {
                transaction.execute(&format!("DELETE FROM {table}"), [])?;
            }
            let mut rebuilt = describe_all(transaction, &mut progress)?;
            let stored = Stored {
                state: ClusterState::Current,
                recent_token: fastrand::i64(..),
                ..Stored::read(transaction)?
            };
            stored.write(transaction)?;
            let moved = cluster_all(transaction, &stored)?;
            rebuilt.moved = stamp_at(transaction, moved, now_ms)?;
            Ok(rebuilt)
        })
    }
}

/// A record's metadata as it is read.
struct Text {
    record: i64,
    metadata_prefix: String,
    metadata: Vec<u8>,
}

fn describe_all(
    transaction: &Transaction<'_>,
    progress: &mut impl FnMut(u64),
) -> rusqlite::Result<Rebuilt> {
    let mut rebuilt = Rebuilt::default();
    let mut unpress = Unpress::default();
    let mut run: Vec<(u64, i64)> = Vec::new();
    let mut batch = read_batch(transaction, &mut unpress, 0)?;
    while let Some(last) = batch.last().map(|text| text.record) {
        let (described, next) = thread::scope(|scope| {
            let describing = scope.spawn(|| describe_batch(&batch));
            let next = read_batch(transaction, &mut unpress, last);
            let described = describing
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (described, next)
        });
        rebuilt.records += batch.len() as u64;
        rebuilt.described += described.len() as u64;
        let mut insert = transaction
            .prepare_cached("INSERT INTO description (record_id, packed) VALUES (?1, ?2)")?;
        for (record, seen) in described {
            insert.execute(params![record, &*seen.packed])?;
            run.extend(seen.keys.iter().map(|key| (*key, record)));
        }
        if run.len() >= RUN {
            put_away(transaction, &mut run)?;
        }
        progress(rebuilt.records);
        batch = next?;
    }
    put_away(transaction, &mut run)?;
    Ok(rebuilt)
}

fn put_away(connection: &Connection, run: &mut Vec<(u64, i64)>) -> rusqlite::Result<()> {
    run.sort_unstable();
    insert_sorted(connection, run.iter())?;
    run.clear();
    Ok(())
}

fn read_batch(
    connection: &Connection,
    unpress: &mut Unpress,
    after: i64,
) -> rusqlite::Result<Vec<Text>> {
    let mut statement = connection.prepare_cached(
        "SELECT record.id, source.metadata_prefix, payload.dictionary_id, payload.metadata
         FROM record JOIN source ON source.id = record.source_id
         JOIN payload ON payload.record_id = record.id
         WHERE record.id > ?1 AND record.deleted = 0 AND payload.metadata IS NOT NULL
         ORDER BY record.id LIMIT ?2",
    )?;
    let mut rows = statement.query(params![after, BATCH])?;
    let mut batch = Vec::with_capacity(BATCH);
    while let Some(row) = rows.next()? {
        batch.push(Text {
            record: row.get(0)?,
            metadata_prefix: row.get(1)?,
            metadata: unpress.unpack(connection, row.get(2)?, row.get_ref(3)?.as_blob()?)?,
        });
    }
    Ok(batch)
}

fn describe_batch(batch: &[Text]) -> Vec<(i64, Seen)> {
    let parts = in_parallel(batch.len(), |range| {
        let described = batch[range].iter().filter_map(|text| {
            let metadata = std::str::from_utf8(&text.metadata).ok();
            Some((text.record, describe(&text.metadata_prefix, metadata)?))
        });
        described.collect::<Vec<_>>()
    });
    parts.into_iter().flatten().collect()
}

/// Clusters all records that can be in a cluster with others, or were in one; gives those that
/// moved.
fn cluster_all(transaction: &Transaction<'_>, stored: &Stored) -> rusqlite::Result<BTreeSet<i64>> {
    let index = Index::begin(transaction, None, stored.recent_token)?;
    let numbers = |sql: &str| -> rusqlite::Result<BTreeSet<i64>> {
        let mut statement = transaction.prepare(sql)?;
        let rows = statement.query_map([], |row| row.get(0))?;
        rows.collect()
    };
    let mut moved = BTreeSet::new();
    let mut done: HashSet<i64> = HashSet::new();
    let mut cluster = |seeds: BTreeSet<i64>, emptied| -> rusqlite::Result<()> {
        let seeds = seeds
            .into_iter()
            .filter(|seed| !done.contains(seed))
            .collect();
        let mut graph = Graph::new(transaction, &index)?;
        let clustered = recluster(&mut graph, &stored.sources, seeds, emptied, |_| false)?;
        moved.extend(clustered.moved);
        done.extend(clustered.members);
        Ok(())
    };
    let emptied = numbers(
        "SELECT DISTINCT cluster_id FROM cluster_member WHERE NOT EXISTS
            (SELECT 1 FROM description WHERE description.record_id = cluster_member.record_id)",
    )?;
    cluster(BTreeSet::new(), emptied)?;
    let mut seeds = numbers(
        "SELECT record_id FROM cluster_member
         UNION SELECT a FROM decision UNION SELECT b FROM decision",
    )?;
    seeds.extend(sharing(transaction)?);
    let mut chunk = BTreeSet::new();
    for seed in seeds {
        chunk.insert(seed);
        if chunk.len() == CHUNK {
            cluster(std::mem::take(&mut chunk), BTreeSet::new())?;
        }
    }
    cluster(chunk, BTreeSet::new())?;
    Ok(moved)
}

/// The records that share a telling key with another one.
fn sharing(connection: &Connection) -> rusqlite::Result<BTreeSet<i64>> {
    let mut statement =
        connection.prepare("SELECT key, record_id FROM match_key ORDER BY key, record_id")?;
    let mut rows = statement.query([])?;
    let mut found = BTreeSet::new();
    let mut holders: Vec<i64> = Vec::new();
    let mut current = None;
    let mut close = |holders: &mut Vec<i64>| {
        if (2..=KEY_CAP).contains(&holders.len()) {
            found.extend(holders.iter().copied());
        }
        holders.clear();
    };
    while let Some(row) = rows.next()? {
        let key: i64 = row.get(0)?;
        if current != Some(key) {
            close(&mut holders);
            current = Some(key);
        }
        // One more than the cap says enough.
        if holders.len() <= KEY_CAP {
            holders.push(row.get(1)?);
        }
    }
    close(&mut holders);
    Ok(found)
}
