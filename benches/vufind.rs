//! How many catalogue documents a second does one core make from metadata?

// Criterion's macro makes a public function.
#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use harvestd::output::vufind::{Encoding, Input, Options, document};
use harvestd::record::crosswalk;

/// Ten records of DOAJ, most of them Latin text with accents.
const PAGE: &str = include_str!("../tests/fixtures/oai_doaj-2017-ten.xml");

fn metadata() -> Vec<&'static str> {
    let containers = PAGE.split("<metadata").skip(1);
    containers
        .filter_map(|container| {
            let (_, inner) = container.split_once('>')?;
            inner.split("</metadata>").next()
        })
        .collect()
}

fn input(metadata: &str) -> Input<'_> {
    Input {
        identifier: "oai:doaj.org/article:e07fa12e4b644c169bed226c7e34f6b1",
        datestamp: "2017-04-06T18:22:55Z",
        metadata_prefix: "oai_doaj",
        metadata,
        tracking: None,
    }
}

fn documents(criterion: &mut Criterion) {
    let records = metadata();
    assert_eq!(records.len(), 10);
    let options = Options {
        institution: "Kabale University".to_owned(),
        ..Options::default()
    };
    let bytes: usize = records.iter().map(|record| record.len()).sum();
    println!(
        "{} records, {} bytes on average",
        records.len(),
        bytes / records.len()
    );

    let mut group = criterion.benchmark_group("oai_doaj");
    group.throughput(Throughput::Elements(records.len() as u64));
    group.bench_function("document", |bencher| {
        bencher.iter(|| {
            for record in &records {
                black_box(document(input(record), &options).expect("sound metadata"));
            }
        });
    });
    for (name, encoding) in [
        ("vufind-json", Encoding::Json),
        ("vufind-xml", Encoding::Xml),
    ] {
        let mut out = Vec::new();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                for record in &records {
                    let document = document(input(record), &options).expect("sound metadata");
                    encoding.push_add(&document, &mut out);
                }
                black_box(&out);
            });
        });
    }
    group.bench_function("article", |bencher| {
        bencher.iter(|| {
            for record in &records {
                black_box(crosswalk::resource("oai_doaj", record).expect("sound metadata"));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, documents);
criterion_main!(benches);
