//! Author names: reads them, and tells whether two may be the same person.

use serde::{Deserialize, Serialize};

use super::text::fold;

/// An author's name made comparable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Name {
    /// Folded words of the family name; never empty.
    #[serde(rename = "f")]
    pub family: Box<str>,
    /// Folded given names or initials, possibly empty.
    #[serde(rename = "g", default, skip_serializing_if = "str::is_empty")]
    pub given: Box<str>,
}

/// Longest given names that are kept, in bytes; beyond it they are cut.
const GIVEN_BYTES: usize = 24;

/// Words that belong to the family name that they precede.
const PARTICLES: [&str; 22] = [
    "al", "bin", "da", "dal", "de", "del", "della", "den", "der", "di", "do", "dos", "du", "el",
    "la", "le", "ten", "ter", "van", "von", "zu", "zur",
];

/// Suffixes that tell generations apart and are often left out.
const SUFFIXES: [&str; 5] = ["jr", "sr", "iii", "2nd", "3rd"];

/// Folded texts that stand where an author is missing.
const NOBODY: [&str; 12] = [
    "anon",
    "anonymous",
    "author",
    "authors",
    "na",
    "n a",
    "no authors listed",
    "none",
    "null",
    "unknown",
    "et al",
    "various authors",
];

/// Reads a name as written: `Family, Given`, `Given Family` or `Family GH`.
///
/// `None` if nothing is left or the text says that there is no author.
pub fn read(raw: &str) -> Option<Name> {
    let parts = raw.split_once(',');
    let parts = parts.map(|(family, given)| (family, fold(family), fold(given)));
    // Folded apart, the parts are what the whole is, unless markup reaches from one to the other.
    let whole = match &parts {
        Some((_, family, given)) if !raw.contains(['<', '&']) => {
            let blank = !family.is_empty() && !given.is_empty();
            [family.as_str(), given].join(if blank { " " } else { "" })
        }
        _ => fold(raw),
    };
    if whole.chars().all(|c| !c.is_alphabetic()) || NOBODY.contains(&whole.as_str()) {
        return None;
    }
    let name = match parts {
        Some((written, family, given)) if !family.is_empty() => {
            if SUFFIXES.contains(&given.as_str()) {
                uninverted(written, &family)
            } else {
                Name {
                    family: without_suffix(&family),
                    given: without_suffix(&given),
                }
            }
        }
        _ => uninverted(raw, &whole),
    };
    let cut = (0..=GIVEN_BYTES)
        .rev()
        .find(|&at| name.given.is_char_boundary(at))
        .unwrap_or(0);
    let given = name
        .given
        .get(..cut)
        .map_or_else(|| name.given.clone(), Box::from);
    (!name.family.is_empty()).then_some(Name { given, ..name })
}

/// Reads a name without a comma.
fn uninverted(raw: &str, folded: &str) -> Name {
    let words: Vec<&str> = raw.split_whitespace().collect();
    // `Smith JA`, as medical databases write: initials in capitals after a name with small letters.
    if let [family @ .., last] = words.as_slice()
        && !family.is_empty()
        && is_initials(last)
        && family
            .iter()
            .any(|word| word.chars().filter(|c| c.is_lowercase()).count() > 0)
        && !family.iter().any(|word| is_initials(word))
    {
        return Name {
            family: without_suffix(&fold(&family.join(" "))),
            given: fold(last).into(),
        };
    }
    let mut words: Vec<&str> = folded.split(' ').collect();
    if words.len() > 1 && words.last().is_some_and(|last| SUFFIXES.contains(last)) {
        words.pop();
    }
    let mut start = words.len().saturating_sub(1);
    while start > 1 && PARTICLES.contains(&words[start - 1]) {
        start -= 1;
    }
    Name {
        family: words[start..].join(" ").into(),
        given: words[..start].join(" ").into(),
    }
}

fn is_initials(word: &str) -> bool {
    let letters = word.chars().filter(|c| !matches!(c, '.' | '-'));
    let count = letters.clone().count();
    (1..=3).contains(&count) && letters.clone().all(char::is_uppercase)
}

fn without_suffix(folded: &str) -> Box<str> {
    match folded.rsplit_once(' ') {
        Some((rest, suffix)) if SUFFIXES.contains(&suffix) => rest.into(),
        _ => folded.into(),
    }
}

impl Name {
    /// The last word of the family name: the part that survives most ways of writing it.
    pub fn last_word(&self) -> &str {
        self.family.rsplit(' ').next().unwrap_or_default()
    }

