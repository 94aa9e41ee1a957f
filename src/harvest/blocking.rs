//! Runs slow work of the store on a thread that other tasks share.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;
use tokio::task;

/// Each work in its place takes one more thread. Beyond this number the tasks of its thread wait: what it
/// waits for, the store, needs none of them.
const MOST_AT_ONCE: usize = 12;

static AT_ONCE: Semaphore = Semaphore::const_new(MOST_AT_ONCE);

/// Runs `work` on this thread, and lets other threads take over its other tasks: a write may wait for
/// another writer, and a query may read all records.
///
/// On a runtime of one thread, the other tasks wait.
pub(super) fn blocking<R>(work: impl FnOnce() -> R) -> R {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => match AT_ONCE.try_acquire() {
            Ok(_permit) => task::block_in_place(work),
            Err(_) => work(),
        },
        _ => work(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn other_tasks_go_on_meanwhile() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_time()
            .build()
            .unwrap();
        let (sender, receiver) = mpsc::channel();
        let (told, waiting) = tokio::sync::oneshot::channel();
        // The one thread waits for a word that only another task of its own can give.
        let waits = runtime.spawn(async move {
            told.send(()).unwrap();
            blocking(move || receiver.recv_timeout(Duration::from_secs(20)))
        });
        let gives = runtime.spawn(async move {
            waiting.await.unwrap();
            sender.send("word").unwrap();
        });
        let word = runtime.block_on(async {
            gives.await.unwrap();
            waits.await.unwrap()
        });
        assert_eq!(word, Ok("word"));
    }

    #[tokio::test]
    async fn work_also_runs_on_one_thread() {
        assert_eq!(blocking(|| 7), 7);
    }
}
