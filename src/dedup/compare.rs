//! How two descriptions compare, field by field.

use rapidfuzz::distance::levenshtein;

use super::{
    description::{Description, Form},
    keys::is_short,
    name::Name,
    place::{Pages, split_number},
    title::numbers,
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
    /// One of the titles is too short to identify a work.
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
    /// `Near` if one is the beginning of the other: some are cut off.
    pub doi: Agreement,
    /// Title of the journal: `Same`, `Near` if one abbreviates the other; never in conflict.
    pub venue: Agreement,
}

impl<'a> Comparison<'a> {
    /// Compares two records. Symmetric, except for the fields `a` and `b`.
    pub fn new(a: &'a Description, b: &'a Description) -> Comparison<'a> {
        let titles = Titles::new(a, b);
        Comparison {
            a,
            b,
            title: titles.alike,
            contained: titles.contained,
            short: titles.short,
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
            issue: equal(a.issue.as_ref(), b.issue.as_ref()),
            page: first_pages(a.pages.as_ref(), b.pages.as_ref()),
            last_page: last_pages(a.pages.as_ref(), b.pages.as_ref()),
            issn: overlap(&a.issns, &b.issns),
            isbn: overlap(&a.isbns, &b.isbns),
            doi: dois(a.doi.as_deref(), b.doi.as_deref()),
            venue: venues(&a.venue, &b.venue),
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

    /// Two forms that one work cannot have.
    pub fn forms_conflict(&self) -> bool {
        let (a, b) = (self.a.form, self.b.form);
        a != b && a != Form::Unknown && b != Form::Unknown
    }
}

/// The comparison of the two most similar titles.
struct Titles {
    alike: f64,
    contained: bool,
    short: bool,
    numbers: bool,
}

impl Titles {
    fn new(a: &Description, b: &Description) -> Titles {
        let first = Titles::of(&a.title, &b.title, || a.numbers == b.numbers);
        if first.alike == 1.0 || (a.other_titles.is_empty() && b.other_titles.is_empty()) {
            return first;
        }
        let pairs = a.titles().flat_map(|x| b.titles().map(move |y| (x, y)));
        let all = pairs.map(|(x, y)| Titles::of(x, y, || numbers(x) == numbers(y)));
        // Every field takes part, so that the choice is the same with the records exchanged.
        let order = |t: &Titles| (t.alike, t.contained, t.numbers, !t.short);
        all.fold(first, |best, next| {
            if order(&next) > order(&best) {
                next
            } else {
                best
            }
        })
    }

    fn of(a: &str, b: &str, numbers: impl Fn() -> bool) -> Titles {
        Titles {
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

fn dois(a: Option<&str>, b: Option<&str>) -> Agreement {
    let (Some(a), Some(b)) = (a, b) else {
        return Missing;
    };
    if a == b {
        return Same;
    }
    // A suffix of some length is left in the shorter one, or half of all publishers would be near.
    let suffix = |doi: &str| doi.split_once('/').map_or(0, |(_, suffix)| suffix.len());
    let cut = (a.starts_with(b) && suffix(b) >= 6) || (b.starts_with(a) && suffix(a) >= 6);
    if cut { Near } else { Conflict }
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
