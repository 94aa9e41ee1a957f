//! What a written value means: durations, sizes, counts, dates, addresses.
//!
//! Every function takes texts too where the file would have a number, since environment variables
//! are texts. Errors say what would be right, in words of our own: what a library says of a value is
//! seldom meant for the person who wrote it.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use chrono_tz::Tz;
use croner::Cron;
use regex::Regex;
use tracing_subscriber::EnvFilter;
use url::Url;

use super::key::{Kind, Reading};
use super::load::LogFormat;
use super::value::Value;
use crate::dedup::rules::Versions;
use crate::harvest::Assumption;
use crate::http::{ClientError, Secret, user_agent};
use crate::oai::client::base_of_request;
use crate::oai::{Datestamp, Granularity};
use crate::output::delta::settings::SCHEMES;
use crate::output::enrich::{self, Part};
use crate::output::opensearch::settings::DocumentKind;
use crate::output::{Format, OutputType};
use crate::provider::ProviderFormat;
use crate::record::Kind as RecordKind;
use crate::schedule::{Hours, ticks};
use crate::store::Per;

/// Texts by names, in the order of the file.
pub(crate) type Pairs = Vec<(String, String)>;

/// Lists of texts by names, in the order of the file.
pub(crate) type Table = Vec<(String, Vec<String>)>;

pub(crate) const ADDRESS: Reading<SocketAddr> = (Kind::Text, address);
pub(crate) const ASSUMPTIONS: Reading<Vec<Assumption>> = (Kind::List, assumptions);
pub(crate) const BASE_URL: Reading<Url> = (Kind::Url, base_url);
pub(crate) const COMMIT_WITHIN: Reading<Option<Duration>> = (Kind::Duration, commit_within);
pub(crate) const CONTACT: Reading<String> = (Kind::Text, contact);
pub(crate) const CORE_URLS: Reading<Vec<Url>> = (Kind::List, core_urls);
pub(crate) const CRON: Reading<Option<Cron>> = (Kind::Cron, cron);
pub(crate) const DOCUMENT: Reading<DocumentKind> = (Kind::Text, document_kind);
pub(crate) const DURATION: Reading<Duration> = (Kind::Duration, duration);
pub(crate) const DOMAIN: Reading<String> = (Kind::Text, domain);
pub(crate) const FIELDS: Reading<Table> = (Kind::Table, lists);
pub(crate) const FIELD_NAMES: Reading<Pairs> = (Kind::Table, field_names);
pub(crate) const FLAG: Reading<bool> = (Kind::Flag, flag);
pub(crate) const FORMAT: Reading<Format> = (Kind::Text, format_name);
pub(crate) const FORMAT_NAMES: Reading<Pairs> = (Kind::Table, format_names);
pub(crate) const GRANULARITY: Reading<Granularity> = (Kind::Text, granularity);
pub(crate) const HEADERS: Reading<()> = (Kind::Table, headers);
pub(crate) const HOST_NAMES: Reading<Vec<String>> = (Kind::List, host_names);
pub(crate) const HOURS: Reading<Hours> = (Kind::Text, hours);
pub(crate) const HTTP_URL: Reading<Url> = (Kind::Url, http_url);
pub(crate) const INDEX: Reading<String> = (Kind::Text, index_name);
pub(crate) const LOG_FILTER: Reading<String> = (Kind::Text, filter);
pub(crate) const LOG_FORMAT: Reading<LogFormat> = (Kind::Text, log_format);
pub(crate) const LOWER_BOUND: Reading<Datestamp> = (Kind::Date, lower_bound);
pub(crate) const MAIL_ADDRESSES: Reading<Vec<String>> = (Kind::List, mail_addresses);
pub(crate) const NAME: Reading<String> = (Kind::Text, name);
pub(crate) const OAI_FORMATS: Reading<Vec<ProviderFormat>> = (Kind::List, oai_formats);
pub(crate) const OAI_PAGE_SIZE: Reading<usize> = (Kind::Number, oai_page_size);
pub(crate) const OUTPUT_TYPE: Reading<OutputType> = (Kind::Text, output_type);
pub(crate) const PAIRS: Reading<Pairs> = (Kind::Table, pairs);
pub(crate) const PARALLEL_REQUESTS: Reading<usize> = (Kind::Number, parallel_requests);
pub(crate) const PARTS: Reading<Vec<Part>> = (Kind::List, parts);
pub(crate) const PATH: Reading<PathBuf> = (Kind::Path, path);
pub(crate) const PER: Reading<Per> = (Kind::Text, per);
pub(crate) const PERCENT: Reading<u8> = (Kind::Number, percent);
pub(crate) const PREFIX: Reading<String> = (Kind::Text, prefix);
pub(crate) const PROXY_URL: Reading<Url> = (Kind::Url, proxy_url);
pub(crate) const REGEX: Reading<Regex> = (Kind::Regex, regex);
pub(crate) const SECRET: Reading<Secret> = (Kind::Text, secret);
pub(crate) const SETS: Reading<Table> = (Kind::Table, sets);
pub(crate) const SIZE: Reading<u64> = (Kind::Size, size);
pub(crate) const SOME_SIZE: Reading<u64> = (Kind::Size, some_size);
pub(crate) const TABLE_URL: Reading<Url> = (Kind::Url, table_url);
pub(crate) const TEXT: Reading<String> = (Kind::Text, text);
pub(crate) const TEXTS: Reading<Vec<String>> = (Kind::List, texts);
pub(crate) const TEXT_OR_EMPTY: Reading<String> = (Kind::Text, text_or_empty);
pub(crate) const TIMEOUT: Reading<Duration> = (Kind::Duration, timeout);
pub(crate) const TIME_ZONE: Reading<Tz> = (Kind::Text, time_zone);
pub(crate) const VERSIONS: Reading<Versions> = (Kind::Text, versions);
pub(crate) const UPPER_BOUND: Reading<Datestamp> = (Kind::Date, upper_bound);
pub(crate) const URL_PATH: Reading<String> = (Kind::Text, url_path);
pub(crate) const USER: Reading<String> = (Kind::Text, user);

