//! How many long polls and large answers there may be, in all and for one client.
//!
//! Long polls hold connections and large answers hold memory while the daemon waits for somebody else.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use super::Failure;
use super::listener::Client;
use crate::store::StoredRecord;

/// Large answers that are made or sent at the same time.
const LARGE: usize = 4;

/// Pages of records and answers of `/api/v1/records` that are made or sent at the same time.
const RECORDS: usize = 4;

/// A record whose metadata is larger is heavy: its documents can have twelve times the size. Only one answer
/// at a time has heavy records.
pub(super) const HEAVY_BYTES: usize = 4 << 20;

/// An answer in pieces begins when it has so many bytes, or is complete. Until then it can fail.
const BEGIN_BYTES: usize = 1 << 20;

/// Requests that wait for a place for a large answer, beside long polls. A change wakes all of these at once.
const LARGE_WAITING: usize = 16;

/// The longest wait for a place.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often a request that waits for a place looks for a client that does not take its answer.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// See the module.
#[derive(Debug)]
pub(super) struct Places {
    long_polls: Arc<Shares>,
    large_waiting: Arc<Shares>,
    large: Arc<Semaphore>,
    records: Arc<Semaphore>,
    heavy: Arc<Semaphore>,
    holders: Mutex<HashMap<u64, Client>>,
    next_holder: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Places {
    /// The places of a daemon with this many connections at most.
    ///
    /// Half of them may be long polls, so that there is room for other requests. One client can have half
    /// of the places.
    pub(super) fn new(connections: usize) -> Self {
        let long_polls = (connections / 2).max(1);
        Self {
            long_polls: Arc::new(Shares::new(long_polls)),
            large_waiting: Arc::new(Shares::new(LARGE + LARGE_WAITING + long_polls)),
            large: Arc::new(Semaphore::new(LARGE)),
            records: Arc::new(Semaphore::new(RECORDS)),
            heavy: Arc::new(Semaphore::new(1)),
            holders: Mutex::default(),
            next_holder: AtomicU64::new(0),
        }
    }

    /// Lets a request wait for changes, until the value is dropped.
    ///
    /// # Errors
    /// 429 if too many wait, of this client or in all.
    pub(super) fn long_poll(&self, client: IpAddr) -> Result<Share, Failure> {
        self.long_polls.take(client).map_err(|taken| {
            let message = format!("{taken} wait for changes already; send wait=0 or come again");
            Failure::too_many(message)
        })
    }

    /// Waits until an answer may be made that is perhaps large: changes, or bytes in quarantine.
    ///
    /// If there is no place, the client loses its place that has taken nothing of its answer for longest.
    ///
    /// # Errors
    /// 503 if too many wait, or after 30 seconds.
    pub(super) async fn large(self: &Arc<Self>, client: &Client) -> Result<LargePlace, Failure> {
        self.place(&self.large, client).await
    }

    /// As [`Self::large`], for single records. They do not wait for changes.
    pub(super) async fn records(self: &Arc<Self>, client: &Client) -> Result<LargePlace, Failure> {
        self.place(&self.records, client).await
    }

    async fn place(
        self: &Arc<Self>,
        of: &Arc<Semaphore>,
        client: &Client,
    ) -> Result<LargePlace, Failure> {
        let waiting = self.large_waiting.take(client.network());
        let _waiting = waiting.map_err(|taken| {
            let message =
                format!("{taken} ask for large answers already; come again in a few seconds");
            Failure::unavailable(message)
        })?;
        let permit = self.permit(of).await?;
        let number = self.next_holder.fetch_add(1, Ordering::Relaxed);
        lock(&self.holders).insert(number, client.clone());
        Ok(LargePlace {
            number,
            places: Arc::clone(self),
            _permit: permit,
            heavy: Mutex::default(),
        })
    }

    async fn permit(&self, of: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Failure> {
        let busy = || {
            let message = "too many large answers are under way; come again in a few seconds";
            Failure::unavailable(message)
        };
        let mut permit = std::pin::pin!(Arc::clone(of).acquire_owned());
        let deadline = Instant::now() + PATIENCE;
        loop {
            let look = deadline.min(Instant::now() + LOOK_EVERY);
            match tokio::time::timeout_at(look, permit.as_mut()).await {
                Ok(permit) => return permit.map_err(|_| busy()),
                Err(_) if Instant::now() >= deadline => return Err(busy()),
                Err(_) => self.displace_slowest(),
            }
        }
    }

    fn displace_slowest(&self) {
        let holders = lock(&self.holders);
        let stalled = holders
            .values()
            .filter_map(|client| Some((client.stalled_since()?, client)));
        if let Some((_, slowest)) = stalled.min_by_key(|(since, _)| *since) {
            slowest.displace();
        }
    }
}

/// Places of which one client can have half.
#[derive(Debug)]
struct Shares {
    most: usize,
    most_of_client: usize,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

impl Shares {
    fn new(most: usize) -> Self {
        Self {
            most,
            most_of_client: (most / 2).max(1),
            taken: Mutex::default(),
        }
    }

    /// A place for this client, or who has them all.
    fn take(self: &Arc<Self>, client: IpAddr) -> Result<Share, String> {
        let mut taken = lock(&self.taken);
        if taken.values().sum::<usize>() >= self.most {
            return Err(format!("{} requests", self.most));
        }
        let own = taken.entry(client).or_default();
        if *own >= self.most_of_client {
            return Err(format!("{} requests of your address", self.most_of_client));
        }
        *own += 1;
        Ok(Share {
            client,
            shares: Arc::clone(self),
        })
    }
}

/// A place that a request has.
#[derive(Debug)]
pub(super) struct Share {
    client: IpAddr,
    shares: Arc<Shares>,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = lock(&self.shares.taken);
        if let Some(own) = taken.get_mut(&self.client) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.client);
            }
        }
    }
}

