//! JATS and its forerunner, the journal publishing format of the NLM: the front of an article.

use std::collections::HashMap;

use serde_json::Value;

use crate::record::resource::{
    Agent, Date, DateKind, Kind, Link, LinkPurpose, Publisher, Related, Resource, Rights, Role,
    Subject, Text, Title,
};
use crate::record::tree::{self, Node};

use super::kinds::kind_of_words;
use super::relators::by_term;
use super::values::{add_language, identify, is_url, link_by_identifier, orcid};
use super::{CrosswalkError, checks};

/// Reads the front of an article. Its body, references and sub-articles are left out.
///
/// # Errors
/// If the document is malformed or has no `article-meta`.
///
/// Source: JATS 1.3, journal publishing tag set; NLM DTD 2.0 to 3.0.
pub fn resource(metadata: &str) -> Result<Resource, CrosswalkError> {
    let tree = tree::parse(metadata)?;
    let article = tree.find("article").unwrap_or(&tree);
    let front = article.first("front").unwrap_or(article);
    let meta = front
        .find("article-meta")
        .ok_or(CrosswalkError::Empty("element \"article-meta\""))?;
    let mut resource = Resource {
        kind: Kind::Article,
        ..Resource::default()
    };
    if let Some(article_type) = article.attribute("article-type") {
        resource.kind = match article_type.as_str() {
            "dissertation" => Kind::Thesis,
            "preprint" => Kind::Preprint,
            "proceedings" => Kind::ConferencePaper,
            other => match kind_of_words(other) {
                Some(kind @ (Kind::Chapter | Kind::Report | Kind::Book)) => kind,
                _ => Kind::Article,
            },
        };
        resource.stated_types.push(article_type);
    }
    if let Some(language) = article.attribute("lang") {
        add_language(&mut resource, &language);
    }
    if let Some(journal) = front.first("journal-meta") {
        self::journal(journal, &mut resource);
    }
    titles(meta, &mut resource);
    contributors(meta, &mut resource);
    dates(meta, &mut resource);
    numbers(meta, &mut resource);
    for id in meta.all("article-id") {
        if let Some(text) = id.text() {
            identify(&mut resource, id.attribute("pub-id-type").as_deref(), &text);
        }
    }
    categories(meta, &mut resource);
    links(meta, &mut resource);
    permissions(meta, &mut resource);
    for node in meta.all("abstract").chain(meta.all("trans-abstract")) {
        abstract_text(node, &mut resource);
    }
    funding(meta, &mut resource);
    link_by_identifier(&mut resource);
    checks::flag_odd_values(&mut resource);
    Ok(resource)
}

fn journal(journal: &Node<'_>, resource: &mut Resource) {
    let host = &mut resource.host;
    let abbreviation = |kind: &str| {
        journal
            .all("journal-id")
            .find(|id| id.has("journal-id-type", kind))
            .and_then(Node::text)
    };
    host.kind = Some(Kind::Journal);
    host.title = journal
        .text_at(&["journal-title-group", "journal-title"])
        .or_else(|| journal.text_at(&["journal-title"]))
        .or_else(|| journal.text_at(&["journal-title-group", "abbrev-journal-title"]))
        .or_else(|| journal.text_at(&["abbrev-journal-title"]))
        .or_else(|| abbreviation("iso-abbrev"))
        .or_else(|| abbreviation("nlm-ta"));
    for node in journal.all("issn") {
        let Some(text) = node.text() else { continue };
        let medium = node
            .attribute("pub-type")
            .or_else(|| node.attribute("publication-format"))
            .unwrap_or_default();
        let slot = match medium.as_str() {
            "epub" | "electronic" | "online" | "online-only" => &mut host.eissn,
            _ => &mut host.issn,
        };
        match slot {
            None => *slot = Some(text),
            Some(known) if *known == text => {}
            Some(_) => host.other_issns.push(text),
        }
    }
    for node in journal.all("publisher") {
        let publisher = Publisher {
            name: node.text_at(&["publisher-name"]),
            place: node.text_at(&["publisher-loc"]),
            country: None,
        };
        if publisher != Publisher::default() {
            resource.publishers.push(publisher);
        }
    }
}

