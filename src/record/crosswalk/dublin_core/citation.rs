//! A small grammar of citations: journal, volume, issue, pages and year, with its words in many
//! languages.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::words::fold;

/// What a citation says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Citation {
    pub(super) title: Option<String>,
    pub(super) volume: Option<String>,
    pub(super) issue: Option<String>,
    pub(super) start_page: Option<String>,
    pub(super) end_page: Option<String>,
    pub(super) year: Option<String>,
    /// Whether it is a part of something else than a journal: `In: …`.
    pub(super) within: bool,
}

impl Citation {
    /// Whether it says where in a journal something is, not only in what.
    pub(super) fn is_located(&self) -> bool {
        self.volume.is_some() || self.issue.is_some() || self.start_page.is_some()
    }
}

/// What is known of the resource that is cited.
#[derive(Debug, Default)]
pub(super) struct Own<'a> {
    /// Its titles.
    pub(super) titles: Vec<&'a str>,
    /// Its authors and publishers, which may precede the journal.
    pub(super) names: Vec<&'a str>,
    /// Texts that may be the journal's title by themselves.
    pub(super) plain: Vec<&'a str>,
}

/// Words before a volume. Those of one or two letters count only directly before a digit or with a
/// full stop.
///
/// Source: the locales of Open Journal Systems; DOAJ; HAL; Érudit.
const VOLUME_WORDS: &[&str] = &[
    "volume",
    "volumen",
    "volum",
    "vol",
    "band",
    "bd",
    "jahrgang",
    "jg",
    "jaarg",
    "jaargang",
    "diel",
    "tome",
    "tomo",
    "tom",
    "том",
    "cilt",
    "årgång",
    "årg",
    "ročník",
    "roč",
    "rocznik",
    "ročn",
    "svezak",
    "sv",
    "évf",
    "letnik",
    "letn",
    "köt",
    "kötet",
    "τόμος",
    "τόμ",
    "tập",
    "нөмір",
    "دوره",
    "مجلد",
    "المجلد",
    "כרך",
    "v",
    "t",
    "т",
    "卷",
    "巻",
    "권",
];

/// Words before an issue, likewise.
const ISSUE_WORDS: &[&str] = &[
    "number",
    "numero",
    "número",
    "numéro",
    "núm",
    "num",
    "nummer",
    "numer",
    "nro",
    "no",
    "nos",
    "nr",
    "n.º",
    "nº",
    "n°",
    "nᵒ",
    "№",
    "issue",
    "iss",
    "heft",
    "hft",
    "h",
    "číslo",
    "č",
    "br",
    "broj",
    "бр",
    "szám",
    "sayı",
    "sayi",
    "št",
    "αρ",
    "τεύχος",
    "số",
    "выпуск",
    "вып",
    "вип",
    "شماره",
    "عدد",
    "العدد",
    "מספר",
    "fasc",
    "fascicolo",
    "zeszyt",
    "z",
    "häfte",
    "n",
    "期",
    "号",
    "號",
    "호",
];

/// Words before pages, likewise.
const PAGE_WORDS: &[&str] = &[
    "pages", "page", "pp", "pgs", "pg", "págs", "pág", "pags", "pag", "paginas", "páginas",
    "seiten", "seite", "ss", "str", "стр", "sayfa", "hlm", "halaman", "σσ", "σ", "sid", "oldal",
    "p", "s", "с", "S",
];

const NUMBER: &str = r"[A-Za-z]{0,3}\d{1,5}[A-Za-z]{0,2}(?:\s?[-‐‑–—/&+]\s?[A-Za-z]{0,2}\d{1,5}[A-Za-z]?|\.\d{1,4}){0,3}|[IVXLC]{1,7}\b(?:\s?[-–/]\s?[IVXLC]{1,7}\b)?";

const ISSUE_TEXT: &str =
    r"(?i:sup(?:pl?|l)(?:ement(?:o|um)?)?\.?\s*\d*|especial|special(?: issue)?)";

const PAGE: &str = r"(?:[A-Za-z]{0,12}[.\-]?\d{1,9}[A-Za-z]{0,2}|[ivxlc]{1,7}\b)";

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the patterns of this file are valid")
}

/// A word of a table, perhaps with a full stop or colon, then a number.
fn word_and_number(words: &[&str], number: &str) -> String {
    let alternatives = |with_stop: bool| {
        let all = words
            .iter()
            .filter(|word| (word.chars().count() < 2) == with_stop);
        all.map(|word| regex::escape(word))
            .collect::<Vec<_>>()
            .join("|")
    };
    format!(
        r"(?:^|[\s,;:(\[.\-–—/]|\d)(?i:(?:{})\s*[.:º°]?\s*[:.]?\s*|(?:{})(?:\s*[.:]\s*|\s?)){number}",
        alternatives(false),
        alternatives(true),
    )
}

static VOLUME: LazyLock<Regex> =
    LazyLock::new(|| pattern(&word_and_number(VOLUME_WORDS, &format!("({NUMBER})"))));

static ISSUE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&word_and_number(
        ISSUE_WORDS,
        &format!("({NUMBER}|{ISSUE_TEXT})"),
    ))
});

static PAGES: LazyLock<Regex> = LazyLock::new(|| {
    let pages = format!(r"\s*({PAGE})(?:\s*[-‐‑–—]+\s*({PAGE}))?");
    pattern(&word_and_number(PAGE_WORDS, &pages))
});

/// Chinese, Japanese, Korean and Hungarian put the word after the number.
static VOLUME_AFTER: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)第?\s*(\d{1,4})\s*(?:[卷巻권]|\.?\s*(?:évf|évfolyam)\b\.?)"));

static ISSUE_AFTER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)第?\s*(\d{1,4}(?:[-–/]\d{1,4})?)\s*(?:[期號号호]|\.?\s*(?:szám)\b\.?)")
});

