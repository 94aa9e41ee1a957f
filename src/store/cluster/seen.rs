//! What deduplication sees of a record, made outside of transactions and on all cores.

use std::sync::Arc;

use crate::dedup::description::Description;
use crate::dedup::keys::{Key, keys};
use crate::dedup::packed;
use crate::record::crosswalk;

/// A description, with what is made of it for the store.
#[derive(Debug, Clone)]
pub(in crate::store) struct Seen {
    pub(super) description: Arc<Description>,
    pub(super) keys: Arc<[u64]>,
    pub(super) packed: Arc<[u8]>,
}

/// What the rules see of metadata; `None` if no crosswalk reads it: such a record stays alone.
pub(in crate::store) fn describe(metadata_prefix: &str, metadata: Option<&str>) -> Option<Seen> {
    let article = crosswalk::outline(metadata_prefix, metadata?).ok()?;
    let description = Description::from_article(&article);
    Some(Seen {
        keys: keys_of(&description),
        packed: packed::pack(&description).into(),
        description: Arc::new(description),
    })
}

/// The keys of a description, sorted.
pub(super) fn keys_of(description: &Description) -> Arc<[u64]> {
    keys(description).into_iter().map(|Key(key)| key).collect()
}
