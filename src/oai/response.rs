//! The answers of repositories, as types.

use serde::{Deserialize, Serialize};

use super::{Datestamp, Granularity, ResumptionToken};

/// One complete answer of a repository.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// The repository's clock when it answered; `None` if absent or unreadable.
    pub response_date: Option<Datestamp>,
    /// The request as the repository understood it.
    pub request: RequestEcho,
    /// The content of the answer.
    pub content: Content,
    /// The repairs that were needed to read the answer.
    pub repairs: Vec<Repair>,
}

/// The `<request>` element: attributes as written, trimmed.
///
/// Error pages echo nothing. A lowered `until` here is the only sign of DOAJ's 30-day clamp.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestEcho {
    /// The base URL, as the element's text.
    pub base_url: Option<String>,
    /// `verb`.
    pub verb: Option<String>,
    /// `metadataPrefix`.
    pub metadata_prefix: Option<String>,
    /// `set`.
    pub set: Option<String>,
    /// `from`.
    pub from: Option<String>,
    /// `until`.
    pub until: Option<String>,
    /// `resumptionToken`.
    pub resumption_token: Option<String>,
}

/// The element of the verb, or errors.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// `<Identify>`.
    Identify(Identify),
    /// `<ListMetadataFormats>`.
    MetadataFormats(Vec<MetadataFormat>),
    /// `<ListSets>`.
    Sets(List<Set>),
    /// `<ListIdentifiers>`.
    Identifiers(List<Header>),
    /// `<ListRecords>`.
    Records(List<Record>),
    /// `<GetRecord>`.
    Record(Box<Record>),
    /// One or more `<error>` in document order, also beside an empty list.
    Errors(Vec<OaiError>),
}

impl Content {
    /// Whether it is a list that has no items, not even unreadable ones.
    pub(crate) fn is_empty_list(&self) -> bool {
        match self {
            Self::Sets(list) => list.items.is_empty() && list.bad.is_empty(),
            Self::Identifiers(list) => list.items.is_empty() && list.bad.is_empty(),
            Self::Records(list) => list.items.is_empty() && list.bad.is_empty(),
            Self::Identify(_) | Self::MetadataFormats(_) | Self::Record(_) | Self::Errors(_) => {
                false
            }
        }
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct List<T> {
    /// Items in document order.
    pub items: Vec<T>,
    /// Items that cannot be stored; the rest of the page counts without them.
    pub bad: Vec<BadItem>,
    /// The token of the next page; `None` at the end of the list, also for an empty
    /// `<resumptionToken/>`.
    pub token: Option<ResumptionToken>,
    /// The attributes of `<resumptionToken>`, also of an empty one.
    pub paging: Paging,
}

impl<T> List<T> {
    /// The number of items on the page, readable or not.
    pub fn len(&self) -> usize {
        self.items.len() + self.bad.len()
    }

    /// Whether the page has no item.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Attributes of `<resumptionToken>`. All are hints, since some repository gets each one wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paging {
    /// `completeListSize`, in items.
    pub complete_list_size: Option<u64>,
    /// `cursor`; DOAJ counts to the end of the page, not to its start.
    pub cursor: Option<u64>,
    /// `expirationDate`.
    pub expiration_date: Option<Datestamp>,
}

/// A record's header.
///
/// Source: OAI-PMH 2.0, 2.5.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The item's identifier: trimmed, never empty.
    pub identifier: String,
    /// The datestamp as written, trimmed; empty if there was none.
    pub datestamp: String,
    /// The setSpecs in document order, trimmed, without empty ones.
    pub set_specs: Vec<String>,
    /// `status="deleted"`, in any case.
    pub deleted: bool,
}

impl Header {
    /// Takes from `listed`, the same record's header in a list, what this one does not say. Some
    /// repositories leave datestamp or sets out of the answer to GetRecord.
    pub fn complete_from(&mut self, listed: &Self) {
        if self.instant().is_none() && listed.instant().is_some() {
            self.datestamp.clone_from(&listed.datestamp);
        }
        if self.set_specs.is_empty() {
            self.set_specs.clone_from(&listed.set_specs);
        }
    }

    /// The datestamp as an instant; `None` if it is unreadable. Such a record moves no watermark.
    pub fn instant(&self) -> Option<Datestamp> {
        Datestamp::parse(&self.datestamp).map(|(datestamp, _)| datestamp)
    }
}

/// A record: header, metadata and further containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The header.
    pub header: Header,
    /// The first child element of the first `<metadata>`, verbatim, as a document of its own with
    /// the namespace declarations that it inherits. `None` for tombstones and for records without
    /// metadata.
    pub metadata: Option<String>,
    /// Further `<metadata>` and all `<about>` containers, verbatim and self-contained, in one text;
    /// `None` without any.
    pub extra: Option<String>,
    /// The record's bytes as received, up to [`MAX_RAW_BYTES`], if a repair changed them.
    pub raw: Option<Vec<u8>>,
    /// The repairs of this record.
    pub repairs: Vec<Repair>,
}

