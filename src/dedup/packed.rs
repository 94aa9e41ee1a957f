//! A compact binary form of descriptions, stored with each record.
//!
//! About 200 bytes for an article, a third less than as JSON. Fields stand in the order of the
//! struct; a text is its length and its bytes, a number seven bits a byte, the least first. A change
//! of this layout is a change of [`VERSION`](super::VERSION).

use super::{
    address::Address,
    description::{Description, Form},
    name::Name,
    notice::Notice,
    place::{Issn, Pages},
};

const FORMS: [Form; 15] = [
    Form::Unknown,
    Form::Journal,
    Form::Article,
    Form::Chapter,
    Form::Book,
    Form::Data,
    Form::Supplement,
    Form::Thesis,
    Form::Conference,
    Form::Report,
    Form::Preprint,
    Form::Software,
    Form::Image,
    Form::Recording,
    Form::Other,
];

const NOTICES: [Notice; 8] = [
    Notice::None,
    Notice::Erratum,
    Notice::Retraction,
    Notice::Reply,
    Notice::Comment,
    Notice::Editorial,
    Notice::Data,
    Notice::Supplement,
];

/// Packs a description.
pub fn pack(record: &Description) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.push(place_in(&FORMS, &record.form));
    out.push(place_in(&NOTICES, &record.notice));
    text(&mut out, &record.title);
    text(&mut out, &record.numbers);
    number(&mut out, record.other_titles.len() as u64);
    for title in &record.other_titles {
        text(&mut out, title);
    }
    number(&mut out, record.authors.len() as u64);
    for author in &record.authors {
        text(&mut out, &author.family);
        text(&mut out, &author.given);
    }
    text(&mut out, &record.venue);
    number(&mut out, record.year.map_or(0, u64::from));
    optional(&mut out, record.volume.as_deref());
    optional(&mut out, record.issue.as_deref());
    match &record.pages {
        None => out.push(0),
        Some(pages) => {
            out.push(1 + u8::from(pages.damaged));
            text(&mut out, &pages.first);
            optional(&mut out, pages.last.as_deref());
        }
    }
    number(&mut out, record.issns.len() as u64);
    for issn in &record.issns {
        number(&mut out, u64::from(issn.number()));
    }
    number(&mut out, record.isbns.len() as u64);
    for isbn in &record.isbns {
        number(&mut out, *isbn);
    }
    number(&mut out, record.dois.len() as u64);
    for doi in &record.dois {
        text(&mut out, doi);
    }
    // A missing address is 0.
    number(
        &mut out,
        record.address.map_or(0, |address| address.number() + 1),
    );
    out
}

/// Restores a packed description; `None` for any other bytes.
pub fn unpack(bytes: &[u8]) -> Option<Description> {
    let mut rest = Rest(bytes);
    let record = Description {
        form: *FORMS.get(usize::from(rest.byte()?))?,
        notice: *NOTICES.get(usize::from(rest.byte()?))?,
        title: rest.text()?,
        numbers: rest.text()?,
        other_titles: rest.list(Rest::text)?,
        authors: rest.list(|rest| {
            Some(Name {
                family: rest.text()?,
                given: rest.text()?,
            })
        })?,
        venue: rest.text()?,
        year: match rest.number()? {
            0 => None,
            year => Some(u16::try_from(year).ok()?),
        },
        volume: rest.optional()?,
        issue: rest.optional()?,
        pages: match rest.byte()? {
            0 => None,
            mark => Some(Pages {
                first: rest.text()?,
                last: rest.optional()?,
                damaged: mark == 2,
            }),
        },
        issns: rest.list(|rest| Some(Issn::from_number(u32::try_from(rest.number()?).ok()?)))?,
        isbns: rest.list(Rest::number)?,
        dois: rest.list(Rest::text)?,
        address: match rest.number()? {
            0 => None,
            more => Some(Address::from_number(more - 1)),
        },
    };
    rest.0.is_empty().then_some(record)
}

fn place_in<T: PartialEq>(all: &[T], one: &T) -> u8 {
    // The lists name every variant and are short; the test walks them.
    all.iter()
        .zip(0..)
        .find(|(other, _)| *other == one)
        .map_or(0, |(_, place)| place)
}

fn number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn text(out: &mut Vec<u8>, text: &str) {
    number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// A missing text is 0, a present one its length and one more.
fn optional(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        None => out.push(0),
        Some(text) => {
            number(out, text.len() as u64 + 1);
            out.extend_from_slice(text.as_bytes());
        }
    }
}

struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, length: u64) -> Option<Box<str>> {
        let (text, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        std::str::from_utf8(text).ok().map(Box::from)
    }

    fn text(&mut self) -> Option<Box<str>> {
        let length = self.number()?;
        self.take(length)
    }

    fn optional(&mut self) -> Option<Option<Box<str>>> {
        match self.number()? {
            0 => Some(None),
            more => self.take(more - 1).map(Some),
        }
    }

    fn list<T>(&mut self, read: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.number()?;
        // No more items than bytes: a damaged count must not take all memory.
        if count > self.0.len() as u64 {
            return None;
        }
        (0..count).map(|_| read(self)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dedup::testing::record;

    #[test]
    fn packed_descriptions_are_restored() {
        let full = "title=Erratum: The heart of the matter, part 2; author=Li, Wei; \
                    author=van der Berg, J; venue=Heart; year=2001; volume=3; issue=4; \
                    pages=139-54; doi=10.1000/182; issn=0300-8428; isbn=0-306-40615-2; \
                    url=https://example.org/heart/2";
        for (case, text) in [
            ("nothing", ""),
            ("all fields", full),
            ("journal", "type=journal; title=Heart; issn=0300-8428"),
            ("data", "type=dataset; title=Heart rates"),
            ("pages as a date", "pages=11-Jun; title=Ümläute 心"),
        ] {
            let record = record(text);
            let packed = pack(&record);
            assert_eq!(unpack(&packed), Some(record), "{case}");
            for end in 0..packed.len() {
                assert_eq!(unpack(&packed[..end]), None, "{case}, cut at {end}");
            }
        }
        for form in FORMS {
            let record = Description {
                form,
                ..Description::default()
            };
            assert_eq!(unpack(&pack(&record)), Some(record));
        }
        for notice in NOTICES {
            let record = Description {
                notice,
                ..Description::default()
            };
            assert_eq!(unpack(&pack(&record)), Some(record));
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        for bytes in [&[9][..], &[0, 0, 0xFF, 0xFF], &[0; 40]] {
            assert_eq!(unpack(bytes), None, "{bytes:?}");
        }
    }
}
