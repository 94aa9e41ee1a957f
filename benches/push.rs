//! A whole push into a real Solr, beside a load of the same documents from ready-made files.
//!
//! `cargo bench --bench push [-- RECORDS [ROUNDS]]` fills a store with RECORDS articles (100,000) of
//! 4 kB and exports their documents to files. It looks for the number of documents in a file and of
//! requests at a time with which Solr takes a fifth of them soonest, then ROUNDS times (2) loads all
//! files so and pushes the store as it is pushed by default, each into an empty index. It prints the
//! time of each, the ratio of the sums, and the largest resident memory of the pushing program. Last
//! it audits the index and prints what that took. Solr commits nothing by the clock: of what is the same
//! work, whichever takes longer would pay for one commit more, and for the merging of segments that it
//! leads to, which is as much as the difference.
//!
//! Solr is that of `tests/solr/prepare`, with the configuration of our tests but for that, on the same
//! machine.

mod common;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{fill, largest_resident_kib};
use tempfile::TempDir;

const RECORD_BYTES: usize = 4096;

/// Until Solr commits by itself, in seconds; longer than a round takes.
const COMMIT_WITHIN: u64 = 3600;

/// Documents in a page of an audit.
const PAGE: usize = 1000;

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
    let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/solr/run");
    if !run.exists() {
        eprintln!("SKIPPED: NO REAL SOLR TO PUSH TO; tests/solr/prepare makes it");
        return;
    }
    rustls::crypto::ring::default_provider()
        .install_default()
        .expect("nothing else has set one");
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let store = folder.path().join("store.db");
    fill(&store, records, RECORD_BYTES);
    let commands = exported(&store, folder.path());
    assert_eq!(commands.len(), records);
    let bytes: usize = commands.iter().map(String::len).sum();
    println!("{records} documents of {} bytes", bytes / records);

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime can be started");
    let solr = Solr::start(&run);
    let loader = Loader {
        runtime: &runtime,
        solr: &solr,
    };
    // The first documents are slow, until the Java machine has compiled what they run through.
    loader.load(&files(folder.path(), &commands, 1000), 2);
    let mut best: Option<(f64, usize, usize)> = None;
    for size in SIZES {
        let some = files(folder.path(), &commands[..records / 5], size);
        for at_once in AT_ONCE {
            let seconds = loader.load(&some, at_once).as_secs_f64();
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
    let files = files(folder.path(), &commands, size);
    drop(commands);
    let (mut loading, mut pushing) = (0.0, 0.0);
    for round in 1..=rounds {
        // Neither is always the first.
        let loads_first = round % 2 == 1;
        for is_load in [loads_first, !loads_first] {
            let (seconds, told) = if is_load {
                let seconds = loader.load(&files, at_once).as_secs_f64();
                loading += seconds;
                (seconds, format!("files of {size}, {at_once} at a time"))
            } else {
                let (seconds, mebibytes) = push(&store, &solr, &runtime);
                pushing += seconds;
                (seconds, format!("push, {mebibytes:.1} MiB resident"))
            };
            println!(
                "round {round}: {told}: {seconds:.1} s = {:.0}/s",
                records as f64 / seconds
            );
            assert_eq!(solr.count(&runtime), records);
        }
    }
    println!(
        "pushing takes {:.2} times as long as loading",
        pushing / loading
    );
    let begun = Instant::now();
    let mut program = start(&store, &solr.url, &["audit", "bench"]);
    let resident = largest_resident_kib(&mut program);
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "audit: {seconds:.1} s = {:.0}/s, {:.1} MiB resident, {} bytes of answer a document",
        records as f64 / seconds,
        resident as f64 / 1024.0,
        solr.page_bytes(&runtime) / PAGE
    );
}

/// Pushes a store into an empty index; gives the seconds that took, and the largest resident memory in
/// MiB.
fn push(store: &Path, solr: &Solr, runtime: &tokio::runtime::Runtime) -> (f64, f64) {
    solr.empty(runtime);
    let begun = Instant::now();
    let mut program = start(store, &solr.url, &["push", "--all"]);
    let resident = largest_resident_kib(&mut program);
    (begun.elapsed().as_secs_f64(), resident as f64 / 1024.0)
}

/// The commands that add all documents of a store.
fn exported(store: &Path, folder: &Path) -> Vec<String> {
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
    let commands = text.lines().filter(|line| line.starts_with('"'));
    commands
        .map(|line| line.trim_end_matches(',').to_owned())
        .collect()
}

/// Writes files of so many documents each.
fn files(folder: &Path, commands: &[String], size: usize) -> Vec<PathBuf> {
    let file = |(number, commands): (usize, &[String])| {
        let path = folder.join(format!("{size}-{number}.json"));
        let message = format!("{{\n{}\n}}\n", commands.join(",\n"));
        std::fs::write(&path, message).expect("the temporary folder can be written");
        path
    };
    commands.chunks(size).enumerate().map(file).collect()
}

