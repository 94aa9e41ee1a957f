//! The host of a component part: 773 and its enumeration.

use crate::record::marc::{Field, Record};
use crate::record::resource::{Date, DateKind, Kind, Related, Resource};

use super::super::values::{isbn, only_year, pages, without_isbd, without_stop};
use super::Reader;

/// Reads 773 of a part; of a whole, it is a collection that has it, which is no host.
pub(super) fn host(record: &Record, reader: Reader, resource: &mut Resource) {
    if resource.kind == Kind::Journal {
        resource.host.kind = Some(Kind::Journal);
        resource.host.title = resource.titles.first().map(|title| title.text.clone());
        return;
    }
    let mut taken = false;
    for field in record.all(&["773"]) {
        // $p is an abbreviation, whose full stop belongs to it.
        let title = field
            .first('t')
            .or_else(|| field.first('s'))
            .map(without_stop)
            .or_else(|| field.first('p').map(without_isbd))
            .filter(|text| !text.is_empty())
            .map(str::to_owned);
        let invenio = reader.invenio && title.is_some();
        if taken || !(reader.component || invenio) {
            if let Some(text) = title.filter(|text| resource.host.title.as_ref() != Some(text)) {
                let relation = Some("isPartOf".to_owned());
                resource.related.push(Related { relation, text });
            }
            continue;
        }
        taken = true;
        let host = &mut resource.host;
        let level = field.first('7').and_then(|codes| codes.chars().nth(3));
        host.kind = match (level, resource.kind) {
            (Some('s'), _) | (_, Kind::Article) => Some(Kind::Journal),
            (Some('m'), _) | (_, Kind::Chapter) => Some(Kind::Book),
            _ => None,
        };
        host.title = title;
        host.isbns.extend(field.all('z').filter_map(isbn));
        let mut issns = field.all('x').map(|text| without_stop(text).to_owned());
        host.issn = issns.next();
        host.other_issns.extend(issns);
        if invenio && (field.has('v') || field.has('c')) {
            host.volume = field.first('v').map(str::to_owned);
            host.issue = field.first('n').map(str::to_owned);
            if let Some((first, last)) = field.first('c').and_then(pages) {
                host.start_page = Some(first);
                host.end_page = last;
            }
        } else {
            enumeration(field, resource);
        }
    }
}

/// Sets the ISSN of 022; `electronic` says that the record is of an online edition.
pub(super) fn add_issn(resource: &mut Resource, issn: String, electronic: bool) {
    let host = &mut resource.host;
    let known = [&host.issn, &host.eissn];
    if known.into_iter().flatten().any(|known| *known == issn) {
        return;
    }
    let slot = match electronic && resource.kind == Kind::Journal {
        true => &mut host.eissn,
        false => &mut host.issn,
    };
    match slot {
        None => *slot = Some(issn),
        Some(_) => host.other_issns.push(issn),
    }
}

/// Whether the linking entry names an issue.
pub(super) fn has_issue(field: &Field) -> bool {
    Parts::of(field).issue.is_some()
}

/// $g as a text and $q as codes.
fn enumeration(field: &Field, resource: &mut Resource) {
    let parts = Parts::of(field);
    let host = &mut resource.host;
    host.volume = parts.volume;
    host.issue = parts.issue;
    if let Some((first, last)) = parts.pages {
        host.start_page = Some(first);
        host.end_page = last;
    }
    if let (Some(year), None) = (parts.year, resource.published()) {
        resource.dates.push(Date {
            kind: DateKind::Published,
            text: year,
        });
    }
    let citation: Vec<&str> = field
        .first('t')
        .into_iter()
        .chain(field.all('g').filter(|text| !is_keyed(text)))
        .map(without_isbd)
        .collect();
    if citation.len() > 1 {
        resource.citations.push(citation.join(", "));
    }
}

/// Whether a $g is one value with its name, such as `volume:12`.
fn is_keyed(text: &str) -> bool {
    let key = text.split(':').next().unwrap_or("");
    [
        "volume",
        "number",
        "year",
        "pages",
        "month",
        "day",
        "supplement",
        "extent",
        "date",
    ]
    .contains(&key)
}

