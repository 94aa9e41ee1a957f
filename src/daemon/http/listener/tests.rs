//! A listener with short limits, and clients that only hold a place.

use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::stop::{StopSwitch, stop_switch};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Time limits that no test waits for.
const NEVER: Duration = Duration::from_secs(600);

struct Served {
    address: SocketAddr,
    connections: Arc<Connections>,
    stop: StopSwitch,
    task: tokio::task::JoinHandle<()>,
}

fn patient(connections: usize) -> Limits {
    Limits {
        connections,
        http2: false,
        head: NEVER,
        body: NEVER,
        idle: NEVER,
        stalled: NEVER,
        answer: NEVER,
        slow: NEVER,
    }
}

fn start(limits: Limits) -> Served {
    let router = Router::new()
        .route("/", get(async || "here"))
        .route("/echo", post(async |body: String| body))
        .route("/large", get(async || vec![b'x'; 8 << 20]))
        .route("/never", get(std::future::pending::<&'static str>));
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(Connections::new(limits));
    let (switch, stop) = stop_switch();
    let task = tokio::spawn(serve(listener, router, Arc::clone(&connections), stop));
    Served {
        address,
        connections,
        stop: switch,
        task,
    }
}

impl Served {
    async fn send(&self, text: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut stream = socket.connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    /// A request for this path, with nothing read of its answer.
    async fn ask(&self, path: &str) -> TcpStream {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"))
            .await
    }

    /// The number of connections, once it is this one.
    async fn has(&self, count: usize) {
        let reached = async {
            while self.connections.count() != count {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, reached)
            .await
            .unwrap_or_else(|_| panic!("{} connections", self.connections.count()));
    }

    fn cuts(&self) -> Vec<(&'static str, u64)> {
        let all = Cut::ALL.map(|why| (why.name(), self.connections.cut(why)));
        all.into_iter().filter(|(_, count)| *count > 0).collect()
    }
}

/// What comes until the daemon closes the connection.
async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    // A connection that the daemon cuts ends with an error.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes))
        .await
        .expect("the daemon closes the connection");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// With Nagle's algorithm, the end of an answer waits up to 40 ms for a client that acknowledges late.
#[tokio::test]
async fn answers_are_sent_without_delay() {
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let (client, (stream, _)) = tokio::join!(TcpStream::connect(address), accept(&listener));
    assert!(client.is_ok());
    assert!(stream.nodelay().unwrap());
}

#[tokio::test]
async fn each_wait_for_a_client_has_a_limit() {
    const SHORT: Duration = Duration::from_millis(100);
    const ASK: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    const POST: &str = "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf";
    let head = || Limits {
        head: SHORT,
        ..patient(9)
    };
    let body = || Limits {
        body: SHORT,
        ..patient(9)
    };
    let idle = || Limits {
        idle: SHORT,
        ..patient(9)
    };
    let twice = format!("{ASK}GET / HT");
    let large = "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 99999\r\n\r\n";
    let none: &[(&str, u64)] = &[];
    let cases = [
        ("nothing", head(), "", "", [("late_request", 1)].as_slice()),
        (
            "half a head",
            head(),
            "GET / HT",
            "",
            &[("late_request", 1)],
        ),
        ("half a second head", idle(), &twice, "here", &[("idle", 1)]),
        ("an answer", idle(), ASK, "here", &[("idle", 1)]),
        ("half a body", body(), POST, "HTTP/1.1 408 ", none),
        ("a large body", patient(9), large, "HTTP/1.1 413 ", none),
        (
            "HTTP/2",
            patient(9),
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "",
            none,
        ),
    ];
    for (case, limits, sent, answer, cuts) in cases {
        let served = start(limits);
        let mut stream = served.send(sent).await;
        if case == "half a body" || case == "a large body" {
            let mut start = vec![0; answer.len()];
            stream.read_exact(&mut start).await.unwrap();
            assert_eq!(String::from_utf8_lossy(&start), answer, "{case}");
            continue;
        }
        let text = rest(stream).await;
        assert!(text.contains(answer), "{case}: {text}");
        assert_eq!(text.is_empty(), answer.is_empty(), "{case}: {text}");
        served.has(0).await;
        assert_eq!(served.cuts(), cuts, "{case}");
    }
}

#[tokio::test]
async fn who_does_not_read_is_given_up() {
    let limits = Limits {
        stalled: Duration::from_millis(100),
        ..patient(9)
    };
    let served = start(limits);
    let stream = served.ask("/large").await;
    served.has(1).await;
    served.has(0).await;
    assert_eq!(served.cuts(), [("stalled", 1)]);
    drop(stream);
    // Who reads gets all of it.
    let mut stream = served.ask("/large").await;
    let mut bytes = Vec::new();
    while bytes.len() < 8 << 20 {
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_new_connection_takes_the_place_of_the_one_that_waited_longest() {
    let served = start(patient(3));
    let _working = served.ask("/never").await;
    let half = served.send("GET / HT").await;
    served.has(2).await;
    let idle = served.ask("/").await;
    served.has(3).await;
    let mut new = served.ask("/").await;
    assert_eq!(rest(half).await, "");
    let mut answer = [0; 15];
    new.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    let _other = served.ask("/never").await;
    assert!(rest(idle).await.ends_with("here"));
    assert_eq!(served.cuts(), [("displaced", 2)]);
}

#[tokio::test]
async fn who_is_worked_for_keeps_the_place() {
    let served = start(patient(2));
    let first = served.ask("/never").await;
    let _second = served.ask("/never").await;
    served.has(2).await;
    // The daemon may have to read the requests first.
    let answer = loop {
        let answer = rest(served.ask("/").await).await;
        if answer.contains("503") || !served.cuts().is_empty() {
            break answer;
        }
    };
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert_eq!(served.cuts(), [("refused", 1)]);
    drop(first);
    served.has(1).await;
    let mut third = served.ask("/").await;
    let mut answer = [0; 15];
    third.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
}

#[tokio::test]
async fn the_end_closes_idle_connections() {
    let served = start(patient(9));
    let idle = served.ask("/").await;
    served.has(1).await;
    served.stop.stop();
    tokio::time::timeout(PATIENCE, served.task)
        .await
        .expect("the listener ends")
        .unwrap();
    assert!(rest(idle).await.ends_with("here"));
}
