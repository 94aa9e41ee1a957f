//! VuFind's catalogue documents: the form of a record in a Solr index.

mod document;
mod icu;
mod letters;
mod marc;
mod options;
mod source;
pub mod strings;
mod update;

pub use document::{
    Document, DocumentError, FIELDS, Field, FieldValues, Input, Tracking, document,
    enriched_document,
};
pub use options::{DocumentOptions, LanguageMap, LanguageMapError, Options};
pub(crate) use update::push_object;
pub use update::{Command, Encoding, Frame, UpdateWriter};
