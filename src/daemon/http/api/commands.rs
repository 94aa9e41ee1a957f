//! Commands: running and pausing sources, confirming deletions, pushing, exporting.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;
use tokio::sync::oneshot;
use utoipa::openapi::{self, RefOr};
use utoipa::{IntoResponses, ToSchema};

use crate::daemon::http::failure::ErrorBody;
use crate::daemon::http::{Context, Ctx, Failure};
use crate::daemon::scheduler::{Answer, Command, Requested};
use crate::store::{JobKey, JobKind};

/// The daemon carries out the command soon, or has done so already.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::daemon::http) struct Accepted {
    status: AcceptedStatus,
}

/// The only status of a command that is accepted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum AcceptedStatus {
    Accepted,
}

type Result = std::result::Result<(StatusCode, Json<Accepted>), Failure>;

impl IntoResponses for Accepted {
    fn responses() -> BTreeMap<String, RefOr<openapi::Response>> {
        let accepted = openapi::ResponseBuilder::new()
            .description("The command is accepted.")
            .content(
                "application/json",
                openapi::Content::new(Some(openapi::Ref::from_schema_name("Accepted"))),
            );
        openapi::ResponsesBuilder::new()
            .response("202", accepted)
            .response("401", ErrorBody::response("The token is missing or wrong."))
            .response(
                "403",
                ErrorBody::response(
                    "No token is configured, or the page of another site sent this.",
                ),
            )
            .response("404", ErrorBody::response("Nothing has this name."))
            .response(
                "429",
                ErrorBody::response("Too many requests with wrong tokens wait for their answers."),
            )
            .response(
                "503",
                ErrorBody::response("The daemon is stopping, or cannot write to the store."),
            )
            .build()
            .into()
    }
}

/// Start a pass over a source now
///
/// It starts whatever the schedule, the permitted hours or a pause say.
#[utoipa::path(
    post,
    path = "/api/v1/sources/{name}/run",
    tag = "Commands",
    params(("name" = String, Path, description = "The name of the source.")),
    security(("token" = [])),
    responses(Accepted)
)]
pub(in crate::daemon::http) async fn run_source(
    state: State<Ctx>,
    Path(name): Path<String>,
) -> Result {
    send_accepted(state, Command::Run(JobKey::new(JobKind::Harvest, &name))).await
}

/// Pause a source
///
/// A running pass stops after the current page. No pass starts until the source is resumed.
#[utoipa::path(
    post,
    path = "/api/v1/sources/{name}/pause",
    tag = "Commands",
    params(("name" = String, Path, description = "The name of the source.")),
    security(("token" = [])),
    responses(Accepted)
)]
pub(in crate::daemon::http) async fn pause_source(
    state: State<Ctx>,
    Path(name): Path<String>,
) -> Result {
    send_accepted(state, Command::Pause(name)).await
}

/// Resume a paused source
#[utoipa::path(
    post,
    path = "/api/v1/sources/{name}/resume",
    tag = "Commands",
    params(("name" = String, Path, description = "The name of the source.")),
    security(("token" = [])),
    responses(Accepted)
)]
pub(in crate::daemon::http) async fn resume_source(
    state: State<Ctx>,
    Path(name): Path<String>,
) -> Result {
    send_accepted(state, Command::Resume(name)).await
}

/// Search a source for records that disappeared, now
///
/// The daemon lists everything, asks for each missing record, and deletes those that are gone.
#[utoipa::path(
    post,
    path = "/api/v1/sources/{name}/reconcile",
    tag = "Commands",
    params(("name" = String, Path, description = "The name of the source.")),
    security(("token" = [])),
    responses(Accepted)
)]
pub(in crate::daemon::http) async fn reconcile_source(
    state: State<Ctx>,
    Path(name): Path<String>,
) -> Result {
    let key = JobKey::new(JobKind::Reconcile, &name);
    send_accepted(state, Command::Run(key)).await
}

/// Confirm deletions that wait for a person
///
/// The daemon holds deletions back if more records disappeared than the configuration allows.
#[utoipa::path(
    post,
    path = "/api/v1/sources/{name}/confirm",
    tag = "Commands",
    params(("name" = String, Path, description = "The name of the source.")),
    security(("token" = [])),
    responses(Accepted)
)]
pub(in crate::daemon::http) async fn confirm_deletions(
    state: State<Ctx>,
    Path(name): Path<String>,
) -> Result {
    send_accepted(state, Command::ConfirmDeletions(name)).await
}

/// Push to an output now
#[utoipa::path(
    post,
    path = "/api/v1/outputs/{name}/push",
    tag = "Commands",
    params(("name" = String, Path, description = "The name of the output.")),
    security(("token" = [])),
    responses(Accepted)
)]
pub(in crate::daemon::http) async fn push_output(
    state: State<Ctx>,
    Path(name): Path<String>,
) -> Result {
    send_accepted(state, Command::Run(JobKey::new(JobKind::Push, &name))).await
}

/// Write the file of an export now
#[utoipa::path(
    post,
    path = "/api/v1/exports/{name}/run",
    tag = "Commands",
    params(("name" = String, Path, description = "The name of the export.")),
    security(("token" = [])),
    responses(Accepted)
)]
pub(in crate::daemon::http) async fn run_export(
    state: State<Ctx>,
    Path(name): Path<String>,
) -> Result {
    let key = JobKey::new(JobKind::Export, &name);
    send_accepted(state, Command::Run(key)).await
}

async fn send_accepted(State(context): State<Ctx>, command: Command) -> Result {
    send(&context, command).await?;
    let body = Accepted {
        status: AcceptedStatus::Accepted,
    };
    Ok((StatusCode::ACCEPTED, Json(body)))
}

/// Sends a command to the scheduler and waits for its answer.
pub(in crate::daemon::http) async fn send(
    context: &Context,
    command: Command,
) -> std::result::Result<(), Failure> {
    let stopping = || Failure::unavailable("the daemon is stopping");
    let (answer, answered) = oneshot::channel();
    let subject = command.key().kind.subject();
    let sent = context.shared.commands.send(Requested { command, answer });
    sent.await.map_err(|_| stopping())?;
    match answered.await.map_err(|_| stopping())? {
        Answer::Accepted => Ok(()),
        Answer::Unknown => Err(Failure::not_found(format!("no {subject} has this name"))),
        Answer::Failed(why) => Err(Failure::unavailable(why)),
    }
}