/// Marks that are no part of a title.
const MARKS: [&str; 3] = ["xref", "fn", "title-footnote"];

fn titles(meta: &Node<'_>, resource: &mut Resource) {
    let Some(group) = meta.first("title-group") else {
        return;
    };
    let mut add = |title: Option<&Node<'_>>, subtitle: Option<&Node<'_>>, language| {
        if let Some(node) = title
            && let Some(text) = node.text_without(&MARKS)
        {
            resource.titles.push(Title {
                text,
                subtitle: subtitle.and_then(|node| node.text_without(&MARKS)),
                language: node.attribute("lang").or(language),
            });
        }
    };
    add(group.first("article-title"), group.first("subtitle"), None);
    for translated in group.all("trans-title-group") {
        add(
            translated.first("trans-title"),
            translated.first("trans-subtitle"),
            translated.attribute("lang"),
        );
    }
    for translated in group.all("trans-title") {
        add(Some(translated), group.first("trans-subtitle"), None);
    }
}

/// People and bodies with the affiliations that they point to.
fn contributors(meta: &Node<'_>, resource: &mut Resource) {
    let mut affiliations = HashMap::new();
    collect_affiliations(meta, &mut affiliations);
    for group in meta.all("contrib-group") {
        // What stands in the group without a pointer is everybody's.
        let shared: Vec<String> = group.all("aff").filter_map(affiliation).collect();
        let pointed = group
            .all("contrib")
            .any(|contrib| contrib.all("xref").any(is_affiliation));
        for contrib in group.all("contrib") {
            let Some(mut agent) = agent(contrib) else {
                continue;
            };
            let kind = contrib
                .attribute("contrib-type")
                .or_else(|| group.attribute("content-type"));
            agent.role = role(kind.as_deref(), contrib);
            for xref in contrib.all("xref").filter(|xref| is_affiliation(xref)) {
                let ids = xref.attribute("rid").unwrap_or_default();
                for id in ids.split_whitespace() {
                    agent
                        .affiliations
                        .extend(affiliations.get(id).cloned().flatten());
                }
            }
            agent
                .affiliations
                .extend(contrib.all("aff").filter_map(affiliation));
            if agent.affiliations.is_empty() && !pointed {
                agent.affiliations.clone_from(&shared);
            }
            resource.agents.push(agent);
        }
    }
}

fn is_affiliation(xref: &Node<'_>) -> bool {
    xref.has("ref-type", "aff")
}

/// All `aff` elements by their ids.
fn collect_affiliations(node: &Node<'_>, found: &mut HashMap<String, Option<String>>) {
    for child in node.children() {
        match child.name() {
            "aff" => {
                if let Some(id) = child.attribute("id") {
                    found.insert(id, affiliation(child));
                }
            }
            "aff-alternatives" => {
                if let Some(id) = child.attribute("id") {
                    found.insert(id, child.first("aff").and_then(affiliation));
                }
                collect_affiliations(child, found);
            }
            "contrib-group" | "contrib" => collect_affiliations(child, found),
            _ => {}
        }
    }
}

/// The text of an affiliation, without its mark and its identifiers.
fn affiliation(node: &Node<'_>) -> Option<String> {
    let text = node.text_without(&["label", "sup", "institution-id", "email", "named-content"])?;
    let text = text.trim_matches([',', ';', ' ', '.']);
    (!text.is_empty()).then(|| text.to_owned())
}

