//! JSON for programs, and what they may wish.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::arguments::Arguments;
use super::render::{self, Body, renderer};
use super::{Context, Ctx, Failure};
use crate::daemon::overview::OutputView;
use crate::daemon::scheduler::{Answer, Command, Requested};
use crate::output::Format;
use crate::output::vufind::DocumentOptions;
use crate::store::{
    JobKey, JobKind, Pass, PassId, QuarantinedItem, Reader, RejectedDocument, StoreError,
    StoredRecord, Window, WindowState,
};

/// Windows of a pass, and documents of an output, in one answer.
const MOST_ROWS: u32 = 500;

/// The description of all requests, for programs.
pub(super) const OPENAPI: &str = include_str!("openapi.json");

/// The scheduler ticks once a minute at least.
const HEALTHY_SILENCE: Duration = Duration::from_secs(180);

/// `GET /healthz`: whether the process works at all.
pub(super) async fn healthz(State(context): State<Ctx>) -> Result<Json<Value>, Failure> {
    let silent = context.shared.registry.since_tick();
    if silent > HEALTHY_SILENCE {
        let message = format!("the scheduler has not ticked for {} s", silent.as_secs());
        return Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, message));
    }
    Ok(Json(json!({ "status": "ok" })))
}

/// `GET /readyz`: whether it can do its work: the store can be read, passes can be started.
pub(super) async fn readyz(State(context): State<Ctx>) -> Result<Json<Value>, Failure> {
    let unready = |why: String| Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, why));
    if context.shared.stop.is_requested() {
        return unready("stopping".to_owned());
    }
    if let Some(trouble) = context.shared.registry.trouble() {
        return unready(trouble);
    }
    let last_version = context.read(|reader| reader.last_version()).await?;
    Ok(Json(
        json!({ "status": "ready", "last_version": last_version }),
    ))
}

/// `GET /api/v1/openapi.json`
pub(super) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

/// `GET /api/v1/status`
pub(super) async fn status(State(context): State<Ctx>) -> Result<Response, Failure> {
    Ok(Json(context.overview().await?).into_response())
}

/// `GET /api/v1/sources`
pub(super) async fn sources(State(context): State<Ctx>) -> Result<Response, Failure> {
    let sources = context.overview().await?.sources;
    Ok(Json(json!({ "sources": sources })).into_response())
}

/// `GET /api/v1/sources/{name}`
pub(super) async fn source(
    State(context): State<Ctx>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    let overview = context.overview().await?;
    let mut sources = overview.sources.into_iter();
    match sources.find(|source| source.name == name) {
        Some(source) => Ok(Json(source).into_response()),
        None => Err(unknown_source()),
    }
}

pub(super) fn unknown_source() -> Failure {
    Failure::new(StatusCode::NOT_FOUND, "there is no source of this name")
}

/// One pass, with its windows.
#[derive(Debug, Serialize)]
pub(super) struct PassView {
    /// The pass.
    #[serde(flatten)]
    pub(super) pass: Pass,
    /// Its windows, by set and span.
    pub(super) windows: Vec<Window>,
    /// Whether there are more than these.
    pub(super) more_windows: bool,
    /// How many there are in each state.
    pub(super) window_states: Vec<WindowCount>,
}

/// How many windows are in a state.
#[derive(Debug, Serialize)]
pub(super) struct WindowCount {
    /// The state.
    pub(super) state: WindowState,
    /// How many.
    pub(super) windows: u64,
}

/// `GET /api/v1/sources/{name}/passes/{id}`
pub(super) async fn pass(
    State(context): State<Ctx>,
    Path((name, id)): Path<(String, String)>,
) -> Result<Response, Failure> {
    Ok(Json(pass_view(&context, &name, &id).await?).into_response())
}

