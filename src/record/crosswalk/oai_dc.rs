//! From Dublin Core to the article model: DOAJ's articles and journals, and other repositories.

use serde_json::Value;

use super::{CrosswalkError, checks, non_blank};
use crate::record::xml::{Element, Namespace, Token, Walker, XmlError};
use crate::record::{Article, Author, Kind, LanguageText, Link, Subject, doi, issn};

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
pub fn article(metadata: &str) -> Result<Article, CrosswalkError> {
    let mut walker = Walker::new(metadata);
    let mut article = Article::default();
    let mut found = Found::default();
    walker.next()?;
    while let Some(token) = walker.next()? {
        if let Token::Start(element) = token {
            child(&mut walker, &element, &mut article, &mut found)?;
        }
    }
    found.settle(&mut article);
    checks::flag_odd_values(&mut article);
    Ok(article)
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
    fn settle(self, article: &mut Article) {
        let journal = article.kind == Kind::Journal;
        if self.issns.len() > 1 {
            article.flag("which ISSN is which is not said");
        }
        let mut issns = self.issns.into_iter();
        article.issn = issns.next();
        article.eissn = issns.next();
        article.other_issns.extend(issns);
        for url in self.relations {
            if url.contains("://") {
                article.links.push(Link {
                    url,
                    format: None,
                    fulltext: !journal,
                });
            } else {
                article.add_further("relation", Value::from(url));
            }
        }
        for url in self.addresses {
            let of_doaj = url.contains("://doaj.org/") || url.contains("://www.doaj.org/");
            article.links.push(Link {
                url,
                format: None,
                fulltext: !journal && !of_doaj,
            });
        }
        if journal && article.journal.is_none() {
            article.journal.clone_from(&article.title);
        }
    }
}

fn child(
    walker: &mut Walker<'_>,
    element: &Element<'_>,
    article: &mut Article,
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
        article.flag(format!("unknown element {name:?}"));
        article.add_further(name, Value::from(text));
        return Ok(());
    }
    if name != "subject" {
        found.open_subject = None;
    }
    match name {
        "title" | "alternative" => {
            if let Some(language) = language {
                article.titles_by_language.push(LanguageText {
                    language,
                    text: text.clone(),
                });
            }
            article.add_title(text);
        }
        "description" | "abstract" => {
            if let Some(language) = language {
                article.abstracts_by_language.push(LanguageText {
                    language,
                    text: text.clone(),
                });
            }
            article.add_abstract(text);
        }
        "creator" => article.authors.push(person(element, text)),
        "contributor" => article.contributors.push(person(element, text)),
        "subject" => subject(element, language, text, article, found),
        "publisher" if article.publisher.is_none() => article.publisher = Some(text),
        // DOAJ's journals carry their publisher twice.
        "publisher" if article.publisher.as_ref() == Some(&text) => {}
        "date" | "issued" | "created" if article.published.is_none() => {
            article.published = Some(text);
        }
        "type" => kind(text, article),
        "identifier" => identifier(text, article, found),
        "source" | "bibliographicCitation" => source(text, article, found),
        "language" => article.languages.push(text),
        "relation" => {
            if !found.relations.contains(&text) {
                found.relations.push(text);
            }
        }
        "rights" | "license" => article.licences.push(text),
        _ => article.add_further(name, Value::from(text)),
    }
    Ok(())
}

/// DOAJ puts an author's ORCID iD into the attribute `id`.
fn person(element: &Element<'_>, name: String) -> Author {
    let orcid = element.attribute("id").and_then(|id| non_blank(&id));
    Author {
        name,
        orcid,
        ..Author::default()
    }
}

fn kind(text: String, article: &mut Article) {
    match text.to_ascii_lowercase().as_str() {
        "journal" => article.kind = Kind::Journal,
        "article" if article.document_type.is_none() => {}
        _ if article.document_type.is_none() => {
            article.document_type = Some(text);
            return;
        }
        _ => {}
    }
    if !matches!(text.as_str(), "journal" | "article") {
        article.add_further("type", Value::from(text));
    }
}

fn identifier(text: String, article: &mut Article, found: &mut Found) {
    if doi::normalise(&text).is_some() {
        match article.doi {
            None => article.doi = Some(text),
            Some(_) => article.identifiers.push(text),
        }
    } else if issn::looks_like_one(&text) {
        if !found.issns.contains(&text) {
            found.issns.push(text);
        }
    } else if text.contains("://") {
        found.addresses.push(text);
    } else {
        article.identifiers.push(text);
    }
}

