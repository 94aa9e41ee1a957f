//! D: bytes, characters, XML.

use harvestd::end::End;
use harvestd::harvest::RunOptions;
use harvestd::oai::response::RepairKind;
use harvestd::store::WarningKind;

use crate::common::*;

/// A world whose every answer has `old` replaced by `new`.
async fn with(old: &str, new: &[u8]) -> World {
    World::of(six().always(When::Always, swap_bytes(old.as_bytes(), new))).await
}

/// The run is complete, all six are stored, and record 3 has this title.
#[track_caller]
fn assert_title(world: &World, end: &End, title: &str) {
    assert_eq!(*end, End::Complete);
    assert_eq!(world.live(), "1 2 3 4 5 6");
    assert_eq!(world.title(3), title);
    for number in [1, 2, 4, 5, 6] {
        assert_eq!(
            world.title(number),
            format!("Title {number}"),
            "its neighbours are left alone"
        );
    }
}

/// Record 3 was repaired in this way, is flagged, and its bytes are kept as they came.
#[track_caller]
fn assert_repaired(world: &World, kind: RepairKind, raw: &[u8]) {
    let repaired = world
        .reader()
        .repairs("x", &id(3))
        .unwrap()
        .expect("it is flagged");
    assert!(
        repaired.repairs.iter().any(|repair| repair.kind == kind),
        "{:?}",
        repaired.repairs
    );
    assert!(
        repaired.raw.windows(raw.len()).any(|bytes| bytes == raw),
        "the bytes are kept"
    );
    assert_eq!(
        world.reader().repairs("x", &id(4)).unwrap(),
        None,
        "its neighbour is not"
    );
    assert!(world.has_warning(WarningKind::RepairedPages));
}

#[tokio::test]
async fn d01_control_characters() {
    for (raw, title) in [
        (&b"a\x0bb, c"[..], "a\u{fffd}b, c"),
        (b"a&#x1;b, c", "a\u{fffd}b, c"),
        (b"a&#11;b, c", "a\u{fffd}b, c"),
        ("a\u{fffe}b, c".as_bytes(), "a\u{fffd}b, c"),
        (b"a\x00b, c", "a\u{fffd}b, c"),
    ] {
        let world = with("Title 3", raw).await;
        let report = world.run().await;
        assert_title(&world, &report.end, title);
        assert_eq!(report.counts.repaired, 1);
        assert_repaired(&world, RepairKind::ForbiddenCharacter, raw);
    }
    let world = with("Title 3", b"a\tb").await;
    let report = world.run().await;
    assert_title(&world, &report.end, "a\tb");
    assert_eq!(report.counts.repaired, 0, "a tab is no such character");
}

#[tokio::test]
async fn d02_invalid_utf8() {
    let raw = b"M\xfcller and Z\xc3\xbcrich";
    let world = with("Title 3", raw).await;
    let report = world.run().await;
    assert_title(&world, &report.end, "Müller and Zürich");
    assert_repaired(&world, RepairKind::InvalidUtf8, raw);
}

#[tokio::test]
async fn d03_wrong_encoding_declared() {
    // UTF-8 all the same, whatever it says.
    let world = World::of(six().always(
        When::Always,
        Fault::body(|body| {
            let text = String::from_utf8(body).unwrap();
            text.replace("'UTF-8'", "'ISO-8859-1'")
                .replace("Title 3", "Zürich")
                .into_bytes()
        }),
    ))
    .await;
    let report = world.run().await;
    assert_title(&world, &report.end, "Zürich");
    // What it says.
    let latin = Fault::body(|body| {
        let text = String::from_utf8(body).unwrap();
        let text = text
            .replace("'UTF-8'", "'ISO-8859-1'")
            .replace("Title 3", "Z\u{1}rich");
        text.bytes()
            .map(|byte| if byte == 1 { 0xfc } else { byte })
            .collect()
    });
    let world = World::of(six().always(When::Always, latin)).await;
    let report = world.run().await;
    assert_title(&world, &report.end, "Zürich");
}

