//! The change feed: records that changed after a version, in every format of the exports.
//!
//! A reader passes on the position of the last response and may wait for the next change.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, RawQuery, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};

use super::position::Position;
use crate::config::Config;
use crate::daemon::http::arguments::{self, Number};
use crate::daemon::http::failure::ErrorBody;
use crate::daemon::http::listener::Client;
use crate::daemon::http::places::LargePlace;
use crate::daemon::http::render::{self, Body, FormatName, renderer};
use crate::daemon::http::{Ctx, Failure};
use crate::output::Format;
use crate::output::vufind::DocumentOptions;
use crate::store::{self, ChangeFilter, Reader, Version, set_of_source};

/// The position for the next request.
const NEXT: HeaderName = HeaderName::from_static("harvestd-next");

/// Whether there may be more changes already.
const MORE: HeaderName = HeaderName::from_static("harvestd-more");

/// Records that could not be written in the format.
const FAILED: HeaderName = HeaderName::from_static("harvestd-failed");

const DEFAULT_LIMIT: u64 = 1_000;
const MAX_LIMIT: u64 = 10_000;

/// A response ends after the record that reaches this size, because it is made in memory.
const MAX_BYTES: usize = 4 << 20;

const MAX_WAIT: Duration = Duration::from_secs(120);

/// How often a waiting request looks for changes that another process has stored.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Which changes to get, and how.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::daemon::http) struct ChangesQuery {
    /// Only changes after this position, which is the `next` of the response before.
    ///
    /// 0, the default, gives the whole store.
    #[param(value_type = String, required = false, pattern = "^[0-8]?[0-9]{1,18}(-[0-8]?[0-9]{1,18})?$")]
    since: Option<Position>,
    /// The most records to return: 1000 by default, 10000 at most.
    #[param(value_type = usize, required = false, minimum = 1, default = json!(1000))]
    limit: Option<Number>,
    /// If there is no change, wait so many seconds for one; 120 at most.
    #[param(value_type = usize, required = false, minimum = 0, default = json!(0))]
    wait: Option<Number>,
    /// The format of the records; `jsonl` by default.
    #[param(inline, value_type = FormatName, required = false)]
    format: Option<FormatName>,
    /// What an item is; `record` by default.
    #[param(value_type = Per, inline, required = false)]
    per: Option<Per>,
    /// Only records of this source; may be repeated.
    #[serde(default)]
    #[param(explode, required = false)]
    source: Vec<String>,
    /// Only records in this set of a source, or in a set below it: `SOURCE/SETSPEC`; may be repeated.
    #[serde(default)]
    #[param(inline, explode, required = false)]
    set: Vec<SetOfSource>,
}

/// A set of a source, as `SOURCE/SETSPEC`.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(pattern = "^[^/]+/.+$")]
struct SetOfSource(String);

/// What an item of the feed is.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Per {
    /// A record.
    #[default]
    Record,
    /// A work: its preferred record. The other records of the work are given as deleted.
    ///
    /// This needs an up-to-date deduplication.
    Cluster,
}

/// A request for changes, with its defaults and limits applied.
struct Request {
    filter: ChangeFilter,
    position: Position,
    limit: u64,
    wait: Duration,
    format: Format,
}

/// The changes of one response.
struct Changes {
    body: Vec<u8>,
    records: u64,
    failed: u64,
    next: Position,
    more: bool,
}

/// The last line of a response in JSONL.
#[derive(Debug, Serialize)]
struct LastLine {
    /// The position for the next request: a number, or a text if it has two parts.
    next: serde_json::Value,
    /// Whether there may be more changes already.
    more: bool,
}

