//! The OAI-PMH provider: its answers against the schemas of the protocol, and what a harvester gets.

#[path = "../support/mod.rs"]
mod support;

mod chain;
mod http;
mod lists;
mod schema;
mod tour;
mod world;
