//! DataCite's metadata, kernel 2 to 4, bare or in the envelope of `oai_datacite`.

use serde_json::Value;

use crate::record::issn;
use crate::record::resource::{
    Agent, Date, DateKind, IdentifierKind, Kind, Link, LinkPurpose, Publisher, Related, Resource,
    Rights, Role, Subject, Text, Title,
};
use crate::record::tree::{self, Node};

use super::kinds::kind_of_words;
use super::values::{
    add_language, identify, is_placeholder, is_url, isbn, link_by_identifier, only_year, orcid,
};
use super::{CrosswalkError, checks};

/// Reads one resource of DataCite.
///
/// `relatedIdentifier` and `relatedItem` are other works, except the journal, book or proceedings
/// that a paper is published in. Placeholders such as `(:unav)` are no values.
///
/// # Errors
/// If the document is malformed or has no `resource`.
///
/// Source: DataCite Metadata Schema 4.6 and its earlier versions.
pub fn resource(metadata: &str) -> Result<Resource, CrosswalkError> {
    let tree = tree::parse(metadata)?;
    let root = tree
        .find("resource")
        .ok_or(CrosswalkError::Empty("element \"resource\""))?;
    let mut resource = Resource::default();
    types(root, &mut resource);
    titles(root.path(&["titles", "title"]), &mut resource);
    for creator in root.path(&["creators", "creator"]) {
        resource
            .agents
            .extend(agent(creator, "creatorName", Role::Author));
    }
    for contributor in root.path(&["contributors", "contributor"]) {
        let role = contributor_role(contributor.attribute("contributorType").as_deref());
        resource
            .agents
            .extend(agent(contributor, "contributorName", role));
    }
    let publisher = root.text_at(&["publisher"]);
    if let Some(name) = publisher.filter(|name| !is_placeholder(name)) {
        resource.publishers.push(Publisher {
            name: Some(name),
            ..Publisher::default()
        });
    }
    dates(root, &mut resource);
    identifiers(root, &mut resource);
    related(root, &mut resource);
    for language in root.all("language").filter_map(Node::text) {
        add_language(&mut resource, &language);
    }
    for node in root.path(&["subjects", "subject"]) {
        resource.subjects.extend(subject(node));
    }
    texts(root, &mut resource);
    link_by_identifier(&mut resource);
    checks::flag_odd_values(&mut resource);
    Ok(resource)
}

fn types(root: &Node<'_>, resource: &mut Resource) {
    let Some(node) = root.first("resourceType") else {
        return;
    };
    let general = node.attribute("resourceTypeGeneral");
    let text = node.text().filter(|text| !is_placeholder(text));
    let kind = general.as_deref().and_then(kind_of_general);
    resource.kind = match (kind, &text) {
        (Some(kind), _) => kind,
        (None, Some(text)) => kind_of_words(text).unwrap_or_default(),
        (None, None) => Kind::Other,
    };
    resource.stated_types.extend(general);
    if let Some(text) = text
        && !resource.stated_types.contains(&text)
    {
        resource.stated_types.push(text);
    }
}

/// The kind of a `resourceTypeGeneral`; `None` if only the words beside it can tell.
///
/// Source: DataCite 4.6, appendix 1, resourceTypeGeneral.
pub(super) fn kind_of_general(general: &str) -> Option<Kind> {
    Some(match general {
        "Audiovisual" | "Film" => Kind::Video,
        "Book" => Kind::Book,
        "BookChapter" => Kind::Chapter,
        "ComputationalNotebook" | "Software" => Kind::Software,
        "ConferencePaper" | "ConferenceProceeding" | "Poster" | "Presentation" => {
            Kind::ConferencePaper
        }
        "DataPaper" | "JournalArticle" => Kind::Article,
        "Dataset" => Kind::Dataset,
        "Dissertation" => Kind::Thesis,
        "Image" => Kind::Image,
        "Journal" => Kind::Journal,
        "Preprint" => Kind::Preprint,
        "Report" => Kind::Report,
        "Sound" => Kind::Audio,
        "Text" | "Other" | "" => return None,
        _ => Kind::Other,
    })
}

