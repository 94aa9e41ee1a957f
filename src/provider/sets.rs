//! Sources and their sets as sets of the repository: a source is the set `SOURCE`, and its set `SPEC` is
//! `SOURCE:SPEC`.

use std::fmt::Write as _;

/// The setSpec of a source's set; `None` for all of the source.
///
/// Characters that a setSpec must not have become `!` and two hexadecimal digits for each byte, `!` too,
/// and an empty part becomes a single `!`. So each set has a setSpec of its own.
///
/// Source: OAI-PMH 2.0, 2.6 and setSpecType in OAI-PMH.xsd.
pub(super) fn set_spec(source: &str, spec: Option<&str>) -> String {
    let mut text = source.to_owned();
    if let Some(spec) = spec {
        for part in spec.split(':') {
            text.push(':');
            if part.is_empty() {
                text.push('!');
            }
            for byte in part.bytes() {
                match byte {
                    b'-' | b'_' | b'.' | b'~' | b'*' | b'\'' | b'(' | b')' => {
                        text.push(char::from(byte));
                    }
                    byte if byte.is_ascii_alphanumeric() => text.push(char::from(byte)),
                    byte => drop(write!(text, "!{byte:02X}")),
                }
            }
        }
    }
    text
}

/// The source and its set that a setSpec means; `None` if no set has this setSpec.
pub(super) fn parse(text: &str) -> Option<(&str, Option<String>)> {
    let Some((source, rest)) = text.split_once(':') else {
        return Some((text, None));
    };
    let mut parts = Vec::new();
    for part in rest.split(':') {
        parts.push(match part {
            "" => return None,
            "!" => String::new(),
            part => decode(part)?,
        });
    }
    let spec = parts.join(":");
    // Other spellings of the same set are no sets.
    (set_spec(source, Some(&spec)) == text).then_some((source, Some(spec)))
}

fn decode(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte == b'!' {
            let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &rest[2..];
        } else {
            bytes.push(*byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_set_has_a_set_spec() {
        for (spec, expected) in [
            (None, "a.b-c"),
            (Some("x"), "a.b-c:x"),
            (Some("TENDOk1l~"), "a.b-c:TENDOk1l~"),
            (Some("x:y"), "a.b-c:x:y"),
            (Some("x/ä!"), "a.b-c:x!2F!C3!A4!21"),
            (Some("x::y"), "a.b-c:x:!:y"),
            (Some(":"), "a.b-c:!:!"),
        ] {
            let text = set_spec("a.b-c", spec);
            assert_eq!(text, expected);
            assert_eq!(parse(&text), Some(("a.b-c", spec.map(str::to_owned))));
        }
    }

    #[test]
    fn other_texts_are_no_sets() {
        for text in [
            "a:", "a::b", "a:!4", "a:!41", "a:!2f", "a:!FF", "a:ä", "a:b c",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn set_specs_are_valid_and_come_back(spec in any::<String>()) {
            let text = set_spec("s", Some(&spec));
            let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-_.!~*'()".contains(c);
            prop_assert!(text.split(':').all(|part| !part.is_empty() && part.chars().all(is_allowed)));
            prop_assert_eq!(parse(&text), Some(("s", Some(spec))));
        }
    }
}
