//! The change feed: what changed after a version, in the formats of the exports, with a wait for
//! what comes.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;

use super::arguments::{self, Arguments};
use super::render::{self, Body, renderer};
use super::{Ctx, Failure};
use crate::output::Format;
use crate::output::vufind::DocumentOptions;
use crate::store::{ChangeFilter, Per, Version, set_of_source};

/// Where to go on.
const NEXT: HeaderName = HeaderName::from_static("harvestd-next");

/// Whether there is more already.
const MORE: HeaderName = HeaderName::from_static("harvestd-more");

/// Records that could not be written in the format.
const FAILED: HeaderName = HeaderName::from_static("harvestd-failed");

const USUAL_LIMIT: u64 = 1_000;
const MOST_RECORDS: u64 = 10_000;

/// An answer ends after the record that brings it here, since it is made in memory.
const MOST_BYTES: usize = 16 << 20;

const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// Another process may store something, of which nobody tells us.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What is asked for.
struct Question {
    filter: ChangeFilter,
    /// Where the reader goes on.
    position: Position,
    limit: u64,
    wait: Duration,
    format: Format,
}

/// How far a reader is.
///
/// Written as a version. While it reads what there was when it began, and old deletions are forgotten,
/// a hyphen follows and the newest version of then: what was deleted before, it has never got, so that
/// it need not hear of that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Position {
    since: Version,
    began: Option<Version>,
}

impl Position {
    fn read(text: &str) -> Result<Self, Failure> {
        let version = |text: &str| {
            let number = arguments::whole("since", text)?;
            i64::try_from(number).map(Version).map_err(|_| {
                let message = format!("since={text} is too large");
                Failure::new(StatusCode::BAD_REQUEST, message)
            })
        };
        let (since, began) = match text.split_once('-') {
            None => (text, None),
            Some((since, began)) => (since, Some(version(began)?)),
        };
        Ok(Self {
            since: version(since)?,
            began,
        })
    }

    /// Everything up to here is told, or was of no concern.
    fn reaches(self) -> Version {
        self.began.unwrap_or_default().max(self.since)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.began {
            None => write!(f, "{}", self.since),
            Some(began) => write!(f, "{}-{began}", self.since),
        }
    }
}

/// Changes of the store.
struct Changes {
    body: Vec<u8>,
    records: u64,
    failed: u64,
    next: Position,
    /// There is more already.
    more: bool,
}

/// `GET /api/v1/changes?since=&limit=&wait=&source=&format=&per=`
pub(super) async fn changes(
    State(context): State<Ctx>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let Question {
        mut filter,
        mut position,
        limit,
        wait,
        format,
    } = question(query.as_deref())?;
    let config = context.shared.registry.config();
    filter.id_spaces = format.id_spaces(&config.documents);
    let deadline = Instant::now() + wait;
    let mut stored = context.shared.registry.stored();
    loop {
        stored.mark_unchanged();
        filter.since = Some(position.since);
        let (wanted, config) = (filter.clone(), Arc::clone(&config));
        let changes = context
            .read(move |reader| {
                let (least, newest) = (reader.min_since()?, reader.last_version()?);
                let reaches = position.reaches();
                let begins = position.since == Version(0);
                if !begins && (reaches < least || reaches > newest) {
                    return Ok(Err(gone(reaches, least, newest)));
                }
                let mut changes = read(reader, &wanted, limit, &config.documents, format)?;
                let began = if begins { Some(newest) } else { position.began };
                let is_needed = |began: &Version| least > Version(0) && changes.next.since < *began;
                changes.next.began = began.filter(is_needed);
                Ok(Ok(changes))
            })
            .await??;
        if changes.records > 0 || Instant::now() >= deadline {
            return Ok(answer(changes, format));
        }
        // What is not for this reader need not be looked through again.
        position = changes.next;
        tokio::select! {
            // The board outlives every request, so this ends only with a change.
            _ = stored.changed() => {}
            () = tokio::time::sleep_until(deadline.min(Instant::now() + LOOK_EVERY)) => {}
            () = context.shared.stop.requested() => return Ok(answer(changes, format)),
        }
    }
}