    /// Tells whether both may be the same person: a common family name and first initials that agree or are
    /// missing, or family and given name exchanged (`Zhang Ning` without a comma, `Zhang, N.`).
    pub fn may_be(&self, other: &Name) -> bool {
        let initials = match (self.given.chars().next(), other.given.chars().next()) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        };
        (initials && same_family(&self.family, &other.family))
            || exchanged(self, other)
            || exchanged(other, self)
    }
}

/// Whether the given name of `a` is the family name of `b`, and the family name of `a` is the given name
/// of `b` or begins with its initials.
fn exchanged(a: &Name, b: &Name) -> bool {
    // A family name of one letter or two is an initial itself.
    a.given.len() > 1
        && a.given == b.family
        && (a.family == b.given || (b.given.len() == 1 && a.family.starts_with(&*b.given)))
}

/// A family name without the particles before it, which some sources take for given names. A Vietnamese
/// middle name such as `Văn` looks like one.
fn without_particles(family: &str) -> &str {
    let mut rest = family;
    while let Some((first, others)) = rest.split_once(' ')
        && PARTICLES.contains(&first)
    {
        rest = others;
    }
    rest
}

/// Tells whether two family names may be the same: alike but for blanks, one letter in a long name, or the
/// number of words (`Lupi Herrera`, `Herrera`).
fn same_family(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    let shares_word = |a: &str, b: &str| {
        a.split(' ').any(|word| {
            word.len() > 2 && !PARTICLES.contains(&word) && b.split(' ').any(|other| other == word)
        })
    };
    if (a.contains(' ') || b.contains(' '))
        && (a
            .bytes()
            .filter(|c| *c != b' ')
            .eq(b.bytes().filter(|c| *c != b' '))
            || without_particles(a) == without_particles(b)
            || shares_word(a, b))
    {
        return true;
    }
    a.len().min(b.len()) >= 5
        && a.len().abs_diff(b.len()) <= 1
        && rapidfuzz::distance::levenshtein::distance(a.bytes(), b.bytes()) <= 1
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn reads_names() {
        for (raw, want) in [
            ("Przyklenk, K.", Some(("przyklenk", "k"))),
            ("Daniel S. Himmelstein", Some(("himmelstein", "daniel s"))),
            ("Smith JA", Some(("smith", "ja"))),
            ("H BARBER", Some(("barber", "h"))),
            ("W. C. B.", Some(("b", "w c"))),
            ("Ludwig van Beethoven", Some(("van beethoven", "ludwig"))),
            ("van Beethoven, L.", Some(("van beethoven", "l"))),
            ("Cleveland Jr, J. C.", Some(("cleveland", "j c"))),
            ("King, Jr", Some(("king", ""))),
            ("Plato", Some(("plato", ""))),
            ("&NA;", None),
            (". .", None),
            ("", None),
            ("Anonymous", None),
            ("王伟", Some(("王伟", ""))),
        ] {
            let name = read(raw);
            let got = name.as_ref().map(|name| (&*name.family, &*name.given));
            assert_eq!(got, want, "{raw}");
        }
    }

    #[test]
    fn one_person_or_two() {
        for (a, b, want) in [
            ("Larkin, J", "Jill H. Larkin", true),
            ("Smith, J.", "Smith, A.", false),
            ("Smith, J.", "Smith", true),
            ("Lupi Herrera, E.", "Herrera, E. L.", true),
            ("van der Berg, A.", "van der Meer, A.", false),
            ("Lishmanov, I.", "Lishmanov Iu, I.", true),
            ("Johansson, A.", "Johnson, A.", false),
            ("Johansson, A.", "Johanson, A.", true),
            ("Lee, A.", "Lea, A.", false),
            ("Wei Li", "Li Wei", true),
            ("Zhang Ning", "Zhang, N.", true),
            ("Zhang Ning", "Ning, Z.", true),
            ("Zhang Ning", "Zhang, W.", false),
            ("MacDonald, A", "Mac Donald, A", true),
            ("Nguyễn Văn An", "An, Nguyễn Văn", true),
            ("Nguyễn Văn An", "Nguyễn Văn Em", false),
            ("van der Berg, A.", "Berg, A. van der", true),
        ] {
            let (a, b) = (read(a).unwrap(), read(b).unwrap());
            assert_eq!(a.may_be(&b), want, "{a:?} {b:?}");
            assert_eq!(b.may_be(&a), want, "{b:?} {a:?}");
        }
    }

    #[test]
    fn long_given_names_are_cut_at_a_letter() {
        let name = read(&format!("Li, {}", "ж".repeat(30))).unwrap();
        assert_eq!(name.given.len(), 24);
    }
}
