//! The report on duplicates that the store keeps: a sample of matches, what people found in it, and figures.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::read::member;
use super::sample::Sample;
use super::{Judgement, Member};
use crate::dedup::evidence::Judged;
use crate::store::open::Cached;
use crate::store::{Reader, Store, StoreError};

/// A report on duplicates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// When its sample was drawn, in milliseconds since 1970 on our clock. All figures are of this time.
    pub drawn_at: i64,
    /// Clusters of two records or more.
    pub clusters: u64,
    /// Records in them.
    pub clustered: u64,
    /// Clusters of records of two sources or more.
    pub across_sources: u64,
    /// The largest clusters by their preferred records, with their sizes, the largest first.
    pub largest: Vec<(Member, u64)>,
    /// The rules, the weakest first.
    pub rules: Vec<ReviewedRule>,
}

/// The matches of one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewedRule {
    /// The name of the rule.
    pub rule: String,
    /// How many matches are in the sample.
    pub sampled: u64,
    /// What people found in it.
    pub found: Judged,
}

/// A match of the sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewPair {
    /// Its number.
    pub number: i64,
    /// The name of the rule that has made it.
    pub rule: String,
    /// One record.
    pub a: Member,
    /// The other one.
    pub b: Member,
    /// Whether they are one work; `None` until a person has judged it.
    pub is_right: Option<bool>,
}

/// Which matches of a sample to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PairFilter {
    /// The one with this number.
    Number(i64),
    /// Those that nobody has judged, of this rule or of all.
    Unjudged(Option<String>),
    /// Those that were judged, of this rule or of all.
    Judged(Option<String>),
}

impl Store {
    /// Keeps a sample in place of the one before. What was judged of matches that are in both stays judged.
    pub fn keep_review(&self, sample: &Sample, now_ms: i64) -> Result<(), StoreError> {
        self.write("keeping a sample of matches", |transaction| {
            let judged = judged(transaction)?;
            transaction.execute_batch(
                "DELETE FROM review_pair; DELETE FROM review_rule; DELETE FROM review_cluster;
                 DELETE FROM review;",
            )?;
            transaction.run(
                "INSERT INTO review VALUES (1, ?1, ?2, ?3, ?4)",
                params![
                    now_ms,
                    sample.clusters,
                    sample.clustered,
                    sample.across_sources
                ],
            )?;
            for (preferred, size) in &sample.largest {
                // A record may have been removed since it was read.
                transaction.run(
                    "INSERT OR IGNORE INTO review_cluster SELECT id, ?2 FROM record WHERE id = ?1",
                    params![preferred.record.0, size],
                )?;
            }
            for stratum in &sample.strata {
                let rank = stratum.decision.rank;
                transaction.run(
                    "INSERT INTO review_rule VALUES (?1, ?2, ?3)",
                    params![rank, stratum.decision.rule.name, stratum.links],
                )?;
                for pair in &stratum.sample {
                    let (a, b) = (pair.a.record.0, pair.b.record.0);
                    transaction.run(
                        "INSERT OR IGNORE INTO review_pair (rank, a, b, is_right)
                         SELECT ?1, ?2, ?3, ?4 FROM record AS one JOIN record AS other
                         WHERE one.id = ?2 AND other.id = ?3",
                        params![rank, a, b, judged.get(&(a.min(b), a.max(b)))],
                    )?;
                }
            }
            Ok(())
        })
    }

    /// Stores whether a match of the sample is right, and the same as a decision about its two records, which
    /// stays above all rules. `false` if the sample has no such match.
    pub fn judge_review(
        &self,
        number: i64,
        is_right: bool,
        who: &str,
        now_ms: i64,
    ) -> Result<bool, StoreError> {
        let pair = self.read("reading a match", |connection| {
            pairs(connection, &PairFilter::Number(number), 1)
        })?;
        let Some(pair) = pair.into_iter().next() else {
            return Ok(false);
        };
        let (judgement, works) = match is_right {
            true => (Judgement::Join, "one work"),
            false => (Judgement::Split, "two works"),
        };
        let why = format!("judged as {works} ({})", pair.rule);
        // A decision without its answer is asked for again, and an answer without its decision is lost.
        self.judge(
            &[(pair.a.record, pair.b.record)],
            judgement,
            who,
            &why,
            now_ms,
        )?;
        let changed = self.write("storing an answer", |transaction| {
            transaction.run(
                "UPDATE review_pair SET is_right = ?2 WHERE id = ?1",
                params![number, is_right],
            )
        })?;
        Ok(changed > 0)
    }
}

