//! Qualified names and the namespaces of their prefixes.

/// The namespace of OAI-PMH 2.0.
pub(super) const OAI: &str = "http://www.openarchives.org/OAI/2.0/";

/// Prefixes that repositories forget to declare. Each means one namespace everywhere.
pub(super) const WELL_KNOWN: [(&str, &str); 14] = [
    ("dc", "http://purl.org/dc/elements/1.1/"),
    ("dcterms", "http://purl.org/dc/terms/"),
    ("dim", "http://www.dspace.org/xmlns/dspace/dim"),
    ("marc", "http://www.loc.gov/MARC21/slim"),
    ("mets", "http://www.loc.gov/METS/"),
    ("mods", "http://www.loc.gov/mods/v3"),
    ("oai", OAI),
    ("oai_dc", "http://www.openarchives.org/OAI/2.0/oai_dc/"),
    ("oai_doaj", "http://doaj.org/features/oai_doaj/1.0/"),
    ("rdf", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"),
    ("rdfs", "http://www.w3.org/2000/01/rdf-schema#"),
    ("skos", "http://www.w3.org/2004/02/skos/core#"),
    ("xlink", "http://www.w3.org/1999/xlink"),
    ("xsi", "http://www.w3.org/2001/XMLSchema-instance"),
];

/// A name as written and the position of its colon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name<'t> {
    /// The whole name.
    pub(super) text: &'t str,
    /// The length of the prefix; 0 without one.
    colon: usize,
}

impl<'t> Name<'t> {
    /// A name with its colon at `colon`, neither its first nor its last byte.
    pub(super) fn new(text: &'t str, colon: Option<usize>) -> Self {
        Self {
            text,
            colon: colon.unwrap_or(0),
        }
    }

    /// The part before the colon; empty without one.
    #[inline]
    pub(super) fn prefix(self) -> &'t str {
        &self.text[..self.colon]
    }

    /// The part after the colon, or the whole name.
    #[inline]
    pub(super) fn local(self) -> &'t str {
        match self.colon {
            0 => self.text,
            colon => &self.text[colon + 1..],
        }
    }

    /// The prefix that an attribute of this name declares, empty for the default namespace.
    #[inline]
    pub(super) fn declares(self) -> Option<&'t str> {
        match self.colon {
            0 => (self.text == "xmlns").then_some(""),
            _ => (self.prefix() == "xmlns").then(|| self.local()),
        }
    }
}

/// A namespace declaration in scope.
#[derive(Debug, Clone, Copy)]
pub(super) struct Binding<'t> {
    /// The prefix; empty for the default namespace.
    pub(super) prefix: &'t str,
    /// The namespace as written, with its references; empty if the default namespace is reset.
    pub(super) uri: &'t str,
    /// The document lacks it: see [`WELL_KNOWN`].
    pub(super) well_known: bool,
    /// The last era in which it was used.
    pub(super) used: u32,
}

impl<'t> Binding<'t> {
    /// A declaration in the document.
    pub(super) fn declared(prefix: &'t str, uri: &'t str) -> Self {
        Self {
            prefix,
            uri,
            well_known: false,
            used: 0,
        }
    }

    /// A declaration that the document should have.
    pub(super) fn well_known((prefix, uri): &(&'static str, &'static str)) -> Self {
        Self {
            well_known: true,
            ..Self::declared(prefix, uri)
        }
    }
}
