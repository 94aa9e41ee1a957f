//! The place of a work in its journal or book: volume, issue, pages, ISSN, ISBN.

use serde::{Deserialize, Serialize};

use super::title::roman;

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
        // `II-221-5` is page 221 of part II; `viii` alone is a page of its own.
        if let Some(number) = second.filter(|part| has_digit(part)) {
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
    match roman(word) {
        Some(value) => Some(value.to_string().into()),
        None => (!word.is_empty() && word != "na").then(|| word.into()),
    }
}

/// Reads an issue as a volume is read; one that was turned into a date is `None`.
pub fn issue(raw: &str) -> Option<Box<str>> {
    if dated(&raw.trim().to_lowercase()).is_some() {
        return None;
    }
    volume(raw)
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
        assert_eq!(issue("6 Pt 2").as_deref(), Some("6"));
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
