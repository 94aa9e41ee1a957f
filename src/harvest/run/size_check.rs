//! A list of doubtful size, and what the smaller windows in its place say about it.

use crate::harvest::reading::SizeDoubt;
use crate::store::Counts;

/// Lists of doubtful size in one run.
#[derive(Debug, Default)]
pub(in crate::harvest) struct SizeCheck {
    /// The first doubtful list that smaller windows replace.
    watched: Option<Watched>,
    /// A list may be cut off, and no smaller window can show it.
    pub(in crate::harvest) is_unresolved: bool,
}

#[derive(Debug, Clone, Copy)]
struct Watched {
    doubt: SizeDoubt,
    /// Changes of records when the list was replaced.
    changes_before: u64,
}

/// What a complete pass says about the size of its lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::harvest) enum SizeVerdict {
    /// Nothing.
    Unknown,
    /// Lists are cut off at this many items.
    CutOffAt(u64),
    /// Lists of this many items are whole.
    WholeAt(u64),
    /// The announced size is wrong.
    WrongAnnouncement {
        /// Items of the list.
        items: u64,
        /// Items announced.
        size: u64,
    },
}

impl SizeCheck {
    /// Smaller windows replace a list of doubtful size.
    pub(in crate::harvest) fn watch(&mut self, doubt: SizeDoubt, counts: &Counts) {
        self.watched.get_or_insert(Watched {
            doubt,
            changes_before: changes(counts),
        });
    }

    /// Whether smaller windows are to show something about the size of a list.
    pub(in crate::harvest) fn is_watching(&self) -> bool {
        self.watched.is_some()
    }

    /// The number of items of a list that ended twice with fewer items than announced.
    pub(in crate::harvest) fn short_at(&self) -> Option<u64> {
        match self.watched?.doubt {
            SizeDoubt::Short { items, .. } => Some(items),
            SizeDoubt::RoundCount(_) => None,
        }
    }

    /// What the complete pass says: smaller windows that changed more records had more to show.
    pub(in crate::harvest) fn conclude(&mut self, counts: &Counts) -> SizeVerdict {
        let Some(watched) = self.watched.take() else {
            return SizeVerdict::Unknown;
        };
        let had_more = changes(counts) > watched.changes_before;
        match watched.doubt {
            SizeDoubt::RoundCount(count) if had_more => SizeVerdict::CutOffAt(count),
            // Smaller windows that may be cut off as well show nothing.
            SizeDoubt::RoundCount(_) if self.is_unresolved => SizeVerdict::Unknown,
            SizeDoubt::RoundCount(count) => SizeVerdict::WholeAt(count),
            // No trait: each list that is cut off shows it by its own count.
            SizeDoubt::Short { .. } if had_more => SizeVerdict::Unknown,
            SizeDoubt::Short { items, size } => SizeVerdict::WrongAnnouncement { items, size },
        }
    }
}

/// The number of records that changed.
fn changes(counts: &Counts) -> u64 {
    counts.new + counts.changed + counts.deleted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smaller_windows_show_whether_a_list_was_cut_off() {
        let counts = |new| Counts {
            new,
            ..Counts::default()
        };
        let short = SizeDoubt::Short { items: 4, size: 6 };
        let round = SizeDoubt::RoundCount(100);
        let cases = [
            (
                "more behind a round count",
                round,
                false,
                7,
                SizeVerdict::CutOffAt(100),
            ),
            (
                "nothing behind a round count",
                round,
                false,
                5,
                SizeVerdict::WholeAt(100),
            ),
            (
                "smaller windows are doubtful too",
                round,
                true,
                5,
                SizeVerdict::Unknown,
            ),
            (
                "more behind a short list",
                short,
                false,
                7,
                SizeVerdict::Unknown,
            ),
            (
                "nothing behind a short list",
                short,
                false,
                5,
                SizeVerdict::WrongAnnouncement { items: 4, size: 6 },
            ),
        ];
        for (case, doubt, is_unresolved, after, expected) in cases {
            let mut check = SizeCheck {
                is_unresolved,
                ..SizeCheck::default()
            };
            check.watch(doubt, &counts(5));
            // A second doubt waits until the first is resolved.
            check.watch(SizeDoubt::RoundCount(1), &counts(9));
            assert_eq!(check.conclude(&counts(after)), expected, "{case}");
            assert_eq!(
                check.conclude(&counts(after)),
                SizeVerdict::Unknown,
                "{case}"
            );
        }
    }
}
