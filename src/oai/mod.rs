//! OAI-PMH 2.0: requests, responses, their parsing, datestamps and the client.

pub mod client;
pub mod datestamp;
pub mod decode;
pub mod error;
pub mod parse;
pub mod repair;
pub mod request;
pub mod response;

pub use datestamp::{Datestamp, Granularity};
pub use request::{Request, ResumptionToken};
pub use response::{Content, Header, List, Record, Response};
