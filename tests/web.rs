//! The daemon over HTTP: search, records in all formats, the change feed and its consumers, forms, metrics
//! and the dashboard.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use harvestd::oai::Datestamp;
use harvestd::store::{Store, Version};
use reqwest::{Client, Method, StatusCode, redirect};
use serde_json::Value;
use support::daemon::{Daemon, eventually, source, write_config};
use support::model::{Behaviour, Item, Model};
use support::{FakeSolr, Fault, NOW, Repository, TempStore, When, harvestd, temp_store};

/// A text that a hostile repository could send.
const HOSTILE: &str = "<script>alert(1)</script>\"><img src=x onerror=alert(1)>";

/// An article as DOAJ has it, with escaped text.
fn item(identifier: &str, title: &str, doi: &str) -> Item {
    let title = title.replace('&', "&amp;").replace('<', "&lt;");
    let metadata = format!("<doajArticle><title>{title}</title><doi>{doi}</doi></doajArticle>");
    Item {
        identifier: identifier.to_owned(),
        datestamp: Datestamp::from_unix(NOW - 86_400),
        set_specs: Vec::new(),
        deleted: false,
        metadata: vec![("oai_doaj".to_owned(), metadata.into())],
    }
}

async fn repository(items: impl IntoIterator<Item = Item>) -> Repository {
    let mut model = Model::new(Behaviour::plain());
    for item in items {
        model.insert(item);
    }
    Repository::of(model).start().await
}

/// A daemon that has harvested `repository` as source `a` and does so every second.
async fn harvested(repository: &Repository, store: &TempStore, keys: &str) -> Daemon {
    let url = repository.base_url();
    let config = write_config(store, keys, &[source("a", &url, "*/1 * * * * *", "")]);
    let daemon = Daemon::start(store, &config).await;
    daemon.complete("a").await;
    daemon
}

/// A daemon that accepts the token `let-me-in-please` and harvests `repository` on request, and its configuration.
async fn with_token(repository: &Repository, store: &TempStore) -> (Daemon, PathBuf) {
    let sources = [source("a", &repository.base_url(), "never", "")];
    let config = write_config(store, "token = 'let-me-in-please'", &sources);
    (Daemon::start(store, &config).await, config)
}

/// Signs in, and gives the cookie of the session.
async fn sign_in(daemon: &Daemon) -> String {
    let response = post(
        daemon,
        "/sign-in",
        "token=let-me-in-please&next=%2Fsource%2Fa",
        &[],
    )
    .await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(response.headers()["location"], "/source/a");
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.ends_with("; HttpOnly; SameSite=Strict"), "{cookie}");
    cookie.split(';').next().unwrap().to_owned()
}

/// Sends a form. Redirects are not followed.
async fn post(
    daemon: &Daemon,
    path: &str,
    form: &str,
    headers: &[(&str, &str)],
) -> reqwest::Response {
    let client = Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .build()
        .unwrap();
    let mut request = client
        .post(daemon.address(path))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form.to_owned());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

/// A page as people see it who have signed in.
async fn signed_in_text(daemon: &Daemon, path: &str, cookie: &str) -> String {
    let response = daemon.send(Method::GET, path, &[("cookie", cookie)]).await;
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    response.text().await.unwrap()
}

async fn text(daemon: &Daemon, path: &str) -> String {
    let response = daemon.get(path).await;
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    response.text().await.unwrap()
}