#[tokio::test]
async fn d04_text_encoded_twice() {
    let world = with("Title 3", "MÃ¼ller".as_bytes()).await;
    let report = world.run().await;
    assert_title(&world, &report.end, "MÃ¼ller");
    assert_eq!(report.counts.repaired, 0, "kept as delivered");
}

#[tokio::test]
async fn d05_bare_markup_in_text() {
    let world = with("Title 3", b"A & B &amp; C").await;
    let report = world.run().await;
    assert_title(&world, &report.end, "A &amp; B &amp; C");
    assert_repaired(&world, RepairKind::BareAmpersand, b"A & B &amp; C");
    let world = with("Title 3", b"p < 0.05").await;
    let report = world.run().await;
    assert_title(&world, &report.end, "p &lt; 0.05");
    assert_repaired(&world, RepairKind::BareLessThan, b"p < 0.05");
}

#[tokio::test]
async fn d06_entities_of_html() {
    let world = with("Title 3", b"caf&eacute;&nbsp;au lait").await;
    let report = world.run().await;
    assert_title(&world, &report.end, "café\u{a0}au lait");
    assert_repaired(&world, RepairKind::HtmlEntity, b"caf&eacute;&nbsp;au lait");
}

#[tokio::test]
async fn d07_repairs_leave_good_data_alone() {
    let good = "&#xE9; &#233; &lt;i&gt; &amp;eacute; <![CDATA[a & b]]>";
    let world = with("Title 3", good.as_bytes()).await;
    let report = world.run().await;
    assert_title(&world, &report.end, good);
    assert_eq!(report.counts.repaired, 0);
    // Beside something broken, it still is.
    let world = with("Title 3", format!("{good} A & B").as_bytes()).await;
    let report = world.run().await;
    assert_title(&world, &report.end, &format!("{good} A &amp; B"));
}

#[tokio::test]
async fn d08_document_type_and_entities() {
    let declared = b"?>\n<!DOCTYPE OAI-PMH [<!ENTITY a \"boom\"><!ENTITY b \"&a;&a;\">\
                     <!ENTITY x SYSTEM \"file:///etc/passwd\">]>";
    let world = World::of(six().always(When::Always, swap_bytes(b"?>", declared))).await;
    world.assert_whole(&world.run().await);
    // Its own entities are never expanded: the record that uses one is set aside.
    let using = Fault::body(move |body| {
        let text = String::from_utf8(body).unwrap();
        let declared = std::str::from_utf8(declared).unwrap();
        text.replacen("?>", declared, 1)
            .replace("Title 3", "&b;&x;")
            .into_bytes()
    });
    let world = World::of(six().always(When::Always, using)).await;
    assert_eq!(world.run().await.end, End::Complete);
    let title = world
        .stored()
        .get(&id(3))
        .and_then(|record| record.metadata.clone())
        .unwrap_or_default();
    assert!(
        !title.contains("boom") && !title.contains("root:"),
        "{title}"
    );
    assert!(world.live().starts_with("1 2") && world.live().ends_with("4 5 6"));
}

#[tokio::test]
async fn d09_declaration_in_each_record() {
    let world = with(
        "<metadata>",
        b"<metadata><?xml version=\"1.0\" encoding=\"UTF-8\"?>",
    )
    .await;
    world.assert_whole(&world.run().await);
    let none = Fault::body(|body| {
        let text = String::from_utf8(body).unwrap();
        text.split_once("?>").unwrap().1.as_bytes().to_vec()
    });
    let world = World::of(six().always(When::Always, none)).await;
    world.assert_whole(&world.run().await);
}

