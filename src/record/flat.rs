//! A resource as one flat object: the key `article` of the JSONL export, and the columns of CSV.
//!
//! A key in the singular has one text. If the source has several, the key has the first and a list
//! beside it has all. Parts that the source does not have are left out.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value};

use super::resource::{Agent, IdentifierKind, Kind, LinkPurpose, Resource};

/// The flat view of a resource. It borrows all texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Flat<'a> {
    /// The type as a key: `article`, `journal`, `conference_paper`.
    pub kind: &'static str,
    /// The type.
    #[serde(rename = "type")]
    pub resource_type: Kind,
    /// The first title, with its subtitle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<Cow<'a, str>>,
    /// Further titles, in document order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_titles: Vec<Cow<'a, str>>,
    /// Titles whose language the source names, the first title included.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub titles_by_language: Vec<FlatText<'a>>,
    /// Authors in document order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authors: Vec<FlatAgent<'a>>,
    /// People and bodies other than authors, in document order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contributors: Vec<FlatAgent<'a>>,
    /// The title of the journal, book or conference; of a journal, its own title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journal: Option<&'a str>,
    /// The first publisher.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publisher: Option<&'a str>,
    /// Print ISSN, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issn: Option<&'a str>,
    /// Electronic ISSN, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eissn: Option<&'a str>,
    /// Further ISSNs, as written.
    #[serde(skip_serializing_if = "is_empty")]
    pub other_issns: &'a [String],
    /// ISBNs of the resource and of its host, as written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub isbns: Vec<&'a str>,
    /// The first DOI, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doi: Option<&'a str>,
    /// Date of publication, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<&'a str>,
    /// Volume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume: Option<&'a str>,
    /// Issue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issue: Option<&'a str>,
    /// First page, or an article number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_page: Option<&'a str>,
    /// Last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_page: Option<&'a str>,
    /// The first of the languages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<&'a str>,
    /// Languages, each once: codes of ISO 639-2/B where known, else as written.
    #[serde(skip_serializing_if = "is_one")]
    pub languages: Vec<&'a str>,
    /// The first abstract.
    #[serde(rename = "abstract", skip_serializing_if = "Option::is_none")]
    pub abstract_text: Option<&'a str>,
    /// Further abstracts, in document order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_abstracts: Vec<&'a str>,
    /// Abstracts whose language the source names, the first one included.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub abstracts_by_language: Vec<FlatText<'a>>,
    /// Keywords.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<&'a str>,
    /// Keywords whose language the source names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keywords_by_language: Vec<FlatText<'a>>,
    /// Subjects of a scheme.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<FlatSubject<'a>>,
    /// The first link to the full text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fulltext_url: Option<&'a str>,
    /// All links.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<FlatLink<'a>>,
    /// Names and statements of licences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub licences: Vec<&'a str>,
    /// Where licences are stated.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub licence_urls: Vec<&'a str>,
    /// Country of publication.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<&'a str>,
    /// The publisher's own record number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publisher_record_id: Option<&'a str>,
    /// The first type as written that says more than article or journal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_type: Option<&'a str>,
    /// Its other identifiers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identifiers: Vec<Cow<'a, str>>,
    /// Where it was published, as one text.
    #[serde(skip_serializing_if = "is_empty")]
    pub citations: &'a [String],
    /// What the source carries beyond the model.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub further: &'a Map<String, Value>,
    /// What is odd about the record.
    #[serde(skip_serializing_if = "is_empty")]
    pub flags: &'a [String],
}

/// A text in a language that the source names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FlatText<'a> {
    /// The language as coded by the source.
    pub language: &'a str,
    /// The text.
    pub text: &'a str,
}

/// A person or a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FlatAgent<'a> {
    /// The name.
    pub name: &'a str,
    /// ORCID iD as `0000-0000-0000-0000`; a text that is none stays as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orcid: Option<&'a str>,
    /// The first affiliation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affiliation: Option<&'a str>,
    /// All affiliations.
    #[serde(skip_serializing_if = "is_at_most_one")]
    pub affiliations: &'a [String],
    /// Mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<&'a str>,
}

