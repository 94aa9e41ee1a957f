//! The meaning of Solr's answers: continue, wait, stop, or find the document at fault.

use std::time::SystemTime;

use serde_json::Value;

use crate::http::{Redactor, retry_after};
use crate::output::answer::{Answer, Meaning, line, plain, says_disk_is_full};

/// A document that a tolerant index left out while it took the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The document's id.
    pub(crate) id: String,
    /// The reason.
    pub(crate) reason: String,
}

const LOGIN: &str = "check user, password or token of this output";
const ADDRESS: &str =
    "check that urls name the core itself, such as http://localhost:8983/solr/biblio";
const READ_ONLY: &str = "make the collection writable again \
    (admin/collections?action=MODIFYCOLLECTION&collection=NAME&readOnly=false)";
const DISK: &str = "make room on the index's disk, then restart Solr if it stays read-only";

/// The meaning of an answer. Its texts are lines without the secrets that `redactor` knows.
pub(crate) fn judge(answer: &Answer, now: SystemTime, redactor: &Redactor) -> Meaning {
    let parsed: Option<Value> = serde_json::from_slice(&answer.body).ok();
    let message = message(answer, parsed.as_ref(), redactor);
    let stop = |why: String, advice| Meaning::Stop { why, advice };
    match answer.status {
        200..=299 => match parsed {
            Some(parsed) if parsed["responseHeader"]["status"] == 0 => Meaning::Done(parsed),
            Some(parsed) if parsed["responseHeader"].is_object() => {
                let status = &parsed["responseHeader"]["status"];
                Meaning::Wait {
                    why: format!(
                        "status {} in the answer: {message}",
                        line(&status.to_string(), redactor)
                    ),
                    pause: None,
                }
            }
            _ => stop(
                format!("HTTP {} without Solr's answer: {message}", answer.status),
                ADDRESS,
            ),
        },
        300..=399 => {
            let to = answer.location.as_deref().unwrap_or("nowhere");
            let to = line(to, redactor);
            stop(
                format!("HTTP {}, a redirect to {to}", answer.status),
                ADDRESS,
            )
        }
        400 | 409 | 422 if parsed.is_some() => Meaning::Refused(message),
        // A collection of a SolrCloud that was made so; the user is not at fault.
        403 if message.contains("is read-only") => {
            stop(format!("HTTP {}: {message}", answer.status), READ_ONLY)
        }
        401 | 403 | 407 => stop(format!("HTTP {}: {message}", answer.status), LOGIN),
        404 | 405 => stop(format!("HTTP {}: {message}", answer.status), ADDRESS),
        413 => Meaning::TooLarge,
        500 if names_any_document(&message) => Meaning::Refused(message),
        500..=599 if says_disk_is_full(&message) => {
            stop(format!("HTTP {}: {message}", answer.status), DISK)
        }
        408 | 425 | 429 | 500..=599 => Meaning::Wait {
            why: format!("HTTP {}: {message}", answer.status),
            pause: answer
                .retry_after
                .as_deref()
                .and_then(|text| retry_after(text, now)),
        },
        status => stop(format!("HTTP {status}: {message}"), ADDRESS),
    }
}

/// The documents that a successful update left out.
///
/// Source: Solr's `TolerantUpdateProcessor`, which answers 200 and lists them in the header.
pub(crate) fn refusals(answer: &Value, redactor: &Redactor) -> Vec<Refusal> {
    let errors = answer["responseHeader"]["errors"].as_array();
    errors
        .into_iter()
        .flatten()
        .map(|error| Refusal {
            id: error["id"].as_str().unwrap_or_default().to_owned(),
            reason: match error["message"].as_str() {
                Some(message) => line(message, redactor),
                None => line(&error.to_string(), redactor),
            },
        })
        .collect()
}

/// Whether a message names the document with this id, in one of Solr's two forms.
pub(crate) fn names_document(message: &str, id: &str) -> bool {
    message.contains(&format!("[doc={id}]"))
        || message.contains(&format!("document id {id} to the index"))
}

/// Whether the size of one document is at fault, whatever the schema is.
pub(crate) fn is_of_document(message: &str) -> bool {
    message.contains("immense term")
}

/// The part of a message that does not depend on the document.
pub(crate) fn cause(message: &str, id: &str) -> String {
    let without_id = message
        .replace(&format!("ERROR: [doc={id}] "), "")
        .replace(&format!("document id {id} to"), "document to");
    // What follows quotes the value.
    let end = [": [", "'='", " msg=", "(bytes", "prefix of the first"]
        .iter()
        .filter_map(|mark| without_id.find(mark))
        .min();
    without_id[..end.unwrap_or(without_id.len())].to_owned()
}

fn names_any_document(message: &str) -> bool {
    message.contains("[doc=") || message.contains("Exception writing document id ")
}

