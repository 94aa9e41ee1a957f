//! MODS, versions 3.0 to 3.8.

use crate::record::resource::{
    Agent, Date, DateKind, IdentifierKind, Kind, Link, LinkPurpose, Publisher, Related, Resource,
    Rights, Role, Series, Subject, Text, Title,
};
use crate::record::tree::{self, Node};

use super::kinds::kind_of_words;
use super::relators::{by_code, by_term, relator_code};
use super::values::{
    add_language, identify, is_url, isbn, kind_of, known, link_by_identifier, orcid, pages,
    without_isbd,
};
use super::{CrosswalkError, checks};

/// Reads one record of MODS, or the first one of a `modsCollection`.
///
/// What a `relatedItem` has is another work's, except title, numbers and date of the host of an
/// article, paper or chapter.
///
/// # Errors
/// If the document is malformed or has no `mods`.
///
/// Source: MODS 3.8, outline of elements and attributes; MODS User Guidelines.
pub fn resource(metadata: &str) -> Result<Resource, CrosswalkError> {
    let tree = tree::parse(metadata)?;
    let root = tree
        .find("mods")
        .ok_or(CrosswalkError::Empty("element \"mods\""))?;
    let mut resource = Resource::default();
    types(root, &mut resource);
    for node in titles_in_order(root) {
        if let Some(title) = title(node)
            && !resource.titles.contains(&title)
        {
            resource.titles.push(title);
        }
    }
    names(root, &mut resource);
    origin(root, &mut resource);
    related_items(root, &mut resource);
    identifiers(root, &mut resource);
    for node in root.path(&["location", "url"]) {
        link(node, &mut resource);
    }
    link_by_identifier(&mut resource);
    languages(root, &mut resource);
    subjects(root, &mut resource);
    texts(root, &mut resource);
    degree(root, &mut resource);
    checks::flag_odd_values(&mut resource);
    Ok(resource)
}

/// The kind by genre, or else by type of resource, issuance and host.
fn types(root: &Node<'_>, resource: &mut Resource) {
    let mut by_genre = None;
    for node in root.all("genre") {
        let Some(text) = node.text() else { continue };
        // A newsletter is mostly one issue or a part of it; the issuance tells a serial.
        if !text.eq_ignore_ascii_case("newsletter") {
            by_genre = by_genre.or_else(|| kind_of_words(&text));
        }
        if !resource.stated_types.contains(&text) {
            resource.stated_types.push(text);
        }
    }
    let mut by_type = None;
    for node in root.all("typeOfResource") {
        let Some(text) = node.text() else { continue };
        let found = match text.to_lowercase().as_str() {
            "cartographic" => Some(Kind::Map),
            "sound recording" | "sound recording-musical" | "sound recording-nonmusical" => {
                Some(Kind::Audio)
            }
            "still image" => Some(Kind::Image),
            "moving image" => Some(Kind::Video),
            "software, multimedia" | "software" => None,
            "text" => kind_of_text(root),
            _ => None,
        };
        by_type = by_type.or(found);
        if !resource.stated_types.contains(&text) {
            resource.stated_types.push(text);
        }
    }
    let thesis = root
        .path(&["note"])
        .iter()
        .any(|note| note.has("type", "thesis"))
        || root
            .path(&["extension"])
            .iter()
            .any(|node| node.find("degree").is_some());
    resource.kind = match by_genre {
        Some(kind) => kind,
        None if thesis => Kind::Thesis,
        None => by_type.unwrap_or_default(),
    };
}

/// A text of no telling genre: an article if its host has issues, else by issuance.
fn kind_of_text(root: &Node<'_>) -> Option<Kind> {
    let host = root
        .all("relatedItem")
        .find(|item| item.has("type", "host"));
    if let Some(host) = host
        && (detail(host, &["issue", "number"]).is_some()
            || detail(host, &["volume"]).is_some()
                && host.all("identifier").any(|id| id.has("type", "issn")))
    {
        return Some(Kind::Article);
    }
    let issuance = root.text_at(&["originInfo", "issuance"])?;
    match issuance.to_lowercase().as_str() {
        "serial" | "continuing" => Some(Kind::Journal),
        "monographic" | "single unit" | "multipart monograph" if host.is_none() => Some(Kind::Book),
        _ => None,
    }
}

