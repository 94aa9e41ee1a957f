//! The meaning of harvested records: the resource model, identifiers and crosswalks.

pub mod crosswalk;
pub mod doi;
pub mod flat;
pub mod isbn;
pub mod issn;
pub mod language;
pub(crate) mod marc;
pub(crate) mod relator;
pub mod resource;
#[cfg(test)]
pub(crate) mod samples;
pub(crate) mod tree;
pub mod xml;

pub use resource::{Agent, Kind, Link, Resource, Subject};
