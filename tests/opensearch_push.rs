//! The program against indices of OpenSearch: always an imitated OpenSearch and an imitated Elasticsearch,
//! and the real ones where they can be started.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::Method;
use harvestd::oai::Datestamp;
use serde_json::{Value, json};
use support::model::{Behaviour, Item, Model};
use support::opensearch::{Documents, Real, index_name};
use support::solr::commands;
use support::{FakeOpenSearch, NOW, Output, Program, Repository, TempStore, temp_store};

/// A repository, a store, and an output to an index of its own.
struct Scene {
    repository: Repository,
    store: TempStore,
    index: String,
}

/// Minutes before the repository's now.
fn ago(minutes: i64) -> Datestamp {
    Datestamp::from_unix(NOW - 60 * minutes)
}

fn item(number: usize, title: &str, at: Datestamp) -> Item {
    let metadata = format!("<doajArticle><title>{title}</title></doajArticle>");
    Item {
        identifier: format!("oai:doaj.org/article:{number:03}"),
        datestamp: at,
        set_specs: Vec::new(),
        deleted: false,
        metadata: vec![("oai_doaj".to_owned(), Arc::from(metadata))],
    }
}

/// The document id of [`item`].
fn id(number: usize) -> String {
    format!("doaj-art-{number:03}")
}

fn ids(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(id).collect()
}

fn ids_of(documents: &Documents) -> Vec<String> {
    documents.keys().cloned().collect()
}

fn title(document: &Value) -> &str {
    document["resource"]["titles"][0]["text"].as_str().unwrap()
}

/// Every server that there is to test with.
async fn servers() -> Vec<(&'static str, FakeOpenSearch)> {
    let mut servers = vec![
        ("imitated OpenSearch", FakeOpenSearch::start().await),
        (
            "imitated Elasticsearch",
            FakeOpenSearch::start_as_elasticsearch().await,
        ),
    ];
    servers.extend(real_servers().await);
    servers
}

/// The real ones of them.
async fn real_servers() -> Vec<(&'static str, FakeOpenSearch)> {
    let mut servers = Vec::new();
    for (case, real) in [
        ("real OpenSearch", Real::OpenSearch),
        ("real Elasticsearch", Real::Elasticsearch),
    ] {
        let server = FakeOpenSearch::start_before(real).await;
        servers.extend(server.map(|server| (case, server)));
    }
    servers
}

impl Scene {
    /// A repository with this many articles.
    async fn with(count: usize) -> Self {
        let mut model = Model::new(Behaviour::plain());
        for number in 0..count {
            let title = format!("Article {number}");
            model.insert(item(number, &title, ago(10_000 - number as i64)));
        }
        Self {
            repository: Repository::of(model).start().await,
            store: temp_store(),
            index: index_name(),
        }
    }

    /// Writes the configuration: an output to `urls` with more `keys`, and more tables.
    fn configure_with(&self, urls: &[&str], keys: &str, tables: &str) {
        let config = format!(
            "store = 'harvest.db'\n[[source]]\nname = 'doaj'\nurl = '{}'\n\
             metadata_prefix = 'oai_doaj'\ndelay = '0s'\nretry_pause = '1ms'\n\
             [[output]]\nname = 'index'\ntype = 'opensearch'\nurls = {urls:?}\nindex = '{}'\n\
             retries = 1\nretry_pause = '1ms'\n{keys}\n{tables}\n",
            self.repository.base_url(),
            self.index,
        );
        std::fs::write(self.store.dir().join("harvestd.toml"), config).unwrap();
    }

    fn configure(&self, server: &FakeOpenSearch, keys: &str) {
        self.configure_with(&[&server.url], keys, "");
    }

    fn program(&self, line: &str) -> Program {
        let config = self.store.dir().join("harvestd.toml");
        let mut arguments = vec!["--config", config.to_str().unwrap()];
        arguments.extend(line.split(' '));
        Program::new(&arguments)
    }

    async fn run(&self, line: &str) -> Output {
        self.program(line.trim()).run().await
    }

    async fn harvest(&self) {
        self.run("harvest -q").await.success();
    }

