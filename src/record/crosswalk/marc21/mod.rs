//! MARC 21 in MARCXML.
//!
//! Invenio writes MARC fields of its own meaning under a leader that says nothing (`coc`); such
//! records, and those without a leader, are read as Invenio's.

mod host;
mod kind;
mod names;

use crate::record::marc::{Field, Record};
use crate::record::resource::{
    Date, DateKind, IdentifierKind, Kind, Link, LinkPurpose, Publisher, Related, Resource, Rights,
    Series, Subject, Text, Title,
};
use crate::record::{doi, marc};

use super::values::{
    add_language, identify, is_no_language, is_number, is_url, isbn, known, link_by_identifier,
    only_year, without_brackets, without_isbd, without_stop,
};
use super::{CrosswalkError, checks};

/// Reads one record of MARC 21.
///
/// Punctuation that only separates subfields (ISBD) is left out. Data about other works (linking
/// fields, names with titles) is never data of the resource.
///
/// # Errors
/// If the document is malformed or has no record.
///
/// Source: MARC 21 Format for Bibliographic Data; for Invenio, the fields of INSPIRE and CDS.
pub fn resource(metadata: &str) -> Result<Resource, CrosswalkError> {
    Ok(from_record(&marc::parse(metadata)?))
}

/// As [`resource`], of a record that is read already.
pub(crate) fn from_record(record: &Record) -> Resource {
    let mut resource = Resource {
        kind: kind::kind(record),
        ..Resource::default()
    };
    let reader = Reader {
        invenio: is_invenio(record),
        component: matches!(
            resource.kind,
            Kind::Article | Kind::Chapter | Kind::ConferencePaper | Kind::Preprint
        ) && matches!(record.leader_at(7), 'a' | 'b' | ' ')
            || matches!(record.leader_at(7), 'a' | 'b'),
    };
    if record.others > 0 {
        resource.flag(format!("{} more records in one", record.others));
    }
    if record.leader_at(5) == 'd' {
        resource.flag("the leader says that it is deleted");
    }
    if matches!(record.leader_at(6), 'z' | 'u' | 'v' | 'x' | 'y' | 'w' | 'q') {
        resource.flag("a record of an authority, a holding or a class, not of a work");
        return resource;
    }
    kind::stated_types(record, reader.invenio, &mut resource);
    titles(record, &mut resource);
    names::agents(record, reader.invenio, &mut resource);
    publication(record, reader, &mut resource);
    host::host(record, reader, &mut resource);
    numbers(record, reader, &mut resource);
    links(record, &mut resource);
    link_by_identifier(&mut resource);
    languages(record, &mut resource);
    thesis(record, &mut resource);
    series(record, &mut resource);
    subjects(record, &mut resource);
    texts(record, &mut resource);
    related(record, &mut resource);
    checks::flag_odd_values(&mut resource);
    resource
}

/// What decides how fields are read.
#[derive(Clone, Copy)]
struct Reader {
    /// The record is one of Invenio's.
    invenio: bool,
    /// It describes a part of a journal or book.
    component: bool,
}

/// Whether the leader says nothing about the record.
fn is_invenio(record: &Record) -> bool {
    record.leader.trim().len() < 8
        || (record.leader_at(6) == 'o' && record.leader_at(7) == 'c')
        || matches!(record.leader_at(6), ' ' | '0')
}

/// 245, its original script in 880, 246.
fn titles(record: &Record, resource: &mut Resource) {
    let mut add = |title: Title| {
        let known = resource
            .titles
            .iter()
            .any(|known| known.text == title.text && known.subtitle == title.subtitle);
        if !title.text.is_empty() && !known {
            resource.titles.push(title);
        }
    };
    let original = record
        .all(&["880"])
        .filter(|field| field.first('6').is_some_and(|link| link.starts_with("245")));
    for field in record.first("245").into_iter().chain(original) {
        title_statement(field).into_iter().for_each(&mut add);
    }
    // A portion of the title (second indicator 0) is no title of its own.
    for field in record.all(&["246"]).filter(|field| field.second != '0') {
        title_statement(field).into_iter().for_each(&mut add);
    }
    for field in record.all(&["242"]) {
        for mut title in title_statement(field) {
            title.language = field.first('y').map(|code| without_stop(code).to_owned());
            add(title);
        }
    }
}

