//! References in RIS, the format of reference managers.

use std::fmt::Write;

use super::Item;
use crate::record::{Kind, Resource};

/// Appends one reference, from its type to `ER` and a blank line.
///
/// Names stay as the source writes them, inverted or not. Line breaks within a value become blanks,
/// because RIS has no other way to end one. Lines end in CR LF.
///
/// Source: RIS format specification (Research Information Systems).
pub fn push_reference(item: Item<'_>, resource: &Resource, out: &mut String) {
    let journal = resource.kind == Kind::Journal;
    tag(out, "TY", if journal { "JFULL" } else { "JOUR" });
    tag(out, "ID", item.identifier);
    let mut titles = resource.titles.iter();
    if let Some(title) = titles.next() {
        tag(out, "TI", &title.full());
    }
    for title in titles {
        tag(out, "TT", &title.full());
    }
    for author in resource.authors() {
        tag(out, "AU", &author.name);
    }
    for contributor in resource.contributors() {
        tag(out, "A2", &contributor.name);
    }
    for affiliation in affiliations(resource) {
        tag(out, "AD", affiliation);
    }
    let host = &resource.host;
    if !journal {
        maybe(out, "JO", host.title.as_deref());
        maybe(out, "T2", host.title.as_deref());
    }
    maybe(out, "VL", host.volume.as_deref());
    maybe(out, "IS", host.issue.as_deref());
    maybe(out, "SP", host.start_page.as_deref());
    maybe(out, "EP", host.end_page.as_deref());
    maybe(out, "PY", resource.year());
    maybe(out, "DA", date(resource).as_deref());
    maybe(out, "PB", resource.publisher());
    for issn in host.issns() {
        tag(out, "SN", issn);
    }
    maybe(out, "DO", resource.doi());
    for link in &resource.links {
        tag(out, "UR", &link.url);
    }
    for language in &resource.languages {
        tag(out, "LA", language.code_or_text());
    }
    for keyword in resource.keywords().chain(resource.headings()) {
        tag(out, "KW", &keyword.term);
    }
    for text in &resource.abstracts {
        tag(out, "AB", &text.text);
    }
    for rights in &resource.rights {
        for text in rights.text.iter().chain(&rights.url) {
            tag(out, "C1", text);
        }
    }
    tag(out, "DB", item.source);
    out.push_str("ER  - \r\n\r\n");
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

/// `YYYY/MM/DD/` with the parts that are known; `None` for dates of any other form.
fn date(resource: &Resource) -> Option<String> {
    let day = resource.published()?.split('T').next()?;
    let mut parts = day.split('-');
    let mut date = String::new();
    for digits in [4, 2, 2] {
        let part = parts.next().unwrap_or_default();
        let sound = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
        if !(sound || part.is_empty() && digits == 2) {
            return None;
        }
        date.push_str(part);
        date.push('/');
    }
    parts.next().is_none().then_some(date)
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
    use crate::record::crosswalk;

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
            "TY  - JOUR\nID  - oai:x:1\nTI  - T\nAU  - A\nAD  - U\nJO  - J\nT2  - J\nVL  - 10\n\
             IS  - 1\nSP  - 3\nEP  - 5\nPY  - 2015\nDA  - 2015/03//\nPB  - P\nSN  - 1932-6203\n\
             DO  - 10.1/x\nUR  - http://x.y\nLA  - eng\nKW  - k\nAB  - One two\nDB  - doaj\n\
             ER  - \n\n"
        );
        assert_eq!(
            written.matches('\n').count(),
            written.matches("\r\n").count()
        );
    }

    #[test]
    fn writes_dates() {
        let cases = [
            ("2015-03-01", Some("2015/03/01/")),
            ("2015", Some("2015///")),
            ("2006-01-01T00:00:00Z", Some("2006/01/01/")),
            ("Spring 2015", None),
            ("2015-3", None),
        ];
        for (published, expected) in cases {
            let mut resource = Resource::default();
            resource.publish(published.to_owned());
            assert_eq!(date(&resource).as_deref(), expected, "{published}");
        }
    }
}
