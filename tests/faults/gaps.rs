//! Spans of datestamps that cannot be read, for a day or for weeks.

use std::sync::Arc;

use harvestd::end::End;
use harvestd::harvest::RunOptions;
use harvestd::oai::{Datestamp, Granularity};
use harvestd::store::WarningKind;

use crate::common::*;

/// A record changed at this moment.
fn put(world: &World, number: usize, seconds: i64) {
    let item = harvestd::demo::Item {
        datestamp: Datestamp::from_unix(seconds),
        ..item(number)
    };
    world.repository.with_model(|model| model.insert(item));
}

/// Every answer that shows record `number` fails, except lists of identifiers if `spares` says so.
fn poison(number: usize, spares_identifiers: bool) -> Fault {
    let needle = format!("<identifier>{}</identifier>", id(number));
    Fault::Transform(Arc::new(move |answer| {
        let text = String::from_utf8_lossy(&answer.body);
        let is_spared = spares_identifiers && text.contains("<ListIdentifiers>");
        if text.contains(&needle) && !is_spared {
            html(500)
        } else {
            answer
        }
    }))
}

/// The number of requests of a run.
async fn requests_of_a_run(world: &World) -> (End, usize) {
    world.repository.forget_requests();
    let end = world.run().await.end;
    (end, world.repository.requests().len())
}

#[tokio::test]
async fn b22_newer_records_come_while_one_cannot_be_read_for_weeks() {
    for granularity in [Granularity::Second, Granularity::Day] {
        let builder = six()
            .behaving(|how| how.granularity = granularity)
            .always(When::Always, poison(7, false));
        let world = World::of(builder).await;
        assert_eq!(world.run().await.end, End::Complete, "{granularity:?}");
        // The first new record is the one that cannot be read.
        world.advance(3 * DAY);
        put(&world, 7, NOW + DAY + 3_600);
        for number in 8..20 {
            let day = number as i64 - 5;
            put(&world, number, NOW + (day - 1) * DAY + 7_200);
            let (end, requests) = requests_of_a_run(&world).await;
            assert!(
                matches!(&end, End::GapsLeft(why) if why.contains("HTTP 500")),
                "{granularity:?}, day {day}: {end:?}"
            );
            let expected = number as u64 - 1;
            assert_eq!(
                world.source().live_records,
                expected,
                "{granularity:?}, day {day}"
            );
            assert!(
                world.stored().contains_key(&id(number)),
                "{granularity:?}, day {day}"
            );
            let most = if number == 8 { 120 } else { 20 };
            assert!(
                requests <= most,
                "{granularity:?}, day {day}: {requests} requests"
            );
            world.advance(DAY);
        }
        let before = world.watermark().unwrap();
        assert!(before < Datestamp::from_unix(NOW + DAY + 3_600).to_string());
        let gaps = world.reader().gaps(&world.source()).unwrap();
        let unit = match granularity {
            Granularity::Second => 1,
            Granularity::Day => DAY,
        };
        for gap in &gaps {
            let (from, until) = (gap.span.from.unwrap(), gap.span.until.unwrap());
            assert!(until.unix() - from.unix() <= unit, "{gap:?}");
            assert!(gap.attempts > 2, "{gap:?}");
        }
        // Once it can be read, the gap closes by itself.
        world.repository.heal();
        world.advance(8 * DAY);
        assert_eq!(world.run().await.end, End::Complete, "{granularity:?}");
        assert_eq!(world.source().live_records, 19);
        assert!(world.reader().gaps(&world.source()).unwrap().is_empty());
        assert!(world.source().heads.is_empty());
    }
}

#[tokio::test]
async fn b22_the_days_around_a_record_that_cannot_be_read_come_at_once() {
    let builder = six()
        .behaving(|how| how.granularity = Granularity::Day)
        .always(When::Always, poison(8, false));
    let world = World::of(builder).await;
    assert_eq!(world.run().await.end, End::Complete);
    world.advance(10 * DAY);
    for number in 7..=9 {
        put(&world, number, NOW + (number as i64 - 5) * DAY);
    }
    let (end, requests) = requests_of_a_run(&world).await;
    assert!(matches!(end, End::GapsLeft(_)), "{end:?}");
    assert_eq!(world.live(), "1 2 3 4 5 6 7 9");
    assert!(requests <= 120, "{requests} requests");
    // The gap is as wide as before, since lists of one day prove nothing.
    world.advance(DAY);
    let (end, requests) = requests_of_a_run(&world).await;
    assert!(matches!(end, End::GapsLeft(_)), "{end:?}");
    assert!(requests <= 20, "{requests} requests");
    world.repository.heal();
    world.advance(8 * DAY);
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(world.live(), "1 2 3 4 5 6 7 8 9");
}

