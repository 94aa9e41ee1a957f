//! From the records and pairs of one component to clusters.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write;

use serde::{Deserialize, Serialize};

use super::{Filter, Group, LineError, Name, from_text, write_line};
use crate::dedup::cluster::{Edge, partition};
use crate::dedup::description::Description;
use crate::dedup::rules::Versions;

/// A record of a component, with `record` and `description`, or a pair of its records, with the rest.
#[derive(Debug, Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    component: Cow<'a, str>,
    #[serde(borrow)]
    record: Option<Cow<'a, str>>,
    #[serde(borrow)]
    description: Option<Cow<'a, str>>,
    #[serde(borrow)]
    a: Option<Cow<'a, str>>,
    #[serde(borrow)]
    b: Option<Cow<'a, str>>,
    rank: Option<u8>,
}

/// A record of a cluster.
#[derive(Serialize)]
struct Member<'a> {
    /// The cluster's first record, as `source/identifier`.
    cluster: &'a str,
    source: &'a str,
    identifier: &'a str,
}

/// Makes the clusters of each component: the lines with one name of a component, which stand next to each other.
/// Only clusters of two records or more are written.
#[derive(Debug)]
pub(in crate::cli::dedup) struct Components {
    versions: Versions,
    group: Group,
    records: Vec<(Name, Description)>,
    pairs: Vec<(Name, Name, u8)>,
    components: u64,
    clusters: u64,
    clustered: u64,
    refused: u64,
}

impl Components {
    pub(in crate::cli::dedup) fn new(versions: Versions) -> Self {
        Self {
            versions,
            group: Group::default(),
            records: Vec::new(),
            pairs: Vec::new(),
            components: 0,
            clusters: 0,
            clustered: 0,
            refused: 0,
        }
    }

    fn cluster(&mut self, out: &mut impl Write) -> Result<(), LineError> {
        let (mut records, pairs) = (
            std::mem::take(&mut self.records),
            std::mem::take(&mut self.pairs),
        );
        self.components += 1;
        records.sort_by(|(a, _), (b, _)| a.cmp(b));
        records.dedup_by(|(a, _), (b, _)| a == b);
        let names = records.iter().map(|(name, _)| name);
        let places: HashMap<&Name, u32> = names.zip(0..).collect();
        let mut strangers = 0;
        let mut edges = Vec::with_capacity(pairs.len());
        for (a, b, rank) in &pairs {
            match (places.get(a), places.get(b)) {
                (Some(&a), Some(&b)) => edges.push(Edge { rank: *rank, a, b }),
                _ => strangers += 1,
            }
        }
        let descriptions: Vec<&Description> = records.iter().map(|(_, record)| record).collect();
        let partition = partition(&descriptions, &edges, &[], &[], self.versions);
        self.refused += partition.refusals.len() as u64;
        for cluster in partition
            .clusters
            .iter()
            .filter(|cluster| cluster.len() > 1)
        {
            self.clusters += 1;
            self.clustered += cluster.len() as u64;
            let name = |at: &u32| &records[*at as usize].0;
            let first = name(&cluster[0]).text();
            for Name { source, identifier } in cluster.iter().map(name) {
                let cluster = &first;
                write_line(
                    out,
                    &Member {
                        cluster,
                        source,
                        identifier,
                    },
                )?;
            }
        }
        match strangers {
            0 => Ok(()),
            _ => Err(LineError::Bad(format!(
                "the component before has {strangers} pairs whose records have no line"
            ))),
        }
    }
}

impl Filter for Components {
    fn line(&mut self, line: &str, out: &mut impl Write) -> Result<(), LineError> {
        let line: Line<'_> = serde_json::from_str(line)?;
        // An error of the component before is reported after this line was taken.
        let before = match self.group.begins(&line.component) {
            true => self.cluster(out),
            false => Ok(()),
        };
        match (&line.record, &line.description, &line.a, &line.b, line.rank) {
            (Some(record), Some(description), None, None, _) => {
                let record = (Name::read(record)?, from_text(description)?);
                self.records.push(record);
            }
            (None, _, Some(a), Some(b), Some(rank)) => {
                self.pairs.push((Name::read(a)?, Name::read(b)?, rank));
            }
            _ => {
                let why = "neither record and description, nor a, b and rank";
                return Err(LineError::Bad(why.to_owned()));
            }
        }
        before
    }

    fn end(&mut self, out: &mut impl Write) -> Result<(), LineError> {
        match self.group.key {
            Some(_) => self.cluster(out),
            None => Ok(()),
        }
    }

    fn summary(&self) -> String {
        format!(
            "{} components, {} clusters of {} records; {} pairs were not joined since other members differ",
            self.components, self.clusters, self.clustered, self.refused
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::filtered;
    use super::super::to_text;
    use super::*;
    use crate::cli::exit::Exit;
    use crate::dedup::rules::{Verdict, decide};
    use crate::dedup::testing::record;

    const TITLE: &str =
        "title=The heart of the matter in small mammals; author=Li, W; year=2001; venue=Heart";

    /// The lines of a component with these records and all pairs of them that a rule calls the same.
    fn component(name: &str, records: &[(&str, &str)]) -> String {
        let mut lines = Vec::new();
        for (at, (a, text)) in records.iter().enumerate() {
            let one = record(text);
            let description = to_text(&one);
            lines.push(json!({ "component": name, "record": a, "description": description }));
            for (b, other) in &records[..at] {
                let decision = decide(&one, &record(other), Versions::Together);
                if decision.verdict() == Verdict::Same {
                    lines.push(
                        json!({ "component": name, "a": b, "b": a, "rank": decision.rank,
                        "rule": decision.rule.name }),
                    );
                }
            }
        }
        lines.reverse();
        lines.iter().map(|line| format!("{line}\n")).collect()
    }

    #[test]
    fn a_poor_record_does_not_join_two_works() {
        let with = |more: &str| format!("{TITLE}; {more}");
        let lines = [
            component(
                "one",
                &[
                    ("a/1", &with("volume=3; pages=7")),
                    ("b/1", TITLE),
                    ("c/1", &with("volume=4; pages=9")),
                ],
            ),
            component("two", &[("d/2", TITLE), ("d/1", TITLE)]),
        ];
        let (found, exit) = filtered(Components::new(Versions::Together), &lines.concat());
        assert_eq!(exit, Exit::Done);
        let member = |cluster: &str, source: &str, identifier: &str| json!({ "cluster": cluster, "source": source, "identifier": identifier });
        assert_eq!(
            found,
            [
                member("a/1", "a", "1"),
                member("a/1", "b", "1"),
                member("d/1", "d", "1"),
                member("d/1", "d", "2"),
            ]
        );
    }

    #[test]
    fn a_pair_without_its_records_is_an_error() {
        let lines = [
            json!({ "component": "x", "a": "a/1", "b": "a/2", "rank": 1 }).to_string() + "\n",
            component("two", &[("d/2", TITLE), ("d/1", TITLE)]),
            json!({ "component": "y", "record": "a/1" }).to_string() + "\n",
        ];
        let (found, exit) = filtered(Components::new(Versions::Together), &lines.concat());
        assert_eq!((found.len(), exit), (2, Exit::Incomplete));
    }
}
