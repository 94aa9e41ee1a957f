//! What the rules see of a record: its fields, read and folded once.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

use super::{
    name::{self, Name},
    place::{self, Issn, Pages},
    text::fold,
    title::{self, Notice},
};
use crate::record::resource::IdentifierKind;
use crate::record::{Kind, Resource, doi};

/// Authors that are kept; big collaborations have thousands, the first ones tell works apart.
pub const AUTHORS: usize = 10;

/// Further titles that are kept.
pub const OTHER_TITLES: usize = 3;

/// The fields of one record that rules look at, normalised.
///
/// A pure function of the record, so it may be stored or made anew. Serialised with short names
/// and without missing fields (about 300 bytes of JSON). `None` and empty mean: not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Description {
    /// What the record describes.
    #[serde(rename = "k", skip_serializing_if = "is_default")]
    pub form: Form,
    /// Whether it is a notice about another work.
    #[serde(rename = "n", skip_serializing_if = "is_default")]
    pub notice: Notice,
    /// Folded title, without notes of the language or of a retraction.
    #[serde(rename = "t", skip_serializing_if = "str::is_empty")]
    pub title: Box<str>,
    /// Numbers in the title, sorted, with blanks between them.
    #[serde(rename = "#", skip_serializing_if = "str::is_empty")]
    pub numbers: Box<str>,
    /// Folded further titles, at most [`OTHER_TITLES`]: translations, mostly.
    #[serde(rename = "o", skip_serializing_if = "Vec::is_empty")]
    pub other_titles: Vec<Box<str>>,
    /// The first [`AUTHORS`] authors, in order.
    #[serde(rename = "a", skip_serializing_if = "Vec::is_empty")]
    pub authors: Vec<Name>,
    /// Folded title of the journal or book; of a journal's own record, its publisher.
    #[serde(rename = "j", skip_serializing_if = "str::is_empty")]
    pub venue: Box<str>,
    /// Year of publication, 1000 to 2999.
    #[serde(rename = "y", skip_serializing_if = "Option::is_none")]
    pub year: Option<u16>,
    /// Volume, unless it is just the year again.
    #[serde(rename = "v", skip_serializing_if = "Option::is_none")]
    pub volume: Option<Box<str>>,
    /// Issue.
    #[serde(rename = "i", skip_serializing_if = "Option::is_none")]
    pub issue: Option<Box<str>>,
    /// Pages or article number.
    #[serde(rename = "p", skip_serializing_if = "Option::is_none")]
    pub pages: Option<Pages>,
    /// ISSNs, sorted.
    #[serde(rename = "s", skip_serializing_if = "Vec::is_empty")]
    pub issns: Vec<Issn>,
    /// ISBNs as thirteen digits, sorted.
    #[serde(rename = "b", skip_serializing_if = "Vec::is_empty")]
    pub isbns: Vec<u64>,
    /// Normalised DOI.
    #[serde(rename = "d", skip_serializing_if = "Option::is_none")]
    pub doi: Option<Box<str>>,
}

/// What a record describes, as far as it decides which records can be one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// A text of unknown form; may be any of the others except a journal.
    #[default]
    Unknown,
    /// A journal.
    Journal,
    /// An article, paper, report or preprint.
    Article,
    /// A part of a book.
    Chapter,
    /// A book or thesis.
    Book,
    /// A data set, image or recording.
    Data,
    /// A file that belongs to another work.
    Supplement,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The fields of a record as written, wherever it comes from.
#[derive(Debug, Clone, Default)]
pub(super) struct Raw<'a> {
    pub(super) journal: bool,
    pub(super) document_type: &'a str,
    pub(super) title: &'a str,
    pub(super) other_titles: &'a [String],
    pub(super) authors: Vec<&'a str>,
    pub(super) venue: &'a str,
    pub(super) year: Option<u16>,
    pub(super) volume: &'a str,
    pub(super) issue: &'a str,
    pub(super) pages: Option<Pages>,
    pub(super) issns: Vec<&'a str>,
    pub(super) isbns: Vec<&'a str>,
    /// Texts that may be a DOI; the first that is one counts.
    pub(super) dois: Vec<&'a str>,
}

