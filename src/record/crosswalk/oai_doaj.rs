//! From `oai_doaj`, DOAJ's own article format, to the resource model.

use serde_json::Value;

use super::values::orcid_or_text;
use super::{CrosswalkError, checks, is_doaj, non_blank};
use crate::record::resource::{IdentifierKind, Language, Link, LinkPurpose, Subject, Text, Title};
use crate::record::xml::{Element, Token, Walker, XmlError};
use crate::record::{Agent, Kind, Resource};

/// Reads a `doajArticle`.
///
/// Elements count by their local names within DOAJ's namespace or none: records mix prefixed and
/// bare elements. What the format does not know, and what it does not allow twice, is kept in
/// `further` and flagged.
///
/// # Errors
/// If the document is malformed.
///
/// Source: doajArticles.xsd 1.3.
pub fn resource(metadata: &str) -> Result<Resource, CrosswalkError> {
    let mut walker = Walker::new(metadata);
    let mut resource = article();
    let mut affiliations = Affiliations::default();
    walker.next()?;
    while let Some(token) = walker.next()? {
        if let Token::Start(element) = token {
            child(&mut walker, &element, &mut resource, &mut affiliations)?;
        }
    }
    affiliations.resolve(&mut resource);
    name_host(&mut resource);
    checks::flag_odd_values(&mut resource);
    Ok(resource)
}

/// An article of which nothing is known yet.
fn article() -> Resource {
    Resource {
        kind: Kind::Article,
        ..Resource::default()
    }
}

/// The host of an article is a journal.
fn name_host(resource: &mut Resource) {
    if !resource.host.is_empty() {
        resource.host.kind = Some(Kind::Journal);
    }
}

/// The parts of a resource that tell works apart; see [`super::outline`].
///
/// # Errors
/// As [`resource`].
pub(crate) fn outline(metadata: &str) -> Result<Resource, CrosswalkError> {
    let mut walker = Walker::new(metadata);
    let mut resource = article();
    let mut affiliations = Affiliations::default();
    walker.next()?;
    while let Some(token) = walker.next()? {
        let Token::Start(element) = token else {
            continue;
        };
        match element.local_name() {
            "abstract" | "affiliationsList" | "keywords" => walker.skip()?,
            "authors" if is_doaj(&element) => names(&mut walker, &mut resource)?,
            _ => child(&mut walker, &element, &mut resource, &mut affiliations)?,
        }
    }
    name_host(&mut resource);
    Ok(resource)
}

/// The names of authors, as [`authors`] has them.
fn names(walker: &mut Walker<'_>, resource: &mut Resource) -> Result<(), XmlError> {
    let outside = walker.depth() - 1;
    while walker.depth() > outside {
        match walker.next()? {
            Some(Token::Start(element))
                if is_doaj(&element) && element.local_name() == "author" =>
            {
                resource.agents.push(Agent {
                    name: name_of_author(walker)?,
                    ..Agent::default()
                });
            }
            Some(Token::Start(_)) => walker.skip()?,
            _ => {}
        }
    }
    Ok(())
}

fn name_of_author(walker: &mut Walker<'_>) -> Result<String, XmlError> {
    let mut name = String::new();
    let outside = walker.depth() - 1;
    while walker.depth() > outside {
        match walker.next()? {
            Some(Token::Start(element))
                if name.is_empty() && is_doaj(&element) && element.local_name() == "name" =>
            {
                name = non_blank(&walker.text()?).unwrap_or_default();
            }
            Some(Token::Start(_)) => walker.skip()?,
            _ => {}
        }
    }
    Ok(name)
}

/// Agents name their affiliations by number; the list of these follows later.
#[derive(Default)]
struct Affiliations {
    /// Index of an author and a number it names.
    wanted: Vec<(usize, String)>,
    /// Number and name.
    listed: Vec<(String, String)>,
}

