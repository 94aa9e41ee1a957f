//! Memory: whatever an answer is made of, reading and storing it takes at most three times its allowed
//! size, and one large answer at a time is read.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::support::daemon::{Daemon, eventually, source, write_config};
use crate::support::{Fault, Repository, When, temp_store};

const MIB: usize = 1 << 20;

/// The allowed size of an answer here.
const ALLOWED: usize = 16 * MIB;

/// What the program may take besides, in part for code that the first pass loads: buffers of
/// decompressors (8 MiB for zstd), the cache of the database, and pieces between allocations.
const BESIDES: usize = 16 * MIB;

/// Every second.
const OFTEN: &str = "*/1 * * * * *";

/// A ListRecords in ISO-8859-1 or without a declaration, around `records`.
fn page(encoding: Option<&str>, records: &[u8]) -> Vec<u8> {
    let declaration = encoding.map_or_else(String::new, |name| {
        format!("<?xml version='1.0' encoding='{name}'?>")
    });
    let start = format!(
        "{declaration}<OAI-PMH xmlns=\"http://www.openarchives.org/OAI/2.0/\">\
         <responseDate>2026-06-01T12:00:00Z</responseDate><request>http://x.example/oai</request>\
         <ListRecords>"
    );
    let end = b"</ListRecords></OAI-PMH>";
    [start.as_bytes(), records, end].concat()
}

/// Record `number`, whose metadata is `content`.
fn record(number: usize, content: &[u8]) -> Vec<u8> {
    let start = format!(
        "<record><header><identifier>oai:x:{number}</identifier>\
         <datestamp>2026-05-01T00:00:00Z</datestamp></header><metadata><x>"
    );
    [start.as_bytes(), content, b"</x></metadata></record>"].concat()
}

/// Text that no compressor makes much smaller.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut letter = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        b'0' + (state >> 58) as u8 % 10
    };
    (0..bytes).map(|_| letter()).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A zstd frame whose decoder needs a window of 128 MiB.
fn zstd_with_a_large_window(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Whether the records are to be stored in the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Stored,
    Refused,
}

fn compressed(encoding: &str, body: Vec<u8>) -> Fault {
    Fault::status(
        200,
        &[("content-encoding", encoding), ("content-type", "text/xml")],
        body,
    )
}

/// The peak of a process's memory so far, in bytes.
fn peak(process: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let kib = line.trim().trim_end_matches("kB").trim();
    kib.parse::<usize>().unwrap() << 10
}

async fn start(faults: Vec<Fault>) -> (Vec<Repository>, crate::support::TempStore, Daemon) {
    let mut repositories = vec![Repository::with_records(50).start().await];
    let store = temp_store();
    let mut sources = vec![source("small", &repositories[0].base_url(), OFTEN, "")];
    for (number, fault) in faults.into_iter().enumerate() {
        let repository = Repository::with_records(1)
            .always(When::Verb("ListRecords"), fault)
            .start()
            .await;
        let limit = format!("max_inflated_bytes = {ALLOWED}\nmax_page_records = 1000000");
        let settings = source(
            &format!("hostile{number}"),
            &repository.base_url(),
            "never",
            &limit,
        );
        // Their metadata has no known format.
        sources.push(settings.replace("oai_doaj", "own"));
        repositories.push(repository);
    }
    let config = write_config(&store, "token = 'let-me-in-please'", &sources);
    let daemon = Daemon::start(&store, &config).await;
    (repositories, store, daemon)
}

async fn run(daemon: &Daemon, name: &str) {
    let right = [("authorization", "Bearer let-me-in-please")];
    assert_eq!(daemon.command(&format!("{name}/run"), &right).await, 202);
}

/// The source after its first run.
async fn ended(daemon: &Daemon, name: &str) -> Value {
    eventually(&format!("{name} has ended"), async || {
        let source = daemon.source(name).await;
        source["pass"]["outcome"].is_string().then_some(source)
    })
    .await
}

