//! How fast whole pages are parsed.

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use harvestd::oai::parse::{Hints, parse};
use harvestd::oai::request::Verb;

/// A page as doaj.org sends them: `records` articles of about 4 kB each.
fn synthetic_page(records: usize) -> String {
    let mut page = String::from(
        "<?xml version='1.0' encoding='UTF-8'?>\n<OAI-PMH \
         xmlns=\"http://www.openarchives.org/OAI/2.0/\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\
         <responseDate>2025-11-20T14:42:09Z</responseDate>\
         <request verb=\"ListRecords\" metadataPrefix=\"oai_doaj\">https://doaj.org/oai.article\
         </request><ListRecords>",
    );
    for number in 0..records {
        write!(
            page,
            "<record><header><identifier>oai:doaj.org/article:{number:032x}</identifier>\
             <datestamp>2025-10-01T00:00:00Z</datestamp><setSpec>TENDOk1lZGljaW5l</setSpec>\
             <setSpec>TENDOlNjaWVuY2U~</setSpec></header><metadata><oai_doaj:doajArticle \
             xmlns:oai_doaj=\"http://doaj.org/features/oai_doaj/1.0/\" \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
             xsi:schemaLocation=\"http://doaj.org/features/oai_doaj/1.0/ \
             https://doaj.org/static/doaj/doajArticles.xsd\">"
        )
        .expect("a String takes all");
        for (name, value) in [
            ("language", "eng"),
            ("publisher", "Editora da Universidade Estadual &amp; Filhos"),
            ("journalTitle", "Acta Scientiarum: Agronomy"),
            ("issn", "16799275"),
            ("eissn", "18078621"),
            ("publicationDate", "2025-09-01"),
            ("volume", "47"),
            ("issue", "1"),
            ("startPage", "e68411"),
            ("doi", "10.4025/actasciagron.v47i1.68411"),
            ("publisherRecordId", "68411"),
            ("documentType", "article"),
        ] {
            write!(page, "<oai_doaj:{name}>{value}</oai_doaj:{name}>").expect("a String takes all");
        }
        page.push_str(
            "<oai_doaj:title language=\"eng\">Soil moisture and the yield of coffee in the \
             Cerrado: a field trial of eight years</oai_doaj:title><oai_doaj:authors>",
        );
        for author in 0..6 {
            write!(
                page,
                "<oai_doaj:author><oai_doaj:name>João Müller da Conceição {author}</oai_doaj:name>\
                 <oai_doaj:affiliationId>{author}</oai_doaj:affiliationId><oai_doaj:orcid_id>\
                 https://orcid.org/0000-0002-1825-009{author}</oai_doaj:orcid_id></oai_doaj:author>"
            )
            .expect("a String takes all");
        }
        page.push_str("</oai_doaj:authors><oai_doaj:abstract language=\"eng\">");
        page.push_str(
            &"The relation of soil moisture (p &lt; 0.05) to yield was followed over eight years \
              on twelve plots near Patrocínio, at 950 m. "
                .repeat(10),
        );
        page.push_str(
            "</oai_doaj:abstract><oai_doaj:fullTextUrl format=\"html\">\
             https://periodicos.example/index.php/acta/article/view/68411?a=1&amp;b=2\
             </oai_doaj:fullTextUrl><oai_doaj:keywords language=\"eng\">",
        );
        for keyword in [
            "coffee",
            "irrigation",
            "soil water balance",
            "yield stability",
        ] {
            write!(page, "<oai_doaj:keyword>{keyword}</oai_doaj:keyword>")
                .expect("a String takes all");
        }
        page.push_str("</oai_doaj:keywords></oai_doaj:doajArticle></metadata></record>\n");
    }
    page.push_str(
        "<resumptionToken>eyJtIjoib2FpX2RvYWoifQ==</resumptionToken></ListRecords></OAI-PMH>",
    );
    page
}

fn pages(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    let mut measure = |name: &str, body: &[u8]| {
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| parse(black_box(body), Hints::new(Verb::ListRecords)));
        });
    };
    let page = synthetic_page(100);
    assert!(
        parse(page.as_bytes(), Hints::new(Verb::ListRecords)).is_ok_and(|r| r.repairs.is_empty())
    );
    measure("synthetic", page.as_bytes());
    // One bare ampersand sends the whole page through the repairs.
    let broken = page.replacen("Acta Scientiarum:", "Acta & Scientiarum:", 1);
    measure("synthetic, one repair", broken.as_bytes());
    let real = include_bytes!("../tests/fixtures/doaj-2017-page.xml");
    measure("doaj 2017", real);
    group.finish();
}

criterion_group!(benches, pages);
criterion_main!(benches);
