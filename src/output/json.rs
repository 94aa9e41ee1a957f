//! Writes texts in JSON.

/// Texts are checked in pieces of this many bytes. The compiler turns each check into few instructions.
const PIECE: usize = 32;

/// Appends a text as a JSON string, as `serde_json` writes it.
///
/// Most of a catalogue document is long text with nothing to escape, which is copied piece by piece.
pub(crate) fn push_string(out: &mut Vec<u8>, text: &str) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = first_special(rest) {
        out.extend_from_slice(&rest[..at]);
        push_escaped(out, rest[at]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Appends texts as a JSON array of strings.
pub(crate) fn push_strings(out: &mut Vec<u8>, texts: &[String]) {
    out.push(b'[');
    for (number, text) in texts.iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        push_string(out, text);
    }
    out.push(b']');
}

fn first_special(bytes: &[u8]) -> Option<usize> {
    let (pieces, _) = bytes.as_chunks::<PIECE>();
    // No early return, so that all bytes of a piece are compared at once.
    let any = |piece: &[u8; PIECE]| {
        piece
            .iter()
            .fold(false, |any, byte| any | is_special(*byte))
    };
    let clean = pieces.iter().take_while(|piece| !any(piece)).count() * PIECE;
    let at = bytes[clean..].iter().position(|byte| is_special(*byte))?;
    Some(clean + at)
}

/// Whether JSON requires the byte to be escaped. Bytes of longer characters never are.
fn is_special(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

fn push_escaped(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        _ => {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            out.extend_from_slice(b"\\u00");
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str) {
        let mut out = b"before".to_vec();
        push_string(&mut out, text);
        let expected = serde_json::to_string(text).unwrap();
        assert_eq!(
            std::str::from_utf8(&out).unwrap(),
            format!("before{expected}")
        );
    }

    #[test]
    fn escapes_every_ascii_character_at_every_place() {
        for c in (0..0x80_u8).map(char::from) {
            for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE] {
                let text = "é".repeat(length / 2) + &"x".repeat(length % 2);
                check(&format!("{c}{text}"));
                check(&format!("{text}{c}"));
                check(&format!("{text}{c}{c}{text}"));
            }
        }
    }

    #[test]
    fn writes_lists() {
        for texts in [
            vec![],
            vec!["a".to_owned()],
            vec!["a\"".to_owned(), String::new()],
        ] {
            let mut out = Vec::new();
            push_strings(&mut out, &texts);
            assert_eq!(out, serde_json::to_vec(&texts).unwrap());
        }
    }

    proptest! {
        #[test]
        fn writes_as_serde_does(text in "([a-z ]{0,40}|[\\x00-\\x7f]|\\PC){0,8}") {
            check(&text);
        }
    }
}
