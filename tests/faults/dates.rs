//! B: dates, windows, watermarks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::support::model::{Behaviour, CompleteListSize, Model, Order, Reply, Tokens};
use harvestd::end::End;
use harvestd::harvest::{RunOptions, harvest_all};
use harvestd::http::Secret;
use harvestd::oai::{Datestamp, Granularity};
use harvestd::store::{StoredRecord, Version, WarningKind};
use std::num::NonZeroUsize;

use crate::common::*;
use crate::support::Program;

/// A repository that holds back what changed in the last thirty days, and says so.
fn clamped() -> Builder {
    six().behaving(|how| {
        how.clamp = Some(Duration::from_secs(30 * 86_400));
        how.lenient = true;
    })
}

fn put(repository: &Repository, number: usize, datestamp: Datestamp) {
    let mut item = item(number);
    item.datestamp = datestamp;
    repository.with_model(|model| model.insert(item));
}

const MANY: NonZeroUsize = NonZeroUsize::new(64).unwrap();

#[tokio::test]
async fn b01_until_is_lowered_silently() {
    let world = World::of(clamped()).await;
    assert_eq!(world.run().await.end, End::Complete);
    let proven = Datestamp::from_unix(NOW - 30 * DAY).to_string();
    assert_eq!(world.watermark(), Some(proven.clone()));
    // Each day a record; each day a pass; after two months all that shows is stored.
    for day in 1..=60 {
        put(&world.repository, 100 + day, world.repository.clock().now());
        world.advance(DAY);
        assert_eq!(world.run().await.end, End::Complete);
    }
    let visible: Vec<String> = world
        .repository
        .visible()
        .into_iter()
        .map(|item| item.identifier)
        .collect();
    let stored: Vec<String> = world.stored().into_keys().collect();
    assert!(visible.len() > 30);
    assert_eq!(stored, visible);
    // What lies in the hidden span matches nothing, and moves nothing.
    let before = world.watermark();
    let hidden = RunOptions {
        from: Some(world.repository.clock().now().plus_seconds(-DAY)),
        ..RunOptions::default()
    };
    assert_eq!(world.run_with(&hidden).await.end, End::Complete);
    assert_eq!(world.watermark(), before);
    // Nor when the first page failed, and windows were cut inside the hidden span.
    let world = World::of(clamped().times(2, first_page(), Fault::html(500))).await;
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(world.live(), "1 2 3 4 5 6");
    assert!(world.watermark() <= Some(proven), "{:?}", world.watermark());
}

#[tokio::test]
async fn b01_key_expires_in_mid_list() {
    let builder = clamped().behaving(|how| {
        how.order = Order::NewestFirst;
        how.tokens = Tokens::Doaj;
        how.complete_list_size = CompleteListSize::Absent;
        how.premium_key = Some("key".to_owned());
    });
    let mut world = World::of(builder).await;
    world.settings.client.credentials.api_key = Some(Secret::new("key"));
    for number in 7..=10 {
        let days_ago = 14 - number as i64;
        put(
            &world.repository,
            number,
            Datestamp::from_unix(NOW - days_ago * DAY),
        );
    }
    // Identify, then 10 and 9; then the key is no key any more, and the token skips 8 and 7.
    let report = world
        .run_meddling(3, |repository| {
            repository.with_model(|model| model.behaviour.premium_key = None);
        })
        .await;
    assert_eq!(report.end, End::Complete);
    assert_eq!(world.source().live_records, 8);
    let proven = Datestamp::from_unix(NOW - 30 * DAY).to_string();
    assert_eq!(
        world.watermark(),
        Some(proven),
        "what each page shows counts"
    );
    world.advance(40 * DAY);
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(world.source().live_records, 10);
}

