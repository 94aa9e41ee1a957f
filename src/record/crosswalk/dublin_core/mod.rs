//! From Dublin Core to the resource model: `oai_dc`, qualified Dublin Core, DIM, xoai, ETD-MS.
//!
//! Dublin Core says little about its values. Each module reads one question out of their form, as a
//! cataloguer would: `statements` reads the document, the others what it says.

mod citation;
mod date;
mod host;
mod identifier;
mod kind;
#[cfg(test)]
mod labels;
mod language;
mod link;
mod name;
mod rights;
mod statements;
mod subject;
#[cfg(test)]
mod tests;

use serde_json::Value;

use self::statements::{Document, Statement};
use super::{CrosswalkError, checks, words};
use crate::record::resource::{
    Degree, IdentifierKind, Kind, LinkPurpose, Publisher, Resource, Role, Series, Text, Title,
};

/// What the header of a record says; blank and empty if it is not known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Header<'a> {
    /// The OAI identifier.
    pub identifier: &'a str,
    /// The sets.
    pub set_specs: &'a [String],
}

/// As [`resource_with_header`], of a record whose header is not known.
///
/// # Errors
/// As there.
pub fn resource(metadata: &str) -> Result<Resource, CrosswalkError> {
    resource_with_header(metadata, Header::default())
}

/// Reads a document of Dublin Core: `oai_dc`, `dc` in any namespace or in none, qualified Dublin Core
/// (`qdc`, `oai_qdc`, `dcterms`), DIM, xoai, ETD-MS.
///
/// What cannot be told stays empty: a source that is no citation is no journal, a relation is another
/// work, a number with a wrong check digit is no ISSN. The header helps to tell the type (sets of
/// HAL, EPrints, Zenodo; identifiers of arXiv) and the landing page (EPrints).
///
/// # Errors
/// If the document is malformed.
///
/// Source: Dublin Core 1.1; DCMI Metadata Terms; what DOAJ, DSpace, EPrints, Open Journal Systems,
/// Digital Commons, HAL, Érudit, Zenodo and others write into it.
pub fn resource_with_header(
    metadata: &str,
    header: Header<'_>,
) -> Result<Resource, CrosswalkError> {
    let document = statements::read(metadata)?;
    let mut resource = Resource::default();
    simple_values(&document, &mut resource);
    let statements = &document.statements;
    let record = Record {
        statements,
        header,
        of_doaj: is_of_doaj(statements, header),
    };
    resource.languages = language::languages(&record.of("language"));
    resource.titles = titles(statements, &resource);
    resource.agents = name::agents(statements);
    resource.subjects = subject::subjects(&record.of("subject"));
    resource.rights = rights::rights(&record.of("rights"));
    let place = host::place(&record, &resource);
    resource.kind = kind_of(&record, &document, place.is_cited(), &resource);
    let citation_year = host::fill_host(place, &record, &mut resource);
    resource.dates = date::dates(&record.of("date"), citation_year.as_deref());
    let doi = own_doi(&record, resource.kind);
    if let Some(doi) = &doi {
        resource.identify(IdentifierKind::Doi, doi.clone());
    }
    identifiers(&record, &mut resource);
    let context = link::Context {
        identifier: header.identifier,
        doi: doi.as_deref(),
        of_doaj: record.of_doaj,
    };
    let (links, related) = link::links(statements, &context);
    resource.links = links;
    resource.related = related;
    let of_series: Vec<&str> = resource
        .series
        .iter()
        .map(|series| series.title.as_str())
        .collect();
    resource.related.retain(|work| {
        let title = work
            .text
            .split([';', ','])
            .next()
            .unwrap_or_default()
            .trim();
        let known = of_series.contains(&title) || resource.citations.contains(&work.text);
        !known
            && identifier::issn(&work.text, false).is_none()
            && identifier::isbn(&work.text, false).is_none()
    });
    if resource.kind == Kind::Journal {
        for link in &mut resource.links {
            if link.purpose == LinkPurpose::FullText {
                link.purpose = LinkPurpose::Landing;
            }
        }
    }
    checks::flag_odd_values(&mut resource);
    Ok(resource)
}

