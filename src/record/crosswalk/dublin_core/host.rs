//! Finds out in what a resource appeared: journal, book or conference, with volume, issue and pages.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::citation::{self, Citation, Own};
use super::identifier::{self, Medium};
use super::name::is_institution;
use super::statements::Statement;
use super::words::{fold, has_word};
use super::{Record, series};
use crate::record::resource::{Kind, Resource};

/// What was found before the kind of the resource is known.
#[derive(Debug, Default)]
pub(super) struct Place {
    citation: Option<Citation>,
    /// Sources that may be the title of the host by themselves.
    plain: Vec<String>,
    issns: Vec<(String, Option<Medium>)>,
    /// Whether an ISSN stands in `source` or `relation`.
    issn_beside: bool,
    /// Whether an ISBN does.
    isbn_beside: bool,
}

impl Place {
    /// Whether a citation in a journal was found.
    pub(super) fn is_cited(&self) -> bool {
        let cited = self.citation.as_ref().is_some_and(|citation| {
            !citation.within && citation.title.is_some() && citation.is_located()
        });
        cited || self.issn_beside && !self.plain.is_empty()
    }
}

/// Volume and issue in an address of Digital Commons.
static BEPRESS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^https?://[^/]+/[^/]+/vol(\d+)/iss(\d+)(?:/|$)")
        .expect("the pattern of this file is valid")
});

/// Looks for a citation: in `source`, in `identifier`, in `relation`, in elements of its own, in an
/// address of Digital Commons.
pub(super) fn place(record: &Record<'_>, resource: &Resource) -> Place {
    let mut place = Place::default();
    let statements = record.statements;
    for statement in statements {
        gather(statement, resource, &mut place);
    }
    let related: Vec<String> = record
        .of("relation")
        .iter()
        .map(|statement| statement.line())
        .filter(|text| is_plain(text) && !text.contains(';'))
        .collect();
    let own = Own {
        titles: resource
            .titles
            .iter()
            .map(|title| title.text.as_str())
            .collect(),
        names: Vec::new(),
        plain: place
            .plain
            .iter()
            .chain(&related)
            .map(String::as_str)
            .collect(),
    };
    let with_names = Own {
        titles: own.titles.clone(),
        names: names(resource),
        plain: own.plain.clone(),
    };
    let read = |statement: &&Statement| citation::read(&statement.line(), &own);
    let is_citation = |citation: &Citation| citation.title.is_some();
    let sources = record.of("source");
    let identifiers: Vec<&Statement> = record
        .of("identifier")
        .into_iter()
        .filter(|statement| is_prose(statement))
        .collect();
    let relations: Vec<&Statement> = record
        .of("relation")
        .into_iter()
        .filter(|statement| {
            let refined = statement.is("relation", &["ispartof", "ispartofseries"]);
            (statement.qualifier.is_none() || refined) && !statement.text.contains("://")
        })
        .collect();
    let citations: Vec<&Statement> = record
        .of("citation")
        .into_iter()
        .filter(|s| s.qualifier.is_none())
        .collect();
    let mut found = sources
        .iter()
        .chain(&citations)
        .filter_map(read)
        .find(|citation| is_citation(citation) && (citation.is_located() || record.of_doaj))
        .or_else(|| {
            identifiers
                .iter()
                .filter_map(|statement| citation::read(&statement.line(), &with_names))
                .find(|citation| {
                    is_citation(citation)
                        && (citation.year.is_some() || citation.start_page.is_some())
                })
        })
        .or_else(|| {
            relations.iter().filter_map(read).find(|citation| {
                is_citation(citation) && (citation.volume.is_some() || citation.issue.is_some())
            })
        })
        .or_else(|| pair(&sources))
        .or_else(|| pair(&relations));
    if found.is_none() && record.of_doaj {
        found = doaj_title(&sources);
    }
    if found.is_none()
        && let Some(numbers) = statements
            .iter()
            .filter(|s| s.element == "identifier")
            .find_map(|s| BEPRESS.captures(s.text.trim()))
        && let [title, ..] = &place.plain[..]
    {
        found = Some(Citation {
            title: Some(title.clone()),
            volume: Some(numbers[1].to_owned()),
            issue: Some(numbers[2].to_owned()),
            ..Citation::default()
        });
    }
    place.citation = with_own_elements(found, record, &place);
    place
}