#[tokio::test]
async fn an_answer_takes_at_most_thrice_its_allowed_size() {
    let e_acute = |bytes| vec![0xE9_u8; bytes];
    let long_uri = "u".repeat(100_000);
    let amplified: Vec<u8> = (0..3_000).flat_map(|n| record(n, b"<p:y/>")).collect();
    let amplified = String::from_utf8(page(None, &amplified)).unwrap().replacen(
        "<ListRecords>",
        &format!("<ListRecords xmlns:p=\"{long_uri}\">"),
        1,
    );
    let sets = "<setSpec>a</setSpec>".repeat(ALLOWED / 20 - 100);
    let attributes: String = (0..ALLOWED / 13).map(|n| format!(" a{n}=''")).collect();
    let utf16: Vec<u8> = String::from_utf8(page(
        None,
        &record(1, "漢".repeat(ALLOWED / 3 / 2).as_bytes()),
    ))
    .unwrap()
    .encode_utf16()
    .flat_map(u16::to_le_bytes)
    .collect();
    let cases = [
        (
            "Latin-1 that becomes twice as long",
            compressed(
                "gzip",
                gzip(&page(
                    Some("ISO-8859-1"),
                    &record(1, &e_acute(ALLOWED - 1000)),
                )),
            ),
            End::Refused,
        ),
        (
            "Latin-1 that becomes just as long as allowed",
            compressed(
                "gzip",
                gzip(&page(
                    Some("ISO-8859-1"),
                    &record(1, &e_acute(ALLOWED / 2 - 1000)),
                )),
            ),
            End::Stored,
        ),
        (
            "Latin-1 of ASCII",
            compressed(
                "gzip",
                gzip(&page(
                    Some("ISO-8859-1"),
                    &record(1, &[noise(ALLOWED - 1000), e_acute(1)].concat()),
                )),
            ),
            End::Stored,
        ),
        ("UTF-16", compressed("gzip", gzip(&utf16)), End::Stored),
        (
            "bytes that are no UTF-8",
            compressed(
                "gzip",
                gzip(&page(None, &record(1, &vec![0x81; ALLOWED - 1000]))),
            ),
            End::Refused,
        ),
        (
            "one long text",
            compressed(
                "gzip",
                gzip(&page(None, &record(1, &noise(ALLOWED - 1000)))),
            ),
            End::Stored,
        ),
        (
            "a page to repair",
            compressed(
                "gzip",
                gzip(&page(
                    None,
                    &record(1, &[noise(ALLOWED - 1000), b" & ".to_vec()].concat()),
                )),
            ),
            End::Refused,
        ),
        (
            "ampersands without end",
            compressed(
                "gzip",
                gzip(&page(None, &record(1, &b"& ".repeat(ALLOWED / 2 - 500)))),
            ),
            // The one record goes to quarantine.
            End::Stored,
        ),
        (
            "a declaration that each record inherits",
            compressed("gzip", gzip(amplified.as_bytes())),
            End::Refused,
        ),
        (
            "sets without end",
            compressed(
                "gzip",
                gzip(
                    &String::from_utf8(page(None, &record(1, b"")))
                        .unwrap()
                        .replace("</header>", &format!("{sets}</header>"))
                        .into_bytes(),
                ),
            ),
            End::Refused,
        ),
        (
            "attributes without end",
            compressed(
                "gzip",
                gzip(
                    &String::from_utf8(page(None, &record(1, b"")))
                        .unwrap()
                        .replace("<x>", &format!("<x{attributes}>"))
                        .into_bytes(),
                ),
            ),
            // This one too.
            End::Stored,
        ),
        (
            "gzip that inflates to 500 MiB",
            compressed(
                "gzip",
                gzip(&page(None, &record(1, &vec![b'a'; 500 * MIB]))),
            ),
            End::Refused,
        ),
        (
            "gzip in gzip",
            compressed(
                "gzip",
                gzip(&gzip(&page(None, &record(1, &vec![b'a'; 200 * MIB])))),
            ),
            End::Refused,
        ),
        (
            "zstd with a large window",
            compressed(
                "zstd",
                zstd_with_a_large_window(&page(None, &record(1, &vec![b'a'; 200 * MIB]))),
            ),
            End::Refused,
        ),
    ];
    for (case, fault, end) in cases {
        let (repositories, _store, daemon) = start(vec![fault]).await;
        ended(&daemon, "small").await;
        let before = peak(daemon.process.id());
        run(&daemon, "hostile0").await;
        match end {
            End::Stored => {
                let source = ended(&daemon, "hostile0").await;
                assert_eq!(source["pass"]["outcome"], "succeeded", "{case}: {source:#}");
            }
            End::Refused => {
                // The window is tried smaller and smaller.
                eventually("it was asked several times", async || {
                    (repositories[1].count("ListRecords") >= 2).then_some(())
                })
                .await;
                assert_eq!(daemon.source("hostile0").await["live_records"], 0, "{case}");
            }
        }
        let taken = peak(daemon.process.id()) - before;
        assert!(
            taken <= 3 * ALLOWED + BESIDES,
            "{case}: {} MiB",
            taken / MIB
        );
        daemon.process.kill().await;
    }
}

#[tokio::test]
async fn large_answers_are_read_one_at_a_time() {
    let faults = (0..4).map(|_| {
        let body = page(
            Some("ISO-8859-1"),
            &record(1, &[noise(ALLOWED - 1000), vec![0xE9]].concat()),
        );
        compressed("gzip", gzip(&body))
    });
    let (_repositories, _store, daemon) = start(faults.collect()).await;
    ended(&daemon, "small").await;
    let before = peak(daemon.process.id());
    for number in 0..4 {
        run(&daemon, &format!("hostile{number}")).await;
    }
    for number in 0..4 {
        let source = ended(&daemon, &format!("hostile{number}")).await;
        assert_eq!(source["pass"]["outcome"], "succeeded", "{source:#}");
    }
    let taken = peak(daemon.process.id()) - before;
    // Each of the others has its first 4 MiB, as sent and decompressed.
    let others = 3 * 8 * MIB;
    // The record of the answer before may still be on its way into the store.
    let stored = ALLOWED;
    assert!(
        taken <= 3 * ALLOWED + BESIDES + others + stored,
        "{} MiB",
        taken / MIB
    );
    daemon.terminate().await;
}
