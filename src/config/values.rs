//! What a written value means: durations, sizes, counts, dates, addresses.
//!
//! Every function takes texts too where the file would have a number, since environment variables
//! are texts. Errors say what would be right.

use std::net::SocketAddr;
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use url::Url;

use super::raw::Value;
use crate::harvest::Assumption;
use crate::oai::{Datestamp, Granularity};

/// A text that is not blank, without surrounding white space and control characters.
pub(crate) fn text(value: &Value) -> Result<String, String> {
    let Value::Text(text) = value else {
        return Err(format!("must be a text in quotes, not {}", kind(value)));
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
            "{text:?} is no filter: it has letters other than ASCII's"
        ));
    }
    EnvFilter::try_new(text).map_err(|error| error.to_string())
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
        _ => return Err(format!("must be a list of texts, not {}", kind(value))),
    };
    for (index, text) in texts.iter().enumerate() {
        if texts[..index].contains(text) {
            return Err(format!("{text:?} is given twice"));
        }
    }
    Ok(texts)
}

/// True or false.
pub(crate) fn truth(value: &Value) -> Result<bool, String> {
    match value {
        Value::Boolean(truth) => Ok(*truth),
        Value::Text(text) if text.trim() == "true" => Ok(true),
        Value::Text(text) if text.trim() == "false" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
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
            kind(value)
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
        _ => Err(format!("must be a size, not {}; {RIGHT}", kind(value))),
    }
}

/// `true` or `false`.
pub(crate) fn flag(value: &Value) -> Result<bool, String> {
    match value {
        Value::Boolean(value) => Ok(*value),
        Value::Text(text) if text.trim() == "true" => Ok(true),
        Value::Text(text) if text.trim() == "false" => Ok(false),
        _ => Err(format!("must be true or false, not {}", kind(value))),
    }
}

/// A number of bytes that is not zero.
pub(crate) fn some_size(value: &Value) -> Result<u64, String> {
    size(value).and_then(at_least_one)
}

/// A whole number from 0 on.
pub(crate) fn count(value: &Value) -> Result<u64, String> {
    match value {
        Value::Integer(number) => {
            u64::try_from(*number).map_err(|_| format!("{number} is less than 0"))
        }
        Value::Text(text) => text
            .trim()
            .parse()
            .map_err(|_| format!("{text:?} is not a whole number")),
        _ => Err(format!("must be a whole number, not {}", kind(value))),
    }
}

/// A whole number from 1 on.
pub(crate) fn some_count(value: &Value) -> Result<u64, String> {
    count(value).and_then(at_least_one)
}

fn at_least_one(number: u64) -> Result<u64, String> {
    match number {
        0 => Err("must be at least 1".to_owned()),
        number => Ok(number),
    }
}

/// A number that fits `T`, which may be narrower than 64 bits.
pub(crate) fn narrow<T: TryFrom<u64>>(number: u64) -> Result<T, String> {
    T::try_from(number).map_err(|_| format!("{number} is too large"))
}

/// A day or an instant, in quotes or in TOML's own notation.
pub(crate) fn datestamp(value: &Value) -> Result<(Datestamp, Granularity), String> {
    const RIGHT: &str = "a date (YYYY-MM-DD) or an instant (YYYY-MM-DDThh:mm:ssZ)";
    match value {
        Value::Text(text) | Value::Datetime(text) => {
            Datestamp::parse(text).ok_or_else(|| format!("{text:?} is not {RIGHT}"))
        }
        _ => Err(format!("must be {RIGHT}, not {}", kind(value))),
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
/// The messages do not quote it: what is wrong with it may be that it holds a secret.
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
        if name == "verb" {
            return Err("must be the base URL alone, without verb and what follows it".to_owned());
        }
    }
    Ok(url)
}

/// The URL of a proxy; it may hold a user and password.
pub(crate) fn proxy_url(value: &Value) -> Result<Url, String> {
    url(value, &["http", "https", "socks5", "socks5h"])
}

fn url(value: &Value, schemes: &[&str]) -> Result<Url, String> {
    let url = Url::parse(&text(value)?).map_err(|error| format!("is not a URL: {error}"))?;
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
    Ok(contact)
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

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Text(_) => "text",
        Value::Integer(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::List(_) => "a list",
        Value::Table(_) => "a table",
        Value::Other(kind) => kind,
    }
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
            ("float", Value::Other("float"), None),
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
                Some("is not a URL: relative URL without a base"),
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
                "whole request",
                "https://x.org/?verb=Identify",
                Some("must be the base URL alone, without verb and what follows it"),
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
    }

    #[test]
    fn contacts() {
        for (case, contact_text, good) in [
            ("mail", "a@b.org", true),
            ("page", "https://b.org/harvest", true),
            ("words", "the library", false),
            ("second header", "a@b.org\r\nX: y", false),
            ("umlaut", "ä@b.org", false),
        ] {
            assert_eq!(contact(&written(contact_text)).is_ok(), good, "{case}");
        }
    }
}
