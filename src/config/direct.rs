//! A source made from a bare URL on the command line.

use url::Url;

use super::problem::{ConfigError, Origin, Problem};
use super::value::Value;
use super::values;
use crate::harvest::settings::SourceSettings;
use crate::http::{ClientSettings, without_secrets};

/// The metadata format that every repository must have.
///
/// Source: OAI-PMH 2.0, 2.5.
pub(crate) const DEFAULT_PREFIX: &str = "oai_dc";

/// Names longer than this are cut and told apart by a hash.
const MAX_NAME: usize = 80;

/// A source with all defaults: the base URL, a metadata format (`oai_dc` if `None`), sets (none
/// for the whole repository) and the contact to announce.
///
/// The name is derived from URL, format and sets, so that the same arguments find the same source
/// again: `doaj.org-oai.article-oai_doaj`.
///
/// # Errors
/// [`ConfigError::Invalid`] with everything that is wrong with the arguments.
pub fn source_from_url(
    url: &str,
    prefix: Option<&str>,
    sets: &[String],
    contact: Option<&str>,
) -> Result<SourceSettings, ConfigError> {
    let text = |text: &str| Value::Text(text.to_owned());
    let mut problems = Vec::new();
    let mut found = |key: &str, message| {
        problems.push(Problem::new(Origin::Program, message).of_key(key));
    };
    let url = values::base_url(&text(url)).map_err(|error| found("URL", error));
    let prefix = values::prefix(&text(prefix.unwrap_or(DEFAULT_PREFIX)))
        .map_err(|error| found("--prefix", error));
    let mut checked_sets = Vec::new();
    for set in sets {
        match values::text(&text(set)) {
            Ok(set) if checked_sets.contains(&set) => {
                found("--set", format!("{set:?} is given twice"));
            }
            Ok(set) => checked_sets.push(set),
            Err(error) => found("--set", error),
        }
    }
    let (Ok(url), Ok(prefix), true) = (url, prefix, problems.is_empty()) else {
        return Err(ConfigError::Invalid(problems));
    };
    let name = derived_name(&url, &prefix, &checked_sets);
    let mut client = ClientSettings::new(url);
    client.contact = contact.map(str::to_owned);
    Ok(SourceSettings {
        sets: checked_sets,
        ..SourceSettings::new(name, client, &prefix)
    })
}

/// A name that a reader recognises. What a name cannot hold becomes `-`, and a hash of the whole
/// then keeps different sources apart. Nothing of it comes from a secret: names are in logs, in the
/// store and in the names of locks.
fn derived_name(url: &Url, prefix: &str, sets: &[String]) -> String {
    let url = &without_secrets(url, &[]);
    let mut sets: Vec<&str> = sets.iter().map(String::as_str).collect();
    sets.sort_unstable();
    let mut parts = vec![url.host_str().unwrap_or_default().to_owned()];
    parts.extend(url.port().map(|port| port.to_string()));
    parts.extend(url.path_segments().into_iter().flatten().map(str::to_owned));
    parts.extend(url.query().map(str::to_owned));
    parts.push(prefix.to_owned());
    parts.extend(sets.iter().map(|set| (*set).to_owned()));
    parts.retain(|part| !part.is_empty());
    let whole = parts.join("-");
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if whole.len() <= MAX_NAME && whole.chars().all(plain) {
        return whole;
    }
    let mut name: String = whole
        .chars()
        .map(|c| if plain(c) { c } else { '-' })
        .take(MAX_NAME)
        .collect();
    // An IPv6 host starts with a bracket.
    name = name.trim_matches('-').to_owned();
    let exact = parts.join("\n");
    let hash = blake3::hash(exact.as_bytes()).to_hex();
    format!("{name}-{}", &hash[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(url: &str, sets: &[&str]) -> String {
        let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
        source_from_url(url, Some("oai_doaj"), &sets, None)
            .unwrap()
            .name
    }

    #[test]
    fn names_can_be_read() {
        let cases: [(&str, &str, &[&str], &str); 5] = [
            (
                "plain",
                "https://doaj.org/oai.article",
                &[],
                "doaj.org-oai.article-oai_doaj",
            ),
            (
                "slash at the end",
                "https://x.org/oai/",
                &[],
                "x.org-oai-oai_doaj",
            ),
            (
                "port",
                "http://localhost:8080/oai",
                &[],
                "localhost-8080-oai-oai_doaj",
            ),
            (
                "usual port",
                "https://x.org:443/oai",
                &[],
                "x.org-oai-oai_doaj",
            ),
            (
                "sets in any order",
                "https://x.org/",
                &["b", "a"],
                "x.org-oai_doaj-a-b",
            ),
        ];
        for (case, url, sets, expected) in cases {
            assert_eq!(name(url, sets), expected, "{case}");
        }
    }

    #[test]
    fn names_keep_sources_apart() {
        let long = "s".repeat(300);
        let names = [
            name("https://x.org/oai", &["a:b"]),
            name("https://x.org/oai", &["a-b"]),
            name("https://x.org/oai", &["a/b"]),
            name("https://x.org/oai?repo=1", &[]),
            name("https://x.org/oai?repo=2", &[]),
            name("https://[::1]/oai", &[]),
            name("https://x.org/oai", &[&long]),
        ];
        for (index, name) in names.iter().enumerate() {
            assert!(!names[..index].contains(name), "{name}");
            let valid = values::name(&Value::Text(name.clone()));
            assert_eq!(valid.as_ref(), Ok(name));
            assert!(name.len() <= MAX_NAME + 9, "{name}");
        }
        assert_eq!(
            names[0],
            name("https://x.org/oai", &["a:b"]),
            "the same again"
        );
    }

    #[test]
    fn names_have_nothing_of_a_secret() {
        let plain = name("https://x.org/oai?repo=1", &[]);
        for url in [
            "https://x.org/oai?repo=1&apikey=s3cret",
            "https://x.org/oai?token=s3cret&repo=1",
            "https://x.org/oai?repo=1&key=s3cret",
            "https://x.org/oai?repo=1&API%2DKey=s3cret",
        ] {
            assert_eq!(name(url, &[]), plain, "{url}");
        }
    }

    #[test]
    fn every_wrong_argument_is_named() {
        let error =
            source_from_url("x.org", Some(""), &["a".into(), "a".into()], None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "command line: URL: is not a URL; it must begin with http:// or https://\n\
             command line: --prefix: must not be empty\n\
             command line: --set: \"a\" is given twice"
        );
    }
}
