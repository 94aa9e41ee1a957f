//! How many long polls and large answers there may be, in all and for one client.
//!
//! Long polls hold connections and large answers hold memory while the daemon waits for somebody else.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::Failure;
use super::listener::Client;

/// Large answers that are made or sent at the same time.
const LARGE: usize = 4;

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

    /// Waits until an answer may be made that is perhaps large.
    ///
    /// If there is no place, the client loses its place that has taken nothing of its answer for longest.
    ///
    /// # Errors
    /// 503 if too many wait, or after 30 seconds.
    pub(super) async fn large(self: &Arc<Self>, client: &Client) -> Result<LargePlace, Failure> {
        let busy = || {
            let message = "too many large answers are under way; come again in a few seconds";
            Failure::unavailable(message)
        };
        let waiting = self.large_waiting.take(client.network());
        let _waiting = waiting.map_err(|taken| {
            let message =
                format!("{taken} ask for large answers already; come again in a few seconds");
            Failure::unavailable(message)
        })?;
        let mut place = std::pin::pin!(Arc::clone(&self.large).acquire_owned());
        let deadline = Instant::now() + PATIENCE;
        let permit = loop {
            let look = deadline.min(Instant::now() + LOOK_EVERY);
            match tokio::time::timeout_at(look, place.as_mut()).await {
                Ok(permit) => break permit.map_err(|_| busy())?,
                Err(_) if Instant::now() >= deadline => return Err(busy()),
                Err(_) => self.displace_slowest(),
            }
        };
        let number = self.next_holder.fetch_add(1, Ordering::Relaxed);
        lock(&self.holders).insert(number, client.clone());
        Ok(LargePlace {
            number,
            places: Arc::clone(self),
            _permit: permit,
        })
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
}

impl LargePlace {
    /// An answer that keeps the place until its last byte is sent.
    pub(super) fn body(self, mut bytes: Vec<u8>) -> Body {
        bytes.shrink_to_fit();
        Body::from(Bytes::from_owner(Kept {
            bytes,
            _place: self,
        }))
    }
}

impl Drop for LargePlace {
    fn drop(&mut self) {
        lock(&self.places.holders).remove(&self.number);
    }
}

struct Kept {
    bytes: Vec<u8>,
    _place: LargePlace,
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
