//! From DOAJ's JSON to the article model: its API, its public data dump, and older shapes.

use serde_json::{Map, Value};

use super::{CrosswalkError, checks, non_blank};
use crate::record::{Article, Author, Kind, Link, Subject};

/// Reads one article or journal.
///
/// All shapes since 2014 have a `bibjson` object; an index dump wraps the whole in `_source`. What
/// finds no place in the model is kept in `further` under its own name, that of `bibjson` with the
/// record's own.
///
/// # Errors
/// [`CrosswalkError::Json`] if this is no JSON object with a `bibjson` object.
pub fn article(metadata: &str) -> Result<Article, CrosswalkError> {
    let value = serde_json::from_str(metadata.trim_start_matches('\u{feff}'))
        .map_err(|error| CrosswalkError::Json(error.to_string()))?;
    from_value(value)
}

/// Reads one article or journal that is parsed already, such as an element of a dump's list.
///
/// # Errors
/// As [`article`].
pub fn from_value(value: Value) -> Result<Article, CrosswalkError> {
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
    let mut article = Article {
        kind: kind(&record, &bibjson),
        ..Article::default()
    };
    read_bibjson(bibjson, &mut article);
    if let Some(Value::Object(admin)) = record.get_mut("admin")
        && let Some(id) = take_text(admin, "publisher_record_id")
    {
        article.publisher_record_id = Some(id);
    }
    for (name, value) in record {
        keep(&mut article, &name, value);
    }
    checks::flag_odd_values(&mut article);
    Ok(article)
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

fn read_bibjson(mut bibjson: Map<String, Value>, article: &mut Article) {
    article.title = take_text(&mut bibjson, "title");
    for title in take_list(&mut bibjson, "alternative_title") {
        article.other_titles.extend(text(&title));
    }
    article.abstract_text = take_text(&mut bibjson, "abstract");
    article.start_page = take_text(&mut bibjson, "start_page");
    article.end_page = take_text(&mut bibjson, "end_page");
    article.issn = take_text(&mut bibjson, "pissn");
    article.eissn = take_text(&mut bibjson, "eissn");
    article.country = take_text(&mut bibjson, "country");
    published(&mut bibjson, article);
    for identifier in take_list(&mut bibjson, "identifier") {
        read_identifier(identifier, article);
    }
    for link in take_list(&mut bibjson, "link") {
        read_link(link, article);
    }
    for author in take_list(&mut bibjson, "author") {
        read_author(author, article);
    }
    for keyword in take_list(&mut bibjson, "keywords") {
        article.keywords.extend(text(&keyword));
    }
    for subject in take_list(&mut bibjson, "subject") {
        read_subject(subject, article);
    }
    for language in take_list(&mut bibjson, "language") {
        article.languages.extend(text(&language));
    }
    for licence in take_list(&mut bibjson, "license") {
        read_licence(licence, article);
    }
    match bibjson.shift_remove("publisher") {
        Some(Value::Object(mut publisher)) => {
            article.publisher = take_text(&mut publisher, "name");
            if article.country.is_none() {
                article.country = take_text(&mut publisher, "country");
            }
            keep(article, "publisher", Value::Object(publisher));
        }
        Some(publisher) => article.publisher = text(&publisher),
        None => {}
    }
    match bibjson.shift_remove("journal") {
        Some(Value::Object(journal)) => read_journal(journal, article),
        Some(other) => keep(article, "journal", other),
        None => {}
    }
    if article.kind == Kind::Journal {
        article.journal.clone_from(&article.title);
        if let Some(Value::Object(addresses)) = bibjson.get("ref")
            && let Some(url) = addresses.get("journal").and_then(text)
        {
            article.links.push(Link {
                url,
                format: None,
                fulltext: false,
            });
        }
        for name in ["replaces", "is_replaced_by"] {
            for number in bibjson
                .get(name)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                article.other_issns.extend(text(number));
            }
        }
    }
    for (name, value) in bibjson {
        keep(article, &name, value);
    }
}