/// The titles of these elements: the first, its subtitle, and further ones.
pub(super) fn titles<'n, 'a: 'n>(
    nodes: impl IntoIterator<Item = &'n Node<'a>>,
    resource: &mut Resource,
) {
    for node in nodes {
        let Some(text) = node.text().filter(|text| !is_placeholder(text)) else {
            continue;
        };
        if node.has("titleType", "Subtitle")
            && let Some(first) = resource.titles.first_mut()
            && first.subtitle.is_none()
        {
            first.subtitle = Some(text);
            continue;
        }
        let title = Title {
            text,
            subtitle: None,
            language: node.attribute("lang"),
        };
        if !resource.titles.contains(&title) {
            resource.titles.push(title);
        }
    }
}

/// A creator or contributor; `None` without a name.
pub(super) fn agent(node: &Node<'_>, name: &str, role: Role) -> Option<Agent> {
    let named = node.first(name)?;
    let name = named.text().filter(|name| !is_placeholder(name))?;
    let affiliations = node.all("affiliation").filter_map(Node::text);
    Some(Agent {
        name,
        role,
        family: node.text_at(&["familyName"]),
        given: node.text_at(&["givenName"]),
        organisation: named.has("nameType", "Organizational"),
        orcid: node
            .all("nameIdentifier")
            .filter(|id| {
                let scheme = id.attribute("nameIdentifierScheme").unwrap_or_default();
                scheme.to_ascii_lowercase().contains("orcid")
            })
            .filter_map(Node::text)
            .find_map(|text| orcid(&text).map(str::to_owned)),
        affiliations: affiliations.collect(),
        ..Agent::default()
    })
}

pub(super) fn contributor_role(kind: Option<&str>) -> Role {
    match kind {
        None | Some("Other") => Role::Contributor,
        Some("Editor") => Role::Editor,
        Some("Supervisor") => Role::Advisor,
        Some("Translator") => Role::Translator,
        Some(other) => Role::Other(other.to_owned()),
    }
}

/// `publicationYear`, in the precision of the date of issue if that is of the same year.
fn dates(root: &Node<'_>, resource: &mut Resource) {
    let year = root
        .text_at(&["publicationYear"])
        .and_then(|text| only_year(&text).map(str::to_owned));
    let mut dates = Vec::new();
    let mut issued = None;
    for node in root.path(&["dates", "date"]) {
        let Some(text) = node.text().filter(|text| !is_placeholder(text)) else {
            continue;
        };
        let kind = date_kind(node.attribute("dateType").as_deref());
        if kind == DateKind::Published && issued.is_none() {
            issued = Some(text);
        } else {
            dates.push(Date { kind, text });
        }
    }
    let published = match (year, issued) {
        (Some(year), Some(issued)) if issued.starts_with(&year) => Some(issued),
        (Some(year), Some(issued)) => {
            // It is some other date then.
            dates.push(Date {
                kind: DateKind::Other,
                text: issued,
            });
            Some(year)
        }
        (year, issued) => year.or(issued),
    };
    if let Some(text) = published {
        resource.dates.push(Date {
            kind: DateKind::Published,
            text,
        });
    }
    resource.dates.extend(dates);
}

pub(super) fn date_kind(date_type: Option<&str>) -> DateKind {
    match date_type.unwrap_or_default() {
        "Issued" => DateKind::Published,
        "Created" => DateKind::Created,
        "Submitted" => DateKind::Submitted,
        "Accepted" => DateKind::Accepted,
        "Available" => DateKind::Available,
        "Updated" => DateKind::Modified,
        "Copyrighted" => DateKind::Copyright,
        _ => DateKind::Other,
    }
}

fn identifiers(root: &Node<'_>, resource: &mut Resource) {
    for node in root.all("identifier") {
        own_identifier(node, "identifierType", resource);
    }
    for node in root.path(&["alternateIdentifiers", "alternateIdentifier"]) {
        own_identifier(node, "alternateIdentifierType", resource);
    }
}

/// An identifier of the resource itself; a URL is a link too.
pub(super) fn own_identifier(node: &Node<'_>, attribute: &str, resource: &mut Resource) {
    let Some(text) = node.text().filter(|text| !is_placeholder(text)) else {
        return;
    };
    let scheme = node
        .attribute(attribute)
        .or_else(|| node.attribute("identifierType"));
    let url = scheme.as_deref().is_none_or(|scheme| {
        matches!(scheme.to_ascii_lowercase().as_str(), "url" | "uri" | "purl")
    });
    if is_url(&text) && !resource.links.iter().any(|link| link.url == text) {
        resource.links.push(Link {
            url: text.clone(),
            purpose: LinkPurpose::Landing,
            format: None,
        });
        if url && super::values::kind_of(None, &text) == IdentifierKind::Other {
            return;
        }
    }
    identify(resource, scheme.as_deref(), &text);
}

