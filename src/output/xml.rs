//! Writes text into XML documents.

/// Appends character data: `&`, `<`, `>` and the carriage return as references, so that a reader
/// gets the same text back; characters that XML 1.0 forbids become U+FFFD.
pub(crate) fn push_text(out: &mut Vec<u8>, text: &str) {
    const SPECIAL: [bool; 256] = special(b"");
    push_escaped(out, text, &SPECIAL);
}

/// Appends an attribute's value, without its quotes: as text, with `"`, tab and line feed as
/// references too.
pub(crate) fn push_attribute(out: &mut Vec<u8>, text: &str) {
    const SPECIAL: [bool; 256] = special(b"\"\t\n");
    push_escaped(out, text, &SPECIAL);
}

/// The bytes that may have to be escaped or replaced.
const fn special(more: &[u8]) -> [bool; 256] {
    let mut special = [false; 256];
    let mut control = 0;
    while control < 0x20 {
        special[control] = control != b'\t' as usize && control != b'\n' as usize;
        control += 1;
    }
    special[b'&' as usize] = true;
    special[b'<' as usize] = true;
    special[b'>' as usize] = true;
    // The first byte of U+FFFE and U+FFFF, among others.
    special[0xEF] = true;
    let mut at = 0;
    while at < more.len() {
        special[more[at] as usize] = true;
        at += 1;
    }
    special
}

/// Appends `<name>text</name>`.
pub(crate) fn push_element(out: &mut Vec<u8>, name: &str, text: &str) {
    out.push(b'<');
    out.extend_from_slice(name.as_bytes());
    out.push(b'>');
    push_text(out, text);
    out.extend_from_slice(b"</");
    out.extend_from_slice(name.as_bytes());
    out.push(b'>');
}

fn push_escaped(out: &mut Vec<u8>, text: &str, special: &[bool; 256]) {
    let bytes = text.as_bytes();
    let mut copied = 0;
    let mut at = 0;
    while let Some(plain) = bytes[at..]
        .iter()
        .position(|byte| special[usize::from(*byte)])
    {
        at += plain;
        let (replacement, width): (&[u8], _) = match &bytes[at..] {
            [b'&', ..] => (b"&amp;", 1),
            [b'<', ..] => (b"&lt;", 1),
            [b'>', ..] => (b"&gt;", 1),
            [b'"', ..] => (b"&quot;", 1),
            [b'\t', ..] => (b"&#9;", 1),
            [b'\n', ..] => (b"&#10;", 1),
            [b'\r', ..] => (b"&#13;", 1),
            [0..=0x1F, ..] => (REPLACEMENT, 1),
            [0xEF, 0xBF, 0xBE | 0xBF, ..] => (REPLACEMENT, 3),
            _ => {
                at += 1;
                continue;
            }
        };
        out.extend_from_slice(&bytes[copied..at]);
        out.extend_from_slice(replacement);
        at += width;
        copied = at;
    }
    out.extend_from_slice(&bytes[copied..]);
}

/// U+FFFD in UTF-8.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::xml::{Token, Walker, is_xml_char};

    #[test]
    fn escapes() {
        let cases = [
            ("plain", "aé中", "aé中", "aé中"),
            (
                "markup",
                "a<b>&\"'",
                "a&lt;b&gt;&amp;\"'",
                "a&lt;b&gt;&amp;&quot;'",
            ),
            ("line ends", "a\r\n\tb", "a&#13;\n\tb", "a&#13;&#10;&#9;b"),
            (
                "forbidden",
                "a\0\u{1b}\u{ffff}b",
                "a\u{fffd}\u{fffd}\u{fffd}b",
                "a\u{fffd}\u{fffd}\u{fffd}b",
            ),
            (
                "neighbours of the forbidden",
                "\u{fffd}\u{ff5e}",
                "\u{fffd}\u{ff5e}",
                "\u{fffd}\u{ff5e}",
            ),
        ];
        for (case, text, as_text, as_attribute) in cases {
            let (mut out, mut attribute) = (Vec::new(), Vec::new());
            push_text(&mut out, text);
            push_attribute(&mut attribute, text);
            assert_eq!(String::from_utf8(out).unwrap(), as_text, "{case}");
            assert_eq!(
                String::from_utf8(attribute).unwrap(),
                as_attribute,
                "{case}"
            );
        }
    }

    proptest! {
        #[test]
        fn text_comes_back(text in any::<String>()) {
            let mut out = Vec::new();
            push_element(&mut out, "a", &text);
            let document = String::from_utf8(out).unwrap();
            let mut walker = Walker::new(&document);
            let mut back = String::new();
            while let Some(token) = walker.next().unwrap() {
                if let Token::Text(piece) = token {
                    back.push_str(&piece);
                }
            }
            let allowed: String =
                text.chars().map(|c| if is_xml_char(c) { c } else { '\u{fffd}' }).collect();
            prop_assert_eq!(back, allowed);
        }
    }
}
