//! `harvestd backup`: writes a copy of the store while it is in use.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use serde_json::json;

use crate::config::Config;
use crate::store::Reader;

/// Arguments of `backup`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The copy is consistent, even while the daemon harvests, and has the permissions of the store. It takes its
name only when it is complete, and replaces an older file of that name. To restore it, stop the daemon,
delete the store and the files beside it that end in -wal and -shm, and put the copy in its place.

Examples:
  harvestd backup /backup/harvestd.db
  harvestd backup \"/backup/harvestd-$(date +%F).db\"")]
pub struct Args {
    /// The file to write
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub file: PathBuf,
}

/// Writes the copy and prints its size.
///
/// # Errors
/// If there is no store, or the copy cannot be written.
pub fn run(
    args: &Args,
    config: &Config,
    as_json: bool,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let reader = Reader::open(&config.store)?;
    config
        .protected(None)
        .check(&args.file)
        .with_context(|| format!("writing {}", args.file.display()))?;
    reader.backup(&args.file)?;
    let bytes = std::fs::metadata(&args.file)?.len();
    if as_json {
        let value = json!({ "store": config.store, "backup": args.file, "bytes": bytes });
        writeln!(out, "{value}")?;
    } else {
        writeln!(out, "{}: {bytes} bytes", args.file.display())?;
    }
    Ok(())
}
