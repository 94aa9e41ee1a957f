//! Asks a target whether it accepts the documents of an output.

use tokio::task::spawn_blocking;

use super::OutputSettings;
use super::target::{Connection, OutputError};
use crate::stop::Stop;

/// The problems of an output's target, one line each. Does not repeat failed requests.
///
/// # Errors
/// [`OutputError`] if the target cannot be asked.
pub async fn check(settings: &OutputSettings, stop: &Stop) -> Result<Vec<String>, OutputError> {
    let once = OutputSettings {
        retries: 0,
        ..settings.clone()
    };
    match once.connect(stop.clone())? {
        Connection::Index(index) => index.check().await,
        Connection::Table(connect) => {
            let checked = spawn_blocking(move || connect()?.check()).await;
            checked.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
        }
    }
}
