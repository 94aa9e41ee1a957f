//! What a push would send.

use std::ops::ControlFlow;

use super::{PushOptions, batch};
use crate::output::OutputSettings;
use crate::store::{Reader, StoreError, Version};

/// The numbers of a push that was not made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct PushPreview {
    /// The position that it would start from.
    pub position: Version,
    /// Documents to be added or replaced.
    pub adds: u64,
    /// Deletions.
    pub deletes: u64,
    /// Records that cannot become documents; they are among the deletions.
    pub faults: u64,
}

/// Counts what a push would send. Neither asks the target nor writes to the store.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub fn preview(
    reader: &Reader,
    settings: &OutputSettings,
    options: &PushOptions,
) -> Result<PushPreview, StoreError> {
    let known = reader.output(&settings.name)?;
    let known = known.filter(|output| settings.is_position_of(output));
    let stored = known.map_or_else(Version::default, |output| output.position);
    let mut position = options.from.unwrap_or(stored);
    let mut preview = PushPreview {
        position,
        ..PushPreview::default()
    };
    if settings.kind.documents().is_none() {
        // A table gets every change as it is.
        reader.changes_with_tombstones(&settings.filter(position), |record| {
            match record.deletion {
                None => preview.adds += 1,
                Some(_) => preview.deletes += 1,
            }
            ControlFlow::Continue(())
        })?;
        return Ok(preview);
    }
    loop {
        let batch = batch::read(reader, settings, position)?;
        for change in &batch.changes {
            match change.is_add() {
                true => preview.adds += 1,
                false => preview.deletes += 1,
            }
            preview.faults += u64::from(change.fault.is_some());
        }
        if batch.last {
            return Ok(preview);
        }
        position = batch.upto;
    }
}
