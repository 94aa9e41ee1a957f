//! Preparing the steps of a pass outside of transactions: hashing, compression, description.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::cluster::{self, PackedDescription};
use super::payload::{Compressed, Compressor, SharedCompressor};
use super::{ClusterState, Counts, SourceId, Step, Store, StoreError};
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
    forecast: Arc<Forecast>,
    /// The state of clustering when it was last read, and the number of steps since.
    clusters: (ClusterState, u32),
}

/// A step that is ready to be stored, from [`PassPacker`].
pub struct PackedStep {
    pub(super) step: Step,
    /// One payload for each record of the step.
    pub(super) payloads: Vec<Payload>,
    pub(super) metadata_prefix: Arc<str>,
    /// Compresses what is not compressed yet.
    pub(super) compressor: Arc<SharedCompressor>,
    pub(super) forecast: Arc<Forecast>,
}

/// Whether the records of the next page are probably new. Those of a page without news are only hashed;
/// the writer, which compares the hashes, compresses what is new among them after all.
#[derive(Debug)]
pub(super) struct Forecast(AtomicBool);

impl Forecast {
    fn new(expects_news: bool) -> Self {
        Self(AtomicBool::new(expects_news))
    }

    fn expects_news(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Learns from a page that was stored: the next one is probably like it.
    pub(super) fn learn(&self, counts: &Counts) {
        let news = counts.new + counts.changed;
        if news + counts.unchanged > 0 {
            self.0.store(news > counts.unchanged, Ordering::Relaxed);
        }
    }
}

impl PassPacker {
    /// A packer for the records of a source, whose metadata have this format.
    pub fn new(
        store: Arc<Store>,
        source: SourceId,
        metadata_prefix: &str,
    ) -> Result<Self, StoreError> {
        let compressor = Compressor::new(&store, metadata_prefix)?;
        let forecast = Arc::new(Forecast::new(store.is_empty(source)?));
        let clusters = (store.cluster_state()?, 0);
        Ok(Self {
            store,
            metadata_prefix: metadata_prefix.into(),
            compressor,
            forecast,
            clusters,
        })
    }

    /// Prepares one step. The first pages of a format also make the store's dictionary for it.
    /// Of records that are described, only the payloads have the texts from then on.
    ///
    /// Where no news are expected, records are only hashed, and the writer prepares those that differ.
    pub fn pack(&mut self, mut step: Step) -> Result<PackedStep, StoreError> {
        let payloads = if self.forecast.expects_news() {
            self.pack_news(&mut step)?
        } else {
            step.records().iter().map(Payload::hashed).collect()
        };
        Ok(PackedStep {
            step,
            payloads,
            metadata_prefix: self.metadata_prefix.clone(),
            compressor: Arc::clone(self.compressor.shared()),
            forecast: Arc::clone(&self.forecast),
        })
    }

    /// Hashes, compresses and describes the records of a step.
    fn pack_news(&mut self, step: &mut Step) -> Result<Vec<Payload>, StoreError> {
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
        Ok(if step.bytes() > LARGE_BYTES {
            self.pack_one_by_one(step.records_mut())
        } else if describes {
            let packed = self.describe_and_pack(step.records());
            step.records_mut().iter_mut().for_each(drop_texts);
            packed
        } else {
            let compressor = self.compressor.shared();
            let records = step.records().iter();
            records
                .map(|record| Payload::compressed(record, compressor))
                .collect()
        })
    }

    /// Compresses and describes records, each of which gives its memory back before the next.
    fn pack_one_by_one(&mut self, records: &mut [Record]) -> Vec<Payload> {
        let mut packed = Vec::with_capacity(records.len());
        for record in records {
            let mut payload = Payload::compressed(record, self.compressor.shared());
            payload.description = Some(cluster::describe_record(&self.metadata_prefix, record));
            drop_texts(record);
            packed.push(payload);
        }
        packed
    }

