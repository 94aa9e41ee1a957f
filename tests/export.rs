//! Exports of harvested records: every format, changes, deletions, metadata that cannot be read.

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use harvestd::oai::Datestamp;
use serde_json::{Value, json};

use support::model::{Behaviour, Format, Item, Model};
use support::{NOW, Output, Program, Repository, TempStore, fixture, harvestd, temp_store};

const FORMATS: [&str; 8] = [
    "jsonl",
    "xml",
    "vufind-json",
    "vufind-xml",
    "oai_dc",
    "marcxml",
    "csv",
    "ris",
];

/// Harvests a repository as source `name` into the store.
async fn harvest(repository: &Repository, name: &str, prefix: &str, store: &TempStore) -> Output {
    let config = store.dir().join(format!("{name}.toml"));
    let text = format!(
        "[[source]]\nname = \"{name}\"\nurl = \"{}\"\nmetadata_prefix = \"{prefix}\"\n\
         delay = \"0s\"\n",
        repository.base_url()
    );
    std::fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap();
    let store = store.argument();
    harvestd(&["harvest", "-q", "--config", config, "--store", &store]).await
}

/// Runs a command on the store.
async fn on(store: &TempStore, arguments: &[&str]) -> Output {
    let store = store.argument();
    let arguments = [arguments, &["--store", &store]].concat();
    harvestd(&arguments).await
}

async fn serving(file: &str, store: &TempStore) {
    let repository = Repository::serving_file(fixture(file)).start().await;
    harvest(&repository, "doaj", "oai_doaj", store)
        .await
        .success();
}

/// The version in the last line of an export's messages.
fn next_since(output: &Output) -> String {
    let (_, version) = output.stderr.trim_end().rsplit_once("--since ").unwrap();
    version.to_owned()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The commands of an update message, in order. Its keys are repeated, so it cannot be parsed as one
/// object.
fn commands(message: &str) -> Vec<Value> {
    let inner = message
        .trim()
        .strip_prefix('{')
        .unwrap()
        .strip_suffix('}')
        .unwrap();
    inner
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| {
            let command = line.strip_suffix(',').unwrap_or(line);
            serde_json::from_str(&format!("{{{command}}}")).unwrap()
        })
        .collect()
}

fn validate(lines: &[Value]) {
    let schema: Value = serde_json::from_str(harvestd::output::jsonl::SCHEMA).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for line in lines {
        if let Err(error) = validator.validate(line) {
            panic!("{error}: {line}");
        }
    }
}

/// An article at `minute` after [`NOW`] less a day.
fn item(number: u32, title: &str, minute: i64) -> Item {
    Item {
        identifier: format!("oai:doaj.org/article:{number:032x}"),
        datestamp: at(minute),
        set_specs: Vec::new(),
        deleted: false,
        metadata: [("oai_doaj".to_owned(), metadata(title))]
            .into_iter()
            .collect(),
    }
}

fn at(minute: i64) -> Datestamp {
    Datestamp::from_unix(NOW - 86_400 + 60 * minute)
}

fn metadata(title: &str) -> Arc<str> {
    format!(
        "<oai_doaj:doajArticle xmlns:oai_doaj=\"http://doaj.org/features/oai_doaj/1.0/\">\
         <oai_doaj:title>{title}</oai_doaj:title></oai_doaj:doajArticle>"
    )
    .into()
}

fn model(items: impl IntoIterator<Item = Item>) -> Model {
    let mut model = Model::new(Behaviour::plain());
    for item in items {
        model.insert(item);
    }
    model
}

