//! A tour through every verb, error and kind of page. Each answer is compared with the schemas.

use harvestd::oai::request::Verb;
use harvestd::provider::ErrorCode;
use harvestd::record::xml;

use super::schema::Answers;
use super::world::{BEGIN, World, gone, live, of};

/// A store of two sources with 350 records, some deleted, with odd identifiers and sets.
fn world() -> World {
    let world = World::new();
    for page in 0..3 {
        let records = (0..100).map(|number| {
            let identifier = format!("oai:a.example:{page}/{number}");
            live(&identifier, &["x:y", "odd set/ä"], "A title & more")
        });
        world.put("a", BEGIN + page, records.map(escaped).collect());
    }
    let odd = [
        "oai:a.example:ä&<>\"'",
        "http://a.example/?a=b&c=d#e f",
        "10.1000/182",
        "oai:a.example:%20+",
    ];
    let records = odd.iter().map(|identifier| live(identifier, &[], "Odd"));
    world.put("a", BEGIN + 5, records.collect());
    let marc = "<record xmlns=\"http://www.loc.gov/MARC21/slim\"><leader>00000nam a2200000 a 4500</leader>\
                <controlfield tag=\"001\">7</controlfield><datafield tag=\"245\" ind1=\"0\" ind2=\"0\">\
                <subfield code=\"a\">Book</subfield></datafield></record>";
    world.put(
        "b@marc21",
        BEGIN + 6,
        vec![
            of("oai:b.example:1", &["x"], marc.to_owned()),
            // The identifier is one of the first source.
            of("10.1000/182", &[], marc.to_owned()),
        ],
    );
    let deleted = (0..50).map(|number| gone(&format!("oai:a.example:1/{number}")));
    world.put("a", BEGIN + 7, deleted.collect());
    world
}

fn escaped(mut record: harvestd::oai::Record) -> harvestd::oai::Record {
    record.metadata = record.metadata.map(|text| text.replace("& ", "&amp; "));
    record
}

/// The token in an answer; `None` without the element, empty at the end of a list.
fn token(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).unwrap();
    let (_, rest) = text.split_once("<resumptionToken")?;
    let (_, rest) = rest.split_once('>')?;
    Some(rest.split_once('<')?.0.to_owned())
}

