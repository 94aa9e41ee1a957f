//! Odd Dublin Core comes out valid: made-up metadata with every mistake that repositories make.

use std::borrow::Cow;

use harvestd::output::oai_dc;

use super::schema::Answers;

const DOCUMENTS: u64 = 4_000;

/// One of several texts.
fn one<'a>(random: &mut fastrand::Rng, texts: &[&'a str]) -> &'a str {
    texts[random.usize(..texts.len())]
}

/// The usual text mostly, else one of several odd ones.
fn mostly<'a>(random: &mut fastrand::Rng, usual: &'a str, odd: &[&'a str]) -> &'a str {
    match random.u8(..10) {
        0 => one(random, odd),
        _ => usual,
    }
}

fn document(random: &mut fastrand::Rng) -> String {
    let mut text = String::new();
    text += mostly(
        random,
        "",
        &[
            "<?xml version=\"1.0\"?>",
            "\u{feff}",
            "<!-- a - b -->",
            "<!-- a -- b -->",
            "<?php x?>",
            "<!DOCTYPE a>",
            "\n ",
        ],
    );
    let root = mostly(
        random,
        "oai_dc:dc",
        &["dc", "oaidc:dc", "oai_dc:DC", "dc:dc"],
    );
    text += &format!("<{root}");
    for declaration in [
        mostly(
            random,
            " xmlns:oai_dc=\"http://www.openarchives.org/OAI/2.0/oai_dc/\"",
            &[
                "",
                " xmlns:oai_dc='http://www.openarchives.org/OAI/2.0/oai_dc/'",
                " xmlns:oai_dc=\"http://www.openarchives.org/OAI/2.0/oai_dc\"",
                " xmlns=\"http://www.openarchives.org/OAI/2.0/oai_dc/\"",
                " xmlns:oaidc=\"http://www.openarchives.org/OAI/2.0/oai_dc/\"",
            ],
        ),
        mostly(
            random,
            " xmlns:dc=\"http://purl.org/dc/elements/1.1/\"",
            &[
                "",
                " xmlns:dc=\"http://purl.org/dc/terms/\"",
                " xmlns:dc=\"http://purl.org/dc/elements/1.1\"",
                "xmlns:dc=\"http://purl.org/dc/elements/1.1/\"",
                " xmlns:dc = \"http://purl.org/dc/elements/1.1/\"",
                " xmlns:dc=\"http://purl.org/dc/elements/1.1/\" xmlns:dc=\"http://a/\"",
            ],
        ),
        mostly(
            random,
            " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"",
            &[
                "",
                " xmlns:xsi=\"http://a/\"",
                " xmlns:xsi=\"\"",
                " xmlns:q=\"http://q/\"",
            ],
        ),
        mostly(
            random,
            " xsi:schemaLocation=\"http://www.openarchives.org/OAI/2.0/oai_dc/ \
             http://www.openarchives.org/OAI/2.0/oai_dc.xsd\"",
            &[
                "",
                " schemaLocation=\"http://a/ b.xsd\"",
                " q:schemaLocation=\"http://a/ b.xsd\"",
                " xsi:schemaLocation=\"http://a/\"",
                " xsi:schemaLocation=\"a b\" xsi:schemaLocation=\"a b\"",
                " xml:lang=\"en\"",
                " xsi:type=\"dc\"",
                " id='1'",
            ],
        ),
    ] {
        text += declaration;
    }
    text += ">";
    for _ in 0..random.u8(..5) {
        child(random, &mut text);
        text += mostly(
            random,
            "\n",
            &["x", "&#160;", "&amp;", "<![CDATA[ ]]>", "<!--n-->"],
        );
    }
    text += &format!("</{root}{}>", mostly(random, "", &[" ", "\n"]));
    text += mostly(random, "", &["\n", "x", "<a/>", "&amp;", "<!-- end -->"]);
    // A stray change anywhere.
    if random.u8(..20) == 0 {
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        let at = places[random.usize(..places.len())];
        let stray = [
            "<", "&", "\"", "'", ">", "\u{1}", "\u{ffff}", "é", "/", "-", " ",
        ];
        text.insert_str(at, one(random, &stray));
    }
    text
}

fn child(random: &mut fastrand::Rng, text: &mut String) {
    let names = [
        "dc:title",
        "dc:creator",
        "dc:date",
        "dc:identifier",
        "dc:rights",
    ];
    let usual = one(random, &names);
    let odd = [
        "dc:Title",
        "title",
        "dcterms:issued",
        "dc:",
        "dc:titel",
        "xml:title",
        "q:title",
    ];
    let name = mostly(random, usual, &odd);
    let attributes = mostly(
        random,
        "",
        &[
            " xml:lang=\"en\"",
            " xml:lang=\"en_US\"",
            " xml:lang=\"\"",
            " xml:lang=\" en\"",
            " xml:lang=\"en\" xml:lang=\"de\"",
            " xml:lang=\"&amp;\"",
            " xml:lang='de-Latn-DE'",
            " lang=\"en\"",
            " id=\"1\"",
            " xsi:type=\"dcterms:URI\"",
            " xsi:nil=\"true\"",
            " xmlns:dc=\"http://a/\"",
            " xmlns=\"http://a/\"",
            " xmlns:x=\"\"",
            " xml:space=\"preserve\"",
            " a:b=\"1\"",
            " a",
            " xml:lang=en",
        ],
    );
    if random.u8(..20) == 0 {
        *text += &format!("<{name}{attributes}/>");
        return;
    }
    let content = mostly(
        random,
        "The heart &amp; the matter",
        &[
            "",
            "<i>x</i>",
            "<![CDATA[a < b]]>",
            "a ]]> b",
            "&nbsp;",
            "&#1;",
            "&#x1F600;",
            "&#xD800;",
            "&",
            "\u{b}",
            "\u{fffe}",
            "<!-- a -->b",
            "<!-- a--- -->b",
            "<?p i?>b",
            "&#13;",
            "http://a.org/?x=1&y=2",
            "心 é",
        ],
    );
    *text += &format!("<{name}{attributes}>{content}</{name}>");
}

#[test]
fn odd_dublin_core_is_passed_on_as_valid() {
    let mut answers = Answers::default();
    let (mut kept, mut written) = (0, 0);
    for seed in 0..DOCUMENTS {
        let metadata = document(&mut fastrand::Rng::with_seed(seed));
        // What cannot be read is no document of any output.
        let Ok(valid) = oai_dc::record("oai_dc", &metadata) else {
            continue;
        };
        match valid {
            Cow::Borrowed(_) => kept += 1,
            Cow::Owned(_) => written += 1,
        }
        answers.add(&format!("seed {seed}: {metadata}"), valid.as_bytes());
    }
    assert!(
        kept > 300 && written > 300,
        "{kept} kept, {written} written"
    );
    answers.check();
}
