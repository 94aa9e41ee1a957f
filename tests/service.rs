//! The other jobs of the daemon: pushes, exports, reconciles, alerts; and its memory over many passes.

mod support;

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use harvestd::oai::Datestamp;
use harvestd::store::{Reader, Version};
use reqwest::Method;
use serde_json::Value;
use support::daemon::{Daemon, eventually, source, write_config};
use support::{FakeSolr, Fault, NOW, Program, Repository, TempStore, When, harvestd, temp_store};
use tokio::net::TcpListener;

/// Every second.
const OFTEN: &str = "*/1 * * * * *";

fn output(url: &str, more: &str) -> String {
    format!(
        "[[output]]\nname = 'vufind'\ntype = 'solr'\nurls = ['{url}']\nretries = 0\n\
         retry_pause = '100ms'\nschedule = 'never'\n{more}\n"
    )
}

/// The only one of `outputs` or `exports`.
async fn only(daemon: &Daemon, list: &str) -> Value {
    daemon.json("/api/v1/status").await[list][0].clone()
}

fn delete(repository: &Repository, number: usize) {
    let item = repository.visible().remove(number);
    repository.with_model(|model| {
        model.delete(&item.identifier, Datestamp::from_unix(NOW - 10));
    });
}

#[tokio::test]
async fn an_index_outage_delays_no_pass_and_the_index_catches_up() {
    let repository = Repository::with_records(250).start().await;
    let solr = FakeSolr::start().await;
    solr.state().gone_after = Some(0);
    let store = temp_store();
    let parts = [
        source("a", &repository.base_url(), OFTEN, ""),
        output(&solr.url, ""),
    ];
    let config = write_config(&store, "", &parts);
    let daemon = Daemon::start(&store, &config).await;
    let waiting = eventually("the push is tried again and again", async || {
        let output = only(&daemon, "outputs").await;
        (output["job"]["failures"].as_u64()? >= 3).then_some(output)
    })
    .await;
    assert_eq!(waiting["behind_changes"], 250);
    assert!(waiting["job"]["message"].is_string(), "{waiting}");
    let passes = daemon.complete("a").await["passes"]
        .as_array()
        .unwrap()
        .len();
    eventually("passes go on meanwhile", async || {
        let now = daemon.source("a").await["passes"].as_array()?.len();
        (now > passes).then_some(())
    })
    .await;
    solr.heal();
    let has = async |count: usize| {
        eventually("the index has everything", async || {
            let output = only(&daemon, "outputs").await;
            let all = output["behind_changes"] == 0 && output["job"]["failures"] == 0;
            (all && solr.ids().len() == count).then_some(())
        })
        .await;
    };
    has(250).await;
    delete(&repository, 0);
    has(249).await;
    for line in [
        "harvestd_output_behind_changes{output=\"vufind\"} 0",
        "harvestd_output_documents_total{output=\"vufind\",result=\"added\"} 250",
        "harvestd_output_documents_total{output=\"vufind\",result=\"deleted\"} 1",
    ] {
        // The run that sent the last document counts it at its end.
        eventually(line, async || {
            let metrics = daemon.get("/metrics").await.text().await.unwrap();
            metrics.lines().any(|shown| shown == line).then_some(())
        })
        .await;
    }
    assert_eq!(daemon.terminate().await.status, Some(0));
}

#[tokio::test]
async fn a_new_daemon_pushes_what_a_killed_one_had_not() {
    let repository = Repository::with_records(50).start().await;
    let solr = FakeSolr::start().await;
    let store = temp_store();
    let parts = [
        source("a", &repository.base_url(), "never", ""),
        output(&solr.url, ""),
    ];
    let config = write_config(&store, "", &parts);
    let path = config.to_str().unwrap();
    harvestd(&["harvest", "--config", path]).await.success();
    let daemon = Daemon::start(&store, &config).await;
    eventually("the index has everything", async || {
        (solr.ids().len() == 50).then_some(())
    })
    .await;
    daemon.terminate().await;
}

