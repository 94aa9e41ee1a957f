//! Outputs of works: one document for all records that describe one.

use harvestd::demo::{Sample, Size, articles};
use serde_json::json;

use super::support::model::{Behaviour, Model};
use super::support::{FakeSolr, Repository};
use super::{Scene, ago, id, ids, item, plain};

/// An article that both sources can describe.
fn sample(number: usize) -> Sample {
    articles(number + 1, 7, Size::Demo).nth(number).unwrap()
}

/// Stores the record of a work in a source. The numbers of the two sources differ by a hundred.
fn put(scene: &Scene, work: usize, number: usize, minutes: i64) {
    let mut sample = sample(work);
    sample.identifier = format!("oai:doaj.org/article:{number:03}");
    let item = sample.into_item(ago(minutes), &["oai_doaj"]);
    scene.repository.with_model(|model| model.insert(item));
}

/// Two sources that share this many works. The first source is preferred.
async fn two_sources(works: usize) -> (Scene, Scene) {
    let mut scenes = Vec::new();
    for _ in 0..2 {
        let model = Model::new(Behaviour::plain());
        scenes.push(Scene::of(Repository::of(model).start().await));
    }
    for work in 0..works {
        put(&scenes[0], work, work, 10_000 - work as i64);
        put(&scenes[1], work, 100 + work, 9_000 - work as i64);
    }
    let other = scenes.pop().unwrap();
    (scenes.pop().unwrap(), other)
}

const DEDUP: &str = "[dedup]\nenabled = true\n";

#[tokio::test]
async fn a_work_is_one_document() {
    let (scene, other) = two_sources(4).await;
    let solr = FakeSolr::start().await;
    let tables = format!("{}\n{DEDUP}", other.as_second_source());
    let keys = "per = 'cluster'\nversion_field = 'version_str'\nbatch_documents = 3";
    scene.configure_with(&[&solr.url], keys, &tables);
    let agrees = async |expected: Vec<String>| {
        scene.harvest().await;
        scene.push("").await.0.success();
        assert_eq!(solr.ids(), expected);
        let mut held = solr.state().documents.clone();
        for document in held.values_mut() {
            document.as_object_mut().unwrap().remove("version_str");
        }
        assert_eq!(held, scene.exported("--per cluster").await);
        let (status, said) = scene.audit("").await;
        assert_eq!(
            (status, &said["records"]),
            (Some(0), &json!(expected.len())),
            "{said}"
        );
    };
    agrees(ids(0..4)).await;

    // The preferred record is deleted, so the other one gives the document. Then it returns.
    scene.delete(0, 100);
    agrees(ids([1, 2, 3, 100])).await;
    put(&scene, 0, 0, 90);
    agrees(ids(0..4)).await;
    // A change of the record that is not preferred does not change the document.
    let before = solr.state().documents.clone();
    other.delete(101, 80);
    scene.harvest().await;
    scene.push("").await.0.success();
    assert_eq!(solr.state().documents[&id(2)], before[&id(2)]);
    put(&other, 1, 101, 70);
    agrees(ids(0..4)).await;

    // A decision makes two works of it, and another one makes one work again.
    let pair = format!(
        "oai:doaj.org/article:{:03} oai:doaj.org/article:{:03}",
        2, 102
    );
    scene
        .run(&format!("dedup split {pair} --who tester --why test"))
        .await
        .success();
    agrees(ids([0, 1, 2, 3, 102])).await;
    scene
        .run(&format!("dedup join {pair} --who tester --why test"))
        .await
        .success();
    agrees(ids(0..4)).await;

    // To send everything again changes nothing, and so does another preference that is then undone.
    let before = solr.ids();
    scene.push("--all").await.0.success();
    assert_eq!(solr.ids(), before);
    let other_first = format!("{tables}sources = ['other', 'doaj']\n");
    scene.configure_with(&[&solr.url], keys, &other_first);
    agrees(ids(100..104)).await;
    scene.configure_with(&[&solr.url], keys, &tables);
    agrees(ids(0..4)).await;

    // An audit expects no document of a record that is not preferred.
    let surplus = solr.state().documents[&id(3)].clone();
    solr.state().documents.remove(&id(0));
    solr.state().documents.insert(id(103), {
        let mut surplus = surplus;
        surplus["id"] = json!(id(103));
        surplus
    });
    let (status, said) = scene.audit("--repair").await;
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(said["missing"]["examples"], json!([id(0)]));
    assert_eq!(said["surplus"]["examples"], json!([id(103)]));
    agrees(ids(0..4)).await;

    // An output of records instead of works has all of them.
    scene.configure_with(&[&solr.url], "", &tables);
    scene.push("").await.0.success();
    assert_eq!(solr.ids(), ids((0..4).chain(100..104)));
}

