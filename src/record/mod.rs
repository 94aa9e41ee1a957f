//! What a harvested record means: the article model, identifiers and crosswalks.

pub mod article;
pub mod crosswalk;
pub mod doi;

pub use article::{Article, Author, Kind, Link, Subject};
