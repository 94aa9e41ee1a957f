//! DOAJ's resumption tokens and setSpecs.
//!
//! A token is base64url of a JSON object: the selection (`m`, `f`, `u`, `s`), how many items were
//! given (`n`), and a position (`a`): the last datestamp, and how many items of it were given. It
//! is stateless and unsigned.

use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

/// What a list selects, as the caller wrote it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Selector {
    pub(super) prefix: String,
    pub(super) from: Option<String>,
    pub(super) until: Option<String>,
    pub(super) set: Option<String>,
}

/// The place in a list where the next page starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Items given so far.
    pub(super) given: u64,
    /// The datestamp of the last item given, and how many items with that datestamp were given.
    pub(super) after: Option<(String, u64)>,
}

/// Writes a token: JSON with blanks as Python puts them, in padded base64url.
pub(super) fn write(selector: &Selector, place: &Place) -> String {
    let text = |value: &str| Value::from(value).to_string();
    let mut parts = vec![format!("\"m\": {}", text(&selector.prefix))];
    for (key, value) in [
        ("f", &selector.from),
        ("u", &selector.until),
        ("s", &selector.set),
    ] {
        if let Some(value) = value {
            parts.push(format!("\"{key}\": {}", text(value)));
        }
    }
    parts.push(format!("\"n\": {}", place.given));
    if let Some((datestamp, count)) = &place.after {
        parts.push(format!("\"a\": [{}, {count}]", text(datestamp)));
    }
    URL_SAFE.encode(format!("{{{}}}", parts.join(", ")))
}

/// Reads a token; `None` if it is none. A token without a position, as the service wrote them in
/// 2017, counts from the start of the list.
pub(super) fn read(token: &str) -> Option<(Selector, Place)> {
    let bytes = URL_SAFE_NO_PAD.decode(token.trim_end_matches('=')).ok()?;
    let object: Map<String, Value> = serde_json::from_slice(&bytes).ok()?;
    let text = |key: &str| object.get(key).and_then(Value::as_str).map(str::to_owned);
    let after = match object.get("a") {
        Some(pair) => Some((pair.get(0)?.as_str()?.to_owned(), pair.get(1)?.as_u64()?)),
        None => None,
    };
    let selector = Selector {
        prefix: text("m")?,
        from: text("f"),
        until: text("u"),
        set: text("s"),
    };
    let given = object.get("n").and_then(Value::as_u64).unwrap_or(0);
    Some((selector, Place { given, after }))
}

/// DOAJ's setSpec for a subject such as `LCC:Medicine`: base64url with `~` for `=`.
pub(super) fn write_set_spec(name: &str) -> String {
    URL_SAFE.encode(name).replace('=', "~")
}

/// The subject in one of DOAJ's setSpecs; `None` for another setSpec.
pub(super) fn read_set_spec(spec: &str) -> Option<String> {
    let bytes = URL_SAFE.decode(spec.replace('~', "=")).ok()?;
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_those_of_the_service() {
        let selector = |prefix: &str| Selector {
            prefix: prefix.to_owned(),
            ..Selector::default()
        };
        let place = |given| Place { given, after: None };
        let cases = [
            (
                "first page of 2017",
                "eyJtIjogIm9haV9kb2FqIiwgIm4iOiAxMDB9",
                selector("oai_doaj"),
                place(100),
            ),
            (
                "with padding",
                "eyJtIjogIm9haV9kYyIsICJuIjogMTM0NDAwfQ==",
                selector("oai_dc"),
                place(134_400),
            ),
        ];
        for (case, token, selector, place) in cases {
            assert_eq!(write(&selector, &place), token, "{case}");
            assert_eq!(read(token), Some((selector, place)), "{case}");
        }
    }

    #[test]
    fn a_written_token_can_be_read() {
        let selector = Selector {
            prefix: "oai_doaj".into(),
            from: Some("2024-01-01".into()),
            until: Some("2025-08-20T03:49:59Z".into()),
            set: Some("TENDOlNjaWVuY2U~".into()),
        };
        let place = Place {
            given: 600,
            after: Some(("2025-01-01T00:00:00Z".to_owned(), 7)),
        };
        assert_eq!(read(&write(&selector, &place)), Some((selector, place)));
    }

    #[test]
    fn other_texts_are_no_tokens() {
        for text in [
            "",
            "nonsense",
            "eyJuIjogMTAwfQ==",
            "e30=",
            "ww==",
            "7/oai_dc",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    #[test]
    fn set_specs_are_those_of_the_service() {
        assert_eq!(write_set_spec("LCC:Medicine"), "TENDOk1lZGljaW5l");
        assert_eq!(write_set_spec("LCC:Science"), "TENDOlNjaWVuY2U~");
        assert_eq!(
            read_set_spec("TENDOlNjaWVuY2U~"),
            Some("LCC:Science".to_owned())
        );
        assert_eq!(read_set_spec("!"), None);
    }
}
