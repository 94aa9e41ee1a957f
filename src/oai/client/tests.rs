//! The client against a scripted server on loopback.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::LazyConfigAcceptor;
use url::Url;

use super::*;
use crate::http::{Fault, RedirectFault, Timeouts};
use crate::oai::ResumptionToken;
use crate::oai::error::Protection;
use crate::oai::request::{Selection, Verb};

const PAGE: &str = "<OAI-PMH><Identify/></OAI-PMH>";

/// What the server does with one request.
#[derive(Clone)]
enum Reply {
    /// Sends these bytes and keeps the connection.
    Send(Vec<u8>),
    /// Sends these bytes and closes the connection.
    Close(Vec<u8>),
    /// Sends these bytes and drops the connection: TLS gets no farewell.
    Drop(Vec<u8>),
    /// Sends these bytes, and nothing more for ever.
    Hang(Vec<u8>),
    /// Sends these bytes, and then one more every few milliseconds for ever.
    Drip(Vec<u8>),
    /// Sends a page that repeats the request, with this status line and headers.
    Echo(&'static str),
}

/// A server that answers the first request with the first reply, and so on.
struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<Mutex<usize>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(Mutex::new(0));
        let replies = Arc::new(Mutex::new(replies.into_iter().collect::<Vec<_>>()));
        let (seen, count) = (requests.clone(), connections.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *count.lock().unwrap() += 1;
                tokio::spawn(serve(stream, replies.clone(), seen.clone()));
            }
        });
        Self {
            address,
            requests,
            connections,
            task,
        }
    }

    fn url(&self, host: &str, path: &str) -> Url {
        Url::parse(&format!("http://{host}:{}{path}", self.address.port())).unwrap()
    }

    fn settings(&self) -> ClientSettings {
        ClientSettings::new(self.url("127.0.0.1", "/oai"))
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    replies: Arc<Mutex<Vec<Reply>>>,
    seen: Arc<Mutex<Vec<String>>>,
) {
    while let Some(request) = read_head(&mut stream).await {
        seen.lock().unwrap().push(request.clone());
        let reply = {
            let mut replies = replies.lock().unwrap();
            assert!(!replies.is_empty(), "one request too many: {request}");
            replies.remove(0)
        };
        match reply {
            Reply::Send(bytes) => drop(stream.write_all(&bytes).await),
            Reply::Close(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
                return;
            }
            Reply::Drop(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.flush().await;
                return;
            }
            Reply::Hang(bytes) => {
                let _ = stream.write_all(&bytes).await;
                std::future::pending::<()>().await;
            }
            Reply::Drip(bytes) => {
                let _ = stream.write_all(&bytes).await;
                while stream.write_all(b"a").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                return;
            }
            Reply::Echo(head) => {
                let body = format!("<title>{request}</title>");
                let bytes = respond(head, body.as_bytes());
                let _ = stream.write_all(&bytes).await;
            }
        }
    }
}

/// The request line and headers; `None` if the connection ends before them.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

/// A response: status and headers (one a line), then the body with its length.
fn respond(head: &str, body: &[u8]) -> Vec<u8> {
    let head = head.replace('\n', "\r\n");
    let length = body.len();
    let mut bytes = format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\n\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn page(head: &str) -> Reply {
    Reply::Send(respond(head, PAGE.as_bytes()))
}

fn redirect_to(status: &str, location: &str) -> Reply {
    Reply::Send(respond(&format!("{status}\nLocation: {location}"), b""))
}

async fn ask(settings: &ClientSettings) -> Result<Answer, FetchError> {
    Client::new(settings)
        .unwrap()
        .send(&Request::Identify)
        .await
}

/// Asks a server that gives one reply.
async fn ask_for(reply: Reply) -> Result<Answer, FetchError> {
    let server = Server::start([reply]).await;
    ask(&server.settings()).await
}

#[tokio::test]
async fn returns_answers() {
    let head = "200 OK\nContent-Type: text/xml; charset=\"utf-8\"\n\
                Date: Sun, 06 Nov 1994 08:49:37 GMT";
    let answer = ask_for(page(head)).await.unwrap();
    assert_eq!(answer.body, PAGE.as_bytes());
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.content_type.as_deref(),
        Some("text/xml; charset=\"utf-8\"")
    );
    assert_eq!(answer.charset.as_deref(), Some("utf-8"));
    assert_eq!(answer.date.unwrap().to_string(), "1994-11-06T08:49:37Z");
    assert_eq!(answer.moved_to, None);
    assert_eq!(answer.wire_bytes, PAGE.len() as u64);
    assert!(answer.times.first_byte <= answer.times.total);
}