/// `V(N)`, where the bracket may hold the year and the issue follow.
static BRACKET: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?:^|[\s,;:])([A-Za-z]?\d{1,4}[A-Za-z]?)\s*\(([^()]{1,25})\)(?:\s*(\d{1,4}(?:[-–/]\d{1,4})?)\b)?",
    )
});

/// `2011 Mar 15;25(6):634`, `2016;57:29`.
static VANCOUVER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"[\s.,]((?:1[5-9]|20)\d\d)(?:\s+[A-Z][a-z]{2,8}\.?(?:\s+\d{1,2})?)?\s*;\s*(\d{1,4})\s*(?:\(([^()]{1,20})\))?\s*:",
    )
});

/// `2015, 356, 100-123`, `2015, 10(7), e0131202`, `2013 7:121` after the journal.
static YEAR_FIRST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"[^\d,;:(]\s((?:1[5-9]|20)\d\d),?\s+(\d{1,4})\s*(?:\(([^()]{1,20})\))?\s*(?:,\s|:)")
});

/// `, 2015, 52` before pages with a word.
static VOLUME_AFTER_YEAR: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r",\s((?:1[5-9]|20)\d\d),\s(\d{1,4})\s*(?:\(([^()]{1,20})\))?\s*,?\s*$")
});

/// `5:5578` after the journal.
static COLON: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r"[\s,](\d{{1,4}})\s?:\s?({PAGE})(?:\s?[-‐‑–—]+\s?({PAGE}))?"
    ))
});

/// `12:3 (2017)` before pages with a word.
static COLON_AND_YEAR: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"[\s,](\d{1,4})\s?:\s?(\d{1,3}(?:[-–/]\d{1,3})?)\s*\(((?:1[5-9]|20)\d\d)\)")
});

/// `BMJ, 344. e921`, `J. Chem. Phys. 123, 064507 (2005)`.
static PLAIN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r"[\s,](\d{{1,4}})(?:\.\s+(?:pp?\.\s*)?|,\s+(?:pp?\.\s*)?)({PAGE})(?:\s?[-‐‑–—]+\s?({PAGE}))?(?:\s*[.,]?\s*$|\s*\(\d{{4}}\)|[.,;]\s)"
    ))
});

/// `(2013)`, `(1986 November)`, `(2024-01-16)`, `(Winter 2003)`.
static YEAR_IN_BRACKETS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\((?:[^()\d]{0,20}\b)?((?:1[4-9]|20)\d\d)(?:[-/–]\d{1,4}){0,2}(?:[\s,][^()]{0,20})?\)",
    )
});

static YEAR: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?:^|[^\d\-–/.:])((?:1[5-9]|20)\d\d)(?:$|[^\d\-–/:])"));

/// Where what follows is no longer the citation.
static END: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)(?:[\s,;.(\[]+(?:e-?|p-?)?issn\b|[\s,;.(\[]*\bdoi\s*[:=]|[\s,;.(\[]+doi\b|⟨|〈|&lt;\s*http|&#x(?:27e8|3008);|\(?https?://|\bretrieved from\b|\bavailable (?:at|from)\b|[\s,;.(\[]+(?:pmid|pmcid|isbn)\b|<\s*http)",
    )
});

/// `126 p.`, `(6 pages)`: an extent, no place.
static EXTENT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)[\s,(]\d{1,5}\s*(?:p|pp|s|pages|págs?|seiten|стр|с)\b\.?\)?(?:\s|[.,;)]|$)")
});

/// `{EPrints <http://…/view/creators/1.html>}` and `[Conference or Workshop Item]`.
static NOISE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"<https?://[^<>]*/creators?/[^<>]*>|\[[A-Z][A-Za-z ()]{3,40}\]|\([A-Z][a-z]+ ?[A-Za-z]*\)\s*$",
    )
});

/// `Title. - 2017. - Т. 12`, as GOST 7.1 wants.
static DASHES: LazyLock<Regex> = LazyLock::new(|| pattern(r"\.\s[-–—]\s"));

static ISSN_FIRST: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)^\s*(?:e-?|p-?)?ISSN:?\s*\d{4}-?\d{3}[\dX]\s*[;,.]\s*"));

static SEGMENT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r"^\s*(?:pp?\.?\s*)?({PAGE})(?:\s*[-‐‑–—]+\s*({PAGE}))?\s*\.?$"
    ))
});

static AFTER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r"^\s*(?:\([^()]*\)\s*)?(?:[:,;]\s*|\.\s+|\s+)(?:pp?\.?\s*)?({PAGE})(?:\s*[-‐‑–—]+\s*({PAGE}))?\s*(?:$|[.,;(]|\s)"
    ))
});

static IN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^[\s.,:;]*(?:In|En|Em|Dans|Dins)\b\s*:?\s*(?:.{0,200}?\((?:eds?|Hrsg|coord|org)s?\.?\)[.,:]?\s*)?(.{3,}?)(?:\.\s|\.$|\s\(|,\s(?:pp?\b|\d{1,2} [A-Z][a-z]{2}|[A-Z][a-z]+ \d{1,2}[,-]|(?:1[5-9]|20)\d\d\b)|;|$)",
    )
});

/// Reads a citation of the resource.
///
/// Its own title, and what precedes it, is taken away first (APA, EPrints, DSpace). `None` if the
/// text has no volume, issue, page or year in the form of a citation.
pub(super) fn read(text: &str, own: &Own<'_>) -> Option<Citation> {
    // A word alone is a number of the repository's own.
    if text.is_ascii() && !text.contains(' ') {
        return None;
    }
    let text = NOISE.replace_all(text, "");
    let text = DASHES.replace_all(&text, ". ");
    let text = ISSN_FIRST.replace(&text, "");
    let (text, cited, year_before) = after_own_title(&text, own);
    let cut = END.find(text).map_or(text, |end| &text[..end.start()]);
    // A DOI within the text may begin it.
    let cut = if cut.trim().is_empty() { text } else { cut };
    let bare = without_extent(cut);
    let cut = bare.trim();
    let mut citation = ojs(cut)
        .or_else(|| grammar(cut, own, cited))
        .or_else(|| if cited { within(cut) } else { None })
        .or_else(|| if cited { named(cut, own) } else { None })?;
    if citation.year.is_none() {
        citation.year = year_before;
    }
    complete_end_page(&mut citation);
    Some(citation)
}

