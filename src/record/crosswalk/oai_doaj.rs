//! From `oai_doaj`, DOAJ's own article format, to the article model.

use serde_json::Value;

use super::{CrosswalkError, checks, is_doaj, non_blank};
use crate::record::xml::{Element, Token, Walker, XmlError};
use crate::record::{Article, Author, LanguageText, Link};

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
pub fn article(metadata: &str) -> Result<Article, CrosswalkError> {
    let mut walker = Walker::new(metadata);
    let mut article = Article::default();
    let mut affiliations = Affiliations::default();
    walker.next()?;
    while let Some(token) = walker.next()? {
        if let Token::Start(element) = token {
            child(&mut walker, &element, &mut article, &mut affiliations)?;
        }
    }
    affiliations.resolve(&mut article);
    checks::flag_odd_values(&mut article);
    Ok(article)
}

/// The parts of an article that tell works apart; see [`super::outline`].
///
/// # Errors
/// As [`article`].
pub(crate) fn outline(metadata: &str) -> Result<Article, CrosswalkError> {
    let mut walker = Walker::new(metadata);
    let mut article = Article::default();
    let mut affiliations = Affiliations::default();
    walker.next()?;
    while let Some(token) = walker.next()? {
        let Token::Start(element) = token else {
            continue;
        };
        match element.local_name() {
            "abstract" | "affiliationsList" | "keywords" => walker.skip()?,
            "authors" if is_doaj(&element) => names(&mut walker, &mut article)?,
            _ => child(&mut walker, &element, &mut article, &mut affiliations)?,
        }
    }
    Ok(article)
}

