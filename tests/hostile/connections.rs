//! Clients that only hold a place: pages, harvests and memory stay as they were.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use harvestd::oai::Datestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::process::{Memory, memory_mib, open_files};
use crate::support::daemon::{Daemon, eventually, source, write_config};
use crate::support::model::{Behaviour, Item, Model};
use crate::support::{NOW, Repository, TempStore, harvestd, temp_store};

/// Every second.
const OFTEN: &str = "*/1 * * * * *";

/// Nobody waits longer for a page. The status page takes some milliseconds on an idle machine.
const PAGE: Duration = Duration::from_secs(5);

/// Files that the daemon has open beside connections, generously.
const OTHER_FILES: usize = 100;

/// A request whose answer has some 16 MiB.
const LARGE: &[u8] = b"GET /api/v1/changes?format=xml HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn address(daemon: &Daemon) -> SocketAddr {
    let address = daemon.address("");
    address.strip_prefix("http://").unwrap().parse().unwrap()
}

/// Connects, with little room for what the daemon sends, and sends these bytes.
async fn send(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    // The daemon may have refused the connection already.
    let _ = stream.write_all(bytes).await;
    stream
}

async fn first_line(stream: &mut TcpStream) -> String {
    let mut start = [0; 32];
    let count = stream.read(&mut start).await.unwrap_or(0);
    let text = String::from_utf8_lossy(&start[..count]).into_owned();
    text.lines().next().unwrap_or_default().to_owned()
}

/// The time until a new client has the status page.
async fn page_time(daemon: &Daemon) -> Duration {
    let begun = Instant::now();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(daemon.address("/")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.text().await.unwrap();
    begun.elapsed()
}

/// Pages come in time, for new clients, while passes go on.
async fn works(daemon: &Daemon) {
    let passes = passes(daemon).await;
    for _ in 0..5 {
        let time = page_time(daemon).await;
        assert!(time < PAGE, "{time:?}");
    }
    eventually("passes go on", async || {
        (self::passes(daemon).await > passes).then_some(())
    })
    .await;
}

/// The number of complete passes. Each request is a new connection, because the daemon may have closed
/// an idle one.
async fn passes(daemon: &Daemon) -> u64 {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let address = daemon.address("/metrics");
    let text = client.get(address).send().await.unwrap().text().await;
    let name = "harvestd_passes_total{source=\"a\",result=\"complete\"} ";
    let text = text.unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    value.map_or(0, |value| value.parse().unwrap())
}

/// A daemon that harvests all the time and has this much to tell.
async fn start(store: &TempStore, repository: &Repository, keys: &str) -> Daemon {
    let sources = [source("a", &repository.base_url(), OFTEN, "")];
    let config = write_config(store, keys, &sources);
    harvestd(&["harvest", "--config", config.to_str().unwrap()])
        .await
        .success();
    let daemon = Daemon::start(store, &config).await;
    works(&daemon).await;
    daemon
}

/// 40 records of 400 kB each.
fn large_records() -> Model {
    let mut model = Model::new(Behaviour::plain());
    for number in 0..40 {
        let metadata = format!(
            "<oai_doaj:doajArticle xmlns:oai_doaj=\"http://doaj.org/features/oai_doaj/1.0/\">\
             <oai_doaj:title>T</oai_doaj:title><oai_doaj:abstract>{}</oai_doaj:abstract>\
             </oai_doaj:doajArticle>",
            "x".repeat(400_000)
        );
        model.insert(Item {
            identifier: format!("oai:x:{number}"),
            datestamp: Datestamp::from_unix(NOW - 1_000),
            set_specs: Vec::new(),
            deleted: false,
            metadata: vec![("oai_doaj".to_owned(), Arc::from(metadata))],
        });
    }
    model
}

#[tokio::test]
async fn idle_and_half_open_connections_hold_no_place() {
    let repository = Repository::with_records(50).start().await;
    let store = temp_store();
    let daemon = start(&store, &repository, "").await;
    let before = memory_mib(&daemon, Memory::Now);
    let address = address(&daemon);
    let mut held = Vec::new();
    for number in 0..1_100 {
        let sent: &[u8] = match number % 4 {
            0 => b"",
            1 => b"GET / HTTP/1.1\r\nHost: local",
            2 => b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            _ => {
                b"POST /source/a HTTP/1.1\r\nHost: localhost\r\nContent-Type: \
                  application/x-www-form-urlencoded\r\nContent-Length: 20\r\n\r\nto"
            }
        };
        held.push(send(address, sent).await);
    }
    works(&daemon).await;
    let files = open_files(&daemon);
    assert!(files <= 128 + OTHER_FILES, "{files} open files");
    let grown = memory_mib(&daemon, Memory::Now).saturating_sub(before);
    assert!(grown < 64, "{grown} MiB more");
    drop(held);
    assert_eq!(daemon.terminate().await.status, Some(0));
}

#[tokio::test]
async fn readers_that_do_not_read_take_no_memory() {
    let repository = Repository::of(large_records()).start().await;
    let store = temp_store();
    let daemon = start(&store, &repository, "").await;
    let before = memory_mib(&daemon, Memory::Most);
    let address = address(&daemon);
    let mut held = Vec::new();
    for _ in 0..100 {
        held.push(send(address, LARGE).await);
    }
    works(&daemon).await;
    // Who reads gets a whole answer, once the daemon has given up those who do not.
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = daemon.address("/api/v1/changes?format=xml");
    let text = eventually("the changes come", async || {
        let answer = client.get(&url).send().await.ok()?;
        let is_there = answer.status() == 200;
        let text = answer.text().await.ok()?;
        is_there.then_some(text)
    })
    .await;
    assert!(text.len() > 4 << 20, "{}", text.len());
    assert!(text.ends_with("</records>\n"));
    works(&daemon).await;
    let grown = memory_mib(&daemon, Memory::Most).saturating_sub(before);
    // Without limits it is 1,700.
    assert!(grown < 400, "{grown} MiB more");
    drop(held);
    assert_eq!(daemon.terminate().await.status, Some(0));
}

/// Asks for large answers in 60 streams of one connection, and takes none.
async fn ask_in_streams(address: SocketAddr) -> Result<Vec<h2::client::ResponseFuture>, h2::Error> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await?;
    tokio::spawn(connection);
    let mut client = client.ready().await?;
    let mut asked = Vec::new();
    for _ in 0..60 {
        let request = http::Request::get("http://localhost/api/v1/changes?format=xml").body(());
        let (answer, _) = client.send_request(request.unwrap(), true)?;
        asked.push(answer);
        // The daemon allows few streams at a time. The others wait here.
        match tokio::time::timeout(Duration::from_millis(100), client.clone().ready()).await {
            Ok(ready) => client = ready?,
            Err(_) => break,
        }
    }
    Ok(asked)
}

