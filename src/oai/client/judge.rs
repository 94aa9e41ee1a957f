//! What an answer means: whether it is one, and if not, what the caller does next.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, RETRY_AFTER};

use super::redact::{Redactor, cut};
use crate::oai::Datestamp;
use crate::oai::error::{Challenge, Exchange, Fault, FetchError};

/// How many bytes of a body are searched for the root element of a response.
const SNIFFED_BYTES: usize = 16 << 10;

/// How many bytes of a body are searched for its title and first words.
const SHOWN_BYTES: usize = 64 << 10;

/// Longest excerpt of a body, and longest title, in characters.
const EXCERPT_CHARS: usize = 200;

/// Longest wait that is told, in seconds: 136 years, to which any clock can be added.
const FOR_EVER: u64 = u32::MAX as u64;

/// An answer's head, as far as judging needs it.
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

    /// The server's clock when it answered.
    pub(crate) fn date(&self) -> Option<Datestamp> {
        let date = httpdate::parse_http_date(self.text(&DATE)?).ok()?;
        let since_1970 = date.duration_since(UNIX_EPOCH).ok()?;
        Some(Datestamp::from_unix(since_1970.as_secs() as i64))
    }

    /// How long `Retry-After` asks to wait: seconds, or a date, which counts from the answer's
    /// own `Date`, else from `now`. What lies in the past is zero.
    ///
    /// Source: RFC 9110, 10.2.3.
    pub(crate) fn retry_after(&self, now: SystemTime) -> Option<Duration> {
        let text = self.text(&RETRY_AFTER)?;
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let seconds = text.parse().unwrap_or(u64::MAX);
            return Some(Duration::from_secs(seconds.min(FOR_EVER)));
        }
        if let Ok(seconds) = text.parse::<f64>() {
            let seconds = seconds.ceil().clamp(0.0, FOR_EVER as f64);
            // Fails for what is not a number.
            return Duration::try_from_secs_f64(seconds).ok();
        }
        let until = httpdate::parse_http_date(text).ok()?;
        let date = self.text(&DATE);
        let now = date
            .and_then(|date| httpdate::parse_http_date(date).ok())
            .unwrap_or(now);
        Some(until.duration_since(now).unwrap_or_default())
    }

    /// Whose challenge this is, if it is one.
    fn challenge(&self) -> Option<Challenge> {
        let says = |name, values: &[&str]| {
            let text = self.text(&HeaderName::from_static(name));
            text.is_some_and(|text| values.iter().any(|value| text.eq_ignore_ascii_case(value)))
        };
        if says("cf-mitigated", &["challenge"]) {
            Some(Challenge::Cloudflare)
        } else if says("x-amzn-waf-action", &["challenge", "captcha"]) {
            Some(Challenge::AwsWaf)
        } else {
            None
        }
    }
}

/// Writes into `exchange` what came back.
pub(crate) fn describe(exchange: &mut Exchange, head: &Head, body: &[u8], redactor: &Redactor) {
    exchange.status = Some(head.status.as_u16());
    exchange.content_type = head
        .text(&CONTENT_TYPE)
        .map(|text| cut(&redactor.text(text), 100));
    let mut shown = &body[..body.len().min(SHOWN_BYTES)];
    if shown.len() < body.len() {
        // What is cut off may have been the rest of a secret.
        shown = &shown[..shown.len().saturating_sub(redactor.longest())];
    }
    let text = String::from_utf8_lossy(shown);
    let text = redactor.text(&text);
    exchange.title = title(&text).map(|title| cut(&title, EXCERPT_CHARS));
    exchange.excerpt = Some(cut(&one_line(&text), EXCERPT_CHARS)).filter(|line| !line.is_empty());
}

