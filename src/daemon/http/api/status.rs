//! The status of the daemon: sources, passes, outputs, exports.

use axum::Json;
use axum::extract::{Path, State};

use super::types::{Output, OutputDetails, Outputs, PassDetails, Source, Sources, Status};
use crate::daemon::http::failure::ErrorBody;
use crate::daemon::http::{Ctx, Failure, lookup};

/// Get the status of the daemon and of everything it works on
#[utoipa::path(
    get,
    path = "/api/v1/status",
    tag = "Status",
    responses(
        (status = 200, description = "The status.", body = Status),
        (status = 503, description = "The store cannot be read now.", body = ErrorBody),
    )
)]
pub(in crate::daemon::http) async fn get_status(
    State(context): State<Ctx>,
) -> Result<Json<Status>, Failure> {
    Ok(Json(context.overview().await?.into()))
}

/// List the sources
#[utoipa::path(
    get,
    path = "/api/v1/sources",
    tag = "Status",
    responses(
        (status = 200, description = "The sources.", body = Sources),
        (status = 503, description = "The store cannot be read now.", body = ErrorBody),
    )
)]
pub(in crate::daemon::http) async fn list_sources(
    State(context): State<Ctx>,
) -> Result<Json<Sources>, Failure> {
    let sources = context.overview().await?.sources.into_iter();
    Ok(Json(Sources {
        sources: sources.map(Source::from).collect(),
    }))
}

/// Get one source
#[utoipa::path(
    get,
    path = "/api/v1/sources/{name}",
    tag = "Status",
    params(("name" = String, Path, description = "The name of the source.")),
    responses(
        (status = 200, description = "The source.", body = Source),
        (status = 404, description = "No source has this name.", body = ErrorBody),
        (status = 503, description = "The store cannot be read now.", body = ErrorBody),
    )
)]
pub(in crate::daemon::http) async fn get_source(
    State(context): State<Ctx>,
    Path(name): Path<String>,
) -> Result<Json<Source>, Failure> {
    let source = lookup::source(&context, &name).await?;
    Ok(Json(source.into()))
}

/// Get one pass over a source, with its windows
#[utoipa::path(
    get,
    path = "/api/v1/sources/{name}/passes/{id}",
    tag = "Status",
    params(
        ("name" = String, Path, description = "The name of the source."),
        ("id" = i64, Path, description = "The number of the pass."),
    ),
    responses(
        (status = 200, description = "The pass.", body = PassDetails),
        (status = 404, description = "The source has no pass of this number.", body = ErrorBody),
        (status = 503, description = "The store cannot be read now.", body = ErrorBody),
    )
)]
pub(in crate::daemon::http) async fn get_pass(
    State(context): State<Ctx>,
    Path((name, id)): Path<(String, String)>,
) -> Result<Json<PassDetails>, Failure> {
    Ok(Json(lookup::pass(&context, &name, &id).await?.into()))
}

/// List the outputs
#[utoipa::path(
    get,
    path = "/api/v1/outputs",
    tag = "Status",
    responses(
        (status = 200, description = "The outputs.", body = Outputs),
        (status = 503, description = "The store cannot be read now.", body = ErrorBody),
    )
)]
pub(in crate::daemon::http) async fn list_outputs(
    State(context): State<Ctx>,
) -> Result<Json<Outputs>, Failure> {
    let outputs = context.overview().await?.outputs.into_iter();
    Ok(Json(Outputs {
        outputs: outputs.map(Output::from).collect(),
    }))
}

/// Get one output, with the documents that it rejected
#[utoipa::path(
    get,
    path = "/api/v1/outputs/{name}",
    tag = "Status",
    params(("name" = String, Path, description = "The name of the output.")),
    responses(
        (status = 200, description = "The output.", body = OutputDetails),
        (status = 404, description = "No output has this name.", body = ErrorBody),
        (status = 503, description = "The store cannot be read now.", body = ErrorBody),
    )
)]
pub(in crate::daemon::http) async fn get_output(
    State(context): State<Ctx>,
    Path(name): Path<String>,
) -> Result<Json<OutputDetails>, Failure> {
    let output = lookup::output(&context, &name).await?;
    Ok(Json(output.into()))
}
