//! A compact set of record numbers: one bit for each record of the store.

/// A set of numbers that are small and dense.
#[derive(Debug, Default)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    /// The word of a number, and its bit there.
    fn place(number: u64) -> (usize, u64) {
        let word = usize::try_from(number / 64).unwrap_or(usize::MAX);
        (word, 1 << (number % 64))
    }

    /// Adds a number, and says whether it is new.
    pub(crate) fn insert(&mut self, number: u64) -> bool {
        let (word, bit) = Self::place(number);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        let is_new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        is_new
    }

    /// Whether it contains a number.
    pub(crate) fn contains(&self, number: u64) -> bool {
        let (word, bit) = Self::place(number);
        self.0.get(word).is_some_and(|bits| bits & bit != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contains_what_was_inserted() {
        let mut bits = Bits::default();
        for number in [1, 63, 64, 1000] {
            assert!(bits.insert(number));
            assert!(!bits.insert(number));
        }
        let contained: Vec<u64> = (0..2000).filter(|number| bits.contains(*number)).collect();
        assert_eq!(contained, [1, 63, 64, 1000]);
    }
}
