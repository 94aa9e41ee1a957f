//! From what is written to the checked settings of one source.

use std::path::{Path, PathBuf};

use super::DaemonSettings;
use super::credentials;
use super::load::Secrets;
use super::problem::{Origin, Problem};
use super::raw::{Entry, Layer, Value};
use super::values;
use crate::harvest::settings::SourceSettings;
use crate::http::{ClientSettings, Limits, Timeouts};
use crate::oai::parse::PageLimits;
use crate::schedule::{Hours, Schedule, ticks};

/// What every source of one load has in common.
pub(crate) struct Common<'a> {
    /// The directory that relative paths of the file start from.
    pub(crate) directory: &'a Path,
    /// `$CREDENTIALS_DIRECTORY`.
    pub(crate) credentials_directory: Option<&'a Path>,
    /// What to do about secrets kept elsewhere.
    pub(crate) secrets: Secrets,
    /// The key `contact`.
    pub(crate) contact: Option<&'a str>,
}

/// Faults found so far.
#[derive(Default)]
pub(crate) struct Findings {
    /// What makes the configuration unusable.
    pub(crate) problems: Vec<Problem>,
    /// What does not, but should be known.
    pub(crate) warnings: Vec<Problem>,
}

/// Reads one source's keys through the layers that may give them, and collects what is wrong.
pub(crate) struct Reader<'a> {
    common: &'a Common<'a>,
    /// Best first: environment, `[[source]]`, `[defaults]`.
    layers: [&'a Layer; 3],
    table: Table,
    /// The table's name, if it has one.
    name: Option<String>,
    findings: &'a mut Findings,
    /// The key that a secret was first found under.
    secret_key: Option<&'static str>,
}

/// Of what kind the table is whose keys are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    /// `[[source]]`, or what all of them share.
    Source,
    /// `[[output]]`.
    Output,
    /// `[[export]]`.
    Export,
}

/// Checks one source; `None` if something in it is wrong, which is then among the findings.
pub(crate) fn source(
    common: &Common<'_>,
    layers: [&Layer; 3],
    findings: &mut Findings,
) -> Option<(SourceSettings, Schedule)> {
    let found_before = findings.problems.len();
    let mut reader = Reader::new(common, layers, Table::Source, findings);
    let name = reader.required("name", values::name);
    let url = reader.required("url", values::base_url);
    let credentials = credentials::read(&mut reader);
    let timeouts = read_timeouts(&mut reader);
    let limits = read_limits(&mut reader);
    let page_limits = read_page_limits(&mut reader);
    let ca_file = reader.path("ca_file");
    let proxy = reader.read("proxy", values::proxy_url);
    let prefix = reader.read("metadata_prefix", values::prefix);
    let sets = reader.read("sets", values::texts);
    let from = reader.read("from", values::lower_bound);
    let until = reader.read("until", values::upper_bound);
    if let (Some(from), Some(until)) = (from, until)
        && from > until
    {
        reader.problem_at("from", format!("{from} is after until, which is {until}"));
    }
    let granularity = reader.read("granularity", values::granularity);
    let assume = reader.read("assume", values::assumptions);
    let overlap = reader.read("overlap", values::duration);
    let delay = reader.read("delay", values::duration);
    let window_records = reader.read("window_records", values::some_count);
    let retries = reader.read("retries", |value| values::narrow(values::count(value)?));
    let retry_pause = reader.read("retry_pause", values::timeout);
    let max_wait = reader.read("max_wait", values::duration);
    let schedule = read_schedule(&mut reader);
    reader.warn_of_unencrypted(url.as_slice());
    if findings.problems.len() > found_before {
        return None;
    }
    let client = ClientSettings {
        credentials,
        contact: common.contact.map(str::to_owned),
        timeouts,
        limits,
        ca_file,
        proxy,
        ..ClientSettings::new(url?)
    };
    let built_in = SourceSettings::new(name?, client, super::direct::DEFAULT_PREFIX);
    let settings = SourceSettings {
        metadata_prefix: prefix.unwrap_or(built_in.metadata_prefix),
        sets: sets.unwrap_or(built_in.sets),
        from: from.or(built_in.from),
        until: until.or(built_in.until),
        granularity: granularity.or(built_in.granularity),
        assume: assume.unwrap_or(built_in.assume),
        overlap: overlap.unwrap_or(built_in.overlap),
        delay: delay.unwrap_or(built_in.delay),
        window_records: window_records.unwrap_or(built_in.window_records),
        retries: retries.unwrap_or(built_in.retries),
        retry_pause: retry_pause.unwrap_or(built_in.retry_pause),
        max_wait: max_wait.unwrap_or(built_in.max_wait),
        known_as: None,
        name: built_in.name,
        client: built_in.client,
        page_limits,
    };
    Some((settings, schedule))
}

