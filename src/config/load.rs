//! Puts the configuration together: finds the file, overlays the environment, checks everything.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::DaemonSettings;
use super::checked::{self, Common, Findings, Reader, Table};
use super::documents;
use super::env::{self, Environment};
use super::export;
use super::keys;
use super::output;
use super::paths;
use super::problem::{ConfigError, Origin, Problem};
use super::raw::{self, Entry, Layer, Raw, Value};
use super::secret;
use super::values;
use crate::harvest::settings::SourceSettings;
use crate::output::enrich::{self, Part};
use crate::output::export::settings::ExportSettings;
use crate::output::solr::settings::SolrSettings;
use crate::output::vufind::DocumentOptions;
use crate::schedule::{DeliverySchedule, Schedule};
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
    /// The sources, in the order of the file; names are unique.
    pub sources: Vec<SourceSettings>,
    /// The options of catalogue documents, for commands and answers that belong to no output.
    pub documents: DocumentOptions,
    /// How records are clustered; the order of sources is that of the file unless it says another.
    pub dedup: Clustering,
    /// What documents of works take from other records than the one that stands for the work.
    pub enrich: Vec<Part>,
    /// When the daemon harvests each of them, by name.
    pub schedules: BTreeMap<String, Schedule>,
    /// What the daemon itself is told.
    pub daemon: DaemonSettings,
    /// The outputs, in the order of the file; names are unique.
    pub outputs: Vec<SolrSettings>,
    /// When the daemon pushes to each of them, by name.
    pub push_schedules: BTreeMap<String, DeliverySchedule>,
    /// The files that the daemon writes and when, in the order of the file; names are unique.
    pub exports: Vec<(ExportSettings, DeliverySchedule)>,
    /// What is no error but should be logged once.
    pub warnings: Vec<Problem>,
}

