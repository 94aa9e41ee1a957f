//! What every handler works with: the store, the state of the daemon, and limits on their use.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};

use super::Failure;
use crate::daemon::overview::{Overview, overview};
use crate::daemon::scheduler::Requested;
use crate::daemon::status::StatusRegistry;
use crate::stop::Stop;
use crate::store::{Reader, StoreError};

/// Requests that read the store at the same time; others wait.
const READERS: usize = 4;

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
}

/// What every handler works with.
pub(super) struct Context {
    pub(super) shared: Shared,
    readers: Semaphore,
}

/// The context as handlers receive it.
pub(super) type Ctx = Arc<Context>;

impl Context {
    /// The context of a new server.
    pub(super) fn new(shared: Shared) -> Self {
        Self {
            shared,
            readers: Semaphore::new(READERS),
        }
    }

    /// Runs `work` with its own connection to the store, on a thread that may block.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Failure> {
        let path = self.shared.store.clone();
        self.blocking(move || work(&Reader::open(&path)?)).await
    }

    /// The state of everything: what the store has and what the daemon does.
    pub(super) async fn overview(&self) -> Result<Overview, Failure> {
        let path = self.shared.store.clone();
        let registry = Arc::clone(&self.shared.registry);
        self.blocking(move || overview(&path, &registry)).await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Failure> {
        let _permit = self
            .readers
            .acquire()
            .await
            .map_err(|error| Failure::internal(error.to_string()))?;
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => Ok(result?),
            Err(error) => Err(Failure::internal(format!("reading the store: {error}"))),
        }
    }
}
