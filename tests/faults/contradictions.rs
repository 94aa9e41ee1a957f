//! E16 to E19: lists that contradict themselves or each other. One identifier gets one state in each
//! pass, the same one as long as nothing changes, and nothing that lives is deleted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use harvestd::demo::Reply;
use harvestd::end::End;
use harvestd::harvest::{Report, RunOptions};
use harvestd::oai::Datestamp;
use harvestd::store::{Version, WarningKind};

use crate::common::*;
use crate::support::http::LoggedRequest;
use crate::support::model::Tokens;

/// One state of a record, as a list shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Listed {
    number: usize,
    /// When it changed, as [`at`] counts.
    day: usize,
    /// `None` for a tombstone, empty for a header without metadata.
    title: Option<&'static str>,
    /// The set whose list shows it; empty without sets.
    list: &'static str,
    /// The sets that its header names.
    sets: &'static [&'static str],
}

fn live(number: usize, day: usize, title: &'static str) -> Listed {
    Listed {
        number,
        day,
        title: Some(title),
        list: "",
        sets: &[],
    }
}

fn deleted(number: usize, day: usize) -> Listed {
    Listed {
        title: None,
        ..live(number, day, "")
    }
}

impl Listed {
    fn in_list(self, list: &'static str, sets: &'static [&'static str]) -> Self {
        Self { list, sets, ..self }
    }

    fn xml(self) -> String {
        let sets: String = self
            .sets
            .iter()
            .map(|set| format!("<setSpec>{set}</setSpec>"))
            .collect();
        let (status, content) = match self.title {
            None => (" status=\"deleted\"", String::new()),
            Some("") => ("", String::new()),
            Some(title) => ("", format!("<metadata>{}</metadata>", metadata(title)[0].1)),
        };
        format!(
            "<record><header{status}><identifier>{}</identifier><datestamp>{}</datestamp>{sets}\
             </header>{content}</record>",
            id(self.number),
            at(self.day)
        )
    }
}

/// What GetRecord says about a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    State(Listed),
    Unknown,
    Broken,
}

/// How a list is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    OnePage,
    /// Each record on a page of its own.
    Pages,
    /// Pages, and windows of two records.
    Windows,
}

const CUTS: [Cut; 3] = [Cut::OnePage, Cut::Pages, Cut::Windows];

/// A world whose repository shows what the test says.
struct Stage {
    world: World,
    page_size: usize,
}

impl Stage {
    async fn new(cut: Cut) -> Self {
        let mut world = World::of(Repository::of(model(0, 2))).await;
        if cut == Cut::Windows {
            world.settings.window_records = 2;
        }
        Self {
            world,
            page_size: if cut == Cut::OnePage { 100 } else { 1 },
        }
    }

    async fn with_sets(sets: &[&str]) -> Self {
        let mut stage = Self::new(Cut::OnePage).await;
        stage.world.settings.sets = sets.iter().map(|set| (*set).to_owned()).collect();
        stage
    }

    /// From now on lists show these states in this order, and GetRecord says this. Of records that
    /// are not named, it shows the first state.
    fn show(&self, states: &[Listed], named: &[(usize, Named)]) {
        let (states, named) = (states.to_vec(), BTreeMap::from_iter(named.iter().copied()));
        let page_size = self.page_size;
        self.world.repository.heal();
        self.world.repository.break_with(
            When::matching(|request| request.argument("verb") != Some("Identify")),
            Fault::Answer(Arc::new(move |request| match request.argument("verb") {
                Some("GetRecord") => get_record(request, &states, &named),
                Some("ListRecords") => list_records(request, &states, page_size),
                _ => Reply::xml(envelope("<error code=\"badArgument\">no</error>")),
            })),
        );
    }

    async fn run(&self) -> Report {
        self.world.advance(DAY);
        let report = self.world.run().await;
        assert_eq!(report.end, End::Complete);
        report
    }

