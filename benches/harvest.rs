//! Whole harvests, as a user runs them: the program, a loopback repository, a store.
//!
//! `cargo bench --bench harvest [-- RECORDS [RUNS]]` serves RECORDS articles (100,000) of 4 kB in
//! pages of 100 from this process. It runs `harvestd harvest` against it RUNS times (3) for each of
//!
//! - `new`: into a new store
//! - `unchanged`: `harvest --full` into the store that the run before has filled
//! - `gzip`: into a new store, with gzip on the wire
//!
//! and prints for each run: processor time a record, records a second from start to exit, the
//! program's largest resident memory, and the store's size for each record.
//!
//! With `HARVESTD_BEFORE=PATH`, the program at PATH runs in turn with this one, and the last lines say by
//! how much this one takes less processor time.

mod common;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use common::{children_seconds, largest_resident_kib};
use flate2::Compression;
use flate2::write::GzEncoder;
use harvestd::clock::Clock;
use harvestd::demo::{Model, Settings, Size, articles};
use harvestd::oai::Datestamp;

const RECORD_BYTES: usize = 4096;
const PAGE: usize = 100;

/// What a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    New,
    Unchanged,
    Gzip,
}

const KINDS: [Kind; 3] = [Kind::New, Kind::Unchanged, Kind::Gzip];

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Unchanged => "unchanged",
            Self::Gzip => "gzip",
        }
    }
}

/// A program to be measured.
struct Program {
    name: &'static str,
    path: PathBuf,
    /// Microseconds of processor time a record, for each kind and run.
    costs: Vec<(Kind, f64)>,
}

impl Program {
    fn new(name: &'static str, path: impl Into<PathBuf>) -> Self {
        Self {
            name,
            path: path.into(),
            costs: Vec::new(),
        }
    }

    fn median(&self, kind: Kind) -> f64 {
        let costs = self.costs.iter().filter(|(of, _)| *of == kind);
        let mut costs: Vec<f64> = costs.map(|(_, cost)| *cost).collect();
        costs.sort_by(f64::total_cmp);
        costs[costs.len() / 2]
    }
}

fn main() {
    // `cargo bench` adds an argument of its own.
    let mut numbers = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse().ok());
    let records = numbers.next().unwrap_or(100_000);
    let runs = numbers.next().unwrap_or(3);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime can be started");
    let url = runtime.block_on(serve(records));
    let mut programs = vec![Program::new("now", env!("CARGO_BIN_EXE_harvestd"))];
    if let Some(before) = std::env::var_os("HARVESTD_BEFORE") {
        programs.insert(0, Program::new("before", before));
    }
    for run in 1..=runs {
        for program in &mut programs {
            let folder = tempfile::tempdir().expect("a temporary folder can be made");
            for kind in KINDS {
                let cost = measure(program, kind, &url, folder.path(), records, run);
                program.costs.push((kind, cost));
            }
        }
    }
    if let [before, now] = &programs[..] {
        for kind in KINDS {
            let (before, now) = (before.median(kind), now.median(kind));
            let ratio = now / before;
            let name = kind.name();
            println!("{name}: {before:.1} -> {now:.1} us of processor a record, {ratio:.2} of it");
        }
    }
}

/// Runs the program once. Returns microseconds of processor time a record.
fn measure(
    program: &Program,
    kind: Kind,
    url: &str,
    folder: &Path,
    records: usize,
    run: usize,
) -> f64 {
    let store = folder.join(match kind {
        Kind::New | Kind::Unchanged => "store.db",
        Kind::Gzip => "gzip.db",
    });
    let path = match kind {
        Kind::New | Kind::Unchanged => "plain",
        Kind::Gzip => "gzip",
    };
    let (begun, used) = (Instant::now(), children_seconds());
    let mut child = start(program, kind, &format!("{url}/{path}"), &store, records);
    let resident = largest_resident_kib(&mut child);
    let seconds = begun.elapsed().as_secs_f64();
    let cost = (children_seconds() - used) * 1e6 / records as f64;
    let size = std::fs::metadata(&store).map_or(0, |file| file.len());
    println!(
        "run {run}, {}, {}: {cost:.1} us of processor a record, {:.0} records/s, {:.1} MiB resident, \
         {:.0} bytes of store a record",
        program.name,
        kind.name(),
        records as f64 / seconds,
        resident as f64 / 1024.0,
        size as f64 / records as f64,
    );
    cost
}

/// Serves a repository below `/plain` and, compressed, below `/gzip`. Returns its address.
async fn serve(records: usize) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a loopback port is free");
    let address = listener.local_addr().expect("it is bound");
    let app = Router::new()
        .route("/plain", axum::routing::get(plain))
        .route("/gzip", axum::routing::get(gzip))
        .with_state(Arc::new(model(records)));
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}

async fn plain(State(model): State<Arc<Model>>, RawQuery(query): RawQuery) -> Response {
    ([(CONTENT_TYPE, "text/xml")], answer(&model, query)).into_response()
}

async fn gzip(State(model): State<Arc<Model>>, RawQuery(query): RawQuery) -> Response {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let body = encoder
        .write_all(&answer(&model, query))
        .and_then(|()| encoder.finish())
        .expect("memory can be written");
    let headers = [(CONTENT_TYPE, "text/xml"), (CONTENT_ENCODING, "gzip")];
    (headers, body).into_response()
}

fn answer(model: &Model, query: Option<String>) -> Vec<u8> {
    let query = query.unwrap_or_default();
    let arguments: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    let now = Datestamp::from_unix(Clock::System.now_seconds());
    model.answer(&arguments, now).body
}

fn model(records: usize) -> Model {
    let mut model = Model::new(Settings {
        page_size: PAGE,
        newest_first: false,
        clamp: None,
        ..Settings::doaj()
    });
    let now = Clock::System.now_seconds();
    for (number, sample) in articles(records, 1, Size::Bytes(RECORD_BYTES)).enumerate() {
        let age = i64::try_from(records - number).unwrap_or(0);
        let at = Datestamp::from_unix(now - 86_400 - age * 60);
        model.insert(sample.into_item(at, &["oai_doaj"]));
    }
    model
}

fn start(program: &Program, kind: Kind, url: &str, store: &Path, records: usize) -> Child {
    // One list, as metha reads it: windows are for repositories that cannot page deep.
    let config = store.with_extension("toml");
    let text = format!(
        "[[source]]\nname = \"bench\"\nurl = \"{url}\"\nmetadata_prefix = \"oai_doaj\"\n\
         delay = \"0s\"\nwindow_records = {}\n",
        records + 1
    );
    std::fs::write(&config, text).expect("the temporary folder can be written");
    let mut command = Command::new(&program.path);
    command
        .args(["harvest", "--quiet", "--config"])
        .arg(&config);
    command.arg("--store").arg(store);
    if kind == Kind::Unchanged {
        command.arg("--full");
    }
    command
        .spawn()
        .expect("the program was built before the bench")
}
