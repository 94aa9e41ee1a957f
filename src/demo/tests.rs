//! The model asked through its six verbs.

use std::collections::HashMap;
use std::sync::Arc;

use super::model::{Item, Model};
use super::settings::Settings;
use super::token::{self, Place, Selector};
use crate::oai::Datestamp;

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
fn model(settings: Settings, count: usize) -> Model {
    let mut model = Model::new(settings);
    for number in 0..count {
        model.insert(item(number, 40 + number as i64));
    }
    model
}

fn doaj(page_size: usize) -> Settings {
    Settings {
        page_size,
        ..Settings::doaj()
    }
}

/// Asks with `key=value` pairs.
fn ask(model: &Model, at: Datestamp, arguments: &[&str]) -> String {
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

/// All pages of a list.
fn pages(model: &Model, first: &[&str]) -> Vec<String> {
    let verb = first[0];
    let mut pages = vec![ask(model, now(), first)];
    while let Some(token) = token(&pages[pages.len() - 1]) {
        pages.push(ask(
            model,
            now(),
            &[verb, &format!("resumptionToken={token}")],
        ));
        assert!(pages.len() < 100, "the list does not end");
    }
    pages
}

fn list(model: &Model) -> Vec<String> {
    pages(model, &["verb=ListRecords", "metadataPrefix=oai_dc"])
}

fn all_numbers(pages: &[String]) -> Vec<usize> {
    pages.iter().flat_map(|page| numbers(page)).collect()
}

/// Byte for byte what DOAJ writes, as far as it depends on the list and not on the article.
#[test]
fn a_page_is_laid_out_as_doaj_does() {
    let mut model = Model::new(doaj(300));
    model.base_url = "http://doaj.org/oai.article".to_owned();
    model.insert(item(1, 60));
    model.insert(Item {
        deleted: true,
        ..item(2, 45)
    });
    assert_eq!(
        ask(
            &model,
            now(),
            &["verb=listrecords", "metadataPrefix=oai_doaj"]
        ),
        "<?xml version='1.0' encoding='UTF-8'?>\n\
         <OAI-PMH xmlns=\"http://www.openarchives.org/OAI/2.0/\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xsi:schemaLocation=\"http://www.openarchives.org/OAI/2.0/ \
         http://www.openarchives.org/OAI/2.0/OAI-PMH.xsd\">\
         <responseDate>2026-03-31T12:00:00Z</responseDate>\
         <request verb=\"ListRecords\" until=\"2026-03-01T12:00:00Z\" \
         metadataPrefix=\"oai_doaj\">http://doaj.org/oai.article</request>\
         <ListRecords>\
         <record><header xmlns:oai_doaj=\"http://doaj.org/features/oai_doaj/1.0/\" \
         status=\"deleted\"><identifier>oai:x:002</identifier>\
         <datestamp>2026-02-14T12:00:00Z</datestamp><setSpec>even</setSpec></header></record>\
         <record><header xmlns:oai_doaj=\"http://doaj.org/features/oai_doaj/1.0/\">\
         <identifier>oai:x:001</identifier><datestamp>2026-01-30T12:00:00Z</datestamp>\
         <setSpec>odd</setSpec></header><metadata><m>1</m></metadata></record>\
         </ListRecords></OAI-PMH>"
    );
}

#[test]
fn the_clamp_lowers_until_on_every_page_and_says_so() {
    let mut model = model(doaj(2), 5);
    model.insert(item(100, 10));
    let pages = list(&model);
    assert_eq!(all_numbers(&pages), [0, 1, 2, 3, 4]);
    for page in &pages {
        assert_eq!(attribute(page, "until"), Some("2026-03-01T12:00:00Z"));
    }
    let cases = [
        ("until=2026-03-30", Some("2026-03-01T12:00:00Z")),
        ("until=2026-03-01", Some("2026-03-01T12:00:00Z")),
        ("until=2026-02-28", Some("2026-02-28")),
        ("until=2026-02-17T00:00:00Z", Some("2026-02-17T00:00:00Z")),
    ];
    for (until, echoed) in cases {
        let page = ask(
            &model,
            now(),
            &["verb=ListRecords", "metadataPrefix=oai_dc", until],
        );
        assert_eq!(attribute(&page, "until").or(code(&page)), echoed, "{until}");
    }
}

#[test]
fn the_premium_key_lifts_the_clamp_and_a_wrong_one_is_no_error() {
    let premium_key = Some("right".to_owned());
    let mut model = model(
        Settings {
            premium_key,
            ..doaj(10)
        },
        3,
    );
    model.insert(item(100, 10));
    let first = |key: &str| {
        let arguments = ["verb=ListRecords", "metadataPrefix=oai_dc", key];
        ask(&model, now(), &arguments)
    };
    let (right, wrong) = (first("api_key=right"), first("api_key=wrong"));
    assert_eq!(numbers(&right), [100, 0, 1, 2]);
    assert_eq!(attribute(&right, "until"), None);
    assert_eq!(numbers(&wrong), [0, 1, 2]);
    assert_eq!(attribute(&wrong, "until"), Some("2026-03-01T12:00:00Z"));
}

#[test]
fn a_token_got_with_the_key_is_clamped_without_it() {
    let premium_key = Some("right".to_owned());
    let mut model = model(
        Settings {
            premium_key,
            ..doaj(10)
        },
        3,
    );
    for number in 100..125 {
        model.insert(item(number, 10));
    }
    let first = ["verb=ListRecords", "metadataPrefix=oai_dc", "api_key=right"];
    let first = ask(&model, now(), &first);
    let next = format!("resumptionToken={}", token(&first).unwrap());
    let with = ask(&model, now(), &["verb=ListRecords", &next, "api_key=right"]);
    assert_eq!(numbers(&with), (105..115).rev().collect::<Vec<_>>());
    let without = ask(&model, now(), &["verb=ListRecords", &next]);
    assert!(
        numbers(&without).iter().all(|number| *number < 100),
        "{without}"
    );
}

#[test]
fn get_record_is_not_clamped_and_shows_tombstones() {
    let mut model = model(doaj(10), 0);
    model.insert(item(7, 10));
    let arguments = [
        "verb=GetRecord",
        "metadataPrefix=oai_dc",
        "identifier=oai:x:007",
    ];
    let page = ask(&model, now(), &arguments);
    assert!(page.contains("<metadata><m>7</m></metadata>"), "{page}");
    assert_eq!(attribute(&page, "until"), None);
    model.insert(Item {
        deleted: true,
        ..item(7, 0)
    });
    let page = ask(&model, now(), &arguments);
    assert!(page.contains("status=\"deleted\""), "{page}");
    assert!(!page.contains("<metadata>"), "{page}");
}

#[test]
fn refusals_carry_their_code_and_echo_nothing() {
    const DC: &str = "metadataPrefix=oai_dc";
    let cases: [(&str, &[&str]); 18] = [
        ("badVerb", &[]),
        ("badVerb", &["verb=Fetch"]),
        ("badArgument", &["verb=ListRecords"]),
        ("badArgument", &["verb=GetRecord", DC]),
        ("badArgument", &["verb=ListRecords", DC, "from=2026"]),
        (
            "badArgument",
            &["verb=ListRecords", DC, "until=2026-01-01T00:00:00+01:00"],
        ),
        (
            "badArgument",
            &["verb=ListRecords", DC, "resumptionToken=x"],
        ),
        (
            "badArgument",
            &["verb=ListIdentifiers", "resumptionToken=x"],
        ),
        (
            "badResumptionToken",
            &["verb=ListRecords", "resumptionToken=x"],
        ),
        (
            "badResumptionToken",
            &["verb=ListSets", "resumptionToken=x"],
        ),
        (
            "cannotDisseminateFormat",
            &["verb=ListRecords", "metadataPrefix=marc21"],
        ),
        (
            "cannotDisseminateFormat",
            &[
                "verb=GetRecord",
                "identifier=oai:x:000",
                "metadataPrefix=marc21",
            ],
        ),
        (
            "idDoesNotExist",
            &["verb=GetRecord", "identifier=oai:x:9", DC],
        ),
        (
            "idDoesNotExist",
            &["verb=ListMetadataFormats", "identifier=oai:x:9"],
        ),
        (
            "noRecordsMatch",
            &["verb=ListRecords", DC, "from=2026-03-20"],
        ),
        ("noRecordsMatch", &["verb=ListRecords", DC, "set=none"]),
        (
            "noRecordsMatch",
            &["verb=ListRecords", DC, "set=TENDOlNjaWVuY2U~"],
        ),
        (
            "noRecordsMatch",
            &["verb=ListIdentifiers", DC, "until=1990-01-01"],
        ),
    ];
    for (expected, arguments) in cases {
        let page = ask(&model(doaj(10), 3), now(), arguments);
        assert_eq!(code(&page), Some(expected), "{arguments:?}");
        assert!(
            page.contains("<request>http://repository.example/oai</request>"),
            "{page}"
        );
    }
}

#[test]
fn resumed_lists_of_identifiers_are_refused_without_a_key() {
    let premium_key = Some("key".to_owned());
    let model = model(
        Settings {
            premium_key,
            ..doaj(10)
        },
        25,
    );
    let first = ask(
        &model,
        now(),
        &["verb=ListIdentifiers", "metadataPrefix=oai_dc"],
    );
    assert_eq!(numbers(&first), (0..10).collect::<Vec<_>>());
    assert!(!first.contains("<record>"), "{first}");
    let token = format!("resumptionToken={}", token(&first).unwrap());
    let second = ask(&model, now(), &["verb=ListIdentifiers", &token]);
    assert_eq!(code(&second), Some("badArgument"));
    let keyed = ask(
        &model,
        now(),
        &["verb=ListIdentifiers", &token, "api_key=key"],
    );
    assert_eq!(numbers(&keyed), (10..20).collect::<Vec<_>>());
    let records = ask(&model, now(), &["verb=ListRecords", &token]);
    assert_eq!(numbers(&records), (10..20).collect::<Vec<_>>());
}

#[test]
fn items_without_the_format_are_not_listed() {
    let mut model = model(doaj(10), 3);
    let mut lacking = item(9, 39);
    lacking.metadata.retain(|(prefix, _)| prefix == "oai_doaj");
    model.insert(lacking);
    assert_eq!(all_numbers(&list(&model)), [0, 1, 2]);
    let arguments = [
        "verb=GetRecord",
        "metadataPrefix=oai_dc",
        "identifier=oai:x:009",
    ];
    let page = ask(&model, now(), &arguments);
    assert_eq!(code(&page), Some("cannotDisseminateFormat"));
    let page = ask(
        &model,
        now(),
        &["verb=ListMetadataFormats", "identifier=oai:x:009"],
    );
    assert_eq!(between(&page, "<metadataPrefix>", "<"), ["oai_doaj"]);
}

#[test]
fn sets_are_listed_by_name() {
    let mut model = model(doaj(10), 1);
    let mut science = item(5, 50);
    science.set_specs = vec!["TENDOlNjaWVuY2U~".to_owned()];
    model.insert(science);
    let page = ask(&model, now(), &["verb=ListSets"]);
    assert!(
        page.contains(
            "<set><setSpec>TENDOlNjaWVuY2U~</setSpec><setName>LCC:Science</setName></set>"
        ),
        "{page}"
    );
    let page = ask(&Model::new(doaj(10)), now(), &["verb=ListSets"]);
    assert_eq!(code(&page), Some("noSetHierarchy"));
}

#[test]
fn no_token_makes_it_panic() {
    let huge = u64::MAX;
    let place = |datestamp: &str, count| Place {
        given: huge,
        after: Some((datestamp.to_owned(), count)),
    };
    for place in [
        place("2026-01-01T00:00:00Z", huge),
        place("2026-02-19T12:00:00Z", 0),
        Place {
            given: huge,
            after: None,
        },
    ] {
        let selector = Selector {
            prefix: "oai_dc".into(),
            ..Selector::default()
        };
        let token = format!("resumptionToken={}", token::write(&selector, &place));
        let page = ask(&model(doaj(10), 5), now(), &["verb=ListRecords", &token]);
        assert!(page.ends_with("</OAI-PMH>"), "{page}");
    }
}

/// The demo has what makes the service hard: a batch in one second, tombstones, a hidden month.
#[test]
fn the_demo_repository_is_like_the_service() {
    let model = super::model(now());
    let items: Vec<Item> = model.items().cloned().collect();
    assert_eq!(items.len(), super::DEMO_ARTICLES);
    let mut shared: HashMap<Datestamp, usize> = HashMap::new();
    for item in &items {
        *shared.entry(item.datestamp).or_default() += 1;
        assert!(item.datestamp < now() && item.set_specs.iter().all(|spec| !spec.contains('=')));
        assert!(
            item.deleted || item.metadata("oai_doaj").is_some(),
            "{}",
            item.identifier
        );
    }
    assert_eq!(shared.values().filter(|ties| **ties >= 100).count(), 6);

    let listed = pages(&model, &["verb=ListRecords", "metadataPrefix=oai_doaj"]);
    let mut identifiers: Vec<&str> = listed
        .iter()
        .flat_map(|page| between(page, "<identifier>", "<"))
        .collect();
    identifiers.sort_unstable();
    let limit = now().plus_seconds(-30 * DAY);
    let visible: Vec<&Item> = items
        .iter()
        .filter(|item| item.datestamp <= limit)
        .collect();
    let mut expected: Vec<&str> = visible
        .iter()
        .map(|item| item.identifier.as_str())
        .collect();
    expected.sort_unstable();
    assert_eq!(identifiers, expected);
    let hidden = items.len() - visible.len();
    assert!((40..160).contains(&hidden), "{hidden} hidden by the clamp");
    let deleted = visible.iter().filter(|item| item.deleted).count();
    let tombstones: usize = listed
        .iter()
        .map(|page| page.matches("deleted").count())
        .sum();
    assert!(
        deleted > 50 && deleted == tombstones,
        "{deleted} and {tombstones}"
    );

    let key = format!("api_key={}", super::DEMO_KEY);
    let newest = |model: &Model, key: &str| {
        let page = ask(
            model,
            now(),
            &["verb=ListIdentifiers", "metadataPrefix=oai_dc", key],
        );
        between(&page, "<datestamp>", "<")[0].to_owned()
    };
    assert!(newest(&model, &key).starts_with("2026-03-3"));
    assert!(newest(&model, "api_key=wrong").as_str() <= "2026-03-01T12:00:00Z");
}
