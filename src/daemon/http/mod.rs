//! HTTP: which requests there are, and what answers them.
//!
//! - `guard`: what every answer carries, and who may change something
//! - `arguments`: queries
//! - `api`: JSON, and the wishes
//! - `changes`: the change feed
//! - `search`: finding records
//! - `render`: records in the formats of the exports
//! - `metrics`, `exposition`: what Prometheus reads, and its text format
//! - `pages`, `chart`, `words`: for people

mod api;
mod arguments;
mod changes;
mod chart;
mod exposition;
mod guard;
mod metrics;
mod pages;
mod render;
mod search;
mod words;

use std::path::PathBuf;
use std::sync::Arc;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};

use super::overview::{Overview, overview};
use super::scheduler::Requested;
use super::status::StatusRegistry;
use crate::stop::Stop;
use crate::store::{Reader, StoreError};

/// Requests that may read the store at once; the others take turns.
const READERS: usize = 4;

/// What HTTP is given to answer from.
pub(super) struct Shared {
    /// How far running jobs are, and the configuration.
    pub(super) registry: Arc<StatusRegistry>,
    /// The database file.
    pub(super) store: PathBuf,
    /// Takes commands for the scheduler.
    pub(super) commands: mpsc::Sender<Requested>,
    /// When to end.
    pub(super) stop: Stop,
}

/// The same, with what bounds it.
struct Context {
    shared: Shared,
    readers: Semaphore,
}

type Ctx = Arc<Context>;

/// Serves requests on `listener` until the stop. An error of one connection ends that connection.
pub(super) async fn serve(listener: TcpListener, shared: Shared) {
    let stop = shared.stop.clone();
    let served = axum::serve(listener, router(shared))
        .with_graceful_shutdown(async move { stop.requested().await })
        .await;
    if let Err(error) = served {
        tracing::error!("serving HTTP: {error}");
    }
}

fn router(shared: Shared) -> Router {
    let context = Arc::new(Context {
        shared,
        readers: Semaphore::new(READERS),
    });
    Router::new()
        .route("/", get(pages::status))
        .route("/source/{name}", get(pages::source).post(pages::act))
        .route("/source/{name}/pass/{id}", get(pages::pass))
        .route("/output/{name}", get(pages::output).post(pages::push))
        .route("/export/{name}", get(pages::export).post(pages::write))
        .route("/search", get(pages::search))
        .route("/record", get(pages::record))
        .route("/quarantine/{number}", get(pages::quarantined))
        .route("/style.css", get(pages::style))
        .route("/icon.svg", get(pages::icon))
        .route("/healthz", get(api::healthz))
        .route("/readyz", get(api::readyz))
        .route("/metrics", get(metrics::metrics))
        .route("/api/v1/openapi.json", get(api::openapi))
        .route("/api/v1/status", get(api::status))
        .route("/api/v1/sources", get(api::sources))
        .route("/api/v1/sources/{name}", get(api::source))
        .route("/api/v1/sources/{name}/run", post(api::run))
        .route("/api/v1/sources/{name}/pause", post(api::pause))
        .route("/api/v1/sources/{name}/resume", post(api::resume))
        .route("/api/v1/sources/{name}/reconcile", post(api::reconcile))
        .route("/api/v1/sources/{name}/confirm", post(api::confirm))
        .route("/api/v1/outputs/{name}/push", post(api::push))
        .route("/api/v1/exports/{name}/run", post(api::export))
        .route("/api/v1/sources/{name}/passes/{id}", get(api::pass))
        .route("/api/v1/outputs", get(api::outputs))
        .route("/api/v1/outputs/{name}", get(api::output))
        .route("/api/v1/search", get(search::search))
        .route("/api/v1/records", get(api::records))
        .route("/api/v1/quarantine/{number}/raw", get(api::raw_item))
        .route("/api/v1/changes", get(changes::changes))
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(
            Arc::clone(&context),
            guard::around,
        ))
        .with_state(context)
}

async fn not_found() -> Failure {
    Failure::new(StatusCode::NOT_FOUND, "there is nothing of this name")
}

async fn wrong_method() -> Failure {
    Failure::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "this is not for that method",
    )
}

/// An answer that says what went wrong: `{"error": "..."}`.
#[derive(Debug)]
struct Failure {
    status: StatusCode,
    message: String,
}

impl Failure {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    /// Says in `response` what kind of proof is wanted, where one is.
    fn challenge(&self, response: &mut Response) {
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({ "error": self.message }))).into_response();
        self.challenge(&mut response);
        response
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        if let StoreError::NotClustered { .. } = error {
            return Self::new(StatusCode::CONFLICT, error.to_string());
        }
        tracing::warn!("answering a request: {error}");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}

impl Context {
    /// Runs `work` with a connection of its own, on a thread where it may take its time.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Failure> {
        let path = self.shared.store.clone();
        self.blocking(move || work(&Reader::open(&path)?)).await
    }

    async fn overview(&self) -> Result<Overview, Failure> {
        let path = self.shared.store.clone();
        let registry = Arc::clone(&self.shared.registry);
        self.blocking(move || overview(&path, &registry)).await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Failure> {
        let broken = |error: String| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, error);
        let _turn = self
            .readers
            .acquire()
            .await
            .map_err(|error| broken(error.to_string()))?;
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => Ok(result?),
            Err(error) => Err(broken(format!("reading the store: {error}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each route of the router has its entry in the OpenAPI document, and the other way round.
    #[test]
    fn the_openapi_document_has_every_route() {
        let document: serde_json::Value = serde_json::from_str(api::OPENAPI).unwrap();
        let mut described: Vec<(String, String)> = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                assert!(operation["responses"].is_object(), "{method} {path}");
                let braces = path.matches('{').count();
                let parameters = operation["parameters"].as_array();
                let in_path = parameters.map_or(0, |parameters| {
                    let in_path = |parameter: &&serde_json::Value| {
                        parameter["in"] == "path" || parameter["$ref"].is_string()
                    };
                    parameters.iter().filter(in_path).count()
                });
                assert_eq!(braces, in_path, "{method} {path}");
                // Forms bring the token with their fields.
                let is_wish = method == "post" && path.starts_with("/api/");
                assert_eq!(operation["security"].is_array(), is_wish, "{method} {path}");
                described.push((path.clone(), method.clone()));
            }
        }
        described.sort();
        let source = include_str!("mod.rs");
        let mut routes: Vec<(String, String)> = source
            .lines()
            .filter_map(|line| line.trim().strip_prefix(".route(\""))
            .filter_map(|rest| rest.split_once("\", "))
            .flat_map(|(path, rest)| {
                let methods = ["get", "post"].into_iter();
                methods
                    .filter(|method| rest.contains(&format!("{method}(")))
                    .map(|method| (path.to_owned(), method.to_owned()))
            })
            .collect();
        routes.sort();
        assert!(routes.len() > 10, "{routes:?}");
        assert_eq!(described, routes);
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    }
}
