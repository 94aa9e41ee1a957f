//! Steps of a pass made ready outside of transactions: hashed, compressed, described.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::cluster::{self, Seen};
use super::payload::{Packed, Press};
use super::{ClusterState, Step, Store, StoreError};
use crate::oai::Record;

/// After so many steps it is looked at whether records are clustered.
const LOOK_AT_CLUSTERS: u32 = 50;

/// Fewer records are described by the packing thread alone: another one costs as much as a few.
const DESCRIBE_APART: usize = 16;

/// Readies the steps of one pass for the store: hashes and compresses, which is the longer half of
/// the work and needs no transaction. Owned by one thread.
#[derive(Debug)]
pub struct PassPacker {
    store: Arc<Store>,
    metadata_prefix: Arc<str>,
    press: Press,
    /// How far the clusters were when they were last looked at, and how many steps ago.
    clusters: (ClusterState, u32),
}

/// A step that is ready to be stored.
pub struct PackedStep {
    pub(super) step: Step,
    /// One for each of its records.
    pub(super) payloads: Vec<Payload>,
    pub(super) metadata_prefix: Arc<str>,
}

impl PassPacker {
    /// A packer for metadata of this format.
    ///
    /// # Errors
    /// As any read.
    pub fn new(store: Arc<Store>, metadata_prefix: &str) -> Result<Self, StoreError> {
        let press = Press::new(&store, metadata_prefix)?;
        let clusters = (store.cluster_state()?, 0);
        Ok(Self {
            store,
            metadata_prefix: metadata_prefix.into(),
            press,
            clusters,
        })
    }

    /// Readies one step.
    ///
    /// # Errors
    /// As any write: the first pages of a format also make the store's dictionary for it.
    pub fn pack(&mut self, step: Step) -> Result<PackedStep, StoreError> {
        let texts = step
            .records()
            .iter()
            .filter_map(|record| record.metadata.as_deref());
        self.press
            .learn(&self.store, &self.metadata_prefix, texts)?;
        // To look each time would be to wait for the writing thread each time. What is not described
        // here is described there.
        self.clusters.1 += 1;
        if self.clusters.1 == LOOK_AT_CLUSTERS {
            self.clusters = (self.store.cluster_state()?, 0);
        }
        let payloads = match self.clusters.0 {
            ClusterState::Current => self.describe_and_pack(step.records()),
            ClusterState::Off | ClusterState::Due => {
                let records = step.records().iter();
                records
                    .map(|record| payload(record, &mut self.press, None))
                    .collect()
            }
        };
        let metadata_prefix = self.metadata_prefix.clone();
        Ok(PackedStep {
            step,
            payloads,
            metadata_prefix,
        })
    }

    /// Packs records here while another thread describes them, helped by this one in the end.
    fn describe_and_pack(&mut self, records: &[Record]) -> Vec<Payload> {
        let describing = Describing::new(&self.metadata_prefix, records);
        let (press, mut packed) = (&mut self.press, Vec::with_capacity(records.len()));
        let mut pack = || {
            packed.extend(records.iter().map(|record| payload(record, press, None)));
        };
        let described = if records.len() < DESCRIBE_APART {
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
        for (at, seen) in described.into_iter().flatten() {
            packed[at].seen = Some(seen);
        }
        packed
    }
}

/// Records to be described by whoever has time.
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

    /// Describes records until none is left, and gives what it did, by places.
    fn work(&self) -> Vec<(usize, Option<Seen>)> {
        let mut done = Vec::with_capacity(self.records.len());
        loop {
            let at = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(record) = self.records.get(at) else {
                return done;
            };
            let seen = cluster::seen_of(self.metadata_prefix, record);
            done.push((at, seen));
        }
    }
}

/// What is stored of a record beside its header.
pub(super) struct Payload {
    pub(super) hash: [u8; 16],
    pub(super) metadata: Option<Packed>,
    pub(super) extra: Option<Packed>,
    /// What deduplication sees of it; the outer `None` if that was not asked for.
    pub(super) seen: Option<Option<Seen>>,
}

fn payload(record: &Record, press: &mut Press, seen: Option<Option<Seen>>) -> Payload {
    Payload {
        hash: content_hash(record),
        metadata: record
            .metadata
            .as_ref()
            .map(|text| press.pack(text.as_bytes())),
        extra: record
            .extra
            .as_ref()
            .map(|text| press.pack(text.as_bytes())),
        seen,
    }
}

/// Tells two states of a record apart: all but identifier and datestamp.
fn content_hash(record: &Record) -> [u8; 16] {
    content_hash_of(
        record.header.deleted,
        &record.header.set_specs,
        record.metadata.as_deref(),
        record.extra.as_deref(),
    )
}

/// The hash of these parts of a record, also to check what was stored.
pub(super) fn content_hash_of(
    deleted: bool,
    set_specs: &[String],
    metadata: Option<&str>,
    extra: Option<&str>,
) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    // Lengths keep neighbouring parts from running into each other.
    let mut part = |tag: u8, text: &str| {
        hasher.update(text.as_bytes());
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(&[tag]);
    };
    // The longest part first: from its start on, the hash takes several blocks at once.
    part(b'm', metadata.unwrap_or_default());
    part(b'x', extra.unwrap_or_default());
    // A repository may name them in another order each time.
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
