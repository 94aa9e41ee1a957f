//! Loads the configuration: finds the file, puts the environment's values in place, checks everything.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::build::Builder;
use super::daemon::DaemonSettings;
use super::effective::{self, EffectiveTable};
use super::environment::{self, Environment};
use super::file::{self, Tables};
use super::include;
use super::key::{Scope, nearest};
use super::keys;
use super::paths;
use super::problem::{ConfigError, Origin, Problem};
use super::reader::{Context, Findings};
use super::secrets;
use crate::files::Protected;
use crate::harvest::settings::SourceSettings;
use crate::output::OutputSettings;
use crate::output::enrich::Part;
use crate::output::export::settings::ExportSettings;
use crate::output::vufind::DocumentOptions;
use crate::store::Clustering;

/// The checked configuration. Its `Debug` shows no secret.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The file that it came from; `None` if there was none, which is no fault.
    pub file: Option<PathBuf>,
    /// The store's database file.
    pub store: PathBuf,
    /// Mail address or URL for the User-Agent. Every source's client settings have it too.
    pub contact: Option<String>,
    /// What to log, as a filter of `tracing-subscriber`.
    pub log: Option<String>,
    /// How log lines look.
    pub log_format: LogFormat,
    /// `include`: the patterns of further files.
    pub include: Vec<String>,
    /// The metadata format of a source that names none.
    pub default_prefix: String,
    /// The names of the groups of sources.
    pub groups: Vec<String>,
    /// The sources, in the order of the file; names are unique.
    pub sources: Vec<SourceSettings>,
    /// The options of catalogue documents, for commands and answers that belong to no output.
    pub documents: DocumentOptions,
    /// How records are clustered; the order of sources is that of the file unless it says another.
    pub dedup: Clustering,
    /// What documents of works take from other records than the one that stands for the work.
    pub enrich: Vec<Part>,
    /// What the daemon itself is told.
    pub daemon: DaemonSettings,
    /// The outputs, in the order of the file; names are unique.
    pub outputs: Vec<OutputSettings>,
    /// The files that the daemon writes, in the order of the file; names are unique.
    pub exports: Vec<ExportSettings>,
    /// What is no error but should be logged once.
    pub warnings: Vec<Problem>,
    /// Every key with its value and where that comes from, for people.
    pub effective: Vec<EffectiveTable>,
}

impl Config {
    /// The files that commands and exports must not write over: those of the store, this configuration,
    /// and the files of all exports but `export`.
    pub(crate) fn protected(&self, export: Option<&str>) -> Protected {
        let mut protected = Protected::of_store(&self.store);
        if let Some(file) = &self.file {
            protected = protected.and(file, "the configuration");
        }
        for settings in &self.exports {
            if export != Some(settings.name.as_str()) {
                let what = format!("the file of the export {}", settings.name);
                protected = protected.and(&settings.path, what);
            }
        }
        protected
    }

    /// One for tests, in which nothing is configured.
    #[cfg(test)]
    pub(crate) fn bare(store: impl Into<PathBuf>) -> Self {
        let overrides = Overrides {
            config: None,
            store: Some(store.into()),
            ..Overrides::default()
        };
        let (environment, findings) = (Environment::default(), Findings::default());
        check(
            None,
            Tables::empty(),
            &overrides,
            &environment,
            Secrets::Unread,
            findings,
        )
        .expect("nothing is no wrong configuration")
    }

    /// Whether the configuration reads the sources in this file.
    pub fn includes(&self, file: &Path) -> bool {
        let directory = self.file.as_deref().and_then(Path::parent);
        self.file.as_deref() == Some(file)
            || directory.is_some_and(|directory| {
                let mut patterns = self.include.iter();
                patterns.any(|pattern| include::names(directory, pattern, file))
            })
    }

    /// The source of this name.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with the names that there are.
    pub fn source(&self, name: &str) -> Result<&SourceSettings, ConfigError> {
        if let Some(source) = self.sources.iter().find(|source| source.name == name) {
            return Ok(source);
        }
        let names = self.sources.iter().map(|source| source.name.as_str());
        Err(self.unknown("source", name, names.collect()))
    }

