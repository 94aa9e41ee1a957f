//! Gives memory back to the system while no job runs.
//!
//! A pass leaves pages of the database in SQLite's cache, and the allocator keeps freed memory for next time.
//! That is right while passes follow each other, and a waste in a service that is idle most of the day.

use std::sync::Arc;
use std::time::Duration;

use super::status::StatusRegistry;
use crate::store::Store;

/// The pause after the end of a job. A job that follows it has begun by then.
const PAUSE: Duration = Duration::from_secs(2);

/// The time between two looks. The search index and requests use memory too, without any job that ends.
const EVERY: Duration = Duration::from_secs(60);

/// Gives memory back after the last of several jobs, and each minute. Ends only with its task.
pub(super) async fn run(store: Arc<Store>, registry: Arc<StatusRegistry>) {
    let mut ended = registry.ended();
    loop {
        tokio::select! {
            Ok(()) = ended.changed() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
        tokio::time::sleep(PAUSE).await;
        if registry.any_running() {
            continue;
        }
        let store = Arc::clone(&store);
        let given = tokio::task::spawn_blocking(move || {
            let shrunk = store.shrink_memory();
            trim();
            shrunk
        });
        match given.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!("{error}"),
            Err(error) => tracing::debug!("giving memory back: {error}"),
        }
    }
}

/// Gives back the freed memory that the allocator keeps.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "the allocator's own function has no other form")]
fn trim() {
    // SAFETY: it takes no pointer, and the allocator guards itself against other threads.
    unsafe { libc::malloc_trim(0) };
}

/// Other allocators do that without a call.
#[cfg(not(target_env = "gnu"))]
fn trim() {}
