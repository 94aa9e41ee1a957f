//! What can go wrong with an answer, and when it does.

use std::fmt;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use harvestd::demo::Reply;

use super::http::LoggedRequest;

/// What happens to one request. What is called the answer is the model's own.
#[derive(Clone)]
pub enum Fault {
    /// This reply instead of the answer.
    Reply(Reply),
    /// What this replies to the request, instead of the answer.
    Answer(Arc<dyn Fn(&LoggedRequest) -> Reply + Send + Sync>),
    /// The answer, changed.
    Transform(Arc<dyn Fn(Reply) -> Reply + Send + Sync>),
    /// These bytes instead of any HTTP, then the end of the connection.
    Raw(Vec<u8>),
    /// The answer's head and so many bytes of its body, then the end of the connection.
    Cut { after: usize, framing: Framing },
    /// As [`Fault::Cut`] with the length announced, but the connection is reset, which may
    /// overtake some of the bytes; `None` is reset without a word.
    Reset { after: Option<usize> },
    /// The answer's head and so many bytes of its body, then silence on an open connection;
    /// `None` is silent from the start.
    Hang { after: Option<usize> },
    /// The answer, so much later.
    Delay(Duration),
    /// The answer's body in pieces of so many bytes with a pause after each.
    Drip { bytes: usize, pause: Duration },
}

/// How a body's end is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Framing {
    /// `Content-Length`, of the whole body.
    Length,
    /// `Content-Length`, three bytes more than there are.
    TooLong,
    /// Chunks; a cut body lacks the last one.
    Chunked,
    /// The end of the connection, so that a cut cannot be told from the end.
    Close,
}

impl Fault {
    /// A page in HTML, as proxies and challenges send it.
    pub fn html(status: u16) -> Self {
        let body = "<!DOCTYPE html><html><head><title>Please wait</title></head>\
                    <body><h1>We are checking your browser</h1></body></html>";
        Self::status(status, &[("content-type", "text/html")], body)
    }

    /// The answer with these raw lines among its headers.
    pub fn header_lines(lines: &str) -> Self {
        // A header's value is written as it is.
        let value = format!("1\r\n{}", lines.trim_end());
        Self::Transform(Arc::new(move |mut reply| {
            reply.headers.push(("x-scripted".to_owned(), value.clone()));
            reply
        }))
    }

    /// Any status, headers and body.
    pub fn status(status: u16, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self::Reply(Reply {
            status,
            headers: headers.iter().map(owned).collect(),
            body: body.into(),
        })
    }

    /// Status 200 with this document.
    pub fn xml(body: impl Into<Vec<u8>>) -> Self {
        Self::Reply(Reply::xml(body))
    }

    /// 503, with this `Retry-After` if there is one: seconds or a date.
    pub fn unavailable(retry_after: Option<&str>) -> Self {
        let headers: Vec<_> = retry_after
            .map(|value| ("retry-after", value))
            .into_iter()
            .collect();
        Self::status(
            503,
            &headers,
            "<html><body>Service Unavailable</body></html>",
        )
    }

    /// 429 without `Retry-After`, as DOAJ's front server sends it.
    pub fn too_many_requests() -> Self {
        Self::status(429, &[], "<html><body>Too Many Requests</body></html>")
    }

    /// A redirect.
    pub fn redirect(status: u16, to: &str) -> Self {
        Self::status(status, &[("location", to)], "")
    }

    /// A well-formed refusal with this code.
    pub fn oai_error(code: &str) -> Self {
        Self::xml(format!(
            "<?xml version='1.0' encoding='UTF-8'?>\n\
             <OAI-PMH xmlns=\"http://www.openarchives.org/OAI/2.0/\">\
             <responseDate>2026-06-01T12:00:00Z</responseDate>\
             <request>http://repository.example/oai</request>\
             <error code=\"{code}\">scripted</error></OAI-PMH>"
        ))
    }

    /// The token is refused.
    pub fn bad_resumption_token() -> Self {
        Self::oai_error("badResumptionToken")
    }

    /// The answer with its body changed.
    pub fn body(change: impl Fn(Vec<u8>) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::Transform(Arc::new(move |mut reply| {
            reply.body = change(reply.body);
            reply
        }))
    }

    /// The answer with a text in its body replaced wherever it stands.
    pub fn replacing(old: &str, new: &str) -> Self {
        let (old, new) = (old.to_owned(), new.to_owned());
        Self::body(move |body| {
            let text = String::from_utf8(body).expect("the model writes UTF-8");
            assert!(text.contains(&old), "the answer has no {old:?} to replace");
            text.replace(&old, &new).into_bytes()
        })
    }

    /// The answer compressed, without a header that says so.
    pub fn unadvertised_gzip() -> Self {
        Self::body(|body| gzip(&body))
    }

    /// Whether the client gets the whole answer in the end.
    pub(super) fn delivers(&self) -> bool {
        matches!(
            self,
            Self::Answer(_) | Self::Transform(_) | Self::Delay(_) | Self::Drip { .. }
        )
    }
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let written = encoder.write_all(body).and_then(|()| encoder.finish());
    written.expect("writing to memory does not fail")
}

/// Which requests a fault befalls. Counts start at 1.
#[derive(Clone)]
pub enum When {
    /// Every request.
    Always,
    /// The nth request of all.
    Request(usize),
    /// Whatever asks for the nth page of a list, again and again: a page counts once it was
    /// delivered, and a list without a token starts anew.
    Page(usize),
    /// Whatever asks for a page after the nth.
    AfterPage(usize),
    /// Requests with this verb.
    Verb(&'static str),
    /// Requests that this holds of.
    Matching(Arc<dyn Fn(&LoggedRequest) -> bool + Send + Sync>),
}

impl When {
    /// Requests that `test` holds of.
    pub fn matching(test: impl Fn(&LoggedRequest) -> bool + Send + Sync + 'static) -> Self {
        Self::Matching(Arc::new(test))
    }

    /// `number` is the request's own, `page` that of the page asked for, if it is one.
    pub(super) fn holds(
        &self,
        request: &LoggedRequest,
        number: usize,
        page: Option<usize>,
    ) -> bool {
        match self {
            Self::Always => true,
            Self::Request(nth) => number == *nth,
            Self::Page(nth) => page == Some(*nth),
            Self::AfterPage(nth) => page.is_some_and(|page| page > *nth),
            Self::Verb(verb) => request.argument("verb") == Some(*verb),
            Self::Matching(test) => test(request),
        }
    }
}

impl fmt::Debug for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str("Always"),
            Self::Request(nth) => write!(f, "Request({nth})"),
            Self::Page(nth) => write!(f, "Page({nth})"),
            Self::AfterPage(nth) => write!(f, "AfterPage({nth})"),
            Self::Verb(verb) => write!(f, "Verb({verb})"),
            Self::Matching(_) => f.write_str("Matching"),
        }
    }
}
