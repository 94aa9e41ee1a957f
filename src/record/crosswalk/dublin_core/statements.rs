//! Reads a document of Dublin Core, in any of its dialects, as a list of statements.

use crate::record::crosswalk::{CrosswalkError, non_blank};
use crate::record::xml::{Element, Namespace, Token, Walker, XmlError};

/// One statement about the resource: an element of Dublin Core with its value.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Statement {
    /// One of the fifteen elements, or the name of an element of another set, in lower case.
    pub(super) element: String,
    /// The refinement in lower case: `issued`, `author`, `citation`.
    pub(super) qualifier: Option<String>,
    /// The encoding scheme, from `xsi:type` or `scheme`, as written.
    pub(super) scheme: Option<String>,
    /// The language of the value, as coded by the source.
    pub(super) language: Option<String>,
    /// An identifier of the agent, as written.
    pub(super) authority: Option<String>,
    /// Whether the element is in a namespace that no dialect of Dublin Core has.
    pub(super) foreign: bool,
    /// The value without the white space around it; never blank.
    pub(super) text: String,
}

impl Statement {
    /// Whether this is `element` with one of `qualifiers`.
    pub(super) fn is(&self, element: &str, qualifiers: &[&str]) -> bool {
        self.element == element
            && self
                .qualifier
                .as_deref()
                .is_some_and(|qualifier| qualifiers.contains(&qualifier))
    }

    /// The value with each run of white space as one blank.
    pub(super) fn line(&self) -> String {
        one_line(&self.text)
    }
}

/// A text with each run of white space as one blank.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a document states.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// The statements in document order.
    pub(super) statements: Vec<Statement>,
    /// Whether its format is for theses only (ETD-MS).
    pub(super) thesis: bool,
}

/// The greatest number of documents within texts of documents that are opened.
const DEEPEST: usize = 3;

/// Reads `oai_dc`, `dc` in any namespace, qualified Dublin Core, DIM, xoai and ETD-MS.
///
/// A document that is the text of another's root (CDATA, or escaped) is read in its place. Several
/// roots are read as the children of one.
///
/// # Errors
/// If the document is malformed, or no element of it belongs to one of these formats.
pub(super) fn read(metadata: &str) -> Result<Document, CrosswalkError> {
    let mut document = Document::default();
    match read_into(metadata, &mut document, 0) {
        Ok(()) => Ok(document),
        Err(error) if error.reason == "more than one root element" => {
            let mut document = Document::default();
            let body = without_declaration(metadata);
            read_into(&format!("<metadata>{body}</metadata>"), &mut document, 0)?;
            Ok(document)
        }
        Err(error) => Err(error.into()),
    }
}

/// The document without byte order mark and XML declaration.
fn without_declaration(metadata: &str) -> &str {
    let body = metadata.trim_start_matches('\u{feff}').trim_start();
    match body.strip_prefix("<?xml") {
        Some(rest) => rest.split_once("?>").map_or(body, |(_, body)| body),
        None => body,
    }
}

fn read_into(metadata: &str, document: &mut Document, depth: usize) -> Result<(), XmlError> {
    let mut walker = Walker::new(metadata);
    let Some(Token::Start(root)) = walker.next()? else {
        return Ok(());
    };
    container(&mut walker, &root, document, depth)?;
    while walker.next()?.is_some() {}
    Ok(())
}

