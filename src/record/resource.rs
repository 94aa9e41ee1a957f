//! The resource model: what every crosswalk makes and every output reads.
//!
//! Nothing here is guessed: a value that the metadata does not tell stays empty.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{doi, language};

/// What one record describes: an article, a thesis, a data set, a journal.
///
/// Texts are as delivered, with markup and odd values kept; only white space at their ends and
/// blank values are left out. Empty lists and `None` mean that the metadata does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resource {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The types as written, in document order; access levels and versions are among them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stated_types: Vec<String>,
    /// Titles in document order; the first is the one to show.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub titles: Vec<Title>,
    /// People and bodies in document order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<Agent>,
    /// Dates in document order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dates: Vec<Date>,
    /// The journal, book or conference that it is a part of; of a journal, the journal itself.
    #[serde(skip_serializing_if = "Host::is_empty")]
    pub host: Host,
    /// The series that it belongs to, such as working papers of an institute.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<Series>,
    /// Its own identifiers. Those of other works are in `related`, those of its host in `host`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identifiers: Vec<Identifier>,
    /// Where to find it and what belongs to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// Other works, and how it is related to them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Related>,
    /// Languages of the text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<Language>,
    /// Subjects and keywords.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<Subject>,
    /// Abstracts, which may hold HTML.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub abstracts: Vec<Text>,
    /// Licences and statements of rights.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rights: Vec<Rights>,
    /// Publishers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub publishers: Vec<Publisher>,
    /// The edition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edition: Option<String>,
    /// Extent: a number of pages, a duration, a size.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extent: Vec<String>,
    /// Media types and formats, as written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub formats: Vec<String>,
    /// The degree that a thesis was written for.
    #[serde(skip_serializing_if = "Degree::is_empty")]
    pub degree: Degree,
    /// Where it was published, as one text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub citations: Vec<String>,
    /// Notes that are no abstract.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What the source carries beyond all this, under the source's own names.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub further: Map<String, Value>,
    /// What is odd about the record, for people; values are kept all the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
}

/// What a resource is. The names are those of the JSONL export.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// An article in a journal, newspaper or magazine.
    #[serde(rename = "article")]
    Article,
    /// A book.
    #[serde(rename = "book")]
    Book,
    /// A part of a book.
    #[serde(rename = "chapter")]
    Chapter,
    /// A thesis for any degree.
    #[serde(rename = "thesis")]
    Thesis,
    /// A paper, poster or talk of a conference, or its proceedings.
    #[serde(rename = "conference paper")]
    ConferencePaper,
    /// A report, working paper or discussion paper.
    #[serde(rename = "report")]
    Report,
    /// A paper before review.
    #[serde(rename = "preprint")]
    Preprint,
    /// Data.
    #[serde(rename = "dataset")]
    Dataset,
    /// A still image.
    #[serde(rename = "image")]
    Image,
    /// Sound.
    #[serde(rename = "audio")]
    Audio,
    /// Moving images.
    #[serde(rename = "video")]
    Video,
    /// A map.
    #[serde(rename = "map")]
    Map,
    /// A program.
    #[serde(rename = "software")]
    Software,
    /// A journal, newspaper or magazine, or one issue of it.
    #[serde(rename = "journal")]
    Journal,
    /// Anything else, and what does not say.
    #[default]
    #[serde(rename = "other")]
    Other,
}

/// A title.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Title {
    /// The title, without the subtitle if that is told apart.
    pub text: String,
    /// The subtitle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subtitle: Option<String>,
    /// Its language as coded by the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

/// A person or a body, and what they did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Agent {
    /// The name as written; `Family, Given` if the source has the parts. Blank where the source's is.
    pub name: String,
    /// The family name, if the source tells it apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// The given names, if the source tells them apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given: Option<String>,
    /// What they did.
    pub role: Role,
    /// Whether it is an organisation.
    #[serde(skip_serializing_if = "is_false")]
    pub organisation: bool,
    /// ORCID iD as `0000-0000-0000-0000`; a text that is none stays as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orcid: Option<String>,
    /// Affiliations, in document order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub affiliations: Vec<String>,
    /// Dates of life, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dates: Option<String>,
    /// Mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// What an agent did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Wrote, made or composed it.
    #[default]
    Author,
    /// Edited it.
    Editor,
    /// Translated it.
    Translator,
    /// Advised or examined a thesis.
    Advisor,
    /// Had a part that is not told.
    Contributor,
    /// Another part, in the source's word.
    #[serde(untagged)]
    Other(String),
}

