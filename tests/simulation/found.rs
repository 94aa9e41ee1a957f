//! What the simulation has found, as small as it can be shown.

use std::collections::HashMap;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::model::{Behaviour, CompleteListSize, Order, Tokens};
use fastrand::Rng;
use harvestd::end::End;
use harvestd::harvest::settings::SourceSettings;
use harvestd::harvest::{Assumption, RunOptions};
use harvestd::http::ClientSettings;
use harvestd::oai::{Datestamp, Granularity};

use crate::faults::Fault;
use crate::oracle::Memory;
use crate::repository::{Repository, START};
use crate::scenario::{Member, Outcome, Stage, run, settle};
use crate::wire::{Cut, Site};

/// A source over a repository of `records` records, one in each minute.
fn member(behaviour: Behaviour, records: usize) -> Member {
    let mut rng = Rng::with_seed(1);
    let mut repository = Repository::empty(behaviour, "oai_dc");
    for _ in 0..records {
        repository.now += 60;
        repository.insert(&mut rng);
    }
    let clock = Arc::new(AtomicI64::new(START * 1_000));
    let url = "http://repository.example/oai".parse().unwrap();
    Member {
        site: Arc::new(Mutex::new(Site::undisturbed(repository, rng, clock))),
        settings: SourceSettings {
            delay: Duration::ZERO,
            retry_pause: Duration::ZERO,
            // What a pass misses is not to come with the next one.
            overlap: Duration::ZERO,
            ..SourceSettings::new("source", ClientSettings::new(url), "oai_dc")
        },
        memory: Memory::default(),
    }
}

/// The same token on each page, and no word on how many records there are.
fn sessions() -> Behaviour {
    Behaviour {
        tokens: Tokens::Session,
        complete_list_size: CompleteListSize::Absent,
        page_size: 10,
        ..Behaviour::plain()
    }
}

#[test]
fn a_lost_page_behind_a_session_token_is_read_all_the_same() {
    // Identify is the first request; a list of two pages has one token, which says nothing yet.
    let unsaid = CompleteListSize::Absent;
    for (case, records, lost, size) in [
        ("amid a list", 55, 4, unsaid),
        ("next to last", 30, 3, unsaid),
        ("last", 20, 3, unsaid),
        // As many are announced as come.
        ("announced wrongly", 30, 3, CompleteListSize::Wrong(20)),
    ] {
        let behaviour = Behaviour {
            complete_list_size: size,
            ..sessions()
        };
        let mut member = member(behaviour, records);
        let mut stage = Stage::new();
        member.site.lock().unwrap().script = HashMap::from([(lost, Fault::Lost)]);
        let mut outcome = Outcome::default();
        run(
            &mut member,
            &mut stage,
            &RunOptions::default(),
            &mut outcome,
        )
        .and_then(|_| settle(&mut member, &mut stage, &mut outcome))
        .unwrap_or_else(|why| panic!("{case}: {why}"));
    }
}

#[test]
fn a_page_that_died_with_the_process_behind_a_session_token_is_read_all_the_same() {
    for call in 2..7 {
        let mut member = member(sessions(), 55);
        let mut stage = Stage::new();
        member.site.lock().unwrap().cut = Some(Cut::After(call));
        let mut outcome = Outcome::default();
        run(
            &mut member,
            &mut stage,
            &RunOptions::default(),
            &mut outcome,
        )
        .and_then(|_| settle(&mut member, &mut stage, &mut outcome))
        .unwrap_or_else(|why| panic!("after request {call}: {why}"));
    }
}

#[test]
fn newest_first_and_from_ignored_is_not_cut_into_single_seconds() {
    let behaviour = Behaviour {
        ignores_from: true,
        order: Order::NewestFirst,
        page_size: 10,
        ..Behaviour::plain()
    };
    let mut member = member(behaviour, 300);
    member.settings.window_records = 20;
    let mut stage = Stage::new();
    let mut outcome = Outcome::default();
    let report = run(
        &mut member,
        &mut stage,
        &RunOptions::default(),
        &mut outcome,
    )
    .unwrap()
    .unwrap();
    assert_eq!(report.end, End::Complete);
    let requests = member.site.lock().unwrap().calls;
    assert!(requests < 100, "{requests} requests");
}

