//! `harvestd show`: one record of the store.

use std::fmt::Write as _;
use std::io::Write;

use anyhow::bail;
use clap::ValueEnum;
use serde_json::Value;

use super::catalogue::CatalogueArgs;
use super::exit::Exit;
use super::table::{printable, printable_lines};
use crate::config::Config;
use crate::output::render::second;
use crate::output::vufind::DocumentOptions;
use crate::output::{Container, Format, Rendered, Renderer};
use crate::record::crosswalk;
use crate::record::flat::Flat;
use crate::store::{Deletion, Reader, RepairedRecord, StoreError, StoredRecord, Version};

/// Arguments of `show`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Where several sources have the identifier, all their records are shown. The exit status is 1 if none
has it, and 3 if a record cannot be read in the format.

Examples:
  harvestd show oai:doaj.org/article:0123456789abcdef0123456789abcdef
  harvestd show doaj-art-0123456789abcdef0123456789abcdef        its id in a catalogue
  harvestd show oai:doaj.org/article:0123456789abcdef0123456789abcdef --format xml")]
pub struct Args {
    /// The record's OAI identifier, or its id in a catalogue
    pub identifier: String,
    /// Only the record of this source, where several have the identifier
    #[arg(long, value_name = "SOURCE")]
    pub source: Option<String>,
    /// What to show of it
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: ShowFormat,
    /// Options of catalogue documents.
    #[command(flatten)]
    pub catalogue: CatalogueArgs,
}

/// What is shown of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShowFormat {
    /// Its state and content, for people.
    Text,
    /// The same as a JSON object, as `export` writes it.
    Json,
    /// Its metadata as the repository sent it.
    Xml,
    /// Its catalogue document, as an update message for Solr in JSON.
    VufindJson,
    /// Its catalogue document, as an update message for Solr in XML.
    VufindXml,
    /// Dublin Core.
    #[value(name = "oai_dc")]
    OaiDc,
    /// MARC 21, as MARCXML.
    Marcxml,
    /// A row, with a heading.
    Csv,
    /// A reference for reference managers.
    Ris,
    /// A reference for LaTeX.
    Bibtex,
    /// A reference for citation processors.
    CslJson,
}

/// Writes the records that have the identifier to `out`.
///
/// # Errors
/// If no record has it, or the store cannot be read.
pub fn run(args: &Args, json: bool, config: &Config, out: &mut impl Write) -> anyhow::Result<Exit> {
    let documents = args.catalogue.over(&config.documents)?;
    let reader = Reader::open(&config.store)?;
    let records = find(&reader, args, &documents)?;
    let format = match args.format {
        ShowFormat::Text if json => Format::Jsonl,
        ShowFormat::Text => {
            for (index, record) in records.iter().enumerate() {
                if index > 0 {
                    writeln!(out)?;
                }
                let repaired = reader.repairs(&record.source, &record.identifier)?;
                out.write_all(as_text(record, repaired.as_ref()).as_bytes())?;
            }
            return Ok(Exit::Done);
        }
        ShowFormat::Xml => {
            for metadata in records.iter().filter_map(|record| record.metadata.as_ref()) {
                writeln!(out, "{metadata}")?;
            }
            return Ok(Exit::Done);
        }
        ShowFormat::Json => Format::Jsonl,
        ShowFormat::VufindJson => Format::VufindJson,
        ShowFormat::VufindXml => Format::VufindXml,
        ShowFormat::OaiDc => Format::OaiDc,
        ShowFormat::Marcxml => Format::Marcxml,
        ShowFormat::Csv => Format::Csv,
        ShowFormat::Ris => Format::Ris,
        ShowFormat::Bibtex => Format::Bibtex,
        ShowFormat::CslJson => Format::CslJson,
    };
    let renderer = Renderer {
        format,
        documents: &documents,
        enrich: &[],
        changes: true,
    };
    write_rendered(&records, renderer, out)
}