impl Reader {
    /// The report on duplicates; `None` until a sample is drawn.
    pub fn review(&self) -> Result<Option<Review>, StoreError> {
        self.read("reading the report on duplicates", |connection| {
            let review = connection
                .prepare_cached("SELECT drawn_at, clusters, clustered, across_sources FROM review")?
                .query_row([], |row| {
                    Ok(Review {
                        drawn_at: row.get(0)?,
                        clusters: row.get(1)?,
                        clustered: row.get(2)?,
                        across_sources: row.get(3)?,
                        largest: Vec::new(),
                        rules: Vec::new(),
                    })
                })
                .optional()?;
            let Some(mut review) = review else {
                return Ok(None);
            };
            let largest = connection
                .prepare_cached(
                    "SELECT record_id, size FROM review_cluster ORDER BY size DESC, record_id",
                )?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<Vec<(i64, u64)>>>()?;
            for (record, size) in largest {
                review.largest.push((member(connection, record)?, size));
            }
            review.rules = connection
                .prepare_cached(
                    "SELECT rule, links, count(id), count(is_right),
                        count(*) FILTER (WHERE is_right = 0)
                     FROM review_rule LEFT JOIN review_pair USING (rank)
                     GROUP BY rank ORDER BY rank DESC",
                )?
                .query_map([], |row| {
                    Ok(ReviewedRule {
                        rule: row.get(0)?,
                        sampled: row.get(2)?,
                        found: Judged {
                            links: row.get(1)?,
                            judged: row.get(3)?,
                            wrong: row.get(4)?,
                        },
                    })
                })?
                .collect::<rusqlite::Result<_>>()?;
            Ok(Some(review))
        })
    }

    /// Matches of the sample, those of the weakest rules first.
    pub fn review_pairs(
        &self,
        filter: &PairFilter,
        limit: u32,
    ) -> Result<Vec<ReviewPair>, StoreError> {
        self.read("reading the sample of matches", |connection| {
            pairs(connection, filter, limit)
        })
    }
}

/// Whether matches of the sample are right, by the rows of their records, the lower one first.
fn judged(connection: &Connection) -> rusqlite::Result<BTreeMap<(i64, i64), bool>> {
    connection
        .prepare_cached("SELECT a, b, is_right FROM review_pair WHERE is_right IS NOT NULL")?
        .query_map([], |row| {
            let (a, b): (i64, i64) = (row.get(0)?, row.get(1)?);
            Ok(((a.min(b), a.max(b)), row.get(2)?))
        })?
        .collect()
}

fn pairs(
    connection: &Connection,
    filter: &PairFilter,
    limit: u32,
) -> rusqlite::Result<Vec<ReviewPair>> {
    let (number, is_judged, rule) = match filter {
        PairFilter::Number(number) => (Some(*number), None, None),
        PairFilter::Unjudged(rule) => (None, Some(false), rule.as_deref()),
        PairFilter::Judged(rule) => (None, Some(true), rule.as_deref()),
    };
    let read = |row: &Row<'_>| {
        Ok((
            row.get(0)?,
            row.get::<_, String>(1)?,
            row.get::<_, i64>(2)?,
            row.get::<_, i64>(3)?,
            row.get(4)?,
        ))
    };
    let found = connection
        .prepare_cached(
            "SELECT review_pair.id, rule, a, b, is_right FROM review_pair JOIN review_rule USING (rank)
             WHERE (?1 IS NULL OR review_pair.id = ?1) AND (?2 IS NULL OR rule = ?2)
               AND (?3 IS NULL OR (is_right IS NOT NULL) = ?3)
             ORDER BY rank DESC, review_pair.id LIMIT ?4",
        )?
        .query_map(params![number, rule, is_judged, limit], read)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let pair = |(number, rule, a, b, is_right)| {
        Ok(ReviewPair {
            number,
            rule,
            a: member(connection, a)?,
            b: member(connection, b)?,
            is_right,
        })
    };
    found.into_iter().map(pair).collect()
}