/// If both sources have a record under one identifier, there is one document, whichever is preferred.
#[tokio::test]
async fn one_identifier_in_two_sources_is_one_document() {
    let (scene, other) = two_sources(0).await;
    for scene in [&scene, &other] {
        put(scene, 0, 0, 100);
    }
    let solr = FakeSolr::start().await;
    let tables = format!("{}\n{DEDUP}", other.as_second_source());
    scene.configure_with(&[&solr.url], "per = 'cluster'", &tables);
    for (left, expected) in [
        (None, ids([0])),
        (Some(&scene), ids([0])),
        (Some(&other), ids([])),
    ] {
        if let Some(left) = left {
            left.delete(0, 20);
        }
        scene.harvest().await;
        scene.push("").await.0.success();
        assert_eq!(solr.ids(), expected);
        assert_eq!(scene.audit("").await.0, Some(0));
    }
}

/// A document is no longer rejected once its record is not preferred any more.
#[tokio::test]
async fn a_rejected_document_follows_its_work() {
    let (scene, other) = two_sources(2).await;
    let solr = FakeSolr::start().await;
    solr.poison(|document| {
        let bad = document["id"] == id(100).as_str();
        bad.then(|| format!("ERROR: [doc={}] no", id(100)))
    });
    let tables = format!("{}\n{DEDUP}", other.as_second_source());
    scene.configure_with(&[&solr.url], "per = 'cluster'", &tables);
    scene.delete(0, 100);
    scene.harvest().await;
    scene.push("").await.0.success();
    assert_eq!(
        scene.rejected().await.into_keys().collect::<Vec<_>>(),
        ids([100])
    );
    assert_eq!(solr.ids(), ids([1]));
    scene.push("--retry-rejected").await.0.success();
    assert_eq!(scene.rejected().await.len(), 1);
    put(&scene, 0, 0, 50);
    scene.harvest().await;
    scene.push("").await.0.success();
    assert!(scene.rejected().await.is_empty());
    assert_eq!(solr.ids(), ids(0..2));
}

/// Outputs of works need clusters: the configuration is refused without them.
#[tokio::test]
async fn works_need_clusters() {
    let (scene, _other) = two_sources(1).await;
    let solr = FakeSolr::start().await;
    scene.configure(&[&solr.url], "per = 'cluster'");
    let output = scene.run("check-config").await.failure(2);
    let words = "\"cluster\" needs enabled = true under [dedup]";
    assert!(output.stderr.contains(words), "{}", output.stderr);

    // While a rebuild of clusters is due, a push sends nothing and is incomplete.
    scene.configure(&[&solr.url], "");
    scene.harvest().await;
    scene.configure_with(&[&solr.url], "per = 'cluster'", DEDUP);
    let (output, said) = scene.push("").await;
    output.failure(3);
    assert!(
        said["why"].as_str().unwrap().contains("dedup rebuild"),
        "{said}"
    );
    assert!(solr.ids().is_empty());
    scene.harvest().await;
    scene.push("").await.0.success();
    assert_eq!(solr.ids(), ids([0]));
}

/// An output limited to sets follows records into the sets and out of them. Another selection of sets
/// sends everything again. Exports have the same records.
#[tokio::test]
async fn sets_select_the_documents() {
    let scene = Scene::with(0).await;
    let put = |number: usize, sets: &[&str], minutes: i64| {
        let mut item = item(number, &plain(number), ago(minutes));
        item.set_specs = sets.iter().map(|set| (*set).to_owned()).collect();
        scene.repository.with_model(|model| model.insert(item));
    };
    put(0, &["a"], 900);
    put(1, &["a:b"], 899);
    put(2, &["ab"], 898);
    put(3, &[], 897);
    let solr = FakeSolr::start().await;
    let path = scene.store.dir().join("all.json");
    scene.configure(&[&solr.url], "sets = { doaj = 'a' }");
    scene.harvest().await;
    let agrees = async |set: &str, expected: Vec<String>| {
        scene.push("").await.0.success();
        assert_eq!(solr.ids(), expected);
        let exported = scene.exported(&format!("--set doaj/{set}")).await;
        assert_eq!(exported.into_keys().collect::<Vec<_>>(), expected);
        let (status, said) = scene.audit("").await;
        assert_eq!(status, Some(0), "{said}");
        assert_eq!(said["pending"], json!(0), "{said}");
    };
    agrees("a", ids([0, 1])).await;
    let mut sent = solr.state().updates.concat();
    sent.sort();
    assert_eq!(sent, ids([0, 1]), "an empty index has nothing to delete");

    // A record enters the set, one leaves it, and one is deleted while in no set.
    put(0, &["ab"], 50);
    put(3, &["c", "a:b:d"], 49);
    scene.delete(2, 48);
    scene.harvest().await;
    let (status, said) = scene.audit("").await;
    assert_eq!(
        status,
        Some(0),
        "what is still to be pushed is no fault: {said}"
    );
    agrees("a", ids([1, 3])).await;
    let since = "export --set doaj/a --format vufind-json --since 1";
    let changes = scene.run(since).await.success().stdout;
    assert!(
        !changes.contains("delete"),
        "it never knew of them: {changes}"
    );

    // With another set everything is sent again, and documents of other records are deleted.
    scene.configure(&[&solr.url], "sets = { doaj = ['ab', 'a:b:d'] }");
    let (_, said) = scene.push("").await;
    assert_eq!(said["starts_over"], json!(true), "{said}");
    assert_eq!(solr.ids(), ids([0, 3]));
    assert_eq!(scene.audit("").await.0, Some(0));

    // A rebuild has the same documents.
    let other = solr.url.replace("biblio", "next");
    solr.state()
        .others
        .insert("next".to_owned(), Default::default());
    scene
        .run(&format!("push vufind --all --target {other}"))
        .await
        .success();
    assert_eq!(
        solr.state().others["next"]
            .keys()
            .cloned()
            .collect::<Vec<_>>(),
        ids([0, 3])
    );

    // A scheduled file and its variable.
    let export = format!("[[export]]\nname = 'all'\npath = {path:?}\nsets = {{ doaj = 'a' }}");
    for (keys, message) in [
        (
            "sources = ['doaj']\nsets = { doaj = 'a' }",
            "doaj stands in sources too",
        ),
        ("sets = { doja = 'a' }", "did you mean doaj?"),
        ("sets = { doaj = [] }", "must have at least one setSpec"),
        ("sets = { doaj = 'a::b' }", "is not a setSpec"),
    ] {
        scene.configure_with(&[&solr.url], keys, &export);
        let said = scene.run("check-config").await;
        assert_eq!(said.status, Some(2), "{keys}");
        assert!(said.stderr.contains(message), "{keys}: {}", said.stderr);
    }
}

