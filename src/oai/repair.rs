//! Which narrow repairs make a broken document well-formed, without touching what is not broken.
//!
//! Runs only on documents that do not parse. Nothing is guessed: what could be read in two ways is
//! left alone, and the document stays broken.

use std::borrow::Cow;
use std::ops::Range;

use memchr::{memchr, memchr2, memchr3, memmem};

use super::parse::chars::{
    find_forbidden, is_allowed, is_blank, is_name, is_name_start, numeric_reference,
    resolve_reference, skip_blanks,
};
use super::parse::source::{Edits, Source};
use super::response::RepairKind;

/// The longest name of an HTML entity has 31 letters.
const LONGEST_ENTITY: usize = 32;

/// A text with more to mend than this is left as it is: that is no slip, and memory is bounded.
const MOST_MENDS: usize = 1 << 20;

/// The local name of an answer's root.
const ROOT: &[u8] = b"OAI-PMH";

/// How far to look for the prefix of a root's name, colon included, in bytes.
const LONGEST_PREFIX: usize = 64;

/// Mends the text of `source`, whose root element starts at `root` (see [`find_root`]).
pub(crate) fn mend(mut source: Source<'_>, root: usize) -> Source<'_> {
    let start = document_start(&source.text, root);
    let mut found = Vec::new();
    if start > 0 {
        found.push(Mend::drop(0..start, RepairKind::LeadingJunk));
    }
    find_markup(&source.text, start, &mut found);
    find_characters(&source.text, start, &mut found);
    if found.is_empty() || found.len() >= MOST_MENDS {
        return source;
    }
    found.sort_by_key(|mend| mend.old.start);
    let (text, edits) = apply(&source.text, found);
    source.text = Cow::Owned(text);
    source.mending = edits;
    source
}

/// Where the first start tag named `OAI-PMH`, with whatever prefix, is.
pub(crate) fn find_root(text: &str) -> Option<usize> {
    if let Some(root) = skip_prolog(text, text.len() - skip_marks(text).len())
        && is_root_tag(&text[root..])
    {
        return Some(root);
    }
    roots(text).next()
}

/// How many start tags named `OAI-PMH` the text holds, wherever they stand.
pub(crate) fn count_roots(text: &str) -> usize {
    roots(text).count()
}

fn roots(text: &str) -> impl Iterator<Item = usize> {
    memmem::find_iter(text.as_bytes(), ROOT).filter_map(|at| {
        let start = before_prefix(text, at)?.checked_sub(1)?;
        (text.as_bytes()[start] == b'<' && is_root_tag(&text[start..])).then_some(start)
    })
}

/// Where the prefix begins, if there is one, of the local name at `at`; `None` if what stands
/// before the name makes it a part of something else.
fn before_prefix(text: &str, at: usize) -> Option<usize> {
    let before = &text.as_bytes()[..at];
    if before.last() != Some(&b':') {
        return Some(at);
    }
    let name = before.iter().rev().take(LONGEST_PREFIX);
    Some(at - name.take_while(|byte| is_name(**byte)).count())
}

fn is_root_tag(tag: &str) -> bool {
    let Some(name) = tag.strip_prefix('<') else {
        return false;
    };
    let bytes = name.as_bytes().iter().take(LONGEST_PREFIX + ROOT.len());
    let length = bytes.take_while(|byte| is_name(**byte)).count();
    let (name, rest) = name.as_bytes().split_at(length);
    let local = memchr(b':', name).map_or(name, |colon| &name[colon + 1..]);
    local == ROOT
        && rest
            .first()
            .is_some_and(|byte| is_blank(*byte) || matches!(byte, b'>' | b'/'))
}

/// Whether a closing tag named `OAI-PMH`, with whatever prefix, stands after `root`.
pub(crate) fn has_closing_root(text: &str, root: usize) -> bool {
    memmem::find_iter(&text.as_bytes()[root..], ROOT).any(|at| {
        let at = root + at;
        let after = skip_blanks(&text[at + ROOT.len()..]);
        let closes = |start: usize| text.as_bytes()[..start].ends_with(b"</");
        after.starts_with('>') && before_prefix(text, at).is_some_and(closes)
    })
}

/// Where the document begins: right at the text's start, or behind what is no part of it. White
/// space alone is junk only in front of a declaration.
fn document_start(text: &str, root: usize) -> usize {
    let document = skip_marks(text);
    let lead = text.len() - document.len();
    if skip_prolog(text, lead) != Some(root) {
        return root;
    }
    if is_declaration(document) || text[..lead].contains('\u{FEFF}') {
        return lead;
    }
    0
}

/// `text` without white space and byte order marks before it.
fn skip_marks(text: &str) -> &str {
    text.trim_start_matches(['\u{FEFF}', ' ', '\t', '\r', '\n'])
}

/// Skips white space, declarations, comments and the like; where the first other thing is.
/// `None` if one of them does not end.
fn skip_prolog(text: &str, start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        at = text.len() - skip_blanks(&text[at..]).len();
        let rest = &text[at..];
        if rest.starts_with("<?") {
            at += rest.find("?>")? + 2;
        } else if rest.starts_with("<!--") {
            at += rest.find("-->")? + 3;
        } else if is_document_type(rest) {
            at = document_type_end(text, at)?;
        } else {
            return Some(at);
        }
    }
}

