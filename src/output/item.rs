//! The data of a record beside its metadata, as outputs write them.

/// The data of a record beside its metadata.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    /// The name of the source.
    pub source: &'a str,
    /// The OAI identifier.
    pub identifier: &'a str,
    /// The header's datestamp, as written.
    pub datestamp: &'a str,
    /// Whether it is a tombstone.
    pub deleted: bool,
    /// The store's version of the record.
    pub version: u64,
    /// The metadataPrefix that the metadata came under.
    pub metadata_prefix: &'a str,
    /// The setSpecs, in document order.
    pub set_specs: &'a [String],
}
