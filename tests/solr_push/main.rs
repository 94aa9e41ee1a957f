//! The program against indices: always a scripted Solr, and a real one where it can be started.

#![allow(
    unreachable_pub,
    reason = "what the files of this crate share is seen by them alone"
)]

mod quarter;
mod sources;
#[path = "../support/mod.rs"]
mod support;
mod works;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use harvestd::oai::Datestamp;
use serde_json::{Map, Value, json};
use support::model::{Behaviour, Item, Model};
use support::solr::{Documents, commands};
use support::{
    FakeSolr, NOW, Output, Program, RealSolr, Repository, TempStore, fixture, shared_data,
    temp_store,
};

/// A repository, a store and a configuration with one output.
struct Scene {
    repository: Repository,
    store: TempStore,
}

/// Minutes before the repository's now.
fn ago(minutes: i64) -> Datestamp {
    Datestamp::from_unix(NOW - 60 * minutes)
}

fn item(number: usize, metadata: &str, at: Datestamp) -> Item {
    let metadata = format!("<doajArticle>{metadata}</doajArticle>");
    Item {
        identifier: format!("oai:doaj.org/article:{number:03}"),
        datestamp: at,
        set_specs: Vec::new(),
        deleted: false,
        metadata: vec![("oai_doaj".to_owned(), Arc::from(metadata))],
    }
}

fn plain(number: usize) -> String {
    format!("<title>Article {number}</title><authors><author><name>N. N.</name></author></authors>")
}

/// The document id of [`item`].
fn id(number: usize) -> String {
    format!("doaj-art-{number:03}")
}

fn ids(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(id).collect()
}

impl Scene {
    /// A repository with this many plain articles.
    async fn with(count: usize) -> Self {
        let mut model = Model::new(Behaviour::plain());
        for number in 0..count {
            model.insert(item(number, &plain(number), ago(10_000 - number as i64)));
        }
        Self::of(Repository::of(model).start().await)
    }

    fn of(repository: Repository) -> Self {
        Self {
            repository,
            store: temp_store(),
        }
    }

    /// Writes the configuration: an output at `urls` with more `keys`.
    fn configure(&self, urls: &[&str], keys: &str) {
        self.configure_with(urls, keys, "");
    }

    /// The same, with more tables.
    fn configure_with(&self, urls: &[&str], keys: &str, tables: &str) {
        let config = format!(
            "store = 'harvest.db'\n[[source]]\nname = 'doaj'\nurl = '{}'\n\
             metadata_prefix = 'oai_doaj'\ndelay = '0s'\nretry_pause = '1ms'\n\
             [[output]]\nname = 'vufind'\ntype = 'solr'\nurls = {urls:?}\n\
             retries = 1\nretry_pause = '1ms'\n{keys}\n{tables}\n",
            self.repository.base_url(),
        );
        std::fs::write(self.config(), config).unwrap();
    }

    /// The table of a source called `other` with this scene's repository.
    fn as_second_source(&self) -> String {
        let url = self.repository.base_url();
        format!(
            "[[source]]\nname = 'other'\nurl = '{url}'\nmetadata_prefix = 'oai_doaj'\ndelay = '0s'\n\
             retry_pause = '1ms'"
        )
    }

    /// The documents that an export would load, by their ids.
    async fn exported(&self, arguments: &str) -> Documents {
        let line = format!("export -q --format vufind-json {arguments}");
        let output = self.run(line.trim()).await;
        // Records without a document make the export incomplete, and have none in the index either.
        assert!(matches!(output.status, Some(0 | 3)), "{output:#?}");
        let documents = commands(&output.stdout).into_iter().map(|mut command| {
            let document = command["add"]["doc"].take();
            (document["id"].as_str().unwrap().to_owned(), document)
        });
        documents.collect()
    }

    fn config(&self) -> PathBuf {
        self.store.dir().join("harvestd.toml")
    }

    fn program(&self, arguments: &[&str]) -> Program {
        let config = self.config();
        let all = [&["--config", config.to_str().unwrap()], arguments].concat();
        Program::new(&all)
    }

    async fn run(&self, line: &str) -> Output {
        let arguments: Vec<&str> = line.split(' ').collect();
        self.program(&arguments).run().await
    }

    async fn harvest(&self) {
        self.run("harvest -q").await.success();
    }

    /// The report of `push --json` with these arguments about the output.
    async fn push(&self, arguments: &str) -> (Output, Value) {
        let line = format!("push --json {arguments}");
        let output = self.run(line.trim()).await;
        let mut said: Value = serde_json::from_str(&output.stdout).expect(&output.stderr);
        (output, said["outputs"][0].take())
    }

    async fn rejected(&self) -> BTreeMap<String, String> {
        let output = self.run("rejected vufind --json").await.success();
        let said: Value = serde_json::from_str(&output.stdout).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let documents = said["rejected"].as_array().unwrap();
        documents
            .iter()
            .map(|document| (text(&document["document_id"]), text(&document["reason"])))
            .collect()
    }

    async fn audit(&self, arguments: &str) -> (Option<i32>, Value) {
        let line = format!("audit vufind --json {arguments}");
        let output = self.run(line.trim()).await;
        let said = serde_json::from_str(&output.stdout).expect(&output.stderr);
        (output.status, said)
    }

    /// Changes an article, a minute later for each call with a smaller `minutes`.
    fn update(&self, number: usize, metadata: &str, minutes: i64) {
        let item = item(number, metadata, ago(minutes));
        self.repository.with_model(|model| model.insert(item));
    }

