//! The model of a repository: what each kind of behaviour changes in its answers.

use std::sync::Arc;
use std::time::Duration;

use harvestd::oai::{Datestamp, Granularity};

use super::support::model::{
    Behaviour, CompleteListSize, DeletedRecord, Item, Model, Order, Tokens,
};

const DAY: i64 = 86_400;

fn now() -> Datestamp {
    Datestamp::parse("2026-03-31T12:00:00Z").unwrap().0
}

fn item(number: usize, days_ago: i64) -> Item {
    let metadata = |prefix: &str| (prefix.to_owned(), Arc::from(format!("<m>{number}</m>")));
    Item {
        identifier: format!("oai:x:{number:03}"),
        datestamp: now().plus_seconds(-days_ago * DAY),
        set_specs: vec![
            if number.is_multiple_of(2) {
                "even"
            } else {
                "odd"
            }
            .to_owned(),
        ],
        deleted: false,
        metadata: vec![metadata("oai_dc"), metadata("oai_doaj")],
    }
}

/// Items 000 to `count` - 1, the first 40 days old, each a day older than the one before.
fn model(behaviour: Behaviour, count: usize) -> Model {
    let mut model = Model::new(behaviour);
    for number in 0..count {
        model.insert(item(number, 40 + number as i64));
    }
    model
}

fn doaj(page_size: usize) -> Behaviour {
    Behaviour {
        page_size,
        ..Behaviour::doaj()
    }
}

fn plain(page_size: usize) -> Behaviour {
    Behaviour {
        page_size,
        ..Behaviour::plain()
    }
}

/// Asks with `key=value` pairs.
fn ask(model: &mut Model, at: Datestamp, arguments: &[&str]) -> String {
    let pair = |text: &&str| {
        let (key, value) = text.split_once('=').unwrap();
        (key.to_owned(), value.to_owned())
    };
    let arguments: Vec<(String, String)> = arguments.iter().map(pair).collect();
    String::from_utf8(model.answer(&arguments, at).body).unwrap()
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Vec<&'a str> {
    let parts = text.split(start).skip(1);
    parts
        .filter_map(|part| part.split_once(end))
        .map(|(inner, _)| inner)
        .collect()
}

/// The numbers of the items on a page.
fn numbers(page: &str) -> Vec<usize> {
    let read = |text: &&str| text.parse().unwrap();
    between(page, "<identifier>oai:x:", "<")
        .iter()
        .map(read)
        .collect()
}

fn token(page: &str) -> Option<String> {
    let element = between(page, "<resumptionToken", "</resumptionToken>");
    let (_, text) = element.first()?.split_once('>')?;
    Some(text.to_owned())
}

fn attribute<'a>(page: &'a str, name: &str) -> Option<&'a str> {
    between(page, &format!(" {name}=\""), "\"").first().copied()
}

fn code(page: &str) -> Option<&str> {
    between(page, "<error code=\"", "\"").first().copied()
}

/// All pages of a list, each with what `between_pages` did to the model before the next.
fn pages(
    model: &mut Model,
    first: &[&str],
    mut between_pages: impl FnMut(&mut Model, usize),
) -> Vec<String> {
    let verb = first[0];
    let mut pages = vec![ask(model, now(), first)];
    while let Some(token) = token(&pages[pages.len() - 1]) {
        between_pages(model, pages.len());
        pages.push(ask(
            model,
            now(),
            &[verb, &format!("resumptionToken={token}")],
        ));
        assert!(pages.len() < 100, "the list does not end");
    }
    pages
}

fn list(model: &mut Model) -> Vec<String> {
    pages(
        model,
        &["verb=ListRecords", "metadataPrefix=oai_dc"],
        |_, _| {},
    )
}

fn all_numbers(pages: &[String]) -> Vec<usize> {
    pages.iter().flat_map(|page| numbers(page)).collect()
}

