//! The values of a metadata document that the fields of a catalogue document need.

use std::borrow::Cow;

use serde_json::Value;

use super::strings::{SpaceFolder, is_blank, normalize_space};
use crate::record::crosswalk::{CrosswalkError, is_doaj};
use crate::record::resource::{IdentifierKind, LinkPurpose, Role};
use crate::record::xml::{Token, Walker};
use crate::record::{Kind, Resource, doi};

/// The values of one record, as far as the field rules need them: raw unless said otherwise.
#[derive(Debug, Default)]
pub(super) struct Values {
    /// All text of the document, with the id and the datestamp before it, space normalised.
    pub(super) all: String,
    /// Languages that are not empty.
    pub(super) languages: Vec<String>,
    /// The kind of thing that the record describes.
    pub(super) kind: Kind,
    /// Names of authors, blank ones too.
    pub(super) names: Vec<String>,
    /// Titles that are not blank.
    pub(super) titles: Vec<String>,
    /// The first publisher that is not blank.
    pub(super) publisher: Option<String>,
    /// The first journal title that is not blank.
    pub(super) journal: Option<String>,
    /// The first print and the first electronic ISSN that are not blank.
    pub(super) issns: [Option<String>; 2],
    /// The first date of publication, even if it is empty.
    pub(super) date: Option<String>,
    /// The first abstract, even if it is empty.
    pub(super) description: Option<String>,
    /// Topics that are not empty, space normalised.
    pub(super) topics: Vec<String>,
    /// Addresses, each with a scheme.
    pub(super) urls: Vec<String>,
    /// The further values of formats that are not DOAJ's.
    pub(super) more: Option<Box<More>>,
}

/// What documents have that are made from a resource, beyond the values of DOAJ's articles.
#[derive(Debug, Default)]
pub(super) struct More {
    /// The first title without its subtitle.
    pub(super) title_short: Option<String>,
    /// The first title's subtitle.
    pub(super) title_sub: Option<String>,
    /// Further titles.
    pub(super) title_alt: Vec<String>,
    /// Editors and translators.
    pub(super) author2: Vec<String>,
    /// What each of these did.
    pub(super) author2_role: Vec<String>,
    /// Other people and bodies.
    pub(super) author_additional: Vec<String>,
    /// Further ISSNs.
    pub(super) issns: Vec<String>,
    /// ISBNs of the resource and its host.
    pub(super) isbns: Vec<String>,
    /// The edition.
    pub(super) edition: Option<String>,
    /// Extents.
    pub(super) physical: Vec<String>,
    /// Series with their numbers.
    pub(super) series: Vec<String>,
    /// Title, volume, issue and first page in the host.
    pub(super) container: [Option<String>; 4],
    /// DOIs in normal form.
    pub(super) dois: Vec<String>,
    /// The address of a small picture.
    pub(super) thumbnail: Option<String>,
}

impl More {
    fn of(resource: &Resource) -> Self {
        let mut titles = resource.titles.iter();
        let first = titles.next();
        let (mut author2, mut author2_role) = (Vec::new(), Vec::new());
        let mut author_additional = Vec::new();
        for agent in resource.contributors() {
            let name = normalize_space(&agent.name);
            let role = match agent.role {
                Role::Editor => "editor",
                Role::Translator => "translator",
                _ => "",
            };
            match (name.is_empty(), role) {
                (true, _) => {}
                (false, "") => author_additional.push(name),
                (false, role) => {
                    author2.push(name);
                    author2_role.push(role.to_owned());
                }
            }
        }
        let host = &resource.host;
        let isbns = resource.identifiers_of(IdentifierKind::Isbn);
        let isbns = isbns.chain(host.isbns.iter().map(String::as_str));
        let dois = resource.identifiers_of(IdentifierKind::Doi);
        let mut thumbnails = resource.links.iter();
        let host_title = host.title.clone();
        Self {
            title_short: first.map(|title| title.text.clone()),
            title_sub: first.and_then(|title| title.subtitle.clone()),
            title_alt: titles.map(|title| title.full().into_owned()).collect(),
            author2,
            author2_role,
            author_additional,
            issns: host.other_issns.clone(),
            isbns: each_once(isbns.map(str::to_owned)),
            edition: resource.edition.clone(),
            physical: resource.extent.clone(),
            series: resource
                .series
                .iter()
                .map(|series| match &series.number {
                    Some(number) => format!("{} ; {number}", series.title),
                    None => series.title.clone(),
                })
                .collect(),
            container: [
                host_title.filter(|_| resource.kind != Kind::Journal),
                host.volume.clone(),
                host.issue.clone(),
                host.start_page.clone(),
            ],
            dois: each_once(dois.filter_map(doi::normalise)),
            thumbnail: thumbnails
                .find(|link| link.purpose == LinkPurpose::Thumbnail)
                .map(|link| link.url.clone()),
        }
    }

