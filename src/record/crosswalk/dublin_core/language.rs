//! Finds the languages that codes, names and lists of both mean.

use super::statements::{Statement, one_line};
use crate::record::language;
use crate::record::resource::Language;

/// The languages of a record in document order, each once.
///
/// A value that is no language (`other`, `und`, `Latn`) is left out. A value of which a part is
/// unknown stays as text without codes.
pub(super) fn languages(statements: &[&Statement]) -> Vec<Language> {
    let mut all: Vec<Language> = Vec::new();
    for statement in statements {
        let text = one_line(&statement.text);
        for language in read(&text) {
            let known = all.iter().any(|other| match &language.code {
                Some(code) => other.code.as_ref() == Some(code),
                None => other.text == language.text,
            });
            if !known {
                all.push(language);
            }
        }
    }
    // A text without a code says nothing new beside a code.
    if all.iter().any(|language| language.iso639_3.is_some()) {
        all.retain(|language| language.iso639_3.is_some() || language.code.is_some());
    }
    all
}

fn read(text: &str) -> Vec<Language> {
    if NONE.contains(&text.to_lowercase().as_str()) {
        return Vec::new();
    }
    if let Some(language) = one(text) {
        return vec![language];
    }
    // Codes with only blanks between; names may have blanks in them.
    let codes: Option<Vec<Language>> = text
        .split(' ')
        .map(|part| (part.len() < 4).then(|| one(part)).flatten())
        .collect();
    if let Some(languages) = codes {
        return languages;
    }
    let parts: Vec<&str> = text
        .split([';', ',', '/', '|', '&', '+'])
        .flat_map(|part| part.split(" and "))
        .map(str::trim)
        .filter(|part| !part.is_empty() && !NONE.contains(&part.to_lowercase().as_str()))
        .collect();
    let languages: Option<Vec<Language>> = parts.iter().map(|part| one(part)).collect();
    match languages {
        Some(languages) => languages,
        None => vec![Language {
            text: text.to_owned(),
            ..Language::default()
        }],
    }
}

/// The language that a code or a name means, also with a region, or a name with its code.
fn one(text: &str) -> Option<Language> {
    let code = code(text).or_else(|| named_with_code(text))?;
    Some(Language {
        text: text.to_owned(),
        iso639_3: language::iso639_3(code).map(str::to_owned),
        code: language::marc_code(code).map(str::to_owned),
    })
}

fn code(text: &str) -> Option<&'static str> {
    let text = text.trim().trim_end_matches('.');
    let text = text
        .rsplit_once("/iso639-2/")
        .map_or(text, |(_, code)| code);
    let known = |text: &str| match own_name(text) {
        Some(code) => Some(code),
        None => language::marc_code(text),
    };
    known(text).or_else(|| {
        let (code, region) = text.split_once(['-', '_'])?;
        let is_region = (2..=4).contains(&region.len())
            || region
                .split(['-', '_', '.'])
                .all(|part| (2..=4).contains(&part.len()));
        let short = (2..=3).contains(&code.len()) && is_region;
        short.then(|| known(code)).flatten()
    })
}

/// `English (eng)`, `eng - English`, `Valbonnais (oci)`.
fn named_with_code(text: &str) -> Option<&'static str> {
    if let Some((_, rest)) = text.split_once('(') {
        let inner = rest.strip_suffix(')')?.trim();
        return matches!(inner.len(), 2 | 3).then(|| code(inner)).flatten();
    }
    let (first, second) = text.split_once(" - ").or_else(|| text.split_once(": "))?;
    let (a, b) = (code(first), code(second));
    match (a, b) {
        (Some(a), Some(b)) if a == b => Some(a),
        _ => None,
    }
}

/// A language by its name in another language than English.
fn own_name(text: &str) -> Option<&'static str> {
    let lower = text.to_lowercase();
    let (_, code) = NAMES.iter().find(|(name, _)| *name == lower)?;
    Some(code)
}

