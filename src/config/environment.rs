//! The environment: which `HARVESTD_*` variables override which key.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use super::file::{Table, Tables};
use super::key::{Scope, nearest};
use super::problem::{Origin, Problem};
use super::reader::Findings;
use super::value::{Entry, Value};

/// Names the configuration file; it is no key of the file.
const CONFIG: &str = "HARVESTD_CONFIG";
const PREFIX: &str = "HARVESTD_";

/// Environment variables, taken once and passed on, so that nothing below reads the process's.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, OsString>);

impl Environment {
    /// Keeps the variables whose names are UTF-8; an empty value counts as unset.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self(
            variables
                .into_iter()
                .filter(|(_, value)| !value.is_empty())
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
                .collect(),
        )
    }

    /// The variables of this process.
    pub fn of_process() -> Self {
        Self::new(std::env::vars_os())
    }

    /// The file that `HARVESTD_CONFIG` names.
    pub(crate) fn config(&self) -> Option<PathBuf> {
        self.path(CONFIG)
    }

    /// The path in a variable, as it is.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        self.0.get(name).map(PathBuf::from)
    }

    /// The absolute path in a variable; a relative one counts as unset.
    ///
    /// Source: XDG Base Directory Specification, "Basics".
    pub(crate) fn absolute_path(&self, name: &str) -> Option<PathBuf> {
        self.path(name).filter(|path| path.is_absolute())
    }
}

/// Puts the values of `HARVESTD_*` variables in place of those of the file.
///
/// `HARVESTD_<KEY>` is a key at the top, `HARVESTD_<TABLE>_<KEY>` one of a table, and
/// `HARVESTD_<TABLE>_<NAME>_<KEY>` one of a source, output or export.
///
/// A variable for an unknown source or key of one is a problem: ignored, it would leave a wrong value
/// in force unseen. Other unknown variables are only warned of, because orchestrators set some by
/// themselves: Kubernetes gives `HARVESTD_PORT` to all neighbours of a service called harvestd.
pub(crate) fn overlay(environment: &Environment, tables: &mut Tables, findings: &mut Findings) {
    for (variable, value) in &environment.0 {
        let Some(rest) = variable.strip_prefix(PREFIX).filter(|_| variable != CONFIG) else {
            continue;
        };
        let origin = Origin::Variable(variable.clone());
        let problem = |message: &str| Problem::new(origin.clone(), message);
        let found = match array_of(rest) {
            Some((scope, rest)) => find_in_array(tables, scope, rest).map(Some),
            None => Ok(find_in_single(tables, rest)),
        };
        let (table, key) = match found {
            Ok(Some(found)) => found,
            Ok(None) => {
                let near = nearest(rest, singles().map(|(_, name, _)| name));
                let hint = near.map(|near| format!("; did you mean {PREFIX}{near}?"));
                let hint = hint.unwrap_or_default();
                let message = format!("not a variable of harvestd, ignored{hint}");
                findings.warnings.push(problem(&message));
                continue;
            }
            Err(message) => {
                findings.problems.push(problem(&message));
                continue;
            }
        };
        let Some(text) = value.to_str() else {
            findings.problems.push(problem("is not UTF-8"));
            continue;
        };
        // A secret replaces the one of the file, whichever way that is given.
        if let Some((row, _)) = table.scope.find(&key) {
            for (name, _) in row.names() {
                if matches!(&table.entries.get(&name), Some(entry) if is_of_file(entry)) {
                    table.entries.remove(&name);
                }
            }
        }
        let value = Value::Text(text.to_owned());
        table.entries.insert(key, Entry { value, origin });
    }
}

fn is_of_file(entry: &Entry) -> bool {
    matches!(entry.origin, Origin::File { .. })
}

/// Of the rest of a variable's name, the kind of table that there can be several of, and what follows.
fn array_of(rest: &str) -> Option<(Scope, &str)> {
    let mut arrays = Scope::ALL.into_iter().filter(|scope| scope.is_array());
    arrays.find_map(|scope| {
        let rest = rest.strip_prefix(&variable_part(scope.name()))?;
        Some((scope, rest.strip_prefix('_')?))
    })
}

