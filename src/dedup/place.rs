//! The place of a work in its journal or book: volume, issue, pages, ISSN, ISBN.

use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};

use super::number::roman_volume;

/// Pages or an article number made comparable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pages {
    /// First page or article number: lower-case letters and digits, such as `139` or `e88072`.
    #[serde(rename = "f")]
    pub first: Box<str>,
    /// Last page in full (`139-54` ends at 154), if there is a later one.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Box<str>>,
    /// The pages had been turned into a date (`11-Jun` for 6-11), so that their order is a guess:
    /// they may agree with others but never conflict.
    #[serde(rename = "d", default, skip_serializing_if = "std::ops::Not::not")]
    pub damaged: bool,
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

/// Words before a page or an article number.
const LABELS: [&str; 15] = [
    "pages",
    "page",
    "pp.",
    "pp",
    "p.",
    "article",
    "articleid",
    "art.",
    "art",
    "no.",
    "number",
    "id",
    "e-page",
    "paper",
    "p",
];

/// Reads pages as written; `None` if there is no page number in them.
pub fn pages(raw: &str) -> Option<Pages> {
    let lower = raw.trim().to_lowercase();
    if let Some(damaged) = dated(&lower) {
        return Some(damaged);
    }
    let mut text = lower.as_str();
    while let Some(rest) = LABELS.iter().find_map(|label| {
        let rest = text.strip_prefix(label)?;
        // `p12` may be a page of its own numbering, and `art` the beginning of a word.
        let parted =
            label.ends_with('.') || rest.starts_with(|c: char| c.is_whitespace() || c == ':');
        parted.then_some(rest)
    }) {
        text = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ':');
    }
    // What follows (a discussion, a second range) says nothing about where the work begins.
    let range = text
        .split([';', ',', '+', '&', '/'])
        .next()
        .unwrap_or_default()
        .trim();
    let mut parts = range
        .split(is_dash)
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let mut first = compact(parts.next()?.split_whitespace().next_back()?);
    let mut second = parts.next();
    if !has_digit(&first) {
        // `II-221-5` is page 221 of part II; `viii` alone is a page of its own. `Suppl-16` and
        // `t-20` are no pages.
        let part_of_a_volume =
            (first.len() == 1 && first != "t") || first.chars().all(|c| "ivxlc".contains(c));
        if let Some(number) = second.filter(|part| has_digit(part)) {
            if !part_of_a_volume {
                return None;
            }
            first.push_str(&compact(number.split_whitespace().next()?));
            second = parts.next();
        } else if !first.chars().all(|c| "ivxlc".contains(c)) {
            return None;
        }
    }
    let first = unpadded(&first);
    if first.is_empty() || first == "0" {
        return None;
    }
    let last = second
        .and_then(|part| part.split_whitespace().next())
        .and_then(|part| last_page(&first, &compact(part)));
    Some(Pages {
        first: first.into(),
        last,
        damaged: false,
    })
}

/// Pages out of a first and a last page that came apart.
pub fn pages_of(start: &str, end: Option<&str>) -> Option<Pages> {
    let mut read = pages(start)?;
    if read.last.is_none() && !read.damaged {
        read.last = end
            .and_then(pages)
            .and_then(|end| last_page(&read.first, &end.first));
    }
    Some(read)
}

/// A range that a spreadsheet took for a date: day and month, or month and year.
fn dated(lower: &str) -> Option<Pages> {
    let (a, b) = lower.split_once('-')?;
    let month = |text: &str| {
        MONTHS
            .iter()
            .position(|name| *name == text)
            .map(|at| at as u32 + 1)
    };
    let day = |text: &str| {
        (text.len() <= 2)
            .then(|| text.parse::<u32>().ok())
            .flatten()
    };
    let (x, y) = month(a).zip(day(b)).or_else(|| day(a).zip(month(b)))?;
    let last = Some(x.max(y).to_string().into());
    Some(Pages {
        first: x.min(y).to_string().into(),
        last,
        damaged: true,
    })
}

/// The last page in full, if it comes after `first`.
fn last_page(first: &str, last: &str) -> Option<Box<str>> {
    let (letters, number) = split_number(first)?;
    let (_, end) = split_number(last)?;
    let digits = number.to_string();
    let end_digits = end.to_string();
    let full: u64 = if end_digits.len() < digits.len() {
        format!("{}{end_digits}", &digits[..digits.len() - end_digits.len()])
            .parse()
            .ok()?
    } else {
        end
    };
    (full > number).then(|| format!("{letters}{full}").into())
}

