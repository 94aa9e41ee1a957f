//! Records in MARC 21, as MARCXML.

mod articles;
mod fixed;

use std::borrow::Cow;

use super::Item;
use super::xml::{push_attribute, push_element, push_text};
use crate::oai::Datestamp;
use crate::record::resource::{IdentifierKind, LinkPurpose, Role};
use crate::record::{Agent, Kind, Link, Resource, crosswalk, doi, isbn, issn, marc};

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
/// The type decides leader, 006, 007, 008 and 336 to 338. An article is a component part of a serial
/// (leader 07 `b`), a part of another host one of a monograph (`a`), with the host in 773; a journal is
/// a serial (`s`). Names in inverted order have first indicator 1, others 0. White space within values
/// becomes blanks. The title has the punctuation of ISBD.
///
/// Source: MARC 21 Format for Bibliographic Data; MARC21slim.xsd 1.2; the rules of MARC::Lint.
pub fn push_record(item: Item<'_>, resource: &Resource, out: &mut Vec<u8>) {
    out.extend_from_slice(b"<record xmlns=\"http://www.loc.gov/MARC21/slim\">");
    push_element(out, "leader", &fixed::leader(resource));
    let mut fields = Fields { out };
    fields.control("001", item.identifier);
    fields.control("003", item.source);
    let changed = Datestamp::parse(item.datestamp).map(|(datestamp, _)| datestamp.to_string());
    let changed: Option<String> =
        changed.map(|text| text.chars().filter(char::is_ascii_digit).collect());
    if let Some(changed) = &changed {
        fields.control("005", &format!("{changed}.0"));
    }
    if fixed::is_online(resource) {
        if let Some(material) = fixed::additional_material(resource) {
            fields.control("006", material);
        }
        fields.control("007", "cr");
    }
    fields.control("008", &fixed::fixed_data(resource, changed.as_deref()));
    numbers(&mut fields, item, resource);
    classes(&mut fields, resource);
    main_name_and_titles(&mut fields, resource);
    publication(&mut fields, resource);
    for (tag, [term, code, source]) in fixed::content_media_carrier(resource) {
        let subfields = [('a', Some(term)), ('b', Some(code)), ('2', Some(source))];
        fields.data(tag, "  ", &subfields);
    }
    for series in &resource.series {
        let number = series.number.as_deref();
        let title = match number {
            Some(_) => format!("{} ;", series.title.trim()),
            None => series.title.clone(),
        };
        fields.data("490", "0 ", &[('a', Some(&title)), ('v', number)]);
    }
    for note in &resource.notes {
        fields.data("500", "  ", &[('a', Some(note))]);
    }
    degree(&mut fields, resource);
    for text in &resource.abstracts {
        fields.data("520", "3 ", &[('a', Some(&text.text))]);
    }
    licences(&mut fields, resource);
    topics(&mut fields, resource);
    added_names(&mut fields, resource);
    if resource.kind != Kind::Journal {
        host(&mut fields, resource);
    }
    links(&mut fields, resource);
    out.extend_from_slice(b"</record>\n");
}

fn numbers(fields: &mut Fields<'_>, item: Item<'_>, resource: &Resource) {
    for text in resource.identifiers_of(IdentifierKind::Isbn) {
        match isbn::normalise(text) {
            Some(isbn) => fields.data("020", "  ", &[('a', Some(&isbn))]),
            None => fields.data("020", "  ", &[('z', Some(text))]),
        }
    }
    if resource.kind == Kind::Journal {
        for text in resource.host.issns() {
            match issn::normalise(text) {
                Some(issn) => fields.data("022", "  ", &[('a', Some(&issn))]),
                None => fields.data("022", "  ", &[('y', Some(text))]),
            }
        }
    }
    for identifier in &resource.identifiers {
        let value = identifier.value.as_str();
        let source = match identifier.kind {
            IdentifierKind::Isbn | IdentifierKind::Number => continue,
            IdentifierKind::Doi => {
                match doi::normalise(value) {
                    Some(doi) => {
                        fields.data("024", "7 ", &[('a', Some(&doi)), ('2', Some("doi"))]);
                    }
                    None => fields.data("024", "8 ", &[('a', Some(value))]),
                }
                continue;
            }
            IdentifierKind::Handle => "hdl",
            IdentifierKind::Urn => "urn",
            IdentifierKind::Ark => "ark",
            _ => {
                fields.data("024", "8 ", &[('a', Some(value))]);
                continue;
            }
        };
        fields.data("024", "7 ", &[('a', Some(value)), ('2', Some(source))]);
    }
    let number = format!("({}){}", item.source, item.identifier);
    fields.data("035", "  ", &[('a', Some(&number))]);
    let mut codes: Vec<_> = resource
        .languages
        .iter()
        .filter_map(|language| language.code.as_deref())
        .map(fixed::current_code)
        .collect();
    codes.dedup();
    if codes.len() > 1 {
        let codes: Vec<_> = codes.into_iter().map(|code| ('a', Some(code))).collect();
        // Whether it is a translation is not known.
        fields.data("041", "  ", &codes);
    }
}

