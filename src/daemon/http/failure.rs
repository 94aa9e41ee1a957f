//! The response that says why a request failed.

use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::{Content, Ref, Response as Documented, ResponseBuilder};

use super::pages::page_of;
use crate::store::StoreError;

/// Why a request failed: a status and a message for people.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) status: StatusCode,
    pub(super) message: String,
}

/// Why a request failed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErrorBody {
    /// The reason, for people.
    #[schema(example = "no source has this name")]
    error: String,
}

impl ErrorBody {
    /// How the OpenAPI document describes a response with this body.
    pub(super) fn response(description: &str) -> Documented {
        let schema = Ref::from_schema_name("ErrorBody");
        ResponseBuilder::new()
            .description(description)
            .content("application/json", Content::new(Some(schema)))
            .build()
    }
}

impl Failure {
    /// A failure with this status.
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    /// The request itself is wrong.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// The thing that the request names does not exist.
    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// The daemon cannot answer at the moment.
    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }

    /// The daemon failed for a reason that should not occur.
    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// Too many requests of this kind are under way.
    pub(super) fn too_many(message: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, message)
    }

    /// Adds the header that asks for a token, if one was missing or wrong, or that says when to try again.
    pub(super) fn add_challenge(&self, response: &mut Response) {
        let is_short = matches!(
            self.status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        );
        if is_short {
            let seconds = HeaderValue::from_static("5");
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
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
        let body = ErrorBody {
            error: self.message.clone(),
        };
        let mut response = (self.status, Json(body)).into_response();
        self.add_challenge(&mut response);
        response
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        if let StoreError::NotClustered { .. } = error {
            return Self::new(StatusCode::CONFLICT, error.to_string());
        }
        tracing::warn!("answering an HTTP request: {error}");
        Self::unavailable(error.to_string())
    }
}

/// The response to a path that does not exist.
pub(super) async fn no_such_path(request: Request) -> Response {
    let failure =
        Failure::not_found("this path does not exist; /api/v1/openapi.json lists all paths");
    failure.for_reader(&request)
}

/// The response to a method that the path does not support.
pub(super) async fn wrong_method(request: Request) -> Response {
    let failure = Failure::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "this path does not support this method; see the Allow header",
    );
    failure.for_reader(&request)
}

impl Failure {
    /// The response as whoever sent the request reads it: a page for a person with a browser, JSON for a
    /// program.
    pub(super) fn for_reader(self, request: &Request) -> Response {
        let accepts = request.headers().get(header::ACCEPT);
        let accepts = accepts
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let is_api = request.uri().path().starts_with("/api/");
        match accepts.contains("text/html") && !is_api {
            true => page_of(&self),
            false => self.into_response(),
        }
    }
}
