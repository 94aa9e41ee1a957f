//! The provider as the daemon serves it: methods, headers, compression, its own address, and who harvests it.

use std::io::Read;

use flate2::read::GzDecoder;
use harvestd::oai::Datestamp;
use harvestd::record::xml;
use reqwest::{Client, Method, StatusCode, header};

use super::support::daemon::{Daemon, eventually, source, write_config};
use super::support::{NOW, Repository, harvestd, temp_store};

const OAI: &str = "[daemon.oai]\nenabled = true\nadmin_email = ['a@b.org']\npage_size = 100\n";

/// The address that the daemon has told in its log.
fn own_address(store: &super::support::TempStore) -> String {
    let log = std::fs::read_to_string(store.dir().join("log")).unwrap();
    let (_, rest) = log
        .split_once("OAI-PMH at ")
        .expect("it is told before the daemon is ready");
    rest.split_whitespace().next().unwrap().to_owned()
}

#[tokio::test]
async fn the_daemon_answers_get_and_post() {
    let repository = Repository::with_records(250).start().await;
    let store = temp_store();
    let sources = [
        source("a", &repository.base_url(), "0 3 * * *", ""),
        OAI.to_owned(),
    ];
    let config = write_config(&store, "", &sources);
    let daemon = Daemon::start(&store, &config).await;
    daemon.complete("a").await;

    let identify = daemon.get("/oai?verb=Identify").await;
    assert_eq!(identify.status(), StatusCode::OK);
    let headers = identify.headers();
    assert_eq!(headers[header::CONTENT_TYPE], "text/xml; charset=utf-8");
    assert_eq!(headers[header::CACHE_CONTROL], "no-store");
    assert_eq!(headers[header::VARY], "accept-encoding");
    let text = identify.text().await.unwrap();
    let base_url = format!("<baseURL>{}</baseURL>", daemon.address("/oai"));
    assert!(text.contains(&base_url), "{text}");

    let client = Client::builder().no_proxy().build().unwrap();
    let post = |kind: &'static str, body: &'static str| {
        let request = client.post(daemon.address("/oai")).body(body);
        request.header(header::CONTENT_TYPE, kind).send()
    };
    let form = "application/x-www-form-urlencoded; charset=utf-8";
    let list = "verb=ListIdentifiers&metadataPrefix=oai_dc";
    let posted = post(form, list).await.unwrap().text().await.unwrap();
    assert_eq!(posted.matches("<header>").count(), 100);
    assert!(
        posted.contains("completeListSize=\"250\" cursor=\"0\""),
        "{posted}"
    );
    let not_utf8 = client
        .post(daemon.address("/oai"))
        .header(header::CONTENT_TYPE, form)
        .body(b"verb=ListSets&resumptionToken=\xff".to_vec());
    let not_utf8 = not_utf8.send().await.unwrap().text().await.unwrap();
    assert!(not_utf8.contains("code=\"badArgument\""), "{not_utf8}");
    for (kind, expected) in [
        ("application/json", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("text/plain", StatusCode::UNSUPPORTED_MEDIA_TYPE),
    ] {
        assert_eq!(post(kind, list).await.unwrap().status(), expected, "{kind}");
    }
    for method in [Method::PUT, Method::DELETE] {
        let response = daemon.send(method.clone(), "/oai", &[]).await;
        assert_eq!(
            response.status(),
            StatusCode::METHOD_NOT_ALLOWED,
            "{method}"
        );
    }
    let head = daemon.send(Method::HEAD, "/oai?verb=Identify", &[]).await;
    assert_eq!(head.status(), StatusCode::OK);

    let path = "/oai?verb=ListRecords&metadataPrefix=oai_doaj";
    let plain = daemon.get(path).await.bytes().await.unwrap();
    let gzip = [("accept-encoding", "gzip")];
    let packed = daemon.send(Method::GET, path, &gzip).await;
    assert_eq!(packed.headers()[header::CONTENT_ENCODING], "gzip");
    let packed = packed.bytes().await.unwrap();
    assert!(
        packed.len() * 2 < plain.len(),
        "{} of {}",
        packed.len(),
        plain.len()
    );
    let mut unpacked = String::new();
    GzDecoder::new(&packed[..])
        .read_to_string(&mut unpacked)
        .unwrap();
    assert_eq!(unpacked.matches("<record>").count(), 100);
    xml::check(&unpacked).unwrap();

    let status = daemon.json("/api/v1/status").await;
    let client = &status["provider"]["clients"][0];
    assert_eq!(client["address"], "127.0.0.1");
    assert_eq!(client["last_page"]["total"], 250);
    assert_eq!(client["items"], 300);
    assert_eq!(client["last_page"]["items"], 100);
    let token = client["last_page"]["token"].as_str().unwrap().to_owned();
    let bytes = status["provider"]["bytes"].as_u64().unwrap();
    assert!(bytes > 2 * plain.len() as u64, "{bytes}");
    let page = daemon.get("/outputs").await.text().await.unwrap();
    assert!(page.contains("OAI-PMH provider"), "{page}");
    let metrics = daemon.get("/metrics").await.text().await.unwrap();
    for line in [
        "harvestd_oai_requests_total{verb=\"Identify\",result=\"ok\"} 2",
        "harvestd_oai_requests_total{verb=\"none\",result=\"badArgument\"} 1",
        "harvestd_oai_items_total{verb=\"ListRecords\"} 200",
        "harvestd_oai_client_items_total{client=\"127.0.0.1\"} 300",
        "harvestd_oai_client_errors_total{client=\"127.0.0.1\"} 1",
        "harvestd_oai_client_list_items{client=\"127.0.0.1\",verb=\"ListRecords\"} 100",
    ] {
        assert!(
            metrics.lines().any(|known| known == line),
            "{line} in {metrics}"
        );
    }
    // The names of the sets have come at the end of the run.
    let sets = eventually("the names of the sets", async || {
        let text = daemon.get("/oai?verb=ListSets").await.text().await.unwrap();
        text.contains("<setName>LCC:").then_some(text)
    })
    .await;
    assert!(sets.contains("<setSpec>a:TENDO"), "{sets}");
    daemon.terminate().await;

    // The clients are known after the daemon has ended, and to the next one.
    let file = config.display().to_string();
    let status = harvestd(&["status", "--config", &file])
        .await
        .success()
        .stdout;
    assert!(status.contains("127.0.0.1"), "{status}");
    let status = harvestd(&["status", "--json", "--config", &file]).await;
    let status: serde_json::Value = serde_json::from_str(&status.success().stdout).unwrap();
    let client = &status["provider"]["clients"][0];
    assert_eq!(client["client"], "127.0.0.1");
    assert_eq!(
        (&client["items"], &client["errors"]),
        (&300.into(), &1.into())
    );
    assert_eq!(status["provider"]["enabled"], true);
    let daemon = Daemon::start(&store, &config).await;
    let next = format!("/oai?verb=ListRecords&resumptionToken={token}");
    assert_eq!(daemon.get(&next).await.status(), StatusCode::OK);
    let status = daemon.json("/api/v1/status").await;
    let client = &status["provider"]["clients"][0];
    assert_eq!(
        client["items"], 400,
        "the token has survived, and the count too"
    );
    daemon.terminate().await;
}

#[tokio::test]
async fn an_address_of_its_own_has_nothing_else() {
    let repository = Repository::with_records(10).start().await;
    let store = temp_store();
    let sources = [
        source("a", &repository.base_url(), "0 3 * * *", ""),
        format!("{OAI}listen = '127.0.0.1:0'\npath = '/public/oai'\n"),
    ];
    let config = write_config(&store, "", &sources);
    let daemon = Daemon::start(&store, &config).await;
    daemon.complete("a").await;
    let address = own_address(&store);
    let client = Client::builder().no_proxy().build().unwrap();
    let get = |url: String| {
        client
            .get(url)
            .header(header::HOST, "harvest.example.org")
            .send()
    };
    let identify = get(format!("{address}?verb=Identify")).await.unwrap();
    let text = identify.text().await.unwrap();
    assert!(
        text.contains("<baseURL>http://harvest.example.org/public/oai<"),
        "{text}"
    );
    let root = address.strip_suffix("/public/oai").unwrap();
    for path in [
        "/",
        "/metrics",
        "/api/v1/status",
        "/source/a",
        "/healthz",
        "/oai",
        "/public/oai/",
    ] {
        let response = get(format!("{root}{path}")).await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        let text = response.text().await.unwrap();
        assert!(!text.contains("harvestd"), "{path}: {text}");
    }
    let private = daemon.get("/public/oai?verb=Identify").await;
    assert_eq!(private.status(), StatusCode::NOT_FOUND);
    daemon.terminate().await;
}

#[tokio::test]
async fn a_store_that_cannot_be_read_is_an_answer_of_http() {
    let repository = Repository::with_records(10).start().await;
    let store = temp_store();
    let sources = [
        source("a", &repository.base_url(), "0 3 * * *", ""),
        OAI.to_owned(),
    ];
    let config = write_config(&store, "", &sources);
    let daemon = Daemon::start(&store, &config).await;
    daemon.complete("a").await;
    let (path, away) = (store.argument(), store.dir().join("away"));
    std::fs::rename(&path, &away).unwrap();
    let response = daemon.get("/oai?verb=Identify").await;
    std::fs::rename(&away, &path).unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()[header::RETRY_AFTER], "10");
    let text = response.text().await.unwrap();
    assert!(!text.contains(&path) && !text.contains('<'), "{text}");
    let response = daemon.get("/oai?verb=Identify").await;
    assert_eq!(response.status(), StatusCode::OK);
    let status = daemon.json("/api/v1/status").await;
    assert_eq!(status["provider"]["clients"][0]["errors"], 1);
    daemon.terminate().await;
}

