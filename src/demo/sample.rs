//! Invented articles: the same for the same seed, and as varied as DOAJ's.
//!
//! Article `n` depends on the seed and on `n` alone, so a longer list starts with a shorter one.

use std::sync::Arc;

use fastrand::Rng;

use super::article::{Article, Author, Link};
use super::journal::{JOURNALS, journal};
use super::model::Item;
use super::prose::{Writer, capital};
use super::{token, xml};
use crate::oai::Datestamp;

/// How large invented articles are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// As they are at DOAJ: abstracts of up to some 2,500 characters, one in eight without.
    Demo,
    /// About this many bytes for the whole `oai_doaj` record on a page, header included; never
    /// less than title, authors and the rest need, which is about 1,500.
    Bytes(usize),
}

/// An invented article.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The OAI identifier, `oai:doaj.org/article:` and 32 hexadecimal digits.
    pub identifier: String,
    /// What the article is.
    pub article: Article,
    /// Its setSpecs, made from its subjects as DOAJ makes them.
    pub set_specs: Vec<String>,
}

impl Sample {
    /// The article in one of DOAJ's two formats; `None` for another prefix.
    pub fn metadata(&self, prefix: &str) -> Option<String> {
        match prefix {
            "oai_doaj" => Some(xml::oai_doaj(&self.article)),
            "oai_dc" => {
                let id = self.identifier.rsplit(':').next().unwrap_or_default();
                Some(xml::oai_dc(&self.article, id))
            }
            _ => None,
        }
    }

    /// The article as an item that last changed `at`, with metadata in the formats named.
    pub fn into_item(self, at: Datestamp, prefixes: &[&str]) -> Item {
        let rendered = |prefix: &&str| {
            let xml: Arc<str> = self.metadata(prefix)?.into();
            Some(((*prefix).to_owned(), xml))
        };
        let metadata = prefixes.iter().filter_map(rendered).collect();
        Item {
            identifier: self.identifier,
            datestamp: at,
            set_specs: self.set_specs,
            deleted: false,
            metadata,
        }
    }
}

/// Where there are many articles there are more journals: DOAJ's 11 million are of some 22,000.
const ARTICLES_OF_A_JOURNAL: usize = 500;

/// The first `count` articles of a seed.
///
/// One in fifty describes the same work as an earlier article, under another identifier and with
/// some detail changed; one in thirty has an odd value, as DOAJ's have.
pub fn articles(count: usize, seed: u64, size: Size) -> impl Iterator<Item = Sample> {
    (0..count).map(move |number| sample(number, seed, size))
}

fn sample(number: usize, seed: u64, size: Size) -> Sample {
    let mut rng = rng(seed, 0, number);
    let identifier = format!("oai:doaj.org/article:{:032x}", rng.u128(..));
    let article = if number > 0 && rng.u8(..50) == 0 {
        let original = rng.usize(number.saturating_sub(500)..number);
        let mut article = original_article(original, seed, size);
        change_a_detail(&mut article, &mut rng);
        article
    } else {
        original_article(number, seed, size)
    };
    let names = article.subjects.iter().map(|s| format!("LCC:{}", s.term));
    let set_specs = names.map(|name| token::write_set_spec(&name)).collect();
    Sample {
        identifier,
        article,
        set_specs,
    }
}

