//! What the service manager is told: ready, reloading, stopping, a line of status, and that all is
//! well. Without a service manager nothing is told and nothing fails.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;

use super::board::Board;
use crate::store::Reader;

/// The conductor goes round at least once a minute; three silent ones mean that it hangs.
const CONDUCTOR_SILENT: Duration = Duration::from_secs(180);

/// A watchdog of less, such as none at all, cannot be fed.
const SHORTEST: Duration = Duration::from_millis(1);

/// The start, or a reload, is done.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// A reload begins; [`ready`] ends it.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => {
            tracing::warn!("reading the monotonic clock for the service manager: {error}")
        }
    }
}

/// The end begins.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// One line for `systemctl status`.
pub(super) fn status(line: &str) {
    let line = line.replace(char::is_control, " ");
    tell(&[NotifyState::Status(&line)]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!("telling the service manager: {error}");
    }
}

/// Tells the watchdog that all is well as long as that is so: this task gets its turn, the conductor
/// goes round, and the store can be read on a thread for blocking work. Ends only with its task.
pub(super) async fn feed_watchdog(board: Arc<Board>, store: PathBuf) {
    let Some(limit) = sd_notify::watchdog_enabled().filter(|limit| *limit >= SHORTEST) else {
        return;
    };
    let mut ticks = tokio::time::interval(limit / 2);
    loop {
        ticks.tick().await;
        let silent = board.since_beat();
        if silent > CONDUCTOR_SILENT {
            tracing::error!("no pass was looked after for {} s", silent.as_secs());
            continue;
        }
        let path = store.clone();
        let read = tokio::task::spawn_blocking(move || Reader::open(&path)?.last_version());
        match tokio::time::timeout(limit / 4, read).await {
            Ok(Ok(Ok(_))) => tell(&[NotifyState::Watchdog]),
            // A full or broken disk is not mended by a restart, and is told elsewhere.
            Ok(Ok(Err(error))) => {
                tracing::error!("reading the store: {error}");
                tell(&[NotifyState::Watchdog]);
            }
            Ok(Err(error)) => tracing::error!("reading the store: {error}"),
            Err(_) => tracing::error!("the store could not be read within {:?}", limit / 4),
        }
    }
}