/// Values that name no language.
const NONE: &[&str] = &[
    "other",
    "und",
    "undetermined",
    "none",
    "n/a",
    "na",
    "latn",
    "cyrl",
    "zxx",
    "no linguistic content",
    "-",
    "unknown",
    "iso",
    "null",
    "not applicable",
];

/// Names in the languages themselves and in those of repositories, in lower case, with MARC's code.
const NAMES: &[(&str, &str)] = &[
    ("anglais", "eng"),
    ("inglés", "eng"),
    ("ingles", "eng"),
    ("inglês", "eng"),
    ("englisch", "eng"),
    ("inglese", "eng"),
    ("engels", "eng"),
    ("angielski", "eng"),
    ("английский", "eng"),
    ("англійська", "eng"),
    ("ingilizce", "eng"),
    ("i̇ngilizce", "eng"),
    ("engelska", "eng"),
    ("engelsk", "eng"),
    ("anglès", "eng"),
    ("英語", "eng"),
    ("英文", "eng"),
    ("영어", "eng"),
    ("tiếng anh", "eng"),
    ("angličtina", "eng"),
    ("englanti", "eng"),
    ("english.", "eng"),
    ("eng.", "eng"),
    ("español", "spa"),
    ("espanol", "spa"),
    ("castellano", "spa"),
    ("espagnol", "spa"),
    ("spanisch", "spa"),
    ("espanhol", "spa"),
    ("spagnolo", "spa"),
    ("castilian", "spa"),
    ("spanish; castilian", "spa"),
    ("испанский", "spa"),
    ("español; castellano", "spa"),
    ("français", "fre"),
    ("francais", "fre"),
    ("francés", "fre"),
    ("francês", "fre"),
    ("französisch", "fre"),
    ("francese", "fre"),
    ("frans", "fre"),
    ("французский", "fre"),
    ("fransızca", "fre"),
    ("francuski", "fre"),
    ("deutsch", "ger"),
    ("alemán", "ger"),
    ("alemão", "ger"),
    ("allemand", "ger"),
    ("tedesco", "ger"),
    ("duits", "ger"),
    ("немецкий", "ger"),
    ("almanca", "ger"),
    ("niemiecki", "ger"),
    ("tyska", "ger"),
    ("português", "por"),
    ("portugues", "por"),
    ("portugués", "por"),
    ("portugais", "por"),
    ("portugiesisch", "por"),
    ("portoghese", "por"),
    ("português (brasil)", "por"),
    ("portuguese (brazil)", "por"),
    ("brazilian portuguese", "por"),
    ("italiano", "ita"),
    ("italien", "ita"),
    ("italienisch", "ita"),
    ("итальянский", "ita"),
    ("català", "cat"),
    ("catalán", "cat"),
    ("valencià", "cat"),
    ("galego", "glg"),
    ("gallego", "glg"),
    ("euskara", "baq"),
    ("euskera", "baq"),
    ("nederlands", "dut"),
    ("niederländisch", "dut"),
    ("flemish", "dut"),
    ("dutch; flemish", "dut"),
    ("vlaams", "dut"),
    ("svenska", "swe"),
    ("schwedisch", "swe"),
    ("ruotsi", "swe"),
    ("norsk", "nor"),
    ("norsk bokmål", "nob"),
    ("bokmål", "nob"),
    ("nynorsk", "nno"),
    ("dansk", "dan"),
    ("suomi", "fin"),
    ("finska", "fin"),
    ("íslenska", "ice"),
    ("polski", "pol"),
    ("polnisch", "pol"),
    ("polonais", "pol"),
    ("čeština", "cze"),
    ("český", "cze"),
    ("česky", "cze"),
    ("slovenčina", "slo"),
    ("slovensky", "slo"),
    ("slovenščina", "slv"),
    ("slovenski", "slv"),
    ("slovenian", "slv"),
    ("hrvatski", "hrv"),
    ("srpski", "srp"),
    ("српски", "srp"),
    ("bosanski", "bos"),
    ("македонски", "mac"),
    ("български", "bul"),
    ("magyar", "hun"),
    ("română", "rum"),
    ("romana", "rum"),
    ("lietuvių", "lit"),
    ("latviešu", "lav"),
    ("eesti", "est"),
    ("shqip", "alb"),
    ("türkçe", "tur"),
    ("turkce", "tur"),
    ("türkisch", "tur"),
    ("русский", "rus"),
    ("русский язык", "rus"),
    ("ruso", "rus"),
    ("russe", "rus"),
    ("russisch", "rus"),
    ("українська", "ukr"),
    ("украинский", "ukr"),
    ("беларуская", "bel"),
    ("қазақша", "kaz"),
    ("қазақ тілі", "kaz"),
    ("казахский", "kaz"),
    ("ελληνικά", "gre"),
    ("greek", "gre"),
    ("modern greek", "gre"),
    ("greek, modern", "gre"),
    ("grec", "gre"),
    ("latin", "lat"),
    ("latín", "lat"),
    ("latim", "lat"),
    ("latein", "lat"),
    ("latino", "lat"),
    ("עברית", "heb"),
    ("العربية", "ara"),
    ("عربي", "ara"),
    ("arabe", "ara"),
    ("فارسی", "per"),
    ("farsi", "per"),
    ("हिन्दी", "hin"),
    ("中文", "chi"),
    ("汉语", "chi"),
    ("漢語", "chi"),
    ("chinese (simplified)", "chi"),
    ("mandarin", "chi"),
    ("日本語", "jpn"),
    ("japonais", "jpn"),
    ("japanisch", "jpn"),
    ("한국어", "kor"),
    ("tiếng việt", "vie"),
    ("bahasa indonesia", "ind"),
    ("indonesia", "ind"),
    ("bahasa melayu", "may"),
    ("ไทย", "tha"),
    ("occitan", "oci"),
    ("flamand", "dut"),
    ("norwegian (bokmål)", "nob"),
    ("norwegian bokmål", "nob"),
    ("norwegian nynorsk", "nno"),
    ("slovene", "slv"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(texts: &[&str]) -> Vec<String> {
        let statements: Vec<Statement> = texts
            .iter()
            .map(|text| Statement {
                text: (*text).to_owned(),
                ..Statement::default()
            })
            .collect();
        let all = languages(&statements.iter().collect::<Vec<_>>()).into_iter();
        all.map(|language| language.code.unwrap_or(format!("? {}", language.text)))
            .collect()
    }

    #[test]
    fn six_spellings_are_one_language() {
        assert_eq!(
            codes(&[
                "en", "eng", "English", "en_US", "en-GB", "Inglés", "ENG", "anglais"
            ]),
            ["eng"]
        );
    }

    #[test]
    fn finds_languages() {
        let cases: [(&[&str], &[&str]); 18] = [
            (&["pt-BR"], &["por"]),
            (&["eng; fre"], &["eng", "fre"]),
            (&["English, Spanish"], &["eng", "spa"]),
            (&["en/de"], &["eng", "ger"]),
            (&["en fr"], &["eng", "fre"]),
            (&["Español"], &["spa"]),
            (&["Türkçe"], &["tur"]),
            (&["deu"], &["ger"]),
            (&["Greek, Modern (1453-)"], &["gre"]),
            (&["English (eng)"], &["eng"]),
            (&["eng - English"], &["eng"]),
            (&["nb_NO"], &["nob"]),
            (&["zh-Hans-CN"], &["chi"]),
            (&["other"], &[]),
            (&["und", "Latn"], &[]),
            (
                &["Valbonnais dialect / Occitan"],
                &["? Valbonnais dialect / Occitan"],
            ),
            (&["Valbonnais dialect / Occitan", "oci"], &["oci"]),
            (&["http://id.loc.gov/vocabulary/iso639-2/eng"], &["eng"]),
        ];
        for (texts, expected) in cases {
            assert_eq!(codes(texts), expected, "{texts:?}");
        }
    }

    #[test]
    fn names_of_the_table_lead_to_languages() {
        for (name, code) in NAMES {
            assert_eq!(language::marc_code(code), Some(*code), "{name}");
            assert!(*name == name.to_lowercase(), "{name}");
        }
    }
}
