//! Reads metadata documents element by element and text by text.
//!
//! One pass over the document, without a tree. Namespaces, references and line ends are resolved,
//! comments and processing instructions are skipped, malformed documents are errors.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use thiserror::Error;

/// The greatest depth of nested elements.
///
/// Metadata formats need less than ten; the bound keeps memory small on hostile input.
const DEEPEST: usize = 256;

/// A malformed metadata document.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("malformed XML at byte {offset}: {reason}")]
pub struct XmlError {
    /// Where in the document, in bytes.
    pub offset: u64,
    /// What is wrong.
    pub reason: String,
}

/// One step through a document.
#[derive(Debug)]
pub(crate) enum Token<'a> {
    /// An element begins.
    Start(Element<'a>),
    /// Character data, resolved. Neighbouring pieces belong together.
    Text(Cow<'a, str>),
    /// An element ends, the innermost one.
    End,
}

/// The start of an element.
#[derive(Debug)]
pub(crate) struct Element<'a> {
    start: BytesStart<'a>,
    /// The namespace that its prefix, or the lack of one, is bound to.
    pub(crate) namespace: Namespace,
}

impl Element<'_> {
    /// The name without prefix.
    pub(crate) fn local_name(&self) -> &str {
        self.start.local_name().into_inner()
    }

    /// The value of the first attribute with this local name, whatever its prefix.
    pub(crate) fn attribute(&self, local_name: &str) -> Option<String> {
        // The first of two with one name counts; looking for others would cost an allocation.
        let mut attributes = self.start.attributes();
        attributes
            .with_checks(false)
            .flatten()
            .find_map(|attribute| {
                (attribute.key.local_name().into_inner() == local_name)
                    .then(|| attribute_text(&attribute.value))
            })
    }
}

/// Resolves the references of an attribute's value; one that cannot be resolved stays as it is.
fn attribute_text(raw: &str) -> String {
    quick_xml::escape::unescape(raw).map_or_else(|_| raw.to_owned(), Cow::into_owned)
}

/// The namespaces that crosswalks tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Namespace {
    /// None, or a prefix that is not declared.
    None,
    /// DOAJ's own, with `http` or `https`.
    OaiDoaj,
    /// The container of oai_dc.
    OaiDc,
    /// Dublin Core, elements or terms.
    Dc,
    /// MARCXML, of the Library of Congress or as ISO 25577.
    Marc,
    /// MODS of any version.
    Mods,
    /// DataCite's kernel of any version, or its envelope.
    DataCite,
    /// OpenAIRE's literature guidelines.
    OpenAire,
    /// Theses of the United Kingdom, `uketd_dc`.
    Uketd,
    /// The envelope of OAI-PMH, which elements without prefix inherit.
    OaiPmh,
    /// Any other.
    Other,
}

impl Namespace {
    fn of(uri: &str) -> Self {
        let uri = uri.trim();
        let bare = uri
            .strip_prefix("http://")
            .or_else(|| uri.strip_prefix("https://"));
        match bare.unwrap_or(uri).trim_end_matches('/') {
            "" => Self::None,
            "www.loc.gov/MARC21/slim"
            | "info:lc/xmlns/marcxchange-v1"
            | "info:lc/xmlns/marcxchange-v2" => Self::Marc,
            "namespace.openaire.eu/schema/oaire" => Self::OpenAire,
            "naca.central.cranfield.ac.uk/ethos-oai/2.0" => Self::Uketd,
            other if other.starts_with("www.loc.gov/mods") => Self::Mods,
            other
                if other.starts_with("datacite.org/schema")
                    || other.starts_with("schema.datacite.org/") =>
            {
                Self::DataCite
            }
            "doaj.org/features/oai_doaj/1.0" | "www.doaj.org/features/oai_doaj/1.0" => {
                Self::OaiDoaj
            }
            "www.openarchives.org/OAI/2.0/oai_dc" => Self::OaiDc,
            "purl.org/dc/elements/1.1" | "purl.org/dc/terms" => Self::Dc,
            "www.openarchives.org/OAI/2.0" => Self::OaiPmh,
            _ => Self::Other,
        }
    }

    /// The namespace that everybody means by a prefix, for documents that forgot to declare it.
    fn of_undeclared(prefix: &str) -> Self {
        match prefix {
            "oai_doaj" => Self::OaiDoaj,
            "oai_dc" => Self::OaiDc,
            "marc" => Self::Marc,
            "mods" => Self::Mods,
            "datacite" => Self::DataCite,
            "oaire" => Self::OpenAire,
            "uketd_dc" => Self::Uketd,
            "dc" | "dcterms" => Self::Dc,
            "" => Self::None,
            _ => Self::Other,
        }
    }
}

/// Reads a document to its end.
///
/// # Errors
/// If it is malformed anywhere.
pub fn check(document: &str) -> Result<(), XmlError> {
    let mut walker = Walker::new(document);
    while walker.next()?.is_some() {}
    Ok(())
}

