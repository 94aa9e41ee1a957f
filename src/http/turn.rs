//! One large body at a time in the process.

use std::fmt;
use std::sync::{Arc, LazyLock};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A body up to this size is read at once, however many others are.
pub(crate) const SMALL_BYTES: u64 = 4 << 20;

static TURNS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(1)));

/// The right to have a large body in memory, until the last copy of this value is dropped. The default
/// is none, for small bodies.
#[derive(Clone, Default)]
pub struct Turn(Option<Arc<OwnedSemaphorePermit>>);

impl Turn {
    /// Waits for the right. Those who wait get it in their order.
    pub(crate) async fn wait() -> Self {
        let permit = Arc::clone(&TURNS).acquire_owned().await;
        // The semaphore is never closed.
        Self(permit.ok().map(Arc::new))
    }

    /// Whether this is the right to a large body.
    pub(crate) fn is_taken(&self) -> bool {
        self.0.is_some()
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Turn").field(&self.is_taken()).finish()
    }
}

/// Turns say nothing of an answer, so answers with and without one can be equal.
impl PartialEq for Turn {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Turn {}
