//! OpenAIRE's guidelines for literature repositories, version 4: elements of DataCite, Dublin Core
//! and OpenAIRE in one `resource`.

use crate::record::resource::{
    Date, DateKind, Kind, Link, LinkPurpose, Publisher, Related, Resource, Rights, Role, Text,
};
use crate::record::tree::{self, Node};

use super::datacite::{
    add_issn, agent, contributor_role, date_kind, funding, own_identifier, subject, titles,
};
use super::values::{
    add_language, is_placeholder, is_url, isbn, kind_of_words, link_by_identifier, pages,
};
use super::{CrosswalkError, checks};

/// Reads one resource of OpenAIRE's literature guidelines.
///
/// Elements are taken by their local names, since repositories mix up the namespaces of the three
/// vocabularies.
///
/// # Errors
/// If the document is malformed or has no `resource`.
///
/// Source: OpenAIRE Guidelines for Literature Repository Managers 4.0.
pub fn resource(metadata: &str) -> Result<Resource, CrosswalkError> {
    let tree = tree::parse(metadata)?;
    let root = tree
        .find("resource")
        .ok_or(CrosswalkError::Empty("element \"resource\""))?;
    let mut resource = Resource::default();
    types(root, &mut resource);
    titles(nested(root, "titles", "title"), &mut resource);
    for creator in nested(root, "creators", "creator") {
        resource
            .agents
            .extend(agent(creator, "creatorName", Role::Author));
    }
    for contributor in nested(root, "contributors", "contributor") {
        let role = contributor_role(contributor.attribute("contributorType").as_deref());
        resource
            .agents
            .extend(agent(contributor, "contributorName", role));
    }
    for name in root.all("publisher").filter_map(Node::text) {
        if !is_placeholder(&name) {
            resource.publishers.push(Publisher {
                name: Some(name),
                ..Publisher::default()
            });
        }
    }
    dates(root, &mut resource);
    host(root, &mut resource);
    for file in root.all("file") {
        self::file(file, &mut resource);
    }
    for node in root.all("identifier") {
        own_identifier(node, "identifierType", &mut resource);
    }
    for node in nested(root, "alternateIdentifiers", "alternateIdentifier") {
        own_identifier(node, "alternateIdentifierType", &mut resource);
    }
    related(root, &mut resource);
    for language in root.all("language").filter_map(Node::text) {
        add_language(&mut resource, &language);
    }
    for node in nested(root, "subjects", "subject") {
        if let Some(subject) = subject(node)
            && !resource.subjects.contains(&subject)
        {
            resource.subjects.push(subject);
        }
    }
    texts(root, &mut resource);
    link_by_identifier(&mut resource);
    checks::flag_odd_values(&mut resource);
    Ok(resource)
}

/// Elements in their list, and those that stand alone.
fn nested<'n, 'a>(root: &'n Node<'a>, list: &str, name: &'n str) -> Vec<&'n Node<'a>> {
    let mut nodes = root.path(&[list, name]);
    nodes.extend(root.all(name));
    nodes
}

/// `resourceType` with a URI of COAR, or `dc:type` in words.
fn types(root: &Node<'_>, resource: &mut Resource) {
    let nodes = root.all("resourceType").chain(root.all("type"));
    let mut kind = None;
    for node in nodes {
        let text = node.text();
        let uri = address(node).or_else(|| {
            text.clone()
                .filter(|text| text.contains("purl.org/coar/resource_type/"))
        });
        let found = uri
            .as_deref()
            .and_then(kind_of_coar)
            .or_else(|| text.as_deref().and_then(kind_of_words))
            .or_else(|| {
                // General, but better than nothing.
                node.has("resourceTypeGeneral", "dataset")
                    .then_some(Kind::Dataset)
                    .or_else(|| {
                        node.has("resourceTypeGeneral", "software")
                            .then_some(Kind::Software)
                    })
            });
        kind = kind.or(found);
        if let Some(text) = text
            && !resource.stated_types.contains(&text)
        {
            resource.stated_types.push(text);
        }
    }
    resource.kind = kind.unwrap_or_default();
}

/// The URI of a concept or a licence.
fn address(node: &Node<'_>) -> Option<String> {
    ["uri", "rightsURI", "resource"]
        .iter()
        .find_map(|name| node.attribute(name))
}

/// The kind that a concept of COAR's vocabulary means.
///
/// Source: COAR Controlled Vocabulary for Resource Types 3.1.
fn kind_of_coar(uri: &str) -> Option<Kind> {
    let concept = uri.trim_end_matches('/').rsplit('/').next()?;
    Some(match concept {
        // Article, journal article, data paper, research, review, software paper, letter,
        // editorial, book review, newspaper article.
        "c_6501" | "c_beb9" | "c_2df8fbb1" | "c_dcae04bc" | "c_7bab" | "c_545b" | "c_b239"
        | "c_ba08" | "c_998f" | "c_3e5a" => Kind::Article,
        "c_2f33" => Kind::Book,
        "c_3248" => Kind::Chapter,
        "c_46ec" | "c_7a1f" | "c_bdcc" | "c_db06" => Kind::Thesis,
        // Conference output, paper, poster, proceedings, presentation.
        "c_c94f" | "c_5794" | "c_6670" | "c_f744" | "c_18co" | "c_18cp" | "R60J-J5BD" => {
            Kind::ConferencePaper
        }
        // Report, technical report, research report, working paper and their kin.
        "c_93fc" | "c_18gh" | "c_18ws" | "c_8042" | "c_18op" | "c_186u" | "c_18wq" | "c_18ww"
        | "c_18hj" | "c_ba1f" => Kind::Report,
        "c_816b" => Kind::Preprint,
        "c_ddb1" => Kind::Dataset,
        "c_c513" | "c_ecc8" => Kind::Image,
        "c_18cc" => Kind::Audio,
        "c_12ce" | "c_8a7e" => Kind::Video,
        "c_12cd" => Kind::Map,
        "c_5ce6" => Kind::Software,
        "c_0640" | "c_2fe3" | "c_2cd9" => Kind::Journal,
        _ => return None,
    })
}

