//! Records in MARC 21, as MARCXML.

use std::borrow::Cow;

use super::Item;
use super::xml::{push_attribute, push_element, push_text};
use crate::oai::Datestamp;
use crate::record::resource::{IdentifierKind, LinkPurpose};
use crate::record::{Agent, Kind, Link, Resource, Subject, crosswalk, doi, issn, marc};

/// The beginning of a file of records.
pub const HEAD: &str = concat!(
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
    "<collection xmlns=\"http://www.loc.gov/MARC21/slim\">\n",
);

/// The end of a file of records.
pub const TAIL: &str = "</collection>\n";

/// The `record` element of metadata that is MARC 21 already: as received, or out of the collection that
/// it is in. `None` for other formats, and for metadata that cannot be read.
pub fn as_received<'m>(metadata_prefix: &str, metadata: &'m str) -> Option<Cow<'m, str>> {
    let Ok(crosswalk::Format::Marc21) = crosswalk::format(metadata_prefix, metadata) else {
        return None;
    };
    let record = marc::parse(metadata).ok()?;
    let text = metadata.trim_start_matches('\u{feff}').trim();
    let root = text.split(['>', ' ', '\t', '\r', '\n', '/']).next()?;
    // Without a declaration, the record would be in the namespace of the collection around it, which
    // is the right one; a prefix must be declared.
    let whole = match root.strip_prefix('<')?.split_once(':') {
        None => root == "<record",
        Some((prefix, name)) => name == "record" && text.contains(&format!("xmlns:{prefix}=")),
    };
    Some(match whole {
        true => Cow::Borrowed(text),
        false => Cow::Owned(record.to_xml()),
    })
}

/// Appends one `record` element, with its namespace, and a line feed.
///
/// An article is a component part of a serial (leader 07 `b`) with its journal in 773; a journal
/// is a serial (`s`). Names in inverted order have first indicator 1, others 0.
///
/// Source: MARC 21 Format for Bibliographic Data; MARC21slim.xsd 1.2.
pub fn push_record(item: Item<'_>, resource: &Resource, out: &mut Vec<u8>) {
    out.extend_from_slice(b"<record xmlns=\"http://www.loc.gov/MARC21/slim\">");
    let journal = resource.kind == Kind::Journal;
    push_element(
        out,
        "leader",
        if journal {
            "00000nas a2200000uu 4500"
        } else {
            "00000nab a2200000uu 4500"
        },
    );
    let mut fields = Fields { out };
    fields.control("001", item.identifier);
    fields.control("003", item.source);
    let changed = Datestamp::parse(item.datestamp).map(|(datestamp, _)| datestamp.to_string());
    let changed: Option<String> =
        changed.map(|text| text.chars().filter(char::is_ascii_digit).collect());
    if let Some(changed) = &changed {
        fields.control("005", &format!("{changed}.0"));
    }
    fields.control("007", "cr");
    fields.control("008", &fixed_data(resource, changed.as_deref()));
    numbers(&mut fields, item, resource);
    classes(&mut fields, resource);
    main_name_and_titles(&mut fields, resource);
    if journal || resource.publisher().is_some() || resource.published().is_some() {
        fields.data(
            "264",
            " 1",
            &[('b', resource.publisher()), ('c', resource.published())],
        );
    }
    for text in &resource.abstracts {
        fields.data("520", "3 ", &[('a', Some(&text.text))]);
    }
    licences(&mut fields, resource);
    topics(&mut fields, resource);
    for person in named_authors(resource)
        .skip(1)
        .chain(resource.contributors())
    {
        fields.person("700", person);
    }
    if !journal {
        host(&mut fields, resource);
    }
    for link in &resource.links {
        fields.link(link);
    }
    out.extend_from_slice(b"</record>\n");
}

/// 008: forty characters. Date entered, date of publication, language; serial, online; the rest is
/// unspecified.
fn fixed_data(resource: &Resource, changed: Option<&str>) -> String {
    let entered = changed
        .and_then(|digits| digits.get(2..8))
        .unwrap_or("      ");
    let (kind, year) = match resource.year() {
        Some(year) if resource.kind == Kind::Article => ('s', year),
        _ => ('u', "uuuu"),
    };
    let ended = if kind == 's' { "    " } else { "uuuu" };
    let language = resource.languages.first();
    let language = language.and_then(|language| language.code.as_deref());
    let language = language.unwrap_or("und");
    format!("{entered}{kind}{year}{ended}xx {SERIAL_ONLINE}{language} d")
}

