//! Sources as an operator handles them: listing, pausing, running and forgetting them.

mod support;

use std::net::TcpListener;
use std::path::Path;

use harvestd::store::{ChangeFilter, Reader};
use serde_json::Value;
use support::daemon::{Daemon, eventually, source, write_config};
use support::{FakeSolr, Program, Repository, TempStore, harvestd, temp_store};

/// The state and the live records of each source by `harvestd sources`.
async fn listed(config: &Path) -> Vec<(String, String, u64)> {
    let arguments = ["sources", "--json", "--config", config.to_str().unwrap()];
    let shown = harvestd(&arguments).await.success();
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    let sources = shown["sources"].as_array().unwrap();
    { sources.iter() }
        .map(|source| {
            (
                source["name"].as_str().unwrap().to_owned(),
                source["state"].as_str().unwrap().to_owned(),
                source["live_records"].as_u64().unwrap(),
            )
        })
        .collect()
}

fn row(name: &str, state: &str, live: u64) -> (String, String, u64) {
    (name.to_owned(), state.to_owned(), live)
}

/// The numbers of live records and of tombstones in the change feed.
fn feed(store: &TempStore) -> (usize, usize) {
    let (mut live, mut deleted) = (0, 0);
    Reader::open(&store.path())
        .unwrap()
        .changes(&ChangeFilter::default(), |record| {
            match record.deletion {
                None => live += 1,
                Some(_) => deleted += 1,
            }
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    (live, deleted)
}

#[tokio::test]
async fn a_forgotten_source_leaves_every_output() {
    let repository = Repository::with_records(700).start().await;
    let other = Repository::with_records(30).start().await;
    let solr = FakeSolr::start().await;
    let store = temp_store();
    let output = format!(
        "[[output]]\nname = 'vufind'\ntype = 'solr'\nurls = ['{}']\nretries = 0\n",
        solr.url
    );
    let both = [
        source("a", &repository.base_url(), "never", ""),
        source("b", &other.base_url(), "never", "id_prefix = 'b-'"),
        output.clone(),
    ];
    let config = write_config(&store, "", &both);
    let path = config.to_str().unwrap();
    assert_eq!(
        listed(&config).await,
        [row("a", "new", 0), row("b", "new", 0)]
    );
    // The newest record of a store is never removed; let it be one of b.
    for name in ["a", "b"] {
        harvestd(&["harvest", name, "--config", path])
            .await
            .success();
    }
    harvestd(&["push", "--config", path]).await.success();
    assert_eq!(solr.ids().len(), 730);
    assert_eq!(
        listed(&config).await,
        [row("a", "complete", 700), row("b", "complete", 30)]
    );

    let refused = harvestd(&["forget", "a", "--config", path])
        .await
        .failure(2);
    assert!(
        refused.stderr.contains("700 live records"),
        "{}",
        refused.stderr
    );
    assert!(
        refused.stderr.contains("forget a --records"),
        "{}",
        refused.stderr
    );
    assert_eq!(feed(&store), (730, 0), "nothing was changed");

    write_config(&store, "", &[both[1].clone(), output]);
    let forgotten = harvestd(&["forget", "a", "--records", "--config", path])
        .await
        .success();
    assert!(
        forgotten.stdout.contains("700 records deleted"),
        "{}",
        forgotten.stdout
    );
    assert_eq!(feed(&store), (30, 700));
    assert_eq!(
        listed(&config).await,
        [row("a", "forgotten", 0), row("b", "complete", 30)]
    );
    // The output has not confirmed the deletions, so that they stay.
    harvestd(&["forget", "a", "--config", path]).await.success();
    assert_eq!(feed(&store), (30, 700));
    harvestd(&["push", "--config", path]).await.success();
    assert_eq!(solr.ids().len(), 30);
    harvestd(&["forget", "a", "--config", path]).await.success();
    assert_eq!(feed(&store), (30, 0));
    assert_eq!(listed(&config).await, [row("b", "complete", 30)]);
    let unknown = harvestd(&["forget", "a", "--config", path])
        .await
        .failure(2);
    assert!(
        unknown.stderr.contains("no source \"a\""),
        "{}",
        unknown.stderr
    );
}

#[tokio::test]
async fn a_source_that_was_forgotten_is_harvested_from_the_beginning() {
    let repository = Repository::with_records(120).start().await;
    let store = temp_store();
    let config = write_config(
        &store,
        "",
        &[source("a", &repository.base_url(), "never", "")],
    );
    let path = config.to_str().unwrap();
    harvestd(&["harvest", "--config", path]).await.success();
    let forgotten = harvestd(&["forget", "a", "--records", "--config", path])
        .await
        .success();
    assert!(
        forgotten.stdout.contains("still configured"),
        "{}",
        forgotten.stdout
    );
    assert_eq!(feed(&store), (0, 120));
    harvestd(&["harvest", "--config", path]).await.success();
    assert_eq!(feed(&store), (120, 0));
    assert_eq!(listed(&config).await, [row("a", "complete", 120)]);
}

#[tokio::test]
async fn pause_resume_and_run_go_through_the_service() {
    let repository = Repository::with_records(20).start().await;
    let store = temp_store();
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .unwrap()
        .port();
    let config = write_config(
        &store,
        "token = 'sesame-open-wide'",
        &[source("a", &repository.base_url(), "0 3 * * *", "")],
    );
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace(":0'", &format!(":{port}'"))).unwrap();
    let path = config.to_str().unwrap();
    let command = async |words: &[&str]| harvestd(&[words, &["--config", path]].concat()).await;

    // Without a service: there is no store yet, and then nobody to run anything.
    command(&["pause", "a"]).await.failure(1);
    harvestd(&["harvest", "--config", path]).await.success();
    let refused = command(&["run", "a"]).await.failure(2);
    assert!(
        refused.stderr.contains("harvestd harvest a"),
        "{}",
        refused.stderr
    );
    let paused = command(&["pause", "a"]).await.success();
    assert!(
        paused.stdout.contains("from its next start"),
        "{}",
        paused.stdout
    );
    assert_eq!(listed(&config).await, [row("a", "paused", 20)]);

    let daemon = Daemon::start(&store, &config).await;
    let state = async || daemon.source("a").await["pass"]["state"].clone();
    eventually("the service knows the pause", async || {
        (state().await == "paused").then_some(())
    })
    .await;
    command(&["resume", "a"]).await.success();
    assert_eq!(state().await, "waiting");
    command(&["pause", "a"]).await.success();
    assert_eq!(state().await, "paused");
    // The same by other names.
    command(&["sources", "enable", "a"]).await.success();
    assert_eq!(state().await, "waiting");
    command(&["sources", "disable", "a"]).await.success();
    assert_eq!(state().await, "paused");
    let shown = command(&["sources", "show", "a"]).await.success().stdout;
    assert_eq!(shown, command(&["status", "a"]).await.success().stdout);
    command(&["sources", "show"]).await.failure(2);
    let refused = command(&["sources", "forget", "a"]).await.failure(2);
    assert!(
        refused.stderr.contains("20 live records"),
        "{}",
        refused.stderr
    );
    let passes = daemon.source("a").await["passes"].as_array().unwrap().len();
    command(&["run", "a"]).await.success();
    eventually("a pass is added", async || {
        let now = daemon.source("a").await["passes"].as_array()?.len();
        (now > passes).then_some(())
    })
    .await;
    let unknown = command(&["run", "b"]).await.failure(2);
    assert!(
        unknown.stderr.contains("no source \"b\""),
        "{}",
        unknown.stderr
    );
    let wrong = store.dir().join("wrong");
    std::fs::write(&wrong, "something else\n").unwrap();
    let refused = command(&["run", "a", "--token-file", wrong.to_str().unwrap()])
        .await
        .failure(2);
    assert!(refused.stderr.contains("token"), "{}", refused.stderr);
    daemon.terminate().await;
}

#[tokio::test]
async fn without_a_configuration_no_source_is_called_not_configured() {
    let repository = Repository::with_records(5).start().await;
    let store = temp_store();
    let (url, argument) = (repository.base_url(), store.argument());
    let home = tempfile::tempdir().unwrap();
    let run = async |arguments: &[&str]| {
        let program = Program::new(arguments).env("HOME", home.path().to_str().unwrap());
        program
            .env("XDG_CONFIG_HOME", home.path().to_str().unwrap())
            .run()
            .await
    };
    run(&[
        "harvest", &url, "--prefix", "oai_doaj", "--store", &argument,
    ])
    .await
    .success();
    let shown = run(&["sources", "--store", &argument])
        .await
        .success()
        .stdout;
    assert!(shown.contains("complete"), "{shown}");
    assert!(!shown.contains("not configured"), "{shown}");
}
