//! Lines of the JSONL export.

use serde::Serialize;

use super::Item;
use crate::record::Resource;
use crate::record::flat::Flat;

/// The JSON Schema of one line.
pub const SCHEMA: &str = include_str!("jsonl.schema.json");

/// The version of the schema. It grows when a key changes its meaning or goes.
pub const SCHEMA_VERSION: u32 = 2;

/// One line of the export, without its line feed.
#[derive(Serialize)]
struct Line<'a> {
    source: &'a str,
    identifier: &'a str,
    datestamp: &'a str,
    deleted: bool,
    version: u64,
    metadata_prefix: &'a str,
    set_specs: &'a [String],
    schema_version: u32,
    article: Option<Flat<'a>>,
    resource: Option<&'a Resource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

/// The part of a line that comes from the metadata.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// What the metadata says.
    Resource(&'a Resource),
    /// None: a tombstone, or a record without metadata.
    None,
    /// The metadata cannot be read, and why.
    Unreadable(&'a str),
}

/// Appends one line, with its line feed.
pub fn push_line(item: Item<'_>, content: Content<'_>, out: &mut Vec<u8>) {
    let (resource, error) = match content {
        Content::Resource(resource) => (Some(resource), None),
        Content::None => (None, None),
        Content::Unreadable(reason) => (None, Some(reason)),
    };
    let Item {
        source,
        identifier,
        datestamp,
        deleted,
        version,
        metadata_prefix,
        set_specs,
    } = item;
    let line = Line {
        source,
        identifier,
        datestamp,
        deleted,
        version,
        metadata_prefix,
        set_specs,
        schema_version: SCHEMA_VERSION,
        article: resource.map(Flat::from),
        resource,
        error,
    };
    // Writing to memory cannot fail, and every key is a text.
    serde_json::to_writer(&mut *out, &line).expect("lines serialise");
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::record::resource::{
        Agent, Date, DateKind, Degree, Host, Identifier, IdentifierKind, Kind, Language, Link,
        LinkPurpose, Publisher, Related, Rights, Role, Series, Subject, Text, Title,
    };
    use crate::record::{crosswalk, samples};

    fn item(set_specs: &[String]) -> Item<'_> {
        Item {
            source: "doaj",
            identifier: "oai:x:1",
            datestamp: "2020-01-01T00:00:00Z",
            deleted: false,
            version: 1_849_320_778_264_215_552,
            metadata_prefix: "oai_doaj",
            set_specs,
        }
    }

    fn line(item: Item<'_>, content: Content<'_>) -> Value {
        let mut out = Vec::new();
        push_line(item, content, &mut out);
        assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn writes_the_seed() {
        let samples = samples::records(include_str!("../../tests/fixtures/seed-record.xml"));
        let resource = crosswalk::resource("oai_doaj", &samples[0].metadata).unwrap();
        let sets = ["TENDOk1lZGljaW5l".to_owned()];
        let mut line = line(item(&sets), Content::Resource(&resource));
        assert!(
            line["article"]["abstract"]
                .as_str()
                .unwrap()
                .starts_with("<h4>Objective</h4>")
        );
        line["article"].as_object_mut().unwrap().remove("abstract");
        let resource = line["resource"].as_object_mut().unwrap();
        resource.remove("abstracts");
        resource.remove("agents");
        assert_eq!(
            line,
            json!({
                "source": "doaj", "identifier": "oai:x:1", "datestamp": "2020-01-01T00:00:00Z",
                "deleted": false, "version": 1_849_320_778_264_215_552_u64,
                "metadata_prefix": "oai_doaj", "set_specs": ["TENDOk1lZGljaW5l"],
                "schema_version": 2,
                "article": {
                    "kind": "article", "type": "article",
                    "title": "Peer Support Workers in Health: A Qualitative Metasynthesis of Their Experiences.",
                    "authors": [{"name": "Jennifer MacLellan"}, {"name": "Julian Surey"},
                        {"name": "Ibrahim Abubakar"}, {"name": "Helen R Stagg"}],
                    "journal": "PLoS ONE", "publisher": "Public Library of Science (PLoS)",
                    "eissn": "1932-6203", "doi": "10.1371/journal.pone.0141122",
                    "published": "2015-01-01", "volume": "10", "issue": "10",
                    "start_page": "e0141122", "language": "eng",
                    "fulltext_url": "https://doi.org/10.1371/journal.pone.0141122",
                    "links": [{"url": "https://doi.org/10.1371/journal.pone.0141122", "fulltext": true}],
                },
                "resource": {
                    "type": "article",
                    "titles": [{"text": "Peer Support Workers in Health: A Qualitative Metasynthesis of Their Experiences."}],
                    "dates": [{"kind": "published", "text": "2015-01-01"}],
                    "host": {
                        "title": "PLoS ONE", "type": "journal", "eissn": "1932-6203",
                        "volume": "10", "issue": "10", "start_page": "e0141122",
                    },
                    "identifiers": [{"kind": "doi", "value": "10.1371/journal.pone.0141122"}],
                    "links": [{"url": "https://doi.org/10.1371/journal.pone.0141122", "purpose": "full_text"}],
                    "languages": [{"text": "eng", "code": "eng", "iso639_3": "eng"}],
                    "publishers": [{"name": "Public Library of Science (PLoS)"}],
                },
            })
        );
    }

    #[test]
    fn fits_its_schema() {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let mut lines = vec![
            line(
                Item {
                    deleted: true,
                    ..item(&[])
                },
                Content::None,
            ),
            line(item(&[]), Content::Unreadable("malformed XML at byte 3: x")),
        ];
        let page = include_str!("../../tests/fixtures/oai_doaj-2017-ten.xml");
        for sample in samples::records(page) {
            let resource = crosswalk::resource("oai_doaj", &sample.metadata).unwrap();
            lines.push(line(item(&[]), Content::Resource(&resource)));
        }
        let everything = everything();
        lines.push(line(item(&[]), Content::Resource(&everything)));
        for line in &lines {
            if let Err(error) = validator.validate(line) {
                panic!("{error}: {line}");
            }
        }
        for (case, key, wrong) in [
            ("version as text", "version", json!("1")),
            ("unknown key", "what", json!(1)),
            ("deleted with an article", "deleted", json!(true)),
            ("another version", "schema_version", json!(1)),
            ("unknown type", "resource", json!({"type": "novel"})),
        ] {
            let mut line = lines[2].clone();
            line[key] = wrong;
            assert!(!validator.is_valid(&line), "{case}");
        }
    }

    /// A resource with every value, every field by name so that no new one is forgotten.
    fn everything() -> Resource {
        let x = || Some("x".to_owned());
        let xs = || vec!["x".to_owned()];
        let agent = |role| Agent {
            name: "x".to_owned(),
            family: x(),
            given: x(),
            role,
            organisation: true,
            orcid: x(),
            affiliations: xs(),
            dates: x(),
            email: x(),
        };
        let identifier = |kind| Identifier {
            kind,
            value: "x".to_owned(),
        };
        let subject = |scheme| Subject {
            scheme,
            code: x(),
            term: "x".to_owned(),
            language: x(),
        };
        let text = || Text {
            text: "x".to_owned(),
            language: x(),
        };
        let link = |purpose| Link {
            url: "x".to_owned(),
            purpose,
            format: x(),
        };
        let title = || Title {
            text: "x".to_owned(),
            subtitle: x(),
            language: x(),
        };
        let language = |code: &str| Language {
            text: "x".to_owned(),
            code: Some(code.to_owned()),
            iso639_3: x(),
        };
        Resource {
            kind: Kind::ConferencePaper,
            stated_types: xs(),
            titles: vec![title(), title()],
            agents: vec![
                agent(Role::Author),
                agent(Role::Other("painter".to_owned())),
            ],
            dates: vec![Date {
                kind: DateKind::Published,
                text: "2000".to_owned(),
            }],
            host: Host {
                title: x(),
                kind: Some(Kind::Book),
                issn: x(),
                eissn: x(),
                other_issns: xs(),
                isbns: xs(),
                volume: x(),
                issue: x(),
                start_page: x(),
                end_page: x(),
                conference: x(),
            },
            series: vec![Series {
                title: "x".to_owned(),
                number: x(),
            }],
            identifiers: [
                IdentifierKind::Doi,
                IdentifierKind::Isbn,
                IdentifierKind::Pmid,
                IdentifierKind::Publisher,
            ]
            .map(identifier)
            .to_vec(),
            links: vec![link(LinkPurpose::FullText), link(LinkPurpose::Thumbnail)],
            related: vec![Related {
                relation: x(),
                text: "x".to_owned(),
            }],
            languages: vec![language("ger"), language("eng")],
            subjects: vec![subject(None), subject(x())],
            abstracts: vec![text(), text()],
            rights: vec![Rights {
                text: x(),
                url: x(),
            }],
            publishers: vec![Publisher {
                name: x(),
                place: x(),
                country: x(),
            }],
            edition: x(),
            extent: xs(),
            formats: xs(),
            degree: Degree {
                name: x(),
                level: x(),
                discipline: x(),
                grantor: x(),
            },
            citations: xs(),
            notes: xs(),
            further: json!({"apc": {"has_apc": false}})
                .as_object()
                .unwrap()
                .clone(),
            flags: xs(),
        }
    }

    /// The schema names every key that a line can have and no other, so that it cannot fall behind.
    #[test]
    fn schema_knows_every_key() {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        let line = line(item(&[]), Content::Resource(&everything()));
        let agent = &line["resource"]["agents"][0];
        let flat = &line["article"];
        let cases = [
            ("article", flat),
            ("author", &flat["authors"][0]),
            ("subject", &flat["subjects"][0]),
            ("link", &flat["links"][0]),
            ("resource", &line["resource"]),
            ("title", &line["resource"]["titles"][0]),
            ("agent", agent),
            ("host", &line["resource"]["host"]),
            ("resource_link", &line["resource"]["links"][0]),
            ("language", &line["resource"]["languages"][0]),
            ("resource_subject", &line["resource"]["subjects"][1]),
            ("degree", &line["resource"]["degree"]),
        ];
        // An author with one affiliation has no list of them.
        let optional = ["author/affiliations"];
        for (name, written) in cases {
            let known = schema["$defs"][name]["properties"].as_object().unwrap();
            for key in known.keys() {
                let path = format!("{name}/{key}");
                assert!(
                    written.get(key).is_some() || optional.contains(&path.as_str()),
                    "{path}"
                );
            }
            for key in written.as_object().unwrap().keys() {
                assert!(known.contains_key(key), "{name}: {key}");
            }
        }
    }
}
