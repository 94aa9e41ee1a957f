//! What deduplication sees of a record, made outside of transactions and on all cores.

use std::sync::Arc;

use crate::dedup::description::Description;
use crate::dedup::keys::{Key, keys};
use crate::dedup::packed;
use crate::record::crosswalk;

/// What the store keeps of a description: most are compared with none, so that is all that is made.
#[derive(Debug, Clone)]
pub(in crate::store) struct Seen {
    pub(super) keys: Arc<[u64]>,
    pub(super) packed: Arc<[u8]>,
}

/// What the rules see of metadata, packed.
pub(in crate::store) fn describe(metadata_prefix: &str, metadata: Option<&str>) -> Option<Seen> {
    let description = description(metadata_prefix, metadata)?;
    Some(Seen {
        keys: keys_of(&description),
        packed: packed::pack(&description).into(),
    })
}

/// What the rules see of metadata; `None` if no crosswalk reads it: such a record stays alone.
pub(super) fn description(metadata_prefix: &str, metadata: Option<&str>) -> Option<Description> {
    let article = crosswalk::outline(metadata_prefix, metadata?).ok()?;
    Some(Description::from_article(&article))
}

/// The keys of a description, sorted.
pub(super) fn keys_of(description: &Description) -> Arc<[u64]> {
    keys(description).into_iter().map(|Key(key)| key).collect()
}
