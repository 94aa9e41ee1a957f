//! Takes secrets that a repository repeats out of its answer.

use super::{LooksLike, ParseError};
use crate::http::Redactor;
use crate::oai::response::{BadItem, Content, Header, Record, RequestEcho, Response};

/// `outcome`, which was read from `body`, without the secrets. Tokens stay: they have to be sent back
/// as they came.
pub(super) fn outcome(
    outcome: Result<Response, ParseError>,
    body: &[u8],
    redactor: &Redactor,
) -> Result<Response, ParseError> {
    match outcome {
        Ok(mut response) => {
            request(&mut response.request, redactor);
            // Few answers repeat a secret, and looking through each record takes longer.
            if redactor.hits_content(body) {
                content(&mut response.content, redactor);
            }
            Ok(response)
        }
        Err(error) => Err(failure(error, redactor)),
    }
}

/// The echo of the request, where most repetitions are.
fn request(request: &mut RequestEcho, redactor: &Redactor) {
    if let Some(url) = &mut request.base_url {
        *url = redactor.text(url).into_owned();
    }
}

fn content(content: &mut Content, redactor: &Redactor) {
    match content {
        Content::Identifiers(list) => {
            list.items
                .iter_mut()
                .for_each(|item| header(item, redactor));
            list.bad.iter_mut().for_each(|item| bad(item, redactor));
        }
        Content::Records(list) => {
            list.items
                .iter_mut()
                .for_each(|item| record(item, redactor));
            list.bad.iter_mut().for_each(|item| bad(item, redactor));
        }
        Content::Sets(list) => list.bad.iter_mut().for_each(|item| bad(item, redactor)),
        Content::Record(item) => record(item, redactor),
        // Their texts are lines, which have been redacted before they were cut.
        Content::Identify(_) | Content::MetadataFormats(_) | Content::Errors(_) => {}
    }
}

fn record(record: &mut Record, redactor: &Redactor) {
    header(&mut record.header, redactor);
    for text in [&mut record.metadata, &mut record.extra] {
        replace(text, redactor);
    }
    if let Some(raw) = &mut record.raw {
        replace_bytes(raw, redactor);
    }
}

fn header(header: &mut Header, redactor: &Redactor) {
    for text in std::iter::once(&mut header.identifier).chain(&mut header.set_specs) {
        if redactor.hits_content(text.as_bytes()) {
            *text = redactor.content(text).into_owned();
        }
    }
}

fn bad(item: &mut BadItem, redactor: &Redactor) {
    for text in [&mut item.identifier, &mut item.datestamp] {
        replace(text, redactor);
    }
    item.reason = redactor.text(&item.reason).into_owned();
    replace_bytes(&mut item.raw, redactor);
}

fn replace(text: &mut Option<String>, redactor: &Redactor) {
    if let Some(text) = text
        && redactor.hits_content(text.as_bytes())
    {
        *text = redactor.content(text).into_owned();
    }
}

fn replace_bytes(bytes: &mut Vec<u8>, redactor: &Redactor) {
    if redactor.hits_content(bytes) {
        let text = String::from_utf8_lossy(bytes);
        *bytes = redactor.content(&text).into_owned().into_bytes();
    }
}

fn failure(error: ParseError, redactor: &Redactor) -> ParseError {
    let text = |text: String| redactor.text(&text).into_owned();
    match error {
        ParseError::NotXml {
            looks_like,
            excerpt,
        } => ParseError::NotXml {
            looks_like: match looks_like {
                LooksLike::Html { title } => LooksLike::Html {
                    title: title.map(text),
                },
                other => other,
            },
            excerpt: text(excerpt),
        },
        ParseError::Malformed { at, what } => ParseError::Malformed {
            at,
            what: text(what),
        },
        ParseError::NotOai { root, namespace } => ParseError::NotOai {
            root: text(root),
            namespace: namespace.map(text),
        },
        ParseError::MissingElement { verb, found } => ParseError::MissingElement {
            verb,
            found: found.map(text),
        },
        ParseError::BadRecord(mut item) => {
            bad(&mut item, redactor);
            ParseError::BadRecord(item)
        }
        other @ (ParseError::Empty
        | ParseError::Truncated { .. }
        | ParseError::BrokenOff { .. }
        | ParseError::Limit { .. }) => other,
    }
}
