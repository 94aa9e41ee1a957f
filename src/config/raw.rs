//! The TOML as written: which known keys it gives, with what values, and where each stands.
//!
//! The tables are walked by hand and not by serde, for two reasons: all faults of a file are
//! reported and not only the first, and no message quotes a value or a line that may be a secret.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::Scope;
use super::problem::{Origin, Problem};

/// A value before it is known what its key wants.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// A text, or the content of an environment variable.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// `true` or `false`.
    Boolean(bool),
    /// A date, time or both, in TOML's own notation.
    Datetime(String),
    /// An array.
    List(Vec<Entry>),
    /// A table, in the order of the file.
    Table(Vec<(String, Entry)>),
    /// A type that no key takes, by its name.
    Other(&'static str),
}

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// The value.
    pub(crate) value: Value,
    /// Its place.
    pub(crate) origin: Origin,
}

/// The keys of one table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Layer {
    /// Where the table starts.
    pub(crate) origin: Origin,
    /// The values by key.
    pub(crate) entries: BTreeMap<&'static str, Entry>,
}

impl Layer {
    /// A table without keys.
    pub(crate) fn empty() -> Self {
        Self {
            origin: Origin::Program,
            entries: BTreeMap::new(),
        }
    }

    /// The text under `key`, if it is one, without surrounding white space.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match &self.entries.get(key)?.value {
            Value::Text(text) => Some(text.trim()),
            _ => None,
        }
    }
}

/// A file as written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Raw {
    /// Keys before the first table.
    pub(crate) top: Layer,
    /// `[defaults]`.
    pub(crate) defaults: Layer,
    /// `[vufind]`.
    pub(crate) vufind: Layer,
    /// `[dedup]`.
    pub(crate) dedup: Layer,
    /// `[daemon]`.
    pub(crate) daemon: Layer,
    /// Each `[[source]]`, in the order of the file.
    pub(crate) sources: Vec<Layer>,
    /// Each `[[output]]`, in the order of the file.
    pub(crate) outputs: Vec<Layer>,
    /// Each `[[export]]`, in the order of the file.
    pub(crate) exports: Vec<Layer>,
}

impl Raw {
    /// What no file gives.
    pub(crate) fn empty() -> Self {
        Self {
            top: Layer::empty(),
            defaults: Layer::empty(),
            vufind: Layer::empty(),
            dedup: Layer::empty(),
            daemon: Layer::empty(),
            sources: Vec::new(),
            outputs: Vec::new(),
            exports: Vec::new(),
        }
    }
}

/// Reads `text`, the content of the file `path`.
///
/// Unknown keys become `problems` and the rest is returned all the same, so that its values are
/// checked too. `None` if the file is not TOML: what a recovering parser makes of it would only
/// bring misleading messages.
pub(crate) fn parse(path: &Path, text: &str, problems: &mut Vec<Problem>) -> Option<Raw> {
    let file = File {
        path: Arc::from(path),
        text,
    };
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        problems.extend(errors.into_iter().map(|error| {
            // The error's own display quotes the line, which may hold a secret.
            Problem::new(file.origin(error.span().unwrap_or(0..0)), error.message())
        }));
        return None;
    }
    let mut raw = Raw::empty();
    for (key, value) in document.get_ref().iter() {
        match (key.get_ref().as_ref(), value.get_ref()) {
            ("defaults", DeValue::Table(table)) => {
                raw.defaults = file.layer(Scope::Defaults, value.span(), table, problems);
            }
            ("vufind", DeValue::Table(table)) => {
                raw.vufind = file.layer(Scope::Vufind, value.span(), table, problems);
            }
            ("vufind", _) => {
                let origin = file.origin(key.span());
                problems.push(Problem::new(origin, "must be a table: [vufind]").of_key("vufind"));
            }
            ("daemon", DeValue::Table(table)) => {
                raw.daemon = file.layer(Scope::Daemon, value.span(), table, problems);
            }
            (name @ ("defaults" | "daemon"), _) => {
                let origin = file.origin(key.span());
                let message = format!("must be a table: [{name}]");
                problems.push(Problem::new(origin, message).of_key(name));
            }
            ("dedup", DeValue::Table(table)) => {
                raw.dedup = file.layer(Scope::Dedup, value.span(), table, problems);
            }
            ("dedup", _) => {
                let origin = file.origin(key.span());
                problems.push(Problem::new(origin, "must be a table: [dedup]").of_key("dedup"));
            }
            ("source" | "output" | "export", DeValue::Array(tables)) => {
                let (scope, layers) = match key.get_ref().as_ref() {
                    "source" => (Scope::Source, &mut raw.sources),
                    "export" => (Scope::Export, &mut raw.exports),
                    _ => (Scope::Output, &mut raw.outputs),
                };
                for table in tables.iter() {
                    match table.get_ref() {
                        DeValue::Table(keys) => {
                            layers.push(file.layer(scope, table.span(), keys, problems));
                        }
                        _ => problems.push(not_tables(file.origin(table.span()), scope.table())),
                    }
                }
            }
            (name @ ("source" | "output" | "export"), _) => {
                problems.push(not_tables(file.origin(key.span()), name));
            }
            _ => file.entry(Scope::Top, key, value, &mut raw.top, problems),
        }
    }
    Some(raw)
}