/// A date.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Date {
    /// What happened then.
    pub kind: DateKind,
    /// The date as written, often `YYYY-MM-DD`.
    pub text: String,
}

/// What happened at a date.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DateKind {
    /// It was published; of a thesis, the degree was awarded; of pictures and papers, they were made.
    #[default]
    Published,
    /// It was made.
    Created,
    /// It was handed in.
    Submitted,
    /// It was accepted.
    Accepted,
    /// It was deposited, put online or freed of an embargo.
    Available,
    /// It was changed.
    Modified,
    /// The copyright begins.
    Copyright,
    /// Something else.
    Other,
}

/// What a resource is a part of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Host {
    /// The host's title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What the host is: a journal, a book or a conference; `None` if it is not told.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// Print ISSN, as written; also the ISSN whose medium is not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issn: Option<String>,
    /// Electronic ISSN, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eissn: Option<String>,
    /// Further ISSNs, as written: of other or earlier forms.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_issns: Vec<String>,
    /// ISBNs of the host, as written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub isbns: Vec<String>,
    /// Volume, without the word for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume: Option<String>,
    /// Issue, without the word for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issue: Option<String>,
    /// First page, or an article number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_page: Option<String>,
    /// Last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_page: Option<String>,
    /// Name, place and time of the conference, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conference: Option<String>,
}

/// A series.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Series {
    /// The series' title.
    pub title: String,
    /// The number in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
}

/// An identifier of the resource itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identifier {
    /// The scheme.
    pub kind: IdentifierKind,
    /// The identifier as written; [`crate::record::doi`] normalises a DOI.
    pub value: String,
}

/// The scheme of an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentifierKind {
    /// A DOI.
    Doi,
    /// A handle, `hdl:` or an address of hdl.handle.net or a resolver of its kind.
    Handle,
    /// A URN.
    Urn,
    /// An ARK.
    Ark,
    /// An ISBN.
    Isbn,
    /// A number of PubMed.
    Pmid,
    /// A number of PubMed Central.
    Pmcid,
    /// An identifier of arXiv.
    Arxiv,
    /// A number of a report or patent.
    Number,
    /// The publisher's own record number.
    Publisher,
    /// Another, of the repository's own.
    Other,
}

/// A link.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Link {
    /// The URL as written.
    pub url: String,
    /// What it leads to.
    pub purpose: LinkPurpose,
    /// The format, such as `pdf` or `text/html`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
}

/// What a link leads to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkPurpose {
    /// The full text, or the thing itself.
    FullText,
    /// A page about it, mostly with a way to the full text.
    #[default]
    Landing,
    /// A supplement.
    Supplement,
    /// A small picture of it.
    Thumbnail,
    /// Another page, such as a table of contents.
    Other,
}

/// Another work.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Related {
    /// How the resource is related to it, in the source's word (`isPartOf`, `IsSupplementTo`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relation: Option<String>,
    /// Its title, identifier or URL, as written.
    pub text: String,
}

/// A language.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Language {
    /// As written by the source.
    pub text: String,
    /// The code of ISO 639-2/B, if it has one and the text tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The code of ISO 639-3, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iso639_3: Option<String>,
}

/// A subject heading or a keyword.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Subject {
    /// The scheme, such as `LCC`; a free keyword has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// The code in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The term; blank if there is a code only.
    pub term: String,
    /// The term's language as coded by the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

/// A text that may name its language.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Text {
    /// The text.
    pub text: String,
    /// Its language as coded by the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

/// A licence or a statement of rights.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rights {
    /// Its name or text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Its address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// A publisher.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Publisher {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The place, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The country, as written, mostly a code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
}

/// The degree that a thesis was written for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Degree {
    /// The degree's name, such as `Ph.D.`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its level: bachelor, master or doctor, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// The discipline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discipline: Option<String>,
    /// Who granted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grantor: Option<String>,
}

