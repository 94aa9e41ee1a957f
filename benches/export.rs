//! A whole export, as a user runs it: a store of articles, the program, a file.
//!
//! `cargo bench --bench export [-- RECORDS [RUNS [FORMAT...]]]` fills a store with RECORDS articles
//! (100,000) of 4 kB, runs `harvestd export` on it RUNS times (3) for each FORMAT (`vufind-json`),
//! and prints for each run: records a second from start to exit, the program's largest resident
//! memory, and the size of the file.

mod common;

use std::path::Path;
use std::process::{Child, Command};
use std::time::Instant;

use common::{fill, largest_resident_kib};

const RECORD_BYTES: usize = 4096;

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
    fill(&store, records, RECORD_BYTES);
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
