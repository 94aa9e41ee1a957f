//! Catalogue documents of MARC 21, with the fields of VuFind's standard mapping.

mod format;
mod names;

use std::borrow::Cow;

use super::document::{DocumentError, Post, work_keys};
use super::options::Options;
use super::strings;
use crate::record::Resource;
use crate::record::language;
use crate::record::marc::{self, Field, Record};

/// Makes the document of a MARC 21 record.
///
/// `id` is the document id of the harvested record, not 001: deletions know no other. `fullrecord` is
/// the MARCXML, so that VuFind's record driver for MARC shows all that the record has.
///
/// # Errors
/// [`DocumentError`], with the reason.
///
/// Source: VuFind's `import/marc.properties`.
pub(super) fn document<'a>(
    id: String,
    metadata: &str,
    gains: Option<&Resource>,
    options: &'a Options,
) -> Result<Post<'a>, DocumentError> {
    let record = marc::parse(metadata)?;
    let mut post = Post::new(options, true);
    post.one("id", id);
    post.maybe("lccn", first(&record, "010", "a"));
    post.many("ctrlnum", spec(&record, "035a"));
    let collection = options.collection.as_deref().unwrap_or_default();
    for (name, value) in [
        ("institution", options.institution.as_str()),
        ("collection", collection),
    ] {
        if !value.is_empty() {
            post.many(name, vec![value.to_owned()]);
        }
    }
    post.one("fullrecord", full_record(metadata, &record).into_owned());
    post.one("record_format", "marc".to_owned());
    post.many("allfields", all_fields(&record));
    post.many("language", languages(&record, options));
    post.many("format", format::formats(&record));
    names::post(&record, &mut post);
    titles(&record, &mut post)?;
    post.many("series", spec(&record, "440ap:800abcdfpqt:830ap"));
    post.many("series2", spec(&record, "490a"));
    post.many("publisher", publishers(&record));
    let dates = dates(&record);
    let first_date = dates.iter().min().cloned();
    post.many("publishDate", dates);
    post.maybe("publishDateSort", first_date);
    post.many("physical", spec(&record, "300abcefg:530abcd"));
    post.many("dateSpan", spec(&record, "362a"));
    post.maybe("edition", first(&record, "250", "a"));
    post.many("contents", spec(&record, "505a:505t"));
    post.many("isbn", spec(&record, "020a:773z"));
    let issns = spec(&record, "022a:440x:490x:730x:773x:776x:780x:785x");
    post.many("issn", issns);
    post.many("callnumber-raw", spec(&record, "099ab:090ab:050ab"));
    headings(&record, &mut post);
    let mut urls = spec(&record, "856u:555u");
    if urls.is_empty()
        && let Some(gains) = gains
    {
        urls.extend(gains.links.iter().map(|link| link.url.clone()));
    }
    post.many("doi_str_mv", dois(&urls));
    post.many("url", urls);
    post.many("dewey-raw", spec(&record, "082a:083a"));
    post.many("oclc_num", oclc_numbers(&record));
    post.many("work_keys_str_mv", keys(&record, options)?);
    Ok(post)
}

/// The MARCXML that VuFind reads: as received if its elements have no prefix, else written anew.
fn full_record<'m>(metadata: &'m str, record: &Record) -> Cow<'m, str> {
    let text = metadata.trim_start_matches('\u{feff}').trim();
    match text.starts_with("<record") || text.starts_with("<collection") {
        true => Cow::Borrowed(text),
        false => Cow::Owned(record.to_xml()),
    }
}

/// The values of a field specification: tags with codes, separated by colons. Each field of a part
/// gives its subfields with blanks between them; each value comes once.
///
/// Source: SolrMarc's field specifications.
fn spec(record: &Record, spec: &str) -> Vec<String> {
    let mut values: Vec<String> = Vec::new();
    for part in spec.split(':') {
        let (tag, codes) = part.split_at(3);
        for field in record.all(&[tag]) {
            // One subfield alone gives a value for each.
            let found: Vec<String> = match codes.len() {
                1 => codes
                    .chars()
                    .flat_map(|code| field.all(code))
                    .map(str::to_owned)
                    .collect(),
                _ => field.joined(codes, " ").into_iter().collect(),
            };
            for value in found {
                if !values.contains(&value) {
                    values.push(value);
                }
            }
        }
    }
    values
}

fn first(record: &Record, tag: &str, codes: &str) -> Option<String> {
    record
        .all(&[tag])
        .find_map(|field| field.joined(codes, " "))
}

/// All letters' subfields of a field, with blanks between them.
fn letters(field: &Field) -> Option<String> {
    field.joined("abcdefghijklmnopqrstuvwxyz", " ")
}

/// A text for each field from 100 to 899.
fn all_fields(record: &Record) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for field in &record.fields {
        let in_range = field
            .tag
            .parse()
            .is_ok_and(|tag: u16| (100..900).contains(&tag));
        if in_range {
            let parts: Vec<&str> = field
                .subfields
                .iter()
                .map(|(_, text)| text.as_str())
                .collect();
            let text = parts.join(" ");
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
    }
    texts
}

