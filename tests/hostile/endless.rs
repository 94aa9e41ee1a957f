//! Lists that never end: a repository that makes up ever new records is held for a person.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use harvestd::store::{Reader, WarningKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::daemon::{Daemon, eventually, source, write_config};
use crate::support::{harvestd, temp_store};

/// Records on a page.
const PAGE: usize = 50;

/// The list ends after this many pages, so that the attack is bounded.
const LAST_PAGE: usize = 400;

/// A repository whose list goes on and on, and the number of pages that it has sent.
async fn endless() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}/oai", listener.local_addr().unwrap());
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 16 << 10];
            let Ok(length) = stream.read(&mut request).await else {
                continue;
            };
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let body = if request.contains("verb=ListRecords") {
                page(count.fetch_add(1, Ordering::Relaxed))
            } else {
                document("<Identify><granularity>YYYY-MM-DDThh:mm:ssZ</granularity></Identify>")
            };
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (url, sent)
}

fn document(content: &str) -> String {
    format!(
        "<OAI-PMH xmlns=\"http://www.openarchives.org/OAI/2.0/\">\
         <responseDate>2026-06-01T12:00:00Z</responseDate><request>http://x.example/oai</request>\
         {content}</OAI-PMH>"
    )
}

fn page(number: usize) -> String {
    let records: String = (number * PAGE..(number + 1) * PAGE)
        .map(|record| {
            format!(
                "<record><header><identifier>oai:x:{record}</identifier>\
                 <datestamp>2026-01-01T00:00:00Z</datestamp></header>\
                 <metadata><x>{record}</x></metadata></record>"
            )
        })
        .collect();
    let token = match number + 1 < LAST_PAGE {
        true => format!("<resumptionToken>page-{}</resumptionToken>", number + 1),
        false => String::new(),
    };
    document(&format!("<ListRecords>{records}{token}</ListRecords>"))
}

#[tokio::test]
async fn an_endless_list_is_held_until_a_person_confirms() {
    let (url, sent) = endless().await;
    let store = temp_store();
    let limits = "max_run_records = 1000";
    let config = write_config(&store, "", &[source("a", &url, "never", limits)]);
    let config = config.to_str().unwrap();
    let live = || {
        let reader = Reader::open(&store.path()).unwrap();
        let source = reader.sources().unwrap().remove(0);
        let warnings = reader.warnings(source.id).unwrap();
        let held = warnings
            .iter()
            .any(|warning| warning.kind == WarningKind::HeldGrowth);
        (source.live_records, held)
    };

    let run = harvestd(&["harvest", "--config", config]).await.failure(3);
    assert!(run.stderr.contains("max_run_records"), "{run:?}");
    assert!(
        run.stderr.contains("harvestd harvest a --confirm"),
        "{run:?}"
    );
    assert_eq!(live(), (1_000, true));
    let asked = sent.load(Ordering::Relaxed);
    assert_eq!(asked, 1_000 / PAGE + 1);

    // It waits, and says so.
    let run = harvestd(&["harvest", "--config", config]).await.failure(3);
    assert!(
        run.stderr.contains("harvestd harvest a --confirm"),
        "{run:?}"
    );
    assert_eq!(sent.load(Ordering::Relaxed), asked, "nothing is requested");

    // What is known by then counts: ten times as much as the first time.
    let run = harvestd(&["harvest", "a", "--confirm", "--config", config])
        .await
        .failure(3);
    assert!(run.stderr.contains("more than 10000 records"), "{run:?}");
    assert_eq!(live(), (11_000, true));
}

#[tokio::test]
async fn bytes_are_bounded_too_and_the_daemon_holds_and_releases() {
    let (url, sent) = endless().await;
    let store = temp_store();
    let limits = "max_run_bytes = '100 KiB'";
    let sources = [source("a", &url, "*/1 * * * * *", limits)];
    let config = write_config(&store, "token = 'let-me-in-please'", &sources);
    let daemon = Daemon::start(&store, &config).await;
    let held = eventually("it waits for a person", async || {
        let status = daemon.json("/api/v1/status").await;
        let conditions = status["conditions"].as_array()?.clone();
        conditions
            .into_iter()
            .find(|condition| condition["kind"] == "held_growth")
    })
    .await;
    assert!(
        held["message"].as_str().unwrap().contains("max_run_bytes"),
        "{held}"
    );
    let asked = sent.load(Ordering::Relaxed);
    assert!((5..50).contains(&asked), "{asked}");
    let right = [("authorization", "Bearer let-me-in-please")];
    assert_eq!(daemon.command("a/confirm", &right).await, 202);
    eventually("it goes on", async || {
        (sent.load(Ordering::Relaxed) > asked).then_some(())
    })
    .await;
    daemon.terminate().await;
}
