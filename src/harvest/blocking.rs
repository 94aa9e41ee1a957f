//! Work of the store that may take long, on a thread that other tasks share.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task;

/// Does `work` where it stands, and lets the other tasks of this thread go elsewhere meanwhile: a
/// write waits for whoever else writes, and a question about all records reads them all.
///
/// On a runtime of one thread there is nowhere to go, so they wait.
pub(super) fn blocking<R>(work: impl FnOnce() -> R) -> R {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => task::block_in_place(work),
        _ => work(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn others_go_on_meanwhile() {
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
    async fn alone_it_is_done_all_the_same() {
        assert_eq!(blocking(|| 7), 7);
    }
}
