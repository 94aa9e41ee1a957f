//! Normalises titles and names for sorting and for work keys.
//!
//! ICU transliterates. It is not asked about plain ASCII. For Latin letters and common punctuation the
//! result does not depend on the neighbours, so ICU is asked once per character and process. In work
//! keys this is also true of most Cyrillic and Han letters (`letters`).

use std::cell::RefCell;
use std::sync::OnceLock;

use regex::Regex;
use thiserror::Error;

use super::icu::{IcuError, Recipe, Transliterator};
use super::letters::Letters;

/// The transliteration that work keys begin with, in ICU's rule language.
///
/// Source: VuFind's default for work keys.
const WORK_KEY_RULES: &str =
    ":: NFD; :: lower; :: Latin; :: [^[:letter:] [:number:]] Remove; :: NFKC;";

/// Titles and names in work keys are cut to this many code points.
const WORK_KEY_CHARS: usize = 255;

/// ICU could not transliterate a text: its data are missing, or the text is too long for it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("cannot transliterate a text of {bytes} bytes: {cause}")]
pub struct StringsError {
    bytes: usize,
    cause: String,
}

impl StringsError {
    fn new(text: &str, cause: IcuError) -> Self {
        Self {
            bytes: text.len(),
            cause: cause.to_string(),
        }
    }
}

/// XPath's normalize-space: trimmed, with runs of space, tab, CR and LF collapsed to one space.
/// No other white space counts.
pub fn normalize_space(text: &str) -> String {
    let mut normal = String::with_capacity(text.len());
    SpaceFolder::default().push(&mut normal, text);
    normal
}

/// Normalises space in a text that comes in pieces.
#[derive(Debug, Default)]
pub(crate) struct SpaceFolder {
    /// White space was seen since the last other character.
    pending: bool,
}

impl SpaceFolder {
    /// Appends `piece` to `normal`, which holds what the earlier pieces gave.
    pub(crate) fn push(&mut self, normal: &mut String, piece: &str) {
        let mut start = 0;
        for control in memchr::memchr3_iter(b'\t', b'\r', b'\n', piece.as_bytes()) {
            self.push_line(normal, &piece[start..control]);
            self.pending = true;
            start = control + 1;
        }
        self.push_line(normal, &piece[start..]);
    }

    /// As [`SpaceFolder::push`], where blanks are the only white space.
    fn push_line(&mut self, normal: &mut String, line: &str) {
        let mut rest = line;
        loop {
            let words = rest.trim_start_matches(' ');
            self.pending |= words.len() < rest.len();
            if words.is_empty() {
                return;
            }
            if self.pending && !normal.is_empty() {
                normal.push(' ');
            }
            self.pending = false;
            // Single blanks are right as they are.
            match memchr::memmem::find(words.as_bytes(), b"  ") {
                Some(end) => {
                    normal.push_str(&words[..end]);
                    rest = &words[end..];
                }
                None => {
                    let text = words.strip_suffix(' ').unwrap_or(words);
                    normal.push_str(text);
                    self.pending = text.len() < words.len();
                    return;
                }
            }
        }
    }
}

/// White space as XML knows it.
pub(crate) fn is_xml_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Whether a text holds nothing but XML white space.
pub(crate) fn is_blank(text: &str) -> bool {
    text.bytes().all(is_xml_space)
}

/// The text trimmed, in lower case, without one leading `a `, `an ` or `the `. An article must be
/// followed by a plain space, and is removed once.
pub fn strip_articles(text: &str) -> String {
    let lower = lower_case(trim(text));
    match ["a ", "an ", "the "]
        .iter()
        .find(|article| lower.starts_with(**article))
    {
        Some(article) => lower[article.len()..].to_owned(),
        None => lower,
    }
}

/// The title to sort by: without article, accents and punctuation, in lower case.
///
/// # Errors
/// If ICU fails on the text.
pub fn title_sort(title: &str) -> Result<String, StringsError> {
    title_sort_of_stripped(&strip_articles(title))
}