fn agent(contrib: &Node<'_>) -> Option<Agent> {
    let alternatives = contrib.first("name-alternatives");
    let within = alternatives.unwrap_or(contrib);
    let mut agent = Agent::default();
    if let Some(name) = within.first("name").or_else(|| {
        within
            .first("string-name")
            .filter(|name| name.first("surname").is_some())
    }) {
        let (family, given) = (name.text_at(&["surname"]), name.text_at(&["given-names"]));
        agent.name = match (&family, &given) {
            (Some(family), Some(given)) => format!("{family}, {given}"),
            (Some(one), None) | (None, Some(one)) => one.clone(),
            (None, None) => return None,
        };
        if let Some(suffix) = name.text_at(&["suffix"]) {
            agent.name.push_str(", ");
            agent.name.push_str(&suffix);
        }
        if family.is_some() && given.is_some() {
            agent.family = family;
            agent.given = given;
        }
    } else if let Some(name) = within.first("string-name") {
        agent.name = name.text()?;
    } else {
        let collab = within.first("collab").or_else(|| {
            within
                .path(&["collab-alternatives", "collab"])
                .first()
                .copied()
        })?;
        // Its members may be listed in it.
        agent.name = collab.text_without(&["contrib-group", "xref", "aff", "fn"])?;
        agent.organisation = true;
    }
    agent.orcid = contrib
        .all("contrib-id")
        .filter(|id| id.has("contrib-id-type", "orcid"))
        .chain(contrib.all("uri").chain(contrib.all("ext-link")))
        .filter_map(Node::text)
        .find_map(|text| orcid(&text).map(str::to_owned));
    agent.email = contrib
        .text_at(&["email"])
        .or_else(|| contrib.text_at(&["address", "email"]));
    Some(agent)
}

fn role(kind: Option<&str>, contrib: &Node<'_>) -> Role {
    match kind {
        None | Some("author" | "authors" | "collab" | "person" | "au") => Role::Author,
        Some(kind) => match by_term(kind) {
            Role::Other(_) => Role::Other(contrib.text_at(&["role"]).unwrap_or(kind.to_owned())),
            role => role,
        },
    }
}

/// A date of day, month and year, in ISO's form as far as it is told.
fn date(node: &Node<'_>) -> Option<String> {
    let Some(year) = node.text_at(&["year"]) else {
        return node
            .attribute("iso-8601-date")
            .or_else(|| node.text_at(&["string-date"]));
    };
    let number = |name: &str, last: u32| {
        let text = node.text_at(&[name])?;
        let number = text.parse().ok().or_else(|| month(&text))?;
        (1..=last).contains(&number).then_some(number)
    };
    Some(match (number("month", 12), number("day", 31)) {
        (Some(month), Some(day)) => format!("{year}-{month:02}-{day:02}"),
        (Some(month), None) => format!("{year}-{month:02}"),
        _ => year,
    })
}

/// The number of a month given by its English name or its beginning.
fn month(text: &str) -> Option<u32> {
    let start: String = text.chars().take(3).collect::<String>().to_lowercase();
    let months = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    let at = months.iter().position(|month| *month == start)?;
    u32::try_from(at + 1).ok()
}

/// The date of the issue, since volume and pages are the issue's; where there is none, the date of
/// the article itself. Of two in one year, the more precise.
fn dates(meta: &Node<'_>, resource: &mut Resource) {
    let (mut issue, mut online) = (None, None);
    let mut others = Vec::new();
    for node in meta.all("pub-date") {
        let Some(text) = date(node) else { continue };
        let kind = node
            .attribute("pub-type")
            .or_else(|| node.attribute("date-type"))
            .unwrap_or_default();
        let medium = node.attribute("publication-format").unwrap_or_default();
        let slot = match (kind.as_str(), medium.as_str()) {
            ("ppub" | "collection" | "issue", _) | ("pub" | "", "print") => &mut issue,
            ("epub" | "epub-ppub" | "epreprint" | "pub" | "epublish" | "", _) => &mut online,
            ("pmc-release" | "nihms-submitted", _) => {
                others.push((DateKind::Available, text));
                continue;
            }
            _ => {
                others.push((DateKind::Other, text));
                continue;
            }
        };
        match slot {
            None => *slot = Some(text),
            // A date of print is more precise than the year of a volume.
            Some(known)
                if text.len() > known.len() && text.starts_with(&known[..4.min(known.len())]) =>
            {
                *known = text;
            }
            Some(_) => {}
        }
    }
    let same_year = |one: &str, other: &str| one.get(..4) == other.get(..4);
    match (issue, online) {
        (Some(issue), Some(online)) if same_year(&issue, &online) => {
            let precise = if online.len() > issue.len() {
                online
            } else {
                issue
            };
            others.insert(0, (DateKind::Published, precise));
        }
        (Some(issue), online) => {
            others.insert(0, (DateKind::Published, issue));
            others.extend(online.map(|text| (DateKind::Available, text)));
        }
        (None, Some(online)) => others.insert(0, (DateKind::Published, online)),
        (None, None) => {}
    }
    for node in meta.path(&["history", "date"]) {
        let kind = match node.attribute("date-type").as_deref() {
            Some("received") => DateKind::Submitted,
            Some("accepted") => DateKind::Accepted,
            _ => continue,
        };
        others.extend(date(node).map(|text| (kind, text)));
    }
    resource
        .dates
        .extend(others.into_iter().map(|(kind, text)| Date { kind, text }));
}

