//! Reads a title: its words, its numbers, and whether it announces a notice about another work.

use super::{
    notice::{self, Notice},
    number::numbers,
    text::{fold, unmark},
};

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

/// What a spreadsheet shows for a title that it took for a formula.
const SPREADSHEET_ERRORS: [&str; 4] = ["#NAME?", "#VALUE!", "#REF!", "#N/A"];

/// A title made comparable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Title {
    /// Folded words.
    pub(super) words: String,
    /// The numbers in it, see [`super::number::numbers`].
    pub(super) numbers: String,
    /// The notice that its beginning or end announces.
    pub(super) notice: Notice,
}

/// Reads a title as written.
///
/// The words of a notice are those of the title that it is about, if it names one.
pub(super) fn read(raw: &str) -> Title {
    if SPREADSHEET_ERRORS.contains(&raw.trim()) {
        return Title::default();
    }
    let raw = unmark(raw);
    let parted = notice::part(without_language(&raw));
    let folded = fold(parted.title);
    let words = notice::without_mark(&folded);
    let notice = match parted.notice {
        Notice::None => notice::of_words(&folded),
        notice => notice,
    };
    Title {
        notice,
        numbers: numbers(words),
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

#[cfg(test)]
mod tests {
    use super::{Notice, read};

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
            ("formula", "#NAME?", ""),
            ("notice", "Erratum to: The heart", "the heart"),
        ] {
            assert_eq!(read(raw).words, want, "{case}");
        }
    }
}