impl Description {
    /// Describes a harvested record.
    pub fn from_resource(resource: &Resource) -> Description {
        let host = &resource.host;
        let links = resource.links.iter().map(|link| link.url.as_str());
        let identifiers = resource.identifiers.iter();
        let identifiers = identifiers.map(|identifier| identifier.value.as_str());
        let journal = resource.kind == Kind::Journal;
        let venue = if journal {
            resource.publisher()
        } else {
            host.title.as_deref()
        };
        let mut titles = resource.titles.iter().map(|title| title.full());
        let title = titles.next().unwrap_or_default();
        let other_titles: Vec<String> = titles.map(Cow::into_owned).collect();
        Description::read(Raw {
            journal,
            document_type: resource.document_type().unwrap_or(match resource.kind {
                Kind::Article | Kind::Other => "",
                kind => kind.name(),
            }),
            title: &title,
            other_titles: &other_titles,
            authors: resource
                .authors()
                .map(|author| author.name.as_str())
                .collect(),
            venue: venue.unwrap_or_default(),
            year: resource.published().and_then(year),
            volume: host.volume.as_deref().unwrap_or_default(),
            issue: host.issue.as_deref().unwrap_or_default(),
            pages: host
                .start_page
                .as_deref()
                .and_then(|start| place::pages_of(start, host.end_page.as_deref())),
            issns: host
                .issn
                .iter()
                .chain(&host.eissn)
                .map(String::as_str)
                .collect(),
            isbns: resource.identifiers_of(IdentifierKind::Isbn).collect(),
            dois: resource
                .doi()
                .into_iter()
                .chain(identifiers)
                .chain(links)
                .collect(),
        })
    }

    pub(super) fn read(raw: Raw<'_>) -> Description {
        let title = title::read(raw.title);
        let folded_type = fold(raw.document_type);
        let volume = place::volume(raw.volume).filter(|volume| {
            // Some sources put the year for a missing volume; it would conflict with the real one.
            raw.year.is_none_or(|year| **volume != *year.to_string())
        });
        Description {
            form: if raw.journal {
                Form::Journal
            } else {
                form(&folded_type)
            },
            notice: match title.notice {
                _ if raw.journal => Notice::None,
                Notice::None => title::typed_notice(&folded_type),
                notice => notice,
            },
            other_titles: other_titles(&raw, &title.words),
            title: title.words.into(),
            numbers: title.numbers.into(),
            authors: raw
                .authors
                .iter()
                .filter_map(|name| name::read(name))
                .take(AUTHORS)
                .collect(),
            venue: fold(journal_title(raw.venue)).into(),
            year: raw.year,
            volume,
            issue: place::issue(raw.issue),
            pages: raw.pages,
            issns: sorted(
                raw.issns
                    .iter()
                    .filter_map(|issn| Issn::read(issn))
                    .collect(),
            ),
            isbns: sorted(
                raw.isbns
                    .iter()
                    .filter_map(|isbn| place::isbn(isbn))
                    .collect(),
            ),
            doi: raw.dois.iter().find_map(|text| normalised_doi(text)),
        }
    }

    /// All titles, the first one first.
    pub fn titles(&self) -> impl Iterator<Item = &str> + Clone {
        let first = Some(&self.title).filter(|title| !title.is_empty());
        first
            .into_iter()
            .chain(&self.other_titles)
            .map(|title| &**title)
    }

    /// The name of the first author.
    pub fn first_author(&self) -> Option<&Name> {
        self.authors.first()
    }

    /// How many of the fields are known: the measure of completeness.
    pub fn filled(&self) -> usize {
        [
            !self.title.is_empty(),
            !self.authors.is_empty(),
            !self.venue.is_empty(),
            self.year.is_some(),
            self.volume.is_some(),
            self.issue.is_some(),
            self.pages.is_some(),
            self.pages
                .as_ref()
                .is_some_and(|pages| pages.last.is_some()),
            !self.issns.is_empty(),
            self.doi.is_some(),
        ]
        .into_iter()
        .filter(|known| *known)
        .count()
    }
}

/// The title of a journal without what catalogues add to it: a subtitle after a colon between
/// blanks, a parallel title, a place in brackets.
fn journal_title(raw: &str) -> &str {
    let ends = [" : ", " = ", " / ", " ("];
    let end = ends.iter().filter_map(|mark| raw.find(mark)).min();
    &raw[..end.unwrap_or(raw.len())]
}

/// Further titles of a record that are not its first one again.
fn other_titles(raw: &Raw<'_>, first: &str) -> Vec<Box<str>> {
    let mut titles: Vec<Box<str>> = Vec::new();
    for other in raw.other_titles {
        let words = title::read(other).words;
        let known = words == first || titles.iter().any(|title| **title == *words);
        if titles.len() < OTHER_TITLES && !words.is_empty() && !known {
            titles.push(words.into());
        }
    }
    titles
}

fn sorted<T: Ord>(mut values: Vec<T>) -> Vec<T> {
    values.sort_unstable();
    values.dedup();
    values
}

/// The DOI in a text that may have it percent-encoded, as resolver addresses do.
fn normalised_doi(raw: &str) -> Option<Box<str>> {
    let decoded = percent_decode_str(raw).decode_utf8_lossy();
    doi::normalise(&decoded).map(Box::from)
}

