//! Tells identifiers apart by their form: DOI, ISSN, ISBN, handle, URN, ARK and numbers of archives.

use std::sync::LazyLock;

use percent_encoding::percent_decode_str;
use regex::Regex;

use crate::record::{isbn, issn};

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the patterns of this file are valid")
}

/// Words before a DOI that belong to it.
static DOI_PREFIX: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:(?:https?://)?(?:www\.)?(?:dx\.)?doi\.org/|urn:doi:|info:doi/|info:eu-repo/semantics/altidentifier/doi/|doi\s*:?\s*)+",
    )
});

static LABELLED_DOI: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)(?:\bdoi\s*:?\s*|doi\.org/)+(10\.\d{4,9}(?:\.\d+)*/[^\s<>⟨⟩〈〉\x22]+)")
});

/// The DOI that a value is, as written but for resolver and label; `None` for a value that is
/// something else or more, and for CiteSeerX's own numbers (`10.1.1.…`).
pub(super) fn doi(value: &str) -> Option<&str> {
    let value = value.trim();
    let rest = match DOI_PREFIX.find(value) {
        Some(prefix) => &value[prefix.end()..],
        None => value,
    };
    bare_doi(rest)
}

/// The DOI in the address of a resolver that has its slash percent-encoded (`https://doi.org/10.1000%2F182`).
pub(super) fn encoded_doi(value: &str) -> Option<String> {
    if !value.contains("doi.org/10.") || !value.contains("%2") {
        return None;
    }
    let decoded = percent_decode_str(value).decode_utf8().ok()?;
    doi(&decoded).map(str::to_owned)
}

/// The DOI of OpenAIRE's `info:eu-repo/semantics/altIdentifier/doi/…`.
pub(super) fn alternative_doi(value: &str) -> Option<&str> {
    bare_doi(alternative(value, "doi")?)
}

/// The first DOI in prose that has `doi` or a resolver before it.
pub(super) fn doi_in_prose(text: &str) -> Option<&str> {
    let found = LABELLED_DOI.captures(text)?.get(1)?.as_str();
    bare_doi(without_end(found))
}

fn bare_doi(text: &str) -> Option<&str> {
    let text = without_end(text.trim());
    let (prefix, suffix) = text.split_once('/')?;
    let number = prefix.strip_prefix("10.")?;
    let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let valid = is_number
        && !suffix.is_empty()
        && !number.starts_with("1.1.")
        && !text.contains(char::is_whitespace);
    valid.then_some(text)
}

/// Without punctuation that ends a sentence, and without a bracket that was opened before it.
fn without_end(text: &str) -> &str {
    let mut text = text.trim_end_matches(['.', ',', ';', ':', '\'']);
    while let Some(shorter) = text.strip_suffix(')').or_else(|| text.strip_suffix(']')) {
        let (open, close) = if text.ends_with(')') {
            ('(', ')')
        } else {
            ('[', ']')
        };
        if text.matches(open).count() >= text.matches(close).count() {
            break;
        }
        text = shorter.trim_end_matches(['.', ',', ';']);
    }
    text
}

/// The value of OpenAIRE's `info:eu-repo/semantics/altIdentifier/SCHEME/VALUE`.
pub(super) fn alternative<'a>(value: &'a str, scheme: &str) -> Option<&'a str> {
    let rest = value
        .trim()
        .strip_prefix("info:eu-repo/semantics/altIdentifier/")?;
    let (found, value) = rest.split_once('/')?;
    found.eq_ignore_ascii_case(scheme).then(|| value.trim())
}

/// Print or electronic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Medium {
    Print,
    Electronic,
}

static ISSN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:urn:)?(?:(e|p|online|electronic|print)?[\s-]*(?:issn|eissn|pissn)[\s-]*(?:[:=]|\()?\s*(online|electronic|print|e|p|l|impreso|en línea|digital)?\)?\s*:?\s*)?(\d{4})[\s\-‐‑–—]?(\d{3}[\dx])(?:\s*\((print|online|electronic|impreso|e|p|en línea|digital)\))?$",
    )
});

static ISSN_IN_PROSE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)\b(e|p)?-?issn\s*(?:\(\w+\))?\s*:?\s*(\d{4}[-‐‑–— ]?\d{3}[\dx])\b")
});

