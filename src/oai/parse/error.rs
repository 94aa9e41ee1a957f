//! What can be wrong with an answer, by what the caller does next.

use std::fmt;

use crate::oai::request::Verb;
use crate::oai::response::BadItem;

/// Why a body is no answer to the request. None of these ever means that a list has ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// No bytes, or white space alone. A fault of the transport: try again.
    #[error("the body is empty")]
    Empty,
    /// Something else than XML: a challenge, a maintenance page, a message. Try again, later.
    #[error("the body is {looks_like}, not XML; it starts with {excerpt:?}")]
    NotXml {
        /// What it looks like.
        looks_like: LooksLike,
        /// Its first words, white space collapsed.
        excerpt: String,
    },
    /// The closing root tag is missing: the body was cut. Try again.
    #[error("the body breaks off after {at} bytes, before its closing root tag")]
    Truncated {
        /// The length of what came, in bytes.
        at: usize,
    },
    /// XML, or meant to be, but broken beyond narrow repairs. Try again, then smaller windows.
    #[error("malformed XML at byte {at}: {what}")]
    Malformed {
        /// Where, as a byte offset into the body as it came.
        at: usize,
        /// What is wrong there.
        what: String,
    },
    /// Well-formed XML of another kind. The base URL is probably wrong.
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
    /// OAI-PMH, but with neither the verb's element nor an error.
    #[error(
        "the answer holds neither {verb} nor an error; {}",
        .found.as_ref().map_or("it is empty".to_owned(), |name| format!("it holds {name}"))
    )]
    MissingElement {
        /// The verb that was asked.
        verb: Verb,
        /// What stands in the answer instead.
        found: Option<String>,
    },
    /// A list that breaks off with an error behind some of its items, or that has a token beside it:
    /// neither the items nor the error are all there is to it. Try again, then smaller windows.
    #[error(
        "the list breaks off after {items} items with the error {code}{}",
        if message.is_empty() { String::new() } else { format!(" ({message})") }
    )]
    BrokenOff {
        /// Items before the error.
        items: usize,
        /// The error's `code`, as written.
        code: String,
        /// The error's text, trimmed.
        message: String,
    },
    /// The one record that GetRecord asked for cannot be stored: set it aside.
    #[error("the record cannot be stored: {}", .0.reason)]
    BadRecord(Box<BadItem>),
    /// The answer is larger than we allow. Ask for less, or raise the limit.
    #[error("the answer exceeds {key} = {limit}")]
    Limit {
        /// The configuration key: `max_depth` or `max_page_records`.
        key: &'static str,
        /// Its value.
        limit: usize,
    },
}

/// What a body that is no XML looks like.
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
    /// Bytes that are no text, such as compressed data.
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