#[tokio::test]
async fn http2_is_not_spoken_unless_it_was_asked_for() {
    let repository = Repository::of(large_records()).start().await;
    let store = temp_store();
    let daemon = start(&store, &repository, "").await;
    let refused = match ask_in_streams(address(&daemon)).await {
        Err(_) => true,
        Ok(asked) => asked.into_iter().next().unwrap().await.is_err(),
    };
    assert!(refused);
    assert_eq!(daemon.terminate().await.status, Some(0));
}

#[tokio::test]
async fn streams_of_http2_take_no_memory() {
    let repository = Repository::of(large_records()).start().await;
    let store = temp_store();
    let daemon = start(&store, &repository, "http2 = true").await;
    let before = memory_mib(&daemon, Memory::Most);
    let asked = ask_in_streams(address(&daemon)).await.unwrap();
    assert!(!asked.is_empty());
    works(&daemon).await;
    let grown = memory_mib(&daemon, Memory::Most).saturating_sub(before);
    // Without limits it is 1,700.
    assert!(grown < 400, "{grown} MiB more");
    assert_eq!(daemon.terminate().await.status, Some(0));
}

#[tokio::test]
async fn one_client_has_a_part_of_the_long_polls() {
    let repository = Repository::with_records(1).start().await;
    let store = temp_store();
    let daemon = start(&store, &repository, "max_connections = 40").await;
    let newest = daemon.json("/api/v1/status").await["last_version"].clone();
    let request = format!(
        "GET /api/v1/changes?wait=120&since={} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        newest.as_str().map_or(newest.to_string(), str::to_owned)
    );
    let mut held = Vec::new();
    for _ in 0..11 {
        held.push(send(address(&daemon), request.as_bytes()).await);
    }
    // Ten wait. Any of them may have come last.
    let answers = held.iter_mut().map(|stream| Box::pin(first_line(stream)));
    let (first, _, _) = futures_util::future::select_all(answers).await;
    assert_eq!(first, "HTTP/1.1 429 Too Many Requests");
    works(&daemon).await;
    drop(held);
    assert_eq!(daemon.terminate().await.status, Some(0));
}
