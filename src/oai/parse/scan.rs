//! Reads a document token by token, and checks that it is well-formed and its prefixes declared.
//!
//! Tags, texts and references, which nearly all of a page consists of, are found here; quick-xml reads
//! comments, sections, instructions and declarations, and says what is wrong with markup that does not
//! end. It leaves these checks to its callers: names, attributes, references, nesting, one root,
//! prefixes. Nothing is expanded.

use memchr::{memchr, memchr2, memchr3, memchr3_iter, memmem};
use quick_xml::Reader;
use quick_xml::events::Event;

use super::chars::{find_forbidden, is_blank, is_name, is_name_start, resolve_reference};
use super::names::{Binding, Name, WELL_KNOWN};
use crate::http::one_line;

/// The most namespace declarations in scope: more is an attack, not a record.
const MAX_BINDINGS: usize = 256;

/// The most attributes in one tag: each takes more memory than a short one has bytes.
const MAX_ATTRIBUTES: usize = 10_000;

/// Up to this many, comparing each with each is faster than sorting.
const FEW_ATTRIBUTES: usize = 16;

/// Why reading stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// Not well-formed: the offset in the text, and what is wrong.
    Malformed { at: usize, what: Box<str> },
    /// The text ends within an element.
    End,
    /// More than the named limit allows.
    Limit { key: &'static str, limit: usize },
    /// Not a fault of the XML.
    Other(Box<super::ParseError>),
}

impl From<super::ParseError> for Fault {
    fn from(error: super::ParseError) -> Self {
        Self::Other(Box::new(error))
    }
}

/// How strictly to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// XML 1.0 with namespaces, without a document type declaration.
    Strict,
    /// Well-known prefixes need no declaration, and text after the root is ignored.
    Lenient,
    /// As lenient, but nothing may follow the root. Items that are broken inside become bad items.
    Salvage,
}

/// One token. Comments and processing instructions are checked and skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'t> {
    /// A start tag, now on top of the open elements. The end of an empty element follows.
    Start,
    /// The end of the element that was on top.
    End,
    /// Text as written, without references.
    Text(&'t str),
    /// The content of a CDATA section.
    CData(&'t str),
    /// A reference, resolved.
    Reference(char),
    /// The end of the text, after the root element.
    Eof,
}

/// An open element.
#[derive(Debug, Clone, Copy)]
pub(super) struct Open<'t> {
    /// Its name as written.
    pub(super) name: Name<'t>,
    /// The offset of its start tag.
    pub(super) start: usize,
    /// The number of namespace declarations in scope around it.
    bindings: usize,
}

/// An attribute of the start tag read last, its value as written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attribute<'t> {
    name: Name<'t>,
    value: &'t str,
}

/// A cursor in a document.
pub(super) struct Scanner<'t> {
    pub(super) text: &'t str,
    /// The end of the last token.
    pub(super) position: usize,
    open: Vec<Open<'t>>,
    pub(super) bindings: Vec<Binding<'t>>,
    attributes: Vec<Attribute<'t>>,
    /// The root element has been closed.
    rooted: bool,
    /// The start tag read last was that of an empty element.
    ending: bool,
    /// `]]>` occurs somewhere, so each text must be checked.
    section_ends: bool,
    depth: usize,
    /// Marks the bindings that are used from now on.
    pub(super) era: u32,
    /// Uses of well-known prefixes that were not declared.
    pub(super) undeclared: u64,
}

impl<'t> Scanner<'t> {
    /// Starts at the beginning of `text`; elements may nest `depth` deep.
    pub(super) fn new(text: &'t str, mode: Mode, depth: usize) -> Result<Self, Fault> {
        if let Some(at) = find_forbidden(text, 0) {
            let code = text[at..].chars().next().map_or(0, u32::from);
            return fault(at, format!("forbidden character U+{code:04X}"));
        }
        // The reader would skip the mark without counting it.
        if text.starts_with('\u{FEFF}') {
            return fault(0, "byte order mark within the text");
        }
        let bindings = match mode {
            Mode::Strict => Vec::new(),
            Mode::Lenient | Mode::Salvage => WELL_KNOWN.iter().map(Binding::well_known).collect(),
        };
        Ok(Self {
            text,
            position: 0,
            open: Vec::new(),
            bindings,
            attributes: Vec::new(),
            rooted: false,
            ending: false,
            section_ends: memmem::find(text.as_bytes(), b"]]>").is_some(),
            depth,
            era: 0,
            undeclared: 0,
        })
    }