#[tokio::test]
async fn sends_arguments_credentials_and_headers() {
    let server = Server::start([page("200 OK"), page("200 OK")]).await;
    let mut settings = server.settings();
    settings.url = Url::parse(&format!("{}?page=oai", settings.url)).unwrap();
    settings.contact = Some(" library@example.org ".to_owned());
    settings.credentials.api_key = Some(Secret::new("k&y"));
    settings.credentials.basic = Some(("user".to_owned(), Secret::new("pass:word")));
    settings.credentials.headers = vec![("X-Access".to_owned(), Secret::new("yes"))];
    let client = Client::new(&settings).unwrap();
    let request = Request::Resume {
        verb: Verb::ListRecords,
        token: ResumptionToken::new("a/b+c=").unwrap(),
        metadata_prefix: None,
    };
    client.send(&request).await.unwrap();
    client.send(&Request::Identify).await.unwrap();
    let requests = server.requests();
    let lines: Vec<&str> = requests[0].lines().collect();
    assert_eq!(
        lines[0],
        "GET /oai?page=oai&verb=ListRecords&resumptionToken=a%2Fb%2Bc%3D&api_key=k%26y HTTP/1.1"
    );
    let agent = concat!(
        "user-agent: harvestd/",
        env!("CARGO_PKG_VERSION"),
        " (+library@example.org)"
    );
    for header in [
        agent,
        "accept: text/xml, application/xml;q=0.9, */*;q=0.1",
        "accept-encoding: gzip, br, zstd, deflate",
        "authorization: Basic dXNlcjpwYXNzOndvcmQ=",
        "x-access: yes",
    ] {
        assert!(lines.contains(&header), "{header} is not in {lines:?}");
    }
    assert_eq!(
        *server.connections.lock().unwrap(),
        1,
        "the connection is used again"
    );
}

#[tokio::test]
async fn moves_credentials_out_of_the_base_url() {
    let server = Server::start([page("200 OK"), page("200 OK")]).await;
    let port = server.address.port();
    let mut settings = server.settings();
    settings.url = Url::parse(&format!("http://u:p%40ss@127.0.0.1:{port}/oai?api_key=k")).unwrap();
    ask(&settings).await.unwrap();
    settings.credentials.bearer = Some(Secret::new("b34r3r"));
    settings.credentials.api_key = Some(Secret::new("other"));
    ask(&settings).await.unwrap();
    let requests = server.requests();
    assert!(
        requests[0].starts_with("GET /oai?verb=Identify&api_key=k HTTP"),
        "{requests:?}"
    );
    assert!(
        requests[0].contains("authorization: Basic dTpwQHNz\r\n"),
        "{requests:?}"
    );
    assert!(
        requests[1].starts_with("GET /oai?verb=Identify&api_key=other HTTP"),
        "{requests:?}"
    );
    assert!(
        requests[1].contains("authorization: Bearer b34r3r\r\n"),
        "{requests:?}"
    );
    assert_eq!(requests[1].matches("authorization").count(), 1);
}

#[tokio::test]
async fn decompresses() {
    let gzip = http::tests::gzip(PAGE.as_bytes());
    for (case, head) in [
        ("told", "200 OK\nContent-Encoding: gzip"),
        ("not told", "200 OK"),
    ] {
        let answer = ask_for(Reply::Send(respond(head, &gzip))).await.unwrap();
        assert_eq!(answer.body, PAGE.as_bytes(), "{case}");
        assert_eq!(answer.wire_bytes, gzip.len() as u64, "{case}");
    }
    let answer = ask_for(page("200 OK\nContent-Encoding: gzip"))
        .await
        .unwrap();
    assert_eq!(answer.body, PAGE.as_bytes(), "told, but plain");
}

