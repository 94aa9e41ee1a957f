//! What answers at the address of a source that has never been reached, if it is no repository.

use super::requester::read_body;
use super::settings::SourceSettings;
use crate::http::{Fault, Redactor, one_line, show_url};
use crate::oai::Request;
use crate::oai::client::Transport;
use crate::oai::error::FetchError;
use crate::oai::parse::{LooksLike, ParseError};

/// Why a source that has never given an OAI-PMH answer cannot be harvested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreached {
    /// The address, and what it answered.
    pub why: String,
    /// Whether a web server answered, so that a repository may be at another path of it.
    pub has_server: bool,
}

impl Unreached {
    pub(super) fn new(settings: &SourceSettings, instead: &Instead) -> Self {
        let url = show_url(&settings.client.url);
        match instead {
            Instead::Nothing { fault, at } => {
                let target = at.split('?').next().unwrap_or_default();
                let is_redirected = !target.is_empty() && !url.starts_with(target);
                let place = match is_redirected {
                    true => format!("{url} redirects to {target}, which"),
                    false => url,
                };
                Self {
                    why: format!("{place} cannot be reached: {fault}; check the address"),
                    has_server: false,
                }
            }
            Instead::Other(what) => Self {
                why: format!("{url} is no OAI-PMH repository: it answers {what}"),
                has_server: true,
            },
        }
    }
}

/// Asks a repository for its description and, if that fails, for its formats. Gives the reason if there is no
/// repository; faults that may pass are no reason.
pub async fn first_contact<T: Transport>(
    transport: &T,
    settings: &SourceSettings,
) -> Option<Unreached> {
    let formats = Request::ListMetadataFormats { identifier: None };
    let mut found = None;
    for request in [Request::Identify, formats] {
        let instead = match transport.send(&request).await {
            Err(error) => Instead::of_failure(&error),
            Ok(answer) => {
                let (charset, limits) = (answer.charset.as_deref(), settings.page_limits);
                let redactor = Redactor::new(&settings.client);
                let read = read_body(request.verb(), &answer.body, charset, limits, &redactor);
                let content_type = answer.content_type.as_deref();
                read.err()
                    .and_then(|error| Instead::of_body(&error, answer.status, content_type))
            }
        };
        let instead = instead?;
        let is_final = instead.is_final();
        found = Some(Unreached::new(settings, &instead));
        if is_final {
            break;
        }
    }
    found
}

/// What came instead of an OAI-PMH answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Instead {
    /// No connection: the host has no address, or nothing listens there.
    Nothing {
        /// What failed.
        fault: String,
        /// The address that was tried, after redirects.
        at: String,
    },
    /// Something else, in words.
    Other(String),
}

impl Instead {
    /// Whether another request would bring the same.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Nothing { .. })
    }

    /// What a body is that is no OAI-PMH answer. `None` for one that may be a damaged answer.
    pub(super) fn of_body(
        error: &ParseError,
        status: u16,
        content_type: Option<&str>,
    ) -> Option<Self> {
        let what = match error {
            ParseError::NotXml { looks_like, .. } => match looks_like {
                LooksLike::Html { title: Some(title) } => format!("a web page titled {title:?}"),
                LooksLike::Html { title: None } => "a web page".to_owned(),
                LooksLike::Json => "JSON".to_owned(),
                LooksLike::Text => "plain text".to_owned(),
                // It may be a compressed answer.
                LooksLike::Binary => return None,
            },
            ParseError::NotOai { root, namespace } => other_xml(root, namespace.as_deref()),
            _ => return None,
        };
        Some(Self::Other(head(status, content_type) + ": " + &what))
    }

    /// What a failed request says about the address. `None` for failures that may pass.
    pub(super) fn of_failure(error: &FetchError) -> Option<Self> {
        let exchange = error.exchange();
        match error {
            FetchError::Retry {
                fault:
                    fault @ (Fault::Name(_)
                    | Fault::Connect(_)
                    | Fault::Address(_)
                    | Fault::Timeout {
                        limit: "connect_timeout",
                        ..
                    }),
                ..
            } => Some(Self::Nothing {
                fault: fault.to_string(),
                at: exchange.url.clone(),
            }),
            FetchError::Refused { status, .. } if !is_about_the_client(*status) => {
                let what = match (&exchange.title, &exchange.excerpt) {
                    (Some(title), _) => format!(": a web page titled {title:?}"),
                    (None, Some(excerpt)) => format!(": {excerpt:?}"),
                    (None, None) => String::new(),
                };
                let head = head(*status, exchange.content_type.as_deref());
                Some(Self::Other(head + &what))
            }
            _ => None,
        }
    }
}

/// Whether a status says that somebody else may be answered: credentials, a block list, a legal reason.
fn is_about_the_client(status: u16) -> bool {
    matches!(status, 401 | 403 | 407 | 451)
}

fn head(status: u16, content_type: Option<&str>) -> String {
    match content_type {
        Some(content_type) => format!("HTTP {status}, {}", one_line(content_type)),
        None => format!("HTTP {status}"),
    }
}

fn other_xml(root: &str, namespace: Option<&str>) -> String {
    let name = root.rsplit(':').next().unwrap_or(root).to_ascii_lowercase();
    match name.as_str() {
        "rss" | "feed" | "rdf" => "a feed".to_owned(),
        "html" => "a web page".to_owned(),
        "urlset" | "sitemapindex" => "a sitemap".to_owned(),
        "explain" | "explainresponse" | "searchretrieveresponse" => "an SRU server".to_owned(),
        _ => {
            let of = namespace.map_or_else(String::new, |uri| format!(" of namespace {uri:?}"));
            format!("XML with the root element {root:?}{of}, not OAI-PMH 2.0")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_documents_are_named() {
        let not_oai = |root: &str| ParseError::NotOai {
            root: root.to_owned(),
            namespace: None,
        };
        let looks_like = |looks_like| ParseError::NotXml {
            looks_like,
            excerpt: String::new(),
        };
        let cases = [
            (not_oai("rss"), Some("a feed")),
            (not_oai("atom:feed"), Some("a feed")),
            (not_oai("rdf:RDF"), Some("a feed")),
            (not_oai("urlset"), Some("a sitemap")),
            (not_oai("catalog"), Some("root element \"catalog\"")),
            (looks_like(LooksLike::Json), Some("JSON")),
            (
                looks_like(LooksLike::Html {
                    title: Some("Welcome".to_owned()),
                }),
                Some("a web page titled \"Welcome\""),
            ),
            (looks_like(LooksLike::Binary), None),
            (ParseError::Truncated { at: 5 }, None),
        ];
        for (error, expected) in cases {
            match (Instead::of_body(&error, 200, Some("text/x")), expected) {
                (Some(Instead::Other(what)), Some(expected)) => {
                    assert!(what.starts_with("HTTP 200, text/x: "), "{what}");
                    assert!(what.contains(expected), "{what}");
                }
                (found, expected) => assert_eq!((found, expected), (None, None)),
            }
        }
    }
}