/// Reads the children of an element that holds statements.
fn container(
    walker: &mut Walker<'_>,
    element: &Element<'_>,
    document: &mut Document,
    depth: usize,
) -> Result<(), XmlError> {
    let name = element.local_name().to_lowercase();
    if name == "thesis" {
        document.thesis = true;
    }
    let outside = walker.depth() - 1;
    let mut text = String::new();
    while walker.depth() > outside {
        match walker.next()? {
            Some(Token::Start(child)) => {
                let child_name = child.local_name().to_lowercase();
                match child_name.as_str() {
                    "element" if child.attribute("name").is_some() => {
                        let mut path = vec![child.attribute("name").unwrap_or_default()];
                        xoai(walker, &mut path, document)?;
                    }
                    "field" if child.attribute("element").is_some() => {
                        dim_field(walker, &child, document)?;
                    }
                    "dc" | "oai_dc" | "qualifieddc" | "dcterms" | "dim" | "thesis" | "metadata"
                    | "record" | "oai-dc" | "oaidc" => {
                        container(walker, &child, document, depth)?;
                    }
                    "degree" => degree(walker, document)?,
                    "header" | "about" if name == "record" => walker.skip()?,
                    _ => leaf(walker, &child, &child_name, document)?,
                }
            }
            Some(Token::Text(piece)) => text.push_str(&piece),
            Some(Token::End) | None => {}
        }
    }
    let inner = without_declaration(&text).trim_start();
    if inner.starts_with('<') && depth < DEEPEST {
        let mut found = Document::default();
        if read_into(inner, &mut found, depth + 1).is_ok() {
            document.thesis |= found.thesis;
            document.statements.append(&mut found.statements);
        }
    }
    Ok(())
}

/// Reads an element with its value.
fn leaf(
    walker: &mut Walker<'_>,
    element: &Element<'_>,
    name: &str,
    document: &mut Document,
) -> Result<(), XmlError> {
    let attribute = |name: &str| element.attribute(name).and_then(|text| non_blank(&text));
    let language = attribute("lang");
    let scheme = attribute("type").or_else(|| attribute("scheme"));
    let role = attribute("qualifier").or_else(|| attribute("role"));
    let authority = attribute("id").or_else(|| attribute("authority"));
    let known_namespace = element.namespace != Namespace::Other;
    let Some(text) = non_blank(&walker.text()?) else {
        return Ok(());
    };
    let (name, given) = match name.strip_prefix("dc.").unwrap_or(name).split_once('.') {
        Some((name, qualifier)) => (name, Some(qualifier.replace('.', ""))),
        None => (name.strip_prefix("dc.").unwrap_or(name), None),
    };
    let (element, implied) = element_of(name);
    let foreign = !known_namespace && !is_known(element);
    let qualifier = role
        .map(|role| role.to_lowercase())
        .or(given)
        .or_else(|| implied.map(str::to_owned));
    document.statements.push(Statement {
        element: element.to_owned(),
        qualifier,
        scheme,
        language,
        authority,
        foreign,
        text,
    });
    Ok(())
}

/// Reads `degree` of ETD-MS: its children are name, level, discipline and grantor.
fn degree(walker: &mut Walker<'_>, document: &mut Document) -> Result<(), XmlError> {
    let outside = walker.depth() - 1;
    while walker.depth() > outside {
        if let Some(Token::Start(child)) = walker.next()? {
            let qualifier = child.local_name().to_lowercase();
            if let Some(text) = non_blank(&walker.text()?) {
                document.statements.push(Statement {
                    element: "degree".to_owned(),
                    qualifier: Some(qualifier),
                    text,
                    ..Statement::default()
                });
            }
        }
    }
    Ok(())
}

/// Reads a field of DIM: schema, element and qualifier are attributes.
fn dim_field(
    walker: &mut Walker<'_>,
    field: &Element<'_>,
    document: &mut Document,
) -> Result<(), XmlError> {
    let attribute = |name: &str| field.attribute(name).and_then(|text| non_blank(&text));
    let schema = attribute("mdschema").unwrap_or_default();
    let element = attribute("element").unwrap_or_default();
    let qualifier = attribute("qualifier").filter(|qualifier| qualifier != "none");
    let language = attribute("lang").or_else(|| attribute("language"));
    let authority = attribute("authority");
    let text = walker.text()?;
    push_dspace(
        document,
        &schema,
        &element,
        qualifier.as_deref(),
        Value {
            text: text.into_owned(),
            language,
            authority,
        },
    );
    Ok(())
}

/// A value of DSpace's dialects.
#[derive(Default)]
struct Value {
    text: String,
    language: Option<String>,
    authority: Option<String>,
}

