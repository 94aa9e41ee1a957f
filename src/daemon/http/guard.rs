//! Who may read, who may change something, and from where.

use std::net::IpAddr;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use super::{Ctx, Failure};
use crate::config::DaemonSettings;
use crate::http::Secret;

/// Pages with forms. Their handlers check the token or the cookie of a session. Only these take the cookie.
const FORMS: [&str; 6] = [
    "/source/",
    "/output/",
    "/export/",
    "/duplicates/review",
    "/sign-in",
    "/sign-out",
];

/// Counts the request, and refuses it if it may not do what it asks for.
pub(super) async fn check(State(context): State<Ctx>, request: Request, next: Next) -> Response {
    context.shared.registry.count_request();
    let token = context.shared.registry.token();
    let path = request.uri().path();
    let is_form = FORMS.iter().any(|form| path.starts_with(form));
    let config = context.shared.registry.config();
    let is_for_us = is_for_us(&request, &config.daemon);
    if is_for_provider(path, &config.daemon) {
        // It changes nothing, whatever the method, and everyone may harvest.
        return match is_for_us {
            Ok(()) => next.run(request).await,
            Err(failure) => failure.into_response(),
        };
    }
    let own_site =
        is_for_us.and_then(|()| is_not_from_another_site(request.method(), request.headers()));
    let permitted = match own_site {
        Ok(()) if !is_form && !is_safe(request.method()) => {
            check_token(bearer(request.headers()), token.as_ref()).await
        }
        own_site => own_site,
    };
    match permitted {
        Ok(()) => next.run(request).await,
        Err(failure) => failure.into_response(),
    }
}

/// Whether a path is that of the OAI-PMH provider on this address.
fn is_for_provider(path: &str, daemon: &DaemonSettings) -> bool {
    let provider = daemon.oai.as_ref().filter(|oai| oai.listen.is_none());
    provider.is_some_and(|oai| oai.path == path)
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

/// Whether requests with this method change nothing.
fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Refuses a request for a host that is not this daemon.
///
/// The owner of any name can give it the address 127.0.0.1. Browsers then take the daemon for a part of
/// that site, and let its pages read what the daemon answers.
fn is_for_us<B>(request: &axum::http::Request<B>, daemon: &DaemonSettings) -> Result<(), Failure> {
    let is_local = daemon.listen.ip().is_loopback();
    if !is_local && daemon.hosts.is_empty() {
        return Ok(());
    }
    let mut given: Vec<&str> = request
        .headers()
        .get_all(header::HOST)
        .iter()
        .map(|value| value.to_str().unwrap_or("?"))
        .collect();
    if given.len() > 1 {
        return Err(Failure::bad_request(
            "the header Host is given more than once",
        ));
    }
    given.extend(request.uri().authority().map(Authority::as_str));
    // Browsers never leave it out; simple programs that check our health do, with HTTP/1.0.
    if given.is_empty() && request.version() != Version::HTTP_10 {
        return Err(Failure::bad_request("the header Host is missing"));
    }
    for text in given {
        if !is_known_host(text, is_local, &daemon.hosts) {
            let message = format!(
                "this daemon does not answer for the host {text:?}; if people or programs should use \
                 this name, add it to hosts under [daemon]"
            );
            return Err(Failure::new(StatusCode::MISDIRECTED_REQUEST, message));
        }
    }
    Ok(())
}

/// Whether `text`, a host with or without a port, is localhost, an address or one of `hosts`.
///
/// If the daemon listens on this machine alone, it must be an address of this machine alone.
fn is_known_host(text: &str, is_local: bool, hosts: &[String]) -> bool {
    let Ok(authority) = text.parse::<Authority>() else {
        return false;
    };
    if text.contains('@') {
        return false;
    }
    let host = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']');
    let (host, address) = match host.parse::<IpAddr>() {
        Ok(address) => (address.to_string(), Some(address.to_canonical())),
        Err(_) => (host.trim_end_matches('.').to_ascii_lowercase(), None),
    };
    let is_own = match address {
        Some(address) => !is_local || address.is_loopback(),
        None => host == "localhost",
    };
    is_own || hosts.contains(&host)
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

/// The token that a request brings in its header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    text(headers, header::AUTHORIZATION)
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
}

/// How long a request with a wrong token waits for its answer.
const WRONG_PAUSE: Duration = Duration::from_secs(1);

/// How many requests with wrong tokens may wait. While so many do, no token is compared: who guesses
/// cannot make up for the pause by guessing at the same time.
const MAX_WRONG: usize = 8;