/// 008/18-34: frequency and regularity unknown, periodical, online both as published and here.
const SERIAL_ONLINE: &str = "uu poo    ||   ||";

fn numbers(fields: &mut Fields<'_>, item: Item<'_>, resource: &Resource) {
    if resource.kind == Kind::Journal {
        for text in resource.host.issns() {
            match issn::normalise(text) {
                Some(issn) => fields.data("022", "  ", &[('a', Some(&issn))]),
                None => fields.data("022", "  ", &[('y', Some(text))]),
            }
        }
    }
    if let Some(text) = resource.doi() {
        match doi::normalise(text) {
            Some(doi) => fields.data("024", "7 ", &[('a', Some(&doi)), ('2', Some("doi"))]),
            None => fields.data("024", "8 ", &[('a', Some(text))]),
        }
    }
    for identifier in &resource.identifiers {
        if identifier.kind != IdentifierKind::Doi || resource.doi() != Some(&identifier.value) {
            fields.data("024", "8 ", &[('a', Some(&identifier.value))]);
        }
    }
    let number = format!("({}){}", item.source, item.identifier);
    fields.data("035", "  ", &[('a', Some(&number))]);
    let mut codes: Vec<_> = resource
        .languages
        .iter()
        .filter_map(|language| language.code.as_deref())
        .collect();
    codes.dedup();
    if codes.len() > 1 {
        let codes: Vec<_> = codes.into_iter().map(|code| ('a', Some(code))).collect();
        fields.data("041", "0 ", &codes);
    }
}

/// 050 for classes of the Library of Congress.
fn classes(fields: &mut Fields<'_>, resource: &Resource) {
    for Subject { scheme, code, .. } in &resource.subjects {
        if scheme.as_deref() == Some("LCC") && code.is_some() {
            fields.data("050", " 4", &[('a', code.as_deref())]);
        }
    }
}

/// Agents whose names are not blank.
fn named_authors(resource: &Resource) -> impl Iterator<Item = &Agent> {
    resource
        .authors()
        .filter(|author| !author.name.trim().is_empty())
}

fn main_name_and_titles(fields: &mut Fields<'_>, resource: &Resource) {
    let main = named_authors(resource).next();
    if let Some(main) = main {
        fields.person("100", main);
    }
    let indicators = if main.is_some() { "10" } else { "00" };
    // 245 is mandatory, also where the source has no title.
    let mut titles = resource.titles.iter().map(|title| title.full());
    let title = titles.next().unwrap_or("[Untitled]".into());
    fields.data("245", indicators, &[('a', Some(&title))]);
    for title in titles {
        fields.data("246", "33", &[('a', Some(&title))]);
    }
}

fn licences(fields: &mut Fields<'_>, resource: &Resource) {
    for rights in &resource.rights {
        let (text, url) = (rights.text.as_deref(), rights.url.as_deref());
        match text.filter(|text| text.contains("://")) {
            Some(address) => fields.data("540", "  ", &[('u', Some(address))]),
            None => fields.data("540", "  ", &[('a', text), ('u', url)]),
        }
    }
}

fn topics(fields: &mut Fields<'_>, resource: &Resource) {
    for subject in resource.headings() {
        fields.data("650", " 4", &[('a', Some(&subject.term))]);
    }
    for keyword in resource.keywords() {
        fields.data("653", "  ", &[('a', Some(&keyword.term))]);
    }
    if let Some(kind) = resource.document_type() {
        fields.data("655", " 4", &[('a', Some(kind))]);
    }
}

/// 773: the journal, its ISSNs, and where in it: `Vol. 10, no. 10 (2015), p. 3-5`.
fn host(fields: &mut Fields<'_>, resource: &Resource) {
    let mut place = Vec::new();
    if let Some(volume) = &resource.host.volume {
        place.push(format!("Vol. {volume}"));
    }
    if let Some(issue) = &resource.host.issue {
        place.push(format!("no. {issue}"));
    }
    let mut place = place.join(", ");
    if let Some(year) = resource.year() {
        place.push_str(if place.is_empty() { "(" } else { " (" });
        place.push_str(year);
        place.push(')');
    }
    if let Some(start) = &resource.host.start_page {
        place.push_str(if place.is_empty() { "p. " } else { ", p. " });
        place.push_str(start);
        if let Some(end) = &resource.host.end_page {
            place.push('-');
            place.push_str(end);
        }
    }
    let place = (!place.is_empty()).then_some(place);
    let mut subfields = vec![
        ('t', resource.host.title.as_deref()),
        ('g', place.as_deref()),
    ];
    for text in resource.host.issns() {
        subfields.push(('x', Some(text)));
    }
    fields.data("773", "0 ", &subfields);
}

