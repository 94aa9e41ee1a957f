//! `harvestd harvest`: one pass over each source.

use std::num::NonZeroU64;

use super::args::{lower_bound, upper_bound};
use crate::oai::Datestamp;

/// Arguments of `harvest`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  harvestd harvest                             every configured source
  harvestd harvest doaj-articles               one of them
  harvestd harvest https://doaj.org/oai --limit 100
                                               a repository that is not configured
  harvestd harvest doaj-journals --full        list everything again

A pass that was cut off goes on where it stopped when it is run again.")]
pub struct Args {
    /// Names of configured sources, or base URLs; without any, every configured source
    #[arg(value_name = "SOURCE|URL")]
    pub sources: Vec<String>,
    /// The metadata format to ask the URLs for [default: oai_dc]
    #[arg(long, value_name = "PREFIX", requires = "sources")]
    pub prefix: Option<String>,
    /// A set to harvest from the URLs; can be repeated
    #[arg(long = "set", value_name = "SET", requires = "sources")]
    pub sets: Vec<String>,
    /// Only records with datestamps from this day or instant on
    #[arg(long, value_name = "DATE", value_parser = lower_bound)]
    pub from: Option<Datestamp>,
    /// Only records with datestamps up to this day or instant, inclusive
    #[arg(long, value_name = "DATE", value_parser = upper_bound)]
    pub until: Option<Datestamp>,
    /// Stop each source after the page that brings it to N records; the next run goes on
    #[arg(long, value_name = "N")]
    pub limit: Option<NonZeroU64>,
    /// List everything again, not only what changed since the last pass
    #[arg(long, conflicts_with_all = ["from", "until"])]
    pub full: bool,
    /// Ask the repositories, and store nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Harvest a repository inside this program, without network or configuration
    #[arg(long, conflicts_with_all = ["sources", "prefix", "sets"])]
    pub demo: bool,
}
