//! Decisions of people about pairs of records; they win over every rule, for ever.

use std::collections::BTreeSet;

use rusqlite::params;
use serde::Serialize;

use super::graph::Graph;
use super::settle::{Clusters, recluster, stamp_at};
use super::{Member, RecordId};
use crate::store::{Reader, Store, StoreError};

/// What people can decide about two records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// They are one work.
    Join,
    /// They are two.
    Split,
}

/// A stored decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// One record.
    pub a: Member,
    /// The other.
    pub b: Member,
    /// What was decided.
    pub judgement: Judgement,
    /// By whom.
    pub who: String,
    /// Why, in their words.
    pub why: String,
    /// When, in milliseconds since 1970 on our clock.
    pub at: i64,
}

impl Store {
    /// Stores the same decision about each of these pairs, in the place of earlier ones about them,
    /// and clusters what it concerns again. Gives how many records are in another cluster, or at
    /// another place in it.
    ///
    /// Where the clusters are not up to date, the decisions only wait for the rebuild.
    ///
    /// # Errors
    /// As any write.
    pub fn judge(
        &self,
        pairs: &[(RecordId, RecordId)],
        judgement: Judgement,
        who: &str,
        why: &str,
        now_ms: i64,
    ) -> Result<u64, StoreError> {
        self.write("storing a decision", |transaction| {
            let mut insert = transaction.prepare_cached(
                "INSERT OR REPLACE INTO decision (a, b, must, who, why, decided_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?;
            let mut seeds = BTreeSet::new();
            for (a, b) in pairs.iter().filter(|(a, b)| a != b) {
                seeds.extend([a.0, b.0]);
                let must = judgement == Judgement::Join;
                insert.execute(params![a.0.min(b.0), a.0.max(b.0), must, who, why, now_ms])?;
            }
            let mut kept = self.take_kept();
            let Some(clusters) = Clusters::begin(transaction, kept.keys.take())? else {
                self.keep(kept);
                return Ok(0);
            };
            let mut graph = Graph::new(transaction, &clusters.index)?;
            let sources = &clusters.sources;
            let done = recluster(&mut graph, sources, seeds, BTreeSet::new(), |_| false)?;
            let moved = stamp_at(transaction, done.moved, now_ms)?;
            kept.keys = Some(clusters.finish()?);
            self.keep(kept);
            Ok(moved)
        })
    }
}

impl Reader {
    /// The decisions about a record, the newest first.
    ///
    /// # Errors
    /// As any read.
    pub fn decisions(&self, record: RecordId) -> Result<Vec<Decision>, StoreError> {
        self.read("reading decisions", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT a, b, must, who, why, decided_at FROM decision
                 WHERE a = ?1 OR b = ?1 ORDER BY decided_at DESC, a, b",
            )?;
            let rows = statement.query_map([record.0], |row| {
                Ok(Decision {
                    a: super::read::member(connection, row.get(0)?)?,
                    b: super::read::member(connection, row.get(1)?)?,
                    judgement: match row.get(2)? {
                        true => Judgement::Join,
                        false => Judgement::Split,
                    },
                    who: row.get(3)?,
                    why: row.get(4)?,
                    at: row.get(5)?,
                })
            })?;
            rows.collect()
        })
    }
}