/// The fields of a record that is being written.
struct Fields<'a> {
    out: &'a mut Vec<u8>,
}

impl Fields<'_> {
    fn control(&mut self, tag: &str, text: &str) {
        self.out.extend_from_slice(b"<controlfield tag=\"");
        push_attribute(self.out, tag);
        self.out.extend_from_slice(b"\">");
        push_text(self.out, text);
        self.out.extend_from_slice(b"</controlfield>");
    }

    /// Writes a field with two indicators; nothing if no subfield has a value.
    fn data(&mut self, tag: &str, indicators: &str, subfields: &[(char, Option<&str>)]) {
        let mut subfields = subfields
            .iter()
            .filter_map(|(code, text)| Some((*code, text.filter(|text| !text.trim().is_empty())?)))
            .peekable();
        if subfields.peek().is_none() {
            return;
        }
        let (first, second) = indicators.split_at(1);
        let head = format!("<datafield tag=\"{tag}\" ind1=\"{first}\" ind2=\"{second}\">");
        self.out.extend_from_slice(head.as_bytes());
        for (code, text) in subfields {
            self.out
                .extend_from_slice(format!("<subfield code=\"{code}\">").as_bytes());
            push_text(self.out, text);
            self.out.extend_from_slice(b"</subfield>");
        }
        self.out.extend_from_slice(b"</datafield>");
    }

    fn person(&mut self, tag: &str, person: &Agent) {
        let indicators = if person.name.contains(',') {
            "1 "
        } else {
            "0 "
        };
        let orcid = person.orcid.as_ref().map(|orcid| {
            let bare = orcid
                .trim_end_matches('/')
                .rsplit('/')
                .next()
                .unwrap_or_default();
            format!("(orcid){bare}")
        });
        let mut subfields = vec![('a', Some(person.name.as_str()))];
        for affiliation in &person.affiliations {
            subfields.push(('u', Some(affiliation)));
        }
        subfields.push(('0', orcid.as_deref()));
        self.data(tag, indicators, &subfields);
    }

    fn link(&mut self, link: &Link) {
        let indicators = if link.purpose == LinkPurpose::FullText {
            "40"
        } else {
            "42"
        };
        self.data(
            "856",
            indicators,
            &[('u', Some(&link.url)), ('q', link.format.as_deref())],
        );
    }
}