fn read_schedule(reader: &mut Reader<'_>) -> Schedule {
    let built_in = Schedule::default();
    Schedule {
        ticks: reader
            .read("schedule", |value| ticks(&values::text(value)?))
            .unwrap_or(built_in.ticks),
        time_zone: reader
            .read("time_zone", values::time_zone)
            .unwrap_or(built_in.time_zone),
        spread: reader
            .read("spread", values::duration)
            .unwrap_or(built_in.spread),
        hours: reader
            .read("hours", |value| Hours::parse(&values::text(value)?))
            .unwrap_or(built_in.hours),
        reconcile: reader
            .read("reconcile", |value| ticks(&values::text(value)?))
            .unwrap_or(built_in.reconcile),
        reconcile_max_percent: reader
            .read("reconcile_max_percent", |value| {
                match values::count(value)? {
                    percent @ 0..=100 => values::narrow(percent),
                    _ => Err("must be from 0 to 100".to_owned()),
                }
            })
            .unwrap_or(built_in.reconcile_max_percent),
    }
}

/// Checks `[daemon]`; best layer first. What is wrong is among the findings.
pub(crate) fn daemon(
    common: &Common<'_>,
    layers: [&Layer; 2],
    findings: &mut Findings,
) -> DaemonSettings {
    let nothing = Layer::empty();
    let layers = [layers[0], layers[1], &nothing];
    // It has no name, so its problems name the key alone.
    let mut reader = Reader::new(common, layers, Table::Source, findings);
    let built_in = DaemonSettings::default();
    let listen = reader.read("listen", values::address);
    let count = |value: &Value| values::narrow(values::some_count(value)?);
    let max_hosts = reader.read("max_hosts", count);
    let days = |value: &Value| values::narrow(values::count(value)?);
    let history_days = reader.read("history_days", days);
    let tombstone_days = reader.read("tombstone_days", days);
    let search = reader.read("search", values::flag);
    let grace = reader.read("grace", values::duration);
    let alert = reader.path("alert");
    let webhook = credentials::read_secret(&mut reader, &credentials::WEBHOOK);
    if let Some(url) = &webhook
        && let Err(message) = values::webhook_url(url.expose())
    {
        reader.problem_at("webhook", message);
    }
    let min_free_bytes = reader.read("min_free_bytes", values::size);
    let behind_after = reader.read("behind_after", values::timeout);
    let token = credentials::read_secret(&mut reader, &credentials::TOKEN);
    if let Some(listen) = listen.filter(|listen| !listen.ip().is_loopback())
        && let Some(entry) = reader.entry("listen").cloned()
    {
        let message = format!(
            "{listen} can be reached from other machines, without encryption; what is shown there \
             is for everyone who can"
        );
        reader.warn("listen", &entry, message);
    }
    DaemonSettings {
        listen: listen.unwrap_or(built_in.listen),
        max_hosts: max_hosts.unwrap_or(built_in.max_hosts),
        history_days: history_days.unwrap_or(built_in.history_days),
        tombstone_days: tombstone_days.unwrap_or(built_in.tombstone_days),
        search: search.unwrap_or(built_in.search),
        grace: grace.unwrap_or(built_in.grace),
        alert,
        webhook,
        min_free_bytes: min_free_bytes.unwrap_or(built_in.min_free_bytes),
        behind_after: behind_after.unwrap_or(built_in.behind_after),
        token,
    }
}

/// Checks `[defaults]` by themselves, so that a fault is found even if every source overrides it.
pub(crate) fn defaults(common: &Common<'_>, defaults: &Layer, findings: &mut Findings) {
    let mut some_source = Layer::empty();
    for (key, text) in [("name", "defaults"), ("url", "https://localhost/")] {
        let entry = Entry {
            value: Value::Text(text.to_owned()),
            origin: Origin::Program,
        };
        some_source.entries.insert(key, entry);
    }
    source(common, [&Layer::empty(), &some_source, defaults], findings);
}

fn read_timeouts(reader: &mut Reader<'_>) -> Timeouts {
    let built_in = Timeouts::default();
    let mut read = |key, default| reader.read(key, values::timeout).unwrap_or(default);
    Timeouts {
        connect: read("connect_timeout", built_in.connect),
        first_byte: read("first_byte_timeout", built_in.first_byte),
        idle: read("idle_timeout", built_in.idle),
        total: read("total_timeout", built_in.total),
    }
}

fn read_limits(reader: &mut Reader<'_>) -> Limits {
    let built_in = Limits::default();
    Limits {
        body_bytes: reader
            .read("max_body_bytes", values::some_size)
            .unwrap_or(built_in.body_bytes),
        inflated_bytes: reader
            .read("max_inflated_bytes", values::some_size)
            .unwrap_or(built_in.inflated_bytes),
        bytes_per_second: reader
            .read("min_bytes_per_second", values::size)
            .unwrap_or(built_in.bytes_per_second),
    }
}