#[tokio::test]
async fn b22_identifiers_tell_where_the_records_are_that_cannot_be_read() {
    let world = World::of(six().behaving(|how| how.page_size = 50)).await;
    assert_eq!(world.run().await.end, End::Complete);
    // The two new records break their lists and cannot be had alone. Lists of identifiers show them.
    world.advance(10 * DAY);
    for number in [9, 14] {
        put(&world, number, NOW + (number as i64 - 7) * DAY + 3_600);
    }
    for verb in ["ListRecords", "GetRecord"] {
        let fault = instead_if_listed(&[9, 14], html(500));
        world.repository.break_with(When::Verb(verb), fault);
    }
    let (end, requests) = requests_of_a_run(&world).await;
    assert!(matches!(end, End::GapsLeft(_)), "{end:?}");
    assert_eq!(world.live(), "1 2 3 4 5 6");
    assert!(requests <= 50, "{requests} requests");
}

#[tokio::test]
async fn b22_a_record_without_the_format_does_not_stop_its_source() {
    let Fault::Reply(cannot) = Fault::oai_error("cannotDisseminateFormat") else {
        unreachable!("an error is a reply");
    };
    let world =
        World::of(six().always(When::Always, instead_if_listed(&[4], cannot.clone()))).await;
    let (end, requests) = requests_of_a_run(&world).await;
    assert!(
        matches!(&end, End::GapsLeft(why) if why.contains("cannotDisseminateFormat")),
        "{end:?}"
    );
    assert_eq!(world.live(), "1 2 3 5 6");
    assert!(requests <= 160, "{requests} requests");
    world.advance(3 * DAY);
    put(&world, 7, NOW + DAY);
    let (end, requests) = requests_of_a_run(&world).await;
    assert!(matches!(end, End::GapsLeft(_)), "{end:?}");
    assert_eq!(world.live(), "1 2 3 5 6 7");
    assert!(requests <= 20, "{requests} requests");
    // Where the format is gone, the source waits for a person.
    world.repository.heal();
    world.repository.break_with(lists(), Fault::Reply(cannot));
    world.advance(3 * DAY);
    let (end, requests) = requests_of_a_run(&world).await;
    assert!(
        matches!(&end, End::Incomplete(why) if why.contains("cannotDisseminateFormat")),
        "{end:?}"
    );
    assert!(requests <= 4, "{requests} requests");
}

#[tokio::test]
async fn b22_a_record_whose_page_is_refused_does_not_stop_its_source() {
    for status in [403, 404, 401] {
        let fault = instead_if_listed(&[4, 7], html(status));
        let world = World::of(six().always(When::Always, fault)).await;
        let (end, requests) = requests_of_a_run(&world).await;
        assert!(
            matches!(&end, End::GapsLeft(why) if why.contains(&status.to_string())),
            "HTTP {status}: {end:?}"
        );
        assert_eq!(world.live(), "1 2 3 5 6", "HTTP {status}");
        assert!(requests <= 180, "HTTP {status}: {requests} requests");
        // Another one comes, and breaks the list of what is new.
        world.advance(9 * DAY);
        put(&world, 7, NOW + 5 * DAY);
        put(&world, 8, NOW + 8 * DAY);
        let (end, requests) = requests_of_a_run(&world).await;
        assert!(matches!(end, End::GapsLeft(_)), "HTTP {status}: {end:?}");
        assert_eq!(world.live(), "1 2 3 5 6 8", "HTTP {status}");
        assert!(requests <= 120, "HTTP {status}: {requests} requests");
        // If everything is refused, the host is left alone.
        world.repository.heal();
        world
            .repository
            .break_with(When::Always, Fault::Reply(html(403)));
        world.advance(DAY);
        let (end, requests) = requests_of_a_run(&world).await;
        assert!(matches!(end, End::Incomplete(_)), "HTTP {status}: {end:?}");
        assert!(requests <= 50, "HTTP {status}: {requests} requests");
    }
}

