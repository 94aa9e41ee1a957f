//! `harvestd harvest`: one pass over each source.

mod dry_run;
mod summary;

use std::io::Write;
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use indicatif::MultiProgress;

use super::args::{Global, lower_bound, upper_bound};
use super::exit::{Exit, UsageError};
use super::table::Screen;
use super::{dedup, endings, progress, signals};
use crate::clock::Clock;
use crate::config::{Config, Secrets, source_from_url};
use crate::demo;
use crate::end::End;
use crate::harvest::settings::SourceSettings;
use crate::harvest::{CommitMode, Context, Pace, Place, RunOptions, harvest_all};
use crate::oai::Datestamp;
use crate::stop::stop_switch;
use crate::store::{Store, StoreError};

/// Arguments of `harvest`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  harvestd harvest                             every configured source
  harvestd harvest doaj-articles               one of them
  harvestd harvest https://doaj.org/oai --limit 100
                                               a repository that is not configured
  harvestd harvest doaj-journals --full        list everything again

An interrupted pass resumes where it stopped when the command runs again.")]
pub struct Args {
    /// Names of configured sources, or base URLs; without any, every configured source
    #[arg(value_name = "SOURCE|URL")]
    pub sources: Vec<String>,
    /// The metadata format to ask the URLs for [default: oai_dc]
    #[arg(long, value_name = "PREFIX", requires = "sources")]
    pub prefix: Option<String>,
    /// A set to harvest from the URLs; can be repeated
    #[arg(long = "set", value_name = "SET", requires = "sources")]
    pub sets: Vec<String>,
    /// Only records with datestamps from this day or instant on
    #[arg(long, value_name = "DATE", value_parser = lower_bound)]
    pub from: Option<Datestamp>,
    /// Only records with datestamps up to this day or instant, inclusive
    #[arg(long, value_name = "DATE", value_parser = upper_bound)]
    pub until: Option<Datestamp>,
    /// Stop each source after the page that brings it to N records; the next run resumes
    #[arg(long, value_name = "N")]
    pub limit: Option<NonZeroU64>,
    /// List everything again, not only what changed since the last pass
    #[arg(long, conflicts_with_all = ["from", "until"])]
    pub full: bool,
    /// Go on with sources that wait because a run brought far more records than are known
    #[arg(long, conflicts_with = "dry_run")]
    pub confirm: bool,
    /// Harvest at most N hosts at the same time [default: max_hosts of the configuration]
    #[arg(long, value_name = "N", conflicts_with = "dry_run")]
    pub jobs: Option<NonZeroUsize>,
    /// Ask the repositories, and store nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Harvest a repository inside this program, without network or configuration
    #[arg(long, conflicts_with_all = ["sources", "prefix", "sets"])]
    pub demo: bool,
}

/// Whether an argument that may name a source is a base URL. No source's name has a colon.
pub(crate) fn is_url(text: &str) -> bool {
    text.contains("://")
}

impl Args {
    /// Whether this run needs configured secrets. URLs and the demo need none.
    pub fn secrets(&self) -> Secrets {
        let all_urls = !self.sources.is_empty() && self.sources.iter().all(|text| is_url(text));
        if self.demo || all_urls {
            Secrets::Unread
        } else {
            Secrets::Required
        }
    }

    /// The sources to harvest, in the order of the arguments or of the configuration. Not for the
    /// demo, whose source is its own.
    ///
    /// # Errors
    /// [`UsageError`] or a configuration error if a name is unknown, a URL wrong, a source given
    /// twice, or the arguments do not fit the sources.
    pub fn select(&self, config: &Config) -> anyhow::Result<Vec<SourceSettings>> {
        let contact = config.contact.as_deref();
        let mut selected: Vec<SourceSettings> = Vec::new();
        for text in &self.sources {
            let source = if is_url(text) {
                source_from_url(text, self.prefix.as_deref(), &self.sets, contact)?
            } else {
                if self.prefix.is_some() || !self.sets.is_empty() {
                    return usage(format!(
                        "--prefix and --set are for URLs; source {text} has its own"
                    ));
                }
                config.source(text)?.clone()
            };
            if selected.iter().any(|other| other.name == source.name) {
                return usage(format!("source {} is given twice", source.name));
            }
            selected.push(source);
        }
        if self.sources.is_empty() {
            selected.clone_from(&config.sources);
        }
        if selected.is_empty() {
            return usage(
                "no source is configured; write one into the configuration or give a base URL"
                    .to_owned(),
            );
        }
        for source in &selected {
            let from = self.from.or(source.from);
            let until = self.until.or(source.until);
            if let (Some(from), Some(until)) = (from, until)
                && from > until
            {
                return usage(format!(
                    "source {}: from {from} is after until {until}",
                    source.name
                ));
            }
        }
        Ok(selected)
    }
}

