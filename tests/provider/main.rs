//! The OAI-PMH provider: its answers against the schemas of the protocol, and what a harvester gets.

#[path = "../support/mod.rs"]
mod support;

mod chain;
mod dublin_core;
mod http;
mod lists;
mod schema;
mod tour;
mod works;
mod works_follow;
mod world;

/// The seeds of a test with random changes: so many, or those of `PROVIDER_SEEDS` and `PROVIDER_FIRST`.
fn seeds(number: u64) -> std::ops::Range<u64> {
    let value = |name: &str| std::env::var(name).ok()?.parse().ok();
    let first: u64 = value("PROVIDER_FIRST").unwrap_or(0);
    first..first + value("PROVIDER_SEEDS").unwrap_or(number)
}
