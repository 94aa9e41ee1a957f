//! The requests that a harvester makes, and how they are written into a URL.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The six verbs of OAI-PMH.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Verb {
    /// Who the repository is.
    Identify,
    /// Which metadata formats it has.
    ListMetadataFormats,
    /// Which sets it has.
    ListSets,
    /// Headers alone.
    ListIdentifiers,
    /// Whole records.
    ListRecords,
    /// One record.
    GetRecord,
}

impl Verb {
    /// All verbs.
    pub const ALL: [Self; 6] = [
        Self::Identify,
        Self::ListMetadataFormats,
        Self::ListSets,
        Self::ListIdentifiers,
        Self::ListRecords,
        Self::GetRecord,
    ];

    /// The verb's name, also that of the element that answers it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identify => "Identify",
            Self::ListMetadataFormats => "ListMetadataFormats",
            Self::ListSets => "ListSets",
            Self::ListIdentifiers => "ListIdentifiers",
            Self::ListRecords => "ListRecords",
            Self::GetRecord => "GetRecord",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text with which a repository continues a list: opaque, never empty, trimmed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ResumptionToken(String);

impl ResumptionToken {
    /// The token in `text`, trimmed; `None` if it is empty, as at the end of a complete list.
    ///
    /// Source: OAI-PMH 2.0, 3.5.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    /// The token as the repository wrote it, trimmed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The arguments of ListRecords and ListIdentifiers.
///
/// `from` and `until` are texts in the repository's granularity, both inclusive. An empty text is
/// never sent: some repositories answer an empty `set` with every record marked as deleted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// The metadata format.
    pub metadata_prefix: String,
    /// The set; `None` for the whole repository.
    pub set: Option<String>,
    /// The lower bound of the datestamps.
    pub from: Option<String>,
    /// The upper bound of the datestamps.
    pub until: Option<String>,
}

/// One OAI-PMH request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Identify.
    Identify,
    /// ListMetadataFormats, for the repository or for one item.
    ListMetadataFormats {
        /// The item; `None` for the repository.
        identifier: Option<String>,
    },
    /// ListSets.
    ListSets {
        /// The token of the previous page.
        token: Option<ResumptionToken>,
    },
    /// The first page of ListIdentifiers.
    ListIdentifiers(Selection),
    /// The first page of ListRecords.
    ListRecords(Selection),
    /// A later page of ListRecords or ListIdentifiers.
    Resume {
        /// [`Verb::ListRecords`] or [`Verb::ListIdentifiers`].
        verb: Verb,
        /// The token of the previous page.
        token: ResumptionToken,
        /// Sent with the token only to repositories that require it.
        metadata_prefix: Option<String>,
    },
    /// GetRecord.
    GetRecord {
        /// The item's identifier.
        identifier: String,
        /// The metadata format.
        metadata_prefix: String,
    },
}

impl Request {
    /// The verb.
    pub fn verb(&self) -> Verb {
        match self {
            Self::Identify => Verb::Identify,
            Self::ListMetadataFormats { .. } => Verb::ListMetadataFormats,
            Self::ListSets { .. } => Verb::ListSets,
            Self::ListIdentifiers(_) => Verb::ListIdentifiers,
            Self::ListRecords(_) => Verb::ListRecords,
            Self::Resume { verb, .. } => *verb,
            Self::GetRecord { .. } => Verb::GetRecord,
        }
    }

    /// The arguments in the order in which they are sent, without empty ones. `verb` is first,
    /// because one repository fails otherwise.
    pub fn arguments(&self) -> Vec<(&'static str, &str)> {
        let mut arguments = vec![("verb", self.verb().name())];
        match self {
            Self::Identify => {}
            Self::ListMetadataFormats { identifier } => {
                push(&mut arguments, "identifier", identifier.as_deref());
            }
            Self::ListSets { token } => {
                push(
                    &mut arguments,
                    "resumptionToken",
                    token.as_ref().map(ResumptionToken::as_str),
                );
            }
            Self::ListIdentifiers(selection) | Self::ListRecords(selection) => {
                push(
                    &mut arguments,
                    "metadataPrefix",
                    Some(&selection.metadata_prefix),
                );
                push(&mut arguments, "set", selection.set.as_deref());
                push(&mut arguments, "from", selection.from.as_deref());
                push(&mut arguments, "until", selection.until.as_deref());
            }
            Self::Resume {
                token,
                metadata_prefix,
                ..
            } => {
                push(&mut arguments, "metadataPrefix", metadata_prefix.as_deref());
                push(&mut arguments, "resumptionToken", Some(token.as_str()));
            }
            Self::GetRecord {
                identifier,
                metadata_prefix,
            } => {
                push(&mut arguments, "identifier", Some(identifier));
                push(&mut arguments, "metadataPrefix", Some(metadata_prefix));
            }
        }
        arguments
    }
}

fn push<'a>(
    arguments: &mut Vec<(&'static str, &'a str)>,
    name: &'static str,
    value: Option<&'a str>,
) {
    if let Some(value) = value.filter(|value| !value.is_empty()) {
        arguments.push((name, value));
    }
}
