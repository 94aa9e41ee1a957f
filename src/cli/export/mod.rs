//! `harvestd export`: the records of the store as a file.

mod report;
mod target;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};

use self::report::Tally;
use self::target::Target;
use super::args::Global;
use super::catalogue::CatalogueArgs;
use super::exit::{Exit, UsageError};
use super::progress::bar_width;
use super::signals;
use crate::config::Config;
use crate::files::Protected;
pub use crate::output::Format as ExportFormat;
use crate::output::enrich::{self, Part};
use crate::output::export::pipeline::{self, Batch, PipelineError, Reading};
use crate::output::export::write_batch;
use crate::output::{Container, Renderer};
use crate::stop::{Stop, stop_switch};
use crate::store::{ChangeFilter, Per, Reader, Source, Version, set_of_source};

/// What one item of an export is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Unit {
    /// A record.
    Record,
    /// A work, as its preferred record; needs up-to-date clusters.
    Cluster,
}

/// Arguments of `export`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Records come in the order of their versions, each in its last state. At its end, an export prints the
version to give as --since next time. With --since, an export has only what changed after that
version: also tombstones, but not those of records that were created after it. A whole export has
tombstones in the formats jsonl, xml, oai_dc and csv. The other formats have tombstones only with
--since; ris has none.

Records may change while an export runs. A whole export has each record that existed at its start
exactly once, at its end those that changed before they were read. With --since, those are left out.
Both ways, the next --since has all changes since the start.

A record whose metadata cannot be read is reported on standard error and makes the exit status 3; all
others are written.

With --follow, the export looks for changes again and again and appends them to the output: lines,
rows or references; a document (xml, oai_dc, marcxml, vufind-xml); or a line that is a whole update
message (vufind-json). Documents and messages contain at most 1,000 records.

Examples:
  harvestd export --format jsonl -o all.jsonl
  harvestd export --format xml --source doaj-articles | zstd > articles.xml.zst
  harvestd export --format vufind-json --institution 'My Library' -o solr.json
  harvestd export --since 1849320778264215552    what changed after this version
  harvestd export --follow | my-consumer         and what changes from now on")]
pub struct Args {
    /// How records are written
    #[arg(long, value_name = "FORMAT", default_value = "jsonl")]
    pub format: ExportFormat,
    /// Begin a CSV file with a byte order mark, by which Excel recognises UTF-8
    #[arg(long)]
    pub bom: bool,
    /// Only changes after this version, deletions among them
    #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub since: Option<u64>,
    /// Only records of this source; can be repeated
    #[arg(long = "source", value_name = "SOURCE")]
    pub sources: Vec<String>,
    /// Only records of this source that are in this set or one below it; can be repeated
    #[arg(long = "set", value_name = "SOURCE/SETSPEC", value_parser = set_of_source)]
    pub sets: Vec<(String, String)>,
    /// What one item is: a record, or a work, as its preferred record
    #[arg(long, value_name = "UNIT", default_value = "record")]
    pub per: Unit,
    /// What a work takes from its other records where its preferred record has none: parts
    /// with commas between them (abstract, authors, country, doi, issns, journal, keywords,
    /// languages, licences, links, place, published, publisher, subjects), all, or none; only with
    /// --per cluster [default: `enrich` in the table `[dedup]` of the configuration]
    #[arg(long, value_name = "PARTS", value_parser = Parts::parse)]
    pub enrich: Option<Parts>,
    /// Continue with changes until a signal
    #[arg(long)]
    pub follow: bool,
    /// How often to look for changes
    #[arg(long, value_name = "TIME", default_value = "5s", requires = "follow")]
    #[arg(value_parser = some_time)]
    pub interval: Duration,
    /// The file to write, which is replaced only by a whole export, or appended to with --follow;
    /// without it or as -, standard output
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// Options of catalogue documents.
    #[command(flatten)]
    pub catalogue: CatalogueArgs,
}

/// What a work takes from its other records, as one argument.
#[derive(Debug, Clone)]
pub struct Parts(Vec<Part>);

