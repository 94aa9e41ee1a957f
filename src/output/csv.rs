//! Rows of the CSV export.

use std::borrow::Cow;

use super::Item;
use crate::record::Resource;
use crate::record::flat::Flat;

/// The columns, in order.
pub const COLUMNS: [&str; 33] = [
    "source",
    "identifier",
    "datestamp",
    "deleted",
    "version",
    "metadata_prefix",
    "set_specs",
    "kind",
    "title",
    "other_titles",
    "authors",
    "orcids",
    "affiliations",
    "journal",
    "publisher",
    "issn",
    "eissn",
    "other_issns",
    "doi",
    "published",
    "volume",
    "issue",
    "start_page",
    "end_page",
    "languages",
    "abstract",
    "keywords",
    "subjects",
    "fulltext_url",
    "other_urls",
    "licences",
    "country",
    "document_type",
];

/// The separator between the values of a cell.
const SEPARATOR: &str = " | ";

/// Appends the heading.
pub fn push_heading(out: &mut String) {
    push_cells(out, COLUMNS.iter().map(|column| (*column).to_owned()));
}

/// Appends one row; a tombstone has no resource and leaves its cells empty.
///
/// Values are as in the source, with line breaks. A cell that a spreadsheet would take for a formula (it
/// begins with `=`, `+`, `-`, `@`, a tab or a carriage return) has an apostrophe before it. A cell has at
/// most 32,767 characters, and a longer one ends in `…`. ` | ` separates the values of a cell. `orcids` and
/// `affiliations` have one value for each author; `; ` separates the affiliations of one author. Rows
/// end in CR LF.
///
/// Source: RFC 4180.
pub fn push_row(item: Item<'_>, resource: Option<&Resource>, out: &mut String) {
    let Item {
        source,
        identifier,
        datestamp,
        deleted,
        version,
        metadata_prefix,
        set_specs,
    } = item;
    let head = [
        source.to_owned(),
        identifier.to_owned(),
        datestamp.to_owned(),
        deleted.to_string(),
        version.to_string(),
        metadata_prefix.to_owned(),
        set_specs.join(SEPARATOR),
    ];
    let body = match resource {
        Some(resource) => resource_cells(resource),
        None => vec![String::new(); COLUMNS.len() - head.len()],
    };
    push_cells(out, head.into_iter().chain(body));
}

fn resource_cells(resource: &Resource) -> Vec<String> {
    let flat = Flat::from(resource);
    let one = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let many = |texts: &[&str]| texts.join(SEPARATOR);
    let mut fulltext_left = flat.fulltext_url.is_some();
    let other_urls = flat.links.iter().filter(|link| {
        let is_it = fulltext_left && link.fulltext;
        fulltext_left &= !is_it;
        !is_it
    });
    let subjects = flat
        .subjects
        .iter()
        .map(|subject| format!("{}:{}", subject.scheme, subject.term));
    let licences = flat.licences.iter().chain(&flat.licence_urls);
    vec![
        flat.kind.to_owned(),
        flat.title.unwrap_or_default().into_owned(),
        flat.other_titles.join(SEPARATOR),
        joined(flat.authors.iter().map(|author| author.name.to_owned())),
        aligned(flat.authors.iter().map(|author| one(author.orcid))),
        aligned(
            flat.authors
                .iter()
                .map(|author| author.affiliations.join("; ")),
        ),
        one(flat.journal),
        one(flat.publisher),
        one(flat.issn),
        one(flat.eissn),
        flat.other_issns.join(SEPARATOR),
        one(flat.doi),
        one(flat.published),
        one(flat.volume),
        one(flat.issue),
        one(flat.start_page),
        one(flat.end_page),
        many(&flat.languages),
        joined(
            resource
                .abstracts
                .iter()
                .map(|abstract_text| abstract_text.text.clone()),
        ),
        many(&flat.keywords),
        joined(subjects),
        one(flat.fulltext_url),
        joined(other_urls.map(|link| link.url.to_owned())),
        joined(licences.map(|licence| (*licence).to_owned())),
        one(flat.country),
        one(flat.document_type),
    ]
}

fn joined(values: impl Iterator<Item = String>) -> String {
    values.collect::<Vec<_>>().join(SEPARATOR)
}

/// As [`joined`], but nothing if all values are empty.
fn aligned(values: impl Iterator<Item = String>) -> String {
    let values: Vec<_> = values.collect();
    if values.iter().all(String::is_empty) {
        return String::new();
    }
    values.join(SEPARATOR)
}

fn push_cells(out: &mut String, cells: impl Iterator<Item = String>) {
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            out.push(',');
        }
        let cell = for_spreadsheets(&cell);
        if cell.contains(['"', ',', '\r', '\n']) {
            out.push('"');
            out.push_str(&cell.replace('"', "\"\""));
            out.push('"');
        } else {
            out.push_str(&cell);
        }
    }
    out.push_str("\r\n");
}

