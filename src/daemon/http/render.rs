//! Records in the formats of the exports, for the change feed, the API and the page of a record.

use std::borrow::Cow;

use axum::http::HeaderValue;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::output::vufind::{Command, DocumentOptions};
use crate::output::{Container, Format, Rendered, Renderer, Tombstones};
use crate::store::{Deletion, StoredRecord};

/// A renderer that writes records in a format, and tombstones if the format has them.
pub(super) fn renderer(documents: &DocumentOptions, format: Format) -> Renderer<'_> {
    Renderer {
        format,
        documents,
        enrich: &[],
        changes: true,
    }
}

/// The most that pages and searches show of one field of a record.
pub(super) const MAX_FIELD_BYTES: usize = 1_000;

/// The first `most` bytes of a text, or some fewer, and an ellipsis if there are more.
pub(super) fn shorten(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    let end = (0..=most).rev().find(|at| text.is_char_boundary(*at));
    Cow::Owned(format!("{}…", &text[..end.unwrap_or(0)]))
}

/// A format by its name.
#[derive(Debug, Clone, Copy)]
pub(super) struct FormatName(pub(super) Format);

impl<'de> Deserialize<'de> for FormatName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Format::from_name(&name).map(Self).map_err(|names| {
            D::Error::custom(format!("unknown format {name:?}, expected one of {names}"))
        })
    }
}

impl PartialSchema for FormatName {
    fn schema() -> RefOr<Schema> {
        let names = Format::named().map(|(_, name)| name);
        ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(names))
            .into()
    }
}

impl ToSchema for FormatName {}

/// The media type of a format.
pub(super) fn media_type(format: Format) -> HeaderValue {
    HeaderValue::from_static(match format {
        Format::Jsonl => "application/x-ndjson; charset=utf-8",
        Format::VufindJson => "application/json; charset=utf-8",
        Format::Xml | Format::VufindXml | Format::OaiDc => "application/xml; charset=utf-8",
        Format::Marcxml => "application/marcxml+xml; charset=utf-8",
        Format::Csv => "text/csv; charset=utf-8; header=present",
        Format::Ris => "application/x-research-info-systems; charset=utf-8",
        Format::Bibtex => "application/x-bibtex; charset=utf-8",
        Format::CslJson => "application/vnd.citationstyles.csl+json",
    })
}

/// The body of a response: records in one format.
pub(super) struct Body<'a> {
    renderer: Renderer<'a>,
    container: Container,
    bytes: Vec<u8>,
    /// The number of records that could not be written in this format.
    pub(super) failed: u64,
}

impl<'a> Body<'a> {
    pub(super) fn new(renderer: Renderer<'a>) -> Self {
        Self {
            renderer,
            container: Container::new(renderer.format),
            bytes: Vec::new(),
            failed: 0,
        }
    }

    /// The size of the body so far, in bytes.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Writes a record. A record that cannot be written is counted.
    ///
    /// If the format has deletions, such a record is deleted: its earlier document is out of date.
    ///
    /// # Errors
    /// The reason why the record, or a part of it, cannot be written.
    pub(super) fn push(&mut self, record: &StoredRecord) -> Result<(), String> {
        let begin = self.bytes.len();
        let (command, result) = match self.renderer.push(record, &mut self.bytes) {
            Rendered::Written(command) => (Some(command), Ok(())),
            Rendered::Flawed(reason) => (Some(Command::Add), Err(reason)),
            Rendered::LeftOut => (None, Ok(())),
            Rendered::Failed(reason) => (self.delete(record), Err(reason)),
        };
        self.failed += u64::from(result.is_err());
        if let Some(command) = command {
            // What comes before a record depends on it. A large record must not be copied for that.
            let before = self.container.before(command).bytes();
            self.bytes.splice(begin..begin, before);
        }
        result
    }

    fn delete(&mut self, record: &StoredRecord) -> Option<Command> {
        if self.renderer.format.tombstones() != Tombstones::AsDeletions {
            return None;
        }
        let deleted = StoredRecord {
            deletion: Some(Deletion::Declared),
            metadata: None,
            extra: None,
            others: Vec::new(),
            source: record.source.clone(),
            metadata_prefix: record.metadata_prefix.clone(),
            identifier: record.identifier.clone(),
            datestamp: record.datestamp.clone(),
            set_specs: record.set_specs.clone(),
            ..*record
        };
        match self.renderer.push(&deleted, &mut self.bytes) {
            Rendered::Written(command) => Some(command),
            _ => None,
        }
    }

    /// Takes what is there of the body so far.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// What is left of the body, with its end.
    pub(super) fn end(mut self) -> Vec<u8> {
        self.bytes
            .extend_from_slice(self.container.end().as_bytes());
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Version;

    #[test]
    fn a_record_that_cannot_be_written_is_deleted_if_the_format_has_deletions() {
        let broken = StoredRecord {
            number: 1,
            source: "a".into(),
            metadata_prefix: "mets".into(),
            identifier: "oai:x:1".into(),
            datestamp: "2020-01-01".into(),
            set_specs: Vec::new(),
            deletion: None,
            version: Version(1 << 20),
            created_version: Version(1 << 20),
            metadata: Some("<mets xmlns=\"http://www.loc.gov/METS/\"/>".into()),
            extra: None,
            others: Vec::new(),
        };
        let documents = DocumentOptions::default();
        let cases = [
            ("jsonl", true),
            ("xml", true),
            ("vufind-json", true),
            ("vufind-xml", true),
            ("marcxml", true),
            ("oai_dc", false),
            ("csv", false),
            ("ris", false),
            ("bibtex", false),
            ("csl-json", false),
        ];
        assert_eq!(cases.len(), Format::named().count());
        for (name, has_deletions) in cases {
            let format = Format::from_name(name).unwrap();
            let mut body = Body::new(renderer(&documents, format));
            let result = body.push(&broken);
            assert_eq!(result.is_ok(), name == "xml", "{name}: {result:?}");
            let text = String::from_utf8(body.end()).unwrap();
            assert_eq!(text.contains("x:1"), has_deletions, "{name}: {text}");
        }
    }

    #[test]
    fn long_texts_are_cut_between_letters() {
        let cases = [
            ("ab", "ab"),
            ("abc", "abc"),
            ("abcd", "abc…"),
            ("abä", "ab…"),
            ("ä€", "ä…"),
        ];
        for (text, shown) in cases {
            assert_eq!(shorten(text, 3), shown);
        }
    }

    #[test]
    fn the_document_lists_every_format() {
        let schema = serde_json::to_value(FormatName::schema()).unwrap();
        assert_eq!(
            schema["enum"].as_array().unwrap().len(),
            Format::named().count()
        );
    }
}