#[test]
fn readings_that_broke_off_at_one_place_do_not_make_an_end() {
    let behaviour = Behaviour {
        complete_list_size: CompleteListSize::Exact,
        ..sessions()
    };
    let mut member = member(behaviour, 55);
    let mut stage = Stage::new();
    // Identify, then three times a page and its token: dead (which is put in another way as well,
    // once), dead, and then answered with noRecordsMatch.
    let faults = [
        (3, Fault::DeadToken),
        (6, Fault::DeadToken),
        (8, Fault::NothingMore),
    ];
    member.site.lock().unwrap().script = HashMap::from(faults);
    let mut outcome = Outcome::default();
    run(
        &mut member,
        &mut stage,
        &RunOptions::default(),
        &mut outcome,
    )
    .and_then(|_| settle(&mut member, &mut stage, &mut outcome))
    .unwrap();
}

#[test]
fn from_ignored_and_a_record_that_breaks_its_page_are_not_cut_into_single_seconds() {
    for order in [Order::NewestFirst, Order::OldestFirst] {
        let behaviour = Behaviour {
            ignores_from: true,
            order,
            page_size: 2,
            ..Behaviour::plain()
        };
        let mut member = member(behaviour, 12);
        let name = {
            let mut site = member.site.lock().unwrap();
            let name = site.repository.current.keys().nth(6).unwrap().clone();
            site.poison = vec![name.clone()];
            name
        };
        let mut stage = Stage::new();
        let mut outcome = Outcome::default();
        run(
            &mut member,
            &mut stage,
            &RunOptions::default(),
            &mut outcome,
        )
        .and_then(|_| settle(&mut member, &mut stage, &mut outcome))
        .unwrap_or_else(|why| panic!("{order:?}, {name}: {why}"));
    }
}

#[test]
fn windows_that_did_not_show_their_records_yet_are_read_again_with_an_old_pass() {
    const DAY: i64 = 86_400;
    let behaviour = Behaviour {
        clamp: Some(Duration::from_secs(9 * 86_400)),
        ..Behaviour::plain()
    };
    let mut member = member(behaviour, 0);
    member.settings.retries = 0;
    {
        let mut site = member.site.lock().unwrap();
        let mut rng = Rng::with_seed(1);
        site.advance(4 * DAY);
        for _ in 0..8 {
            site.advance(DAY);
            site.repository.insert(&mut rng);
        }
        // The first list, which is then cut: into parts that show nothing, and a last one that is
        // refused, since it begins behind what may be shown.
        site.script = HashMap::from([(2, Fault::Broken)]);
    }
    let mut stage = Stage::new();
    let mut outcome = Outcome::default();
    let report = run(
        &mut member,
        &mut stage,
        &RunOptions::default(),
        &mut outcome,
    )
    .unwrap();
    assert_ne!(report.unwrap().end, End::Complete);
    member.site.lock().unwrap().advance(20 * DAY);
    settle(&mut member, &mut stage, &mut outcome).unwrap();
}

#[test]
fn from_ignored_and_a_first_record_that_breaks_its_page_are_not_cut_into_single_seconds() {
    // Between the first record and the others there is nothing; each list that ends there begins with
    // the record that breaks it.
    let behaviour = Behaviour {
        ignores_from: true,
        order: Order::NewestFirst,
        page_size: 1,
        list_identifiers_resumes: true,
        complete_list_size: CompleteListSize::Wrong(10),
        ..Behaviour::plain()
    };
    let mut member = member(behaviour, 1);
    member.settings.window_records = 20;
    {
        let mut site = member.site.lock().unwrap();
        site.poison = site.repository.current.keys().cloned().collect();
        site.advance(4 * 86_400);
        for _ in 0..4 {
            site.repository.insert(&mut Rng::with_seed(2));
            site.advance(60);
        }
    }
    let mut stage = Stage::new();
    let mut outcome = Outcome::default();
    run(
        &mut member,
        &mut stage,
        &RunOptions::default(),
        &mut outcome,
    )
    .unwrap();
    let requests = member.site.lock().unwrap().calls;
    assert!(requests < 350, "{requests} requests");
    settle(&mut member, &mut stage, &mut outcome).unwrap();
}

#[test]
fn dates_that_are_said_to_work_and_do_not_are_not_cut_for_ever() {
    let behaviour = Behaviour {
        ignores_from: true,
        page_size: 10,
        ..Behaviour::plain()
    };
    let mut member = member(behaviour, 100);
    member.settings.window_records = 20;
    member.settings.assume = vec![Assumption::IgnoresDates(false)];
    let mut stage = Stage::new();
    let mut outcome = Outcome::default();
    run(
        &mut member,
        &mut stage,
        &RunOptions::default(),
        &mut outcome,
    )
    .and_then(|_| settle(&mut member, &mut stage, &mut outcome))
    .unwrap();
}

/// A repository that counts in days, and holds back what is younger than `clamp` of them.
fn by_the_day(clamp: u64) -> Behaviour {
    Behaviour {
        granularity: Granularity::Day,
        clamp: Some(Duration::from_secs(clamp * 86_400)),
        ..Behaviour::plain()
    }
}

