//! `harvestd reconcile` as a command: disappeared records are deleted, hidden records are not, and a
//! broken list deletes nothing.

mod support;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use harvestd::demo::{Reply, Size, articles};
use harvestd::store::{ChangeFilter, Deletion, Reader};
use serde_json::Value;
use support::{Fault, Repository, When, harvestd, temp_store};

const DAY: i64 = 86_400;

fn configure(dir: &Path, url: &str) -> String {
    let file = dir.join("harvestd.toml");
    let text = format!(
        "[[source]]\nname = \"doaj\"\nurl = \"{url}\"\nmetadata_prefix = \"oai_doaj\"\n\
         delay = \"0s\"\nretries = 1\nretry_pause = \"1ms\"\n"
    );
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

/// A repository like DOAJ with `count` articles that are older than the clamp.
async fn doaj(count: usize) -> Repository {
    let repository = Repository::with_records(0)
        .like_doaj()
        .page_size(20)
        .start()
        .await;
    let now = repository.clock().now();
    repository.with_model(|model| {
        for (sample, age) in articles(count, 5, Size::Demo).zip(40..) {
            model.insert(sample.into_item(now.plus_seconds(-age * DAY), &["oai_doaj"]));
        }
    });
    repository
}

/// A repository without quirks, with `count` articles in pages of 20.
async fn plain(count: usize) -> Repository {
    Repository::with_records(count).page_size(20).start().await
}

fn deletions(store: &Path) -> Vec<(String, Deletion)> {
    let mut deletions = Vec::new();
    Reader::open(store)
        .unwrap()
        .changes(&ChangeFilter::default(), |record| {
            deletions.extend(
                record
                    .deletion
                    .map(|deletion| (record.identifier, deletion)),
            );
            ControlFlow::Continue(())
        })
        .unwrap();
    deletions
}

/// The identifiers of the records that the repository shows.
fn identifiers(repository: &Repository) -> Vec<String> {
    let visible = repository.visible().into_iter();
    visible.map(|item| item.identifier).collect()
}

fn numbers(json: &str) -> (u64, u64, u64) {
    let value: Value = serde_json::from_str(json).unwrap();
    let source = &value["sources"][0];
    let number = |key: &str| source[key].as_u64().unwrap();
    (number("not_listed"), number("found"), number("deleted"))
}

#[tokio::test]
async fn disappeared_records_are_deleted_and_hidden_ones_are_not() {
    let repository = doaj(100).await;
    let place = temp_store();
    let config = configure(place.dir(), &repository.base_url());
    let store = place.argument();
    let harvest = ["harvest", "--config", config.as_str(), "--store", &store];
    harvestd(&harvest).await.success();
    let identifiers = identifiers(&repository);
    let now = repository.clock().now();
    repository.with_model(|model| {
        model.remove(&identifiers[3], now.plus_seconds(-DAY));
        // Updated today: the clamp hides it from lists for 30 days.
        model.restamp_bulk([identifiers[7].clone()], now.plus_seconds(-DAY));
    });
    let arguments = [
        "reconcile",
        "--json",
        "--config",
        config.as_str(),
        "--store",
        &store,
    ];
    let output = harvestd(&arguments).await.success();
    assert_eq!(numbers(&output.stdout), (2, 1, 1));
    assert_eq!(
        deletions(&place.path()),
        [(identifiers[3].clone(), Deletion::Disappeared)]
    );
    // A second run has nothing to do.
    let output = harvestd(&arguments).await.success();
    assert_eq!(numbers(&output.stdout).2, 0);
}

#[tokio::test]
async fn a_record_that_returns_is_live_again() {
    let repository = doaj(60).await;
    let place = temp_store();
    let config = configure(place.dir(), &repository.base_url());
    let store = place.argument();
    let harvest = ["harvest", "--config", config.as_str(), "--store", &store];
    harvestd(&harvest).await.success();
    let item = repository.visible().remove(0);
    let now = repository.clock().now();
    repository.with_model(|model| model.remove(&item.identifier, now.plus_seconds(-DAY)));
    let reconcile = ["reconcile", "--config", config.as_str(), "--store", &store];
    harvestd(&reconcile).await.success();
    assert_eq!(deletions(&place.path()).len(), 1);
    repository.with_model(|model| model.insert(item));
    harvestd(&[&harvest[..], &["--full"]].concat())
        .await
        .success();
    assert_eq!(deletions(&place.path()), []);
}

#[tokio::test]
async fn too_many_deletions_are_held_until_they_are_confirmed() {
    let repository = doaj(100).await;
    let place = temp_store();
    let config = configure(place.dir(), &repository.base_url());
    let store = place.argument();
    harvestd(&["harvest", "--config", &config, "--store", &store])
        .await
        .success();
    let gone: Vec<String> = repository
        .visible()
        .into_iter()
        .take(30)
        .map(|item| item.identifier)
        .collect();
    let now = repository.clock().now();
    repository.with_model(|model| {
        for identifier in &gone {
            model.remove(identifier, now.plus_seconds(-DAY));
        }
    });
    let arguments = ["reconcile", "--config", config.as_str(), "--store", &store];
    let held = harvestd(&arguments).await.failure(3);
    assert!(
        held.stderr.contains("30 of 100 live records"),
        "{}",
        held.stderr
    );
    assert_eq!(deletions(&place.path()), []);
    let status = harvestd(&["status", "--store", &store, "--config", &config])
        .await
        .success();
    assert!(status.stdout.contains("--confirm"), "{}", status.stdout);
    let dry = harvestd(&[&arguments[..], &["--dry-run"]].concat())
        .await
        .success();
    assert!(dry.stdout.contains("30 of 100"), "{}", dry.stdout);
    assert_eq!(deletions(&place.path()), []);
    // The list is not read again for that: the identifiers to look up are stored.
    repository.forget_requests();
    harvestd(&[&arguments[..], &["--confirm"]].concat())
        .await
        .success();
    assert_eq!(repository.count("ListRecords"), 0);
    // One more request tests that GetRecord finds a listed record.
    assert_eq!(repository.count("GetRecord"), 31);
    assert_eq!(deletions(&place.path()).len(), 30);
}

#[tokio::test]
async fn a_broken_list_deletes_nothing() {
    let repository = doaj(100).await;
    let place = temp_store();
    let config = configure(place.dir(), &repository.base_url());
    let store = place.argument();
    harvestd(&["harvest", "--config", &config, "--store", &store])
        .await
        .success();
    let arguments = ["reconcile", "--config", config.as_str(), "--store", &store];
    // Only the first page arrives. All later requests fail.
    let second_page = || {
        When::matching(|request| {
            ["resumptionToken", "until"]
                .iter()
                .any(|name| request.argument(name).is_some())
        })
    };
    repository.break_with(second_page(), Fault::html(200));
    harvestd(&arguments).await.failure(3);
    assert_eq!(repository.count("GetRecord"), 0);
    assert_eq!(deletions(&place.path()), []);
    // A failing GetRecord is no proof either.
    repository.heal();
    let item = repository.visible().remove(0);
    let now = repository.clock().now();
    repository.with_model(|model| model.remove(&item.identifier, now.plus_seconds(-DAY)));
    let one = When::matching(|request| request.argument("verb") == Some("GetRecord"));
    repository.break_with(one, Fault::html(500));
    let unclear = harvestd(&arguments).await.failure(3);
    let told = format!(
        "no clear answer, and stay as they are; one of them: {}",
        item.identifier
    );
    assert!(unclear.stderr.contains(&told), "{}", unclear.stderr);
    assert_eq!(deletions(&place.path()), []);
    repository.heal();
    harvestd(&arguments).await.success();
    assert_eq!(
        deletions(&place.path()),
        [(item.identifier, Deletion::Disappeared)]
    );
}

#[tokio::test]
async fn a_repository_that_denies_listed_records_deletes_nothing() {
    let repository = doaj(100).await;
    let place = temp_store();
    let config = configure(place.dir(), &repository.base_url());
    let store = place.argument();
    harvestd(&["harvest", "--config", &config, "--store", &store])
        .await
        .success();
    let item = repository.visible().remove(0);
    let now = repository.clock().now();
    repository.with_model(|model| model.remove(&item.identifier, now.plus_seconds(-DAY)));
    // While the repository builds its index, GetRecord finds no record.
    let alone = When::matching(|request| request.argument("verb") == Some("GetRecord"));
    repository.break_with(alone, Fault::oai_error("idDoesNotExist"));
    let arguments = ["reconcile", "--config", config.as_str(), "--store", &store];
    let held = harvestd(&arguments).await.failure(3);
    assert!(
        held.stderr.contains("which the list has just shown"),
        "{}",
        held.stderr
    );
    assert_eq!(deletions(&place.path()), []);
}

#[tokio::test]
async fn only_identifiers_are_listed_where_the_repository_can_do_that() {
    let repository = plain(100).await;
    let place = temp_store();
    let config = configure(place.dir(), &repository.base_url());
    let store = place.argument();
    harvestd(&["harvest", "--config", &config, "--store", &store])
        .await
        .success();
    let gone = repository.visible().remove(3);
    let now = repository.clock().now();
    repository.with_model(|model| model.remove(&gone.identifier, now.plus_seconds(-DAY)));
    repository.forget_requests();
    let arguments = [
        "reconcile",
        "--json",
        "--config",
        config.as_str(),
        "--store",
        &store,
    ];
    // The list breaks off after two pages, and the next run resumes there.
    repository.break_with(When::AfterPage(2), Fault::html(403));
    harvestd(&arguments).await.failure(3);
    assert_eq!(deletions(&place.path()), []);
    repository.heal();
    // A harvest between the two runs has its own list.
    let harvest = ["harvest", "--config", config.as_str(), "--store", &store];
    harvestd(&harvest).await.success();
    repository.forget_requests();
    let output = harvestd(&arguments).await.success();
    assert_eq!(numbers(&output.stdout), (1, 0, 1));
    assert_eq!(
        deletions(&place.path()),
        [(gone.identifier, Deletion::Disappeared)]
    );
    assert_eq!(repository.count("ListRecords"), 0);
    assert_eq!(repository.count("ListIdentifiers"), 3, "not from its start");
}

#[tokio::test]
async fn records_missing_in_the_store_are_fetched_by_identifier() {
    let repository = plain(60).await;
    let place = temp_store();
    let config = configure(place.dir(), &repository.base_url());
    let store = place.argument();
    let harvest = ["harvest", "--config", config.as_str(), "--store", &store];
    harvestd(&harvest).await.success();
    // A record with an old datestamp, which no harvest requests any more.
    let mut late = repository.visible().remove(5);
    late.identifier.push_str("-late");
    let name = late.identifier.clone();
    repository.with_model(|model| model.insert(late));
    harvestd(&harvest).await.success();
    let has_it = || {
        let mut has_it = false;
        Reader::open(&place.path())
            .unwrap()
            .changes(&ChangeFilter::default(), |record| {
                has_it |= record.identifier == name;
                ControlFlow::Continue(())
            })
            .unwrap();
        has_it
    };
    assert!(!has_it());
    harvestd(&["reconcile", "--config", &config, "--store", &store])
        .await
        .success();
    let status = harvestd(&["status", "doaj", "--store", &store, "--config", &config])
        .await
        .success();
    assert!(
        status.stdout.contains("requests it by name"),
        "{}",
        status.stdout
    );
    harvestd(&harvest).await.success();
    assert!(has_it());
}

#[tokio::test]
async fn records_are_listed_where_identifiers_cannot_be() {
    let repository = doaj(100).await;
    repository.with_model(|model| model.behaviour.premium_key = Some("key".to_owned()));
    let place = temp_store();
    let config = configure(place.dir(), &repository.base_url());
    let store = place.argument();
    let harvest = ["harvest", "--config", config.as_str(), "--store", &store];
    harvestd(&harvest).await.success();
    repository.forget_requests();
    let arguments = ["reconcile", "--config", config.as_str(), "--store", &store];
    harvestd(&arguments).await.success();
    assert!(repository.count("ListIdentifiers") <= 3);
    assert_eq!(repository.count("ListRecords"), 5);
    // The next run knows that.
    repository.forget_requests();
    harvestd(&arguments).await.success();
    assert_eq!(repository.count("ListIdentifiers"), 0);
    // With a key, identifiers are listed again.
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{text}api_key = \"key\"\n")).unwrap();
    repository.forget_requests();
    harvestd(&arguments).await.success();
    assert_eq!(repository.count("ListIdentifiers"), 5);
    assert_eq!(repository.count("ListRecords"), 0);
}

