//! Reads the numbers in a title: digits, Roman numerals, ordinals and counted words.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::text::fold;

/// What a word says about numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    /// A number or letter beside it counts: `part b`, `first part`.
    Counted,
    /// An ordinal.
    Ordinal(u32),
    /// A cardinal; it counts after a counted word.
    Cardinal(u32),
    /// Tens before an ordinal: `twenty first`.
    Tens(u32),
}

/// Words beside which a number counts.
const COUNTED: &[&str] = &[
    "part",
    "parts",
    "pt",
    "volume",
    "vol",
    "phase",
    "type",
    "class",
    "section",
    "chapter",
    "book",
    "study",
    "series",
    "stage",
    "paper",
    "report",
    "file",
    "session",
    "issue",
    "edition",
    "congress",
    "conference",
    "meeting",
    "symposium",
    "workshop",
    "parte",
    "tomo",
    "capítulo",
    "sección",
    "seção",
    "serie",
    "série",
    "fase",
    "etapa",
    "libro",
    "livro",
    "estudio",
    "edición",
    "edição",
    "congreso",
    "congresso",
    "conferencia",
    "conferência",
    "reunión",
    "jornada",
    "jornadas",
    "simposio",
    "simpósio",
    "encuentro",
    "encontro",
    "partie",
    "tome",
    "chapitre",
    "étude",
    "livre",
    "édition",
    "congrès",
    "conférence",
    "colloque",
    "teil",
    "band",
    "kapitel",
    "folge",
    "heft",
    "kongress",
    "tagung",
    "capitolo",
    "sezione",
    "convegno",
    "часть",
    "том",
    "глава",
    "выпуск",
    "съезд",
    "конгресс",
    "конференция",
    "конференции",
    "съезда",
    "bölüm",
    "kısım",
    "cilt",
    "kongre",
    "kongresi",
    "sempozyum",
    "sempozyumu",
    "bagian",
    "jilid",
    "bab",
    "seri",
    "tahap",
    "kongres",
    "konferensi",
    "seminar",
];