/// A whole number that fits `T`.
pub(crate) const fn count<T: TryFrom<u64>>() -> Reading<T> {
    (Kind::Number, |value| narrow(whole(value)?))
}

/// A whole number from 1 on that fits `T`.
pub(crate) const fn some_count<T: TryFrom<u64>>() -> Reading<T> {
    (Kind::Number, |value| narrow(at_least_one(whole(value)?)?))
}

/// A text that is not blank, without surrounding white space and control characters.
pub(crate) fn text(value: &Value) -> Result<String, String> {
    let Value::Text(text) = value else {
        return Err(format!("must be a text in quotes, not {}", value.kind()));
    };
    let text = text.trim();
    if text.is_empty() {
        return Err("must not be empty".to_owned());
    }
    if text.contains(char::is_control) {
        return Err("must not contain control characters".to_owned());
    }
    Ok(text.to_owned())
}

/// A filter of log lines.
pub(crate) fn log_filter(text: &str) -> Result<EnvFilter, String> {
    // The names of our modules are plain, and the library panics over some letters that are not.
    if !text.is_ascii() {
        return Err(format!(
            "{text:?} is not a log filter: it has other letters than those of ASCII"
        ));
    }
    EnvFilter::try_new(text).map_err(|_| {
        format!(
            "{text:?} is not a log filter; write a level (error, warn, info, debug, trace or off), or \
             parts with levels, such as \"info,harvestd::oai=debug\""
        )
    })
}

fn filter(value: &Value) -> Result<String, String> {
    let filter = text(value)?;
    log_filter(&filter)?;
    Ok(filter)
}

fn log_format(value: &Value) -> Result<LogFormat, String> {
    match text(value)?.as_str() {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        other => Err(format!("{other:?} is neither \"text\" nor \"json\"")),
    }
}

/// A text, which may be empty where that means "none". It keeps its blanks.
fn text_or_empty(value: &Value) -> Result<String, String> {
    match value {
        Value::Text(text) if text.trim().is_empty() => Ok(String::new()),
        Value::Text(text) if !text.contains(char::is_control) => Ok(text.clone()),
        _ => text(value),
    }
}

fn path(value: &Value) -> Result<PathBuf, String> {
    text(value).map(PathBuf::from)
}

/// A source's name: ASCII letters, digits, `-`, `_` and `.`, the first a letter or digit.
pub(crate) fn name(value: &Value) -> Result<String, String> {
    let name = text(value)?;
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(known) {
        Ok(name)
    } else {
        Err(format!(
            "{name:?} must start with a letter or digit and have only ASCII letters, digits, '-', \
             '_' and '.'"
        ))
    }
}

/// A metadataPrefix: a text without white space.
pub(crate) fn prefix(value: &Value) -> Result<String, String> {
    let prefix = text(value)?;
    if prefix.contains(char::is_whitespace) {
        return Err(format!("{prefix:?} must not contain white space"));
    }
    Ok(prefix)
}