/// The pass with this number over this source.
pub(super) async fn pass_view(
    context: &Context,
    name: &str,
    id: &str,
) -> Result<PassView, Failure> {
    let unknown = || Failure::new(StatusCode::NOT_FOUND, "there is no such pass, or no more");
    let id = id.parse().map(PassId).map_err(|_| unknown())?;
    let name = name.to_owned();
    let view = context
        .read(move |reader| {
            let mut sources = reader.sources()?.into_iter();
            let Some(source) = sources.find(|source| source.name == name) else {
                return Ok(None);
            };
            let Some(pass) = reader.pass(source.id, id)? else {
                return Ok(None);
            };
            let (windows, states) = reader.windows(pass.id, MOST_ROWS)?;
            let all: u64 = states.iter().map(|(_, count)| count).sum();
            let states = states.into_iter();
            Ok(Some(PassView {
                pass,
                more_windows: all > windows.len() as u64,
                windows,
                window_states: states
                    .map(|(state, windows)| WindowCount { state, windows })
                    .collect(),
            }))
        })
        .await?;
    view.ok_or_else(unknown)
}

/// `GET /api/v1/outputs`
pub(super) async fn outputs(State(context): State<Ctx>) -> Result<Response, Failure> {
    let outputs = context.overview().await?.outputs;
    Ok(Json(json!({ "outputs": outputs })).into_response())
}

/// One output, with what it did not take.
#[derive(Debug, Serialize)]
pub(super) struct OutputDetails {
    /// The output.
    #[serde(flatten)]
    pub(super) output: OutputView,
    /// Documents that were set aside, by their ids.
    pub(super) rejected_documents: Vec<RejectedDocument>,
}

/// `GET /api/v1/outputs/{name}`
pub(super) async fn output(
    State(context): State<Ctx>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    let (details, _) = output_details(&context, &name).await?;
    Ok(Json(details).into_response())
}

/// The output of this name, and when that was so.
pub(super) async fn output_details(
    context: &Context,
    name: &str,
) -> Result<(OutputDetails, i64), Failure> {
    let overview = context.overview().await?;
    let mut outputs = overview.outputs.into_iter();
    let Some(output) = outputs.find(|view| view.known.name == name) else {
        let message = "there is no output of this name";
        return Err(Failure::new(StatusCode::NOT_FOUND, message));
    };
    let id = output.known.id;
    let mut rejected_documents = context.read(move |reader| reader.rejected(id)).await?;
    rejected_documents.truncate(MOST_ROWS as usize);
    let details = OutputDetails {
        output,
        rejected_documents,
    };
    Ok((details, overview.now_ms))
}

/// Finds the records that an identifier, or an id of the catalogue, stands for.
pub(super) fn found(
    documents: &DocumentOptions,
    identifier: &str,
    source: Option<&str>,
) -> impl FnOnce(&Reader) -> Result<Vec<StoredRecord>, StoreError> + Send + use<> {
    let documents = documents.clone();
    let text = identifier.to_owned();
    let source = source.map(str::to_owned);
    move |reader| {
        documents.find_meant(
            &text,
            |record: &StoredRecord| record.source.as_str(),
            |identifier| {
                let mut found = reader.find(identifier)?;
                found.retain(|record| source.as_ref().is_none_or(|name| *name == record.source));
                Ok(found)
            },
        )
    }
}

/// `GET /api/v1/records?identifier=&source=&format=`
pub(super) async fn records(
    State(context): State<Ctx>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let known = ["identifier", "source", "format"];
    let arguments = Arguments::read(query.as_deref(), &known, &[])?;
    let Some(identifier) = arguments.text("identifier") else {
        let message = "the argument identifier is needed";
        return Err(Failure::new(StatusCode::BAD_REQUEST, message));
    };
    let format = arguments.text("format").map(render::format).transpose()?;
    let config = context.shared.registry.config();
    let wanted = found(&config.documents, identifier, arguments.text("source"));
    let found = context.read(wanted).await?;
    let mut body = Body::new(renderer(&config.documents, format.unwrap_or(Format::Jsonl)));
    for record in &found {
        let pushed = body.push(record);
        // As an object of JSON it says itself what is wrong.
        if let (Err(why), Some(_)) = (pushed, format) {
            let message = format!("record {} as this format: {why}", record.identifier);
            return Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, message));
        }
    }
    let Some(format) = format else {
        let records: Vec<Value> = serde_json::Deserializer::from_slice(&body.end())
            .into_iter()
            .collect::<Result<_, _>>()
            .map_err(|error| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
        return Ok(Json(json!({ "records": records })).into_response());
    };
    if found.is_empty() {
        let message = "the store has no record with this identifier";
        return Err(Failure::new(StatusCode::NOT_FOUND, message));
    }
    let kind = [(header::CONTENT_TYPE, render::media_type(format))];
    Ok((kind, body.end()).into_response())
}

