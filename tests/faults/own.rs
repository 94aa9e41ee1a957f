//! G: a harvester's own faults.
//!
//! | entry | not tested here |
//! |---|---|
//! | G3, options without effect | the configuration's own tests set each key and look at what it becomes |
//! | G5, a daemon that dies silently | `tests/daemon.rs`; a run that ends says why (G4, G10) |
//! | G8, libraries that rot | no test can show it; the versions are pinned |

use harvestd::harvest::RunOptions;
use harvestd::store::Reader;

use crate::common::*;
use crate::support::{Program, SmallDisk};

/// The program's arguments for a harvest of the one source of `config`.
fn arguments<'a>(config: &'a str, store: &'a str) -> Vec<&'a str> {
    vec!["harvest", "--config", config, "--store", store]
}

fn live(place: &TempStore) -> u64 {
    Reader::open(&place.path())
        .and_then(|reader| reader.sources())
        .map_or(0, |sources| {
            sources.iter().map(|source| source.live_records).sum()
        })
}

#[tokio::test]
async fn g01_killed_between_two_pages() {
    for signal in ["KILL", "TERM", "INT"] {
        let hang = Fault::Hang { after: Some(200) };
        let repository = six().once(When::Page(3), hang).start().await;
        let place = temp_store();
        let (config, store) = (config(&place, &repository.base_url(), ""), place.argument());
        let running = Program::new(&arguments(&config, &store)).spawn();
        until("two pages are stored", || {
            live(&place) == 4 && repository.requests().len() == 4
        })
        .await;
        let ended = running.insist(signal).await;
        // The second one does not wait for the answer that does not come.
        let expected = (signal != "KILL").then_some(143);
        assert_eq!(ended.status, expected, "{signal}: {}", ended.stderr);
        assert_eq!(live(&place), 4);
        repository.forget_requests();
        Program::new(&arguments(&config, &store))
            .run()
            .await
            .success();
        assert_eq!(live(&place), 6);
        let first = repository.requests().remove(0);
        assert!(
            first.argument("resumptionToken").is_some(),
            "it goes on where it was"
        );
    }
}

#[tokio::test]
async fn g02_state_is_saved_with_each_page() {
    let world = World::of(six()).await;
    for (run, stored) in [(1, "1 2"), (2, "1 2 3 4")] {
        let some = RunOptions {
            limit: Some(2),
            ..RunOptions::default()
        };
        assert_incomplete(&world.run_with(&some).await, &["limit"]);
        assert_eq!(world.live(), stored, "run {run}");
    }
    // The rest of the cut pass, and then what is new.
    world.assert_whole(&world.run().await);
    assert_eq!(world.repository.count("ListRecords"), 4);
}

#[tokio::test]
async fn g04_exit_status_of_loss() {
    let clamp = std::time::Duration::from_secs(30 * 86_400);
    let refused = || six().always(first_page(), Fault::xml(page(&[1, 2], Some(&token("t")))));
    for (case, builder, status) in [
        ("undisturbed", six(), 0),
        ("A1", six().always(lists(), Fault::html(200)), 3),
        (
            "A1 on the second page",
            six().always(When::Page(2), Fault::html(200)),
            0,
        ),
        (
            "A2",
            six().always(
                When::Always,
                Fault::body(|body| [b"<br />x", &body[..]].concat()),
            ),
            0,
        ),
        (
            "A6",
            refused().always(resumption(), Fault::bad_resumption_token()),
            3,
        ),
        (
            "A11",
            refused().always(resumption(), Fault::xml(page(&[1, 2], Some(&token("t"))))),
            3,
        ),
        ("B1", six().behaving(move |how| how.clamp = Some(clamp)), 0),
        ("C9", six().always(When::Always, Fault::html(403)), 3),
        (
            "nothing matches",
            six().always(lists(), Fault::oai_error("noRecordsMatch")),
            0,
        ),
    ] {
        let repository = builder.start().await;
        let place = temp_store();
        let config = config(&place, &repository.base_url(), "");
        let store = place.argument();
        let output = Program::new(&arguments(&config, &store)).run().await;
        assert_eq!(output.status, Some(status), "{case}: {output:#?}");
        if status == 0 && case != "nothing matches" {
            assert_eq!(live(&place), 6, "{case}");
        }
    }
}

#[tokio::test]
async fn g06_no_fault_is_asked_for_ever() {
    for fault in [
        Fault::oai_error("InternalException"),
        Fault::html(500),
        Fault::html(200),
        Fault::xml("<OAI-PMH/>"),
        Fault::bad_resumption_token(),
    ] {
        for (builder, most) in [
            (six().always(When::Always, fault.clone()), 20),
            (six().always(lists(), fault.clone()), 300),
            (six().always(resumption(), fault.clone()), 300),
        ] {
            let world = World::of(builder).await;
            world.run().await;
            let count = world.repository.requests().len();
            assert!(count <= most, "{count} requests");
        }
    }
}

