//! `harvestd report`: what each source brought in a period, and what is wrong with it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;

use maud::{DOCTYPE, Markup, html};
use serde::Serialize;
use serde_json::json;

use super::args::{lower_bound, upper_bound};
use super::exit::UsageError;
use super::status::instant;
use super::table::{Column, Screen, fit, printable};
use crate::config::Config;
use crate::harvest::gaps_in_words;
use crate::oai::Datestamp;
use crate::store::{
    Health, Job, JobKey, JobKind, PeriodTotals, QuarantinedItem, Reader, Source, StoreError,
    Warning, WarningKind,
};

/// Arguments of `report`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
For one source the report has samples of what is wrong, for the people of its repository.

Examples:
  harvestd report                                    the last 30 days
  harvestd report --from 2026-10-01 --until 2026-10-31 --format csv
  harvestd report a-library --format html > a-library.html")]
pub struct Args {
    /// Names of sources; without any, all of the store
    #[arg(value_name = "SOURCE")]
    pub sources: Vec<String>,
    /// The first day or instant [default: 30 days ago]
    #[arg(long, value_name = "DATE", value_parser = lower_bound)]
    pub from: Option<Datestamp>,
    /// The last day or instant [default: now]
    #[arg(long, value_name = "DATE", value_parser = upper_bound)]
    pub until: Option<Datestamp>,
    /// The form of the report
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Form,
}

/// The form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// A table for people.
    Text,
    /// One line for each source.
    Csv,
    /// A page that stands alone.
    Html,
}

const DAY_MS: i64 = 24 * 3600 * 1000;

/// The period without `--from`.
const DEFAULT_DAYS: i64 = 30;

/// From this age on the newest change of a source that goes well is called old.
const STILL_DAYS: i64 = 90;

/// Quarantined items of a source that are shown.
const SAMPLES: u32 = 10;

/// What there is to say of one source.
struct View {
    source: Source,
    totals: PeriodTotals,
    job: Option<Job>,
    warnings: Vec<Warning>,
    gaps: Option<String>,
    quarantined: u64,
    samples: Vec<QuarantinedItem>,
}

/// One line of a report.
#[derive(Debug, Serialize)]
struct Line<'a> {
    source: &'a str,
    url: &'a str,
    format: &'a str,
    health: &'static str,
    live: u64,
    passes: u64,
    not_complete: u64,
    new: u64,
    changed: u64,
    unchanged: u64,
    deleted: u64,
    quarantined: u64,
    repaired: u64,
    unconvertible: u64,
    watermark: Option<String>,
    last_change: Option<String>,
    problems: String,
}

/// Writes the report to `out`.
///
/// # Errors
/// If there is no store, or a source is unknown.
pub fn run(
    args: &Args,
    config: &Config,
    as_json: bool,
    now_ms: i64,
    screen: Screen,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let reader = Reader::open(&config.store)?;
    let from_ms = match args.from {
        Some(from) => from.unix() * 1000,
        None => now_ms - DEFAULT_DAYS * DAY_MS,
    };
    // The last second belongs to the period.
    let until_ms = args.until.map_or(now_ms, |until| (until.unix() + 1) * 1000);
    let views = views(&reader, &args.sources, from_ms, until_ms, now_ms)?;
    let period = format!("{} to {}", instant(from_ms), instant(until_ms));
    let lines: Vec<Line<'_>> = views.iter().map(|view| line(view, now_ms)).collect();
    if as_json {
        writeln!(
            out,
            "{}",
            json!({ "from": instant(from_ms), "until": instant(until_ms), "sources": lines })
        )?;
        return Ok(());
    }
    match args.format {
        Form::Csv => {
            let mut table = csv::Writer::from_writer(out);
            for line in &lines {
                table.serialize(line)?;
            }
            table.flush()?;
        }
        Form::Text => {
            writeln!(out, "{period}")?;
            out.write_all(as_text(&lines, screen).as_bytes())?;
            let is_one = views.len() == 1;
            for view in &views {
                for (problem, _) in problems(view, now_ms) {
                    writeln!(out, "{}: {}", view.source.name, printable(&problem))?;
                }
                for item in view.samples.iter().filter(|_| is_one) {
                    writeln!(out, "{}: {}", view.source.name, printable(&sample(item)))?;
                }
            }
        }
        Form::Html => out.write_all(
            as_html(&views, &lines, &period, now_ms)
                .into_string()
                .as_bytes(),
        )?,
    }
    Ok(())
}

