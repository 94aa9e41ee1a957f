//! Outputs of works: one document for all records that describe one.

use harvestd::demo::{Behaviour, Model, Sample, Size, articles};
use serde_json::json;

use super::support::{FakeSolr, Repository};
use super::{Scene, ago, id, ids};

/// What both sources describe.
fn sample(number: usize) -> Sample {
    articles(number + 1, 7, Size::Demo).nth(number).unwrap()
}

/// The record of a work in one of the sources, whose numbers differ by a hundred.
fn put(scene: &Scene, work: usize, number: usize, minutes: i64) {
    let mut sample = sample(work);
    sample.identifier = format!("oai:doaj.org/article:{number:03}");
    let item = sample.into_item(ago(minutes), &["oai_doaj"]);
    scene.repository.with_model(|model| model.insert(item));
}

/// Two sources with so many works in common; the first is preferred.
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

    // The preferred record goes, and the other one stands for the work; then it comes back.
    scene.delete(0, 100);
    agrees(ids([1, 2, 3, 100])).await;
    put(&scene, 0, 0, 90);
    agrees(ids(0..4)).await;
    // A change of the one that does not stand for it is no change of the document.
    let before = solr.state().documents.clone();
    other.delete(101, 80);
    scene.harvest().await;
    scene.push("").await.0.success();
    assert_eq!(solr.state().documents[&id(2)], before[&id(2)]);
    put(&other, 1, 101, 70);
    agrees(ids(0..4)).await;

    // Two works after all, and one again.
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

    // Everything again leaves all as it is, and so does another preference there and back.
    let before = solr.ids();
    scene.push("--all").await.0.success();
    assert_eq!(solr.ids(), before);
    let other_first = format!("{tables}sources = ['other', 'doaj']\n");
    scene.configure_with(&[&solr.url], keys, &other_first);
    agrees(ids(100..104)).await;
    scene.configure_with(&[&solr.url], keys, &tables);
    agrees(ids(0..4)).await;

    // An audit knows that a record which does not stand for its work has no document.
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

    // Records instead of works: all of them.
    scene.configure_with(&[&solr.url], "", &tables);
    scene.push("").await.0.success();
    assert_eq!(solr.ids(), ids((0..4).chain(100..104)));
}

/// A record that both sources have under one identifier is one document, whichever stands for it.
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

/// What was set aside is so no longer once its record stands for nothing.
#[tokio::test]
async fn what_was_set_aside_follows_its_work() {
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

/// Works need clusters: the configuration says so before anything else does.
#[tokio::test]
async fn works_need_clusters() {
    let (scene, _other) = two_sources(1).await;
    let solr = FakeSolr::start().await;
    scene.configure(&[&solr.url], "per = 'cluster'");
    let output = scene.run("check-config").await.failure(2);
    let words = "\"cluster\" needs enabled = true under [dedup]";
    assert!(output.stderr.contains(words), "{}", output.stderr);

    // Clusters that are due are no reason to send anything wrong, nor to give up.
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
