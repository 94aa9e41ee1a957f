//! Records in Dublin Core, `oai_dc`.

use std::borrow::Cow;

use super::oai_dc_schema::{is_language, is_valid};
use super::xml::{push_attribute, push_element, push_text};
use crate::record::crosswalk::{self, CrosswalkError, Format};
use crate::record::resource::IdentifierKind;
use crate::record::{Kind, Resource, doi};

/// The record as an `oai_dc:dc` element that is a document of its own, without XML declaration.
///
/// A record that was harvested as valid `oai_dc` stays as it is; others, also those with terms or
/// attributes that oai_dc.xsd does not allow, are written from their resource.
///
/// # Errors
/// If the metadata cannot be read.
pub fn record<'a>(
    metadata_prefix: &str,
    metadata: &'a str,
) -> Result<Cow<'a, str>, CrosswalkError> {
    if crosswalk::format(metadata_prefix, metadata)? == Format::OaiDc && is_valid(metadata) {
        return Ok(Cow::Borrowed(metadata));
    }
    let resource = crosswalk::resource(metadata_prefix, metadata)?;
    Ok(Cow::Owned(from_resource(&resource)))
}

/// A language as `xml:lang` allows it; `None` for other texts.
fn language_tag(language: &str) -> Option<String> {
    let tag = language.trim().replace('_', "-");
    is_language(&tag).then_some(tag)
}

