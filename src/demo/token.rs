//! What resumption tokens say, and how they are written.

use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

/// What a list was asked for with, as the caller wrote it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Asked {
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

/// Writes DOAJ's token: JSON with blanks as Python puts them, in padded base64url.
pub(super) fn write_doaj(asked: &Asked, place: &Place) -> String {
    let text = |value: &str| Value::from(value).to_string();
    let mut parts = vec![format!("\"m\": {}", text(&asked.prefix))];
    for (key, value) in [("f", &asked.from), ("u", &asked.until), ("s", &asked.set)] {
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

/// Reads DOAJ's token; `None` if it is none.
pub(super) fn read_doaj(token: &str) -> Option<(Asked, Place)> {
    let bytes = URL_SAFE_NO_PAD.decode(token.trim_end_matches('=')).ok()?;
    let object: Map<String, Value> = serde_json::from_slice(&bytes).ok()?;
    let text = |key: &str| object.get(key).and_then(Value::as_str).map(str::to_owned);
    let after = match object.get("a") {
        Some(pair) => Some((pair.get(0)?.as_str()?.to_owned(), pair.get(1)?.as_u64()?)),
        None => None,
    };
    let asked = Asked {
        prefix: text("m")?,
        from: text("f"),
        until: text("u"),
        set: text("s"),
    };
    let given = object.get("n").and_then(Value::as_u64).unwrap_or(0);
    Some((asked, Place { given, after }))
}

/// Writes an offset token: the number and the selection, with slashes between.
pub(super) fn write_offset(asked: &Asked, place: &Place) -> String {
    let part = |value: &Option<String>| value.clone().unwrap_or_default();
    format!(
        "{}/{}/{}/{}/{}",
        place.given,
        asked.prefix,
        part(&asked.from),
        part(&asked.until),
        part(&asked.set)
    )
}

/// Reads an offset token; `None` if it is none.
pub(super) fn read_offset(token: &str) -> Option<(Asked, Place)> {
    let mut parts = token.splitn(5, '/');
    let given = parts.next()?.parse().ok()?;
    let prefix = parts.next()?.to_owned();
    let mut part = || {
        let text = parts.next()?;
        Some((!text.is_empty()).then(|| text.to_owned()))
    };
    let asked = Asked {
        prefix,
        from: part()?,
        until: part()?,
        set: part()?,
    };
    Some((asked, Place { given, after: None }))
}

/// DOAJ's setSpec for a subject such as `LCC:Medicine`: base64url with `~` for `=`.
pub(super) fn write_set_spec(name: &str) -> String {
    URL_SAFE.encode(name).replace('=', "~")
}

/// The subject in a setSpec of DOAJ's; `None` if it is none.
pub(super) fn read_set_spec(spec: &str) -> Option<String> {
    let bytes = URL_SAFE.decode(spec.replace('~', "=")).ok()?;
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn doaj_tokens_are_the_service_s_own() {
        let cases = [
            (
                "first page of 2017",
                "eyJtIjogIm9haV9kb2FqIiwgIm4iOiAxMDB9",
                Asked {
                    prefix: "oai_doaj".into(),
                    ..Asked::default()
                },
                Place {
                    given: 100,
                    after: None,
                },
            ),
            (
                "with padding",
                "eyJtIjogIm9haV9kYyIsICJuIjogMTM0NDAwfQ==",
                Asked {
                    prefix: "oai_dc".into(),
                    ..Asked::default()
                },
                Place {
                    given: 134_400,
                    after: None,
                },
            ),
        ];
        for (case, token, asked, place) in cases {
            assert_eq!(
                read_doaj(token),
                Some((asked.clone(), place.clone())),
                "{case}"
            );
            assert_eq!(write_doaj(&asked, &place), token, "{case}");
        }
    }

    #[test]
    fn tokens_survive_writing_and_reading() {
        let asked = Asked {
            prefix: "oai_doaj".into(),
            from: some("2024-01-01"),
            until: some("2025-08-20T03:49:59Z"),
            set: some("TENDOlNjaWVuY2U~"),
        };
        let after = Some(("2025-01-01T00:00:00Z".to_owned(), 7));
        let place = Place { given: 600, after };
        assert_eq!(
            read_doaj(&write_doaj(&asked, &place)),
            Some((asked.clone(), place))
        );
        let place = Place {
            given: 600,
            after: None,
        };
        assert_eq!(
            read_offset(&write_offset(&asked, &place)),
            Some((asked, place))
        );
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
            "x/a///",
        ] {
            assert_eq!(read_doaj(text), None, "{text:?}");
            assert_eq!(read_offset(text), None, "{text:?}");
        }
    }

    #[test]
    fn set_specs_are_the_service_s_own() {
        assert_eq!(write_set_spec("LCC:Medicine"), "TENDOk1lZGljaW5l");
        assert_eq!(write_set_spec("LCC:Science"), "TENDOlNjaWVuY2U~");
        assert_eq!(read_set_spec("TENDOlNjaWVuY2U~"), some("LCC:Science"));
        assert_eq!(read_set_spec("!"), None);
    }
}
