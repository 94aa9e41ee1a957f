//! Forgets a source: its records become tombstones, so that outputs delete them, and what was learnt goes.

use std::sync::Arc;

use super::watermark::proven;
use crate::clock::Clock;
use crate::store::{
    Cost, PassKind, PassPacker, PassWriter, Removed, Source, Step, Store, StoreError,
};

/// Records that become tombstones in one transaction.
const BATCH: u32 = 500;

/// What [`forget`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgotten {
    /// The store has no source of this name.
    Unknown,
    /// Nothing was done, because so many records would have to go.
    HasRecords(u64),
    /// All that was known of it is gone.
    Whole,
    /// Its records are gone. Tombstones stay until outputs have them.
    Tombstones {
        /// Records that became tombstones now.
        deleted: u64,
        /// All tombstones that stay.
        left: u64,
    },
}

/// Forgets the source called `name`. Its live records become tombstones if `records` is true; otherwise a
/// source with live records stays as it is.
///
/// # Errors
/// `SourceLocked` if a process harvests it, and other errors of the store. What was done until then stays done,
/// and another call goes on.
pub fn forget(
    store: &Arc<Store>,
    name: &str,
    records: bool,
    clock: &Clock,
) -> Result<Forgotten, StoreError> {
    let Some(_) = store.source(name)? else {
        store.remove_source(name)?;
        return Ok(Forgotten::Unknown);
    };
    let _lock = store.lock_source(name)?;
    let Some(source) = store.source(name)? else {
        return Ok(Forgotten::Unknown);
    };
    if source.live_records > 0 && !records {
        return Ok(Forgotten::HasRecords(source.live_records));
    }
    let deleted = delete_records(store, &source, clock)?;
    store.clear_source(source.id, clock.now_ms())?;
    if deleted > 0 {
        // Outputs and followers of the feed have to see them first.
        let left = deleted + source.deleted_records;
        return Ok(Forgotten::Tombstones { deleted, left });
    }
    Ok(match store.remove_source(name)? {
        Removed::Unknown | Removed::Whole => Forgotten::Whole,
        Removed::Kept { tombstones, .. } => Forgotten::Tombstones {
            deleted: 0,
            left: tombstones,
        },
    })
}

/// Turns the live records of a source into tombstones. Returns their number.
fn delete_records(store: &Arc<Store>, source: &Source, clock: &Clock) -> Result<u64, StoreError> {
    if source.live_records == 0 {
        return Ok(0);
    }
    let kind = PassKind::Identifiers;
    let pass = store.begin_pass(source.id, kind, false, true, &[], clock.now_ms())?;
    let mut packer = PassPacker::new(Arc::clone(store), source.id, &source.metadata_prefix)?;
    let mut writer = PassWriter::new(Arc::clone(store), source.id, pass, proven);
    let (mut deleted, mut after) = (0, 0);
    loop {
        let batch = store.unseen(source.id, pass, after, BATCH)?;
        let Some((last, _)) = batch.last() else {
            return Ok(deleted);
        };
        after = *last;
        let step = packer.pack(Step::Reconcile {
            found: Vec::new(),
            gone: batch
                .into_iter()
                .map(|(_, identifier)| identifier)
                .collect(),
            cost: Cost::default(),
        })?;
        let applied = writer.apply(&[step], clock.now_ms())?;
        deleted += applied.iter().map(|one| one.counts.deleted).sum::<u64>();
    }
}