impl Kind {
    /// All types.
    pub const ALL: [Self; 15] = [
        Self::Article,
        Self::Book,
        Self::Chapter,
        Self::Thesis,
        Self::ConferencePaper,
        Self::Report,
        Self::Preprint,
        Self::Dataset,
        Self::Image,
        Self::Audio,
        Self::Video,
        Self::Map,
        Self::Software,
        Self::Journal,
        Self::Other,
    ];

    /// The name in the JSONL export.
    pub fn name(self) -> &'static str {
        match self {
            Self::Article => "article",
            Self::Book => "book",
            Self::Chapter => "chapter",
            Self::Thesis => "thesis",
            Self::ConferencePaper => "conference paper",
            Self::Report => "report",
            Self::Preprint => "preprint",
            Self::Dataset => "dataset",
            Self::Image => "image",
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Map => "map",
            Self::Software => "software",
            Self::Journal => "journal",
            Self::Other => "other",
        }
    }
}

impl Title {
    /// Title and subtitle, with a colon between them unless the title ends in punctuation.
    pub fn full(&self) -> Cow<'_, str> {
        let Some(subtitle) = &self.subtitle else {
            return Cow::Borrowed(&self.text);
        };
        let title = self.text.trim_end();
        let joint = match title.chars().last() {
            Some(':' | ';' | '?' | '!' | '.' | '–' | '—') => " ",
            Some(_) => ": ",
            None => "",
        };
        Cow::Owned([title, joint, subtitle].concat())
    }
}

impl From<String> for Title {
    fn from(text: String) -> Self {
        Self {
            text,
            ..Self::default()
        }
    }
}

impl Language {
    /// A language as a source writes it: a code of ISO 639-1, 639-2 or 639-3, or an English name.
    /// Other texts have no code.
    pub fn read(text: String) -> Self {
        let code = language::marc_code(&text);
        Self {
            iso639_3: language::iso639_3(&text).map(str::to_owned),
            code: code.map(str::to_owned),
            text,
        }
    }

    /// The code of ISO 639-2/B, or else the text.
    pub fn code_or_text(&self) -> &str {
        self.code.as_deref().unwrap_or(&self.text)
    }
}

impl Host {
    /// Its ISSNs as written: print, electronic, others.
    pub fn issns(&self) -> impl Iterator<Item = &String> {
        let known = self.issn.iter().chain(&self.eissn);
        known.chain(&self.other_issns)
    }

    /// Whether nothing is known of it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Degree {
    /// Whether nothing is known of it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Resource {
    /// The title to show.
    pub fn title(&self) -> Option<&str> {
        self.titles.first().map(|title| title.text.as_str())
    }

    /// People and bodies in the part of an author, in document order.
    pub fn authors(&self) -> impl Iterator<Item = &Agent> {
        self.agents
            .iter()
            .filter(|agent| agent.role == Role::Author)
    }

    /// The identifiers of one scheme, in document order.
    pub fn identifiers_of(&self, kind: IdentifierKind) -> impl Iterator<Item = &str> {
        let all = self.identifiers.iter();
        all.filter(move |identifier| identifier.kind == kind)
            .map(|identifier| identifier.value.as_str())
    }

    /// The first DOI as written.
    pub fn doi(&self) -> Option<&str> {
        self.identifiers_of(IdentifierKind::Doi).next()
    }

    /// The date of publication as written.
    pub fn published(&self) -> Option<&str> {
        let mut dates = self.dates.iter();
        dates
            .find(|date| date.kind == DateKind::Published)
            .map(|date| date.text.as_str())
    }

    /// The year of publication: the first four digits of the date of publication that stand alone
    /// or begin eight (`20150131`), from 1000 to 2999.
    pub fn year(&self) -> Option<&str> {
        let runs = self.published()?.split(|c: char| !c.is_ascii_digit());
        runs.filter(|run| matches!(run.len(), 4 | 8))
            .map(|run| &run[..4])
            .find(|year| matches!(year.as_bytes()[0], b'1' | b'2'))
    }

    /// The agents that are no authors, in document order.
    pub fn contributors(&self) -> impl Iterator<Item = &Agent> {
        self.agents
            .iter()
            .filter(|agent| agent.role != Role::Author)
    }

    /// Free keywords, in document order.
    pub fn keywords(&self) -> impl Iterator<Item = &Subject> {
        let subjects = self.subjects.iter();
        subjects.filter(|subject| subject.scheme.is_none())
    }

