//! What leaves the store: catalogue documents and files, all as pure functions of a record.

pub mod csv;
mod item;
pub mod jsonl;
pub mod marcxml;
pub mod oai_dc;
pub mod ris;
pub mod vufind;
mod xml;

pub use item::Item;
