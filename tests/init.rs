//! `harvestd init`: the first configuration.

mod support;

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use harvestd::store::{ChangeFilter, Reader};
use support::{Output, Program, Repository, harvestd};

/// Runs the program in a home of its own.
async fn run(home: &Path, arguments: &[&str]) -> Output {
    Program::new(arguments)
        .env("HOME", home.to_str().unwrap())
        .env("XDG_CONFIG_HOME", home.join("config").to_str().unwrap())
        .env("XDG_DATA_HOME", home.join("data").to_str().unwrap())
        .run()
        .await
}

fn table(text: &str) -> toml::Value {
    toml::from_str(text).unwrap()
}

#[tokio::test]
async fn a_first_configuration_is_valid_and_never_overwritten() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("harvestd.toml");
    let path = file.to_str().unwrap();
    let first = run(home.path(), &["init", "--config", path])
        .await
        .success();
    assert!(first.stdout.contains("next: "), "{}", first.stdout);
    run(home.path(), &["check-config", "--config", path])
        .await
        .success();
    std::fs::write(&file, "# mine\n").unwrap();
    let again = run(home.path(), &["init", "--config", path])
        .await
        .failure(2);
    assert!(again.stderr.contains("was not changed"), "{}", again.stderr);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "# mine\n");
}

#[tokio::test]
async fn a_source_is_written_from_what_its_repository_answers() {
    let repository = Repository::with_records(250).like_doaj().start().await;
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("harvestd.toml");
    let path = file.to_str().unwrap();
    // Copied from a browser.
    let url = format!("{}?verb=Identify", repository.base_url());
    let written = run(home.path(), &["init", &url, "--config", path])
        .await
        .success();
    assert!(
        written
            .stdout
            .contains(&format!("next: harvestd harvest --config {path}")),
        "{}",
        written.stdout
    );
    assert!(repository.requests().len() <= 6, "a few requests");
    let text = std::fs::read_to_string(&file).unwrap();
    let source = &table(&text)["source"][0];
    assert_eq!(source["url"].as_str(), Some(&*repository.base_url()));
    assert_eq!(source["metadata_prefix"].as_str(), Some("oai_doaj"));
    assert!(text.contains("oai_dc"), "the other format is named: {text}");
    run(home.path(), &["check-config", "--config", path])
        .await
        .success();
    harvestd(&[
        "harvest",
        "--config",
        path,
        "--store",
        home.path().join("s.db").to_str().unwrap(),
    ])
    .await
    .success();
    // Another source goes to standard output.
    let more = run(home.path(), &["init", &url, "--stdout", "--config", path])
        .await
        .success();
    assert!(
        table(&more.stdout)["source"][0]["url"].is_str(),
        "{}",
        more.stdout
    );
}

#[tokio::test]
async fn an_address_without_a_repository_leaves_no_file() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("harvestd.toml");
    let path = file.to_str().unwrap();
    let failed = run(
        home.path(),
        &["init", "http://127.0.0.1:1/oai", "--config", path],
    )
    .await
    .failure(1);
    assert!(
        failed.stderr.contains("cannot be reached"),
        "{}",
        failed.stderr
    );
    assert!(!file.exists());
}

#[tokio::test]
async fn passwords_of_vufindharvest_go_to_files_of_their_own() {
    let home = tempfile::tempdir().unwrap();
    let ini = home.path().join("oai.ini");
    std::fs::write(
        &ini,
        "[OJS]\nurl = https://ojs.example.edu/oai\nhttpUser = me\nhttpPass = sesame\n\
         idSearch[] = \"/^oai:example.edu:/\"\nidReplace[] = \"ojs-\"\n\
         proxy_host = proxy.example.edu\nproxy_user = me\nproxy_pass = sesame\n",
    )
    .unwrap();
    let file = home.path().join("harvestd.toml");
    let path = file.to_str().unwrap();
    run(
        home.path(),
        &["init", "--from", ini.to_str().unwrap(), "--config", path],
    )
    .await
    .success();
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("password_file = \"ojs.password\""), "{text}");
    for name in ["ojs.password", "harvestd.toml"] {
        let secret = home.path().join(name);
        let mode = std::fs::metadata(&secret).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}");
        assert!(std::fs::read_to_string(&secret).unwrap().contains("sesame"));
    }
    let checked = run(home.path(), &["check-config", "--config", path])
        .await
        .success();
    assert!(!checked.stderr.contains("WARN"), "{}", checked.stderr);
}

