//! A line for the log that says how the last day was.

use std::fmt::Write as _;

use crate::config::Config;
use crate::store::{PassState, Reader, StoreError};

/// What happened between `since_ms` and `now_ms`, and how everything stands: one line.
///
/// # Errors
/// As any read.
pub(super) fn digest(
    reader: &Reader,
    config: &Config,
    since_ms: i64,
    now_ms: i64,
) -> Result<String, StoreError> {
    let hours = (now_ms - since_ms).max(0) / 3_600_000;
    let mut text = format!("digest of the last {hours} hours:");
    let mut separator = " ";
    // Writing to a string cannot fail, here and below.
    for source in reader.sources()? {
        let [passes, new, changed, deleted] = reader.passes_since(source.id, since_ms)?;
        let _ = write!(
            text,
            "{separator}{}: {passes} passes, {new} new, {changed} changed, {deleted} deleted, {} live",
            source.name, source.live_records
        );
        if let Some(least) = source.least_watermark() {
            let _ = write!(text, ", proven to {}", least.datestamp);
        }
        let last = reader.passes(source.id, 1)?.into_iter().next();
        if let Some(pass) = last.filter(|pass| pass.state == PassState::Open) {
            let why = pass.note.as_deref().unwrap_or("at work");
            let _ = write!(text, ", last pass not complete ({why})");
        }
        for warning in reader.warnings(source.id)? {
            let _ = write!(text, ", {}", warning.kind.word());
        }
        let quarantined = reader.count_quarantine(source.id)?;
        if quarantined > 0 {
            let _ = write!(text, ", {quarantined} in quarantine");
        }
        separator = "; ";
    }
    for output in reader.outputs()? {
        let Ok(settings) = config.output(&output.name) else {
            continue;
        };
        let behind = reader.count_changes(&settings.filter(output.position))?;
        let rejected = reader.count_rejected(output.id)?;
        let _ = write!(
            text,
            "{separator}output {}: {behind} behind, {rejected} set aside",
            output.name
        );
        if let Some(why) = &output.last_error {
            let _ = write!(text, ", last push not complete ({why})");
        }
        separator = "; ";
    }
    if separator == " " {
        text.push_str(" nothing was harvested yet");
    }
    // What a repository says must not look like lines of ours.
    Ok(text.replace(char::is_control, " "))
}
