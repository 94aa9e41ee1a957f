//! The number of characters at the beginning of a title that do not count when titles are sorted.

/// Articles with which titles begin in Catalan, Danish, English, French, Galician, German, Hungarian,
/// Italian, Maltese, Norwegian, Portuguese, Spanish and Swedish. German "die" is left out, because
/// English titles begin with it too, and so is "en", which is often a preposition.
///
/// Source: the articles that MARC::Lint expects in 245.
const ARTICLES: [&str; 30] = [
    "a", "an", "das", "dem", "der", "ein", "eine", "einem", "einen", "einer", "eines", "el", "gl",
    "gli", "il", "l", "la", "las", "le", "les", "lo", "los", "os", "the", "um", "uma", "un", "una",
    "une", "uno",
];

/// Beginnings of titles that look like an article and are none.
///
/// Source: the exceptions of MARC::Lint.
const EXCEPTIONS: [&str; 22] = [
    "a & e",
    "a & ",
    "a-",
    "a+",
    "a is ",
    "a isn't ",
    "a l'",
    "a la ",
    "a posteriori",
    "a priori",
    "a to ",
    "el nino",
    "el salvador",
    "l is ",
    "l-",
    "la salle",
    "las vegas",
    "lo cual",
    "lo mein",
    "lo que",
    "los alamos",
    "los angeles",
];

/// The second indicator of 245 for a title: the characters of an article with which it begins, and of
/// what stands around it; 0 for none.
pub(super) fn nonfiling(title: &str) -> usize {
    let opening = ['"', '\'', '[', '(', '*'];
    let start = title.trim_start_matches(opening);
    let before = title.len() - start.len();
    let separators = [' ', '(', ')', '[', ']', '\'', '"', '-'];
    let Some((word, rest)) = start
        .find(separators)
        .map(|end| (&start[..end], &start[end + 1..]))
    else {
        return 0;
    };
    let word = word.to_lowercase();
    let lower = start.to_lowercase();
    if word.is_empty()
        || !ARTICLES.contains(&word.as_str())
        || EXCEPTIONS
            .iter()
            .any(|beginning| lower.starts_with(beginning))
    {
        return 0;
    }
    let count = before + word.chars().count() + 1;
    let after = match rest.starts_with(separators) {
        true => {
            let tail = rest.trim_start_matches([' ', '"', '\'', '[', ']', '(', ')', '*']);
            rest.len() - tail.len()
        }
        false => 0,
    };
    match count + after {
        count @ 1..=9 => count,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_is_not_sorted() {
        let cases = [
            ("The title.", 4),
            ("\"The title\".", 5),
            ("L'étude.", 2),
            ("L’étude.", 0),
            ("La \"cosa\".", 4),
            ("Das Herz.", 4),
            ("Die Katze.", 0),
            ("Los Angeles.", 0),
            ("A priori.", 0),
            ("Theory.", 0),
            ("En bok.", 0),
            ("The.", 0),
            ("", 0),
        ];
        for (title, expected) in cases {
            assert_eq!(nonfiling(title), expected, "{title}");
        }
    }
}