/// A list of texts, none twice; an environment variable separates them by white space.
pub(crate) fn texts(value: &Value) -> Result<Vec<String>, String> {
    let texts: Vec<String> = match value {
        Value::Text(list) => list.split_whitespace().map(str::to_owned).collect(),
        Value::List(entries) => entries
            .iter()
            .map(|entry| text(&entry.value))
            .collect::<Result<_, _>>()?,
        _ => return Err(format!("must be a list of texts, not {}", value.kind())),
    };
    for (index, text) in texts.iter().enumerate() {
        if texts[..index].contains(text) {
            return Err(format!("{text:?} is given twice"));
        }
    }
    Ok(texts)
}

/// Names or addresses of hosts, without ports, in lower case. An address of version 6 has no brackets.
fn host_names(value: &Value) -> Result<Vec<String>, String> {
    let read = |text: String| match url::Host::parse(&text) {
        // Requests may name a host with the dot of the root, or without it.
        Ok(url::Host::Domain(name)) => Ok(name.trim_end_matches('.').to_owned()),
        Ok(url::Host::Ipv4(address)) => Ok(address.to_string()),
        Ok(url::Host::Ipv6(address)) => Ok(address.to_string()),
        Err(_) => Err(format!(
            "{text:?} is not the name of a host; write it without scheme and port, such as \
             \"harvest.example.org\""
        )),
    };
    texts(value)?.into_iter().map(read).collect()
}

/// A length of time, such as `48h` or `1m 30s`.
pub(crate) fn duration(value: &Value) -> Result<Duration, String> {
    const RIGHT: &str = "write a number and a unit, such as \"250ms\", \"1s\", \"48h\" or \"2d\"";
    match value {
        Value::Text(text) => humantime::parse_duration(text.trim())
            .map_err(|_| format!("{text:?} is not a length of time; {RIGHT}")),
        Value::Integer(number) => Err(format!("{number} has no unit; {RIGHT}")),
        _ => Err(format!(
            "must be a length of time, not {}; {RIGHT}",
            value.kind()
        )),
    }
}

/// A length of time that is not zero.
pub(crate) fn timeout(value: &Value) -> Result<Duration, String> {
    match duration(value)? {
        Duration::ZERO => Err("must be longer than 0s".to_owned()),
        timeout => Ok(timeout),
    }
}

/// A number of bytes, plain or with a unit, such as `256 MiB` (2^20) or `256 MB` (10^6).
pub(crate) fn size(value: &Value) -> Result<u64, String> {
    const RIGHT: &str = "write a number of bytes, or one with a unit, such as \"256 MiB\"";
    match value {
        Value::Integer(number) => {
            u64::try_from(*number).map_err(|_| format!("{number} is less than 0; {RIGHT}"))
        }
        Value::Text(text) => text
            .trim()
            .parse::<bytesize::ByteSize>()
            .map(|size| size.as_u64())
            .map_err(|_| format!("{text:?} is not a size; {RIGHT}")),
        _ => Err(format!("must be a size, not {}; {RIGHT}", value.kind())),
    }
}

/// `true` or `false`.
pub(crate) fn flag(value: &Value) -> Result<bool, String> {
    match value {
        Value::Boolean(value) => Ok(*value),
        Value::Text(text) if text.trim() == "true" => Ok(true),
        Value::Text(text) if text.trim() == "false" => Ok(false),
        _ => Err(format!("must be true or false, not {}", value.kind())),
    }
}

/// A number of bytes that is not zero.
pub(crate) fn some_size(value: &Value) -> Result<u64, String> {
    size(value).and_then(at_least_one)
}

/// A whole number from 0 on.
fn whole(value: &Value) -> Result<u64, String> {
    match value {
        Value::Integer(number) => {
            u64::try_from(*number).map_err(|_| format!("{number} is less than 0"))
        }
        Value::Text(text) => text
            .trim()
            .parse()
            .map_err(|_| format!("{text:?} is not a whole number")),
        _ => Err(format!("must be a whole number, not {}", value.kind())),
    }
}

fn at_least_one(number: u64) -> Result<u64, String> {
    match number {
        0 => Err("must be at least 1".to_owned()),
        number => Ok(number),
    }
}

/// A number that fits `T`, which may be narrower than 64 bits.
fn narrow<T: TryFrom<u64>>(number: u64) -> Result<T, String> {
    T::try_from(number).map_err(|_| format!("{number} is too large"))
}

