//! Payloads: how metadata is compressed on its way into the store and back.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};
use zstd::bulk::{Compressor, Decompressor};

use super::open::Cached;
use super::{Store, StoreError};

/// When to train a dictionary, and how large it may be. A page of 100 DOAJ articles is enough for
/// a first one, which takes a quarter off; ten pages give one that takes a third off.
const STAGES: [Stage; 2] = [
    Stage {
        sample_bytes: 256 << 10,
        dictionary_bytes: 32 << 10,
    },
    Stage {
        sample_bytes: 3 << 20,
        dictionary_bytes: 112 << 10,
    },
];

/// Training on fewer records learns their texts, not their form.
const SAMPLE_RECORDS: usize = 64;

struct Stage {
    sample_bytes: usize,
    dictionary_bytes: usize,
}

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
    /// How many of [`STAGES`] are behind it.
    stage: usize,
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
    /// A press for `metadata_prefix`, with the store's newest dictionary for it, if it has one.
    pub(super) fn new(store: &Store, metadata_prefix: &str) -> Result<Self, StoreError> {
        let dictionary = store.read("reading a dictionary", |connection| {
            newest_dictionary(connection, metadata_prefix)
        })?;
        let mut press = Self {
            compressor: compressor(&[]),
            dictionary_id: 0,
            stage: 0,
            samples: Vec::new(),
            sample_sizes: Vec::new(),
        };
        press.take_up(dictionary);
        Ok(press)
    }

    /// Learns from the texts that are about to be compressed, until it has its best dictionary.
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
            self.samples.extend_from_slice(text.as_bytes());
            self.sample_sizes.push(text.len());
        }
        if self.samples.len() < stage.sample_bytes || self.sample_sizes.len() < SAMPLE_RECORDS {
            return Ok(());
        }
        // Training fails on samples that have nothing in common; then there is nothing to gain.
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
        // Another process may have been first: its dictionary is as good.
        let newest = store.write("storing a dictionary", |transaction| {
            transaction.execute(
                "INSERT OR IGNORE INTO dictionary (metadata_prefix, stage, bytes)
                 VALUES (?1, ?2, ?3)",
                params![metadata_prefix, number, trained],
            )?;
            newest_dictionary(transaction, metadata_prefix)
        })?;
        self.take_up(newest);
        Ok(())
    }

    fn take_up(&mut self, dictionary: Option<Dictionary>) {
        if let Some(Dictionary { id, stage, bytes }) = dictionary {
            self.compressor = compressor(&bytes);
            self.dictionary_id = id;
            self.stage = stage;
        }
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

/// Dictionaries for threads that have no connection to read them with.
#[derive(Debug, Clone, Default)]
pub(super) struct Dictionaries(HashMap<i64, Arc<[u8]>>);

impl Dictionaries {
    /// Reads a dictionary, unless it is known.
    pub(super) fn learn(
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
        self.unpack_by(dictionary_id, bytes, || {
            dictionary(connection, dictionary_id)
        })
    }

    /// The text behind `bytes`, whose dictionary is among those.
    pub(super) fn unpack_with(
        &mut self,
        dictionaries: &Dictionaries,
        dictionary_id: i64,
        bytes: &[u8],
    ) -> rusqlite::Result<Vec<u8>> {
        self.unpack_by(dictionary_id, bytes, || {
            let known = dictionaries.0.get(&dictionary_id);
            Ok(known.map_or_else(Vec::new, |bytes| bytes.to_vec()))
        })
    }

    fn unpack_by(
        &mut self,
        dictionary_id: i64,
        bytes: &[u8],
        dictionary: impl FnOnce() -> rusqlite::Result<Vec<u8>>,
    ) -> rusqlite::Result<Vec<u8>> {
        let decompressor = match self.decompressors.entry(dictionary_id) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let dictionary = dictionary()?;
                entry.insert(Decompressor::with_dictionary(&dictionary).map_err(damaged)?)
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

/// The bytes of a dictionary; of none, which has the number 0, there are none.
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