/// A file as metha writes it: its own envelope around records as they were received.
fn metha_file(path: &Path, numbers: &[u32]) {
    let records: String = numbers
        .iter()
        .map(|number| {
            format!(
                "<record xmlns=\"http://www.openarchives.org/OAI/2.0/\"><header status=\"\">\
                 <identifier>oai:x.org:{number}</identifier><datestamp>2026-01-0{number}</datestamp>\
                 </header><metadata><oai_dc:dc \
                 xmlns:oai_dc=\"http://www.openarchives.org/OAI/2.0/oai_dc/\" \
                 xmlns:dc=\"http://purl.org/dc/elements/1.1/\"><dc:title>Title {number}</dc:title>\
                 </oai_dc:dc></metadata><about></about></record>"
            )
        })
        .collect();
    let text = format!(
        "<Response><responseDate>2026-02-01T00:00:00Z</responseDate><request verb=\"ListRecords\" \
         set=\"\" metadataPrefix=\"oai_dc\"></request><error code=\"\"></error><Identify></Identify>\
         <ListRecords>{records}<resumptionToken completeListSize=\"\" cursor=\"\">t</resumptionToken>\
         </ListRecords><ListSets></ListSets></Response>"
    );
    let mut packed = flate2::write::GzEncoder::new(
        std::fs::File::create(path).unwrap(),
        flate2::Compression::fast(),
    );
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap();
}

#[tokio::test]
async fn records_of_metha_are_taken_over_without_a_request() {
    let home = tempfile::tempdir().unwrap();
    let metha = home.path().join("metha");
    // Nobody listens there.
    let folder = metha.join(URL_SAFE_NO_PAD.encode("#oai_dc#http://127.0.0.1:1/oai"));
    std::fs::create_dir_all(&folder).unwrap();
    metha_file(&folder.join("2026-01-31-00000000.xml.gz"), &[1, 2]);
    metha_file(&folder.join("2026-01-31-00000001.xml.gz"), &[3]);
    metha_file(&folder.join("2026-02-28-00000000.xml.gz"), &[2, 4]);
    std::fs::write(metha.join("something-else"), "x").unwrap();
    let file = home.path().join("harvestd.toml");
    let (path, store) = (file.to_str().unwrap(), home.path().join("s.db"));
    let arguments = [
        "init",
        "--from",
        "metha",
        metha.to_str().unwrap(),
        "--config",
        path,
        "--store",
        store.to_str().unwrap(),
    ];
    let output = run(home.path(), &arguments).await.success();
    assert!(
        output.stdout.contains("4 records of metha"),
        "{}",
        output.stdout
    );
    let reader = Reader::open(&store).unwrap();
    let mut stored = Vec::new();
    reader
        .changes(&ChangeFilter::default(), |record| {
            let metadata = record.metadata.unwrap();
            assert!(metadata.contains("<dc:title>Title "), "{metadata}");
            stored.push(record.identifier);
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    stored.sort();
    assert_eq!(
        stored,
        [1, 2, 3, 4].map(|number| format!("oai:x.org:{number}"))
    );
    let sources = reader.sources().unwrap();
    assert_eq!(sources[0].base_url, "http://127.0.0.1:1/oai");
    // metha proves nothing, so that the next run lists the repository.
    assert!(sources[0].watermarks.is_empty());
}