/// Whether a relation leads to what the resource is a part of.
fn is_host_relation(relation: Option<&str>) -> bool {
    matches!(relation, Some("IsPublishedIn" | "IsPartOf"))
}

/// Whether things of a kind are parts of journals or books.
fn is_part(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Article | Kind::Chapter | Kind::ConferencePaper | Kind::Preprint
    )
}

fn related(root: &Node<'_>, resource: &mut Resource) {
    for node in root.path(&["relatedItems", "relatedItem"]) {
        related_item(node, resource);
    }
    for node in root.path(&["relatedIdentifiers", "relatedIdentifier"]) {
        let Some(text) = node.text().filter(|text| !is_placeholder(text)) else {
            continue;
        };
        let relation = node.attribute("relationType");
        if is_host_relation(relation.as_deref()) && is_part(resource.kind) {
            let scheme = node.attribute("relatedIdentifierType").unwrap_or_default();
            match scheme.as_str() {
                "ISSN" | "EISSN" | "LISSN" if issn::looks_like_one(&text) => {
                    add_issn(resource, &scheme, text);
                    continue;
                }
                "ISBN" if isbn(&text).is_some() => {
                    if !resource.host.isbns.contains(&text) {
                        resource.host.isbns.push(text);
                    }
                    continue;
                }
                _ => {}
            }
        }
        let related = Related { relation, text };
        if !resource.related.contains(&related) {
            resource.related.push(related);
        }
    }
}

pub(super) fn add_issn(resource: &mut Resource, scheme: &str, text: String) {
    let host = &mut resource.host;
    let known = [&host.issn, &host.eissn].into_iter().flatten();
    if known.chain(&host.other_issns).any(|known| *known == text) {
        return;
    }
    let slot = match scheme {
        "EISSN" => &mut host.eissn,
        _ => &mut host.issn,
    };
    match slot {
        None => *slot = Some(text),
        Some(_) => host.other_issns.push(text),
    }
}

/// An item that has no identifier, or has more than that: mostly the journal.
fn related_item(node: &Node<'_>, resource: &mut Resource) {
    let relation = node.attribute("relationType");
    let title = node.text_at(&["titles", "title"]);
    let kind = match node.attribute("relatedItemType").as_deref() {
        Some("Journal") => Some(Kind::Journal),
        Some("Book") => Some(Kind::Book),
        Some("ConferenceProceeding") => Some(Kind::ConferencePaper),
        _ => None,
    };
    let is_host = match relation.as_deref() {
        Some("IsPublishedIn") => true,
        Some("IsPartOf") => kind.is_some() && is_part(resource.kind),
        _ => false,
    };
    if !is_host || resource.host.title.is_some() {
        let text = title.or_else(|| node.text_at(&["relatedItemIdentifier"]));
        if let Some(text) = text {
            resource.related.push(Related { relation, text });
        }
        return;
    }
    let host = &mut resource.host;
    host.title = title;
    host.kind = kind;
    host.volume = node.text_at(&["volume"]);
    host.issue = node.text_at(&["issue"]);
    host.start_page = node.text_at(&["firstPage"]);
    host.end_page = node.text_at(&["lastPage"]);
    for identifier in node.all("relatedItemIdentifier") {
        let Some(text) = identifier.text() else {
            continue;
        };
        let scheme = identifier
            .attribute("relatedItemIdentifierType")
            .unwrap_or_default();
        match scheme.as_str() {
            "ISSN" | "EISSN" | "LISSN" => add_issn(resource, &scheme, text),
            "ISBN" if isbn(&text).is_some() => resource.host.isbns.push(text),
            _ => resource.related.push(Related {
                relation: relation.clone(),
                text,
            }),
        }
    }
}

