//! The DOIs of a record: reads them, tells those of copies, and compares them.

use percent_encoding::percent_decode_str;

use super::compare::Agreement;
use crate::record::doi;

/// DOIs that are kept of one record.
pub const DOIS: usize = 4;

/// Prefixes of repositories and preprint servers, which give each copy and each version of a work a
/// DOI of its own.
///
/// Source: the registries of Crossref and DataCite.
const COPIES: [&str; 32] = [
    "10.5281",  // Zenodo
    "10.48550", // arXiv
    "10.6084",  // figshare
    "10.25384", // figshare of SAGE
    "10.31219", // OSF Preprints
    "10.17605", // OSF
    "10.31234", // PsyArXiv
    "10.31235", // SocArXiv
    "10.31222", // MetaArXiv
    "10.31223", // EarthArXiv
    "10.31730", // AfricArXiv
    "10.32942", // EcoEvoRxiv
    "10.21203", // Research Square
    "10.20944", // Preprints.org
    "10.26434", // ChemRxiv
    "10.36227", // TechRxiv
    "10.22541", // Authorea
    "10.7287",  // PeerJ Preprints
    "10.2139",  // SSRN
    "10.13140", // ResearchGate
    "10.1590/scielopreprints",
    "10.17863", // Cambridge
    "10.3929",  // ETH Zurich
    "10.5167",  // University of Zurich
    "10.7892",  // University of Bern
    "10.5451",  // University of Basel
    "10.13097", // University of Geneva
    "10.18154", // RWTH Aachen
    "10.5445",  // KIT
    "10.18452", // Humboldt University
    "10.17169", // Free University of Berlin
    "10.23668", // PsychArchives
];

/// Prefixes of servers that hold preprints and nothing else.
const PREPRINTS: [&str; 17] = [
    "10.48550",
    "10.31219",
    "10.31234",
    "10.31235",
    "10.31222",
    "10.31223",
    "10.31730",
    "10.32942",
    "10.21203",
    "10.20944",
    "10.26434",
    "10.36227",
    "10.22541",
    "10.7287",
    "10.2139",
    "10.1590/scielopreprints",
    "10.1101/2",
];

/// The DOI in a text that may have it percent-encoded, as resolver addresses do, or with two
/// slashes.
pub(crate) fn read(raw: &str) -> Option<Box<str>> {
    let decoded = percent_decode_str(raw).decode_utf8_lossy();
    let found = doi::normalise(&decoded)?;
    match found.split_once('/') {
        Some((prefix, suffix)) if suffix.starts_with('/') => {
            let suffix = suffix.trim_start_matches('/');
            (!suffix.is_empty()).then(|| format!("{prefix}/{suffix}").into())
        }
        _ => Some(found.into()),
    }
}

/// The DOIs in these texts, those of journals first, at most [`DOIS`].
pub(super) fn read_all<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<Box<str>> {
    let mut found: Vec<Box<str>> = Vec::new();
    for doi in texts.into_iter().filter_map(read) {
        if !found.contains(&doi) {
            found.push(doi);
        }
    }
    found.sort_by_key(|doi| is_of_copy(doi));
    found.truncate(DOIS);
    found
}

/// Whether a DOI is that of a copy or a version, not that of the published work.
pub(super) fn is_of_copy(doi: &str) -> bool {
    // bioRxiv and medRxiv share their prefix with journals; their suffixes begin with a date.
    has_prefix(doi, &COPIES) || doi.starts_with("10.1101/2") || doi.starts_with("10.1101/0")
}

/// Whether a DOI is that of a preprint.
pub(super) fn is_of_preprint(doi: &str) -> bool {
    has_prefix(doi, &PREPRINTS)
}

fn has_prefix(doi: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| {
        let rest = doi.strip_prefix(prefix);
        rest.is_some_and(|rest| prefix.contains('/') || rest.starts_with('/'))
    })
}

/// `Same` if the records share one, `Near` if one is cut off in the other. DOIs that are all those
/// of copies conflict with none.
pub(super) fn compare(a: &[Box<str>], b: &[Box<str>]) -> Agreement {
    if a.is_empty() || b.is_empty() {
        return Agreement::Missing;
    }
    if a.iter().any(|doi| b.contains(doi)) {
        return Agreement::Same;
    }
    if a.iter().any(|x| b.iter().any(|y| cut(x, y) || cut(y, x))) {
        return Agreement::Near;
    }
    let published = |dois: &[Box<str>]| dois.iter().any(|doi| !is_of_copy(doi));
    match published(a) && published(b) {
        true => Agreement::Conflict,
        false => Agreement::Missing,
    }
}

/// Whether `short` is a DOI that was cut off.
///
/// A suffix of some length is left in it, or half of all publishers would be near. A number that
/// goes on is another number: `10.6/jvs.9.1` is not `10.6/jvs.9.11`.
fn cut(long: &str, short: &str) -> bool {
    let suffix = short.split_once('/').map_or(0, |(_, suffix)| suffix.len());
    let Some(rest) = long.strip_prefix(short) else {
        return false;
    };
    let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    let goes_on = digit(short.chars().next_back()) && digit(rest.chars().next());
    suffix >= 6 && !goes_on
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_dois() {
        for (raw, want) in [
            (
                "https://doi.org/10.1016/S0008-6363%2896%2900240-4",
                Some("10.1016/s0008-6363(96)00240-4"),
            ),
            ("10.1000//182", Some("10.1000/182")),
            ("10.1000//", None),
            ("none", None),
        ] {
            assert_eq!(read(raw).as_deref(), want, "{raw}");
        }
        let all = read_all(["10.5281/zenodo.55001", "x", "10.6/jvs.9.1", "10.6/JVS.9.1"]);
        assert_eq!(
            all,
            [Box::from("10.6/jvs.9.1"), Box::from("10.5281/zenodo.55001")]
        );
    }

    #[test]
    fn compares_dois() {
        for (a, b, want) in [
            ("10.6/abc", "10.6/abc", Agreement::Same),
            ("10.6/abc", "10.6/abd", Agreement::Conflict),
            ("10.6/jvs.9.1", "10.6/jvs.9.11", Agreement::Conflict),
            (
                "10.1016/s0008-6363(96",
                "10.1016/s0008-6363(96)00240-4",
                Agreement::Near,
            ),
            ("10.1590/s0080-1", "10.1590/s0080-1-pt", Agreement::Near),
            ("10.6/a", "10.6/ab", Agreement::Conflict),
            ("10.6/abc", "10.5281/zenodo.1", Agreement::Missing),
            ("10.5281/zenodo.2", "10.5281/zenodo.1", Agreement::Missing),
            (
                "10.1101/2020.01.02.123",
                "10.1101/gr.123",
                Agreement::Missing,
            ),
            ("10.1101/gr.124", "10.1101/gr.123", Agreement::Conflict),
        ] {
            let (x, y) = ([Box::from(a)], [Box::from(b)]);
            assert_eq!(compare(&x, &y), want, "{a} {b}");
            assert_eq!(compare(&y, &x), want, "{b} {a}");
        }
        assert_eq!(compare(&[], &["10.6/abc".into()]), Agreement::Missing);
    }
}
