//! Repairs a document that is not well-formed.
//!
//! Runs only on documents that do not parse. Nothing is guessed: ambiguous text stays, and the
//! document stays broken.

use std::borrow::Cow;
use std::ops::Range;

use memchr::{memchr, memchr2, memchr3, memmem};

use super::parse::chars::{
    find_forbidden, is_allowed, is_blank, is_name, is_name_start, numeric_reference,
    resolve_reference, skip_blanks,
};
use super::parse::source::{Edit, Edits, Source};
use super::response::RepairKind;

/// The longest name of an HTML entity has 31 letters.
const MAX_ENTITY: usize = 32;

/// A text that needs more fixes stays as it is, so that memory is bounded.
const MAX_FIXES: usize = 1 << 18;

/// The local name of the root of an answer.
const ROOT: &[u8] = b"OAI-PMH";

/// The longest prefix of the root's name, with its colon, in bytes.
const MAX_PREFIX: usize = 64;

/// Repairs the text of `source`, whose root element starts at `root` (see [`find_root`]). `None` if
/// the repaired text has more than `limit` bytes, or the memory for it is more than thrice that.
pub(crate) fn repair(mut source: Source<'_>, root: usize, limit: usize) -> Option<Source<'_>> {
    let start = document_start(&source.text, root);
    let mut found = Vec::new();
    if start > 0 {
        found.push(Fix::remove(0..start, RepairKind::LeadingJunk));
    }
    find_markup(&source.text, start, &mut found);
    find_characters(&source.text, start, &mut found);
    if found.is_empty() || found.len() >= MAX_FIXES {
        return Some(source);
    }
    let grown: usize = found.iter().map(|fix| fix.new.len()).sum();
    if source.text.len().saturating_add(grown) > limit {
        return None;
    }
    let fixes = found.capacity() * size_of::<Fix>() + found.len() * size_of::<Edit>();
    let needed = source.owned_bytes() + source.text.len() + grown + fixes;
    if needed > limit.saturating_mul(3).saturating_sub(source.body.len()) {
        return None;
    }
    found.sort_by_key(|fix| fix.old.start);
    let (text, edits) = apply(&source.text, found);
    source.text = Cow::Owned(text);
    source.repairing = edits;
    Some(source)
}

/// The offset of the first start tag named `OAI-PMH`, with any prefix.
pub(crate) fn find_root(text: &str) -> Option<usize> {
    if let Some(root) = skip_prolog(text, text.len() - skip_marks(text).len())
        && is_root_tag(&text[root..])
    {
        return Some(root);
    }
    roots(text).next()
}

/// The number of start tags named `OAI-PMH` in the text.
pub(crate) fn count_roots(text: &str) -> usize {
    roots(text).count()
}

fn roots(text: &str) -> impl Iterator<Item = usize> {
    memmem::find_iter(text.as_bytes(), ROOT).filter_map(|at| {
        let start = before_prefix(text, at)?.checked_sub(1)?;
        (text.as_bytes()[start] == b'<' && is_root_tag(&text[start..])).then_some(start)
    })
}

/// The start of the name whose local part is at `at`, with its prefix if it has one.
fn before_prefix(text: &str, at: usize) -> Option<usize> {
    let before = &text.as_bytes()[..at];
    if before.last() != Some(&b':') {
        return Some(at);
    }
    let name = before.iter().rev().take(MAX_PREFIX);
    Some(at - name.take_while(|byte| is_name(**byte)).count())
}

fn is_root_tag(tag: &str) -> bool {
    let Some(name) = tag.strip_prefix('<') else {
        return false;
    };
    let bytes = name.as_bytes().iter().take(MAX_PREFIX + ROOT.len());
    let length = bytes.take_while(|byte| is_name(**byte)).count();
    let (name, rest) = name.as_bytes().split_at(length);
    let local = memchr(b':', name).map_or(name, |colon| &name[colon + 1..]);
    local == ROOT
        && rest
            .first()
            .is_some_and(|byte| is_blank(*byte) || matches!(byte, b'>' | b'/'))
}

/// Whether a closing tag named `OAI-PMH`, with any prefix, follows `root`.
pub(crate) fn has_closing_root(text: &str, root: usize) -> bool {
    memmem::find_iter(&text.as_bytes()[root..], ROOT).any(|at| {
        let at = root + at;
        let after = skip_blanks(&text[at + ROOT.len()..]);
        let closes = |start: usize| text.as_bytes()[..start].ends_with(b"</");
        after.starts_with('>') && before_prefix(text, at).is_some_and(closes)
    })
}

/// The start of the document, after any junk. White space is junk only before a declaration.
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

/// The offset of the first text after white space, declarations and comments; `None` if one of them
/// does not end.
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

/// The end of the document type declaration at `start`, with its internal subset.
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

/// The fix of one place.
#[derive(Debug)]
struct Fix {
    old: Range<usize>,
    new: Cow<'static, str>,
    kind: RepairKind,
}

impl Fix {
    fn remove(old: Range<usize>, kind: RepairKind) -> Self {
        Self::replace(old, "", kind)
    }

    fn replace(old: Range<usize>, new: impl Into<Cow<'static, str>>, kind: RepairKind) -> Self {
        Self {
            old,
            new: new.into(),
            kind,
        }
    }
}

/// The new text. Of two overlapping fixes, the one that starts first counts.
fn apply(text: &str, found: Vec<Fix>) -> (String, Edits) {
    let grown: usize = found.iter().map(|fix| fix.new.len()).sum();
    let mut repaired = String::with_capacity(text.len() + grown);
    let mut edits = Edits::default();
    let mut at = 0;
    for fix in found {
        if fix.old.start < at {
            continue;
        }
        repaired.push_str(&text[at..fix.old.start]);
        repaired.push_str(&fix.new);
        at = fix.old.end;
        edits.push(fix.old, fix.new.len(), Some(fix.kind));
    }
    repaired.push_str(&text[at..]);
    (repaired, edits)
}

/// Finds characters that XML forbids.
fn find_characters(text: &str, start: usize, found: &mut Vec<Fix>) {
    let mut at = start;
    while let Some(hit) = find_forbidden(text, at)
        && found.len() < MAX_FIXES
    {
        at = hit + text[hit..].chars().next().map_or(1, char::len_utf8);
        found.push(Fix::replace(
            hit..at,
            "\u{FFFD}",
            RepairKind::ForbiddenCharacter,
        ));
    }
}

/// Finds wrong `<` and `&` from `start` on.
fn find_markup(text: &str, start: usize, found: &mut Vec<Fix>) {
    let bytes = text.as_bytes();
    let mut ends = Ends::default();
    let mut at = start;
    while let Some(hit) = memchr2(b'<', b'&', &bytes[at..])
        && found.len() < MAX_FIXES
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
                found.push(Fix::remove(at..end, RepairKind::InnerDeclaration));
            }
            at = end.unwrap_or(at + 2);
        } else if is_document_type(rest) {
            let end = ends.of_type(text, at);
            if let Some(end) = end {
                found.push(Fix::remove(at..end, RepairKind::DocumentType));
            }
            at = end.unwrap_or(at + 2);
        } else {
            match bytes.get(at + 1) {
                Some(byte) if is_name_start(*byte) || matches!(byte, b'/' | b'!') => {
                    at = find_in_tag(text, at, found);
                }
                // No markup starts like this: it is a less-than sign or part of an arrow.
                _ => {
                    found.push(Fix::replace(at..at + 1, "&lt;", RepairKind::BareLessThan));
                    at += 1;
                }
            }
        }
    }
}