/// The text without an extent, which is no `1 pp. 121`: volume and pages.
fn without_extent(text: &str) -> Cow<'_, str> {
    let extent = EXTENT.find_iter(text).find(|found| {
        !text[found.end()..]
            .trim_start()
            .starts_with(|c: char| c.is_ascii_digit())
    });
    match extent {
        Some(found) => Cow::Owned([&text[..found.start()], " ", &text[found.end()..]].concat()),
        None => Cow::Borrowed(text),
    }
}

/// The parts of a citation that has no title: `vol. 6, no. 6`, `Volume: 12, Issue: 2 123-130`.
pub(super) fn read_place(text: &str) -> Option<Citation> {
    let citation = grammar(text, &Own::default(), true)?;
    (citation.title.is_none() && citation.is_located()).then_some(citation)
}

/// Pages that stand alone: `p. 115-134`, `115-134`.
pub(super) fn pages(text: &str) -> Option<(String, Option<String>)> {
    let found = SEGMENT.captures(text.trim())?;
    let end = found.get(2).map(|end| end.as_str().to_owned());
    Some((found[1].to_owned(), end))
}

/// The text after the resource's own title, whether the title was there, and the year that stands
/// before it. Without the title, authors at the beginning are taken away.
fn after_own_title<'a>(text: &'a str, own: &Own<'_>) -> (&'a str, bool, Option<String>) {
    for title in &own.titles {
        let main = title.split([':', ';', '–']).next().unwrap_or(title);
        for candidate in [*title, main] {
            if fold(candidate).len() < 12 && candidate != *title {
                continue;
            }
            if let Some((before, after)) = split_at_words(text, candidate) {
                // A title that is also the journal's, at the beginning.
                if before.trim().is_empty() || after.trim().is_empty() {
                    continue;
                }
                let year = last_year(before).or_else(|| last_year_of_end(after));
                return (after, true, year);
            }
        }
    }
    if let Some((year, after)) = own
        .titles
        .iter()
        .find_map(|title| after_title_roughly(text, title))
    {
        return (after, true, year);
    }
    let mut rest = text;
    for name in &own.names {
        if let Some((before, after)) = split_at_words(rest, name)
            && before.trim().is_empty()
            && after.trim_start().starts_with(['.', ',', ';', ':'])
        {
            rest = after.trim_start_matches([' ', '.', ',', ';', ':']);
        }
    }
    (rest, false, None)
}

/// As [`after_own_title`] where only the first words of a long title are the same: what follows the
/// sentence that begins with them.
fn after_title_roughly<'a>(text: &'a str, title: &str) -> Option<(Option<String>, &'a str)> {
    const WORDS: usize = 5;
    let bytes: Vec<(usize, usize)> = words(title).map(|(range, _)| range).collect();
    let end = bytes.get(WORDS).and_then(|_| bytes.get(WORDS - 1))?.1;
    let (before, after) = split_at_words(text, &title[..end])?;
    let (_, rest) = after.split_once(". ")?;
    let is_cited = !before.trim().is_empty();
    is_cited.then(|| (last_year(before), rest))
}

fn last_year(text: &str) -> Option<String> {
    let found = YEAR.captures_iter(text).last()?;
    Some(found[1].to_owned())
}

fn last_year_of_end(text: &str) -> Option<String> {
    YEAR_IN_BRACKETS
        .captures(text)
        .map(|found| found[1].to_owned())
}

/// Splits a text around the words of `part`, whatever case, accents and punctuation are.
fn split_at_words<'a>(text: &'a str, part: &str) -> Option<(&'a str, &'a str)> {
    let wanted: Vec<String> = words(part).map(|(_, word)| word).collect();
    if wanted.is_empty() {
        return None;
    }
    let found: Vec<((usize, usize), String)> = words(text).collect();
    let at = found
        .windows(wanted.len())
        .position(|window| window.iter().zip(&wanted).all(|((_, a), b)| a == b))?;
    let start = found[at].0.0;
    let end = found[at + wanted.len() - 1].0.1;
    Some((&text[..start], &text[end..]))
}

/// The words of a text with their bytes, folded.
fn words(text: &str) -> impl Iterator<Item = ((usize, usize), String)> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + text[at..].find(char::is_alphanumeric)?;
        let end = text[start..]
            .find(|c: char| !c.is_alphanumeric())
            .map_or(text.len(), |length| start + length);
        at = end;
        let word = text[start..end].to_lowercase();
        let word = if word.is_ascii() {
            word
        } else {
            fold(&word).trim().to_owned()
        };
        Some(((start, end), word))
    })
}

