//! The command line: one file per command, and what all commands share.

pub mod args;
pub mod audit;
pub mod backup;
pub mod catalogue;
pub mod check_config;
pub mod completions;
pub mod daemon;
pub mod dedup;
pub mod exit;
pub mod export;
pub mod harvest;
pub mod identify;
pub mod logging;
pub mod man;
pub mod migrate;
pub mod progress;
pub mod push;
pub mod quarantine;
pub mod reconcile;
pub mod rejected;
pub mod show;
mod signals;
pub mod status;
pub mod table;
mod tally;
pub mod verify;