#[tokio::test]
async fn b01_empty_parts_are_read_again_by_a_later_run() {
    // The list fails at its open end, so that parts of it lie in the span that is held back.
    let open_end = When::matching(|request| {
        matches!(
            request.argument("verb"),
            Some("ListRecords" | "ListIdentifiers")
        ) && request.argument("until").is_none()
    });
    let world = World::of(clamped().always(open_end, Fault::html(500))).await;
    put(&world.repository, 7, Datestamp::from_unix(NOW - 10 * DAY));
    assert_incomplete(&world.run().await, &["HTTP 500"]);
    assert_eq!(world.live(), "1 2 3 4 5 6");
    // The rest of it is read when all those parts can be seen.
    put(&world.repository, 8, Datestamp::from_unix(NOW + 5 * DAY));
    world.repository.heal();
    world.advance(60 * DAY);
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(world.live(), "1 2 3 4 5 6 7 8");
}

#[tokio::test]
async fn b02_index_lags_behind() {
    let lag = Duration::from_secs(3_600);
    let world = World::of(six().behaving(move |how| how.index_lag = lag)).await;
    world.run().await;
    put(&world.repository, 7, Datestamp::from_unix(NOW));
    world.advance(1_800);
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(world.live(), "1 2 3 4 5 6", "it does not show yet");
    // A day of passes in between, then the overlap finds it behind the watermark.
    world.advance(DAY);
    world.run().await;
    assert_eq!(world.live(), "1 2 3 4 5 6 7");
}

#[tokio::test]
async fn b03_backdated_bulk_load() {
    let world = World::of(six()).await;
    world.run().await;
    put(&world.repository, 7, at(2));
    world.advance(DAY);
    world.run().await;
    assert_eq!(world.live(), "1 2 3 4 5 6", "no watermark can find it");
    let full = RunOptions {
        full: true,
        ..RunOptions::default()
    };
    assert_eq!(world.run_with(&full).await.end, End::Complete);
    assert_eq!(world.live(), "1 2 3 4 5 6 7");
}

#[tokio::test]
async fn b04_datestamp_kept_or_always_new() {
    let world = World::of(six()).await;
    world.run().await;
    let before = world.stored();
    // All get a new datestamp and nothing else: nothing is passed on.
    world.advance(DAY);
    let now = world.repository.clock().now();
    world
        .repository
        .with_model(|model| model.restamp_bulk((1..=6).map(id), now));
    let report = world.run().await;
    assert_eq!((report.counts.unchanged, report.counts.changed), (6, 0));
    let after = world.stored();
    for (identifier, record) in &before {
        assert_eq!(record.version, after[identifier].version, "{identifier}");
    }
    // New content under the old datestamp: a full pass finds it.
    world
        .repository
        .with_model(|model| model.update(&id(2), metadata("New"), at(2)));
    world.run().await;
    assert_eq!(world.title(2), "Title 2");
    let full = RunOptions {
        full: true,
        ..RunOptions::default()
    };
    world.run_with(&full).await;
    assert_eq!(world.title(2), "New");
}

#[tokio::test]
async fn b04_datestamps_that_stopped_advancing() {
    let world = World::of(six()).await;
    put(&world.repository, 6, Datestamp::from_unix(NOW - DAY));
    world.run().await;
    for day in 1..=3 {
        world.advance(DAY);
        put(&world.repository, 6 + day, world.repository.clock().now());
        world.run().await;
        assert!(!world.has_warning(WarningKind::Stalled));
    }
    for (days, stalls) in [(29, false), (2, true), (1, true)] {
        world.advance(days * DAY);
        assert_eq!(world.run().await.end, End::Complete);
        assert_eq!(world.has_warning(WarningKind::Stalled), stalls, "{days}");
    }
    put(&world.repository, 10, world.repository.clock().now());
    world.run().await;
    assert!(!world.has_warning(WarningKind::Stalled));
}