impl Record {
    /// A deleted record: only its header is known.
    pub fn tombstone(header: Header) -> Self {
        Self {
            header,
            metadata: None,
            extra: None,
            raw: None,
            repairs: Vec::new(),
        }
    }
}

/// The most of an item's received bytes that are kept beside it.
pub const MAX_RAW_BYTES: usize = 8 << 20;

/// An item that cannot be stored as a record and goes to quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadItem {
    /// The identifier, if it is readable.
    pub identifier: Option<String>,
    /// The datestamp as written, if there is one.
    pub datestamp: Option<String>,
    /// Why it cannot be stored, for people.
    pub reason: String,
    /// The item's bytes as received, up to [`MAX_RAW_BYTES`].
    pub raw: Vec<u8>,
}

/// Repairs of one kind that were needed to read a page.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Repair {
    /// The kind.
    pub kind: RepairKind,
    /// The number of places.
    pub count: u64,
}

/// Kinds of repairs. Each is narrow, and a page that parses without repairs gets none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RepairKind {
    /// The transport ended badly after a whole document.
    UncleanEnd,
    /// Text or blank lines before the document were skipped.
    LeadingJunk,
    /// Text after the closing root tag was ignored.
    TrailingJunk,
    /// The encoding is not the one that the document or the server names.
    Encoding,
    /// A byte that is not UTF-8 was read as Windows-1252 or replaced by U+FFFD.
    InvalidUtf8,
    /// A character was written as its two surrogates of UTF-16, as bytes or as references.
    SurrogatePair,
    /// A character that XML 1.0 forbids, raw or as a reference, was replaced by U+FFFD.
    ForbiddenCharacter,
    /// A bare `&` was read as `&amp;`.
    BareAmpersand,
    /// A bare `<` in text was read as `&lt;`.
    BareLessThan,
    /// An entity of HTML was replaced by its character.
    HtmlEntity,
    /// An XML declaration inside the document was dropped.
    InnerDeclaration,
    /// A document type declaration was skipped; it is never expanded.
    DocumentType,
    /// The namespace of the envelope is missing or is not OAI-PMH's.
    EnvelopeNamespace,
    /// The document uses a well-known prefix without declaring it.
    UndeclaredPrefix,
}

/// The content of Identify.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identify {
    /// `repositoryName`.
    pub repository_name: Option<String>,
    /// `baseURL`.
    pub base_url: Option<String>,
    /// `protocolVersion`, such as `2.0`.
    pub protocol_version: Option<String>,
    /// `earliestDatestamp` as written: a hint, often wrong.
    pub earliest_datestamp: Option<String>,
    /// `deletedRecord`: `no`, `transient` or `persistent`, as written.
    pub deleted_record: Option<String>,
    /// `granularity`, if it is one of the two of the protocol.
    pub granularity: Option<Granularity>,
    /// All `adminEmail`.
    pub admin_emails: Vec<String>,
    /// All `compression`.
    pub compressions: Vec<String>,
}

/// One entry of ListMetadataFormats.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MetadataFormat {
    /// `metadataPrefix`.
    pub metadata_prefix: String,
    /// `schema`.
    pub schema: Option<String>,
    /// `metadataNamespace`; DOAJ announces one that its records do not use.
    pub metadata_namespace: Option<String>,
}

/// One entry of ListSets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Set {
    /// `setSpec`.
    pub set_spec: String,
    /// `setName`.
    pub set_name: Option<String>,
}

/// One `<error>` of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OaiError {
    /// `code`, as written: usually an [`ErrorCode`].
    pub code: String,
    /// The element's text, trimmed.
    pub message: String,
}

impl OaiError {
    /// The code, if the protocol defines it.
    pub fn known_code(&self) -> Option<ErrorCode> {
        ErrorCode::parse(&self.code)
    }
}

/// The error codes of OAI-PMH 2.0, 3.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// `badArgument`
    BadArgument,
    /// `badResumptionToken`
    BadResumptionToken,
    /// `badVerb`
    BadVerb,
    /// `cannotDisseminateFormat`
    CannotDisseminateFormat,
    /// `idDoesNotExist`
    IdDoesNotExist,
    /// `noRecordsMatch`
    NoRecordsMatch,
    /// `noMetadataFormats`
    NoMetadataFormats,
    /// `noSetHierarchy`
    NoSetHierarchy,
}

impl ErrorCode {
    /// The code of this name; white space and case do not matter.
    pub fn parse(code: &str) -> Option<Self> {
        const CODES: [(&str, ErrorCode); 8] = [
            ("badArgument", ErrorCode::BadArgument),
            ("badResumptionToken", ErrorCode::BadResumptionToken),
            ("badVerb", ErrorCode::BadVerb),
            (
                "cannotDisseminateFormat",
                ErrorCode::CannotDisseminateFormat,
            ),
            ("idDoesNotExist", ErrorCode::IdDoesNotExist),
            ("noRecordsMatch", ErrorCode::NoRecordsMatch),
            ("noMetadataFormats", ErrorCode::NoMetadataFormats),
            ("noSetHierarchy", ErrorCode::NoSetHierarchy),
        ];
        let code = code.trim();
        CODES
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(code))
            .map(|(_, code)| *code)
    }
}