#[tokio::test]
async fn d10_namespaces() {
    let own = "xmlns=\"http://www.openarchives.org/OAI/2.0/\"";
    for (case, other) in [
        ("none", ""),
        ("https", "xmlns=\"https://www.openarchives.org/OAI/2.0/\""),
        ("wrong", "xmlns=\"http://example.org/oai\""),
    ] {
        let world = with(own, other.as_bytes()).await;
        let report = world.run().await;
        assert_eq!(report.end, End::Complete, "{case}");
        world.assert_whole(&report);
        assert!(world.has_warning(WarningKind::RepairedPages), "{case}");
    }
    // With a prefix, and the namespaces of the metadata declared at the root alone.
    let prefixed = Fault::body(|body| {
        let mut text = String::from_utf8(body).unwrap();
        for name in [
            "OAI-PMH",
            "responseDate",
            "request",
            "ListRecords",
            "record",
            "header",
            "identifier",
            "datestamp",
            "metadata",
            "resumptionToken",
            "error",
        ] {
            for (old, new) in [("<", "<o:"), ("</", "</o:")] {
                for end in [">", " ", "/>"] {
                    text = text.replace(&format!("{old}{name}{end}"), &format!("{new}{name}{end}"));
                }
            }
        }
        let dc = " xmlns:dc=\"http://purl.org/dc/elements/1.1/\"";
        text = text.replace(dc, "");
        text.replacen("xmlns=", &format!("{dc} xmlns:o="), 1)
            .into_bytes()
    });
    let world = World::of(six().always(lists(), prefixed)).await;
    world.assert_whole(&world.run().await);
    assert!(!world.has_warning(WarningKind::RepairedPages));
    let metadata = world.stored()[&id(3)].metadata.clone().unwrap();
    assert!(
        metadata.contains("xmlns:dc="),
        "what is cut out stays a document: {metadata}"
    );
}

#[tokio::test]
async fn d11_protocol_elements_inside_metadata() {
    let oai = "xmlns=\"http://www.openarchives.org/OAI/2.0/\"";
    for inner in [
        format!("<record {oai}><header><identifier>inner</identifier></header></record>"),
        format!("<error {oai} code=\"badArgument\">inner</error>"),
        format!("<resumptionToken {oai}>inner</resumptionToken>"),
        format!("<OAI-PMH {oai}><error code=\"x\"/></OAI-PMH>"),
    ] {
        let wrapped = format!("{inner}</oai_dc:dc>");
        let world = with("</oai_dc:dc>", wrapped.as_bytes()).await;
        world.assert_whole(&world.run().await);
        assert!(
            world.stored()[&id(3)]
                .metadata
                .as_ref()
                .unwrap()
                .contains(&inner)
        );
        assert_eq!(world.repository.count("ListRecords"), 3);
    }
}

#[tokio::test]
async fn d12_deleted_record_between_others() {
    let world = World::of(Repository::of(model(6, 10))).await;
    world
        .repository
        .with_model(|model| model.delete(&id(3), at(3)));
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(
        (world.live(), world.tombstones()),
        ("1 2 4 5 6".into(), "3".into())
    );
    for number in [1, 2, 4, 5, 6] {
        assert_eq!(
            world.title(number),
            format!("Title {number}"),
            "each has its own metadata"
        );
    }
    assert_eq!(world.stored()[&id(3)].metadata, None);
}

#[tokio::test]
async fn d13_two_metadata_elements_and_about() {
    let more = "</metadata><metadata><x xmlns=\"urn:x\">two</x></metadata><about><y xmlns=\"urn:y\">rights</y></about>";
    let world = with("</metadata>", more.as_bytes()).await;
    world.assert_whole(&world.run().await);
    let extra = world.stored()[&id(3)].extra.clone().unwrap();
    assert!(extra.contains("two") && extra.contains("rights"), "{extra}");
}

