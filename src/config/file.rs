//! The TOML as written: which known keys each table has, with what values, and where each stands.
//!
//! The tables are walked by hand and not by serde, for two reasons: all faults of a file are
//! reported and not only the first, and no message quotes a value or a line that may be a secret.

use std::collections::{BTreeMap, HashMap, hash_map};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::key::{Row, Scope, Secrecy, Way};
use super::problem::{Origin, Problem, Subject};
use super::value::{Entry, Value};

/// One table of the file, with what the environment puts in place of its keys.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Table {
    /// Of which kind it is.
    pub(crate) scope: Scope,
    /// Where it starts.
    pub(crate) origin: Origin,
    /// The values by key.
    pub(crate) entries: BTreeMap<String, Entry>,
}

impl Table {
    /// A table without keys.
    pub(crate) fn empty(scope: Scope) -> Self {
        Self {
            scope,
            origin: Origin::Program,
            entries: BTreeMap::new(),
        }
    }

    /// The text under `key`, if it is one, without white space around it.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match &self.entries.get(key)?.value {
            Value::Text(text) => Some(text.trim()),
            _ => None,
        }
    }

    /// What it is called in messages; `None` for a table that there is only one of.
    pub(crate) fn subject(&self) -> Option<Subject> {
        let name = self.text("name").filter(|_| self.scope.is_array())?;
        Some(Subject::new(self.scope.name(), name))
    }

    /// A problem of one of its keys.
    pub(crate) fn problem(&self, key: &str, message: impl Into<String>) -> Problem {
        let entry = self.entries.get(key);
        let origin = entry.map_or(&self.origin, |entry| &entry.origin);
        Problem {
            subject: self.subject(),
            ..Problem::new(origin.clone(), message).of_key(key)
        }
    }

    /// What is wrong with single values, and which keys are missing.
    fn faults(&self) -> Vec<Problem> {
        let mut faults = Vec::new();
        for (key, entry) in &self.entries {
            let checked = match self.scope.find(key) {
                Some((row, Way::Value)) => (row.check)(&entry.value),
                _ => super::values::text(&entry.value).map(drop),
            };
            faults.extend(checked.err().map(|message| self.problem(key, message)));
        }
        for row in self.scope.rows().filter(|row| row.required) {
            if !self.entries.contains_key(row.name) {
                faults.push(self.problem(row.name, "is missing"));
            }
        }
        faults
    }

    /// The keys with a secret in them.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = (&String, &Entry)> {
        self.entries.iter().filter(|(key, entry)| {
            let Some((Row { secrecy, .. }, Way::Value)) = self.scope.find(key) else {
                return false;
            };
            match (secrecy, &entry.value) {
                (Secrecy::Public, _) => false,
                (Secrecy::Login, Value::Text(url)) => url.contains('@'),
                (Secrecy::Hidden, Value::Table(parts)) => {
                    let mut values = parts.iter().map(|(_, part)| &part.value);
                    values.any(|value| matches!(value, Value::Text(_)))
                }
                _ => true,
            }
        })
    }
}

/// All tables of a file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tables(Vec<Table>);

impl Tables {
    /// Those of an empty file.
    pub(crate) fn empty() -> Self {
        let single = Scope::ALL.into_iter().filter(|scope| !scope.is_array());
        Self(single.map(Table::empty).collect())
    }

    /// The table of a kind that there is only one of.
    pub(crate) fn one(&self, scope: Scope) -> &Table {
        self.all(scope)
            .next()
            .expect("there is one from the beginning")
    }

    /// The tables of this kind, in the order of the file.
    pub(crate) fn all(&self, scope: Scope) -> impl Iterator<Item = &Table> {
        self.0.iter().filter(move |table| table.scope == scope)
    }

    /// The same, to be changed.
    pub(crate) fn all_mut(&mut self, scope: Scope) -> impl Iterator<Item = &mut Table> {
        self.0.iter_mut().filter(move |table| table.scope == scope)
    }