/// Every variable, without its prefix, for a key outside of those tables.
fn singles() -> impl Iterator<Item = (Scope, String, String)> {
    let singles = Scope::ALL.into_iter().filter(|scope| !scope.is_array());
    singles.flat_map(|scope| {
        scope.names().map(move |key| {
            let name = match scope {
                Scope::Top => key.to_ascii_uppercase(),
                scope => format!("{}_{key}", variable_part(scope.name())).to_ascii_uppercase(),
            };
            (scope, name, key)
        })
    })
}

fn find_in_single<'t>(tables: &'t mut Tables, rest: &str) -> Option<(&'t mut Table, String)> {
    let (scope, _, key) = singles().find(|(_, name, _)| name == rest)?;
    Some((tables.all_mut(scope).next()?, key))
}

/// A name as a part of a variable's: upper case, `_` for all else.
fn variable_part(name: &str) -> String {
    name.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        })
        .collect()
}

/// The table and key that `rest` (`<NAME>_<KEY>`) speaks of. Since both may hold `_`, the longest name
/// that leaves a key wins.
fn find_in_array<'t>(
    tables: &'t mut Tables,
    scope: Scope,
    rest: &str,
) -> Result<(&'t mut Table, String), String> {
    let what = scope.name();
    // A table is found by its name, so the name is no variable.
    let keys: Vec<String> = scope.names().filter(|key| key != "name").collect();
    let names: Vec<Option<String>> = tables
        .all(scope)
        .map(|table| table.text("name").map(variable_part))
        .collect();
    let mut found: Vec<(usize, usize, String)> = Vec::new();
    let mut unknown = None;
    for (index, name) in names.iter().enumerate() {
        let Some(name) = name else { continue };
        let Some(key) = rest
            .strip_prefix(name.as_str())
            .and_then(|key| key.strip_prefix('_'))
        else {
            continue;
        };
        let key = key.to_ascii_lowercase();
        match keys.contains(&key) {
            true => found.push((name.len(), index, key)),
            false => unknown = Some((name, key)),
        }
    }
    let longest = found.iter().map(|(length, ..)| *length).max();
    found.retain(|(length, ..)| Some(*length) == longest);
    match (found.as_slice(), unknown) {
        ([(_, index, key)], _) => match tables.all_mut(scope).nth(*index) {
            Some(table) => Ok((table, key.clone())),
            None => Err(format!("speaks of no configured {what}")),
        },
        ([_, ..], _) => Err(format!(
            "could mean more than one {what}; rename one of them"
        )),
        ([], Some((name, key))) => {
            let near = nearest(&key, keys);
            let hint = near.map(|key| {
                let variable = format!("{what}_{name}_{key}").to_ascii_uppercase();
                format!("; did you mean {PREFIX}{variable}?")
            });
            let article = if what.starts_with(['o', 'e']) {
                "an"
            } else {
                "a"
            };
            let hint = hint.unwrap_or_default();
            Err(format!("{article} {what} has no key {key}{hint}"))
        }
        ([], None) => {
            let known: Vec<&str> = names.iter().flatten().map(String::as_str).collect();
            let known = match known.as_slice() {
                [] => format!("no {what} at all"),
                known => known.join(", "),
            };
            Err(format!("speaks of no configured {what}; there is {known}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::file;

    fn overlaid(file: &str, variables: &[(&str, &str)]) -> (Tables, Findings) {
        let mut findings = Findings::default();
        let mut tables = file::parse(Path::new("c.toml"), file, &mut findings.problems).unwrap();
        let variables = variables.iter();
        let environment = Environment::new(variables.map(|(a, b)| (a.into(), b.into())));
        overlay(&environment, &mut tables, &mut findings);
        (tables, findings)
    }

    fn shown(problems: &[Problem]) -> Vec<String> {
        problems.iter().map(Problem::to_string).collect()
    }

    #[test]
    fn variables_find_their_source_and_key() {
        let file = "[[source]]\nname = 'doaj'\n[[source]]\nname = 'doaj-articles'\n\
                    [[source]]\nname = 'a.b'\n[[source]]\nname = 'a-b'\n[[source]]\nname = 'x_api'";
        let mut tables = file::parse(Path::new("c.toml"), file, &mut Vec::new()).unwrap();
        let cases = [
            ("plain", "DOAJ_DELAY", Ok(("doaj", "delay"))),
            (
                "longest name",
                "DOAJ_ARTICLES_URL",
                Ok(("doaj-articles", "url")),
            ),
            (
                "key with underscore",
                "DOAJ_API_KEY_FILE",
                Ok(("doaj", "api_key_file")),
            ),
            ("name like a key", "X_API_API_KEY", Ok(("x_api", "api_key"))),
            (
                "misspelt key",
                "DOAJ_DEALY",
                Err("a source has no key dealy; did you mean HARVESTD_SOURCE_DOAJ_DELAY?"),
            ),
            (
                "name is fixed",
                "DOAJ_NAME",
                Err("a source has no key name"),
            ),
            (
                "two names alike",
                "A_B_DELAY",
                Err("could mean more than one source; rename one of them"),
            ),
            (
                "no such source",
                "DOAI_DELAY",
                Err(
                    "speaks of no configured source; there is DOAJ, DOAJ_ARTICLES, A_B, A_B, X_API",
                ),
            ),
        ];
        for (case, rest, expected) in cases {
            let found = find_in_array(&mut tables, Scope::Source, rest);
            let found = found.map(|(table, key)| (table.text("name").unwrap().to_owned(), key));
            let expected =
                expected.map(|(name, key): (&str, &str)| (name.to_owned(), key.to_owned()));
            assert_eq!(found, expected.map_err(str::to_owned), "{case}");
        }
    }

    #[test]
    fn exports_have_variables_too() {
        let (tables, findings) = overlaid(
            "[[export]]\nname = 'all'\n[[export]]\nname = 'new-ones'",
            &[
                ("HARVESTD_EXPORT_NEW_ONES_SCHEDULE", "never"),
                ("HARVESTD_EXPORT_ALL_FROMAT", "ris"),
            ],
        );
        let export = tables.all(Scope::Export).nth(1).unwrap();
        assert_eq!(export.text("schedule"), Some("never"));
        assert_eq!(findings.warnings, []);
        assert_eq!(
            shown(&findings.problems),
            [
                "environment variable HARVESTD_EXPORT_ALL_FROMAT: an export has no key fromat; did \
                 you mean HARVESTD_EXPORT_ALL_FORMAT?"
            ]
        );
    }

    #[test]
    fn every_table_has_variables() {
        let (tables, findings) = overlaid(
            "contact = 'a@b.org'\n[daemon]\ntoken_file = 'f'\n",
            &[
                ("HARVESTD_CONTACT", "c@d.org"),
                ("HARVESTD_DEDUP_ENABLED", "true"),
                ("HARVESTD_DAEMON_TOKEN", "hush"),
                ("HARVESTD_DEFAULTS_DELAY", "9s"),
                ("HARVESTD_VUFIND_COLLECTION", "C"),
            ],
        );
        assert_eq!(findings.problems, []);
        assert_eq!(findings.warnings, []);
        let text = |scope, key| tables.one(scope).text(key);
        assert_eq!(text(Scope::Top, "contact"), Some("c@d.org"));
        assert_eq!(text(Scope::Dedup, "enabled"), Some("true"));
        assert_eq!(text(Scope::Defaults, "delay"), Some("9s"));
        assert_eq!(text(Scope::Vufind, "collection"), Some("C"));
        assert_eq!(text(Scope::Daemon, "token"), Some("hush"));
        assert_eq!(text(Scope::Daemon, "token_file"), None, "overridden too");
    }

    #[test]
    fn strange_variables_are_warned_of() {
        let (tables, findings) = overlaid(
            "",
            &[
                ("HARVESTD_PORT", "tcp://10.0.0.1"),
                ("HARVESTD_STOER", "/x"),
                ("HARVESTD_DAEMON_LISTON", "/x"),
                ("HARVESTD_CONFIG", "/c"),
                ("HARVESTD_CONTACT", ""),
                ("HOME", "/root"),
            ],
        );
        assert_eq!(findings.problems, []);
        let top = tables.one(Scope::Top);
        assert!(top.entries.is_empty(), "an empty variable is unset");
        assert_eq!(
            shown(&findings.warnings),
            [
                "environment variable HARVESTD_DAEMON_LISTON: not a variable of harvestd, ignored; did \
                 you mean HARVESTD_DAEMON_LISTEN?",
                "environment variable HARVESTD_PORT: not a variable of harvestd, ignored",
                "environment variable HARVESTD_STOER: not a variable of harvestd, ignored; did you \
                 mean HARVESTD_STORE?",
            ]
        );
    }
}
