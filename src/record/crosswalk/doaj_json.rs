//! From DOAJ's JSON to the resource model: its API, its public data dump, and older shapes.

use serde_json::{Map, Value};

use super::values::orcid_or_text;
use super::{CrosswalkError, checks, non_blank};
use crate::record::resource::{
    IdentifierKind, Language, LinkPurpose, Publisher, Rights, Subject, Text, Title,
};
use crate::record::{Agent, Kind, Link, Resource};

/// Reads one article or journal.
///
/// All shapes since 2014 have a `bibjson` object; an index dump wraps the whole in `_source`. What
/// finds no place in the model is kept in `further` under its own name, that of `bibjson` with the
/// record's own.
///
/// # Errors
/// [`CrosswalkError::Json`] if this is no JSON object with a `bibjson` object.
pub fn resource(metadata: &str) -> Result<Resource, CrosswalkError> {
    let value = serde_json::from_str(metadata.trim_start_matches('\u{feff}'))
        .map_err(|error| CrosswalkError::Json(error.to_string()))?;
    from_value(value)
}

/// Reads one article or journal that is parsed already, such as an element of a dump's list.
///
/// # Errors
/// As [`resource`].
pub fn from_value(value: Value) -> Result<Resource, CrosswalkError> {
    let Value::Object(mut record) = value else {
        return Err(CrosswalkError::Json("not an object".to_owned()));
    };
    if let Some(Value::Object(source)) = record.shift_remove("_source") {
        record = source;
    }
    let bibjson = match record.shift_remove("bibjson") {
        Some(Value::Object(bibjson)) => bibjson,
        _ => return Err(CrosswalkError::Json("no bibjson object".to_owned())),
    };
    let mut resource = Resource {
        kind: kind(&record, &bibjson),
        ..Resource::default()
    };
    read_bibjson(bibjson, &mut resource);
    if let Some(Value::Object(admin)) = record.get_mut("admin")
        && let Some(id) = take_text(admin, "publisher_record_id")
    {
        resource.identify(IdentifierKind::Publisher, id);
    }
    for (name, value) in record {
        keep(&mut resource, &name, value);
    }
    checks::flag_odd_values(&mut resource);
    Ok(resource)
}

/// An index dump and the later API say what a record is; otherwise only journals have a publisher
/// of their own, ISSNs beside the identifiers, or charges.
fn kind(record: &Map<String, Value>, bibjson: &Map<String, Value>) -> Kind {
    match record.get("es_type").and_then(Value::as_str) {
        Some("journal") => return Kind::Journal,
        Some("article") => return Kind::Article,
        _ => {}
    }
    let of_article = ["journal", "author"]
        .iter()
        .any(|name| bibjson.contains_key(*name));
    let of_journal = ["publisher", "pissn", "eissn", "apc", "oa_start", "provider"];
    if !of_article && of_journal.iter().any(|name| bibjson.contains_key(*name)) {
        Kind::Journal
    } else {
        Kind::Article
    }
}