    fn delete(&self, number: usize, minutes: i64) {
        let identifier = format!("oai:doaj.org/article:{number:03}");
        self.repository
            .with_model(|model| model.delete(&identifier, ago(minutes)));
    }
}

#[tokio::test]
async fn an_index_follows_the_store() {
    let scene = Scene::with(7).await;
    let solr = FakeSolr::start().await;
    scene.configure(
        &[&solr.url],
        "batch_documents = 3\nparallel_requests = 1\nuser = 'u'\npassword = 'p'",
    );
    scene.harvest().await;

    let status = scene.run("status").await.success();
    let line = status
        .stdout
        .lines()
        .find(|line| line.starts_with("vufind"))
        .unwrap();
    assert!(line.contains(" 7 ") && line.ends_with("never"), "{line}");
    let (output, said) = scene.push("--dry-run").await;
    output.success();
    assert_eq!(said["would_push"]["adds"], 7);
    assert_eq!(solr.ids(), [""; 0], "a dry run sends nothing");

    let (output, said) = scene.push("").await;
    output.success();
    assert_eq!((&said["added"], &said["behind"]), (&json!(7), &json!(0)));
    assert_eq!(solr.ids(), ids(0..7));
    let sizes: Vec<usize> = solr.state().updates.iter().map(Vec::len).collect();
    assert_eq!(sizes, [3, 3, 1]);
    assert_eq!(solr.state().commit_within[0].as_deref(), Some("60000"));
    assert_eq!(solr.state().authorization[0].as_deref(), Some("Basic dTpw"));

    // Nothing has changed, so nothing is sent.
    scene.push("").await.0.success();
    assert_eq!(solr.state().updates.len(), 3);

    scene.update(2, "<title>New</title>", 20);
    scene.delete(3, 19);
    scene.harvest().await;
    let status = scene.run("status --json").await.success();
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!(status["outputs"][0]["behind"], 2);
    let (_, said) = scene.push("").await;
    assert_eq!((&said["added"], &said["deleted"]), (&json!(1), &json!(1)));
    assert_eq!(solr.state().updates[3], ["doaj-art-002", "-doaj-art-003"]);
    assert_eq!(solr.state().documents[&id(2)]["title"], "New");

    // Everything is sent again: the same documents, and the tombstone.
    let before = solr.state().documents.clone();
    let (_, said) = scene.push("--all").await;
    assert_eq!((&said["added"], &said["deleted"]), (&json!(6), &json!(1)));
    assert_eq!(solr.state().documents, before);
}

#[tokio::test]
async fn changed_settings_send_everything_again() {
    let scene = Scene::with(3).await;
    let solr = FakeSolr::start().await;
    scene.configure(&[&solr.url], "commit_within = 'none'");
    scene.harvest().await;
    scene.push("").await.0.success();
    scene.configure(&[&solr.url], "institution = 'Kabale University'");
    let (_, said) = scene.push("").await;
    assert_eq!(
        (&said["added"], &said["starts_over"]),
        (&json!(3), &json!(true))
    );
    assert_eq!(
        solr.state().documents[&id(0)]["institution"][0],
        "Kabale University"
    );
    assert_eq!(solr.state().commit_within, [None, Some("60000".to_owned())]);
}

#[tokio::test]
async fn a_rejected_document_does_not_delay_the_others() {
    type Words = fn(&str) -> String;
    let named: Words = |id| format!("ERROR: [doc={id}] unknown field 'x'");
    let immense: Words = |id| {
        format!(
            "Exception writing document id {id} to the index; possible analysis error: Document \
             contains at least one immense term in field=\"title_fullStr\""
        )
    };
    let unnamed: Words = |_| "something about a document".to_owned();
    let cases = [
        ("named", named, false),
        ("immense term", immense, false),
        ("not named", unnamed, false),
        ("tolerant index", named, true),
    ];
    for (case, words, tolerant) in cases {
        let scene = Scene::with(10).await;
        let solr = FakeSolr::start().await;
        solr.state().tolerant = tolerant;
        solr.poison(move |document| {
            let id = document["id"].as_str().unwrap();
            let is_bad = ["doaj-art-000", "doaj-art-004", "doaj-art-009"].contains(&id);
            is_bad.then(|| words(id))
        });
        scene.configure(&[&solr.url], "batch_documents = 6");
        scene.harvest().await;
        let (output, said) = scene.push("").await;
        output.success();
        assert_eq!(
            (&said["added"], &said["rejected"]),
            (&json!(7), &json!(3)),
            "{case}"
        );
        assert_eq!(solr.ids(), ids([1, 2, 3, 5, 6, 7, 8]), "{case}");
        let rejected = scene.rejected().await;
        let expected: BTreeMap<_, _> = ids([0, 4, 9])
            .into_iter()
            .map(|id| (id.clone(), words(&id)))
            .collect();
        assert_eq!(rejected, expected, "{case}");

        // A document with a valid newer version is no longer rejected. The others are rejected again.
        solr.heal();
        scene.update(4, "<title>Mended</title>", 20);
        scene.harvest().await;
        scene.push("").await.0.success();
        assert_eq!(scene.rejected().await.len(), 2, "{case}");
        let (_, said) = scene.push("--retry-rejected").await;
        assert_eq!(said["added"], 2, "{case}");
        assert!(scene.rejected().await.is_empty(), "{case}");
        assert_eq!(solr.ids(), ids(0..10), "{case}");
    }
}

