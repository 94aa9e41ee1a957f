//! Match keys: records that share one are compared.

use std::fmt;

use super::description::{Description, Form};

/// One match key.
///
/// A hash of kind and value, of [`Key::BITS`] bits. Of a hundred million keys one in ten thousand is
/// that of another value too, which costs a comparison; twice the bits would cost twice the space. The
/// number is the same on every machine and in every release of one [`VERSION`](super::VERSION), so it
/// may be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub u64);

/// The fields that a key is made of.
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
    /// The address of the full text.
    Address = 8,
}

/// Title bytes that make a key, blanks not counted.
const TITLE_BYTES: usize = 80;
/// Title words that make a key of head or tail.
const TITLE_WORDS: usize = 4;

/// ISSNs that make a key.
const ISSNS: usize = 3;

/// Whether a folded title is too short, or too common in form, to tell works apart by itself.
pub(super) fn is_short(title: &str) -> bool {
    title.len() < 25 || (title.is_ascii() && title.split(' ').nth(3).is_none())
}

impl Key {
    /// Bits of a key; those above are zero.
    pub const BITS: u32 = 40;

    fn new(kind: KeyKind, parts: &[&str]) -> (KeyKind, Key) {
        // In one piece: a hasher that takes several costs more than to hash so few bytes.
        let mut text = Vec::with_capacity(128);
        text.push(kind as u8);
        for part in parts {
            text.extend_from_slice(part.as_bytes());
            text.push(0);
        }
        let hash = blake3::hash(&text);
        let (first, _) = hash
            .as_bytes()
            .split_first_chunk()
            .expect("a hash has 32 bytes");
        (kind, Key(u64::from_be_bytes(*first) >> (64 - Self::BITS)))
    }
}

impl fmt::Display for Key {
    /// Ten hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:010x}", self.0)
    }
}