/// `e88072` as (`e`, 88072); `None` without digits at the end.
pub(super) fn split_number(page: &str) -> Option<(&str, u64)> {
    let letters = page.trim_end_matches(|c: char| c.is_ascii_digit());
    Some((letters, page[letters.len()..].parse().ok()?))
}

fn unpadded(page: &str) -> String {
    match split_number(page) {
        Some((letters, number)) => format!("{letters}{number}"),
        None => page.to_owned(),
    }
}

fn compact(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

fn has_digit(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit())
}

/// All that stands between two pages, with the damage of bad decoding (`42???4`).
fn is_dash(c: char) -> bool {
    matches!(
        c,
        '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '~' | '?' | '\u{fffd}'
    )
}

/// Reads a volume: its number as digits, or the folded text if there is none.
///
/// `88 Suppl 1` and `88 (3)` are 88; `Section B. 296`, as databases break titles off, is 296; a
/// Roman numeral is its value. `None` for blanks and for scraps such as `1)`.
pub fn volume(raw: &str) -> Option<Box<str>> {
    let text = raw.trim();
    if text.contains(')') && !text.contains('(') {
        return None;
    }
    let number = |digits: &str| {
        let bare = digits.trim_start_matches('0');
        (!bare.is_empty()).then(|| Box::from(bare))
    };
    let digits =
        |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if digits(text) > 0 {
        return number(&text[..digits(text)]);
    }
    let head = text.split('(').next().unwrap_or_default();
    if let Some(end) = head.rfind(|c: char| c.is_ascii_digit()) {
        let run = head[..=end]
            .trim_end_matches(|c: char| c.is_ascii_digit())
            .len();
        return number(&head[run..=end]);
    }
    let folded = super::text::fold(text);
    let word = folded.strip_prefix("vol ").unwrap_or(&folded);
    match roman_volume(word) {
        Some(value) => Some(value.to_string().into()),
        None => (!word.is_empty() && word != "na").then(|| word.into()),
    }
}

/// Reads an issue as a volume is read; one that was turned into a date is `None`, a supplement is
/// `s` and its number.
pub fn issue(raw: &str) -> Option<Box<str>> {
    if dated(&raw.trim().to_lowercase()).is_some() {
        return None;
    }
    supplement(raw).or_else(|| volume(raw))
}

/// The supplement that an issue or a volume names: `S1`, `Suppl. 1` and `88 Suppl 1` are `s1`, one
/// without a number is `s`.
pub fn supplement(raw: &str) -> Option<Box<str>> {
    static WRITTEN: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?i)(?:^|[^a-z])(?:suppl?(?:ement|emento)?|supl(?:emento)?|s)\W*0*(\d*)(?:[^a-z\d]|$)")
            .expect("a valid pattern")
    });
    // Nearly all issues are a number.
    if raw.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let found = WRITTEN.captures(raw)?;
    let number = found.get(1).map_or("", |number| number.as_str());
    // A letter alone is not much: `S` may be the name of a series.
    let letter = !raw.to_lowercase().contains("sup");
    (!letter || !number.is_empty()).then(|| format!("s{number}").into())
}

/// Whether two issues can be one: a supplement without a number may be any, and a number beside it
/// counts the supplements in one database and the issues in another.
pub(super) fn issues_conflict(a: &str, b: &str) -> bool {
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let supplement = |text: &str| text.strip_prefix('s').is_some_and(number);
    match (number(a), number(b)) {
        (true, true) => a != b,
        (false, false) => supplement(a) && supplement(b) && a != "s" && b != "s" && a != b,
        _ => false,
    }
}

/// The place that a text in the field of the journal names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Citation<'a> {
    /// The title of the journal.
    pub(super) journal: Option<&'a str>,
    /// Volume.
    pub(super) volume: Option<Box<str>>,
    /// Issue.
    pub(super) issue: Option<Box<str>>,
    /// Pages.
    pub(super) pages: Option<Pages>,
    /// Year.
    pub(super) year: Option<u16>,
}