/// A day or an instant, in quotes or in TOML's own notation.
pub(crate) fn datestamp(value: &Value) -> Result<(Datestamp, Granularity), String> {
    const RIGHT: &str = "a date (YYYY-MM-DD) or an instant (YYYY-MM-DDThh:mm:ssZ)";
    match value {
        Value::Text(text) | Value::Datetime(text) => {
            Datestamp::parse(text).ok_or_else(|| format!("{text:?} is not {RIGHT}"))
        }
        _ => Err(format!("must be {RIGHT}, not {}", value.kind())),
    }
}

/// A lower bound: a day means its first second.
pub(crate) fn lower_bound(value: &Value) -> Result<Datestamp, String> {
    datestamp(value).map(|(datestamp, _)| datestamp)
}

/// An upper bound, inclusive: a day means its last second.
pub(crate) fn upper_bound(value: &Value) -> Result<Datestamp, String> {
    datestamp(value).map(|(datestamp, granularity)| match granularity {
        Granularity::Day => datestamp.day_end(),
        Granularity::Second => datestamp,
    })
}

/// `day` or `second`.
pub(crate) fn granularity(value: &Value) -> Result<Granularity, String> {
    match text(value)?.as_str() {
        "day" => Ok(Granularity::Day),
        "second" => Ok(Granularity::Second),
        other => Err(format!("{other:?} is neither \"day\" nor \"second\"")),
    }
}

/// What to think of a repository: `trait=yes`, `trait=no`.
pub(crate) fn assumptions(value: &Value) -> Result<Vec<Assumption>, String> {
    texts(value)?
        .iter()
        .map(|text| Assumption::parse(text))
        .collect()
}

/// A base URL.
///
/// The arguments of a request are cut off. The messages do not quote the URL: what is wrong with it may be that
/// it holds a secret.
pub(crate) fn base_url(value: &Value) -> Result<Url, String> {
    let url = url(value, &["http", "https"])?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user or password; use the keys user and password".to_owned());
    }
    if url.fragment().is_some() {
        return Err("must not have a fragment (#...), which is never sent".to_owned());
    }
    for (name, _) in url.query_pairs() {
        if name == "api_key" {
            return Err(
                "must not hold an api_key; use the key api_key, which is never shown".into(),
            );
        }
    }
    // Whoever copies the address of a request from a browser means the repository.
    Ok(base_of_request(&url).unwrap_or(url))
}

/// The URL of a proxy; it may hold a user and password.
pub(crate) fn proxy_url(value: &Value) -> Result<Url, String> {
    url(value, &["http", "https", "socks5", "socks5h"])
}

fn http_url(value: &Value) -> Result<Url, String> {
    url(value, &["http", "https"])
}

fn url(value: &Value, schemes: &[&str]) -> Result<Url, String> {
    let url = Url::parse(&text(value)?).map_err(|_| {
        let starts: Vec<String> = schemes
            .iter()
            .map(|scheme| format!("{scheme}://"))
            .collect();
        format!("is not a URL; it must begin with {}", starts.join(" or "))
    })?;
    if !schemes.contains(&url.scheme()) {
        let known = schemes.join(", ");
        return Err(format!("scheme {:?} is not one of {known}", url.scheme()));
    }
    // `http:example.org` is read as a host, `socks5:example.org` is not.
    if url.host_str().is_none_or(str::is_empty) {
        return Err("has no host".to_owned());
    }
    Ok(url)
}

/// Mail address or URL of whoever runs the harvester.
pub(crate) fn contact(value: &Value) -> Result<String, String> {
    let contact = text(value)?;
    let mail = contact.contains('@') && !contact.contains(char::is_whitespace);
    let page = contact.starts_with("http://") || contact.starts_with("https://");
    if !(mail || page) || !contact.is_ascii() {
        return Err(format!(
            "{contact:?} is neither a mail address nor a URL in ASCII"
        ));
    }
    // What the client refuses would end every harvest.
    match user_agent(Some(&contact)) {
        Err(ClientError::Contact { reason, .. }) => Err(reason),
        _ => Ok(contact),
    }
}

/// Where alerts are posted to.
pub(crate) fn webhook_url(text: &str) -> Result<Url, String> {
    // What is wrong is not quoted, since it may be a secret.
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        _ => Err("is not an http:// or https:// URL".to_owned()),
    }
}

/// A time zone by its name in the IANA database.
pub(crate) fn time_zone(value: &Value) -> Result<chrono_tz::Tz, String> {
    let name = text(value)?;
    name.parse().map_err(|_| {
        format!("{name:?} is not a time zone; write a name such as \"Europe/Berlin\" or \"UTC\"")
    })
}