/// The date of issue; `Accepted` and `Available` beside it are those of the access.
fn dates(root: &Node<'_>, resource: &mut Resource) {
    for node in nested(root, "dates", "date") {
        let Some(text) = node.text().filter(|text| !is_placeholder(text)) else {
            continue;
        };
        let kind = match node.attribute("dateType") {
            // A date of Dublin Core, or one of the guidelines before version 4.
            None => DateKind::Published,
            Some(kind) => date_kind(Some(&kind)),
        };
        let date = Date { kind, text };
        if !resource.dates.contains(&date) {
            resource.dates.push(date);
        }
    }
    if let (Some(year), None) = (root.text_at(&["publicationYear"]), resource.published()) {
        resource.dates.insert(
            0,
            Date {
                kind: DateKind::Published,
                text: year,
            },
        );
    }
}

/// The citation's elements.
fn host(root: &Node<'_>, resource: &mut Resource) {
    // Drafts of the guidelines had names without `citation`.
    let text = |name: &str, draft: &str| root.text_at(&[name]).or_else(|| root.text_at(&[draft]));
    let host = &mut resource.host;
    host.title = text("citationTitle", "journalTitle");
    host.volume = text("citationVolume", "volume");
    host.issue = text("citationIssue", "issue");
    if let Some(start) = text("citationStartPage", "startPage") {
        // Some write the whole range to the start.
        let (first, last) = pages(&start).unwrap_or((start, None));
        host.start_page = Some(first);
        host.end_page = last;
    }
    if let Some(end) = text("citationEndPage", "endPage") {
        host.end_page = Some(end);
    }
    let place = root.text_at(&["citationConferencePlace"]);
    let date = root.text_at(&["citationConferenceDate"]);
    if place.is_some() || date.is_some() {
        let parts: Vec<String> = [place, date].into_iter().flatten().collect();
        host.conference = Some(parts.join(", "));
    }
    host.kind = match (resource.kind, &host.title) {
        (_, None) => None,
        (Kind::Article, _) => Some(Kind::Journal),
        (Kind::Chapter, _) => Some(Kind::Book),
        _ => None,
    };
    resource.edition = root.text_at(&["citationEdition"]);
}

/// A file: the full text, or a supplement.
fn file(node: &Node<'_>, resource: &mut Resource) {
    let Some(url) = node.text().filter(|url| is_url(url)) else {
        return;
    };
    if resource.links.iter().any(|link| link.url == url) {
        return;
    }
    let purpose = match node.attribute("objectType").as_deref() {
        None | Some("fulltext" | "dataset" | "software") => LinkPurpose::FullText,
        Some(_) => LinkPurpose::Supplement,
    };
    resource.links.push(Link {
        url,
        purpose,
        format: node.attribute("mimeType"),
    });
}

fn related(root: &Node<'_>, resource: &mut Resource) {
    for node in nested(root, "relatedIdentifiers", "relatedIdentifier") {
        let Some(text) = node.text().filter(|text| !is_placeholder(text)) else {
            continue;
        };
        let relation = node.attribute("relationType");
        let scheme = node.attribute("relatedIdentifierType").unwrap_or_default();
        let part = matches!(
            resource.kind,
            Kind::Article | Kind::Chapter | Kind::ConferencePaper | Kind::Preprint
        );
        let host_relation = matches!(relation.as_deref(), Some("IsPartOf" | "IsPublishedIn"));
        match scheme.as_str() {
            "ISSN" | "EISSN" | "LISSN" if host_relation && part => {
                add_issn(resource, &scheme, text);
            }
            "ISBN" if host_relation && part && isbn(&text).is_some() => {
                if !resource.host.isbns.contains(&text) {
                    resource.host.isbns.push(text);
                }
            }
            _ => {
                let related = Related { relation, text };
                if !resource.related.contains(&related) {
                    resource.related.push(related);
                }
            }
        }
    }
}

fn texts(root: &Node<'_>, resource: &mut Resource) {
    for node in root.all("description") {
        if let Some(text) = node.text() {
            resource.abstracts.push(Text {
                text,
                language: node.attribute("lang"),
            });
        }
    }
    for name in ["licenseCondition", "rights", "accessRights"] {
        for node in root.all(name) {
            let (text, address) = (node.text(), address(node));
            let rights = match text {
                Some(text) if is_url(&text) && address.is_none() => Rights {
                    text: None,
                    url: Some(text),
                },
                text => Rights { text, url: address },
            };
            if rights != Rights::default() && !resource.rights.contains(&rights) {
                resource.rights.push(rights);
            }
        }
    }
    let list = |path: &[&str]| -> Vec<String> {
        let nodes = root.path(path).into_iter();
        nodes.filter_map(Node::text).collect()
    };
    resource.extent = list(&["sizes", "size"]);
    resource.formats = list(&["format"]);
    resource.citations = list(&["source"]);
    if let Some(version) = root.first("version") {
        resource.stated_types.extend(version.text());
    }
    funding(root, resource);
}