/// Reads a field of the journal that holds a whole citation; `None` if it is a title and no more.
///
/// Forms: `Name. 46 (6) (pp 393-400), 1998` of Embase, `Name, 46(6), 393-400` of APA, `Name 46
/// (1998) 393-400` of physics, `Name, 9 1-20, (2016)` of Zenodo, `Name, Vol. 46, No. 6, pp.
/// 393-400`.
pub(super) fn citation(raw: &str) -> Option<Citation<'_>> {
    static WRITTEN: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"(?ix)^ (?<journal> [^\d]*?\pL[^\d]*? ) [\s.,:;]+
            (?: v(?:ol(?:ume)?)?\.?\s* )? (?<volume> \d{1,4} ) \b \s*
            (?: \( (?<before> (?:1[89]|20)\d\d ) \) \s* [,:;]?\s* )?
            (?: \( (?<issue> [^()]{1,24} ) \) | [,;]?\s*(?:no|nr|n|iss|issue|num)\b\.?\s*(?<number> \d+) )?
            \s* [,:;]? \s* \(? (?: pp?\.? \s* | pages? \s* )?
            (?<pages> [a-z]?\d+ \s*[-\u{2010}-\u{2015}]\s* [a-z]?\d+ | [a-z]?\d{2,} ) \)?
            (?: [\s.,;]* \(? (?<year> (?:1[89]|20)\d\d ) \)? \b .* )? [\s.,;]* $",
        )
        .expect("a valid pattern")
    });
    if !has_digit(raw) {
        return None;
    }
    let found = WRITTEN.captures(raw.trim())?;
    let text = |name: &str| found.name(name).map(|part| part.as_str());
    let mut year = text("before").or(text("year"));
    let mut place = text("pages").and_then(pages);
    // `Conference 12, 2016` ends in a year.
    let bare = place.take_if(|pages| pages.last.is_none() && is_year(&pages.first));
    if bare.is_some() {
        year = year.or(text("pages"));
    }
    Some(Citation {
        journal: text("journal"),
        volume: text("volume").and_then(volume),
        issue: text("issue").or(text("number")).and_then(issue),
        pages: place,
        year: year.and_then(|year| year.parse().ok()),
    })
}

fn is_year(text: &str) -> bool {
    text.len() == 4 && (text.starts_with("19") || text.starts_with("20"))
}

/// The title of a journal without its medium: `Revista (Online)`.
pub(super) fn without_medium(raw: &str) -> &str {
    const MEDIA: [&str; 18] = [
        "online",
        "print",
        "electronic",
        "internet",
        "printed",
        "en línea",
        "en linea",
        "impresa",
        "impreso",
        "impressa",
        "impresso",
        "en ligne",
        "imprimé",
        "elektronisch",
        "testo stampato",
        "cd-rom",
        "electrónica",
        "eletrônica",
    ];
    let trimmed = raw.trim();
    let Some((title, medium)) = trimmed
        .strip_suffix([')', ']'])
        .and_then(|text| text.rsplit_once(['(', '[']))
    else {
        return raw;
    };
    let medium = medium.to_lowercase();
    match MEDIA.contains(&medium.trim()) && !title.trim().is_empty() {
        true => title.trim_end(),
        false => raw,
    }
}

/// An ISSN as its first seven digits; the eighth follows from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Issn(u32);

impl Issn {
    /// Reads an ISSN with or without its hyphen; `None` if its form or check digit is wrong.
    ///
    /// A wrong ISSN would make records conflict that are one, so it counts as missing. Words around
    /// it (`ISSN`, `(Print)`) are passed over, a leading zero that a spreadsheet took is put back.
    pub fn read(raw: &str) -> Option<Issn> {
        let compact = |text: &str| -> String {
            text.chars()
                .filter(char::is_ascii_alphanumeric)
                .map(|c| c.to_ascii_uppercase())
                .collect()
        };
        let parts = raw.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        let whole = compact(raw);
        Issn::of(whole.strip_prefix("ISSN").unwrap_or(&whole))
            .or_else(|| parts.map(compact).find_map(|part| Issn::of(&part)))
    }

    /// The first seven digits as a number, for storing.
    pub(super) fn number(self) -> u32 {
        self.0
    }

    /// What [`Issn::number`] was taken from.
    pub(super) fn from_number(number: u32) -> Issn {
        Issn(number)
    }