/// [`title_sort`] of a title that went through [`strip_articles`].
pub(crate) fn title_sort_of_stripped(stripped: &str) -> Result<String, StringsError> {
    let ascii = latin_ascii(stripped)?;
    let mut sort = String::with_capacity(ascii.len());
    let mut separated = false;
    // Only ASCII punctuation and white space separate, so U+200B or the degree sign stay.
    for c in ascii.chars() {
        if c.is_ascii_punctuation() || matches!(c, ' ' | '\t'..='\r') {
            separated = true;
        } else {
            if separated {
                sort.push(' ');
                separated = false;
            }
            sort.push(c);
        }
    }
    Ok(lower_case(trim(&sort)))
}

/// Strips the white space that PHP's `trim` knows: space, tab, LF, VT, CR and NUL.
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\x0b', '\r', '\0'])
}

/// Unicode lower case, each character by itself: a final sigma is no exception, and `İ` becomes
/// two characters.
fn lower_case(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut lower = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if c.is_ascii() {
            lower.push(c.to_ascii_lowercase());
        } else {
            lower.extend(c.to_lowercase());
        }
    }
    lower
}

/// How titles and names become parts of work keys.
#[derive(Debug, Clone, Default)]
pub struct WorkKeyRules {
    /// Only what this matches is kept, if set.
    pub include: Option<Regex>,
    /// What this matches is deleted, if set, after `include`.
    pub exclude: Option<Regex>,
}

impl PartialEq for WorkKeyRules {
    fn eq(&self, other: &Self) -> bool {
        let texts = |rules: &Self| {
            [&rules.include, &rules.exclude]
                .map(|regex| regex.as_ref().map(|regex| regex.as_str().to_owned()))
        };
        texts(self) == texts(other)
    }
}

impl WorkKeyRules {
    /// The normal form of a title or a name: transliterated, letters and digits only, filtered,
    /// in lower case, at most 255 code points.
    ///
    /// # Errors
    /// If ICU fails on the text.
    pub fn normalise(&self, text: &str) -> Result<String, StringsError> {
        let mut key = transliterate_key(text)?;
        if let Some(include) = &self.include {
            key = include
                .find_iter(&key)
                .map(|found| found.as_str())
                .collect();
        }
        if let Some(exclude) = &self.exclude {
            key = exclude.replace_all(&key, "").into_owned();
        }
        if !key.is_ascii() {
            key = lower_case(&key);
        } else {
            key.make_ascii_lowercase();
        }
        if key.len() > WORK_KEY_CHARS
            && let Some((end, _)) = key.char_indices().nth(WORK_KEY_CHARS)
        {
            key.truncate(end);
        }
        Ok(key)
    }
}

fn transliterate_key(text: &str) -> Result<String, StringsError> {
    if text.is_ascii() {
        let letters = text.bytes().filter(u8::is_ascii_alphanumeric);
        return Ok(letters
            .map(|byte| char::from(byte.to_ascii_lowercase()))
            .collect());
    }
    let table = tables().map(|tables| &tables.work_key);
    if let Some(key) = table.and_then(|table| table.apply(text, push_key_ascii)) {
        return Ok(key);
    }
    with_engines(|engines| {
        if let Some(table) = table
            && let Some(key) = engines.key_by_letters(text, table)?
        {
            return Ok(key);
        }
        engines.work_key.apply(text)
    })
    .map_err(|cause| StringsError::new(text, cause))
}

/// What ICU's work key rules make of ASCII.
fn push_key_ascii(byte: u8, key: &mut String) {
    if byte.is_ascii_alphanumeric() {
        key.push(char::from(byte.to_ascii_lowercase()));
    }
}

fn latin_ascii(text: &str) -> Result<String, StringsError> {
    if text.is_ascii() {
        return Ok(text.to_owned());
    }
    let by_table = tables().and_then(|tables| {
        tables
            .latin_ascii
            .apply(text, |byte, ascii| ascii.push(char::from(byte)))
    });
    match by_table {
        Some(ascii) => Ok(ascii),
        None => with_engines(|engines| engines.latin_ascii.apply(text))
            .map_err(|cause| StringsError::new(text, cause)),
    }
}