/// The primary title first, then translated and alternative ones.
fn titles_in_order<'n, 'a>(node: &'n Node<'a>) -> Vec<&'n Node<'a>> {
    let mut titles: Vec<_> = node
        .all("titleInfo")
        .filter(|title| !title.has("type", "uniform") && !title.has("type", "abbreviated"))
        .collect();
    titles.sort_by_key(|title| {
        let usage = !title.has("usage", "primary");
        (title.attribute("type").is_some(), usage)
    });
    if titles.is_empty() {
        titles.extend(node.all("titleInfo"));
    }
    titles
}

/// A title with its article and the number and name of its part.
fn title(node: &Node<'_>) -> Option<Title> {
    let mut text = String::new();
    if let Some(article) = node.text_at(&["nonSort"]) {
        text.push_str(&article);
        if !article.ends_with(['\'', '’', '-']) {
            text.push(' ');
        }
    }
    // From MARC, with the punctuation of ISBD.
    text.push_str(without_isbd(&node.text_at(&["title"])?));
    let mut subtitle = node
        .text_at(&["subTitle"])
        .map(|text| without_isbd(&text).to_owned());
    for name in ["partNumber", "partName"] {
        if let Some(part) = node.text_at(&[name]) {
            let whole = subtitle.as_mut().unwrap_or(&mut text);
            if !whole.ends_with('.') {
                whole.push('.');
            }
            whole.push(' ');
            whole.push_str(&part);
        }
    }
    Some(Title {
        text,
        subtitle,
        language: node.attribute("lang"),
    })
}

fn names(root: &Node<'_>, resource: &mut Resource) {
    // Where no name has a role, the record does not tell authors from others: they are authors.
    let told = root
        .all("name")
        .any(|name| !name.path(&["role", "roleTerm"]).is_empty());
    for node in root.all("name") {
        if node.has("type", "conference") {
            if resource.host.conference.is_none() {
                resource.host.conference = name_parts(node, ", ");
            }
            continue;
        }
        let Some(mut agent) = agent(node) else {
            continue;
        };
        let terms = node.path(&["role", "roleTerm"]);
        let codes: Vec<String> = terms.iter().filter_map(|term| term.text()).collect();
        let is_grantor = |term: &String| {
            matches!(
                relator_code(&term.to_lowercase()),
                "dgg" | "degree grantor" | "degree granting institution"
            )
        };
        if codes.iter().any(is_grantor) {
            resource.degree.grantor.get_or_insert(agent.name);
            continue;
        }
        agent.role = match role(&terms) {
            Some(role) => role,
            None if !told || node.has("usage", "primary") => Role::Author,
            None => Role::Contributor,
        };
        let known = resource
            .agents
            .iter()
            .any(|known| known.name == agent.name && known.role == agent.role);
        if !known {
            resource.agents.push(agent);
        }
    }
}

