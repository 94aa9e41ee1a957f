//! Passes and windows as types: what a harvest reads, and how each part of it ended.

use serde::Serialize;

use super::SourceId;
use crate::oai::{Datestamp, ResumptionToken};

/// A pass in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PassId(pub i64);

/// A window in the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct WindowId(pub i64);

/// Datestamps from and until, both inclusive, `None` for unbounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize)]
pub struct Span {
    /// Lower bound.
    pub from: Option<Datestamp>,
    /// Upper bound.
    pub until: Option<Datestamp>,
}

/// Enums that are stored as words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// The word that the store and the machine-readable outputs use.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            pub(super) fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
        }
    };
}
pub(super) use words;

words! {
    /// Why a pass was run.
    PassKind {
        /// Everything: there is no watermark yet, or a full pass was requested.
        Full = "full",
        /// The changes since the watermark.
        Since = "since",
        /// A requested span of datestamps.
        Part = "part",
        /// Spans that earlier passes could not read.
        Gaps = "gaps",
        /// All identifiers, to find records that have disappeared. Changes no content.
        Identifiers = "identifiers",
    }
}

words! {
    /// The state of a pass.
    PassState {
        /// Not finished; the next run resumes it.
        Open = "open",
        /// Every window of it is complete.
        Complete = "complete",
        /// Ended, but parts of its lists could not be read.
        Incomplete = "incomplete",
        /// Replaced by another pass, because the settings or the watermark have changed.
        Abandoned = "abandoned",
    }
}

words! {
    /// The state of a window.
    WindowState {
        /// To be read, or being read.
        Open = "open",
        /// Read to its end.
        Complete = "complete",
        /// Read to an end that the counts contradict; it is read again.
        Suspicious = "suspicious",
        /// Could not be read; it is retried.
        Failed = "failed",
        /// Could not be read when its pass ended. A window with an end became a [`Gap`]; a window
        /// without an end is read by the next pass.
        Unread = "unread",
        /// Replaced by smaller ones.
        Split = "split",
    }
}

/// One run over a source.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pass {
    /// Its number.
    pub id: PassId,
    /// Its source.
    pub source_id: SourceId,
    /// Why it was run.
    pub kind: PassKind,
    /// Its state.
    pub state: PassState,
    /// Whether its completion moves the watermark; false if that would leave a gap.
    pub moves_watermark: bool,
    /// When it began, in milliseconds since 1970 on our clock.
    #[serde(serialize_with = "crate::clock::as_rfc3339")]
    pub started_at: i64,
    /// When it ended.
    #[serde(serialize_with = "crate::clock::as_rfc3339")]
    pub ended_at: Option<i64>,
    /// Why it was interrupted, or a remark about a complete pass.
    pub note: Option<String>,
    /// Requests sent.
    pub requests: u64,
    /// Pages stored.
    pub pages: u64,
    /// Bytes received, as they came over the wire.
    pub bytes: u64,
    /// Time spent waiting for the server, pauses included, in milliseconds.
    pub wait_ms: u64,
    /// What happened to its records.
    pub counts: super::Counts,
}

/// A position in a list that is sorted by datestamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The datestamp of the last item.
    pub datestamp: Datestamp,
    /// The number of items with this datestamp so far; more can follow.
    pub items: u64,
}

/// A list to be read, or a part of one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Window {
    /// Its number; windows are read in the order of their spans.
    pub id: WindowId,
    /// Its pass.
    pub pass_id: PassId,
    /// The set, if the source has sets.
    pub set_spec: Option<String>,
    /// The datestamps it covers.
    pub span: Span,
    /// Whether it is only a part of its list.
    pub part: bool,
    /// Its state.
    pub state: WindowState,
    /// The resumption token to continue with; `None` to begin.
    pub token: Option<ResumptionToken>,
    /// When the token arrived, in milliseconds since 1970 on our clock.
    #[serde(serialize_with = "crate::clock::as_rfc3339")]
    pub token_at: Option<i64>,
    /// The position reached in its list; `None` if the list is not sorted.
    pub place: Option<Place>,
    /// Pages of this reading.
    pub pages: u64,
    /// Items of this reading, including bad ones.
    pub items: u64,
    /// The smallest `completeListSize` in this reading.
    pub list_size: Option<u64>,
    /// How far its first page proves the list; `None` if that is its own `until`, or if nothing is
    /// proven.
    pub bound: Option<Datestamp>,
    /// How often its reading has begun.
    pub reads: u32,
    /// Items of the reading before this one. `None` if that did not reach an end, since it then says
    /// nothing about the length of the list.
    pub last_items: Option<u64>,
    /// The number of failed windows that it is a part of. Zero if no window before it failed.
    pub failures: u32,
    /// Why it is suspicious, failed or split.
    pub note: Option<String>,
}

