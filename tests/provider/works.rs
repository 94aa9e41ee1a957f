//! `per = "cluster"`: an item is a work. A follower ends with what an export of works says, whatever becomes of
//! the clusters.

use std::collections::BTreeMap;

use fastrand::Rng;
use harvestd::oai::Record;
use harvestd::provider::ErrorCode;
use harvestd::store::{ClusterState, Clustering, Per, StoreError};

use super::lists::Harvester;
use super::support::harvestd;
use super::world::{BEGIN, World, gone, of};

fn clustering(order: &[&str]) -> Clustering {
    Clustering {
        enabled: true,
        sources: order.iter().map(|name| (*name).to_owned()).collect(),
        ..Clustering::default()
    }
}

/// A store in which records with one DOI are one work, those of the source `a` first.
fn world() -> World {
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
fn copy(identifier: &str, sets: &[&str], work: usize, state: usize) -> Record {
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
async fn exported(world: &World) -> BTreeMap<String, bool> {
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

fn shown(harvester: &Harvester) -> BTreeMap<String, bool> {
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

/// Records come, change their work and their sets, and are deleted; the order of the sources changes and the
/// clusters are built again.
async fn follow(seed: u64) {
    let mut world = world();
    world.settings.page_size = 20;
    let world = world;
    let mut rng = Rng::with_seed(seed);
    let (mut second, mut states) = (BEGIN, 0);
    let mut all = Harvester::default();
    let sets = ["a", "b", "b:x", "a:y"];
    let mut of_sets: Vec<Harvester> = sets.map(Harvester::of_set).into();
    let change = |rng: &mut Rng, second: i64, states: &mut usize| {
        let source = ["a", "b", "c"][rng.usize(0..3)];
        let mut page: Vec<Record> = Vec::new();
        for _ in 0..rng.usize(1..12) {
            let identifier = format!("oai:{source}:{:02}", rng.usize(0..40));
            if page
                .iter()
                .any(|other| other.header.identifier == identifier)
            {
                continue;
            }
            *states += 1;
            let sets: &[&str] = [&["x"][..], &["y"], &["x", "y:z"], &[]][rng.usize(0..4)];
            page.push(match rng.u8(0..7) {
                0 => gone(&identifier),
                _ => copy(&identifier, sets, rng.usize(0..25), *states),
            });
        }
        world.put(source, second, page);
    };
    for _ in 0..40 {
        second += rng.i64(0..1_000);
        for _ in 0..rng.usize(1..4) {
            change(&mut rng, second, &mut states);
        }
        if rng.u8(0..12) == 0 {
            let order: &[&str] = [&["a", "b"][..], &["b", "a"], &["c"]][rng.usize(0..3)];
            if world.store.set_clustering(&clustering(order)).unwrap() == ClusterState::Due {
                let now_ms = second * 1000;
                world.store.rebuild_clusters(now_ms, |_| {}).unwrap();
            }
        }
        let mut number = 0;
        let is_busy = rng.bool();
        all.harvest(&world, second, || {
            number += 1;
            if is_busy && number < 3 {
                change(&mut rng, second, &mut states);
            }
        });
        for harvester in &mut of_sets {
            if rng.bool() {
                harvester.harvest(&world, second, || {});
            }
        }
    }
    all.harvest(&world, second, || {});
    let exported = exported(&world).await;
    assert!(exported.len() > 80, "{}", exported.len());
    let deleted = exported.values().filter(|deleted| **deleted).count();
    assert!(deleted > 20 && deleted + 10 < exported.len(), "{deleted}");
    assert_eq!(shown(&all), exported, "seed {seed}");
    for harvester in &mut of_sets {
        harvester.harvest(&world, second, || {});
        let set = harvester.set().to_owned();
        let is_in = |header: &harvestd::oai::response::Header| {
            let specs = header.set_specs.iter();
            let mut specs = specs.map(String::as_str);
            specs.any(|spec| spec == set || spec.starts_with(&format!("{set}:")))
        };
        let live = all.headers.values().filter(|header| !header.deleted);
        let expected: Vec<&str> = live
            .filter(|header| is_in(header))
            .map(|header| header.identifier.as_str())
            .collect();
        assert_eq!(harvester.live(), expected, "seed {seed}, set {set}");
    }
}

#[tokio::test]
async fn a_follower_of_works_ends_with_what_an_export_says() {
    for seed in super::seeds(6) {
        follow(seed).await;
    }
}

#[test]
fn an_unknown_identifier_is_none_of_a_work() {
    let world = world();
    let answer = world.answer("verb=GetRecord&metadataPrefix=oai_dc&identifier=oai:none");
    assert_eq!(answer.error, Some(ErrorCode::IdDoesNotExist));
}