fn usage<T>(message: String) -> anyhow::Result<T> {
    Err(UsageError(message).into())
}

/// The demo repository is part of this program, so that a short pause does.
const DEMO_DELAY: Duration = Duration::from_millis(50);

/// Harvests and writes the summary to `out`, or with `--dry-run` the plan.
///
/// # Errors
/// Wrong usage, and a store that cannot be opened. Failures of a source are in the summary and in the
/// exit status.
pub async fn run(
    args: &Args,
    global: &Global,
    config: &Config,
    bars: &MultiProgress,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let demo = if args.demo {
        Some(
            demo::start()
                .await
                .context("starting the demo repository on a loopback port")?,
        )
    } else {
        None
    };
    let sources = match &demo {
        Some(server) => vec![demo_source(&server.base_url())?],
        None => args.select(config)?,
    };
    let options = RunOptions {
        full: args.full,
        from: args.from,
        until: args.until,
        limit: args.limit.map(NonZeroU64::get),
    };
    let exit = if args.dry_run {
        dry_run::run(&sources, &options, config, global.json, out).await?
    } else {
        harvest_and_report(&sources, &options, args, global, config, bars, out).await?
    };
    if let Some(server) = demo {
        server.shutdown().await;
    }
    Ok(exit)
}

/// The source of a demo repository at `base_url`.
pub(super) fn demo_source(base_url: &str) -> anyhow::Result<SourceSettings> {
    let source = source_from_url(base_url, Some("oai_doaj"), &[], None)?;
    Ok(SourceSettings {
        name: "demo".to_owned(),
        known_as: Some("http://127.0.0.1/the-demo-repository".to_owned()),
        delay: DEMO_DELAY,
        window_records: 1_000,
        ..source
    })
}

async fn harvest_and_report(
    sources: &[SourceSettings],
    options: &RunOptions,
    args: &Args,
    global: &Global,
    config: &Config,
    bars: &MultiProgress,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let is_new = !config.store.exists();
    let context = open_context(config, bars)?;
    if args.confirm {
        for source in sources {
            context
                .store
                .release_growth(&source.name, context.clock.now_ms())?;
        }
    }
    let most_hosts = NonZeroUsize::new(config.daemon.max_hosts).unwrap_or(NonZeroUsize::MIN);
    let jobs = args.jobs.unwrap_or(most_hosts);
    let reports = harvest_all(&context, sources, options, jobs).await;
    let optimized = context.store.optimize();
    // A mistyped address leaves nothing behind.
    for (report, source) in reports.iter().zip(sources) {
        if report.unreached.is_some() && config.source(&source.name).is_err() {
            context.store.remove_source(&source.name)?;
        }
    }
    drop(context);
    let is_stored = !(is_new && Store::discard_empty(&config.store)?);
    if global.json {
        writeln!(out, "{}", summary::as_json(&reports))?;
    } else if !global.quiet {
        let screen = Screen::of_stdout(global);
        out.write_all(summary::as_text(&reports, screen).as_bytes())?;
        if is_stored {
            writeln!(out, "store: {}", config.store.display())?;
        }
    }
    for (report, source) in reports.iter().zip(sources) {
        warn(&report.source, &report.end);
        if report
            .unreached
            .as_ref()
            .is_some_and(|unreached| unreached.has_server)
        {
            let advice = endings::advice(&source.client).await;
            tracing::warn!(source.id = %report.source, "{advice}");
        }
    }
    match optimized {
        // The pass may have read none of the damaged pages.
        Err(error @ StoreError::Damaged { .. }) => return Err(error.into()),
        Err(error) => tracing::warn!("{error}"),
        Ok(()) => {}
    }
    Ok(Exit::after_runs(reports.iter().map(|report| &report.end)))
}

