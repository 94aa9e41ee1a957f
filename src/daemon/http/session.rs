//! The cookie of a person who has signed in with the token.
//!
//! The daemon keeps no list of sessions. A cookie is the time of its end, and a keyed hash of this time under
//! a key that is derived from the token. Another token in the configuration ends all sessions.

use axum::http::{HeaderMap, HeaderValue, header};
use subtle::ConstantTimeEq;

use crate::http::Secret;

/// The name of the cookie.
const NAME: &str = "harvestd_session";

/// How long a session lasts, in seconds.
const LASTS_SECONDS: i64 = 30 * 24 * 3600;

/// What the key is used for, as `blake3` wants it: unique to this program and purpose.
const PURPOSE: &str = "harvestd session cookie of the pages, version 1";

/// The header that begins a session. With `is_secure`, the browser sends it back only by HTTPS.
pub(super) fn begin(token: &Secret, now_ms: i64, is_secure: bool) -> Option<HeaderValue> {
    let ends = now_ms.div_euclid(1000) + LASTS_SECONDS;
    let value = format!("{ends}.{}", mark(token, ends).to_hex());
    cookie(&value, LASTS_SECONDS, is_secure)
}

/// The header that ends a session in the browser.
pub(super) fn end() -> Option<HeaderValue> {
    cookie("", 0, false)
}

fn cookie(value: &str, seconds: i64, is_secure: bool) -> Option<HeaderValue> {
    let secure = if is_secure { "; Secure" } else { "" };
    let text =
        format!("{NAME}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&text).ok()
}

/// Whether the request has the cookie of a session that goes on.
pub(super) fn is_valid(headers: &HeaderMap, token: &Secret, now_ms: i64) -> bool {
    // Several cookies of this name can come from other daemons of the same host.
    let cookies = headers.get_all(header::COOKIE).iter();
    let texts = cookies.filter_map(|value| value.to_str().ok());
    texts
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().strip_prefix(NAME)?.strip_prefix('='))
        .any(|value| is_right(value, token, now_ms))
}

fn is_right(value: &str, token: &Secret, now_ms: i64) -> bool {
    let Some((ends, given)) = value.split_once('.') else {
        return false;
    };
    let (Ok(ends), Ok(given)) = (ends.parse::<i64>(), blake3::Hash::from_hex(given)) else {
        return false;
    };
    let is_same = mark(token, ends).as_bytes().ct_eq(given.as_bytes());
    bool::from(is_same) && ends > now_ms.div_euclid(1000)
}

fn mark(token: &Secret, ends: i64) -> blake3::Hash {
    let key = blake3::derive_key(PURPOSE, token.expose().as_bytes());
    blake3::keyed_hash(&key, ends.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_800_000_000_000;

    fn sent(cookie: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_str(cookie).unwrap());
        headers
    }

    #[test]
    fn only_the_cookie_of_the_token_and_of_the_time_is_valid() {
        let token = Secret::new("right");
        let begun = begin(&token, NOW_MS, false).unwrap();
        let begun = begun.to_str().unwrap();
        assert!(begun.ends_with("; HttpOnly; SameSite=Strict"), "{begun}");
        assert!(!begun.contains("right"), "{begun}");
        let pair = begun.split(';').next().unwrap();
        let last_ms = NOW_MS + LASTS_SECONDS * 1000 - 1;
        let longer = pair.replacen("=1", "=2", 1);
        let cases = [
            ("its own", pair.to_owned(), "right", NOW_MS, true),
            (
                "among others",
                format!("a=b; {pair}; c=d"),
                "right",
                NOW_MS,
                true,
            ),
            (
                "of another daemon too",
                format!("{NAME}=1.00; {pair}"),
                "right",
                NOW_MS,
                true,
            ),
            ("at its end", pair.to_owned(), "right", last_ms, true),
            (
                "after its end",
                pair.to_owned(),
                "right",
                last_ms + 1,
                false,
            ),
            ("of another token", pair.to_owned(), "other", NOW_MS, false),
            ("with a later end", longer, "right", NOW_MS, false),
            (
                "without a hash",
                format!("{NAME}=9999999999."),
                "right",
                NOW_MS,
                false,
            ),
            ("empty", format!("{NAME}="), "right", NOW_MS, false),
            (
                "another name",
                pair.replacen(NAME, "other", 1),
                "right",
                NOW_MS,
                false,
            ),
        ];
        for (case, cookie, token, now_ms, expected) in cases {
            let valid = is_valid(&sent(&cookie), &Secret::new(token), now_ms);
            assert_eq!(valid, expected, "{case}");
        }
        assert!(!is_valid(&HeaderMap::new(), &token, NOW_MS));
        let secure = begin(&token, NOW_MS, true).unwrap();
        assert!(secure.to_str().unwrap().ends_with("; Secure"));
    }
}