    /// Every table.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Table> {
        self.0.iter()
    }

    /// The names of the tables of this kind.
    pub(crate) fn names(&self, scope: Scope) -> Vec<&str> {
        self.all(scope)
            .filter_map(|table| table.text("name"))
            .collect()
    }

    /// Adds the sources and groups of an included file. Everything else in it is a problem.
    pub(crate) fn include(&mut self, included: Self, problems: &mut Vec<Problem>) {
        for table in included.0 {
            match table.scope {
                Scope::Source | Scope::Group => self.0.push(table),
                _ if table.entries.is_empty() => {}
                scope => {
                    let place = match scope {
                        Scope::Top => "a key before the first table".to_owned(),
                        scope => scope.heading(),
                    };
                    let message = format!(
                        "{place} cannot stand in an included file, only [[source]] and [[group]] can"
                    );
                    let first = table.entries.values().map(|entry| &entry.origin).min();
                    let origin = first.unwrap_or(&table.origin).clone();
                    problems.push(Problem::new(origin, message));
                }
            }
        }
    }

    /// What is wrong with single values, and which keys are missing or names given twice.
    pub(crate) fn faults(&self) -> Vec<Problem> {
        let mut faults: Vec<Problem> = self.iter().flat_map(Table::faults).collect();
        let mut first_of: HashMap<(&str, &str), &Origin> = HashMap::new();
        for table in self.iter().filter(|table| table.scope.is_array()) {
            let Some(name) = table.text("name") else {
                continue;
            };
            let what = table.scope.name();
            match first_of.entry((what, name)) {
                hash_map::Entry::Vacant(entry) => drop(entry.insert(&table.origin)),
                hash_map::Entry::Occupied(first) => {
                    let message = format!("the {what} at {} has this name already", first.get());
                    faults.push(table.problem("name", message));
                }
            }
        }
        faults
    }
}

/// Reads `text`, the content of the file `path`.
///
/// Unknown keys become `problems` and the rest is returned all the same, so that its values are
/// checked too. `None` if the file is not TOML: what a recovering parser makes of it would only
/// bring misleading messages.
pub(crate) fn parse(path: &Path, text: &str, problems: &mut Vec<Problem>) -> Option<Tables> {
    let file = File::new(path, text);
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        problems.extend(errors.into_iter().map(|error| {
            // The error's own display quotes the line, which may hold a secret.
            Problem::new(file.origin(error.span().unwrap_or(0..0)), error.message())
        }));
        return None;
    }
    let mut tables = Tables::empty();
    let mut top = Vec::new();
    for (key, value) in document.get_ref().iter() {
        let name = key.get_ref().as_ref();
        let Some(scope) = Scope::of_table(name) else {
            top.push((key, value));
            continue;
        };
        let wrong = |span| {
            let message = match scope.is_array() {
                true => format!("must be tables, each with the heading {}", scope.heading()),
                false => format!("must be a table: {}", scope.heading()),
            };
            Problem::new(file.origin(span), message).of_key(name)
        };
        match value.get_ref() {
            DeValue::Table(keys) if !scope.is_array() => {
                let (inner, keys): (Vec<_>, Vec<_>) = keys.iter().partition(|(key, value)| {
                    let is_table = matches!(value.get_ref(), DeValue::Table(_));
                    is_table && scope.inner(key.get_ref()).is_some()
                });
                for (key, value) in inner {
                    let scope = scope.inner(key.get_ref()).expect("that is what it is");
                    if let DeValue::Table(keys) = value.get_ref() {
                        for table in tables.all_mut(scope) {
                            *table = file.table(scope, value.span(), keys.iter(), problems);
                        }
                    }
                }
                for table in tables.all_mut(scope) {
                    let keys = keys.iter().copied();
                    *table = file.table(scope, value.span(), keys, problems);
                }
            }
            DeValue::Array(array) if scope.is_array() => {
                for part in array.iter() {
                    match part.get_ref() {
                        DeValue::Table(keys) => {
                            let table = file.table(scope, part.span(), keys.iter(), problems);
                            tables.0.push(table);
                        }
                        _ => problems.push(wrong(part.span())),
                    }
                }
            }
            _ => problems.push(wrong(key.span())),
        }
    }
    let top = file.table(Scope::Top, 0..0, top, problems);
    for table in tables.all_mut(Scope::Top) {
        *table = top.clone();
    }
    Some(tables)
}

