//! Preparing the steps of a pass outside of transactions: hashing, compression, description.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::cluster::{self, PackedDescription};
use super::payload::{Compressed, Compressor};
use super::{ClusterState, Step, Store, StoreError};
use crate::oai::Record;

/// The number of steps after which the state of clustering is read again.
const CHECK_CLUSTERING_EVERY: u32 = 50;

/// From this number of records on, a second thread describes them. To start one costs as much as to
/// describe a few.
const DESCRIBE_IN_PARALLEL: usize = 16;

/// The records of a larger step are packed one after the other.
const LARGE_BYTES: usize = 4 << 20;

/// Prepares the steps of one pass for the store: hashes, compresses and describes their records. This is
/// the longer half of storing and needs no transaction. Owned by one thread.
#[derive(Debug)]
pub struct PassPacker {
    store: Arc<Store>,
    metadata_prefix: Arc<str>,
    compressor: Compressor,
    /// The state of clustering when it was last read, and the number of steps since.
    clusters: (ClusterState, u32),
}

/// A step that is ready to be stored, from [`PassPacker`].
pub struct PackedStep {
    pub(super) step: Step,
    /// One payload for each record of the step.
    pub(super) payloads: Vec<Payload>,
    pub(super) metadata_prefix: Arc<str>,
}

impl PassPacker {
    /// A packer for metadata of this format.
    pub fn new(store: Arc<Store>, metadata_prefix: &str) -> Result<Self, StoreError> {
        let compressor = Compressor::new(&store, metadata_prefix)?;
        let clusters = (store.cluster_state()?, 0);
        Ok(Self {
            store,
            metadata_prefix: metadata_prefix.into(),
            compressor,
            clusters,
        })
    }

    /// Prepares one step. The first pages of a format also make the store's dictionary for it.
    /// Of records that are described, only the payloads have the texts from then on.
    pub fn pack(&mut self, mut step: Step) -> Result<PackedStep, StoreError> {
        let texts = step
            .records()
            .iter()
            .filter_map(|record| record.metadata.as_deref());
        self.compressor
            .learn(&self.store, &self.metadata_prefix, texts)?;
        // Each reading of the state waits for the writer. Records that are not described here are
        // described by the writer.
        self.clusters.1 += 1;
        if self.clusters.1 == CHECK_CLUSTERING_EVERY {
            self.clusters = (self.store.cluster_state()?, 0);
        }
        let describes = self.clusters.0 == ClusterState::Current;
        let payloads = if step.bytes() > LARGE_BYTES {
            self.pack_one_by_one(step.records_mut())
        } else if describes {
            let packed = self.describe_and_pack(step.records());
            step.records_mut().iter_mut().for_each(drop_texts);
            packed
        } else {
            let records = step.records().iter();
            records
                .map(|record| payload(record, &mut self.compressor))
                .collect()
        };
        let metadata_prefix = self.metadata_prefix.clone();
        Ok(PackedStep {
            step,
            payloads,
            metadata_prefix,
        })
    }

    /// Compresses and describes records, each of which gives its memory back before the next.
    fn pack_one_by_one(&mut self, records: &mut [Record]) -> Vec<Payload> {
        let mut packed = Vec::with_capacity(records.len());
        for record in records {
            let mut payload = payload(record, &mut self.compressor);
            payload.description = Some(cluster::describe_record(&self.metadata_prefix, record));
            drop_texts(record);
            packed.push(payload);
        }
        packed
    }

    /// Compresses records on this thread while another thread describes them; at the end both describe.
    fn describe_and_pack(&mut self, records: &[Record]) -> Vec<Payload> {
        let describing = Describing::new(&self.metadata_prefix, records);
        let (compressor, mut packed) = (&mut self.compressor, Vec::with_capacity(records.len()));
        let mut pack = || {
            packed.extend(records.iter().map(|record| payload(record, compressor)));
        };
        let described = if records.len() < DESCRIBE_IN_PARALLEL {
            pack();
            vec![describing.work()]
        } else {
            thread::scope(|scope| {
                let other = scope.spawn(|| describing.work());
                pack();
                let own = describing.work();
                let others = other
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                vec![own, others]
            })
        };
        for (at, description) in described.into_iter().flatten() {
            packed[at].description = Some(description);
        }
        packed
    }
}

/// Records that several threads describe.
struct Describing<'a> {
    metadata_prefix: &'a str,
    records: &'a [Record],
    next: AtomicUsize,
}

impl<'a> Describing<'a> {
    fn new(metadata_prefix: &'a str, records: &'a [Record]) -> Self {
        Self {
            metadata_prefix,
            records,
            next: AtomicUsize::new(0),
        }
    }

    /// Describes records until none is left. Returns the descriptions with their positions.
    fn work(&self) -> Vec<(usize, Option<PackedDescription>)> {
        let mut done = Vec::with_capacity(self.records.len());
        loop {
            let at = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(record) = self.records.get(at) else {
                return done;
            };
            done.push((at, cluster::describe_record(self.metadata_prefix, record)));
        }
    }
}

/// The content of a record, ready to be stored.
pub(super) struct Payload {
    pub(super) hash: [u8; 16],
    pub(super) metadata: Option<Compressed>,
    pub(super) extra: Option<Compressed>,
    /// The description for deduplication: `None` if not made yet, `Some(None)` for a deleted record.
    pub(super) description: Option<Option<PackedDescription>>,
}

/// Drops the texts of a record that its payload has.
fn drop_texts(record: &mut Record) {
    record.metadata = None;
    record.extra = None;
}

fn payload(record: &Record, compressor: &mut Compressor) -> Payload {
    Payload {
        hash: content_hash(record),
        metadata: record
            .metadata
            .as_ref()
            .map(|text| compressor.compress(text.as_bytes())),
        extra: record
            .extra
            .as_ref()
            .map(|text| compressor.compress(text.as_bytes())),
        description: None,
    }
}

/// The hash that tells two states of a record apart: of everything but identifier and datestamp.
fn content_hash(record: &Record) -> [u8; 16] {
    content_hash_of(
        record.header.deleted,
        &record.header.set_specs,
        record.metadata.as_deref(),
        record.extra.as_deref(),
    )
}

/// The content hash of a record with these parts.
pub(super) fn content_hash_of(
    deleted: bool,
    set_specs: &[String],
    metadata: Option<&str>,
    extra: Option<&str>,
) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    // The lengths separate neighbouring parts.
    let mut part = |tag: u8, text: &str| {
        hasher.update(text.as_bytes());
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(&[tag]);
    };
    // The longest part comes first: blake3 hashes several blocks at once from the start of the input.
    part(b'm', metadata.unwrap_or_default());
    part(b'x', extra.unwrap_or_default());
    // A repository can list the sets in another order each time.
    let mut set_specs: Vec<&String> = set_specs.iter().collect();
    set_specs.sort_unstable();
    for set_spec in set_specs {
        part(b's', set_spec);
    }
    if deleted {
        part(b'd', "");
    }
    let mut hash = [0; 16];
    hasher.finalize_xof().fill(&mut hash);
    hash
}
