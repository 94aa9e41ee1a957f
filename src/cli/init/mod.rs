//! `harvestd init`: writes a first configuration.
//!
//! - `starter`: its text
//! - `repository`: a source from what its repository answers
//! - `vufindharvest`: sources from an `oai.ini`
//! - `metha`: sources and records from the files of metha

mod metha;
mod repository;
mod starter;
mod vufindharvest;

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use indicatif::MultiProgress;
use serde_json::json;

use self::starter::StarterSource;
use super::args::Global;
use super::endings;
use super::exit::{Exit, UsageError};
use super::harvest::{is_url, open_context};
use super::identify::survey::survey;
use crate::clock::Clock;
use crate::config::{self, Config, Environment, Overrides, Secrets, init_path, source_from_url};
use crate::end::End;
use crate::harvest::{RunOptions, first_contact, harvest};
use crate::oai::Datestamp;
use crate::oai::client::Client;
use crate::store::Traits;

/// Arguments of `init`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Writes a commented configuration, checks it, and says the next command. The file is that of --config, or
~/.config/harvestd/harvestd.toml; for root, /etc/harvestd/harvestd.toml. A file that exists is never changed.

With a URL, format, sets, granularity and size come from what the repository answers to four requests.

--from oai.ini reads the configuration of vufindharvest: each option becomes a key, or a comment with the reason
why it has none. Passwords go to files of their own beside the configuration.

--from metha reads the files of metha in DIR (METHA_DIR, ~/.cache/metha or ~/.metha) and stores their records, without
a request. The next run lists each repository once, since metha does not prove what it has.

Examples:
  harvestd init
  harvestd init https://journals.example.org/index.php/index/oai
  harvestd init https://doaj.org/oai.article --stdout >> /etc/harvestd/harvestd.toml
  harvestd init --from local/harvest/oai.ini
  harvestd init --from metha ~/.cache/metha")]
pub struct Args {
    /// A base URL; with --from metha, a folder
    #[arg(value_name = "URL|DIR")]
    pub place: Option<String>,
    /// Take the sources from another program: an oai.ini of vufindharvest, or metha
    #[arg(long, value_name = "FILE|metha")]
    pub from: Option<String>,
    /// The metadata format [default: oai_doaj if there, else oai_dc]
    #[arg(long, value_name = "PREFIX", conflicts_with = "from")]
    pub prefix: Option<String>,
    /// Write the tables of the sources to standard output, and no file
    #[arg(long)]
    pub stdout: bool,
}

/// A repository that does not answer for so long is not surveyed.
const PATIENCE: Duration = Duration::from_secs(8);

/// Writes the configuration.
///
/// # Errors
/// If there is a configuration already, the repository does not answer, or what is to be read cannot be read.
pub async fn run(
    args: &Args,
    global: &Global,
    bars: &MultiProgress,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let path = init_path(&global.overrides(), &Environment::of_process())?;
    if path.exists() && !args.stdout {
        let url = args.place.as_deref().filter(|place| is_url(place));
        let message = match url {
            Some(url) => format!(
                "{} exists, and was not changed. To add a source: harvestd init {url} --stdout >> {0}",
                path.display()
            ),
            None => format!("{} exists, and was not changed", path.display()),
        };
        return Err(UsageError(message).into());
    }
    let (sources, endpoints) = match (args.from.as_deref(), args.place.as_deref()) {
        (Some("metha"), folder) => {
            let folder = folder.map_or_else(metha_folder, |folder| Ok(PathBuf::from(folder)))?;
            let endpoints = metha::endpoints(&folder)?;
            let sources = { endpoints.iter() }.map(|one| one.source.clone()).collect();
            (sources, endpoints)
        }
        (Some(file), None) => (of_vufindharvest(Path::new(file))?, Vec::new()),
        (Some(_), Some(place)) => {
            let message = format!("--from FILE has its own sources; leave out {place}");
            return Err(UsageError(message).into());
        }
        (None, Some(url)) => (
            vec![of_repository(url, args.prefix.as_deref()).await?],
            Vec::new(),
        ),
        (None, None) => (Vec::new(), Vec::new()),
    };
    if args.stdout {
        out.write_all(starter::tables(&sources).as_bytes())?;
        return Ok(Exit::Done);
    }
    write_files(&path, &sources)?;
    let config = checked(&path, global)?;
    let imported = import(endpoints, &config, bars).await?;
    let next = next_command(&sources, &path, global);
    if global.json {
        let sources: Vec<&str> = config
            .sources
            .iter()
            .map(|source| source.name.as_str())
            .collect();
        let value = json!({
            "config": path, "store": config.store, "sources": sources,
            "records": imported.as_ref().map(|one| one.records), "next": next,
        });
        writeln!(out, "{value}")?;
    } else {
        writeln!(out, "{}: written and checked", path.display())?;
        if let Some(imported) = &imported {
            writeln!(
                out,
                "{} records of metha are in {}",
                imported.records,
                config.store.display()
            )?;
        }
        writeln!(out, "next: {next}")?;
    }
    Ok(match imported {
        Some(imported) if !imported.complete => Exit::Incomplete,
        _ => Exit::Done,
    })
}