/// A file's text and name, to say where in it something stands.
struct File<'a> {
    path: Arc<Path>,
    text: &'a str,
    /// Where each line begins.
    lines: Vec<usize>,
}

impl<'a> File<'a> {
    fn new(path: &Path, text: &'a str) -> Self {
        let newlines = memchr::memchr_iter(b'\n', text.as_bytes());
        Self {
            path: Arc::from(path),
            text,
            lines: std::iter::once(0)
                .chain(newlines.map(|newline| newline + 1))
                .collect(),
        }
    }

    fn origin(&self, span: Range<usize>) -> Origin {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = self.lines.partition_point(|start| *start <= before.len());
        let line_start = self.lines[line - 1];
        Origin::File {
            path: Arc::clone(&self.path),
            line,
            column: before[line_start..].chars().count() + 1,
        }
    }

    fn table<'t>(
        &self,
        scope: Scope,
        span: Range<usize>,
        keys: impl IntoIterator<Item = (&'t TableKey<'t>, &'t TableValue<'t>)>,
        problems: &mut Vec<Problem>,
    ) -> Table {
        let mut table = Table {
            origin: self.origin(span),
            ..Table::empty(scope)
        };
        let mut unknown = Vec::new();
        for (key, value) in keys {
            let name = key.get_ref().as_ref();
            if scope.find(name).is_none() {
                let problem = Problem::new(self.origin(key.span()), scope.unknown(name));
                unknown.push(problem.of_key(name));
                continue;
            }
            let entry = Entry {
                value: Value::new(value.get_ref(), &|span| self.origin(span)),
                origin: self.origin(value.span()),
            };
            table.entries.insert(name.to_owned(), entry);
        }
        let subject = table.subject();
        problems.extend(unknown.into_iter().map(|problem| Problem {
            subject: subject.clone(),
            ..problem
        }));
        table
    }
}

type TableKey<'t> = toml::Spanned<std::borrow::Cow<'t, str>>;
type TableValue<'t> = toml::Spanned<DeValue<'t>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_the_file_name_their_place() {
        let cases: [(&str, &str, &[&str]); 9] = [
            (
                "every unknown key",
                "stoer = 'x'\n[[source]]\nname = 'a'\n  delai = '1s'\n",
                &[
                    "c.toml:1:1: stoer: unknown key; did you mean store?",
                    "c.toml:4:3: source a: delai: unknown key; did you mean delay?",
                ],
            ),
            (
                "bare umlaut",
                "ö = 1\nstoer = 1\n",
                &["c.toml:1:1: invalid unquoted key, expected letters, numbers, `-`, `_`"],
            ),
            (
                "quoted umlaut",
                "[[source]]\n'ä' = 0\n",
                &["c.toml:2:1: ä: unknown key"],
            ),
            (
                "secret in a broken line",
                "[[source]]\napi_key = 'hush\n",
                &["c.toml:2:16: invalid literal string, expected `'`"],
            ),
            (
                "key twice",
                "contact = 'a@b'\ncontact = 'c@d'\n",
                &["c.toml:2:1: duplicate key"],
            ),
            (
                "one bracket",
                "[source]\nname = 'a'\n",
                &["c.toml:1:2: source: must be tables, each with the heading [[source]]"],
            ),
            (
                "no table",
                "defaults = 3\n",
                &["c.toml:1:1: defaults: must be a table: [defaults]"],
            ),
            (
                "unknown key of an export",
                "[[export]]\nname = 'e'\npath = 'e.jsonl'\nfromat = 'ris'\n",
                &["c.toml:4:1: export e: fromat: unknown key; did you mean format?"],
            ),
            ("nothing", "", &[]),
        ];
        for (case, text, expected) in cases {
            let mut problems = Vec::new();
            parse(Path::new("c.toml"), text, &mut problems);
            problems.sort();
            let shown: Vec<String> = problems.iter().map(Problem::to_string).collect();
            assert_eq!(shown, expected, "{case}");
            assert!(!shown.concat().contains("hush"), "{case}");
        }
    }
}
