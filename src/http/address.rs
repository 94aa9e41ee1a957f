//! Query arguments of URLs: attaching them to a base URL, and taking them off again.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::Url;

use super::redact::is_secret_name;
use super::secret::Secret;

/// Everything is escaped but RFC 3986's unreserved characters: tokens carry `+ & = % # ? /`.
/// Neither `url::form_urlencoded` nor `query_pairs_mut` fits: they write a space as `+`, and
/// re-encode the base URL's own arguments.
pub(crate) const UNRESERVED_ONLY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// DOAJ's argument for the premium key.
pub(crate) const API_KEY: &str = "api_key";

/// `base` with `arguments`, each escaped once.
///
/// The base URL's own arguments come first, unchanged. `api_key` comes last, so that a server that
/// truncates long URLs loses the key and not a token.
pub(crate) fn with_arguments(
    base: &Url,
    arguments: &[(&str, &str)],
    api_key: Option<&Secret>,
) -> Url {
    let mut query: Vec<String> = segments(base).map(str::to_owned).collect();
    let key = api_key.map(|key| (API_KEY, key.expose()));
    for (name, value) in arguments.iter().copied().chain(key) {
        query.push(format!(
            "{name}={}",
            utf8_percent_encode(value, UNRESERVED_ONLY)
        ));
    }
    let mut url = base.clone();
    url.set_fragment(None);
    url.set_query(Some(&query.join("&")));
    url
}

/// `url` without userinfo, fragment, `api_key` and the `arguments` of requests: a base URL.
///
/// Further arguments are left out if `drop` is true for their decoded name and value.
pub(crate) fn base_of(url: &Url, arguments: &[&str], drop: impl Fn(&str, &str) -> bool) -> Url {
    let kept: Vec<&str> = segments(url)
        .filter(|segment| {
            let name = name_of(segment);
            let value = segment.split_once('=').map_or("", |(_, value)| value);
            let value = percent_decode_str(value).decode_utf8_lossy();
            name != API_KEY && !arguments.contains(&name.as_str()) && !drop(&name, &value)
        })
        .collect();
    let mut base = url.clone();
    base.set_query((!kept.is_empty()).then(|| kept.join("&")).as_deref());
    base.set_fragment(None);
    // Both fail only for URLs that cannot have a userinfo, which then have none.
    let _ = base.set_username("");
    let _ = base.set_password(None);
    base
}

/// `base` without the arguments that are secret by name.
pub(crate) fn without_secrets(base: &Url, arguments: &[&str]) -> Url {
    base_of(base, arguments, |name, _| is_secret_name(name))
}

/// The first of `arguments` that `base` carries by mistake.
pub(crate) fn stray_argument(
    base: &Url,
    arguments: &'static [&'static str],
) -> Option<&'static str> {
    segments(base).find_map(|segment| {
        let name = name_of(segment);
        arguments.iter().copied().find(|known| *known == name)
    })
}

/// Whether two URLs belong to one site: the same host name, except for a leading `www.`.
/// Scheme and port may differ.
pub(crate) fn same_site(one: &Url, other: &Url) -> bool {
    site(one).is_some_and(|host| site(other) == Some(host))
}

fn site(url: &Url) -> Option<&str> {
    let host = url.host_str()?.trim_end_matches('.');
    Some(host.strip_prefix("www.").unwrap_or(host))
}

fn segments(url: &Url) -> impl Iterator<Item = &str> {
    let query = url.query().unwrap_or_default();
    query.split('&').filter(|segment| !segment.is_empty())
}

fn name_of(segment: &str) -> String {
    let name = segment.split_once('=').map_or(segment, |(name, _)| name);
    percent_decode_str(name).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARGUMENTS: &[&str] = &["verb", "set"];

    #[test]
    fn reads_base_urls_back() {
        let cases = [
            (
                "ours only",
                "https://x.org/oai?verb=Identify&api_key=k",
                "https://x.org/oai",
            ),
            (
                "theirs stay",
                "https://x.org/o?page=oai&verb=Identify",
                "https://x.org/o?page=oai",
            ),
            (
                "escaped name",
                "https://x.org/o?v%65rb=Identify",
                "https://x.org/o",
            ),
            (
                "login and fragment",
                "https://u:p@x.org/o#f",
                "https://x.org/o",
            ),
            (
                "dropped by value",
                "https://x.org/o?a=k%20y&b=1",
                "https://x.org/o?b=1",
            ),
        ];
        for (case, url, expected) in cases {
            let base = base_of(&Url::parse(url).unwrap(), ARGUMENTS, |_, value| {
                value == "k y"
            });
            assert_eq!(base.as_str(), expected, "{case}");
        }
        let base = Url::parse("https://x.org/o?apikey=s&page=1").unwrap();
        assert_eq!(
            without_secrets(&base, ARGUMENTS).as_str(),
            "https://x.org/o?page=1"
        );
    }

    #[test]
    fn finds_arguments_that_do_not_belong_into_a_base_url() {
        for (url, expected) in [
            ("https://x.org/oai?verb=Identify", Some("verb")),
            ("https://x.org/oai?a=1&set=b", Some("set")),
            ("https://x.org/oai?page=verb", None),
        ] {
            assert_eq!(
                stray_argument(&Url::parse(url).unwrap(), ARGUMENTS),
                expected,
                "{url}"
            );
        }
    }

    #[test]
    fn tells_sites_apart() {
        let cases = [
            ("same", "https://x.org/a", "https://x.org/b", true),
            (
                "scheme and port",
                "http://x.org:8080/",
                "https://x.org/",
                true,
            ),
            ("www added", "http://x.org/", "https://www.x.org/", true),
            ("www removed", "http://www.x.org/", "https://x.org/", true),
            (
                "case and final dot",
                "http://X.org./",
                "https://x.org/",
                true,
            ),
            ("other name", "http://x.org/", "https://y.org/", false),
            ("subdomain", "http://x.org/", "https://oai.x.org/", false),
            ("suffix", "http://x.org/", "https://evil-x.org/", false),
            (
                "longer name",
                "http://x.org/",
                "https://x.org.evil.net/",
                false,
            ),
        ];
        for (case, one, other, expected) in cases {
            let (one, other) = (Url::parse(one).unwrap(), Url::parse(other).unwrap());
            assert_eq!(same_site(&one, &other), expected, "{case}");
        }
    }
}
