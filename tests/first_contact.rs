//! The first run over a source whose address is wrong: it fails at once, says what is there, and stores nothing.

mod support;

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::IntoResponse;
use harvestd::store::Reader;
use serde_json::Value;
use support::{Output, Repository, TempStore, harvestd, temp_store};
use tokio::net::TcpListener;

/// A wrong address costs no more time than this, with the search for the right one.
const AT_ONCE: Duration = Duration::from_secs(10);

/// What a server answers to every request, and the paths that were requested.
#[derive(Clone)]
struct Site {
    status: u16,
    content_type: &'static str,
    body: &'static str,
    paths: Arc<Mutex<Vec<String>>>,
    /// The path at which a repository is, and its answer to Identify.
    repository: Option<(&'static str, String)>,
}

impl Site {
    fn new(status: u16, content_type: &'static str, body: &'static str) -> Self {
        Self {
            status,
            content_type,
            body,
            paths: Arc::default(),
            repository: None,
        }
    }

    /// Starts it, and gives its address without a path.
    async fn start(&self) -> String {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}")
    }

    fn paths(&self) -> Vec<String> {
        self.paths.lock().unwrap().clone()
    }
}

async fn answer(State(site): State<Site>, uri: Uri) -> impl IntoResponse {
    site.paths.lock().unwrap().push(uri.path().to_owned());
    let (status, content_type, body) = match &site.repository {
        Some((path, identify)) if *path == uri.path() => (200, "text/xml", identify.clone()),
        _ => (site.status, site.content_type, site.body.to_owned()),
    };
    (
        StatusCode::from_u16(status).unwrap(),
        [(header::CONTENT_TYPE, content_type)],
        body,
    )
}

/// Harvests this URL into a new store. The run fails at once.
async fn harvest(url: &str) -> (TempStore, Output) {
    let store = temp_store();
    let begun = Instant::now();
    let output = harvestd(&["harvest", url, "--store", &store.argument()])
        .await
        .failure(1);
    assert!(begun.elapsed() < AT_ONCE, "{url}: {:?}", begun.elapsed());
    (store, output)
}