    /// Compresses records on this thread while another thread describes them; at the end both describe.
    fn describe_and_pack(&mut self, records: &[Record]) -> Vec<Payload> {
        let describing = Describing::new(&self.metadata_prefix, records);
        let compressor = self.compressor.shared();
        let mut packed = Vec::with_capacity(records.len());
        let mut pack = || {
            let records = records.iter();
            packed.extend(records.map(|record| Payload::compressed(record, compressor)));
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

/// The content of a record, ready to be compared and stored.
pub(super) struct Payload {
    pub(super) hash: [u8; 16],
    /// The compressed texts; `None` if only the record has them.
    packed: Option<Packed>,
    /// The description for deduplication: `None` if not made yet, `Some(None)` for a deleted record.
    pub(super) description: Option<Option<PackedDescription>>,
}

/// The compressed texts of a record.
#[derive(Debug, Clone, Default)]
pub(super) struct Packed {
    pub(super) metadata: Option<Compressed>,
    pub(super) extra: Option<Compressed>,
}

impl Packed {
    fn new(record: &Record, compressor: &SharedCompressor) -> Self {
        let compress = |text: &String| compressor.compress(text.as_bytes());
        Self {
            metadata: record.metadata.as_ref().map(compress),
            extra: record.extra.as_ref().map(compress),
        }
    }

    /// The dictionary of both texts; `None` without texts.
    pub(super) fn dictionary_id(&self) -> Option<i64> {
        let compressed = self.metadata.as_ref().or(self.extra.as_ref());
        compressed.map(|compressed| compressed.dictionary_id)
    }
}

impl Payload {
    /// The content of a record, compressed.
    fn compressed(record: &Record, compressor: &SharedCompressor) -> Self {
        Self {
            packed: Some(Packed::new(record, compressor)),
            ..Self::hashed(record)
        }
    }

    /// The content of a record, which keeps the texts.
    fn hashed(record: &Record) -> Self {
        Self::of_hash(content_hash(record))
    }

    /// Content of this hash; the record has the texts.
    pub(super) fn of_hash(hash: [u8; 16]) -> Self {
        Self {
            hash,
            packed: None,
            description: None,
        }
    }

    /// Content of this hash that is compressed already.
    pub(super) fn of_packed(hash: [u8; 16], packed: Packed) -> Self {
        Self {
            packed: Some(packed),
            ..Self::of_hash(hash)
        }
    }

    /// Whether the record, which this is the content of, has metadata.
    pub(super) fn has_metadata(&self, record: &Record) -> bool {
        let packed = self.packed.as_ref();
        packed.map_or(record.metadata.is_some(), |packed| {
            packed.metadata.is_some()
        })
    }

    /// The compressed texts, if they are compressed.
    pub(super) fn as_packed(&self) -> Option<&Packed> {
        self.packed.as_ref()
    }

    /// The compressed texts of a record, which this is the content of. They are compressed now if they are
    /// not yet.
    pub(super) fn packed(&self, record: &Record, compressor: &SharedCompressor) -> Cow<'_, Packed> {
        match &self.packed {
            Some(packed) => Cow::Borrowed(packed),
            None => Cow::Owned(Packed::new(record, compressor)),
        }
    }
}

/// Drops the texts of a record that its payload has.
fn drop_texts(record: &mut Record) {
    record.metadata = None;
    record.extra = None;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oai::Header;
    use crate::store::{
        NewWindow, PageStep, PassKind, PassWriter, SourceDefinition, Span, WindowId,
    };

    /// A store, the passes over its only source, and how many texts each has compressed.
    struct Passes {
        _folder: tempfile::TempDir,
        store: Arc<Store>,
        source: SourceId,
    }

    impl Passes {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let store = Arc::new(Store::open(&folder.path().join("store.db")).unwrap());
            let definition = SourceDefinition {
                name: "a".to_owned(),
                base_url: "https://a.example/oai".to_owned(),
                metadata_prefix: "oai_dc".to_owned(),
                sets: Vec::new(),
                floor: None,
            };
            let source = store.register_source(&definition).unwrap().0.id;
            Self {
                _folder: folder,
                store,
                source,
            }
        }

        /// Stores pages of one pass. Returns the counts and the number of texts that were compressed.
        fn store(&self, pages: &[&[Record]]) -> (Counts, u64) {
            let whole = NewWindow {
                set_spec: None,
                span: Span {
                    from: None,
                    until: None,
                },
            };
            let pass = self
                .store
                .begin_pass(self.source, PassKind::Full, false, true, &[whole], 1)
                .unwrap();
            let window: WindowId = self.store.pending_windows(pass).unwrap()[0].id;
            let mut packer =
                PassPacker::new(Arc::clone(&self.store), self.source, "oai_dc").unwrap();
            let proven = |_: &crate::store::ListState| panic!("the list does not end");
            let mut writer = PassWriter::new(Arc::clone(&self.store), self.source, pass, proven);
            let mut counts = Counts::default();
            for records in pages {
                let page = PageStep {
                    window,
                    is_list: true,
                    records: records.to_vec(),
                    ..PageStep::default()
                };
                let packed = packer.pack(Step::Page(page)).unwrap();
                counts.add(&writer.apply(&[packed], 1).unwrap()[0].counts);
            }
            (counts, packer.compressor.shared().texts())
        }

        fn text(&self, number: usize) -> Option<String> {
            let reader = self.store.reader().unwrap();
            let found = reader.find(&format!("oai:{number}")).unwrap();
            found.into_iter().find_map(|record| record.metadata)
        }
    }

    fn records(numbers: std::ops::Range<usize>, text: &str) -> Vec<Record> {
        let record = |number| Record {
            metadata: Some(format!("<dc><title>{text} {number}</title></dc>")),
            ..Record::tombstone(Header {
                identifier: format!("oai:{number}"),
                datestamp: "2026-01-01T00:00:00Z".to_owned(),
                set_specs: Vec::new(),
                deleted: false,
            })
        };
        numbers.map(record).collect()
    }

    #[test]
    fn only_news_are_compressed() {
        let passes = Passes::new();
        let (first, second) = (records(0..20, "One"), records(20..40, "One"));
        let (counts, compressed) = passes.store(&[&first, &second]);
        assert_eq!((counts.new, compressed), (40, 40));

        let (counts, compressed) = passes.store(&[&first, &second]);
        assert_eq!((counts.unchanged, compressed), (40, 0));

        // The writer compresses what differs on a page that was expected to be as it was.
        let mut mixed = records(0..20, "One");
        mixed.splice(3..5, records(3..5, "Two"));
        let (counts, compressed) = passes.store(&[&mixed, &second]);
        assert_eq!((counts.changed, compressed), (2, 2));
        let text = passes.text(3).unwrap();
        assert_eq!(text, "<dc><title>Two 3</title></dc>");

        // A page of news is followed by pages that are compressed before they are written.
        let news = records(0..20, "Three");
        let (counts, compressed) = passes.store(&[&news, &second, &second]);
        assert_eq!((counts.changed, counts.unchanged), (20, 40));
        assert_eq!(compressed, 20 + 20);
        let text = passes.text(19).unwrap();
        assert_eq!(text, "<dc><title>Three 19</title></dc>");
    }
}