#[tokio::test]
async fn catalogue_documents_are_as_the_catalogue_expects() {
    let store = temp_store();
    serving("doaj-2017-page.xml", &store).await;
    let output = on(
        &store,
        &[
            "export",
            "--format",
            "vufind-json",
            "--institution",
            "Kabale University",
        ],
    )
    .await
    .success();
    let commands = commands(&output.stdout);
    assert_eq!(commands.len(), 100);
    let documents: BTreeMap<&str, &Value> = commands
        .iter()
        .map(|command| {
            (
                command["add"]["doc"]["id"].as_str().unwrap(),
                &command["add"]["doc"],
            )
        })
        .collect();
    let expected = std::fs::read_to_string(fixture("vufind-docs-2017.jsonl")).unwrap();
    for line in expected.lines() {
        let expected: Value = serde_json::from_str(line).unwrap();
        let expected = &expected["doc"];
        // In the expected documents, every field is a list.
        let document = documents[expected["id"][0].as_str().unwrap()]
            .as_object()
            .unwrap();
        let listed = document.iter().map(|(name, value)| match value {
            Value::String(_) => (name.clone(), json!([value])),
            list => (name.clone(), list.clone()),
        });
        // As texts, so that the order of fields is compared too.
        assert_eq!(
            Value::Object(listed.collect()).to_string(),
            expected.to_string()
        );
    }
    assert!(
        output.stderr.contains("100 records; next time: --since "),
        "{}",
        output.stderr
    );
}