/// The title of a field, and its parallel titles, which follow an equals sign.
fn title_statement(field: &Field) -> Vec<Title> {
    let mut titles = vec![Title::default()];
    // How the subfield before ended, which says what the next one is.
    let mut joint = ' ';
    for (code, text) in &field.subfields {
        let text_of = |text: &str| without_stop(text).to_owned();
        let current = titles.last_mut().expect("there is one from the start on");
        match code {
            'a' | 'k' if current.text.is_empty() => current.text = text_of(text),
            'b' if joint == '=' || text.starts_with('=') => titles.push(Title {
                text: text_of(text.trim_start_matches(['=', ' '])),
                ..Title::default()
            }),
            'b' if current.text.is_empty() => current.text = text_of(text),
            'b' => {
                let text = text.trim_start_matches([':', ' ']);
                let (subtitle, parallel) = match text.split_once(" = ") {
                    Some((subtitle, parallel)) => (subtitle, Some(parallel)),
                    None => (text, None),
                };
                let subtitle = text_of(subtitle);
                match &mut current.subtitle {
                    None => current.subtitle = Some(subtitle).filter(|text| !text.is_empty()),
                    Some(known) => {
                        known.push_str(" : ");
                        known.push_str(&subtitle);
                    }
                }
                if let Some(parallel) = parallel {
                    titles.push(Title {
                        text: text_of(parallel),
                        ..Title::default()
                    });
                }
            }
            // The number and name of a part belong to the title, or to the subtitle that they
            // follow.
            'n' | 'p' => {
                let text = text_of(text);
                let separator = match (*code, joint) {
                    ('p', ',') => ", ",
                    _ => ". ",
                };
                let whole = match &mut current.subtitle {
                    Some(subtitle) => subtitle,
                    None => &mut current.text,
                };
                if !whole.is_empty() {
                    whole.push_str(separator);
                }
                whole.push_str(&text);
            }
            _ => continue,
        }
        joint = text.trim_end().chars().last().unwrap_or(' ');
    }
    titles.retain(|title| !title.text.is_empty());
    titles
}

/// 260, 264, 269 and 008: dates and publishers.
fn publication(record: &Record, reader: Reader, resource: &mut Resource) {
    let imprint: Vec<&Field> = record
        .fields
        .iter()
        .filter(|field| field.tag == "260" || (field.tag == "264" && field.second == '1'))
        .collect();
    let stated = imprint.iter().find_map(|field| field.first('c'));
    if let Some(text) = published(record, stated) {
        resource.dates.push(Date {
            kind: DateKind::Published,
            text,
        });
    }
    for field in record.all(&["264", "269"]) {
        let kind = match (field.tag.as_str(), field.second) {
            ("264", '0') | ("269", _) => DateKind::Created,
            ("264", '4') => DateKind::Copyright,
            _ => continue,
        };
        if let Some(text) = field.first('c').and_then(clean_date) {
            resource.dates.push(Date { kind, text });
        }
    }
    // 264 _0 and the like are no publishers; of an article, 260 may be those of the host.
    for field in imprint {
        publishers(field, resource);
    }
    if reader.invenio && resource.published().is_none() {
        let year = record.all(&["773"]).find_map(|field| field.first('y'));
        if let Some(year) = year.and_then(only_year) {
            resource.dates.push(Date {
                kind: DateKind::Published,
                text: year.to_owned(),
            });
        }
    }
}

/// The date of publication: a full date of 260 or 264, the year of 008, or else what 260 or 264
/// says.
fn published(record: &Record, stated: Option<&str>) -> Option<String> {
    let stated = stated.and_then(clean_date);
    let year = record.fixed_data(7, 11).filter(|year| {
        is_number(year) && matches!(year.parse(), Ok(1000..=2100)) && record.fixed_at(6) != 'b'
    });
    let several = matches!(record.fixed_at(6), 'c' | 'd' | 'u' | 'm' | 'i' | 'k' | 'q');
    match (stated, year) {
        // Of a span, the statement says it best if it says anything.
        (Some(stated), _) if several && stated.contains(|c: char| c.is_ascii_digit()) => {
            Some(stated)
        }
        (Some(stated), Some(year)) => {
            Some(match is_iso_date(&stated) && stated.starts_with(&year) {
                true => stated,
                false => detailed(record, year),
            })
        }
        (None, Some(_)) if record.fixed_at(6) == 'q' => None,
        (None, Some(year)) => Some(detailed(record, year)),
        (Some(stated), None) => stated
            .contains(|c: char| c.is_ascii_digit())
            .then_some(stated),
        (None, None) => None,
    }
}

