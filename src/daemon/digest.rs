//! The summary of the last day, in one line for the log.

use std::fmt::Write as _;

use crate::config::Config;
use crate::http::visible;
use crate::store::{JobKey, JobKind, PassState, Reader, StoreError};

/// The records of the time between `since_ms` and `now_ms`, and the state of each source and output, in one
/// line.
pub(super) fn digest(
    reader: &Reader,
    config: &Config,
    since_ms: i64,
    now_ms: i64,
) -> Result<String, StoreError> {
    let hours = (now_ms - since_ms).max(0) / 3_600_000;
    let mut text = format!("summary of the last {hours} hours:");
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
            let _ = write!(text, ", watermark {}", least.datestamp);
        }
        let last = reader.passes(source.id, 1)?.into_iter().next();
        if let Some(pass) = last.filter(|pass| pass.state == PassState::Open) {
            let why = pass.note.as_deref().unwrap_or("running");
            let _ = write!(text, ", last pass not complete ({why})");
        }
        for warning in reader.warnings(source.id)? {
            let _ = write!(text, ", {}", warning.kind.word());
        }
        let quarantined = reader.count_quarantine(source.id)?;
        if quarantined > 0 {
            let _ = write!(text, ", {quarantined} quarantined");
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
            "{separator}output {}: {behind} behind, {rejected} rejected",
            output.name
        );
        let job = reader.job(&JobKey::new(JobKind::Push, &output.name))?;
        if let Some(why) = job.and_then(|job| job.message) {
            let _ = write!(text, ", the last push failed ({why})");
        }
        separator = "; ";
    }
    if separator == " " {
        text.push_str(" nothing was harvested yet");
    }
    // Text of a repository must not look like a line of our log.
    Ok(visible(&text).into_owned())
}