/// The most characters of a cell, as spreadsheets count them: in UTF-16.
const MOST_CHARACTERS: usize = 32_767;

pub(crate) fn for_spreadsheets(cell: &str) -> Cow<'_, str> {
    let mut safe = match cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => Cow::Owned(format!("'{cell}")),
        false => Cow::Borrowed(cell),
    };
    // No text has more characters than bytes.
    if safe.len() > MOST_CHARACTERS && safe.encode_utf16().count() > MOST_CHARACTERS {
        let mut count = 0;
        let fits = |c: &char| {
            count += c.len_utf16();
            count < MOST_CHARACTERS
        };
        let mut cut: String = safe.chars().take_while(fits).collect();
        cut.push('…');
        safe = Cow::Owned(cut);
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::resource::LinkPurpose;
    use crate::record::{Agent, Link, crosswalk};

    fn item() -> Item<'static> {
        Item {
            source: "doaj",
            identifier: "oai:x:1",
            datestamp: "2020-01-01",
            deleted: false,
            version: 7,
            metadata_prefix: "oai_doaj",
            set_specs: &[],
        }
    }

    #[test]
    fn writes_rows() {
        let resource = crosswalk::resource(
            "oai_doaj",
            "<doajArticle><title>A, \"B\"</title><abstract>x&#13;\ny</abstract></doajArticle>",
        )
        .unwrap();
        let mut out = String::new();
        push_row(item(), Some(&resource), &mut out);
        assert_eq!(
            out,
            "doaj,oai:x:1,2020-01-01,false,7,oai_doaj,,article,\"A, \"\"B\"\"\",,,,,,,,,,,,,,,,,\"x\r\ny\",,,,,,,\r\n"
        );
        let mut tombstone = String::new();
        push_row(
            Item {
                deleted: true,
                ..item()
            },
            None,
            &mut tombstone,
        );
        assert_eq!(tombstone.matches(',').count(), COLUMNS.len() - 1);
    }

    #[test]
    fn cells_are_safe_in_spreadsheets() {
        for (case, cell, expected) in [
            ("plain", "a=b", "a=b"),
            ("formula", "=1+1", "'=1+1"),
            ("plus", "+1", "'+1"),
            ("minus", "-omics", "'-omics"),
            ("at", "@SUM(A1)", "'@SUM(A1)"),
            ("tab", "\t=1", "'\t=1"),
            ("return", "\r=1", "'\r=1"),
            ("empty", "", ""),
        ] {
            assert_eq!(for_spreadsheets(cell), expected, "{case}");
        }
        for (letter, units) in [("a", 1), ("é", 1), ("𝒳", 2)] {
            let most = letter.repeat(MOST_CHARACTERS / units);
            assert_eq!(for_spreadsheets(&most), most);
            let cut = for_spreadsheets(&(most + letter)).into_owned();
            let count = cut.encode_utf16().count();
            assert!(
                (MOST_CHARACTERS - 1..=MOST_CHARACTERS).contains(&count),
                "{count}"
            );
            assert!(cut.ends_with(&format!("{letter}…")));
        }
    }

    #[test]
    fn has_a_cell_for_every_column() {
        assert_eq!(
            resource_cells(&Resource::default()).len() + 7,
            COLUMNS.len()
        );
        let mut heading = String::new();
        push_heading(&mut heading);
        assert_eq!(heading.matches(',').count(), COLUMNS.len() - 1);
    }

    #[test]
    fn aligns_what_belongs_to_authors() {
        let author = |name: &str, orcid: Option<&str>| Agent {
            name: name.to_owned(),
            orcid: orcid.map(str::to_owned),
            ..Agent::default()
        };
        let link = |url: &str, fulltext| Link {
            url: url.to_owned(),
            format: None,
            purpose: match fulltext {
                true => LinkPurpose::FullText,
                false => LinkPurpose::Landing,
            },
        };
        let resource = Resource {
            agents: vec![author("A", None), author("B", Some("0"))],
            links: vec![
                link("http://1", false),
                link("http://2", true),
                link("http://3", true),
            ],
            ..Resource::default()
        };
        let cells = resource_cells(&resource);
        let cell = |name: &str| {
            let at = COLUMNS.iter().position(|column| *column == name).unwrap();
            cells[at - 7].as_str()
        };
        assert_eq!(cell("authors"), "A | B");
        assert_eq!(cell("orcids"), " | 0");
        assert_eq!(cell("affiliations"), "");
        assert_eq!(cell("fulltext_url"), "http://2");
        assert_eq!(cell("other_urls"), "http://1 | http://3");
    }
}
