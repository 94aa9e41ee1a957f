//! How answers are laid out: byte for byte as DOAJ's serialiser does it.
//!
//! One line after the XML declaration, no newline at the end; `verb` first among the attributes
//! of `<request>`; the format's namespaces declared on each header and again on the metadata's
//! root, never on `<metadata>` or the envelope.

use super::model::{Item, Stored};
use super::settings::Format;
use super::xml::{attribute, element};
use crate::oai::{Datestamp, Granularity};

/// Everything up to and including `<request>`. An error page passes no attributes.
pub(super) fn open(
    out: &mut String,
    base_url: &str,
    now: Datestamp,
    attributes: &[(&str, Option<&str>)],
) {
    out.push_str(concat!(
        "<?xml version='1.0' encoding='UTF-8'?>\n",
        "<OAI-PMH xmlns=\"http://www.openarchives.org/OAI/2.0/\"",
        " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"",
        " xsi:schemaLocation=\"http://www.openarchives.org/OAI/2.0/",
        " http://www.openarchives.org/OAI/2.0/OAI-PMH.xsd\">"
    ));
    element(out, "responseDate", &now.render(Granularity::Second));
    out.push_str("<request");
    for (name, value) in attributes {
        if let Some(value) = value {
            attribute(out, name, value);
        }
    }
    out.push('>');
    super::xml::text(out, base_url);
    out.push_str("</request>");
}

/// Closes the envelope.
pub(super) fn close(out: &mut String) {
    out.push_str("</OAI-PMH>");
}

/// What stands in an item's header, in any format.
pub(super) fn header_children(item: &Item, granularity: Granularity) -> String {
    let mut out = String::new();
    element(&mut out, "identifier", &item.identifier);
    element(&mut out, "datestamp", &item.datestamp.render(granularity));
    for set_spec in &item.set_specs {
        element(&mut out, "setSpec", set_spec);
    }
    out
}

/// `<header>`.
pub(super) fn header(out: &mut String, stored: &Stored, format: &Format) {
    out.push_str("<header");
    out.push_str(&format.header_declarations);
    if stored.item.deleted {
        out.push_str(" status=\"deleted\"");
    }
    out.push('>');
    out.push_str(&stored.header);
    out.push_str("</header>");
}

/// `<record>`; a tombstone has no metadata.
pub(super) fn record(out: &mut String, stored: &Stored, format: &Format) {
    out.push_str("<record>");
    header(out, stored, format);
    if let Some(metadata) = stored.item.metadata(&format.prefix) {
        out.push_str("<metadata>");
        out.push_str(metadata);
        out.push_str("</metadata>");
    }
    out.push_str("</record>");
}

/// `<resumptionToken>`; an empty `token` ends a list.
pub(super) fn resumption_token(
    out: &mut String,
    token: &str,
    complete_list_size: u64,
    cursor: u64,
    expires: Datestamp,
) {
    out.push_str("<resumptionToken");
    attribute(out, "completeListSize", &complete_list_size.to_string());
    attribute(out, "cursor", &cursor.to_string());
    attribute(out, "expirationDate", &expires.render(Granularity::Second));
    if token.is_empty() {
        out.push_str("/>");
    } else {
        out.push('>');
        super::xml::text(out, token);
        out.push_str("</resumptionToken>");
    }
}