    async fn run_full(&self) -> Report {
        self.world.advance(DAY);
        let options = RunOptions {
            full: true,
            ..RunOptions::default()
        };
        let report = self.world.run_with(&options).await;
        assert_eq!(report.end, End::Complete);
        report
    }

    fn versions(&self) -> BTreeMap<String, Version> {
        let stored = self.world.stored().into_iter();
        stored
            .map(|(identifier, record)| (identifier, record.version))
            .collect()
    }

    /// Passes of all kinds give no record another version.
    async fn assert_quiet(&self, case: &str) {
        let before = self.versions();
        self.run().await;
        assert_eq!(self.versions(), before, "{case}: the next pass");
        self.run_full().await;
        assert_eq!(self.versions(), before, "{case}: a full pass");
        // The last pass has begun just before the newest record.
        let since = RunOptions {
            from: Some(at(20)),
            ..RunOptions::default()
        };
        assert_eq!(self.world.run_with(&since).await.end, End::Complete);
        assert_eq!(self.versions(), before, "{case}: a part");
    }

    #[track_caller]
    fn assert_states(&self, live: &str, tombstones: &str, case: &str) {
        let found = (self.world.live(), self.world.tombstones());
        assert_eq!(found, (live.to_owned(), tombstones.to_owned()), "{case}");
    }

    fn sets_of(&self, number: usize) -> Vec<String> {
        self.world.stored()[&id(number)].set_specs.clone()
    }

    fn is_in_doubt(&self) -> bool {
        self.world.has_warning(WarningKind::ContradictoryLists)
    }
}

fn envelope(content: &str) -> String {
    list("").replace("<ListRecords></ListRecords>", content)
}

fn list_records(request: &LoggedRequest, states: &[Listed], page_size: usize) -> Reply {
    let argument = |name| request.argument(name).unwrap_or_default().to_owned();
    let asked = match request.argument("resumptionToken") {
        Some(token) => token.to_owned(),
        None => [
            argument("from"),
            argument("until"),
            argument("set"),
            "0".to_owned(),
        ]
        .join("!"),
    };
    let asked: Vec<&str> = asked.split('!').collect();
    let time = |text: &str| Datestamp::parse(text).map(|(time, _)| time);
    let (from, until) = (time(asked[0]), time(asked[1]));
    let (set, start) = (asked[2], asked[3].parse::<usize>().unwrap());
    let shown: Vec<&Listed> = states
        .iter()
        .filter(|state| {
            let day = at(state.day);
            state.list == set
                && from.is_none_or(|from| from <= day)
                && until.is_none_or(|until| day <= until)
        })
        .collect();
    if shown.is_empty() {
        return Reply::xml(envelope("<error code=\"noRecordsMatch\">none</error>"));
    }
    let end = (start + page_size).min(shown.len());
    let mut content: String = shown[start..end].iter().map(|state| state.xml()).collect();
    if end < shown.len() {
        content.push_str(&format!(
            "<resumptionToken completeListSize=\"{}\">{}!{}!{set}!{end}</resumptionToken>",
            shown.len(),
            asked[0],
            asked[1]
        ));
    }
    Reply::xml(list(&content))
}

fn get_record(request: &LoggedRequest, states: &[Listed], named: &BTreeMap<usize, Named>) -> Reply {
    let identifier = request.argument("identifier").unwrap_or_default();
    let number: usize = identifier["oai:x:".len()..].parse().unwrap();
    let shown = states.iter().find(|state| state.number == number);
    let answer = named.get(&number).copied();
    match answer.or(shown.copied().map(Named::State)) {
        Some(Named::State(state)) => {
            Reply::xml(envelope(&format!("<GetRecord>{}</GetRecord>", state.xml())))
        }
        Some(Named::Broken) => match Fault::html(500) {
            Fault::Reply(reply) => reply,
            _ => unreachable!("a page of HTML is a reply"),
        },
        Some(Named::Unknown) | None => {
            Reply::xml(envelope("<error code=\"idDoesNotExist\">no</error>"))
        }
    }
}

