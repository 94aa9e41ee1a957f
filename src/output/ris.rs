//! References in RIS, the format of reference managers.

use std::fmt::Write;

use super::Item;
use super::bibtex::best_link;
use super::date::Parts;
use crate::record::resource::{IdentifierKind, Role};
use crate::record::{Kind, Resource, doi, isbn, issn};

/// Appends one reference, from its type to `ER` and a blank line.
///
/// Names stay as the source writes them, inverted or not. ISSNs, ISBNs and DOIs are in normal form where
/// they have one. Line breaks within a value become blanks, because RIS has no other way to end one.
/// Lines end in CR LF.
///
/// Source: RIS format specification (Research Information Systems).
pub fn push_reference(item: Item<'_>, resource: &Resource, out: &mut String) {
    let host = &resource.host;
    tag(out, "TY", reference_type(resource.kind));
    tag(out, "ID", item.identifier);
    tag(out, "AN", item.identifier);
    let kind = resource.kind;
    let mut titles = resource.titles.iter();
    if let Some(title) = titles.next() {
        tag(out, "TI", &title.full());
    }
    for title in titles {
        tag(out, "TT", &title.full());
    }
    for agent in &resource.agents {
        match &agent.role {
            Role::Author => tag(out, "AU", &agent.name),
            Role::Editor => tag(out, "A2", &agent.name),
            Role::Translator => tag(out, "A4", &agent.name),
            role => note(out, &format!("{}:", role_name(role)), &agent.name),
        }
    }
    for affiliation in affiliations(resource) {
        tag(out, "AD", affiliation);
    }
    match resource.kind {
        Kind::Journal => {}
        Kind::Article => {
            maybe(out, "JO", host.title.as_deref());
            maybe(out, "T2", host.title.as_deref());
        }
        Kind::ConferencePaper => {
            maybe(
                out,
                "T2",
                host.title.as_deref().or(host.conference.as_deref()),
            );
        }
        _ => maybe(out, "T2", host.title.as_deref()),
    }
    for series in &resource.series {
        field(out, kind, "T3", "Series:", Some(&series.title));
    }
    field(out, kind, "VL", "Volume:", host.volume.as_deref());
    field(out, kind, "IS", "Issue:", host.issue.as_deref());
    field(out, kind, "SP", "First page:", host.start_page.as_deref());
    field(out, kind, "EP", "Last page:", host.end_page.as_deref());
    field(out, kind, "ET", "Edition", resource.edition.as_deref());
    maybe(out, "PY", resource.year());
    maybe(out, "DA", date(resource).as_deref());
    let degree = &resource.degree;
    if resource.kind == Kind::Thesis {
        maybe(
            out,
            "M3",
            degree.name.as_deref().or(degree.level.as_deref()),
        );
        maybe(
            out,
            "PB",
            degree.grantor.as_deref().or(resource.publisher()),
        );
    } else {
        field(out, kind, "PB", "Publisher:", resource.publisher());
    }
    let mut places = resource.publishers.iter();
    let place = places.find_map(|publisher| publisher.place.as_deref());
    field(out, kind, "CY", "Place:", place);
    maybe(
        out,
        "M1",
        resource.identifiers_of(IdentifierKind::Number).next(),
    );
    numbers(resource, out);
    if let Some(text) = resource.doi() {
        tag(out, "DO", doi::normalise(text).as_deref().unwrap_or(text));
    }
    links(resource, out);
    for language in &resource.languages {
        field(out, kind, "LA", "Language:", Some(language.code_or_text()));
    }
    for keyword in resource.keywords().chain(resource.headings()) {
        tag(out, "KW", &keyword.term);
    }
    for text in &resource.abstracts {
        tag(out, "AB", &text.text);
    }
    for text in &resource.notes {
        tag(out, "N1", text);
    }
    for rights in &resource.rights {
        for text in rights.text.iter().chain(&rights.url) {
            note(out, "Rights:", text);
        }
    }
    tag(out, "DB", item.source);
    out.push_str("ER  - \r\n\r\n");
}

