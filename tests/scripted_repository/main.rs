//! The scripted repository and the demo server themselves, with a plain HTTP client.

mod model;
#[path = "../support/mod.rs"]
mod support;

use std::io::Read;
use std::time::{Duration, Instant};

use harvestd::demo;
use harvestd::oai::Datestamp;
use reqwest::{Client, StatusCode};

use support::fault::Framing;
use support::{Fault, Repository, When, fixture};

const FIRST: &str = "?verb=ListRecords&metadataPrefix=oai_doaj";

fn client() -> Client {
    // Another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().build().unwrap()
}

async fn get(url: &str) -> reqwest::Result<(StatusCode, String)> {
    let response = client().get(url).send().await?;
    Ok((response.status(), response.text().await?))
}

async fn page(repository: &Repository, query: &str) -> String {
    let (status, text) = get(&format!("{}{query}", repository.base_url()))
        .await
        .unwrap();
    assert_eq!(status, 200, "{text}");
    text
}

/// The query for the next page of a list; `None` at its end.
fn next(page: &str) -> Option<String> {
    let (_, tail) = page.rsplit_once("<resumptionToken")?;
    let (token, _) = tail.split_once('>')?.1.split_once("</resumptionToken>")?;
    let encoded: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
    (!token.is_empty()).then(|| format!("?verb=ListRecords&resumptionToken={encoded}"))
}