#[tokio::test]
async fn the_seed_record_gives_the_seed_document() {
    let store = temp_store();
    serving("doaj-seed-record.xml", &store).await;
    let config = store.dir().join("doaj.toml");
    let mut text = std::fs::read_to_string(&config).unwrap();
    text.push_str("[vufind]\ninstitution = \"Kabale University\"\ncollection = \"DOAJ\"\n");
    std::fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap();
    let expected = std::fs::read_to_string(fixture("seed-solr-doc.json")).unwrap();
    let expected: Value = serde_json::from_str(&expected).unwrap();
    let export = ["export", "--format", "vufind-json", "--config", config];
    let message = on(&store, &export).await.success().stdout;
    let document = &commands(&message)[0]["add"]["doc"];
    let mut compared = 0;
    for (name, value) in document.as_object().unwrap() {
        if let Some(wanted) = expected.get(name) {
            assert_eq!(value, wanted, "{name}");
            compared += 1;
        }
    }
    assert!(compared > 15, "{compared}");
    // The command line wins over the configuration.
    let over = [
        &export[..],
        &["--institution", "X", "--id-prefix", "x.", "--track-changes"],
    ]
    .concat();
    let message = on(&store, &over).await.success().stdout;
    let document = &commands(&message)[0]["add"]["doc"];
    assert_eq!(document["institution"], json!(["X"]));
    assert!(document["id"].as_str().unwrap().starts_with("x.doaj-art-"));
    assert!(document["first_indexed"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn every_format_has_every_record() {
    let store = temp_store();
    serving("doaj-2017-page.xml", &store).await;
    for format in FORMATS {
        let output = on(&store, &["export", "--format", format]).await.success();
        let text = &output.stdout;
        let mark = match format {
            "jsonl" => "{\"source\":\"doaj\"",
            "xml" | "oai_dc" => "<record source=\"doaj\" identifier=\"oai:doaj.org/article:",
            "vufind-json" => "\"add\":{\"doc\":{\"id\":\"doaj-art-",
            "vufind-xml" => "<doc><field name=\"id\">doaj-art-",
            "marcxml" => "<record xmlns=\"http://www.loc.gov/MARC21/slim\">",
            "csv" => "doaj,oai:doaj.org/article:",
            _ => "TY  - JOUR\r\n",
        };
        assert_eq!(text.matches(mark).count(), 100, "{format}");
        if matches!(format, "xml" | "oai_dc" | "vufind-xml" | "marcxml") {
            harvestd::record::xml::check(text).unwrap_or_else(|error| panic!("{format}: {error}"));
        }
    }
}

#[tokio::test]
async fn raw_metadata_is_exported_as_received() {
    let store = temp_store();
    let repository = Repository::of(model([item(1, "A &amp; <!-- kept --> B", 0)]))
        .start()
        .await;
    harvest(&repository, "a", "oai_doaj", &store)
        .await
        .success();
    let text = on(&store, &["export", "--format", "xml"])
        .await
        .success()
        .stdout;
    let inside = "<oai_doaj:title>A &amp; <!-- kept --> B</oai_doaj:title></oai_doaj:doajArticle></record>\n</records>\n";
    assert!(text.ends_with(inside), "{text}");
    let shown = on(
        &store,
        &["show", &item(1, "", 0).identifier, "--format", "xml"],
    )
    .await
    .success();
    assert!(text.contains(shown.stdout.trim_end()), "{}", shown.stdout);
}

#[tokio::test]
async fn lines_are_valid_by_their_schema() {
    let store = temp_store();
    serving("doaj-2017-page.xml", &store).await;
    let mut model = Model::new(Behaviour::plain());
    for (number, sample) in harvestd::demo::articles(40, 7, harvestd::demo::Size::Demo).enumerate()
    {
        model.insert(sample.into_item(at(number as i64), &["oai_dc"]));
    }
    let gone = "oai:doaj.org/article:ffffffffffffffffffffffffffffffff";
    model.insert(Item {
        identifier: gone.to_owned(),
        ..item(0, "Gone", 50)
    });
    model.delete(gone, at(51));
    let repository = Repository::of(model).start().await;
    harvest(&repository, "dublin", "oai_dc", &store)
        .await
        .success();
    let all = lines(&on(&store, &["export"]).await.success().stdout);
    assert_eq!(all.len(), 141);
    validate(&all);
    let versions: Vec<u64> = all
        .iter()
        .map(|line| line["version"].as_u64().unwrap())
        .collect();
    assert!(versions.is_sorted_by(|a, b| a < b));
    let tombstones: Vec<&Value> = all.iter().filter(|line| line["deleted"] == true).collect();
    assert_eq!(tombstones.len(), 1);
    assert_eq!(tombstones[0]["identifier"], gone);
    assert_eq!(tombstones[0]["article"], Value::Null);

    let one = on(&store, &["export", "--source", "dublin"])
        .await
        .success();
    assert_eq!(lines(&one.stdout).len(), 41);
    let unknown = on(&store, &["export", "--source", "dubln"])
        .await
        .failure(2);
    assert_eq!(unknown.stdout, "");
    assert!(
        unknown
            .stderr
            .contains("no source is called \"dubln\"; the store has doaj, dublin"),
        "{}",
        unknown.stderr
    );
}

/// One record is changed twice, one is deleted, one is added and deleted, one is added: what a consumer at
/// a version gets.
#[tokio::test]
async fn changes_have_each_record_once_in_its_newest_state() {
    let store = temp_store();
    let items = (1..=4).map(|number| item(number, "Old", number.into()));
    let repository = Repository::of(model(items)).start().await;
    harvest(&repository, "a", "oai_doaj", &store)
        .await
        .success();
    let identifier = |number: u32| item(number, "", 0).identifier;
    let whole = on(&store, &["export", "--format", "vufind-json"])
        .await
        .success();
    assert_eq!(commands(&whole.stdout).len(), 4);
    let since = next_since(&whole);
    let none = on(&store, &["export", "--since", &since]).await.success();
    assert_eq!(
        (none.stdout.as_str(), next_since(&none)),
        ("", since.clone())
    );

    let change = |title: &'static str, minute: i64| {
        let new = [("oai_doaj".to_owned(), metadata(title))];
        repository.with_model(|model| model.update(&item(1, "", 0).identifier, new, at(minute)));
    };
    change("Newer", 10);
    repository.with_model(|model| model.insert(item(5, "Short-lived", 11)));
    harvest(&repository, "a", "oai_doaj", &store)
        .await
        .success();
    change("Newest", 20);
    repository.with_model(|model| {
        model.delete(&identifier(2), at(21));
        model.delete(&identifier(5), at(22));
        model.insert(item(6, "Added", 23));
    });
    harvest(&repository, "a", "oai_doaj", &store)
        .await
        .success();

    let changes = on(&store, &["export", "--since", &since]).await.success();
    let found: Vec<(String, Value, bool)> = lines(&changes.stdout)
        .into_iter()
        .map(|line| {
            let identifier = line["identifier"].as_str().unwrap().to_owned();
            (
                identifier,
                line["article"]["title"].clone(),
                line["deleted"] == true,
            )
        })
        .collect();
    // Tombstones of known records are stored when their list has ended.
    assert_eq!(
        found,
        [
            (identifier(1), json!("Newest"), false),
            (identifier(6), json!("Added"), false),
            (identifier(2), Value::Null, true),
        ]
    );
    let message = on(
        &store,
        &["export", "--since", &since, "--format", "vufind-json"],
    )
    .await
    .success();
    let changed = commands(&message.stdout);
    assert_eq!(changed[0]["add"]["doc"]["title"], "Newest");
    assert_eq!(changed[1]["add"]["doc"]["title"], "Added");
    assert_eq!(
        changed[2]["delete"]["id"],
        json!(format!("doaj-art-{:032x}", 2))
    );
    assert_eq!(changed.len(), 3);
    assert_eq!(next_since(&changes), next_since(&message));

    // A complete export has no tombstones for a catalogue. Lines have both.
    let whole = on(&store, &["export", "--format", "vufind-json"])
        .await
        .success();
    assert_eq!(commands(&whole.stdout).len(), 4);
    assert!(
        whole.stderr.contains("4 records, 2 tombstones left out; "),
        "{}",
        whole.stderr
    );
    assert_eq!(
        lines(&on(&store, &["export"]).await.success().stdout).len(),
        6
    );

    let beyond = (next_since(&whole).parse::<u64>().unwrap() + 1).to_string();
    let refused = on(&store, &["export", "--since", &beyond]).await.failure(2);
    assert!(
        refused.stderr.contains("it must be of another store"),
        "{}",
        refused.stderr
    );
}

#[tokio::test]
async fn unreadable_metadata_is_reported_and_left_out() {
    let store = temp_store();
    let mut behaviour = Behaviour::plain();
    behaviour.formats.push(Format {
        prefix: "mets".to_owned(),
        schema: "http://www.loc.gov/standards/mets/mets.xsd".to_owned(),
        namespace: "http://www.loc.gov/METS/".to_owned(),
        header_declarations: String::new(),
    });
    let mut model = Model::new(behaviour);
    for number in 1..=30 {
        let mets: Arc<str> = "<mets xmlns=\"http://www.loc.gov/METS/\"/>".into();
        model.insert(Item {
            metadata: [("mets".to_owned(), mets)].into_iter().collect(),
            ..item(number, "", number.into())
        });
    }
    let dublin: Arc<str> =
        "<oai_dc:dc xmlns:oai_dc=\"http://www.openarchives.org/OAI/2.0/oai_dc/\" \
         xmlns:dc=\"http://purl.org/dc/elements/1.1/\"><dc:title>Good</dc:title></oai_dc:dc>"
            .into();
    model.insert(Item {
        metadata: [("mets".to_owned(), dublin)].into_iter().collect(),
        ..item(31, "", 31)
    });
    let repository = Repository::of(model).start().await;
    harvest(&repository, "a", "mets", &store).await.success();

    let output = on(&store, &["export", "--format", "vufind-json"])
        .await
        .failure(3);
    let documents = commands(&output.stdout);
    assert_eq!(documents.len(), 1);
    assert_eq!(documents[0]["add"]["doc"]["title"], "Good");
    let told = output
        .stderr
        .matches(": no crosswalk for metadata format \"mets\"")
        .count();
    assert_eq!(told, 20, "{}", output.stderr);
    assert!(
        output.stderr.contains(&item(1, "", 0).identifier),
        "{}",
        output.stderr
    );
    assert!(
        output.stderr.contains("10 more records like these"),
        "{}",
        output.stderr
    );

    let output = on(&store, &["export"]).await.failure(3);
    let all = lines(&output.stdout);
    validate(&all);
    assert_eq!(
        all.iter().filter(|line| line["error"].is_string()).count(),
        30
    );
    let raw = on(&store, &["export", "--format", "xml"]).await.success();
    assert_eq!(raw.stdout.matches("<mets ").count(), 30);
    let shown = on(
        &store,
        &["show", &item(1, "", 0).identifier, "--format", "ris"],
    )
    .await
    .failure(3);
    assert_eq!(shown.stdout, "");
}

#[tokio::test]
async fn files_are_replaced_only_when_they_are_complete() {
    let store = temp_store();
    serving("doaj-seed-record.xml", &store).await;
    let file = store.dir().join("out.jsonl");
    let path = file.to_str().unwrap();
    std::fs::write(&file, "old").unwrap();
    let output = on(&store, &["export", "-o", path, "--json"])
        .await
        .success();
    let summary: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(summary["records"], 1);
    assert_eq!(summary["complete"], true);
    let written = lines(&std::fs::read_to_string(&file).unwrap());
    assert_eq!(written[0]["version"], summary["since"]);
    let names: Vec<String> = std::fs::read_dir(store.dir())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(
        names.iter().all(|name| !name.ends_with(".part")),
        "{names:?}"
    );

    let output = on(&store, &["export", "-o", "-", "--json"]).await.success();
    assert_eq!(lines(&output.stdout), written);
    let told: Value = serde_json::from_str(output.stderr.trim()).unwrap();
    assert_eq!(told["since"], summary["since"]);
    let missing = store.dir().join("no/such/folder/out");
    on(&store, &["export", "-o", missing.to_str().unwrap()])
        .await
        .failure(1);
    let nothing = temp_store();
    let output = on(&nothing, &["export"]).await.failure(1);
    assert!(
        output.stderr.contains("no such file; a harvest creates it"),
        "{}",
        output.stderr
    );
}

async fn until(file: &Path, what: impl Fn(&str) -> bool) -> String {
    for _ in 0..600 {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        if what(&text) {
            return text;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{}", std::fs::read_to_string(file).unwrap_or_default());
}

#[tokio::test]
async fn each_message_of_follow_is_valid_by_itself() {
    let store = temp_store();
    let items = (1..=3).map(|number| item(number, "Old", number.into()));
    let repository = Repository::of(model(items)).start().await;
    harvest(&repository, "a", "oai_doaj", &store)
        .await
        .success();
    let file = store.dir().join("messages");
    let path = file.to_str().unwrap().to_owned();
    let store_path = store.argument();
    let following = Program::new(&[
        "export",
        "--follow",
        "--interval",
        "50ms",
        "--format",
        "vufind-json",
        "-o",
        &path,
        "--store",
        &store_path,
        "--json",
    ])
    .spawn();
    until(&file, |text| text.ends_with('\n')).await;
    repository.with_model(|model| {
        model.delete(&item(2, "", 0).identifier, at(20));
        model.insert(item(4, "New", 21));
    });
    harvest(&repository, "a", "oai_doaj", &store)
        .await
        .success();
    let text = until(&file, |text| text.matches('\n').count() == 2).await;
    following.signal("TERM");
    let output = following.wait().await.success();
    let told: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(
        (&told["records"], &told["deletions"]),
        (&json!(4), &json!(1))
    );

    let messages: Vec<&str> = text.lines().collect();
    assert_eq!(messages[0].matches("\"add\":{\"doc\":").count(), 3);
    assert_eq!(
        messages[1]
            .matches("\"delete\":{\"id\":\"doaj-art-")
            .count(),
        1,
        "{}",
        messages[1]
    );
    assert!(messages[1].contains("\"title\":\"New\""), "{}", messages[1]);
    for message in messages {
        serde_json::from_str::<Value>(message).unwrap();
    }
    let since = told["since"].to_string();
    let rest = on(&store, &["export", "--since", &since]).await.success();
    assert_eq!(rest.stdout, "");
}

#[tokio::test]
async fn a_reader_can_stop_reading() {
    let store = temp_store();
    serving("doaj-2017-page.xml", &store).await;
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_harvestd"))
        .args([
            "export",
            "--format",
            "vufind-xml",
            "--store",
            &store.argument(),
        ])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 5];
    let mut stdout = program.stdout.take().unwrap();
    std::io::Read::read_exact(&mut stdout, &mut first).unwrap();
    drop(stdout);
    let output = program.wait_with_output().unwrap();
    assert_eq!(&first, b"<?xml");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[tokio::test]
async fn show_finds_a_record_by_identifier_and_by_document_id() {
    let store = temp_store();
    serving("doaj-seed-record.xml", &store).await;
    let all = lines(&on(&store, &["export"]).await.success().stdout);
    let identifier = all[0]["identifier"].as_str().unwrap();
    let (_, hex) = identifier.rsplit_once(':').unwrap();
    let by_identifier = on(&store, &["show", identifier]).await.success().stdout;
    let by_id = on(&store, &["show", &format!("doaj-art-{hex}")])
        .await
        .success()
        .stdout;
    assert_eq!(by_identifier, by_id);
    for part in [
        "state           live\n",
        "title           Peer Support Workers",
        "authors         Jennifer MacLellan\n                Julian Surey\n",
        "\nmetadata:\n<oai_doaj:doajArticle",
    ] {
        assert!(by_id.contains(part), "{part} in\n{by_id}");
    }
    let as_json = on(&store, &["show", identifier, "--json"])
        .await
        .success()
        .stdout;
    assert_eq!(lines(&as_json), all);
    for (format, part) in [
        ("vufind-json", "\"id\":\"doaj-art-"),
        ("vufind-xml", "<field name=\"id\">doaj-art-"),
        ("oai_dc", "<oai_dc:dc"),
        ("marcxml", "<collection"),
        ("csv", "source,identifier"),
        ("ris", "TY  - JOUR"),
    ] {
        let shown = on(&store, &["show", identifier, "--format", format])
            .await
            .success();
        assert!(shown.stdout.contains(part), "{format}: {}", shown.stdout);
    }
    let unknown = on(&store, &["show", "doaj-art-0"]).await.failure(1);
    assert!(
        unknown.stderr.contains("no record doaj-art-0; it takes"),
        "{}",
        unknown.stderr
    );
    let elsewhere = on(&store, &["show", identifier, "--source", "b"])
        .await
        .failure(1);
    assert!(
        elsewhere.stderr.contains("source b has no record"),
        "{}",
        elsewhere.stderr
    );
}

/// An export to a consumer that does not read holds no transaction open, and still has each record once.
#[tokio::test]
async fn a_stalled_export_holds_no_transaction() {
    const COUNT: u32 = 1_500;
    let store = temp_store();
    // More records than the pipe and the export's own queues hold.
    let title = "Old ".repeat(4_000);
    let items = (1..=COUNT).map(|number| item(number, &title, number.into()));
    let repository = Repository::of(model(items)).start().await;
    harvest(&repository, "a", "oai_doaj", &store)
        .await
        .success();
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_harvestd"))
        .args(["export", "--json", "--store", &store.argument()])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = program.stdout.take().unwrap();
    let mut text = vec![0];
    std::io::Read::read_exact(&mut stdout, &mut text).unwrap();

    // One of the first and last records is written already, and the other one is not read yet.
    let identifier = |number: u32| item(number, "", 0).identifier;
    repository.with_model(|model| {
        for number in [1, COUNT] {
            let new = [("oai_doaj".to_owned(), metadata("New"))];
            model.update(&identifier(number), new, at(i64::from(COUNT) + 1));
        }
        model.insert(item(COUNT + 1, "Created meanwhile", i64::from(COUNT) + 2));
    });
    harvest(&repository, "a", "oai_doaj", &store)
        .await
        .success();

    let connection = rusqlite::Connection::open(store.path()).unwrap();
    let checkpoint = || -> i64 {
        let busy = |row: &rusqlite::Row<'_>| row.get(0);
        let statement = "PRAGMA wal_checkpoint(TRUNCATE)";
        connection.query_row(statement, [], busy).unwrap()
    };
    let mut is_busy = true;
    for _ in 0..600 {
        is_busy = checkpoint() != 0;
        if !is_busy {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!is_busy, "the export holds a transaction");
    assert!(
        program.try_wait().unwrap().is_none(),
        "the export is stalled"
    );

    std::io::Read::read_to_end(&mut stdout, &mut text).unwrap();
    let output = program.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let exported = lines(std::str::from_utf8(&text).unwrap());
    let mut found: Vec<&str> = exported
        .iter()
        .map(|line| line["identifier"].as_str().unwrap())
        .collect();
    found.sort_unstable();
    let expected: Vec<String> = (1..=COUNT).map(identifier).collect();
    assert!(found == expected, "each record once");
    let is_new = |line: &&Value| line["article"]["title"] == "New";
    assert_eq!(exported.iter().filter(is_new).count(), 1);

    let told: Value = serde_json::from_slice(&output.stderr).unwrap();
    let since = told["since"].to_string();
    let next = on(&store, &["export", "--since", &since]).await.success();
    assert_eq!(lines(&next.stdout).len(), 3, "both changes and the new one");
}