/// Documents of works are enriched as exports are. A change of an added value is sent, and an audit by
/// version finds no difference.
#[tokio::test]
async fn works_are_enriched_from_their_other_records() {
    let (scene, other) = two_sources(3).await;
    let solr = FakeSolr::start().await;
    let tables = format!(
        "{}\n{DEDUP}enrich = ['keywords']\n",
        other.as_second_source()
    );
    let keys = "per = 'cluster'\nversion_field = 'harvestd_version_str'";
    scene.configure_with(&[&solr.url], keys, &tables);
    let keyword = |scene: &Scene, work: usize, number: usize, words: Option<&str>, minutes: i64| {
        let mut item = sample(work).into_item(ago(minutes), &["oai_doaj"]);
        item.identifier = format!("oai:doaj.org/article:{number:03}");
        let metadata = &mut item.metadata[0].1;
        let (begin, end) = ("<oai_doaj:keywords>", "</oai_doaj:keywords>");
        let (head, rest) = metadata.split_once(begin).unwrap();
        let (_, tail) = rest.split_once(end).unwrap();
        let words = words.map_or_else(String::new, |word| {
            format!("{begin}<oai_doaj:keyword>{word}</oai_doaj:keyword>{end}")
        });
        *metadata = format!("{head}{words}{tail}").into();
        scene.repository.with_model(|model| model.insert(item));
    };
    let agrees = async |topic: &str| {
        scene.harvest().await;
        if !solr.ids().is_empty() {
            let (status, said) = scene.audit("").await;
            assert_eq!(
                status,
                Some(0),
                "what is still to be pushed is no fault: {said}"
            );
        }
        scene.push("").await.0.success();
        let exported = scene.exported("--per cluster --enrich keywords").await;
        let mut sent = solr.state().documents.clone();
        for document in sent.values_mut() {
            let version = document
                .as_object_mut()
                .unwrap()
                .remove("harvestd_version_str");
            assert!(version.is_some());
        }
        assert_eq!(sent, exported);
        assert_eq!(sent[&id(0)]["topic"], json!([topic]));
        let (status, said) = scene.audit("").await;
        assert_eq!(
            (status, &said["outdated"]["count"]),
            (Some(0), &json!(0)),
            "{said}"
        );
    };
    keyword(&scene, 0, 0, None, 500);
    keyword(&other, 0, 100, Some("first"), 499);
    agrees("first").await;
    keyword(&other, 0, 100, Some("second"), 400);
    agrees("second").await;
    keyword(&scene, 0, 0, Some("own"), 300);
    agrees("own").await;

    // An audit finds a document without the change.
    keyword(&scene, 0, 0, None, 200);
    keyword(&other, 0, 100, Some("third"), 199);
    let old = solr.state().documents[&id(0)].clone();
    agrees("third").await;
    solr.state().documents.insert(id(0), old);
    let (_, said) = scene.audit("--repair").await;
    assert_eq!(said["outdated"]["examples"], json!([id(0)]), "{said}");
    agrees("third").await;
}
