//! Compares what is read of real records with what a cataloguer reads.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::words::fold;
use super::{Header, date, identifier, resource_with_header};
use crate::record::resource::{IdentifierKind, LinkPurpose, Resource};
use crate::record::samples;

/// The fields that are compared, with the share of records that must be right in the large set.
const FIELDS: [(&str, f64); 14] = [
    ("title", 0.98),
    ("year", 0.97),
    ("type", 0.97),
    ("doi", 0.99),
    ("link", 0.97),
    ("journal", 0.95),
    ("volume", 0.95),
    ("issue", 0.95),
    ("start_page", 0.95),
    ("end_page", 0.95),
    ("languages", 0.97),
    ("authors", 0.95),
    ("issns", 0.97),
    ("isbns", 0.97),
];

#[test]
fn reads_what_a_cataloguer_reads() {
    let scores = score(&samples::fixture("oai_dc_labels"));
    for (field, score) in &scores {
        assert!(score.wrong.is_empty(), "{field}: {:#?}", score.wrong);
        assert_eq!(score.records, 16, "{field}");
    }
    assert_eq!(scores.len(), FIELDS.len());
}

/// Also among the records that have a value at all, which most have not.
#[test]
fn reads_most_of_the_large_set() {
    let Some(folder) = samples::shared_data("oai_dc") else {
        return;
    };
    let scores = score(&folder);
    for (field, floor) in FIELDS {
        let score = &scores[field];
        assert_eq!(score.records, 120, "{field}");
        let wrong = score.wrong.len() as f64;
        let least = (score.records as f64 * (1.0 - floor)).min(score.labelled as f64 * 0.05 + 1.0);
        assert!(wrong <= least, "{field}: {:#?}", score.wrong);
    }
    let wrong = &scores["doi"].wrong;
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[derive(Debug, Default)]
struct Score {
    records: usize,
    labelled: usize,
    wrong: Vec<String>,
}

/// The scores by field of the records in a folder with `labels.jsonl`.
fn score(folder: &Path) -> BTreeMap<&'static str, Score> {
    let labels = fs::read_to_string(folder.join("labels.jsonl")).unwrap();
    let mut scores: BTreeMap<&'static str, Score> = BTreeMap::new();
    for line in labels.lines() {
        let label: Value = serde_json::from_str(line).unwrap();
        let file = label["file"].as_str().unwrap();
        let text = fs::read_to_string(folder.join(file)).unwrap();
        let read = values(&read(&text));
        for (field, _) in FIELDS {
            let score = scores.entry(field).or_default();
            score.records += 1;
            score.labelled += usize::from(!is_empty(&label[field]));
            let further = label["accept"][field].as_array();
            let mut accepted = std::iter::once(&label[field]).chain(further.into_iter().flatten());
            let found = normal(field, &read[field]);
            let mut right = accepted.any(|value| normal(field, value) == found);
            // The address of the DOI is as good, and no address is needed where there need be none.
            right |= field == "link"
                && label["doi"].as_str().is_some_and(|doi| {
                    normal("link", &json!(format!("https://doi.org/{doi}"))) == found
                });
            if !right {
                score.wrong.push(format!(
                    "{file}: {} is read as {}",
                    label[field], read[field]
                ));
            }
        }
    }
    scores
}

fn read(text: &str) -> Resource {
    let between = |from: &str, to: &str| {
        let rest = text.split(from).skip(1);
        rest.filter_map(|rest| rest.split_once(to))
            .map(|(inner, _)| inner.trim().to_owned())
            .collect::<Vec<_>>()
    };
    let sets = between("<setSpec>", "</setSpec>");
    let header = Header {
        identifier: &between("<identifier>", "</identifier>")[0],
        set_specs: &sets,
    };
    let (_, metadata) = text.split_once("<metadata>").unwrap();
    let (metadata, _) = metadata.rsplit_once("</metadata>").unwrap();
    resource_with_header(metadata.trim(), header).unwrap()
}

fn values(resource: &Resource) -> Value {
    let host = &resource.host;
    let isbns: Vec<&str> = resource
        .identifiers_of(IdentifierKind::Isbn)
        .chain(host.isbns.iter().map(String::as_str))
        .collect();
    let mut links = resource.links.iter();
    let link = links.find(|link| link.purpose != LinkPurpose::Thumbnail);
    let languages: Vec<&String> = resource
        .languages
        .iter()
        .filter_map(|l| l.code.as_ref())
        .collect();
    json!({
        "title": resource.title(),
        "year": resource.published().and_then(date::year),
        "type": resource.kind,
        "doi": resource.doi(),
        "link": link.map(|link| &link.url),
        "journal": host.title,
        "volume": host.volume,
        "issue": host.issue,
        "start_page": host.start_page,
        "end_page": host.end_page,
        "languages": languages,
        "authors": resource.authors().map(|agent| &agent.name).collect::<Vec<_>>(),
        "issns": host.issns().collect::<Vec<_>>(),
        "isbns": isbns,
    })
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(values) => values.is_empty(),
        _ => false,
    }
}

/// A value in a form in which right answers are equal.
fn normal(field: &str, value: &Value) -> Vec<String> {
    let texts: Vec<String> = match value {
        Value::Null => Vec::new(),
        Value::Array(values) => values
            .iter()
            .map(|value| value.as_str().unwrap().to_owned())
            .collect(),
        Value::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    };
    let mut texts: Vec<String> = texts.iter().map(|text| normal_text(field, text)).collect();
    if field != "authors" {
        texts.sort();
        texts.dedup();
    }
    texts
}

fn normal_text(field: &str, text: &str) -> String {
    match field {
        "title" | "journal" => {
            let mut plain = String::new();
            let mut tag = false;
            for c in text.chars() {
                match c {
                    '<' => tag = true,
                    '>' => tag = false,
                    c if !tag => plain.push(c),
                    _ => {}
                }
            }
            fold(&plain)
        }
        "authors" => {
            let folded = fold(text);
            let mut words: Vec<&str> = folded.split_whitespace().collect();
            words.sort_unstable();
            words.join(" ")
        }
        "link" => match identifier::doi(text) {
            Some(doi) if text.contains("doi.org") => format!("doi:{}", doi.to_lowercase()),
            _ => {
                let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
                let bare = bare.strip_prefix("www.").unwrap_or(bare);
                bare.trim_end_matches('/').to_lowercase()
            }
        },
        "isbns" => text.chars().filter(char::is_ascii_alphanumeric).collect(),
        "volume" | "issue" | "start_page" | "end_page" => text
            .trim_start_matches('0')
            .replace('–', "-")
            .to_lowercase(),
        _ => text.to_lowercase(),
    }
}
