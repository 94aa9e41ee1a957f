//! The daemon as a process: schedule, signals, HTTP, and notifications to the service manager.

mod support;

use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use harvestd::clock::Clock;
use harvestd::config::{self, Environment, Overrides, Secrets};
use harvestd::daemon::{self, Service};
use harvestd::oai::Datestamp;
use harvestd::stop::stop_switch;
use reqwest::StatusCode;
use serde_json::Value;
use support::daemon::{Daemon, eventually, source, write_config};
use support::model::{Behaviour, Item, Model};
use support::{Fault, NOW, Program, Repository, When, harvestd, temp_store};

type Headers<'a> = &'a [(&'a str, &'a str)];

#[tokio::test]
async fn the_daemon_harvests_by_schedule_and_exits_with_success() {
    let repository = Repository::with_records(250).start().await;
    let store = temp_store();
    let url = repository.base_url();
    let config = write_config(&store, "", &[source("a", &url, "*/1 * * * * *", "")]);
    let daemon = Daemon::start(&store, &config).await;
    daemon.complete("a").await;
    let item = repository.visible().remove(0);
    repository.with_model(|model| {
        let at = Datestamp::from_unix(NOW - 10);
        model.delete(&item.identifier, at);
    });
    let state = eventually("the deletion arrives with a later pass", async || {
        let state = daemon.source("a").await;
        (state["deleted_records"] == 1).then_some(state)
    })
    .await;
    assert_eq!(state["live_records"], 249);
    assert!(state["passes"].as_array().unwrap().len() >= 2);
    let output = daemon.terminate().await;
    assert_eq!(output.status, Some(0));
}

#[tokio::test]
async fn ticks_during_a_pass_start_no_second_pass() {
    let slow = Fault::Delay(Duration::from_millis(700));
    let repository = Repository::with_records(500)
        .always(When::Verb("ListRecords"), slow)
        .start()
        .await;
    let store = temp_store();
    let url = repository.base_url();
    let twice = [
        source("a", &url, "*/1 * * * * *", ""),
        source("b", &url, "*/1 * * * * *", ""),
    ];
    let config = write_config(&store, "", &twice);
    let daemon = Daemon::start(&store, &config).await;
    let waiting = eventually("one waits for the other", async || {
        let sources = daemon.json("/api/v1/sources").await;
        let sources = sources["sources"].as_array()?.clone();
        let mut passes = sources.iter().map(|source| &source["pass"]);
        let due = passes.find(|pass| pass["state"] == "due")?;
        Some(due["reason"].as_str()?.to_owned())
    })
    .await;
    assert!(waiting.contains(" is using host 127.0.0.1"), "{waiting}");
    for name in ["a", "b"] {
        let state = daemon.complete(name).await;
        assert_eq!(state["live_records"], 500, "{name}");
    }
    daemon.terminate().await;
    // An overlapping request would have arrived while another was being answered.
    let times: Vec<Instant> = repository
        .requests()
        .iter()
        .filter(|request| request.argument("verb") == Some("ListRecords"))
        .map(|request| request.at)
        .collect();
    assert!(times.len() >= 10, "two lists of five pages");
    for pair in times.windows(2) {
        assert!(pair[1] - pair[0] >= Duration::from_millis(650));
    }
}

#[tokio::test]
async fn a_hanging_page_does_not_delay_the_shutdown() {
    let repository = Repository::with_records(250)
        .always(When::AfterPage(1), Fault::Hang { after: None })
        .start()
        .await;
    let store = temp_store();
    let url = repository.base_url();
    let config = write_config(&store, "", &[source("a", &url, "0 3 * * *", "")]);
    let daemon = Daemon::start(&store, &config).await;
    eventually("the second page is asked for", async || {
        (repository.count("ListRecords") == 2).then_some(())
    })
    .await;
    let begun = Instant::now();
    let output = daemon.terminate().await;
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(output.status, Some(0));

    repository.heal();
    repository.forget_requests();
    let daemon = Daemon::start(&store, &config).await;
    let state = daemon.complete("a").await;
    assert_eq!(state["live_records"], 250);
    daemon.terminate().await;
    let requests = repository.requests();
    let mut lists = requests
        .iter()
        .filter(|request| request.argument("verb") == Some("ListRecords"));
    let first = lists.next().unwrap();
    assert!(
        first.argument("resumptionToken").is_some(),
        "it goes on with the token: {:?}",
        first.arguments
    );
}

