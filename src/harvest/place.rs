//! The places of hosts that are harvested at the same time, and who takes one.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// A request that is not answered for this long takes no place any more, until its answer comes.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// A pause of at least this length takes no place.
pub(super) const LONG_PAUSE: Duration = Duration::from_secs(2);

/// For each place there are at most this many runs, waiting ones included. What waits takes memory.
const RUNS_FOR_EACH_PLACE: usize = 16;

/// The place of one run. A run that only waits, for a host that is slow or asked for a pause, leaves it to
/// others. When it goes on it takes a place again, even if none is free: it waits no longer than its host.
///
/// The default is a place that nobody else wants.
#[derive(Clone, Default)]
pub struct Place(Arc<Waiting>);

#[derive(Default)]
struct Waiting {
    waits: AtomicUsize,
    left: Arc<Notify>,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Place").field(&self.is_taken()).finish()
    }
}

impl Place {
    /// A place that is taken. `left` is told each time when it becomes free.
    pub fn new(left: Arc<Notify>) -> Self {
        Self(Arc::new(Waiting {
            waits: AtomicUsize::new(0),
            left,
        }))
    }

    /// Whether the run takes its place now.
    pub fn is_taken(&self) -> bool {
        self.0.waits.load(Ordering::Relaxed) == 0
    }

    /// Leaves the place until the value is dropped.
    pub(super) fn leave(&self) -> Left {
        self.0.waits.fetch_add(1, Ordering::Relaxed);
        self.0.left.notify_one();
        Left(Arc::clone(&self.0))
    }
}

/// A run is not in its place.
pub(super) struct Left(Arc<Waiting>);

impl Drop for Left {
    fn drop(&mut self) {
        self.0.waits.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether one more run may begin, if `places` are those of the runs that are under way and `most` hosts may
/// be harvested at the same time.
pub fn has_room<'a>(places: impl IntoIterator<Item = &'a Place>, most: usize) -> bool {
    let (mut runs, mut taken) = (0, 0);
    for place in places {
        runs += 1;
        taken += usize::from(place.is_taken());
    }
    taken < most && runs < most.saturating_mul(RUNS_FOR_EACH_PLACE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_waits_leaves_its_place() {
        let place = Place::default();
        let left = place.leave();
        let longer = place.leave();
        drop(left);
        assert!(!place.is_taken());
        drop(longer);
        assert!(place.is_taken());
    }

    #[test]
    fn waiting_runs_make_room_up_to_a_limit() {
        let places: Vec<Place> = std::iter::repeat_with(Place::default).take(3).collect();
        assert!(has_room(&places, 4));
        assert!(!has_room(&places, 3));
        let _left = places[0].leave();
        assert!(has_room(&places, 3));
        let many: Vec<Place> = std::iter::repeat_with(Place::default).take(48).collect();
        let _all_left: Vec<Left> = many.iter().map(Place::leave).collect();
        assert!(!has_room(&many, 3));
        assert!(has_room(&many, 4));
    }
}
