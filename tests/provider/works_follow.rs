//! A follower of works ends with what an export of works says, whatever becomes of the clusters.

use fastrand::Rng;
use harvestd::oai::Record;
use harvestd::store::ClusterState;

use super::lists::Harvester;
use super::works::{clustering, copy, exported, shown, world};
use super::world::{BEGIN, gone};

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
    // The export leaves out records that another one represents; the follower may have had them.
    let mut expected = exported(&world).await;
    let live = expected.values().filter(|deleted| !**deleted).count();
    assert!(live > 10 && live + 5 < expected.len(), "{live}");
    let shown = shown(&all);
    for (identifier, deleted) in &shown {
        assert!(
            *deleted || expected.contains_key(identifier),
            "seed {seed}: {identifier} is live"
        );
        expected.entry(identifier.clone()).or_insert(true);
    }
    assert!(expected.len() > live + 40, "{}", expected.len());
    assert_eq!(shown, expected, "seed {seed}");
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