fn numbers(meta: &Node<'_>, resource: &mut Resource) {
    let host = &mut resource.host;
    host.volume = meta.text_at(&["volume"]);
    host.issue = meta.text_at(&["issue"]);
    host.start_page = meta
        .text_at(&["fpage"])
        .or_else(|| meta.text_at(&["elocation-id"]));
    host.end_page = meta.text_at(&["lpage"]);
    let conference: Vec<String> = ["conf-name", "conf-loc", "conf-date"]
        .iter()
        .filter_map(|name| meta.text_at(&["conference", name]))
        .collect();
    if !conference.is_empty() {
        host.conference = Some(conference.join(", "));
    }
}

/// Sections of the journal are types as written; other groups and keywords are subjects.
fn categories(meta: &Node<'_>, resource: &mut Resource) {
    for group in meta.path(&["article-categories", "subj-group"]) {
        let heading = group.has("subj-group-type", "heading");
        let mut terms = Vec::new();
        collect_subjects(group, &mut terms);
        for term in terms {
            if heading {
                if !resource.stated_types.contains(&term) {
                    resource.stated_types.push(term);
                }
            } else {
                push_subject(resource, term, None, group.attribute("lang"));
            }
        }
    }
    for group in meta.all("kwd-group") {
        if group.has("kwd-group-type", "abbreviations") {
            continue;
        }
        let scheme = group.attribute("vocab");
        for keyword in group.all("kwd") {
            if let Some(term) = keyword.text_without(&["xref"]) {
                push_subject(resource, term, scheme.clone(), group.attribute("lang"));
            }
        }
    }
}

fn collect_subjects(group: &Node<'_>, terms: &mut Vec<String>) {
    terms.extend(group.all("subject").filter_map(Node::text));
    for inner in group.all("subj-group") {
        collect_subjects(inner, terms);
    }
}

fn push_subject(
    resource: &mut Resource,
    term: String,
    scheme: Option<String>,
    language: Option<String>,
) {
    let subject = Subject {
        scheme,
        term,
        language,
        ..Subject::default()
    };
    if !resource.subjects.contains(&subject) {
        resource.subjects.push(subject);
    }
}

fn links(meta: &Node<'_>, resource: &mut Resource) {
    for node in meta.all("self-uri") {
        let Some(url) = node
            .attribute("href")
            .or_else(|| node.text())
            .filter(|url| is_url(url))
        else {
            continue;
        };
        let format = node.attribute("content-type");
        let full = format
            .as_deref()
            .is_some_and(|format| matches!(format, "pdf" | "application/pdf" | "xml" | "epub"))
            || url.to_lowercase().ends_with(".pdf");
        resource.links.push(Link {
            url,
            purpose: match full {
                true => LinkPurpose::FullText,
                false => LinkPurpose::Landing,
            },
            format,
        });
    }
    for node in meta.children() {
        let (attribute, fallback) = match node.name() {
            "related-article" => ("related-article-type", "related article"),
            "related-object" => ("content-type", "related object"),
            "product" => ("product-type", "reviewed"),
            _ => continue,
        };
        let text = match node.name() {
            "product" => node.text(),
            _ => node.attribute("href").or_else(|| node.text()),
        };
        if let Some(text) = text {
            resource.related.push(Related {
                relation: Some(match node.name() {
                    "product" => "reviewed".to_owned(),
                    _ => node.attribute(attribute).unwrap_or(fallback.to_owned()),
                }),
                text,
            });
        }
    }
}