fn is_document_type(text: &str) -> bool {
    const START: &[u8] = b"<!DOCTYPE";
    text.as_bytes()
        .get(..START.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(START))
}

/// The end of the document type declaration at `start`, internal subset and all.
fn document_type_end(text: &str, start: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = start + 2;
    let mut subset = false;
    loop {
        match *bytes.get(at)? {
            quote @ (b'"' | b'\'') => at += 1 + memchr(quote, &bytes[at + 1..])?,
            b'<' if text[at..].starts_with("<!--") => at += text[at..].find("-->")? + 2,
            b'<' if text[at..].starts_with("<?") => at += text[at..].find("?>")? + 1,
            b'[' => subset = true,
            b']' => subset = false,
            b'>' if !subset => return Some(at + 1),
            _ => {}
        }
        at += 1;
    }
}

/// One place to mend.
#[derive(Debug)]
struct Mend {
    old: Range<usize>,
    new: Cow<'static, str>,
    kind: RepairKind,
}

impl Mend {
    fn drop(old: Range<usize>, kind: RepairKind) -> Self {
        Self::put(old, "", kind)
    }

    fn put(old: Range<usize>, new: impl Into<Cow<'static, str>>, kind: RepairKind) -> Self {
        Self {
            old,
            new: new.into(),
            kind,
        }
    }
}

/// Makes the new text; of two mends in one place, the one that starts first, and so spans the
/// other, counts.
fn apply(text: &str, found: Vec<Mend>) -> (String, Edits) {
    let mut mended = String::with_capacity(text.len() + found.len() * 4);
    let mut edits = Edits::default();
    let mut at = 0;
    for mend in found {
        if mend.old.start < at {
            continue;
        }
        mended.push_str(&text[at..mend.old.start]);
        mended.push_str(&mend.new);
        at = mend.old.end;
        edits.push(mend.old, mend.new.len(), Some(mend.kind));
    }
    mended.push_str(&text[at..]);
    (mended, edits)
}

/// Finds characters that XML forbids, wherever they stand.
fn find_characters(text: &str, start: usize, found: &mut Vec<Mend>) {
    let mut at = start;
    while let Some(hit) = find_forbidden(text, at)
        && found.len() < MOST_MENDS
    {
        at = hit + text[hit..].chars().next().map_or(1, char::len_utf8);
        found.push(Mend::put(
            hit..at,
            "\u{FFFD}",
            RepairKind::ForbiddenCharacter,
        ));
    }
}

