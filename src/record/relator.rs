//! The relators of MARC: what a person or body had to do with a work.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Code and English name, one relator a line after a heading.
///
/// Source: MARC Code List for Relators.
const RELATORS: &str = include_str!("relators.tsv");

struct Relators {
    names: HashMap<&'static str, &'static str>,
    /// Letters and digits of a name in lower case, to the code.
    codes: HashMap<String, &'static str>,
}

static TABLE: LazyLock<Relators> = LazyLock::new(|| {
    let mut table = Relators {
        names: HashMap::new(),
        codes: HashMap::new(),
    };
    for (code, name) in RELATORS
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once('\t'))
    {
        table.names.insert(code, name);
        table.codes.insert(bare(name), code);
    }
    table
});

/// Letters and digits in lower case, with single blanks between words.
fn bare(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric());
    let words: Vec<String> = words
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    words.join(" ")
}

/// The English name of a code in lower case.
pub(crate) fn name(code: &str) -> Option<&'static str> {
    TABLE.names.get(code).copied()
}

/// The code that a code or an English name means, in any case and with any punctuation.
pub(crate) fn code(text: &str) -> Option<&'static str> {
    let bare = bare(text);
    match TABLE.names.get_key_value(bare.as_str()) {
        Some((code, _)) => Some(code),
        None => TABLE.codes.get(&bare).copied(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_codes_and_names() {
        let cases = [
            ("aut", Some("aut")),
            ("Author.", Some("aut")),
            ("AUT", Some("aut")),
            ("author of introduction, etc.,", Some("aui")),
            ("verf.", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(code(text), expected, "{text}");
        }
        assert_eq!(name("ill"), Some("Illustrator"));
    }
}
