//! Reads a body within limits of size, speed and time.

use std::pin::pin;
use std::time::{Duration, Instant};

use reqwest::Response;
use reqwest::header::CONTENT_ENCODING;
use tokio::time::timeout;

use super::decompress::{DecompressError, Decompressor};
use super::error::{Failure, Fault};
use super::failure::error_text;
use super::settings::{Limits, Timeouts};
use super::turn::{SMALL_BYTES, Turn};

/// A body, decompressed, as far as it was read.
pub(crate) struct Body {
    /// The bytes; after a failure, those before it.
    pub(crate) bytes: Vec<u8>,
    /// Bytes on the wire.
    pub(crate) wire_bytes: u64,
    /// Why this is not the whole body.
    pub(crate) failure: Option<Failure>,
    /// What is wrong with the end of the body, although the document in it is whole.
    pub(crate) unclean_end: Option<String>,
    /// The right to have the bytes in memory, if they are many.
    pub(crate) turn: Turn,
}

/// A document whose end was not announced is over if nothing arrives for this long after it.
const SILENCE: Duration = Duration::from_secs(2);

/// Reads the body of `response`, whose request began at `started`. The time that it waits for its turn
/// does not count.
///
/// `is_whole` tells by itself whether bytes are a whole document. Such a document counts, however
/// badly its transport ends: without a last chunk, with a wrong `Content-Length`, without the end
/// of the compression or of TLS.
pub(crate) async fn read(
    mut response: Response,
    started: Instant,
    timeouts: &Timeouts,
    limits: &Limits,
    is_whole: fn(&[u8]) -> bool,
) -> Body {
    let encoding = response.headers().get(CONTENT_ENCODING);
    let encoding = encoding.and_then(|value| value.to_str().ok());
    let mut inflater = Inflater::new(encoding, limits);
    let mut wire_bytes = 0;
    let outcome = read_pieces(
        &mut response,
        started,
        timeouts,
        limits,
        &mut inflater,
        &mut wire_bytes,
        is_whole,
    );
    let read = outcome.await;
    inflater.end(read, wire_bytes, is_whole).await
}

/// Decompresses a body. A large one waits for its turn, and is then decompressed from its beginning
/// once more: no decoder can wait in the midst of a piece, and a small piece can become large.
struct Inflater<'a> {
    decompressor: Decompressor,
    encoding: Option<String>,
    /// What came on the wire before the turn.
    wire: Vec<u8>,
    turn: Turn,
    /// How long it waited for its turn.
    waited: Duration,
    limits: &'a Limits,
}

impl<'a> Inflater<'a> {
    fn new(encoding: Option<&str>, limits: &'a Limits) -> Self {
        let small = limits.inflated_bytes.min(SMALL_BYTES);
        Self {
            decompressor: Decompressor::new(encoding, small),
            encoding: encoding.map(str::to_owned),
            wire: Vec::new(),
            turn: Turn::default(),
            waited: Duration::ZERO,
            limits,
        }
    }

    async fn push(&mut self, piece: &[u8]) -> Result<(), Failure> {
        if self.turn.is_taken() {
            let pushed = self.decompressor.push(piece);
            return pushed.map_err(|error| decompress_failure(error, self.limits));
        }
        self.wire.extend_from_slice(piece);
        match self.decompressor.push(piece) {
            Err(DecompressError::TooLarge) if self.limits.inflated_bytes > SMALL_BYTES => {}
            Ok(()) if self.wire.len() as u64 > SMALL_BYTES => {}
            pushed => return pushed.map_err(|error| decompress_failure(error, self.limits)),
        }
        self.start_over().await
    }

    /// Waits until this body may be large, and decompresses the bytes that have arrived.
    async fn start_over(&mut self) -> Result<(), Failure> {
        self.decompressor = Decompressor::new(None, 0);
        let begun = Instant::now();
        self.turn = Turn::wait().await;
        self.waited += begun.elapsed();
        let limit = self.limits.inflated_bytes;
        self.decompressor = Decompressor::new(self.encoding.as_deref(), limit);
        let wire = std::mem::take(&mut self.wire);
        let pushed = self.decompressor.push(&wire);
        pushed.map_err(|error| decompress_failure(error, self.limits))
    }

    /// The body after the last piece, or after the failure of a piece.
    async fn end(
        mut self,
        read: Result<(), Failure>,
        wire_bytes: u64,
        is_whole: fn(&[u8]) -> bool,
    ) -> Body {
        let finished = match read {
            Ok(()) => self.finish().await,
            Err(failure) => {
                let early = is_about_the_end(&failure);
                Err((failure, early))
            }
        };
        let (bytes, failure, unclean_end) = match finished {
            Ok(bytes) => (bytes, None, None),
            Err((failure, early)) => {
                let bytes = self.decompressor.take_output();
                match early && is_whole(&bytes) {
                    true => (bytes, None, Some(in_words(&failure))),
                    false => (bytes, Some(failure), None),
                }
            }
        };
        Body {
            bytes,
            wire_bytes,
            failure,
            unclean_end,
            turn: self.turn,
        }
    }