/// What the modules ask: the statements, and where they come from.
struct Record<'a> {
    statements: &'a [Statement],
    header: Header<'a>,
    /// Whether it is DOAJ's own.
    of_doaj: bool,
}

impl<'a> Record<'a> {
    /// The statements of an element, in document order.
    fn of(&self, element: &str) -> Vec<&'a Statement> {
        let all = self.statements.iter();
        all.filter(|statement| statement.element == element)
            .collect()
    }
}

fn is_of_doaj(statements: &[Statement], header: Header<'_>) -> bool {
    header.identifier.starts_with("oai:doaj.org")
        || statements.iter().any(|statement| {
            statement.element == "identifier"
                && ["://doaj.org/", "://www.doaj.org/"]
                    .iter()
                    .any(|site| statement.text.contains(site))
        })
}

/// Values that need no reading.
fn simple_values(document: &Document, resource: &mut Resource) {
    for statement in &document.statements {
        let text = statement.text.clone();
        let qualifier = statement.qualifier.as_deref();
        match statement.element.as_str() {
            _ if statement.foreign => {
                resource.flag(format!("unknown element {:?}", statement.element));
                resource.add_further(&statement.element, Value::from(text));
            }
            "description" => match qualifier {
                Some("tableofcontents" | "note" | "statementofresponsibility" | "degree") => {
                    resource.notes.push(text);
                }
                _ if is_label(&text) => {}
                _ => resource.abstracts.push(Text {
                    text,
                    language: statement.language.clone(),
                }),
            },
            "publisher" => publisher(text, qualifier, resource),
            "type" => resource.stated_types.push(text),
            "format" if qualifier == Some("extent") || is_extent(&text) => {
                resource.extent.push(text)
            }
            "format" => resource.formats.push(text),
            "degree" => degree(text, qualifier, &mut resource.degree),
            "title" | "creator" | "contributor" | "subject" | "date" | "identifier" | "source"
            | "language" | "relation" | "rights" | "citation" | "bitstream" => {}
            name => resource.add_further(name, Value::from(text)),
        }
    }
}

/// The words that DataCite puts before its descriptions, as statements of their own.
fn is_label(text: &str) -> bool {
    matches!(
        text,
        "Abstract"
            | "SeriesInformation"
            | "TechnicalInfo"
            | "Methods"
            | "Other"
            | "TableOfContents"
    )
}

fn publisher(text: String, qualifier: Option<&str>, resource: &mut Resource) {
    if qualifier == Some("place") {
        match resource.publishers.last_mut() {
            Some(publisher) if publisher.place.is_none() => publisher.place = Some(text),
            _ => resource.publishers.push(Publisher {
                place: Some(text),
                ..Publisher::default()
            }),
        }
        return;
    }
    let known = resource
        .publishers
        .iter()
        .any(|publisher| publisher.name.as_ref() == Some(&text));
    match resource.publishers.last_mut() {
        _ if known => {}
        Some(publisher) if publisher.name.is_none() => publisher.name = Some(text),
        _ => resource.publishers.push(Publisher {
            name: Some(text),
            ..Publisher::default()
        }),
    }
}

/// `48 pages`, `15728635 bytes`, `01 hour, 16 minutes`: a number with a unit.
fn is_extent(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit()) && !text.contains('/')
}

fn degree(text: String, qualifier: Option<&str>, degree: &mut Degree) {
    let place = match qualifier {
        Some("name" | "title") => &mut degree.name,
        Some("level") => &mut degree.level,
        Some("discipline" | "department" | "program") => &mut degree.discipline,
        Some("grantor" | "institution") => &mut degree.grantor,
        _ => return,
    };
    place.get_or_insert(text);
}

