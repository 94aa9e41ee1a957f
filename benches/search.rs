//! What the search index costs, and how quick it answers.
//!
//! `cargo bench --bench search [-- RECORDS]` stores RECORDS (100,000) articles of about 1,500 bytes of
//! `oai_doaj`, and then takes them into the index as the daemon does. It prints records a second, what
//! the index takes of the disk, and how long questions take: the middle and the slowest of many.

mod common;

use std::time::{Duration, Instant};

use harvestd::demo::{Size, articles};
use harvestd::store::{Query, Reader, SearchIndex};

const RECORD_BYTES: usize = 1_500;
const STEP: usize = 1_000;

/// Every so many articles is asked for.
const ASKED: usize = 997;

fn main() {
    // `cargo bench` adds an argument of its own.
    let mut number = std::env::args().filter_map(|argument| argument.parse().ok());
    let records: usize = number.next_back().unwrap_or(100_000);
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("store.db");
    common::fill(&path, records, RECORD_BYTES);
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
    for sample in articles(records, 1, Size::Bytes(RECORD_BYTES)).step_by(ASKED) {
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
            reader
                .search(&query, true, |_, record| record)
                .expect("the index is there");
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
