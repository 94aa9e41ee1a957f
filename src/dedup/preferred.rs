//! Which member of a cluster stands for it.

use std::cmp::{Ordering, Reverse};

/// A member as far as the choice depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member<'a, R> {
    /// The record; its order breaks ties.
    pub record: R,
    /// The source that it was harvested from.
    pub source: &'a str,
    /// How much it says: [`super::description::Description::filled`], or another count.
    pub filled: usize,
    /// When it was first stored, as any number that grows with time.
    pub since: u64,
}

/// The member that stands for its cluster; `None` only for no members.
///
/// One of which anything is known wins over one of which nothing is, since no document can be made
/// of that. Then the source that comes first in `order` wins, sources that it does not name come
/// last and are equal; then the fuller record, then the older one, then the order of records.
/// Deleted records are not to be handed in: when the preferred one vanishes, the next takes its
/// place.
pub fn preferred<'m, R: Ord>(
    members: &'m [Member<'_, R>],
    order: &[String],
) -> Option<&'m Member<'m, R>> {
    members.iter().min_by(|a, b| by_preference(a, b, order))
}

/// Orders the members of a cluster: the one that stands for it, then who would come next.
///
/// The order of [`preferred`]; total if records are distinct.
pub fn by_preference<R: Ord>(a: &Member<'_, R>, b: &Member<'_, R>, order: &[String]) -> Ordering {
    let rank = |member: &Member<'_, R>| {
        order
            .iter()
            .position(|source| source == member.source)
            .unwrap_or(order.len())
    };
    let key = |m: &Member<'_, R>| (m.filled == 0, rank(m), Reverse(m.filled), m.since);
    key(a).cmp(&key(b)).then_with(|| a.record.cmp(&b.record))
}

#[cfg(test)]
mod tests {
    use super::{Member, preferred};

    #[test]
    fn order_then_fullness_then_age() {
        let member = |record, source, filled, since| Member {
            record,
            source,
            filled,
            since,
        };
        let order = ["doaj".to_owned(), "repo".to_owned()];
        for (case, members, want) in [
            (
                "nothing known",
                vec![member(1, "doaj", 0, 1), member(2, "other", 1, 9)],
                Some(2),
            ),
            (
                "source",
                vec![member(1, "repo", 9, 1), member(2, "doaj", 3, 9)],
                Some(2),
            ),
            (
                "unnamed source",
                vec![member(1, "other", 9, 1), member(2, "repo", 3, 9)],
                Some(2),
            ),
            (
                "fullness",
                vec![member(1, "doaj", 3, 1), member(2, "doaj", 4, 9)],
                Some(2),
            ),
            (
                "age",
                vec![member(1, "doaj", 3, 9), member(2, "doaj", 3, 8)],
                Some(2),
            ),
            (
                "order of records",
                vec![member(2, "doaj", 3, 1), member(1, "doaj", 3, 1)],
                Some(1),
            ),
            ("nobody", vec![], None),
        ] {
            assert_eq!(
                preferred(&members, &order).map(|m| m.record),
                want,
                "{case}"
            );
        }
    }
}
