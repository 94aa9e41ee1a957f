//! How a request is written into a URL, and how a base URL is read back from one.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::Url;

use super::redact::is_secret_name;
use crate::oai::Request;
use crate::oai::settings::Secret;

/// Everything is escaped but RFC 3986's unreserved characters: tokens carry `+ & = % # ? /`.
pub(crate) const UNRESERVED_ONLY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The protocol's own arguments, which no base URL may carry.
pub(crate) const OAI_ARGUMENTS: [&str; 7] = [
    "verb",
    "identifier",
    "metadataPrefix",
    "from",
    "until",
    "set",
    "resumptionToken",
];

/// DOAJ's argument for the premium key.
pub(crate) const API_KEY: &str = "api_key";

/// The address of `request` at `base`.
///
/// The base URL's own arguments come first, as they are written; then `verb` and the request's
/// other arguments, each escaped once; `api_key` is last, so that a server which cuts long
/// addresses loses the key and not the token.
///
/// Source: OAI-PMH 2.0, 3.1.1.
pub fn request_url(base: &Url, request: &Request, api_key: Option<&Secret>) -> Url {
    let mut query: Vec<String> = segments(base).map(str::to_owned).collect();
    let key = api_key.map(|key| (API_KEY, key.expose()));
    for (name, value) in request.arguments().into_iter().chain(key) {
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

/// What is left of `url` without the arguments of a request, userinfo and fragment: a base URL.
///
/// With `drop` further arguments are left out: those for which it is true, given name and value
/// as they are meant.
pub(crate) fn base_of(url: &Url, drop: impl Fn(&str, &str) -> bool) -> Url {
    let kept: Vec<&str> = segments(url)
        .filter(|segment| {
            let name = name_of(segment);
            let value = segment.split_once('=').map_or("", |(_, value)| value);
            let value = percent_decode_str(value).decode_utf8_lossy();
            name != API_KEY && !OAI_ARGUMENTS.contains(&name.as_str()) && !drop(&name, &value)
        })
        .collect();
    let mut base = url.clone();
    base.set_query((!kept.is_empty()).then(|| kept.join("&")).as_deref());
    base.set_fragment(None);
    // Both fail only for addresses that cannot have a userinfo, which then have none.
    let _ = base.set_username("");
    let _ = base.set_password(None);
    base
}

/// `base` without the arguments that are secret by name.
pub(crate) fn without_secrets(base: &Url) -> Url {
    base_of(base, |name, _| is_secret_name(name))
}

/// The protocol's argument that stands in a base URL by mistake, if one does.
pub(crate) fn stray_argument(base: &Url) -> Option<&'static str> {
    segments(base).find_map(|segment| {
        let name = name_of(segment);
        OAI_ARGUMENTS.into_iter().find(|known| *known == name)
    })
}

/// Whether two addresses belong to one site: the same host name, but for a leading `www.`.
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
    use crate::oai::ResumptionToken;
    use crate::oai::request::{Selection, Verb};

    fn resume(token: &str) -> Request {
        Request::Resume {
            verb: Verb::ListRecords,
            token: ResumptionToken::new(token).unwrap(),
            metadata_prefix: None,
        }
    }

    #[test]
    fn writes_requests() {
        let key = Secret::new("k+1");
        let list = Request::ListRecords(Selection {
            metadata_prefix: "oai_doaj".to_owned(),
            set: Some("TENDOkFncmljdWx0dXJl~".to_owned()),
            from: Some("2024-01-01T00:00:00Z".to_owned()),
            until: Some(String::new()),
        });
        let token = "a+b&c=d%e#f?g/h:i é|\u{1F600}%7B";
        let cases = [
            (
                "bare base",
                "https://x.org/oai",
                Request::Identify,
                None,
                "https://x.org/oai?verb=Identify",
            ),
            (
                "no path",
                "https://x.org",
                Request::Identify,
                None,
                "https://x.org/?verb=Identify",
            ),
            (
                "dates and sets, no empty argument",
                "https://x.org/oai",
                list,
                None,
                "https://x.org/oai?verb=ListRecords&metadataPrefix=oai_doaj\
                 &set=TENDOkFncmljdWx0dXJl~&from=2024-01-01T00%3A00%3A00Z",
            ),
            (
                "token with every odd character, escaped once",
                "https://x.org/oai",
                resume(token),
                None,
                "https://x.org/oai?verb=ListRecords&resumptionToken=a%2Bb%26c%3Dd%25e%23f%3Fg%2Fh\
                 %3Ai%20%C3%A9%7C%F0%9F%98%80%257B",
            ),
            (
                "key last",
                "https://x.org/oai",
                resume("t"),
                Some(&key),
                "https://x.org/oai?verb=ListRecords&resumptionToken=t&api_key=k%2B1",
            ),
            (
                "base with a query",
                "https://x.org/index.php?page=oai&x=a+b%20c",
                Request::Identify,
                None,
                "https://x.org/index.php?page=oai&x=a+b%20c&verb=Identify",
            ),
            (
                "base with empty pieces and a fragment",
                "https://x.org/oai?&&a#top",
                Request::Identify,
                None,
                "https://x.org/oai?a&verb=Identify",
            ),
            (
                "base ending in a question mark",
                "https://x.org/oai?",
                Request::Identify,
                None,
                "https://x.org/oai?verb=Identify",
            ),
        ];
        for (case, base, request, key, expected) in cases {
            let url = request_url(&Url::parse(base).unwrap(), &request, key);
            assert_eq!(url.as_str(), expected, "{case}");
        }
    }

    #[test]
    fn an_escaped_token_reads_back_unchanged() {
        let token = "a+b&c=d%e#f?g/h:i é|%7B~'\"<>\\^`{}";
        let url = request_url(&Url::parse("http://x.org/o").unwrap(), &resume(token), None);
        let read = url
            .query_pairs()
            .find(|(name, _)| name == "resumptionToken");
        assert_eq!(read.unwrap().1, token);
    }

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
            let base = base_of(&Url::parse(url).unwrap(), |_, value| value == "k y");
            assert_eq!(base.as_str(), expected, "{case}");
        }
        let base = Url::parse("https://x.org/o?apikey=s&page=1").unwrap();
        assert_eq!(without_secrets(&base).as_str(), "https://x.org/o?page=1");
    }

    #[test]
    fn finds_arguments_that_do_not_belong_into_a_base_url() {
        for (url, expected) in [
            ("https://x.org/oai?verb=Identify", Some("verb")),
            ("https://x.org/oai?a=1&set=b", Some("set")),
            ("https://x.org/oai?page=verb", None),
        ] {
            assert_eq!(stray_argument(&Url::parse(url).unwrap()), expected, "{url}");
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
