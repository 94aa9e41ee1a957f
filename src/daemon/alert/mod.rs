//! Alerts: reports that a condition has begun or is over, once for each change, by running a program, posting
//! to a URL, or both.
//!
//! - `conditions`: which conditions hold, and which of them are new
//! - `channel`: how an alert is sent
//!
//! The store has the reported conditions and the alerts that are not sent yet, so a restart repeats nothing and
//! loses nothing. A channel that fails does not delay the other one.

mod channel;
mod conditions;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{JoinSet, spawn_blocking};

use self::channel::Channel;
use self::conditions::{Changes, body, changes, observe};
use super::status::StatusRegistry;
use crate::store::{PendingAlert, Store, StoreError, pause_left};

/// The time between two looks. Free space and delays change without a signal.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// The pause before the first retry. It doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause before a retry.
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);

/// The age at which an alert is given up.
const GIVEN_UP_AFTER_MS: i64 = 24 * 3600 * 1000;

/// Looks at the conditions whenever a job ends, and sends alerts. Ends only with its task.
pub(super) async fn run(store: Arc<Store>, registry: Arc<StatusRegistry>) {
    let mut ended = registry.ended();
    let mut senders = JoinSet::new();
    let news: Vec<Arc<Notify>> = Channel::ALL
        .into_iter()
        .map(|channel| {
            let new = Arc::new(Notify::new());
            senders.spawn(send_all(
                channel,
                Arc::clone(&store),
                Arc::clone(&registry),
                Arc::clone(&new),
            ));
            new
        })
        .collect();
    loop {
        let looked = {
            let (store, registry) = (Arc::clone(&store), Arc::clone(&registry));
            spawn_blocking(move || look(&store, &registry)).await
        };
        match looked {
            Ok(Ok(true)) => news.iter().for_each(|new| new.notify_one()),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => tracing::warn!("looking at the conditions of alerts: {error}"),
            Err(error) => tracing::error!("looking at the conditions of alerts: {error}"),
        }
        tokio::select! {
            Ok(()) = ended.changed() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Compares the conditions with the reported ones, and stores alerts for those that have changed. Gives
/// whether there are any.
fn look(store: &Store, registry: &StatusRegistry) -> Result<bool, StoreError> {
    let (config, now_ms, reader) = (registry.config(), registry.now_ms(), store.reader()?);
    let observed = observe(&reader, &config, free_bytes(store.path()), now_ms)?;
    let reported = reader.conditions()?;
    let Changes {
        begun,
        over,
        dropped,
    } = changes(&reported, &observed, now_ms);
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
    let channels = Channel::ALL.into_iter();
    let channels = channels.filter(|channel| channel.is_configured(&config));
    let channels: Vec<&str> = channels.map(Channel::word).collect();
    let ended = [over, dropped].concat();
    store.change_conditions(&begun, &ended, &alerts, &channels, now_ms)?;
    Ok(!alerts.is_empty())
}

/// The space that is left where the store is; `None` if the system does not say.
fn free_bytes(store: &Path) -> Option<u64> {
    let system = rustix::fs::statvfs(store).ok()?;
    Some(system.f_bavail.saturating_mul(system.f_frsize))
}

/// Sends all alerts of one channel in their order.
async fn send_all(
    channel: Channel,
    store: Arc<Store>,
    registry: Arc<StatusRegistry>,
    new: Arc<Notify>,
) {
    loop {
        let next = {
            let store = Arc::clone(&store);
            blocking(move || store.next_alert(channel.word())).await
        };
        let alert = match next {
            Ok(Some(alert)) => alert,
            Ok(None) => {
                new.notified().await;
                continue;
            }
            Err(why) => {
                tracing::warn!("reading the next alert: {why}");
                tokio::time::sleep(LOOK_EVERY).await;
                continue;
            }
        };
        // The pause is bounded: an alert that waited for ever would delay all later ones.
        if let Some(left) = pause_left(alert.next_at, LONGEST_PAUSE, registry.now_ms()) {
            // A wall clock can be set, so no sleep trusts it for longer.
            tokio::time::sleep(left.min(LOOK_EVERY)).await;
            continue;
        }
        let sent = channel.send(&registry.config(), &alert.body).await;
        if let Err(why) = note_result(channel, &store, alert, sent, registry.now_ms()).await {
            tracing::warn!("storing that an alert was sent: {why}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// Stores whether an alert was sent, or when it is sent again.
async fn note_result(
    channel: Channel,
    store: &Arc<Store>,
    alert: PendingAlert,
    sent: Result<(), String>,
    now_ms: i64,
) -> Result<(), String> {
    let channel = channel.word();
    let again_at = match sent {
        Ok(()) => None,
        Err(why) if now_ms - alert.at > GIVEN_UP_AFTER_MS => {
            tracing::error!(
                "alert by {channel}: {why}; given up after a day: {}",
                alert.body
            );
            None
        }
        Err(why) => {
            let pause = pause(alert.tries);
            tracing::warn!(
                "alert by {channel}: {why}; next attempt in {} s",
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

/// The pause after this number of retries.
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
