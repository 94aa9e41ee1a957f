//! A whole push into a real OpenSearch, beside a plain bulk load of the same documents from ready-made files.
//!
//! `cargo bench --bench bulk [-- RECORDS [ROUNDS]]` fills a store with RECORDS articles (100,000) of 4 kB and
//! exports their documents to files of bulk actions. It looks for the number of documents in a file and of
//! requests at a time with which OpenSearch takes a fifth of them soonest, then ROUNDS times (2) loads all
//! files so and pushes the store as it is pushed by default, each into a new index with our mapping for
//! VuFind's documents. It prints the time of each, the ratio of the sums, and the largest resident memory of
//! the pushing program. It audits the index after the last push and prints what that took. The index refreshes
//! nothing by the clock, since whichever takes longer would pay for more of that.
//!
//! OpenSearch is that of `tests/opensearch/prepare`, on the same machine.

mod common;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{fill, largest_resident_kib};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const RECORD_BYTES: usize = 4096;

/// Documents in a file that are tried.
const SIZES: [usize; 3] = [250, 1000, 4000];

/// Requests at a time that are tried.
const AT_ONCE: [usize; 3] = [1, 2, 4];

fn main() {
    // `cargo bench` adds an argument of its own.
    let mut numbers = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse().ok());
    let records: usize = numbers.next().unwrap_or(100_000);
    let rounds: usize = numbers.next().unwrap_or(2);
    let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/opensearch/run");
    if !run.exists() {
        eprintln!("SKIPPED: NO REAL OPENSEARCH TO PUSH TO; tests/opensearch/prepare makes it");
        return;
    }
    rustls::crypto::ring::default_provider()
        .install_default()
        .expect("nothing else has set one");
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let store = folder.path().join("store.db");
    fill(&store, records, RECORD_BYTES);
    let documents = exported(&store, folder.path());
    assert_eq!(documents.len(), records);
    let bytes: usize = documents.iter().map(|(_, document)| document.len()).sum();
    println!("{records} documents of {} bytes", bytes / records);

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime can be started");
    let server = OpenSearch::start(&run, &runtime);
    // The first documents are slow, until the Java machine has compiled what they run through.
    server.load(&files(folder.path(), &documents, 1000), 2);
    let mut best: Option<(f64, usize, usize)> = None;
    for size in SIZES {
        let some = files(folder.path(), &documents[..records / 5], size);
        for at_once in AT_ONCE {
            let Some(loaded) = server.load(&some, at_once) else {
                println!("files of {size}, {at_once} at a time: rejected, they need more memory");
                continue;
            };
            let seconds = loaded.as_secs_f64();
            println!(
                "files of {size}, {at_once} at a time: {:.0}/s",
                (records / 5) as f64 / seconds
            );
            if best.is_none_or(|(least, ..)| seconds < least) {
                best = Some((seconds, size, at_once));
            }
        }
    }
    let (_, size, at_once) = best.expect("something was tried");
    let files = files(folder.path(), &documents, size);
    drop(documents);
    let (mut loading, mut pushing) = (0.0, 0.0);
    let mut audit = (0.0, 0.0);
    for round in 1..=rounds {
        // Neither is always the first.
        let loads_first = round % 2 == 1;
        for is_load in [loads_first, !loads_first] {
            let (seconds, told) = if is_load {
                let loaded = server.load(&files, at_once);
                let seconds = loaded.expect("a part was accepted so").as_secs_f64();
                loading += seconds;
                (seconds, format!("files of {size}, {at_once} at a time"))
            } else {
                server.renew();
                let (seconds, mebibytes) = timed(&store, &server.url, &["push", "--all"]);
                pushing += seconds;
                (seconds, format!("push, {mebibytes:.1} MiB resident"))
            };
            println!(
                "round {round}: {told}: {seconds:.1} s = {:.0}/s",
                records as f64 / seconds
            );
            assert_eq!(server.count(), records);
            if !is_load && round == rounds {
                audit = timed(&store, &server.url, &["audit", "bench"]);
            }
        }
    }
    println!(
        "pushing takes {:.2} times as long as loading",
        pushing / loading
    );
    let (seconds, mebibytes) = audit;
    println!(
        "audit: {seconds:.1} s = {:.0}/s, {mebibytes:.1} MiB resident",
        records as f64 / seconds
    );
}

/// The ids and documents of a store.
fn exported(store: &Path, folder: &Path) -> Vec<(String, String)> {
    let file = folder.join("export.json");
    let status = Command::new(env!("CARGO_BIN_EXE_harvestd"))
        .args(["export", "--quiet", "--format", "vufind-json", "--store"])
        .arg(store)
        .arg("--output")
        .arg(&file)
        .status()
        .expect("the program was built before the bench");
    assert!(status.success(), "the export ended with {status}");
    let text = std::fs::read_to_string(&file).expect("the export was written");
    let document = |line: &str| {
        let command: Value = serde_json::from_str(&format!("{{{}}}", line.trim_end_matches(',')))
            .expect("each line is a command");
        let document = &command["add"]["doc"];
        let id = document["id"].as_str().expect("each document has an id");
        (id.to_owned(), document.to_string())
    };
    let lines = text.lines().filter(|line| line.starts_with('"'));
    lines.map(document).collect()
}

