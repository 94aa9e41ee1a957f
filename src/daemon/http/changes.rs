//! The change feed: what changed after a version, as lines of JSON, with a wait for what comes.

use std::ops::ControlFlow;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;

use super::arguments::Arguments;
use super::{Ctx, Failure, line};
use crate::store::{ChangeFilter, Version};

/// Where to go on; the last line says the same.
const NEXT: HeaderName = HeaderName::from_static("harvestd-next");

const USUAL_LIMIT: u64 = 1_000;
const MOST_RECORDS: u64 = 10_000;

/// An answer ends after the record that brings it here, since it is made in memory.
const MOST_BYTES: usize = 16 << 20;

const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// Another process may store something, of which nobody tells us.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Changes of the store.
struct Changes {
    lines: Vec<u8>,
    records: u64,
    next: Version,
    /// There is more already.
    more: bool,
}

/// `GET /api/v1/changes?since=&limit=&wait=&source=`
pub(super) async fn changes(
    State(context): State<Ctx>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let arguments = Arguments::read(query.as_deref(), &["since", "limit", "wait"], &["source"])?;
    let since = match arguments.number("since")? {
        None => None,
        Some(since) => Some(Version(i64::try_from(since).map_err(|_| {
            Failure::new(
                StatusCode::BAD_REQUEST,
                format!("since={since} is too large"),
            )
        })?)),
    };
    let limit = match arguments.number("limit")?.unwrap_or(USUAL_LIMIT) {
        0 => {
            let message = "limit must be at least 1";
            return Err(Failure::new(StatusCode::BAD_REQUEST, message));
        }
        limit => limit.min(MOST_RECORDS),
    };
    let wait = Duration::from_secs(arguments.number("wait")?.unwrap_or(0)).min(LONGEST_WAIT);
    let mut filter = ChangeFilter {
        since,
        sources: arguments.texts("source"),
        ..ChangeFilter::default()
    };

    let deadline = Instant::now() + wait;
    let mut stored = context.shared.board.stored();
    loop {
        stored.mark_unchanged();
        let wanted = filter.clone();
        let changes = context
            .read(move |reader| {
                let (mut lines, mut records, mut more) = (Vec::new(), 0, false);
                let next = reader.changes(&wanted, |record| {
                    line::push(&record, &mut lines);
                    records += 1;
                    more = records >= limit || lines.len() >= MOST_BYTES;
                    if more {
                        ControlFlow::Break(())
                    } else {
                        ControlFlow::Continue(())
                    }
                })?;
                Ok(Changes {
                    lines,
                    records,
                    next,
                    more,
                })
            })
            .await?;
        if changes.records > 0 || Instant::now() >= deadline {
            return Ok(answer(changes));
        }
        // What is not for this reader need not be looked through again.
        if filter.since.is_some() {
            filter.since = Some(changes.next);
        }
        tokio::select! {
            // The board outlives every request, so this ends only with a change.
            _ = stored.changed() => {}
            () = tokio::time::sleep_until(deadline.min(Instant::now() + LOOK_EVERY)) => {}
            () = context.shared.stop.requested() => return Ok(answer(changes)),
        }
    }
}

fn answer(mut changes: Changes) -> Response {
    let last = serde_json::json!({ "next": changes.next, "more": changes.more });
    changes.lines.extend_from_slice(last.to_string().as_bytes());
    changes.lines.push(b'\n');
    let next = HeaderValue::from(changes.next.0);
    let kind = HeaderValue::from_static("application/x-ndjson; charset=utf-8");
    ([(header::CONTENT_TYPE, kind), (NEXT, next)], changes.lines).into_response()
}