/// `GET /api/v1/quarantine/{number}/raw`
pub(super) async fn raw_item(
    State(context): State<Ctx>,
    Path(number): Path<String>,
) -> Result<Response, Failure> {
    let (item, raw) = quarantined_item(&context, &number).await?;
    // Whatever a repository sent, a browser must not take it for a page of ours.
    let file = format!("attachment; filename=\"item-{}\"", item.number);
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, file),
    ];
    Ok((headers, raw).into_response())
}

/// The item in quarantine with this number, and its bytes.
pub(super) async fn quarantined_item(
    context: &Context,
    number: &str,
) -> Result<(QuarantinedItem, Vec<u8>), Failure> {
    let unknown = || {
        let message = "no item of this number is in quarantine, or no more";
        Failure::new(StatusCode::NOT_FOUND, message)
    };
    let number: u64 = number.parse().map_err(|_| unknown())?;
    let found = context.read(move |reader| reader.quarantined_item(number));
    found.await?.ok_or_else(unknown)
}

/// `POST /api/v1/sources/{name}/run`
pub(super) async fn run(state: State<Ctx>, Path(name): Path<String>) -> Result<Response, Failure> {
    accept(state, Command::Run(JobKey::new(JobKind::Pass, &name))).await
}

/// `POST /api/v1/sources/{name}/pause`
pub(super) async fn pause(
    state: State<Ctx>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    accept(state, Command::Pause(name)).await
}

/// `POST /api/v1/sources/{name}/resume`
pub(super) async fn resume(
    state: State<Ctx>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    accept(state, Command::Resume(name)).await
}

/// `POST /api/v1/sources/{name}/reconcile`
pub(super) async fn reconcile(
    state: State<Ctx>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    let key = JobKey::new(JobKind::Reconcile, &name);
    accept(state, Command::Run(key)).await
}

/// `POST /api/v1/sources/{name}/confirm`
pub(super) async fn confirm(
    state: State<Ctx>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    accept(state, Command::ConfirmDeletions(name)).await
}

/// `POST /api/v1/outputs/{name}/push`
pub(super) async fn push(state: State<Ctx>, Path(name): Path<String>) -> Result<Response, Failure> {
    accept(state, Command::Run(JobKey::new(JobKind::Push, &name))).await
}

/// `POST /api/v1/exports/{name}/run`
pub(super) async fn export(
    state: State<Ctx>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    let key = JobKey::new(JobKind::Export, &name);
    accept(state, Command::Run(key)).await
}

async fn accept(State(context): State<Ctx>, command: Command) -> Result<Response, Failure> {
    send(&context, command).await?;
    let body = Json(json!({ "status": "accepted" }));
    Ok((StatusCode::ACCEPTED, body).into_response())
}

/// Sends a command to the scheduler, and waits for its answer.
pub(super) async fn send(context: &Context, command: Command) -> Result<(), Failure> {
    let stopping = || Failure::new(StatusCode::SERVICE_UNAVAILABLE, "the daemon is stopping");
    let (answer, answered) = oneshot::channel();
    let subject = command.key().kind.subject();
    let sent = context.shared.commands.send(Requested { command, answer });
    sent.await.map_err(|_| stopping())?;
    match answered.await.map_err(|_| stopping())? {
        Answer::Accepted => Ok(()),
        Answer::Unknown => {
            let message = format!("there is no {subject} of this name");
            Err(Failure::new(StatusCode::NOT_FOUND, message))
        }
        Answer::Failed(why) => Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, why)),
    }
}