/// The titles, the one in the record's language first if titles have languages.
fn titles(statements: &[Statement], resource: &Resource) -> Vec<Title> {
    let mut titles: Vec<(bool, Title)> = Vec::new();
    for statement in statements.iter().filter(|s| s.element == "title") {
        let (tag, text) = language_tag(&statement.text);
        let title = Title {
            text: text.to_owned(),
            subtitle: None,
            language: statement.language.clone().or(tag),
        };
        if !titles.iter().any(|(_, known)| known.text == title.text) {
            titles.push((statement.qualifier.is_some(), title));
        }
    }
    titles.sort_by_key(|(refined, _)| *refined);
    let mut titles: Vec<Title> = titles.into_iter().map(|(_, title)| title).collect();
    if let [language] = &resource.languages[..]
        && let Some(code) = &language.code
    {
        let in_language = |title: &Title| {
            let tag = title.language.as_deref()?;
            let bare = tag.split(['-', '_']).next()?;
            crate::record::language::marc_code(bare).map(|tag| tag == code)
        };
        if titles.first().and_then(in_language) == Some(false)
            && let Some(at) = titles
                .iter()
                .position(|title| in_language(title) == Some(true))
        {
            let title = titles.remove(at);
            titles.insert(0, title);
        }
    }
    titles
}

/// `[en] Title`: the code and the title.
fn language_tag(text: &str) -> (Option<String>, &str) {
    let tagged = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    match tagged {
        Some((code, title))
            if matches!(code.len(), 2 | 3)
                && crate::record::language::marc_code(code).is_some()
                && !title.trim().is_empty() =>
        {
            (Some(code.to_owned()), title.trim())
        }
        _ => (None, text),
    }
}

fn kind_of(record: &Record<'_>, document: &Document, cited: bool, resource: &Resource) -> Kind {
    let texts = |element: &str| -> Vec<&str> {
        let all = record.of(element).into_iter();
        all.map(|statement| statement.text.as_str()).collect()
    };
    kind::kind(&kind::Evidence {
        types: texts("type"),
        formats: texts("format"),
        sources: texts("source"),
        identifier: record.header.identifier,
        sets: record
            .header
            .set_specs
            .iter()
            .map(|set| readable_set(set))
            .collect(),
        cited,
        interview: resource.agents.iter().any(|agent| {
            matches!(&agent.role, Role::Other(word) if word == "interviewee" || word == "interviewer")
        }),
        thesis: document.thesis,
    })
}

/// A set's name; EPrints writes its own in hexadecimal digits.
fn readable_set(set: &str) -> String {
    let decoded: Option<Vec<u8>> =
        (set.len() >= 8 && set.len().is_multiple_of(2) && set.is_ascii())
            .then(|| {
                (0..set.len() / 2)
                    .map(|at| u8::from_str_radix(&set[2 * at..2 * at + 2], 16).ok())
                    .collect()
            })
            .flatten();
    match decoded.and_then(|bytes| String::from_utf8(bytes).ok()) {
        Some(text) if text.contains('=') => text,
        _ => set.to_owned(),
    }
}

/// The record's own DOI: an identifier that is one, an alternative identifier, one that prose names as
/// such, or a relation that is the only one and no other work's.
fn own_doi(record: &Record<'_>, kind: Kind) -> Option<String> {
    let identifiers = || record.of("identifier").into_iter();
    let relations = || record.of("relation").into_iter();
    let citations = || identifiers().chain(record.of("rights"));
    let found = identifiers()
        .find_map(|statement| {
            let line = statement.line();
            identifier::doi(&line)
                .or_else(|| identifier::alternative_doi(&line))
                .map(str::to_owned)
                .or_else(|| identifier::encoded_doi(&line))
        })
        .or_else(|| {
            relations().find_map(|s| identifier::alternative_doi(&s.text).map(str::to_owned))
        })
        .or_else(|| {
            citations().find_map(|statement| {
                identifier::doi_in_prose(&statement.line()).map(str::to_owned)
            })
        });
    if found.is_some() {
        return found;
    }
    let others = matches!(
        kind,
        Kind::Dataset
            | Kind::Image
            | Kind::Software
            | Kind::Video
            | Kind::Audio
            | Kind::Map
            | Kind::Thesis
            | Kind::Journal
    );
    if others || record.header.identifier.contains("zenodo") {
        return None;
    }
    let mut single: Vec<String> = Vec::new();
    for statement in relations() {
        let open = statement
            .qualifier
            .as_deref()
            .is_none_or(|qualifier| matches!(qualifier, "uri" | "doi" | "none"));
        if let Some(doi) = identifier::doi(&statement.line()).filter(|_| open)
            && !single.iter().any(|known| known.eq_ignore_ascii_case(doi))
        {
            single.push(doi.to_owned());
        }
    }
    match &mut single[..] {
        [doi] => Some(std::mem::take(doi)),
        _ => None,
    }
}

