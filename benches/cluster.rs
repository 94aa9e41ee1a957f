//! What clusters cost: storing records with and without them, and making them anew.
//!
//! `cargo bench --bench cluster [-- RECORDS [BYTES] [alone]]` stores RECORDS (100,000) articles of BYTES
//! (3,000) of `oai_doaj` in pages of 100, sixteen pages a transaction, as a fast harvest does; without
//! clusters, with them, and then rebuilds them. It prints records a second, for each step from one
//! power of ten to the next, the time in which the articles are made left out; and what the clusters
//! take of the file. Processor time is that of all threads, which says more than the clock on a
//! machine that does other things too. With `alone`, nothing is stored without clusters.

mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{NOW_MS, writer};
use harvestd::demo::{Size, articles};
use harvestd::oai::Record;
use harvestd::oai::response::Header;
use harvestd::store::{Clustering, PackedStep, PageStep, Reader, Step, Store};

const PAGE: usize = 100;
const PAGES_TOGETHER: usize = 16;

fn main() {
    // `cargo bench` adds an argument of its own.
    let mut numbers = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse().ok());
    let records: usize = numbers.next().unwrap_or(100_000);
    let size = numbers.next().unwrap_or(3_000);
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let alone = std::env::args().any(|argument| argument == "alone");
    let plain = (!alone).then(|| fill(&folder.path().join("plain.db"), records, size, false));
    let path = folder.path().join("clusters.db");
    let clustered = fill(&path, records, size, true);
    if let Some(plain) = plain {
        println!(
            "storing with clusters takes {:.2} times as long, {:.2} times the processor time, \
             {:.0} more bytes a record",
            clustered.took.clock.as_secs_f64() / plain.took.clock.as_secs_f64(),
            clustered.took.processor.as_secs_f64() / plain.took.processor.as_secs_f64(),
            (clustered.bytes as f64 - plain.bytes as f64) / records as f64,
        );
    }
    let store = Store::open(&path).expect("the store was there");
    let begun = Took::now();
    let rebuilt = store
        .rebuild_clusters(NOW_MS, |_| ())
        .expect("the store can be written");
    let took = begun.elapsed();
    println!(
        "rebuild: {:.0} records a second, {:.1} µs of the processor each, {} moved",
        rebuilt.records as f64 / took.clock.as_secs_f64(),
        took.processor.as_secs_f64() * 1e6 / rebuilt.records as f64,
        rebuilt.moved
    );
    let stats = Reader::open(&path)
        .and_then(|reader| reader.cluster_stats())
        .expect("the store can be read");
    println!("{stats:?}");
}

struct Filled {
    took: Took,
    bytes: u64,
}

/// Time by the clock, and of all threads on processors.
#[derive(Clone, Copy, Default)]
struct Took {
    clock: Duration,
    processor: Duration,
}

struct Begun {
    clock: Instant,
    processor: Duration,
}

impl Took {
    fn now() -> Begun {
        Begun {
            clock: Instant::now(),
            processor: processor_time(),
        }
    }

    fn add(&mut self, other: Took) {
        self.clock += other.clock;
        self.processor += other.processor;
    }
}

impl Begun {
    fn elapsed(&self) -> Took {
        Took {
            clock: self.clock.elapsed(),
            processor: processor_time() - self.processor,
        }
    }
}

/// What this process has used so far, of user and system time.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux tells about processes");
    // The second field is the name in brackets; the fourteenth and fifteenth count 10 ms each.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks = ticks.map(|ticks| ticks.parse::<u64>().expect("times are numbers"));
    Duration::from_millis(10 * ticks.sum::<u64>())
}

fn fill(path: &Path, records: usize, size: usize, enabled: bool) -> Filled {
    let store = Arc::new(Store::open(path).expect("the folder can be written"));
    let wanted = Clustering {
        enabled,
        ..Clustering::default()
    };
    store.set_clustering(&wanted).expect("the store is new");
    let (mut packer, mut writer, step) = writer(&store);
    let mut samples = articles(records, 3, Size::Bytes(size));
    let (mut took, mut stored, mut mark) = (Took::default(), 0, (Took::default(), 0));
    let mut next = 1_000;
    while stored < records {
        let mut steps = Vec::new();
        for _ in 0..PAGES_TOGETHER {
            let page: Vec<Record> = samples
                .by_ref()
                .take(PAGE)
                .map(|sample| Record {
                    metadata: sample.metadata("oai_doaj"),
                    ..Record::tombstone(Header {
                        identifier: sample.identifier,
                        datestamp: "2026-05-01T00:00:00Z".to_owned(),
                        set_specs: sample.set_specs,
                        deleted: false,
                    })
                })
                .collect();
            stored += page.len();
            steps.push(Step::Page(PageStep {
                records: page,
                ..step.clone()
            }));
        }
        let begun = Took::now();
        let packed: Vec<PackedStep> = steps
            .into_iter()
            .map(|step| packer.pack(step).expect("the store can be written"))
            .collect();
        writer
            .apply(&packed, NOW_MS)
            .expect("the store can be written");
        drop(packed);
        took.add(begun.elapsed());
        if stored >= next || stored >= records {
            let records = (stored - mark.1) as f64;
            let clock = (took.clock - mark.0.clock).as_secs_f64();
            let processor = (took.processor - mark.0.processor).as_secs_f64();
            println!(
                "{} {:>9} to {stored:>9}: {:>6.0} records a second, {:.1} µs each, {:.1} µs of the \
                 processor",
                if enabled { "clusters" } else { "without " },
                mark.1,
                records / clock,
                clock * 1e6 / records,
                processor * 1e6 / records,
            );
            mark = (took, stored);
            next = if stored < 100_000 {
                next * 10
            } else {
                stored + 100_000
            };
        }
    }
    drop(writer);
    drop(store);
    let bytes = std::fs::metadata(path).map_or(0, |file| file.len());
    Filled { took, bytes }
}
