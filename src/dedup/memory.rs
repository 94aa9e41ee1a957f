//! Deduplication of a whole set in memory: the reference for every other engine.

use std::num::NonZero;
use std::thread;

use super::{
    cluster::{Edge, Link, Partition, partition},
    description::Description,
    keys::{Key, keys},
    rules::{Verdict, Versions, decide},
};

/// The largest number of records with one key that are compared with each other.
///
/// A key that more records share is no evidence: a title that every issue has, one DOI for a whole
/// supplement. Such a key is ignored altogether, so that the result does not depend on the order of
/// arrival.
pub const KEY_CAP: usize = 64;

/// The match keys of a set of records, ordered by key.
#[derive(Debug, Default)]
pub struct Index {
    /// Key and record, sorted.
    entries: Vec<(Key, u32)>,
    cap: usize,
}

impl Index {
    /// Indexes records by their keys. Keys of more than `cap` records give no candidates.
    pub fn build(records: &[Description], cap: usize) -> Index {
        let parts = in_parallel(records.len(), |range| {
            let mut entries = Vec::with_capacity(range.len() * 6);
            for at in range {
                entries.extend(keys(&records[at]).into_iter().map(|key| (key, at as u32)));
            }
            entries.sort_unstable();
            entries
        });
        let mut entries = parts.concat();
        // The parts are sorted already, which this sort detects and merges.
        entries.sort();
        Index { entries, cap }
    }

    /// The records that have one of these keys, sorted.
    pub fn candidates(&self, keys: &[Key]) -> Vec<u32> {
        let mut found: Vec<u32> = Vec::new();
        for key in keys {
            let start = self.entries.partition_point(|(other, _)| other < key);
            let holders = self.entries[start..]
                .iter()
                .take_while(|(other, _)| other == key);
            let holders: Vec<u32> = holders
                .take(self.cap + 1)
                .map(|(_, record)| *record)
                .collect();
            if holders.len() <= self.cap {
                found.extend(holders);
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// All candidate pairs, each once, the earlier record first, sorted.
    pub fn pairs(&self) -> Vec<(u32, u32)> {
        let mut pairs = Vec::with_capacity(self.entries.len() / 4);
        for holders in self.entries.chunk_by(|(a, _), (b, _)| a == b) {
            if holders.len() > self.cap {
                continue;
            }
            for (at, (_, a)) in holders.iter().enumerate() {
                pairs.extend(holders[at + 1..].iter().map(|(_, b)| (*a, *b)));
            }
        }
        pairs.sort_unstable();
        pairs.dedup();
        pairs
    }
}

/// Clusters a whole set, versions of a work together. `records` is in canonical order (by source and
/// identifier).
pub fn cluster_all(records: &[Description], links: &[Link]) -> Partition {
    cluster_all_capped(records, links, KEY_CAP)
}

/// Does the same as [`cluster_all`] with another limit for the records of a key.
pub fn cluster_all_capped(records: &[Description], links: &[Link], cap: usize) -> Partition {
    let pairs = Index::build(records, cap).pairs();
    let edges = in_parallel(pairs.len(), |range| {
        let decided = pairs[range]
            .iter()
            .filter_map(|&(a, b)| edge(records, a, b));
        decided.collect::<Vec<Edge>>()
    });
    let records: Vec<&Description> = records.iter().collect();
    partition(&records, &edges.concat(), links, &[], Versions::default())
}

/// The edge between two records, if a rule calls them the same.
pub fn edge(records: &[Description], a: u32, b: u32) -> Option<Edge> {
    let decision = decide(
        &records[a as usize],
        &records[b as usize],
        Versions::default(),
    );
    let same = decision.verdict() == Verdict::Same;
    same.then_some(Edge {
        rank: decision.rank,
        a: a.min(b),
        b: a.max(b),
    })
}

/// Describes many records with all cores, in order.
pub fn describe_all<T: Sync>(
    records: &[T],
    describe: impl Fn(&T) -> Description + Sync,
) -> Vec<Description> {
    let parts = in_parallel(records.len(), |range| {
        records[range]
            .iter()
            .map(&describe)
            .collect::<Vec<Description>>()
    });
    parts.into_iter().flatten().collect()
}

/// Works on equal parts of `0..count`, one thread each, and gives the answers in order.
pub(crate) fn in_parallel<T: Send>(
    count: usize,
    work: impl Fn(std::ops::Range<usize>) -> T + Sync,
) -> Vec<T> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    // A thread costs more than it brings for a few records.
    let parts = cores.min(count / 512).max(1);
    let share = count.div_ceil(parts);
    let range = |part: usize| (part * share).min(count)..((part + 1) * share).min(count);
    if parts == 1 {
        return vec![work(0..count)];
    }
    thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..parts)
            .map(|part| scope.spawn(move || work(range(part))))
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dedup::testing::record;

    fn titles(count: usize) -> Vec<Description> {
        let one = record("title=The heart of the matter in small mammals; doi=10.1/abc");
        vec![one; count]
    }

    #[test]
    fn a_key_beyond_the_cap_finds_nothing() {
        let records = titles(3);
        assert_eq!(Index::build(&records, 3).pairs(), [(0, 1), (0, 2), (1, 2)]);
        assert_eq!(Index::build(&records, 2).pairs(), []);
        assert_eq!(
            Index::build(&records, 3).candidates(&keys(&records[0])),
            [0, 1, 2]
        );
        assert!(
            Index::build(&records, 2)
                .candidates(&keys(&records[0]))
                .is_empty()
        );
    }

    #[test]
    fn threads_make_no_difference() {
        // Enough for several threads; every seventh record is the same work.
        let mut records = Vec::new();
        for n in 0..2100 {
            let n = if n % 7 == 0 { 0 } else { n };
            records.push(record(&format!(
                "title=Observations on the matter of number {n} in mammals; pages={n}; volume=3; \
                 year=2001; author=Li; doi=10.1/{n:06}"
            )));
        }
        let index = Index::build(&records, 400);
        assert!(index.entries.is_sorted());
        let partition = cluster_all_capped(&records, &[], 400);
        assert_eq!(partition.clusters.len(), 1801 - 1 + 300usize.div_ceil(256));
        assert_eq!(
            describe_all(&[1, 2, 3], |_| Description::default()).len(),
            3
        );
    }
}