/// Solr's message, or the text of the answer if another server gave it.
fn message(answer: &Answer, parsed: Option<&Value>, redactor: &Redactor) -> String {
    let error = parsed.map(|parsed| &parsed["error"]);
    let said = error.and_then(|error| {
        let message = error["msg"].as_str();
        // Failures of the server itself may have nothing but a trace.
        message.or_else(|| error["trace"].as_str()?.lines().next())
    });
    // The server around Solr has errors in a form of its own.
    let said = said.or_else(|| parsed?["message"].as_str());
    let text = match said {
        Some(said) => said.to_owned(),
        None => plain(&String::from_utf8_lossy(&answer.body)),
    };
    match line(&text, redactor) {
        text if text.is_empty() => "no text".to_owned(),
        text => text,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::http::LINE_CHARS;

    fn meaning(status: u16, body: &str) -> Meaning {
        let answer = Answer {
            status,
            retry_after: Some("7".to_owned()),
            location: Some("https://login.example/".to_owned()),
            body: body.as_bytes().to_vec(),
        };
        judge(&answer, SystemTime::UNIX_EPOCH, &Redactor::default())
    }

    #[test]
    fn answers_say_what_to_do() {
        let html = "<html><body><h2>HTTP ERROR 404 Not Found</h2></body></html>";
        let error = |message: &str| format!("{{\"error\":{{\"msg\":\"{message}\",\"code\":400}}}}");
        let cases = [
            (
                "done",
                200,
                "{\"responseHeader\":{\"status\":0}}".to_owned(),
                "Done",
            ),
            ("html with success", 200, html.to_owned(), "Stop"),
            ("other json", 200, "{}".to_owned(), "Stop"),
            (
                "status within",
                200,
                "{\"responseHeader\":{\"status\":500}}".to_owned(),
                "Wait",
            ),
            ("redirect", 302, String::new(), "Stop"),
            (
                "unknown field",
                400,
                error("ERROR: [doc=1] unknown field 'x'"),
                "Refused",
            ),
            ("proxy's 400", 400, html.to_owned(), "Stop"),
            ("no login", 401, html.to_owned(), "Stop"),
            ("forbidden", 403, html.to_owned(), "Stop"),
            ("no core", 404, html.to_owned(), "Stop"),
            ("too large", 413, html.to_owned(), "TooLarge"),
            ("too many", 429, String::new(), "Wait"),
            ("server's fault", 500, error("NullPointerException"), "Wait"),
            (
                "a document's fault",
                500,
                error("Exception writing document id 1 to the index"),
                "Refused",
            ),
            ("disk", 500, error("No space left on device"), "Stop"),
            (
                "read-only",
                503,
                error("collection is in read-only mode"),
                "Stop",
            ),
            ("loading", 503, error("SolrCore is loading"), "Wait"),
            ("teapot", 418, String::new(), "Stop"),
        ];
        for (case, status, body, expected) in cases {
            let shown = format!("{:?}", meaning(status, &body));
            assert!(shown.starts_with(expected), "{case}: {shown}");
        }
        let Meaning::Stop { advice, .. } = meaning(403, &error("Collection b is read-only."))
        else {
            panic!("403 of such a collection is to stop");
        };
        assert_eq!(advice, READ_ONLY);
        let Meaning::Wait { pause, .. } = meaning(503, "") else {
            panic!("503 is to wait");
        };
        assert_eq!(pause, Some(Duration::from_secs(7)));
        let Meaning::Stop { why, .. } = meaning(404, html) else {
            panic!("404 is to stop");
        };
        assert_eq!(why, "HTTP 404: HTTP ERROR 404 Not Found");
    }

    #[test]
    fn texts_are_short_lines() {
        let long = format!("[doc=1]\\n\\u001b[2J{} field 'x'", "y".repeat(140_000));
        let Meaning::Refused(message) =
            meaning(400, &format!("{{\"error\":{{\"msg\":\"{long}\"}}}}"))
        else {
            panic!("400 with Solr's error refuses a document");
        };
        assert!(message.starts_with("[doc=1] <U+001B>[2Jyyy"), "{message}");
        assert!(message.ends_with("yyy field 'x'"), "{message}");
        assert!(message.chars().count() <= LINE_CHARS, "{message}");
    }

    #[test]
    fn messages_name_their_document() {
        let cases = [
            ("shape 1", "ERROR: [doc=a-1] unknown field 'x'", "a-1", true),
            (
                "another",
                "ERROR: [doc=a-12] unknown field 'x'",
                "a-1",
                false,
            ),
            (
                "shape 2",
                "Exception writing document id a-1 to the index; possible analysis error: Document \
                 contains at least one immense term in field=\"title_fullStr\"",
                "a-1",
                true,
            ),
            (
                "brackets",
                "ERROR: [doc=a]b] unknown field 'x'",
                "a]b",
                true,
            ),
            (
                "none",
                "Document is missing mandatory uniqueKey field: id",
                "a-1",
                false,
            ),
        ];
        for (case, message, id, expected) in cases {
            assert_eq!(names_document(message, id), expected, "{case}");
        }
    }

    #[test]
    fn causes_are_the_same_for_all_documents() {
        let cases = [
            ("ERROR: [doc=1] unknown field 'x'", "1", "unknown field 'x'"),
            (
                "ERROR: [doc=1] multiple values encountered for non multiValued field issn: [a, b]",
                "1",
                "multiple values encountered for non multiValued field issn",
            ),
            (
                "ERROR: [doc=1] Error adding field 'd'='2015' msg=Invalid Date String:'2015'",
                "1",
                "Error adding field 'd",
            ),
        ];
        for (message, id, expected) in cases {
            assert_eq!(cause(message, id), expected);
        }
    }

    #[test]
    fn tolerant_answers_list_what_they_left_out() {
        let answer = serde_json::json!({"responseHeader": {"status": 0, "errors": [
            {"type": "ADD", "id": "1", "message": "ERROR: [doc=1] unknown field 'x'"}]}});
        let expected = Refusal {
            id: "1".to_owned(),
            reason: "ERROR: [doc=1] unknown field 'x'".to_owned(),
        };
        assert_eq!(refusals(&answer, &Redactor::default()), [expected]);
    }
}
