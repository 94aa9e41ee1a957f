//! `harvestd restore`: makes a store from a table.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::json;
use tokio::task::spawn_blocking;
use url::Url;

use super::exit::{Exit, UsageError};
use super::signals;
use crate::config::{Config, read_table_url};
use crate::harvest::definition;
use crate::output::delta::settings::DeltaSettings;
use crate::output::delta::{RestoreError, RestoreOptions, restore};
use crate::output::{OutputError, OutputKind};
use crate::stop::stop_switch;
use crate::store::Store;

/// Arguments of `restore`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The store gets everything that an output of type \"delta\" has written to the table: records with their
metadata, tombstones, versions and watermarks. Harvests then go on at the watermarks, and pushes to the table
where it stands. The store must have no records. What the table does not have stays lost: quarantined items,
decisions about duplicates, the history of runs, and what was not pushed yet.

If an output of the configuration writes to this table, its credentials are used.

Examples:
  harvestd restore --from file:///srv/records
  harvestd restore --from s3://library/records --source doaj-articles --store new.db")]
pub struct Args {
    /// The folder of the table
    #[arg(long, value_name = "URL", value_parser = read_table_url)]
    pub from: Url,
    /// Restore only this source; may be repeated
    #[arg(long = "source", value_name = "NAME")]
    pub sources: Vec<String>,
    /// The store to restore, if several have written to the table
    #[arg(long, value_name = "ID")]
    pub store_id: Option<String>,
}

/// Fills the store and says with what.
///
/// # Errors
/// Wrong usage, a store with records, and a table that cannot be read.
pub async fn run(
    args: &Args,
    as_json: bool,
    config: &Config,
    bars: &MultiProgress,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let settings = settings(&args.from, config);
    let options = RestoreOptions {
        sources: args.sources.clone(),
        store_id: args.store_id.clone(),
        configured: config.sources.iter().map(definition).collect(),
    };
    let (switch, stop) = stop_switch();
    signals::stop_on_signal(switch)?;
    let store = Arc::new(Store::open_and_migrate(&config.store)?);
    let bar = bars.add(ProgressBar::no_length());
    bar.set_style(ProgressStyle::with_template("{spinner} {msg}").expect("this is a template"));
    bar.enable_steady_tick(Duration::from_millis(200));
    let shown = bar.clone();
    let restored = spawn_blocking(move || {
        let progress = |states: u64| shown.set_message(format!("{states} states of records"));
        restore(&store, &settings, &options, &stop, &progress)
    });
    let restored = restored.await.context("restoring")?;
    bar.finish_and_clear();
    let report = match restored {
        Err(RestoreError::Output(OutputError::Stopped)) => {
            let path = config.store.display();
            tracing::warn!(
                "stopped; {path} has a part of the records, delete it before you try again"
            );
            return Ok(Exit::Incomplete);
        }
        Err(error @ RestoreError::SeveralStores(_)) => {
            return Err(UsageError(error.to_string()).into());
        }
        restored => restored.with_context(|| format!("restoring from {}", args.from))?,
    };
    if as_json {
        let value = json!({
            "store": config.store,
            "store_id": report.store_id,
            "sources": report.sources,
            "states": report.states,
            "without_watermark": report.without_watermark,
        });
        writeln!(out, "{value}")?;
        return Ok(Exit::Done);
    }
    writeln!(
        out,
        "{}: restored {} sources from {} states of records",
        config.store.display(),
        report.sources,
        report.states
    )?;
    for source in &report.without_watermark {
        writeln!(
            out,
            "source {source}: the table does not tell its watermark; the next harvest lists everything"
        )?;
    }
    Ok(Exit::Done)
}

/// The settings of the output that writes to this table, or defaults.
fn settings(url: &Url, config: &Config) -> DeltaSettings {
    let path = |url: &Url| url.as_str().trim_end_matches('/').to_owned();
    let known = config.outputs.iter().find_map(|output| match &output.kind {
        OutputKind::Delta(table) if path(&table.url) == path(url) => Some(&**table),
        _ => None,
    });
    known
        .cloned()
        .unwrap_or_else(|| DeltaSettings::new(url.clone()))
}
