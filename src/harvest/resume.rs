//! Whether a list that was cut off is gone on with at its token, or read again.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::percent_decode_str;

use crate::oai::{Granularity, Header, ResumptionToken};
use crate::store::{Span, Window};

/// A list that was cut off for no longer than this is gone on with, whatever its tokens are: that
/// is no longer than a pause between two pages may be.
const SOON_MS: i64 = 5 * 60_000;

/// A shorter name stands in a token by chance.
const SHORTEST_NAME: usize = 6;

/// Why a window that was cut off is read again instead of from its token; `None` to go on.
///
/// Most tokens say how many items were given. What changes while nobody reads leaves its place, all
/// behind it moves up, and as many items are never shown: no count and no repetition tells, since
/// what was read is forgotten. A token that names the item after which to go on
/// (`tokens_name_items`), as DOAJ's do, has no such gap. To read a window of at most
/// `window_records` again costs minutes and the items are recognised, where what was lost stays
/// away until the next full pass. A larger one, from a repository that does not tell how large
/// its lists are or cannot cut them, is gone on with: it might never end otherwise.
pub(super) fn doubt(
    window: &Window,
    now_ms: i64,
    tokens_name_items: bool,
    window_records: u64,
) -> Option<String> {
    window.token.as_ref()?;
    if tokens_name_items || window.items > window_records {
        return None;
    }
    let idle_ms = match window.token_at {
        // A clock that was set back says nothing about how long it was.
        Some(token_at) if token_at <= now_ms => now_ms - token_at,
        _ => i64::MAX,
    };
    (idle_ms > SOON_MS).then(|| {
        format!(
            "cut off after {} items, and its token is too old for the rest of the list to stand \
             where it did",
            window.items
        )
    })
}

/// Whether a token names the last item of its page, by identifier or datestamp, as it stands or
/// decoded. `None` if that cannot be told: the datestamp is an end of the `span` that was asked for,
/// which tokens that only count contain as well.
pub(super) fn names_item(token: &ResumptionToken, last: &Header, span: Span) -> Option<bool> {
    let identifier = last.identifier.as_str();
    let tail = identifier.rsplit([':', '/']).next().unwrap_or_default();
    let is_end = |text: &str| {
        [span.from, span.until].into_iter().flatten().any(|end| {
            [Granularity::Day, Granularity::Second]
                .into_iter()
                .any(|granularity| end.render(granularity) == text)
        })
    };
    let datestamp = Some(last.datestamp.as_str()).filter(|text| !is_end(text));
    let names: Vec<&str> = [Some(identifier), Some(tail), datestamp]
        .into_iter()
        .flatten()
        .filter(|name| name.len() >= SHORTEST_NAME)
        .collect();
    let named = readings(token.as_str())
        .iter()
        .any(|text| names.iter().any(|name| text.contains(name)));
    (named || datestamp.is_some()).then_some(named)
}

/// A token's text as it stands and as what it may encode.
fn readings(token: &str) -> Vec<Cow<'_, str>> {
    let plain = percent_decode_str(token).decode_utf8_lossy();
    let packed = plain.trim_end_matches('=');
    let mut readings: Vec<Cow<'_, str>> = [&URL_SAFE_NO_PAD, &STANDARD_NO_PAD]
        .into_iter()
        .filter_map(|base64| base64.decode(packed).ok())
        .map(|bytes| Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()))
        .collect();
    readings.push(plain);
    readings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oai::Datestamp;
    use crate::store::{PassId, WindowId, WindowState};

    fn window(token_at: Option<i64>, items: u64) -> Window {
        Window {
            id: WindowId(1),
            pass_id: PassId(1),
            set_spec: None,
            span: Span::default(),
            part: false,
            state: WindowState::Open,
            token: token_at.and_then(|_| ResumptionToken::new("t")),
            token_at,
            pages: 1,
            items,
            list_size: None,
            bound: None,
            reads: 1,
            last_items: None,
            note: None,
        }
    }

    #[test]
    fn a_window_is_read_again_if_its_rest_may_have_moved() {
        let minute = 60_000;
        let now = 1_000 * minute;
        let cases = [
            ("no token", window(None, 10), false, false),
            ("soon", window(Some(now - 4 * minute), 10), false, false),
            ("late", window(Some(now - 6 * minute), 10), false, true),
            ("late, tokens name items", window(Some(0), 10), true, false),
            ("late and large", window(Some(0), 101), false, false),
            ("after now", window(Some(now + minute), 10), false, true),
        ];
        for (case, window, names, again) in cases {
            let doubt = doubt(&window, now, names, 100);
            assert_eq!(doubt.is_some(), again, "{case}: {doubt:?}");
        }
    }

    #[test]
    fn tokens_that_name_an_item_are_told_from_those_that_count() {
        let at = |text: &str| Datestamp::parse(text).map(|(at, _)| at);
        let header = Header {
            identifier: "oai:doaj.org/article:0123456789abcdef".to_owned(),
            datestamp: "2024-05-07T10:00:00Z".to_owned(),
            set_specs: Vec::new(),
            deleted: false,
        };
        let whole = Span::default();
        let until = Span {
            from: None,
            until: at("2024-05-07T10:00:00Z"),
        };
        let doaj = URL_SAFE_NO_PAD.encode(
            r#"{"m": "oai_dc", "u": "2024-06-01T00:00:00Z", "n": 300, "a": ["2024-05-07T10:00:00Z", 2]}"#,
        );
        let padded = format!("{doaj}==");
        let cases = [
            ("a number", "300", whole, Some(false)),
            ("a session", "9a7f3c21", whole, Some(false)),
            ("DOAJ's", doaj.as_str(), whole, Some(true)),
            ("DOAJ's, padded", padded.as_str(), whole, Some(true)),
            (
                "arguments and a number",
                "oai_dc/2024-01-01T00:00:00Z///300",
                whole,
                Some(false),
            ),
            (
                "an end of the span",
                "until=2024-05-07T10:00:00Z&offset=300",
                until,
                None,
            ),
            (
                "the last datestamp",
                "from(2024-05-07T10:00:00Z)skip(2)",
                whole,
                Some(true),
            ),
            (
                "the last datestamp, encoded",
                "from=2024-05-07T10%3A00%3A00Z",
                whole,
                Some(true),
            ),
            (
                "the end of the identifier",
                "after!0123456789abcdef",
                whole,
                Some(true),
            ),
        ];
        for (case, text, span, expected) in cases {
            let token = ResumptionToken::new(text).unwrap();
            assert_eq!(names_item(&token, &header, span), expected, "{case}");
        }
        // A short number is in many tokens.
        let short = Header {
            identifier: "oai:x:30".to_owned(),
            ..header
        };
        let token = ResumptionToken::new("300").unwrap();
        assert_eq!(names_item(&token, &short, whole), Some(false));
    }
}
