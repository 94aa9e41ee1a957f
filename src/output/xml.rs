//! How is text written into an XML document?

use crate::record::xml::is_xml_char;

/// Appends character data: `&`, `<`, `>` and the carriage return as references, so that a reader
/// gets the same text back; characters that XML 1.0 forbids become U+FFFD.
pub(crate) fn push_text(out: &mut Vec<u8>, text: &str) {
    push_escaped(out, text, |byte| matches!(byte, b'&' | b'<' | b'>' | b'\r'));
}

/// Appends an attribute's value, without its quotes: as text, with `"`, tab and line feed as
/// references too.
pub(crate) fn push_attribute(out: &mut Vec<u8>, text: &str) {
    push_escaped(out, text, |byte| {
        matches!(byte, b'&' | b'<' | b'>' | b'\r' | b'"' | b'\t' | b'\n')
    });
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

fn push_escaped(out: &mut Vec<u8>, text: &str, is_special: impl Fn(u8) -> bool) {
    let bytes = text.as_bytes();
    let mut copied = 0;
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        let (replacement, width): (&[u8], _) = match byte {
            b'&' | b'<' | b'>' | b'"' | b'\t' | b'\n' | b'\r' if is_special(byte) => (
                match byte {
                    b'&' => b"&amp;",
                    b'<' => b"&lt;",
                    b'>' => b"&gt;",
                    b'"' => b"&quot;",
                    b'\t' => b"&#9;",
                    b'\n' => b"&#10;",
                    _ => b"&#13;",
                },
                1,
            ),
            0..=0x1F if !is_xml_char(char::from(byte)) => (REPLACEMENT, 1),
            // U+FFFE and U+FFFF.
            0xEF if matches!(bytes[at..], [0xEF, 0xBF, 0xBE | 0xBF, ..]) => (REPLACEMENT, 3),
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
    use crate::record::xml::{Token, Walker};

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
