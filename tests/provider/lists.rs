//! What a harvester gets that follows the lists: no change is lost, nothing comes that was not asked for.

use std::collections::BTreeMap;

use harvestd::oai::Datestamp;
use harvestd::oai::parse::{Hints, parse};
use harvestd::oai::request::Verb;
use harvestd::oai::response::{Content, Header, Response};
use harvestd::provider::ErrorCode;

use super::world::{BEGIN, World, gone, live};

/// A harvester that keeps the last header of each identifier, by the rules of the protocol.
#[derive(Default)]
pub(super) struct Harvester {
    set: Option<String>,
    /// The responseDate of the first page of the last list.
    from: Option<Datestamp>,
    pub(super) headers: BTreeMap<String, Header>,
    /// Headers received.
    received: usize,
}

fn read(body: &[u8]) -> Response {
    parse(body, Hints::new(Verb::ListIdentifiers)).unwrap()
}

impl Harvester {
    pub(super) fn of_set(set: &str) -> Self {
        Self {
            set: Some(set.to_owned()),
            ..Self::default()
        }
    }

    /// The set that it asks for.
    pub(super) fn set(&self) -> &str {
        self.set.as_deref().unwrap_or_default()
    }

    /// Lists what has changed. `between` runs between two pages.
    pub(super) fn harvest(&mut self, world: &World, second: i64, mut between: impl FnMut()) {
        let mut arguments = "verb=ListIdentifiers&metadataPrefix=oai_dc".to_owned();
        if let Some(set) = &self.set {
            arguments.push_str(&format!("&set={set}"));
        }
        if let Some(from) = self.from {
            arguments.push_str(&format!("&from={from}"));
        }
        let mut first = None;
        loop {
            let answer = world.answer_at(second, &arguments);
            let response = read(&answer.body);
            first = first.or(response.response_date);
            if answer.error == Some(ErrorCode::NoRecordsMatch) {
                break;
            }
            let Content::Identifiers(list) = response.content else {
                panic!("{}", String::from_utf8_lossy(&answer.body));
            };
            for header in list.items {
                let shown = header.instant().unwrap();
                assert!(
                    shown <= response.response_date.unwrap(),
                    "shown before its time"
                );
                assert!(self.from.is_none_or(|from| shown >= from), "not asked for");
                self.received += 1;
                self.headers.insert(header.identifier.clone(), header);
            }
            let Some(token) = list.token else { break };
            arguments = format!("verb=ListIdentifiers&resumptionToken={}", token.as_str());
            between();
        }
        self.from = first;
    }

    pub(super) fn live(&self) -> Vec<&str> {
        let live = self.headers.values().filter(|header| !header.deleted);
        live.map(|header| header.identifier.as_str()).collect()
    }
}

fn page(from: usize, to: usize, title: &str) -> Vec<harvestd::oai::Record> {
    (from..to)
        .map(|number| live(&format!("oai:a:{number:04}"), &["s"], title))
        .collect()
}

#[test]
fn a_list_ends_at_its_beginning_and_later_changes_come_with_the_next() {
    let world = World::new();
    world.put("a", BEGIN, page(0, 450, "First"));
    let mut harvester = Harvester::default();
    let mut round = 0;
    // Records that are not listed yet change while the list is read, and new ones come.
    harvester.harvest(&world, BEGIN + 10, || {
        round += 1;
        world.put("a", BEGIN + 10 + round, page(440, 452, &format!("{round}")));
    });
    assert_eq!(round, 4, "five pages");
    assert_eq!(harvester.received, 440);
    harvester.harvest(&world, BEGIN + 20, || {});
    assert_eq!(harvester.live().len(), 452);
    assert_eq!(harvester.received, 452);
}

#[test]
fn a_record_of_the_present_second_comes_again() {
    let world = World::new();
    let mut harvester = Harvester::default();
    for round in 0..5 {
        world.put("a", BEGIN, page(round, round + 1, "Same second"));
        harvester.harvest(&world, BEGIN, || {});
        assert_eq!(harvester.live().len(), round + 1);
    }
}

