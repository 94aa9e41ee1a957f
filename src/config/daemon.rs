//! The checked keys of `[daemon]`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::build::Builder;
use super::file::Tables;
use super::load::Secrets;
use super::reader::{Context, Findings};
use crate::http::Secret;
use crate::provider::ProviderSettings;
use crate::store::Clustering;

/// The checked keys of `[daemon]`. Its `Debug` shows no secret.
#[derive(Debug, Clone, PartialEq)]
pub struct DaemonSettings {
    /// `listen`: the address that HTTP is served on; port 0 is any free one.
    pub listen: SocketAddr,
    /// `hosts`: the names under which HTTP is answered, in lower case, beside localhost and addresses.
    pub hosts: Vec<String>,
    /// `max_connections`: the number of HTTP connections at the same time, from 1.
    pub max_connections: usize,
    /// `http2`: whether HTTP/2 is spoken too.
    pub http2: bool,
    /// `max_hosts`: the number of hosts that are harvested at the same time, from 1.
    pub max_hosts: usize,
    /// `metrics_per_source`: up to this number of sources `/metrics` has series for each.
    pub metrics_per_source: usize,
    /// `history_days`: ended passes are deleted after this number of days; 0 keeps them all.
    pub history_days: u32,
    /// `tombstone_days`: tombstones are deleted after this number of days; 0 keeps them all.
    pub tombstone_days: u32,
    /// `search`: whether titles, DOIs and ends of identifiers can be searched.
    pub search: bool,
    /// `time_zone`: the time zone of the times on the pages.
    pub time_zone: chrono_tz::Tz,
    /// `grace`: the time that the current page may take when the daemon stops.
    pub grace: Duration,
    /// `alert`: the program that is run when a fault begins and when it is over.
    pub alert: Option<PathBuf>,
    /// `webhook`: the URL to which the same is posted as JSON.
    pub webhook: Option<Secret>,
    /// `min_free_bytes`: the store's disk is nearly full when it has less free space.
    pub min_free_bytes: u64,
    /// `behind_after`: an output is behind when a change has waited for this long.
    pub behind_after: Duration,
    /// `[daemon.oai]`: the store as a repository; `None` if it is not served.
    pub oai: Option<ProviderSettings>,
    /// `token`: what requests need to run, pause or resume something; `None` refuses them all.
    pub token: Option<Secret>,
}

impl Default for DaemonSettings {
    /// The defaults of the key table.
    fn default() -> Self {
        let (tables, mut findings) = (Tables::empty(), Findings::default());
        let context = Context {
            directory: Path::new(""),
            credentials_directory: None,
            secrets: Secrets::Unread,
        };
        let mut builder = Builder {
            context: &context,
            tables: &tables,
            findings: &mut findings,
        };
        builder.daemon(None, &Clustering::default())
    }
}
