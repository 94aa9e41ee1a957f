//! `harvestd show`: one record of the store.

use clap::ValueEnum;

/// Arguments of `show`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  harvestd show oai:doaj.org/article:0123456789abcdef0123456789abcdef
  harvestd show oai:doaj.org/article:0123456789abcdef0123456789abcdef --format xml")]
pub struct Args {
    /// The record's OAI identifier
    pub identifier: String,
    /// Only the record of this source, where several have the identifier
    #[arg(long, value_name = "SOURCE")]
    pub source: Option<String>,
    /// What to show of it
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: ShowFormat,
}

/// What is shown of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShowFormat {
    /// Its state and content, for people.
    Text,
    /// The same as a JSON object, as `export` writes it.
    Json,
    /// Its metadata as the repository sent it.
    Xml,
}
