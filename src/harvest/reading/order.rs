//! The order of a list by datestamps, and the place up to which it was read.

use std::cmp::Ordering;

use crate::oai::Record;
use crate::store::Place;

/// The order of a list, as its items show it.
#[derive(Debug)]
pub(super) struct Order {
    /// The last item, as long as the list is sorted.
    place: Option<Place>,
    /// How the first two different datestamps compare; all others have to compare the same way.
    way: Option<Ordering>,
    is_sorted: bool,
}

impl Order {
    /// A list that begins, or that was interrupted at `place` and has the repository's usual order.
    pub(super) fn new(resumed: bool, place: Option<Place>, newest_first: Option<bool>) -> Self {
        let way = |newest_first| {
            if newest_first {
                Ordering::Less
            } else {
                Ordering::Greater
            }
        };
        Self {
            place: place.filter(|_| resumed),
            way: newest_first.filter(|_| resumed).map(way),
            is_sorted: !resumed || place.is_some(),
        }
    }

    /// Takes up the items of the next page.
    pub(super) fn follow(&mut self, items: &[Record]) {
        for record in items {
            let at = record.header.instant();
            let Some(datestamp) = at.filter(|_| self.is_sorted) else {
                self.is_sorted = false;
                self.place = None;
                return;
            };
            let step = self.place.map(|place| datestamp.cmp(&place.datestamp));
            let items = match (step, self.place) {
                (Some(Ordering::Equal), Some(place)) => place.items + 1,
                _ => 1,
            };
            let turned = step.filter(|step| *step != Ordering::Equal);
            self.is_sorted = turned.is_none_or(|step| self.way.is_none_or(|way| way == step));
            self.way = self.way.or(turned);
            self.place = self.is_sorted.then_some(Place { datestamp, items });
        }
    }

    /// The place up to which the list was read; `None` if it is not sorted.
    pub(super) fn place(&self) -> Option<Place> {
        self.place
    }

    /// Whether the newest items come first; `None` if that is unknown or the list is not sorted.
    pub(super) fn newest_first(&self) -> Option<bool> {
        self.way
            .filter(|_| self.is_sorted)
            .map(|way| way == Ordering::Less)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oai::{Datestamp, Header};

    fn items(seconds: &[i64]) -> Vec<Record> {
        let record = |second: &i64| {
            Record::tombstone(Header {
                identifier: "oai:x:1".to_owned(),
                datestamp: Datestamp::from_unix(*second).to_string(),
                set_specs: Vec::new(),
                deleted: true,
            })
        };
        seconds.iter().map(record).collect()
    }

    #[test]
    fn the_place_is_the_last_datestamp_of_a_sorted_list() {
        type Case<'a> = (&'a str, &'a [&'a [i64]], Option<(i64, u64)>, Option<bool>);
        let cases: [Case; 7] = [
            ("nothing yet", &[&[]], None, None),
            ("one datestamp", &[&[5], &[5, 5]], Some((5, 3)), None),
            (
                "oldest first",
                &[&[5, 5], &[6, 6]],
                Some((6, 2)),
                Some(false),
            ),
            (
                "newest first",
                &[&[6], &[5], &[5, 4]],
                Some((4, 1)),
                Some(true),
            ),
            (
                "an empty page",
                &[&[5, 6], &[], &[6]],
                Some((6, 2)),
                Some(false),
            ),
            ("it turns", &[&[5, 6], &[5]], None, None),
            ("it turned once", &[&[5, 6, 5], &[7]], None, None),
        ];
        for (case, pages, place, newest_first) in cases {
            let mut order = Order::new(false, None, None);
            for page in pages {
                order.follow(&items(page));
            }
            let found = order
                .place()
                .map(|place| (place.datestamp.unix(), place.items));
            assert_eq!(found, place, "{case}");
            assert_eq!(order.newest_first(), newest_first, "{case}");
        }
    }

    #[test]
    fn an_interrupted_list_keeps_its_order() {
        let place = Some(Place {
            datestamp: Datestamp::from_unix(5),
            items: 2,
        });
        let mut order = Order::new(true, place, Some(false));
        order.follow(&items(&[5]));
        assert_eq!(order.place().map(|place| place.items), Some(3));
        order.follow(&items(&[4]));
        assert_eq!(order.place(), None);
        // Without a place, it was not sorted before.
        let mut order = Order::new(true, None, Some(false));
        order.follow(&items(&[5]));
        assert_eq!(order.place(), None);
        // Without a datestamp, none is known.
        let mut order = Order::new(false, None, None);
        let mut odd = items(&[5]);
        odd[0].header.datestamp = "yesterday".to_owned();
        order.follow(&odd);
        assert_eq!(order.place(), None);
    }
}
