//! Who may change something, and from where.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use super::{Ctx, Failure};
use crate::http::Secret;

/// Pages with forms. A form has a field for the token, which its handler checks.
const FORMS: [&str; 3] = ["/source/", "/output/", "/export/"];

/// Counts the request, and refuses it if it may not do what it asks for.
pub(super) async fn check(State(context): State<Ctx>, request: Request, next: Next) -> Response {
    context.shared.registry.count_request();
    let token = context.shared.registry.token();
    let path = request.uri().path();
    let is_form = FORMS.iter().any(|form| path.starts_with(form));
    let permitted = is_not_from_another_site(request.method(), request.headers()).and_then(|()| {
        if is_form {
            return Ok(());
        }
        has_token(request.method(), request.headers(), token.as_ref())
    });
    match permitted {
        Ok(()) => next.run(request).await,
        Err(failure) => failure.into_response(),
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

/// Whether requests with this method change nothing.
fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Refuses a request that the page of another site made a browser send, unless it only reads.
fn is_not_from_another_site(method: &Method, headers: &HeaderMap) -> Result<(), Failure> {
    if is_safe(method) {
        return Ok(());
    }
    let forbidden = |message: &str| Err(Failure::new(StatusCode::FORBIDDEN, message));
    // Browsers add both headers to requests that a page makes them send. Programs add neither.
    match text(headers, HeaderName::from_static("sec-fetch-site")) {
        // No page can forge this header. A proxy may have changed the host, so Origin is not compared.
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

/// Refuses a request without the token, unless it only reads.
fn has_token(method: &Method, headers: &HeaderMap, token: Option<&Secret>) -> Result<(), Failure> {
    if is_safe(method) {
        return Ok(());
    }
    let given = text(headers, header::AUTHORIZATION)
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    check_token(given, token)
}

/// Compares the token of a request with the configured one.
pub(super) fn check_token(given: Option<&str>, token: Option<&Secret>) -> Result<(), Failure> {
    let Some(token) = token else {
        return Err(Failure::new(
            StatusCode::FORBIDDEN,
            "changes over HTTP are off, because the configuration has no token; set token under \
             [daemon]",
        ));
    };
    // Hashes have the same length, so the time of the comparison does not tell that of the token.
    let hash = |text: &str| *blake3::hash(text.as_bytes()).as_bytes();
    let message = match given {
        Some(given) if bool::from(hash(given).ct_eq(&hash(token.expose()))) => return Ok(()),
        Some(_) => "the token is wrong",
        None => "a token is needed: send the header Authorization: Bearer TOKEN",
    };
    Err(Failure::new(StatusCode::UNAUTHORIZED, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_requests_with_the_token_change_something() {
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
            let result = is_not_from_another_site(method, &headers)
                .and_then(|()| has_token(method, &headers, token.as_ref()));
            let status = result.err().map(|failure| failure.status.as_u16());
            assert_eq!(status, refused, "{case}");
        }
    }
}
