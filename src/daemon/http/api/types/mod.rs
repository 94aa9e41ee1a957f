//! The JSON of the API: every body of a response as a named type, from which the OpenAPI document
//! takes its schemas. Changes inside the daemon or the store do not change it by accident.
//!
//! - `time`: times, days, datestamps, versions
//! - `job`: what the daemon does for a source, output or export
//! - `source`: sources
//! - `pass`: passes and their windows
//! - `output`: outputs and exports
//! - `provider`: the OAI-PMH provider
//! - `status`: the whole daemon

mod job;
mod output;
mod pass;
mod provider;
mod source;
mod status;
mod time;

pub(super) use output::{Output, OutputDetails, Outputs};
pub(super) use pass::PassDetails;
pub(super) use source::{Source, Sources};
pub(super) use status::{Search, Status};
pub(super) use time::Version;

/// Converts each item.
fn list<T, U: From<T>>(items: Vec<T>) -> Vec<U> {
    items.into_iter().map(U::from).collect()
}
