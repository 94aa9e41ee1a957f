//! The listener's arguments: whatever a client writes into an address, page, API and OAI-PMH provider answer in their own
//! form, refuse what is wrong as a mistake of the client, and show no text of the address as a part of the page.

#![no_main]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use harvestd::cli::progress::lines;
use harvestd::clock::Clock;
use harvestd::config::{Environment, Overrides, Secrets, load};
use harvestd::daemon::{Service, run};
use harvestd::stop::stop_switch;
use libfuzzer_sys::fuzz_target;

/// What can be asked for. Commands that change something are no `GET`.
const PATHS: [&str; 20] = [
    "/",
    "/oai",
    "/search",
    "/record",
    "/api/v1/changes",
    "/api/v1/search",
    "/api/v1/records",
    "/api/v1/sources",
    "/quarantine",
    "/duplicates",
    "/duplicates/review",
    "/outputs",
    "/source/demo",
    "/source/demo/pass/1",
    "/api/v1/sources/demo",
    "/api/v1/outputs",
    "/api/v1/status",
    "/sign-in",
    "/metrics",
    "/oai/",
];

/// How long the demo may take to be harvested, and one answer to come.
const PATIENCE: Duration = Duration::from_secs(120);

/// The address of the service, and the connection that is used again.
static SERVICE: LazyLock<(SocketAddr, Mutex<Option<Connection>>)> = LazyLock::new(|| {
    let address = start();
    (address, Mutex::new(None))
});

type Connection = BufReader<TcpStream>;

// The first byte chooses the path, the second how the rest is written, which is the query.
fuzz_target!(|bytes: &[u8]| {
    let [path, form, query @ ..] = bytes else {
        return;
    };
    let path = PATHS[usize::from(*path) % PATHS.len()];
    let query = target(query, *form);
    // Who waits for changes gets them later.
    if query.len() > 8_000 || path.ends_with("changes") && query.contains("wait") {
        return;
    }
    let limit = match path {
        "/api/v1/changes" if !query.contains("limit") => "&limit=5",
        _ => "",
    };
    let answer = ask(&format!("{path}?{query}{limit}"));
    check(path, &answer);
});