/// Ordinals from 1 on, in the languages of most journals. German and Russian ones take the endings
/// of [`ENDINGS`].
const ORDINALS: &[&[&str]] = &[
    &[
        "first",
        "primer",
        "primero",
        "primera",
        "primeiro",
        "primeira",
        "premier",
        "première",
        "erste",
        "primo",
        "prima",
        "первый",
        "первая",
        "первое",
        "первого",
        "birinci",
        "pertama",
    ],
    &[
        "second",
        "segundo",
        "segunda",
        "deuxième",
        "seconde",
        "zweite",
        "secondo",
        "seconda",
        "второй",
        "вторая",
        "второе",
        "второго",
        "ikinci",
        "kedua",
    ],
    &[
        "third",
        "tercer",
        "tercero",
        "tercera",
        "terceiro",
        "terceira",
        "troisième",
        "dritte",
        "terzo",
        "terza",
        "третий",
        "третья",
        "третье",
        "третьего",
        "üçüncü",
        "ketiga",
    ],
    &[
        "fourth",
        "cuarto",
        "cuarta",
        "quarto",
        "quarta",
        "quatrième",
        "vierte",
        "четвертый",
        "четвертая",
        "четвертого",
        "dördüncü",
        "keempat",
    ],
    &[
        "fifth",
        "quinto",
        "quinta",
        "cinquième",
        "fünfte",
        "пятый",
        "пятая",
        "пятого",
        "beşinci",
        "kelima",
    ],
    &[
        "sixth",
        "sexto",
        "sexta",
        "sixième",
        "sechste",
        "sesto",
        "sesta",
        "шестой",
        "шестая",
        "шестого",
        "altıncı",
        "keenam",
    ],
    &[
        "seventh",
        "séptimo",
        "séptima",
        "sétimo",
        "sétima",
        "septième",
        "siebte",
        "siebente",
        "settimo",
        "settima",
        "седьмой",
        "седьмая",
        "седьмого",
        "yedinci",
        "ketujuh",
    ],
    &[
        "eighth",
        "octavo",
        "octava",
        "oitavo",
        "oitava",
        "huitième",
        "achte",
        "ottavo",
        "ottava",
        "восьмой",
        "восьмая",
        "восьмого",
        "sekizinci",
        "kedelapan",
    ],
    &[
        "ninth",
        "noveno",
        "novena",
        "nono",
        "nona",
        "neuvième",
        "neunte",
        "девятый",
        "девятая",
        "девятого",
        "dokuzuncu",
        "kesembilan",
    ],
    &[
        "tenth",
        "décimo",
        "décima",
        "dixième",
        "zehnte",
        "decimo",
        "decima",
        "десятый",
        "десятая",
        "десятого",
        "onuncu",
        "kesepuluh",
    ],
    &[
        "eleventh",
        "undécimo",
        "undécima",
        "onzième",
        "elfte",
        "undicesimo",
        "undicesima",
        "одиннадцатый",
        "одиннадцатого",
    ],
    &[
        "twelfth",
        "duodécimo",
        "duodécima",
        "douzième",
        "zwölfte",
        "dodicesimo",
        "dodicesima",
        "двенадцатый",
        "двенадцатого",
    ],
    &[
        "thirteenth",
        "treizième",
        "dreizehnte",
        "tredicesimo",
        "тринадцатый",
    ],
    &[
        "fourteenth",
        "quatorzième",
        "vierzehnte",
        "quattordicesimo",
        "четырнадцатый",
    ],
    &[
        "fifteenth",
        "quinzième",
        "fünfzehnte",
        "quindicesimo",
        "пятнадцатый",
    ],
    &[
        "sixteenth",
        "seizième",
        "sechzehnte",
        "sedicesimo",
        "шестнадцатый",
    ],
    &[
        "seventeenth",
        "siebzehnte",
        "diciassettesimo",
        "семнадцатый",
    ],
    &["eighteenth", "achtzehnte", "diciottesimo", "восемнадцатый"],
    &[
        "nineteenth",
        "neunzehnte",
        "diciannovesimo",
        "девятнадцатый",
    ],
    &[
        "twentieth",
        "vigésimo",
        "vigésima",
        "vingtième",
        "zwanzigste",
        "ventesimo",
        "двадцатый",
        "двадцатого",
        "yirminci",
    ],
];

/// Higher tens as ordinals, from 30 on.
const TENTHS: &[&[&str]] = &[
    &[
        "thirtieth",
        "trigésimo",
        "trigésima",
        "trentième",
        "dreißigste",
        "тридцатый",
    ],
    &[
        "fortieth",
        "cuadragésimo",
        "quadragésimo",
        "quarantième",
        "vierzigste",
        "сороковой",
    ],
    &[
        "fiftieth",
        "quincuagésimo",
        "quinquagésimo",
        "cinquantième",
        "fünfzigste",
        "пятидесятый",
    ],
    &[
        "sixtieth",
        "sexagésimo",
        "soixantième",
        "sechzigste",
        "шестидесятый",
    ],
    &["seventieth", "septuagésimo", "siebzigste", "семидесятый"],
    &["eightieth", "octogésimo", "achtzigste", "восьмидесятый"],
    &["ninetieth", "nonagésimo", "neunzigste", "девяностый"],
];

/// Tens before an ordinal, from 20 on.
const TENS: &[&[&str]] = &[
    &["twenty", "двадцать", "yirmi"],
    &["thirty", "тридцать", "otuz"],
    &["forty", "сорок", "kırk"],
    &["fifty", "пятьдесят", "elli"],
    &["sixty", "шестьдесят", "altmış"],
    &["seventy", "семьдесят", "yetmiş"],
    &["eighty", "восемьдесят", "seksen"],
    &["ninety", "девяносто", "doksan"],
];

const CARDINALS: &[&[&str]] = &[
    &[
        "one", "uno", "una", "um", "uma", "un", "une", "eins", "один", "bir", "satu",
    ],
    &[
        "two", "dos", "dois", "duas", "deux", "zwei", "due", "два", "iki", "dua",
    ],
    &["three", "tres", "trois", "drei", "tre", "три", "üç", "tiga"],
    &[
        "four",
        "cuatro",
        "quatro",
        "quatre",
        "vier",
        "quattro",
        "четыре",
        "dört",
        "empat",
    ],
    &[
        "five", "cinco", "cinq", "fünf", "cinque", "пять", "beş", "lima",
    ],
    &["six", "seis", "sechs", "sei", "шесть", "altı", "enam"],
];