fn read_bibjson(mut bibjson: Map<String, Value>, resource: &mut Resource) {
    let title = take_text(&mut bibjson, "title");
    let others = take_list(&mut bibjson, "alternative_title");
    let titles = title.into_iter().chain(others.iter().filter_map(text));
    resource.titles.extend(titles.map(Title::from));
    let abstract_text = take_text(&mut bibjson, "abstract");
    resource.abstracts.extend(abstract_text.map(|text| Text {
        text,
        language: None,
    }));
    let host = &mut resource.host;
    host.start_page = take_text(&mut bibjson, "start_page");
    host.end_page = take_text(&mut bibjson, "end_page");
    host.issn = take_text(&mut bibjson, "pissn");
    host.eissn = take_text(&mut bibjson, "eissn");
    let mut publisher = Publisher {
        country: take_text(&mut bibjson, "country"),
        ..Publisher::default()
    };
    published(&mut bibjson, resource);
    for identifier in take_list(&mut bibjson, "identifier") {
        read_identifier(identifier, resource);
    }
    for link in take_list(&mut bibjson, "link") {
        read_link(link, resource);
    }
    for author in take_list(&mut bibjson, "author") {
        read_author(author, resource);
    }
    for keyword in take_list(&mut bibjson, "keywords") {
        resource.subjects.extend(text(&keyword).map(|term| Subject {
            term,
            ..Subject::default()
        }));
    }
    for subject in take_list(&mut bibjson, "subject") {
        read_subject(subject, resource);
    }
    for language in take_list(&mut bibjson, "language") {
        resource
            .languages
            .extend(text(&language).map(Language::read));
    }
    for licence in take_list(&mut bibjson, "license") {
        read_licence(licence, resource);
    }
    match bibjson.shift_remove("publisher") {
        Some(Value::Object(mut named)) => {
            publisher.name = take_text(&mut named, "name");
            let country = take_text(&mut named, "country");
            publisher.country = publisher.country.or(country);
            keep(resource, "publisher", Value::Object(named));
        }
        Some(name) => publisher.name = text(&name),
        None => {}
    }
    match bibjson.shift_remove("journal") {
        Some(Value::Object(journal)) => read_journal(journal, &mut publisher, resource),
        Some(other) => keep(resource, "journal", other),
        None => {}
    }
    if publisher != Publisher::default() {
        resource.publishers.push(publisher);
    }
    if resource.kind == Kind::Journal {
        resource.host.title = resource.title().map(str::to_owned);
        if let Some(Value::Object(addresses)) = bibjson.get("ref")
            && let Some(url) = addresses.get("journal").and_then(text)
        {
            resource.links.push(Link {
                url,
                format: None,
                purpose: LinkPurpose::Landing,
            });
        }
        for name in ["replaces", "is_replaced_by"] {
            for number in bibjson
                .get(name)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                resource.host.other_issns.extend(text(number));
            }
        }
    }
    if !resource.host.is_empty() {
        resource.host.kind = Some(Kind::Journal);
    }
    for (name, value) in bibjson {
        keep(resource, &name, value);
    }
}

/// The journal that an article appeared in.
fn read_journal(
    mut journal: Map<String, Value>,
    publisher: &mut Publisher,
    resource: &mut Resource,
) {
    let host = &mut resource.host;
    host.title = take_text(&mut journal, "title");
    host.volume = take_text(&mut journal, "volume");
    host.issue = take_text(&mut journal, "number");
    for (slot, name) in [
        (&mut publisher.name, "publisher"),
        (&mut publisher.country, "country"),
    ] {
        if slot.is_none() {
            *slot = take_text(&mut journal, name);
        }
    }
    for language in take_list(&mut journal, "language") {
        resource
            .languages
            .extend(text(&language).map(Language::read));
    }
    for licence in take_list(&mut journal, "license") {
        read_licence(licence, resource);
    }
    for number in take_list(&mut journal, "issns") {
        if let Some(number) = text(&number)
            && resource.host.issn.as_ref() != Some(&number)
            && resource.host.eissn.as_ref() != Some(&number)
        {
            resource.host.other_issns.push(number);
        }
    }
    keep(resource, "journal", Value::Object(journal));
}

/// Year and month become one date. The month is a number of one or two digits or an English name;
/// what is neither is kept and flagged.
fn published(bibjson: &mut Map<String, Value>, resource: &mut Resource) {
    let year = take_text(bibjson, "year");
    let month = take_text(bibjson, "month");
    let published = match (year, month) {
        (Some(year), Some(month)) => match month_number(&month) {
            Some(number) => Some(format!("{year}-{number:02}")),
            None => {
                if month != "0" {
                    resource.flag(format!("month {month:?} is no month"));
                }
                resource.add_further("month", Value::from(month));
                Some(year)
            }
        },
        (Some(year), None) => Some(year),
        (None, Some(month)) => {
            resource.flag("a month without a year");
            resource.add_further("month", Value::from(month));
            None
        }
        (None, None) => None,
    };
    if let Some(published) = published {
        resource.publish(published);
    }
}

fn month_number(month: &str) -> Option<usize> {
    const MONTHS: [&str; 12] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    if let Ok(number) = month.parse() {
        return (1..=12).contains(&number).then_some(number);
    }
    let month = month.to_lowercase();
    MONTHS
        .iter()
        .position(|start| month.starts_with(start))
        .map(|at| at + 1)
}

