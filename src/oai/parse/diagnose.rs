//! Tells what a body is if it is not XML.

use std::borrow::Cow;

use super::error::{LooksLike, ParseError};
use crate::http::{Redactor, excerpt, html_title};
use crate::oai::parse::chars::skip_blanks;

/// How much of a body is examined, in characters.
const HEAD_CHARS: usize = 64 << 10;

/// The longest excerpt and title, in characters.
const EXCERPT_CHARS: usize = 120;

/// Tags that only HTML has. They identify even a fragment.
const HTML_TAGS: [&str; 16] = [
    "!doctype html",
    "html",
    "head",
    "body",
    "title",
    "meta",
    "script",
    "h1",
    "h2",
    "p",
    "br",
    "b",
    "div",
    "center",
    "pre",
    "table",
];

/// The kind of `text` as an error without secrets; `None` if it seems to be XML.
pub(super) fn not_xml(text: &str, redactor: Option<&Redactor>) -> Option<ParseError> {
    let head = head(text.trim_start_matches(['\u{FEFF}', ' ', '\t', '\r', '\n']));
    // Before it is cut: a part of a secret would not be recognised.
    let head = redactor.map_or(Cow::Borrowed(head), |redactor| redactor.text(head));
    let looks_like = if head.contains('\0') || head.matches('\u{FFFD}').count() > head.len() / 16 {
        LooksLike::Binary
    } else if is_html(&head) {
        LooksLike::Html {
            title: html_title(&head).map(|title| excerpt(&title, EXCERPT_CHARS)),
        }
    } else if head.starts_with('<') {
        return None;
    } else if head.starts_with(['{', '[']) {
        LooksLike::Json
    } else {
        LooksLike::Text
    };
    Some(ParseError::NotXml {
        looks_like,
        excerpt: excerpt(&head, EXCERPT_CHARS),
    })
}

/// Whether the first tag after declaration and comments is one of HTML.
fn is_html(head: &str) -> bool {
    let mut rest = head;
    loop {
        rest = skip_blanks(rest);
        let skipped = if rest.starts_with("<?") {
            rest.split_once("?>")
        } else if rest.starts_with("<!--") {
            rest.split_once("-->")
        } else {
            break;
        };
        match skipped {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    HTML_TAGS.iter().any(|tag| starts_with_tag(rest, tag))
}

fn starts_with_tag(text: &str, tag: &str) -> bool {
    let Some(rest) = text.strip_prefix('<') else {
        return false;
    };
    rest.get(..tag.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(tag))
        && rest[tag.len()..].starts_with(|c: char| c.is_whitespace() || c == '>' || c == '/')
}

fn head(text: &str) -> &str {
    let end = text.char_indices().map(|(at, _)| at).nth(HEAD_CHARS);
    &text[..end.unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classifies_bodies() {
        let html = |title: Option<&str>| LooksLike::Html {
            title: title.map(str::to_owned),
        };
        let cases = [
            (
                "page",
                "\n<!DOCTYPE HTML>\n<HTML><head><TITLE>\n Just a\n moment... </TITLE>",
                Some(html(Some("Just a moment..."))),
            ),
            ("untitled page", "<html><body>", Some(html(None))),
            (
                "xhtml",
                "<?xml version='1.0'?><!-- --><html xmlns='u'>",
                Some(html(None)),
            ),
            ("fragment", "<h1>503</h1>", Some(html(None))),
            ("warning", "<br />\n<b>Warning</b>", Some(html(None))),
            ("json", "{\"error\": 1}", Some(LooksLike::Json)),
            ("text", "Too many requests", Some(LooksLike::Text)),
            ("zeros", "a\0\0", Some(LooksLike::Binary)),
            (
                "noise",
                "\u{1F}\u{FFFD}\u{8}\u{FFFD}",
                Some(LooksLike::Binary),
            ),
            ("xml", "<?xml version='1.0'?><bread/>", None),
            ("cut declaration", "<?xml vers", None),
        ];
        for (case, text, expected) in cases {
            let found = not_xml(text, None).map(|error| match error {
                ParseError::NotXml { looks_like, .. } => looks_like,
                other => panic!("{case}: {other}"),
            });
            assert_eq!(found, expected, "{case}");
        }
    }

    #[test]
    fn excerpts_are_short() {
        let error = not_xml(&"many words é ".repeat(10_000), None).unwrap();
        assert!(error.to_string().len() < 300, "{error}");
    }
}