    /// The report of `push --json` with these arguments.
    async fn push(&self, arguments: &str) -> (Output, Value) {
        let output = self.run(&format!("push --json {arguments}")).await;
        let mut said: Value = serde_json::from_str(&output.stdout).expect(&output.stderr);
        (output, said["outputs"][0].take())
    }

    async fn rejected(&self) -> BTreeMap<String, String> {
        let output = self.run("rejected index --json").await.success();
        let said: Value = serde_json::from_str(&output.stdout).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let documents = said["rejected"].as_array().unwrap();
        documents
            .iter()
            .map(|document| (text(&document["document_id"]), text(&document["reason"])))
            .collect()
    }

    async fn audit(&self, arguments: &str) -> (Option<i32>, Value) {
        let output = self.run(&format!("audit index --json {arguments}")).await;
        let said = serde_json::from_str(&output.stdout).expect(&output.stderr);
        (output.status, said)
    }

    /// Changes an article, a minute later for each call with a smaller `minutes`.
    fn update(&self, number: usize, title: &str, minutes: i64) {
        let item = item(number, title, ago(minutes));
        self.repository.with_model(|model| model.insert(item));
    }

    fn delete(&self, number: usize, minutes: i64) {
        let identifier = format!("oai:doaj.org/article:{number:03}");
        self.repository
            .with_model(|model| model.delete(&identifier, ago(minutes)));
    }

    /// Writes to the index as somebody else would, with the index's own versions.
    fn meddle(&self, server: &FakeOpenSearch, lines: &[Value]) {
        let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let path = format!("{}/_bulk", self.index);
        let answer = server.request(Method::POST, &path, &Value::String(lines));
        assert_eq!(answer["errors"], false, "{answer}");
    }

    fn documents(&self, server: &FakeOpenSearch) -> Documents {
        server.documents(&self.index)
    }
}

#[tokio::test]
async fn an_index_follows_the_store() {
    for (case, server) in servers().await {
        let scene = Scene::with(7).await;
        scene.configure(
            &server,
            "batch_documents = 3\nparallel_requests = 1\nuser = 'u'\npassword = 'p'",
        );
        scene.harvest().await;
        scene.push("--dry-run").await.0.success();
        assert_eq!(server.state().asked, [""; 0], "a dry run sends nothing");

        let (output, said) = scene.push("").await;
        output.success();
        assert_eq!(
            (&said["added"], &said["behind"]),
            (&json!(7), &json!(0)),
            "{case}"
        );
        let documents = scene.documents(&server);
        assert_eq!(ids_of(&documents), ids(0..7), "{case}");
        let document = &documents[&id(2)];
        assert_eq!(title(document), "Article 2");
        assert_eq!(document["source"], "doaj");
        assert_eq!(document["identifier"], "oai:doaj.org/article:002");
        assert!(document["version"].as_i64().unwrap() > 0);
        let sizes: Vec<usize> = server.state().bulks.iter().map(Vec::len).collect();
        assert_eq!(sizes, [3, 3, 1]);
        let authorization = server.state().authorization[0].clone();
        assert_eq!(authorization.as_deref(), Some("Basic dTpw"));
        // The index was created with our mapping, under an alias.
        let concrete = format!("{}-1", scene.index);
        let path = format!("{}/_mapping", scene.index);
        let mapping = server.request(Method::GET, &path, &Value::Null);
        let fields = &mapping[&concrete]["mappings"]["properties"];
        assert_eq!(fields["version"]["type"], "long", "{case}: {mapping}");
        let agents = &fields["resource"]["properties"]["agents"];
        assert_eq!(agents["type"], "nested", "{case}");

        // Nothing has changed, so nothing is sent.
        let asked = server.state().asked.len();
        scene.push("").await.0.success();
        assert_eq!(server.state().bulks.len(), 3);
        assert_eq!(server.state().asked.len(), asked);

        scene.update(2, "New", 20);
        scene.delete(3, 19);
        scene.harvest().await;
        let (_, said) = scene.push("").await;
        assert_eq!((&said["added"], &said["deleted"]), (&json!(1), &json!(1)));
        assert_eq!(server.state().bulks[3], ["doaj-art-002", "-doaj-art-003"]);
        let documents = scene.documents(&server);
        assert_eq!(title(&documents[&id(2)]), "New");
        assert_eq!(ids_of(&documents), ids([0, 1, 2, 4, 5, 6]));

        // Everything is sent again: the same documents, and the tombstone.
        let (_, said) = scene.push("--all").await;
        assert_eq!((&said["added"], &said["deleted"]), (&json!(6), &json!(1)));
        assert_eq!(scene.documents(&server), documents, "{case}");
        let status = scene.run("status").await.success();
        assert!(status.stdout.contains("index"), "{}", status.stdout);
    }
}