/// Waits until the search index has everything.
async fn searchable(daemon: &Daemon) {
    eventually("the search index has everything", async || {
        let search = daemon.json("/api/v1/status").await["search"].clone();
        (search["index"]["behind_changes"] == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn records_are_found_and_shown_in_every_format() {
    let repository = repository([
        item("oai:doaj.org/article:00ab", HOSTILE, "10.1000/Heat.1"),
        item("oai:doaj.org/article:00ac", "Light & heat: a study", ""),
        item("oai:doaj.org/article:00ad", "Another study of heat", ""),
    ])
    .await;
    let store = temp_store();
    let daemon = harvested(&repository, &store, "").await;
    searchable(&daemon).await;

    let identifiers = async |query: &str| -> Vec<String> {
        let path = format!("/api/v1/search?q={query}");
        let found = daemon.json(&path).await;
        let records = found["records"].as_array().unwrap().iter();
        records
            .map(|record| record["identifier"].as_str().unwrap().to_owned())
            .collect()
    };
    let (first, second) = ("oai:doaj.org/article:00ab", "oai:doaj.org/article:00ac");
    assert_eq!(identifiers("10.1000%2Fheat.1").await, [first]);
    assert_eq!(identifiers("doaj-art-00ac").await, [second]);
    assert_eq!(identifiers("00AC").await, [second]);
    assert_eq!(identifiers("light+heat").await, [second]);
    assert_eq!(identifiers("study").await.len(), 2);
    assert!(identifiers("nothing+of+it").await.is_empty());

    let page = text(&daemon, "/search?q=study").await;
    let marked = "Light &amp; heat: a <mark>study</mark>";
    assert!(page.contains(marked), "{page}");
    // A single result is shown at once, by a redirect.
    let page = text(&daemon, "/search?q=10.1000/heat.1").await;
    assert!(page.contains("<h1>&lt;script&gt;alert(1)"), "{page}");
    let shown = [
        "<summary>As received (oai_doaj)</summary>",
        "<summary>jsonl</summary>",
        "<summary>vufind-json</summary>",
        "<summary>vufind-xml</summary>",
        "<summary>marcxml</summary>",
        "<summary>oai_dc</summary>",
        "<summary>csv</summary>",
        "<summary>ris</summary>",
        "<summary>bibtex</summary>",
        "<summary>csl-json</summary>",
        "&quot;id&quot;:&quot;doaj-art-00ab&quot;",
        "&lt;leader&gt;",
        "DO  - 10.1000/heat.1",
    ];
    for part in shown {
        assert!(page.contains(part), "{part} in {page}");
    }
    for tag in ["<script", "<img"] {
        assert!(!page.contains(tag), "{tag} in {page}");
    }
    for (format, kind, part) in [
        ("jsonl", "application/x-ndjson", "\"article\":{"),
        ("vufind-json", "application/json", "\"add\":{"),
        ("marcxml", "application/marcxml+xml", "<leader>"),
        (
            "ris",
            "application/x-research-info-systems",
            "TI  - Light & heat",
        ),
        (
            "bibtex",
            "application/x-bibtex",
            "title = {Light \\& heat: a study}",
        ),
        (
            "csl-json",
            "application/vnd.citationstyles.csl+json",
            "\"title\":\"Light & heat: a study\"",
        ),
    ] {
        let path = format!("/api/v1/records?identifier={second}&format={format}");
        let response = daemon.get(&path).await;
        let sent = response.headers()["content-type"]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(sent.starts_with(kind), "{format}: {sent}");
        let body = response.text().await.unwrap();
        assert!(body.contains(part), "{format}: {body}");
    }
    for (path, status) in [
        ("/api/v1/records?identifier=oai:x:0&format=ris", 404),
        ("/api/v1/records?identifier=oai:x:0&format=pdf", 400),
        ("/api/v1/records", 400),
        ("/api/v1/search", 400),
        ("/record?identifier=oai:x:0", 404),
        ("/source/b", 404),
        ("/source/a/pass/999", 404),
        ("/output/b", 404),
        ("/?refresh=1", 400),
    ] {
        assert_eq!(daemon.get(path).await.status(), status, "{path}");
    }
    // A pass starts each second, and the newest may still run.
    let source = daemon.source("a").await;
    let mut passes = source["passes"].as_array().unwrap().iter();
    let complete = passes.find(|pass| pass["state"] == "complete").unwrap();
    let pass = &complete["id"];
    let page = text(&daemon, &format!("/source/a/pass/{pass}")).await;
    assert!(page.contains("1 complete"), "{page}");
    let details = daemon
        .json(&format!("/api/v1/sources/a/passes/{pass}"))
        .await;
    assert_eq!(details["windows"][0]["state"], "complete");
    daemon.terminate().await;
}

#[tokio::test]
async fn without_the_index_the_page_says_which_searches_work() {
    let repository = repository([item("oai:x:1", "Heat", "")]).await;
    let store = temp_store();
    let daemon = harvested(&repository, &store, "search = false").await;
    let page = text(&daemon, "/search?q=heat").await;
    assert!(page.contains("Search by whole identifier"), "{page}");
    let found = daemon.json("/api/v1/search?q=oai:x:1").await;
    assert_eq!(found["records"][0]["title"], "Heat");
    assert_eq!(found["search"]["enabled"], false);
    daemon.terminate().await;
    assert!(!store.dir().join("harvest.db.search").exists());
}

#[tokio::test]
async fn forms_send_the_token() {
    let repository = Repository::with_records(10).start().await;
    let store = temp_store();
    let (daemon, _) = with_token(&repository, &store).await;
    let page = text(&daemon, "/source/a").await;
    assert!(
        page.contains("href=\"/sign-in?next=%2Fsource%2Fa\""),
        "{page}"
    );
    assert!(!page.contains("value=\"run\""), "{page}");
    let send = async |form: &str, headers: &[(&str, &str)]| {
        let response = post(&daemon, "/source/a", form, headers).await;
        let to = response.headers().get("location").cloned();
        (response.status().as_u16(), to)
    };
    let site = ("sec-fetch-site", "cross-site");
    assert_eq!(
        send("action=run&token=let-me-in-please", &[site]).await.0,
        403
    );
    assert_eq!(send("action=run&token=let-me-out-please", &[]).await.0, 401);
    assert_eq!(send("action=run", &[]).await.0, 401);
    assert_eq!(send("action=eat&token=let-me-in-please", &[]).await.0, 400);
    assert_eq!(repository.requests().len(), 0);
    let own = [
        ("sec-fetch-site", "same-origin"),
        ("origin", "https://proxy.example"),
    ];
    let (status, to) = send("action=run&token=let-me-in-please", &own).await;
    assert_eq!(
        (status, to.unwrap().to_str().unwrap()),
        (303, "/source/a?done=run")
    );
    let page = text(&daemon, "/source/a?done=run").await;
    assert!(
        page.contains("A pass starts as soon as the host is free."),
        "{page}"
    );
    daemon.complete("a").await;
    assert_eq!(
        send("action=pause&token=let-me-in-please", &own).await.0,
        303
    );
    daemon.terminate().await;
}

#[tokio::test]
async fn people_sign_in_once_and_the_cookie_is_good_for_forms_alone() {
    let repository = Repository::with_records(10).start().await;
    let store = temp_store();
    let (daemon, _) = with_token(&repository, &store).await;
    let page = text(&daemon, "/sign-in?next=%2Fsource%2Fa").await;
    assert!(page.contains("type=\"password\""), "{page}");
    let wrong = post(&daemon, "/sign-in", "token=let-me-out-please", &[]).await;
    assert_eq!(wrong.status(), 401);
    assert!(!wrong.headers().contains_key("set-cookie"));
    assert!(wrong.text().await.unwrap().contains("the token is wrong"));
    let site = ("sec-fetch-site", "cross-site");
    let other = post(&daemon, "/sign-in", "token=let-me-in-please", &[site]).await;
    assert_eq!(other.status(), 403, "another site cannot sign people in");
    let away = post(
        &daemon,
        "/sign-in",
        "token=let-me-in-please&next=%2F%2Fevil.example",
        &[],
    );
    assert_eq!(away.await.headers()["location"], "/");
    let origin = ("origin", "https://proxy.example");
    let own = ("sec-fetch-site", "same-origin");
    let secure = post(
        &daemon,
        "/sign-in",
        "token=let-me-in-please",
        &[origin, own],
    )
    .await;
    let cookie = secure.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.ends_with("; Secure"), "{cookie}");

    let cookie = sign_in(&daemon).await;
    let session = ("cookie", cookie.as_str());
    let page = signed_in_text(&daemon, "/source/a", &cookie).await;
    assert!(page.contains("value=\"run\""), "{page}");
    assert!(page.contains("Sign out"), "{page}");
    let send = async |headers: &[(&str, &str)]| {
        let response = post(&daemon, "/source/a", "action=pause", headers).await;
        response.status().as_u16()
    };
    assert_eq!(send(&[]).await, 401);
    assert_eq!(send(&[session, site]).await, 403, "not from another site");
    let forged = cookie.replacen("=1", "=2", 1);
    assert_eq!(send(&[("cookie", &forged)]).await, 401);
    assert_eq!(
        daemon.command("a/pause", &[session]).await,
        401,
        "not for the API"
    );
    assert_eq!(repository.requests().len(), 0);
    assert_eq!(send(&[session, own]).await, 303);
    let page = eventually("it is paused", async || {
        let page = signed_in_text(&daemon, "/source/a", &cookie).await;
        page.contains("value=\"resume\"").then_some(page)
    })
    .await;
    assert!(page.contains("Paused since"), "{page}");
    let out = post(&daemon, "/sign-out", "", &[session, own]).await;
    let ended = out.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(ended.starts_with("harvestd_session=; "), "{ended}");
    assert!(ended.contains("Max-Age=0"), "{ended}");
    daemon.terminate().await;
}

#[tokio::test]
async fn the_first_page_says_what_is_wrong_and_lists_sources() {
    let repository = Repository::with_records(10).start().await;
    let broken = Repository::with_records(10).start().await;
    broken.break_with(When::Always, Fault::html(500));
    let store = temp_store();
    let output = "[[output]]\nname = 'o'\ntype = 'solr'\nurls = ['http://127.0.0.1:9/solr/x']\nretries = 0\n";
    let sources = [
        source("fine", &repository.base_url(), "never", ""),
        source("ill", &broken.base_url(), "never", ""),
        output.to_owned(),
    ];
    let config = write_config(
        &store,
        "token = 'let-me-in-please'\ntime_zone = 'Europe/Berlin'",
        &sources,
    );
    let daemon = Daemon::start(&store, &config).await;
    let page = text(&daemon, "/").await;
    assert!(
        page.contains("<title>The first harvest is under way - harvestd</title>"),
        "{page}"
    );
    let right = ("authorization", "Bearer let-me-in-please");
    for path in ["fine/run", "ill/run"] {
        assert_eq!(daemon.command(path, &[right]).await, 202);
    }
    let page = eventually("both have ended", async || {
        let page = text(&daemon, "/").await;
        page.contains("<h1>2 problems</h1>").then_some(page)
    })
    .await;
    assert!(
        page.contains("<title>2 problems - harvestd</title>"),
        "{page}"
    );
    assert!(page.contains("href=\"/icon-alarm.svg\""), "{page}");
    let verdict = page.split("</section>").next().unwrap();
    assert!(
        verdict.contains("<a href=\"/source/ill\">ill</a>: "),
        "{verdict}"
    );
    assert!(
        verdict.contains("<a href=\"/output/o\">o</a>: "),
        "{verdict}"
    );
    assert!(verdict.contains("10 changes behind"), "{verdict}");
    assert!(verdict.contains(" CE"), "the time zone: {verdict}");
    assert!(verdict.contains(", for <time datetime="), "{verdict}");
    assert!(verdict.contains("1 source is up to date"), "{verdict}");
    let table = page.split("<table class=\"cards\">").nth(1).unwrap();
    let place = |name: &str| table.find(&format!("/source/{name}\"")).unwrap();
    assert!(place("ill") < place("fine"), "problems first: {table}");
    assert!(table.contains("Last 30 days: 1 good"), "{table}");
    assert!(table.contains("Last 30 days: 1 failed"), "{table}");
    assert!(table.contains("+10 new"), "{table}");

    for (query, shown, hidden) in [
        ("q=FIN", "fine", "ill"),
        ("state=problems", "ill", "fine"),
        ("state=complete&sort=name", "fine", "ill"),
        ("q=&sort=state", "fine", "nothing"),
    ] {
        let page = text(&daemon, &format!("/?{query}")).await;
        let table = page.split("<table class=\"cards\">").nth(1).unwrap();
        assert!(
            table.contains(&format!("/source/{shown}\"")),
            "{query}: {table}"
        );
        assert!(
            !table.contains(&format!("/source/{hidden}\"")),
            "{query}: {table}"
        );
    }
    let page = text(&daemon, "/?q=%3Cscript%3E").await;
    assert!(page.contains("No source matches."), "{page}");
    for query in ["page=0", "page=x", "sort=size", "state=", "refresh=5"] {
        let status = daemon.get(&format!("/?{query}")).await.status();
        assert_eq!(status, 400, "{query}");
    }
    for (path, part) in [
        ("/outputs", "10 changes"),
        ("/quarantine", "Nothing is in quarantine."),
        ("/duplicates", "Deduplication is off."),
        ("/search", "<h1>Search</h1>"),
        ("/api", "/api/v1/openapi.json"),
    ] {
        let page = text(&daemon, path).await;
        assert!(page.contains(part), "{path}: {page}");
        let current = format!("href=\"{path}\" aria-current=\"page\"");
        assert!(page.contains(&current), "{path}: {page}");
    }
    let browser = ("accept", "text/html,application/xhtml+xml");
    let nothing = daemon.send(Method::GET, "/nothing", &[browser]).await;
    assert_eq!(nothing.status(), 404);
    assert!(
        nothing
            .text()
            .await
            .unwrap()
            .contains("<h1>404 Not Found</h1>")
    );
    let nothing = daemon
        .send(Method::GET, "/api/v1/nothing", &[browser])
        .await;
    assert!(nothing.text().await.unwrap().starts_with("{\"error\""));
    daemon.terminate().await;
}

#[tokio::test]
async fn outputs_and_exports_have_buttons() {
    let repository = Repository::with_records(3).start().await;
    let store = temp_store();
    let solr = FakeSolr::start().await;
    let file = store.dir().join("all.jsonl");
    let deliveries = format!(
        "[[output]]\nname = 'v'\ntype = 'solr'\nurls = ['{}']\nafter_pass = false\nschedule = 'never'\n\
         [[export]]\nname = 'e'\npath = {file:?}\nschedule = 'never'",
        solr.url
    );
    let sources = [source("a", &repository.base_url(), "never", ""), deliveries];
    let config = write_config(&store, "token = 'let-me-in-please'", &sources);
    let daemon = Daemon::start(&store, &config).await;
    let right = ("authorization", "Bearer let-me-in-please");
    assert_eq!(daemon.command("a/run", &[right]).await, 202);
    daemon.complete("a").await;
    assert!(solr.ids().is_empty() && !file.exists());
    let cookie = sign_in(&daemon).await;
    let client = Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .build()
        .unwrap();
    let send = async |path: &str, form: &'static str, site: &str| {
        let request = client
            .post(daemon.address(path))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-site", site)
            .body(form);
        request.send().await.unwrap()
    };
    for (path, button, form, wrong) in [
        (
            "/output/v",
            "Push now",
            "action=push&token=let-me-in-please",
            "action=push&token=no",
        ),
        (
            "/export/e",
            "Write now",
            "action=run&token=let-me-in-please",
            "action=run&token=no",
        ),
    ] {
        assert!(!text(&daemon, path).await.contains(button), "{path}");
        let page = signed_in_text(&daemon, path, &cookie).await;
        assert!(page.contains(button), "{path}");
        assert!(
            text(&daemon, "/")
                .await
                .contains(&format!("href=\"{path}\""))
        );
        assert_eq!(send(path, form, "cross-site").await.status(), 403);
        assert_eq!(send(path, wrong, "same-origin").await.status(), 401);
        assert_eq!(
            send(path, "action=eat&token=let-me-in-please", "same-origin")
                .await
                .status(),
            400
        );
        let none = &format!("{}none", &path[..path.len() - 1]);
        assert_eq!(
            send(none, form, "same-origin").await.status(),
            404,
            "{none}"
        );
        let done = send(path, form, "same-origin").await;
        assert_eq!(done.status(), 303);
        let to = done.headers()["location"].to_str().unwrap().to_owned();
        assert!(text(&daemon, &to).await.contains("role=\"status\""), "{to}");
    }
    eventually("both are delivered", async || {
        (solr.ids().len() == 3 && file.exists()).then_some(())
    })
    .await;
    daemon.terminate().await;
}

#[tokio::test]
async fn held_deletions_are_confirmed_on_the_page() {
    let repository = Repository::with_records(10).start().await;
    let store = temp_store();
    let (daemon, config) = with_token(&repository, &store).await;
    let right = ("authorization", "Bearer let-me-in-please");
    assert_eq!(daemon.command("a/run", &[right]).await, 202);
    daemon.complete("a").await;
    assert_eq!(daemon.command("a/confirm", &[]).await, 401);
    for item in repository.visible().iter().take(5) {
        let at = Datestamp::from_unix(NOW - 10);
        repository.with_model(|model| model.remove(&item.identifier, at));
    }
    let arguments = ["reconcile", "a", "--config", config.to_str().unwrap()];
    harvestd(&arguments).await.failure(3);
    let cookie = sign_in(&daemon).await;
    let page = signed_in_text(&daemon, "/source/a", &cookie).await;
    assert!(
        page.contains("5 of 10 live records are not in the list"),
        "{page}"
    );
    assert!(page.contains("Confirm deletions"), "{page}");
    assert_eq!(daemon.command("a/confirm", &[right]).await, 202);
    let state = eventually("they are buried", async || {
        let state = daemon.source("a").await;
        (state["deleted_records"] == 5).then_some(state)
    })
    .await;
    assert_eq!(state["live_records"], 5);
    let page = signed_in_text(&daemon, "/source/a", &cookie).await;
    assert!(!page.contains("Confirm deletions"), "{page}");
    daemon.terminate().await;
}

/// The ids that a reader has after these commands.
fn ids_after(body: &str) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for line in body.lines().filter(|line| line.starts_with('"')) {
        let command: Value =
            serde_json::from_str(&format!("{{{}}}", line.trim_end_matches(','))).unwrap();
        if let Some(id) = command["add"]["doc"]["id"].as_str() {
            ids.insert(id.to_owned());
        } else {
            ids.remove(command["delete"]["id"].as_str().unwrap());
        }
    }
    ids
}

#[tokio::test]
async fn a_record_without_a_document_does_not_delete_that_of_another_source() {
    let same = "oai:x:1";
    let good = repository([item(same, "Heat", "")]).await;
    let mut unreadable = item(same, "", "");
    unreadable.metadata = vec![(
        "oai_doaj".to_owned(),
        r#"<mets xmlns="http://www.loc.gov/METS/"/>"#.into(),
    )];
    let bad = repository([unreadable]).await;
    let store = temp_store();
    let sources = [
        source("a", &good.base_url(), "never", ""),
        source("b", &bad.base_url(), "never", ""),
    ];
    let config = write_config(&store, "", &sources);
    // The unreadable record has the newer version.
    for name in ["a", "b"] {
        let (config, store) = (config.to_str().unwrap(), store.path());
        let arguments = ["harvest", name, "--config", config];
        let arguments = [&arguments[..], &["--store", store.to_str().unwrap()]].concat();
        harvestd(&arguments).await.success();
    }
    let daemon = Daemon::start(&store, &config).await;
    let path = "/api/v1/changes?since=0&format=vufind-json";
    let response = daemon.get(path).await;
    let failed = response.headers()["harvestd-failed"].clone();
    let body = response.text().await.unwrap();
    assert_eq!(failed, "1", "{body}");
    assert_eq!(
        ids_after(&body),
        BTreeSet::from([same.to_owned()]),
        "{body}"
    );
    daemon.terminate().await;
}

#[tokio::test]
async fn the_feed_has_every_format_and_says_when_changes_were_pruned() {
    let items = (0..5).map(|number| item(&format!("oai:x:{number}"), "Heat", ""));
    let repository = repository(items).await;
    let store = temp_store();
    let daemon = harvested(&repository, &store, "").await;
    for (format, part) in [
        ("jsonl", "\"identifier\":\"oai:x:3\""),
        ("xml", "<records>"),
        ("vufind-json", "\"add\":{"),
        ("vufind-xml", "<add>"),
        ("oai_dc", "<dc:title>Heat</dc:title>"),
        ("marcxml", "<leader>"),
        ("csv", "source,identifier,"),
        ("ris", "TI  - Heat"),
        ("bibtex", "  title = {Heat},"),
        ("csl-json", "\"title\":\"Heat\""),
    ] {
        let path = format!("/api/v1/changes?since=0&limit=4&format={format}");
        let response = daemon.get(&path).await;
        let headers = response.headers().clone();
        let said = |name: &str| headers[name].to_str().unwrap().to_owned();
        assert_eq!(said("harvestd-more"), "true", "{format}");
        assert_eq!(said("harvestd-failed"), "0", "{format}");
        assert!(
            said("harvestd-next").parse::<u64>().unwrap() > 0,
            "{format}"
        );
        let body = response.text().await.unwrap();
        assert!(body.contains(part), "{format}: {body}");
        assert_eq!(body.contains("\"next\":"), format == "jsonl", "{format}");
    }
    let refused = async |query: &str| {
        let response = daemon.get(&format!("/api/v1/changes?{query}")).await;
        let status = response.status().as_u16();
        (status, response.text().await.unwrap())
    };
    assert_eq!(refused("format=pdf").await.0, 400);
    assert_eq!(refused("per=page").await.0, 400);
    let (status, why) = refused("per=cluster").await;
    assert_eq!(status, 409, "{why}");
    assert!(why.contains("dedup rebuild"), "{why}");

    let last = daemon.json("/readyz").await["last_version"]
        .as_i64()
        .unwrap();
    let (status, why) = refused(&format!("since={}", last + 1)).await;
    assert_eq!(status, 410, "{why}");
    assert!(why.contains("belongs to another store"), "{why}");

    // One tombstone is older than the reader's position, and one is newer.
    for number in [1, 3] {
        let at = Datestamp::from_unix(NOW - 10);
        repository.with_model(|model| model.delete(&format!("oai:x:{number}"), at));
        eventually("the deletion arrives", async || {
            let state = daemon.source("a").await;
            (state["deleted_records"] == number / 2 + 1).then_some(())
        })
        .await;
    }
    let seen: Vec<Value> = text(&daemon, &format!("/api/v1/changes?since={last}"))
        .await
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(seen.len(), 3, "two deletions and the last line: {seen:?}");
    let upto = Version(seen[0]["version"].as_i64().unwrap());
    let forgotten = Store::open(&store.path()).unwrap().prune_tombstones(upto);
    assert_eq!(forgotten.unwrap(), 1);
    let (status, why) = refused(&format!("since={last}")).await;
    assert_eq!(status, 410, "{why}");
    assert!(why.contains("start again with since=0"), "{why}");
    assert_eq!(refused(&format!("since={upto}")).await.0, 200);
    assert_eq!(refused("since=0").await.0, 200);
    // A reader that begins later gets all pages.
    let (mut position, mut identifiers) = ("0".to_owned(), Vec::new());
    loop {
        let path = format!("/api/v1/changes?since={position}&limit=1");
        let page = text(&daemon, &path).await;
        let lines: Vec<Value> = page
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let (last, records) = lines.split_last().unwrap();
        let names = records
            .iter()
            .map(|record| record["identifier"].to_string());
        identifiers.extend(names);
        position = last["next"].to_string().trim_matches('"').to_owned();
        if last["more"] == false {
            break;
        }
    }
    assert!(identifiers.len() > 2, "{identifiers:?}");
    assert!(!position.contains('-'), "{position}");
    let (status, why) = refused("since=1-2-3").await;
    assert_eq!(status, 400, "{why}");
    daemon.terminate().await;
}

/// The example of docs/api.md that begins with this line, as it stands there.
fn example(begins: &str) -> String {
    let page = include_str!("../docs/api.md");
    let mut blocks = page.split("\n```").skip(1).step_by(2);
    let block = blocks.find_map(|block| {
        let (_, text) = block.split_once('\n')?;
        text.starts_with(begins).then(|| format!("{text}\n"))
    });
    block.unwrap_or_else(|| panic!("docs/api.md has an example that begins with {begins:?}"))
}

/// Both consumers in docs/api.md keep a copy of the store, through a restart and a deletion.
#[tokio::test]
async fn the_documented_consumers_follow_the_store() {
    let consumers = [
        ("python3", example("import json"), "python3"),
        ("sh", example("#!/bin/sh"), "jq"),
    ];
    for (program, script, needed) in consumers {
        if which(needed).is_none() || which("curl").is_none() {
            eprintln!(
                "SKIPPED: THERE IS NO {needed} OR NO curl HERE, SO ITS CONSUMER IS NOT TRIED"
            );
            continue;
        }
        let items = (0..30).map(|number| item(&format!("oai:x:{number}"), HOSTILE, ""));
        let repository = repository(items).await;
        let store = temp_store();
        let daemon = harvested(&repository, &store, "").await;
        let folder = store.dir().join(program);
        std::fs::create_dir(&folder).unwrap();
        let script = script.replace("http://127.0.0.1:8017", &daemon.address(""));
        std::fs::write(folder.join("consumer"), script).unwrap();
        // A process group of its own: the shell's children may outlive it.
        let start = || {
            std::process::Command::new(program)
                .process_group(0)
                .arg("consumer")
                .current_dir(&folder)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        };
        let end = |mut consumer: std::process::Child| {
            let group = format!("-{}", consumer.id());
            let kill = std::process::Command::new("kill")
                .args(["-KILL", "--", &group])
                .status();
            assert!(kill.unwrap().success());
            consumer.wait().unwrap();
        };
        let consumer = start();
        // A file that is being written again does not count for a moment.
        let has = async |count: usize, is_right: fn(&BTreeMap<String, Value>) -> bool| {
            eventually("the consumer has it", async || {
                let copies = copies(&folder);
                (copies.len() == count && is_right(&copies)).then_some(())
            })
            .await;
        };
        has(30, |_| true).await;
        end(consumer);
        let gone = Datestamp::from_unix(NOW - 10);
        repository.with_model(|model| model.delete("oai:x:7", gone));
        eventually("the deletion arrives", async || {
            let state = daemon.source("a").await;
            (state["deleted_records"] == 1).then_some(())
        })
        .await;
        let consumer = start();
        has(29, |copies| !copies.contains_key("oai:x:7")).await;
        // It waits now, and gets the next change.
        repository.with_model(|model| {
            model.insert(Item {
                datestamp: gone,
                ..item("oai:x:new", "New", "")
            })
        });
        has(30, |copies| {
            let new = copies.get("oai:x:new");
            new.is_some_and(|new| new["article"]["title"] == "New")
        })
        .await;
        end(consumer);
        daemon.terminate().await;
    }
}

/// The copies of a consumer: a file for each record, named by its number.
fn copies(folder: &Path) -> BTreeMap<String, Value> {
    let Ok(files) = std::fs::read_dir(folder.join("copy")) else {
        return BTreeMap::new();
    };
    let records = files.filter_map(|file| {
        // A file that is being written does not count.
        let text = std::fs::read_to_string(file.ok()?.path()).ok()?;
        let record: Value = serde_json::from_str(&text).ok()?;
        Some((record["identifier"].as_str()?.to_owned(), record))
    });
    records.collect()
}

fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut candidates = std::env::split_paths(&path).map(|folder| folder.join(program));
    candidates.find(|candidate| candidate.is_file())
}

