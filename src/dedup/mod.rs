//! Which records describe one work: descriptions, candidate keys, rules, clusters.
//!
//! Nothing here does I/O or reads a clock, but for [`score`], which reads labelled sets.

pub mod cluster;
pub mod compare;
pub mod description;
pub mod explain;
pub mod identity;
pub mod keys;
pub mod labelled;
pub mod memory;
pub mod name;
pub mod packed;
pub mod place;
pub mod preferred;
pub mod rules;
pub mod score;
pub mod table;
pub mod text;
pub mod title;

/// Goes up with every change of descriptions, keys or rules. Clusters and keys that were stored
/// under another number are to be made anew.
pub const VERSION: u32 = 3;

#[cfg(test)]
pub(crate) mod testing;
