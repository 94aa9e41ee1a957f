//! What a connection does at the moment, and how long it may go on like that. No I/O and no clock.

use std::time::{Duration, Instant};

/// How many connections there may be, and how long each may make the daemon wait.
#[derive(Debug, Clone)]
pub(in crate::daemon) struct Limits {
    /// The number of connections, from 1.
    pub(in crate::daemon) connections: usize,
    /// Whether HTTP/2 is spoken too.
    pub(in crate::daemon) http2: bool,
    /// From the connection to the end of the first request's head, and from the first byte of a later head
    /// to its end.
    pub(in crate::daemon) head: Duration,
    /// For the whole body of a request.
    pub(in crate::daemon) body: Duration,
    /// Between an answer and the next request.
    pub(in crate::daemon) idle: Duration,
    /// Between two pieces of an answer that the client takes.
    pub(in crate::daemon) stalled: Duration,
    /// For all of an answer.
    pub(in crate::daemon) answer: Duration,
    /// A client that has taken nothing of its answer for so long loses its place if another needs it.
    pub(in crate::daemon) slow: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 128,
            http2: false,
            head: Duration::from_secs(10),
            body: Duration::from_secs(10),
            // Proxies keep idle connections for a minute, and an answer must not meet a closed one.
            idle: Duration::from_secs(75),
            stalled: Duration::from_secs(30),
            answer: Duration::from_secs(15 * 60),
            slow: Duration::from_secs(2),
        }
    }
}

/// Why a connection is closed before its client closes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::daemon::http) enum Cut {
    /// No request came for too long.
    Idle,
    /// A request did not come to its end in time.
    LateRequest,
    /// The client does not take its answer, or takes it too slowly.
    Stalled,
    /// Another connection needed the place.
    Displaced,
    /// There was no place for it.
    Refused,
}

impl Cut {
    /// All reasons.
    pub(in crate::daemon::http) const ALL: [Self; 5] = [
        Self::Idle,
        Self::LateRequest,
        Self::Stalled,
        Self::Displaced,
        Self::Refused,
    ];

    /// The name in metrics.
    pub(in crate::daemon::http) fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::LateRequest => "late_request",
            Self::Stalled => "stalled",
            Self::Displaced => "displaced",
            Self::Refused => "refused",
        }
    }
}

/// What a connection does at the moment.
#[derive(Debug)]
pub(super) struct Activity {
    /// Whether a request has come yet.
    has_asked: bool,
    /// Whether bytes of a next request's head have come. In HTTP/2 bytes can be anything.
    head_begun: bool,
    /// Whether it speaks HTTP/2.
    is_multiplexed: bool,
    /// Since when it waits for a request or its body.
    waiting_since: Instant,
    /// Requests that handlers work on.
    working: usize,
    /// Answers that are not yet taken to their ends.
    answers: usize,
    /// Since when there was always an answer.
    answering_since: Instant,
    /// Whether the system takes no more bytes for the client.
    is_blocked: bool,
    /// When a piece of an answer last left.
    moved: Instant,
}

