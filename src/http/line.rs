//! Texts of other programs as one short line that a log, a terminal or an alert can hold.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The longest text of another program that is kept, in characters.
pub const LINE_CHARS: usize = 500;

/// `text` as one line of at most [`LINE_CHARS`] characters.
pub fn one_line(text: &str) -> String {
    excerpt(text, LINE_CHARS)
}

/// The beginning of `text` as one line of at most `chars` characters.
///
/// White space at the ends goes, each run of it inside becomes one space. Characters that would act
/// on a terminal or change the order of a line become visible, as [`visible`] says. If something is
/// left out, the last character is `…`.
pub(crate) fn excerpt(text: &str, chars: usize) -> String {
    let mut line = String::new();
    let mut length = 0;
    // Where the line ends if the next piece does not fit: one character is left for the ellipsis.
    let mut last_end = 0;
    let mut push = |line: &mut String, piece: &str| {
        let added = piece.chars().count();
        if length + added > chars {
            line.truncate(last_end);
            line.push('…');
            return false;
        }
        line.push_str(piece);
        length += added;
        if length < chars {
            last_end = line.len();
        }
        true
    };
    let mut is_apart = false;
    let mut piece = String::new();
    for c in text.chars() {
        if c.is_whitespace() {
            is_apart = !line.is_empty();
            continue;
        }
        piece.clear();
        if std::mem::take(&mut is_apart) {
            piece.push(' ');
        }
        push_visible(&mut piece, c);
        if !push(&mut line, &piece) {
            break;
        }
    }
    line
}

/// `text` with each character that acts on a terminal, or changes the order of a line, as its code:
/// `<U+001B>`. These are the control characters (C0, C1), line and paragraph separators, and the
/// invisible characters that set the direction of writing.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    visible_except(text, |_| false)
}

/// As [`visible`], but the characters for which `keep` is true stay.
pub(crate) fn visible_except(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    let is_shown = |c: char| is_hidden(c) && !keep(c);
    if !text.contains(is_shown) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match keep(c) {
            true => shown.push(c),
            false => push_visible(&mut shown, c),
        }
    }
    Cow::Owned(shown)
}

fn push_visible(text: &mut String, c: char) {
    match is_hidden(c) {
        // Infallible, as all writing to strings.
        true => _ = write!(text, "<U+{:04X}>", u32::from(c)),
        false => text.push(c),
    }
}

/// Whether a character acts instead of being seen.
///
/// Source: Unicode 16, categories Cc, Zl, Zp, and the parts of Cf that steer the bidirectional
/// algorithm, annotate, or tag. Joiners stay: some languages are written with them.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{206F}'
            | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_texts_become_one_short_line() {
        let cases = [
            ("plain", "Müller, 漢字", 20, "Müller, 漢字"),
            ("lines", " a\r\n\tb\u{2028}c\u{85}\n", 20, "a b c"),
            ("forged line", "x\n ERROR y", 20, "x ERROR y"),
            ("escape", "\u{1b}[31mred", 20, "<U+001B>[31mred"),
            ("C1", "a\u{9b}2J", 20, "a<U+009B>2J"),
            ("delete and nul", "\u{7f}\0", 20, "<U+007F><U+0000>"),
            ("bidi", "a\u{202e}b\u{2066}", 30, "a<U+202E>b<U+2066>"),
            ("joiner stays", "می\u{200c}خواهم", 20, "می\u{200c}خواهم"),
            ("just fits", "abcde", 5, "abcde"),
            ("cut", "abcdef", 5, "abcd…"),
            ("cut at a space", "abcd ef", 5, "abcd…"),
            ("no code is cut", "ab\u{1b}cd", 6, "ab…"),
            ("nothing but a code", "\u{1b}\u{1b}", 3, "…"),
            ("empty", " \n", 5, ""),
        ];
        for (case, text, chars, expected) in cases {
            let line = excerpt(text, chars);
            assert_eq!(line, expected, "{case}");
            assert!(line.chars().count() <= chars, "{case}");
        }
        assert_eq!(one_line(&"é".repeat(140_000)).chars().count(), LINE_CHARS);
    }

    #[test]
    fn what_acts_is_made_visible() {
        assert_eq!(visible("a\nb\u{1b}"), "a<U+000A>b<U+001B>");
        assert_eq!(visible_except("a\nb\u{1b}", |c| c == '\n'), "a\nb<U+001B>");
        assert!(matches!(visible("nothing"), Cow::Borrowed("nothing")));
    }
}