/// The year, with month and day if 008 has them (type `e`).
fn detailed(record: &Record, year: String) -> String {
    if record.fixed_at(6) != 'e' {
        return year;
    }
    let in_range = |start, end, last| {
        record
            .fixed_data(start, end)
            .filter(|text| is_number(text) && (1..=last).contains(&text.parse().unwrap_or(0)))
    };
    match (in_range(11, 13, 12), in_range(13, 15, 31)) {
        (Some(month), Some(day)) => format!("{year}-{month}-{day}"),
        (Some(month), None) => format!("{year}-{month}"),
        _ => year,
    }
}

fn is_iso_date(text: &str) -> bool {
    let mut parts = text.split('-');
    let year = parts.next().is_some_and(|year| year.len() == 4);
    year && text.len() >= 7 && text.split('-').all(is_number) && parts.all(|part| part.len() == 2)
}

/// Without brackets, a copyright sign, `c` or `p` before a year, and punctuation at the end.
fn clean_date(text: &str) -> Option<String> {
    let text = without_brackets(without_isbd(text).trim_end_matches('.'));
    let bare = text.trim_start_matches(['©', '℗', ' ']);
    let bare = match bare.strip_prefix(['c', 'p', 'C']) {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => rest,
        _ => bare,
    };
    // Fill characters stand for a year that is not known yet.
    let bare = bare.trim_end_matches(['^', '|', '#', ' ']).trim();
    (!bare.is_empty()).then(|| bare.to_owned())
}

/// Pairs of place and name.
fn publishers(field: &Field, resource: &mut Resource) {
    let mut place: Option<String> = None;
    let mut named = false;
    for (code, text) in &field.subfields {
        match code {
            'a' => place = known(text),
            'b' => {
                if let Some(name) = known(text) {
                    named = true;
                    let publisher = Publisher {
                        name: Some(name),
                        place: place.clone(),
                        country: None,
                    };
                    if !resource.publishers.contains(&publisher) {
                        resource.publishers.push(publisher);
                    }
                }
            }
            _ => {}
        }
    }
    if !named && place.is_some() {
        resource.publishers.push(Publisher {
            place,
            ..Publisher::default()
        });
    }
}

fn add_once(texts: &mut Vec<String>, text: String) {
    if !texts.contains(&text) {
        texts.push(text);
    }
}

/// 020, 022, 024, 027, 028, 035, 037, 088.
fn numbers(record: &Record, reader: Reader, resource: &mut Resource) {
    let electronic = record.fixed_at(23) == 'o'
        || record
            .control("007")
            .is_some_and(|text| text.starts_with("cr"));
    for field in &record.fields {
        let Some(text) = field.first('a') else {
            continue;
        };
        match field.tag.as_str() {
            // Of a part, these are the host's.
            "020" => match isbn(text) {
                Some(isbn) if reader.component => add_once(&mut resource.host.isbns, isbn),
                Some(isbn) => resource.identify(IdentifierKind::Isbn, isbn),
                None if text.contains(|c: char| c.is_ascii_digit()) => {
                    resource.flag(format!("020 {text:?} is no ISBN"));
                }
                None => {}
            },
            "022" => {
                let issn = without_stop(text).to_owned();
                host::add_issn(resource, issn, electronic);
            }
            "024" => {
                let scheme = match field.first {
                    '7' => field.first('2'),
                    _ => None,
                };
                if scheme.is_none_or(|scheme| !scheme.to_ascii_lowercase().contains("orcid")) {
                    identify(resource, scheme, text);
                }
            }
            "035" if text.starts_with('(') => resource.identify(IdentifierKind::Other, text),
            "037" => {
                let source = field.first('9').or(field.first('2')).unwrap_or("");
                match source.eq_ignore_ascii_case("arxiv") || text.starts_with("arXiv:") {
                    true => resource.identify(IdentifierKind::Arxiv, text),
                    false if reader.invenio => resource.identify(IdentifierKind::Number, text),
                    false => {}
                }
            }
            "027" | "028" | "088" => resource.identify(IdentifierKind::Number, without_stop(text)),
            _ => {}
        }
    }
}

