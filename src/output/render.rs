//! Writes records of the store in each format.

use std::borrow::Cow;

use super::enrich::{self, Part};
use super::vufind::{Command, DocumentOptions, Encoding};
use super::xml::push_attribute;
use super::{Format, Item, Tombstones, bibtex, catalogue, csl_json, csv, jsonl};
use super::{marcxml, oai_dc, ris};
use crate::oai::Datestamp;
use crate::record::{Resource, crosswalk, xml};
use crate::store::{StoredRecord, Version};

/// Writes records in one format. Has no state, so threads can share it.
#[derive(Debug, Clone, Copy)]
pub struct Renderer<'a> {
    /// The format.
    pub format: Format,
    /// The options of catalogue documents.
    pub documents: &'a DocumentOptions,
    /// What the preferred record of a work takes from the work's other records where it has none. Has no
    /// effect in format `xml`, which is as received.
    pub enrich: &'a [Part],
    /// Whether the reader has the earlier state of records. Then formats with
    /// [`Tombstones::AsDeletions`] write tombstones.
    pub changes: bool,
}

/// The result for one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rendered {
    /// Written, as this command.
    Written(Command),
    /// Written, but its metadata cannot be read, for this reason.
    Flawed(String),
    /// Not written, for this reason; the buffer is unchanged.
    Failed(String),
    /// A tombstone that the format does not write; the buffer is unchanged.
    LeftOut,
}

impl Renderer<'_> {
    /// Appends the record to `out`, without the frame of the file.
    ///
    /// In formats `xml` and `oai_dc` a record is
    /// `<record source="" identifier="" datestamp="" version="" metadata_prefix="">`, its metadata
    /// as a document of its own in it, `deleted="true"` on a tombstone, which is empty. In format
    /// `marcxml`, a record that is MARC 21 already is written as received, without enrichment.
    pub fn push(&self, record: &StoredRecord, out: &mut Vec<u8>) -> Rendered {
        let begin = out.len();
        let rendered = if record.deletion.is_some() {
            self.tombstone(record, out)
        } else {
            self.live(record, out)
        };
        if matches!(rendered, Rendered::Failed(_) | Rendered::LeftOut) {
            out.truncate(begin);
        }
        rendered
    }

    fn tombstone(&self, record: &StoredRecord, out: &mut Vec<u8>) -> Rendered {
        match self.format.tombstones() {
            Tombstones::Omitted => return Rendered::LeftOut,
            Tombstones::AsDeletions if !self.changes => return Rendered::LeftOut,
            Tombstones::AsDeletions | Tombstones::Listed => {}
        }
        let item = item(record);
        match self.format {
            Format::Jsonl => jsonl::push_line(item, jsonl::Content::None, out),
            Format::Xml => push_wrapped(item, None, out),
            Format::OaiDc => push_wrapped(dublin_core(item), None, out),
            Format::VufindJson | Format::VufindXml => {
                let id = self
                    .documents
                    .document_id(&record.source, &record.identifier);
                encoding(self.format).push_delete(&id, out);
            }
            Format::Marcxml => marcxml::push_deleted(item, out),
            Format::Csv => push_with(out, |text| csv::push_row(item, None, text)),
            Format::Ris | Format::Bibtex | Format::CslJson => {}
        }
        Rendered::Written(Command::Delete)
    }

    fn live(&self, record: &StoredRecord, out: &mut Vec<u8>) -> Rendered {
        let item = item(record);
        let Some(metadata) = record.metadata.as_deref() else {
            match self.format {
                Format::Jsonl => jsonl::push_line(item, jsonl::Content::None, out),
                Format::Xml => push_wrapped(item, None, out),
                Format::Csv => push_with(out, |text| csv::push_row(item, None, text)),
                _ => return Rendered::Failed("the record has no metadata".to_owned()),
            }
            return Rendered::Written(Command::Add);
        };
        let written = match self.format {
            Format::Jsonl => return self.push_line(record, out),
            Format::Xml => checked(metadata).map(|()| push_wrapped(item, Some(metadata), out)),
            Format::OaiDc => self.dublin_core(record, metadata).and_then(|dc| {
                checked(&dc)?;
                push_wrapped(dublin_core(item), Some(&dc), out);
                Ok(())
            }),
            Format::VufindJson | Format::VufindXml => self.document(record, out),
            Format::Marcxml => match marcxml::as_received(&record.metadata_prefix, metadata) {
                Some(received) => {
                    out.extend_from_slice(received.as_bytes());
                    out.push(b'\n');
                    Ok(())
                }
                None => self
                    .resource(record)
                    .map(|resource| marcxml::push_record(item, &resource, out)),
            },
            Format::Bibtex => self
                .resource(record)
                .map(|resource| push_with(out, |text| bibtex::push_entry(item, &resource, text))),
            Format::CslJson => self
                .resource(record)
                .map(|resource| csl_json::push_item(item, &resource, out)),
            Format::Csv => self
                .resource(record)
                .map(|resource| push_with(out, |text| csv::push_row(item, Some(&resource), text))),
            Format::Ris => self
                .resource(record)
                .map(|resource| push_with(out, |text| ris::push_reference(item, &resource, text))),
        };
        match written {
            Ok(()) => Rendered::Written(Command::Add),
            Err(reason) => Rendered::Failed(reason),
        }
    }

    fn document(&self, record: &StoredRecord, out: &mut Vec<u8>) -> Result<(), String> {
        let document = catalogue::document(record, self.documents, self.enrich)?;
        encoding(self.format).push_add(&document, out);
        Ok(())
    }

    fn resource(&self, record: &StoredRecord) -> Result<Resource, String> {
        resource(record, self.enrich)
    }

    fn dublin_core<'m>(
        &self,
        record: &StoredRecord,
        metadata: &'m str,
    ) -> Result<Cow<'m, str>, String> {
        // Dublin Core that stays as received cannot be enriched.
        if !record.others.is_empty()
            && let Ok(mut resource) =
                crosswalk::resource_of(&record.metadata_prefix, metadata, record.header())
            && let Some(gains) = enrich::gained(&resource, &record.others, self.enrich)
        {
            enrich::add(&mut resource, gains);
            return Ok(Cow::Owned(oai_dc::from_resource(&resource)));
        }
        oai_dc::record(&record.metadata_prefix, metadata).map_err(|error| error.to_string())
    }

    fn push_line(&self, record: &StoredRecord, out: &mut Vec<u8>) -> Rendered {
        match self.resource(record) {
            Ok(resource) => {
                jsonl::push_line(item(record), jsonl::Content::Resource(&resource), out);
                Rendered::Written(Command::Add)
            }
            Err(reason) => {
                jsonl::push_line(item(record), jsonl::Content::Unreadable(&reason), out);
                Rendered::Flawed(reason)
            }
        }
    }
}

