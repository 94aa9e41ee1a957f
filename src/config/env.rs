//! The environment: which `HARVESTD_*` variables override which key.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use super::keys::{self, Scope};
use super::problem::{Origin, Problem};
use super::raw::{Entry, Layer, Raw, Value};

/// Variables read elsewhere, which are no keys of the file.
const CONFIG: &str = "HARVESTD_CONFIG";
const PREFIX: &str = "HARVESTD_";
const SOURCE_PREFIX: &str = "HARVESTD_SOURCE_";
const DAEMON_PREFIX: &str = "HARVESTD_DAEMON_";
const OUTPUT_PREFIX: &str = "HARVESTD_OUTPUT_";
const EXPORT_PREFIX: &str = "HARVESTD_EXPORT_";

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

/// What the variables give: the same keys as the file's, to be looked for first.
pub(crate) struct EnvironmentLayers {
    /// `HARVESTD_<KEY>`.
    pub(crate) top: Layer,
    /// `HARVESTD_DAEMON_<KEY>`.
    pub(crate) daemon: Layer,
    /// `HARVESTD_SOURCE_<NAME>_<KEY>`, one layer for each source of the file.
    pub(crate) sources: Vec<Layer>,
    /// `HARVESTD_OUTPUT_<NAME>_<KEY>`, one layer for each output of the file.
    pub(crate) outputs: Vec<Layer>,
    /// `HARVESTD_EXPORT_<NAME>_<KEY>`, one layer for each export of the file.
    pub(crate) exports: Vec<Layer>,
}

/// Sorts the `HARVESTD_*` variables to the keys of `raw`'s sources.
///
/// A variable for an unknown source or key is a problem: ignored, it would leave a wrong value in
/// force unseen. Other unknown variables are only warned of, because orchestrators set some by
/// themselves (Kubernetes gives `HARVESTD_PORT` to all neighbours of a service called harvestd).
pub(crate) fn layers(
    environment: &Environment,
    raw: &Raw,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> EnvironmentLayers {
    let names = |tables: &[Layer]| -> Vec<Option<String>> {
        tables
            .iter()
            .map(|table| table.text("name").map(variable_part))
            .collect()
    };
    let (source_names, output_names) = (names(&raw.sources), names(&raw.outputs));
    let export_names = names(&raw.exports);
    let mut layers = EnvironmentLayers {
        top: Layer::empty(),
        daemon: Layer::empty(),
        sources: vec![Layer::empty(); source_names.len()],
        outputs: vec![Layer::empty(); output_names.len()],
        exports: vec![Layer::empty(); export_names.len()],
    };
    for (variable, value) in &environment.0 {
        let Some(rest) = variable.strip_prefix(PREFIX).filter(|_| variable != CONFIG) else {
            continue;
        };
        let origin = Origin::Variable(variable.clone());
        let of_table = if let Some(rest) = variable.strip_prefix(SOURCE_PREFIX) {
            let found = table_key(Scope::Source, rest, &source_names);
            Some(found.map(|(index, key)| (&mut layers.sources[index], key)))
        } else if let Some(rest) = variable.strip_prefix(OUTPUT_PREFIX) {
            let found = table_key(Scope::Output, rest, &output_names);
            Some(found.map(|(index, key)| (&mut layers.outputs[index], key)))
        } else {
            variable.strip_prefix(EXPORT_PREFIX).map(|rest| {
                let found = table_key(Scope::Export, rest, &export_names);
                found.map(|(index, key)| (&mut layers.exports[index], key))
            })
        };
        let target = match of_table {
            Some(Ok(target)) => Some(target),
            Some(Err(message)) => {
                problems.push(Problem::new(origin.clone(), message));
                None
            }
            None => match global_key(variable, rest) {
                Some((Scope::Daemon, key)) => Some((&mut layers.daemon, key)),
                Some((_, key)) => Some((&mut layers.top, key)),
                None => {
                    let near = keys::nearest(&rest.to_ascii_lowercase(), Scope::Top.keys());
                    let hint = near.map_or(String::new(), |key| {
                        format!("; did you mean {PREFIX}{}?", key.to_ascii_uppercase())
                    });
                    let message = format!("not a variable of harvestd, ignored{hint}");
                    warnings.push(Problem::new(origin.clone(), message));
                    None
                }
            },
        };
        let Some((layer, key)) = target else { continue };
        match value.to_str() {
            Some(text) => {
                let value = Value::Text(text.to_owned());
                layer.entries.insert(key, Entry { value, origin });
            }
            None => problems.push(Problem::new(origin, "is not UTF-8")),
        }
    }
    layers
}

/// The key outside the sources that a variable can set, and its table.
fn global_key(variable: &str, rest: &str) -> Option<(Scope, &'static str)> {
    let find = |scope: Scope, name: &str| Some((scope, scope.find(&name.to_ascii_lowercase())?));
    variable
        .strip_prefix(DAEMON_PREFIX)
        .and_then(|rest| find(Scope::Daemon, rest))
        .or_else(|| find(Scope::Top, rest))
}

/// A source's name as a part of a variable's: upper case, `_` for all else.
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

/// The keys of a table that a variable can set: all but the name, which it is found by.
fn settable(scope: Scope) -> impl Iterator<Item = &'static str> {
    scope.keys().filter(|key| *key != "name")
}

