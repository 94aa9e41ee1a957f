//! Lists of endpoints as people have them, and the sources that they become: plain lists of addresses, tables
//! with columns by name, and what registries of repositories export.

use std::collections::{BTreeMap, HashSet};

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde_json::Value;
use unicode_normalization::UnicodeNormalization;
use url::Url;

use crate::oai::client::ARGUMENTS;

/// One endpoint of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// The line of the list, from 1; for XML and an array of JSON the number of the entry.
    pub line: usize,
    /// The base URL.
    pub url: String,
    /// What the list calls it.
    pub name: Option<String>,
    /// The metadata format to harvest.
    pub prefix: Option<String>,
    /// The sets to harvest.
    pub sets: Vec<String>,
    /// The group of sources that it belongs to.
    pub group: Option<String>,
}

/// A list that was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// The usable entries, in the order of the list.
    pub found: Vec<Endpoint>,
    /// The lines of the others, and what is wrong with each.
    pub skipped: Vec<(usize, String)>,
}

/// The columns with the address, the surest first.
const URLS: &[&str] = &[
    "oaipmhurl",
    "oaiurl",
    "oaipmhbaseurl",
    "oaibaseurl",
    "oaipmhendpoint",
    "oaiendpoint",
    "oaipmh",
    "oai",
    "baseurl",
    "endpoint",
    "url",
];

/// DOAJ's list of journals has no endpoints, but that of a journal of Open Journal Systems is known.
const JOURNAL_URLS: &[&str] = &["journalurl"];

const NAMES: &[&str] = &["name", "repositoryname", "title", "journaltitle"];
const PREFIXES: &[&str] = &["metadataprefix", "prefix"];
const SETS: &[&str] = &["setspec", "set", "sets"];
const GROUPS: &[&str] = &["group"];

/// Reads a list of endpoints. `group_by` names the column whose values are the groups, such as `country`.
///
/// It may be
/// - one address in each line, as metha's list, perhaps with further columns,
/// - CSV (commas or semicolons) or TSV with a line of column names,
/// - JSON: an object in each line, an array, or the export of OpenDOAR,
/// - XML: entries of re3data, or the list of the Open Archives Initiative.
///
/// # Errors
/// What is wrong with the list as a whole, for people.
pub fn read(text: &str, group_by: Option<&str>) -> Result<Endpoints, String> {
    let text = text.trim_start_matches('\u{feff}');
    let entries = match text.trim_start().chars().next() {
        None => return Err("the list is empty".to_owned()),
        Some('{' | '[') => json_entries(text)?,
        Some('<') => xml_entries(text)?,
        Some(_) => table_entries(text)?,
    };
    let group_by = group_by.map(plain);
    let mut endpoints = Endpoints::default();
    for (line, entry) in entries {
        match endpoint(line, &entry, group_by.as_deref()) {
            Ok(endpoint) => endpoints.found.push(endpoint),
            Err(why) => endpoints.skipped.push((line, why)),
        }
    }
    Ok(endpoints)
}

/// The values of one entry by the plain names of their columns.
type Entry = BTreeMap<String, String>;

/// The name of a column without case, blanks and punctuation.
fn plain(name: &str) -> String {
    let letters = name.chars().filter(|letter| letter.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

fn endpoint(line: usize, entry: &Entry, group_by: Option<&str>) -> Result<Endpoint, String> {
    let first = |columns: &[&str]| {
        let mut values = columns.iter().filter_map(|column| entry.get(*column));
        values.find(|value| !value.is_empty()).cloned()
    };
    let url = match (first(URLS), first(JOURNAL_URLS)) {
        (Some(url), _) => base_url(&url)?,
        (None, Some(journal)) => endpoint_of_journal(&journal)?,
        (None, None) => return Err("it has no address".to_owned()),
    };
    let sets = first(SETS).unwrap_or_default();
    let group = match group_by {
        Some(column) => first(&[column]),
        None => first(GROUPS),
    };
    Ok(Endpoint {
        line,
        url,
        name: first(NAMES),
        prefix: first(PREFIXES),
        sets: sets.split_whitespace().map(str::to_owned).collect(),
        group: group
            .map(|group| slug(&group))
            .filter(|group| !group.is_empty()),
    })
}

/// The base URL of an address. Lists often have whole requests where a base URL is meant.
fn base_url(text: &str) -> Result<String, String> {
    let mut url = Url::parse(text.trim()).map_err(|error| format!("{text:?}: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(format!(
            "{text:?} is no address that begins with http:// or https://"
        ));
    }
    url.set_fragment(None);
    let kept: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(name, _)| !ARGUMENTS.contains(&name.as_ref()))
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    match kept.is_empty() {
        true => url.set_query(None),
        false => drop(url.query_pairs_mut().clear().extend_pairs(kept)),
    }
    Ok(url.into())
}