/// Whether a type of reference has a field. Reference managers take the tags of other fields for something
/// else: `SN` of a report is its number, `C1` of a paper the place of the conference, `LA` of a program its
/// programming language.
///
/// Source: the types and tags of Zotero and EndNote.
fn has_field(kind: Kind, tag: &str) -> bool {
    let journal = matches!(kind, Kind::Article | Kind::Journal | Kind::Other);
    let book = matches!(kind, Kind::Book | Kind::Chapter);
    let recording = matches!(kind, Kind::Audio | Kind::Video);
    let paper = kind == Kind::ConferencePaper;
    match tag {
        "T3" => book || paper || kind == Kind::Audio,
        "VL" => journal || book || paper || recording,
        "IS" => journal,
        "SP" | "EP" => {
            journal || book || paper || matches!(kind, Kind::Report | Kind::Thesis | Kind::Preprint)
        }
        "ET" => book || kind == Kind::Map,
        "PB" => !journal && !matches!(kind, Kind::Image | Kind::Preprint),
        "CY" => {
            book || recording
                || matches!(
                    kind,
                    Kind::Thesis | Kind::Report | Kind::Preprint | Kind::Map | Kind::Software
                )
        }
        "SN" => journal || book || paper || recording || matches!(kind, Kind::Map | Kind::Software),
        "LA" => kind != Kind::Software,
        _ => true,
    }
}

/// Writes a field, or a note if the type of reference has no such field.
fn field(out: &mut String, kind: Kind, name: &str, label: &str, value: Option<&str>) {
    match value {
        Some(value) if has_field(kind, name) => tag(out, name, value),
        Some(value) => note(out, label, value),
        None => {}
    }
}

/// Writes a note that says what its value is. Zotero reads `ISBN: …` and `Edition: …` in notes as fields,
/// so these labels have no colon.
fn note(out: &mut String, label: &str, value: &str) {
    if !value.trim().is_empty() {
        tag(out, "N1", &format!("{label} {value}"));
    }
}

/// The word for a part in the work that has no tag.
fn role_name(role: &Role) -> &str {
    match role {
        Role::Author => "Author",
        Role::Editor => "Editor",
        Role::Translator => "Translator",
        Role::Advisor => "Advisor",
        Role::Contributor => "Contributor",
        Role::Other(word) => word,
    }
}

fn reference_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Article => "JOUR",
        Kind::Book => "BOOK",
        Kind::Chapter => "CHAP",
        Kind::Thesis => "THES",
        Kind::ConferencePaper => "CONF",
        Kind::Report => "RPRT",
        Kind::Preprint => "UNPB",
        Kind::Dataset => "DATA",
        Kind::Image => "ART",
        Kind::Audio => "SOUND",
        Kind::Video => "VIDEO",
        Kind::Map => "MAP",
        Kind::Software => "COMP",
        Kind::Journal => "JFULL",
        Kind::Other => "GEN",
    }
}

/// ISBNs, then ISSNs; one that is wrong stays as written.
fn numbers(resource: &Resource, out: &mut String) {
    let own = resource.identifiers_of(IdentifierKind::Isbn);
    for text in own.chain(resource.host.isbns.iter().map(String::as_str)) {
        let isbn = isbn::normalise(text);
        let text = isbn.as_deref().unwrap_or(text);
        field(out, resource.kind, "SN", "ISBN", Some(text));
    }
    for text in resource.host.issns() {
        let issn = issn::normalise(text);
        let text = issn.as_deref().unwrap_or(text);
        field(out, resource.kind, "SN", "ISSN", Some(text));
    }
}

/// The best link first, then the others.
fn links(resource: &Resource, out: &mut String) {
    let best = best_link(resource);
    maybe(out, "UR", best.as_deref());
    for link in &resource.links {
        if Some(&link.url) != best.as_ref() {
            tag(out, "UR", &link.url);
        }
    }
}

/// Each affiliation once.
fn affiliations(resource: &Resource) -> Vec<&str> {
    let mut all = Vec::new();
    for affiliation in resource.authors().flat_map(|author| &author.affiliations) {
        if !all.contains(&affiliation.as_str()) {
            all.push(affiliation.as_str());
        }
    }
    all
}

/// `YYYY/MM/DD/` with the parts that are known.
fn date(resource: &Resource) -> Option<String> {
    let Parts { year, month, day } = Parts::of(resource)?;
    let two = |part: Option<u8>| part.map(|part| format!("{part:02}")).unwrap_or_default();
    Some(format!("{year}/{}/{}/", two(month), two(day)))
}

fn maybe(out: &mut String, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        tag(out, name, value);
    }
}

