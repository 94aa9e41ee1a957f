//! Alerts: reports that a condition has begun or is over, once for each change, by running a program, posting
//! to a URL, or both.
//!
//! - `conditions`: which conditions hold, and which of them are new
//! - `channel`: how an alert is sent
//!
//! The store has the reported conditions and the alerts that are not sent yet, so a restart repeats nothing and
//! loses nothing. A channel that fails does not delay the other one, nor an alert the others.

mod channel;
mod conditions;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::Instant;

use self::channel::{Channel, Undelivered};
use self::conditions::{Changes, body, changes, observe};
use super::status::StatusRegistry;
use crate::http::excerpt;
use crate::store::{PendingAlert, Store, StoreError, pause_left};

/// The time between two looks. Free space and delays change without a signal.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// After a look nothing is looked at for so many times its duration.
const PAUSE_AFTER_LOOK: u32 = 20;

/// The pause before the first retry. It doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause before a retry.
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);

/// How often the same error about an alert itself is met before the alert is given up.
const REFUSALS: u32 = 3;

/// How much of an alert that is given up is logged, in characters.
const GIVEN_UP_CHARS: usize = 2_000;

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
        let begun = Instant::now();
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
        // Of thousands of jobs one ends at every moment.
        tokio::time::sleep(begun.elapsed() * PAUSE_AFTER_LOOK).await;
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

/// Sends all alerts of one channel: those about one condition of one subject in their order. An alert that
/// waits for its next attempt delays no other.
async fn send_all(
    channel: Channel,
    store: Arc<Store>,
    registry: Arc<StatusRegistry>,
    new: Arc<Notify>,
) {
    let mut refusals = Refusals::default();
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
            tokio::select! {
                // A wall clock can be set, so no sleep trusts it for longer.
                () = tokio::time::sleep(left.min(LOOK_EVERY)) => {}
                () = new.notified() => {}
            }
            continue;
        }
        let sent = channel.send(&registry.config(), &alert.body).await;
        let again_at = decide(channel, &alert, sent, &mut refusals, registry.now_ms());
        if let Err(why) = note_result(&store, alert.id, again_at).await {
            tracing::warn!("storing that an alert was sent: {why}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// The errors about alerts themselves, and how often each was met in a row, by the row of the alert.
type Refusals = HashMap<i64, (String, u32)>;

/// When an alert is sent again; `None` if it was sent, or is given up.
fn decide(
    channel: Channel,
    alert: &PendingAlert,
    sent: Result<(), Undelivered>,
    refusals: &mut Refusals,
    now_ms: i64,
) -> Option<i64> {
    let channel = channel.word();
    let before = refusals.remove(&alert.id);
    let Undelivered { why, is_of_alert } = sent.err()?;
    let times = match before {
        Some((same, times)) if is_of_alert && same == why => times + 1,
        _ => 1,
    };
    let given_up = if is_of_alert && times >= REFUSALS {
        Some(format!("given up after {times} attempts"))
    } else if now_ms - alert.at > GIVEN_UP_AFTER_MS {
        Some("given up after a day".to_owned())
    } else {
        None
    };
    if let Some(given_up) = given_up {
        let alert = excerpt(&alert.body, GIVEN_UP_CHARS);
        tracing::error!("alert by {channel}: {why}; {given_up}: {alert}");
        return None;
    }
    let pause = pause(alert.tries);
    tracing::warn!(
        "alert by {channel}: {why}; next attempt in {} s",
        pause.as_secs()
    );
    if is_of_alert {
        refusals.insert(alert.id, (why, times));
    }
    Some(now_ms.saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX)))
}

/// Stores when an alert is sent again, or that it is done with.
async fn note_result(store: &Arc<Store>, alert: i64, again_at: Option<i64>) -> Result<(), String> {
    let store = Arc::clone(store);
    blocking(move || match again_at {
        Some(at_ms) => store.postpone_alert(alert, at_ms),
        None => store.delete_alert(alert),
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
    fn an_alert_that_no_attempt_delivers_is_given_up() {
        let alert = PendingAlert {
            id: 7,
            body: "{}".to_owned(),
            at: 0,
            tries: 0,
            next_at: 0,
        };
        let failed = |why: &str, is_of_alert| {
            Err(Undelivered {
                why: why.to_owned(),
                is_of_alert,
            })
        };
        let day = GIVEN_UP_AFTER_MS;
        // What comes of each attempt, at which age, and whether the alert is kept.
        let cases = [
            ("sent", vec![(Ok(()), 0, false)]),
            (
                "refused three times",
                vec![
                    (failed("too long", true), 0, true),
                    (failed("too long", true), 1, true),
                    (failed("too long", true), 2, false),
                ],
            ),
            (
                "for different reasons",
                vec![
                    (failed("too long", true), 0, true),
                    (failed("too long", true), 1, true),
                    (failed("too loud", true), 2, true),
                    (failed("away", false), 3, true),
                    (failed("too loud", true), 4, true),
                    (failed("too loud", true), 5, true),
                    (failed("too loud", true), 6, false),
                ],
            ),
            (
                "the channel fails for a day",
                vec![
                    (failed("away", false), 0, true),
                    (failed("away", false), 1, true),
                    (failed("away", false), 2, true),
                    (failed("away", false), day, true),
                    (failed("away", false), day + 1, false),
                ],
            ),
        ];
        for (case, attempts) in cases {
            let mut refusals = Refusals::default();
            for (number, (sent, now_ms, is_kept)) in attempts.into_iter().enumerate() {
                let again = decide(Channel::Command, &alert, sent, &mut refusals, now_ms);
                assert_eq!(again, is_kept.then_some(now_ms + 1000), "{case}, {number}");
            }
            assert!(refusals.is_empty(), "{case}");
        }
    }

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
