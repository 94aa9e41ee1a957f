//! URLs and texts as they may be printed: without secrets.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem;
use percent_encoding::{percent_decode_str, utf8_percent_encode};
use url::Url;

use super::address::UNRESERVED_ONLY;
use super::settings::ClientSettings;

/// Replaces a secret.
pub(crate) const REDACTED: &str = "<redacted>";

/// Replaces a secret in what may be XML.
const REDACTED_CONTENT: &str = "[redacted]";

/// The longest URL that is printed, in characters: tokens can be kilobytes long.
const URL_CHARS: usize = 600;

/// Recognises the secrets of one client in every spelling that a server may repeat. Copies share them.
#[derive(Clone, Default)]
pub struct Redactor {
    /// The longest first, so that no part of one is left.
    spellings: Arc<[String]>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
}

impl Redactor {
    /// Collects the secrets of `settings`: the credentials, the userinfo of the base URL and of the
    /// proxy, and the base URL's own arguments that are secret by name.
    pub fn new(settings: &ClientSettings) -> Self {
        let credentials = &settings.credentials;
        let mut redactor = Spellings::default();
        if let Some(key) = &credentials.api_key {
            redactor.add(key.expose());
        }
        if let Some((user, password)) = &credentials.basic {
            redactor.add_login(user, password.expose());
        }
        if let Some(bearer) = &credentials.bearer {
            redactor.add(bearer.expose());
        }
        for (_, value) in &credentials.headers {
            redactor.add(value.expose());
            // Of `Authorization: Token xyz` a server may repeat only the secret part.
            if let Some((_, rest)) = value.expose().split_once(' ') {
                redactor.add(rest.trim());
            }
        }
        for url in [Some(&settings.url), settings.proxy.as_ref()]
            .into_iter()
            .flatten()
        {
            if let Some(password) = url.password() {
                let user = percent_decode_str(url.username()).decode_utf8_lossy();
                let decoded = percent_decode_str(password).decode_utf8_lossy();
                redactor.add(password);
                redactor.add_login(&user, &decoded);
            } else if !url.username().is_empty() {
                // A user name without a password is more often a token than a name.
                redactor.add(url.username());
            }
        }
        for (name, value) in settings.url.query_pairs() {
            if is_secret_name(&name) {
                redactor.add(&value);
            }
        }
        let mut spellings = redactor.0;
        spellings.sort_by(|one, other| other.len().cmp(&one.len()).then(one.cmp(other)));
        spellings.dedup();
        Self {
            spellings: spellings.into(),
        }
    }

    /// Whether `text` contains a secret.
    pub(crate) fn hits(&self, text: &str) -> bool {
        self.spellings
            .iter()
            .any(|spelling| text.contains(spelling))
    }

    /// `text` with each secret replaced.
    pub(crate) fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        replaced(text, self.spellings.iter(), REDACTED)
    }

    /// As [`Redactor::hits`], for bytes.
    pub(crate) fn hits_bytes(&self, bytes: &[u8]) -> bool {
        self.spellings
            .iter()
            .any(|spelling| memmem::find(bytes, spelling.as_bytes()).is_some())
    }

    /// Whether bytes contain a secret that [`Redactor::content`] replaces.
    pub(crate) fn hits_content(&self, bytes: &[u8]) -> bool {
        self.in_content()
            .any(|spelling| memmem::find(bytes, spelling.as_bytes()).is_some())
    }

    /// As [`Redactor::text`], for what a repository publishes: a secret that may be a word of some
    /// title stays, since replacing it would falsify records.
    pub(crate) fn content<'a>(&self, text: &'a str) -> Cow<'a, str> {
        replaced(text, self.in_content(), REDACTED_CONTENT)
    }

    fn in_content(&self) -> impl Iterator<Item = &String> {
        self.spellings
            .iter()
            .filter(|spelling| is_no_word(spelling))
    }

    /// `url` for a message, also without a secret in its path.
    pub(crate) fn url(&self, url: &Url) -> String {
        let shown = show_url(url);
        cut(&self.text(&shown), URL_CHARS)
    }

    /// The longest spelling, in bytes. The end of a truncated text may hold part of a secret that long.
    pub(crate) fn longest(&self) -> usize {
        self.spellings.first().map_or(0, String::len)
    }
}

