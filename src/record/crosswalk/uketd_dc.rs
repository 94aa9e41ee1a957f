//! `uketd_dc`, the metadata of theses in the United Kingdom: Dublin Core with terms of its own.

use serde_json::Value;

use crate::record::resource::{
    Agent, Date, DateKind, IdentifierKind, Kind, Link, LinkPurpose, Publisher, Related, Resource,
    Rights, Role, Subject, Text, Title,
};
use crate::record::tree::{self, Node};

use super::kinds::kind_of_words;
use super::values::{add_language, identify, inverted, is_url, kind_of, link_by_identifier, orcid};
use super::{CrosswalkError, checks};

/// Reads one thesis, or whatever else a repository writes in this format.
///
/// `dcterms:issued` is the date of award; `dc:date` counts where it is missing. The end of an embargo
/// and the checksum of a file are no dates or identifiers of the thesis.
///
/// # Errors
/// If the document is malformed.
///
/// Source: EThOS, UK ETD metadata core set, and the schema `uketd_dc.xsd` 2.0.
pub fn resource(metadata: &str) -> Result<Resource, CrosswalkError> {
    let root = tree::parse(metadata)?;
    let mut resource = Resource {
        kind: Kind::Thesis,
        ..Resource::default()
    };
    let types: Vec<String> = root.all("type").filter_map(Node::text).collect();
    let has_degree = ["qualificationlevel", "qualificationname", "institution"]
        .iter()
        .any(|name| root.first(name).is_some());
    // EPrints offers the format for everything that it has.
    match types.iter().find_map(|text| kind_of_words(text)) {
        Some(kind) => resource.kind = kind,
        None if !has_degree => resource.kind = Kind::Other,
        None => {}
    }
    resource.stated_types = types;
    for node in root.all("title").chain(root.all("alternative")) {
        if let Some(text) = node.text() {
            resource.titles.push(Title {
                text,
                subtitle: None,
                language: node.attribute("lang"),
            });
        }
    }
    agents(&root, &mut resource);
    dates(&root, &mut resource);
    degree(&root, &mut resource);
    for name in root.all("publisher").filter_map(Node::text) {
        resource.publishers.push(Publisher {
            name: Some(name),
            ..Publisher::default()
        });
    }
    addresses(&root, &mut resource);
    for language in root.all("language").filter_map(Node::text) {
        add_language(&mut resource, &language);
    }
    for node in root.all("subject") {
        if let Some(term) = node.text() {
            let scheme = node.attribute("type").map(|scheme| {
                let bare = scheme.rsplit(':').next().unwrap_or(&scheme);
                bare.to_owned()
            });
            let subject = match scheme.as_deref() {
                // Classes have codes only.
                Some("Ddc" | "DDC") => Subject {
                    scheme: Some("DDC".to_owned()),
                    code: Some(term),
                    ..Subject::default()
                },
                _ => Subject {
                    scheme,
                    term,
                    language: node.attribute("lang"),
                    ..Subject::default()
                },
            };
            if !resource.subjects.contains(&subject) {
                resource.subjects.push(subject);
            }
        }
    }
    texts(&root, &mut resource);
    link_by_identifier(&mut resource);
    checks::flag_odd_values(&mut resource);
    Ok(resource)
}

/// Authors, advisors and others.
fn agents(root: &Node<'_>, resource: &mut Resource) {
    for node in root.children() {
        let role = match node.name() {
            "creator" => Role::Author,
            "advisor" => Role::Advisor,
            "contributor" => Role::Contributor,
            "sponsor" => Role::Other("sponsor".to_owned()),
            _ => continue,
        };
        let Some(name) = node.text().map(without_role) else {
            continue;
        };
        let names = inverted(&name);
        resource.agents.push(Agent {
            name,
            organisation: role == Role::Other("sponsor".to_owned()),
            family: names.as_ref().map(|(family, _)| family.clone()),
            given: names.map(|(_, given)| given),
            role,
            ..Agent::default()
        });
    }
    // Identifiers of the only author belong to that author.
    let iri = root
        .all("authoridentifier")
        .filter_map(Node::text)
        .find_map(|text| orcid(&text).map(str::to_owned));
    let mut authors = resource
        .agents
        .iter_mut()
        .filter(|agent| agent.role == Role::Author);
    if let (Some(author), None) = (authors.next(), authors.next()) {
        author.orcid = iri;
    }
}

