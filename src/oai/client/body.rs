//! Reads a body within limits of size, of speed and of time.

use std::time::{Duration, Instant};

use reqwest::Response;
use reqwest::header::CONTENT_ENCODING;
use tokio::time::timeout;

use super::failure::error_text;
use super::inflate::{InflateError, Inflater};
use crate::oai::error::Fault;
use crate::oai::settings::{Limits, Timeouts};

/// What came of a body.
pub(crate) struct Body {
    /// Decompressed; if there was a failure, what came before it.
    pub(crate) bytes: Vec<u8>,
    /// Bytes on the wire.
    pub(crate) wire_bytes: u64,
    /// Why this is not the whole body.
    pub(crate) failure: Option<BodyFailure>,
}

/// Why a body was not read to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BodyFailure {
    /// It is larger than this limit.
    TooLarge {
        /// The configuration key.
        limit: &'static str,
        /// In bytes.
        value: u64,
    },
    /// It came too slowly for this limit.
    Slow {
        /// The configuration key.
        limit: &'static str,
        /// As it would be configured.
        value: String,
    },
    /// The network or the server failed.
    Fault(Fault),
}

/// Reads the body of `response`, of a request that began at `started`.
pub(crate) async fn read(
    mut response: Response,
    started: Instant,
    timeouts: &Timeouts,
    limits: &Limits,
) -> Body {
    let encoding = response.headers().get(CONTENT_ENCODING);
    let encoding = encoding.and_then(|value| value.to_str().ok());
    let mut inflater = Inflater::new(encoding, limits.inflated_bytes);
    let mut wire_bytes = 0;
    let outcome = pump(
        &mut response,
        started,
        timeouts,
        limits,
        &mut inflater,
        &mut wire_bytes,
    );
    let (bytes, failure) = match outcome.await {
        Err(failure) => (inflater.so_far().to_vec(), Some(failure)),
        Ok(()) => match inflater.finish() {
            Ok(bytes) => (bytes, None),
            Err(error) => (Vec::new(), Some(inflate_failure(error, limits))),
        },
    };
    Body {
        bytes,
        wire_bytes,
        failure,
    }
}

async fn pump(
    response: &mut Response,
    started: Instant,
    timeouts: &Timeouts,
    limits: &Limits,
    inflater: &mut Inflater,
    wire_bytes: &mut u64,
) -> Result<(), BodyFailure> {
    let too_large = || BodyFailure::TooLarge {
        limit: "max_body_bytes",
        value: limits.body_bytes,
    };
    if response
        .content_length()
        .is_some_and(|length| length > limits.body_bytes)
    {
        return Err(too_large());
    }
    let mut pace = Pace::new(timeouts.idle, limits.bytes_per_second);
    loop {
        let left = timeouts.total.saturating_sub(started.elapsed());
        let next = timeout(timeouts.idle.min(left), response.chunk()).await;
        let piece = match next {
            Err(_) if left <= timeouts.idle => return Err(total_failure(timeouts)),
            Err(_) => {
                return Err(BodyFailure::Fault(Fault::Timeout {
                    limit: "idle_timeout",
                    after: timeouts.idle,
                }));
            }
            Ok(Err(error)) => return Err(BodyFailure::Fault(Fault::Cut(error_text(&error)))),
            Ok(Ok(None)) => return Ok(()),
            Ok(Ok(Some(piece))) => piece,
        };
        *wire_bytes += piece.len() as u64;
        if *wire_bytes > limits.body_bytes {
            return Err(too_large());
        }
        inflater
            .push(&piece)
            .map_err(|error| inflate_failure(error, limits))?;
        pace.check(*wire_bytes)?;
    }
}

/// The failure of an answer that is not complete when its time is up.
pub(crate) fn total_failure(timeouts: &Timeouts) -> BodyFailure {
    BodyFailure::Slow {
        limit: "total_timeout",
        value: format!("{:?}", timeouts.total),
    }
}

fn inflate_failure(error: InflateError, limits: &Limits) -> BodyFailure {
    match error {
        InflateError::TooLarge => BodyFailure::TooLarge {
            limit: "max_inflated_bytes",
            value: limits.inflated_bytes,
        },
        InflateError::Bad(reason) => BodyFailure::Fault(Fault::Compression(reason)),
    }
}

/// Watches the throughput in spans of one idle time each, so that neither a quick start nor a
/// byte now and then covers up for dripping.
struct Pace {
    span: Duration,
    bytes_per_second: u64,
    span_began: Instant,
    bytes_then: u64,
}

impl Pace {
    fn new(span: Duration, bytes_per_second: u64) -> Self {
        Self {
            span,
            bytes_per_second,
            span_began: Instant::now(),
            bytes_then: 0,
        }
    }

    fn check(&mut self, wire_bytes: u64) -> Result<(), BodyFailure> {
        let elapsed = self.span_began.elapsed();
        if elapsed < self.span {
            return Ok(());
        }
        let wanted = self.bytes_per_second as f64 * elapsed.as_secs_f64();
        if ((wire_bytes - self.bytes_then) as f64) < wanted {
            return Err(BodyFailure::Slow {
                limit: "min_bytes_per_second",
                value: self.bytes_per_second.to_string(),
            });
        }
        self.span_began = Instant::now();
        self.bytes_then = wire_bytes;
        Ok(())
    }
}