fn views(
    reader: &Reader,
    names: &[String],
    from_ms: i64,
    until_ms: i64,
    now_ms: i64,
) -> anyhow::Result<Vec<View>> {
    let mut sources = Vec::new();
    for name in names {
        match reader.source(name)? {
            Some(source) => sources.push(source),
            None => return Err(UsageError(format!("the store has no source {name:?}")).into()),
        }
    }
    if names.is_empty() {
        sources = reader.sources()?;
    }
    let mut jobs: BTreeMap<JobKey, Job> = BTreeMap::new();
    for job in reader.jobs()? {
        jobs.insert(job.key.clone(), job);
    }
    let views = sources.into_iter().map(|source| {
        let gaps = reader.gaps(&source)?;
        Ok(View {
            totals: reader.period(source.id, from_ms, until_ms)?,
            job: jobs.remove(&JobKey::new(JobKind::Harvest, &source.name)),
            warnings: reader.warnings(source.id)?,
            gaps: gaps_in_words(&source, &gaps, now_ms),
            quarantined: reader.count_quarantine(source.id)?,
            samples: reader.quarantine(source.id, SAMPLES)?,
            source,
        })
    });
    Ok(views.collect::<Result<_, StoreError>>()?)
}

fn line(view: &View, now_ms: i64) -> Line<'_> {
    let (source, totals) = (&view.source, &view.totals);
    let warns = |warning: &Warning| warning.kind == WarningKind::NoCrosswalk;
    let problems: Vec<String> = problems(view, now_ms)
        .into_iter()
        .map(|(problem, _)| problem)
        .collect();
    Line {
        source: &source.name,
        url: &source.base_url,
        format: &source.metadata_prefix,
        health: view
            .job
            .as_ref()
            .map_or(Health::Unknown, Job::health)
            .word(),
        live: source.live_records,
        passes: totals.passes,
        not_complete: totals.not_complete,
        new: totals.counts.new,
        changed: totals.counts.changed,
        unchanged: totals.counts.unchanged,
        deleted: totals.counts.deleted,
        quarantined: view.quarantined,
        repaired: totals.counts.repaired,
        unconvertible: match view.warnings.iter().any(warns) {
            true => source.live_records,
            false => 0,
        },
        watermark: source
            .least_watermark()
            .map(|least| least.datestamp.to_string()),
        last_change: totals.changed_at.map(instant),
        problems: problems.join("; "),
    }
}

/// What is wrong with a source, each with what its people can do about it.
fn problems(view: &View, now_ms: i64) -> Vec<(String, &'static str)> {
    let mut problems = Vec::new();
    if let Some(job) = view.job.as_ref().filter(|job| job.failures > 0) {
        let since = job.failing_since.map(instant).unwrap_or_default();
        let message = job.message.as_deref().unwrap_or("no reason is known");
        let advice = match job.health() {
            Health::Blocked => "let this client in: by its address, its User-Agent or a login",
            _ => "look at the answer of the base URL with ?verb=Identify",
        };
        let failures = job.failures;
        problems.push((
            format!("{failures} failures in a row since {since}: {message}"),
            advice,
        ));
    }
    problems.extend(view.gaps.iter().map(|gaps| {
        (gaps.clone(), "ask for ListRecords with from and until of this span, and look at the log of the server")
    }));
    for warning in &view.warnings {
        problems.push((warning.message.clone(), ""));
    }
    if view.quarantined > 0 {
        problems.push((
            format!("{} records could not be read", view.quarantined),
            "correct these records; the next harvest reads them again",
        ));
    }
    let counts = &view.totals.counts;
    if counts.repaired > 0 {
        problems.push((
            format!("{} records had to be repaired to be read", counts.repaired),
            "check that the answers are well-formed XML in UTF-8",
        ));
    }
    let is_well = view.job.as_ref().is_none_or(|job| job.failures == 0);
    if let Some(changed_at) = view.totals.changed_at
        && is_well
        && now_ms - changed_at > STILL_DAYS * DAY_MS
    {
        let days = (now_ms - changed_at) / DAY_MS;
        problems.push((
            format!("nothing has changed for {days} days"),
            "if records were added since, their datestamps stand still",
        ));
    }
    problems
}