impl Affiliations {
    fn resolve(self, resource: &mut Resource) {
        let mut used = vec![false; self.listed.len()];
        for (author, id) in self.wanted {
            match self.listed.iter().position(|(listed, _)| *listed == id) {
                Some(at) => {
                    used[at] = true;
                    if let Some(author) = resource.agents.get_mut(author) {
                        author.affiliations.push(self.listed[at].1.clone());
                    }
                }
                None => {
                    resource.flag(format!(
                        "affiliationId {id:?} is not in the affiliationsList"
                    ));
                    resource.add_further("affiliationId", Value::from(id));
                }
            }
        }
        for ((_, name), _) in self.listed.into_iter().zip(used).filter(|(_, used)| !used) {
            resource.flag("an affiliation belongs to no author");
            resource.add_further("affiliationName", Value::from(name));
        }
    }
}

fn child(
    walker: &mut Walker<'_>,
    element: &Element<'_>,
    resource: &mut Resource,
    affiliations: &mut Affiliations,
) -> Result<(), XmlError> {
    let name = element.local_name();
    if !is_doaj(element) {
        return unknown(walker, name, resource);
    }
    let host = &mut resource.host;
    let slot = match name {
        "journalTitle" => &mut host.title,
        "issn" => &mut host.issn,
        "eissn" => &mut host.eissn,
        "volume" => &mut host.volume,
        "issue" => &mut host.issue,
        "startPage" => &mut host.start_page,
        "endPage" => &mut host.end_page,
        "publisher" | "publicationDate" | "doi" | "publisherRecordId" | "documentType" => {
            if let Some(text) = non_blank(&walker.text()?) {
                single(name, text, resource);
            }
            return Ok(());
        }
        "language" => {
            let language = non_blank(&walker.text()?).map(Language::read);
            resource.languages.extend(language);
            return Ok(());
        }
        "title" | "abstract" => return localised(walker, element, resource),
        "authors" => return authors(walker, resource, affiliations),
        "affiliationsList" => return affiliation_list(walker, resource, affiliations),
        "fullTextUrl" => {
            let format = element
                .attribute("format")
                .and_then(|format| non_blank(&format));
            if let Some(url) = non_blank(&walker.text()?) {
                resource.links.push(Link {
                    url,
                    format,
                    purpose: LinkPurpose::FullText,
                });
            }
            return Ok(());
        }
        "keywords" => return keywords(walker, element, resource),
        _ => return unknown(walker, name, resource),
    };
    if let Some(text) = non_blank(&walker.text()?) {
        match slot {
            None => *slot = Some(text),
            Some(_) => twice(name, text, resource),
        }
    }
    Ok(())
}

/// Takes a value that has its place in a list of the model, but that the format allows once.
fn single(name: &str, text: String, resource: &mut Resource) {
    let has = |kind| resource.identifiers_of(kind).next().is_some();
    match name {
        "publisher" if resource.publishers.is_empty() => resource.add_publisher(text),
        "publicationDate" if resource.dates.is_empty() => resource.publish(text),
        "doi" if !has(IdentifierKind::Doi) => resource.identify(IdentifierKind::Doi, text),
        "publisherRecordId" if !has(IdentifierKind::Publisher) => {
            resource.identify(IdentifierKind::Publisher, text);
        }
        "documentType" if resource.stated_types.is_empty() => resource.stated_types.push(text),
        _ => twice(name, text, resource),
    }
}

fn twice(name: &str, text: String, resource: &mut Resource) {
    resource.flag(format!("more than one {name}"));
    resource.add_further(name, Value::from(text));
}

fn unknown(walker: &mut Walker<'_>, name: &str, resource: &mut Resource) -> Result<(), XmlError> {
    let text = non_blank(&walker.text()?);
    resource.flag(format!("unknown element {name:?}"));
    if let Some(text) = text {
        resource.add_further(name, Value::from(text));
    }
    Ok(())
}

fn language_of(element: &Element<'_>) -> Option<String> {
    let language = element
        .attribute("language")
        .or_else(|| element.attribute("lang"))?;
    non_blank(&language)
}

/// A title or an abstract.
fn localised(
    walker: &mut Walker<'_>,
    element: &Element<'_>,
    resource: &mut Resource,
) -> Result<(), XmlError> {
    let Some(text) = non_blank(&walker.text()?) else {
        return Ok(());
    };
    let language = language_of(element);
    if element.local_name() == "title" {
        resource.titles.push(Title {
            text,
            subtitle: None,
            language,
        });
    } else {
        resource.abstracts.push(Text { text, language });
    }
    Ok(())
}

