//! Finds the addresses of a resource, best first, and the works that it is related to.

use super::identifier;
use super::statements::Statement;
use crate::record::resource::{Link, LinkPurpose, Related};

/// What is known beside the statements.
#[derive(Debug, Default)]
pub(super) struct Context<'a> {
    /// The OAI identifier.
    pub(super) identifier: &'a str,
    /// The resource's own DOI.
    pub(super) doi: Option<&'a str>,
    /// Whether the record is DOAJ's own, which has the publisher's address in `relation`.
    pub(super) of_doaj: bool,
}

/// The links of a record, best first, and its other works.
///
/// Only a value that is wholly an address is a link. Addresses of `identifier` come first: persistent
/// ones, landing pages, DOIs, files. An address of `relation` is another work, unless it is that of
/// this one: it lies below an address of the resource, ends with the repository's number of the
/// record, or the record is DOAJ's. If there is no address, a DOI, a
/// handle, a URN or a number of PubMed Central gives one.
pub(super) fn links(statements: &[Statement], context: &Context<'_>) -> (Vec<Link>, Vec<Related>) {
    let mut own: Vec<(Rank, String)> = Vec::new();
    let identifiers = statements
        .iter()
        .filter(|s| s.element == "identifier" && !s.is("identifier", &["citation"]));
    for statement in identifiers {
        if let Some(url) = address(&statement.text) {
            push(&mut own, rank(&url), url);
        }
    }
    let mut related: Vec<Related> = Vec::new();
    for statement in statements.iter().filter(|s| s.element == "relation") {
        let qualifier = statement.qualifier.as_deref();
        let open = qualifier.is_none_or(|qualifier| matches!(qualifier, "uri" | "url" | "none"));
        match address(&statement.text) {
            Some(url) if open && context.of_doaj => push(&mut own, Rank::Publisher, url),
            Some(url) if open && is_own(&url, &own, context) => {
                let rank = match rank(&url) {
                    Rank::Landing if ends_with_number(&url, context.identifier) => Rank::Persistent,
                    Rank::Landing => Rank::File,
                    rank => rank,
                };
                push(&mut own, rank, url);
            }
            url => {
                let text = url.unwrap_or_else(|| statement.line());
                let same = context.doi.is_some() && identifier::doi(&text) == context.doi;
                let related_work = Related {
                    relation: statement.qualifier.clone(),
                    text,
                };
                if !same && !related.contains(&related_work) {
                    related.push(related_work);
                }
            }
        }
    }
    for statement in statements.iter().filter(|s| s.element == "bitstream") {
        if let Some(url) = address(&statement.text) {
            push(&mut own, Rank::File, url);
        }
    }
    if !own.iter().any(|(rank, _)| *rank < Rank::Page)
        && let Some(url) = resolver(statements, context)
    {
        push(&mut own, Rank::Doi, url);
    }
    // The front page of a site is no page about the resource.
    for (_, text) in own.extract_if(.., |(rank, _)| *rank == Rank::Site) {
        related.push(Related {
            relation: None,
            text,
        });
    }
    own.sort_by_key(|(rank, _)| *rank);
    let links = own.into_iter().map(|(rank, url)| Link {
        url,
        purpose: match rank {
            Rank::Publisher | Rank::File => LinkPurpose::FullText,
            Rank::Thumbnail => LinkPurpose::Thumbnail,
            _ => LinkPurpose::Landing,
        },
        format: None,
    });
    (links.collect(), related)
}

fn push(own: &mut Vec<(Rank, String)>, rank: Rank, url: String) {
    if !own.iter().any(|(_, known)| *known == url) {
        own.push((rank, url));
    }
}

/// How good an address is for a reader, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// The publisher's, where the other one is DOAJ's.
    Publisher,
    /// Of a resolver of handles, URNs or ARKs.
    Persistent,
    /// A page about the resource.
    Landing,
    /// Of the resolver of DOIs.
    Doi,
    /// PubMed's page, which has no text.
    Abstract,
    /// A file.
    File,
    /// Nothing from here on leads a reader to the resource. What only separates the two.
    Page,
    /// A small picture.
    Thumbnail,
    /// The front page of a site.
    Site,
}