/// Endings of German ordinals that end in `e`.
const ENDINGS: [&str; 4] = ["r", "s", "n", "m"];

static WORDS: LazyLock<HashMap<String, Word>> = LazyLock::new(|| {
    let mut words = HashMap::new();
    let mut all = |texts: &[&str], word| {
        for text in texts.iter().map(|text| fold(text)) {
            let german = text.ends_with("te") && matches!(word, Word::Ordinal(_));
            for ending in ENDINGS.iter().filter(|_| german) {
                words.insert(format!("{text}{ending}"), word);
            }
            words.insert(text, word);
        }
    };
    for (texts, number) in CARDINALS.iter().zip(1..) {
        all(texts, Word::Cardinal(number));
    }
    for (texts, tens) in TENS.iter().zip(2..) {
        all(texts, Word::Tens(tens * 10));
    }
    for (texts, number) in ORDINALS.iter().zip(1..) {
        all(texts, Word::Ordinal(number));
    }
    for (texts, tens) in TENTHS.iter().zip(3..) {
        all(texts, Word::Ordinal(tens * 10));
    }
    all(COUNTED, Word::Counted);
    words
});

/// The numbers in folded words, as decimal digits, sorted, with one blank between them.
///
/// Every run of digits counts, and so do:
/// - Roman numerals that are no common words; a single letter only beside a word such as `part`
/// - ordinals from the fourth on; `first` to `third` only beside a word such as `part`, for they
///   have other meanings
/// - any number or single letter after a word such as `part` (`part b`, `part one`)
pub(super) fn numbers(words: &str) -> String {
    let mut found: Vec<String> = Vec::new();
    let mut counted = false;
    let mut words = words.split(' ').peekable();
    while let Some(word) = words.next() {
        if word.bytes().any(|byte| byte.is_ascii_digit()) {
            let runs = word.split(|c: char| !c.is_ascii_digit());
            let runs = runs.filter(|run| !run.is_empty());
            found.extend(runs.map(|run| match run.trim_start_matches('0') {
                "" => "0".to_owned(),
                digits => digits.to_owned(),
            }));
            counted = false;
            continue;
        }
        let known = WORDS.get(word).copied();
        let next = words.peek().and_then(|next| WORDS.get(*next)).copied();
        let beside = counted || next == Some(Word::Counted);
        if let Some(value) = roman(word).filter(|_| beside || word.len() > 1) {
            found.push(value.to_string());
        } else {
            match (known, next) {
                (Some(Word::Ordinal(tens @ (10 | 20..))), Some(Word::Ordinal(more @ 1..10)))
                | (Some(Word::Tens(tens)), Some(Word::Ordinal(more @ 1..10))) => {
                    found.push((tens + more).to_string());
                    words.next();
                }
                (Some(Word::Ordinal(number)), _) if number > 3 || beside => {
                    found.push(number.to_string());
                }
                (Some(Word::Cardinal(number)), _) if counted => found.push(number.to_string()),
                _ if counted && word.len() == 1 => found.push(word.to_owned()),
                _ => {}
            }
        }
        counted = known == Some(Word::Counted);
    }
    if found.len() > 1 {
        found.sort_unstable();
    }
    found.join(" ")
}

/// Whether a folded word is a number: digits, a Roman numeral, an ordinal or a cardinal.
pub(super) fn is_number(word: &str) -> bool {
    let spelled = || WORDS.get(word).is_some_and(|word| *word != Word::Counted);
    word.bytes().any(|byte| byte.is_ascii_digit()) || roman(word).is_some() || spelled()
}

