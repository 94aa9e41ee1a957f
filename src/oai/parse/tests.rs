//! Table tests of whole answers, by what goes wrong with them.

use super::*;
use crate::oai::response::RepairKind::*;
use crate::oai::response::{BadItem, Content, List, Record, RepairKind};

const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<responseDate>2024-05-06T07:08:09Z</responseDate><request verb="ListRecords">http://r.example/oai</request>"#;

/// A page whose `<ListRecords>` holds `inside`.
fn page(inside: &str) -> String {
    format!("{HEAD}<ListRecords>{inside}</ListRecords></OAI-PMH>")
}

/// A record with `metadata` in its container.
fn record(identifier: &str, metadata: &str) -> String {
    format!(
        "<record><header><identifier>{identifier}</identifier>\
         <datestamp>2024-01-01</datestamp></header><metadata>{metadata}</metadata></record>"
    )
}

fn dc(inside: &str) -> String {
    format!(r#"<dc xmlns="http://purl.org/dc/elements/1.1/">{inside}</dc>"#)
}

fn parsed(body: &[u8]) -> Result<Response, ParseError> {
    parse(body, Hints::new(Verb::ListRecords))
}

#[track_caller]
fn records(body: &[u8]) -> (List<Record>, Vec<(RepairKind, u64)>) {
    let response = parsed(body).unwrap();
    let repairs = response.repairs.iter().map(|r| (r.kind, r.count)).collect();
    match response.content {
        Content::Records(list) => (list, repairs),
        other => panic!("not a list of records: {other:?}"),
    }
}

#[track_caller]
fn only(body: &[u8]) -> Record {
    let (mut list, _) = records(body);
    assert_eq!((list.items.len(), list.bad.len()), (1, 0));
    list.items.remove(0)
}

#[track_caller]
fn only_bad(body: &[u8]) -> BadItem {
    let (mut list, _) = records(body);
    assert_eq!((list.items.len(), list.bad.len()), (0, 1));
    list.bad.remove(0)
}

/// The fragment must stand alone, in the eyes of another reader of namespaces.
#[track_caller]
fn assert_stands_alone(fragment: &str) {
    use quick_xml::events::Event;
    use quick_xml::name::ResolveResult;
    let mut reader = quick_xml::NsReader::from_str(fragment);
    loop {
        let event = reader.read_event().unwrap();
        let resolver = reader.resolver();
        match event {
            Event::Start(tag) | Event::Empty(tag) => {
                let (found, _) = resolver.resolve_element(tag.name());
                assert!(!matches!(found, ResolveResult::Unknown(_)), "{fragment}");
                for attribute in tag.attributes() {
                    let (found, _) = resolver.resolve_attribute(attribute.unwrap().key);
                    assert!(!matches!(found, ResolveResult::Unknown(_)), "{fragment}");
                }
            }
            Event::Eof => return,
            _ => {}
        }
    }
}

#[test]
fn plain_page() {
    let body = page(&format!(
        "{}{}<resumptionToken completeListSize=\" 12 \" cursor=\"x\" \
         expirationDate=\"2024-05-07T00:00:00Z\"> t&amp;1 </resumptionToken>",
        record(" oai:r:1 ", &dc("<title>A &amp; B</title>")),
        "<record><header status=\"Deleted\"><identifier>oai:r:2</identifier>\
         <datestamp> 2024-01-02 </datestamp><setSpec>a:b</setSpec><setSpec/></header>\
         <metadata><x/></metadata><about><y/></about></record>",
    ));
    let response = parsed(body.as_bytes()).unwrap();
    assert_eq!(
        response.response_date.unwrap().to_string(),
        "2024-05-06T07:08:09Z"
    );
    assert_eq!(
        response.request.base_url.as_deref(),
        Some("http://r.example/oai")
    );
    assert_eq!(response.request.verb.as_deref(), Some("ListRecords"));
    let (list, repairs) = records(body.as_bytes());
    assert_eq!(repairs, []);
    assert_eq!(list.token.unwrap().as_str(), "t&1");
    assert_eq!(list.paging.complete_list_size, Some(12));
    assert_eq!(list.paging.cursor, None);
    assert!(list.paging.expiration_date.is_some());
    let [first, second] = &list.items[..] else {
        panic!("two records");
    };
    assert_eq!(first.header.identifier, "oai:r:1");
    assert_eq!(
        first.metadata.as_deref(),
        Some(&*dc("<title>A &amp; B</title>"))
    );
    assert_eq!(
        (&first.raw, first.repairs.len(), &first.extra),
        (&None, 0, &None)
    );
    assert!(second.header.deleted, "in any case");
    assert_eq!(second.header.datestamp, "2024-01-02");
    assert_eq!(second.header.set_specs, ["a:b"]);
    assert_eq!(second.metadata, None, "the header wins");
    let about = r#"<about xmlns="http://www.openarchives.org/OAI/2.0/"><y/></about>"#;
    assert_eq!(second.extra.as_deref(), Some(about));
}

#[test]
fn what_is_no_answer() {
    let whole = page(&record("a", ""));
    let deep = format!("{}{}", "<a>".repeat(300), "</a>".repeat(300));
    let cases: Vec<(&str, String, &str)> = vec![
        ("nothing", String::new(), "the body is empty"),
        ("blank", "\u{FEFF} \n".into(), "the body is empty"),
        (
            "challenge page",
            "<!DOCTYPE html><html><head><title>Just a\nmoment</title></head>".into(),
            "an HTML page titled \"Just a moment\"",
        ),
        (
            "xhtml page",
            "<html xmlns='http://www.w3.org/1999/xhtml'/>".into(),
            "an HTML page",
        ),
        ("json", "{\"error\":\"no\"}".into(), "JSON"),
        ("message", "Service unavailable".into(), "plain text"),
        (
            "warning alone",
            "<br />\n<b>Warning</b>: x".into(),
            "an HTML page",
        ),
        (
            "feed",
            "<rss version='2.0'><channel/></rss>".into(),
            "\"rss\", not OAI-PMH 2.0",
        ),
        (
            "protocol 1.1",
            "<ListRecords xmlns='http://www.openarchives.org/OAI/1.1/OAI_ListRecords'/>".into(),
            "\"ListRecords\" of namespace \"http://www.openarchives.org/OAI/1.1/",
        ),
        (
            "nested answer",
            format!(
                "<soap><OAI-PMH xmlns='{}'><ListRecords/></OAI-PMH></soap>",
                names::OAI
            ),
            "the root element is \"soap\"",
        ),
        (
            "other verb",
            format!("{HEAD}<ListIdentifiers/></OAI-PMH>"),
            "it contains ListIdentifiers",
        ),
        (
            "no verb",
            format!("{HEAD}</OAI-PMH>"),
            "neither ListRecords nor an error; it is empty",
        ),
        (
            "cut in a tag",
            whole[..whole.len() - 1].into(),
            "truncated after",
        ),
        (
            "cut in a record",
            whole[..400].into(),
            "the body is truncated after 400 bytes",
        ),
        (
            "cut, then an error page",
            format!("{}<br/><b>Fatal</b>", &whole[..400]),
            "truncated",
        ),
        (
            "cut in the declaration",
            "<?xml version='1.0'".into(),
            "malformed XML",
        ),
        (
            "cut before the root",
            "<?xml version='1.0'?>".into(),
            "truncated after 21 bytes",
        ),
        (
            "closed too early",
            page("<record><header><identifier>a</identifier>"),
            "malformed XML at byte",
        ),
        ("too deep", page(&record("a", &deep)), "max_depth = 256"),
    ];
    for (case, body, expected) in cases {
        let error = parsed(body.as_bytes()).expect_err(case).to_string();
        assert!(error.contains(expected), "{case}: {error}");
    }
    let two = page(&[record("a", ""), record("b", "")].concat());
    let hints = Hints {
        limits: PageLimits {
            records: 1,
            ..PageLimits::default()
        },
        ..Hints::new(Verb::ListRecords)
    };
    let error = parse(two.as_bytes(), hints).unwrap_err().to_string();
    assert_eq!(error, "the answer exceeds max_page_records = 1");
}

#[test]
fn errors_fail_the_page() {
    let cases = [
        (
            "alone",
            format!("{HEAD}<error code='badArgument'> no </error></OAI-PMH>"),
            "badArgument",
        ),
        (
            "in the list",
            page("<error code='x'/><resumptionToken/>"),
            "x",
        ),
        (
            "beside the list",
            page("").replace("</OAI", "<error code='y'/></OAI"),
            "y",
        ),
        (
            "without code",
            format!("{HEAD}<error>no</error></OAI-PMH>"),
            "",
        ),
    ];
    for (case, body, code) in cases {
        match parsed(body.as_bytes()).unwrap().content {
            Content::Errors(errors) => assert_eq!(errors[0].code, code, "{case}"),
            other => panic!("{case}: {other:?}"),
        }
    }
    let item = record("a", "");
    for (case, body, items) in [
        (
            "after a record",
            page(&format!("{item}<error code='x'>no</error>")),
            1,
        ),
        (
            "behind the list",
            page(&item).replace("</OAI", "<error code='x'>no</error></OAI"),
            1,
        ),
        (
            "with a token",
            page("<resumptionToken>t</resumptionToken><error code='x'>no</error>"),
            0,
        ),
    ] {
        let broken = ParseError::BrokenOff {
            items,
            code: "x".to_owned(),
            message: "no".to_owned(),
        };
        assert_eq!(parsed(body.as_bytes()).unwrap_err(), broken, "{case}");
    }
    let second = format!(
        "{}\n{HEAD}<error code='z'/></OAI-PMH>",
        page(&record("a", ""))
    );
    assert!(
        parsed(second.as_bytes()).is_err(),
        "an error in a second answer"
    );
}

#[test]
fn lists_end_as_they_say() {
    let cases = [
        ("no token", page(""), None),
        ("empty token", page("<resumptionToken/>"), None),
        (
            "blank token",
            page("<resumptionToken cursor='0'> \n </resumptionToken>"),
            None,
        ),
        (
            "padded",
            page("<resumptionToken>\n a/b+c%7B \n</resumptionToken>"),
            Some("a/b+c%7B"),
        ),
        (
            "zero",
            page("<resumptionToken>0</resumptionToken>"),
            Some("0"),
        ),
        (
            "section",
            page("<resumptionToken><![CDATA[a&b]]></resumptionToken>"),
            Some("a&b"),
        ),
        (
            "outside the list",
            page("").replace("</OAI", "<resumptionToken>t</resumptionToken></OAI"),
            Some("t"),
        ),
        (
            "in metadata",
            page(&record(
                "a",
                "<m><resumptionToken>inner</resumptionToken></m>",
            )),
            None,
        ),
    ];
    for (case, body, token) in cases {
        let (list, repairs) = records(body.as_bytes());
        assert_eq!(
            list.token.as_ref().map(|token| token.as_str()),
            token,
            "{case}"
        );
        assert_eq!(repairs, [], "{case}");
    }
}

#[test]
fn elements_count_by_path() {
    let nested = format!(
        "<ListRecords xmlns='{0}'><record><header status='deleted'><identifier>inner</identifier>\
         </header></record><error code='x'/></ListRecords>",
        names::OAI
    );
    let record = only(page(&record("outer", &nested)).as_bytes());
    assert_eq!(record.header.identifier, "outer");
    assert!(!record.header.deleted);
    assert_eq!(record.metadata.as_deref(), Some(&*nested));
    let foreign =
        page("<o:record xmlns:o='urn:other'><o:header/></o:record><o:error xmlns:o='urn:other'/>");
    let why = parsed(foreign.as_bytes()).unwrap_err().to_string();
    assert!(why.contains("o:record in place of its items"), "{why}");
}

#[test]
fn repairs_pages() {
    let good = page(&record("a", &dc("<title>x</title>")));
    let with = |title: &str| page(&record("a", &dc(&format!("<title>{title}</title>"))));
    let bare = good.replace(&format!(" xmlns=\"{}\"", names::OAI), "");
    let laughs = format!(
        "<!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]>{}",
        &with("&b;")[HEAD.find('\n').unwrap()..]
    );
    type Case = (
        &'static str,
        Vec<u8>,
        Vec<(RepairKind, u64)>,
        bool,
        &'static str,
    );
    // Name, body, repairs of the page, whether the record is touched, text of the title.
    let cases: Vec<Case> = vec![
        ("nothing", good.clone().into(), vec![], false, "x"),
        ("mark", format!("\u{FEFF}{good}").into(), vec![], false, "x"),
        (
            "blank lines",
            format!("\n\n{good}").into(),
            vec![(LeadingJunk, 1)],
            false,
            "x",
        ),
        (
            "warning",
            format!("<br />\n<b>Warning</b>: a & b <c> in x<br />\n{good}").into(),
            vec![(LeadingJunk, 1)],
            false,
            "x",
        ),
        (
            "comment after",
            format!("{good}\n<!-- 1 s -->").into(),
            vec![],
            false,
            "x",
        ),
        (
            "script after",
            format!("{good}<script>if (a && b < c) {{}}</script>").into(),
            vec![(TrailingJunk, 1)],
            false,
            "x",
        ),
        (
            "end tags after",
            format!("{good}</body></html>").into(),
            vec![(TrailingJunk, 1)],
            false,
            "x",
        ),
        (
            "control",
            with("a\u{B}b").into(),
            vec![(ForbiddenCharacter, 1)],
            true,
            "a\u{FFFD}b",
        ),
        (
            "numeric control",
            with("a&#x1;").into(),
            vec![(ForbiddenCharacter, 1)],
            true,
            "a\u{FFFD}",
        ),
        (
            "ampersand",
            with("A & B").into(),
            vec![(BareAmpersand, 1)],
            true,
            "A &amp; B",
        ),
        (
            "less than",
            with("p < 0.05").into(),
            vec![(BareLessThan, 1)],
            true,
            "p &lt; 0.05",
        ),
        (
            "entities, well-formed references kept",
            with("caf&eacute; &#xE9;&lt;").into(),
            vec![(HtmlEntity, 1)],
            true,
            "café &#xE9;&lt;",
        ),
        (
            "inner declaration",
            with("<?xml version='1.0'?>").into(),
            vec![(InnerDeclaration, 1)],
            true,
            "",
        ),
        (
            "billion laughs",
            laughs.into(),
            vec![(BareAmpersand, 1), (DocumentType, 1)],
            true,
            "&amp;b;",
        ),
        (
            "no namespace",
            bare.into(),
            vec![(EnvelopeNamespace, 1)],
            false,
            "x",
        ),
        (
            "nearly the namespace",
            good.replace("OAI/2.0/", "OAI/2.0").into(),
            vec![(EnvelopeNamespace, 1)],
            false,
            "x",
        ),
        (
            "record taken out of the namespace",
            good.replace("<record>", "<record xmlns=''>").into(),
            vec![(EnvelopeNamespace, 1)],
            false,
            "x",
        ),
        (
            "bad byte",
            with("M\u{1}ller")
                .into_bytes()
                .iter()
                .map(|b| if *b == 1 { 0xFC } else { *b })
                .collect(),
            vec![(InvalidUtf8, 1)],
            true,
            "Müller",
        ),
    ];
    for (case, body, repairs, touched, title) in cases {
        let (list, found) = records(&body);
        assert_eq!(found, repairs, "{case}");
        assert_eq!((list.items.len(), list.bad.len()), (1, 0), "{case}");
        let record = &list.items[0];
        assert_eq!(record.header.identifier, "a", "{case}");
        let metadata = record.metadata.as_deref().unwrap();
        assert!(
            metadata.contains(&format!("<title>{title}</title>")),
            "{case}: {metadata}"
        );
        assert_stands_alone(metadata);
        assert_eq!(record.raw.is_some(), touched, "{case}");
        assert_eq!(!record.repairs.is_empty(), touched, "{case}");
        if let Some(raw) = &record.raw {
            assert!(
                raw.starts_with(b"<record>") && raw.ends_with(b"</record>"),
                "{case}"
            );
            assert!(
                memchr::memmem::find(&body, raw).is_some(),
                "{case}: as received"
            );
        }
    }
}

#[test]
fn repairs_touch_only_their_record() {
    let inside = [
        record("a", &dc("é")),
        record("b", &dc("x & y")),
        record("c", &dc("<t>&nbsp;&nbsp;</t>")),
        record("d", ""),
    ];
    let body = format!("junk{}", page(&inside.concat()));
    let (list, repairs) = records(body.as_bytes());
    assert_eq!(
        repairs,
        [(LeadingJunk, 1), (BareAmpersand, 1), (HtmlEntity, 2)]
    );
    for (record, (kind, raw)) in list.items.iter().zip([
        (None, None),
        (Some((BareAmpersand, 1)), Some(&inside[1])),
        (Some((HtmlEntity, 2)), Some(&inside[2])),
        (None, None),
    ]) {
        let found = record.repairs.first().map(|r| (r.kind, r.count));
        assert_eq!(found, kind, "{}", record.header.identifier);
        assert_eq!(record.raw.as_deref(), raw.map(|raw| raw.as_bytes()));
    }
}

#[test]
fn encodings_keep_the_raw_bytes() {
    let text = page(&record("a", &dc("<t>M\u{FC}ller & \u{20AC}</t>")));
    let latin = text.replace("UTF-8", "windows-1252");
    let (latin, _, _) = encoding_rs::WINDOWS_1252.encode(&latin);
    let wide: Vec<u8> = format!("\u{FEFF}{text}")
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    for (case, body) in [("windows-1252", latin.to_vec()), ("utf-16", wide)] {
        let record = only(&body);
        assert_eq!(
            record.metadata.unwrap(),
            dc("<t>Müller &amp; €</t>"),
            "{case}"
        );
        let raw = record.raw.unwrap();
        assert!(memchr::memmem::find(&body, &raw).is_some(), "{case}");
        assert!(raw.len() < body.len() / 2, "{case}: the record alone");
    }
}

#[test]
fn undeclared_prefixes() {
    let body = page(&format!(
        "{}{}{}",
        record("a", "<oai_dc:dc><dc:title>x</dc:title></oai_dc:dc>"),
        record("b", "<foo:bar/>"),
        record("c", &dc("")),
    ));
    let (list, repairs) = records(body.as_bytes());
    assert_eq!(repairs, [(UndeclaredPrefix, 2)]);
    let [a, c] = &list.items[..] else {
        panic!("two records");
    };
    let metadata = a.metadata.as_deref().unwrap();
    assert_stands_alone(metadata);
    assert!(metadata.contains("xmlns:oai_dc=\"http://www.openarchives.org/OAI/2.0/oai_dc/\""));
    assert!(metadata.contains("xmlns:dc=\"http://purl.org/dc/elements/1.1/\""));
    assert!(!metadata.contains("xmlns:xlink"), "only what is used");
    assert_eq!((a.repairs.len(), a.raw.is_some()), (1, true));
    assert_eq!((c.repairs.len(), c.raw.is_some()), (0, false));
    let [bad] = &list.bad[..] else {
        panic!("one bad record");
    };
    assert_eq!(bad.identifier.as_deref(), Some("b"));
    assert_eq!(bad.datestamp.as_deref(), Some("2024-01-01"));
    assert!(
        bad.reason.contains("undeclared prefix \"foo\""),
        "{}",
        bad.reason
    );
    assert_eq!(bad.raw, record("b", "<foo:bar/>").into_bytes());
}

#[test]
fn broken_records_become_bad_items() {
    let marc = "<record xmlns='http://www.loc.gov/MARC21/slim'><leader/></record>";
    let broken = record("bad", &format!("<m>{marc}<b></m>"));
    let cases = [
        (
            "first",
            [broken.clone(), record("a", marc), record("b", "")],
        ),
        (
            "midst",
            [record("a", marc), broken.clone(), record("b", "")],
        ),
        ("last", [record("a", marc), record("b", ""), broken.clone()]),
    ];
    for (case, inside) in cases {
        let body = page(&format!(
            "{}<resumptionToken>t</resumptionToken>",
            inside.join("\n<!-- -->\n")
        ));
        let (list, _) = records(body.as_bytes());
        let identifiers: Vec<_> = list.items.iter().map(|r| &*r.header.identifier).collect();
        assert_eq!(identifiers, ["a", "b"], "{case}");
        assert_eq!(list.bad.len(), 1, "{case}");
        assert_eq!(list.bad[0].raw, broken.as_bytes(), "{case}");
        assert_eq!(list.bad[0].identifier.as_deref(), Some("bad"), "{case}");
        assert_eq!(list.token.unwrap().as_str(), "t", "{case}");
        let cut = &body[..body.len() - "</OAI-PMH>".len()];
        let error = parsed(cut.as_bytes()).unwrap_err();
        assert!(
            matches!(error, ParseError::Truncated { .. }),
            "{case}: {error}"
        );
    }
    let body = page(&broken).replace("ListRecords>", "GetRecord>");
    let error = parse(body.as_bytes(), Hints::new(Verb::GetRecord)).unwrap_err();
    assert!(matches!(error, ParseError::BadRecord(bad) if bad.raw == broken.as_bytes()));
}

#[test]
fn items_without_what_they_need() {
    let cases = [
        (
            "no header",
            "<record><metadata/></record>",
            "the record has no header",
        ),
        (
            "no identifier",
            "<record><header/></record>",
            "the header has no identifier",
        ),
        (
            "blank identifier",
            "<record><header><identifier> </identifier><datestamp>d</datestamp></header></record>",
            "the header has no identifier",
        ),
    ];
    for (case, inside, reason) in cases {
        let bad = only_bad(page(inside).as_bytes());
        assert_eq!(bad.reason, reason, "{case}");
        assert_eq!(bad.raw, inside.as_bytes(), "{case}");
    }
    let bare =
        only(page("<record><header><identifier>a</identifier></header></record>").as_bytes());
    assert_eq!((bare.metadata, bare.header.datestamp.as_str()), (None, ""));
    let odd = page(&record("a", "")).replace("2024-01-01", "2022-06-02T15: 17: 27Z");
    assert_eq!(
        only(odd.as_bytes()).header.datestamp,
        "2022-06-02T15: 17: 27Z"
    );
}

#[test]
fn fragments_stand_alone() {
    let oai = format!("xmlns=\"{}\"", names::OAI);
    let xsi = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"";
    let cases = [
        (
            "own declarations",
            "<a xmlns='u'><b/></a>".to_owned(),
            "<a xmlns='u'><b/></a>".to_owned(),
        ),
        ("inherits the default", "<a/>".into(), format!("<a {oai}/>")),
        (
            "inherits a used prefix",
            "<a xmlns='u' xsi:type='x'/>".into(),
            format!("<a {xsi} xmlns='u' xsi:type='x'/>"),
        ),
        (
            "a prefix in a value",
            "<p:a xmlns:p='u'><p:b q='xsi:string'/></p:a>".into(),
            format!("<p:a {xsi} xmlns:p='u'><p:b q='xsi:string'/></p:a>"),
        ),
        (
            "part of another word",
            "<p:a xmlns:p='u'>maxxsi: xsi</p:a>".into(),
            "<p:a xmlns:p='u'>maxxsi: xsi</p:a>".into(),
        ),
        (
            "default taken back",
            "<a xmlns=''><b/></a>".into(),
            "<a xmlns=''><b/></a>".into(),
        ),
        (
            "default needed only inside",
            "<p:a xmlns:p='u'><b/></p:a>".into(),
            format!("<p:a {oai} xmlns:p='u'><b/></p:a>"),
        ),
        (
            "verbatim",
            "<a xmlns='u'\n  b = \"1\" ><!-- c --><?d e?><![CDATA[<f>]]>\r\n</a >".into(),
            "<a xmlns='u'\n  b = \"1\" ><!-- c --><?d e?><![CDATA[<f>]]>\r\n</a >".into(),
        ),
    ];
    for (case, metadata, expected) in cases {
        let around = format!("\n<!-- before -->text{metadata}after\n");
        let record = only(page(&record("a", &around)).as_bytes());
        assert_eq!(record.metadata.as_deref(), Some(&*expected), "{case}");
        assert_eq!(record.extra, None, "{case}");
        assert_stands_alone(&expected);
    }
}

#[test]
fn namespaces_come_from_every_ancestor() {
    let body = page(&record("a", "<q:a b='r:x'><p:c/></q:a>"))
        .replace("<record>", "<record xmlns:q='urn:hidden' xmlns:p='urn:p'>")
        .replace(
            "<metadata>",
            "<metadata xmlns:q='urn:\"q\"' xmlns:r='urn:r&amp;'>",
        );
    let metadata = only(body.as_bytes()).metadata.unwrap();
    let expected =
        "<q:a xmlns:p=\"urn:p\" xmlns:q='urn:\"q\"' xmlns:r=\"urn:r&amp;\" b='r:x'><p:c/></q:a>";
    assert_eq!(metadata, expected);
    assert_stands_alone(&metadata);
}

#[test]
fn further_containers_are_kept() {
    let body = page(&record("a", &format!("{}{}", dc("1"), dc("2"))).replace(
        "</record>",
        "<metadata><b/></metadata><about><c/></about><about/></record>",
    ));
    let record = only(body.as_bytes());
    assert_eq!(record.metadata, Some(dc("1")));
    let oai = names::OAI;
    let expected = format!(
        "{}<metadata xmlns=\"{oai}\"><b/></metadata><about xmlns=\"{oai}\"><c/></about>\
         <about xmlns=\"{oai}\"/>",
        dc("2")
    );
    assert_eq!(record.extra, Some(expected));
}

#[test]
fn prefixed_envelope() {
    let body = format!(
        "<oai:OAI-PMH xmlns:oai='{}'><oai:ListRecords><oai:record><oai:header>\
         <oai:identifier>a</oai:identifier></oai:header><oai:metadata><b/></oai:metadata>\
         </oai:record><oai:resumptionToken>t</oai:resumptionToken></oai:ListRecords></oai:OAI-PMH>",
        names::OAI
    );
    let record = only(body.as_bytes());
    assert_eq!(record.metadata.as_deref(), Some("<b/>"));
}

#[test]
fn the_other_verbs() {
    let answer = |inside: &str, verb| {
        let body = format!("{HEAD}{inside}</OAI-PMH>");
        parse(body.as_bytes(), Hints::new(verb)).unwrap().content
    };
    let Content::Identify(identify) = answer(
        "<Identify><repositoryName> R &amp; S </repositoryName><adminEmail>a</adminEmail>\
         <adminEmail>b</adminEmail><earliestDatestamp/><granularity>YYYY-MM-DDThh:mm:ssZ\
         </granularity><deletedRecord>transient</deletedRecord><description><granularity \
         xmlns='urn:x'>YYYY-MM-DD</granularity></description></Identify>",
        Verb::Identify,
    ) else {
        panic!("Identify");
    };
    assert_eq!(identify.repository_name.as_deref(), Some("R & S"));
    assert_eq!(identify.granularity, Some(crate::oai::Granularity::Second));
    assert_eq!(identify.admin_emails, ["a", "b"]);
    assert_eq!(identify.earliest_datestamp, None);
    let Content::MetadataFormats(formats) = answer(
        "<ListMetadataFormats><metadataFormat><metadataPrefix>oai_dc</metadataPrefix>\
         <metadataNamespace>urn:x</metadataNamespace></metadataFormat></ListMetadataFormats>",
        Verb::ListMetadataFormats,
    ) else {
        panic!("formats");
    };
    assert_eq!(formats[0].metadata_prefix, "oai_dc");
    assert_eq!(formats[0].metadata_namespace.as_deref(), Some("urn:x"));
    let Content::Sets(sets) = answer(
        "<ListSets><set><setSpec>a</setSpec><setName>A</setName><setDescription><x/>\
         </setDescription></set><set><setName>B</setName></set><resumptionToken>t\
         </resumptionToken></ListSets>",
        Verb::ListSets,
    ) else {
        panic!("sets");
    };
    assert_eq!((sets.items.len(), sets.bad.len()), (1, 1));
    assert_eq!(sets.token.unwrap().as_str(), "t");
    for wrapped in [false, true] {
        let mut inside = "<header status='deleted'><identifier>a</identifier></header>".repeat(2);
        if wrapped {
            inside = format!("<record>{inside}</record>");
        }
        let Content::Identifiers(headers) = answer(
            &format!("<ListIdentifiers>{inside}</ListIdentifiers>"),
            Verb::ListIdentifiers,
        ) else {
            panic!("identifiers");
        };
        assert_eq!(headers.items.len(), 2);
        assert!(headers.items[0].deleted);
    }
    let Content::Record(one) = answer(
        &format!("<GetRecord>{}</GetRecord>", record("a", "")),
        Verb::GetRecord,
    ) else {
        panic!("record");
    };
    assert_eq!(one.header.identifier, "a");
}

#[test]
fn offsets_are_those_of_the_body() {
    let body = page(&[record("a", &dc("é & ü")), "<record></header>".into()].concat());
    let expected = body.find("</header></ListRecords").unwrap();
    match parsed(body.as_bytes()) {
        Err(ParseError::Malformed { at, .. }) => assert_eq!(at, expected),
        other => panic!("{other:?}"),
    }
}

/// Every cut of a whole page is an error, and never a shorter page.
#[test]
fn no_cut_page_passes() {
    let page = format!(
        "{}\n",
        page(
            &[
                record("a", &dc("é <![CDATA[</OAI-PMH>]]>")),
                record("b", "<x/>")
            ]
            .concat()
        )
    );
    let repaired = format!("junk{}", page.replace('é', "& &eacute; < "));
    for body in [page, repaired] {
        assert!(parsed(body.as_bytes()).is_ok());
        for length in 0..body.trim_end().len() {
            let outcome = parsed(&body.as_bytes()[..length]);
            assert!(outcome.is_err(), "{length} bytes: {outcome:?}");
        }
    }
}

/// Whatever happens to the bytes of a page, there is an answer or an error.
#[test]
fn no_damage_panics() {
    let page = page(
        &[
            record("a", &dc("é &amp; <![CDATA[x]]><!-- y -->")),
            record("b", "<x/>"),
        ]
        .concat(),
    );
    let mut random = fastrand::Rng::with_seed(7);
    let bits = [
        "<",
        ">",
        "&",
        ";",
        "\"",
        "'",
        "<![CDATA[",
        "]]>",
        "<!--",
        "-->",
        "<?xml ",
        "?>",
        "<!DOCTYPE ",
        "[",
        "]",
        "\0",
        "\u{FEFF}",
        "</record>",
        "<OAI-PMH>",
        "</OAI-PMH>",
        "xmlns:",
        "&#x1;",
        "/",
    ];
    for _ in 0..20_000 {
        let mut body = page.clone().into_bytes();
        for _ in 0..random.usize(1..5) {
            let at = random.usize(..body.len());
            match random.u8(..4) {
                0 => body[at] = random.u8(..),
                1 => {
                    let end = (at + random.usize(..40)).min(body.len());
                    body.drain(at..end);
                }
                2 => {
                    let bit = random.choice(bits).unwrap().bytes();
                    body.splice(at..at, bit);
                }
                _ => body.truncate(at.max(1)),
            }
            if body.is_empty() {
                break;
            }
        }
        if let Ok(response) = parsed(&body)
            && let Content::Records(list) = response.content
        {
            for record in &list.items {
                record.metadata.as_deref().map(assert_stands_alone);
            }
        }
    }
}

/// A body full of beginnings must not be searched to its end from each of them.
#[test]
fn hostile_bodies_take_linear_time() {
    let started = std::time::Instant::now();
    let bits = [
        "<!--",
        "<![CDATA[",
        "<?x ",
        "<?xml ",
        "<!DOCTYPE ",
        "<!DOCTYPE [",
        "&",
        "&#x1;",
        "<a ",
        "<a b='",
        "OAI-PMH",
        "</OAI-PMH",
        "x:OAI-PMH",
        "\u{1}",
        "</record><!--",
        "</record><record ",
        "<",
        ">",
        "]]>",
        "<header",
        "\n",
        "<a xmlns='u'/>",
        "</record>",
    ];
    for bit in bits {
        let filling = bit.repeat(250_000 / bit.len());
        for body in [
            filling.clone(),
            page(&record("a", &filling)),
            format!("{filling}{}", page("")),
        ] {
            // Whether there is something to read in it does not matter here.
            let _ = parsed(body.as_bytes());
        }
    }
    let attributes: String = (0..100_000)
        .map(|number| format!(" a{number}=''"))
        .collect();
    assert!(parsed(page(&record("a", &format!("<b{attributes}/>"))).as_bytes()).is_ok());
    // Seconds on a quiet machine; hours if any of them took time by the square of its length.
    let minutes = started.elapsed().as_secs() / 60;
    assert!(minutes < 10, "{minutes} minutes for 70 bodies of 250 kB");
}
