//! What every handler works with: the store, the state of the daemon, and limits on their use.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::Failure;
use super::listener::Connections;
use super::places::{LargePlace, Places};
use super::provider::Provider;
use crate::daemon::scheduler::Requested;
use crate::daemon::status::StatusRegistry;
use crate::stop::Stop;
use crate::store::{Reader, Store, StoreError};

/// Requests that read the store at the same time; others wait.
const READERS: usize = 4;

/// Requests that ask how everything is, the page and the metrics among them, at the same time. They wait
/// for no others.
const MONITORS: usize = 2;

/// What the daemon gives to the HTTP server.
pub(in crate::daemon) struct Shared {
    /// The progress of running jobs, and the current configuration.
    pub(in crate::daemon) registry: Arc<StatusRegistry>,
    /// The database file.
    pub(in crate::daemon) store: PathBuf,
    /// Takes commands to the scheduler.
    pub(in crate::daemon) commands: mpsc::Sender<Requested>,
    /// Says when to stop.
    pub(in crate::daemon) stop: Stop,
    /// The OAI-PMH provider and its path, if it is served on the same address.
    pub(in crate::daemon) provider: Option<(Arc<Provider>, String)>,
}

/// What every handler works with.
pub(super) struct Context {
    pub(super) shared: Shared,
    pub(super) connections: Arc<Connections>,
    pub(super) places: Arc<Places>,
    readers: Arc<Semaphore>,
    monitors: Arc<Semaphore>,
    /// For the one who draws a sample of matches: it reads all clusters.
    pub(super) drawing: Arc<Semaphore>,
}

/// The context as handlers receive it.
pub(super) type Ctx = Arc<Context>;

impl Context {
    /// The context of a new server.
    pub(super) fn new(shared: Shared, connections: Arc<Connections>) -> Self {
        Self {
            shared,
            places: Arc::new(Places::new(connections.most())),
            connections,
            readers: Arc::new(Semaphore::new(READERS)),
            monitors: Arc::new(Semaphore::new(MONITORS)),
            drawing: Arc::new(Semaphore::new(1)),
        }
    }

    /// Runs `work` with its own connection to the store, on a thread that may block.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Failure> {
        let path = self.shared.store.clone();
        let turn = turn(&self.readers).await?;
        blocking(turn, move || work(&Reader::open(&path)?)).await
    }

    /// Runs `work` with a connection of its own that writes to the store, on a thread that may block.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Failure> {
        let path = self.shared.store.clone();
        let turn = turn(&self.readers).await?;
        blocking(turn, move || work(&Store::open(&path)?)).await
    }

    /// As [`Self::read`], for requests that ask whether the daemon works.
    pub(super) async fn monitor<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Failure> {
        let path = self.shared.store.clone();
        let turn = turn(&self.monitors).await?;
        blocking(turn, move || work(&Reader::open(&path)?)).await
    }

    /// As [`Self::monitor`], for what is made of the state of the daemon too.
    pub(super) async fn state<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Reader, &StatusRegistry, &Path) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Failure> {
        let registry = Arc::clone(&self.shared.registry);
        let path = self.shared.store.clone();
        self.monitor(move |reader| work(reader, &registry, &path))
            .await
    }

    /// As [`Self::read`], for an answer that may be large. It takes no turn from other requests, since
    /// places are few.
    pub(super) async fn read_large<T: Send + 'static>(
        &self,
        place: LargePlace,
        work: impl FnOnce(&Reader, &LargePlace) -> Result<T, Failure> + Send + 'static,
    ) -> Result<(T, LargePlace), Failure> {
        let path = self.shared.store.clone();
        // The thread goes on if the client goes away, and keeps the place.
        on_thread(move || {
            let result = work(&Reader::open(&path)?, &place)?;
            Ok((result, place))
        })
        .await
    }
}

/// Waits for a turn.
async fn turn(of: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Failure> {
    let turn = Arc::clone(of).acquire_owned().await;
    turn.map_err(|error| Failure::internal(error.to_string()))
}

async fn blocking<T: Send + 'static>(
    turn: OwnedSemaphorePermit,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Failure> {
    on_thread(move || {
        let result = work();
        // The thread goes on if the client goes away, and keeps its turn.
        drop(turn);
        Ok(result?)
    })
    .await
}

/// Runs `work` on a thread that may block.
async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(Failure::internal(format!("reading the store: {error}"))))
}