impl Config {
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
            &Raw::empty(),
            &overrides,
            &environment,
            Secrets::Unread,
            findings,
        )
        .expect("nothing is no wrong configuration")
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
    pub fn output(&self, name: &str) -> Result<&SolrSettings, ConfigError> {
        if let Some(output) = self.outputs.iter().find(|output| output.name == name) {
            return Ok(output);
        }
        let names = self.outputs.iter().map(|output| output.name.as_str());
        Err(self.unknown("output", name, names.collect()))
    }

    fn unknown(&self, what: &str, name: &str, names: Vec<&str>) -> ConfigError {
        let hint = match keys::nearest(name, names.iter().copied()) {
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
    let (path, raw, open_to_all) = match found {
        None => (None, Raw::empty(), false),
        Some((path, mut file)) => {
            let open_to_all = secret::readable_by_all(&file);
            let mut text = String::new();
            file.read_to_string(&mut text)
                .map_err(|error| unreadable(&path, error))?;
            match raw::parse(&path, &text, &mut findings.problems) {
                Some(raw) => (Some(path), raw, open_to_all),
                None => return Err(ConfigError::Invalid(findings.problems)),
            }
        }
    };
    if open_to_all {
        findings.warnings.extend(written_secrets(&raw));
    }
    check(path, &raw, overrides, environment, secrets, findings)
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

/// A warning for each secret that stands in a file which every user can read.
fn written_secrets(raw: &Raw) -> Vec<Problem> {
    let mut warnings = Vec::new();
    let sources = raw.sources.iter().map(|table| (table, true));
    let outputs = raw.outputs.iter().map(|table| (table, false));
    let daemon = [(&raw.daemon, true)];
    for (table, is_source) in sources.chain(outputs).chain(daemon) {
        for key in ["api_key", "password", "bearer", "token"] {
            if let Some(entry) = table.entries.get(key) {
                let message = "every user of this machine can read this file; chmod o-r would end \
                               that";
                let name = table.text("name").map(str::to_owned);
                warnings.push(Problem {
                    source: name.clone().filter(|_| is_source),
                    output: name.filter(|_| !is_source),
                    ..Problem::new(entry.origin.clone(), message).of_key(key)
                });
            }
        }
    }
    warnings
}

fn check(
    file: Option<PathBuf>,
    raw: &Raw,
    overrides: &Overrides,
    environment: &Environment,
    secrets: Secrets,
    mut findings: Findings,
) -> Result<Config, ConfigError> {
    let variables = env::layers(
        environment,
        raw,
        &mut findings.problems,
        &mut findings.warnings,
    );
    let directory = file
        .as_deref()
        .and_then(Path::parent)
        .unwrap_or(Path::new(""));
    let mut top = Top {
        layers: [&variables.top, &raw.top],
        findings: &mut findings,
    };
    let written_store = top.read("store", |entry| {
        let path = values::text(&entry.value)?;
        Ok(match entry.origin {
            Origin::File { .. } => directory.join(path),
            Origin::Variable(_) | Origin::Program => PathBuf::from(path),
        })
    });
    let contact = top.read("contact", |entry| values::contact(&entry.value));
    let log = top.read("log", |entry| {
        let filter = values::text(&entry.value)?;
        values::log_filter(&filter)?;
        Ok(filter)
    });
    let log_format = top.read("log_format", |entry| {
        match values::text(&entry.value)?.as_str() {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            other => Err(format!("{other:?} is neither \"text\" nor \"json\"")),
        }
    });
    if let Some(contact) = &contact {
        warn_of_blocked_contact(contact, &mut top);
    }
    let credentials_directory = environment.path("CREDENTIALS_DIRECTORY");
    let common = Common {
        directory,
        credentials_directory: credentials_directory.as_deref(),
        secrets,
        contact: contact.as_deref(),
    };
    checked::defaults(&common, &raw.defaults, &mut findings);
    let mut sources = Vec::new();
    let mut schedules = BTreeMap::new();
    for (written, variables) in raw.sources.iter().zip(&variables.sources) {
        let layers = [variables, written, &raw.defaults];
        if let Some((source, schedule)) = checked::source(&common, layers, &mut findings) {
            schedules.insert(source.name.clone(), schedule);
            sources.push(source);
        }
    }
    let daemon = checked::daemon(&common, [&variables.daemon, &raw.daemon], &mut findings);
    let none = Layer::empty();
    let layers = [&none, &none, &raw.vufind];
    let mut reader = Reader::new(&common, layers, Table::Output, &mut findings);
    let documents = documents::read(&mut reader).into();
    let (dedup, enrich) = clustering(raw, &mut findings);
    find_duplicates("source", &raw.sources, &mut findings);
    let source_names: Vec<&str> = raw
        .sources
        .iter()
        .filter_map(|source| source.text("name"))
        .collect();
    let mut outputs = Vec::new();
    for (written, variables) in raw.outputs.iter().zip(&variables.outputs) {
        let layers = [variables, written, &raw.vufind];
        outputs.extend(output::output(
            &common,
            layers,
            &source_names,
            dedup.enabled,
            &enrich,
            &mut findings,
        ));
    }
    find_duplicates("output", &raw.outputs, &mut findings);
    let mut push_schedules = BTreeMap::new();
    for (written, variables) in raw.outputs.iter().zip(&variables.outputs) {
        let layers = [variables, written];
        push_schedules.extend(export::push_schedule(&common, layers, &mut findings));
    }
    let mut exports = Vec::new();
    for (written, variables) in raw.exports.iter().zip(&variables.exports) {
        exports.extend(export::export(
            &common,
            [variables, written, &raw.vufind],
            &source_names,
            dedup.enabled.then_some(&enrich),
            &mut findings,
        ));
    }
    find_duplicates("export", &raw.exports, &mut findings);

    if !findings.problems.is_empty() {
        findings.problems.sort();
        findings.problems.dedup();
        return Err(ConfigError::Invalid(findings.problems));
    }
    let store = overrides.store.clone().or(written_store);
    let store = match store.or_else(|| paths::default_store(environment, file.as_deref())) {
        Some(store) => store,
        None => return Err(ConfigError::NoStore),
    };
    Ok(Config {
        file,
        store,
        contact,
        log,
        log_format: log_format.unwrap_or_default(),
        sources,
        documents,
        dedup,
        enrich,
        schedules,
        daemon,
        outputs,
        push_schedules,
        exports,
        warnings: findings.warnings,
    })
}

/// Reads the keys before the first table.
struct Top<'a> {
    layers: [&'a Layer; 2],
    findings: &'a mut Findings,
}

impl Top<'_> {
    fn entry(&self, key: &str) -> Option<&Entry> {
        self.layers.iter().find_map(|layer| layer.entries.get(key))
    }

    fn read<T>(&mut self, key: &str, parse: impl FnOnce(&Entry) -> Result<T, String>) -> Option<T> {
        let entry = self.entry(key)?;
        match parse(entry) {
            Ok(value) => Some(value),
            Err(message) => {
                let problem = Problem::new(entry.origin.clone(), message).of_key(key);
                self.findings.problems.push(problem);
                None
            }
        }
    }
}

/// DOAJ, for one, answers 403 to a User-Agent in which `bot` or `spider` occurs, and the contact is
/// a part of it.
fn warn_of_blocked_contact(contact: &str, top: &mut Top<'_>) {
    let lower = contact.to_ascii_lowercase();
    if let Some(word) = ["bot", "spider"]
        .into_iter()
        .find(|word| lower.contains(word))
        && let Some(entry) = top.entry("contact")
    {
        let message = format!(
            "holds {word:?}, for which some repositories (DOAJ is one) refuse every request"
        );
        let warning = Problem::new(entry.origin.clone(), message).of_key("contact");
        top.findings.warnings.push(warning);
    }
}

/// How records are clustered, and what documents of works take from other records.
fn clustering(raw: &Raw, findings: &mut Findings) -> (Clustering, Vec<Part>) {
    let written = &raw.dedup;
    let mut table = Top {
        layers: [written, written],
        findings,
    };
    let enabled = table.read("enabled", |entry| values::truth(&entry.value));
    let order = table.read("sources", |entry| values::texts(&entry.value));
    let enrich = table.read("enrich", |entry| match &entry.value {
        Value::Text(text) => enrich::parts(text),
        list => {
            let names = values::texts(list)?;
            enrich::parts(&names.join(","))
        }
    });
    let names: Vec<&str> = raw
        .sources
        .iter()
        .filter_map(|source| source.text("name"))
        .collect();
    if let Some(entry) = written.entries.get("sources") {
        // It may be in the store from earlier times, so this is no error.
        for name in order.iter().flatten() {
            if !names.contains(&name.as_str()) {
                let hint = keys::nearest(name, names.iter().copied())
                    .map_or(String::new(), |meant| format!("; did you mean {meant}?"));
                let message = format!("no source {name:?} is configured{hint}");
                let warning = Problem::new(entry.origin.clone(), message).of_key("sources");
                table.findings.warnings.push(warning);
            }
        }
    }
    let clustering = Clustering {
        enabled: enabled.unwrap_or(false),
        sources: order.unwrap_or_else(|| names.iter().map(|name| (*name).to_owned()).collect()),
    };
    (clustering, enrich.unwrap_or_default())
}

fn find_duplicates(what: &str, tables: &[Layer], findings: &mut Findings) {
    for (index, table) in tables.iter().enumerate() {
        let (Some(entry), Some(name)) = (table.entries.get("name"), table.text("name")) else {
            continue;
        };
        let first = tables[..index]
            .iter()
            .find(|other| other.text("name") == Some(name));
        if let Some(first) = first {
            let message = format!("the {what} at {} has this name already", first.origin);
            let named = |wanted: &str| (what == wanted).then(|| name.to_owned());
            findings.problems.push(Problem {
                source: named("source"),
                output: named("output"),
                ..Problem::new(entry.origin.clone(), message).of_key("name")
            });
        }
    }
}
