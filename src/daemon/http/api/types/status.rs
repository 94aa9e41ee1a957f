//! The status of the whole daemon.

use serde::Serialize;
use utoipa::ToSchema;

use super::list;
use super::output::{Export, Output};
use super::provider::Provider;
use super::source::{Source, Sources};
use super::time::{Timestamp, Version};
use crate::daemon::overview::{Overview, SearchView, SourcePage};
use crate::daemon::status;
use crate::store;

/// The daemon and everything that it works on.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::daemon::http) struct Status {
    /// The version of the program.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// The time of this response.
    now: Timestamp,
    /// When the daemon started.
    started_at: Timestamp,
    /// Why no job can start at the moment; null if all is well.
    problem: Option<String>,
    /// The last reload of the configuration since the start.
    last_reload: Option<Reload>,
    /// The newest version in the store.
    last_version: Version,
    /// Size of the database file.
    store_bytes: u64,
    /// Size of the write-ahead log of the database.
    wal_bytes: u64,
    /// Hosts that get no requests for a while, because they failed or asked for a pause.
    host_pauses: Vec<HostPause>,
    /// Problems that alerts report.
    conditions: Vec<Condition>,
    /// Alerts that are not delivered yet.
    pending_alerts: u64,
    /// The first 100 sources, as `/api/v1/sources` gives them.
    sources: Vec<Source>,
    /// The name to give to `/api/v1/sources` as `after` for more sources; null if there are no more.
    next_source: Option<String>,
    outputs: Vec<Output>,
    exports: Vec<Export>,
    search: Search,
    /// The use of the OAI-PMH provider; null if it is off.
    provider: Option<Provider>,
}

/// A reload of the configuration.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::daemon::http) struct Reload {
    at: Timestamp,
    /// Why the new configuration was refused and the old one stays; null if it is in use.
    error: Option<String>,
}

/// A host that gets no requests for a while.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::daemon::http) struct HostPause {
    /// The host and its port.
    #[schema(example = "repository.example.org:443")]
    host: String,
    /// When the pause ends, or ended.
    until: Timestamp,
    /// Failed passes in a row.
    failures: u32,
    reason: String,
}

/// A problem that alerts report.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::daemon::http) struct Condition {
    /// `source`, `output`, `export` or `store`.
    #[schema(example = "source")]
    subject: String,
    /// The name of the source, output or export.
    name: String,
    /// The problem in one word.
    kind: String,
    /// The problem, for people.
    message: String,
    since: Timestamp,
}

/// What the search can find. Without an index it finds whole identifiers only.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::daemon::http) struct Search {
    /// Whether the configuration enables the index.
    enabled: bool,
    /// The index; null before it exists.
    index: Option<SearchIndex>,
}

/// The search index.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::daemon::http) struct SearchIndex {
    /// The index has every change up to this version.
    position: Version,
    /// Changes that the index lacks, counted up to 100,000.
    #[schema(maximum = 1_000_000)]
    behind_changes: u64,
    /// Size of the file.
    bytes: u64,
}

impl Status {
    /// The status with the first sources.
    pub(in crate::daemon::http) fn new(overview: Overview, page: SourcePage) -> Self {
        let sources = Sources::from(page);
        Self {
            version: overview.version,
            now: Timestamp::from_ms(overview.now_ms),
            started_at: Timestamp::from_ms(overview.started_ms),
            problem: overview.trouble,
            last_reload: overview.reload.map(Reload::from),
            last_version: Version(overview.last_version),
            store_bytes: overview.store_bytes,
            wal_bytes: overview.log_bytes,
            host_pauses: list(overview.hosts),
            conditions: list(overview.conditions),
            pending_alerts: overview.pending_alerts,
            sources: sources.sources,
            next_source: sources.next,
            outputs: list(overview.outputs),
            exports: list(overview.exports),
            search: overview.search.into(),
            provider: overview.provider.map(Provider::from),
        }
    }
}

impl From<status::Reload> for Reload {
    fn from(reload: status::Reload) -> Self {
        Self {
            at: Timestamp::from_ms(reload.at_ms),
            error: reload.refused,
        }
    }
}

impl From<store::HostPause> for HostPause {
    fn from(pause: store::HostPause) -> Self {
        Self {
            host: pause.host,
            until: Timestamp::from_ms(pause.not_before_at),
            failures: pause.failures,
            reason: pause.reason,
        }
    }
}

impl From<store::Condition> for Condition {
    fn from(condition: store::Condition) -> Self {
        Self {
            subject: condition.subject,
            name: condition.name,
            kind: condition.kind,
            message: condition.message,
            since: Timestamp::from_ms(condition.since_at),
        }
    }
}

impl From<SearchView> for Search {
    fn from(search: SearchView) -> Self {
        Self {
            enabled: search.enabled,
            index: search.index.map(|index| SearchIndex {
                position: Version(index.position),
                behind_changes: index.behind,
                bytes: index.bytes,
            }),
        }
    }
}