fn metha_folder() -> anyhow::Result<PathBuf> {
    if let Some(folder) = std::env::var_os("METHA_DIR") {
        return Ok(folder.into());
    }
    let home = std::env::var_os("HOME").map(PathBuf::from);
    { home.into_iter() }
        .flat_map(|home| [".cache/metha", ".metha"].map(|folder| home.join(folder)))
        .find(|folder| folder.is_dir())
        .context("there is no folder of metha: name it after --from metha")
}

fn of_vufindharvest(file: &Path) -> anyhow::Result<Vec<StarterSource>> {
    let reading = || format!("reading {}", file.display());
    let bytes = std::fs::read(file).with_context(reading)?;
    vufindharvest::sources(&String::from_utf8_lossy(&bytes))
        .map_err(anyhow::Error::msg)
        .with_context(reading)
}

async fn of_repository(url: &str, prefix: Option<&str>) -> anyhow::Result<StarterSource> {
    if !is_url(url) {
        let message = format!("{url:?} is not a URL; it must begin with http:// or https://");
        return Err(UsageError(message).into());
    }
    let mut settings = source_from_url(url, prefix, &[], None)?;
    settings.client.timeouts.connect = PATIENCE;
    let client = Client::new(&settings.client)?;
    if let Some(unreached) = first_contact(&client, &settings).await {
        if unreached.has_server {
            let advice = endings::advice(&settings.client).await;
            bail!("{}; {advice}", unreached.why);
        }
        bail!("{}", unreached.why);
    }
    let now = || Clock::System.now_seconds();
    let survey = survey(&client, &settings, prefix, now).await;
    Ok(repository::source(&settings.client.url, &survey, prefix))
}

/// Writes the configuration and the files with secrets.
fn write_files(path: &Path, sources: &[StarterSource]) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(Path::new(""));
    if !folder.as_os_str().is_empty() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("creating the folder {}", folder.display()))?;
    }
    for (name, secret) in sources.iter().flat_map(|source| &source.secrets) {
        write_new(&folder.join(name), &format!("{secret}\n"), 0o600)?;
    }
    let mode = match sources.iter().any(|source| source.has_secret) {
        true => 0o600,
        false => 0o644,
    };
    write_new(path, &starter::configuration(sources), mode)
}

fn write_new(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    let written = options
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.with_context(|| format!("writing {}", path.display()))
}

/// The new configuration, as all other commands read it.
fn checked(path: &Path, global: &Global) -> anyhow::Result<Config> {
    let overrides = Overrides {
        config: Some(path.to_owned()),
        ..global.overrides()
    };
    config::load(&overrides, &Environment::of_process(), Secrets::Reported).with_context(|| {
        format!(
            "{} was written, but it is not valid yet; correct it",
            path.display()
        )
    })
}

fn next_command(sources: &[StarterSource], path: &Path, global: &Global) -> String {
    let config = match global.config.is_some() || std::env::var_os("HARVESTD_CONFIG").is_some() {
        true => format!(" --config {}", path.display()),
        false => String::new(),
    };
    match sources.is_empty() {
        true => format!(
            "write your sources into {}, then: harvestd check-config{config}",
            path.display()
        ),
        false => format!("harvestd harvest{config}"),
    }
}

/// What was taken over from files.
struct Imported {
    records: u64,
    complete: bool,
}

/// Stores the records of metha's files. No watermark moves: metha does not know what the repository has proven.
async fn import(
    endpoints: Vec<metha::Endpoint>,
    config: &Config,
    bars: &MultiProgress,
) -> anyhow::Result<Option<Imported>> {
    if endpoints.is_empty() {
        return Ok(None);
    }
    let context = open_context(config, bars)?;
    // A part of the repository moves no watermark.
    let options = RunOptions {
        from: Some(Datestamp::from_unix(0)),
        ..RunOptions::default()
    };
    let mut imported = Imported {
        records: 0,
        complete: true,
    };
    for endpoint in endpoints {
        let mut settings = config.source(&endpoint.source.name)?.clone();
        settings.delay = Duration::ZERO;
        settings.retries = 0;
        settings.window_records = u64::MAX;
        let files = metha::Files::new(endpoint.files, context.clock.clone());
        let report = harvest(&context, &files, &settings, &options).await;
        imported.records += report.counts.new + report.counts.changed;
        match &report.end {
            End::Complete => {}
            End::GapsLeft(why) | End::Incomplete(why) | End::Failed(why) => {
                imported.complete = false;
                tracing::warn!(source.id = %settings.name, "not all records were taken over: {why}");
            }
        }
        // What the files have taught is true of metha, not of the repository.
        if let Some(source) = context.store.source(&settings.name)? {
            context.store.set_traits(source.id, &Traits::default())?;
        }
    }
    Ok(Some(imported))
}