#[test]
fn every_kind_of_token_pages_through_everything_in_order() {
    let up: Vec<usize> = (0..25).collect();
    let down: Vec<usize> = up.iter().rev().copied().collect();
    for tokens in [Tokens::Doaj, Tokens::Offset, Tokens::Session] {
        for (order, expected) in [(Order::NewestFirst, &up), (Order::OldestFirst, &down)] {
            let behaviour = Behaviour {
                tokens,
                order,
                ..plain(10)
            };
            let pages = list(&mut model(behaviour, 25));
            assert_eq!(&all_numbers(&pages), expected, "{tokens:?} {order:?}");
            assert_eq!(pages.len(), 3, "{tokens:?} {order:?}");
            let sizes: Vec<_> = pages
                .iter()
                .map(|p| attribute(p, "completeListSize"))
                .collect();
            assert_eq!(sizes, [Some("25"); 3], "{tokens:?} {order:?}");
        }
    }
}

#[test]
fn complete_list_size_can_be_missing_or_wrong() {
    for (complete_list_size, said) in [
        (CompleteListSize::Exact, Some("25")),
        (CompleteListSize::Absent, None),
        (CompleteListSize::Wrong(7), Some("7")),
    ] {
        let behaviour = Behaviour {
            complete_list_size,
            ..plain(10)
        };
        let pages = list(&mut model(behaviour, 25));
        assert_eq!(all_numbers(&pages).len(), 25);
        for page in &pages {
            assert_eq!(attribute(page, "completeListSize"), said);
        }
    }
}

#[test]
fn doaj_s_cursor_counts_to_the_end_of_the_page() {
    let cursors = |behaviour| -> Vec<String> {
        let pages = list(&mut model(behaviour, 25));
        let cursor = |page: &String| attribute(page, "cursor").unwrap().to_owned();
        pages.iter().map(cursor).collect()
    };
    assert_eq!(cursors(doaj(10)), ["10", "20", "25"]);
    assert_eq!(cursors(plain(10)), ["0", "10", "20"]);
}

#[test]
fn longer_lists_end_with_an_empty_token_and_lists_of_one_page_with_none() {
    for behaviour in [doaj(10), plain(10)] {
        let one = list(&mut model(behaviour.clone(), 10));
        assert_eq!(one.len(), 1);
        assert!(!one[0].contains("resumptionToken"), "{}", one[0]);
        let longer = list(&mut model(behaviour, 20));
        assert_eq!(longer.len(), 2);
        assert!(longer[1].contains(" cursor=\""), "{}", longer[1]);
        assert!(longer[1].contains("/></ListRecords>"), "{}", longer[1]);
    }
}

#[test]
fn a_strict_repository_refuses_what_doaj_overlooks() {
    const DC: &str = "metadataPrefix=oai_dc";
    let cases: [(&str, &[&str]); 6] = [
        ("badVerb", &["verb=identify"]),
        ("badVerb", &["verb=Identify", "verb=Identify"]),
        ("badArgument", &["verb=Identify", "form=2020-01-01"]),
        ("badArgument", &["verb=ListRecords", DC, DC]),
        (
            "badArgument",
            &[
                "verb=ListRecords",
                DC,
                "from=2020-01-01",
                "until=2026-01-01T00:00:00Z",
            ],
        ),
        (
            "badArgument",
            &[
                "verb=ListRecords",
                DC,
                "from=2026-01-02",
                "until=2026-01-01",
            ],
        ),
    ];
    for (expected, arguments) in cases {
        let strict = ask(&mut model(plain(10), 100), now(), arguments);
        assert_eq!(code(&strict), Some(expected), "{arguments:?}");
        let lenient = ask(&mut model(doaj(10), 100), now(), arguments);
        assert_ne!(code(&lenient), Some(expected), "{arguments:?}");
    }
}

