//! `harvestd audit`: whether an index is as the store is.

use std::io::Write;
use std::sync::Arc;

use indicatif::{MultiProgress, ProgressBar};

use super::args::Global;
use super::exit::Exit;
use super::signals;
use super::table::printable;
use crate::clock::Clock;
use crate::config::Config;
use crate::output::solr::settings::SolrSettings;
use crate::output::solr::{AuditReport, Client, Finding, audit};
use crate::stop::stop_switch;
use crate::store::{Reader, Store};

/// Arguments of `audit`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Reads all documents of ours in the index and compares them with the store, as far as it was pushed.
Outdated documents are all found if the output has a version_field; without one, those that differ in
its compare_fields. The status is 0 if nothing is wrong or all of it was repaired, else 3.

Examples:
  harvestd audit vufind             what is missing, surplus or outdated
  harvestd audit vufind --repair    and send or delete it")]
pub struct Args {
    /// The output's name
    #[arg(value_name = "OUTPUT")]
    pub output: String,
    /// Send what is missing or outdated, delete what is surplus
    #[arg(long)]
    pub repair: bool,
}

/// Audits one output and writes what was found to `out`.
///
/// # Errors
/// If the store cannot be read or the index cannot be asked.
pub async fn run(
    args: &Args,
    global: &Global,
    config: &Config,
    bars: &MultiProgress,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let settings = config.output(&args.output)?;
    drop(Reader::open(&config.store)?);
    let (switch, stop) = stop_switch();
    signals::stop_on_signal(switch)?;
    let store = Arc::new(Store::open(&config.store)?);
    let client = Client::new(settings, stop)?;
    let is_beside = |other: &&SolrSettings| {
        other.name != settings.name && other.urls.iter().any(|url| settings.urls.contains(url))
    };
    let outputs = config.outputs.iter();
    let beside: Vec<SolrSettings> = outputs.filter(is_beside).cloned().collect();
    let bar = bars.add(ProgressBar::no_length());
    let show = |documents| bar.set_message(format!("{documents} documents read"));
    let report = audit(
        &store,
        &client,
        (settings, &beside),
        args.repair,
        &Clock::System,
        &show,
    )
    .await;
    bar.finish_and_clear();
    let report = report?;
    if global.json {
        let mut value = serde_json::to_value(&report)?;
        value["seconds"] = report.elapsed.as_secs_f64().into();
        writeln!(out, "{value}")?;
    } else if !global.quiet {
        out.write_all(as_text(&report).as_bytes())?;
    }
    Ok(if report.is_well() {
        Exit::Done
    } else {
        Exit::Incomplete
    })
}

fn as_text(report: &AuditReport) -> String {
    let mut text = format!(
        "output {}: {} documents in the index, {} records that are to have one, {:.1} s\n\
         compared by {}\n",
        report.output,
        report.documents,
        report.records,
        report.elapsed.as_secs_f64(),
        report.compared_by.join(", "),
    );
    let kinds: [(&str, &Finding); 3] = [
        ("missing", &report.missing),
        ("surplus", &report.surplus),
        ("outdated", &report.outdated),
    ];
    for (kind, finding) in kinds {
        text.push_str(&format!("{kind}: {}\n", finding.count));
        for id in &finding.examples {
            text.push_str(&format!("  {}\n", printable(id)));
        }
        if finding.count > finding.examples.len() as u64 {
            text.push_str("  ...\n");
        }
    }
    for (count, words) in [
        (report.set_aside, "set aside (see harvestd rejected)"),
        (report.pending, "not yet pushed, not compared"),
        (report.repaired, "repaired"),
    ] {
        if count > 0 {
            text.push_str(&format!("{words}: {count}\n"));
        }
    }
    text
}
