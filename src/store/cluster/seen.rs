//! What deduplication sees of a record, made outside of transactions and on all cores.

use std::sync::{Arc, LazyLock};

use crate::dedup::description::Description;
use crate::dedup::keys::{Key, keys};
use crate::dedup::packed;
use crate::oai::Record;
use crate::record::crosswalk;

/// What the store keeps of a description: most are compared with none, so that is all that is made.
#[derive(Debug, Clone)]
pub(in crate::store) struct Seen {
    pub(super) keys: Arc<[u64]>,
    pub(super) packed: Arc<[u8]>,
}

impl Seen {
    /// Whether the rules see anything of the record.
    pub(super) fn is_comparable(&self) -> bool {
        *self.packed != **NOTHING
    }
}

/// What the rules see of a record, packed; `None` if it is deleted.
pub(in crate::store) fn seen_of(metadata_prefix: &str, record: &Record) -> Option<Seen> {
    let describe = || describe(metadata_prefix, record.metadata.as_deref());
    (!record.header.deleted).then(describe)
}

/// What the rules see of a live record, packed. Of one that no crosswalk reads they see nothing: it has
/// no keys, and only people can say what it is one work with.
pub(super) fn describe(metadata_prefix: &str, metadata: Option<&str>) -> Seen {
    let description = description(metadata_prefix, metadata).unwrap_or_default();
    Seen {
        keys: keys_of(&description),
        packed: packed::pack(&description).into(),
    }
}

/// How it is stored that the rules see nothing of a record.
pub(super) static NOTHING: LazyLock<Vec<u8>> =
    LazyLock::new(|| packed::pack(&Description::default()));

/// What the rules see of metadata; `None` if no crosswalk reads it.
pub(super) fn description(metadata_prefix: &str, metadata: Option<&str>) -> Option<Description> {
    let article = crosswalk::outline(metadata_prefix, metadata?).ok()?;
    Some(Description::from_article(&article))
}

/// The keys of a description, sorted.
pub(super) fn keys_of(description: &Description) -> Arc<[u64]> {
    keys(description).into_iter().map(|Key(key)| key).collect()
}
