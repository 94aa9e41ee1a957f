//! The errors of the protocol.

/// A code of the protocol.
///
/// Source: OAI-PMH 2.0, 3.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorCode {
    /// Illegal, missing or repeated arguments.
    BadArgument,
    /// The token is not one of this list, or it is no longer valid.
    BadResumptionToken,
    /// No verb, more than one, or an unknown one.
    BadVerb,
    /// The format is unknown, or the item is not available in it.
    CannotDisseminateFormat,
    /// No item has the identifier.
    IdDoesNotExist,
    /// The list is empty.
    NoRecordsMatch,
    /// The item has no formats.
    NoMetadataFormats,
    /// There are no sets.
    NoSetHierarchy,
}

impl ErrorCode {
    /// The code as the protocol writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::BadArgument => "badArgument",
            Self::BadResumptionToken => "badResumptionToken",
            Self::BadVerb => "badVerb",
            Self::CannotDisseminateFormat => "cannotDisseminateFormat",
            Self::IdDoesNotExist => "idDoesNotExist",
            Self::NoRecordsMatch => "noRecordsMatch",
            Self::NoMetadataFormats => "noMetadataFormats",
            Self::NoSetHierarchy => "noSetHierarchy",
        }
    }

    /// Whether the answer repeats the arguments in its `request` element.
    ///
    /// Source: OAI-PMH 2.0, 3.2.
    pub(super) fn repeats_arguments(self) -> bool {
        !matches!(self, Self::BadVerb | Self::BadArgument)
    }
}

/// An error with its text for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OaiError {
    pub(super) code: ErrorCode,
    pub(super) message: String,
}

impl OaiError {
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    pub(super) fn bad_argument(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadArgument, message)
    }
}
