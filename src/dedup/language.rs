//! Guesses the language of a title, to tell a translation from another title.

/// Words that are frequent in titles of one language and rare in those of the others.
const WORDS: [(Language, &[&str]); 8] = [
    (
        Language::English,
        &[
            "the", "of", "and", "with", "for", "by", "from", "to", "on", "at", "an", "its", "as",
            "using", "after", "during", "between",
        ],
    ),
    (
        Language::Spanish,
        &[
            "el", "los", "las", "del", "y", "una", "un", "con", "por", "al", "sobre", "entre",
        ],
    ),
    (
        Language::Portuguese,
        &[
            "do", "dos", "da", "das", "em", "uma", "um", "com", "na", "no", "os", "ao", "sobre",
            "entre",
        ],
    ),
    (
        Language::French,
        &[
            "le", "les", "des", "du", "et", "une", "un", "dans", "sur", "par", "au", "chez",
            "entre",
        ],
    ),
    (
        Language::German,
        &[
            "der", "die", "das", "und", "von", "des", "im", "bei", "zur", "mit", "fur", "eine",
            "zum",
        ],
    ),
    (
        Language::Italian,
        &[
            "di", "della", "dei", "il", "nel", "nella", "per", "degli", "delle", "con", "lo", "gli",
        ],
    ),
    (
        Language::Turkish,
        &["ve", "ile", "bir", "icin", "uzerine", "arasinda", "olarak"],
    ),
    (
        Language::Indonesian,
        &[
            "dan", "pada", "yang", "dengan", "untuk", "dalam", "terhadap", "dari", "di",
        ],
    ),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    English,
    Spanish,
    Portuguese,
    French,
    German,
    Italian,
    Turkish,
    Indonesian,
}

/// Whether two folded titles are in different languages or scripts.
///
/// `false` if the words do not tell. A title without any word of the other's language is in another
/// one if that language is English, whose titles nearly always have some.
pub(super) fn differ(a: &str, b: &str) -> bool {
    if is_latin(a) != is_latin(b) {
        return true;
    }
    match (language(a), language(b)) {
        (Some(x), Some(y)) => x != y,
        (Some(Language::English), None) => count(b, Language::English) == 0,
        (None, Some(Language::English)) => count(a, Language::English) == 0,
        _ => false,
    }
}

fn is_latin(folded: &str) -> bool {
    let letters = folded.chars().filter(|c| c.is_alphabetic());
    let (latin, others): (Vec<char>, Vec<char>) = letters.partition(|c| c.is_ascii());
    latin.len() >= others.len()
}

/// The language with the most words in a title, if one has.
fn language(folded: &str) -> Option<Language> {
    let mut counts = WORDS.map(|(language, _)| (count(folded, language), language));
    counts.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    let [(most, language), (next, _), ..] = counts;
    (most > next).then_some(language)
}

fn count(folded: &str, language: Language) -> usize {
    let words = WORDS.iter().find(|(other, _)| *other == language);
    let words = words.map_or(&[][..], |(_, words)| words);
    folded
        .split(' ')
        .filter(|word| words.contains(word))
        .count()
}

#[cfg(test)]
mod tests {
    use super::differ;

    #[test]
    fn languages() {
        let english = "effects of soil salinity on the growth of tomato seedlings";
        for (title, want) in [
            (
                "efeitos da salinidade do solo no crescimento de mudas de tomate",
                true,
            ),
            (
                "efectos de la salinidad del suelo sobre el crecimiento del tomate",
                true,
            ),
            (
                "effets de la salinité du sol sur la croissance des tomates",
                true,
            ),
            (
                "einfluss des salzes im boden auf das wachstum der tomate",
                true,
            ),
            (
                "effetti della salinita sulla crescita delle piantine di pomodoro",
                true,
            ),
            ("влияние засоления почвы на рост рассады", true),
            (
                "pengaruh salinitas tanah terhadap pertumbuhan bibit tomat",
                true,
            ),
            (
                "toprak tuzlulugunun domates fidelerinin buyumesi uzerine etkisi",
                true,
            ),
            ("vliianie zasoleniia pochvy na rost rassady", true),
            ("the growth of tomatoes and the salt in soils", false),
            ("inflammation and remodelling via macrophages", false),
            ("salt", true),
        ] {
            assert_eq!(differ(english, title), want, "{title}");
            assert_eq!(differ(title, english), want, "{title}");
        }
        assert!(!differ("salt", "soil"));
    }
}