/// Words in 856 that say what a link leads to, if it is not the resource.
const OTHER_PAGES: [&str; 24] = [
    "inhaltsverzeichnis",
    "inhaltstext",
    "klappentext",
    "verlagsangaben",
    "rezension",
    "beschreibung",
    "leseprobe",
    "autorenbiografie",
    "table of contents",
    "tables of contents",
    "publisher description",
    "contributor biographical",
    "sample text",
    "book review",
    "table des matières",
    "obsah",
    "sisällysluettelo",
    "kuvailu",
    "innehållsförteckning",
    "indice",
    "sommaire",
    "spis treści",
    "tartalomjegyzék",
    "inhoud",
];

/// 856.
fn links(record: &Record, resource: &mut Resource) {
    for field in record.all(&["856"]) {
        let words = field.joined("3yzx", " ").unwrap_or_default().to_lowercase();
        let stated = match field.second {
            '0' | '1' => LinkPurpose::FullText,
            '2' => LinkPurpose::Other,
            _ => LinkPurpose::Landing,
        };
        let small = ["thumbnail", "icon", "cover", "obálka", "umschlag"];
        let purpose = if small.iter().any(|word| words.contains(word)) {
            LinkPurpose::Thumbnail
        } else if OTHER_PAGES.iter().any(|word| words.contains(word)) {
            LinkPurpose::Other
        } else if stated == LinkPurpose::Landing
            && [
                "volltext",
                "full text",
                "fulltext",
                "full-text",
                "plný text",
                "texte intégral",
            ]
            .iter()
            .any(|word| words.contains(word))
        {
            LinkPurpose::FullText
        } else {
            stated
        };
        for url in field.all('u').filter(|url| is_url(url)) {
            if resource.links.iter().any(|link| link.url == url) {
                continue;
            }
            resource.links.push(Link {
                url: url.to_owned(),
                purpose,
                format: field.first('q').map(str::to_owned),
            });
            let resolver = url.to_ascii_lowercase().contains("doi.org/10.");
            if resolver
                && field.second == '0'
                && purpose == LinkPurpose::FullText
                && resource.doi().is_none()
                && let Some(doi) = doi::normalise(url)
            {
                resource.identify(IdentifierKind::Doi, doi);
            }
        }
    }
}

/// 041, or else 008.
fn languages(record: &Record, resource: &mut Resource) {
    for field in record.all(&["041"]) {
        for text in field
            .subfields
            .iter()
            .filter(|(code, _)| matches!(code, 'a' | 'd'))
            .map(|(_, text)| text.as_str())
        {
            // Codes were written without blanks once.
            let run = text.len() > 3
                && text.len() % 3 == 0
                && text.bytes().all(|byte| byte.is_ascii_lowercase())
                && text
                    .as_bytes()
                    .chunks(3)
                    .all(|code| std::str::from_utf8(code).is_ok_and(is_code));
            match run {
                true => text
                    .as_bytes()
                    .chunks(3)
                    .filter_map(|code| std::str::from_utf8(code).ok())
                    .for_each(|code| add_language(resource, code)),
                false => add_language(resource, without_stop(text)),
            }
        }
    }
    if resource.languages.is_empty()
        && let Some(code) = record.fixed_data(35, 38)
        && is_code(&code)
        && !is_no_language(&code)
    {
        add_language(resource, &code);
    }
}

fn is_code(text: &str) -> bool {
    crate::record::language::marc_name(text).is_some()
}

