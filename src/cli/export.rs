//! `harvestd export`: the records of the store as a file.

use std::path::PathBuf;

use clap::ValueEnum;

/// Arguments of `export`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  harvestd export --format jsonl -o all.jsonl
  harvestd export --format xml --source doaj-articles | zstd > articles.xml.zst
  harvestd export --since 1849320778264215552    what changed after this version")]
pub struct Args {
    /// How records are written
    #[arg(long, value_name = "FORMAT", default_value = "jsonl")]
    pub format: ExportFormat,
    /// Only changes after this version, deletions among them
    #[arg(long, value_name = "VERSION")]
    pub since: Option<u64>,
    /// Only records of this source; can be repeated
    #[arg(long = "source", value_name = "SOURCE")]
    pub sources: Vec<String>,
    /// The file to write, which is replaced only by a whole export; without it, standard output
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub output: Option<PathBuf>,
}

/// How exported records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// One JSON object for each record, one in each line.
    Jsonl,
    /// The metadata as the repositories sent it.
    Xml,
}
