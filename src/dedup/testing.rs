//! Test records in a one-line notation.

use super::{description::Description, labelled::Record};

/// Parses a description from `field=value; field=value`.
///
/// Fields are those of a labelled set; `author` and `issn` may be repeated. Panics on others.
pub(crate) fn record(text: &str) -> Description {
    let mut record = Record::default();
    for part in text
        .split(';')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let (field, value) = part.split_once('=').expect("field=value");
        let value = value.to_owned();
        match field {
            "type" => record.document_type = Some(value),
            "title" => record.title = Some(value),
            "author" => record.authors.push(Some(value)),
            "venue" => record.venue = Some(value),
            "year" => record.year = value.into(),
            "volume" => record.volume = Some(value),
            "issue" => record.issue = Some(value),
            "pages" => record.pages = Some(value),
            "doi" => record.doi = Some(value),
            "issn" => record.issn.push(value),
            "isbn" => record.isbn.push(value),
            "url" => record.url = Some(value),
            other => panic!("no field {other}"),
        }
    }
    record.describe()
}
