//! Secrets: whatever a repository repeats and wherever a person writes them, none gets into a log, a
//! message, a name or the store; and no token is guessed.

use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use harvestd::store::{ChangeFilter, Reader};

use crate::support::daemon::{Daemon, eventually, source, write_config};
use crate::support::{Fault, Program, Repository, When, harvestd, temp_store};

const KEY: &str = "5ecret-a1b2c3d4e5f6";

/// The files of a folder that have `text` in their content or in their name.
fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.display().to_string();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            let content = bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes());
            if content || name.contains(text) {
                found.push(name);
            }
        }
    }
    found
}

#[tokio::test]
async fn a_key_in_a_url_given_by_hand_is_in_no_name_log_lock_or_store() {
    let answer = |content: &str| {
        Fault::xml(format!(
            "<OAI-PMH xmlns=\"http://www.openarchives.org/OAI/2.0/\">\
             <responseDate>2026-06-01T12:00:00Z</responseDate><request>http://x.example/oai</request>\
             {content}</OAI-PMH>"
        ))
    };
    // The model refuses arguments that it does not know.
    let repository = Repository::with_records(0)
        .always(
            When::Verb("Identify"),
            answer("<Identify><granularity>YYYY-MM-DD</granularity></Identify>"),
        )
        .always(
            When::Verb("ListRecords"),
            answer(
                "<ListRecords><record><header><identifier>oai:x:1</identifier>\
                 <datestamp>2026-01-01</datestamp></header><metadata><x/></metadata></record>\
                 </ListRecords>",
            ),
        )
        .start()
        .await;
    let plain = repository.base_url();
    let store = temp_store();
    let mut names = Vec::new();
    for url in [
        format!("{plain}?apikey={KEY}"),
        format!("{plain}?token={KEY}"),
        format!("{plain}?key={KEY}"),
    ] {
        let run = Program::new(&["harvest", "-v", "--store", &store.argument(), &url])
            .run()
            .await
            .success();
        assert!(
            !run.stdout.contains(KEY) && !run.stderr.contains(KEY),
            "{run:?}"
        );
        let status = harvestd(&["status", "--json", "--store", &store.argument()]).await;
        assert!(!status.stdout.contains(KEY), "{status:?}");
        assert_eq!(files_with(store.dir(), KEY), [""; 0], "{url}");
        let sources = Reader::open(&store.path()).unwrap().sources().unwrap();
        names.push(
            sources
                .into_iter()
                .map(|source| source.name)
                .collect::<Vec<_>>(),
        );
    }
    // Those with keys of the configuration are not taken at all.
    for url in [
        format!("{plain}?api_key={KEY}"),
        plain.replace("http://", &format!("http://user:{KEY}@")),
    ] {
        let refused = harvestd(&["harvest", "--store", &store.argument(), &url]).await;
        assert!(refused.stderr.contains("must not hold"), "{refused:?}");
        assert!(!refused.stderr.contains(KEY), "{refused:?}");
    }
    // The key decides nothing about the source, so all of them are one.
    assert!(names.iter().all(|names| names.len() == 1), "{names:?}");
    let sent = repository.requests();
    assert!(
        sent.iter()
            .any(|request| request.argument("apikey") == Some(KEY)),
        "it is still sent"
    );
}

