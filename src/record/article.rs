//! The article model: what every crosswalk makes and every output reads.

use serde::Serialize;

/// One article or journal, in the repository's own words.
///
/// Texts are as delivered, with markup and odd values kept; only blank values are left out.
/// `None` and empty lists mean that the format did not carry the value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Article {
    /// What the metadata describes.
    pub kind: Kind,
    /// The first title that is not blank.
    pub title: Option<String>,
    /// Further titles, in document order.
    pub other_titles: Vec<String>,
    /// Authors in document order.
    pub authors: Vec<Author>,
    /// The journal's title.
    pub journal: Option<String>,
    /// The publisher.
    pub publisher: Option<String>,
    /// Print ISSN, as written.
    pub issn: Option<String>,
    /// Electronic ISSN, as written.
    pub eissn: Option<String>,
    /// DOI as written; [`crate::record::doi`] normalises it.
    pub doi: Option<String>,
    /// Date of publication as written, often `YYYY-MM-DD`.
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
    /// Keywords.
    pub keywords: Vec<String>,
    /// Subjects with scheme and code.
    pub subjects: Vec<Subject>,
    /// Full text and other links.
    pub links: Vec<Link>,
    /// Licences, as names or URLs.
    pub licences: Vec<String>,
    /// Country of publication.
    pub country: Option<String>,
    /// The publisher's own record number.
    pub publisher_record_id: Option<String>,
    /// Document type, as written.
    pub document_type: Option<String>,
    /// Identifiers that found no other place.
    pub identifiers: Vec<String>,
    /// What is odd about the record, for people; values are kept all the same.
    pub flags: Vec<String>,
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

/// An author.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Author {
    /// The name as written; may be blank where the source has a blank one.
    pub name: String,
    /// ORCID iD as written, often a URL.
    pub orcid: Option<String>,
    /// Affiliations, in document order.
    pub affiliations: Vec<String>,
}

/// A subject heading.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Subject {
    /// The scheme, such as `LCC`.
    pub scheme: Option<String>,
    /// The code in it.
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
    pub format: Option<String>,
    /// Whether it leads to the full text.
    pub fulltext: bool,
}