#[tokio::test]
async fn b05_granularity_is_another_than_declared() {
    // Declares seconds, takes days; declares days, takes seconds.
    for (declared, other, refused) in [
        (Granularity::Second, Granularity::Day, true),
        (Granularity::Day, Granularity::Second, false),
    ] {
        let wrong = When::matching(move |request| {
            let dates = [request.argument("from"), request.argument("until")];
            dates
                .into_iter()
                .flatten()
                .any(|date| date.contains('T') == refused)
        });
        let world = World::of(
            six()
                .behaving(|how| how.granularity = Granularity::Second)
                .always(When::Verb("Identify"), {
                    let word = match declared {
                        Granularity::Day => "YYYY-MM-DD",
                        Granularity::Second => "YYYY-MM-DDThh:mm:ssZ",
                    };
                    identify_with(word)
                })
                .always(wrong, Fault::oai_error("badArgument")),
        )
        .await;
        world.run().await;
        world.advance(DAY);
        put(&world.repository, 7, Datestamp::from_unix(NOW + 60));
        assert_eq!(world.run().await.end, End::Complete);
        assert_eq!(world.source().traits.granularity, Some(other));
        assert_eq!(world.live(), "1 2 3 4 5 6 7");
        // Learnt: not refused again.
        world.advance(DAY);
        world.repository.forget_requests();
        world.run().await;
        assert_eq!(world.repository.count("ListRecords"), 1);
    }
}

/// Identify with this granularity.
fn identify_with(granularity: &str) -> Fault {
    swap(
        "<granularity>YYYY-MM-DDThh:mm:ssZ</granularity>",
        &format!("<granularity>{granularity}</granularity>"),
    )
}

#[tokio::test]
async fn b06_last_day_of_a_window() {
    // Several records on each day, one of them in its last second, in windows of a few records.
    for granularity in [Granularity::Day, Granularity::Second] {
        let mut model = Model::new(Behaviour {
            page_size: 2,
            granularity,
            ..Behaviour::plain()
        });
        for number in 1..=40 {
            let mut item = item(number);
            let day = at(number / 4).day_start();
            item.datestamp = match number % 4 {
                0 => day,
                1 => day.plus_seconds(1),
                2 => day.plus_seconds(43_200),
                _ => day.day_end(),
            };
            model.insert(item);
        }
        let mut world = World::of(Repository::of(model)).await;
        world.settings.window_records = 5;
        assert_eq!(world.run().await.end, End::Complete);
        assert_eq!(world.source().live_records, 40, "{granularity:?}");
        let (from, until) = (world.asked("from"), world.asked("until"));
        assert!(from.len() > 5);
        assert!(
            from.iter()
                .chain(&until)
                .all(|date| date.contains('T') == (granularity == Granularity::Second))
        );
    }
}

#[tokio::test]
async fn b07_time_zone_of_the_harvester() {
    let repository = six().start().await;
    let mut asked = Vec::new();
    for zone in [
        "UTC",
        "Pacific/Kiritimati",
        "America/Los_Angeles",
        "XYZ-13:45",
    ] {
        let place = temp_store();
        let config = config(&place, &repository.base_url(), "");
        repository.forget_requests();
        for _ in 0..2 {
            let arguments = ["harvest", "--config", &config, "--store", &place.argument()];
            Program::new(&arguments)
                .env("TZ", zone)
                .run()
                .await
                .success();
        }
        let from: Vec<String> = repository
            .requests()
            .iter()
            .filter_map(|request| request.argument("from").map(str::to_owned))
            .collect();
        asked.push(from);
    }
    assert_eq!(asked[0], ["2026-05-30T12:00:00Z"]);
    assert!(asked.iter().all(|from| *from == asked[0]), "{asked:?}");
}

#[tokio::test]
async fn b08_clocks_differ() {
    for skew in [-DAY * 40, DAY * 40] {
        let world = World::of(six()).await;
        world
            .now_ms
            .fetch_add(skew * 1000, std::sync::atomic::Ordering::Relaxed);
        world.assert_whole(&world.run().await);
        assert!(world.has_warning(WarningKind::ClockSkew));
    }
    let world = World::of(six()).await;
    world.run().await;
    assert!(!world.has_warning(WarningKind::ClockSkew));
}

