//! What leaves the store: catalogue documents and files, all as pure functions of a record.

pub mod vufind;
mod xml;
