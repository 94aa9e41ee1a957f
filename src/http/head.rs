//! Status and headers of a reply.

use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, RETRY_AFTER};

/// The longest pause that is returned, in seconds: 136 years, which any clock can add.
const LONGEST_PAUSE: u64 = u32::MAX as u64;

/// Status and headers of a reply.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    /// The status.
    pub(crate) status: StatusCode,
    /// All headers.
    pub(crate) headers: HeaderMap,
}

impl Head {
    /// A header's text, trimmed; `None` if it is absent, empty or not ASCII.
    pub(crate) fn text(&self, name: &HeaderName) -> Option<&str> {
        let text = self.headers.get(name)?.to_str().ok()?.trim();
        (!text.is_empty()).then_some(text)
    }

    /// The `charset` of `Content-Type`, without quotes.
    ///
    /// Read by hand: the `mime` crate rejects the whole header for one bad character.
    pub(crate) fn charset(&self) -> Option<String> {
        let parameters = self.text(&CONTENT_TYPE)?.split(';').skip(1);
        let values = parameters.filter_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            let value = value.trim().trim_matches(['"', '\'']).trim();
            let named = name.trim().eq_ignore_ascii_case("charset");
            (named && !value.is_empty()).then(|| value.to_owned())
        });
        { values }.next()
    }

    /// The server's clock when it replied.
    pub(crate) fn date(&self) -> Option<SystemTime> {
        httpdate::parse_http_date(self.text(&DATE)?).ok()
    }

    /// The pause that `Retry-After` asks for; a date counts from the reply's own `Date`, else from
    /// `now`.
    pub(crate) fn retry_after(&self, now: SystemTime) -> Option<Duration> {
        retry_after(self.text(&RETRY_AFTER)?, self.date().unwrap_or(now))
    }
}

/// The pause that the value of a `Retry-After` asks for: seconds, or a date. A date before `now`
/// gives zero, an unreadable value `None`.
///
/// Source: RFC 9110, 10.2.3.
pub(crate) fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        let seconds = seconds.ceil().clamp(0.0, LONGEST_PAUSE as f64);
        // Fails for `NaN`, which is a number to the parser.
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let until = httpdate::parse_http_date(text).ok()?;
    Some(until.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    pub(crate) fn head(status: u16, headers: &[(&'static str, &'static str)]) -> Head {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), value.parse().unwrap())
        };
        Head {
            status: StatusCode::from_u16(status).unwrap(),
            headers: headers.iter().map(pair).collect(),
        }
    }

    #[test]
    fn reads_both_forms_of_retry_after() {
        const NOON: &str = "Sun, 06 Nov 1994 12:00:00 GMT";
        let noon = UNIX_EPOCH + Duration::from_secs(784_123_200);
        let seconds = |n| Some(Duration::from_secs(n));
        let cases = [
            ("seconds", "120", "", seconds(120)),
            ("padded", " 5 ", "", seconds(5)),
            ("zero", "0", "", seconds(0)),
            ("a day", "86400", "", seconds(86_400)),
            ("part of a second", "0.5", "", seconds(1)),
            ("negative", "-3", "", seconds(0)),
            (
                "beyond all clocks",
                "99999999999999999999999",
                "",
                seconds(LONGEST_PAUSE),
            ),
            ("not a number", "NaN", "", None),
            (
                "date by the server's clock",
                "Sun, 06 Nov 1994 12:01:00 GMT",
                NOON,
                seconds(60),
            ),
            (
                "server's clock is an hour late",
                "Sun, 06 Nov 1994 11:01:00 GMT",
                "Sun, 06 Nov 1994 11:00:00 GMT",
                seconds(60),
            ),
            (
                "date by our clock",
                "Sun, 06 Nov 1994 12:02:00 GMT",
                "",
                seconds(120),
            ),
            (
                "unreadable Date",
                "Sun, 06 Nov 1994 12:02:00 GMT",
                "noon",
                seconds(120),
            ),
            (
                "date of RFC 850",
                "Sunday, 06-Nov-94 12:00:30 GMT",
                NOON,
                seconds(30),
            ),
            (
                "date of asctime",
                "Sun Nov  6 12:00:10 1994",
                NOON,
                seconds(10),
            ),
            (
                "date in the past",
                "Sun, 06 Nov 1994 08:49:37 GMT",
                NOON,
                seconds(0),
            ),
            ("words", "later", NOON, None),
            ("empty", "", NOON, None),
        ];
        for (case, retry_after, date, expected) in cases {
            let head = head(503, &[("retry-after", retry_after), ("date", date)]);
            assert_eq!(head.retry_after(noon), expected, "{case}");
        }
        assert_eq!(head(503, &[]).retry_after(noon), None, "absent");
        assert_eq!(head(200, &[("date", NOON)]).date(), Some(noon));
    }

    #[test]
    fn reads_the_charset() {
        let cases = [
            ("text/xml; charset=utf-8", Some("utf-8")),
            ("text/xml;Charset=\"ISO-8859-1\"; x=y", Some("ISO-8859-1")),
            ("text/xml; x=y ;  CHARSET = 'utf-16' ", Some("utf-16")),
            ("text/xml; charset=", None),
            ("text/xml", None),
            ("charset=utf-8", None),
        ];
        for (content_type, expected) in cases {
            let head = head(200, &[("content-type", content_type)]);
            assert_eq!(head.charset().as_deref(), expected, "{content_type}");
        }
    }
}
