//! The program as a user runs it: exit status, output streams, and no secret in either.

use std::path::Path;
use std::process::{Command, Output};

/// The program with `home` as its home directory and no other environment variable.
fn harvestd(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_harvestd"));
    command.env_clear().env("HOME", home).current_dir(home);
    command
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    (
        status.code(),
        text(&stdout).to_owned(),
        text(&stderr).to_owned(),
    )
}

#[test]
fn a_valid_configuration_is_printed() {
    let home = tempfile::tempdir().unwrap();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/harvestd.toml");
    let (status, out, err) = run(harvestd(home.path())
        .args(["check-config", "--config"])
        .arg(&sample));
    assert_eq!((status, err.as_str()), (Some(0), ""));
    assert!(out.contains("https://doaj.org/oai.article"));
    let store = home.path().join(".local/share/harvestd/harvestd.db");
    assert!(out.contains(store.to_str().unwrap()));
    assert!(!store.exists(), "checking writes nothing");
}

#[test]
fn each_error_of_a_configuration_has_its_line() {
    let home = tempfile::tempdir().unwrap();
    let file =
        "[[source]]\nname = 'a'\nurl = 'https://me:hush@a.org/'\napi_key = 'hush'\ndealy = 1\n";
    std::fs::write(home.path().join("c.toml"), file).unwrap();
    let (status, out, err) =
        run(harvestd(home.path()).args(["check-config", "--config", "c.toml"]));
    assert_eq!(status, Some(2));
    assert_eq!(out, "");
    assert_eq!(
        err,
        "error: c.toml:3:7: source a: url: must not hold a user or password; use the keys user and \
         password\n\
         error: c.toml:5:1: source a: dealy: unknown key; did you mean delay?\n"
    );
}

#[test]
fn warnings_go_to_standard_error() {
    let home = tempfile::tempdir().unwrap();
    let (status, out, err) = run(harvestd(home.path())
        .args(["check-config", "--json"])
        .env("HARVESTD_STOER", "x")
        .env("HARVESTD_LOG_FORMAT", "json"));
    assert_eq!(status, Some(0));
    assert!(out.starts_with('{'), "{out}");
    assert_eq!(err.lines().count(), 1, "{err}");
    assert!(
        err.starts_with('{') && err.contains("did you mean HARVESTD_STORE?"),
        "{err}"
    );
}

#[test]
fn wrong_usage_has_an_exit_status_of_its_own() {
    let home = tempfile::tempdir().unwrap();
    for arguments in [
        &["harvests"][..],
        &["harvest", "--demo", "a"],
        &["harvest", "-q", "-v"],
    ] {
        let (status, out, err) = run(harvestd(home.path()).args(arguments));
        assert_eq!(
            (status, out.as_str()),
            (Some(2), ""),
            "{arguments:?}: {err}"
        );
    }
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let home = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = harvestd(home.path())
        .args(["completions", "bash"])
        .stdout(writer)
        .output()
        .unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
}

#[test]
fn help_names_every_exit_status() {
    let home = tempfile::tempdir().unwrap();
    let (status, out, _) = run(harvestd(home.path()).arg("--help"));
    assert_eq!(status, Some(0));
    for line in ["  0  ", "  1  ", "  2  ", "  3  "] {
        assert!(out.lines().any(|shown| shown.starts_with(line)), "{out}");
    }
    let (_, version, _) = run(harvestd(home.path()).arg("--version"));
    assert_eq!(version, format!("harvestd {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_demo_ignores_a_broken_configuration() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".config/harvestd");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("harvestd.toml"), "no configuration").unwrap();
    let (status, _, err) = run(harvestd(home.path()).arg("status"));
    assert_eq!(status, Some(2), "the file is one that is looked at: {err}");
    let mut demo = harvestd(home.path());
    demo.args(["harvest", "--demo", "--store", "demo.db"]);
    let (status, _, err) = run(&mut demo);
    assert_eq!(status, Some(0), "{err}");
}

#[test]
fn migrate_brings_an_older_store_to_the_newest_schema() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store.db");
    drop(harvestd::store::Store::open(&path).unwrap());
    // The tables that the last migrations made, changed or dropped, as they were before.
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch(
            "DROP INDEX record_source_version;
             DROP TABLE IF EXISTS job; DROP TABLE gap; DROP TABLE head; DROP TABLE other_state;
             DROP TABLE source_day; DROP TABLE job_day; DROP INDEX pass_start;
             DROP TABLE provider; DROP TABLE source_set_list;
             DROP TABLE imported; DROP TABLE origin; DROP TABLE unclustered;
             DROP TABLE set_name; DROP TABLE harvester;
             DROP TABLE review_pair; DROP TABLE review_rule; DROP TABLE review_cluster; DROP TABLE review;
             ALTER TABLE record DROP COLUMN former_list_id;
             ALTER TABLE record DROP COLUMN listed_in;
             ALTER TABLE pass DROP COLUMN after_version;
             ALTER TABLE window DROP COLUMN failures;
             ALTER TABLE output ADD COLUMN last_error TEXT;
             ALTER TABLE output ADD COLUMN error_at INTEGER;
             ALTER TABLE export ADD COLUMN last_error TEXT;
             ALTER TABLE export ADD COLUMN error_at INTEGER;
             DROP INDEX record_identifier; DROP TABLE match_key;
             CREATE TABLE match_keys (part INTEGER PRIMARY KEY, entries BLOB NOT NULL);
             CREATE TABLE identifiers (part INTEGER PRIMARY KEY, entries BLOB NOT NULL);
             CREATE TABLE recent_identifier (hash INTEGER, record_id INTEGER);
             PRAGMA user_version = 9;",
        )
        .unwrap();
    let store = |command: &str| {
        let arguments = [command, "--store", "store.db"];
        run(harvestd(home.path()).args(arguments))
    };
    let (status, out, err) = store("status");
    assert_eq!((status, out.as_str()), (Some(1), ""));
    assert!(err.contains("run `harvestd migrate`"), "{err}");

    let (status, out, err) = store("migrate");
    assert_eq!(status, Some(0), "{err}");
    assert!(out.contains("migrated from schema 9 to "), "{out}");
    assert!(out.ends_with("kept as store.db.schema-9.bak\n"), "{out}");
    assert!(home.path().join("store.db.schema-9.bak").exists());
    assert_eq!(store("status").0, Some(0));
    let (status, out, _) = store("migrate");
    assert_eq!(status, Some(0));
    assert_eq!(out, "store.db: has the newest schema already\n");
}
