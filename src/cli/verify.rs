//! `harvestd verify`: checks that the store is undamaged.

use std::io::Write;

use serde_json::json;

use super::exit::Exit;
use super::table::printable;
use crate::config::Config;
use crate::store::Reader;

/// Arguments of `verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Reads the whole store and checks the structure of the file and its indices, the references between tables,
the counts of each source, and the content of each record against its hash. Prints a line for each fault,
and exits with status 1 if there is one. Other commands can run meanwhile.

Examples:
  harvestd verify
  harvestd verify --store /backup/harvestd.db")]
pub struct Args {}

/// Records between two log lines.
const LOG_EVERY: u64 = 1_000_000;

/// Checks the store and prints its faults.
///
/// # Errors
/// If there is no store, or it cannot be read at all.
pub fn run(config: &Config, as_json: bool, out: &mut impl Write) -> anyhow::Result<Exit> {
    let reader = Reader::open(&config.store)?;
    let verified = reader.verify(|records| {
        if records % LOG_EVERY == 0 {
            tracing::info!("{records} records checked");
        }
    })?;
    if as_json {
        let value = json!({
            "store": config.store,
            "records": verified.records,
            "faults": verified.faults,
        });
        writeln!(out, "{value}")?;
    } else {
        for fault in &verified.faults {
            writeln!(out, "{}", printable(fault))?;
        }
        let store = config.store.display();
        let (records, faults) = (verified.records, verified.faults.len());
        writeln!(out, "{store}: {records} records checked, {faults} faults")?;
    }
    Ok(if verified.faults.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    })
}