/// Get the records that changed after a position, tombstones included
///
/// Records come in the order of their last change, each in its current state. In JSONL every line is
/// a record, except the last one: `{"next": POSITION, "more": BOOL}`. Other formats are one document.
///
/// A response ends early rather than exceed 4 MiB. A record that the format cannot express is
/// counted and omitted; documents for catalogues and MARC records that cannot be made are deleted.
#[utoipa::path(
    get,
    path = "/api/v1/changes",
    tag = "Records",
    params(ChangesQuery),
    responses(
        (
            status = 200,
            description = "The changed records.",
            content(
                (String = "application/x-ndjson"),
                (serde_json::Value = "application/json"),
                (String = "application/xml"),
                (String = "application/marcxml+xml"),
                (String = "text/csv"),
                (String = "application/x-research-info-systems"),
                (String = "application/x-bibtex"),
                (serde_json::Value = "application/vnd.citationstyles.csl+json"),
            ),
            headers(
                ("Harvestd-Next" = String, description = "The position for the next request."),
                ("Harvestd-More" = bool, description = "Whether there may be more changes already."),
                ("Harvestd-Failed" = u64, description = "Records that could not be written in this format."),
            )
        ),
        (status = 400, description = "The arguments are wrong, or no source has this name.", body = ErrorBody),
        (
            status = 409,
            description = "`per=cluster`, but the deduplication is not up to date.",
            body = ErrorBody
        ),
        (
            status = 410,
            description = "The changes since this position are incomplete. Start again with \
                           `since=0`, and drop the records that do not come again.",
            body = ErrorBody
        ),
        (
            status = 429,
            description = "Too many requests wait for changes, of this client or in all.",
            body = ErrorBody
        ),
        (
            status = 503,
            description = "The store cannot be read now, or too many large answers are under way.",
            body = ErrorBody
        ),
    )
)]
pub(in crate::daemon::http) async fn get_changes(
    State(context): State<Ctx>,
    Extension(client): Extension<Client>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let Request {
        mut filter,
        mut position,
        limit,
        wait,
        format,
    } = request(&query.unwrap_or_default())?;
    let config = context.shared.registry.config();
    filter.id_spaces = format.id_spaces(&config.documents);
    let deadline = Instant::now() + wait;
    let mut stored = context.shared.registry.stored();
    let mut long_poll = None;
    loop {
        stored.mark_unchanged();
        filter.since = Some(position.since);
        let (wanted, config) = (filter.clone(), Arc::clone(&config));
        let place = context.places.large(&client).await?;
        let (changes, place) = context
            .read_large(place, move |reader, place| {
                require_sources(reader, &config, &wanted)?;
                let (oldest, newest) = (reader.min_since()?, reader.last_version()?);
                let reached = position.needs_tombstones_after();
                let is_first = position.since == Version(0);
                if !is_first && (reached < oldest || reached > newest) {
                    return Err(incomplete(reached, oldest, newest));
                }
                let mut changes = read(reader, place, &wanted, limit, &config.documents, format)?;
                let began = if is_first {
                    Some(newest)
                } else {
                    position.began
                };
                let is_needed =
                    |began: &Version| oldest > Version(0) && changes.next.since < *began;
                changes.next.began = began.filter(is_needed);
                Ok(changes)
            })
            .await?;
        if changes.records > 0 || Instant::now() >= deadline {
            return Ok(response(changes, format, Some(place)));
        }
        drop(place);
        if long_poll.is_none() {
            long_poll = Some(context.places.long_poll(client.network())?);
        }
        // The changes that the filter excludes need not be read again.
        position = changes.next;
        tokio::select! {
            // The sender outlives every request, so this ends only with a change.
            _ = stored.changed() => {}
            () = tokio::time::sleep_until(deadline.min(Instant::now() + LOOK_EVERY)) => {}
            () = context.shared.stop.requested() => return Ok(response(changes, format, None)),
        }
    }
}