#[tokio::test]
async fn an_index_that_does_not_fit_stops_the_push() {
    for count in [3, 100] {
        let scene = Scene::with(count).await;
        let solr = FakeSolr::start().await;
        solr.poison(|document| {
            let id = document["id"].as_str().unwrap();
            Some(format!("ERROR: [doc={id}] unknown field 'allfields'"))
        });
        scene.configure(&[&solr.url], "");
        scene.harvest().await;
        let (output, said) = scene.push("").await;
        output.failure(1);
        assert_eq!(said["position"], 0);
        assert_eq!(said["behind"], count);
        let why = said["why"].as_str().unwrap();
        assert!(why.contains("unknown field 'allfields'"), "{why}");
        assert!(scene.rejected().await.is_empty());
        assert!(
            solr.state().updates.len() <= 26,
            "it does not try them all, but a few more to find out whose fault it is"
        );
        let status = scene.run("status").await.success();
        assert!(
            status.stdout.contains("unknown field 'allfields'"),
            "{}",
            status.stdout
        );

        solr.heal();
        scene.push("").await.0.success();
        assert_eq!(solr.ids().len(), count);
    }
}

/// If the index takes no document, it is at fault, however many causes it gives.
#[tokio::test]
async fn an_index_that_refuses_everything_stops_the_push_whatever_the_causes() {
    for count in [2, 5, 60] {
        let scene = Scene::with(count).await;
        let solr = FakeSolr::start().await;
        solr.poison(|document| {
            let id = document["id"].as_str().unwrap();
            let field = ["allfields", "author", "title"][id.len() % 3 + id.ends_with('1') as usize];
            Some(format!("ERROR: [doc={id}] unknown field '{field}'"))
        });
        scene.configure(&[&solr.url], "batch_documents = 7");
        scene.harvest().await;
        let (output, said) = scene.push("").await;
        output.failure(1);
        assert_eq!(
            (&said["position"], &said["behind"]),
            (&json!(0), &json!(count))
        );
        assert!(scene.rejected().await.is_empty());
        assert!(solr.state().updates.len() <= 40, "it does not try them all");
    }
}

/// However many documents in a row are bad, the others are taken and the bad ones are rejected.
#[tokio::test]
async fn many_rejected_documents_in_a_row_do_not_delay_the_others() {
    for (bad, keys) in [
        (0..30, ""),
        (0..30, "batch_documents = 10"),
        (25..75, ""),
        (25..75, "batch_documents = 10"),
        (70..100, "batch_documents = 30\nparallel_requests = 1"),
    ] {
        let scene = Scene::with(100).await;
        let solr = FakeSolr::start().await;
        let poisoned: Vec<String> = ids(bad.clone());
        solr.poison(move |document| {
            let id = document["id"].as_str().unwrap();
            let is_bad = poisoned.iter().any(|poisoned| poisoned == id);
            is_bad.then(|| format!("ERROR: [doc={id}] Error adding field 'd'='x' msg=Invalid Date"))
        });
        scene.configure(&[&solr.url], keys);
        scene.harvest().await;
        scene.push("").await.0.success();
        let rejected: Vec<String> = scene.rejected().await.into_keys().collect();
        assert_eq!(rejected, ids(bad.clone()), "{keys}");
        assert_eq!(
            solr.ids(),
            ids((0..100).filter(|number| !bad.contains(number))),
            "{keys}"
        );
        // They do not delay the repair of other missing documents either.
        let lost = ids([bad.end % 100, (bad.end + 1) % 100]);
        let lost: Vec<String> = lost
            .into_iter()
            .filter(|id| solr.ids().contains(id))
            .collect();
        for id in &lost {
            solr.state().documents.remove(id);
        }
        let (status, said) = scene.audit("--repair").await;
        assert_eq!(status, Some(0), "{said}");
        assert_eq!(said["missing"]["examples"], json!(lost), "{said}");
    }
}

/// If a whole small batch is refused, a document that the index took before shows whether the index is at
/// fault.
#[tokio::test]
async fn a_refused_batch_is_rejected_unless_the_index_is_at_fault() {
    let words = "ERROR: [doc=ID] Error adding field 'x'='y' msg=Invalid Date String:'y'";
    let says = move |document: &Value| words.replace("ID", document["id"].as_str().unwrap());
    for is_index in [false, true] {
        let scene = Scene::with(5).await;
        let solr = FakeSolr::start().await;
        scene.configure(&[&solr.url], "");
        scene.harvest().await;
        scene.push("").await.0.success();
        solr.poison(move |document| {
            let is_bad = document["title"] == "Bad";
            (is_bad || is_index).then(|| says(document))
        });
        for number in [1, 2] {
            scene.update(number, "<title>Bad</title>", 20);
        }
        scene.harvest().await;
        let (output, said) = scene.push("").await;
        match is_index {
            false => {
                output.success();
                assert_eq!(
                    scene.rejected().await.into_keys().collect::<Vec<_>>(),
                    ids(1..3)
                );
            }
            true => {
                output.failure(1);
                assert!(scene.rejected().await.is_empty());
                assert_eq!(said["behind"], 2);
            }
        }
        assert_eq!(solr.ids(), ids(0..5));
        assert_eq!(solr.state().documents[&id(1)]["title"], "Article 1");
    }
}