/// What a record means, enriched from the other records of its work.
///
/// # Errors
/// Why its metadata cannot be read.
pub(crate) fn resource(record: &StoredRecord, enrich: &[Part]) -> Result<Resource, String> {
    let metadata = record.metadata.as_deref().unwrap_or_default();
    let mut resource = crosswalk::resource_of(&record.metadata_prefix, metadata, record.header())
        .map_err(|error| error.to_string())?;
    if let Some(gains) = enrich::gained(&resource, &record.others, enrich) {
        enrich::add(&mut resource, gains);
    }
    Ok(resource)
}

/// The data of a record beside its metadata.
pub fn item(record: &StoredRecord) -> Item<'_> {
    Item {
        source: &record.source,
        identifier: &record.identifier,
        datestamp: &record.datestamp,
        deleted: record.deletion.is_some(),
        version: u64::try_from(record.version.0).unwrap_or_default(),
        metadata_prefix: &record.metadata_prefix,
        set_specs: &record.set_specs,
    }
}

/// The time of a version, as `YYYY-MM-DDThh:mm:ssZ`.
pub fn second(version: Version) -> String {
    Datestamp::from_unix(version.unix_ms().div_euclid(1000)).to_string()
}

fn encoding(format: Format) -> Encoding {
    match format {
        Format::VufindXml => Encoding::Xml,
        _ => Encoding::Json,
    }
}

/// Appends text to bytes.
fn push_with(out: &mut Vec<u8>, write: impl FnOnce(&mut String)) {
    let mut text = String::new();
    write(&mut text);
    out.extend_from_slice(text.as_bytes());
}

