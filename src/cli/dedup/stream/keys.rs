//! From a record to its match keys and its description.

use std::borrow::Cow;
use std::io::Write;

use serde::{Deserialize, Serialize};

use super::{Filter, LineError, needed, to_text, write_line};
use crate::dedup::description::Description;
use crate::dedup::keys::{Key, keys};
use crate::record::Resource;
use crate::store::describe_metadata;

/// A record: a line of `harvestd export --format jsonl`, or a row of a table with the metadata.
#[derive(Debug, Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    source: Option<Cow<'a, str>>,
    #[serde(borrow)]
    identifier: Option<Cow<'a, str>>,
    #[serde(default)]
    deleted: bool,
    #[serde(borrow)]
    metadata_prefix: Option<Cow<'a, str>>,
    /// As received. It goes before `resource`.
    #[serde(borrow)]
    metadata: Option<Cow<'a, str>>,
    resource: Option<Resource>,
}

/// What is written for a record that has keys.
#[derive(Serialize)]
struct Keyed<'a> {
    record: &'a str,
    keys: Vec<String>,
    description: &'a str,
}

/// Writes the keys and the description of each record, in the order of the lines. Deleted records, and those
/// that the rules cannot compare with others, have none.
#[derive(Debug, Default)]
pub(in crate::cli::dedup) struct Keys {
    records: u64,
    deleted: u64,
    without: u64,
}

impl Filter for Keys {
    fn line(&mut self, line: &str, out: &mut impl Write) -> Result<(), LineError> {
        let line: Line<'_> = serde_json::from_str(line)?;
        let source = needed(&line.source, "source")?;
        let identifier = needed(&line.identifier, "identifier")?;
        if source.contains('/') {
            let why = format!("the source {source:?} has a slash in its name");
            return Err(LineError::Bad(why));
        }
        self.records += 1;
        if line.deleted {
            self.deleted += 1;
            return Ok(());
        }
        let prefix = line.metadata_prefix.as_deref().unwrap_or_default();
        let description = match (&line.metadata, &line.resource) {
            (Some(metadata), _) => describe_metadata(prefix, metadata),
            (None, Some(resource)) => Some(Description::from_resource(resource)),
            (None, None) => None,
        };
        let description = description.unwrap_or_default();
        let keys = keys(&description);
        if keys.is_empty() {
            self.without += 1;
            return Ok(());
        }
        let keyed = Keyed {
            record: &format!("{source}/{identifier}"),
            keys: keys.iter().map(Key::to_string).collect(),
            description: &to_text(&description),
        };
        write_line(out, &keyed)
    }

    fn end(&mut self, _: &mut impl Write) -> Result<(), LineError> {
        Ok(())
    }

    fn summary(&self) -> String {
        let Self {
            records,
            deleted,
            without,
        } = self;
        format!("{records} records, of which {deleted} are deleted and {without} have no keys")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::filtered;
    use super::*;
    use crate::cli::exit::Exit;

    const METADATA: &str = r#"<oai_dc:dc xmlns:oai_dc="http://www.openarchives.org/OAI/2.0/oai_dc/"
        xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>The heart of the matter in small mammals</dc:title>
        <dc:creator>Li, Wei</dc:creator><dc:date>2001</dc:date><dc:type>article</dc:type>
        <dc:identifier>https://doi.org/10.1000/182</dc:identifier></oai_dc:dc>"#;

    #[test]
    fn metadata_and_the_resource_made_of_it_give_the_same() {
        let resource = crate::record::crosswalk::resource("oai_dc", METADATA).unwrap();
        let of = |key: &str, value: Value| {
            let mut line =
                json!({ "source": "a", "identifier": "oai:x/1", "metadata_prefix": "oai_dc" });
            line[key] = value;
            line.to_string()
        };
        let lines = [
            of("metadata", json!(METADATA)),
            of("resource", serde_json::to_value(&resource).unwrap()),
        ];
        let (found, exit) = filtered(Keys::default(), &lines.join("\n"));
        assert_eq!(exit, Exit::Done);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], found[1]);
        assert_eq!(found[0]["record"], "a/oai:x/1");
        let keys = found[0]["keys"].as_array().unwrap();
        assert!(
            keys.contains(&json!("382cc55b81")),
            "that of the DOI: {keys:?}"
        );
    }

    #[test]
    fn bad_lines_are_left_out_and_all_others_kept() {
        let good = json!({ "source": "a", "identifier": "1", "metadata": METADATA }).to_string();
        let lines = [
            good.clone(),
            "{".to_owned(),
            json!({ "identifier": "2", "metadata": METADATA }).to_string(),
            json!({ "source": "a/b", "identifier": "3", "metadata": METADATA }).to_string(),
            String::new(),
            good,
        ];
        let (found, exit) = filtered(Keys::default(), &lines.join("\n"));
        assert_eq!((found.len(), exit), (2, Exit::Incomplete));
    }

    #[test]
    fn records_that_match_nothing_have_no_line() {
        let lines = [
            json!({ "source": "a", "identifier": "1", "deleted": true, "metadata": METADATA }),
            json!({ "source": "a", "identifier": "2", "metadata": null, "resource": null }),
            json!({ "source": "a", "identifier": "3", "metadata": "<x/>" }),
        ]
        .map(|line| line.to_string());
        assert_eq!(
            filtered(Keys::default(), &lines.join("\n")),
            (vec![], Exit::Done)
        );
    }
}