#[tokio::test]
async fn outages_end_a_push_and_the_next_one_resumes() {
    let no_core = "<html><body><h2>HTTP ERROR 404 Not Found</h2></body></html>";
    let cases = [
        ("no core", 404, no_core, 1, "check that urls name the core"),
        ("login", 401, "", 1, "check user, password or token"),
        (
            "login page",
            200,
            "<html>Sign in</html>",
            1,
            "check that urls name the core",
        ),
        (
            "disk full",
            500,
            "{\"error\":{\"msg\":\"No space left on device\"}}",
            1,
            "make room",
        ),
        ("loading", 503, "", 3, "after 2 tries"),
    ];
    for (case, status, body, exit, words) in cases {
        let scene = Scene::with(4).await;
        let solr = FakeSolr::start().await;
        scene.configure(&[&solr.url], "batch_documents = 4");
        scene.harvest().await;
        solr.state().scripted = vec![(status, body.to_owned()); 2].into();
        let (output, said) = scene.push("").await;
        output.failure(exit);
        let why = said["why"].as_str().unwrap();
        assert!(why.contains(words), "{case}: {why}");
        assert_eq!(said["position"], 0, "{case}");
        solr.heal();
        scene.push("").await.0.success();
        assert_eq!(solr.ids(), ids(0..4), "{case}");
    }
}

#[tokio::test]
async fn an_interrupted_push_resumes_at_its_position() {
    let scene = Scene::with(6).await;
    let solr = FakeSolr::start().await;
    scene.configure(&[&solr.url], "batch_documents = 2\nparallel_requests = 1");
    scene.harvest().await;
    solr.state().gone_after = Some(2);
    let (output, said) = scene.push("").await;
    output.failure(3);
    assert_eq!((&said["added"], &said["behind"]), (&json!(4), &json!(2)));
    // A pushed record is deleted before the rest is pushed. The index must get the deletion.
    scene.delete(0, 20);
    scene.harvest().await;
    solr.heal();
    scene.push("").await.0.success();
    assert_eq!(solr.ids(), ids(1..6));
    let seen = solr.state().updates.concat();
    assert_eq!(seen.iter().filter(|seen| **seen == id(1)).count(), 1);
}

#[tokio::test]
async fn large_batches_are_divided_and_large_documents_rejected() {
    let scene = Scene::with(9).await;
    let abstracts = format!(
        "<title>t</title><abstract>{}</abstract>",
        "x".repeat(20_000)
    );
    scene.update(4, &abstracts, 20);
    let solr = FakeSolr::start().await;
    solr.state().most_bytes = Some(2_000);
    scene.configure(&[&solr.url], "");
    scene.harvest().await;
    let (output, said) = scene.push("").await;
    output.success();
    assert_eq!((&said["added"], &said["rejected"]), (&json!(8), &json!(1)));
    assert!(scene.rejected().await[&id(4)].contains("larger than the server takes"));
    assert_eq!(solr.ids(), ids([0, 1, 2, 3, 5, 6, 7, 8]));
}

/// If a proxy before the index accepts next to nothing, the documents are not at fault.
#[tokio::test]
async fn a_server_to_which_everything_is_too_large_stops_the_push() {
    let scene = Scene::with(30).await;
    let solr = FakeSolr::start().await;
    solr.state().most_bytes = Some(20);
    scene.configure(&[&solr.url], "");
    scene.harvest().await;
    let (output, said) = scene.push("").await;
    output.failure(1);
    let why = said["why"].as_str().unwrap();
    assert!(why.contains("larger than the server takes"), "{why}");
    assert_eq!(
        (&said["position"], scene.rejected().await.len()),
        (&json!(0), 0)
    );
    solr.state().most_bytes = None;
    scene.push("").await.0.success();
    assert_eq!(solr.ids(), ids(0..30));
}

/// A document belongs to every source that has its record. It is deleted with the last of them.
#[tokio::test]
async fn a_document_of_two_sources_stays_until_both_delete_it() {
    let scene = Scene::with(2).await;
    let other = Scene::with(1).await;
    let solr = FakeSolr::start().await;
    scene.configure(&[&solr.url], "");
    scene.configure_with(&[&solr.url], "", &other.as_second_source());
    scene.harvest().await;
    scene.push("").await.0.success();
    assert_eq!(solr.ids(), ids(0..2));
    for (left, expected) in [(&scene, ids(0..2)), (&other, ids([1]))] {
        left.delete(0, 20);
        scene.harvest().await;
        scene.push("").await.0.success();
        assert_eq!(solr.ids(), expected);
        assert_eq!(scene.audit("").await.0, Some(0));
    }
}

#[tokio::test]
async fn positions_can_be_set() {
    let scene = Scene::with(4).await;
    let solr = FakeSolr::start().await;
    scene.configure(&[&solr.url], "");
    scene.harvest().await;
    let (_, said) = scene.push("").await;
    let position = said["position"].as_i64().unwrap();
    // The last of the four has the version of the position.
    let (_, said) = scene.push(&format!("--since {}", position - 1)).await;
    assert_eq!(
        (&said["added"], &said["position"]),
        (&json!(1), &json!(position))
    );
    let beyond = format!("push --since {}", position + 1);
    let output = scene.run(&beyond).await.failure(2);
    assert!(
        output.stderr.contains("would never be sent"),
        "{}",
        output.stderr
    );
}

/// A document that the index took without a stored confirmation is deleted too.
#[tokio::test]
async fn deletions_reach_documents_whose_confirmation_was_lost() {
    let scene = Scene::with(3).await;
    let solr = FakeSolr::start().await;
    scene.configure(&[&solr.url], "");
    scene.harvest().await;
    solr.state().documents.insert(
        id(1),
        json!({"id": id(1), "title": "Sent, but never confirmed"}),
    );
    scene.delete(1, 20);
    scene.harvest().await;
    scene.push("").await.0.success();
    assert_eq!(solr.ids(), ids([0, 2]));
}