#[tokio::test]
async fn d14_records_without_header_or_identifier() {
    let whole = format!("<identifier>{}</identifier>", id(3));
    for (case, broken) in [
        ("no identifier", ""),
        ("empty identifier", "<identifier/>"),
        ("blank identifier", "<identifier> \n </identifier>"),
    ] {
        let world = with(&whole, broken.as_bytes()).await;
        let report = world.run().await;
        assert_eq!(report.end, End::Complete, "{case}");
        assert_eq!(
            (world.live(), report.counts.quarantined),
            ("1 2 4 5 6".into(), 1),
            "{case}"
        );
        assert!(
            world.quarantine()[0].reason.contains("has no identifier"),
            "{case}"
        );
    }
    let world = World::of(six().always(When::Always, without_header(3))).await;
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(world.live(), "1 2 4 5 6");
    assert!(world.quarantine()[0].reason.contains("has no header"));
    // All of them: not a few bad records, but a bad list.
    let all = Fault::body(|body| {
        String::from_utf8(body)
            .unwrap()
            .replace("<identifier>", "<id>")
            .replace("</identifier>", "</id>")
            .into_bytes()
    });
    let world = World::of(six().always(lists(), all)).await;
    world.assert_incomplete(&world.run().await, &["6 of 6 items cannot be read"]);
    world.repository.heal();
    world.assert_whole(&world.run().await);
}

#[tokio::test]
async fn d15_live_record_without_metadata() {
    // GetRecord has it.
    let world = World::of(six().always(lists(), without_metadata(3))).await;
    world.assert_whole(&world.run().await);
    assert_eq!(world.repository.count("GetRecord"), 1);
    // Nobody has it: the record is there, alive, a header alone.
    for fault in [
        without_metadata(3),
        Fault::html(404),
        Fault::html(500),
        Fault::oai_error("cannotDisseminateFormat"),
    ] {
        let builder = six()
            .always(When::Verb("GetRecord"), fault)
            .always(lists(), without_metadata(3));
        let world = World::of(builder).await;
        assert_eq!(world.run().await.end, End::Complete);
        assert_eq!(
            (world.live(), world.tombstones()),
            ("1 2 3 4 5 6".into(), String::new())
        );
        assert_eq!(world.stored()[&id(3)].metadata, None);
        assert_eq!(world.watermark().as_deref(), Some(NOON));
    }
}

#[tokio::test]
async fn d15_metadata_that_is_stored_is_kept() {
    let world = World::of(six()).await;
    world.run().await;
    let before = world.stored().remove(&id(3));
    world.advance(DAY);
    let now = world.repository.clock().now();
    world
        .repository
        .with_model(|model| model.update(&id(3), metadata("New"), now));
    world
        .repository
        .break_with(When::Always, without_metadata(3));
    for _ in 0..2 {
        assert_eq!(world.run().await.end, End::Complete);
        assert_eq!(world.stored().remove(&id(3)), before, "nothing is emptied");
        let aside = world.quarantine();
        assert_eq!(aside.len(), 1);
        assert_eq!(aside[0].identifier, Some(id(3)));
        assert!(aside[0].reason.contains("without metadata"));
        world.advance(DAY);
    }
    world.repository.heal();
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(world.title(3), "New");
    assert!(world.quarantine().is_empty());
}

#[tokio::test]
async fn d16_record_that_breaks_off_takes_no_other_with_it() {
    // The server gives up in the middle of the third record, and goes on with the fourth.
    let broken = swap(
        "Title 3</dc:title></oai_dc:dc></metadata></record>",
        "Title 3",
    );
    let world = World::of(Repository::of(model(6, 6)).always(lists(), broken)).await;
    let report = world.run().await;
    assert_eq!(report.end, End::Complete, "{report:?}");
    assert_eq!(world.live(), "1 2 3 4 5 6");
}

