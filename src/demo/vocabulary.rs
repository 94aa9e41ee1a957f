//! Words for invented articles: made from syllables, drawn as natural words are.
//!
//! A language's words have a rank, and the word of rank r is drawn about in proportion to 1/r
//! (Zipf), so that text of these words compresses and indexes much as real text does.

use std::sync::LazyLock;

use fastrand::Rng;

const WORDS: usize = 6_000;
const SLOTS: usize = 1 << 15;

/// A language of the invented articles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    English,
    Spanish,
    Portuguese,
    German,
    French,
    Turkish,
    Russian,
    Greek,
    Chinese,
    Arabic,
}

impl Language {
    /// All of them, with how many in a hundred articles are in each.
    pub(super) const SHARES: [(Self, u8); 10] = [
        (Self::English, 70),
        (Self::Spanish, 8),
        (Self::Portuguese, 6),
        (Self::Russian, 4),
        (Self::German, 3),
        (Self::French, 3),
        (Self::Chinese, 2),
        (Self::Turkish, 2),
        (Self::Arabic, 1),
        (Self::Greek, 1),
    ];

    /// The three-letter code that `oai_doaj` gives.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::English => "eng",
            Self::Spanish => "spa",
            Self::Portuguese => "por",
            Self::German => "deu",
            Self::French => "fra",
            Self::Turkish => "tur",
            Self::Russian => "rus",
            Self::Greek => "ell",
            Self::Chinese => "zho",
            Self::Arabic => "ara",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Spanish => "Spanish",
            Self::Portuguese => "Portuguese",
            Self::German => "German",
            Self::French => "French",
            Self::Turkish => "Turkish",
            Self::Russian => "Russian",
            Self::Greek => "Greek",
            Self::Chinese => "Chinese",
            Self::Arabic => "Arabic",
        }
    }

    /// What stands between two words.
    pub(super) fn blank(self) -> &'static str {
        match self {
            Self::Chinese => "",
            _ => " ",
        }
    }

    /// What ends a sentence.
    pub(super) fn stop(self) -> &'static str {
        match self {
            Self::Chinese => "。",
            _ => ".",
        }
    }

    pub(super) fn vocabulary(self) -> &'static Vocabulary {
        static ALL: LazyLock<Vec<(Language, Vocabulary)>> = LazyLock::new(|| {
            let made = |(language, _)| (language, Vocabulary::make(language));
            Language::SHARES.into_iter().map(made).collect()
        });
        let found = ALL.iter().find(|(language, _)| *language == self);
        &found.expect("SHARES lists every language").1
    }

    /// Function words, the commonest first.
    fn function_words(self) -> &'static [&'static str] {
        match self {
            Self::English => &[
                "the",
                "of",
                "and",
                "in",
                "to",
                "a",
                "with",
                "for",
                "was",
                "is",
                "were",
                "that",
                "by",
                "on",
                "as",
                "from",
                "are",
                "this",
                "we",
                "at",
                "be",
                "an",
                "between",
                "or",
                "study",
                "which",
                "these",
                "results",
                "using",
                "not",
                "than",
                "have",
                "patients",
                "can",
                "based",
                "has",
                "analysis",
                "it",
                "method",
                "data",
                "both",
                "during",
                "different",
                "two",
                "their",
                "also",
                "high",
                "more",
                "used",
                "after",
                "our",
                "all",
                "its",
                "model",
                "but",
                "among",
                "however",
                "had",
                "most",
                "effect",
                "associated",
                "group",
                "significantly",
                "other",
                "total",
                "may",
                "been",
                "well",
                "under",
                "one",
                "such",
                "related",
                "paper",
                "compared",
                "increased",
                "over",
                "into",
                "through",
                "they",
                "who",
                "while",
                "there",
                "three",
                "showed",
                "found",
                "only",
                "first",
                "time",
                "levels",
                "when",
                "higher",
                "important",
                "studies",
                "significant",
                "control",
                "treatment",
                "research",
                "lower",
                "could",
                "each",
            ],
            Self::Spanish => &[
                "de", "la", "en", "y", "el", "los", "que", "las", "se", "del", "con", "una", "un",
                "por", "para", "a", "su", "como", "es", "al", "no", "lo", "más", "entre", "fue",
            ],
            Self::Portuguese => &[
                "de", "a", "e", "o", "que", "da", "do", "em", "os", "com", "as", "para", "na",
                "uma", "no", "um", "dos", "por", "foi", "são", "ao", "não", "como", "entre",
            ],
            Self::German => &[
                "der", "die", "und", "in", "von", "den", "zu", "des", "mit", "im", "das", "für",
                "eine", "auf", "ist", "als", "werden", "sich", "bei", "nicht", "durch", "über",
            ],
            Self::French => &[
                "de", "la", "et", "les", "des", "le", "en", "à", "une", "du", "un", "dans", "par",
                "que", "sur", "est", "pour", "qui", "au", "ce", "plus", "avec", "été", "chez",
            ],
            Self::Turkish => &["ve", "bir", "bu", "ile", "için", "olarak", "da", "de", "en"],
            Self::Russian => &[
                "и",
                "в",
                "на",
                "с",
                "по",
                "для",
                "что",
                "не",
                "из",
                "к",
                "при",
                "от",
                "как",
                "о",
                "его",
                "этом",
                "также",
                "были",
            ],
            Self::Greek => &[
                "και", "του", "της", "να", "το", "η", "των", "με", "που", "σε",
            ],
            Self::Chinese => &["的", "和", "在", "对", "与", "中", "为", "了", "及", "等"],
            Self::Arabic => &[
                "في", "من", "على", "إلى", "و", "أن", "هذه", "التي", "عن", "بين",
            ],
        }
    }

    /// Syllables (beginnings, middles, ends) that this language's invented words are made of.
    fn syllables(self) -> [&'static [&'static str]; 3] {
        match self {
            Self::English => [
                &[
                    "al", "be", "cor", "den", "eq", "fer", "glu", "hom", "is", "jun", "lac", "med",
                    "nur", "op", "par", "quan", "rec", "sal", "ten", "ur", "vac", "wa", "zy",
                    "con", "re", "pro", "in", "dis", "trans", "micro", "hyper", "bio", "meta",
                    "ex", "per", "sub", "inter", "de", "a", "com", "gen", "car", "ther", "mor",
                    "pol", "neu", "phy", "syn", "cap", "str", "gra", "phen", "tel", "mag", "fla",
                    "ven", "sol", "mul", "bra", "cli", "dro", "foc", "hab", "kin", "lum", "nod",
                ],
                &[
                    "ta", "ri", "mo", "ve", "li", "ca", "no", "per", "duc", "si", "gra", "lo",
                    "te", "ma", "ni", "cu", "ro", "pe", "la", "fi", "vo", "tri", "ce", "stru",
                    "bar", "cen", "dol", "fum", "ger", "jec", "kul", "lam", "men", "nor", "pul",
                    "quen", "rad", "sec", "tum", "vir", "xan", "zo", "bli", "cro", "dra", "fle",
                    "gno", "plu", "spe", "thy", "tru", "phro", "o", "i", "e", "u",
                ],
                &[
                    "tion", "ing", "al", "ity", "ment", "ed", "ic", "ive", "ous", "er", "ance",
                    "ate", "able", "sis", "ism", "ure", "y", "es", "or", "ene", "gy", "t",
                ],
            ],
            Self::Spanish | Self::Portuguese => [
                &[
                    "con", "es", "de", "pro", "re", "im", "cá", "tra", "sa", "mé", "in", "ha", "ju",
                ],
                &[
                    "ti", "ra", "lo", "ni", "ve", "du", "ga", "mi", "sa", "bi", "ñe", "ca", "pe",
                ],
                &[
                    "ción", "mente", "dad", "ado", "ico", "ía", "ales", "or", "ar", "oso", "encia",
                ],
            ],
            Self::German => [
                &[
                    "ver", "ge", "be", "aus", "ent", "über", "an", "Wirt", "Kran", "Bil", "Mög",
                ],
                &[
                    "schaf", "ken", "stel", "fäh", "lei", "wick", "tra", "be", "gen", "for", "su",
                ],
                &[
                    "ung", "keit", "lich", "heit", "en", "er", "isch", "te", "schaft", "ß",
                ],
            ],
            Self::French => [
                &[
                    "con", "é", "dé", "pro", "re", "in", "cha", "mé", "sou", "tra", "ap", "œu",
                ],
                &[
                    "ti", "ra", "lo", "ni", "vel", "du", "ga", "mi", "ssa", "bi", "gne", "ca",
                ],
                &[
                    "tion", "ment", "té", "eur", "ique", "ée", "aux", "ance", "er", "oire",
                ],
            ],
            Self::Turkish => [
                &[
                    "ge", "ka", "öğ", "bil", "çal", "sağ", "yön", "ara", "de", "top", "üni",
                ],
                &["li", "rı", "şı", "me", "la", "te", "ği", "du", "nu", "re"],
                &["lik", "ler", "ması", "siz", "dan", "ım", "çi", "sel", "ş"],
            ],
            Self::Russian => [
                &[
                    "об", "про", "со", "ис", "раз", "пере", "эко", "мо", "био", "гео", "сте", "кра",
                ],
                &[
                    "ра", "ло", "ви", "те", "ме", "ще", "ну", "ди", "ка", "по", "жи", "бу",
                ],
                &[
                    "ние", "ость", "ский", "тель", "ция", "ных", "ого", "ия", "ств", "ить",
                ],
            ],
            Self::Greek => [
                &[
                    "ανα", "εκ", "προ", "συν", "μετα", "δια", "κοι", "πα", "θε", "ψυ",
                ],
                &["λυ", "ρα", "πο", "με", "νο", "τι", "γρα", "σε", "κα", "δο"],
                &[
                    "ση", "ικό", "μός", "ία", "ματα", "ών", "ους", "ής", "τητα", "εις",
                ],
            ],
            Self::Chinese => [
                &[
                    "研", "分", "发", "影", "方", "数", "结", "系", "社", "经", "环", "教", "医",
                    "技",
                ],
                &[
                    "究", "析", "展", "响", "法", "据", "构", "统", "会", "济", "境", "育", "学",
                    "术",
                ],
                &["", "性", "化", "量", "率", "者", "力", "型", "度", "素"],
            ],
            Self::Arabic => [
                &["ال", "ت", "م", "است", "ب", "ا", "ن"],
                &[
                    "در", "حل", "علم", "قيا", "جمع", "نظ", "كتا", "شر", "صح", "بحث", "تعل",
                ],
                &["ية", "ات", "ين", "ة", "يم", "ون", "", "ها"],
            ],
        }
    }
}

