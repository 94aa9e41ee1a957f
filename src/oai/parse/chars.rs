//! The characters that XML 1.0 allows.

use memchr::memmem;

const NAME_START: u8 = 1;
const NAME: u8 = 2;
const BLANK: u8 = 4;

/// Classes of bytes. All bytes of multi-byte characters count as name characters: the few that XML
/// excludes are harmless in a name.
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'A'..=b'Z' | b'a'..=b'z' | b'_' | b':' | 0x80..=0xFF => NAME_START | NAME,
            b'0'..=b'9' | b'-' | b'.' => NAME,
            b' ' | b'\t' | b'\r' | b'\n' => BLANK,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

/// Whether a name may start with this byte.
#[inline]
pub(crate) fn is_name_start(byte: u8) -> bool {
    CLASSES[byte as usize] & NAME_START != 0
}

/// Whether a name may contain this byte.
#[inline]
pub(crate) fn is_name(byte: u8) -> bool {
    CLASSES[byte as usize] & NAME != 0
}

/// Whether this byte is white space.
#[inline]
pub(crate) fn is_blank(byte: u8) -> bool {
    CLASSES[byte as usize] & BLANK != 0
}

/// `text` without white space before it.
pub(crate) fn skip_blanks(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\r', '\n'])
}

/// Whether XML 1.0 allows this character at all.
///
/// Source: XML 1.0, production 2.
pub(crate) fn is_allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// The byte offset of the first character, at or after `from`, that XML 1.0 forbids.
pub(crate) fn find_forbidden(text: &str, from: usize) -> Option<usize> {
    let tail = text.get(from..)?.as_bytes();
    let control = find_control(tail);
    let noncharacter = find_noncharacter(&tail[..control.unwrap_or(tail.len())]);
    noncharacter.or(control).map(|at| from + at)
}

/// Checks whole blocks, which compiles to wide instructions, and single bytes only after a hit.
fn find_control(bytes: &[u8]) -> Option<usize> {
    const BLOCK: usize = 128;
    let forbidden = |b: u8| b < 0x20 && b != b'\t' && b != b'\n' && b != b'\r';
    bytes.chunks(BLOCK).enumerate().find_map(|(index, block)| {
        let hit = block.iter().fold(false, |hit, byte| hit | forbidden(*byte));
        if !hit {
            return None;
        }
        let at = block.iter().position(|byte| forbidden(*byte))?;
        Some(index * BLOCK + at)
    })
}

/// U+FFFE and U+FFFF, in UTF-8.
fn find_noncharacter(bytes: &[u8]) -> Option<usize> {
    memmem::find_iter(bytes, b"\xEF\xBF").find(|at| matches!(bytes.get(at + 2), Some(0xBE | 0xBF)))
}

/// The character of a reference, the text between `&` and `;`: one of the five entities of XML, or
/// a number of an allowed character.
pub(crate) fn resolve_reference(name: &str) -> Option<char> {
    match quick_xml::escape::resolve_xml_entity(name) {
        Some(text) => text.chars().next(),
        None => numeric_reference(name)
            .and_then(char::from_u32)
            .filter(|c| is_allowed(*c)),
    }
}

/// The number in `#123` or `#x7B`, even if no character has it; `None` for anything else. A number
/// too large for any character gives [`u32::MAX`].
pub(crate) fn numeric_reference(name: &str) -> Option<u32> {
    let number = name.strip_prefix('#')?;
    let (digits, radix) = match number.strip_prefix('x') {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    Some(u32::from_str_radix(digits, radix).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_forbidden_characters() {
        let long = "x".repeat(500);
        let cases = [
            ("clean", "a\tb\r\nc é 漢 \u{FFFD}".to_owned(), None),
            ("control", "ab\u{1}".to_owned(), Some(2)),
            ("nul", "\0".to_owned(), Some(0)),
            ("vertical tab far in", format!("{long}\u{B}"), Some(500)),
            ("noncharacter", "é\u{FFFE}".to_owned(), Some(2)),
            ("noncharacter first", "\u{FFFF}\u{1}".to_owned(), Some(0)),
            ("delete is allowed", "\u{7F}\u{85}".to_owned(), None),
        ];
        for (case, text, expected) in cases {
            assert_eq!(find_forbidden(&text, 0), expected, "{case}");
        }
        assert_eq!(find_forbidden("\u{1}ab\u{1}", 1), Some(3), "goes on");
        assert_eq!(find_forbidden("ab", 2), None, "at the end");
    }

    #[test]
    fn resolves_references() {
        let cases = [
            ("amp", Some('&')),
            ("#38", Some('&')),
            ("#xE9", Some('é')),
            ("#x1F600", Some('😀')),
            ("#1", None),
            ("#xD800", None),
            ("#xFFFE", None),
            ("#99999999999", None),
            ("#", None),
            ("#x", None),
            ("#X41", None),
            ("#+5", None),
            ("eacute", None),
            ("", None),
        ];
        for (name, expected) in cases {
            assert_eq!(resolve_reference(name), expected, "{name}");
        }
    }
}
