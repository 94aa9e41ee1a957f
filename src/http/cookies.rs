//! The cookies of one client, in memory: some repositories keep the place of a list in a session.

use std::sync::{Mutex, MutexGuard, PoisonError};

use cookie_store::CookieStore;
use reqwest::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use url::Url;

/// How many cookies are kept.
///
/// Source: RFC 6265, 6.1, for one domain.
const MAX_COOKIES: usize = 50;

/// The longest `Set-Cookie` that is kept, in bytes.
///
/// Source: RFC 6265, 6.1.
const MAX_COOKIE_BYTES: usize = 4096;

/// The longest `Cookie` that is sent, in bytes. Common servers refuse headers from 8 KiB on.
const MAX_HEADER_BYTES: usize = 6 << 10;

/// The cookies that servers have set since the client was made. They go back only to the sites,
/// paths and schemes for which they were set, and are never stored or printed.
#[derive(Default)]
pub(crate) struct Cookies {
    kept: Mutex<CookieStore>,
}

impl Cookies {
    /// The headers with which `url` is requested: the cookies for it, unless `own` has some.
    pub(crate) fn headers(&self, url: &Url, own: &HeaderMap) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if own.contains_key(COOKIE) {
            return headers;
        }
        let mut text = String::new();
        for (name, value) in self.kept().get_request_values(url) {
            if text.len() + name.len() + value.len() + 3 > MAX_HEADER_BYTES {
                break;
            }
            if !text.is_empty() {
                text.push_str("; ");
            }
            text.push_str(name);
            text.push('=');
            text.push_str(value);
        }
        if text.is_empty() {
            return headers;
        }
        if let Ok(mut value) = HeaderValue::from_bytes(text.as_bytes()) {
            value.set_sensitive(true);
            headers.insert(COOKIE, value);
        }
        headers
    }

    /// Keeps the cookies of a reply from `url`.
    pub(crate) fn keep(&self, url: &Url, reply: &HeaderMap) {
        if !reply.contains_key(SET_COOKIE) {
            return;
        }
        let mut kept = self.kept();
        for value in reply.get_all(SET_COOKIE) {
            if value.len() > MAX_COOKIE_BYTES {
                continue;
            }
            let text = String::from_utf8_lossy(value.as_bytes());
            let full = kept.iter_any().count() >= MAX_COOKIES;
            let Ok(cookie) = cookie_store::Cookie::parse(text.into_owned(), url) else {
                continue;
            };
            let is_known = {
                let path = String::from(&cookie.path);
                let domain = String::from(&cookie.domain);
                kept.contains_any(&domain, &path, cookie.name())
            };
            if is_known || !full {
                // A cookie for another site is refused.
                let _ = kept.insert(cookie.into_owned(), url);
            }
        }
    }

    fn kept(&self) -> MutexGuard<'_, CookieStore> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn setting(cookies: &[&str]) -> HeaderMap {
        let pair = |text: &&str| (SET_COOKIE, text.parse().unwrap());
        cookies.iter().map(pair).collect()
    }

    fn sent(cookies: &Cookies, to: &str) -> Vec<String> {
        let headers = cookies.headers(&url(to), &HeaderMap::new());
        let text = headers.get(COOKIE).map_or("", |v| v.to_str().unwrap());
        let mut all: Vec<String> = text.split("; ").map(str::to_owned).collect();
        all.sort();
        all.retain(|one| !one.is_empty());
        all
    }

    #[test]
    fn cookies_go_back_to_where_they_are_from() {
        let from = "https://x.org/oai/request?verb=Identify";
        let cases: &[(&str, &[&str], &str, &[&str])] = &[
            ("session", &["a=1; HttpOnly", "b=2"], from, &["a=1", "b=2"]),
            ("replaced", &["a=1", "a=2"], from, &["a=2"]),
            ("taken back", &["a=1", "a=; Max-Age=0"], from, &[]),
            ("other path", &["a=1; Path=/oai"], "https://x.org/", &[]),
            ("path above", &["a=1; Path=/"], "https://x.org/i", &["a=1"]),
            ("secure", &["a=1; Path=/; Secure"], "http://x.org/", &[]),
            ("other site", &["a=1; Path=/"], "https://y.org/", &[]),
            ("for another site", &["a=1; Domain=y.org"], from, &[]),
            ("no cookie", &["", "=", "x"], from, &[]),
        ];
        for (case, set, to, expected) in cases {
            let cookies = Cookies::default();
            cookies.keep(&url(from), &setting(set));
            assert_eq!(sent(&cookies, to), *expected, "{case}");
        }
    }

    #[test]
    fn a_configured_cookie_is_sent_alone() {
        let cookies = Cookies::default();
        cookies.keep(&url("http://x.org/"), &setting(&["a=1"]));
        let own: HeaderMap = [(COOKIE, "own=1".parse().unwrap())].into_iter().collect();
        assert!(cookies.headers(&url("http://x.org/"), &own).is_empty());
    }

    #[test]
    fn no_server_fills_the_memory() {
        let cookies = Cookies::default();
        let from = url("http://x.org/");
        for number in 0..200 {
            let (name, long) = (format!("n{number}=1"), "x".repeat(5_000));
            cookies.keep(&from, &setting(&[&name, &format!("l{number}={long}")]));
        }
        assert_eq!(sent(&cookies, "http://x.org/").len(), MAX_COOKIES);
        cookies.keep(&from, &setting(&["n0=2"]));
        let all = sent(&cookies, "http://x.org/");
        assert!(
            all.contains(&"n0=2".to_owned()),
            "a known one still changes"
        );
        let cookies = Cookies::default();
        for number in 0..4 {
            let text = format!("n{number}={}", "x".repeat(3_000));
            cookies.keep(&from, &setting(&[&text]));
        }
        assert_eq!(sent(&cookies, "http://x.org/").len(), 2);
    }
}
