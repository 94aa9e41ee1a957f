//! The status of the daemon: sources, passes, outputs, exports.

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::types::{Output, OutputDetails, Outputs, PassDetails, Source, Sources, Status};
use crate::daemon::http::arguments::{self, Number};
use crate::daemon::http::failure::ErrorBody;
use crate::daemon::http::{Ctx, Failure, lookup};
use crate::daemon::overview;

/// Sources in one response, unless the request says otherwise.
const SOURCES: usize = 100;

/// The most sources in one response.
const MOST_SOURCES: usize = 1_000;

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
    let read = context.state(|reader, registry, store| {
        let page = overview::sources(reader, registry, None, SOURCES)?;
        Ok((overview::overview(reader, registry, store)?, page))
    });
    let (overview, page) = read.await?;
    Ok(Json(Status::new(overview, page)))
}

/// Which sources to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::daemon::http) struct SourcesQuery {
    /// Only sources whose names come after this one: the `next` of the response before.
    #[param(required = false)]
    after: Option<String>,
    /// The most sources to return: 100 by default, 1000 at most.
    #[param(value_type = usize, required = false, minimum = 1, default = json!(100))]
    limit: Option<Number>,
}

/// List the sources, by name
#[utoipa::path(
    get,
    path = "/api/v1/sources",
    tag = "Status",
    params(SourcesQuery),
    responses(
        (status = 200, description = "The sources.", body = Sources),
        (status = 400, description = "An argument is wrong.", body = ErrorBody),
        (status = 503, description = "The store cannot be read now.", body = ErrorBody),
    )
)]
pub(in crate::daemon::http) async fn list_sources(
    State(context): State<Ctx>,
    RawQuery(query): RawQuery,
) -> Result<Json<Sources>, Failure> {
    let query: SourcesQuery = arguments::read(&query.unwrap_or_default())?;
    let limit = query.limit.map_or(SOURCES as u64, |limit| limit.0);
    if limit == 0 {
        return Err(Failure::bad_request("limit must be at least 1"));
    }
    let limit = usize::try_from(limit)
        .unwrap_or(MOST_SOURCES)
        .min(MOST_SOURCES);
    let read = context.state(move |reader, registry, _| {
        overview::sources(reader, registry, query.after.as_deref(), limit)
    });
    Ok(Json(read.await?.into()))
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
    let outputs = context.state(|reader, registry, _| overview::outputs(reader, registry, None));
    let outputs = outputs.await?.into_iter();
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