#[tokio::test]
async fn documents_can_be_those_of_vufind() {
    for (case, server) in servers().await {
        let scene = Scene::with(3).await;
        scene.configure(&server, "document = 'vufind'\ninstitution = 'I'");
        scene.harvest().await;
        scene.push("").await.0.success();
        let output = scene
            .run("export -q --format vufind-json --institution I")
            .await
            .success();
        let exported: Documents = commands(&output.stdout)
            .into_iter()
            .map(|mut command| {
                let document = command["add"]["doc"].take();
                (document["id"].as_str().unwrap().to_owned(), document)
            })
            .collect();
        let mut documents = scene.documents(&server);
        for document in documents.values_mut() {
            let version = document.as_object_mut().unwrap().remove("version");
            assert!(version.unwrap().as_str().unwrap().parse::<i64>().unwrap() > 0);
        }
        assert_eq!(documents, exported, "{case}");
        assert_eq!(scene.audit("").await.0, Some(0), "{case}");
    }
}

#[tokio::test]
async fn a_rejected_document_does_not_delay_the_others() {
    for (case, server) in servers().await {
        let scene = Scene::with(10).await;
        server.state().refused = ids([0, 4, 9]).into_iter().collect();
        scene.configure(&server, "batch_documents = 6");
        scene.harvest().await;
        let (output, said) = scene.push("").await;
        output.success();
        assert_eq!(
            (&said["added"], &said["rejected"]),
            (&json!(7), &json!(3)),
            "{case}"
        );
        let taken = ids([1, 2, 3, 5, 6, 7, 8]);
        assert_eq!(ids_of(&scene.documents(&server)), taken, "{case}");
        let rejected = scene.rejected().await;
        assert_eq!(rejected.keys().cloned().collect::<Vec<_>>(), ids([0, 4, 9]));
        let reason = &rejected[&id(4)];
        assert!(
            reason.contains("failed to parse field [datestamp] of type [date]"),
            "{case}: {reason}"
        );
        // A valid newer version ends a rejection. The others are rejected until they are sent again.
        server.heal();
        scene.update(4, "Mended", 20);
        scene.harvest().await;
        scene.push("").await.0.success();
        assert_eq!(scene.rejected().await.len(), 2, "{case}");
        assert_eq!(scene.push("--retry-rejected").await.1["added"], 2, "{case}");
        assert!(scene.rejected().await.is_empty(), "{case}");
        assert_eq!(ids_of(&scene.documents(&server)), ids(0..10), "{case}");
    }
}

#[tokio::test]
async fn an_index_that_does_not_fit_stops_the_push() {
    for (case, server) in servers().await {
        let scene = Scene::with(40).await;
        server.state().refuses_all = true;
        scene.configure(&server, "");
        scene.harvest().await;
        let (output, said) = scene.push("").await;
        output.failure(1);
        assert_eq!(
            (&said["position"], &said["behind"]),
            (&json!(0), &json!(40)),
            "{case}"
        );
        let why = said["why"].as_str().unwrap();
        assert!(
            why.contains("failed to parse field [datestamp] of type [date]); correct"),
            "{case}: {why}"
        );
        assert!(scene.rejected().await.is_empty(), "{case}");
        server.heal();
        scene.push("").await.0.success();
        assert_eq!(ids_of(&scene.documents(&server)), ids(0..40), "{case}");
    }
}

