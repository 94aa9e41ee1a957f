//! A whole export, as a user runs it: a store of articles, the program, a file.
//!
//! `cargo bench --bench export [-- RECORDS [RUNS [FORMAT...]]]` fills a store with RECORDS articles
//! (100,000) of 4 kB, runs `harvestd export` on it RUNS times (3) for each FORMAT (`vufind-json`),
//! and prints for each run: records a second from start to exit, the program's largest resident
//! memory, and the size of the file.

use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};

use harvestd::demo::{Sample, Size, articles};
use harvestd::oai::{Datestamp, Header, Record};
use harvestd::store::{
    Ending, NewWindow, PageStep, PassKind, PassPacker, PassWriter, SourceDefinition, Span, Step,
    Store,
};

const RECORD_BYTES: usize = 4096;
const PAGE: usize = 1000;
const NOW_MS: i64 = 1_780_272_000_000; // 2026-06-01T00:00:00Z

fn main() {
    // `cargo bench` adds an argument of its own.
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let mut numbers = arguments
        .iter()
        .filter_map(|argument| argument.parse().ok());
    let records: usize = numbers.next().unwrap_or(100_000);
    let runs: usize = numbers.next().unwrap_or(3);
    let mut formats: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .filter(|argument| argument.parse::<usize>().is_err())
        .collect();
    if formats.is_empty() {
        formats.push("vufind-json");
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let store = folder.path().join("store.db");
    fill(&store, records);
    let output = folder.path().join("export");
    for format in formats {
        for run in 1..=runs {
            let begun = Instant::now();
            let mut program = start(&store, format, &output);
            let resident = largest_resident_kib(&mut program);
            let seconds = begun.elapsed().as_secs_f64();
            let size = std::fs::metadata(&output).map_or(0, |file| file.len());
            println!(
                "{format} run {run}: {records} records in {seconds:.2} s = {:.0}/s, {:.1} MiB \
                 resident, {:.0} bytes a record",
                records as f64 / seconds,
                resident as f64 / 1024.0,
                size as f64 / records as f64,
            );
        }
    }
}

/// A store with the first `records` articles of the sample, as one pass would leave it.
fn fill(path: &Path, records: usize) {
    let store = Arc::new(Store::open(path).expect("a store can be made"));
    let definition = SourceDefinition {
        name: "bench".to_owned(),
        base_url: "http://127.0.0.1/oai".to_owned(),
        metadata_prefix: "oai_doaj".to_owned(),
        sets: Vec::new(),
        floor: None,
    };
    let (source, _) = store.register_source(&definition).expect("it is new");
    let whole = NewWindow {
        set_spec: None,
        span: Span::default(),
    };
    let pass = store
        .begin_pass(source.id, PassKind::Full, true, true, &[whole], NOW_MS)
        .expect("a pass can begin");
    let windows = store.pending_windows(pass).expect("the store can be read");
    let window = windows.first().expect("the pass has a window").id;
    let mut packer =
        PassPacker::new(Arc::clone(&store), "oai_doaj").expect("the store can be read");
    let mut writer = PassWriter::new(store, source.id, pass);
    let mut samples = articles(records, 1, Size::Bytes(RECORD_BYTES)).enumerate();
    let mut begins = Some(None);
    loop {
        let page: Vec<Record> = samples.by_ref().take(PAGE).map(record).collect();
        let ending = (page.len() < PAGE).then_some(Ending::Complete);
        let last = ending.is_some();
        let step = PageStep {
            window,
            begins: begins.take(),
            records: page,
            ending,
            ..PageStep::default()
        };
        let packed = packer
            .pack(Step::Page(step))
            .expect("a dictionary can be stored");
        writer
            .apply(&[packed], NOW_MS)
            .expect("a page can be stored");
        if last {
            break;
        }
    }
}

fn record((number, sample): (usize, Sample)) -> Record {
    let metadata = sample.metadata("oai_doaj");
    let at = Datestamp::from_unix(NOW_MS / 1000 - 60 * number as i64);
    let header = Header {
        identifier: sample.identifier,
        datestamp: at.to_string(),
        set_specs: sample.set_specs,
        deleted: false,
    };
    Record {
        metadata,
        ..Record::tombstone(header)
    }
}

fn start(store: &Path, format: &str, output: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_harvestd"))
        .args([
            "export",
            "--quiet",
            "--institution",
            "Bench",
            "--format",
            format,
            "--store",
        ])
        .arg(store)
        .arg("--output")
        .arg(output)
        .spawn()
        .expect("the program was built before the bench")
}

/// Waits for the program to end well, and gives the largest resident memory that Linux counted.
fn largest_resident_kib(program: &mut Child) -> u64 {
    let path = format!("/proc/{}/status", program.id());
    let mut largest = 0;
    loop {
        if let Some(kib) = std::fs::read_to_string(&path)
            .ok()
            .as_deref()
            .and_then(high_water)
        {
            largest = kib;
        }
        if let Some(status) = program.try_wait().expect("the program is ours to wait for") {
            assert!(status.success(), "the export ended with {status}");
            return largest;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn high_water(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