#[tokio::test]
async fn e16_identifier_live_and_deleted_in_one_list() {
    for cut in CUTS {
        for (tombstone_day, deleted_first) in [(30, false), (30, true), (2, false), (2, true)] {
            let (two, gone) = (live(2, 10, "Two"), deleted(2, tombstone_day));
            let pair = if deleted_first {
                [gone, two]
            } else {
                [two, gone]
            };
            let states = [
                &[live(1, 1, "One")][..],
                &pair,
                &[live(3, 31, "Three"), live(4, 32, "Four")],
            ]
            .concat();
            for (named, is_live, in_doubt) in [
                (Named::State(two), true, false),
                (Named::State(gone), false, false),
                (Named::Broken, true, true),
                (Named::Unknown, true, true),
            ] {
                let case = format!("{cut:?}, {pair:?}, GetRecord: {named:?}");
                let stage = Stage::new(cut).await;
                stage.show(&states, &[(2, named)]);
                stage.run().await;
                let expected = if is_live {
                    ("1 2 3 4", "")
                } else {
                    ("1 3 4", "2")
                };
                stage.assert_states(expected.0, expected.1, &case);
                assert_eq!(stage.is_in_doubt(), in_doubt, "{case}");
                stage.assert_quiet(&case).await;
                assert_eq!(stage.is_in_doubt(), in_doubt, "{case}");
                if in_doubt {
                    let before = stage.versions();
                    stage.show(&states, &[(2, Named::State(two))]);
                    stage.run().await;
                    assert!(!stage.is_in_doubt(), "{case}: answered");
                    assert_eq!(stage.versions(), before, "{case}: answered");
                }
            }
        }
    }
}

#[tokio::test]
async fn e16_tombstone_beside_a_stored_record_is_never_seen_by_readers() {
    for cut in CUTS {
        for deleted_first in [false, true] {
            let case = format!("{cut:?}, deleted first: {deleted_first}");
            let two = live(2, 10, "Two");
            let others = [live(1, 1, "One"), live(3, 31, "Three")];
            let stage = Stage::new(cut).await;
            stage.show(&[&[two][..], &others].concat(), &[]);
            stage.run().await;
            let before = stage.versions();
            let pair = if deleted_first {
                [deleted(2, 30), two]
            } else {
                [two, deleted(2, 30)]
            };
            stage.show(&[&pair[..], &others].concat(), &[(2, Named::State(two))]);
            stage.run_full().await;
            assert_eq!(stage.versions(), before, "{case}");
            stage.assert_quiet(&case).await;
            // The repository shows the tombstone alone in the end: it is deleted.
            stage.show(&[&[deleted(2, 30)][..], &others].concat(), &[]);
            stage.run_full().await;
            stage.assert_states("1 3", "2", &case);
            stage.assert_quiet(&case).await;
        }
    }
}

#[tokio::test]
async fn e16_pass_that_shows_the_tombstone_alone() {
    let stage = Stage::new(Cut::OnePage).await;
    let (two, gone) = (live(2, 10, "Two"), deleted(2, 399));
    let states = [live(1, 1, "One"), two, gone];
    // Only the tombstone lies within the overlap of the second pass.
    for named in [Named::State(two), Named::Broken] {
        stage.show(&states, &[(2, named)]);
        stage.run().await;
        stage.run().await;
        stage.assert_states("1 2", "", "the tombstone alone");
    }
    // It is an ordinary deletion where no list has shown both.
    let stage = Stage::new(Cut::OnePage).await;
    stage.show(&[live(1, 1, "One"), two], &[]);
    stage.run().await;
    stage.show(&[live(1, 1, "One"), deleted(2, 401)], &[]);
    stage.world.repository.forget_requests();
    assert_eq!(stage.run().await.counts.deleted, 1);
    stage.assert_states("1", "2", "a deletion");
    assert_eq!(stage.world.repository.count("GetRecord"), 0);
}