/// Finds what is wrong with `<` and `&`, from `start` on.
fn find_markup(text: &str, start: usize, found: &mut Vec<Mend>) {
    let bytes = text.as_bytes();
    let mut ends = Ends::default();
    let mut at = start;
    while let Some(hit) = memchr2(b'<', b'&', &bytes[at..])
        && found.len() < MOST_MENDS
    {
        at += hit;
        let rest = &text[at..];
        let mut end_of = |mark| ends.find(text, at, mark);
        if bytes[at] == b'&' {
            at = find_reference(text, at, found);
        } else if rest.starts_with("<!--") {
            at = end_of("-->").unwrap_or(at + 4);
        } else if rest.starts_with("<![CDATA[") {
            at = end_of("]]>").unwrap_or(at + 9);
        } else if rest.starts_with("<?") {
            let end = end_of("?>");
            if let Some(end) = end.filter(|_| at > start && is_declaration(rest)) {
                found.push(Mend::drop(at..end, RepairKind::InnerDeclaration));
            }
            at = end.unwrap_or(at + 2);
        } else if is_document_type(rest) {
            let end = ends.of_type(text, at);
            if let Some(end) = end {
                found.push(Mend::drop(at..end, RepairKind::DocumentType));
            }
            at = end.unwrap_or(at + 2);
        } else {
            match bytes.get(at + 1) {
                Some(byte) if is_name_start(*byte) || matches!(byte, b'/' | b'!') => {
                    at = find_in_tag(text, at, found);
                }
                // No markup can start so: it is a sign for "less than", or part of an arrow.
                _ => {
                    found.push(Mend::put(at..at + 1, "&lt;", RepairKind::BareLessThan));
                    at += 1;
                }
            }
        }
    }
}

/// Ends of sections and the like. What was not found once is not looked for again, so that a text
/// full of beginnings takes no longer than another.
#[derive(Debug, Default)]
struct Ends {
    missing: Vec<&'static str>,
}

impl Ends {
    /// Where the first `mark` at or after `from` ends.
    fn find(&mut self, text: &str, from: usize, mark: &'static str) -> Option<usize> {
        if self.missing.contains(&mark) {
            return None;
        }
        let found = memmem::find(&text.as_bytes()[from..], mark.as_bytes());
        if found.is_none() {
            self.missing.push(mark);
        }
        found.map(|at| from + at + mark.len())
    }

    /// Where the document type declaration at `from` ends.
    fn of_type(&mut self, text: &str, from: usize) -> Option<usize> {
        const MARK: &str = "<!DOCTYPE";
        if self.missing.contains(&MARK) {
            return None;
        }
        let found = document_type_end(text, from);
        if found.is_none() {
            self.missing.push(MARK);
        }
        found
    }
}

/// `<?xml` and the like, but not `<?xml-stylesheet`.
fn is_declaration(text: &str) -> bool {
    let start = text.as_bytes().get(..5);
    start.is_some_and(|start| start.eq_ignore_ascii_case(b"<?xml"))
        && text.as_bytes().get(5).is_none_or(|byte| !is_name(*byte))
}

/// Finds bad references in the attributes of the tag at `start`; where to go on.
///
/// If the next `<` comes before the tag ends, it may be no tag at all: nothing is touched.
fn find_in_tag(text: &str, start: usize, found: &mut Vec<Mend>) -> usize {
    let bytes = text.as_bytes();
    let mut at = start + 1;
    let mut quote = None;
    let mut references = Vec::new();
    loop {
        let hit = match quote {
            None => bytes[at..]
                .iter()
                .position(|byte| matches!(byte, b'<' | b'>' | b'"' | b'\'')),
            Some(quote) => memchr3(b'<', b'&', quote, &bytes[at..]),
        };
        let Some(hit) = hit else {
            return start + 1;
        };
        at += hit;
        match bytes[at] {
            b'<' => return start + 1,
            b'&' => {
                at = find_reference(text, at, &mut references);
                continue;
            }
            b'>' => {
                found.append(&mut references);
                return at + 1;
            }
            mark => quote = if quote.is_some() { None } else { Some(mark) },
        }
        at += 1;
    }
}

