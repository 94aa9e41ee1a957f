//! The style sheet, the script and the icons of the pages.

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

/// Get the script that renews the pages
#[utoipa::path(
    get,
    path = "/page.js",
    tag = "Pages",
    responses((status = 200, description = "The script.", body = String, content_type = "text/javascript"))
)]
pub(in crate::daemon::http) async fn script() -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "text/javascript; charset=utf-8")];
    (kind, include_str!("../page.js"))
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

/// Get the icon of pages that show a problem
#[utoipa::path(
    get,
    path = "/icon-alarm.svg",
    tag = "Pages",
    responses((status = 200, description = "The icon.", body = String, content_type = "image/svg+xml"))
)]
pub(in crate::daemon::http) async fn alarm_icon() -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "image/svg+xml")];
    (kind, include_str!("../icon-alarm.svg"))
}