/// The spellings of secrets while they are collected.
#[derive(Default)]
struct Spellings(Vec<String>);

impl Spellings {
    fn add_login(&mut self, user: &str, password: &str) {
        self.add(password);
        self.add(&STANDARD.encode(format!("{user}:{password}")));
    }

    fn add(&mut self, secret: &str) {
        if secret.is_empty() {
            return;
        }
        let encoded = utf8_percent_encode(secret, UNRESERVED_ONLY).to_string();
        let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        let html = secret
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;");
        self.0.extend([
            lower_case_escapes(&encoded),
            lower_case_escapes(&form),
            encoded,
            form,
            html,
            secret.to_owned(),
        ]);
    }
}

fn replaced<'a, 's>(
    text: &'a str,
    spellings: impl Iterator<Item = &'s String>,
    by: &str,
) -> Cow<'a, str> {
    let mut text = Cow::Borrowed(text);
    for spelling in spellings {
        if text.contains(spelling) {
            text = Cow::Owned(text.replace(spelling, by));
        }
    }
    text
}

/// Whether a secret cannot be a word or a number of ordinary text.
fn is_no_word(secret: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| secret.as_bytes().iter().any(kind);
    secret.len() >= 16
        || (secret.len() >= 8 && has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic))
}

/// `url` without userinfo and fragment, and with the values of arguments that are secret by name
/// replaced.
pub(crate) fn show_url(url: &Url) -> String {
    let mut bare = url.clone();
    bare.set_query(None);
    bare.set_fragment(None);
    // Both fail only for URLs that cannot have a userinfo, which then have none.
    let _ = bare.set_username("");
    let _ = bare.set_password(None);
    let mut shown = bare.to_string();
    for (index, segment) in url
        .query()
        .into_iter()
        .flat_map(|q| q.split('&'))
        .enumerate()
    {
        shown.push(if index == 0 { '?' } else { '&' });
        match segment.split_once('=') {
            Some((name, _)) if is_secret_name(&percent_decode_str(name).decode_utf8_lossy()) => {
                shown.push_str(name);
                shown.push('=');
                shown.push_str(REDACTED);
            }
            _ => shown.push_str(segment),
        }
    }
    shown
}

/// Whether an argument of this name counts as a secret. OAI-PMH's `resumptionToken` does not.
pub(crate) fn is_secret_name(name: &str) -> bool {
    const WHOLE: [&str; 6] = ["key", "sig", "auth", "pass", "pw", "pwd"];
    const PART: [&str; 8] = [
        "apikey",
        "token",
        "secret",
        "password",
        "passwd",
        "signature",
        "credential",
        "authorization",
    ];
    let name: String = name
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect();
    name != "resumptiontoken"
        && (WHOLE.contains(&name.as_str()) || PART.iter().any(|part| name.contains(part)))
}