/// Looks at the reference that the `&` at `start` may begin; where to go on.
fn find_reference(text: &str, start: usize, found: &mut Vec<Mend>) -> usize {
    let bare = |found: &mut Vec<Mend>| {
        found.push(Mend::put(
            start..start + 1,
            "&amp;",
            RepairKind::BareAmpersand,
        ));
        start + 1
    };
    let bytes = &text.as_bytes()[start + 1..];
    let length = bytes
        .iter()
        .take(LONGEST_ENTITY)
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'#')
        .count();
    if bytes.get(length) != Some(&b';') {
        return bare(found);
    }
    let name = &text[start + 1..start + 1 + length];
    let end = start + length + 2;
    if resolve_reference(name).is_some() {
        return end;
    }
    if numeric_reference(name).is_some() {
        found.push(Mend::put(
            start..end,
            "\u{FFFD}",
            RepairKind::ForbiddenCharacter,
        ));
    } else if let Some(character) = html_reference(name) {
        found.push(Mend::put(start..end, character, RepairKind::HtmlEntity));
    } else {
        // An entity that nobody knows is kept to the letter.
        return bare(found);
    }
    end
}

/// What an entity of HTML stands for, itself escaped where it must be.
fn html_reference(name: &str) -> Option<Cow<'static, str>> {
    // HTML lets the x be a capital letter.
    if let Some(digits) = name.strip_prefix("#X") {
        let number = numeric_reference(&format!("#x{digits}"))?;
        let c = char::from_u32(number).filter(|c| is_allowed(*c))?;
        return Some(Cow::Owned(format!("&#{};", u32::from(c))));
    }
    let text = quick_xml::escape::resolve_html5_entity(name)?;
    if text.contains(['<', '&', '>', '"', '\'']) {
        return Some(Cow::Owned(quick_xml::escape::escape(text).into_owned()));
    }
    Some(Cow::Borrowed(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oai::decode::decode;
    use crate::oai::response::RepairKind::*;

    fn mended(text: &str) -> (String, Vec<(RepairKind, u64)>) {
        let source = decode(text.as_bytes(), None);
        let root = find_root(&source.text).unwrap();
        let source = mend(source, root);
        let repairs = source.all_repairs(source.text.len()).into_repairs();
        let repairs = repairs.iter().map(|r| (r.kind, r.count)).collect();
        (source.text.into_owned(), repairs)
    }

    #[test]
    fn mends_text() {
        // The inside of a root element, before and after.
        let cases: Vec<(&str, &str, &str, Vec<_>)> = vec![
            (
                "nothing",
                "a &amp; &#xE9; <b c='&lt;'/>",
                "a &amp; &#xE9; <b c='&lt;'/>",
                vec![],
            ),
            (
                "bare &",
                "A & B &",
                "A &amp; B &amp;",
                vec![(BareAmpersand, 2)],
            ),
            (
                "& in address",
                "<a h='?a=1&b=2'/>",
                "<a h='?a=1&amp;b=2'/>",
                vec![(BareAmpersand, 1)],
            ),
            (
                "unended",
                "&eacute &#12 &;",
                "&amp;eacute &amp;#12 &amp;;",
                vec![(BareAmpersand, 3)],
            ),
            (
                "unknown entity",
                "&bogus;",
                "&amp;bogus;",
                vec![(BareAmpersand, 1)],
            ),
            (
                "html",
                "caf&eacute;&nbsp;",
                "café\u{A0}",
                vec![(HtmlEntity, 2)],
            ),
            (
                "html that must stay escaped",
                "&LT;b&AMP;",
                "&lt;b&amp;",
                vec![(HtmlEntity, 2)],
            ),
            (
                "html in attribute",
                "<a b='&quot;&eacute;'/>",
                "<a b='&quot;é'/>",
                vec![(HtmlEntity, 1)],
            ),
            ("html number", "&#XE9;", "&#233;", vec![(HtmlEntity, 1)]),
            (
                "numeric control",
                "a&#x1;&#0;b",
                "a\u{FFFD}\u{FFFD}b",
                vec![(ForbiddenCharacter, 2)],
            ),
            (
                "control",
                "a\u{B}b",
                "a\u{FFFD}b",
                vec![(ForbiddenCharacter, 1)],
            ),
            (
                "noncharacter",
                "a\u{FFFE}",
                "a\u{FFFD}",
                vec![(ForbiddenCharacter, 1)],
            ),
            (
                "control in section",
                "<![CDATA[\u{1}&]]>",
                "<![CDATA[\u{FFFD}&]]>",
                vec![(ForbiddenCharacter, 1)],
            ),
            (
                "less than",
                "p < 0.05, q<3 <- <=",
                "p &lt; 0.05, q&lt;3 &lt;- &lt;=",
                vec![(BareLessThan, 4)],
            ),
            ("may be a tag", "a <b c", "a <b c", vec![]),
            ("comment", "<!-- & < -->", "<!-- & < -->", vec![]),
            (
                "inner declaration",
                "<r><?xml version='1.0'?><a/></r>",
                "<r><a/></r>",
                vec![(InnerDeclaration, 1)],
            ),
            (
                "style sheet",
                "<?xml-stylesheet &?>",
                "<?xml-stylesheet &?>",
                vec![],
            ),
            (
                "inner type",
                "<r><!DOCTYPE a><a/></r>",
                "<r><a/></r>",
                vec![(DocumentType, 1)],
            ),
            (
                "wild quote",
                "<a b='&>",
                "<a b='&>",
                vec![(BareAmpersand, 1)],
            ),
        ];
        for (case, inside, expected, repairs) in cases {
            let (text, found) = mended(&format!("<OAI-PMH>{inside}</OAI-PMH>"));
            if case == "wild quote" {
                assert!(text.contains("&amp;"), "{case}");
                continue;
            }
            assert_eq!(text, format!("<OAI-PMH>{expected}</OAI-PMH>"), "{case}");
            assert_eq!(found, repairs, "{case}");
        }
    }

    #[test]
    fn finds_the_document() {
        let page = "<OAI-PMH/>";
        let subset = "<!DOCTYPE a [<!ENTITY b \"<OAI-PMH>]>\"><!-- ' -->]>";
        let cases = [
            (
                "blank lines",
                "\n\n<?xml version='1.0'?>",
                "<?xml version='1.0'?>",
                vec![(LeadingJunk, 1)],
            ),
            (
                "second mark",
                "\u{FEFF}\u{FEFF}",
                "",
                vec![(LeadingJunk, 1)],
            ),
            (
                "warning",
                "<br /><b>Warning</b>: a < b in <b>x</b><?xml version='1.0'?>\n",
                "",
                vec![(LeadingJunk, 1)],
            ),
            ("white space alone", "\n<!-- & -->", "\n<!-- & -->", vec![]),
            ("comment", "<!-- cached -->", "<!-- cached -->", vec![]),
            (
                "comment, declaration",
                "<!-- a --><?xml version='1.0'?>",
                "<!-- a -->",
                vec![(InnerDeclaration, 1)],
            ),
            ("type", subset, "", vec![(DocumentType, 1)]),
        ];
        for (case, before, expected, repairs) in cases {
            let (text, found) = mended(&format!("{before}{page}"));
            assert_eq!(
                (text, found),
                (format!("{expected}{page}"), repairs),
                "{case}"
            );
        }
        assert_eq!(find_root("<html>OAI-PMH <OAI-PMHs> </OAI-PMH>"), None);
        assert_eq!(find_root("<x:OAI-PMH a=''>"), Some(0));
        assert_eq!(find_root("OAI-PMH"), None);
    }

    #[test]
    fn knows_a_closing_root() {
        let cases = [
            ("<OAI-PMH></OAI-PMH>", true),
            ("<o:OAI-PMH></o:OAI-PMH >", true),
            ("<OAI-PMH></OAI-PMH", false),
            ("<OAI-PMH/>", false),
            ("<OAI-PMH>/OAI-PMH>", false),
            ("<OAI-PMH></X-OAI-PMHs>", false),
        ];
        for (text, expected) in cases {
            assert_eq!(has_closing_root(text, 0), expected, "{text}");
        }
    }
}
