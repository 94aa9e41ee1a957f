//! Candidate keys: which records are worth comparing.

use super::description::{Description, Form};

/// One candidate key: records that share one are compared.
///
/// The kind is in the top eight bits, a hash of the value in the others; the number is the same on
/// every machine and in every release of one [`KEYS_VERSION`], so it may be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub u64);

/// Goes up when keys of an unchanged record change, so that stored ones must be made anew.
pub const KEYS_VERSION: u32 = 1;

/// What a key is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum KeyKind {
    /// DOI.
    Doi = 1,
    /// The beginning of the title; of a short one together with its page, volume or author.
    Title = 2,
    /// First author, first page and volume or year.
    AuthorPage = 3,
    /// ISSN, volume and first page.
    IssnPage = 4,
    /// The first words of the title and the first author.
    TitleHead = 5,
    /// The last words of the title and the first author.
    TitleTail = 6,
    /// A journal's ISSN.
    Journal = 7,
}

/// Title bytes that make a key, blanks not counted.
const TITLE_BYTES: usize = 80;
/// Title words that make a key of head or tail.
const TITLE_WORDS: usize = 4;

/// Whether a folded title is too short, or too common in form, to tell works apart by itself.
pub(super) fn is_short(title: &str) -> bool {
    title.len() < 25 || title.split(' ').nth(3).is_none() && title.is_ascii()
}

impl Key {
    fn new(kind: KeyKind, parts: &[&str]) -> Key {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(part.as_bytes());
            hasher.update(&[0]);
        }
        let mut hash = [0; 8];
        hasher.finalize_xof().fill(&mut hash);
        Key(u64::from(kind as u8) << 56 | u64::from_be_bytes(hash) >> 8)
    }
}

/// The keys of a record, about five, without repetitions.
///
/// Every pair that a rule can call the same shares at least one of them, but for the odd pair
/// whose titles differ in their first and last words and whose places are missing.
pub fn keys(record: &Description) -> Vec<Key> {
    let mut keys = Vec::with_capacity(7);
    let mut add = |kind, parts: &[&str]| keys.push(Key::new(kind, parts));
    let title: String = record.title.split(' ').collect();
    if record.form == Form::Journal {
        for issn in &record.issns {
            add(KeyKind::Journal, &[&issn.to_string()]);
        }
        if !title.is_empty() {
            add(KeyKind::Title, &["journal", &title]);
        }
        keys.sort_unstable();
        keys.dedup();
        return keys;
    }
    let author = record.first_author().map(|name| name.last_word());
    let page = record.pages.as_ref().map(|pages| &*pages.first);
    let year = record.year.map(|year| year.to_string());
    let volume = record.volume.as_deref();
    if let Some(doi) = &record.doi {
        add(KeyKind::Doi, &[doi]);
    }
    if !title.is_empty() {
        let end = (0..=TITLE_BYTES.min(title.len()))
            .rev()
            .find(|at| title.is_char_boundary(*at));
        let head = &title[..end.unwrap_or(0)];
        if !is_short(&record.title) {
            add(KeyKind::Title, &[head]);
        } else {
            // `Editorial` stands in every issue; its place makes it rare.
            if let Some(page) = page {
                add(KeyKind::Title, &[head, "page", page]);
            }
            if let Some(volume) = volume {
                add(KeyKind::Title, &[head, "volume", volume]);
            }
            if let Some(author) = author {
                add(KeyKind::Title, &[head, "author", author]);
            }
        }
    }
    if let (Some(author), Some(page)) = (author, page) {
        if let Some(volume) = volume {
            add(KeyKind::AuthorPage, &[author, page, "volume", volume]);
        } else if let Some(year) = &year {
            add(KeyKind::AuthorPage, &[author, page, "year", year]);
        }
    }
    if let (Some(volume), Some(page)) = (volume, page) {
        for issn in record.issns.iter().take(3) {
            add(KeyKind::IssnPage, &[&issn.to_string(), volume, page]);
        }
    }
    if let Some(author) = author.filter(|_| !is_short(&record.title)) {
        let mut blanks = record.title.match_indices(' ').map(|(at, _)| at);
        if let Some(at) = blanks.nth(TITLE_WORDS - 1) {
            add(KeyKind::TitleHead, &[&record.title[..at], author]);
        }
        let mut blanks = record.title.rmatch_indices(' ').map(|(at, _)| at);
        if let Some(at) = blanks.nth(TITLE_WORDS - 1) {
            add(KeyKind::TitleTail, &[&record.title[at + 1..], author]);
        }
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}
