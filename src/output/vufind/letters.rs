//! The letters of other scripts that ICU transliterates one by one, and the results.
//!
//! ICU tries rule after rule at every letter. For Han these are hundreds: a short Chinese title takes
//! longer than the rest of its document. For most letters the result does not depend on their
//! neighbours, so ICU is asked once for each.

use std::collections::HashMap;

use super::icu::{IcuError, Recipe, Transliterator};

/// Cyrillic letters of the Slavic languages.
const CYRILLIC: [(char, char); 2] = [('\u{400}', '\u{45F}'), ('\u{490}', '\u{491}')];

/// Han characters that are letters by themselves, not compatible forms of others.
const HAN: [(char, char); 2] = [('\u{3400}', '\u{4DBF}'), ('\u{4E00}', '\u{9FFF}')];

/// The letters that one thread has met.
pub(super) struct Letters {
    images: HashMap<char, Box<str>>,
    /// Han characters that are read according to their neighbours; `None` until the first Han
    /// character comes.
    han: Option<Exceptions>,
}

/// Which characters of a script have to be left to ICU in their context.
enum Exceptions {
    These(Vec<char>),
    All,
}

impl Letters {
    pub(super) fn new() -> Self {
        Self {
            images: HashMap::new(),
            han: None,
        }
    }

    /// Whether the result for `c` is the same everywhere, as long as its neighbours are such letters,
    /// ASCII or in the tables of [`super::strings`], without combining marks.
    pub(super) fn stands_alone(&mut self, c: char) -> bool {
        let within = |ranges: &[(char, char)]| {
            ranges
                .iter()
                .any(|(first, last)| (*first..=*last).contains(&c))
        };
        if within(&CYRILLIC) {
            return true;
        }
        if !within(&HAN) {
            return false;
        }
        match self.han.get_or_insert_with(han_exceptions) {
            Exceptions::These(exceptions) => !exceptions.contains(&c),
            Exceptions::All => false,
        }
    }

    /// The result of `engine`, always the same one, for a letter that stands alone.
    pub(super) fn image(&mut self, c: char, engine: &mut Transliterator) -> Result<&str, IcuError> {
        match self.images.entry(c) {
            std::collections::hash_map::Entry::Occupied(known) => Ok(known.into_mut()),
            std::collections::hash_map::Entry::Vacant(place) => {
                let image = engine.apply(c.encode_utf8(&mut [0; 4]))?;
                Ok(place.insert(image.into_boxed_str()))
            }
        }
    }
}

/// Asks ICU for its rules: which characters have another reading before or after others changes
/// with its version.
fn han_exceptions() -> Exceptions {
    let rules = Transliterator::open(Recipe::Id("Han-Latin")).and_then(|han| han.rules());
    let exceptions = rules.ok().and_then(|rules| with_neighbours(&rules));
    exceptions.map_or(Exceptions::All, Exceptions::These)
}

/// The characters in rules that have more to the left than a single character or a set of them.
/// `None` if there is a rule that cannot be told.
fn with_neighbours(rules: &str) -> Option<Vec<char>> {
    let mut found = Vec::new();
    for line in rules.lines().map(str::trim) {
        // That one only puts blanks between words, which no key keeps.
        if line.is_empty() || line == "::Han-Spacedhan();" {
            continue;
        }
        let (left, right) = line.strip_suffix(';')?.split_once(" > ")?;
        // A bar would have the result read again.
        if right.contains(['|', '@', '>', '<']) {
            return None;
        }
        let set = left
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        // Other ASCII in a set than ranges of characters would be strings or other sets.
        let alone = match set {
            Some(set) => !set.contains(|c: char| c.is_ascii() && !matches!(c, '-' | ' ')),
            None => left.chars().count() == 1,
        };
        if alone {
            continue;
        }
        if left.contains(['[', '\\', '$', '-']) {
            return None;
        }
        found.extend(left.chars().filter(|c| !c.is_ascii()));
    }
    Some(found)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Ranges of characters of which most stand alone, for tests against ICU.
    pub(in super::super) fn ranges() -> impl Iterator<Item = (char, char)> {
        CYRILLIC.into_iter().chain(HAN)
    }

    #[test]
    fn finds_characters_with_neighbours() {
        let cases = [
            (
                "sets and characters",
                "[\u{9515}\u{963f}] > a;\n\u{55c4} > b;",
                Some(""),
            ),
            (
                "contexts",
                "::Han-Spacedhan();\n{\u{85cf}}\' \'?\u{6587} > z;\n[\u{9515}] > a;",
                Some("\u{85cf}\u{6587}"),
            ),
            ("words", "\u{91cd}\u{5e86} > c;", Some("\u{91cd}\u{5e86}")),
            ("range", "[\u{4e00}-\u{4e10} \u{2070e}] > a;", Some("")),
            ("string in a set", "[\u{4e00}{\u{91cd}\u{5e86}}] > a;", None),
            ("all but a set", "[^\u{4e00}] > a;", None),
            ("set in a context", "\u{85cf} } [\u{9515}] > a;", None),
            ("read again", "\u{9515} > |a;", None),
            ("another transliterator", "::NFC;\n\u{9515} > a;", None),
            ("no rule", "nonsense", None),
        ];
        for (case, rules, expected) in cases {
            let found = with_neighbours(rules).map(String::from_iter);
            assert_eq!(found.as_deref(), expected, "{case}");
        }
    }

    #[test]
    fn most_han_characters_stand_alone() {
        let mut letters = Letters::new();
        let alone = |c: &char| letters.stands_alone(*c);
        let count = ('\u{4E00}'..='\u{9FFF}').filter(alone).count();
        assert!(count > 20_000, "{count}: ICU's rules are not understood");
        assert!(
            count < 0x5200,
            "ICU reads some characters by their neighbours"
        );
    }
}
