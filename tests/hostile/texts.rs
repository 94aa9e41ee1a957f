//! Texts of repositories: they stay one short line wherever they go, and no alert stops the others.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use harvestd::store::Store;
use serde_json::Value;

use crate::support::daemon::{Daemon, eventually, source, write_config};
use crate::support::{Fault, Repository, When, harvestd, temp_store};

/// Every second.
const OFTEN: &str = "*/1 * * * * *";

/// The limit of Linux for one variable of an environment is 128 KiB.
const LARGE: usize = 140_000;

/// A text that forges a line of a log, turns around what follows, and is too long for an environment.
fn hostile_text() -> String {
    format!(
        "no\n ERROR forged line\u{9b}2J\u{202e} {}",
        "x".repeat(LARGE)
    )
}

/// A ListRecords that is refused with [`hostile_text`].
fn refusal() -> Fault {
    Fault::xml(format!(
        "<OAI-PMH xmlns=\"http://www.openarchives.org/OAI/2.0/\">\
         <responseDate>2026-06-01T12:00:00Z</responseDate><request>http://x.example/oai</request>\
         <error code=\"badArgument\">{}</error></OAI-PMH>",
        hostile_text()
    ))
}

/// A program that adds a line with name and message of each alert to a file, whose path it gives too.
fn listener(folder: &Path) -> (PathBuf, PathBuf) {
    let (program, heard) = (folder.join("tell"), folder.join("heard"));
    let script = format!(
        "#!/bin/sh\nprintf '%s|%s\\n' \"$HARVESTD_ALERT_NAME\" \"$HARVESTD_ALERT_MESSAGE\" >> '{}'\n",
        heard.display()
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    (program, heard)
}

async fn heard(path: &Path) -> Vec<String> {
    eventually("the program is run", async || {
        let text = std::fs::read_to_string(path).ok()?;
        text.ends_with('\n')
            .then(|| text.lines().map(str::to_owned).collect())
    })
    .await
}

fn assert_harmless(text: &str) {
    let acts = |c: &char| *c != '\n' && (c.is_control() || *c == '\u{202e}');
    let found: Vec<char> = text.chars().filter(acts).collect();
    assert!(found.is_empty(), "{found:?} in {text}");
}

#[tokio::test]
async fn a_long_error_is_told_as_one_short_line() {
    let repository = Repository::with_records(10)
        .always(When::Verb("ListRecords"), refusal())
        .start()
        .await;
    let store = temp_store();
    let (program, told) = listener(store.dir());
    let sources = [source("a", &repository.base_url(), OFTEN, "")];
    let config = write_config(
        &store,
        &format!("alert = '{}'", program.display()),
        &sources,
    );
    let daemon = Daemon::start(&store, &config).await;
    let lines = heard(&told).await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].contains("no ERROR forged line<U+009B>2J<U+202E> xxx"),
        "{lines:?}"
    );
    assert!(lines[0].chars().count() < 1_000, "{}", lines[0].len());
    let status = daemon.json("/api/v1/status").await;
    let message = status["conditions"][0]["message"].as_str().unwrap();
    assert!(!message.contains('\n'), "{message:?}");
    assert_harmless(message);
    daemon.terminate().await;
    let log = std::fs::read_to_string(store.dir().join("log")).unwrap();
    assert_harmless(&log);
    for line in log.lines() {
        assert!(!line.trim_start().starts_with("ERROR forged"), "{log}");
        assert!(line.chars().count() < 2_000, "{line}");
    }
}

#[tokio::test]
async fn an_alert_that_cannot_be_delivered_holds_up_no_other() {
    let repository = Repository::with_records(10)
        .always(When::Verb("ListRecords"), Fault::oai_error("badArgument"))
        .start()
        .await;
    let store = temp_store();
    let (program, told) = listener(store.dir());
    // Too large for an environment, as an earlier release left it.
    let text = "x".repeat(LARGE);
    let alert = format!(
        "{{\"subject\":\"source\",\"name\":\"other\",\"condition\":\"failing\",\"state\":\"begun\",\
         \"message\":\"{text}\"}}"
    );
    let now_ms = i64::try_from(
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_millis(),
    )
    .unwrap();
    Store::open(&store.path())
        .unwrap()
        .change_conditions(&[], &[], &[alert], &["command"], now_ms)
        .unwrap();
    let sources = [source("a", &repository.base_url(), OFTEN, "")];
    let config = write_config(
        &store,
        &format!("alert = '{}'", program.display()),
        &sources,
    );
    let daemon = Daemon::start(&store, &config).await;
    let lines = heard(&told).await;
    assert!(lines[0].starts_with("a|"), "{lines:?}");
    eventually("the other is given up", async || {
        let pending = &daemon.json("/api/v1/status").await["pending_alerts"];
        (*pending == 0).then_some(())
    })
    .await;
    daemon.terminate().await;
    let log = std::fs::read_to_string(store.dir().join("log")).unwrap();
    assert!(log.contains("given up after 3 attempts"), "{log}");
}

#[tokio::test]
async fn names_of_a_repository_do_nothing_to_a_terminal() {
    let name = hostile_text();
    let repository = Repository::with_records(10)
        .always(
            When::Verb("Identify"),
            Fault::body(move |body| {
                let text = String::from_utf8(body).unwrap();
                let start = text.find("<repositoryName>").unwrap();
                let end = text.find("</repositoryName>").unwrap();
                let start = start + "<repositoryName>".len();
                format!("{}{name}{}", &text[..start], &text[end..]).into_bytes()
            }),
        )
        .start()
        .await;
    let url = repository.base_url();
    let shown = harvestd(&["identify", &url]).await;
    assert!(shown.stdout.contains("ERROR forged line"), "{shown:?}");
    assert_harmless(&shown.stdout);
    assert!(shown.stdout.lines().all(|line| line.chars().count() <= 600));
    let json = harvestd(&["identify", "--json", &url]).await;
    let survey: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_harmless(&survey.to_string());
    assert!(json.stdout.len() < 20_000, "{}", json.stdout.len());
}