/// What an enumeration tells.
#[derive(Debug, Default, PartialEq)]
struct Parts {
    volume: Option<String>,
    issue: Option<String>,
    pages: Option<(String, Option<String>)>,
    year: Option<String>,
}

/// What a word announces.
#[derive(Clone, Copy, PartialEq)]
enum Label {
    Volume,
    Issue,
    Pages,
    /// Another division, whose number is none of the others.
    Other,
}

fn label(word: &str) -> Option<Label> {
    let word = word.trim_end_matches(['.', ':']);
    Some(match word {
        "vol" | "vols" | "volume" | "v" | "bd" | "band" | "jg" | "jahrg" | "jahrgang" | "roč"
        | "ročník" | "t" | "tome" | "tomo" | "tom" | "т" | "том" | "год" | "cilt" | "årg"
        | "vsk" | "vuosikerta" | "årgång" | "årgang" | "sv" | "svazek" | "rocznik" | "r"
        | "god" | "évf" | "köt" | "letn" | "letnik" | "anno" | "año" | "año." => Label::Volume,
        "no" | "nos" | "nr" | "n" | "n°" | "nº" | "núm" | "num" | "number" | "numero" | "č"
        | "čís" | "číslo" | "h" | "heft" | "issue" | "iss" | "hft" | "häfte" | "№" | "вып"
        | "sayı" | "z" | "zeszyt" | "nro" | "br" | "sz" | "št" | "fasc" | "hefte" => Label::Issue,
        "p" | "pp" | "page" | "pages" | "s" | "seite" | "seiten" | "str" | "с" | "стр" | "sid"
        | "pág" | "págs" | "pag" | "blz" | "о" => Label::Pages,
        "pt" | "part" | "teil" | "část" | "ч" | "příl" | "suppl" | "supplement" | "kap" => {
            Label::Other
        }
        _ => return None,
    })
}

impl Parts {
    fn of(field: &Field) -> Self {
        let mut parts = Self::default();
        for text in field.all('g') {
            parts.read(text);
        }
        if let Some(text) = field.first('q') {
            parts.read_coded(text);
        }
        parts
    }

    /// Reads `Vol. 24, no. 9 (Sept. 1993), p. 235-48` and its like in other languages,
    /// `12(2004), 3, S. 1-5`, and `volume:12`.
    fn read(&mut self, text: &str) {
        if is_keyed(text) {
            let Some((key, value)) = text.split_once(':') else {
                return;
            };
            let value = value.trim();
            match key {
                "volume" => set(&mut self.volume, value),
                "number" => set(&mut self.issue, value),
                "year" => {
                    if let Some(year) = only_year(value) {
                        set(&mut self.year, year);
                    }
                }
                "pages" if self.pages.is_none() => self.pages = pages(value),
                _ => {}
            }
            return;
        }
        if self.year.is_none() {
            let stated = text.split(['(', ')']).skip(1).step_by(2);
            let years: Vec<&str> = stated.filter_map(only_year).collect();
            self.year = years.first().map(|year| (*year).to_owned());
        }
        // The label that is in force, and whether a number without one is the issue.
        let mut current: Option<Label> = None;
        let mut leading = true;
        let mut brackets = 0_usize;
        for word in words(text) {
            match word.as_str() {
                "(" => {
                    brackets += 1;
                    continue;
                }
                ")" => {
                    brackets = brackets.saturating_sub(1);
                    continue;
                }
                _ if brackets > 0 => continue,
                _ => {}
            }
            let lower = word.to_lowercase();
            if let Some(found) = label(&lower) {
                current = Some(found);
                continue;
            }
            // `S.12-20`, `č.3`
            let glued = lower.find('.').and_then(|at| {
                let found = label(&lower[..at])?;
                Some((found, word.get(at + 1..)?.to_owned()))
            });
            let (current_label, value) = match glued {
                Some((found, value)) if !value.is_empty() => (Some(found), value),
                _ => (current, word),
            };
            let value = value.trim_end_matches(['.', ',', ';', ':']);
            let numeric = value.starts_with(|c: char| c.is_ascii_digit());
            match current_label {
                Some(Label::Volume) if is_count(value) => set(&mut self.volume, value),
                Some(Label::Issue) if is_count(value) => set(&mut self.issue, value),
                Some(Label::Pages) if self.pages.is_none() => self.pages = pages(value),
                // `12(2004)3`: a volume alone, then the issue.
                None if numeric && is_count(value) && text.contains('(') => {
                    match leading && self.volume.is_none() && only_year(value).is_none() {
                        true => set(&mut self.volume, value),
                        false if self.volume.is_some() => set(&mut self.issue, value),
                        false => {}
                    }
                }
                _ => {}
            }
            leading = false;
            current = None;
        }
        // A year that stands where a volume does, as in `2004, Nr. 3`, tells the year.
        if self.year.is_none() {
            let first = text.split([',', ' ', ';']).next().unwrap_or("");
            self.year = only_year(first)
                .filter(|year| *year == first)
                .map(str::to_owned);
        }
    }

