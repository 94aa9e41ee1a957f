//! How records become catalogue documents: the keys that every table about documents shares.

use std::path::Path;

use regex::Regex;

use super::checked::Reader;
use super::raw::Value;
use super::values;
use crate::output::vufind::{LanguageMap, Options};

/// The keys, which [`read`] reads.
pub(crate) const KEYS: &[&str] = &[
    "institution",
    "collection",
    "id_rewrites",
    "id_prefix",
    "record_format",
    "language_map",
    "any_language_code",
    "work_key_include",
    "work_key_exclude",
    "extra_fields",
    "rename_fields",
    "track_changes",
];

/// Reads the options; faults go to the reader.
pub(crate) fn read(reader: &mut Reader<'_>) -> Options {
    let built_in = Options::default();
    let mut options = Options {
        institution: reader
            .read("institution", text_or_empty)
            .unwrap_or(built_in.institution),
        collection: reader
            .read("collection", text_or_empty)
            .unwrap_or(built_in.collection),
        id_rewrites: reader
            .read("id_rewrites", pairs)
            .unwrap_or(built_in.id_rewrites),
        id_prefix: reader
            .read("id_prefix", text_or_empty)
            .unwrap_or(built_in.id_prefix),
        record_format: reader
            .read("record_format", values::text)
            .unwrap_or(built_in.record_format),
        extra_fields: reader
            .read("extra_fields", fields)
            .unwrap_or(built_in.extra_fields),
        rename_fields: reader
            .read("rename_fields", fields_by_name)
            .unwrap_or(built_in.rename_fields),
        track_changes: reader
            .read("track_changes", values::flag)
            .unwrap_or(built_in.track_changes),
        languages: read_languages(reader),
        work_keys: built_in.work_keys,
    };
    options.work_keys.include = reader.read("work_key_include", pattern);
    options.work_keys.exclude = reader.read("work_key_exclude", pattern);
    options
}

fn read_languages(reader: &mut Reader<'_>) -> LanguageMap {
    let any_standard = reader
        .read("any_language_code", values::flag)
        .unwrap_or_default();
    let mut languages = LanguageMap::default();
    if let Some(entry) = reader.entry("language_map").cloned()
        && let Some(name) = reader.take("language_map", &entry, values::text(&entry.value))
    {
        let path = reader.resolve(&entry.origin, Path::new(&name));
        if let Some(parsed) = reader.take("language_map", &entry, LanguageMap::read(&path)) {
            languages = parsed;
        }
    }
    languages.any_standard = any_standard;
    languages
}

/// A text, which may be empty where that means "none".
fn text_or_empty(value: &Value) -> Result<String, String> {
    match value {
        Value::Text(text) if text.trim().is_empty() => Ok(String::new()),
        _ => values::text(value),
    }
}

fn pattern(value: &Value) -> Result<Regex, String> {
    let text = values::text(value)?;
    Regex::new(&text).map_err(|error| {
        // The whole message has several lines, with a drawing.
        let last = error.to_string();
        let last = last.lines().last().unwrap_or_default().trim().to_owned();
        format!("{text:?} is not a regular expression: {last}")
    })
}

/// A table of texts to texts, in the order of the file.
fn pairs(value: &Value) -> Result<Vec<(String, String)>, String> {
    table(value)?
        .iter()
        .map(|(name, value)| match value {
            Value::Text(text) => Ok((name.clone(), text.clone())),
            _ => Err(format!("{name:?} must have a text in quotes")),
        })
        .collect()
}

/// A table of names of fields to their new names.
fn fields_by_name(value: &Value) -> Result<Vec<(String, String)>, String> {
    let pairs = pairs(value)?;
    match pairs
        .iter()
        .find(|(from, to)| from.is_empty() || to.is_empty())
    {
        Some((from, to)) => Err(format!("{from:?} to {to:?}: a field must have a name")),
        None => Ok(pairs),
    }
}

/// A table of field names to a text or a list of texts, in the order of the file.
pub(super) fn fields(value: &Value) -> Result<Vec<(String, Vec<String>)>, String> {
    table(value)?
        .iter()
        .map(|(name, value)| match value {
            Value::List(_) => Ok((name.clone(), values::texts(value)?)),
            _ => Ok((name.clone(), vec![values::text(value)?])),
        })
        .collect()
}

/// The entries of a table; an environment variable has lines of `name = value`.
fn table(value: &Value) -> Result<Vec<(String, Value)>, String> {
    match value {
        Value::Table(entries) => Ok(entries
            .iter()
            .map(|(name, entry)| (name.clone(), entry.value.clone()))
            .collect()),
        Value::Text(lines) => lines
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| {
                let (name, text) = line
                    .split_once('=')
                    .ok_or_else(|| format!("{line:?} is not \"name = value\""))?;
                let value = Value::Text(text.trim().to_owned());
                Ok((name.trim().to_owned(), value))
            })
            .collect(),
        _ => Err("must be a table, such as { name = \"value\" }".to_owned()),
    }
}
