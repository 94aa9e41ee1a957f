//! Signals: the first SIGTERM or SIGINT stops after the current page, the second one at once.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::stop::StopSwitch;

/// The exit status after a second signal: the one that a shell reports for a process ended by SIGTERM.
const ENDED_BY_SIGNAL: i32 = 143;

/// Makes SIGTERM and SIGINT set `switch`; a second signal ends the process at once.
///
/// Ending at once loses nothing: pages that are not committed are requested again.
///
/// # Errors
/// If the system refuses signal handlers.
pub(super) fn stop_on_signal(switch: StopSwitch) -> anyhow::Result<()> {
    stop_at_signal(switch, "stopping after this page")
}

/// Does the same as [`stop_on_signal`], with `words` as the message at the first signal.
///
/// # Errors
/// If the system refuses signal handlers.
pub(super) fn stop_at_signal(switch: StopSwitch, words: &'static str) -> anyhow::Result<()> {
    let listen = |kind| signal(kind).context("listening to signals");
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    tokio::spawn(async move {
        either(&mut terminate, &mut interrupt).await;
        tracing::info!("{words}; a second signal or Ctrl-C stops at once");
        switch.stop();
        either(&mut terminate, &mut interrupt).await;
        std::process::exit(ENDED_BY_SIGNAL);
    });
    Ok(())
}

async fn either(first: &mut Signal, second: &mut Signal) {
    tokio::select! {
        _ = first.recv() => {}
        _ = second.recv() => {}
    }
}

/// Sends a message for each SIGHUP. Several signals count as one until the message is read.
///
/// # Errors
/// If the system refuses signal handlers.
pub(super) fn tell_hangups(hangups: mpsc::Sender<()>) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup()).context("listening to signals")?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            // A full channel means that a message waits already.
            let _ = hangups.try_send(());
        }
    });
    Ok(())
}
