//! The article model: what every crosswalk makes and every output reads.

use serde::Serialize;
use serde_json::{Map, Value};

/// One article or journal, in the repository's own words.
///
/// Texts are as delivered, with markup and odd values kept; only white space at their ends and
/// blank values are left out. `None` and empty lists mean that the format did not carry the value.
///
/// Serialised, it has the keys of the JSONL export; see [`crate::record::export`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Article {
    /// What the metadata describes.
    pub kind: Kind,
    /// The first title that is not blank.
    pub title: Option<String>,
    /// Further titles, in document order.
    pub other_titles: Vec<String>,
    /// Titles whose language the source names, the first title included.
    pub titles_by_language: Vec<LanguageText>,
    /// Authors in document order.
    pub authors: Vec<Author>,
    /// Contributors other than authors (`dc:contributor`), in document order.
    pub contributors: Vec<Author>,
    /// The journal's title; of a journal, `title` says the same.
    pub journal: Option<String>,
    /// The publisher.
    pub publisher: Option<String>,
    /// Print ISSN, as written.
    pub issn: Option<String>,
    /// Electronic ISSN, as written.
    pub eissn: Option<String>,
    /// Further ISSNs, as written: of the journal's earlier or other forms.
    pub other_issns: Vec<String>,
    /// DOI as written; [`crate::record::doi`] normalises it.
    pub doi: Option<String>,
    /// Date of publication as written, often `YYYY-MM-DD`; from a year and a month, `YYYY-MM`.
    pub published: Option<String>,
    /// Volume.
    pub volume: Option<String>,
    /// Issue.
    pub issue: Option<String>,
    /// First page, or an article number.
    pub start_page: Option<String>,
    /// Last page.
    pub end_page: Option<String>,
    /// Languages as coded by the source.
    pub languages: Vec<String>,
    /// Abstract; may hold HTML.
    pub abstract_text: Option<String>,
    /// Further abstracts, in document order.
    pub other_abstracts: Vec<String>,
    /// Abstracts whose language the source names, the first one included.
    pub abstracts_by_language: Vec<LanguageText>,
    /// Keywords.
    pub keywords: Vec<String>,
    /// Keywords whose language the source names; all are in `keywords` too.
    pub keywords_by_language: Vec<LanguageText>,
    /// Subjects with scheme and code.
    pub subjects: Vec<Subject>,
    /// Full text and other links.
    pub links: Vec<Link>,
    /// Licences, as names or URLs.
    pub licences: Vec<String>,
    /// Where licences are stated, beside those that are URLs themselves.
    pub licence_urls: Vec<String>,
    /// Country of publication.
    pub country: Option<String>,
    /// The publisher's own record number.
    pub publisher_record_id: Option<String>,
    /// Document type, as written.
    pub document_type: Option<String>,
    /// Identifiers that found no other place.
    pub identifiers: Vec<String>,
    /// Where it was published, as one text (`dc:source`).
    pub citations: Vec<String>,
    /// What the source carries beyond all this, under the source's own names.
    pub further: Map<String, Value>,
    /// What is odd about the record, for people; values are kept all the same.
    pub flags: Vec<String>,
}

impl Article {
    /// The year of publication: the first four digits in a row in `published` that stand alone.
    pub fn year(&self) -> Option<&str> {
        let published = self.published.as_deref()?;
        published
            .split(|c: char| !c.is_ascii_digit())
            .find(|digits| digits.len() == 4)
    }

    /// The first link to the full text, or else none.
    pub fn fulltext_url(&self) -> Option<&str> {
        self.links
            .iter()
            .find(|link| link.fulltext)
            .map(|link| link.url.as_str())
    }

    /// Adds a title: the first becomes the title, later ones other titles.
    pub(crate) fn add_title(&mut self, title: String) {
        match self.title {
            None => self.title = Some(title),
            Some(_) => self.other_titles.push(title),
        }
    }

    /// Adds an abstract: the first becomes the abstract, later ones other abstracts.
    pub(crate) fn add_abstract(&mut self, text: String) {
        match self.abstract_text {
            None => self.abstract_text = Some(text),
            Some(_) => self.other_abstracts.push(text),
        }
    }

    /// Adds a value to what the source carries beyond the model; a name seen before becomes a
    /// list.
    pub(crate) fn add_further(&mut self, name: &str, value: Value) {
        match self.further.get_mut(name) {
            None => {
                self.further.insert(name.to_owned(), value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(first) => {
                let values = vec![first.take(), value];
                *first = Value::Array(values);
            }
        }
    }

    /// Notes something odd, once.
    pub(crate) fn flag(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.flags.contains(&text) {
            self.flags.push(text);
        }
    }
}

/// What a record describes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An article.
    #[default]
    Article,
    /// A journal.
    Journal,
}

/// A text in a language that the source names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LanguageText {
    /// The language as coded by the source.
    pub language: String,
    /// The text.
    pub text: String,
}

/// An author.
///
/// Serialised, it has the keys of the JSONL export; see [`crate::record::export`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Author {
    /// The name as written; may be blank where the source has a blank one.
    pub name: String,
    /// ORCID iD as written, often a URL.
    pub orcid: Option<String>,
    /// Affiliations, in document order.
    pub affiliations: Vec<String>,
    /// Mail address.
    pub email: Option<String>,
}

/// A subject heading.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Subject {
    /// The scheme, such as `LCC`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// The code in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The term.
    pub term: String,
}

/// A link.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Link {
    /// The URL as written.
    pub url: String,
    /// The format, such as `pdf` or `HTML`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Whether it leads to the full text.
    pub fulltext: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_year() {
        let cases = [
            ("full date", Some("2015-01-31"), Some("2015")),
            ("year", Some("1998"), Some("1998")),
            ("words", Some("January 1991"), Some("1991")),
            ("run together", Some("20150131"), None),
            ("odd", Some("n. d."), None),
            ("none", None, None),
        ];
        for (case, published, expected) in cases {
            let article = Article {
                published: published.map(str::to_owned),
                ..Article::default()
            };
            assert_eq!(article.year(), expected, "{case}");
        }
    }
}
