//! Whether the daemon is alive and ready.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::types::Version;
use crate::daemon::http::failure::ErrorBody;
use crate::daemon::http::{Ctx, Failure};

/// The scheduler ticks at least once a minute.
const MAX_SILENCE: Duration = Duration::from_secs(180);

/// The daemon is alive.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::daemon::http) struct Health {
    status: HealthStatus,
}

/// The only status of a daemon that is alive.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum HealthStatus {
    Ok,
}

/// Check whether the daemon is alive
///
/// It is not if the scheduler has not ticked for three minutes.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "Health",
    responses(
        (status = 200, description = "It is alive.", body = Health),
        (status = 503, description = "The scheduler is stuck.", body = ErrorBody),
    )
)]
pub(in crate::daemon::http) async fn healthz(
    State(context): State<Ctx>,
) -> Result<Json<Health>, Failure> {
    let silence = context.shared.registry.since_tick();
    if silence > MAX_SILENCE {
        let seconds = silence.as_secs();
        let message = format!("the scheduler has not ticked for {seconds} s; restart the daemon");
        return Err(Failure::unavailable(message));
    }
    Ok(Json(Health {
        status: HealthStatus::Ok,
    }))
}

/// The daemon is ready.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::daemon::http) struct Readiness {
    status: ReadinessStatus,
    /// The newest version in the store.
    last_version: Version,
}

/// The only status of a daemon that is ready.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ReadinessStatus {
    Ready,
}

/// Check whether the daemon can read the store and start jobs
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "Health",
    responses(
        (status = 200, description = "It can.", body = Readiness),
        (status = 503, description = "It cannot, for example because it is stopping.", body = ErrorBody),
    )
)]
pub(in crate::daemon::http) async fn readyz(
    State(context): State<Ctx>,
) -> Result<Json<Readiness>, Failure> {
    if context.shared.stop.is_requested() {
        return Err(Failure::unavailable("the daemon is stopping"));
    }
    if let Some(problem) = context.shared.registry.trouble() {
        return Err(Failure::unavailable(problem));
    }
    let last_version = context.monitor(|reader| reader.last_version()).await?;
    Ok(Json(Readiness {
        status: ReadinessStatus::Ready,
        last_version: Version::from(last_version),
    }))
}