#[tokio::test]
async fn e16_tombstone_before_an_interruption() {
    // Tokens name the last datestamp, so that the next run reads only the rest of the list.
    let mut world = World::of(six().behaving(|how| how.tokens = Tokens::Doaj)).await;
    world.settings.overlap = Duration::ZERO;
    assert_eq!(world.run().await.end, End::Complete);
    world.advance(DAY);
    world.repository.with_model(|model| {
        for number in 1..=5 {
            let changed = Datestamp::from_unix(NOW + number as i64 * 3_600);
            model.insert(harvestd::demo::Item {
                datestamp: changed,
                ..item(number)
            });
        }
        // On the first page, in either order.
        model.delete(&id(1), Datestamp::from_unix(NOW + 600));
        model.delete(&id(5), Datestamp::from_unix(NOW + 6 * 3_600));
    });
    let some = RunOptions {
        limit: Some(1),
        ..RunOptions::default()
    };
    assert_incomplete(&world.run_with(&some).await, &["limit"]);
    world.advance(DAY);
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(
        (world.live(), world.tombstones()),
        ("2 3 4 6".into(), "1 5".into())
    );
}

#[tokio::test]
async fn e16_tombstones_wait_for_no_window_that_fails() {
    let stage = Stage::new(Cut::OnePage).await;
    let states = [live(1, 1, "One"), live(2, 10, "Two"), live(3, 30, "Three")];
    stage.show(&states, &[]);
    stage.run().await;
    // The last page cannot be read, nor its records one by one.
    let stage = Stage {
        page_size: 2,
        ..stage
    };
    let states = [live(1, 1, "One"), deleted(2, 401), live(3, 402, "New")];
    stage.show(&states, &[(3, Named::Broken)]);
    stage.world.repository.heal();
    stage.world.repository.break_with(
        When::matching(|request| {
            let from = request.argument("from").unwrap_or_default();
            request.argument("verb") == Some("ListRecords")
                && (request.argument("resumptionToken").is_some()
                    || from > at(401).to_string().as_str())
        }),
        Fault::html(500),
    );
    let shown = states.to_vec();
    stage.world.repository.break_with(
        When::matching(|request| request.argument("verb") != Some("Identify")),
        Fault::Answer(Arc::new(move |request| match request.argument("verb") {
            Some("ListRecords") => list_records(request, &shown, 2),
            _ => Reply::xml(envelope("<error code=\"badArgument\">no</error>")),
        })),
    );
    stage.world.advance(2 * DAY);
    stage.world.run().await;
    stage.assert_states("1 3", "2", "what can be read is stored");
}

