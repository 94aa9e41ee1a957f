//! Takes connections, few enough for the daemon's other work, and closes those that only hold a place.
//!
//! - `activity`: what a connection does, and how long it may
//! - `connection`: the bytes, requests and answers of one connection

mod activity;
mod connection;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode};
use axum::response::IntoResponse;
use hyper::body::{Body as _, Incoming};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::{Failure, headers};
use crate::stop::Stop;
use connection::{Answer, Connection, Order, Stream};

pub(in crate::daemon::http) use activity::Cut;
pub(in crate::daemon) use activity::Limits;

/// Connections that the system keeps until the daemon takes them.
const BACKLOG: u32 = 1024;

/// What the system keeps of an answer for one client. It would grow to several megabytes by itself.
const SEND_BUFFER: u32 = 256 << 10;

/// What the system keeps of requests of one client.
const RECEIVE_BUFFER: u32 = 64 << 10;

/// The largest head of a request, and what hyper keeps of an answer.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// The largest body of a request. Forms have some hundred bytes.
const MAX_BODY_BYTES: usize = 64 << 10;

/// Requests at the same time in one connection of HTTP/2.
const MAX_STREAMS: u32 = 16;

/// The pause after the system could not give a connection, because too many files are open.
const PAUSE: Duration = Duration::from_millis(200);

/// The answer to a client that there is no place for.
const REFUSAL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\ncontent-length: 0\r\n\
                         connection: close\r\n\r\n";

/// Listens on this address.
///
/// # Errors
/// The address is not ours, or another program listens on it.
pub(in crate::daemon) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    // Connections inherit the sizes.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// All connections.
#[derive(Debug)]
pub(in crate::daemon::http) struct Connections {
    limits: Limits,
    open: Mutex<BTreeMap<u64, Arc<Connection>>>,
    cut: [AtomicU64; Cut::ALL.len()],
}

/// Who sent a request, for its handler.
#[derive(Debug, Clone)]
pub(in crate::daemon::http) struct Client {
    connection: Arc<Connection>,
    connections: Arc<Connections>,
}

impl Client {
    /// A client at this address, for tests of handlers.
    #[cfg(test)]
    pub(in crate::daemon::http) fn of(peer: IpAddr) -> Self {
        Self {
            connection: Arc::new(Connection::new(peer)),
            connections: Arc::new(Connections::new(Limits::default())),
        }
    }

    /// What counts as one client: an address of version 4, or a network of 64 bits of version 6.
    pub(in crate::daemon::http) fn network(&self) -> IpAddr {
        match self.connection.peer.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        }
    }

    /// Since when the client has taken nothing of its answer, if it is slow.
    pub(in crate::daemon::http) fn stalled_since(&self) -> Option<Instant> {
        let limits = &self.connections.limits;
        self.connection.stalled_since(Instant::now(), limits)
    }

    /// Closes the connection, because others need what it holds.
    pub(in crate::daemon::http) fn displace(&self) {
        self.connections.close(&self.connection, Cut::Displaced);
    }
}

impl Connections {
    /// No connections yet.
    pub(in crate::daemon::http) fn new(limits: Limits) -> Self {
        Self {
            limits,
            open: Mutex::default(),
            cut: Default::default(),
        }
    }

    /// The most connections at the same time.
    pub(in crate::daemon::http) fn most(&self) -> usize {
        self.limits.connections
    }

    /// The number of connections.
    pub(in crate::daemon::http) fn count(&self) -> usize {
        self.open().len()
    }

