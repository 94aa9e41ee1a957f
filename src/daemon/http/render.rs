//! Records in the formats of the exports: what answers carry of them, for the feed, the API and the
//! page of a record.

use axum::http::{HeaderValue, StatusCode};

use super::Failure;
use crate::output::vufind::{Command, DocumentOptions};
use crate::output::{Container, Format, Rendered, Renderer, Tombstones};
use crate::store::{Deletion, StoredRecord};

/// What writes records in a format; tombstones too, where the format can speak of them.
pub(super) fn renderer(documents: &DocumentOptions, format: Format) -> Renderer<'_> {
    Renderer {
        format,
        documents,
        enrich: &[],
        changes: true,
    }
}

/// The format of this name, or which there are.
pub(super) fn format(name: &str) -> Result<Format, Failure> {
    Format::from_name(name).map_err(|names| {
        let message = format!("there is no format {name:?}; there is {names}");
        Failure::new(StatusCode::BAD_REQUEST, message)
    })
}

/// The media type of a format.
pub(super) fn media_type(format: Format) -> HeaderValue {
    HeaderValue::from_static(match format {
        Format::Jsonl => "application/x-ndjson; charset=utf-8",
        Format::VufindJson => "application/json; charset=utf-8",
        Format::Xml | Format::VufindXml | Format::OaiDc => "application/xml; charset=utf-8",
        Format::Marcxml => "application/marcxml+xml; charset=utf-8",
        Format::Csv => "text/csv; charset=utf-8; header=present",
        Format::Ris => "application/x-research-info-systems; charset=utf-8",
    })
}

/// Records of one answer, one after the other, in one format.
pub(super) struct Body<'a> {
    renderer: Renderer<'a>,
    container: Container,
    bytes: Vec<u8>,
    /// Records that could not be written in this format.
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

    /// How large the answer is so far.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Writes a record. One that cannot be written is counted, and where the format takes away what
    /// was there before, its last state is: it is no longer true.
    ///
    /// # Errors
    /// Why the record, or a part of it, cannot be written.
    pub(super) fn push(&mut self, record: &StoredRecord) -> Result<(), String> {
        let mut written = Vec::new();
        let (command, result) = match self.renderer.push(record, &mut written) {
            Rendered::Written(command) => (Some(command), Ok(())),
            Rendered::Flawed(reason) => (Some(Command::Add), Err(reason)),
            Rendered::LeftOut => (None, Ok(())),
            Rendered::Failed(reason) => (self.take_away(record, &mut written), Err(reason)),
        };
        self.failed += u64::from(result.is_err());
        if let Some(command) = command {
            self.bytes
                .extend_from_slice(self.container.before(command).as_bytes());
            self.bytes.extend_from_slice(&written);
        }
        result
    }

    fn take_away(&self, record: &StoredRecord, out: &mut Vec<u8>) -> Option<Command> {
        if self.renderer.format.tombstones() != Tombstones::TakenAway {
            return None;
        }
        let gone = StoredRecord {
            deletion: Some(Deletion::Declared),
            metadata: None,
            extra: None,
            others: Vec::new(),
            ..record.clone()
        };
        match self.renderer.push(&gone, out) {
            Rendered::Written(command) => Some(command),
            _ => None,
        }
    }

    /// The whole answer.
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
    fn what_cannot_be_written_is_taken_away_where_that_can_be_said() {
        let broken = StoredRecord {
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
        ];
        assert_eq!(cases.len(), Format::named().count());
        for (name, told) in cases {
            let mut body = Body::new(renderer(&documents, format(name).unwrap()));
            let result = body.push(&broken);
            assert_eq!(result.is_ok(), name == "xml", "{name}: {result:?}");
            let text = String::from_utf8(body.end()).unwrap();
            assert_eq!(text.contains("x:1"), told, "{name}: {text}");
        }
        let unknown = format("pdf").unwrap_err().message;
        assert!(
            unknown.contains("there is jsonl, xml, vufind-json"),
            "{unknown}"
        );
    }
}
