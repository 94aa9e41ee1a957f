//! Hundreds of repositories, each a host of its own: threads, places and the time that ill hosts cost others.

mod support;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use harvestd::store::{JobKind, JobOutcome, Reader};
use support::daemon::{Daemon, eventually};
use support::{Program, TempStore, harvestd, temp_store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Threads that the program may have, whatever the number of its sources.
const MOST_THREADS: usize = 40;

/// How a host behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    /// Lists its records on one page.
    Well,
    /// Takes requests and never answers.
    Hangs,
    /// Answers each request with HTTP 500.
    Fails,
    /// Asks for a pause of a minute.
    Limits,
}

/// Repositories on loopback addresses of their own, all at one port.
struct Hosts {
    port: u16,
    ill: Arc<Mutex<HashMap<IpAddr, Health>>>,
}

/// The address of a host by its number.
fn address(number: usize) -> Ipv4Addr {
    let [high, low] = u16::try_from(number).unwrap().to_be_bytes();
    Ipv4Addr::new(127, 77, high, low)
}

/// A page of this many records of about a kilobyte.
fn page(records: usize) -> String {
    let text = "On the growth of catalogues and of those who read them. ".repeat(16);
    let mut page = String::from(
        "<OAI-PMH xmlns=\"http://www.openarchives.org/OAI/2.0/\">\
         <responseDate>2026-03-01T00:00:00Z</responseDate><request>http://x.example/oai</request>\
         <ListRecords>",
    );
    for number in 0..records {
        write!(
            page,
            "<record><header><identifier>oai:x.example:{number}</identifier>\
             <datestamp>2026-02-01T00:00:00Z</datestamp></header><metadata>\
             <oai_dc:dc xmlns:oai_dc=\"http://www.openarchives.org/OAI/2.0/oai_dc/\" \
             xmlns:dc=\"http://purl.org/dc/elements/1.1/\"><dc:title>Title {number}</dc:title>\
             <dc:description>{text}</dc:description></oai_dc:dc></metadata></record>"
        )
        .unwrap();
    }
    page.push_str("</ListRecords></OAI-PMH>");
    page
}

const IDENTIFY: &str = "<OAI-PMH xmlns=\"http://www.openarchives.org/OAI/2.0/\">\
    <responseDate>2026-03-01T00:00:00Z</responseDate><request>http://x.example/oai</request><Identify>\
    <repositoryName>X</repositoryName><baseURL>http://x.example/oai</baseURL>\
    <protocolVersion>2.0</protocolVersion><adminEmail>a@x.example</adminEmail>\
    <earliestDatestamp>2026-01-01T00:00:00Z</earliestDatestamp><deletedRecord>persistent</deletedRecord>\
    <granularity>YYYY-MM-DDThh:mm:ssZ</granularity></Identify></OAI-PMH>";

const NOTHING_NEW: &str = "<OAI-PMH xmlns=\"http://www.openarchives.org/OAI/2.0/\">\
    <responseDate>2026-03-02T00:00:00Z</responseDate><request>http://x.example/oai</request>\
    <error code=\"noRecordsMatch\"/></OAI-PMH>";

impl Hosts {
    /// Starts all hosts. Each page has so many records.
    async fn start(records: usize) -> Self {
        // Every loopback address is reached through the unspecified one.
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let ill: Arc<Mutex<HashMap<IpAddr, Health>>> = Arc::default();
        let page: Arc<str> = page(records).into();
        let healths = Arc::clone(&ill);
        tokio::spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                if !peer.ip().is_loopback() {
                    continue;
                }
                let (page, healths) = (Arc::clone(&page), Arc::clone(&healths));
                tokio::spawn(async move { serve(stream, &page, &healths).await });
            }
        });
        Self { port, ill }
    }

    fn set(&self, number: usize, health: Health) {
        let address = IpAddr::from(address(number));
        self.ill.lock().unwrap().insert(address, health);
    }

    /// A configuration with a source for each host.
    fn config(&self, store: &TempStore, sources: usize, head: &str, keys: &str) -> PathBuf {
        let mut text = format!("store = '{}'\n{head}\n", store.argument());
        for number in 0..sources {
            write!(
                text,
                "[[source]]\nname = 's{number}'\nurl = 'http://{}:{}/oai'\n{keys}\n",
                address(number),
                self.port
            )
            .unwrap();
        }
        let path = store.dir().join("harvestd.toml");
        std::fs::write(&path, text).unwrap();
        path
    }
}