#[test]
fn an_updated_record_moves_to_the_top_and_out_of_the_list() {
    let mut model = model(
        Behaviour {
            clamp: None,
            ..doaj(10)
        },
        25,
    );
    let first = ["verb=ListRecords", "metadataPrefix=oai_dc"];
    let seen = all_numbers(&pages(&mut model, &first, |model, page| {
        if page == 1 {
            model.update("oai:x:015", [], now());
        }
    }));
    let expected: Vec<usize> = (0..25).filter(|number| *number != 15).collect();
    assert_eq!(seen, expected);
    assert_eq!(numbers(&list(&mut model)[0])[0], 15);
}

#[test]
fn with_offset_tokens_a_removed_record_shifts_the_rest() {
    let behaviour = Behaviour {
        order: Order::NewestFirst,
        ..plain(10)
    };
    let mut model = model(behaviour, 25);
    let first = ["verb=ListRecords", "metadataPrefix=oai_dc"];
    let seen = all_numbers(&pages(&mut model, &first, |model, page| {
        if page == 1 {
            model.remove("oai:x:003", now());
        }
    }));
    assert!(!seen.contains(&10), "{seen:?}");
    assert_eq!(seen.len(), 24);
}

#[test]
fn records_of_one_second_can_be_on_several_pages() {
    for (order, tokens) in [
        (Order::NewestFirst, Tokens::Doaj),
        (Order::OldestFirst, Tokens::Doaj),
        (Order::NewestFirst, Tokens::Offset),
    ] {
        let mut model = Model::new(Behaviour {
            order,
            tokens,
            ..doaj(10)
        });
        for number in 0..60 {
            // Three alone, 47 at once, ten alone.
            let days = if (3..50).contains(&number) {
                60
            } else {
                50 + number as i64 / 3
            };
            model.insert(item(number, days));
        }
        let mut seen = all_numbers(&list(&mut model));
        assert_eq!(seen.len(), 60, "{order:?}");
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 60, "{order:?}");
    }
}

/// The fault of DOAJ's position: it counts the records of a second, and some of them may leave it.
#[test]
fn an_update_in_the_second_of_a_page_end_hides_one_record() {
    let mut model = Model::new(doaj(10));
    for number in 0..30 {
        model.insert(item(number, 60));
    }
    let first = ["verb=ListRecords", "metadataPrefix=oai_dc"];
    let seen = all_numbers(&pages(&mut model, &first, |model, page| {
        if page == 1 {
            model.update("oai:x:025", [], now());
        }
    }));
    assert!(seen.contains(&25) && !seen.contains(&19), "{seen:?}");
}

#[test]
fn a_session_keeps_its_list_and_expires() {
    let behaviour = Behaviour {
        tokens: Tokens::Session,
        token_lifetime: Some(Duration::from_secs(60)),
        ..plain(10)
    };
    let mut model = model(behaviour, 25);
    let first = ["verb=ListRecords", "metadataPrefix=oai_dc"];
    let mut tokens = Vec::new();
    let listed = pages(&mut model, &first, |model, _| {
        model.restamp_bulk(["oai:x:010"], now());
    });
    tokens.extend(listed.iter().filter_map(|page| token(page)));
    assert_eq!(tokens[0], tokens[1]);
    assert_eq!(all_numbers(&listed).len(), 25);

    let page = ask(&mut model, now(), &first);
    let next = format!("resumptionToken={}", token(&page).unwrap());
    let later = ask(
        &mut model,
        now().plus_seconds(61),
        &["verb=ListRecords", &next],
    );
    assert_eq!(code(&later), Some("badResumptionToken"));
}

