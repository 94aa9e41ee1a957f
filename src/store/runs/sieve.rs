//! Which hashes a run does not have, in little memory.

use super::HASH_BITS;
use super::gathered::PART_ENTRIES;

/// Bits for each hash in a run with full parts, while the memory suffices: one hash in thirty that is
/// not there looks so. Most parts are not full.
const BITS_EACH: u64 = 8;

/// Bits at the most, as a power of two: 32 MB.
const MOST_BITS: u32 = 28;

/// Three bits of one word for each hash, since hashes need not be hashed.
#[derive(Debug)]
pub(super) struct Sieve {
    words: Vec<u64>,
    /// How many words there are, as a power of two.
    word_power: u32,
}

impl Sieve {
    /// One without hashes, for a run of 2^`part_power` parts.
    pub(super) fn of_parts(part_power: u32) -> Self {
        let wanted = ((PART_ENTRIES * BITS_EACH) << part_power).ilog2();
        let word_power = wanted.min(MOST_BITS) - u64::BITS.ilog2();
        Self {
            words: vec![0; 1 << word_power],
            word_power,
        }
    }

    pub(super) fn add(&mut self, hash: u64) {
        let (word, bits) = self.place(hash);
        self.words[word] |= bits;
    }

    /// Whether a hash was added; of some that were not, it says so too.
    pub(super) fn may_have(&self, hash: u64) -> bool {
        let (word, bits) = self.place(hash);
        self.words[word] & bits == bits
    }

    /// The upper bits of a hash choose the word, so that sorted ones go there in order, and the lower
    /// ones the bits.
    fn place(&self, hash: u64) -> (usize, u64) {
        let bits = 1 << (hash & 63) | 1 << (hash >> 6 & 63) | 1 << (hash >> 12 & 63);
        ((hash >> (HASH_BITS - self.word_power)) as usize, bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::runs::testing::hash;

    #[test]
    fn hashes_that_were_added_are_there_and_few_others() {
        let full = (PART_ENTRIES << 8) as i64;
        let mut sieve = Sieve::of_parts(8);
        (0..full).for_each(|number| sieve.add(hash(number)));
        assert!((0..full).all(|number| sieve.may_have(hash(number))));
        let others = full..2 * full;
        let mistaken = others.filter(|number| sieve.may_have(hash(*number)));
        let share = mistaken.count() as f64 / full as f64;
        assert!((0.01..0.05).contains(&share), "{share}");
    }

    #[test]
    fn memory_is_bounded() {
        let mut sieve = Sieve::of_parts(24);
        assert_eq!(sieve.words.len() * 8, 32 << 20);
        let last = (1 << HASH_BITS) - 1;
        assert!(!sieve.may_have(last));
        sieve.add(last);
        assert!(sieve.may_have(last));
    }
}