impl Parts {
    fn parse(text: &str) -> Result<Self, String> {
        enrich::parts(text).map(Self)
    }
}

/// Reads a duration greater than zero.
fn some_time(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("must be longer than 0s".to_owned()),
        Ok(time) => Ok(time),
        Err(_) => Err("not a number and a unit, such as 5s or 1m".to_owned()),
    }
}

/// The most records in one document or message with `--follow`: its reader needs little memory.
const MESSAGE_RECORDS: usize = 1_000;

/// Writes the records to the file of the arguments, or to `out`.
///
/// # Errors
/// Wrong usage, a store that cannot be read, and a target that cannot be written. Errors of single
/// records are in the log and in the exit status.
pub async fn run(
    args: &Args,
    global: &Global,
    config: &Config,
    bars: &MultiProgress,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let documents = args.catalogue.over(&config.documents)?;
    if args.enrich.is_some() && args.per == Unit::Record {
        let message = "--enrich is for --per cluster: a record has no others to take from";
        return Err(UsageError(message.to_owned()).into());
    }
    let parts = match (&args.enrich, args.per) {
        (Some(Parts(parts)), _) => parts.as_slice(),
        (None, Unit::Cluster) => &config.enrich,
        (None, Unit::Record) => &[],
    };
    let mut reader = Reader::open(&config.store)?;
    let sources = reader.sources()?;
    let mut sets: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (source, set) in &args.sets {
        if args.sources.contains(source) {
            let message = format!("--set {source}/{set} says nothing beside --source {source}");
            return Err(UsageError(message).into());
        }
        sets.entry(source.clone()).or_default().push(set.clone());
    }
    let names: Vec<String> = args.sources.iter().chain(sets.keys()).cloned().collect();
    check_sources(&names, &sources, config)?;
    let since = args.since.map(|since| {
        // The parser keeps it within the span.
        Version(i64::try_from(since).unwrap_or(i64::MAX))
    });
    let newest = reader.last_version()?;
    if let Some(since) = since.filter(|since| *since > newest) {
        return Err(UsageError(format!(
            "--since {since} is newer than the newest version of store {}, {newest}; it must be of \
             another store",
            config.store.display()
        ))
        .into());
    }
    let (switch, stop) = stop_switch();
    signals::stop_at_signal(switch, "stopping after the records at hand")?;
    let file = args
        .output
        .as_deref()
        .filter(|path| *path != Path::new("-"));
    let total = since.is_none().then(|| count(&sources, &names));
    let export = Export {
        args,
        global,
        config,
        protected: config.protected(None),
        bars,
        file,
        stop,
        bar: bar(bars, file, total, args.follow),
        filter: ChangeFilter {
            since,
            sources: args.sources.clone(),
            sets,
            per: match args.per {
                Unit::Record => Per::Record,
                Unit::Cluster => Per::Cluster,
            },
            with_others: !parts.is_empty(),
            by_identifier: args.format.is_by_identifier(),
            id_spaces: args.format.id_spaces(&documents),
        },
        renderer: Renderer {
            format: args.format,
            documents: &documents,
            enrich: parts,
            changes: since.is_some(),
        },
        tally: Tally::default(),
    };
    if args.follow {
        export.follow(&mut reader, out).await
    } else {
        export.once(&mut reader, out)
    }
}

/// Refuses names that are unknown to both the store and the configuration.
fn check_sources(wanted: &[String], stored: &[Source], config: &Config) -> Result<(), UsageError> {
    for name in wanted {
        let known = stored.iter().any(|source| source.name == *name)
            || config.sources.iter().any(|source| source.name == *name);
        if !known {
            let names: Vec<&str> = stored.iter().map(|source| source.name.as_str()).collect();
            let there = match names.as_slice() {
                [] => "the store has none".to_owned(),
                names => format!("the store has {}", names.join(", ")),
            };
            return Err(UsageError(format!("no source is called {name:?}; {there}")));
        }
    }
    Ok(())
}

fn count(sources: &[Source], wanted: &[String]) -> u64 {
    sources
        .iter()
        .filter(|source| wanted.is_empty() || wanted.contains(&source.name))
        .map(|source| source.live_records + source.deleted_records)
        .sum()
}

