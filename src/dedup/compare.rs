//! How two descriptions compare, field by field.

use rapidfuzz::distance::levenshtein;

use super::{
    description::{Description, Fit, Form},
    doi,
    keys::is_short,
    language,
    name::Name,
    notice::Notice,
    number::{is_number, numbers},
    place::{Pages, issues_conflict, split_number},
    rules::Versions,
};

/// The result of comparing one field of two records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// Both have the field, with the same value.
    Same,
    /// Both have the field, with nearly the same value.
    Near,
    /// At least one record lacks the field.
    Missing,
    /// Both have the field, with values that exclude each other.
    Conflict,
}

use Agreement::{Conflict, Missing, Near, Same};

impl Agreement {
    /// The same.
    pub fn same(self) -> bool {
        self == Same
    }
    /// The same or nearly so.
    pub fn close(self) -> bool {
        matches!(self, Same | Near)
    }
    /// In conflict.
    pub fn conflicts(self) -> bool {
        self == Conflict
    }
}

/// The lowest similarity of titles that counts; below it [`Comparison::title`] is 0.
pub const TITLES_ALIKE: f64 = 0.8;

/// Everything that rules ask about a pair of records.
#[derive(Debug, Clone, Copy)]
pub struct Comparison<'a> {
    /// One record.
    pub a: &'a Description,
    /// The other.
    pub b: &'a Description,
    /// Similarity of the titles from [`TITLES_ALIKE`] to 1, by edit distance over the longer one;
    /// 0 if less. Of records with several titles, the two that are most alike.
    pub title: f64,
    /// One title contains the other, which is not short.
    pub contained: bool,
    /// The two titles that `title` is about.
    pub titles: (&'a str, &'a str),
    /// One of the titles is too short to identify a work, or is that of a notice: an article may
    /// have several errata.
    pub short: bool,
    /// The titles have the same numbers.
    pub numbers: bool,
    /// `Same` if the first authors may be one person or half of all authors are shared, `Near` if
    /// any is.
    pub authors: Agreement,
    /// As many authors are known of both, and each may be the other's in the same place.
    pub all_authors: bool,
    /// `Near` if one apart.
    pub year: Agreement,
    /// Volume.
    pub volume: Agreement,
    /// Issue.
    pub issue: Agreement,
    /// First page or article number.
    pub page: Agreement,
    /// Last page.
    pub last_page: Agreement,
    /// `Same` if any ISSN is shared.
    pub issn: Agreement,
    /// `Same` if any ISBN is shared.
    pub isbn: Agreement,
    /// `Near` if one is the beginning of the other: some are cut off. DOIs of copies are never in
    /// conflict.
    pub doi: Agreement,
    /// Address of the full text; never in conflict, since a work may be at several places.
    pub address: Agreement,
    /// Title of the journal: `Same`, `Near` if one abbreviates the other; never in conflict.
    pub venue: Agreement,
    /// How the forms fit one work.
    pub fit: Fit,
    /// What a version before publication and the published work are.
    pub versions: Versions,
}

