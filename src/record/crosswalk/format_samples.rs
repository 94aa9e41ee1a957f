//! Real records of each format with the resource that a cataloguer reads out of them.
//!
//! `tests/fixtures/formats/SOURCES.tsv` says where each record is from. A file of the same name
//! that ends in `.json` has the expected resource; `UPDATE_GENERATED=1` writes it anew, to be read
//! before it is committed.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use super::{Format, Header, format, read};
use crate::record::samples::fixture;

/// Compares all records of a format with what is expected of them.
fn check(folder: &str, expected_format: Format, least: usize) {
    let mut records: Vec<PathBuf> = fs::read_dir(fixture("formats").join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "xml"))
        .collect();
    records.sort();
    assert!(records.len() >= least, "only {} of {folder}", records.len());
    for path in records {
        let metadata = fs::read_to_string(&path).unwrap();
        // The prefix must not matter.
        assert_eq!(format("any", &metadata), Ok(expected_format), "{path:?}");
        let resource = read(expected_format, &metadata, Header::default())
            .unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let mut found = serde_json::to_string_pretty(&resource).unwrap();
        found.push('\n');
        let expected = path.with_extension("json");
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            fs::write(&expected, &found).unwrap();
        }
        let expected = fs::read_to_string(&expected).unwrap();
        assert!(found == expected, "{path:?} gives\n{found}");
    }
}

#[test]
fn marc21_records() {
    check("marc21", Format::Marc21, 10);
}

#[test]
fn datacite_records() {
    check("datacite", Format::DataCite, 10);
}

#[test]
fn mods_records() {
    check("mods", Format::Mods, 10);
}

#[test]
fn jats_records() {
    check("jats", Format::Jats, 10);
}

#[test]
fn openaire_records() {
    check("openaire", Format::OpenAire, 5);
}

#[test]
fn uketd_dc_records() {
    check("uketd_dc", Format::UketdDc, 3);
}

/// Each record has its source, and each source its record.
#[test]
fn sources_are_complete() {
    let folder = fixture("formats");
    let listed: BTreeSet<String> = fs::read_to_string(folder.join("SOURCES.tsv"))
        .unwrap()
        .lines()
        .skip(1)
        .map(|line| line.split('\t').next().unwrap().to_owned())
        .collect();
    let mut present = BTreeSet::new();
    for format in fs::read_dir(&folder).unwrap() {
        let format = format.unwrap().path();
        if !format.is_dir() {
            continue;
        }
        for record in fs::read_dir(&format).unwrap() {
            let record = record.unwrap().path();
            if record.extension().is_some_and(|end| end == "xml") {
                let name = record.strip_prefix(&folder).unwrap();
                present.insert(name.to_str().unwrap().to_owned());
            }
        }
    }
    assert_eq!(present, listed);
}
