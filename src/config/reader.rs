//! Reads the keys of one table: from the table itself, else from what it shares with others, else the
//! default.

use std::path::{Path, PathBuf};

use super::file::Table;
use super::key::{Key, Row};
use super::load::Secrets;
use super::problem::{Origin, Problem};
use super::value::Entry;

/// What all tables of one load have in common.
pub(crate) struct Context<'a> {
    /// The directory that relative paths of the file start from.
    pub(crate) directory: &'a Path,
    /// `$CREDENTIALS_DIRECTORY`.
    pub(crate) credentials_directory: Option<&'a Path>,
    /// What to do about secrets kept elsewhere.
    pub(crate) secrets: Secrets,
}

/// Faults found so far.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// What makes the configuration unusable.
    pub(crate) problems: Vec<Problem>,
    /// What does not, but should be known.
    pub(crate) warnings: Vec<Problem>,
}

/// Reads keys through the tables that may give them, and collects what is wrong.
///
/// Values that are wrong by themselves are found elsewhere, by [`Tables::faults`]; here they count as
/// not given.
///
/// [`Tables::faults`]: super::file::Tables::faults
pub(crate) struct Reader<'a> {
    /// What all tables have in common.
    pub(crate) context: &'a Context<'a>,
    /// The most specific one first.
    tables: Vec<&'a Table>,
    /// Where faults go.
    pub(crate) findings: &'a mut Findings,
    /// The key that a secret was first found under.
    secret_key: Option<String>,
}

impl<'a> Reader<'a> {
    /// A reader of these tables, the most specific one first.
    pub(crate) fn new(
        context: &'a Context<'a>,
        tables: Vec<&'a Table>,
        findings: &'a mut Findings,
    ) -> Self {
        Self {
            context,
            tables,
            findings,
            secret_key: None,
        }
    }

    /// The value of a key, or its default.
    pub(crate) fn get<T>(&self, key: &Key<T>) -> T {
        let written = self.entry(key.row.name);
        let value = written.and_then(|(_, entry)| (key.read)(&entry.value).ok());
        value.unwrap_or_else(key.absent)
    }

    /// A path, absolute or from the directory of the file that names it.
    pub(crate) fn path(&self, key: &Key<Option<PathBuf>>) -> Option<PathBuf> {
        let (_, entry) = self.entry(key.row.name)?;
        Some(self.resolve(&entry.origin, &self.get(key)?))
    }

    /// `path` as seen from where it was written: a file's directory, else the working directory.
    pub(crate) fn resolve(&self, origin: &Origin, path: &Path) -> PathBuf {
        match origin {
            Origin::File { path: file, .. } => {
                let directory = file.parent().unwrap_or(self.context.directory);
                directory.join(path)
            }
            Origin::Variable(_) | Origin::Program => path.to_owned(),
        }
    }

    /// What the most specific table with this key has, and that table.
    pub(crate) fn entry(&self, key: &str) -> Option<(&'a Table, &'a Entry)> {
        self.tables
            .iter()
            .find_map(|table| Some((*table, table.entries.get(key)?)))
    }

    /// The ways in which a secret is given by the most specific table that gives it.
    pub(crate) fn given(&self, row: &Row) -> Vec<String> {
        let names: Vec<String> = row.names().into_iter().map(|(name, _)| name).collect();
        let given = self.tables.iter().map(|table| {
            let known = names
                .iter()
                .filter(|name| table.entries.contains_key(*name));
            known.cloned().collect::<Vec<_>>()
        });
        given
            .into_iter()
            .find(|given| !given.is_empty())
            .unwrap_or_default()
    }

    /// Notes what is wrong with a key, at its value or at the table that lacks it.
    pub(crate) fn problem(&mut self, key: &str, message: impl Into<String>) {
        let problem = self.of_key(key, message);
        self.findings.problems.push(problem);
    }

    /// Notes what should be known of a key.
    pub(crate) fn warn(&mut self, key: &str, message: impl Into<String>) {
        let warning = self.of_key(key, message);
        self.findings.warnings.push(warning);
    }

    fn of_key(&self, key: &str, message: impl Into<String>) -> Problem {
        let table = self.entry(key).map_or(self.tables[0], |(table, _)| table);
        table.problem(key, message)
    }

    /// Remembers that a secret is sent.
    pub(crate) fn note_secret(&mut self, key: &str) {
        self.secret_key.get_or_insert_with(|| key.to_owned());
    }

    /// Warns if a secret would go over the network as it is.
    pub(crate) fn warn_of_unencrypted(&mut self, urls: &[url::Url]) {
        let is_open = |url: &url::Url| url.scheme() == "http" && !is_loopback(url);
        if let Some(key) = self.secret_key.clone()
            && urls.iter().any(is_open)
        {
            self.warn(
                &key,
                "is sent without encryption, since the URL is http; use https if there is one",
            );
        }
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
