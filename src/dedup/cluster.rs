//! Builds clusters from pairs of matching records.
//!
//! # Algorithm
//!
//! The input is the records in canonical order (by source and identifier), the pairs that a rule
//! called the same, the stored decisions of people, and the clusters that other programs found.
//!
//! 1. Must-link decisions are applied in canonical order. A decision that would bring two
//!    cannot-linked records together is skipped.
//! 2. The records that another program found to be one work are joined in canonical order, one
//!    program after the other. Those that would bring two cannot-linked records together are skipped.
//! 3. The pairs are put in order: the stronger rule first, then by the two records' places.
//! 4. Each pair joins the clusters of its two records, unless the union would hold a pair that is
//!    cannot-linked, a pair in two clusters of another program, a pair that a rule calls
//!    [`Verdict::Different`], or too many members. Pairs
//!    within one of the two clusters are not looked at again. Two ISSNs are no conflict here if a
//!    member of the union has both: they are the print and the electronic edition of one journal.
//!
//! # Invariants
//!
//! - The result depends on the set of records, pairs and decisions alone, not on their order of
//!   arrival: every step walks a sorted list.
//! - No cluster holds a cannot-linked pair. No cluster holds a pair that the rules call different,
//!   unless must-links or another program brought the two together.
//! - A connected component (records linked by pairs, must-links or other programs) is clustered without regard to
//!   any other record. So after a change it is enough to find the components that the changed
//!   record belonged to and belongs to now ([`component`]) and to cluster their members again; the
//!   result is that of a rebuild. The one thing that reaches further is a key that grows past the
//!   cap of the candidate lookup or shrinks back: then all of its holders are to be looked at.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;

use super::{
    compare::{Agreement, Comparison},
    description::Description,
    rules::{Verdict, Versions, decide_compared},
};

/// The largest number of members that rules may put into one cluster.
///
/// No work has so many records: more is the sign of a broken source, and checking each new member
/// against all others would take too long.
pub const MAX_MEMBERS: usize = 256;

/// A pair that a rule called the same; numbers are places in the canonical order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edge {
    /// The place of the deciding row in the table; the strongest rule has the lowest.
    pub rank: u8,
    /// One record.
    pub a: u32,
    /// The other.
    pub b: u32,
}

/// A stored decision of a person about a pair. It wins over every rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Link {
    /// One record.
    pub a: u32,
    /// The other.
    pub b: u32,
    /// `true` if the two must be together, `false` if they must be apart.
    pub must: bool,
}

/// The cluster of a record in the result of another program. It wins over every rule, and decisions of
/// people win over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Assigned {
    /// The number of the program's result.
    pub origin: i64,
    /// The number of the cluster in it.
    pub cluster: i64,
    /// The record.
    pub record: u32,
}

/// A matching pair that was not joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The pair.
    pub edge: Edge,
    /// The two records that cannot be together, one in the cluster of each.
    pub between: (u32, u32),
}

/// Records grouped into clusters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Partition {
    /// Clusters in the order of their first members, members in canonical order. Every record is in
    /// exactly one, most of them alone.
    pub clusters: Vec<Vec<u32>>,
    /// Pairs that were called the same and not joined, in the order they were tried.
    pub refusals: Vec<Refusal>,
}

/// Clusters records; the module documentation describes the algorithm.
///
/// `records` is in canonical order; `edges`, `links` and `assigned` refer to places in it, in any order,
/// also repeatedly. What is out of range is ignored.
pub fn partition(
    records: &[&Description],
    edges: &[Edge],
    links: &[Link],
    assigned: &[Assigned],
    versions: Versions,
) -> Partition {
    let count = records.len() as u32;
    let mut clusters = Clusters::new(records, links, versions);
    let mut assigned: Vec<Assigned> = assigned.to_vec();
    assigned.retain(|one| one.record < count);
    assigned.sort_unstable();
    clusters.assign(&assigned);
    let must: BTreeSet<(u32, u32)> = links
        .iter()
        .filter(|link| link.must)
        .map(|link| sorted_pair(link.a, link.b))
        .collect();
    for (a, b) in must.into_iter().filter(|(_, b)| *b < count) {
        if clusters.cannot_link_between(a, b).is_none() {
            clusters.unite(a, b);
        }
    }
    for found in assigned.chunk_by(|a, b| (a.origin, a.cluster) == (b.origin, b.cluster)) {
        for (at, one) in found.iter().enumerate().skip(1) {
            // With the first one that a decision does not keep it apart from.
            let mut before = found[..at].iter();
            let free = |other: &&Assigned| {
                let pair = clusters.cannot_link_between(other.record, one.record);
                pair.is_none()
            };
            if let Some(other) = before.find(free) {
                clusters.unite(other.record, one.record);
            }
        }
    }
    let mut edges: Vec<Edge> = edges
        .iter()
        .map(|edge| Edge {
            a: edge.a.min(edge.b),
            b: edge.a.max(edge.b),
            ..*edge
        })
        .filter(|edge| edge.b < count)
        .collect();
    edges.sort_unstable();
    edges.dedup();
    let mut refusals = Vec::new();
    for edge in edges {
        if clusters.root(edge.a) == clusters.root(edge.b) {
            continue;
        }
        match clusters.obstacle(edge.a, edge.b) {
            None => clusters.unite(edge.a, edge.b),
            Some(between) => refusals.push(Refusal { edge, between }),
        }
    }
    Partition {
        clusters: clusters.into_sorted(),
        refusals,
    }
}