/// The first run of exactly four digits that can be a year.
pub(super) fn year(text: &str) -> Option<u16> {
    text.split(|c: char| !c.is_ascii_digit())
        .filter_map(|run| match run.len() {
            4 => run.parse().ok(),
            8 => run[..4].parse().ok(),
            _ => None,
        })
        .find(|year| (1000..3000).contains(year))
}

/// The form that a folded document type names.
///
/// Source: the type vocabularies of COAR, CSL, DRIVER and DataCite.
fn form(folded: &str) -> Form {
    const SIGNS: [(&str, Form); 19] = [
        ("supplement", Form::Supplement),
        ("component", Form::Supplement),
        ("bookpart", Form::Chapter),
        ("book part", Form::Chapter),
        ("book section", Form::Chapter),
        ("chapter", Form::Chapter),
        ("book review", Form::Article),
        ("dataset", Form::Data),
        ("data set", Form::Data),
        ("image", Form::Data),
        ("graphic", Form::Data),
        ("sound", Form::Data),
        ("software", Form::Data),
        ("thesis", Form::Book),
        ("book", Form::Book),
        ("article", Form::Article),
        ("paper", Form::Article),
        ("preprint", Form::Article),
        ("review", Form::Article),
    ];
    SIGNS
        .iter()
        .find(|(sign, _)| folded.contains(sign))
        .map_or(Form::Unknown, |(_, form)| *form)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::resource::{Host, Identifier, Title};
    use crate::record::{Agent, Link};

    fn text(value: &str) -> Option<String> {
        Some(value.to_owned())
    }

    #[test]
    fn describes_an_article() {
        let identifier = |kind, value: &str| Identifier {
            kind,
            value: value.to_owned(),
        };
        let mut resource = Resource {
            titles: [
                "The <i>heart</i>. Part II",
                "Das Herz",
                "The heart. Part II.",
            ]
            .map(|title| Title::from(title.to_owned()))
            .to_vec(),
            agents: vec![Agent {
                name: "Smith, J.".to_owned(),
                ..Agent::default()
            }],
            host: Host {
                title: text("Journal of Hearts"),
                issn: text("0300-8428"),
                eissn: text("wrong"),
                volume: text("2005"),
                issue: text("3"),
                start_page: text("139"),
                end_page: text("54"),
                ..Host::default()
            },
            identifiers: vec![identifier(IdentifierKind::Isbn, "ISBN 0-306-40615-2")],
            links: vec![Link {
                url: "https://doi.org/10.1016/S0008-6363%2896%2900240-4".to_owned(),
                ..Link::default()
            }],
            ..Resource::default()
        };
        resource.publish("2005-03-01".to_owned());
        let want = Description {
            title: "the heart part ii".into(),
            numbers: "2".into(),
            other_titles: vec!["das herz".into()],
            authors: vec![Name {
                family: "smith".into(),
                given: "j".into(),
            }],
            venue: "journal of hearts".into(),
            year: Some(2005),
            volume: None,
            issue: Some("3".into()),
            pages: place::pages("139-154"),
            issns: vec![Issn::read("0300-8428").unwrap()],
            isbns: vec![9_780_306_406_157],
            doi: Some("10.1016/s0008-6363(96)00240-4".into()),
            ..Description::default()
        };
        assert_eq!(Description::from_resource(&resource), want);
        let json = serde_json::to_string(&want).unwrap();
        assert_eq!(serde_json::from_str::<Description>(&json).unwrap(), want);
    }

    #[test]
    fn nothing_known_is_nothing_stored() {
        let empty = Description::from_resource(&Resource::default());
        assert_eq!(serde_json::to_string(&empty).unwrap(), "{}");
        assert_eq!(empty.filled(), 0);
    }

    #[test]
    fn forms() {
        for (written, want) in [
            ("journal article", Form::Article),
            ("article-journal", Form::Article),
            ("info:eu-repo/semantics/bookPart", Form::Chapter),
            ("chapter", Form::Chapter),
            ("book", Form::Book),
            ("book review", Form::Article),
            ("Text", Form::Unknown),
            ("", Form::Unknown),
        ] {
            assert_eq!(form(&fold(written)), want, "{written}");
        }
    }

    #[test]
    fn years() {
        for (written, want) in [
            ("2005", Some(2005)),
            ("2005-03-01T00:00:00Z", Some(2005)),
            ("March 2005", Some(2005)),
            ("20050301", Some(2005)),
            ("05/03", None),
            ("", None),
        ] {
            assert_eq!(year(written), want, "{written}");
        }
    }

    #[test]
    fn the_type_tells_of_a_notice_that_the_title_hides() {
        let resource = Resource {
            titles: vec![Title::from("The heart".to_owned())],
            stated_types: vec!["Erratum".to_owned()],
            ..Resource::default()
        };
        assert_eq!(
            Description::from_resource(&resource).notice,
            Notice::Erratum
        );
    }
}