#[tokio::test]
async fn a_busy_cluster_is_waited_for() {
    for (case, server) in servers().await {
        let scene = Scene::with(5).await;
        {
            let mut state = server.state();
            let busy =
                json!({"error": {"type": "es_rejected_execution_exception", "reason": "full"}});
            state.scripted.push_back((429, busy));
            let errors = [(429, "rejected_execution_exception")];
            state.item_errors.insert(id(1), errors.into());
            let errors = [(503, "unavailable_shards_exception")];
            state.item_errors.insert(id(3), errors.into());
        }
        scene.configure(&server, "");
        scene.harvest().await;
        let (output, said) = scene.push("").await;
        output.success();
        assert_eq!(
            (&said["added"], &said["rejected"]),
            (&json!(5), &json!(0)),
            "{case}"
        );
        assert_eq!(ids_of(&scene.documents(&server)), ids(0..5), "{case}");
        // Only the documents that had to wait were sent again.
        assert_eq!(server.state().bulks[1], ids([1, 3]), "{case}");

        // If it stays busy, the next push continues.
        scene.update(1, "New", 20);
        scene.harvest().await;
        let errors = [(429, "rejected_execution_exception"); 2];
        server.state().item_errors.insert(id(1), errors.into());
        let (output, said) = scene.push("").await;
        output.failure(3);
        let why = said["why"].as_str().unwrap();
        assert!(
            why.contains("rejected_execution_exception"),
            "{case}: {why}"
        );
        scene.push("").await.0.success();
        assert_eq!(title(&scene.documents(&server)[&id(1)]), "New");
    }
}

#[tokio::test]
async fn large_batches_are_divided_and_large_documents_rejected() {
    for (case, server) in servers().await {
        let scene = Scene::with(9).await;
        scene.update(4, &"x".repeat(20_000), 20);
        server.state().most_bytes = Some(2_000);
        scene.configure(&server, "");
        scene.harvest().await;
        let (output, said) = scene.push("").await;
        output.success();
        assert_eq!(
            (&said["added"], &said["rejected"]),
            (&json!(8), &json!(1)),
            "{case}"
        );
        assert!(scene.rejected().await[&id(4)].contains("larger than the server takes"));
        let taken = ids([0, 1, 2, 3, 5, 6, 7, 8]);
        assert_eq!(ids_of(&scene.documents(&server)), taken, "{case}");
    }
}

/// A cluster refuses a whole request for one id that is too long.
#[tokio::test]
async fn a_document_with_a_long_id_is_rejected() {
    for (case, server) in real_servers().await {
        let scene = Scene::with(4).await;
        let mut item = item(2, "Long", ago(20));
        item.identifier = format!("oai:doaj.org/article:{}", "x".repeat(600));
        scene.repository.with_model(|model| model.insert(item));
        scene.configure(&server, "");
        scene.harvest().await;
        let (output, said) = scene.push("").await;
        output.success();
        assert_eq!(
            (&said["added"], &said["rejected"]),
            (&json!(4), &json!(1)),
            "{case}"
        );
        let rejected = scene.rejected().await;
        let reason = rejected.values().next().unwrap();
        assert!(
            reason.contains("no longer than 512 bytes"),
            "{case}: {reason}"
        );
    }
}

/// What the index has decides about a change that is older than the index's version.
#[tokio::test]
async fn older_changes_replace_nothing_newer() {
    for (case, server) in servers().await {
        let scene = Scene::with(5).await;
        scene.configure(&server, "");
        scene.harvest().await;
        scene.push("").await.0.success();
        let right = scene.documents(&server);
        let newest = right[&id(4)]["version"].as_i64().unwrap();
        let newer = json!({"id": id(0), "version": newest + 1, "identifier": "newer"});
        let mut foreign = right[&id(1)].clone();
        foreign["source"] = json!("edited by hand");
        let write = |id: String| json!({"index": {"_id": id}});
        scene.meddle(
            &server,
            &[
                json!({"index": {"_id": id(0), "version": newest + 1, "version_type": "external_gte"}}),
                newer.clone(),
                write(id(1)),
                foreign,
                json!({"delete": {"_id": id(2)}}),
                // Not newer than the store, although newer than the record.
                json!({"index": {"_id": id(3), "version": newest, "version_type": "external_gte"}}),
                json!({"id": id(3), "version": newest}),
            ],
        );
        let (output, said) = scene.push("--all").await;
        output.success();
        assert_eq!(
            (&said["added"], &said["rejected"]),
            (&json!(5), &json!(0)),
            "{case}"
        );
        let mut expected = right;
        expected.insert(id(0), newer);
        assert_eq!(scene.documents(&server), expected, "{case}");
        // A change after that counts.
        scene.update(0, "Newest", 20);
        scene.delete(1, 19);
        scene.harvest().await;
        scene.push("").await.0.success();
        let documents = scene.documents(&server);
        assert_eq!(title(&documents[&id(0)]), "Newest", "{case}");
        assert_eq!(ids_of(&documents), ids([0, 2, 3, 4]), "{case}");
    }
}

