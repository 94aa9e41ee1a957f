//! From a body to a [`Response`]: strictly first, then with narrow repairs, then item by item.

pub(crate) mod chars;
mod diagnose;
mod error;
mod fragment;
mod names;
mod record;
mod salvage;
mod scan;
pub(crate) mod source;
mod walk;

pub use error::{LooksLike, ParseError};

use super::decode::decode;
use super::repair::{count_roots, find_root, has_closing_root, mend};
use super::request::Verb;
use super::response::Response;
use scan::{Fault, Mode};
use source::Source;

/// What is known of an answer before it is read.
#[derive(Debug, Clone, Copy)]
pub struct Hints<'a> {
    /// The verb that was asked: the answer must hold its element.
    pub verb: Verb,
    /// The charset of the HTTP header `Content-Type`, if it has one.
    pub charset: Option<&'a str>,
    /// How large the answer may be.
    pub limits: PageLimits,
}

/// How large one answer may be. Each field names the configuration key that sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageLimits {
    /// `max_depth`: nesting of elements.
    pub depth: usize,
    /// `max_page_records`: items in one answer.
    pub records: usize,
}

impl Default for PageLimits {
    fn default() -> Self {
        Self {
            depth: 256,
            records: 200_000,
        }
    }
}

impl Hints<'_> {
    /// The default limits, and no charset.
    pub fn new(verb: Verb) -> Self {
        Self {
            verb,
            charset: None,
            limits: PageLimits::default(),
        }
    }
}

/// Reads one answer, whole.
///
/// `body` is what came, decompressed; the caller has capped its size. A page that is well-formed is
/// taken as it is. One that is not is mended where what was meant is beyond doubt; each repair is
/// counted in [`Response::repairs`], and in the records that it touched, beside their original
/// bytes. An item that is broken inside is set aside if the page around it is intact. What lacks
/// its closing root tag is no page, however much of it could be read. Document type declarations
/// are skipped and nothing that they define is ever expanded or fetched.
///
/// An `<error>` makes the answer [`Content::Errors`](super::Content::Errors), also in a list; beside
/// items or a token of a list it is a fault.
///
/// # Errors
/// See [`ParseError`]; offsets are those of `body`.
///
/// Source: OAI-PMH 2.0, 3 and 4; XML 1.0; Namespaces in XML 1.0.
pub fn parse(body: &[u8], hints: Hints<'_>) -> Result<Response, ParseError> {
    let source = decode(body, hints.charset);
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
            return Err(diagnose::not_xml(&source.text).unwrap_or(*error));
        }
        Fault::Other(error) => return Err(*error),
        Fault::Malformed { .. } | Fault::End => {}
    }
    let Some(root) = find_root(&source.text) else {
        return Err(diagnose::not_xml(&source.text).unwrap_or_else(|| fatal(fault, &source)));
    };
    if !has_closing_root(&source.text, root) {
        return Err(ParseError::Truncated { at: body.len() });
    }
    let source = mend(source, root);
    let fault = match walk::response(&source, &hints, Mode::Lenient) {
        Ok(response) => return Ok(response),
        Err(fault) => fault,
    };
    // With a second answer inside or behind, it would be a guess which items are whose.
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

/// What a fault comes down to when there is no more to try.
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