#[tokio::test]
async fn e17_deletion_of_one_set() {
    const OLD: usize = 10;
    const NEW: usize = 401;
    // In each header all sets, or only that of the list.
    for all_sets in [false, true] {
        let of = |list: &'static str, both: bool| -> &'static [&'static str] {
            match (list, all_sets && both) {
                (_, true) => &["a", "b"],
                ("a", _) => &["a"],
                _ => &["b"],
            }
        };
        for order in [["a", "b"], ["b", "a"]] {
            let case = format!("{order:?}, all sets: {all_sets}");
            let stage = Stage::with_sets(&order).await;
            let one = live(1, OLD, "One").in_list("a", &["a"]);
            let four = live(4, OLD, "Four").in_list("b", &["b"]);
            let three = live(3, OLD, "Three");
            let before = [
                one,
                three.in_list("a", of("a", true)),
                three.in_list("b", of("b", true)),
                four,
            ];
            stage.show(&before, &[]);
            stage.run().await;
            assert_eq!(stage.sets_of(3), ["a", "b"], "{case}");
            stage.assert_quiet(&case).await;
            // It leaves set a; it did not change in set b.
            let stays = three.in_list("b", of("b", true));
            let left = [one, deleted(3, NEW).in_list("a", &["a"]), stays, four];
            stage.world.advance(10 * DAY);
            stage.show(&left, &[(3, Named::Broken)]);
            let versions = stage.versions();
            stage.run().await;
            stage.assert_states("1 3 4", "", &case);
            assert_eq!(stage.versions(), versions, "{case}: no answer yet");
            assert!(stage.is_in_doubt(), "{case}");
            stage.show(&left, &[(3, Named::State(stays))]);
            stage.run().await;
            stage.assert_states("1 3 4", "", &case);
            assert!(!stage.is_in_doubt(), "{case}");
            assert_eq!(stage.sets_of(3), ["b"], "{case}");
            assert_eq!(stage.world.title(3), "Three", "{case}");
            stage.assert_quiet(&case).await;
            // It comes back to set a.
            let back = [one, three.in_list("a", of("a", true)), stays, four];
            stage.show(&back, &[]);
            stage.run_full().await;
            assert_eq!(stage.sets_of(3), ["a", "b"], "{case}");
            stage.assert_quiet(&case).await;
            // It is deleted in both, and nothing has to be asked for.
            let gone = [
                one,
                deleted(3, NEW + 20).in_list("a", of("a", true)),
                deleted(3, NEW + 20).in_list("b", of("b", true)),
                four,
            ];
            stage.world.advance(10 * DAY);
            stage.show(&gone, &[]);
            stage.world.repository.forget_requests();
            stage.run_full().await;
            stage.assert_states("1 4", "3", &case);
            assert_eq!(stage.world.repository.count("GetRecord"), 0, "{case}");
            stage.assert_quiet(&case).await;
        }
    }
}

#[tokio::test]
async fn e17_deletion_of_one_set_in_the_first_harvest() {
    for order in [["a", "b"], ["b", "a"]] {
        for (in_a, in_b) in [(true, false), (false, true)] {
            let state = |is_live, list| {
                let state = if is_live {
                    live(3, 10, "Three")
                } else {
                    deleted(3, 20)
                };
                state.in_list(list, if list == "a" { &["a"] } else { &["b"] })
            };
            let case = format!("{order:?}, live in a: {in_a}");
            let stage = Stage::with_sets(&order).await;
            let states = [state(in_a, "a"), state(in_b, "b")];
            let lives = if in_a { states[0] } else { states[1] };
            stage.show(&states, &[(3, Named::State(lives))]);
            stage.run().await;
            stage.assert_states("3", "", &case);
            assert_eq!(stage.sets_of(3), lives.sets, "{case}");
            stage.assert_quiet(&case).await;
        }
    }
}

#[tokio::test]
async fn e17_deletion_of_the_only_set() {
    let stage = Stage::with_sets(&["a", "b"]).await;
    let one = live(1, 10, "One").in_list("a", &["a"]);
    let two = live(2, 10, "Two").in_list("b", &["b"]);
    stage.show(&[one, two], &[]);
    stage.run().await;
    stage.show(&[deleted(1, 401).in_list("a", &["a"]), two], &[]);
    stage.world.repository.forget_requests();
    stage.run().await;
    stage.assert_states("2", "1", "no other set has it");
    assert_eq!(stage.world.repository.count("GetRecord"), 0);
    // All that the other set has is deleted there.
    stage.show(&[deleted(1, 401).in_list("a", &["a"]), two], &[]);
    stage.assert_quiet("no other set has it").await;
}

