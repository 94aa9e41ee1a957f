//! The store as an OAI-PMH repository, so that any harvester can follow it.
//!
//! - `settings`: what is served, and under which name
//! - `arguments`: the arguments of a request, and what they ask for
//! - `error`: the errors of the protocol
//! - `token`: resumption tokens, which carry the state of a list
//! - `sets`: sources and their sets as sets of the repository
//! - `formats`: the metadata formats, and records in them
//! - `page`: filling a page of a list
//! - `xml`: writing the elements of an answer
//! - `answer`: from a request to an answer
//!
//! Lists go by version. The datestamp of a record is the second of its version, so that the order of
//! versions is the order of datestamps. A list ends at the newest version that the store had when it began; a
//! record that changes meanwhile gets a later version and comes with the next list.

mod answer;
mod arguments;
mod error;
mod formats;
mod page;
mod sets;
mod settings;
mod token;
mod xml;

pub use answer::{Answer, ListPage, Repository, identify};
pub use error::ErrorCode;
pub use settings::{ProviderFormat, ProviderSettings};