#[tokio::test]
async fn the_next_address_is_asked_when_one_is_down() {
    let scene = Scene::with(2).await;
    let (down, up) = (FakeSolr::start().await, FakeSolr::start().await);
    down.state().gone_after = Some(0);
    let no_core = format!("{}x", up.url);
    let urls = [
        "http://127.0.0.1:1/solr/biblio",
        &no_core,
        &down.url,
        &up.url,
    ];
    scene.configure(&urls, "");
    scene.harvest().await;
    scene.push("").await.0.success();
    assert_eq!(up.ids(), ids(0..2));
}

#[tokio::test]
async fn a_record_that_gives_no_document_any_more_is_deleted() {
    let scene = Scene::with(2).await;
    let solr = FakeSolr::start().await;
    scene.configure(&[&solr.url], "");
    scene.harvest().await;
    scene.push("").await.0.success();
    let mut other = item(1, "", ago(20));
    other.metadata = vec![(
        "oai_doaj".to_owned(),
        Arc::from("<x:other xmlns:x=\"urn:x\"/>"),
    )];
    scene.repository.with_model(|model| model.insert(other));
    scene.harvest().await;
    let (output, said) = scene.push("").await;
    output.success();
    assert_eq!(said["rejected"], 1);
    assert_eq!(solr.ids(), ids([0]));
    assert_eq!(scene.rejected().await.len(), 1);
}

#[tokio::test]
async fn audits_find_and_repair_differences() {
    for keys in ["", "version_field = 'version_str'"] {
        let scene = Scene::with(6).await;
        let solr = FakeSolr::start().await;
        scene.configure(&[&solr.url], keys);
        scene.harvest().await;
        let early = scene.run("audit vufind").await.failure(1);
        assert!(early.stderr.contains("push first"), "{}", early.stderr);
        scene.push("").await.0.success();
        let (status, said) = scene.audit("").await;
        assert_eq!((status, &said["documents"]), (Some(0), &json!(6)), "{said}");
        let right = solr.state().documents.clone();

        // Changes that are still to be pushed are no differences.
        scene.update(5, "<title>Later</title>", 20);
        scene.harvest().await;
        let (status, said) = scene.audit("").await;
        assert_eq!((status, &said["pending"]), (Some(0), &json!(1)), "{said}");

        {
            let mut state = solr.state();
            state.documents.remove(&id(1));
            let changed = state.documents.get_mut(&id(2)).unwrap();
            changed["title_full"] = json!("Other");
            changed["version_str"] = json!("1");
            state.documents.insert(id(99), json!({"id": id(99)}));
            state.documents.insert("b1".to_owned(), json!({"id": "b1"}));
        }
        let (status, said) = scene.audit("").await;
        assert_eq!(status, Some(3), "{said}");
        assert_eq!(said["missing"]["examples"], json!([id(1)]));
        assert_eq!(said["outdated"]["examples"], json!([id(2)]));
        assert_eq!(said["surplus"]["examples"], json!([id(99)]));
        let (status, said) = scene.audit("--repair").await;
        assert_eq!((status, &said["repaired"]), (Some(0), &json!(3)), "{said}");
        let mut expected = right;
        expected.insert("b1".to_owned(), json!({"id": "b1"}));
        assert_eq!(solr.state().documents, expected, "others' documents stay");
        assert_eq!(scene.audit("").await.0, Some(0));
    }
}

/// The states of one document arrive in the order of versions, although several requests are in flight.
#[tokio::test]
async fn requests_in_flight_never_share_a_document() {
    let scene = Scene::with(3).await;
    let other = Scene::with(3).await;
    let solr = FakeSolr::start().await;
    let keys = "batch_documents = 1\nparallel_requests = 4";
    scene.configure_with(&[&solr.url], keys, &other.as_second_source());
    scene.harvest().await;
    solr.state().slowness = Some(Duration::from_millis(20));
    let (output, said) = scene.push("").await;
    output.success();
    // Each document is sent twice, once for each source.
    assert_eq!(said["added"], 6);
    let state = solr.state();
    assert_eq!(
        state.most_at_once, 3,
        "different documents go at the same time"
    );
    assert!(!state.met_itself, "the same document never does");
}

/// Without ZooKeeper, two cores swap their names. With it, an alias moves.
#[tokio::test]
async fn a_rebuild_is_swapped_in() {
    for is_cloud in [false, true] {
        let scene = Scene::with(5).await;
        let solr = FakeSolr::start().await;
        if is_cloud {
            let alias = ("biblio".to_owned(), "old".to_owned());
            solr.state().aliases = Some([alias].into());
            solr.state()
                .others
                .insert("old".to_owned(), Documents::new());
        }
        scene.configure(&[&solr.url], "");
        scene.harvest().await;
        scene.push("").await.0.success();
        let live = |solr: &FakeSolr| {
            let state = solr.state();
            let documents = match is_cloud {
                false => &state.documents,
                true => &state.others[&state.aliases.as_ref().unwrap()["biblio"]],
            };
            documents.keys().cloned().collect::<Vec<_>>()
        };
        solr.state()
            .others
            .insert("next".to_owned(), Documents::new());
        let next = solr.url.replace("biblio", "next");
        // The live index is pushed to while the other one is filled.
        scene
            .push(&format!("vufind --target {next}"))
            .await
            .0
            .success();
        scene.delete(0, 20);
        scene.harvest().await;
        scene.push("").await.0.success();
        assert_eq!(live(&solr), ids(1..5));
        let (output, said) = scene.push(&format!("vufind --target {next} --swap")).await;
        output.success();
        assert_eq!((&said["added"], &said["deleted"]), (&json!(0), &json!(1)));
        assert_eq!(live(&solr), ids(1..5));
        scene.update(1, "<title>New</title>", 10);
        scene.harvest().await;
        let (_, said) = scene.push("").await;
        assert_eq!(said["added"], 1, "the position came along");
        let state = solr.state();
        let (new, old) = match is_cloud {
            false => (&state.documents, &state.others["next"]),
            true => (&state.others["next"], &state.others["old"]),
        };
        assert_eq!(new[&id(1)]["title"], "New");
        assert_eq!(old[&id(1)]["title"], "Article 1");
    }
}