static WRONG: Semaphore = Semaphore::const_new(MAX_WRONG);

/// Compares the token of a request with the configured one. A wrong one is logged, and answered later.
pub(super) async fn check_token(
    given: Option<&str>,
    token: Option<&Secret>,
) -> Result<(), Failure> {
    let Some((_, token)) = given.zip(token) else {
        return compare(given, token);
    };
    let Ok(_waiting) = WRONG.try_acquire() else {
        return Err(Failure::too_many(
            "too many requests with wrong tokens; try again in a few seconds",
        ));
    };
    let compared = compare(given, Some(token));
    if compared.is_err() {
        tracing::warn!("a request over HTTP to change something had a wrong token");
        tokio::time::sleep(WRONG_PAUSE).await;
    }
    compared
}

fn compare(given: Option<&str>, token: Option<&Secret>) -> Result<(), Failure> {
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
    fn only_known_hosts_are_answered() {
        let local = "127.0.0.1:8017";
        let everywhere = "0.0.0.0:8017";
        let named = &["harvest.example.org", "2001:db8::1", "192.0.2.7"];
        let none: &[&str] = &[];
        let cases = [
            ("our address", local, none, "127.0.0.1:8017", None),
            ("another of ours", local, none, "127.0.0.2", None),
            ("version 6", local, none, "[::1]:8017", None),
            ("mapped", local, none, "[::ffff:127.0.0.1]:1", None),
            ("a tunnel", local, none, "localhost:9000", None),
            ("in full", local, none, "LOCALHOST.", None),
            ("rebound", local, none, "evil.example", Some(421)),
            (
                "looks local",
                local,
                none,
                "localhost.evil.example",
                Some(421),
            ),
            (
                "looks like ours",
                local,
                none,
                "127.0.0.1.evil.example",
                Some(421),
            ),
            (
                "with a user",
                local,
                none,
                "localhost@evil.example",
                Some(421),
            ),
            ("not a host", local, none, "local host", Some(421)),
            ("empty", local, none, "", Some(421)),
            ("of another machine", local, none, "192.0.2.1", Some(421)),
            ("missing", local, none, "-", Some(400)),
            ("configured", local, named, "Harvest.Example.ORG:443", None),
            ("configured address", local, named, "192.0.2.7", None),
            (
                "configured, version 6",
                local,
                named,
                "[2001:DB8:0::1]",
                None,
            ),
            (
                "below a configured one",
                local,
                named,
                "x.harvest.example.org",
                Some(421),
            ),
            ("open to all", everywhere, none, "any.example", None),
            (
                "open, with names",
                everywhere,
                named,
                "any.example",
                Some(421),
            ),
            (
                "open, by address",
                everywhere,
                named,
                "198.51.100.1:8017",
                None,
            ),
        ];
        for (case, listen, hosts, host, refused) in cases {
            let daemon = DaemonSettings {
                listen: listen.parse().unwrap(),
                hosts: hosts.iter().map(|name| (*name).to_owned()).collect(),
                ..DaemonSettings::default()
            };
            let mut request = axum::http::Request::builder().uri("/");
            if host != "-" {
                request = request.header(header::HOST, host);
            }
            let result = is_for_us(&request.body(()).unwrap(), &daemon);
            let status = result.err().map(|failure| failure.status.as_u16());
            assert_eq!(status, refused, "{case}");
        }
        let daemon = DaemonSettings::default();
        let ask = |uri: &str, version: Version, hosts: &[&str]| {
            let mut request = axum::http::Request::builder().uri(uri).version(version);
            for host in hosts {
                request = request.header(header::HOST, *host);
            }
            is_for_us(&request.body(()).unwrap(), &daemon).is_ok()
        };
        let ours = "localhost";
        assert!(ask("/", Version::HTTP_10, &[]));
        assert!(!ask("/", Version::HTTP_11, &[ours, ours]));
        assert!(!ask("http://evil.example/", Version::HTTP_11, &[ours]));
        assert!(!ask(
            "http://localhost/",
            Version::HTTP_11,
            &["evil.example"]
        ));
        assert!(ask("http://localhost/", Version::HTTP_2, &[]));
    }

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
            let result =
                is_not_from_another_site(method, &headers).and_then(|()| match is_safe(method) {
                    true => Ok(()),
                    false => compare(bearer(&headers), token.as_ref()),
                });
            let status = result.err().map(|failure| failure.status.as_u16());
            assert_eq!(status, refused, "{case}");
        }
    }
}