#[tokio::test]
async fn b26_one_set_that_is_refused_holds_up_no_other() {
    let cannot = Fault::oai_error("cannotDisseminateFormat");
    for (case, fault) in [
        ("403", Fault::html(403)),
        ("404", Fault::html(404)),
        ("format", cannot),
    ] {
        let refused = When::matching(|request| request.argument("set") == Some("a"));
        let mut world = World::of(six().always(refused, fault)).await;
        world.repository.with_model(|model| {
            model.behaviour.sets = true;
            for number in 1..=6 {
                let mut item = item(number);
                item.set_specs = vec![if number % 2 == 0 { "a" } else { "b" }.to_owned()];
                model.insert(item);
            }
        });
        world.settings.sets = vec!["a".to_owned(), "b".to_owned()];
        let (end, requests) = requests_of_a_run(&world).await;
        assert!(matches!(end, End::Incomplete(_)), "{case}: {end:?}");
        assert_eq!(world.live(), "1 3 5", "{case}");
        assert!(requests <= 20, "{case}: {requests} requests");
    }
}

#[tokio::test]
async fn d15_a_record_that_is_refused_by_name_does_not_stop_its_source() {
    for status in [401, 403] {
        let by_name = When::Verb("GetRecord");
        let builder = six()
            .always(by_name, Fault::html(status))
            .always(lists(), without_metadata(2));
        let world = World::of(builder).await;
        let report = world.run().await;
        assert_eq!(report.end, End::Complete, "HTTP {status}");
        assert_eq!(world.live(), "1 2 3 4 5 6", "HTTP {status}");
        world.advance(DAY);
        put(&world, 7, NOW + 3_600);
        assert_eq!(world.run().await.end, End::Complete, "HTTP {status}");
        assert_eq!(world.live(), "1 2 3 4 5 6 7", "HTTP {status}");
    }
}

#[tokio::test]
async fn b25_answers_with_records_that_are_all_cut_are_not_split_for_ever() {
    let cut = Fault::body(|mut body| {
        if String::from_utf8_lossy(&body).contains("<record>") {
            body.truncate(body.len() - 12);
        }
        body
    });
    let world = World::of(Repository::of(model(60, 20)).always(When::Always, cut)).await;
    for run in 0..3 {
        let (end, requests) = requests_of_a_run(&world).await;
        assert_ne!(end, End::Complete, "run {run}");
        assert!(requests <= 400, "run {run}: {requests} requests");
        assert!(world.quarantine().len() < 20, "run {run}");
        world.advance(DAY);
    }
}

#[tokio::test]
async fn b22_a_gap_is_left_alone_until_its_pause_is_over() {
    let world = World::of(six().always(When::Always, poison(3, false))).await;
    let (end, _) = requests_of_a_run(&world).await;
    assert!(matches!(end, End::GapsLeft(_)), "{end:?}");
    // One request for what is new, and none for the gap.
    world.advance(600);
    let (end, requests) = requests_of_a_run(&world).await;
    assert!(matches!(end, End::GapsLeft(_)), "{end:?}");
    assert_eq!(requests, 1);
    // A requested full list tries it at once.
    world.repository.heal();
    let full = RunOptions {
        full: true,
        ..RunOptions::default()
    };
    assert_eq!(world.run_with(&full).await.end, End::Complete);
    assert_eq!(world.live(), "1 2 3 4 5 6");
}

#[tokio::test]
async fn b22_a_gap_that_lists_nothing_is_asked_for_twice() {
    let world = World::of(six().always(When::Always, poison(3, false))).await;
    world.run().await;
    let before = world.watermark();
    // The record is gone, or hidden for a while: an empty list proves nothing.
    world.repository.heal();
    world
        .repository
        .with_model(|model| model.remove(&id(3), Datestamp::from_unix(NOW)));
    world.advance(DAY);
    let end = world.run().await.end;
    assert!(matches!(end, End::GapsLeft(_)), "{end:?}");
    assert_eq!(world.watermark(), before);
    world.advance(DAY);
    assert_eq!(world.run().await.end, End::Complete);
    assert!(world.watermark() > before);
}

