//! The API: JSON and records for programs. Each handler carries its entry of the OpenAPI document.
//!
//! - `types`: the JSON bodies
//! - `health`: whether the daemon is alive and ready
//! - `status`: sources, passes, outputs, exports
//! - `commands`: starting, pausing and confirming
//! - `records`: records by identifier, and bytes in quarantine
//! - `search`: finding records
//! - `changes`, `position`: the change feed, and how far a reader of it is

pub(super) mod changes;
pub(super) mod commands;
pub(super) mod health;
mod position;
pub(super) mod records;
pub(super) mod search;
pub(super) mod status;
mod types;
