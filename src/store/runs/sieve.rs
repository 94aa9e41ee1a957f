//! Which hashes a run does not have, in little memory.

use super::HASH_BITS;
use super::gathered::PART_ENTRIES;

/// Bits for each hash in a run with full parts, while the memory suffices: one hash in a hundred that is
/// not there looks so. Most parts are not full.
const BITS_EACH: u64 = 16;

/// Bits at the least and at the most, as powers of two: 1 kB and 32 MB.
const BITS: (u32, u32) = (13, 28);

/// Three bits of one word for each hash, since hashes need not be hashed.
#[derive(Debug)]
pub(super) struct Sieve {
    words: Vec<u64>,
    /// How many bits of a hash choose its word.
    power: u32,
}

impl Sieve {
    /// One without hashes, for a run of 2^`parts` parts.
    pub(super) fn of_parts(parts: u32) -> Self {
        let wanted = (PART_ENTRIES << parts).saturating_mul(BITS_EACH).ilog2();
        let power = wanted.clamp(BITS.0, BITS.1) - u64::BITS.ilog2();
        Self {
            words: vec![0; 1 << power],
            power,
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
        ((hash >> (HASH_BITS - self.power)) as usize, bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look drawn, in all bits of a hash.
    fn hash(number: u64) -> u64 {
        number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (u64::BITS - HASH_BITS)
    }

    #[test]
    fn hashes_that_were_added_are_there_and_few_others() {
        let full = PART_ENTRIES << 8;
        let mut sieve = Sieve::of_parts(8);
        (0..full).for_each(|number| sieve.add(hash(number)));
        assert!((0..full).all(|number| sieve.may_have(hash(number))));
        let others = full..2 * full;
        let mistaken = others.filter(|number| sieve.may_have(hash(*number)));
        let share = mistaken.count() as f64 / full as f64;
        assert!((0.001..0.02).contains(&share), "{share}");
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