/// The same record in Dublin Core.
fn dublin_core(item: Item<'_>) -> Item<'_> {
    Item {
        metadata_prefix: "oai_dc",
        ..item
    }
}

fn push_wrapped(item: Item<'_>, metadata: Option<&str>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"<record");
    let version = item.version.to_string();
    let deleted = item.deleted.then_some("true");
    for (name, value) in [
        ("source", Some(item.source)),
        ("identifier", Some(item.identifier)),
        ("datestamp", Some(item.datestamp)),
        ("version", Some(version.as_str())),
        ("metadata_prefix", Some(item.metadata_prefix)),
        ("deleted", deleted),
    ] {
        if let Some(value) = value {
            out.push(b' ');
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"=\"");
            push_attribute(out, value);
            out.push(b'"');
        }
    }
    match metadata {
        Some(metadata) => {
            out.push(b'>');
            out.extend_from_slice(metadata.as_bytes());
            out.extend_from_slice(b"</record>\n");
        }
        None => out.extend_from_slice(b"/>\n"),
    }
}

/// Whether a document can be part of another one: well-formed, and without an XML declaration or a
/// document type.
fn checked(metadata: &str) -> Result<(), String> {
    let start = metadata.trim_start();
    if start.starts_with("<?") || start.starts_with("<!") {
        return Err("the metadata does not begin with its root element".to_owned());
    }
    xml::check(metadata).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Deletion;

    fn record(metadata: Option<&str>, deletion: Option<Deletion>) -> StoredRecord {
        StoredRecord {
            number: 1,
            source: "a".to_owned(),
            metadata_prefix: "oai_doaj".to_owned(),
            identifier: "oai:doaj.org/article:1&2".to_owned(),
            datestamp: "2020-01-01T00:00:00Z".to_owned(),
            set_specs: Vec::new(),
            deletion,
            version: Version(1_849_320_778_264_215_552),
            created_version: Version(1_763_649_729_000 << 20),
            metadata: metadata.map(str::to_owned),
            extra: None,
            others: Vec::new(),
        }
    }

    fn rendered(format: Format, changes: bool, record: &StoredRecord) -> (Rendered, String) {
        let mut documents = DocumentOptions::default();
        documents.default.track_changes = true;
        let renderer = Renderer {
            format,
            documents: &documents,
            enrich: &[],
            changes,
        };
        let mut out = b"before".to_vec();
        let rendered = renderer.push(record, &mut out);
        let text = String::from_utf8(out).unwrap();
        (rendered, text.strip_prefix("before").unwrap().to_owned())
    }

    #[test]
    fn live_records_have_their_form() {
        let live = record(Some("<doajArticle><title>T</title></doajArticle>"), None);
        let cases = [
            (Format::Jsonl, "\"title\":\"T\""),
            (
                Format::Xml,
                "<record source=\"a\" identifier=\"oai:doaj.org/article:1&amp;2\" \
                 datestamp=\"2020-01-01T00:00:00Z\" version=\"1849320778264215552\" \
                 metadata_prefix=\"oai_doaj\"><doajArticle><title>T</title></doajArticle></record>\n",
            ),
            (Format::OaiDc, "metadata_prefix=\"oai_dc\"><oai_dc:dc "),
            (
                Format::VufindJson,
                "\"first_indexed\":\"2025-11-20T14:42:09Z\",\
                 \"last_indexed\":\"2025-11-20T14:42:09Z\"",
            ),
            (Format::VufindXml, "<field name=\"title\">T</field>"),
            (
                Format::Marcxml,
                "<controlfield tag=\"001\">oai:doaj.org/article:1&amp;2<",
            ),
            (Format::Csv, "a,oai:doaj.org/article:1&2,"),
            (Format::Ris, "TI  - T\r\n"),
            (Format::Bibtex, "  title = {T}"),
            (Format::CslJson, "\"title\":\"T\""),
        ];
        for (format, part) in cases {
            let (outcome, text) = rendered(format, false, &live);
            assert_eq!(outcome, Rendered::Written(Command::Add), "{format:?}");
            assert!(text.contains(part), "{format:?}: {text}");
        }
    }

    #[test]
    fn marc_stays_as_received() {
        let inner = "<leader>00000nam a2200000 a 4500</leader>\
                     <controlfield tag=\"001\">7</controlfield>";
        let slim = "http://www.loc.gov/MARC21/slim";
        let plain = format!("<record xmlns=\"{slim}\">{inner}</record>");
        let prefixed = plain
            .replace("xmlns=", "xmlns:m=")
            .replace("<record", "<m:record")
            .replace("</record", "</m:record")
            .replace("<leader", "<m:leader")
            .replace("</leader", "</m:leader")
            .replace("<controlfield", "<m:controlfield")
            .replace("</controlfield", "</m:controlfield");
        let collection =
            format!("<collection xmlns=\"{slim}\"><record>{inner}</record></collection>");
        for (metadata, expected) in [
            (&plain, &plain),
            (&prefixed, &prefixed),
            // One collection cannot stand in another.
            (&collection, &plain),
        ] {
            let (outcome, text) = rendered(Format::Marcxml, false, &record(Some(metadata), None));
            assert_eq!(outcome, Rendered::Written(Command::Add));
            assert_eq!(text, format!("{expected}\n"));
        }
    }

    #[test]
    fn tombstones_are_written_where_they_mean_something() {
        let gone = record(None, Some(Deletion::Declared));
        let cases = [
            (Format::Jsonl, Some("\"deleted\":true"), true),
            (Format::Xml, Some("deleted=\"true\"/>\n"), true),
            (Format::OaiDc, Some("deleted=\"true\"/>\n"), true),
            (Format::Csv, Some(",true,"), true),
            (
                Format::VufindJson,
                Some("\"delete\":{\"id\":\"doaj-art-1&2\"}"),
                false,
            ),
            (Format::VufindXml, Some("<id>doaj-art-1&amp;2</id>"), false),
            (Format::Marcxml, Some("<leader>00000dab "), false),
            (Format::Ris, None, false),
            (Format::Bibtex, None, false),
            (Format::CslJson, None, false),
        ];
        for (format, part, also_whole) in cases {
            for changes in [true, false] {
                let (outcome, text) = rendered(format, changes, &gone);
                match part.filter(|_| changes || also_whole) {
                    Some(part) => {
                        assert_eq!(outcome, Rendered::Written(Command::Delete), "{format:?}");
                        assert!(text.contains(part), "{format:?}: {text}");
                    }
                    None => assert_eq!((outcome, text), (Rendered::LeftOut, String::new())),
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_read_leaves_nothing_behind() {
        let cases = [
            (
                "unknown format",
                Some("<mets xmlns=\"http://www.loc.gov/METS/\"/>"),
                "no crosswalk for",
                false,
            ),
            ("cut off", Some("<doajArticle><title>T"), "not closed", true),
            ("text", Some("T"), "text outside", true),
            ("no metadata", None, "the record has no metadata", false),
            (
                "declaration",
                Some("<?xml version=\"1.0\"?><doajArticle/>"),
                "does not begin with its root",
                true,
            ),
        ];
        for (case, metadata, reason, also_xml) in cases {
            let broken = record(metadata, None);
            let declared = case == "declaration";
            for format in [
                Format::VufindJson,
                Format::OaiDc,
                Format::Marcxml,
                Format::Ris,
                Format::Bibtex,
                Format::CslJson,
            ] {
                if declared {
                    continue;
                }
                let (outcome, text) = rendered(format, false, &broken);
                assert!(
                    matches!(&outcome, Rendered::Failed(told) if told.contains(reason)),
                    "{case} as {format:?}: {outcome:?}"
                );
                assert_eq!(text, "", "{case} as {format:?}");
            }
            let (outcome, text) = rendered(Format::Xml, false, &broken);
            assert_eq!(
                matches!(outcome, Rendered::Failed(_)),
                also_xml,
                "{case}: {outcome:?}"
            );
            assert_eq!(text.is_empty(), also_xml, "{case}");
        }
        let broken = record(Some("<mets xmlns=\"http://www.loc.gov/METS/\"/>"), None);
        let (outcome, text) = rendered(Format::Jsonl, false, &broken);
        assert!(matches!(outcome, Rendered::Flawed(_)), "{outcome:?}");
        assert!(
            text.contains("\"article\":null,\"resource\":null,\"error\":\"no crosswalk"),
            "{text}"
        );
    }
}