impl<'a> Comparison<'a> {
    /// Compares two records. Symmetric, except for the fields `a`, `b` and `titles`.
    ///
    /// The place, the numbers and the DOI of a preprint are others than those of the published
    /// work, so of these nothing conflicts, and years up to two apart are `Near`.
    pub fn new(a: &'a Description, b: &'a Description, versions: Versions) -> Comparison<'a> {
        let mut comparison = Comparison::of_one_version(a, b, versions);
        if comparison.fit == Fit::Versions {
            let c = &mut comparison;
            for part in [
                &mut c.volume,
                &mut c.issue,
                &mut c.page,
                &mut c.last_page,
                &mut c.issn,
                &mut c.isbn,
                &mut c.doi,
            ] {
                if part.conflicts() {
                    *part = Missing;
                }
            }
            if let (Some(a), Some(b)) = (a.year, b.year)
                && a.abs_diff(b) == 2
            {
                c.year = Near;
            }
        }
        comparison
    }

    fn of_one_version(
        a: &'a Description,
        b: &'a Description,
        versions: Versions,
    ) -> Comparison<'a> {
        let titles = Titles::new(a, b);
        Comparison {
            a,
            b,
            title: titles.alike,
            contained: titles.contained,
            titles: titles.titles,
            short: titles.short || a.notice != Notice::None,
            numbers: titles.numbers,
            authors: authors(&a.authors, &b.authors),
            all_authors: !a.authors.is_empty()
                && a.authors.len() == b.authors.len()
                && a.authors.iter().zip(&b.authors).all(|(a, b)| a.may_be(b)),
            year: match (a.year, b.year) {
                (Some(a), Some(b)) => match a.abs_diff(b) {
                    0 => Same,
                    1 => Near,
                    _ => Conflict,
                },
                _ => Missing,
            },
            volume: equal(a.volume.as_ref(), b.volume.as_ref()),
            issue: issues(a.issue.as_deref(), b.issue.as_deref()),
            page: first_pages(a.pages.as_ref(), b.pages.as_ref()),
            last_page: last_pages(a.pages.as_ref(), b.pages.as_ref()),
            issn: overlap(&a.issns, &b.issns),
            isbn: overlap(&a.isbns, &b.isbns),
            doi: doi::compare(&a.dois, &b.dois),
            address: match a.address.is_some() && a.address == b.address {
                true => Same,
                false => Missing,
            },
            venue: venues(&a.venue, &b.venue),
            fit: a.form.with(b.form),
            versions,
        }
    }

    /// Volume and first page are both the same.
    pub fn same_place(&self) -> bool {
        self.volume.same() && self.page.same()
    }

    /// One journal, by ISSN or by title.
    pub fn same_journal(&self) -> bool {
        self.issn.same() || self.venue.close()
    }

    /// Other ISSN, and the journals' titles do not show them to be its print and its electronic
    /// edition.
    pub fn journals_conflict(&self) -> bool {
        self.issn.conflicts() && !self.venue.close()
    }

    /// One of the records names no journal or book at all, neither by title nor by number.
    pub fn bare(&self) -> bool {
        names_nothing(self.a) || names_nothing(self.b)
    }

    /// Neither record names a journal or book.
    pub fn both_bare(&self) -> bool {
        names_nothing(self.a) && names_nothing(self.b)
    }

    /// The same first page, and the same last page or none in both.
    pub fn same_pages(&self) -> bool {
        let open = |d: &Description| d.pages.as_ref().is_some_and(|pages| pages.last.is_none());
        self.page.same() && (self.last_page.same() || (open(self.a) && open(self.b)))
    }

    /// First and last page are both the same, and not the same page.
    pub fn same_range(&self) -> bool {
        self.page.same() && self.last_page.same()
    }

    /// One of the records is of this form.
    pub fn any(&self, form: Form) -> bool {
        self.a.form == form || self.b.form == form
    }

    /// One of them is a version before the other.
    pub fn are_versions(&self) -> bool {
        self.fit == Fit::Versions
    }

    /// The same first page, and not one on which journals begin each issue.
    pub fn page_tells(&self) -> bool {
        let number = |d: &Description| {
            let pages = d.pages.as_ref()?;
            Some(split_number(&pages.first)?.1)
        };
        self.page.same() && number(self.a).is_none_or(|number| number > LOW_PAGE)
    }

    /// One title of 40 letters or more in both records, and not that of a notice.
    pub fn long_title(&self) -> bool {
        let letters = || self.titles.0.chars().filter(|c| *c != ' ').count();
        self.title == 1.0 && !self.short && letters() >= LONG_TITLE
    }

    /// One title of three words or more in both records, and not that of a notice.
    pub fn plain_title(&self) -> bool {
        let words = self.titles.0.split(' ').count();
        self.title == 1.0 && self.a.notice == Notice::None && words > 2 && self.titles.0.len() > 15
    }

    /// As many authors are known of both, two or more, and each may be the other's.
    pub fn several_authors(&self) -> bool {
        self.all_authors && self.a.authors.len() > 1
    }

    /// Two authors or more are known of both, and all of one record are among those of the other, in
    /// any order.
    pub fn shared_authors(&self) -> bool {
        let (a, b) = (&self.a.authors, &self.b.authors);
        let (few, many) = if a.len() < b.len() { (a, b) } else { (b, a) };
        let known = |name: &Name| many.iter().any(|other| name.may_be(other));
        few.len() > 1 && few.iter().all(known)
    }

    /// As many authors are known of both, in different scripts.
    pub fn authors_in_two_scripts(&self) -> bool {
        let (a, b) = (&self.a.authors, &self.b.authors);
        !a.is_empty() && a.len() == b.len() && in_two_scripts(a, b)
    }

    /// How the words of the titles differ, which are nearly equal.
    pub fn wording(&self) -> Wording {
        wording(self.titles.0, self.titles.1)
    }

    /// The titles are in different languages or scripts.
    pub fn translated(&self) -> bool {
        let known = !self.a.title.is_empty() && !self.b.title.is_empty();
        known && language::differ(&self.a.title, &self.b.title)
    }
}