/// A span of datestamps that could not be read.
///
/// Passes leave it out. It is requested by itself, with growing pauses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// Its number.
    pub id: i64,
    /// The set, if the source has sets.
    pub set_spec: Option<String>,
    /// The datestamps, both inclusive. It always has an end.
    pub span: Span,
    /// Why the last attempt failed.
    pub reason: String,
    /// The number of failed attempts, from 1.
    pub attempts: u32,
    /// The number of attempts that brought an empty list. An empty list proves nothing, so one is not
    /// enough to close the gap.
    pub empty_reads: u32,
    /// When the first attempt failed, in milliseconds since 1970 on our clock.
    pub first_at: i64,
    /// When the next attempt is due, in milliseconds since 1970 on our clock.
    pub next_at: i64,
}

impl WindowState {
    /// Whether a window in this state is still to be read by its pass.
    pub fn is_pending(self) -> bool {
        match self {
            Self::Open | Self::Suspicious | Self::Failed => true,
            Self::Complete | Self::Split | Self::Unread => false,
        }
    }
}

impl Window {
    /// How far this window proves its list if it is complete. A part was cut when its `until` lay in
    /// the repository's past, so that it proves its own `until`.
    pub fn proven_until(&self) -> Option<Datestamp> {
        let own_until = self.span.until.filter(|_| self.part);
        self.bound.or(own_until)
    }
}

/// The state of one list of a pass, from which its watermark follows.
#[derive(Debug, Clone, PartialEq)]
pub struct ListState {
    /// Every window of the list, also those that were split.
    pub windows: Vec<Window>,
    /// Whether the pass lists only gaps.
    pub only_gaps: bool,
    /// Whether the pass may move the watermark; see [`Pass::moves_watermark`].
    pub moves_watermark: bool,
    /// How far the list was proven outside of its gaps.
    pub head: Option<Datestamp>,
    /// The watermark before.
    pub watermark: Option<Datestamp>,
    /// The gaps of the list.
    pub gaps: Vec<Gap>,
}

/// What a list proves after one of its windows has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proven {
    /// Windows of the list are still to be read by this pass.
    NotYet,
    /// The pass has read all that it can of the list.
    List {
        /// The gaps that it has closed.
        closed: Vec<i64>,
        /// The gaps that brought an empty list for the first time.
        empty: Vec<i64>,
        /// How far the list is proven outside of its gaps. `None` if nothing is proven.
        head: Option<Datestamp>,
        /// The watermark. `None` if there is none: nothing is proven, or the first gap begins with the
        /// list.
        watermark: Option<Datestamp>,
    },
}

/// Computes what a list proves from its state.
pub type ProofRule = fn(&ListState) -> Proven;

/// A window to be added to a pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWindow {
    /// The set.
    pub set_spec: Option<String>,
    /// The datestamps.
    pub span: Span,
}

/// How the reading of a window ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// At the end of the list.
    Complete,
    /// At an end that the counts contradict.
    Suspicious(String),
    /// Before the end.
    Failed(String),
}

/// The pause before a gap is tried again, after `attempts` failed attempts: one hour, doubled each time,
/// at most a week.
pub(super) fn gap_pause_ms(attempts: u32) -> i64 {
    const HOUR_MS: i64 = 3_600_000;
    const WEEK_MS: i64 = 7 * 24 * HOUR_MS;
    let doublings = attempts.saturating_sub(1).min(16);
    (HOUR_MS << doublings).min(WEEK_MS)
}
