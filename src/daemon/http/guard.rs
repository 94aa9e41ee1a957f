//! What every answer carries, and who may change something.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use super::{Ctx, Failure};
use crate::http::Secret;

/// Pages whose forms bring the token themselves.
const FORMS: [&str; 3] = ["/source/", "/output/", "/export/"];

/// Pages load only our own style sheet and icon and run nothing, so that a title that slipped through the
/// escaping would still do nothing.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    // With "no-referrer", browsers would not tell where our own forms come from either.
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

/// Refuses what may not be, and adds the headers to whatever is answered.
pub(super) async fn around(State(context): State<Ctx>, request: Request, next: Next) -> Response {
    context.shared.registry.count_request();
    let token = context.shared.registry.token();
    // Forms on our pages bring the token with their fields, where whoever answers them looks.
    let path = request.uri().path();
    let is_form = FORMS.iter().any(|form| path.starts_with(form));
    let permitted = from_here(request.method(), request.headers()).and_then(|()| {
        if is_form {
            return Ok(());
        }
        with_token(request.method(), request.headers(), token.as_ref())
    });
    let mut response = match permitted {
        Ok(()) => next.run(request).await,
        Err(failure) => failure.into_response(),
    };
    for (name, value) in HEADERS {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

/// Whether a request changes nothing.
fn reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Refuses what another site's page made a browser send, unless it only reads.
fn from_here(method: &Method, headers: &HeaderMap) -> Result<(), Failure> {
    if reads(method) {
        return Ok(());
    }
    let forbidden = |message: &str| Err(Failure::new(StatusCode::FORBIDDEN, message));
    // Browsers send these with what another site's page makes them send. Programs send neither.
    match text(headers, HeaderName::from_static("sec-fetch-site")) {
        // No page can forge it; and a proxy may have changed the host that Origin is compared with.
        Some("same-origin" | "none") => return Ok(()),
        Some(_) => return forbidden("requests from other sites are refused (Sec-Fetch-Site)"),
        None => {}
    }
    if let Some(origin) = text(headers, header::ORIGIN) {
        let own = origin.split_once("://").map(|(_, host)| host);
        if own.is_none() || own != text(headers, header::HOST) {
            return forbidden("requests from other sites are refused (Origin)");
        }
    }
    Ok(())
}

/// Whether a request that changes something brings the token.
fn with_token(method: &Method, headers: &HeaderMap, token: Option<&Secret>) -> Result<(), Failure> {
    if reads(method) {
        return Ok(());
    }
    let brought = text(headers, header::AUTHORIZATION)
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    brings_token(brought, token)
}

/// Compares what was brought with the token.
pub(super) fn brings_token(brought: Option<&str>, token: Option<&Secret>) -> Result<(), Failure> {
    let Some(token) = token else {
        return Err(Failure::new(
            StatusCode::FORBIDDEN,
            "no token is configured, so nothing can be changed from here; see [daemon] token",
        ));
    };
    // Compared as hashes, so that not even the length takes another time.
    let hash = |text: &str| *blake3::hash(text.as_bytes()).as_bytes();
    let message = match brought {
        Some(brought) if bool::from(hash(brought).ct_eq(&hash(token.expose()))) => return Ok(()),
        Some(_) => "this is not the token",
        None => "a token is needed: Authorization: Bearer ...",
    };
    Err(Failure::new(StatusCode::UNAUTHORIZED, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_with_the_token_change_something() {
        let (get, post) = (Method::GET, Method::POST);
        let right = "authorization: Bearer right";
        let wrong = "authorization: Bearer wrong";
        let own =
            "host: 127.0.0.1:8017\norigin: http://127.0.0.1:8017\nsec-fetch-site: same-origin";
        let other = "host: 127.0.0.1:8017\norigin: https://evil.example";
        let opaque = "host: 127.0.0.1:8017\norigin: null";
        let fetched = "sec-fetch-site: cross-site";
        let same_site = "sec-fetch-site: same-site";
        let cases = [
            ("reading", &get, false, vec![], None),
            ("with the token", &post, true, vec![right], None),
            ("no token configured", &post, false, vec![right], Some(403)),
            ("without it", &post, true, vec![], Some(401)),
            ("wrong", &post, true, vec![wrong], Some(401)),
            (
                "scheme in capitals",
                &post,
                true,
                vec!["authorization: BEARER right"],
                None,
            ),
            (
                "another scheme",
                &post,
                true,
                vec!["authorization: Basic right"],
                Some(401),
            ),
            ("our own page", &post, true, vec![right, own], None),
            ("another site", &post, true, vec![right, fetched], Some(403)),
            (
                "a neighbour",
                &post,
                true,
                vec![right, same_site],
                Some(403),
            ),
            ("another origin", &post, true, vec![right, other], Some(403)),
            (
                "our own page behind a proxy",
                &post,
                true,
                vec![
                    right,
                    "host: upstream\norigin: https://x.org\nsec-fetch-site: same-origin",
                ],
                None,
            ),
            (
                "no origin to tell",
                &post,
                true,
                vec![right, opaque],
                Some(403),
            ),
            ("another method", &Method::DELETE, true, vec![], Some(401)),
        ];
        for (case, method, configured, sent, refused) in cases {
            let mut headers = HeaderMap::new();
            for line in sent.iter().flat_map(|lines| lines.lines()) {
                let (name, value) = line.split_once(": ").unwrap();
                headers.insert(HeaderName::try_from(name).unwrap(), value.parse().unwrap());
            }
            let token = configured.then(|| Secret::new("right"));
            let result = from_here(method, &headers)
                .and_then(|()| with_token(method, &headers, token.as_ref()));
            let status = result.err().map(|failure| failure.status.as_u16());
            assert_eq!(status, refused, "{case}");
        }
    }
}