/// `Title; Vol. 5 No. 1 (1998): Name of the issue; 25-29`, as Open Journal Systems writes it, and
/// the like of Érudit and DSpace.
fn ojs(text: &str) -> Option<Citation> {
    let parts: Vec<&str> = text.split(';').map(str::trim).collect();
    let at = (1..parts.len()).find(|at| is_place(parts[*at]))?;
    let title = parts[..at].join("; ");
    if !title.chars().any(char::is_alphabetic) {
        return None;
    }
    // After a colon that follows the year stands the name of the issue.
    let place = match parts[at].split_once("):") {
        Some((place, _)) => format!("{place})"),
        None => parts[at]
            .split_once(": ")
            .map_or(parts[at], |(place, rest)| {
                // `Cilt: 12 Sayı: 3`.
                if VOLUME.is_match(rest) || !place.contains(|c: char| c.is_ascii_digit()) {
                    parts[at]
                } else {
                    place
                }
            })
            .to_owned(),
    };
    let mut citation = Citation {
        year: YEAR_IN_BRACKETS
            .captures(&place)
            .or_else(|| YEAR.captures(&place))
            .map(|found| found[1].to_owned()),
        ..Citation::default()
    };
    let without_year = YEAR_IN_BRACKETS.replace(&place, " ");
    citation.volume = volume(&without_year).map(|(_, _, text)| text);
    citation.issue = issue(&without_year).map(|(_, _, text)| text);
    if citation.volume.is_none() && citation.issue.is_none() {
        let mut found = grammar(&format!("X {place}"), &Own::default(), true).unwrap_or_default();
        found.title = None;
        citation.volume = found.volume;
        citation.issue = found.issue;
        citation.start_page = found.start_page;
        citation.end_page = found.end_page;
    }
    if let Some(last) = parts[at + 1..].last()
        && let Some((start, end)) = pages(last)
    {
        citation.start_page = Some(start);
        citation.end_page = end;
    } else if let Some(found) = pages_by_word(parts[at]) {
        citation.start_page = Some(found[1].to_owned());
        citation.end_page = found.get(2).map(|end| end.as_str().to_owned());
    }
    citation.title = tidy_title(&title);
    (citation.is_located() || citation.year.is_some()).then_some(citation)
}

/// Whether a part of a citation begins with a volume, an issue or a year.
fn is_place(part: &str) -> bool {
    let starts =
        |found: Option<(usize, usize, String)>| found.is_some_and(|(start, ..)| start == 0);
    let year = YEAR.captures(part).is_some_and(|found| {
        let rest = &part[found.get(1).map_or(0, |year| year.end())..];
        found.get(1).is_some_and(|year| year.start() <= 1)
            && !rest.trim_start().starts_with([':', '-', '/'])
    });
    starts(volume(part))
        || starts(issue(part))
        || year
        || part.starts_with("Año ")
        || part.starts_with("Ano ")
}

/// Start, end and text of the volume.
fn volume(text: &str) -> Option<(usize, usize, String)> {
    first(&VOLUME_AFTER, text).or_else(|| first(&VOLUME, text))
}

/// Start, end and text of the issue.
fn issue(text: &str) -> Option<(usize, usize, String)> {
    // Where the word follows the volume, it follows the issue too.
    let after = VOLUME_AFTER
        .is_match(text)
        .then(|| first(&ISSUE_AFTER, text))
        .flatten();
    after
        .or_else(|| first(&ISSUE, text))
        .or_else(|| first(&ISSUE_AFTER, text))
}

/// The first match of a word with its number. A word of one letter has a number that begins with a
/// digit.
fn first(pattern: &Regex, text: &str) -> Option<(usize, usize, String)> {
    let found = pattern.captures_iter(text).find(is_no_chance)?;
    let (start, end) = range(&found);
    let number = found.get(1)?.as_str().trim().trim_end_matches(['.', ',']);
    let first = text[start..].chars().next();
    // The character before the word is part of the match; a number before it is not the word's.
    let word_follows =
        !std::ptr::eq(pattern, &*VOLUME_AFTER) && !std::ptr::eq(pattern, &*ISSUE_AFTER);
    let start = match first {
        Some(c) if c.is_ascii_digit() && word_follows => start + 1,
        Some(c) if !c.is_alphanumeric() && c != '№' => start + c.len_utf8(),
        _ => start,
    };
    Some((start, end, number.replace(' ', "")))
}

fn is_no_chance(found: &Captures<'_>) -> bool {
    let (Some(whole), Some(number)) = (found.get(0), found.get(1)) else {
        return false;
    };
    let word = &whole.as_str()[..number.start() - whole.start()];
    let letters = word.chars().filter(|c| c.is_alphabetic()).count();
    letters != 1
        || number.as_str().starts_with(|c: char| c.is_ascii_digit())
        || word.ends_with(". ")
}

/// The first pages with a word before them.
fn pages_by_word(text: &str) -> Option<Captures<'_>> {
    PAGES.captures_iter(text).find(is_no_chance)
}

fn range(found: &Captures<'_>) -> (usize, usize) {
    found
        .get(0)
        .map_or((0, 0), |whole| (whole.start(), whole.end()))
}

