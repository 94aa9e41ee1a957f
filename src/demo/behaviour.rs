//! How a repository behaves, where repositories differ.

use std::time::Duration;

use crate::oai::Granularity;

const DAY: Duration = Duration::from_secs(86_400);

/// How a repository behaves. Start from [`Behaviour::doaj`] or [`Behaviour::plain`].
#[derive(Debug, Clone, PartialEq)]
pub struct Behaviour {
    /// `repositoryName` of Identify.
    pub repository_name: String,
    /// The formats that it disseminates, in the order of ListMetadataFormats.
    pub formats: Vec<Format>,
    /// Items on a page of ListRecords and ListIdentifiers; 0 counts as 1.
    pub page_size: usize,
    /// The order of lists.
    pub order: Order,
    /// Lists end so long before now for callers without the premium key, on every page, and the
    /// lowered `until` is echoed in `<request>`. GetRecord is not clamped.
    pub clamp: Option<Duration>,
    /// The value of the argument `api_key` that lifts the clamp. Another value is no error.
    pub premium_key: Option<String>,
    /// What resumption tokens are made of.
    pub tokens: Tokens,
    /// `expirationDate` of tokens, from the answer on; only session tokens do expire.
    pub token_lifetime: Option<Duration>,
    /// What becomes of a deleted item, and what Identify says of it.
    pub deleted_record: DeletedRecord,
    /// How datestamps are written, and which `from` and `until` are taken.
    pub granularity: Granularity,
    /// Whether a list of identifiers can be resumed without the premium key; if not, the answer
    /// is badArgument.
    pub list_identifiers_resumes: bool,
    /// What `completeListSize` says.
    pub complete_list_size: CompleteListSize,
    /// What `cursor` counts.
    pub cursor: Cursor,
    /// A change shows only so long after its datestamp; until then the former state does.
    pub index_lag: Duration,
    /// Lists hold everything, whatever `from` says.
    pub ignores_from: bool,
    /// Lists hold everything, whatever `set` says.
    pub ignores_set: bool,
    /// Whether there are sets at all; if not, ListSets and `set` are answered noSetHierarchy.
    pub sets: bool,
    /// Takes verbs in any case, unknown and repeated arguments, mixed granularities, and a `from`
    /// after `until` (nothing matches), as DOAJ does. Otherwise these are errors.
    pub lenient: bool,
}

impl Behaviour {
    /// DOAJ's article endpoint as an anonymous caller meets it, with no premium key set.
    pub fn doaj() -> Self {
        Self {
            repository_name: "Directory of Open Access Journals (imitation)".to_owned(),
            formats: vec![Format::oai_dc(), Format::oai_doaj()],
            page_size: 300,
            order: Order::NewestFirst,
            clamp: Some(30 * DAY),
            premium_key: None,
            tokens: Tokens::Doaj,
            token_lifetime: Some(DAY),
            deleted_record: DeletedRecord::Transient,
            granularity: Granularity::Second,
            list_identifiers_resumes: false,
            complete_list_size: CompleteListSize::Exact,
            cursor: Cursor::PageEnd,
            index_lag: Duration::ZERO,
            ignores_from: false,
            ignores_set: false,
            sets: true,
            lenient: true,
        }
    }

    /// A repository by the book: pages of 100, oldest first, persistent deletions, no clamp.
    pub fn plain() -> Self {
        Self {
            repository_name: "A repository by the book".to_owned(),
            page_size: 100,
            order: Order::OldestFirst,
            clamp: None,
            tokens: Tokens::Offset,
            token_lifetime: None,
            deleted_record: DeletedRecord::Persistent,
            list_identifiers_resumes: true,
            cursor: Cursor::PageStart,
            lenient: false,
            ..Self::doaj()
        }
    }

    pub(super) fn format(&self, prefix: &str) -> Option<&Format> {
        self.formats.iter().find(|format| format.prefix == prefix)
    }
}

/// A metadata format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    /// `metadataPrefix`.
    pub prefix: String,
    /// `schema`.
    pub schema: String,
    /// `metadataNamespace` as announced, which need not be the one that records use.
    pub namespace: String,
    /// The namespace declarations that each header of this format carries, ready to be put into a
    /// start tag: empty, or with a leading blank.
    pub header_declarations: String,
}

impl Format {
    /// Dublin Core, as DOAJ announces it.
    pub fn oai_dc() -> Self {
        Self {
            prefix: "oai_dc".to_owned(),
            schema: "http://www.openarchives.org/OAI/2.0/oai_dc.xsd".to_owned(),
            namespace: "http://www.openarchives.org/OAI/2.0/oai_dc/".to_owned(),
            header_declarations: concat!(
                " xmlns:oai_dc=\"http://www.openarchives.org/OAI/2.0/oai_dc/\"",
                " xmlns:dc=\"http://purl.org/dc/elements/1.1/\""
            )
            .to_owned(),
        }
    }

    /// DOAJ's own format. Announced with `https`, used with `http`, as DOAJ does.
    pub fn oai_doaj() -> Self {
        Self {
            prefix: "oai_doaj".to_owned(),
            schema: "https://doaj.org/static/doaj/doajArticles.xsd".to_owned(),
            namespace: "https://doaj.org/features/oai_doaj/1.0/".to_owned(),
            header_declarations: " xmlns:oai_doaj=\"http://doaj.org/features/oai_doaj/1.0/\""
                .to_owned(),
        }
    }
}

/// The order of lists: by datestamp, then by identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Both descending, as DOAJ does.
    NewestFirst,
    /// Both ascending.
    OldestFirst,
}

/// What resumption tokens are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tokens {
    /// base64url of a JSON object: the selection, how many items were given, and a position: the
    /// last datestamp and how many items of it were given. Stateless and unsigned.
    Doaj,
    /// The selection and how many items were given; whatever moves shifts the rest of the list.
    Offset,
    /// A number that stands for a list taken down at its first page: the same text on each page.
    /// A page that got lost on the way cannot be had again, and the list is forgotten when it was
    /// not read for [`Behaviour::token_lifetime`].
    Session,
}

/// What becomes of a deleted item, and what Identify says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeletedRecord {
    /// It becomes a tombstone.
    Persistent,
    /// It becomes a tombstone, but other items may disappear without one.
    Transient,
    /// It disappears.
    No,
}

impl DeletedRecord {
    /// The word for it in Identify.
    pub fn name(self) -> &'static str {
        match self {
            Self::Persistent => "persistent",
            Self::Transient => "transient",
            Self::No => "no",
        }
    }
}

/// What `completeListSize` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompleteListSize {
    /// The truth at the time of the page.
    Exact,
    /// Nothing: the attribute is left out.
    Absent,
    /// Always this number.
    Wrong(u64),
}

/// What `cursor` counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cursor {
    /// Items up to the end of the page, as DOAJ does.
    PageEnd,
    /// Items before the page, as the protocol has it.
    PageStart,
}
