//! Values that several formats write alike: identifiers by scheme, languages, names, pages.

use crate::record::resource::{IdentifierKind, Language, Link, LinkPurpose, Resource};
use crate::record::{doi, isbn, language};

/// Adds an identifier of the resource, of the scheme that the source names.
///
/// `scheme` is in any case and spelling (`DOI`, `hdl`, `URN:NBN`). An unknown or missing scheme lets
/// the text decide. A text that cannot be of the scheme is kept as an identifier of no scheme.
pub(super) fn identify(resource: &mut Resource, scheme: Option<&str>, text: &str) {
    let text = text.trim();
    if text.is_empty() {
        return;
    }
    let kind = kind_of(scheme, text);
    if kind == IdentifierKind::Isbn && isbn(text).is_none() {
        resource.flag(format!("{text:?} is no ISBN"));
        return;
    }
    resource.identify(kind, text);
}

/// The scheme of an identifier.
pub(super) fn kind_of(scheme: Option<&str>, text: &str) -> IdentifierKind {
    let scheme = scheme.unwrap_or_default().to_ascii_lowercase();
    let bare = scheme
        .trim_start_matches("info:eu-repo/semantics/")
        .replace([' ', '-', '_'], "");
    match bare.as_str() {
        "doi" if doi::normalise(text).is_some() => IdentifierKind::Doi,
        "doi" => IdentifierKind::Other,
        "handle" | "hdl" if doi::normalise(text).is_none() => IdentifierKind::Handle,
        "urn" | "nbn" | "urn:nbn" | "urnnbn" if text.to_ascii_lowercase().contains("urn:") => {
            IdentifierKind::Urn
        }
        "isbn" | "pisbn" | "eisbn" => IdentifierKind::Isbn,
        "ark" => IdentifierKind::Ark,
        "pmid" | "pubmed" => IdentifierKind::Pmid,
        "pmcid" | "pmc" | "pubmedcentral" => IdentifierKind::Pmcid,
        "arxiv" => IdentifierKind::Arxiv,
        "publisherid" => IdentifierKind::Publisher,
        "reportnumber" | "report" | "patent" | "stocknumber" | "musicpublisher"
        | "matrixnumber" => IdentifierKind::Number,
        _ => by_text(text),
    }
}

/// The scheme that a text shows by itself.
fn by_text(text: &str) -> IdentifierKind {
    let lower = text.to_ascii_lowercase();
    let bare = bare_url(&lower);
    if doi::normalise(text).is_some() {
        IdentifierKind::Doi
    } else if lower.starts_with("hdl:")
        || lower.starts_with("info:hdl/")
        || bare.starts_with("hdl.handle.net/")
    {
        IdentifierKind::Handle
    } else if lower.starts_with("urn:isbn:")
        || (lower.starts_with("97") && lower.len() >= 13 && isbn(text).is_some())
    {
        IdentifierKind::Isbn
    } else if lower.starts_with("urn:nbn:") || bare.contains("/urn:nbn:") || bare.contains("?urn=")
    {
        IdentifierKind::Urn
    } else if lower.starts_with("ark:/") || bare.contains("/ark:/") {
        IdentifierKind::Ark
    } else if lower.starts_with("arxiv:") || bare.starts_with("arxiv.org/abs/") {
        IdentifierKind::Arxiv
    } else {
        IdentifierKind::Other
    }
}

/// Without `http://` or `https://` before it.
fn bare_url(text: &str) -> &str {
    text.strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .unwrap_or(text)
}

/// Adds the address that a DOI or handle leads to, if the resource has no link.
pub(super) fn link_by_identifier(resource: &mut Resource) {
    if !resource.links.is_empty() {
        return;
    }
    let doi = resource.doi().and_then(doi::normalise);
    let url = match doi {
        Some(doi) => Some(format!("https://doi.org/{doi}")),
        None => resource
            .identifiers_of(IdentifierKind::Handle)
            .next()
            .map(|handle| match is_url(handle) {
                true => handle.to_owned(),
                false => {
                    let bare = handle
                        .trim_start_matches("info:hdl/")
                        .trim_start_matches("hdl:");
                    format!("https://hdl.handle.net/{bare}")
                }
            }),
    };
    if let Some(url) = url {
        resource.links.push(Link {
            url,
            purpose: LinkPurpose::Landing,
            format: None,
        });
    }
}

