//! What a pass tells whoever watches it.

use std::time::Duration;

use crate::end::End;

/// Takes the events of passes. Called from the pass itself, so it must be quick and never fail.
pub trait Progress: Send + Sync {
    /// Something happened in the pass over `source`, which is the source's name.
    ///
    /// The events of one source come in order, [`Event::Started`] first and [`Event::Ended`] last;
    /// those of different sources may be mixed.
    fn event(&self, source: &str, event: Event);
}

/// One step of a pass.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The pass begins.
    Started {
        /// How many records the pass will see, if that is known beforehand.
        total: Option<u64>,
    },
    /// A page is committed.
    Page(Page),
    /// The repository has another idea of how many records the pass will see, or none.
    Total(Option<u64>),
    /// The pass waits before its next request, for longer than the usual pause.
    Waiting {
        /// How long.
        pause: Duration,
        /// What for, for people.
        why: String,
    },
    /// Something that people should know, once.
    Note(String),
    /// The pass is over.
    Ended(End),
}

/// What a committed page held, and what it cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Page {
    /// All records of the page.
    pub records: u64,
    /// Those that the store did not have.
    pub new: u64,
    /// Those with other content than before.
    pub changed: u64,
    /// Those that the store had already.
    pub unchanged: u64,
    /// Those that are now deleted and were not before.
    pub deleted: u64,
    /// From the request to the last byte of the answer.
    pub server_wait: Duration,
    /// Parsing and storing.
    pub own_time: Duration,
}