/// After a failed swap the rebuild continues. If the result of a swap is unknown, the rebuild starts over.
#[tokio::test]
async fn a_failed_swap_loses_nothing() {
    let scene = Scene::with(3).await;
    let solr = FakeSolr::start().await;
    scene.configure(&[&solr.url], "");
    scene.harvest().await;
    scene.push("").await.0.success();
    // The name is that of the collection itself, so there is no alias to move.
    solr.state().aliases = Some(BTreeMap::new());
    for name in ["biblio", "old", "next"] {
        solr.state()
            .others
            .insert(name.to_owned(), Documents::new());
    }
    let next = solr.url.replace("biblio", "next");
    let swap = format!("vufind --target {next} --swap");
    let (output, said) = scene.push(&swap).await;
    output.failure(1);
    let why = said["why"].as_str().unwrap();
    assert!(why.contains("make an alias of it"), "{why}");
    let aliases = [("biblio".to_owned(), "old".to_owned())];
    solr.state().aliases = Some(aliases.into());
    for refusal in [true, false] {
        solr.state().admin_fails = Some(match refusal {
            true => (400, "{\"error\":{\"msg\":\"no\"}}".to_owned()),
            false => (503, String::new()),
        });
        scene.push(&swap).await.0.failure(1);
        solr.state().admin_fails = None;
        let (output, said) = scene.push(&format!("vufind --target {next}")).await;
        output.success();
        let again = if refusal { 0 } else { 3 };
        assert_eq!(said["added"], again, "after {refusal}");
        assert_eq!(scene.push("").await.1["added"], 0);
    }
    scene.push(&swap).await.0.success();
    assert_eq!(solr.state().aliases.as_ref().unwrap()["biblio"], "next");
}

/// A second swap would undo the first. An index that lost its documents must not replace the live one.
#[tokio::test]
async fn an_index_is_swapped_in_once_and_only_if_it_is_filled() {
    let scene = Scene::with(3).await;
    let solr = FakeSolr::start().await;
    scene.configure(&[&solr.url], "");
    scene.harvest().await;
    scene.push("").await.0.success();
    let empty = |solr: &FakeSolr| {
        let mut state = solr.state();
        state.others.insert("next".to_owned(), Documents::new());
    };
    empty(&solr);
    let target = format!("vufind --target {}", solr.url.replace("biblio", "next"));
    scene.push(&target).await.0.success();
    empty(&solr);
    let (output, said) = scene.push(&format!("{target} --swap")).await;
    output.failure(1);
    let why = said["why"].as_str().unwrap();
    assert!(why.contains("0 documents and the live index 3"), "{why}");
    scene.push(&format!("{target} --all")).await.0.success();
    let marked = ("mark".to_owned(), json!({"id": "mark"}));
    solr.state()
        .others
        .get_mut("next")
        .unwrap()
        .extend([marked]);
    solr.state().admin_is_silent = true;
    let (output, said) = scene.push(&format!("{target} --swap")).await;
    output.failure(1);
    let why = said["why"].as_str().unwrap();
    assert!(
        why.contains("it is not known whether the indices were swapped"),
        "{why}"
    );
    assert!(solr.state().documents.contains_key("mark"), "swapped once");
}

/// If the index refuses the only document that it lacks, the index may be at fault.
#[tokio::test]
async fn repairs_distinguish_a_bad_index_from_a_bad_document() {
    let scene = Scene::with(3).await;
    let solr = FakeSolr::start().await;
    scene.configure(&[&solr.url], "");
    scene.harvest().await;
    scene.push("").await.0.success();
    solr.state().documents.remove(&id(1));
    solr.poison(|_| Some("ERROR: unknown field 'title_full'".to_owned()));
    let output = scene.run("audit vufind --repair").await.failure(1);
    assert!(
        output.stderr.contains("no document was rejected"),
        "{}",
        output.stderr
    );
    assert!(scene.rejected().await.is_empty());
    // Here the document is at fault.
    solr.poison(|document| (document["id"] == json!(id(1))).then(|| "ERROR: no".to_owned()));
    scene.run("audit vufind --repair").await;
    assert_eq!(scene.rejected().await.len(), 1);
}

/// Two outputs can share an index. An audit of one does not report documents of the other as surplus.
#[tokio::test]
async fn audits_leave_the_documents_of_other_outputs_alone() {
    let scene = Scene::with(3).await;
    let other = Scene::with(6).await;
    let solr = FakeSolr::start().await;
    let second = format!(
        "{}\n[[output]]\nname = 'more'\ntype = 'solr'\nurls = ['{}']\nsources = ['other']",
        other.as_second_source(),
        solr.url
    );
    scene.configure_with(&[&solr.url], "sources = ['doaj']", &second);
    scene.harvest().await;
    scene.push("").await.0.success();
    assert_eq!(solr.ids(), ids(0..6));
    let (status, said) = scene.audit("").await;
    assert_eq!(
        (status, &said["surplus"]["count"]),
        (Some(0), &json!(0)),
        "{said}"
    );
    solr.state().documents.insert(id(99), json!({"id": id(99)}));
    let (_, said) = scene.audit("--repair").await;
    assert_eq!(said["surplus"]["examples"], json!([id(99)]));
    assert_eq!(solr.ids(), ids(0..6));
}