fn identifiers(page: &str) -> Vec<String> {
    let parts = page.split("<identifier>").skip(1);
    parts
        .map(|part| part.split('<').next().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn an_undisturbed_list_shows_everything() {
    let repository = Repository::with_records(250).start().await;
    let mut query = Some(FIRST.to_owned());
    let mut seen = Vec::new();
    while let Some(asked) = query {
        let page = page(&repository, &asked).await;
        seen.extend(identifiers(&page));
        query = next(&page);
    }
    seen.sort_unstable();
    let visible = repository.visible();
    let expected: Vec<String> = visible.into_iter().map(|item| item.identifier).collect();
    assert_eq!(seen, expected);
    assert_eq!(repository.count("ListRecords"), 3);
}

#[tokio::test]
async fn it_fails_after_a_page_until_it_is_healed() {
    let repository = Repository::with_records(250)
        .failing_after_page(1)
        .start()
        .await;
    let second = next(&page(&repository, FIRST).await).unwrap();
    let url = format!("{}{second}", repository.base_url());
    for _ in 0..2 {
        assert_eq!(get(&url).await.unwrap().0, 503);
    }
    assert_eq!(identifiers(&page(&repository, FIRST).await).len(), 100);
    repository.heal();
    let third = next(&page(&repository, &second).await).unwrap();
    assert_eq!(identifiers(&page(&repository, &third).await).len(), 50);
}

#[tokio::test]
async fn bodies_are_cut_with_every_framing() {
    for (framing, noticed) in [
        (Framing::Length, true),
        (Framing::Chunked, true),
        (Framing::Close, false),
    ] {
        let fault = Fault::Cut {
            after: 1_000,
            framing,
        };
        let repository = Repository::with_records(10)
            .once(When::Page(1), fault)
            .start()
            .await;
        let url = format!("{}{FIRST}", repository.base_url());
        match get(&url).await {
            Ok((_, text)) => {
                assert!(!noticed, "{framing:?} was not noticed");
                assert_eq!(text.len(), 1_000);
            }
            Err(error) => assert!(noticed, "{framing:?}: {error}"),
        }
        assert!(
            get(&url).await.unwrap().1.ends_with("</OAI-PMH>"),
            "{framing:?}"
        );
    }
}

#[tokio::test]
async fn connections_are_reset() {
    for after in [None, Some(500)] {
        let repository = Repository::with_records(10)
            .once(When::Request(2), Fault::Reset { after })
            .start()
            .await;
        let url = format!("{}{FIRST}", repository.base_url());
        get(&url).await.unwrap();
        get(&url).await.unwrap_err();
        get(&url).await.unwrap();
        assert_eq!(repository.requests().len(), 3);
    }
}

#[tokio::test]
async fn a_hanging_server_sends_nothing() {
    for after in [None, Some(100)] {
        let repository = Repository::with_records(10)
            .always(When::Always, Fault::Hang { after })
            .start()
            .await;
        let url = format!("{}{FIRST}", repository.base_url());
        let mut asking = tokio::spawn(async move { get(&url).await });
        while repository.requests().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let waited = tokio::time::timeout(Duration::from_millis(100), &mut asking);
        waited.await.unwrap_err();
        asking.abort();
    }
}

#[tokio::test]
async fn slow_answers_are_slow_and_whole() {
    let pause = Duration::from_millis(20);
    for fault in [
        Fault::Delay(Duration::from_millis(100)),
        Fault::Drip { bytes: 200, pause },
    ] {
        let repository = Repository::with_records(1).once(When::Verb("Identify"), fault);
        let repository = repository.start().await;
        let asked = Instant::now();
        let text = page(&repository, "?verb=Identify").await;
        assert!(asked.elapsed() >= Duration::from_millis(60));
        assert!(text.ends_with("</OAI-PMH>"));
    }
}

#[tokio::test]
async fn http_errors_are_as_scripted() {
    let date = "Mon, 01 Jun 2026 12:01:00 GMT";
    let repository = Repository::with_records(1)
        .once(When::Request(1), Fault::unavailable(Some("7")))
        .once(When::Request(2), Fault::unavailable(Some(date)))
        .once(When::Request(3), Fault::too_many_requests())
        .once(When::Request(4), Fault::html(403))
        .once(
            When::Request(5),
            Fault::redirect(301, "/elsewhere?verb=Identify"),
        )
        .start()
        .await;
    let client = client();
    let mut answers = Vec::new();
    for _ in 0..4 {
        let url = format!("{}{FIRST}", repository.base_url());
        let response = client.get(url).send().await.unwrap();
        let retry_after = response.headers().get("retry-after");
        let retry_after = retry_after.map(|value| value.to_str().unwrap().to_owned());
        answers.push((response.status().as_u16(), retry_after));
    }
    let expected = [
        (503, Some("7".to_owned())),
        (503, Some(date.to_owned())),
        (429, None),
        (403, None),
    ];
    assert_eq!(answers, expected);
    assert!(page(&repository, FIRST).await.contains("<Identify>"));
    assert_eq!(repository.requests().len(), 6, "the redirect was followed");
}

#[tokio::test]
async fn documents_are_changed_as_scripted() {
    let repository = Repository::with_records(1)
        .once(When::Request(1), Fault::bad_resumption_token())
        .once(
            When::Request(2),
            Fault::replacing("<ListRecords>", "<ListRecords><!-- & -->"),
        )
        .once(When::Request(3), Fault::unadvertised_gzip())
        .once(When::Request(4), Fault::Raw(b"SSH-2.0-teapot\r\n".to_vec()))
        .start()
        .await;
    assert!(
        page(&repository, FIRST)
            .await
            .contains("code=\"badResumptionToken\"")
    );
    assert!(
        page(&repository, FIRST)
            .await
            .contains("<ListRecords><!-- & -->")
    );
    let url = format!("{}{FIRST}", repository.base_url());
    let packed = client()
        .get(&url)
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed[..])
        .read_to_string(&mut text)
        .unwrap();
    assert!(text.contains("<ListRecords>"));
    get(&url).await.unwrap_err();
}

#[tokio::test]
async fn requests_are_logged_as_received() {
    let repository = Repository::with_records(1).start().await;
    let form = "verb=ListRecords&set=a%20%26+b";
    client()
        .post(format!("{}?api_key=k", repository.base_url()))
        .header("user-agent", "tester (mailto:t@example.org)")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form)
        .send()
        .await
        .unwrap();
    let request = &repository.requests()[0];
    assert_eq!(request.method, "POST");
    assert_eq!(request.argument("api_key"), Some("k"));
    assert_eq!(request.argument("set"), Some("a & b"));
    assert_eq!(
        request.user_agent.as_deref(),
        Some("tester (mailto:t@example.org)")
    );
}

