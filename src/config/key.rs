//! What a row of the key table holds, and how rows are found by the names that people write.

use rapidfuzz::distance::damerau_levenshtein;

use super::keys::ROWS;
use super::value::Value;

/// A key, as the rest of the program reads it.
pub(crate) struct Key<T: 'static> {
    /// What people are told about it.
    pub(crate) row: Row,
    /// Reads what a person wrote.
    pub(crate) read: fn(&Value) -> Result<T, String>,
    /// What holds where nobody wrote it.
    pub(crate) absent: fn() -> T,
}

/// What people are told about a key.
#[derive(Debug)]
pub(crate) struct Row {
    /// The name.
    pub(crate) name: &'static str,
    /// The tables that it may stand in. The first one documents it.
    pub(crate) scopes: &'static [Scope],
    /// The type of its values.
    pub(crate) kind: Kind,
    /// The unit of a bare number, if it has one.
    pub(crate) unit: Option<&'static str>,
    /// Whether its tables cannot do without it.
    pub(crate) required: bool,
    /// The default, in TOML.
    pub(crate) default: Option<&'static str>,
    /// An example, in TOML, where there is no default or the default says little.
    pub(crate) example: Option<&'static str>,
    /// Whether its value may be shown.
    pub(crate) secrecy: Secrecy,
    /// The lines of the documentation; the first paragraph is one sentence or two.
    pub(crate) docs: &'static [&'static str],
    /// Says what is wrong with a value.
    pub(crate) check: fn(&Value) -> Result<(), String>,
}

/// Whether the value of a key may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Secrecy {
    /// It may.
    Public,
    /// A URL that may hold a user and a password; it is shown without them.
    Login,
    /// A table of secrets; only the names in it are shown.
    Hidden,
    /// A secret. Two more keys give it in other ways: `<name>_file` and `<name>_credential`.
    Secret,
}

/// The type of a value: how people call it, and how it looks in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// A text.
    Text,
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Number,
    /// A number of bytes, with or without a unit.
    Size,
    /// A number and a unit of time.
    Duration,
    /// A day or an instant.
    Date,
    /// A file or folder.
    Path,
    /// A URL.
    Url,
    /// A cron expression or "never".
    Cron,
    /// A regular expression.
    Regex,
    /// A list of texts.
    List,
    /// A table.
    Table,
}

impl Kind {
    /// What people call it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Flag => "true or false",
            Self::Number => "whole number",
            Self::Size => "size",
            Self::Duration => "duration",
            Self::Date => "date",
            Self::Path => "path",
            Self::Url => "URL",
            Self::Cron => "cron expression",
            Self::Regex => "regular expression",
            Self::List => "list of texts",
            Self::Table => "table",
        }
    }
}

/// The parts of a configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    /// Before the first table.
    Top,
    /// `[dedup]`.
    Dedup,
    /// `[daemon]`.
    Daemon,
    /// `[defaults]`.
    Defaults,
    /// `[[group]]`.
    Group,
    /// `[[source]]`.
    Source,
    /// `[vufind]`.
    Vufind,
    /// `[[output]]`.
    Output,
    /// `[[export]]`.
    Export,
    /// `[daemon.oai]`.
    Oai,
}

/// The one secret of three keys: how the key at hand gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// It is the value.
    Value,
    /// The value names a file with the secret in it.
    File,
    /// The value names a systemd credential.
    Credential,
}

impl Scope {
    /// All of them, in the order of the sample file.
    pub(crate) const ALL: [Self; 10] = [
        Self::Top,
        Self::Dedup,
        Self::Daemon,
        Self::Defaults,
        Self::Group,
        Self::Source,
        Self::Vufind,
        Self::Output,
        Self::Export,
        Self::Oai,
    ];

