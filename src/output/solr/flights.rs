//! The batches of a push that are under way: they come back in any order and are handed on in theirs.

use std::collections::{HashSet, VecDeque};

use super::batch::Batch;
use super::deliver::{DeliverError, Delivered};
use crate::store::Version;

/// Batches between their sending and their place in the order of versions.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    /// The number of the first of them.
    first: usize,
    /// Each with what became of it, once it has come back.
    flights: VecDeque<(Flight, Option<Landing>)>,
}

/// A batch, without what is sent.
#[derive(Debug)]
pub(crate) struct Flight {
    /// How many records were read for it.
    pub(crate) records: u64,
    /// Once it is confirmed, all changes up to here are.
    pub(crate) upto: Version,
    /// The ids of its documents.
    pub(crate) ids: HashSet<String>,
}

/// What became of a batch.
pub(crate) type Landing = Result<Delivered, DeliverError>;

impl Flights {
    /// How many there are, come back or not.
    pub(crate) fn len(&self) -> usize {
        self.flights.len()
    }

    /// Notes that a batch is sent now, and gives its number.
    pub(crate) fn start(&mut self, batch: &Batch) -> usize {
        let ids = batch.changes.iter().map(|change| change.id.clone());
        let flight = Flight {
            records: batch.records,
            upto: batch.upto,
            ids: ids.collect(),
        };
        self.flights.push_back((flight, None));
        self.first + self.flights.len() - 1
    }

    /// Notes what became of the batch with a number that [`Flights::start`] gave.
    pub(crate) fn land(&mut self, number: usize, landing: Landing) {
        let place = number.checked_sub(self.first);
        if let Some((_, landed)) = place.and_then(|place| self.flights.get_mut(place)) {
            *landed = Some(landing);
        }
    }

    /// Takes out the first, if it has come back.
    pub(crate) fn take_landed(&mut self) -> Option<(Flight, Landing)> {
        let landing = self.flights.front_mut()?.1.take()?;
        let (flight, _) = self.flights.pop_front()?;
        self.first += 1;
        Some((flight, landing))
    }

    /// Whether another state of one of the batch's documents is among them: if both were under way, the
    /// older one could arrive after the newer one.
    pub(crate) fn has_any_of(&self, batch: &Batch) -> bool {
        let mut ids = batch.changes.iter().map(|change| &change.id);
        ids.any(|id| {
            self.flights
                .iter()
                .any(|(flight, _)| flight.ids.contains(id))
        })
    }

    /// The ids of the documents in those that have not come back.
    pub(crate) fn ids_under_way(&self) -> impl Iterator<Item = &String> {
        let under_way = self.flights.iter().filter(|(_, landed)| landed.is_none());
        under_way.flat_map(|(flight, _)| &flight.ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::solr::batch::deletion;

    fn batch(upto: i64, ids: &[&str]) -> Batch {
        Batch {
            changes: ids.iter().map(|id| deletion(id)).collect(),
            records: 10,
            upto: Version(upto),
            ..Batch::default()
        }
    }

    #[test]
    fn batches_are_handed_on_in_the_order_in_which_they_were_sent() {
        let mut flights = Flights::default();
        let numbers = [1, 2, 3].map(|upto| flights.start(&batch(upto, &["a"])));
        let mut handed_on: Vec<i64> = Vec::new();
        for landed in [2, 0, 1] {
            flights.land(numbers[landed], Ok(Delivered::default()));
            while let Some((flight, _)) = flights.take_landed() {
                handed_on.push(flight.upto.0);
            }
            match landed {
                2 => assert!(handed_on.is_empty()),
                0 => assert_eq!(handed_on, [1]),
                _ => assert_eq!(handed_on, [1, 2, 3]),
            }
        }
        assert_eq!(flights.len(), 0);
        let next = flights.start(&batch(4, &["b"]));
        flights.land(next, Ok(Delivered::default()));
        assert_eq!(
            flights.take_landed().map(|(flight, _)| flight.upto),
            Some(Version(4))
        );
    }

    #[test]
    fn a_document_meets_itself_until_its_batch_is_handed_on() {
        let mut flights = Flights::default();
        let number = flights.start(&batch(1, &["a", "b"]));
        assert!(flights.has_any_of(&batch(2, &["c", "b"])));
        assert!(!flights.has_any_of(&batch(2, &["c"])));
        flights.land(number, Ok(Delivered::default()));
        assert!(flights.has_any_of(&batch(2, &["b"])));
        assert!(flights.take_landed().is_some());
        assert!(!flights.has_any_of(&batch(2, &["b"])));
    }
}