fn rank(url: &str) -> Rank {
    let lower = url.to_lowercase();
    let (_, rest) = lower.split_once("://").unwrap_or(("", &lower));
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = host.split(':').next().unwrap_or(host);
    let has = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
    if has(&[
        "thumbnail",
        "/thumb/",
        "thumb.",
        "/preview",
        "/cover.",
        "coverimage",
        "/icon/",
    ]) {
        return Rank::Thumbnail;
    }
    if path.is_empty() {
        return Rank::Site;
    }
    if identifier::doi(url).is_some() || matches!(host, "doi.org" | "dx.doi.org" | "www.doi.org") {
        return Rank::Doi;
    }
    if identifier::handle(url).is_some()
        || identifier::urn(url).is_some()
        || identifier::ark(url).is_some()
        || matches!(
            host,
            "purl.org" | "n2t.net" | "nbn-resolving.org" | "w3id.org"
        )
    {
        return Rank::Persistent;
    }
    if host.ends_with("ncbi.nlm.nih.gov") && !path.contains("pmc") {
        return Rank::Abstract;
    }
    let bare = path.split(['?', '#']).next().unwrap_or(path);
    let file = [
        ".pdf", ".ps", ".gz", ".zip", ".doc", ".docx", ".mp3", ".mp4", ".jpg", ".tif", ".epub",
        ".djvu",
    ];
    if file.iter().any(|ending| bare.ends_with(ending))
        || has(&[
            "viewcontent.cgi",
            "/bitstream/",
            "/download/",
            "/retrieve/",
            "/bitstreams/",
        ])
        || has(&[
            "/file/",
            "/fulltext.pdf",
            "/files/",
            "download=",
            "/getfile",
            "get_file",
        ])
    {
        return Rank::File;
    }
    Rank::Landing
}

/// The address that a value is: one of `http`, `https` or `ftp` without blanks in it.
///
/// Double escaping is undone, and so are line ends that a wrapped address has.
fn address(text: &str) -> Option<String> {
    let text = text.trim().trim_matches(['<', '>']);
    let lower = text.get(..8).unwrap_or(text).to_lowercase();
    if !["http://", "https://", "ftp://"]
        .iter()
        .any(|scheme| lower.starts_with(scheme))
    {
        return None;
    }
    let text: String = if text.contains(['\n', '\r']) {
        text.lines().map(str::trim).collect()
    } else {
        text.to_owned()
    };
    let text = text.replace("&amp;", "&");
    let is_address = !text.contains(char::is_whitespace)
        && !text.contains(['<', '>', '"'])
        && text
            .split_once("://")
            .is_some_and(|(_, rest)| rest.contains('.'));
    // Two addresses that are run together are none.
    let single = text.matches("://").count() == 1
        || text.contains(['?', '%'])
        || text.contains("web.archive.org");
    (is_address && single).then_some(text)
}

/// Whether an address of `relation` is one of the resource itself.
fn is_own(url: &str, own: &[(Rank, String)], context: &Context<'_>) -> bool {
    let bare = without_scheme(url);
    let below = own.iter().any(|(_, known)| {
        let known = without_scheme(known);
        bare.strip_prefix(known)
            .is_some_and(|rest| rest.starts_with('/'))
            && known.contains('/')
    });
    below || is_galley(bare, own) || ends_with_number(url, context.identifier)
}

fn without_scheme(url: &str) -> &str {
    url.split_once("://")
        .map_or(url, |(_, rest)| rest)
        .trim_end_matches('/')
}

/// A file of Open Journal Systems: `…/article/download/12/34` of `…/article/view/12`.
fn is_galley(bare: &str, own: &[(Rank, String)]) -> bool {
    let article = |url: &str, verb: &str| -> Option<(String, String)> {
        let (journal, rest) = url.split_once(verb)?;
        let number = rest.split('/').next()?;
        Some((journal.to_owned(), number.to_owned()))
    };
    let Some(galley) = article(bare, "/article/download/") else {
        return false;
    };
    own.iter()
        .any(|(_, url)| article(without_scheme(url), "/article/view/") == Some(galley.clone()))
}