/// The ISSN that a value is, as `NNNN-NNNC`, and its medium if a label says so.
///
/// `labelled` is for values whose element says that they are ISSNs. A bare value needs its hyphen or
/// a blank for it, the right check digit, and must not be a span of years.
pub(super) fn issn(value: &str, labelled: bool) -> Option<(String, Option<Medium>)> {
    let value = value.trim();
    let value = alternative(value, "issn").unwrap_or(value);
    let found = ISSN.captures(value)?;
    let group = |at: usize| found.get(at).map(|text| text.as_str());
    let digits = format!("{}-{}", group(3)?, group(4)?);
    let lower = value.to_lowercase();
    let labelled = labelled || lower.contains("issn");
    let parsed = issn::parse(&digits).ok()?;
    if !labelled && (value.len() == 8 || is_span_of_years(&digits)) {
        return None;
    }
    let mut words = [group(1), group(2), group(5)].into_iter().flatten();
    let label = words.next().map(str::to_lowercase);
    let medium = match label.as_deref() {
        Some("e" | "online" | "electronic" | "en línea" | "digital") => Some(Medium::Electronic),
        Some("p" | "print" | "impreso") => Some(Medium::Print),
        _ => None,
    };
    Some((parsed, medium))
}

/// `1931-1955`, which may have the right check digit by chance.
fn is_span_of_years(digits: &str) -> bool {
    let Some((from, to)) = digits.split_once('-') else {
        return false;
    };
    let year = |text: &str| {
        text.parse::<u32>()
            .ok()
            .filter(|year| (1400..=2100).contains(year))
    };
    matches!((year(from), year(to)), (Some(from), Some(to)) if from <= to)
}

/// The ISSNs in prose that have `ISSN` before them.
pub(super) fn issns_in_prose(text: &str) -> Vec<(String, Option<Medium>)> {
    let all = ISSN_IN_PROSE.captures_iter(text);
    all.filter_map(|found| {
        let medium = match found.get(1).map(|text| text.as_str()) {
            Some("e" | "E") => Some(Medium::Electronic),
            Some(_) => Some(Medium::Print),
            None => None,
        };
        Some((issn::parse(found.get(2)?.as_str()).ok()?, medium))
    })
    .collect()
}

static ISBN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(urn:isbn:|(?:e-?|p-?|print[\s-]|online[\s-])?isbn(?:[\s-]?1[03])?\s*(?:\([^)]*\))?\s*[:=]?\s*)?([\d][\d\-‐–\s]{8,20}[\dx])(?:\s*\([^)]*\)|\s+\D.*)?$",
    )
});

/// The ISBN that a value is, as written but for a label. A bare value needs ten or thirteen digits
/// and the right check digit; `labelled` is for values whose element says that they are ISBNs.
pub(super) fn isbn(value: &str, labelled: bool) -> Option<String> {
    let value = value.trim();
    let value = alternative(value, "isbn").unwrap_or(value);
    let found = ISBN.captures(value)?;
    let labelled = labelled || found.get(1).is_some();
    let number = found.get(2)?.as_str().trim();
    let digits: String = number.chars().filter(char::is_ascii_alphanumeric).collect();
    if !isbn::is_valid(&digits) {
        return None;
    }
    let whole = found.get(2)?.end() == value.len();
    (labelled || whole).then(|| number.to_owned())
}

/// The handle that a value is, without resolver: `1721.1/152939`.
pub(super) fn handle(value: &str) -> Option<&str> {
    let value = value.trim();
    let rest = value
        .strip_prefix("hdl:")
        .or_else(|| value.strip_prefix("info:hdl/"))
        .or_else(|| after_host(value, "hdl.handle.net"))?;
    let (prefix, suffix) = rest.split_once('/')?;
    let valid = !suffix.is_empty()
        && prefix.starts_with(|c: char| c.is_ascii_digit())
        && !rest.contains(char::is_whitespace);
    valid.then_some(rest)
}

/// What follows the host in an address of it.
fn after_host<'a>(value: &'a str, host: &str) -> Option<&'a str> {
    let bare = value
        .strip_prefix("https://")
        .or_else(|| value.strip_prefix("http://"))?;
    bare.strip_prefix(host)?.strip_prefix('/')
}