/// Whether a text is one URL and nothing else.
pub(super) fn is_url(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let scheme = ["http://", "https://", "ftp://"];
    scheme
        .iter()
        .any(|scheme| lower.len() > scheme.len() && lower.starts_with(scheme))
        && !text.contains(char::is_whitespace)
}

/// The ISBN in a text, with its hyphens, if its check digit is right. What follows a blank, such
/// as `(pbk.)`, does not belong to it.
///
/// Source: ISO 2108: weights 10 to 1 modulus 11, weights 1 and 3 modulus 10.
pub(super) fn isbn(text: &str) -> Option<String> {
    let text = text.trim();
    let lower = text.to_ascii_lowercase();
    let mut start = 0;
    for prefix in ["urn:isbn:", "isbn-13", "isbn-10", "isbn", ":", " "] {
        if lower[start..].starts_with(prefix) {
            start += prefix.len();
        }
    }
    let mut digits = String::new();
    let mut end = start;
    for (at, c) in text[start..].char_indices() {
        match c {
            '0'..='9' => digits.push(c),
            'x' | 'X' if digits.len() == 9 => digits.push(c),
            '-' | '\u{2010}'..='\u{2013}' => continue,
            ' ' if digits.len() < 10 || text[start..].starts_with("97") && digits.len() < 13 => {
                continue;
            }
            _ => break,
        }
        end = start + at + c.len_utf8();
    }
    isbn::is_valid(&digits).then(|| text[start..end].trim().to_owned())
}

/// Whether a text stands for a value that there is not.
///
/// Source: DataCite, standard values for unknown information; EZID's reserved codes.
pub(super) fn is_placeholder(text: &str) -> bool {
    let bare = text.trim().trim_matches(['(', ')']);
    matches!(
        bare.to_ascii_lowercase().as_str(),
        ":unac"
            | ":unal"
            | ":unap"
            | ":unas"
            | ":unav"
            | ":unkn"
            | ":none"
            | ":null"
            | ":tba"
            | ":etal"
            | ":at"
            | "n/a"
            | "not available"
            | "not applicable"
            | "none"
            | "null"
            | "unknown"
            | "-"
            | "undefined"
    )
}

/// Without the punctuation of ISBD at its end: blank, slash, colon, semicolon, equals sign, comma.
pub(super) fn without_isbd(text: &str) -> &str {
    let trimmed = text.trim_end_matches([' ', '/', ':', ';', '=', ',']);
    // `C++ /` keeps its plus signs, `and/or` its slash.
    trimmed.trim()
}

/// As [`without_isbd`], and without a full stop that ends a phrase rather than an abbreviation.
pub(super) fn without_stop(text: &str) -> &str {
    let text = without_isbd(text);
    let Some(bare) = text.strip_suffix('.') else {
        return text;
    };
    let last = bare
        .rsplit(|c: char| c.is_whitespace() || c == '-' || c == '.')
        .next()
        .unwrap_or("");
    let letters = last.chars().count();
    match bare.ends_with('.') || (letters < 4 && !bare.ends_with([')', ']']) && !is_number(last)) {
        true => text,
        false => bare.trim_end(),
    }
}

pub(super) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Without square brackets that enclose all of it, which mean that the cataloguer supplied it.
pub(super) fn without_brackets(text: &str) -> &str {
    let inner = text
        .strip_prefix('[')
        .and_then(|inner| inner.strip_suffix(']'));
    match inner {
        Some(inner) if !inner.contains(['[', ']']) => inner.trim(),
        _ => text,
    }
}

/// A place or a name; `None` if the cataloguer says that there is none.
pub(super) fn known(text: &str) -> Option<String> {
    let text = without_brackets(without_stop(text));
    let lower = text.to_lowercase();
    let bare = lower.trim_matches(['[', ']', '(', ')', ' ']);
    let unknown = ["s.l", "s. l", "s.n", "s. n", "sine loco", "sine nomine"]
        .iter()
        .any(|sign| bare == *sign || bare.strip_suffix('.') == Some(sign))
        || bare.ends_with("not identified")
        || bare.ends_with("nicht ermittelbar")
        || bare.contains("není známo");
    (!unknown && !text.is_empty()).then(|| text.trim_matches(['[', ']']).to_owned())
}