#[test]
fn a_clock_that_steps_back_loses_no_change() {
    let world = World::new();
    world.put("a", BEGIN + 1_000, page(0, 1, "First"));
    let mut harvester = Harvester::default();
    harvester.harvest(&world, BEGIN + 2_000, || {});
    assert_eq!(harvester.from.unwrap().unix(), BEGIN + 2_000);
    // The clock is set back before anything is written again.
    world.put("a", BEGIN, page(0, 2, "Second"));
    harvester.harvest(&world, BEGIN, || {});
    assert_eq!(harvester.live().len(), 2);
    let second = harvester.headers["oai:a:0001"].instant().unwrap();
    assert_eq!(second.unix(), BEGIN + 2_000, "not before what was shown");
    assert!(harvester.from.unwrap() >= second, "nor is the next answer");
}

#[test]
fn the_rest_of_a_list_can_change_as_a_whole() {
    let world = World::new();
    world.put("a", BEGIN, page(0, 150, "First"));
    let mut harvester = Harvester::default();
    harvester.harvest(&world, BEGIN + 1, || {
        world.put("a", BEGIN + 5, page(100, 150, "Second"));
    });
    harvester.harvest(&world, BEGIN + 9, || {});
    assert_eq!(harvester.live().len(), 150);
}

#[test]
fn who_leaves_a_set_is_deleted_in_it() {
    let world = World::new();
    let put = |second, sets: &[&str]| world.put("a", second, vec![live("oai:a:1", sets, "T")]);
    put(BEGIN, &["x:y", "z"]);
    world.put("a", BEGIN, vec![live("oai:a:2", &["other"], "T")]);
    let mut all = Harvester::default();
    let mut sets: Vec<Harvester> = ["a:x", "a:x:y", "a:z", "a"].map(Harvester::of_set).into();
    let mut look = |second: i64, expected: [bool; 4]| {
        all.harvest(&world, second, || {});
        assert!(all.live().contains(&"oai:a:1"), "it is in the repository");
        for (harvester, expected) in sets.iter_mut().zip(expected) {
            harvester.harvest(&world, second, || {});
            let is_there = harvester.live().contains(&"oai:a:1");
            let set = harvester.set.clone();
            assert_eq!(is_there, expected, "{set:?} at {}", second - BEGIN);
        }
    };
    look(BEGIN + 1, [true, true, true, true]);
    put(BEGIN + 10, &["x:w", "z"]);
    look(BEGIN + 11, [true, false, true, true]);
    put(BEGIN + 20, &["v"]);
    look(BEGIN + 21, [false, false, false, true]);
    put(BEGIN + 30, &["x:y"]);
    look(BEGIN + 31, [true, true, false, true]);
    // Who begins now gets tombstones of those who left, and nothing of those who never were there.
    let mut late = Harvester::of_set("a:z");
    late.harvest(&world, BEGIN + 40, || {});
    let headers: Vec<(&str, bool)> = late
        .headers
        .values()
        .map(|header| (header.identifier.as_str(), header.deleted))
        .collect();
    assert_eq!(headers, [("oai:a:1", true)]);
    assert_eq!(late.headers["oai:a:1"].set_specs, ["a", "a:x:y", "a:z"]);
}

