//! One connection: its bytes, its requests and its answers, each noted in its [`Activity`].

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::body::{Body, Bytes};
use axum::http::Version;
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::activity::{Activity, Cut, Limits};

/// Answers leave in pieces of this size, so that it shows whether the client takes them.
const PIECE: usize = 64 << 10;

/// What the task of a connection is told. A later one is stronger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    /// Go on.
    Serve,
    /// Answer what has been asked, and close.
    Finish,
    /// Close at once.
    Close,
}

/// A connection, for everyone who has to do with it.
#[derive(Debug)]
pub(in crate::daemon::http) struct Connection {
    /// The client's address.
    pub(super) peer: IpAddr,
    activity: Mutex<Activity>,
    orders: watch::Sender<Order>,
}

impl Connection {
    pub(super) fn new(peer: IpAddr) -> Self {
        Self {
            peer,
            activity: Mutex::new(Activity::new(Instant::now())),
            orders: watch::Sender::new(Order::Serve),
        }
    }

    fn activity(&self) -> MutexGuard<'_, Activity> {
        self.activity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn orders(&self) -> watch::Receiver<Order> {
        self.orders.subscribe()
    }

    /// Tells the task of the connection what to do. An order to close at once stands.
    pub(super) fn order(&self, order: Order) {
        self.orders.send_if_modified(|standing| {
            let is_new = order > *standing;
            if is_new {
                *standing = order;
            }
            is_new
        });
    }

    pub(super) fn is_closing(&self) -> bool {
        *self.orders.borrow() == Order::Close
    }

    /// See [`Activity::verdict`].
    pub(super) fn verdict(&self, now: Instant, limits: &Limits) -> Option<Cut> {
        self.activity().verdict(now, limits)
    }

    /// See [`Activity::displaceable_since`].
    pub(super) fn displaceable_since(&self, now: Instant, limits: &Limits) -> Option<Instant> {
        self.activity().displaceable_since(now, limits)
    }

    /// See [`Activity::stalled_since`].
    pub(super) fn stalled_since(&self, now: Instant, limits: &Limits) -> Option<Instant> {
        self.activity().stalled_since(now, limits)
    }

    /// Notes that a request's head came to its end.
    pub(super) fn asked(&self, version: Version) {
        let is_multiplexed = version == Version::HTTP_2;
        self.activity().asked(Instant::now(), is_multiplexed);
    }

    /// Notes that a handler works, until the value is dropped.
    pub(super) fn work(self: &Arc<Self>) -> Work {
        self.activity().begin_work();
        Work(Arc::clone(self))
    }

    /// Notes that an answer is to be taken, until the body is dropped.
    pub(super) fn answer(self: &Arc<Self>, body: Body) -> Answer {
        self.activity().begin_answer(Instant::now());
        Answer {
            body,
            piece: Bytes::new(),
            connection: Arc::clone(self),
        }
    }
}

/// A handler works on a request.
pub(super) struct Work(Arc<Connection>);

impl Drop for Work {
    fn drop(&mut self) {
        self.0.activity().end_work(Instant::now());
    }
}

/// The body of an answer, in pieces.
pub(super) struct Answer {
    body: Body,
    /// What is left of the last frame.
    piece: Bytes,
    connection: Arc<Connection>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.connection.activity().end_answer(Instant::now());
    }
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.piece.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.piece = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                end => return Poll::Ready(end),
            }
        }
        self.connection.activity().moved(Instant::now());
        let size = self.piece.len().min(PIECE);
        let piece = self.piece.split_to(size);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.piece.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.body.size_hint();
        let kept = self.piece.len() as u64;
        let mut hint = SizeHint::new();
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + kept);
        }
        hint.set_lower(rest.lower() + kept);
        hint
    }
}

/// The bytes of a connection.
pub(super) struct Stream {
    stream: TcpStream,
    connection: Arc<Connection>,
}

impl Stream {
    pub(super) fn new(stream: TcpStream, connection: Arc<Connection>) -> Self {
        Self { stream, connection }
    }

    fn note(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Pending => self.connection.activity().blocked(),
            Poll::Ready(_) => self.connection.activity().moved(Instant::now()),
        }
        written
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.connection.is_closing() {
            // Otherwise the system would keep unsent bytes for a client that does not take them.
            // It fails if the connection is gone already.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.connection.activity().received(Instant::now());
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