/// Writes files of so many bulk actions each.
fn files(folder: &Path, documents: &[(String, String)], size: usize) -> Vec<PathBuf> {
    let file = |(number, documents): (usize, &[(String, String)])| {
        let path = folder.join(format!("{size}-{number}.ndjson"));
        let actions: String = documents
            .iter()
            .map(|(id, document)| format!("{}\n{document}\n", json!({"index": {"_id": id}})))
            .collect();
        std::fs::write(&path, actions).expect("the temporary folder can be written");
        path
    };
    documents.chunks(size).enumerate().map(file).collect()
}

/// Runs the program with an output that has the defaults; gives seconds and largest resident memory in MiB.
fn timed(store: &Path, url: &str, arguments: &[&str]) -> (f64, f64) {
    let config = store.with_extension("toml");
    let text = format!(
        "[[output]]\nname = \"bench\"\ntype = \"opensearch\"\nurls = [\"{url}\"]\nindex = \"bench\"\n\
         document = \"vufind\"\n"
    );
    std::fs::write(&config, text).expect("the temporary folder can be written");
    let begun = Instant::now();
    let mut program = Command::new(env!("CARGO_BIN_EXE_harvestd"))
        .args(arguments)
        .args(["--quiet", "--config"])
        .arg(&config)
        .arg("--store")
        .arg(store)
        .spawn()
        .expect("the program was built before the bench");
    let resident = largest_resident_kib(&mut program);
    (begun.elapsed().as_secs_f64(), resident as f64 / 1024.0)
}

/// A real OpenSearch; it ends with the value.
struct OpenSearch<'a> {
    url: String,
    client: reqwest::Client,
    runtime: &'a Runtime,
    server: Child,
    _home: TempDir,
}

impl<'a> OpenSearch<'a> {
    fn start(run: &Path, runtime: &'a Runtime) -> Self {
        let home = tempfile::tempdir().expect("a temporary folder can be made");
        let mut server = Command::new(run)
            .arg(home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("tests/opensearch/prepare made it");
        let mut line = String::new();
        let stdout = server.stdout.take().expect("it is piped");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("it can be read");
        assert!(line.starts_with("http://"), "it did not start: {line:?}");
        let client = reqwest::Client::builder().no_proxy();
        Self {
            url: line.trim().to_owned(),
            client: client.build().expect("these settings are sound"),
            runtime,
            server,
            _home: home,
        }
    }

    /// Sends JSON, or no body for null; gives the status and the answer.
    fn ask(&self, method: reqwest::Method, path: &str, body: &Value) -> (u16, Value) {
        let request = self
            .client
            .request(method, format!("{}/{path}", self.url))
            .header("content-type", "application/json")
            .body(match body {
                Value::Null => String::new(),
                body => body.to_string(),
            });
        self.runtime.block_on(async {
            let answer = request.send().await.expect("it answers");
            let status = answer.status().as_u16();
            let text = answer.text().await.expect("it answers");
            (status, serde_json::from_str(&text).unwrap_or_default())
        })
    }

    /// Makes a new index in the place of the last one.
    fn renew(&self) {
        self.ask(reqwest::Method::DELETE, "bench-1", &Value::Null);
        let text = include_str!("../config/opensearch/vufind.json");
        let mut body: Value = serde_json::from_str(text).expect("it is JSON");
        body["aliases"] = json!({"bench": {}});
        body["settings"]["index"]["refresh_interval"] = json!("-1");
        let (status, answer) = self.ask(reqwest::Method::PUT, "bench-1", &body);
        assert_eq!(status, 200, "{answer}");
    }

    /// Loads files into a new index, and gives the time until the last is accepted; `None` if the server
    /// rejects some with HTTP 429, since so many at once need more memory than it has.
    fn load(&self, files: &[PathBuf], at_once: usize) -> Option<Duration> {
        self.renew();
        let files: Arc<[PathBuf]> = files.into();
        let next = Arc::new(AtomicUsize::new(0));
        let begun = Instant::now();
        self.runtime.block_on(async {
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..at_once {
                let (files, next) = (Arc::clone(&files), Arc::clone(&next));
                let (client, url) = (self.client.clone(), format!("{}/bench/_bulk", self.url));
                tasks.spawn(async move {
                    while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let actions = std::fs::read(file).expect("the file was written");
                        let request = client
                            .post(&url)
                            .header("content-type", "application/x-ndjson")
                            .body(actions);
                        let answer = request.send().await.expect("it answers");
                        if answer.status() == reqwest::StatusCode::TOO_MANY_REQUESTS {
                            return false;
                        }
                        let text = answer.text().await.expect("it answers");
                        assert!(text.contains("\"errors\":false"), "{text:.500}");
                    }
                    true
                });
            }
            let accepted = tasks.join_all().await;
            let are_all = accepted.iter().all(|accepted| *accepted);
            are_all.then(|| begun.elapsed())
        })
    }

    fn count(&self) -> usize {
        self.ask(reqwest::Method::POST, "bench/_refresh", &Value::Null);
        let (_, answer) = self.ask(reqwest::Method::GET, "bench/_count", &Value::Null);
        let count = answer["count"].as_u64();
        count
            .and_then(|count| usize::try_from(count).ok())
            .unwrap_or(0)
    }
}

impl Drop for OpenSearch<'_> {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