#[tokio::test]
async fn check_config_asks_outputs() {
    let scene = Scene::with(0).await;
    let solr = FakeSolr::start().await;
    scene.configure(&[&solr.url], "rename_fields = { series = 'journal' }");
    let output = scene.run("check-config --online").await.failure(1);
    let line = "output vufind: there is no field journal, which documents have";
    assert!(
        output.stdout.lines().any(|shown| shown == line),
        "{}",
        output.stdout
    );
    scene.configure(&[&solr.url], "");
    scene.run("check-config --online").await.success();
    scene.configure(&["http://127.0.0.1:1/solr/biblio"], "");
    scene.run("check-config --online").await.failure(1);
}

/// VuFind's own configuration of its index, if it is there. Its licence does not allow a copy in the
/// project; `tests/solr/conf` has the same fields.
fn vufind_configuration() -> Option<PathBuf> {
    shared_data("solr/vufind-conf")
}

/// The seed record gives the seed document in the index.
async fn the_seed_document_is_stored(solr: &RealSolr) {
    let page = Repository::serving_file(fixture("seed-record.xml"))
        .start()
        .await;
    let scene = Scene::of(page);
    scene.configure(&[&solr.url], "institution = 'Kabale University'");
    scene.run("check-config --online").await.success();
    scene.harvest().await;
    scene.push("").await.0.success();
    let mut documents = solr.documents().await;
    assert_eq!(documents.len(), 1);
    let expected = std::fs::read_to_string(fixture("seed-solr-doc.json")).unwrap();
    let mut expected: Value = serde_json::from_str(&expected).unwrap();
    let mut document = documents.pop_first().unwrap().1;
    for document in [&mut document, &mut expected] {
        document.as_object_mut().unwrap().remove("_version_");
    }
    // `Value` compares objects without their order.
    assert_eq!(document, expected);
}

/// One server for all parts, because its start takes longer than they do.
#[tokio::test]
async fn real_solr_mirrors_the_store() {
    let Some(solr) = RealSolr::start(RealSolr::own_configuration()).await else {
        return;
    };
    the_seed_document_is_stored(&solr).await;
    solr.empty().await;
    it_follows_the_store(&solr).await;
    solr.empty().await;
    a_rebuild_takes_the_place_of_the_index(&solr).await;
    solr.empty().await;
    a_killed_push_loses_and_duplicates_nothing(&solr).await;
}

#[tokio::test]
async fn a_real_cloud_is_swapped_by_an_alias() {
    let Some(solr) = RealSolr::start_cloud(RealSolr::own_configuration()).await else {
        return;
    };
    let scene = Scene::with(5).await;
    let down = "http://127.0.0.1:1/solr/biblio";
    scene.configure(&[down, &solr.url], "version_field = 'version_str'");
    scene.run("check-config --online").await.success();
    scene.harvest().await;
    scene.push("").await.0.success();
    assert_eq!(scene.audit("").await.0, Some(0));
    let next = solr.another_collection("biblio_2").await;
    scene.delete(0, 20);
    scene.harvest().await;
    let swap = format!("vufind --target {next} --swap");
    let (output, said) = scene.push(&swap).await;
    output.success();
    assert_eq!(said["added"], 4, "{said}");
    let held: Vec<String> = solr.documents().await.into_keys().collect();
    assert_eq!(held, ids(1..5));
    let list = "../admin/collections?action=LISTALIASES";
    assert_eq!(solr.post(list, "").await["aliases"]["biblio"], "biblio_2");
    assert_eq!(scene.push("").await.1["added"], 0);
    assert_eq!(scene.audit("").await.0, Some(0));
    // `urls` must name the alias.
    let collection = solr.url.replace("/biblio", "/biblio_1");
    scene.configure(&[&collection], "version_field = 'version_str'");
    let (output, said) = scene.push(&swap).await;
    output.failure(1);
    assert!(
        said["why"]
            .as_str()
            .unwrap()
            .contains("make an alias of it")
    );
}

#[tokio::test]
async fn real_solr_with_the_schema_of_a_catalogue_stores_its_documents() {
    let Some(configuration) = vufind_configuration() else {
        return;
    };
    let Some(solr) = RealSolr::start(configuration).await else {
        return;
    };
    the_seed_document_is_stored(&solr).await;
    solr.empty().await;
    a_page_of_documents_is_stored(&solr).await;
}

async fn a_page_of_documents_is_stored(solr: &RealSolr) {
    let page = Repository::serving_file(fixture("doaj-2017-page.xml"))
        .start()
        .await;
    let scene = Scene::of(page);
    scene.configure(&[&solr.url], "institution = 'Kabale University'");
    scene.harvest().await;
    scene.push("").await.0.success();
    let documents = solr.documents().await;
    let mut compared = 0;
    for line in std::fs::read_to_string(fixture("vufind-docs-2017.jsonl"))
        .unwrap()
        .lines()
    {
        let expected: Value = serde_json::from_str(line).unwrap();
        let posted = expected["doc"].as_object().unwrap();
        let document = &documents[posted["id"][0].as_str().unwrap()];
        is_held(document, posted);
        assert_eq!(document["spelling"], posted["allfields"]);
        compared += 1;
    }
    assert_eq!((compared, documents.len()), (100, 100));
}

/// Panics unless a real index returns all fields that were posted.
fn is_held(document: &Value, posted: &Map<String, Value>) {
    let values = |value: &Value| match value {
        Value::Array(values) => values.clone(),
        one => vec![one.clone()],
    };
    for (name, posted_values) in posted {
        // The schema does not store these.
        if name != "allfields" && name != "publishDateSort" {
            let found = values(&document[name]);
            assert_eq!(found, values(posted_values), "{name} of {}", posted["id"]);
        }
    }
}