/// Walks through a document.
pub(crate) struct Walker<'a> {
    reader: Reader<&'a [u8]>,
    depth: usize,
    root_seen: bool,
    /// Declarations in scope, innermost last: depth of the element, prefix, namespace.
    declared: Vec<(usize, String, Namespace)>,
}

impl<'a> Walker<'a> {
    /// Begins at the start of `document`.
    pub(crate) fn new(document: &'a str) -> Self {
        let mut reader = Reader::from_str(document);
        reader.config_mut().expand_empty_elements = true;
        Self {
            reader,
            depth: 0,
            root_seen: false,
            declared: Vec::new(),
        }
    }

    /// How many elements are open.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// The next step; `None` at the end of the document.
    ///
    /// # Errors
    /// If the document is malformed from here on: tags that do not match, unknown entities, text
    /// or a second element beside the root, a premature end, too deep nesting.
    pub(crate) fn next(&mut self) -> Result<Option<Token<'a>>, XmlError> {
        self.step(false)
    }

    /// [`Walker::next`]; `unread` leaves texts empty, which saves the work of looking through them.
    fn step(&mut self, unread: bool) -> Result<Option<Token<'a>>, XmlError> {
        loop {
            let event = self.reader.read_event().map_err(|error| XmlError {
                offset: self.reader.error_position(),
                reason: error.to_string(),
            })?;
            let text = match event {
                Event::Start(start) => return self.start(start).map(Some),
                // `expand_empty_elements` leaves none of these.
                Event::Empty(_) => continue,
                Event::End(_) => {
                    while let Some((depth, ..)) = self.declared.last()
                        && *depth >= self.depth
                    {
                        self.declared.pop();
                    }
                    self.depth -= 1;
                    return Ok(Some(Token::End));
                }
                Event::Text(_) | Event::CData(_) if unread && self.depth > 0 => {
                    return Ok(Some(Token::Text(Cow::Borrowed(""))));
                }
                Event::Text(text) => text.xml10_content(),
                Event::CData(text) => text.xml10_content(),
                Event::GeneralRef(reference) => resolve(&reference)
                    .ok_or_else(|| self.error(format!("unknown reference &{};", &*reference)))?,
                Event::Comment(_) | Event::PI(_) | Event::Decl(_) | Event::DocType(_) => continue,
                Event::Eof if self.depth > 0 => {
                    return Err(self.error(format!("{} elements are not closed", self.depth)));
                }
                Event::Eof if !self.root_seen => return Err(self.error("no element")),
                Event::Eof => return Ok(None),
            };
            if self.depth > 0 {
                return Ok(Some(Token::Text(text)));
            }
            if !text
                .trim_matches(['\u{feff}', ' ', '\t', '\r', '\n'])
                .is_empty()
            {
                return Err(self.error("text outside of the root element"));
            }
        }
    }

    fn start(&mut self, start: BytesStart<'a>) -> Result<Token<'a>, XmlError> {
        if self.depth == 0 && self.root_seen {
            return Err(self.error("more than one root element"));
        }
        if self.depth == DEEPEST {
            return Err(self.error(format!("elements nested deeper than {DEEPEST}")));
        }
        self.root_seen = true;
        self.depth += 1;
        let attributes = start.attributes_raw();
        if !attributes.is_empty() && attributes.contains("xmlns") {
            for attribute in start.attributes() {
                let attribute = attribute.map_err(|error| self.error(error.to_string()))?;
                let prefix = match attribute.key.0.strip_prefix("xmlns") {
                    Some("") => "",
                    Some(rest) => match rest.strip_prefix(':') {
                        Some(prefix) => prefix,
                        None => continue,
                    },
                    None => continue,
                };
                let namespace = Namespace::of(&attribute_text(&attribute.value));
                self.declared
                    .push((self.depth, prefix.to_owned(), namespace));
            }
        }
        let prefix = start
            .name()
            .prefix()
            .map_or("", |prefix| prefix.into_inner());
        let declared = self
            .declared
            .iter()
            .rev()
            .find(|(_, declared, _)| declared == prefix);
        let namespace = match declared {
            Some((.., namespace)) => *namespace,
            None => Namespace::of_undeclared(prefix),
        };
        Ok(Token::Start(Element { start, namespace }))
    }

    fn error(&self, reason: impl Into<String>) -> XmlError {
        XmlError {
            offset: self.reader.buffer_position(),
            reason: reason.into(),
        }
    }

    /// Moves past the end of the innermost open element.
    pub(crate) fn skip(&mut self) -> Result<(), XmlError> {
        let outside = self.depth - 1;
        while self.depth > outside {
            self.step(true)?;
        }
        Ok(())
    }

    /// All text that is left in the innermost open element, descendants included, and moves past
    /// its end.
    pub(crate) fn text(&mut self) -> Result<Cow<'a, str>, XmlError> {
        let outside = self.depth - 1;
        let mut text = Cow::Borrowed("");
        while self.depth > outside {
            match self.next()? {
                Some(Token::Text(piece)) if text.is_empty() => text = piece,
                Some(Token::Text(piece)) => text.to_mut().push_str(&piece),
                _ => {}
            }
        }
        Ok(text)
    }
}