#[test]
fn a_small_set_of_a_large_source_comes_whole() {
    let world = World::new();
    let sets_of = |number: usize| match number {
        3 | 499 | 500 | 1_203 => vec!["small:part", "large"],
        number if number % 3 == 0 => vec!["third", "large"],
        _ => vec!["large"],
    };
    let put = |second, numbers: &[usize], title: &str| {
        let records = numbers
            .iter()
            .map(|number| live(&format!("oai:a:{number:05}"), &sets_of(*number), title));
        world.put("a", second, records.collect());
    };
    for page in 0..3 {
        let numbers: Vec<usize> = (page * 500..(page + 1) * 500).collect();
        put(BEGIN + page as i64, &numbers, "First");
    }
    let mut sets =
        ["a:small", "a:small:part", "a:third", "a:large", "a:none"].map(Harvester::of_set);
    let mut look = |second: i64, expected: [usize; 5]| {
        for (harvester, expected) in sets.iter_mut().zip(expected) {
            harvester.received = 0;
            harvester.harvest(&world, second, || {});
            assert_eq!(harvester.received, expected, "{:?}", harvester.set);
        }
    };
    look(BEGIN + 10, [4, 4, 498, 1_500, 0]);
    // Twenty records are new at the end, and the map of the sets has grown.
    put(BEGIN + 20, &(0..20).collect::<Vec<_>>(), "Second");
    look(BEGIN + 30, [1, 1, 6, 20, 0]);
    let mut again = Harvester::of_set("a:small");
    again.harvest(&world, BEGIN + 40, || {});
    assert_eq!(
        again.live(),
        ["oai:a:00003", "oai:a:00499", "oai:a:00500", "oai:a:01203"]
    );
}

#[test]
fn deletions_reach_every_harvester() {
    let world = World::new();
    world.put("a", BEGIN, page(0, 300, "T"));
    world.put("b", BEGIN + 1, vec![live("oai:b:1", &[], "T")]);
    let mut all = Harvester::default();
    let mut set = Harvester::of_set("a:s");
    all.harvest(&world, BEGIN + 2, || {});
    set.harvest(&world, BEGIN + 2, || {});
    // The tombstones name no set.
    let deleted = (0..250).map(|number| gone(&format!("oai:a:{number:04}")));
    world.put("a", BEGIN + 3, deleted.collect());
    all.harvest(&world, BEGIN + 4, || {});
    set.harvest(&world, BEGIN + 4, || {});
    assert_eq!(all.live().len(), 51);
    assert_eq!(set.live().len(), 50);
}

#[test]
fn limits_of_the_settings_hold_for_every_verb() {
    let mut world = World::new();
    world.put(
        "a",
        BEGIN,
        vec![live("oai:a:1", &["x"], "T"), live("oai:a:2", &["y"], "T")],
    );
    world.put("b", BEGIN, vec![live("oai:b:1", &[], "T")]);
    world.put("c", BEGIN, vec![live("oai:c:1", &[], "T")]);
    world.settings.filter.sources = vec!["b".into()];
    world
        .settings
        .filter
        .sets
        .insert("a".into(), vec!["x".into()]);
    let mut harvester = Harvester::default();
    harvester.harvest(&world, BEGIN + 1, || {});
    assert_eq!(harvester.live(), ["oai:a:1", "oai:b:1"]);
    assert_eq!(harvester.headers.len(), 2, "no word of the others");
    for (identifier, is_there) in [
        ("oai:a:1", true),
        ("oai:a:2", false),
        ("oai:b:1", true),
        ("oai:c:1", false),
    ] {
        let answer = world.answer(&format!(
            "verb=GetRecord&metadataPrefix=oai_dc&identifier={identifier}"
        ));
        let expected = (!is_there).then_some(ErrorCode::IdDoesNotExist);
        assert_eq!(answer.error, expected, "{identifier}");
    }
    let sets = String::from_utf8(world.answer("verb=ListSets").body).unwrap();
    let specs = sets.matches("<setSpec>").count();
    assert_eq!(specs, 3, "a, a:x and b: {sets}");
    // It leaves what is served.
    world.put("a", BEGIN + 5, vec![live("oai:a:1", &["y"], "T")]);
    harvester.harvest(&world, BEGIN + 6, || {});
    assert_eq!(harvester.live(), ["oai:b:1"]);
}