    /// The whole body; else why not, and whether that is only about its end.
    async fn finish(&mut self) -> Result<Vec<u8>, (Failure, bool)> {
        let mut finished = self.decompressor.finish();
        if finished == Err(DecompressError::TooLarge) && !self.turn.is_taken() {
            // An inner layer of compression has become large.
            self.start_over()
                .await
                .map_err(|failure| (failure, false))?;
            finished = self.decompressor.finish();
        }
        finished.map_err(|error| {
            let early = matches!(error, DecompressError::Truncated(_));
            (decompress_failure(error, self.limits), early)
        })
    }
}

/// Whether a failure says only that bytes are missing: those that came are right.
fn is_about_the_end(failure: &Failure) -> bool {
    match failure {
        Failure::Fault(Fault::Cut(_) | Fault::Timeout { .. }) | Failure::Slow { .. } => true,
        Failure::Fault(_) | Failure::TooLarge { .. } => false,
        Failure::Redirect(_) | Failure::Tls(_) => false,
    }
}

fn in_words(failure: &Failure) -> String {
    match failure {
        Failure::Fault(fault) => fault.to_string(),
        Failure::Slow { limit, value } => format!("slower than {limit} = {value}"),
        other => format!("{other:?}"),
    }
}

/// Feeds the body to `inflater`, piece by piece.
async fn read_pieces(
    response: &mut Response,
    started: Instant,
    timeouts: &Timeouts,
    limits: &Limits,
    inflater: &mut Inflater<'_>,
    wire_bytes: &mut u64,
    is_whole: fn(&[u8]) -> bool,
) -> Result<(), Failure> {
    let too_large = || Failure::TooLarge {
        limit: "max_body_bytes",
        value: limits.body_bytes,
    };
    if response
        .content_length()
        .is_some_and(|length| length > limits.body_bytes)
    {
        return Err(too_large());
    }
    let mut throughput = Throughput::new(timeouts.idle, limits.bytes_per_second);
    loop {
        let elapsed = started.elapsed().saturating_sub(inflater.waited);
        let left = timeouts.total.saturating_sub(elapsed);
        let patience = timeouts.idle.min(left);
        let next = {
            let mut piece = pin!(response.chunk());
            match timeout(SILENCE.min(patience), &mut piece).await {
                Ok(piece) => Ok(piece),
                Err(_) if is_whole(inflater.decompressor.output()) => {
                    return Err(Failure::Fault(Fault::Timeout {
                        limit: "idle_timeout",
                        after: SILENCE.min(patience),
                    }));
                }
                Err(_) => timeout(patience.saturating_sub(SILENCE), piece).await,
            }
        };
        let piece = match next {
            Err(_) if left <= timeouts.idle => return Err(total_failure(timeouts)),
            Err(_) => {
                return Err(Failure::Fault(Fault::Timeout {
                    limit: "idle_timeout",
                    after: timeouts.idle,
                }));
            }
            Ok(Err(error)) => return Err(Failure::Fault(Fault::Cut(error_text(&error)))),
            Ok(Ok(None)) => return Ok(()),
            Ok(Ok(Some(piece))) => piece,
        };
        *wire_bytes += piece.len() as u64;
        if *wire_bytes > limits.body_bytes {
            return Err(too_large());
        }
        let waited = inflater.waited;
        inflater.push(&piece).await?;
        if inflater.waited > waited {
            throughput = Throughput::new(timeouts.idle, limits.bytes_per_second);
            throughput.bytes_then = *wire_bytes;
        }
        throughput.check(*wire_bytes)?;
    }
}

/// The failure of a reply that is not complete after `total_timeout`.
pub(crate) fn total_failure(timeouts: &Timeouts) -> Failure {
    Failure::Slow {
        limit: "total_timeout",
        value: format!("{:?}", timeouts.total),
    }
}

fn decompress_failure(error: DecompressError, limits: &Limits) -> Failure {
    match error {
        DecompressError::TooLarge => Failure::TooLarge {
            limit: "max_inflated_bytes",
            value: limits.inflated_bytes,
        },
        DecompressError::Damaged(reason) | DecompressError::Truncated(reason) => {
            Failure::Fault(Fault::Compression(reason))
        }
    }
}

/// The throughput, measured in spans of one idle timeout each. So neither a quick start nor a
/// single byte now and then hides a slow trickle.
struct Throughput {
    span: Duration,
    bytes_per_second: u64,
    span_began: Instant,
    bytes_then: u64,
}

impl Throughput {
    fn new(span: Duration, bytes_per_second: u64) -> Self {
        Self {
            span,
            bytes_per_second,
            span_began: Instant::now(),
            bytes_then: 0,
        }
    }

    fn check(&mut self, wire_bytes: u64) -> Result<(), Failure> {
        let elapsed = self.span_began.elapsed();
        if elapsed < self.span {
            return Ok(());
        }
        let expected = self.bytes_per_second as f64 * elapsed.as_secs_f64();
        if ((wire_bytes - self.bytes_then) as f64) < expected {
            return Err(Failure::Slow {
                limit: "min_bytes_per_second",
                value: self.bytes_per_second.to_string(),
            });
        }
        self.span_began = Instant::now();
        self.bytes_then = wire_bytes;
        Ok(())
    }
}