/// 050 for classes of the Library of Congress, 080 and 082 for decimal classes, 088 for numbers of
/// reports.
fn classes(fields: &mut Fields<'_>, resource: &Resource) {
    let mut decimal = Vec::new();
    for subject in &resource.subjects {
        let Some(code) = subject.code.as_deref() else {
            continue;
        };
        match subject
            .scheme
            .as_deref()
            .map(str::to_ascii_lowercase)
            .as_deref()
        {
            Some("lcc") => fields.data("050", " 4", &[('a', Some(code))]),
            Some("udc") => decimal.push(("080", "  ", code)),
            Some("ddc") => decimal.push(("082", "04", code)),
            _ => {}
        }
    }
    decimal.sort_unstable();
    for (tag, indicators, code) in decimal {
        fields.data(tag, indicators, &[('a', Some(code))]);
    }
    for number in resource.identifiers_of(IdentifierKind::Number) {
        fields.data("088", "  ", &[('a', Some(number))]);
    }
}

fn has_name(agent: &Agent) -> bool {
    !agent.name.trim().is_empty()
}

fn main_name_and_titles(fields: &mut Fields<'_>, resource: &Resource) {
    let main = resource.authors().find(|agent| has_name(agent));
    if let Some(main) = main {
        fields.agent(if main.organisation { "110" } else { "100" }, main);
    }
    // 245 is mandatory, also where the source has no title.
    let first = resource.titles.first();
    let title = first.map_or("[Untitled]", |title| title.text.as_str());
    let subtitle = first.and_then(|title| title.subtitle.as_deref());
    let (title, subtitle) = match subtitle.map(one_line) {
        Some(subtitle) => {
            let title = one_line(title);
            let title = title.trim_end_matches([' ', ':', ';', '=']);
            (format!("{title} :"), Some(with_stop(&subtitle)))
        }
        None => (with_stop(&one_line(title)), None),
    };
    let added = if main.is_some() { '1' } else { '0' };
    let indicators = format!("{added}{}", articles::nonfiling(&title));
    let subfields = [('a', Some(title.as_str())), ('b', subtitle.as_deref())];
    fields.data("245", &indicators, &subfields);
    for title in resource.titles.iter().skip(1) {
        fields.data("246", "33", &[('a', Some(&title.full()))]);
    }
    if let Some(edition) = &resource.edition {
        fields.data("250", "  ", &[('a', Some(edition))]);
    }
}

/// A text that ends in a full stop, as 245 has to.
fn with_stop(text: &str) -> String {
    let text = text.trim_end();
    match text.ends_with('.') {
        true => text.to_owned(),
        false => format!("{text}."),
    }
}

/// 264: place, publisher, date. 300: extent.
fn publication(fields: &mut Fields<'_>, resource: &Resource) {
    let places = resource.publishers.iter();
    let place = places
        .filter_map(|publisher| publisher.place.as_deref())
        .next();
    let subfields = [
        ('a', place),
        ('b', resource.publisher()),
        ('c', resource.published()),
    ];
    fields.data("264", " 1", &subfields);
    for extent in &resource.extent {
        fields.data("300", "  ", &[('a', Some(extent))]);
    }
}

