//! The clusters of a set of records depend neither on the order of arrival nor on whether they are
//! computed at once or after each change.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use harvestd::dedup::{
    cluster::{Edge, Link, component, partition},
    description::Description,
    keys::{Key, keys},
    memory::cluster_all_capped,
    rules::{Verdict, Versions, decide},
};
use harvestd::demo::{Article, Author};
use proptest::prelude::*;

/// Keys with more holders are not used. The number is low, so that small sets often exceed it.
const CAP: usize = 4;

/// An engine that recomputes only the clusters that a change can affect.
#[derive(Default)]
struct Engine {
    records: BTreeMap<u32, Description>,
    holders: BTreeMap<Key, BTreeSet<u32>>,
    links: Vec<(u32, u32, bool)>,
    cluster: BTreeMap<u32, Vec<u32>>,
}

impl Engine {
    fn put(&mut self, id: u32, record: Option<Description>) {
        let mut seeds: BTreeSet<u32> = self.neighbours(id).into_iter().collect();
        let before = self
            .records
            .remove(&id)
            .map_or_else(Vec::new, |old| keys(&old));
        self.cluster.remove(&id);
        for key in &before {
            let holders = self.holders.entry(*key).or_default();
            if holders.len() == CAP + 1 {
                seeds.extend(holders.iter());
            }
            holders.remove(&id);
        }
        if let Some(record) = record {
            for key in keys(&record) {
                let holders = self.holders.entry(key).or_default();
                if holders.len() == CAP {
                    seeds.extend(holders.iter());
                }
                holders.insert(id);
            }
            self.records.insert(id, record);
            seeds.insert(id);
            seeds.extend(self.neighbours(id));
        }
        seeds.retain(|seed| self.records.contains_key(seed));
        self.recluster(seeds);
    }

    fn link(&mut self, a: u32, b: u32, must: bool) {
        self.links.push((a, b, must));
        let both = [a, b]
            .into_iter()
            .filter(|id| self.records.contains_key(id))
            .collect();
        self.recluster(both);
    }

    /// Records that match this one, and those that a decision joins with it.
    fn neighbours(&self, id: u32) -> Vec<u32> {
        let Some(record) = self.records.get(&id) else {
            return Vec::new();
        };
        let keys = keys(record);
        let holders = keys.iter().filter_map(|key| self.holders.get(key));
        let candidates: BTreeSet<u32> = holders
            .filter(|holders| holders.len() <= CAP)
            .flatten()
            .copied()
            .collect();
        let same = candidates.into_iter().filter(|other| {
            *other != id
                && decide(record, &self.records[other], Versions::Together).verdict()
                    == Verdict::Same
        });
        let tied = self
            .links
            .iter()
            .filter(|(_, _, must)| *must)
            .filter_map(|(a, b, _)| {
                let other = if *a == id { b } else { a };
                ((*a == id || *b == id) && self.records.contains_key(other)).then_some(*other)
            });
        same.chain(tied).collect()
    }

    fn recluster(&mut self, seeds: BTreeSet<u32>) {
        let Ok(members) = component(seeds, |id| Ok::<_, Infallible>(self.neighbours(*id)));
        let place = |id: &u32| members.binary_search(id).ok().map(|at| at as u32);
        let records: Vec<&Description> = members.iter().map(|id| &self.records[id]).collect();
        let mut edges = Vec::new();
        for (a, id) in (0..).zip(&members) {
            for b in self.neighbours(*id).iter().filter_map(place) {
                let decision = decide(records[a as usize], records[b as usize], Versions::Together);
                if decision.verdict() == Verdict::Same {
                    edges.push(Edge {
                        rank: decision.rank,
                        a,
                        b,
                    });
                }
            }
        }
        let links = self.links.iter().filter_map(|(a, b, must)| {
            Some(Link {
                a: place(a)?,
                b: place(b)?,
                must: *must,
            })
        });
        let partition = partition(
            &records,
            &edges,
            &links.collect::<Vec<_>>(),
            &[],
            Versions::Together,
        );
        for cluster in partition.clusters {
            let ids: Vec<u32> = cluster.iter().map(|at| members[*at as usize]).collect();
            for id in &ids {
                self.cluster.insert(*id, ids.clone());
            }
        }
    }

    fn clusters(&self) -> BTreeSet<Vec<u32>> {
        self.cluster.values().cloned().collect()
    }

    /// The clusters that a full rebuild gives.
    fn rebuilt(&self) -> BTreeSet<Vec<u32>> {
        let ids: Vec<u32> = self.records.keys().copied().collect();
        let place = |id: u32| ids.binary_search(&id).ok().map(|at| at as u32);
        let links = self.links.iter().filter_map(|(a, b, must)| {
            Some(Link {
                a: place(*a)?,
                b: place(*b)?,
                must: *must,
            })
        });
        let records: Vec<Description> = self.records.values().cloned().collect();
        let partition = cluster_all_capped(&records, &links.collect::<Vec<_>>(), CAP);
        let named = partition.clusters.into_iter();
        named
            .map(|cluster| cluster.iter().map(|at| ids[*at as usize]).collect())
            .collect()
    }
}

fn one_of(values: &'static [&'static str]) -> impl Strategy<Value = Option<String>> {
    proptest::sample::select(values).prop_map(|value| (!value.is_empty()).then(|| value.to_owned()))
}

