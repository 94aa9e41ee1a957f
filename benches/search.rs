//! What the search index costs, and how quick it answers.
//!
//! `cargo bench --bench search [-- RECORDS]` stores RECORDS (100,000) articles of about 1,500 bytes of
//! `oai_doaj`, and then takes them into the index as the daemon does. It prints records a second, what
//! the index takes of the disk, and how long questions take: the middle and the slowest of many.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use harvestd::demo::{Size, articles};
use harvestd::oai::Record;
use harvestd::oai::response::Header;
use harvestd::store::{
    NewWindow, PageStep, PassKind, PassPacker, PassWriter, Query, Reader, SearchIndex,
    SourceDefinition, Span, Step, Store,
};

const PAGE: usize = 2_000;
const STEP: usize = 1_000;
const NOW_MS: i64 = 1_780_272_000_000;

/// Every so many articles is asked for.
const ASKED: usize = 997;

fn main() {
    // `cargo bench` adds an argument of its own.
    let mut number = std::env::args().filter_map(|argument| argument.parse().ok());
    let records: usize = number.next_back().unwrap_or(100_000);
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("store.db");
    fill(&path, records);
    let reader = Reader::open(&path).expect("the store is there");
    let mut index = SearchIndex::open(&path).expect("the folder can be written");
    let begun = Instant::now();
    while !index.follow(&reader, STEP).expect("both can be used").done {}
    let took = begun.elapsed();
    drop(index);
    let bytes =
        std::fs::metadata(folder.path().join("store.db.search")).map_or(0, |file| file.len());
    println!(
        "index: {:.0} records a second, {:.0} bytes a record",
        records as f64 / took.as_secs_f64(),
        bytes as f64 / records as f64
    );
    let mut times: [(&str, Vec<Duration>); 5] = [
        ("DOI", Vec::new()),
        ("end of an identifier", Vec::new()),
        ("whole title", Vec::new()),
        ("three words", Vec::new()),
        ("beginning of a word", Vec::new()),
    ];
    for sample in articles(records, 3, Size::Bytes(1_500)).step_by(ASKED) {
        let title = sample.article.title.unwrap_or_default();
        let words: Vec<&str> = title.split(' ').take(3).collect();
        let beginning: String = title.chars().take(5).collect();
        let texts = [
            sample.article.doi.unwrap_or_default(),
            sample
                .identifier
                .rsplit(':')
                .next()
                .unwrap_or_default()
                .to_owned(),
            title.clone(),
            words.join(" "),
            beginning,
        ];
        for ((_, times), text) in times.iter_mut().zip(texts) {
            let query = Query {
                text,
                most: 50,
                ..Query::default()
            };
            let begun = Instant::now();
            let reader = Reader::open(&path).expect("the store is there");
            reader.search(&query, true).expect("the index is there");
            times.push(begun.elapsed());
        }
    }
    for (what, mut times) in times {
        times.sort();
        let middle = times[times.len() / 2];
        println!(
            "{what}: {middle:.1?}, at most {:.1?}",
            times[times.len() - 1]
        );
    }
}

fn fill(path: &Path, records: usize) {
    let store = Arc::new(Store::open(path).expect("the folder can be written"));
    let definition = SourceDefinition {
        name: "bench".to_owned(),
        base_url: "http://bench.example/oai".to_owned(),
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
        .expect("the store can be written");
    let window = store.pending_windows(pass).expect("the store can be read")[0].id;
    let mut packer = PassPacker::new(Arc::clone(&store), "oai_doaj").expect("the store is new");
    let mut writer = PassWriter::new(store, source.id, pass);
    let mut samples = articles(records, 3, Size::Bytes(1_500)).peekable();
    while samples.peek().is_some() {
        let page = samples.by_ref().take(PAGE).map(|sample| Record {
            metadata: sample.metadata("oai_doaj"),
            ..Record::tombstone(Header {
                identifier: sample.identifier,
                datestamp: "2026-05-01T00:00:00Z".to_owned(),
                set_specs: Vec::new(),
                deleted: false,
            })
        });
        let page = PageStep {
            window,
            records: page.collect(),
            ..PageStep::default()
        };
        let packed = packer.pack(Step::Page(page)).expect("it can be packed");
        writer.apply(&[packed], NOW_MS).expect("it can be stored");
    }
}