#[tokio::test]
async fn faults_can_be_retried() {
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n<OAI-PMH>".to_vec();
    let short = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n<OAI-PMH>".to_vec();
    let document_cut = b"HTTP/1.1 422 X\r\nContent-Length: 99\r\n\r\n<OAI-PMH>".to_vec();
    let gzip = http::tests::gzip(PAGE.as_bytes());
    let gzip_cut = respond("200 OK\nContent-Encoding: gzip", &gzip[..gzip.len() / 2]);
    type Check = fn(&Fault) -> bool;
    let cases: [(&str, Reply, Check); 11] = [
        ("closed at once", Reply::Close(Vec::new()), |f| {
            matches!(f, Fault::Dropped(_))
        }),
        (
            "closed in the headers",
            Reply::Close(b"HTTP/1.1 200 OK\r\nA".to_vec()),
            |f| matches!(f, Fault::Dropped(_)),
        ),
        ("no HTTP", Reply::Close(b"SSH-2.0\r\n\r\n".to_vec()), |f| {
            *f == Fault::Head(
                "the status line is malformed: invalid HTTP version parsed".to_owned(),
            )
        }),
        (
            "a NUL among the headers",
            Reply::Close(b"HTTP/1.1 200 OK\r\nA: \0\r\n\r\n".to_vec()),
            |f| f.to_string().contains("a header line is malformed: "),
        ),
        ("cut in a chunk", Reply::Close(chunked), |f| {
            matches!(f, Fault::Cut(_))
        }),
        ("shorter than told", Reply::Close(short), |f| {
            matches!(f, Fault::Cut(_))
        }),
        ("document under 422, cut", Reply::Close(document_cut), |f| {
            matches!(f, Fault::Cut(_))
        }),
        ("compression cut", Reply::Send(gzip_cut), |f| {
            matches!(f, Fault::Compression(_))
        }),
        ("empty", Reply::Send(respond("200 OK", b"")), |f| {
            *f == Fault::Empty
        }),
        ("accepted", Reply::Send(respond("202 Accepted", b"")), |f| {
            *f == Fault::NotReady
        }),
        ("server error", page_of_html("500 Oops"), |f| {
            *f == Fault::Server
        }),
    ];
    for (case, reply, expected) in cases {
        match ask_for(reply).await {
            Err(FetchError::Retry { fault, .. }) => assert!(expected(&fault), "{case}: {fault:?}"),
            other => panic!("{case}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn odd_headers_are_skipped() {
    let many: String = (0..300).map(|n| format!("X-{n}: 1\r\n")).collect();
    for (case, lines) in [
        (
            "no name",
            "PHP Warning:  Module 'intl' already loaded in Unknown on line 0\r\n",
        ),
        ("no colon", "this is no header\r\n"),
        ("a blank before the colon", "Cache-Control : no-cache\r\n"),
        ("folded", "Server: Apache\r\n  (Unix)\r\n"),
        ("folded with nothing before", "  (Unix)\r\n"),
        ("UTF-8", "X-Name: Zürich\r\n"),
        ("length twice", "Content-Length: 30\r\n"),
        ("line feeds alone", "X-A: 1\nX-B: 2\n"),
        ("many", &many),
    ] {
        let head = format!("HTTP/1.1 200 OK\r\n{lines}Content-Type: text/xml\r\n");
        let whole = format!("{head}Content-Length: {}\r\n\r\n{PAGE}", PAGE.len());
        let answer = ask_for(Reply::Send(whole.into_bytes())).await;
        let answer = answer.unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!(answer.body, PAGE.as_bytes(), "{case}");
        assert_eq!(answer.content_type.as_deref(), Some("text/xml"), "{case}");
        assert_eq!(answer.unclean_end, None, "{case}");
    }
}

#[tokio::test]
async fn a_whole_document_counts_however_it_ends() {
    let plain =
        |head: &str| Reply::Close(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{PAGE}").into_bytes());
    let hanging =
        |head: &str| Reply::Hang(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{PAGE}").into_bytes());
    let gzip = http::tests::gzip(PAGE.as_bytes());
    let packed = |head: &str, bytes: &[u8]| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n{head}\r\n\r\n");
        Reply::Close([head.as_bytes(), bytes].concat())
    };
    let chunk = format!("{:x}\r\n{PAGE}\r\n", PAGE.len());
    let chunked = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}");
    let bad_size = format!("{chunked}zz\r\n");
    for (case, reply) in [
        ("longer than sent", plain("Content-Length: 34")),
        ("longer than sent, and open", hanging("Content-Length: 34")),
        (
            "no length, and open",
            hanging("Transfer-Encoding: identity"),
        ),
        ("no last chunk", Reply::Close(chunked.into_bytes())),
        (
            "a last chunk that is none",
            Reply::Close(bad_size.into_bytes()),
        ),
        (
            "length before compression",
            packed("Content-Length: 4000", &gzip),
        ),
        (
            "no checksum of the compression",
            packed("Connection: close", &gzip[..gzip.len() - 8]),
        ),
    ] {
        let answer = ask_for(reply).await;
        let answer = answer.unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!(answer.body, PAGE.as_bytes(), "{case}");
        assert!(answer.unclean_end.is_some(), "{case}");
    }
    let mut damaged = gzip;
    let checksum = damaged.len() - 8;
    damaged[checksum] ^= 1;
    let error = ask_for(packed("Connection: close", &damaged))
        .await
        .unwrap_err();
    assert!(
        matches!(
            &error,
            FetchError::Retry {
                fault: Fault::Compression(_),
                ..
            }
        ),
        "a wrong checksum is no bad end: {error:?}"
    );
}

#[tokio::test]
async fn tls_without_a_farewell_loses_no_whole_document() {
    let directory = tempfile::tempdir().unwrap();
    let ca_file = directory.path().join("ca.pem");
    for (body, expected) in [(PAGE, true), (&PAGE[..20], false)] {
        let bytes = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{body}");
        let reply = Reply::Drop(bytes.into_bytes());
        let server = TlsServer::answering("localhost", false, reply).await;
        std::fs::write(&ca_file, &server.ca_pem).unwrap();
        let mut settings = ClientSettings::new(server.url.clone());
        settings.ca_file = Some(ca_file.clone());
        match ask(&settings).await {
            Ok(answer) => assert!(expected && answer.unclean_end.is_some()),
            Err(FetchError::Retry {
                fault: Fault::Cut(_),
                ..
            }) => assert!(!expected),
            Err(error) => panic!("{error:?}"),
        }
        server.task.await.unwrap();
    }
}

#[tokio::test]
async fn cookies_are_kept_and_go_with_the_next_request() {
    let set = |text: &str| page(&format!("200 OK\nSet-Cookie: {text}"));
    let wall = "302 Found\nLocation: /oai?verb=Identify\nSet-Cookie: wall=passed; Path=/";
    let server = Server::start([
        Reply::Send(respond(wall, b"")),
        set("JSESSIONID=node1; Path=/; HttpOnly"),
        page("200 OK"),
    ])
    .await;
    let client = Client::new(&server.settings()).unwrap();
    client.send(&Request::Identify).await.unwrap();
    client.send(&Request::Identify).await.unwrap();
    let sent: Vec<Vec<String>> = server
        .requests()
        .iter()
        .map(|request| {
            let line = request
                .lines()
                .find_map(|line| line.strip_prefix("cookie: "));
            let mut all: Vec<_> = line
                .unwrap_or("none")
                .split("; ")
                .map(str::to_owned)
                .collect();
            all.sort();
            all
        })
        .collect();
    assert_eq!(sent[0], ["none"]);
    assert_eq!(sent[1], ["wall=passed"], "with the redirect to itself");
    assert_eq!(sent[2], ["JSESSIONID=node1", "wall=passed"]);
}

#[tokio::test]
async fn malformed_redirects_are_called_so() {
    for location in ["http://", "http://[", "//:80", "http://x y/"] {
        let server = Server::start([redirect_to("302 Found", location)]).await;
        let error = ask(&server.settings()).await.unwrap_err();
        assert!(
            matches!(&error, FetchError::Redirect { .. }),
            "{location}: {error:?}"
        );
        let text = error.to_string();
        assert!(text.contains("redirected to a malformed address"), "{text}");
        assert!(text.contains("answered HTTP 302"), "{text}");
    }
    let error = ask_for(Reply::Send(respond("302 Found", b"")))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("redirected without an address"),
        "{error}"
    );
}

fn page_of_html(status: &str) -> Reply {
    let head = format!("{status}\nContent-Type: text/html");
    Reply::Send(respond(&head, b"<html><title>Sorry</title></html>"))
}

#[tokio::test]
async fn bodies_without_a_length_reach_the_parser() {
    let cut = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<OAI-PMH><Li".to_vec();
    assert_eq!(
        ask_for(Reply::Close(cut)).await.unwrap().body,
        b"<OAI-PMH><Li"
    );
    let answer = ask_for(page_of_html("200 OK")).await.unwrap();
    assert_eq!(answer.body, b"<html><title>Sorry</title></html>");
}

#[tokio::test]
async fn unreachable_servers_can_be_retried() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/oai", listener.local_addr().unwrap());
    drop(listener);
    let error = ask(&ClientSettings::new(Url::parse(&url).unwrap()))
        .await
        .unwrap_err();
    let FetchError::Retry {
        fault: Fault::Connect(reason),
        ..
    } = &error
    else {
        panic!("{error:?}")
    };
    assert!(reason.contains("refused"), "{error}");
    // RFC 6761 keeps this name for what never resolves.
    let url = Url::parse("http://harvestd.invalid/oai").unwrap();
    let error = ask(&ClientSettings::new(url)).await.unwrap_err();
    assert!(
        matches!(
            &error,
            FetchError::Retry {
                fault: Fault::Name(_),
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn classifies_error_replies() {
    let cut = b"HTTP/1.1 403 No\r\nContent-Length: 99\r\n\r\nbe gone".to_vec();
    type Check = fn(&FetchError) -> bool;
    let cases: [(&str, Reply, Check); 7] = [
        ("busy", page_of_html("503 Busy\nRetry-After: 3"), |e| {
            matches!(e, FetchError::Wait { status: 503, .. })
                && e.retry_after() == Some(Duration::from_secs(3))
        }),
        ("too many", page_of_html("429 Slow down"), |e| {
            matches!(
                e,
                FetchError::Wait {
                    status: 429,
                    retry_after: None,
                    ..
                }
            )
        }),
        (
            "gateway with a time",
            page_of_html("502 Bad\nRetry-After: 9"),
            |e| e.retry_after() == Some(Duration::from_secs(9)),
        ),
        ("forbidden", page_of_html("403 No"), |e| {
            matches!(e, FetchError::Refused { status: 403, .. })
        }),
        ("forbidden, explanation cut", Reply::Close(cut), |e| {
            matches!(e, FetchError::Refused { status: 403, .. })
                && e.exchange().excerpt.as_deref() == Some("be gone")
        }),
        (
            "Cloudflare",
            page_of_html("403 No\ncf-mitigated: challenge"),
            |e| {
                matches!(
                    e,
                    FetchError::Challenge { which, .. } if which.by == Protection::Cloudflare
                )
            },
        ),
        (
            "AWS WAF",
            Reply::Send(respond("202 Accepted\nx-amzn-waf-action: challenge", b"")),
            |e| {
                matches!(
                    e,
                    FetchError::Challenge { which, .. } if which.by == Protection::AwsWaf
                )
            },
        ),
    ];
    for (case, reply, expected) in cases {
        let error = ask_for(reply).await.unwrap_err();
        assert!(expected(&error), "{case}: {error:?}");
    }
    let answer = ask_for(page("422 Unprocessable")).await.unwrap();
    assert_eq!(
        (answer.status, answer.body.as_slice()),
        (422, PAGE.as_bytes())
    );
}

#[tokio::test]
async fn aborts_slow_replies() {
    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
    let short = Duration::from_millis(60);
    let long = Duration::from_secs(600);
    let with = |connect, first_byte, idle, total| Timeouts {
        connect,
        first_byte,
        idle,
        total,
    };
    let cases = [
        (
            "no headers",
            Reply::Hang(Vec::new()),
            with(short, short, long, long),
            0,
            "first_byte_timeout",
        ),
        (
            "no headers in all",
            Reply::Hang(Vec::new()),
            with(long, long, long, short),
            0,
            "total_timeout",
        ),
        (
            "half a header",
            Reply::Hang(HEAD[..9].to_vec()),
            with(short, short, long, long),
            0,
            "first_byte_timeout",
        ),
        (
            "no body",
            Reply::Hang(HEAD.to_vec()),
            with(long, long, short, long),
            0,
            "idle_timeout",
        ),
        (
            "dripping",
            Reply::Drip(HEAD.to_vec()),
            with(long, long, long, short * 5),
            0,
            "total_timeout",
        ),
        (
            "dripping",
            Reply::Drip(HEAD.to_vec()),
            with(long, long, short * 10, long),
            1_000_000,
            "min_bytes_per_second",
        ),
    ];
    for (case, reply, timeouts, bytes_per_second, expected) in cases {
        let server = Server::start([reply]).await;
        let mut settings = server.settings();
        settings.timeouts = timeouts;
        settings.limits.bytes_per_second = bytes_per_second;
        let error = ask(&settings).await.unwrap_err();
        let limit = match &error {
            FetchError::Retry {
                fault: Fault::Timeout { limit, .. },
                ..
            } => limit,
            FetchError::Slow { limit, .. } => limit,
            other => panic!("{case}: {other:?}"),
        };
        assert_eq!(*limit, expected, "{case}");
        assert!(error.to_string().contains(expected), "{case}: {error}");
    }
}

#[tokio::test]
async fn enforces_size_limits() {
    let bomb = http::tests::gzip(&vec![b'a'; 3 << 20]);
    let unending = format!("HTTP/1.1 200 OK\r\n\r\n{}", "a".repeat(5000)).into_bytes();
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n".to_vec();
    let chunked = [chunked, vec![b'a'; 5000]].concat();
    let told = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n".to_vec();
    let cases = [
        (
            "told beforehand",
            Reply::Hang(told),
            4096,
            1 << 20,
            "max_body_bytes",
        ),
        (
            "without a length",
            Reply::Hang(unending),
            4096,
            1 << 20,
            "max_body_bytes",
        ),
        (
            "in chunks",
            Reply::Hang(chunked),
            4096,
            1 << 20,
            "max_body_bytes",
        ),
        (
            "compressed",
            Reply::Send(respond("200 OK", &bomb)),
            1 << 20,
            1 << 20,
            "max_inflated_bytes",
        ),
    ];
    for (case, reply, body_bytes, inflated_bytes, expected) in cases {
        let server = Server::start([reply]).await;
        let mut settings = server.settings();
        settings.limits.body_bytes = body_bytes;
        settings.limits.inflated_bytes = inflated_bytes;
        match ask(&settings).await {
            Err(FetchError::TooLarge { limit, value, .. }) => {
                assert_eq!(limit, expected, "{case}");
                assert_eq!(
                    value,
                    [inflated_bytes, body_bytes][usize::from(limit == "max_body_bytes")]
                );
            }
            other => panic!("{case}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn follows_redirects_and_reports_permanent_ones() {
    let cases = [
        ("permanent", vec!["301 M", "308 M"], Some("/2")),
        ("temporary", vec!["302 F", "303 S", "307 T"], None),
        (
            "permanent, then not, then again",
            vec!["301 M", "302 F", "301 M"],
            Some("/1"),
        ),
    ];
    for (case, statuses, expected) in cases {
        let hops = (1..).zip(&statuses);
        let mut replies: Vec<_> = hops
            .map(|(n, s)| redirect_to(s, &format!("/{n}")))
            .collect();
        replies.push(page("200 OK"));
        let server = Server::start(replies).await;
        let answer = ask(&server.settings()).await.unwrap();
        let moved_to = expected.map(|path| server.url("127.0.0.1", path));
        assert_eq!(answer.moved_to, moved_to, "{case}");
        let last = server.requests().pop().unwrap();
        let expected = format!("GET /{}?verb=Identify HTTP/1.1", statuses.len());
        assert!(last.starts_with(&expected), "{case}: {last}");
    }
}

#[tokio::test]
async fn follows_at_most_five_redirects() {
    for (redirects, expected) in [(5, true), (6, false)] {
        let mut replies = vec![redirect_to("302 Found", "/oai"); redirects];
        replies.push(page("200 OK"));
        let server = Server::start(replies).await;
        let outcome = ask(&server.settings()).await;
        match expected {
            true => assert!(outcome.is_ok(), "{outcome:?}"),
            false => {
                let fault = RedirectFault::TooMany {
                    limit: 5,
                    to: server.settings().url.to_string(),
                };
                let Err(FetchError::Redirect {
                    fault: found,
                    exchange,
                }) = outcome
                else {
                    panic!("{outcome:?}")
                };
                assert_eq!(found, fault);
                assert_eq!(exchange.status, Some(302));
            }
        }
        assert_eq!(server.requests().len(), 6);
    }
}

#[tokio::test]
async fn other_sites_get_no_credentials() {
    let elsewhere = Server::start([page("200 OK")]).await;
    let other = elsewhere.url("localhost", "/there").to_string();
    let server = Server::start([
        redirect_to("301 Moved", "/here"),
        redirect_to(
            "301 Moved",
            &format!("{other}?api_key=k3y&x=k3y&verb=Identify"),
        ),
    ])
    .await;
    let mut settings = server.settings();
    settings.credentials.api_key = Some(Secret::new("k3y"));
    settings.credentials.bearer = Some(Secret::new("b34r3r"));
    settings.credentials.headers = vec![("x-access".to_owned(), Secret::new("h34d3r"))];
    let answer = ask(&settings).await.unwrap();
    assert_eq!(answer.moved_to.unwrap().as_str(), other);
    for request in server.requests() {
        for secret in ["k3y", "b34r3r", "h34d3r"] {
            assert!(request.contains(secret), "{secret}: {request}");
        }
    }
    let request = elsewhere.requests().remove(0);
    assert!(
        request.starts_with("GET /there?verb=Identify HTTP/1.1"),
        "{request}"
    );
    for secret in ["k3y", "b34r3r", "h34d3r", "authorization", "x-access"] {
        assert!(!request.contains(secret), "{secret}: {request}");
    }
}

#[tokio::test]
async fn uses_a_proxy_but_never_redirects_into_its_network() {
    let cases = [
        ("loopback", "http://127.0.0.1:1/"),
        ("localhost", "http://localhost/"),
        ("metadata service", "http://169.254.169.254/latest/"),
    ];
    for (case, target) in cases {
        let proxy = Server::start([redirect_to("302 Found", target)]).await;
        let mut settings = proxy.settings();
        settings.url = Url::parse("http://repository.example/oai").unwrap();
        settings.proxy = Some(proxy.url("user:p4ss@localhost", ""));
        let error = ask(&settings).await.unwrap_err();
        assert!(
            matches!(
                &error,
                FetchError::Redirect {
                    fault: RedirectFault::Private { .. },
                    ..
                }
            ),
            "{case}: {error:?}"
        );
        let requests = proxy.requests();
        assert_eq!(requests.len(), 1, "{case}");
        let line = "GET http://repository.example/oai?verb=Identify HTTP/1.1\r\n";
        assert!(requests[0].starts_with(line), "{case}: {requests:?}");
        assert!(
            requests[0].contains("proxy-authorization: Basic dXNlcjpwNHNz\r\n"),
            "{requests:?}"
        );
    }
}

#[tokio::test]
async fn uses_a_socks_proxy() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("socks5h://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        // RFC 1928: version, methods; then version, CONNECT, reserved, a name and its port.
        let mut greeting = [0; 2];
        stream.read_exact(&mut greeting).await.unwrap();
        stream
            .read_exact(&mut vec![0; greeting[1].into()])
            .await
            .unwrap();
        stream.write_all(&[5, 0]).await.unwrap();
        let mut connect = [0; 5];
        stream.read_exact(&mut connect).await.unwrap();
        assert_eq!(connect[..4], [5, 1, 0, 3]);
        let mut name = vec![0; usize::from(connect[4]) + 2];
        stream.read_exact(&mut name).await.unwrap();
        stream
            .write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])
            .await
            .unwrap();
        read_head(&mut stream).await.unwrap();
        stream
            .write_all(&respond("200 OK", PAGE.as_bytes()))
            .await
            .unwrap();
        name
    });
    let mut settings = ClientSettings::new(Url::parse("http://repository.example/oai").unwrap());
    settings.proxy = Some(Url::parse(&proxy).unwrap());
    assert_eq!(ask(&settings).await.unwrap().body, PAGE.as_bytes());
    assert_eq!(server.await.unwrap(), b"repository.example\0\x50");
}

#[tokio::test]
async fn errors_contain_no_secret() {
    const SECRETS: [&str; 8] = [
        "k3y-s3cret",
        "p4ss-s3cret",
        "h34d3r-s3cret",
        "0wn-s3cret",
        "pr0xy-s3cret",
        "url-s3cret",
        // user:p4ss-s3cret and user:url-s3cret in base64
        "dXNlcjpwNHNzLXMzY3JldA",
        "dXNlcjp1cmwtczNjcmV0",
    ];
    let replies = [
        Reply::Echo("503 Busy"),
        Reply::Echo("500 Oops\nContent-Type: text/k3y-s3cret"),
        Reply::Echo("403 No\ncf-mitigated: challenge"),
        Reply::Echo("401 No"),
        Reply::Echo("202 Later"),
        Reply::Echo("302 Found\nLocation: http://x.org/?k=k3y-s3cret&api_key=p4ss-s3cret"),
        Reply::Echo("302 Found\nLocation: ftp://h34d3r-s3cret:p4ss-s3cret@x.org/0wn-s3cret"),
        Reply::Echo("302 Found\nLocation: http://[0wn-s3cret"),
        Reply::Echo("302 Found"),
        Reply::Close(Vec::new()),
        Reply::Close(b"k3y-s3cret\r\n\r\n".to_vec()),
        Reply::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nk3y-s3cret".to_vec()),
        Reply::Hang(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n".to_vec()),
        Reply::Hang(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nh34d3r-s3cret".to_vec()),
    ];
    for (number, reply) in replies.into_iter().enumerate() {
        // The second reply is for redirects that are followed.
        let server = Server::start([reply, Reply::Echo("500 Oops")]).await;
        let mut settings = ClientSettings::new(
            Url::parse("http://user:url-s3cret@repository.example/oai?apikey=0wn-s3cret").unwrap(),
        );
        // Everything goes to the proxy, which thus sees all there is to see, its own login too.
        settings.proxy = Some(server.url("proxyuser:pr0xy-s3cret@127.0.0.1", ""));
        settings.limits.body_bytes = 9999;
        settings.timeouts.idle = Duration::from_millis(60);
        settings.credentials.api_key = Some(Secret::new("k3y-s3cret"));
        settings.credentials.headers = vec![("x-access".to_owned(), Secret::new("h34d3r-s3cret"))];
        // Without this the login in the URL is used.
        if number % 2 == 0 {
            settings.credentials.basic = Some(("user".to_owned(), Secret::new("p4ss-s3cret")));
        }
        let client = Client::new(&settings).unwrap();
        let error = client.send(&Request::Identify).await.unwrap_err();
        let texts = format!("{error}\n{error:?}\n{settings:?}\n{client:?}");
        for secret in SECRETS {
            assert!(
                !texts.contains(secret),
                "reply {number}: {secret} in {texts}"
            );
        }
        let seen = server.requests().remove(0);
        assert!(seen.contains("k3y-s3cret"), "{seen}");
    }
}

#[tokio::test]
async fn bad_settings_are_rejected_without_printing_secrets() {
    let directory = tempfile::tempdir().unwrap();
    let not_pem = directory.path().join("ca.pem");
    std::fs::File::create(&not_pem)
        .unwrap()
        .write_all(b"s3cret")
        .unwrap();
    type Change<'a> = Box<dyn Fn(&mut ClientSettings) + 'a>;
    let url =
        |text: &'static str| -> Change<'_> { Box::new(move |s| s.url = Url::parse(text).unwrap()) };
    let contact =
        |text: &'static str| -> Change<'_> { Box::new(move |s| s.contact = Some(text.to_owned())) };
    let header = |name: &'static str, value: &'static str| -> Change<'_> {
        Box::new(move |s| s.credentials.headers = vec![(name.to_owned(), Secret::new(value))])
    };
    let proxy = |text: &'static str| -> Change<'_> {
        Box::new(move |s| s.proxy = Some(Url::parse(text).unwrap()))
    };
    let cases: Vec<(&str, Change<'_>, &str)> = vec![
        (
            "scheme",
            url("ftp://u:s3cret@x.org/"),
            "url ftp://x.org/: it must begin with http",
        ),
        ("no host", url("mailto:a@x.org"), "it must begin with http"),
        (
            "verb",
            url("http://x.org/?verb=Identify&api_key=s3cret"),
            "it contains the argument \"verb\"",
        ),
        ("robot", contact("robot@x.org"), "\"bot\" or \"spider\""),
        (
            "spider",
            contact("https://x.org/Spider"),
            "\"bot\" or \"spider\"",
        ),
        ("not ASCII", contact("jürgen@x.org"), "plain ASCII"),
        ("two lines", contact("a@x.org\r\nX: y"), "plain ASCII"),
        (
            "header name",
            header("a b", "s3cret"),
            "header \"a b\": this is not a valid header name",
        ),
        (
            "header value",
            header("a", "s3cret\n"),
            "header \"a\": its value contains",
        ),
        (
            "colon in user",
            Box::new(|s| s.credentials.basic = Some(("a:b".to_owned(), Secret::new("s3cret")))),
            "colon",
        ),
        (
            "two ways in",
            Box::new(|s| {
                s.credentials.basic = Some(("a".to_owned(), Secret::new("s3cret")));
                s.credentials.bearer = Some(Secret::new("s3cret"));
            }),
            "only one of the two",
        ),
        (
            "bearer",
            Box::new(|s| s.credentials.bearer = Some(Secret::new("s3cret\0"))),
            "bearer token",
        ),
        (
            "proxy scheme",
            proxy("ftp://u:s3cret@x.org"),
            "proxy ftp://x.org/: it must begin",
        ),
        (
            "no CA file",
            Box::new(|s| s.ca_file = Some("/nowhere/ca.pem".into())),
            "ca_file /nowhere/ca.pem: ",
        ),
        (
            "CA file of other kind",
            Box::new(|s| s.ca_file = Some(not_pem.clone())),
            "no PEM certificate",
        ),
    ];
    for (case, change, expected) in cases {
        let mut settings = ClientSettings::new(Url::parse("https://x.org/oai").unwrap());
        change(&mut settings);
        let error = Client::new(&settings).unwrap_err();
        assert!(error.to_string().contains(expected), "{case}: {error}");
        assert!(
            !format!("{error} {error:?}").contains("s3cret"),
            "{case}: {error:?}"
        );
    }
}

/// A server with a certificate of an authority that only this test knows.
struct TlsServer {
    url: Url,
    ca_pem: String,
    task: JoinHandle<Vec<Vec<u8>>>,
}

impl TlsServer {
    /// Answers one connection, over HTTP/2 if `http2`, and tells which protocols were offered.
    async fn start(name: &str, http2: bool) -> Self {
        Self::answering(name, http2, page("200 OK\nConnection: close")).await
    }

    async fn answering(name: &str, http2: bool, reply: Reply) -> Self {
        let mut ca_params = CertificateParams::default();
        ca_params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(ca_params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &ca).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        if http2 {
            config.alpn_protocols = vec![b"h2".to_vec()];
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            let (stream, _): (TcpStream, _) = listener.accept().await.unwrap();
            let hello = LazyConfigAcceptor::new(Acceptor::default(), stream)
                .await
                .unwrap();
            let offered = hello.client_hello().alpn().into_iter().flatten();
            let offered = offered.map(<[u8]>::to_vec).collect();
            let stream = hello.into_stream(Arc::new(config)).await;
            if http2 {
                serve_http2(stream.unwrap()).await;
            } else if let Ok(stream) = stream {
                let replies = Arc::new(Mutex::new(vec![reply]));
                serve(stream, replies, Arc::default()).await;
            }
            offered
        });
        Self {
            url: Url::parse(&format!("https://localhost:{port}/oai")).unwrap(),
            ca_pem: ca.pem(),
            task,
        }
    }
}

/// Answers the first request with a page, and breaks off in the answer to the second.
async fn serve_http2(stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    let mut number = 0;
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        assert_eq!(request.version(), ::http::Version::HTTP_2);
        let mut body = respond
            .send_response(::http::Response::new(()), false)
            .unwrap();
        number += 1;
        match number {
            1 => body.send_data(PAGE.into(), true).unwrap(),
            _ => {
                body.send_data(PAGE[..9].into(), false).unwrap();
                body.send_reset(h2::Reason::INTERNAL_ERROR);
            }
        }
    }
}

#[tokio::test]
async fn speaks_http2() {
    let directory = tempfile::tempdir().unwrap();
    let ca_file = directory.path().join("ca.pem");
    let server = TlsServer::start("localhost", true).await;
    std::fs::write(&ca_file, &server.ca_pem).unwrap();
    let mut settings = ClientSettings::new(server.url.clone());
    settings.ca_file = Some(ca_file);
    let client = Client::new(&settings).unwrap();
    let answer = client.send(&Request::Identify).await.unwrap();
    assert_eq!(answer.body, PAGE.as_bytes());
    let error = client.send(&Request::Identify).await.unwrap_err();
    assert!(
        matches!(
            &error,
            FetchError::Retry {
                fault: Fault::Cut(_) | Fault::Dropped(_),
                ..
            }
        ),
        "{error:?}"
    );
    drop(client);
    server.task.await.unwrap();
}

#[tokio::test]
async fn trusts_only_configured_authorities() {
    let directory = tempfile::tempdir().unwrap();
    let ca_file = directory.path().join("ca.pem");
    let cases = [
        ("told", "localhost", true, None),
        ("not told", "localhost", false, Some("PEM file")),
        (
            "other host",
            "elsewhere.example",
            true,
            Some("another host"),
        ),
    ];
    for (case, name, told, expected) in cases {
        let server = TlsServer::start(name, false).await;
        let mut settings = ClientSettings::new(server.url.clone());
        std::fs::write(&ca_file, &server.ca_pem).unwrap();
        settings.ca_file = told.then(|| ca_file.clone());
        match (ask(&settings).await, expected) {
            (Ok(answer), None) => assert_eq!(answer.body, PAGE.as_bytes(), "{case}"),
            (Err(FetchError::Tls { reason, .. }), Some(expected)) => {
                assert!(reason.contains(expected), "{case}: {reason}");
            }
            (other, _) => panic!("{case}: {other:?}"),
        }
        let offered = server.task.await.unwrap();
        assert_eq!(offered, [b"h2".to_vec(), b"http/1.1".to_vec()], "{case}");
    }
}

#[tokio::test]
async fn plain_http_on_an_https_port_is_reported() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/oai", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let bytes = respond("400 Bad Request", b"");
        stream.write_all(&bytes).await.unwrap();
        stream
    });
    let error = ask(&ClientSettings::new(Url::parse(&url).unwrap()))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, FetchError::Tls { reason, .. } if reason.contains("scheme and port")),
        "{error:?}"
    );
    server.await.unwrap();
}