#[tokio::test]
async fn b22_a_full_list_with_a_gap_clears_no_item_without_identifier() {
    let world = World::of(Repository::of(model(6, 2)).always(lists(), without_header(2))).await;
    world.run().await;
    let quarantined = world.quarantine();
    assert_eq!(quarantined.len(), 1);
    assert_eq!(quarantined[0].identifier, None);
    // The next full list does not show where it was.
    world.repository.heal();
    world.repository.break_with(When::Always, poison(2, false));
    world.advance(DAY);
    let full = RunOptions {
        full: true,
        ..RunOptions::default()
    };
    let end = world.run_with(&full).await.end;
    assert!(matches!(end, End::GapsLeft(_)), "{end:?}");
    assert_eq!(world.quarantine().len(), 1);
    world.repository.heal();
    world.advance(DAY);
    assert_eq!(world.run_with(&full).await.end, End::Complete);
    assert!(world.quarantine().is_empty());
}

#[tokio::test]
async fn b22_a_gap_at_the_beginning_is_no_lack_of_proof() {
    // All that is older than the last two records fails. So the gaps begin with the list.
    let early = When::matching(|request| {
        let from = request.argument("from");
        from.is_none_or(|from| from < at(5).to_string().as_str())
            && request.argument("verb") != Some("Identify")
    });
    let world = World::of(six().always(early, Fault::html(500))).await;
    let end = world.run().await.end;
    assert!(
        matches!(&end, End::GapsLeft(why) if why.contains("complete up to")),
        "{end:?}"
    );
    assert_eq!(world.watermark(), None);
    assert!(!world.source().heads.is_empty());
    assert!(!world.has_warning(WarningKind::NoProof));
}

#[tokio::test]
async fn b23_a_quiet_day_that_fails_costs_a_handful_of_requests() {
    let answers: [(&str, Fault); 7] = [
        ("HTTP 500", Fault::html(500)),
        ("HTTP 204", Fault::status(204, &[], "")),
        ("HTTP 404", Fault::html(404)),
        ("a document without content", Fault::xml(list(""))),
        ("an unknown code", Fault::oai_error("noRecordsFound")),
        ("a code of another fault", Fault::oai_error("badArgument")),
        (
            "a code of another format",
            Fault::oai_error("cannotDisseminateFormat"),
        ),
    ];
    for (case, answer) in answers {
        let reply = match answer {
            Fault::Reply(reply) => reply,
            _ => unreachable!("each of them is a reply"),
        };
        let quiet = Fault::Transform(Arc::new(move |answer| {
            let text = String::from_utf8_lossy(&answer.body);
            if text.contains("code=\"noRecordsMatch\"") {
                reply.clone()
            } else {
                answer
            }
        }));
        let world = World::of(six().always(lists(), quiet)).await;
        world.assert_whole(&world.run().await);
        for day in 1..4 {
            world.advance(3 * DAY);
            let (end, requests) = requests_of_a_run(&world).await;
            assert_eq!(end, End::Complete, "{case}, day {day}");
            assert!(requests <= 8, "{case}, day {day}: {requests} requests");
        }
        // What comes later comes.
        put(&world, 7, NOW + 9 * DAY);
        let (end, requests) = requests_of_a_run(&world).await;
        assert_eq!((end, requests), (End::Complete, 1), "{case}");
        assert_eq!(world.live(), "1 2 3 4 5 6 7", "{case}");
    }
}

#[tokio::test]
async fn b24_requests_with_from_fail_and_others_do_not() {
    for fault in [Fault::html(500), Fault::oai_error("badArgument")] {
        let with_from = When::matching(|request| request.argument("from").is_some());
        let world = World::of(six().always(with_from, fault)).await;
        world.assert_whole(&world.run().await);
        world.advance(3 * DAY);
        put(&world, 7, NOW + DAY);
        let (end, requests) = requests_of_a_run(&world).await;
        assert_eq!(end, End::Complete);
        assert_eq!(world.live(), "1 2 3 4 5 6 7");
        assert!(requests < 20, "{requests} requests");
        assert!(world.source().traits.ignores_dates);
        // It is known from now on.
        world.advance(DAY);
        let (end, requests) = requests_of_a_run(&world).await;
        assert_eq!((end, requests), (End::Complete, 4), "the pages of the list");
    }
}

