//! E: deletions and identity.
//!
//! | entry | not tested here |
//! |---|---|
//! | E1, E2 | finding records that disappeared without a tombstone is the work of `reconcile`, and tested in `tests/reconcile.rs` |
//! | E4, the outputs' half | `changes` leaves out tombstones of records that its reader never saw; outputs that use it are tested with it |
//! | E11, links between two records of one work | that is deduplication; the store keeps both |

use std::ops::ControlFlow;
use std::time::Duration;

use crate::support::model::Order;
use harvestd::end::End;
use harvestd::harvest::RunOptions;
use harvestd::oai::Datestamp;
use harvestd::store::{ChangeFilter, Deletion, WarningKind};

use crate::common::*;

fn full() -> RunOptions {
    RunOptions {
        full: true,
        ..RunOptions::default()
    }
}

#[tokio::test]
async fn e03_broken_list_deletes_nothing() {
    for (case, fault) in [
        ("nothing", Fault::oai_error("noRecordsMatch")),
        ("an empty list", Fault::xml(list(""))),
        ("one record", Fault::xml(page(&[1], None))),
        ("a page", Fault::html(200)),
        ("an error", Fault::html(500)),
    ] {
        let world = World::of(six()).await;
        world.run().await;
        world.repository.break_with(lists(), fault);
        world.run_with(&full()).await;
        assert_eq!(
            (world.live(), world.tombstones()),
            ("1 2 3 4 5 6".into(), String::new()),
            "{case}"
        );
    }
    // And that there was one where there were six is told.
    let world = World::of(six()).await;
    world.run().await;
    world
        .repository
        .break_with(lists(), Fault::xml(page(&[1], None)));
    world.run_with(&full()).await;
    assert!(world.has_warning(WarningKind::FewerRecords));
    world.repository.heal();
    world.run_with(&full()).await;
    assert!(!world.has_warning(WarningKind::FewerRecords));
}

