//! Answers of repositories: whatever comes, the parser gives a page that is sound or says why not.

#![no_main]

use std::time::{Duration, Instant};

use harvestd::oai::parse::{Hints, PageLimits, ParseError, parse};
use harvestd::oai::request::Verb;
use harvestd::oai::response::{BadItem, Content, Header, Record, Repair, RepairKind, Response};
use harvestd::record::xml;
use libfuzzer_sys::fuzz_target;
use memchr::memmem;

const VERBS: [Verb; 6] = [
    Verb::ListRecords,
    Verb::ListIdentifiers,
    Verb::GetRecord,
    Verb::Identify,
    Verb::ListSets,
    Verb::ListMetadataFormats,
];

/// The element that takes longest is far below this; only work that grows faster than its input is
/// not.
const LONGEST: Duration = Duration::from_secs(2);

fuzz_target!(|body: &[u8]| {
    let hints = hints(body);
    let begun = Instant::now();
    let outcome = parse(body, hints);
    // The machine may have been busy with something else: only what is slow again and again is.
    let slow = |_| {
        let begun = Instant::now();
        let again = parse(body, hints);
        assert_eq!(again, outcome, "the same bytes, read again");
        begun.elapsed() > LONGEST
    };
    assert!(
        begun.elapsed() <= LONGEST || !(0..3).all(slow),
        "{} bytes take more than {LONGEST:?}",
        body.len()
    );
    match &outcome {
        Ok(response) => {
            check_response(body, &hints, response);
            check_repairs(body, response);
            check_cut(body, hints, response);
        }
        Err(error) => check_error(body, &hints, error),
    }
});

/// The verb is the first that the body has; its last byte says what the server said of its charset.
fn hints(body: &[u8]) -> Hints<'static> {
    let named = VERBS
        .into_iter()
        .filter_map(|verb| {
            let at = memmem::find(body, format!("<{verb}").as_bytes())?;
            Some((at, verb))
        })
        .min_by_key(|(at, _)| *at);
    let charset = match body.last() {
        Some(b'1') => Some("iso-8859-1"),
        Some(b'2') => Some("windows-1252"),
        Some(b'8') => Some("UTF-8"),
        Some(b'6') => Some("utf-16"),
        Some(b'J') => Some("shift_jis"),
        _ => None,
    };
    let limits = PageLimits::default();
    Hints {
        verb: named.map_or(Verb::ListRecords, |(_, verb)| verb),
        charset,
        // Small enough to be met.
        limits: PageLimits {
            depth: limits.depth.min(40),
            records: limits.records.min(300),
            bytes: limits.bytes,
        },
        redactor: None,
    }
}

fn check_response(body: &[u8], hints: &Hints<'_>, response: &Response) {
    let mut bad: &[BadItem] = &[];
    let mut headers: Vec<&Header> = Vec::new();
    match &response.content {
        Content::Records(list) => {
            assert!(list.len() <= hints.limits.records);
            headers.extend(list.items.iter().map(|record| &record.header));
            list.items
                .iter()
                .for_each(|record| check_record(body, response, record));
            bad = &list.bad;
        }
        Content::Identifiers(list) => {
            assert!(list.len() <= hints.limits.records);
            headers.extend(&list.items);
            bad = &list.bad;
        }
        Content::Record(record) => {
            headers.push(&record.header);
            check_record(body, response, record);
        }
        Content::Sets(list) => {
            assert!(list.len() <= hints.limits.records);
            bad = &list.bad;
        }
        Content::Errors(errors) => assert!(!errors.is_empty()),
        Content::Identify(_) | Content::MetadataFormats(_) => {}
    }
    for header in headers {
        check_text(body, &header.identifier);
        assert!(header.set_specs.iter().all(|spec| is_trimmed(spec)));
        assert!(header.datestamp.is_empty() || is_trimmed(&header.datestamp));
    }
    for item in bad {
        assert!(!item.raw.is_empty() && !item.reason.is_empty());
        assert!(stands_in(body, &item.raw));
        if let Some(identifier) = &item.identifier {
            check_text(body, identifier);
        }
    }
}

fn check_record(body: &[u8], response: &Response, record: &Record) {
    assert_eq!(record.raw.is_some(), !record.repairs.is_empty());
    if let Some(raw) = &record.raw {
        assert!(stands_in(body, raw) && !raw.is_empty());
    }
    for repair in &record.repairs {
        let whole = response
            .repairs
            .iter()
            .find(|whole| whole.kind == repair.kind);
        assert!(
            whole.is_some_and(|whole| whole.count >= repair.count),
            "{repair:?} of a record is not among {:?}",
            response.repairs
        );
    }
    if let Some(metadata) = &record.metadata {
        assert!(!record.header.deleted);
        if let Err(error) = xml::check(metadata) {
            panic!("{error} in {metadata:?}");
        }
    }
    if let Some(extra) = &record.extra
        && let Err(error) = xml::check(&format!("<extra>{extra}</extra>"))
    {
        panic!("{error} in {extra:?}");
    }
}

/// An identifier is never made up: what is written plainly stands in the body, tags aside.
fn check_text(body: &[u8], text: &str) {
    assert!(is_trimmed(text));
    let plain = text.is_ascii() && !text.contains(['&', '<', '>', '\n', '\t', '\r']);
    let resolved = ["&", "<!--", "<![CDATA["]
        .iter()
        .any(|markup| memmem::find(body, markup.as_bytes()).is_some());
    let instructed = memmem::find_iter(body, b"<?").count() > 1;
    // Other encodings write letters in other bytes.
    let recoded = body.contains(&0) || !body.is_ascii();
    if plain && !resolved && !instructed && !recoded {
        let found =
            stands_in(body, text.as_bytes()) || stands_in(&without_tags(body), text.as_bytes());
        assert!(found, "{text:?} is made up");
    }
}