/// Everything but the form of Open Journal Systems. `own` tells a title that a publisher follows.
fn grammar(text: &str, own: &Own<'_>, cited: bool) -> Option<Citation> {
    let mut citation = Citation::default();
    let vancouver = VANCOUVER
        .captures(text)
        .or_else(|| YEAR_FIRST.captures(text));
    let by_word = volume(text);
    let issue_by_word = issue(text);
    let start;
    let end;
    if let Some(found) = &vancouver {
        start = range(found).0;
        end = range(found).1;
        citation.year = Some(found[1].to_owned());
        citation.volume = Some(found[2].to_owned());
        citation.issue = found.get(3).map(|issue| issue.as_str().trim().to_owned());
        let rest = format!(":{}", text[end..].trim_start_matches([',', ':', ' ']));
        set_pages(&mut citation, &rest);
        // The pattern begins with the last character of the title where the year follows it.
        let title_end = found.get(1).map_or(start, |year| year.start());
        citation.title = tidy_title(&text[..title_end]);
        return citation.title.is_some().then_some(citation);
    }
    match (by_word, issue_by_word) {
        (Some((from, to, volume)), issue) => {
            citation.volume = Some(volume);
            let mut first = from;
            let mut last = to;
            match issue {
                Some((issue_from, issue_to, number)) if issue_from != from => {
                    citation.issue = Some(number);
                    first = first.min(issue_from);
                    last = last.max(issue_to);
                }
                _ => {
                    if let Some(found) = BRACKET.captures(&format!(" 0{}", &text[to..]))
                        && range(&found).0 == 0
                        && !is_year(&found[2])
                    {
                        citation.issue = Some(found[2].trim().to_owned());
                        last = to + range(&found).1 - 2;
                    }
                }
            }
            start = first;
            end = last;
        }
        (None, Some((from, to, number))) => {
            citation.issue = Some(number);
            let before = &text[..from];
            match NUMBER_BEFORE_ISSUE.captures(before) {
                Some(found) => {
                    citation.volume = Some(found[1].to_owned());
                    citation.year = found.get(2).map(|year| year.as_str().to_owned());
                    start = range(&found).0;
                }
                None => start = from,
            }
            end = to;
        }
        (None, None) => {
            // A bracket after the pages is an extent.
            let before_pages = pages_by_word(text)
                .filter(|found| found.get(2).is_some())
                .map_or(text, |found| &text[..range(&found).0]);
            let found = BRACKET.captures_iter(before_pages).find(|found| {
                let inner = found[2].trim();
                is_year(inner) || is_issue(inner)
            });
            if let Some(found) = COLON_AND_YEAR
                .captures(text)
                .filter(|found| pages_by_word(&text[range(found).1..]).is_some())
            {
                (start, end) = range(&found);
                citation.volume = Some(found[1].to_owned());
                citation.issue = Some(found[2].to_owned());
                citation.year = Some(found[3].to_owned());
            } else if let Some(found) = found.filter(|found| !is_year(&found[1])) {
                start = range(&found).0;
                citation.volume = Some(found[1].to_owned());
                let inner = found[2].trim();
                if is_year(inner) {
                    citation.year = Some(inner.to_owned());
                    citation.issue = found.get(3).map(|issue| issue.as_str().to_owned());
                    end = range(&found).1;
                } else if is_article_number(inner) {
                    citation.start_page = Some(inner.to_owned());
                    end = range(&found).1;
                } else {
                    citation.issue = Some(inner.to_owned());
                    // What follows the bracket is a page.
                    end = found.get(3).map_or(range(&found).1, |page| page.start());
                }
            } else if let Some(found) = PLAIN
                .captures(text)
                .filter(|found| !is_year(&found[1]) && (cited || YEAR_IN_BRACKETS.is_match(text)))
            {
                start = range(&found).0;
                citation.volume = Some(found[1].to_owned());
                citation.start_page = Some(found[2].to_owned());
                citation.end_page = found.get(3).map(|page| page.as_str().to_owned());
                end = found
                    .get(3)
                    .or(found.get(2))
                    .map_or(range(&found).1, |page| page.end());
            } else if let Some(found) = COLON
                .captures(text)
                .filter(|found| !is_year(&found[1]) && (cited || YEAR_IN_BRACKETS.is_match(text)))
            {
                start = range(&found).0;
                citation.volume = Some(found[1].to_owned());
                citation.start_page = Some(found[2].to_owned());
                citation.end_page = found.get(3).map(|page| page.as_str().to_owned());
                end = range(&found).1;
            } else if let Some(found) = pages_by_word(text).filter(|found| {
                (found.get(2).is_some() || found[1].starts_with('e')) && YEAR.is_match(text)
            }) {
                end = range(&found).0;
                start = match VOLUME_AFTER_YEAR.captures(&text[..end]) {
                    Some(found) => {
                        citation.year = Some(found[1].to_owned());
                        citation.volume = Some(found[2].to_owned());
                        citation.issue = found.get(3).map(|issue| issue.as_str().to_owned());
                        range(&found).0
                    }
                    None => end,
                };
            } else {
                return None;
            }
        }
    }
    if citation.start_page.is_none() {
        set_pages(&mut citation, &text[end..]);
    }
    if citation.start_page.is_none()
        && let Some(found) = pages_by_word(&text[end..])
    {
        citation.start_page = Some(found[1].to_owned());
        citation.end_page = found.get(2).map(|page| page.as_str().to_owned());
    }
    let head = text[..start].trim();
    let rest = &text[end.min(text.len())..];
    citation.year = citation
        .year
        .or_else(|| {
            YEAR_IN_BRACKETS
                .captures(rest)
                .map(|found| found[1].to_owned())
        })
        .or_else(|| {
            YEAR_IN_BRACKETS
                .captures(head)
                .map(|found| found[1].to_owned())
        })
        .or_else(|| last_year_at_end(head))
        .or_else(|| {
            YEAR_AND_MORE
                .captures(head)
                .map(|found| found[1].to_owned())
        })
        .or_else(|| YEAR.captures(rest).map(|found| found[1].to_owned()));
    if citation.start_page == citation.year {
        citation.start_page = None;
    }
    let head = YEAR_IN_BRACKETS.replace(head, " ");
    let head = without_year_at_end(&head);
    citation.title = with_plain(head, own).or_else(|| tidy_title(head));
    Some(citation)
}

static NUMBER_BEFORE_ISSUE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?:^|[\s,;:])(\d{1,4})\s*(?:\(((?:1[5-9]|20)\d\d)\))?\s*[,:;/]?\s*$")
});

static YEAR_AT_END: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"[\s,.;:(]+((?:1[5-9]|20)\d\d)(?:\s*[-–/]\s*\d{1,4})?[\s,.;:)]*$"));

static YEAR_WORD: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)[\s,;.]+(?:año|ano|anno|année|jahr|god|год|рік|rok|yıl|έτος)\.?$")
});

fn last_year_at_end(text: &str) -> Option<String> {
    YEAR_AT_END.captures(text).map(|found| found[1].to_owned())
}

/// Without a year and all that follows it at the end, as `, 2013, Seria 5` has.
fn without_year_at_end(text: &str) -> &str {
    match YEAR_AT_END.find(text) {
        Some(found) => {
            let rest = &text[..found.start()];
            YEAR_WORD
                .find(rest)
                .map_or(rest, |word| &rest[..word.start()])
        }
        None => match YEAR_AND_MORE.find(text) {
            Some(found) => &text[..found.start()],
            None => text,
        },
    }
}

static YEAR_AND_MORE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"[.,]\s+((?:1[5-9]|20)\d\d),\s[^,]{1,20},?\s*$"));