#[tokio::test]
async fn d16_record_that_breaks_each_page_with_it() {
    let garbage = Fault::xml("<OAI-PMH><ListRecords><record></ListRecords></OAI-PMH>");
    let Fault::Reply(garbage) = garbage else {
        unreachable!("a document is a reply")
    };
    for (case, reply) in [("500", html(500)), ("unreadable", garbage)] {
        let listed = |builder: Builder| {
            let poison = instead_if_listed(&[3], reply.clone());
            builder.always(When::Verb("ListRecords"), poison)
        };
        // Alone, it can be had.
        let world = World::of(listed(six())).await;
        let report = world.run().await;
        assert_eq!(
            (report.end, world.live()),
            (End::Complete, "1 2 3 4 5 6".into()),
            "{case}"
        );
        assert_eq!(world.title(3), "Title 3");
        assert_eq!(world.watermark().as_deref(), Some(NOON), "{case}");
        // Not even alone: it is set aside, and everything else is there.
        let builder = listed(six().always(When::Verb("GetRecord"), Fault::Reply(reply.clone())));
        let world = World::of(builder).await;
        let report = world.run().await;
        assert_eq!(
            (report.end, world.live()),
            (End::Complete, "1 2 4 5 6".into()),
            "{case}"
        );
        let aside = world.quarantine();
        assert_eq!(aside.len(), 1, "{case}");
        assert_eq!(aside[0].identifier, Some(id(3)));
        // Tried again by later passes, until it can be read.
        world.advance(DAY);
        world.repository.forget_requests();
        world.run().await;
        assert_eq!(world.asked("identifier").first(), Some(&id(3)));
        assert_eq!(world.quarantine().len(), 1);
        world.repository.heal();
        world.advance(DAY);
        assert_eq!(world.run().await.end, End::Complete);
        assert_eq!(
            (world.live(), world.quarantine().len()),
            ("1 2 3 4 5 6".into(), 0),
            "{case}"
        );
    }
}

#[tokio::test]
async fn d16_records_with_the_same_error_page_are_each_set_aside() {
    let poison = instead_if_listed(&[3, 5], html(500));
    let builder = six()
        .always(When::Verb("ListRecords"), poison)
        .always(When::Verb("GetRecord"), Fault::Reply(html(500)));
    let world = World::of(builder).await;
    let everything = RunOptions {
        full: true,
        ..RunOptions::default()
    };
    // Once more in the same state, they are the same items.
    for _ in 0..2 {
        assert_eq!(world.run_with(&everything).await.end, End::Complete);
        assert_eq!(world.live(), "1 2 4 6");
        let aside = world.quarantine().into_iter();
        let mut names: Vec<_> = aside.filter_map(|item| item.identifier).collect();
        names.sort();
        assert_eq!(names, [id(3), id(5)]);
        world.advance(DAY);
    }
}

#[tokio::test]
async fn d16_record_without_any_answer_is_no_poison() {
    let poison = instead_if_listed(&[3], html(500));
    let alone = When::matching(|request| request.argument("identifier") == Some("oai:x:3"));
    for fault in [
        Fault::Reset { after: None },
        Fault::Cut {
            after: 100,
            framing: Framing::Length,
        },
        Fault::html(502),
        Fault::html(504),
    ] {
        let builder = six()
            .always(When::Verb("ListRecords"), poison.clone())
            .always(alone.clone(), fault);
        let world = World::of(builder).await;
        world.assert_incomplete(&world.run().await, &["no answer about 1 records"]);
        assert_eq!(world.live(), "1 2 4 5 6");
        assert!(world.quarantine().is_empty(), "nothing is known of it");
        world.repository.heal();
        world.advance(DAY);
        assert_eq!(world.run().await.end, End::Complete);
        assert_eq!(world.live(), "1 2 3 4 5 6");
    }
}