    /// The innermost open element.
    pub(super) fn top(&self) -> Option<Open<'t>> {
        self.open.last().copied()
    }

    /// How many elements are open.
    pub(super) fn level(&self) -> usize {
        self.open.len()
    }

    /// Reads one token.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Token<'t>, Fault> {
        if self.ending {
            self.ending = false;
            return Ok(self.close());
        }
        loop {
            let start = self.position;
            let rest = &self.text.as_bytes()[start..];
            match rest {
                [b'<', b'!' | b'?', ..] => {
                    if let Some(token) = self.other(start)? {
                        return Ok(token);
                    }
                }
                [b'<', b'/', ..] => {
                    if let Some(length) = self.end_of_top(rest) {
                        self.position = start + length;
                        return Ok(self.close());
                    }
                    let Some(length) = find_tag_end(rest) else {
                        return self.unclosed(start);
                    };
                    self.position = start + length + 1;
                    self.end_tag(&self.text[start + 2..start + length], start)?;
                    return Ok(self.close());
                }
                [b'<', ..] => {
                    let Some(length) = find_plain_tag_end(rest).or_else(|| find_tag_end(rest))
                    else {
                        return self.unclosed(start);
                    };
                    self.position = start + length + 1;
                    let content = &self.text[start + 1..start + length];
                    let empty = content.strip_suffix('/');
                    self.start_tag(empty.unwrap_or(content), start)?;
                    self.ending = empty.is_some();
                    return Ok(Token::Start);
                }
                [b'&', after @ ..] => {
                    let length = memchr3(b';', b'&', b'<', after);
                    let Some(length) = length.filter(|length| after[*length] == b';') else {
                        return self.unclosed(start);
                    };
                    self.position = start + length + 2;
                    let name = &self.text[start + 1..start + 1 + length];
                    self.check_within(start)?;
                    return match resolve_reference(name) {
                        Some(c) => Ok(Token::Reference(c)),
                        None => fault(start, format!("undefined reference &{name};")),
                    };
                }
                [_, ..] => {
                    let length = memchr2(b'<', b'&', rest).unwrap_or(rest.len());
                    self.position = start + length;
                    let text = &self.text[start..self.position];
                    self.check_text(text, start)?;
                    if !self.open.is_empty() {
                        return Ok(Token::Text(text));
                    }
                }
                [] if self.open.is_empty() && self.rooted => return Ok(Token::Eof),
                [] => return Err(Fault::End),
            }
        }
    }

    /// Reads the comment, section, instruction or declaration at `start`. `None` if there is no token
    /// in it.
    fn other(&mut self, start: usize) -> Result<Option<Token<'t>>, Fault> {
        let mut reader = reader(&self.text[start..]);
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(error) => return self.syntax(&error, start, &reader),
        };
        let end = start + reader.buffer_position() as usize;
        self.position = end;
        match event {
            Event::CData(_) => {
                self.check_within(start)?;
                Ok(Some(Token::CData(&self.text[start + 9..end - 3])))
            }
            Event::Comment(_) => Ok(None),
            Event::PI(_) => {
                check_instruction(&self.text[start + 2..end - 2], start)?;
                Ok(None)
            }
            Event::Decl(_) if start == 0 => Ok(None),
            Event::Decl(_) => fault(start, "XML declaration within the document"),
            Event::DocType(_) => fault(start, "document type declaration"),
            Event::Start(_)
            | Event::End(_)
            | Event::Empty(_)
            | Event::Text(_)
            | Event::GeneralRef(_)
            | Event::Eof => fault(start, "markup that cannot be read"),
        }
    }

    /// The fault in a tag or a reference at `start` that does not end.
    fn unclosed<T>(&self, start: usize) -> Result<T, Fault> {
        let mut reader = reader(&self.text[start..]);
        match reader.read_event() {
            Err(error) => self.syntax(&error, start, &reader),
            Ok(_) => fault(start, "markup that does not end"),
        }
    }

    /// Skips the rest of the innermost element.
    pub(super) fn skip(&mut self) -> Result<(), Fault> {
        let level = self.open.len();
        while self.open.len() >= level {
            self.next()?;
        }
        Ok(())
    }

    /// Continues at `position`, with all but the outermost `level` elements closed.
    pub(super) fn resume(&mut self, position: usize, level: usize) {
        if let Some(open) = self.open.get(level) {
            self.bindings.truncate(open.bindings);
        }
        self.open.truncate(level);
        self.ending = false;
        self.position = position;
    }

    /// The namespace of an open element's name; empty for none.
    pub(super) fn namespace(&self, name: Name<'_>) -> &'t str {
        self.bindings
            .iter()
            .rev()
            .find(|binding| binding.prefix == name.prefix())
            .map_or("", |binding| binding.uri)
    }

    /// The value of an attribute without prefix of the start tag read last: references resolved,
    /// white space trimmed.
    pub(super) fn attribute(&self, name: &str) -> Option<String> {
        let attribute = self
            .attributes
            .iter()
            .find(|attribute| attribute.name.text == name)?;
        let value = quick_xml::escape::unescape(attribute.value)
            .unwrap_or(std::borrow::Cow::Borrowed(attribute.value));
        Some(value.trim().to_owned())
    }

    fn close(&mut self) -> Token<'t> {
        if let Some(open) = self.open.pop() {
            self.bindings.truncate(open.bindings);
        }
        self.rooted = self.open.is_empty();
        Token::End
    }

    fn start_tag(&mut self, content: &'t str, start: usize) -> Result<(), Fault> {
        if self.open.is_empty() && self.rooted {
            return fault(start, "second root element");
        }
        if self.open.len() >= self.depth {
            return Err(Fault::Limit {
                key: "max_depth",
                limit: self.depth,
            });
        }
        let name = name(content, start + 1)?;
        self.open.push(Open {
            name,
            start,
            bindings: self.bindings.len(),
        });
        self.attributes.clear();
        if name.text.len() < content.len() {
            self.read_attributes(content, name.text.len(), start + 1)?;
        }
        if name.prefix() == "xmlns" {
            return fault(start, "element with the prefix \"xmlns\"");
        }
        self.use_prefix(name.prefix(), start)
    }

    /// The length of the end tag at the beginning of `rest`, if it ends the innermost element and is as short as
    /// it can be. Nearly all are.
    #[inline]
    fn end_of_top(&self, rest: &[u8]) -> Option<usize> {
        let name = self.open.last()?.name.text.as_bytes();
        let after = rest.get(2..)?.strip_prefix(name)?;
        (after.first() == Some(&b'>')).then_some(name.len() + 3)
    }

    fn end_tag(&mut self, content: &str, start: usize) -> Result<(), Fault> {
        let found = content.trim_end_matches([' ', '\t', '\r', '\n']);
        match self.open.last() {
            Some(open) if open.name.text == found => Ok(()),
            Some(open) => {
                let expected = open.name.text;
                fault(start, format!("</{found}> instead of </{expected}>"))
            }
            None => fault(start, format!("</{found}> without a start tag")),
        }
    }

    /// Reads the attributes in `tag`, a start tag's inside at `offset`, from `at` on.
    fn read_attributes(&mut self, tag: &'t str, mut at: usize, offset: usize) -> Result<(), Fault> {
        let bytes = tag.as_bytes();
        let blanks = |from: usize| bytes[from..].iter().take_while(|b| is_blank(**b)).count();
        let mut prefixed = 0;
        loop {
            let gap = blanks(at);
            at += gap;
            if at == bytes.len() {
                break;
            }
            if gap == 0 {
                return fault(offset + at, "no white space between attributes");
            }
            let name = name(&tag[at..], offset + at)?;
            at += name.text.len();
            at += blanks(at);
            if bytes.get(at) != Some(&b'=') {
                return fault(
                    offset + at,
                    format!("attribute {} without value", name.text),
                );
            }
            at += 1;
            at += blanks(at);
            let (Some(quote @ (b'"' | b'\'')), from) = (bytes.get(at), at + 1) else {
                return fault(
                    offset + at,
                    format!("attribute {} without quotes", name.text),
                );
            };
            let Some(length) = memchr(*quote, &bytes[from..]) else {
                return fault(offset + at, format!("attribute {} without end", name.text));
            };
            let value = &tag[from..from + length];
            check_value(value, offset + from)?;
            at = from + length + 1;
            if self.attributes.len() >= MAX_ATTRIBUTES {
                return fault(offset + at, "too many attributes in one tag");
            }
            self.attributes.push(Attribute { name, value });
            if let Some(prefix) = name.declares() {
                self.declare(prefix, value, offset + from)?;
            } else if !name.prefix().is_empty() {
                prefixed += 1;
            }
        }
        self.check_unique(offset)?;
        if prefixed > 0 {
            self.check_prefixes(prefixed, offset)?;
        }
        Ok(())
    }

    fn declare(&mut self, prefix: &'t str, uri: &'t str, at: usize) -> Result<(), Fault> {
        if prefix == "xmlns" || (prefix == "xml" && uri != "http://www.w3.org/XML/1998/namespace") {
            return fault(at, format!("declaration of the reserved prefix {prefix:?}"));
        }
        if !prefix.is_empty() && uri.is_empty() {
            return fault(at, format!("empty namespace for the prefix {prefix:?}"));
        }
        if self.bindings.len() >= MAX_BINDINGS {
            return fault(at, "too many namespace declarations");
        }
        self.bindings.push(Binding::declared(prefix, uri));
        Ok(())
    }

    /// Records the use of a prefix or of the default namespace. Fails if it is not declared.
    #[inline]
    fn use_prefix(&mut self, prefix: &str, at: usize) -> Result<(), Fault> {
        match self
            .bindings
            .iter_mut()
            .rev()
            .find(|binding| binding.prefix == prefix)
        {
            Some(binding) => {
                binding.used = self.era;
                self.undeclared += u64::from(binding.well_known);
                Ok(())
            }
            None if prefix.is_empty() || prefix == "xml" => Ok(()),
            None => fault(at, format!("undeclared prefix {prefix:?}")),
        }
    }

    fn check_unique(&self, at: usize) -> Result<(), Fault> {
        let twice = if self.attributes.len() <= FEW_ATTRIBUTES {
            let mut pairs = self.attributes.iter().enumerate();
            pairs.find_map(|(index, later)| {
                let text = later.name.text;
                let mut earlier = self.attributes[..index].iter();
                earlier
                    .any(|earlier| earlier.name.text == text)
                    .then_some(text)
            })
        } else {
            let mut names: Vec<_> = self.attributes.iter().map(|a| a.name.text).collect();
            names.sort_unstable();
            names
                .windows(2)
                .find(|two| two[0] == two[1])
                .map(|two| two[0])
        };
        match twice {
            Some(name) => fault(at, format!("attribute {name} twice in one tag")),
            None => Ok(()),
        }
    }

    /// Prefixes of attributes must be declared, and two prefixes of one namespace must not give
    /// the same attribute twice.
    fn check_prefixes(&mut self, prefixed: usize, at: usize) -> Result<(), Fault> {
        for index in 0..self.attributes.len() {
            let name = self.attributes[index].name;
            if !name.prefix().is_empty() && name.declares().is_none() {
                self.use_prefix(name.prefix(), at)?;
            }
        }
        if prefixed < 2 {
            return Ok(());
        }
        let mut names: Vec<_> = self
            .attributes
            .iter()
            .filter(|a| !a.name.prefix().is_empty() && a.name.declares().is_none())
            .map(|a| (a.name.local(), self.namespace(a.name)))
            .collect();
        names.sort_unstable();
        match names.windows(2).find(|two| two[0] == two[1]) {
            Some(two) => fault(at, format!("attribute {} twice in one tag", two[0].0)),
            None => Ok(()),
        }
    }

    fn check_text(&self, text: &str, start: usize) -> Result<(), Fault> {
        if self.section_ends
            && let Some(at) = memmem::find(text.as_bytes(), b"]]>")
        {
            return fault(start + at, "\"]]>\" in text");
        }
        if self.open.is_empty()
            && let Some(at) = text.bytes().position(|byte| !is_blank(byte))
        {
            return fault(start + at, "text outside the root element");
        }
        Ok(())
    }

    fn check_within(&self, start: usize) -> Result<(), Fault> {
        if self.open.is_empty() {
            return fault(start, "text outside the root element");
        }
        Ok(())
    }

    fn syntax<T>(
        &self,
        error: &quick_xml::Error,
        start: usize,
        reader: &Reader<&[u8]>,
    ) -> Result<T, Fault> {
        let at = start + reader.error_position() as usize;
        fault(at.min(self.text.len()), error.to_string())
    }
}