async fn it_follows_the_store(solr: &RealSolr) {
    let scene = Scene::with(40).await;
    // The index refuses each of these for another reason.
    let immense = format!("<title>{}</title>", "x".repeat(33_000));
    let two_issns = "<title>t</title><issn>1234-5678</issn><eissn>8765-4321</eissn>";
    let keywords = "<title>t</title><keywords><keyword>k</keyword></keywords>";
    let date = "<title>t</title><publicationDate>Spring</publicationDate>";
    scene.update(5, &immense, 90);
    scene.update(15, two_issns, 80);
    scene.update(25, keywords, 70);
    scene.update(35, date, 60);
    let keys = "batch_documents = 16\nversion_field = 'version_str'\n\
                rename_fields = { issn = 'author_sort_str', topic = 'nowhere', publishDate = 'any_date' }";
    scene.configure(&[&solr.url], keys);
    scene.harvest().await;
    let (output, said) = scene.push("").await;
    output.success();
    assert_eq!(
        (&said["added"], &said["rejected"]),
        (&json!(36), &json!(4)),
        "{said}"
    );
    let rejected = scene.rejected().await;
    for (number, words) in [
        (5, "immense term"),
        (
            15,
            "multiple values encountered for non multiValued field author_sort_str",
        ),
        (25, "unknown field 'nowhere'"),
        (35, "Invalid Date String"),
    ] {
        let reason = &rejected[&id(number)];
        assert!(reason.contains(words), "{number}: {reason}");
    }
    assert_eq!(rejected.len(), 4);
    let expected: Vec<String> = ids((0..40).filter(|number| number % 10 != 5));
    let held: Vec<String> = solr.documents().await.into_keys().collect();
    assert_eq!(held, expected);

    // Deletions, and an audit after documents were added and deleted behind the output's back.
    scene.delete(0, 50);
    scene.harvest().await;
    scene.push("").await.0.success();
    let (status, said) = scene.audit("").await;
    assert_eq!((status, &said["rejected"]), (Some(0), &json!(4)), "{said}");
    solr.post(
        "update?commit=true",
        &format!(
            "{{\"delete\":{{\"id\":\"{}\"}},\"add\":{{\"doc\":{{\"id\":\"{}\"}}}},\
             \"add\":{{\"doc\":{{\"id\":\"{}\",\"version_str\":\"1\"}}}}}}",
            id(1),
            id(77),
            id(2)
        ),
    )
    .await;
    let (status, said) = scene.audit("--repair").await;
    assert_eq!(said["missing"]["examples"], json!([id(1)]), "{said}");
    assert_eq!(said["surplus"]["examples"], json!([id(77)]));
    assert_eq!(said["outdated"]["examples"], json!([id(2)]));
    assert_eq!((status, &said["repaired"]), (Some(0), &json!(3)));
    // Searches do not show the repair yet. The audit must not report that as a difference.
    assert_eq!(scene.audit("").await.0, Some(0));
    let held: Vec<String> = solr.documents().await.into_keys().collect();
    let expected: Vec<String> = expected.into_iter().skip(1).collect();
    assert_eq!(held, expected);
}

async fn a_rebuild_takes_the_place_of_the_index(solr: &RealSolr) {
    let scene = Scene::with(5).await;
    scene.configure(&[&solr.url], "");
    scene.harvest().await;
    scene.push("").await.0.success();
    solr.post(
        "update",
        &format!("{{\"add\":{{\"doc\":{{\"id\":\"{}\"}}}}}}", id(88)),
    )
    .await;
    assert_eq!(solr.documents().await.len(), 6);

    let next = solr.another_core("next").await;
    let (output, said) = scene.push(&format!("vufind --target {next}")).await;
    output.success();
    assert_eq!(said["added"], 5);
    assert_eq!(
        solr.documents().await.len(),
        6,
        "the live index stays as it is"
    );
    // Meanwhile the live index is pushed to, and then the other one before it is swapped in.
    scene.delete(0, 20);
    scene.harvest().await;
    scene.push("").await.0.success();
    let (output, said) = scene.push(&format!("vufind --target {next} --swap")).await;
    output.success();
    assert_eq!(
        (&said["added"], &said["deleted"]),
        (&json!(0), &json!(1)),
        "{said}"
    );
    let held: Vec<String> = solr.documents().await.into_keys().collect();
    assert_eq!(held, ids(1..5));
    // It is the output's index now: nothing is left to be sent, and the rebuild is over.
    let (_, said) = scene.push("").await;
    assert_eq!((&said["added"], &said["deleted"]), (&json!(0), &json!(0)));
    let status = scene.run("status --json").await.success();
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!(status["outputs"].as_array().unwrap().len(), 1);
    scene
        .run(&format!("push vufind --target {}", solr.url))
        .await
        .failure(2);
}

async fn a_killed_push_loses_and_duplicates_nothing(solr: &RealSolr) {
    let scene = Scene::with(100).await;
    scene.configure(&[&solr.url], "batch_documents = 1");
    scene.harvest().await;
    for killed_at in [10, 40, 70] {
        let running = scene.program(&["push", "-q"]).spawn();
        while solr.documents().await.len() < killed_at {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        running.signal("KILL");
        running.wait().await;
    }
    scene.push("").await.0.success();
    let held: Vec<String> = solr.documents().await.into_keys().collect();
    assert_eq!(held, ids(0..100));
    assert_eq!(scene.audit("").await.0, Some(0));
}
