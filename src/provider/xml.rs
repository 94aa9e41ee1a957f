//! Writing the elements of an answer.

use super::arguments::Pairs;
use super::error::OaiError;
use crate::oai::Datestamp;
use crate::output::xml::{push_attribute, push_element, push_text};

/// The declaration, and the root element.
const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
    <OAI-PMH xmlns=\"http://www.openarchives.org/OAI/2.0/\" \
    xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
    xsi:schemaLocation=\"http://www.openarchives.org/OAI/2.0/ \
    http://www.openarchives.org/OAI/2.0/OAI-PMH.xsd\">\n";

const TAIL: &str = "\n</OAI-PMH>\n";

/// The whole document around the answer to a request.
///
/// `pairs` are the arguments that the `request` element repeats.
pub(super) fn document(
    second: i64,
    base_url: &str,
    pairs: &Pairs,
    content: Result<&[u8], &OaiError>,
) -> Vec<u8> {
    let size = content.map_or(0, <[u8]>::len);
    let mut out = Vec::with_capacity(size + 1024);
    out.extend_from_slice(HEAD.as_bytes());
    push_element(&mut out, "responseDate", &at(second));
    out.extend_from_slice(b"\n<request");
    for (name, value) in pairs {
        out.push(b' ');
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"=\"");
        push_attribute(&mut out, value);
        out.push(b'"');
    }
    out.push(b'>');
    push_text(&mut out, base_url);
    out.extend_from_slice(b"</request>\n");
    match content {
        Ok(content) => out.extend_from_slice(content),
        Err(error) => {
            out.extend_from_slice(b"<error code=\"");
            out.extend_from_slice(error.code.name().as_bytes());
            out.extend_from_slice(b"\">");
            push_text(&mut out, &error.message);
            out.extend_from_slice(b"</error>");
        }
    }
    out.extend_from_slice(TAIL.as_bytes());
    out
}

/// A second as a UTCdatetime.
pub(super) fn at(second: i64) -> String {
    Datestamp::from_unix(second).to_string()
}

/// Appends a record's header.
pub(super) fn push_header(
    out: &mut Vec<u8>,
    identifier: &str,
    datestamp: &str,
    set_specs: &[String],
    is_deleted: bool,
) {
    out.extend_from_slice(match is_deleted {
        true => b"<header status=\"deleted\">",
        false => b"<header>",
    });
    push_element(out, "identifier", identifier);
    push_element(out, "datestamp", datestamp);
    for set in set_specs {
        push_element(out, "setSpec", set);
    }
    out.extend_from_slice(b"</header>");
}

/// Appends a resumption token; an empty one ends a list.
pub(super) fn push_token(out: &mut Vec<u8>, token: &str, cursor: u64, total: Option<u64>) {
    out.extend_from_slice(b"<resumptionToken");
    if let Some(total) = total {
        out.extend_from_slice(format!(" completeListSize=\"{total}\"").as_bytes());
    }
    out.extend_from_slice(format!(" cursor=\"{cursor}\">{token}</resumptionToken>\n").as_bytes());
}