fn sample(item: &QuarantinedItem) -> String {
    let name = item.identifier.as_deref();
    let mut text = format!(
        "{}: {}",
        name.unwrap_or("a record without identifier"),
        item.reason
    );
    if let Some(datestamp) = &item.datestamp {
        // Writing to a string cannot fail.
        let _ = write!(text, " (datestamp {datestamp})");
    }
    text
}

fn as_text(lines: &[Line<'_>], screen: Screen) -> String {
    let columns = [
        Column::left("source").cut(),
        Column::left("health"),
        Column::right("passes"),
        Column::right("not complete"),
        Column::right("live"),
        Column::right("new"),
        Column::right("changed"),
        Column::right("deleted"),
        Column::right("quarantined").drop(2),
        Column::right("unconvertible").drop(3),
        Column::left("last change").drop(4),
    ];
    let rows: Vec<Vec<_>> = lines
        .iter()
        .map(|line| {
            vec![
                line.source.into(),
                line.health.into(),
                line.passes.to_string().into(),
                line.not_complete.to_string().into(),
                line.live.to_string().into(),
                line.new.to_string().into(),
                line.changed.to_string().into(),
                line.deleted.to_string().into(),
                line.quarantined.to_string().into(),
                line.unconvertible.to_string().into(),
                line.last_change
                    .clone()
                    .unwrap_or_else(|| "never".to_owned())
                    .into(),
            ]
        })
        .collect();
    fit(&columns, &rows, screen)
}

fn as_html(views: &[View], lines: &[Line<'_>], period: &str, now_ms: i64) -> Markup {
    const STYLE: &str = "body{font:16px/1.5 sans-serif;margin:2em;color:#222}\
        table{border-collapse:collapse}th,td{padding:.2em .8em;border-bottom:1px solid #ccc;text-align:left}\
        td.n{text-align:right}";
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { "Harvest report, " (period) }
                style { (STYLE) }
            }
            body {
                h1 { "Harvest report" }
                p { (period) }
                table {
                    thead { tr {
                        @for heading in ["source", "health", "passes", "not complete", "records", "new", "changed",
                            "deleted", "quarantined", "unconvertible", "last change"] {
                            th { (heading) }
                        }
                    } }
                    tbody {
                        @for line in lines {
                            tr {
                                td { (line.source) }
                                td { (line.health) }
                                @for number in [line.passes, line.not_complete, line.live, line.new,
                                    line.changed, line.deleted, line.quarantined, line.unconvertible] {
                                    td.n { (number) }
                                }
                                td { (line.last_change.as_deref().unwrap_or("never")) }
                            }
                        }
                    }
                }
                @for view in views {
                    @let problems = problems(view, now_ms);
                    @if !problems.is_empty() {
                        h2 { (view.source.name) }
                        p { (view.source.base_url) ", " (view.source.metadata_prefix) }
                        ul {
                            @for (problem, advice) in problems {
                                li { (problem) @if !advice.is_empty() { br; "To do: " (advice) } }
                            }
                        }
                        @if views.len() == 1 && !view.samples.is_empty() {
                            h3 { "Records that could not be read" }
                            ul { @for item in &view.samples { li { (sample(item)) } } }
                        }
                    }
                }
            }
        }
    }
}