    /// Subjects of a scheme, in document order.
    pub fn headings(&self) -> impl Iterator<Item = &Subject> {
        let subjects = self.subjects.iter();
        subjects.filter(|subject| subject.scheme.is_some())
    }

    /// The first name of a publisher.
    pub fn publisher(&self) -> Option<&str> {
        let mut names = self.publishers.iter();
        names.find_map(|publisher| publisher.name.as_deref())
    }

    /// The first country of publication.
    pub fn country(&self) -> Option<&str> {
        let mut countries = self.publishers.iter();
        countries.find_map(|publisher| publisher.country.as_deref())
    }

    /// The first type as written that says more than article or journal.
    pub fn document_type(&self) -> Option<&str> {
        let mut types = self.stated_types.iter();
        let is_plain = |text: &str| {
            ["article", "journal"]
                .iter()
                .any(|kind| text.eq_ignore_ascii_case(kind))
        };
        types.find(|text| !is_plain(text)).map(String::as_str)
    }

    /// The address that its DOI or handle gives.
    pub fn address(&self) -> Option<String> {
        let doi = self.doi().and_then(doi::normalise);
        if let Some(doi) = doi {
            return Some(format!("https://doi.org/{doi}"));
        }
        let handle = self.identifiers_of(IdentifierKind::Handle).next()?;
        if handle.contains("://") {
            return Some(handle.to_owned());
        }
        let bare = handle
            .trim_start_matches("hdl:")
            .trim_start_matches("info:hdl/");
        Some(format!("https://hdl.handle.net/{bare}"))
    }

    /// The first link to the full text.
    pub fn fulltext_url(&self) -> Option<&str> {
        let mut links = self.links.iter();
        links
            .find(|link| link.purpose == LinkPurpose::FullText)
            .map(|link| link.url.as_str())
    }

    /// The first link to the full text, else to a page about it.
    pub fn reading_url(&self) -> Option<&str> {
        let mut links = self.links.iter();
        let landing = links.find(|link| link.purpose == LinkPurpose::Landing);
        self.fulltext_url()
            .or(landing.map(|link| link.url.as_str()))
    }

    /// Adds a name of a publisher, unless it is known.
    pub fn add_publisher(&mut self, name: String) {
        let mut known = self.publishers.iter();
        if known.all(|publisher| publisher.name.as_ref() != Some(&name)) {
            self.publishers.push(Publisher {
                name: Some(name),
                ..Publisher::default()
            });
        }
    }

    /// Adds the date of publication, unless there is one.
    pub fn publish(&mut self, text: String) {
        if self.published().is_none() {
            self.dates.push(Date {
                kind: DateKind::Published,
                text,
            });
        }
    }

    /// Adds an identifier, once.
    pub fn identify(&mut self, kind: IdentifierKind, value: impl Into<String>) {
        let value = value.into();
        let identifier = Identifier { kind, value };
        if !self.identifiers.contains(&identifier) {
            self.identifiers.push(identifier);
        }
    }

    /// Adds a value to what the source carries beyond the model; a name seen before becomes a
    /// list.
    pub fn add_further(&mut self, name: &str, value: Value) {
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
    pub fn flag(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.flags.contains(&text) {
            self.flags.push(text);
        }
    }
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
            ("run together", Some("20150131"), Some("2015")),
            ("zeros", Some("0000-00-00"), None),
            ("odd", Some("n. d."), None),
            ("none", None, None),
        ];
        for (case, published, expected) in cases {
            let mut resource = Resource::default();
            if let Some(text) = published {
                resource.publish(text.to_owned());
            }
            assert_eq!(resource.year(), expected, "{case}");
        }
    }

    #[test]
    fn joins_subtitles() {
        let cases = [
            ("T", None, "T"),
            ("T", Some("s"), "T: s"),
            ("T?", Some("s"), "T? s"),
            ("T :", Some("s"), "T : s"),
            ("", Some("s"), "s"),
        ];
        for (text, subtitle, expected) in cases {
            let title = Title {
                text: text.to_owned(),
                subtitle: subtitle.map(str::to_owned),
                language: None,
            };
            assert_eq!(title.full(), expected);
        }
    }

    #[test]
    fn names_are_those_of_the_export() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }
}
