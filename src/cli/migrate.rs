//! `harvestd migrate`: brings the store of an older harvestd to the schema of this one.

use std::io::Write;

use serde_json::json;

use crate::config::Config;
use crate::store::Store;

/// Arguments of `migrate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The daemon and the harvest migrate the store when they start. This command does it at a time that you
choose: stop the daemon first, since nothing else can write meanwhile.

First the store is copied to a file beside it that ends in .schema-N.bak, where N is the schema before.
To go back to the older harvestd, put this copy in the place of the store, without the files that end in
-wal and -shm. Delete it when you no longer need it.

Examples:
  harvestd migrate
  harvestd migrate --store /var/lib/harvestd/harvestd.db --json")]
pub struct Args {}

/// Migrates the store and prints what was done.
///
/// # Errors
/// If there is no store, no room for the copy, or the store cannot be written.
pub fn run(config: &Config, as_json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let migration = Store::migrate(&config.store)?;
    let store = config.store.display();
    if as_json {
        let value = json!({
            "store": config.store,
            "migrated": migration.is_some(),
            "from": migration.as_ref().map(|migration| migration.from),
            "to": migration.as_ref().map(|migration| migration.to),
            "copy": migration.map(|migration| migration.copy),
        });
        writeln!(out, "{value}")?;
    } else if let Some(migration) = migration {
        writeln!(
            out,
            "{store}: migrated from schema {} to {}; the store before is kept as {}",
            migration.from,
            migration.to,
            migration.copy.display()
        )?;
    } else {
        writeln!(out, "{store}: has the newest schema already")?;
    }
    Ok(())
}
