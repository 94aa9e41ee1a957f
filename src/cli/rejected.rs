//! `harvestd rejected`: the documents that an output rejected, with the reasons.

use std::io::Write;

use serde_json::json;

use super::exit::UsageError;
use super::status::instant;
use super::table::printable;
use crate::config::Config;
use crate::store::Reader;

/// Arguments of `rejected`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  harvestd rejected vufind           one paragraph for each document
  harvestd rejected vufind --json    the same for programs

A push sends a newer version of the record anyway; `harvestd push --retry-rejected` sends all again.")]
pub struct Args {
    /// The output's name
    #[arg(value_name = "OUTPUT")]
    pub output: String,
}

/// Writes the rejected documents to `out`.
///
/// # Errors
/// If the output is unknown, or the store cannot be read.
pub fn run(
    args: &Args,
    config: &Config,
    as_json: bool,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let reader = Reader::open(&config.store)?;
    let Some(output) = reader.output(&args.output)? else {
        config.output(&args.output)?;
        let message = format!("nothing was ever pushed to output {}", args.output);
        return Err(UsageError(message).into());
    };
    let rejected = reader.rejected(output.id)?;
    if as_json {
        writeln!(
            out,
            "{}",
            json!({ "output": output.name, "rejected": rejected })
        )?;
        return Ok(());
    }
    if rejected.is_empty() {
        writeln!(out, "output {}: no rejected documents", output.name)?;
    }
    for document in &rejected {
        writeln!(
            out,
            "{}\n  record: {} of source {}, version {}\n  since:  {}\n  reason: {}",
            printable(&document.document_id),
            printable(&document.identifier),
            document.source,
            document.version,
            instant(document.at),
            printable(&document.reason),
        )?;
    }
    Ok(())
}
