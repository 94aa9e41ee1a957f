//! The numbers of records are the same wherever the program says them.

mod support;

use serde_json::Value;
use support::daemon::{Daemon, source, write_config};
use support::{harvestd, temp_store};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The value of a metric with these labels.
fn metric(metrics: &str, series: &str) -> u64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(series));
    let value = line.unwrap_or_else(|| panic!("no {series} in {metrics}"));
    value.trim().parse().unwrap()
}

#[tokio::test]
async fn harvest_status_page_api_and_metrics_agree() {
    let store = temp_store();
    let sources = [source("demo", "http://127.0.0.1:9/oai", "never", "")];
    let config = write_config(&store, "", &sources);
    let path = config.to_str().unwrap();
    let file = store.argument();
    let harvest = [
        "harvest", "--demo", "--json", "-q", "--config", path, "--store", &file,
    ];
    let harvest = json(&harvestd(&harvest).await.success().stdout);
    let counts = &harvest["sources"][0]["counts"];
    let new = counts["new"].as_u64().unwrap();
    assert!(new > 1_000, "{harvest}");

    let status = json(
        &harvestd(&["status", "--json", "--config", path])
            .await
            .success()
            .stdout,
    );
    let of_status = &status["sources"][0];
    let live = of_status["live_records"].as_u64().unwrap();
    let deleted = of_status["deleted_records"].as_u64().unwrap();
    assert_eq!(live + deleted, new, "{of_status}");
    assert!(deleted > 0, "{of_status}");
    assert_eq!(of_status["quarantined"], counts["quarantined"]);
    assert_eq!(of_status["passes"][0]["counts"], *counts);
    let listed = json(
        &harvestd(&["sources", "--json", "--config", path])
            .await
            .success()
            .stdout,
    );
    assert_eq!(listed["sources"][0]["live_records"], live, "{listed}");
    let exported = harvestd(&["export", "--config", path]).await.success();
    let lines = exported.stdout.lines();
    let exported = lines
        .filter(|line| line.contains("\"deleted\":false"))
        .count();
    assert_eq!(exported as u64, live);
    let text = harvestd(&["status", "--config", path])
        .await
        .success()
        .stdout;
    let mut table = text.lines().filter(|line| line.starts_with("demo "));
    let row: Vec<&str> = table.next_back().unwrap().split_whitespace().collect();
    assert!(row.contains(&live.to_string().as_str()), "{text}");

    let daemon = Daemon::start(&store, &config).await;
    let of_api = daemon.source("demo").await;
    assert_eq!(of_api["live_records"], live, "{of_api}");
    assert_eq!(of_api["deleted_records"], deleted, "{of_api}");
    assert_eq!(of_api["quarantined"], counts["quarantined"]);
    let all = daemon.json("/api/v1/status").await;
    assert_eq!(all["sources"][0]["live_records"], live, "{all}");
    let metrics = daemon.get("/metrics").await.text().await.unwrap();
    for (series, expected) in [
        (
            "harvestd_source_records{source=\"demo\",kind=\"live\"}",
            live,
        ),
        (
            "harvestd_source_records{source=\"demo\",kind=\"deleted\"}",
            deleted,
        ),
        ("harvestd_store_records{kind=\"live\"}", live),
        ("harvestd_store_records{kind=\"deleted\"}", deleted),
    ] {
        assert_eq!(metric(&metrics, series), expected, "{series}");
    }
    // A narrow space that does not break is between thousands.
    let shown = |number: u64| match number {
        1_000.. => format!("{}\u{202f}{:03}", number / 1_000, number % 1_000),
        _ => number.to_string(),
    };
    for page in ["/", "/source/demo"] {
        let page = daemon.get(page).await.text().await.unwrap();
        assert!(page.contains(&shown(live)), "{live}: {page}");
    }
    daemon.terminate().await;
}