#[test]
fn every_answer_is_valid() {
    let world = world();
    let mut answers = Answers::default();
    let mut ask = |arguments: &str, error: Option<ErrorCode>| {
        let answer = world.answer(arguments);
        let text = String::from_utf8(answer.body.clone()).unwrap();
        assert_eq!(answer.error, error, "{arguments}: {text}");
        xml::check(&text).unwrap();
        answers.add(arguments, &answer.body);
        answer.body
    };
    ask("verb=Identify", None);
    ask("verb=ListMetadataFormats", None);
    ask("verb=ListMetadataFormats&identifier=oai:b.example:1", None);
    let sets = ask("verb=ListSets", None);
    let sets = String::from_utf8(sets).unwrap();
    for spec in ["a", "a:x", "a:x:y", "a:odd!20set!2F!C3!A4", "b", "b:x"] {
        assert!(
            sets.contains(&format!("<setSpec>{spec}</setSpec>")),
            "{sets}"
        );
    }
    for verb in ["ListRecords", "ListIdentifiers"] {
        for prefix in ["oai_dc", "marcxml", "marc21"] {
            let mut page = ask(&format!("verb={verb}&metadataPrefix={prefix}"), None);
            let mut pages = 1;
            while let Some(token) = token(&page).filter(|token| !token.is_empty()) {
                page = ask(&format!("verb={verb}&resumptionToken={token}"), None);
                pages += 1;
            }
            let whole = if prefix == "marc21" { 1 } else { 4 };
            assert_eq!(pages, whole, "{verb} {prefix}");
            let last = token(&page);
            let expected = (pages > 1).then(String::new);
            assert_eq!(last, expected, "a list in one page has no token");
        }
    }
    let list = "verb=ListRecords&metadataPrefix=oai_dc";
    ask(&format!("{list}&set=a:odd!20set!2F!C3!A4"), None);
    ask(
        &format!("{list}&set=b&from=2026-06-01&until=2026-06-02"),
        None,
    );
    ask(&format!("{list}&from=2026-06-01T00:00:07Z"), None);
    for (arguments, error) in [
        ("", ErrorCode::BadVerb),
        ("verb=Nothing", ErrorCode::BadVerb),
        ("junk", ErrorCode::BadVerb),
        (
            "verb=GetRecord&metadataPrefix=oai_dc",
            ErrorCode::BadArgument,
        ),
        (
            "verb=GetRecord&identifier=oai:a.example:0/1",
            ErrorCode::BadArgument,
        ),
        ("verb=ListIdentifiers&until=junk", ErrorCode::BadArgument),
        (
            "verb=ListIdentifiers&resumptionToken=junk&until=2000-02-05",
            ErrorCode::BadArgument,
        ),
        (
            "verb=ListRecords&metadataPrefix=oai_dc&resumptionToken=junk&until=1990-01-10",
            ErrorCode::BadArgument,
        ),
        (
            "verb=ListRecords&metadataPrefix=oai_dc&from=junk",
            ErrorCode::BadArgument,
        ),
        (
            "verb=ListRecords&metadataPrefix=oai_dc&from=2026-02-05&until=2026-02-06T05:35:00Z",
            ErrorCode::BadArgument,
        ),
        (
            "verb=ListRecords&metadataPrefix=oai_dc&from=2026-02-06&until=2026-02-05",
            ErrorCode::BadArgument,
        ),
        (
            "verb=ListRecords&metadataPrefix=oai_dc&metadataPrefix=oai_dc",
            ErrorCode::BadArgument,
        ),
        (
            "verb=ListMetadataFormats&metadataPrefix=oai_dc",
            ErrorCode::BadArgument,
        ),
        (
            "verb=GetRecord&metadataPrefix=oai_dc&identifier=invalid%22id",
            ErrorCode::IdDoesNotExist,
        ),
        ("verb=Identify&verb=Identify", ErrorCode::BadVerb),
        ("verb=Identify&a=%3Cb%3E", ErrorCode::BadArgument),
        (
            "verb=ListRecords&metadataPrefix=oai_dc&set=%00",
            ErrorCode::BadArgument,
        ),
        (
            "verb=ListRecords&resumptionToken=%26%3C",
            ErrorCode::BadResumptionToken,
        ),
        (
            "verb=ListIdentifiers&resumptionToken=x",
            ErrorCode::BadResumptionToken,
        ),
        (
            "verb=ListSets&resumptionToken=x",
            ErrorCode::BadResumptionToken,
        ),
        (
            "verb=ListRecords&metadataPrefix=mods",
            ErrorCode::CannotDisseminateFormat,
        ),
        (
            "verb=GetRecord&metadataPrefix=marc21&identifier=oai:a.example:0/1",
            ErrorCode::CannotDisseminateFormat,
        ),
        (
            "verb=GetRecord&metadataPrefix=oai_dc&identifier=%22%3E%C3%A4",
            ErrorCode::IdDoesNotExist,
        ),
        (
            "verb=GetRecord&metadataPrefix=oai_dc&identifier=::%5B%25zz",
            ErrorCode::IdDoesNotExist,
        ),
        (
            "verb=ListMetadataFormats&identifier=none",
            ErrorCode::IdDoesNotExist,
        ),
        (
            "verb=ListRecords&metadataPrefix=oai_dc&set=a:none",
            ErrorCode::NoRecordsMatch,
        ),
        (
            "verb=ListRecords&metadataPrefix=oai_dc&set=::",
            ErrorCode::BadArgument,
        ),
        (
            "verb=ListRecords&metadataPrefix=oai_dc&until=2020-01-01",
            ErrorCode::NoRecordsMatch,
        ),
        (
            "verb=ListRecords&metadataPrefix=oai_dc&from=9999-12-31",
            ErrorCode::NoRecordsMatch,
        ),
    ] {
        ask(arguments, Some(error));
    }
    for (identifier, status) in [
        ("oai:a.example:0/1", ""),
        ("oai:a.example:1/1", " status=\"deleted\""),
        ("oai:a.example:%C3%A4%26%3C%3E%22%27", ""),
        ("http://a.example/?a=b%26c=d%23e+f", ""),
        ("10.1000/182", ""),
        ("oai:a.example:%2520%2B", ""),
        ("oai:harvest.example:b:10.1000/182", ""),
    ] {
        let body = ask(
            &format!("verb=GetRecord&metadataPrefix=oai_dc&identifier={identifier}"),
            None,
        );
        let text = String::from_utf8(body).unwrap();
        assert!(text.contains(&format!("<header{status}>")), "{text}");
    }
    answers.check();
}

#[test]
fn an_empty_store_is_a_repository_too() {
    let world = World::new();
    let mut answers = Answers::default();
    for (arguments, error) in [
        ("verb=Identify", None),
        ("verb=ListMetadataFormats", None),
        ("verb=ListSets", Some(ErrorCode::NoSetHierarchy)),
        (
            "verb=ListRecords&metadataPrefix=oai_dc",
            Some(ErrorCode::NoRecordsMatch),
        ),
        (
            "verb=ListRecords&metadataPrefix=marc21",
            Some(ErrorCode::CannotDisseminateFormat),
        ),
    ] {
        let answer = world.answer_at(BEGIN, arguments);
        assert_eq!(answer.error, error, "{arguments}");
        answers.add(arguments, &answer.body);
    }
    answers.check();
    assert_eq!(world.answer("verb=Identify").verb, Some(Verb::Identify));
}