#[tokio::test]
async fn g07_secrets_are_not_shown() {
    let secret = "hush0hush";
    for fault in [
        Fault::html(500),
        Fault::html(403),
        Fault::status(200, &[], format!("no such key: {secret}")),
        Fault::status(302, &[("location", "/elsewhere?api_key=hush0hush")], ""),
        Fault::Reset { after: None },
    ] {
        let repository = six()
            .behaving(|how| how.lenient = true)
            .always(When::AfterPage(1), fault.clone())
            .always(When::Verb("Identify"), fault)
            .start()
            .await;
        let place = temp_store();
        let config = config(
            &place,
            &repository.base_url(),
            &format!("api_key = \"{secret}\""),
        );
        let store = place.argument();
        let mut all = arguments(&config, &store);
        all.push("-vv");
        let output = Program::new(&all).run().await;
        assert!(
            repository
                .requests()
                .iter()
                .all(|request| request.argument("api_key") == Some(secret))
        );
        assert!(!output.stderr.contains(secret), "{}", output.stderr);
        assert!(!output.stdout.contains(secret), "{}", output.stdout);
        for entry in std::fs::read_dir(place.dir()).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            let shown = bytes
                .windows(secret.len())
                .any(|bytes| bytes == secret.as_bytes());
            assert!(
                !shown || path.ends_with("harvestd.toml"),
                "{}",
                path.display()
            );
        }
    }
}

#[tokio::test]
async fn g09_what_was_good_stays() {
    let world = World::of(six()).await;
    world.run().await;
    let before = world.stored();
    for fault in [
        Fault::html(500),
        Fault::Cut {
            after: 900,
            framing: Framing::Close,
        },
        Fault::xml(page(&[], Some(&token("t")))),
        swap("</ListRecords>", "<error code=\"x\"/></ListRecords>"),
    ] {
        world.repository.heal();
        world.repository.break_with(lists(), fault);
        world
            .run_with(&RunOptions {
                full: true,
                ..RunOptions::default()
            })
            .await;
        assert_eq!(world.stored(), before);
    }
    assert_eq!(world.watermark().as_deref(), Some(NOON));
}

#[tokio::test]
async fn g10_cause_is_told_once_and_where_it_is_read() {
    let repository = six().always(lists(), Fault::html(500)).start().await;
    let place = temp_store();
    let (config, store) = (config(&place, &repository.base_url(), ""), place.argument());
    let mut quiet = arguments(&config, &store);
    quiet.push("--quiet");
    let output = Program::new(&quiet).run().await.failure(3);
    let causes: Vec<&str> = output
        .stderr
        .lines()
        .filter(|line| line.contains("incomplete:"))
        .collect();
    assert_eq!(causes.len(), 1, "{}", output.stderr);
    assert!(causes[0].contains("HTTP 500"), "{}", causes[0]);
    assert_eq!(output.stdout, "");
    // And `status` still knows it.
    let status = ["status", "--config", &config, "--store", &store, "--json"];
    let output = Program::new(&status).run().await.success();
    assert!(output.stdout.contains("HTTP 500"), "{}", output.stdout);
}

#[tokio::test]
async fn g11_two_processes_on_one_source() {
    let repository = six()
        .once(When::Page(2), Fault::Hang { after: None })
        .start()
        .await;
    let place = temp_store();
    let (config, store) = (config(&place, &repository.base_url(), ""), place.argument());
    let first = Program::new(&arguments(&config, &store)).spawn();
    until("the first one is at work", || {
        repository.requests().len() == 3
    })
    .await;
    let second = Program::new(&arguments(&config, &store))
        .run()
        .await
        .failure(3);
    assert!(
        second.stderr.contains("another process is harvesting it"),
        "{}",
        second.stderr
    );
    assert_eq!(repository.requests().len(), 3, "nothing is asked twice");
    first.signal("KILL");
    first.wait().await;
    // The lock does not outlive its holder.
    Program::new(&arguments(&config, &store))
        .run()
        .await
        .success();
    assert_eq!(live(&place), 6);
}

#[tokio::test]
async fn g12_disk_is_full() {
    let Some(disk) = SmallDisk::new("2m") else {
        return;
    };
    // Text that no compression makes small.
    let mut rng = fastrand::Rng::with_seed(1);
    let mut model = model(0, 2);
    for number in 1..=40 {
        let mut item = item(number);
        let text: String = (0..100_000).map(|_| rng.alphanumeric()).collect();
        item.metadata = metadata(&text);
        model.insert(item);
    }
    let repository = Repository::of(model).start().await;
    let place = temp_store();
    let config = config(&place, &repository.base_url(), "");
    let store = disk.path().join("harvest.db");
    let store = store.to_str().unwrap();
    let output = Program::new(&arguments(&config, store))
        .run()
        .await
        .failure(3);
    assert!(output.stderr.contains("disk full"), "{}", output.stderr);
    let stored = || {
        let sources = Reader::open(store.as_ref()).unwrap().sources().unwrap();
        (sources[0].live_records, sources[0].watermarks.len())
    };
    let (records, watermarks) = stored();
    assert!(records < 40 && watermarks == 0, "{records} records");
    disk.remount("size=32m");
    repository.forget_requests();
    Program::new(&arguments(&config, store))
        .run()
        .await
        .success();
    assert_eq!(stored(), (40, 1));
    if records > 0 {
        let first = repository.requests().remove(0);
        assert!(
            first.argument("resumptionToken").is_some(),
            "its place was kept"
        );
    }
}
