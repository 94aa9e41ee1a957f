//! The reports of `identify` about repositories, with and without findings.

mod support;

use std::time::Duration;

use serde_json::{Value, json};

use support::model::{Behaviour, CompleteListSize, DeletedRecord, Tokens};
use support::{Fault, Program, Repository, When, fixture, temp_store};

/// Runs `identify` on a configured source without a pause between requests.
async fn identify(repository: &Repository, arguments: &[&str]) -> support::Output {
    let folder = temp_store();
    let config = folder.dir().join("c.toml");
    let text = format!(
        "[[source]]\nname = \"a\"\nurl = \"{}\"\nmetadata_prefix = \"oai_doaj\"\ndelay = \"0s\"\n\
         retry_pause = \"10ms\"\n",
        repository.base_url()
    );
    std::fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap();
    let store = folder.argument();
    let arguments = [
        &["identify", "a", "--config", config, "--store", &store],
        arguments,
    ]
    .concat();
    let output = Program::new(&arguments).run().await;
    assert!(!folder.path().exists(), "nothing is to be stored");
    output
}

fn findings(output: &support::Output) -> Vec<String> {
    let value: Value = serde_json::from_str(&output.stdout).unwrap();
    let sentences = value["findings"].as_array().unwrap();
    sentences
        .iter()
        .map(|sentence| sentence.as_str().unwrap().to_owned())
        // The clock of a scripted repository stands still.
        .filter(|sentence| !sentence.starts_with("its clock is "))
        .collect()
}

