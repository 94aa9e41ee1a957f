//! Chooses the canonical record of a cluster.

use std::cmp::{Ordering, Reverse};

/// The properties of a member that the choice depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member<'a, R> {
    /// The record; ties are broken by its order.
    pub record: R,
    /// The source that it was harvested from.
    pub source: &'a str,
    /// The number of known fields: [`super::description::Description::filled`], or another count.
    pub filled: usize,
    /// When the record was first stored, as any number that grows with time.
    pub since: u64,
}

/// The canonical record of a cluster; `None` only without members.
///
/// A record with no known field never wins over another, since it gives no document. Then the order
/// of sources decides: those that `order` does not name come last and are equal. Then the record
/// with more known fields wins, then the older one, then the order of records. The caller leaves
/// out deleted records, so that the next best member takes over.
pub fn preferred<'m, R: Ord>(
    members: &'m [Member<'_, R>],
    order: &[String],
) -> Option<&'m Member<'m, R>> {
    members.iter().min_by(|a, b| by_preference(a, b, order))
}

/// Orders the members of a cluster, the canonical record first.
///
/// This is the order of [`preferred`]. It is total if records are distinct.
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
