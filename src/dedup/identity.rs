//! Names of clusters: which one survives when clusters merge and split.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::hash::Hash;

/// The name of a cluster: the record that it was first named after, and how often that name had
/// been given before.
///
/// A name stays when the record that gave it leaves. `generation` is 0 unless a record needs a
/// cluster of its own while the one named after it lives on without it.
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

/// A cluster with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named<R> {
    /// The name.
    pub id: ClusterId<R>,
    /// Its members, in canonical order.
    pub members: Vec<R>,
}

/// What becomes of clusters and their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes<R> {
    /// All clusters of the new partition, in its order.
    pub clusters: Vec<Named<R>>,
    /// Names that lost their cluster to another one: (old, survivor). A name that is given to a
    /// cluster again must lose its redirection.
    pub redirects: Vec<(ClusterId<R>, ClusterId<R>)>,
    /// Names whose members are all gone; they lead nowhere.
    pub retired: Vec<ClusterId<R>>,
}

/// Names the clusters of a new partition after those that were there before.
///
/// `old` are the clusters that any of the records belonged to, `new` the clusters they form now;
/// members are in canonical order. `lives` tells of clusters beyond `old` whether a name is taken.
///
/// - A name goes with most of its members; of equal parts, with the record it is named after, then
///   with the first member.
/// - Where several names meet, the one that brings most members survives; of equals, the first in
///   order. The others lead to it.
/// - A cluster that no name came to is named after its first member whose own name is free, so a
///   record that was merged away and is split off again gets its old name back.
pub fn assign_ids<R>(
    old: &[Named<R>],
    new: &[Vec<R>],
    lives: impl Fn(&ClusterId<R>) -> bool,
) -> Changes<R>
where
    R: Clone + Ord + Hash,
{
    let cluster_of: HashMap<&R, usize> = new
        .iter()
        .enumerate()
        .flat_map(|(at, group)| group.iter().map(move |r| (r, at)))
        .collect();
    // For each new cluster the names that came to it, with the number of members they brought.
    let mut claims: Vec<Vec<(usize, &ClusterId<R>)>> = vec![Vec::new(); new.len()];
    let mut retired = Vec::new();
    for cluster in old {
        match successor(cluster, &cluster_of) {
            Some((heir, brought)) => claims[heir].push((brought, &cluster.id)),
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
        let name = name.or_else(|| fresh(members, |id| taken.contains(id) || lives(id)));
        // Only an empty cluster stays without a name, and there is nothing to be named.
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

/// The new cluster that most members of an old one went to, and how many they are.
fn successor<R>(cluster: &Named<R>, cluster_of: &HashMap<&R, usize>) -> Option<(usize, usize)>
where
    R: Clone + Ord + Hash,
{
    let mut parts: BTreeMap<usize, usize> = BTreeMap::new();
    for heir in cluster
        .members
        .iter()
        .filter_map(|member| cluster_of.get(member))
    {
        *parts.entry(*heir).or_default() += 1;
    }
    let most = parts.values().copied().max()?;
    let largest = |heir: &&usize| parts.get(*heir) == Some(&most);
    let namesake = cluster_of.get(&cluster.id.record).filter(largest);
    let mut in_order = cluster
        .members
        .iter()
        .filter_map(|member| cluster_of.get(member));
    namesake
        .or_else(|| in_order.find(largest))
        .map(|heir| (*heir, most))
}

/// A name for a cluster that has none.
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

/// The living cluster that a name leads to: itself, or the end of its redirections.
///
/// `redirect` gives the survivor that a merged-away name leads to. `None` if the stored
/// redirections run in a circle, which [`assign_ids`] does not make.
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

    /// Names of the new clusters and redirections, as text.
    fn assigned(old: &[Named<char>], new: &str, living: &[ClusterId<char>]) -> String {
        let groups: Vec<Vec<char>> = new
            .split(' ')
            .map(|group| group.chars().collect())
            .collect();
        let changes = assign_ids(old, &groups, |id| living.contains(id));
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
    fn names_survive() {
        let b = id('b', 0);
        for (case, old, new, living, want) in [
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
                "namesake leaves the larger part",
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
                "equal halves without namesake",
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
                "own name lives elsewhere",
                vec![named('a', 0, "ab")],
                "a b",
                vec![b],
                "a b~1",
            ),
            (
                "a member vanishes",
                vec![named('a', 0, "ab")],
                "b",
                vec![],
                "a",
            ),
            (
                "all vanish",
                vec![named('a', 0, "a"), named('b', 0, "b")],
                "b",
                vec![],
                "b a!",
            ),
        ] {
            assert_eq!(assigned(&old, new, &living), want, "{case}");
        }
    }

    #[test]
    fn merged_away_names_lead_on() {
        let redirects = BTreeMap::from([(id('a', 0), id('b', 0)), (id('b', 0), id('c', 0))]);
        let resolve = |from: char| resolve(&id(from, 0), |id| redirects.get(id).copied());
        assert_eq!(resolve('a'), Some(id('c', 0)));
        assert_eq!(resolve('c'), Some(id('c', 0)));
        let circle = |_: &ClusterId<char>| Some(id('z', 0));
        assert_eq!(super::resolve(&id('a', 0), circle), None);
    }
}
