//! Stable ids of clusters: which id survives when clusters merge and split.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::hash::Hash;

/// The id of a cluster: the record that it was first named after, and a generation.
///
/// The id stays when that record leaves the cluster. `generation` is 0, except for a record that
/// needs a new cluster while the cluster named after it still exists without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId<R> {
    /// The record.
    pub record: R,
    /// Counted from 0.
    pub generation: u32,
}

impl<R: fmt::Display> fmt::Display for ClusterId<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.generation {
            0 => write!(f, "{}", self.record),
            generation => write!(f, "{}~{generation}", self.record),
        }
    }
}

/// A cluster with its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named<R> {
    /// The id.
    pub id: ClusterId<R>,
    /// Its members, in canonical order.
    pub members: Vec<R>,
}

/// The new clusters, and what became of the old ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes<R> {
    /// All clusters of the new partition, in its order.
    pub clusters: Vec<Named<R>>,
    /// Ids that were merged into another one: (old, survivor). An id that is used again must lose its
    /// redirection.
    pub redirects: Vec<(ClusterId<R>, ClusterId<R>)>,
    /// Ids whose members are all gone.
    pub retired: Vec<ClusterId<R>>,
}

/// Gives the clusters of a new partition ttarget ids, so that ids change as little as possible.
///
/// `old` are the clusters that any of the records belonged to, `new` the clusters they form now;
/// members are in canonical order. `exists` tells for clusters outside `old` whether an id is taken.
///
/// - An id goes to the new cluster that has most of its members. Of equal parts, the part with the
///   record that the id is named after wins, then the part with the first member.
/// - If several ids go to one cluster, the id that brings most members survives; of equals, the
///   first in order. The others redirect to it.
/// - A cluster without an old id is named after its first member whose own id is free. So a record
///   that was merged and is split off again gets its old id back.
pub fn assign_ids<R>(
    old: &[Named<R>],
    new: &[Vec<R>],
    exists: impl Fn(&ClusterId<R>) -> bool,
) -> Changes<R>
where
    R: Clone + Ord + Hash,
{
    let cluster_of: HashMap<&R, usize> = new
        .iter()
        .enumerate()
        .flat_map(|(at, group)| group.iter().map(move |r| (r, at)))
        .collect();
    // For each new cluster, the old ids that go to it, with the number of members they bring.
    let mut claims: Vec<Vec<(usize, &ClusterId<R>)>> = vec![Vec::new(); new.len()];
    let mut retired = Vec::new();
    for cluster in old {
        match successor(cluster, &cluster_of) {
            Some((target, brought)) => claims[target].push((brought, &cluster.id)),
            None => retired.push(cluster.id.clone()),
        }
    }
    let mut redirects = Vec::new();
    let mut taken: BTreeSet<ClusterId<R>> = BTreeSet::new();
    let mut names: Vec<Option<ClusterId<R>>> = Vec::with_capacity(new.len());
    for mut claims in claims {
        claims.sort_by(|(many, a), (few, b)| few.cmp(many).then(a.cmp(b)));
        let survivor = claims.first().map(|(_, id)| (*id).clone());
        if let Some(survivor) = &survivor {
            let lost = claims
                .iter()
                .skip(1)
                .map(|(_, id)| ((*id).clone(), survivor.clone()));
            redirects.extend(lost);
        }
        taken.extend(claims.into_iter().map(|(_, id)| id.clone()));
        names.push(survivor);
    }
    taken.extend(retired.iter().cloned());
    let mut clusters = Vec::with_capacity(new.len());
    for (members, name) in new.iter().zip(names) {
        let name = name.or_else(|| fresh(members, |id| taken.contains(id) || exists(id)));
        // Only an empty cluster stays without an id.
        let Some(id) = name else { continue };
        taken.insert(id.clone());
        clusters.push(Named {
            id,
            members: members.clone(),
        });
    }
    Changes {
        clusters,
        redirects,
        retired,
    }
}

/// The new cluster that has most members of an old one, and ttarget number.
fn successor<R>(cluster: &Named<R>, cluster_of: &HashMap<&R, usize>) -> Option<(usize, usize)>
where
    R: Clone + Ord + Hash,
{
    let mut parts: BTreeMap<usize, usize> = BTreeMap::new();
    for target in cluster
        .members
        .iter()
        .filter_map(|member| cluster_of.get(member))
    {
        *parts.entry(*target).or_default() += 1;
    }
    let most = parts.values().copied().max()?;
    let largest = |target: &&usize| parts.get(*target) == Some(&most);
    let named_after = cluster_of.get(&cluster.id.record).filter(largest);
    let mut in_order = cluster
        .members
        .iter()
        .filter_map(|member| cluster_of.get(member));
    named_after
        .or_else(|| in_order.find(largest))
        .map(|target| (*target, most))
}