/// The records with this identifier, or with this document id in a catalogue.
fn find(
    reader: &Reader,
    args: &Args,
    documents: &DocumentOptions,
) -> anyhow::Result<Vec<StoredRecord>> {
    let mut others = Vec::new();
    let found = documents.find_meant(
        &args.identifier,
        |record: &StoredRecord| record.source.as_str(),
        |identifier| {
            let is_wanted = |record: &StoredRecord| {
                args.source
                    .as_ref()
                    .is_none_or(|name| *name == record.source)
            };
            let (found, rest): (Vec<_>, Vec<_>) =
                reader.find(identifier)?.into_iter().partition(is_wanted);
            others.extend(rest.into_iter().map(|record| record.source));
            Ok::<_, StoreError>(found)
        },
    )?;
    if !found.is_empty() {
        return Ok(found);
    }
    let identifier = &args.identifier;
    if let (Some(source), false) = (&args.source, others.is_empty()) {
        bail!(
            "source {source} has no record {identifier}; {} has",
            others.join(", ")
        );
    }
    bail!(
        "no record {identifier}; it takes the OAI identifier (oai:doaj.org/article:<hex>) or the id \
         in a catalogue (doaj-art-<hex>)"
    );
}

fn write_rendered(
    records: &[StoredRecord],
    renderer: Renderer<'_>,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let mut container = Container::new(renderer.format);
    let mut exit = Exit::Done;
    for record in records {
        let mut bytes = Vec::new();
        let command = match renderer.push(record, &mut bytes) {
            Rendered::Written(command) => Some(command),
            Rendered::Flawed(reason) | Rendered::Failed(reason) => {
                exit = Exit::Incomplete;
                tracing::warn!(source.id = %record.source, "record {}: {reason}", record.identifier);
                (!bytes.is_empty()).then_some(crate::output::vufind::Command::Add)
            }
            Rendered::LeftOut => {
                tracing::warn!(
                    source.id = %record.source,
                    "record {} is deleted, which this format cannot say",
                    record.identifier
                );
                None
            }
        };
        if let Some(command) = command {
            out.write_all(container.before(command).as_bytes())?;
            out.write_all(&bytes)?;
        }
    }
    if container.begun() {
        out.write_all(container.end().as_bytes())?;
    }
    Ok(exit)
}

/// One record as text: its state, its content, repairs, its metadata.
fn as_text(record: &StoredRecord, repaired: Option<&RepairedRecord>) -> String {
    let mut text = String::new();
    let state = match record.deletion {
        // A record is shown for itself, whichever one stands for its work.
        None | Some(Deletion::Withheld) => "live",
        Some(Deletion::Declared) => "deleted, as the repository says",
        Some(Deletion::Disappeared) => "deleted: the repository no longer has it",
    };
    let version = |version: Version| format!("{version} ({})", second(version));
    for (name, value) in [
        ("identifier", record.identifier.clone()),
        ("source", record.source.clone()),
        ("state", state.to_owned()),
        ("datestamp", record.datestamp.clone()),
        ("format", record.metadata_prefix.clone()),
        ("version", version(record.version)),
        ("in store since", version(record.created_version)),
        ("sets", record.set_specs.join(" ")),
    ] {
        if !value.is_empty() {
            push_field(&mut text, name, &value);
        }
    }
    if let Some(metadata) = &record.metadata {
        match crosswalk::resource_of(&record.metadata_prefix, metadata, record.header()) {
            Ok(resource) => {
                text.push('\n');
                if let Ok(Value::Object(mut fields)) = serde_json::to_value(Flat::from(&resource)) {
                    // The same as the type.
                    fields.shift_remove("kind");
                    for (name, value) in &fields {
                        push_value(&mut text, &name.replace('_', " "), value);
                    }
                }
            }
            Err(error) => push_field(&mut text, "unreadable", &error.to_string()),
        }
    }
    if let Some(repaired) = repaired {
        text.push('\n');
        for repair in &repaired.repairs {
            let kind = serde_json::to_value(repair.kind).unwrap_or_default();
            let kind = kind.as_str().unwrap_or_default().replace('_', " ");
            push_field(
                &mut text,
                "repaired",
                &format!("{kind}, {} times", repair.count),
            );
        }
        push_field(
            &mut text,
            "as it came",
            &String::from_utf8_lossy(&repaired.raw),
        );
    }
    for (name, part) in [
        ("metadata", &record.metadata),
        ("other elements", &record.extra),
    ] {
        if let Some(part) = part {
            // Infallible, as all writing to strings.
            let _ = write!(text, "\n{name}:\n{}\n", printable_lines(part));
        }
    }
    text
}

