//! What the rules see of a record: its fields, read and folded once.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{
    address::Address,
    doi,
    name::{self, Name},
    notice::{self, Notice},
    place::{self, Citation, Issn, Pages},
    text::fold,
    title,
};
use crate::record::resource::{IdentifierKind, Related};
use crate::record::{Kind, Resource};

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
    /// Normalised DOIs, at most [`doi::DOIS`]; those of copies come last.
    #[serde(rename = "d", skip_serializing_if = "Vec::is_empty")]
    pub dois: Vec<Box<str>>,
    /// Where the full text is, or a page about it.
    #[serde(rename = "u", skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
}

/// What a record describes, as far as it decides which records can be one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// A text of unknown form; may be any other text except a journal.
    #[default]
    Unknown,
    /// A journal.
    Journal,
    /// An article, or a text of unknown form with a place in a journal.
    Article,
    /// A part of a book.
    Chapter,
    /// A book.
    Book,
    /// A data set.
    Data,
    /// A file that belongs to another work.
    Supplement,
    /// A thesis for any degree.
    Thesis,
    /// A paper, talk or poster of a conference.
    Conference,
    /// A report or working paper: a version before the article.
    Report,
    /// A preprint: a version before the article.
    Preprint,
    /// A program.
    Software,
    /// An image or a map.
    Image,
    /// Sound or moving images.
    Recording,
    /// What its source calls something else.
    Other,
}

impl Form {
    /// A text that some sources call an article and others a chapter or a paper.
    fn is_loose(self) -> bool {
        matches!(
            self,
            Form::Article
                | Form::Chapter
                | Form::Book
                | Form::Conference
                | Form::Report
                | Form::Preprint
                | Form::Other
        )
    }

    /// A version before the article.
    fn is_early(self) -> bool {
        matches!(self, Form::Report | Form::Preprint)
    }

    /// How two forms fit one work.
    pub fn with(self, other: Form) -> Fit {
        let is_thing =
            |form: Form| !form.is_loose() && !matches!(form, Form::Unknown | Form::Thesis);
        if self == other {
            Fit::Same
        } else if self == Form::Unknown || other == Form::Unknown {
            // Who says nothing about the type describes a text.
            match is_thing(self) || is_thing(other) {
                true => Fit::Conflict,
                false => Fit::Same,
            }
        } else if (self.is_early() && other.is_loose()) || (other.is_early() && self.is_loose()) {
            match [Form::Book, Form::Other]
                .iter()
                .any(|form| [self, other].contains(form))
            {
                true => Fit::Loose,
                false => Fit::Versions,
            }
        } else if self.is_loose() && other.is_loose() {
            Fit::Loose
        } else {
            Fit::Conflict
        }
    }
}

/// How the forms of two records fit one work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// One form, or one of them is not known.
    Same,
    /// A version before publication, and a later one.
    Versions,
    /// Labels that sources use for one thing: article, chapter, paper of a conference.
    Loose,
    /// Different things.
    Conflict,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The fields of a record as written, wherever it comes from.
#[derive(Debug, Clone, Default)]
pub(super) struct Raw<'a> {
    pub(super) journal: bool,
    /// The form, if the source tells it; otherwise it is read from `types`.
    pub(super) form: Form,
    /// The types as written.
    pub(super) types: Vec<&'a str>,
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
    /// Texts that may be a DOI.
    pub(super) dois: Vec<&'a str>,
    /// The address of the full text, as written.
    pub(super) address: &'a str,
}

