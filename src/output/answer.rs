//! The answers of servers, and what they mean for a request: continue, wait, stop, or find the document at
//! fault.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::Value;

use crate::http::{LINE_CHARS, Redactor, excerpt};

/// An answer to any request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// `Retry-After`, as written.
    pub(crate) retry_after: Option<String>,
    /// `Location`, as written.
    pub(crate) location: Option<String>,
    /// The body, as far as it was read.
    pub(crate) body: Vec<u8>,
}

/// The meaning of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Meaning {
    /// Done; with the body of the answer.
    Done(Value),
    /// A document of the request is at fault, or the request itself. The server may have taken the
    /// documents before it.
    Refused(String),
    /// There is nothing at this path; with the message.
    Missing(String),
    /// The request is larger than the server takes.
    TooLarge,
    /// A later attempt may succeed.
    Wait {
        /// The failure.
        why: String,
        /// The pause that the server asks for, if any.
        pause: Option<Duration>,
    },
    /// No attempt succeeds until somebody has changed something.
    Stop {
        /// The failure.
        why: String,
        /// What to change.
        advice: &'static str,
    },
}

/// Whether a message says that the server cannot write to its disk.
pub(crate) fn says_disk_is_full(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    [
        "no space left",
        "read-only",
        "read only",
        "readonly",
        "disk full",
        "disk quota",
    ]
    .iter()
    .any(|words| message.contains(words))
}

/// A text as one line without secrets. A long one keeps both ends: servers name the document at one
/// end and the field at the other.
pub(crate) fn line(text: &str, redactor: &Redactor) -> String {
    let line = excerpt(&redactor.text(&ends(text)), usize::MAX);
    let count = line.chars().count();
    if count <= LINE_CHARS {
        return line;
    }
    let half = LINE_CHARS / 2 - 2;
    let begin: String = line.chars().take(half).collect();
    let end: String = line.chars().skip(count - half).collect();
    format!("{begin} … {end}")
}

/// The beginning and the end of a text that is far longer than what is shown of it.
fn ends(text: &str) -> Cow<'_, str> {
    const SHOWN: usize = 32 << 10;
    if text.len() <= 8 * SHOWN {
        return Cow::Borrowed(text);
    }
    let begin = text
        .char_indices()
        .nth(SHOWN)
        .map_or(text.len(), |(at, _)| at);
    let end = text.char_indices().rev().nth(SHOWN).map_or(0, |(at, _)| at);
    Cow::Owned(format!("{} … {}", &text[..begin], &text[end.max(begin)..]))
}

/// The text of an HTML page.
pub(crate) fn plain(html: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => inside = true,
            '>' if inside => {
                inside = false;
                text.push(' ');
            }
            _ if !inside => text.push(c),
            _ => {}
        }
    }
    text
}