/// 502 of a thesis.
fn degree(fields: &mut Fields<'_>, resource: &Resource) {
    if resource.kind != Kind::Thesis {
        return;
    }
    let degree = &resource.degree;
    let name = degree.name.as_deref().or(degree.level.as_deref());
    match (name, degree.grantor.as_deref()) {
        (None, None) => fields.data("502", "  ", &[('a', Some("Thesis."))]),
        (name, grantor) => {
            let subfields = [('b', name), ('c', grantor), ('d', resource.year())];
            fields.data("502", "  ", &subfields);
        }
    }
}

fn licences(fields: &mut Fields<'_>, resource: &Resource) {
    for rights in &resource.rights {
        let (text, url) = (rights.text.as_deref(), rights.url.as_deref());
        match text.filter(|text| text.contains("://") && !text.trim().contains(' ')) {
            Some(address) => fields.data("540", "  ", &[('u', Some(address))]),
            None => fields.data("540", "  ", &[('a', text), ('u', url)]),
        }
    }
}

fn topics(fields: &mut Fields<'_>, resource: &Resource) {
    for subject in resource.headings() {
        let scheme = subject.scheme.as_deref().unwrap_or_default();
        let indicators = match scheme.to_ascii_lowercase().as_str() {
            "lcsh" => " 0",
            "mesh" => " 2",
            _ => " 4",
        };
        fields.data("650", indicators, &[('a', Some(&subject.term))]);
    }
    for keyword in resource.keywords() {
        fields.data("653", "  ", &[('a', Some(&keyword.term))]);
    }
    if let Some(kind) = resource.document_type() {
        fields.data("655", " 4", &[('a', Some(kind))]);
    }
}

fn added_names(fields: &mut Fields<'_>, resource: &Resource) {
    let authors = resource.authors().filter(|agent| has_name(agent)).skip(1);
    let others = resource.contributors().filter(|agent| has_name(agent));
    let (bodies, people): (Vec<_>, Vec<_>) =
        authors.chain(others).partition(|agent| agent.organisation);
    for person in people {
        fields.agent("700", person);
    }
    for body in bodies {
        fields.agent("710", body);
    }
    let conference = resource.host.conference.as_deref();
    fields.data("711", "2 ", &[('a', conference)]);
}

/// 773: the host, where in it (`Vol. 10, no. 10 (2015), p. 3-5`), its ISSN and ISBNs. A host without
/// a title has none.
fn host(fields: &mut Fields<'_>, resource: &Resource) {
    let host = &resource.host;
    let Some(title) = host
        .title
        .as_deref()
        .filter(|title| !title.trim().is_empty())
    else {
        return;
    };
    let mut place = Vec::new();
    if let Some(volume) = &host.volume {
        place.push(format!("Vol. {volume}"));
    }
    if let Some(issue) = &host.issue {
        place.push(format!("no. {issue}"));
    }
    let mut place = place.join(", ");
    if let Some(year) = resource.year() {
        place.push_str(if place.is_empty() { "(" } else { " (" });
        place.push_str(year);
        place.push(')');
    }
    if let Some(start) = &host.start_page {
        place.push_str(if place.is_empty() { "p. " } else { ", p. " });
        place.push_str(start);
        if let Some(end) = &host.end_page {
            place.push('-');
            place.push_str(end);
        }
    }
    let place = (!place.is_empty()).then_some(place);
    let sound = host.issns().find_map(|text| issn::normalise(text));
    let isbns: Vec<String> = host
        .isbns
        .iter()
        .filter_map(|text| isbn::normalise(text))
        .collect();
    let mut subfields = vec![('t', Some(title)), ('g', place.as_deref())];
    subfields.push(('x', sound.as_deref()));
    subfields.extend(isbns.iter().map(|isbn| ('z', Some(isbn.as_str()))));
    fields.data("773", "0 ", &subfields);
}

/// 856: the resource itself with second indicator 0, what belongs to it with 2. A page about it stands
/// for it where there is no full text.
fn links(fields: &mut Fields<'_>, resource: &Resource) {
    let has_text = resource.fulltext_url().is_some();
    for link in &resource.links {
        let (second, note) = match link.purpose {
            LinkPurpose::FullText => ('0', None),
            LinkPurpose::Landing if !has_text => ('0', None),
            LinkPurpose::Landing | LinkPurpose::Other => ('2', None),
            LinkPurpose::Supplement => ('2', Some("Supplement")),
            LinkPurpose::Thumbnail => ('2', Some("Thumbnail")),
        };
        fields.link(link, second, note);
    }
    if resource.links.is_empty()
        && let Some(url) = resource.address()
    {
        let link = Link {
            url,
            ..Link::default()
        };
        fields.link(&link, '0', None);
    }
}

