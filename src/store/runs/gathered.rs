//! Entries that go to an index together, and the runs that this makes.

use super::sieve::Sieve;
use super::{BLOCKS, Known, Run, Runs, block_of, entry, hash_of};

/// Parts that a run has at the most, as a power of two.
const MOST_PARTS: u32 = 24;

/// Entries that a part has on average, at the most: 2 kB.
pub(super) const PART_ENTRIES: u64 = 256;

/// Hashes with their holders that go to an index together.
#[derive(Debug)]
pub(in crate::store) struct Gathered {
    /// Entries by blocks.
    blocks: Vec<Vec<u64>>,
    count: usize,
}

impl Gathered {
    pub(in crate::store) fn new() -> Self {
        Self {
            blocks: vec![Vec::new(); 1 << BLOCKS],
            count: 0,
        }
    }

    pub(in crate::store) fn len(&self) -> usize {
        self.count
    }

    pub(in crate::store) fn add(&mut self, hash: u64, record: i64) {
        self.blocks[block_of(hash) as usize].push(entry(hash, record));
        self.count += 1;
    }
}

impl Runs<'_> {
    /// Makes a run of what was gathered and of the newest runs that are no larger. Nothing is left of
    /// `gathered`.
    pub(in crate::store) fn put_away(&mut self, gathered: &mut Gathered) -> rusqlite::Result<()> {
        if gathered.count == 0 {
            return Ok(());
        }
        let parts = (gathered.count as u64).div_ceil(PART_ENTRIES);
        let mut run = Run {
            turn: self.runs.last().map_or(0, |run| run.turn + 1),
            power: parts.next_power_of_two().ilog2().clamp(BLOCKS, MOST_PARTS),
        };
        let mut merged = Vec::new();
        while let Some(last) = self.runs.pop_if(|last| last.power <= run.power) {
            // Two of one size need twice the parts.
            run.power = (run.power + u32::from(last.power == run.power)).min(MOST_PARTS);
            self.sieves.get_mut().0.remove(&last.turn);
            merged.push(last);
        }
        let mut sieve = Sieve::of_parts(run.power);
        let mut entries = Vec::new();
        for (block, gathered) in (0..).zip(&mut gathered.blocks) {
            entries.clear();
            for old in &merged {
                self.read_block(*old, block, &mut entries)?;
                let parts = old.parts_of(block);
                self.connection
                    .prepare_cached(self.table.delete)?
                    .execute([
                        old.row(parts.start),
                        old.row(parts.start) + parts.end - parts.start,
                    ])?;
            }
            gathered.sort_unstable();
            entries.append(gathered);
            // Sorted runs one after the other, which this sort takes as such.
            entries.sort();
            entries.dedup();
            for entry in &entries {
                sieve.add(hash_of(*entry, block));
            }
            let mut rest = entries.as_slice();
            for part in run.parts_of(block) {
                let inside = |entry: &u64| run.part_of(hash_of(*entry, block)) == part;
                let (own, others) = rest.split_at(rest.partition_point(inside));
                if !own.is_empty() {
                    self.write_part(run, part, own)?;
                }
                rest = others;
            }
        }
        gathered.count = 0;
        let sieves = self.sieves.get_mut();
        sieves.0.insert(run.turn, Known::Sieved(sieve));
        self.runs.push(run);
        self.parts = vec![(None, Vec::new()); self.runs.len()].into();
        Ok(())
    }
}