    /// The output of this name.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with the names that there are.
    pub fn output(&self, name: &str) -> Result<&OutputSettings, ConfigError> {
        if let Some(output) = self.outputs.iter().find(|output| output.name == name) {
            return Ok(output);
        }
        let names = self.outputs.iter().map(|output| output.name.as_str());
        Err(self.unknown("output", name, names.collect()))
    }

    fn unknown(&self, what: &str, name: &str, names: Vec<&str>) -> ConfigError {
        let hint = match nearest(name, names.iter().copied()) {
            Some(meant) => format!("did you mean {meant}?"),
            None if names.is_empty() => match &self.file {
                Some(file) => format!("{} has none", file.display()),
                None => "there is no configuration file".to_owned(),
            },
            None => format!("there is {}", names.join(", ")),
        };
        let message = format!("no {what} {name:?} is configured; {hint}");
        ConfigError::Invalid(vec![Problem::new(Origin::Program, message)])
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object in each line.
    Json,
}

/// What to do about secrets that are kept in files or systemd credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// Read them; one that cannot be read is an error.
    Required,
    /// Read them; one that cannot be read is a warning. For checks outside the service.
    Reported,
    /// Leave them alone. For commands that ask no repository, whose user may not read them.
    Unread,
}

/// What the command line says about the configuration.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--store`.
    pub store: Option<PathBuf>,
    /// Without `--config`, no file is looked for: for the demo, which must work also where the
    /// user's own configuration cannot be used.
    pub ignore_usual_places: bool,
}

/// Finds, reads and checks the configuration.
///
/// A file that the command line or `HARVESTD_CONFIG` names must be there; without one, the usual
/// places are looked at (unless the command line is to ignore them), and none there means no
/// sources.
///
/// # Errors
/// [`ConfigError`], with every fault of the file and the environment.
pub fn load(
    overrides: &Overrides,
    environment: &Environment,
    secrets: Secrets,
) -> Result<Config, ConfigError> {
    let found = match (&overrides.config, overrides.ignore_usual_places) {
        (Some(path), _) => Some((path.clone(), open(path)?)),
        (None, true) => None,
        (None, false) => match environment.config() {
            Some(path) => {
                let file = open(&path)?;
                Some((path, file))
            }
            None => find(environment)?,
        },
    };
    let mut findings = Findings::default();
    let (path, tables) = match found {
        None => (None, Tables::empty()),
        Some((path, mut file)) => {
            let open_to_all = secrets::readable_by_all(&file);
            let mut text = String::new();
            file.read_to_string(&mut text)
                .map_err(|error| unreadable(&path, error))?;
            let Some(mut tables) = file::parse(&path, &text, &mut findings.problems) else {
                return Err(ConfigError::Invalid(findings.problems));
            };
            if open_to_all {
                findings.warnings.extend(written_secrets(&tables));
            }
            include(&path, &mut tables, &mut findings)?;
            (Some(path), tables)
        }
    };
    check(path, tables, overrides, environment, secrets, findings)
}

