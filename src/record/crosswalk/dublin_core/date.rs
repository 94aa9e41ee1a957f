//! Finds out what each date means, and which one is that of publication.

use super::statements::Statement;
use crate::record::resource::{Date, DateKind};

/// The dates of a record, in document order. One at most is that of publication.
///
/// `citation_year` is the year in the record's own citation: it comes before a date that is not
/// qualified. Impossible dates, and texts without a year, are left out.
pub(super) fn dates(statements: &[&Statement], citation_year: Option<&str>) -> Vec<Date> {
    let readings: Vec<Reading> = statements.iter().filter_map(|s| read(s)).collect();
    let stated = readings
        .iter()
        .position(|reading| reading.kind == Some(DateKind::Published));
    let chosen = stated.or_else(|| choose(&readings));
    let chosen_year = chosen.map(|at| readings[at].year.as_str());
    let cited = citation_year.filter(|year| stated.is_none() && chosen_year != Some(year));
    let mut dates = Vec::new();
    if let Some(year) = cited {
        dates.push(Date {
            kind: DateKind::Published,
            text: year.to_owned(),
        });
    }
    for (at, reading) in readings.into_iter().enumerate() {
        let is_published = Some(at) == chosen && cited.is_none();
        let kind = match reading.kind {
            _ if is_published => DateKind::Published,
            Some(DateKind::Published) | None if reading.timestamp => DateKind::Available,
            Some(DateKind::Published) | None => DateKind::Other,
            Some(kind) => kind,
        };
        let date = Date {
            kind,
            text: reading.text,
        };
        if !dates.contains(&date) {
            dates.push(date);
        }
    }
    dates
}

/// A date as written, and what is known of it.
struct Reading {
    text: String,
    year: String,
    /// What it is, if the source says so.
    kind: Option<DateKind>,
    /// Whether it has a time of day, which repositories add to dates of their own work.
    timestamp: bool,
}

fn read(statement: &Statement) -> Option<Reading> {
    let line = statement.line();
    let qualified = statement.qualifier.as_deref().map(kind_of);
    let (kind, text) = match labelled(&line) {
        Some((kind, text)) => (Some(kind), text.to_owned()),
        None => (qualified, line),
    };
    let text = compact(&text).unwrap_or(text);
    let year = year(&text)?.to_owned();
    Some(Reading {
        timestamp: is_timestamp(&text),
        text,
        year,
        kind,
    })
}

/// `2015-01-31` for `20150131`, which readers of years do not take for a date; `None` for other texts.
fn compact(text: &str) -> Option<String> {
    let digits = text.trim();
    if digits.len() != 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, month, day) = (&digits[..4], &digits[4..6], &digits[6..]);
    let is_date = ("1000".."2200").contains(&year)
        && ("01"..="12").contains(&month)
        && ("01"..="31").contains(&day);
    is_date.then(|| format!("{year}-{month}-{day}"))
}

/// The date of publication among those that are not qualified: of the plain ones, or of those with
/// a time if there are no others, the earliest year. Dates of making stand in.
fn choose(readings: &[Reading]) -> Option<usize> {
    let with = |wanted: Option<DateKind>, timestamp: Option<bool>| {
        let all = readings.iter().enumerate();
        all.filter(|(_, reading)| reading.kind == wanted)
            .filter(|(_, reading)| timestamp.is_none_or(|timestamp| reading.timestamp == timestamp))
            .min_by(|(_, a), (_, b)| a.year.cmp(&b.year))
            .map(|(at, _)| at)
    };
    with(None, Some(false))
        .or_else(|| with(None, Some(true)))
        .or_else(|| with(Some(DateKind::Created), None))
        .or_else(|| with(Some(DateKind::Copyright), None))
}

/// What a qualifier, or the word before a date, means.
fn kind_of(word: &str) -> DateKind {
    let word = word.to_lowercase();
    for (kind, words) in WORDS {
        if words.contains(&word.as_str()) {
            return *kind;
        }
    }
    DateKind::Other
}

const WORDS: &[(DateKind, &[&str])] = &[
    (
        DateKind::Published,
        &[
            "issued",
            "published",
            "publicationdate",
            "publication",
            "defence",
            "defense",
            "defended",
            "awarded",
            "graduation",
            "year",
            "dateissued",
            "print",
            "pubdate",
        ],
    ),
    (
        DateKind::Created,
        &["created", "creation", "written", "collected"],
    ),
    (
        DateKind::Submitted,
        &["submitted", "submission", "received"],
    ),
    (DateKind::Accepted, &["accepted", "acceptance", "approved"]),
    (
        DateKind::Available,
        &[
            "available",
            "accessioned",
            "embargo",
            "embargoend",
            "embargoed",
            "embargoedenddate",
            "embargountil",
            "deposited",
            "online",
            "posted",
        ],
    ),
    (
        DateKind::Modified,
        &["modified", "updated", "update", "lastmodified", "revised"],
    ),
    (DateKind::Copyright, &["copyright", "copyrighted"]),
];