#[tokio::test]
async fn the_report_for_people_has_everything() {
    let repository = Repository::with_records(250).start().await;
    let output = identify(&repository, &[]).await.success();
    let text = &output.stdout;
    for part in [
        "  name          Directory of Open Access Journals (imitation)\n",
        "  protocol      2.0\n",
        "  deletions     persistent\n",
        "  granularity   second\n",
        "  oai_doaj  https://doaj.org/features/oai_doaj/1.0/\n",
        "\nfirst page of oai_doaj\n  records       100 of 250\n",
        "  token         32 characters, JSON in base64: the token holds the request\n",
        "  type          article\n",
        "\n  - oai_doaj is announced with the namespace https://doaj.org/features/oai_doaj/1.0/ but \
         served with http://doaj.org/features/oai_doaj/1.0/\n",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    assert!(text.contains("\nsets: "), "{text}");
    let verbs: Vec<String> = repository
        .requests()
        .iter()
        .map(|request| request.argument("verb").unwrap().to_owned())
        .collect();
    assert_eq!(
        verbs,
        ["Identify", "ListMetadataFormats", "ListSets", "ListRecords"]
    );
}

#[tokio::test]
async fn the_report_for_programs_has_the_same() {
    let repository = Repository::with_records(3).start().await;
    let output = identify(&repository, &["--json", "--prefix", "oai_dc"])
        .await
        .success();
    let value: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(value["url"], json!(repository.base_url()));
    assert_eq!(value["identify"]["protocol_version"], "2.0");
    assert_eq!(value["formats"][1]["metadata_prefix"], "oai_doaj");
    assert_eq!(value["sample"]["metadata_prefix"], "oai_dc");
    assert_eq!(value["sample"]["records"], 3);
    assert_eq!(value["sample"]["first"]["kind"], "article");
    assert!(value["sample"]["first"]["title"].is_string());
    assert_eq!(value["failed"], json!({}));
    assert_eq!(findings(&output), [""; 0]);
}

#[tokio::test]
async fn the_quirks_of_doaj_are_found() {
    let repository = Repository::with_records(700).like_doaj().start().await;
    let output = identify(&repository, &["--json"]).await.success();
    let findings = findings(&output);
    let expected = [
        "it may forget deletions",
        "lists end at 2026-05-02T12:00:00Z, 30 days before its clock",
        "cursor counts to the end of a page",
        "oai_doaj is announced with the namespace https://",
    ];
    assert_eq!(findings.len(), expected.len(), "{findings:#?}");
    for (finding, expected) in findings.iter().zip(expected) {
        assert!(finding.starts_with(expected), "{finding}");
    }
    let text = identify(&repository, &[]).await.success().stdout;
    assert!(text.contains("JSON in base64"), "{text}");
}

#[tokio::test]
async fn a_request_that_fails_does_not_stop_the_others() {
    let page = || Fault::html(500);
    for (verb, name) in [
        ("Identify", "identify"),
        ("ListMetadataFormats", "formats"),
        ("ListSets", "sets"),
        ("ListRecords", "sample"),
    ] {
        let repository = Repository::with_records(3)
            .always(When::Verb(verb), page())
            .start()
            .await;
        let output = identify(&repository, &["--json"]).await.success();
        let value: Value = serde_json::from_str(&output.stdout).unwrap();
        let failed = value["failed"].as_object().unwrap();
        assert_eq!(failed.keys().collect::<Vec<_>>(), [name], "{verb}");
        assert!(
            failed[name].as_str().unwrap().contains("HTTP 500"),
            "{failed:?}"
        );
        assert_eq!(value[name], Value::Null, "{verb}");
        // A request that the server fails is sent a second time, and not a third time.
        assert_eq!(repository.count(verb), 2, "{verb}");
    }
    let repository = Repository::with_records(3)
        .always(When::Verb("Identify"), page())
        .start()
        .await;
    let output = identify(&repository, &["--json"]).await.success();
    assert!(
        findings(&output)[0].starts_with("Identify fails although lists work"),
        "{:?}",
        findings(&output)
    );
}

#[tokio::test]
async fn unusual_behaviour_is_reported() {
    type Change = fn(&mut Behaviour);
    let cases: [(&str, Change, &str); 3] = [
        (
            "deletions",
            |b| b.deleted_record = DeletedRecord::No,
            "it does not announce deletions",
        ),
        (
            "size",
            |b| b.complete_list_size = CompleteListSize::Wrong(5),
            "completeListSize is 5",
        ),
        ("session tokens", |b| b.tokens = Tokens::Session, ""),
    ];
    for (case, change, expected) in cases {
        let repository = Repository::with_records(250).behaving(change).start().await;
        let output = identify(&repository, &["--json", "--prefix", "oai_dc"])
            .await
            .success();
        let findings = findings(&output);
        match expected {
            "" => assert_eq!(findings, [""; 0], "{case}"),
            expected => {
                assert_eq!(findings.len(), 1, "{case}: {findings:?}");
                assert!(findings[0].starts_with(expected), "{case}: {findings:?}");
            }
        }
    }
}

#[tokio::test]
async fn an_address_without_a_repository_is_reported() {
    let repository = Repository::with_records(0)
        .always(
            When::Always,
            Fault::status(
                200,
                &[("content-type", "text/html")],
                "<html><title>Welcome</title></html>",
            ),
        )
        .start()
        .await;
    let output = identify(&repository, &[]).await.failure(1);
    assert!(
        output
            .stdout
            .contains("is no OAI-PMH repository: it answers HTTP 200, text/html: a web page titled \"Welcome\""),
        "{}",
        output.stdout
    );
    assert!(output.stdout.contains("no answer: "), "{}", output.stdout);
    let unknown = support::harvestd(&["identify", "nobody"]).await.failure(2);
    assert!(
        unknown
            .stderr
            .contains("no source \"nobody\" is configured"),
        "{}",
        unknown.stderr
    );
}

#[tokio::test]
async fn a_request_url_is_reduced_to_its_base_url() {
    let file = fixture("doaj-2017-page.xml");
    let repository = Repository::serving_file(file).start().await;
    let url = format!(
        "{}?verb=ListRecords&metadataPrefix=oai_doaj",
        repository.base_url()
    );
    let folder = temp_store();
    let begun = std::time::Instant::now();
    let output = Program::new(&["identify", &url, "--store", &folder.argument()])
        .run()
        .await
        .success();
    // There are three pauses of one second between the four requests.
    assert!(begun.elapsed() >= Duration::from_secs(3));
    let base_url = repository.base_url();
    let note = format!("the URL was a whole request; this report is about its base URL {base_url}");
    assert!(output.stdout.contains(&note), "{}", output.stdout);
    assert!(
        output
            .stdout
            .contains("Authorship and affiliation as an indicator"),
        "{}",
        output.stdout
    );
    assert!(repository.requests().iter().all(|request| {
        request
            .arguments
            .iter()
            .filter(|(name, _)| name == "verb")
            .count()
            == 1
    }));
}

#[tokio::test]
async fn traits_that_harvests_learnt_are_reported() {
    let repository = Repository::with_records(250).start().await;
    let folder = temp_store();
    let config = folder.dir().join("c.toml");
    let text = format!(
        "[[source]]\nname = \"a\"\nurl = \"{}\"\nmetadata_prefix = \"oai_doaj\"\ndelay = \"0s\"\n\
         assume = [\"list_size_lies=yes\"]\n",
        repository.base_url()
    );
    std::fs::write(&config, text).unwrap();
    let (config, store) = (config.to_str().unwrap(), folder.argument());
    let run = |command: &'static str, further: &'static [&'static str]| {
        let arguments = [
            &[command],
            further,
            &["--config", config, "--store", &store],
        ]
        .concat();
        Program::new(&arguments).run()
    };
    run("harvest", &[]).await.success();
    let output = run("identify", &["a"]).await.success();
    let learnt = "\nlearnt by harvests\n  - list_size_lies\n  - dates by the second\n";
    assert!(output.stdout.contains(learnt), "{}", output.stdout);
    assert!(output.stdout.contains("  - pages of 100\n"));
    let output = run("identify", &["a", "--json"]).await.success();
    let value: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(value["learnt"]["list_size_lies"], json!(true));
    let output = run("status", &["a"]).await.success();
    let line = "a: learnt: list_size_lies, dates by the second, oldest first, pages of 100";
    assert!(output.stdout.contains(line), "{}", output.stdout);
}
