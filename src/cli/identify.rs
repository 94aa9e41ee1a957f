//! `harvestd identify`: who a repository is, and what it offers.

/// Arguments of `identify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  harvestd identify https://doaj.org/oai.article")]
pub struct Args {
    /// A base URL, or the name of a configured source, whose credentials are then used
    #[arg(value_name = "URL|SOURCE")]
    pub repository: String,
}
