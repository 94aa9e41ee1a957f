//! From what `[vufind]` holds to the checked settings of catalogue documents.

use std::path::Path;

use regex::Regex;

use super::checked::Findings;
use super::problem::Problem;
use super::raw::{Entry, Layer, Value};
use super::values;
use crate::output::vufind::Settings;

/// Checks the table; what is wrong with it goes to `findings`, and its default stands instead.
pub(crate) fn settings(table: &Layer, directory: &Path, findings: &mut Findings) -> Settings {
    let mut reader = Reader { table, findings };
    let default = Settings::default();
    Settings {
        institution: reader.read("institution", text, default.institution),
        collection: reader.read("collection", text, default.collection),
        record_format: reader.read("record_format", values::text, default.record_format),
        id_rewrites: reader.read("id_rewrites", pairs, default.id_rewrites),
        id_prefix: reader.read("id_prefix", text, default.id_prefix),
        language_map: reader.read(
            "language_map",
            |value| values::text(value).map(|path| Some(directory.join(path))),
            default.language_map,
        ),
        any_language_code: reader.read("any_language_code", truth, default.any_language_code),
        track_changes: reader.read("track_changes", truth, default.track_changes),
        work_key_include: reader.read("work_key_include", regex, default.work_key_include),
        work_key_exclude: reader.read("work_key_exclude", regex, default.work_key_exclude),
        extra_fields: reader.read("extra_fields", lists, default.extra_fields),
        rename_fields: reader.read("rename_fields", fields, default.rename_fields),
    }
}

struct Reader<'a> {
    table: &'a Layer,
    findings: &'a mut Findings,
}

impl Reader<'_> {
    fn read<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&Value) -> Result<T, String>,
        default: T,
    ) -> T {
        let Some(entry) = self.table.entries.get(key) else {
            return default;
        };
        parse(&entry.value).unwrap_or_else(|message| {
            let problem = Problem::new(entry.origin.clone(), message).of_key(key);
            self.findings.problems.push(problem);
            default
        })
    }
}

/// A text, which may be empty and keeps its blanks.
fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::Text(text) if text.contains(char::is_control) => {
            Err("must not contain control characters".to_owned())
        }
        Value::Text(text) => Ok(text.clone()),
        // The message is the same as for other texts.
        other => values::text(other),
    }
}

fn truth(value: &Value) -> Result<bool, String> {
    match value {
        Value::Boolean(truth) => Ok(*truth),
        _ => Err("must be true or false, without quotes".to_owned()),
    }
}

fn regex(value: &Value) -> Result<Option<String>, String> {
    let text = values::text(value)?;
    match Regex::new(&text) {
        Ok(_) => Ok(Some(text)),
        Err(error) => Err(format!("is no regular expression: {error}")),
    }
}

fn table(value: &Value) -> Result<&[(String, Entry)], String> {
    match value {
        Value::Table(entries) => Ok(entries),
        _ => Err("must be a table, such as { name = \"value\" }".to_owned()),
    }
}

/// Texts by texts, in the order of the file.
fn pairs(value: &Value) -> Result<Vec<(String, String)>, String> {
    table(value)?
        .iter()
        .map(|(name, entry)| {
            let to = text(&entry.value).map_err(|error| format!("{name}: {error}"))?;
            Ok((name.clone(), to))
        })
        .collect()
}

/// Names of fields by names of fields.
fn fields(value: &Value) -> Result<Vec<(String, String)>, String> {
    let pairs = pairs(value)?;
    match pairs
        .iter()
        .find(|(from, to)| from.is_empty() || to.is_empty())
    {
        Some((from, to)) => Err(format!("{from:?} to {to:?}: a field must have a name")),
        None => Ok(pairs),
    }
}

/// A text or a list of texts for each name.
fn lists(value: &Value) -> Result<Vec<(String, Vec<String>)>, String> {
    table(value)?
        .iter()
        .map(|(name, entry)| {
            let values = match &entry.value {
                Value::List(entries) => entries.iter().map(|entry| text(&entry.value)).collect(),
                one => text(one).map(|text| vec![text]),
            };
            let values = values.map_err(|error| format!("{name}: {error}"))?;
            Ok((name.clone(), values))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config::raw;

    fn read(text: &str) -> (Settings, Vec<String>) {
        let mut findings = Findings::default();
        let raw = raw::parse(Path::new("c.toml"), text, &mut findings.problems).unwrap();
        let settings = settings(&raw.vufind, Path::new("/etc/h"), &mut findings);
        let problems = findings.problems.iter().map(Problem::to_string).collect();
        (settings, problems)
    }

    #[test]
    fn reads_every_key() {
        let (settings, problems) = read(
            r#"[vufind]
institution = "A library"
collection = ""
record_format = "Doaj"
id_rewrites = { "oai:b:" = "b-", "oai:a:" = "" }
id_prefix = "x."
language_map = "languages.ini"
any_language_code = true
track_changes = true
work_key_include = "[a-z]"
work_key_exclude = "x"
extra_fields = { building = ["Online", "All"], access = "open" }
rename_fields = { series = "container_title" }
"#,
        );
        assert_eq!(problems, [""; 0]);
        let pair = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        let expected = Settings {
            institution: "A library".to_owned(),
            collection: String::new(),
            record_format: "Doaj".to_owned(),
            id_rewrites: vec![pair("oai:b:", "b-"), pair("oai:a:", "")],
            id_prefix: "x.".to_owned(),
            language_map: Some(PathBuf::from("/etc/h/languages.ini")),
            any_language_code: true,
            track_changes: true,
            work_key_include: Some("[a-z]".to_owned()),
            work_key_exclude: Some("x".to_owned()),
            extra_fields: vec![
                (
                    "building".to_owned(),
                    vec!["Online".to_owned(), "All".to_owned()],
                ),
                ("access".to_owned(), vec!["open".to_owned()]),
            ],
            rename_fields: vec![pair("series", "container_title")],
        };
        assert_eq!(settings, expected);
    }

    #[test]
    fn faults_name_their_place() {
        let cases = [
            (
                "number",
                "institution = 3",
                "c.toml:2:15: institution: must be a text in quotes, not a number",
            ),
            (
                "quoted truth",
                "track_changes = 'yes'",
                "c.toml:2:17: track_changes: must be true or false, without quotes",
            ),
            (
                "regular expression",
                "work_key_include = '['",
                "c.toml:2:20: work_key_include: is no regular expression: ",
            ),
            (
                "no table",
                "id_rewrites = 'a=b'",
                "c.toml:2:15: id_rewrites: must be a table, such as { name = \"value\" }",
            ),
            (
                "value of a table",
                "extra_fields = { a = [1] }",
                "c.toml:2:16: extra_fields: a: must be a text in quotes, not a number",
            ),
            (
                "field without a name",
                "rename_fields = { a = '' }",
                "c.toml:2:17: rename_fields: \"a\" to \"\": a field must have a name",
            ),
            (
                "unknown key",
                "instituton = 'x'",
                "c.toml:2:1: instituton: unknown key; did you mean institution?",
            ),
        ];
        for (case, line, expected) in cases {
            let (settings, problems) = read(&format!("[vufind]\n{line}\n"));
            assert_eq!(settings, Settings::default(), "{case}");
            assert_eq!(problems.len(), 1, "{case}: {problems:?}");
            assert!(problems[0].starts_with(expected), "{case}: {}", problems[0]);
        }
    }
}
