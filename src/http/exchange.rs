//! One request and its reply, as an error message shows them.

use std::borrow::Cow;
use std::fmt;

use reqwest::header::CONTENT_TYPE;

use super::head::Head;
use super::line::{excerpt, one_line};
use super::redact::Redactor;

/// How many bytes of a body are searched for its title and first words.
const SHOWN_BYTES: usize = 64 << 10;

/// The longest excerpt of a body, and the longest title, in characters.
const EXCERPT_CHARS: usize = 200;

/// One request and its reply: without secrets, each text on one line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exchange {
    /// The URL, with the arguments of the request.
    pub url: String,
    /// The HTTP status; `None` if there was no reply.
    pub status: Option<u16>,
    /// `Content-Type` as sent.
    pub content_type: Option<String>,
    /// The title, if the body is an HTML page.
    pub title: Option<String>,
    /// The first 200 characters of the body.
    pub excerpt: Option<String>,
}

impl Exchange {
    /// Adds the reply: its status, its type and the beginning of `body`.
    pub(crate) fn describe(&mut self, head: &Head, body: &[u8], redactor: &Redactor) {
        self.status = Some(head.status.as_u16());
        self.content_type = head
            .text(&CONTENT_TYPE)
            .map(|text| excerpt(&redactor.text(text), 100));
        let mut shown = &body[..body.len().min(SHOWN_BYTES)];
        if shown.len() < body.len() {
            // A secret that was cut in two would not be recognised.
            shown = &shown[..shown.len().saturating_sub(redactor.longest())];
        }
        let text = String::from_utf8_lossy(shown);
        let text = redactor.text(&text);
        self.title = html_title(&text).map(|title| excerpt(&title, EXCERPT_CHARS));
        self.excerpt = Some(excerpt(&text, EXCERPT_CHARS)).filter(|line| !line.is_empty());
    }
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GET {}", self.url)?;
        let Some(status) = self.status else {
            return Ok(());
        };
        write!(f, " answered HTTP {status}")?;
        if let Some(content_type) = &self.content_type {
            write!(f, ", {content_type}")?;
        }
        match (&self.title, &self.excerpt) {
            (Some(title), _) => write!(f, ", page titled {title:?}"),
            (None, Some(excerpt)) => write!(f, ", {excerpt:?}"),
            (None, None) => Ok(()),
        }
    }
}

/// The title of an HTML page, on one line. Character references become what they mean, unless one of
/// them has no meaning.
pub(crate) fn html_title(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let start = lower.find("<title")?;
    let start = start + lower[start..].find('>')? + 1;
    let end = start + lower[start..].find('<')?;
    let written = &text[start..end];
    let title = quick_xml::escape::unescape(written).unwrap_or(Cow::Borrowed(written));
    Some(one_line(&title)).filter(|title| !title.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::head::tests::head;
    use super::*;

    #[test]
    fn describes_on_one_line() {
        type Case<'a> = (&'a str, &'a [u8], Option<&'a str>, Option<&'a str>);
        let cases: &[Case<'_>] = &[
            ("empty", b" \n", None, None),
            (
                "text",
                b"too\r\n\r\n many\x1b requests",
                None,
                Some("too many<U+001B> requests"),
            ),
            (
                "page",
                b"<HTML><Title lang=en>\n 503\n Busy </Title>",
                Some("503 Busy"),
                Some("<HTML><Title lang=en> 503 Busy </Title>"),
            ),
            (
                "references",
                b"<title>it&#39;s &eacute;l&egrave;ve</title>",
                Some("it's \u{e9}l\u{e8}ve"),
                Some("<title>it&#39;s &eacute;l&egrave;ve</title>"),
            ),
            (
                "no reference",
                b"<title>A&B; C</title>",
                Some("A&B; C"),
                Some("<title>A&B; C</title>"),
            ),
            ("title without end", b"<title>x", None, Some("<title>x")),
            ("bytes", b"\xff\xfe<", None, Some("\u{fffd}\u{fffd}<")),
        ];
        for (case, body, title, excerpt) in cases {
            let mut exchange = Exchange::default();
            exchange.describe(&head(503, &[]), body, &Redactor::default());
            assert_eq!(exchange.title.as_deref(), *title, "{case}");
            assert_eq!(exchange.excerpt.as_deref(), *excerpt, "{case}");
        }
        let mut exchange = Exchange::default();
        let long = "é".repeat(999);
        exchange.describe(&head(503, &[]), long.as_bytes(), &Redactor::default());
        assert_eq!(exchange.excerpt.unwrap().chars().count(), EXCERPT_CHARS);
    }
}