/// Records made of few values, so that many are similar, some match and some conflict.
fn a_record() -> impl Strategy<Value = Description> {
    let title = one_of(&[
        "The heart of the matter in small mammals",
        "The heart of the mater in small mammals",
        "The hearts and the matter in small mammals",
        "Editorial",
    ]);
    (
        title,
        one_of(&["", "Li, W.", "Li, Wei", "Smith, J."]),
        one_of(&["", "2001", "2002"]),
        one_of(&["", "", "3", "4"]),
        one_of(&["", "7", "9"]),
        one_of(&["", "19"]),
        one_of(&["", "", "10.1/aaaaaa", "10.1/bbbbbb"]),
        one_of(&["", "0300-8428", "1435-1803"]),
        one_of(&["", "", "1435-1803"]),
        one_of(&["", "Heart"]),
    )
        .prop_map(
            |(title, author, year, volume, first, last, doi, issn, eissn, journal)| {
                let author = author.map(|name| Author {
                    name,
                    ..Author::default()
                });
                let article = Article {
                    title,
                    authors: author.into_iter().collect(),
                    published: year,
                    volume,
                    start_page: first,
                    end_page: last,
                    doi,
                    issn,
                    eissn,
                    journal,
                    ..Article::default()
                };
                Description::from_resource(&article.resource())
            },
        )
}

#[derive(Debug, Clone)]
enum Step {
    Put(u32, Box<Description>),
    Remove(u32),
    Link(u32, u32, bool),
}

fn a_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0u32..16, a_record()).prop_map(|(id, record)| Step::Put(id, Box::new(record))),
        1 => (0u32..16).prop_map(Step::Remove),
        1 => (0u32..16, 0u32..16, any::<bool>())
            .prop_filter("two records", |(a, b, _)| a != b)
            .prop_map(|(a, b, must)| Step::Link(a, b, must)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn single_changes_give_the_clusters_of_a_rebuild(
        steps in proptest::collection::vec(a_step(), 1..40),
    ) {
        let mut engine = Engine::default();
        for step in steps {
            match step {
                Step::Put(id, record) => engine.put(id, Some(*record)),
                Step::Remove(id) => engine.put(id, None),
                Step::Link(a, b, must) => engine.link(a, b, must),
            }
            prop_assert_eq!(engine.clusters(), engine.rebuilt());
        }
    }

    #[test]
    fn clusters_do_not_depend_on_the_order_of_arrival(
        (records, order) in proptest::collection::vec(a_record(), 2..20).prop_flat_map(|records| {
            let order: Vec<usize> = (0..records.len()).collect();
            (Just(records), Just(order).prop_shuffle())
        }),
        links in proptest::collection::vec((0u32..20, 0u32..20, any::<bool>()), 0..4),
    ) {
        let mut engine = Engine::default();
        for (a, b, must) in links.into_iter().filter(|(a, b, _)| a != b) {
            engine.link(a, b, must);
        }
        for at in order {
            engine.put(at as u32, Some(records[at].clone()));
        }
        prop_assert_eq!(engine.clusters(), engine.rebuilt());
    }

    #[test]
    fn no_cluster_contains_records_that_must_be_apart(
        records in proptest::collection::vec(a_record(), 2..20),
        (a, b) in (0u32..20, 0u32..20),
    ) {
        let count = records.len() as u32;
        let link = Link { a: a % count, b: b % count, must: false };
        let partition = cluster_all_capped(&records, &[link], 64);
        for cluster in &partition.clusters {
            for (at, x) in cluster.iter().enumerate() {
                for y in &cluster[at + 1..] {
                    let decision = decide(&records[*x as usize], &records[*y as usize], Versions::Together);
                    // A third member can prove that two ISSNs belong to one journal.
                    let journal = decision.rule.name.starts_with("journal-");
                    prop_assert!(decision.verdict() != Verdict::Different || journal);
                    prop_assert_ne!((*x, *y), (link.a.min(link.b), link.a.max(link.b)));
                }
            }
        }
        let members: usize = partition.clusters.iter().map(Vec::len).sum();
        prop_assert_eq!(members, records.len());
    }

    #[test]
    fn a_comparison_is_symmetric(a in a_record(), b in a_record()) {
        prop_assert_eq!(decide(&a, &b, Versions::Together).rule.name, decide(&b, &a, Versions::Together).rule.name);
        prop_assert_ne!(decide(&a, &a, Versions::Together).verdict(), Verdict::Different);
    }

    #[test]
    fn no_text_makes_it_panic(texts in proptest::collection::vec(any::<String>(), 10)) {
        let text = |at: usize| Some(texts[at].clone());
        let article = Article {
            title: text(0),
            other_titles: vec![texts[1].clone()],
            authors: vec![Author { name: texts[2].clone(), ..Author::default() }],
            journal: text(3),
            issn: text(4),
            doi: text(5),
            published: text(6),
            volume: text(7),
            start_page: text(8),
            end_page: text(9),
            ..Article::default()
        };
        let described = Description::from_resource(&article.resource());
        prop_assert!(keys(&described).is_sorted());
        prop_assert_ne!(decide(&described, &described, Versions::Together).verdict(), Verdict::Different);
    }
}
