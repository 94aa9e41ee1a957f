//! OpenAIRE's guidelines for literature repositories, version 4: elements of DataCite, Dublin Core
//! and OpenAIRE in one `resource`.

use crate::record::resource::{
    Date, DateKind, Kind, Link, LinkPurpose, Publisher, Related, Resource, Rights, Role, Text,
};
use crate::record::tree::{self, Node};

use super::datacite::{
    add_issn, agent, contributor_role, date_kind, funding, own_identifier, subject, titles,
};
use super::kinds::{kind_of_coar, kind_of_words};
use super::values::{add_language, is_placeholder, is_url, isbn, link_by_identifier, pages};
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
        // OpenEdition has `creatorName` here too.
        let named = ["contributorName", "creatorName"].into_iter();
        let found = named.filter_map(|name| agent(contributor, name, role.clone()));
        resource.agents.extend(found.take(1));
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
            "ISSN" | "EISSN" | "LISSN" | "PISSN" if host_relation && part => {
                add_issn(resource, &scheme, text);
            }
            "ISBN" | "PISBN" if host_relation && part && isbn(&text).is_some() => {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::resource::IdentifierKind;

    /// Elements as OpenEdition documents them for its repository.
    #[test]
    fn reads_what_openedition_writes() {
        let read = resource(
            "<oaire:resource xmlns:oaire='http://namespace.openaire.eu/schema/oaire/' \
             xmlns:datacite='http://datacite.org/schema/kernel-4' xmlns:dc='http://purl.org/dc/elements/1.1/'>\
             <datacite:titles><datacite:title>Qu’est-ce que le travail quand on n’a pas d’emploi ?</datacite:title>\
             <datacite:title titleType='Subtitle'>Le travail non salarié</datacite:title>\
             <datacite:title titleType='TranslatedTitle' xml:lang='en'>What’s work when you’re unemployed ?\
             </datacite:title></datacite:titles>\
             <datacite:contributors><datacite:contributor contributorType='Other'>\
             <datacite:creatorName nameType='Personal'>Mannoni, Olivier</datacite:creatorName>\
             <datacite:givenName>Olivier</datacite:givenName><datacite:familyName>Mannoni</datacite:familyName>\
             </datacite:contributor></datacite:contributors>\
             <datacite:alternateIdentifiers>\
             <datacite:alternateIdentifier alternateIdentifierType='DOI'>10.4000/remi.5530</datacite:alternateIdentifier>\
             <datacite:alternateIdentifier alternateIdentifierType='PISBN'>978-3-86395-122-1</datacite:alternateIdentifier>\
             </datacite:alternateIdentifiers><datacite:relatedIdentifiers>\
             <datacite:relatedIdentifier relatedIdentifierType='EISSN' relationType='IsPartOf'>1960-601X\
             </datacite:relatedIdentifier>\
             <datacite:relatedIdentifier relatedIdentifierType='PISSN' relationType='IsPartOf'>1627-4873\
             </datacite:relatedIdentifier>\
             <datacite:relatedIdentifier relatedIdentifierType='PISBN' relationType='IsPartOf'>978-2-7535-0687-9\
             </datacite:relatedIdentifier></datacite:relatedIdentifiers>\
             <datacite:dates><datacite:date dateType='Available'>2027-01-01</datacite:date>\
             <datacite:date dateType='Issued'>2023</datacite:date>\
             <datacite:date dateType='Updated'>2023-11-28</datacite:date></datacite:dates>\
             <oaire:resourceType resourceTypeGeneral='literature' uri='http://purl.org/coar/resource_type/c_efa0'>\
             review</oaire:resourceType></oaire:resource>",
        )
        .unwrap();
        assert_eq!(read.kind, Kind::Article);
        assert_eq!(read.titles.len(), 2, "{:?}", read.titles);
        let contributors: Vec<_> = read.contributors().map(|agent| &*agent.name).collect();
        assert_eq!(contributors, ["Mannoni, Olivier"]);
        assert_eq!(read.doi(), Some("10.4000/remi.5530"));
        assert_eq!(read.year(), Some("2023"));
        assert_eq!(read.host.issn.as_deref(), Some("1627-4873"));
        assert_eq!(read.host.eissn.as_deref(), Some("1960-601X"));
        assert_eq!(read.host.isbns, ["978-2-7535-0687-9"]);
        assert_eq!(read.related, []);
        let isbns: Vec<&str> = read.identifiers_of(IdentifierKind::Isbn).collect();
        assert_eq!(isbns, ["978-3-86395-122-1"]);
    }
}