/// The source (or output or export, by `scope`) and key that `rest` (`<NAME>_<KEY>`) speaks of. Since both may hold `_`, the longest
/// name that leaves a key wins.
fn table_key(
    scope: Scope,
    rest: &str,
    names: &[Option<String>],
) -> Result<(usize, &'static str), String> {
    let what = scope.table();
    let prefix = match scope {
        Scope::Output => OUTPUT_PREFIX,
        Scope::Export => EXPORT_PREFIX,
        _ => SOURCE_PREFIX,
    };
    let mut found: Vec<(usize, usize, &'static str)> = Vec::new();
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
        match settable(scope).find(|known| *known == key) {
            Some(key) => found.push((name.len(), index, key)),
            None => unknown = Some((name, key)),
        }
    }
    let longest = found.iter().map(|(length, ..)| *length).max();
    found.retain(|(length, ..)| Some(*length) == longest);
    match (found.as_slice(), unknown) {
        ([(_, index, key)], _) => Ok((*index, key)),
        ([_, ..], _) => Err(format!(
            "could mean more than one {what}; rename one of them"
        )),
        ([], Some((name, key))) => {
            let near = keys::nearest(&key, settable(scope));
            let hint = near.map_or(String::new(), |key| {
                format!(
                    "; did you mean {prefix}{name}_{}?",
                    key.to_ascii_uppercase()
                )
            });
            Err(format!("{} {what} has no key {key}{hint}", article(what)))
        }
        ([], None) => {
            let known: Vec<&str> = names.iter().flatten().map(String::as_str).collect();
            let known = if known.is_empty() {
                format!("no {what} at all")
            } else {
                known.join(", ")
            };
            Err(format!("speaks of no configured {what}; there is {known}"))
        }
    }
}

fn article(what: &str) -> &'static str {
    if what.starts_with(['o', 'e']) {
        "an"
    } else {
        "a"
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::raw;

    #[test]
    fn variables_find_their_source_and_key() {
        let file = "[[source]]\nname = 'doaj'\n[[source]]\nname = 'doaj-articles'\n\
                    [[source]]\nname = 'a.b'\n[[source]]\nname = 'a-b'\n[[source]]\nname = 'x_api'";
        let raw = raw::parse(Path::new("c.toml"), file, &mut Vec::new()).unwrap();
        let cases = [
            ("plain", "DOAJ_DELAY", Ok((0, "delay"))),
            ("longest name", "DOAJ_ARTICLES_URL", Ok((1, "url"))),
            (
                "key with underscore",
                "DOAJ_API_KEY_FILE",
                Ok((0, "api_key_file")),
            ),
            ("name like a key", "X_API_API_KEY", Ok((4, "api_key"))),
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
        let names: Vec<_> = raw
            .sources
            .iter()
            .map(|source| source.text("name").map(variable_part))
            .collect();
        for (case, rest, expected) in cases {
            let found = table_key(Scope::Source, rest, &names);
            assert_eq!(found, expected.map_err(str::to_owned), "{case}");
        }
    }

    #[test]
    fn exports_have_variables_too() {
        let raw = raw::parse(
            Path::new("c.toml"),
            "[[export]]\nname = 'all'\n[[export]]\nname = 'new-ones'",
            &mut Vec::new(),
        )
        .unwrap();
        let environment = Environment::new([
            ("HARVESTD_EXPORT_NEW_ONES_SCHEDULE".into(), "never".into()),
            ("HARVESTD_EXPORT_ALL_FROMAT".into(), "ris".into()),
        ]);
        let (mut problems, mut warnings) = (Vec::new(), Vec::new());
        let layers = layers(&environment, &raw, &mut problems, &mut warnings);
        assert_eq!(layers.exports[1].text("schedule"), Some("never"));
        assert_eq!(warnings, []);
        let shown: Vec<String> = problems.iter().map(Problem::to_string).collect();
        assert_eq!(
            shown,
            [
                "environment variable HARVESTD_EXPORT_ALL_FROMAT: an export has no key fromat; did \
                 you mean HARVESTD_EXPORT_ALL_FORMAT?"
            ]
        );
    }

    #[test]
    fn strange_variables_are_warned_of() {
        let environment = Environment::new([
            ("HARVESTD_PORT".into(), "tcp://10.0.0.1".into()),
            ("HARVESTD_STOER".into(), "/x".into()),
            ("HARVESTD_CONFIG".into(), "/c".into()),
            ("HARVESTD_CONTACT".into(), "".into()),
            ("HOME".into(), "/root".into()),
        ]);
        let (mut problems, mut warnings) = (Vec::new(), Vec::new());
        let layers = layers(&environment, &Raw::empty(), &mut problems, &mut warnings);
        assert!(problems.is_empty());
        assert_eq!(layers.top, Layer::empty(), "an empty variable is unset");
        let shown: Vec<String> = warnings.iter().map(Problem::to_string).collect();
        assert_eq!(
            shown,
            [
                "environment variable HARVESTD_PORT: not a variable of harvestd, ignored",
                "environment variable HARVESTD_STOER: not a variable of harvestd, ignored; did you \
                 mean HARVESTD_STORE?",
            ]
        );
    }
}
