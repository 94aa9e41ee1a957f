//! The meaning of the answers of OpenSearch and Elasticsearch.

use std::time::SystemTime;

use serde_json::Value;

use crate::http::{Redactor, retry_after};
use crate::output::answer::{Answer, Meaning, line, plain, says_disk_is_full};

const LOGIN: &str = "check user, password, bearer or headers of this output, and what this user may do with the index";
const ADDRESS: &str =
    "check that urls name nodes of OpenSearch or Elasticsearch, such as http://localhost:9200";
const READ_ONLY: &str = "make the index writable again \
    (index.blocks.write, index.blocks.read_only and index.blocks.read_only_allow_delete)";
const DISK: &str = "make room on the disks of the cluster";

/// The meaning of an answer. Its texts are lines without the secrets that `redactor` knows.
pub(crate) fn judge(answer: &Answer, now: SystemTime, redactor: &Redactor) -> Meaning {
    let parsed: Option<Value> = serde_json::from_slice(&answer.body).ok();
    let parsed = parsed.filter(Value::is_object);
    let message = match &parsed {
        Some(parsed) => reason(&parsed["error"], redactor),
        None => line(&plain(&String::from_utf8_lossy(&answer.body)), redactor),
    };
    let message = match message {
        text if text.is_empty() => "no text".to_owned(),
        text => text,
    };
    let stop = |why: String, advice| Meaning::Stop { why, advice };
    let with_status = || format!("HTTP {}: {message}", answer.status);
    match answer.status {
        200..=299 => match parsed {
            Some(parsed) => Meaning::Done(parsed),
            None => stop(
                format!(
                    "HTTP {} without an answer in JSON: {message}",
                    answer.status
                ),
                ADDRESS,
            ),
        },
        300..=399 => {
            let to = line(answer.location.as_deref().unwrap_or("nowhere"), redactor);
            stop(
                format!("HTTP {}, a redirect to {to}", answer.status),
                ADDRESS,
            )
        }
        400 | 409 | 422 if parsed.is_some() => Meaning::Refused(message),
        403 if is_blocked(&message) => stop(with_status(), READ_ONLY),
        401 | 403 | 407 => stop(with_status(), LOGIN),
        404 if parsed.is_some() => Meaning::Missing(message),
        413 => Meaning::TooLarge,
        // This request alone needs more memory than the node has for requests.
        429 if parsed.is_some_and(|parsed| parsed["error"]["durability"] == "PERMANENT") => {
            Meaning::TooLarge
        }
        500..=599 if says_disk_is_full(&message) => stop(with_status(), DISK),
        408 | 425 | 429 | 500..=599 => Meaning::Wait {
            why: with_status(),
            pause: answer
                .retry_after
                .as_deref()
                .and_then(|text| retry_after(text, now)),
        },
        _ => stop(with_status(), ADDRESS),
    }
}

/// The meaning of an error about one document of a batch.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ItemMeaning {
    /// The document is refused, with the reason.
    Refused(String),
    /// The index has a higher version, which the error names.
    Conflict(Option<i64>),
    /// A later attempt may succeed.
    Wait(String),
    /// No attempt succeeds until somebody has changed something.
    Stop(String, &'static str),
}

/// The meaning of an item's `status` and `error`.
pub(crate) fn judge_item(status: u64, error: &Value, redactor: &Redactor) -> ItemMeaning {
    let message = reason(error, redactor);
    match status {
        409 => ItemMeaning::Conflict(current_version(&message)),
        403 if is_blocked(&message) => ItemMeaning::Stop(message, READ_ONLY),
        401 | 403 => ItemMeaning::Stop(message, LOGIN),
        404 => ItemMeaning::Stop(
            message,
            "push with --all: it creates the index and fills it",
        ),
        408 | 429 | 500..=599 => ItemMeaning::Wait(format!("status {status}: {message}")),
        _ => ItemMeaning::Refused(message),
    }
}