#[tokio::test]
async fn audits_find_and_repair_differences() {
    for (case, server) in servers().await {
        let scene = Scene::with(6).await;
        scene.configure(&server, "");
        scene.harvest().await;
        let early = scene.run("audit index").await.failure(1);
        assert!(early.stderr.contains("push first"), "{}", early.stderr);
        scene.push("").await.0.success();
        let (status, said) = scene.audit("").await;
        assert_eq!(status, Some(0), "{case}: {said}");
        let right = scene.documents(&server);

        // Changes that are still to be pushed are no differences.
        scene.update(5, "Later", 20);
        scene.harvest().await;
        let (status, said) = scene.audit("").await;
        assert_eq!((status, &said["pending"]), (Some(0), &json!(1)), "{said}");

        let write = |id: &str| json!({"index": {"_id": id}});
        let other = |id: &str, version: i64| json!({"id": id, "version": version});
        // Somebody else's versions, and one that the store has not reached.
        scene.meddle(
            &server,
            &[
                json!({"delete": {"_id": id(1)}}),
                write(&id(2)),
                other(&id(2), 1),
                json!({"index": {"_id": id(3), "version": i64::MAX - 5, "version_type": "external_gte"}}),
                other(&id(3), i64::MAX - 5),
                write(&id(99)),
                other(&id(99), 7),
                write("b1"),
                other("b1", 7),
            ],
        );
        let (status, said) = scene.audit("").await;
        assert_eq!(status, Some(3), "{case}: {said}");
        assert_eq!(said["missing"]["examples"], json!([id(1)]), "{case}");
        assert_eq!(said["outdated"]["examples"], json!(ids([2, 3])), "{case}");
        assert_eq!(said["surplus"]["examples"], json!([id(99)]), "{case}");
        let (status, said) = scene.audit("--repair").await;
        assert_eq!(
            (status, &said["repaired"]),
            (Some(0), &json!(4)),
            "{case}: {said}"
        );
        let mut expected = right;
        expected.insert("b1".to_owned(), other("b1", 7));
        assert_eq!(scene.documents(&server), expected, "{case}: others stay");
        assert_eq!(scene.audit("").await.0, Some(0), "{case}");
        scene.push("").await.0.success();
        assert_eq!(title(&scene.documents(&server)[&id(5)]), "Later");
        assert!(
            server.state().points.is_empty(),
            "points in time are closed"
        );
    }
}

/// A point in time can be lost between two pages.
#[tokio::test]
async fn an_audit_reads_many_pages_and_survives_a_lost_point_in_time() {
    let scene = Scene::with(3).await;
    let server = FakeOpenSearch::start().await;
    scene.configure(&server, "");
    scene.harvest().await;
    scene.push("").await.0.success();
    let lines: Vec<Value> = (0..12_000)
        .flat_map(|number| {
            let id = format!("doaj-art-x{number:05}");
            [
                json!({"index": {"_id": id}}),
                json!({"id": id, "version": 1}),
            ]
        })
        .collect();
    scene.meddle(&server, &lines);
    let (_, said) = scene.audit("").await;
    assert_eq!(
        (&said["documents"], &said["surplus"]["count"]),
        (&json!(12_003), &json!(12_000))
    );
    assert_eq!(server.state().points_opened, 1);
    server.state().loses_points = true;
    let (_, said) = scene.audit("").await;
    assert_eq!(
        (&said["documents"], &said["surplus"]["count"]),
        (&json!(12_003), &json!(12_000))
    );
    assert!(server.state().points_opened > 2);
}