/// All identifiers but DOI and ISSN; an ISBN is the host's if the resource is a part.
fn identifiers(record: &Record<'_>, resource: &mut Resource) {
    let part = matches!(
        resource.kind,
        Kind::Chapter | Kind::ConferencePaper | Kind::Article
    );
    for statement in record.statements {
        let in_identifier = statement.element == "identifier";
        if !in_identifier && !matches!(statement.element.as_str(), "relation" | "source") {
            continue;
        }
        let text = statement.line();
        let labelled = statement.is("identifier", &["isbn", "eisbn"]);
        if let Some(isbn) = identifier::isbn(&text, labelled) {
            if !part {
                resource.identify(IdentifierKind::Isbn, isbn);
            } else if !resource.host.isbns.contains(&isbn) {
                resource.host.isbns.push(isbn);
            }
            continue;
        }
        if !in_identifier && !text.contains("altIdentifier/") {
            continue;
        }
        let number = identifier::pmcid(&text)
            .map(|number| (IdentifierKind::Pmcid, number))
            .or_else(|| identifier::pmid(&text).map(|number| (IdentifierKind::Pmid, number)))
            .or_else(|| identifier::arxiv(&text).map(|number| (IdentifierKind::Arxiv, number)))
            .or_else(|| identifier::handle(&text).map(|handle| (IdentifierKind::Handle, handle)))
            .or_else(|| identifier::urn(&text).map(|urn| (IdentifierKind::Urn, urn)))
            .or_else(|| identifier::ark(&text).map(|ark| (IdentifierKind::Ark, ark)));
        if let Some((kind, number)) = number {
            resource.identify(kind, number);
            continue;
        }
        let known = !in_identifier
            || identifier::issn(&text, statement.is("identifier", &["issn", "eissn"])).is_some()
            || text.contains("://")
            || identifier::doi(&text).is_some_and(|doi| resource.doi() == Some(doi))
            || resource.citations.contains(&text)
            || statement.is("identifier", &["citation"]);
        if !known {
            resource.identify(IdentifierKind::Other, text);
        }
    }
}

/// A relation in the form of DSpace and DiVA: series, semicolon, number.
fn series(statement: &Statement) -> Option<Series> {
    let refined = statement.is("relation", &["ispartofseries"]);
    if statement.element != "relation" || statement.qualifier.is_some() && !refined {
        return None;
    }
    let text = statement.line();
    let (title, number) = match text.split_once(';') {
        Some((title, number)) => (title.trim(), Some(number.trim())),
        None if refined => (text.as_str(), None),
        None => return None,
    };
    // DiVA puts the ISSN between.
    let title = match title.rsplit_once(',') {
        Some((name, number)) if identifier::issn(number, false).is_some() => name.trim(),
        _ => title,
    };
    let number = number.filter(|number| !number.is_empty());
    let plausible = !title.is_empty()
        && !text.contains("://")
        && number.is_none_or(|number| {
            number.len() < 40 && number.contains(|c: char| c.is_ascii_digit())
        });
    plausible.then(|| Series {
        title: title.to_owned(),
        number: number.map(str::to_owned),
    })
}
