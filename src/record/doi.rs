//! Finds the DOI in a text.

/// The prefixes that are written before a DOI, in any number and order.
const PREFIXES: [&str; 11] = [
    "https://",
    "http://",
    "www.",
    "dx.doi.org/",
    "doi.org/",
    "hdl.handle.net/",
    "info:doi/",
    "info:hdl/",
    "urn:doi:",
    "doi:",
    "doi ",
];

/// The DOI in `text`, in lower case and without resolver or scheme: `10.prefix/suffix`.
///
/// A blank ends it. Full stop, comma and semicolon at its end do not belong to it. `None` for the
/// placeholders of repositories: `undefined`, `-`, `0`, a resolver's bare address.
///
/// Source: DOAJ's test for duplicates; DOI Handbook, 2.2 (DOIs are case-insensitive).
pub fn normalise(text: &str) -> Option<String> {
    let lower = text.trim().to_lowercase();
    let mut rest = lower.as_str();
    while let Some(stripped) = PREFIXES.iter().find_map(|prefix| rest.strip_prefix(prefix)) {
        rest = stripped.trim_start();
    }
    let doi = rest
        .split_whitespace()
        .next()?
        .trim_end_matches(['.', ',', ';']);
    let (prefix, suffix) = doi.strip_prefix("10.")?.split_once('/')?;
    (!prefix.is_empty() && !suffix.is_empty()).then(|| doi.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_doi() {
        let cases = [
            (
                "bare",
                "10.1371/journal.pone.0141122",
                Some("10.1371/journal.pone.0141122"),
            ),
            (
                "case",
                "10.1016/S0008-6363(96)00240-4",
                Some("10.1016/s0008-6363(96)00240-4"),
            ),
            ("padded", " \n10.1/x ", Some("10.1/x")),
            ("resolver", "https://doi.org/10.1/x", Some("10.1/x")),
            ("old resolver", "http://dx.doi.org/10.1/x", Some("10.1/x")),
            ("resolver without scheme", "doi.org/10.1/x", Some("10.1/x")),
            (
                "resolver with www",
                "http://www.doi.org/10.1/x",
                Some("10.1/x"),
            ),
            ("handle", "http://hdl.handle.net/10.1/x", Some("10.1/x")),
            ("scheme", "DOI:10.1/x", Some("10.1/x")),
            ("scheme and blank", "doi: 10.1/x", Some("10.1/x")),
            ("info", "info:doi/10.1/x", Some("10.1/x")),
            (
                "twice",
                "https://doi.org/https://doi.org/10.1/x",
                Some("10.1/x"),
            ),
            ("mixed", "https://doi.org/doi:10.1/x", Some("10.1/x")),
            ("cut at a blank", "10.1/x y", Some("10.1/x")),
            ("full stop", "10.1/x.", Some("10.1/x")),
            ("sub-directory", "10.1/a/b", Some("10.1/a/b")),
            ("undefined", "undefined", None),
            ("dash", "-", None),
            ("zero", "0", None),
            ("None", "None", None),
            ("bare resolver", "https://doi.org/", None),
            ("no suffix", "10.1234/", None),
            ("no prefix", "10./x", None),
            ("another handle", "hdl.handle.net/2027/x", None),
            ("empty", "", None),
        ];
        for (case, text, expected) in cases {
            assert_eq!(normalise(text).as_deref(), expected, "{case}");
        }
    }
}