/// Characters that ICU treats alike wherever they stand, as long as they stand among themselves
/// and ASCII: Latin letters with and without accents, and common punctuation and signs.
const CONTEXT_FREE: [(u32, u32); 7] = [
    (0x80, 0x24F),
    (0x1E00, 0x1EFF),
    (0x2010, 0x2027),
    (0x2030, 0x205E),
    (0x20AC, 0x20AC),
    (0x2122, 0x2122),
    (0x2200, 0x22FF),
];

/// Combining marks: dropped from work keys wherever they stand. `Latin-ASCII` drops them only after
/// a letter or a digit, so its table is without them.
const COMBINING: (u32, u32) = (0x300, 0x36F);

/// What each of some ranges of characters becomes.
struct Table {
    ranges: Vec<(u32, u32, Vec<Box<str>>)>,
}

impl Table {
    fn build(ranges: &[(u32, u32)], engine: &mut Transliterator) -> Result<Self, IcuError> {
        let mut built = Vec::with_capacity(ranges.len());
        let mut utf8 = [0; 4];
        for &(first, last) in ranges {
            let mut images = Vec::with_capacity((last - first + 1) as usize);
            for c in (first..=last).filter_map(char::from_u32) {
                images.push(engine.apply(c.encode_utf8(&mut utf8))?.into_boxed_str());
            }
            built.push((first, last, images));
        }
        Ok(Self { ranges: built })
    }

    /// `text` character by character: ASCII through `ascii`, the rest through the table. `None` if
    /// a character is in neither.
    fn apply(&self, text: &str, ascii: impl Fn(u8, &mut String)) -> Option<String> {
        let mut result = String::with_capacity(text.len());
        for c in text.chars() {
            match u8::try_from(c) {
                Ok(byte) if byte.is_ascii() => ascii(byte, &mut result),
                _ => result.push_str(self.get(c)?),
            }
        }
        Some(result)
    }

    fn get(&self, c: char) -> Option<&str> {
        let c = u32::from(c);
        let (first, _, images) = self
            .ranges
            .iter()
            .find(|(first, last, _)| (*first..=*last).contains(&c))?;
        images.get((c - first) as usize).map(Box::as_ref)
    }
}

struct Tables {
    work_key: Table,
    latin_ascii: Table,
}

/// The tables of this process, made by the first that asks. `None` if ICU failed, and then each
/// text that needs them fails with ICU's error.
fn tables() -> Option<&'static Tables> {
    static TABLES: OnceLock<Option<Tables>> = OnceLock::new();
    TABLES
        .get_or_init(|| {
            with_engines(|engines| {
                let with_marks: Vec<_> = CONTEXT_FREE.into_iter().chain([COMBINING]).collect();
                Ok(Tables {
                    work_key: Table::build(&with_marks, &mut engines.work_key)?,
                    latin_ascii: Table::build(&CONTEXT_FREE, &mut engines.latin_ascii)?,
                })
            })
            .ok()
        })
        .as_ref()
}

/// The two transliterators of one thread.
struct Engines {
    work_key: Transliterator,
    latin_ascii: Transliterator,
    letters: Letters,
}

impl Engines {
    /// The work key of a text of characters that all become the same wherever they stand, `table`
    /// having those that are no letters of other scripts; `None` for other texts.
    fn key_by_letters(&mut self, text: &str, table: &Table) -> Result<Option<String>, IcuError> {
        // Marks join letters of other scripts, which they do not with Latin ones.
        let is_mark = |c: char| (COMBINING.0..=COMBINING.1).contains(&u32::from(c));
        let all_alone = text.chars().all(|c| {
            c.is_ascii() || self.letters.stands_alone(c) || (table.get(c).is_some() && !is_mark(c))
        });
        if !all_alone {
            return Ok(None);
        }
        let mut key = String::with_capacity(2 * text.len());
        for c in text.chars() {
            match u8::try_from(c) {
                Ok(byte) if byte.is_ascii() => push_key_ascii(byte, &mut key),
                _ => match table.get(c) {
                    Some(image) => key.push_str(image),
                    None => key.push_str(self.letters.image(c, &mut self.work_key)?),
                },
            }
        }
        Ok(Some(key))
    }
}