fn reader(text: &str) -> Reader<&[u8]> {
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.check_comments = true;
    // End tags are checked here, against names that are not copied.
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    reader
}

/// The same as [`find_tag_end`] for a start tag that has nothing but a name.
#[inline]
fn find_plain_tag_end(tag: &[u8]) -> Option<usize> {
    let end = 1 + tag[1..].iter().position(|byte| !is_name(*byte))?;
    match tag[end..] {
        [b'>', ..] => Some(end),
        [b'/', b'>', ..] => Some(end + 1),
        _ => None,
    }
}

/// The offset of the `>` that ends the tag at the beginning of `tag`. One within quotes does not.
#[inline]
fn find_tag_end(tag: &[u8]) -> Option<usize> {
    let mut quote = None;
    for at in memchr3_iter(b'>', b'"', b'\'', tag) {
        match quote {
            None if tag[at] == b'>' => return Some(at),
            None => quote = Some(tag[at]),
            Some(open) if open == tag[at] => quote = None,
            Some(_) => {}
        }
    }
    None
}

/// A fault at an offset of the text.
pub(super) fn fault<T>(at: usize, what: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Malformed {
        at,
        // Names and references in it are the repository's text.
        what: one_line(&what.into()).into_boxed_str(),
    })
}

/// Reads the name that `text`, which lies at `offset`, starts with.
#[inline]
fn name(text: &str, offset: usize) -> Result<Name<'_>, Fault> {
    let bytes = text.as_bytes();
    let mut colon = None;
    let mut length = 0;
    while length < bytes.len() && is_name(bytes[length]) {
        if bytes[length] == b':' && colon.replace(length).is_some() {
            return fault(offset + length, "name with two colons");
        }
        length += 1;
    }
    // What follows a name is white space, or the `=` of an attribute.
    let parted = bytes
        .get(length)
        .is_none_or(|byte| is_blank(*byte) || *byte == b'=');
    let starts = |at: usize| at < length && is_name_start(bytes[at]) && bytes[at] != b':';
    if !parted || !starts(0) || colon.is_some_and(|colon| !starts(colon + 1)) {
        return fault(offset, "no name where one is due");
    }
    Ok(Name::new(&text[..length], colon))
}

