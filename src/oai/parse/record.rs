//! Reads records, headers and the other items of lists.

use super::fragment::Scope;
use super::scan::{Fault, Open, Token};
use super::source::Tally;
use super::walk::Walk;
use crate::oai::Granularity;
use crate::oai::response::{BadItem, Header, Identify, MetadataFormat, Record, RepairKind, Set};

/// How many values of an element of Identify that may repeat are kept.
const MAX_VALUES: usize = 100;

/// The longest identifier of a record, in bytes. GetRecord has it in its URL.
const IDENTIFIER_BYTES: usize = 16 << 10;

/// An item, or the bad item in its place.
pub(super) type Read<T> = Result<Result<T, BadItem>, Fault>;

/// The parts of a header that have been read.
#[derive(Debug, Clone, Default)]
pub(super) struct Draft {
    /// The identifier, trimmed, not empty.
    pub(super) identifier: Option<String>,
    /// The datestamp, trimmed.
    pub(super) datestamp: Option<String>,
}

impl<'t> Walk<'t> {
    /// Reads the record whose start tag `open` was read last.
    pub(super) fn record(&mut self, open: Open<'t>) -> Read<Record> {
        self.draft = Draft::default();
        let undeclared = self.scan.undeclared;
        let mut header = None;
        let mut metadata = None;
        let mut further = String::new();
        let mut about = String::new();
        loop {
            let scope = self.scan.scope();
            match self.scan.next()? {
                Token::Start => match self.child() {
                    "header" if header.is_none() => header = Some(self.header_parts()?),
                    "metadata" if metadata.is_none() => {
                        metadata = self.metadata(&mut further)?;
                    }
                    "metadata" => further.push_str(&self.cut(scope)?),
                    "about" => about.push_str(&self.cut(scope)?),
                    _ => self.scan.skip()?,
                },
                Token::End => break,
                Token::Eof => return Err(Fault::End),
                _ => {}
            }
        }
        let header = match header {
            Some(Ok(header)) => header,
            Some(Err(reason)) => return Ok(Err(self.reject(open, reason)?)),
            None => return Ok(Err(self.reject(open, "the record has no header")?)),
        };
        if header.deleted {
            metadata = None;
            further.clear();
        }
        further.push_str(&about);
        let range = open.start..self.scan.position;
        let mut repairs = self.source.repairs(&range);
        let undeclared = self.scan.undeclared - undeclared;
        repairs.add(RepairKind::UndeclaredPrefix, undeclared);
        Ok(Ok(Record {
            header,
            metadata,
            extra: (!further.is_empty()).then_some(further),
            raw: match Tally::is_empty(&repairs) {
                true => None,
                false => Some(self.raw(&range)?),
            },
            repairs: repairs.into_repairs(),
        }))
    }

    /// Reads the header whose start tag `open` was read last, as an item of its own.
    pub(super) fn header(&mut self, open: Open<'t>) -> Read<Header> {
        self.draft = Draft::default();
        let header = self.header_parts()?;
        Ok(match header {
            Ok(header) => Ok(header),
            Err(reason) => Err(self.reject(open, reason)?),
        })
    }