/// A name and a value in one line.
fn push_field(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "{name:<16}{}", printable(value));
}

/// A value of a record; each value of a list in its own line.
fn push_value(text: &mut String, name: &str, value: &Value) {
    match value {
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                push_field(text, if index == 0 { name } else { "" }, &in_words(value));
            }
        }
        value => push_field(text, name, &in_words(value)),
    }
}

/// A text as it is; an object as its first text, and the others with their names.
fn in_words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(in_words).collect::<Vec<_>>().join("; "),
        Value::Object(fields) => {
            let words = fields
                .iter()
                .enumerate()
                .map(|(index, (name, value))| match value {
                    Value::String(text) if index == 0 => text.clone(),
                    value => format!("{}: {}", name.replace('_', " "), in_words(value)),
                });
            words.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oai::response::{Repair, RepairKind};

    fn record() -> StoredRecord {
        StoredRecord {
            number: 1,
            source: "a".to_owned(),
            metadata_prefix: "oai_doaj".to_owned(),
            identifier: "oai:x:1".to_owned(),
            datestamp: "2020-01-01".to_owned(),
            set_specs: vec!["s".to_owned(), "t".to_owned()],
            deletion: None,
            version: Version(1_849_320_778_264_215_552),
            created_version: Version(1_763_649_729_000 << 20),
            metadata: Some(
                "<doajArticle><title>T\u{1b}[31m</title>\n<authors><author><name>A</name>\
                 <orcid_id>0000</orcid_id></author><author><name>B</name></author></authors>\
                 </doajArticle>"
                    .to_owned(),
            ),
            extra: None,
            others: Vec::new(),
        }
    }

    #[test]
    fn tells_people_all() {
        let repaired = RepairedRecord {
            repairs: vec![Repair {
                kind: RepairKind::BareAmpersand,
                count: 2,
            }],
            raw: b"<record>&\n".to_vec(),
        };
        let text = as_text(&record(), Some(&repaired));
        assert_eq!(
            text,
            "identifier      oai:x:1\n\
             source          a\n\
             state           live\n\
             datestamp       2020-01-01\n\
             format          oai_doaj\n\
             version         1849320778264215552 (2025-11-20T14:42:09Z)\n\
             in store since  1849320778235904000 (2025-11-20T14:42:09Z)\n\
             sets            s t\n\
             \n\
             type            article\n\
             title           T<U+001B>[31m\n\
             authors         A, orcid: 0000\n\
             \x20               B\n\
             flags           \"0000\" is no ORCID iD\n\
             \n\
             repaired        bare ampersand, 2 times\n\
             as it came      <record>&<U+000A>\n\
             \n\
             metadata:\n\
             <doajArticle><title>T<U+001B>[31m</title>\n<authors><author><name>A</name>\
             <orcid_id>0000</orcid_id></author><author><name>B</name></author></authors>\
             </doajArticle>\n"
        );
    }

    #[test]
    fn tells_what_is_not_there() {
        let gone = StoredRecord {
            deletion: Some(Deletion::Disappeared),
            metadata: None,
            ..record()
        };
        let text = as_text(&gone, None);
        assert!(text.contains("state           deleted: the repository no longer has it\n"));
        assert!(text.ends_with("sets            s t\n"), "{text}");
        let broken = StoredRecord {
            metadata: Some("<mets xmlns=\"http://www.loc.gov/METS/\"/>".to_owned()),
            ..record()
        };
        let text = as_text(&broken, None);
        assert!(text.contains("unreadable      no crosswalk for"), "{text}");
        assert!(
            text.ends_with("metadata:\n<mets xmlns=\"http://www.loc.gov/METS/\"/>\n"),
            "{text}"
        );
    }
}
