//! What a browser could do with the answers of the daemon.

use std::sync::Arc;

use harvestd::oai::Datestamp;
use harvestd::output::Format;
use reqwest::{Method, Response};

use crate::support::daemon::{Daemon, source, write_config};
use crate::support::model::{Behaviour, Item, Model};
use crate::support::{Fault, NOW, Repository, When, harvestd, temp_store};

/// A text that runs if a browser takes it for a part of a page.
const SCRIPT: &str = "<script xmlns=\"http://www.w3.org/1999/xhtml\">alert(1)</script>";

fn item(number: usize, title: &str) -> Item {
    let metadata = format!(
        "<oai_dc:dc xmlns:oai_dc=\"http://www.openarchives.org/OAI/2.0/oai_dc/\" \
         xmlns:dc=\"http://purl.org/dc/elements/1.1/\"><dc:title>{title}</dc:title>\
         <dc:type>article</dc:type><dc:identifier>oai:x:{number}</dc:identifier></oai_dc:dc>"
    );
    Item {
        identifier: format!("oai:x:{number}"),
        datestamp: Datestamp::from_unix(NOW - 1_000),
        set_specs: Vec::new(),
        deleted: false,
        metadata: ["oai_dc", "oai_doaj"]
            .map(|prefix| (prefix.to_owned(), Arc::from(metadata.as_str())))
            .into(),
    }
}

fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    let value = answer.headers().get(name);
    value.map_or("", |value| value.to_str().unwrap())
}

fn is_sandboxed(answer: &Response) -> bool {
    let policy = header(answer, "content-security-policy");
    policy.split(';').any(|part| part.trim() == "sandbox")
}

#[tokio::test]
async fn nothing_of_a_repository_runs_in_a_browser() {
    let mut model = Model::new(Behaviour::plain());
    model.insert(item(0, &format!("T{SCRIPT}")));
    model.insert(item(1, "T"));
    let repository = Repository::of(model)
        .always(
            When::Verb("ListRecords"),
            Fault::replacing("<identifier>oai:x:1<", "<identifier><"),
        )
        .start()
        .await;
    let store = temp_store();
    let sources = [source("a", &repository.base_url(), "never", "").replace("oai_doaj", "oai_dc")];
    let config = write_config(&store, "", &sources);
    harvestd(&["harvest", "--config", config.to_str().unwrap()]).await;
    let daemon = Daemon::start(&store, &config).await;
    let mut paths = vec![
        "/api/v1/quarantine/1/raw".to_owned(),
        "/api/v1/records?identifier=oai:x:0".to_owned(),
        "/api/v1/search?q=oai:x:0".to_owned(),
        "/api/v1/sources/a".to_owned(),
        "/api/v1/none".to_owned(),
        "/metrics".to_owned(),
    ];
    for (_, format) in Format::named() {
        paths.push(format!("/api/v1/changes?format={format}"));
        paths.push(format!(
            "/api/v1/records?identifier=oai:x:0&format={format}"
        ));
    }
    for path in &paths {
        let answer = daemon.get(path).await;
        let is_error = answer.status() == 404;
        assert_eq!(is_error, path == "/api/v1/none", "{path}: {answer:?}");
        assert!(is_sandboxed(&answer), "{path}: {answer:?}");
        assert_eq!(
            header(&answer, "x-content-type-options"),
            "nosniff",
            "{path}"
        );
    }
    let xml = daemon.get("/api/v1/changes?format=xml").await;
    assert!(xml.text().await.unwrap().contains(SCRIPT));
    // Our own pages have a form, which a sandbox would stop. They escape what they show.
    for path in ["/record?identifier=oai:x:0", "/quarantine/1"] {
        let page = daemon.get(path).await;
        assert!(!is_sandboxed(&page), "{path}");
        let policy = header(&page, "content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; "),
            "{path}: {policy}"
        );
        assert_eq!(header(&page, "x-content-type-options"), "nosniff", "{path}");
        let text = page.text().await.unwrap();
        assert!(!text.contains("<script"), "{path}: {text}");
    }
    daemon.terminate().await;
}

#[tokio::test]
async fn a_name_that_was_given_our_address_is_not_answered() {
    let repository = Repository::with_records(1).start().await;
    let store = temp_store();
    let sources = [source("a", &repository.base_url(), "never", "")];
    let keys = "hosts = ['harvest.example.org']";
    let daemon = Daemon::start(&store, &write_config(&store, keys, &sources)).await;
    let status = async |host: &str, path: &str| {
        let answer = daemon.send(Method::GET, path, &[("host", host)]).await;
        answer.status().as_u16()
    };
    for path in ["/", "/api/v1/changes", "/metrics", "/healthz", "/style.css"] {
        for host in ["localhost:1", "127.0.0.1", "[::1]", "Harvest.example.org"] {
            assert_eq!(status(host, path).await, 200, "{host}{path}");
        }
        for host in ["rebound.example", "localhost.rebound.example", "192.0.2.1"] {
            assert_eq!(status(host, path).await, 421, "{host}{path}");
        }
    }
    daemon.terminate().await;
}
