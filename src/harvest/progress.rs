//! The events of a run, for displays and the status page.

use std::time::Duration;

use crate::end::End;

/// Receives the events of runs. The run itself calls it, so it must be quick and never fail.
pub trait Progress: Send + Sync {
    /// Receives an event of the run over `source`, which is the source's name.
    ///
    /// The events of one source come in order, [`Event::Started`] first and [`Event::Ended`] last.
    /// Events of different sources may be mixed.
    fn event(&self, source: &str, event: Event);
}

/// One event of a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The run begins.
    Started {
        /// The expected number of records, if it is known.
        total: Option<u64>,
    },
    /// A page is stored.
    Page(Page),
    /// The announced number of records, or `None` if the repository announces none.
    Total(Option<u64>),
    /// The run waits before its next request, for longer than the usual pause.
    Waiting {
        /// How long.
        pause: Duration,
        /// The reason, for people.
        why: String,
    },
    /// A message for people.
    Note(String),
    /// The run has ended.
    Ended(End),
}

/// The counts and times of a stored page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Page {
    /// All records of the page.
    pub records: u64,
    /// New records.
    pub new: u64,
    /// Records with other content than before.
    pub changed: u64,
    /// Records that the store had already.
    pub unchanged: u64,
    /// Records that are deleted now and were not before.
    pub deleted: u64,
    /// From the request to the last byte of the answer.
    pub server_wait: Duration,
    /// Parsing and storing.
    pub own_time: Duration,
}