/// The names of authors, as [`authors`] has them.
fn names(walker: &mut Walker<'_>, article: &mut Article) -> Result<(), XmlError> {
    let outside = walker.depth() - 1;
    while walker.depth() > outside {
        match walker.next()? {
            Some(Token::Start(element))
                if is_doaj(&element) && element.local_name() == "author" =>
            {
                article.authors.push(Author {
                    name: name_of_author(walker)?,
                    ..Author::default()
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

/// Authors name their affiliations by number; the list of these follows later.
#[derive(Default)]
struct Affiliations {
    /// Index of an author and a number it names.
    wanted: Vec<(usize, String)>,
    /// Number and name.
    listed: Vec<(String, String)>,
}

impl Affiliations {
    fn resolve(self, article: &mut Article) {
        let mut used = vec![false; self.listed.len()];
        for (author, id) in self.wanted {
            match self.listed.iter().position(|(listed, _)| *listed == id) {
                Some(at) => {
                    used[at] = true;
                    if let Some(author) = article.authors.get_mut(author) {
                        author.affiliations.push(self.listed[at].1.clone());
                    }
                }
                None => {
                    article.flag(format!(
                        "affiliationId {id:?} is not in the affiliationsList"
                    ));
                    article.add_further("affiliationId", Value::from(id));
                }
            }
        }
        for ((_, name), _) in self.listed.into_iter().zip(used).filter(|(_, used)| !used) {
            article.flag("an affiliation belongs to no author");
            article.add_further("affiliationName", Value::from(name));
        }
    }
}

fn child(
    walker: &mut Walker<'_>,
    element: &Element<'_>,
    article: &mut Article,
    affiliations: &mut Affiliations,
) -> Result<(), XmlError> {
    let name = element.local_name();
    if !is_doaj(element) {
        return unknown(walker, name, article);
    }
    let slot = match name {
        "publisher" => &mut article.publisher,
        "journalTitle" => &mut article.journal,
        "issn" => &mut article.issn,
        "eissn" => &mut article.eissn,
        "publicationDate" => &mut article.published,
        "volume" => &mut article.volume,
        "issue" => &mut article.issue,
        "startPage" => &mut article.start_page,
        "endPage" => &mut article.end_page,
        "doi" => &mut article.doi,
        "publisherRecordId" => &mut article.publisher_record_id,
        "documentType" => &mut article.document_type,
        "language" => {
            article.languages.extend(non_blank(&walker.text()?));
            return Ok(());
        }
        "title" | "abstract" => return localised(walker, element, article),
        "authors" => return authors(walker, article, affiliations),
        "affiliationsList" => return affiliation_list(walker, article, affiliations),
        "fullTextUrl" => {
            let format = element
                .attribute("format")
                .and_then(|format| non_blank(&format));
            if let Some(url) = non_blank(&walker.text()?) {
                article.links.push(Link {
                    url,
                    format,
                    fulltext: true,
                });
            }
            return Ok(());
        }
        "keywords" => return keywords(walker, element, article),
        _ => return unknown(walker, name, article),
    };
    if let Some(text) = non_blank(&walker.text()?) {
        match slot {
            None => *slot = Some(text),
            Some(_) => {
                article.flag(format!("more than one {name}"));
                article.add_further(name, Value::from(text));
            }
        }
    }
    Ok(())
}

fn unknown(walker: &mut Walker<'_>, name: &str, article: &mut Article) -> Result<(), XmlError> {
    let text = non_blank(&walker.text()?);
    article.flag(format!("unknown element {name:?}"));
    if let Some(text) = text {
        article.add_further(name, Value::from(text));
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
    article: &mut Article,
) -> Result<(), XmlError> {
    let Some(text) = non_blank(&walker.text()?) else {
        return Ok(());
    };
    let is_title = element.local_name() == "title";
    if let Some(language) = language_of(element) {
        let texts = if is_title {
            &mut article.titles_by_language
        } else {
            &mut article.abstracts_by_language
        };
        texts.push(LanguageText {
            language,
            text: text.clone(),
        });
    }
    if is_title {
        article.add_title(text);
    } else {
        article.add_abstract(text);
    }
    Ok(())
}

fn authors(
    walker: &mut Walker<'_>,
    article: &mut Article,
    affiliations: &mut Affiliations,
) -> Result<(), XmlError> {
    let outside = walker.depth() - 1;
    while walker.depth() > outside {
        match walker.next()? {
            Some(Token::Start(element))
                if is_doaj(&element) && element.local_name() == "author" =>
            {
                let author = author(walker, article, affiliations)?;
                article.authors.push(author);
            }
            Some(Token::Start(element)) => unknown(walker, element.local_name(), article)?,
            _ => {}
        }
    }
    Ok(())
}

fn author(
    walker: &mut Walker<'_>,
    article: &mut Article,
    affiliations: &mut Affiliations,
) -> Result<Author, XmlError> {
    let mut author = Author::default();
    let outside = walker.depth() - 1;
    while walker.depth() > outside {
        let Some(Token::Start(element)) = walker.next()? else {
            continue;
        };
        let name = element.local_name();
        if !matches!(name, "name" | "email" | "affiliationId" | "orcid_id") || !is_doaj(&element) {
            unknown(walker, name, article)?;
            continue;
        }
        let Some(text) = non_blank(&walker.text()?) else {
            continue;
        };
        let twice = match name {
            "affiliationId" => {
                affiliations.wanted.push((article.authors.len(), text));
                None
            }
            "email" => author.email.replace(text),
            "orcid_id" => author.orcid.replace(text),
            _ if author.name.is_empty() => {
                author.name = text;
                None
            }
            _ => Some(text),
        };
        if let Some(text) = twice {
            article.flag(format!("more than one {name} of an author"));
            article.add_further(name, Value::from(text));
        }
    }
    Ok(author)
}

fn affiliation_list(
    walker: &mut Walker<'_>,
    article: &mut Article,
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
            Some(Token::Start(element)) => unknown(walker, element.local_name(), article)?,
            _ => {}
        }
    }
    Ok(())
}

fn keywords(
    walker: &mut Walker<'_>,
    element: &Element<'_>,
    article: &mut Article,
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
                if let Some(language) = &language {
                    article.keywords_by_language.push(LanguageText {
                        language: language.clone(),
                        text: text.clone(),
                    });
                }
                article.keywords.push(text);
            }
            Some(Token::Start(element)) => unknown(walker, element.local_name(), article)?,
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(inner: &str) -> Article {
        article(&format!("<doajArticle>{inner}</doajArticle>")).unwrap()
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
            let full = article(&document).unwrap();
            let outline = outline(&document).unwrap();
            let names = |article: &Article| {
                let authors = article.authors.iter();
                authors
                    .map(|author| author.name.clone())
                    .collect::<Vec<_>>()
            };
            assert_eq!(names(&outline), names(&full));
            let rest = |article: Article| Article {
                abstract_text: None,
                authors: Vec::new(),
                keywords: Vec::new(),
                further: Default::default(),
                flags: Vec::new(),
                ..article
            };
            assert_eq!(rest(outline), rest(full));
        }
        for broken in [
            "<doajArticle><abstract>x</b></doajArticle>",
            "<doajArticle>",
        ] {
            assert_eq!(outline(broken).unwrap_err(), article(broken).unwrap_err());
        }
    }

    #[test]
    fn reads_all_that_the_format_has() {
        let article = read(
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
        let marked = |language: &str, text: &str| LanguageText {
            language: language.to_owned(),
            text: text.to_owned(),
        };
        let expected = Article {
            title: text("T1"),
            other_titles: vec!["T2".to_owned()],
            titles_by_language: vec![marked("ger", "T1"), marked("eng", "T2")],
            authors: vec![
                Author {
                    name: "A".to_owned(),
                    orcid: text("https://orcid.org/0000-0002-1825-0097"),
                    affiliations: vec!["U1".to_owned(), "U2".to_owned()],
                    email: text("a@b.c"),
                },
                Author::default(),
            ],
            journal: text("J"),
            publisher: text("P & Q"),
            issn: text("1932-6203"),
            eissn: text("2529-850X"),
            doi: text("10.1/x"),
            published: text("1998-01-01"),
            volume: text("5"),
            issue: text("1"),
            start_page: text("25"),
            end_page: text("29"),
            languages: vec!["ger".to_owned(), "eng".to_owned()],
            abstract_text: text("Z"),
            other_abstracts: vec!["S".to_owned()],
            abstracts_by_language: vec![marked("ger", "Z"), marked("eng", "S")],
            keywords: vec!["k".to_owned(), "l".to_owned()],
            keywords_by_language: vec![marked("eng", "k")],
            links: vec![Link {
                url: "http://x.y/z".to_owned(),
                format: text("pdf"),
                fulltext: true,
            }],
            publisher_record_id: text("648"),
            document_type: text("article"),
            flags: vec!["author without a name".to_owned()],
            ..Article::default()
        };
        assert_eq!(article, expected);
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
            let article = read(inner);
            assert_eq!(article.flags, [flag], "{case}");
            let kept = article
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
            let article = article(&document).unwrap();
            assert_eq!(article.title.as_deref(), Some("T"), "{root}");
            assert_eq!(article.authors.len(), 1, "{root}");
            assert!(article.flags.is_empty(), "{root}: {:?}", article.flags);
        }
    }

    #[test]
    fn takes_markup_within_a_title_as_text() {
        assert_eq!(
            read("<title>The <i>E. coli</i> case</title>")
                .title
                .as_deref(),
            Some("The E. coli case")
        );
    }
}
