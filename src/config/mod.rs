//! Configuration: the file as written, what the environment overrides, and the checked settings.
//!
//! `keys` is the table of keys, one row for each. From it come reading and checking, the
//! environment variables, what `check-config` shows, the sample file and `docs/configuration.md`.
//!
//! A value is looked for in this order: command line, environment, the table itself, the table that it
//! shares keys with (its group and `[defaults]` for a source, `[vufind]` for documents), the default in the row.

mod build;
mod daemon;
mod direct;
mod effective;
pub mod endpoints;
mod environment;
mod file;
mod generate;
mod include;
mod key;
mod keys;
mod load;
mod paths;
mod problem;
mod reader;
mod secrets;
#[cfg(test)]
mod tests;
mod value;
mod values;

pub use daemon::DaemonSettings;
pub use direct::source_from_url;
pub use effective::{EffectiveKey, EffectiveTable, as_json as effective_json};
pub use endpoints::{Endpoint, Endpoints};
pub use environment::Environment;
pub use generate::{reference, sample};
pub use load::{Config, LogFormat, Overrides, Secrets, load};
pub use paths::init_path;
pub use problem::{ConfigError, Origin, Problem, Subject};
#[cfg(test)]
pub(crate) use values::PAGES;
pub(crate) use values::log_filter;
pub use values::read_table_url;