#[tokio::test]
async fn a_wrong_configuration_is_refused_and_a_valid_one_is_loaded() {
    let repository = Repository::with_records(10).start().await;
    let store = temp_store();
    let url = repository.base_url();
    let old = [source("a", &url, "never", "")];
    let config = write_config(&store, "", &old);
    let daemon = Daemon::start(&store, &config).await;
    let reloaded = async |at: &mut String| {
        let before = at.clone();
        daemon.process.signal("HUP");
        let reload = eventually("the configuration is read", async || {
            let status = daemon.json("/api/v1/status").await;
            let reload = status["last_reload"].clone();
            (reload["at"].as_str()? != before).then_some(reload)
        })
        .await;
        *at = reload["at"].as_str().unwrap().to_owned();
        reload["error"].as_str().unwrap_or_default().to_owned()
    };
    let mut at = String::new();

    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("delay = '0s'", "delay = 'soon'")).unwrap();
    let why = reloaded(&mut at).await;
    assert!(why.contains("\"soon\" is not a length of time"), "{why}");
    let page = daemon.get("/").await.text().await.unwrap();
    assert!(page.contains("so the old one stays in use"));

    for (old, new) in [
        (":0'", ":1'"),
        ("[daemon]", "[daemon]\nmax_connections = 7"),
        ("[daemon]", "[daemon]\nhttp2 = true"),
    ] {
        std::fs::write(&config, text.replace(old, new)).unwrap();
        let why = reloaded(&mut at).await;
        assert!(why.contains("which needs a restart"), "{new}: {why}");
    }
    assert_eq!(daemon.source("a").await["pass"]["state"], "on_demand");

    let new = [
        source("a", &url, "never", ""),
        source("b", &url, "0 3 * * *", ""),
    ];
    write_config(&store, "", &new);
    assert_eq!(reloaded(&mut at).await, "");
    let state = daemon.complete("b").await;
    assert_eq!(state["live_records"], 10);
    assert_eq!(daemon.source("a").await["passes"], Value::Array(vec![]));

    write_config(&store, "", &new[1..]);
    assert_eq!(reloaded(&mut at).await, "");
    assert_eq!(
        daemon.get("/api/v1/sources/a").await.status(),
        StatusCode::NOT_FOUND
    );
    daemon.terminate().await;
}

#[tokio::test]
async fn a_new_configuration_does_not_stop_unchanged_sources() {
    let slow = Fault::Delay(Duration::from_millis(600));
    let repository = Repository::with_records(1_000)
        .always(When::Verb("ListRecords"), slow)
        .start()
        .await;
    let other = Repository::with_records(10).start().await;
    let store = temp_store();
    let first = source("a", &repository.base_url(), "0 3 * * *", "");
    let config = write_config(&store, "", std::slice::from_ref(&first));
    let daemon = Daemon::start(&store, &config).await;
    eventually("the first page is stored", async || {
        (daemon.source("a").await["pass"]["progress"]["pages"].as_u64()? > 0).then_some(())
    })
    .await;
    let second = source("b", &other.base_url(), "0 3 * * *", "");
    write_config(&store, "", &[first, second]);
    daemon.process.signal("HUP");
    daemon.complete("b").await;
    assert_eq!(daemon.source("a").await["pass"]["state"], "running");
    daemon.complete("a").await;
    daemon.terminate().await;
    let requests = repository.requests();
    let begun = requests.iter().filter(|request| {
        request.argument("verb") == Some("ListRecords")
            && request.argument("resumptionToken").is_none()
    });
    assert_eq!(begun.count(), 1, "the pass was not begun again");
    assert_eq!(repository.count("ListRecords"), 10);
}