/// The last of the pages on which each issue may begin.
const LOW_PAGE: u64 = 10;

/// Letters of a title that is hardly that of two works by the same authors in one year.
const LONG_TITLE: usize = 40;

/// How the words of two titles differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wording {
    /// Not at all, or by spelling, blanks and articles.
    Same,
    /// One has words more.
    More,
    /// By another word at the same place: `men` and `women`, `northern` and `southern`.
    Other,
}

fn wording<'a>(a: &'a str, b: &'a str) -> Wording {
    if a == b {
        return Wording::Same;
    }
    let told = |text: &'a str| -> Vec<&'a str> {
        text.split(' ').filter(|word| !is_little(word)).collect()
    };
    let (x, y) = (told(a), told(b));
    let begin = x.iter().zip(&y).take_while(|(x, y)| x == y).count();
    let (x, y) = (&x[begin..], &y[begin..]);
    let end = x.iter().rev().zip(y.iter().rev());
    let end = end.take_while(|(x, y)| x == y).count();
    let (x, y) = (&x[..x.len() - end], &y[..y.len() - end]);
    if x.concat() == y.concat() {
        return Wording::Same;
    }
    // `Part 2` and `part II`; a rule of its own compares the numbers.
    let spelled = |(x, y): (&&str, &&str)| is_spelling(x, y) || (is_number(x) && is_number(y));
    let articles = |words: &[&str]| words.iter().all(|word| *word == "a");
    match x.len() == y.len() {
        true if x.iter().zip(y).all(spelled) => Wording::Same,
        true => Wording::Other,
        false if is_spelling(&x.concat(), &y.concat()) => Wording::Same,
        // A letter between two words of a title may be a name: vitamin A.
        false if articles(x) && articles(y) => Wording::Same,
        false => Wording::More,
    }
}

/// Words that some databases leave out.
fn is_little(word: &str) -> bool {
    const LITTLE: [&str; 31] = [
        "an", "the", "of", "in", "on", "and", "for", "to", "by", "at", "de", "la", "el", "las",
        "los", "del", "do", "da", "dos", "das", "le", "les", "du", "des", "der", "die", "den",
        "und", "et", "il", "di",
    ];
    LITTLE.contains(&word)
}

/// Whether two words are one, spelled or inflected in two ways.
fn is_spelling(a: &str, b: &str) -> bool {
    const OPPOSED: [(&str, &str); 8] = [
        ("hypo", "hyper"),
        ("intra", "inter"),
        ("pre", "post"),
        ("micro", "macro"),
        ("under", "over"),
        ("mono", "poly"),
        ("endo", "exo"),
        ("in", "ex"),
    ];
    let opposed = |a: &str, b: &str| {
        OPPOSED.iter().any(|(x, y)| {
            let rest = a.strip_prefix(x).zip(b.strip_prefix(y));
            rest.is_some_and(|(a, b)| a == b)
        })
    };
    if opposed(a, b) || opposed(b, a) {
        return false;
    }
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    let longer = long.strip_prefix(short).map(str::len);
    if longer.is_some_and(|more| more <= 3 || short.len() == 1) {
        return true;
    }
    levenshtein::normalized_similarity(a.chars(), b.chars()) >= SPELLING
}

