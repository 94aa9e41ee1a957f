//! Judges a reply: is it an answer to parse, and if not, what does the caller do next?

use std::time::SystemTime;

use super::challenge::challenge;
use crate::http::{Exchange, Fault, Head};
use crate::oai::error::FetchError;

/// How many bytes of a body are searched for the root element of a response.
const SNIFFED_BYTES: usize = 16 << 10;

/// Judges a reply by its head and its whole body; `None` if it is an answer to parse.
///
/// An OAI-PMH document is an answer with any status, except a 429 or 503 with a time to wait: that
/// is flow control, which the protocol leaves to HTTP (OAI-PMH 2.0, 3.1.2.2). Other documents are
/// answers only with a status of success; the parser decides what they are worth.
pub(crate) fn verdict(
    head: &Head,
    body: &[u8],
    exchange: &Exchange,
    user_agent: &str,
) -> Option<FetchError> {
    let exchange = || Box::new(exchange.clone());
    let status = head.status.as_u16();
    let retry_after = head.retry_after(SystemTime::now());
    let is_document = is_oai_document(body);
    if let Some(which) = challenge(head, body, is_document) {
        return Some(FetchError::Challenge {
            which,
            advice: challenge_advice(user_agent),
            exchange: exchange(),
        });
    }
    let flow_control = matches!(status, 429 | 503) && retry_after.is_some();
    if !flow_control && is_document {
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
        "ask the repository to exempt its OAI-PMH URL from the bot protection, or to allow the user \
         agent {user_agent:?} or this machine's address"
    )
}

fn refusal_advice(status: u16, user_agent: &str) -> String {
    match status {
        401 => {
            "the credentials are missing or wrong: check user and password, bearer token or API \
                key of the source"
                .to_owned()
        }
        403 => format!(
            "the repository may reject the user agent {user_agent:?}, this machine's address or the \
             credentials: ask it for an entry in its allow-list"
        ),
        404 | 410 => "there is no repository at this URL: check the source's url".to_owned(),
        405 => "the server does not allow GET at this URL: check the source's url".to_owned(),
        407 => "the proxy requires credentials: put them into the proxy's url".to_owned(),
        414 | 431 => "the server does not accept a URL of this length".to_owned(),
        451 => "the server must not answer for legal reasons: ask the repository".to_owned(),
        _ => "the server would refuse the same request again".to_owned(),
    }
}

/// Whether the root element of an OAI-PMH response, with or without a prefix, is within the first
/// kilobytes of a body. Text before it is skipped. UTF-16 is read too.
pub(crate) fn is_oai_document(body: &[u8]) -> bool {
    let start = &body[..body.len().min(SNIFFED_BYTES)];
    let start: Vec<u8> = start.iter().copied().filter(|byte| *byte != 0).collect();
    memchr::memmem::find_iter(&start, "OAI-PMH").any(|at| {
        let (before, after) = (&start[..at], &start[at + "OAI-PMH".len()..]);
        let ends = matches!(
            after.first(),
            Some(b'>' | b'/' | b' ' | b'\t' | b'\r' | b'\n')
        );
        ends && without_prefix(before).last() == Some(&b'<')
    })
}

/// Whether a body has an OAI-PMH response and the end of its root element.
///
/// The parser judges what is in between, so a mistake here costs only a retry.
pub(crate) fn is_whole_document(body: &[u8]) -> bool {
    const NAME: &[u8] = b"OAI-PMH";
    if !is_oai_document(body) {
        return false;
    }
    let end = &body[body.len().saturating_sub(SNIFFED_BYTES)..];
    let end: Vec<u8> = end.iter().copied().filter(|byte| *byte != 0).collect();
    let Some(at) = memchr::memmem::rfind(&end, NAME) else {
        return false;
    };
    let before = without_prefix(&end[..at]);
    let after = end[at + NAME.len()..].trim_ascii_start();
    before.ends_with(b"</") && after.first() == Some(&b'>')
}

/// `text` without a namespace prefix at its end.
fn without_prefix(text: &[u8]) -> &[u8] {
    let [text @ .., b':'] = text else {
        return text;
    };
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || b"-_.".contains(b);
    let prefix = text.iter().rev().take_while(|b| is_name(b)).count();
    &text[..text.len() - prefix]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Redactor;
    use crate::http::tests::head;

    const OAI: &[u8] =
        b"<?xml version=\"1.0\"?>\n<OAI-PMH xmlns=\"x\"><error code=\"a\"/></OAI-PMH>";
    const HTML: &[u8] = b"<html><title>Busy</title>come again</html>";

    fn kind(error: Option<FetchError>) -> String {
        match error {
            None => "answer".to_owned(),
            Some(FetchError::Wait { retry_after, .. }) => format!("wait {retry_after:?}"),
            Some(FetchError::Retry { fault, .. }) => format!("retry {fault:?}"),
            Some(FetchError::Challenge { which, .. }) => format!("challenge {:?}", which.by),
            Some(FetchError::Refused { status, .. }) => format!("refused {status}"),
            Some(other) => panic!("{other:?} is not a verdict"),
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
    fn errors_say_what_to_do() {
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
            exchange.describe(&head, HTML, &Redactor::default());
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
    fn recognises_oai_documents() {
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
    fn a_whole_document_has_its_closing_root_tag() {
        let cases: &[(&str, &str, bool)] = &[
            ("plain", "<OAI-PMH xmlns=\"x\"><Identify/></OAI-PMH>", true),
            ("prefix", "<o:OAI-PMH><o:Identify/></o:OAI-PMH >\n", true),
            ("junk after it", "<OAI-PMH></OAI-PMH><script>", true),
            ("cut", "<OAI-PMH><Identify/></OAI-PM", false),
            ("cut in the tag", "<OAI-PMH><Identify/></OAI-PMH", false),
            ("cut earlier", "<OAI-PMH><ListRecords>", false),
            ("another document", "<html></html>", false),
            ("empty", "", false),
        ];
        for (case, body, expected) in cases {
            assert_eq!(is_whole_document(body.as_bytes()), *expected, "{case}");
            let utf16: Vec<u8> = body.encode_utf16().flat_map(u16::to_le_bytes).collect();
            assert_eq!(is_whole_document(&utf16), *expected, "{case}, UTF-16");
        }
        let long = format!("<OAI-PMH>{}</OAI-PMH>", "x".repeat(100_000));
        assert!(is_whole_document(long.as_bytes()));
    }
}