/// The names of metrics in a text: words that begin with the program's name.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names = words.filter(|word| word.starts_with("harvestd_"));
    names.map(str::to_owned).collect()
}

#[tokio::test]
async fn metrics_are_documented_and_the_dashboard_draws_only_those() {
    let repository = Repository::with_records(10).start().await;
    let store = temp_store();
    let url = repository.base_url();
    let output = "[[output]]\nname = 'o'\ntype = 'solr'\nurls = ['http://127.0.0.1:9/solr/x']\n";
    let sources = [source("a", &url, "never", ""), output.to_owned()];
    let config = write_config(&store, "token = 'let-me-in-please'", &sources);
    let daemon = Daemon::start(&store, &config).await;
    let run = daemon
        .command("a/run", &[("authorization", "Bearer let-me-in-please")])
        .await;
    assert_eq!(run, 202);
    daemon.complete("a").await;
    searchable(&daemon).await;
    let metrics = text(&daemon, "/metrics").await;
    let helped = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# HELP "));
    let shown: BTreeSet<String> = helped
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect();
    assert!(
        metrics.contains("harvestd_output_behind_changes{output=\"o\"} 10\n"),
        "{metrics}"
    );

    let page = include_str!("../docs/operating.md");
    let (_, section) = page.split_once("## Metrics").unwrap();
    let (_, table) = section.split_once("\n| name ").unwrap();
    assert_eq!(names(table), shown, "the table of docs/operating.md");

    let dashboard: Value =
        serde_json::from_str(include_str!("../config/grafana-dashboard.json")).unwrap();
    let mut drawn = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            drawn.extend(names(target["expr"].as_str().unwrap()));
        }
    }
    assert!(drawn.len() > 20, "{drawn:?}");
    let unknown: Vec<&String> = drawn.difference(&shown).collect();
    assert!(unknown.is_empty(), "the dashboard draws {unknown:?}");
    daemon.terminate().await;
}

