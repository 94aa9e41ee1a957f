//! The journals that invented articles appear in.

use fastrand::Rng;

use super::prose::capital;
use super::sample::rng;
use super::vocabulary::Language;
use crate::record::Subject;

/// What all articles of one journal share.
pub(super) struct Journal {
    pub(super) title: String,
    pub(super) publisher: String,
    pub(super) issn: Option<String>,
    pub(super) eissn: Option<String>,
    pub(super) doi_prefix: Option<String>,
    pub(super) site: String,
    pub(super) language: Language,
    pub(super) subjects: Vec<Subject>,
}

/// Journals there are at the least.
pub(super) const JOURNALS: usize = 240;

pub(super) fn journal(number: usize, seed: u64) -> Journal {
    let mut rng = rng(seed, 1, number);
    let language = language_of(number);
    let words = language.vocabulary();
    let word = words.content(&mut rng).to_owned();
    let subject_word = capital(words.topic(&mut rng));
    let title = match (language, rng.u8(..4)) {
        (Language::English, 0) => format!("Journal of {subject_word} {}", capital(&word)),
        (Language::English, 1) => format!("International Journal of {subject_word}"),
        (Language::English, 2) => format!("{subject_word} & {}", capital(&word)),
        _ => format!("{subject_word}{}{word}", language.blank()),
    };
    let publisher = match rng.u8(..4) {
        0 => format!("University of {}", capital(words.topic(&mut rng))),
        1 => format!("{} Press", capital(words.topic(&mut rng))),
        2 => format!("{} Publishing S.A.", capital(words.topic(&mut rng))),
        _ => format!("Universidad Nacional de {}", capital(words.topic(&mut rng))),
    };
    let (print, online) = (issn(&mut rng), issn(&mut rng));
    let (issn, eissn) = match rng.u8(..20) {
        0..5 => (None, Some(online)),
        5..7 => (Some(print), None),
        // DOAJ has journals with one number in both places.
        7 => (Some(online.clone()), Some(online)),
        _ => (Some(print), Some(online)),
    };
    let mut subjects = Vec::new();
    for _ in 0..rng.usize(1..4) {
        let (code, term) = SUBJECTS[rng.usize(..SUBJECTS.len())];
        if subjects
            .iter()
            .all(|subject: &Subject| subject.term != term)
        {
            subjects.push(Subject {
                scheme: Some("LCC".to_owned()),
                code: Some(code.to_owned()),
                term: term.to_owned(),
                language: None,
            });
        }
    }
    Journal {
        title,
        publisher,
        issn,
        eissn,
        doi_prefix: (rng.u8(..5) > 0).then(|| format!("10.{}", rng.u32(1_000..90_000))),
        site: format!("https://journal{number}.example/article"),
        language,
        subjects,
    }
}

/// The language of a journal: by lot each hundred journals would miss some, so shares are dealt
/// out, in steps that spread them over the numbers.
fn language_of(journal: usize) -> Language {
    let mut place = journal * 37 % 100;
    for (language, of_hundred) in Language::SHARES {
        match place.checked_sub(usize::from(of_hundred)) {
            Some(rest) => place = rest,
            None => return language,
        }
    }
    Language::English
}

/// An ISSN with its check digit.
pub(super) fn issn(rng: &mut Rng) -> String {
    let digits: [u32; 7] = std::array::from_fn(|_| rng.u32(..10));
    let sum: u32 = (2..=8)
        .rev()
        .zip(digits)
        .map(|(weight, d)| weight * d)
        .sum();
    let check = match (11 - sum % 11) % 11 {
        10 => "X".to_owned(),
        digit => digit.to_string(),
    };
    let text: String = digits.iter().map(u32::to_string).collect();
    let (head, tail) = text.split_at(4);
    format!("{head}-{tail}{check}")
}

/// Classes of the Library of Congress Classification that DOAJ uses: code and term.
const SUBJECTS: [(&str, &str); 28] = [
    ("R", "Medicine"),
    ("Q", "Science"),
    ("T", "Technology"),
    ("H", "Social Sciences"),
    ("L", "Education"),
    ("S", "Agriculture"),
    ("P", "Language and Literature"),
    ("B", "Philosophy. Psychology. Religion"),
    ("K", "Law"),
    ("G", "Geography. Anthropology. Recreation"),
    ("N", "Fine Arts"),
    ("J", "Political science"),
    ("D", "History (General) and history of Europe"),
    ("M", "Music and books on Music"),
    ("RC31-1245", "Internal medicine"),
    ("RA1-1270", "Public aspects of medicine"),
    ("RT1-120", "Nursing"),
    ("RD1-811", "Surgery"),
    ("QA1-939", "Mathematics"),
    ("QC1-999", "Physics"),
    ("QD1-999", "Chemistry"),
    ("QH301-705.5", "Biology (General)"),
    ("QE1-996.5", "Geology"),
    ("GE1-350", "Environmental sciences"),
    ("HB71-74", "Economics as a science"),
    ("HM401-1281", "Sociology (General)"),
    (
        "TA1-2040",
        "Engineering (General). Civil engineering (General)",
    ),
    ("LC8-6691", "Special aspects of education"),
];