#[tokio::test]
async fn b08_clock_of_the_repository_runs_ahead() {
    // By ten years, and the HTTP answer has no date beside it.
    let body = |numbers: &[usize], year: &str| {
        page(numbers, None).replace(NOON, &NOON.replace("2026", year))
    };
    let raw = |body: String| {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n", body.len());
        Fault::Raw(format!("{head}connection: close\r\n\r\n{body}").into_bytes())
    };
    let all = [1, 2, 3, 4, 5, 6];
    let world = World::of(six()).await;
    world
        .repository
        .break_with(lists(), raw(body(&all, "2036")));
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(
        (world.live(), world.watermark()),
        ("1 2 3 4 5 6".into(), None),
        "stored, and not proven"
    );
    assert!(world.has_warning(WarningKind::NoProof));
    let skew = &world.warnings()[WarningKind::ClockSkew.word()];
    assert!(skew.contains("it proves nothing"), "{skew}");
    // What is added while the clock is wrong, and after it, is not lost.
    put(&world.repository, 7, Datestamp::from_unix(NOW + 60));
    world.advance(DAY);
    world.repository.heal();
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(world.live(), "1 2 3 4 5 6 7");
    assert!(!world.has_warning(WarningKind::NoProof));
    assert!(!world.has_warning(WarningKind::ClockSkew));
    // Nor does an end that lies in the future prove itself.
    let mut world = World::of(six()).await;
    world.settings.until = Some(Datestamp::from_unix(NOW + 3_000 * DAY));
    world
        .repository
        .break_with(lists(), raw(body(&all, "2036")));
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(world.watermark(), None);
}

#[tokio::test]
async fn b08_watermark_that_a_wrong_clock_proved() {
    // All of the repository's machine was ten years ahead when it was read.
    let world = World::of(six()).await;
    let right = world.repository.clock().now();
    world
        .repository
        .clock()
        .set(right.plus_seconds(3_650 * DAY));
    assert_eq!(world.run().await.end, End::Complete);
    let proven = world.watermark().unwrap();
    assert!(proven.starts_with("2036"), "{proven}");
    world.repository.clock().set(right.plus_seconds(DAY));
    put(&world.repository, 7, right.plus_seconds(60));
    assert_incomplete(
        &world.run().await,
        &["before the watermark 2036", "the watermark is removed"],
    );
    assert_eq!(world.watermark(), None);
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(world.live(), "1 2 3 4 5 6 7");
    let proven = right.plus_seconds(DAY).to_string();
    assert_eq!(world.watermark(), Some(proven));
}

#[tokio::test]
async fn b09_response_date_is_missing_or_odd() {
    let date = format!("<responseDate>{NOON}</responseDate>");
    for odd in [
        "<responseDate>2026-06-01T14:00:00+02:00</responseDate>",
        "<responseDate>2026-06-01T12:00:00.5Z</responseDate>",
        "<responseDate>2026-06-01 12:00:00</responseDate>",
        // The Date of the HTTP answer.
        "<responseDate></responseDate>",
        "<responseDate>now</responseDate>",
        "",
    ] {
        let world = World::of(six().always(When::Always, swap(&date, odd))).await;
        world.assert_whole(&world.run().await);
    }
    // No clock at all: everything is stored, nothing is proven, and that is told.
    let body = page(&[1, 2, 3, 4, 5, 6], None).replace(&date, "");
    let raw = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let world = World::of(six().always(lists(), Fault::Raw(raw.into_bytes()))).await;
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(
        (world.live(), world.watermark()),
        ("1 2 3 4 5 6".into(), None)
    );
    assert!(world.has_warning(WarningKind::NoProof));
}

