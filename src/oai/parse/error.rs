//! Why a body is no answer, split by what the caller does next.

use std::fmt;

use crate::oai::request::Verb;
use crate::oai::response::BadItem;

/// Why a body is no answer to the request. None of these means that a list has ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// No bytes, or only white space: retry.
    #[error("the body is empty")]
    Empty,
    /// Not XML: a challenge, a maintenance page, a message. Retry later.
    #[error("the body is {looks_like}, not XML; it starts with {excerpt:?}")]
    NotXml {
        /// Its kind.
        looks_like: LooksLike,
        /// Its first words, white space collapsed.
        excerpt: String,
    },
    /// The closing root tag is missing: retry.
    #[error("the body is truncated after {at} bytes, before its closing root tag")]
    Truncated {
        /// The length of the body, in bytes.
        at: usize,
    },
    /// XML that narrow repairs cannot fix. Retry, then use smaller windows.
    #[error("malformed XML at byte {at}: {what}")]
    Malformed {
        /// The byte offset in the body.
        at: usize,
        /// What is wrong there.
        what: String,
    },
    /// Well-formed XML, but not OAI-PMH. The base URL is probably wrong.
    #[error(
        "the root element is {root:?}{}, not OAI-PMH 2.0",
        .namespace.as_ref().map(|uri| format!(" of namespace {uri:?}")).unwrap_or_default()
    )]
    NotOai {
        /// The root's name as written.
        root: String,
        /// Its namespace, if it has one.
        namespace: Option<String>,
    },
    /// OAI-PMH with neither the verb's element nor an error.
    #[error(
        "the answer contains neither {verb} nor an error; {}",
        .found.as_ref().map_or("it is empty".to_owned(), |name| format!("it contains {name}"))
    )]
    MissingElement {
        /// The verb of the request.
        verb: Verb,
        /// What the answer contains instead.
        found: Option<String>,
    },
    /// A list that ends with an error after some items, or has both an error and a token. Neither
    /// the items nor the error are the whole answer. Retry, then use smaller windows.
    #[error(
        "the list ends after {items} items with the error {code}{}",
        if message.is_empty() { String::new() } else { format!(" ({message})") }
    )]
    BrokenOff {
        /// The number of items before the error.
        items: usize,
        /// The error's `code`, as written.
        code: String,
        /// The error's text, trimmed.
        message: String,
    },
    /// The one record of GetRecord cannot be stored: quarantine it.
    #[error("the record cannot be stored: {}", .0.reason)]
    BadRecord(Box<BadItem>),
    /// The answer exceeds a limit. Request less, or raise the limit.
    #[error("the answer exceeds {key} = {limit}")]
    Limit {
        /// The configuration key: `max_depth` or `max_page_records`.
        key: &'static str,
        /// Its value.
        limit: usize,
    },
}

/// The kind of a body that is not XML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LooksLike {
    /// An HTML page.
    Html {
        /// Its `<title>`, white space collapsed.
        title: Option<String>,
    },
    /// A JSON document.
    Json,
    /// Plain text.
    Text,
    /// Bytes that are not text, such as compressed data.
    Binary,
}

impl fmt::Display for LooksLike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Html { title: Some(title) } => write!(f, "an HTML page titled {title:?}"),
            Self::Html { title: None } => f.write_str("an HTML page"),
            Self::Json => f.write_str("JSON"),
            Self::Text => f.write_str("plain text"),
            Self::Binary => f.write_str("binary data"),
        }
    }
}
