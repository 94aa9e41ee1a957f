//! `harvestd audit`: compares an index with the store.

use std::io::Write;
use std::sync::Arc;

use indicatif::{MultiProgress, ProgressBar};

use super::args::Global;
use super::exit::Exit;
use super::signals;
use super::table::printable;
use crate::clock::Clock;
use crate::config::Config;
use crate::output::{AuditContext, AuditReport, Finding, audit};
use crate::stop::stop_switch;
use crate::store::{Reader, Store};

/// Arguments of `audit`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Reads all documents of this output in the index and compares them with the records that were pushed.
With a version_field, the audit finds all outdated documents; without one, those that differ in one of
the compare_fields. The exit status is 0 if nothing differs or everything was repaired, else 3.

Examples:
  harvestd audit vufind             count what is missing, surplus or outdated
  harvestd audit vufind --repair    send or delete it, too")]
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
    let bar = bars.add(ProgressBar::no_length());
    let show = |documents| bar.set_message(format!("{documents} documents read"));
    let context = AuditContext {
        store: &store,
        clock: &Clock::System,
        stop,
        progress: &show,
    };
    let report = audit(&context, settings, &config.outputs, args.repair).await;
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
        "output {}: {} documents in the index, {} records that should have one, {:.1} s\n\
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
        (report.rejected, "rejected (see harvestd rejected)"),
        (report.pending, "not yet pushed, not compared"),
        (report.repaired, "repaired"),
    ] {
        if count > 0 {
            text.push_str(&format!("{words}: {count}\n"));
        }
    }
    text
}
