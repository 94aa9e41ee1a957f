//! The steps of a pass, and the results of storing them.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Ending, NewWindow, Place, Watermark, WindowId};
use crate::oai::response::BadItem;
use crate::oai::{Datestamp, Record, ResumptionToken};

/// A result of a pass that is to be stored.
#[derive(Debug, Clone)]
pub enum Step {
    /// A page of a window.
    Page(PageStep),
    /// A window is replaced by smaller ones.
    Split {
        /// The window.
        window: WindowId,
        /// The windows that replace it; together they cover it.
        into: Vec<NewWindow>,
        /// Why.
        note: String,
        /// Whether the window is split because it failed.
        has_failed: bool,
    },
    /// A window is read again from its beginning.
    Restart {
        /// The window.
        window: WindowId,
        /// Why.
        note: String,
    },
    /// Records that a full list did not show were requested one by one.
    Reconcile {
        /// The records that the repository has after all.
        found: Vec<Record>,
        /// The identifiers of the records that it no longer has.
        gone: Vec<String>,
        /// The cost of the requests.
        cost: Cost,
    },
    /// The lists of the pass have ended, for now at least, and GetRecord was asked about records that
    /// are listed in several states.
    ResolveContradictions {
        /// The answers: live records and tombstones.
        found: Vec<Record>,
        /// The identifiers that the repository does not know.
        unknown: Vec<String>,
    },
    /// The reading of a window has ended without a page to store.
    End {
        /// The window.
        window: WindowId,
        /// How it ended.
        ending: Ending,
        /// The cost of the requests.
        cost: Cost,
    },
    /// The pass ends. What it could not read becomes gaps, or is read by the next pass.
    LeaveGaps {
        /// The sets of which no list was answered in this run. If the pass has read nothing of them, the next
        /// pass reads them from the same start, and they get no gaps.
        unanswered: Vec<Option<String>>,
    },
}

impl Step {
    /// About how much memory the texts of its items take, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let record = |record: &Record| {
            let texts = [&record.metadata, &record.extra];
            let texts: usize = texts.into_iter().flatten().map(String::len).sum();
            texts + record.raw.as_ref().map_or(0, Vec::len) + size_of::<Record>()
        };
        let bad = match self {
            Self::Page(page) => page.bad.iter().map(|item| item.raw.len()).sum(),
            _ => 0,
        };
        self.records().iter().map(record).sum::<usize>() + bad
    }

    /// The records of the step.
    pub(super) fn records_mut(&mut self) -> &mut [Record] {
        match self {
            Self::Page(page) => &mut page.records,
            Self::Reconcile { found, .. } | Self::ResolveContradictions { found, .. } => found,
            Self::Split { .. }
            | Self::Restart { .. }
            | Self::End { .. }
            | Self::LeaveGaps { .. } => &mut [],
        }
    }

    /// The records of the step.
    pub(super) fn records(&self) -> &[Record] {
        match self {
            Self::Page(page) => &page.records,
            Self::Reconcile { found, .. } | Self::ResolveContradictions { found, .. } => found,
            Self::Split { .. }
            | Self::Restart { .. }
            | Self::End { .. }
            | Self::LeaveGaps { .. } => &[],
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

/// One page of a window.
#[derive(Debug, Clone, Default)]
pub struct PageStep {
    /// The window; it must be one of the writer's pass.
    pub window: WindowId,
    /// Whether the page is the first of a reading.
    pub order: PageOrder,
    /// The records.
    pub records: Vec<Record>,
    /// Whether a list shows the records. It may contradict itself or another list, so that the tombstone
    /// of a live record waits for the end of the list. Otherwise the records came one by one, and are
    /// stored as they are.
    pub is_list: bool,
    /// The identifiers of those records of a list that were requested one by one.
    pub by_name: BTreeSet<String>,
    /// Whether the page is one of ListIdentifiers: its records are headers without content.
    pub only_headers: bool,
    /// The items that cannot become records.
    pub bad: Vec<BadItem>,
    /// How far a later page proves the list, if that is less than the first page.
    pub lowers: Option<Datestamp>,
    /// The identifiers of quarantined items that the repository no longer has.
    pub gone: Vec<String>,
    /// The token of the next page.
    pub token: Option<ResumptionToken>,
    /// The position reached in the list, if it is sorted.
    pub place: Option<Place>,
    /// `completeListSize` as this page states it.
    pub list_size: Option<u64>,
    /// How the window ends with this page, if it does.
    pub ending: Option<Ending>,
    /// The cost of the requests.
    pub cost: Cost,
}

impl PageStep {
    /// The number of items of the page, readable or not.
    pub fn items(&self) -> u64 {
        (self.records.len() + self.bad.len()) as u64
    }
}

/// The cost of requests to a repository.
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
    /// The sum of two costs.
    pub fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            bytes: self.bytes + other.bytes,
            wait_ms: self.wait_ms + other.wait_ms,
        }
    }
}

/// What happened to the records of a page or a pass.
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
    /// Items put into quarantine.
    pub quarantined: u64,
    /// Records that had to be repaired to be read.
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

/// The result of a stored step.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Applied {
    /// What happened to the records.
    pub counts: Counts,
    /// The watermarks that the step proved.
    pub watermarks: Vec<Watermark>,
    /// Whether the step ended the pass.
    pub pass_complete: bool,
}
