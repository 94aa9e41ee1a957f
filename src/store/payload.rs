//! Compression of metadata with a zstd dictionary for each format.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, params};
use zstd::bulk;

use super::open::Cached;
use super::{Store, StoreError};

/// When to train a dictionary, and how large it may be. The first one is trained on a page of 100 DOAJ
/// articles, the second on three. More samples and a larger dictionary save little more, and cost time.
const STAGES: [Stage; 2] = [
    Stage {
        sample_bytes: 256 << 10,
        dictionary_bytes: 32 << 10,
    },
    Stage {
        sample_bytes: 1 << 20,
        dictionary_bytes: 32 << 10,
    },
];

/// With fewer records, training would learn their texts instead of their form.
const SAMPLE_RECORDS: usize = 64;

/// The part of a text that serves as a sample: its form is in its beginning.
const SAMPLE_BYTES: usize = 64 << 10;

struct Stage {
    sample_bytes: usize,
    dictionary_bytes: usize,
}

/// The level of zstd. The next ones take twice the time and save a sixth.
const LEVEL: i32 = 1;

/// The logarithm of the number of places where zstd looks for earlier text. The default for this level and
/// such short texts is 13, with which much of the dictionary is not found again: texts take 3 % more bytes.
const HASH_LOG: u32 = 15;

/// A compressed text, and the dictionary that it needs (0 for none).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Compressed {
    pub(super) dictionary_id: i64,
    pub(super) bytes: Vec<u8>,
}

/// Compresses the metadata of one format, and trains the dictionaries for it. Owned by the thread that packs.
#[derive(Debug)]
pub(super) struct Compressor {
    shared: Arc<SharedCompressor>,
    /// The number of [`STAGES`] that are done.
    stage: usize,
    samples: Vec<u8>,
    sample_sizes: Vec<usize>,
}

/// Compresses texts on any thread, with the newest dictionary.
pub(super) struct SharedCompressor(Mutex<Inner>);

struct Inner {
    compressor: bulk::Compressor<'static>,
    dictionary_id: i64,
    /// The number of texts that were compressed.
    texts: u64,
}

impl std::fmt::Debug for SharedCompressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let inner = self.lock();
        f.debug_struct("SharedCompressor")
            .field("dictionary_id", &inner.dictionary_id)
            .field("texts", &inner.texts)
            .finish_non_exhaustive()
    }
}

impl SharedCompressor {
    /// Compresses one text.
    pub(super) fn compress(&self, text: &[u8]) -> Compressed {
        let mut inner = self.lock();
        inner.texts += 1;
        let bytes = inner
            .compressor
            .compress(text)
            .expect("zstd compresses any bytes into a buffer of its own bound");
        Compressed {
            dictionary_id: inner.dictionary_id,
            bytes,
        }
    }

