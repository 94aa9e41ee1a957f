//! Bulk actions, and what the answer to a batch says of each document.

use bytes::Bytes;
use serde_json::Value;

use super::answer::{self, ItemMeaning, cause, is_of_document};
use crate::http::Redactor;
use crate::output::json;
use crate::output::target::{Change, Refusal};

/// The longest id that an index takes, in bytes.
pub(crate) const MAX_ID_BYTES: usize = 512;

/// A change that the index has not decided about yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Open {
    /// The change's position in its batch.
    pub(crate) position: usize,
    /// The external version to write it with.
    pub(crate) version: i64,
}

/// The decisions about the changes of one request, except those that were carried out.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Decisions {
    /// Refused.
    pub(crate) refused: Vec<(usize, Refusal)>,
    /// The index has a higher version, which `version` is then, if the error names it.
    pub(crate) conflicts: Vec<Open>,
    /// To be tried again later.
    pub(crate) waiting: Vec<Open>,
    /// Why the first of these has to wait.
    pub(crate) why: String,
    /// Why no further try helps, and what to do.
    pub(crate) stop: Option<(String, &'static str)>,
}

/// The actions of some changes of a batch.
pub(crate) fn actions(batch: &[Change], open: &[Open]) -> Bytes {
    let bytes = open
        .iter()
        .map(|open| batch[open.position].body.len() + batch[open.position].id.len() + 100);
    let mut actions = Vec::with_capacity(bytes.sum());
    for Open { position, version } in open {
        let change = &batch[*position];
        let begin: &[u8] = match change.is_add() {
            true => b"{\"index\":{\"_id\":",
            false => b"{\"delete\":{\"_id\":",
        };
        actions.extend_from_slice(begin);
        json::push_string(&mut actions, &change.id);
        let rest = format!(",\"version\":{version},\"version_type\":\"external_gte\"}}}}\n");
        actions.extend_from_slice(rest.as_bytes());
        if change.is_add() {
            actions.extend_from_slice(&change.body);
            actions.push(b'\n');
        }
    }
    Bytes::from(actions)
}

/// The decisions in an answer; `None` if it has not one for each change.
pub(crate) fn decisions(
    batch: &[Change],
    open: &[Open],
    answer: &Value,
    redactor: &Redactor,
) -> Option<Decisions> {
    let mut decisions = Decisions::default();
    if answer["errors"] == false && open.iter().all(|open| batch[open.position].is_add()) {
        // Nothing needs a look at each.
        return (answer["items"].as_array()?.len() == open.len()).then_some(decisions);
    }
    let items = answer["items"].as_array()?;
    if items.len() != open.len() {
        return None;
    }
    for (open, item) in open.iter().zip(items) {
        let change = &batch[open.position];
        let outcome = match change.is_add() {
            true => &item["index"],
            false => &item["delete"],
        };
        let status = outcome["status"].as_u64()?;
        let error = &outcome["error"];
        match (status, error) {
            (200..=299, _) => continue,
            // There was nothing to delete.
            (404, Value::Null) if !change.is_add() => continue,
            _ => {}
        }
        match answer::judge_item(status, error, redactor) {
            ItemMeaning::Refused(reason) => {
                decisions.refused.push((open.position, refusal(reason)));
            }
            ItemMeaning::Conflict(current) => decisions.conflicts.push(Open {
                version: current.unwrap_or(open.version),
                ..*open
            }),
            ItemMeaning::Wait(why) => {
                if decisions.waiting.is_empty() {
                    decisions.why = why;
                }
                decisions.waiting.push(*open);
            }
            ItemMeaning::Stop(why, advice) => {
                decisions.stop.get_or_insert((why, advice));
            }
        }
    }
    Some(decisions)
}

/// The refusal of one document.
pub(crate) fn refusal(reason: String) -> Refusal {
    Refusal {
        cause: cause(&reason),
        is_of_document: is_of_document(&reason),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::output::vufind::Command;
    use crate::store::Version;

    fn change(id: &str, command: Command) -> Change {
        Change {
            id: id.to_owned(),
            source: "s".to_owned(),
            identifier: id.to_owned(),
            version: Version(5),
            order: Version(5),
            is_repair: false,
            command,
            body: Bytes::from_static(b"{\"a\":1}"),
            fault: None,
        }
    }

    fn open(count: usize) -> Vec<Open> {
        let open = |position| Open {
            position,
            version: 5,
        };
        (0..count).map(open).collect()
    }

    #[test]
    fn actions_carry_versions() {
        let batch = [change("a\"b", Command::Add), change("c", Command::Delete)];
        assert_eq!(
            std::str::from_utf8(&actions(&batch, &open(2))).unwrap(),
            "{\"index\":{\"_id\":\"a\\\"b\",\"version\":5,\"version_type\":\"external_gte\"}}\n{\"a\":1}\n\
             {\"delete\":{\"_id\":\"c\",\"version\":5,\"version_type\":\"external_gte\"}}\n"
        );
    }

    #[test]
    fn each_document_has_its_decision() {
        let batch: Vec<Change> = ["a", "b", "c", "d"]
            .map(|id| change(id, Command::Add))
            .into_iter()
            .chain([change("e", Command::Delete)])
            .collect();
        let item = |status: u16, kind: &str, reason: &str| json!({"index": {"status": status, "error": {"type": kind, "reason": reason}}});
        let answer = json!({"errors": true, "items": [
            {"index": {"status": 201}},
            item(400, "mapper_parsing_exception", "bad"),
            item(409, "version_conflict_engine_exception", "x, current version [9] is higher"),
            item(429, "rejected_execution_exception", "busy"),
            {"delete": {"status": 404}},
        ]});
        let decide = |answer: &Value| decisions(&batch, &open(5), answer, &Redactor::default());
        let found = decide(&answer).unwrap();
        assert_eq!(found.refused.len(), 1);
        assert_eq!(found.refused[0].0, 1);
        assert_eq!(
            found.conflicts,
            [Open {
                position: 2,
                version: 9
            }]
        );
        assert_eq!(
            found.waiting,
            [Open {
                position: 3,
                version: 5
            }]
        );
        assert_eq!(found.stop, None);
        assert_eq!(decide(&json!({"errors": true, "items": []})), None);
        assert_eq!(decide(&json!({"errors": false})), None);
    }
}
