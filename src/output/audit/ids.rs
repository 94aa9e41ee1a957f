//! The common beginnings of ids, and a compact set of record numbers.

/// The part of an id that the ids of one repository have in common: up to its last colon. If only a scheme
/// precedes that colon, as in `https://repository.example/1` or `hdl:123/4`, up to the next slash.
pub(super) fn family(id: &str) -> Option<&str> {
    let colon = id.rfind(':')?;
    if id[..colon].contains(':') || !["http", "https", "hdl", "doi"].contains(&&id[..colon]) {
        return Some(&id[..=colon]);
    }
    let name = colon + 1 + id[colon + 1..].find(|c| c != '/')?;
    let slash = id[name..].find('/')?;
    Some(&id[..=name + slash])
}

/// A set of small numbers.
#[derive(Debug, Default)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    /// The word of a number, and its bit there.
    fn place(number: u64) -> (usize, u64) {
        let word = usize::try_from(number / 64).unwrap_or(usize::MAX);
        (word, 1 << (number % 64))
    }

    /// Adds a number.
    pub(super) fn set(&mut self, number: u64) {
        let (word, bit) = Self::place(number);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= bit;
    }

    /// Whether a number is in it.
    pub(super) fn has(&self, number: u64) -> bool {
        let (word, bit) = Self::place(number);
        self.0.get(word).is_some_and(|bits| bits & bit != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_numbers() {
        let mut bits = Bits::default();
        for number in [1, 63, 64, 1000] {
            bits.set(number);
        }
        let has: Vec<u64> = (0..2000).filter(|number| bits.has(*number)).collect();
        assert_eq!(has, [1, 63, 64, 1000]);
    }

    #[test]
    fn ids_of_one_repository_begin_alike() {
        let url = "https://repository.example/";
        let item = format!("{url}item/1");
        let cases = [
            ("oai:doaj.org/journal:1", Some("oai:doaj.org/journal:")),
            (&item, Some(url)),
            ("hdl:2027/x.1", Some("hdl:2027/")),
            ("https://", None),
            ("1", None),
        ];
        for (id, expected) in cases {
            assert_eq!(family(id), expected, "{id}");
        }
    }
}