/// A progress bar, unless the records are written to the same terminal.
fn bar(
    bars: &MultiProgress,
    file: Option<&Path>,
    total: Option<u64>,
    follow: bool,
) -> Option<ProgressBar> {
    if bars.is_hidden() || follow || (file.is_none() && io::stdout().is_terminal()) {
        return None;
    }
    let template = match total {
        Some(_) => {
            let width = bar_width(Term::stderr().size().1);
            format!(
                "[{{bar:{width}}}] {{human_pos}} of {{human_len}} records, {{rate}}, {{eta}} left"
            )
        }
        None => "{spinner} {human_pos} records, {rate}".to_owned(),
    };
    let style = ProgressStyle::with_template(&template)
        .expect("both templates are right")
        .with_key("rate", |state: &ProgressState, out: &mut dyn fmt::Write| {
            // Infallible, as all writing to strings.
            let _ = write!(out, "{:.0}/s", state.per_sec());
        })
        .progress_chars("=> ");
    let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
    Some(bars.add(bar.with_style(style)))
}

/// A running export.
struct Export<'a> {
    args: &'a Args,
    global: &'a Global,
    config: &'a Config,
    protected: Protected,
    bars: &'a MultiProgress,
    file: Option<&'a Path>,
    stop: Stop,
    bar: Option<ProgressBar>,
    filter: ChangeFilter,
    renderer: Renderer<'a>,
    tally: Tally,
}

impl Export<'_> {
    /// Writes one file.
    fn once(mut self, reader: &mut Reader, out: &mut impl Write) -> anyhow::Result<Exit> {
        let mut target = match self.file {
            Some(path) => Target::replacing(path, &self.protected, &self.config.store)?,
            None => Target::stream(&mut *out),
        };
        let mut container = Container::new(self.args.format).with_bom(self.args.bom);
        let Reading { version, stopped } = self.read(reader, |batch| {
            write_batch(batch, &mut container, &mut target)
        })?;
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        self.tally.close();
        if stopped && let Some(path) = self.file {
            tracing::warn!("stopped by a signal; {} is as it was", path.display());
            return Ok(Exit::Incomplete);
        }
        target.write_all(container.end().as_bytes())?;
        target.finish()?;
        self.tell(version, !stopped, out)?;
        Ok(self.exit(stopped))
    }

    /// Writes messages, until a signal.
    async fn follow(mut self, reader: &mut Reader, out: &mut impl Write) -> anyhow::Result<Exit> {
        let (mut target, mut first) = match self.file {
            Some(path) => Target::appending(path, &self.protected)?,
            None => (Target::stream(&mut *out), true),
        };
        let format = self.args.format;
        loop {
            let newest = reader.last_version()?;
            if self.filter.since.is_none_or(|since| newest > since) {
                let mut messages = Messages {
                    format,
                    any: false,
                    container: Container::message(format, first).with_bom(self.args.bom),
                    records: 0,
                };
                let reading = self.read(reader, |batch| messages.write(batch, &mut target))?;
                messages.end(&mut target)?;
                target.flush()?;
                self.filter.since = Some(reading.version);
                self.renderer.changes = true;
                if messages.any {
                    first = false;
                    let line = self.tally.as_text(reading.version);
                    tracing::info!("so far {line}");
                }
            }
            if self.stop.is_requested() {
                break;
            }
            let stop = self.stop.clone();
            // Either way it is time to look again.
            let _ = tokio::time::timeout(self.args.interval, stop.requested()).await;
            if self.stop.is_requested() {
                break;
            }
        }
        target.finish()?;
        self.tally.close();
        let version = self.filter.since.unwrap_or_default();
        self.tell(version, true, out)?;
        Ok(self.exit(false))
    }

    /// Reads the selected records, and counts and writes each batch.
    fn read(
        &mut self,
        reader: &mut Reader,
        mut write: impl FnMut(&Batch) -> io::Result<()>,
    ) -> anyhow::Result<Reading> {
        let (tally, bar) = (&mut self.tally, &self.bar);
        let reading = pipeline::run(reader, &self.filter, self.renderer, &self.stop, |batch| {
            write(&batch)?;
            tally.add(&batch);
            if let Some(bar) = bar {
                bar.inc(batch.records);
            }
            Ok(())
        });
        reading.map_err(|error| match error {
            PipelineError::Store(error) => error.into(),
            PipelineError::Write(error) => {
                let written = self
                    .file
                    .map_or("standard output".into(), Path::to_string_lossy);
                anyhow::Error::from(error).context(format!("writing {written}"))
            }
        })
    }

    fn exit(&self, stopped: bool) -> Exit {
        if stopped || self.tally.failed() > 0 {
            Exit::Incomplete
        } else {
            Exit::Done
        }
    }

    /// Prints the counts and the next `--since`: as JSON on standard output, if the records go elsewhere.
    fn tell(&self, next: Version, complete: bool, out: &mut impl Write) -> anyhow::Result<()> {
        if self.global.json {
            let line = self
                .tally
                .as_json(self.args.format, self.file, next, complete)
                .to_string();
            if self.file.is_some() {
                writeln!(out, "{line}").context("writing the summary")?;
            } else {
                report::tell(self.bars, &line);
            }
        } else if !self.global.quiet {
            report::tell(self.bars, &self.tally.as_text(next));
        }
        Ok(())
    }
}

