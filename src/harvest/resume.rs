//! How an interrupted window goes on: at its token, at a datestamp, or from its beginning.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::percent_decode_str;

use super::{request_form, span};
use crate::oai::{Granularity, Header, ResumptionToken};
use crate::store::{Span, Traits, Window};

/// A list that was interrupted for no longer than this goes on at any token: a pause between two pages
/// may be as long.
const SOON_MS: i64 = 5 * 60_000;

/// A shorter name stands in a token by chance.
const SHORTEST_NAME: usize = 6;

/// A window of one datestamp is read again at most this often. Otherwise a source that is interrupted
/// often might never get past a datestamp that very many items share.
const MAX_READS_OF_A_DATESTAMP: u32 = 4;

/// What a token names as the place where its list goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// The identifier of the last item.
    Item,
    /// Only the datestamp of the last item. If many items share it, the token counts them, as DOAJ's
    /// tokens do.
    Datestamp,
    /// Neither: the token may count items from the beginning.
    Nothing,
}

/// How an interrupted window goes on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Resumption {
    /// At its token, or with its first page.
    Continue,
    /// From its beginning.
    Restart(String),
    /// With this span, which is the unread rest.
    Rest(Span, String),
}

/// Decides how an interrupted window goes on.
///
/// Most tokens count the items before them. A record that changes in the meantime leaves its place, all
/// records behind it move up, and one of them is never shown. No count reveals that.
///
/// - A token that names the last item has no such gap: the window goes on.
/// - A token that names the last datestamp, as DOAJ's do, has the gap only among the items that share
///   the datestamp: the rest is read from that datestamp on.
/// - Any other window of at most `window_records` items is read again. That costs minutes, and lost
///   records would stay away until the next full pass.
/// - A larger window goes on, since it might never end otherwise. It comes from a repository that does
///   not state the size of its lists or cannot split them.
///
/// Without a datestamp in the token, the datestamp of the last item is not the place of the list: a
/// list that is a snapshot shows items where they stood, as they are now.
pub(super) fn resumption(
    window: &Window,
    now_ms: i64,
    traits: &Traits,
    window_records: u64,
) -> Resumption {
    let names_items = traits.tokens_name_items == Some(true);
    if window.token.is_none() || (names_items && !traits.tokens_name_datestamps) {
        return Resumption::Continue;
    }
    let idle_ms = match window.token_at {
        // A clock that was set back does not tell the time since then.
        Some(token_at) if token_at <= now_ms => now_ms - token_at,
        _ => i64::MAX,
    };
    if idle_ms <= SOON_MS {
        return Resumption::Continue;
    }
    let why = format!(
        "cut off after {} items, and its token is too old for the rest of the list to stand where \
         it did",
        window.items
    );
    match rest(window, traits) {
        Some(span) if names_items => Resumption::Rest(span, why),
        _ if window.items <= window_records => Resumption::Restart(why),
        _ if may_be_one_datestamp(window, traits) => Resumption::Restart(why),
        _ => Resumption::Continue,
    }
}

/// The unread rest of a window; `None` if that is the whole window.
fn rest(window: &Window, traits: &Traits) -> Option<Span> {
    // Otherwise the first page of the rest would seem to prove a list that nothing has proven.
    let is_proven = window.bound.is_some() || (window.part && window.span.until.is_some());
    let at = window.place.filter(|_| is_proven)?.datestamp;
    let whole = window.span;
    let is_within =
        whole.from.is_none_or(|from| from <= at) && whole.until.is_none_or(|end| at <= end);
    if traits.ignores_dates || !is_within {
        return None;
    }
    let rest = if traits.newest_first? {
        // A repository that keeps fractions of the unit leaves out the rest of the unit at `until`.
        let until = at.plus_seconds(span::unit_seconds(request_form::granularity(traits)));
        Span {
            until: Some(whole.until.map_or(until, |end| until.min(end))),
            ..whole
        }
    } else {
        Span {
            from: Some(at),
            ..whole
        }
    };
    (rest != whole).then_some(rest)
}

/// Whether the window may have shown only one datestamp so far, so that the token counts items of it,
/// and was not read often.
fn may_be_one_datestamp(window: &Window, traits: &Traits) -> bool {
    window.place.is_some()
        && traits.tokens_name_items != Some(false)
        && window.reads < MAX_READS_OF_A_DATESTAMP
}

/// What a token names of the last item of its page, as it stands or decoded. `None` if that is
/// unknown: the datestamp is an end of the requested `span`, and tokens that only count contain that
/// too.
pub(super) fn named(token: &ResumptionToken, last: &Header, span: Span) -> Option<Named> {
    let readings = readings(token.as_str());
    let is_in_token =
        |name: &str| name.len() >= SHORTEST_NAME && readings.iter().any(|text| text.contains(name));
    let identifier = last.identifier.as_str();
    let tail = identifier.rsplit([':', '/']).next().unwrap_or_default();
    if is_in_token(identifier) || is_in_token(tail) {
        return Some(Named::Item);
    }
    let datestamp = last.datestamp.as_str();
    let is_end = [span.from, span.until].into_iter().flatten().any(|end| {
        [Granularity::Day, Granularity::Second]
            .into_iter()
            .any(|granularity| end.render(granularity) == datestamp)
    });
    if is_end {
        return None;
    }
    Some(if is_in_token(datestamp) {
        Named::Datestamp
    } else {
        Named::Nothing
    })
}