fn question(query: Option<&str>) -> Result<Question, Failure> {
    let known = ["since", "limit", "wait", "format", "per"];
    let arguments = Arguments::read(query, &known, &["source", "set"])?;
    let bad = |message: String| Failure::new(StatusCode::BAD_REQUEST, message);
    // Without a position, from the beginning.
    let position = arguments.text("since").map(Position::read).transpose()?;
    let limit = match arguments.number("limit")?.unwrap_or(USUAL_LIMIT) {
        0 => return Err(bad("limit must be at least 1".to_owned())),
        limit => limit.min(MOST_RECORDS),
    };
    let per = match arguments.text("per").unwrap_or("record") {
        "record" => Per::Record,
        "cluster" => Per::Cluster,
        other => {
            let message = format!("per={other:?} is not a unit; there is record, cluster");
            return Err(bad(message));
        }
    };
    let mut sets: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for text in arguments.texts("set") {
        let (source, set) = set_of_source(&text).map_err(bad)?;
        sets.entry(source).or_default().push(set);
    }
    let format = render::format(arguments.text("format").unwrap_or("jsonl"))?;
    Ok(Question {
        filter: ChangeFilter {
            since: None,
            sources: arguments.texts("source"),
            sets,
            per,
            with_others: false,
            by_identifier: format.is_by_identifier(),
            id_spaces: BTreeMap::new(),
        },
        position: position.unwrap_or_default(),
        limit,
        wait: Duration::from_secs(arguments.number("wait")?.unwrap_or(0)).min(LONGEST_WAIT),
        format,
    })
}

/// A position from which the changes do not tell everything: going on there would look right and
/// would not be.
fn gone(since: Version, least: Version, newest: Version) -> Failure {
    let why = if since > newest {
        format!(
            "this store's newest version is {newest}, so it must be of another store, or of this \
                 one before it was restored from a copy"
        )
    } else {
        format!("deletions up to version {least} are forgotten")
    };
    let message = format!(
        "changes since {since} cannot be told: {why}; start again with since=0, and drop what you \
         have and do not get"
    );
    Failure::new(StatusCode::GONE, message)
}

fn read(
    reader: &crate::store::Reader,
    filter: &ChangeFilter,
    limit: u64,
    documents: &DocumentOptions,
    format: Format,
) -> Result<Changes, crate::store::StoreError> {
    let mut body = Body::new(renderer(documents, format));
    let (mut records, mut more) = (0, false);
    let mut taken_away = Vec::new();
    // All tombstones: a reader may have got a record and stopped before it noted how far it was.
    let next = reader.changes_with_tombstones(filter, |record| {
        // Why one cannot be written is for whoever looks at it; how many there are is told.
        if body.push(&record).is_err() && filter.by_identifier {
            taken_away.push((record.identifier, record.source));
        }
        records += 1;
        more = records >= limit || body.len() >= MOST_BYTES;
        if more {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    // Under the same identifier another source may have a record that can be written.
    for (identifier, source) in taken_away {
        if let Some(living) = reader.find_in_other_source(&identifier, &source, filter)? {
            let _ = body.push(&living);
            records += 1;
        }
    }
    Ok(Changes {
        failed: body.failed,
        body: body.end(),
        records,
        next: Position {
            since: next,
            began: None,
        },
        more,
    })
}

fn answer(mut changes: Changes, format: Format) -> Response {
    if format == Format::Jsonl {
        let next = match changes.next.began {
            None => serde_json::json!(changes.next.since),
            Some(_) => serde_json::json!(changes.next.to_string()),
        };
        let last = serde_json::json!({ "next": next, "more": changes.more });
        changes.body.extend_from_slice(last.to_string().as_bytes());
        changes.body.push(b'\n');
    }
    let headers = [
        (header::CONTENT_TYPE, render::media_type(format)),
        (
            NEXT,
            HeaderValue::try_from(changes.next.to_string()).expect("digits are plain"),
        ),
        (
            MORE,
            HeaderValue::from_static(if changes.more { "true" } else { "false" }),
        ),
        (FAILED, HeaderValue::from(changes.failed)),
    ];
    (headers, changes.body).into_response()
}