/// A resource as an `oai_dc:dc` element that is a document of its own, without XML declaration.
pub fn from_resource(resource: &Resource) -> String {
    let mut out = Vec::with_capacity(4096);
    push_resource(resource, &mut out);
    String::from_utf8(out)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Appends a resource as `oai_dc`, in one line.
///
/// Identifiers are the DOI, the ISSNs, then others. Relations are the full text and other links. One
/// `source` says where it appeared, as DOAJ writes it. ORCID iDs and affiliations are left out.
///
/// Source: OAI-PMH 2.0, oai_dc.xsd; Dublin Core 1.1.
pub fn push_resource(resource: &Resource, out: &mut Vec<u8>) {
    out.extend_from_slice(
        b"<oai_dc:dc xmlns:oai_dc=\"http://www.openarchives.org/OAI/2.0/oai_dc/\" \
          xmlns:dc=\"http://purl.org/dc/elements/1.1/\" \
          xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
          xsi:schemaLocation=\"http://www.openarchives.org/OAI/2.0/oai_dc/ \
          http://www.openarchives.org/OAI/2.0/oai_dc.xsd\">",
    );
    for title in &resource.titles {
        marked(out, "dc:title", &title.full(), title.language.as_deref());
    }
    for agent in resource.authors() {
        element(out, "dc:creator", &agent.name);
    }
    for agent in resource.contributors() {
        element(out, "dc:contributor", &agent.name);
    }
    for keyword in resource.keywords() {
        marked(
            out,
            "dc:subject",
            &keyword.term,
            keyword.language.as_deref(),
        );
    }
    for subject in resource.headings() {
        let scheme = subject.scheme.as_deref().unwrap_or_default();
        element(out, "dc:subject", &format!("{scheme}:{}", subject.term));
    }
    for text in &resource.abstracts {
        marked(out, "dc:description", &text.text, text.language.as_deref());
    }
    for publisher in &resource.publishers {
        element(
            out,
            "dc:publisher",
            publisher.name.as_deref().unwrap_or_default(),
        );
    }
    if let Some(date) = resource.published() {
        element(out, "dc:date", date);
    }
    if resource.kind != Kind::Other {
        element(out, "dc:type", resource.kind.name());
    }
    for text in &resource.stated_types {
        if !text.eq_ignore_ascii_case(resource.kind.name()) {
            element(out, "dc:type", text);
        }
    }
    identifiers(resource, out);
    for link in &resource.links {
        element(out, "dc:relation", &link.url);
    }
    match resource.citations.as_slice() {
        [] => element(out, "dc:source", &citation(resource)),
        citations => citations
            .iter()
            .for_each(|citation| element(out, "dc:source", citation)),
    }
    for language in &resource.languages {
        element(out, "dc:language", language.code_or_text());
    }
    for rights in &resource.rights {
        for text in rights.text.iter().chain(&rights.url) {
            element(out, "dc:rights", text);
        }
    }
    out.extend_from_slice(b"</oai_dc:dc>");
}

/// The DOI as a URL, the ISSNs, then other identifiers.
fn identifiers(resource: &Resource, out: &mut Vec<u8>) {
    let doi = resource.doi();
    if let Some(text) = doi {
        match doi::normalise(text) {
            Some(doi) => element(out, "dc:identifier", &format!("https://doi.org/{doi}")),
            None => element(out, "dc:identifier", text),
        }
    }
    for issn in resource.host.issns() {
        element(out, "dc:identifier", issn);
    }
    for identifier in &resource.identifiers {
        let is_first_doi = identifier.kind == IdentifierKind::Doi && doi == Some(&identifier.value);
        if !is_first_doi && identifier.kind != IdentifierKind::Publisher {
            element(out, "dc:identifier", &identifier.value);
        }
    }
}

/// An element, unless its text is blank.
fn element(out: &mut Vec<u8>, name: &str, text: &str) {
    if !text.trim().is_empty() {
        push_element(out, name, text);
    }
}

fn marked(out: &mut Vec<u8>, name: &str, text: &str, language: Option<&str>) {
    let Some(language) = language.and_then(language_tag) else {
        return element(out, name, text);
    };
    if text.trim().is_empty() {
        return;
    }
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

/// Where it appeared: `Title, Vol 5, Iss 1, Pp 25-29 (1998)`; empty if unknown.
pub(super) fn citation(resource: &Resource) -> String {
    let host = &resource.host;
    let Some(title) = host
        .title
        .as_ref()
        .filter(|_| resource.kind != Kind::Journal)
    else {
        return String::new();
    };
    let mut citation = title.clone();
    for (mark, value) in [
        (", Vol ", &host.volume),
        (", Iss ", &host.issue),
        (", Pp ", &host.start_page),
    ] {
        if let Some(value) = value {
            citation.push_str(mark);
            citation.push_str(value);
        }
    }
    if let (Some(_), Some(end)) = (&host.start_page, &host.end_page) {
        citation.push('-');
        citation.push_str(end);
    }
    if let Some(year) = resource.year() {
        citation.push_str(&format!(" ({year})"));
    }
    citation
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::crosswalk::Header;
    use crate::record::samples;

    fn dc(inner: &str) -> String {
        format!(
            "<oai_dc:dc xmlns:oai_dc=\"http://www.openarchives.org/OAI/2.0/oai_dc/\" \
             xmlns:dc=\"http://purl.org/dc/elements/1.1/\" \
             xmlns:dcterms=\"http://purl.org/dc/terms/\" \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">{inner}</oai_dc:dc>"
        )
    }

    #[test]
    fn passes_valid_dublin_core_as_it_is() {
        let cases = [
            ("plain", "<dc:title> T&#13;</dc:title>\n<dc:date/>", true),
            (
                "language",
                "<dc:title xml:lang=\"pt-BR\">T</dc:title>",
                true,
            ),
            ("no language", "<dc:title xml:lang=\"\">T</dc:title>", false),
            (
                "odd language",
                "<dc:title xml:lang=\"pt_BR\">T</dc:title>",
                false,
            ),
            ("attribute", "<dc:creator id=\"1\">C</dc:creator>", false),
            (
                "type",
                "<dc:subject xsi:type=\"dcterms:LCSH\">S</dc:subject>",
                false,
            ),
            ("term", "<dcterms:issued>2001</dcterms:issued>", false),
            ("unknown element", "<dc:titel>T</dc:titel>", false),
            ("markup", "<dc:title>T <i>U</i></dc:title>", false),
            ("text", "<dc:title>T</dc:title>x", false),
        ];
        for (case, inner, stays) in cases {
            let metadata = dc(inner);
            let written = record("oai_dc", &metadata).unwrap();
            assert_eq!(matches!(written, Cow::Borrowed(_)), stays, "{case}");
            assert!(is_valid(&written), "{case}: {written}");
        }
    }

    #[test]
    fn knows_language_tags() {
        let cases = [
            ("en", Some("en")),
            ("pt_BR", Some("pt-BR")),
            ("zh-Hant-TW", Some("zh-Hant-TW")),
            ("English language", None),
            ("123", None),
            ("e--n", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(language_tag(text).as_deref(), expected, "{text}");
        }
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

    /// Reading back what was written gives the same resource, as far as Dublin Core can hold it.
    #[test]
    fn comes_back_through_the_crosswalk() {
        for sample in samples::records(include_str!("../../tests/fixtures/oai_doaj-2017-ten.xml")) {
            let there = crosswalk::resource("oai_doaj", &sample.metadata).unwrap();
            let written = record("oai_doaj", &sample.metadata).unwrap();
            let header = Header {
                identifier: &sample.identifier,
                set_specs: &[],
            };
            let back = crosswalk::resource_of("oai_dc", &written, header).unwrap();
            assert_eq!(back.title(), there.title());
            assert_eq!(back.abstracts, there.abstracts);
            assert_eq!(back.subjects, there.subjects);
            assert_eq!(back.host.title, there.host.title);
            assert_eq!(back.host.volume, there.host.volume);
            assert_eq!(back.host.issue, there.host.issue);
            assert_eq!(back.host.start_page, there.host.start_page);
            assert_eq!(back.fulltext_url(), there.fulltext_url());
            let names = |resource: &Resource| {
                resource
                    .agents
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