/// Opens the context of a run. From here on a signal stops the run.
///
/// # Errors
/// The store cannot be opened.
pub(super) fn open_context(config: &Config, bars: &MultiProgress) -> anyhow::Result<Context> {
    let (switch, stop) = stop_switch();
    signals::stop_on_signal(switch)?;
    let store = Store::open_and_migrate(&config.store)?;
    dedup::prepare(&store, &config.dedup, Clock::System.now_ms())?;
    Ok(Context {
        store: Arc::new(store),
        clock: Clock::System,
        stop,
        progress: progress::display(bars),
        pace: Pace::default(),
        place: Place::default(),
        commit_mode: CommitMode::default(),
    })
}

/// Logs why a run is not complete.
pub(super) fn warn(source: &str, end: &End) {
    match end {
        End::Complete => {}
        End::GapsLeft(why) | End::Incomplete(why) => {
            tracing::warn!(source.id = %source, "incomplete: {why}")
        }
        End::Failed(why) => tracing::error!(source.id = %source, "failed: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::{Cli, Command};
    use crate::cli::exit::Exit;
    use crate::config::LogFormat;
    use crate::store::Clustering;

    fn args(line: &str) -> Args {
        let words = std::iter::once("harvestd").chain(line.split_whitespace());
        match Cli::try_parse_from(words).unwrap().command {
            Command::Harvest(args) => args,
            other => panic!("{other:?}"),
        }
    }

    fn config(names: &[&str]) -> Config {
        let source = |name: &&str| {
            let mut source =
                source_from_url("https://x.org/oai", Some("oai_doaj"), &[], None).unwrap();
            source.name = (*name).to_owned();
            source.from = Datestamp::parse("2020-01-01").map(|(from, _)| from);
            source
        };
        Config {
            file: None,
            store: "s.db".into(),
            contact: Some("a@b.org".to_owned()),
            log: None,
            log_format: LogFormat::Text,
            include: Vec::new(),
            default_prefix: "oai_dc".to_owned(),
            groups: Vec::new(),
            sources: names.iter().map(source).collect(),
            documents: Default::default(),
            dedup: Clustering::default(),
            enrich: Vec::new(),
            daemon: crate::config::DaemonSettings::default(),
            outputs: Vec::new(),
            exports: Vec::new(),
            warnings: Vec::new(),
            effective: Vec::new(),
        }
    }

    #[test]
    fn arguments_choose_the_sources() {
        let both = config(&["a", "b"]);
        let cases = [
            ("all", "harvest", Ok("a b")),
            ("one", "harvest b", Ok("b")),
            ("order of the arguments", "harvest b a", Ok("b a")),
            (
                "url",
                "harvest https://x.org/oai a",
                Ok("x.org-oai-oai_dc a"),
            ),
            (
                "two urls",
                "harvest https://x.org/oai https://y.org/oai --prefix mods --set s",
                Ok("x.org-oai-mods-s y.org-oai-mods-s"),
            ),
            ("twice", "harvest a a", Err("source a is given twice")),
            (
                "prefix for a name",
                "harvest a --prefix mods",
                Err("--prefix and --set are for URLs; source a has its own"),
            ),
            (
                "unknown",
                "harvest c",
                Err("command line: no source \"c\" is configured; there is a, b"),
            ),
            (
                "bounds that cross",
                "harvest a --until 2019-12-31",
                Err("source a: from 2020-01-01T00:00:00Z is after until 2019-12-31T23:59:59Z"),
            ),
        ];
        for (case, line, expected) in cases {
            let selected = args(line).select(&both).map_err(|error| {
                assert_eq!(Exit::after(&error), Exit::Usage, "{case}");
                error.to_string()
            });
            let names = selected.map(|sources| {
                let names: Vec<String> = sources.into_iter().map(|source| source.name).collect();
                names.join(" ")
            });
            assert_eq!(names.as_deref().map_err(String::as_str), expected, "{case}");
        }
        assert!(args("harvest").select(&config(&[])).is_err());
    }

    #[test]
    fn only_configured_sources_need_secrets() {
        let cases = [
            ("harvest", Secrets::Required),
            ("harvest a https://x.org/", Secrets::Required),
            ("harvest https://x.org/", Secrets::Unread),
            ("harvest --demo", Secrets::Unread),
        ];
        for (line, expected) in cases {
            assert_eq!(args(line).secrets(), expected, "{line}");
        }
    }
}
