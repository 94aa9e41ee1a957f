//! From Dublin Core to the resource model: DOAJ's articles and journals, and other repositories.

use serde_json::Value;

use super::{CrosswalkError, checks, non_blank};
use crate::record::resource::{
    IdentifierKind, Language, LinkPurpose, Rights, Role, Subject, Text, Title,
};
use crate::record::xml::{Element, Namespace, Token, Walker, XmlError};
use crate::record::{Agent, Kind, Link, Resource, doi, issn};

/// Reads a `dc` container with the fifteen elements of Dublin Core, and the terms that repositories
/// mix in.
///
/// Dublin Core says little about its values, so the article's DOI, ISSNs and links are told apart
/// by their form, and volume, issue and pages come from a `source` in the form of DOAJ or of Open
/// Journal Systems. Two ISSNs are taken as print and electronic, in this order, which is DOAJ's.
///
/// # Errors
/// If the document is malformed.
///
/// Source: Dublin Core 1.1; DOAJ's `oai_dc`.
pub fn resource(metadata: &str) -> Result<Resource, CrosswalkError> {
    let mut walker = Walker::new(metadata);
    let mut resource = Resource {
        kind: Kind::Article,
        ..Resource::default()
    };
    let mut found = Found::default();
    walker.next()?;
    while let Some(token) = walker.next()? {
        if let Token::Start(element) = token {
            child(&mut walker, &element, &mut resource, &mut found)?;
        }
    }
    found.settle(&mut resource);
    checks::flag_odd_values(&mut resource);
    Ok(resource)
}

/// Values that are assigned once the whole record is known.
#[derive(Default)]
struct Found {
    issns: Vec<String>,
    /// Values of `relation`.
    relations: Vec<String>,
    /// Links from `identifier`.
    addresses: Vec<String>,
    /// The last subject of a controlled scheme, if it has no code yet.
    open_subject: Option<usize>,
}

impl Found {
    fn settle(self, resource: &mut Resource) {
        let journal = resource.kind == Kind::Journal;
        if self.issns.len() > 1 {
            resource.flag("which ISSN is which is not said");
        }
        let mut issns = self.issns.into_iter();
        resource.host.issn = issns.next();
        resource.host.eissn = issns.next();
        resource.host.other_issns.extend(issns);
        for url in self.relations {
            if url.contains("://") {
                resource.links.push(Link {
                    url,
                    format: None,
                    purpose: purpose(!journal),
                });
            } else {
                resource.add_further("relation", Value::from(url));
            }
        }
        for url in self.addresses {
            let of_doaj = url.contains("://doaj.org/") || url.contains("://www.doaj.org/");
            resource.links.push(Link {
                url,
                format: None,
                purpose: purpose(!journal && !of_doaj),
            });
        }
        if journal && resource.host.title.is_none() {
            resource.host.title = resource.title().map(str::to_owned);
        }
        if !resource.host.is_empty() {
            resource.host.kind = Some(Kind::Journal);
        }
    }
}

fn purpose(fulltext: bool) -> LinkPurpose {
    match fulltext {
        true => LinkPurpose::FullText,
        false => LinkPurpose::Landing,
    }
}

fn child(
    walker: &mut Walker<'_>,
    element: &Element<'_>,
    resource: &mut Resource,
    found: &mut Found,
) -> Result<(), XmlError> {
    let name = element.local_name();
    let language = element
        .attribute("lang")
        .and_then(|language| non_blank(&language));
    let Some(text) = non_blank(&walker.text()?) else {
        return Ok(());
    };
    if element.namespace == Namespace::Other {
        resource.flag(format!("unknown element {name:?}"));
        resource.add_further(name, Value::from(text));
        return Ok(());
    }
    if name != "subject" {
        found.open_subject = None;
    }
    match name {
        "title" | "alternative" => resource.titles.push(Title {
            text,
            subtitle: None,
            language,
        }),
        "description" | "abstract" => resource.abstracts.push(Text { text, language }),
        "creator" => resource.agents.push(person(element, text)),
        "contributor" => resource.agents.push(Agent {
            role: Role::Contributor,
            ..person(element, text)
        }),
        "subject" => subject(element, language, text, resource, found),
        // DOAJ's journals carry their publisher twice.
        "publisher" if resource.publisher().is_none_or(|first| first == text) => {
            resource.add_publisher(text);
        }
        "date" | "issued" | "created" if resource.dates.is_empty() => resource.publish(text),
        "type" => kind(text, resource),
        "identifier" => identifier(text, resource, found),
        "source" | "bibliographicCitation" => source(text, resource, found),
        "language" => resource.languages.push(Language::read(text)),
        "relation" => {
            if !found.relations.contains(&text) {
                found.relations.push(text);
            }
        }
        "rights" | "license" => resource.rights.push(Rights {
            text: Some(text),
            url: None,
        }),
        _ => resource.add_further(name, Value::from(text)),
    }
    Ok(())
}