/// The repository repeats the key as a careless one does: in the request, in errors, in records.
#[tokio::test]
async fn what_a_repository_repeats_is_redacted() {
    let repository = Repository::with_records(10)
        .always(
            When::Verb("Identify"),
            Fault::replacing("</repositoryName>", &format!(" {KEY}</repositoryName>")),
        )
        .once(
            When::Verb("ListRecords"),
            Fault::xml(format!(
                "<OAI-PMH xmlns=\"http://www.openarchives.org/OAI/2.0/\">\
                 <responseDate>2026-06-01T12:00:00Z</responseDate><request>http://x/?api_key={KEY}</request>\
                 <error code=\"badArgument\">{}no {KEY} here</error></OAI-PMH>",
                // So that the cut would go through the key.
                "x".repeat(490)
            )),
        )
        .always(
            When::Verb("ListRecords"),
            Fault::body(|body| {
                let text = String::from_utf8(body).unwrap();
                let title = "<oai_doaj:publisher>";
                let text = text.replace(title, &format!("{title}http://x/?api_key={KEY} "));
                text.into_bytes()
            }),
        )
        .start()
        .await;
    let store = temp_store();
    let more = format!("api_key = '{KEY}'");
    let config = write_config(
        &store,
        "",
        &[source("a", &repository.base_url(), "never", &more)],
    );
    let config_text = std::fs::read_to_string(&config).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let config = elsewhere.path().join("harvestd.toml");
    std::fs::write(&config, config_text).unwrap();
    std::fs::remove_file(store.dir().join("harvestd.toml")).unwrap();
    let arguments = ["harvest", "-v", "--config", config.to_str().unwrap()];
    let refused = harvestd(&arguments).await;
    assert!(refused.stderr.contains("badArgument"), "{refused:?}");
    for run in [refused, harvestd(&arguments).await.success()] {
        for part in [KEY, &KEY[..8]] {
            assert!(
                !run.stdout.contains(part) && !run.stderr.contains(part),
                "{run:?}"
            );
        }
    }
    assert_eq!(files_with(store.dir(), KEY), [""; 0]);
    let reader = Reader::open(&store.path()).unwrap();
    let mut records = Vec::new();
    reader
        .changes(&ChangeFilter::default(), |record| {
            records.push(record);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(records.len(), 10);
    for record in records {
        let metadata = record.metadata.unwrap();
        assert!(!metadata.contains(KEY), "{metadata}");
        assert!(metadata.contains("api_key=[redacted]"), "{metadata}");
    }
}

#[tokio::test]
async fn the_program_that_is_told_alerts_inherits_no_secret() {
    let repository = Repository::with_records(10)
        .always(When::Verb("ListRecords"), Fault::oai_error("badArgument"))
        .start()
        .await;
    let store = temp_store();
    let (program, heard) = (store.dir().join("tell"), store.dir().join("heard"));
    std::fs::write(
        &program,
        format!("#!/bin/sh\nenv > '{}'\n", heard.display()),
    )
    .unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    let sources = [source("a", &repository.base_url(), "*/1 * * * * *", "")];
    let config = write_config(
        &store,
        &format!("alert = '{}'", program.display()),
        &sources,
    );
    let service = Program::new(&["daemon", "--config", config.to_str().unwrap()])
        .env("HARVESTD_SOURCE_A_API_KEY", KEY)
        .env("HARVESTD_DAEMON_TOKEN", KEY)
        .env("HARVESTD_STORE", &store.argument())
        .env("OTHER", "stays");
    let daemon = Daemon::of(service, &store).await;
    let environment = eventually("the program is run", async || {
        let text = std::fs::read_to_string(&heard).ok()?;
        text.contains("HARVESTD_ALERT_NAME=a").then_some(text)
    })
    .await;
    assert!(!environment.contains(KEY), "{environment}");
    assert!(environment.contains("OTHER=stays"), "{environment}");
    assert!(environment.contains("HARVESTD_STORE="), "{environment}");
    daemon.terminate().await;
}

#[tokio::test]
async fn short_tokens_are_refused() {
    let store = temp_store();
    let config = write_config(&store, "token = 'fifteen-letters'", &[]);
    let check = harvestd(&["check-config", "--config", config.to_str().unwrap()]).await;
    assert_ne!(check.status, Some(0), "{check:?}");
    assert!(check.stderr.contains("at least 16 characters"), "{check:?}");
    assert!(!check.stderr.contains("fifteen-letters"), "{check:?}");
}

#[tokio::test]
async fn tokens_are_guessed_slowly_and_not_unseen() {
    let repository = Repository::with_records(1).start().await;
    let store = temp_store();
    let sources = [source("a", &repository.base_url(), "never", "")];
    let config = write_config(&store, "token = 'let-me-in-please'", &sources);
    let daemon = Daemon::start(&store, &config).await;
    let request = async |token: &str| {
        let header = format!("Bearer {token}");
        daemon.command("a/run", &[("authorization", &header)]).await
    };
    let (begun, guess) = (Instant::now(), &request);
    let guesses = futures_util::future::join_all((0..30).map(|number| {
        let token = format!("let-me-in-please-{number:06}");
        async move { guess(&token).await }
    }))
    .await;
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let compared = guesses.iter().filter(|status| **status == 401).count();
    let put_off = guesses.iter().filter(|status| **status == 429).count();
    assert_eq!(compared + put_off, 30, "{guesses:?}");
    assert!((1..=16).contains(&compared), "{guesses:?}");
    assert_eq!(request("let-me-in-please").await, 202);
    daemon.terminate().await;
    let log = std::fs::read_to_string(store.dir().join("log")).unwrap();
    assert!(log.contains("had a wrong token"), "{log}");
    assert!(!log.contains("let-me-in-please-0"), "{log}");
}