#[tokio::test]
async fn a_paused_source_resumes_where_it_stopped() {
    let slow = Fault::Delay(Duration::from_millis(500));
    let repository = Repository::with_records(1_000)
        .always(When::Verb("ListRecords"), slow)
        .start()
        .await;
    let store = temp_store();
    let url = repository.base_url();
    let sources = [source("a", &url, "*/1 * * * * *", "")];
    let config = write_config(&store, "token = 'let-me-in-please'", &sources);
    let daemon = Daemon::start(&store, &config).await;
    let right = ("authorization", "Bearer let-me-in-please");
    eventually("the first page is stored", async || {
        (daemon.source("a").await["pass"]["progress"]["pages"].as_u64()? > 0).then_some(())
    })
    .await;
    assert_eq!(daemon.command("a/pause", &[right]).await, 202);
    let paused = eventually("it rests", async || {
        let state = daemon.source("a").await;
        (state["pass"]["state"] == "paused").then_some(state)
    })
    .await;
    assert_eq!(paused["passes"][0]["state"], "open");
    let asked = repository.requests().len();
    // Two ticks go by without a request.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(repository.requests().len(), asked);
    assert_eq!(daemon.command("a/resume", &[right]).await, 202);
    let state = daemon.complete("a").await;
    assert_eq!(state["live_records"], 1_000);
    daemon.terminate().await;
}

#[tokio::test]
async fn commands_need_the_token_and_are_carried_out() {
    let repository = Repository::with_records(10).start().await;
    let store = temp_store();
    let url = repository.base_url();
    std::fs::write(store.dir().join("token"), "let-me-in-please\n").unwrap();
    let sources = [source("a", &url, "never", "")];
    let config = write_config(&store, "token_file = 'token'", &sources);
    let daemon = Daemon::start(&store, &config).await;
    let right = ("authorization", "Bearer let-me-in-please");
    let cases: [(&str, &str, Headers<'_>, u16); 5] = [
        ("without", "a/run", &[], 401),
        (
            "wrong",
            "a/run",
            &[("authorization", "Bearer let-me-out-please")],
            401,
        ),
        (
            "another site",
            "a/run",
            &[right, ("origin", "https://evil.example")],
            403,
        ),
        ("no such source", "c/run", &[right], 404),
        ("pause", "a/pause", &[right], 202),
    ];
    for (case, path, headers, status) in cases {
        assert_eq!(daemon.command(path, headers).await, status, "{case}");
    }
    assert_eq!(repository.requests().len(), 0);
    assert_eq!(daemon.source("a").await["pass"]["state"], "paused");
    assert_eq!(daemon.get("/api/v1/sources/a/run").await.status(), 405);
    daemon.terminate().await;

    let daemon = Daemon::start(&store, &config).await;
    eventually("it is paused after a restart too", async || {
        (daemon.source("a").await["pass"]["state"] == "paused").then_some(())
    })
    .await;
    assert_eq!(daemon.command("a/run", &[right]).await, 202);
    daemon.complete("a").await;
    assert_eq!(daemon.command("a/resume", &[right]).await, 202);
    eventually("it waits for the next wish", async || {
        (daemon.source("a").await["pass"]["state"] == "on_demand").then_some(())
    })
    .await;
    daemon.terminate().await;

    let config = write_config(&store, "", &sources);
    let daemon = Daemon::start(&store, &config).await;
    let status = daemon.command("a/run", &[right]).await;
    assert_eq!(status, 403, "no token is configured");
    daemon.terminate().await;
}

/// A text that a hostile repository could send.
const HOSTILE: &str = "<script>alert(1)</script>\"><img src=x onerror=alert(1)>";

#[tokio::test]
async fn pages_escape_whatever_a_repository_sends() {
    let mut model = Model::new(Behaviour::plain());
    let escaped = HOSTILE
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let metadata = format!("<doajArticle><title>{escaped}</title></doajArticle>");
    model.insert(Item {
        identifier: "oai:example.org:<b>1".to_owned(),
        datestamp: Datestamp::from_unix(NOW - 86_400),
        set_specs: Vec::new(),
        deleted: false,
        metadata: vec![("oai_doaj".to_owned(), metadata.into())],
    });
    let repository = Repository::of(model).start().await;
    let store = temp_store();
    let url = repository.base_url();
    let config = write_config(&store, "", &[source("a", &url, "0 3 * * *", "")]);
    let daemon = Daemon::start(&store, &config).await;
    daemon.complete("a").await;
    for path in [
        "/",
        "/source/a",
        "/source/%3Cscript%3E",
        "/record?identifier=oai%3Aexample.org%3A%3Cb%3E1",
        "/record?identifier=%3Cscript%3E",
        "/nothing",
        "/healthz",
        "/metrics",
        "/style.css",
    ] {
        let response = daemon.get(path).await;
        let headers = response.headers().clone();
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "same-origin"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(headers[name], value, "{path}");
        }
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none';"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        let body = response.text().await.unwrap();
        // The daemon's own script is the only one.
        let body = body.replacen("<script src=\"/page.js\" ", "", 1);
        for tag in ["<script", "<img"] {
            assert!(!body.contains(tag), "{path}: {body}");
        }
        if path.starts_with("/record?identifier=oai") {
            assert!(body.contains("<h1>&lt;script&gt;alert(1)"), "{body}");
        }
    }
    let found = daemon
        .json("/api/v1/records?identifier=oai%3Aexample.org%3A%3Cb%3E1")
        .await;
    assert_eq!(found["records"][0]["article"]["title"], HOSTILE);
    daemon.terminate().await;
}

