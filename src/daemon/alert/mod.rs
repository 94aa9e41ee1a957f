//! Tells someone when something begins to be wrong, and when it is right again: once for each change,
//! by running a program, posting to a URL, or both.
//!
//! - `conditions`: what is wrong now, and what of it is new
//! - `tell`: the ways to tell
//!
//! What people were told, and what they are still to be told, is in the store: a restart tells nothing
//! twice and forgets nothing. One way that does not work does not hold up another one.

mod conditions;
mod tell;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{JoinSet, spawn_blocking};

use self::conditions::{Changes, body, changes, observe};
use self::tell::Way;
use super::board::Board;
use crate::store::{PendingAlert, Store, StoreError, pause_left};

/// Space and time change without anything that tells of it.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// The pause before the first further try; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause before a further try.
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);

/// An alert that has not arrived after so long is given up.
const GIVEN_UP_AFTER_MS: i64 = 24 * 3600 * 1000;

/// Looks for changes whenever something has come to its end, and tells of them. Ends only with its
/// task.
pub(super) async fn run(store: Arc<Store>, board: Arc<Board>) {
    let mut ends = board.ends();
    let mut delivered = board.delivered();
    let mut tellers = JoinSet::new();
    let news: Vec<Arc<Notify>> = Way::ALL
        .into_iter()
        .map(|way| {
            let new = Arc::new(Notify::new());
            tellers.spawn(tell_all(
                way,
                Arc::clone(&store),
                Arc::clone(&board),
                Arc::clone(&new),
            ));
            new
        })
        .collect();
    loop {
        let looked = {
            let (store, board) = (Arc::clone(&store), Arc::clone(&board));
            spawn_blocking(move || look(&store, &board)).await
        };
        match looked {
            Ok(Ok(true)) => news.iter().for_each(|new| new.notify_one()),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => tracing::warn!("looking for what is wrong: {error}"),
            Err(error) => tracing::error!("looking for what is wrong: {error}"),
        }
        tokio::select! {
            Ok(()) = ends.changed() => {}
            Ok(()) = delivered.changed() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Compares what is wrong with what was told, and stores what is to be told. Gives whether there is
/// anything.
fn look(store: &Store, board: &Board) -> Result<bool, StoreError> {
    let (config, now_ms, reader) = (board.config(), board.now_ms(), store.reader()?);
    let observed = observe(&reader, board, &config, free_bytes(store.path()))?;
    let told = reader.conditions()?;
    let Changes {
        begun,
        over,
        dropped,
    } = changes(&told, &observed, now_ms);
    if begun.is_empty() && over.is_empty() && dropped.is_empty() {
        return Ok(false);
    }
    let mut alerts = Vec::new();
    for condition in &begun {
        let (subject, name) = (&condition.subject, &condition.name);
        let kind = condition.kind.replace('_', " ");
        tracing::warn!("{subject} {name} is {kind}: {}", condition.message);
        alerts.push(body(condition, false, now_ms));
    }
    for condition in &over {
        let (subject, name) = (&condition.subject, &condition.name);
        let kind = condition.kind.replace('_', " ");
        tracing::info!("{subject} {name} is no longer {kind}");
        alerts.push(body(condition, true, now_ms));
    }
    let ways = Way::ALL.into_iter().filter(|way| way.is_open(&config));
    let ways: Vec<&str> = ways.map(Way::word).collect();
    let ended = [over, dropped].concat();
    store.change_conditions(&begun, &ended, &alerts, &ways, now_ms)?;
    Ok(!alerts.is_empty())
}

/// The space that is left where the store is; `None` if the system does not say.
fn free_bytes(store: &Path) -> Option<u64> {
    let system = rustix::fs::statvfs(store).ok()?;
    Some(system.f_bavail.saturating_mul(system.f_frsize))
}

/// Tells everything that is to be told in one way, in its order.
async fn tell_all(way: Way, store: Arc<Store>, board: Arc<Board>, new: Arc<Notify>) {
    loop {
        let next = {
            let store = Arc::clone(&store);
            blocking(move || store.next_alert(way.word())).await
        };
        let alert = match next {
            Ok(Some(alert)) => alert,
            Ok(None) => {
                new.notified().await;
                continue;
            }
            Err(why) => {
                tracing::warn!("reading what is to be told: {why}");
                tokio::time::sleep(LOOK_EVERY).await;
                continue;
            }
        };
        // One that waited for ever would hold up those behind it.
        if let Some(left) = pause_left(alert.next_at, LONGEST_PAUSE, board.now_ms()) {
            // A wall clock can be set, so no sleep trusts it for longer.
            tokio::time::sleep(left.min(LOOK_EVERY)).await;
            continue;
        }
        let told = way.tell(&board.config(), &alert.body).await;
        if let Err(why) = note(way, &store, alert, told, board.now_ms()).await {
            tracing::warn!("storing what was told: {why}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// Stores what came of telling.
async fn note(
    way: Way,
    store: &Arc<Store>,
    alert: PendingAlert,
    told: Result<(), String>,
    now_ms: i64,
) -> Result<(), String> {
    let way = way.word();
    let again_at = match told {
        Ok(()) => None,
        Err(why) if now_ms - alert.at > GIVEN_UP_AFTER_MS => {
            tracing::error!("alert by {way}: {why}; given up: {}", alert.body);
            None
        }
        Err(why) => {
            let pause = pause(alert.tries);
            tracing::warn!(
                "alert by {way}: {why}; tried again in {} s",
                pause.as_secs()
            );
            Some(now_ms + i64::try_from(pause.as_millis()).unwrap_or(i64::MAX))
        }
    };
    let store = Arc::clone(store);
    blocking(move || match again_at {
        Some(at_ms) => store.postpone_alert(alert.id, at_ms),
        None => store.delete_alert(alert.id),
    })
    .await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, String> {
    match spawn_blocking(work).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// The pause after so many further tries.
fn pause(tries: u32) -> Duration {
    let times = 1_u32.checked_shl(tries).unwrap_or(u32::MAX);
    FIRST_PAUSE.saturating_mul(times).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_quarter_of_an_hour() {
        let pauses = [0, 1, 2, 9, 10, 31, 32, u32::MAX].map(|tries| pause(tries).as_secs());
        assert_eq!(pauses, [1, 2, 4, 512, 900, 900, 900, 900]);
    }

    #[test]
    fn space_is_known_where_the_store_is() {
        let folder = tempfile::tempdir().unwrap();
        assert!(free_bytes(folder.path()).is_some_and(|bytes| bytes > 0));
        assert_eq!(free_bytes(&folder.path().join("none")), None);
    }
}