/// A sequence of documents or messages, none of them empty.
struct Messages {
    format: ExportFormat,
    /// Whether one was written.
    any: bool,
    container: Container,
    /// The number of records in the present one.
    records: usize,
}

impl Messages {
    fn write(&mut self, batch: &Batch, target: &mut impl Write) -> io::Result<()> {
        write_batch(batch, &mut self.container, target)?;
        self.records += batch.pieces.len();
        if self.records + pipeline::BATCH_RECORDS > MESSAGE_RECORDS {
            self.end(target)?;
            self.records = 0;
        }
        Ok(())
    }

    /// Ends the present message, if it has begun.
    fn end(&mut self, target: &mut impl Write) -> io::Result<()> {
        if !self.container.begun() {
            return Ok(());
        }
        self.any = true;
        let next = Container::message(self.format, false);
        let ended = std::mem::replace(&mut self.container, next);
        target.write_all(ended.end().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::vufind::Command;

    #[test]
    fn messages_are_whole_and_bounded() {
        let records = pipeline::BATCH_RECORDS;
        let batch = Batch {
            bytes: b"#".repeat(records),
            pieces: (1..=records).map(|end| (Command::Add, end)).collect(),
            ..Batch::default()
        };
        for (format, begin, end) in [
            (ExportFormat::Xml, "<records>\n", "</records>\n"),
            (ExportFormat::VufindJson, "{", "}\n"),
            (ExportFormat::VufindXml, "<update>\n", "</update>\n"),
        ] {
            let mut messages = Messages {
                format,
                any: false,
                container: Container::message(format, true),
                records: 0,
            };
            let mut out = Vec::new();
            messages.end(&mut out).unwrap();
            assert_eq!(out, b"", "{format:?}: a message of nothing is none");
            for _ in 0..40 {
                messages.write(&batch, &mut out).unwrap();
            }
            messages.end(&mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            assert_eq!(text.matches('#').count(), 40 * records, "{format:?}");
            let whole: Vec<&str> = text.split_inclusive(end).collect();
            assert_eq!(whole.len(), 3, "{format:?}");
            for message in whole {
                assert!(
                    message.matches('#').count() <= MESSAGE_RECORDS,
                    "{format:?}"
                );
                assert!(
                    message.contains(begin) && message.ends_with(end),
                    "{format:?}"
                );
            }
        }
    }

    #[test]
    fn intervals_are_longer_than_nothing() {
        assert_eq!(some_time("1m"), Ok(Duration::from_secs(60)));
        for text in ["0s", "5", "soon", ""] {
            assert!(some_time(text).is_err(), "{text}");
        }
    }
}