    /// The number of texts that were compressed.
    #[cfg(test)]
    pub(super) fn texts(&self) -> u64 {
        self.lock().texts
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Each text is compressed from the beginning, whatever was left of the one before.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Compressor {
    /// A compressor for `metadata_prefix`, with the store's newest dictionary for that format.
    pub(super) fn new(store: &Store, metadata_prefix: &str) -> Result<Self, StoreError> {
        let dictionary = store.read("reading a dictionary", |connection| {
            newest_dictionary(connection, metadata_prefix)
        })?;
        let mut compressor = Self {
            shared: Arc::new(SharedCompressor(Mutex::new(Inner {
                compressor: zstd_compressor(&[]),
                dictionary_id: 0,
                texts: 0,
            }))),
            stage: 0,
            samples: Vec::new(),
            sample_sizes: Vec::new(),
        };
        compressor.use_dictionary(dictionary);
        Ok(compressor)
    }

    /// The part that other threads use too.
    pub(super) fn shared(&self) -> &Arc<SharedCompressor> {
        &self.shared
    }

    /// Collects samples from texts that are about to be compressed, and trains the dictionaries.
    pub(super) fn learn<'a>(
        &mut self,
        store: &Store,
        metadata_prefix: &str,
        texts: impl Iterator<Item = &'a str>,
    ) -> Result<(), StoreError> {
        let Some(stage) = STAGES.get(self.stage) else {
            return Ok(());
        };
        for text in texts {
            if self.samples.len() >= 2 * stage.sample_bytes {
                break;
            }
            let sample = &text.as_bytes()[..text.len().min(SAMPLE_BYTES)];
            self.samples.extend_from_slice(sample);
            self.sample_sizes.push(sample.len());
        }
        if self.samples.len() < stage.sample_bytes || self.sample_sizes.len() < SAMPLE_RECORDS {
            return Ok(());
        }
        // Training fails on samples that have nothing in common; a dictionary would not help then.
        let trained =
            zstd::dict::from_continuous(&self.samples, &self.sample_sizes, stage.dictionary_bytes);
        let number = self.stage + 1;
        if number == STAGES.len() {
            self.samples = Vec::new();
            self.sample_sizes = Vec::new();
        }
        let Ok(trained) = trained else {
            self.stage = number;
            return Ok(());
        };
        // If another process was first, its dictionary is used.
        let newest = store.write("storing a dictionary", |transaction| {
            transaction.execute(
                "INSERT OR IGNORE INTO dictionary (metadata_prefix, stage, bytes)
                 VALUES (?1, ?2, ?3)",
                params![metadata_prefix, number, trained],
            )?;
            newest_dictionary(transaction, metadata_prefix)
        })?;
        self.use_dictionary(newest);
        Ok(())
    }

    fn use_dictionary(&mut self, dictionary: Option<Dictionary>) {
        if let Some(Dictionary { id, stage, bytes }) = dictionary {
            let compressor = zstd_compressor(&bytes);
            let mut inner = self.shared.lock();
            inner.compressor = compressor;
            inner.dictionary_id = id;
            self.stage = stage;
        }
    }
}

struct Dictionary {
    id: i64,
    stage: usize,
    bytes: Vec<u8>,
}

fn newest_dictionary(
    connection: &Connection,
    metadata_prefix: &str,
) -> rusqlite::Result<Option<Dictionary>> {
    connection
        .one(
            "SELECT id, stage, bytes FROM dictionary
             WHERE metadata_prefix = ?1 ORDER BY stage DESC LIMIT 1",
            [metadata_prefix],
            |row| {
                Ok(Dictionary {
                    id: row.get(0)?,
                    stage: row.get(1)?,
                    bytes: row.get(2)?,
                })
            },
        )
        .optional()
}

fn zstd_compressor(dictionary: &[u8]) -> bulk::Compressor<'static> {
    let mut compressor = bulk::Compressor::with_dictionary(LEVEL, dictionary)
        .expect("the level is one that zstd has, and any bytes will do as a dictionary");
    // The row has the number of the dictionary, and the content hash detects damage.
    for parameter in [
        zstd::zstd_safe::CParameter::DictIdFlag(false),
        zstd::zstd_safe::CParameter::ChecksumFlag(false),
        zstd::zstd_safe::CParameter::HashLog(HASH_LOG),
    ] {
        compressor
            .set_parameter(parameter)
            .expect("a parameter that every zstd 1.x has");
    }
    compressor
}

/// Dictionaries for threads without a connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Dictionaries(HashMap<i64, Arc<[u8]>>);

impl Dictionaries {
    /// Reads a dictionary, unless it is known.
    pub(super) fn load(
        &mut self,
        connection: &Connection,
        dictionary_id: i64,
    ) -> rusqlite::Result<()> {
        if let std::collections::hash_map::Entry::Vacant(entry) = self.0.entry(dictionary_id) {
            entry.insert(dictionary(connection, dictionary_id)?.into());
        }
        Ok(())
    }
}

/// Decompresses texts of any format, and keeps the dictionaries that they needed.
#[derive(Default)]
pub(super) struct Decompressor {
    by_dictionary: HashMap<i64, bulk::Decompressor<'static>>,
}