#[tokio::test]
async fn the_change_feed_sends_each_change_once_and_waits_for_more() {
    let repository = Repository::with_records(250).start().await;
    let store = temp_store();
    let url = repository.base_url();
    let config = write_config(&store, "", &[source("a", &url, "*/1 * * * * *", "")]);
    let daemon = Daemon::start(&store, &config).await;
    daemon.complete("a").await;

    let mut seen = std::collections::BTreeSet::new();
    let mut since = 0_u64;
    loop {
        let response = daemon
            .get(&format!("/api/v1/changes?since={since}&limit=100"))
            .await;
        let header = response.headers()["harvestd-next"]
            .to_str()
            .unwrap()
            .to_owned();
        let text = response.text().await.unwrap();
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let (last, records) = lines.split_last().unwrap();
        for record in records {
            assert!(record["version"].as_u64().unwrap() > since);
            seen.insert(record["identifier"].as_str().unwrap().to_owned());
        }
        since = last["next"].as_u64().unwrap();
        assert_eq!(header, since.to_string());
        if last["more"] == false {
            break;
        }
        assert_eq!(records.len(), 100);
    }
    assert_eq!(seen.len(), 250);

    let gone = seen.first().unwrap().clone();
    let path = format!("/api/v1/changes?since={since}&wait=60");
    let (answer, ()) = tokio::join!(daemon.get(&path), async {
        repository.with_model(|model| model.delete(&gone, Datestamp::from_unix(NOW - 10)));
    });
    let text = answer.text().await.unwrap();
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(first["identifier"], *gone);
    assert_eq!(first["deleted"], true);

    let unknown = daemon.get("/api/v1/changes?sinse=1").await;
    assert_eq!(unknown.status(), StatusCode::BAD_REQUEST);
    let none = daemon
        .get(&format!("/api/v1/changes?since={since}&source=b"))
        .await;
    assert_eq!(none.text().await.unwrap().lines().count(), 1);
    daemon.terminate().await;
}