/// Names that may stand at the beginning of a citation: the longest first.
fn names(resource: &Resource) -> Vec<&str> {
    let agents = resource.agents.iter().map(|agent| agent.name.as_str());
    let publishers = resource
        .publishers
        .iter()
        .filter_map(|publisher| publisher.name.as_deref());
    let mut names: Vec<&str> = agents.chain(publishers).collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    names
}

/// ISSNs, and titles that stand by themselves.
fn gather(statement: &Statement, resource: &Resource, place: &mut Place) {
    let beside = matches!(statement.element.as_str(), "source" | "relation");
    if !beside && !matches!(statement.element.as_str(), "identifier" | "citation") {
        return;
    }
    let text = statement.line();
    let labelled = statement.is("identifier", &["issn", "eissn", "pissn"])
        || statement.is("source", &["issn"])
        || statement.is("relation", &["issn"]);
    if let Some((issn, medium)) = identifier::issn(&text, labelled) {
        let medium = match statement.qualifier.as_deref() {
            Some("eissn") => Some(Medium::Electronic),
            Some("pissn") => Some(Medium::Print),
            _ => medium,
        };
        place.issn_beside |= beside;
        push_issn(&mut place.issns, issn, medium);
        return;
    }
    place.isbn_beside |= beside && identifier::isbn(&text, false).is_some();
    let cites = beside || is_prose(statement);
    if cites && !text.contains("altIdentifier") {
        for (issn, medium) in identifier::issns_in_prose(&text) {
            push_issn(&mut place.issns, issn, medium);
        }
    }
    let same = |name: &String| fold(name) == fold(&text);
    let of_publisher = resource
        .publishers
        .iter()
        .filter_map(|publisher| publisher.name.as_ref())
        .any(same);
    if statement.element == "source"
        && is_plain(&text)
        && !of_publisher
        && !place.plain.contains(&text)
    {
        place.plain.push(text);
    }
}

fn push_issn(issns: &mut Vec<(String, Option<Medium>)>, issn: String, medium: Option<Medium>) {
    match issns.iter_mut().find(|(known, _)| *known == issn) {
        Some((_, known)) => *known = known.or(medium),
        None => issns.push((issn, medium)),
    }
}

/// Whether a text may be a title by itself: words, no address, no label of a harvester.
fn is_plain(text: &str) -> bool {
    let labelled = [
        "reponame:",
        "instname:",
        "oai:",
        "urn:",
        "doi:",
        "http",
        "ISBN",
        "ISSN",
        "Original:",
    ];
    text.chars().filter(|c| c.is_alphabetic()).count() > 1
        && !text.contains("://")
        && !labelled.iter().any(|label| text.starts_with(label))
        && identifier::doi(text).is_none()
        && identifier::isbn(text, false).is_none()
        && text.chars().count() < 250
}

/// Whether an identifier is prose: a citation, perhaps, and nothing that has a scheme.
fn is_prose(statement: &Statement) -> bool {
    let text = &statement.text;
    let refined = statement.is("identifier", &["citation"]);
    let open = statement.qualifier.is_none() && statement.element == "identifier";
    (refined || open)
        && text.contains(char::is_whitespace)
        && text.chars().filter(|c| c.is_alphabetic()).count() > 3
        && !["http://", "https://", "urn:", "oai:"]
            .iter()
            .any(|scheme| text.starts_with(scheme))
}