/// A character reference or one of the five entities that XML has by itself. Characters that XML
/// forbids become U+FFFD.
fn resolve(reference: &str) -> Option<Cow<'static, str>> {
    let text = match reference {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        "#13" => "\r",
        _ => {
            let number = reference.strip_prefix('#')?;
            let (digits, radix) = match number.strip_prefix('x') {
                Some(hex) => (hex, 16),
                None => (number, 10),
            };
            // The parser of numbers would take a sign too.
            let code = digits
                .chars()
                .all(|digit| digit.is_digit(radix))
                .then_some(digits)?;
            let code = u32::from_str_radix(code, radix).ok()?;
            let c = char::from_u32(code).filter(|c| is_xml_char(*c));
            return Some(Cow::Owned(
                c.unwrap_or(char::REPLACEMENT_CHARACTER).to_string(),
            ));
        }
    };
    Some(Cow::Borrowed(text))
}

/// Whether XML 1.0 allows the character.
///
/// Source: XML 1.0, 2.2, production `Char`.
pub(crate) fn is_xml_char(c: char) -> bool {
    !matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All texts of a document, or the error.
    fn texts(document: &str) -> Result<String, String> {
        let mut walker = Walker::new(document);
        let mut all = String::new();
        loop {
            match walker.next() {
                Ok(Some(Token::Text(text))) => all.push_str(&text),
                Ok(Some(_)) => {}
                Ok(None) => return Ok(all),
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    #[test]
    fn resolves_texts() {
        let cases = [
            (
                "references",
                "<a>&lt;b&gt; &amp; &#xE9;&#233;</a>",
                "<b> & éé",
            ),
            ("line ends", "<a>1\r\n2\r3&#13;\n</a>", "1\n2\n3\r\n"),
            ("CDATA", "<a>x<![CDATA[<y>&amp;]]>z</a>", "x<y>&amp;z"),
            (
                "comments and instructions",
                "<?xml version=\"1.0\"?><a>x<!-- n --><?p i?>y</a>\n",
                "xy",
            ),
            ("forbidden character", "<a>&#1;</a>", "\u{fffd}"),
            ("byte order mark", "\u{feff}<a>x</a>", "x"),
            ("empty element", "<a/>", ""),
        ];
        for (case, document, expected) in cases {
            assert_eq!(texts(document).as_deref(), Ok(expected), "{case}");
        }
    }

    #[test]
    fn refuses_broken_documents() {
        let deep = "<a>".repeat(DEEPEST + 1);
        let cases = [
            ("nothing", "", "no element"),
            ("cut off", "<a><b>x", "not closed"),
            ("crossed tags", "<a><b></a></b>", "b"),
            ("unknown entity", "<a>&eacute;</a>", "&eacute;"),
            ("signed reference", "<a>&#+65;</a>", "&#+65;"),
            ("two roots", "<a/><b/>", "more than one root"),
            ("text alone", "hello", "outside of the root"),
            ("too deep", deep.as_str(), "nested deeper"),
            ("stray end", "</a>", "a"),
        ];
        for (case, document, expected) in cases {
            let error = texts(document).expect_err(case);
            assert!(error.contains(expected), "{case}: {error}");
        }
    }

    #[test]
    fn tells_namespaces_apart() {
        let cases = [
            (
                "http",
                r#"<p:a xmlns:p="http://doaj.org/features/oai_doaj/1.0/"/>"#,
                Namespace::OaiDoaj,
            ),
            (
                "https",
                r#"<a xmlns="https://doaj.org/features/oai_doaj/1.0/"/>"#,
                Namespace::OaiDoaj,
            ),
            ("none", "<a/>", Namespace::None),
            ("undeclared but known", "<oai_dc:dc/>", Namespace::OaiDc),
            ("undeclared", "<x:dc/>", Namespace::Other),
            (
                "another",
                r#"<oai_dc:dc xmlns:oai_dc="urn:x"/>"#,
                Namespace::Other,
            ),
        ];
        for (case, document, expected) in cases {
            match Walker::new(document).next().unwrap().unwrap() {
                Token::Start(element) => assert_eq!(element.namespace, expected, "{case}"),
                token => panic!("{case}: {token:?}"),
            }
        }
    }

    #[test]
    fn scopes_declarations() {
        let document = r#"<a xmlns="urn:x"><b xmlns="http://purl.org/dc/elements/1.1/"/><c/></a>"#;
        let mut walker = Walker::new(document);
        let mut namespaces = Vec::new();
        while let Some(token) = walker.next().unwrap() {
            if let Token::Start(element) = token {
                namespaces.push(element.namespace);
            }
        }
        assert_eq!(
            namespaces,
            [Namespace::Other, Namespace::Dc, Namespace::Other]
        );
    }
}