/// Adds a field of DSpace, unless it is blank or about the repository's own work.
fn push_dspace(
    document: &mut Document,
    schema: &str,
    element: &str,
    qualifier: Option<&str>,
    value: Value,
) {
    let Some(text) = non_blank(&value.text) else {
        return;
    };
    let schema = schema.to_lowercase();
    let element = element.to_lowercase();
    let qualifier = qualifier.map(str::to_lowercase);
    let (element, implied) = match schema.as_str() {
        "dc" | "dcterms" | "" => {
            let (name, implied) = element_of(&element);
            (name.to_owned(), implied)
        }
        "thesis" if element == "degree" => ("degree".to_owned(), None),
        // `oaire.citation.volume`, `journal.volume`.
        "oaire" | "oairecerif" | "bibliographiccitation" => (element, None),
        _ => (format!("{schema}.{element}"), None),
    };
    let qualifier = qualifier.or_else(|| implied.map(str::to_owned));
    let working = matches!(
        (element.as_str(), qualifier.as_deref()),
        (
            "description",
            Some("provenance" | "version" | "sponsorship")
        )
    );
    if working {
        return;
    }
    document.statements.push(Statement {
        element,
        qualifier,
        language: value.language.filter(|code| code != "*" && code != "none"),
        authority: value.authority.filter(|text| text != "none"),
        text,
        ..Statement::default()
    });
}

/// Reads an `element` of xoai: names are nested, the last is a language or `none`.
fn xoai(
    walker: &mut Walker<'_>,
    path: &mut Vec<String>,
    document: &mut Document,
) -> Result<(), XmlError> {
    let outside = walker.depth() - 1;
    let names = path.len();
    // A field named `value` begins a value; others beside it tell more about it.
    let mut value = Value::default();
    let mut file = (None, None);
    while walker.depth() > outside {
        let Some(Token::Start(child)) = walker.next()? else {
            continue;
        };
        let name = child.attribute("name").unwrap_or_default();
        if child.local_name() == "element" {
            path.push(name);
            xoai(walker, path, document)?;
            path.pop();
            continue;
        }
        let text = walker.text()?.into_owned();
        match name.as_str() {
            "value" => {
                push_xoai(path, std::mem::take(&mut value), document);
                value.text = text;
            }
            "authority" => value.authority = non_blank(&text),
            "url" => file.0 = non_blank(&text),
            "format" => file.1 = non_blank(&text),
            // The bundle's name precedes its files.
            "name" if path.last().is_some_and(|last| last == "bundle") => path.push(text),
            _ => {}
        }
    }
    push_xoai(path, value, document);
    if let (Some(text), true) = (file.0, path.iter().any(|name| name == "ORIGINAL")) {
        document.statements.push(Statement {
            element: "bitstream".to_owned(),
            scheme: file.1,
            text,
            ..Statement::default()
        });
    }
    path.truncate(names);
    Ok(())
}

fn push_xoai(path: &[String], value: Value, document: &mut Document) {
    let mut value = value;
    // Schema, element, perhaps a qualifier, language.
    let (schema, element, qualifier, language) = match path {
        [schema, element, language] => (schema, element, None, Some(language)),
        [schema, element, qualifier, language, ..] => {
            (schema, element, Some(qualifier.as_str()), Some(language))
        }
        [schema, element] => (schema, element, None, None),
        _ => return,
    };
    if matches!(
        schema.as_str(),
        "bundles" | "others" | "repository" | "license"
    ) {
        return;
    }
    value.language = language.cloned();
    push_dspace(document, schema, element, qualifier, value);
}

/// Whether an element is Dublin Core's or one that repositories add to it.
fn is_known(element: &str) -> bool {
    matches!(
        element,
        "title"
            | "creator"
            | "subject"
            | "description"
            | "publisher"
            | "contributor"
            | "date"
            | "type"
            | "format"
            | "identifier"
            | "source"
            | "language"
            | "relation"
            | "coverage"
            | "rights"
            | "degree"
            | "citation"
    )
}

/// The element and qualifier that a name means: terms of DCMI are refinements of the fifteen
/// elements, and repositories have names of their own.
fn element_of(name: &str) -> (&str, Option<&'static str>) {
    for (element, refinements) in TERMS {
        for (term, qualifier) in *refinements {
            if *term == name {
                return (element, Some(qualifier));
            }
        }
    }
    (name, None)
}

type Refinements = &'static [(&'static str, &'static str)];