#[tokio::test]
async fn a_gap_keeps_only_its_own_records_from_being_reconciled() {
    let repository = doaj(60).await;
    let place = temp_store();
    let config = configure(place.dir(), &repository.base_url());
    let store = place.argument();
    let harvest = ["harvest", "--config", config.as_str(), "--store", &store];
    harvestd(&harvest).await.success();
    let identifiers = identifiers(&repository);
    let now = repository.clock().now();
    repository.with_model(|model| model.remove(&identifiers[3], now.plus_seconds(-DAY)));
    // No answer can show this record.
    let broken = identifiers[30].clone();
    let needle = format!("<identifier>{broken}</identifier>");
    let fault = Fault::Transform(Arc::new(move |answer| {
        match String::from_utf8_lossy(&answer.body).contains(&needle) {
            true => Reply {
                status: 500,
                body: b"<html><body>Internal Server Error</body></html>".to_vec(),
                ..answer
            },
            false => answer,
        }
    }));
    repository.break_with(When::Always, fault);
    let arguments = [
        "reconcile",
        "--json",
        "--config",
        config.as_str(),
        "--store",
        &store,
    ];
    let output = harvestd(&arguments).await.failure(3);
    assert_eq!(numbers(&output.stdout), (1, 0, 1));
    assert!(output.stdout.contains("HTTP 500"), "{}", output.stdout);
    let gone = [(identifiers[3].clone(), Deletion::Disappeared)];
    assert_eq!(deletions(&place.path()), gone);
    // A record that disappears in a gap is found once the gap can be read.
    repository.heal();
    repository.with_model(|model| model.remove(&broken, now.plus_seconds(-DAY)));
    let output = harvestd(&arguments).await.success();
    assert_eq!(numbers(&output.stdout), (1, 0, 1));
    assert_eq!(deletions(&place.path()).len(), 2);
}