#[tokio::test]
async fn b24_requests_with_until_fail_and_others_do_not() {
    let with_until = When::matching(|request| request.argument("until").is_some());
    let mut world = World::of(six().always(with_until, Fault::html(500))).await;
    // The list is to be split, which needs until.
    world.settings.window_records = 3;
    world.assert_whole(&world.run().await);
    assert!(world.source().traits.rejects_until);
    world.advance(3 * DAY);
    put(&world, 7, NOW + DAY);
    let (end, requests) = requests_of_a_run(&world).await;
    assert_eq!(end, End::Complete);
    assert_eq!(world.live(), "1 2 3 4 5 6 7");
    assert!(requests <= 2, "{requests} requests");
}

#[tokio::test]
async fn b25_a_list_of_which_nothing_can_be_read_is_not_split() {
    // Each item lacks its header, so that not even its date is known. Dates have no effect.
    let broken = Fault::body(|body| {
        let text = String::from_utf8(body).unwrap();
        text.replace("<header>", "<x>")
            .replace("</header>", "</x>")
            .into_bytes()
    });
    let builder = Repository::of(model(300, 10))
        .behaving(|how| how.ignores_from = true)
        .always(lists(), broken);
    let mut world = World::of(builder).await;
    world.settings.window_records = 20;
    let (_, requests) = requests_of_a_run(&world).await;
    // Identify and the pages of the list, once.
    assert!(requests <= 40, "{requests} requests");
    assert_eq!(world.last_pass().counts.quarantined, 300);
}

#[tokio::test]
async fn b25_a_list_that_dates_do_not_make_smaller_is_not_split_for_ever() {
    // No date can be read, and each span of dates shows the same list.
    let undated = Fault::body(|body| {
        let text = String::from_utf8(body).unwrap();
        text.replace("<datestamp>", "<datestamp>on ").into_bytes()
    });
    let builder = Repository::of(model(60, 10))
        .behaving(|how| how.ignores_from = true)
        .always(lists(), undated);
    let mut world = World::of(builder).await;
    world.settings.window_records = 20;
    let (_, requests) = requests_of_a_run(&world).await;
    assert!(requests <= 60, "{requests} requests");
}

#[tokio::test]
async fn b26_one_set_that_fails_holds_up_no_other() {
    let mut model = model(0, 2);
    for number in 1..=6 {
        let mut item = item(number);
        item.set_specs = vec![if number <= 3 { "a" } else { "b" }.to_owned()];
        model.insert(item);
    }
    let set_a = When::matching(|request| request.argument("set") == Some("a"));
    let mut world = World::of(Repository::of(model).always(set_a, Fault::html(500))).await;
    world.settings.sets = vec!["a".to_owned(), "b".to_owned()];
    for day in 0..3 {
        let report = world.run().await;
        assert_incomplete(&report, &["HTTP 500"]);
        assert!(world.source().watermark(Some("b")).is_some(), "day {day}");
        assert!(world.source().watermark(Some("a")).is_none(), "day {day}");
        let mut new = item(7 + day);
        new.datestamp = Datestamp::from_unix(NOW + day as i64 * DAY + 60);
        new.set_specs = vec!["b".to_owned()];
        world.repository.with_model(|model| model.insert(new));
        world.advance(DAY);
    }
    world.run().await;
    assert_eq!(world.live(), "4 5 6 7 8 9");
    world.repository.heal();
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(world.live(), "1 2 3 4 5 6 7 8 9");
}

#[tokio::test]
async fn b22_identifiers_find_the_one_record_that_cannot_be_read() {
    // Lists of identifiers work, so that few requests are needed.
    let builder = Repository::of(model(6, 10)).always(When::Always, poison(3, true));
    let world = World::of(builder).await;
    let (end, requests) = requests_of_a_run(&world).await;
    assert_eq!(end, End::Complete, "it is quarantined");
    assert_eq!(world.live(), "1 2 4 5 6");
    assert_eq!(world.quarantine().len(), 1);
    assert!(requests <= 20, "{requests} requests");
}