fn with_engines<T>(
    use_them: impl FnOnce(&mut Engines) -> Result<T, IcuError>,
) -> Result<T, IcuError> {
    thread_local! {
        static ENGINES: RefCell<Option<Engines>> = const { RefCell::new(None) };
    }
    ENGINES.with_borrow_mut(|engines| {
        let engines = match engines {
            Some(engines) => engines,
            none => none.insert(Engines {
                work_key: Transliterator::open(Recipe::Rules(WORK_KEY_RULES))?,
                latin_ascii: Transliterator::open(Recipe::Id("Latin-ASCII"))?,
                letters: Letters::new(),
            }),
        };
        use_them(engines)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn check_rows(rows: &str) {
        let rules = WorkKeyRules::default();
        for row in rows.lines() {
            let row: Value = serde_json::from_str(row).unwrap();
            let text = row["in"].as_str().unwrap();
            assert_eq!(
                strip_articles(text),
                row["strip"].as_str().unwrap(),
                "{text}"
            );
            assert_eq!(
                title_sort(text).unwrap(),
                row["title_sort"].as_str().unwrap(),
                "{text}"
            );
            assert_eq!(
                rules.normalise(text).unwrap(),
                row["key"].as_str().unwrap(),
                "{text}"
            );
        }
    }

    #[test]
    fn normalises_every_script() {
        check_rows(include_str!("../../../tests/fixtures/vufind-strings.jsonl"));
    }

    #[test]
    fn folds_space_as_xpath_does() {
        let cases = [
            ("plain", "a b c", "a b c"),
            ("runs", "  a \t\r\n b\n", "a b"),
            ("only space", " \n ", ""),
            (
                "no-break space is none",
                "\u{a0}a\u{a0} b ",
                "\u{a0}a\u{a0} b",
            ),
            ("form feed is none", "a\u{c}b", "a\u{c}b"),
        ];
        for (case, text, expected) in cases {
            assert_eq!(normalize_space(text), expected, "{case}");
        }
        for cut in 0.."  a \t b".len() {
            let (head, tail) = "  a \t b".split_at(cut);
            let (mut normal, mut folder) = (String::new(), SpaceFolder::default());
            folder.push(&mut normal, head);
            folder.push(&mut normal, tail);
            assert_eq!(normal, "a b", "cut at {cut}");
        }
    }

    #[test]
    fn serves_many_threads() {
        let rows = include_str!("../../../tests/fixtures/vufind-strings.jsonl");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| check_rows(rows));
            }
        });
    }

    #[test]
    fn filters_keys_and_cuts_them() {
        let rules = WorkKeyRules {
            include: Some(Regex::new("[a-z0-9]+").unwrap()),
            exclude: Some(Regex::new("[0-9]").unwrap()),
        };
        assert_eq!(rules.normalise("Größe 42b").unwrap(), "groeb");
        let long = "ñü".repeat(400);
        let cut = WorkKeyRules::default().normalise(&long).unwrap();
        assert_eq!(cut.chars().count(), 255);
        assert_eq!(
            WorkKeyRules::default()
                .normalise(&"中".repeat(400))
                .unwrap()
                .chars()
                .count(),
            255
        );
    }

    /// The characters of the tables, a good part of ASCII among them.
    fn context_free_text(marks: bool) -> impl Strategy<Value = String> {
        let mut ranges: Vec<_> = CONTEXT_FREE
            .into_iter()
            .chain([(0x20, 0x7E), (0x20, 0x7E)])
            .collect();
        if marks {
            ranges.push(COMBINING);
        }
        let c = (0..ranges.len(), any::<u32>()).prop_map(move |(range, offset)| {
            let (first, last) = ranges[range];
            char::from_u32(first + offset % (last - first + 1)).unwrap()
        });
        proptest::collection::vec(c, 1..24).prop_map(|chars| chars.into_iter().collect())
    }

    fn by_icu(text: &str) -> String {
        with_engines(|engines| engines.work_key.apply(text)).unwrap()
    }

    #[test]
    fn ascii_is_as_icu_has_it() {
        let all: String = (0..0x80_u8).map(char::from).collect();
        assert_eq!(transliterate_key(&all).unwrap(), by_icu(&all));
        for c in all.chars() {
            let text = format!("a{c}B{c}{c}1 {c} {c}");
            assert_eq!(transliterate_key(&text).unwrap(), by_icu(&text), "{c:?}");
        }
    }

    /// Every letter after and before every other, with what may stand between them.
    #[test]
    fn pairs_of_cyrillic_letters_are_as_icu_has_them() {
        let letters: Vec<char> = crate::output::vufind::letters::tests::ranges()
            .filter(|(first, _)| *first < '\u{2000}')
            .flat_map(|(first, last)| first..=last)
            .collect();
        for first in &letters {
            for between in ["", " ", "-", "a", "\u{e9}"] {
                let seconds = letters.iter();
                let text: String = seconds
                    .map(|second| format!("{first}{between}{second}, "))
                    .collect();
                assert_eq!(transliterate_key(&text).unwrap(), by_icu(&text), "{text}");
            }
        }
    }

    /// Characters that are read by their neighbours, among these neighbours.
    #[test]
    fn han_in_context_is_as_icu_has_it() {
        for text in [
            "\u{91cd}\u{5e86}\u{5927}\u{5b66}",
            "\u{91cd} \u{5e86}",
            "\u{91cd}\u{8981}\u{6027}",
            "\u{6c88}\u{9633} \u{79d8}\u{9c81} \u{85cf}\u{6587}",
            "\u{f972}\u{9633}",
            "DNA\u{4e2d}\u{56fd}2020\u{5e74}\u{91cf}\u{201c}\u{5b50}\u{201d}\u{e9}",
        ] {
            assert_eq!(transliterate_key(text).unwrap(), by_icu(text), "{text}");
        }
    }

    /// Letters of other scripts, and what their texts also hold.
    fn text_of_letters() -> impl Strategy<Value = String> {
        let letters = crate::output::vufind::letters::tests::ranges()
            .map(|(first, last)| (u32::from(first), u32::from(last)));
        let mut ranges: Vec<_> = letters.collect();
        // The common case, Russian and the most frequent Han characters, more often.
        ranges.extend([(0x410, 0x44F); 3]);
        ranges.extend([(0x4E00, 0x5FFF); 2]);
        ranges.extend([(0x20, 0x7E), (0x20, 0x7E), COMBINING]);
        ranges.extend(CONTEXT_FREE);
        let c = (0..ranges.len(), any::<u32>()).prop_map(move |(range, offset)| {
            let (first, last) = ranges[range];
            char::from_u32(first + offset % (last - first + 1)).unwrap()
        });
        proptest::collection::vec(c, 1..24).prop_map(|chars| chars.into_iter().collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn letters_agree_with_icu_on_keys(text in text_of_letters()) {
            prop_assert_eq!(transliterate_key(&text).unwrap(), by_icu(&text));
        }

        #[test]
        fn tables_agree_with_icu_on_keys(text in context_free_text(true)) {
            let icu = with_engines(|engines| engines.work_key.apply(&text)).unwrap();
            prop_assert_eq!(transliterate_key(&text).unwrap(), icu);
        }

        #[test]
        fn tables_agree_with_icu_on_titles(text in context_free_text(false)) {
            let text = lower_case(&text);
            let icu = with_engines(|engines| engines.latin_ascii.apply(&text)).unwrap();
            prop_assert_eq!(latin_ascii(&text).unwrap(), icu);
        }
    }
}