#[tokio::test]
async fn b10_earliest_datestamp_is_wrong() {
    let right = format!("<earliestDatestamp>{}</earliestDatestamp>", at(1));
    for wrong in [
        "<earliestDatestamp></earliestDatestamp>",
        "<earliestDatestamp>unknown</earliestDatestamp>",
        "<earliestDatestamp>2099-01-01T00:00:00Z</earliestDatestamp>",
        "<earliestDatestamp>0001-01-01T00:00:00Z</earliestDatestamp>",
        "<earliestDatestamp>2025-05-01T00:00:00Z</earliestDatestamp>",
        "",
    ] {
        for window_records in [50_000, 2] {
            let mut world =
                World::of(six().always(When::Verb("Identify"), swap(&right, wrong))).await;
            world.settings.window_records = window_records;
            assert_eq!(world.run().await.end, End::Complete, "{wrong}");
            assert_eq!(world.live(), "1 2 3 4 5 6", "{wrong}");
            assert_eq!(world.watermark().as_deref(), Some(NOON), "{wrong}");
        }
        // Nor is anything asked for from there on in a list that fits.
        let world = World::of(six().always(When::Verb("Identify"), swap(&right, wrong))).await;
        world.run().await;
        assert_eq!(world.asked("from"), [""; 0]);
    }
}

#[tokio::test]
async fn b11_datestamps_of_all_kinds() {
    let right = at(3).to_string();
    for odd in [
        right.replace('Z', ".123Z"),
        right.replace('Z', "+02:00"),
        right.replace('T', " "),
        format!("  {right}\n"),
        String::new(),
        "25-4-9".to_owned(),
        "yesterday".to_owned(),
        right[..10].to_owned(),
    ] {
        let builder = six().always(
            When::Always,
            swap(
                &format!("<datestamp>{right}<"),
                &format!("<datestamp>{odd}<"),
            ),
        );
        let world = World::of(builder).await;
        world.assert_whole(&world.run().await);
        assert_eq!(
            world.stored()[&id(3)].datestamp,
            odd.trim(),
            "kept as written"
        );
    }
    let none = six().always(
        When::Always,
        swap(&format!("<datestamp>{right}</datestamp>"), ""),
    );
    let world = World::of(none).await;
    world.assert_whole(&world.run().await);
}

#[tokio::test]
async fn b12_datestamps_in_the_future() {
    let world = World::of(six()).await;
    put(
        &world.repository,
        6,
        Datestamp::parse("2099-12-31T00:00:00Z").unwrap().0,
    );
    world.assert_whole(&world.run().await);
}

#[tokio::test]
async fn b13_from_after_until_is_never_sent() {
    let world = World::of(six()).await;
    world.run().await;
    world.repository.forget_requests();
    let past = RunOptions {
        until: Some(at(3)),
        ..RunOptions::default()
    };
    assert_eq!(world.run_with(&past).await.end, End::Complete);
    assert_eq!(world.repository.count("ListRecords"), 0);
    assert_eq!(world.watermark().as_deref(), Some(NOON));
    let twisted = RunOptions {
        from: Some(at(4)),
        until: Some(at(3)),
        ..RunOptions::default()
    };
    assert_eq!(world.run_with(&twisted).await.end, End::Complete);
    assert_eq!(world.repository.count("ListRecords"), 0);
    assert_eq!(
        world.run().await.end,
        End::Complete,
        "and it left nothing behind"
    );
}