/// An IP address and port to listen on.
pub(crate) fn address(value: &Value) -> Result<SocketAddr, String> {
    let address = text(value)?;
    address.parse().map_err(|_| {
        format!(
            "{address:?} is not an address and port; write \"127.0.0.1:8017\" or \"[::1]:8017\", \
             for example"
        )
    })
}

/// The cron expressions that are kept. A file has a few, in thousands of sources.
const MOST_CRONS: usize = 256;

fn cron(value: &Value) -> Result<Option<Cron>, String> {
    static READ: LazyLock<Mutex<HashMap<String, Option<Cron>>>> = LazyLock::new(Mutex::default);
    let text = text(value)?;
    // Each entry is complete by itself.
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = read.get(&text) {
        return Ok(known.clone());
    }
    let cron = ticks(&text)?;
    if read.len() < MOST_CRONS {
        read.insert(text, cron.clone());
    }
    Ok(cron)
}

fn hours(value: &Value) -> Result<Hours, String> {
    Hours::parse(&text(value)?)
}

fn percent(value: &Value) -> Result<u8, String> {
    match whole(value)? {
        percent @ 0..=100 => narrow(percent),
        _ => Err("must be from 0 to 100".to_owned()),
    }
}

/// One line that is not empty. The messages do not quote it.
pub(crate) fn secret(value: &Value) -> Result<Secret, String> {
    match value {
        Value::Text(text) if text.is_empty() => Err("must not be empty".to_owned()),
        Value::Text(text) if text.contains(char::is_control) => {
            Err("must be one line without control characters".to_owned())
        }
        Value::Text(text) => Ok(Secret::new(text)),
        _ => Err(format!("must be a text in quotes, not {}", value.kind())),
    }
}

/// The name of a user for HTTP basic authentication.
fn user(value: &Value) -> Result<String, String> {
    let user = text(value)?;
    if user.contains(':') {
        return Err("must not contain a colon, which would end it (RFC 7617)".to_owned());
    }
    Ok(user)
}

/// Only the form: what is in it is read with the secrets.
fn headers(value: &Value) -> Result<(), String> {
    match value {
        Value::Table(_) | Value::Text(_) => Ok(()),
        _ => Err("must be a table, such as { X-Token = \"...\" }".to_owned()),
    }
}

fn regex(value: &Value) -> Result<Regex, String> {
    let text = text(value)?;
    Regex::new(&text).map_err(|error| {
        // The library draws the place over several lines; its last one is the reason.
        let whole = error.to_string();
        let reason = whole.lines().last().unwrap_or_default().trim();
        let reason = reason.strip_prefix("error: ").unwrap_or(reason);
        format!("{text:?} is not a regular expression: {reason}")
    })
}

/// The entries of a table; an environment variable has lines of `name = value`.
fn table(value: &Value) -> Result<Vec<(String, Value)>, String> {
    match value {
        Value::Table(entries) => Ok(entries
            .iter()
            .map(|(name, entry)| (name.clone(), entry.value.clone()))
            .collect()),
        Value::Text(lines) => lines
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| {
                let (name, text) = line
                    .split_once('=')
                    .ok_or_else(|| format!("{line:?} is not \"name = value\""))?;
                let value = Value::Text(text.trim().to_owned());
                Ok((name.trim().to_owned(), value))
            })
            .collect(),
        _ => Err("must be a table, such as { name = \"value\" }".to_owned()),
    }
}

/// A table of texts to texts.
fn pairs(value: &Value) -> Result<Pairs, String> {
    table(value)?
        .into_iter()
        .map(|(name, value)| {
            let text = text_or_empty(&value).map_err(|error| format!("{name}: {error}"))?;
            Ok((name, text))
        })
        .collect()
}

/// A table of fields to their other names.
fn field_names(value: &Value) -> Result<Pairs, String> {
    let pairs = pairs(value)?;
    let is_nameless = |(from, to): &&(String, String)| from.is_empty() || to.is_empty();
    match pairs.iter().find(is_nameless) {
        Some((from, to)) => Err(format!("{from:?} to {to:?}: a field must have a name")),
        None => Ok(pairs),
    }
}

/// A table of types to the names of their formats.
fn format_names(value: &Value) -> Result<Pairs, String> {
    let pairs = pairs(value)?;
    let is_type = |name: &str| RecordKind::ALL.iter().any(|kind| kind.name() == name);
    match pairs
        .iter()
        .find(|(name, to)| !is_type(name) || to.is_empty())
    {
        Some((name, to)) if to.is_empty() => Err(format!("{name:?} has no name")),
        Some((name, _)) => {
            let names = RecordKind::ALL.map(RecordKind::name).join(", ");
            Err(format!("{name:?} is no type; there are {names}"))
        }
        None => Ok(pairs),
    }
}

