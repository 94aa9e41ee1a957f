//! What a pass finds out, step by step, and what storing a step leads to.

use serde::Serialize;

use super::{Ending, NewWindow, Place, Watermark, WindowId};
use crate::oai::response::BadItem;
use crate::oai::{Datestamp, Record, ResumptionToken};

/// Something that a pass has found out, to be stored.
#[derive(Debug, Clone)]
pub enum Step {
    /// A page of a window.
    Page(PageStep),
    /// A window is replaced by smaller ones.
    Split {
        /// The window.
        window: WindowId,
        /// What replaces it; together they cover it.
        into: Vec<NewWindow>,
        /// Why.
        note: String,
    },
    /// A window is to be read again from its beginning.
    Restart {
        /// The window.
        window: WindowId,
        /// Why.
        note: String,
    },
    /// Records that a full list did not show have been asked for one by one.
    Reconcile {
        /// Those that the repository has after all.
        found: Vec<Record>,
        /// The identifiers of those that it does not have.
        gone: Vec<String>,
        /// What it took.
        cost: Cost,
    },
    /// A reading of a window has ended without a page that could be stored.
    End {
        /// The window.
        window: WindowId,
        /// How.
        ending: Ending,
        /// What it took.
        cost: Cost,
    },
}

impl Step {
    /// The records that the step brings.
    pub(super) fn records(&self) -> &[Record] {
        match self {
            Self::Page(page) => &page.records,
            Self::Reconcile { found, .. } => found,
            Self::Split { .. } | Self::Restart { .. } | Self::End { .. } => &[],
        }
    }
}

/// The place of a page in the reading of its window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PageOrder {
    /// A later page.
    #[default]
    Later,
    /// The first page.
    First {
        /// How far the page proves its list; `None` if that is the window's own `until`, or nothing.
        bound: Option<Datestamp>,
    },
}

/// What one page brought.
#[derive(Debug, Clone, Default)]
pub struct PageStep {
    /// The window; [`Step::Page`] of another pass's window is an error.
    pub window: WindowId,
    /// Whether the page is the first of a reading.
    pub order: PageOrder,
    /// The records.
    pub records: Vec<Record>,
    /// The page lists identifiers, so that its records are headers and say nothing of content.
    pub only_headers: bool,
    /// The items that cannot become records.
    pub bad: Vec<BadItem>,
    /// How far the list reaches by a later page, where that is less far than its first page said.
    pub lowers: Option<Datestamp>,
    /// Items that were set aside, and that the repository does not have any more.
    pub gone: Vec<String>,
    /// How to go on.
    pub token: Option<ResumptionToken>,
    /// Where the list stands by datestamps, if that is known.
    pub place: Option<Place>,
    /// `completeListSize` as this page states it.
    pub list_size: Option<u64>,
    /// How the window ends with this page, if it does.
    pub ending: Option<Ending>,
    /// What it took.
    pub cost: Cost,
}

impl PageStep {
    /// The number of items of the page, readable or not.
    pub fn items(&self) -> u64 {
        (self.records.len() + self.bad.len()) as u64
    }
}

/// What it took to get something from a repository.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Requests sent, failed ones included.
    pub requests: u64,
    /// Bytes received over the wire.
    pub bytes: u64,
    /// Time spent waiting for the server, pauses included, in milliseconds.
    pub wait_ms: u64,
}

impl Cost {
    /// What both took together.
    pub fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            bytes: self.bytes + other.bytes,
            wait_ms: self.wait_ms + other.wait_ms,
        }
    }
}

/// What became of the records of a page or a pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Records that the store did not have, tombstones included.
    pub new: u64,
    /// Records with other content than before.
    pub changed: u64,
    /// Records as they were.
    pub unchanged: u64,
    /// Records that were live and are deleted now.
    pub deleted: u64,
    /// Items set aside.
    pub quarantined: u64,
    /// Records that had to be mended to be read.
    pub repaired: u64,
}

impl Counts {
    /// All records seen.
    pub fn records(&self) -> u64 {
        self.new + self.changed + self.unchanged + self.deleted
    }

    /// Adds another count to this one.
    pub fn add(&mut self, other: &Self) {
        self.new += other.new;
        self.changed += other.changed;
        self.unchanged += other.unchanged;
        self.deleted += other.deleted;
        self.quarantined += other.quarantined;
        self.repaired += other.repaired;
    }
}

/// What a stored step led to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Applied {
    /// What became of the records.
    pub counts: Counts,
    /// The watermark that moved, because the step completed a list.
    pub watermark: Option<Watermark>,
    /// Whether the step completed the pass.
    pub pass_complete: bool,
}