static URN: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)(?:^|[=/])(urn:(?:nbn|uuid|lsid):[^\s?#]+|urn-3:[^\s?#]+)$"));

/// The URN that a value is, or that the address of a resolver ends with.
pub(super) fn urn(value: &str) -> Option<&str> {
    URN.captures(value.trim())?.get(1).map(|text| text.as_str())
}

static ARK: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)(?:^|/)(ark:/?\d{5,9}/[^\s?#]+)"));

/// The ARK that a value is, or that an address has in its path.
pub(super) fn ark(value: &str) -> Option<&str> {
    ARK.captures(value.trim())?.get(1).map(|text| text.as_str())
}

static PMID: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:pmid\s*:?\s*|pubmed\s*:\s*|info:pmid/|info:eu-repo/semantics/altidentifier/pmid/|(?:https?://(?:www\.ncbi\.nlm\.nih\.gov|pubmed\.ncbi\.nlm\.nih\.gov))?(?:/pubmed)?/)(\d{4,9})/?$",
    )
});

static PMCID: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:pmcid\s*:?\s*|(?:https?://www\.ncbi\.nlm\.nih\.gov|https?://pmc\.ncbi\.nlm\.nih\.gov)?(?:/pmc)?/articles/)?(PMC\d{4,9})/?$",
    )
});

static ARXIV: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:arxiv\s*:\s*|https?://arxiv\.org/abs/|info:arxiv/|info:eu-repo/semantics/altidentifier/arxiv/)(\d{4}\.\d{4,5}|[a-z\-.]+/\d{7})(?:v\d+)?$",
    )
});

/// PubMed's number.
pub(super) fn pmid(value: &str) -> Option<&str> {
    PMID.captures(value)?.get(1).map(|text| text.as_str())
}

/// PubMed Central's number, with its letters.
pub(super) fn pmcid(value: &str) -> Option<&str> {
    PMCID.captures(value)?.get(1).map(|text| text.as_str())
}