/// The endpoint of a journal that Open Journal Systems hosts: beside `index.php/JOURNAL` there is
/// `index.php/JOURNAL/oai`.
fn endpoint_of_journal(text: &str) -> Result<String, String> {
    let url = base_url(text)?;
    let known = url.split_once("/index.php/").and_then(|(site, rest)| {
        let journal = rest
            .split(['/', '?'])
            .next()
            .filter(|name| !name.is_empty())?;
        Some(format!("{site}/index.php/{journal}/oai"))
    });
    known.ok_or_else(|| format!("{url} does not say where the endpoint of the journal is"))
}

/// An address without what makes no difference: two addresses with the same key are one repository.
pub fn address_key(url: &str) -> String {
    let Ok(url) = Url::parse(url) else {
        return url.to_owned();
    };
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    let port = url.port().map(|port| format!(":{port}"));
    let query = url.query().map(|query| format!("?{query}"));
    format!(
        "{host}{}{}{}",
        port.unwrap_or_default(),
        url.path().trim_end_matches('/'),
        query.unwrap_or_default()
    )
}

fn json_entries(text: &str) -> Result<Vec<(usize, Entry)>, String> {
    // Lines are tried first: a whole document seldom fits into its first line.
    let lines: Option<Vec<(usize, Value)>> = (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(number, line)| Some((number, serde_json::from_str(line).ok()?)))
        .collect();
    let values = match lines {
        Some(lines) if lines.len() > 1 => lines,
        _ => {
            let value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
            let items = match value {
                Value::Array(items) => items,
                Value::Object(mut object) => match object.remove("items") {
                    Some(Value::Array(items)) => items,
                    _ => vec![Value::Object(object)],
                },
                _ => return Err("it is JSON, but no list of objects".to_owned()),
            };
            (1..).zip(items).collect()
        }
    };
    Ok(values
        .into_iter()
        .map(|(number, value)| {
            let mut entry = Entry::new();
            match value {
                Value::String(url) => drop(entry.insert("url".to_owned(), url)),
                value => flatten(&value, "", 0, &mut entry),
            }
            (number, entry)
        })
        .collect())
}

/// How deep the values of an entry of JSON are looked for.
const DEPTH: usize = 4;

/// The texts of an object by the plain names of their keys. What is nearer to the top counts, and of a list
/// the first part.
fn flatten(value: &Value, key: &str, depth: usize, entry: &mut Entry) {
    match value {
        Value::String(text) => {
            entry
                .entry(plain(key))
                .or_insert_with(|| text.trim().to_owned());
        }
        Value::Array(items) => {
            if let Some(first) = items.first() {
                flatten(first, key, depth, entry);
            }
        }
        Value::Object(object) if depth < DEPTH => {
            let is_text = |value: &Value| value.is_string();
            let (texts, others): (Vec<_>, Vec<_>) =
                object.iter().partition(|(_, value)| is_text(value));
            for (key, value) in texts.into_iter().chain(others) {
                flatten(value, key, depth + 1, entry);
            }
        }
        _ => {}
    }
}