/// 502.
fn thesis(record: &Record, resource: &mut Resource) {
    for field in record.all(&["502"]) {
        let degree = &mut resource.degree;
        let set = |slot: &mut Option<String>, text: Option<&str>| {
            if slot.is_none() {
                *slot = text.map(|text| without_stop(text).to_owned());
            }
        };
        set(&mut degree.name, field.first('b'));
        set(&mut degree.grantor, field.first('c'));
        let mut year = field.first('d').and_then(only_year);
        if let Some(note) = field.first('a') {
            if let Some((head, tail)) = note.split_once("--") {
                // `Thesis (Ph.D.)--University of Michigan, 1998.`
                if let Some((_, name)) = head.split_once('(') {
                    set(&mut degree.name, Some(name.trim().trim_end_matches(')')));
                }
                if let Some((grantor, date)) = tail.rsplit_once(',')
                    && let Some(found) = only_year(date)
                {
                    set(&mut degree.grantor, Some(grantor.trim()));
                    year = year.or(Some(found));
                }
            }
            resource.notes.push(note.to_owned());
        }
        if let (Some(year), None) = (year, resource.published()) {
            resource.dates.push(Date {
                kind: DateKind::Published,
                text: year.to_owned(),
            });
        }
    }
}

/// 490, or else its forms under authority control and the older 440.
fn series(record: &Record, resource: &mut Resource) {
    let stated = record
        .first("490")
        .or_else(|| record.first("440"))
        .is_some();
    let tags: &[&str] = match stated {
        true => &["490", "440"],
        false => &["830", "840"],
    };
    for field in record.all(tags) {
        // 830 may name a part.
        let Some(title) = field.joined(if stated { "a" } else { "anp" }, " ") else {
            continue;
        };
        let series = Series {
            title: without_brackets(without_stop(&title)).to_owned(),
            number: field.first('v').map(|text| without_stop(text).to_owned()),
        };
        if !series.title.is_empty() && !resource.series.contains(&series) {
            resource.series.push(series);
        }
    }
}

/// 600 to 662, and classes of 050 to 084.
fn subjects(record: &Record, resource: &mut Resource) {
    for field in &record.fields {
        let subject = match field.tag.as_str() {
            "600" | "610" | "611" | "630" | "647" | "648" | "650" | "651" | "662" | "690" | "691" | "695"
                // 690 C is a collection of CERN's.
                if field.first != 'C' =>
            {
                let heading = match field.tag.as_str() {
                    "600" => field.joined("abcdqt", " "),
                    "610" | "611" | "647" => field.joined("abcdnt", " "),
                    "630" => field.joined("adnp", " "),
                    _ => field.joined("abcd", " "),
                };
                let Some(heading) = heading else { continue };
                let mut term = without_stop(&heading).to_owned();
                for (code, text) in &field.subfields {
                    if matches!(code, 'x' | 'y' | 'z' | 'v') {
                        term.push_str(" -- ");
                        term.push_str(without_stop(text));
                    }
                }
                let scheme = scheme(field);
                Subject {
                    scheme,
                    term,
                    ..Subject::default()
                }
            }
            "653" => {
                for text in field.all('a') {
                    add_subject(
                        resource,
                        Subject {
                            term: without_stop(text).to_owned(),
                            ..Subject::default()
                        },
                    );
                }
                continue;
            }
            "050" | "060" | "080" | "082" | "084" | "072" => {
                let scheme = match field.tag.as_str() {
                    "050" => Some("LCC".to_owned()),
                    "060" => Some("NLM".to_owned()),
                    "080" => Some("UDC".to_owned()),
                    "082" => Some("DDC".to_owned()),
                    _ => scheme(field),
                };
                let Some(code) = field.first('a') else {
                    continue;
                };
                // Without a scheme it is a shelf mark.
                if scheme.is_none() {
                    continue;
                }
                let code = match field.tag.as_str() {
                    // Marks of segmentation.
                    "082" => code.replace(['/', '\'', '′'], ""),
                    _ => code.to_owned(),
                };
                Subject {
                    scheme,
                    code: Some(code),
                    term: match field.tag.as_str() {
                        "072" => field.first('x').unwrap_or("").to_owned(),
                        _ => String::new(),
                    },
                    ..Subject::default()
                }
            }
            _ => continue,
        };
        add_subject(resource, subject);
    }
}

