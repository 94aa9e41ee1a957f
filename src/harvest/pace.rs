//! The pauses between requests to each host, for all sources of a process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The pauses between requests to each host. Clones share their state, and each run of a process needs
/// one of them: a host counts requests by client address, not by source.
#[derive(Debug, Clone, Default)]
pub struct Pace(Arc<Mutex<HashMap<String, Host>>>);

#[derive(Debug, Default)]
struct Host {
    last_end: Option<Instant>,
    /// The pause between two requests, where the host has asked us to slow down.
    slowed: Option<Duration>,
}

/// A host that slows us down is asked at least this often.
const MAX_DELAY: Duration = Duration::from_secs(60);

impl Pace {
    /// The time until the next request, if the pause between two requests is `delay`.
    pub(super) fn left(&self, host: &str, delay: Duration) -> Duration {
        let hosts = self.hosts();
        let Some(host) = hosts.get(host) else {
            return Duration::ZERO;
        };
        let delay = host.slowed.map_or(delay, |slowed| slowed.max(delay));
        host.last_end
            .map_or(Duration::ZERO, |end| delay.saturating_sub(end.elapsed()))
    }

    /// A request has ended just now.
    pub(super) fn asked(&self, host: &str) {
        self.hosts().entry(host.to_owned()).or_default().last_end = Some(Instant::now());
    }

    /// The host wants fewer requests.
    pub(super) fn slow_down(&self, host: &str, delay: Duration) {
        let mut hosts = self.hosts();
        let slowed = &mut hosts.entry(host.to_owned()).or_default().slowed;
        let doubled = slowed.unwrap_or(delay).max(delay) * 2;
        *slowed = Some(doubled.clamp(Duration::from_millis(100), MAX_DELAY));
    }

    /// The host has answered: shortens the pause step by step, down to `delay`.
    pub(super) fn speed_up(&self, host: &str, delay: Duration) {
        if let Some(host) = self.hosts().get_mut(host) {
            host.slowed = host
                .slowed
                .map(|slowed| slowed * 15 / 16)
                .filter(|slowed| *slowed > delay);
        }
    }

    fn hosts(&self) -> MutexGuard<'_, HashMap<String, Host>> {
        // Each change is complete by itself, so a panic leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn sources_of_one_host_share_its_pace() {
        let second = Duration::from_secs(1);
        let (one, other) = {
            let pace = Pace::default();
            (pace.clone(), pace)
        };
        assert_eq!(one.left("a", second), Duration::ZERO, "never asked");
        one.asked("a");
        assert_eq!(other.left("a", second), second);
        assert_eq!(other.left("b", second), Duration::ZERO);
        tokio::time::advance(Duration::from_millis(400)).await;
        assert_eq!(other.left("a", second), Duration::from_millis(600));
        one.slow_down("a", second);
        one.slow_down("a", second);
        one.asked("a");
        assert_eq!(other.left("a", second), 4 * second);
        // A longer configured pause stays.
        assert_eq!(other.left("a", 9 * second), 9 * second);
        for _ in 0..100 {
            one.slow_down("a", second);
        }
        assert_eq!(other.left("a", second), MAX_DELAY);
        for _ in 0..100 {
            other.speed_up("a", second);
        }
        assert_eq!(one.left("a", second), second);
    }
}