    /// Adds what the record gains from other records.
    fn gain(&mut self, gained: Self) {
        self.issns.extend(gained.issns);
        self.dois.extend(gained.dois);
        for (own, gained) in self.container.iter_mut().zip(gained.container) {
            if gained.is_some() {
                *own = gained;
            }
        }
    }
}

fn each_once(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut once = Vec::new();
    for text in texts {
        if !once.contains(&text) {
            once.push(text);
        }
    }
    once
}

impl Values {
    /// Adds what the record gains from other records. Searches find it, too.
    pub(super) fn gain(&mut self, gains: &Resource) {
        let gained = from_resource(AllText::new("", "", 0), gains.clone(), self.more.is_some());
        let texts = [
            &gained.languages,
            &gained.names,
            &gained.topics,
            &gained.urls,
        ];
        let texts = texts.into_iter().flatten();
        let single = [&gained.publisher, &gained.journal, &gained.date];
        let single = single.into_iter().chain(&gained.issns);
        let single = single.chain([&gained.description]).flatten();
        let texts = texts.chain(single).map(String::as_str).chain(gains.doi());
        for text in texts.map(normalize_space) {
            if !self.all.is_empty() {
                self.all.push(' ');
            }
            self.all.push_str(&text);
        }
        let Values {
            all: _,
            kind: _,
            titles: _,
            languages,
            names,
            publisher,
            journal,
            issns: [issn, eissn],
            date,
            description,
            topics,
            urls,
            more,
        } = gained;
        if let (Some(own), Some(more)) = (&mut self.more, more) {
            own.gain(*more);
        }
        self.languages.extend(languages);
        self.names.extend(names);
        self.topics.extend(topics);
        if !urls.is_empty() {
            // Of an empty address the record may have made a bare scheme.
            self.urls = urls;
        }
        for (own, gained) in [
            (&mut self.publisher, publisher),
            (&mut self.journal, journal),
            (&mut self.issns[0], issn),
            (&mut self.date, date),
            (&mut self.description, description),
        ] {
            if gained.is_some() {
                *own = gained;
            }
        }
        if eissn.is_some() {
            self.issns[1] = eissn;
        }
    }
}

/// The meaning of a text within DOAJ's metadata.
#[derive(Debug, Clone, Copy)]
enum Slot {
    Language,
    Name,
    Title,
    Publisher,
    Journal,
    Issn(usize),
    Date,
    Description,
    Topic,
    Url,
}

