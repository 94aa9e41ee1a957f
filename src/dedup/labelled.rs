//! Labelled sets: records, and which of them describe one work.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use super::{
    description::{Description, Form, Raw},
    place,
};

/// One record of a set: an object per line of a `records.jsonl`.
///
/// Unknown keys are passed over, missing ones are empty.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Record {
    /// The record's name in the set.
    pub id: String,
    /// The type, in any vocabulary.
    #[serde(rename = "type")]
    pub document_type: Option<String>,
    /// Title.
    pub title: Option<String>,
    /// Subtitle, where the source keeps it apart.
    pub subtitle: Option<String>,
    /// Authors in order.
    pub authors: Vec<Option<String>>,
    /// Title of the journal or book.
    pub venue: Option<String>,
    /// Year, as a number or text.
    pub year: Value,
    /// Volume.
    pub volume: Option<String>,
    /// Issue.
    pub issue: Option<String>,
    /// Pages.
    pub pages: Option<String>,
    /// DOI as written.
    pub doi: Option<String>,
    /// ISSNs.
    pub issn: Vec<String>,
    /// ISBNs.
    pub isbn: Vec<String>,
    /// The address of the full text.
    pub url: Option<String>,
}

/// Why a labelled set cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// A line of records is no such object.
    #[error("line {line}: not a record: {error}")]
    Record {
        /// Counted from 1.
        line: usize,
        /// The error.
        error: serde_json::Error,
    },
    /// A line of the truth lacks a column or has an odd value.
    #[error("line {line}: {what}")]
    Truth {
        /// Counted from 1.
        line: usize,
        /// What is missing.
        what: &'static str,
    },
}

impl Record {
    /// Describes the record for the rules.
    pub fn describe(&self) -> Description {
        fn text(field: &Option<String>) -> &str {
            field.as_deref().unwrap_or_default()
        }
        let title = match text(&self.subtitle) {
            "" => text(&self.title).to_owned(),
            subtitle => format!("{}: {subtitle}", text(&self.title)),
        };
        let year = match &self.year {
            Value::Number(year) => super::description::year(&year.to_string()),
            Value::String(year) => super::description::year(year),
            _ => None,
        };
        Description::read(Raw {
            journal: text(&self.document_type) == "journal",
            form: Form::Unknown,
            types: vec![text(&self.document_type)],
            title: &title,
            other_titles: &[],
            authors: self.authors.iter().flatten().map(String::as_str).collect(),
            venue: text(&self.venue),
            year,
            volume: text(&self.volume),
            issue: text(&self.issue),
            pages: place::pages(text(&self.pages)),
            issns: self.issn.iter().map(String::as_str).collect(),
            isbns: self.isbn.iter().map(String::as_str).collect(),
            dois: vec![text(&self.doi)],
            address: text(&self.url),
        })
    }
}

/// Reads records, one JSON object on each line; blank lines are passed over.
///
/// # Errors
/// [`SetError::Record`] with the first line that is no record.
pub fn read_records(text: &str) -> Result<Vec<Record>, SetError> {
    let lines = text
        .lines()
        .zip(1..)
        .filter(|(line, _)| !line.trim().is_empty());
    lines
        .map(|(line, number)| {
            serde_json::from_str(line).map_err(|error| SetError::Record {
                line: number,
                error,
            })
        })
        .collect()
}

/// Reads clusters (`id`, `cluster`, with a head line) into the cluster of each record.
///
/// # Errors
/// [`SetError::Truth`] for a line with fewer than two columns.
pub fn read_clusters(text: &str) -> Result<HashMap<String, String>, SetError> {
    let rows = rows(text).map(|(columns, line)| match columns.as_slice() {
        [id, cluster, ..] => Ok(((*id).to_owned(), (*cluster).to_owned())),
        _ => Err(SetError::Truth {
            line,
            what: "id and cluster expected",
        }),
    });
    rows.collect()
}

/// Whether the head line is that of a table of pairs.
pub fn has_pairs(text: &str) -> bool {
    let head = text.lines().next().unwrap_or_default();
    head.split('\t').map(str::trim).take(2).eq(["id1", "id2"])
}

/// Reads pairs (`id1`, `id2`, `label` 0 or 1, with a head line).
///
/// # Errors
/// [`SetError::Truth`] for a line with fewer than three columns or another label.
pub fn read_pairs(text: &str) -> Result<Vec<(String, String, bool)>, SetError> {
    let rows = rows(text).map(|(columns, line)| match columns.as_slice() {
        [a, b, "1", ..] => Ok(((*a).to_owned(), (*b).to_owned(), true)),
        [a, b, "0", ..] => Ok(((*a).to_owned(), (*b).to_owned(), false)),
        _ => Err(SetError::Truth {
            line,
            what: "id1, id2 and a label of 0 or 1 expected",
        }),
    });
    rows.collect()
}

/// Columns and number of each line after the head line.
fn rows(text: &str) -> impl Iterator<Item = (Vec<&str>, usize)> {
    let lines = text
        .lines()
        .zip(1..)
        .skip(1)
        .filter(|(line, _)| !line.trim().is_empty());
    lines.map(|(line, number)| (line.split('\t').collect(), number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_sets() {
        let line = r#"{"id":"a","type":"article","title":"The heart","subtitle":"a book","authors":["Li, W.",null],"year":2001,"issn":["0300-8428"],"new":1}"#;
        let records = read_records(&format!(
            "{line}\n\n{{\"id\":\"b\",\"year\":\"c2003\",\"title\":null}}\n"
        ));
        let records = records.unwrap();
        let described = records[0].describe();
        assert_eq!(&*described.title, "the heart a book");
        assert_eq!((described.year, described.authors.len()), (Some(2001), 1));
        assert_eq!(records[1].describe().year, Some(2003));
        assert_eq!(read_clusters("id\tcluster\na\tc1\n").unwrap()["a"], "c1");
        assert!(has_pairs("id1\tid2\tlabel\n") && !has_pairs("id\tcluster\n") && !has_pairs(""));
        let pairs = read_pairs("id1\tid2\tlabel\twhy\na\tb\t1\tx\na\tc\t0\tx\n").unwrap();
        assert_eq!(
            pairs.iter().map(|pair| pair.2).collect::<Vec<_>>(),
            [true, false]
        );
    }

    #[test]
    fn says_where_a_set_is_wrong() {
        let error = read_records("{\"id\":\"a\"}\nnonsense\n")
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("line 2: not a record: "), "{error}");
        let error = read_clusters("id\tcluster\nalone\n")
            .unwrap_err()
            .to_string();
        assert_eq!(error, "line 2: id and cluster expected");
        let error = read_pairs("id1\tid2\tlabel\na\tb\tmaybe\n")
            .unwrap_err()
            .to_string();
        assert_eq!(error, "line 2: id1, id2 and a label of 0 or 1 expected");
    }
}
