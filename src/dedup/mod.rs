//! Deduplication: finds the records that describe one work.
//!
//! - `description`: the normalised fields of a record; `packed` stores them in few bytes
//! - `text`, `title`, `notice`, `number`, `name`, `place`, `doi`, `address`: normalise one kind of field each
//! - `language`: tells a translated title from another one
//! - `keys`: match keys; records that share one are candidates
//! - `compare`: compares two descriptions field by field
//! - `table`: the rules; `rules` applies them to a pair; `explain` shows why they decided so
//! - `cluster`: builds clusters from pairs; `identity` keeps their ids stable; `preferred` chooses
//!   the canonical record
//! - `evidence`: the matches that hold clusters together, and what a sample of them says
//! - `labelled`, `score`: measure the rules on labelled sets
//! - `memory`: deduplicates records in memory, for `score` and tests
//!
//! Only [`score`] does I/O: it reads labelled sets. Nothing reads a clock.

pub mod address;
pub mod cluster;
pub mod compare;
pub mod description;
pub mod doi;
pub mod evidence;
pub mod explain;
pub mod identity;
pub mod keys;
pub mod labelled;
mod language;
pub mod memory;
pub mod name;
pub mod notice;
pub mod number;
pub mod packed;
pub mod place;
pub mod preferred;
pub mod rules;
pub mod score;
pub mod table;
pub mod text;
pub mod title;

/// The version of descriptions, keys and rules. It goes up with every change of them; clusters and
/// keys that were stored under another version have to be rebuilt.
pub const VERSION: u32 = 6;

#[cfg(test)]
pub(crate) mod testing;
