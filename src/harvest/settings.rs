//! The settings of one source.

use std::time::Duration;

use super::assume::Assumption;
use crate::http::{ClientSettings, show_url};
use crate::oai::parse::PageLimits;
use crate::oai::{Datestamp, Granularity};
use crate::schedule::SourceSchedule;
use crate::store::SourceDefinition;

/// One configured harvest: a repository, a metadata format, sets, and the manners to keep.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceSettings {
    /// The source's name, unique in a store: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// Address, credentials, times and limits.
    pub client: ClientSettings,
    /// How large one answer may be.
    pub page_limits: PageLimits,
    /// The metadata format.
    pub metadata_prefix: String,
    /// The sets to harvest; empty for the whole repository.
    pub sets: Vec<String>,
    /// `from`: nothing older is asked for; `None` for everything.
    pub from: Option<Datestamp>,
    /// `until`: nothing newer is asked for; `None` for everything.
    pub until: Option<Datestamp>,
    /// `overlap`: how far before the watermark the next pass starts.
    pub overlap: Duration,
    /// `delay`: the pause between the end of one request and the start of the next.
    pub delay: Duration,
    /// `window_records`: a list larger than this is cut into time windows.
    pub window_records: u64,
    /// `retries`: how often one request is sent again after a fault of the network or server.
    pub retries: u32,
    /// `retry_pause`: the pause before the first retry; it doubles each time.
    pub retry_pause: Duration,
    /// `max_wait`: a server that wants a longer pause ends the run.
    pub max_wait: Duration,
    /// `max_run_records`: a first run that lists more items is held for a person.
    pub max_run_records: u64,
    /// `max_run_bytes`: a first run that receives more bytes is held for a person.
    pub max_run_bytes: u64,
    /// `granularity`: overrides what Identify says.
    pub granularity: Option<Granularity>,
    /// `assume`: traits of the repository that replace learnt ones.
    pub assume: Vec<Assumption>,
    /// When the daemon harvests it and looks for records that disappeared.
    pub schedule: SourceSchedule,
    /// Whether the names of the repository's sets are read: the OAI-PMH provider shows them.
    pub reads_set_names: bool,
    /// The URL that the store keeps in place of the real one. Only the demo repository needs it, since
    /// its port differs in each run.
    pub known_as: Option<String>,
}

impl SourceSettings {
    /// The defaults for a source.
    pub fn new(name: impl Into<String>, client: ClientSettings, metadata_prefix: &str) -> Self {
        Self {
            name: name.into(),
            client,
            page_limits: PageLimits::default(),
            metadata_prefix: metadata_prefix.to_owned(),
            sets: Vec::new(),
            from: None,
            until: None,
            overlap: Duration::from_secs(48 * 3600),
            delay: Duration::from_secs(1),
            window_records: 50_000,
            retries: 6,
            retry_pause: Duration::from_secs(2),
            max_wait: Duration::from_secs(900),
            max_run_records: 20_000_000,
            max_run_bytes: 200 << 30,
            granularity: None,
            assume: Vec::new(),
            schedule: SourceSchedule::default(),
            reads_set_names: false,
            known_as: None,
        }
    }
}

/// The definition of a source that the store keeps: nothing secret. The other arguments of its URL
/// stay, since they may choose the repository.
pub fn definition(settings: &SourceSettings) -> SourceDefinition {
    SourceDefinition {
        name: settings.name.clone(),
        base_url: settings
            .known_as
            .clone()
            .unwrap_or_else(|| show_url(&settings.client.url)),
        metadata_prefix: settings.metadata_prefix.clone(),
        sets: settings.sets.clone(),
        floor: settings.from,
    }
}
