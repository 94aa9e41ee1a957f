//! `harvestd quarantine`: shows the items that could not be read as records, and their bytes.

use std::io::Write;

use serde_json::json;

use super::exit::UsageError;
use super::status::instant;
use super::table::printable;
use crate::config::Config;
use crate::store::{QuarantinedItem, Reader};

/// Arguments of `quarantine`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  harvestd quarantine                       show each item, the newest first
  harvestd quarantine doaj --json           show the items of one source as JSON
  harvestd quarantine --raw 17 > item.xml   write item 17 as the repository sent it

Every pass retries these items. An item that can be read becomes a record and leaves the quarantine.")]
pub struct Args {
    /// Show only the items of this source
    #[arg(value_name = "SOURCE", conflicts_with = "raw")]
    pub source: Option<String>,
    /// Write the item with this number, byte for byte as received
    #[arg(long, value_name = "NUMBER")]
    pub raw: Option<u64>,
}

/// Writes the items of the quarantine, or one item's bytes, to `out`.
///
/// # Errors
/// If the source or the item is unknown, or the store cannot be read.
pub fn run(
    args: &Args,
    config: &Config,
    as_json: bool,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let reader = Reader::open(&config.store)?;
    if let Some(number) = args.raw {
        let Some((_, raw)) = reader.quarantined_item(number)? else {
            let message = format!(
                "item {number} is not in quarantine (any more); `harvestd quarantine` lists the items"
            );
            return Err(UsageError(message).into());
        };
        return Ok(out.write_all(&raw)?);
    }
    let mut sources = reader.sources()?;
    if let Some(name) = &args.source {
        sources.retain(|source| source.name == *name);
        if sources.is_empty() {
            let message =
                format!("the store has no source {name}; `harvestd status` lists the sources");
            return Err(UsageError(message).into());
        }
    }
    let mut items: Vec<QuarantinedItem> = Vec::new();
    for source in &sources {
        items.extend(reader.quarantine(source.id, u32::MAX)?);
    }
    if as_json {
        writeln!(out, "{}", json!({ "quarantine": items }))?;
        return Ok(());
    }
    if items.is_empty() {
        writeln!(out, "the quarantine is empty")?;
    }
    for item in &items {
        let or_none = |text: &Option<String>| match text {
            Some(text) => printable(text),
            None => "none".to_owned(),
        };
        writeln!(
            out,
            "item {} of source {}\n  identifier: {}\n  datestamp:  {}\n  first seen: {}\n  \
             last seen:  {}\n  reason:     {}",
            item.number,
            item.source,
            or_none(&item.identifier),
            or_none(&item.datestamp),
            instant(item.first_at),
            instant(item.last_at),
            printable(&item.reason),
        )?;
    }
    Ok(())
}