/// Licences and copyright, which old versions write to the front itself.
fn permissions(meta: &Node<'_>, resource: &mut Resource) {
    let permissions = meta.first("permissions").unwrap_or(meta);
    for license in permissions.all("license") {
        let url = license
            .attribute("href")
            .or_else(|| license.text_at(&["license_ref"]))
            .or_else(|| creative_commons(license));
        let text = license.text_without(&["license_ref"]);
        resource.rights.push(Rights { text, url });
    }
    if let Some(text) = permissions.text_at(&["copyright-statement"]) {
        resource.rights.push(Rights {
            text: Some(text),
            url: None,
        });
    }
    resource
        .rights
        .retain(|rights| *rights != Rights::default());
}

/// The address of a licence of Creative Commons in a licence's text.
fn creative_commons(node: &Node<'_>) -> Option<String> {
    node.children().find_map(|child| {
        child
            .attribute("href")
            .filter(|href| href.contains("creativecommons.org/"))
            .or_else(|| creative_commons(child))
    })
}

/// An abstract, without a heading that only says so.
fn abstract_text(node: &Node<'_>, resource: &mut Resource) {
    let kind = node.attribute("abstract-type").unwrap_or_default();
    if matches!(
        kind.as_str(),
        "graphical" | "toc" | "teaser" | "short" | "precis" | "key-points" | "highlights"
    ) {
        return;
    }
    let parts: Vec<String> = node
        .children()
        .filter(|child| child.name() != "title" && child.name() != "label")
        .filter_map(|child| child.text_without(&["fig", "graphic", "object-id"]))
        .collect();
    let text = match parts.is_empty() {
        true => node.text(),
        false => Some(parts.join(" ")),
    };
    if let Some(text) = text {
        resource.abstracts.push(Text {
            text,
            language: node.attribute("lang"),
        });
    }
}

fn funding(meta: &Node<'_>, resource: &mut Resource) {
    for award in meta.path(&["funding-group", "award-group"]) {
        let source = award
            .first("funding-source")
            .and_then(|source| source.text_without(&["institution-id"]));
        let parts: Vec<String> = source
            .into_iter()
            .chain(award.all("award-id").filter_map(Node::text))
            .collect();
        if !parts.is_empty() {
            resource.add_further("funding", Value::from(parts.join(", ")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chooses_the_date_of_the_issue() {
        let cases = [
            (
                "print and online in two years",
                "<pub-date pub-type='epub'><year>2012</year></pub-date>\
                 <pub-date pub-type='ppub'><month>3</month><year>2013</year></pub-date>",
                Some("2013-03"),
            ),
            (
                "volume and online in one year",
                "<pub-date pub-type='collection'><year>2012</year></pub-date>\
                 <pub-date pub-type='epub'><day>7</day><month>Nov</month><year>2012</year></pub-date>",
                Some("2012-11-07"),
            ),
            (
                "release only",
                "<pub-date pub-type='pmc-release'><year>2012</year></pub-date>",
                None,
            ),
            (
                "by date-type",
                "<pub-date date-type='pub' publication-format='electronic' iso-8601-date='2019-01-02'>\
                 <day>2</day><month>1</month><year>2019</year></pub-date>",
                Some("2019-01-02"),
            ),
        ];
        for (case, dates, expected) in cases {
            let document =
                format!("<article><front><article-meta>{dates}</article-meta></front></article>");
            let resource = resource(&document).unwrap();
            assert_eq!(resource.published(), expected, "{case}");
        }
    }
}
