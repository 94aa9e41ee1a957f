//! Tells whether a document is valid by oai_dc.xsd.

use std::sync::LazyLock;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::reader::NsReader;
use regex::Regex;

use crate::record::xml::is_xml_char;

const OAI_DC: &str = "http://www.openarchives.org/OAI/2.0/oai_dc/";
const DC: &str = "http://purl.org/dc/elements/1.1/";
const XML: &str = "http://www.w3.org/XML/1998/namespace";
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

const ELEMENTS: [&str; 15] = [
    "title",
    "creator",
    "subject",
    "description",
    "publisher",
    "contributor",
    "date",
    "type",
    "format",
    "identifier",
    "source",
    "language",
    "relation",
    "coverage",
    "rights",
];

/// Whether a document is valid by oai_dc.xsd: well-formed, the fifteen elements in `oai_dc:dc`, with text
/// alone and no attribute but `xml:lang`, each name bound to its namespace.
///
/// Some valid documents are refused, which have an XML declaration, a processing instruction or an
/// attribute of `xsi` below the root.
///
/// Source: oai_dc.xsd and simpledc20021212.xsd; XML 1.0; Namespaces in XML 1.0.
pub(super) fn is_valid(document: &str) -> bool {
    document.chars().all(is_xml_char) && check(document).is_some()
}

/// `None` if anything is wrong.
fn check(document: &str) -> Option<()> {
    let mut reader = NsReader::from_str(document);
    reader.config_mut().expand_empty_elements = true;
    let (mut depth, mut has_root) = (0, false);
    loop {
        let event = reader.read_event().ok()?;
        let sound = match &event {
            Event::Start(start) => {
                depth += 1;
                let element = |uri: &str, names: &[&str]| {
                    let (bound, local) = reader.resolver().resolve_element(start.name());
                    bound == ResolveResult::Bound(Namespace(uri))
                        && names.contains(&local.into_inner())
                };
                let sound = match depth {
                    1 if !has_root => {
                        element(OAI_DC, &["dc"]) && attributes(start, &reader, of_root)?
                    }
                    2 => element(DC, &ELEMENTS) && attributes(start, &reader, of_element)?,
                    _ => false,
                };
                has_root = true;
                sound
            }
            Event::End(_) => {
                depth -= 1;
                true
            }
            Event::Text(text) => !text.contains("]]>") && (depth == 2 || is_blank(text)),
            Event::CData(_) => depth == 2,
            Event::GeneralRef(reference) => depth == 2 && is_reference(reference),
            Event::Comment(comment) => !comment.contains("--") && !comment.ends_with('-'),
            Event::Eof => return (depth == 0 && has_root).then_some(()),
            Event::Empty(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => false,
        };
        if !sound {
            return None;
        }
    }
}

/// An attribute of the root, by namespace, name and value: the places of schemas.
fn of_root(uri: &str, name: &str, value: &str) -> bool {
    uri == XSI && name == "schemaLocation" && has_pairs(value)
}

/// Whether a text is a list of namespaces, each with the place of its schema.
fn has_pairs(text: &str) -> bool {
    text.split_ascii_whitespace().count().is_multiple_of(2)
}

/// An attribute of an element: its language.
fn of_element(uri: &str, name: &str, value: &str) -> bool {
    // simpledc20021212.xsd uses a schema of 2001, which does not know the empty language.
    uri == XML && name == "lang" && is_language(value)
}

/// Whether the attributes are written well and allowed; `None` if they cannot be read.
fn attributes(
    start: &BytesStart<'_>,
    reader: &NsReader<&[u8]>,
    is_allowed: impl Fn(&str, &str, &str) -> bool,
) -> Option<bool> {
    static WRITTEN: LazyLock<Regex> = LazyLock::new(|| {
        let name = "[A-Za-z_][A-Za-z0-9._-]*";
        let value = r#"(?:"[^"<]*"|'[^'<]*')"#;
        Regex::new(&format!(r"\A(?:\s+{name}(?::{name})?\s*=\s*{value})*\s*\z"))
            .expect("the pattern is constant")
    });
    if !WRITTEN.is_match(start.attributes_raw()) {
        return Some(false);
    }
    let mut known: Vec<(String, String)> = Vec::new();
    for attribute in start.attributes() {
        // Two of one name are an error.
        let attribute = attribute.ok()?;
        let value = attribute.normalized_value(XmlVersion::Explicit1_0).ok()?;
        let name = attribute.key.into_inner();
        if !value.chars().all(is_xml_char) {
            return Some(false);
        }
        if name == "xmlns" {
            continue;
        }
        if let Some(prefix) = name.strip_prefix("xmlns:") {
            if prefix.starts_with("xml") || value.is_empty() {
                return Some(false);
            }
            continue;
        }
        let (bound, local) = reader.resolver().resolve_attribute(attribute.key);
        let ResolveResult::Bound(Namespace(uri)) = bound else {
            return Some(false);
        };
        let named = (uri.to_owned(), local.into_inner().to_owned());
        if known.contains(&named) || !is_allowed(uri, &named.1, &value) {
            return Some(false);
        }
        known.push(named);
    }
    Some(true)
}

/// White space of XML, which is less than that of Unicode.
fn is_blank(text: &str) -> bool {
    text.bytes()
        .all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

/// Whether a reference is one of the five entities or that of a character that XML allows.
fn is_reference(reference: &str) -> bool {
    if matches!(reference, "amp" | "lt" | "gt" | "quot" | "apos") {
        return true;
    }
    let code = match reference.strip_prefix("#x") {
        Some(digits) => code(digits, 16),
        None => reference
            .strip_prefix('#')
            .and_then(|digits| code(digits, 10)),
    };
    code.and_then(char::from_u32).is_some_and(is_xml_char)
}

fn code(digits: &str, radix: u32) -> Option<u32> {
    // The parser of numbers would take a sign too.
    let are_digits = digits.chars().all(|digit| digit.is_digit(radix));
    are_digits.then(|| u32::from_str_radix(digits, radix).ok())?
}

/// Whether a text is a language as `xml:lang` allows it: parts of up to eight letters or digits with hyphens
/// between them, the first of letters.
///
/// Source: XML Schema, xs:language.
pub(super) fn is_language(text: &str) -> bool {
    let is_part = |(at, part): (usize, &str)| {
        let is_sound = |byte: u8| match at {
            0 => byte.is_ascii_alphabetic(),
            _ => byte.is_ascii_alphanumeric(),
        };
        (1..=8).contains(&part.len()) && part.bytes().all(is_sound)
    };
    text.split('-').enumerate().all(is_part)
}
