//! The results of parsing real responses: one line for each, compared with a snapshot.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use harvestd::oai::parse::{Hints, ParseError, parse};
use harvestd::oai::request::Verb;
use harvestd::oai::response::{Content, Repair, Response};
use quick_xml::NsReader;
use quick_xml::events::Event;
use quick_xml::name::ResolveResult;

mod support;

use support::shared_data;

const SNAPSHOT: &str = "tests/fixtures/corpus-parse.snap";

/// Parses each response of the corpus. With `UPDATE_SNAPSHOT` set, writes the snapshot.
#[test]
fn the_corpus_parses_as_in_the_snapshot() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Some(corpus) = shared_data("corpus") else {
        return;
    };
    let index = index(&corpus);
    let mut lines = String::new();
    let mut mismatches = Vec::new();
    for path in answers(&corpus) {
        let name = path.strip_prefix(&corpus).unwrap().display().to_string();
        let body = std::fs::read(&path).unwrap();
        let entry = index.get(&name);
        let verb = entry
            .and_then(|entry| entry.verb)
            .unwrap_or_else(|| verb_of(&name));
        let outcome = parse(&body, Hints::new(verb));
        writeln!(lines, "{name}\t{verb}\t{}", describe(&outcome)).unwrap();
        if let Ok(response) = &outcome {
            check_fragments(&name, response);
        }
        if let (Some(entry), Ok(response)) = (entry, &outcome) {
            mismatches.extend(mismatch(&name, entry, response));
        }
    }
    let snapshot = root.join(SNAPSHOT);
    if std::env::var_os("UPDATE_SNAPSHOT").is_some() {
        std::fs::write(&snapshot, &lines).unwrap();
    }
    assert!(mismatches.is_empty(), "{}", mismatches.join("\n"));
    let expected = std::fs::read_to_string(&snapshot).unwrap();
    for (found, expected) in lines.lines().zip(expected.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(
        lines.lines().count(),
        expected.lines().count(),
        "files added or removed"
    );
}

/// The same for the few unusual responses in `tests/fixtures`.
#[test]
fn fixtures_parse_as_in_the_snapshot() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/oai");
    let mut lines = String::new();
    for path in files(&fixtures) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let body = std::fs::read(&path).unwrap();
        let verb = verb_of(&name);
        let outcome = describe(&parse(&body, Hints::new(verb)));
        writeln!(lines, "{name}\t{verb}\t{outcome}").unwrap();
    }
    insta::with_settings!({ prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("kept-answers", lines);
    });
}

/// Each fragment must be a complete document that declares all its prefixes.
#[track_caller]
fn check_fragments(name: &str, response: &Response) {
    let records = match &response.content {
        Content::Records(list) => &list.items[..],
        Content::Record(record) => std::slice::from_ref(&**record),
        _ => return,
    };
    for metadata in records
        .iter()
        .filter_map(|record| record.metadata.as_deref())
    {
        let mut reader = NsReader::from_str(metadata);
        loop {
            let event = reader
                .read_event()
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            match &event {
                Event::Start(tag) | Event::Empty(tag) => {
                    let (found, _) = reader.resolver().resolve_element(tag.name());
                    let mut known = !matches!(found, ResolveResult::Unknown(_));
                    for attribute in tag.attributes() {
                        let key = attribute.unwrap().key;
                        let (found, _) = reader.resolver().resolve_attribute(key);
                        known &= !matches!(found, ResolveResult::Unknown(_));
                    }
                    assert!(known, "{name}: {metadata}");
                }
                Event::Eof => break,
                _ => {}
            }
        }
    }
}

/// The index entry of a file.
struct Entry {
    verb: Option<Verb>,
    records: usize,
    deleted: usize,
}

fn index(corpus: &Path) -> BTreeMap<String, Entry> {
    let text = std::fs::read_to_string(corpus.join("INDEX.tsv")).unwrap();
    let entry = |line: &str| {
        let fields: Vec<_> = line.split('\t').collect();
        let entry = Entry {
            verb: verb(fields[3]),
            records: fields[5].parse().unwrap(),
            deleted: fields[6].parse().unwrap(),
        };
        (fields[0].to_owned(), entry)
    };
    text.lines().skip(1).map(entry).collect()
}

