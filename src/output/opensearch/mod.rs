//! OpenSearch, and Elasticsearch 8: an index of resources or of VuFind's documents.
//!
//! Every write carries the version of the change in the store as an external version, so the index itself
//! keeps a late duplicate from replacing a newer state.
//!
//! - `settings`: where the index is, and what only this type of output is told
//! - `documents`: how records become documents
//! - `target`: sends batches of bulk actions
//! - `bulk`: what the answer to a batch says of each document
//! - `client`: requests, and which product answers them
//! - `answer`: what an answer means
//! - `index`: whether the index is there, and how it is created
//! - `check`: whether the mapping of an index fits the documents
//! - `audit`: lists the documents of an index
//! - `swap`: puts a rebuilt index in the place of the live one

mod answer;
mod audit;
mod bulk;
mod check;
mod client;
mod documents;
mod index;
pub mod settings;
mod swap;
mod target;

pub(crate) use documents::VERSION_FIELD;
