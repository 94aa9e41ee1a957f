//! Solr: keeps an index as the store is.
//!
//! - `settings`: where the index is, and what it gets
//! - `answer`: what an answer of Solr means
//! - `client`: requests, and which of several addresses to ask
//! - `batch`: changes as commands, in portions
//! - `deliver`: one portion, and which of its documents are refused
//! - `flights`: portions under way, which come back in any order
//! - `confirm`: what the index made of them, noted in the store
//! - `push`: all changes since the position, portion by portion
//! - `check`: whether an index fits the documents
//! - `swap`: a second index in the place of the first
//! - `audit`: whether an index is as the store is; `parts`: its small pure parts

mod answer;
mod audit;
mod batch;
mod check;
mod client;
mod confirm;
mod deliver;
mod flights;
mod parts;
mod push;
pub mod settings;
mod swap;

pub use audit::{AuditError, AuditReport, Finding, audit};
pub use check::check;
pub use client::{Client, SolrError};
pub use push::{
    PushPreview, PushProgress, PushReport, PushSurroundings, PushWishes, preview, push,
};
pub use swap::{SwapError, Swapped, swap};