#[tokio::test]
async fn an_index_that_never_answers_does_not_delay_the_shutdown() {
    let repository = Repository::with_records(50).start().await;
    // The system accepts connections, and nobody reads from them.
    let mute = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}/solr/biblio", mute.local_addr().unwrap());
    let store = temp_store();
    let parts = [
        source("a", &repository.base_url(), "0 3 * * *", ""),
        output(&url, ""),
    ];
    let config = write_config(&store, "", &parts);
    let daemon = Daemon::start(&store, &config).await;
    eventually("the push is under way", async || {
        (only(&daemon, "outputs").await["job"]["state"] == "running").then_some(())
    })
    .await;
    let begun = Instant::now();
    assert_eq!(daemon.terminate().await.status, Some(0));
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn rejected_documents_are_reported() {
    let repository = Repository::with_records(20).start().await;
    let solr = FakeSolr::start().await;
    let identifier = repository.visible().remove(0).identifier;
    let end = identifier.rsplit(':').next().unwrap().to_owned();
    solr.poison(move |document| {
        let id = document["id"].as_str()?;
        id.ends_with(&end)
            .then(|| format!("ERROR: [doc={id}] unknown field 'x'"))
    });
    let hook = Hook::default();
    let store = temp_store();
    let parts = [
        source("a", &repository.base_url(), "0 3 * * *", ""),
        output(&solr.url, ""),
    ];
    let keys = format!(
        "token = 'let-me-in-please'\nwebhook = '{}'",
        hook.start().await
    );
    let config = write_config(&store, &keys, &parts);
    let daemon = Daemon::start(&store, &config).await;
    let heard = async |state: &str| {
        eventually("people hear of it", async || {
            let heard = hook.heard();
            let alert = heard
                .iter()
                .find(|alert| alert["condition"] == "rejecting" && alert["state"] == state)?;
            Some(alert.clone())
        })
        .await
    };
    let alert = heard("begun").await;
    let message = "1 documents are rejected; harvestd rejected vufind says why";
    assert_eq!(alert["message"], message);
    assert_eq!(solr.ids().len(), 19, "the others are there");
    let path = config.to_str().unwrap();
    solr.heal();
    harvestd(&["push", "--retry-rejected", "--config", path])
        .await
        .success();
    assert_eq!(solr.ids().len(), 20);
    let right = [("authorization", "Bearer let-me-in-please")];
    let push = "/api/v1/outputs/vufind/push";
    assert_eq!(daemon.send(Method::POST, push, &[]).await.status(), 401);
    assert_eq!(daemon.send(Method::POST, push, &right).await.status(), 202);
    heard("over").await;
    assert_eq!(hook.heard().len(), 2, "{:?}", hook.heard());
    let none = "/api/v1/outputs/none/push";
    assert_eq!(daemon.send(Method::POST, none, &right).await.status(), 404);
    daemon.terminate().await;
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The files of this folder, by name.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn files_are_written_by_schedule_complete_or_as_changes() {
    let repository = Repository::with_records(250).start().await;
    let store = temp_store();
    let (whole, changes) = (store.dir().join("whole"), store.dir().join("changes"));
    for folder in [&whole, &changes] {
        std::fs::create_dir(folder).unwrap();
    }
    let exports = format!(
        "[[export]]\nname = 'whole'\npath = 'whole/all.jsonl'\nschedule = '{OFTEN}'\n\
         [[export]]\nname = 'changes'\npath = 'changes/{{version}}.jsonl'\nsince_previous = true\n\
         after_pass = true\nschedule = 'never'\n"
    );
    let parts = [source("a", &repository.base_url(), OFTEN, ""), exports];
    let config = write_config(&store, "", &parts);
    let daemon = Daemon::start(&store, &config).await;
    let written = async |file_count: usize, deleted: usize| {
        eventually("both have everything", async || {
            let all = lines(&whole.join("all.jsonl"));
            let gone = all.iter().filter(|line| line["deleted"] == true).count();
            let files = files(&changes);
            let done = all.len() == 250 && gone == deleted && files.len() == file_count;
            done.then_some(files)
        })
        .await
    };
    daemon.complete("a").await;
    let first = written(1, 0).await;
    assert_eq!(lines(&first[0]).len(), 250);
    delete(&repository, 0);
    let both = written(2, 1).await;
    let second = both.iter().find(|file| !first.contains(file)).unwrap();
    let change = lines(second);
    assert_eq!(change.len(), 1);
    assert_eq!(change[0]["deleted"], true);
    // Nothing changes any more, so nothing is written again.
    let at = std::fs::metadata(whole.join("all.jsonl"))
        .unwrap()
        .modified()
        .unwrap();
    let passes = async || {
        let text = daemon.get("/metrics").await.text().await.unwrap();
        let line = "harvestd_exports_total{export=\"whole\",result=\"complete\"} ";
        let value = text
            .lines()
            .find_map(|shown| shown.strip_prefix(line))
            .unwrap();
        value.parse::<u64>().unwrap()
    };
    let before = passes().await;
    eventually("two more times have come", async || {
        (passes().await >= before + 2).then_some(())
    })
    .await;
    let now = std::fs::metadata(whole.join("all.jsonl"))
        .unwrap()
        .modified()
        .unwrap();
    assert_eq!(now, at);
    assert_eq!(files(&changes), both);
    assert_eq!(files(&whole).len(), 1, "no half file is left");
    daemon.terminate().await;
}

#[tokio::test]
async fn disappeared_records_are_deleted_by_schedule_and_held_if_there_are_too_many() {
    let repository = Repository::with_records(100).start().await;
    let store = temp_store();
    let url = repository.base_url();
    let often = [source(
        "a",
        &url,
        "never",
        &format!("reconcile = '{OFTEN}'"),
    )];
    let config = write_config(&store, "token = 'let-me-in-please'", &often);
    harvestd(&["harvest", "--config", config.to_str().unwrap()])
        .await
        .success();
    let remove = |count: usize| {
        let items = repository.visible();
        repository.with_model(|model| {
            for item in &items[..count] {
                model.remove(&item.identifier, Datestamp::from_unix(NOW - 10));
            }
        });
    };
    remove(2);
    let daemon = Daemon::start(&store, &config).await;
    let buried = async |count: u64| {
        eventually("they are buried", async || {
            (daemon.source("a").await["deleted_records"] == count).then_some(())
        })
        .await;
    };
    buried(2).await;
    eventually("it says when it will look again", async || {
        let source = daemon.source("a").await;
        source["reconcile"]["next_at"].is_string().then_some(())
    })
    .await;
    remove(20);
    let held = eventually("it waits for a person", async || {
        let status = daemon.json("/api/v1/status").await;
        let conditions = status["conditions"].as_array()?.clone();
        conditions
            .into_iter()
            .find(|condition| condition["kind"] == "held_deletions")
    })
    .await;
    assert!(
        held["message"].as_str().unwrap().contains("--confirm"),
        "{held}"
    );
    let source = daemon.source("a").await;
    assert_eq!(source["deleted_records"], 2, "{source}");
    let right = [("authorization", "Bearer let-me-in-please")];
    assert_eq!(daemon.command("a/confirm", &right).await, 202);
    buried(22).await;
    eventually("nothing is held any more", async || {
        let status = daemon.json("/api/v1/status").await;
        let conditions = status["conditions"].as_array()?.len();
        (conditions == 0).then_some(())
    })
    .await;
    daemon.terminate().await;
}

/// A webhook that answers with a chosen status and keeps the requests.
#[derive(Clone, Default)]
struct Hook {
    answers: Arc<Mutex<VecDeque<u16>>>,
    heard: Arc<Mutex<Vec<Value>>>,
}

impl Hook {
    /// Listens, and gives the URL.
    async fn start(&self) -> String {
        async fn answer(State(hook): State<Hook>, body: String) -> StatusCode {
            let body = serde_json::from_str(&body).unwrap();
            hook.heard.lock().unwrap().push(body);
            let status = hook.answers.lock().unwrap().pop_front().unwrap_or(200);
            StatusCode::from_u16(status).unwrap()
        }
        let app = Router::new().fallback(answer).with_state(self.clone());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}/hook/s3cret", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        url
    }

    fn heard(&self) -> Vec<Value> {
        self.heard.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn a_webhook_gets_each_alert_once_even_over_restarts() {
    let repository = Repository::with_records(10)
        .always(When::Verb("ListRecords"), Fault::oai_error("badArgument"))
        .start()
        .await;
    let hook = Hook::default();
    hook.answers.lock().unwrap().extend([500, 503]);
    let store = temp_store();
    let sources = [source("a", &repository.base_url(), OFTEN, "")];
    let url = hook.start().await;
    let config = write_config(&store, &format!("webhook = '{url}'"), &sources);
    let daemon = Daemon::start(&store, &config).await;
    eventually("it is tried once more after each refusal", async || {
        let pending = &daemon.json("/api/v1/status").await["pending_alerts"];
        (hook.heard().len() == 3 && *pending == 0).then_some(())
    })
    .await;
    let heard = hook.heard();
    assert_eq!(heard[0], heard[1], "it is the same alert");
    assert_eq!(heard[1], heard[2]);
    let first = &heard[0];
    let what = [
        &first["subject"],
        &first["name"],
        &first["condition"],
        &first["state"],
    ];
    assert_eq!(what, ["source", "a", "failing", "begun"]);
    assert!(
        first["message"].as_str().unwrap().contains("badArgument"),
        "{first}"
    );
    let log = std::fs::read_to_string(store.dir().join("log")).unwrap();
    assert!(
        log.contains("alert by webhook: 127.0.0.1: HTTP 500"),
        "{log}"
    );
    assert!(!log.contains("s3cret"), "{log}");
    daemon.terminate().await;

    let daemon = Daemon::start(&store, &config).await;
    eventually("it fails once more", async || {
        let source = daemon.source("a").await;
        (source["pass"]["outcome"] == "failed").then_some(())
    })
    .await;
    // Every request fails until the daemon has ended.
    hook.answers.lock().unwrap().extend([500; 50]);
    repository.heal();
    daemon.complete("a").await;
    eventually("the end is refused", async || {
        (hook.heard().len() > 3).then_some(())
    })
    .await;
    daemon.terminate().await;
    hook.answers.lock().unwrap().clear();
    let before = hook.heard().len();
    let daemon = Daemon::start(&store, &config).await;
    eventually("it arrives after the restart", async || {
        let pending = &daemon.json("/api/v1/status").await["pending_alerts"];
        (*pending == 0).then_some(())
    })
    .await;
    daemon.terminate().await;
    let heard = hook.heard();
    assert_eq!(heard.len(), before + 1);
    assert!(
        heard[3..].iter().all(|alert| alert["state"] == "over"),
        "{heard:?}"
    );
}

#[tokio::test]
async fn a_pause_that_a_host_asks_for_survives_restarts() {
    let repository = Repository::with_records(10)
        .always(When::Verb("ListRecords"), Fault::unavailable(Some("86400")))
        .start()
        .await;
    let store = temp_store();
    let config = write_config(
        &store,
        "",
        &[source("a", &repository.base_url(), OFTEN, "")],
    );
    let mut asked = 0;
    for start in ["first", "second"] {
        let daemon = Daemon::start(&store, &config).await;
        let waiting = eventually("it waits for the host", async || {
            let source = daemon.source("a").await;
            let waits =
                source["pass"]["state"] == "waiting" && source["pass"]["outcome"] == "failed";
            waits.then_some(source)
        })
        .await;
        let why = waiting["pass"]["reason"].as_str().unwrap();
        assert!(why.ends_with(" asked for a pause"), "{start}: {why}");
        if start == "first" {
            asked = repository.requests().len();
        }
        // Two ticks go by without a request.
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(repository.requests().len(), asked, "{start}");
        daemon.terminate().await;
    }
}

#[tokio::test]
async fn commands_beside_the_daemon_say_that_it_runs_the_job() {
    let slow = Fault::Delay(Duration::from_millis(500));
    let repository = Repository::with_records(1_000)
        .always(When::Verb("ListRecords"), slow)
        .start()
        .await;
    let store = temp_store();
    let config = write_config(
        &store,
        "",
        &[source("a", &repository.base_url(), "0 3 * * *", "")],
    );
    let path = config.to_str().unwrap();
    let daemon = Daemon::start(&store, &config).await;
    eventually("the first page is stored", async || {
        (daemon.source("a").await["pass"]["progress"]["pages"].as_u64()? > 0).then_some(())
    })
    .await;
    let refused = harvestd(&["harvest", "--config", path]).await.failure(3);
    let why = "source a: another process is harvesting it";
    assert!(refused.stderr.contains(why), "{}", refused.stderr);
    let second = harvestd(&["daemon", "--config", path]).await.failure(1);
    let why = "another daemon uses it";
    assert!(second.stderr.contains(why), "{}", second.stderr);
    harvestd(&["status", "--config", path]).await.success();
    daemon.complete("a").await;
    daemon.terminate().await;
}

/// The job of this kind that `harvestd status` shows.
async fn job(config: &Path, kind: &str) -> Value {
    let arguments = ["status", "--json", "--config", config.to_str().unwrap()];
    let status = harvestd(&arguments).await.success();
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    let mut jobs = status["jobs"].as_array().unwrap().iter();
    jobs.find(|job| job["kind"] == kind).unwrap().clone()
}

#[tokio::test]
async fn a_killed_run_is_shown_as_interrupted_and_resumed() {
    let slow = Fault::Delay(Duration::from_millis(500));
    let repository = Repository::with_records(1_000)
        .always(When::Verb("ListRecords"), slow)
        .start()
        .await;
    let store = temp_store();
    let sources = [source("a", &repository.base_url(), "0 3 * * *", "")];
    let config = write_config(&store, "", &sources);
    let daemon = Daemon::start(&store, &config).await;
    eventually("the first page is stored", async || {
        (daemon.source("a").await["pass"]["progress"]["pages"].as_u64()? > 0).then_some(())
    })
    .await;
    let running = job(&config, "harvest").await;
    assert_eq!(running["state"], "running", "{running}");
    assert_eq!(running["runner"], "daemon", "{running}");
    daemon.process.signal("KILL");
    daemon.process.wait().await;
    let killed = job(&config, "harvest").await;
    assert_eq!(killed["outcome"], "interrupted", "{killed}");
    assert_ne!(killed["state"], "running", "{killed}");
    repository.heal();
    let daemon = Daemon::start(&store, &config).await;
    let source = eventually("the run ends", async || {
        let source = daemon.source("a").await;
        (source["pass"]["outcome"] == "succeeded").then_some(source)
    })
    .await;
    assert_eq!(source["live_records"], 1_000);
    daemon.terminate().await;
    assert_eq!(job(&config, "harvest").await["outcome"], "succeeded");
}

#[tokio::test]
async fn the_daemon_continues_from_the_runs_of_commands() {
    let repository = Repository::with_records(10).start().await;
    let solr = FakeSolr::start().await;
    solr.state().gone_after = Some(0);
    let store = temp_store();
    let parts = [
        source("a", &repository.base_url(), "0 3 * * *", ""),
        output(&solr.url, ""),
    ];
    let config = write_config(&store, "", &parts);
    let path = config.to_str().unwrap();
    harvestd(&["harvest", "--config", path]).await.success();
    harvestd(&["push", "--config", path]).await.failure(3);
    let pass = job(&config, "harvest").await;
    assert_eq!(pass["outcome"], "succeeded", "{pass}");
    let push = job(&config, "push").await;
    assert_eq!(push["outcome"], "failed", "{push}");
    assert_eq!(push["failures"], 1, "{push}");
    let asked = repository.requests().len();
    solr.heal();
    let daemon = Daemon::start(&store, &config).await;
    eventually("the push is tried again at once", async || {
        (solr.ids().len() == 10).then_some(())
    })
    .await;
    eventually("its end is known", async || {
        (only(&daemon, "outputs").await["job"]["outcome"] == "succeeded").then_some(())
    })
    .await;
    assert_eq!(daemon.source("a").await["pass"]["state"], "waiting");
    daemon.terminate().await;
    assert_eq!(repository.requests().len(), asked, "no pass was due");
}

#[tokio::test]
async fn the_demo_needs_no_configuration() {
    let store = temp_store();
    let output = output("http://127.0.0.1:1/solr/biblio", "");
    let config = write_config(&store, "", &[output]);
    let arguments = ["daemon", "--demo", "--config", config.to_str().unwrap()];
    let daemon = Daemon::of(Program::new(&arguments), &store).await;
    let source = daemon.complete("demo").await;
    assert!(source["live_records"].as_u64().unwrap() > 2_500, "{source}");
    let status = daemon.json("/api/v1/status").await;
    assert_eq!(
        status["outputs"],
        Value::Array(vec![]),
        "the demo goes nowhere"
    );
    assert!(
        !store.path().exists(),
        "and not into the store of what is configured"
    );
    assert!(store.dir().join("harvestd-demo.db").exists());
    assert_eq!(daemon.terminate().await.status, Some(0));
}

/// The resident memory of a process in KiB, and its number of open files.
fn held(process: u32) -> (u64, usize) {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident = resident.unwrap().trim().trim_end_matches(" kB");
    let files = std::fs::read_dir(format!("/proc/{process}/fd")).unwrap();
    (resident.parse().unwrap(), files.count())
}

/// Many passes, each with a change and a push of it. `SOAK_PASSES` sets their number.
#[tokio::test]
async fn many_passes_leak_neither_memory_nor_files() {
    let passes: u64 = std::env::var("SOAK_PASSES").map_or(200, |passes| {
        passes.parse().expect("SOAK_PASSES is a number")
    });
    let repository = Repository::with_records(120).start().await;
    let solr = FakeSolr::start().await;
    let store = temp_store();
    let parts = [
        source("a", &repository.base_url(), "never", ""),
        output(&solr.url, ""),
        "[[export]]\nname = 'all'\npath = 'all.jsonl'\nafter_pass = true\nschedule = 'never'\n"
            .to_owned(),
    ];
    let config = write_config(&store, "token = 'let-me-in-please'", &parts);
    let daemon = Daemon::start(&store, &config).await;
    let right = [("authorization", "Bearer let-me-in-please")];
    let items = repository.visible();
    let (mut early, process) = ((0, 0), daemon.process.id());
    for pass in 0..passes {
        let mut item = items[pass as usize % items.len()].clone();
        item.datestamp = Datestamp::from_unix(NOW - 10);
        let text = format!("<doajArticle><title>Pass {pass}</title></doajArticle>");
        item.metadata = vec![("oai_doaj".to_owned(), text.into())];
        repository.with_model(|model| model.insert(item));
        repository.forget_requests();
        assert_eq!(daemon.command("a/run", &right).await, 202);
        let version = eventually("the pass has stored the change", async || {
            let last = newest(&store, pass)?;
            let output = &daemon.json("/api/v1/status").await["outputs"][0];
            (output["position"].as_i64()? >= last.0 && output["behind_changes"] == 0)
                .then_some(last)
        })
        .await;
        assert!(version > Version::default());
        solr.state().updates.clear();
        solr.state().authorization.clear();
        solr.state().commit_within.clear();
        if pass == passes / 4 {
            early = held(process);
        }
        if pass % 500 == 0 {
            eprintln!(
                "after {pass} passes: {:?} (resident KiB, open files)",
                held(process)
            );
        }
    }
    let late = held(process);
    eprintln!("after {passes} passes: {late:?}, a quarter of the way: {early:?}");
    assert!(late.0 < early.0 + 8 * 1024, "{late:?} after {early:?}");
    // A connection or two may be open at either moment.
    assert!(late.1 <= early.1 + 6, "{late:?} after {early:?}");
    daemon.terminate().await;
}

/// The newest version in the store, once pass `pass` has stored its change.
fn newest(store: &TempStore, pass: u64) -> Option<Version> {
    let reader = Reader::open(&store.path()).ok()?;
    let sources = reader.sources().ok()?;
    let count = reader.passes(sources.first()?.id, 1).ok()?;
    let done = count.first()?;
    let complete = done.state == harvestd::store::PassState::Complete;
    let last = reader.last_version().ok()?;
    let title = format!("Pass {pass}<");
    let mut found = false;
    let filter = harvestd::store::ChangeFilter {
        since: Some(Version(last.0 - 1)),
        ..Default::default()
    };
    let _ = reader.changes(&filter, |record| {
        found = record
            .metadata
            .is_some_and(|metadata| metadata.contains(&title));
        std::ops::ControlFlow::Continue(())
    });
    (complete && found).then_some(last)
}