    fn header_parts(&mut self) -> Result<Result<Header, &'static str>, Fault> {
        let deleted = self
            .scan
            .attribute("status")
            .is_some_and(|status| status.eq_ignore_ascii_case("deleted"));
        let mut set_specs = Vec::new();
        self.each_child(|walk, name| {
            match name {
                "identifier" => {
                    let identifier = walk.filled_text()?;
                    walk.draft.identifier = walk.draft.identifier.take().or(identifier);
                }
                "datestamp" => {
                    let datestamp = walk.filled_text()?;
                    walk.draft.datestamp = walk.draft.datestamp.take().or(datestamp);
                }
                "setSpec" => {
                    if let Some(set_spec) = walk.filled_text()? {
                        // A list that grows is copied.
                        walk.take_room(2 * size_of::<String>() + set_spec.len())?;
                        set_specs.push(set_spec);
                    }
                }
                _ => walk.scan.skip()?,
            }
            Ok(())
        })?;
        let draft = [&self.draft.identifier, &self.draft.datestamp];
        let length: usize = draft.into_iter().flatten().map(String::len).sum();
        self.take_room(2 * length)?;
        let Some(identifier) = self.draft.identifier.clone() else {
            return Ok(Err("the header has no identifier"));
        };
        if identifier.len() > IDENTIFIER_BYTES {
            self.draft.identifier = None;
            return Ok(Err("the identifier is longer than any request can carry"));
        }
        Ok(Ok(Header {
            identifier,
            datestamp: self.draft.datestamp.clone().unwrap_or_default(),
            set_specs,
            deleted,
        }))
    }

    /// Cuts the element whose start tag was read last, and reads to its end.
    fn cut(&mut self, scope: Scope) -> Result<String, Fault> {
        let cut = self.scan.cut(scope)?;
        self.take_room(cut.bytes())?;
        Ok(cut.into_text())
    }

    /// Reads a `<metadata>` container: returns its first element, appends others to `further`.
    fn metadata(&mut self, further: &mut String) -> Result<Option<String>, Fault> {
        let mut metadata = None;
        loop {
            let scope = self.scan.scope();
            match self.scan.next()? {
                Token::Start if metadata.is_none() => metadata = Some(self.cut(scope)?),
                Token::Start => further.push_str(&self.cut(scope)?),
                Token::End => return Ok(metadata),
                Token::Eof => return Err(Fault::End),
                _ => {}
            }
        }
    }

    /// Reads one entry of ListSets.
    pub(super) fn set(&mut self, open: Open<'t>) -> Read<Set> {
        self.draft = Draft::default();
        let mut set_spec = None;
        let mut set_name = None;
        self.each_child(|walk, name| {
            match name {
                "setSpec" if set_spec.is_none() => set_spec = walk.filled_text()?,
                "setName" if set_name.is_none() => set_name = walk.filled_line()?,
                _ => walk.scan.skip()?,
            }
            Ok(())
        })?;
        Ok(match set_spec {
            Some(set_spec) => Ok(Set { set_spec, set_name }),
            None => Err(self.reject(open, "the set has no setSpec")?),
        })
    }

    /// Reads one entry of ListMetadataFormats.
    pub(super) fn format(&mut self, open: Open<'t>) -> Read<MetadataFormat> {
        self.draft = Draft::default();
        let mut format = MetadataFormat::default();
        self.each_child(|walk, name| {
            match name {
                "metadataPrefix" => {
                    format.metadata_prefix = walk.filled_text()?.unwrap_or_default();
                }
                "schema" => format.schema = walk.filled_line()?,
                "metadataNamespace" => format.metadata_namespace = walk.filled_line()?,
                _ => walk.scan.skip()?,
            }
            Ok(())
        })?;
        Ok(if format.metadata_prefix.is_empty() {
            Err(self.reject(open, "the format has no metadataPrefix")?)
        } else {
            Ok(format)
        })
    }

    /// Reads `<Identify>`; an `<error>` in it goes to the errors of the answer.
    pub(super) fn identify(&mut self) -> Result<Identify, Fault> {
        let mut identify = Identify::default();
        self.each_child(|walk, name| {
            match name {
                "repositoryName" => identify.repository_name = walk.filled_line()?,
                "baseURL" => identify.base_url = walk.filled_line()?,
                "protocolVersion" => identify.protocol_version = walk.filled_line()?,
                "earliestDatestamp" => identify.earliest_datestamp = walk.filled_line()?,
                "deletedRecord" => identify.deleted_record = walk.filled_line()?,
                "granularity" => {
                    identify.granularity = walk.filled_text()?.as_deref().and_then(granularity);
                }
                "adminEmail" if identify.admin_emails.len() < MAX_VALUES => {
                    identify.admin_emails.extend(walk.filled_line()?);
                }
                "compression" if identify.compressions.len() < MAX_VALUES => {
                    identify.compressions.extend(walk.filled_line()?);
                }
                "error" => walk.error()?,
                _ => walk.scan.skip()?,
            }
            Ok(())
        })?;
        Ok(identify)
    }

    /// The bad item that started with `open` and has just ended.
    fn reject(&mut self, open: Open<'t>, reason: &str) -> Result<BadItem, Fault> {
        let end = self.scan.position;
        self.bad_item(open.start..end, reason.to_owned())
    }
}

/// Source: OAI-PMH 2.0, 4.2.
fn granularity(text: &str) -> Option<Granularity> {
    if text.eq_ignore_ascii_case("YYYY-MM-DD") {
        Some(Granularity::Day)
    } else if text.eq_ignore_ascii_case("YYYY-MM-DDThh:mm:ssZ") {
        Some(Granularity::Second)
    } else {
        None
    }
}
