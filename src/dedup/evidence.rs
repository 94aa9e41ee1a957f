//! The matches that hold clusters together, and how far a sample of them can be trusted.
//!
//! A cluster of four records is held together by three matches. If people judge a sample of these
//! matches, the share that is right tells how precise the clusters of a store are.

use std::collections::BTreeMap;

use super::description::Description;
use super::rules::{Decision, Verdict, Versions, decide};

/// A match that holds a cluster together, as places of two members.
#[derive(Debug, Clone, Copy)]
pub struct Link {
    /// One member.
    pub a: usize,
    /// The other one; a later place.
    pub b: usize,
    /// The rule that joins them.
    pub decision: Decision,
}

/// The strongest matches that connect the members of a cluster: one fewer than members, or less where
/// only decisions of people connect them.
///
/// Of equally strong matches, those of the first members are taken.
pub fn links(members: &[Description], versions: Versions) -> Vec<Link> {
    let mut matches = Vec::new();
    for (a, one) in members.iter().enumerate() {
        for (b, other) in members.iter().enumerate().skip(a + 1) {
            let decision = decide(one, other, versions);
            if decision.verdict() == Verdict::Same {
                matches.push(Link { a, b, decision });
            }
        }
    }
    matches.sort_by_key(|link| link.decision.rank);
    // Kruskal's algorithm; clusters are small.
    let mut parts: Vec<usize> = (0..members.len()).collect();
    matches.retain(|link| {
        let (one, other) = (parts[link.a], parts[link.b]);
        for part in &mut parts {
            if *part == other {
                *part = one;
            }
        }
        one != other
    });
    matches
}

/// The matches of one rule, and a sample of them.
#[derive(Debug)]
pub struct Stratum<T> {
    /// The rule.
    pub decision: Decision,
    /// How many matches it has made.
    pub links: u64,
    /// The sample, in the order of the keys.
    pub sample: Vec<T>,
}

/// Draws a sample of the matches of each rule.
///
/// The matches with the least keys are taken. With a hash as the key, that is a random sample, and the
/// same one whenever the matches are the same.
#[derive(Debug)]
pub struct Sampler<T> {
    size: usize,
    strata: BTreeMap<u8, Drawn<T>>,
}

#[derive(Debug)]
struct Drawn<T> {
    decision: Decision,
    links: u64,
    sample: BTreeMap<[u8; 16], T>,
}

impl<T> Sampler<T> {
    /// A sampler that takes at most `size` matches of each rule.
    pub fn new(size: usize) -> Self {
        Self {
            size,
            strata: BTreeMap::new(),
        }
    }

    /// Takes a match up. `item` is only made if it may be part of the sample.
    pub fn add(&mut self, decision: Decision, key: [u8; 16], item: impl FnOnce() -> T) {
        let drawn = self.strata.entry(decision.rank).or_insert_with(|| Drawn {
            decision,
            links: 0,
            sample: BTreeMap::new(),
        });
        drawn.links += 1;
        let is_full = drawn.sample.len() >= self.size;
        if is_full
            && drawn
                .sample
                .keys()
                .next_back()
                .is_none_or(|last| *last <= key)
        {
            return;
        }
        drawn.sample.insert(key, item());
        if drawn.sample.len() > self.size {
            drawn.sample.pop_last();
        }
    }

    /// The rules with their samples, the weakest rule first.
    pub fn finish(self) -> Vec<Stratum<T>> {
        let strata = self.strata.into_values().rev();
        strata
            .map(|drawn| Stratum {
                decision: drawn.decision,
                links: drawn.links,
                sample: drawn.sample.into_values().collect(),
            })
            .collect()
    }
}

/// What people found in the sample of one rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judged {
    /// How many matches the rule has made in the store.
    pub links: u64,
    /// How many of them were judged.
    pub judged: u64,
    /// How many of the judged ones are wrong.
    pub wrong: u64,
}

/// The estimated share of right matches, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The best guess.
    pub share: f64,
    /// 95 of 100 such samples have the true share above this,
    pub low: f64,
    /// and below this.
    pub high: f64,
}

/// Two standard deviations and a bit: 95 % of a normal distribution lie within.
const Z: f64 = 1.96;