/// `Issued: 2012`, `info:eu-repo/date/embargoEnd/2021-01-01`.
fn labelled(text: &str) -> Option<(DateKind, &str)> {
    if let Some(rest) = text.strip_prefix("info:eu-repo/date/") {
        let (word, date) = rest.split_once('/')?;
        return Some((kind_of(word), date));
    }
    let (word, date) = text.split_once(':')?;
    let is_word = !word.is_empty() && word.chars().all(char::is_alphabetic);
    is_word.then(|| (kind_of(word), date.trim()))
}

/// Whether a date has a time of day.
fn is_timestamp(text: &str) -> bool {
    text.match_indices(':').any(|(at, _)| {
        let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
        at > 0 && digit(text.as_bytes().get(at - 1)) && digit(text.as_bytes().get(at + 1))
    })
}

/// The first year in a text, from 1000 to 2099: four digits that stand alone, or the first of eight
/// that are a date (`20150131`).
pub(super) fn year(text: &str) -> Option<&str> {
    text.split(|c: char| !c.is_ascii_digit())
        .filter(|run| match run.len() {
            4 => true,
            8 => ("01"..="12").contains(&&run[4..6]) && ("01"..="31").contains(&&run[6..]),
            _ => false,
        })
        .map(|run| &run[..4])
        .find(|year| ("1000".."2100").contains(year))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(text: &str) -> Statement {
        let (qualifier, text) = match text.split_once('=') {
            Some((qualifier, text)) => (Some(qualifier.to_owned()), text),
            None => (None, text),
        };
        Statement {
            element: "date".to_owned(),
            qualifier,
            text: text.to_owned(),
            ..Statement::default()
        }
    }

    /// A name, the dates of a record, the year of its citation and the date wanted.
    type Case<'a> = (&'a str, &'a [&'a str], Option<&'a str>, Option<&'a str>);

    #[test]
    fn finds_the_date_of_publication() {
        let cases: [Case<'_>; 20] = [
            (
                "DSpace",
                &[
                    "2013-06-02T18:19:40Z",
                    "2013-06-02T18:19:40Z",
                    "2011",
                    "2013-06-02",
                ],
                None,
                Some("2011"),
            ),
            (
                "bepress",
                &["2014-01-01T08:00:00Z"],
                None,
                Some("2014-01-01T08:00:00Z"),
            ),
            (
                "embargo without end",
                &["2015-05-14", "9999-01-01"],
                None,
                Some("2015-05-14"),
            ),
            (
                "withheld",
                &["MONTHS_WITHHELD:12", "2015-08"],
                None,
                Some("2015-08"),
            ),
            (
                "embargo of OpenAIRE",
                &["info:eu-repo/date/embargoEnd/2009-01-01", "2011"],
                None,
                Some("2011"),
            ),
            (
                "DataCite",
                &["Created: 2001", "Issued: 2012"],
                None,
                Some("2012"),
            ),
            (
                "made only",
                &["Created: 2001", "Updated: 2000"],
                None,
                Some("2001"),
            ),
            (
                "DIM",
                &[
                    "accessioned=2001-01-01T00:00:00Z",
                    "issued=2005",
                    "available=2000",
                ],
                None,
                Some("2005"),
            ),
            (
                "DIM without issue",
                &["accessioned=2001-01-01T00:00:00Z"],
                None,
                None,
            ),
            (
                "in the citation",
                &["2011-04-14"],
                Some("1993"),
                Some("1993"),
            ),
            (
                "as in the citation",
                &["2011-04-14"],
                Some("2011"),
                Some("2011-04-14"),
            ),
            (
                "qualified before cited",
                &["issued=2011"],
                Some("1993"),
                Some("2011"),
            ),
            ("only in the citation", &[], Some("1993"), Some("1993")),
            ("zeros", &["0000-00-00"], None, None),
            ("words", &["in press"], None, None),
            ("part of a year", &["2005", "20"], None, Some("2005")),
            ("run together", &["20150131"], None, Some("2015-01-31")),
            ("day first", &["12-20-2007"], None, Some("12-20-2007")),
            (
                "range",
                &["Between 1899-1902"],
                None,
                Some("Between 1899-1902"),
            ),
            (
                "time only",
                &["2015-01-11T15:20:21"],
                None,
                Some("2015-01-11T15:20:21"),
            ),
        ];
        for (case, texts, citation_year, expected) in cases {
            let statements: Vec<Statement> = texts.iter().map(|text| statement(text)).collect();
            let dates = dates(&statements.iter().collect::<Vec<_>>(), citation_year);
            let mut published = dates.iter().filter(|date| date.kind == DateKind::Published);
            assert_eq!(
                published.next().map(|date| date.text.as_str()),
                expected,
                "{case}"
            );
            assert_eq!(published.next(), None, "{case}");
        }
    }

    #[test]
    fn finds_years() {
        let cases = [
            ("ca. 1907-1914", Some("1907")),
            ("[1892]", Some("1892")),
            ("c1998", Some("1998")),
            ("August 16, 1920", Some("1920")),
            ("10000-01-01", None),
            ("20159999", None),
            ("19--", None),
        ];
        for (text, expected) in cases {
            assert_eq!(year(text), expected, "{text}");
        }
    }
}