/// A document belongs to every source that has its record. It is deleted with the last of them, and goes
/// back to an older record meanwhile.
#[tokio::test]
async fn a_document_of_two_sources_stays_until_both_delete_it() {
    for (case, server) in servers().await {
        let scene = Scene::with(2).await;
        let other = Scene::with(1).await;
        let second = format!(
            "[[source]]\nname = 'other'\nurl = '{}'\nmetadata_prefix = 'oai_doaj'\ndelay = '0s'\n\
             retry_pause = '1ms'",
            other.repository.base_url()
        );
        scene.configure_with(&[&server.url], "", &second);
        scene.harvest().await;
        scene.update(0, "Newer", 30);
        scene.harvest().await;
        scene.push("").await.0.success();
        assert_eq!(title(&scene.documents(&server)[&id(0)]), "Newer", "{case}");
        scene.delete(0, 20);
        scene.harvest().await;
        scene.push("").await.0.success();
        let documents = scene.documents(&server);
        assert_eq!(ids_of(&documents), ids(0..2), "{case}");
        assert_eq!(title(&documents[&id(0)]), "Article 0", "{case}");
        assert_eq!(documents[&id(0)]["source"], "other", "{case}");
        assert_eq!(scene.audit("").await.0, Some(0), "{case}");
        other.delete(0, 20);
        scene.harvest().await;
        scene.push("").await.0.success();
        assert_eq!(ids_of(&scene.documents(&server)), ids([1]), "{case}");
        assert_eq!(scene.audit("").await.0, Some(0), "{case}");
    }
}

#[tokio::test]
async fn the_next_address_is_asked_when_one_is_down() {
    for (case, server) in servers().await {
        let scene = Scene::with(2).await;
        let down = FakeOpenSearch::start().await;
        down.state().is_down = true;
        scene.configure_with(&["http://127.0.0.1:1", &down.url, &server.url], "", "");
        scene.harvest().await;
        scene.push("").await.0.success();
        assert_eq!(ids_of(&scene.documents(&server)), ids(0..2), "{case}");
    }
}

#[tokio::test]
async fn a_rebuild_is_swapped_in() {
    for (case, server) in servers().await {
        let scene = Scene::with(5).await;
        scene.configure(&server, "");
        scene.harvest().await;
        scene.push("").await.0.success();
        let name = format!("{}-next", scene.index);
        let target = format!("index --target {}/{name}", server.url);
        // The live index is pushed to while the other one is filled.
        scene.push(&target).await.0.success();
        assert_eq!(ids_of(&server.documents(&name)), ids(0..5), "{case}");
        scene.delete(0, 20);
        scene.harvest().await;
        scene.push("").await.0.success();
        server.state().loses_swap = true;
        let (output, said) = scene.push(&format!("{target} --swap")).await;
        output.success();
        assert_eq!(
            (&said["added"], &said["deleted"]),
            (&json!(0), &json!(1)),
            "{case}"
        );
        assert_eq!(ids_of(&scene.documents(&server)), ids(1..5), "{case}");
        scene.update(1, "New", 10);
        scene.harvest().await;
        let (_, said) = scene.push("").await;
        assert_eq!(said["added"], 1, "the position came along");
        assert_eq!(title(&server.documents(&name)[&id(1)]), "New", "{case}");
        let old = server.documents(&format!("{}-1", scene.index));
        assert_eq!(title(&old[&id(1)]), "Article 1", "{case}");
        assert_eq!(scene.audit("").await.0, Some(0), "{case}");
    }
}

