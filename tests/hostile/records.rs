//! Records of many megabytes: what shows or sends them holds up nothing else and takes little memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::model::{Behaviour, Item, Model};
use harvestd::oai::Datestamp;
use harvestd::output::Format;

use crate::process::{Memory, memory_mib};
use crate::support::daemon::{Daemon, source, write_config};
use crate::support::{NOW, Repository, TempStore, harvestd, temp_store};

/// A daemon with one record, whose title has this size.
async fn start(store: &TempStore, title_bytes: usize) -> Daemon {
    let mut model = Model::new(Behaviour::plain());
    let metadata = format!(
        "<oai_dc:dc xmlns:oai_dc=\"http://www.openarchives.org/OAI/2.0/oai_dc/\" \
         xmlns:dc=\"http://purl.org/dc/elements/1.1/\"><dc:title>{}</dc:title>\
         <dc:type>article</dc:type></oai_dc:dc>",
        "lorem ipsum ".repeat(title_bytes / 12)
    );
    model.insert(Item {
        identifier: "oai:x:0".to_owned(),
        datestamp: Datestamp::from_unix(NOW - 1_000),
        set_specs: Vec::new(),
        deleted: false,
        metadata: ["oai_dc", "oai_doaj"]
            .map(|prefix| (prefix.to_owned(), Arc::from(metadata.as_str())))
            .into(),
    });
    let repository = Repository::of(model).start().await;
    let sources = [source("a", &repository.base_url(), "never", "").replace("oai_doaj", "oai_dc")];
    let config = write_config(store, "search = false", &sources);
    harvestd(&["harvest", "--config", config.to_str().unwrap()])
        .await
        .success();
    Daemon::start(store, &config).await
}

async fn get(url: String) -> (u16, String) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(url).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn the_page_of_a_large_record_holds_up_nothing() {
    let store = temp_store();
    let daemon = start(&store, 2_000_000).await;
    // One for each core and more.
    let pages: Vec<_> = (0..4)
        .map(|_| tokio::spawn(get(daemon.address("/record?identifier=oai:x:0"))))
        .collect();
    let mut longest = Duration::ZERO;
    let mut looks = 0;
    while pages.iter().any(|page| !page.is_finished()) {
        let begun = Instant::now();
        let (status, _) = get(daemon.address("/healthz")).await;
        assert_eq!(status, 200);
        longest = longest.max(begun.elapsed());
        looks += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for page in pages {
        let (status, text) = page.await.unwrap();
        assert_eq!(status, 200);
        // 64 KiB of each format, which escaping makes longer.
        let most = (Format::named().count() + 3) * (64 << 10) * 6;
        assert!(text.len() < most, "{} bytes", text.len());
        assert!(text.contains("The first 65"), "it says that there is more");
    }
    assert!(longest < Duration::from_secs(2), "{longest:?} of {looks}");
    daemon.terminate().await;
}

#[tokio::test]
async fn large_records_take_memory_one_at_a_time() {
    let store = temp_store();
    let daemon = start(&store, 20_000_000).await;
    let before = memory_mib(&daemon, Memory::Most);
    let path = "/api/v1/records?identifier=oai:x:0&format=marcxml";
    let answers: Vec<_> = (0..8)
        .map(|_| tokio::spawn(get(daemon.address(path))))
        .collect();
    for answer in answers {
        let (status, text) = answer.await.unwrap();
        assert_eq!(status, 200);
        assert!(text.len() > 20_000_000, "{}", text.len());
        assert!(text.ends_with("</collection>\n"));
    }
    let (status, page) = get(daemon.address("/record?identifier=oai:x:0")).await;
    assert_eq!(status, 200);
    assert!(page.len() < 500_000, "{}", page.len());
    let (status, text) = get(daemon.address("/api/v1/records?identifier=oai:x:0")).await;
    assert_eq!(status, 200);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["records"][0]["identifier"], "oai:x:0");
    let grown = memory_mib(&daemon, Memory::Most).saturating_sub(before);
    // One needs its metadata, the article and the document. Without limits it is 900.
    assert!(grown < 300, "{grown} MiB more");
    daemon.terminate().await;
}