/// The likeness of two spellings of one word.
const SPELLING: f64 = 0.8;

/// The comparison of the two most similar titles.
struct Titles<'a> {
    titles: (&'a str, &'a str),
    alike: f64,
    contained: bool,
    short: bool,
    numbers: bool,
}

impl<'a> Titles<'a> {
    fn new(a: &'a Description, b: &'a Description) -> Titles<'a> {
        let first = Titles::of(&a.title, &b.title, || a.numbers == b.numbers);
        if first.alike == 1.0 || (a.other_titles.is_empty() && b.other_titles.is_empty()) {
            return first;
        }
        let pairs = a.titles().flat_map(|x| b.titles().map(move |y| (x, y)));
        let all = pairs.map(|(x, y)| Titles::of(x, y, || numbers(x) == numbers(y)));
        // Every field takes part, so that the choice is the same with the records exchanged.
        let order = |t: &Titles<'_>| (t.alike, t.contained, t.numbers, !t.short);
        all.fold(first, |best, next| {
            if order(&next) > order(&best) {
                next
            } else {
                best
            }
        })
    }

    fn of(a: &'a str, b: &'a str, numbers: impl Fn() -> bool) -> Titles<'a> {
        Titles {
            titles: (a, b),
            alike: similarity(a, b),
            contained: contained(a, b),
            short: is_short(a) || is_short(b),
            numbers: numbers(),
        }
    }
}

fn names_nothing(d: &Description) -> bool {
    d.venue.is_empty() && d.issns.is_empty() && d.isbns.is_empty()
}

fn similarity(a: &str, b: &str) -> f64 {
    if a.is_empty() || b.is_empty() {
        return 0.0;
    }
    if a == b {
        return 1.0;
    }
    let args = levenshtein::Args::default().score_cutoff(TITLES_ALIKE);
    levenshtein::normalized_similarity_with_args(a.bytes(), b.bytes(), &args).unwrap_or(0.0)
}

/// Whether the shorter title stands in the longer one, from word to word.
fn contained(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    if is_short(short) {
        return false;
    }
    memchr::memmem::find(long.as_bytes(), short.as_bytes()).is_some_and(|at| {
        let bytes = long.as_bytes();
        let end = at + short.len();
        (at == 0 || bytes[at - 1] == b' ') && bytes.get(end).is_none_or(|byte| *byte == b' ')
    })
}

fn authors(a: &[Name], b: &[Name]) -> Agreement {
    let ([first_a, ..], [first_b, ..]) = (a, b) else {
        return Missing;
    };
    if first_a.may_be(first_b) {
        return Same;
    }
    // A name and its transliteration say nothing about each other.
    if in_two_scripts(a, b) {
        return Missing;
    }
    let found = |some: &[Name], others: &[Name]| {
        some.iter()
            .filter(|name| others.iter().any(|other| name.may_be(other)))
            .count()
    };
    // Counted from both sides, since two of one list may be one of the other.
    match found(a, b).min(found(b, a)) {
        0 => Conflict,
        shared if shared * 2 >= a.len().min(b.len()) => Same,
        _ => Near,
    }
}

fn in_two_scripts(a: &[Name], b: &[Name]) -> bool {
    let latin = |names: &[Name]| {
        let mut names = names.iter();
        names.any(|name| name.family.bytes().any(|byte| byte.is_ascii_alphabetic()))
    };
    latin(a) != latin(b)
}

fn equal<T: PartialEq>(a: Option<&T>, b: Option<&T>) -> Agreement {
    match (a, b) {
        (Some(a), Some(b)) if a == b => Same,
        (Some(_), Some(_)) => Conflict,
        _ => Missing,
    }
}