/// An id for a cluster that has none.
fn fresh<R: Clone>(members: &[R], taken: impl Fn(&ClusterId<R>) -> bool) -> Option<ClusterId<R>> {
    let named = |record: &R, generation| ClusterId {
        record: record.clone(),
        generation,
    };
    let own = members
        .iter()
        .map(|member| named(member, 0))
        .find(|id| !taken(id));
    own.or_else(|| {
        let first = members.first()?;
        (1..)
            .map(|generation| named(first, generation))
            .find(|id| !taken(id))
    })
}

/// The existing cluster that an id stands for: itself, or the end of its redirections.
///
/// `redirect` gives the id that a merged id redirects to. `None` if the stored redirections form a
/// circle, which [`assign_ids`] never makes.
pub fn resolve<R: Clone + Ord>(
    id: &ClusterId<R>,
    redirect: impl Fn(&ClusterId<R>) -> Option<ClusterId<R>>,
) -> Option<ClusterId<R>> {
    let mut seen = BTreeSet::new();
    let mut current = id.clone();
    while let Some(next) = redirect(&current) {
        if !seen.insert(std::mem::replace(&mut current, next)) {
            return None;
        }
    }
    Some(current)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(record: char, generation: u32) -> ClusterId<char> {
        ClusterId { record, generation }
    }

    fn named(record: char, generation: u32, members: &str) -> Named<char> {
        Named {
            id: id(record, generation),
            members: members.chars().collect(),
        }
    }

    /// Ids of the new clusters and redirections, as text.
    fn assigned(old: &[Named<char>], new: &str, existing: &[ClusterId<char>]) -> String {
        let groups: Vec<Vec<char>> = new
            .split(' ')
            .map(|group| group.chars().collect())
            .collect();
        let changes = assign_ids(old, &groups, |id| existing.contains(id));
        let mut words: Vec<String> = changes.clusters.iter().map(|c| c.id.to_string()).collect();
        words.extend(
            changes
                .redirects
                .iter()
                .map(|(from, to)| format!("{from}>{to}")),
        );
        words.extend(changes.retired.iter().map(|id| format!("{id}!")));
        words.join(" ")
    }

    #[test]
    fn ids_survive() {
        let b = id('b', 0);
        for (case, old, new, existing, want) in [
            ("first of all", vec![], "abc d", vec![], "a d"),
            ("a newcomer", vec![named('b', 0, "bc")], "abc", vec![], "b"),
            (
                "merge: the larger survives",
                vec![named('a', 0, "a"), named('b', 0, "bc")],
                "abc",
                vec![],
                "b a>b",
            ),
            (
                "merge of equals",
                vec![named('a', 0, "a"), named('b', 0, "b")],
                "ab",
                vec![],
                "a b>a",
            ),
            (
                "its record leaves the larger part",
                vec![named('a', 0, "abc")],
                "a bc",
                vec![],
                "a~1 a",
            ),
            (
                "equal halves",
                vec![named('b', 0, "ab")],
                "a b",
                vec![],
                "a b",
            ),
            (
                "equal halves without its record",
                vec![named('x', 0, "ab")],
                "a b",
                vec![],
                "x b",
            ),
            (
                "split off after a merge",
                vec![named('b', 0, "abc")],
                "a bc",
                vec![],
                "a b",
            ),
            (
                "own id exists elsewhere",
                vec![named('a', 0, "ab")],
                "a b",
                vec![b],
                "a b~1",
            ),
            (
                "a member disappears",
                vec![named('a', 0, "ab")],
                "b",
                vec![],
                "a",
            ),
            (
                "all disappear",
                vec![named('a', 0, "a"), named('b', 0, "b")],
                "b",
                vec![],
                "b a!",
            ),
        ] {
            assert_eq!(assigned(&old, new, &existing), want, "{case}");
        }
    }

    #[test]
    fn merged_ids_redirect() {
        let redirects = BTreeMap::from([(id('a', 0), id('b', 0)), (id('b', 0), id('c', 0))]);
        let resolve = |from: char| resolve(&id(from, 0), |id| redirects.get(id).copied());
        assert_eq!(resolve('a'), Some(id('c', 0)));
        assert_eq!(resolve('c'), Some(id('c', 0)));
        let circle = |_: &ClusterId<char>| Some(id('z', 0));
        assert_eq!(super::resolve(&id('a', 0), circle), None);
    }
}
