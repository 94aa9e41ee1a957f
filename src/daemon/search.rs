//! Keeps the search index of the store up to date, in small steps beside everything else.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::board::Board;
use crate::store::{FollowResult, Reader, SearchIndex, StoreError};

/// Records of one step: a step is not interrupted, so it has to be over soon.
const TOGETHER: usize = 1_000;

/// Another process may store something, of which nobody tells us.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Pages come in quick succession; one step takes up several.
const GATHER: Duration = Duration::from_secs(2);

/// After something went wrong.
const TROUBLE_SLEEP: Duration = Duration::from_secs(60);

/// Follows the store while the configuration wants that. Ends only with its task.
pub(super) async fn follow(store: PathBuf, board: Arc<Board>) {
    let mut stored = board.stored();
    let mut configured = board.configured();
    let mut told = None;
    loop {
        stored.mark_unchanged();
        configured.mark_unchanged();
        let wanted = board.config().daemon.search;
        match if wanted {
            catch_up(&store).await
        } else {
            Ok(())
        } {
            Ok(()) => told = None,
            Err(why) => {
                // It may stay so for long, and is told once.
                if told.as_ref() != Some(&why) {
                    tracing::warn!(
                        "the search index is not up to date: {why}; tried again each minute"
                    );
                    told = Some(why);
                }
                tokio::time::sleep(TROUBLE_SLEEP).await;
                continue;
            }
        }
        // The board outlives this task, so waiting for it ends only with a change.
        tokio::select! {
            _ = stored.changed() => tokio::time::sleep(GATHER).await,
            _ = configured.changed() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Takes up everything that the store has. Both files are closed in the end, and their memory freed.
async fn catch_up(store: &Path) -> Result<(), String> {
    let mut open: Option<(SearchIndex, Reader)> = None;
    let mut records = 0;
    loop {
        let path = store.to_owned();
        let step = move || -> Result<_, StoreError> {
            let (mut index, reader) = match open {
                Some(open) => open,
                None => (SearchIndex::open(&path)?, Reader::open(&path)?),
            };
            let followed = index.follow(&reader, TOGETHER)?;
            Ok((followed, (index, reader)))
        };
        let done = tokio::task::spawn_blocking(step).await;
        let (followed, kept) = done
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())?;
        open = Some(kept);
        let FollowResult {
            records: more,
            position,
            done,
        } = followed;
        records += more;
        if done {
            if records > 0 {
                tracing::debug!("{records} records taken into the search index, up to {position}");
            }
            return Ok(());
        }
    }
}