/// The bytes as a query. Those that no client can write into an address are escaped, all of them if `form` is odd.
fn target(bytes: &[u8], form: u8) -> String {
    let mut text = String::new();
    for byte in bytes {
        let stays = byte.is_ascii_alphanumeric() || b"-._~&=+%:/,*()!'".contains(byte);
        let can_be_sent = form % 2 == 0 && byte.is_ascii_graphic() && *byte != b'#';
        match stays || can_be_sent {
            true => text.push(char::from(*byte)),
            false => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// What came back.
struct Answer {
    status: u16,
    media_type: String,
    body: Vec<u8>,
}

fn check(path: &str, answer: &Answer) {
    let Answer {
        status,
        media_type,
        body,
    } = answer;
    let shown = || String::from_utf8_lossy(&body[..body.len().min(2_000)]).into_owned();
    // 503 is for a client that has to come again; nothing else is wrong with the service here.
    assert!(
        matches!(status, 200..=499),
        "{path}: HTTP {status}: {}",
        shown()
    );
    match media_type.split(';').next().unwrap_or_default() {
        "application/json" | "application/problem+json" => {
            let read: Result<serde_json::Value, _> = serde_json::from_slice(body);
            assert!(read.is_ok(), "{path}: {}", shown());
        }
        "application/x-ndjson" | "application/jsonl" => {
            for line in body
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
            {
                let read: Result<serde_json::Value, _> = serde_json::from_slice(line);
                assert!(read.is_ok(), "{path}: {}", shown());
            }
        }
        "text/xml" | "application/xml" => assert_well_formed(body),
        "text/html" => {
            let text = String::from_utf8_lossy(body);
            assert!(text.starts_with("<!DOCTYPE html>"), "{path}: {}", shown());
            // What the seeds ask for, and no page has.
            assert!(
                !text.contains("<xss") && !text.contains("xss\"xss"),
                "{path}: {text}"
            );
        }
        _ => {}
    }
}

fn assert_well_formed(body: &[u8]) {
    let mut reader = quick_xml::Reader::from_reader(body);
    reader.config_mut().check_end_names = true;
    let mut depth = 0_i64;
    loop {
        match reader.read_event() {
            Ok(quick_xml::events::Event::Start(_)) => depth += 1,
            Ok(quick_xml::events::Event::End(_)) => depth -= 1,
            Ok(quick_xml::events::Event::Eof) => break,
            Ok(_) => {}
            Err(error) => panic!("{error}: {}", String::from_utf8_lossy(body)),
        }
    }
    assert_eq!(depth, 0, "{}", String::from_utf8_lossy(body));
}

/// Asks on the open connection. Whether the service has closed it shows only when it is used.
fn ask(target: &str) -> Answer {
    let (address, kept) = &*SERVICE;
    let mut kept = kept.lock().expect("one input at a time");
    if let Some(connection) = kept.take()
        && let Ok((answer, connection)) = ask_on(connection, target)
    {
        *kept = connection;
        return answer;
    }
    let connection = TcpStream::connect(address).expect("the service listens");
    connection
        .set_read_timeout(Some(PATIENCE))
        .expect("a time above 0");
    let (answer, connection) =
        ask_on(BufReader::new(connection), target).expect("an answer to each request");
    *kept = connection;
    answer
}

/// The answer, and the connection if it can be used again.
fn ask_on(
    mut connection: Connection,
    target: &str,
) -> std::io::Result<(Answer, Option<Connection>)> {
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    connection.get_mut().write_all(request.as_bytes())?;
    let mut line = String::new();
    let mut next = |connection: &mut Connection| -> std::io::Result<String> {
        line.clear();
        if connection.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    };
    let status = next(&mut connection)?;
    let status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.expect("a status line");
    let (mut length, mut is_chunked, mut closes) = (0, false, false);
    let mut media_type = String::new();
    loop {
        let header = next(&mut connection)?.to_ascii_lowercase();
        let Some((name, value)) = header.split_once(':') else {
            break;
        };
        match (name, value.trim()) {
            ("content-length", value) => length = value.parse().expect("a number"),
            ("transfer-encoding", value) => is_chunked = value == "chunked",
            ("connection", value) => closes = value == "close",
            ("content-type", value) => value.clone_into(&mut media_type),
            _ => {}
        }
    }
    let mut body = Vec::new();
    if is_chunked {
        loop {
            let size = next(&mut connection)?;
            let size = u64::from_str_radix(&size, 16).expect("the size of a chunk");
            (&mut connection).take(size).read_to_end(&mut body)?;
            next(&mut connection)?;
            if size == 0 {
                break;
            }
        }
    } else {
        (&mut connection).take(length).read_to_end(&mut body)?;
    }
    let answer = Answer {
        status,
        media_type,
        body,
    };
    Ok((answer, (!closes).then_some(connection)))
}

/// Starts a service over the demo repository, and waits until it has harvested it.
fn start() -> SocketAddr {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = free.local_addr().expect("the address of a bound socket");
    drop(free);
    std::thread::spawn(move || {
        let memory = Path::new("/dev/shm");
        let folder = match memory.is_dir() {
            true => tempfile::tempdir_in(memory),
            false => tempfile::tempdir(),
        };
        let folder = folder.expect("a temporary folder can be made");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("threads can be started");
        runtime.block_on(serve(folder.path(), address));
    });
    let begun = Instant::now();
    loop {
        if let Ok(stream) = TcpStream::connect(address) {
            stream
                .set_read_timeout(Some(PATIENCE))
                .expect("a time above 0");
            let answer = ask_on(BufReader::new(stream), "/api/v1/sources/demo");
            if let Ok((answer, _)) = answer
                && String::from_utf8_lossy(&answer.body).contains("\"state\":\"complete\"")
            {
                return address;
            }
        }
        assert!(begun.elapsed() < PATIENCE, "the demo is not harvested");
        std::thread::sleep(Duration::from_millis(100));
    }
}

async fn serve(folder: &Path, address: SocketAddr) {
    let repository = harvestd::demo::start().await.expect("a free port");
    let file = folder.join("harvestd.toml");
    let text = format!(
        "store = '{}'\n[daemon]\nlisten = '{address}'\nsearch = true\n[daemon.oai]\n\
         enabled = true\nadmin_email = ['librarian@example.org']\n[dedup]\nenabled = true\n\
         [[source]]\nname = 'demo'\nurl = '{}'\nmetadata_prefix = 'oai_doaj'\ndelay = '0s'\n\
         schedule = '0 3 * * *'\n",
        folder.join("store.db").display(),
        repository.base_url(),
    );
    std::fs::write(&file, text).expect("the folder can be written");
    let overrides = Overrides {
        config: Some(file),
        ..Overrides::default()
    };
    let environment = Environment::default();
    let config = load(&overrides, &environment, Secrets::Required).expect("a right configuration");
    let (_switch, stop) = stop_switch();
    let (_hangups, reload) = tokio::sync::mpsc::channel(1);
    let service = Service {
        clock: Clock::System,
        progress: lines(),
        reload: Box::new(|| Err("it stays".to_owned())),
    };
    run(config, service, stop, reload)
        .await
        .expect("the service starts");
}
