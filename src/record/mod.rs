//! The meaning of harvested records: the article model, identifiers and crosswalks.

pub mod article;
pub mod crosswalk;
pub mod doi;
pub mod export;
pub mod issn;
pub mod language;
pub mod resource;
#[cfg(test)]
pub(crate) mod samples;
pub mod xml;

pub use article::{Article, Author, Kind, LanguageText, Link, Subject};