/// Finds the ends of sections. A mark that is missing is searched only once, so that a text full of
/// beginnings takes no longer than any other.
#[derive(Debug, Default)]
struct Ends {
    missing: Vec<&'static str>,
}

impl Ends {
    /// The end of the first `mark` at or after `from`.
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

    /// The end of the document type declaration at `from`.
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

/// Finds bad references in the attributes of the tag at `start`; returns where to continue.
///
/// If the next `<` comes before the tag ends, it may not be a tag: nothing is changed.
fn find_in_tag(text: &str, start: usize, found: &mut Vec<Fix>) -> usize {
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

/// Checks the reference at the `&` at `start`; returns where to continue.
fn find_reference(text: &str, start: usize, found: &mut Vec<Fix>) -> usize {
    let bare = |found: &mut Vec<Fix>| {
        found.push(Fix::replace(
            start..start + 1,
            "&amp;",
            RepairKind::BareAmpersand,
        ));
        start + 1
    };
    let bytes = &text.as_bytes()[start + 1..];
    let length = bytes
        .iter()
        .take(MAX_ENTITY)
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
    if let Some((c, after)) = surrogate_pair(name, &text[end..]) {
        found.push(Fix::replace(
            start..end + after,
            c.to_string(),
            RepairKind::SurrogatePair,
        ));
        return end + after;
    }
    if any_number(name).is_some() {
        found.push(Fix::replace(
            start..end,
            "\u{FFFD}",
            RepairKind::ForbiddenCharacter,
        ));
    } else if let Some(character) = html_reference(name) {
        found.push(Fix::replace(start..end, character, RepairKind::HtmlEntity));
    } else {
        // An unknown entity stays as written.
        return bare(found);
    }
    end
}

/// The character of two references that name its surrogates of UTF-16: the reference `name` and the
/// one at the start of `rest`, whose length comes with it.
fn surrogate_pair(name: &str, rest: &str) -> Option<(char, usize)> {
    let unit = |name| u16::try_from(any_number(name)?).ok();
    let first = unit(name)?;
    let (second, _) = rest.strip_prefix('&')?.split_once(';')?;
    let pair = [first, unit(second)?];
    let c = char::decode_utf16(pair).next()?.ok()?;
    (c.len_utf16() == 2).then_some((c, second.len() + 2))
}

/// The number of a reference. HTML allows a capital X.
fn any_number(name: &str) -> Option<u32> {
    match name.strip_prefix("#X") {
        Some(digits) => numeric_reference(&format!("#x{digits}"))
            .filter(|number| char::from_u32(*number).is_none_or(|c| !is_allowed(c))),
        None => numeric_reference(name),
    }
}

/// The characters of an HTML entity, escaped for XML.
fn html_reference(name: &str) -> Option<Cow<'static, str>> {
    // HTML allows a capital X.
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

    fn repaired(text: &str) -> (String, Vec<(RepairKind, u64)>) {
        let source = decode(text.as_bytes(), None, usize::MAX).unwrap();
        let root = find_root(&source.text).unwrap();
        let source = repair(source, root, usize::MAX).unwrap();
        let repairs = source.all_repairs(source.text.len()).into_repairs();
        let repairs = repairs.iter().map(|r| (r.kind, r.count)).collect();
        (source.text.into_owned(), repairs)
    }

    #[test]
    fn repairs_text() {
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
            (
                "surrogates",
                "a&#xD83D;&#xde00;b&#55357;&#56832;<b c='&#XD83D;&#XDE00;'/>",
                "a😀b😀<b c='😀'/>",
                vec![(SurrogatePair, 3)],
            ),
            (
                "surrogates without a partner",
                "&#xD83D; &#xDE00;&#xD83D;&#x41;&#xD83D;",
                "\u{FFFD} \u{FFFD}\u{FFFD}&#x41;\u{FFFD}",
                vec![(ForbiddenCharacter, 4)],
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
            let (text, found) = repaired(&format!("<OAI-PMH>{inside}</OAI-PMH>"));
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
            let (text, found) = repaired(&format!("{before}{page}"));
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
