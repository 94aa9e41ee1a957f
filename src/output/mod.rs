//! What leaves the store: catalogue documents and files as pure functions of a record, and the
//! indices that are kept as the store is.

mod catalogue;
mod container;
pub mod csv;
pub mod enrich;
pub mod export;
mod format;
mod item;
mod json;
pub mod jsonl;
pub mod marcxml;
pub mod oai_dc;
pub mod render;
pub mod ris;
pub mod solr;
pub mod vufind;
mod xml;

pub use container::Container;
pub use format::{Format, Tombstones};
pub use item::Item;
pub use render::{Rendered, Renderer};