fn xml_entries(text: &str) -> Result<Vec<(usize, Entry)>, String> {
    let mut reader = Reader::from_str(text);
    let mut entries = Vec::new();
    let (mut name, mut column, mut content) = (None::<String>, None::<&str>, String::new());
    loop {
        let event = reader.read_event();
        match event.map_err(|error| format!("not XML: {error}"))? {
            Event::Start(element) => {
                if element.local_name().as_ref() == "repository" {
                    name = None;
                }
                column = column_of(&element);
                content.clear();
            }
            Event::Text(text) => {
                content.push_str(text.as_ref());
            }
            Event::GeneralRef(reference) => {
                let reference: &str = reference.as_ref();
                if reference == "amp" {
                    content.push('&');
                }
            }
            Event::End(_) => {
                let text = content.trim().to_owned();
                match column.take() {
                    Some("name") => name = Some(text),
                    Some(column) => {
                        let mut entry = Entry::from([(column.to_owned(), text)]);
                        entry.extend(name.clone().map(|name| ("name".to_owned(), name)));
                        entries.push((entries.len() + 1, entry));
                    }
                    None => {}
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    if entries.is_empty() {
        return Err("it is XML without any endpoint of OAI-PMH".to_owned());
    }
    Ok(entries)
}

/// The column that an element of re3data or of the Open Archives Initiative stands for.
fn column_of(element: &BytesStart<'_>) -> Option<&'static str> {
    match element.local_name().as_ref() {
        "baseURL" => Some("url"),
        "repositoryName" => Some("name"),
        "api" => {
            let kind = element.try_get_attribute("apiType").ok().flatten()?;
            (kind.value.as_ref() == "OAI-PMH").then_some("oaiurl")
        }
        _ => None,
    }
}

fn table_entries(text: &str) -> Result<Vec<(usize, Entry)>, String> {
    let first = text
        .lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default();
    // A list of addresses has no line of column names.
    if first.contains("://") {
        let lines = (1..).zip(text.lines());
        let lines = lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
        return Ok(lines.map(|(line, text)| (line, unnamed(text))).collect());
    }
    let delimiter = [b'\t', b';', b',']
        .into_iter()
        .find(|delimiter| first.as_bytes().contains(delimiter))
        .unwrap_or(b',');
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .quoting(delimiter != b'\t')
        .flexible(true)
        .has_headers(false)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut columns: Option<Vec<String>> = None;
    let mut entries = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|error| format!("not a table: {error}"))?;
        let line = row.position().map_or(0, |position| position.line());
        let line = usize::try_from(line).unwrap_or(usize::MAX);
        let Some(columns) = &columns else {
            let names: Vec<String> = row.iter().map(plain).collect();
            let known = |name: &String| {
                let name = name.as_str();
                URLS.contains(&name) || JOURNAL_URLS.contains(&name)
            };
            if !names.iter().any(known) {
                let names = row.iter().collect::<Vec<_>>().join(", ");
                return Err(format!(
                    "no column is called url, oai_url or \"OAI-PMH URL\"; there are: {names}"
                ));
            }
            columns = Some(names);
            continue;
        };
        if row.iter().all(str::is_empty) || row[0].starts_with('#') {
            continue;
        }
        let mut entry = Entry::new();
        for (column, value) in columns.iter().zip(row.iter()) {
            entry
                .entry(column.clone())
                .or_insert_with(|| value.to_owned());
        }
        entries.push((line, entry));
    }
    Ok(entries)
}

/// The entry of a line in a list without column names: the address, wherever it stands.
fn unnamed(line: &str) -> Entry {
    let mut values = line.split('\t').map(str::trim);
    let url = values.find(|value| value.contains("://"));
    Entry::from([("url".to_owned(), url.unwrap_or(line).trim().to_owned())])
}

/// The longest name that is made, in characters.
const LONGEST_NAME: usize = 60;

/// A text as a name: lower case letters, digits, `-` and `.`.
pub fn slug(text: &str) -> String {
    let mut slug = String::new();
    for letter in text.nfkd().flat_map(char::to_lowercase) {
        match letter {
            'a'..='z' | '0'..='9' | '.' => slug.push(letter),
            _ if letter.is_alphanumeric() || !letter.is_ascii() => {}
            _ if slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
    }
    slug.truncate(LONGEST_NAME);
    slug.trim_matches(['-', '.']).to_owned()
}

/// Parts of addresses that say nothing of the repository.
const COMMON_PARTS: &[&str] = &[
    "oai",
    "oai2",
    "oai2d",
    "oai-pmh",
    "oaipmh",
    "request",
    "index.php",
    "cgi",
    "cgi-bin",
    "do",
    "provider",
    "oaihandler",
    "server",
    "index",
];

/// A name for the source of an endpoint that none of `taken` has; it is taken then.
pub fn source_name(endpoint: &Endpoint, taken: &mut HashSet<String>) -> String {
    let url = Url::parse(&endpoint.url).ok();
    let host = url.as_ref().and_then(Url::host_str).unwrap_or("source");
    let host = slug(host.trim_start_matches("www."));
    let parts = url.as_ref().map_or("", Url::path).split('/');
    let parts: Vec<String> = parts
        .map(slug)
        .filter(|part| !part.is_empty() && !COMMON_PARTS.contains(&part.as_str()))
        .collect();
    let with_path = slug(&[vec![host.clone()], parts].concat().join("-"));
    let given = endpoint.name.as_deref().map(slug);
    // A title in another script leaves little of itself.
    let given = given.filter(|given| given.len() >= 3);
    let candidates = given.into_iter().chain([host.clone(), with_path]);
    for candidate in candidates {
        if taken.insert(candidate.clone()) {
            return candidate;
        }
    }
    let mut number = 2;
    loop {
        let candidate = format!("{host}-{number}");
        if taken.insert(candidate.clone()) {
            return candidate;
        }
        number += 1;
    }
}

/// The table of a group, in TOML.
pub fn group_table(name: &str) -> String {
    let name = toml::Value::String(name.to_owned());
    format!("\n[[group]]\nname = {name}\n")
}

/// The table of a source, in TOML.
pub fn source_table(name: &str, endpoint: &Endpoint, default_prefix: Option<&str>) -> String {
    let text = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let mut table = format!(
        "\n[[source]]\nname = {}\nurl = {}\n",
        text(name),
        text(&endpoint.url)
    );
    let mut line = |key: &str, value: String| table.push_str(&format!("{key} = {value}\n"));
    if let Some(prefix) = endpoint.prefix.as_deref().or(default_prefix) {
        line("metadata_prefix", text(prefix));
    }
    if !endpoint.sets.is_empty() {
        let sets: Vec<String> = endpoint.sets.iter().map(|set| text(set)).collect();
        line("sets", format!("[{}]", sets.join(", ")));
    }
    if let Some(group) = &endpoint.group {
        line("group", text(group));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Line, address, name, prefix, sets and group of each endpoint.
    fn found(text: &str, group_by: Option<&str>) -> Vec<String> {
        let endpoints = read(text, group_by).unwrap();
        let found = endpoints.found.into_iter().map(|endpoint| {
            format!(
                "{} {} {} {} {} {}",
                endpoint.line,
                endpoint.url,
                endpoint.name.as_deref().unwrap_or("-"),
                endpoint.prefix.as_deref().unwrap_or("-"),
                endpoint.sets.join("+"),
                endpoint.group.as_deref().unwrap_or("-"),
            )
        });
        let skipped = endpoints.skipped.into_iter();
        found
            .chain(skipped.map(|(line, why)| format!("{line}: {why}")))
            .collect()
    }

    #[test]
    fn lists_of_registries_are_read() {
        let cases: [(&str, &str, Option<&str>, &[&str]); 8] = [
            (
                "one address a line",
                "http://a.org/oai?verb=Identify\n\nhttps://b.org/oai,x\nno address\n",
                None,
                &[
                    "1 http://a.org/oai - -  -",
                    "3 https://b.org/oai,x - -  -",
                    "4: \"no address\": relative URL without a base",
                ],
            ),
            (
                "own columns",
                "URL\tname\tprefix\tset\tgroup\nhttps://a.org/oai\tA\tmarcxml\tx y\tUni Köln\n# no\nhttps://b.org/oai\n",
                None,
                &[
                    "2 https://a.org/oai A marcxml x+y uni-koln",
                    "4 https://b.org/oai - -  -",
                ],
            ),
            (
                "OpenDOAR's table",
                "Repository Name,URL,OAI-PMH URL,Country\n\"X, the\",https://x.org,https://x.org/oai/request,de\n\
                 Y,https://y.org,,fr\n",
                Some("Country"),
                &[
                    "2 https://x.org/oai/request X, the -  de",
                    "3 https://y.org/ Y -  fr",
                ],
            ),
            (
                "ROAR's table",
                "eprintid,home_page,title,oai_pmh\n1,http://z.org,Z,http://z.org/cgi/oai2\n",
                None,
                &["2 http://z.org/cgi/oai2 Z -  -"],
            ),
            (
                "DOAJ's journals",
                "Journal title,Journal URL,URL in DOAJ\nJ,https://j.org/index.php/abc/about,https://doaj.org/toc/1\n\
                 K,https://k.org/journal,https://doaj.org/toc/2\n",
                None,
                &[
                    "2 https://j.org/index.php/abc/oai J -  -",
                    "3: https://k.org/journal does not say where the endpoint of the journal is",
                ],
            ),
            (
                "OpenDOAR's JSON",
                r#"{"items":[{"repository_metadata":{"name":[{"name":"R","language":"en"}],
                   "oai_url":"http://r.org/oai","url":"http://r.org"},
                   "organisation":[{"country":"gb","name":"Org"}]}]}"#,
                Some("country"),
                &["1 http://r.org/oai R -  gb"],
            ),
            (
                "lines of JSON",
                "{\"url\":\"http://a.org/oai\",\"name\":\"A\"}\n{\"endpoint\":\"http://b.org/oai\"}\n",
                None,
                &["1 http://a.org/oai A -  -", "2 http://b.org/oai - -  -"],
            ),
            (
                "re3data's XML",
                "<r3d:re3data xmlns:r3d='x'><r3d:repository><r3d:repositoryName>D &amp; E</r3d:repositoryName>\
                 <r3d:api apiType='REST'>http://d.org/api</r3d:api>\
                 <r3d:api apiType='OAI-PMH'>http://d.org/oai</r3d:api></r3d:repository></r3d:re3data>",
                None,
                &["1 http://d.org/oai D & E -  -"],
            ),
        ];
        for (case, text, group_by, expected) in cases {
            assert_eq!(found(text, group_by), expected, "{case}");
        }
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let cases = [
            ("", "the list is empty"),
            (
                "a,b\n1,2\n",
                "no column is called url, oai_url or \"OAI-PMH URL\"; there are: a, b",
            ),
            ("<a/>", "it is XML without any endpoint of OAI-PMH"),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text, None).unwrap_err(), expected);
        }
    }

    #[test]
    fn names_are_short_and_unique() {
        let mut taken = HashSet::from(["x.org".to_owned()]);
        let mut name = |url: &str, name: Option<&str>| {
            let endpoint = Endpoint {
                url: url.to_owned(),
                name: name.map(str::to_owned),
                ..Endpoint::default()
            };
            source_name(&endpoint, &mut taken)
        };
        assert_eq!(
            name("https://www.x.org/index.php/abc/oai", None),
            "x.org-abc"
        );
        assert_eq!(name("https://x.org/oai", None), "x.org-2");
        assert_eq!(
            name("https://y.org/oai", Some("Über uns (Köln)")),
            "uber-uns-koln"
        );
        assert_eq!(name("https://z.org/oai", Some("図書館")), "z.org");
        assert_eq!(name("https://z.org/oai/request", None), "z.org-2");
    }

    #[test]
    fn addresses_are_compared_without_what_makes_no_difference() {
        assert_eq!(
            address_key("http://A.org:80/oai/"),
            address_key("https://a.org/oai")
        );
        assert_ne!(
            address_key("http://a.org/oai?x=1"),
            address_key("http://a.org/oai")
        );
        assert_ne!(
            address_key("http://a.org:8080/oai"),
            address_key("http://a.org/oai")
        );
    }
}