#[tokio::test]
async fn the_service_manager_is_notified_of_each_state() {
    let repository = Repository::with_records(10).start().await;
    let store = temp_store();
    let url = repository.base_url();
    let config = write_config(&store, "", &[source("a", &url, "0 3 * * *", "")]);
    let path = store.dir().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut received: Vec<String> = Vec::new();
    let mut notified = async |wanted: &str| {
        eventually(wanted, async || {
            let mut message = [0; 4096];
            while let Ok(length) = socket.recv(&mut message) {
                let text = String::from_utf8_lossy(&message[..length]);
                received.extend(text.lines().map(str::to_owned));
            }
            // Later notifications are for the calls that follow.
            let found = received.iter().position(|line| line.starts_with(wanted))?;
            received.drain(..=found);
            Some(())
        })
        .await;
    };
    let program = Program::new(&["daemon", "--config", config.to_str().unwrap()])
        .env("NOTIFY_SOCKET", path.to_str().unwrap())
        .env("WATCHDOG_USEC", "400000");
    let daemon = Daemon::of(program, &store).await;
    notified("READY=1").await;
    notified("STATUS=running: harvest a").await;
    notified("STATUS=idle").await;
    notified("WATCHDOG=1").await;
    notified("WATCHDOG=1").await;
    daemon.process.signal("HUP");
    notified("RELOADING=1").await;
    notified("READY=1").await;
    daemon.process.signal("TERM");
    notified("STOPPING=1").await;
    assert_eq!(daemon.process.wait().await.status, Some(0));
}

#[tokio::test]
async fn an_alert_is_sent_when_a_source_fails_and_when_it_recovers() {
    use std::os::unix::fs::PermissionsExt;
    let repository = Repository::with_records(10)
        .always(When::Verb("ListRecords"), Fault::oai_error("badArgument"))
        .start()
        .await;
    let store = temp_store();
    let url = repository.base_url();
    let heard = store.dir().join("heard");
    let program = store.dir().join("tell");
    let script = format!(
        "#!/bin/sh\necho \"$HARVESTD_ALERT_NAME $HARVESTD_ALERT_CONDITION $HARVESTD_ALERT_STATE\" >> '{}'\n",
        heard.display()
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    let sources = [source("a", &url, "*/1 * * * * *", "")];
    let config = write_config(&store, "alert = 'tell'", &sources);
    let daemon = Daemon::start(&store, &config).await;
    let told = async |expected: &str| {
        eventually(expected, async || {
            let text = std::fs::read_to_string(&heard).unwrap_or_default();
            (text == expected).then_some(())
        })
        .await;
    };
    told("a failing begun\n").await;
    let page = daemon.get("/").await.text().await.unwrap();
    assert!(page.contains("<h1>1 problem</h1>"), "{page}");
    assert!(page.contains("href=\"/icon-alarm.svg\""), "{page}");
    repository.heal();
    told("a failing begun\na failing over\n").await;
    daemon.terminate().await;
}

#[tokio::test]
async fn metrics_are_well_formed() {
    let repository = Repository::with_records(250).start().await;
    let store = temp_store();
    let url = repository.base_url();
    let config = write_config(&store, "", &[source("a", &url, "0 3 * * *", "")]);
    let daemon = Daemon::start(&store, &config).await;
    daemon.complete("a").await;
    let text = eventually(
        "the end of the pass is counted and the next one is planned",
        async || {
            let text = daemon.get("/metrics").await.text().await.unwrap();
            let ended = text.contains("harvestd_passes_total{source=\"a\",result=\"complete\"} 1")
                && text.contains("harvestd_source_state{source=\"a\",state=\"waiting\"} 1");
            ended.then_some(text)
        },
    )
    .await;
    for line in [
        "harvestd_source_records{source=\"a\",kind=\"live\"} 250",
        "harvestd_records_total{source=\"a\",result=\"new\"} 250",
        "harvestd_pages_total{source=\"a\"} 3",
        "harvestd_ready 1",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line} in\n{text}");
    }
    let mut families = std::collections::BTreeSet::new();
    let mut family = "";
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            family = rest.split(' ').next().unwrap();
            assert!(families.insert(family), "{family} comes twice");
        } else if !line.starts_with("# TYPE ") {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert_eq!(name.split('{').next().unwrap(), family, "{line}");
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
    assert_eq!(daemon.json("/readyz").await["status"], "ready");
    assert_eq!(daemon.json("/healthz").await["status"], "ok");
    daemon.terminate().await;
}