fn add_subject(resource: &mut Resource, subject: Subject) {
    let empty = subject.term.is_empty() && subject.code.is_none();
    if !empty && !resource.subjects.contains(&subject) {
        resource.subjects.push(subject);
    }
}

/// The scheme of a heading, by the second indicator or $2.
fn scheme(field: &Field) -> Option<String> {
    let known = match field.second {
        '0' if field.tag.starts_with('6') => "LCSH",
        '1' if field.tag.starts_with('6') => "LCSHAC",
        '2' if field.tag.starts_with('6') => "MeSH",
        '3' if field.tag.starts_with('6') => "NAL",
        '5' if field.tag.starts_with('6') => "CSH",
        '6' if field.tag.starts_with('6') => "RVM",
        _ => {
            let source = field.first('2')?.trim_matches(['[', ']', ' ']);
            return (!source.is_empty()).then(|| source.to_owned());
        }
    };
    Some(known.to_owned())
}

/// 250, 300, 520, notes, rights.
fn texts(record: &Record, resource: &mut Resource) {
    for field in &record.fields {
        let all = || field.joined("ab", " ");
        match field.tag.as_str() {
            "250" if resource.edition.is_none() => {
                resource.edition = all().map(|text| without_isbd(&text).to_owned());
            }
            "300" => {
                let extent = field.all('a').map(|text| without_isbd(text).to_owned());
                resource
                    .extent
                    .extend(extent.filter(|text| !text.is_empty()));
            }
            "520" => {
                let Some(text) = all() else { continue };
                match field.first {
                    // A review, or advice on the content.
                    '1' | '4' => resource.notes.push(text),
                    _ => resource.abstracts.push(Text {
                        text,
                        language: None,
                    }),
                }
            }
            "500" | "501" | "504" | "505" | "515" | "516" | "518" | "530" | "533" | "534"
            | "538" | "546" | "550" | "580" | "588" => {
                let text = match field.tag.as_str() {
                    "505" => field.joined("agrtu", " "),
                    "533" | "534" => field.joined("pabcdefnt", " "),
                    _ => all(),
                };
                resource.notes.extend(text);
            }
            "506" | "540" => {
                let url = field.first('u').filter(|url| is_url(url));
                let text = field.joined("abcdf", " ");
                add_rights(resource, text, url);
            }
            "542" => {
                let url = field.first('u').filter(|url| is_url(url));
                let text = field.first('f').or(field.first('n')).map(str::to_owned);
                let holder = || Some(format!("© {}", field.joined("gd", " ")?));
                add_rights(resource, text.or_else(holder), url);
            }
            _ => {}
        }
    }
}

fn add_rights(resource: &mut Resource, text: Option<String>, url: Option<&str>) {
    let rights = Rights {
        text,
        url: url.map(str::to_owned),
    };
    if rights != Rights::default() && !resource.rights.contains(&rights) {
        resource.rights.push(rights);
    }
}