fn read_identifier(identifier: Value, resource: &mut Resource) {
    let Value::Object(mut identifier) = identifier else {
        if let Some(id) = text(&identifier) {
            resource.identify(IdentifierKind::Other, id);
        }
        return;
    };
    let Some(id) = take_text(&mut identifier, "id") else {
        return;
    };
    let kind = take_text(&mut identifier, "type").unwrap_or_default();
    let host = &mut resource.host;
    let slot = match kind.to_ascii_lowercase().as_str() {
        "pissn" | "issn" => &mut host.issn,
        "eissn" => &mut host.eissn,
        "doi" => {
            if resource.doi().is_some_and(|first| first != id) {
                resource.flag("more than one DOI");
            }
            resource.identify(IdentifierKind::Doi, id);
            return;
        }
        "pmid" => return resource.identify(IdentifierKind::Pmid, id),
        "pmcid" => return resource.identify(IdentifierKind::Pmcid, id),
        "" => return resource.identify(IdentifierKind::Other, id),
        _ => return resource.identify(IdentifierKind::Other, format!("{kind}:{id}")),
    };
    match slot {
        None => *slot = Some(id),
        Some(first) if *first == id => {}
        Some(_) => host.other_issns.push(id),
    }
}

fn read_link(link: Value, resource: &mut Resource) {
    let Value::Object(mut link) = link else {
        resource.links.extend(text(&link).map(|url| Link {
            url,
            ..Link::default()
        }));
        return;
    };
    let kind = take_text(&mut link, "type");
    let format = take_text(&mut link, "content_type").or_else(|| take_text(&mut link, "format"));
    if let Some(url) = take_text(&mut link, "url") {
        let fulltext = match &kind {
            Some(kind) => kind.eq_ignore_ascii_case("fulltext"),
            None => resource.kind == Kind::Article,
        };
        resource.links.push(Link {
            url,
            format,
            purpose: match fulltext {
                true => LinkPurpose::FullText,
                false => LinkPurpose::Landing,
            },
        });
        if !fulltext && let Some(kind) = kind {
            link.insert("type".to_owned(), Value::from(kind));
        }
    }
    keep(resource, "link", Value::Object(link));
}

fn read_author(author: Value, resource: &mut Resource) {
    let Value::Object(mut author) = author else {
        resource.agents.extend(text(&author).map(|name| Agent {
            name,
            ..Agent::default()
        }));
        return;
    };
    let mut affiliations = Vec::new();
    for affiliation in take_list(&mut author, "affiliation") {
        affiliations.extend(text(&affiliation));
    }
    resource.agents.push(Agent {
        name: take_text(&mut author, "name").unwrap_or_default(),
        orcid: take_text(&mut author, "orcid_id").map(orcid_or_text),
        affiliations,
        email: take_text(&mut author, "email"),
        ..Agent::default()
    });
    keep(resource, "author", Value::Object(author));
}

/// Older records carry their subjects many times over; each is taken once.
fn read_subject(subject: Value, resource: &mut Resource) {
    let subject = match subject {
        Value::Object(mut subject) => {
            let (scheme, code) = (
                take_text(&mut subject, "scheme"),
                take_text(&mut subject, "code"),
            );
            let Some(term) = take_text(&mut subject, "term").or_else(|| code.clone()) else {
                return;
            };
            Subject {
                scheme,
                code,
                term,
                language: None,
            }
        }
        other => match text(&other) {
            Some(term) => Subject {
                term,
                ..Subject::default()
            },
            None => return,
        },
    };
    if !resource.subjects.contains(&subject) {
        resource.subjects.push(subject);
    }
}

fn read_licence(licence: Value, resource: &mut Resource) {
    let named = |text| Rights {
        text: Some(text),
        url: None,
    };
    let Value::Object(mut licence) = licence else {
        resource.rights.extend(text(&licence).map(named));
        return;
    };
    let kind = take_text(&mut licence, "type");
    let title = take_text(&mut licence, "title").filter(|title| Some(title) != kind.as_ref());
    let url = take_text(&mut licence, "url");
    let (name, other) = match kind {
        Some(kind) => (Some(kind), title),
        None => (title, None),
    };
    if name.is_some() || url.is_some() {
        resource.rights.push(Rights { text: name, url });
    }
    resource.rights.extend(other.map(named));
    keep(resource, "license", Value::Object(licence));
}

