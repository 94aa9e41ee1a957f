//! Solr: an index with VuFind's schema.
//!
//! - `settings`: where the index is, and what only this type of output is told
//! - `documents`: how records become documents
//! - `target`: sends batches of update commands
//! - `client`: requests to an index
//! - `answer`: what an answer of Solr means
//! - `check`: whether the schema of an index fits the documents
//! - `audit`: lists the documents of an index
//! - `swap`: puts a rebuilt index in the place of the live one

mod answer;
mod audit;
mod check;
mod client;
mod documents;
pub mod settings;
mod swap;
mod target;