pub(super) fn subject(node: &Node<'_>) -> Option<Subject> {
    let term = node.text().filter(|text| !is_placeholder(text));
    let code = node.attribute("classificationCode");
    if term.is_none() && code.is_none() {
        return None;
    }
    Some(Subject {
        scheme: node.attribute("subjectScheme"),
        code,
        term: term.unwrap_or_default(),
        language: node.attribute("lang"),
    })
}

fn texts(root: &Node<'_>, resource: &mut Resource) {
    for node in root.path(&["descriptions", "description"]) {
        let Some(text) = node.text().filter(|text| !is_placeholder(text)) else {
            continue;
        };
        match node.attribute("descriptionType").as_deref() {
            Some("Abstract") => resource.abstracts.push(Text {
                text,
                language: node.attribute("lang"),
            }),
            Some("SeriesInformation") => resource.citations.push(text),
            _ => resource.notes.push(text),
        }
    }
    let rights = root.path(&["rightsList", "rights"]);
    for node in rights.into_iter().chain(root.all("rights")) {
        let rights = Rights {
            text: node.text(),
            url: node.attribute("rightsURI"),
        };
        if rights != Rights::default() && !resource.rights.contains(&rights) {
            resource.rights.push(rights);
        }
    }
    let list = |path: &[&str]| -> Vec<String> {
        let nodes = root.path(path).into_iter();
        nodes.filter_map(Node::text).collect()
    };
    resource.extent = list(&["sizes", "size"]);
    resource.formats = list(&["formats", "format"]);
    resource.edition = root
        .text_at(&["version"])
        .filter(|text| !is_placeholder(text));
    for place in list(&["geoLocations", "geoLocation", "geoLocationPlace"]) {
        resource.add_further("geoLocationPlace", Value::from(place));
    }
    funding(root, resource);
}

/// Funder and number of the award, as one text each.
pub(super) fn funding(root: &Node<'_>, resource: &mut Resource) {
    let listed = root.path(&["fundingReferences", "fundingReference"]);
    for node in listed.into_iter().chain(root.all("fundingReference")) {
        let parts: Vec<String> = ["funderName", "awardNumber", "awardTitle"]
            .iter()
            .filter_map(|name| node.text_at(&[name]))
            .collect();
        if !parts.is_empty() {
            resource.add_further("funding", Value::from(parts.join(", ")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(inner: &str) -> Resource {
        resource(&format!(
            "<resource xmlns='http://datacite.org/schema/kernel-4'>{inner}</resource>"
        ))
        .unwrap()
    }

    #[test]
    fn takes_the_year_of_publication() {
        let date = |kind: &str, text: &str| format!("<date dateType='{kind}'>{text}</date>");
        let cases = [
            (
                "year alone",
                "<publicationYear>2015</publicationYear>",
                "",
                Some("2015"),
            ),
            (
                "issued in the year",
                "<publicationYear>2015</publicationYear>",
                "Issued 2015-03-01",
                Some("2015-03-01"),
            ),
            (
                "issued in another",
                "<publicationYear>2015</publicationYear>",
                "Issued 1999",
                Some("2015"),
            ),
            ("no year", "", "Issued 1999-01", Some("1999-01")),
            ("other dates", "", "Available 1999-01", None),
            (
                "placeholder",
                "<publicationYear>:tba</publicationYear>",
                "",
                None,
            ),
        ];
        for (case, year, dates, expected) in cases {
            let dates = dates
                .split_once(' ')
                .map_or(String::new(), |(kind, text)| date(kind, text));
            let resource = read(&format!("{year}<dates>{dates}</dates>"));
            assert_eq!(resource.published(), expected, "{case}");
        }
    }

    #[test]
    fn keeps_other_works_apart() {
        let resource = read(
            "<identifier identifierType='DOI'>(:tba)</identifier>\
             <resourceType resourceTypeGeneral='JournalArticle'/>\
             <relatedIdentifiers>\
             <relatedIdentifier relatedIdentifierType='DOI' relationType='IsSupplementTo'>10.1/x</relatedIdentifier>\
             <relatedIdentifier relatedIdentifierType='ISSN' relationType='IsPartOf'>1932-6203</relatedIdentifier>\
             </relatedIdentifiers>",
        );
        assert_eq!(resource.doi(), None);
        assert_eq!(resource.related.len(), 1);
        assert_eq!(resource.host.issn.as_deref(), Some("1932-6203"));
    }
}