#[tokio::test]
async fn a_client_is_a_transport() {
    async fn status(transport: &impl Transport) -> u16 {
        transport.send(&Request::Identify).await.unwrap().status
    }
    let server = Server::start([page("200 OK")]).await;
    let client = Client::new(&server.settings()).unwrap();
    let task = tokio::spawn(async move { status(&client).await });
    assert_eq!(task.await.unwrap(), 200);
}

fn resume(token: &str) -> Request {
    Request::Resume {
        verb: Verb::ListRecords,
        token: ResumptionToken::new(token).unwrap(),
        metadata_prefix: None,
    }
}

#[test]
fn writes_requests() {
    let key = Secret::new("k+1");
    let list = Request::ListRecords(Selection {
        metadata_prefix: "oai_doaj".to_owned(),
        set: Some("TENDOkFncmljdWx0dXJl~".to_owned()),
        from: Some("2024-01-01T00:00:00Z".to_owned()),
        until: Some(String::new()),
    });
    let token = "a+b&c=d%e#f?g/h:i é|\u{1F600}%7B";
    let cases = [
        (
            "bare base",
            "https://x.org/oai",
            Request::Identify,
            None,
            "https://x.org/oai?verb=Identify",
        ),
        (
            "no path",
            "https://x.org",
            Request::Identify,
            None,
            "https://x.org/?verb=Identify",
        ),
        (
            "dates and sets, no empty argument",
            "https://x.org/oai",
            list,
            None,
            "https://x.org/oai?verb=ListRecords&metadataPrefix=oai_doaj\
             &set=TENDOkFncmljdWx0dXJl~&from=2024-01-01T00%3A00%3A00Z",
        ),
        (
            "token with every odd character, escaped once",
            "https://x.org/oai",
            resume(token),
            None,
            "https://x.org/oai?verb=ListRecords&resumptionToken=a%2Bb%26c%3Dd%25e%23f%3Fg%2Fh\
             %3Ai%20%C3%A9%7C%F0%9F%98%80%257B",
        ),
        (
            "key last",
            "https://x.org/oai",
            resume("t"),
            Some(&key),
            "https://x.org/oai?verb=ListRecords&resumptionToken=t&api_key=k%2B1",
        ),
        (
            "base with a query",
            "https://x.org/index.php?page=oai&x=a+b%20c",
            Request::Identify,
            None,
            "https://x.org/index.php?page=oai&x=a+b%20c&verb=Identify",
        ),
        (
            "base with empty pieces and a fragment",
            "https://x.org/oai?&&a#top",
            Request::Identify,
            None,
            "https://x.org/oai?a&verb=Identify",
        ),
        (
            "base ending in a question mark",
            "https://x.org/oai?",
            Request::Identify,
            None,
            "https://x.org/oai?verb=Identify",
        ),
    ];
    for (case, base, request, key, expected) in cases {
        let url = request_url(&Url::parse(base).unwrap(), &request, key);
        assert_eq!(url.as_str(), expected, "{case}");
    }
}

#[test]
fn an_escaped_token_reads_back_unchanged() {
    let token = "a+b&c=d%e#f?g/h:i é|%7B~'\"<>\\^`{}";
    let url = request_url(&Url::parse("http://x.org/o").unwrap(), &resume(token), None);
    let read = url
        .query_pairs()
        .find(|(name, _)| name == "resumptionToken");
    assert_eq!(read.unwrap().1, token);
}