#[test]
fn by_the_day_a_requested_end_proves_nothing_of_the_day_that_is_held_back_in_part() {
    let mut member = member(by_the_day(5), 0);
    fill(&mut member, 20);
    let now = member.site.lock().unwrap().repository.now;
    let until = Datestamp::from_unix(now - 5 * 86_400).day_end();
    let options = RunOptions {
        until: Some(until),
        ..RunOptions::default()
    };
    let (mut stage, mut outcome) = (Stage::new(), Outcome::default());
    run(&mut member, &mut stage, &options, &mut outcome).unwrap();
}

#[test]
fn by_the_day_a_part_proves_nothing_of_the_day_that_is_held_back_in_part() {
    // The first list fails, so that it is cut without a word of how far it would have reached.
    for clamp in 1..30 {
        let mut member = member(by_the_day(clamp), 0);
        member.settings.retries = 0;
        fill(&mut member, 60);
        let script = HashMap::from([(2, Fault::Broken)]);
        member.site.lock().unwrap().script = script;
        let (mut stage, mut outcome) = (Stage::new(), Outcome::default());
        run(
            &mut member,
            &mut stage,
            &RunOptions::default(),
            &mut outcome,
        )
        .and_then(|_| settle(&mut member, &mut stage, &mut outcome))
        .unwrap_or_else(|why| panic!("{clamp} days: {why}"));
    }
}

/// Lets so many days pass, each with a record at noon.
fn fill(member: &mut Member, days: usize) {
    let mut site = member.site.lock().unwrap();
    let mut rng = Rng::with_seed(1);
    for _ in 0..days {
        site.advance(43_200);
        site.repository.insert(&mut rng);
        site.advance(43_200);
    }
    site.advance(43_200);
}

#[test]
fn a_wrong_lesson_about_dates_is_unlearnt_by_an_empty_list() {
    // Strict about dates: both ends are of one form, and the repository sets the end itself.
    let behaviour = Behaviour {
        clamp: Some(Duration::from_secs(5 * 86_400)),
        lenient: false,
        ..Behaviour::plain()
    };
    let mut member = member(behaviour, 20);
    let (mut stage, mut outcome) = (Stage::new(), Outcome::default());
    member.site.lock().unwrap().advance(20 * 86_400);
    run(
        &mut member,
        &mut stage,
        &RunOptions::default(),
        &mut outcome,
    )
    .unwrap();
    // A fault that looks as if the repository did not understand the dates; by the day it does.
    let options = RunOptions {
        until: Some(Datestamp::from_unix(START + 600)),
        from: Some(Datestamp::from_unix(START)),
        ..RunOptions::default()
    };
    member.site.lock().unwrap().script = HashMap::from([(1, Fault::ErrorInside)]);
    run(&mut member, &mut stage, &options, &mut outcome).unwrap();
    let report = run(
        &mut member,
        &mut stage,
        &RunOptions::default(),
        &mut outcome,
    )
    .unwrap();
    assert_eq!(report.unwrap().end, End::Complete);
}

#[test]
fn a_list_that_fails_is_not_cut_into_parts_of_what_is_held_back() {
    const CLAMP: i64 = 10 * 86_400;
    let behaviour = Behaviour {
        clamp: Some(Duration::from_secs(CLAMP.unsigned_abs())),
        ..Behaviour::plain()
    };
    let mut member = member(behaviour, 0);
    member.settings.retries = 0;
    fill(&mut member, 40);
    let (mut stage, mut outcome) = (Stage::new(), Outcome::default());
    run(
        &mut member,
        &mut stage,
        &RunOptions::default(),
        &mut outcome,
    )
    .unwrap();
    let limit = {
        let mut site = member.site.lock().unwrap();
        site.log = Some(Vec::new());
        site.script = HashMap::from([(2, Fault::Broken)]);
        Datestamp::from_unix(site.repository.now - CLAMP + 3_600)
    };
    let full = RunOptions {
        full: true,
        ..RunOptions::default()
    };
    run(&mut member, &mut stage, &full, &mut outcome).unwrap();
    let log = member.site.lock().unwrap().log.take().unwrap();
    let ends: Vec<&str> = log
        .iter()
        .filter_map(|line| line.split_once("(\"until\", \"")?.1.get(..20))
        .collect();
    assert!(ends.len() > 1, "it was cut: {log:#?}");
    for end in ends {
        assert!(end < limit.to_string().as_str(), "{end} is after {limit}");
    }
    settle(&mut member, &mut stage, &mut outcome).unwrap();
}
