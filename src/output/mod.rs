//! Outputs: indices and tables that are pushed to, and files.
//!
//! Outputs that are pushed to:
//!
//! - `settings`: what an output gets and where it is; its type selects the implementor
//! - `target`: the traits that an implementor has to provide
//! - `solr`, `opensearch`, `delta`: the implementors for Solr, for OpenSearch and Elasticsearch, and for a
//!   Delta Lake table
//! - `client`, `answer`: requests to a server with several addresses, and what its answers mean
//! - `push`: sends all changes since an output's position
//! - `audit`: compares an index with the store
//! - `swap`: puts a rebuilt index in the place of the live one
//! - `fingerprint`: whether settings have changed since the last push or export
//! - `suite`: the tests that every implementor passes
//!
//! Files: `export` writes them; `format`, `container` and `render` say how a record is written, with one
//! module for each format. `vufind` makes catalogue documents, for files and for indices.

mod answer;
mod audit;
pub mod bibtex;
mod bits;
mod catalogue;
mod check;
mod client;
mod container;
pub mod csl_json;
pub mod csv;
mod date;
pub mod delta;
pub mod enrich;
pub mod export;
mod fingerprint;
mod format;
mod item;
mod json;
pub mod jsonl;
pub mod marcxml;
pub mod oai_dc;
mod oai_dc_schema;
pub mod opensearch;
pub mod push;
pub mod render;
pub mod ris;
mod settings;
pub mod solr;
#[cfg(test)]
mod suite;
mod swap;
mod target;
pub mod vufind;
pub(crate) mod xml;

pub use audit::{AuditContext, AuditError, AuditReport, Finding, audit};
pub use check::check;
pub use container::Container;
pub use format::{Format, Tombstones};
pub use item::Item;
pub use render::{Rendered, Renderer};
pub use settings::{OutputKind, OutputSettings, OutputType};
pub use swap::swap;
pub use target::{OutputError, SwapError, Swapped, Unsupported};
