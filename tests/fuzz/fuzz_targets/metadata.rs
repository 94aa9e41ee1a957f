//! Metadata: whatever a record holds, each output is a document of its kind or says why not.

#![no_main]

use std::sync::LazyLock;

use harvestd::output::enrich::{self, Part};
use harvestd::output::vufind::{Command, DocumentOptions, Options};
use harvestd::output::{Container, Format, Rendered, Renderer};
use harvestd::record::{Resource, crosswalk, doi, issn, xml};
use harvestd::store::{OtherRecord, StoredRecord, Version};
use libfuzzer_sys::fuzz_target;

const FORMATS: [Format; 10] = [
    Format::Jsonl,
    Format::Xml,
    Format::VufindJson,
    Format::VufindXml,
    Format::OaiDc,
    Format::Marcxml,
    Format::Csv,
    Format::Ris,
    Format::Bibtex,
    Format::CslJson,
];

static PARTS: LazyLock<Vec<Part>> =
    LazyLock::new(|| enrich::parts("all").expect("all is no part that could be missing"));

static DOCUMENTS: LazyLock<DocumentOptions> = LazyLock::new(|| {
    let options = Options {
        extra_fields: vec![("note".to_owned(), vec!["<&>".to_owned()])],
        track_changes: true,
        ..Options::default()
    };
    options.into()
});

// The first line is the identifier, the rest is the metadata.
fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let (identifier, metadata) = text.split_once('\n').unwrap_or(("oai:x:1", &text));
    for prefix in ["oai_doaj", "oai_dc", "other"] {
        let record = StoredRecord {
            number: 1,
            source: "source".to_owned(),
            metadata_prefix: prefix.to_owned(),
            identifier: identifier.to_owned(),
            datestamp: "2025-08-20T03:49:59Z".to_owned(),
            set_specs: vec!["a:b".to_owned()],
            deletion: None,
            version: Version(1_849_320_778_264_215_552),
            created_version: Version(1_849_320_778_264_215_551),
            metadata: Some(metadata.to_owned()),
            extra: None,
            others: vec![OtherRecord {
                metadata_prefix: prefix.to_owned(),
                metadata: metadata.to_owned(),
            }],
        };
        if let Ok(resource) = crosswalk::resource(prefix, metadata) {
            check_resource(&resource);
        }
        for format in FORMATS {
            check_output(format, &record);
        }
    }
});

fn check_resource(resource: &Resource) {
    if let Some(year) = resource.year() {
        assert!(
            year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit()),
            "{year:?}"
        );
    }
    // What is normal stays as it is.
    for issn in resource.host.issns() {
        if let Some(normal) = issn::normalise(issn) {
            assert_eq!(issn::normalise(&normal), Some(normal));
        }
    }
    if let Some(normal) = resource.doi().and_then(doi::normalise) {
        assert_eq!(doi::normalise(&normal), Some(normal));
    }
}

fn check_output(format: Format, record: &StoredRecord) {
    let renderer = Renderer {
        format,
        documents: &DOCUMENTS,
        enrich: &PARTS,
        changes: true,
    };
    let mut body = Vec::new();
    let rendered = renderer.push(record, &mut body);
    let command = match rendered {
        Rendered::Written(command) => command,
        Rendered::Flawed(why) => {
            assert!(!why.is_empty());
            Command::Add
        }
        Rendered::Failed(why) => {
            assert!(!why.is_empty() && body.is_empty());
            return;
        }
        Rendered::LeftOut => panic!("a live record is left out of {format:?}"),
    };
    let mut container = Container::new(format);
    let mut file = container.before(command).as_bytes().to_vec();
    file.extend_from_slice(&body);
    file.extend_from_slice(container.end().as_bytes());
    let file = String::from_utf8(file).expect("outputs are UTF-8");
    match format {
        Format::Jsonl => {
            assert_eq!(file.matches('\n').count(), 1, "{file}");
            let line: serde_json::Value = serde_json::from_str(&file).unwrap();
            assert_eq!(line["identifier"], *record.identifier);
        }
        Format::VufindJson => {
            let message: serde_json::Value = serde_json::from_str(&file).unwrap();
            let id = DOCUMENTS.document_id(&record.source, &record.identifier);
            assert_eq!(message["add"]["doc"]["id"], *id);
        }
        Format::Xml | Format::VufindXml | Format::OaiDc | Format::Marcxml => {
            if let Err(error) = xml::check(&file) {
                panic!("{format:?}: {error} in {file:?}");
            }
        }
        Format::Csv => {
            let quotes = file.matches('"').count();
            assert_eq!(quotes % 2, 0, "{file}");
        }
        Format::Ris => check_reference(&file),
        Format::Bibtex => {
            // Braces are balanced, or everything after the entry would be lost.
            let mut open = 0_i64;
            for c in file.chars() {
                open += i64::from(c == '{') - i64::from(c == '}');
                assert!(open >= 0, "{file}");
            }
            assert_eq!(open, 0, "{file}");
        }
        Format::CslJson => {
            let list: serde_json::Value = serde_json::from_str(&file).unwrap();
            assert_eq!(list.as_array().map(Vec::len), Some(1));
        }
    }
}

fn check_reference(file: &str) {
    for line in file.split_terminator("\r\n") {
        assert!(!line.contains(['\r', '\n']), "{line:?}");
        let is_tag = line.is_empty()
            || line.get(..6).is_some_and(|tag| {
                let name = tag.as_bytes();
                name[0].is_ascii_uppercase()
                    && name[1].is_ascii_alphanumeric()
                    && &tag[2..] == "  - "
            });
        assert!(is_tag, "{line:?}");
    }
}