/// Judges an answer by its head and its whole body: `None` if it is one, to be parsed.
///
/// An OAI-PMH document is believed under whatever status, but for a 429 or 503 that names a time
/// to wait: that is flow control, which the protocol leaves to HTTP (OAI-PMH 2.0, 3.1.2.2). Other
/// documents are answers only with 200 and its like; the parser says what they are worth.
pub(crate) fn verdict(
    head: &Head,
    body: &[u8],
    exchange: &Exchange,
    user_agent: &str,
) -> Option<FetchError> {
    let exchange = || Box::new(exchange.clone());
    let status = head.status.as_u16();
    let retry_after = head.retry_after(SystemTime::now());
    if let Some(which) = head.challenge() {
        return Some(FetchError::Challenge {
            which,
            advice: challenge_advice(user_agent),
            exchange: exchange(),
        });
    }
    let flow_control = matches!(status, 429 | 503) && retry_after.is_some();
    if !flow_control && is_oai_document(body) {
        return None;
    }
    let fault = match status {
        429 | 503 => {
            return Some(FetchError::Wait {
                status,
                retry_after,
                exchange: exchange(),
            });
        }
        202 => Fault::NotReady,
        206 => Fault::Partial,
        200..=299 if body.trim_ascii().is_empty() => Fault::Empty,
        200..=299 => return None,
        408 | 421 | 425 | 500.. => Fault::Server,
        _ => {
            return Some(FetchError::Refused {
                status,
                advice: refusal_advice(status, user_agent),
                exchange: exchange(),
            });
        }
    };
    Some(FetchError::Retry {
        fault,
        retry_after,
        exchange: exchange(),
    })
}

fn challenge_advice(user_agent: &str) -> String {
    format!(
        "a harvester cannot and should not pass it: ask the repository to exempt its OAI-PMH \
         address from the protection against robots, or to let through the user agent \
         {user_agent:?} or this machine's address"
    )
}

fn refusal_advice(status: u16, user_agent: &str) -> String {
    match status {
        401 => "the repository wants credentials, or not these: check user and password, token \
                or key of the source"
            .to_owned(),
        403 => format!(
            "the repository may refuse the user agent {user_agent:?}, this machine's address, or \
             the credentials: ask it for an entry in its allow-list"
        ),
        404 | 410 => "there is no repository at this address: check the source's url".to_owned(),
        405 => "the server does not take GET at this address: check the source's url".to_owned(),
        407 => "the proxy wants credentials: put them into the proxy's url".to_owned(),
        414 | 431 => "the server does not take an address of this length".to_owned(),
        451 => "the repository must not answer for legal reasons: ask it".to_owned(),
        _ => "the same request would be refused again".to_owned(),
    }
}

/// Whether a body is an OAI-PMH response by its root element, with or without a prefix, within
/// the first kilobytes; what may stand before it is skipped. UTF-16 is read too.
pub(crate) fn is_oai_document(body: &[u8]) -> bool {
    let start = &body[..body.len().min(SNIFFED_BYTES)];
    let start: Vec<u8> = start.iter().copied().filter(|byte| *byte != 0).collect();
    memchr::memmem::find_iter(&start, "OAI-PMH").any(|at| {
        let (before, after) = (&start[..at], &start[at + "OAI-PMH".len()..]);
        let ends = matches!(
            after.first(),
            Some(b'>' | b'/' | b' ' | b'\t' | b'\r' | b'\n')
        );
        let before = match before {
            [before @ .., b':'] => {
                let is_name = |b: &u8| b.is_ascii_alphanumeric() || b"-_.".contains(b);
                let prefix = before.iter().rev().take_while(|b| is_name(b)).count();
                &before[..before.len() - prefix]
            }
            before => before,
        };
        ends && before.last() == Some(&b'<')
    })
}

/// The title of an HTML page.
fn title(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let start = lower.find("<title")?;
    let start = start + lower[start..].find('>')? + 1;
    let end = start + lower[start..].find('<')?;
    Some(one_line(&text[start..end])).filter(|title| !title.is_empty())
}