fn authors(
    walker: &mut Walker<'_>,
    resource: &mut Resource,
    affiliations: &mut Affiliations,
) -> Result<(), XmlError> {
    let outside = walker.depth() - 1;
    while walker.depth() > outside {
        match walker.next()? {
            Some(Token::Start(element))
                if is_doaj(&element) && element.local_name() == "author" =>
            {
                let author = author(walker, resource, affiliations)?;
                resource.agents.push(author);
            }
            Some(Token::Start(element)) => unknown(walker, element.local_name(), resource)?,
            _ => {}
        }
    }
    Ok(())
}

fn author(
    walker: &mut Walker<'_>,
    resource: &mut Resource,
    affiliations: &mut Affiliations,
) -> Result<Agent, XmlError> {
    let mut author = Agent::default();
    let outside = walker.depth() - 1;
    while walker.depth() > outside {
        let Some(Token::Start(element)) = walker.next()? else {
            continue;
        };
        let name = element.local_name();
        if !matches!(name, "name" | "email" | "affiliationId" | "orcid_id") || !is_doaj(&element) {
            unknown(walker, name, resource)?;
            continue;
        }
        let Some(text) = non_blank(&walker.text()?) else {
            continue;
        };
        let twice = match name {
            "affiliationId" => {
                affiliations.wanted.push((resource.agents.len(), text));
                None
            }
            "email" => author.email.replace(text),
            "orcid_id" => author.orcid.replace(orcid_or_text(text)),
            _ if author.name.is_empty() => {
                author.name = text;
                None
            }
            _ => Some(text),
        };
        if let Some(text) = twice {
            resource.flag(format!("more than one {name} of an author"));
            resource.add_further(name, Value::from(text));
        }
    }
    Ok(author)
}

fn affiliation_list(
    walker: &mut Walker<'_>,
    resource: &mut Resource,
    affiliations: &mut Affiliations,
) -> Result<(), XmlError> {
    let outside = walker.depth() - 1;
    while walker.depth() > outside {
        match walker.next()? {
            Some(Token::Start(element))
                if is_doaj(&element) && element.local_name() == "affiliationName" =>
            {
                let id = element.attribute("affiliationId").unwrap_or_default();
                if let Some(name) = non_blank(&walker.text()?) {
                    affiliations.listed.push((id.trim().to_owned(), name));
                }
            }
            Some(Token::Start(element)) => unknown(walker, element.local_name(), resource)?,
            _ => {}
        }
    }
    Ok(())
}

