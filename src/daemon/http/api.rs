//! JSON for programs, and what they may wish.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::arguments::Arguments;
use super::{Ctx, Failure, line};
use crate::daemon::board::DeliveryKind;
use crate::daemon::delivery::Delivery;
use crate::daemon::wish::{Answer, Command, Wish};

/// The description of all requests, for programs.
pub(super) const OPENAPI: &str = include_str!("openapi.json");

/// The conductor goes round once a minute at least.
const HEALTHY_SILENCE: Duration = Duration::from_secs(180);

/// `GET /healthz`: whether the process works at all.
pub(super) async fn healthz(State(context): State<Ctx>) -> Result<Json<Value>, Failure> {
    let silent = context.shared.board.since_beat();
    if silent > HEALTHY_SILENCE {
        let message = format!("no pass was looked after for {} s", silent.as_secs());
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
    if let Some(trouble) = context.shared.board.trouble() {
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

fn unknown_source() -> Failure {
    Failure::new(StatusCode::NOT_FOUND, "there is no source of this name")
}

/// `GET /api/v1/records?identifier=`
pub(super) async fn records(
    State(context): State<Ctx>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Failure> {
    let arguments = Arguments::read(query.as_deref(), &["identifier"], &[])?;
    let Some(identifier) = arguments.text("identifier").map(str::to_owned) else {
        let message = "the argument identifier is needed";
        return Err(Failure::new(StatusCode::BAD_REQUEST, message));
    };
    let found = context.read(move |reader| reader.find(&identifier)).await?;
    let mut lines = Vec::new();
    for record in &found {
        line::push(record, &mut lines);
    }
    let records: Vec<Value> = serde_json::Deserializer::from_slice(&lines)
        .into_iter()
        .collect::<Result<_, _>>()
        .map_err(|error| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(Json(json!({ "records": records })))
}

/// `POST /api/v1/sources/{name}/run`
pub(super) async fn run(state: State<Ctx>, name: Path<String>) -> Result<Response, Failure> {
    wish(state, name, Wish::Run).await
}

/// `POST /api/v1/sources/{name}/pause`
pub(super) async fn pause(state: State<Ctx>, name: Path<String>) -> Result<Response, Failure> {
    wish(state, name, Wish::Pause).await
}

/// `POST /api/v1/sources/{name}/resume`
pub(super) async fn resume(state: State<Ctx>, name: Path<String>) -> Result<Response, Failure> {
    wish(state, name, Wish::Resume).await
}

/// `POST /api/v1/sources/{name}/reconcile`
pub(super) async fn reconcile(state: State<Ctx>, name: Path<String>) -> Result<Response, Failure> {
    wish(state, name, Wish::Reconcile).await
}

/// `POST /api/v1/sources/{name}/confirm`
pub(super) async fn confirm(state: State<Ctx>, name: Path<String>) -> Result<Response, Failure> {
    wish(state, name, Wish::ConfirmDeletions).await
}

/// `POST /api/v1/outputs/{name}/push`
pub(super) async fn push(state: State<Ctx>, name: Path<String>) -> Result<Response, Failure> {
    deliver(state, name, DeliveryKind::Output).await
}

/// `POST /api/v1/exports/{name}/run`
pub(super) async fn export(state: State<Ctx>, name: Path<String>) -> Result<Response, Failure> {
    deliver(state, name, DeliveryKind::Export).await
}

async fn deliver(
    State(context): State<Ctx>,
    Path(name): Path<String>,
    kind: DeliveryKind,
) -> Result<Response, Failure> {
    let stopping = || Failure::new(StatusCode::SERVICE_UNAVAILABLE, "the daemon is stopping");
    let (answer, answered) = oneshot::channel();
    let key = (kind, name);
    let sent = context
        .shared
        .deliveries
        .send(Delivery { key, answer })
        .await;
    sent.map_err(|_| stopping())?;
    match answered.await.map_err(|_| stopping())? {
        Answer::Accepted => {
            let body = Json(json!({ "status": "accepted" }));
            Ok((StatusCode::ACCEPTED, body).into_response())
        }
        Answer::UnknownSource => {
            let message = format!("there is no {} of this name", kind.word());
            Err(Failure::new(StatusCode::NOT_FOUND, message))
        }
        Answer::Failed(why) => Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, why)),
    }
}

async fn wish(
    State(context): State<Ctx>,
    Path(source): Path<String>,
    wish: Wish,
) -> Result<Response, Failure> {
    let stopping = || Failure::new(StatusCode::SERVICE_UNAVAILABLE, "the daemon is stopping");
    let (answer, answered) = oneshot::channel();
    let command = Command {
        source,
        wish,
        answer,
    };
    let sent = context.shared.wishes.send(command).await;
    sent.map_err(|_| stopping())?;
    match answered.await.map_err(|_| stopping())? {
        Answer::Accepted => {
            let body = Json(json!({ "status": "accepted" }));
            Ok((StatusCode::ACCEPTED, body).into_response())
        }
        Answer::UnknownSource => Err(unknown_source()),
        Answer::Failed(why) => Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, why)),
    }
}