/// `text` with each run of white space and control characters as one blank.
fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OAI: &[u8] =
        b"<?xml version=\"1.0\"?>\n<OAI-PMH xmlns=\"x\"><error code=\"a\"/></OAI-PMH>";
    const HTML: &[u8] = b"<html><title>Busy</title>come again</html>";

    fn head(status: u16, headers: &[(&'static str, &'static str)]) -> Head {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), value.parse().unwrap())
        };
        Head {
            status: StatusCode::from_u16(status).unwrap(),
            headers: headers.iter().map(pair).collect(),
        }
    }

    fn kind(error: Option<FetchError>) -> String {
        match error {
            None => "answer".to_owned(),
            Some(FetchError::Wait { retry_after, .. }) => format!("wait {retry_after:?}"),
            Some(FetchError::Retry { fault, .. }) => format!("retry {fault:?}"),
            Some(FetchError::Challenge { which, .. }) => format!("challenge {which:?}"),
            Some(FetchError::Refused { status, .. }) => format!("refused {status}"),
            Some(other) => panic!("{other:?} is not for this function to give"),
        }
    }

    #[test]
    fn judges_by_status_headers_and_body() {
        let soon: &[_] = &[("retry-after", "7")];
        let cloudflare: &[_] = &[("cf-mitigated", "challenge")];
        let waf: &[_] = &[("x-amzn-waf-action", "challenge")];
        let captcha: &[_] = &[("x-amzn-waf-action", "captcha")];
        type Case<'a> = (
            &'a str,
            u16,
            &'a [(&'static str, &'static str)],
            &'a [u8],
            &'a str,
        );
        let cases: &[Case<'_>] = &[
            ("document", 200, &[], OAI, "answer"),
            ("page with success", 200, &[], HTML, "answer"),
            ("page by way of a proxy", 203, &[], HTML, "answer"),
            ("empty", 200, &[], b"", "retry Empty"),
            ("blank", 200, &[], b" \r\n\t", "retry Empty"),
            ("no content", 204, &[], b"", "retry Empty"),
            ("accepted, empty", 202, &[], b"", "retry NotReady"),
            ("accepted, page", 202, &[], HTML, "retry NotReady"),
            ("accepted, document", 202, &[], OAI, "answer"),
            ("partial", 206, &[], HTML, "retry Partial"),
            ("busy", 503, &[], HTML, "wait None"),
            ("busy for a while", 503, soon, HTML, "wait Some(7s)"),
            ("too many", 429, &[], b"", "wait None"),
            ("too many for a while", 429, soon, HTML, "wait Some(7s)"),
            (
                "busy, with a document and a time",
                503,
                soon,
                OAI,
                "wait Some(7s)",
            ),
            ("busy, with a document", 503, &[], OAI, "answer"),
            ("server error", 500, &[], HTML, "retry Server"),
            ("bad gateway", 502, soon, HTML, "retry Server"),
            ("gateway timeout", 504, &[], b"", "retry Server"),
            ("Cloudflare's own", 522, &[], HTML, "retry Server"),
            ("request timeout", 408, &[], HTML, "retry Server"),
            ("too early", 425, &[], HTML, "retry Server"),
            ("misdirected", 421, &[], HTML, "retry Server"),
            ("document with 422", 422, &[], OAI, "answer"),
            ("document with 404", 404, &[], OAI, "answer"),
            ("document with 500", 500, &[], OAI, "answer"),
            ("bad request", 400, &[], HTML, "refused 400"),
            ("unauthorized", 401, &[], HTML, "refused 401"),
            ("forbidden", 403, &[], HTML, "refused 403"),
            ("not found", 404, &[], HTML, "refused 404"),
            ("gone", 410, &[], b"", "refused 410"),
            ("address too long", 414, &[], HTML, "refused 414"),
            ("not modified", 304, &[], b"", "refused 304"),
            ("Cloudflare", 403, cloudflare, HTML, "challenge Cloudflare"),
            (
                "Cloudflare with success",
                200,
                cloudflare,
                HTML,
                "challenge Cloudflare",
            ),
            ("AWS WAF", 202, waf, b"", "challenge AwsWaf"),
            (
                "AWS WAF with captcha",
                405,
                captcha,
                HTML,
                "challenge AwsWaf",
            ),
            (
                "AWS WAF that lets through",
                200,
                &[("x-amzn-waf-action", "count")],
                OAI,
                "answer",
            ),
        ];
        for (case, status, headers, body, expected) in cases {
            let head = head(*status, headers);
            let verdict = verdict(&head, body, &Exchange::default(), "harvestd/1");
            assert_eq!(&kind(verdict), expected, "{case}");
        }
    }

    #[test]
    fn says_what_a_person_may_do() {
        let cloudflare = head(403, &[("cf-mitigated", "challenge")]);
        let cases = [
            (head(401, &[]), "user and password"),
            (head(403, &[]), "allow-list"),
            (head(403, &[]), "harvestd/1"),
            (head(404, &[]), "check the source's url"),
            (head(407, &[]), "proxy"),
            (head(414, &[]), "length"),
            (cloudflare, "ask the repository to exempt"),
        ];
        for (head, expected) in cases {
            let mut exchange = Exchange {
                url: "https://x.org/oai?verb=Identify".to_owned(),
                ..Exchange::default()
            };
            describe(&mut exchange, &head, HTML, &Redactor::default());
            let text = verdict(&head, HTML, &exchange, "harvestd/1").unwrap();
            let text = text.to_string();
            assert!(text.contains(expected), "{text}");
            let start = format!(
                "GET https://x.org/oai?verb=Identify answered HTTP {}, page titled \"Busy\": ",
                head.status.as_u16()
            );
            assert!(text.starts_with(&start), "{text}");
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
                seconds(FOR_EVER),
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
        assert_eq!(
            head(200, &[("date", NOON)]).date().unwrap().to_string(),
            "1994-11-06T12:00:00Z"
        );
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

    #[test]
    fn knows_documents_of_the_protocol() {
        let utf16: Vec<u8> = "<OAI-PMH>"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let far = [b" ".repeat(SNIFFED_BYTES), b"<OAI-PMH>".to_vec()].concat();
        let cases: [(&str, &[u8], bool); 12] = [
            ("plain", OAI, true),
            ("prefix", b"<oai:OAI-PMH>", true),
            ("odd prefix", b"<a_b-1.c:OAI-PMH/>", true),
            (
                "after a warning",
                b"<br><b>Warning</b> x in y\n<?xml?><OAI-PMH\n>",
                true,
            ),
            ("utf-16", &utf16, true),
            ("in text", b"<h1>OAI-PMH</h1>", false),
            ("in text after a colon", b"<h1>see:OAI-PMH </h1>", false),
            ("as a part of a name", b"<OAI-PMHx>", false),
            ("escaped", b"&lt;OAI-PMH&gt;", false),
            ("cut", b"<OAI-PMH", false),
            ("far away", &far, false),
            ("empty", b"", false),
        ];
        for (case, body, expected) in cases {
            assert_eq!(is_oai_document(body), expected, "{case}");
        }
    }

    #[test]
    fn describes_on_one_line() {
        type Case<'a> = (&'a str, &'a [u8], Option<&'a str>, Option<&'a str>);
        let cases: &[Case<'_>] = &[
            ("empty", b" \n", None, None),
            (
                "text",
                b"too\r\n\r\n many\x00 requests",
                None,
                Some("too many requests"),
            ),
            (
                "page",
                b"<HTML><Title lang=en>\n 503\n Busy </Title>",
                Some("503 Busy"),
                Some("<HTML><Title lang=en> 503 Busy </Title>"),
            ),
            ("title without end", b"<title>x", None, Some("<title>x")),
            ("bytes", b"\xff\xfe<", None, Some("\u{fffd}\u{fffd}<")),
        ];
        for (case, body, title, excerpt) in cases {
            let mut exchange = Exchange::default();
            describe(&mut exchange, &head(503, &[]), body, &Redactor::default());
            assert_eq!(exchange.title.as_deref(), *title, "{case}");
            assert_eq!(exchange.excerpt.as_deref(), *excerpt, "{case}");
        }
        let mut exchange = Exchange::default();
        describe(
            &mut exchange,
            &head(503, &[]),
            "é".repeat(999).as_bytes(),
            &Redactor::default(),
        );
        assert_eq!(exchange.excerpt.unwrap().chars().count(), EXCERPT_CHARS + 1);
    }
}