/// The part by all terms of a name: author before any other.
fn role(terms: &[&Node<'_>]) -> Option<Role> {
    let mut found: Option<Role> = None;
    for term in terms {
        let Some(text) = term.text() else { continue };
        let code = relator_code(&text).to_lowercase();
        let is_code = term.has("type", "code") || code.len() == 3;
        let role = match is_code {
            true => by_code(&code),
            false => by_term(text.trim_end_matches('.')),
        };
        match (&found, role) {
            (_, Role::Author) => return Some(Role::Author),
            (None, role) => found = Some(role),
            // A word says more than a code that has no name here.
            (Some(Role::Other(code)), role) if code.len() == 3 => found = Some(role),
            _ => {}
        }
    }
    found
}

fn agent(node: &Node<'_>) -> Option<Agent> {
    let part = |kind: &str| {
        node.all("namePart")
            .filter(|part| part.has("type", kind))
            .filter_map(Node::text)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let (family, given) = (part("family"), part("given"));
    let organisation = node.has("type", "corporate");
    let mut agent = Agent {
        organisation,
        ..Agent::default()
    };
    agent.name = match (family.is_empty(), given.is_empty()) {
        (false, false) => format!("{family}, {given}"),
        (false, true) => family.clone(),
        (true, _) => {
            let separator = if organisation { ". " } else { ", " };
            name_parts(node, separator)
                .or_else(|| node.text_at(&["displayForm"]))
                .or_else(|| (!given.is_empty()).then(|| given.clone()))?
        }
    };
    if !family.is_empty() && !given.is_empty() {
        agent.family = Some(family);
        agent.given = Some(given);
    }
    agent.name = without_isbd(&agent.name).to_owned();
    agent.dates = Some(part("date")).filter(|dates| !dates.is_empty());
    agent.affiliations = node.all("affiliation").filter_map(Node::text).collect();
    agent.orcid = node
        .all("nameIdentifier")
        .filter(|id| {
            let kind = id.attribute("type").unwrap_or_default();
            let uri = id.attribute("typeURI").unwrap_or_default();
            (kind + &uri).to_lowercase().contains("orcid")
        })
        .filter_map(Node::text)
        .chain(
            node.attribute("valueURI")
                .filter(|uri| uri.contains("orcid.org")),
        )
        .find_map(|text| orcid(&text).map(str::to_owned));
    Some(agent)
}

/// Parts of a name that have no type, with `separator` between them.
fn name_parts(node: &Node<'_>, separator: &str) -> Option<String> {
    let parts: Vec<String> = node
        .all("namePart")
        .filter(|part| part.attribute("type").is_none())
        .filter_map(Node::text)
        .collect();
    let mut joined = String::new();
    for part in &parts {
        if !joined.is_empty() {
            let separator = match joined.ends_with('.') {
                true => separator.trim_start_matches('.'),
                false => separator,
            };
            joined.push_str(separator);
        }
        joined.push_str(part);
    }
    let joined = joined.trim().trim_end_matches([',', ' ']).to_owned();
    (!joined.is_empty()).then_some(joined)
}

/// Dates, publishers and edition.
fn origin(root: &Node<'_>, resource: &mut Resource) {
    let origins: Vec<_> = root.all("originInfo").collect();
    let published = dates_of(&origins, "dateIssued");
    let created = dates_of(&origins, "dateCreated");
    // Of what is not published, the date of making is the date to show.
    let unpublished = matches!(
        resource.kind,
        Kind::Image | Kind::Audio | Kind::Video | Kind::Map | Kind::Thesis | Kind::Other
    );
    let mut push = |kind, text: Option<String>| {
        if let Some(text) = text {
            resource.dates.push(Date { kind, text });
        }
    };
    match (&published, created) {
        (None, Some(created)) if unpublished => push(DateKind::Published, Some(created)),
        (_, created) => {
            push(DateKind::Published, published.clone());
            push(DateKind::Created, created);
        }
    }
    push(DateKind::Copyright, dates_of(&origins, "copyrightDate"));
    push(DateKind::Modified, dates_of(&origins, "dateModified"));
    for origin in origins {
        let place = origin
            .path(&["place", "placeTerm"])
            .into_iter()
            .find(|term| !term.has("type", "code"))
            .and_then(Node::text)
            .and_then(|text| known(&text));
        let names: Vec<String> = origin
            .all("publisher")
            .filter_map(Node::text)
            .filter_map(|text| known(&text))
            .collect();
        let mut add = |name: Option<String>| {
            let publisher = Publisher {
                name,
                place: place.clone(),
                country: None,
            };
            if publisher != Publisher::default() && !resource.publishers.contains(&publisher) {
                resource.publishers.push(publisher);
            }
        };
        match names.is_empty() {
            true => add(None),
            false => names.into_iter().for_each(|name| add(Some(name))),
        }
        if resource.edition.is_none() {
            resource.edition = origin.text_at(&["edition"]);
        }
    }
}

/// The date of one name: the key date, else an encoded one, else the first; a span with both ends.
fn dates_of(origins: &[&Node<'_>], name: &str) -> Option<String> {
    let dates: Vec<_> = origins
        .iter()
        .flat_map(|origin| origin.all(name))
        .filter(|date| date.text().is_some())
        .collect();
    let rank = |date: &Node<'_>| match date.attribute("encoding").as_deref() {
        _ if date.has("keyDate", "yes") => 0,
        Some("w3cdtf" | "iso8601" | "edtf") => 1,
        None => 2,
        Some(_) => 3,
    };
    let first = dates
        .iter()
        .filter(|date| !date.has("point", "end"))
        .min_by_key(|date| rank(date))?;
    let start = without_isbd(&first.text()?)
        .trim_end_matches('.')
        .to_owned();
    if first.has("point", "start") {
        let end = dates
            .iter()
            .find(|date| {
                date.has("point", "end")
                    && date.attribute("encoding") == first.attribute("encoding")
            })
            .and_then(|date| date.text())
            // Code of MARC for a serial that goes on.
            .filter(|end| end != "9999");
        if let Some(end) = end
            && end != start
        {
            return Some(format!("{start}/{end}"));
        }
    }
    Some(start)
}

/// Whether things of a kind are parts of journals or books.
fn is_part(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Article | Kind::Chapter | Kind::ConferencePaper | Kind::Preprint
    )
}

fn related_items(root: &Node<'_>, resource: &mut Resource) {
    let mut host_seen = false;
    for item in root.all("relatedItem") {
        let kind = item.attribute("type").unwrap_or_default();
        let has_numbers = item.first("part").is_some();
        match kind.as_str() {
            "host" if !host_seen && (is_part(resource.kind) || has_numbers) => {
                host_seen = true;
                host(item, resource);
            }
            "series" => {
                let Some(found) = titles_in_order(item).into_iter().find_map(series) else {
                    continue;
                };
                let number = found
                    .number
                    .or_else(|| detail(item, &["volume", "number", "issue", "series"]));
                let series = Series { number, ..found };
                if !resource.series.contains(&series) {
                    resource.series.push(series);
                }
            }
            _ => {
                let relation = match kind.as_str() {
                    "" => item
                        .attribute("otherType")
                        .or_else(|| item.attribute("displayLabel")),
                    "host" => Some("isPartOf".to_owned()),
                    kind => Some(kind.to_owned()),
                };
                let text = titles_in_order(item)
                    .into_iter()
                    .find_map(title)
                    .map(|title| match title.subtitle {
                        Some(subtitle) => format!("{}: {subtitle}", title.text),
                        None => title.text,
                    })
                    .or_else(|| item.text_at(&["identifier"]))
                    .or_else(|| item.text_at(&["location", "url"]))
                    .or_else(|| item.attribute("href"))
                    .or_else(|| item.text_at(&["note"]));
                if let Some(text) = text {
                    let related = Related { relation, text };
                    if !resource.related.contains(&related) {
                        resource.related.push(related);
                    }
                }
            }
        }
    }
    if host_seen {
        for part in root.all("part") {
            numbers(part, resource);
        }
    }
}

fn series(node: &Node<'_>) -> Option<Series> {
    let number = node.text_at(&["partNumber"]);
    let mut text = node.text_at(&["title"])?;
    if let Some(article) = node.text_at(&["nonSort"]) {
        text = format!("{article} {text}");
    }
    // `Title ; 5`, as in MARC's series statement.
    if number.is_none()
        && let Some((title, number)) = text.rsplit_once(" ; ")
    {
        return Some(Series {
            title: without_isbd(title).to_owned(),
            number: Some(number.trim().trim_end_matches('.').to_owned()),
        });
    }
    Some(Series {
        title: text,
        number,
    })
}

fn host(item: &Node<'_>, resource: &mut Resource) {
    let title = titles_in_order(item).into_iter().find_map(title);
    let genre = item
        .all("genre")
        .filter_map(Node::text)
        .find_map(|text| kind_of_words(&text));
    resource.host.title = title.map(|title| match title.subtitle {
        Some(subtitle) => format!("{}: {subtitle}", title.text),
        None => title.text,
    });
    for id in item
        .all("identifier")
        .filter(|id| !id.has("invalid", "yes"))
    {
        let Some((scheme, text)) = scheme_and_text(id) else {
            continue;
        };
        match scheme.as_str() {
            "issn" | "issn-l" | "pissn" | "eissn" | "e-issn" => {
                let scheme = if scheme.starts_with('e') {
                    "EISSN"
                } else {
                    "ISSN"
                };
                super::datacite::add_issn(resource, scheme, text);
            }
            "isbn" if isbn(&text).is_some() => resource.host.isbns.push(text),
            _ => {}
        }
    }
    let host = &mut resource.host;
    let has_issn = host.issn.is_some() || host.eissn.is_some();
    host.kind = match (genre, resource.kind) {
        (Some(kind @ (Kind::Journal | Kind::Book | Kind::ConferencePaper)), _) => Some(kind),
        (_, Kind::Article) => Some(Kind::Journal),
        (_, Kind::Chapter) => Some(Kind::Book),
        _ if has_issn && host.isbns.is_empty() => Some(Kind::Journal),
        _ => None,
    };
    for part in item.all("part") {
        numbers(part, resource);
    }
    // The host's date and publisher are those of its parts.
    let origins: Vec<_> = item.all("originInfo").collect();
    if resource.published().is_none() && is_part(resource.kind) {
        let date = item
            .path(&["part", "date"])
            .into_iter()
            .find_map(Node::text)
            .or_else(|| dates_of(&origins, "dateIssued"));
        if let Some(text) = date {
            resource.dates.insert(
                0,
                Date {
                    kind: DateKind::Published,
                    text,
                },
            );
        }
    }
    if resource.publishers.is_empty() && is_part(resource.kind) {
        origin_publishers(&origins, resource);
    }
}

fn origin_publishers(origins: &[&Node<'_>], resource: &mut Resource) {
    for origin in origins {
        for name in origin.all("publisher").filter_map(Node::text) {
            resource.publishers.push(Publisher {
                name: Some(name),
                ..Publisher::default()
            });
        }
    }
}

/// The number of a `detail` of one of these types, in any `part` of a node.
fn detail(node: &Node<'_>, types: &[&str]) -> Option<String> {
    let details = node.path(&["part", "detail"]);
    let found = details
        .into_iter()
        .find(|detail| types.iter().any(|kind| detail.has("type", kind)))?;
    detail_number(found)
}

/// The number of a `detail`; some write it without an element of its own.
fn detail_number(detail: &Node<'_>) -> Option<String> {
    let text = match detail.first("number") {
        Some(number) => number.text(),
        None => detail.text(),
    };
    text.filter(|text| text.contains(|c: char| c.is_ascii_digit() || "IVXLC".contains(c)))
}

/// Volume, issue and pages of a `part`.
fn numbers(part: &Node<'_>, resource: &mut Resource) {
    let number = |types: &[&str]| {
        part.all("detail")
            .find(|detail| types.iter().any(|kind| detail.has("type", kind)))
            .and_then(detail_number)
    };
    let host = &mut resource.host;
    let set = |slot: &mut Option<String>, value: Option<String>| {
        if slot.is_none() {
            *slot = value;
        }
    };
    set(&mut host.volume, number(&["volume"]));
    set(&mut host.issue, number(&["issue", "number"]));
    for extent in part.all("extent") {
        let unit = extent.attribute("unit").unwrap_or_default().to_lowercase();
        if !matches!(unit.as_str(), "page" | "pages" | "pp" | "p" | "") {
            continue;
        }
        let list = extent.text_at(&["list"]).and_then(|list| pages(&list));
        let start = extent.text_at(&["start"]);
        match (start, list) {
            (Some(start), _) => {
                // Some write the whole range to the start.
                let (first, last) = pages(&start).unwrap_or((start, None));
                set(&mut host.start_page, Some(first));
                set(&mut host.end_page, extent.text_at(&["end"]).or(last));
            }
            (None, Some((first, last))) => {
                set(&mut host.start_page, Some(first));
                set(&mut host.end_page, last);
            }
            (None, None) => {}
        }
    }
    // An article number stands for pages.
    if host.start_page.is_none() {
        host.start_page = number(&["article-number", "article number", "articlenumber"]);
    }
}

/// Scheme in lower case and value of an identifier; `URN:ISSN:` and `URN:ISBN:` are schemes.
fn scheme_and_text(node: &Node<'_>) -> Option<(String, String)> {
    let text = node.text()?;
    for scheme in ["issn", "isbn"] {
        let urn = format!("urn:{scheme}:");
        if text.to_ascii_lowercase().starts_with(&urn) {
            return Some((scheme.to_owned(), text[urn.len()..].trim().to_owned()));
        }
    }
    let scheme = node.attribute("type").unwrap_or_default().to_lowercase();
    Some((scheme, text))
}

fn identifiers(root: &Node<'_>, resource: &mut Resource) {
    for node in root
        .all("identifier")
        .filter(|id| !id.has("invalid", "yes"))
    {
        let Some((scheme, text)) = scheme_and_text(node) else {
            continue;
        };
        match scheme.as_str() {
            // A journal's own, or that of the journal that an article is in.
            "issn" | "issn-l" | "eissn" | "e-issn" => {
                let scheme = if scheme.starts_with('e') {
                    "EISSN"
                } else {
                    "ISSN"
                };
                super::datacite::add_issn(resource, scheme, text);
            }
            "isbn" if is_part(resource.kind) => {
                if isbn(&text).is_some() && !resource.host.isbns.contains(&text) {
                    resource.host.isbns.push(text);
                }
            }
            "isbn" => match isbn(&text) {
                Some(isbn) => resource.identify(IdentifierKind::Isbn, isbn),
                None => resource.flag(format!("{text:?} is no ISBN")),
            },
            _ if isbn(&text).is_some() && is_part(resource.kind) => {}
            _ => {
                let by_itself = kind_of(Some(&scheme), &text);
                if by_itself == IdentifierKind::Other && is_url(&text) {
                    add_link(resource, text, LinkPurpose::Landing, None);
                } else {
                    identify(resource, Some(&scheme), &text);
                }
            }
        }
    }
    if resource.kind == Kind::Journal {
        resource.host.kind = Some(Kind::Journal);
        resource.host.title = resource.titles.first().map(|title| title.text.clone());
    }
}

fn link(node: &Node<'_>, resource: &mut Resource) {
    let Some(url) = node.text().filter(|url| is_url(url)) else {
        return;
    };
    let access = node.attribute("access").unwrap_or_default().to_lowercase();
    let label = [node.attribute("displayLabel"), node.attribute("note")]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" ")
        .to_lowercase();
    let purpose = if access == "preview" || label.contains("thumbnail") {
        LinkPurpose::Thumbnail
    } else if access == "raw object" || label.contains("full text") || label.contains("fulltext") {
        LinkPurpose::FullText
    } else if label.contains("iiif") {
        LinkPurpose::Other
    } else {
        LinkPurpose::Landing
    };
    add_link(resource, url, purpose, None);
}

fn add_link(resource: &mut Resource, url: String, purpose: LinkPurpose, format: Option<String>) {
    if !resource.links.iter().any(|link| link.url == url) {
        resource.links.push(Link {
            url,
            purpose,
            format,
        });
    }
}

fn languages(root: &Node<'_>, resource: &mut Resource) {
    for node in root.all("language") {
        let terms: Vec<_> = node.all("languageTerm").collect();
        let term = terms
            .iter()
            .find(|term| term.has("type", "code"))
            .or(terms.first());
        // MODS 3.0 wrote the text to the element itself.
        let text = match term {
            Some(term) => term.text(),
            None => node.text(),
        };
        if let Some(text) = text {
            add_language(resource, &text);
        }
    }
}

fn subjects(root: &Node<'_>, resource: &mut Resource) {
    for node in root.all("subject") {
        let mut parts = Vec::new();
        let mut scheme = node.attribute("authority");
        for child in node.children() {
            let text = match child.name() {
                "topic" | "geographic" | "temporal" | "occupation" | "genre" => child.text(),
                "name" => name_of_subject(child),
                "titleInfo" => title(child).map(|title| title.text),
                "hierarchicalGeographic" => {
                    let levels: Vec<String> = child.children().filter_map(Node::text).collect();
                    (!levels.is_empty()).then(|| levels.join(" -- "))
                }
                _ => None,
            };
            if scheme.is_none() {
                scheme = child.attribute("authority");
            }
            parts.extend(text);
        }
        // Old records have the text alone.
        if parts.is_empty() && node.children().next().is_none() {
            parts.extend(node.text());
        }
        if !parts.is_empty() {
            push_subject(
                resource,
                Subject {
                    scheme: scheme.map(scheme_name),
                    code: None,
                    term: parts.join(" -- "),
                    language: node.attribute("lang"),
                },
            );
        }
    }
    for node in root.all("classification") {
        push_subject(
            resource,
            Subject {
                scheme: node.attribute("authority").map(scheme_name),
                code: node.text(),
                term: node.attribute("displayLabel").unwrap_or_default(),
                language: None,
            },
        );
    }
}

fn push_subject(resource: &mut Resource, subject: Subject) {
    let told = !subject.term.is_empty() || subject.code.is_some();
    if told && !resource.subjects.contains(&subject) {
        resource.subjects.push(subject);
    }
}

fn name_of_subject(node: &Node<'_>) -> Option<String> {
    let name = agent(node)?;
    Some(match name.dates {
        Some(dates) => format!("{}, {dates}", name.name),
        None => name.name,
    })
}

/// The names of the schemes that other formats write too.
fn scheme_name(authority: String) -> String {
    let known = match authority.to_lowercase().as_str() {
        "lcsh" => "LCSH",
        "mesh" => "MeSH",
        "lcc" => "LCC",
        "ddc" => "DDC",
        "udc" => "UDC",
        _ => return authority,
    };
    known.to_owned()
}

fn texts(root: &Node<'_>, resource: &mut Resource) {
    for node in root.all("abstract") {
        if let Some(text) = node.text() {
            resource.abstracts.push(Text {
                text,
                language: node.attribute("lang"),
            });
        }
    }
    for name in ["tableOfContents", "note"] {
        resource.notes.extend(root.all(name).filter_map(Node::text));
    }
    for node in root.all("physicalDescription") {
        resource
            .extent
            .extend(node.all("extent").filter_map(Node::text));
        for format in node.all("internetMediaType").filter_map(Node::text) {
            if !resource.formats.contains(&format) {
                resource.formats.push(format);
            }
        }
    }
    for node in root.all("accessCondition") {
        let text = node.text();
        let href = node.attribute("href");
        let rights = match text {
            Some(text) if is_url(&text) => Rights {
                text: None,
                url: Some(text),
            },
            text => Rights { text, url: href },
        };
        if rights != Rights::default() && !resource.rights.contains(&rights) {
            resource.rights.push(rights);
        }
    }
}

/// The degree in an extension, as in ETD-MS.
fn degree(root: &Node<'_>, resource: &mut Resource) {
    for extension in root.all("extension") {
        let Some(node) = extension.find("degree") else {
            continue;
        };
        let degree = &mut resource.degree;
        let take = |slot: &mut Option<String>, name: &str| {
            if slot.is_none() {
                *slot = node.text_at(&[name]);
            }
        };
        take(&mut degree.name, "name");
        take(&mut degree.level, "level");
        take(&mut degree.discipline, "discipline");
        take(&mut degree.grantor, "grantor");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(inner: &str) -> Resource {
        resource(&format!(
            "<mods xmlns='http://www.loc.gov/mods/v3'>{inner}</mods>"
        ))
        .unwrap()
    }

    #[test]
    fn chooses_dates() {
        let cases = [
            ("plain", "<dateIssued>[1998?]</dateIssued>", Some("[1998?]")),
            (
                "key date",
                "<dateIssued>c1998</dateIssued><dateIssued keyDate='yes' encoding='marc'>1998</dateIssued>",
                Some("1998"),
            ),
            (
                "encoded",
                "<dateIssued>May 1998</dateIssued><dateIssued encoding='w3cdtf'>1998-05</dateIssued>",
                Some("1998-05"),
            ),
            (
                "span",
                "<dateIssued point='start' keyDate='yes'>1991</dateIssued><dateIssued point='end'>1995</dateIssued>",
                Some("1991/1995"),
            ),
            (
                "goes on",
                "<dateIssued encoding='marc' point='start'>1991</dateIssued><dateIssued encoding='marc' point='end'>9999</dateIssued>",
                Some("1991"),
            ),
            ("captured", "<dateCaptured>2010</dateCaptured>", None),
        ];
        for (case, inner, expected) in cases {
            let resource = read(&format!("<originInfo>{inner}</originInfo>"));
            assert_eq!(resource.published(), expected, "{case}");
        }
    }

    #[test]
    fn keeps_other_works_apart() {
        let resource = read(
            "<titleInfo><nonSort>L'</nonSort><title>étude</title></titleInfo><genre>book</genre>\
             <relatedItem type='otherFormat'><titleInfo><title>Print</title></titleInfo>\
             <identifier type='doi'>10.1/x</identifier><identifier type='isbn'>9783161484100</identifier>\
             <location><url>https://example.org/print</url></location></relatedItem>",
        );
        assert_eq!(resource.title(), Some("L'étude"));
        assert_eq!(resource.kind, Kind::Book);
        assert!(resource.identifiers.is_empty() && resource.links.is_empty());
        assert_eq!(resource.related.len(), 1);
    }
}