/// The export of a store, without what each store gives of its own.
async fn exported(store: &super::support::TempStore) -> Vec<(String, bool, String)> {
    let store = store.argument();
    let arguments = ["export", "--store", &store, "--format", "jsonl"];
    let output = harvestd(&arguments).await.success();
    let mut records: Vec<(String, bool, String)> = output
        .stdout
        .lines()
        .map(|line| {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            (
                record["identifier"].as_str().unwrap().to_owned(),
                record["deleted"].as_bool().unwrap(),
                record["resource"].to_string(),
            )
        })
        .collect();
    records.sort();
    records
}

#[tokio::test]
async fn a_harvestd_that_harvests_another_one_has_the_same_records() {
    let repository = Repository::with_records(350).start().await;
    let first = temp_store();
    let sources = [
        source("a", &repository.base_url(), "*/1 * * * * *", ""),
        OAI.to_owned(),
    ];
    let config = write_config(&first, "", &sources);
    let daemon = Daemon::start(&first, &config).await;
    daemon.complete("a").await;
    let second = temp_store();
    let (url, path) = (daemon.address("/oai"), second.argument());
    let arguments = ["harvest", &url, "--store", &path, "--prefix", "oai_doaj"];
    harvestd(&arguments).await.success();
    let records = exported(&first).await;
    assert_eq!(records, exported(&second).await);
    assert_eq!(records.len(), 350);
    let item = repository.visible().remove(0);
    repository.with_model(|model| model.delete(&item.identifier, Datestamp::from_unix(NOW - 10)));
    eventually("the deletion arrives", async || {
        (daemon.source("a").await["deleted_records"] == 1).then_some(())
    })
    .await;
    harvestd(&arguments).await.success();
    let records = exported(&first).await;
    assert_eq!(records.iter().filter(|(_, deleted, _)| *deleted).count(), 1);
    assert_eq!(records, exported(&second).await);
    daemon.terminate().await;
}
