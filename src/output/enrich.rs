//! Enriches the document of a work from the work's other records.
//!
//! A work is written as its preferred record. A part that this record does not have at all comes from
//! the next record that has it, in the order of preference. Parts are taken whole: the volume of one
//! record never appears with the pages of another.

use std::mem::take;

use clap::ValueEnum;

use crate::record::resource::{Agent, DateKind, IdentifierKind, Publisher, Role, Subject};
use crate::record::{Resource, crosswalk};
use crate::store::{OtherRecord, StoredRecord};

/// A part of a record that can be taken from another record of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub enum Part {
    /// Abstracts.
    Abstract,
    /// Authors, where no author at all is named.
    Authors,
    /// The country of publication.
    Country,
    /// The DOI.
    Doi,
    /// ISSNs.
    Issns,
    /// The title of the journal.
    Journal,
    /// Keywords.
    Keywords,
    /// Languages.
    Languages,
    /// Licences.
    Licences,
    /// Links to the full text and others.
    Links,
    /// Volume, issue and pages.
    Place,
    /// The date of publication.
    Published,
    /// The publisher.
    Publisher,
    /// Subjects.
    Subjects,
}

impl Part {
    /// The name in configurations and on the command line.
    pub(crate) fn name(&self) -> String {
        let value = self.to_possible_value().expect("no part is hidden");
        value.get_name().to_owned()
    }
}

/// Reads a list of parts with commas between them, `all` or `none`.
///
/// # Errors
/// All names, if one of `text` is unknown.
pub fn parts(text: &str) -> Result<Vec<Part>, String> {
    match text.trim() {
        "all" => Ok(Part::value_variants().to_vec()),
        "" | "none" => Ok(Vec::new()),
        names => names.split(',').map(part).collect(),
    }
}

fn part(name: &str) -> Result<Part, String> {
    Part::from_str(name.trim(), false).map_err(|_| {
        let names: Vec<String> = Part::value_variants()
            .iter()
            .filter_map(|part| Some(part.to_possible_value()?.get_name().to_owned()))
            .collect();
        format!(
            "{name:?} is no part of a record that can be taken from another one; there are {}",
            names.join(", ")
        )
    })
}

impl Part {
    /// Whether a resource has any of it.
    fn is_in(self, resource: &Resource) -> bool {
        let host = &resource.host;
        match self {
            Self::Abstract => !resource.abstracts.is_empty(),
            Self::Authors => resource.authors().next().is_some(),
            Self::Country => resource.country().is_some(),
            Self::Doi => resource.doi().is_some(),
            Self::Issns => host.issns().next().is_some(),
            Self::Journal => host.title.is_some(),
            Self::Keywords => resource.keywords().next().is_some(),
            Self::Languages => !resource.languages.is_empty(),
            Self::Licences => !resource.rights.is_empty(),
            Self::Links => !resource.links.is_empty(),
            Self::Place => [&host.volume, &host.issue, &host.start_page, &host.end_page]
                .iter()
                .any(|part| part.is_some()),
            Self::Published => resource.published().is_some(),
            Self::Publisher => resource.publisher().is_some(),
            Self::Subjects => resource.headings().next().is_some(),
        }
    }

    /// Moves it from one resource to another that does not have it.
    fn pass(self, from: &mut Resource, to: &mut Resource) {
        match self {
            Self::Abstract => to.abstracts = take(&mut from.abstracts),
            Self::Authors => {
                let is_author = |agent: &mut Agent| agent.role == Role::Author;
                to.agents
                    .splice(0..0, from.agents.extract_if(.., is_author));
            }
            Self::Country => {
                let country = take_of_publishers(from, |publisher| &mut publisher.country);
                match to.publishers.first_mut() {
                    Some(first) => first.country = country,
                    None => to.publishers.push(Publisher {
                        country,
                        ..Publisher::default()
                    }),
                }
            }
            Self::Doi => {
                let mut own = from.identifiers.iter();
                if let Some(at) = own.position(|own| own.kind == IdentifierKind::Doi) {
                    to.identifiers.push(from.identifiers.remove(at));
                }
            }
            Self::Issns => {
                to.host.issn = from.host.issn.take();
                to.host.eissn = from.host.eissn.take();
                to.host.other_issns = take(&mut from.host.other_issns);
            }
            Self::Journal => {
                to.host.title = from.host.title.take();
                to.host.kind = to.host.kind.or(from.host.kind);
            }
            Self::Keywords => {
                let is_keyword = |subject: &mut Subject| subject.scheme.is_none();
                to.subjects
                    .splice(0..0, from.subjects.extract_if(.., is_keyword));
            }
            Self::Languages => to.languages = take(&mut from.languages),
            Self::Licences => to.rights = take(&mut from.rights),
            Self::Links => to.links = take(&mut from.links),
            Self::Place => {
                let (from, to) = (&mut from.host, &mut to.host);
                to.volume = from.volume.take();
                to.issue = from.issue.take();
                to.start_page = from.start_page.take();
                to.end_page = from.end_page.take();
            }
            Self::Published => {
                let mut dates = from.dates.iter();
                if let Some(at) = dates.position(|date| date.kind == DateKind::Published) {
                    to.dates.insert(0, from.dates.remove(at));
                }
            }
            Self::Publisher => {
                let name = take_of_publishers(from, |publisher| &mut publisher.name);
                match to.publishers.first_mut() {
                    Some(first) => first.name = name,
                    None => to.publishers.push(Publisher {
                        name,
                        ..Publisher::default()
                    }),
                }
            }
            Self::Subjects => {
                let is_heading = |subject: &mut Subject| subject.scheme.is_some();
                let headings = from.subjects.extract_if(.., is_heading);
                to.subjects.extend(headings);
            }
        }
    }
}