/// Answers the requests of one connection.
async fn serve(
    mut stream: TcpStream,
    page: &str,
    healths: &Mutex<HashMap<IpAddr, Health>>,
) -> Option<()> {
    let host = stream.local_addr().ok()?.ip();
    let mut received = Vec::new();
    loop {
        while !received.windows(4).any(|end| end == b"\r\n\r\n") {
            let mut part = [0; 4096];
            let count = stream.read(&mut part).await.ok()?;
            if count == 0 {
                return None;
            }
            received.extend_from_slice(&part[..count]);
        }
        let request = String::from_utf8_lossy(&std::mem::take(&mut received)).into_owned();
        let health = healths.lock().unwrap().get(&host).copied();
        let (status, more, body) = match health.unwrap_or(Health::Well) {
            Health::Hangs => {
                tokio::time::sleep(Duration::from_secs(3600)).await;
                return None;
            }
            Health::Fails => ("500 Internal Server Error", "", "it is broken"),
            Health::Limits => ("503 Service Unavailable", "retry-after: 60\r\n", "later"),
            Health::Well if request.contains("verb=Identify") => ("200 OK", "", IDENTIFY),
            Health::Well if request.contains("from=") => ("200 OK", "", NOTHING_NEW),
            Health::Well => ("200 OK", "", page),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: text/xml\r\n{more}content-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.ok()?;
        stream.write_all(body.as_bytes()).await.ok()?;
    }
}

/// The number of threads of a process; 0 if it has ended.
fn threads(process: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("Threads:"));
    line.map_or(0, |count| count.trim().parse().unwrap())
}