/// Starts the program with an output that has the defaults, but for commits.
fn start(store: &Path, url: &str, arguments: &[&str]) -> Child {
    let config = store.with_extension("toml");
    let text = format!(
        "[[output]]\nname = \"bench\"\ntype = \"solr\"\nurls = [\"{url}\"]\n\
         commit_within = \"{COMMIT_WITHIN}s\"\n"
    );
    std::fs::write(&config, text).expect("the temporary folder can be written");
    Command::new(env!("CARGO_BIN_EXE_harvestd"))
        .args(arguments)
        .args(["--quiet", "--config"])
        .arg(&config)
        .arg("--store")
        .arg(store)
        .spawn()
        .expect("the program was built before the bench")
}

struct Loader<'a> {
    runtime: &'a tokio::runtime::Runtime,
    solr: &'a Solr,
}

impl Loader<'_> {
    /// Loads files into an empty index, and gives the time until the last is taken.
    fn load(&self, files: &[PathBuf], at_once: usize) -> Duration {
        self.solr.empty(self.runtime);
        let files: Arc<[PathBuf]> = files.into();
        let next = Arc::new(AtomicUsize::new(0));
        let begun = Instant::now();
        self.runtime.block_on(async {
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..at_once {
                let (files, next) = (Arc::clone(&files), Arc::clone(&next));
                let (client, url) = (self.solr.client.clone(), self.solr.url.clone());
                tasks.spawn(async move {
                    while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let message = std::fs::read(file).expect("the file was written");
                        let url = format!("{url}/update?commitWithin={}", COMMIT_WITHIN * 1000);
                        post(&client, url, message).await;
                    }
                });
            }
            while let Some(ended) = tasks.join_next().await {
                ended.expect("no file is refused");
            }
        });
        begun.elapsed()
    }
}

async fn post(client: &reqwest::Client, url: String, message: Vec<u8>) -> serde_json::Value {
    let request = client
        .post(url)
        .header("content-type", "application/json")
        .body(message);
    let answer = request.send().await.expect("Solr answers");
    let status = answer.status();
    let text = answer.text().await.expect("Solr answers");
    assert!(status.is_success(), "{text}");
    serde_json::from_str(&text).expect("Solr answers in JSON")
}

/// Writes the configuration of our tests, without commits by the clock.
fn configure(folder: &Path) {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/solr/conf");
    std::fs::create_dir(folder).expect("the temporary folder can be written");
    let by_the_clock = "<maxTime>15000</maxTime>";
    let never = format!("<maxTime>{}</maxTime>", COMMIT_WITHIN * 1000);
    let mut changed = false;
    for entry in std::fs::read_dir(tests).expect("the tests have a configuration") {
        let path = entry.expect("its folder can be read").path();
        let text = std::fs::read_to_string(&path).expect("it is text");
        changed |= text.contains(by_the_clock);
        let name = path.file_name().expect("a file has a name");
        std::fs::write(folder.join(name), text.replace(by_the_clock, &never))
            .expect("the temporary folder can be written");
    }
    assert!(changed, "the tests' Solr does not commit by {by_the_clock}");
}

/// A real Solr; it ends with the value.
struct Solr {
    url: String,
    client: reqwest::Client,
    server: Child,
    _home: TempDir,
}

impl Solr {
    fn start(run: &Path) -> Self {
        let home = tempfile::tempdir().expect("a temporary folder can be made");
        let configuration = home.path().join("conf-of-bench");
        configure(&configuration);
        let mut server = Command::new(run)
            .arg(&configuration)
            .arg(home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("tests/solr/prepare made it");
        let mut line = String::new();
        let stdout = server.stdout.take().expect("it is piped");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("it can be read");
        assert!(line.starts_with("http://"), "Solr did not start: {line:?}");
        Self {
            url: line.trim().to_owned(),
            client: reqwest::Client::builder()
                .no_proxy()
                .build()
                .expect("these settings are sound"),
            server,
            _home: home,
        }
    }

    fn post(
        &self,
        runtime: &tokio::runtime::Runtime,
        handler: &str,
        body: &str,
    ) -> serde_json::Value {
        let url = format!("{}/{handler}", self.url);
        runtime.block_on(post(&self.client, url, body.as_bytes().to_vec()))
    }

    fn empty(&self, runtime: &tokio::runtime::Runtime) {
        let all = "{\"delete\":{\"query\":\"*:*\"}}";
        self.post(runtime, "update?commit=true", all);
    }

    /// The size of a page that an audit reads.
    fn page_bytes(&self, runtime: &tokio::runtime::Runtime) -> usize {
        let query = format!(
            "select?rows={PAGE}&fl=id,title_full,author,publishDate,url&sort=id+asc&wt=json"
        );
        let page = self.post(runtime, &query, "{\"query\":\"*:*\"}");
        page.to_string().len()
    }

    fn count(&self, runtime: &tokio::runtime::Runtime) -> usize {
        self.post(runtime, "update?commit=true", "{}");
        let answer = self.post(runtime, "select?rows=0", "{\"query\":\"*:*\"}");
        let found = answer["response"]["numFound"].as_u64();
        found
            .and_then(|found| usize::try_from(found).ok())
            .unwrap_or(0)
    }
}

impl Drop for Solr {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