/// A table of names to a text or a list of texts.
fn lists(value: &Value) -> Result<Table, String> {
    table(value)?
        .into_iter()
        .map(|(name, value)| {
            let values = match &value {
                Value::List(_) => texts(&value),
                _ => text(&value).map(|text| vec![text]),
            };
            let values = values.map_err(|error| format!("{name}: {error}"))?;
            Ok((name, values))
        })
        .collect()
}

/// A table of sources to setSpecs.
fn sets(value: &Value) -> Result<Table, String> {
    let mut sets = BTreeMap::new();
    for (name, texts) in lists(value)? {
        // In the environment, sets are separated by blanks; no setSpec has one.
        let specs = texts.iter().flat_map(|text| text.split_whitespace());
        let specs: Vec<String> = specs.map(str::to_owned).collect();
        if specs.is_empty() {
            return Err(format!("{name}: must have at least one setSpec"));
        }
        if let Some(wrong) = specs.iter().find(|spec| spec.split(':').any(str::is_empty)) {
            return Err(format!("{name}: {wrong:?} is not a setSpec"));
        }
        sets.insert(name, specs);
    }
    Ok(sets.into_iter().collect())
}

fn output_type(value: &Value) -> Result<OutputType, String> {
    let name = text(value)?;
    let mut types = OutputType::ALL.into_iter();
    types.find(|known| known.name() == name).ok_or_else(|| {
        let known = OutputType::ALL.map(|known| format!("{:?}", known.name()));
        format!(
            "{name:?} is not a type of output; there is {}",
            known.join(", ")
        )
    })
}

/// What a document of an index is.
fn document_kind(value: &Value) -> Result<DocumentKind, String> {
    let name = text(value)?;
    let mut kinds = DocumentKind::ALL.into_iter();
    kinds.find(|known| known.name() == name).ok_or_else(|| {
        let known = DocumentKind::ALL.map(|known| format!("{:?}", known.name()));
        format!(
            "{name:?} is not a kind of document; there is {}",
            known.join(" or ")
        )
    })
}

/// The name of an index, shorter than allowed by a number after it.
///
/// Source: `MetadataCreateIndexService.validateIndexOrAliasName` of OpenSearch and Elasticsearch.
fn index_name(value: &Value) -> Result<String, String> {
    const MOST_BYTES: usize = 240;
    let name = text(value)?;
    let is_refused = |c: char| c.is_uppercase() || "\\/*?\"<>| ,#:%".contains(c);
    if let Some(c) = name.chars().find(|c| is_refused(*c)) {
        return Err(format!(
            "{name:?} is no name of an index; it must not have {c:?}"
        ));
    }
    if name.starts_with(['-', '_', '+', '.']) {
        return Err(format!(
            "{name:?} is no name of an index; it must not begin with -, _, + or a full stop"
        ));
    }
    if name.len() > MOST_BYTES {
        return Err(format!("must not be longer than {MOST_BYTES} bytes"));
    }
    Ok(name)
}

/// Addresses of a core or a node, without the slash and the request handler after it.
fn core_urls(value: &Value) -> Result<Vec<Url>, String> {
    let texts = texts(value)?;
    if texts.is_empty() {
        return Err("must have at least one address".to_owned());
    }
    texts
        .into_iter()
        .map(|text| {
            let mut url = base_url(&Value::Text(text))?;
            if url.query().is_some() {
                return Err("must be addresses alone, without arguments".to_owned());
            }
            let path = url.path().trim_end_matches('/').to_owned();
            if path.ends_with("/update") || path.ends_with("/select") {
                return Err(
                    "must be addresses of a core, such as http://localhost:8983/solr/biblio".into(),
                );
            }
            url.set_path(&path);
            Ok(url)
        })
        .collect()
}

/// The folder of a table.
fn table_url(value: &Value) -> Result<Url, String> {
    read_table_url(&text(value)?)
}

