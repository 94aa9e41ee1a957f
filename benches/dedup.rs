//! How fast a whole set is clustered in memory.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use harvestd::dedup::{
    description::Description,
    keys::keys,
    memory::{Index, KEY_CAP, cluster_all, describe_all},
    rules::{Versions, decide},
};
use harvestd::demo::{Article, Author};
use harvestd::record::Resource;

const RECORDS: usize = 100_000;

const WORDS: [&str; 64] = [
    "heart",
    "growth",
    "protein",
    "soil",
    "river",
    "model",
    "analysis",
    "children",
    "school",
    "cancer",
    "risk",
    "plant",
    "water",
    "energy",
    "market",
    "policy",
    "treatment",
    "effects",
    "patients",
    "cells",
    "expression",
    "rats",
    "surgery",
    "language",
    "students",
    "learning",
    "network",
    "system",
    "method",
    "study",
    "clinical",
    "trial",
    "review",
    "evidence",
    "health",
    "care",
    "women",
    "exposure",
    "disease",
    "infection",
    "virus",
    "bacteria",
    "resistance",
    "production",
    "quality",
    "food",
    "milk",
    "wheat",
    "temperature",
    "climate",
    "change",
    "forest",
    "species",
    "diversity",
    "marine",
    "fish",
    "genome",
    "sequence",
    "acid",
    "oxidative",
    "stress",
    "inflammation",
    "response",
    "dynamics",
];

/// Titles that stand in every issue, one record in fifty.
const HOT: [&str; 4] = [
    "Editorial",
    "Front matter",
    "Editor's comments",
    "Book reviews",
];

/// Articles as a harvest brings them, one in ten a second record of an earlier one.
fn articles() -> Vec<Article> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut articles: Vec<Article> = Vec::with_capacity(RECORDS);
    while articles.len() < RECORDS {
        if articles.len() > 100 && random.u8(..10) == 0 {
            let original = &articles[random.usize(..articles.len())];
            articles.push(second_record(original, &mut random));
        } else {
            let number = articles.len();
            articles.push(article(number, &mut random));
        }
    }
    articles
}

fn article(number: usize, random: &mut fastrand::Rng) -> Article {
    let words = random.usize(7..18);
    let title = match random.u8(..50) {
        0 => HOT[random.usize(..HOT.len())].to_owned(),
        _ => (0..words)
            .map(|_| WORDS[random.usize(..WORDS.len())])
            .collect::<Vec<_>>()
            .join(" "),
    };
    let name = |random: &mut fastrand::Rng| {
        let family: String = (0..random.usize(4..9))
            .map(|_| random.lowercase())
            .collect();
        format!("{} {family}", random.uppercase())
    };
    let count = random.usize(1..7);
    let authors = (0..count)
        .map(|_| Author {
            name: name(random),
            ..Author::default()
        })
        .collect();
    let page = random.u32(1..900);
    Article {
        title: Some(title),
        authors,
        journal: Some("Journal of Synthetic Records".to_owned()),
        issn: Some(
            ["0300-8428", "1435-1803", "0009-7330", "0022-2828"][random.usize(..4)].to_owned(),
        ),
        doi: (random.u8(..10) < 8).then(|| format!("10.1234/synthetic.{number}")),
        published: Some(format!("{}-05-01", random.u32(1990..2025))),
        volume: Some(random.u32(1..90).to_string()),
        issue: Some(random.u32(1..12).to_string()),
        start_page: Some(page.to_string()),
        end_page: Some((page + random.u32(0..20)).to_string()),
        ..Article::default()
    }
}

/// The same article from another source: shouted title, DOI as an address, some fields missing.
fn second_record(original: &Article, random: &mut fastrand::Rng) -> Article {
    let mut second = original.clone();
    second.title = second.title.map(|title| title.to_uppercase());
    second.doi = second.doi.map(|doi| format!("https://doi.org/{doi}"));
    if random.bool() {
        second.doi = None;
    }
    if random.bool() {
        second.end_page = None;
    }
    second
}

fn dedup(criterion: &mut Criterion) {
    let articles: Vec<Resource> = articles().iter().map(Article::resource).collect();
    let records = describe_all(&articles, Description::from_resource);
    let mut group = criterion.benchmark_group("dedup");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(8));
    group.throughput(Throughput::Elements(RECORDS as u64));
    group.bench_function("rebuild from articles", |b| {
        b.iter(|| {
            let records = describe_all(&articles, Description::from_resource);
            black_box(cluster_all(&records, &[]).clusters.len())
        });
    });
    group.bench_function("describe", |b| {
        b.iter(|| black_box(describe_all(&articles, Description::from_resource).len()));
    });
    group.bench_function("cluster descriptions", |b| {
        b.iter(|| black_box(cluster_all(&records, &[]).clusters.len()));
    });
    group.bench_function("keys, one core", |b| {
        b.iter(|| {
            records
                .iter()
                .map(|record| black_box(keys(record)).len())
                .sum::<usize>()
        });
    });
    let pairs = Index::build(&records, KEY_CAP).pairs();
    group.throughput(Throughput::Elements(pairs.len() as u64));
    group.bench_function("decide, one core, pairs", |b| {
        b.iter(|| {
            let decided = pairs.iter().map(|(a, b)| {
                decide(
                    &records[*a as usize],
                    &records[*b as usize],
                    Versions::Together,
                )
            });
            decided
                .map(|decision| u64::from(black_box(decision).rank))
                .sum::<u64>()
        });
    });
    group.finish();
}

criterion_group!(benches, dedup);
criterion_main!(benches);