/// Without the part in brackets after a name: `Sharp, Donald (Supervisor)`.
fn without_role(name: String) -> String {
    let Some((bare, role)) = name
        .strip_suffix(')')
        .and_then(|name| name.rsplit_once(" ("))
    else {
        return name;
    };
    let roles = [
        "author",
        "supervisor",
        "advisor",
        "sponsor",
        "funder",
        "examiner",
        "editor",
    ];
    match roles.contains(&role.to_lowercase().as_str()) {
        true => bare.trim_end().to_owned(),
        false => name,
    }
}

fn dates(root: &Node<'_>, resource: &mut Resource) {
    let stated = |name: &str| root.all(name).find_map(Node::text);
    let mut push = |kind, text: Option<String>| {
        if let Some(text) = text {
            resource.dates.push(Date { kind, text });
        }
    };
    push(
        DateKind::Published,
        stated("issued")
            .or_else(|| stated("dateAwarded"))
            .or_else(|| stated("date")),
    );
    push(DateKind::Created, stated("created"));
    push(DateKind::Submitted, stated("dateSubmitted"));
    push(DateKind::Accepted, stated("dateAccepted"));
    push(
        DateKind::Available,
        stated("embargodate").or_else(|| stated("available")),
    );
    push(DateKind::Modified, stated("modified"));
}

fn degree(root: &Node<'_>, resource: &mut Resource) {
    let text = |name: &str| root.text_at(&[name]);
    let degree = &mut resource.degree;
    degree.name = text("qualificationname");
    degree.level = text("qualificationlevel").or_else(|| text("degreelevel"));
    degree.grantor = text("institution");
    if let Some(department) = text("department") {
        resource.add_further("department", Value::from(department));
    }
}

/// Identifiers and links. `isReferencedBy` is the page of the thesis, `identifier` its file or page.
fn addresses(root: &Node<'_>, resource: &mut Resource) {
    for node in root.children() {
        let Some(text) = node.text() else { continue };
        match node.name() {
            "identifier" => {
                let scheme = node.attribute("type");
                let bare = scheme
                    .as_deref()
                    .and_then(|scheme| scheme.rsplit(':').next());
                if is_url(&text) {
                    let lower = text.to_ascii_lowercase();
                    let file = [".pdf", ".doc", ".docx", ".zip", ".epub"];
                    let purpose = match file.iter().any(|end| lower.ends_with(end)) {
                        true => LinkPurpose::FullText,
                        false => LinkPurpose::Landing,
                    };
                    add_link(resource, &text, purpose);
                    if kind_of(None, &text) == IdentifierKind::Other {
                        continue;
                    }
                }
                // A path without a host leads nowhere.
                if text.starts_with('/') {
                    continue;
                }
                // A type such as `dcterms:URI` says nothing of the scheme.
                identify(resource, bare, &text);
            }
            "isReferencedBy" if is_url(&text) => {
                add_link(resource, &text, LinkPurpose::Landing);
            }
            "relation" | "references" | "isPartOf" | "isVersionOf" | "hasVersion" | "replaces"
            | "isReferencedBy" | "source" => {
                let name = node.name().to_owned();
                let related = Related {
                    relation: (name != "relation").then_some(name),
                    text,
                };
                if !resource.related.contains(&related) {
                    resource.related.push(related);
                }
            }
            _ => {}
        }
    }
}

fn add_link(resource: &mut Resource, url: &str, purpose: LinkPurpose) {
    if !resource.links.iter().any(|link| link.url == url) {
        resource.links.push(Link {
            url: url.to_owned(),
            purpose,
            format: None,
        });
    }
}

fn texts(root: &Node<'_>, resource: &mut Resource) {
    for node in root.all("abstract").chain(root.all("description")) {
        if let Some(text) = node.text() {
            let known = resource.abstracts.iter().any(|known| known.text == text);
            if !known {
                resource.abstracts.push(Text {
                    text,
                    language: node.attribute("lang"),
                });
            }
        }
    }
    for name in ["rights", "license", "accessRights"] {
        for text in root.all(name).filter_map(Node::text) {
            if matches!(text.as_str(), "true" | "false") {
                continue;
            }
            let url = is_url(&text);
            let rights = Rights {
                url: url.then(|| text.clone()),
                text: (!url).then_some(text),
            };
            if !resource.rights.contains(&rights) {
                resource.rights.push(rights);
            }
        }
    }
    for format in root.all("format").filter_map(Node::text) {
        if !resource.formats.contains(&format) {
            resource.formats.push(format);
        }
    }
    resource.extent = root.all("extent").filter_map(Node::text).collect();
    resource.citations = root
        .all("bibliographicCitation")
        .filter_map(Node::text)
        .collect();
    for name in ["embargoreason", "embargotype", "coverage"] {
        resource.notes.extend(root.all(name).filter_map(Node::text));
    }
}