/// A subject of a scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FlatSubject<'a> {
    /// The scheme.
    pub scheme: &'a str,
    /// The code in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'a str>,
    /// The term.
    pub term: &'a str,
}

/// A link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FlatLink<'a> {
    /// The URL, as written.
    pub url: &'a str,
    /// The format.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<&'a str>,
    /// Whether it leads to the full text.
    pub fulltext: bool,
}

/// Whether there is nothing to write.
fn is_empty<T>(values: &&[T]) -> bool {
    values.is_empty()
}

/// Whether the key in the singular says all.
fn is_one<T>(values: &[T]) -> bool {
    values.len() < 2
}

fn is_at_most_one<T>(values: &&[T]) -> bool {
    is_one(values)
}

impl<'a> From<&'a Resource> for Flat<'a> {
    fn from(resource: &'a Resource) -> Self {
        let host = &resource.host;
        let mut titles = resource.titles.iter().map(|title| title.full());
        let mut abstracts = resource.abstracts.iter().map(|text| text.text.as_str());
        let mut languages = Vec::with_capacity(resource.languages.len());
        for language in &resource.languages {
            let language = language.code_or_text();
            if !languages.contains(&language) {
                languages.push(language);
            }
        }
        let texts = |language: &'a Option<String>, text: &'a str| {
            let language = language.as_deref()?;
            Some(FlatText { language, text })
        };
        let by_language = |title: &'a super::resource::Title| texts(&title.language, &title.text);
        let isbns = resource.identifiers_of(IdentifierKind::Isbn);
        Self {
            kind: match resource.kind {
                Kind::ConferencePaper => "conference_paper",
                kind => kind.name(),
            },
            resource_type: resource.kind,
            title: titles.next(),
            other_titles: titles.collect(),
            titles_by_language: resource.titles.iter().filter_map(by_language).collect(),
            authors: resource.authors().map(FlatAgent::from).collect(),
            contributors: resource.contributors().map(FlatAgent::from).collect(),
            journal: host.title.as_deref(),
            publisher: resource.publisher(),
            issn: host.issn.as_deref(),
            eissn: host.eissn.as_deref(),
            other_issns: &host.other_issns,
            isbns: isbns.chain(host.isbns.iter().map(String::as_str)).collect(),
            doi: resource.doi(),
            published: resource.published(),
            volume: host.volume.as_deref(),
            issue: host.issue.as_deref(),
            start_page: host.start_page.as_deref(),
            end_page: host.end_page.as_deref(),
            language: languages.first().copied(),
            languages,
            abstract_text: abstracts.next(),
            other_abstracts: abstracts.collect(),
            abstracts_by_language: resource
                .abstracts
                .iter()
                .filter_map(|text| texts(&text.language, &text.text))
                .collect(),
            keywords: resource.keywords().map(|word| word.term.as_str()).collect(),
            keywords_by_language: resource
                .keywords()
                .filter_map(|word| texts(&word.language, &word.term))
                .collect(),
            subjects: resource
                .headings()
                .map(|subject| FlatSubject {
                    scheme: subject.scheme.as_deref().unwrap_or_default(),
                    code: subject.code.as_deref(),
                    term: &subject.term,
                })
                .collect(),
            fulltext_url: resource.fulltext_url(),
            links: resource
                .links
                .iter()
                .map(|link| FlatLink {
                    url: &link.url,
                    format: link.format.as_deref(),
                    fulltext: link.purpose == LinkPurpose::FullText,
                })
                .collect(),
            licences: resource
                .rights
                .iter()
                .filter_map(|rights| rights.text.as_deref())
                .collect(),
            licence_urls: resource
                .rights
                .iter()
                .filter_map(|rights| rights.url.as_deref())
                .collect(),
            country: resource.country(),
            publisher_record_id: resource.identifiers_of(IdentifierKind::Publisher).next(),
            document_type: resource.document_type(),
            identifiers: other_identifiers(resource),
            citations: &resource.citations,
            further: &resource.further,
            flags: &resource.flags,
        }
    }
}