/// The title that stands by itself elsewhere in the record and begins this citation.
fn with_plain(head: &str, own: &Own<'_>) -> Option<String> {
    let folded = fold(head);
    let known = own.plain.iter().find(|plain| {
        let plain = fold(plain);
        plain.trim().len() > 2 && folded.starts_with(&plain)
    });
    known.and_then(|plain| tidy_title(plain))
}

/// `In: Proceedings of X, 25 September 2014`: only the title.
fn within(text: &str) -> Option<Citation> {
    let found = IN.captures(text)?;
    let mut citation = Citation {
        title: tidy_title(&found[1]),
        within: true,
        ..Citation::default()
    };
    let rest = &text[found.get(1)?.end()..];
    if let Some(pages) = LAST_PAGES.captures(rest).or_else(|| PAGES.captures(rest)) {
        citation.start_page = Some(pages[1].to_owned());
        citation.end_page = pages.get(2).map(|page| page.as_str().to_owned());
    }
    citation.title.is_some().then_some(citation)
}

static LAST_PAGES: LazyLock<Regex> =
    LazyLock::new(|| pattern(r",\s*(\d{1,6})\s*[-‐‑–—]+\s*(\d{1,6})\s*\.?\s*$"));

/// A title that stands by itself elsewhere in the record, and nothing that tells more.
fn named(text: &str, own: &Own<'_>) -> Option<Citation> {
    let title = with_plain(text.trim_start_matches(|c: char| !c.is_alphanumeric()), own)?;
    Some(Citation {
        title: Some(title),
        within: true,
        ..Citation::default()
    })
}

/// Pages directly after volume and issue.
fn set_pages(citation: &mut Citation, rest: &str) {
    if let Some(found) = AFTER.captures(rest) {
        let start = found[1].to_owned();
        let alone = found.get(2).is_none();
        // A lone year, or a word that only ends in a number, is no page.
        let is_page = !(alone && (is_year(&start) || rest.starts_with(' ')));
        if is_page && start.chars().any(|c| c.is_ascii_digit()) {
            citation.start_page = Some(start);
            citation.end_page = found.get(2).map(|page| page.as_str().to_owned());
        }
    }
}

/// `7756`, `e593`: no journal has so many issues.
fn is_article_number(text: &str) -> bool {
    let digits = text.trim_start_matches('e');
    (digits.len() > 3 || digits.len() < text.len())
        && !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_year(text: &str) -> bool {
    let text = text.trim();
    text.len() == 4
        && ("1400".."2100").contains(&text)
        && text.bytes().all(|byte| byte.is_ascii_digit())
}

static ISSUE_IN_BRACKETS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r"^(?:(?i:no|nr|n|iss|issue)\.?\s*)?(?:{NUMBER}|{ISSUE_TEXT})$"
    ))
});

fn is_issue(text: &str) -> bool {
    ISSUE_IN_BRACKETS.is_match(text)
}

/// `634-45` means `634-645`.
fn complete_end_page(citation: &mut Citation) {
    if let (Some(start), Some(end)) = (&citation.start_page, &citation.end_page) {
        let numeric = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if numeric(start) && numeric(end) && end.len() < start.len() {
            let whole = format!("{}{end}", &start[..start.len() - end.len()]);
            citation.end_page = Some(whole);
        }
    }
}

