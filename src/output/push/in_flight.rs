//! The batches of a push that are in flight. Their results arrive in any order and are taken in the
//! order of versions.

use std::collections::{HashSet, VecDeque};

use super::batch::Batch;
use super::deliver::{DeliverError, Delivered};
use crate::store::Version;

/// Batches between their sending and the taking of their results.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    /// The number of the first of them.
    first: usize,
    /// Each with its result, once that has arrived.
    batches: VecDeque<(SentBatch, Option<BatchResult>)>,
}

/// A batch without its changes.
#[derive(Debug)]
pub(crate) struct SentBatch {
    /// The number of records that were read for it.
    pub(crate) records: u64,
    /// Once the batch is confirmed, all changes up to this version are.
    pub(crate) upto: Version,
    /// The ids of its documents.
    pub(crate) ids: HashSet<String>,
}

/// The result of a batch.
pub(crate) type BatchResult = Result<Delivered, DeliverError>;

impl InFlight {
    /// The number of batches, with or without a result.
    pub(crate) fn len(&self) -> usize {
        self.batches.len()
    }

    /// Adds a batch that is sent now, and gives its number.
    pub(crate) fn start(&mut self, batch: &Batch) -> usize {
        let ids = batch.changes.iter().map(|change| change.id.clone());
        let sent = SentBatch {
            records: batch.records,
            upto: batch.upto,
            ids: ids.collect(),
        };
        self.batches.push_back((sent, None));
        self.first + self.batches.len() - 1
    }

    /// Keeps the result of the batch with this number of [`InFlight::start`].
    pub(crate) fn finish(&mut self, number: usize, result: BatchResult) {
        let place = number.checked_sub(self.first);
        if let Some((_, kept)) = place.and_then(|place| self.batches.get_mut(place)) {
            *kept = Some(result);
        }
    }

    /// Removes the first batch, if it has a result.
    pub(crate) fn take_finished(&mut self) -> Option<(SentBatch, BatchResult)> {
        let result = self.batches.front_mut()?.1.take()?;
        let (sent, _) = self.batches.pop_front()?;
        self.first += 1;
        Some((sent, result))
    }

    /// Whether one of the batch's documents is in flight in another state. Sent at the same time, the
    /// older state could arrive after the newer one.
    pub(crate) fn has_any_of(&self, batch: &Batch) -> bool {
        let mut ids = batch.changes.iter().map(|change| &change.id);
        ids.any(|id| self.batches.iter().any(|(sent, _)| sent.ids.contains(id)))
    }

    /// The ids of the documents in batches without a result.
    pub(crate) fn unconfirmed_ids(&self) -> impl Iterator<Item = &String> {
        let unconfirmed = self.batches.iter().filter(|(_, result)| result.is_none());
        unconfirmed.flat_map(|(sent, _)| &sent.ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::push::batch::deletion;
    use crate::output::push::tests::settings;

    fn batch(upto: i64, ids: &[&str]) -> Batch {
        let settings = settings();
        Batch {
            changes: ids
                .iter()
                .map(|id| deletion(id, Version(upto), &settings))
                .collect(),
            records: 10,
            upto: Version(upto),
            ..Batch::default()
        }
    }

    #[test]
    fn results_are_taken_in_the_order_of_sending() {
        let mut in_flight = InFlight::default();
        let numbers = [1, 2, 3].map(|upto| in_flight.start(&batch(upto, &["a"])));
        let mut taken: Vec<i64> = Vec::new();
        for finished in [2, 0, 1] {
            in_flight.finish(numbers[finished], Ok(Delivered::default()));
            while let Some((sent, _)) = in_flight.take_finished() {
                taken.push(sent.upto.0);
            }
            match finished {
                2 => assert!(taken.is_empty()),
                0 => assert_eq!(taken, [1]),
                _ => assert_eq!(taken, [1, 2, 3]),
            }
        }
        assert_eq!(in_flight.len(), 0);
        let next = in_flight.start(&batch(4, &["b"]));
        in_flight.finish(next, Ok(Delivered::default()));
        assert_eq!(
            in_flight.take_finished().map(|(sent, _)| sent.upto),
            Some(Version(4))
        );
    }

    #[test]
    fn a_document_is_in_flight_until_its_result_is_taken() {
        let mut in_flight = InFlight::default();
        let number = in_flight.start(&batch(1, &["a", "b"]));
        assert!(in_flight.has_any_of(&batch(2, &["c", "b"])));
        assert!(!in_flight.has_any_of(&batch(2, &["c"])));
        in_flight.finish(number, Ok(Delivered::default()));
        assert!(in_flight.has_any_of(&batch(2, &["b"])));
        assert!(in_flight.take_finished().is_some());
        assert!(!in_flight.has_any_of(&batch(2, &["b"])));
    }
}
