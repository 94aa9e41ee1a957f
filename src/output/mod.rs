//! What leaves the store: catalogue documents and files, all as pure functions of a record.

mod container;
pub mod csv;
mod format;
mod item;
pub mod jsonl;
pub mod marcxml;
pub mod oai_dc;
pub mod render;
pub mod ris;
pub mod vufind;
mod xml;

pub use container::Container;
pub use format::{Format, Tombstones};
pub use item::Item;
pub use render::{Rendered, Renderer};
