//! Sources: what is harvested, how far it is complete, and what went wrong.

use serde::Serialize;
use utoipa::ToSchema;

use super::job::Job;
use super::list;
use super::pass::{Pass, Window};
use super::time::{Date, Datestamp, Timestamp, Version};
use crate::daemon::overview::{SourcePage, SourceView};
use crate::store;

/// Sources, by name.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::daemon::http) struct Sources {
    /// The sources, without their history: each has its last pass, and neither days nor items in quarantine.
    pub(super) sources: Vec<Source>,
    /// The name to give as `after` for the sources that follow; null if there are no more.
    pub(super) next: Option<String>,
}

/// The state of a source.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::daemon::http) enum SourceState {
    /// Its last harvest or reconcile failed.
    Failed,
    /// It waits for a person to confirm something.
    Held,
    /// It has gaps, a warning that is a problem, or an interrupted run that nothing continues by itself.
    Incomplete,
    /// No list of it was ever complete.
    New,
    /// None of the others.
    Complete,
    /// A person paused it.
    Paused,
    /// The store has it, and the configuration does not.
    NotConfigured,
    /// It was forgotten: only tombstones are left.
    Forgotten,
}

/// One source: a repository, a metadata format, and maybe sets.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::daemon::http) struct Source {
    name: String,
    /// In one word, how it is. Whether a pass goes on is in `pass`.
    state: SourceState,
    /// Whether the configuration has it. Records of a removed source stay in the store.
    configured: bool,
    /// Passes over it.
    pass: Job,
    /// Searches for records that disappeared from the repository.
    reconcile: Job,
    /// The address of the repository, without credentials.
    base_url: String,
    metadata_prefix: String,
    /// The sets that are harvested; empty for all records.
    sets: Vec<String>,
    /// Records in the store that are not deleted.
    live_records: u64,
    /// Tombstones in the store.
    deleted_records: u64,
    /// The store has every change of the repository up to this datestamp. Null before the first
    /// complete list.
    watermark: Option<Datestamp>,
    /// The age of the watermark.
    behind_seconds: Option<i64>,
    /// The watermark of each list: of the whole repository, or of each set.
    watermarks: Vec<Watermark>,
    /// Spans of datestamps that could not be read. They are tried again by themselves.
    gaps: Vec<Gap>,
    repository: Repository,
    /// Windows of the open pass that are not complete.
    pending_windows: Vec<Window>,
    /// The last 30 passes, newest first.
    passes: Vec<Pass>,
    /// Records received on each of the last 90 days; days without a pass are omitted.
    days: Vec<Day>,
    /// Active warnings.
    warnings: Vec<Warning>,
    /// Items in quarantine.
    quarantined: u64,
    /// The newest 20 items in quarantine.
    quarantine: Vec<QuarantinedItem>,
}

/// How far one list is complete.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::daemon::http) struct Watermark {
    /// The set; null for the whole repository.
    set_spec: Option<String>,
    /// Every change up to this datestamp is in the store.
    datestamp: Datestamp,
    /// Readers of the change feed have all these changes once they reach this version.
    version: Version,
}

/// A span of datestamps that could not be read.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::daemon::http) struct Gap {
    /// The set; null for the whole repository.
    set_spec: Option<String>,
    /// The first datestamp; null for the beginning of the list.
    from: Option<Datestamp>,
    /// The last datestamp.
    until: Option<Datestamp>,
    /// Why the last attempt failed.
    reason: String,
    /// Failed attempts.
    attempts: u32,
    first_failed_at: Timestamp,
    /// The next attempt is due at this time.
    next_attempt_at: Timestamp,
}

/// What the repository says of itself, and what the harvester learned about it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::daemon::http) struct Repository {
    /// `repositoryName` of its Identify response.
    name: Option<String>,
    /// `deletedRecord` of its Identify response: `no`, `transient` or `persistent`.
    deleted_record: Option<String>,
    /// `earliestDatestamp` of its Identify response.
    earliest_datestamp: Option<Datestamp>,
    /// The precision of datestamps that works: `day` or `second`.
    #[schema(value_type = Option<String>, example = "second")]
    granularity: Option<crate::oai::Granularity>,
    /// The address to which it moved permanently.
    moved_to: Option<String>,
    /// It hides changes that are newer than this.
    delay_seconds: Option<i64>,
    /// Items on a full page.
    page_size: Option<u64>,
    /// When the last search for disappeared records ended.
    reconciled_at: Option<Timestamp>,
}

