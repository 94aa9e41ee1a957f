//! Decisions about pairs of records. A person makes them, and they override every rule for good.

use std::collections::BTreeSet;

use rusqlite::params;
use serde::Serialize;

use super::graph::Graph;
use super::update::{Clusters, recluster, stamp_at};
use super::{Member, RecordId};
use crate::store::{Reader, Store, StoreError};

/// What a person can decide about two records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// They describe one work.
    Join,
    /// They describe two works.
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
    /// Who decided.
    pub who: String,
    /// Their reason.
    pub why: String,
    /// When, in milliseconds since 1970 on our clock.
    #[serde(serialize_with = "crate::clock::as_rfc3339")]
    pub at: i64,
}

impl Store {
    /// Stores one decision about each of these pairs, in place of earlier ones, and updates the
    /// clusters. Returns how many records moved to another cluster or to another rank.
    ///
    /// If the clusters are not up to date, the decisions are stored for the next rebuild.
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
            let recent = self.take_recent_keys();
            let Some(clusters) = Clusters::begin(transaction, recent)? else {
                return Ok(0);
            };
            let mut graph = Graph::new(transaction, &clusters.index)?;
            let sources = &clusters.sources;
            let done = recluster(&mut graph, sources, seeds, BTreeSet::new(), |_| false)?;
            let moved = stamp_at(transaction, done.moved, now_ms)?;
            self.keep_recent_keys(Some(clusters.finish()?));
            Ok(moved)
        })
    }
}

impl Reader {
    /// The decisions about a record, the newest first.
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