#[tokio::test]
async fn b14_dates_are_ignored() {
    let whole = || {
        six()
            .always(
                first_page(),
                Fault::xml(page(
                    &[1, 2, 3],
                    Some("<resumptionToken completeListSize='6'>a</resumptionToken>"),
                )),
            )
            .always(
                with_token("a"),
                Fault::xml(page(
                    &[4, 5, 6],
                    Some("<resumptionToken completeListSize='6'/>"),
                )),
            )
    };
    let mut world = World::of(whole()).await;
    world.settings.window_records = 2;
    world.assert_whole(&world.run().await);
    assert!(world.source().traits.ignores_dates);
    assert!(world.has_warning(WarningKind::IgnoresDates));
    world.repository.forget_requests();
    world.assert_whole(&world.run().await);
    assert!(!world.repository.requests().iter().any(has_dates));
    // Shown by the second pass alone, where the list was never cut.
    let world = World::of(whole()).await;
    world.assert_whole(&world.run().await);
    assert!(!world.source().traits.ignores_dates);
    world.assert_whole(&world.run().await);
    assert!(world.source().traits.ignores_dates);
    // `from` alone, whichever way the list runs.
    for order in [Order::NewestFirst, Order::OldestFirst] {
        let builder = Repository::of(model(40, 3)).behaving(move |how| {
            how.ignores_from = true;
            how.order = order;
        });
        let mut world = World::of(builder).await;
        world.settings.window_records = 7;
        assert_eq!(world.run().await.end, End::Complete);
        assert_eq!(world.source().live_records, 40);
        assert!(world.repository.count("ListRecords") < 100);
    }
}

#[tokio::test]
async fn b15_sources_share_nothing() {
    let world = World::of(six()).await;
    let base = world.repository.base_url();
    let mut late = settings("late", &base);
    late.from = Some(at(4));
    let mut other = settings("other", &base);
    other.metadata_prefix = "oai_doaj".to_owned();
    let all = [late, settings("plain", &base), other];
    let context = world.context();
    let reports = harvest_all(&context, &all, &RunOptions::default(), MANY).await;
    assert_eq!(reports[0].counts.new, 3);
    assert_eq!(reports[1].counts.new, 6, "neither from nor prefix leak");
    assert_eq!(reports[2].watermarks, [], "nothing matches this prefix");
    let lists: Vec<_> = world
        .repository
        .requests()
        .into_iter()
        .filter(|request| request.argument("verb") == Some("ListRecords"))
        .filter_map(|request| request.argument("metadataPrefix").map(str::to_owned))
        .collect();
    assert_eq!(lists, ["oai_dc", "oai_dc", "oai_doaj"]);
}

#[tokio::test]
async fn b16_failed_window_is_tried_again() {
    // One record makes each answer that has it fail, alone or in lists.
    let poison = Fault::Transform(Arc::new(|answer| {
        let text = String::from_utf8_lossy(&answer.body);
        if text.contains("<identifier>oai:x:2</identifier>") {
            html(500)
        } else {
            answer
        }
    }));
    let world = World::of(six().always(When::Always, poison)).await;
    let report = world.run().await;
    world.assert_incomplete(&report, &["complete up to", "except", "HTTP 500"]);
    assert_eq!(world.live(), "1 3 4 5 6", "all around the gap is stored");
    let before_gap = world.watermark();
    assert!(before_gap.is_some_and(|watermark| watermark < at(2).to_string()));
    // What is newer comes. The gap is tried again and stays.
    world.advance(DAY);
    put(&world.repository, 7, Datestamp::from_unix(NOW + 60));
    world.repository.forget_requests();
    world.assert_incomplete(&world.run().await, &["2 attempts"]);
    assert_eq!(world.live(), "1 3 4 5 6 7");
    world.repository.heal();
    world.repository.forget_requests();
    world.advance(DAY);
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(world.live(), "1 2 3 4 5 6 7");
    assert!(world.watermark().is_some());
    assert!(
        world.repository.requests().len() < 10,
        "only the hole and what is new"
    );
}

#[tokio::test]
async fn b17_watermark_is_from_the_start_of_the_run() {
    let world = World::of(six()).await;
    let report = world
        .run_meddling(3, |repository| {
            // Two hours later, a record that was listed already has changed.
            repository.clock().advance(Duration::from_secs(7_200));
            let now = repository.clock().now();
            repository.with_model(|model| model.update(&id(1), metadata("Changed"), now));
        })
        .await;
    assert_eq!(report.end, End::Complete);
    let proven = world.watermark().unwrap();
    assert!(proven.as_str() <= "2026-06-01T14:00:00Z");
    world.advance(DAY);
    world.run().await;
    assert_eq!(world.title(1), "Changed");
    // Undisturbed, it is the first page's clock, however long the list took.
    let world = World::of(six()).await;
    let report = world
        .run_meddling(3, |repository| {
            repository.clock().advance(Duration::from_secs(7_200))
        })
        .await;
    world.assert_whole(&report);
}

