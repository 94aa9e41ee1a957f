//! Sources with document options of their own that go to one index.

use serde_json::{Value, json};

use super::support::FakeSolr;
use super::support::solr::commands;
use super::{Scene, id, ids};

/// Two sources with the same identifiers, each with its own ids, institution and collection.
async fn two_sources(solr: &FakeSolr) -> Scene {
    let scene = Scene::with(3).await;
    let tables = format!(
        "{}\nid_prefix = 'other-'\ninstitution = 'Other'\ncollection = ''\n\
         [vufind]\ninstitution = 'Ours'\ncollection = 'Articles'\n",
        scene.as_second_source()
    );
    scene.configure_with(&[&solr.url], "", &tables);
    scene.harvest().await;
    scene
}

fn other(number: usize) -> String {
    format!("other-{}", id(number))
}

fn others(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(other).collect()
}

#[tokio::test]
async fn sources_have_their_own_documents() {
    let solr = FakeSolr::start().await;
    let scene = two_sources(&solr).await;
    let (output, first) = scene.push("").await;
    output.success();
    assert_eq!(solr.ids(), [ids(0..3), others(0..3)].concat());
    {
        let documents = &solr.state().documents;
        let (ours, theirs) = (&documents[&id(1)], &documents[&other(1)]);
        for (document, field, value) in [
            (ours, "institution", json!("Ours")),
            (ours, "collection", json!("Articles")),
            (theirs, "institution", json!("Other")),
            (theirs, "collection", Value::Null),
        ] {
            // Fields with one value are lists too.
            let shown = match &document[field] {
                Value::Array(values) => values[0].clone(),
                one => one.clone(),
            };
            assert_eq!(shown, value, "{field} of {}", document["id"]);
        }
        assert_eq!(ours["title"], theirs["title"]);
    }
    assert_eq!(scene.exported("").await, solr.state().documents);

    // Only one of the sources deletes the record: the document of the other stays.
    scene.delete(1, 20);
    scene.run("harvest -q doaj").await.success();
    let since = first["position"].to_string();
    let line = format!("export -q --format vufind-json --since {since}");
    let changes = scene.run(&line).await.success();
    assert_eq!(
        commands(&changes.stdout),
        [json!({"delete": {"id": id(1)}})]
    );
    scene.push("").await.0.success();
    assert_eq!(solr.ids(), [ids([0, 2]), others(0..3)].concat());
    scene.run("harvest -q other").await.success();
    scene.push("").await.0.success();
    assert_eq!(solr.ids(), [ids([0, 2]), others([0, 2])].concat());
}

#[tokio::test]
async fn audits_know_the_documents_of_each_source() {
    let solr = FakeSolr::start().await;
    let scene = two_sources(&solr).await;
    scene.push("").await.0.success();
    let (status, said) = scene.audit("").await;
    assert_eq!((status, &said["documents"]), (Some(0), &json!(6)), "{said}");
    let right = solr.state().documents.clone();
    {
        let mut state = solr.state();
        state.documents.remove(&other(1));
        state.documents.get_mut(&other(2)).unwrap()["title_full"] = json!("Old");
        state.documents.insert(other(9), json!({"id": other(9)}));
    }
    let (status, said) = scene.audit("--repair").await;
    assert_eq!((status, &said["repaired"]), (Some(0), &json!(3)), "{said}");
    assert_eq!(said["missing"]["examples"], json!([other(1)]));
    assert_eq!(said["outdated"]["examples"], json!([other(2)]));
    assert_eq!(said["surplus"]["examples"], json!([other(9)]));
    assert_eq!(solr.state().documents, right);
}

#[tokio::test]
async fn document_ids_lead_back_to_their_source() {
    let solr = FakeSolr::start().await;
    let scene = two_sources(&solr).await;
    for (id, source, institution) in [(id(0), "doaj", "Ours"), (other(0), "other", "Other")] {
        let shown = scene.run(&format!("show {id} --json")).await.success();
        let lines: Vec<Value> = shown
            .stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let sources: Vec<&Value> = lines.iter().map(|line| &line["source"]).collect();
        assert_eq!(sources, [&json!(source)], "{id}");
        let document = scene.run(&format!("show {id} --format vufind-json")).await;
        let document = &commands(&document.success().stdout)[0]["add"]["doc"];
        assert_eq!(document["id"], *id);
        let text = document["institution"].to_string();
        assert!(text.contains(institution), "{text}");
    }
}