/// DOAJ gives a subject of the Library of Congress Classification twice, as term and as code, each
/// with a type; other subjects with their scheme before a colon, and keywords as they are.
fn subject(
    element: &Element<'_>,
    language: Option<String>,
    text: String,
    article: &mut Article,
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
            article.subjects[at].code = Some(text);
            return;
        }
        found.open_subject = Some(article.subjects.len());
        article.subjects.push(Subject {
            scheme: Some(scheme),
            code: None,
            term: text,
        });
        return;
    }
    found.open_subject = None;
    if let Some((scheme @ ("DOAJ" | "LCC"), term)) = text.split_once(':') {
        article.subjects.push(Subject {
            scheme: Some(scheme.to_owned()),
            code: None,
            term: term.trim().to_owned(),
        });
        return;
    }
    if let Some(language) = language {
        article.keywords_by_language.push(LanguageText {
            language,
            text: text.clone(),
        });
    }
    article.keywords.push(text);
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
fn source(text: String, article: &mut Article, found: &mut Found) {
    if issn::looks_like_one(&text) {
        if !found.issns.contains(&text) {
            found.issns.push(text);
        }
        return;
    }
    if article.journal.is_none() && !text.contains("://") {
        let place = ojs_citation(&text).or_else(|| doaj_citation(&text));
        let place = place.unwrap_or_else(|| Place {
            journal: &text,
            ..Place::default()
        });
        let own = |text: Option<&str>| text.and_then(non_blank);
        article.journal = non_blank(place.journal);
        article.volume = own(place.volume);
        article.issue = own(place.issue);
        article.start_page = own(place.start_page);
        article.end_page = own(place.end_page);
    }
    article.citations.push(text);
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

    fn read(inner: &str) -> Article {
        article(&format!(
            "<oai_dc:dc xmlns:oai_dc=\"http://www.openarchives.org/OAI/2.0/oai_dc/\" \
             xmlns:dc=\"http://purl.org/dc/elements/1.1/\" \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">{inner}</oai_dc:dc>"
        ))
        .unwrap()
    }

    #[test]
    fn reads_an_article_of_doaj() {
        let article = read(
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
        };
        let expected = Article {
            title: text("T"),
            authors: vec![
                Author {
                    name: "A".to_owned(),
                    ..Author::default()
                },
                Author {
                    name: "B".to_owned(),
                    orcid: text("https://orcid.org/0000-0002-1825-0097"),
                    ..Author::default()
                },
            ],
            journal: text("Cadernos, Rio"),
            publisher: text("P"),
            issn: text("0102-311X"),
            eissn: text("1678-4464"),
            doi: text("10.1/x"),
            published: text("2006-01-01T00:00:00Z"),
            volume: text("22"),
            issue: text("8"),
            start_page: text("1"),
            end_page: text("9"),
            languages: vec!["English".to_owned(), "Spanish".to_owned()],
            abstract_text: text("D"),
            keywords: vec!["k1".to_owned()],
            subjects: vec![
                subject("DOAJ", None, "Public Health"),
                subject("LCC", Some("RC31-1245"), "Internal medicine"),
                subject("LCC", Some("R"), "Medicine"),
            ],
            links: vec![
                Link {
                    url: "http://s.br/1".to_owned(),
                    format: None,
                    fulltext: true,
                },
                Link {
                    url: "https://doaj.org/article/2f03".to_owned(),
                    format: None,
                    fulltext: false,
                },
            ],
            licences: vec!["CC BY".to_owned()],
            citations: vec!["Cadernos, Rio, Vol 22, Iss 8, Pp 1-9 (2006)".to_owned()],
            flags: vec!["which ISSN is which is not said".to_owned()],
            ..Article::default()
        };
        assert_eq!(article, expected);
    }

    #[test]
    fn reads_a_journal() {
        let article = read(
            "<dc:title>J</dc:title><dc:identifier>1330-4860</dc:identifier>\
             <dc:type>journal</dc:type><dc:publisher>P</dc:publisher>\
             <dc:relation>http://j.hr/</dc:relation><dc:relation>http://j.hr/</dc:relation>\
             <dc:publisher>P</dc:publisher><dc:rights>CC BY</dc:rights>",
        );
        assert_eq!(article.kind, Kind::Journal);
        assert_eq!(article.journal.as_deref(), Some("J"));
        assert_eq!(article.links.len(), 1);
        assert!(!article.links[0].fulltext);
        assert!(article.further.is_empty(), "{:?}", article.further);
    }

    #[test]
    fn keeps_what_has_no_place() {
        let article = read(
            "<dc:title xml:lang=\"en\">T</dc:title><dc:title>U</dc:title>\
             <dc:contributor>C</dc:contributor><dc:coverage>x</dc:coverage><dc:coverage>y</dc:coverage>\
             <dc:type>Text</dc:type><dc:type>Review</dc:type><dc:relation>vol 3</dc:relation>\
             <dc:identifier>local:1</dc:identifier><dc:date>2001</dc:date><dc:date>2002</dc:date>\
             <z:odd xmlns:z=\"urn:z\">o</z:odd>",
        );
        assert_eq!(article.other_titles, ["U"]);
        assert_eq!(article.titles_by_language[0].language, "en");
        assert_eq!(article.contributors[0].name, "C");
        assert_eq!(article.identifiers, ["local:1"]);
        assert_eq!(article.document_type.as_deref(), Some("Text"));
        assert_eq!(
            Value::Object(article.further),
            serde_json::json!({
                "coverage": ["x", "y"], "type": "Review", "date": "2002", "odd": "o",
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