/// Whether an address ends with the number that the record has in its repository: EPrints puts the
/// page into `relation` and the file into `identifier`. The host has to be that of the identifier.
fn ends_with_number(url: &str, identifier: &str) -> bool {
    let Some((repository, number)) = identifier.rsplit_once(':') else {
        return false;
    };
    let repository = repository.strip_prefix("oai:").unwrap_or(repository);
    let bare = without_scheme(url).to_lowercase();
    let (host, path) = bare.split_once('/').unwrap_or((&bare, ""));
    let number = number.to_lowercase();
    let same_site = || {
        let site = |host: &str| -> String {
            let parts: Vec<&str> = host.rsplit('.').take(2).collect();
            parts.join(".")
        };
        site(host) == site(&repository.to_lowercase())
    };
    let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    is_number && (path == number || path.ends_with(&format!("/{number}"))) && same_site()
}

/// The address that an identifier gives by itself.
fn resolver(statements: &[Statement], context: &Context<'_>) -> Option<String> {
    if let Some(doi) = context.doi {
        return Some(format!("https://doi.org/{}", doi.to_lowercase()));
    }
    let values = || {
        let identifiers = statements.iter().filter(|s| s.element == "identifier");
        identifiers.map(|statement| statement.text.trim())
    };
    let handle = values().find_map(identifier::handle);
    if let Some(handle) = handle.or_else(|| identifier::handle(context.identifier)) {
        return Some(format!("https://hdl.handle.net/{handle}"));
    }
    if let Some(urn) = values().find_map(identifier::urn)
        && urn.to_lowercase().starts_with("urn:nbn:")
    {
        return Some(format!("https://nbn-resolving.org/{urn}"));
    }
    if let Some(ark) = values().find_map(identifier::ark) {
        return Some(format!("https://n2t.net/{ark}"));
    }
    values()
        .find_map(identifier::pmcid)
        .map(|number| format!("https://www.ncbi.nlm.nih.gov/pmc/articles/{number}/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(
        values: &[(&str, &str)],
        identifier: &str,
        doi: Option<&str>,
    ) -> (Vec<String>, Vec<String>) {
        let statements: Vec<Statement> = values
            .iter()
            .map(|(element, text)| Statement {
                element: (*element).to_owned(),
                text: (*text).to_owned(),
                ..Statement::default()
            })
            .collect();
        let (links, related) = links(
            &statements,
            &Context {
                identifier,
                doi,
                of_doaj: values.iter().any(|(_, text)| text.contains("://doaj.org/")),
            },
        );
        (
            links.into_iter().map(|link| link.url).collect(),
            related.into_iter().map(|work| work.text).collect(),
        )
    }

    type Values<'a> = &'a [(&'a str, &'a str)];
    type Case<'a> = (
        &'a str,
        Values<'a>,
        &'a str,
        Option<&'a str>,
        Option<&'a str>,
    );

    #[test]
    fn finds_the_best_link_first() {
        let cases: [Case<'_>; 16] = [
            (
                "handle before publisher and file",
                &[
                    ("identifier", "http://link.aip.org/link/?jcp/123/064507"),
                    ("identifier", "http://x.org/bitstream/1/a.pdf"),
                    ("identifier", "http://hdl.handle.net/10138/1074"),
                ],
                "",
                None,
                Some("http://hdl.handle.net/10138/1074"),
            ),
            (
                "page before file, escaped twice",
                &[
                    (
                        "identifier",
                        "http://d.edu/cgi/viewcontent.cgi?article=1&amp;context=x",
                    ),
                    ("identifier", "http://d.edu/x/1"),
                ],
                "",
                None,
                Some("http://d.edu/x/1"),
            ),
            (
                "only a file",
                &[(
                    "identifier",
                    "http://d.edu/cgi/viewcontent.cgi?article=1&amp;context=x",
                )],
                "",
                None,
                Some("http://d.edu/cgi/viewcontent.cgi?article=1&context=x"),
            ),
            (
                "front page of a site",
                &[
                    ("identifier", "http://tez2.yok.gov.tr/"),
                    ("identifier", "http://x.tr/jspui/handle/2062/150"),
                ],
                "",
                None,
                Some("http://x.tr/jspui/handle/2062/150"),
            ),
            (
                "thumbnail",
                &[
                    ("identifier", "http://c.org/utils/getthumbnail/id/2"),
                    ("identifier", "http://c.org/ref/id/2"),
                ],
                "",
                None,
                Some("http://c.org/ref/id/2"),
            ),
            (
                "EPrints",
                &[
                    ("relation", "http://eprints.ucm.es/12217/"),
                    ("identifier", "http://eprints.ucm.es/12217/1/x.pdf"),
                ],
                "oai:www.ucm.es:12217",
                None,
                Some("http://eprints.ucm.es/12217/"),
            ),
            (
                "a relation is another work",
                &[
                    ("relation", "http://www.revista.es/"),
                    ("relation", "http://other.org/12"),
                ],
                "oai:x.org:12",
                None,
                None,
            ),
            (
                "DOAJ",
                &[
                    ("identifier", "https://doaj.org/article/2f"),
                    ("relation", "http://s.br/1"),
                ],
                "",
                None,
                Some("http://s.br/1"),
            ),
            (
                "prose",
                &[
                    ("identifier", "see http://x.org/1"),
                    ("identifier", "http://x.org/1 sygn. P"),
                ],
                "",
                None,
                None,
            ),
            (
                "DOI alone",
                &[],
                "",
                Some("10.1/x"),
                Some("https://doi.org/10.1/x"),
            ),
            (
                "handle alone",
                &[("identifier", "hdl:1/2")],
                "",
                None,
                Some("https://hdl.handle.net/1/2"),
            ),
            (
                "URN alone",
                &[("identifier", "urn:nbn:de:bsz:14-1")],
                "",
                None,
                Some("https://nbn-resolving.org/urn:nbn:de:bsz:14-1"),
            ),
            (
                "PubMed Central's path",
                &[("identifier", "/pmc/articles/PMC4131942/")],
                "",
                None,
                Some("https://www.ncbi.nlm.nih.gov/pmc/articles/PMC4131942/"),
            ),
            (
                "PubMed after PubMed Central",
                &[
                    ("identifier", "http://www.ncbi.nlm.nih.gov/pubmed/24927559"),
                    (
                        "identifier",
                        "http://www.ncbi.nlm.nih.gov/pmc/articles/PMC4078823/",
                    ),
                ],
                "",
                None,
                Some("http://www.ncbi.nlm.nih.gov/pmc/articles/PMC4078823/"),
            ),
            (
                "wrapped",
                &[("identifier", "http://x.org/a\n      b")],
                "",
                None,
                Some("http://x.org/ab"),
            ),
            ("source", &[("source", "http://x.org/1")], "", None, None),
        ];
        for (case, values, identifier, doi, expected) in cases {
            let (links, _) = found(values, identifier, doi);
            assert_eq!(links.first().map(String::as_str), expected, "{case}");
        }
    }

    #[test]
    fn tells_its_files_from_other_works() {
        let (links, related) = found(
            &[
                ("identifier", "https://j.eu/index.php/j/article/view/13"),
                ("relation", "https://j.eu/index.php/j/article/view/13/11"),
                (
                    "relation",
                    "https://j.eu/index.php/j/article/download/13/12",
                ),
                (
                    "relation",
                    "https://j.eu/index.php/j/article/download/14/12",
                ),
                ("relation", "Workflow;14356"),
                ("relation", "https://doi.org/10.1/x"),
            ],
            "oai:j.eu:article/13",
            Some("10.1/x"),
        );
        assert_eq!(
            links,
            [
                "https://j.eu/index.php/j/article/view/13",
                "https://j.eu/index.php/j/article/view/13/11",
                "https://j.eu/index.php/j/article/download/13/12",
            ]
        );
        assert_eq!(
            related,
            [
                "https://j.eu/index.php/j/article/download/14/12",
                "Workflow;14356"
            ]
        );
    }
}