#[tokio::test]
async fn b18_more_records_in_one_second_than_a_page_holds() {
    let mut model = model(0, 3);
    for number in 1..=20 {
        let mut item = item(number);
        item.datestamp = at(1);
        model.insert(item);
    }
    let mut world = World::of(Repository::of(model)).await;
    world.settings.window_records = 4;
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(world.source().live_records, 20);
    let count = world.repository.count("ListRecords");
    // Each halving has an empty half, which is asked for twice.
    assert!(count < 180, "{count} requests");
}

#[tokio::test]
async fn b19_the_present_day_is_harvested_and_read_again() {
    let world = World::of(six()).await;
    world.run().await;
    for hour in 1..=3 {
        put(
            &world.repository,
            6 + hour,
            world.repository.clock().now().plus_seconds(60),
        );
        world.advance(3_600);
        assert_eq!(world.run().await.end, End::Complete);
        assert_eq!(
            world.source().live_records,
            6 + hour as u64,
            "at once, not a day later"
        );
    }
    assert!(world.asked("until").is_empty(), "the last window is open");
}

#[tokio::test]
async fn b20_page_from_a_cache() {
    // Page two is of another day: the list proves no more than that day.
    let old = "2026-05-01T12:00:00Z";
    let stale = swap(
        &format!("<responseDate>{NOON}"),
        &format!("<responseDate>{old}"),
    );
    let world = World::of(six().always(When::Page(2), stale)).await;
    let report = world.run().await;
    assert_eq!(report.end, End::Complete);
    assert_eq!(world.live(), "1 2 3 4 5 6");
    assert_eq!(world.watermark().as_deref(), Some(old));
    assert_eq!(
        world.repository.requests().len(),
        4,
        "nothing is asked twice"
    );
    world.repository.heal();
    world.run().await;
    let asked = world.asked("from");
    assert_eq!(asked, ["2026-04-29T12:00:00Z"]);
    let requests = world.repository.requests();
    let mut asked = requests
        .iter()
        .map(|request| request.header("cache-control"));
    assert!(asked.all(|header| header == Some("no-cache")));
}

/// The date of HTTP at [`NOON`].
fn date_of_noon() -> (String, String) {
    let noon = "Mon, 01 Jun 2026 12:00:00 GMT";
    ("date".to_owned(), noon.to_owned())
}

/// An answer from a cache that was filled with `body` at [`NOON`].
fn cached(body: &[u8]) -> Fault {
    Fault::Reply(Reply {
        headers: vec![date_of_noon()],
        ..Reply::xml(body)
    })
}

#[tokio::test]
async fn b20_list_from_a_cache_takes_no_watermark_back() {
    let world = World::of(six()).await;
    let filled_with = page(&[1, 2, 3, 4, 5, 6], None);
    assert!(filled_with.contains(NOON), "{filled_with}");
    world.run().await;
    world.advance(20 * DAY);
    put(
        &world.repository,
        7,
        world.repository.clock().now().plus_seconds(-60),
    );
    world.run().await;
    let watermark = world.watermark();
    world.advance(DAY);
    world.repository.forget_requests();
    world
        .repository
        .break_with(first_page(), cached(filled_with.as_bytes()));
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(world.watermark(), watermark);
    assert_eq!(world.repository.count("Identify"), 1, "it tells the time");
    // A watermark that no answer confirms is taken back.
    let now = world.repository.clock().now().to_string();
    let says_noon = Fault::Transform(Arc::new(move |mut reply| {
        let body = String::from_utf8(reply.body).unwrap();
        reply.body = body.replace(&now, NOON).into_bytes();
        reply.headers.push(date_of_noon());
        reply
    }));
    world
        .repository
        .break_with(When::Verb("Identify"), says_noon);
    world.run().await;
    assert!(world.watermark() < watermark, "{:?}", world.watermark());
}