impl std::fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let dictionaries = self.by_dictionary.keys().collect::<Vec<_>>();
        f.debug_tuple("Decompressor").field(&dictionaries).finish()
    }
}

impl Decompressor {
    /// The text of `bytes`.
    pub(super) fn decompress(
        &mut self,
        connection: &Connection,
        dictionary_id: i64,
        bytes: &[u8],
    ) -> rusqlite::Result<Vec<u8>> {
        self.decompress_by(dictionary_id, bytes, || {
            dictionary(connection, dictionary_id)
        })
    }

    /// The text of `bytes`, whose dictionary is one of `dictionaries`.
    pub(super) fn decompress_with(
        &mut self,
        dictionaries: &Dictionaries,
        dictionary_id: i64,
        bytes: &[u8],
    ) -> rusqlite::Result<Vec<u8>> {
        self.decompress_by(dictionary_id, bytes, || {
            let known = dictionaries.0.get(&dictionary_id);
            Ok(known.map_or_else(Vec::new, |bytes| bytes.to_vec()))
        })
    }

    fn decompress_by(
        &mut self,
        dictionary_id: i64,
        bytes: &[u8],
        dictionary: impl FnOnce() -> rusqlite::Result<Vec<u8>>,
    ) -> rusqlite::Result<Vec<u8>> {
        let decompressor = match self.by_dictionary.entry(dictionary_id) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let dictionary = dictionary()?;
                entry.insert(bulk::Decompressor::with_dictionary(&dictionary).map_err(damaged)?)
            }
        };
        let size = zstd::zstd_safe::get_frame_content_size(bytes)
            .ok()
            .flatten()
            .unwrap_or(0);
        decompressor
            .decompress(bytes, usize::try_from(size).unwrap_or(usize::MAX))
            .map_err(damaged)
    }
}

/// The bytes of a dictionary; none for number 0, which means no dictionary.
fn dictionary(connection: &Connection, dictionary_id: i64) -> rusqlite::Result<Vec<u8>> {
    if dictionary_id == 0 {
        return Ok(Vec::new());
    }
    connection.query_row(
        "SELECT bytes FROM dictionary WHERE id = ?1",
        [dictionary_id],
        |row| row.get(0),
    )
}

fn damaged(error: std::io::Error) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, Box::new(error))
}

/// Compresses bytes without a dictionary.
pub(super) fn compress_alone(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, LEVEL).expect("zstd compresses any bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn article(number: usize) -> String {
        format!(
            "<article><title>On the matter of {number}</title><journal>Journal {}</journal>\
             <text>{}</text></article>",
            number % 7,
            "some words that come back ".repeat(3 + number % 200)
        )
    }

    #[test]
    fn texts_are_the_same_after_compression() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).unwrap();
        let mut compressor = Compressor::new(&store, "oai_dc").unwrap();
        let shared = Arc::clone(compressor.shared());
        let texts: Vec<String> = (0..300).map(article).collect();
        let before = shared.compress(texts[0].as_bytes());
        compressor
            .learn(&store, "oai_dc", texts.iter().map(String::as_str))
            .unwrap();
        let after = shared.compress(texts[0].as_bytes());
        assert_eq!(before.dictionary_id, 0);
        assert_ne!(after.dictionary_id, 0);
        assert!(after.bytes.len() < before.bytes.len());
        let again = Compressor::new(&store, "oai_dc").unwrap();
        let text = again.shared().compress(texts[0].as_bytes());
        assert_eq!(text.dictionary_id, after.dictionary_id);

        let mut decompressor = Decompressor::default();
        for compressed in [before, after, shared.compress(b"")] {
            let text = store
                .read("test", |connection| {
                    decompressor.decompress(connection, compressed.dictionary_id, &compressed.bytes)
                })
                .unwrap();
            assert!(text == texts[0].as_bytes() || text.is_empty());
        }
    }
}