/// Names of the languages in 008 and 041 $a, $d, $h and $j; codes without a name are left out.
fn languages(record: &Record, options: &Options) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let codes = record.fixed_data(35, 38).into_iter();
    for code in codes.chain(spec(record, "041a:041d:041h:041j")) {
        if language::marc_name(&code).is_none() {
            continue;
        }
        let name = options.languages.name(&code).to_owned();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn titles(record: &Record, post: &mut Post<'_>) -> Result<(), DocumentError> {
    let title = first(record, "245", "ab");
    post.maybe("title", title.clone());
    post.maybe("title_sub", first(record, "245", "b"));
    post.maybe("title_short", first(record, "245", "a"));
    post.maybe("title_full", record.first("245").and_then(letters));
    post.maybe("title_auth", title);
    let alternatives = spec(
        record,
        "100t:130adfgklnpst:240a:246abnp:505t:700t:710t:711t:730adfgklnpst:740a",
    );
    post.many("title_alt", alternatives);
    post.many("title_old", spec(record, "780ast"));
    post.many("title_new", spec(record, "785ast"));
    if let Some(field) = record.first("245")
        && let Some(title) = field.joined("abkp", " ")
    {
        let sorted = strings::title_sort_of_stripped(without_article(field, &title))?;
        post.one("title_sort", sorted);
    }
    Ok(())
}

/// The title without the characters that the second indicator says to skip.
fn without_article<'t>(field: &Field, title: &'t str) -> &'t str {
    let skipped = field.second.to_digit(10).unwrap_or(0) as usize;
    match title.char_indices().nth(skipped) {
        Some((at, _)) => &title[at..],
        None => title,
    }
}

/// Names of 260, and of 264 for publication, or else for copyright.
fn publishers(record: &Record) -> Vec<String> {
    let named = |tag: &str, second: Option<char>| -> Vec<String> {
        record
            .all(&[tag])
            .filter(|field| second.is_none_or(|second| field.second == second))
            .filter_map(|field| field.joined("b", " "))
            .collect()
    };
    let mut names = named("260", None);
    let published = named("264", Some('1'));
    names.extend(match published.is_empty() {
        false => published,
        true => named("264", Some('4')),
    });
    without_repetition(names)
}

/// Years of 260, and of 264 for publication, or else for copyright.
fn dates(record: &Record) -> Vec<String> {
    let years = |tag: &str, second: Option<char>| -> Vec<String> {
        record
            .all(&[tag])
            .filter(|field| second.is_none_or(|second| field.second == second))
            .flat_map(|field| field.all('c'))
            .filter_map(year)
            .collect()
    };
    let mut all = years("260", None);
    let published = years("264", Some('1'));
    all.extend(match published.is_empty() {
        false => published,
        true => years("264", Some('4')),
    });
    without_repetition(all)
}

/// The year of a statement: what follows `i.e.` corrects what is before it.
fn year(text: &str) -> Option<String> {
    let find = |text: &str| {
        let mut runs = text.split(|c: char| !c.is_ascii_digit());
        runs.find(|run| run.len() == 4 && run.starts_with(['1', '2']))
            .map(str::to_owned)
    };
    let corrected = text.split_once("i.e.").and_then(|(_, right)| find(right));
    corrected.or_else(|| find(text))
}

fn without_repetition(values: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::with_capacity(values.len());
    for value in values {
        if !kept.contains(&value) {
            kept.push(value);
        }
    }
    kept
}

/// Subject headings, genres, places and times, as texts and as facets.
fn headings(record: &Record, post: &mut Post<'_>) {
    let texts = |tags: &[&str]| {
        let fields = record.all(tags);
        without_repetition(fields.filter_map(letters).collect())
    };
    post.many(
        "topic",
        texts(&["600", "610", "611", "630", "650", "653", "656"]),
    );
    post.many("genre", texts(&["655"]));
    post.many("geographic", texts(&["651"]));
    post.many("era", texts(&["648"]));
    for (name, facet) in [
        (
            "topic_facet",
            "600x:610x:611x:630x:648x:650a:650x:651x:655x",
        ),
        (
            "genre_facet",
            "600v:610v:611v:630v:648v:650v:651v:655a:655v",
        ),
        (
            "geographic_facet",
            "600z:610z:611z:630z:648z:650z:651a:651z:655z",
        ),
        ("era_facet", "600d:610y:611y:630y:648a:648y:650y:651y:655y"),
    ] {
        post.many(name, spec(record, facet));
    }
}

/// DOIs in addresses of resolvers.
fn dois(urls: &[String]) -> Vec<String> {
    let prefixes = ["urn:doi:", "https://doi.org/"];
    let found = urls.iter().filter_map(|url| {
        let rest = prefixes.iter().find_map(|prefix| url.strip_prefix(prefix));
        rest.filter(|doi| doi.starts_with("10.")).map(str::to_owned)
    });
    without_repetition(found.collect())
}

