//! Reads licences and statements of rights.

use std::sync::LazyLock;

use regex::Regex;

use super::statements::Statement;
use crate::record::resource::Rights;

static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"https?://[^\s<>"'⟨⟩〈〉]+"#).expect("the pattern of this file is valid")
});

/// Addresses that say who may see a resource, not what one may do with it.
const ACCESS: [&str; 5] = [
    "purl.org/coar/access_right",
    "purl.org/eprint/accessrights",
    "info:eu-repo/semantics",
    "doi.org/",
    "sherpa.ac.uk/",
];

/// The rights of a record in document order; licences of Creative Commons and statements of
/// rightsstatements.org come first.
///
/// An address by itself has no text. An address in prose or HTML is taken out of it, and the text
/// stays. `None` and a blank value are no rights.
pub(super) fn rights(statements: &[&Statement]) -> Vec<Rights> {
    let mut all: Vec<Rights> = Vec::new();
    for statement in statements {
        let text = statement.text.trim();
        if matches!(text.to_lowercase().as_str(), "none" | "n/a" | "-") {
            continue;
        }
        let url = address(text);
        let is_address = url.as_deref() == Some(text);
        let rights = Rights {
            text: (!is_address).then(|| text.to_owned()),
            url,
        };
        if !all.contains(&rights) {
            all.push(rights);
        }
    }
    all.sort_by_key(|rights| !rights.url.as_deref().is_some_and(is_licence));
    all
}

fn address(text: &str) -> Option<String> {
    let found: Vec<&str> = ADDRESS
        .find_iter(text)
        .map(|found| found.as_str().trim_end_matches(['.', ',', ';', ')', ':']))
        .filter(|url| {
            let lower = url.to_lowercase();
            !ACCESS.iter().any(|access| lower.contains(access))
        })
        .collect();
    let licence = found.iter().find(|url| is_licence(url));
    licence.or(found.first()).map(|url| (*url).to_owned())
}

fn is_licence(url: &str) -> bool {
    let lower = url.to_lowercase();
    lower.contains("creativecommons.org/") || lower.contains("rightsstatements.org/")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts and addresses.
    type Read<'a> = &'a [(Option<&'a str>, Option<&'a str>)];

    #[test]
    fn reads_rights() {
        let cases: [(&str, &[&str], Read<'_>); 5] = [
            ("text", &["CC BY"], &[(Some("CC BY"), None)]),
            (
                "licence first",
                &[
                    "http://x.org/rights.htm",
                    "http://creativecommons.org/licenses/by/4.0",
                ],
                &[
                    (None, Some("http://creativecommons.org/licenses/by/4.0")),
                    (None, Some("http://x.org/rights.htm")),
                ],
            ),
            (
                "prose",
                &["Under a <a href=\"http://creativecommons.org/licenses/by/3.0/\">licence</a>."],
                &[(
                    Some(
                        "Under a <a href=\"http://creativecommons.org/licenses/by/3.0/\">licence</a>.",
                    ),
                    Some("http://creativecommons.org/licenses/by/3.0/"),
                )],
            ),
            (
                "access",
                &[
                    "http://purl.org/coar/access_right/c_abf2",
                    "info:eu-repo/semantics/openAccess",
                ],
                &[
                    (Some("http://purl.org/coar/access_right/c_abf2"), None),
                    (Some("info:eu-repo/semantics/openAccess"), None),
                ],
            ),
            ("nothing", &["None"], &[]),
        ];
        for (case, texts, expected) in cases {
            let statements: Vec<Statement> = texts
                .iter()
                .map(|text| Statement {
                    text: (*text).to_owned(),
                    ..Statement::default()
                })
                .collect();
            let found = rights(&statements.iter().collect::<Vec<_>>());
            let found: Vec<_> = found
                .iter()
                .map(|rights| (rights.text.as_deref(), rights.url.as_deref()))
                .collect();
            assert_eq!(found, expected, "{case}");
        }
    }
}
