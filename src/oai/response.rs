//! What repositories answer, as types.

use serde::{Deserialize, Serialize};

use super::{Datestamp, Granularity, ResumptionToken};

/// One whole, well-formed answer of a repository.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// The repository's clock when it answered; `None` if absent or unreadable.
    pub response_date: Option<Datestamp>,
    /// What the repository says that it was asked.
    pub request: RequestEcho,
    /// The answer itself.
    pub content: Content,
    /// What had to be overlooked or mended to read the answer; empty for a clean one.
    pub repairs: Vec<Repair>,
}

/// The `<request>` element: attributes as written, white space trimmed.
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

/// What one response holds: the element of the verb, or errors.
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
    /// One or more `<error>`, in document order, also when a list element stands beside them.
    Errors(Vec<OaiError>),
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct List<T> {
    /// Items in document order.
    pub items: Vec<T>,
    /// Items that could not be understood; the page goes on without them.
    pub bad: Vec<BadItem>,
    /// How to go on; `None` when the list is complete, also for an empty `<resumptionToken/>`.
    pub token: Option<ResumptionToken>,
    /// The attributes of `<resumptionToken>`, also of an empty one.
    pub paging: Paging,
}

impl<T> List<T> {
    /// Items that the page carried, readable or not.
    pub fn len(&self) -> usize {
        self.items.len() + self.bad.len()
    }

    /// Whether the page carried nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Attributes of `<resumptionToken>`. All are hints: repositories get each of them wrong.
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
    /// The setSpecs in document order, trimmed, empty ones left out.
    pub set_specs: Vec<String>,
    /// `status="deleted"`, in any case.
    pub deleted: bool,
}

impl Header {
    /// The datestamp as an instant; `None` if it cannot be read, which never moves a watermark.
    pub fn instant(&self) -> Option<Datestamp> {
        Datestamp::parse(&self.datestamp).map(|(datestamp, _)| datestamp)
    }
}

/// A record: header, metadata, and whatever else stood in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The header.
    pub header: Header,
    /// The first child element of the first `<metadata>`, verbatim, as a document of its own: it
    /// carries the namespace declarations that it inherited. `None` for tombstones (whatever a
    /// deleted record carries) and for records without metadata.
    pub metadata: Option<String>,
    /// Further `<metadata>` and all `<about>` containers, verbatim and self-contained, one after
    /// the other; `None` if there are none.
    pub extra: Option<String>,
    /// The record's bytes as they came, if a repair touched them.
    pub raw: Option<Vec<u8>>,
    /// The repairs that touched this record.
    pub repairs: Vec<Repair>,
}

impl Record {
    /// A record of which only its header is known: a deleted one.
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

/// An item that was set aside because it cannot be stored as a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadItem {
    /// The identifier, if there was one to be read.
    pub identifier: Option<String>,
    /// The datestamp as written, if there was one.
    pub datestamp: Option<String>,
    /// What is wrong with it, for people.
    pub reason: String,
    /// The item's bytes as they came.
    pub raw: Vec<u8>,
}

/// Something that was overlooked or mended so that a page could be read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Repair {
    /// What kind of repair.
    pub kind: RepairKind,
    /// How many places of this kind.
    pub count: u64,
}

/// Kinds of repairs. Each is narrow, and none runs on a page that parses without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RepairKind {
    /// Text or blank lines before the document were skipped.
    LeadingJunk,
    /// Text after the closing root tag was ignored.
    TrailingJunk,
    /// The encoding was not what the document or the server said.
    Encoding,
    /// A byte that is no UTF-8 was read as Windows-1252, or replaced by U+FFFD.
    InvalidUtf8,
    /// A character that XML 1.0 forbids, raw or as a reference, was replaced by U+FFFD.
    ForbiddenCharacter,
    /// A bare `&` was read as `&amp;`.
    BareAmpersand,
    /// A bare `<` in text was read as `&lt;`.
    BareLessThan,
    /// An entity of HTML was replaced by its character.
    HtmlEntity,
    /// An XML declaration in the midst of the document was dropped.
    InnerDeclaration,
    /// A document type declaration was skipped; it is never expanded.
    DocumentType,
    /// The envelope has no namespace or another one than OAI-PMH's.
    EnvelopeNamespace,
    /// A well-known prefix that the document uses was not declared in it.
    UndeclaredPrefix,
}

/// What Identify says.
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
    /// `granularity`, if it is one of the two that exist.
    pub granularity: Option<Granularity>,
    /// `adminEmail`, all of them.
    pub admin_emails: Vec<String>,
    /// `compression`, all of them.
    pub compressions: Vec<String>,
}

/// One entry of ListMetadataFormats.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MetadataFormat {
    /// `metadataPrefix`.
    pub metadata_prefix: String,
    /// `schema`.
    pub schema: Option<String>,
    /// `metadataNamespace`; DOAJ announces another one than its records use.
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
    /// The code, if it is one of the protocol's.
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
    /// Reads a code, white space and case aside.
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