#[test]
fn sets_have_the_names_that_their_repository_gave() {
    let world = World::new();
    world.put("a", BEGIN, vec![live("oai:a:1", &["x:y", "z"], "T")]);
    let source = world.store.source("a").unwrap().unwrap();
    let name = |spec: &str, name: &str| (spec.to_owned(), name.to_owned());
    let names = [
        name("x", "Theses & more"),
        name("x:y", "Law"),
        name("w", "No record has it"),
    ];
    world.store.put_set_names(source.id, &names).unwrap();
    let mut traits = source.traits;
    let named = |text: &str, spec: &str, name: &str| {
        let set = format!("<setSpec>{spec}</setSpec><setName>{name}</setName>");
        assert!(text.contains(&set), "{set} in {text}");
    };
    let text = String::from_utf8(world.answer("verb=ListSets").body).unwrap();
    named(&text, "a", "a");
    named(&text, "a:x", "Theses &amp; more");
    named(&text, "a:x:y", "Law");
    named(&text, "a:z", "a: z");
    assert_eq!(text.matches("<set>").count(), 4, "{text}");
    traits.repository_name = Some("University of A".to_owned());
    world.store.set_traits(source.id, &traits).unwrap();
    let text = String::from_utf8(world.answer("verb=ListSets").body).unwrap();
    named(&text, "a", "University of A");
}

#[test]
fn the_number_of_records_is_right_where_it_is_told() {
    let world = World::new();
    world.put("a", BEGIN, page(0, 250, "T"));
    world.put("a", BEGIN + 1, vec![gone("oai:a:0001")]);
    world.put("b", BEGIN + 1, vec![live("oai:b:1", &[], "T")]);
    let page_of = |arguments: &str| world.answer(arguments).page.unwrap();
    let list = "verb=ListIdentifiers&metadataPrefix=oai_dc";
    assert_eq!(page_of(list).total, Some(251));
    assert_eq!(page_of(&format!("{list}&set=a")).total, Some(250));
    assert_eq!(page_of(&format!("{list}&set=a:s")).total, None);
    assert_eq!(page_of(&format!("{list}&from=2026-06-01")).total, None);
}

#[test]
fn a_token_of_another_store_or_of_other_settings_is_refused() {
    let mut world = World::new();
    world.put("a", BEGIN, page(0, 250, "T"));
    let other = World::new();
    other.put("a", BEGIN, page(0, 250, "T"));
    let first = world.answer("verb=ListIdentifiers&metadataPrefix=oai_dc");
    let Content::Identifiers(list) = read(&first.body).content else {
        panic!()
    };
    let token = list.token.unwrap();
    let next = format!("verb=ListIdentifiers&resumptionToken={}", token.as_str());
    assert_eq!(world.answer(&next).error, None);
    let refused = Some(ErrorCode::BadResumptionToken);
    assert_eq!(other.answer(&next).error, refused);
    let records = next.replace("ListIdentifiers", "ListRecords");
    assert_eq!(world.answer(&records).error, refused);
    world.settings.filter.sources = vec!["a".into()];
    assert_eq!(world.answer(&next).error, refused);
}

#[test]
fn forgotten_deletions_end_lists_that_would_have_shown_them() {
    let world = World::new();
    world.put("a", BEGIN, page(0, 250, "T"));
    world.put("a", BEGIN + 1, vec![gone("oai:a:0240")]);
    world.put("a", BEGIN + 2, page(300, 301, "T"));
    let first = world.answer("verb=ListIdentifiers&metadataPrefix=oai_dc");
    let Content::Identifiers(list) = read(&first.body).content else {
        panic!()
    };
    let token = list.token.unwrap();
    let next = format!("verb=ListIdentifiers&resumptionToken={}", token.as_str());
    assert_eq!(world.answer(&next).error, None);
    let newest = world.reader.last_version().unwrap();
    assert_eq!(world.store.prune_tombstones(newest).unwrap(), 1);
    assert_eq!(
        world.answer(&next).error,
        Some(ErrorCode::BadResumptionToken)
    );
}