/// The folder of a table, in a folder or on object storage.
///
/// # Errors
/// Why it is not one.
pub fn read_table_url(text: &str) -> Result<Url, String> {
    let starts = SCHEMES.map(|scheme| format!("{scheme}://")).join(" or ");
    let url = Url::parse(text).map_err(|_| format!("is not a URL; it must begin with {starts}"))?;
    if !SCHEMES.contains(&url.scheme()) || !text.contains("://") {
        return Err(format!("must begin with {starts}"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must have no user and password; there are keys of their own".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must be the folder alone, without arguments".to_owned());
    }
    let has_host = url.host_str().is_some_and(|host| !host.is_empty());
    match (url.scheme(), has_host) {
        ("file", true) => Err("must have three slashes, as in file:///srv/records".to_owned()),
        ("file", false) if url.path() == "/" => Err("must name a folder".to_owned()),
        ("file", false) | (_, true) => Ok(url),
        (_, false) => Err("has no bucket or container".to_owned()),
    }
}

/// The format of this name, as the command line has it.
fn format_name(value: &Value) -> Result<Format, String> {
    let text = text(value)?;
    Format::from_name(&text).map_err(|names| format!("{text:?} is not a format; there is {names}"))
}

/// Mail addresses, as Identify can have them.
///
/// Source: emailType in OAI-PMH.xsd.
fn mail_addresses(value: &Value) -> Result<Vec<String>, String> {
    let addresses = texts(value)?;
    match addresses.iter().find(|address| !is_mail_address(address)) {
        Some(wrong) => Err(format!("{wrong:?} is not a mail address")),
        None => Ok(addresses),
    }
}

/// Whether a text is a mail address at a host with a dot in its name.
pub(crate) fn is_mail_address(text: &str) -> bool {
    let is_plain = text.is_ascii() && !text.contains(char::is_whitespace);
    let host = text.split_once('@').filter(|(user, _)| !user.is_empty());
    let host = host.and_then(|(_, host)| host.split_once('.'));
    is_plain && host.is_some_and(|(name, rest)| !name.is_empty() && !rest.is_empty())
}

fn oai_formats(value: &Value) -> Result<Vec<ProviderFormat>, String> {
    let names = ProviderFormat::ALL.map(ProviderFormat::name);
    let formats: Vec<ProviderFormat> = texts(value)?
        .iter()
        .map(|text| {
            let mut all = ProviderFormat::ALL.into_iter();
            all.find(|format| format.name() == text)
                .ok_or_else(|| format!("{text:?} is not a format; there is {}", names.join(", ")))
        })
        .collect::<Result<_, _>>()?;
    match formats.contains(&ProviderFormat::OaiDc) {
        true => Ok(formats),
        false => Err("must have \"oai_dc\", which every repository must serve".to_owned()),
    }
}

fn oai_page_size(value: &Value) -> Result<usize, String> {
    match whole(value)? {
        size @ 100..=1_000 => narrow(size),
        size => Err(format!("{size} is not from 100 to 1000")),
    }
}

/// The first parts of the paths of the status page and the API, which nothing else can have.
pub(crate) const PAGES: [&str; 18] = [
    "api",
    "duplicates",
    "export",
    "healthz",
    "icon-alarm.svg",
    "icon.svg",
    "metrics",
    "output",
    "outputs",
    "page.js",
    "quarantine",
    "readyz",
    "record",
    "search",
    "sign-in",
    "sign-out",
    "source",
    "style.css",
];

/// An absolute path of a URL without anything that has to be escaped.
fn url_path(value: &Value) -> Result<String, String> {
    let path = text(value)?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
    let is_whole = path.len() > 1 && path.starts_with('/') && !path.ends_with('/');
    if !is_whole || path.contains("//") || path.contains("/.") || !path.chars().all(is_plain) {
        return Err(format!("{path:?} is not a path such as \"/oai\""));
    }
    let first = path[1..].split('/').next().unwrap_or_default();
    match PAGES.contains(&first) {
        true => Err(format!("{path:?} is a path of the status page")),
        false => Ok(path),
    }
}

/// A domain name, as the second part of an OAI identifier can be.
///
/// Source: Specification and XML schema for the OAI identifier format.
fn domain(value: &Value) -> Result<String, String> {
    let name = text(value)?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic());
    match starts && name.contains('.') && name.chars().all(is_plain) {
        true => Ok(name),
        false => Err(format!(
            "{name:?} is not a domain name, such as \"harvest.example.org\""
        )),
    }
}

/// What one document is.
fn per(value: &Value) -> Result<Per, String> {
    match text(value)?.as_str() {
        "record" => Ok(Per::Record),
        "cluster" => Ok(Per::Cluster),
        other => Err(format!("{other:?} is neither \"record\" nor \"cluster\"")),
    }
}

fn versions(value: &Value) -> Result<Versions, String> {
    match text(value)?.as_str() {
        "together" => Ok(Versions::Together),
        "apart" => Ok(Versions::Apart),
        other => Err(format!("{other:?} is neither \"together\" nor \"apart\"")),
    }
}

/// The parts that a work takes from its other records.
fn parts(value: &Value) -> Result<Vec<Part>, String> {
    match value {
        Value::Text(text) => enrich::parts(text),
        list => enrich::parts(&texts(list)?.join(",")),
    }
}