/// A language as the source writes it, with its codes.
pub(super) fn language_of(text: &str) -> Language {
    let text = text.trim();
    // `en-US`, `pt_BR`.
    let main = text.split(['-', '_']).next().unwrap_or(text);
    let code = language::marc_code(text).or_else(|| match main.len() {
        2 | 3 => language::marc_code(main),
        _ => None,
    });
    Language {
        text: text.to_owned(),
        code: code.map(str::to_owned),
        iso639_3: code.and_then(language::iso639_3).map(str::to_owned),
    }
}

/// Whether a code says that there is no one language: undetermined, none, several.
pub(super) fn is_no_language(code: &str) -> bool {
    matches!(
        code.trim().to_ascii_lowercase().as_str(),
        "" | "und" | "zxx" | "mul" | "mis" | "qaa" | "n/a" | "unknown"
    )
}

/// Adds a language, once by its code.
pub(super) fn add_language(resource: &mut Resource, text: &str) {
    if is_no_language(text) {
        return;
    }
    let language = language_of(text);
    let known = resource.languages.iter().any(|known| {
        known.text == language.text || (known.code.is_some() && known.code == language.code)
    });
    if !known {
        resource.languages.push(language);
    }
}

/// Family and given names of `Family, Given`; `None` if the text has no one comma with text on
/// both sides.
pub(super) fn inverted(name: &str) -> Option<(String, String)> {
    let (family, given) = name.split_once(',')?;
    let (family, given) = (family.trim(), given.trim());
    (!family.is_empty() && !given.is_empty()).then(|| (family.to_owned(), given.to_owned()))
}

/// First and last page of a text such as `235-48`, `S. 12 – 20`, `e1024`.
///
/// A last page that leaves out the digits it shares with the first one gets them. `None` for a text
/// that is not pages.
pub(super) fn pages(text: &str) -> Option<(String, Option<String>)> {
    let text = text.trim().trim_end_matches(['.', ',', ';']).trim();
    let mut text = text;
    for label in [
        "pages", "page", "pp.", "pp", "p.", "seiten", "seite", "s.", "str.", "s", "p", "стр.",
        "с.", "sid.", "blz.", "pág.", "págs.", "pag.",
    ] {
        let lower = text.to_lowercase();
        if lower.starts_with(label) && lower.len() == text.len() {
            let rest = text[label.len()..].trim_start();
            if rest.starts_with(|c: char| c.is_ascii_digit())
                && (label.len() > 1 || rest.len() < text.len() - 1)
            {
                text = rest;
                break;
            }
        }
    }
    let dashes = [
        '-', '\u{2010}', '\u{2011}', '\u{2012}', '\u{2013}', '\u{2014}', '\u{2212}',
    ];
    let (first, last) = match text.split_once(dashes) {
        Some((first, last)) => (
            first.trim(),
            Some(last.trim_start_matches(dashes).trim()).filter(|last| !last.is_empty()),
        ),
        None => (text, None),
    };
    let page = |text: &str| {
        text.len() <= 20
            && !text.contains(char::is_whitespace)
            && (text.contains(|c: char| c.is_ascii_digit())
                || text.chars().all(|c| "ivxlcdmIVXLCDM".contains(c)))
    };
    if first.is_empty() || !page(first) || !last.is_none_or(page) {
        return None;
    }
    let last = last.map(|last| {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        match digits(first) && digits(last) && last.len() < first.len() {
            true => format!("{}{last}", &first[..first.len() - last.len()]),
            false => last.to_owned(),
        }
    });
    Some((first.to_owned(), last))
}

/// The one year of a text: four digits that stand alone, from 1000 to 2100; `None` if there are
/// several different ones or none.
pub(super) fn only_year(text: &str) -> Option<&str> {
    let mut years = text
        .split(|c: char| !c.is_ascii_digit())
        .filter(|digits| digits.len() == 4 && (1000..=2100).contains(&digits.parse().unwrap_or(0)));
    let year = years.next()?;
    years.all(|other| other == year).then_some(year)
}

/// The ORCID iD in a text, as `0000-0000-0000-0000`.
pub(super) fn orcid(text: &str) -> Option<&str> {
    let text = text.trim().trim_end_matches('/');
    let start = text.len().checked_sub(19)?;
    let id = text.get(start..)?;
    let form = id.bytes().enumerate().all(|(at, byte)| match at {
        4 | 9 | 14 => byte == b'-',
        18 => byte.is_ascii_digit() || byte == b'X',
        _ => byte.is_ascii_digit(),
    });
    form.then_some(id)
}