    /// Reads seven digits and the check digit.
    fn of(text: &str) -> Option<Issn> {
        let start = text.len().checked_sub(1)?;
        let (digits, check) = text.split_at_checked(start)?;
        let written = matches!(digits.len(), 6 | 7) && digits.bytes().all(|b| b.is_ascii_digit());
        let issn = Issn(digits.parse().ok().filter(|_| written)?);
        (issn.0 > 0 && check.starts_with(issn.check())).then_some(issn)
    }

    fn check(self) -> char {
        let sum: u32 = (0..7)
            .map(|at| self.0 / 10u32.pow(at) % 10 * (at + 2))
            .sum();
        match (11 - sum % 11) % 11 {
            10 => 'X',
            digit => char::from(b'0' + digit as u8),
        }
    }
}

impl std::fmt::Display for Issn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:04}-{:03}{}",
            self.0 / 1000,
            self.0 % 1000,
            self.check()
        )
    }
}

/// Reads an ISBN as its thirteen digits; `None` if its form or check digit is wrong.
pub fn isbn(raw: &str) -> Option<u64> {
    let text: String = raw
        .chars()
        .filter(|c| c.is_ascii_digit() || matches!(c, 'x' | 'X'))
        .collect();
    let thirteen = |twelve: u64| {
        let sum: u64 = (0..12)
            .map(|at| twelve / 10u64.pow(at) % 10 * if at % 2 == 0 { 3 } else { 1 })
            .sum();
        twelve * 10 + (10 - sum % 10) % 10
    };
    match text.len() {
        13 => text
            .parse()
            .ok()
            .filter(|whole| thirteen(whole / 10) == *whole),
        10 => {
            let digits: u64 = text[..9].parse().ok()?;
            let sum: u64 = (0..9u32)
                .map(|at| digits / 10u64.pow(at) % 10 * u64::from(at + 2))
                .sum();
            let check = match (11 - sum % 11) % 11 {
                10 => 'x',
                digit => char::from(b'0' + digit as u8),
            };
            (text.to_lowercase().ends_with(check)).then(|| thirteen(978_000_000_000 + digits))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_pages() {
        for (raw, want) in [
            ("139-54", Some(("139", Some("154"), false))),
            ("H1032-9", Some(("h1032", Some("h1039"), false))),
            ("H887-H894", Some(("h887", Some("h894"), false))),
            ("3596-604", Some(("3596", Some("3604"), false))),
            (
                "1296-303; discussion 1303-4",
                Some(("1296", Some("1303"), false)),
            ),
            (
                "384-91 table of contents",
                Some(("384", Some("391"), false)),
            ),
            ("28???42", Some(("28", Some("42"), false))),
            ("42–44", Some(("42", Some("44"), false))),
            ("pp. 12-14", Some(("12", Some("14"), false))),
            ("p 7", Some(("7", None, false))),
            ("Article 0123", Some(("123", None, false))),
            ("e88072", Some(("e88072", None, false))),
            ("II-221-5", Some(("ii221", Some("ii225"), false))),
            ("viii", Some(("viii", None, false))),
            ("92-92", Some(("92", None, false))),
            ("11-Jun", Some(("6", Some("11"), true))),
            ("May-14", Some(("5", Some("14"), true))),
            ("S-16", Some(("s16", None, false))),
            ("Suppl-16", None),
            ("t-20", None),
            ("no pagination", None),
            ("&NA;", None),
            ("0", None),
            ("", None),
            ("-", None),
        ] {
            let got = pages(raw);
            let got = got
                .as_ref()
                .map(|p| (&*p.first, p.last.as_deref(), p.damaged));
            assert_eq!(got, want, "{raw}");
        }
        assert_eq!(pages_of("12", Some("19")), pages("12-19"));
        assert_eq!(pages_of("12-19", Some("x")), pages("12-19"));
        assert_eq!(pages_of("12", Some("3")), pages("12-13"));
    }

    #[test]
    fn reads_volumes() {
        for (raw, want) in [
            ("12", Some("12")),
            ("088 Suppl 1", Some("88")),
            ("28 (3)", Some("28")),
            ("50C", Some("50")),
            ("Vol 92", Some("92")),
            ("Heart and circulatory physiology. 296", Some("296")),
            ("XII", Some("12")),
            ("1)", None),
            ("&NA;", None),
            ("0", None),
            (" ", None),
        ] {
            assert_eq!(volume(raw).as_deref(), want, "{raw}");
        }
        assert_eq!(issue("01-Feb"), None);
        assert_eq!(volume("XLII").as_deref(), Some("42"));
        for (raw, want) in [
            ("6 Pt 2", Some("6")),
            ("S1", Some("s1")),
            ("SUPPL. 01", Some("s1")),
            ("Suppl", Some("s")),
            ("3 Suppl 2", Some("s2")),
            ("Suplemento 2", Some("s2")),
            ("S", Some("s")),
            ("Sep", Some("sep")),
        ] {
            assert_eq!(issue(raw).as_deref(), want, "{raw}");
        }
        for (a, b, want) in [
            ("1", "2", true),
            ("1", "1", false),
            ("s1", "s2", true),
            ("s", "s2", false),
            ("s1", "1", false),
            ("sep", "9", false),
        ] {
            assert_eq!(issues_conflict(a, b), want, "{a} {b}");
        }
    }

    #[test]
    fn reads_citations() {
        let read = |raw| {
            let found = citation(raw)?;
            let pages = found.pages.as_ref();
            Some(format!(
                "{}|{}|{}|{}-{}|{}",
                found.journal.unwrap_or_default(),
                found.volume.as_deref().unwrap_or_default(),
                found.issue.as_deref().unwrap_or_default(),
                pages.map_or("", |pages| &pages.first),
                pages
                    .and_then(|pages| pages.last.as_deref())
                    .unwrap_or_default(),
                found.year.map(|year| year.to_string()).unwrap_or_default(),
            ))
        };
        for (raw, want) in [
            (
                "Cardiology. 46 (6) (pp 393-400)",
                Some("Cardiology|46|6|393-400|"),
            ),
            (
                "Cardiology. 46 (6) (pp 393-400), 1998. Date of Publication: 1998.",
                Some("Cardiology|46|6|393-400|1998"),
            ),
            (
                "Journal of Hearts, 46(SUPPL. 1), S393–S400",
                Some("Journal of Hearts|46|s1|s393-s400|"),
            ),
            (
                "Journal of Vision Systems, 9 1-20, (2016)",
                Some("Journal of Vision Systems|9||1-20|2016"),
            ),
            ("Phys. Open 7, 100 (2019)", Some("Phys. Open|7||100-|2019")),
            (
                "Phys. Open 7 (2019) 100-112",
                Some("Phys. Open|7||100-112|2019"),
            ),
            (
                "Acta Medica, Vol. 12, No. 3, pp. 101-109",
                Some("Acta Medica|12|3|101-109|"),
            ),
            ("Journal of Hearts", None),
            ("Physical Review 2", None),
            ("Sports 2000", None),
        ] {
            assert_eq!(read(raw).as_deref(), want, "{raw}");
        }
    }

    #[test]
    fn media_are_no_titles() {
        assert_eq!(without_medium("Revista (Online)"), "Revista");
        assert_eq!(without_medium("Revista (Madrid)"), "Revista (Madrid)");
        assert_eq!(without_medium("(Online)"), "(Online)");
    }

    #[test]
    fn reads_issn_and_isbn() {
        for (raw, want) in [
            ("0300-8428", Some("0300-8428")),
            ("ISSN 0300 8428", Some("0300-8428")),
            ("1095-8584", Some("1095-8584")),
            ("2434-561x", Some("2434-561X")),
            ("0300-8429", None),
            ("0000-0000", None),
            ("abc", None),
            ("1095-8584 (Electronic)", Some("1095-8584")),
            ("Print: 0300-8428, online", Some("0300-8428")),
            ("3008428", Some("0300-8428")),
            ("12345678901", None),
        ] {
            assert_eq!(
                Issn::read(raw).map(|issn| issn.to_string()).as_deref(),
                want,
                "{raw}"
            );
        }
        for (raw, want) in [
            ("978-0-306-40615-7", Some(9_780_306_406_157)),
            ("0-306-40615-2", Some(9_780_306_406_157)),
            ("0-306-40615-3", None),
            ("080442957X", Some(9_780_804_429_573)),
            ("12", None),
        ] {
            assert_eq!(isbn(raw), want, "{raw}");
        }
    }
}
