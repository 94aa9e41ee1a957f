//! `per = "cluster"`: an item is a work, and what becomes of it when its records join, split and go.

use std::collections::BTreeMap;

use harvestd::oai::Record;
use harvestd::provider::ErrorCode;
use harvestd::store::{ClusterState, Clustering, Per, StoreError};

use super::lists::Harvester;
use super::support::harvestd;
use super::world::{BEGIN, World, gone, of};

pub(super) fn clustering(order: &[&str]) -> Clustering {
    Clustering {
        enabled: true,
        sources: order.iter().map(|name| (*name).to_owned()).collect(),
        ..Clustering::default()
    }
}

/// A store in which records with one DOI are one work, those of the source `a` first.
pub(super) fn world() -> World {
    let mut world = World::new();
    let state = world
        .store
        .set_clustering(&clustering(&["a", "b"]))
        .unwrap();
    assert_eq!(state, ClusterState::Current);
    world.settings.filter.per = Per::Cluster;
    world
}

/// A record that describes a work.
pub(super) fn copy(identifier: &str, sets: &[&str], work: usize, state: usize) -> Record {
    let metadata = format!(
        "<oai_dc:dc xmlns:oai_dc=\"http://www.openarchives.org/OAI/2.0/oai_dc/\" \
         xmlns:dc=\"http://purl.org/dc/elements/1.1/\">\
         <dc:title>A study of the works of number {work} and their copies</dc:title>\
         <dc:creator>Li, Wei</dc:creator><dc:date>2001</dc:date><dc:type>article</dc:type>\
         <dc:identifier>https://doi.org/10.1234/work.{work}</dc:identifier>\
         <dc:description>State {state}</dc:description></oai_dc:dc>"
    );
    of(identifier, sets, metadata)
}

/// What the export of works says: identifiers, and whether each is deleted.
pub(super) async fn exported(world: &World) -> BTreeMap<String, bool> {
    let store = world.store.path().display().to_string();
    let arguments = [
        "export", "--store", &store, "--format", "jsonl", "--per", "cluster",
    ];
    let output = harvestd(&arguments).await.success();
    let lines = output.stdout.lines().map(|line| {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        let identifier = record["identifier"].as_str().unwrap().to_owned();
        (identifier, record["deleted"].as_bool().unwrap())
    });
    lines.collect()
}

pub(super) fn shown(harvester: &Harvester) -> BTreeMap<String, bool> {
    let headers = harvester.headers.iter();
    headers
        .map(|(identifier, header)| (identifier.clone(), header.deleted))
        .collect()
}

#[tokio::test]
async fn the_preferred_record_of_a_work_is_shown() {
    let world = world();
    let mut follower = Harvester::default();
    let mut of_b = Harvester::of_set("b");
    let mut look = |second: i64, expected: &[&str], expected_in_b: &[&str]| {
        follower.harvest(&world, second, || {});
        of_b.harvest(&world, second, || {});
        assert_eq!(follower.live(), expected, "at {}", second - BEGIN);
        assert_eq!(of_b.live(), expected_in_b, "in b at {}", second - BEGIN);
        shown(&follower)
    };
    world.put(
        "b",
        BEGIN,
        vec![copy("oai:b:1", &["x"], 1, 0), copy("oai:b:2", &[], 2, 0)],
    );
    look(BEGIN + 1, &["oai:b:1", "oai:b:2"], &["oai:b:1", "oai:b:2"]);
    // The preferred source has the work too.
    world.put("a", BEGIN + 10, vec![copy("oai:a:1", &[], 1, 0)]);
    look(BEGIN + 11, &["oai:a:1", "oai:b:2"], &["oai:b:2"]);
    // A change of the record that is not shown changes nothing.
    world.put("b", BEGIN + 20, vec![copy("oai:b:1", &["x"], 1, 1)]);
    look(BEGIN + 21, &["oai:a:1", "oai:b:2"], &["oai:b:2"]);
    // It becomes another work: the cluster splits.
    world.put("a", BEGIN + 30, vec![copy("oai:a:1", &[], 3, 0)]);
    look(
        BEGIN + 31,
        &["oai:a:1", "oai:b:1", "oai:b:2"],
        &["oai:b:1", "oai:b:2"],
    );
    // And joins a third one.
    world.put("a", BEGIN + 40, vec![copy("oai:a:1", &[], 2, 0)]);
    look(BEGIN + 41, &["oai:a:1", "oai:b:1"], &["oai:b:1"]);
    // The preferred record is deleted.
    world.put("a", BEGIN + 50, vec![gone("oai:a:1")]);
    let last = look(BEGIN + 51, &["oai:b:1", "oai:b:2"], &["oai:b:1", "oai:b:2"]);
    assert_eq!(last, exported(&world).await);
}

#[tokio::test]
async fn get_record_and_totals_know_works() {
    let world = world();
    world.put("a", BEGIN, vec![copy("oai:a:1", &[], 1, 0)]);
    world.put("b", BEGIN, vec![copy("oai:b:1", &[], 1, 0)]);
    let get = |identifier: &str| {
        let arguments = format!("verb=GetRecord&metadataPrefix=oai_dc&identifier={identifier}");
        String::from_utf8(world.answer(&arguments).body).unwrap()
    };
    assert!(get("oai:a:1").contains("<metadata>"));
    let other = get("oai:b:1");
    assert!(other.contains("<header status=\"deleted\">"), "{other}");
    let list = world.answer("verb=ListIdentifiers&metadataPrefix=oai_dc");
    assert_eq!(
        list.page.unwrap().total,
        None,
        "counting would cost as much as the list"
    );
}

#[test]
fn clusters_that_are_not_up_to_date_are_not_served() {
    let world = world();
    world.put("a", BEGIN, vec![copy("oai:a:1", &[], 1, 0)]);
    let state = world.store.set_clustering(&Clustering::default()).unwrap();
    assert_eq!(state, ClusterState::Off);
    let repository = world.repository();
    let list = "verb=ListRecords&metadataPrefix=oai_dc";
    let refused = repository.answer(&world.reader, list).unwrap_err();
    assert!(
        matches!(refused, StoreError::NotClustered { .. }),
        "{refused}"
    );
    let identify = repository.answer(&world.reader, "verb=Identify").unwrap();
    assert_eq!(identify.error, None);
}

#[test]
fn an_unknown_identifier_is_none_of_a_work() {
    let world = world();
    let answer = world.answer("verb=GetRecord&metadataPrefix=oai_dc&identifier=oai:none");
    assert_eq!(answer.error, Some(ErrorCode::IdDoesNotExist));
}