#[tokio::test]
async fn a_file_is_served_as_a_complete_list() {
    for (file, records) in [("doaj-2017-page.xml", 100), ("doaj-seed-record.xml", 1)] {
        let repository = Repository::serving_file(fixture(file)).start().await;
        let page = page(&repository, FIRST).await;
        assert_eq!(identifiers(&page).len(), records, "{file}");
        assert_eq!(next(&page), None, "{file}");
    }
}

/// The demo lays pages out as DOAJ does: around the metadata of the fixture's article it writes the same
/// text.
#[tokio::test]
async fn the_envelope_is_that_of_doaj() {
    let fixture = std::fs::read_to_string(fixture("doaj-seed-record.xml")).unwrap();
    let (_, metadata) = fixture.split_once("<metadata>").unwrap();
    let (metadata, _) = metadata.split_once("</metadata>").unwrap();
    let at = |text: &str| Datestamp::parse(text).unwrap().0;
    let mut model = demo::Model::new(demo::Settings::doaj());
    model.base_url = "https://doaj.org/oai.article".to_owned();
    model.insert(demo::Item {
        identifier: "oai:doaj.org/article:e07fa12e4b644c169bed226c7e34f6b1".to_owned(),
        datestamp: at("2025-08-20T03:49:59Z"),
        set_specs: vec!["TENDOk1lZGljaW5l".to_owned(), "TENDOlNjaWVuY2U~".to_owned()],
        deleted: false,
        metadata: vec![("oai_doaj".to_owned(), metadata.into())],
    });
    let arguments = [
        ("verb", "ListRecords"),
        ("metadataPrefix", "oai_doaj"),
        ("from", "2025-08-20T03:49:59Z"),
        ("until", "2025-08-20T03:49:59Z"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let reply = model.answer(&arguments, at("2025-11-20T14:40:00Z"));
    assert_eq!(String::from_utf8(reply.body).unwrap(), fixture);
}

#[tokio::test]
async fn the_demo_is_served_on_loopback_until_it_is_shut_down() {
    let server = demo::start().await.unwrap();
    assert!(server.base_url().starts_with("http://127.0.0.1:"));
    let url = |query: &str| format!("{}{query}", server.base_url());
    let identify = client().get(url("?verb=Identify")).send().await.unwrap();
    assert_eq!(
        identify.headers()["content-type"],
        "text/xml; charset=utf-8"
    );
    let identify = identify.text().await.unwrap();
    assert!(
        identify.contains("<deletedRecord>transient</deletedRecord>"),
        "{identify}"
    );
    assert!(
        identify.contains(&format!("<baseURL>{}<", server.base_url())),
        "{identify}"
    );
    let (status, first) = get(&url(FIRST)).await.unwrap();
    assert_eq!((status.as_u16(), identifiers(&first).len()), (200, 300));
    assert!(first.contains(" until=\""), "the clamp is echoed");
    let first = get(&url(&format!("{FIRST}&api_key={}", demo::DEMO_KEY))).await;
    let (_, first) = first.unwrap();
    assert!(first.contains("completeListSize=\"3000\""), "{first}");
    let base_url = server.base_url();
    server.shutdown().await;
    get(&base_url).await.unwrap_err();
}

/// The tests' own helpers: they start the program, wait for it, and keep its output.
#[tokio::test]
async fn the_program_runs_and_its_output_is_kept() {
    let output = support::harvestd(&["--version"]).await.success();
    assert_eq!(output.stderr, "", "{output:?}");
    let store = support::temp_store();
    assert!(!store.path().exists() && store.dir().exists());
}