/// Records received on one day, in UTC.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::daemon::http) struct Day {
    date: Date,
    new: u64,
    changed: u64,
    deleted: u64,
    /// Passes and reconciles that ended, other than by an interruption.
    passes: u64,
}

/// An active warning about a source.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::daemon::http) struct Warning {
    kind: &'static str,
    /// What is wrong, and what to do.
    message: String,
    since: Timestamp,
}

/// An item that could not be stored as a record.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::daemon::http) struct QuarantinedItem {
    /// The number for `/api/v1/quarantine/{number}/raw`.
    #[schema(minimum = 1)]
    number: u64,
    source: String,
    /// The identifier, if it could be read.
    identifier: Option<String>,
    /// The datestamp as received, if it could be read.
    datestamp: Option<String>,
    /// Why it could not be stored.
    reason: String,
    first_seen_at: Timestamp,
    last_seen_at: Timestamp,
}

impl From<SourcePage> for Sources {
    fn from(page: SourcePage) -> Self {
        let last = page.sources.last().filter(|_| page.has_more);
        Self {
            next: last.map(|last| last.name.clone()),
            sources: list(page.sources),
        }
    }
}

impl From<SourceView> for Source {
    fn from(view: SourceView) -> Self {
        Self {
            name: view.name,
            state: view.state.into(),
            configured: view.configured,
            pass: view.pass.into(),
            reconcile: view.reconcile.into(),
            base_url: view.base_url,
            metadata_prefix: view.metadata_prefix,
            sets: view.sets,
            live_records: view.live_records,
            deleted_records: view.deleted_records,
            watermark: view.watermark.map(Datestamp),
            behind_seconds: view.behind_seconds,
            watermarks: list(view.watermarks),
            gaps: list(view.gaps),
            repository: view.traits.into(),
            pending_windows: list(view.pending_windows),
            passes: list(view.passes),
            days: list(view.days),
            warnings: list(view.warnings),
            quarantined: view.quarantined,
            quarantine: list(view.quarantine),
        }
    }
}

impl From<store::SourceState> for SourceState {
    fn from(state: store::SourceState) -> Self {
        match state {
            store::SourceState::Failed => Self::Failed,
            store::SourceState::Held => Self::Held,
            store::SourceState::Incomplete => Self::Incomplete,
            store::SourceState::New => Self::New,
            store::SourceState::Complete => Self::Complete,
            store::SourceState::Paused => Self::Paused,
            store::SourceState::NotConfigured => Self::NotConfigured,
            store::SourceState::Forgotten => Self::Forgotten,
        }
    }
}

impl From<store::Watermark> for Watermark {
    fn from(watermark: store::Watermark) -> Self {
        Self {
            set_spec: watermark.set_spec,
            datestamp: Datestamp(watermark.datestamp),
            version: Version(watermark.version),
        }
    }
}

impl From<store::Gap> for Gap {
    fn from(gap: store::Gap) -> Self {
        Self {
            set_spec: gap.set_spec,
            from: gap.span.from.map(Datestamp),
            until: gap.span.until.map(Datestamp),
            reason: gap.reason,
            attempts: gap.attempts,
            first_failed_at: Timestamp::from_ms(gap.first_at),
            next_attempt_at: Timestamp::from_ms(gap.next_at),
        }
    }
}

impl From<store::Traits> for Repository {
    fn from(traits: store::Traits) -> Self {
        Self {
            name: traits.repository_name,
            deleted_record: traits.deleted_record,
            earliest_datestamp: traits.earliest.map(Datestamp),
            granularity: traits.granularity,
            moved_to: traits.moved_to,
            delay_seconds: traits.delayed_seconds,
            page_size: traits.page_size,
            reconciled_at: traits.reconciled_at.map(Timestamp::from_ms),
        }
    }
}

impl From<store::Day> for Day {
    fn from(day: store::Day) -> Self {
        Self {
            date: Date::from_ms(day.day_ms),
            new: day.new,
            changed: day.changed,
            deleted: day.deleted,
            passes: day.passes,
        }
    }
}

impl From<store::Warning> for Warning {
    fn from(warning: store::Warning) -> Self {
        Self {
            kind: warning.kind.word(),
            message: warning.message,
            since: Timestamp::from_ms(warning.since_at),
        }
    }
}

impl From<store::QuarantinedItem> for QuarantinedItem {
    fn from(item: store::QuarantinedItem) -> Self {
        Self {
            number: item.number,
            source: item.source,
            identifier: item.identifier,
            datestamp: item.datestamp,
            reason: item.reason,
            first_seen_at: Timestamp::from_ms(item.first_at),
            last_seen_at: Timestamp::from_ms(item.last_at),
        }
    }
}