/// Appends a deleted record (leader 05 `d`) with its namespace, and a line feed.
///
/// Source: MARC 21 Format for Bibliographic Data, leader.
pub fn push_deleted(item: Item<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"<record xmlns=\"http://www.loc.gov/MARC21/slim\">");
    push_element(out, "leader", "00000dab a2200000uu 4500");
    let mut fields = Fields { out };
    fields.control("001", item.identifier);
    fields.control("003", item.source);
    if let Some((at, _)) = Datestamp::parse(item.datestamp) {
        let digits: String = at
            .to_string()
            .chars()
            .filter(char::is_ascii_digit)
            .collect();
        fields.control("005", &format!("{digits}.0"));
    }
    out.extend_from_slice(b"</record>\n");
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::record::{crosswalk, samples};

    fn item() -> Item<'static> {
        Item {
            source: "doaj",
            identifier: "oai:x:1",
            datestamp: "2020-01-02T03:04:05Z",
            deleted: false,
            version: 1,
            metadata_prefix: "oai_doaj",
            set_specs: &[],
        }
    }

    fn written(resource: &Resource) -> String {
        let mut out = Vec::new();
        push_record(item(), resource, &mut out);
        String::from_utf8(out).unwrap()
    }

    /// A record in the usual notation of MARC: one field in each line, `$` before subfields.
    fn lines(record: &str) -> String {
        record
            .replace("<record xmlns=\"http://www.loc.gov/MARC21/slim\">", "")
            .replace("</record>\n", "")
            .replace("<leader>", "LDR ")
            .replace("</leader>", "\n")
            .replace("</controlfield>", "\n")
            .replace("</datafield>", "\n")
            .replace("<controlfield tag=\"", "")
            .replace("<datafield tag=\"", "")
            .replace("\" ind1=\"", " ")
            .replace("\" ind2=\"", "")
            .replace("<subfield code=\"", "$")
            .replace("</subfield>", "")
            .replace("\">", " ")
    }

    #[test]
    fn writes_an_article() {
        let article = crosswalk::resource(
            "oai_doaj",
            "<doajArticle><language>deu</language><language>eng</language><publisher>P</publisher>\
             <journalTitle>J</journalTitle><issn>1932-6203</issn><eissn>2529-850X</eissn>\
             <publicationDate>2015-03-01</publicationDate><volume>10</volume><issue>1</issue>\
             <startPage>3</startPage><endPage>5</endPage><doi>10.1/X</doi>\
             <publisherRecordId>77</publisherRecordId><documentType>Review</documentType>\
             <title>T &lt; U</title><title>Titel</title><authors><author><name>A B</name>\
             <affiliationId>0</affiliationId><orcid_id>https://orcid.org/0000-0002-1825-0097</orcid_id>\
             </author><author><name/></author><author><name>C, D</name></author></authors>\
             <affiliationsList><affiliationName affiliationId=\"0\">U</affiliationName>\
             </affiliationsList><abstract>S</abstract>\
             <fullTextUrl format=\"pdf\">http://x.y</fullTextUrl>\
             <keywords><keyword>k</keyword></keywords></doajArticle>",
        )
        .unwrap();
        assert_eq!(
            lines(&written(&article)),
            "LDR 00000nab a2200000uu 4500\n\
             001 oai:x:1\n\
             003 doaj\n\
             005 20200102030405.0\n\
             007 cr\n\
             008 200102s2015    xx uu poo    ||   ||ger d\n\
             024 7  $a 10.1/x$2 doi\n\
             024 8  $a 77\n\
             035    $a (doaj)oai:x:1\n\
             041 0  $a ger$a eng\n\
             100 0  $a A B$u U$0 (orcid)0000-0002-1825-0097\n\
             245 10 $a T &lt; U\n\
             246 33 $a Titel\n\
             264  1 $b P$c 2015-03-01\n\
             520 3  $a S\n\
             653    $a k\n\
             655  4 $a Review\n\
             700 1  $a C, D\n\
             773 0  $t J$g Vol. 10, no. 1 (2015), p. 3-5$x 1932-6203$x 2529-850X\n\
             856 40 $u http://x.y$q pdf\n"
        );
    }

    #[test]
    fn fixed_data_has_forty_characters() {
        let of = |published: &str, kind| {
            let mut resource = Resource {
                kind,
                ..Resource::default()
            };
            resource.publish(published.to_owned());
            resource
        };
        for (case, article) in [
            ("nothing", Resource::default()),
            ("year", of("2015", Kind::Article)),
            ("odd date", of("20150301", Kind::Article)),
            ("journal", of("2015", Kind::Journal)),
        ] {
            for changed in [None, Some("20200102030405"), Some("1")] {
                assert_eq!(
                    fixed_data(&article, changed).len(),
                    40,
                    "{case} {changed:?}"
                );
            }
        }
    }

    #[test]
    fn is_valid_by_its_schema() {
        let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/MARC21slim.xsd");
        let mut file = HEAD.as_bytes().to_vec();
        for sample in samples::records(include_str!("../../tests/fixtures/oai_doaj-2017-ten.xml")) {
            let article = crosswalk::resource("oai_doaj", &sample.metadata).unwrap();
            push_record(item(), &article, &mut file);
        }
        let journal = r#"{"es_type":"journal","bibjson":{"title":"J","pissn":"1544-9173","eissn":"x",
            "license":[{"type":"CC BY","url":"http://l"}],"subject":[{"scheme":"LCC","code":"RC","term":"S"}],
            "ref":{"journal":"http://j"}}}"#;
        push_record(
            item(),
            &crosswalk::resource("doaj_json", journal).unwrap(),
            &mut file,
        );
        push_record(item(), &Resource::default(), &mut file);
        file.extend_from_slice(TAIL.as_bytes());
        let xmllint = Command::new("xmllint")
            .args(["--noout", "--nonet", "--schema"])
            .arg(schema)
            .arg("-")
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut xmllint = match xmllint {
            Ok(xmllint) => xmllint,
            Err(error) => {
                eprintln!("SKIPPED: xmllint: {error}");
                return;
            }
        };
        xmllint.stdin.take().unwrap().write_all(&file).unwrap();
        let output = xmllint.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
