//! Reads a title: its words, its numbers, and whether it announces a notice about another work.

use serde::{Deserialize, Serialize};

use super::text::{fold, unmark};

/// Languages that databases append to the titles that they translate.
const LANGUAGES: [&str; 40] = [
    "afrikaans",
    "arabic",
    "bulgarian",
    "catalan",
    "chinese",
    "croatian",
    "czech",
    "danish",
    "dutch",
    "english",
    "estonian",
    "finnish",
    "french",
    "georgian",
    "german",
    "greek",
    "hebrew",
    "hungarian",
    "icelandic",
    "indonesian",
    "italian",
    "japanese",
    "korean",
    "latvian",
    "lithuanian",
    "macedonian",
    "norwegian",
    "persian",
    "polish",
    "portuguese",
    "romanian",
    "russian",
    "serbian",
    "slovak",
    "slovenian",
    "spanish",
    "swedish",
    "thai",
    "turkish",
    "ukrainian",
];

/// Words after which the next word counts, such as `part` in `part b`.
const COUNTED: [&str; 16] = [
    "part", "pt", "volume", "vol", "phase", "type", "class", "section", "chapter", "book", "study",
    "series", "stage", "paper", "report", "file",
];

/// The kind of notice about another work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// A work of its own.
    #[default]
    None,
    /// Erratum, corrigendum, correction, addendum.
    Erratum,
    /// Retraction, withdrawal, expression of concern.
    Retraction,
    /// A reply of authors or a response to a letter.
    Reply,
    /// A comment on another work, a letter about it.
    Comment,
    /// An editorial or other words of the editor.
    Editorial,
}

/// Beginnings of folded titles.
const NOTICES: [(&str, Notice); 41] = [
    ("erratum", Notice::Erratum),
    ("errata", Notice::Erratum),
    ("corrigendum", Notice::Erratum),
    ("corrigenda", Notice::Erratum),
    ("correction to", Notice::Erratum),
    ("correction for", Notice::Erratum),
    ("corrections to", Notice::Erratum),
    ("publisher correction", Notice::Erratum),
    ("author correction", Notice::Erratum),
    ("addendum", Notice::Erratum),
    ("fe de errata", Notice::Erratum),
    ("berichtigung", Notice::Erratum),
    ("rectificatif", Notice::Erratum),
    ("publishers note", Notice::Erratum),
    ("retraction", Notice::Retraction),
    ("retractacion", Notice::Retraction),
    ("retratacao", Notice::Retraction),
    ("withdrawal notice", Notice::Retraction),
    ("expression of concern", Notice::Retraction),
    ("editorial expression of concern", Notice::Retraction),
    ("notice of retraction", Notice::Retraction),
    ("reply to", Notice::Reply),
    ("reply by", Notice::Reply),
    ("in reply", Notice::Reply),
    ("authors reply", Notice::Reply),
    ("author reply", Notice::Reply),
    ("authors response", Notice::Reply),
    ("response to letter", Notice::Reply),
    ("response to the letter", Notice::Reply),
    ("comment on", Notice::Comment),
    ("comments on", Notice::Comment),
    ("commentary on", Notice::Comment),
    ("letter to the editor", Notice::Comment),
    ("carta al editor", Notice::Comment),
    ("cartas al editor", Notice::Comment),
    ("carta ao editor", Notice::Comment),
    ("re ", Notice::Comment),
    ("editorial", Notice::Editorial),
    ("editors ", Notice::Editorial),
    ("editor s ", Notice::Editorial),
    ("from the editor", Notice::Editorial),
];

/// Titles that are one of these words and no more.
const NOTICE_WORDS: [(&str, Notice); 7] = [
    ("correction", Notice::Erratum),
    ("corrections", Notice::Erratum),
    ("reply", Notice::Reply),
    ("response", Notice::Reply),
    ("comment", Notice::Comment),
    ("commentary", Notice::Comment),
    ("letter", Notice::Comment),
];

/// Marks that publishers put before the title of a retracted article, which it stays.
const RETRACTED: [&str; 4] = [
    "retracted article ",
    "retracted chapter ",
    "retracted ",
    "withdrawn ",
];

/// A title made comparable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Title {
    /// Folded words.
    pub(super) words: String,
    /// The numbers in it, see [`numbers`].
    pub(super) numbers: String,
    /// The notice that its beginning announces.
    pub(super) notice: Notice,
}

/// Reads a title as written.
pub(super) fn read(raw: &str) -> Title {
    let raw = unmark(raw);
    let folded = fold(without_language(&raw));
    let notice = notice(&folded);
    let words = RETRACTED
        .iter()
        .find_map(|mark| folded.strip_prefix(mark))
        .unwrap_or(&folded);
    let numbers = numbers(words);
    Title {
        notice,
        numbers,
        words: words.to_owned(),
    }
}

/// `raw` up to a sentence that begins with the name of a language.
///
/// Databases write `Title in English. French Titre en français` or `Title [Chinese]`.
fn without_language(raw: &str) -> &str {
    for (at, mark) in raw
        .char_indices()
        .filter(|(_, c)| matches!(c, '.' | '?' | '[' | '('))
    {
        // A title does not begin with its language note, so what is left must be a title.
        if at < 15 {
            continue;
        }
        let after = raw[at + 1..].trim_start();
        let word = after
            .split(|c: char| !c.is_alphabetic())
            .next()
            .unwrap_or_default();
        let tail = &after[word.len()..];
        let ends = match mark {
            '[' => tail.starts_with(']'),
            '(' => tail.starts_with(')') && tail.len() <= 2,
            _ => true,
        };
        // `French patients …` is a sentence of the title; the note is followed by nothing or by
        // the original title, which begins with a capital.
        let noted = tail.trim_matches(['.', ' ', ']', ')']).chars().next();
        let original = noted.is_none_or(|c| c.is_uppercase() || mark == '[');
        if ends && original && LANGUAGES.contains(&word.to_lowercase().as_str()) {
            return &raw[..at];
        }
    }
    raw
}