fn sorted_pair(a: u32, b: u32) -> (u32, u32) {
    (a.min(b), a.max(b))
}

/// Clusters under construction.
struct Clusters<'a> {
    records: &'a [&'a Description],
    versions: Versions,
    cannot: HashSet<(u32, u32)>,
    /// By record, its clusters in the results of other programs: origin and cluster.
    assigned: HashMap<u32, Vec<(i64, i64)>>,
    /// For each record, the record that represents its cluster (union-find).
    root: Vec<u32>,
    /// Members of clusters of two or more, by root.
    members: HashMap<u32, Vec<u32>>,
}

impl<'a> Clusters<'a> {
    fn new(records: &'a [&'a Description], links: &[Link], versions: Versions) -> Self {
        let cannot = links
            .iter()
            .filter(|link| !link.must)
            .map(|link| sorted_pair(link.a, link.b))
            .collect();
        let root = (0..records.len() as u32).collect();
        Clusters {
            records,
            versions,
            cannot,
            assigned: HashMap::new(),
            root,
            members: HashMap::new(),
        }
    }

    fn assign(&mut self, assigned: &[Assigned]) {
        for one in assigned {
            let of = self.assigned.entry(one.record).or_default();
            of.push((one.origin, one.cluster));
        }
    }

    /// Whether another program has put two records into two clusters.
    fn assigned_apart(&self, x: u32, y: u32) -> bool {
        let (Some(of_x), Some(of_y)) = (self.assigned.get(&x), self.assigned.get(&y)) else {
            return false;
        };
        let differs = |(origin, cluster): &(i64, i64)| {
            let mut others = of_y.iter();
            others.any(|other| other.0 == *origin && other.1 != *cluster)
        };
        of_x.iter().any(differs)
    }

    fn root(&self, record: u32) -> u32 {
        self.root[record as usize]
    }

    fn members(&self, record: u32) -> Vec<u32> {
        let root = self.root(record);
        self.members
            .get(&root)
            .cloned()
            .unwrap_or_else(|| vec![root])
    }

    /// The first cannot-linked pair between the clusters of two records, in canonical order.
    fn cannot_link_between(&self, a: u32, b: u32) -> Option<(u32, u32)> {
        if self.cannot.is_empty() {
            return None;
        }
        self.across(a, b)
            .into_iter()
            .find(|pair| self.cannot.contains(pair))
    }

    /// The pair that forbids joining the clusters of two records, if there is one.
    fn obstacle(&self, a: u32, b: u32) -> Option<(u32, u32)> {
        if let Some(pair) = self.cannot_link_between(a, b) {
            return Some(pair);
        }
        if !self.assigned.is_empty() {
            let mut across = self.across(a, b).into_iter();
            let apart = across.find(|(x, y)| self.assigned_apart(*x, *y));
            if apart.is_some() {
                return apart;
            }
        }
        let union = [self.members(a), self.members(b)].concat();
        if union.len() > MAX_MEMBERS {
            return Some(sorted_pair(a, b));
        }
        let others = self
            .across(a, b)
            .into_iter()
            .filter(|pair| *pair != sorted_pair(a, b));
        others
            .into_iter()
            .find(|(x, y)| self.differ(*x, *y, &union))
    }

    /// Whether a rule calls two records different, given what the others in their cluster say.
    fn differ(&self, x: u32, y: u32, union: &[u32]) -> bool {
        let record = |at: u32| self.records[at as usize];
        let mut comparison = Comparison::new(record(x), record(y), self.versions);
        let bridged = |at: &u32| {
            let has = |of: u32| {
                record(of)
                    .issns
                    .iter()
                    .any(|issn| record(*at).issns.contains(issn))
            };
            has(x) && has(y)
        };
        if comparison.issn.conflicts() && union.iter().any(bridged) {
            comparison.issn = Agreement::Same;
        }
        decide_compared(&comparison).verdict() == Verdict::Different
    }

    /// All pairs between the clusters of two records, sorted.
    fn across(&self, a: u32, b: u32) -> Vec<(u32, u32)> {
        let (left, right) = (self.members(a), self.members(b));
        let mut pairs: Vec<(u32, u32)> = left
            .iter()
            .flat_map(|x| right.iter().map(|y| sorted_pair(*x, *y)))
            .collect();
        pairs.sort_unstable();
        pairs
    }

    fn unite(&mut self, a: u32, b: u32) {
        let (a, b) = (self.root(a), self.root(b));
        if a == b {
            return;
        }
        let (keep, give) = sorted_pair(a, b);
        let moved = self.members.remove(&give).unwrap_or_else(|| vec![give]);
        for record in &moved {
            self.root[*record as usize] = keep;
        }
        self.members
            .entry(keep)
            .or_insert_with(|| vec![keep])
            .extend(moved);
    }

    fn into_sorted(mut self) -> Vec<Vec<u32>> {
        let mut clusters: Vec<Vec<u32>> = Vec::new();
        for record in 0..self.root.len() as u32 {
            if self.root[record as usize] == record {
                let mut members = self.members.remove(&record).unwrap_or_else(|| vec![record]);
                members.sort_unstable();
                clusters.push(members);
            }
        }
        clusters.sort_unstable();
        clusters
    }
}

