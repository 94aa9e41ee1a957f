//! The values of a metadata document that the fields of a catalogue document need.

use std::borrow::Cow;

use serde_json::Value;

use super::strings::{SpaceFolder, is_blank, normalize_space};
use crate::record::crosswalk::{CrosswalkError, is_doaj};
use crate::record::resource::LinkPurpose;
use crate::record::xml::{Token, Walker};
use crate::record::{Kind, Resource};

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
}

impl Values {
    /// Adds what the record gains from other records. Searches find it, too.
    pub(super) fn gain(&mut self, gains: &Resource) {
        let gained = from_resource(AllText::new("", "", 0), gains.clone());
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
        } = gained;
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
    let mut values = Values::default();
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
    values.urls.extend(url.settle());
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

    fn settle(self) -> Option<String> {
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

    fn push(&mut self, piece: &str) {
        self.folder.push(&mut self.normal, piece);
    }
}

/// Takes the values of any other XML format from its resource.
pub(super) fn from_xml(
    id: &str,
    datestamp: &str,
    metadata: &str,
    resource: Resource,
) -> Result<Values, CrosswalkError> {
    let mut text = AllText::new(id, datestamp, metadata.len());
    let mut walker = Walker::new(metadata);
    while let Some(token) = walker.next()? {
        if let Token::Text(piece) = token {
            text.push(&piece);
        }
    }
    Ok(from_resource(text, resource))
}

/// Takes the values of a JSON document from its resource; its text are its strings and numbers.
pub(super) fn from_json(
    id: &str,
    datestamp: &str,
    metadata: &str,
    resource: Resource,
) -> Result<Values, CrosswalkError> {
    let mut text = AllText::new(id, datestamp, metadata.len());
    let value: Value = serde_json::from_str(metadata.trim_start_matches('\u{feff}'))
        .map_err(|error| CrosswalkError::Json(error.to_string()))?;
    push_json(&mut text, &value);
    Ok(from_resource(text, resource))
}

/// As deep as the parser allows, which is 128.
fn push_json(text: &mut AllText, value: &Value) {
    match value {
        Value::String(piece) => text.push(piece),
        Value::Number(number) => text.push(&number.to_string()),
        Value::Array(values) => values.iter().for_each(|value| push_json(text, value)),
        Value::Object(members) => members.values().for_each(|value| push_json(text, value)),
        Value::Null | Value::Bool(_) => {}
    }
}

/// Subjects count as topics after the keywords. Where there is no full text, other links stand in.
fn from_resource(text: AllText, resource: Resource) -> Values {
    let with_scheme = |url: &str| match url.contains("://") {
        true => url.to_owned(),
        false => format!("http://{url}"),
    };
    let mut urls: Vec<_> = resource
        .links
        .iter()
        .filter(|link| link.purpose == LinkPurpose::FullText)
        .map(|link| with_scheme(&link.url))
        .collect();
    if urls.is_empty() {
        urls.extend(resource.links.iter().map(|link| with_scheme(&link.url)));
    }
    let topics = resource.keywords().chain(resource.headings());
    let topics = topics
        .map(|subject| normalize_space(&subject.term))
        .collect();
    let languages = resource.languages.iter();
    let languages = languages.map(|language| language.text.clone()).collect();
    Values {
        all: text.normal,
        languages,
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
        date: resource.published().map(str::to_owned),
        journal: resource
            .host
            .title
            .filter(|_| resource.kind != Kind::Journal),
        issns: [resource.host.issn, resource.host.eissn],
        description: resource.abstracts.into_iter().next().map(|text| text.text),
        topics,
        urls,
    }
}
