//! Asks a target whether it accepts the documents of an output.

use super::OutputSettings;
use super::target::OutputError;
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
    once.connect(stop.clone())?.check().await
}
