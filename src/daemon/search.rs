//! Keeps the search index of the store up to date, in small steps beside everything else.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::status::StatusRegistry;
use crate::store::{FollowResult, Reader, SearchIndex, StoreError};

/// Records of one step. A step cannot be interrupted, so it has to be short.
const TOGETHER: usize = 1_000;

/// The time between two looks. Another process may have stored records, without any signal.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// The pause after a stored page, so that one step indexes several pages.
const GATHER: Duration = Duration::from_secs(2);

/// The pause after an error.
const TROUBLE_SLEEP: Duration = Duration::from_secs(60);

/// Keeps the index up to date while `search` is on. Ends only with its task.
pub(super) async fn follow(store: PathBuf, registry: Arc<StatusRegistry>) {
    let mut stored = registry.stored();
    let mut configured = registry.configured();
    let mut logged = None;
    loop {
        stored.mark_unchanged();
        configured.mark_unchanged();
        let wanted = registry.config().daemon.search;
        match if wanted {
            catch_up(&store).await
        } else {
            Ok(())
        } {
            Ok(()) => logged = None,
            Err(why) => {
                // It may last long, and is logged once.
                if logged.as_ref() != Some(&why) {
                    tracing::warn!("updating the search index: {why}; next attempt in a minute");
                    logged = Some(why);
                }
                tokio::time::sleep(TROUBLE_SLEEP).await;
                continue;
            }
        }
        // The registry outlives this task, so each wait ends with a change.
        tokio::select! {
            _ = stored.changed() => tokio::time::sleep(GATHER).await,
            _ = configured.changed() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Indexes everything that the store has. At the end, both files are closed and their memory is free.
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
                tracing::debug!("{records} records indexed for search, up to {position}");
            }
            return Ok(());
        }
    }
}
