//! Which match keys may be held by anybody, in little memory.

use crate::dedup::keys::Key;

/// Bits for each key, while the memory suffices: one key in about fifteen that nobody holds looks held
/// then.
const KEY_BITS: u64 = 16;

/// Bits at the least and at the most, as powers of two: 8 kB and 16 MB.
const BITS: (u32, u32) = (16, 27);

/// A bit for the keys that begin alike, since keys are hashes as they are.
#[derive(Debug)]
pub(super) struct Sieve {
    words: Vec<u64>,
    /// How many bits of a key choose its bit here.
    power: u32,
}

impl Sieve {
    /// One without keys, for about so many.
    pub(super) fn new(keys: u64) -> Self {
        let wanted = keys.saturating_mul(KEY_BITS).max(1).ilog2();
        let power = wanted.clamp(BITS.0, BITS.1);
        Self {
            words: vec![0; 1 << (power - u64::BITS.ilog2())],
            power,
        }
    }

    pub(super) fn add(&mut self, key: u64) {
        let (word, bit) = self.place(key);
        self.words[word] |= bit;
    }

    /// Whether a key was added; of some that were not, it says so too.
    pub(super) fn may_have(&self, key: u64) -> bool {
        let (word, bit) = self.place(key);
        self.words[word] & bit != 0
    }

    fn place(&self, key: u64) -> (usize, u64) {
        let number = key >> (Key::BITS - self.power);
        let word = number / u64::from(u64::BITS);
        (word as usize, 1 << (number % u64::from(u64::BITS)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look drawn, in all bits of a key.
    fn key(number: u64) -> u64 {
        number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (u64::BITS - Key::BITS)
    }

    #[test]
    fn keys_that_were_added_are_there_and_few_others() {
        let mut sieve = Sieve::new(10_000);
        (0..10_000).for_each(|number| sieve.add(key(number)));
        assert!((0..10_000).all(|number| sieve.may_have(key(number))));
        let others = 10_000..20_000_u64;
        let mistaken = others.filter(|number| sieve.may_have(key(*number)));
        assert!(mistaken.count() < 1_500);
    }

    #[test]
    fn memory_is_bounded() {
        let mut sieve = Sieve::new(u64::MAX);
        assert_eq!(sieve.words.len() * 8, 16 << 20);
        sieve.add((1 << Key::BITS) - 1);
        assert!(sieve.may_have((1 << Key::BITS) - 1));
    }
}
