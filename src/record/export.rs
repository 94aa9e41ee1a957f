//! The JSON of an article in exports.
//!
//! A key in the singular has one text. If the source has several, the key has the first and a list
//! beside it has all. Parts that the source does not have are left out.

use serde::ser::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::{Article, Author, Kind, LanguageText, Link, Subject};

impl Serialize for Article {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ArticleView::from(self).serialize(serializer)
    }
}

impl Serialize for Author {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        AuthorView::from(self).serialize(serializer)
    }
}

/// Whether there is nothing to write.
fn is_empty<T>(values: &&[T]) -> bool {
    values.is_empty()
}

/// All values, if there is more than one.
fn all_of_several(values: &[String]) -> &[String] {
    if values.len() > 1 { values } else { &[] }
}

#[derive(serde::Serialize)]
struct ArticleView<'a> {
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "is_empty")]
    other_titles: &'a [String],
    #[serde(skip_serializing_if = "is_empty")]
    titles_by_language: &'a [LanguageText],
    #[serde(skip_serializing_if = "is_empty")]
    authors: &'a [Author],
    #[serde(skip_serializing_if = "is_empty")]
    contributors: &'a [Author],
    #[serde(skip_serializing_if = "Option::is_none")]
    journal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    publisher: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eissn: Option<&'a str>,
    #[serde(skip_serializing_if = "is_empty")]
    other_issns: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    doi: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    published: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    volume: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issue: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_page: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_page: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a str>,
    #[serde(skip_serializing_if = "is_empty")]
    languages: &'a [String],
    #[serde(rename = "abstract", skip_serializing_if = "Option::is_none")]
    abstract_text: Option<&'a str>,
    #[serde(skip_serializing_if = "is_empty")]
    other_abstracts: &'a [String],
    #[serde(skip_serializing_if = "is_empty")]
    abstracts_by_language: &'a [LanguageText],
    #[serde(skip_serializing_if = "is_empty")]
    keywords: &'a [String],
    #[serde(skip_serializing_if = "is_empty")]
    keywords_by_language: &'a [LanguageText],
    #[serde(skip_serializing_if = "is_empty")]
    subjects: &'a [Subject],
    #[serde(skip_serializing_if = "Option::is_none")]
    fulltext_url: Option<&'a str>,
    #[serde(skip_serializing_if = "is_empty")]
    links: &'a [Link],
    #[serde(skip_serializing_if = "is_empty")]
    licences: &'a [String],
    #[serde(skip_serializing_if = "is_empty")]
    licence_urls: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    publisher_record_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    document_type: Option<&'a str>,
    #[serde(skip_serializing_if = "is_empty")]
    identifiers: &'a [String],
    #[serde(skip_serializing_if = "is_empty")]
    citations: &'a [String],
    #[serde(skip_serializing_if = "Map::is_empty")]
    further: &'a Map<String, Value>,
    #[serde(skip_serializing_if = "is_empty")]
    flags: &'a [String],
}

impl<'a> From<&'a Article> for ArticleView<'a> {
    fn from(article: &'a Article) -> Self {
        // Every field by name, so that a new one cannot be forgotten here.
        let Article {
            kind,
            title,
            other_titles,
            titles_by_language,
            authors,
            contributors,
            journal,
            publisher,
            issn,
            eissn,
            other_issns,
            doi,
            published,
            volume,
            issue,
            start_page,
            end_page,
            languages,
            abstract_text,
            other_abstracts,
            abstracts_by_language,
            keywords,
            keywords_by_language,
            subjects,
            links,
            licences,
            licence_urls,
            country,
            publisher_record_id,
            document_type,
            identifiers,
            citations,
            further,
            flags,
        } = article;
        Self {
            kind: *kind,
            title: title.as_deref(),
            other_titles,
            titles_by_language,
            authors,
            contributors,
            journal: journal.as_deref(),
            publisher: publisher.as_deref(),
            issn: issn.as_deref(),
            eissn: eissn.as_deref(),
            other_issns,
            doi: doi.as_deref(),
            published: published.as_deref(),
            volume: volume.as_deref(),
            issue: issue.as_deref(),
            start_page: start_page.as_deref(),
            end_page: end_page.as_deref(),
            language: languages.first().map(String::as_str),
            languages: all_of_several(languages),
            abstract_text: abstract_text.as_deref(),
            other_abstracts,
            abstracts_by_language,
            keywords,
            keywords_by_language,
            subjects,
            fulltext_url: article.fulltext_url(),
            links,
            licences,
            licence_urls,
            country: country.as_deref(),
            publisher_record_id: publisher_record_id.as_deref(),
            document_type: document_type.as_deref(),
            identifiers,
            citations,
            further,
            flags,
        }
    }
}

#[derive(serde::Serialize)]
struct AuthorView<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    orcid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    affiliation: Option<&'a str>,
    #[serde(skip_serializing_if = "is_empty")]
    affiliations: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
}

impl<'a> From<&'a Author> for AuthorView<'a> {
    fn from(author: &'a Author) -> Self {
        let Author {
            name,
            orcid,
            affiliations,
            email,
        } = author;
        Self {
            name,
            orcid: orcid.as_deref(),
            affiliation: affiliations.first().map(String::as_str),
            affiliations: all_of_several(affiliations),
            email: email.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_out_what_is_absent() {
        assert_eq!(
            serde_json::to_string(&Article::default()).unwrap(),
            r#"{"kind":"article"}"#
        );
        assert_eq!(
            serde_json::to_string(&Author::default()).unwrap(),
            r#"{"name":""}"#
        );
    }

    #[test]
    fn writes_the_first_and_all() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let article = Article {
            title: Some("T".to_owned()),
            authors: vec![
                Author {
                    name: "A".to_owned(),
                    affiliations: words(&["U"]),
                    ..Author::default()
                },
                Author {
                    name: "B".to_owned(),
                    orcid: Some("0".to_owned()),
                    affiliations: words(&["U", "V"]),
                    ..Author::default()
                },
            ],
            languages: words(&["eng", "fre"]),
            abstract_text: Some("D".to_owned()),
            links: vec![
                Link {
                    url: "http://a".to_owned(),
                    ..Link::default()
                },
                Link {
                    url: "http://b".to_owned(),
                    format: None,
                    fulltext: true,
                },
            ],
            ..Article::default()
        };
        assert_eq!(
            serde_json::to_string(&article).unwrap(),
            r#"{"kind":"article","title":"T","authors":[{"name":"A","affiliation":"U"},{"name":"B","orcid":"0","affiliation":"U","affiliations":["U","V"]}],"language":"eng","languages":["eng","fre"],"abstract":"D","fulltext_url":"http://b","links":[{"url":"http://a","fulltext":false},{"url":"http://b","fulltext":true}]}"#
        );
    }
}