/// The name of a language by its code, or the code itself.
pub(super) fn language_name(code: &str) -> &str {
    let known = Language::SHARES
        .into_iter()
        .find(|(language, _)| language.code() == code);
    known.map_or(code, |(language, _)| language.name())
}

/// The words of one language, function words first.
#[derive(Debug)]
pub(super) struct Vocabulary {
    function: &'static [&'static str],
    content: Vec<String>,
    /// Ranks, each as often as its share says: a draw is one look-up.
    function_slots: Vec<u16>,
    content_slots: Vec<u16>,
}

impl Vocabulary {
    fn make(language: Language) -> Self {
        let mut rng = Rng::with_seed(language as u64 + 1);
        let syllables = language.syllables();
        let pick =
            |rng: &mut Rng, kind: usize| rng.choice(syllables[kind]).copied().unwrap_or_default();
        let mut content = Vec::with_capacity(WORDS);
        for rank in 0..WORDS {
            let mut word = pick(&mut rng, 0).to_owned();
            // Common words are short.
            for _ in 0..rng.usize(0..2 + rank * 2 / WORDS) + usize::from(rank > 200) {
                word.push_str(pick(&mut rng, 1));
            }
            word.push_str(pick(&mut rng, 2));
            content.push(word);
        }
        let function = language.function_words();
        Self {
            function,
            function_slots: zipf_slots(function.len(), 2.7),
            content_slots: zipf_slots(WORDS, 20.0),
            content,
        }
    }

