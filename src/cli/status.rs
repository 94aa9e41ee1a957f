//! `harvestd status`: what is in the store, and how far each source is.

/// Arguments of `status`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  harvestd status           a table
  harvestd status --json    the same for programs")]
pub struct Args {}