/// Neither a store nor a lock is left of a run over a wrong address.
fn assert_empty(store: &TempStore) {
    let left: Vec<_> = std::fs::read_dir(store.dir())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn whatever_is_no_repository_is_named_at_once() {
    let page = "<!DOCTYPE html><html><head><title>Welcome to X</title></head><body>x</body></html>";
    let cases = [
        (
            200,
            "text/html",
            page,
            "HTTP 200, text/html: a web page titled \"Welcome to X\"",
        ),
        (
            404,
            "text/html",
            page,
            "HTTP 404, text/html: a web page titled \"Welcome to X\"",
        ),
        (
            200,
            "application/rss+xml",
            "<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><title>n</title></channel></rss>",
            "HTTP 200, application/rss+xml: a feed",
        ),
        (
            200,
            "application/atom+xml",
            "<feed xmlns=\"http://www.w3.org/2005/Atom\"><title>n</title></feed>",
            "a feed",
        ),
        (
            200,
            "text/xml",
            "<catalog><book/></catalog>",
            "XML with the root element \"catalog\"",
        ),
        (
            200,
            "application/json",
            "{\"error\": \"no such route\"}",
            "application/json: JSON",
        ),
        (410, "text/plain", "gone", "HTTP 410, text/plain: \"gone\""),
    ];
    for (status, content_type, body, expected) in cases {
        let site = Site::new(status, content_type, body);
        let url = site.start().await + "/journal";
        let (store, output) = harvest(&url).await;
        let text = &output.stderr;
        for words in [
            expected,
            "is no OAI-PMH repository",
            "nothing was stored",
            "/oai/request",
        ] {
            assert!(text.contains(words), "{words} in {text}");
        }
        assert_empty(&store);
        let requests = site.paths();
        assert!(requests.len() <= 8, "{requests:?}");
    }
}

#[tokio::test]
async fn an_address_where_nobody_listens_fails_at_once() {
    for (url, expected) in [
        ("http://127.0.0.1:1/oai", "cannot be reached"),
        ("http://no-such-host.invalid/oai", "cannot be reached"),
    ] {
        let (store, output) = harvest(url).await;
        assert!(output.stderr.contains(expected), "{}", output.stderr);
        assert!(
            output.stderr.contains("check the address"),
            "{}",
            output.stderr
        );
        assert_empty(&store);
    }
}

#[tokio::test]
async fn the_repository_of_the_server_is_found() {
    let real = Repository::with_records(3).start().await;
    let identify = reqwest_text(&format!("{}?verb=Identify", real.base_url())).await;
    let mut site = Site::new(200, "text/html", "<html><title>Journals</title></html>");
    site.repository = Some(("/index.php/jour/oai", identify));
    let base = site.start().await;
    let (_, output) = harvest(&format!("{base}/index.php/jour/issue/current")).await;
    let advice = format!("there is a repository at {base}/index.php/jour/oai");
    assert!(output.stderr.contains(&advice), "{}", output.stderr);
}

async fn reqwest_text(url: &str) -> String {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.get(url).send().await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn a_source_that_has_worked_is_treated_with_patience() {
    let repository = Repository::with_records(40).start().await;
    let store = temp_store();
    let config = store.dir().join("harvestd.toml");
    let text = |url: &str| {
        format!(
            "store = '{}'\n[[source]]\nname = 'a'\nurl = '{url}'\nmetadata_prefix = 'oai_doaj'\n\
             delay = '0s'\nretries = 2\nretry_pause = '10ms'\n",
            store.argument()
        )
    };
    std::fs::write(&config, text(&repository.base_url())).unwrap();
    let path = config.to_str().unwrap();
    harvestd(&["harvest", "--config", path]).await.success();
    // The same repository moves to a server that answers with a page.
    let site = Site::new(200, "text/html", "<html><title>Maintenance</title></html>");
    let url = site.start().await + "/oai";
    std::fs::write(&config, text(&url)).unwrap();
    let output = harvestd(&["harvest", "--json", "--config", path])
        .await
        .failure(3);
    let report: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(report["sources"][0]["state"], "incomplete", "{report}");
    assert!(site.paths().iter().all(|path| path == "/oai"));
    let sources = Reader::open(&store.path()).unwrap().sources().unwrap();
    assert_eq!(sources[0].live_records, 40);
}

#[tokio::test]
async fn a_configured_source_that_was_never_reached_is_shown_as_failed() {
    let store = temp_store();
    let config = store.dir().join("harvestd.toml");
    let text = format!(
        "store = '{}'\n[[source]]\nname = 'a'\nurl = 'http://127.0.0.1:1/oai'\n",
        store.argument()
    );
    std::fs::write(&config, text).unwrap();
    let path = config.to_str().unwrap();
    harvestd(&["harvest", "--config", path]).await.failure(1);
    let shown = harvestd(&["sources", "--json", "--config", path])
        .await
        .success();
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(shown["sources"][0]["state"], "failed", "{shown}");
    let why = shown["sources"][0]["why"].as_str().unwrap();
    assert!(why.contains("cannot be reached"), "{why}");
}

#[tokio::test]
async fn a_redirect_to_a_dead_address_names_it() {
    // Nothing listens at port 1.
    let dead = "http://127.0.0.1:1/oai";
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}/old", listener.local_addr().unwrap());
    let moved = move || async move { (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, dead)]) };
    let router = Router::new().fallback(moved);
    tokio::spawn(async move { axum::serve(listener, router).await });
    let (store, output) = harvest(&url).await;
    let told = format!("{url} redirects to {dead}, which cannot be reached");
    assert!(output.stderr.contains(&told), "{}", output.stderr);
    assert_empty(&store);
}