/// Runs the program to its end within `patience`, and gives the largest number of its threads.
async fn run(arguments: &[&str], patience: Duration) -> (support::Output, usize) {
    let running = Program::new(arguments).spawn();
    let id = running.id();
    let begun = Instant::now();
    let mut most = 0;
    let mut waiting = std::pin::pin!(running.wait());
    loop {
        match tokio::time::timeout(Duration::from_millis(20), waiting.as_mut()).await {
            Ok(output) => return (output, most),
            Err(_) => most = most.max(threads(id)),
        }
        assert!(begun.elapsed() < patience, "it hangs; {most} threads");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_hosts_at_once_share_a_few_threads() {
    const SOURCES: usize = 700;
    const RECORDS: usize = 36;
    let hosts = Hosts::start(RECORDS).await;
    let store = temp_store();
    let config = hosts.config(&store, SOURCES, "", "delay = '0s'");
    let path = config.to_str().unwrap();
    let patience = Duration::from_secs(300);
    let harvest = ["harvest", "--jobs", "1000", "--config", path, "--quiet"];
    let (output, most) = run(&harvest, patience).await;
    output.success();
    assert!(most <= MOST_THREADS, "{most} threads");
    let reader = Reader::open(&store.path()).unwrap();
    let sources = reader.sources().unwrap();
    assert_eq!(sources.len(), SOURCES);
    for source in &sources {
        assert_eq!(source.live_records, RECORDS as u64, "{}", source.name);
        assert_eq!(source.watermarks.len(), 1, "{}", source.name);
    }
    // Nothing is new.
    let (output, most) = run(&harvest, patience).await;
    output.success();
    assert!(most <= MOST_THREADS, "{most} threads");
}

#[tokio::test(flavor = "multi_thread")]
async fn ill_hosts_take_no_places_of_healthy_ones() {
    const SOURCES: usize = 60;
    let hosts = Hosts::start(3).await;
    for number in 0..30 {
        let health = [Health::Hangs, Health::Fails, Health::Limits][number % 3];
        hosts.set(number, health);
    }
    let store = temp_store();
    let config = hosts.config(
        &store,
        SOURCES,
        "[daemon]\nlisten = '127.0.0.1:0'\nmax_hosts = 4\ngrace = '1s'",
        "delay = '0s'\nschedule = '0 3 * * *'\nspread = '0s'\nretry_pause = '5s'",
    );
    let daemon = Daemon::start(&store, &config).await;
    let reader = eventually("there is a store", async || {
        Reader::open(&store.path()).ok()
    })
    .await;
    eventually("all healthy sources are complete", async || {
        let jobs = reader.jobs().ok()?;
        let done = jobs
            .iter()
            .filter(|job| job.key.kind == JobKind::Harvest)
            .filter(|job| job.outcome == Some(JobOutcome::Succeeded))
            .count();
        (done == SOURCES - 30).then_some(())
    })
    .await;
    assert!(threads(daemon.process.id()) <= MOST_THREADS);
    assert_eq!(daemon.terminate().await.status, Some(0));
}

/// The number of sources of the long tests: `MANY_SOURCES`, or this one.
fn many_sources(otherwise: usize) -> usize {
    let number = std::env::var("MANY_SOURCES").ok();
    number.map_or(otherwise, |number| number.parse().unwrap())
}

/// What a process has used since it began.
#[derive(Debug, Clone, Copy)]
struct Used {
    processor: Duration,
    /// The memory that it has now.
    resident_kib: u64,
    /// The largest memory that it had.
    most_resident_mib: u64,
    descriptors: usize,
}

impl Used {
    fn by(process: u32) -> Self {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
        // After the name, which may have blanks: user and system time are the 12th and 13th.
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let ticks = fields.split_whitespace().skip(11).take(2);
        let ticks: u64 = ticks.map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let kib = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap()
                .trim()
                .trim_end_matches(" kB")
                .parse()
                .unwrap()
        };
        Self {
            // A tick is a hundredth of a second on every Linux.
            processor: Duration::from_millis(ticks * 10),
            resident_kib: kib("VmRSS:"),
            most_resident_mib: kib("VmHWM:") >> 10,
            descriptors: std::fs::read_dir(format!("/proc/{process}/fd"))
                .unwrap()
                .count(),
        }
    }
}

/// Milliseconds since 1970.
fn now_ms() -> i64 {
    harvestd::clock::Clock::System.now_ms()
}

/// Waits until so many sources have succeeded since a moment, and prints what that took.
async fn round(what: &str, daemon: &Daemon, reader: &Reader, healthy: usize, since_ms: i64) {
    let begun = Instant::now();
    let process = daemon.process.id();
    let mut most_threads = 0;
    loop {
        most_threads = most_threads.max(threads(process));
        let jobs = reader.jobs().unwrap();
        let done = jobs
            .iter()
            .filter(|job| job.key.kind == JobKind::Harvest)
            .filter(|job| job.outcome == Some(JobOutcome::Succeeded))
            .filter(|job| job.ended_at.is_some_and(|at| at >= since_ms))
            .count();
        if done == healthy {
            break;
        }
        let limit = Duration::from_secs(900);
        assert!(begun.elapsed() < limit, "{what}: {done} are complete");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let used = Used::by(process);
    let each = used.processor / u32::try_from(healthy).unwrap();
    println!(
        "{what}: {healthy} healthy sources in {:.1?}, {:.1?} of processor, {each:.1?} a source; \
         {most_threads} threads, {} MiB, {} descriptors",
        begun.elapsed(),
        used.processor,
        used.most_resident_mib,
        used.descriptors
    );
    assert!(most_threads <= MOST_THREADS, "{most_threads} threads");
    assert!(used.most_resident_mib <= 200, "{used:?}");
}

/// A stage of its own: `.ci/run many-sources`. A first round, and one in which nothing is new.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn many_sources_of_which_a_tenth_is_ill() {
    let sources = many_sources(1_000);
    let ill = sources / 10;
    let hosts = Hosts::start(20).await;
    for number in 0..ill {
        let health = [Health::Hangs, Health::Fails, Health::Limits][number % 3];
        hosts.set(number * 10, health);
    }
    let store = temp_store();
    let head = "[daemon]\nlisten = '127.0.0.1:0'\ngrace = '1s'";
    let config = hosts.config(&store, sources, head, "delay = '0s'");
    let daemon = Daemon::start(&store, &config).await;
    let reader = eventually("there is a store", async || {
        Reader::open(&store.path()).ok()
    })
    .await;
    round("first round", &daemon, &reader, sources - ill, 0).await;
    let metrics = daemon.get("/metrics").await.text().await.unwrap();
    let healthy = format!("harvestd_sources{{health=\"healthy\"}} {}", sources - ill);
    assert!(metrics.contains(&healthy), "{metrics}");
    // Up to `metrics_per_source` sources have series of their own.
    assert_eq!(metrics.contains("source=\"s1\""), sources <= 500);
    assert_eq!(daemon.terminate().await.status, Some(0));

    // A minute that has just begun is the time of the schedule, so that every source is due once.
    let minute = now_ms() / 60_000 + 1;
    let until = minute * 60_000 + 1_000 - now_ms();
    tokio::time::sleep(Duration::from_millis(until.unsigned_abs())).await;
    let (hour, of_hour) = (minute / 60 % 24, minute % 60);
    let keys = format!(
        "delay = '0s'\nschedule = '{of_hour} {hour} * * *'\ntime_zone = 'UTC'\nspread = '0s'"
    );
    let config = hosts.config(&store, sources, head, &keys);
    let begun = now_ms();
    let daemon = Daemon::start(&store, &config).await;
    println!("the service answers after {} ms", now_ms() - begun);
    round("nothing new", &daemon, &reader, sources - ill, begun).await;
    assert_eq!(daemon.terminate().await.status, Some(0));
    let locks = std::fs::read_dir(store.dir()).unwrap();
    let locks = locks.filter(|file| {
        let name = file.as_ref().unwrap().file_name();
        name.to_string_lossy().ends_with(".lock")
    });
    assert_eq!(locks.count(), 1, "lock files");
}

/// A stage of its own, as above: a day of hourly passes over a thousand sources, one after the other without
/// waiting for the hours. Memory, open files and the write-ahead log stay as they are.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn a_day_of_passes_leaves_nothing_behind() {
    let sources = many_sources(1_000);
    let all = 24 * sources as u64;
    let hosts = Hosts::start(20).await;
    let store = temp_store();
    let head = "[daemon]\nlisten = '127.0.0.1:0'\ngrace = '1s'";
    // Each source is always due.
    let keys = "delay = '0s'\nschedule = '* * * * * *'\nspread = '0s'";
    let config = hosts.config(&store, sources, head, keys);
    let daemon = Daemon::start(&store, &config).await;
    let process = daemon.process.id();
    let connection = rusqlite::Connection::open(store.path()).unwrap();
    let passes = || -> u64 {
        let sql = "SELECT count(*) FROM pass WHERE state = 'complete'";
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    let begun = Instant::now();
    let mut early = None;
    for part in 1..=8 {
        while passes() < all * part / 8 {
            assert!(begun.elapsed() < Duration::from_secs(3_600), "{}", passes());
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let used = Used::by(process);
        let bytes = |end: &str| {
            let file = std::fs::metadata(format!("{}{end}", store.argument()));
            file.map_or(0, |file| file.len())
        };
        let log = std::fs::metadata(store.dir().join("log")).unwrap().len();
        println!(
            "{} passes in {:.0?}: {used:?}, write-ahead log of {} kB, messages of {} kB",
            passes(),
            begun.elapsed(),
            bytes("-wal") / 1000,
            log / 1000
        );
        assert!(bytes("-wal") < 140 << 20);
        // The first quarter fills caches.
        if part == 2 {
            early = Some(used);
        }
        if let Some(early) = early {
            let limit = early.resident_kib + early.resident_kib / 8;
            assert!(used.resident_kib < limit, "{used:?} after {early:?}");
            // Connections to hosts come and go.
            assert!(used.descriptors <= early.descriptors + 80, "{used:?}");
        }
    }
    assert_eq!(daemon.terminate().await.status, Some(0));
}

/// Fills a new store with sources and the history of a year, without records: a pass and a run each day, in
/// the order in which they would have come.
fn fill_with_history(path: &Path, sources: usize) {
    drop(harvestd::store::Store::open(path).unwrap());
    let connection = rusqlite::Connection::open(path).unwrap();
    let today = now_ms() / 86_400_000;
    connection
        .execute_batch(&format!(
            "PRAGMA synchronous = OFF;
             BEGIN;
             CREATE TEMP TABLE n AS WITH RECURSIVE n (n) AS
                (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < {sources} - 1) SELECT n FROM n;
             CREATE TEMP TABLE d AS SELECT {today} - 365 + n AS d FROM n LIMIT 366;
             INSERT INTO source (id, name, base_url, metadata_prefix, sets, live_records, traits)
                SELECT n + 1, printf('s%d', n), printf('http://host-%d.example.org/oai', n), 'oai_dc',
                    '[]', 400, '{{}}' FROM n;
             INSERT INTO watermark SELECT id, '', {today} * 86400, 1 FROM source;
             INSERT INTO pass (source_id, kind, state, moves_watermark, started_at, ended_at, requests,
                    pages, bytes, wait_ms, created)
                SELECT id, 'since', 'complete', 1, d * 86400000, d * 86400000 + 2000, 2, 1, 9000,
                    800, 3 FROM d CROSS JOIN source;
             INSERT INTO window (pass_id, part, state, pages, items)
                SELECT id, 0, 'complete', 1, 3 FROM pass;
             INSERT INTO source_day SELECT id, d, 3, 0, 0 FROM d CROSS JOIN source;
             INSERT INTO job (kind, name, ended_at, started_at, outcome, runner)
                SELECT 'harvest', name, {today} * 86400000 + 2000, {today} * 86400000, 'succeeded',
                    'daemon' FROM source;
             INSERT INTO job_day SELECT 'harvest', name, d, 1, 0, 0 FROM d CROSS JOIN source;
             UPDATE job SET outcome = 'failed', message = 'HTTP 500', failures = 2, recent_failures = 3
                WHERE name LIKE '%7';
             INSERT INTO warning SELECT id, 'repaired_pages', 'Some pages were repaired.', 1 FROM source
                WHERE name LIKE '%3';
             INSERT INTO gap (source_id, set_spec, from_datestamp, until_datestamp, reason, attempts,
                    empty_reads, first_at, next_at)
                SELECT id, '', 1000, 2000, 'HTTP 500', 2, 0, 1, 1 FROM source WHERE name LIKE '%11';
             COMMIT;
             ANALYZE;"
        ))
        .unwrap();
}

/// The least of three times, and the size of what came last.
async fn least_of_three(mut run: impl AsyncFnMut() -> usize) -> (Duration, usize) {
    let (mut least, mut bytes) = (Duration::MAX, 0);
    for _ in 0..3 {
        let begun = Instant::now();
        bytes = run().await;
        least = least.min(begun.elapsed());
    }
    (least, bytes)
}

/// A stage of its own, as above: pages and commands over the history of a year.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn a_year_of_many_sources_slows_no_page_and_no_command() {
    let sources = many_sources(6_000);
    let store = temp_store();
    fill_with_history(&store.path(), sources);
    let mut text = format!(
        "store = '{}'\n[daemon]\nlisten = '127.0.0.1:0'\n",
        store.argument()
    );
    for number in 0..sources {
        write!(
            text,
            "[[source]]\nname = 's{number}'\nurl = 'http://host-{number}.example.org/oai'\n\
             schedule = 'never'\n"
        )
        .unwrap();
    }
    let config = store.dir().join("harvestd.toml");
    std::fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap();
    for command in [
        "status",
        "status --all",
        "status s5",
        "sources",
        "sources --json",
        "report s5",
        "check-config",
        "quarantine s5",
    ] {
        let arguments: Vec<&str> = command.split(' ').chain(["--config", config]).collect();
        let (least, bytes) = least_of_three(async || {
            let output = harvestd(&arguments).await;
            // Some are incomplete.
            assert!(matches!(output.status, Some(0 | 3)), "{output:?}");
            output.stdout.len()
        })
        .await;
        println!("harvestd {command}: {least:.1?}, {} kB", bytes / 1000);
        assert!(least < SLOW_COMMAND, "{command}: {least:?}");
    }

    let begun = Instant::now();
    let daemon = Daemon::start(&store, Path::new(config)).await;
    println!("the service answers after {:.1?}", begun.elapsed());
    for path in [
        "/",
        "/?state=failing",
        "/?sort=records",
        "/source/s5",
        "/metrics",
        "/api/v1/status",
        "/api/v1/sources",
        "/api/v1/sources?after=s3",
        "/api/v1/sources/s5",
        "/api/v1/outputs",
        "/readyz",
    ] {
        let (least, bytes) = least_of_three(async || {
            let answer = daemon.get(path).await;
            assert_eq!(answer.status().as_u16(), 200, "{path}");
            answer.text().await.unwrap().len()
        })
        .await;
        println!("{path}: {least:.1?}, {} kB", bytes / 1000);
        assert!(least < SLOW_PAGE, "{path}: {least:?}");
        assert!(bytes <= LARGE_PAGE, "{path}: {bytes} bytes");
    }
    let mut all = Vec::new();
    let mut path = "/api/v1/sources?limit=1000".to_owned();
    loop {
        let page = daemon.json(&path).await;
        let names = page["sources"].as_array().unwrap().iter();
        all.extend(names.map(|source| source["name"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => path = format!("/api/v1/sources?limit=1000&after={next}"),
            None => break,
        }
    }
    assert_eq!(all.len(), sources);
    assert!(all.is_sorted(), "by name");
    let used = Used::by(daemon.process.id());
    println!("the service used {used:?}");
    assert_eq!(daemon.terminate().await.status, Some(0));
}

/// Five times what a command may take, since other tests may use the machine.
const SLOW_COMMAND: Duration = Duration::from_millis(5 * 500);

/// Five times what a page may take.
const SLOW_PAGE: Duration = Duration::from_millis(5 * 100);

/// The most bytes of a page.
const LARGE_PAGE: usize = 200_000;

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_list_is_harvested_and_reported() {
    let hosts = Hosts::start(3).await;
    hosts.set(3, Health::Fails);
    let store = temp_store();
    let config = store.dir().join("harvestd.toml");
    let text = format!(
        "store = '{}'\ninclude = ['sources.d/*.toml']\n[defaults]\ndelay = '0s'\nretries = 0\n",
        store.argument()
    );
    std::fs::write(&config, text).unwrap();
    let url = |number: usize| format!("http://{}:{}/oai", address(number), hosts.port);
    let list = store.dir().join("list.csv");
    let text = format!(
        "Repository Name,OAI-PMH URL,Country\nFirst,{},de\nSecond,{}?verb=Identify,fr\nAgain,{}/,de\n\
         Broken,ftp://x.example,de\nDown,{},fr\n",
        url(1),
        url(2),
        url(1),
        url(3)
    );
    std::fs::write(&list, text).unwrap();
    let config = config.to_str().unwrap();
    let import = [
        "sources",
        "import",
        list.to_str().unwrap(),
        "--config",
        config,
    ];
    let import = [&import[..], &["--group-by", "country"]].concat();
    let said = harvestd(&import).await.success().stdout;
    assert!(said.contains("3 sources written to "), "{said}");
    assert!(
        said.contains("1 are twice in the list, 1 are skipped"),
        "{said}"
    );
    assert!(!said.contains("does not include"), "{said}");
    let written = std::fs::read_to_string(store.dir().join("sources.d/list.toml")).unwrap();
    assert!(written.contains("[[group]]\nname = \"fr\""), "{written}");
    // The same list once more adds nothing.
    let said = harvestd(&import).await.success().stdout;
    assert!(
        said.starts_with("0 sources") || said.contains("\n0 sources written"),
        "{said}"
    );
    assert!(said.contains("4 are configured already"), "{said}");

    harvestd(&["harvest", "--config", config, "--quiet"])
        .await
        .failure(3);
    let csv = harvestd(&["report", "--config", config, "--format", "csv"]).await;
    let csv = csv.success().stdout;
    let line = |name: &str| {
        let line = csv.lines().find(|line| line.starts_with(name));
        line.unwrap_or_else(|| panic!("{name} in {csv}")).to_owned()
    };
    assert!(line("first,").contains(",healthy,3,1,0,3,0,0,0,"), "{csv}");
    assert!(line("down,").contains(",flaky,0,"), "{csv}");
    assert!(line("down,").contains("HTTP 500"), "{csv}");
    let page = harvestd(&["report", "down", "--config", config, "--format", "html"]).await;
    let page = page.success().stdout;
    assert!(
        page.contains("<h2>down</h2>") && page.contains("To do: "),
        "{page}"
    );
    let unknown = ["report", "nobody", "--config", config];
    harvestd(&unknown).await.failure(2);
}
