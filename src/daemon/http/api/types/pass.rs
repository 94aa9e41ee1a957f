//! Passes over a source, and the windows that each pass reads.

use serde::Serialize;
use utoipa::ToSchema;

use super::list;
use super::time::{Datestamp, Timestamp};
use crate::daemon::http::lookup;
use crate::store;

/// What a pass reads.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::daemon::http) enum PassKind {
    /// Everything.
    Full,
    /// What changed since the watermark.
    Since,
    /// A span of time that was asked for.
    Part,
    /// The identifiers of everything, to find records that disappeared.
    Identifiers,
    /// Spans that earlier passes could not read.
    Gaps,
}

/// The state of a pass.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::daemon::http) enum PassState {
    /// It is under way, or interrupted; the next run continues it.
    Open,
    /// All its windows are complete.
    Complete,
    /// It ended, but parts of its lists could not be read.
    Incomplete,
    /// A new pass replaced it, because the configuration or the watermark changed.
    Abandoned,
}

/// One pass over a source.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::daemon::http) struct Pass {
    /// The number of the pass.
    id: i64,
    kind: PassKind,
    state: PassState,
    /// Whether completing the pass moves the watermark.
    moves_watermark: bool,
    started_at: Timestamp,
    ended_at: Option<Timestamp>,
    /// Why it stopped, if it is not complete; otherwise a remark.
    note: Option<String>,
    requests: u64,
    pages: u64,
    /// Bytes received, before decompression.
    received_bytes: u64,
    /// Time spent waiting for responses, pauses included.
    #[schema(minimum = 0)]
    wait_seconds: f64,
    counts: Counts,
}

/// The records of a pass, by their effect on the store.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::daemon::http) struct Counts {
    new: u64,
    changed: u64,
    unchanged: u64,
    /// Records that were live before and are deleted now.
    deleted: u64,
    /// Items that went into quarantine.
    quarantined: u64,
    /// Records that could be read only after a repair.
    repaired: u64,
}

/// The state of a window.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::daemon::http) enum WindowState {
    /// It is being read, or will be.
    Open,
    /// It was read to its end.
    Complete,
    /// It ended, but the counts contradict it; it is read again.
    Suspicious,
    /// It could not be read; it is tried again.
    Failed,
    /// It could not be read when its pass ended. It became a gap, or the next pass reads it.
    Unread,
    /// Smaller windows replaced it.
    Split,
}

/// One list, or the part of a list between two datestamps.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::daemon::http) struct Window {
    id: i64,
    pass_id: i64,
    /// The set; null for the whole repository.
    set_spec: Option<String>,
    /// The first datestamp; null for the beginning.
    from: Option<Datestamp>,
    /// The last datestamp; null for an open end.
    until: Option<Datestamp>,
    state: WindowState,
    /// The token of the next page; null to start.
    resumption_token: Option<String>,
    /// Pages read in the current attempt.
    pages: u64,
    /// Items read in the current attempt.
    items: u64,
    /// The smallest `completeListSize` that the repository stated in the current attempt.
    complete_list_size: Option<u64>,
    /// The list proves that changes up to this datestamp are stored, once it is complete.
    bound: Option<Datestamp>,
    /// Attempts to read the window.
    attempts: u32,
    /// Items that the previous attempt found, if it reached the end.
    previous_items: Option<u64>,
    /// What is wrong with it.
    note: Option<String>,
}

/// One pass and its windows.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::daemon::http) struct PassDetails {
    #[serde(flatten)]
    pass: Pass,
    /// The first 500 windows, by set and datestamps.
    windows: Vec<Window>,
    /// Whether the pass has more windows than these.
    more_windows: bool,
    /// The number of windows in each state.
    window_states: Vec<WindowCount>,
}

/// The number of windows in one state.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::daemon::http) struct WindowCount {
    state: WindowState,
    windows: u64,
}

impl From<lookup::PassDetails> for PassDetails {
    fn from(details: lookup::PassDetails) -> Self {
        let more_windows = details.has_more_windows();
        let states = details.window_states.into_iter();
        Self {
            pass: details.pass.into(),
            windows: list(details.windows),
            more_windows,
            window_states: states
                .map(|(state, windows)| WindowCount {
                    state: state.into(),
                    windows,
                })
                .collect(),
        }
    }
}

impl From<store::Pass> for Pass {
    fn from(pass: store::Pass) -> Self {
        let wait = std::time::Duration::from_millis(pass.wait_ms);
        Self {
            id: pass.id.0,
            kind: match pass.kind {
                store::PassKind::Full => PassKind::Full,
                store::PassKind::Since => PassKind::Since,
                store::PassKind::Part => PassKind::Part,
                store::PassKind::Identifiers => PassKind::Identifiers,
                store::PassKind::Gaps => PassKind::Gaps,
            },
            state: match pass.state {
                store::PassState::Open => PassState::Open,
                store::PassState::Complete => PassState::Complete,
                store::PassState::Incomplete => PassState::Incomplete,
                store::PassState::Abandoned => PassState::Abandoned,
            },
            moves_watermark: pass.moves_watermark,
            started_at: Timestamp::from_ms(pass.started_at),
            ended_at: pass.ended_at.map(Timestamp::from_ms),
            note: pass.note,
            requests: pass.requests,
            pages: pass.pages,
            received_bytes: pass.bytes,
            wait_seconds: wait.as_secs_f64(),
            counts: Counts {
                new: pass.counts.new,
                changed: pass.counts.changed,
                unchanged: pass.counts.unchanged,
                deleted: pass.counts.deleted,
                quarantined: pass.counts.quarantined,
                repaired: pass.counts.repaired,
            },
        }
    }
}

impl From<store::WindowState> for WindowState {
    fn from(state: store::WindowState) -> Self {
        match state {
            store::WindowState::Open => Self::Open,
            store::WindowState::Complete => Self::Complete,
            store::WindowState::Suspicious => Self::Suspicious,
            store::WindowState::Failed => Self::Failed,
            store::WindowState::Unread => Self::Unread,
            store::WindowState::Split => Self::Split,
        }
    }
}

impl From<store::Window> for Window {
    fn from(window: store::Window) -> Self {
        Self {
            id: window.id.0,
            pass_id: window.pass_id.0,
            set_spec: window.set_spec,
            from: window.span.from.map(Datestamp),
            until: window.span.until.map(Datestamp),
            state: window.state.into(),
            resumption_token: window.token.map(|token| token.as_str().to_owned()),
            pages: window.pages,
            items: window.items,
            complete_list_size: window.list_size,
            bound: window.bound.map(Datestamp),
            attempts: window.reads,
            previous_items: window.last_items,
            note: window.note,
        }
    }
}