/// Takes the first text of one field out of the publishers, and publishers without any text with it.
fn take_of_publishers(
    resource: &mut Resource,
    field: impl Fn(&mut Publisher) -> &mut Option<String>,
) -> Option<String> {
    let text = resource
        .publishers
        .iter_mut()
        .find_map(|publisher| field(publisher).take());
    resource
        .publishers
        .retain(|publisher| *publisher != Publisher::default());
    text
}

/// What the preferred record of a work gains from the others, as a resource with only these parts.
///
/// `None` if it gains nothing or cannot be read. Other records that cannot be read are skipped.
pub fn gains(record: &StoredRecord, parts: &[Part]) -> Option<Resource> {
    if record.others.is_empty() || parts.is_empty() {
        return None;
    }
    let metadata = record.metadata.as_deref()?;
    let own = crosswalk::resource_of(&record.metadata_prefix, metadata, record.header()).ok()?;
    gained(&own, &record.others, parts)
}

/// What a resource gains from others; `None` if nothing.
pub(super) fn gained(own: &Resource, others: &[OtherRecord], parts: &[Part]) -> Option<Resource> {
    let mut missing: Vec<Part> = parts.to_vec();
    missing.retain(|part| !part.is_in(own));
    let mut gains = Resource::default();
    let mut any = false;
    for other in others {
        if missing.is_empty() {
            break;
        }
        let Ok(mut other) = crosswalk::resource(&other.metadata_prefix, &other.metadata) else {
            continue;
        };
        missing.retain(|part| {
            let found = part.is_in(&other);
            if found {
                part.pass(&mut other, &mut gains);
                any = true;
            }
            !found
        });
    }
    any.then_some(gains)
}

/// Adds to a resource what it gains.
pub fn add(resource: &mut Resource, mut gains: Resource) {
    for part in Part::value_variants() {
        if part.is_in(&gains) {
            part.pass(&mut gains, resource);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Link;
    use crate::record::resource::{Date, Host, Identifier, Kind, Language, Rights, Text};

    fn text(text: &str) -> Text {
        Text {
            text: text.to_owned(),
            language: None,
        }
    }

    fn other(metadata: &str) -> OtherRecord {
        OtherRecord {
            metadata_prefix: "oai_doaj".to_owned(),
            metadata: format!("<doajArticle>{metadata}</doajArticle>"),
        }
    }

    #[test]
    fn only_what_is_missing_is_taken_from_the_first_that_has_it() {
        let mut own = Resource::default();
        own.abstracts.push(text("Own."));
        own.host.volume = Some("3".to_owned());
        let others = [
            OtherRecord {
                metadata_prefix: "mets".to_owned(),
                metadata: "<unreadable".to_owned(),
            },
            other("<abstract>Second.</abstract><doi>10.1/b</doi><startPage>7</startPage>"),
            other("<doi>10.1/c</doi><publisher>P</publisher>"),
        ];
        for (case, parts, want) in [
            (
                "all",
                Part::value_variants(),
                Some(("10.1/b", Some("P"), Some("Own."))),
            ),
            ("one", &[Part::Doi], Some(("10.1/b", None, Some("Own.")))),
            ("none that others have", &[Part::Country], None),
            ("a part is taken whole or not at all", &[Part::Place], None),
            ("nothing asked for", &[], None),
        ] {
            let found = gained(&own, &others, parts).map(|gains| {
                let mut whole = own.clone();
                add(&mut whole, gains);
                whole
            });
            let found = found.as_ref().map(|resource| {
                assert_eq!(resource.host.start_page, None, "{case}");
                (
                    resource.doi().unwrap_or_default(),
                    resource.publisher(),
                    resource.abstracts.first().map(|text| text.text.as_str()),
                )
            });
            assert_eq!(found, want, "{case}");
        }
    }

    #[test]
    fn every_part_is_passed_on_whole() {
        let x = || Some("x".to_owned());
        let full = Resource {
            abstracts: vec![text("x"), text("y")],
            agents: vec![Agent::default()],
            identifiers: vec![Identifier {
                kind: IdentifierKind::Doi,
                value: "x".to_owned(),
            }],
            host: Host {
                title: x(),
                kind: Some(Kind::Journal),
                issn: x(),
                eissn: x(),
                other_issns: vec!["z".to_owned()],
                volume: x(),
                issue: x(),
                start_page: x(),
                end_page: x(),
                ..Host::default()
            },
            subjects: vec![
                Subject::default(),
                Subject {
                    scheme: x(),
                    ..Subject::default()
                },
            ],
            languages: vec![Language::default()],
            rights: vec![Rights::default()],
            links: vec![Link::default()],
            dates: vec![Date::default()],
            publishers: vec![Publisher {
                name: x(),
                place: None,
                country: x(),
            }],
            ..Resource::default()
        };
        for part in Part::value_variants() {
            assert!(part.is_in(&full), "{part:?} is missing in the sample");
            let (mut from, mut to) = (full.clone(), Resource::default());
            part.pass(&mut from, &mut to);
            assert!(part.is_in(&to) && !part.is_in(&from), "{part:?}");
            part.pass(&mut to, &mut from);
            to.host.kind = None;
            assert_eq!((&from, to), (&full, Resource::default()), "{part:?}");
        }
        let mut to = Resource::default();
        add(&mut to, full.clone());
        assert_eq!(to, full, "all parts together are all fields of the sample");
    }
}