/// The place of an answer that may be large.
#[derive(Debug)]
pub(super) struct LargePlace {
    number: u64,
    places: Arc<Places>,
    _permit: OwnedSemaphorePermit,
    heavy: Mutex<Option<OwnedSemaphorePermit>>,
}

impl LargePlace {
    /// Waits, before a record is written, until no other answer has a heavy one. A light record never waits.
    ///
    /// For threads that may block.
    ///
    /// # Errors
    /// 503 after 30 seconds.
    pub(super) fn weigh(&self, record: &StoredRecord) -> Result<(), Failure> {
        let metadata_bytes = record.metadata.as_ref().map_or(0, String::len);
        let mut heavy = lock(&self.heavy);
        if metadata_bytes > HEAVY_BYTES && heavy.is_none() {
            let permit = self.places.permit(&self.places.heavy);
            *heavy = Some(Handle::current().block_on(permit)?);
        }
        Ok(())
    }

    /// An answer that keeps the place until its last byte is sent.
    pub(super) fn body(self, bytes: Vec<u8>) -> Body {
        Body::from(kept(&Arc::new(self), bytes))
    }

    /// An answer that `write` writes in pieces, on a thread that may block. Pieces before the last are sent
    /// while it goes on. The answer keeps the place until its last byte is sent.
    ///
    /// # Errors
    /// What `write` fails with before its first mebibyte. If it fails later, the connection is cut, so that
    /// the client does not take a part for the whole.
    pub(super) async fn stream<W>(self, write: W) -> Result<Body, Failure>
    where
        W: FnOnce(&LargePlace, &mut Pieces) -> Result<(), Failure> + Send + 'static,
    {
        let (sender, receiver) = mpsc::channel(1);
        let (begin, begun) = oneshot::channel();
        let place = Arc::new(self);
        let mut pieces = Pieces {
            place: Arc::clone(&place),
            held: Vec::new(),
            begin: Some(begin),
            sender,
        };
        tokio::task::spawn_blocking(move || {
            let result = write(&place, &mut pieces);
            pieces.end(result);
        });
        let begun = begun.await;
        match begun.map_err(|_| Failure::internal("the answer was not made"))?? {
            Begun::Whole(bytes) => Ok(Body::from(bytes)),
            Begun::Part => {
                let rest = futures_util::stream::unfold(receiver, async |mut receiver| {
                    let piece: Result<Bytes, io::Error> = receiver.recv().await?;
                    Some((piece, receiver))
                });
                Ok(Body::from_stream(rest))
            }
        }
    }
}

