//! Words in a form that can be compared: without case, accents and punctuation.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The text in lower case without accents; words and numbers are separated by one blank, also where
/// small letters are followed by a capital (`bookChapter`). A blank is at both ends, unless the
/// text has no words.
pub(super) fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len() + 2);
    folded.push(' ');
    if text.is_ascii() {
        push_folded(text.chars(), &mut folded);
    } else {
        let letters = text.nfkd().filter(|c| !is_combining_mark(*c));
        push_folded(letters, &mut folded);
    }
    if !folded.ends_with(' ') {
        folded.push(' ');
    }
    folded
}

fn push_folded(letters: impl Iterator<Item = char>, folded: &mut String) {
    let mut after_small = false;
    for c in letters {
        if !c.is_alphanumeric() {
            after_small = false;
            if !folded.ends_with(' ') {
                folded.push(' ');
            }
            continue;
        }
        if after_small && c.is_uppercase() && !folded.ends_with(' ') {
            folded.push(' ');
        }
        after_small = c.is_lowercase();
        match c {
            'ı' => folded.push('i'),
            'ø' | 'Ø' => folded.push('o'),
            'ł' | 'Ł' => folded.push('l'),
            'đ' | 'Đ' => folded.push('d'),
            'ß' => folded.push_str("ss"),
            'æ' | 'Æ' => folded.push_str("ae"),
            c if c.is_ascii() => folded.push(c.to_ascii_lowercase()),
            c => folded.extend(c.to_lowercase()),
        }
    }
}

/// Whether a folded text has a word that begins with `stem`, which may be several words.
///
/// A stem in a script without spaces between words may stand anywhere.
pub(super) fn has_stem(folded: &str, stem: &str) -> bool {
    let spaceless = stem
        .chars()
        .next()
        .is_some_and(|c| matches!(c, '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7ff}'));
    match spaceless {
        true => folded.contains(stem),
        false => word_starts(folded).any(|rest| rest.starts_with(stem)),
    }
}

/// What follows each blank.
fn word_starts(folded: &str) -> impl Iterator<Item = &str> {
    let bytes = folded.bytes().enumerate();
    bytes
        .filter(|(_, byte)| *byte == b' ')
        .map(|(at, _)| &folded[at + 1..])
}

/// Whether a folded text has these words.
pub(super) fn has_word(folded: &str, word: &str) -> bool {
    word_starts(folded).any(|rest| {
        rest.strip_prefix(word)
            .is_some_and(|after| after.starts_with(' '))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds() {
        let cases = [
            ("Thèse ou Mémoire / ETD", " these ou memoire etd "),
            ("bookChapter", " book chapter "),
            ("Yüksek lisans", " yuksek lisans "),
            ("Статья", " статья "),
            ("conference_item", " conference item "),
            ("", " "),
        ];
        for (text, expected) in cases {
            assert_eq!(fold(text), expected);
        }
    }

    #[test]
    fn finds_words() {
        assert!(has_stem(" doctoral thesis ", "thes"));
        assert!(!has_stem(" synthesis ", "thes"));
        assert!(has_stem(" 修士学位論文 ", "学位論文"));
        assert!(has_word(" a report ", "report"));
        assert!(!has_word(" reporting ", "report"));
    }
}