impl Activity {
    /// A new connection.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            has_asked: false,
            head_begun: false,
            is_multiplexed: false,
            waiting_since: now,
            working: 0,
            answers: 0,
            answering_since: now,
            is_blocked: false,
            moved: now,
        }
    }

    /// Bytes came.
    pub(super) fn received(&mut self, now: Instant) {
        let is_next = self.has_asked && self.working == 0 && self.answers == 0;
        if is_next && !self.head_begun && !self.is_multiplexed {
            self.head_begun = true;
            self.waiting_since = now;
        }
    }

    /// A request's head came to its end.
    pub(super) fn asked(&mut self, now: Instant, is_multiplexed: bool) {
        self.has_asked = true;
        self.is_multiplexed = is_multiplexed;
        self.head_begun = false;
        self.waiting_since = now;
    }

    /// A handler works on a request.
    pub(super) fn begin_work(&mut self) {
        self.working += 1;
    }

    /// A handler has made its answer, or was given up.
    pub(super) fn end_work(&mut self, now: Instant) {
        self.working -= 1;
        self.waiting_since = now;
    }

    /// An answer is to be taken.
    pub(super) fn begin_answer(&mut self, now: Instant) {
        if self.answers == 0 {
            self.answering_since = now;
        }
        self.answers += 1;
        self.head_begun = false;
        self.moved = now;
    }

    /// An answer was taken to its end, or was given up.
    pub(super) fn end_answer(&mut self, now: Instant) {
        self.answers -= 1;
        self.moved = now;
        self.waiting_since = now;
    }

    /// A piece of an answer left.
    pub(super) fn moved(&mut self, now: Instant) {
        if self.is_blocked && self.answers == 0 {
            self.waiting_since = now;
        }
        self.is_blocked = false;
        self.moved = now;
    }

    /// The system takes no more bytes for the client.
    pub(super) fn blocked(&mut self) {
        self.is_blocked = true;
    }

    fn is_answering(&self) -> bool {
        self.answers > 0 || self.is_blocked
    }

    /// Why the connection must be closed now; `None` if it may go on.
    pub(super) fn verdict(&self, now: Instant, limits: &Limits) -> Option<Cut> {
        let past = |since: Instant, limit: Duration| now.saturating_duration_since(since) > limit;
        if self.is_answering() {
            let late = past(self.moved, limits.stalled)
                || (self.answers > 0 && past(self.answering_since, limits.answer));
            return late.then_some(Cut::Stalled);
        }
        if self.working > 0 {
            return None;
        }
        let is_late = !self.has_asked || self.head_begun;
        match is_late {
            true => past(self.waiting_since, limits.head).then_some(Cut::LateRequest),
            false => past(self.waiting_since, limits.idle).then_some(Cut::Idle),
        }
    }

    /// Since when the connection only waits for its client, if another may take its place.
    ///
    /// A connection that a handler works for keeps its place, and so does one that takes its answer.
    pub(super) fn displaceable_since(&self, now: Instant, limits: &Limits) -> Option<Instant> {
        if self.is_answering() {
            return self.stalled_since(now, limits);
        }
        (self.working == 0).then_some(self.waiting_since)
    }

    /// Since when the client has taken nothing of its answer, if it is slow.
    pub(super) fn stalled_since(&self, now: Instant, limits: &Limits) -> Option<Instant> {
        let is_slow = now.saturating_duration_since(self.moved) > limits.slow;
        (self.is_answering() && is_slow).then_some(self.moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection after these steps, each a second and its name.
    fn after(steps: &[(u64, &str)]) -> (Activity, Instant) {
        let begin = Instant::now();
        let mut activity = Activity::new(begin);
        for (second, step) in steps {
            let now = begin + Duration::from_secs(*second);
            match *step {
                "bytes" => activity.received(now),
                "asked" => activity.asked(now, false),
                "work" => activity.begin_work(),
                "made" => activity.end_work(now),
                "answer" => activity.begin_answer(now),
                "moved" => activity.moved(now),
                "blocked" => activity.blocked(),
                "taken" => activity.end_answer(now),
                other => panic!("no step {other}"),
            }
        }
        (activity, begin)
    }

    #[test]
    fn each_wait_for_the_client_ends() {
        const ANSWERED: [(u64, &str); 6] = [
            (0, "bytes"),
            (0, "asked"),
            (0, "work"),
            (1, "made"),
            (1, "answer"),
            (1, "taken"),
        ];
        let more = |steps: &[(u64, &'static str)]| [ANSWERED.as_slice(), steps].concat();
        let dripping: Vec<(u64, &str)> = (0..1_000).map(|second| (second, "moved")).collect();
        let cases = [
            ("never asks", vec![], 10, Cut::LateRequest),
            (
                "half a head",
                vec![(1, "bytes"), (9, "bytes")],
                10,
                Cut::LateRequest,
            ),
            ("keeps the connection", more(&[]), 76, Cut::Idle),
            (
                "half a second head",
                more(&[(20, "bytes"), (29, "bytes")]),
                30,
                Cut::LateRequest,
            ),
            (
                "does not read",
                vec![(0, "asked"), (0, "answer"), (0, "blocked")],
                30,
                Cut::Stalled,
            ),
            (
                "reads a little",
                vec![(0, "asked"), (0, "answer"), (20, "moved")],
                50,
                Cut::Stalled,
            ),
            (
                "does not read the end",
                more(&[(1, "blocked")]),
                31,
                Cut::Stalled,
            ),
            (
                "reads for ever",
                [vec![(0, "asked"), (0, "answer")], dripping].concat(),
                900,
                Cut::Stalled,
            ),
        ];
        let limits = Limits::default();
        for (case, steps, last_second, why) in cases {
            let (activity, begin) = after(&steps);
            let at = |second| activity.verdict(begin + Duration::from_secs(second), &limits);
            if case != "reads for ever" {
                assert_eq!(at(last_second), None, "{case}");
            }
            assert_eq!(at(last_second + 100), Some(why), "{case}");
        }
    }

    #[test]
    fn a_connection_that_is_worked_for_stays() {
        let (activity, begin) = after(&[(0, "asked"), (0, "work"), (50, "bytes")]);
        let (now, limits) = (begin + Duration::from_secs(1_000), Limits::default());
        assert_eq!(activity.verdict(now, &limits), None);
        assert_eq!(activity.displaceable_since(now, &limits), None);
    }

    #[test]
    fn who_only_waits_for_the_client_gives_way() {
        let cases = [
            ("new", vec![], 0, Some(0)),
            ("half a head", vec![(3, "bytes")], 5, Some(0)),
            ("a body that does not come", vec![(3, "asked")], 5, Some(3)),
            (
                "takes its answer",
                vec![(0, "asked"), (0, "answer"), (4, "moved")],
                5,
                None,
            ),
            (
                "takes nothing",
                vec![(0, "asked"), (0, "answer"), (4, "moved")],
                7,
                Some(4),
            ),
        ];
        let limits = Limits::default();
        for (case, steps, second, expected) in cases {
            let (activity, begin) = after(&steps);
            let now = begin + Duration::from_secs(second);
            assert_eq!(
                activity.displaceable_since(now, &limits),
                expected.map(|second| begin + Duration::from_secs(second)),
                "{case}"
            );
        }
    }
}