/// A title, and volume and issue in the next or the one before, as SEDICI and DergiPark write them.
fn pair(statements: &[&Statement]) -> Option<Citation> {
    let at = statements
        .iter()
        .position(|statement| citation::read_place(&statement.line()).is_some())?;
    let mut found = citation::read_place(&statements[at].line())?;
    let before = at.checked_sub(1).and_then(|at| statements.get(at));
    let neighbours = [before, statements.get(at + 1)];
    let title = neighbours
        .into_iter()
        .flatten()
        .map(|statement| statement.line())
        .find(|text| {
            is_plain(text)
                && citation::read_place(text).is_none()
                && identifier::issn(text, false).is_none()
        })?;
    found.title = Some(title);
    Some(found)
}

/// DOAJ's source without volume and issue is the journal.
fn doaj_title(sources: &[&Statement]) -> Option<Citation> {
    let text = sources
        .iter()
        .map(|statement| statement.line())
        .find(|text| is_plain(text))?;
    let (title, year) = match text
        .strip_suffix(')')
        .and_then(|rest| rest.rsplit_once(" ("))
    {
        Some((title, year)) if super::date::year(year).is_some() => {
            (title.to_owned(), Some(year.to_owned()))
        }
        _ => (text, None),
    };
    Some(Citation {
        title: Some(title),
        year,
        ..Citation::default()
    })
}

/// Fills what elements of their own say: `volume`, `issue`, `pages`, `oaire.citation.volume`; and
/// pages that stand in `format`.
fn with_own_elements(
    found: Option<Citation>,
    record: &Record<'_>,
    place: &Place,
) -> Option<Citation> {
    let value = |qualifiers: &[&str]| {
        let mut all = record.of("citation").into_iter();
        all.find(|statement| {
            statement
                .qualifier
                .as_deref()
                .is_some_and(|q| qualifiers.contains(&q))
        })
        .map(|statement| statement.line())
    };
    let known = found.is_some();
    let mut citation = found.unwrap_or_default();
    let set = |slot: &mut Option<String>, value: Option<String>| {
        if let Some(value) = value {
            *slot = Some(value);
        }
    };
    set(
        &mut citation.title,
        value(&["title", "journal", "journaltitle"]),
    );
    set(&mut citation.volume, value(&["volume"]));
    set(&mut citation.issue, value(&["issue", "number"]));
    set(
        &mut citation.start_page,
        value(&["startpage", "spage", "firstpage"]),
    );
    set(
        &mut citation.end_page,
        value(&["endpage", "epage", "lastpage"]),
    );
    if citation.start_page.is_none()
        && let Some((start, end)) = value(&["pages"]).as_deref().and_then(citation::pages)
    {
        citation.start_page = Some(start);
        citation.end_page = end;
    }
    if known && citation.start_page.is_none() {
        let formats = record.of("format").into_iter();
        let pages = formats
            .filter(|statement| {
                statement.text.starts_with('p') && statement.text.contains(['-', '–'])
            })
            .find_map(|statement| citation::pages(&statement.text));
        if let Some((start, end)) = pages {
            citation.start_page = Some(start);
            citation.end_page = end;
        }
    }
    if citation.title.is_none() && citation.is_located() {
        let host = record
            .statements
            .iter()
            .find(|s| s.is("relation", &["ispartof", "journal"]));
        citation.title = host
            .map(|statement| statement.line())
            .or_else(|| place.plain.first().cloned());
    }
    (citation != Citation::default()).then_some(citation)
}

