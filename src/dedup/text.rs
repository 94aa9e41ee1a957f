//! Folding: normalises texts for comparison.

use std::borrow::Cow;

use unicode_normalization::char::decompose_compatible;

/// Names of the Greek letters from alpha (U+03B1) on, final sigma included.
const GREEK: [&str; 25] = [
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa",
    "lambda", "mu", "nu", "xi", "omicron", "pi", "rho", "sigma", "sigma", "tau", "upsilon", "phi",
    "chi", "psi", "omega",
];

/// `raw` as lower-case words of letters and digits with one blank between them.
///
/// Markup and entities are resolved, accents dropped, ligatures and special letters spelled out.
/// An apostrophe joins (`rat's` is `rats`), all other punctuation parts words. A Greek letter on
/// its own is spelled (`β-blocker` is `beta blocker`), since half of all databases do so; Greek
/// words stay Greek. Empty if nothing is left.
pub fn fold(raw: &str) -> String {
    let text = unmark(raw);
    match text.is_ascii() {
        true => fold_ascii(&text),
        false => fold_any(&text),
    }
}

fn fold_any(text: &str) -> String {
    let mut out = Folder {
        text: String::with_capacity(text.len()),
        gap: false,
    };
    let mut previous_greek = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_ascii() {
            previous_greek = false;
            out.push(c);
            continue;
        }
        if is_greek(c) {
            let lone = !previous_greek && !chars.peek().copied().is_some_and(is_greek);
            previous_greek = true;
            if let Some(name) = lone.then(|| greek_name(c)).flatten() {
                name.chars().for_each(|letter| out.push(letter));
                continue;
            }
        } else {
            previous_greek = false;
        }
        decompose_compatible(c, |part| out.push(part));
    }
    out.text
}

/// [`fold_any`] for nearly all texts, byte by byte.
fn fold_ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut gap = false;
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            if gap && !out.is_empty() {
                out.push(' ');
            }
            gap = false;
            out.push(char::from(byte.to_ascii_lowercase()));
        } else if !matches!(byte, b'\'' | b'`') {
            gap = true;
        }
    }
    out
}

/// Collects folded characters.
struct Folder {
    text: String,
    /// A separator follows the last letter.
    gap: bool,
}

impl Folder {
    fn push(&mut self, c: char) {
        match c {
            'a'..='z' | '0'..='9' => self.letter(c),
            'A'..='Z' => self.letter(c.to_ascii_lowercase()),
            '\'' | '`' | '\u{2018}' | '\u{2019}' | '\u{2bc}' | '\u{b4}' | '\u{ad}' => {}
            '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200f}' | '\u{feff}' => {}
            'ß' => self.letters("ss"),
            'æ' | 'Æ' => self.letters("ae"),
            'œ' | 'Œ' => self.letters("oe"),
            'ø' | 'Ø' => self.letters("o"),
            'ł' | 'Ł' => self.letters("l"),
            'đ' | 'Đ' | 'ð' | 'Ð' => self.letters("d"),
            'þ' | 'Þ' => self.letters("th"),
            'ı' => self.letters("i"),
            // Vowel signs of Indic scripts are marks, yet part of the word.
            _ if c.is_alphanumeric() || is_joining_mark(c) => {
                c.to_lowercase().for_each(|lower| self.letter(lower));
            }
            _ => self.gap = true,
        }
    }

    fn letters(&mut self, letters: &str) {
        letters.chars().for_each(|c| self.letter(c));
    }

    fn letter(&mut self, c: char) {
        if std::mem::take(&mut self.gap) && !self.text.is_empty() {
            self.text.push(' ');
        }
        self.text.push(c);
    }
}

fn is_joining_mark(c: char) -> bool {
    !c.is_ascii() && unicode_normalization::char::is_combining_mark(c)
}

fn is_greek(c: char) -> bool {
    matches!(c, '\u{391}'..='\u{3c9}' | '\u{b5}')
}

fn greek_name(c: char) -> Option<&'static str> {
    let lower = if c == '\u{b5}' {
        'μ'
    } else {
        c.to_lowercase().next()?
    };
    GREEK
        .get((lower as usize).checked_sub('α' as usize)?)
        .copied()
}

