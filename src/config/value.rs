//! Values as they are written, before it is known what their key wants.

use toml::de::{DeTable, DeValue};

use super::problem::Origin;

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

impl Value {
    /// Takes over a value from the TOML parser; `origin` tells the place of each part from its bytes.
    pub(crate) fn new(
        value: &DeValue<'_>,
        origin: &dyn Fn(std::ops::Range<usize>) -> Origin,
    ) -> Self {
        let entry = |part: &toml::Spanned<DeValue<'_>>| Entry {
            value: Self::new(part.get_ref(), origin),
            origin: origin(part.span()),
        };
        match value {
            DeValue::String(text) => Self::Text(text.clone().into_owned()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or(Self::Other("an integer beyond 64 bits"), Self::Integer),
            DeValue::Datetime(instant) => Self::Datetime(instant.to_string()),
            DeValue::Float(_) => Self::Other("a number with a fraction"),
            DeValue::Boolean(value) => Self::Boolean(*value),
            DeValue::Array(items) => Self::List(items.iter().map(entry).collect()),
            DeValue::Table(table) => {
                let parts = table.iter();
                let mut entries: Vec<_> = parts
                    .map(|(key, part)| (key.span().start, key.get_ref().to_string(), entry(part)))
                    .collect();
                // The parser sorts them by name.
                entries.sort_by_key(|(start, ..)| *start);
                let entries = entries.into_iter();
                Self::Table(entries.map(|(_, name, entry)| (name, entry)).collect())
            }
        }
    }

    /// Reads a value from a piece of TOML of our own.
    pub(crate) fn of_toml(text: &str) -> Self {
        let document = format!("it = {text}");
        let (table, _) = DeTable::parse_recoverable(&document);
        match table.get_ref().get("it") {
            Some(value) => Self::new(value.get_ref(), &|_| Origin::Program),
            None => Self::Other("no TOML"),
        }
    }

    /// What people call a value of this type.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Integer(_) => "a number",
            Self::Boolean(_) => "true or false",
            Self::Datetime(_) => "a date",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Other(kind) => kind,
        }
    }
}