#[tokio::test]
async fn e04_deleted_records_in_the_first_harvest() {
    let world = World::of(six()).await;
    world
        .repository
        .with_model(|model| model.delete(&id(2), at(2)));
    world.run().await;
    assert_eq!(world.tombstones(), "2");
    // One that came and went between two readings of the changes is not shown to their reader.
    let reader = world.reader();
    let mut seen = Vec::new();
    let since = Some(harvestd::store::Version(1));
    let filter = ChangeFilter {
        since,
        ..ChangeFilter::default()
    };
    reader
        .changes(&filter, |record| {
            seen.push(record.identifier);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(!seen.contains(&id(2)) && seen.len() == 5, "{seen:?}");
}

#[tokio::test]
async fn e05_deleted_header_with_metadata_and_status_in_any_case() {
    for status in ["deleted", "Deleted", "DELETED"] {
        let mark = Fault::body(move |body| {
            let text = String::from_utf8(body).unwrap();
            let Some(at) = text.find(&id(3)) else {
                return text.into_bytes();
            };
            let start = text[..at].rfind("<header").unwrap() + "<header".len();
            format!("{} status=\"{status}\"{}", &text[..start], &text[start..]).into_bytes()
        });
        let world = World::of(six().always(When::Always, mark)).await;
        assert_eq!(world.run().await.end, End::Complete);
        assert_eq!(
            (world.live(), world.tombstones()),
            ("1 2 4 5 6".into(), "3".into()),
            "{status}"
        );
        assert_eq!(world.stored()[&id(3)].metadata, None, "the header wins");
    }
}

#[tokio::test]
async fn e06_deleted_and_back() {
    let world = World::of(six()).await;
    world.run().await;
    let created = world.stored()[&id(3)].created_version;
    let mut last = world.stored()[&id(3)].version;
    for day in 1..=4 {
        world.advance(DAY);
        let now = world.repository.clock().now();
        world.repository.with_model(|model| {
            if day % 2 == 1 {
                model.delete(&id(3), now);
            } else {
                model.update(&id(3), metadata("Title 3"), now);
            }
        });
        assert_eq!(world.run().await.end, End::Complete);
        let record = world.stored().remove(&id(3)).unwrap();
        let expected = (day % 2 == 1).then_some(Deletion::Declared);
        assert_eq!(record.deletion, expected);
        assert_eq!(record.created_version, created, "its history is kept");
        assert!(record.version > last);
        last = record.version;
        let source = world.source();
        assert_eq!(source.live_records + source.deleted_records, 6);
    }
    assert_eq!(world.title(3), "Title 3");
}

/// Six records: 1 to 4 in set `a`, 3 to 6 in set `b`.
fn sets() -> Builder {
    let mut model = model(0, 2);
    for number in 1..=6 {
        let mut item = item(number);
        item.set_specs = [("a", number <= 4), ("b", number >= 3)]
            .into_iter()
            .filter(|(_, is_in)| *is_in)
            .map(|(set, _)| set.to_owned())
            .collect();
        model.insert(item);
    }
    Repository::of(model)
}

#[tokio::test]
async fn e06_older_state_that_comes_later_is_the_present_one() {
    let world = World::of(six().behaving(|how| how.order = Order::NewestFirst)).await;
    let now = world.repository.clock().now();
    world
        .repository
        .with_model(|model| model.update(&id(1), metadata("Changed"), now));
    let some = RunOptions {
        limit: Some(2),
        ..RunOptions::default()
    };
    assert_incomplete(&world.run_with(&some).await, &["limit"]);
    assert_eq!(world.title(1), "Changed");
    // The repository goes back to yesterday's copy of itself, and the same pass lists it again.
    world.advance(3_600);
    world.repository.with_model(|model| model.insert(item(1)));
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(world.title(1), "Title 1");
    // Within one list, the newer one stays, whichever comes first.
    for order in [[1, 2], [2, 1]] {
        let states = order.map(|state| {
            let title = format!("State {state}");
            record(&id(1), &at(state).to_string(), &metadata(&title)[0].1)
        });
        let world = World::of(six().always(lists(), Fault::xml(list(&states.concat())))).await;
        world.run().await;
        assert_eq!(world.title(1), "State 2", "{order:?}");
    }
}

#[tokio::test]
async fn e07_set_that_has_nothing_any_more() {
    let mut world = World::of(sets()).await;
    world.settings.sets = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(world.run().await.end, End::Complete);
    let proven = world.source().watermarks;
    assert_eq!(proven.len(), 2);
    let set_b = When::matching(|request| request.argument("set") == Some("b"));
    world
        .repository
        .break_with(set_b, Fault::oai_error("noRecordsMatch"));
    world.advance(DAY);
    assert_eq!(world.run_with(&full()).await.end, End::Complete);
    let message = world
        .warnings()
        .remove(WarningKind::EmptySet.word())
        .unwrap();
    assert!(message.contains("set b"), "{message}");
    assert_eq!(world.live(), "1 2 3 4 5 6", "nothing is deleted for that");
    assert_eq!(
        world.source().watermark(Some("b")),
        Some(&proven[1]),
        "and nothing proven"
    );
    world.repository.heal();
    world.run_with(&full()).await;
    assert!(!world.has_warning(WarningKind::EmptySet));
}

#[tokio::test]
async fn e08_deleted_record_stops_nothing() {
    let world = World::of(six()).await;
    world.repository.with_model(|model| {
        for number in [1, 2, 6] {
            model.delete(&id(number), at(number));
        }
    });
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(
        (world.live(), world.tombstones()),
        ("3 4 5".into(), "1 2 6".into())
    );
}

#[tokio::test]
async fn e09_tombstones_are_passed_on() {
    let world = World::of(six()).await;
    world.run().await;
    let since = world.reader().last_version().unwrap();
    world.advance(DAY);
    let now = world.repository.clock().now();
    world
        .repository
        .with_model(|model| model.delete(&id(5), now));
    let report = world.run().await;
    assert_eq!(report.counts.deleted, 1);
    let filter = ChangeFilter {
        since: Some(since),
        ..ChangeFilter::default()
    };
    let mut changes = Vec::new();
    world
        .reader()
        .changes(&filter, |record| {
            changes.push((record.identifier, record.deletion));
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(changes, [(id(5), Some(Deletion::Declared))]);
}

#[tokio::test]
async fn e10_identifier_in_many_places() {
    // Across pages, and twice on one.
    let pages = six()
        .always(
            first_page(),
            Fault::xml(page(&[1, 2, 3], Some(&token("a")))),
        )
        .always(with_token("a"), Fault::xml(page(&[3, 4, 5, 5, 6], None)));
    let world = World::of(pages).await;
    world.assert_whole(&world.run().await);
    // Across sets.
    let mut world = World::of(sets()).await;
    world.settings.sets = vec!["a".to_owned(), "b".to_owned()];
    let report = world.run().await;
    assert_eq!((report.counts.new, report.counts.unchanged), (6, 2));
    world.assert_whole(&report);
    assert_eq!(world.stored()[&id(3)].set_specs, ["a", "b"]);
}

#[tokio::test]
async fn e11_same_thing_under_another_identifier() {
    let world = World::of(six()).await;
    world.run().await;
    world.advance(DAY);
    let now = world.repository.clock().now();
    world.repository.with_model(|model| {
        model.delete(&id(3), now);
        let mut again = item(3);
        again.identifier = id(7);
        again.datestamp = now;
        model.insert(again);
    });
    world.run().await;
    assert_eq!(
        (world.live(), world.tombstones()),
        ("1 2 4 5 6 7".into(), "3".into())
    );
}

#[tokio::test]
async fn e12_identifiers_with_odd_characters() {
    let long = format!("oai:x:{}", "long/".repeat(200));
    let odd = [
        "oai:x:a b",
        "oai:x:a/../../b",
        "http://x.example/?id=1&x=2#y",
        "oai:x:Zürich 漢 \u{1f600}",
        "oai:x:100%25 + 'quoted' \"twice\"",
        "oai:x:CASE",
        "oai:x:case",
        long.as_str(),
    ];
    let mut model = model(0, 2);
    for (number, identifier) in odd.iter().enumerate() {
        let mut item = item(number + 1);
        item.identifier = (*identifier).to_owned();
        model.insert(item);
    }
    // Lists lack the metadata, so each is asked for by name.
    let bare = Fault::body(|body| {
        let mut text = String::from_utf8(body).unwrap();
        while let Some(metadata) = part(&text, "<metadata>", "</metadata>") {
            text = text.replace(&metadata.to_owned(), "");
        }
        text.into_bytes()
    });
    let world = World::of(Repository::of(model).always(lists(), bare)).await;
    assert_eq!(world.run().await.end, End::Complete);
    let stored = world.stored();
    assert_eq!(stored.len(), odd.len());
    for identifier in odd {
        assert!(stored[identifier].metadata.is_some(), "{identifier}");
    }
}

#[tokio::test]
async fn e13_get_record_is_newer_than_the_list() {
    let newer = format!(
        "<OAI-PMH xmlns=\"http://www.openarchives.org/OAI/2.0/\"><responseDate>{NOON}</responseDate>\
         <request/><GetRecord>{}</GetRecord></OAI-PMH>",
        record(&id(3), NOON, &metadata("Hidden")[0].1)
    );
    let bare = without_metadata(3);
    let clamped = six().behaving(|how| how.clamp = Some(Duration::from_secs(30 * 86_400)));
    let world = World::of(
        clamped
            .always(lists(), bare)
            .always(When::Verb("GetRecord"), Fault::xml(newer)),
    )
    .await;
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(world.title(3), "Hidden");
    let proven = Datestamp::from_unix(NOW - 30 * DAY).to_string();
    assert_eq!(
        world.watermark(),
        Some(proven),
        "the list alone says how far it reaches"
    );
}

#[tokio::test]
async fn e14_sets_of_all_kinds() {
    for code in ["noSetHierarchy", "badArgument"] {
        let mut world = World::of(six()).await;
        world.settings.sets = vec!["a".to_owned()];
        world.repository.break_with(lists(), Fault::oai_error(code));
        world.assert_incomplete(&world.run().await, &[code, "set=a"]);
    }
    // Without sets, no set is asked for, and what records say of theirs is kept.
    let world = World::of(sets()).await;
    world.assert_whole(&world.run().await);
    assert_eq!(world.asked("set"), [""; 0]);
    assert_eq!(world.stored()[&id(4)].set_specs, ["a", "b"]);
    // Illegal in the protocol, and in use.
    let odd = "a b/c&d=é:(x)";
    let mut model = model(0, 2);
    for number in 1..=6 {
        let mut item = item(number);
        item.set_specs = vec![odd.to_owned()];
        model.insert(item);
    }
    let mut world = World::of(Repository::of(model)).await;
    world.settings.sets = vec![odd.to_owned()];
    world.assert_whole(&world.run().await);
    assert_eq!(world.asked("set"), [odd]);
    // One of two sets fails: the other is proven, this one is not.
    let mut world = World::of(sets()).await;
    world.settings.sets = vec!["a".to_owned(), "b".to_owned()];
    let set_b = When::matching(|request| request.argument("set") == Some("b"));
    world.repository.break_with(set_b, Fault::html(500));
    assert_incomplete(&world.run().await, &["HTTP 500"]);
    assert_eq!(world.live(), "1 2 3 4");
    let source = world.source();
    assert!(source.watermark(Some("a")).is_some() && source.watermark(Some("b")).is_none());
    world.repository.heal();
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(world.live(), "1 2 3 4 5 6");
    assert!(world.source().watermark(Some("b")).is_some());
}

#[tokio::test]
async fn e14_set_is_ignored() {
    let ignoring = || sets().behaving(|how| how.ignores_set = true);
    let mut world = World::of(ignoring()).await;
    world.settings.sets = vec!["c".to_owned(), "d".to_owned()];
    world.assert_whole(&world.run().await);
    assert_eq!(world.source().traits.ignores_sets, Some(true));
    assert!(world.has_warning(WarningKind::IgnoresSets));
    let whole_lists = |world: &World| {
        let requests = world.repository.requests();
        let begins = requests.iter().filter(|request| {
            request.argument("verb") == Some("ListRecords")
                && request.argument("resumptionToken").is_none()
        });
        begins
            .map(|request| request.argument("set").map(str::to_owned))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        whole_lists(&world),
        [Some("c".to_owned()), None, None],
        "a set, the test, and the whole, once"
    );
    world.advance(DAY);
    world.repository.forget_requests();
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(whole_lists(&world), [None]);
    assert!(
        world.asked("from").len() == 1,
        "it has a watermark of its own"
    );
    // Mended, and everything is asked for.
    world.repository.with_model(|model| {
        model.behaviour.ignores_set = false;
        (1..=6).for_each(|number| {
            let mut item = item(number);
            item.set_specs = vec!["c".to_owned()];
            model.insert(item);
        });
    });
    assert_eq!(world.run_with(&full()).await.end, End::Complete);
    assert_eq!(world.source().traits.ignores_sets, None);
    assert!(!world.has_warning(WarningKind::IgnoresSets));
    // Records that do not name a set that works are no proof.
    let bare = Fault::body(|body| {
        let text = String::from_utf8(body).unwrap();
        text.replace("<setSpec>a</setSpec>", "<setSpec>z</setSpec>")
            .into_bytes()
    });
    let mut world = World::of(sets().always(When::Always, bare)).await;
    world.settings.sets = vec!["a".to_owned()];
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(world.live(), "1 2 3 4");
    assert_eq!(world.source().traits.ignores_sets, Some(false));
}

#[tokio::test]
async fn e15_list_identifiers_behaves_differently() {
    // All of one second, one of them breaks its page, and identifiers cannot be resumed.
    let mut model = model(0, 2);
    for number in 1..=6 {
        let mut item = item(number);
        item.datestamp = at(1);
        model.insert(item);
    }
    let poison = || instead_if_listed(&[3], html(500));
    let builder = Repository::of(model.clone())
        .behaving(|how| how.list_identifiers_resumes = false)
        .always(When::Verb("ListRecords"), poison());
    let world = World::of(builder).await;
    world.assert_incomplete(
        &world.run().await,
        &["HTTP 500", "ListIdentifiers", "badArgument"],
    );
    assert_eq!(world.source().traits.failing_verbs, ["ListIdentifiers"]);
    // Where they can be, with pages of their own.
    let builder = Repository::of(model).always(When::Verb("ListRecords"), poison());
    let world = World::of(builder).await;
    assert_eq!(
        (world.run().await.end, world.live()),
        (End::Complete, "1 2 3 4 5 6".into())
    );
}
