//! harvestd keeps a faithful, deduplicated copy of OAI-PMH repositories in SQLite and feeds it to
//! catalogues.
//!
//! # Map
//!
//! ```text
//! cli -> daemon -> harvest, output, provider -> store, dedup -> oai, record -> http
//! ```
//!
//! - [`http`]: HTTP as a client: set-up, TLS, proxies, limits, redirects, redaction
//! - [`oai`]: the protocol: requests, responses, parsing, datestamps, the client
//! - [`record`]: what a harvested record means: article model, identifiers, crosswalks
//! - [`store`]: SQLite: sources, windows, records, versions; the only place with SQL
//! - [`harvest`]: what to ask next (pure) and the passes that ask it
//! - [`dedup`]: which records describe one work
//! - [`output`]: what leaves the store: files, catalogue documents, indices that follow it
//! - [`provider`]: the store as an OAI-PMH repository
//! - [`schedule`]: when something is due (pure)
//! - [`daemon`]: the service: one scheduler, signals, HTTP
//! - [`demo`]: the sample repository of `--demo`, which behaves as DOAJ does
//! - [`clock`], [`stop`], [`end`]: our clock, the signal to stop, how a run ended
//! - [`config`]: TOML as written, and the checked settings made from it
//! - [`cli`]: one file per command
//!
//! # Invariants
//!
//! - Harvesting writes only to the store; outputs read it and save only their own position.
//! - Parsing, planning, crosswalks and matching do no I/O and read no clock.
//! - SQL lives in [`store`] alone.
//! - A page's records, their changes and the next token commit in one transaction. The watermark
//!   moves only in the transaction that completes a list, and only as far as the repository has
//!   proven.

// Unit tests share the scripted Solr with the tests under `tests/`, which name this crate.
#[cfg(test)]
extern crate self as harvestd;

pub mod allocator;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod dedup;
pub mod demo;
pub mod end;
pub mod files;
pub mod harvest;
pub mod http;
pub mod oai;
pub mod output;
pub mod provider;
pub mod record;
pub mod schedule;
pub mod stop;
pub mod store;
