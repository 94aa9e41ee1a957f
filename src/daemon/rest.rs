//! When everything rests, memory that was needed for work goes back to the system.
//!
//! A pass leaves pages of the database in SQLite's cache, and the allocator keeps what was freed for
//! next time. That is right while passes follow each other, and a waste in a service that rests for
//! most of the day.

use std::sync::Arc;
use std::time::Duration;

use super::board::{Board, DeliveryState, State};
use crate::store::Store;

/// So long after the last end: what is to follow it has begun by then.
const PAUSE: Duration = Duration::from_secs(2);

/// The search index and requests end without a word, and leave something too.
const EVERY: Duration = Duration::from_secs(60);

/// Gives memory back after the last of several passes and deliveries, and now and again. Ends only
/// with its task.
pub(super) async fn run(store: Arc<Store>, board: Arc<Board>) {
    let mut ends = board.ends();
    let mut delivered = board.delivered();
    loop {
        tokio::select! {
            Ok(()) = ends.changed() => {}
            Ok(()) = delivered.changed() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
        tokio::time::sleep(PAUSE).await;
        if any_running(&board) {
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

fn any_running(board: &Board) -> bool {
    let sources = board.sources();
    let deliveries = board.deliveries();
    let mut passes = sources.values();
    let mut runs = deliveries.values();
    passes.any(|seen| matches!(seen.state, State::Running { .. }))
        || runs.any(|seen| matches!(seen.state, DeliveryState::Running { .. }))
}

/// Gives back what the allocator keeps.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "the allocator's own function has no other form")]
fn trim() {
    // SAFETY: it takes no pointer, and the allocator guards itself against other threads.
    unsafe { libc::malloc_trim(0) };
}

/// Other allocators do that by themselves.
#[cfg(not(target_env = "gnu"))]
fn trim() {}
