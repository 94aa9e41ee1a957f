//! How one source is harvested.

use std::time::Duration;

use super::assume::Assumption;
use crate::http::ClientSettings;
use crate::oai::parse::PageLimits;
use crate::oai::{Datestamp, Granularity};

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
    /// `retries`: how often one request is tried again after a fault of the network or server.
    pub retries: u32,
    /// `retry_pause`: the first pause before such a try; it doubles each time.
    pub retry_pause: Duration,
    /// `max_wait`: a longer wait, asked for by the server, parks the source instead.
    pub max_wait: Duration,
    /// `granularity`: overrides what Identify says.
    pub granularity: Option<Granularity>,
    /// `assume`: what to think of the repository, whatever it has shown.
    pub assume: Vec<Assumption>,
    /// What the store remembers instead of the URL, where that is another one in each run: the
    /// port of the demo repository is. `None` for every real repository.
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
            granularity: None,
            assume: Vec::new(),
            known_as: None,
        }
    }
}