/// The identifier of arXiv, without version.
pub(super) fn arxiv(value: &str) -> Option<&str> {
    ARXIV.captures(value)?.get(1).map(|text| text.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_encoded_dois() {
        for (value, want) in [
            ("https://doi.org/10.1000%2F182", Some("10.1000/182")),
            (
                "http://dx.doi.org/10.1000%2f182%281%29",
                Some("10.1000/182(1)"),
            ),
            ("https://doi.org/10.1000/182", None),
            ("https://example.org/?doi=10.1000%2F182", None),
        ] {
            assert_eq!(encoded_doi(value).as_deref(), want, "{value}");
        }
    }

    #[test]
    fn finds_the_doi_in_every_spelling() {
        let cases = [
            (
                "10.1103/PhysRevD.83.112004",
                Some("10.1103/PhysRevD.83.112004"),
            ),
            ("doi:10.5880/GFZ.5", Some("10.5880/GFZ.5")),
            ("DOI : 10.1103/x", Some("10.1103/x")),
            ("DOI: 10.1038/ncomms6578", Some("10.1038/ncomms6578")),
            ("doi 10.1/x", Some("10.1/x")),
            ("urn:doi:10.1/x", Some("10.1/x")),
            ("info:doi/10.1/x", Some("10.1/x")),
            ("http://dx.doi.org/10.1/x", Some("10.1/x")),
            ("https://www.doi.org/10.1/x.", Some("10.1/x")),
            ("https://doi.org/doi:10.1/x", Some("10.1/x")),
            (
                "10.1016/S0008-6363(96)00240-4",
                Some("10.1016/S0008-6363(96)00240-4"),
            ),
            ("10.1.1.45/x", None),
            ("10.1/x and more", None),
            ("http://publisher.org/10.1/x", None),
            ("https://doi.org/", None),
            ("10.15", None),
        ];
        for (text, expected) in cases {
            assert_eq!(doi(text), expected, "{text}");
        }
    }

    #[test]
    fn finds_the_doi_in_prose() {
        let cases = [
            (
                "PLoS ONE 2015. doi: 10.1371/journal.pone.0131202",
                Some("10.1371/journal.pone.0131202"),
            ),
            (
                "634-45. doi: 10.1101/gad.1989311. <a href=\"x\">",
                Some("10.1101/gad.1989311"),
            ),
            ("(http://dx.doi.org/10.1016/x(96)1)", Some("10.1016/x(96)1")),
            (
                "DOI: 10.1136/bmj.e921 <http://dx.doi.org/10.1136/bmj.e921>",
                Some("10.1136/bmj.e921"),
            ),
            ("version 10.1136/bmj.e921", None),
        ];
        for (text, expected) in cases {
            assert_eq!(doi_in_prose(text), expected, "{text}");
        }
    }

    #[test]
    fn finds_issns() {
        let text = |text: &str| Some(text.to_owned());
        let cases = [
            ("1932-6203", false, text("1932-6203"), None),
            ("ISSN: 1539-3755", false, text("1539-3755"), None),
            (
                "EISSN: 1550-2376",
                false,
                text("1550-2376"),
                Some(Medium::Electronic),
            ),
            (
                "P-ISSN 1932-6203",
                false,
                text("1932-6203"),
                Some(Medium::Print),
            ),
            (
                "1932-6203 (Online)",
                false,
                text("1932-6203"),
                Some(Medium::Electronic),
            ),
            ("urn:ISSN:1932-6203", false, text("1932-6203"), None),
            (
                "info:eu-repo/semantics/altIdentifier/issn/1932-6203",
                false,
                text("1932-6203"),
                None,
            ),
            ("1932 6203", false, text("1932-6203"), None),
            ("19326203", false, None, None),
            ("19326203", true, text("1932-6203"), None),
            ("1932-6204", false, None, None),
            ("1994-2004", false, None, None),
            ("12 107-113", false, None, None),
            ("2015-01-31", false, None, None),
        ];
        for (value, labelled, expected, medium) in cases {
            let found = issn(value, labelled);
            assert_eq!(
                found.as_ref().map(|(text, _)| text.clone()),
                expected,
                "{value}"
            );
            assert_eq!(found.and_then(|(_, medium)| medium), medium, "{value}");
        }
        assert_eq!(
            issns_in_prose("Ciencia UANL, 5 (4). ISSN 1405-9177, e-ISSN 1932-6203"),
            [
                ("1405-9177".to_owned(), None),
                ("1932-6203".to_owned(), Some(Medium::Electronic))
            ]
        );
    }

    #[test]
    fn finds_isbns() {
        let cases = [
            ("978-1-57735-463-5", false, Some("978-1-57735-463-5")),
            ("90-9014980-5", false, Some("90-9014980-5")),
            ("ISBN: 9789462365667", false, Some("9789462365667")),
            ("ISBN 90-407-2370-2", false, Some("90-407-2370-2")),
            ("urn:isbn:91-85019-98-4", false, Some("91-85019-98-4")),
            ("ISBN:3-86611-038-3", false, Some("3-86611-038-3")),
            (
                "ISBN-13: 978-1-57735-463-5 (pbk.)",
                false,
                Some("978-1-57735-463-5"),
            ),
            ("978-1-57735-463-6", false, None),
            ("372029159", false, None),
            ("1234567890", false, None),
            ("5672054", true, None),
        ];
        for (value, labelled, expected) in cases {
            assert_eq!(isbn(value, labelled).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn finds_others() {
        assert_eq!(handle("http://hdl.handle.net/1721.1/1"), Some("1721.1/1"));
        assert_eq!(handle("hdl:10864/10952"), Some("10864/10952"));
        assert_eq!(handle("http://x.org/handle/1/2"), None);
        assert_eq!(urn("urn:nbn:de:bsz:14-1"), Some("urn:nbn:de:bsz:14-1"));
        assert_eq!(
            urn("http://urn.kb.se/resolve?urn=urn:nbn:se:kau:diva-2500"),
            Some("urn:nbn:se:kau:diva-2500")
        );
        assert_eq!(urn("urn:isbn:91-85019-98-4"), None);
        assert_eq!(
            ark("https://x.org/ark:/67531/meta1/"),
            Some("ark:/67531/meta1/")
        );
        assert_eq!(pmid("PMID: 26740694"), Some("26740694"));
        assert_eq!(pmid("/pubmed/24806729"), Some("24806729"));
        assert_eq!(pmcid("/pmc/articles/PMC4131942/"), Some("PMC4131942"));
        assert_eq!(arxiv("ARXIV : 1303.0980"), Some("1303.0980"));
        assert_eq!(
            arxiv("http://arxiv.org/abs/math/0112017v2"),
            Some("math/0112017")
        );
    }
}