    /// The name of its table; empty before the first table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Top => "",
            Self::Dedup => "dedup",
            Self::Daemon => "daemon",
            Self::Defaults => "defaults",
            Self::Group => "group",
            Self::Source => "source",
            Self::Vufind => "vufind",
            Self::Output => "output",
            Self::Export => "export",
            Self::Oai => "daemon.oai",
        }
    }

    /// Whether a file can have several of these tables, each with a name.
    pub(crate) fn is_array(self) -> bool {
        matches!(
            self,
            Self::Group | Self::Source | Self::Output | Self::Export
        )
    }

    /// The heading of its tables.
    pub(crate) fn heading(self) -> String {
        match self.is_array() {
            true => format!("[[{}]]", self.name()),
            false => format!("[{}]", self.name()),
        }
    }

    /// The table `name` within this one.
    pub(crate) fn inner(self, name: &str) -> Option<Self> {
        let full = format!("{}.{name}", self.name());
        Self::of_table(&full)
    }

    /// The table of this name.
    pub(crate) fn of_table(name: &str) -> Option<Self> {
        let mut tables = Self::ALL.into_iter().filter(|scope| *scope != Self::Top);
        tables.find(|scope| scope.name() == name)
    }

    /// The rows of the keys that may stand here.
    pub(crate) fn rows(self) -> impl Iterator<Item = &'static Row> {
        ROWS.iter()
            .copied()
            .filter(move |row| row.scopes.contains(&self))
    }

    /// The names of the keys that may stand here.
    pub(crate) fn names(self) -> impl Iterator<Item = String> {
        self.rows().flat_map(Row::names).map(|(name, _)| name)
    }

    /// The row of the key of this name, if it may stand here.
    pub(crate) fn find(self, name: &str) -> Option<(&'static Row, Way)> {
        self.rows()
            .find_map(|row| row.way(name).map(|way| (row, way)))
    }

    /// What to tell a person who wrote the unknown key `name` here.
    pub(crate) fn unknown(self, name: &str) -> String {
        if let Some((_, new)) = RENAMED.iter().find(|(old, _)| *old == name)
            && self.find(new).is_some()
        {
            return format!("is now called {new}");
        }
        let tables = Self::ALL
            .map(Self::name)
            .into_iter()
            .filter(|name| !name.is_empty());
        let table = nearest(name, tables).filter(|_| self == Self::Top);
        if let Some(meant) = table {
            return format!("unknown key; did you mean {meant}?");
        }
        if let Some(places) = places(name) {
            return format!("belongs {places}");
        }
        match nearest(name, self.names()) {
            Some(meant) => format!("unknown key; did you mean {meant}?"),
            None => "unknown key".to_owned(),
        }
    }
}

/// Keys that had another name in earlier versions.
const RENAMED: [(&str, &str); 1] = [("renames", "rename_fields")];

/// Where the key of this name may stand, in words.
fn places(name: &str) -> Option<String> {
    let scopes: Vec<Scope> = Scope::ALL
        .into_iter()
        .filter(|scope| scope.find(name).is_some())
        .collect();
    let words: Vec<String> = scopes
        .iter()
        .map(|scope| match scope {
            Scope::Top => "at the top of the file, before the first table".to_owned(),
            Scope::Defaults => "in [defaults] for all sources".to_owned(),
            scope => format!("in {}", scope.heading()),
        })
        .collect();
    (!words.is_empty()).then(|| words.join(" or "))
}

impl Row {
    /// The names under which it can be written; three for a secret.
    pub(crate) fn names(&self) -> Vec<(String, Way)> {
        let mut names = vec![(self.name.to_owned(), Way::Value)];
        if self.secrecy == Secrecy::Secret {
            names.push((format!("{}_file", self.name), Way::File));
            names.push((format!("{}_credential", self.name), Way::Credential));
        }
        names
    }

    /// The way in which the key of this name gives the value; `None` for the name of another row.
    fn way(&self, name: &str) -> Option<Way> {
        match name.strip_prefix(self.name)? {
            "" => Some(Way::Value),
            "_file" if self.secrecy == Secrecy::Secret => Some(Way::File),
            "_credential" if self.secrecy == Secrecy::Secret => Some(Way::Credential),
            _ => None,
        }
    }

    /// The documentation in paragraphs, each one line.
    pub(crate) fn paragraphs(&self) -> Vec<String> {
        let lines: Vec<&str> = self.docs.iter().map(|line| line.trim()).collect();
        let paragraphs = lines.split(|line| line.is_empty());
        paragraphs.map(|lines| lines.join(" ")).collect()
    }

    /// Whether it is an option of catalogue documents.
    pub(crate) fn is_of_documents(&self) -> bool {
        self.scopes.contains(&Scope::Vufind)
    }
}

/// The candidate that `name` is most likely a misspelling of, if one is near.
pub(crate) fn nearest<T: AsRef<str> + Ord>(
    name: &str,
    candidates: impl IntoIterator<Item = T>,
) -> Option<T> {
    candidates
        .into_iter()
        .map(|candidate| {
            let letters = (name.chars(), candidate.as_ref().chars());
            let distance = damerau_levenshtein::distance(letters.0, letters.1);
            (distance, candidate)
        })
        .filter(|(distance, candidate)| *distance <= candidate.as_ref().len() / 4 + 1)
        // Of one or two letters, everything would be near everything.
        .filter(|(distance, candidate)| distance * 2 < candidate.as_ref().len())
        .min()
        .map(|(_, candidate)| candidate)
}

/// How the values of a type are read: what people call the type, and what reads one.
pub(crate) type Reading<T> = (Kind, fn(&Value) -> Result<T, String>);