/// As [`orcid`]; a text that ends in no ORCID iD stays as it is.
pub(super) fn orcid_or_text(text: String) -> String {
    match orcid(&text) {
        Some(id) => id.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_schemes() {
        let cases = [
            (Some("DOI"), "10.1/x", IdentifierKind::Doi),
            (Some("DOI"), "pending", IdentifierKind::Other),
            (
                Some("Handle"),
                "https://doi.org/10.1/x",
                IdentifierKind::Doi,
            ),
            (Some("Handle"), "11858/00-1", IdentifierKind::Handle),
            (None, "hdl:11858/00-1", IdentifierKind::Handle),
            (
                None,
                "https://hdl.handle.net/2027/x",
                IdentifierKind::Handle,
            ),
            (Some("urn"), "urn:nbn:de:101:1-1", IdentifierKind::Urn),
            (Some("URN"), "https://example.org/1", IdentifierKind::Other),
            (None, "ark:/12148/x", IdentifierKind::Ark),
            (None, "arXiv:2206.07972", IdentifierKind::Arxiv),
            (Some("PMID"), "123", IdentifierKind::Pmid),
            (Some("URL"), "https://example.org/1", IdentifierKind::Other),
        ];
        for (scheme, text, expected) in cases {
            assert_eq!(kind_of(scheme, text), expected, "{scheme:?} {text}");
        }
    }

    #[test]
    fn finds_isbns() {
        let cases = [
            ("978-80-87576-48-9", Some("978-80-87576-48-9")),
            ("978-80-87576-48-9 (brož.)", Some("978-80-87576-48-9")),
            ("80-7201-341-X", None),
            ("0-306-40615-2", Some("0-306-40615-2")),
            ("080442957X (pbk.) : £5", Some("080442957X")),
            ("ISBN: 9783161484100", Some("9783161484100")),
            ("urn:isbn:9783161484100", Some("9783161484100")),
            ("978 3 16 148410 0", Some("978 3 16 148410 0")),
            ("9783161484101", None),
            ("2015", None),
            ("1932-6203", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(isbn(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn reads_pages() {
        let cases = [
            ("235-48", Some(("235", Some("248")))),
            ("S. 12 – 20", Some(("12", Some("20")))),
            ("pp. 1-4.", Some(("1", Some("4")))),
            ("e1024", Some(("e1024", None))),
            ("xii-xv", Some(("xii", Some("xv")))),
            ("S120-S130", Some(("S120", Some("S130")))),
            ("s91", Some(("s91", None))),
            ("99--101", Some(("99", Some("101")))),
            ("12-", Some(("12", None))),
            ("234 p. of text", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let pages = pages(text);
            let pages = pages
                .as_ref()
                .map(|(first, last)| (first.as_str(), last.as_deref()));
            assert_eq!(pages, expected, "{text}");
        }
    }

    #[test]
    fn reads_years_and_names() {
        assert_eq!(only_year("c2005."), Some("2005"));
        assert_eq!(only_year("1998 [i.e. 1989]"), None);
        assert_eq!(only_year("[19--?]"), None);
        assert_eq!(only_year("20150131"), None);
        assert_eq!(
            inverted("Doe, Jane"),
            Some(("Doe".to_owned(), "Jane".to_owned()))
        );
        assert_eq!(inverted("Plato"), None);
        assert_eq!(
            orcid("https://orcid.org/0000-0002-9333-897X"),
            Some("0000-0002-9333-897X")
        );
        assert_eq!(orcid("0000-0002-9333"), None);
        let kept = orcid_or_text("orcid.org/aaaa-0001".to_owned());
        assert_eq!(kept, "orcid.org/aaaa-0001");
    }

    #[test]
    fn reads_languages() {
        let cases = [
            ("en-US", Some("eng"), Some("eng")),
            ("ger", Some("ger"), Some("deu")),
            ("English", Some("eng"), Some("eng")),
            ("pt_BR", Some("por"), Some("por")),
            ("Klingonisch", None, None),
        ];
        for (text, code, iso639_3) in cases {
            let language = language_of(text);
            assert_eq!(language.code.as_deref(), code, "{text}");
            assert_eq!(language.iso639_3.as_deref(), iso639_3, "{text}");
        }
    }
}