#[test]
fn deletion_follows_the_policy() {
    for (policy, shown) in [
        (DeletedRecord::Persistent, true),
        (DeletedRecord::Transient, true),
        (DeletedRecord::No, false),
    ] {
        let mut model = model(
            Behaviour {
                deleted_record: policy,
                ..plain(10)
            },
            3,
        );
        model.delete("oai:x:001", now());
        let identify = ask(&mut model, now(), &["verb=Identify"]);
        assert!(identify.contains(&format!("<deletedRecord>{}<", policy.name())));
        let visible = model.visible(now());
        let found = visible.iter().find(|item| item.identifier == "oai:x:001");
        assert_eq!(
            found.map(|item| item.deleted),
            shown.then_some(true),
            "{policy:?}"
        );
        assert_eq!(
            all_numbers(&list(&mut model)).contains(&1),
            shown,
            "{policy:?}"
        );
    }
}

#[test]
fn a_change_is_visible_only_after_the_index_lag() {
    let index_lag = Duration::from_secs(3_600);
    let mut model = model(
        Behaviour {
            index_lag,
            ..plain(10)
        },
        2,
    );
    let new: Arc<str> = "<m>new</m>".into();
    model.update("oai:x:000", [("oai_dc".to_owned(), new.clone())], now());
    let at = |model: &mut Model, seconds| {
        let items = model.visible(now().plus_seconds(seconds));
        items[0].metadata("oai_dc").unwrap().to_owned()
    };
    assert_eq!(at(&mut model, 3_599), "<m>0</m>");
    assert_eq!(at(&mut model, 3_600), "<m>new</m>");
}

#[test]
fn selections_are_applied_or_ignored() {
    let day = |days: i64| now().plus_seconds(-days * DAY).render(Granularity::Day);
    let from = format!("from={}", day(42));
    let until = format!("until={}", day(41));
    const LIST: [&str; 2] = ["verb=ListRecords", "metadataPrefix=oai_dc"];
    let ignores_from = Behaviour {
        ignores_from: true,
        ..plain(10)
    };
    let ignores_set = Behaviour {
        ignores_set: true,
        ..plain(10)
    };
    let days = Behaviour {
        granularity: Granularity::Day,
        ..plain(10)
    };
    let cases: [(&str, Behaviour, &[&str], &[usize]); 6] = [
        ("both bounds", plain(10), &[&from, &until], &[2, 1]),
        ("set", plain(10), &["set=odd"], &[3, 1]),
        ("days", days, &[&from, &until], &[2, 1]),
        ("from ignored", ignores_from, &[&from], &[4, 3, 2, 1, 0]),
        ("set ignored", ignores_set, &["set=odd"], &[4, 3, 2, 1, 0]),
        ("until alone", plain(10), &[&until], &[4, 3, 2, 1]),
    ];
    for (case, behaviour, selection, expected) in cases {
        let arguments = [&LIST[..], selection].concat();
        let page = ask(&mut model(behaviour, 5), now(), &arguments);
        assert_eq!(numbers(&page), expected, "{case}");
    }
}

#[test]
fn a_repository_can_have_no_sets() {
    let without = Behaviour {
        sets: false,
        ..plain(10)
    };
    let list = ["verb=ListRecords", "metadataPrefix=oai_dc", "set=odd"];
    for arguments in [&["verb=ListSets"][..], &list] {
        let page = ask(&mut model(without.clone(), 3), now(), arguments);
        assert_eq!(code(&page), Some("noSetHierarchy"), "{arguments:?}");
        let page = ask(&mut model(plain(10), 3), now(), arguments);
        assert_eq!(code(&page), None, "{arguments:?}");
    }
}

#[test]
fn a_strict_repository_refuses_a_list_that_begins_after_the_clamp() {
    let clamp = Some(Duration::from_secs(30 * 86_400));
    let strict = Behaviour { clamp, ..plain(10) };
    let lenient = doaj(10);
    let list = [
        "verb=ListRecords",
        "metadataPrefix=oai_dc",
        "from=2026-03-20T00:00:00Z",
    ];
    for (behaviour, expected) in [(strict, "badArgument"), (lenient, "noRecordsMatch")] {
        let page = ask(&mut model(behaviour, 3), now(), &list);
        assert_eq!(code(&page), Some(expected));
    }
}