/// A text with runs of line breaks, tabs and other control characters as one blank.
fn one_line(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let words = text.split(char::is_control).map(str::trim);
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    Cow::Owned(words.join(" "))
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
        let mut characters = indicators.chars();
        self.out.extend_from_slice(b"<datafield");
        for (name, value) in [
            ("tag", tag.to_owned()),
            ("ind1", characters.next().unwrap_or(' ').to_string()),
            ("ind2", characters.next().unwrap_or(' ').to_string()),
        ] {
            self.attribute(name, &value);
        }
        self.out.push(b'>');
        for (code, text) in subfields {
            self.out.extend_from_slice(b"<subfield");
            self.attribute("code", code.encode_utf8(&mut [0; 4]));
            self.out.push(b'>');
            push_text(self.out, &one_line(text));
            self.out.extend_from_slice(b"</subfield>");
        }
        self.out.extend_from_slice(b"</datafield>");
    }

    fn attribute(&mut self, name: &str, value: &str) {
        self.out.push(b' ');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"=\"");
        push_attribute(self.out, value);
        self.out.push(b'"');
    }

    /// A person or a body with dates, role, first affiliation and ORCID iD.
    fn agent(&mut self, tag: &str, agent: &Agent) {
        let indicators = match (agent.organisation, agent.name.contains(',')) {
            (true, _) => "2 ",
            (false, true) => "1 ",
            (false, false) => "0 ",
        };
        let orcid = agent.orcid.as_ref().map(|orcid| {
            let bare = orcid
                .trim_end_matches('/')
                .rsplit('/')
                .next()
                .unwrap_or_default();
            format!("(orcid){bare}")
        });
        let (term, code) = match &agent.role {
            Role::Author => (None, None),
            Role::Editor => (None, Some("edt")),
            Role::Translator => (None, Some("trl")),
            Role::Advisor => (None, Some("ths")),
            Role::Contributor => (None, Some("ctb")),
            Role::Other(role) => (Some(role.as_str()), None),
        };
        self.data(
            tag,
            indicators,
            &[
                ('a', Some(agent.name.as_str())),
                ('d', agent.dates.as_deref()),
                ('e', term),
                ('u', agent.affiliations.first().map(String::as_str)),
                ('0', orcid.as_deref()),
                ('4', code),
            ],
        );
    }

    fn link(&mut self, link: &Link, second: char, note: Option<&str>) {
        let scheme = link.url.split(':').next().unwrap_or_default();
        let first = match scheme.trim().to_ascii_lowercase().as_str() {
            "http" | "https" => '4',
            "ftp" => '1',
            "mailto" => '0',
            _ => ' ',
        };
        self.data(
            "856",
            &format!("{first}{second}"),
            &[
                ('3', note),
                ('u', Some(&link.url)),
                ('q', link.format.as_deref()),
            ],
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
    use crate::record::resource::{Degree, Host, Identifier, Publisher, Series, Subject, Title};
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
             <title>The T &lt; U</title><title>Titel</title><authors><author><name>A B</name>\
             <affiliationId>0</affiliationId><affiliationId>1</affiliationId><orcid_id>https://orcid.org/0000-0002-1825-0097</orcid_id>\
             </author><author><name/></author><author><name>C, D</name></author></authors>\
             <affiliationsList><affiliationName affiliationId=\"0\">U</affiliationName>\
             <affiliationName affiliationId=\"1\">V</affiliationName>\
             </affiliationsList><abstract>S\n of&#13; two lines</abstract>\
             <fullTextUrl format=\"pdf\">http://x.y</fullTextUrl>\
             <keywords><keyword>k</keyword></keywords></doajArticle>",
        )
        .unwrap();
        assert_eq!(
            lines(&written(&article)),
            "LDR 00000nab a2200000ui 4500\n\
             001 oai:x:1\n\
             003 doaj\n\
             005 20200102030405.0\n\
             006 m     o  d        \n\
             007 cr\n\
             008 200102s2015    xx uu poo    ||   ||ger d\n\
             024 7  $a 10.1/x$2 doi\n\
             024 8  $a 77\n\
             035    $a (doaj)oai:x:1\n\
             041    $a ger$a eng\n\
             100 0  $a A B$u U$0 (orcid)0000-0002-1825-0097\n\
             245 14 $a The T &lt; U.\n\
             246 33 $a Titel\n\
             264  1 $b P$c 2015-03-01\n\
             336    $a text$b txt$2 rdacontent\n\
             337    $a computer$b c$2 rdamedia\n\
             338    $a online resource$b cr$2 rdacarrier\n\
             520 3  $a S of two lines\n\
             653    $a k\n\
             655  4 $a Review\n\
             700 1  $a C, D\n\
             773 0  $t J$g Vol. 10, no. 1 (2015), p. 3-5$x 1932-6203\n\
             856 40 $u http://x.y$q pdf\n"
        );
    }

    #[test]
    fn writes_a_thesis() {
        let x = |text: &str| Some(text.to_owned());
        let thesis = Resource {
            kind: Kind::Thesis,
            titles: vec![Title {
                text: "An odd :".to_owned(),
                subtitle: x("title?"),
                language: None,
            }],
            agents: vec![
                Agent {
                    name: "Institute of Oddity".to_owned(),
                    organisation: true,
                    ..Agent::default()
                },
                Agent {
                    name: "B, C".to_owned(),
                    role: Role::Advisor,
                    dates: x("1950-"),
                    ..Agent::default()
                },
            ],
            host: Host {
                issn: x("1932-6203"),
                volume: x("5"),
                ..Host::default()
            },
            series: vec![Series {
                title: "Odd series".to_owned(),
                number: x("7"),
            }],
            identifiers: vec![
                Identifier {
                    kind: IdentifierKind::Isbn,
                    value: "ISBN 978-3-16-148410-0".to_owned(),
                },
                Identifier {
                    kind: IdentifierKind::Isbn,
                    value: "978-3-16-148410-1".to_owned(),
                },
                Identifier {
                    kind: IdentifierKind::Handle,
                    value: "1721.1/140730".to_owned(),
                },
                Identifier {
                    kind: IdentifierKind::Number,
                    value: "R 5".to_owned(),
                },
            ],
            subjects: vec![
                Subject {
                    scheme: x("DDC"),
                    code: x("500"),
                    ..Subject::default()
                },
                Subject {
                    scheme: x("LCSH"),
                    term: "Oddities".to_owned(),
                    ..Subject::default()
                },
            ],
            publishers: vec![Publisher {
                name: x("P"),
                place: x("Bonn"),
                country: None,
            }],
            edition: x("2nd"),
            extent: vec!["120 p.".to_owned()],
            degree: Degree {
                name: x("Ph.D."),
                grantor: x("U"),
                ..Degree::default()
            },
            notes: vec!["Note".to_owned()],
            ..Resource::default()
        };
        assert_eq!(
            lines(&written(&thesis)),
            "LDR 00000nam a2200000ui 4500\n\
             001 oai:x:1\n\
             003 doaj\n\
             005 20200102030405.0\n\
             006 m     o  d        \n\
             007 cr\n\
             008 200102nuuuuuuuuxx |||||om   |||| ||und d\n\
             020    $a 9783161484100\n\
             020    $z 978-3-16-148410-1\n\
             024 7  $a 1721.1/140730$2 hdl\n\
             035    $a (doaj)oai:x:1\n\
             082 04 $a 500\n\
             088    $a R 5\n\
             110 2  $a Institute of Oddity\n\
             245 13 $a An odd :$b title?.\n\
             250    $a 2nd\n\
             264  1 $a Bonn$b P\n\
             300    $a 120 p.\n\
             336    $a text$b txt$2 rdacontent\n\
             337    $a computer$b c$2 rdamedia\n\
             338    $a online resource$b cr$2 rdacarrier\n\
             490 0  $a Odd series ;$v 7\n\
             500    $a Note\n\
             502    $b Ph.D.$c U\n\
             650  0 $a Oddities\n\
             700 1  $a B, C$d 1950-$4 ths\n\
             856 40 $u https://hdl.handle.net/1721.1/140730\n"
        );
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
