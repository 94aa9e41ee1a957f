//! When each host was asked last and how slowly it wants to be asked, for all sources of a process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The pace at which hosts are asked. Clones are one and the same; whoever asks a host in this process
/// needs to have one.
///
/// A host counts requests by the address they come from, not by the source that they are for.
#[derive(Debug, Clone, Default)]
pub struct Pace(Arc<Mutex<HashMap<String, Host>>>);

#[derive(Debug, Default)]
struct Host {
    last_end: Option<Instant>,
    /// The pause between two requests, where the host has asked us to slow down.
    slowed: Option<Duration>,
}

/// A host that slows us down is asked no less often than this.
const LONGEST_DELAY: Duration = Duration::from_secs(60);

impl Pace {
    /// How long the next request has yet to wait, where the pause between two is `delay`.
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

    /// The host wants to be asked less often.
    pub(super) fn slow_down(&self, host: &str, delay: Duration) {
        let mut hosts = self.hosts();
        let slowed = &mut hosts.entry(host.to_owned()).or_default().slowed;
        let doubled = slowed.unwrap_or(delay).max(delay) * 2;
        *slowed = Some(doubled.clamp(Duration::from_millis(100), LONGEST_DELAY));
    }

    /// The host has answered: step by step, back to `delay`.
    pub(super) fn speed_up(&self, host: &str, delay: Duration) {
        if let Some(host) = self.hosts().get_mut(host) {
            host.slowed = host
                .slowed
                .map(|slowed| slowed * 15 / 16)
                .filter(|slowed| *slowed > delay);
        }
    }

    fn hosts(&self) -> MutexGuard<'_, HashMap<String, Host>> {
        // Each change is whole by itself, so whoever panicked left nothing half done.
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
        // Whoever is slower by itself stays so.
        assert_eq!(other.left("a", 9 * second), 9 * second);
        for _ in 0..100 {
            one.slow_down("a", second);
        }
        assert_eq!(other.left("a", second), LONGEST_DELAY);
        for _ in 0..100 {
            other.speed_up("a", second);
        }
        assert_eq!(one.left("a", second), second);
    }
}