#[tokio::test]
async fn b20_list_from_a_cache_brings_no_old_state_back() {
    let world = World::of(six()).await;
    world.run().await;
    let old = page(&[1, 2, 3, 4, 5], None);
    let tombstone = format!(
        "<record><header status=\"deleted\"><identifier>{}</identifier><datestamp>{}</datestamp>\
         </header></record>",
        id(6),
        at(6)
    );
    let filled_with = old.replace("</ListRecords>", &format!("{tombstone}</ListRecords>"));
    world.advance(20 * DAY);
    // Both change: one has another title, the other was deleted when the cache was filled.
    for number in [5, 6] {
        let mut item = item(number);
        item.metadata = metadata("new");
        item.datestamp = world.repository.clock().now().plus_seconds(-60);
        world.repository.with_model(|model| model.insert(item));
    }
    world.run().await;
    assert_eq!(
        (world.title(5), world.title(6)),
        ("new".into(), "new".into())
    );
    let before = world.stored();
    world
        .repository
        .break_with(first_page(), cached(filled_with.as_bytes()));
    let full = RunOptions {
        full: true,
        ..RunOptions::default()
    };
    let report = world.run_with(&full).await;
    assert_eq!(report.end, End::Complete);
    assert_eq!(report.counts.changed + report.counts.deleted, 0);
    let versions = |records: &BTreeMap<String, StoredRecord>| -> Vec<Version> {
        records.values().map(|record| record.version).collect()
    };
    assert_eq!(versions(&world.stored()), versions(&before));
    assert_eq!(world.live(), "1 2 3 4 5 6");
}

#[tokio::test]
async fn b21_question_from_a_cache() {
    // A cache keeps each answer for ever: nothing new shows to who asks the same.
    for granularity in [Granularity::Second, Granularity::Day] {
        let world = World::of(six().behaving(move |how| how.granularity = granularity)).await;
        assert_eq!(world.run().await.end, End::Complete);
        world.repository.forget_requests();
        for _ in 0..4 {
            world.advance(DAY);
            assert_eq!(world.run().await.end, End::Complete);
        }
        let mut asked = world.asked("from");
        assert_eq!(asked.len(), 4);
        asked.dedup();
        assert_eq!(asked.len(), 4, "each question differs: {asked:?}");
        let first = asked[0].clone();
        assert!(
            asked.iter().all(|from| *from <= first),
            "none leaves a gap: {asked:?}"
        );
    }
}

#[tokio::test]
async fn b34_from_is_raised_silently() {
    let world = World::of(six()).await;
    world.assert_whole(&world.run().await);
    let clock = || world.repository.clock().now();
    put(&world.repository, 7, clock().plus_seconds(10 * DAY));
    put(&world.repository, 8, clock().plus_seconds(29 * DAY));
    world.advance(30 * DAY);
    // Nothing older than ten days is listed now.
    let late = list(&record(
        &id(8),
        &clock().plus_seconds(-DAY).to_string(),
        &item(8).metadata[0].1,
    ));
    let raised = clock().plus_seconds(-10 * DAY);
    let late = late.replace("<request", &format!("<request from=\"{raised}\""));
    let late = late.replace(NOON, &clock().to_string());
    world.repository.break_with(lists(), Fault::xml(late));
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(world.live(), "1 2 3 4 5 6 8");
    assert!(world.watermark().unwrap().as_str() <= NOON, "not passed");
    let warning = &world.warnings()[WarningKind::BeginsLate.word()];
    assert!(warning.contains(&raised.to_string()), "{warning}");
    world.repository.heal();
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(world.live(), "1 2 3 4 5 6 7 8");
    assert_eq!(world.watermark(), Some(clock().to_string()));
    assert!(!world.has_warning(WarningKind::BeginsLate));
}