/// The type of an error with its reason and that of its innermost cause, as one line.
pub(crate) fn reason(error: &Value, redactor: &Redactor) -> String {
    if let Some(text) = error.as_str() {
        return line(text, redactor);
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut parts = vec![text(&error["type"]), text(&error["reason"])];
    let mut cause = &error["caused_by"];
    while cause["caused_by"].is_object() {
        cause = &cause["caused_by"];
    }
    parts.push(text(&cause["reason"]));
    parts.retain(|part| !part.is_empty());
    parts.dedup();
    line(&parts.join(": "), redactor)
}

/// The version that the index has, in the words of a conflict.
///
/// Source: `VersionType.EXTERNAL_GTE` of OpenSearch and Elasticsearch.
fn current_version(message: &str) -> Option<i64> {
    let (_, rest) = message.split_once("current version [")?;
    rest.split_once(']')?.0.parse().ok()
}

fn is_blocked(message: &str) -> bool {
    message.contains("cluster_block_exception")
}

/// Whether only the document can be at fault, whatever the mapping is.
pub(crate) fn is_of_document(message: &str) -> bool {
    [
        "immense term",
        "is too long, must be no longer",
        "number of nested documents has exceeded",
    ]
    .iter()
    .any(|words| message.contains(words))
}

/// The part of a message that does not depend on the document.
pub(crate) fn cause(message: &str) -> String {
    // Elasticsearch begins some reasons with the place in the document, such as [1:23].
    let parts: Vec<&str> = message.split(": ").map(without_place).collect();
    let message = parts.join(": ");
    let end = [
        " in document with id",
        " Preview of field's value",
        " (whose UTF8",
        " For input string",
        ": id [",
    ]
    .iter()
    .filter_map(|mark| message.find(mark))
    .min();
    message[..end.unwrap_or(message.len())]
        .trim_end_matches('.')
        .to_owned()
}

fn without_place(text: &str) -> &str {
    let rest = text
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("] "));
    match rest {
        Some((place, rest)) if place.bytes().all(|b| b.is_ascii_digit() || b == b':') => rest,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
        let html = "<html><body><h1>It works</h1></body></html>".to_owned();
        let error = |kind: &str, reason: &str| {
            json!({"error": {"type": kind, "reason": reason}, "status": 0}).to_string()
        };
        let permanent = json!({"error": {"type": "circuit_breaking_exception", "reason": "Data too large",
            "durability": "PERMANENT"}});
        let cases = [
            ("done", 200, "{\"errors\":false}".to_owned(), "Done"),
            ("html with success", 200, html.clone(), "Stop"),
            ("redirect", 302, String::new(), "Stop"),
            (
                "bad request",
                400,
                error("parse_exception", "x"),
                "Refused(\"parse_exception: x\")",
            ),
            ("proxy's 400", 400, html.clone(), "Stop"),
            ("no login", 401, error("security_exception", "x"), "Stop"),
            (
                "read-only",
                403,
                error(
                    "cluster_block_exception",
                    "index [a] blocked by: [FORBIDDEN/8]",
                ),
                "Stop",
            ),
            (
                "no index",
                404,
                error("index_not_found_exception", "no such index [a]"),
                "Missing",
            ),
            ("other server", 404, html.clone(), "Stop"),
            ("too large", 413, String::new(), "TooLarge"),
            (
                "needs too much memory",
                429,
                permanent.to_string(),
                "TooLarge",
            ),
            (
                "busy",
                429,
                error("es_rejected_execution_exception", "x"),
                "Wait",
            ),
            (
                "no master",
                503,
                error("cluster_manager_not_discovered_exception", "x"),
                "Wait",
            ),
            (
                "disk",
                500,
                error("i_o_exception", "No space left on device"),
                "Stop",
            ),
            ("teapot", 418, String::new(), "Stop"),
        ];
        for (case, status, body, expected) in cases {
            let shown = format!("{:?}", meaning(status, &body));
            assert!(shown.starts_with(expected), "{case}: {shown}");
        }
    }

    #[test]
    fn errors_of_documents_say_what_to_do() {
        let judge = |status, kind: &str, reason: &str| {
            let error = json!({"type": kind, "reason": reason});
            judge_item(status, &error, &Redactor::default())
        };
        let conflict =
            "[a]: version conflict, current version [12] is higher than the one provided [3]";
        assert_eq!(
            judge(409, "version_conflict_engine_exception", conflict),
            ItemMeaning::Conflict(Some(12))
        );
        let rejected = judge(429, "rejected_execution_exception", "queue is full");
        assert!(matches!(rejected, ItemMeaning::Wait(_)));
        let gone = judge(404, "index_not_found_exception", "no such index [a]");
        assert!(matches!(gone, ItemMeaning::Stop(..)));
        let blocked = judge(403, "cluster_block_exception", "blocked by: [FORBIDDEN/8]");
        assert!(matches!(blocked, ItemMeaning::Stop(_, READ_ONLY)));
        let bad = judge(400, "mapper_parsing_exception", "failed to parse");
        assert_eq!(
            bad,
            ItemMeaning::Refused("mapper_parsing_exception: failed to parse".to_owned())
        );
    }

    #[test]
    fn causes_are_the_same_for_all_documents() {
        let cases = [
            (
                "mapper_parsing_exception: failed to parse field [datestamp] of type [date] in document with \
                 id 'a-1'. Preview of field's value: 'x': failed to parse date field [x]",
                "mapper_parsing_exception: failed to parse field [datestamp] of type [date]",
            ),
            (
                "document_parsing_exception: [1:23] failed to parse field [n] of type [long] in document \
                 with id 'a-1'. Preview of field's value: 'x'",
                "document_parsing_exception: failed to parse field [n] of type [long]",
            ),
            (
                "strict_dynamic_mapping_exception: [1:2] mapping set to strict, dynamic introduction of \
                 [a] within [_doc] is not allowed",
                "strict_dynamic_mapping_exception: mapping set to strict, dynamic introduction of [a] \
                 within [_doc] is not allowed",
            ),
        ];
        for (message, expected) in cases {
            assert_eq!(cause(message), expected);
        }
    }
}
