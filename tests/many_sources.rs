//! Hundreds of repositories, each a host of its own: threads, places and the time that ill hosts cost others.

mod support;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
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

/// A stage of its own: `.ci/run many-sources`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn a_thousand_sources_of_which_a_tenth_is_ill() {
    const SOURCES: usize = 1_000;
    const ILL: usize = 100;
    let hosts = Hosts::start(20).await;
    for number in 0..ILL {
        let health = [Health::Hangs, Health::Fails, Health::Limits][number % 3];
        hosts.set(number * 10, health);
    }
    let store = temp_store();
    let config = hosts.config(
        &store,
        SOURCES,
        "[daemon]\nlisten = '127.0.0.1:0'\ngrace = '1s'",
        "delay = '0s'",
    );
    let daemon = Daemon::start(&store, &config).await;
    let reader = eventually("there is a store", async || {
        Reader::open(&store.path()).ok()
    })
    .await;
    let begun = Instant::now();
    let mut most_threads = 0;
    loop {
        most_threads = most_threads.max(threads(daemon.process.id()));
        let jobs = reader.jobs().unwrap();
        let done = jobs
            .iter()
            .filter(|job| job.key.kind == JobKind::Harvest)
            .filter(|job| job.outcome == Some(JobOutcome::Succeeded))
            .count();
        if done == SOURCES - ILL {
            break;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(900),
            "{done} are complete"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    println!(
        "{} healthy sources in {:?}, {most_threads} threads",
        SOURCES - ILL,
        begun.elapsed()
    );
    assert!(most_threads <= MOST_THREADS, "{most_threads} threads");
    let metrics = daemon.get("/metrics").await.text().await.unwrap();
    assert!(
        metrics.contains("harvestd_sources{health=\"healthy\"} 900"),
        "{metrics}"
    );
    assert!(!metrics.contains("source=\"s1\""), "series for each source");
    assert_eq!(daemon.terminate().await.status, Some(0));
}

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
