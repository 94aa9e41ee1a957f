//! The headers that every response carries.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

/// Pages load only the daemon's own style sheet, icons and script, and run no script that stands in a page. If
/// a text of a repository escaped the escaping, it would still do nothing. The script only asks the daemon.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Everything else has or may have XML, HTML or bytes of repositories. A browser that shows it as a page
/// gives it an origin of its own, and runs nothing in it.
const DATA_POLICY: &str = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; sandbox";

const HEADERS: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    // With "no-referrer", browsers would not tell the origin of the daemon's own forms.
    (header::REFERRER_POLICY, "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
];

/// Adds the headers to the response.
pub(super) async fn add(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    set(&mut response);
    response
}

/// Sets the headers of the response.
pub(super) fn set(response: &mut Response) {
    let headers = response.headers_mut();
    let kind = headers.get(header::CONTENT_TYPE);
    let is_page = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let policy = if is_page { POLICY } else { DATA_POLICY };
    for (name, value) in HEADERS
        .into_iter()
        .chain([(header::CONTENT_SECURITY_POLICY, policy)])
    {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