#[tokio::test]
async fn d16_bad_record_that_is_gone_leaves_the_quarantine() {
    let broken = || swap("Title 3", "<b>Title</i>");
    let world = World::of(six().always(When::Always, broken())).await;
    world.run().await;
    assert_eq!(world.quarantine().len(), 1);
    // A repository that denies everything proves nothing.
    world.repository.heal();
    world
        .repository
        .break_with(When::Verb("GetRecord"), Fault::oai_error("idDoesNotExist"));
    world.advance(DAY);
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(world.quarantine().len(), 1);
    world.repository.heal();
    world.advance(DAY);
    let now = world.repository.clock().now();
    world
        .repository
        .with_model(|model| model.remove(&id(3), now));
    assert_eq!(world.run().await.end, End::Complete);
    assert!(world.quarantine().is_empty());
    let note = world.last_pass().note.unwrap_or_default();
    assert!(note.contains("gone") && note.contains(&id(3)), "{note}");
}

#[tokio::test]
async fn d16_record_that_lists_alone_know_stays_set_aside() {
    let builder = six()
        .always(
            When::Verb("ListRecords"),
            instead_if_listed(&[3], html(500)),
        )
        .always(
            When::matching(|request| request.argument("identifier") == Some("oai:x:3")),
            Fault::oai_error("idDoesNotExist"),
        );
    let world = World::of(builder).await;
    for _ in 0..3 {
        assert_eq!(world.run().await.end, End::Complete);
        assert_eq!(world.live(), "1 2 4 5 6");
        assert_eq!(world.quarantine()[0].identifier, Some(id(3)));
        world.advance(DAY);
    }
    world.repository.heal();
    assert_eq!(world.run().await.end, End::Complete);
    assert_eq!(
        (world.live(), world.quarantine().len()),
        ("1 2 3 4 5 6".into(), 0)
    );
}

#[tokio::test]
async fn d17_unreadable_page_is_no_end() {
    for broken in [
        "<OAI-PMH",
        "<OAI-PMH><ListRecords></OAI-PMH>",
        "{}",
        "ok",
        "\u{1f}\u{8b}",
    ] {
        let fault = Fault::xml(broken);
        let world = World::of(six().once(When::Page(3), fault.clone())).await;
        world.assert_whole(&world.run().await);
        let world = World::of(six()).await;
        let report = world
            .run_meddling(4, move |repository| {
                repository.break_with(When::Always, fault.clone())
            })
            .await;
        world.assert_incomplete(&report, &["ListRecords"]);
        assert_eq!(world.live(), "1 2 3 4", "{broken}");
    }
    // Inside one record, the page around it stands.
    let world = with("Title 3", b"<b>Title</i>").await;
    let report = world.run().await;
    assert_eq!(
        (report.end, world.live()),
        (End::Complete, "1 2 4 5 6".into())
    );
    assert_eq!(world.quarantine()[0].identifier, Some(id(3)));
}

#[tokio::test]
async fn d18_characters_as_surrogates() {
    for (case, title) in [
        ("CESU-8", &b"Title \xED\xA0\xBD\xED\xB8\x80"[..]),
        ("references", b"Title &#xD83D;&#xDE00;"),
        ("decimal references", b"Title &#55357;&#56832;"),
    ] {
        let world = World::of(six().always(When::Always, swap_bytes(b"Title 3", title))).await;
        let report = world.run().await;
        assert_eq!(report.end, End::Complete, "{case}");
        assert_eq!(world.title(3), "Title \u{1F600}", "{case}");
        assert_repaired(&world, RepairKind::SurrogatePair, title);
    }
}

#[tokio::test]
async fn d19_get_record_without_a_datestamp() {
    let none = Fault::body(|body| {
        let text = String::from_utf8(body).unwrap();
        match part(&text, "<datestamp>", "</datestamp>") {
            Some(element) => text.replacen(element, "", 1).into_bytes(),
            None => text.into_bytes(),
        }
    });
    let builder = six()
        .always(lists(), without_metadata(3))
        .always(When::Verb("GetRecord"), none);
    let world = World::of(builder).await;
    world.assert_whole(&world.run().await);
    let record = &world.stored()[&id(3)];
    assert_eq!(record.datestamp, at(3).to_string());
}