#[tokio::test]
async fn a_store_in_use_can_be_backed_up_and_verified() {
    let repository = Repository::with_records(250).start().await;
    let store = temp_store();
    let url = repository.base_url();
    let config = write_config(&store, "", &[source("a", &url, "*/1 * * * * *", "")]);
    let daemon = Daemon::start(&store, &config).await;
    daemon.complete("a").await;
    let copy = store.dir().join("copy.db");
    let copy = copy.to_str().unwrap();
    harvestd(&["backup", copy, "--store", &store.argument()])
        .await
        .success();
    daemon.terminate().await;
    let verified = harvestd(&["verify", "--store", copy, "--json"])
        .await
        .success();
    let verified: Value = serde_json::from_str(&verified.stdout).unwrap();
    assert_eq!(verified["records"], 250);

    let connection = rusqlite::Connection::open(copy).unwrap();
    let changed = connection
        .execute(
            "UPDATE payload SET metadata = (SELECT metadata FROM payload WHERE record_id = 2)
             WHERE record_id = 1",
            [],
        )
        .unwrap();
    assert_eq!(changed, 1);
    drop(connection);
    let found = harvestd(&["verify", "--store", copy]).await.failure(1);
    assert!(
        found.stdout.contains("its content does not match its hash"),
        "{found:?}"
    );
    assert!(
        found.stdout.ends_with("250 records checked, 1 faults\n"),
        "{found:?}"
    );
}

/// The number of passes of the only source; `None` while one runs or is due.
async fn passes_at_rest(address: &str) -> Option<usize> {
    let answer = reqwest::get(format!("http://{address}/api/v1/sources/a")).await;
    let source: Value = serde_json::from_str(&answer.ok()?.text().await.ok()?).ok()?;
    let passes = source["passes"].as_array()?;
    let at_rest = passes.iter().all(|pass| pass["state"] == "complete");
    (source["pass"]["state"] == "waiting" && at_rest).then_some(passes.len())
}

/// After a jump over a day, one pass makes up for its tick. A jump back delays no pass.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_jump_loses_no_pass_and_adds_at_most_one() {
    const DAY_MS: i64 = 86_400_000;
    let repository = Repository::with_records(3).start().await;
    let store = temp_store();
    let sources = [source("a", &repository.base_url(), "0 3 * * *", "")];
    let path = write_config(&store, "", &sources);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("127.0.0.1:0", &address)).unwrap();
    let load = move || {
        let overrides = Overrides {
            config: Some(path.clone()),
            ..Overrides::default()
        };
        let environment = Environment::new([]);
        config::load(&overrides, &environment, Secrets::Reported).map_err(|error| error.to_string())
    };
    let clock = Arc::new(AtomicI64::new(NOW * 1000));
    let service = Service {
        clock: Clock::Manual(Arc::clone(&clock)),
        progress: harvestd::cli::progress::lines(),
        reload: Box::new(load.clone()),
    };
    let (switch, stop) = stop_switch();
    // A reload makes the daemon look at its clock, as it does each minute.
    let (looks, reload) = tokio::sync::mpsc::channel(1);
    let _ = rustls::crypto::ring::default_provider().install_default();
    let script = async {
        let jumps = [0, DAY_MS, -30 * DAY_MS, DAY_MS, DAY_MS, -DAY_MS];
        for (jump, expected) in jumps.into_iter().zip(1..) {
            clock.fetch_add(jump, Ordering::Relaxed);
            looks.send(()).await.unwrap();
            let what = format!("pass {expected}, after a jump by {jump} ms");
            eventually(&what, async || {
                (passes_at_rest(&address).await == Some(expected)).then_some(())
            })
            .await;
            // The second reload waits until the first is received, the third until the daemon has looked.
            for _ in 0..3 {
                looks.send(()).await.unwrap();
            }
            assert_eq!(passes_at_rest(&address).await, Some(expected), "{what}");
        }
        switch.stop();
    };
    let (ended, ()) = tokio::join!(daemon::run(load().unwrap(), service, stop, reload), script);
    ended.unwrap();
}
