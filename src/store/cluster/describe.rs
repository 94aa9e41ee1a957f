//! Descriptions: the part of a record that deduplication compares, made outside of transactions and
//! on all cores.

use std::sync::{Arc, LazyLock};

use crate::dedup::description::Description;
use crate::dedup::keys::{Key, keys};
use crate::dedup::packed;
use crate::oai::Record;
use crate::record::crosswalk;

/// The longest metadata that are described, in bytes. Reading a title takes many times its size, and
/// longer metadata hold a whole text or an attack.
const MOST_BYTES: usize = 2 << 20;

/// A description as stored. Most descriptions are never compared, so they stay packed.
#[derive(Debug, Clone)]
pub(in crate::store) struct PackedDescription {
    pub(super) keys: Arc<[u64]>,
    pub(super) packed: Arc<[u8]>,
}

impl PackedDescription {
    /// Whether the rules can compare the record with others.
    pub(super) fn is_comparable(&self) -> bool {
        *self.packed != **EMPTY
    }
}

/// The description of a record; `None` if it is deleted.
pub(in crate::store) fn describe_record(
    metadata_prefix: &str,
    record: &Record,
) -> Option<PackedDescription> {
    let describe = || describe(metadata_prefix, record.metadata.as_deref());
    (!record.header.deleted).then(describe)
}

/// The description of a live record. It is empty if no crosswalk reads the metadata, or they are very long; then it has no
/// keys, and only a person can put the record into a cluster.
pub(super) fn describe(metadata_prefix: &str, metadata: Option<&str>) -> PackedDescription {
    let description = description(metadata_prefix, metadata).unwrap_or_default();
    PackedDescription {
        keys: keys_of(&description),
        packed: packed::pack(&description).into(),
    }
}

/// The packed form of an empty description.
pub(super) static EMPTY: LazyLock<Vec<u8>> =
    LazyLock::new(|| packed::pack(&Description::default()));

/// The description that a store makes of metadata as received; `None` if no crosswalk reads it.
pub fn describe_metadata(metadata_prefix: &str, metadata: &str) -> Option<Description> {
    description(metadata_prefix, Some(metadata))
}

/// The description of metadata; `None` if no crosswalk reads it.
pub(super) fn description(metadata_prefix: &str, metadata: Option<&str>) -> Option<Description> {
    let metadata = metadata.filter(|metadata| metadata.len() <= MOST_BYTES)?;
    let resource = crosswalk::outline(metadata_prefix, metadata).ok()?;
    Some(Description::from_resource(&resource))
}

/// The match keys of a record with this metadata, sorted; none if no crosswalk reads it.
pub(crate) fn match_keys(metadata_prefix: &str, metadata: Option<&str>) -> Vec<u64> {
    let description = description(metadata_prefix, metadata);
    description.map_or_else(Vec::new, |description| keys_of(&description).to_vec())
}

/// The keys of a description, sorted.
pub(super) fn keys_of(description: &Description) -> Arc<[u64]> {
    keys(description).into_iter().map(|Key(key)| key).collect()
}