/// Independent chance for each stream and number of a seed.
pub(super) fn rng(seed: u64, stream: u64, number: usize) -> Rng {
    let mut mixer = Rng::with_seed(seed ^ stream.rotate_left(32));
    let mixed = mixer.u64(..) ^ (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    Rng::with_seed(mixed)
}

/// An ORCID iD with its check digit (ISO 7064, MOD 11-2), as a URL.
fn orcid(rng: &mut Rng) -> String {
    let digits: [u32; 15] = std::array::from_fn(|place| if place < 4 { 0 } else { rng.u32(..10) });
    let total = digits.iter().fold(0, |total, digit| (total + digit) * 2);
    let check = match (12 - total % 11) % 11 {
        10 => "X".to_owned(),
        digit => digit.to_string(),
    };
    let mut text: String = digits.iter().map(u32::to_string).collect();
    text.push_str(&check);
    for at in [12, 8, 4] {
        text.insert(at, '-');
    }
    format!("https://orcid.org/{text}")
}

fn original_article(number: usize, seed: u64, size: Size) -> Article {
    let mut rng = rng(seed, 2, number);
    // Few journals have most of the articles.
    let journals = JOURNALS.max(number / ARTICLES_OF_A_JOURNAL);
    let journal = journal(rng.usize(..journals).min(rng.usize(..journals)), seed);
    let words = journal.language.vocabulary();
    let topics: Vec<&str> = (0..30).map(|_| words.topic(&mut rng)).collect();
    let writer = Writer {
        language: journal.language,
        words,
        topics: &topics,
    };
    let year = 2012 + rng.u16(..14).max(rng.u16(..14));
    let volume = (year - 1990).to_string();
    let start = rng.u32(1..900);
    let doi = journal
        .doi_prefix
        .as_ref()
        .map(|prefix| format!("{prefix}/j{}.{year}.{number:05}", journal.title.len()));
    let url = match &doi {
        Some(doi) if rng.bool() => format!("https://doi.org/{doi}"),
        _ => format!("{}/{number}?lang={}&view=full", journal.site, rng.u8(..3)),
    };
    let mut article = Article {
        title: Some(writer.title(&mut rng)),
        authors: authors(&writer, &mut rng),
        published: Some(format!("{year}-{:02}-01", rng.u8(1..13))),
        volume: Some(volume),
        issue: (rng.u8(..8) > 0).then(|| rng.u8(1..13).to_string()),
        start_page: Some(start.to_string()),
        end_page: Some((start + rng.u32(1..25)).to_string()),
        doi,
        languages: vec![journal.language.code().to_owned()],
        keywords: keywords(&topics, &mut rng),
        subjects: journal.subjects,
        links: vec![Link {
            url,
            format: [None, Some("pdf"), Some("HTML")][rng.usize(..3)].map(str::to_owned),
        }],
        journal: Some(journal.title),
        publisher: Some(journal.publisher),
        issn: journal.issn,
        eissn: journal.eissn,
        ..Article::default()
    };
    if rng.u8(..30) == 0 {
        make_odd(&mut article, &mut rng);
    }
    match size {
        Size::Demo if rng.u8(..8) == 0 => {}
        Size::Demo => {
            let bytes = rng.usize(500..2_500);
            article.abstract_text = Some(writer.abstract_text(&mut rng, bytes));
        }
        Size::Bytes(record) => {
            let header = 260 + 40 * article.subjects.len();
            let rest = header + xml::oai_doaj(&article).len() + 45;
            if let Some(bytes) = record.checked_sub(rest).filter(|bytes| *bytes > 40) {
                article.abstract_text = Some(writer.abstract_text(&mut rng, bytes));
            }
        }
    }
    article
}

fn authors(writer: &Writer<'_>, rng: &mut Rng) -> Vec<Author> {
    let count = 1 + rng.usize(..8).min(rng.usize(..8));
    let with_affiliations = rng.u8(..4) > 0;
    (0..count)
        .map(|_| {
            let given = capital(writer.words.topic(rng));
            let family = capital(writer.words.topic(rng));
            let name = match rng.u8(..4) {
                0 => format!("{given} {}. {family}", char::from(rng.u8(b'A'..=b'Z'))),
                1 => format!("{family}, {given}"),
                _ => format!("{given} {family}"),
            };
            let affiliation = || {
                format!(
                    "Department of {}, University of {}, {}",
                    capital(writer.words.content(rng)),
                    capital(writer.words.topic(rng)),
                    capital(writer.words.topic(rng))
                )
            };
            Author {
                name,
                affiliations: with_affiliations.then(affiliation).into_iter().collect(),
                orcid: (rng.u8(..4) == 0).then(|| orcid(rng)),
                email: None,
            }
        })
        .collect()
}

fn keywords(topics: &[&str], rng: &mut Rng) -> Vec<String> {
    let count = rng.usize(..7);
    let keyword = |pair: &[&str]| pair.join(" ");
    topics
        .chunks(1 + rng.usize(..2))
        .take(count)
        .map(keyword)
        .collect()
}

/// What someone who enters the same article again writes otherwise.
fn change_a_detail(article: &mut Article, rng: &mut Rng) {
    match rng.u8(..7) {
        0 => article.doi = article.doi.take().map(|doi| doi.to_uppercase()),
        1 => {
            article.doi = article
                .doi
                .take()
                .map(|doi| format!("https://doi.org/{doi}"));
        }
        2 => {
            article.doi = None;
            article.abstract_text = None;
        }
        3 => article.title = article.title.take().map(|title| format!("{title}.")),
        4 => article.title = article.title.take().map(|title| title.to_uppercase()),
        5 => {
            for author in &mut article.authors {
                author.affiliations.clear();
                author.orcid = None;
            }
        }
        _ => {
            article.published = article.published.take().map(|date| {
                let (year, _) = date.split_once('-').unwrap_or((&date, ""));
                format!("{year}-01-01")
            });
            article.keywords.clear();
        }
    }
}

/// Values that DOAJ really has, and that trip whoever expects order.
fn make_odd(article: &mut Article, rng: &mut Rng) {
    match rng.u8(..11) {
        0 => {
            article.start_page = Some(format!("e{:07}", rng.u32(..9_999_999)));
            article.end_page = None;
        }
        1 => article.volume = Some("12/1".to_owned()),
        2 => article.keywords = vec!["; first".into(), "second;".into(), "  third ".into()],
        3 => article.authors.insert(0, Author::default()),
        4 => {
            let all = article.authors.clone();
            article.authors = all.iter().cycle().take(150).cloned().collect();
        }
        5 => article.published = Some("1900-01-01".to_owned()),
        6 => article.doi = article.doi.take().map(|doi| format!(" {doi} ")),
        7 => {
            article.title = article
                .title
                .take()
                .map(|title| format!("<i>{title}</i>  &amp; more"));
        }
        8 => article.title = None,
        9 => article.languages.clear(),
        _ => {
            article.published = None;
            article.volume = None;
            article.issue = None;
            article.links.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::demo::journal::issn;

    #[test]
    fn a_longer_list_starts_with_a_shorter_one() {
        let short: Vec<Sample> = articles(20, 7, Size::Demo).collect();
        let long: Vec<Sample> = articles(40, 7, Size::Demo).collect();
        assert_eq!(short[..], long[..20]);
        let other: Vec<Sample> = articles(20, 8, Size::Demo).collect();
        assert_ne!(short, other);
    }

    #[test]
    fn check_digits_are_right() {
        let mut rng = Rng::with_seed(3);
        for _ in 0..200 {
            let number = issn(&mut rng);
            let sum: u32 = number
                .chars()
                .filter(|c| *c != '-')
                .zip((1..=8).rev())
                .map(|(c, weight)| weight * c.to_digit(10).unwrap_or(10))
                .sum();
            assert_eq!((number.len(), sum % 11), (9, 0), "{number}");
        }
        let mut rng = Rng::with_seed(4);
        for _ in 0..200 {
            let url = orcid(&mut rng);
            let digits: Vec<u32> = url
                .trim_start_matches("https://orcid.org/")
                .chars()
                .filter(|c| *c != '-')
                .map(|c| c.to_digit(10).unwrap_or(10))
                .collect();
            let (check, body) = digits.split_last().unwrap();
            let total = body.iter().fold(0, |total, digit| (total + digit) * 2 % 11);
            assert_eq!((digits.len(), (total + check) % 11), (16, 1), "{url}");
        }
    }

    #[test]
    fn articles_are_varied() {
        let all: Vec<Sample> = articles(2_000, 1, Size::Demo).collect();
        let count = |test: &dyn Fn(&Article) -> bool| {
            all.iter().filter(|sample| test(&sample.article)).count()
        };
        let title_has = |low: char, high: char| {
            move |a: &Article| {
                let title = a.title.as_deref().unwrap_or_default();
                title.chars().any(|c| (low..=high).contains(&c))
            }
        };
        let in_span = |a: &Article| {
            let year = a.published.as_deref().and_then(|date| date.get(..5));
            year.is_some_and(|year| ("2012-"..="2025-").contains(&year))
        };
        let cases: [(&str, usize, usize); 10] = [
            ("date in span", 1_900, count(&in_span)),
            ("Cyrillic", 10, count(&title_has('а', 'я'))),
            ("Greek", 3, count(&title_has('α', 'ω'))),
            ("Chinese", 10, count(&title_has('\u{4E00}', '\u{9FFF}'))),
            ("Arabic", 3, count(&title_has('\u{0621}', '\u{064A}'))),
            ("no title", 1, count(&|a| a.title.is_none())),
            ("no abstract", 100, count(&|a| a.abstract_text.is_none())),
            ("no DOI", 100, count(&|a| a.doi.is_none())),
            ("many authors", 1, count(&|a| a.authors.len() == 150)),
            (
                "HTML",
                200,
                count(&|a| a.abstract_text.as_ref().is_some_and(|t| t.contains("<h4>"))),
            ),
        ];
        for (case, least, found) in cases {
            assert!(found >= least, "{case}: {found}");
        }
        let identifiers: HashSet<&str> = all.iter().map(|s| s.identifier.as_str()).collect();
        assert_eq!(identifiers.len(), all.len());
        let dois: Vec<String> = all
            .iter()
            .filter_map(|sample| sample.article.doi.as_ref())
            .map(|doi| {
                doi.trim()
                    .trim_start_matches("https://doi.org/")
                    .to_lowercase()
            })
            .collect();
        let works: HashSet<&String> = dois.iter().collect();
        let again = dois.len() - works.len();
        assert!((10..80).contains(&again), "{again} described twice");
    }

    #[test]
    fn a_record_is_as_large_as_asked() {
        let sizes: Vec<usize> = articles(200, 5, Size::Bytes(4_096))
            .map(|sample| sample.metadata("oai_doaj").unwrap().len() + 300)
            .collect();
        let mean = sizes.iter().sum::<usize>() / sizes.len();
        assert!((3_900..4_500).contains(&mean), "{mean}");
    }

    /// Sizes on disk and on the wire are only worth measuring if the text is no easier than real
    /// abstracts are: the longer records of a page of 2017 come to 41 to 44 percent.
    #[test]
    fn text_compresses_as_real_text_does() {
        let (mut plain, mut packed) = (0, 0);
        for sample in articles(200, 6, Size::Bytes(4_096)) {
            let xml = sample.metadata("oai_doaj").unwrap();
            plain += xml.len();
            packed += zstd::bulk::compress(xml.as_bytes(), 3).unwrap().len();
        }
        let percent = packed * 100 / plain;
        assert!((38..=45).contains(&percent), "{percent} %");
    }
}