    /// The number of connections that were closed for this reason.
    pub(in crate::daemon::http) fn cut(&self, why: Cut) -> u64 {
        self.cut[why as usize].load(Ordering::Relaxed)
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Connection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count_cut(&self, why: Cut) {
        self.cut[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn close(&self, connection: &Connection, why: Cut) {
        if !connection.is_closing() {
            connection.order(Order::Close);
            self.count_cut(why);
        }
    }

    /// Closes each connection that has waited for its client for too long.
    fn close_late(&self) {
        let now = Instant::now();
        for connection in self.open().values() {
            if let Some(why) = connection.verdict(now, &self.limits) {
                self.close(connection, why);
            }
        }
    }

    /// Makes place for one connection: closes the one that has waited longest for its client.
    ///
    /// `false` if the daemon works for all of them.
    fn make_place(&self) -> bool {
        let mut open = self.open();
        // The task of a connection that is being closed ends soon, and removes it.
        open.retain(|_, connection| !connection.is_closing());
        if open.len() < self.limits.connections {
            return true;
        }
        let now = Instant::now();
        let longest = open
            .iter()
            .filter_map(|(number, connection)| {
                Some((connection.displaceable_since(now, &self.limits)?, *number))
            })
            .min();
        let Some((_, number)) = longest else {
            return false;
        };
        if let Some(connection) = open.remove(&number) {
            self.close(&connection, Cut::Displaced);
        }
        true
    }
}

/// Serves connections until the daemon stops. Then each may finish the answer at hand.
pub(in crate::daemon::http) async fn serve(
    listener: TcpListener,
    router: Router,
    connections: Arc<Connections>,
    stop: Stop,
) {
    let mut tasks = JoinSet::new();
    let limits = &connections.limits;
    let shortest = limits.head.min(limits.idle).min(limits.stalled);
    let mut looks = tokio::time::interval((shortest / 10).max(Duration::from_millis(1)));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut number = 0_u64;
    loop {
        tokio::select! {
            () = stop.requested() => break,
            (stream, peer) = accept(&listener) => {
                if !connections.make_place() {
                    connections.count_cut(Cut::Refused);
                    refuse(&stream);
                    continue;
                }
                number += 1;
                let connection = Arc::new(Connection::new(peer.ip()));
                connections.open().insert(number, Arc::clone(&connection));
                let entry = Entry { number, connections: Arc::clone(&connections) };
                tasks.spawn(serve_connection(stream, connection, router.clone(), entry));
            }
            _ = looks.tick() => connections.close_late(),
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
        }
    }
    drop(listener);
    for connection in connections.open().values() {
        connection.order(Order::Finish);
    }
    while !tasks.is_empty() {
        tokio::select! {
            _ = looks.tick() => connections.close_late(),
            _ = tasks.join_next() => {}
        }
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Otherwise the last part of an answer waits until the client has acknowledged the rest of it,
                // which many do only after 40 ms. Without the option answers are slower, and right.
                let _ = stream.set_nodelay(true);
                return (stream, peer);
            }
            Err(error) if is_of_the_client(&error) => {}
            Err(error) => {
                tracing::warn!("taking an HTTP connection: {error}; trying again");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn is_of_the_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

/// Tells a client that there is no place for it. A new connection takes so few bytes at once.
fn refuse(stream: &TcpStream) {
    let _ = stream.try_write(REFUSAL);
}

/// The place of a connection, until the value is dropped.
struct Entry {
    number: u64,
    connections: Arc<Connections>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.connections.open().remove(&self.number);
    }
}

async fn serve_connection(
    stream: TcpStream,
    connection: Arc<Connection>,
    router: Router,
    entry: Entry,
) {
    let client = Client {
        connection: Arc::clone(&connection),
        connections: Arc::clone(&entry.connections),
    };
    let limits = &entry.connections.limits;
    let body_limit = limits.body;
    let service =
        service_fn(move |request| answer(request, router.clone(), client.clone(), body_limit));
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        // `Connections::close_late` sees to that, for HTTP/2 too.
        .header_read_timeout(None)
        .max_buf_size(MAX_HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_send_buf_size(MAX_HEAD_BYTES)
        .keep_alive_interval(limits.stalled)
        .keep_alive_timeout(limits.head);
    if !limits.http2 {
        builder = builder.http1_only();
    }
    let mut orders = connection.orders();
    // It may have been told to close before it began.
    orders.mark_changed();
    let stream = TokioIo::new(Stream::new(stream, Arc::clone(&connection)));
    let mut served = std::pin::pin!(builder.serve_connection(stream, service));
    loop {
        tokio::select! {
            result = served.as_mut() => {
                if let Err(error) = result {
                    tracing::debug!("serving an HTTP connection: {error}");
                }
                break;
            }
            Ok(()) = orders.changed() => match *orders.borrow_and_update() {
                Order::Serve => {}
                Order::Finish => served.as_mut().graceful_shutdown(),
                Order::Close => break,
            },
        }
    }
}

/// Answers one request, once it is there as a whole.
async fn answer(
    request: Request<Incoming>,
    router: Router,
    client: Client,
    limit: Duration,
) -> Result<Response<Answer>, Infallible> {
    let connection = Arc::clone(&client.connection);
    connection.asked(request.version());
    let response = match whole(request, limit).await {
        Ok(mut request) => {
            let _work = connection.work();
            request.extensions_mut().insert(client);
            TowerToHyperService::new(router).call(request).await?
        }
        Err(failure) => {
            let mut response = failure.into_response();
            headers::set(&mut response);
            response
        }
    };
    Ok(response.map(|body| connection.answer(body)))
}

/// The request with its body in memory.
async fn whole(request: Request<Incoming>, limit: Duration) -> Result<Request<Body>, Failure> {
    let (head, body) = request.into_parts();
    if body.is_end_stream() {
        return Ok(Request::from_parts(head, Body::empty()));
    }
    let too_large = || {
        let message = format!("the body is larger than {MAX_BODY_BYTES} bytes");
        Failure::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    };
    if body.size_hint().lower() > MAX_BODY_BYTES as u64 {
        return Err(too_large());
    }
    let read = to_bytes(Body::new(body), MAX_BODY_BYTES);
    match tokio::time::timeout(limit, read).await {
        Ok(Ok(bytes)) => Ok(Request::from_parts(head, Body::from(bytes))),
        Ok(Err(_)) => Err(too_large()),
        Err(_) => {
            let message = format!("the body did not come within {} s", limit.as_secs());
            Err(Failure::new(StatusCode::REQUEST_TIMEOUT, message))
        }
    }
}

#[cfg(test)]
mod tests;
