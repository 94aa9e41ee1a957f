//! `harvestd sources import`: writes the endpoints of a list as sources into a file of the configuration.

use std::collections::{HashMap, HashSet};
use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::json;
use tokio::task::JoinSet;

use super::exit::{Exit, UsageError};
use super::table::printable;
use crate::config::{Config, Endpoint, Endpoints, endpoints, source_from_url};
use crate::oai::client::Client;
use crate::oai::parse::{Hints, PageLimits, parse};
use crate::oai::request::Verb;
use crate::oai::{Content, Request};

/// Arguments of `sources import`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
The list may be CSV or TSV with column names (url or oai_url; name, prefix, set, group), JSON lines, one
address a line as metha's list, or an export of OpenDOAR, ROAR, re3data or DOAJ. Endpoints that are
configured already are left out. The file is one of those that `include` in the configuration names, such as
include = [\"sources.d/*.toml\"].

Examples:
  harvestd sources import sites.tsv
  harvestd sources import opendoar.csv --group-by country --prefix oai_openaire
  harvestd sources import new.csv --identify      only those that answer")]
pub struct Args {
    /// The list; - for standard input
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub file: PathBuf,
    /// Where the sources are written; new ones are appended [default: sources.d/NAME-OF-THE-LIST.toml beside the
    /// configuration]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub into: Option<PathBuf>,
    /// The metadata format of endpoints for which the list names none [default: the one under `defaults`, or oai_dc]
    #[arg(long, value_name = "PREFIX")]
    pub prefix: Option<String>,
    /// The group of all sources
    #[arg(long, value_name = "GROUP", conflicts_with = "group_by")]
    pub group: Option<String>,
    /// The column whose values become groups, such as country
    #[arg(long, value_name = "COLUMN")]
    pub group_by: Option<String>,
    /// Ask each endpoint to identify itself; leave out those that do not, and those that are one repository
    #[arg(long)]
    pub identify: bool,
    /// Write nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// What became of the endpoints of a list.
#[derive(Debug, Default)]
struct Sorted {
    new: Vec<Endpoint>,
    /// Each with the name of the source that it is already.
    configured: Vec<(Endpoint, String)>,
    /// Those that the list has twice.
    twice: usize,
    skipped: Vec<(usize, String)>,
}

/// Reads the list, writes the sources, and says to `out` what became of each endpoint.
///
/// # Errors
/// Wrong usage, and files that cannot be read or written. A single bad line is none.
pub async fn run(
    args: &Args,
    config: &Config,
    as_json: bool,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let list = read(&args.file)?;
    let mut endpoints = endpoints::read(&list, args.group_by.as_deref())
        .map_err(|why| UsageError(format!("{}: {why}", args.file.display())))?;
    for endpoint in &mut endpoints.found {
        if let Some(group) = &args.group {
            endpoint.group = Some(group.clone());
        }
    }
    let into = match (&args.into, config.file.as_deref().and_then(Path::parent)) {
        (Some(into), _) => into.clone(),
        (None, Some(folder)) => {
            let stem = args.file.file_stem().unwrap_or_default().to_string_lossy();
            let stem = Some(endpoints::slug(&stem)).filter(|stem| !stem.is_empty());
            let stem = stem.unwrap_or_else(|| "imported".to_owned());
            folder.join("sources.d").join(format!("{stem}.toml"))
        }
        (None, None) => {
            let why =
                "there is no configuration file; say with --into where the sources are written";
            return Err(UsageError(why.to_owned()).into());
        }
    };
    let mut sorted = sort(endpoints, config, args.prefix.as_deref());
    if args.identify {
        sorted = identified(sorted, config).await;
    }
    sorted.skipped.sort();
    let mut taken: HashSet<String> = config.sources.iter().map(|s| s.name.clone()).collect();
    let named: Vec<(String, &Endpoint)> = sorted
        .new
        .iter()
        .map(|endpoint| (endpoints::source_name(endpoint, &mut taken), endpoint))
        .collect();
    if !args.dry_run && !named.is_empty() {
        append(&into, &tables(&named, config, args.prefix.as_deref()))?;
    }
    let is_included = config.includes(&into);
    if as_json {
        let added = named
            .iter()
            .map(|(name, endpoint)| json!({ "name": name, "url": endpoint.url, "group": endpoint.group }));
        let configured = sorted
            .configured
            .iter()
            .map(|(endpoint, name)| json!({ "name": name, "url": endpoint.url }));
        let skipped = sorted
            .skipped
            .iter()
            .map(|(line, why)| json!({ "line": line, "why": why }));
        let value = json!({
            "file": into,
            "included": is_included,
            "added": added.collect::<Vec<_>>(),
            "configured": configured.collect::<Vec<_>>(),
            "twice": sorted.twice,
            "skipped": skipped.collect::<Vec<_>>(),
        });
        writeln!(out, "{value}")?;
        return Ok(Exit::Done);
    }
    for (line, why) in &sorted.skipped {
        writeln!(
            out,
            "{}:{line}: skipped: {}",
            args.file.display(),
            printable(why)
        )?;
    }
    let done = if args.dry_run {
        "would be written"
    } else {
        "written"
    };
    writeln!(
        out,
        "{} sources {done} to {}; {} are configured already, {} are twice in the list, {} are skipped",
        named.len(),
        into.display(),
        sorted.configured.len(),
        sorted.twice,
        sorted.skipped.len(),
    )?;
    if !is_included && !named.is_empty() {
        writeln!(
            out,
            "the configuration does not include this file: add include = [\"sources.d/*.toml\"] at its top, with \
             the path of the file"
        )?;
    }
    Ok(Exit::Done)
}

fn read(path: &Path) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut bytes)?;
    } else {
        bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What tells one source from another: its address, its format and its sets.
fn key(url: &str, prefix: &str, sets: &[String]) -> String {
    let mut sets = sets.to_vec();
    sets.sort();
    format!(
        "{} {prefix} {}",
        endpoints::address_key(url),
        sets.join(" ")
    )
}

fn sort(endpoints: Endpoints, config: &Config, prefix: Option<&str>) -> Sorted {
    let configured: HashMap<String, &str> = config
        .sources
        .iter()
        .map(|source| {
            let url = source.client.url.as_str();
            (
                key(url, &source.metadata_prefix, &source.sets),
                source.name.as_str(),
            )
        })
        .collect();
    let mut sorted = Sorted {
        skipped: endpoints.skipped,
        ..Sorted::default()
    };
    let mut seen = HashSet::new();
    let prefix = prefix.unwrap_or(&config.default_prefix);
    for endpoint in endpoints.found {
        let prefix = endpoint.prefix.as_deref().unwrap_or(prefix);
        if let Err(error) = source_from_url(&endpoint.url, Some(prefix), &endpoint.sets, None) {
            let why = error.to_string().replace('\n', "; ");
            sorted.skipped.push((endpoint.line, why));
            continue;
        }
        let key = key(&endpoint.url, prefix, &endpoint.sets);
        if let Some(name) = configured.get(&key) {
            let name = (*name).to_owned();
            sorted.configured.push((endpoint, name));
        } else if seen.insert(key) {
            sorted.new.push(endpoint);
        } else {
            sorted.twice += 1;
        }
    }
    sorted
}

/// Asks the new endpoints to identify themselves, as many hosts at once as are harvested at once.
async fn identified(mut sorted: Sorted, config: &Config) -> Sorted {
    let mut waiting = std::mem::take(&mut sorted.new).into_iter().enumerate();
    let mut tasks = JoinSet::new();
    let mut answers = Vec::new();
    loop {
        while tasks.len() < config.daemon.max_hosts
            && let Some((number, endpoint)) = waiting.next()
        {
            let contact = config.contact.clone();
            tasks.spawn(async move {
                let answer = base_url_by_identify(&endpoint, contact.as_deref()).await;
                (number, endpoint, answer)
            });
        }
        match tasks.join_next().await {
            Some(Ok(answer)) => answers.push(answer),
            Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
            None => break,
        }
    }
    answers.sort_by_key(|(number, ..)| *number);
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (_, endpoint, answer) in answers {
        let line = endpoint.line;
        match answer {
            Err(why) => sorted
                .skipped
                .push((line, format!("{}: {why}", endpoint.url))),
            Ok(base_url) => {
                let key = key(
                    &base_url,
                    endpoint.prefix.as_deref().unwrap_or(""),
                    &endpoint.sets,
                );
                match seen.get(&key) {
                    Some(first) => sorted.skipped.push((
                        line,
                        format!(
                            "{} calls itself {base_url}, as line {first} does",
                            endpoint.url
                        ),
                    )),
                    None => {
                        seen.insert(key, line);
                        sorted.new.push(endpoint);
                    }
                }
            }
        }
    }
    sorted
}

/// The base URL that an endpoint gives itself; its own address if it gives none.
async fn base_url_by_identify(
    endpoint: &Endpoint,
    contact: Option<&str>,
) -> Result<String, String> {
    let settings = source_from_url(&endpoint.url, None, &[], contact);
    let settings = settings.map_err(|error| error.to_string())?;
    let client = Client::new(&settings.client).map_err(|error| error.to_string())?;
    let answer = client.send(&Request::Identify).await;
    let answer = answer.map_err(|error| error.to_string())?;
    let hints = Hints {
        verb: Verb::Identify,
        charset: answer.charset.as_deref(),
        limits: PageLimits::default(),
        redactor: None,
    };
    let response = parse(&answer.body, hints).map_err(|error| error.to_string())?;
    match response.content {
        Content::Identify(identify) => Ok(identify
            .base_url
            .filter(|url| url.contains("://"))
            .unwrap_or_else(|| endpoint.url.clone())),
        _ => Err("it does not answer Identify".to_owned()),
    }
}

/// The tables of the sources, and those of the groups that the configuration lacks.
fn tables(named: &[(String, &Endpoint)], config: &Config, prefix: Option<&str>) -> String {
    let mut text = String::new();
    let mut groups: HashSet<&str> = config.groups.iter().map(String::as_str).collect();
    for (_, endpoint) in named {
        if let Some(group) = endpoint.group.as_deref()
            && groups.insert(group)
        {
            text.push_str(&endpoints::group_table(group));
        }
    }
    for (name, endpoint) in named {
        text.push_str(&endpoints::source_table(name, endpoint, prefix));
    }
    text
}

/// Appends `text` to a file, which is made if it is missing. The file is either as before or whole.
fn append(path: &Path, text: &str) -> anyhow::Result<()> {
    let doing = || format!("writing {}", path.display());
    let before = match std::fs::read_to_string(path) {
        Ok(before) => before,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            "# Sources of a list, written by harvestd sources import. Edit them as you like.\n"
                .to_owned()
        }
        Err(error) => return Err(error).with_context(doing),
    };
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).with_context(doing)?;
    let mut file = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder)
        .with_context(doing)?;
    file.write_all(before.as_bytes()).with_context(doing)?;
    file.write_all(text.as_bytes()).with_context(doing)?;
    file.as_file().sync_all().with_context(doing)?;
    file.persist(path).with_context(doing)?;
    Ok(())
}