/// The first file of the usual places. One that is there and cannot be read is an error: going on
/// without it would harvest something else than its author wanted.
fn find(environment: &Environment) -> Result<Option<(PathBuf, File)>, ConfigError> {
    for path in paths::config_candidates(environment) {
        match File::open(&path) {
            Ok(file) => return Ok(Some((path, file))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(unreadable(&path, error)),
        }
    }
    Ok(None)
}

fn open(path: &Path) -> Result<File, ConfigError> {
    File::open(path).map_err(|error| unreadable(path, error))
}

fn unreadable(path: &Path, error: std::io::Error) -> ConfigError {
    ConfigError::Unreadable {
        path: path.to_owned(),
        error,
    }
}

/// Adds the tables of the files that `include` names.
fn include(path: &Path, tables: &mut Tables, findings: &mut Findings) -> Result<(), ConfigError> {
    let directory = path.parent().unwrap_or(Path::new(""));
    let top = tables.one(Scope::Top);
    let patterns = top.entries.get(keys::INCLUDE.row.name);
    // What is wrong with the value itself is found later.
    let patterns = patterns.and_then(|entry| (keys::INCLUDE.read)(&entry.value).ok());
    for pattern in patterns.unwrap_or_default() {
        let files = include::files(directory, &pattern)
            .map_err(|error| unreadable(&directory.join(&pattern), error))?;
        for path in files {
            let mut file = open(&path)?;
            let mut text = String::new();
            file.read_to_string(&mut text)
                .map_err(|error| unreadable(&path, error))?;
            let Some(included) = file::parse(&path, &text, &mut findings.problems) else {
                return Err(ConfigError::Invalid(std::mem::take(&mut findings.problems)));
            };
            if secrets::readable_by_all(&file) {
                findings.warnings.extend(written_secrets(&included));
            }
            tables.include(included, &mut findings.problems);
        }
    }
    Ok(())
}

/// A warning for each secret that stands in a file which every user can read.
fn written_secrets(tables: &Tables) -> Vec<Problem> {
    let message = "every user of this machine can read this file; to change that: chmod o-r";
    let secrets = tables.iter().flat_map(|table| {
        let secrets = table.secrets();
        secrets.map(|(key, _)| table.problem(key, message))
    });
    secrets.collect()
}

fn check(
    file: Option<PathBuf>,
    mut tables: Tables,
    overrides: &Overrides,
    environment: &Environment,
    secrets: Secrets,
    mut findings: Findings,
) -> Result<Config, ConfigError> {
    environment::overlay(environment, &mut tables, &mut findings);
    findings.problems.extend(tables.faults());
    let directory = file.as_deref().and_then(Path::parent);
    let credentials_directory = environment.path("CREDENTIALS_DIRECTORY");
    let context = Context {
        directory: directory.unwrap_or(Path::new("")),
        credentials_directory: credentials_directory.as_deref(),
        secrets,
    };
    let mut builder = Builder {
        context: &context,
        tables: &tables,
        findings: &mut findings,
    };
    let top = builder.single(Scope::Top);
    let written_store = top.path(&keys::STORE);
    let contact = top.get(&keys::CONTACT);
    let log = top.get(&keys::LOG);
    let log_format = top.get(&keys::LOG_FORMAT);
    let include = top.get(&keys::INCLUDE);
    let default_prefix = builder.single(Scope::Defaults).get(&keys::METADATA_PREFIX);
    let groups = tables.names(Scope::Group);
    let mut sources = builder.sources(contact.as_deref());
    let (dedup, enrich) = builder.dedup();
    let daemon = builder.daemon(contact.as_deref(), &dedup);
    if let Some(oai) = &daemon.oai {
        for source in &mut sources {
            source.reads_set_names = oai.filter.shows(&source.name);
        }
    }
    let documents = builder.documents();
    let outputs = builder.outputs(&dedup, &enrich);
    let exports = builder.exports(&dedup, &enrich);

    // A value that several tables share is looked at once for each.
    findings.problems.sort();
    findings.problems.dedup();
    findings.warnings.sort();
    findings.warnings.dedup();
    if !findings.problems.is_empty() {
        return Err(ConfigError::Invalid(findings.problems));
    }
    let store = overrides.store.clone().or(written_store);
    let store = match store.or_else(|| paths::default_store(environment, file.as_deref())) {
        Some(store) => store,
        None => return Err(ConfigError::NoStore),
    };
    Ok(Config {
        effective: effective::tables(&context, &tables),
        file,
        store,
        contact,
        log,
        log_format,
        include,
        default_prefix,
        groups: groups.into_iter().map(str::to_owned).collect(),
        sources,
        documents,
        dedup,
        enrich,
        daemon,
        outputs,
        exports,
        warnings: findings.warnings,
    })
}
