//! Articles as DOAJ writes them: the XML of `oai_doaj` and `oai_dc`.

use super::article::{Article, Author};
use super::vocabulary::language_name;

/// Writes character data, escaped as libxml2 does: `&`, `<`, `>` and the carriage return.
/// Characters that XML 1.0 forbids are left out, as DOAJ does.
pub fn text(out: &mut String, text: &str) {
    escape(out, text, |character| match character {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '\r' => Some("&#13;"),
        _ => None,
    });
}

/// Writes an attribute with a leading blank: ` name="value"`.
pub fn attribute(out: &mut String, name: &str, value: &str) {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    escape(out, value, |character| match character {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '"' => Some("&quot;"),
        '\t' => Some("&#9;"),
        '\n' => Some("&#10;"),
        '\r' => Some("&#13;"),
        _ => None,
    });
    out.push('"');
}

/// Writes an element that holds character data alone.
pub fn element(out: &mut String, name: &str, content: &str) {
    out.push('<');
    out.push_str(name);
    out.push('>');
    text(out, content);
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

fn escape(out: &mut String, text: &str, entity: impl Fn(char) -> Option<&'static str>) {
    let mut plain = 0;
    for (at, character) in text.char_indices() {
        let replacement = match entity(character) {
            Some(entity) => entity,
            None if is_allowed(character) => continue,
            None => "",
        };
        out.push_str(&text[plain..at]);
        out.push_str(replacement);
        plain = at + character.len_utf8();
    }
    out.push_str(&text[plain..]);
}

fn is_allowed(character: char) -> bool {
    match character {
        '\t' | '\n' | '\r' => true,
        '\u{FFFE}' | '\u{FFFF}' => false,
        _ => character >= ' ',
    }
}

/// The article as `oai_doaj`: one element on one line, to stand in `<metadata>`.
///
/// Of languages, DOAJ gives the first; of links, the first full text; an author's affiliations
/// become one text, since the format has room for one.
pub fn oai_doaj(article: &Article) -> String {
    let mut out = String::with_capacity(4_096);
    out.push_str(concat!(
        "<oai_doaj:doajArticle xmlns:oai_doaj=\"http://doaj.org/features/oai_doaj/1.0/\"",
        " xsi:schemaLocation=\"http://www.openarchives.org/OAI/2.0/",
        " http://www.openarchives.org/OAI/2.0/OAI-PMH.xsd",
        " http://doaj.org/features/oai_doaj/1.0/",
        " https://doaj.org/static/doaj/doajArticles.xsd\">"
    ));
    for (name, value) in [
        ("oai_doaj:language", article.languages.first()),
        ("oai_doaj:publisher", article.publisher.as_ref()),
        ("oai_doaj:journalTitle", article.journal.as_ref()),
        ("oai_doaj:issn", article.issn.as_ref()),
        ("oai_doaj:eissn", article.eissn.as_ref()),
        ("oai_doaj:publicationDate", article.published.as_ref()),
        ("oai_doaj:volume", article.volume.as_ref()),
        ("oai_doaj:issue", article.issue.as_ref()),
        ("oai_doaj:startPage", article.start_page.as_ref()),
        ("oai_doaj:endPage", article.end_page.as_ref()),
        ("oai_doaj:doi", article.doi.as_ref()),
        (
            "oai_doaj:publisherRecordId",
            article.publisher_record_id.as_ref(),
        ),
        ("oai_doaj:title", article.title.as_ref()),
    ] {
        optional(&mut out, name, value);
    }
    if !article.authors.is_empty() {
        authors(&mut out, &article.authors);
    }
    optional(
        &mut out,
        "oai_doaj:abstract",
        article.abstract_text.as_ref(),
    );
    if let Some(link) = article.links.first() {
        out.push_str("<oai_doaj:fullTextUrl");
        if let Some(format) = &link.format {
            attribute(&mut out, "format", format);
        }
        out.push('>');
        text(&mut out, &link.url);
        out.push_str("</oai_doaj:fullTextUrl>");
    }
    if !article.keywords.is_empty() {
        out.push_str("<oai_doaj:keywords>");
        for keyword in &article.keywords {
            element(&mut out, "oai_doaj:keyword", keyword);
        }
        out.push_str("</oai_doaj:keywords>");
    }
    out.push_str("</oai_doaj:doajArticle>");
    out
}

/// `<authors>` and, if any has an affiliation, `<affiliationsList>`: one entry for each author
/// who has one, without merging equal ones.
fn authors(out: &mut String, authors: &[Author]) {
    let mut affiliations = Vec::new();
    out.push_str("<oai_doaj:authors>");
    for author in authors {
        out.push_str("<oai_doaj:author>");
        if !author.name.is_empty() {
            element(out, "oai_doaj:name", &author.name);
        }
        if !author.affiliations.is_empty() {
            element(
                out,
                "oai_doaj:affiliationId",
                &affiliations.len().to_string(),
            );
            affiliations.push(author.affiliations.join("; "));
        }
        optional(out, "oai_doaj:orcid_id", author.orcid.as_ref());
        out.push_str("</oai_doaj:author>");
    }
    out.push_str("</oai_doaj:authors>");
    if affiliations.is_empty() {
        return;
    }
    out.push_str("<oai_doaj:affiliationsList>");
    for (number, affiliation) in affiliations.iter().enumerate() {
        out.push_str("<oai_doaj:affiliationName");
        attribute(out, "affiliationId", &number.to_string());
        out.push('>');
        text(out, affiliation);
        out.push_str("</oai_doaj:affiliationName>");
    }
    out.push_str("</oai_doaj:affiliationsList>");
}

/// The article as `oai_dc`: one element on one line, to stand in `<metadata>`.
///
/// `id` is the article's own part of its OAI identifier.
pub fn oai_dc(article: &Article, id: &str) -> String {
    let mut out = String::with_capacity(4_096);
    out.push_str(concat!(
        "<oai_dc:dc xmlns:oai_dc=\"http://www.openarchives.org/OAI/2.0/oai_dc/\"",
        " xmlns:dc=\"http://purl.org/dc/elements/1.1/\"",
        " xsi:schemaLocation=\"http://www.openarchives.org/OAI/2.0/",
        " http://www.openarchives.org/OAI/2.0/OAI-PMH.xsd\">"
    ));
    let issns = || [&article.issn, &article.eissn].into_iter().flatten();
    optional(&mut out, "dc:title", article.title.as_ref());
    for identifier in article.doi.iter().chain(issns()) {
        element(&mut out, "dc:identifier", identifier);
    }
    element(
        &mut out,
        "dc:identifier",
        &format!("https://doaj.org/article/{id}"),
    );
    if let Some(date) = &article.published {
        element(&mut out, "dc:date", &format!("{date}T00:00:00Z"));
    }
    for link in &article.links {
        element(&mut out, "dc:relation", &link.url);
    }
    for issn in issns() {
        element(
            &mut out,
            "dc:relation",
            &format!("https://doaj.org/toc/{issn}"),
        );
    }
    optional(&mut out, "dc:description", article.abstract_text.as_ref());
    for author in &article.authors {
        out.push_str("<dc:creator");
        if let Some(orcid) = &author.orcid {
            attribute(&mut out, "id", orcid);
        }
        out.push('>');
        text(&mut out, &author.name);
        out.push_str("</dc:creator>");
    }
    optional(&mut out, "dc:publisher", article.publisher.as_ref());
    element(&mut out, "dc:type", "article");
    for keyword in &article.keywords {
        element(&mut out, "dc:subject", keyword);
    }
    for subject in &article.subjects {
        for value in [Some(&subject.term), subject.code.as_ref()]
            .into_iter()
            .flatten()
        {
            out.push_str("<dc:subject xsi:type=\"dcterms:LCSH\">");
            text(&mut out, value);
            out.push_str("</dc:subject>");
        }
    }
    for language in &article.languages {
        element(&mut out, "dc:language", language_name(language));
    }
    if let Some(citation) = citation(article) {
        element(&mut out, "dc:source", &citation);
    }
    out.push_str("</oai_dc:dc>");
    out
}

/// `Journal, Vol 1, Iss 2, Pp 3-4 (2025)`, as far as there is something to say.
fn citation(article: &Article) -> Option<String> {
    let mut parts = Vec::new();
    parts.extend(article.journal.clone());
    parts.extend(article.volume.iter().map(|volume| format!("Vol {volume}")));
    parts.extend(article.issue.iter().map(|issue| format!("Iss {issue}")));
    parts.extend(match (&article.start_page, &article.end_page) {
        (Some(start), Some(end)) => Some(format!("Pp {start}-{end}")),
        (Some(page), None) | (None, Some(page)) => Some(format!("p {page}")),
        (None, None) => None,
    });
    let mut citation = parts.join(", ");
    if let Some(year) = article.published.as_ref().and_then(|date| date.get(..4)) {
        citation.push_str(&format!(" ({year})"));
    }
    let citation = citation.trim_start();
    (!citation.is_empty()).then(|| citation.to_owned())
}

fn optional(out: &mut String, name: &str, value: Option<&String>) {
    if let Some(value) = value {
        element(out, name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::article::Link;

    #[test]
    fn escapes_what_must_be() {
        let mut out = String::new();
        element(&mut out, "t", "a < b && c > \"d\"\r\n\u{1}e\u{FFFF}");
        attribute(&mut out, "a", "\"x\"\t&\n");
        assert_eq!(
            out,
            "<t>a &lt; b &amp;&amp; c &gt; \"d\"&#13;\ne</t> a=\"&quot;x&quot;&#9;&amp;&#10;\""
        );
    }

    /// The whole of DOAJ's own layout, in the order and with the declarations of the service.
    #[test]
    fn lays_out_an_article_as_doaj_does() {
        let some = |text: &str| Some(text.to_owned());
        let article = Article {
            title: some("On < and >"),
            publisher: some("P"),
            journal: some("J"),
            eissn: some("1932-6203"),
            published: some("2015-01-01"),
            volume: some("10"),
            issue: some("2"),
            start_page: some("e1"),
            doi: some("10.1/x"),
            languages: vec!["eng".into()],
            authors: vec![
                Author {
                    name: "A B".into(),
                    orcid: some("https://orcid.org/0000-0001-1234-1234"),
                    affiliations: vec!["U".into()],
                    email: None,
                },
                Author {
                    name: "C D".into(),
                    ..Author::default()
                },
            ],
            links: vec![Link {
                url: "https://doi.org/10.1/x".into(),
                format: some("pdf"),
            }],
            keywords: vec!["k".into()],
            ..Article::default()
        };
        let xml = oai_doaj(&article);
        let (_, children) = xml.split_once("doajArticles.xsd\">").unwrap();
        assert_eq!(
            children.replace("oai_doaj:", ""),
            "<language>eng</language><publisher>P</publisher><journalTitle>J</journalTitle>\
             <eissn>1932-6203</eissn><publicationDate>2015-01-01</publicationDate>\
             <volume>10</volume><issue>2</issue><startPage>e1</startPage><doi>10.1/x</doi>\
             <title>On &lt; and &gt;</title>\
             <authors><author><name>A B</name><affiliationId>0</affiliationId>\
             <orcid_id>https://orcid.org/0000-0001-1234-1234</orcid_id></author>\
             <author><name>C D</name></author></authors>\
             <affiliationsList><affiliationName affiliationId=\"0\">U</affiliationName>\
             </affiliationsList><fullTextUrl format=\"pdf\">https://doi.org/10.1/x</fullTextUrl>\
             <keywords><keyword>k</keyword></keywords></doajArticle>"
        );
        assert_eq!(
            citation(&article).as_deref(),
            Some("J, Vol 10, Iss 2, p e1 (2015)")
        );
        assert_eq!(citation(&Article::default()), None);
        let dc = oai_dc(&article, "ab");
        assert!(dc.contains("<dc:creator id=\"https://orcid.org/0000-0001-1234-1234\">A B<"));
        assert!(dc.contains("<dc:identifier>https://doaj.org/article/ab</dc:identifier>"));
        assert!(dc.contains("<dc:language>English</dc:language>"));
    }
}