#[tokio::test]
async fn each_path_accepts_only_its_methods() {
    let repository = Repository::with_records(10).start().await;
    let store = temp_store();
    let daemon = harvested(&repository, &store, "").await;
    for path in [
        "/",
        "/metrics",
        "/api/v1/status",
        "/api/v1/changes",
        "/healthz",
    ] {
        let head = daemon.send(Method::HEAD, path, &[]).await;
        assert_eq!(head.status(), 200, "{path}");
        assert!(
            head.headers().contains_key("content-security-policy"),
            "{path}"
        );
        assert!(head.bytes().await.unwrap().is_empty(), "{path}");
    }
    let wrong = daemon.get("/api/v1/sources/a/run").await;
    assert_eq!(wrong.status(), 405);
    assert_eq!(wrong.headers()["allow"], "POST");
    let nothing = daemon.get("/api/v1/nothing").await;
    assert_eq!(nothing.status(), 404);
    assert!(nothing.text().await.unwrap().starts_with("{\"error\""));
    daemon.terminate().await;
}

#[tokio::test]
async fn matches_are_judged_on_a_page_and_the_answers_stay() {
    let store = temp_store();
    let config = write_config(
        &store,
        "token = 'let-me-in-please'\n[dedup]\nenabled = true",
        &[source("demo", "http://127.0.0.1:9/oai", "never", "")],
    );
    let path = config.to_str().unwrap();
    // A pass that stops at its limit is incomplete.
    harvestd(&[
        "harvest",
        "--demo",
        "--limit",
        "1500",
        "-q",
        "--config",
        path,
        "--store",
        &store.argument(),
    ])
    .await
    .failure(3);
    let daemon = Daemon::start(&store, &config).await;
    let page = text(&daemon, "/duplicates").await;
    assert!(page.contains("href=\"/duplicates/review\""), "{page}");
    assert!(!page.contains("The largest works"), "{page}");
    let page = text(&daemon, "/duplicates/review").await;
    assert!(page.contains("Sign in"), "{page}");
    let send = async |form: &str| {
        let form = format!("{form}&token=let-me-in-please");
        let response = post(&daemon, "/duplicates/review", &form, &[]).await;
        let to = response.headers().get("location").cloned();
        let to = to.map(|to| to.to_str().unwrap().to_owned());
        (response.status().as_u16(), to.unwrap_or_default())
    };
    let without = post(&daemon, "/duplicates/review", "action=draw", &[]).await;
    assert_eq!(without.status(), 401);
    assert_eq!(send("action=draw&size=11").await.0, 400);
    assert_eq!(send("action=join").await.0, 400);
    assert_eq!(send("action=join&pair=1").await.0, 404);
    assert_eq!(
        send("action=draw").await,
        (303, "/duplicates/review?done=draw".to_owned())
    );
    let drawn = eventually("a sample", async || {
        let page = text(&daemon, "/duplicates/review").await;
        page.contains("id=\"pair-").then_some(page)
    })
    .await;
    assert!(drawn.contains("nothing is judged yet"), "{drawn}");
    assert!(
        text(&daemon, "/duplicates")
            .await
            .contains("The largest works")
    );
    let first = |page: &str| -> u64 {
        let (_, rest) = page.split_once("id=\"pair-").unwrap();
        rest.split('"').next().unwrap().parse().unwrap()
    };
    let wrong = first(&drawn);
    let (status, to) = send(&format!("action=split&pair={wrong}&rule=")).await;
    assert_eq!(
        (status, to.as_str()),
        (303, "/duplicates/review?done=split")
    );
    let next = text(&daemon, &to).await;
    assert!(next.contains("Stored: they are two works."), "{next}");
    assert_ne!(first(&next), wrong);
    let (status, _) = send(&format!("action=join&pair={}", first(&next))).await;
    assert_eq!(status, 303);

    let shown = text(&daemon, &format!("/duplicates/review?pair={wrong}")).await;
    assert!(shown.contains("Two works"), "{shown}");
    let judged = text(&daemon, "/duplicates/review?judged=true").await;
    assert_eq!(judged.matches("id=\"pair-").count(), 2, "{judged}");
    assert!(judged.contains("95 % sure"), "{judged}");

    // The pair that was parted is in no cluster any more; the other answer is kept.
    assert_eq!(send("action=draw&size=30").await.0, 303);
    let again = eventually("the sample once more", async || {
        let page = text(&daemon, "/duplicates/review?judged=true").await;
        (page.matches("id=\"pair-").count() == 1).then_some(page)
    })
    .await;
    assert!(again.contains("100.00 %"), "{again}");
    let stats = harvestd(&["dedup", "stats", "--json", "--config", path])
        .await
        .success();
    let stats: Value = serde_json::from_str(&stats.stdout).unwrap();
    assert_eq!(stats["decisions"], 2, "{stats}");
    daemon.terminate().await;
}
