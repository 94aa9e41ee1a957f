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
pub mod place;
pub mod preferred;
pub mod rules;
pub mod score;
pub mod text;
pub mod title;

#[cfg(test)]
pub(crate) mod testing;
