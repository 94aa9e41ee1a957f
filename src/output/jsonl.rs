//! Lines of the JSONL export.

use serde::Serialize;

use super::Item;
use crate::record::Article;

/// The JSON Schema of one line.
pub const SCHEMA: &str = include_str!("jsonl.schema.json");

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
    article: Option<&'a Article>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

/// The part of a line that comes from the metadata.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// The article.
    Article(&'a Article),
    /// None: a tombstone, or a record without metadata.
    None,
    /// The metadata cannot be read, and why.
    Unreadable(&'a str),
}

/// Appends one line, with its line feed.
pub fn push_line(item: Item<'_>, content: Content<'_>, out: &mut Vec<u8>) {
    let (article, error) = match content {
        Content::Article(article) => (Some(article), None),
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
        article,
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
    use crate::record::crosswalk;
    use crate::record::samples;

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
        let article = crosswalk::article("oai_doaj", &samples[0].metadata).unwrap();
        let sets = ["TENDOk1lZGljaW5l".to_owned()];
        let mut line = line(item(&sets), Content::Article(&article));
        assert!(
            line["article"]["abstract"]
                .as_str()
                .unwrap()
                .starts_with("<h4>Objective</h4>")
        );
        line["article"].as_object_mut().unwrap().remove("abstract");
        assert_eq!(
            line,
            json!({
                "source": "doaj", "identifier": "oai:x:1", "datestamp": "2020-01-01T00:00:00Z",
                "deleted": false, "version": 1_849_320_778_264_215_552_u64,
                "metadata_prefix": "oai_doaj", "set_specs": ["TENDOk1lZGljaW5l"],
                "article": {
                    "kind": "article",
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
            let article = crosswalk::article("oai_doaj", &sample.metadata).unwrap();
            lines.push(line(item(&[]), Content::Article(&article)));
        }
        let everything = Article {
            kind: crate::record::Kind::Journal,
            further: json!({"apc": {"has_apc": false}}).as_object().unwrap().clone(),
            ..crosswalk::article(
                "oai_doaj",
                "<doajArticle><language>a</language><language>b</language><title language='a'>t</title>\
                 <title>u</title><abstract language='a'>t</abstract><abstract>u</abstract>\
                 <keywords language='a'><keyword>k</keyword></keywords><doi>x</doi></doajArticle>",
            )
            .unwrap()
        };
        lines.push(line(item(&[]), Content::Article(&everything)));
        for line in &lines {
            if let Err(error) = validator.validate(line) {
                panic!("{error}: {line}");
            }
        }
        for (case, key, wrong) in [
            ("version as text", "version", json!("1")),
            ("unknown key", "what", json!(1)),
            ("deleted with an article", "deleted", json!(true)),
        ] {
            let mut line = lines[2].clone();
            line[key] = wrong;
            assert!(!validator.is_valid(&line), "{case}");
        }
    }

    /// The schema names every key that an article can have, so that it cannot fall behind.
    #[test]
    fn schema_knows_every_key() {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        let known = schema["$defs"]["article"]["properties"]
            .as_object()
            .unwrap();
        let source = include_str!("../record/export.rs");
        let view = source.split("struct ArticleView<'a> {").nth(1).unwrap();
        let view = view.split("\n}").next().unwrap();
        let keys = view
            .lines()
            .filter_map(|line| line.trim().strip_suffix(',')?.split_once(": "));
        let keys: Vec<_> = keys
            .map(|(name, _)| {
                if name == "abstract_text" {
                    "abstract"
                } else {
                    name
                }
            })
            .collect();
        assert_eq!(keys.len(), known.len(), "{keys:?}");
        for key in keys {
            assert!(known.contains_key(key), "{key}");
        }
    }
}