/// All records that are linked to `seeds`, directly or through others, the seeds included.
///
/// `neighbours` gives the records that a rule calls the same as the given one or that a must-link
/// ties to it. The answer is sorted, so with canonical names it is ready for [`partition`].
///
/// # Errors
/// Whatever `neighbours` fails with.
pub fn component<R, E>(
    seeds: impl IntoIterator<Item = R>,
    mut neighbours: impl FnMut(&R) -> Result<Vec<R>, E>,
) -> Result<Vec<R>, E>
where
    R: Clone + Ord + Hash,
{
    let mut found: BTreeSet<R> = seeds.into_iter().collect();
    let mut open: Vec<R> = found.iter().cloned().collect();
    while let Some(record) = open.pop() {
        for neighbour in neighbours(&record)? {
            if found.insert(neighbour.clone()) {
                open.push(neighbour);
            }
        }
    }
    Ok(found.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dedup::{rules::decide, testing::record};

    const TITLE: &str = "title=The heart of the matter in small mammals; author=Li, W";

    /// Clusters records by all their pairs, written as `0 1 | 2`.
    fn clusters(records: &[Description], links: &[Link]) -> (String, Vec<Refusal>) {
        clusters_assigned(records, links, &[])
    }

    fn clusters_assigned(
        records: &[Description],
        links: &[Link],
        assigned: &[Assigned],
    ) -> (String, Vec<Refusal>) {
        let count = records.len() as u32;
        let mut edges = Vec::new();
        for (a, b) in (0..count).flat_map(|a| (a + 1..count).map(move |b| (a, b))) {
            let decision = decide(
                &records[a as usize],
                &records[b as usize],
                Versions::Together,
            );
            if decision.verdict() == Verdict::Same {
                // Both ways round and twice, as a careless caller might.
                edges.extend(
                    [Edge {
                        rank: decision.rank,
                        a: b,
                        b: a,
                    }; 2],
                );
            }
        }
        edges.reverse();
        let records: Vec<&Description> = records.iter().collect();
        let partition = partition(&records, &edges, links, assigned, Versions::Together);
        let text = |cluster: &Vec<u32>| {
            cluster
                .iter()
                .map(u32::to_string)
                .collect::<Vec<_>>()
                .join(" ")
        };
        let clusters: Vec<String> = partition.clusters.iter().map(text).collect();
        (clusters.join(" | "), partition.refusals)
    }

    /// Two works in other volumes and a record that is so poor that it fits both.
    fn chain() -> Vec<Description> {
        [
            format!("{TITLE}; year=2001; volume=3; pages=7; venue=Heart"),
            format!("{TITLE}; year=2001; venue=Heart"),
            format!("{TITLE}; year=2001; volume=4; pages=9; venue=Heart"),
        ]
        .iter()
        .map(|text| record(text))
        .collect()
    }

    fn must(a: u32, b: u32) -> Link {
        Link { a, b, must: true }
    }

    fn cannot(a: u32, b: u32) -> Link {
        Link { a, b, must: false }
    }

    #[test]
    fn a_weak_record_does_not_chain_two_works() {
        let (text, refusals) = clusters(&chain(), &[]);
        assert_eq!(text, "0 1 | 2");
        assert_eq!(refusals.len(), 1);
        assert_eq!((refusals[0].edge.a, refusals[0].edge.b), (1, 2));
        assert_eq!(refusals[0].between, (0, 2));
    }

    #[test]
    fn a_record_with_both_issns_ties_print_to_electronic() {
        let print = record(&format!("{TITLE}; year=2001; issn=0300-8428"));
        let electronic = record(&format!("{TITLE}; year=2001; issn=1435-1803"));
        let both = record(&format!(
            "{TITLE}; year=2001; issn=0300-8428; issn=1435-1803"
        ));
        assert_eq!(
            clusters(&[print.clone(), electronic.clone()], &[]).0,
            "0 | 1"
        );
        assert_eq!(clusters(&[print, electronic, both], &[]).0, "0 1 2");
    }

    #[test]
    fn decisions_win() {
        for (case, links, want) in [
            ("split", vec![cannot(1, 0)], "0 | 1 2"),
            ("join what differs", vec![must(0, 2)], "0 1 2"),
            (
                "join and all the rest",
                vec![must(0, 2), must(1, 2)],
                "0 1 2",
            ),
            ("split all", vec![cannot(0, 1), cannot(1, 2)], "0 | 1 | 2"),
            (
                "a split wins over joins around it",
                vec![must(0, 1), must(1, 2), cannot(0, 2)],
                "0 1 | 2",
            ),
            ("out of range", vec![must(0, 9), cannot(8, 9)], "0 1 | 2"),
        ] {
            assert_eq!(clusters(&chain(), &links).0, want, "{case}");
        }
    }

    #[test]
    fn clusters_of_other_programs_win_over_rules_and_people_over_both() {
        let of = |origin, clusters: &[(u32, i64)]| -> Vec<Assigned> {
            let assigned = clusters.iter().map(|(record, cluster)| Assigned {
                origin,
                cluster: *cluster,
                record: *record,
            });
            assigned.collect()
        };
        let several = [of(1, &[(0, 5), (1, 5)]), of(2, &[(1, 7), (2, 7)])].concat();
        for (case, links, assigned, want) in [
            ("nothing said", vec![], vec![], "0 1 | 2"),
            ("apart", vec![], of(1, &[(0, 5), (1, 6)]), "0 | 1 2"),
            (
                "what differs together",
                vec![],
                of(1, &[(0, 5), (2, 5)]),
                "0 1 2",
            ),
            (
                "all apart",
                vec![],
                of(1, &[(0, 5), (1, 6), (2, 7)]),
                "0 | 1 | 2",
            ),
            ("several programs", vec![], several, "0 1 2"),
            (
                "two programs do not agree",
                vec![],
                [of(1, &[(0, 5), (1, 6)]), of(2, &[(0, 5), (1, 5)])].concat(),
                "0 1 | 2",
            ),
            (
                "a person joins what a program parts",
                vec![must(0, 1)],
                of(1, &[(0, 5), (1, 6), (2, 6)]),
                "0 1 2",
            ),
            (
                "a person splits what a program joins",
                vec![cannot(0, 1)],
                of(1, &[(0, 5), (1, 5), (2, 5)]),
                "0 2 | 1",
            ),
            ("out of range", vec![], of(1, &[(0, 5), (9, 5)]), "0 1 | 2"),
        ] {
            let found = clusters_assigned(&chain(), &links, &assigned).0;
            assert_eq!(found, want, "{case}");
        }
    }

    #[test]
    fn the_stronger_rule_goes_first() {
        let records: Vec<Description> = [
            format!("{TITLE}; year=2001; volume=3; pages=7; venue=Heart"),
            format!("{TITLE}; year=2001; venue=Heart; doi=10.1/abc"),
            format!("{TITLE}; year=2001; volume=4; pages=9; venue=Heart; doi=10.1/abc"),
        ]
        .iter()
        .map(|text| record(text))
        .collect();
        assert_eq!(clusters(&records, &[]).0, "0 | 1 2");
    }

    #[test]
    fn clusters_do_not_grow_without_end() {
        let one = record(&format!("{TITLE}; year=2001; doi=10.1/abc"));
        let records = vec![one; MAX_MEMBERS + 3];
        let edges: Vec<Edge> = (1..records.len() as u32)
            .map(|b| Edge { rank: 0, a: 0, b })
            .collect();
        let partition = partition(
            &records.iter().collect::<Vec<_>>(),
            &edges,
            &[],
            &[],
            Versions::Together,
        );
        assert_eq!(partition.clusters[0].len(), MAX_MEMBERS);
        assert_eq!(partition.clusters.len(), 4);
        assert_eq!(partition.refusals.len(), 3);
    }

    #[test]
    fn components_are_followed_to_their_ends() {
        let neighbours = |record: &u32| match *record {
            9 => Err("unreadable"),
            record => Ok([1, 3, 5, 7]
                .into_iter()
                .filter(|n| record.abs_diff(*n) == 2)
                .collect()),
        };
        assert_eq!(component([5], neighbours), Ok(vec![1, 3, 5, 7]));
        assert_eq!(component([4], neighbours), Ok(vec![4]));
        assert_eq!(component([9], neighbours), Err("unreadable"));
    }
}