/// The title without punctuation around it and words that lead to it; `None` if no letters are left
/// or it is too long for a journal.
fn tidy_title(text: &str) -> Option<String> {
    let mut text = text.trim_matches([
        ' ', ',', ';', ':', '-', '–', '—', '|', '/', '«', '»', '"', '(', '\\', '=',
    ]);
    loop {
        let shorter = text
            .trim_start_matches(['.', ' ', ',', ')', '?', '!', ';', ':', '-', '"', '”', '’'])
            .trim_end_matches([' ', ',', ';', ':', '-', '–', '(']);
        let shorter = [
            "In:",
            "In ",
            "in ",
            "En:",
            "Published in ",
            "Published in:",
            "Source:",
            "Journal:",
            "//",
        ]
        .iter()
        .find_map(|word| shorter.strip_prefix(word))
        .unwrap_or(shorter);
        if shorter.len() == text.len() {
            break;
        }
        text = shorter;
    }
    // The full stop of an abbreviation belongs to it.
    let last = text.rsplit(' ').next().unwrap_or(text);
    if last.ends_with('.') && last.chars().count() > 9 {
        text = text.trim_end_matches('.');
    }
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    (letters > 0 && text.chars().count() < 250).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `title|volume|issue|start|end|year`, blank where there is none.
    fn line(citation: Option<Citation>) -> String {
        let Some(citation) = citation else {
            return String::new();
        };
        let text = |part: Option<String>| part.unwrap_or_default();
        [
            text(citation.title),
            text(citation.volume),
            text(citation.issue),
            text(citation.start_page),
            text(citation.end_page),
            text(citation.year),
        ]
        .join("|")
    }

    #[test]
    fn reads_citations() {
        let cases = [
            // DOAJ
            ("J, Vol 5, Iss 1, Pp 25-29 (1998)", "J|5|1|25|29|1998"),
            ("J, of, K, Vol 5, Pp e12 (1998)", "J, of, K|5||e12||1998"),
            (
                "PLoS ONE, Vol 10, Iss 10, p e0141122 (2015)",
                "PLoS ONE|10|10|e0141122||2015",
            ),
            // Open Journal Systems
            (
                "J; Vol. 5 No. 1 (1998): Special on Vol. 3; 25-29",
                "J|5|1|25|29|1998",
            ),
            ("J; Vol 2, No 2 (2011): J; 222-232", "J|2|2|222|232|2011"),
            ("J; No. 7 (1998)", "J||7|||1998"),
            (
                "Ciência da Informação; Vol. 24, No 1 (1995)",
                "Ciência da Informação|24|1|||1995",
            ),
            (
                "Revista; v. 29 n. 3-4 (1998); 1-9",
                "Revista|29|3-4|1|9|1998",
            ),
            (
                "Revista; Vol. 3 Núm. 2 (2015): Julio; 12-20",
                "Revista|3|2|12|20|2015",
            ),
            ("Revista; N.º 25 (2003)", "Revista||25|||2003"),
            (
                "Zeitschrift; Bd. 4 Nr. 1 (2010); 5–9",
                "Zeitschrift|4|1|5|9|2010",
            ),
            ("Zeitschrift; Jg. 4 H. 1 (2010)", "Zeitschrift|4|1|||2010"),
            (
                "Dergi; Cilt: 12 Sayı: 3 (2017); 45-60",
                "Dergi|12|3|45|60|2017",
            ),
            (
                "Časopis; Diel 12 Číslo 3 (2017); 45-60",
                "Časopis|12|3|45|60|2017",
            ),
            (
                "Revista; Vol. 12 No. Supl. 1 (2017); 45-60",
                "Revista|12|Supl.1|45|60|2017",
            ),
            (
                "Revista, año 2017, vol. 12, núm. 3, p. 45-60",
                "Revista|12|3|45|60|2017",
            ),
            (
                "Журнал. - 2017. - Т. 12. - № 3. - С. 45-60",
                "Журнал|12|3|45|60|2017",
            ),
            (
                "Tijdschrift, jaargang 12, nr. 3 (2017), p. 45-60",
                "Tijdschrift|12|3|45|60|2017",
            ),
            (
                "Acta Botanica 12:3 (2017), pp. 45-60",
                "Acta Botanica|12|3|45|60|2017",
            ),
            (
                "ISSN 2036-654X; Acta; Vol. 12 No. 3 (2017); 45-60",
                "Acta|12|3|45|60|2017",
            ),
            (
                "Tidsskrift; Årg. 12 Nr. 3 (2009); 3-14",
                "Tidsskrift|12|3|3|14|2009",
            ),
            ("Журнал; Том 5 № 2 (2019); 10-15", "Журнал|5|2|10|15|2019"),
            ("Dergi; Cilt 5 Sayı 2 (2019); 10-15", "Dergi|5|2|10|15|2019"),
            ("Časopis; Roč. 5 Č. 2 (2019)", "Časopis|5|2|||2019"),
            ("Folyóirat; Évf. 5 szám 2 (2019)", "Folyóirat|5|2|||2019"),
            (
                "Folyóirat; 29. évf. 3. szám (2019)",
                "Folyóirat|29|3|||2019",
            ),
            ("Περιοδικό; Τόμ. 5 Αρ. 2 (2019)", "Περιοδικό|5|2|||2019"),
            ("Tạp chí; Tập 5 Số 2 (2019)", "Tạp chí|5|2|||2019"),
            ("期刊; 卷 12 期 3 (2019)", "期刊|12|3|||2019"),
            ("期刊; 12卷3期 (2019); 1-8", "期刊|12|3|1|8|2019"),
            ("紀要; 第12巻第3号 (2019)", "紀要|12|3|||2019"),
            ("학술지; 12권 3호 (2019)", "학술지|12|3|||2019"),
            ("مجلة; مجلد 5 عدد 2 (2019)", "مجلة|5|2|||2019"),
            ("نشریه; دوره 5 شماره 2 (2019)", "نشریه|5|2|||2019"),
            ("J; Vol. 18 (1986 November); 146", "J|18||146||1986"),
            ("Aggie Magazine; 1990; 146", "Aggie Magazine|||146||1990"),
            ("J; Vol 31 No 1 & 2 (2001)", "J|31|1&2|||2001"),
            // Érudit, DSpace
            (
                "Revue d’histoire ; vol. 68 no. 3-4 (2015)",
                "Revue d’histoire|68|3-4|||2015",
            ),
            ("XYZ. La revue ; no. 27 (1991)", "XYZ. La revue||27|||1991"),
            ("Revue Canadienne;Vol. 57, no 1", "Revue Canadienne|57|1|||"),
            (
                "Journal of Studies;volume 23 September 2006",
                "Journal of Studies|23||||2006",
            ),
            (
                "Revista de Microbiologia v.29 n.3 1998",
                "Revista de Microbiologia|29|3|||1998",
            ),
            // others
            ("Polymers 15 (21): 4262 (2023)", "Polymers|15|21|4262||2023"),
            (
                "J. Chem. Phys. 123, 064507 (2005)",
                "J. Chem. Phys.|123||064507||2005",
            ),
            (
                "PLoS ONE 2015, 10(7), e0131202. doi: 10.1371/x",
                "PLoS ONE|10|7|e0131202||2015",
            ),
            (
                "Evolution: 29 (1975) no. 4, pp. 750-762",
                "Evolution|29|4|750|762|1975",
            ),
            (
                "Internat. Statist. Rev. 71, no. 3 (2003), 473-495",
                "Internat. Statist. Rev.|71|3|473|495|2003",
            ),
            (
                "AUST J CHEM 44(2):197-205 1991",
                "AUST J CHEM|44|2|197|205|1991",
            ),
            (
                "BIS - Das Magazin - 6(2013)2, S. 77",
                "BIS - Das Magazin|6|2|77||2013",
            ),
            (
                "Scientific Reports 8 (1), S. -. ISSN: 2045-2322",
                "Scientific Reports|8|1|||",
            ),
            (
                "Journal of Vietnamese Environment, 2011, Vol. 1, No. 1, pp. 1-4",
                "Journal of Vietnamese Environment|1|1|1|4|2011",
            ),
            (
                "Genes Dev. 2011 Mar 15;25(6):634-45.",
                "Genes Dev.|25|6|634|645|2011",
            ),
            (
                "Journal of Sound and Vibration 2015, 356, 100-123. doi: 10.1/x",
                "Journal of Sound and Vibration|356||100|123|2015",
            ),
            (
                "Translational Psychiatry 2015, 5(e593). doi: 10.1038/x",
                "Translational Psychiatry|5||e593||2015",
            ),
            (
                "Nature Communications 2015, 6(7756). doi: 10.1038/x",
                "Nature Communications|6||7756||2015",
            ),
            (
                "ilinx - Beiträge, 2010, 1 pp. 121 - 140 (20)",
                "ilinx - Beiträge|1||121|140|2010",
            ),
            (
                "Multidisciplinary Research (IMRAS), 7(01), 149-152, (2024-01-16)",
                "Multidisciplinary Research (IMRAS)|7|01|149|152|2024",
            ),
            (
                "Tygodnik Ilustrowany. 1892, Seria 5, T. 5 nr 128, s. 372",
                "Tygodnik Ilustrowany|5|128|372||1892",
            ),
            // no citations
            ("The Journal of Words", ""),
            ("Original: 4 VOB files", ""),
            ("United States Standard Certificate of Death", ""),
            (
                "All Dissertations, Theses, and Capstone Projects (2014-Present)",
                "",
            ),
            ("ERS;ERS-2003-038-MKT", ""),
            ("Workflow;14356", ""),
            ("doi:10.5061/dryad.hq4v0", ""),
            ("Karlstad University Studies, 1403-8099 ; 2004:30", ""),
            ("Kerin M. Claeson", ""),
            ("", ""),
        ];
        let wrong: Vec<String> = cases
            .iter()
            .filter_map(|(text, expected)| {
                let found = line(read(text, &Own::default()));
                (found != *expected).then(|| format!("{text}\n   {found}\n   {expected}"))
            })
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn reads_what_follows_the_own_title() {
        let cases = [
            (
                "Sahu, S. K. (2013). On Titanate. Journal of the Ceramic Society, 96(11). UC Davis: Retrieved from: http://x.org",
                "On Titanate",
                "Journal of the Ceramic Society|96|11|||2013",
            ),
            (
                "McKee, M <http://x.org/view/creators/1473.html>; (2012) On Titanate. BMJ, 344. e921. ISSN 1468-5833 DOI: 10.1136/bmj",
                "On Titanate.",
                "BMJ|344||e921||2012",
            ),
            (
                "Kalbfleisch ML and Halavi M (2013) On titanate. Front. Psychol. 4:631. doi: 10.3389/x",
                "On Titanate",
                "Front. Psychol.|4||631||2013",
            ),
            (
                "Pan, K., & Bathe, M. (2014). On titanate. NATURE COMMUNICATIONS, 5:5578. http://dx.doi.org/10.1",
                "On titanate",
                "NATURE COMMUNICATIONS|5||5578||2014",
            ),
            (
                "Mayburd and Baranova: On titanate. BMC Systems Biology 2013 7:121.",
                "On titanate",
                "BMC Systems Biology|7||121||2013",
            ),
            (
                "C.A. Gagnon. On titanate. Can Vet J 2016;57(1):29-31.",
                "On titanate",
                "Can Vet J|57|1|29|31|2016",
            ),
            (
                "Elorza, J. (2002) On titanate. Ciencia UANL, 5 (4). ISSN 1405-9177",
                "On titanate",
                "Ciencia UANL|5|4|||2002",
            ),
            (
                "Dudley A. 2014. On titanate. In: Proceedings of SPIE, Laser Beam Shaping XV, 25 September 2014",
                "On titanate",
                "Proceedings of SPIE, Laser Beam Shaping XV|||||2014",
            ),
            (
                "Zou, J. 2010. On titanate. In proceedings of the 24th AAAI Conference (AAAI '10), Atlanta, GA, July 11-15, 2010, 947-952.",
                "On titanate",
                "proceedings of the 24th AAAI Conference|||947|952|2010",
            ),
            (
                "Schaap, L., (2002). On titanate, 1975-2000. Rotterdam: Centre for Local Democracy.",
                "On titanate, 1975-2000 : Another analysis",
                "",
            ),
            (
                "Bhopal, S; (2011) On titanate. [Conference or Workshop Item]",
                "On titanate",
                "",
            ),
        ];
        for (text, title, expected) in cases {
            let own = Own {
                titles: vec![title],
                ..Own::default()
            };
            assert_eq!(line(read(text, &own)), expected, "{text}");
        }
    }

    #[test]
    fn knows_the_title_that_a_publisher_follows() {
        let own = Own {
            plain: vec!["Physical Review E : Nonlinear, and Soft Matter Physics"],
            ..Own::default()
        };
        let text = "Physical Review E : Nonlinear, and Soft Matter Physics, American Physical Society, 2013, 87 (3), pp.033017. &#x3008;10.1103/x&#x3009;";
        assert_eq!(
            line(read(text, &own)),
            "Physical Review E : Nonlinear, and Soft Matter Physics|87|3|033017||2013"
        );
    }

    #[test]
    fn takes_a_host_that_another_element_names() {
        let own = Own {
            titles: vec!["Learning from Intervals"],
            plain: vec!["2019 International Conference on Robotics (ICRA)"],
            ..Own::default()
        };
        let text = "Deits, R. 2019. \"Learning from Intervals.\" 2019 International Conference on Robotics (ICRA).";
        assert_eq!(
            line(read(text, &own)),
            "2019 International Conference on Robotics (ICRA)|||||2019"
        );
    }

    #[test]
    fn reads_places_and_pages() {
        assert_eq!(line(read_place("vol. 6, no. 6")), "|6|6|||");
        assert_eq!(
            line(read_place("Volume: 12, Issue: 2 123-130")),
            "|12|2|123|130|"
        );
        assert_eq!(line(read_place("Olivar")), "");
        assert_eq!(
            pages("p. 115-134"),
            Some(("115".to_owned(), Some("134".to_owned())))
        );
        assert_eq!(pages("application/pdf"), None);
        assert_eq!(pages("48 pages"), None);
    }
}
