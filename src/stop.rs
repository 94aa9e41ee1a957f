//! The signal that asks runs to stop.

use tokio::sync::watch;

/// Tells runs to stop after the current page, batch or record.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

/// Requests the stop of every run that holds its [`Stop`].
#[derive(Debug)]
pub struct StopSwitch(watch::Sender<bool>);

/// A switch and the signal that it gives.
pub fn stop_switch() -> (StopSwitch, Stop) {
    let (sender, receiver) = watch::channel(false);
    (StopSwitch(sender), Stop(receiver))
}

impl StopSwitch {
    /// Asks every run to stop.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Whether a stop was requested.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until a stop is requested; for ever if the switch is gone.
    pub async fn requested(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