/// Makes a static for each row and `ROWS` of all of them.
///
/// `NAME: Type = "key" in SCOPES, reader, default "TOML";` is a key that always has a value.
/// Without `default` its type is `Option<Type>`.
macro_rules! keys {
    ($(
        $(#[doc = $doc:literal])+
        $constant:ident: $type:ty = $name:literal in $scopes:expr, $read:expr
        $(, default $default:literal)? $(, example $example:literal)? $(, unit $unit:literal)?
        $(, secrecy $secrecy:expr)? $(, required $required:literal)? ;
    )+) => {
        $(keys! { @key $constant: $type = [$read] [$($default)?]
            Row {
                name: $name,
                scopes: { const SCOPES: &[Scope] = &$scopes; SCOPES },
                kind: { const KIND: Reading<$type> = $read; KIND.0 },
                unit: keys!(@option $($unit)?),
                required: keys!(@flag $($required)?),
                default: keys!(@option $($default)?),
                example: keys!(@option $($example)?),
                secrecy: keys!(@secrecy $($secrecy)?),
                docs: &[$($doc),+],
                check: |value| {
                    let (_, read): Reading<$type> = $read;
                    read(value).map(drop)
                },
            }
        })+

        /// Every row.
        pub(crate) static ROWS: &[&Row] = &[$(&$constant.row),+];
    };
    (@key $constant:ident: $type:ty = [$read:expr] [$default:literal] $row:expr) => {
        pub(crate) static $constant: Key<$type> = Key {
            row: $row,
            read: { const KIND: Reading<$type> = $read; KIND.1 },
            absent: || {
                // Every source has all keys, and most of them by default.
                static DEFAULT: std::sync::LazyLock<Value> =
                    std::sync::LazyLock::new(|| Value::of_toml($default));
                let (_, read): Reading<$type> = $read;
                read(&DEFAULT).expect("a test reads every default")
            },
        };
    };
    (@key $constant:ident: $type:ty = [$read:expr] [] $row:expr) => {
        pub(crate) static $constant: Key<Option<$type>> = Key {
            row: $row,
            read: |value| {
                let (_, read): Reading<$type> = $read;
                read(value).map(Some)
            },
            absent: || None,
        };
    };
    (@option) => { None };
    (@option $value:literal) => { Some($value) };
    (@flag) => { false };
    (@flag $value:literal) => { $value };
    (@secrecy) => { Secrecy::Public };
    (@secrecy $secrecy:expr) => { $secrecy };
}

pub(crate) use keys;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_keys_find_what_was_meant() {
        let cases = [
            (
                "letter",
                Scope::Source,
                "overlop",
                "unknown key; did you mean overlap?",
            ),
            (
                "swapped",
                Scope::Defaults,
                "dealy",
                "unknown key; did you mean delay?",
            ),
            (
                "hyphen",
                Scope::Source,
                "api-key",
                "unknown key; did you mean api_key?",
            ),
            (
                "plural table",
                Scope::Top,
                "sources",
                "unknown key; did you mean source?",
            ),
            ("nothing near", Scope::Source, "colour", "unknown key"),
            (
                "top key below",
                Scope::Source,
                "store",
                "belongs at the top of the file, before the first table",
            ),
            (
                "source key at top",
                Scope::Top,
                "delay",
                "belongs in [defaults] for all sources or in [[group]] or in [[source]]",
            ),
            (
                "catalogue key of a repository",
                Scope::Defaults,
                "institution",
                "belongs in [[source]] or in [vufind] or in [[output]] or in [[export]]",
            ),
            (
                "secret for all",
                Scope::Defaults,
                "api_key_file",
                "belongs in [[source]] or in [[output]]",
            ),
            (
                "old name",
                Scope::Output,
                "renames",
                "is now called rename_fields",
            ),
            (
                "near within its table",
                Scope::Export,
                "fromat",
                "unknown key; did you mean format?",
            ),
        ];
        for (case, scope, name, expected) in cases {
            assert_eq!(scope.unknown(name), expected, "{case}");
        }
    }

    #[test]
    fn rows_are_right() {
        for (index, row) in ROWS.iter().enumerate() {
            let name = row.name;
            for scope in row.scopes {
                let mut others = ROWS[index + 1..].iter();
                let is_taken = |other: &&&Row| other.name == name && other.scopes.contains(scope);
                assert!(others.find(is_taken).is_none(), "{name} twice in {scope:?}");
            }
            for toml in row.default.iter().chain(&row.example) {
                assert_eq!(
                    (row.check)(&Value::of_toml(toml)),
                    Ok(()),
                    "{name} = {toml}"
                );
            }
            assert!(
                row.default.or(row.example).is_some(),
                "{name} has neither a default nor an example"
            );
            assert!(!row.required || row.default.is_none(), "{name}");
            let first = &row.paragraphs()[0];
            assert!(
                first.ends_with('.') || first.ends_with(')'),
                "{name}: {first}"
            );
        }
    }
}