/// The text of a token as it stands, and decoded in each way that fits.
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
    use crate::store::{PassId, Place, WindowId, WindowState};

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
            place: None,
            pages: 1,
            items,
            list_size: None,
            bound: Some(Datestamp::from_unix(500)),
            reads: 1,
            last_items: None,
            failures: 0,
            note: None,
        }
    }

    #[test]
    fn a_window_is_read_again_if_its_rest_may_have_moved() {
        let minute = 60_000;
        let now = 1_000 * minute;
        let at = Datestamp::from_unix;
        let late = |items| window(Some(now - 6 * minute), items);
        let placed = |items| Window {
            place: Some(Place {
                datestamp: at(7),
                items: 3,
            }),
            ..late(items)
        };
        let within = |from, until, reads| Window {
            span: Span { from, until },
            reads,
            ..placed(101)
        };
        let unproven = Window {
            bound: None,
            ..placed(10)
        };
        let counting = Traits::default();
        let items = Traits {
            tokens_name_items: Some(true),
            granularity: Some(Granularity::Second),
            ..Traits::default()
        };
        let unsorted = Traits {
            tokens_name_datestamps: true,
            ..items.clone()
        };
        let oldest_first = Traits {
            newest_first: Some(false),
            ..unsorted.clone()
        };
        let newest_first = Traits {
            newest_first: Some(true),
            ..unsorted.clone()
        };
        let ignoring = Traits {
            ignores_dates: true,
            ..oldest_first.clone()
        };
        let sorted = Traits {
            newest_first: Some(false),
            ..Traits::default()
        };
        let (go, restart) = ("go", "restart");
        let cases = [
            ("no token", window(None, 10), &counting, go),
            ("soon", window(Some(now - 4 * minute), 10), &counting, go),
            ("late", late(10), &counting, restart),
            ("late and large", late(101), &counting, go),
            (
                "after now",
                window(Some(now + minute), 10),
                &counting,
                restart,
            ),
            ("counted, oldest first", placed(10), &sorted, restart),
            ("large, tokens unknown", placed(101), &sorted, restart),
            ("items", window(Some(0), 10), &items, go),
            ("no known order", placed(10), &unsorted, restart),
            ("large, no known order", placed(101), &unsorted, restart),
            ("unsorted", late(10), &unsorted, restart),
            ("large, unsorted", late(101), &unsorted, go),
            ("oldest first", placed(10), &oldest_first, "7.."),
            ("large, oldest first", placed(101), &oldest_first, "7.."),
            ("newest first", placed(10), &newest_first, "..8"),
            ("nothing proven", unproven, &oldest_first, restart),
            (
                "a part, oldest first",
                within(Some(at(6)), Some(at(9)), 1),
                &oldest_first,
                "7..9",
            ),
            (
                "a part, newest first",
                within(Some(at(6)), Some(at(9)), 1),
                &newest_first,
                "6..8",
            ),
            (
                "outside of what was asked for",
                within(None, Some(at(6)), 1),
                &oldest_first,
                restart,
            ),
            ("dates are ignored", placed(10), &ignoring, restart),
            (
                "one datestamp, oldest first",
                within(Some(at(7)), None, 1),
                &oldest_first,
                restart,
            ),
            (
                "one datestamp, newest first",
                within(None, Some(at(8)), 1),
                &newest_first,
                restart,
            ),
            (
                "one datestamp for ever",
                within(Some(at(7)), None, 4),
                &oldest_first,
                go,
            ),
        ];
        for (case, window, traits, expected) in cases {
            let end = |at: Option<Datestamp>| at.map_or(String::new(), |at| at.unix().to_string());
            let found = match resumption(&window, now, traits, 100) {
                Resumption::Continue => go.to_owned(),
                Resumption::Restart(_) => restart.to_owned(),
                Resumption::Rest(span, _) => format!("{}..{}", end(span.from), end(span.until)),
            };
            assert_eq!(found, expected, "{case}");
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
        let by_datestamp = Some(Named::Datestamp);
        let cases = [
            ("a number", "300", whole, Some(Named::Nothing)),
            ("a session", "9a7f3c21", whole, Some(Named::Nothing)),
            ("DOAJ's", doaj.as_str(), whole, by_datestamp),
            ("DOAJ's, padded", padded.as_str(), whole, by_datestamp),
            (
                "arguments and a number",
                "oai_dc/2024-01-01T00:00:00Z///300",
                whole,
                Some(Named::Nothing),
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
                by_datestamp,
            ),
            (
                "the last datestamp, encoded",
                "from=2024-05-07T10%3A00%3A00Z",
                whole,
                by_datestamp,
            ),
            (
                "the end of the identifier",
                "after!0123456789abcdef",
                whole,
                Some(Named::Item),
            ),
        ];
        for (case, text, span, expected) in cases {
            let token = ResumptionToken::new(text).unwrap();
            assert_eq!(named(&token, &header, span), expected, "{case}");
        }
        // A short number is in many tokens.
        let short = Header {
            identifier: "oai:x:30".to_owned(),
            ..header
        };
        let token = ResumptionToken::new("300").unwrap();
        assert_eq!(named(&token, &short, whole), Some(Named::Nothing));
    }
}