/// DOAJ puts an author's ORCID iD into the attribute `id`.
fn person(element: &Element<'_>, name: String) -> Agent {
    let orcid = element.attribute("id").and_then(|id| non_blank(&id));
    Agent {
        name,
        orcid,
        ..Agent::default()
    }
}

fn kind(text: String, resource: &mut Resource) {
    if text.eq_ignore_ascii_case("journal") {
        resource.kind = Kind::Journal;
    }
    resource.stated_types.push(text);
}

fn identifier(text: String, resource: &mut Resource, found: &mut Found) {
    if doi::normalise(&text).is_some() {
        resource.identify(IdentifierKind::Doi, text);
    } else if issn::looks_like_one(&text) {
        if !found.issns.contains(&text) {
            found.issns.push(text);
        }
    } else if text.contains("://") {
        found.addresses.push(text);
    } else if text.to_lowercase().contains("isbn") {
        resource.identify(IdentifierKind::Isbn, text);
    } else {
        resource.identify(IdentifierKind::Other, text);
    }
}

/// DOAJ gives a subject of the Library of Congress Classification twice, as term and as code, each
/// with a type; other subjects with their scheme before a colon, and keywords as they are.
fn subject(
    element: &Element<'_>,
    language: Option<String>,
    text: String,
    resource: &mut Resource,
    found: &mut Found,
) {
    if let Some(scheme) = element.attribute("type") {
        let scheme = match scheme.rsplit(':').next() {
            // DOAJ calls the classification so.
            Some("LCSH" | "LCC") => "LCC".to_owned(),
            _ => scheme,
        };
        if let Some(at) = found.open_subject.take()
            && scheme == "LCC"
            && is_lcc_code(&text)
        {
            resource.subjects[at].code = Some(text);
            return;
        }
        found.open_subject = Some(resource.subjects.len());
        resource.subjects.push(Subject {
            scheme: Some(scheme),
            term: text,
            language,
            ..Subject::default()
        });
        return;
    }
    found.open_subject = None;
    if let Some((scheme @ ("DOAJ" | "LCC"), term)) = text.split_once(':') {
        resource.subjects.push(Subject {
            scheme: Some(scheme.to_owned()),
            term: term.trim().to_owned(),
            language,
            ..Subject::default()
        });
        return;
    }
    resource.subjects.push(Subject {
        term: text,
        language,
        ..Subject::default()
    });
}

/// One to three capitals, then nothing or a number or a range: `R`, `RC31-1245`, `QH301-705.5`.
fn is_lcc_code(text: &str) -> bool {
    let digits = text.trim_start_matches(|c: char| c.is_ascii_uppercase());
    let letters = text.len() - digits.len();
    (1..=3).contains(&letters)
        && digits
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'(' | b')'))
}

/// Reads where an article appeared: an ISSN, a citation, or a text that says no more.
fn source(text: String, resource: &mut Resource, found: &mut Found) {
    if issn::looks_like_one(&text) {
        if !found.issns.contains(&text) {
            found.issns.push(text);
        }
        return;
    }
    if resource.host.title.is_none() && !text.contains("://") {
        let place = ojs_citation(&text).or_else(|| doaj_citation(&text));
        let place = place.unwrap_or_else(|| Place {
            journal: &text,
            ..Place::default()
        });
        let own = |text: Option<&str>| text.and_then(non_blank);
        let host = &mut resource.host;
        host.title = non_blank(place.journal);
        host.volume = own(place.volume);
        host.issue = own(place.issue);
        host.start_page = own(place.start_page);
        host.end_page = own(place.end_page);
    }
    resource.citations.push(text);
}

/// Parts of a citation.
#[derive(Debug, Default, PartialEq)]
struct Place<'a> {
    journal: &'a str,
    volume: Option<&'a str>,
    issue: Option<&'a str>,
    start_page: Option<&'a str>,
    end_page: Option<&'a str>,
}

/// `Title, Vol 5, Iss 1, Pp 25-29 (1998)`, each part but the title optional, read from the end
/// because a title may hold commas. `None` if it has no part but the title.
fn doaj_citation(text: &str) -> Option<Place<'_>> {
    let mut rest = text;
    if let Some((head, year)) = rest.rsplit_once(" (")
        && year.ends_with(')')
        && year.len() == 5
    {
        rest = head;
    }
    let mut place = Place::default();
    let mut found = rest.len() < text.len();
    for (mark, slot) in [
        (", Pp ", &mut place.start_page),
        (", Iss ", &mut place.issue),
        (", Vol ", &mut place.volume),
    ] {
        if let Some((head, value)) = rest.rsplit_once(mark) {
            *slot = Some(value);
            rest = head;
            found = true;
        }
    }
    if let Some((start, end)) = place.start_page.and_then(|pages| pages.split_once('-')) {
        place.start_page = Some(start);
        place.end_page = Some(end);
    }
    place.journal = rest;
    found.then_some(place)
}