fn check_value(value: &str, offset: usize) -> Result<(), Fault> {
    let mut at = 0;
    while let Some(hit) = memchr2(b'<', b'&', &value.as_bytes()[at..]) {
        at += hit;
        if value.as_bytes()[at] == b'<' {
            return fault(offset + at, "\"<\" in an attribute");
        }
        let name = value[at + 1..].split_once(';').map(|(name, _)| name);
        if name.and_then(resolve_reference).is_none() {
            return fault(
                offset + at,
                "bare \"&\" or undefined reference in an attribute",
            );
        }
        at += 1;
    }
    Ok(())
}

fn check_instruction(content: &str, start: usize) -> Result<(), Fault> {
    let target = content
        .split([' ', '\t', '\r', '\n'])
        .next()
        .unwrap_or_default();
    name(target, start + 2)?;
    if target.eq_ignore_ascii_case("xml") {
        return fault(start, "XML declaration within the document");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, mode: Mode) -> Result<usize, Fault> {
        let mut scanner = Scanner::new(text, mode, 8)?;
        let mut tokens = 0;
        while scanner.next()? != Token::Eof {
            tokens += 1;
        }
        Ok(tokens)
    }

    #[test]
    fn accepts_well_formed_documents() {
        let cases = [
            ("one element", "<a/>"),
            ("declaration", "<?xml version='1.0'?>\n<a/>\n"),
            ("comments", "<!-- a --><a><!-- - --></a><!-- b -->"),
            (
                "instructions",
                "<?xml-stylesheet href='a'?><a><?php 1?></a>",
            ),
            ("section", "<a><![CDATA[<b> & ]]></a>"),
            ("references", "<a b='&lt;&#xE9;'>&amp;&#233;</a>"),
            ("blanks in tags", "<a b = '1'\n c=\"'\" ></a >"),
            ("quotes hold >", "<a b='>'/>"),
            (
                "prefixes",
                "<p:a xmlns:p='u' p:b='1' xml:lang='en'><p:c/></p:a>",
            ),
            ("declared on the same tag", "<p:a p:b='1' xmlns:p='u'/>"),
            ("undeclared default", "<a xmlns='u'><b xmlns=''/></a>"),
            (
                "same local name",
                "<a xmlns:p='u' xmlns:q='v' p:b='' q:b='' b=''/>",
            ),
            ("letters", "<größe é='1'/>"),
        ];
        for (case, text) in cases {
            assert!(
                read(text, Mode::Strict).is_ok(),
                "{case}: {:?}",
                read(text, Mode::Strict)
            );
        }
    }

    #[test]
    fn refuses_what_is_not_well_formed() {
        let many: String = (0..20).map(|i| format!(" a{}=''", i % 19)).collect();
        let declarations: String = (0..2000).map(|i| format!(" xmlns:p{i}='u'")).collect();
        let cases: Vec<(&str, String)> = vec![
            ("empty", String::new()),
            ("text alone", "a".into()),
            ("open", "<a>".into()),
            ("mismatch", "<a></b>".into()),
            ("crossed", "<a><b></a></b>".into()),
            ("close only", "</a>".into()),
            ("two roots", "<a/><b/>".into()),
            ("text after", "<a/>b".into()),
            ("text before", "b<a/>".into()),
            ("reference after", "<a/>&amp;".into()),
            ("bare &", "<a> & </a>".into()),
            ("unknown entity", "<a>&eacute;</a>".into()),
            ("forbidden reference", "<a>&#1;</a>".into()),
            ("forbidden character", "<a>\u{1}</a>".into()),
            ("bare <", "<a> < </a>".into()),
            ("section end", "<a>]]></a>".into()),
            ("unclosed section", "<a><![CDATA[</a>".into()),
            ("unclosed comment", "<a><!-- </a>".into()),
            ("hyphens in comment", "<a><!-- -- --></a>".into()),
            ("comment ends in hyphen", "<a><!-- ---></a>".into()),
            ("late declaration", " <?xml version='1.0'?><a/>".into()),
            ("inner declaration", "<a><?xml version='1.0'?></a>".into()),
            ("inner declaration, odd case", "<a><?XML a?></a>".into()),
            ("nameless instruction", "<a><? a?></a>".into()),
            ("document type", "<!DOCTYPE a><a/>".into()),
            ("digit name", "<1a/>".into()),
            ("blank name", "< a/>".into()),
            ("odd name", "<a(b/>".into()),
            ("two colons", "<a:b:c xmlns:a='u'/>".into()),
            ("leading colon", "<:a/>".into()),
            ("trailing colon", "<a: xmlns:a='u'/>".into()),
            ("slash apart", "<a / >".into()),
            ("attribute without value", "<a b/>".into()),
            ("attribute without quotes", "<a b=1/>".into()),
            ("attributes not parted", "<a b='1'c='2'/>".into()),
            ("attribute twice", "<a b='1' b='2'/>".into()),
            ("attribute twice among many", format!("<a{many}/>")),
            (
                "attribute twice by namespace",
                "<a xmlns:p='u' xmlns:q='u' p:b='' q:b=''/>".into(),
            ),
            ("< in attribute", "<a b='<'/>".into()),
            ("bare & in attribute", "<a b='&'/>".into()),
            ("undeclared prefix", "<p:a/>".into()),
            ("undeclared attribute prefix", "<a p:b=''/>".into()),
            (
                "prefix out of scope",
                "<a><b xmlns:p='u'/><p:c/></a>".into(),
            ),
            ("empty namespace", "<a xmlns:p=''/>".into()),
            ("reserved prefix", "<a xmlns:xml='u'/>".into()),
            ("xmlns element", "<xmlns:a/>".into()),
            ("too deep", "<a>".repeat(9)),
            ("too many declarations", format!("<a{declarations}/>")),
            ("byte order mark", "\u{FEFF}<a/>".into()),
        ];
        for (case, text) in cases {
            assert!(read(&text, Mode::Strict).is_err(), "{case}");
        }
    }

    #[test]
    fn knows_prefixes_when_lenient() {
        let text = "<a xsi:type='b'><dc:c/></a>";
        assert!(read(text, Mode::Strict).is_err());
        let mut scanner = Scanner::new(text, Mode::Lenient, 8).unwrap();
        while scanner.next().unwrap() != Token::Eof {}
        assert_eq!(scanner.undeclared, 2);
        assert!(read("<foo:a/>", Mode::Lenient).is_err());
    }
}