fn not_tables(origin: Origin, name: &str) -> Problem {
    let message = format!("must be tables, each with the heading [[{name}]]");
    Problem::new(origin, message).of_key(name)
}

/// A file's text and name, to say where in it something stands.
struct File<'a> {
    path: Arc<Path>,
    text: &'a str,
}

impl File<'_> {
    fn origin(&self, span: Range<usize>) -> Origin {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Origin::File {
            path: Arc::clone(&self.path),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    fn layer(
        &self,
        scope: Scope,
        span: Range<usize>,
        table: &DeTable<'_>,
        problems: &mut Vec<Problem>,
    ) -> Layer {
        let mut layer = Layer {
            origin: self.origin(span),
            entries: BTreeMap::new(),
        };
        let first = problems.len();
        for (key, value) in table.iter() {
            self.entry(scope, key, value, &mut layer, problems);
        }
        let name = layer.text("name").map(str::to_owned);
        for problem in &mut problems[first..] {
            match scope {
                Scope::Output => problem.output.clone_from(&name),
                _ => problem.source.clone_from(&name),
            }
        }
        layer
    }

    fn entry(
        &self,
        scope: Scope,
        key: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
        layer: &mut Layer,
        problems: &mut Vec<Problem>,
    ) {
        let name = key.get_ref().as_ref();
        match scope.find(name) {
            Some(known) => {
                layer.entries.insert(known, self.value(value));
            }
            None => {
                let origin = self.origin(key.span());
                problems.push(Problem::new(origin, scope.unknown(name)).of_key(name));
            }
        }
    }

    fn value(&self, value: &Spanned<DeValue<'_>>) -> Entry {
        let origin = self.origin(value.span());
        let value = match value.get_ref() {
            DeValue::String(text) => Value::Text(text.clone().into_owned()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or(Value::Other("integer beyond 64 bits"), Value::Integer),
            DeValue::Datetime(instant) => Value::Datetime(instant.to_string()),
            DeValue::Float(_) => Value::Other("float"),
            DeValue::Boolean(value) => Value::Boolean(*value),
            DeValue::Array(items) => {
                Value::List(items.iter().map(|item| self.value(item)).collect())
            }
            DeValue::Table(table) => {
                let mut entries: Vec<_> = table
                    .iter()
                    .map(|(key, value)| (key.get_ref().to_string(), self.value(value)))
                    .collect();
                entries.sort_by(|(_, a), (_, b)| a.origin.cmp(&b.origin));
                Value::Table(entries)
            }
        };
        Entry { value, origin }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_the_file_name_their_place() {
        let cases: [(&str, &str, &[&str]); 8] = [
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
