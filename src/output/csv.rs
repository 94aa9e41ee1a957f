//! Rows of the CSV export.

use super::Item;
use crate::record::{Article, Kind};

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

/// Appends one row; a tombstone has no article and leaves its cells empty.
///
/// Values are as in the source, with line breaks. ` | ` separates the values of a cell. `orcids` and
/// `affiliations` have one value for each author; `; ` separates the affiliations of one author. Rows
/// end in CR LF.
///
/// Source: RFC 4180.
pub fn push_row(item: Item<'_>, article: Option<&Article>, out: &mut String) {
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
    let body = match article {
        Some(article) => article_cells(article),
        None => vec![String::new(); COLUMNS.len() - head.len()],
    };
    push_cells(out, head.into_iter().chain(body));
}

fn article_cells(article: &Article) -> Vec<String> {
    let one = |text: &Option<String>| text.clone().unwrap_or_default();
    let many = |texts: &[String]| texts.join(SEPARATOR);
    let fulltext_url = article.fulltext_url();
    let mut fulltext_left = fulltext_url.is_some();
    let other_urls = article.links.iter().filter(|link| {
        let is_it = fulltext_left && link.fulltext;
        fulltext_left &= !is_it;
        !is_it
    });
    let kind = match article.kind {
        Kind::Article => "article",
        Kind::Journal => "journal",
    };
    let subjects = article
        .subjects
        .iter()
        .map(|subject| match &subject.scheme {
            Some(scheme) => format!("{scheme}:{}", subject.term),
            None => subject.term.clone(),
        });
    vec![
        kind.to_owned(),
        one(&article.title),
        many(&article.other_titles),
        joined(article.authors.iter().map(|author| author.name.clone())),
        aligned(
            article
                .authors
                .iter()
                .map(|author| author.orcid.clone().unwrap_or_default()),
        ),
        aligned(
            article
                .authors
                .iter()
                .map(|author| author.affiliations.join("; ")),
        ),
        one(&article.journal),
        one(&article.publisher),
        one(&article.issn),
        one(&article.eissn),
        many(&article.other_issns),
        one(&article.doi),
        one(&article.published),
        one(&article.volume),
        one(&article.issue),
        one(&article.start_page),
        one(&article.end_page),
        many(&article.languages),
        joined(
            article
                .abstract_text
                .iter()
                .chain(&article.other_abstracts)
                .cloned(),
        ),
        many(&article.keywords),
        joined(subjects),
        fulltext_url.unwrap_or_default().to_owned(),
        joined(other_urls.map(|link| link.url.clone())),
        joined(
            article
                .licences
                .iter()
                .chain(&article.licence_urls)
                .cloned(),
        ),
        one(&article.country),
        one(&article.document_type),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Author, Link, crosswalk};

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
        let article = crosswalk::article(
            "oai_doaj",
            "<doajArticle><title>A, \"B\"</title><abstract>x&#13;\ny</abstract></doajArticle>",
        )
        .unwrap();
        let mut out = String::new();
        push_row(item(), Some(&article), &mut out);
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
    fn has_a_cell_for_every_column() {
        assert_eq!(article_cells(&Article::default()).len() + 7, COLUMNS.len());
        let mut heading = String::new();
        push_heading(&mut heading);
        assert_eq!(heading.matches(',').count(), COLUMNS.len() - 1);
    }

    #[test]
    fn aligns_what_belongs_to_authors() {
        let author = |name: &str, orcid: Option<&str>| Author {
            name: name.to_owned(),
            orcid: orcid.map(str::to_owned),
            ..Author::default()
        };
        let link = |url: &str, fulltext| Link {
            url: url.to_owned(),
            format: None,
            fulltext,
        };
        let article = Article {
            authors: vec![author("A", None), author("B", Some("0"))],
            links: vec![
                link("http://1", false),
                link("http://2", true),
                link("http://3", true),
            ],
            ..Article::default()
        };
        let cells = article_cells(&article);
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