/// How an answer in pieces begins.
enum Begun {
    /// This is all of it.
    Whole(Bytes),
    /// The pieces follow.
    Part,
}

/// An answer that is written in pieces.
pub(super) struct Pieces {
    place: Arc<LargePlace>,
    /// What was written before the answer begins.
    held: Vec<u8>,
    begin: Option<oneshot::Sender<Result<Begun, Failure>>>,
    sender: mpsc::Sender<io::Result<Bytes>>,
}

impl Pieces {
    /// Writes a piece. Waits until the client has taken those before it.
    ///
    /// # Errors
    /// The client is gone.
    pub(super) fn write(&mut self, piece: Vec<u8>) -> Result<(), Failure> {
        let mut piece = piece;
        if self.begin.is_some() {
            if !self.held.is_empty() {
                self.held.append(&mut piece);
                piece = std::mem::take(&mut self.held);
            }
            if piece.len() < BEGIN_BYTES {
                self.held = piece;
                return Ok(());
            }
            if let Some(begin) = self.begin.take() {
                // If the client is gone, sending says so.
                let _ = begin.send(Ok(Begun::Part));
            }
        }
        self.send(Ok(kept(&self.place, piece)))
    }

    fn send(&self, piece: io::Result<Bytes>) -> Result<(), Failure> {
        self.sender
            .blocking_send(piece)
            .map_err(|_| Failure::internal("the client is gone"))
    }

    fn end(mut self, result: Result<(), Failure>) {
        match (self.begin.take(), result) {
            (Some(begin), result) => {
                let held = std::mem::take(&mut self.held);
                let whole = result.map(|()| Begun::Whole(kept(&self.place, held)));
                // Nobody is there to hear of a client that is gone.
                let _ = begin.send(whole);
            }
            (None, Ok(())) => {}
            (None, Err(failure)) => {
                let error = io::Error::other(failure.message);
                let _ = self.send(Err(error));
            }
        }
    }
}

/// Bytes that keep a place.
fn kept(place: &Arc<LargePlace>, mut bytes: Vec<u8>) -> Bytes {
    bytes.shrink_to_fit();
    Bytes::from_owner(Kept {
        bytes,
        _place: Arc::clone(place),
    })
}

impl Drop for LargePlace {
    fn drop(&mut self) {
        lock(&self.places.holders).remove(&self.number);
    }
}

struct Kept {
    bytes: Vec<u8>,
    _place: Arc<LargePlace>,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_cannot_take_the_places_of_others() {
        let shares = Arc::new(Shares::new(4));
        let client = |number: u8| IpAddr::from([192, 0, 2, number]);
        let refused = |client| shares.take(client).err();
        let first = shares.take(client(1)).unwrap();
        let _second = shares.take(client(1)).unwrap();
        let own = "2 requests of your address".to_owned();
        assert_eq!(refused(client(1)), Some(own));
        let _third = shares.take(client(2)).unwrap();
        let _fourth = shares.take(client(2)).unwrap();
        assert_eq!(refused(client(3)), Some("4 requests".to_owned()));
        drop(first);
        assert_eq!(refused(client(3)), None);
        assert_eq!(
            lock(&shares.taken).len(),
            2,
            "who has no place is forgotten"
        );
    }
}