/// The identifiers that have no key of their own; those of PubMed with their scheme before a colon.
fn other_identifiers(resource: &Resource) -> Vec<Cow<'_, str>> {
    let mut has_doi = false;
    let mut others = Vec::new();
    for identifier in &resource.identifiers {
        let value = identifier.value.as_str();
        match identifier.kind {
            IdentifierKind::Doi if !has_doi => has_doi = true,
            IdentifierKind::Isbn | IdentifierKind::Publisher => {}
            IdentifierKind::Pmid if value.bytes().all(|byte| byte.is_ascii_digit()) => {
                others.push(Cow::Owned(format!("pmid:{value}")));
            }
            _ => others.push(Cow::Borrowed(value)),
        }
    }
    others
}

impl<'a> From<&'a Agent> for FlatAgent<'a> {
    fn from(agent: &'a Agent) -> Self {
        Self {
            name: &agent.name,
            orcid: agent.orcid.as_deref(),
            affiliation: agent.affiliations.first().map(String::as_str),
            affiliations: &agent.affiliations,
            email: agent.email.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::resource::{Identifier, Language, Link, Text, Title};

    fn json(resource: &Resource) -> String {
        serde_json::to_string(&Flat::from(resource)).unwrap()
    }

    #[test]
    fn leaves_out_what_is_absent() {
        assert_eq!(
            json(&Resource::default()),
            r#"{"kind":"other","type":"other"}"#
        );
        let paper = Resource {
            kind: Kind::ConferencePaper,
            agents: vec![Agent::default()],
            ..Resource::default()
        };
        assert_eq!(
            json(&paper),
            r#"{"kind":"conference_paper","type":"conference paper","authors":[{"name":""}]}"#
        );
    }

    #[test]
    fn writes_the_first_and_all() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let link = |url: &str, purpose| Link {
            url: url.to_owned(),
            format: None,
            purpose,
        };
        let resource = Resource {
            kind: Kind::Article,
            titles: vec![Title {
                text: "T".to_owned(),
                subtitle: Some("U".to_owned()),
                language: Some("en".to_owned()),
            }],
            agents: vec![
                Agent {
                    name: "A".to_owned(),
                    affiliations: words(&["U"]),
                    ..Agent::default()
                },
                Agent {
                    name: "B".to_owned(),
                    orcid: Some("0".to_owned()),
                    affiliations: words(&["U", "V"]),
                    ..Agent::default()
                },
            ],
            languages: ["en", "English", "Français", "fr"]
                .map(|text| Language::read(text.to_owned()))
                .to_vec(),
            abstracts: vec![Text {
                text: "D".to_owned(),
                language: None,
            }],
            identifiers: vec![
                Identifier {
                    kind: IdentifierKind::Pmid,
                    value: "7".to_owned(),
                },
                Identifier {
                    kind: IdentifierKind::Doi,
                    value: "10.1/x".to_owned(),
                },
                Identifier {
                    kind: IdentifierKind::Doi,
                    value: "10.1/y".to_owned(),
                },
            ],
            links: vec![
                link("http://a", LinkPurpose::Landing),
                link("http://b", LinkPurpose::FullText),
            ],
            ..Resource::default()
        };
        assert_eq!(
            json(&resource),
            r#"{"kind":"article","type":"article","title":"T: U","titles_by_language":[{"language":"en","text":"T"}],"authors":[{"name":"A","affiliation":"U"},{"name":"B","orcid":"0","affiliation":"U","affiliations":["U","V"]}],"doi":"10.1/x","language":"eng","languages":["eng","Français","fre"],"abstract":"D","fulltext_url":"http://b","links":[{"url":"http://a","fulltext":false},{"url":"http://b","fulltext":true}],"identifiers":["pmid:7","10.1/y"]}"#
        );
    }
}
