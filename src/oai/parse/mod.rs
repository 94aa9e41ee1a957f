//! Parses a body into a [`Response`]: strictly first, then with narrow repairs, then item by item.

pub(crate) mod chars;
mod diagnose;
mod error;
mod fragment;
mod names;
mod record;
mod redact;
mod salvage;
mod scan;
pub(crate) mod source;
mod walk;

pub use error::{LooksLike, ParseError};

use super::decode::decode;
use super::repair::{count_roots, find_root, has_closing_root, repair};
use super::request::Verb;
use super::response::Response;
use crate::http::Redactor;
use scan::{Fault, Mode};
use source::Source;

/// What is known about an answer before it is parsed.
#[derive(Debug, Clone, Copy)]
pub struct Hints<'a> {
    /// The verb of the request: the answer must contain its element.
    pub verb: Verb,
    /// The charset of the HTTP header `Content-Type`.
    pub charset: Option<&'a str>,
    /// How large the answer may be.
    pub limits: PageLimits,
    /// The secrets that were sent with the request, which the answer may repeat.
    pub redactor: Option<&'a Redactor>,
}

/// How large one answer may be. Each field names the configuration key that sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageLimits {
    /// `max_depth`: nesting of elements.
    pub depth: usize,
    /// `max_page_records`: items in one answer.
    pub records: usize,
    /// `max_inflated_bytes`: the answer in UTF-8. Its items may take as much again, whatever is
    /// added to them.
    pub bytes: u64,
}

impl Default for PageLimits {
    fn default() -> Self {
        Self {
            depth: 256,
            records: 200_000,
            bytes: 96 << 20,
        }
    }
}

impl Hints<'_> {
    /// The default limits, no charset and no secrets.
    pub fn new(verb: Verb) -> Self {
        Self {
            verb,
            charset: None,
            limits: PageLimits::default(),
            redactor: None,
        }
    }
}

/// Parses one complete answer.
///
/// `body` is decompressed; the caller limits its size. A well-formed page is parsed as it is. Any
/// other page is repaired where its meaning is beyond doubt. Each repair is counted in
/// [`Response::repairs`] and in its record, which then keeps its original bytes too. An item that
/// is broken inside goes to [`List::bad`](super::List::bad) if the page around it is intact. A body
/// without its closing root tag is never a page. Document type declarations are skipped, and
/// nothing that they define is expanded or fetched.
///
/// An `<error>` makes the answer [`Content::Errors`](super::Content::Errors), also in an empty list.
/// After items of a list or beside a token it is a fault.
///
/// Messages and names, which are for people, are lines as [`one_line`](crate::http::one_line) makes
/// them. Secrets of [`Hints::redactor`] are taken out of everything but tokens.
///
/// # Errors
/// See [`ParseError`]; offsets are those of `body`.
///
/// Source: OAI-PMH 2.0, 3 and 4; XML 1.0; Namespaces in XML 1.0.
pub fn parse(body: &[u8], hints: Hints<'_>) -> Result<Response, ParseError> {
    let outcome = parse_as_sent(body, hints);
    match hints.redactor {
        Some(redactor) => redact::outcome(outcome, body, redactor),
        None => outcome,
    }
}

fn parse_as_sent(body: &[u8], hints: Hints<'_>) -> Result<Response, ParseError> {
    let most = usize::try_from(hints.limits.bytes).unwrap_or(usize::MAX);
    let too_large = ParseError::Limit {
        key: "max_inflated_bytes",
        limit: most,
    };
    let Some(source) = decode(body, hints.charset, most) else {
        return Err(too_large);
    };
    if source.text.trim_matches('\u{FEFF}').trim().is_empty() {
        return Err(ParseError::Empty);
    }
    let fault = match walk::response(&source, &hints, Mode::Strict) {
        Ok(response) => return Ok(response),
        Err(fault) => fault,
    };
    match fault {
        Fault::Limit { .. } => return Err(fatal(fault, &source)),
        Fault::Other(error) if matches!(*error, ParseError::NotOai { .. }) => {
            return Err(diagnose::not_xml(&source.text, hints.redactor).unwrap_or(*error));
        }
        Fault::Other(error) => return Err(*error),
        Fault::Malformed { .. } | Fault::End => {}
    }
    let Some(root) = find_root(&source.text) else {
        return Err(diagnose::not_xml(&source.text, hints.redactor)
            .unwrap_or_else(|| fatal(fault, &source)));
    };
    if !has_closing_root(&source.text, root) {
        return Err(ParseError::Truncated { at: body.len() });
    }
    let Some(source) = repair(source, root, most) else {
        return Err(too_large);
    };
    let fault = match walk::response(&source, &hints, Mode::Lenient) {
        Ok(response) => return Ok(response),
        Err(fault) => fault,
    };
    // With a second answer in the text, only a guess could tell which answer an item belongs to.
    if matches!(fault, Fault::Malformed { .. }) && count_roots(&source.text) == 1 {
        match walk::response(&source, &hints, Mode::Salvage) {
            Ok(response) => return Ok(response),
            Err(final_fault @ (Fault::Other(_) | Fault::Limit { .. })) => {
                return Err(fatal(final_fault, &source));
            }
            Err(Fault::Malformed { .. } | Fault::End) => {}
        }
    }
    Err(fatal(fault, &source))
}

/// The error for a fault that no repair removes.
fn fatal(fault: Fault, source: &Source<'_>) -> ParseError {
    match fault {
        Fault::Malformed { at, what } => ParseError::Malformed {
            at: source.offset(at),
            what: what.into(),
        },
        Fault::End => ParseError::Truncated {
            at: source.body.len(),
        },
        Fault::Limit { key, limit } => ParseError::Limit { key, limit },
        Fault::Other(error) => *error,
    }
}

#[cfg(test)]
mod tests;
