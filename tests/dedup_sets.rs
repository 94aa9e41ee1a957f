//! The rules against labelled sets: a small one in `tests/fixtures`, and the full ones where present.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use harvestd::dedup::{
    description::Description,
    labelled::{read_clusters, read_records},
    memory::cluster_all,
    score::{Counts, Truth, against_clusters, run},
};
use harvestd::record::crosswalk;

mod support;

use support::shared_data;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/dedup")
        .join(name)
}

/// A file of the full sets; `None` if they are not there.
fn full_set(name: &str) -> Option<PathBuf> {
    shared_data(&format!("dedup/{name}"))
}

fn score(records: &Path, truth: &Truth) -> (Counts, String) {
    let mut report = Vec::new();
    let counts = run(records, truth, None, 20, &mut report).unwrap();
    (counts, String::from_utf8(report).unwrap())
}

#[test]
fn small_set() {
    let truth = Truth::Clusters(fixture("clusters.tsv"));
    let (counts, report) = score(&fixture("records.jsonl"), &truth);
    assert_eq!(counts.wrong, 0, "{report}");
    // The missed pairs are of four records of one article that has a DOI in each of two volumes.
    assert_eq!(counts.missed, 4, "{report}");
    assert_eq!(counts.found, 22, "{report}");
}

#[test]
fn references_from_medical_databases() {
    let (Some(records), Some(truth)) = (
        full_set("asysd-cardiac/records.jsonl"),
        full_set("asysd-cardiac/clusters.tsv"),
    ) else {
        return;
    };
    let (counts, report) = score(&records, &Truth::Clusters(truth));
    assert!(counts.precision() >= 0.9998, "{report}");
    assert!(counts.recall() >= 0.99, "{report}");
}

#[test]
fn hard_pairs_from_a_catalogue() {
    let (Some(records), Some(truth)) = (
        full_set("fuzzycat-verify/records.jsonl"),
        full_set("fuzzycat-verify/pairs.tsv"),
    ) else {
        return;
    };
    let (counts, report) = score(&records, &Truth::Pairs(truth));
    assert!(counts.precision() >= 0.98, "{report}");
    // There, "same work" includes preprints and reprints. Here these are separate works.
    assert!(counts.recall() >= 0.45, "{report}");
}

/// A small case: records as received, and the clusters that a cataloguer wants.
#[derive(serde::Deserialize)]
struct Case {
    case: String,
    records: Vec<Received>,
    clusters: Vec<Vec<u32>>,
}

#[derive(serde::Deserialize)]
struct Received {
    metadata_prefix: String,
    metadata: String,
}

/// The number of cases in a file, and the names of those that come out otherwise than wanted: with two
/// works in one cluster, and with one work in several.
fn cases(path: &Path) -> (usize, Vec<String>, Vec<String>) {
    let text = fs::read_to_string(path).unwrap();
    let (mut count, mut merged, mut missed) = (0, Vec::new(), Vec::new());
    for line in text.lines() {
        let mut case: Case = serde_json::from_str(line).unwrap();
        let records: Vec<Description> = case
            .records
            .iter()
            .map(|record| {
                let resource = crosswalk::resource(&record.metadata_prefix, &record.metadata);
                Description::from_resource(&resource.unwrap())
            })
            .collect();
        let found = cluster_all(&records, &[]).clusters;
        case.clusters.iter_mut().for_each(|members| members.sort());
        case.clusters.sort();
        count += 1;
        let within = |members: &Vec<u32>| {
            let mut wanted = case.clusters.iter();
            wanted.any(|wanted| members.iter().all(|member| wanted.contains(member)))
        };
        if !found.iter().all(within) {
            merged.push(case.case);
        } else if found != case.clusters {
            missed.push(case.case);
        }
    }
    (count, merged, missed)
}

#[test]
fn cases_by_hand() {
    let (count, merged, missed) = cases(&fixture("cases.jsonl"));
    assert_eq!(count, 42);
    assert_eq!(merged, [""; 0]);
    assert_eq!(missed, [""; 0]);
}

/// Notices, front matter, ordinals, companions, types, names and links in sixteen languages.
#[test]
fn cases_in_many_languages() {
    let (count, merged, missed) = cases(&fixture("languages.jsonl"));
    assert_eq!(count, 115);
    assert_eq!(merged, [""; 0]);
    assert_eq!(missed, [""; 0]);
}

#[test]
fn all_cases_by_hand() {
    let Some(path) = full_set("cases.jsonl") else {
        return;
    };
    let (count, merged, missed) = cases(&path);
    assert_eq!(merged, [""; 0]);
    assert_eq!(missed, [""; 0], "of {count}");
}

/// Every harvest has records without some fields. Fewer of them can be joined, but joined records must
/// still describe one work.
#[test]
fn missing_fields_reduce_recall_and_not_precision() {
    let (Some(records), Some(truth)) = (
        full_set("asysd-cardiac/records.jsonl"),
        full_set("asysd-cardiac/clusters.tsv"),
    ) else {
        return;
    };
    let mut records = read_records(&fs::read_to_string(records).unwrap()).unwrap();
    records.sort_by(|a, b| a.id.cmp(&b.id));
    let truth: HashMap<String, String> =
        read_clusters(&fs::read_to_string(truth).unwrap()).unwrap();
    let truth: Vec<Option<&str>> = records
        .iter()
        .map(|record| truth.get(&record.id).map(String::as_str))
        .collect();
    for (percent, precision, recall) in [(20, 0.999, 0.94), (40, 0.998, 0.85), (70, 0.99, 0.6)] {
        let mut random = fastrand::Rng::with_seed(percent);
        let mut lost = || random.u64(..100) < percent;
        let poorer: Vec<Description> = records
            .iter()
            .map(|record| {
                let mut poorer = record.clone();
                for field in [
                    &mut poorer.doi,
                    &mut poorer.pages,
                    &mut poorer.volume,
                    &mut poorer.venue,
                ] {
                    field.take_if(|_| lost());
                }
                if lost() {
                    poorer.issn.clear();
                }
                poorer.describe()
            })
            .collect();
        let counts = against_clusters(&cluster_all(&poorer, &[]), &truth).counts;
        assert!(counts.precision() >= precision, "{percent} %: {counts:?}");
        assert!(counts.recall() >= recall, "{percent} %: {counts:?}");
    }
}
