//! The program as a daemon.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use reqwest::{Client, Method, Response};
use serde_json::Value;

use super::program::Running;
use super::{Output, Program, TempStore};

/// No wait in a test takes this long, unless the test fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running daemon.
pub struct Daemon {
    /// The process.
    pub process: Running,
    base: String,
    http: Client,
}

/// The configuration of a daemon with these sources.
pub fn write_config(store: &TempStore, daemon: &str, sources: &[String]) -> PathBuf {
    let path = store.dir().join("harvestd.toml");
    let text = format!(
        "store = '{}'\n[daemon]\nlisten = '127.0.0.1:0'\ngrace = '1s'\n{daemon}\n{}",
        store.argument(),
        sources.concat()
    );
    std::fs::write(&path, text).unwrap();
    path
}

/// A source with this schedule; the keys of `more` go with it.
pub fn source(name: &str, url: &str, schedule: &str, more: &str) -> String {
    format!(
        "[[source]]\nname = '{name}'\nurl = '{url}'\nmetadata_prefix = 'oai_doaj'\ndelay = '0s'\n\
         retries = 0\nretry_pause = '10ms'\nspread = '0s'\nschedule = '{schedule}'\n{more}\n"
    )
}

impl Daemon {
    /// Starts the program and waits until it serves.
    pub async fn start(store: &TempStore, config: &Path) -> Self {
        Self::of(
            Program::new(&["daemon", "--config", config.to_str().unwrap()]),
            store,
        )
        .await
    }

    /// Starts this program and waits until it serves.
    pub async fn of(program: Program, store: &TempStore) -> Self {
        // Its address is known only from its log, which the program writes to standard error.
        let log = store.dir().join("log");
        let process = program.log_to(&log).spawn();
        // Another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder().no_proxy().build().unwrap();
        let base = eventually("the daemon is ready", async || {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            let (_, rest) = text.rsplit_once("status at ")?;
            Some(
                rest.split_once('\n')?
                    .0
                    .trim()
                    .trim_end_matches('/')
                    .to_owned(),
            )
        })
        .await;
        Self {
            process,
            base,
            http,
        }
    }

    /// The whole address of a path.
    pub fn address(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Requests a page.
    pub async fn get(&self, path: &str) -> Response {
        self.send(Method::GET, path, &[]).await
    }

    /// Sends a request.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    /// The status of the answer to a command, such as `a/run`.
    pub async fn command(&self, path: &str, headers: &[(&str, &str)]) -> u16 {
        let path = format!("/api/v1/sources/{path}");
        let response = self.send(Method::POST, &path, headers).await;
        response.status().as_u16()
    }

    /// The JSON at this path.
    pub async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert!(
            response.status().is_success(),
            "{path}: {}",
            response.status()
        );
        serde_json::from_str(&response.text().await.unwrap()).unwrap()
    }

    /// A source as the API shows it.
    pub async fn source(&self, name: &str) -> Value {
        self.json(&format!("/api/v1/sources/{name}")).await
    }

    /// Waits until the source has a complete pass, and gives it.
    pub async fn complete(&self, name: &str) -> Value {
        eventually("a pass is complete", async || {
            // A new configuration may not have it yet.
            let response = self.get(&format!("/api/v1/sources/{name}")).await;
            let source: Value = serde_json::from_str(&response.text().await.ok()?).ok()?;
            (source["passes"][0]["state"] == "complete").then_some(())
        })
        .await;
        // The counts of the first answer may have been read just before the pass ended.
        self.source(name).await
    }

    /// Ends the daemon as a service manager does.
    pub async fn terminate(self) -> Output {
        self.process.signal("TERM");
        self.process.wait().await
    }
}

/// Asks again and again until there is an answer.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "not within {PATIENCE:?}: {what}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