/// Keeps a value that found no place, unless there is nothing in it.
fn keep(resource: &mut Resource, name: &str, value: Value) {
    let empty = match &value {
        Value::Null => true,
        Value::String(text) => non_blank(text).is_none(),
        Value::Array(values) => values.is_empty(),
        Value::Object(values) => values.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    };
    if !empty {
        resource.add_further(name, value);
    }
}

/// A string, a number or a truth value as text; `None` for blank ones and all else.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => non_blank(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Takes a text out of an object; a value that is none stays.
fn take_text(object: &mut Map<String, Value>, name: &str) -> Option<String> {
    let value = object.get(name)?;
    if matches!(value, Value::Array(_) | Value::Object(_)) {
        return None;
    }
    text(&object.shift_remove(name)?)
}

/// Takes a list out of an object; a single value counts as a list of one.
fn take_list(object: &mut Map<String, Value>, name: &str) -> Vec<Value> {
    match object.shift_remove(name) {
        Some(Value::Array(values)) => values,
        Some(Value::Null) | None => Vec::new(),
        Some(value) => vec![value],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::record::resource::{Date, DateKind, Host, Identifier};

    fn read(value: Value) -> Resource {
        from_value(value).unwrap()
    }

    #[test]
    fn reads_an_article() {
        let resource = read(json!({
            "id": "0005", "last_updated": "2020-11-24T23:35:43Z",
            "admin": {"publisher_record_id": "1015", "seal": true},
            "bibjson": {
                "title": "T", "year": 2008, "month": "4", "start_page": "3", "end_page": "",
                "identifier": [{"type": "DOI", "id": "10.1/x"}, {"type": "pissn", "id": "0264-1275"},
                    {"type": "eissn", "id": "1873-4197"}, {"type": "pmid", "id": "7"}],
                "journal": {"volume": "2", "number": "1", "publisher": "P ", "title": "J", "country": "CH",
                    "language": ["EN", "FR"], "issns": ["0264-1275", "1932-6203"],
                    "license": [{"open_access": true, "title": "CC BY", "type": "CC BY", "url": "http://l"}]},
                "link": [{"type": "fulltext", "url": "http://f", "content_type": "HTML"}],
                "author": [{"name": "A", "affiliation": "U", "orcid_id": ""}, {"name": "B"}],
                "subject": [{"scheme": "LCC", "term": "S", "code": "RC"}, {"scheme": "LCC", "term": "S", "code": "RC"}],
                "keywords": ["k", ""], "abstract": "D"
            }
        }));
        let text = |text: &str| Some(text.to_owned());
        let subject = |scheme: &str, code: &str, term: &str| Subject {
            scheme: text(scheme).filter(|text| !text.is_empty()),
            code: text(code).filter(|text| !text.is_empty()),
            term: term.to_owned(),
            language: None,
        };
        let language = |text: &str, code: &str, iso639_3: &str| Language {
            text: text.to_owned(),
            code: Some(code.to_owned()),
            iso639_3: Some(iso639_3.to_owned()),
        };
        let identifier = |kind, value: &str| Identifier {
            kind,
            value: value.to_owned(),
        };
        let expected = Resource {
            kind: Kind::Article,
            titles: vec![Title::from("T".to_owned())],
            agents: vec![
                Agent {
                    name: "A".to_owned(),
                    affiliations: vec!["U".to_owned()],
                    ..Agent::default()
                },
                Agent {
                    name: "B".to_owned(),
                    ..Agent::default()
                },
            ],
            dates: vec![Date {
                kind: DateKind::Published,
                text: "2008-04".to_owned(),
            }],
            host: Host {
                title: text("J"),
                kind: Some(Kind::Journal),
                issn: text("0264-1275"),
                eissn: text("1873-4197"),
                other_issns: vec!["1932-6203".to_owned()],
                volume: text("2"),
                issue: text("1"),
                start_page: text("3"),
                ..Host::default()
            },
            identifiers: vec![
                identifier(IdentifierKind::Doi, "10.1/x"),
                identifier(IdentifierKind::Pmid, "7"),
                identifier(IdentifierKind::Publisher, "1015"),
            ],
            links: vec![Link {
                url: "http://f".to_owned(),
                purpose: LinkPurpose::FullText,
                format: text("HTML"),
            }],
            languages: vec![language("EN", "eng", "eng"), language("FR", "fre", "fra")],
            subjects: vec![subject("", "", "k"), subject("LCC", "RC", "S")],
            abstracts: vec![Text {
                text: "D".to_owned(),
                language: None,
            }],
            rights: vec![Rights {
                text: text("CC BY"),
                url: text("http://l"),
            }],
            publishers: vec![Publisher {
                name: text("P"),
                place: None,
                country: text("CH"),
            }],
            further: serde_json::from_value(json!({
                "license": {"open_access": true}, "id": "0005", "last_updated": "2020-11-24T23:35:43Z",
                "admin": {"seal": true}
            }))
            .unwrap(),
            ..Resource::default()
        };
        assert_eq!(resource, expected);
    }

    #[test]
    fn reads_journals_old_and_new() {
        let new = json!({"es_type": "journal", "bibjson": {
            "title": "J", "alternative_title": "Jay", "pissn": "1544-9173", "eissn": "1545-7885",
            "publisher": {"name": "P", "country": "US"}, "language": ["EN"],
            "license": [{"type": "CC BY", "BY": true}], "ref": {"journal": "http://j", "aims_scope": "http://s"},
            "apc": {"has_apc": false}, "replaces": ["2092-7258"]
        }});
        let old = json!({"bibjson": {
            "title": "J", "alternative_title": "Jay", "publisher": "P", "country": "US", "language": ["EN"],
            "identifier": [{"type": "pissn", "id": "1544-9173"}, {"type": "eissn", "id": "1545-7885"}],
            "license": [{"type": "CC BY", "title": "CC BY"}], "link": [{"type": "homepage", "url": "http://j"}]
        }});
        for (case, journal) in [("new", new), ("old", old)] {
            let journal = read(journal);
            assert_eq!(journal.kind, Kind::Journal, "{case}");
            assert_eq!(journal.host.title.as_deref(), Some("J"), "{case}");
            assert_eq!(journal.titles[1].text, "Jay", "{case}");
            assert_eq!(journal.publisher(), Some("P"), "{case}");
            assert_eq!(journal.country(), Some("US"), "{case}");
            assert_eq!(journal.host.issn.as_deref(), Some("1544-9173"), "{case}");
            assert_eq!(journal.host.eissn.as_deref(), Some("1545-7885"), "{case}");
            assert_eq!(journal.rights[0].text.as_deref(), Some("CC BY"), "{case}");
            assert_eq!(journal.languages[0].text, "EN", "{case}");
            assert_eq!(journal.links[0].url, "http://j", "{case}");
            assert_eq!(journal.fulltext_url(), None, "{case}");
        }
    }

    #[test]
    fn reads_months() {
        let cases = [
            ("number", json!("4"), Some("2020-04"), None),
            ("two digits", json!("01"), Some("2020-01"), None),
            ("name", json!("June"), Some("2020-06"), None),
            ("zero", json!("0"), Some("2020"), None),
            (
                "nonsense",
                json!("Summer"),
                Some("2020"),
                Some("month \"Summer\" is no month"),
            ),
        ];
        for (case, month, published, flag) in cases {
            let resource = read(json!({"bibjson": {"title": "t", "year": "2020", "month": month}}));
            assert_eq!(resource.published(), published, "{case}");
            assert_eq!(resource.flags.first().map(String::as_str), flag, "{case}");
        }
    }

    #[test]
    fn refuses_other_shapes() {
        for text in ["[]", "{}", "{\"results\":[]}", "{\"bibjson\":1}", "", "{"] {
            assert!(
                matches!(resource(text), Err(CrosswalkError::Json(_))),
                "{text}"
            );
        }
    }
}