/// Fills host, series and citations of a resource whose kind is known. Returns the year of the
/// citation.
pub(super) fn fill_host(
    place: Place,
    record: &Record<'_>,
    resource: &mut Resource,
) -> Option<String> {
    let kind = resource.kind;
    let isbn_or_issn = match kind {
        Kind::Chapter | Kind::ConferencePaper => place.issn_beside || place.isbn_beside,
        Kind::Article | Kind::Other => place.issn_beside,
        _ => false,
    };
    let citation = place
        .citation
        .filter(|citation| is_plausible(citation, kind))
        .or_else(|| {
            let title = place
                .plain
                .iter()
                .find(|text| isbn_or_issn && !is_institution(text))?;
            Some(Citation {
                title: Some(title.clone()),
                within: kind == Kind::Chapter,
                ..Citation::default()
            })
        });
    let year = citation.as_ref().and_then(|citation| citation.year.clone());
    if let Some(citation) = citation {
        let host = &mut resource.host;
        host.kind = match kind {
            Kind::Chapter => Some(Kind::Book),
            Kind::ConferencePaper if citation.within => Some(Kind::ConferencePaper),
            _ if citation.within => None,
            _ => Some(Kind::Journal),
        };
        host.title = citation.title;
        host.volume = citation.volume;
        host.issue = citation.issue;
        host.start_page = citation.start_page;
        host.end_page = citation.end_page;
    }
    if kind == Kind::Journal && resource.host.title.is_none() {
        resource.host.title = resource.title().map(str::to_owned);
        resource.host.kind = Some(Kind::Journal);
    }
    issns(place.issns, record.of_doaj, resource);
    let titled = resource.host.title.clone();
    for statement in record.statements {
        let text = statement.line();
        let names_host = titled
            .as_ref()
            .is_some_and(|title| text.contains(title.as_str()));
        match statement.element.as_str() {
            "source"
                if identifier::issn(&text, false).is_some()
                    || identifier::isbn(&text, false).is_some() => {}
            "source" if record.of_doaj || names_host => push(&mut resource.citations, text),
            "source" => resource.add_further("source", Value::from(statement.text.clone())),
            "identifier" if statement.is("identifier", &["citation"]) => {
                push(&mut resource.citations, text)
            }
            "identifier" if names_host && is_prose(statement) => {
                push(&mut resource.citations, text)
            }
            "relation" if names_host => push(&mut resource.citations, text),
            "relation" => resource.series.extend(series(statement)),
            _ => {}
        }
    }
    year
}

fn push(texts: &mut Vec<String>, text: String) {
    if !texts.contains(&text) {
        texts.push(text);
    }
}

/// Whether a resource of this kind may have been published so. Articles may; all others need more
/// than a volume or a page, which boxes, albums and sheets have too.
fn is_plausible(citation: &Citation, kind: Kind) -> bool {
    let located = citation.volume.is_some() && citation.issue.is_some()
        || citation.year.is_some() && citation.is_located();
    match kind {
        Kind::Article | Kind::Chapter | Kind::ConferencePaper | Kind::Preprint => true,
        Kind::Thesis | Kind::Book => {
            !citation.within && citation.volume.is_some() && located && !says_thesis(citation)
        }
        Kind::Report | Kind::Other => !citation.within && located,
        _ => !citation.within && citation.volume.is_some() && located,
    }
}

/// `Master's thesis`, `Doctoral dissertation, University of X` where a journal should be.
fn says_thesis(citation: &Citation) -> bool {
    let title = fold(citation.title.as_deref().unwrap_or_default());
    ["thesis", "dissertation", "these", "tesis", "tese"]
        .iter()
        .any(|word| has_word(&title, word))
}

/// Print and electronic ISSN by their labels; DOAJ gives them in this order without labels.
fn issns(issns: Vec<(String, Option<Medium>)>, of_doaj: bool, resource: &mut Resource) {
    if of_doaj {
        if issns.len() > 1 {
            resource.flag("which ISSN is which is not said");
        }
        let mut issns = issns.into_iter().map(|(issn, _)| issn);
        resource.host.issn = issns.next();
        resource.host.eissn = issns.next();
        resource.host.other_issns.extend(issns);
        return;
    }
    let (known, unknown): (Vec<_>, Vec<_>) =
        issns.into_iter().partition(|(_, medium)| medium.is_some());
    let host = &mut resource.host;
    for (issn, medium) in known.into_iter().chain(unknown) {
        match medium {
            Some(Medium::Electronic) if host.eissn.is_none() => host.eissn = Some(issn),
            Some(Medium::Print) | None if host.issn.is_none() => host.issn = Some(issn),
            _ => host.other_issns.push(issn),
        }
    }
}