/// Reads `oai_doaj` in one pass.
pub(super) fn from_oai_doaj(
    id: &str,
    datestamp: &str,
    metadata: &str,
) -> Result<Values, CrosswalkError> {
    let mut values = Values {
        kind: Kind::Article,
        ..Values::default()
    };
    let mut text = AllText::new(id, datestamp, metadata.len());
    let mut walker = Walker::new(metadata);
    // What is open at depths 2 and 3, as far as it has children of interest.
    let (mut second, mut third) = ("", "");
    let mut capture: Option<(Slot, usize, String)> = None;
    let mut url = Url::default();
    while let Some(token) = walker.next()? {
        match token {
            Token::Start(element) if capture.is_none() && is_doaj(&element) => {
                let name = element.local_name();
                let slot = match walker.depth() {
                    2 => {
                        third = "";
                        second = match name {
                            "authors" => "authors",
                            "keywords" => "keywords",
                            _ => "",
                        };
                        child_slot(name)
                    }
                    3 if second == "authors" && name == "author" => {
                        third = "author";
                        None
                    }
                    3 => {
                        third = "";
                        (second == "keywords" && name == "keyword").then_some(Slot::Topic)
                    }
                    4 if third == "author" && name == "name" => Some(Slot::Name),
                    _ => None,
                };
                capture = slot.map(|slot| (slot, walker.depth(), String::new()));
            }
            Token::Start(_) if capture.is_none() => match walker.depth() {
                2 => (second, third) = ("", ""),
                3 => third = "",
                _ => {}
            },
            Token::Start(_) => {}
            Token::Text(piece) => {
                text.push(&piece);
                if let Some((.., captured)) = &mut capture {
                    match piece {
                        Cow::Owned(piece) if captured.is_empty() => *captured = piece,
                        piece => captured.push_str(&piece),
                    }
                }
            }
            Token::End => {
                if let Some((slot, _, captured)) =
                    capture.take_if(|(_, depth, _)| walker.depth() < *depth)
                {
                    put(&mut values, &mut url, slot, captured);
                }
            }
        }
    }
    values.urls.extend(url.into_address());
    values.all = text.normal;
    Ok(values)
}

fn child_slot(name: &str) -> Option<Slot> {
    Some(match name {
        "language" => Slot::Language,
        "publisher" => Slot::Publisher,
        "journalTitle" => Slot::Journal,
        "issn" => Slot::Issn(0),
        "eissn" => Slot::Issn(1),
        "publicationDate" => Slot::Date,
        "title" => Slot::Title,
        "abstract" => Slot::Description,
        "fullTextUrl" => Slot::Url,
        _ => return None,
    })
}

fn put(values: &mut Values, url: &mut Url, slot: Slot, text: String) {
    /// Keeps the first text that is not blank.
    fn keep_first(place: &mut Option<String>, text: String) {
        if place.is_none() && !is_blank(&text) {
            *place = Some(text);
        }
    }
    match slot {
        Slot::Language if text.is_empty() => {}
        Slot::Language => values.languages.push(text),
        Slot::Name => values.names.push(text),
        Slot::Title if is_blank(&text) => {}
        Slot::Title => values.titles.push(text),
        Slot::Publisher => keep_first(&mut values.publisher, text),
        Slot::Journal => keep_first(&mut values.journal, text),
        Slot::Issn(which) => keep_first(&mut values.issns[which], text),
        Slot::Date if values.date.is_none() => values.date = Some(text),
        Slot::Description if values.description.is_none() => values.description = Some(text),
        Slot::Date | Slot::Description => {}
        Slot::Topic if text.is_empty() => {}
        Slot::Topic => values.topics.push(normalize_space(&text)),
        Slot::Url => url.push(text),
    }
}

/// The full text's address. Of several, the first decides whether a scheme is there, and the first
/// that is not blank is taken: so does VuFind.
#[derive(Default)]
struct Url {
    has_scheme: Option<bool>,
    address: Option<String>,
}

impl Url {
    fn push(&mut self, text: String) {
        self.has_scheme.get_or_insert_with(|| text.contains("://"));
        if self.address.is_none() && !is_blank(&text) {
            self.address = Some(text);
        }
    }

    fn into_address(self) -> Option<String> {
        let address = self.address.unwrap_or_default();
        match self.has_scheme? {
            true => Some(address),
            false => Some(format!("http://{address}")),
        }
    }
}

/// All text of a document, as it comes along.
struct AllText {
    normal: String,
    folder: SpaceFolder,
}

impl AllText {
    fn new(id: &str, datestamp: &str, document_bytes: usize) -> Self {
        let mut text = Self {
            normal: String::with_capacity(document_bytes),
            folder: SpaceFolder::default(),
        };
        text.push(id);
        text.push(datestamp);
        text
    }