fn request(query: &str) -> Result<Request, Failure> {
    let query: ChangesQuery = arguments::read(query)?;
    let limit = match query.limit {
        None => DEFAULT_LIMIT,
        Some(Number(0)) => return Err(Failure::bad_request("limit must be at least 1")),
        Some(Number(limit)) => limit.min(MAX_LIMIT),
    };
    let wait = query.wait.map_or(0, |Number(seconds)| seconds);
    let mut sets: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for SetOfSource(text) in &query.set {
        let (source, set) = set_of_source(text).map_err(Failure::bad_request)?;
        sets.entry(source).or_default().push(set);
    }
    let format = query
        .format
        .map_or(Format::Jsonl, |FormatName(format)| format);
    Ok(Request {
        filter: ChangeFilter {
            since: None,
            sources: query.source,
            sets,
            per: match query.per.unwrap_or_default() {
                Per::Record => store::Per::Record,
                Per::Cluster => store::Per::Cluster,
            },
            with_others: false,
            by_identifier: format.is_by_identifier(),
            id_spaces: BTreeMap::new(),
        },
        position: query.since.unwrap_or_default(),
        limit,
        wait: Duration::from_secs(wait).min(MAX_WAIT),
        format,
    })
}

/// Refuses sources that are neither in the store nor in the configuration: a feed of a source whose name is
/// misspelt would stay empty for ever.
fn require_sources(reader: &Reader, config: &Config, filter: &ChangeFilter) -> Result<(), Failure> {
    for name in filter.sources.iter().chain(filter.sets.keys()) {
        if config.source(name).is_err() && reader.source(name)?.is_none() {
            return Err(Failure::bad_request(format!(
                "no source has the name {name:?}"
            )));
        }
    }
    Ok(())
}

/// The failure for a position from which the feed would omit deletions without a trace.
fn incomplete(since: Version, oldest: Version, newest: Version) -> Failure {
    let why = if since > newest {
        format!(
            "the newest version of this store is {newest}, so the position belongs to another \
             store, or to this one before it was restored from a copy"
        )
    } else {
        format!("tombstones up to version {oldest} are forgotten")
    };
    let message = format!(
        "the changes since {since} are incomplete: {why}; start again with since=0, and drop the \
         records that do not come again"
    );
    Failure::new(StatusCode::GONE, message)
}

fn read(
    reader: &Reader,
    place: &LargePlace,
    filter: &ChangeFilter,
    limit: u64,
    documents: &DocumentOptions,
    format: Format,
) -> Result<Changes, Failure> {
    let mut body = Body::new(renderer(documents, format));
    let (mut records, mut more) = (0, false);
    let mut removed = Vec::new();
    let mut failure = None;
    // Tombstones are included always: a reader may have stored a record, but not its position.
    let next = reader.changes_with_tombstones(filter, |record| {
        if let Err(busy) = place.weigh(&record) {
            failure = Some(busy);
            return ControlFlow::Break(());
        }
        // The page of the record says why it cannot be written; the feed only counts it.
        if body.push(&record).is_err() && filter.by_identifier {
            removed.push((record.identifier, record.source));
        }
        records += 1;
        more = records >= limit || body.len() >= MAX_BYTES;
        if more {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    if let Some(failure) = failure {
        return Err(failure);
    }
    // Another source may have a record of the same identifier that can be written.
    for (identifier, source) in removed {
        if let Some(live) = reader.find_in_other_source(&identifier, &source, filter)? {
            let _ = body.push(&live);
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

fn response(mut changes: Changes, format: Format, place: Option<LargePlace>) -> Response {
    let next = changes.next.to_string();
    if format == Format::Jsonl {
        let last = LastLine {
            next: match changes.next.began {
                None => changes.next.since.0.into(),
                Some(_) => next.clone().into(),
            },
            more: changes.more,
        };
        // Writing to memory cannot fail, and every key is a text.
        serde_json::to_writer(&mut changes.body, &last).expect("lines serialise");
        changes.body.push(b'\n');
    }
    let more = if changes.more { "true" } else { "false" };
    let headers = [
        (header::CONTENT_TYPE, render::media_type(format)),
        (
            NEXT,
            HeaderValue::try_from(next).expect("a position has digits and a hyphen only"),
        ),
        (MORE, HeaderValue::from_static(more)),
        (FAILED, HeaderValue::from(changes.failed)),
    ];
    let body = match place {
        Some(place) => place.body(changes.body),
        None => changes.body.into(),
    };
    (headers, body).into_response()
}