#[tokio::test]
async fn what_cannot_be_swapped_stays() {
    for (case, server) in servers().await {
        let scene = Scene::with(3).await;
        // Somebody has made an index of the configured name.
        server.request(Method::PUT, &scene.index, &json!({}));
        scene.configure(&server, "");
        scene.harvest().await;
        scene.push("").await.0.success();
        let name = format!("{}-next", scene.index);
        let swap = format!("index --target {}/{name} --swap", server.url);
        let (output, said) = scene.push(&swap).await;
        output.failure(1);
        let why = said["why"].as_str().unwrap();
        assert!(why.contains("cannot give away its name"), "{case}: {why}");
        // An index that has lost its documents must not replace the live one.
        let fresh = Scene::with(3).await;
        fresh.configure(&server, "");
        fresh.harvest().await;
        fresh.push("").await.0.success();
        let name = format!("{}-next", fresh.index);
        let target = format!("index --target {}/{name}", server.url);
        fresh.push(&target).await.0.success();
        server.request(Method::DELETE, &name, &Value::Null);
        let (output, said) = fresh.push(&format!("{target} --swap")).await;
        output.failure(1);
        let why = said["why"].as_str().unwrap();
        assert!(why.contains("not swapped"), "{case}: {why}");
        let elsewhere = "index --target http://127.0.0.1:1/other --swap";
        fresh.push(elsewhere).await;
        assert_eq!(ids_of(&fresh.documents(&server)), ids(0..3), "{case}");
    }
}

/// An index that has disappeared is not silently replaced by one with the newest changes alone.
#[tokio::test]
async fn an_index_that_has_disappeared_stops_the_push() {
    for (case, server) in servers().await {
        let scene = Scene::with(3).await;
        scene.configure(&server, "");
        scene.harvest().await;
        scene.push("").await.0.success();
        let concrete = format!("{}-1", scene.index);
        server.request(Method::DELETE, &concrete, &Value::Null);
        scene.update(1, "New", 20);
        scene.harvest().await;
        let (output, said) = scene.push("").await;
        output.failure(1);
        let why = said["why"].as_str().unwrap();
        assert!(
            why.contains("disappeared") && why.contains("--all"),
            "{case}: {why}"
        );
        assert!(scene.documents(&server).is_empty(), "{case}");
        scene.push("--all").await.0.success();
        assert_eq!(ids_of(&scene.documents(&server)), ids(0..3), "{case}");
    }
}

#[tokio::test]
async fn a_killed_push_loses_and_duplicates_nothing() {
    for (case, server) in servers().await {
        let scene = Scene::with(40).await;
        scene.configure(&server, "batch_documents = 3");
        scene.harvest().await;
        for batches in [0, 2, 5] {
            server.state().hangs = true;
            server.state().outage = Some((batches, 0.7));
            let running = scene.program("push -q").spawn();
            server.hung().await;
            running.kill().await;
        }
        server.state().hangs = false;
        scene.delete(0, 20);
        scene.update(20, "New", 19);
        scene.harvest().await;
        scene.push("").await.0.success();
        let documents = scene.documents(&server);
        assert_eq!(ids_of(&documents), ids(1..40), "{case}");
        assert_eq!(title(&documents[&id(20)]), "New", "{case}");
        assert_eq!(scene.audit("").await.0, Some(0), "{case}");
    }
}

#[tokio::test]
async fn check_config_asks_outputs() {
    for (case, server) in servers().await {
        let scene = Scene::with(1).await;
        scene.configure(&server, "");
        // The first push creates the index.
        scene.run("check-config --online").await.success();
        scene.harvest().await;
        scene.push("").await.0.success();
        scene.run("check-config --online").await.success();
        // Documents of the other kind do not fit.
        let bad = Scene::with(0).await;
        let mapping = json!({"mappings": {"dynamic": "strict", "properties": {
            "id": {"type": "text"}, "version": {"type": "long"},
            "resource": {"type": "keyword"}, "datestamp": {"type": "date"},
        }}});
        server.request(Method::PUT, &bad.index, &mapping);
        bad.configure(&server, "");
        let output = bad.run("check-config --online").await.failure(1);
        for expected in [
            "output index: field id is text; audits need it as keyword",
            "output index: field resource is keyword, and documents have objects in it",
            "output index: there is no field source, which documents have, and the mapping is strict",
        ] {
            assert!(
                output.stdout.lines().any(|line| line == expected),
                "{case}: {expected}: {}",
                output.stdout
            );
        }
    }
    let scene = Scene::with(0).await;
    scene.configure_with(&["http://127.0.0.1:1"], "", "");
    scene.run("check-config --online").await.failure(1);
}