impl Description {
    /// Describes a harvested record.
    pub fn from_resource(resource: &Resource) -> Description {
        let host = &resource.host;
        let links = resource.links.iter().map(|link| link.url.as_str());
        let identifiers = resource.identifiers.iter();
        let related = resource.related.iter().filter(|other| is_same(other));
        let texts = resource
            .doi()
            .into_iter()
            .chain(identifiers.map(|identifier| identifier.value.as_str()))
            .chain(related.map(|other| without_scheme(&other.text)));
        let mut own = texts.clone();
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
            form: form_of_kind(resource.kind),
            types: resource.stated_types.iter().map(String::as_str).collect(),
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
            issns: host.issns().map(String::as_str).collect(),
            isbns: resource.identifiers_of(IdentifierKind::Isbn).collect(),
            dois: match own.any(|text| doi::read(text).is_some()) {
                true => texts.collect(),
                // A link may lead to another work, so only the first one is taken.
                false => links
                    .filter(|link| doi::read(link).is_some())
                    .take(1)
                    .collect(),
            },
            address: resource.reading_url().unwrap_or_default(),
        })
    }

    pub(super) fn read(mut raw: Raw<'_>) -> Description {
        let bare =
            |pages: &Pages, year: u16| pages.last.is_none() && *pages.first == *year.to_string();
        raw.pages = raw
            .pages
            .take_if(|pages| !raw.year.is_some_and(|year| bare(pages, year)));
        let citation = match raw.volume.trim().is_empty() || raw.pages.is_none() {
            true if !raw.journal => place::citation(raw.venue).unwrap_or_default(),
            _ => Citation::default(),
        };
        let year = raw.year.or(citation.year);
        let title = title::read(match raw.journal {
            true => place::without_medium(raw.title),
            false => raw.title,
        });
        let types: Vec<String> = raw.types.iter().map(|text| fold(text)).collect();
        let stated = types.iter().map(|text| form(text));
        let volume = place::volume(raw.volume).filter(|volume| {
            // Some sources put the year for a missing volume; it would conflict with the real one.
            year.is_none_or(|year| **volume != *year.to_string())
        });
        let issue = place::issue(raw.issue).or_else(|| place::supplement(raw.volume));
        let mut description = Description {
            form: match raw.form {
                Form::Unknown => stated
                    .into_iter()
                    .find(|form| *form != Form::Unknown)
                    .unwrap_or_default(),
                form => form,
            },
            notice: match title.notice {
                _ if raw.journal => Notice::None,
                Notice::None => notice::typed(&types),
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
            venue: fold(journal_title(citation.journal.unwrap_or(raw.venue))).into(),
            year,
            volume: volume.or(citation.volume),
            issue: issue.or(citation.issue),
            pages: raw.pages.or(citation.pages),
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
            dois: doi::read_all(raw.dois),
            address: Address::read(raw.address).filter(|_| !raw.journal),
        };
        if raw.journal {
            description.form = Form::Journal;
        } else if description.form == Form::Unknown {
            description.form = description.form_by_place();
        }
        description
    }

    /// The form of a text whose type is not told: with an ISSN it is an article, with the DOI of a
    /// preprint server and no other a preprint.
    fn form_by_place(&self) -> Form {
        if !self.issns.is_empty() && self.isbns.is_empty() {
            return Form::Article;
        }
        let preprint = self.dois.iter().all(|doi| doi::is_of_preprint(doi));
        match !self.dois.is_empty() && preprint {
            true => Form::Preprint,
            false => Form::Unknown,
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
            !self.dois.is_empty(),
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

/// Whether a related work is this one under another identifier.
fn is_same(related: &Related) -> bool {
    let relation = related.relation.as_deref().unwrap_or_default();
    let named = ["isversionof", "isidenticalto", "isvariantformof"]
        .iter()
        .any(|name| relation.eq_ignore_ascii_case(name));
    named || related.text.starts_with(ALTERNATIVE)
}

/// Before an identifier of the published work in a relation.
///
/// Source: the guidelines of DRIVER and OpenAIRE for literature repositories.
const ALTERNATIVE: &str = "info:eu-repo/semantics/altIdentifier/";

/// The identifier in a relation, without `info:eu-repo/semantics/altIdentifier/doi/`.
fn without_scheme(text: &str) -> &str {
    let rest = text.strip_prefix(ALTERNATIVE).unwrap_or(text);
    rest.strip_prefix("doi/").unwrap_or(rest)
}

/// The form that a type of the resource model is; the types as written say more about articles and
/// other things.
fn form_of_kind(kind: Kind) -> Form {
    match kind {
        Kind::Article | Kind::Other => Form::Unknown,
        Kind::Book => Form::Book,
        Kind::Chapter => Form::Chapter,
        Kind::Thesis => Form::Thesis,
        Kind::ConferencePaper => Form::Conference,
        Kind::Report => Form::Report,
        Kind::Preprint => Form::Preprint,
        Kind::Dataset => Form::Data,
        Kind::Image | Kind::Map => Form::Image,
        Kind::Audio | Kind::Video => Form::Recording,
        Kind::Software => Form::Software,
        Kind::Journal => Form::Journal,
    }
}

/// The form that a folded document type names.
///
/// Source: the type vocabularies of COAR, CSL, DRIVER and DataCite.
fn form(folded: &str) -> Form {
    const SIGNS: [(&str, Form); 49] = [
        ("data paper", Form::Article),
        ("case report", Form::Article),
        ("supplement", Form::Supplement),
        ("component", Form::Supplement),
        ("bookpart", Form::Chapter),
        ("book part", Form::Chapter),
        ("book section", Form::Chapter),
        ("chapter", Form::Chapter),
        ("book review", Form::Article),
        ("review book", Form::Article),
        ("dataset", Form::Data),
        ("data set", Form::Data),
        ("image", Form::Image),
        ("graphic", Form::Image),
        ("cartographic", Form::Image),
        ("sound", Form::Recording),
        ("audio", Form::Recording),
        ("video", Form::Recording),
        ("software", Form::Software),
        ("thesis", Form::Thesis),
        ("tesis", Form::Thesis),
        ("trabajo fin de", Form::Thesis),
        ("trabajo de grado", Form::Thesis),
        ("trabalho de conclusao", Form::Thesis),
        ("diplomarbeit", Form::Thesis),
        ("habilitation", Form::Thesis),
        ("диссертация", Form::Thesis),
        ("skripsi", Form::Thesis),
        ("patent", Form::Other),
        ("dissertation", Form::Thesis),
        ("journal article", Form::Article),
        ("article journal", Form::Article),
        ("research article", Form::Article),
        ("conference", Form::Conference),
        ("proceedings", Form::Conference),
        ("poster", Form::Conference),
        ("presentation", Form::Conference),
        ("lecture", Form::Conference),
        ("working paper", Form::Report),
        ("workingpaper", Form::Report),
        ("discussion paper", Form::Report),
        ("technical report", Form::Report),
        ("report", Form::Report),
        ("preprint", Form::Preprint),
        ("book", Form::Book),
        ("monograph", Form::Book),
        ("article", Form::Article),
        ("paper", Form::Article),
        ("review", Form::Article),
    ];
    // Web of Science: a paper of a conference that is an article of a journal too.
    if folded.starts_with("article proceedings") {
        return Form::Article;
    }
    let word = |words: &[&str]| folded.split(' ').any(|word| words.contains(&word));
    if word(&["tese", "these", "tesi", "tez", "memoire"]) {
        return Form::Thesis;
    }
    if matches!(folded, "other" | "info eu repo semantics other") {
        return Form::Other;
    }
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
            dois: vec!["10.1016/s0008-6363(96)00240-4".into()],
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
