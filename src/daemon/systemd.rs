//! Messages to the service manager: ready, reloading, stopping, a line of status, and the watchdog's sign of
//! life. Without a service manager they do nothing.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;

use super::status::StatusRegistry;
use crate::http::visible;
use crate::store::Reader;

/// The scheduler ticks at least once a minute. Without a tick for three minutes, it hangs.
const LONGEST_SILENCE: Duration = Duration::from_secs(180);

/// The shortest interval of a watchdog. Zero means that there is none.
const SHORTEST: Duration = Duration::from_millis(1);

/// Says that the start or a reload is done.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Says that a reload begins; [`ready`] ends it.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => {
            tracing::warn!("reading the monotonic clock for the service manager: {error}")
        }
    }
}

/// Says that the daemon stops.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Sets the line that `systemctl status` shows.
pub(super) fn status(line: &str) {
    let line = visible(line);
    tell(&[NotifyState::Status(&line)]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!("sending a message to the service manager: {error}");
    }
}

/// Feeds the watchdog while this task gets its turn, the scheduler ticks, and the store can be read on a
/// thread for blocking work. Ends only with its task.
pub(super) async fn feed_watchdog(registry: Arc<StatusRegistry>, store: PathBuf) {
    let Some(limit) = sd_notify::watchdog_enabled().filter(|limit| *limit >= SHORTEST) else {
        return;
    };
    let mut ticks = tokio::time::interval(limit / 2);
    loop {
        ticks.tick().await;
        let silent = registry.since_tick();
        if silent > LONGEST_SILENCE {
            tracing::error!("the scheduler has not ticked for {} s", silent.as_secs());
            continue;
        }
        let path = store.clone();
        let read = tokio::task::spawn_blocking(move || Reader::open(&path)?.last_version());
        match tokio::time::timeout(limit / 4, read).await {
            Ok(Ok(Ok(_))) => tell(&[NotifyState::Watchdog]),
            // A restart does not repair a full or broken disk, and alerts report it.
            Ok(Ok(Err(error))) => {
                tracing::error!("reading the store: {error}");
                tell(&[NotifyState::Watchdog]);
            }
            Ok(Err(error)) => tracing::error!("reading the store: {error}"),
            Err(_) => tracing::error!("reading the store took longer than {:?}", limit / 4),
        }
    }
}