/// The first `chars` characters of `text`, with an ellipsis if there are more.
pub(crate) fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// `%2B` as `%2b`: both mean the same byte, and servers echo either.
fn lower_case_escapes(encoded: &str) -> String {
    let mut pieces = encoded.split('%');
    let mut lowered = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        lowered.push('%');
        // An encoder wrote this: two ASCII digits always follow `%`.
        let (digits, rest) = piece.split_at(piece.len().min(2));
        lowered.push_str(&digits.to_ascii_lowercase());
        lowered.push_str(rest);
    }
    lowered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Secret;

    #[test]
    fn prints_urls_without_secrets() {
        let cases = [
            ("plain", "https://x.org/oai", "https://x.org/oai"),
            (
                "arguments stay",
                "https://x.org/oai?verb=ListRecords&resumptionToken=abc",
                "https://x.org/oai?verb=ListRecords&resumptionToken=abc",
            ),
            (
                "api_key",
                "https://x.org/oai?verb=Identify&api_key=s3",
                "https://x.org/oai?verb=Identify&api_key=<redacted>",
            ),
            (
                "odd spelling",
                "https://x.org/oai?API-Key=s3&a=1",
                "https://x.org/oai?API-Key=<redacted>&a=1",
            ),
            (
                "escaped name",
                "https://x.org/oai?api%5Fkey=s3",
                "https://x.org/oai?api%5Fkey=<redacted>",
            ),
            ("userinfo", "https://u:p@x.org/oai", "https://x.org/oai"),
            ("user alone", "https://tok@x.org/oai", "https://x.org/oai"),
            ("fragment", "https://x.org/oai#s3", "https://x.org/oai"),
            (
                "known secret in the path",
                "https://x.org/k%2Bey/oai",
                "https://x.org/<redacted>/oai",
            ),
        ];
        let mut settings = ClientSettings::new(Url::parse("https://x.org/oai").unwrap());
        settings.credentials.api_key = Some(Secret::new("k+ey"));
        let redactor = Redactor::new(&settings);
        for (case, url, expected) in cases {
            assert_eq!(redactor.url(&Url::parse(url).unwrap()), expected, "{case}");
        }
    }

    #[test]
    fn finds_each_spelling_of_a_secret() {
        let mut settings =
            ClientSettings::new(Url::parse("https://u:p%40ss@x.org/oai?apikey=own%20key").unwrap());
        settings.credentials.api_key = Some(Secret::new("a+b/c&d é"));
        settings.credentials.headers =
            vec![("x-access".to_owned(), Secret::new("Token header-secret"))];
        settings.proxy = Some(Url::parse("http://pu:pp-secret@proxy.example:3128").unwrap());
        let redactor = Redactor::new(&settings);
        let cases = [
            ("as it is", "a+b/c&d é"),
            ("percent-encoded", "a%2Bb%2Fc%26d%20%C3%A9"),
            ("lower-case escapes", "a%2bb%2fc%26d%20%c3%a9"),
            ("as a form", "a%2Bb%2Fc%26d+%C3%A9"),
            ("in HTML", "a+b/c&amp;d é"),
            ("userinfo as written", "p%40ss"),
            ("userinfo decoded", "p@ss"),
            ("userinfo as a header", "dTpwQHNz"),
            ("base URL's own key", "own key"),
            ("base URL's own key as written", "own%20key"),
            ("header", "Token header-secret"),
            ("header without scheme", "header-secret"),
            ("proxy", "pp-secret"),
        ];
        for (case, secret) in cases {
            let text = redactor.text(secret).into_owned();
            assert!(redactor.hits(secret), "{case}");
            assert_eq!(text, REDACTED, "{case}");
        }
        assert_eq!(redactor.text("nothing here"), "nothing here");
    }

    #[test]
    fn words_of_records_are_not_taken_for_secrets() {
        let cases = [
            ("archives", false),
            ("20240101", false),
            ("a1b2c3", false),
            ("a1b2c3d4", true),
            ("correct horse battery", true),
        ];
        for (secret, is_replaced) in cases {
            let mut settings = ClientSettings::new(Url::parse("https://x.org/oai").unwrap());
            settings.credentials.api_key = Some(Secret::new(secret));
            let redactor = Redactor::new(&settings);
            let text = format!("<dc:title>{secret}</dc:title>");
            assert_eq!(
                redactor.hits_content(text.as_bytes()),
                is_replaced,
                "{secret}"
            );
            assert_eq!(
                redactor.content(&text).contains(secret),
                !is_replaced,
                "{secret}"
            );
            assert!(!redactor.text(&text).contains(secret), "{secret}");
        }
    }

    #[test]
    fn truncates_long_urls_by_characters() {
        let url = Url::parse(&format!(
            "https://x.org/oai?resumptionToken={}",
            "a".repeat(4000)
        ));
        let shown = Redactor::default().url(&url.unwrap());
        assert_eq!(shown.chars().count(), URL_CHARS + 1);
        assert_eq!(cut("äöü", 2), "äö…");
        assert_eq!(cut("äöü", 3), "äöü");
    }
}
