//! Configuration: the file as written, what the environment overrides, and the checked settings.
//!
//! A value is looked for in this order: command line, environment, `[[source]]`, `[defaults]`, the
//! built-in default; an `[[output]]` takes nothing from `[defaults]`. `config/harvestd.toml` documents each key.

mod checked;
mod credentials;
mod daemon;
mod direct;
mod documents;
mod env;
mod export;
mod keys;
mod load;
mod output;
mod paths;
mod problem;
mod raw;
#[cfg(test)]
mod sample;
mod secret;
#[cfg(test)]
mod tests;
mod values;

pub use daemon::DaemonSettings;
pub use direct::source_from_url;
pub use env::Environment;
pub use load::{Config, LogFormat, Overrides, Secrets, load};
pub use problem::{ConfigError, Origin, Problem};
pub(crate) use values::log_filter;
