//! Payloads: how metadata is compressed on its way into the store and back.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};
use zstd::bulk::{Compressor, Decompressor};

use super::{Store, StoreError};

/// Records of a repository are alike, so a dictionary of this size halves them.
const DICTIONARY_BYTES: usize = 64 << 10;

/// A dictionary is trained once this much metadata has been seen: about 100 DOAJ articles.
const SAMPLE_BYTES: usize = 256 << 10;

/// Training on fewer records learns their texts, not their form.
const SAMPLE_RECORDS: usize = 64;

const LEVEL: i32 = 3;

/// A compressed text, and the dictionary that it needs (0 for none).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packed {
    pub(super) dictionary_id: i64,
    pub(super) bytes: Vec<u8>,
}

/// Compresses the metadata of one format. Owned by one thread.
pub(super) struct Press {
    compressor: Compressor<'static>,
    dictionary_id: i64,
    samples: Vec<u8>,
    sample_sizes: Vec<usize>,
}

impl std::fmt::Debug for Press {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Press")
            .field("dictionary_id", &self.dictionary_id)
            .finish_non_exhaustive()
    }
}

impl Press {
    /// A press for `metadata_prefix`, with the store's dictionary if it has one already.
    pub(super) fn new(store: &Store, metadata_prefix: &str) -> Result<Self, StoreError> {
        let dictionary = store.read("reading a dictionary", |connection| {
            connection
                .query_row(
                    "SELECT id, bytes FROM dictionary WHERE metadata_prefix = ?1",
                    [metadata_prefix],
                    |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)),
                )
                .optional()
        })?;
        let (dictionary_id, bytes) = dictionary.unwrap_or_default();
        Ok(Self {
            compressor: compressor(&bytes),
            dictionary_id,
            samples: Vec::new(),
            sample_sizes: Vec::new(),
        })
    }

    /// Learns from the texts that are about to be compressed, until it has a dictionary.
    pub(super) fn learn<'a>(
        &mut self,
        store: &Store,
        metadata_prefix: &str,
        texts: impl Iterator<Item = &'a str>,
    ) -> Result<(), StoreError> {
        if self.dictionary_id != 0 {
            return Ok(());
        }
        for text in texts {
            if self.samples.len() >= 4 * SAMPLE_BYTES {
                break;
            }
            self.samples.extend_from_slice(text.as_bytes());
            self.sample_sizes.push(text.len());
        }
        if self.samples.len() < SAMPLE_BYTES || self.sample_sizes.len() < SAMPLE_RECORDS {
            return Ok(());
        }
        let samples = std::mem::take(&mut self.samples);
        let sizes = std::mem::take(&mut self.sample_sizes);
        // Training fails on samples that have nothing in common; then there is nothing to gain.
        let Ok(trained) = zstd::dict::from_continuous(&samples, &sizes, DICTIONARY_BYTES) else {
            return Ok(());
        };
        // Another process may have been first: its dictionary is as good.
        let (id, bytes) = store.write("storing a dictionary", |transaction| {
            transaction.execute(
                "INSERT OR IGNORE INTO dictionary (metadata_prefix, bytes) VALUES (?1, ?2)",
                params![metadata_prefix, trained],
            )?;
            transaction.query_row(
                "SELECT id, bytes FROM dictionary WHERE metadata_prefix = ?1",
                [metadata_prefix],
                |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)),
            )
        })?;
        self.compressor = compressor(&bytes);
        self.dictionary_id = id;
        Ok(())
    }

    /// Compresses one text.
    pub(super) fn pack(&mut self, text: &[u8]) -> Packed {
        let bytes = self
            .compressor
            .compress(text)
            .expect("zstd compresses any bytes into a buffer of its own bound");
        Packed {
            dictionary_id: self.dictionary_id,
            bytes,
        }
    }
}

fn compressor(dictionary: &[u8]) -> Compressor<'static> {
    let mut compressor = Compressor::with_dictionary(LEVEL, dictionary)
        .expect("the level is one that zstd has, and any bytes will do as a dictionary");
    // The row names the dictionary, and SQLite guards the bytes no worse than a checksum would.
    for parameter in [
        zstd::zstd_safe::CParameter::DictIdFlag(false),
        zstd::zstd_safe::CParameter::ChecksumFlag(false),
    ] {
        compressor
            .set_parameter(parameter)
            .expect("a parameter that every zstd 1.x has");
    }
    compressor
}

/// Decompresses payloads of any format; keeps the dictionaries that it has met.
#[derive(Default)]
pub(super) struct Unpress {
    decompressors: HashMap<i64, Decompressor<'static>>,
}

impl Unpress {
    /// The text behind `bytes`.
    pub(super) fn unpack(
        &mut self,
        connection: &Connection,
        dictionary_id: i64,
        bytes: &[u8],
    ) -> rusqlite::Result<Vec<u8>> {
        let decompressor = match self.decompressors.entry(dictionary_id) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(decompressor(connection, dictionary_id)?)
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

fn decompressor(
    connection: &Connection,
    dictionary_id: i64,
) -> rusqlite::Result<Decompressor<'static>> {
    if dictionary_id == 0 {
        return Decompressor::new().map_err(damaged);
    }
    let bytes: Vec<u8> = connection.query_row(
        "SELECT bytes FROM dictionary WHERE id = ?1",
        [dictionary_id],
        |row| row.get(0),
    )?;
    Decompressor::with_dictionary(&bytes).map_err(damaged)
}

fn damaged(error: std::io::Error) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, Box::new(error))
}

/// Compresses bytes that stand alone: raw items in quarantine.
pub(super) fn pack_alone(bytes: &[u8]) -> Vec<u8> {
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
    fn what_goes_in_comes_out() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).unwrap();
        let mut press = Press::new(&store, "oai_dc").unwrap();
        let texts: Vec<String> = (0..300).map(article).collect();
        let before = press.pack(texts[0].as_bytes());
        press
            .learn(&store, "oai_dc", texts.iter().map(String::as_str))
            .unwrap();
        let after = press.pack(texts[0].as_bytes());
        assert_eq!(before.dictionary_id, 0);
        assert_ne!(after.dictionary_id, 0);
        assert!(after.bytes.len() < before.bytes.len());
        let again = Press::new(&store, "oai_dc").unwrap();
        assert_eq!(again.dictionary_id, after.dictionary_id);

        let mut unpress = Unpress::default();
        for packed in [before, after, press.pack(b"")] {
            let text = store
                .read("test", |connection| {
                    unpress.unpack(connection, packed.dictionary_id, &packed.bytes)
                })
                .unwrap();
            assert!(text == texts[0].as_bytes() || text.is_empty());
        }
    }
}
