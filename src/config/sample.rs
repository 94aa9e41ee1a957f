//! Whether `config/harvestd.toml` works, documents every key and tells the true defaults.

use std::collections::BTreeSet;
use std::path::Path;

use super::keys::{self, Scope};
use super::{Config, Environment, Overrides, Secrets, load};

fn written() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/harvestd.toml");
    std::fs::read_to_string(path).unwrap()
}

/// The file with the tables in force that are examples, each with the keys that it cannot do without.
fn sample() -> String {
    let mut inside = false;
    let mut lines = Vec::new();
    let text = written();
    for line in text.lines() {
        let example = line.strip_prefix("##");
        inside |= example.is_some_and(|example| example.starts_with("[["));
        let needed = ["[[", "name = ", "type = ", "urls = ", "path = "];
        lines.push(match example {
            Some(example) if inside && needed.iter().any(|start| example.starts_with(start)) => {
                example
            }
            _ => line,
        });
    }
    lines.join("\n")
}

fn load_text(text: &str) -> Config {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("harvestd.toml");
    std::fs::write(&path, text).unwrap();
    let overrides = Overrides {
        config: Some(path),
        store: Some("/store.db".into()),
        ..Overrides::default()
    };
    let mut config = load(&overrides, &Environment::default(), Secrets::Required).unwrap();
    config.file = None;
    config
}

/// Whether a line is `key = value` after its `#`s.
fn setting(line: &str) -> Option<&str> {
    let (key, _) = line.trim_start_matches('#').split_once(" = ")?;
    let bare = |c: char| c.is_ascii_lowercase() || c == '_';
    (!key.is_empty() && key.chars().all(bare)).then_some(key)
}

/// The text with the lines that start with `marks` and hold a setting made valid.
fn uncomment(text: &str, marks: &str) -> String {
    let lines = text.lines().map(|line| match line.strip_prefix(marks) {
        Some(rest) if !rest.starts_with('#') && setting(rest).is_some() => rest,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn it_harvests_doaj() {
    let config = load_text(&written());
    assert!(config.outputs.is_empty() && config.exports.is_empty());
    let sources: Vec<_> = config
        .sources
        .iter()
        .map(|source| {
            let url = source.client.url.as_str();
            (source.name.as_str(), url, source.metadata_prefix.as_str())
        })
        .collect();
    assert_eq!(
        sources,
        [
            ("doaj-articles", "https://doaj.org/oai.article", "oai_doaj"),
            ("doaj-journals", "https://doaj.org/oai", "oai_dc"),
        ]
    );
    assert_eq!(config.warnings, []);
}

#[test]
fn it_has_each_key_in_its_table() {
    let sample = sample();
    let mut scope = Scope::Top;
    let mut found = BTreeSet::new();
    for line in sample.lines() {
        match line {
            "[defaults]" => scope = Scope::Defaults,
            "[dedup]" => scope = Scope::Dedup,
            "[daemon]" => scope = Scope::Daemon,
            "[[source]]" => scope = Scope::Source,
            "[vufind]" => scope = Scope::Vufind,
            "[[output]]" => scope = Scope::Output,
            "[[export]]" => scope = Scope::Export,
            _ => {
                if let Some(key) = setting(line) {
                    assert!(scope.find(key).is_some(), "{key} in {scope:?}");
                    found.insert(key);
                }
            }
        }
    }
    let known: BTreeSet<&str> = [
        keys::TOP,
        keys::DAEMON,
        keys::DEDUP,
        keys::SHARED,
        keys::SOURCE_ONLY,
        keys::OUTPUT,
        keys::EXPORT,
        super::documents::KEYS,
    ]
    .into_iter()
    .flatten()
    .copied()
    .collect();
    assert_eq!(found, known);
}

#[test]
fn its_defaults_are_the_built_in_ones() {
    let sample = sample();
    let explicit = uncomment(&sample, "#");
    assert!(explicit.lines().any(|line| line == "overlap = \"48h\""));
    assert_eq!(load_text(&explicit), load_text(&sample));
}

#[test]
fn its_defaults_are_complete() {
    // Keys whose built-in value is "none"; each other key of all sources must show its default.
    let without = ["from", "until", "granularity", "ca_file", "proxy", "hours"];
    let sample = sample();
    let shown: BTreeSet<&str> = sample
        .lines()
        .filter(|line| line.starts_with('#') && !line.starts_with("##"))
        .filter_map(setting)
        .collect();
    for key in keys::SHARED {
        assert_eq!(shown.contains(key), !without.contains(key), "{key}");
    }
    // The same of an output, beside what it is and who we are to it.
    let without = [
        "language_map",
        "work_key_include",
        "work_key_exclude",
        "version_field",
        "audit_filter",
        "ca_file",
        "proxy",
        "hours",
    ];
    let of_outputs = keys::OUTPUT.iter().skip_while(|key| **key != "sources");
    for key in of_outputs.chain(super::documents::KEYS) {
        assert_eq!(shown.contains(key), !without.contains(key), "{key}");
    }
}

#[test]
fn its_examples_are_right() {
    let sample = sample();
    let lines: Vec<&str> = sample.lines().collect();
    let examples: Vec<(usize, &str)> = lines
        .iter()
        .copied()
        .enumerate()
        .filter(|(_, line)| line.starts_with("##") && setting(line).is_some())
        .collect();
    assert!(examples.len() > 15);
    for (number, example) in examples {
        let mut valid = example.trim_start_matches('#').to_owned();
        match setting(example) {
            // Needs a partner.
            Some("user") => valid.push_str("\npassword = \"p\""),
            Some("password") => valid.push_str("\nuser = \"u\""),
            _ => {}
        }
        // Files and credentials of an example are nobody's, so they stay unread.
        let mut changed = lines.clone();
        changed[number] = &valid;
        let text = changed.join("\n");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("harvestd.toml");
        std::fs::write(directory.path().join("language_map.properties"), "").unwrap();
        std::fs::write(&path, text).unwrap();
        let overrides = Overrides {
            config: Some(path),
            store: Some("/store.db".into()),
            ..Overrides::default()
        };
        let result = load(&overrides, &Environment::default(), Secrets::Unread);
        match setting(example) {
            Some("password_file" | "password_credential") => {
                let error = result.unwrap_err().to_string();
                assert!(
                    error.ends_with("needs a user beside it"),
                    "{example}: {error}"
                );
            }
            _ => assert!(result.is_ok(), "{example}: {:?}", result.err()),
        }
    }
}