#[tokio::test]
async fn e18_several_records_with_one_identifier() {
    let versions = |days: [usize; 3]| {
        [
            live(2, days[0], "Version 1"),
            live(2, days[1], "Version 2"),
            live(2, days[2], "Version 3"),
        ]
    };
    for cut in CUTS {
        for days in [
            [10, 11, 12],
            [10, 10, 10],
            [10, 12, 12],
            [12, 11, 10],
            [10, 12, 11],
        ] {
            let case = format!("{cut:?}, days {days:?}");
            let stage = Stage::new(cut).await;
            let [a, b, c] = versions(days);
            let orders = [[a, b, c], [c, b, a], [b, c, a]];
            let show = |order: [Listed; 3]| {
                let states = [&[live(1, 1, "One")][..], &order, &[live(3, 31, "Three")]];
                stage.show(&states.concat(), &[(2, Named::State(a))]);
            };
            show(orders[0]);
            stage.run().await;
            let title = stage.world.title(2);
            let newest = days.iter().max().unwrap();
            let is_newest = [a, b, c]
                .iter()
                .any(|state| state.title == Some(&title) && state.day == *newest);
            assert!(is_newest, "{case}: {title}");
            stage.assert_quiet(&case).await;
            // That some items come again is known, and is no sign of a list that moves.
            let repository = &stage.world.repository;
            repository.forget_requests();
            stage.run_full().await;
            let pages = match cut {
                Cut::OnePage => 1,
                Cut::Pages => 5,
                Cut::Windows => repository.count("ListRecords"),
            };
            let requests = (
                repository.count("ListRecords"),
                repository.count("GetRecord"),
            );
            assert_eq!(requests, (pages, 0), "{case}");
            for order in orders {
                show(order);
                stage.assert_quiet(&case).await;
                assert_eq!(stage.world.title(2), title, "{case}");
            }
            // Only one of them is left.
            for left in [c, a] {
                stage.show(&[live(1, 1, "One"), left, live(3, 31, "Three")], &[]);
                stage.run_full().await;
                assert_eq!(Some(stage.world.title(2).as_str()), left.title, "{case}");
                stage.assert_quiet(&case).await;
            }
        }
    }
}

#[tokio::test]
async fn e17_tombstones_of_two_sets() {
    for order in [["a", "b"], ["b", "a"]] {
        for days in [[10, 20], [20, 10]] {
            let case = format!("{order:?}, {days:?}");
            let stage = Stage::with_sets(&order).await;
            let states = [
                deleted(1, days[0]).in_list("a", &["a"]),
                deleted(1, days[1]).in_list("b", &["b"]),
            ];
            stage.show(&states, &[]);
            stage.run().await;
            stage.assert_states("", "1", &case);
            stage.assert_quiet(&case).await;
        }
    }
}

#[tokio::test]
async fn e18_older_version_beside_one_that_cannot_be_read() {
    for unreadable_first in [true, false] {
        let case = format!("the unreadable one first: {unreadable_first}");
        let stage = Stage::new(Cut::Pages).await;
        stage.show(&[live(2, 5, "First")], &[]);
        stage.run().await;
        let (bare, old) = (live(2, 20, ""), live(2, 10, "Old"));
        let mut states = [bare, old];
        if !unreadable_first {
            states.reverse();
        }
        stage.show(&states, &[(2, Named::Broken)]);
        stage.run_full().await;
        assert_eq!(stage.world.title(2), "Old", "{case}");
        assert_eq!(stage.world.quarantine().len(), 1, "{case}");
        stage.show(&states, &[(2, Named::State(live(2, 20, "New")))]);
        stage.run().await;
        assert_eq!(stage.world.title(2), "New", "{case}");
        assert_eq!(stage.world.quarantine().len(), 0, "{case}");
    }
}

