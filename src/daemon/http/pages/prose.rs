//! Texts of repositories for reading: abstracts as paragraphs without markup, words of a search marked. Pure.

use crate::dedup::text::{fold, unmark};

/// What parts paragraphs in HTML and JATS.
const ENDS: [&str; 21] = [
    "</p>",
    "</P>",
    "</jats:p>",
    "</title>",
    "</jats:title>",
    "<br>",
    "<br/>",
    "<br />",
    "\n\n",
    "<h1>",
    "</h1>",
    "<h2>",
    "</h2>",
    "<h3>",
    "</h3>",
    "<h4>",
    "</h4>",
    "<h5>",
    "</h5>",
    "<h6>",
    "</h6>",
];

/// The paragraphs of a text that may have markup or escaped markup. Tags are dropped and entities resolved.
pub(super) fn paragraphs(raw: &str) -> Vec<String> {
    let mut text = raw.to_owned();
    // Escaped markup is resolved by `unmark`, but then it cannot tell paragraphs any more.
    if !raw.contains('<') && raw.contains("&lt;") {
        text = text.replace("&lt;", "<").replace("&gt;", ">");
    }
    for end in ENDS {
        text = text.replace(end, "\u{2029}");
    }
    let parts = text.split('\u{2029}').map(|part| {
        let plain = unmark(part);
        plain.split_whitespace().collect::<Vec<_>>().join(" ")
    });
    parts.filter(|part| !part.is_empty()).collect()
}

/// The pieces of a text, and whether each is a word of the query. The last word of the query may be the
/// beginning of a word.
pub(super) fn marked<'a>(text: &'a str, query: &str) -> Vec<(bool, &'a str)> {
    let folded = fold(query);
    let words: Vec<&str> = folded.split(' ').filter(|word| !word.is_empty()).collect();
    let is_wanted = |piece: &str| {
        let piece = fold(piece);
        let begins = |word: &&str| word.chars().count() >= 4 && piece.starts_with(*word);
        !piece.is_empty() && (words.contains(&piece.as_str()) || words.last().is_some_and(begins))
    };
    let mut pieces: Vec<(bool, &str)> = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let in_word = first.is_alphanumeric();
        let end = rest
            .find(|c: char| c.is_alphanumeric() != in_word)
            .unwrap_or(rest.len());
        let (piece, tail) = rest.split_at(end);
        pieces.push((in_word && is_wanted(piece), piece));
        rest = tail;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abstracts_are_paragraphs_without_markup() {
        let cases: [(&str, &[&str]); 7] = [
            ("Plain text.", &["Plain text."]),
            (
                "<p>One &amp; <i>two</i>.</p>\n<p>Three</p>",
                &["One & two.", "Three"],
            ),
            (
                "<jats:title>Aims</jats:title><jats:p>H<sub>2</sub>O  is\nwet</jats:p>",
                &["Aims", "H2O is wet"],
            ),
            (
                "&lt;p&gt;Escaped&lt;/p&gt;&lt;p&gt;twice&lt;/p&gt;",
                &["Escaped", "twice"],
            ),
            (
                "&lt;h4&gt;Aims&lt;/h4&gt;One.&lt;h4&gt;Methods&lt;/h4&gt;Two, p &lt; 0.1",
                &["Aims", "One.", "Methods", "Two, p < 0.1"],
            ),
            ("a < b and c > d", &["a < b and c > d"]),
            (" ", &[]),
        ];
        for (raw, expected) in cases {
            assert_eq!(paragraphs(raw), expected, "{raw}");
        }
    }

    #[test]
    fn words_of_the_query_are_marked() {
        let marks = |text: &str, query: &str| -> Vec<String> {
            let pieces = marked(text, query);
            let whole: String = pieces.iter().map(|(_, piece)| *piece).collect();
            assert_eq!(whole, text);
            let words = pieces.into_iter().filter(|(is_marked, _)| *is_marked);
            words.map(|(_, piece)| piece.to_owned()).collect()
        };
        assert_eq!(
            marks("Light & Heat: a study", "heat light"),
            ["Light", "Heat"]
        );
        assert_eq!(marks("Étude préliminaire", "etude"), ["Étude"]);
        assert_eq!(marks("Heating and heat", "a heat"), ["Heating", "heat"]);
        assert_eq!(marks("Heating", "hea"), Vec::<String>::new());
        assert_eq!(marks("", "heat"), Vec::<String>::new());
    }
}