fn read_page_limits(reader: &mut Reader<'_>) -> PageLimits {
    let built_in = PageLimits::default();
    let count = |value: &Value| values::narrow(values::some_count(value)?);
    PageLimits {
        depth: reader.read("max_depth", count).unwrap_or(built_in.depth),
        records: reader
            .read("max_page_records", count)
            .unwrap_or(built_in.records),
    }
}

fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

impl<'a> Reader<'a> {
    /// A reader of one table's keys, best layer first; the second one is the table itself.
    pub(crate) fn new(
        common: &'a Common<'a>,
        layers: [&'a Layer; 3],
        table: Table,
        findings: &'a mut Findings,
    ) -> Self {
        Self {
            common,
            layers,
            table,
            name: layers[1].text("name").map(str::to_owned),
            findings,
            secret_key: None,
        }
    }

    /// Warns if a secret would go over the network as it is.
    pub(crate) fn warn_of_unencrypted(&mut self, urls: &[url::Url]) {
        let is_open = |url: &url::Url| url.scheme() == "http" && !is_loopback(url);
        if let Some(key) = self.secret_key
            && urls.iter().any(is_open)
            && let Some(entry) = self.entry(key).cloned()
        {
            let message = "is sent unencrypted, since the url is http; use https if there is one";
            self.warn(key, &entry, message.to_owned());
        }
    }

    /// What `key` holds in the best layer that has it.
    pub(crate) fn entry(&self, key: &str) -> Option<&'a Entry> {
        self.layers.iter().find_map(|layer| layer.entries.get(key))
    }

    /// Those of `keys` that stand in the best layer that has any of them.
    pub(crate) fn first_layer(&self, keys: &[&'static str]) -> Vec<&'static str> {
        self.layers
            .iter()
            .map(|layer| {
                let given = keys.iter().filter(|key| layer.entries.contains_key(*key));
                given.copied().collect::<Vec<_>>()
            })
            .find(|given| !given.is_empty())
            .unwrap_or_default()
    }

    /// The value of `key` if it is given and right; a wrong one becomes a problem.
    pub(crate) fn read<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        let entry = self.entry(key)?;
        self.take(key, entry, parse(&entry.value))
    }

    pub(crate) fn required<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        if self.entry(key).is_none() {
            self.problem_at(key, "is missing".to_owned());
        }
        self.read(key, parse)
    }

    /// A path, absolute or from the directory of the file that names it.
    pub(crate) fn path(&mut self, key: &str) -> Option<PathBuf> {
        let entry = self.entry(key)?;
        let path = self.take(key, entry, values::text(&entry.value))?;
        Some(self.resolve(&entry.origin, Path::new(&path)))
    }

    /// `path` as seen from where it was written: a file's directory, else the working directory.
    pub(crate) fn resolve(&self, origin: &Origin, path: &Path) -> PathBuf {
        match origin {
            Origin::File { .. } => self.common.directory.join(path),
            Origin::Variable(_) | Origin::Program => path.to_owned(),
        }
    }

    /// The value of a result; its error becomes a problem at `entry`.
    pub(crate) fn take<T>(
        &mut self,
        key: &str,
        entry: &Entry,
        result: Result<T, String>,
    ) -> Option<T> {
        result
            .map_err(|message| {
                let problem = self.problem(entry.origin.clone(), key, message);
                self.findings.problems.push(problem);
            })
            .ok()
    }

    /// A problem of `key`, or of the whole source where the key is not given.
    pub(crate) fn problem_at(&mut self, key: &str, message: String) {
        let entry = self.entry(key);
        let origin = entry.map_or(&self.layers[1].origin, |entry| &entry.origin);
        let problem = self.problem(origin.clone(), key, message);
        self.findings.problems.push(problem);
    }

    /// Something at `entry` that should be known.
    pub(crate) fn warn(&mut self, key: &str, entry: &Entry, message: String) {
        let warning = self.problem(entry.origin.clone(), key, message);
        self.findings.warnings.push(warning);
    }

    /// Remembers that a secret is sent to this source.
    pub(crate) fn note_secret(&mut self, key: &'static str) {
        self.secret_key.get_or_insert(key);
    }

    /// What to do about secrets kept elsewhere.
    pub(crate) fn secrets(&self) -> Secrets {
        self.common.secrets
    }

    /// `$CREDENTIALS_DIRECTORY`.
    pub(crate) fn credentials_directory(&self) -> Option<&Path> {
        self.common.credentials_directory
    }

    fn problem(&self, origin: Origin, key: &str, message: String) -> Problem {
        // A fault of [defaults] is told once and not for each source.
        let shared = self.layers[2].entries.get(key);
        let is_shared = shared.is_some_and(|entry| entry.origin == origin);
        let name = self.name.clone().filter(|_| !is_shared);
        let (source, output) = match self.table {
            Table::Source => (name, None),
            Table::Output => (None, name),
            // Its place says which one it is.
            Table::Export => (None, None),
        };
        Problem {
            source,
            output,
            ..Problem::new(origin, message).of_key(key)
        }
    }
}