#[tokio::test]
async fn e18_older_version_that_comes_later() {
    for cut in CUTS {
        for older_first in [true, false] {
            let case = format!("{cut:?}, the older one first: {older_first}");
            let (old, new) = (live(2, 10, "Old"), live(2, 20, "New"));
            let others = [live(1, 1, "One"), live(3, 31, "Three")];
            let stage = Stage::new(cut).await;
            stage.show(&[&[new][..], &others].concat(), &[]);
            stage.run().await;
            let before = stage.versions();
            let pair = if older_first { [old, new] } else { [new, old] };
            stage.show(&[&pair[..], &others].concat(), &[(2, Named::Broken)]);
            stage.run_full().await;
            assert_eq!(stage.versions(), before, "{case}");
            stage.assert_quiet(&case).await;
            // Without the newer one, the older one is the present state.
            stage.show(&[&[old][..], &others].concat(), &[]);
            stage.run_full().await;
            assert_eq!(stage.world.title(2), "Old", "{case}");
            stage.assert_quiet(&case).await;
        }
        // A repository that goes back to a copy of itself needs nobody to be asked.
        let stage = Stage::new(cut).await;
        let states = |day: usize, title| [live(1, day, title), live(2, day + 1, title)];
        stage.show(&states(20, "New"), &[]);
        stage.run().await;
        stage.show(
            &states(10, "Old"),
            &[(1, Named::Broken), (2, Named::Broken)],
        );
        stage.run_full().await;
        let titles = [stage.world.title(1), stage.world.title(2)];
        assert_eq!(titles, ["Old", "Old"], "{cut:?}");
    }
}

#[tokio::test]
async fn e18_older_version_in_a_part_without_the_newer_one() {
    let stage = Stage::new(Cut::OnePage).await;
    let (old, new) = (live(2, 10, "Old"), live(2, 20, "New"));
    stage.show(&[new], &[]);
    stage.run().await;
    let versions = stage.versions();
    let part = RunOptions {
        from: Some(at(5)),
        until: Some(at(15)),
        ..RunOptions::default()
    };
    for named in [Named::Broken, Named::State(new)] {
        stage.show(&[old, new], &[(2, named)]);
        assert_eq!(stage.world.run_with(&part).await.end, End::Complete);
        assert_eq!(stage.versions(), versions, "{named:?}");
        assert_eq!(stage.is_in_doubt(), named == Named::Broken, "{named:?}");
    }
    stage.assert_quiet("after a part").await;
}

#[tokio::test]
async fn e18_versions_on_both_sides_of_an_interruption() {
    for days in [[10, 11], [11, 10], [10, 10]] {
        let stage = Stage::new(Cut::Pages).await;
        let states = [
            live(2, days[0], "Version 1"),
            live(2, days[1], "Version 2"),
            live(3, 31, "Three"),
        ];
        let newest = if days[0] > days[1] {
            states[0]
        } else {
            states[1]
        };
        stage.show(&states, &[(2, Named::State(newest))]);
        let some = RunOptions {
            limit: Some(1),
            ..RunOptions::default()
        };
        assert_incomplete(&stage.world.run_with(&some).await, &["limit"]);
        stage.run().await;
        let case = format!("{days:?}");
        assert_eq!(Some(stage.world.title(2).as_str()), newest.title, "{case}");
        stage.assert_quiet(&case).await;
    }
}

#[tokio::test]
async fn e19_header_alone_of_a_record_that_is_deleted() {
    let (two, bare) = (live(2, 10, "Two"), live(2, 399, ""));
    for known in [false, true] {
        let case = format!("known before: {known}");
        let stage = Stage::new(Cut::OnePage).await;
        if known {
            stage.show(&[live(1, 1, "One"), two], &[]);
            stage.run().await;
        }
        let states = [live(1, 1, "One"), bare];
        stage.show(&states, &[(2, Named::State(deleted(2, 399)))]);
        stage.run_full().await;
        stage.assert_states("1", "2", &case);
        stage.assert_quiet(&case).await;
        // Without an answer it stays deleted, and is set aside for people to see.
        stage.show(&states, &[(2, Named::Broken)]);
        stage.run_full().await;
        stage.assert_states("1", "2", &case);
        assert_eq!(stage.world.quarantine().len(), 1, "{case}");
        // It lives again.
        stage.show(&[live(1, 1, "One"), live(2, 402, "Again")], &[]);
        stage.run_full().await;
        stage.assert_states("1 2", "", &case);
        assert_eq!(stage.world.quarantine().len(), 0, "{case}");
    }
}
