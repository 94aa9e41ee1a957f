//! The target of a redirect as the next base URL, or why the redirect is not followed.

use reqwest::StatusCode;
use url::Url;

use super::address::{base_of, same_site, without_secrets};
use super::error::RedirectFault;
use super::line::excerpt;
use super::network::NetworkPolicy;
use super::redact::Redactor;
use super::settings::ClientSettings;

/// How many redirects are followed for one request.
pub(crate) const MAX_REDIRECTS: usize = 5;

/// What decides about the redirects of one client.
pub(crate) struct Rules<'a> {
    /// The client's base URL.
    pub(crate) origin: &'a Url,
    /// The arguments that each request attaches.
    pub(crate) arguments: &'a [&'a str],
    /// The networks that redirects may lead to.
    pub(crate) network: &'a NetworkPolicy,
    /// The secrets that are neither printed nor sent to another site.
    pub(crate) redactor: &'a Redactor,
}

/// One step of a request through redirects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hop {
    /// The base URL to which the request's arguments are attached.
    pub(crate) base: Url,
    /// Whether this is the configured site. No other site gets credentials.
    pub(crate) own_site: bool,
    /// Whether every redirect up to here was permanent.
    pub(crate) permanent: bool,
}

/// Where a temporary redirect of the base URL to `location` leads, without the arguments of requests.
///
/// # Errors
/// Why it is not followed. A host name is looked at when it is resolved, which this does not do.
pub fn redirect_target(settings: &ClientSettings, location: &str) -> Result<Url, RedirectFault> {
    let rules = Rules {
        origin: &settings.url,
        arguments: &[],
        network: &NetworkPolicy::new(&settings.url, settings.proxy.as_ref()),
        redactor: &Redactor::new(settings),
    };
    let hop = Hop {
        base: settings.url.clone(),
        own_site: true,
        permanent: false,
    };
    let next = next_hop(&rules, &hop, &settings.url, StatusCode::FOUND, location)?;
    Ok(next.base)
}