/// Element, and the names that refine it with their qualifiers.
///
/// Source: DCMI Metadata Terms; the schema of ETD-MS; Digital Commons' and
/// cyberleninka's own names.
const TERMS: &[(&str, Refinements)] = &[
    (
        "title",
        &[
            ("alternative", "alternative"),
            ("titlealternative", "alternative"),
            ("alternativetitle", "alternative"),
        ],
    ),
    (
        "date",
        &[
            ("issued", "issued"),
            ("dateissued", "issued"),
            ("created", "created"),
            ("datecreated", "issued"),
            ("available", "available"),
            ("dateavailable", "available"),
            ("modified", "modified"),
            ("valid", "valid"),
            ("dateaccepted", "accepted"),
            ("datesubmitted", "submitted"),
            ("datecopyrighted", "copyright"),
        ],
    ),
    (
        "description",
        &[
            ("abstract", "abstract"),
            ("descriptionabstract", "abstract"),
            ("tableofcontents", "tableofcontents"),
            ("note", "note"),
        ],
    ),
    (
        "identifier",
        &[
            ("bibliographiccitation", "citation"),
            ("citation", "citation"),
            ("doi", "doi"),
            ("issn", "issn"),
            ("eissn", "eissn"),
            ("isbn", "isbn"),
        ],
    ),
    (
        "relation",
        &[
            ("ispartof", "ispartof"),
            ("haspart", "haspart"),
            ("isversionof", "isversionof"),
            ("hasversion", "hasversion"),
            ("isreplacedby", "isreplacedby"),
            ("replaces", "replaces"),
            ("isrequiredby", "isrequiredby"),
            ("requires", "requires"),
            ("isreferencedby", "isreferencedby"),
            ("references", "references"),
            ("isformatof", "isformatof"),
            ("hasformat", "hasformat"),
            ("conformsto", "conformsto"),
        ],
    ),
    ("format", &[("extent", "extent"), ("medium", "medium")]),
    (
        "coverage",
        &[("spatial", "spatial"), ("temporal", "temporal")],
    ),
    (
        "rights",
        &[
            ("license", "license"),
            ("licence", "license"),
            ("accessrights", "accessrights"),
            ("rightsholder", "holder"),
        ],
    ),
    (
        "contributor",
        &[
            ("advisor", "advisor"),
            ("supervisor", "advisor"),
            ("editor", "editor"),
            ("translator", "translator"),
            ("author", "author"),
            ("sponsor", "sponsor"),
        ],
    ),
    (
        "degree",
        &[
            ("thesisdegreename", "name"),
            ("thesisdegreelevel", "level"),
            ("thesisdegreediscipline", "discipline"),
            ("thesisdegreegrantor", "grantor"),
        ],
    ),
    (
        "citation",
        &[
            ("volume", "volume"),
            ("issue", "issue"),
            ("pages", "pages"),
            ("startpage", "startpage"),
            ("endpage", "endpage"),
            ("journal", "title"),
            ("journaltitle", "title"),
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn list(metadata: &str) -> Vec<String> {
        let document = read(metadata).unwrap();
        let statements = document.statements.iter();
        statements
            .map(|statement| {
                let name = match &statement.qualifier {
                    Some(qualifier) => format!("{}.{qualifier}", statement.element),
                    None => statement.element.clone(),
                };
                format!("{name}={}", statement.text)
            })
            .collect()
    }

    #[test]
    fn reads_every_dialect() {
        let cases: [(&str, &str, &[&str]); 12] = [
            (
                "oai_dc",
                "<oai_dc:dc xmlns:oai_dc='http://www.openarchives.org/OAI/2.0/oai_dc/' \
                 xmlns:dc='http://purl.org/dc/elements/1.1/'><dc:title> T <i>u</i></dc:title>\
                 <dc:date/></oai_dc:dc>",
                &["title=T u"],
            ),
            ("no namespace", "<dc><title>T</title></dc>", &["title=T"]),
            (
                "wrong namespace",
                "<dc xmlns='urn:x'><Title>T</Title></dc>",
                &["title=T"],
            ),
            (
                "dc within another element",
                "<metadata><x:dc xmlns:x='urn:x'><title>T</title></x:dc></metadata>",
                &["title=T"],
            ),
            (
                "escaped",
                "<metadata>&lt;oai_dc:dc&gt;&lt;dc:title&gt;A &amp;amp; B&lt;/dc:title&gt;\
                 &lt;/oai_dc:dc&gt;</metadata>",
                &["title=A & B"],
            ),
            (
                "CDATA",
                "<metadata><![CDATA[<?xml version='1.0'?><dc><title>T</title></dc>]]></metadata>",
                &["title=T"],
            ),
            (
                "two roots",
                "<dc><title>T</title></dc><dc><date>1999</date></dc>",
                &["title=T", "date=1999"],
            ),
            (
                "qualified",
                "<q:qualifieddc xmlns:q='urn:q' xmlns:dcterms='http://purl.org/dc/terms/'>\
                 <dcterms:issued>2001</dcterms:issued><dcterms:abstract>A</dcterms:abstract>\
                 </q:qualifieddc>",
                &["date.issued=2001", "description.abstract=A"],
            ),
            (
                "names with dots",
                "<dc><dc.date.issued>2001</dc.date.issued><title.alternative>B</title.alternative></dc>",
                &["date.issued=2001", "title.alternative=B"],
            ),
            (
                "DIM",
                "<dim:dim xmlns:dim='http://www.dspace.org/xmlns/dspace/dim'>\
                 <dim:field mdschema='dc' element='contributor' qualifier='author'>A</dim:field>\
                 <dim:field mdschema='dc' element='description' qualifier='provenance'>P</dim:field>\
                 <dim:field mdschema='thesis' element='degree' qualifier='name'>PhD</dim:field></dim:dim>",
                &["contributor.author=A", "degree.name=PhD"],
            ),
            (
                "xoai",
                "<metadata xmlns='http://www.lyncode.com/xoai'><element name='dc'>\
                 <element name='date'><element name='issued'><element name='none'>\
                 <field name='value'>2012</field></element></element></element>\
                 <element name='title'><element name='cs_CZ'><field name='value'>T</field>\
                 <field name='value'>U</field></element></element></element>\
                 <element name='bundles'><element name='bundle'><field name='name'>ORIGINAL</field>\
                 <element name='bitstreams'><element name='bitstream'>\
                 <field name='format'>application/pdf</field><field name='url'>http://x.org/b/1</field>\
                 </element></element></element><element name='bundle'><field name='name'>TEXT</field>\
                 <element name='bitstreams'><element name='bitstream'>\
                 <field name='url'>http://x.org/b/2</field></element></element></element></element>\
                 </metadata>",
                &[
                    "date.issued=2012",
                    "title=T",
                    "title=U",
                    "bitstream=http://x.org/b/1",
                ],
            ),
            (
                "ETD-MS",
                "<thesis xmlns='http://www.ndltd.org/standards/metadata/etdms/1.0/'><title>T</title>\
                 <contributor role='advisor'>A</contributor>\
                 <degree><name>PhD</name><grantor>U</grantor></degree></thesis>",
                &[
                    "title=T",
                    "contributor.advisor=A",
                    "degree.name=PhD",
                    "degree.grantor=U",
                ],
            ),
        ];
        for (case, metadata, expected) in cases {
            assert_eq!(list(metadata), expected, "{case}");
        }
    }

    #[test]
    fn keeps_what_attributes_say() {
        let document = read(
            "<dc xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'>\
             <creator id='0000-0002-1825-0097'>A</creator>\
             <subject xml:lang='pl' xsi:type='dcterms:LCSH'>S</subject></dc>",
        )
        .unwrap();
        let [creator, subject] = &document.statements[..] else {
            panic!("{document:?}");
        };
        assert_eq!(creator.authority.as_deref(), Some("0000-0002-1825-0097"));
        assert_eq!(subject.scheme.as_deref(), Some("dcterms:LCSH"));
        assert_eq!(subject.language.as_deref(), Some("pl"));
    }

    #[test]
    fn refuses_malformed_documents() {
        for metadata in ["", "text", "<dc><title>x", "<dc>&nope;</dc>"] {
            assert!(read(metadata).is_err(), "{metadata}");
        }
    }
}