/// The journal that an article appeared in.
fn read_journal(mut journal: Map<String, Value>, article: &mut Article) {
    article.journal = take_text(&mut journal, "title");
    article.publisher = article
        .publisher
        .take()
        .or_else(|| take_text(&mut journal, "publisher"));
    article.volume = take_text(&mut journal, "volume");
    article.issue = take_text(&mut journal, "number");
    article.country = article
        .country
        .take()
        .or_else(|| take_text(&mut journal, "country"));
    for language in take_list(&mut journal, "language") {
        article.languages.extend(text(&language));
    }
    for licence in take_list(&mut journal, "license") {
        read_licence(licence, article);
    }
    for number in take_list(&mut journal, "issns") {
        if let Some(number) = text(&number)
            && article.issn.as_ref() != Some(&number)
            && article.eissn.as_ref() != Some(&number)
        {
            article.other_issns.push(number);
        }
    }
    keep(article, "journal", Value::Object(journal));
}

/// Year and month become one date. The month is a number of one or two digits or an English name;
/// what is neither is kept and flagged.
fn published(bibjson: &mut Map<String, Value>, article: &mut Article) {
    let year = take_text(bibjson, "year");
    let month = take_text(bibjson, "month");
    article.published = match (year, month) {
        (Some(year), Some(month)) => match month_number(&month) {
            Some(number) => Some(format!("{year}-{number:02}")),
            None => {
                if month != "0" {
                    article.flag(format!("month {month:?} is no month"));
                }
                article.add_further("month", Value::from(month));
                Some(year)
            }
        },
        (Some(year), None) => Some(year),
        (None, Some(month)) => {
            article.flag("a month without a year");
            article.add_further("month", Value::from(month));
            None
        }
        (None, None) => None,
    };
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

fn read_identifier(identifier: Value, article: &mut Article) {
    let Value::Object(mut identifier) = identifier else {
        article.identifiers.extend(text(&identifier));
        return;
    };
    let Some(id) = take_text(&mut identifier, "id") else {
        return;
    };
    let kind = take_text(&mut identifier, "type").unwrap_or_default();
    let slot = match kind.to_ascii_lowercase().as_str() {
        "doi" => &mut article.doi,
        "pissn" | "issn" => &mut article.issn,
        "eissn" => &mut article.eissn,
        _ => {
            article.identifiers.push(if kind.is_empty() {
                id
            } else {
                format!("{kind}:{id}")
            });
            return;
        }
    };
    match slot {
        None => *slot = Some(id),
        Some(first) if *first == id => {}
        Some(_) if kind.eq_ignore_ascii_case("doi") => {
            article.flag("more than one DOI");
            article.identifiers.push(id);
        }
        Some(_) => article.other_issns.push(id),
    }
}

fn read_link(link: Value, article: &mut Article) {
    let Value::Object(mut link) = link else {
        article.links.extend(text(&link).map(|url| Link {
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
            None => article.kind == Kind::Article,
        };
        article.links.push(Link {
            url,
            format,
            fulltext,
        });
        if !fulltext && let Some(kind) = kind {
            link.insert("type".to_owned(), Value::from(kind));
        }
    }
    keep(article, "link", Value::Object(link));
}

fn read_author(author: Value, article: &mut Article) {
    let Value::Object(mut author) = author else {
        article.authors.extend(text(&author).map(|name| Author {
            name,
            ..Author::default()
        }));
        return;
    };
    let mut affiliations = Vec::new();
    for affiliation in take_list(&mut author, "affiliation") {
        affiliations.extend(text(&affiliation));
    }
    article.authors.push(Author {
        name: take_text(&mut author, "name").unwrap_or_default(),
        orcid: take_text(&mut author, "orcid_id"),
        affiliations,
        email: take_text(&mut author, "email"),
    });
    keep(article, "author", Value::Object(author));
}

/// Older records carry their subjects many times over; each is taken once.
fn read_subject(subject: Value, article: &mut Article) {
    let subject = match subject {
        Value::Object(mut subject) => {
            let (scheme, code) = (
                take_text(&mut subject, "scheme"),
                take_text(&mut subject, "code"),
            );
            let Some(term) = take_text(&mut subject, "term").or_else(|| code.clone()) else {
                return;
            };
            Subject { scheme, code, term }
        }
        other => match text(&other) {
            Some(term) => Subject {
                term,
                ..Subject::default()
            },
            None => return,
        },
    };
    if !article.subjects.contains(&subject) {
        article.subjects.push(subject);
    }
}

fn read_licence(licence: Value, article: &mut Article) {
    let Value::Object(mut licence) = licence else {
        article.licences.extend(text(&licence));
        return;
    };
    let kind = take_text(&mut licence, "type");
    let title = take_text(&mut licence, "title").filter(|title| Some(title) != kind.as_ref());
    article.licences.extend(kind);
    article.licences.extend(title);
    article.licence_urls.extend(take_text(&mut licence, "url"));
    keep(article, "license", Value::Object(licence));
}

/// Keeps a value that found no place, unless there is nothing in it.
fn keep(article: &mut Article, name: &str, value: Value) {
    let empty = match &value {
        Value::Null => true,
        Value::String(text) => non_blank(text).is_none(),
        Value::Array(values) => values.is_empty(),
        Value::Object(values) => values.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    };
    if !empty {
        article.add_further(name, value);
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

    fn read(value: Value) -> Article {
        from_value(value).unwrap()
    }

    #[test]
    fn reads_an_article() {
        let article = read(json!({
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
        let expected = Article {
            title: text("T"),
            authors: vec![
                Author { name: "A".to_owned(), affiliations: vec!["U".to_owned()], ..Author::default() },
                Author { name: "B".to_owned(), ..Author::default() },
            ],
            journal: text("J"),
            publisher: text("P"),
            issn: text("0264-1275"),
            eissn: text("1873-4197"),
            other_issns: vec!["1932-6203".to_owned()],
            doi: text("10.1/x"),
            published: text("2008-04"),
            volume: text("2"),
            issue: text("1"),
            start_page: text("3"),
            languages: vec!["EN".to_owned(), "FR".to_owned()],
            abstract_text: text("D"),
            keywords: vec!["k".to_owned()],
            subjects: vec![Subject { scheme: text("LCC"), code: text("RC"), term: "S".to_owned() }],
            links: vec![Link { url: "http://f".to_owned(), format: text("HTML"), fulltext: true }],
            licences: vec!["CC BY".to_owned()],
            licence_urls: vec!["http://l".to_owned()],
            country: text("CH"),
            publisher_record_id: text("1015"),
            identifiers: vec!["pmid:7".to_owned()],
            further: serde_json::from_value(json!({
                "license": {"open_access": true}, "id": "0005", "last_updated": "2020-11-24T23:35:43Z",
                "admin": {"seal": true}
            }))
            .unwrap(),
            ..Article::default()
        };
        assert_eq!(article, expected);
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
            assert_eq!(journal.journal.as_deref(), Some("J"), "{case}");
            assert_eq!(journal.other_titles, ["Jay"], "{case}");
            assert_eq!(journal.publisher.as_deref(), Some("P"), "{case}");
            assert_eq!(journal.country.as_deref(), Some("US"), "{case}");
            assert_eq!(journal.issn.as_deref(), Some("1544-9173"), "{case}");
            assert_eq!(journal.eissn.as_deref(), Some("1545-7885"), "{case}");
            assert_eq!(journal.licences, ["CC BY"], "{case}");
            assert_eq!(journal.languages, ["EN"], "{case}");
            assert_eq!(journal.links[0].url, "http://j", "{case}");
            assert!(!journal.links[0].fulltext, "{case}");
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
            let article = read(json!({"bibjson": {"title": "t", "year": "2020", "month": month}}));
            assert_eq!(article.published.as_deref(), published, "{case}");
            assert_eq!(article.flags.first().map(String::as_str), flag, "{case}");
        }
    }

    #[test]
    fn refuses_other_shapes() {
        for text in ["[]", "{}", "{\"results\":[]}", "{\"bibjson\":1}", "", "{"] {
            assert!(
                matches!(article(text), Err(CrosswalkError::Json(_))),
                "{text}"
            );
        }
    }
}