/// More would wait for each other in the index, and each takes memory here.
const MOST_PARALLEL: u64 = 16;

fn parallel_requests(value: &Value) -> Result<usize, String> {
    match at_least_one(whole(value)?)? {
        number if number <= MOST_PARALLEL => narrow(number),
        number => Err(format!("{number} is more than {MOST_PARALLEL}")),
    }
}

/// A length of time from a millisecond on, or "none".
fn commit_within(value: &Value) -> Result<Option<Duration>, String> {
    if matches!(value, Value::Text(text) if text.trim() == "none") {
        return Ok(None);
    }
    timeout(value)
        .map(Some)
        .map_err(|error| format!("{error}, or \"none\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn lengths_of_time() {
        let cases = [
            (
                "milliseconds",
                written("250ms"),
                Some(Duration::from_millis(250)),
            ),
            ("hours", written("48h"), Some(Duration::from_secs(172_800))),
            ("days", written(" 2d "), Some(Duration::from_secs(172_800))),
            (
                "two parts",
                written("1m 30s"),
                Some(Duration::from_secs(90)),
            ),
            ("zero", written("0s"), Some(Duration::ZERO)),
            ("no unit", written("5"), None),
            ("number", Value::Integer(5), None),
            ("below zero", written("-1s"), None),
            ("words", written("soon"), None),
            ("too long", written("99999999999999999999y"), None),
        ];
        for (case, value, expected) in cases {
            assert_eq!(duration(&value).ok(), expected, "{case}");
        }
        assert_eq!(
            timeout(&written("0s")),
            Err("must be longer than 0s".to_owned())
        );
    }

    #[test]
    fn sizes() {
        let cases = [
            ("number", Value::Integer(10), Some(10)),
            ("text of digits", written("268435456"), Some(256 << 20)),
            ("binary unit", written("256 MiB"), Some(256 << 20)),
            ("decimal unit", written("1 MB"), Some(1_000_000)),
            ("below zero", Value::Integer(-1), None),
            ("words", written("big"), None),
            ("float", Value::Other("a number with a fraction"), None),
        ];
        for (case, value, expected) in cases {
            assert_eq!(size(&value).ok(), expected, "{case}");
        }
    }

    #[test]
    fn bounds_take_in_their_day() {
        let day = written("2024-01-31");
        assert_eq!(
            lower_bound(&day).unwrap().to_string(),
            "2024-01-31T00:00:00Z"
        );
        assert_eq!(
            upper_bound(&day).unwrap().to_string(),
            "2024-01-31T23:59:59Z"
        );
        let instant = Value::Datetime("2024-01-31T10:00:00Z".to_owned());
        assert_eq!(
            upper_bound(&instant).unwrap().to_string(),
            "2024-01-31T10:00:00Z"
        );
    }

    #[test]
    fn addresses() {
        let cases = [
            ("https", "https://doaj.org/oai", None),
            ("query kept", "http://x.org/oai?repo=1", None),
            (
                "relative",
                "doaj.org/oai",
                Some("is not a URL; it must begin with http:// or https://"),
            ),
            (
                "scheme",
                "ftp://x.org/oai",
                Some("scheme \"ftp\" is not one of http, https"),
            ),
            (
                "password",
                "https://me:hush@x.org/",
                Some("must not hold a user or password; use the keys user and password"),
            ),
            (
                "key",
                "https://x.org/?api_key=hush",
                Some("must not hold an api_key; use the key api_key, which is never shown"),
            ),
            (
                "fragment",
                "https://x.org/#a",
                Some("must not have a fragment (#...), which is never sent"),
            ),
        ];
        for (case, url, expected) in cases {
            assert_eq!(base_url(&written(url)).err().as_deref(), expected, "{case}");
        }
        let request = written("https://x.org/oai?repo=1&verb=ListRecords&metadataPrefix=oai_dc");
        let base = base_url(&request).unwrap();
        assert_eq!(base.as_str(), "https://x.org/oai?repo=1");
    }

    #[test]
    fn contacts() {
        for (case, contact_text, good) in [
            ("mail", "a@b.org", true),
            ("page", "https://b.org/harvest", true),
            ("words", "the library", false),
            ("second header", "a@b.org\r\nX: y", false),
            ("umlaut", "ä@b.org", false),
            ("robot", "abbott@b.org", false),
            ("spider", "https://b.org/Spider", false),
        ] {
            assert_eq!(contact(&written(contact_text)).is_ok(), good, "{case}");
        }
    }
}