/// The value of a Roman numeral in folded words, up to 3999.
///
/// `None` for what is mostly another word: units and abbreviations of two or three letters with
/// `c`, `d` or `m` (`cm`, `mci`), and `li`, `di`, `mix`.
pub(super) fn roman(word: &str) -> Option<u32> {
    let long = word.len() > 4;
    if word == "li" || !long && word.bytes().any(|letter| b"cdm".contains(&letter)) {
        // `cxii` and the like begin with a hundred and end in plain numerals.
        let rest = word.strip_prefix('c').filter(|rest| rest.len() > 1)?;
        let plain = rest.bytes().all(|letter| b"xvi".contains(&letter));
        return if plain { numeral(word) } else { None };
    }
    numeral(word)
}

/// The value of a numeral of a volume, where other words are rare.
pub(super) fn roman_volume(word: &str) -> Option<u32> {
    let series = matches!(word, "c" | "d" | "l" | "m");
    numeral(word).filter(|_| !series)
}

fn numeral(word: &str) -> Option<u32> {
    const PARTS: [(&str, u32); 13] = [
        ("m", 1000),
        ("cm", 900),
        ("d", 500),
        ("cd", 400),
        ("c", 100),
        ("xc", 90),
        ("l", 50),
        ("xl", 40),
        ("x", 10),
        ("ix", 9),
        ("v", 5),
        ("iv", 4),
        ("i", 1),
    ];
    if word.is_empty() || word.len() > 15 || !word.bytes().all(|c| b"ivxlcdm".contains(&c)) {
        return None;
    }
    let (mut rest, mut value) = (word, 0);
    for (part, worth) in PARTS {
        // At most three times one, ten, a hundred or a thousand, everything else once.
        let times = if matches!(worth, 1 | 10 | 100 | 1000) {
            3
        } else {
            1
        };
        for _ in 0..times {
            if let Some(after) = rest.strip_prefix(part) {
                (rest, value) = (after, value + worth);
            }
        }
    }
    // Written the one right way: `viv` and `ixi` are words.
    (rest.is_empty() && written(value) == word).then_some(value)
}

fn written(mut value: u32) -> String {
    const PARTS: [(u32, &str); 13] = [
        (1000, "m"),
        (900, "cm"),
        (500, "d"),
        (400, "cd"),
        (100, "c"),
        (90, "xc"),
        (50, "l"),
        (40, "xl"),
        (10, "x"),
        (9, "ix"),
        (5, "v"),
        (4, "iv"),
        (1, "i"),
    ];
    let mut text = String::new();
    for (worth, part) in PARTS {
        while value >= worth {
            text.push_str(part);
            value -= worth;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_titles() {
        for (words, want) in [
            ("the heart", ""),
            ("the heart part ii", "2"),
            ("the heart part 2", "2"),
            ("the heart part two", "2"),
            ("the heart part b", "b"),
            ("angiotensin ii and h2o2", "2 2 2"),
            ("vitamin c in 1 of 007 rats", "1 7"),
            ("am i right", ""),
            ("the tenth congress", "10"),
            ("the 10th congress", "10"),
            ("el decimo congreso", "10"),
            ("decimo primer congreso", "11"),
            ("der zehnten tagung", "10"),
            ("десятыи съезд", "10"),
            ("onuncu kongre", "10"),
            ("twenty first annual meeting", "21"),
            ("first part", "1"),
            ("segunda parte", "2"),
            ("der zweite teil", "2"),
            ("bagian kedua", "2"),
            ("the first report of a second wave", "1"),
            ("second hand smoke", ""),
            ("x congreso nacional", "10"),
            ("xliv congreso nacional", "44"),
            ("cxii tagung", "112"),
            ("mci and ml and cm of the mix by li", ""),
        ] {
            assert_eq!(numbers(words), want, "{words}");
        }
    }

    #[test]
    fn roman_numerals() {
        for (word, want) in [
            ("i", Some(1)),
            ("iv", Some(4)),
            ("xxxviii", Some(38)),
            ("xlix", Some(49)),
            ("mcmxcix", Some(1999)),
            ("iiii", None),
            ("viv", None),
            ("vix", None),
            ("", None),
        ] {
            assert_eq!(roman(word), want, "{word}");
            assert_eq!(roman_volume(word), want, "{word}");
        }
        assert_eq!(
            (roman("cd"), roman_volume("cd"), roman_volume("c")),
            (None, Some(400), None)
        );
    }
}