    /// A function word.
    pub(super) fn function(&self, rng: &mut Rng) -> &'static str {
        let rank = self.function_slots[rng.usize(..self.function_slots.len())];
        self.function[usize::from(rank)]
    }

    /// A word that carries meaning, drawn by rank.
    pub(super) fn content(&self, rng: &mut Rng) -> &str {
        let rank = self.content_slots[rng.usize(..self.content_slots.len())];
        &self.content[usize::from(rank)]
    }

    /// A word that carries meaning, all equally likely: what an article is about.
    pub(super) fn topic(&self, rng: &mut Rng) -> &str {
        &self.content[rng.usize(..self.content.len())]
    }
}

/// Fills a table of [`SLOTS`] or so with the ranks below `ranks`, at least one slot each. The
/// greater `flatness`, the less the first few stand out (Mandelbrot's addition to Zipf's law).
fn zipf_slots(ranks: usize, flatness: f64) -> Vec<u16> {
    let weight = |rank: usize| 1.0 / (rank as f64 + flatness);
    let sum: f64 = (0..ranks).map(weight).sum();
    let share = |rank: usize| ((weight(rank) / sum * SLOTS as f64) as usize).max(1);
    (0..ranks)
        .flat_map(|rank| std::iter::repeat_n(rank as u16, share(rank)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_words_are_drawn_as_often_as_their_rank_says() {
        let words = Language::English.vocabulary();
        let mut rng = Rng::with_seed(1);
        let draws = 100_000;
        let the = (0..draws)
            .filter(|_| words.function(&mut rng) == "the")
            .count();
        // 1/2.7 of a sum of about 3.6.
        assert!((7_000..13_000).contains(&the), "{the}");
        assert!(WORDS < usize::from(u16::MAX));
    }

    #[test]
    fn shares_make_a_hundred() {
        let sum: u8 = Language::SHARES.iter().map(|(_, share)| share).sum();
        assert_eq!(sum, 100);
        assert_eq!(language_name("ell"), "Greek");
        assert_eq!(language_name("xxx"), "xxx");
    }
}
