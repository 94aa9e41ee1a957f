//! What signals do: the first one stops after the page at hand, the second one at once.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::stop::StopSwitch;

/// The exit status after a second signal: as the shell reports a process that SIGTERM has ended.
const ENDED_BY_SIGNAL: i32 = 143;

/// From now on, SIGTERM and SIGINT stop what `switch` stops.
///
/// A second one ends the process at once. Nothing is lost by that: what was not committed is asked
/// for again.
///
/// # Errors
/// If the system does not let us listen to signals.
pub(super) fn stop_on_signal(switch: StopSwitch) -> anyhow::Result<()> {
    stop_at_signal(switch, "stopping after the page at hand")
}

/// The same, with what to say at the first signal.
///
/// # Errors
/// If the system does not let us listen to signals.
pub(super) fn stop_at_signal(switch: StopSwitch, words: &'static str) -> anyhow::Result<()> {
    let listen = |kind| signal(kind).context("listening to signals");
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    tokio::spawn(async move {
        either(&mut terminate, &mut interrupt).await;
        tracing::warn!("{words}; once more to stop at once");
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

/// From now on, each SIGHUP is told; those that come while one waits to be heard count as one.
///
/// # Errors
/// If the system does not let us listen to signals.
pub(super) fn tell_hangups(hangups: mpsc::Sender<()>) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup()).context("listening to signals")?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            // Full means that one waits already.
            let _ = hangups.try_send(());
        }
    });
    Ok(())
}