/// `Title; Vol. 5 No. 1 (1998): Name of the issue; 25-29`, as Open Journal Systems writes it.
fn ojs_citation(text: &str) -> Option<Place<'_>> {
    let (journal, rest) = text.split_once("; ")?;
    let (issue, pages) = rest
        .rsplit_once("; ")
        .map_or((rest, None), |(issue, pages)| (issue, Some(pages)));
    let after = |mark: &str| {
        let (_, value) = issue.split_once(mark)?;
        let end = value.find([' ', ';', ':', ',']).unwrap_or(value.len());
        (end > 0).then(|| &value[..end])
    };
    let volume = after("Vol. ").or_else(|| after("Vol "));
    let number = after("No. ")
        .or_else(|| after("No "))
        .or_else(|| after("Núm. "))
        .or_else(|| after("n. "));
    if volume.is_none() && number.is_none() {
        return None;
    }
    let (start_page, end_page) = match pages.map(|pages| {
        pages
            .split_once('-')
            .map_or((pages, None), |(start, end)| (start, Some(end)))
    }) {
        Some((start, end)) => (Some(start), end),
        None => (None, None),
    };
    Some(Place {
        journal,
        volume,
        issue: number,
        start_page,
        end_page,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::resource::{Date, DateKind, Host, Identifier, Publisher};

    fn read(inner: &str) -> Resource {
        resource(&format!(
            "<oai_dc:dc xmlns:oai_dc=\"http://www.openarchives.org/OAI/2.0/oai_dc/\" \
             xmlns:dc=\"http://purl.org/dc/elements/1.1/\" \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">{inner}</oai_dc:dc>"
        ))
        .unwrap()
    }

    #[test]
    fn reads_an_article_of_doaj() {
        let resource = read(
            "<dc:title>\n  T\n</dc:title><dc:identifier>0102-311X</dc:identifier>\
             <dc:identifier>1678-4464</dc:identifier><dc:identifier>10.1/x</dc:identifier>\
             <dc:identifier>https://doaj.org/article/2f03</dc:identifier>\
             <dc:date>2006-01-01T00:00:00Z</dc:date><dc:relation>http://s.br/1</dc:relation>\
             <dc:description>D</dc:description><dc:creator>A</dc:creator>\
             <dc:creator id=\"https://orcid.org/0000-0002-1825-0097\">B</dc:creator>\
             <dc:publisher>P</dc:publisher><dc:type>article</dc:type>\
             <dc:subject>k1</dc:subject><dc:subject>DOAJ:Public Health</dc:subject>\
             <dc:subject xsi:type=\"dcterms:LCSH\">Internal medicine</dc:subject>\
             <dc:subject xsi:type=\"dcterms:LCSH\">RC31-1245</dc:subject>\
             <dc:subject xsi:type=\"dcterms:LCSH\">Medicine</dc:subject>\
             <dc:subject xsi:type=\"dcterms:LCSH\">R</dc:subject>\
             <dc:language>English</dc:language><dc:language>Spanish</dc:language>\
             <dc:source>Cadernos, Rio, Vol 22, Iss 8, Pp 1-9 (2006)</dc:source>\
             <dc:rights>CC BY</dc:rights>",
        );
        let text = |text: &str| Some(text.to_owned());
        let subject = |scheme: &str, code: Option<&str>, term: &str| Subject {
            scheme: text(scheme),
            code: code.map(str::to_owned),
            term: term.to_owned(),
            language: None,
        };
        let agent = |name: &str, orcid: Option<&str>| Agent {
            name: name.to_owned(),
            orcid: orcid.map(str::to_owned),
            ..Agent::default()
        };
        let expected = Resource {
            kind: Kind::Article,
            stated_types: vec!["article".to_owned()],
            titles: vec![Title::from("T".to_owned())],
            agents: vec![
                agent("A", None),
                agent("B", Some("https://orcid.org/0000-0002-1825-0097")),
            ],
            dates: vec![Date {
                kind: DateKind::Published,
                text: "2006-01-01T00:00:00Z".to_owned(),
            }],
            host: Host {
                title: text("Cadernos, Rio"),
                kind: Some(Kind::Journal),
                issn: text("0102-311X"),
                eissn: text("1678-4464"),
                volume: text("22"),
                issue: text("8"),
                start_page: text("1"),
                end_page: text("9"),
                ..Host::default()
            },
            identifiers: vec![Identifier {
                kind: IdentifierKind::Doi,
                value: "10.1/x".to_owned(),
            }],
            links: vec![
                Link {
                    url: "http://s.br/1".to_owned(),
                    format: None,
                    purpose: LinkPurpose::FullText,
                },
                Link {
                    url: "https://doaj.org/article/2f03".to_owned(),
                    format: None,
                    purpose: LinkPurpose::Landing,
                },
            ],
            languages: ["English", "Spanish"]
                .map(|name| Language::read(name.to_owned()))
                .to_vec(),
            subjects: vec![
                Subject {
                    term: "k1".to_owned(),
                    ..Subject::default()
                },
                subject("DOAJ", None, "Public Health"),
                subject("LCC", Some("RC31-1245"), "Internal medicine"),
                subject("LCC", Some("R"), "Medicine"),
            ],
            abstracts: vec![Text {
                text: "D".to_owned(),
                language: None,
            }],
            rights: vec![Rights {
                text: text("CC BY"),
                url: None,
            }],
            publishers: vec![Publisher {
                name: text("P"),
                ..Publisher::default()
            }],
            citations: vec!["Cadernos, Rio, Vol 22, Iss 8, Pp 1-9 (2006)".to_owned()],
            flags: vec!["which ISSN is which is not said".to_owned()],
            ..Resource::default()
        };
        assert_eq!(resource, expected);
    }

    #[test]
    fn reads_a_journal() {
        let resource = read(
            "<dc:title>J</dc:title><dc:identifier>1330-4860</dc:identifier>\
             <dc:type>journal</dc:type><dc:publisher>P</dc:publisher>\
             <dc:relation>http://j.hr/</dc:relation><dc:relation>http://j.hr/</dc:relation>\
             <dc:publisher>P</dc:publisher><dc:rights>CC BY</dc:rights>",
        );
        assert_eq!(resource.kind, Kind::Journal);
        assert_eq!(resource.host.title.as_deref(), Some("J"));
        assert_eq!(resource.links.len(), 1);
        assert_eq!(resource.fulltext_url(), None);
        assert!(resource.further.is_empty(), "{:?}", resource.further);
    }

    #[test]
    fn keeps_what_has_no_place() {
        let resource = read(
            "<dc:title xml:lang=\"en\">T</dc:title><dc:title>U</dc:title>\
             <dc:contributor>C</dc:contributor><dc:coverage>x</dc:coverage><dc:coverage>y</dc:coverage>\
             <dc:type>Text</dc:type><dc:type>Review</dc:type><dc:relation>vol 3</dc:relation>\
             <dc:identifier>local:1</dc:identifier><dc:date>2001</dc:date><dc:date>2002</dc:date>\
             <z:odd xmlns:z=\"urn:z\">o</z:odd>",
        );
        assert_eq!(resource.titles[1].text, "U");
        assert_eq!(resource.titles[0].language.as_deref(), Some("en"));
        assert_eq!(resource.contributors().next().unwrap().name, "C");
        assert_eq!(resource.identifiers[0].value, "local:1");
        assert_eq!(resource.stated_types, ["Text", "Review"]);
        assert_eq!(
            Value::Object(resource.further),
            serde_json::json!({
                "coverage": ["x", "y"], "date": "2002", "odd": "o",
                "relation": "vol 3",
            })
        );
    }

    #[test]
    fn reads_citations() {
        let place = |journal, volume, issue, start_page, end_page| Place {
            journal,
            volume,
            issue,
            start_page,
            end_page,
        };
        let cases = [
            (
                "J, Vol 5, Iss 1, Pp 25-29 (1998)",
                Some(place("J", Some("5"), Some("1"), Some("25"), Some("29"))),
            ),
            (
                "J, of, K, Vol 5, Pp e12 (1998)",
                Some(place("J, of, K", Some("5"), None, Some("e12"), None)),
            ),
            ("J (1998)", Some(place("J", None, None, None, None))),
            (
                "J; Vol. 5 No. 1 (1998): Special; 25-29",
                Some(place("J", Some("5"), Some("1"), Some("25"), Some("29"))),
            ),
            (
                "J; No. 7 (1998)",
                Some(place("J", None, Some("7"), None, None)),
            ),
            ("The Journal of Words", None),
            ("A; B", None),
        ];
        for (text, expected) in cases {
            assert_eq!(
                ojs_citation(text).or_else(|| doaj_citation(text)),
                expected,
                "{text}"
            );
        }
    }
}
