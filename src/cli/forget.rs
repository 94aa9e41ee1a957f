//! `harvestd forget`: removes a source from the store.

use std::io::Write;
use std::sync::Arc;

use serde_json::json;

use super::exit::UsageError;
use crate::clock::Clock;
use crate::config::Config;
use crate::harvest::{Forgotten, forget};
use crate::store::Store;

/// Arguments of `forget`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without --records, only a source without live records is removed, such as one with a wrong address.

With --records its records become tombstones, so that outputs delete their documents at their next push. Its
watermark, gaps, warnings and quarantined items are deleted. The tombstones stay until each output has them;
then the same command without --records removes them too.

A source that is still configured is harvested from the beginning at its next run: pause it, or give it the
schedule \"never\". If it has an id_prefix or id_rewrites, leave it in the configuration until each output has the
deletions, because these are the ids of its documents.

Examples:
  harvestd forget typo.example.org-oai-oai_dc
  harvestd forget old-journal --records")]
pub struct Args {
    /// The source's name, as harvestd sources shows it
    #[arg(value_name = "SOURCE")]
    pub source: String,
    /// Delete its records too
    #[arg(long)]
    pub records: bool,
}

/// Forgets the source and says what is left of it.
///
/// # Errors
/// If there is no such source, it has records and `--records` is not given, a process is harvesting it, or the
/// store cannot be written.
pub fn run(
    args: &Args,
    config: &Config,
    as_json: bool,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let name = &args.source;
    // A command that deletes does not create a store.
    drop(crate::store::Reader::open(&config.store)?);
    let store = Arc::new(Store::open(&config.store)?);
    let (deleted, left) = match forget(&store, name, args.records, &Clock::System)? {
        Forgotten::Unknown => {
            let message =
                format!("the store has no source {name:?}; harvestd sources shows all names");
            return Err(UsageError(message).into());
        }
        Forgotten::HasRecords(live) => {
            let message = format!(
                "source {name} has {live} live records, and nothing was changed. To delete them in the \
                 store and in every output: harvestd forget {name} --records"
            );
            return Err(UsageError(message).into());
        }
        Forgotten::Whole => (0, 0),
        Forgotten::Tombstones { deleted, left } => (deleted, left),
    };
    if as_json {
        let value = json!({ "source": name, "deleted": deleted, "tombstones": left });
        writeln!(out, "{value}")?;
        return Ok(());
    }
    if deleted > 0 {
        writeln!(
            out,
            "{name}: {deleted} records deleted. Outputs delete their documents at their next push."
        )?;
    }
    match left {
        0 => writeln!(out, "{name}: forgotten")?,
        _ => writeln!(
            out,
            "{name}: {left} tombstones stay for outputs and the change feed. Once these have them: \
             harvestd forget {name}"
        )?,
    }
    if config.sources.iter().any(|source| source.name == *name) {
        writeln!(
            out,
            "{name} is still configured: the next run harvests it from the beginning"
        )?;
    }
    Ok(())
}