/// `raw` without tags and with entities resolved.
///
/// Twice, because many sources escape what was escaped already.
pub(crate) fn unmark(raw: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(raw);
    for _ in 0..2 {
        if text.contains('&') {
            text = Cow::Owned(resolve_entities(&text));
        }
        if text.contains('<') {
            text = Cow::Owned(strip_tags(&text));
        }
    }
    text
}

/// Drops `<name …>` and `</name>`; a `<` before anything else is a less-than sign and stays.
fn strip_tags(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at]);
        let tag = &rest[at + 1..];
        let named = tag
            .strip_prefix('/')
            .unwrap_or(tag)
            .starts_with(|c: char| c.is_ascii_alphabetic());
        match tag.find('>').filter(|_| named) {
            Some(end) => {
                // Line breaks part words, other markup (sub, sup, i) does not.
                if tag.starts_with("br") || tag.starts_with("p>") || tag.starts_with("/p") {
                    out.push(' ');
                }
                rest = &tag[end + 1..];
            }
            None => {
                out.push('<');
                rest = tag;
            }
        }
    }
    out.push_str(rest);
    out
}

/// `text` with its entities resolved; an unknown one stays. By hand, since `quick_xml::escape`
/// gives up on the whole text at the first unknown entity or lone `&`.
fn resolve_entities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let name = after
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '#')
            .next();
        let known = name
            .filter(|name| after[name.len()..].starts_with(';'))
            .filter(|name| push_entity(name, &mut out));
        match known {
            Some(name) => rest = &after[name.len() + 1..],
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// Appends the characters of an entity; `false` if its name is unknown.
fn push_entity(name: &str, out: &mut String) -> bool {
    if let Some(text) = quick_xml::escape::resolve_html5_entity(name) {
        out.push_str(text);
        return true;
    }
    let code = name
        .strip_prefix('#')
        .and_then(|digits| match digits.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => digits.parse().ok(),
        });
    let character = code.and_then(char::from_u32);
    out.extend(character);
    character.is_some()
}

#[cfg(test)]
mod tests {
    use super::{fold, fold_any, fold_ascii};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn texts_in_ascii_fold_like_all_others(text in "[\\x00-\\x7f]{0,40}") {
            prop_assert_eq!(fold_ascii(&text), fold_any(&text));
        }
    }

    #[test]
    fn folds() {
        for (case, raw, want) in [
            (
                "punctuation parts",
                "NF-kappa-B: a review.",
                "nf kappa b a review",
            ),
            ("apostrophe joins", "The rat's heart", "the rats heart"),
            (
                "accents",
                "Étude préliminaire à Łódź",
                "etude preliminaire a lodz",
            ),
            ("ligatures", "Œuvres, Straße, Ærø", "oeuvres strasse aero"),
            (
                "tags",
                "H<sub>2</sub>O in <i>Escherichia coli</i>",
                "h2o in escherichia coli",
            ),
            ("less than", "p < 0.05 and a<b", "p 0 05 and a b"),
            (
                "entities",
                "Bell &amp; Smith &#233;t&#xE9;",
                "bell smith ete",
            ),
            (
                "entities of HTML",
                "&Eacute;tude&nbsp;&ndash; caf&eacute; &szlig;&unknown;",
                "etude cafe ss unknown",
            ),
            ("entity of HTML, escaped twice", "caf&amp;eacute;", "cafe"),
            (
                "escaped twice",
                "&amp;lt;i&amp;gt;x&amp;lt;/i&amp;gt; y",
                "x y",
            ),
            ("ampersand alone", "R&D; AT&T", "r d at t"),
            (
                "lone Greek letter",
                "β-blockers and NF-κB",
                "beta blockers and nf kappab",
            ),
            ("micro sign", "5 µg", "5 mug"),
            ("Greek words", "Ελληνική γλώσσα", "ελληνικη γλωσσα"),
            ("Cyrillic", "Ёлка и ЁЖ", "елка и еж"),
            (
                "superscript",
                "x² and ½",
                "x2 and 1⁄2".replace('⁄', " ").as_str(),
            ),
            ("Chinese", "研究。报告", "研究 报告"),
            ("nothing left", " . -- ", ""),
        ] {
            assert_eq!(fold(raw), want, "{case}");
        }
    }
}