/// Linking fields other than the host's, and added entries that name a work.
fn related(record: &Record, resource: &mut Resource) {
    for field in &record.fields {
        let named = match field.tag.as_str() {
            "765" => "original",
            "767" => "translation",
            "770" => "supplement",
            "772" => "supplement to",
            "775" => "other edition",
            "776" => "other format",
            "777" => "issued with",
            "780" => "continues",
            "785" => "continued by",
            "786" => "data source",
            "787" => "related",
            "700" | "710" | "711" if field.has('t') => match field.second {
                '2' => "contains",
                _ => "related",
            },
            "730" | "740" => match field.second {
                '2' => "contains",
                _ => "related",
            },
            _ => continue,
        };
        let text = match field.tag.as_str() {
            "700" | "710" | "711" => field.joined("at", " "),
            "730" | "740" => field.joined("anp", " "),
            _ if field.has('t') => field.joined("at", " "),
            _ => field
                .first('o')
                .or(field.first('z'))
                .or(field.first('x'))
                .or(field.first('u'))
                .map(str::to_owned),
        };
        let Some(text) = text.map(|text| without_stop(&text).to_owned()) else {
            continue;
        };
        let relation = field
            .first('i')
            .map(|text| without_stop(text).to_owned())
            .filter(|text| !text.is_empty());
        let related = Related {
            relation: Some(relation.unwrap_or_else(|| named.to_owned())),
            text,
        };
        if !related.text.is_empty() && !resource.related.contains(&related) {
            resource.related.push(related);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record with a leader of these two places, an 008 with these codes, and fields written as
    /// `245 10 $a Title : $b subtitle`.
    fn read(leader: &str, fixed: &[(usize, &str)], fields: &[&str]) -> Resource {
        let mut data = vec![' '; 40];
        for (place, codes) in fixed {
            for (at, code) in codes.chars().enumerate() {
                data[place + at] = code;
            }
        }
        let mut record = Record {
            leader: format!("00000n{leader} a2200000 a 4500"),
            ..Record::default()
        };
        record
            .control
            .push(("008".to_owned(), data.into_iter().collect()));
        for field in fields {
            let (head, subfields) = field.split_at(6);
            let mut indicators = head[4..6].chars();
            let indicator = |c: Option<char>| c.filter(|c| *c != '_').unwrap_or(' ');
            record.fields.push(Field {
                tag: head[..3].to_owned(),
                first: indicator(indicators.next()),
                second: indicator(indicators.next()),
                subfields: subfields
                    .split('$')
                    .skip(1)
                    .map(|text| {
                        let (code, text) = text.split_at(1);
                        (code.chars().next().unwrap(), text.trim().to_owned())
                    })
                    .collect(),
            });
        }
        from_record(&record)
    }

    #[test]
    fn tells_kinds() {
        use Kind::*;
        type Case = (
            &'static str,
            &'static str,
            &'static [(usize, &'static str)],
            &'static [&'static str],
            Kind,
        );
        let cases: [Case; 18] = [
            ("book", "am", &[], &[], Book),
            (
                "thesis by note",
                "am",
                &[],
                &["502 __$aDiss., Bern, 2004"],
                Thesis,
            ),
            ("thesis by contents", "am", &[(24, "bm")], &[], Thesis),
            (
                "thesis by genre",
                "am",
                &[],
                &["655 _7$aHochschulschrift$2gnd-content"],
                Thesis,
            ),
            ("proceedings", "am", &[(29, "1")], &[], ConferencePaper),
            ("technical report", "am", &[(24, "t")], &[], Report),
            ("journal", "as", &[(21, "p")], &[], Journal),
            ("series of books", "as", &[(21, "m")], &[], Other),
            ("article", "ab", &[], &[], Article),
            (
                "chapter",
                "aa",
                &[],
                &["773 0_$tBook$z9783161484100$gS. 1-5"],
                Chapter,
            ),
            (
                "article as part",
                "aa",
                &[],
                &["773 0_$tJ$x1932-6203"],
                Article,
            ),
            (
                "article by its host",
                "aa",
                &[],
                &["773 0_$7nnas$tJ"],
                Article,
            ),
            ("map", "em", &[], &[], Map),
            ("film", "gm", &[(33, "v")], &[], Video),
            ("slides", "gm", &[(33, "s")], &[], Image),
            ("music", "jm", &[], &[], Audio),
            ("data", "mm", &[(26, "a")], &[], Dataset),
            ("score", "cm", &[], &[], Other),
        ];
        for (case, leader, fixed, fields, expected) in cases {
            assert_eq!(read(leader, fixed, fields).kind, expected, "{case}");
        }
    }

    #[test]
    fn chooses_the_date_of_publication() {
        let cases: [(&str, &str, &[&str], Option<&str>); 9] = [
            ("008", "s2014    ", &["260 __$c[2014?]"], Some("2014")),
            ("reprint", "r20151819", &["260 __$c[2015]"], Some("2015")),
            (
                "full date",
                "s2014    ",
                &["260 __$c2014-05-01"],
                Some("2014-05-01"),
            ),
            ("detailed", "e20140501", &[], Some("2014-05-01")),
            (
                "span",
                "m20102012",
                &["264 _1$c2010-2012."],
                Some("2010-2012"),
            ),
            ("production", "nuuuuuuuu", &["264 _0$c2010"], None),
            ("copyright", "nuuuuuuuu", &["264 _4$c\u{a9}2010"], None),
            (
                "old copyright",
                "nuuuuuuuu",
                &["260 __$cc2010."],
                Some("2010"),
            ),
            ("none", "nuuuuuuuu", &["260 __$c[s.d.]"], None),
        ];
        for (case, fixed, fields, expected) in cases {
            let resource = read("am", &[(6, fixed)], fields);
            assert_eq!(resource.published(), expected, "{case}");
        }
    }

    #[test]
    fn splits_titles() {
        let titles = |fields: &[&str]| -> Vec<(String, Option<String>)> {
            let titles = read("am", &[], fields).titles.into_iter();
            titles.map(|title| (title.text, title.subtitle)).collect()
        };
        let pair = |text: &str, subtitle: &str| {
            (
                text.to_owned(),
                (!subtitle.is_empty()).then(|| subtitle.to_owned()),
            )
        };
        assert_eq!(
            titles(&["245 10$aTitle :$bsubtitle /$cA. B."]),
            [pair("Title", "subtitle")]
        );
        assert_eq!(
            titles(&["245 10$aTitle =$bTitre /$cA. B."]),
            [pair("Title", ""), pair("Titre", "")]
        );
        assert_eq!(
            titles(&["245 10$aSymphony.$nNo. 5,$pFinale"]),
            [pair("Symphony. No. 5, Finale", "")]
        );
        assert_eq!(
            titles(&[
                "245 10$6880-01$aKniga",
                "880 10$6245-01$aКнига",
                "246 30$aPortion"
            ]),
            [pair("Kniga", ""), pair("Книга", "")]
        );
        assert_eq!(
            titles(&["245 10$aJournal of J. D."]),
            [pair("Journal of J. D.", "")]
        );
    }

    #[test]
    fn keeps_other_works_apart() {
        let resource = read(
            "am",
            &[],
            &[
                "020 __$a9783161484100 (pbk.)",
                "020 __$a12345$z9780306406157",
                "700 12$aPlato.$tSymposium.",
                "700 1_$aDoe, Jane,$d1950-$eeditor.",
                "710 2_$aUniversity of Basel.$4dgg",
                "773 0_$tSpringer eBooks",
                "776 08$iPrint version:$tOther$z9780306406157$x1932-6203",
                "856 42$3Inhaltsverzeichnis$uhttps://example.org/toc",
                "856 41$uhttps://doi.org/10.1/version",
            ],
        );
        let isbns: Vec<&str> = resource.identifiers_of(IdentifierKind::Isbn).collect();
        assert_eq!(isbns, ["9783161484100"]);
        assert_eq!(resource.doi(), None);
        assert!(resource.host.is_empty(), "{:?}", resource.host);
        let names: Vec<&str> = resource
            .agents
            .iter()
            .map(|agent| agent.name.as_str())
            .collect();
        assert_eq!(names, ["Doe, Jane"]);
        assert_eq!(
            resource.degree.grantor.as_deref(),
            Some("University of Basel")
        );
        let related: Vec<&str> = resource
            .related
            .iter()
            .map(|work| work.text.as_str())
            .collect();
        assert_eq!(related, ["Springer eBooks", "Plato. Symposium", "Other"]);
        assert_eq!(resource.links[0].purpose, LinkPurpose::Other);
    }

    #[test]
    fn reads_languages_and_degrees() {
        let resource = read(
            "am",
            &[(35, "ger")],
            &[
                "041 1_$aengfre$hlat",
                "502 __$aThesis (Ph.D.)--University of Michigan, 1998.",
            ],
        );
        let codes: Vec<_> = resource
            .languages
            .iter()
            .map(|known| known.code.as_deref())
            .collect();
        assert_eq!(codes, [Some("eng"), Some("fre")]);
        assert_eq!(resource.degree.name.as_deref(), Some("Ph.D."));
        assert_eq!(
            resource.degree.grantor.as_deref(),
            Some("University of Michigan")
        );
        assert_eq!(resource.published(), Some("1998"));
        let resource = read("am", &[(35, "ger")], &[]);
        assert_eq!(resource.languages[0].iso639_3.as_deref(), Some("deu"));
        assert!(read("am", &[(35, "mul")], &[]).languages.is_empty());
    }
}
