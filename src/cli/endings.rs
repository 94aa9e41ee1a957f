//! Looks for the repository of a web server at the paths where repositories usually are.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use url::Url;

use crate::http::{ClientSettings, Credentials, show_url};
use crate::oai::client::Client;
use crate::oai::parse::{self, Hints, PageLimits};
use crate::oai::request::Verb;
use crate::oai::{Content, Request};

/// The most addresses that are tried.
const MOST: usize = 6;

/// The time for all of them.
const TIME: Duration = Duration::from_secs(6);

/// The time for one of them.
const TIME_FOR_ONE: Duration = Duration::from_secs(3);

/// The pause between two of them.
const PAUSE: Duration = Duration::from_millis(300);

/// What a person is told of the usual endings.
pub(super) const ADVICE: &str =
    "base URLs often end in /oai, /oai/request or /index.php/JOURNAL/oai";

/// The addresses at which the repository of `url` may be, the likeliest first. Never `url` itself.
///
/// Sources: the paths of DSpace (`/oai/request`, from 7 on `/server/oai/request`), OJS
/// (`/index.php/JOURNAL/oai`), EPrints (`/cgi/oai2`) and others (`/oai`).
fn candidates(url: &Url) -> Vec<Url> {
    let path = url.path().trim_end_matches('/');
    let segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let mut paths = Vec::new();
    if let Some(at) = segments.iter().position(|part| *part == "index.php") {
        let before = segments[..=at].join("/");
        match segments.get(at + 1) {
            Some(journal) => paths.push(format!("/{before}/{journal}/oai")),
            None => paths.push(format!("/{before}/index/oai")),
        }
    } else if !path.is_empty() && !path.ends_with("/oai") {
        paths.push(format!("{path}/oai"));
    }
    if path.ends_with("/oai") {
        paths.push(format!("{path}/request"));
    }
    let install = match segments.as_slice() {
        // A first part without a dot may be the folder of an installation.
        [first, ..] if !first.contains('.') && *first != "oai" => format!("/{first}"),
        _ => String::new(),
    };
    paths.extend(["/oai/request", "/server/oai/request", "/oai"].map(str::to_owned));
    if !segments.contains(&"index.php") {
        paths.push(format!("{install}/index.php/index/oai"));
    }
    paths.push("/cgi/oai2".to_owned());
    let mut found: Vec<Url> = Vec::new();
    for path in paths {
        let mut candidate = url.clone();
        candidate.set_path(&path);
        candidate.set_query(None);
        candidate.set_fragment(None);
        if candidate.path() != url.path() && !found.contains(&candidate) {
            found.push(candidate);
        }
    }
    found.truncate(MOST);
    found
}

/// The address on the same server that answers Identify as a repository, and the addresses that were tried.
/// Sends no credentials.
pub(super) async fn find(settings: &ClientSettings) -> (Option<String>, Vec<String>) {
    let begun = Instant::now();
    let mut tried = Vec::new();
    for candidate in candidates(&settings.url) {
        let left = TIME.saturating_sub(begun.elapsed());
        if left.is_zero() {
            break;
        }
        if !tried.is_empty() {
            sleep(PAUSE).await;
        }
        let shown = show_url(&candidate);
        tried.push(candidate.path().to_owned());
        let settings = ClientSettings {
            url: candidate,
            credentials: Credentials::default(),
            ..settings.clone()
        };
        if let Ok(true) = timeout(left.min(TIME_FOR_ONE), is_repository(&settings)).await {
            return (Some(shown), tried);
        }
    }
    (None, tried)
}

async fn is_repository(settings: &ClientSettings) -> bool {
    let Ok(client) = Client::new(settings) else {
        return false;
    };
    let Ok(answer) = client.send(&Request::Identify).await else {
        return false;
    };
    let hints = Hints {
        verb: Verb::Identify,
        charset: answer.charset.as_deref(),
        limits: PageLimits::default(),
        redactor: None,
    };
    parse::parse(&answer.body, hints)
        .is_ok_and(|response| matches!(response.content, Content::Identify(_)))
}

/// What a person is told about an address that is no repository.
pub(super) async fn advice(settings: &ClientSettings) -> String {
    match find(settings).await {
        (Some(url), _) => {
            format!("there is a repository at {url} on the same server: use that address")
        }
        (None, tried) => format!(
            "{ADVICE}; no repository is at {} on this server",
            tried.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_paths_follow_from_the_given_one() {
        let cases = [
            (
                "https://x.org/",
                "/oai/request /server/oai/request /oai /index.php/index/oai /cgi/oai2",
            ),
            (
                "https://x.org/index.php/jour/issue/current",
                "/index.php/jour/oai /oai/request /server/oai/request /oai /cgi/oai2",
            ),
            (
                "https://x.org/ojs/index.php",
                "/ojs/index.php/index/oai /oai/request /server/oai/request /oai /cgi/oai2",
            ),
            (
                "https://x.org/xmlui/",
                "/xmlui/oai /oai/request /server/oai/request /oai /xmlui/index.php/index/oai /cgi/oai2",
            ),
            (
                "https://x.org/oai",
                "/oai/request /server/oai/request /index.php/index/oai /cgi/oai2",
            ),
            (
                "https://x.org/index.html?a=b",
                "/index.html/oai /oai/request /server/oai/request /oai /index.php/index/oai /cgi/oai2",
            ),
        ];
        for (url, expected) in cases {
            let found = candidates(&Url::parse(url).unwrap());
            let paths: Vec<&str> = found.iter().map(Url::path).collect();
            assert_eq!(paths.join(" "), expected, "{url}");
            assert!(found.iter().all(|found| found.query().is_none()), "{url}");
        }
    }
}