/// Whether a status is a redirect that we follow: 301, 302, 303, 307 and 308, always with GET.
pub(crate) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// The hop after `hop`, whose URL `requested` was redirected to `location`.
///
/// The caller attaches the arguments of the request again, so it does not matter whether the
/// target kept, changed or lost them. A target without a query gets the base URL's own arguments;
/// the secret ones only on the own site.
pub(crate) fn next_hop(
    rules: &Rules<'_>,
    hop: &Hop,
    requested: &Url,
    status: StatusCode,
    location: &str,
) -> Result<Hop, RedirectFault> {
    let target = (!location.trim().is_empty())
        .then(|| requested.join(location.trim()).ok())
        .flatten()
        .ok_or_else(|| RedirectFault::NoTarget {
            location: excerpt(&rules.redactor.text(location), 200),
        })?;
    let to = || rules.redactor.url(&target);
    match (requested.scheme(), target.scheme()) {
        ("https", "http") => return Err(RedirectFault::Downgrade { to: to() }),
        (_, "http" | "https") => {}
        _ => return Err(RedirectFault::Scheme { to: to() }),
    }
    if !rules.network.allows(&target) {
        return Err(RedirectFault::Private { to: to() });
    }
    let own_site = same_site(rules.origin, &target);
    let mut base = base_of(&target, rules.arguments, |name, value| {
        !own_site && (rules.redactor.hits(name) || rules.redactor.hits(value))
    });
    if target.query().is_none() {
        let origin = match own_site {
            true => rules.origin.clone(),
            false => without_secrets(rules.origin, rules.arguments),
        };
        base.set_query(origin.query());
    }
    Ok(Hop {
        base,
        own_site,
        permanent: hop.permanent && matches!(status.as_u16(), 301 | 308),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Secret;

    fn follow(
        base: &str,
        requested: &str,
        status: u16,
        location: &str,
    ) -> Result<Hop, RedirectFault> {
        let mut settings = ClientSettings::new(Url::parse(base).unwrap());
        settings.credentials.api_key = Some(Secret::new("s3cret"));
        let rules = Rules {
            origin: &settings.url,
            arguments: &["verb"],
            network: &NetworkPolicy::new(&settings.url, None),
            redactor: &Redactor::new(&settings),
        };
        let hop = Hop {
            base: settings.url.clone(),
            own_site: true,
            permanent: true,
        };
        let requested = Url::parse(requested).unwrap();
        let status = StatusCode::from_u16(status).unwrap();
        next_hop(&rules, &hop, &requested, status, location)
    }

    #[test]
    fn finds_the_next_base_url() {
        let http = "http://x.org/oai";
        let http_url = "http://x.org/oai?verb=Identify&api_key=s3cret";
        let query = "http://x.org/i?page=oai&apikey=own";
        let query_url = "http://x.org/i?page=oai&apikey=own&verb=Identify";
        let cases = [
            (
                "query kept",
                (
                    http,
                    http_url,
                    "https://x.org/oai?verb=Identify&api_key=s3cret",
                ),
                ("https://x.org/oai", true),
            ),
            (
                "query lost",
                (http, http_url, "https://x.org/oai"),
                ("https://x.org/oai", true),
            ),
            (
                "relative",
                (http, http_url, "/oai/2?a=1"),
                ("http://x.org/oai/2?a=1", true),
            ),
            (
                "www",
                (http, http_url, "http://www.x.org/oai"),
                ("http://www.x.org/oai", true),
            ),
            (
                "other site, key in its address",
                (
                    http,
                    http_url,
                    "https://y.org/o?k=s3cret&a=1&api_key=s3cret&verb=Identify",
                ),
                ("https://y.org/o?a=1", false),
            ),
            (
                "login in the target",
                (http, http_url, "https://u:p@x.org/oai#f"),
                ("https://x.org/oai", true),
            ),
            (
                "base URL's arguments come back on the same site",
                (query, query_url, "https://x.org/i"),
                ("https://x.org/i?page=oai&apikey=own", true),
            ),
            (
                "but no secret ones elsewhere",
                (query, query_url, "https://y.org/i"),
                ("https://y.org/i?page=oai", false),
            ),
            (
                "nor those that the target repeats",
                (
                    query,
                    query_url,
                    "https://y.org/i?page=oai&apikey=own&verb=Identify",
                ),
                ("https://y.org/i?page=oai", false),
            ),
        ];
        for (case, (base, requested, location), (expected, own_site)) in cases {
            let hop = follow(base, requested, 302, location).unwrap();
            assert_eq!(hop.base.as_str(), expected, "{case}");
            assert_eq!(hop.own_site, own_site, "{case}");
            assert!(!hop.permanent, "{case}");
        }
    }

    #[test]
    fn permanent_means_301_and_308() {
        for (status, expected) in [
            (301, true),
            (302, false),
            (303, false),
            (307, false),
            (308, true),
        ] {
            assert!(is_redirect(StatusCode::from_u16(status).unwrap()));
            let hop = follow("http://x.org/", "http://x.org/", status, "/oai").unwrap();
            assert_eq!(hop.permanent, expected, "{status}");
        }
        for status in [200, 300, 304, 305, 404] {
            assert!(!is_redirect(StatusCode::from_u16(status).unwrap()));
        }
    }

    #[test]
    fn does_not_follow_everywhere() {
        let https = "https://x.org/oai";
        type Check = fn(&RedirectFault) -> bool;
        let cases: [(_, _, Check); 9] = [
            ("downgrade", "http://x.org/oai", |f| {
                matches!(f, RedirectFault::Downgrade { .. })
            }),
            ("file", "file:///etc/passwd", |f| {
                matches!(f, RedirectFault::Scheme { .. })
            }),
            ("ftp", "ftp://x.org/", |f| {
                matches!(f, RedirectFault::Scheme { .. })
            }),
            ("data", "data:text/xml,a", |f| {
                matches!(f, RedirectFault::Scheme { .. })
            }),
            ("loopback", "https://127.0.0.1/", |f| {
                matches!(f, RedirectFault::Private { .. })
            }),
            ("localhost", "https://localhost/", |f| {
                matches!(f, RedirectFault::Private { .. })
            }),
            ("mapped", "https://[::ffff:a00:1]/", |f| {
                matches!(f, RedirectFault::Private { .. })
            }),
            ("empty", " ", |f| {
                matches!(f, RedirectFault::NoTarget { .. })
            }),
            ("unreadable", "http://[", |f| {
                matches!(f, RedirectFault::NoTarget { .. })
            }),
        ];
        for (case, location, expected) in cases {
            let fault = follow(https, https, 302, location).unwrap_err();
            assert!(expected(&fault), "{case}: {fault}");
        }
    }

    #[test]
    fn faults_show_no_secret() {
        for location in [
            "http://x.org/?api_key=s3cret",
            "http://[s3cret",
            "ftp://s3cret@x.org/",
        ] {
            let fault = follow("https://x.org/", "https://x.org/", 302, location).unwrap_err();
            assert!(!format!("{fault} {fault:?}").contains("s3cret"), "{fault}");
        }
    }
}