fn overlap<T: PartialEq>(a: &[T], b: &[T]) -> Agreement {
    if a.is_empty() || b.is_empty() {
        Missing
    } else if a.iter().any(|value| b.contains(value)) {
        Same
    } else {
        Conflict
    }
}

fn issues(a: Option<&str>, b: Option<&str>) -> Agreement {
    match (a, b) {
        (Some(a), Some(b)) if a == b => Same,
        (Some(a), Some(b)) if issues_conflict(a, b) => Conflict,
        _ => Missing,
    }
}

fn first_pages(a: Option<&Pages>, b: Option<&Pages>) -> Agreement {
    let (Some(a), Some(b)) = (a, b) else {
        return Missing;
    };
    match pages_equal(&a.first, &b.first) {
        true => Same,
        false if a.damaged || b.damaged => Missing,
        // Electronic journals count the pages of each article from 1 and number the articles.
        false if counts_from_one(a, b) || counts_from_one(b, a) => Missing,
        false => Conflict,
    }
}

/// Whether one is a range from page 1 and the other an article number.
fn counts_from_one(range: &Pages, number: &Pages) -> bool {
    &*range.first == "1" && range.last.is_some() && number.last.is_none()
}

fn last_pages(a: Option<&Pages>, b: Option<&Pages>) -> Agreement {
    let (Some(a), Some(b)) = (a, b) else {
        return Missing;
    };
    match (&a.last, &b.last) {
        (Some(x), Some(y)) if pages_equal(x, y) => Same,
        (Some(_), Some(_)) if !a.damaged && !b.damaged => Conflict,
        _ => Missing,
    }
}

/// Equal, or equal in number where one lacks the letters before it.
fn pages_equal(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    match (split_number(a), split_number(b)) {
        (Some((x, m)), Some((y, n))) => m == n && (x.is_empty() || y.is_empty()),
        _ => false,
    }
}

fn venues(a: &str, b: &str) -> Agreement {
    if a.is_empty() || b.is_empty() {
        Missing
    } else if a == b {
        Same
    } else if abbreviates(a, b) || abbreviates(b, a) {
        Near
    } else {
        Missing
    }
}

/// Whether each word of `short` begins the next word of `long` that is not left out in
/// abbreviations (`br j pharmacol`, `british journal of pharmacology`).
fn abbreviates(short: &str, long: &str) -> bool {
    const LEFT_OUT: [&str; 13] = [
        "of", "the", "and", "in", "for", "on", "a", "de", "la", "der", "und", "et", "fur",
    ];
    let mut words = long.split(' ').filter(|word| !LEFT_OUT.contains(word));
    let begun = short
        .split(' ')
        .filter(|word| !LEFT_OUT.contains(word))
        .all(|part| words.next().is_some_and(|word| word.starts_with(part)));
    begun && words.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wordings() {
        for (a, b, want) in [
            (
                "seabirds of the northern coast",
                "seabirds of the southern coast",
                Wording::Other,
            ),
            ("pain in men", "pain in women", Wording::Other),
            ("dolor en hombres", "dolor en mujeres", Wording::Other),
            (
                "hypotension in rats",
                "hypertension in rats",
                Wording::Other,
            ),
            ("the colour of rats", "the color of rat", Wording::Same),
            ("nf kappa b in rats", "nf kappab in rats", Wording::Same),
            ("the heart of rats", "heart of the rats", Wording::Same),
            ("beta blockers in rats", "b blockers in rats", Wording::Same),
            (
                "the heart of rats",
                "the heart of young rats",
                Wording::More,
            ),
            ("the heart", "the heart", Wording::Same),
            ("vitamin a in rats", "vitamin d in rats", Wording::Other),
            (
                "increase of the heart rate",
                "decrease of the heart rate",
                Wording::Other,
            ),
        ] {
            assert_eq!(wording(a, b), want, "{a} / {b}");
            assert_eq!(wording(b, a), want, "{b} / {a}");
        }
    }
}