/// Numbers of OCLC in 035, without their prefix and leading zeros.
fn oclc_numbers(record: &Record) -> Vec<String> {
    let found = spec(record, "035a").into_iter().filter_map(|text| {
        let lower = text.to_ascii_lowercase();
        let rest = match lower.strip_prefix("(ocolc)") {
            Some(rest) => rest.trim_start_matches(|c: char| !c.is_ascii_digit()),
            None => ["ocm", "ocn", "on"]
                .iter()
                .find_map(|prefix| lower.strip_prefix(prefix))
                .filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))?,
        };
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let number = rest[..end].trim_start_matches('0');
        (!number.is_empty()).then(|| number.to_owned())
    });
    without_repetition(found.collect())
}

/// Keys of the work: uniform titles alone, other titles with each name.
fn keys(record: &Record, options: &Options) -> Result<Vec<String>, DocumentError> {
    let mut keys = Vec::new();
    for title in spec(record, "130anp:730anp") {
        let title = options.work_keys.normalise(&title)?;
        if !title.is_empty() {
            keys.push(["UT ", &title].concat());
        }
    }
    let titles = spec(record, "240anpmr:245abn:246abn:247abn");
    let sorted = record.first("245").and_then(|field| {
        let title = field.joined("abn", " ")?;
        Some(without_article(field, &title).to_owned())
    });
    let names = spec(record, "100ab:110ab:111ac:700ab:710ab:711ac");
    keys.extend(work_keys(&titles, sorted, &names, options)?);
    Ok(without_repetition(keys))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::{Value, json};

    use super::super::{Input, Options, document};
    use super::*;
    use crate::record::samples::fixture;

    fn made(metadata: &str) -> Value {
        let input = Input {
            identifier: "oai:x.org:1",
            datestamp: "2020-01-01",
            metadata_prefix: "marc21",
            metadata,
            tracking: None,
        };
        let options = Options {
            institution: "Library".to_owned(),
            ..Options::default()
        };
        serde_json::to_value(document(input, &options).unwrap()).unwrap()
    }

    fn sample(name: &str) -> String {
        let metadata = fs::read_to_string(fixture("formats/marc21").join(name)).unwrap();
        metadata.trim().to_owned()
    }

    #[test]
    fn a_book_has_the_fields_of_vufind() {
        let metadata = sample("czech-book.xml");
        let mut document = made(&metadata);
        let fields = document.as_object_mut().unwrap();
        assert_eq!(fields.remove("fullrecord"), Some(json!(metadata)));
        let all = fields.remove("allfields").unwrap();
        assert!(
            all.as_array()
                .unwrap()
                .contains(&json!("Praha : Leges, 2014")),
            "{all}"
        );
        fields.remove("work_keys_str_mv").unwrap();
        let expected = json!({
            "id": "oai:x.org:1",
            "institution": ["Library"],
            "record_format": "marc",
            "language": ["Czech"],
            "format": ["Book"],
            "author": ["Sládeček, Vladimír, 1954-", "Pouperová, Olga"],
            "author_role": ["aut", "aut"],
            "author_sort": "Sládeček, Vladimír, 1954-",
            "title": "Správní právo : zvláštní část (vybrané kapitoly) /",
            "title_sub": "zvláštní část (vybrané kapitoly) /",
            "title_short": "Správní právo :",
            "title_full": "Správní právo : zvláštní část (vybrané kapitoly) / \
                           Vladimír Sládeček, Olga Pouperová a kolektiv",
            "title_auth": "Správní právo : zvláštní část (vybrané kapitoly) /",
            "title_sort": "spravni pravo zvlastni cast vybrane kapitoly",
            "series": ["Student (Leges)"],
            "series2": ["Student"],
            "publisher": ["Leges,"],
            "publishDate": ["2014"],
            "publishDateSort": "2014",
            "physical": ["494 s. ; 21 cm"],
            "edition": "2. vyd.",
            "isbn": ["978-80-87576-48-9"],
            "topic": ["správní právo Česko", "veřejná správa Česko"],
            "genre": ["učebnice vysokých škol"],
            "topic_facet": ["správní právo", "veřejná správa"],
            "genre_facet": ["učebnice vysokých škol"],
            "geographic_facet": ["Česko"],
        });
        assert_eq!(document, expected, "{document:#}");
    }

    #[test]
    fn all_samples_have_a_document() {
        for entry in fs::read_dir(fixture("formats/marc21")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|end| end != "xml") {
                continue;
            }
            let document = made(&fs::read_to_string(&path).unwrap());
            assert_eq!(document["record_format"], "marc", "{path:?}");
            let full = document["fullrecord"].as_str().unwrap();
            // VuFind reads no prefixes.
            assert!(full.starts_with("<record"), "{path:?}: {full}");
            assert_eq!(marc::parse(full).unwrap(), {
                let metadata = fs::read_to_string(&path).unwrap();
                marc::parse(&metadata).unwrap()
            });
        }
    }

    #[test]
    fn years_follow_corrections() {
        let cases = [
            ("[2015]", Some("2015")),
            ("c1998.", Some("1998")),
            ("1998 [i.e. 1989]", Some("1989")),
            ("20150131", None),
            ("[19--?]", None),
        ];
        for (text, expected) in cases {
            assert_eq!(year(text).as_deref(), expected, "{text}");
        }
    }
}