/// Estimates the share of right matches of a store from what was judged of each rule. Rules of which
/// nothing was judged are left out; `None` if nothing was judged at all.
///
/// Each rule counts by its number of matches in the store (stratified sampling). The interval is that
/// of Agresti and Coull for each rule. It has a width even if all judged matches are right. It includes the
/// correction for samples that are a large part of the whole.
pub fn estimate(rules: &[Judged]) -> Option<Estimate> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "numbers of matches are far below 2^52"
    )]
    let float = |number: u64| number as f64;
    let known = || {
        let judged = rules.iter().filter(|rule| rule.judged > 0);
        judged.map(|rule| {
            (
                float(rule.links.max(rule.judged)),
                float(rule.judged),
                float(rule.wrong),
            )
        })
    };
    let all: f64 = known().map(|(links, ..)| links).sum();
    if all == 0.0 {
        return None;
    }
    let (mut share, mut center, mut variance) = (0.0, 0.0, 0.0);
    for (links, judged, wrong) in known() {
        let weight = links / all;
        let unseen = (links - judged) / links;
        let trials = judged + Z * Z;
        let likely = (judged - wrong + Z * Z / 2.0) / trials;
        share += weight * (judged - wrong) / judged;
        // What was judged is known; the rest may be as the adjusted share says.
        center += weight * ((1.0 - unseen) * (judged - wrong) / judged + unseen * likely);
        variance += weight * weight * unseen * likely * (1.0 - likely) / trials;
    }
    let reach = Z * variance.sqrt();
    Some(Estimate {
        share,
        low: (center - reach).clamp(0.0, share),
        high: (center + reach).clamp(share, 1.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dedup::testing::record;

    #[test]
    fn a_cluster_is_held_together_by_its_strongest_matches() {
        let by = |doi: &str| {
            let text = "title=The effect of rain on wild bees in Northern Italy; author=Rossi, Ada; \
                        year=2011; volume=4; pages=11-19; ";
            record(&format!("{text}{doi}"))
        };
        let with_doi = by("doi=10.1000/bees.1");
        let (also, without) = (with_doi.clone(), by(""));
        let members = [without, with_doi.clone(), also];
        let found = links(&members, Versions::Together);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!((found[0].a, found[0].b), (1, 2), "the DOI is the strongest");
        assert_eq!(found[1].a, 0);
        assert!(found[0].decision.rank < found[1].decision.rank);
        let alone = [with_doi, Description::default()];
        assert!(links(&alone, Versions::Together).is_empty());
    }

    #[test]
    fn a_sample_is_the_same_in_any_order_and_counts_all() {
        let one = record(
            "title=The effect of rain on wild bees in Northern Italy; author=Rossi, Ada; year=2011; doi=10.1000/bees.1",
        );
        let decision = decide(&one, &one, Versions::Together);
        let draw = |numbers: &mut dyn Iterator<Item = u8>| {
            let mut sampler = Sampler::new(3);
            for number in numbers {
                sampler.add(decision, [number.wrapping_mul(37); 16], || number);
            }
            let strata = sampler.finish();
            assert_eq!(strata.len(), 1);
            (strata[0].links, strata[0].sample.clone())
        };
        let forward = draw(&mut (0..100));
        assert_eq!(forward, (100, vec![0, 90, 7]));
        assert_eq!(draw(&mut (0..100).rev()), forward);
    }

    #[test]
    fn an_estimate_weighs_rules_by_their_matches() {
        let of = |links, judged, wrong| Judged {
            links,
            judged,
            wrong,
        };
        assert_eq!(estimate(&[]), None);
        assert_eq!(estimate(&[of(100, 0, 0)]), None);
        let near = |left: f64, right: f64| (left - right).abs() < 0.000_5;

        let all = estimate(&[of(20, 20, 1)]).unwrap();
        assert!(
            near(all.share, 0.95) && near(all.low, 0.95) && near(all.high, 0.95),
            "{all:?}"
        );

        let weak_rule = estimate(&[of(9_900, 50, 0), of(100, 50, 25), of(500, 0, 0)]).unwrap();
        assert!(near(weak_rule.share, 0.995), "{weak_rule:?}");
        assert!(
            weak_rule.low < 0.96 && weak_rule.high > 0.995,
            "{weak_rule:?}"
        );

        let perfect = estimate(&[of(1_000_000, 100, 0)]).unwrap();
        assert!(
            near(perfect.share, 1.0) && perfect.low < 0.98 && perfect.low > 0.94,
            "{perfect:?}"
        );
    }
}