    /// Reads $q: `12:3<45`, volume, issue and first page.
    ///
    /// Source: MARC 21, 773 $q (SICI).
    fn read_coded(&mut self, text: &str) {
        let (numbers, page) = match text.split_once('<') {
            Some((numbers, page)) => (numbers, Some(page)),
            None => (text, None),
        };
        let mut numbers = numbers.split(':').map(str::trim);
        for slot in [&mut self.volume, &mut self.issue] {
            if let Some(number) = numbers.next().filter(|number| is_count(number)) {
                set(slot, number);
            }
        }
        if self.pages.is_none() {
            self.pages = page.and_then(pages);
        }
    }
}

fn set(slot: &mut Option<String>, text: &str) {
    if slot.is_none() && !text.is_empty() {
        *slot = Some(text.to_owned());
    }
}

/// Whether a text can be the number of a volume or issue.
fn is_count(text: &str) -> bool {
    let roman = !text.is_empty() && text.chars().all(|c| "IVXLCDM".contains(c));
    text.len() <= 15 && (text.starts_with(|c: char| c.is_ascii_digit()) || roman)
}

/// Words, with brackets as words of their own and ranges of pages as one word.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    // `12 - 20` is one word.
    let text = text
        .replace(" - ", "-")
        .replace(" – ", "–")
        .replace("- ", "-")
        .replace("n. ", "n ");
    for c in text.chars() {
        match c {
            '(' | ')' | '[' | ']' => {
                let bracket = if c == '(' || c == '[' { "(" } else { ")" };
                words.push(bracket.to_owned());
                words.push(String::new());
            }
            ',' | ';' => words.push(String::new()),
            c if c.is_whitespace() => words.push(String::new()),
            c => words.last_mut().expect("never empty").push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> [Option<String>; 5] {
        let mut parts = Parts::default();
        for text in text.split('|') {
            match text.strip_prefix("q ") {
                Some(coded) => parts.read_coded(coded),
                None => parts.read(text),
            }
        }
        let (first, last) = parts
            .pages
            .map_or((None, None), |(first, last)| (Some(first), last));
        [parts.volume, parts.issue, first, last, parts.year]
    }

    #[test]
    fn reads_enumerations() {
        let cases = [
            (
                "Vol. 24, pt. B no. 9 (Sept. 1993), p. 235-48",
                ["24", "9", "235", "248", "1993"],
            ),
            (
                "Roč. 37, č. 2 (1999), s. 91-98",
                ["37", "2", "91", "98", "1999"],
            ),
            ("12(2004), 3, S. 123-145", ["12", "3", "123", "145", "2004"]),
            (
                "Bd. XII (1999), Heft 3, S. 45 - 67",
                ["XII", "3", "45", "67", "1999"],
            ),
            (
                "Jahrgang 12, Heft 3 (1990), Seite 45",
                ["12", "3", "45", "", "1990"],
            ),
            (
                "volume:12|year:2004|number:3|pages:123-145",
                ["12", "3", "123", "145", "2004"],
            ),
            ("23:2 (2012), s. 4-9", ["23:2", "", "4", "9", "2012"]),
            ("q 37:2<91-98", ["37", "2", "91", "98", ""]),
            ("2014, č. 5, s.12-15", ["", "5", "12", "15", "2014"]),
            ("Summer 1990", ["", "", "", "", ""]),
            ("(1998)", ["", "", "", "", "1998"]),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|text| (!text.is_empty()).then(|| text.to_owned()));
            assert_eq!(parts(text), expected, "{text}");
        }
    }
}