    /// As [`AllText::new`], with a blank after each of the two.
    fn spaced(id: &str, datestamp: &str, document_bytes: usize) -> Self {
        let mut text = Self::new(id, " ", document_bytes);
        text.push(datestamp);
        text.push(" ");
        text
    }

    fn push(&mut self, piece: &str) {
        self.folder.push(&mut self.normal, piece);
    }
}

/// Takes the values of any other XML format from its resource. All text has blanks between elements.
pub(super) fn from_xml(
    id: &str,
    datestamp: &str,
    metadata: &str,
    resource: Resource,
) -> Result<Values, CrosswalkError> {
    let mut text = AllText::spaced(id, datestamp, metadata.len());
    let mut walker = Walker::new(metadata);
    while let Some(token) = walker.next()? {
        match token {
            Token::Text(piece) => text.push(&piece),
            Token::Start(_) | Token::End => text.push(" "),
        }
    }
    Ok(from_resource(text, resource, true))
}

/// Takes the values of a JSON document from its resource; its text are its strings and numbers.
pub(super) fn from_json(
    id: &str,
    datestamp: &str,
    metadata: &str,
    resource: Resource,
) -> Result<Values, CrosswalkError> {
    let mut text = AllText::spaced(id, datestamp, metadata.len());
    let value: Value = serde_json::from_str(metadata.trim_start_matches('\u{feff}'))
        .map_err(|error| CrosswalkError::Json(error.to_string()))?;
    push_json(&mut text, &value);
    Ok(from_resource(text, resource, false))
}

/// As deep as the parser allows, which is 128.
fn push_json(text: &mut AllText, value: &Value) {
    match value {
        Value::String(piece) => {
            text.push(piece);
            text.push(" ");
        }
        Value::Number(number) => {
            text.push(&number.to_string());
            text.push(" ");
        }
        Value::Array(values) => values.iter().for_each(|value| push_json(text, value)),
        Value::Object(members) => members.values().for_each(|value| push_json(text, value)),
        Value::Null | Value::Bool(_) => {}
    }
}

/// Subjects count as topics after the keywords. `with_more` is false for formats of DOAJ, whose
/// documents have the whole date and the journal as series.
fn from_resource(text: AllText, resource: Resource, with_more: bool) -> Values {
    let topics = resource.keywords().chain(resource.headings());
    let topics = topics.map(|subject| match subject.term.trim() {
        "" => normalize_space(subject.code.as_deref().unwrap_or_default()),
        term => normalize_space(term),
    });
    let languages = resource.languages.iter();
    let languages = languages.map(|language| language.code_or_text().to_owned());
    let date = match with_more {
        true => resource.year(),
        false => resource.published(),
    };
    Values {
        all: text.normal,
        languages: each_once(languages),
        kind: resource.kind,
        names: resource
            .authors()
            .map(|author| author.name.clone())
            .collect(),
        titles: resource
            .titles
            .iter()
            .map(|title| title.full().into_owned())
            .collect(),
        publisher: resource.publisher().map(str::to_owned),
        date: date.map(str::to_owned),
        topics: topics.collect(),
        urls: urls(&resource),
        more: with_more.then(|| Box::new(More::of(&resource))),
        journal: resource
            .host
            .title
            .filter(|_| !with_more && resource.kind != Kind::Journal),
        issns: [resource.host.issn, resource.host.eissn],
        description: resource.abstracts.into_iter().next().map(|text| text.text),
    }
}

/// The addresses of the full text, then of pages about the resource; without any that of its DOI or
/// handle.
fn urls(resource: &Resource) -> Vec<String> {
    let mut urls = Vec::new();
    for wanted in [LinkPurpose::FullText, LinkPurpose::Landing] {
        let links = resource.links.iter();
        for link in links.filter(|link| link.purpose == wanted) {
            urls.push(match link.url.contains("://") {
                true => link.url.clone(),
                false => format!("http://{}", link.url),
            });
        }
    }
    if urls.is_empty() {
        urls.extend(resource.address());
    }
    each_once(urls.into_iter())
}
