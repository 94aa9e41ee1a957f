//! The style sheet and the icon of the pages.

use axum::http::header;
use axum::response::IntoResponse;

/// Get the style sheet of the pages
#[utoipa::path(
    get,
    path = "/style.css",
    tag = "Pages",
    responses((status = 200, description = "The style sheet.", body = String, content_type = "text/css"))
)]
pub(in crate::daemon::http) async fn style() -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "text/css; charset=utf-8")];
    (kind, include_str!("../style.css"))
}

/// Get the icon of the pages
#[utoipa::path(
    get,
    path = "/icon.svg",
    tag = "Pages",
    responses((status = 200, description = "The icon.", body = String, content_type = "image/svg+xml"))
)]
pub(in crate::daemon::http) async fn icon() -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "image/svg+xml")];
    (kind, include_str!("../icon.svg"))
}
