//! Maps positions in the repaired text back to the received body.

use std::borrow::Cow;
use std::ops::Range;

use crate::oai::response::{Repair, RepairKind};

/// Counts of repairs by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally(Vec<Repair>);

impl Tally {
    /// Adds `count` places of `kind`.
    pub(crate) fn add(&mut self, kind: RepairKind, count: u64) {
        if count == 0 {
            return;
        }
        match self.0.binary_search_by_key(&kind, |repair| repair.kind) {
            Ok(at) => self.0[at].count += count,
            Err(at) => self.0.insert(at, Repair { kind, count }),
        }
    }

    /// The counts, ordered by kind.
    pub(crate) fn into_repairs(self) -> Vec<Repair> {
        self.0
    }

    /// Whether nothing was counted.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One range of a text that differs from the text before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edit {
    /// The range in the new text; empty if something was dropped.
    pub(crate) new: Range<usize>,
    /// The range in the old text.
    pub(crate) old: Range<usize>,
    /// The kind of repair; `None` for a change of encoding only.
    pub(crate) kind: Option<RepairKind>,
    /// The number of places.
    pub(crate) count: u64,
}

/// Further edits are merged into the last one, so that memory stays bounded.
const MAX_EDITS: usize = 1 << 18;

/// The edits from one text to another, in order and disjoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Edits(Vec<Edit>);

impl Edits {
    /// Appends the replacement of `old` by `new_len` bytes. It comes after all earlier edits.
    pub(crate) fn push(&mut self, old: Range<usize>, new_len: usize, kind: Option<RepairKind>) {
        let start = self.0.last().map_or(old.start, |last| {
            last.new.end + old.start.saturating_sub(last.old.end)
        });
        if self.0.len() >= MAX_EDITS
            && let Some(last) = self.0.last_mut()
        {
            last.new.end = start + new_len;
            last.old.end = old.end;
            last.count += 1;
            return;
        }
        self.0.push(Edit {
            new: start..start + new_len,
            old,
            kind,
            count: 1,
        });
    }

    /// The range of the old text for `range` of the new one.
    fn to_old(&self, range: &Range<usize>) -> Range<usize> {
        // Text dropped right before or after the range does not belong to it.
        let start = self.0.partition_point(|edit| edit.new.end <= range.start);
        let end = self.0.partition_point(|edit| {
            edit.new.end < range.end || (edit.new.end == range.end && edit.new.start < range.end)
        });
        self.offset(start, range.start, |edit| edit.old.start)
            ..self.offset(end, range.end, |edit| edit.old.end)
    }

    /// `at`, moved by the edits before `index`. Inside that edit, `side` picks one of its ends.
    fn offset(&self, index: usize, at: usize, side: impl Fn(&Edit) -> usize) -> usize {
        if let Some(edit) = self.0.get(index)
            && edit.new.start < at
        {
            return side(edit);
        }
        match index.checked_sub(1).and_then(|before| self.0.get(before)) {
            Some(edit) => edit.old.end + (at - edit.new.end),
            None => at,
        }
    }

    /// Counts the repairs within `range` of the new text.
    fn count(&self, range: &Range<usize>, tally: &mut Tally) {
        let first = self.0.partition_point(|edit| edit.new.start < range.start);
        for edit in self.0[first..]
            .iter()
            .take_while(|edit| edit.new.start < range.end)
        {
            let dropped_before = edit.new.is_empty() && edit.new.start == range.start;
            if let Some(kind) = edit.kind.filter(|_| !dropped_before) {
                tally.add(kind, edit.count);
            }
        }
    }

    /// Counts all repairs that start before `end` in the new text.
    fn count_until(&self, end: usize, tally: &mut Tally) {
        for edit in self.0.iter().take_while(|edit| edit.new.start < end) {
            if let Some(kind) = edit.kind {
                tally.add(kind, edit.count);
            }
        }
    }
}

/// A text, its body, and the two layers of edits between them: decoding, then repairs.
#[derive(Debug)]
pub(crate) struct Source<'b> {
    /// The body as received.
    pub(crate) body: &'b [u8],
    /// The text to parse.
    pub(crate) text: Cow<'b, str>,
    /// From the body to the decoded text.
    pub(crate) decoding: Edits,
    /// From the decoded text to `text`.
    pub(crate) repairing: Edits,
    /// Repairs without a position.
    pub(crate) general: Tally,
}

impl Source<'_> {
    /// The memory that the text and the edits take, besides the body.
    pub(crate) fn owned_bytes(&self) -> usize {
        let text = match &self.text {
            Cow::Borrowed(_) => 0,
            Cow::Owned(text) => text.len(),
        };
        let edits = self.decoding.0.capacity() + self.repairing.0.capacity();
        text + edits * size_of::<Edit>()
    }

    /// The bytes of the body for `range` of the text.
    pub(crate) fn raw(&self, range: &Range<usize>) -> &[u8] {
        let range = self.decoding.to_old(&self.repairing.to_old(range));
        self.body.get(range).unwrap_or_default()
    }

    /// The offset in the body for `at` in the text.
    pub(crate) fn offset(&self, at: usize) -> usize {
        self.decoding
            .to_old(&self.repairing.to_old(&(at..at)))
            .start
    }

    /// The repairs within `range` of the text.
    pub(crate) fn repairs(&self, range: &Range<usize>) -> Tally {
        let mut tally = Tally::default();
        if !self.repairing.0.is_empty() {
            self.repairing.count(range, &mut tally);
        }
        if !self.decoding.0.is_empty() {
            self.decoding
                .count(&self.repairing.to_old(range), &mut tally);
        }
        tally
    }

    /// The repairs up to `end`, where the root element closes.
    pub(crate) fn all_repairs(&self, end: usize) -> Tally {
        let mut tally = self.general.clone();
        self.repairing.count_until(end, &mut tally);
        let end = self.repairing.to_old(&(0..end)).end;
        self.decoding.count_until(end, &mut tally);
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Old `xx<r>&</r>` became new `<r>&amp;</r>`: two bytes dropped, one grown to five.
    fn edits() -> Edits {
        let mut edits = Edits::default();
        edits.push(0..2, 0, Some(RepairKind::LeadingJunk));
        edits.push(5..6, 5, Some(RepairKind::BareAmpersand));
        edits.push(10..13, 0, Some(RepairKind::InnerDeclaration));
        edits
    }

    #[test]
    fn maps_back() {
        let cases = [
            ("whole, without dropped text around it", 0..12, 2..10),
            ("before the edit", 0..3, 2..5),
            ("the edit", 3..8, 5..6),
            ("after the edit", 8..12, 6..10),
            ("within the edit", 4..6, 5..6),
            ("after all", 12..14, 13..15),
        ];
        for (case, new, old) in cases {
            assert_eq!(edits().to_old(&new), old, "{case}");
        }
        assert_eq!(Edits::default().to_old(&(3..5)), 3..5, "no edits");
    }

    #[test]
    fn counts_by_place() {
        let mut tally = Tally::default();
        edits().count(&(0..12), &mut tally);
        let kinds: Vec<_> = tally.into_repairs().iter().map(|r| r.kind).collect();
        assert_eq!(kinds, [RepairKind::BareAmpersand]);
        let mut tally = Tally::default();
        edits().count_until(14, &mut tally);
        assert_eq!(tally.into_repairs().len(), 3);
    }
}