/// The body without what stands between `<` and `>`.
fn without_tags(body: &[u8]) -> Vec<u8> {
    let mut inside = false;
    let text = body.iter().filter(|byte| {
        let was_inside = inside;
        inside = (inside || **byte == b'<') && **byte != b'>';
        !inside && !was_inside
    });
    text.copied().collect()
}

fn is_trimmed(text: &str) -> bool {
    !text.is_empty() && text.trim() == text
}

fn stands_in(body: &[u8], part: &[u8]) -> bool {
    memmem::find(body, part).is_some()
}

/// A document in good order is taken as it is.
fn check_repairs(body: &[u8], response: &Response) {
    let is_repaired = response.repairs.iter().any(|Repair { kind, count }| {
        assert!(*count > 0);
        !matches!(
            kind,
            // These say what was overlooked; nothing was changed for them.
            RepairKind::DocumentType | RepairKind::EnvelopeNamespace | RepairKind::Encoding
        )
    });
    let Ok(text) = std::str::from_utf8(body) else {
        return;
    };
    if is_repaired && !text.starts_with('\u{FEFF}') {
        assert!(!is_well_formed(text), "{:?}", response.repairs);
    }
}

/// What a plain reader of XML with namespaces would take; surely no more than is well-formed.
fn is_well_formed(text: &str) -> bool {
    use quick_xml::events::Event;
    use quick_xml::name::ResolveResult;

    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..);
    // These have rules of their own, which this reader does not know.
    let odd = ["<!", "]]>", "<?", "&"];
    let body = text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    let body = body.unwrap_or(text);
    if !text.chars().all(allowed) || odd.iter().any(|markup| body.contains(markup)) {
        return false;
    }
    let plain = |name: &[u8]| {
        let name = name.strip_prefix(b"xmlns:").unwrap_or(name);
        let parts: Vec<&[u8]> = name.split(|byte| *byte == b':').collect();
        parts.len() <= 2
            && parts.iter().all(|part| {
                part.first().is_some_and(u8::is_ascii_alphabetic)
                    && part
                        .iter()
                        .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(byte))
            })
    };
    let mut reader = quick_xml::NsReader::from_str(body);
    let (mut depth, mut roots) = (0_usize, 0);
    loop {
        let Ok(event) = reader.read_event() else {
            return false;
        };
        match &event {
            Event::Start(tag) | Event::Empty(tag) => {
                roots += usize::from(depth == 0);
                let mut known = plain(tag.name().as_ref().as_bytes());
                let (found, _) = reader.resolver().resolve_element(tag.name());
                known &= !matches!(found, ResolveResult::Unknown(_));
                for attribute in tag.attributes() {
                    let Ok(attribute) = attribute else {
                        return false;
                    };
                    let (found, _) = reader.resolver().resolve_attribute(attribute.key);
                    known &= !matches!(found, ResolveResult::Unknown(_));
                    known &= plain(attribute.key.as_ref().as_bytes());
                    // Bindings have rules of their own too.
                    let bound = attribute.key.as_namespace_binding().is_some();
                    known &= !bound || attribute.value.starts_with("http://");
                    known &= !attribute.value.contains('<');
                }
                if !known {
                    return false;
                }
                depth += usize::from(matches!(event, Event::Start(_)));
            }
            Event::End(_) => depth -= 1,
            Event::Text(text) if depth == 0 => {
                if !text.trim().is_empty() {
                    return false;
                }
            }
            Event::Eof => return depth == 0 && roots == 1,
            _ => {}
        }
    }
}

/// Without its closing root tag nothing is a page.
fn check_cut(body: &[u8], hints: Hints<'_>, response: &Response) {
    if body.contains(&0) || matches!(response.content, Content::Errors(_)) {
        return;
    }
    let Some(end) = memmem::rfind(body, b"OAI-PMH") else {
        return;
    };
    // Something that might be one may also stand in a text.
    let others = memmem::find_iter(&body[..end], b"OAI-PMH")
        .any(|at| matches!(body[..at].last(), Some(b'/' | b':')));
    if !others {
        assert!(
            parse(&body[..end], hints).is_err(),
            "a page without its closing root tag"
        );
    }
}

fn check_error(body: &[u8], hints: &Hints<'_>, error: &ParseError) {
    assert!(!error.to_string().is_empty());
    match error {
        ParseError::Malformed { at, what } => {
            assert!(*at <= body.len() && !what.is_empty(), "{error}");
        }
        ParseError::Truncated { at } => assert_eq!(*at, body.len()),
        ParseError::MissingElement { verb, .. } => assert_eq!(*verb, hints.verb),
        ParseError::BadRecord(item) => assert!(stands_in(body, &item.raw)),
        ParseError::Empty => assert!(
            String::from_utf8_lossy(body).chars().count() < 3
                || !body.iter().any(u8::is_ascii_graphic)
        ),
        ParseError::BrokenOff { items, .. } => assert!(*items <= hints.limits.records),
        ParseError::NotXml { .. } | ParseError::NotOai { .. } | ParseError::Limit { .. } => {}
    }
}