fn keywords(
    walker: &mut Walker<'_>,
    element: &Element<'_>,
    resource: &mut Resource,
) -> Result<(), XmlError> {
    let language = language_of(element);
    let outside = walker.depth() - 1;
    while walker.depth() > outside {
        match walker.next()? {
            Some(Token::Start(element))
                if is_doaj(&element) && element.local_name() == "keyword" =>
            {
                let Some(text) = non_blank(&walker.text()?) else {
                    continue;
                };
                resource.subjects.push(Subject {
                    term: text,
                    language: language.clone(),
                    ..Subject::default()
                });
            }
            Some(Token::Start(element)) => unknown(walker, element.local_name(), resource)?,
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::resource::{Date, DateKind, Host, Identifier, Publisher};

    fn read(inner: &str) -> Resource {
        resource(&format!("<doajArticle>{inner}</doajArticle>")).unwrap()
    }

    #[test]
    fn an_outline_is_the_article_without_what_tells_no_works_apart() {
        let documents = [
            "<title>T</title><abstract>A <b>x</b></abstract><title>U</title><doi>10.1/x</doi>\
             <authors><author><name> </name><name>A</name><name>B</name><email>e</email></author>\
             <x>y</x><author><orcid_id>0</orcid_id></author></authors><keywords><keyword>k</keyword>\
             </keywords><startPage>3</startPage><affiliationsList><affiliationName>N\
             </affiliationName></affiliationsList><unknown>u</unknown><volume>5</volume>",
            "<authors/><keywords/><title/><authors><author/></authors>",
        ];
        for document in documents {
            let document = format!("<doajArticle>{document}</doajArticle>");
            let full = resource(&document).unwrap();
            let outline = outline(&document).unwrap();
            let names = |resource: &Resource| {
                let authors = resource.agents.iter();
                authors
                    .map(|author| author.name.clone())
                    .collect::<Vec<_>>()
            };
            assert_eq!(names(&outline), names(&full));
            let rest = |resource: Resource| Resource {
                abstracts: Vec::new(),
                agents: Vec::new(),
                subjects: Vec::new(),
                further: Default::default(),
                flags: Vec::new(),
                ..resource
            };
            assert_eq!(rest(outline), rest(full));
        }
        for broken in [
            "<doajArticle><abstract>x</b></doajArticle>",
            "<doajArticle>",
        ] {
            assert_eq!(outline(broken).unwrap_err(), resource(broken).unwrap_err());
        }
    }

    #[test]
    fn reads_all_that_the_format_has() {
        let resource = read(
            "<language>ger</language><language>eng</language><publisher> P &amp; Q </publisher>\
             <journalTitle>J</journalTitle><issn>1932-6203</issn><eissn>2529-850X</eissn>\
             <publicationDate>1998-01-01</publicationDate><volume>5</volume><issue>1</issue>\
             <startPage>25</startPage><endPage>29</endPage><doi>10.1/x</doi>\
             <publisherRecordId>648</publisherRecordId><documentType>article</documentType>\
             <title language=\"ger\">T1</title><title language=\"eng\">T2</title>\
             <authors><author><name>A</name><email>a@b.c</email><affiliationId>1</affiliationId>\
             <affiliationId>2</affiliationId><orcid_id>https://orcid.org/0000-0002-1825-0097</orcid_id>\
             </author><author><name/></author></authors>\
             <affiliationsList><affiliationName affiliationId=\"1\">U1</affiliationName>\
             <affiliationName affiliationId=\"2\">U2</affiliationName></affiliationsList>\
             <abstract language=\"ger\">Z</abstract><abstract language=\"eng\">S</abstract>\
             <fullTextUrl format=\"pdf\">http://x.y/z</fullTextUrl>\
             <keywords language=\"eng\"><keyword>k</keyword><keyword> </keyword></keywords>\
             <keywords><keyword>l</keyword></keywords>",
        );
        let text = |text: &str| Some(text.to_owned());
        let title = |language: &str, text: &str| Title {
            text: text.to_owned(),
            subtitle: None,
            language: Some(language.to_owned()),
        };
        let abstract_text = |language: &str, text: &str| Text {
            text: text.to_owned(),
            language: Some(language.to_owned()),
        };
        let keyword = |term: &str, language: Option<&str>| Subject {
            term: term.to_owned(),
            language: language.map(str::to_owned),
            ..Subject::default()
        };
        let language = |text: &str, iso639_3: &str| Language {
            text: text.to_owned(),
            code: Some(text.to_owned()),
            iso639_3: Some(iso639_3.to_owned()),
        };
        let identifier = |kind, value: &str| Identifier {
            kind,
            value: value.to_owned(),
        };
        let expected = Resource {
            kind: Kind::Article,
            stated_types: vec!["article".to_owned()],
            titles: vec![title("ger", "T1"), title("eng", "T2")],
            agents: vec![
                Agent {
                    name: "A".to_owned(),
                    orcid: text("0000-0002-1825-0097"),
                    affiliations: vec!["U1".to_owned(), "U2".to_owned()],
                    email: text("a@b.c"),
                    ..Agent::default()
                },
                Agent::default(),
            ],
            dates: vec![Date {
                kind: DateKind::Published,
                text: "1998-01-01".to_owned(),
            }],
            host: Host {
                title: text("J"),
                kind: Some(Kind::Journal),
                issn: text("1932-6203"),
                eissn: text("2529-850X"),
                volume: text("5"),
                issue: text("1"),
                start_page: text("25"),
                end_page: text("29"),
                ..Host::default()
            },
            identifiers: vec![
                identifier(IdentifierKind::Doi, "10.1/x"),
                identifier(IdentifierKind::Publisher, "648"),
            ],
            links: vec![Link {
                url: "http://x.y/z".to_owned(),
                format: text("pdf"),
                purpose: LinkPurpose::FullText,
            }],
            languages: vec![language("ger", "deu"), language("eng", "eng")],
            subjects: vec![keyword("k", Some("eng")), keyword("l", None)],
            abstracts: vec![abstract_text("ger", "Z"), abstract_text("eng", "S")],
            publishers: vec![Publisher {
                name: text("P & Q"),
                ..Publisher::default()
            }],
            flags: vec!["author without a name".to_owned()],
            ..Resource::default()
        };
        assert_eq!(resource, expected);
    }

    #[test]
    fn flags_and_keeps_what_is_odd() {
        let cases = [
            (
                "unknown element",
                "<title>t</title><seal>yes</seal>",
                "unknown element \"seal\"",
                Some(("seal", "yes")),
            ),
            (
                "foreign element",
                "<title>t</title><x:doi xmlns:x=\"urn:x\">1</x:doi>",
                "unknown element \"doi\"",
                Some(("doi", "1")),
            ),
            (
                "element twice",
                "<title>t</title><doi>10.1/a</doi><doi>10.1/b</doi>",
                "more than one doi",
                Some(("doi", "10.1/b")),
            ),
            (
                "junk DOI",
                "<title>t</title><doi>undefined</doi>",
                "\"undefined\" is no DOI",
                None,
            ),
            (
                "wrong ISSN",
                "<title>t</title><issn>1932-6204</issn>",
                "issn \"1932-6204\": its check digit should be 3",
                None,
            ),
            ("no title", "<issn>1932-6203</issn>", "no title", None),
            (
                "dangling affiliation",
                "<title>t</title><authors><author><name>A</name><affiliationId>7</affiliationId></author></authors>",
                "affiliationId \"7\" is not in the affiliationsList",
                Some(("affiliationId", "7")),
            ),
            (
                "spare affiliation",
                "<title>t</title><affiliationsList><affiliationName affiliationId=\"0\">U</affiliationName></affiliationsList>",
                "an affiliation belongs to no author",
                Some(("affiliationName", "U")),
            ),
            (
                "URL without scheme",
                "<title>t</title><fullTextUrl>x.y/z</fullTextUrl>",
                "link \"x.y/z\" has no scheme",
                None,
            ),
            (
                "date",
                "<title>t</title><publicationDate>2015-00-00</publicationDate>",
                "date of publication \"2015-00-00\" is no date",
                None,
            ),
        ];
        for (case, inner, flag, further) in cases {
            let resource = read(inner);
            assert_eq!(resource.flags, [flag], "{case}");
            let kept = resource
                .further
                .iter()
                .next()
                .map(|(name, value)| (name.as_str(), value.as_str().unwrap()));
            assert_eq!(kept, further, "{case}");
        }
    }

    #[test]
    fn takes_either_namespace_and_none() {
        let roots = [
            r#"xmlns:p="http://doaj.org/features/oai_doaj/1.0/""#,
            r#"xmlns:p="https://doaj.org/features/oai_doaj/1.0/""#,
            r#"xmlns="http://www.openarchives.org/OAI/2.0/" xmlns:p="http://doaj.org/features/oai_doaj/1.0/""#,
        ];
        for root in roots {
            let document = format!(
                "<p:doajArticle {root}><p:title>T</p:title>\
                 <authors><author><name>A</name></author></authors></p:doajArticle>"
            );
            let resource = resource(&document).unwrap();
            assert_eq!(resource.title(), Some("T"), "{root}");
            assert_eq!(resource.agents.len(), 1, "{root}");
            assert!(resource.flags.is_empty(), "{root}: {:?}", resource.flags);
        }
    }

    #[test]
    fn takes_markup_within_a_title_as_text() {
        assert_eq!(
            read("<title>The <i>E. coli</i> case</title>").title(),
            Some("The E. coli case")
        );
    }
}
