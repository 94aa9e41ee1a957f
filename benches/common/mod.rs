//! What the benches of whole commands share: stores of articles, and the memory of a program.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each bench is a crate of its own and uses a part of this"
)]

use std::path::Path;
use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

use harvestd::demo::{Sample, Size, articles};
use harvestd::harvest::proven;
use harvestd::oai::{Datestamp, Header, Record};
use harvestd::store::{
    Ending, NewWindow, PageOrder, PageStep, PassKind, PassPacker, PassWriter, SourceDefinition,
    Span, Step, Store,
};

/// 2026-06-01T00:00:00Z
pub const NOW_MS: i64 = 1_780_272_000_000;

const PAGE: usize = 1000;

/// A store with the first `records` articles of the sample, of `bytes` each, as one pass would leave
/// it.
pub fn fill(path: &Path, records: usize, bytes: usize) {
    fill_with(path, records, bytes, |_, _| {});
}

/// As [`fill`]; `alter` changes each record before it is stored, and gets its number too.
pub fn fill_with(
    path: &Path,
    records: usize,
    bytes: usize,
    mut alter: impl FnMut(usize, &mut Record),
) {
    let store = Arc::new(Store::open(path).expect("a store can be made"));
    let (mut packer, mut writer, step) = writer(&store);
    let mut samples =
        articles(records, 1, Size::Bytes(bytes))
            .enumerate()
            .map(|(number, sample)| {
                let mut record = record((number, sample));
                alter(number, &mut record);
                record
            });
    let mut order = PageOrder::First { bound: None };
    loop {
        let page: Vec<Record> = samples.by_ref().take(PAGE).collect();
        let ending = (page.len() < PAGE).then_some(Ending::Complete);
        let last = ending.is_some();
        let step = PageStep {
            order: std::mem::take(&mut order),
            records: page,
            ending,
            ..step.clone()
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

/// The base URL of the source `bench`, where no repository is.
pub const BASE_URL: &str = "http://bench.example/oai";

/// What stores the pages of one pass, and a step of it without records.
pub fn writer(store: &Arc<Store>) -> (PassPacker, PassWriter, PageStep) {
    let definition = SourceDefinition {
        name: "bench".to_owned(),
        base_url: BASE_URL.to_owned(),
        metadata_prefix: "oai_doaj".to_owned(),
        sets: Vec::new(),
        floor: None,
    };
    let (source, _) = store
        .register_source(&definition)
        .expect("the store is new");
    let whole = NewWindow {
        set_spec: None,
        span: Span {
            from: None,
            until: None,
        },
    };
    let pass = store
        .begin_pass(source.id, PassKind::Full, false, true, &[whole], NOW_MS)
        .expect("the store is new");
    let window = store.pending_windows(pass).expect("a pass was begun")[0].id;
    let packer =
        PassPacker::new(Arc::clone(store), source.id, "oai_doaj").expect("the store is new");
    let writer = PassWriter::new(Arc::clone(store), source.id, pass, proven);
    let step = PageStep {
        window,
        ..PageStep::default()
    };
    (packer, writer, step)
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

/// Waits for the program to end well, and gives the largest resident memory that Linux counted.
pub fn largest_resident_kib(program: &mut Child) -> u64 {
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
            assert!(status.success(), "the program ended with {status}");
            return largest;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Processor time of the children that have ended and were waited for, in seconds.
///
/// Source: proc_pid_stat(5), fields 16 and 17, in hundredths of a second.
pub fn children_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields = after_name.split_whitespace().skip(13).take(2);
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    ticks as f64 / 100.0
}

fn high_water(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
