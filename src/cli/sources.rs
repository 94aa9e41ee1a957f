//! `harvestd sources`: the sources of the configuration and of the store, and all that can be done with one.

use std::io::Write;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::json;

use super::state::{self, SourceView};
use super::status::instant;
use super::table::{Cell, Column, Screen, fit};
use super::{control, forget, import};
use crate::config::Config;
use crate::store::{Reader, SourceState, StoreError};

/// Arguments of `sources`.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  harvestd sources                       all sources, problems first
  harvestd sources list --state failed   those whose last run failed
  harvestd sources --json                the same for programs
  harvestd sources import sites.tsv      add the endpoints of a list to the configuration
  harvestd sources show a-library        all that is known of a source, as harvestd status a-library
  harvestd sources disable a-library     begin no run of it, as harvestd pause a-library"
)]
pub struct Args {
    /// What to do; list without it.
    #[command(subcommand)]
    pub action: Option<Action>,
    /// The arguments of list.
    #[command(flatten)]
    pub list: ListArgs,
}

/// What `sources` does.
#[derive(Debug, clap::Subcommand)]
pub enum Action {
    /// Show the sources and their states
    List(ListArgs),
    /// Show all that is known of sources; the same as harvestd status SOURCE
    Show(ShowArgs),
    /// Begin runs of paused sources again; the same as harvestd resume
    Enable(control::Args),
    /// Begin no run of sources until they are enabled; the same as harvestd pause
    Disable(control::Args),
    /// Remove a source from the store; the same as harvestd forget
    Forget(forget::Args),
    /// Write the endpoints of a list as sources into a file of the configuration
    Import(import::Args),
}

/// Arguments of `sources show`.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// Names of sources
    #[arg(value_name = "SOURCE", required = true)]
    pub sources: Vec<String>,
}

/// Arguments of `sources list`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ListArgs {
    /// Only sources in this state; can be repeated
    #[arg(long, value_name = "STATE", value_parser = state_parser())]
    pub state: Vec<SourceState>,
}

/// Reads the word for a state, and knows all of them.
fn state_parser() -> impl TypedValueParser<Value = SourceState> {
    PossibleValuesParser::new(SourceState::ALL.map(SourceState::word))
        .map(|word| SourceState::from_word(&word).expect("only these words are possible"))
}

/// Lists the sources.
///
/// # Errors
/// If the store cannot be read. A missing store is none: then no source was harvested yet.
pub fn list(
    args: &ListArgs,
    config: &Config,
    as_json: bool,
    now_ms: i64,
    screen: Screen,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let reader = match Reader::open(&config.store) {
        Ok(reader) => Some(reader),
        Err(StoreError::Missing { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let mut views = state::sources(config, reader.as_ref(), now_ms)?;
    views.retain(|view| args.state.is_empty() || args.state.contains(&view.state));
    if as_json {
        let sources: Vec<_> = views.iter().map(as_value).collect();
        writeln!(out, "{}", json!({ "sources": sources }))?;
    } else if views.is_empty() && args.state.is_empty() {
        writeln!(out, "no source is configured, and the store has none")?;
    } else {
        out.write_all(as_text(&views, screen).as_bytes())?;
    }
    Ok(())
}

fn as_value(view: &SourceView) -> serde_json::Value {
    let source = &view.source;
    json!({
        "name": source.name,
        "state": view.state,
        "running": view.is_running,
        "why": view.why,
        "base_url": source.base_url,
        "metadata_prefix": source.metadata_prefix,
        "sets": source.sets,
        "live_records": source.live_records,
        "deleted_records": source.deleted_records,
        "watermark": source.least_watermark().map(|watermark| watermark.datestamp),
    })
}

fn as_text(views: &[SourceView], screen: Screen) -> String {
    let columns = [
        Column::left("source").cut(),
        Column::left("state"),
        Column::right("live"),
        Column::right("deleted").drop(3),
        Column::left("format").drop(2),
        Column::left("last run").drop(4),
        Column::left("url").drop(5),
    ];
    let rows: Vec<Vec<Cell>> = views
        .iter()
        .map(|view| {
            let ended = view.job.as_ref().and_then(|job| job.ended_at);
            vec![
                view.source.name.as_str().into(),
                view.cell(),
                view.source.live_records.to_string().into(),
                view.source.deleted_records.to_string().into(),
                view.source.metadata_prefix.as_str().into(),
                ended.map_or_else(|| "never".to_owned(), instant).into(),
                view.source.base_url.as_str().into(),
            ]
        })
        .collect();
    fit(&columns, &rows, screen)
}
