//! `harvestd harvest` as a user runs it: real input, exit status, locks, signals, kills.

mod support;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use harvestd::demo::{Size, articles};
use harvestd::store::{ChangeFilter, PassState, Reader, Source};
use serde_json::Value;
use support::{Fault, Program, Repository, When, fixture, harvestd, temp_store};

/// A configuration for one source without pauses.
fn configure(dir: &Path, url: &str, extra: &str) -> String {
    let file = dir.join("harvestd.toml");
    let text = format!(
        "[[source]]\nname = \"doaj\"\nurl = \"{url}\"\nmetadata_prefix = \"oai_doaj\"\n\
         delay = \"0s\"\nretry_pause = \"1ms\"\n{extra}\n"
    );
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

/// The stored records: by identifier, datestamp, whether deleted, and metadata.
fn content(store: &Path) -> BTreeMap<String, (String, bool, Option<String>)> {
    let mut records = BTreeMap::new();
    Reader::open(store)
        .unwrap()
        .changes(&ChangeFilter::default(), |record| {
            let state = (record.datestamp, record.deletion.is_some(), record.metadata);
            assert!(records.insert(record.identifier, state).is_none());
            ControlFlow::Continue(())
        })
        .unwrap();
    records
}

fn source(store: &Path) -> Source {
    Reader::open(store).unwrap().sources().unwrap().remove(0)
}

#[tokio::test]
async fn the_seed_record_is_stored_as_received() {
    let repository = Repository::serving_file(fixture("doaj-seed-record.xml"))
        .start()
        .await;
    let place = temp_store();
    let url = repository.base_url();
    let store = place.argument();
    harvestd(&["harvest", &url, "--prefix", "oai_doaj", "--store", &store])
        .await
        .success();
    let records = content(&place.path());
    let (datestamp, deleted, metadata) =
        &records["oai:doaj.org/article:e07fa12e4b644c169bed226c7e34f6b1"];
    assert_eq!(
        (datestamp.as_str(), *deleted),
        ("2025-08-20T03:49:59Z", false)
    );
    let metadata = metadata.as_deref().unwrap();
    assert!(metadata.contains("Peer Support Workers in Health"));
    // It is a complete document: it declares the prefixes that it inherited.
    assert!(metadata.contains("xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\""));
}

#[tokio::test]
async fn a_page_of_doaj_is_stored_completely_and_a_second_harvest_changes_nothing() {
    let repository = Repository::serving_file(fixture("doaj-2017-page.xml"))
        .start()
        .await;
    let place = temp_store();
    let (url, store) = (repository.base_url(), place.argument());
    let arguments = [
        "harvest",
        url.as_str(),
        "--prefix",
        "oai_doaj",
        "--store",
        &store,
        "--json",
    ];
    let first: Value = serde_json::from_str(&harvestd(&arguments).await.success().stdout).unwrap();
    assert_eq!(first["sources"][0]["counts"]["new"], 100);
    assert_eq!(first["sources"][0]["state"], "complete");
    let version = Reader::open(&place.path()).unwrap().last_version().unwrap();
    let second: Value = serde_json::from_str(&harvestd(&arguments).await.success().stdout).unwrap();
    assert_eq!(second["sources"][0]["counts"]["unchanged"], 100);
    assert_eq!(
        Reader::open(&place.path()).unwrap().last_version().unwrap(),
        version
    );
}

#[tokio::test]
async fn a_pass_that_is_killed_often_ends_as_an_undisturbed_one() {
    let repository = Repository::with_records(1_500).page_size(20).start().await;
    // Slow enough that a kill can hit the program anywhere between start and end.
    repository.break_with(When::Always, Fault::Delay(Duration::from_millis(2)));
    let place = temp_store();
    let config = configure(place.dir(), &repository.base_url(), "window_records = 400");
    let undisturbed = place.dir().join("undisturbed.db");
    let arguments = |store: &Path| {
        [
            "harvest",
            "--quiet",
            "--config",
            &config,
            "--store",
            store.to_str().unwrap(),
        ]
        .map(str::to_owned)
    };
    let whole = tokio::time::Instant::now();
    let run = arguments(&undisturbed);
    harvestd(&run.each_ref().map(String::as_str))
        .await
        .success();
    let whole = whole.elapsed();
    let requests = repository.requests().len();
    repository.forget_requests();

    let mut chance = fastrand::Rng::with_seed(11);
    let mut kills = 0;
    loop {
        let mut child = Command::new(env!("CARGO_BIN_EXE_harvestd"))
            .args(arguments(&place.path()))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let patience = whole.mul_f64(chance.f64() * 0.4);
        tokio::time::sleep(patience).await;
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        assert!(kills < 500, "the pass does not get on");
    }
    assert!(kills > 2, "{kills}");
    assert_eq!(content(&place.path()), content(&undisturbed));
    let (killed, calm) = (source(&place.path()), source(&undisturbed));
    assert_eq!(killed.watermarks[0].datestamp, calm.watermarks[0].datestamp);
    assert_eq!(killed.live_records, 1_500);
    // A kill costs the current page and a new start, and not the list.
    let spent = repository.requests().len();
    assert!(
        spent < requests + 12 * (kills + 1),
        "{spent} requests after {kills} kills"
    );
}

#[tokio::test]
async fn a_second_process_on_the_same_source_stops() {
    let repository = Repository::with_records(40).page_size(10).start().await;
    repository.break_with(When::Page(2), Fault::Hang { after: None });
    let place = temp_store();
    let config = configure(place.dir(), &repository.base_url(), "");
    let store = place.argument();
    let arguments = ["harvest", "--config", config.as_str(), "--store", &store];
    let first = Program::new(&arguments).spawn();
    // The first process is in its pass once it has requested the page that hangs.
    while repository.count("ListRecords") < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let second = harvestd(&arguments).await.failure(3);
    assert!(
        second.stderr.contains("another process is harvesting it"),
        "{}",
        second.stderr
    );
    first.signal("TERM");
    let first = first.wait().await;
    assert_eq!(first.status, Some(3), "{}", first.stderr);
    repository.heal();
    harvestd(&arguments).await.success();
    assert_eq!(content(&place.path()).len(), 40);
}

#[tokio::test]
async fn a_signal_stops_after_the_page_and_the_next_run_resumes() {
    let repository = Repository::with_records(300).page_size(10).start().await;
    repository.break_with(When::Always, Fault::Delay(Duration::from_millis(20)));
    let place = temp_store();
    let config = configure(place.dir(), &repository.base_url(), "");
    let store = place.argument();
    let arguments = ["harvest", "--config", config.as_str(), "--store", &store];
    let running = Program::new(&arguments).spawn();
    while repository.count("ListRecords") < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    running.signal("INT");
    let stopped = running.wait().await;
    assert_eq!(stopped.status, Some(3), "{}", stopped.stderr);
    assert!(
        stopped.stderr.contains("run again to resume"),
        "{}",
        stopped.stderr
    );
    let reader = Reader::open(&place.path()).unwrap();
    let source = reader.sources().unwrap().remove(0);
    assert_eq!(source.watermarks, []);
    let pass = reader.passes(source.id, 1).unwrap().remove(0);
    assert_eq!(pass.state, PassState::Open);
    let stored = content(&place.path()).len();
    assert!((20..300).contains(&stored), "{stored}");
    repository.forget_requests();
    harvestd(&arguments).await.success();
    assert_eq!(content(&place.path()).len(), 300);
    let resumed = repository
        .requests()
        .iter()
        .find_map(|request| request.argument("resumptionToken").map(str::to_owned));
    assert!(
        resumed.is_some(),
        "the first request of the second run goes on with the token"
    );
}

#[tokio::test]
async fn a_limit_ends_the_run_and_the_watermark_stays() {
    let repository = Repository::with_records(100).page_size(10).start().await;
    let place = temp_store();
    let config = configure(place.dir(), &repository.base_url(), "");
    let store = place.argument();
    let limited = [
        "harvest",
        "--config",
        config.as_str(),
        "--store",
        &store,
        "--limit",
        "25",
    ];
    let output = harvestd(&limited).await.failure(3);
    assert!(output.stderr.contains("limit reached"), "{}", output.stderr);
    assert_eq!(content(&place.path()).len(), 30);
    assert_eq!(source(&place.path()).watermarks, []);
    harvestd(&limited[..5]).await.success();
    assert_eq!(content(&place.path()).len(), 100);
    assert_eq!(source(&place.path()).watermarks.len(), 1);
}

#[tokio::test]
async fn quarantined_items_are_listed_with_their_bytes() {
    let broken = Fault::body(|body| {
        let body = String::from_utf8(body).unwrap();
        let (before, after) = body.split_once("<identifier>").unwrap();
        let (_, after) = after.split_once("</identifier>").unwrap();
        format!("{before}<identifier></identifier>{after}").into_bytes()
    });
    let repository = Repository::with_records(3)
        .always(When::Verb("ListRecords"), broken)
        .start()
        .await;
    let place = temp_store();
    let config = configure(place.dir(), &repository.base_url(), "");
    let store = place.argument();
    let run = async |command: &[&str]| {
        let around = ["--config", config.as_str(), "--store", store.as_str()];
        harvestd(&[command, &around].concat()).await
    };
    run(&["harvest"]).await.success();
    let listed = run(&["quarantine", "doaj", "--json"]).await.success();
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    let item = &listed["quarantine"][0];
    assert_eq!(listed["quarantine"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&item["source"], &item["identifier"]),
        (&"doaj".into(), &Value::Null)
    );
    assert_eq!(item["number"], 1);
    let first_at = item["first_at"].as_str().unwrap();
    chrono::DateTime::parse_from_rfc3339(first_at).unwrap();
    let shown = run(&["quarantine"]).await.success().stdout;
    assert!(shown.starts_with("item 1 of source doaj\n"), "{shown}");
    assert!(shown.contains("header has no identifier"), "{shown}");
    let raw = run(&["quarantine", "--raw", "1"]).await.success().stdout;
    assert!(raw.contains("<identifier></identifier>"), "{raw}");
    for unknown in [
        ["quarantine", "--raw", "2"].as_slice(),
        &["quarantine", "other"],
    ] {
        let output = run(unknown).await.failure(2);
        assert!(output.stderr.contains("` lists the"), "{}", output.stderr);
    }
    // It arrives again unchanged, and stays the same item.
    run(&["harvest", "--full"]).await.success();
    let again = run(&["quarantine", "--json"]).await.success().stdout;
    let again: Value = serde_json::from_str(&again).unwrap();
    assert_eq!(again["quarantine"].as_array().unwrap().len(), 1);
    assert_eq!(again["quarantine"][0]["first_at"], item["first_at"]);
    // A list without the broken item has its readable state, or has deleted it.
    repository.heal();
    run(&["harvest", "--full"]).await.success();
    assert_eq!(content(&place.path()).len(), 3);
    let shown = run(&["quarantine"]).await.success().stdout;
    assert_eq!(shown, "the quarantine is empty\n");
}

#[tokio::test]
async fn a_dry_run_sends_one_list_request_and_stores_nothing() {
    let repository = Repository::with_records(100).page_size(10).start().await;
    let place = temp_store();
    let config = configure(place.dir(), &repository.base_url(), "");
    let store = place.argument();
    let arguments = [
        "harvest",
        "--dry-run",
        "--config",
        config.as_str(),
        "--store",
        &store,
    ];
    let output = harvestd(&arguments).await.success();
    assert!(output.stdout.contains("100 records"), "{}", output.stdout);
    assert_eq!(repository.count("ListRecords"), 1);
    assert!(!place.path().exists());
}

#[tokio::test]
async fn each_failure_has_its_exit_status() {
    let repository = Repository::with_records(5).start().await;
    let place = temp_store();
    let config = configure(place.dir(), &repository.base_url(), "");
    let store = place.argument();
    let unknown = [
        "harvest",
        "nobody",
        "--config",
        config.as_str(),
        "--store",
        &store,
    ];
    let output = harvestd(&unknown).await.failure(2);
    assert!(
        output.stderr.contains("no source \"nobody\""),
        "{}",
        output.stderr
    );

    let text = place.dir().join("text.db");
    std::fs::write(&text, "no database, but long enough to be one ".repeat(50)).unwrap();
    let no_store = [
        "harvest",
        "--config",
        config.as_str(),
        "--store",
        text.to_str().unwrap(),
    ];
    let output = harvestd(&no_store).await.failure(1);
    assert!(
        output.stderr.contains("not a harvestd store"),
        "{}",
        output.stderr
    );

    let url = repository.base_url();
    let format = [
        "harvest",
        url.as_str(),
        "--prefix",
        "marc99",
        "--store",
        &store,
    ];
    let output = harvestd(&format).await.failure(3);
    assert!(
        output.stderr.contains("cannotDisseminateFormat"),
        "{}",
        output.stderr
    );

    let missing = place.dir().join("none.db");
    let output = harvestd(&["status", "--store", missing.to_str().unwrap()])
        .await
        .failure(1);
    assert!(output.stderr.contains("no such file"), "{}", output.stderr);
}

#[tokio::test]
async fn a_key_without_effect_gives_a_warning_and_is_never_shown() {
    let repository = Repository::with_records(0)
        .like_doaj()
        .behaving(|behaviour| behaviour.premium_key = Some("the right one".to_owned()))
        .start()
        .await;
    let old = repository.clock().now().plus_seconds(-40 * 86_400);
    repository.with_model(|model| {
        for sample in articles(20, 3, Size::Demo) {
            model.insert(sample.into_item(old, &["oai_doaj"]));
        }
    });
    let place = temp_store();
    let config = configure(
        place.dir(),
        &repository.base_url(),
        "api_key = \"hunter2-secret\"",
    );
    let store = place.argument();
    let arguments = [
        "harvest",
        "-vv",
        "--config",
        config.as_str(),
        "--store",
        &store,
    ];
    let harvest = harvestd(&arguments).await.success();
    let sent = repository.requests();
    assert!(
        sent.iter()
            .all(|request| request.argument("api_key") == Some("hunter2-secret"))
    );
    let status = harvestd(&["status", "--config", &config, "--store", &store])
        .await
        .success();
    assert!(
        status
            .stdout
            .contains("delayed by 30 days by the repository"),
        "{}",
        status.stdout
    );
    assert!(
        status.stdout.contains("the api_key has no effect"),
        "{}",
        status.stdout
    );
    let json = harvestd(&["status", "--json", "--config", &config, "--store", &store]).await;
    for text in [
        &harvest.stdout,
        &harvest.stderr,
        &status.stdout,
        &json.stdout,
    ] {
        assert!(!text.contains("hunter2"), "{text}");
    }
    for file in std::fs::read_dir(place.dir()).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let found = memchr::memmem::find(&bytes, b"hunter2").is_some();
        assert!(!found, "{}", path.display());
    }
}