/// The notice that a folded document type names.
///
/// Only those count that may bear the very title of the work they are about; editorials and letters
/// are typed by some sources and not by others.
pub(super) fn typed_notice(folded: &str) -> Notice {
    let has = |words: &[&str]| words.iter().any(|word| folded.contains(word));
    if has(&["erratum", "errata", "corrigend", "correction"]) {
        Notice::Erratum
    } else if has(&["retraction"]) {
        Notice::Retraction
    } else {
        Notice::None
    }
}

/// The notice that a folded title announces by how it begins.
fn notice(folded: &str) -> Notice {
    let whole = NOTICE_WORDS.iter().find(|(word, _)| folded == *word);
    let begins = || NOTICES.iter().find(|(start, _)| folded.starts_with(start));
    whole
        .or_else(begins)
        .map_or(Notice::None, |(_, notice)| *notice)
}

/// The numbers in folded words, as decimal digits, sorted, with one blank between them.
///
/// Every run of digits counts; of Roman numerals those that are no common words, and any word
/// after `part` and the like (`part b`, `part one`).
pub(super) fn numbers(words: &str) -> String {
    let mut found: Vec<String> = Vec::new();
    let mut counted = false;
    for word in words.split(' ') {
        let bytes = word.as_bytes();
        if bytes.iter().any(u8::is_ascii_digit) {
            let runs = word
                .split(|c: char| !c.is_ascii_digit())
                .filter(|run| !run.is_empty());
            found.extend(runs.map(|run| match run.trim_start_matches('0') {
                "" => "0".to_owned(),
                digits => digits.to_owned(),
            }));
        } else if let Some(value) = roman(word).filter(|_| counted || word.len() > 1) {
            found.push(value.to_string());
        } else if counted && (word.len() == 1 || spelled(word).is_some()) {
            found.push(spelled(word).unwrap_or(word).to_owned());
        }
        counted = COUNTED.contains(&word);
    }
    if found.len() > 1 {
        found.sort_unstable();
    }
    found.join(" ")
}

fn spelled(word: &str) -> Option<&'static str> {
    const WORDS: [(&str, &str); 6] = [
        ("one", "1"),
        ("two", "2"),
        ("three", "3"),
        ("four", "4"),
        ("five", "5"),
        ("six", "6"),
    ];
    WORDS
        .iter()
        .find(|(name, _)| *name == word)
        .map(|(_, digit)| *digit)
}

/// Roman numerals from 1 to 20.
pub(super) fn roman(word: &str) -> Option<u32> {
    const NUMERALS: [&str; 20] = [
        "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii", "xiii", "xiv",
        "xv", "xvi", "xvii", "xviii", "xix", "xx",
    ];
    NUMERALS
        .iter()
        .position(|numeral| *numeral == word)
        .map(|at| at as u32 + 1)
}

#[cfg(test)]
mod tests {
    use super::{Notice, numbers, read};

    #[test]
    fn notices() {
        for (raw, want) in [
            ("Erratum: The heart", Notice::Erratum),
            ("Correction", Notice::Erratum),
            ("Correction of myopia by surgery", Notice::None),
            ("Correction to: The heart", Notice::Erratum),
            ("Retraction note", Notice::Retraction),
            ("RETRACTED ARTICLE: The heart", Notice::None),
            ("Reply to Smith et al.", Notice::Reply),
            ("Authors' reply", Notice::Reply),
            ("Comment on \"The heart\"", Notice::Comment),
            ("Re: The heart", Notice::Comment),
            ("Recent advances", Notice::None),
            ("Editor's comments", Notice::Editorial),
            ("Editorial", Notice::Editorial),
            ("Response of the heart to stress", Notice::None),
        ] {
            assert_eq!(read(raw).notice, want, "{raw}");
        }
    }

    #[test]
    fn words_without_notes() {
        for (case, raw, want) in [
            (
                "language at the end",
                "Protection of the heart. Chinese",
                "protection of the heart",
            ),
            (
                "language and original title",
                "Cellular recovery after ischemia. French La recuperation cellulaire",
                "cellular recovery after ischemia",
            ),
            (
                "language in brackets",
                "Protection of the heart [Russian]",
                "protection of the heart",
            ),
            (
                "a sentence about people",
                "Protection of the heart. Chinese patients do well",
                "protection of the heart chinese patients do well",
            ),
            ("retracted", "RETRACTED: The heart", "the heart"),
        ] {
            assert_eq!(read(raw).words, want, "{case}");
        }
    }

    #[test]
    fn numbers_in_titles() {
        for (words, want) in [
            ("the heart", ""),
            ("the heart part ii", "2"),
            ("the heart part 2", "2"),
            ("the heart part two", "2"),
            ("the heart part b", "b"),
            ("angiotensin ii and h2o2", "2 2 2"),
            ("vitamin c in 1 of 007 rats", "1 7"),
            ("am i right", ""),
        ] {
            assert_eq!(numbers(words), want, "{words}");
        }
    }
}
