//! Records in Dublin Core, `oai_dc`.

use std::borrow::Cow;

use super::xml::{push_attribute, push_element, push_text};
use crate::record::crosswalk::{self, CrosswalkError, Format};
use crate::record::{Article, Kind, doi};

/// The record as an `oai_dc:dc` element that is a document of its own, without XML declaration.
///
/// A record that was harvested as `oai_dc` stays as it is; others are written from their article.
///
/// # Errors
/// If the metadata cannot be read.
pub fn record<'a>(
    metadata_prefix: &str,
    metadata: &'a str,
) -> Result<Cow<'a, str>, CrosswalkError> {
    if crosswalk::format(metadata_prefix, metadata)? == Format::OaiDc {
        return Ok(Cow::Borrowed(metadata));
    }
    let article = crosswalk::article(metadata_prefix, metadata)?;
    Ok(Cow::Owned(from_article(&article)))
}

/// An article as an `oai_dc:dc` element that is a document of its own, without XML declaration.
pub fn from_article(article: &Article) -> String {
    let mut out = Vec::with_capacity(4096);
    push_article(article, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// Appends an article as `oai_dc`, in one line.
///
/// Identifiers are the DOI, the ISSNs, then others. Relations are the full text and other links. One
/// `source` says where the article appeared, as DOAJ writes it. ORCID iDs and affiliations are left out.
///
/// Source: OAI-PMH 2.0, oai_dc.xsd; Dublin Core 1.1.
pub fn push_article(article: &Article, out: &mut Vec<u8>) {
    out.extend_from_slice(
        b"<oai_dc:dc xmlns:oai_dc=\"http://www.openarchives.org/OAI/2.0/oai_dc/\" \
          xmlns:dc=\"http://purl.org/dc/elements/1.1/\" \
          xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
          xsi:schemaLocation=\"http://www.openarchives.org/OAI/2.0/oai_dc/ \
          http://www.openarchives.org/OAI/2.0/oai_dc.xsd\">",
    );
    let language_of = |texts: &[crate::record::LanguageText], text: &str| {
        texts
            .iter()
            .find(|marked| marked.text == text)
            .map(|marked| marked.language.clone())
    };
    for title in article.title.iter().chain(&article.other_titles) {
        marked(
            out,
            "dc:title",
            title,
            language_of(&article.titles_by_language, title),
        );
    }
    for person in &article.authors {
        element(out, "dc:creator", &person.name);
    }
    for person in &article.contributors {
        element(out, "dc:contributor", &person.name);
    }
    for keyword in &article.keywords {
        marked(
            out,
            "dc:subject",
            keyword,
            language_of(&article.keywords_by_language, keyword),
        );
    }
    for subject in &article.subjects {
        match &subject.scheme {
            Some(scheme) => element(out, "dc:subject", &format!("{scheme}:{}", subject.term)),
            None => element(out, "dc:subject", &subject.term),
        }
    }
    for text in article.abstract_text.iter().chain(&article.other_abstracts) {
        marked(
            out,
            "dc:description",
            text,
            language_of(&article.abstracts_by_language, text),
        );
    }
    if let Some(publisher) = &article.publisher {
        element(out, "dc:publisher", publisher);
    }
    if let Some(date) = &article.published {
        element(out, "dc:date", date);
    }
    element(
        out,
        "dc:type",
        match article.kind {
            Kind::Article => "article",
            Kind::Journal => "journal",
        },
    );
    if let Some(document_type) = &article.document_type {
        element(out, "dc:type", document_type);
    }
    if let Some(text) = &article.doi {
        match doi::normalise(text) {
            Some(doi) => element(out, "dc:identifier", &format!("https://doi.org/{doi}")),
            None => element(out, "dc:identifier", text),
        }
    }
    let issns = article
        .issn
        .iter()
        .chain(&article.eissn)
        .chain(&article.other_issns);
    for identifier in issns.chain(&article.identifiers) {
        element(out, "dc:identifier", identifier);
    }
    for link in &article.links {
        element(out, "dc:relation", &link.url);
    }
    match article.citations.as_slice() {
        [] => element(out, "dc:source", &citation(article)),
        citations => citations
            .iter()
            .for_each(|citation| element(out, "dc:source", citation)),
    }
    for language in &article.languages {
        element(out, "dc:language", language);
    }
    for licence in article.licences.iter().chain(&article.licence_urls) {
        element(out, "dc:rights", licence);
    }
    out.extend_from_slice(b"</oai_dc:dc>");
}

/// An element, unless its text is blank.
fn element(out: &mut Vec<u8>, name: &str, text: &str) {
    if !text.trim().is_empty() {
        push_element(out, name, text);
    }
}

fn marked(out: &mut Vec<u8>, name: &str, text: &str, language: Option<String>) {
    let Some(language) = language else {
        return element(out, name, text);
    };
    out.push(b'<');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b" xml:lang=\"");
    push_attribute(out, &language);
    out.extend_from_slice(b"\">");
    push_text(out, text);
    out.extend_from_slice(b"</");
    out.extend_from_slice(name.as_bytes());
    out.push(b'>');
}

/// Where an article appeared: `Title, Vol 5, Iss 1, Pp 25-29 (1998)`; empty if unknown.
pub(super) fn citation(article: &Article) -> String {
    let Some(journal) = article
        .journal
        .as_ref()
        .filter(|_| article.kind == Kind::Article)
    else {
        return String::new();
    };
    let mut citation = journal.clone();
    for (mark, value) in [
        (", Vol ", &article.volume),
        (", Iss ", &article.issue),
        (", Pp ", &article.start_page),
    ] {
        if let Some(value) = value {
            citation.push_str(mark);
            citation.push_str(value);
        }
    }
    if let (Some(_), Some(end)) = (&article.start_page, &article.end_page) {
        citation.push('-');
        citation.push_str(end);
    }
    if let Some(year) = article.year() {
        citation.push_str(&format!(" ({year})"));
    }
    citation
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::samples;

    #[test]
    fn passes_dublin_core_as_it_is() {
        let metadata = "<oai_dc:dc><dc:title> T&#13;</dc:title></oai_dc:dc>";
        assert!(matches!(record("oai_dc", metadata), Ok(Cow::Borrowed(same)) if same == metadata));
    }

    #[test]
    fn writes_the_seed() {
        let samples = samples::records(include_str!("../../tests/fixtures/seed-record.xml"));
        let written = record("oai_doaj", &samples[0].metadata).unwrap();
        let (_, children) = written.split_once(".xsd\">").unwrap();
        let (before, rest) = children.split_once("<dc:description>").unwrap();
        let (_, after) = rest.split_once("</dc:description>").unwrap();
        assert_eq!(
            before,
            "<dc:title>Peer Support Workers in Health: A Qualitative Metasynthesis of Their \
             Experiences.</dc:title><dc:creator>Jennifer MacLellan</dc:creator>\
             <dc:creator>Julian Surey</dc:creator><dc:creator>Ibrahim Abubakar</dc:creator>\
             <dc:creator>Helen R Stagg</dc:creator>"
        );
        assert_eq!(
            after,
            "<dc:publisher>Public Library of Science (PLoS)</dc:publisher>\
             <dc:date>2015-01-01</dc:date><dc:type>article</dc:type>\
             <dc:identifier>https://doi.org/10.1371/journal.pone.0141122</dc:identifier>\
             <dc:identifier>1932-6203</dc:identifier>\
             <dc:relation>https://doi.org/10.1371/journal.pone.0141122</dc:relation>\
             <dc:source>PLoS ONE, Vol 10, Iss 10, Pp e0141122 (2015)</dc:source>\
             <dc:language>eng</dc:language></oai_dc:dc>"
        );
    }

    /// Reading back what was written gives the same article, as far as Dublin Core can hold it.
    #[test]
    fn comes_back_through_the_crosswalk() {
        for sample in samples::records(include_str!("../../tests/fixtures/oai_doaj-2017-ten.xml")) {
            let there = crosswalk::article("oai_doaj", &sample.metadata).unwrap();
            let written = record("oai_doaj", &sample.metadata).unwrap();
            let back = crosswalk::article("oai_dc", &written).unwrap();
            assert_eq!(back.title, there.title);
            assert_eq!(back.abstract_text, there.abstract_text);
            assert_eq!(back.keywords, there.keywords);
            assert_eq!(back.journal, there.journal);
            assert_eq!(back.volume, there.volume);
            assert_eq!(back.issue, there.issue);
            assert_eq!(back.start_page, there.start_page);
            assert_eq!(back.fulltext_url(), there.fulltext_url());
            let names = |article: &Article| {
                article
                    .authors
                    .iter()
                    .map(|author| author.name.clone())
                    .collect::<Vec<_>>()
            };
            assert_eq!(names(&back), names(&there));
        }
    }

    #[test]
    fn names_languages_of_texts() {
        let written = record(
            "oai_doaj",
            "<doajArticle><title language=\"ger\">A &amp; B</title><title>C</title></doajArticle>",
        )
        .unwrap();
        assert!(
            written
                .contains("<dc:title xml:lang=\"ger\">A &amp; B</dc:title><dc:title>C</dc:title>"),
            "{written}"
        );
    }
}