/// The keys of a record, about six, sorted, without repetitions.
///
/// Nearly every pair that a rule calls the same shares one of them; those are missed whose titles
/// differ both in their first and in their last words while the places are missing.
pub fn keys(record: &Description) -> Vec<Key> {
    let mut keys: Vec<Key> = by_kind(record).into_iter().map(|(_, key)| key).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn by_kind(record: &Description) -> Vec<(KeyKind, Key)> {
    let mut keys = Vec::with_capacity(8);
    if record.form == Form::Journal {
        keys.extend(
            record
                .issns
                .iter()
                .map(|issn| Key::new(KeyKind::Journal, &[&issn.to_string()])),
        );
        keys.extend(
            record
                .titles()
                .map(|title| Key::new(KeyKind::Title, &["journal", title])),
        );
    } else {
        keys.extend(record.dois.iter().map(|doi| Key::new(KeyKind::Doi, &[doi])));
        for title in record.titles() {
            title_keys(record, title, &mut keys);
        }
        place_keys(record, &mut keys);
        keys.extend(
            record
                .address
                .map(|address| Key::new(KeyKind::Address, &[&address.to_string()])),
        );
    }
    keys
}

fn title_keys(record: &Description, title: &str, keys: &mut Vec<(KeyKind, Key)>) {
    let compact: String = title.split(' ').collect();
    let end = (0..=TITLE_BYTES.min(compact.len()))
        .rev()
        .find(|at| compact.is_char_boundary(*at));
    let head = &compact[..end.unwrap_or(0)];
    let author = record.first_author().map(|name| name.last_word());
    if is_short(title) {
        // `Editorial` stands in every issue; together with its place it is rare.
        let page = record.pages.as_ref().map(|pages| &*pages.first);
        let places = [
            ("page", page),
            ("volume", record.volume.as_deref()),
            ("author", author),
        ];
        for (what, place) in places {
            keys.extend(place.map(|place| Key::new(KeyKind::Title, &[head, what, place])));
        }
        return;
    }
    keys.push(Key::new(KeyKind::Title, &[head]));
    let Some(author) = author else { return };
    if let Some((at, _)) = title.match_indices(' ').nth(TITLE_WORDS - 1) {
        keys.push(Key::new(KeyKind::TitleHead, &[&title[..at], author]));
    }
    if let Some((at, _)) = title.rmatch_indices(' ').nth(TITLE_WORDS - 1) {
        keys.push(Key::new(KeyKind::TitleTail, &[&title[at + 1..], author]));
    }
}

fn place_keys(record: &Description, keys: &mut Vec<(KeyKind, Key)>) {
    let Some(pages) = &record.pages else { return };
    let volume = record.volume.as_deref();
    if let Some(author) = record.first_author().map(|name| name.last_word()) {
        let year = record.year.map(|year| year.to_string());
        let when = volume
            .map(|v| ("volume", v))
            .or(year.as_deref().map(|y| ("year", y)));
        if let Some((what, when)) = when {
            keys.push(Key::new(
                KeyKind::AuthorPage,
                &[author, &pages.first, what, when],
            ));
        }
    }
    if let Some(volume) = volume {
        let issns = record.issns.iter().take(ISSNS);
        keys.extend(issns.map(|issn| {
            Key::new(
                KeyKind::IssnPage,
                &[&issn.to_string(), volume, &pages.first],
            )
        }));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::dedup::testing::record;

    fn shared(a: &str, b: &str) -> HashSet<KeyKind> {
        let of = |text| by_kind(&record(text)).into_iter().collect();
        let (a, b): (HashSet<(KeyKind, Key)>, HashSet<_>) = (of(a), of(b));
        a.intersection(&b).map(|(kind, _)| *kind).collect()
    }

    #[test]
    fn records_meet_by_what_they_share() {
        let long = "title=The heart of the matter in small mammals";
        for (case, a, b, want) in [
            (
                "doi",
                "doi=10.1/ab",
                "doi=https://doi.org/10.1/AB",
                vec![KeyKind::Doi],
            ),
            (
                "title",
                long,
                "title=The Heart of the Matter in Small Mammals!",
                vec![KeyKind::Title],
            ),
            (
                "title but for its end",
                "title=The heart of the matter in small mammals; author=Smith, J",
                "title=The heart of the matter in small rodents; author=Smith",
                vec![KeyKind::TitleHead],
            ),
            (
                "title but for its beginning",
                "title=The heart of the matter in small mammals; author=Smith, J",
                "title=On hearts and the matter in small mammals; author=Smith",
                vec![KeyKind::TitleTail],
            ),
            (
                "place",
                "author=Smith; volume=3; pages=7-9; issn=0300-8428",
                "author=Smith; volume=3; pages=7; issn=0300-8428",
                vec![KeyKind::AuthorPage, KeyKind::IssnPage],
            ),
            (
                "year for a missing volume",
                "author=Li; year=2001; pages=7",
                "author=Li; year=2001; pages=7-8",
                vec![KeyKind::AuthorPage],
            ),
            (
                "full text",
                "title=On hearts; url=https://www.example.org/heart/2/",
                "title=On the hearts of mice; url=http://example.org/heart/2#page=3",
                vec![KeyKind::Address],
            ),
            (
                "short title alone",
                "title=Editorial; pages=3",
                "title=Editorial; pages=4",
                vec![],
            ),
            (
                "short title and page",
                "title=Editorial; pages=3",
                "title=Editorial; pages=3",
                vec![KeyKind::Title],
            ),
            (
                "journal and article",
                "type=journal; title=The heart of the matter in small mammals; issn=0300-8428",
                "title=The heart of the matter in small mammals; issn=0300-8428; volume=1; pages=1",
                vec![],
            ),
            (
                "journals",
                "type=journal; title=Heart; issn=0300-8428",
                "type=journal; title=Hearts; issn=0300-8428",
                vec![KeyKind::Journal],
            ),
        ] {
            assert_eq!(shared(a, b), HashSet::from_iter(want), "{case}");
        }
    }

    #[test]
    fn a_stored_key_stays_what_it_is() {
        // A change here is a change of VERSION.
        assert_eq!(keys(&record("doi=10.1000/182")), [Key(0x38_2cc5_5b81)]);
    }
}