/// Writes one line; none for a blank value.
fn tag(out: &mut String, name: &str, value: &str) {
    let mut words = value
        .split(['\r', '\n'])
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let Some(first) = words.next() else {
        return;
    };
    // Writing to a `String` cannot fail.
    let _ = write!(out, "{name}  - {first}");
    for line in words {
        out.push(' ');
        out.push_str(line);
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Agent;
    use crate::record::crosswalk;
    use crate::record::resource::{Degree, Host, Title};

    fn reference(metadata: &str) -> String {
        let item = Item {
            source: "doaj",
            identifier: "oai:x:1",
            datestamp: "2020",
            deleted: false,
            version: 1,
            metadata_prefix: "oai_doaj",
            set_specs: &[],
        };
        let mut out = String::new();
        push_reference(
            item,
            &crosswalk::resource("oai_doaj", metadata).unwrap(),
            &mut out,
        );
        out
    }

    #[test]
    fn writes_a_reference() {
        let written = reference(
            "<doajArticle><language>eng</language><publisher>P</publisher><journalTitle>J</journalTitle>\
             <issn>1932-6203</issn><publicationDate>2015-03</publicationDate><volume>10</volume>\
             <issue>1</issue><startPage>3</startPage><endPage>5</endPage><doi>10.1/x</doi>\
             <title>T</title><authors><author><name>A</name><affiliationId>0</affiliationId></author>\
             <author><name> </name></author></authors><affiliationsList>\
             <affiliationName affiliationId=\"0\">U</affiliationName></affiliationsList>\
             <abstract>One&#13;\n\n two</abstract><fullTextUrl>http://x.y</fullTextUrl>\
             <keywords><keyword>k</keyword></keywords></doajArticle>",
        );
        assert_eq!(
            written.replace("\r\n", "\n"),
            "TY  - JOUR\nID  - oai:x:1\nAN  - oai:x:1\nTI  - T\nAU  - A\nAD  - U\nJO  - J\nT2  - J\nVL  - 10\n\
             IS  - 1\nSP  - 3\nEP  - 5\nPY  - 2015\nDA  - 2015/03//\nN1  - Publisher: P\nSN  - 1932-6203\n\
             DO  - 10.1/x\nUR  - http://x.y\nLA  - eng\nKW  - k\nAB  - One two\nDB  - doaj\n\
             ER  - \n\n"
        );
        assert_eq!(
            written.matches('\n').count(),
            written.matches("\r\n").count()
        );
    }

    #[test]
    fn types_have_their_tags() {
        let x = |text: &str| Some(text.to_owned());
        let agent = |name: &str, role| Agent {
            name: name.to_owned(),
            role,
            ..Agent::default()
        };
        let mut resource = Resource {
            kind: Kind::Chapter,
            titles: vec![Title::from("T".to_owned())],
            agents: vec![
                agent("A", Role::Author),
                agent("E", Role::Editor),
                agent("C", Role::Contributor),
            ],
            host: Host {
                title: x("B"),
                isbns: vec!["978-3-16-148410-0".to_owned()],
                start_page: x("3"),
                ..Host::default()
            },
            degree: Degree {
                name: x("Ph.D."),
                grantor: x("U"),
                ..Degree::default()
            },
            ..Resource::default()
        };
        resource.identify(IdentifierKind::Doi, "doi:10.1/X");
        let item = Item {
            source: "s",
            identifier: "1",
            datestamp: "2020",
            deleted: false,
            version: 1,
            metadata_prefix: "x",
            set_specs: &[],
        };
        let written = |resource: &Resource| {
            let mut out = String::new();
            push_reference(item, resource, &mut out);
            out.replace("\r\n", "\n")
        };
        assert_eq!(
            written(&resource),
            "TY  - CHAP\nID  - 1\nAN  - 1\nTI  - T\nAU  - A\nA2  - E\nN1  - Contributor: C\nT2  - B\nSP  - 3\n\
             SN  - 9783161484100\nDO  - 10.1/x\nUR  - https://doi.org/10.1/x\nDB  - s\nER  - \n\n"
        );
        resource.kind = Kind::Thesis;
        let thesis = written(&resource);
        assert!(thesis.starts_with("TY  - THES\n"), "{thesis}");
        assert!(thesis.contains("M3  - Ph.D.\nPB  - U\n"), "{thesis}");
        assert!(thesis.contains("N1  - ISBN 9783161484100\n"), "{thesis}");
    }

    #[test]
    fn writes_dates() {
        let cases = [
            ("2015-03-01", Some("2015/03/01/")),
            ("2015", Some("2015///")),
            ("2006-01-01T00:00:00Z", Some("2006/01/01/")),
            ("Spring 2015", Some("2015///")),
            ("2015-3", Some("2015///")),
            ("n. d.", None),
        ];
        for (published, expected) in cases {
            let mut resource = Resource::default();
            resource.publish(published.to_owned());
            assert_eq!(date(&resource).as_deref(), expected, "{published}");
        }
    }
}
