//! Texts of a repository that are for people: whatever it sends, they are short lines in which nothing
//! acts on a terminal.

#![no_main]

use harvestd::http::{ClientSettings, LINE_CHARS, Redactor, Secret, one_line};
use harvestd::oai::Content;
use harvestd::oai::parse::{Hints, parse};
use harvestd::oai::request::Verb;
use libfuzzer_sys::fuzz_target;
use url::Url;

/// The secret that was sent with the request.
const KEY: &str = "a1b2c3d4e5f6";

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let line = one_line(&text);
    check_shape(&line);
    assert_eq!(one_line(&line), line, "a line stays as it is");

    let mut settings = ClientSettings::new(Url::parse("https://x.example/oai").expect("a URL"));
    settings.credentials.api_key = Some(Secret::new(KEY));
    let redactor = Redactor::new(&settings);
    let hints = |verb| Hints {
        redactor: Some(&redactor),
        ..Hints::new(verb)
    };
    // As element, as attribute and as name of an element, as it is and next to the secret.
    let escaped = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;");
    for text in [escaped.clone(), format!("{escaped}{KEY}{escaped}")] {
        for (verb, content) in [
            (
                Verb::ListRecords,
                format!("<error code=\"{text}\">{text}</error>"),
            ),
            (
                Verb::Identify,
                format!(
                    "<Identify><repositoryName>{text}</repositoryName><adminEmail>{text}</adminEmail>\
                     <baseURL>{text}</baseURL></Identify>"
                ),
            ),
            (
                Verb::ListSets,
                format!(
                    "<ListSets><set><setSpec>a</setSpec><setName>{text}</setName></set></ListSets>"
                ),
            ),
        ] {
            let body = format!(
                "<OAI-PMH xmlns=\"http://www.openarchives.org/OAI/2.0/\">{content}</OAI-PMH>"
            );
            match parse(body.as_bytes(), hints(verb)) {
                Ok(response) => lines(&response.content).into_iter().for_each(check),
                Err(error) => assert!(!error.to_string().contains(KEY), "{error}"),
            }
        }
    }
    // A body that is nothing but the text.
    if let Err(error) = parse(bytes, hints(Verb::Identify)) {
        assert!(
            error.to_string().chars().count() < 4 * LINE_CHARS,
            "{error}"
        );
        assert!(!error.to_string().contains(KEY), "{error}");
    }
});

/// The texts of an answer that are for people.
fn lines(content: &Content) -> Vec<&str> {
    match content {
        Content::Errors(errors) => errors
            .iter()
            .flat_map(|error| [error.code.as_str(), &error.message])
            .collect(),
        Content::Identify(identify) => identify
            .repository_name
            .iter()
            .chain(&identify.base_url)
            .chain(&identify.admin_emails)
            .map(String::as_str)
            .collect(),
        Content::Sets(list) => list
            .items
            .iter()
            .filter_map(|set| set.set_name.as_deref())
            .collect(),
        _ => Vec::new(),
    }
}

fn check(line: &str) {
    check_shape(line);
    assert!(!line.contains(KEY), "{line:?}");
}

fn check_shape(line: &str) {
    assert!(line.chars().count() <= LINE_CHARS, "{line:?}");
    assert!(!line.contains(char::is_control), "{line:?}");
    let turns = |c| matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}');
    assert!(!line.contains(turns), "{line:?}");
}
