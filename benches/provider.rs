//! How fast the OAI-PMH provider serves a store, in what memory, and what a page costs at any depth.
//!
//! `cargo bench --bench provider [-- RECORDS]` stores RECORDS (1,000,000) articles of about 1,500 bytes of
//! `oai_doaj`, starts the daemon, and reads everything as `oai_dc` with one connection. It prints records
//! and megabytes a second, the daemon's largest resident memory, and how long pages take: the middle, the
//! 99th percentile and the slowest, of all pages and of the first and last tenth. Each 5,000th record is in a
//! set of its own, whose list is read too.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const RECORD_BYTES: usize = 1_500;

fn main() {
    // `cargo bench` adds an argument of its own.
    let mut number = std::env::args().filter_map(|argument| argument.parse().ok());
    let records: usize = number.next_back().unwrap_or(1_000_000);
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("store.db");
    common::fill_with(&path, records, RECORD_BYTES, |number, record| {
        if number % 5_000 == 0 {
            record.header.set_specs.push("rare".to_owned());
        }
    });
    let (mut daemon, address) = start(folder.path());
    for prefix in ["oai_doaj", "oai_dc"] {
        read_all(&address, prefix, records);
    }
    read_rare_set(&address);
    let stopped = Command::new("kill").arg(daemon.id().to_string()).status();
    assert!(
        stopped.is_ok_and(|status| status.success()),
        "kill is there"
    );
    let kib = common::largest_resident_kib(&mut daemon);
    println!("memory: {:.0} MiB at most", kib as f64 / 1024.0);
}

/// The daemon of the store, and the address of its provider.
fn start(folder: &Path) -> (Child, String) {
    let config = folder.join("harvestd.toml");
    let text = format!(
        "store = 'store.db'\n[daemon]\nlisten = '127.0.0.1:0'\nsearch = false\n[daemon.oai]\n\
         enabled = true\nadmin_email = ['a@b.org']\nlisten = '127.0.0.1:0'\n\
         [[source]]\nname = 'bench'\nurl = '{}'\nmetadata_prefix = 'oai_doaj'\nschedule = 'never'\n",
        common::BASE_URL
    );
    std::fs::write(&config, text).expect("the folder can be written");
    let mut daemon = Command::new(env!("CARGO_BIN_EXE_harvestd"))
        .args(["daemon", "--config"])
        .arg(&config)
        .env("NO_COLOR", "1")
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program is built");
    let log = BufReader::new(daemon.stderr.take().expect("it is piped"));
    let mut lines = log.lines().map_while(Result::ok);
    let address = lines
        .find_map(|line| {
            let (_, rest) = line.split_once("OAI-PMH at http://")?;
            Some(rest.split('/').next()?.to_owned())
        })
        .expect("the daemon tells its address");
    // A full pipe would stop the daemon.
    std::thread::spawn(move || lines.for_each(drop));
    (daemon, address)
}

/// Reads the whole list in one format, and prints what it took.
fn read_all(address: &str, prefix: &str, records: usize) {
    let stream = TcpStream::connect(address).expect("the daemon listens");
    stream.set_nodelay(true).expect("the socket is open");
    let mut reader = BufReader::new(stream);
    let mut arguments = format!("verb=ListRecords&metadataPrefix={prefix}");
    let (mut found, mut bytes) = (0, 0);
    let mut times: Vec<Duration> = Vec::new();
    let begun = Instant::now();
    loop {
        let page = Instant::now();
        let body = get(&mut reader, &arguments);
        times.push(page.elapsed());
        bytes += body.len();
        found += memchr::memmem::find_iter(&body, b"<record>").count();
        let tail = String::from_utf8_lossy(&body[body.len().saturating_sub(2_000)..]).into_owned();
        let token = tail.rsplit_once("<resumptionToken").map(|(_, rest)| {
            let text = rest.split_once('>').map_or("", |(_, text)| text);
            text.split('<').next().unwrap_or_default().to_owned()
        });
        match token.filter(|token| !token.is_empty()) {
            Some(token) => arguments = format!("verb=ListRecords&resumptionToken={token}"),
            None => break,
        }
    }
    let took = begun.elapsed().as_secs_f64();
    assert_eq!(found, records, "every record comes once");
    println!(
        "{prefix}: {:.0} records a second, {:.0} MB a second, {} pages",
        found as f64 / took,
        bytes as f64 / took / 1e6,
        times.len()
    );
    let tenth = (times.len() / 10).max(1);
    for (what, times) in [
        ("all pages", &times[..]),
        ("first tenth", &times[..tenth]),
        ("last tenth", &times[times.len() - tenth..]),
    ] {
        let mut sorted = times.to_vec();
        sorted.sort();
        let at =
            |share: f64| sorted[((sorted.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        println!(
            "  {what}: {:.2} ms in the middle, {:.2} ms at 99 %, {:.2} ms at most",
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }
}

/// Reads the list of the small set some times. The first time, the daemon looks through the whole source.
fn read_rare_set(address: &str) {
    let stream = TcpStream::connect(address).expect("the daemon listens");
    let mut reader = BufReader::new(stream);
    for what in ["first", "second", "third"] {
        let begun = Instant::now();
        let body = get(
            &mut reader,
            "verb=ListIdentifiers&metadataPrefix=oai_dc&set=bench:rare",
        );
        let found = memchr::memmem::find_iter(&body, b"<header>").count();
        let took = begun.elapsed().as_secs_f64() * 1e3;
        println!("small set, {what} page: {found} headers in {took:.1} ms");
    }
}

/// The body of one answer. The connection stays open.
fn get(reader: &mut BufReader<TcpStream>, arguments: &str) -> Vec<u8> {
    let request = format!("GET /oai?{arguments} HTTP/1.1\r\nHost: bench.example\r\n\r\n");
    let sent = reader.get_mut().write_all(request.as_bytes());
    sent.expect("the daemon reads");
    let mut length = None;
    let mut line = String::new();
    loop {
        line.clear();
        reader.read_line(&mut line).expect("the daemon answers");
        let text = line.trim().to_ascii_lowercase();
        if let Some(value) = text.strip_prefix("content-length:") {
            length = value.trim().parse().ok();
        }
        if text.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length.expect("answers have a length")];
    reader.read_exact(&mut body).expect("the answer is whole");
    body
}