/// The files of the corpus that are the body of a response, real or made up.
fn answers(corpus: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<_> = std::fs::read_dir(corpus)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.starts_with("oai-") || ["doaj-oai", "doaj-http", "non-oai"].contains(&&*name)
        })
        .map(|entry| entry.path())
        .collect();
    folders.sort();
    folders.iter().flat_map(|folder| files(folder)).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn verb(name: &str) -> Option<Verb> {
    [
        Verb::Identify,
        Verb::ListMetadataFormats,
        Verb::ListSets,
        Verb::ListIdentifiers,
        Verb::ListRecords,
        Verb::GetRecord,
    ]
    .into_iter()
    .find(|verb| verb.name() == name)
}

/// The most likely verb of a file whose request is unknown.
fn verb_of(name: &str) -> Verb {
    let name = name.to_lowercase();
    if name.starts_with("oai-other") || name.contains("identify") {
        Verb::Identify
    } else if name.contains("listidentifiers") {
        Verb::ListIdentifiers
    } else if name.contains("getrecord") {
        Verb::GetRecord
    } else {
        Verb::ListRecords
    }
}

/// How the counts differ from the index; `None` if they agree, or the response is broken.
fn mismatch(name: &str, entry: &Entry, response: &Response) -> Option<String> {
    let (items, deleted) = match &response.content {
        Content::Records(list) if list.bad.is_empty() => {
            let deleted = list.items.iter().filter(|record| record.header.deleted);
            (list.len(), deleted.count())
        }
        Content::Identifiers(list) => {
            let deleted = list.items.iter().filter(|header| header.deleted);
            (list.len(), deleted.count())
        }
        _ => return None,
    };
    let expected = (entry.records, entry.deleted);
    (response.repairs.is_empty() && (items, deleted) != expected)
        .then(|| format!("{name}: {items} items, {deleted} deleted, but {expected:?} in the index"))
}

fn describe(outcome: &Result<Response, ParseError>) -> String {
    let response = match outcome {
        Ok(response) => response,
        Err(error) => return format!("error: {error}"),
    };
    let list = |kind: &str, items: usize, bad: usize, deleted: usize, token: bool| {
        let token = if token { " token" } else { "" };
        format!("{items} {kind}, {bad} bad, {deleted} deleted{token}")
    };
    let mut text = match &response.content {
        Content::Identify(identify) => format!(
            "Identify {} {}",
            identify
                .granularity
                .map_or("-".into(), |granularity| format!("{granularity:?}")),
            identify.deleted_record.as_deref().unwrap_or("-"),
        ),
        Content::MetadataFormats(formats) => format!("{} formats", formats.len()),
        Content::Sets(sets) => list(
            "sets",
            sets.items.len(),
            sets.bad.len(),
            0,
            sets.token.is_some(),
        ),
        Content::Identifiers(headers) => {
            let deleted = headers.items.iter().filter(|header| header.deleted).count();
            let (items, bad) = (headers.items.len(), headers.bad.len());
            list("headers", items, bad, deleted, headers.token.is_some())
        }
        Content::Records(records) => {
            let deleted = records.items.iter().filter(|record| record.header.deleted);
            let deleted = deleted.count();
            let bare = records
                .items
                .iter()
                .filter(|record| record.metadata.is_none());
            let bare = bare.count() - deleted;
            let (items, bad) = (records.items.len(), records.bad.len());
            let mut text = list("records", items, bad, deleted, records.token.is_some());
            if bare > 0 {
                write!(text, " {bare} without metadata").unwrap();
            }
            for bad in &records.bad {
                write!(text, " [{}]", bad.reason).unwrap();
            }
            text
        }
        Content::Record(record) => format!(
            "1 record{}{}",
            if record.header.deleted {
                " deleted"
            } else {
                ""
            },
            if record.metadata.is_some() {
                ""
            } else {
                " without metadata"
            },
        ),
        Content::Errors(errors) => {
            let codes: Vec<_> = errors.iter().map(|error| error.code.as_str()).collect();
            format!("errors {}", codes.join(" "))
        }
    };
    if response.response_date.is_none() {
        text.push_str(" undated");
    }
    for Repair { kind, count } in &response.repairs {
        write!(text, " {kind:?}*{count}").unwrap();
    }
    text
}
