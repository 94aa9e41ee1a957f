//! A whole harvest, as a user runs it: the program, a loopback repository, a new store.
//!
//! `cargo bench --bench harvest [-- RECORDS [RUNS]]` serves RECORDS articles (100,000) of 4 kB in
//! pages of 100 from this process, runs `harvestd harvest` against it RUNS times (3), and prints
//! for each run: records a second from start to exit, the program's largest resident memory, and
//! the store's size for each record.

mod common;

use std::path::Path;
use std::process::{Child, Command};
use std::time::Instant;

use common::largest_resident_kib;
use harvestd::clock::Clock;
use harvestd::demo::{Model, Server, Settings, Size, articles};
use harvestd::oai::Datestamp;

const RECORD_BYTES: usize = 4096;
const PAGE: usize = 100;

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
    let server = runtime.block_on(async {
        Server::start(model(records))
            .await
            .expect("a loopback port is free")
    });
    for run in 1..=runs {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let store = folder.path().join("store.db");
        let begun = Instant::now();
        let mut program = start(&server.base_url(), &store, records);
        let resident = largest_resident_kib(&mut program);
        let seconds = begun.elapsed().as_secs_f64();
        let size = std::fs::metadata(&store).map_or(0, |file| file.len());
        println!(
            "run {run}: {records} records in {seconds:.2} s = {:.0}/s, {:.1} MiB resident, \
             {:.0} bytes of store a record",
            records as f64 / seconds,
            resident as f64 / 1024.0,
            size as f64 / records as f64,
        );
    }
    runtime.block_on(server.shutdown());
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

fn start(url: &str, store: &Path, records: usize) -> Child {
    // One list, as metha reads it: windows are for repositories that cannot page deep.
    let config = store.with_extension("toml");
    let text = format!(
        "[[source]]\nname = \"bench\"\nurl = \"{url}\"\nmetadata_prefix = \"oai_doaj\"\n\
         delay = \"0s\"\nwindow_records = {}\n",
        records + 1
    );
    std::fs::write(&config, text).expect("the temporary folder can be written");
    Command::new(env!("CARGO_BIN_EXE_harvestd"))
        .args(["harvest", "--quiet", "--config"])
        .arg(&config)
        .arg("--store")
        .arg(store)
        .spawn()
        .expect("the program was built before the bench")
}
